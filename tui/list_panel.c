#include "list_panel.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"

void *list_panel_create(const struct list_panel *of)
{
	struct list_state *s = calloc(1, of->size);

	if (!s)
		return NULL;
	s->of = s->first = of;
	rows_init(&s->rows, of->table, of->columns, of->ncolumns, of->sort);
	s->rows.of = s;
	return s;
}

void list_panel_switch(struct list_state *s, const struct list_panel *of)
{
	void *whose = s->rows.of;

	rows_finish(&s->rows);
	s->of = of;
	rows_init(&s->rows, of->table, of->columns, of->ncolumns, of->sort);
	s->rows.of = whose;
}

void list_panel_destroy(void *self)
{
	struct list_state *s = self;

	if (!s)
		return;
	if (s->of->finish)
		s->of->finish(self);
	rows_finish(&s->rows);
	free(s);
}

void list_panel_rest(void *self)
{
	struct list_state *s = self;

	rows_rest(&s->rows);
}

void list_panel_say(struct list_lines *lines, enum role role, const char *format, ...)
{
	struct list_line *line;
	va_list args;

	if (lines->n == LIST_PANEL_LINES)
		return;
	line = &lines->line[lines->n++];
	line->role = role;
	va_start(args, format);
	vsnprintf(line->text, sizeof(line->text), format, args);
	va_end(args);
}

void list_panel_append(char *to, size_t cap, const char *format, ...)
{
	size_t n = strlen(to);
	va_list args;

	va_start(args, format);
	vsnprintf(to + n, cap - n, format, args);
	va_end(args);
}

int list_panel_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
		      struct culprit_error *error)
{
	struct list_state *s = self;
	int err, own = 0;
	ssize_t row;

	if (!view)
		return 0;
	err = rows_update(&s->rows, view, lens, 0, error);
	if (err && err != -EBADMSG)
		return err;
	s->head.n = s->detail.n = 0;
	if (s->of->update)
		own = s->of->update(self, view, lens, time, error);
	row = rows_selected(&s->rows);
	if (s->of->detail && row >= 0)
		s->of->detail(self, view, lens, time, (size_t)row);
	return own ? own : err;
}

/* Where the parts are in a rect: at least five lines and the last one are the list's. */
struct parts {
	struct rect head, list, foot, detail;
};

static struct parts parts_of(const struct list_state *s, struct rect r)
{
	struct parts p = {.list = r};
	int room = r.h - 7, head = (int)s->head.n, detail = !s->of->detail ? 0 : s->of->details ? s->of->details : LIST_PANEL_DETAIL;

	head = head < room ? head : 0;
	room -= head ? head + 1 : 0;
	/* Its lines are kept free where a row has none, so that the list does not move. */
	detail = detail < room ? detail : 0;
	if (head) {
		p.head = (struct rect){r.x, r.y, r.w, head};
		p.list.y += head + 1;
		p.list.h -= head + 1;
	}
	if (p.list.h >= 3) {
		p.list.h--;
		p.foot = (struct rect){r.x, r.y + r.h - 1, r.w, 1};
	}
	if (detail) {
		p.list.h -= detail + 1;
		p.detail = (struct rect){r.x, p.list.y + p.list.h + 1, r.w, detail};
	}
	return p;
}

/* How much of the line is shown where it has room for `w` cells: it ends between two things that are said, so that no number is
 * cut in half. */
static int line_room(const struct surface *to, const char *text, int w)
{
	struct text_iter it;
	struct text_unit unit;
	const char *from = text;
	int at = 0, whole = 0;

	text_iter_init(&it, text, strlen(text), surface_form(to));
	it.keep_backslash = true;
	while (text_next(&it, &unit)) {
		/* The mark of what is cut takes a cell; a comma stays between it and a number. */
		if (at + 2 <= w && at > w / 2 && (strchr(",;", *from) || (from[0] == ' ' && from[1] == ' ')))
			whole = at + 2;
		at += unit.width;
		from = (const char *)it.p;
	}
	return at <= w || !whole ? w : whole;
}

static void draw_lines(const struct list_lines *lines, struct surface *to, struct rect r)
{
	for (int i = 0; i < r.h && i < (int)lines->n; i++)
		surface_put(to, r.x + 1, r.y + i, line_room(to, lines->line[i].text, r.w - 1), lines->line[i].role, PUT_OWN,
			    lines->line[i].text, strlen(lines->line[i].text));
}

void list_panel_draw(void *self, struct surface *to, struct rect r)
{
	struct list_state *s = self;
	struct parts p = parts_of(s, r);
	char place[96];

	draw_lines(&s->head, to, p.head);
	if (p.head.h)
		surface_hline(to, r.x, p.head.y + p.head.h, r.w, ROLE_RULE);
	rows_draw(&s->rows, to, p.list);
	rows_draw_why_empty(&s->rows, to, (struct rect){p.list.x + 1, p.list.y + 1, p.list.w - 1, p.list.h - 1});
	if (p.detail.h)
		surface_hline(to, r.x, p.detail.y - 1, r.w, ROLE_RULE);
	if (!s->rows.choosing)
		draw_lines(&s->detail, to, p.detail);
	if (!p.foot.h)
		return;
	rows_place(&s->rows, place, sizeof(place));
	if (s->rows.choosing) {
		surface_say(to, p.foot.x + 1, p.foot.y, p.foot.w - (int)strlen(place) - 2, ROLE_HINT,
			    "Enter shows or hides, K J move, R as at first, Esc done");
		surface_say_right(to, p.foot.x, p.foot.y, p.foot.w, ROLE_MUTED, place);
		return;
	}
	if (s->of->foot)
		s->of->foot(to, p.foot, place);
	else
		surface_say_right(to, p.foot.x, p.foot.y, p.foot.w, ROLE_MUTED, place);
}

