/* The Latency panel over a made-up machine: a disk whose writes become slow after two minutes, run queues of four CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "caps_builtin.h"
#include "latency.h"
#include "paint.h"
#include "schema.h"
#include "support/stage.h"

enum { SLOTS = 240, SECONDS = 180, SLOW_FROM = 120 };

/* What has been counted so far: vda write queue, service; vda read queue, service; runq of two kinds of CPU. */
static uint64_t counts[6][SLOTS];
static uint32_t random_state;

/* A machine as it was before its first second. */
static void begin(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	memset(counts, 0, sizeof(counts));
	random_state = 5;
}

static double chance(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return (double)(random_state >> 8) / (1 << 24);
}

/* n things about `around` ns, spread over a few octaves, mostly below it. */
static void counted(int which, int n, double around)
{
	struct schema_bounds b = {.kind = CULPRIT_LOG_LINEAR, .count = SLOTS};

	for (int i = 0; i < n; i++) {
		double x = chance(), y = chance();

		counts[which][schema_slot(&b, around * (0.25 + x) * (y > 0.97 ? 8 : 1))]++;
	}
}

static void put_counts(struct stage *s, const char *name, int which)
{
	stage_tell(s, " %s=", name);
	for (int i = 0; i < SLOTS; i++)
		stage_tell(s, i ? "/%llu" : "%llu", (unsigned long long)counts[which][i]);
}

/* Seconds [from, to) of the story. `gap`: 40..49 are not recorded, in 60..64 the disks could not be read. */
static void tell(struct stage *s, int from, int to, bool gap)
{
	for (int t = from; t < to; t++) {
		bool slow = t >= SLOW_FROM;

		counted(1, 150 + (slow ? 100 : 0), slow ? 30e6 : 800e3);
		counted(0, 150, slow ? 4e6 : 60e3);
		counted(3, 40, 400e3);
		counted(2, 40, 30e3);
		counted(4, 900, 9e3);
		counted(5, 300, slow ? 3e6 : 20e3);
		if (gap && t >= 40 && t < 50)
			continue;
		stage_tell(s, "tick %ds wall=%lldms\n", 1000 + t, 1772373600000LL + t * 1000LL);
		if (gap && t >= 60 && t < 65) {
			stage_tell(s, "state disk_latency failed \"the ring of the kernel was not read\"\n");
		} else {
			stage_tell(s, "sample disk_latency\nrow disk_latency device=vda operation=write");
			put_counts(s, "queue", 0);
			put_counts(s, "service", 1);
			stage_tell(s, "\nrow disk_latency device=vda operation=read");
			put_counts(s, "queue", 2);
			put_counts(s, "service", 3);
			stage_tell(s, "\n");
		}
		stage_tell(s, "sample runq\n");
		for (int cpu = 0; cpu < 4; cpu++) {
			stage_tell(s, "row runq cpu=%d", cpu);
			put_counts(s, "wait", cpu == 3 ? 5 : 4);
			stage_tell(s, "\n");
		}
		for (int i = 0; slow && i < 8; i++)
			stage_tell(s,
			    "event disk_slow time=%dms latency=%dms device=vda operation=%s pid=%d comm=\"%s\"\n",
			    (1000 + t) * 1000 - 900 + i * 100, 40 + i * 10, i == 5 ? "read" : "write", i < 6 ? 9911 : 812,
			    i < 6 ? "restic" : i < 7 ? "mysqld" : "ev\\x1b[31mil");
		if (t % 30 == 29)
			stage_tell(s, "lost disk_slow 3\nsegment\n");
	}
}

static void open_disk(struct stage *s, int seconds, bool gap, int w, int h, enum text_form form)
{
	begin(s);
	stage_tell(s,
	    "host hz=100 interval=1s zone=+00:00\n"
	    "table disk_latency state key=disk_latency device=key:text operation=key:text queue=histogram:loglinear(%d):ns "
	    "service=histogram:loglinear(%d):ns\n"
	    "table runq state key=cpu cpu=key:u64 wait=histogram:loglinear(%d):ns\n"
	    "table disk_slow event time=time:u64:mono_ns latency=gauge:u64:ns device=attribute:text operation=attribute:text "
	    "pid=attribute:u64 comm=attribute:text\n",
	    SLOTS, SLOTS, SLOTS);
	tell(s, 0, seconds, gap);
	stage_open_text(s, s->text, "latency", w, h, form);
}

static struct latency *panel(struct stage *s)
{
	return console_panel_state(s->console, "latency");
}

