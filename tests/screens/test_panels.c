/* The real panels over a made-up machine: what they look like in every form, and that what one presses leads where the
 * screen says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console_data.h"
#include "caps_builtin.h"
#include "paint.h"
#include "panels.h"
#include "support/golden.h"
#include "support/made_host.h"

#define SECOND 1000000000ULL

struct stage {
	struct made_host *host;
	struct view *view;
	struct console_data data;
	struct console *console;
	struct surface *surface;
};

static void now(struct stage *s)
{
	struct culprit_error error = {""};
	struct console_now n;

	if (console_data_now(&s->data, &n, &error))
		fail_msg("%s", error.sentence);
	console_now(s->console, &n);
}

static void stage_open(struct stage *s, const struct made_host_options *host, unsigned seconds, const char *panel, int w, int h,
		       enum text_form form)
{
	struct console_options options = {.panels = console_panels, .panel = panel, .timeline = console_data_timeline};

	memset(s, 0, sizeof(*s));
	s->host = made_host_create(host);
	made_host_run(s->host, seconds);
	s->view = view_create();
	assert_non_null(s->view);
	assert_int_equal(view_add_source(s->view, made_host_source(s->host)), 0);
	assert_int_equal(console_data_init(&s->data, s->view), 0);
	options.view = s->view;
	options.timeline_self = &s->data;
	assert_int_equal(console_create(&s->console, &options, NULL), 0);
	s->surface = surface_create(w, h, form);
	assert_non_null(s->surface);
	/* Twice: what there is room for is known after the first time. */
	for (int i = 0; i < 2; i++) {
		now(s);
		console_draw(s->console, s->surface);
	}
}

static void stage_close(struct stage *s)
{
	surface_destroy(s->surface);
	console_destroy(s->console);
	console_data_finish(&s->data);
	view_destroy(s->view);
	made_host_destroy(s->host);
}

/* Keys by name, separated by blanks: "j j Enter". */
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

static void check(struct stage *s, const char *name)
{
	console_draw(s->console, s->surface);
	golden_check(s->surface, name);
}

static bool shows(struct stage *s, const char *text)
{
	char *all = surface_text(s->surface);
	bool found;

	assert_non_null(all);
	found = strstr(all, text) != NULL;
	free(all);
	return found;
}

#define assert_shows(s, text)                                                                                          \
	do {                                                                                                           \
		if (!shows(s, text)) {                                                                                 \
			char *all_ = surface_text((s)->surface);                                                       \
			fprintf(stderr, "%s", all_);                                                                   \
			free(all_);                                                                                    \
			fail_msg("the screen does not show \"%s\"", text);                                             \
		}                                                                                                      \
	} while (0)

static const struct {
	int w, h;
	enum text_form form;
	const char *name;
} sizes[] = {
	{80, 24, TEXT_ASCII, "80x24-ascii"}, {80, 24, TEXT_UTF8, "80x24"}, {132, 43, TEXT_UTF8, "132x43"},
	{40, 12, TEXT_ASCII, "40x12"},	     {20, 5, TEXT_ASCII, "20x5"},
};

/* Every panel in every size, and its help. */
static void panels_look(void **state)
{
	static const char *const panels[] = {"overview", "processes", "threads", "disks", "net", "cgroups", "memory", "events",
					      "tables"};
	char name[64];

	(void)state;
	for (size_t p = 0; p < sizeof(panels) / sizeof(panels[0]); p++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct stage s;

			stage_open(&s, NULL, 180, panels[p], sizes[i].w, sizes[i].h, sizes[i].form);
			snprintf(name, sizeof(name), "%s-%s", panels[p], sizes[i].name);
			check(&s, name);
			if (i == 1) {
				press(&s, "?");
				snprintf(name, sizeof(name), "%s-help", panels[p]);
				check(&s, name);
			}
			stage_close(&s);
		}
	}
}

