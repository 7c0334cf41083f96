/* Latency: any histogram over time, as a heatmap; who is in a part of it; the part as the lens. What it asks is in
 * latency_ask.c. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialog.h"
#include "error.h"
#include "latency.h"
#include "panels.h"
#include "units.h"

#define SECOND 1000000000LL

enum {
	LATENCY_BOX = ACTION_PANEL,
	LATENCY_OTHER,
	LATENCY_MENU,
	LATENCY_WHOSE,
	LATENCY_ROW_NEXT,
	LATENCY_ROW_PREVIOUS,
	LATENCY_VIEW,
	LATENCY_VALUE,
};

enum { LIST_LINES = 8, LIST_FROM = 34, WIDE_LABEL = 14 };

static void *latency_create(void)
{
	struct latency *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sum = calloc(SCHEMA_SLOTS_MAX, sizeof(uint64_t));
	p->sum_before = calloc(SCHEMA_SLOTS_MAX, sizeof(uint64_t));
	if (!p->sum || !p->sum_before) {
		free(p->sum);
		free(p->sum_before);
		free(p);
		return NULL;
	}
	hist_series_init(&p->series);
	list_init(&p->list);
	p->columns = 71;
	p->lines = 14;
	return p;
}

static void latency_destroy(void *self)
{
	struct latency *p = self;

	if (!p)
		return;
	query_destroy(p->query);
	query_destroy(p->slow);
	hist_series_finish(&p->series);
	free(p->sum);
	free(p->sum_before);
	free(p->keys);
	free(p->seconds);
	free(p->levels);
	free(p->column_states);
	free(p->entries);
	free(p);
}

/* --- what there is room for --- */

struct places {
	int title, legend, stats, status; /* y; -1: not shown */
	struct rect map, list;
	int label_w;
	int room; /* lines there are for the map */
};

static struct places lay_out(const struct latency *p, struct rect r)
{
	struct places l = {-1, -1, -1, -1, r, {0, 0, 0, 0}, HEAT_LABEL, 0};
	int top = r.y, bottom = r.y + r.h;

	if (r.h >= 3)
		l.title = top++;
	if (r.h >= 10)
		l.legend = top++;
	if (r.h >= LIST_FROM) {
		bottom -= LIST_LINES;
		l.list = (struct rect){r.x, bottom, r.w, LIST_LINES};
	}
	if (r.h >= 6)
		l.status = --bottom;
	if (r.h >= 2)
		l.stats = --bottom;
	/* Less than this shows nothing. */
	if (bottom - top < 2)
		bottom = top;
	l.map = (struct rect){r.x, top, r.w, bottom - top};
	l.room = l.map.h > 1 ? l.map.h - 1 : 0;
	/* Few lines stand on top, not at the bottom of nothing. */
	if (p->nlines && p->nlines < l.room)
		l.map.h = p->nlines + 1;
	if (p->mode == LATENCY_STRIPS && r.w >= 60)
		l.label_w = WIDE_LABEL;
	return l;
}

static bool take_room(struct latency *p, struct rect r)
{
	struct places l = lay_out(p, r);
	int columns = heat_grid_columns(r.w, l.label_w), lines = l.room;

	columns = columns > COLUMNS_MOST ? COLUMNS_MOST : columns;
	if (columns == p->columns && lines == p->lines && p->list_below == (l.list.h > 0))
		return false;
	p->columns = columns;
	p->lines = lines;
	p->list_below = l.list.h > 0;
	return true;
}

static int latency_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			  struct culprit_error *error)
{
	struct latency *p = self;

	if (p->view != view) {
		query_destroy(p->query);
		query_destroy(p->slow);
		p->query = p->slow = NULL;
		p->view = view;
	}
	/* A lens on a part of another histogram: that is what one wants to see. */
	if (lens->has_range && !lens_equal(lens, &p->lens) &&
	    (strcmp(lens->range_table, p->table) != 0 || strcmp(lens->range_column, p->column) != 0))
		latency_show(p, lens->range_table, lens->range_column);
	p->lens = *lens;
	p->time = *time;
	p->asked = true;
	if (!view)
		return 0;
	if (p->choosing)
		return p->err = latency_choose_update(p, error);
	if ((!p->table[0] || !view_table(view, p->table)) && p->mode != LATENCY_SECONDS) {
		if (!p->query && !(p->query = query_create(view)))
			return error_set(error, -ENOMEM, "out of memory");
		p->table[0] = '\0';
		latency_first(p);
	}
	if (!p->table[0] && p->mode != LATENCY_SECONDS)
		return 0;
	return p->err = latency_ask(p, error);
}

/* --- what it says --- */

