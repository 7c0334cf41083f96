#include "task_cells.h"

#include <stdio.h>
#include <string.h>

#include "findings.h"
#include "interpreter.h"
#include "number.h"
#include "units.h"

enum { EXACT = 9, PARTS = 12 };

/* Of thread_time; then of /proc. pipe and other are one part; what interrupts or the hypervisor took is the CPU's. */
static const struct {
	const char *column;
	uint8_t part;
} parts[PARTS] = {
	{"time_cpu", BAR_CPU},  {"time_runq", BAR_RUNQ}, {"time_throttled", BAR_THROTTLE}, {"time_disk", BAR_DISK},
	{"time_lock", BAR_LOCK}, {"time_net", BAR_NET},	  {"time_memory", BAR_MEM},	     {"time_pipe", BAR_OTHER},
	{"time_other", BAR_OTHER},
	{"cpu", BAR_CPU},	 {"runq", BAR_RUNQ},	  {"blkio", BAR_DISK},
};

void task_times_find(struct task_times *t, struct query *q)
{
	for (int i = 0; i < PARTS; i++)
		t->columns[i] = query_column_find(q, parts[i].column);
}

static bool add(struct query *q, size_t row, int column, uint8_t part, struct bar *b)
{
	struct value v;
	double n;

	if (column < 0)
		return false;
	query_value(q, row, (size_t)column, &v);
	if (!value_number(&v, &n))
		return false;
	b->share[part] += n;
	return true;
}

void task_bar_idle(struct bar *b)
{
	double busy = bar_busy(b);

	b->share[BAR_IDLE] = busy < 100 ? 100 - busy : 0;
}

bool task_times_bar(const struct task_times *t, struct query *q, size_t row, struct bar *b)
{
	bool known = false;

	memset(b, 0, sizeof(*b));
	for (int i = 0; i < EXACT; i++)
		known = add(q, row, t->columns[i], parts[i].part, b) || known;
	for (int i = EXACT; i < PARTS && !known; i++)
		add(q, row, t->columns[i], parts[i].part, b);
	task_bar_idle(b);
	return known;
}

void task_bar_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct task_times times;

	cell->kind = LIST_BAR;
	task_times_find(&times, r->query);
	task_times_bar(&times, r->query, row, &cell->bar);
}

size_t task_name(struct rows *r, size_t row, char *out, size_t cap)
{
	return findings_process_name(r->query, row, out, cap);
}

void task_name_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	char name[LENS_NAME_MAX + 64];

	if (task_name(r, row, name, sizeof(name))) {
		list_cell_text(cell, name, strlen(name));
		return;
	}
	list_cell_own(cell, "-");
}

enum { SHORT_FEWEST = 3 };

/* Behind the program, before its arguments, whose end is not seen: "run-parts (214 children of 40.0ms, 12% cpu1) /etc/cron.daily".
 * Children that are too short to be seen in rows of their own. */
static void say_children(struct rows *r, size_t row, struct list_cell *cell)
{
	double n = rows_number(r, row, "short_children", 0), cpu = rows_number(r, row, "short_children_cpu", 0);
	char note[96], count[16], life[16], share[16], text[sizeof(cell->text)];
	size_t end = 0, len;

	if (n < SHORT_FEWEST)
		return;
	units_format_short(count, sizeof(count), n, CULPRIT_COUNT);
	units_format_short(life, sizeof(life), rows_number(r, row, "short_children_life", 0), CULPRIT_NS);
	rows_percent(share, sizeof(share), cpu);
	len = (size_t)snprintf(note, sizeof(note), cpu >= 1 ? " (%s children of %s, %s cpu1)" : " (%s children of %s)", count, life,
			       share);
	while (end < cell->len && cell->text[end] != ' ' && cell->text[end])
		end++;
	if (end + len > sizeof(cell->text))
		return;
	memcpy(text, cell->text, cell->len);
	memcpy(cell->text + end, note, len);
	if (cell->len - end > sizeof(cell->text) - end - len)
		cell->len = (uint16_t)(sizeof(cell->text) - len);
	memcpy(cell->text + end + len, text + end, cell->len - end);
	cell->len = (uint16_t)(cell->len + len);
}

