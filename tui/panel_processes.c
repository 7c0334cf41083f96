/* Processes: the table people know, with where the time of each goes as far as it is known. Enter shows its threads. */
#include "list_panel.h"
#include "panels.h"
#include "task_cells.h"
#include "units.h"

#include <stdio.h>

enum { SHORT_CHILDREN = 5 }; /* fewer are no news */

static const struct rows_column columns[] = {
	{.column = "pid", .title = "pid", .min = 7, .max = 7},
	{.column = "user", .title = "user", .min = 8, .max = 8, .priority = 4},
	{.column = "cpu", .title = "cpu1", .min = 5, .max = 5, .coarse = true},
	{.title = "busy", .min = 10, .max = 24, .weight = 1, .priority = 3, .cell = task_bar_cell, .holds = ROWS_PICTURE},
	{.column = "rss", .title = "rss", .min = 6, .max = 6},
	{.column = "state", .title = "S", .min = 1, .max = 1, .priority = 5},
	{.column = "threads", .title = "thr", .min = 5, .max = 5, .priority = 6},
	{.column = "read_rate", .title = "read", .min = 8, .max = 8, .priority = 8},
	{.column = "write_rate", .title = "write", .min = 8, .max = 8, .priority = 9},
	{.title = "io", .min = 7, .max = 7, .priority = 2, .right = true, .cell = task_io_cell, .holds = ROWS_NUMBER},
	{.column = "maj_fault_rate", .title = "majflt", .min = 7, .max = 7, .priority = 10},
	{.column = "age", .title = "age", .min = 6, .max = 6, .priority = 7},
	{.title = "command", .min = 16, .max = 400, .weight = 8, .cell = task_command_cell, .tree = true},
};

static enum panel_result processes_deeper(void *self, struct panel_request *want)
{
	return rows_open_process(&((struct list_state *)self)->rows, want);
}

/* Those that live too short to be rows, counted at their parent. */
static void processes_status(struct rows *r, size_t row, char *out, size_t cap)
{
	double n = rows_number(r, row, "short_children", 0), cpu = rows_number(r, row, "short_children_cpu", 0),
	       life = rows_number(r, row, "short_children_life", 0);
	char name[64], a[32], b[32];

	if (n < SHORT_CHILDREN)
		return;
	task_name(r, row, name, sizeof(name));
	snprintf(out, cap, "%s: %.0f children of %s ended, %s of a CPU", name, n,
		 units_format_short(a, sizeof(a), life, CULPRIT_NS), rows_percent(b, sizeof(b), cpu));
}

static const struct list_panel list = {
	.table = "process",
	.columns = columns,
	.ncolumns = sizeof(columns) / sizeof(columns[0]),
	.sort = "cpu",
	.size = sizeof(struct list_state),
	.deeper = processes_deeper,
	.foot = task_foot,
	.status = processes_status,
};

static void *processes_create(void)
{
	return list_panel_create(&list);
}

static const struct binding keys[] = {ROWS_BINDINGS, ROWS_PROCESS_BINDINGS, ROWS_CHOOSE_BINDINGS};

const struct panel processes_panel = {
	.name = "processes",
	.title = "Proc",
	.key = '2',
	.help = "Processes of the window, those that ended in it too (marked). cpu1 is a share of one CPU: 200% is two CPUs. "
		"The bar shows where busy time goes: C on a CPU, R waiting for one, D waiting for disks; dots are idle. io is "
		"what it read from disks and made them write. Behind a program stand its children that were too short for rows. In "
		"the tree a branch stands where the first of its members "
		"would. Enter: its threads.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = processes_create,
	LIST_PANEL,
};
