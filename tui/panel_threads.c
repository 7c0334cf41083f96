/* Threads, grouped by name with the digits removed, or each for itself where there is one group or the user says so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialog.h"
#include "error.h"
#include "flame.h"
#include "number.h"
#include "panels.h"
#include "row_chart.h"
#include "task_cells.h"
#include "thread_groups.h"
#include "thread_runtime.h"
#include "thread_wakers.h"
#include "units.h"

enum { THREADS_GROUP = ROWS_ACTION_LAST + 1 };

/* The kernel function it sleeps in; one that runs stands in none. */
static void stands_in_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct value v;

	rows_value(r, row, "wchan", &v);
	if (v.state == VALUE_OK && v.type == CULPRIT_TEXT && (!v.text.len || (v.text.len == 1 && v.text.p[0] == '0')))
		list_cell_own(cell, "-");
	else
		rows_cell_value(&v, cell);
}

static const struct rows_column columns[] = {
	{.column = "tid", .title = "tid", .min = 7, .max = 7},
	{.column = "comm", .title = "name", .min = 15, .max = 16},
	{.column = "cpu", .title = "cpu1", .min = 5, .max = 5, .coarse = true},
	{.title = "where its time goes", .min = 19, .max = 30, .weight = 1, .priority = 1, .cell = task_bar_cell, .holds = ROWS_PICTURE},
	{.column = "state", .title = "S", .min = 1, .max = 1, .priority = 5},
	{.column = "runq", .title = "runq", .min = 5, .max = 5, .priority = 3, .coarse = true},
	{.column = "voluntary_rate", .title = "switch", .min = 7, .max = 7, .priority = 7},
	{.column = "processor", .title = "cpu", .min = 3, .max = 3, .priority = 6},
	{.title = "stands in", .min = 12, .max = 32, .weight = 2, .priority = 2, .cell = stands_in_cell},
};

struct threads {
	struct rows rows;
	struct thread_groups groups;
	struct list list;
	struct list_source source;
	struct list_mark mark;
	struct thread_runtime runtime;
	struct thread_wakers wakers; /* of the selected thread, where there is room */
	struct row_chart chart; /* CPU of the selected thread, where the list leaves room */
	struct view *view;
	struct lens lens;
	struct panel_time time;
	bool charted; /* there was room when it was drawn last */
	bool apart;   /* the user wants each thread for itself */
	bool grouped; /* groups are shown */
};

/* In the order of enum group_order. */
static const struct list_column group_columns[] = {
	{.title = "threads", .min = 16, .max = 32, .sticky = true},
	{.title = "n", .min = 5, .max = 5, .right = true},
	{.title = "busy", .min = 5, .max = 5, .right = true},
	{.title = "cpu1", .min = 5, .max = 5, .right = true},
	{.title = "where busy time goes", .min = 21, .max = 40, .weight = 1},
	{.title = "mostly stand in", .min = 16, .max = 40, .weight = 1, .priority = 1},
};

static size_t groups_count(const void *self)
{
	return ((const struct threads *)self)->groups.n;
}

static struct list_id groups_id(const void *self, size_t row)
{
	const char *name = ((const struct threads *)self)->groups.groups[row].name;

	return (struct list_id){row_key_text(name, strlen(name)), 1};
}

static void groups_cell(const void *self, size_t row, size_t column, struct list_cell *cell)
{
	const struct thread_group *g = &((const struct threads *)self)->groups.groups[row];
	char text[64] = "";

	cell->own = column != 0 && column != 5;
	switch (column) {
	case 0:
		snprintf(text, sizeof(text), "%s", g->title);
		break;
	case 1:
		units_format_short(text, sizeof(text), (double)g->n, CULPRIT_COUNT);
		break;
	case 2:
		units_format_short(text, sizeof(text), (double)g->busy, CULPRIT_COUNT);
		break;
	case 3:
		rows_percent(text, sizeof(text), g->bar.share[BAR_CPU]);
		break;
	case 4:
		cell->kind = LIST_BAR;
		cell->bar = g->bar;
		task_bar_idle(&cell->bar);
		return;
	default:
		if (g->waits[0].n)
			snprintf(text, sizeof(text), "%s %zu%%", g->waits[0].wchan, g->waits[0].n * 100 / g->n);
		else
			snprintf(text, sizeof(text), "-");
	}
	cell->len = (uint16_t)strlen(text);
	memcpy(cell->text, text, cell->len);
}

