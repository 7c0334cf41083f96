#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "clock.h"
#include "console.h"
#include "support/fake_panel.h"
#include "support/golden.h"
#include "units.h"

#define SECOND 1000000000ULL
/* 2026-03-01T14:03:22Z */
#define WALL 1772373802ULL

struct fixture {
	struct console *console;
	struct surface *surface;
	struct fake *fake;
};

/* The same at the same time, however much of it is asked for. */
static int timeline(void *self, struct view *view, uint64_t to, uint64_t step, size_t columns, struct console_timeline *t)
{
	uint64_t end = (to + step - 1) / step;

	(void)self;
	(void)view;
	snprintf(t->label, sizeof(t->label), "vda write p99");
	for (size_t i = 0; i < columns; i++) {
		uint64_t column = end - columns + i;

		t->values[i] = column * step <= 1000 * SECOND ? NAN : (double)(column * 7 % 11);
		t->marks[i] = column % 40 == 17;
	}
	return 0;
}

static struct console_now now_at(uint64_t seconds)
{
	struct console_now now = {
		.from_ns = 1000 * SECOND,
		.to_ns = (1000 + seconds) * SECOND,
		.tick_ns = SECOND,
		.wall_offset_ns = (int64_t)((WALL - 1600) * SECOND),
		.self_percent = 1.2,
	};

	snprintf(now.host, sizeof(now.host), "web-03");
	snprintf(now.summary, sizeof(now.summary), "8cpu load 34 31 12");
	return now;
}

static struct fixture begin(int w, int h, enum text_form form)
{
	struct console_options options = {.panels = fake_panels, .panel = "processes", .timeline = timeline};
	struct console_now now = now_at(600);
	struct fixture f;

	assert_int_equal(console_create(&f.console, &options, NULL), 0);
	f.surface = surface_create(w, h, form);
	assert_non_null(f.surface);
	f.fake = console_panel_state(f.console, "processes");
	console_now(f.console, &now);
	return f;
}

static void finish(struct fixture *f)
{
	console_destroy(f->console);
	surface_destroy(f->surface);
}

static void press(struct fixture *f, uint32_t code)
{
	struct key key = {.code = code};

	console_key(f->console, &key);
}

static void check(struct fixture *f, const char *name)
{
	console_draw(f->console, f->surface);
	golden_check(f->surface, name);
}

static void console_looks(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);

	(void)state;
	check(&f, "console-80x24-ascii");
	finish(&f);
	f = begin(80, 24, TEXT_UTF8);
	check(&f, "console-80x24");
	finish(&f);
	f = begin(132, 43, TEXT_UTF8);
	check(&f, "console-132x43");
	finish(&f);
	f = begin(40, 12, TEXT_UTF8);
	check(&f, "console-40x12");
	finish(&f);
	f = begin(20, 5, TEXT_ASCII);
	check(&f, "console-20x5");
	finish(&f);
}

/* Values by time alone: however it is asked for, it looks the same. */
static int timeline_of_times(void *self, struct view *view, uint64_t to, uint64_t step, size_t columns, struct console_timeline *t)
{
	uint64_t wall = to - 1600 * SECOND + WALL * SECOND, end = (wall + step - 1) / step;

	(void)view;
	*(int *)self += (int)columns;
	for (size_t i = 0; i < columns; i++)
		t->values[i] = NAN;
	snprintf(t->label, sizeof(t->label), "by time");
	for (size_t i = 0; i < columns; i++) {
		uint64_t column = end - columns + i;

		/* History begins at 1000 s. */
		if (column * step > (WALL - 600) * SECOND) {
			t->values[i] = (double)(column * 7 % 11);
			t->marks[i] = column % 13 == 0;
		}
	}
	return 0;
}

/* Each look at it is as long after the one before as a draw may take. */
static uint64_t slow_clock(const struct clock *self, uint32_t which)
{
	struct manual_clock *clock = (struct manual_clock *)self;

	(void)which;
	return clock->mono_ns += 31000000;
}

/* The same, longer than one likes to wait for a key. */
static uint64_t slower_clock(const struct clock *self, uint32_t which)
{
	(void)slow_clock(self, which);
	return slow_clock(self, which);
}

