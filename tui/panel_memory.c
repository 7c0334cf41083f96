/* Memory: how much is left and for how long, what it holds, how hard reclaim works, and who grows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings.h"
#include "list_panel.h"
#include "number.h"
#include "panels.h"
#include "task_cells.h"
#include "units.h"

#define MINUTE 60000000000ull
#define TREND_NS (MINUTE / 3)

/* The longer look back beside the window. */
static const uint64_t long_ns = 10 * MINUTE;
/* Reclaim that finds less than this share of what it looks at is in vain; it must look at so many pages a second. */
static const double thrash_pct = 10, thrash_scan = 1000;
/* Falling slower than so much of all memory in a second is no news; further away than this neither. */
static const double falls_share = 0.0005, falls_within_s = 4 * 3600;

enum { WHO = 2 };
/* Growing by less than this share of all memory is nobody's news, nor is standing still for less than this. */
static const double grows_share = 0.001, stalled_pct = 1;

struct memory {
	struct list_state list;
	struct figures figures;
	struct query *before; /* processes over the longer window */
	struct view *view;
	const char *stalled; /* the column that tells who waits for memory; NULL: not measured */
};

static void growth_cell(struct list_cell *cell, const struct value *v)
{
	double n;

	if (!value_number(v, &n)) {
		rows_cell_value(v, cell);
		return;
	}
	cell->own = true;
	if (n == 0)
		snprintf(cell->text, sizeof(cell->text), "0");
	else
		units_format_change(cell->text, sizeof(cell->text), n, CULPRIT_BYTES);
	cell->len = (uint16_t)strlen(cell->text);
}

static void grew_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct value v;

	rows_value(r, row, "rss_growth", &v);
	growth_cell(cell, &v);
}

static void grew_long_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct memory *m = r->of;
	struct value v = {0};
	struct query_row q;
	ssize_t at = -1;
	int c = m->before ? query_column_find(m->before, "rss_growth") : -1;

	if (c >= 0 && query_row(r->query, row, &q))
		at = query_find(m->before, &q.key);
	if (at >= 0)
		query_value(m->before, (size_t)at, (size_t)c, &v);
	growth_cell(cell, &v);
}

/* How long its threads stood still for memory, and the column that tells: with what they waited for in page faults where every
 * wait is measured, else what reclaim alone took, of which most processes have none; NULL: neither is measured. */
static const char *stalled_column(struct memory *m, const struct lens *lens)
{
	static const char *const names[] = {"time_memory", "memory_stalled"};
	struct rows *r = &m->list.rows;
	char why[32];

	for (size_t i = 0; i < 2; i++)
		for (size_t row = 0; r->query && row < query_nrows(r->query); row++)
			if (!isnan(rows_number(r, row, names[i], NAN)))
				return names[i];
	figures_ask(&m->figures, m->view, lens, "reclaim_process", NULL);
	return rows_unmeasured(m->figures.query, why, sizeof(why)) ? NULL : names[1];
}

/* Of the row: who frees memory on its CPU waits for nobody, and stands still for memory all the same. */
static const char *stalled_most(struct rows *r, size_t row)
{
	const struct memory *m = r->of;

	if (!m->stalled || rows_number(r, row, "memory_stalled", 0) > rows_number(r, row, m->stalled, 0))
		return "memory_stalled";
	return m->stalled;
}

static void stalled_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	rows_percent_cell(r, row, stalled_most(r, row), 10, cell);
}

static const struct rows_column columns[] = {
	{.column = "comm", .title = "process", .min = 14, .max = 28, .weight = 1, .cell = task_name_cell},
	{.column = "pid", .title = "pid", .min = 7, .max = 7},
	{.column = "rss", .title = "rss", .min = 6, .max = 6},
	{.column = "rss_growth", .title = "grew", .min = 8, .max = 8, .right = true, .cell = grew_cell},
	{.title = "10m", .min = 8, .max = 8, .right = true, .priority = 1, .cell = grew_long_cell},
	{.column = "rss_anon", .title = "anon", .min = 6, .max = 6, .priority = 4},
	{.column = "swap", .title = "swap", .min = 6, .max = 6, .priority = 2},
	{.column = "maj_fault_rate", .title = "majflt", .min = 7, .max = 7, .priority = 1},
	{.column = "time_memory", .title = "stalled", .min = 7, .max = 7, .right = true, .priority = 1, .cell = stalled_cell},
	{.column = "oom_score", .title = "oom", .min = 5, .max = 5, .priority = 3},
	{.title = "command", .min = 16, .max = 200, .weight = 4, .priority = 5, .cell = task_command_cell},
};

