/* Events: what happened, one list, one time axis: kernel log, processes that began and ended, OOM kills, marks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chart.h"
#include "dialog.h"
#include "error.h"
#include "events.h"
#include "list.h"
#include "panels.h"
#include "rows.h"
#include "units.h"

enum { EVENTS_OTHER = ROWS_ACTION_LAST + 1 };
enum { COLUMN_TIME, COLUMN_KIND, COLUMN_WHO, COLUMN_PID, COLUMN_TEXT, COLUMNS };
enum { DETAIL = 3, DAY_S = 86400 };

/* In the order of enum events_order; the time is wide where not all is of one day. */
static const struct list_column narrow_columns[COLUMNS] = {
	{.title = "time", .min = 8, .max = 8, .sortable = true},
	{.title = "kind", .min = 9, .max = 9, .sortable = true},
	{.title = "who", .min = 8, .max = 18, .weight = 1, .priority = 2, .sortable = true},
	{.title = "pid", .min = 7, .max = 7, .right = true, .priority = 3, .sortable = true},
	{.title = "what", .min = 16, .max = 500, .weight = 8},
};

struct panel_events {
	struct events events;
	struct list list;
	struct list_source source;
	struct list_column columns[COLUMNS];
	struct list_mark mark;
	struct panel_time time;
	uint64_t from_ns, to_ns; /* the window */
	bool asked, filtered;
	int err;
};

static size_t events_count(const void *self)
{
	return ((const struct panel_events *)self)->events.n;
}

static struct list_id events_id(const void *self, size_t row)
{
	const struct panel_events *p = self;
	const struct event *x = events_at(&p->events, row);

	return (struct list_id){x->time_ns, row_key_text(events_text(&p->events, x), x->len) ^ x->pid};
}

static unsigned events_flags(const void *self, size_t row)
{
	const struct event *x = events_at(&((const struct panel_events *)self)->events, row);

	return x->kind == EVENT_MARK ? LIST_ROW_STRONG : 0;
}

static int64_t wall_of(const struct panel_events *p, uint64_t mono)
{
	return (int64_t)mono + p->time.wall_offset_ns + (int64_t)p->time.zone_offset_s * 1000000000;
}

static void format_time(const struct panel_events *p, uint64_t mono, bool day, char *out, size_t cap)
{
	int64_t wall = wall_of(p, mono);
	char clock[16];
	time_t s = (time_t)(wall / 1000000000);
	struct tm tm;

	chart_clock_format(wall, !day, clock, sizeof(clock));
	if (day && gmtime_r(&s, &tm))
		snprintf(out, cap, "%02d-%02d %s", tm.tm_mon + 1, tm.tm_mday, clock);
	else
		snprintf(out, cap, "%s", clock);
}

static void events_cell(const void *self, size_t row, size_t column, struct list_cell *cell)
{
	const struct panel_events *p = self;
	const struct event *x = events_at(&p->events, row);
	char text[LIST_TEXT_MAX] = "";
	int64_t day = wall_of(p, p->time.newest_ns) / 1000000000 / DAY_S;
	int n;

	switch (column) {
	case COLUMN_TIME:
		format_time(p, x->time_ns, wall_of(p, x->time_ns) / 1000000000 / DAY_S != day, text, sizeof(text));
		list_cell_own(cell, text);
		return;
	case COLUMN_KIND:
		if (x->serious)
			cell->role = ROLE_WARN;
		list_cell_own(cell, x->word);
		return;
	case COLUMN_WHO:
		list_cell_text(cell, x->who, strlen(x->who));
		return;
	case COLUMN_PID:
		if (x->has_pid && x->n == 1)
			snprintf(text, sizeof(text), "%llu", (unsigned long long)x->pid);
		else
			snprintf(text, sizeof(text), x->n > 1 ? "x %u" : "-", x->n);
		list_cell_own(cell, text);
		return;
	default:
		n = (int)(x->short_len < sizeof(text) - 1 ? x->short_len : sizeof(text) - 1);
		list_cell_text(cell, events_text(&p->events, x), (size_t)n);
	}
}