/* "48,211" */
static char *count_text(char *out, size_t cap, uint64_t n)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), at = 0;

	for (size_t i = 0; i < len && at + 2 < cap; i++) {
		if (i && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

/* "16.8ms-268ms", ">= 16.8ms", "< 268ms", "all". */
static void range_text(double lo, double hi, unsigned unit, char *out, size_t cap)
{
	char a[32], b[32];
	bool low = isfinite(lo) && lo > 0, high = isfinite(hi);

	units_format_short(a, sizeof(a), lo, unit);
	units_format_short(b, sizeof(b), hi, unit);
	if (low && high)
		snprintf(out, cap, "%s-%s", a, b);
	else if (low)
		snprintf(out, cap, ">=%s", a);
	else if (high)
		snprintf(out, cap, "<%s", b);
	else
		snprintf(out, cap, "all");
}

static void clock_text(const struct latency *p, uint64_t ns, char *out, size_t cap)
{
	int64_t wall = (int64_t)(ns + (uint64_t)p->wall_offset_ns) + p->time.zone_offset_s * SECOND;

	/* Edges lie within a hair of round times. */
	if (p->step_ns >= (uint64_t)SECOND)
		wall += SECOND / 2;
	chart_clock_format(wall, true, out, cap);
}

static bool seen_in_part(const struct latency *p)
{
	return p->lens.has_range && !strcmp(p->lens.range_table, p->table) && !strcmp(p->lens.range_column, p->column);
}

static void draw_title(const struct latency *p, struct surface *s, struct rect r, int y)
{
	char right[128], column[32], text[LENS_NAME_MAX * 2 + 32];
	struct chart_time t = {.step_ns = (int64_t)p->step_ns};
	int used = 1, right_w;

	chart_time_format(&t, column, sizeof(column));
	if (p->mode == LATENCY_SECONDS)
		snprintf(right, sizeof(right), "1 col = 1s, 1 line = %ums", p->part_ms);
	else if (seen_in_part(p)) {
		char range[80];

		range_text(p->lens.range_lo, p->lens.range_hi, p->unit, range, sizeof(range));
		snprintf(right, sizeof(right), "only %.60s  %s", range, column);
	} else {
		snprintf(right, sizeof(right), "%s", column);
	}
	right_w = (int)strlen(right);
	if (p->mode == LATENCY_SECONDS) {
		surface_put(s, r.x + 1, y, r.w - 1, ROLE_STRONG, 0, p->events, strlen(p->events));
	} else {
		used += surface_put(s, r.x + used, y, r.w - used, ROLE_STRONG, 0, p->table, strlen(p->table));
		snprintf(text, sizeof(text), " ");
		if (p->mode == LATENCY_MAP && p->one_row)
			used += 1 + surface_put(s, r.x + used + 1, y, r.w - used - 1, ROLE_STRONG, 0, p->row, strlen(p->row));
		else if (p->mode == LATENCY_MAP)
			used += surface_say(s, r.x + used, y, r.w - used, ROLE_STRONG, p->nrows == 1 ? "" : " (all rows)");
		snprintf(text, sizeof(text), ": %s%s", p->column,
			 p->mode == LATENCY_STRIPS ? (p->by_max ? ", maximum by row" : ", p99 by row") : "");
		used += surface_put(s, r.x + used, y, r.w - used, ROLE_STRONG, 0, text, strlen(text));
	}
	if (r.w - used > right_w + 2)
		surface_say(s, r.x + r.w - right_w - 1, y, right_w, ROLE_MUTED, right);
}

static void draw_legend(const struct latency *p, struct surface *s, struct rect r, int y)
{
	int used = 1;

	if (!p->nlines)
		return;
	if (p->mode == LATENCY_STRIPS) {
		heat_legend(&p->scale, p->unit, p->by_max ? "maximum of a cell" : "p99 of a cell", s, r.x + 1, y, r.w - 1);
		return;
	}
	used += heat_legend(&p->scale, CULPRIT_COUNT, p->before_ns && p->mode == LATENCY_MAP ? "more a cell" : "a cell", s, r.x + 1,
			    y, r.w - 1);
	if (p->before_ns && p->mode == LATENCY_MAP && r.w - used >= 18) {
		heat_shade(s, r.x + used + 1, y, HEAT_SAME);
		used += 3 + surface_say(s, r.x + used + 3, y, r.w - used - 3, ROLE_TEXT, "as before ");
		heat_shade(s, r.x + used, y, HEAT_LESS);
		used += 2 + surface_say(s, r.x + used + 2, y, r.w - used - 2, ROLE_TEXT, "less");
	}
	if (p->mode == LATENCY_MAP && r.w - used >= 8) {
		surface_char(s, r.x + used + 2, y, ROLE_MARK, 'P');
		surface_say(s, r.x + used + 4, y, 4, ROLE_TEXT, "p99");
	}
}

static int say_number(struct surface *s, int x, int y, int w, const char *word, double value, const char *before,
		      unsigned unit, enum role role)
{
	char text[32];
	int used = surface_say(s, x, y, w, ROLE_MUTED, word);

	used += surface_say(s, x + used, y, w - used, role, before);
	return used + surface_say(s, x + used, y, w - used, role, units_format_short(text, sizeof(text), value, unit));
}

/* "win 60s: n 48,211  p50 1.20ms  p90 4.00ms  p99 84.2ms  max <268ms   before: p99 3.00ms n 61,870" */
static void draw_stats(const struct latency *p, struct surface *s, struct rect r, int y)
{
	const struct histogram_stats *now = &p->stats, *was = &p->stats_before;
	char length[32], n[32];
	uint64_t from, to;
	int used = 1, w = r.w;
	bool differ = p->before_ns && p->mode == LATENCY_MAP;
	/* Where there is little room the comparison is what counts. */
	bool all = w >= 50 && (!differ || w >= 110);

	lens_resolve(&p->lens, p->time.newest_ns, &from, &to);
	units_duration(length, sizeof(length), to - from);
	if (w >= 60)
		used += surface_sayf(s, r.x + used, y, w - used, ROLE_MUTED, "in %s: ", length);
	used += surface_sayf(s, r.x + used, y, w - used, ROLE_STRONG, "n %s", count_text(n, sizeof(n), now->n));
	if (!now->n || p->mode == LATENCY_SECONDS)
		return;
	if (!differ || all)
		used += say_number(s, r.x + used, y, w - used, w >= 60 ? "  p50 " : " p50 ", now->p50, "", p->unit, ROLE_TEXT);
	if (all)
		used += say_number(s, r.x + used, y, w - used, "  p90 ", now->p90, "", p->unit, ROLE_TEXT);
	used += say_number(s, r.x + used, y, w - used, w >= 60 ? "  p99 " : " p99 ", now->p99, "", p->unit, ROLE_STRONG);
	used += say_number(s, r.x + used, y, w - used, w >= 60 ? "  max " : " max ", now->max, now->max_open ? ">=" : "<", p->unit,
			   ROLE_TEXT);
	if (!differ || w - used < 16)
		return;
	used += surface_sayf(s, r.x + used, y, w - used, ROLE_MUTED, "  before, in %s: ",
			     units_duration(length, sizeof(length), p->before_ns));
	used += surface_sayf(s, r.x + used, y, w - used, ROLE_TEXT, "n %s", count_text(n, sizeof(n), was->n));
	if (was->n)
		say_number(s, r.x + used, y, w - used, " p99 ", was->p99, "", p->unit, ROLE_STRONG);
}

/* "restic 9911 71%, mysqld 27% of 300 named" or "not attributed". */
static void say_who(const struct latency *p, struct surface *s, int x, int y, int w)
{
	const struct latency_who *who = &p->who;
	char n[32], tail[48];
	int used = 0, tail_w;

	if (!p->box_n)
		return;
	if (!who->named) {
		surface_say(s, x, y, w, ROLE_MUTED, "not attributed");
		return;
	}
	/* Shares are of those whose names are known: how many that are always has its room. */
	snprintf(tail, sizeof(tail), " of %s named", count_text(n, sizeof(n), who->named));
	tail_w = p->mode == LATENCY_SECONDS || w < 40 ? 0 : (int)strlen(tail);
	for (size_t i = 0; i < who->ngroups; i++) {
		int share = (int)((double)who->groups[i].n * 100 / (double)who->named + 0.5);
		int need = (int)text_width(who->groups[i].name, strlen(who->groups[i].name), surface_form(s)) + 6;

		if (i && used + 2 + need > w - tail_w)
			break;
		if (i)
			used += surface_say(s, x + used, y, w - used, ROLE_TEXT, ", ");
		used += surface_put(s, x + used, y, w - used, ROLE_TEXT, 0, who->groups[i].name, strlen(who->groups[i].name));
		used += surface_sayf(s, x + used, y, w - used, ROLE_TEXT, " %d%%", share);
	}
	if (tail_w)
		surface_say(s, x + used, y, w - used, ROLE_MUTED, tail);
}

static void draw_box_line(const struct latency *p, const struct latency_box *b, struct surface *s, struct rect r, int y)
{
	char from_text[16], to_text[16], range[80] = "", n[32];
	uint64_t from, to;
	double lo, hi;
	int used = 1;

	latency_box_edges(p, b, &from, &to, &lo, &hi);
	clock_text(p, from, from_text, sizeof(from_text));
	clock_text(p, to, to_text, sizeof(to_text));
	if (p->mode == LATENCY_MAP)
		range_text(lo, hi, p->unit, range, sizeof(range));
	else if (p->mode == LATENCY_SECONDS)
		snprintf(range, sizeof(range), ".%03u-.%03u", (unsigned)b->low * p->part_ms, (unsigned)(b->high + 1) * p->part_ms);
	else if (b->low == b->high)
		snprintf(range, sizeof(range), "%.70s", p->strips[p->nstrips - 1 - (size_t)b->low].name);
	else
		snprintf(range, sizeof(range), "%d rows", b->high - b->low + 1);
	used += surface_say(s, r.x + used, y, r.w - used, ROLE_MUTED, p->boxed && r.w >= 100 ? "selected " : "");
	used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_STRONG, "%s-%s ", from_text, r.w >= 60 ? to_text : to_text + 6);
	used += surface_put(s, r.x + used, y, r.w - used, ROLE_STRONG, 0, range, strlen(range));
	used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_TEXT, ": %s ", count_text(n, sizeof(n), p->box_n));
	if (p->mode == LATENCY_STRIPS && b->left == b->right && b->low == b->high) {
		const struct histogram_stats *st =
			&p->series.stats[(p->nstrips - 1 - (size_t)b->low) * (size_t)p->ncolumns + (size_t)b->left];

		if (st->n)
			used += say_number(s, r.x + used, y, r.w - used, p->by_max ? "max " : "p99 ", p->by_max ? st->max : st->p99, "",
					   p->unit, ROLE_TEXT);
		return;
	}
	say_who(p, s, r.x + used, y, r.w - used);
}