static void console_timeline_fills_in(void **state)
{
	struct manual_clock clock;
	int asked = 0, draws = 0, before;
	struct console_options options = {
		.panels = fake_panels, .panel = "processes", .timeline = timeline_of_times, .timeline_self = &asked};
	struct surface *at_once = surface_create(120, 24, TEXT_ASCII), *piecewise = surface_create(120, 24, TEXT_ASCII);
	struct console_now now = now_at(600);
	struct console *c;

	(void)state;
	manual_clock_init(&clock, 1, 1);
	clock.clock.now_ns = slow_clock;
	for (int later = 0; later < 3; later++) {
		now = now_at(600 + 7 * (uint64_t)later);
		options.clock = NULL;
		assert_int_equal(console_create(&c, &options, NULL), 0);
		console_now(c, &now);
		console_draw(c, at_once);
		assert_false(console_unfinished(c));
		console_destroy(c);
		options.clock = &clock.clock;
		assert_int_equal(console_create(&c, &options, NULL), 0);
		now = now_at(600);
		console_now(c, &now);
		for (draws = 0; !draws || console_unfinished(c); draws++) {
			before = asked;
			console_draw(c, piecewise);
			assert_in_range(asked - before, 0, 60);
			assert_in_range(draws, 0, 60);
		}
		assert_true(draws > 3);
		/* Time goes on: what was known moves, the newest columns are there at once. */
		now = now_at(600 + 7 * (uint64_t)later);
		console_now(c, &now);
		console_draw(c, piecewise);
		for (int x = 0; x < 120; x++) {
			const struct cell *a = surface_cell(at_once, x, 22), *b = surface_cell(piecewise, x, 22);

			assert_memory_equal(a, b, sizeof(*a));
		}
		console_destroy(c);
	}
	surface_destroy(at_once);
	surface_destroy(piecewise);
}

static char *drawn(struct console *c, struct surface *s)
{
	console_draw(c, s);
	return surface_text(s);
}

/* Where asking takes long, a key is answered before: with what is known where that is of this panel and lens, else by saying that it
 * is read. */
static void console_answers_before_it_asks(void **state)
{
	struct manual_clock clock;
	struct console_options options = {.panels = fake_panels, .panel = "processes", .clock = &clock.clock};
	struct surface *s = surface_create(80, 24, TEXT_ASCII);
	struct console_now now = now_at(600);
	struct fake *fake;
	struct console *c;
	struct key key = {.code = '1'};
	unsigned updates;
	char *text;

	(void)state;
	for (int slow = 0; slow < 2; slow++) {
		manual_clock_init(&clock, 1, 1);
		if (slow)
			clock.clock.now_ns = slower_clock;
		assert_int_equal(console_create(&c, &options, NULL), 0);
		fake = console_panel_state(c, "processes");
		console_now(c, &now);
		free(drawn(c, s));
		updates = fake->updates;
		assert_int_equal(updates, 1);
		/* Another panel: what it has is of nothing. */
		key.code = '1';
		console_key(c, &key);
		text = drawn(c, s);
		assert_int_equal(strstr(text, "reading ...") != NULL, slow);
		assert_int_equal(strstr(text, "blank") != NULL, !slow);
		assert_int_equal(console_unfinished(c), slow);
		free(text);
		text = drawn(c, s);
		assert_null(strstr(text, "reading ..."));
		assert_non_null(strstr(text, "blank"));
		assert_false(console_unfinished(c));
		free(text);
		key.code = '2';
		console_key(c, &key);
		free(drawn(c, s));
		free(drawn(c, s));
		/* Time alone: asked at once. */
		updates = fake->updates;
		now = now_at(601);
		console_now(c, &now);
		text = drawn(c, s);
		assert_null(strstr(text, "reading ..."));
		assert_int_equal(fake->updates, updates + 1);
		free(text);
		console_destroy(c);
		now = now_at(600);
	}
	surface_destroy(s);
}

static void console_survives_every_size(void **state)
{
	static const uint32_t keys[] = {'?', KEY_ESC, '/', 'x', KEY_ESC, KEY_F(9), KEY_ESC, KEY_ENTER, '1', '2', ':', KEY_TAB,
					KEY_ESC, 'G', 'l', ' ', '[', '{', '+'};

	(void)state;
	for (int w = 1; w < 90; w += w < 24 ? 1 : 7) {
		for (int h = 1; h < 30; h += h < 14 ? 1 : 5) {
			struct fixture f = begin(w, h, TEXT_UTF8);

			console_draw(f.console, f.surface);
			for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
				press(&f, keys[i]);
				console_draw(f.console, f.surface);
			}
			finish(&f);
		}
	}
}