static void every_size(void **state)
{
	static const struct {
		int w, h;
		enum text_form form;
		const char *name;
	} sizes[] = {
		{80, 24, TEXT_ASCII, "80x24-ascii"}, {80, 24, TEXT_UTF8, "80x24"}, {132, 43, TEXT_UTF8, "132x43"},
		{132, 43, TEXT_ASCII, "132x43-ascii"}, {40, 12, TEXT_ASCII, "40x12"}, {40, 12, TEXT_UTF8, "40x12-utf8"},
		{20, 5, TEXT_ASCII, "20x5"},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct stage s;

		open_disk(&s, SECONDS, false, sizes[i].w, sizes[i].h, sizes[i].form);
		stage_type(&s, ":window 2m\r");
		stage_press(&s, "o");
		snprintf(name, sizeof(name), "latency-%s", sizes[i].name);
		golden_check(s.surface, name);
		stage_close(&s);
	}
}

/* A rectangle, who is in it, as the lens, and back. */
static void rectangle_to_lens_and_back(void **state)
{
	struct stage s;
	const struct lens *l;
	uint64_t n;

	(void)state;
	open_disk(&s, SECONDS, false, 80, 24, TEXT_ASCII);
	stage_press(&s, "o");
	assert_shows(&s, "service");
	stage_press(&s, "v h h h h h");
	stage_press(&s, "PgDn");
	golden_check(s.surface, "latency-box");
	n = panel(&s)->box_n;
	assert_true(n > 0);
	assert_true(panel(&s)->who.named > 0);
	stage_press(&s, "Enter");
	l = console_lens(s.console);
	assert_true(l->has_range);
	assert_false(l->live);
	assert_string_equal(l->range_table, "disk_latency");
	assert_string_equal(l->range_column, "service");
	/* The window counts exactly what was in the rectangle. */
	assert_int_equal(panel(&s)->stats.n, n);
	golden_check(s.surface, "latency-box-open");
	/* The other panels look through it, too. */
	stage_press(&s, "t");
	assert_shows(&s, "> service");
	stage_press(&s, "5 Backspace");
	l = console_lens(s.console);
	assert_false(l->has_range);
	assert_true(l->live);
	/* Esc and u give up what is chosen, before they lead anywhere. */
	stage_press(&s, "v");
	assert_true(panel(&s)->boxed);
	stage_press(&s, "Esc");
	assert_false(panel(&s)->boxed);
	stage_press(&s, "v u");
	assert_false(panel(&s)->boxed);
	stage_press(&s, "u");
	assert_shows(&s, "whole host");
	stage_close(&s);
}

/* What is chosen stays where it is when time goes on, and the map stands still until its margin is full. */
static void rectangle_stays_with_its_time(void **state)
{
	struct latency_box before, after;
	uint64_t from, to, from2, to2, edge, n;
	double lo, hi;
	struct stage s;
	int moved = 0;

	(void)state;
	open_disk(&s, SECONDS, false, 80, 24, TEXT_ASCII);
	stage_press(&s, "o v h h h Up Up");
	assert_true(latency_box(panel(&s), &before));
	latency_box_edges(panel(&s), &before, &from, &to, &lo, &hi);
	n = panel(&s)->box_n;
	edge = panel(&s)->edge_ns;
	for (int t = SECONDS; t < SECONDS + 30; t++) {
		tell(&s, t, t + 1, false);
		stage_tell_end(&s);
		moved += panel(&s)->edge_ns != edge;
		edge = panel(&s)->edge_ns;
		assert_true(latency_box(panel(&s), &after));
		latency_box_edges(panel(&s), &after, &from2, &to2, &lo, &hi);
		assert_true(from == from2 && to == to2);
		assert_int_equal(panel(&s)->box_n, n);
	}
	assert_in_range(moved, 1, 6);
	stage_close(&s);
}