static void command_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct value v;
	double members = rows_number(r, row, "folded", 0);
	int n;

	rows_value(r, row, "cmdline", &v);
	if (members > 0) {
		cell->own = true;
		n = snprintf(cell->text, sizeof(cell->text), "(%.0f others)", members);
		cell->len = (uint16_t)n;
		return;
	}
	if (v.state == VALUE_OK && v.type == CULPRIT_TEXT && v.text.len) {
		char name[64];

		/* What it runs, then how: the end of a long line is not seen. */
		if (interpreter_main(v.text.p, v.text.len, name, sizeof(name))) {
			n = snprintf(cell->text, sizeof(cell->text), "%s  %.*s", name,
				     (int)(v.text.len < sizeof(cell->text) ? v.text.len : sizeof(cell->text)), v.text.p);
			cell->len = (uint16_t)((size_t)n < sizeof(cell->text) ? (size_t)n : sizeof(cell->text) - 1);
			return;
		}
		rows_cell_value(&v, cell);
		return;
	}
	rows_value(r, row, "comm", &v);
	if (v.state != VALUE_OK || v.type != CULPRIT_TEXT)
		return;
	n = snprintf(cell->text, sizeof(cell->text), "[%.*s]", (int)(v.text.len < 200 ? v.text.len : 200), v.text.p);
	cell->len = (uint16_t)n;
}

void task_command_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	command_cell(r, row, cell);
	say_children(r, row, cell);
}

void task_io_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct value in, out;
	double a = 0, b = 0;
	bool known;

	/* What its own threads did; where they aren't known, the process's figure, which jumps when a child ends. */
	rows_value(r, row, "own_read_rate", &in);
	rows_value(r, row, "own_write_rate", &out);
	if (in.state != VALUE_OK || out.state != VALUE_OK) {
		rows_value(r, row, "read_rate", &in);
		rows_value(r, row, "write_rate", &out);
	}
	known = value_number(&in, &a) | value_number(&out, &b);
	if (!known) {
		rows_cell_value(&in, cell);
		return;
	}
	cell->own = true;
	units_format_short(cell->text, sizeof(cell->text), a + b, CULPRIT_BYTES_PER_S);
	cell->len = (uint16_t)strlen(cell->text);
}

void task_foot(struct surface *s, struct rect r, const char *place)
{
	int n = (int)strlen(place);

	surface_put(s, r.x + (n < r.w ? r.w - n : 0), r.y, n < r.w ? n : r.w, ROLE_MUTED, PUT_OWN, place, strlen(place));
	if (r.w - n > 3)
		bar_legend(s, r.x + 1, r.y, r.w - n - 3,
			   (1u << BAR_PARTS) - 1);
}

enum panel_result rows_open_process(struct rows *r, struct panel_request *want)
{
	ssize_t row = rows_selected(r);
	struct query_row q;
	char name[64];
	double pid;

	if (row < 0 || !query_row(r->query, (size_t)row, &q))
		return PANEL_IGNORED;
	if (q.folds) {
		want->want = WANT_MESSAGE;
		snprintf(want->message, sizeof(want->message),
			 "this row stands for quiet processes that are too many for rows of their own; a larger --history "
			 "has room for them");
		return PANEL_DRAW;
	}
	task_name(r, (size_t)row, name, sizeof(name));
	pid = rows_number(r, (size_t)row, "pid", 0);
	want->want = WANT_DEEPER;
	want->panel = "threads";
	lens_scope_process(&want->lens, number_u64(pid), number_u64(rows_number(r, (size_t)row, "start", 0)));
	/* What chose the process says nothing about its threads. */
	want->lens.filter[0] = '\0';
	snprintf(want->label, sizeof(want->label), "%.40s %.0f", name, pid);
	return PANEL_UPDATE;
}
