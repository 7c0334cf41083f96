#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bar.h"
#include "surface.h"

#include <math.h>

static void text_is(const struct surface *s, const char *expected)
{
	char *text = surface_text(s);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

#define PUT(s, x, y, w, flags, text) surface_put(s, x, y, w, ROLE_TEXT, flags, text, sizeof(text) - 1)

static void surface_puts(void **state)
{
	struct surface *s = surface_create(10, 3, TEXT_UTF8);

	(void)state;
	assert_int_equal(PUT(s, 0, 0, 10, 0, "hello"), 5);
	assert_int_equal(PUT(s, 6, 0, 10, 0, "beyond"), 6);
	assert_int_equal(PUT(s, 0, 1, 5, 0, "too long"), 5);
	assert_int_equal(PUT(s, 5, 1, 5, PUT_RIGHT, "12"), 5);
	assert_int_equal(PUT(s, 0, 2, 6, PUT_CUT_LEFT, "/a/b/c/d"), 6);
	text_is(s, "hello beyo\ntoo \xe2\x80\xa6   12\n\xe2\x80\xa6""b/c/d\n");
	surface_clear(s);
	/* Outside: nothing, and no crash. */
	PUT(s, -3, 0, 8, 0, "abcdefgh");
	PUT(s, 0, -1, 5, 0, "x");
	PUT(s, 0, 3, 5, 0, "x");
	PUT(s, 50, 1, 5, 0, "x");
	PUT(s, 0, 1, 0, 0, "x");
	PUT(s, 0, 1, -5, 0, "x");
	text_is(s, "defgh\n\n\n");
	surface_destroy(s);
}

/* Half a number is another number; names that begin with digits are none. */
static void surface_cuts_numbers_whole(void **state)
{
	static const struct {
		const char *text, *shown;
	} cut[] = {
		{"max <302ms of", "max <302ms~"}, {"maximum <302ms", "maximum ~"}, {"idle 2m30s, busy", "idle ~"},
		{"lived 12m30s, x", "lived ~"},	  {"1234567890123", "~"},	    {"kernel 6.1.0-18-amd64", "kernel 6.1~"},
		{"0123456789abcdef", "0123456789~"}, {"sleeper-1000000", "sleeper-10~"}, {"to 10.2.7.9:5432", "to 10.2.7.~"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		struct surface *s = surface_create(11, 1, TEXT_ASCII);
		char line[32];

		/* Nothing may come behind it. */
		assert_int_equal(surface_put(s, 0, 0, 11, ROLE_TEXT, 0, cut[i].text, strlen(cut[i].text)), 11);
		snprintf(line, sizeof(line), "%s\n", cut[i].shown);
		text_is(s, line);
		surface_destroy(s);
	}
}

static void surface_is_never_moved_by_text(void **state)
{
	struct surface *s = surface_create(24, 2, TEXT_UTF8);

	(void)state;
	PUT(s, 0, 0, 24, 0, "a\x1b[2Jb\r\n\tc");
	text_is(s, "a\\x1b[2Jb\\x0d\\x0a\\x09c\n\n");
	surface_clear(s);
	/* Our own text keeps its backslash, and is no safer to trust otherwise. */
	PUT(s, 0, 0, 20, PUT_OWN, "\\ filter\x1b");
	text_is(s, "\\ filter\\x1b\n\n");
	surface_destroy(s);
}

static void surface_cuts_wide_characters_whole(void **state)
{
	struct surface *s = surface_create(6, 2, TEXT_UTF8);

	(void)state;
	PUT(s, 0, 0, 4, PUT_NO_DOTS, "a\xe6\x97\xa5\xe6\x9c\xac");
	PUT(s, 0, 1, 6, 0, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe5\xad\x97");
	text_is(s, "a\xe6\x97\xa5\n\xe6\x97\xa5\xe6\x9c\xac\xe2\x80\xa6\n");
	/* Half of one drawn over: the other half is a blank. */
	PUT(s, 1, 1, 1, 0, "x");
	text_is(s, "a\xe6\x97\xa5\n x\xe6\x9c\xac\xe2\x80\xa6\n");
	assert_int_equal(surface_cell(s, 2, 1)->width, 2);
	assert_int_equal(surface_cell(s, 3, 1)->width, 0);
	surface_destroy(s);
}

static void surface_joins_marks(void **state)
{
	struct surface *s = surface_create(8, 1, TEXT_UTF8);

	(void)state;
	assert_int_equal(PUT(s, 0, 0, 8, 0, "e\xcc\x81x"), 2);
	assert_int_equal(surface_cell(s, 0, 0)->code[1], 0x301);
	assert_int_equal(surface_cell(s, 1, 0)->code[0], 'x');
	surface_destroy(s);
}

static void surface_ascii_form(void **state)
{
	struct surface *s = surface_create(12, 3, TEXT_ASCII);

	(void)state;
	PUT(s, 0, 0, 12, 0, "caf\xc3\xa9");
	surface_hline(s, 0, 1, 4, ROLE_RULE);
	for (int i = -1; i < 10; i++)
		surface_spark(s, i + 1, 2, ROLE_CHART, i);
	text_is(s, "caf\\xc3\\xa9\n----\n .123456789\n");
	/* Also a caller's slip stays ASCII. */
	surface_char(s, 0, 0, ROLE_TEXT, 0x2588);
	assert_int_equal(surface_cell(s, 0, 0)->code[0], '?');
	surface_destroy(s);
	s = surface_create(12, 3, TEXT_UTF8);
	for (int i = -1; i < 10; i++)
		surface_spark(s, i + 1, 0, ROLE_CHART, i);
	text_is(s, " \xc2\xb7\xe2\x96\x81\xe2\x96\x81\xe2\x96\x82\xe2\x96\x83\xe2\x96\x84\xe2\x96\x85\xe2\x96\x86"
		   "\xe2\x96\x87\xe2\x96\x88\n\n\n");
	surface_destroy(s);
}

static void surface_clips(void **state)
{
	struct surface *s = surface_create(8, 3, TEXT_UTF8);
	struct rect before = surface_clip(s, (struct rect){2, 1, 3, 1});
	char *roles;

	(void)state;
	surface_fill(s, (struct rect){-5, -5, 100, 100}, ROLE_CRIT, '#');
	/* A wide one that the clip cuts shows nothing of itself. */
	PUT(s, 4, 1, 4, 0, "\xe6\x97\xa5");
	surface_clip(s, before);
	text_is(s, "\n  ##\n\n");
	roles = surface_roles(s);
	assert_string_equal(roles, "........\n..!!....\n........\n");
	free(roles);
	surface_destroy(s);
}

static void surface_sizes(void **state)
{
	struct surface *s = surface_create(0, -4, TEXT_UTF8);

	(void)state;
	assert_int_equal(surface_width(s), 1);
	assert_int_equal(surface_height(s), 1);
	surface_box(s, surface_rect(s), ROLE_DIALOG);
	PUT(s, 0, 0, 1, 0, "\xe6\x97\xa5");
	assert_int_equal(surface_resize(s, 1 << 30, 2), 0);
	assert_int_equal(surface_width(s), SURFACE_MAX);
	surface_destroy(s);
	surface_destroy(NULL);
}

static void bar_shows_shares(void **state)
{
	struct surface *s = surface_create(20, 1, TEXT_UTF8);
	struct bar bar = {.share = {[BAR_CPU] = 50, [BAR_DISK] = 25, [BAR_LOCK] = 25}};
	struct bar tiny = {.share = {[BAR_CPU] = 97, [BAR_RUNQ] = 3}};
	struct bar bad = {.share = {[BAR_CPU] = NAN, [BAR_DISK] = -3, [BAR_NET] = INFINITY}};
	int columns[BAR_PARTS];

	(void)state;
	bar_draw(s, 0, 0, 20, &bar, 0);
	text_is(s, "CCCCCCCCCCDDDDDLLLLL\n");
	bar_draw(s, 0, 0, 20, &bar, 200);
	text_is(s, "CCCCCDDDLL\n");
	/* What takes more than half a column is seen, and the sum stays. */
	assert_int_equal(bar_columns(&tiny, 0, 20, columns), 20);
	assert_int_equal(columns[BAR_RUNQ], 1);
	assert_int_equal(bar_columns(&bad, 0, 20, columns), 0);
	surface_destroy(s);
}

static void spark_levels(void **state)
{
	(void)state;
	assert_int_equal(spark_level(NAN, 10), -1);
	assert_int_equal(spark_level(0, 10), 0);
	assert_int_equal(spark_level(0.0001, 10), 1);
	assert_int_equal(spark_level(10, 10), 9);
	assert_int_equal(spark_level(99, 10), 9);
	assert_int_equal(spark_level(9.99, 10), 9);
	assert_int_equal(spark_level(1, 0), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(surface_puts),
		cmocka_unit_test(surface_cuts_numbers_whole),
		cmocka_unit_test(surface_is_never_moved_by_text),
		cmocka_unit_test(surface_cuts_wide_characters_whole),
		cmocka_unit_test(surface_joins_marks),
		cmocka_unit_test(surface_ascii_form),
		cmocka_unit_test(surface_clips),
		cmocka_unit_test(surface_sizes),
		cmocka_unit_test(bar_shows_shares),
		cmocka_unit_test(spark_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
