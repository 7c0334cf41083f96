#include "json.h"

#include <inttypes.h>

#include "text.h"

static void code_unit(FILE *f, uint32_t code)
{
	if (code > 0xffff) {
		code -= 0x10000;
		fprintf(f, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
	} else {
		fprintf(f, "\\u%04" PRIx32, code);
	}
}

void json_string(FILE *f, const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + n;

	putc('"', f);
	while (p < end) {
		uint32_t code;
		size_t len;

		if (*p >= 0x20 && *p < 0x7f) {
			if (*p == '"' || *p == '\\')
				putc('\\', f);
			putc(*p++, f);
			continue;
		}
		len = text_decode(p, (size_t)(end - p), &code);
		if (!len) {
			p++; /* not valid: cannot come from text_sanitise() */
			continue;
		}
		if (code < 0x20 || text_code_width(code) < 0)
			code_unit(f, code);
		else
			fwrite(p, 1, len, f);
		p += len;
	}
	putc('"', f);
}