static void rows_strips_and_seconds(void **state)
{
	struct stage s;

	(void)state;
	open_disk(&s, SECONDS, false, 80, 24, TEXT_ASCII);
	stage_press(&s, "T");
	golden_check(s.surface, "latency-menu");
	stage_type(&s, "/runq\r");
	stage_press(&s, "Enter");
	assert_shows(&s, "runq (all rows): wait");
	stage_press(&s, "w");
	golden_check(s.surface, "latency-rows");
	stage_press(&s, "Esc V");
	golden_check(s.surface, "latency-strips");
	stage_press(&s, "a");
	assert_shows(&s, "maximum by row");
	/* The CPU that is slow, by itself. */
	stage_press(&s, "Left PgDn PgDn Enter");
	assert_shows(&s, "cpu 3");
	stage_press(&s, "Backspace ;");
	assert_shows(&s, "(all rows)");
	stage_press(&s, "; ;");
	assert_shows(&s, "cpu 1");
	stage_press(&s, ",");
	assert_shows(&s, "cpu 0");
	stage_type(&s, ":histogram disk_latency.queue\r");
	stage_press(&s, "V V");
	assert_shows(&s, "disk_slow");
	golden_check(s.surface, "latency-seconds");
	stage_press(&s, "v h h PgDn");
	assert_shows(&s, "restic");
	golden_check(s.surface, "latency-seconds-box");
	stage_type(&s, ":histogram disk_latency.nope\r");
	assert_shows(&s, "TABLE.COLUMN");
	stage_close(&s);
}

/* Keys typed ahead of the drawing count on what was chosen before them, not on what is still on the screen. */
static void keys_typed_ahead(void **state)
{
	struct latency_box b;
	struct stage s;

	(void)state;
	open_disk(&s, SECONDS - 3, false, 80, 24, TEXT_ASCII);
	stage_press(&s, "V V");
	console_type(s.console, "Vvhh");
	console_draw(s.console, s.surface);
	assert_int_equal(panel(&s)->mode, LATENCY_MAP);
	assert_true(latency_box(panel(&s), &b));
	assert_int_equal(b.right - b.left, 2);
	assert_true(panel(&s)->box_n > 0);
	/* Nothing lies in the margin that time has not reached. */
	stage_press(&s, "l l l l l l l l l l l l");
	assert_true(latency_box(panel(&s), &b));
	assert_true(panel(&s)->from_ns + (uint64_t)b.right * panel(&s)->step_ns < panel(&s)->time.newest_ns);
	stage_close(&s);
}

static void gaps_are_told(void **state)
{
	struct stage s;

	(void)state;
	open_disk(&s, 90, true, 80, 24, TEXT_ASCII);
	stage_type(&s, ":histogram disk_latency.service\r");
	assert_shows(&s, "without a sample");
	golden_check(s.surface, "latency-gaps");
	stage_close(&s);
}

static void baseline_shows_the_difference(void **state)
{
	struct stage s;
	struct lens *l;

	(void)state;
	open_disk(&s, SECONDS, false, 80, 24, TEXT_ASCII);
	stage_press(&s, "o");
	l = (struct lens *)console_lens(s.console);
	l->has_baseline = true;
	l->baseline_from_ns = 1020 * SECOND + SECOND / 2;
	l->baseline_to_ns = 1080 * SECOND + SECOND / 2;
	stage_draw(&s);
	assert_shows(&s, "before, in 60s: n ");
	golden_check(s.surface, "latency-difference");
	stage_close(&s);
}

static void mouse_and_nothing(void **state)
{
	struct stage s;
	struct key click = {.code = KEY_MOUSE, .button = MOUSE_LEFT, .x = 60, .y = 10};

	(void)state;
	open_disk(&s, SECONDS, false, 80, 24, TEXT_ASCII);
	console_key(s.console, &click);
	console_draw(s.console, s.surface);
	assert_true(panel(&s)->pointing && !panel(&s)->boxed);
	click.x = 70;
	click.y = 15;
	console_key(s.console, &click);
	console_draw(s.console, s.surface);
	assert_true(panel(&s)->boxed);
	stage_close(&s);
	/* No histogram at all; one that cannot be had. */
	memset(&s, 0, sizeof(s));
	stage_open_text(&s, "table load state key=load id=key:u64 one=gauge:f64\ntick 1s\nsample load\nrow load id=0 one=1\n", "latency",
			80, 24, TEXT_ASCII);
	golden_check(s.surface, "latency-nothing");
	/* There is nothing to point at: found by random keys as a division by zero. */
	console_key(s.console, &click);
	console_draw(s.console, s.surface);
	assert_false(panel(&s)->pointing);
	stage_press(&s, "v V o w T Enter ; , Up g G Enter Esc");
	stage_close(&s);
	memset(&s, 0, sizeof(s));
	stage_open_text(&s,
			"table runq state key=cpu cpu=key:u64 wait=histogram:loglinear(100):ns\ntick 1s\nstate runq missing \"needs root: "
			"run sudo culprit\"\ntick 2s\nstate runq missing \"needs root: run sudo culprit\"\n",
			"latency", 80, 24, TEXT_ASCII);
	assert_shows(&s, "needs root");
	golden_check(s.surface, "latency-missing");
	stage_press(&s, "v V V V o w T Enter ; , Up g G Enter Esc");
	stage_close(&s);
}