static void console_panels_are_clipped(void **state)
{
	struct fixture f = begin(60, 14, TEXT_ASCII);

	(void)state;
	press(&f, '1');
	check(&f, "console-clip");
	finish(&f);
}

static void console_help(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);

	(void)state;
	press(&f, '?');
	check(&f, "console-help");
	press(&f, 'G');
	check(&f, "console-help-end");
	/* Keys belong to the help while it is open. */
	press(&f, '1');
	assert_string_equal(console_panel(f.console)->name, "processes");
	press(&f, 'q');
	check(&f, "console-80x24-ascii");
	finish(&f);
}

static void console_drills(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);

	(void)state;
	console_draw(f.console, f.surface);
	press(&f, 'j');
	press(&f, KEY_ENTER);
	check(&f, "console-drilled");
	assert_true(console_lens(f.console)->scope.has_process);
	assert_int_equal(console_lens(f.console)->scope.pid, 666);
	for (int i = 0; i < 40; i++) {
		console_draw(f.console, f.surface);
		press(&f, KEY_ENTER);
	}
	console_draw(f.console, f.surface);
	for (int i = 0; i < 60; i++)
		press(&f, KEY_BACKSPACE);
	assert_false(console_lens(f.console)->scope.has_process);
	check(&f, "console-back-at-host");
	finish(&f);
}

static void console_time_moves(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);
	struct console_now now;
	uint64_t from, to;
	bool live;

	(void)state;
	console_draw(f.console, f.surface);
	console_window(f.console, &from, &to, &live);
	assert_true(live);
	assert_int_equal(to, 1600 * SECOND);
	assert_int_equal(from, 1540 * SECOND);
	press(&f, ' ');
	now = now_at(630);
	console_now(f.console, &now);
	console_window(f.console, &from, &to, &live);
	assert_false(live);
	assert_int_equal(to, 1600 * SECOND);
	press(&f, '{');
	console_window(f.console, &from, &to, &live);
	assert_int_equal(to, 1540 * SECOND);
	check(&f, "console-paused");
	press(&f, '+');
	console_window(f.console, &from, &to, &live);
	assert_int_equal(to - from, 120 * SECOND);
	/* Never before the beginning. */
	for (int i = 0; i < 30; i++)
		press(&f, '{');
	console_window(f.console, &from, &to, &live);
	assert_int_equal(to, 1001 * SECOND);
	/* And from the end on it follows again. */
	for (int i = 0; i < 30; i++)
		press(&f, '}');
	console_window(f.console, &from, &to, &live);
	assert_true(live);
	assert_int_equal(to, 1630 * SECOND);
	press(&f, '[');
	console_window(f.console, &from, &to, &live);
	assert_false(live);
	press(&f, 'L');
	console_window(f.console, &from, &to, &live);
	assert_true(live);
	finish(&f);
}

/* The selected row stays selected, and where it is on the screen, through sorting; rows that go don't move it away. */
static void console_selection_stays(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);

	(void)state;
	console_draw(f.console, f.surface);
	press(&f, 'j');
	press(&f, 'j');
	assert_int_equal(f.fake->list.id.a, 9911);
	for (size_t i = 0; i < f.fake->n; i++)
		if (f.fake->rows[i].id == 9911)
			f.fake->rows[i].cpu = 0.0165;
	fake_sort(f.fake);
	assert_int_equal(f.fake->rows[f.fake->list.selected].id, 9911);
	assert_int_equal(f.fake->list.selected - f.fake->list.top, 2);
	check(&f, "console-selection");
	/* It is gone: the place stays. */
	{
		size_t at = f.fake->list.selected;

		memmove(&f.fake->rows[at], &f.fake->rows[at + 1], (f.fake->n - at - 1) * sizeof(f.fake->rows[0]));
		f.fake->n--;
		fake_sort(f.fake);
		assert_int_equal(f.fake->list.selected, at);
	}
	press(&f, 'G');
	assert_int_equal(f.fake->list.selected, f.fake->n - 1);
	f.fake->n = 3;
	fake_sort(f.fake);
	assert_int_equal(f.fake->list.selected, 2);
	f.fake->n = 0;
	fake_sort(f.fake);
	console_draw(f.console, f.surface);
	press(&f, 'j');
	press(&f, 'G');
	console_draw(f.console, f.surface);
	finish(&f);
}

