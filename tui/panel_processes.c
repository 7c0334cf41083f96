/* Processes: the table people know, with where the time of each goes as far as /proc knows. Enter shows its threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panels.h"
#include "task_cells.h"

static const struct rows_column columns[] = {
	{.column = "pid", .title = "pid", .min = 7, .max = 7},
	{.column = "user", .title = "user", .min = 8, .max = 8, .priority = 4},
	{.column = "cpu", .title = "cpu1", .min = 5, .max = 5, .coarse = true},
	{.title = "busy", .min = 10, .max = 24, .weight = 1, .priority = 3, .cell = task_bar_cell},
	{.column = "rss", .title = "rss", .min = 6, .max = 6},
	{.column = "state", .title = "S", .min = 1, .max = 1, .priority = 5},
	{.column = "threads", .title = "thr", .min = 5, .max = 5, .priority = 6},
	{.column = "read_rate", .title = "read", .min = 8, .max = 8, .priority = 8},
	{.column = "write_rate", .title = "write", .min = 8, .max = 8, .priority = 9},
	{.title = "io", .min = 7, .max = 7, .priority = 2, .right = true, .cell = task_io_cell},
	{.column = "maj_fault_rate", .title = "majflt", .min = 7, .max = 7, .priority = 10},
	{.column = "age", .title = "age", .min = 6, .max = 6, .priority = 7},
	{.title = "command", .min = 16, .max = 400, .weight = 8, .cell = task_command_cell},
};

struct processes {
	struct rows rows;
};

static void *processes_create(void)
{
	struct processes *p = calloc(1, sizeof(*p));

	if (p)
		rows_init(&p->rows, "process", columns, sizeof(columns) / sizeof(columns[0]), "cpu");
	return p;
}

static void processes_destroy(void *self)
{
	struct processes *p = self;

	if (p)
		rows_finish(&p->rows);
	free(p);
}

static int processes_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			    struct culprit_error *error)
{
	struct processes *p = self;

	(void)time;
	return rows_update(&p->rows, view, lens, 0, error);
}

static void processes_draw(void *self, struct surface *s, struct rect r)
{
	struct processes *p = self;
	char place[96];

	if (r.h < 3) {
		rows_draw(&p->rows, s, r);
		return;
	}
	rows_draw(&p->rows, s, (struct rect){r.x, r.y, r.w, r.h - 1});
	rows_place(&p->rows, place, sizeof(place));
	task_foot(s, (struct rect){r.x, r.y + r.h - 1, r.w, 1}, place);
}

static enum panel_result processes_action(void *self, int action, struct panel_request *want)
{
	struct processes *p = self;

	return action == ACTION_DEEPER ? rows_open_process(&p->rows, want) : rows_action(&p->rows, action);
}

static int processes_command(void *self, const char *name, const char *argument, struct panel_request *want,
			     struct culprit_error *error)
{
	struct processes *p = self;

	(void)want;
	return rows_command(&p->rows, name, argument, error);
}

static const char *processes_complete(void *self, const char *command, size_t i)
{
	return rows_complete(&((struct processes *)self)->rows, command, i);
}

static bool processes_find(void *self, const char *text, int direction)
{
	return rows_find(&((struct processes *)self)->rows, text, direction);
}

static void processes_selection(void *self, bool restore)
{
	rows_selection(&((struct processes *)self)->rows, restore);
}

static enum panel_result processes_click(void *self, struct rect r, int x, int y, struct panel_request *want)
{
	(void)want;
	return rows_click(&((struct processes *)self)->rows, r, x, y);
}

static void processes_status(const void *self, char *out, size_t cap)
{
	rows_status(&((const struct processes *)self)->rows, out, cap);
}

static const struct binding keys[] = {ROWS_BINDINGS};

const struct panel processes_panel = {
	.name = "processes",
	.title = "Proc",
	.key = '2',
	.help = "Processes of the window, those that ended in it too (marked). cpu1 is a share of one CPU: 200% is two CPUs. "
		"The bar shows where busy time goes: C on a CPU, R waiting for one, D waiting for disks; dots are idle. io is "
		"what it read from disks and made them write. Enter: its threads.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = processes_create,
	.destroy = processes_destroy,
	.update = processes_update,
	.draw = processes_draw,
	.action = processes_action,
	.command = processes_command,
	.complete = processes_complete,
	.find = processes_find,
	.selection = processes_selection,
	.click = processes_click,
	.status = processes_status,
};