enum panel_result list_panel_action(void *self, int action, struct panel_request *want)
{
	struct list_state *s = self;
	enum panel_result result;

	if (s->of->action && !s->rows.choosing) {
		result = s->of->action(self, action, want);
		if (result != PANEL_IGNORED)
			return result;
	}
	if (action == ROWS_ONLY_USER || action == ROWS_ONLY_CGROUP)
		return s->rows.choosing ? PANEL_IGNORED : rows_only(&s->rows, action, want);
	if (action == ACTION_DEEPER && !s->rows.choosing)
		return s->of->deeper ? s->of->deeper(self, want) : PANEL_IGNORED;
	result = rows_action(&s->rows, action);
	/* What is said of the selected row must be asked for. */
	return result == PANEL_DRAW && s->of->detail ? PANEL_UPDATE : result;
}

int list_panel_command(void *self, const char *name, const char *argument, struct panel_request *want,
		       struct culprit_error *error)
{
	(void)want;
	if (!strcmp(name, "columns") && (!argument || !*argument)) {
		rows_choose_open(&((struct list_state *)self)->rows);
		return 0;
	}
	return rows_command(&((struct list_state *)self)->rows, name, argument, error);
}

const char *list_panel_table(const void *self)
{
	return ((const struct list_state *)self)->of->table;
}

const char *list_panel_complete(void *self, const char *command, size_t i)
{
	return rows_complete(&((struct list_state *)self)->rows, command, i);
}

bool list_panel_find(void *self, const char *text, int direction)
{
	return rows_find(&((struct list_state *)self)->rows, text, direction);
}

bool list_panel_target(void *self, struct panel_target *target)
{
	return rows_target(&((struct list_state *)self)->rows, target);
}

void list_panel_selection(void *self, bool restore)
{
	rows_selection(&((struct list_state *)self)->rows, restore);
}

enum panel_result list_panel_click(void *self, struct rect r, int x, int y, struct panel_request *want)
{
	struct list_state *s = self;
	enum panel_result result;

	(void)want;
	result = rows_click(&s->rows, parts_of(s, r).list, x, y);
	return result == PANEL_DRAW && s->of->detail ? PANEL_UPDATE : result;
}

void list_panel_keep(const void *self, const char *name, struct settings *settings)
{
	const struct list_state *s = self;

	if (s->of == s->first)
		rows_keep(&s->rows, name, settings);
}

void list_panel_restore(void *self, const char *name, const struct settings *settings)
{
	rows_restore(&((struct list_state *)self)->rows, name, settings);
}

bool list_panel_escape(void *self)
{
	struct list_state *s = self;

	return rows_escape(&s->rows) || (s->of->escape && s->of->escape(self));
}

size_t list_panel_interests(const void *self, const struct lens *lens, struct culprit_interest *list, size_t cap)
{
	const struct list_state *s = self;

	return s->of->interests ? s->of->interests(self, lens, list, cap) : 0;
}

void list_panel_status(const void *self, char *out, size_t cap)
{
	struct list_state *s = (struct list_state *)(uintptr_t)self;
	ssize_t row;

	rows_status(&s->rows, out, cap);
	row = rows_selected(&s->rows);
	if (!out[0] && s->of->status && row >= 0 && !s->rows.choosing)
		s->of->status(&s->rows, (size_t)row, out, cap);
}

void figures_finish(struct figures *f)
{
	query_destroy(f->query);
	f->query = NULL;
	f->view = NULL;
}

size_t figures_ask(struct figures *f, struct view *view, const struct lens *lens, const char *table, const char *sort)
{
	return figures_ask_with(f, view, lens, table, sort, 0);
}

size_t figures_ask_with(struct figures *f, struct view *view, const struct lens *lens, const char *table, const char *sort,
			unsigned flags)
{
	struct lens whole = *lens;
	int err;

	if (f->view != view) {
		figures_finish(f);
		f->query = query_create(view);
		f->view = view;
	}
	if (!f->query)
		return 0;
	memset(&whole.scope, 0, sizeof(whole.scope));
	whole.filter[0] = '\0';
	query_sort(f->query, sort, true);
	err = query_run(f->query, &whole, table, flags, NULL);
	/* Of damage what can be read is there. */
	return err && err != -EBADMSG ? 0 : query_nrows(f->query);
}

double figures_number(struct figures *f, size_t row, const char *column)
{
	return query_number(f->query, row, column);
}

void figures_text(struct figures *f, size_t row, const char *column, char *out, size_t cap)
{
	query_text(f->query, row, column, out, cap);
}

size_t figures_most(struct query *q, const char *const *columns, double least, bool alive, size_t cap, struct figures_most *ret)
{
	int at[8];
	size_t ncolumns = 0, found = 0;

	for (; columns[ncolumns] && ncolumns < sizeof(at) / sizeof(at[0]); ncolumns++)
		at[ncolumns] = query_column_find(q, columns[ncolumns]);
	for (size_t i = 0; i < query_nrows(q); i++) {
		double sum = 0, n;
		struct figures_most *one;
		struct query_row row;
		struct value v;

		if (alive && (!query_row(q, i, &row) || row.ended_ns))
			continue;
		for (size_t k = 0; k < ncolumns; k++) {
			if (at[k] < 0)
				continue;
			query_value(q, i, (size_t)at[k], &v);
			sum += value_number(&v, &n) ? n : 0;
		}
		one = sum > least ? top_insert(ret, sizeof(*ret), &found, cap, sum) : NULL;
		if (one)
			one->row = i;
	}
	return found;
}