/* What is missing of it, if anything. */
static void draw_remarks(const struct latency *p, struct surface *s, struct rect r, int y)
{
	uint64_t from, to, not_sampled = 0;
	char text[32], of[32];
	int used = 1;

	lens_resolve(&p->lens, p->time.newest_ns, &from, &to);
	for (int i = 0; i < p->ncolumns && p->nlines; i++) {
		uint64_t middle = p->from_ns + (uint64_t)i * p->step_ns + p->step_ns / 2;

		if (middle > from && middle <= to && middle > p->time.first_ns && p->column_states[i] != HEAT_COLUMN_KNOWN)
			not_sampled += p->step_ns;
	}
	if (p->reason[0])
		used += surface_put(s, r.x + used, y, r.w - used, ROLE_UNREAD, 0, p->reason, strlen(p->reason)) + 2;
	if (p->lens.has_baseline && !p->before_ns && p->mode == LATENCY_MAP)
		used += surface_say(s, r.x + used, y, r.w - used, ROLE_WARN, "the baseline has nothing to compare with  ");
	if (not_sampled)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_WARN, "%s of it without a sample  ",
				     units_duration(text, sizeof(text), not_sampled));
	if (p->nleft_out)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_WARN, "%s rows left out  ",
				     count_text(text, sizeof(text), p->nleft_out));
	if (p->lost)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_WARN, "%s lost  ", count_text(text, sizeof(text), p->lost));
	if (p->who.table[0] && p->who.named && used < r.w - 30)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_MUTED, "%s known by name in %s  ",
				     count_text(of, sizeof(of), p->who.named + p->who.left_out), p->who.table);
	if (used == 1 && p->nlines)
		surface_say(s, r.x + 1, y, r.w - 1, ROLE_MUTED,
			    r.w >= 60 ? "arrows point at a cell, v begins a rectangle there, Enter looks at it" : "arrows, v box, Enter");
}