static void *threads_create(void)
{
	struct threads *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	rows_init(&t->rows, "thread", columns, sizeof(columns) / sizeof(columns[0]), "cpu");
	list_init(&t->list);
	t->groups.order = GROUP_BY_TIME;
	t->list.sort_column = GROUP_BY_TIME;
	t->source = (struct list_source){.self = t,
					 .columns = group_columns,
					 .ncolumns = sizeof(group_columns) / sizeof(group_columns[0]),
					 .count = groups_count,
					 .id = groups_id,
					 .cell = groups_cell};
	return t;
}

static void threads_destroy(void *self)
{
	struct threads *t = self;

	if (!t)
		return;
	rows_finish(&t->rows);
	thread_wakers_finish(&t->wakers);
	thread_runtime_finish(&t->runtime);
	thread_groups_finish(&t->groups);
	free(t);
}

static void threads_rest(void *self)
{
	struct threads *t = self;

	rows_rest(&t->rows);
	thread_groups_rest(&t->groups);
}

/* CPU of the selected thread over the window. */
static void chart_update(struct threads *t)
{
	ssize_t row = rows_selected(&t->rows);
	struct query_row q;
	struct row_key before;
	char who[64];

	t->chart.known = false;
	if (t->grouped || !t->charted || row < 0 || !query_row(t->rows.query, (size_t)row, &q) || !q.key.n)
		return;
	thread_wakers_update(&t->wakers, t->view, &t->lens, number_u64(rows_number(&t->rows, (size_t)row, "tid", 0)),
			     number_u64(rows_number(&t->rows, (size_t)row, "start", 0)));
	rows_text(&t->rows, (size_t)row, "comm", who, sizeof(who));
	if (!query_baseline_key(t->rows.query, (size_t)row, &before))
		before = q.key;
	row_chart_update(&t->chart, t->view, &t->lens, &t->time, "thread", "cpu", CULPRIT_PERCENT, &q.key, &before, who,
			 t->time.width ? t->time.width : 80);
}

static int threads_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			  struct culprit_error *error)
{
	struct threads *t = self;
	int r = rows_update(&t->rows, view, lens, 0, error);

	t->view = view;
	t->lens = *lens;
	t->time = *time;
	if (r && r != -EBADMSG)
		return r;
	if (thread_groups_gather(&t->groups, &t->rows))
		return error_set(error, -ENOMEM, "out of memory");
	/* Who waits for a lock or a disk is busy and uses no CPU: it stands above who blinks and sleeps. */
	if (t->groups.n && rows_sort_by_default(&t->rows, t->groups.timed ? "time_busy" : "cpu")) {
		r = rows_update(&t->rows, view, lens, 0, error);
		if (r && r != -EBADMSG)
			return r;
	}
	/* One group, or one thread a group, says nothing that the threads don't say better. */
	t->grouped = !t->apart && t->groups.n > 1 && t->groups.n < query_nrows(t->rows.query);
	list_sync(&t->list, &t->source);
	chart_update(t);
	thread_runtime_update(&t->runtime, view, lens);
	return r;
}

/* "lock 1.6s": a share of one thread over the time covered. */
static int say_time(enum bar_part part, double share, uint64_t covered_ns, const char *before, struct surface *s, int x, int y,
		    int w)
{
	static const char *const words[BAR_PARTS] = {"cpu", "runq", "throttled", "disk", "lock", "net", "memory",
						     "other", "idle"};
	char text[32];

	return surface_sayf(s, x, y, w, ROLE_TEXT, "%s%s %s", before, words[part],
			    units_format_short(text, sizeof(text), share / 100 * (double)covered_ns, CULPRIT_NS));
}

