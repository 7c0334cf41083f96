/* Any bytes: what is shown is valid, harmless, as wide as said, and gives the bytes back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const uint8_t *data, size_t n, enum text_form form)
{
	size_t len = text_sanitise(NULL, 0, data, n, form), width = 0, marks = 0;
	char *out = malloc(len + 1);
	uint8_t *back = malloc(n + 1);

	if (!out || !back)
		abort();
	if (text_sanitise(out, len + 1, data, n, form) != len || strlen(out) != len)
		abort();
	if (text_unescape(back, n, out, len) != n || (n && memcmp(back, data, n)))
		abort();
	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t k = text_decode((const uint8_t *)out + i, len - i, &code);
		int w = k ? text_code_width(code) : -1;

		if (w < 0 || (form == TEXT_ASCII && code > 0x7e))
			abort();
		marks = w ? 0 : marks + 1;
		if (marks > TEXT_MARKS_MAX)
			abort();
		width += (size_t)w;
		i += k;
	}
	if (width != text_width(data, n, form))
		abort();
	free(out);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	check(data, n, TEXT_UTF8);
	check(data, n, TEXT_ASCII);
	return 0;
}