static void draw_slowest(const struct latency *p, struct surface *s, struct rect r)
{
	const struct latency_who *who = &p->who;

	surface_hline(s, r.x, r.y, r.w, ROLE_RULE);
	if (!who->table[0]) {
		surface_say(s, r.x + 1, r.y, r.w - 2, ROLE_MUTED, "not attributed: no table says who was slow");
		return;
	}
	if (who->left_out)
		surface_sayf(s, r.x + 1, r.y, r.w - 2, ROLE_STRONG, "the slowest of the newest %d in the window", WHO_NEWEST);
	else
		surface_sayf(s, r.x + 1, r.y, r.w - 2, ROLE_STRONG, "the slowest in %s", p->pointing ? "the rectangle" : "the window");
	if (!who->nslowest)
		surface_sayf(s, r.x + 1, r.y + 1, r.w - 2, ROLE_MUTED, "none in %s", who->table);
	for (size_t i = 0; i < who->nslowest && (int)i + 1 < r.h; i++) {
		char clock[16], value[32];
		int y = r.y + 1 + (int)i, used = 1;
		int64_t wall = (int64_t)(who->slowest[i].at_ns + (uint64_t)p->wall_offset_ns) + p->time.zone_offset_s * SECOND;

		chart_clock_format(wall, true, clock, sizeof(clock));
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_TEXT, "%s.%03d  ", clock,
				     (int)((wall % SECOND + SECOND) % SECOND / 1000000));
		surface_say_right(s, r.x + used, y, 8, ROLE_STRONG,
				  units_format_short(value, sizeof(value), who->slowest[i].value,
						     p->mode == LATENCY_SECONDS ? CULPRIT_NS : p->unit));
		used += 10;
		used += surface_put(s, r.x + used, y, 28, ROLE_TEXT, PUT_FILL, who->slowest[i].name, strlen(who->slowest[i].name)) + 2;
		surface_put(s, r.x + used, y, r.w - used, ROLE_MUTED, 0, who->slowest[i].detail, strlen(who->slowest[i].detail));
	}
}

/* --- the map --- */