static void overview_when_calm_and_without_pressure(void **state)
{
	struct made_host_options calm = {.calm = true}, no_psi = {.no_psi = true};
	struct stage s;

	(void)state;
	stage_open(&s, &calm, 180, "overview", 80, 24, TEXT_ASCII);
	check(&s, "overview-calm");
	stage_close(&s);
	stage_open(&s, &no_psi, 180, "overview", 80, 24, TEXT_ASCII);
	check(&s, "overview-no-pressure");
	stage_close(&s);
	/* The first second of all. */
	stage_open(&s, NULL, 1, "overview", 80, 24, TEXT_ASCII);
	check(&s, "overview-first-second");
	stage_close(&s);
}

static void processes_sort_and_filter(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 80, 24, TEXT_UTF8);
	/* Who ended in the window is there, and marked. */
	assert_shows(&s, "\xc3\x97"); /* × */
	assert_shows(&s, "run-parts");
	press(&s, "s");
	check(&s, "processes-sort");
	press(&s, "r");
	check(&s, "processes-reverse");
	type(&s, ":sort pid\r");
	assert_shows(&s, "by pid");
	type(&s, "\\cpu > 5% and user != root\r");
	check(&s, "processes-filter");
	type(&s, ":filter nosuch = 1\r");
	check(&s, "processes-filter-wrong");
	stage_close(&s);
}

static void processes_say_why_a_cell_is_unread(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 80, 24, TEXT_ASCII);
	type(&s, "/secretd\r");
	check(&s, "processes-unread");
	stage_close(&s);
}

static void processes_keep_the_selection(void **state)
{
	struct stage s;
	char row[128];

	(void)state;
	stage_open(&s, NULL, 115, "processes", 80, 24, TEXT_ASCII);
	type(&s, "/mysqld\r");
	assert_shows(&s, ">     812");
	/* restic begins and takes a place above it. */
	made_host_run(s.host, 60);
	now(&s);
	console_draw(s.console, s.surface);
	assert_shows(&s, "restic");
	assert_shows(&s, ">     812");
	/* What was typed and not meant is undone. */
	type(&s, "/restic");
	snprintf(row, sizeof(row), ">    9911");
	assert_shows(&s, row);
	press(&s, "Esc");
	assert_shows(&s, ">     812");
	stage_close(&s);
}

/* The way of somebody who looks for what burns the CPU. */
static void drilling_down_and_back(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	assert_shows(&s, "> sh ");
	press(&s, "Enter");
	check(&s, "drill-threads-of-sh");
	press(&s, "Enter");
	check(&s, "drill-thread-of-sh");
	press(&s, "Backspace Backspace");
	assert_shows(&s, "> sh ");
	press(&s, "2");
	type(&s, "/java\r");
	press(&s, "Enter");
	check(&s, "drill-groups");
	press(&s, "Enter");
	check(&s, "drill-group");
	press(&s, "j Enter");
	check(&s, "drill-thread");
	/* The same lens in another panel. */
	press(&s, "2");
	check(&s, "drill-processes");
	press(&s, "u u u 3");
	press(&s, "o");
	check(&s, "threads-each");
	stage_close(&s);
}

static void time_goes_back_and_on(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	press(&s, "Space");
	/* Sampling goes on; the screen stands still. */
	made_host_run(s.host, 10);
	now(&s);
	check(&s, "time-paused");
	press(&s, "Space");
	assert_shows(&s, "LIVE 14:03:10Z");
	press(&s, "{");
	check(&s, "time-one-window-back");
	press(&s, "[");
	check(&s, "time-one-column-back");
	press(&s, "{ {");
	check(&s, "time-the-beginning");
	press(&s, "L");
	assert_shows(&s, "LIVE 14:03:10Z");
	press(&s, "+");
	assert_shows(&s, "win 2m");
	check(&s, "time-longer");
	press(&s, "- - -");
	assert_shows(&s, "win 15s");
	type(&s, ":window 10s\r");
	type(&s, ":goto 14:02:10\r");
	check(&s, "time-goto");
	stage_close(&s);
}