/* A figure of the head: "-" where it is not known. */
static const char *figure(struct figures *f, const char *column, unsigned unit, char buf[32])
{
	double v = figures_number(f, 0, column);

	return isnan(v) ? "-" : units_format_short(buf, 32, v, unit);
}

/* Does it go on, or was it a step, as when a program begins? */
static bool goes_on(struct memory *m, const struct lens *lens, const struct panel_time *time)
{
	struct query_row row;
	uint64_t from_ns, to_ns;

	lens_resolve(lens, time->newest_ns, &from_ns, &to_ns);
	return query_row(m->figures.query, 0, &row) && findings_goes_on(m->view, to_ns, "memory", "available_growth", &row.key, -1);
}

static void say_left(struct memory *m, const struct lens *lens, const struct panel_time *time, uint64_t window_ns)
{
	struct figures *f = &m->figures;
	double total = figures_number(f, 0, "total"), left = figures_number(f, 0, "available"),
	       growth = figures_number(f, 0, "available_growth"), swap = figures_number(f, 0, "swap_total"),
	       swap_used = figures_number(f, 0, "swap_used"), falls = -growth / ((double)window_ns / 1e9);
	char a[32], b[32], c[32], d[32], e[32], trend[96] = "", swaps[64];
	double lasts_s = falls > 0 ? left / falls : INFINITY;
	/* Seconds of data are no trend, but of the last minutes. */
	bool low = left < total / 20, falling = falls > total * falls_share && lasts_s < falls_within_s;

	if (falling && (lasts_s < 120 || (window_ns >= TREND_NS && goes_on(m, lens, time))))
		snprintf(trend, sizeof(trend), ", falls %s: about %s left", units_format_short(c, sizeof(c), falls, CULPRIT_BYTES_PER_S),
			 units_duration(d, sizeof(d), (uint64_t)(lasts_s * 1e9)));
	if (!(swap > 0))
		snprintf(swaps, sizeof(swaps), "no swap");
	else
		snprintf(swaps, sizeof(swaps), swap_used >= swap * 0.99 ? "swap FULL %s%s" : "swap %s/%s",
			 swap_used >= swap * 0.99 ? "" : units_format_short(d, sizeof(d), swap_used, CULPRIT_BYTES),
			 units_format_short(e, sizeof(e), swap, CULPRIT_BYTES));
	list_panel_say(&m->list.head, low || trend[0] ? ROLE_WARN : ROLE_STRONG, "available %s of %s%s  %s",
		       units_format_short(a, sizeof(a), left, CULPRIT_BYTES),
		       units_format_short(b, sizeof(b), total, CULPRIT_BYTES), trend, swaps);
}

static void say_held(struct memory *m)
{
	struct figures *f = &m->figures;
	char b[6][32];

	list_panel_say(&m->list.head, ROLE_TEXT, "anon %s  cache %s  shmem %s  slab %s (fixed %s)  hugetlb %s",
		       figure(f, "anon", CULPRIT_BYTES, b[0]), figure(f, "cache", CULPRIT_BYTES, b[1]),
		       figure(f, "shmem", CULPRIT_BYTES, b[2]), figure(f, "slab", CULPRIT_BYTES, b[3]),
		       figure(f, "sunreclaim", CULPRIT_BYTES, b[4]), figure(f, "hugetlb", CULPRIT_BYTES, b[5]));
}

static void say_reclaim(struct memory *m)
{
	struct figures *f = &m->figures;
	double scan = figures_number(f, 0, "scan_rate"), steal = figures_number(f, 0, "steal_pct"),
	       oom = figures_number(f, 0, "oom_kills");
	bool thrash = scan >= thrash_scan && steal < thrash_pct;
	char b[6][32], share[48] = "", killed[48] = "";

	if (scan > 0 && !isnan(steal))
		snprintf(share, sizeof(share), ", %.0f%% freed%s", steal, thrash ? "!!" : "");
	if (oom > 0)
		snprintf(killed, sizeof(killed), "OOM KILLS %.0f  ", oom);
	list_panel_say(&m->list.head, thrash || oom > 0 ? ROLE_WARN : ROLE_TEXT,
		       "%sscan %s%s  refault %s  compact %s  swap out %s", killed, figure(f, "scan_rate", CULPRIT_COUNT_PER_S, b[0]),
		       share, figure(f, "refault_rate", CULPRIT_COUNT_PER_S, b[2]),
		       figure(f, "compact_stall_rate", CULPRIT_COUNT_PER_S, b[3]),
		       figure(f, "swap_out_rate", CULPRIT_COUNT_PER_S, b[4]));
}

