#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

struct sample {
	const char *bytes;
	size_t n;
	const char *shown, *ascii;
	int width;
};

#define S(bytes) bytes, sizeof(bytes) - 1

static const struct sample samples[] = {
	{S("plain"), "plain", "plain", 5},
	{S(""), "", "", 0},
	{S("a\\b"), "a\\\\b", "a\\\\b", 4},
	{S("\\x41"), "\\\\x41", "\\\\x41", 5},
	{S("\x1b[31mred\x07"), "\\x1b[31mred\\x07", "\\x1b[31mred\\x07", 15},
	{S("a\0b"), "a\\x00b", "a\\x00b", 6},
	{S("line\nnext\r\t"), "line\\x0anext\\x0d\\x09", "line\\x0anext\\x0d\\x09", 20},
	{S("\x7f"), "\\x7f", "\\x7f", 4},
	/* C1, raw and as UTF-8 */
	{S("\x9b" "2J"), "\\x9b2J", "\\x9b2J", 6},
	{S("\xc2\x9b" "2J"), "\\xc2\\x9b2J", "\\xc2\\x9b2J", 10},
	{S("\xc2\xa0"), "\\xc2\\xa0", "\\xc2\\xa0", 8},
	/* directions, and what is not seen */
	{S("a\xe2\x80\xae" "b"), "a\\xe2\\x80\\xaeb", "a\\xe2\\x80\\xaeb", 14},
	{S("\xe2\x81\xa6\xd8\x9c\xe2\x80\x8f"), "\\xe2\\x81\\xa6\\xd8\\x9c\\xe2\\x80\\x8f",
	 "\\xe2\\x81\\xa6\\xd8\\x9c\\xe2\\x80\\x8f", 32},
	{S("\xe2\x80\x8b\xef\xbb\xbf"), "\\xe2\\x80\\x8b\\xef\\xbb\\xbf", "\\xe2\\x80\\x8b\\xef\\xbb\\xbf", 24},
	{S("\xe2\x80\xa8"), "\\xe2\\x80\\xa8", "\\xe2\\x80\\xa8", 12},
	{S("\xf3\xa0\x81\x81"), "\\xf3\\xa0\\x81\\x81", "\\xf3\\xa0\\x81\\x81", 16},
	/* not UTF-8: overlong, surrogate, too large, cut short, lone tails */
	{S("\xc0\xaf"), "\\xc0\\xaf", "\\xc0\\xaf", 8},
	{S("\xe0\x80\xaf"), "\\xe0\\x80\\xaf", "\\xe0\\x80\\xaf", 12},
	{S("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\\xed\\xa0\\x80", 12},
	{S("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80", 16},
	{S("\xe2\x82"), "\\xe2\\x82", "\\xe2\\x82", 8},
	{S("\x80\xff"), "\\x80\\xff", "\\x80\\xff", 8},
	/* shown: Latin, wide, a mark on its letter */
	{S("caf\xc3\xa9"), "caf\xc3\xa9", "caf\\xc3\\xa9", 4},
	{S("\xe6\x97\xa5\xe6\x9c\xac"), "\xe6\x97\xa5\xe6\x9c\xac", "\\xe6\\x97\\xa5\\xe6\\x9c\\xac", 4},
	{S("e\xcc\x81"), "e\xcc\x81", "e\\xcc\\x81", 1},
	/* a mark without a letter, and more marks than fit */
	{S("\xcc\x81"), "\\xcc\\x81", "\\xcc\\x81", 8},
	{S("e\xcc\x81\xcc\x81\xcc\x81"), "e\xcc\x81\xcc\x81\\xcc\\x81", "e\\xcc\\x81\\xcc\\x81\\xcc\\x81", 9},
};

static void text_shows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		char out[256];
		uint8_t back[256];

		assert_int_equal(text_sanitise(out, sizeof(out), s->bytes, s->n, TEXT_UTF8), strlen(s->shown));
		assert_string_equal(out, s->shown);
		assert_int_equal(text_width(s->bytes, s->n, TEXT_UTF8), s->width);
		assert_int_equal(text_unescape(back, sizeof(back), out, strlen(out)), s->n);
		assert_memory_equal(back, s->bytes, s->n);

		assert_int_equal(text_sanitise(out, sizeof(out), s->bytes, s->n, TEXT_ASCII), strlen(s->ascii));
		assert_string_equal(out, s->ascii);
		assert_int_equal(text_width(s->bytes, s->n, TEXT_ASCII), strlen(s->ascii));
		assert_int_equal(text_unescape(back, sizeof(back), out, strlen(out)), s->n);
		assert_memory_equal(back, s->bytes, s->n);
	}
}

static void text_data_keeps_what_is_utf8(void **state)
{
	char out[64];

	(void)state;
	text_sanitise(out, sizeof(out), S("\x1b\xc2\x9b\xff\\"), TEXT_DATA);
	assert_string_equal(out, "\x1b\xc2\x9b\\xff\\\\");
}

static void text_is_cut_before_what_does_not_fit(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(text_sanitise(out, 4, S("ab\x1b" "c"), TEXT_UTF8), 7);
	assert_string_equal(out, "ab");
	assert_int_equal(text_sanitise(out, 7, S("ab\x1b" "c"), TEXT_UTF8), 7);
	assert_string_equal(out, "ab\\x1b");
	assert_int_equal(text_sanitise(NULL, 0, S("abc"), TEXT_UTF8), 3);
}

/* Nothing that moves a cursor comes out, of any code point at all. */
static void text_every_code_point(void **state)
{
	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		char in[5] = "a", out[32];
		size_t n;

		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		n = 1 + text_encode(code, in + 1);
		text_sanitise(out, sizeof(out), in, n, TEXT_UTF8);
		for (const char *p = out; *p;) {
			uint32_t shown;
			size_t k = text_decode((const uint8_t *)p, strlen(p), &shown);

			assert_true(k > 0);
			assert_true(shown >= 0x20 && shown != 0x7f && !(shown >= 0x80 && shown <= 0x9f));
			assert_false((shown >= 0x202a && shown <= 0x202e) || (shown >= 0x2066 && shown <= 0x2069));
			p += k;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_shows),
		cmocka_unit_test(text_data_keeps_what_is_utf8),
		cmocka_unit_test(text_is_cut_before_what_does_not_fit),
		cmocka_unit_test(text_every_code_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