/* Waits for a CPU: the row of all CPUs has everybody, one of a CPU its own. */
static void waits_for_a_cpu_are_named(void **state)
{
	struct stage s;

	(void)state;
	begin(&s);
	stage_tell(&s,
	    "host hz=100 interval=1s zone=+00:00\n"
	    "table runq state key=cpu cpu=key:i64 wait=histogram:loglinear(%d):ns\n"
	    "table runq_slow event time=time:u64:mono_ns latency=gauge:u64:ns cpu=attribute:i64 comm=attribute:text "
	    "tid=attribute:u64 behind=attribute:text\n",
	    SLOTS);
	for (int t = 0; t < 60; t++) {
		counted(4, 900, 9e3);
		counted(5, 300, 20e6);
		for (int i = 0; i < SLOTS; i++)
			counts[0][i] = counts[4][i] + counts[5][i];
		stage_tell(&s, "tick %ds wall=%lldms\nsample runq\n", 1000 + t, 1772373600000LL + t * 1000LL);
		for (int cpu = -1; cpu < 2; cpu++) {
			stage_tell(&s, "row runq cpu=%d", cpu);
			put_counts(&s, "wait", cpu < 0 ? 0 : cpu ? 5 : 4);
			stage_tell(&s, "\n");
		}
		stage_tell(&s, "event runq_slow time=%dms latency=%dms cpu=%d comm=\"%s\" tid=%d%s\n", (1000 + t) * 1000 - 500,
		    t % 2 ? 20 : 180, t % 2,
		    t % 2 ? "mysqld" : "nginx", t % 2 ? 812 : 77, t % 2 ? " behind=\"restic\"" : "");
	}
	stage_open_text(&s, s.text, "latency", 110, 40, TEXT_ASCII);
	/* The row of CPU -1 is all of them. */
	stage_type(&s, ":histogram runq.wait\r");
	assert_shows(&s, "runq (all rows)");
	assert_shows(&s, "n 70,800");
	stage_press(&s, "; v g");
	assert_shows(&s, "runq every cpu");
	assert_shows(&s, "n 70,800");
	assert_shows(&s, "mysqld 812");
	assert_shows(&s, "cpu 1, behind restic");
	assert_true(!stage_shows(&s, "nginx"));
	golden_check(s.surface, "latency-runq");
	/* CPU 0 has short waits, and of what is below the threshold nobody knows whose it was. */
	stage_press(&s, "Esc ; v g");
	assert_shows(&s, "not attributed");
	/* The list counts nobody twice, either. */
	stage_press(&s, "Esc T");
	assert_shows(&s, "70.8k");
	stage_close(&s);
}

/* What is shown first belongs to what is looked at: of a process its own waits, where it has any, not the whole machine's. */
static void first_choice_follows_the_lens(void **state)
{
	struct stage s;

	(void)state;
	begin(&s);
	stage_tell(&s,
	    "host hz=100 interval=1s zone=+00:00\n"
	    "table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text utime=counter:u64:ns\n"
	    "table runq state key=cpu cpu=key:u64 wait=histogram:loglinear(%d):ns\n"
	    "table waits state key=waits pid=key:u64 start=key:u64:ticks took=histogram:loglinear(%d):ns\n"
	    "parent waits process pid start\n",
	    SLOTS, SLOTS);
	for (int t = 0; t < 20; t++) {
		counted(4, 900, 9e3);
		stage_tell(&s, "tick %ds wall=%lldms\nsample process\nrow process pid=812 start=9 comm=mysqld utime=%dms\nsample runq\nrow runq cpu=0",
		    1000 + t, 1772373600000LL + t * 1000LL, t * 10);
		put_counts(&s, "wait", 4);
		stage_tell(&s, "\nsample waits\nrow waits pid=812 start=9");
		put_counts(&s, "took", 4);
		stage_tell(&s, "\n");
	}
	stage_open_text(&s, s.text, "latency", 80, 24, TEXT_ASCII);
	assert_shows(&s, "runq: wait");
	stage_press(&s, "2 Enter 5");
	assert_shows(&s, "waits: took");
	stage_type(&s, ":histogram runq.wait\r");
	assert_shows(&s, "runq (whole machine): wait");
	stage_press(&s, "u u u u 5");
	assert_shows(&s, "runq: wait");
	stage_close(&s);
}