/* What a signal asks before it is sent, and what is left of it where one gives up. */
static void signals_are_asked_for(void **state)
{
	struct console_effect effect;
	struct key enter = {.code = KEY_ENTER};
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 80, 24, TEXT_ASCII);
	type(&s, "/restic\r");
	press(&s, "F9");
	check(&s, "signal-prompt");
	press(&s, "Enter");
	check(&s, "signal-question");
	press(&s, "y Enter");
	assert_shows(&s, "nothing was done");
	type(&s, ":signal HUP\r");
	assert_shows(&s, "signal TERM, STOP, CONT or KILL");
	type(&s, ":renice 20\r");
	assert_shows(&s, "19 (last of all)");
	type(&s, ":ionice sometimes\r");
	assert_shows(&s, "ionice idle, best-effort");
	/* Only the number does it; the input that waited is dropped when the question opens. */
	console_type(s.console, ":signal STOP\r");
	assert_true(console_effect(s.console, &effect));
	assert_int_equal(effect.kind, EFFECT_DROP_INPUT);
	console_type(s.console, "9911");
	assert_false(console_effect(s.console, &effect));
	console_key(s.console, &enter);
	assert_true(console_effect(s.console, &effect));
	assert_int_equal(effect.kind, EFFECT_ACT);
	assert_int_equal(effect.action.kind, ACT_SIGNAL);
	assert_int_equal(effect.action.pid, 9911);
	assert_string_equal(effect.action.signal, "STOP");
	assert_string_equal(effect.action.name, "restic");
	/* Where no process is selected. */
	press(&s, "6 F9");
	assert_shows(&s, "no process is selected here");
	stage_close(&s);
}

/* One list of everything; the way of somebody who asks what happened before it got slow. */
static void events_tell_what_happened(void **state)
{
	struct stage s;
	uint64_t from, to;
	bool live;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	assert_shows(&s, "kernel log 49s ago, io-error: EXT4-fs error");
	press(&s, "e");
	assert_shows(&s, "1-6 of 6 by time");
	assert_shows(&s, "x 214");
	press(&s, "o");
	assert_shows(&s, "without processes");
	check(&s, "events-no-processes");
	press(&s, "o");
	assert_shows(&s, "oom-kill  python3");
	press(&s, "o s");
	assert_shows(&s, "by kind");
	type(&s, ":sort who\r");
	check(&s, "events-by-who");
	press(&s, "r");
	assert_shows(&s, "> ");
	type(&s, ":sort time\r");
	type(&s, "\\kind=ran or who=python3\r");
	assert_shows(&s, "1-3 of 3");
	check(&s, "events-filter");
	type(&s, ":filter nosuch=1\r");
	assert_shows(&s, "nosuch");
	type(&s, ":filter kind=end\r");
	assert_shows(&s, "1-2 of 2");
	press(&s, "\\ ^U Enter");
	/* To the time of the I/O error: the window ends with the sample that tells of it. */
	type(&s, "/EXT4\r");
	check(&s, "events-found");
	press(&s, "Enter");
	console_window(s.console, &from, &to, &live);
	assert_false(live);
	assert_int_equal(to, 1132ull * SECOND - 900000000);
	check(&s, "events-there");
	press(&s, "1");
	assert_shows(&s, "kernel log 1s ago, io-error");
	press(&s, "L e");
	assert_shows(&s, "LIVE");
	stage_close(&s);
}

static void tables_open(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "tables", 80, 24, TEXT_ASCII);
	type(&s, "/disk\r");
	press(&s, "Enter");
	check(&s, "table-disk");
	press(&s, "c");
	check(&s, "table-disk-next-chart");
	press(&s, "l l l");
	check(&s, "table-disk-moved");
	press(&s, "T");
	type(&s, "/cgroup\r");
	press(&s, "Enter");
	check(&s, "table-missing");
	type(&s, ":table mark\r");
	check(&s, "table-events");
	type(&s, ":table process\r");
	check(&s, "table-process");
	stage_close(&s);
}