static void *events_create(void)
{
	struct panel_events *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	list_init(&p->list);
	p->list.sort_column = COLUMN_TIME;
	memcpy(p->columns, narrow_columns, sizeof(p->columns));
	p->source = (struct list_source){.self = p, .columns = p->columns, .ncolumns = COLUMNS, .count = events_count,
					 .id = events_id, .cell = events_cell, .flags = events_flags};
	return p;
}

static void events_destroy(void *self)
{
	struct panel_events *p = self;

	if (!p)
		return;
	events_finish(&p->events);
	free(p);
}

static int events_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			 struct culprit_error *error)
{
	struct panel_events *p = self;
	int64_t day;

	if (!view)
		return 0;
	p->time = *time;
	p->asked = true;
	p->filtered = lens->filter[0];
	lens_resolve(lens, time->newest_ns, &p->from_ns, &p->to_ns);
	p->err = events_gather(&p->events, view, lens, time, error);
	if (p->err)
		return p->err;
	day = wall_of(p, time->newest_ns) / 1000000000 / DAY_S;
	p->columns[COLUMN_TIME].min = p->columns[COLUMN_TIME].max = 8;
	for (size_t i = 0; i < p->events.n; i++)
		if (wall_of(p, events_at(&p->events, i)->time_ns) / 1000000000 / DAY_S != day)
			p->columns[COLUMN_TIME].min = p->columns[COLUMN_TIME].max = 11;
	list_sync(&p->list, &p->source);
	return 0;
}

/* --- drawing ----------------------------------------------------------------------------------------------------- */

static void draw_empty(const struct panel_events *p, struct surface *s, struct rect r)
{
	static const char *const what[EVENTS_CHOICES] = {"nothing happened", "nothing happened but processes that came and went",
							 "no trouble was told of"};
	char window[32];

	if (p->events.n || p->err || r.h < 1)
		return;
	if (!p->asked)
		surface_say(s, r.x, r.y, r.w, ROLE_MUTED, "taking the first sample");
	else if (p->filtered && p->events.gathered)
		surface_sayf(s, r.x, r.y, r.w, ROLE_MUTED, "none of %zu passes the filter", p->events.gathered);
	else
		surface_sayf(s, r.x, r.y, r.w, ROLE_MUTED, "%s in these %s: + widens the window, X goes to the event before",
			     what[p->events.choice], units_duration(window, sizeof(window), p->to_ns - p->from_ns));
}

/* The whole text of the selected one, over as many lines as there are. */
static void draw_detail(const struct panel_events *p, struct surface *s, struct rect r)
{
	char text[4 * EVENTS_TEXT_MAX + 256], body[4 * EVENTS_TEXT_MAX + 1], who[4 * EVENTS_WHO_MAX + 1], when[64];
	const struct event *x;
	const char *at;
	size_t n;

	if (p->list.selected >= p->events.n)
		return;
	x = events_at(&p->events, p->list.selected);
	units_rfc3339(when, sizeof(when), ((int64_t)x->time_ns + p->time.wall_offset_ns) / 1000000 * 1000000, p->time.zone_offset_s);
	text_sanitise(who, sizeof(who), x->who, strlen(x->who), surface_form(s));
	text_sanitise(body, sizeof(body), events_text(&p->events, x), x->len, surface_form(s));
	n = (size_t)snprintf(text, sizeof(text), "%s %s", when, x->word);
	if (who[0] && x->kind != EVENT_KERNEL)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", who);
	if (x->has_pid)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %llu", (unsigned long long)x->pid);
	if (x->n > 1)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " and %u more in this second", x->n - 1);
	snprintf(text + n, sizeof(text) - n, "  %s", body);
	at = text;
	for (int i = 0; i < r.h && *at; i++) {
		size_t next, len = dialog_wrap(at, r.w, &next);

		surface_put(s, r.x, r.y + i, r.w, i ? ROLE_TEXT : ROLE_STRONG, PUT_OWN, at, len);
		at += next;
	}
}

