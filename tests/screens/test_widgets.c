#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "chart.h"
#include "keys.h"
#include "list.h"
#include "prompt.h"
#include "support/golden.h"

#define SECOND 1000000000LL
/* 2026-03-01T14:03:22Z */
#define WALL (1772373802LL * SECOND)

static void chart_time_is_aligned(void **state)
{
	static const struct {
		int64_t span, tick;
		int columns;
		int64_t step;
	} cases[] = {
		{60, 1, 60, 1},	    {61, 1, 60, 2},	 {600, 1, 60, 10},	{601, 1, 60, 15},    {86400, 1, 60, 1800},
		{600, 2, 70, 10},   {60, 4, 60, 60}, {60, 7, 60, 7},	{1, 1, 500, 1},	     {90000, 1, 10, 10800},
		{864000, 1, 10, 86400}, {8640000, 1, 10, 864000}, {0, 0, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t tick = cases[i].tick * SECOND;
		struct chart_time t = chart_time_fit(WALL, cases[i].span * SECOND, tick, cases[i].columns);

		if (t.step_ns != cases[i].step * SECOND)
			fail_msg("case %zu: %lld s", i, (long long)(t.step_ns / SECOND));
		assert_int_equal(t.from_ns % t.step_ns, 0);
		assert_int_equal(chart_time_column(&t, WALL), t.columns - 1);
		if (tick)
			assert_int_equal(t.step_ns % tick, 0);
	}
}

/* A chart of 10 s columns doesn't move while a column fills. */
static void chart_stands_still(void **state)
{
	struct chart_time t = chart_time_fit(WALL, 600 * SECOND, SECOND, 60);

	(void)state;
	for (int s = -2; s < 8; s++) {
		struct chart_time u = chart_time_fit(WALL + s * SECOND, 600 * SECOND, SECOND, 60);

		assert_int_equal(u.from_ns, t.from_ns);
	}
	assert_int_equal(chart_time_fit(WALL + 8 * SECOND, 600 * SECOND, SECOND, 60).from_ns, t.from_ns + 10 * SECOND);
	assert_int_equal(chart_time_column(&t, t.from_ns - 1), -1);
	assert_int_equal(chart_time_column(&t, t.from_ns + 599 * SECOND), 59);
	assert_int_equal(chart_time_column(&t, INT64_MAX / 2), 60);
}

static void label(const void *self, double value, char *out, size_t cap)
{
	(void)self;
	snprintf(out, cap, "%.0fms", value);
}

static void chart_looks(void **state)
{
	static const enum text_form forms[] = {TEXT_ASCII, TEXT_UTF8};
	double values[SURFACE_MAX];

	(void)state;
	for (int f = 0; f < 2; f++) {
		struct surface *s = surface_create(60, 10, forms[f]);
		struct rect r = {0, 0, 60, 10};
		struct chart c = {.values = values, .label_w = 6, .label = label, .mark_from = 40, .mark_to = 45};

		c.time = chart_time_fit(WALL, 600 * SECOND, SECOND, chart_columns(r, 6));
		for (int i = 0; i < c.time.columns; i++)
			values[i] = i < 4 ? NAN : i % 13 == 0 ? 0 : 50 + 45 * sin(i / 5.0);
		values[20] = INFINITY;
		values[21] = -5;
		chart_draw(&c, s, r);
		golden_check(s, f ? "chart" : "chart-ascii");
		/* Whatever the room. */
		for (int w = 0; w < 20; w++)
			for (int h = 0; h < 4; h++)
				chart_draw(&c, s, (struct rect){50, 8, w, h});
		surface_destroy(s);
	}
}

static void type(struct prompt *p, const char *text)
{
	for (; *text; text++) {
		struct key key = {.code = (uint8_t)*text};

		prompt_key(p, &key);
	}
}

static enum prompt_result press(struct prompt *p, uint32_t code)
{
	struct key key = {.code = code};

	return prompt_key(p, &key);
}

static void prompt_edits(void **state)
{
	struct prompt_history h = {0};
	struct prompt p;

	(void)state;
	prompt_init(&p, &h, "");
	type(&p, "cpu>50");
	assert_string_equal(p.text, "cpu>50");
	press(&p, KEY_HOME);
	press(&p, KEY_DELETE);
	type(&p, "X");
	press(&p, KEY_RIGHT);
	press(&p, KEY_BACKSPACE);
	assert_string_equal(p.text, "Xu>50");
	press(&p, KEY_END);
	type(&p, " and x");
	press(&p, KEY_CTRL('w'));
	assert_string_equal(p.text, "Xu>50 and ");
	assert_int_equal(press(&p, 0xe9), PROMPT_CHANGED);
	press(&p, KEY_LEFT);
	type(&p, "!");
	assert_string_equal(p.text, "Xu>50 and !\xc3\xa9");
	press(&p, KEY_END);
	press(&p, KEY_BACKSPACE);
	assert_string_equal(p.text, "Xu>50 and !");
	/* What can't be shown isn't taken. */
	press(&p, 0x9b);
	press(&p, 0x202e);
	press(&p, KEY_F(5));
	press(&p, 'x' | KEY_ALT);
	assert_string_equal(p.text, "Xu>50 and !");
	assert_int_equal(press(&p, KEY_ENTER), PROMPT_DONE);
	prompt_init(&p, &h, "");
	type(&p, "new");
	assert_int_equal(press(&p, KEY_UP), PROMPT_CHANGED);
	assert_string_equal(p.text, "Xu>50 and !");
	press(&p, KEY_DOWN);
	assert_string_equal(p.text, "new");
	press(&p, KEY_CTRL('u'));
	assert_int_equal(press(&p, KEY_BACKSPACE), PROMPT_CANCELLED);
	/* Longer than there is room for. */
	for (int i = 0; i < 2 * PROMPT_MAX; i++)
		press(&p, 0x65e5);
	assert_int_equal(p.len, PROMPT_MAX / 3 * 3 - (PROMPT_MAX % 3 ? 0 : 3));
	/* History is bounded. */
	for (int i = 0; i < 3 * PROMPT_HISTORY; i++) {
		char text[16];

		snprintf(text, sizeof(text), "line %d", i);
		prompt_init(&p, &h, text);
		press(&p, KEY_ENTER);
	}
	assert_int_equal(h.n, PROMPT_HISTORY);
	prompt_history_finish(&h);
}

static void prompt_scrolls(void **state)
{
	struct surface *s = surface_create(20, 1, TEXT_UTF8);
	struct prompt p;
	char *text;
	int x, y;

	(void)state;
	prompt_init(&p, NULL, "abcdefghijklmnopqrstuvwxyz");
	prompt_draw(&p, s, 0, 0, 20, "find: ");
	text = surface_text(s);
	assert_string_equal(text, "find: nopqrstuvwxyz\n");
	free(text);
	surface_cursor(s, &x, &y);
	assert_int_equal(x, 19);
	prompt_draw(&p, s, 0, 0, 3, "find: ");
	surface_destroy(s);
}

static size_t three(const void *self)
{
	return *(const size_t *)self;
}

static struct list_id same_id(const void *self, size_t row)
{
	(void)self;
	return (struct list_id){row, 1};
}

static void cell(const void *self, size_t row, size_t column, struct list_cell *c)
{
	char text[32];

	(void)self;
	snprintf(text, sizeof(text), "%zu.%zu", row, column);
	list_cell_own(c, text);
}

static void list_lays_out(void **state)
{
	static const struct list_column columns[] = {
		{"name", 6, 20, .weight = 1, .sticky = true}, {"a", 4, 4, .right = true},
		{"b", 4, 4, .right = true, .priority = 2},    {"c", 4, 8, .weight = 1, .priority = 1},
	};
	size_t n = 3;
	struct list_source source = {&n, columns, 4, three, same_id, cell, NULL};
	struct list list;
	int w[LIST_COLUMNS_MAX];
	char place[64];

	(void)state;
	list_init(&list);
	/* gutter 2; name 6 + a 4 + blank */
	assert_int_equal(list_layout(&list, &source, 13, w), 2);
	assert_int_equal(w[0], 6);
	assert_int_equal(w[3], 0);
	/* c before b, as its priority says */
	assert_int_equal(list_layout(&list, &source, 18, w), 3);
	assert_int_equal(w[2], 0);
	assert_int_equal(w[3], 4);
	assert_int_equal(list_layout(&list, &source, 23, w), 4);
	/* What is left goes to those that can use it, to their maximum. */
	assert_int_equal(list_layout(&list, &source, 200, w), 4);
	assert_int_equal(w[0], 20);
	assert_int_equal(w[1], 4);
	assert_int_equal(w[3], 8);
	/* All of the width is used up to there. */
	for (int width = 23; width < 41; width++) {
		list_layout(&list, &source, width, w);
		assert_int_equal(2 + w[0] + w[1] + w[2] + w[3] + 3, width);
	}
	/* Sideways: the name stays. */
	list.shift = 1;
	list_layout(&list, &source, 13, w);
	assert_true(w[0] && !w[1]);
	/* Never more than there is. */
	list.shift = 0;
	for (int width = 0; width < 12; width++) {
		list_layout(&list, &source, width, w);
		assert_true(w[0] <= width);
	}
	list.page = 2;
	list_place(&list, &source, place, sizeof(place));
	assert_string_equal(place, "1-2 of 3");
	n = 1234567;
	list.top = 999;
	list_place(&list, &source, place, sizeof(place));
	assert_string_equal(place, "1,000-1,001 of 1,234,567");
	n = 0;
	list_place(&list, &source, place, sizeof(place));
	assert_string_equal(place, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chart_time_is_aligned), cmocka_unit_test(chart_stands_still),
		cmocka_unit_test(chart_looks),		 cmocka_unit_test(prompt_edits),
		cmocka_unit_test(prompt_scrolls),	 cmocka_unit_test(list_lays_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