enum { FOOT = 2, FACTS = 4, CHART_MIN = 6, CHART_MOST = 10 };

/* " http-nio-8080-exec-17, of 60s: idle 41s, net 15.2s, on a cpu 1.9s, lock 1.6s" */
static void say_selected(struct threads *t, struct surface *s, int x, int y, int w)
{
	ssize_t row = rows_selected(&t->rows);
	struct query_info info;
	struct query_row q;
	char name[64], window[24];
	struct task_times times;
	struct bar bar;
	uint64_t covered;
	int used, begin;

	if (row < 0 || !query_row(t->rows.query, (size_t)row, &q))
		return;
	query_info(t->rows.query, &info);
	covered = info.used_to_ns > q.covered_from_ns ? info.used_to_ns - q.covered_from_ns : 0;
	rows_text(&t->rows, (size_t)row, "comm", name, sizeof(name));
	used = surface_put(s, x, y, w, ROLE_STRONG, 0, name, strlen(name));
	used += surface_sayf(s, x + used, y, w - used, ROLE_TEXT, ", of %s: ",
			     units_duration(window, sizeof(window), covered));
	task_times_find(&times, t->rows.query);
	task_times_bar(&times, t->rows.query, (size_t)row, &bar);
	begin = used;
	/* The largest first. */
	for (int n = 0; n < BAR_PARTS; n++) {
		int best = 0;

		for (int i = 1; i < BAR_PARTS; i++)
			if (bar.share[i] > bar.share[best])
				best = i;
		if (bar.share[best] < 0.05)
			break;
		used += say_time((enum bar_part)best, bar.share[best], covered, used > begin ? ", " : "", s, x + used, y, w - used);
		bar.share[best] = 0;
	}
}

/* "; word 12/s" of a number in its unit. */
static int say_fact(struct threads *t, size_t row, const char *column, const char *before, struct surface *s, int x, int y,
		    int w)
{
	struct list_cell cell = {0};
	struct value v;
	int used;

	rows_value(&t->rows, row, column, &v);
	rows_cell_value(&v, &cell);
	used = surface_say(s, x, y, w, ROLE_MUTED, before);
	return used + surface_put(s, x + used, y, w - used, cell.role ? cell.role : ROLE_TEXT, cell.own ? PUT_OWN : 0,
				  cell.text, cell.len);
}

/* What else is known of the selected thread, in four lines. */
static void draw_facts(struct threads *t, struct surface *s, int x, int y, int w)
{
	static const struct {
		const char *column, *before;
	} facts[2][5] = {
		{{"user_cpu", "user "}, {"system_cpu", "  kernel "}, {"policy", "  policy "}, {"nice", "  nice "}, {"age", "  age "}},
		{{"voluntary_rate", "waits "}, {"involuntary_rate", "  pushed aside "}, {"maj_fault_rate", "  majflt "},
		 {"read_rate", "  read "}, {"write_rate", "  write "}},
	};
	ssize_t row = rows_selected(&t->rows);
	char waits[400];

	for (int line = 0; row >= 0 && line < 2; line++) {
		int used = 0;

		for (int i = 0; i < 5; i++)
			used += say_fact(t, (size_t)row, facts[line][i].column, facts[line][i].before, s, x + used, y + line,
					 w - used);
	}
	thread_wakers_say(&t->wakers, waits, sizeof(waits));
	dialog_say(s, (struct rect){x, y + 2, w, FACTS - 2}, ROLE_TEXT, waits);
}

/* Lines below the list: with few threads there is room to say more of the one selected. */
static int room_below(struct threads *t, int h, int foot)
{
	int rows = t->rows.query ? (int)query_nrows(t->rows.query) + 1 : 1, left = h - foot - FACTS - rows;

	t->charted = !t->grouped && rows > 1 && left >= CHART_MIN;
	return !t->charted ? 0 : FACTS + (left < CHART_MOST ? left : CHART_MOST);
}

