/* What Processes says of a command: children that were too short to be rows stand behind the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lens.h"
#include "task_cells.h"
#include "textframes.h"
#include "view.h"

static const struct rows_column columns[] = {
	{.column = "pid", .title = "pid", .min = 7, .max = 7},
	{.title = "command", .min = 16, .max = 400, .cell = task_command_cell},
};

/* `row`: cells of the one process there is. */
static void command_of(const char *row, char *out, size_t cap)
{
	struct culprit_error error = {""};
	struct lens lens = lens_window(1000000000, 2000000000);
	struct list_cell cell = {0};
	struct textframes *frames;
	struct view *view = view_create();
	struct rows rows;
	char text[2048];

	snprintf(text, sizeof(text),
		 "host hz=100 interval=1s\n"
		 "table process state key=process pid=key:u64 comm=attribute:text cmdline=attribute:text short_children=gauge:f64 "
		 "short_children_life=gauge:u64:ns short_children_cpu=gauge:f64:percent\n"
		 "tick 1s\nsample process\nrow process pid=9 %s\ntick 2s\nsample process\nrow process pid=9 %s\n",
		 row, row);
	frames = textframes_create(text, &error);
	if (!frames)
		fail_msg("%s", error.sentence);
	assert_int_equal(view_add_source(view, textframes_source(frames)), 0);
	rows_init(&rows, "process", columns, 2, "pid");
	assert_int_equal(rows_update(&rows, view, &lens, 0, &error), 0);
	task_command_cell(&rows, 0, &cell);
	assert_true(cell.len <= sizeof(cell.text));
	snprintf(out, cap, "%.*s", (int)cell.len, cell.text);
	rows_finish(&rows);
	view_destroy(view);
	textframes_destroy(frames);
}

static void children_stand_behind_the_program(void **state)
{
	char out[512];

	(void)state;
	command_of("comm=run-parts cmdline=\"run-parts /etc/cron.daily\" short_children=214 short_children_life=40ms "
		   "short_children_cpu=12.2",
		   out, sizeof(out));
	assert_string_equal(out, "run-parts (214 children of 40.0ms, 12.2% cpu1) /etc/cron.daily");
	/* What costs nothing is not said. */
	command_of("comm=sh cmdline=\"sh\" short_children=5 short_children_life=2ms short_children_cpu=0.1", out, sizeof(out));
	assert_string_equal(out, "sh (5 children of 2.00ms)");
	/* Nor is one or two, nor none; a thread of the kernel has its name. */
	command_of("comm=sh cmdline=\"sh -c x\" short_children=2 short_children_life=2ms", out, sizeof(out));
	assert_string_equal(out, "sh -c x");
	command_of("comm=sh cmdline=\"sh -c x\"", out, sizeof(out));
	assert_string_equal(out, "sh -c x");
	command_of("comm=kthreadd short_children=7 short_children_life=1ms", out, sizeof(out));
	assert_string_equal(out, "[kthreadd] (7 children of 1.00ms)");
}

static void long_commands_are_cut(void **state)
{
	char row[700], long_word[401], out[512];

	(void)state;
	memset(long_word, 'x', 400);
	long_word[400] = '\0';
	/* The program alone fills the cell; then its arguments do. */
	snprintf(row, sizeof(row), "comm=x cmdline=\"%s\" short_children=7 short_children_life=1ms", long_word);
	command_of(row, out, sizeof(out));
	assert_int_equal(strspn(out, "x"), strlen(out));
	snprintf(row, sizeof(row), "comm=x cmdline=\"make %s\" short_children=7 short_children_life=1ms", long_word);
	command_of(row, out, sizeof(out));
	assert_int_equal(strncmp(out, "make (7 children of 1.00ms) xxx", 31), 0);
	assert_int_equal(strlen(out), LIST_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_stand_behind_the_program),
		cmocka_unit_test(long_commands_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
