/* How the Latency panel is laid out, and its map. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "dialog.h"
#include "latency.h"
#include "units.h"

#define SECOND 1000000000LL

enum { LIST_LINES = 8, LIST_FROM = 34, WIDE_LABEL = 14 };

/* What there is room for. */
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
	for (int line = 0; p->mode == LATENCY_MAP && latency_seen_in_part(p) && line < p->nlines; line++) {
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

static void draw_nothing(struct surface *s, struct rect r)
{
	dialog_say(s, (struct rect){r.x + 1, r.y + (r.h > 4 ? 1 : 0), r.w - 2, r.h}, ROLE_MUTED,
		     "No table here has a histogram: run queue and disk latency are measured by programs in the kernel, which need "
		     "root or CAP_BPF and CAP_PERFMON, and no --safe. `culprit collectors` says what is missing.");
}

void latency_draw(void *self, struct surface *s, struct rect r)
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
		latency_say_title(p, s, r, l.title);
	if (p->missing && p->reason[0] && !p->stats.n) {
		dialog_say(s, (struct rect){r.x + 1, l.map.y + 1, r.w - 2, l.map.h - 1}, ROLE_UNREAD, p->reason);
		return;
	}
	if (l.legend >= 0)
		latency_say_legend(p, s, r, l.legend);
	g = grid_of(p, &l);
	if (l.map.h >= 2 && p->nlines)
		heat_grid_draw(&g, s, l.map);
	else if (l.map.h >= 2)
		surface_say(s, r.x + 1, l.map.y + 1, r.w - 2, ROLE_MUTED,
			    p->mode == LATENCY_STRIPS ? "no rows in this window" : "not recorded here");
	if (l.stats >= 0)
		latency_say_stats(p, s, r, l.stats);
	if (l.status >= 0) {
		struct latency_box b;

		if (latency_box(p, &b))
			latency_say_box(p, &b, s, r, l.status);
		else
			latency_say_remarks(p, s, r, l.status);
	}
	if (l.list.h)
		latency_say_slowest(p, s, l.list);
}

bool latency_cell_at(const struct latency *p, struct rect r, int x, int y, int *ret_column, int *ret_line)
{
	struct places l = lay_out(p, r);
	struct heat_grid g;

	/* Nothing is drawn where nothing was found, and there is nothing to point at. */
	if (!p->nlines || !p->step_ns)
		return false;
	g = grid_of(p, &l);
	return heat_grid_at(&g, l.map, x, y, ret_column, ret_line);
}