/* Nothing of a hostile name reaches the screen as it is; nothing is hidden. */
static void hostile_names_are_escaped(void **state)
{
	struct stage s;
	char *text;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 132, 43, TEXT_UTF8);
	assert_shows(&s, "evil \\xc2\\x9b2J \\x9b \\xe2\\x80\\xae");
	text = surface_text(s.surface);
	for (const char *p = text; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
	assert_null(strstr(text, "\xc2\x9b"));
	assert_null(strstr(text, "\xe2\x80\xae"));
	free(text);
	type(&s, "/evil\r");
	press(&s, "Enter");
	assert_shows(&s, "ev\\x1b]0;x\\x07");
	check(&s, "hostile-threads");
	stage_close(&s);
}

static void panels_survive_every_size(void **state)
{
	static const char *const panels[] = {"overview", "processes", "threads", "disks", "net", "cgroups", "memory", "events",
					      "tables"};

	(void)state;
	for (size_t p = 0; p < 4; p++) {
		struct stage s;

		stage_open(&s, NULL, 130, panels[p], 80, 24, TEXT_UTF8);
		for (int w = 1; w < 140; w += w < 24 ? 3 : 13) {
			for (int h = 1; h < 40; h += h < 14 ? 1 : 5) {
				assert_int_equal(surface_resize(s.surface, w, h), 0);
				press(&s, "j k l h G g");
			}
		}
		stage_close(&s);
	}
}

/* Bytes a second to a terminal of 120x40 that refreshes each second, on a box where nothing happens. */
static void quiet_boxes_cost_few_bytes(void **state)
{
	static const struct {
		const char *panel, *command;
		size_t most;
	} cases[] = {
		{"overview", NULL, 500},       {"processes", NULL, 2048},	      {"threads", NULL, 2048},
		{"tables", NULL, 2048},	       {"tables", ":table process\r", 2048}, {"tables", ":table cpu\r", 2048},
		{"processes", ":sort age\r", 2048},
	};
	enum { SECONDS = 120 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made_host_options murmur = {.calm = true, .murmur = true, .idle = 300};
		struct theme theme;
		struct paint paint;
		struct stage s;
		size_t bytes = 0, most = 0;

		stage_open(&s, &murmur, 90, cases[i].panel, 120, 40, TEXT_UTF8);
		theme_builtin(&theme, "default");

		paint_init(&paint, caps_builtin("xterm-256color"), DEPTH_256, &theme);
		if (cases[i].command)
			type(&s, cases[i].command);
		assert_int_equal(paint_surface(&paint, s.surface), 0);
		for (int k = 0; k < SECONDS; k++) {
			paint.out.len = 0;
			made_host_run(s.host, 1);
			now(&s);
			console_draw(s.console, s.surface);
			assert_int_equal(paint_surface(&paint, s.surface), 0);
			bytes += paint.out.len;
			most = paint.out.len > most ? paint.out.len : most;
		}
		printf("%s%.14s: %zu bytes/s, at most %zu\n", cases[i].panel, cases[i].command ? cases[i].command : "", bytes / SECONDS, most);
		if (bytes / SECONDS > cases[i].most)
			fail_msg("%s: %zu bytes a second, at most %zu allowed", cases[i].panel, bytes / SECONDS,
				 cases[i].most);
		paint_finish(&paint);
		stage_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(panels_look),
		cmocka_unit_test(overview_when_calm_and_without_pressure),
		cmocka_unit_test(processes_sort_and_filter),
		cmocka_unit_test(processes_say_why_a_cell_is_unread),
		cmocka_unit_test(processes_keep_the_selection),
		cmocka_unit_test(drilling_down_and_back),
		cmocka_unit_test(time_goes_back_and_on),
		cmocka_unit_test(events_tell_what_happened),
		cmocka_unit_test(signals_are_asked_for),
		cmocka_unit_test(tables_open),
		cmocka_unit_test(hostile_names_are_escaped),
		cmocka_unit_test(panels_survive_every_size),
		cmocka_unit_test(quiet_boxes_cost_few_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