static void console_prompts(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);
	struct console_effect e;

	(void)state;
	console_draw(f.console, f.surface);
	press(&f, '/');
	console_type(f.console, "restic");
	check(&f, "console-find");
	press(&f, KEY_ENTER);
	assert_int_equal(f.fake->list.id.a, 9911);
	press(&f, '/');
	console_type(f.console, "nothing of that");
	check(&f, "console-find-nothing");
	press(&f, KEY_ESC);
	/* A filter belongs to the lens. */
	press(&f, '\\');
	console_type(f.console, "cpu>5");
	press(&f, KEY_ENTER);
	assert_string_equal(console_lens(f.console)->filter, "cpu>5");
	assert_string_equal(console_lens(f.console)->filter_table, "process");
	f.fake->fail_update = true;
	press(&f, '\\');
	press(&f, KEY_BACKSPACE);
	press(&f, KEY_ENTER);
	assert_string_equal(console_lens(f.console)->filter, "cpu>");
	check(&f, "console-filter-wrong");
	f.fake->fail_update = false;
	/* Commands: completed, run, refused with a sentence. */
	press(&f, ':');
	console_type(f.console, "so");
	press(&f, KEY_TAB);
	console_type(f.console, "cpu");
	press(&f, KEY_TAB);
	check(&f, "console-command-choices");
	press(&f, KEY_ENTER);
	check(&f, "console-command-done");
	press(&f, ':');
	console_type(f.console, "sort nonsense\\\x7f");
	press(&f, KEY_ENTER);
	press(&f, ':');
	console_type(f.console, "frobnicate");
	press(&f, KEY_ENTER);
	check(&f, "console-command-unknown");
	press(&f, ':');
	console_type(f.console, "theme dark");
	press(&f, KEY_ENTER);
	assert_true(console_effect(f.console, &e));
	assert_int_equal(e.kind, EFFECT_THEME);
	assert_string_equal(e.argument, "dark");
	press(&f, ':');
	console_type(f.console, "window 5m");
	press(&f, KEY_ENTER);
	{
		uint64_t from, to;
		bool live;

		console_window(f.console, &from, &to, &live);
		assert_int_equal(to - from, 300 * SECOND);
	}
	press(&f, ':');
	console_type(f.console, "blank");
	press(&f, KEY_ENTER);
	assert_string_equal(console_panel(f.console)->name, "blank");
	/* History. */
	press(&f, ':');
	press(&f, KEY_UP);
	press(&f, KEY_UP);
	check(&f, "console-history");
	finish(&f);
}

static void console_asks_before_signals(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);
	struct console_effect e;

	(void)state;
	console_draw(f.console, f.surface);
	press(&f, KEY_F(9));
	/* What was typed ahead is thrown away by whoever holds the keyboard. */
	assert_true(console_effect(f.console, &e));
	assert_int_equal(e.kind, EFFECT_DROP_INPUT);
	check(&f, "console-question");
	console_type(f.console, "12");
	press(&f, KEY_ENTER);
	assert_int_equal(f.fake->confirmed, 0);
	press(&f, KEY_F(9));
	console_type(f.console, "1204");
	press(&f, KEY_ENTER);
	assert_int_equal(f.fake->confirmed, 1);
	finish(&f);
}

static void console_quits(void **state)
{
	struct console_options options = {.panels = fake_panels, .offer_save = true};
	struct console_effect e;
	struct fixture f = begin(80, 24, TEXT_ASCII);

	(void)state;
	press(&f, 'q');
	assert_true(console_effect(f.console, &e));
	assert_int_equal(e.kind, EFFECT_QUIT);
	console_destroy(f.console);

	assert_int_equal(console_create(&f.console, &options, NULL), 0);
	press(&f, 'q');
	assert_false(console_effect(f.console, &e));
	check(&f, "console-offers-save");
	press(&f, KEY_ESC);
	assert_false(console_effect(f.console, &e));
	/* Offered once. */
	press(&f, 'q');
	assert_true(console_effect(f.console, &e));
	assert_int_equal(e.kind, EFFECT_QUIT);
	finish(&f);
}