static void map_label(const void *self, int line, char *out, size_t cap)
{
	const struct latency *p = self;
	uint32_t first, end;
	double lo, hi;
	char text[32];

	if (p->mode == LATENCY_STRIPS) {
		snprintf(out, cap, "%s", p->strips[p->nstrips - 1 - (size_t)line].name);
		return;
	}
	if (p->mode == LATENCY_SECONDS) {
		snprintf(out, cap, ".%03u", (unsigned)line * p->part_ms);
		return;
	}
	heat_rows_slots(&p->rows, line, line, &first, &end);
	heat_rows_values(&p->series.bounds, first, end, &lo, &hi);
	if (isfinite(hi))
		snprintf(out, cap, "<%s", units_format_short(text, sizeof(text), hi, p->unit));
	else
		snprintf(out, cap, ">=%s", units_format_short(text, sizeof(text), lo, p->unit));
}

static struct heat_grid grid_of(const struct latency *p, const struct places *l)
{
	struct heat_grid g = {.lines = p->nlines,
			      .levels = p->levels,
			      .columns = p->column_states,
			      .label_w = l->label_w,
			      .label = map_label,
			      .label_self = p,
			      .window_from = 1,
			      .window_to = 0,
			      .dim_below = 0,
			      .dim_above = p->nlines - 1};
	/* Before anything was found there is no step yet. */
	int64_t from = (int64_t)p->from_ns + p->wall_offset_ns, step = p->step_ns ? (int64_t)p->step_ns : SECOND, rest;
	struct latency_box b;
	uint64_t begin, end;

	from += step / 2;
	rest = from % step;
	g.time = (struct chart_time){.from_ns = from - (rest < 0 ? rest + step : rest) + p->time.zone_offset_s * SECOND,
				     .step_ns = step,
				     .columns = p->ncolumns};
	lens_resolve(&p->lens, p->time.newest_ns, &begin, &end);
	for (int i = 0; i < p->ncolumns; i++) {
		uint64_t middle = p->from_ns + (uint64_t)i * p->step_ns + p->step_ns / 2;

		if (middle <= begin || middle > end)
			continue;
		g.window_from = g.window_from > g.window_to ? i : g.window_from;
		g.window_to = i;
	}
	if (latency_box(p, &b)) {
		g.box = true;
		g.box_left = b.left;
		g.box_right = b.right;
		g.box_low = b.low;
		g.box_high = b.high;
	}
	for (int line = 0; p->mode == LATENCY_MAP && seen_in_part(p) && line < p->nlines; line++) {
		uint32_t first, last;
		double lo, hi;

		heat_rows_slots(&p->rows, line, line, &first, &last);
		heat_rows_values(&p->series.bounds, first, last, &lo, &hi);
		if (hi <= p->lens.range_lo)
			g.dim_below = line + 1;
		if (lo >= p->lens.range_hi && line <= g.dim_above)
			g.dim_above = line - 1;
	}
	return g;
}

static int draw_wrapped(struct surface *s, struct rect r, enum role role, const char *text)
{
	size_t next;
	int lines = 0;

	for (const char *at = text; *at && lines < r.h; at += next, lines++) {
		size_t n = dialog_wrap(at, r.w > 8 ? r.w : 8, &next);

		surface_put(s, r.x, r.y + lines, r.w, role, 0, at, n);
	}
	return lines;
}

static void draw_nothing(struct surface *s, struct rect r)
{
	draw_wrapped(s, (struct rect){r.x + 1, r.y + (r.h > 4 ? 1 : 0), r.w - 2, r.h}, ROLE_MUTED,
		     "No table here has a histogram: run queue and disk latency are measured by programs in the kernel, which need "
		     "root or CAP_BPF and CAP_PERFMON, and no --safe. `culprit collectors` says what is missing.");
}

static void latency_draw(void *self, struct surface *s, struct rect r)
{
	struct latency *p = self;
	struct places l;
	struct heat_grid g;

	if (p->choosing) {
		list_draw(&p->list, &p->source, s, r);
		return;
	}
	/* How many columns there are is known only now. */
	if (take_room(p, r) && p->asked && p->view && (p->table[0] || p->mode == LATENCY_SECONDS))
		p->err = latency_ask(p, NULL);
	if (!p->table[0] && p->mode != LATENCY_SECONDS) {
		draw_nothing(s, r);
		return;
	}
	if (p->err && p->err != -EBADMSG)
		return; /* the console says why */
	l = lay_out(p, r);
	if (l.title >= 0)
		draw_title(p, s, r, l.title);
	if (p->missing && p->reason[0] && !p->stats.n) {
		draw_wrapped(s, (struct rect){r.x + 1, l.map.y + 1, r.w - 2, l.map.h}, ROLE_UNREAD, p->reason);
		return;
	}
	if (l.legend >= 0)
		draw_legend(p, s, r, l.legend);
	g = grid_of(p, &l);
	if (l.map.h >= 2 && p->nlines)
		heat_grid_draw(&g, s, l.map);
	else if (l.map.h >= 2)
		surface_say(s, r.x + 1, l.map.y + 1, r.w - 2, ROLE_MUTED,
			    p->mode == LATENCY_STRIPS ? "no rows in this window" : "not recorded here");
	if (l.stats >= 0)
		draw_stats(p, s, r, l.stats);
	if (l.status >= 0) {
		struct latency_box b;

		if (latency_box(p, &b))
			draw_box_line(p, &b, s, r, l.status);
		else
			draw_remarks(p, s, r, l.status);
	}
	if (l.list.h)
		draw_slowest(p, s, l.list);
}

