/* Control groups: services, containers, pods; who is stopped by its CPU limit, who is near its memory limit. Enter: its
 * processes. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings.h"
#include "list_panel.h"
#include "panels.h"
#include "units.h"

/* Beyond these a limit hurts (awesome-prometheus-alerts). */
enum { HEX_SHOWN = 12, HEX_ID = 32 };

static const double throttled_pct = 25, memory_pct = 90, io_pct = 80, pids_pct = 90;

/* A percentage of one CPU as CPUs: "2.00". */
static void cpus_cell(struct rows *r, size_t row, const char *column, struct list_cell *cell)
{
	struct value v;
	double n;

	rows_value(r, row, column, &v);
	if (!value_number(&v, &n)) {
		rows_cell_value(&v, cell);
		return;
	}
	cell->own = true;
	snprintf(cell->text, sizeof(cell->text), n < 10000 ? "%.2f" : "%.0f", n / 100);
	cell->len = (uint16_t)strlen(cell->text);
}

static void used_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	cpus_cell(r, row, "cpu", cell);
}

static void limit_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	cpus_cell(r, row, "cpu_limit", cell);
}

static void stopped_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	rows_percent_cell(r, row, "throttled_pct", throttled_pct, cell);
}

/* Of its two limits it meets the lower one first: it is slowed down above memory.high, and killed in at memory.max. */
static bool high_is_first(struct rows *r, size_t row)
{
	double max = rows_number(r, row, "memory_max", NAN);

	return rows_number(r, row, "memory_high", NAN) < (isnan(max) ? INFINITY : max);
}

static const char *memory_share(struct rows *r, size_t row)
{
	return high_is_first(r, row) ? "memory_high_pct" : "memory_pct";
}

static void memory_share_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	rows_percent_cell(r, row, memory_share(r, row), memory_pct, cell);
}

static void memory_limit_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct value v;

	rows_value(r, row, high_is_first(r, row) ? "memory_high" : "memory_max", &v);
	rows_cell_value(&v, cell);
}

/* What people call it; else the path, with long hexadecimal names (ids of containers) cut to the twelve digits that people
 * use. */
static void path_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	char path[LENS_CGROUP_MAX];
	size_t n = 0, run = 0;

	rows_text(r, row, "name", path, sizeof(path));
	if (*path) {
		list_cell_text(cell, path, strlen(path));
		return;
	}
	rows_text(r, row, "path", path, sizeof(path));
	for (const char *p = path; *p; p++) {
		run = isxdigit((unsigned char)*p) ? run + 1 : 0;
		if (run > HEX_SHOWN && run + strspn(p, "0123456789abcdefABCDEF") > HEX_ID)
			continue;
		path[n++] = *p;
	}
	n = n < sizeof(cell->text) ? n : sizeof(cell->text);
	memcpy(cell->text, path, n);
	cell->len = (uint16_t)n;
}

static const struct rows_column columns[] = {
	{.column = "path", .title = "pod / container / service", .min = 20, .max = 120, .weight = 4, .cut_left = true, .cell = path_cell},
	{.column = "cpu", .title = "cpus", .min = 5, .max = 5, .right = true, .cell = used_cell},
	{.column = "cpu_limit", .title = "limit", .min = 5, .max = 5, .right = true, .cell = limit_cell},
	{.column = "throttled_pct", .title = "stopped", .min = 7, .max = 7, .right = true, .cell = stopped_cell},
	{.column = "memory_current", .title = "memory", .min = 6, .max = 6},
	{.column = "memory_max", .title = "limit", .min = 6, .max = 6, .right = true, .cell = memory_limit_cell, .priority = 2},
	{.column = "memory_pct", .title = "full", .min = 5, .max = 5, .right = true, .cell = memory_share_cell, .priority = 1},
	{.column = "oom_kills", .title = "oom", .min = 4, .max = 4, .priority = 1},
	{.column = "pids_current", .title = "thr", .min = 5, .max = 5, .priority = 3},
	{.column = "read_rate", .title = "read", .min = 7, .max = 7, .priority = 5},
	{.column = "write_rate", .title = "write", .min = 7, .max = 7, .priority = 5},
	{.column = "memory_growth", .title = "grew", .min = 7, .max = 7, .priority = 6},
};