/* Of very many threads only those that are looked at are read, and from then on. */
static bool some_are_not_read(const struct threads *t)
{
	struct query_info info;

	query_info(t->rows.query, &info);
	return info.reason && info.reason_len;
}

static void threads_draw(void *self, struct surface *s, struct rect r)
{
	struct threads *t = self;
	const char *runtime = t->runtime.sentence ? t->runtime.sentence : "";
	int foot = r.h < 6 ? 0 : FOOT + dialog_say(NULL, (struct rect){0, 0, r.w - 1, r.h >= 14 ? 2 : r.h >= 10}, ROLE_MUTED, runtime);
	int below = foot ? room_below(t, r.h, foot) : 0, y = r.y + r.h - foot - below;
	struct rect list = {r.x, r.y, r.w, r.h - foot - below};
	char place[96];

	if (t->grouped)
		list_draw(&t->list, &t->source, s, list);
	else
		rows_draw(&t->rows, s, list);
	if (t->rows.query && !t->rows.failed && !query_nrows(t->rows.query) && list.h > 2)
		surface_say(s, r.x + 1, r.y + 2, r.w - 1, ROLE_MUTED,
			    some_are_not_read(t) ? "none of its threads was read so far" : "no thread of it is known in this window: it ended before, or was not read");
	if (!foot)
		return;
	if (below) {
		/* Asked for only now that there is room for it. */
		if (!t->chart.known)
			chart_update(t);
		row_chart_draw(&t->chart, s, (struct rect){r.x, y, r.w, below - FACTS}, "nothing known of its past yet");
		draw_facts(t, s, r.x + 1, y + below - FACTS, r.w - 1);
	}
	dialog_say(s, (struct rect){r.x + 1, r.y + r.h - foot, r.w - 1, foot - FOOT}, ROLE_MUTED, runtime);
	if (t->grouped) {
		char of[64];

		list_place(&t->list, &t->source, of, sizeof(of));
		snprintf(place, sizeof(place), "%s groups%s", of, t->groups.cut ? ", more left out" : "");
		surface_sayf(s, r.x + 1, r.y + r.h - 2, r.w - 1, ROLE_MUTED, "%zu of %zu threads idle", t->groups.idle,
			     t->rows.query ? query_nrows(t->rows.query) : 0);
	} else {
		rows_place(&t->rows, place, sizeof(place));
		say_selected(t, s, r.x + 1, r.y + r.h - 2, r.w - 1);
	}
	task_foot(s, (struct rect){r.x, r.y + r.h - 1, r.w, 1}, place);
}

static enum panel_result open_group(struct threads *t, struct panel_request *want)
{
	const struct thread_group *g;

	if (t->list.selected >= t->groups.n)
		return PANEL_IGNORED;
	g = &t->groups.groups[t->list.selected];
	want->want = WANT_DEEPER;
	thread_group_filter(g, want->lens.filter, sizeof(want->lens.filter));
	snprintf(want->lens.filter_table, sizeof(want->lens.filter_table), "thread");
	snprintf(want->label, sizeof(want->label), "%s (%zu)", g->title, g->n);
	return PANEL_UPDATE;
}

/* What a wait is called in the stacks that were kept of it; NULL: none of these. */
static const char *reason_of(enum bar_part part)
{
	switch (part) {
	case BAR_DISK:
		return "disk";
	case BAR_LOCK:
		return "lock";
	case BAR_NET:
		return "net";
	case BAR_MEM:
		return "memory";
	default:
		return NULL;
	}
}

static const double ALMOST_ALL = 0.99;