/* --- keys --- */

/* The last column that time has reached: behind it is the margin. */
static int last_column(const struct latency *p)
{
	uint64_t after = p->time.newest_ns > p->from_ns ? p->time.newest_ns - p->from_ns : 0;
	uint64_t column = p->step_ns && after ? (after - 1) / p->step_ns : 0;

	return column >= (uint64_t)p->ncolumns ? p->ncolumns - 1 : (int)column;
}

static void settle(struct latency *p)
{
	if (p->stale && p->asked && p->view && (p->table[0] || p->mode == LATENCY_SECONDS))
		p->err = latency_ask(p, NULL);
}

/* Where pointing begins: the newest column that counted something, at its p99. */
static void point(struct latency *p)
{
	int column = last_column(p), line = 0;

	for (int i = p->ncolumns - 1; i >= 0 && p->nlines; i--) {
		bool found = false;

		for (int k = p->nlines - 1; k >= 0 && !found; k--) {
			int level = p->levels[k * p->ncolumns + i];

			found = p->mode == LATENCY_MAP ? level >= HEAT_MARK : level > 0;
			if (found)
				line = k;
		}
		if (found) {
			column = i;
			break;
		}
	}
	p->corner = latency_corner_at(p, column, line);
	p->pointing = true;
}

static enum panel_result move(struct latency *p, int action)
{
	int column, line, page = p->nlines / 2 > 1 ? p->nlines / 2 : 1;

	if (p->nlines < 1)
		return PANEL_IGNORED;
	if (!p->pointing) {
		point(p);
		return PANEL_UPDATE;
	}
	latency_corner_place(p, &p->corner, &column, &line);
	switch (action) {
	case ACTION_UP:
		line++;
		break;
	case ACTION_DOWN:
		line--;
		break;
	case ACTION_LEFT:
		column--;
		break;
	case ACTION_RIGHT:
		column++;
		break;
	case ACTION_PAGE_UP:
		line += page;
		break;
	case ACTION_PAGE_DOWN:
		line -= page;
		break;
	case ACTION_FIRST:
		column = 0;
		break;
	case ACTION_LAST:
		column = last_column(p);
		break;
	default:
		return PANEL_IGNORED;
	}
	column = column < 0 ? 0 : column > last_column(p) ? last_column(p) : column;
	line = line < 0 ? 0 : line >= p->nlines ? p->nlines - 1 : line;
	p->corner = latency_corner_at(p, column, line);
	return PANEL_UPDATE;
}

static enum panel_result begin_box(struct latency *p)
{
	if (p->nlines < 1)
		return PANEL_IGNORED;
	if (!p->pointing)
		point(p);
	/* Again: begin anew from here. */
	p->anchor = p->corner;
	p->boxed = true;
	return PANEL_UPDATE;
}

static enum panel_result say(struct panel_request *want, const char *sentence)
{
	want->want = WANT_MESSAGE;
	snprintf(want->message, sizeof(want->message), "%s", sentence);
	return PANEL_DRAW;
}

/* What is chosen becomes what is looked at: its time, and what it counted. */
static enum panel_result open_box(struct latency *p, struct panel_request *want)
{
	char a[16], b[16], range[80];
	struct latency_box box;
	uint64_t from, to;
	double lo, hi;

	if (!latency_box(p, &box))
		return say(want, "choose a part first: arrows point at a cell, v begins a rectangle there");
	latency_box_edges(p, &box, &from, &to, &lo, &hi);
	clock_text(p, from, a, sizeof(a));
	clock_text(p, to, b, sizeof(b));
	want->want = WANT_DEEPER;
	want->window = true;
	want->lens.live = false;
	/* A sample that counts in a column lies up to a tick behind it; windows begin behind their `from`. */
	want->lens.from_ns = from + (p->mode == LATENCY_SECONDS ? 0 : p->tick_ns / 2);
	want->lens.to_ns = to + (p->mode == LATENCY_SECONDS ? 0 : p->tick_ns / 2);
	if (want->lens.to_ns > p->time.newest_ns)
		want->lens.to_ns = p->time.newest_ns;
	if (want->lens.from_ns >= want->lens.to_ns)
		return say(want, "nothing was sampled there yet");
	want->lens.length_ns = want->lens.to_ns - want->lens.from_ns;
	snprintf(want->label, sizeof(want->label), "%s-%s", a, b);
	if (p->mode == LATENCY_MAP && (box.low > 0 || box.high + 1 < p->nlines)) {
		want->lens.has_range = true;
		memset(want->lens.range_table, 0, sizeof(want->lens.range_table));
		memset(want->lens.range_column, 0, sizeof(want->lens.range_column));
		snprintf(want->lens.range_table, sizeof(want->lens.range_table), "%s", p->table);
		snprintf(want->lens.range_column, sizeof(want->lens.range_column), "%s", p->column);
		want->lens.range_lo = lo;
		want->lens.range_hi = hi;
		range_text(lo, hi, p->unit, range, sizeof(range));
		snprintf(want->label, sizeof(want->label), "%.20s %.30s", p->column, range);
	}
	if (p->mode == LATENCY_STRIPS && box.low == box.high && (size_t)box.low < p->nstrips) {
		size_t k = p->nstrips - 1 - (size_t)box.low;

		p->one_row = true;
		p->key = p->strips[k].key;
		snprintf(p->row, sizeof(p->row), "%s", p->strips[k].name);
		p->mode = LATENCY_MAP;
	}
	p->pointing = p->boxed = false;
	p->stale = true;
	return PANEL_UPDATE;
}