static void draw_foot(const struct panel_events *p, struct surface *s, struct rect r)
{
	static const char *const orders[EVENTS_ORDERS] = {"time", "kind", "who", "pid"};
	static const char *const choices[EVENTS_CHOICES] = {"", ", without processes", ", trouble and marks only"};
	char place[160], of[64];
	int n;

	list_place(&p->list, &p->source, of, sizeof(of));
	snprintf(place, sizeof(place), "%s by %s%s", of, orders[p->events.order], choices[p->events.choice]);
	n = (int)strlen(place);
	surface_say_right(s, r.x, r.y, r.w, ROLE_MUTED, place);
	if (r.w - n < 20)
		return;
	if (p->events.left_out || p->events.lost)
		surface_sayf(s, r.x + 1, r.y, r.w - n - 3, ROLE_WARN, "%zu older left out, %llu lost", p->events.left_out,
			     (unsigned long long)p->events.lost);
	else if (p->events.missing[0])
		surface_put(s, r.x + 1, r.y, r.w - n - 3, ROLE_MUTED, PUT_OWN, p->events.missing, strlen(p->events.missing));
}

static void events_draw(void *self, struct surface *s, struct rect r)
{
	struct panel_events *p = self;
	int detail = r.h >= 12 ? DETAIL : 0, foot = r.h >= 4;
	struct rect list = {r.x, r.y, r.w, r.h - foot - (detail ? detail + 1 : 0)};

	list_draw(&p->list, &p->source, s, list);
	draw_empty(p, s, (struct rect){r.x + 1, r.y + 1, r.w - 1, list.h - 1});
	if (detail) {
		surface_hline(s, r.x, list.y + list.h, r.w, ROLE_RULE);
		draw_detail(p, s, (struct rect){r.x + 1, list.y + list.h + 1, r.w - 1, detail});
	}
	if (foot)
		draw_foot(p, s, (struct rect){r.x, r.y + r.h - 1, r.w, 1});
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

/* The window ends with the sample that tells of it. */
static enum panel_result go_there(struct panel_events *p, struct panel_request *want)
{
	const struct event *x;

	if (p->list.selected >= p->events.n)
		return PANEL_IGNORED;
	x = events_at(&p->events, p->list.selected);
	if (x->time_ns + p->time.tick_ns < p->time.first_ns) {
		want->want = WANT_MESSAGE;
		snprintf(want->message, sizeof(want->message), "that was before what is held begins: there is nothing to show of it");
		return PANEL_DRAW;
	}
	want->want = WANT_TIME;
	want->time_ns = x->time_ns + p->time.tick_ns;
	return PANEL_UPDATE;
}

static enum panel_result events_action(void *self, int action, struct panel_request *want)
{
	struct panel_events *p = self;

	switch (action) {
	case ACTION_DEEPER:
		return go_there(p, want);
	case EVENTS_OTHER:
		p->events.choice = (p->events.choice + 1) % EVENTS_CHOICES;
		break;
	case ROWS_SORT:
		p->events.order = (p->events.order + 1) % EVENTS_ORDERS;
		p->events.reverse = false;
		break;
	case ROWS_REVERSE:
		p->events.reverse = !p->events.reverse;
		break;
	case ROWS_CHANGE:
		want->want = WANT_MESSAGE;
		snprintf(want->message, sizeof(want->message), "events don't differ from a baseline: they happened or they did not");
		return PANEL_DRAW;
	default:
		return list_move(&p->list, &p->source, action) ? PANEL_DRAW : PANEL_IGNORED;
	}
	p->list.sort_column = (int)p->events.order;
	/* The first order of each is the natural one: newest first, names from a. */
	p->list.sort_ascending = (p->events.order != EVENTS_BY_TIME) != p->events.reverse;
	return PANEL_UPDATE;
}

static int events_command(void *self, const char *name, const char *argument, struct panel_request *want,
			  struct culprit_error *error)
{
	static const char *const orders[EVENTS_ORDERS] = {"time", "kind", "who", "pid"};
	struct panel_events *p = self;

	(void)want;
	if (strcmp(name, "sort"))
		return -ENOENT;
	for (int i = 0; i < EVENTS_ORDERS; i++) {
		if (strcmp(argument, orders[i]))
			continue;
		p->events.order = (enum events_order)i;
		p->events.reverse = false;
		p->list.sort_column = i;
		p->list.sort_ascending = i != EVENTS_BY_TIME;
		return 0;
	}
	return error_set(error, -EINVAL, "events are sorted by time, kind, who or pid");
}

static const char *events_complete(void *self, const char *command, size_t i)
{
	static const char *const orders[EVENTS_ORDERS] = {"time", "kind", "who", "pid"};

	(void)self;
	if (!*command)
		return i ? NULL : "sort";
	if (!strcmp(command, "filter"))
		return events_column(i);
	return !strcmp(command, "sort") && i < EVENTS_ORDERS ? orders[i] : NULL;
}

static bool holds(const struct panel_events *p, size_t i, const char *text)
{
	const struct event *x = events_at(&p->events, i);
	char all[EVENTS_TEXT_MAX + EVENTS_WHO_MAX + 64];

	snprintf(all, sizeof(all), "%s %s %llu %.*s", x->word, x->who, (unsigned long long)x->pid, (int)x->len,
		 events_text(&p->events, x));
	return strcasestr(all, text) != NULL;
}

static bool events_find(void *self, const char *text, int direction)
{
	struct panel_events *p = self;
	size_t n = p->events.n;

	for (size_t k = direction ? 1 : 0; k <= n && n; k++) {
		size_t i = (p->list.selected + (direction < 0 ? n - k % n : k)) % n;

		if (!holds(p, i, text))
			continue;
		list_select(&p->list, &p->source, i);
		return true;
	}
	return false;
}

static void events_selection(void *self, bool restore)
{
	struct panel_events *p = self;

	if (restore)
		list_restore(&p->list, &p->source, &p->mark);
	else
		p->mark = list_mark(&p->list);
}

static enum panel_result events_click(void *self, struct rect r, int x, int y, struct panel_request *want)
{
	struct panel_events *p = self;
	long row;

	(void)x;
	(void)want;
	row = list_row_at(&p->list, &p->source, r, y);
	if (row < 0)
		return PANEL_IGNORED;
	list_select(&p->list, &p->source, (size_t)row);
	return PANEL_DRAW;
}

static const char *events_table(const void *self)
{
	(void)self;
	return "events";
}

static const struct binding keys[] = {
	{EVENTS_OTHER, "other", {'o'}, "o fewer", "all, or without processes that came and went, or only trouble and marks"},
	ROWS_BINDINGS,
};

const struct panel events_panel = {
	.name = "events",
	.title = "Events",
	.key = 'e',
	.help = "What happened in the window, from one place: the kernel log (its class, where it is trouble), processes that "
		"started, ended, or ran and ended between two samples (x 214: so many of one name, parent and second), whom the kernel killed for "
		"want of memory, your marks (m), and what culprit notes itself. Enter: to that time, so that every other panel "
		"shows it. A filter knows kind, who, pid, ppid, count, serious, age and text.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = events_create,
	.destroy = events_destroy,
	.update = events_update,
	.draw = events_draw,
	.action = events_action,
	.table = events_table,
	.command = events_command,
	.complete = events_complete,
	.find = events_find,
	.selection = events_selection,
	.click = events_click,
};