/* "shop/checkout/app": what people call it, else the end of its path; sanitised. */
static void short_name(struct rows *r, size_t row, char *out, size_t cap)
{
	char path[LENS_CGROUP_MAX];
	const char *last;

	rows_text(r, row, "name", path, sizeof(path));
	if (!path[0])
		rows_text(r, row, "path", path, sizeof(path));
	last = path[0] == '/' ? strrchr(path, '/') : NULL;
	last = last && last[1] ? last + 1 : path;
	text_sanitise(out, cap, last, strlen(last), TEXT_UTF8);
}

/* Who it is that a limit hurts most: in a long list they may stand anywhere. "worst: shop/checkout/app stopped 91.0%" */
static void say_worst(struct list_state *s, size_t stopped, size_t full, size_t io, size_t pids)
{
	char line[LIST_PANEL_LINE_MAX] = "", name[96], share[16];
	size_t n = query_nrows(s->rows.query);

	if (stopped < n) {
		short_name(&s->rows, stopped, name, sizeof(name));
		list_panel_append(line, sizeof(line), "%.40s stopped %s", name,
				  rows_percent(share, sizeof(share), rows_number(&s->rows, stopped, "throttled_pct", 0)));
	}
	if (full < n) {
		short_name(&s->rows, full, name, sizeof(name));
		list_panel_append(line, sizeof(line), "%s%.40s %s full", line[0] ? ", " : "", name,
				  rows_percent(share, sizeof(share), rows_number(&s->rows, full, memory_share(&s->rows, full), 0)));
	}
	if (io < n) {
		const char *column;

		short_name(&s->rows, io, name, sizeof(name));
		list_panel_append(line, sizeof(line), "%s%.40s %s of its io.max", line[0] ? ", " : "", name,
				  rows_percent(share, sizeof(share), findings_io_of_limit(s->rows.query, io, &column)));
	}
	if (pids < n) {
		short_name(&s->rows, pids, name, sizeof(name));
		list_panel_append(line, sizeof(line), "%s%.40s %s of its pids.max", line[0] ? ", " : "", name,
				  rows_percent(share, sizeof(share), rows_number(&s->rows, pids, "pids_pct", 0)));
	}
	if (line[0])
		list_panel_say(&s->head, ROLE_WARN, "worst: %s", line);
}

/* "3 of 40 CPU limits hit in 25%+ of periods; 1 near memory limits; 2 oom-killed" */
static int cgroups_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			  struct culprit_error *error)
{
	struct list_state *s = self;
	size_t n = query_nrows(s->rows.query), limited = 0, stopped = 0, full = 0;
	double kills = 0, most_stopped = 0, fullest = 0, share;
	size_t worst_stopped = n, worst_full = n, worst_io = n, worst_pids = n;
	double most_io = io_pct, most_pids = pids_pct;
	const char *column;
	char head[96], tail[96] = "";

	(void)view, (void)lens, (void)time, (void)error;
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		double k = rows_number(&s->rows, i, "oom_kills", 0);

		limited += !isnan(rows_number(&s->rows, i, "cpu_limit", NAN));
		if (rows_number(&s->rows, i, "throttled_pct", 0) >= throttled_pct) {
			stopped++;
			if (rows_number(&s->rows, i, "throttled_rate", 0) > most_stopped) {
				most_stopped = rows_number(&s->rows, i, "throttled_rate", 0);
				worst_stopped = i;
			}
		}
		share = rows_number(&s->rows, i, memory_share(&s->rows, i), 0);
		full += share >= memory_pct;
		if (share >= memory_pct && share > fullest) {
			fullest = share;
			worst_full = i;
		}
		share = findings_io_of_limit(s->rows.query, i, &column);
		if (share >= most_io) {
			most_io = share;
			worst_io = i;
		}
		share = rows_number(&s->rows, i, "pids_pct", 0);
		if (share >= most_pids) {
			most_pids = share;
			worst_pids = i;
		}
		/* A group counts what happened below it too. */
		kills = k > kills ? k : kills;
	}
	if (kills > 0)
		snprintf(tail, sizeof(tail), "; %.0f oom-killed", kills);
	if (limited)
		snprintf(head, sizeof(head), "%zu of %zu CPU limits hit in %.0f%%+ of periods", stopped, limited,
			 throttled_pct);
	else
		snprintf(head, sizeof(head), "no CPU limits");
	list_panel_say(&s->head, stopped || full || kills > 0 ? ROLE_WARN : ROLE_TEXT, "%s; %zu near memory limits%s", head, full,
		       tail);
	say_worst(s, worst_stopped, worst_full, worst_io, worst_pids);
	return 0;
}