/* The next histogram of the same table. */
static enum panel_result other(struct latency *p, struct panel_request *want)
{
	const struct schema_table *t = p->view ? view_table(p->view, p->table) : NULL;
	int at = t ? schema_column(t, p->column) : -1;

	for (uint32_t k = 0; t && k < t->nhists; k++) {
		if (t->hist_columns[k] != at)
			continue;
		if (t->nhists == 1)
			return say(want, "this table has no other histogram; T lists all there are");
		latency_show(p, p->table, t->columns[t->hist_columns[(k + 1) % t->nhists]].name);
		return PANEL_UPDATE;
	}
	return PANEL_IGNORED;
}

/* An event table for the seconds: the one of what was slow, else the first. */
static bool first_events(struct latency *p)
{
	const struct schema *schema;
	char slow[LENS_NAME_MAX + 8];

	if (p->events[0] && view_table(p->view, p->events))
		return true;
	if (p->table[0] && latency_slow_table(p->view, p->table, slow, sizeof(slow))) {
		snprintf(p->events, sizeof(p->events), "%.31s", slow);
		return true;
	}
	schema = view_schema(p->view);
	for (uint32_t i = 0; schema && i < schema->ntables; i++) {
		if (schema->tables[i]->kind != CULPRIT_EVENT || schema->tables[i]->time_column < 0)
			continue;
		snprintf(p->events, sizeof(p->events), "%s", schema->tables[i]->name);
		return true;
	}
	return false;
}

static enum panel_result next_view(struct latency *p, struct panel_request *want)
{
	p->pointing = p->boxed = false;
	p->stale = true;
	p->mode = (enum latency_mode)((p->mode + 1) % LATENCY_MODES);
	if (p->mode == LATENCY_SECONDS && !(p->view && first_events(p))) {
		p->mode = LATENCY_MAP;
		return say(want, "no events are recorded here that could be shown within seconds"), PANEL_UPDATE;
	}
	return PANEL_UPDATE;
}

static enum panel_result latency_action(void *self, int action, struct panel_request *want)
{
	struct latency *p = self;

	if (p->choosing && action == ACTION_DEEPER)
		return latency_choose_take(p) ? PANEL_UPDATE : PANEL_IGNORED;
	if (p->choosing && action < ACTION_PANEL)
		return list_move(&p->list, &p->source, action) ? PANEL_DRAW : PANEL_IGNORED;
	settle(p);
	switch (action) {
	case ACTION_DEEPER:
		return open_box(p, want);
	case LATENCY_MENU:
	case LATENCY_WHOSE:
		if (action == LATENCY_WHOSE && (!p->table[0] || p->mode == LATENCY_SECONDS))
			return say(want, "events have no rows to choose from; T lists what can be shown");
		/* The same key closes it. */
		if (p->choosing == (action == LATENCY_WHOSE ? CHOOSE_ROW : CHOOSE_HISTOGRAM))
			p->choosing = CHOOSE_NOTHING;
		else
			latency_choose_open(p, action == LATENCY_WHOSE);
		return PANEL_UPDATE;
	default:
		break;
	}
	p->choosing = CHOOSE_NOTHING;
	switch (action) {
	case LATENCY_BOX:
		return begin_box(p);
	case LATENCY_OTHER:
		return p->mode == LATENCY_SECONDS ? PANEL_IGNORED : other(p, want);
	case LATENCY_ROW_NEXT:
	case LATENCY_ROW_PREVIOUS:
		if (!p->view || !p->table[0] || p->mode == LATENCY_SECONDS)
			return PANEL_IGNORED;
		p->mode = LATENCY_MAP;
		p->pointing = p->boxed = false;
		p->stale = true;
		return latency_row_step(p, action == LATENCY_ROW_NEXT ? 1 : -1, NULL) ? PANEL_UPDATE : PANEL_IGNORED;
	case LATENCY_VIEW:
		return next_view(p, want);
	case LATENCY_VALUE:
		if (p->mode != LATENCY_STRIPS)
			p->pointing = p->boxed = false;
		p->by_max = p->mode == LATENCY_STRIPS ? !p->by_max : p->by_max;
		p->mode = LATENCY_STRIPS;
		p->stale = true;
		return PANEL_UPDATE;
	default:
		return move(p, action);
	}
}