/* Any keys in any order over what is hostile: nothing but no crash is asked. */
static void any_keys(void **state)
{
	static const char *const keys[] = {"v", "V", "o", "w", "T", "Enter", "Esc", "u", ";", ",", "Up", "Down", "Left", "Right", "g", "G",
					   "PgUp", "PgDn", "a", "[", "]", "Space", "+", "-", "L", "5", "t"};
	static const char *const stories[] = {
		"table a state key=a id=key:u64 h=histogram:edges(0):ns\ntick 1s\nsample a\nrow a id=1 h=0\ntick 2s\nsample a\nrow a id=1 "
		"h=18446744073709551615\n",
		"table a state key=a id=key:u64 h=histogram:edges(0/1):none\ntick 1s\nsample a\n",
		"table a state key=a id=key:u64 h=histogram:linear(-5/0.5/1024):percent\ntable a_slow event time=time:u64:mono_ns\ntick "
		"1s\nsample a\ntick 2s\nsample a\ntick 40000000s\nsample a\nevent a_slow time=18446744073709551615ns\n",
	};
	struct stage s;

	(void)state;
	srand(11);
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		memset(&s, 0, sizeof(s));
		stage_open_text(&s, stories[i], "latency", 20 + (int)i * 40, 5 + (int)i * 18, i % 2 ? TEXT_UTF8 : TEXT_ASCII);
		for (int k = 0; k < 400; k++)
			stage_press(&s, keys[(size_t)rand() % (sizeof(keys) / sizeof(keys[0]))]);
		stage_close(&s);
	}
	open_disk(&s, 60, true, 100, 40, TEXT_UTF8);
	for (int k = 0; k < 300; k++)
		stage_press(&s, keys[(size_t)rand() % (sizeof(keys) / sizeof(keys[0]))]);
	stage_close(&s);
}

/* Bytes a second to a terminal of 120x40 that refreshes each second, while disks and CPUs are busy: a tick costs a column,
 * and a screen only when the margin of the map is full. */
static void a_tick_costs_a_column(void **state)
{
	static const struct {
		const char *what, *keys;
	} cases[] = {{"map", "o"}, {"map of a slow disk, box", "o v h h h Up Up"}, {"strips", "V"}, {"seconds", "V V"}};
	enum { TICKS = 60, MOST = 2048 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct theme theme;
		struct paint paint;
		struct stage s;
		size_t bytes = 0, most = 0, median[TICKS];

		open_disk(&s, SECONDS, false, 120, 40, TEXT_UTF8);
		theme_builtin(&theme, "default");
		paint_init(&paint, caps_builtin("xterm-256color"), DEPTH_256, &theme);
		stage_press(&s, cases[i].keys);
		assert_int_equal(paint_surface(&paint, s.surface), 0);
		for (int t = 0; t < TICKS; t++) {
			paint.out.len = 0;
				tell(&s, SECONDS + t, SECONDS + t + 1, false);
			stage_tell_end(&s);
			assert_int_equal(paint_surface(&paint, s.surface), 0);
			bytes += median[t] = paint.out.len;
			most = paint.out.len > most ? paint.out.len : most;
		}
		for (int a = 0; a < TICKS; a++)
			for (int b = a + 1; b < TICKS; b++)
				if (median[b] < median[a]) {
					size_t swap = median[a];

					median[a] = median[b];
					median[b] = swap;
				}
		printf("latency, %s: %zu bytes/s, a usual tick %zu, at most %zu\n", cases[i].what, bytes / TICKS, median[TICKS / 2],
		       most);
		if (bytes / TICKS > MOST)
			fail_msg("%s: %zu bytes a second, at most %d allowed", cases[i].what, bytes / TICKS, MOST);
		paint_finish(&paint);
		stage_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size),
		cmocka_unit_test(rectangle_to_lens_and_back),
		cmocka_unit_test(rectangle_stays_with_its_time),
		cmocka_unit_test(rows_strips_and_seconds),
		cmocka_unit_test(keys_typed_ahead),
		cmocka_unit_test(gaps_are_told),
		cmocka_unit_test(baseline_shows_the_difference),
		cmocka_unit_test(mouse_and_nothing),
		cmocka_unit_test(waits_for_a_cpu_are_named),
		cmocka_unit_test(first_choice_follows_the_lens),
		cmocka_unit_test(any_keys),
		cmocka_unit_test(a_tick_costs_a_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