/* "some task waited for memory 44.0% of the window, all of them 2.0%" */
static void say_stalled(struct memory *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double some = figures_number(&m->figures, i, "some_share"), full = figures_number(&m->figures, i, "full_share");
		char name[16], a[32], b[32];

		figures_text(&m->figures, i, "resource", name, sizeof(name));
		if (strcmp(name, "memory") || isnan(some))
			continue;
		list_panel_say(&m->list.head, some >= 2 ? ROLE_WARN : ROLE_TEXT,
			       "some task waited for memory %s of the window, all of them %s",
			       rows_percent(a, sizeof(a), some), isnan(full) ? "-" : rows_percent(b, sizeof(b), full));
	}
}

static void append_who(struct memory *m, char *line, size_t row, size_t k, const char *value)
{
	char raw[64], name[4 * sizeof(raw) + 1];

	task_name(&m->list.rows, row, raw, sizeof(raw));
	text_sanitise(name, sizeof(name), raw, strlen(raw), TEXT_UTF8);
	list_panel_append(line, LIST_PANEL_LINE_MAX, "%s%s %.0f %s", k ? ", " : "", name, rows_number(&m->list.rows, row, "pid", 0),
			  value);
}

/* "grows: java:api 1204 +1.80G; waits: mysqld 812 71%", among those of the list. */
static void say_who(struct memory *m, double total)
{
	struct query *q = m->list.rows.query;
	const char *const growth[] = {"rss_growth", NULL}, *const waits[] = {m->stalled, NULL};
	char line[LIST_PANEL_LINE_MAX] = "", value[32];
	struct figures_most grows[WHO], waited[WHO];
	size_t n, waiting;

	if (!q)
		return;
	if (rows_unmeasured(q, line, sizeof(line))) {
		list_panel_say(&m->list.head, ROLE_MUTED, "who grows: %.200s", line);
		return;
	}
	waiting = m->stalled ? figures_most(q, waits, stalled_pct, true, WHO, waited) : 0;
	n = figures_most(q, growth, total > 0 ? total * grows_share : 0, true, waiting ? 1 : WHO, grows);
	list_panel_append(line, sizeof(line), n ? "grows: " : "nobody grows much");
	for (size_t k = 0; k < n; k++) {
		units_format_change(value, sizeof(value), grows[k].value, CULPRIT_BYTES);
		append_who(m, line, grows[k].row, k, value);
	}
	list_panel_append(line, sizeof(line), "%s", waiting ? "; waits: " : m->stalled ? "; nobody waits for memory" : "; who waits for it is not measured");
	for (size_t k = 0; k < waiting; k++)
		append_who(m, line, waited[k].row, k, rows_percent(value, sizeof(value), waited[k].value));
	list_panel_say(&m->list.head, waiting ? ROLE_WARN : ROLE_TEXT, "%s", line);
}

/* Of the selected process: what its memory is, and why it stood still. */
static void memory_detail(void *self, struct view *view, const struct lens *lens, const struct panel_time *time, size_t row)
{
	static const struct {
		const char *column, *what;
	} parts[] = {{"rss_anon", "anon"}, {"rss_file", "files"}, {"rss_shmem", "shared"}, {"swap", "swap"},
		     {"rss_peak", "peak"}};
	struct memory *m = self;
	struct rows *r = &m->list.rows;
	char raw[64], name[4 * sizeof(raw) + 1], line[LIST_PANEL_LINE_MAX] = "", a[32];
	double reclaim = rows_number(r, row, "memory_stalled", NAN), limit = rows_number(r, row, "cgroup_stalled", NAN),
	       adj = rows_number(r, row, "oom_score_adj", 0), all = m->stalled ? rows_number(r, row, stalled_most(r, row), NAN) : NAN;
	size_t said = 0;

	(void)view, (void)lens, (void)time;
	task_name(r, row, raw, sizeof(raw));
	text_sanitise(name, sizeof(name), raw, strlen(raw), TEXT_UTF8);
	list_panel_append(line, sizeof(line), "%s: ", name);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		double bytes = rows_number(r, row, parts[i].column, NAN);

		if (bytes > 0)
			list_panel_append(line, sizeof(line), "%s%s %s", said++ ? ", " : "", parts[i].what,
					  units_format_short(a, sizeof(a), bytes, CULPRIT_BYTES));
	}
	if (!said)
		list_panel_append(line, sizeof(line), "%s", rows_number(r, row, "kthread", 0) > 0 ? "a thread of the kernel, without memory of its own" :
									       "what its memory is has not been read");
	if (adj != 0)
		list_panel_append(line, sizeof(line), adj <= -1000 ? "; never killed for memory" : "; oom adjusted %+.0f", adj);
	list_panel_say(&m->list.detail, ROLE_STRONG, "%s", line);
	if (isnan(all)) {
		list_panel_say(&m->list.detail, ROLE_MUTED, "%s", m->stalled ? "it was not seen waiting for memory" : "how long it waits for memory is not measured here");
		return;
	}
	snprintf(line, sizeof(line), "waits for memory %s", rows_percent(a, sizeof(a), all));
	if (strcmp(m->stalled, "memory_stalled"))
		list_panel_append(line, sizeof(line), ": page faults %s", rows_percent(a, sizeof(a), number_max(0, all - (reclaim > 0 ? reclaim : 0))));
	if (reclaim > 0)
		list_panel_append(line, sizeof(line), ", freeing some %s %s", limit > 0.9 * reclaim ? "for its group's limit" : "itself",
				  rows_percent(a, sizeof(a), reclaim));
	if (limit > 0 && !(limit > 0.9 * reclaim))
		list_panel_append(line, sizeof(line), ", %s for its group", rows_percent(a, sizeof(a), limit));
	list_panel_say(&m->list.detail, all >= 10 ? ROLE_WARN : ROLE_TEXT, "%s", line);
}