/* The flame of what it does most while it is not idle: the stacks of that wait, or of what it runs. false: there are none. */
static bool flame_of(struct threads *t, size_t row, struct panel_request *want)
{
	struct flame_options waits = {.table = "offcpu"}, runs = {.table = "oncpu"}, any = {0};
	struct flame_source source;
	struct task_times times;
	enum bar_part most = BAR_CPU;
	const char *reason;
	struct bar bar;
	double all = 0;

	task_times_find(&times, t->rows.query);
	task_times_bar(&times, t->rows.query, row, &bar);
	for (int i = 0; i < BAR_PARTS; i++) {
		all += bar.share[i];
		if (i != BAR_IDLE && bar.share[i] > bar.share[most])
			most = (enum bar_part)i;
	}
	reason = reason_of(most);
	want->lens.filter[0] = want->lens.filter_table[0] = '\0';
	if (reason && !flame_source_find(t->view, &waits, &source, NULL) && view_table(t->view, "offcpu") &&
	    schema_column(view_table(t->view, "offcpu"), "reason") >= 0)
		snprintf(want->lens.filter, sizeof(want->lens.filter), "reason=\"%s\"", reason);
	else if (bar.share[BAR_IDLE] > ALMOST_ALL * all && !flame_source_find(t->view, &waits, &source, NULL))
		/* It does nothing: where it stands. */
		snprintf(want->lens.filter, sizeof(want->lens.filter), "reason~idle");
	else if (flame_source_find(t->view, &runs, &source, NULL) && flame_source_find(t->view, &any, &source, NULL))
		return false;
	snprintf(want->lens.filter_table, sizeof(want->lens.filter_table), "%s", source.table);
	want->panel = "flame";
	return true;
}

static enum panel_result open_thread(struct threads *t, struct panel_request *want)
{
	ssize_t row = rows_selected(&t->rows);
	char comm[40];

	if (row < 0)
		return PANEL_IGNORED;
	rows_text(&t->rows, (size_t)row, "comm", comm, sizeof(comm));
	want->want = WANT_DEEPER;
	if (!flame_of(t, (size_t)row, want))
		want->panel = "tables";
	lens_scope_thread(&want->lens, number_u64(rows_number(&t->rows, (size_t)row, "tid", 0)),
			  number_u64(rows_number(&t->rows, (size_t)row, "start", 0)));
	snprintf(want->label, sizeof(want->label), "%s tid %.0f", comm, rows_number(&t->rows, (size_t)row, "tid", 0));
	return PANEL_UPDATE;
}

static enum panel_result groups_action(struct threads *t, int action)
{
	if (action == ROWS_SORT) {
		t->groups.order = (t->groups.order + 1) % GROUP_ORDERS;
		t->groups.reverse = false;
	} else if (action == ROWS_REVERSE) {
		t->groups.reverse = !t->groups.reverse;
	} else {
		return list_move(&t->list, &t->source, action) ? PANEL_DRAW : PANEL_IGNORED;
	}
	t->list.sort_column = (int)t->groups.order;
	t->list.sort_ascending = (t->groups.order == GROUP_BY_NAME) != t->groups.reverse;
	return PANEL_UPDATE;
}

static enum panel_result threads_action(void *self, int action, struct panel_request *want)
{
	struct threads *t = self;

	if (action == THREADS_GROUP && !t->apart && !t->grouped) {
		want->want = WANT_MESSAGE;
		snprintf(want->message, sizeof(want->message), "there is nothing to group: %s",
			 t->groups.n > 1 ? "each thread has a name of its own" : "all these threads have one name");
		return PANEL_DRAW;
	}
	if (action == THREADS_GROUP) {
		t->apart = !t->apart;
		return PANEL_UPDATE;
	}
	if (action == ACTION_DEEPER)
		return t->grouped ? open_group(t, want) : open_thread(t, want);
	if (t->grouped)
		return groups_action(t, action);
	/* The chart is of the selected thread. */
	return rows_action(&t->rows, action) == PANEL_IGNORED ? PANEL_IGNORED : PANEL_UPDATE;
}

static int threads_command(void *self, const char *name, const char *argument, struct panel_request *want,
			   struct culprit_error *error)
{
	struct threads *t = self;

