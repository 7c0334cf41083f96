/* Replay over a recording in a file: time that stands, plays and is gone to; every panel shows what it showed live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "console_data.h"
#include "panels.h"
#include "recfile.h"
#include "support/golden.h"
#include "support/made_host.h"

#define SECOND 1000000000ULL

struct stage {
	char path[64];
	struct view *view;
	struct console_data data;
	struct console_now now;
	struct console *console;
	struct surface *surface;
};

/* The made host's first three minutes, in a file; then `gap` seconds nobody sampled, then a minute more. */
static void record(char *path, size_t cap, unsigned gap)
{
	struct made_host_options options = {.record = path};
	struct made_host *host;
	int fd;

	snprintf(path, cap, "/tmp/culprit-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	host = made_host_create(&options);
	made_host_run(host, 180);
	if (gap) {
		made_host_sleep(host, gap);
		made_host_run(host, 60);
	}
	made_host_destroy(host);
}

static void look(struct stage *s)
{
	console_now(s->console, &s->now);
	console_draw(s->console, s->surface);
}

static void stage_open(struct stage *s, const char *panel, int w, int h, enum text_form form, unsigned gap)
{
	struct console_options options = {
		.panels = console_panels, .panel = panel, .mode = CONSOLE_REPLAY, .timeline = console_data_timeline};
	struct culprit_error error = {""};
	struct source *source;

	memset(s, 0, sizeof(*s));
	record(s->path, sizeof(s->path), gap);
	s->view = view_create();
	assert_non_null(s->view);
	source = recfile_source(s->path, &error);
	if (!source)
		fail_msg("%s", error.sentence);
	assert_int_equal(view_add_source(s->view, source), 0);
	assert_int_equal(console_data_init(&s->data, s->view), 0);
	options.view = s->view;
	options.timeline_self = &s->data;
	options.command = "culprit replay box.rec";
	assert_int_equal(console_create(&s->console, &options, NULL), 0);
	s->surface = surface_create(w, h, form);
	assert_non_null(s->surface);
	if (console_data_now(&s->data, &s->now, &error))
		fail_msg("%s", error.sentence);
	s->now.clock_ns = 1;
	look(s);
	look(s);
}

static void stage_close(struct stage *s)
{
	surface_destroy(s->surface);
	console_destroy(s->console);
	console_data_finish(&s->data);
	view_destroy(s->view);
	unlink(s->path);
}

static void press(struct stage *s, const char *keys)
{
	while (*keys) {
		size_t n = strcspn(keys, " ");
		struct key key = {0};
		struct console_effect effect;

		if (!key_parse(keys, n, &key.code))
			fail_msg("no key %.*s", (int)n, keys);
		console_key(s->console, &key);
		while (console_effect(s->console, &effect))
			;
		console_draw(s->console, s->surface);
		keys += n + (keys[n] == ' ');
	}
}

static void type(struct stage *s, const char *text)
{
	console_type(s->console, text);
	console_draw(s->console, s->surface);
}

/* So much time passes before the eyes of the user, drawn as often as the loop would. */
static void passes(struct stage *s, double seconds)
{
	uint64_t left = (uint64_t)(seconds * 1e9);

	while (left) {
		uint64_t step = console_wait_ns(s->console);

		step = step < SECOND ? step : SECOND;
		step = step < left ? step : left;
		left -= step;
		s->now.clock_ns += step;
		look(s);
	}
}

static void check(struct stage *s, const char *name)
{
	console_draw(s->console, s->surface);
	golden_check(s->surface, name);
}

static void assert_says(struct stage *s, const char *text)
{
	char *all = surface_text(s->surface);

	assert_non_null(all);
	if (!strstr(all, text))
		fail_msg("the screen does not show \"%s\":\n%s", text, all);
	free(all);
}

/* The place in seconds of the story. */
static double place(struct stage *s)
{
	uint64_t from, to;
	bool live;

	console_window(s->console, &from, &to, &live);
	return (double)to / 1e9 - 1000;
}

static void panels_look_in_replay(void **state)
{
	static const struct {
		int w, h;
		enum text_form form;
		const char *name;
	} sizes[] = {{80, 24, TEXT_ASCII, "80x24-ascii"}, {120, 40, TEXT_UTF8, "120x40"}, {40, 12, TEXT_ASCII, "40x12"},
		     {20, 5, TEXT_ASCII, "20x5"}};
	char name[96];

	(void)state;
	for (size_t p = 0; console_panels[p]; p++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct stage s;

			stage_open(&s, console_panels[p]->name, sizes[i].w, sizes[i].h, sizes[i].form, 0);
			type(&s, ":goto 14:02:30\r");
			snprintf(name, sizeof(name), "replay-%s-%s", console_panels[p]->name, sizes[i].name);
			check(&s, name);
			stage_close(&s);
		}
	}
}

