/* Latency: any histogram over time, as a heatmap; who is in a part of it; the part as the lens. What it asks is in
 * latency_ask.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	/* What nobody chose follows the lens: opened on a process, it is not the whole machine's waits that are asked for. */
	if ((!p->table[0] || !view_table(view, p->table) || (p->first && p->first_narrow != latency_narrow(lens))) &&
	    p->mode != LATENCY_SECONDS) {
		if (!p->query && !(p->query = query_create(view)))
			return error_set(error, -ENOMEM, "out of memory");
		p->table[0] = '\0';
		latency_first(p);
	}
	if (!p->table[0] && p->mode != LATENCY_SECONDS)
		return 0;
	return p->err = latency_ask(p, error);
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
	struct latency_corner before = p->corner;
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
	return p->corner.at_ns != before.at_ns || p->corner.slot != before.slot ? PANEL_UPDATE : PANEL_IGNORED;
}

static enum panel_result say(struct panel_request *want, const char *sentence)
{
	want->want = WANT_MESSAGE;
	snprintf(want->message, sizeof(want->message), "%s", sentence);
	return PANEL_DRAW;
}

static enum panel_result begin_box(struct latency *p, struct panel_request *want)
{
	if (p->nlines < 1)
		return PANEL_IGNORED;
	if (!p->pointing)
		point(p);
	/* Again: begin anew from here. */
	p->anchor = p->corner;
	p->boxed = true;
	say(want, "moves make the rectangle larger, Enter looks at it alone, Esc leaves it");
	return PANEL_UPDATE;
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
	latency_clock_text(p, from, a, sizeof(a));
	latency_clock_text(p, to, b, sizeof(b));
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
		latency_range_text(lo, hi, p->unit, range, sizeof(range));
		snprintf(want->label, sizeof(want->label), "%.20s %.30s", p->column, range);
	}
	if (p->mode == LATENCY_STRIPS && box.low == box.high && (size_t)box.low < p->nstrips) {
		size_t k = p->nstrips - 1 - (size_t)box.low;

		p->one_row = true;
		p->first = false;
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
		return begin_box(p, want);
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
	int column, line;

	(void)want;
	if (p->choosing) {
		long row = list_row_at(&p->list, &p->source, r, y);

		if (row < 0)
			return PANEL_IGNORED;
		list_select(&p->list, &p->source, (size_t)row);
		return PANEL_DRAW;
	}
	if (!latency_cell_at(p, r, x, y, &column, &line))
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