	(void)want;
	return rows_command(&t->rows, name, argument, error);
}

static const char *threads_complete(void *self, const char *command, size_t i)
{
	return rows_complete(&((struct threads *)self)->rows, command, i);
}

static bool threads_find(void *self, const char *text, int direction)
{
	struct threads *t = self;

	if (!t->grouped)
		return rows_find(&t->rows, text, direction);
	for (size_t k = direction ? 1 : 0; k <= t->groups.n && t->groups.n; k++) {
		size_t n = t->groups.n, i = (t->list.selected + (direction < 0 ? n - k % n : k)) % n;

		if (!strcasestr(t->groups.groups[i].title, text) && !strcasestr(t->groups.groups[i].name, text))
			continue;
		list_select(&t->list, &t->source, i);
		return true;
	}
	return false;
}

static void threads_selection(void *self, bool restore)
{
	struct threads *t = self;

	if (!t->grouped)
		rows_selection(&t->rows, restore);
	else if (restore)
		list_restore(&t->list, &t->source, &t->mark);
	else
		t->mark = list_mark(&t->list);
}

static void threads_status(const void *self, char *out, size_t cap)
{
	const struct threads *t = self;

	out[0] = '\0';
	if (!t->grouped)
		rows_status(&t->rows, out, cap);
}

static bool threads_target(void *self, struct panel_target *target)
{
	struct threads *t = self;

	return !t->grouped && rows_target(&t->rows, target);
}

static void threads_keep(const void *self, const char *name, struct settings *settings)
{
	const struct threads *t = self;

	rows_keep(&t->rows, name, settings);
	settings_set_of(settings, name, "groups", t->apart ? "off" : "");
}

static void threads_restore(void *self, const char *name, const struct settings *settings)
{
	const char *groups = settings_get_of(settings, name, "groups");
	struct threads *t = self;

	rows_restore(&t->rows, name, settings);
	t->apart = groups && !strcmp(groups, "off");
}

static size_t threads_interests(const void *self, const struct lens *lens, struct culprit_interest *list, size_t cap)
{
	static const char *const tables[] = {"thread", "thread_waker", "runtime"};
	size_t n = 0;

	(void)self;
	for (; lens->scope.has_process && n < cap && n < sizeof(tables) / sizeof(tables[0]); n++)
		list[n] = (struct culprit_interest){.size = sizeof(list[n]),
						    .table = tables[n],
						    .what = "rows",
						    .key = {lens->scope.pid, lens->scope.start_ticks},
						    .nkey = 2};
	return n;
}

static const struct binding keys[] = {
	{THREADS_GROUP, "other", {'o'}, "o groups", "group threads by name, or show each for itself"},
	ROWS_BINDINGS,
};

const struct panel threads_panel = {
	.name = "threads",
	.title = "Thrd",
	.key = '3',
	.help = "Threads of what you look at, grouped by name with the digits removed. Shares are of one CPU, summed over the "
		"group: C on a CPU, R waiting for one, D waiting for disks; dots are idle. A thread is busy when it did "
		"anything for 1% of the window. Who had most to do stands first; waits for locks, disks and networks count, where they are measured. `stands in` is the kernel function it sleeps in now. Below one "
		"process's threads stands who ended the waits of the one selected, and what that one did most meanwhile. Where the process schedules tasks of its own (Go, "
		"virtual threads, node, async Rust) a line says what the kernel cannot see. Enter: the group's threads, then the stacks of "
		"the thread: of the wait that takes most of its time, or of what it runs.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = threads_create,
	.destroy = threads_destroy,
	.rest = threads_rest,
	.update = threads_update,
	.draw = threads_draw,
	.action = threads_action,
	.command = threads_command,
	.complete = threads_complete,
	.find = threads_find,
	.selection = threads_selection,
	.interests = threads_interests,
	.status = threads_status,
	.target = threads_target,
	.keep = threads_keep,
	.restore = threads_restore,
};