/* Of the selected one, what the columns have no room for. */
static void cgroups_detail(void *self, struct view *view, const struct lens *lens, const struct panel_time *time, size_t row)
{
	struct list_state *s = self;
	double rate = rows_number(&s->rows, row, "throttled_rate", NAN), of = rows_number(&s->rows, row, "cpu_of_limit", NAN),
	       refaults = rows_number(&s->rows, row, "refaults", NAN), high = rows_number(&s->rows, row, "memory_high_events", NAN);
	char path[LIST_PANEL_LINE_MAX / 2], shown[LIST_PANEL_LINE_MAX], line[LIST_PANEL_LINE_MAX] = "", a[32], b[32], c[32];
	bool limited = !isnan(rows_number(&s->rows, row, "cpu_limit", NAN));
	const char *column;
	double io = findings_io_of_limit(s->rows.query, row, &column);

	(void)view, (void)lens, (void)time;
	rows_text(&s->rows, row, "path", path, sizeof(path));
	text_sanitise(shown, sizeof(shown), path, strlen(path), TEXT_UTF8);
	list_panel_say(&s->detail, ROLE_STRONG, "%s", shown);
	/* What happens below is counted above, too: it is said only where the limit is. */
	if (isnan(rows_number(&s->rows, row, "memory_high", NAN)))
		high = 0;
	if (limited)
		list_panel_append(line, sizeof(line), "used %s of its CPU limit; its CPUs stood stopped %s (added up)",
				  isnan(of) ? "-" : rows_percent(a, sizeof(a), of), units_format_short(b, sizeof(b), rate, CULPRIT_NS_PER_S));
	else
		list_panel_append(line, sizeof(line), "no CPU limit of its own");
	if (high > 0)
		list_panel_append(line, sizeof(line), "; slowed down %s times above memory.high", units_format_short(c, sizeof(c), high, CULPRIT_COUNT));
	else if (refaults > 0 || limited)
		list_panel_append(line, sizeof(line), "; refaults %s", isnan(refaults) ? "-" : units_format_short(c, sizeof(c), refaults, CULPRIT_COUNT));
	if (io > 0)
		list_panel_append(line, sizeof(line), "; does %s of what io.max lets it", rows_percent(a, sizeof(a), io));
	list_panel_say(&s->detail, high > 0 || io >= io_pct ? ROLE_WARN : limited || refaults > 0 || io > 0 ? ROLE_TEXT : ROLE_MUTED, "%s", line);
}

static enum panel_result cgroups_deeper(void *self, struct panel_request *want)
{
	struct list_state *s = self;
	ssize_t row = rows_selected(&s->rows);
	char path[LENS_CGROUP_MAX], name[PANEL_LABEL_MAX];
	const char *last;

	if (row < 0)
		return PANEL_IGNORED;
	rows_text(&s->rows, (size_t)row, "path", path, sizeof(path));
	last = strrchr(path, '/');
	rows_text(&s->rows, (size_t)row, "name", name, sizeof(name));
	want->want = WANT_DEEPER;
	want->panel = "processes";
	lens_scope_cgroup(&want->lens, path, strlen(path));
	want->lens.filter[0] = '\0';
	snprintf(want->label, sizeof(want->label), "%s", *name ? name : last && last[1] ? last + 1 : path);
	return PANEL_UPDATE;
}

static const struct list_panel list = {
	.table = "cgroup",
	.columns = columns,
	.ncolumns = sizeof(columns) / sizeof(columns[0]),
	.sort = "cpu",
	.size = sizeof(struct list_state),
	.update = cgroups_update,
	.detail = cgroups_detail,
	.deeper = cgroups_deeper,
};

static void *cgroups_create(void)
{
	return list_panel_create(&list);
}

static const struct binding keys[] = {ROWS_BINDINGS, ROWS_CHOOSE_BINDINGS};

const struct panel cgroups_panel = {
	.name = "cgroups",
	.title = "Cgrp",
	.key = '8',
	.help = "Control groups: what services, containers and pods use and may use; pods and containers by name, out of files alone. cpus: CPUs it kept busy, and its limit; "
		"stopped: share of the limit's periods in which the limit stopped its threads: they look runnable and are not. "
		"memory: with page cache; limit, full: of memory.max, or of memory.high where that is lower (above it tasks are slowed down); oom: processes killed in the window. A group counts what "
		"is below it. Enter: its processes.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = cgroups_create,
	LIST_PANEL,
};