/* The longer window, with its end on the end of the one that is shown. */
static struct lens longer_of(const struct lens *lens, const struct panel_time *time)
{
	struct lens longer = *lens;
	uint64_t from_ns, to_ns, begin_ns;

	lens_resolve(lens, time->newest_ns, &from_ns, &to_ns);
	begin_ns = to_ns > long_ns ? to_ns - long_ns : 0;
	if (longer.live)
		longer.length_ns = long_ns;
	else
		longer.from_ns = begin_ns < from_ns ? begin_ns : from_ns;
	return longer;
}

static int memory_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			 struct culprit_error *error)
{
	struct memory *m = self;
	const struct lens longer = longer_of(lens, time);
	double total = 0;

	(void)error;
	if (m->view != view) {
		query_destroy(m->before);
		m->before = NULL;
		m->view = view;
	}
	if (!m->before)
		m->before = query_create(view);
	m->stalled = stalled_column(m, lens);
	if (figures_ask(&m->figures, view, lens, "memory", NULL)) {
		struct query_info info;

		total = figures_number(&m->figures, 0, "total");
		query_info(m->figures.query, &info);
		say_left(m, lens, time, info.used_to_ns > info.used_from_ns ? info.used_to_ns - info.used_from_ns : 1);
		say_held(m);
	}
	if (figures_ask(&m->figures, view, lens, "vmstat", NULL))
		say_reclaim(m);
	say_stalled(m, figures_ask(&m->figures, view, lens, "psi", NULL));
	if (m->before)
		query_run(m->before, &longer, "process", QUERY_OWN, NULL);
	say_who(m, total);
	return 0;
}

static size_t memory_reads(const void *self, const struct lens *lens, const struct panel_time *time, struct panel_read *list, size_t cap)
{
	(void)self, (void)cap;
	list[0] = (struct panel_read){.lens = *lens, .table = "process"};
	list[1] = (struct panel_read){.lens = longer_of(lens, time), .table = "process", .own = true};
	return 2;
}

static enum panel_result memory_deeper(void *self, struct panel_request *want)
{
	return rows_open_process(&((struct list_state *)self)->rows, want);
}

static void memory_finish(void *self)
{
	struct memory *m = self;

	figures_finish(&m->figures);
	query_destroy(m->before);
}

static const struct list_panel list = {
	.table = "process",
	.columns = columns,
	.ncolumns = sizeof(columns) / sizeof(columns[0]),
	.sort = "rss",
	.size = sizeof(struct memory),
	.update = memory_update,
	.detail = memory_detail,
	.deeper = memory_deeper,
	.finish = memory_finish,
};

static void *memory_create(void)
{
	struct memory *m = list_panel_create(&list);

	if (m)
		m->list.rows.of = m;
	return m;
}

static const struct binding keys[] = {ROWS_BINDINGS, ROWS_CHOOSE_BINDINGS};

const struct panel memory_panel = {
	.name = "memory",
	.title = "Mem",
	.key = '9',
	.help = "How much memory could still be given (available), how fast it falls and how long it would last; what holds the "
		"rest; how hard the kernel looks for pages to free. Much scanned and little freed (!!): what is needed does "
		"not fit. refault: pages that were needed again soon after they were freed. Below, processes by "
		"memory: grew over the window and over 10 minutes; majflt are faults that had to read a disk; oom: the highest "
		"is killed first when memory runs out; stalled: how long its threads stood still in page faults and freeing memory, added "
		"up (100%: one of them all the time). :sort rss_growth shows who grows. Below, of the selected process, what its memory "
		"is and why it stood still; the stacks of that: 4, then :stacks faults. Enter: its threads.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = memory_create,
	LIST_PANEL,
	.reads = memory_reads,
};
