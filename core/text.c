#include "text.h"

#include <string.h>

#include "text_tables.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool in_ranges(uint32_t code, const struct code_range *ranges, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (code > ranges[middle].last)
			low = middle + 1;
		else if (code < ranges[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

int text_code_width(uint32_t code)
{
	if (code < 0x7f)
		return code >= 0x20 ? 1 : -1;
	if (code > 0x10ffff || in_ranges(code, never_shown, COUNT(never_shown)))
		return -1;
	if (code < 0x300)
		return code >= 0xa0 ? 1 : -1;
	if (in_ranges(code, combining, COUNT(combining)))
		return 0;
	return in_ranges(code, wide, COUNT(wide)) ? 2 : 1;
}

size_t text_decode(const uint8_t *p, size_t n, uint32_t *ret_code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code;
	size_t len;

	if (!n)
		return 0;
	if (p[0] < 0x80) {
		*ret_code = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (n < len)
		return 0;
	code = p[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return len;
}

size_t text_encode(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | (code >> 18 & 0x07));
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

void text_iter_init(struct text_iter *it, const void *bytes, size_t n, enum text_form form)
{
	it->p = bytes;
	it->end = it->p ? it->p + n : it->p;
	it->form = form;
	it->keep_backslash = false;
	/* A mark at the very beginning has nothing to stand on. */
	it->marks = TEXT_MARKS_MAX;
}

bool text_next(struct text_iter *it, struct text_unit *ret)
{
	uint32_t code = 0;
	size_t len;
	int width;

	if (it->p == it->end)
		return false;
	len = text_decode(it->p, (size_t)(it->end - it->p), &code);
	ret->bytes = it->p;
	ret->code = code;
	ret->escaped = false;
	if (!len) {
		len = 1;
		width = -1;
	} else if (it->form == TEXT_DATA) {
		width = text_code_width(code);
		width = width < 0 ? 1 : width;
	} else if (it->form == TEXT_ASCII && code > 0x7e) {
		width = -1;
	} else {
		width = text_code_width(code);
	}
	if (width == 0 && it->form != TEXT_DATA) {
		if (it->marks >= TEXT_MARKS_MAX)
			width = -1;
		else
			it->marks++;
	} else {
		it->marks = 0;
	}
	if (code == '\\' && len == 1 && width == 1 && !it->keep_backslash) {
		ret->escaped = true;
		width = 2;
	} else if (width < 0) {
		ret->escaped = true;
		width = 4 * (int)len;
		it->marks = TEXT_MARKS_MAX;
	}
	ret->len = (uint8_t)len;
	ret->width = (uint8_t)width;
	it->p += len;
	return true;
}

size_t text_unit_put(const struct text_unit *unit, char out[TEXT_UNIT_MAX])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	if (!unit->escaped) {
		memcpy(out, unit->bytes, unit->len);
		n = unit->len;
	} else if (unit->bytes[0] == '\\') {
		out[n++] = '\\';
		out[n++] = '\\';
	} else {
		for (size_t i = 0; i < unit->len; i++) {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[unit->bytes[i] >> 4];
			out[n++] = hex[unit->bytes[i] & 15];
		}
	}
	out[n] = 0;
	return n;
}

size_t text_sanitise(char *out, size_t cap, const void *bytes, size_t n, enum text_form form)
{
	struct text_iter it;
	struct text_unit unit;
	size_t len = 0, written = 0;
	bool full = cap == 0;

	text_iter_init(&it, bytes, n, form);
	while (text_next(&it, &unit)) {
		char piece[TEXT_UNIT_MAX];
		size_t k = text_unit_put(&unit, piece);

		if (!full && k < cap - written) {
			memcpy(out + written, piece, k);
			written += k;
		} else {
			full = true;
		}
		len += k;
	}
	if (cap)
		out[written] = 0;
	return len;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t text_unescape(void *out, size_t cap, const char *text, size_t n)
{
	uint8_t *to = out;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c == '\\' && i + 1 < n && text[i + 1] == '\\') {
			i++;
		} else if (c == '\\' && i + 3 < n && text[i + 1] == 'x' && hex_digit(text[i + 2]) >= 0 &&
			   hex_digit(text[i + 3]) >= 0) {
			c = (uint8_t)(hex_digit(text[i + 2]) << 4 | hex_digit(text[i + 3]));
			i += 3;
		}
		if (len < cap)
			to[len] = c;
		len++;
	}
	return len;
}

size_t text_width(const void *bytes, size_t n, enum text_form form)
{
	struct text_iter it;
	struct text_unit unit;
	size_t width = 0;

	text_iter_init(&it, bytes, n, form);
	while (text_next(&it, &unit))
		width += unit.width;
	return width;
}