static bool latency_escape(void *self)
{
	struct latency *p = self;
	bool any = p->choosing || p->pointing;

	p->choosing = CHOOSE_NOTHING;
	p->pointing = p->boxed = false;
	return any;
}

static enum panel_result latency_click(void *self, struct rect r, int x, int y, struct panel_request *want)
{
	struct latency *p = self;
	struct places l;
	struct heat_grid g;
	int column, line;

	(void)want;
	if (p->choosing) {
		long row = list_row_at(&p->list, &p->source, r, y);

		if (row < 0)
			return PANEL_IGNORED;
		list_select(&p->list, &p->source, (size_t)row);
		return PANEL_DRAW;
	}
	l = lay_out(p, r);
	/* Nothing is drawn where nothing was found, and there is nothing to point at. */
	if (!p->nlines || !p->step_ns)
		return PANEL_IGNORED;
	g = grid_of(p, &l);
	if (!heat_grid_at(&g, l.map, x, y, &column, &line))
		return PANEL_IGNORED;
	column = column > last_column(p) ? last_column(p) : column;
	/* The first click is one corner, the second the other one, the third begins anew. */
	p->corner = latency_corner_at(p, column, line);
	if (!p->pointing || p->boxed) {
		p->boxed = false;
		p->anchor = p->corner;
	} else {
		p->boxed = true;
	}
	p->pointing = true;
	return PANEL_UPDATE;
}

/* --- commands --- */

static int latency_command(void *self, const char *name, const char *argument, struct panel_request *want,
			   struct culprit_error *error)
{
	struct latency *p = self;
	char table[LENS_NAME_MAX] = "";
	const struct schema_table *t;
	const char *column;
	int c = -1;

	(void)want;
	if (strcmp(name, "histogram") != 0)
		return -ENOENT;
	column = argument ? strchr(argument, '.') : NULL;
	if (column)
		snprintf(table, sizeof(table), "%.*s", (int)(column - argument < 31 ? column - argument : 31), argument);
	t = column && p->view ? view_table(p->view, table) : NULL;
	c = t ? schema_column(t, column + 1) : -1;
	if (c < 0 || t->columns[c].type != CULPRIT_HIST)
		return error_set(error, -EINVAL, "histogram needs the name of one: TABLE.COLUMN; T lists them");
	latency_show(p, table, column + 1);
	p->mode = LATENCY_MAP;
	p->choosing = CHOOSE_NOTHING;
	return 0;
}

static const char *latency_table(const void *self)
{
	const struct latency *p = self;

	return p->mode == LATENCY_SECONDS ? p->events : p->table;
}

static bool latency_find(void *self, const char *text, int direction)
{
	struct latency *p = self;

	for (size_t k = direction ? 1 : 0; p->choosing && k <= p->nentries && p->nentries; k++) {
		size_t n = p->nentries, i = (p->list.selected + (direction < 0 ? n - k % n : k)) % n;

		if (!strcasestr(p->entries[i].name, text) && !strcasestr(p->entries[i].help, text))
			continue;
		list_select(&p->list, &p->source, i);
		return true;
	}
	return false;
}

static const struct binding keys[] = {
	{LATENCY_BOX, "box", {'v'}, "v box", "begin a rectangle where one points; arrows, g G and pages move its corner"},
	{LATENCY_OTHER, "other", {'o'}, "o other", "the other histogram of this table: queue or service time"},
	{LATENCY_MENU, "menu", {'T'}, "T all", "the list of all histograms and events (:histogram TABLE.COLUMN opens one)"},
	{LATENCY_WHOSE, "whose", {'w'}, "w row", "the list of rows: one device, one CPU, or all of them merged"},
	{LATENCY_VIEW, "view", {'V'}, "V view", "heatmap, a strip for each row, events within the second"},
	{LATENCY_VALUE, "strip-value", {'a'}, NULL, "strips show p99, or the maximum"},
	{LATENCY_ROW_NEXT, "next-row", {';'}, ", ; rows", "the next row of the table, all of them merged among them"},
	{LATENCY_ROW_PREVIOUS, "previous-row", {','}, NULL, "the row before"},
};

const struct panel latency_panel = {
	.name = "latency",
	.title = "Laten",
	.key = '5',
	.help = "How long things took, over time: each column is a time, each line a latency, each cell how many; P is the 99th "
		"percentile. Below: percentiles and count of the window, which = marks on the axis. Where the axis is blank nothing was "
		"sampled; ? could not be read. Arrows point at a cell, v begins a rectangle there (with the mouse: two clicks), and it "
		"says who is in it, as far as the table of slow ones knows. Enter makes it what all panels look at, Backspace leads "
		"back, Esc or u gives it up. With a baseline the map shows how many more or fewer than then.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = latency_create,
	.destroy = latency_destroy,
	.update = latency_update,
	.draw = latency_draw,
	.action = latency_action,
	.table = latency_table,
	.command = latency_command,
	.find = latency_find,
	.click = latency_click,
	.escape = latency_escape,
};