static void console_refuses_unknown_panels(void **state)
{
	struct console_options options = {.panels = fake_panels, .panel = "nope\x1b"};
	struct culprit_error error = {""};
	struct console *c;

	(void)state;
	assert_true(console_create(&c, &options, &error) < 0);
	assert_string_equal(error.sentence, "there is no panel \"nope\\x1b\"; there are: blank, processes");
}

static void console_names_itself(void **state)
{
	struct fixture f = begin(80, 24, TEXT_ASCII);
	char line[512];

	(void)state;
	console_draw(f.console, f.surface);
	press(&f, KEY_ENTER);
	console_goto(f.console, 1500 * SECOND);
	press(&f, '\\');
	console_type(f.console, "user='root'");
	press(&f, KEY_ENTER);
	console_command_line(f.console, line, sizeof(line));
	assert_string_equal(line, "culprit --panel processes --from 2026-03-01T14:00:42Z --to 2026-03-01T14:01:42Z"
				  " --pid 1204 --filter 'user='\\''root'\\'''");
	finish(&f);
}

/* An hour's keys, none of which may crash it; the generator is ours, so that a failure comes again. */
static void console_takes_any_keys(void **state)
{
	static const uint32_t some[] = {KEY_UP, KEY_DOWN, KEY_ENTER, KEY_ESC, KEY_TAB, KEY_BACKSPACE, KEY_F(9), KEY_HOME,
					KEY_PAGE_DOWN, KEY_LEFT, KEY_RIGHT, KEY_MOUSE, KEY_DELETE, KEY_END, KEY_BACKTAB};
	struct fixture f = begin(80, 24, TEXT_UTF8);
	uint32_t x = 12345;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct key key = {0};
		struct console_effect e;

		x = x * 1664525 + 1013904223;
		key.code = x >> 31 ? some[(x >> 8) % 15] : (x >> 8) % 0x180;
		key.x = (int)(x >> 4 & 127) - 10;
		key.y = (int)(x >> 12 & 31) - 4;
		key.button = (uint8_t)(1 + (x >> 20) % 5);
		console_key(f.console, &key);
		while (console_effect(f.console, &e))
			;
		if (i % 16 == 0) {
			surface_resize(f.surface, 1 + (int)(x >> 9 & 127), 1 + (int)(x >> 17 & 31));
			console_draw(f.console, f.surface);
		}
	}
	finish(&f);
}

/* As it was set, not as many milliseconds. */
static void console_keeps_the_interval(void **state)
{
	static const struct {
		uint64_t ns;
		const char *kept;
	} intervals[] = {{2 * SECOND, "2s"}, {1500000000, "1500ms"}, {10500000, "10500us"}, {33333333, "33333333ns"}};

	(void)state;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
		struct fixture f = begin(80, 24, TEXT_ASCII);
		struct settings *s = settings_create();
		uint64_t ns;

		console_interval_set(f.console, intervals[i].ns);
		console_keep(f.console, s);
		assert_string_equal(settings_get(s, "interval"), intervals[i].kept);
		assert_int_equal(units_parse_duration(settings_get(s, "interval"), &ns, NULL), 0);
		assert_int_equal(ns, intervals[i].ns);
		settings_destroy(s);
		finish(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(console_looks),
		cmocka_unit_test(console_timeline_fills_in),
		cmocka_unit_test(console_answers_before_it_asks),
		cmocka_unit_test(console_survives_every_size),
		cmocka_unit_test(console_panels_are_clipped),
		cmocka_unit_test(console_help),
		cmocka_unit_test(console_drills),
		cmocka_unit_test(console_time_moves),
		cmocka_unit_test(console_selection_stays),
		cmocka_unit_test(console_prompts),
		cmocka_unit_test(console_asks_before_signals),
		cmocka_unit_test(console_quits),
		cmocka_unit_test(console_refuses_unknown_panels),
		cmocka_unit_test(console_names_itself),
		cmocka_unit_test(console_keeps_the_interval),
		cmocka_unit_test(console_takes_any_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