static void time_plays_and_stands(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "overview", 80, 24, TEXT_ASCII, 0);
	assert_says(&s, "REPLAY end 14:03:00Z");
	check(&s, "replay-end");
	/* At its end, it plays from the beginning. */
	press(&s, "Space");
	assert_says(&s, "REPLAY 1x playing");
	assert_true(place(&s) == 2);
	passes(&s, 10);
	assert_true(place(&s) == 12);
	check(&s, "replay-playing");
	press(&s, "Space");
	passes(&s, 10);
	assert_true(place(&s) == 12);
	assert_says(&s, "REPLAY 1x paused");
	/* Faster, and on to the end, where it stops. */
	press(&s, ") ) )");
	assert_says(&s, "10x");
	press(&s, "Space");
	passes(&s, 5);
	assert_true(place(&s) == 62);
	/* Whoever moves while it plays goes on from there. */
	type(&s, ":goto 14:02:00\r");
	passes(&s, 1);
	assert_true(place(&s) == 130);
	passes(&s, 60);
	assert_says(&s, "REPLAY end 14:03:00Z");
	/* Slow: a tenth of a second each second. */
	type(&s, ":speed 0.1\r");
	press(&s, "^ Space");
	passes(&s, 9);
	assert_true(place(&s) == 2);
	passes(&s, 2);
	assert_true(place(&s) == 3);
	press(&s, "(");
	assert_says(&s, "0.1x is the slowest");
	type(&s, ":speed 0.01\r");
	assert_says(&s, "from 0.1 to 1000");
	type(&s, ":speed 1000x\r");
	press(&s, ")");
	assert_says(&s, "1000x is the fastest");
	stage_close(&s);
}

static void time_goes_by_frames_and_events(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "overview", 80, 24, TEXT_ASCII, 0);
	press(&s, "<");
	assert_true(place(&s) == 179);
	press(&s, "< <");
	assert_true(place(&s) == 177);
	press(&s, ">");
	assert_true(place(&s) == 178);
	press(&s, "> > >");
	assert_says(&s, "this is the newest frame");
	/* A kill for want of memory, a link, an I/O error, the mark; not each process that came and went. */
	press(&s, "X");
	assert_true(place(&s) == 155);
	press(&s, "X X");
	assert_true(place(&s) == 131);
	press(&s, "X");
	assert_true(place(&s) == 120);
	assert_says(&s, "14:02:00Z mark: user backup began");
	check(&s, "replay-event");
	press(&s, "X");
	assert_true(place(&s) == 2);
	press(&s, "X");
	assert_true(place(&s) == 2);
	assert_says(&s, "no event or mark before this");
	press(&s, "$ x");
	assert_says(&s, "no event or mark after this");
	press(&s, "F9");
	assert_says(&s, "this is a recording: its processes are not here");
	press(&s, "^");
	assert_true(place(&s) == 2);
	press(&s, "<");
	assert_says(&s, "this is the first frame");
	press(&s, "x");
	assert_true(place(&s) == 120);
	press(&s, "$");
	assert_true(place(&s) == 180);
	assert_says(&s, "REPLAY end");
	stage_close(&s);
}

/* A night in which the recorder was off is not sat through. */
static void gaps_are_passed_over(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "overview", 80, 24, TEXT_ASCII, 3600);
	type(&s, ":goto 14:02:58\r");
	assert_true(place(&s) == 178);
	press(&s, "Space");
	passes(&s, 2);
	assert_true(place(&s) == 180);
	passes(&s, 1);
	assert_true(place(&s) == 3781);
	assert_says(&s, "nothing was recorded for 1h: passed over");
	passes(&s, 2);
	assert_true(place(&s) == 3783);
	press(&s, "< < <");
	assert_true(place(&s) == 180);
	stage_close(&s);
}

/* More comes through a pipe: it is followed, left and caught up with. */
static void what_grows_is_followed(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, "overview", 80, 24, TEXT_ASCII, 0);
	s.now.follows = true;
	look(&s);
	assert_says(&s, "REPLAY following");
	press(&s, "Space");
	assert_says(&s, "REPLAY 1x paused");
	press(&s, "< <");
	press(&s, "Space");
	assert_says(&s, "REPLAY 1x playing");
	passes(&s, 3);
	assert_says(&s, "REPLAY following");
	stage_close(&s);
}

/* The backup began at 14:02:00: before and after it. */
static void baselines_are_compared_with(void **state)
{
	static const char *const panels[] = {"overview", "processes", "threads", "tables"};
	struct stage s;
	char name[64];

	(void)state;
	for (size_t p = 0; p < 4; p++) {
		stage_open(&s, panels[p], 80, 24, TEXT_ASCII, 0);
		type(&s, ":window 30s\r:goto 14:01:30\r");
		press(&s, "b");
		assert_says(&s, "vs 14:01:00Z..14:01:30Z (30s)");
		type(&s, ":goto 14:02:40\r");
		if (p == 3) {
			type(&s, ":table disk\r");
			press(&s, "c c");
		}
		snprintf(name, sizeof(name), "baseline-%s", panels[p]);
		check(&s, name);
		if (p == 1) {
			press(&s, "d");
			check(&s, "baseline-sorted-by-change");
			/* Down and up it stays. */
			press(&s, "Enter");
			assert_says(&s, "vs 14:01:00Z..14:01:30Z");
			press(&s, "u d");
			assert_int_equal(surface_resize(s.surface, 132, 43), 0);
			check(&s, "baseline-processes-wide");
		}
		stage_close(&s);
	}
	stage_open(&s, "processes", 80, 24, TEXT_ASCII, 0);
	press(&s, "b b");
	assert_says(&s, "no baseline any more");
	type(&s, ":baseline 14:01 14:02\r");
	assert_says(&s, "vs 14:01:00Z..14:02:00Z (60s)");
	type(&s, ":baseline 14:02 14:01\r");
	assert_says(&s, "the baseline ends before it begins");
	type(&s, ":baseline none\r");
	assert_says(&s, "no baseline any more");
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(panels_look_in_replay),
		cmocka_unit_test(time_plays_and_stands),
		cmocka_unit_test(time_goes_by_frames_and_events),
		cmocka_unit_test(gaps_are_passed_over),
		cmocka_unit_test(what_grows_is_followed),
		cmocka_unit_test(baselines_are_compared_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
