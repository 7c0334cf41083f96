#include "rows.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialog.h"
#include "error.h"
#include "number.h"
#include "schema.h"
#include "segment.h"
#include "units.h"

enum { TREE_WIDTH = 24 }; /* what its branches and what stands on them need */

/* The list shows places; in a tree they are not the rows of the query. */
static bool in_tree(const struct rows *r)
{
	return r->tree.on && r->tree.n;
}

static size_t row_at(const struct rows *r, size_t place)
{
	return !in_tree(r) ? place : place < r->tree.n ? r->tree.places[place].row : SIZE_MAX;
}

static size_t source_count(const void *self)
{
	const struct rows *r = self;

	if (!r->query || r->failed)
		return 0;
	return in_tree(r) ? r->tree.n : query_nrows(r->query);
}

static struct list_id source_id(const void *self, size_t place)
{
	const struct rows *r = self;
	size_t row = row_at(r, place);
	struct query_row q;
	struct list_id id = {0, 0};

	if (!query_row(r->query, row, &q))
		return id;
	/* Events have neither serial nor key: their time and place stand for them. */
	id.a = q.serial ? q.serial : q.began_ns + row;
	id.b = q.key.n ? row_key_hash(&q.key) : 0;
	return id;
}

static void cell_branch(const struct tree_place *p, struct list_cell *cell)
{
	cell->depth = (uint8_t)(p->depth < UINT8_MAX ? p->depth : UINT8_MAX);
	cell->last_child = p->last;
	cell->lines = p->lines;
	cell->folded = p->hidden;
}

static void source_cell(const void *self, size_t place, size_t column, struct list_cell *cell)
{
	struct rows *r = (struct rows *)self;
	size_t row = row_at(r, place);
	struct value v;

	if (r->specs[column].tree && in_tree(r))
		cell_branch(&r->tree.places[place], cell);

	if (r->specs[column].cell) {
		r->specs[column].cell(r, row, cell);
		return;
	}
	if (r->map[column] < 0) {
		cell->own = true;
		rows_cell_text(cell, "-", 1);
		return;
	}
	if (r->specs[column].change) {
		rows_cell_change(r, row, (size_t)r->map[column], cell);
		return;
	}
	query_value(r->query, row, (size_t)r->map[column], &v);
	if (r->specs[column].coarse && v.state == VALUE_OK && v.type == CULPRIT_F64) {
		char text[32];

		rows_percent(text, sizeof(text), v.f);
		cell->own = true;
		rows_cell_text(cell, text, strlen(text));
		return;
	}
	rows_cell_value(&v, cell);
}

static unsigned source_flags(const void *self, size_t place)
{
	const struct rows *r = self;
	struct query_row q;

	return query_row(r->query, row_at(r, place), &q) && q.ended_ns && !q.folded ? LIST_ROW_ENDED : 0;
}

void rows_init(struct rows *r, const char *table, const struct rows_column *specs, size_t n, const char *sort)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->table, sizeof(r->table), "%s", table);
	snprintf(r->sort, sizeof(r->sort), "%s", sort ? sort : "");
	memcpy(r->sort_first, r->sort, sizeof(r->sort));
	list_init(&r->list);
	r->source = (struct list_source){r, r->columns, 0, source_count, source_id, source_cell, source_flags};
	rows_set_columns(r, specs, n);
}

void rows_finish(struct rows *r)
{
	query_destroy(r->query);
	r->query = NULL;
	r->view = NULL;
	rows_tree_finish(&r->tree);
	r->missed[0] = '\0';
	free(r->choices);
	r->choices = NULL;
	r->nchoices = 0;
	r->choosing = false;
}

void rows_rest(struct rows *r)
{
	query_rest(r->query);
	rows_tree_finish(&r->tree);
}

/* Back to the row one stays on, wherever it is now. */
static void follow(struct rows *r)
{
	ssize_t row = r->follow.on && !r->failed ? query_find(r->query, &r->follow.key) : -1;
	size_t n = source_count(r), place = n;

	if (!r->follow.on)
		return;
	for (size_t i = 0; row >= 0 && i < n && place == n; i++) {
		if (row_at(r, i) == (size_t)row)
			place = i;
	}
	r->follow.lost = place == n;
	if (!r->follow.lost)
		list_select(&r->list, &r->source, place);
}

static enum panel_result follow_toggle(struct rows *r)
{
	ssize_t row = rows_selected(r);
	struct query_row q;

	if (r->follow.on) {
		r->follow.on = false;
		return PANEL_DRAW;
	}
	if (row < 0 || !query_row(r->query, (size_t)row, &q) || q.folds || !q.key.n)
		return PANEL_IGNORED;
	r->follow = (struct rows_follow){.on = true, .key = q.key};
	rows_text(r, (size_t)row, "comm", r->follow.name, sizeof(r->follow.name));
	r->follow.pid = number_u64(rows_number(r, (size_t)row, "pid", 0));
	list_select(&r->list, &r->source, r->list.selected);
	return PANEL_DRAW;
}

static enum panel_result fold(struct rows *r)
{
	ssize_t row = rows_selected(r);
	struct query_row q;
	size_t place = r->list.selected;

	if (!in_tree(r) || row < 0)
		return PANEL_IGNORED;
	/* On one without children, the branch it is on. */
	while (place && !r->tree.places[place].has_children && r->tree.places[place].depth) {
		uint16_t depth = r->tree.places[place].depth;

		while (place && r->tree.places[place].depth >= depth)
			place--;
	}
	if (!r->tree.places[place].has_children || !query_row(r->query, r->tree.places[place].row, &q))
		return PANEL_IGNORED;
	list_select(&r->list, &r->source, place);
	return rows_tree_fold(&r->tree, &q.key) ? PANEL_UPDATE : PANEL_IGNORED;
}

static void columns_use(struct rows *r, const struct rows_column *specs, size_t n)
{
	if (r->specs != specs || r->nspecs != n)
		r->missed[0] = '\0';
	r->specs = specs;
	r->nspecs = n;
	r->source.ncolumns = n;
	for (size_t i = 0; i < n; i++) {
		const struct rows_column *s = &specs[i];

		r->map[i] = -1;
		r->columns[i] = (struct list_column){
			.title = s->title,
			.min = r->tree.on && s->tree && s->min < TREE_WIDTH ? TREE_WIDTH : s->min,
			.max = s->max,
			.weight = s->weight,
			/* In a tree its column comes first of all. */
			.priority = (uint8_t)(s->priority + (r->tree.on && !s->tree && i)),
			.cut_left = s->cut_left,
			.sticky = i == 0,
			.right = s->right,
			.sortable = s->column != NULL,
		};
	}
}

void rows_set_columns(struct rows *r, const struct rows_column *specs, size_t n)
{
	r->given = r->base = specs;
	r->ngiven = r->nbase = n > LIST_COLUMNS_MAX ? LIST_COLUMNS_MAX : n;
	columns_use(r, r->base, r->nbase);
}

/* While there is a baseline, each number has its difference beside it; on a narrow screen that of what is sorted by stays, or
 * of the first number. */
static void columns_compare(struct rows *r, bool compare)
{
	int sort = query_column_find(r->query, r->sort);
	bool first = sort < 0 || !query_compares(r->query, (size_t)sort);
	size_t n = 0;

	if (!compare) {
		if (r->specs != r->base || r->nspecs != r->nbase || r->nwishes)
			columns_use(r, r->base, r->nbase);
		return;
	}
	for (size_t i = 0; i < r->nbase && n < LIST_COLUMNS_MAX; i++) {
		const struct rows_column *s = &r->base[i];
		int c = s->column ? query_column_find(r->query, s->column) : -1;
		bool stays = first || (s->column && !strcmp(s->column, r->sort));

		r->compared[n++] = *s;
		if (c < 0 || n == LIST_COLUMNS_MAX || !query_compares(r->query, (size_t)c))
			continue;
		r->compared[n++] = (struct rows_column){
			.column = s->column,
			.title = "+/-",
			.min = 8,
			.max = 8,
			.priority = stays ? s->priority : (uint8_t)(30 + s->priority),
			.right = true,
			.change = true,
		};
		first = false;
	}
	columns_use(r, r->compared, n);
}

static bool sorts_by_change(const struct rows *r)
{
	int c = r->by_change && r->specs == r->compared ? query_column_find(r->query, r->sort) : -1;

	return c >= 0 && query_compares(r->query, (size_t)c);
}

/* Which of the query's columns each of ours is, and where the sort mark stands. */
static void columns_bind(struct rows *r)
{
	r->list.sort_column = -1;
	for (size_t i = 0; i < r->nspecs; i++) {
		const struct rows_column *s = &r->specs[i];
		const struct query_column *q;

		r->map[i] = s->column ? query_column_find(r->query, s->column) : -1;
		if (r->map[i] < 0)
			continue;
		q = query_column(r->query, (size_t)r->map[i]);
		r->columns[i].right = q->type != CULPRIT_TEXT && q->type != CULPRIT_STACK;
		if (!strcmp(s->column, r->sort) && s->change == sorts_by_change(r))
			r->list.sort_column = (int)i;
		/* The sign of the order has room beside the title. */
		if (!s->tree)
			r->columns[i].min = s->min;
		if (r->list.sort_column == (int)i && r->columns[i].right && strlen(s->title) >= s->min)
			r->columns[i].min = (uint16_t)(strlen(s->title) + 1);
		r->columns[i].max = r->columns[i].min > s->max ? r->columns[i].min : s->max;
	}
	r->list.sort_ascending = r->ascending;
}

static bool is_shown(const struct rows *r, const char *column)
{
	for (size_t i = 0; i < r->nspecs; i++)
		if (r->specs[i].column && !strcmp(r->specs[i].column, column))
			return true;
	return false;
}

/* The panel's own order by a share that only a picture shows is coarse as well. */
static bool sort_is_coarse(const struct rows *r)
{
	for (size_t i = 0; i < r->nspecs; i++) {
		if (r->specs[i].coarse && r->specs[i].column && !strcmp(r->specs[i].column, r->sort))
			return true;
	}
	return r->sort[0] && !strcmp(r->sort, r->sort_first) && !is_shown(r, r->sort);
}

int rows_update(struct rows *r, struct view *view, const struct lens *lens, unsigned flags, struct culprit_error *error)
{
	int err;

	if (!view)
		return 0;
	if (r->view != view) {
		rows_finish(r);
		r->query = query_create(view);
		r->view = view;
		if (!r->query)
			return error_set(error, -ENOMEM, "out of memory");
	}
	query_sort(r->query, r->sort[0] ? r->sort : NULL, !r->ascending);
	query_sort_grain(r->query, sort_is_coarse(r) ? 0.1 : 0);
	query_sort_change(r->query, r->by_change);
	err = query_run(r->query, lens, r->table, flags, error);
	r->failed = err && err != -EBADMSG;
	if (!r->failed) {
		rows_choose_resolve(r);
		columns_compare(r, lens->has_baseline);
		columns_bind(r);
	}
	r->tree.n = 0;
	if (r->tree.on && !r->failed && rows_tree_build(&r->tree, r->query) == -ENOMEM)
		return error_set(error, -ENOMEM, "out of memory");
	list_sync(&r->list, &r->source);
	follow(r);
	return err;
}

void rows_draw(struct rows *r, struct surface *s, struct rect rect)
{
	if (r->choosing) {
		list_draw(&r->choice_list, &r->choice_source, s, rect);
		return;
	}
	list_draw(&r->list, &r->source, s, rect);
}

int rows_sort(struct rows *r, const char *column, struct culprit_error *error)
{
	char near[128] = "";
	int i = r->query ? query_column_find(r->query, column) : -1;

	/* Typed ahead, before it was drawn the first time: that there is no such column shows then. */
	if (!r->query && strlen(column) < sizeof(r->sort)) {
		snprintf(r->sort, sizeof(r->sort), "%s", column);
		r->ascending = false;
		r->sort_chosen = true;
		return 0;
	}
	if (i < 0)
		return error_set(error, -EINVAL, "%s has no column %.40s%s", r->table, column,
				 r->query ? query_suggest_column(r->query, column, near, sizeof(near)) : "");
	snprintf(r->sort, sizeof(r->sort), "%s", column);
	/* Names read from A, numbers from the largest. */
	r->ascending = query_column(r->query, (size_t)i)->type == CULPRIT_TEXT;
	r->sort_chosen = true;
	return 0;
}

bool rows_sort_by_default(struct rows *r, const char *column)
{
	bool other = strcmp(r->sort, column) != 0;

	snprintf(r->sort_first, sizeof(r->sort_first), "%s", column);
	if (r->sort_chosen)
		return false;
	snprintf(r->sort, sizeof(r->sort), "%s", column);
	r->ascending = false;
	return other;
}

static void tree_toggle(struct rows *r)
{
	r->tree.on = !r->tree.on;
	columns_use(r, r->specs, r->nspecs);
}

int rows_command(struct rows *r, const char *name, const char *argument, struct culprit_error *error)
{
	if (!strcmp(name, "columns") && argument && *argument) {
		rows_wish(r, argument);
		return 0;
	}
	if (!strcmp(name, "tree") && r->query && query_column_find(r->query, "ppid") >= 0) {
		tree_toggle(r);
		return 0;
	}
	if (strcmp(name, "sort"))
		return -ENOENT;
	if (!argument || !*argument)
		return error_set(error, -EINVAL, "sort needs the name of a column: sort cpu");
	return rows_sort(r, argument, error);
}

/* A text of the i-th row: only such are offered; others are "", which nobody asks for. */
static const char *complete_value(struct rows *r, const char *column, size_t i)
{
	int c = query_column_find(r->query, column);
	struct value v;

	if (c < 0 || i >= query_nrows(r->query) || query_column(r->query, (size_t)c)->type != CULPRIT_TEXT)
		return NULL;
	query_value(r->query, i, (size_t)c, &v);
	r->completion[0] = '\0';
	if (v.state == VALUE_OK && v.text.len < sizeof(r->completion) && !memchr(v.text.p, '"', v.text.len) &&
	    !memchr(v.text.p, '\\', v.text.len))
		snprintf(r->completion, sizeof(r->completion), "%.*s", (int)v.text.len, v.text.p);
	for (const char *p = r->completion; *p; p++) {
		/* What can be typed. */
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			r->completion[0] = '\0';
	}
	return r->completion;
}

const char *rows_complete(struct rows *r, const char *command, size_t i)
{
	bool columns = !strcmp(command, "columns");

	if (!*command)
		return i ? NULL : "sort";
	if (!r->query)
		return NULL;
	if (!strncmp(command, "filter=", 7))
		return complete_value(r, command + 7, i);
	if (!columns && strcmp(command, "sort") && strcmp(command, "filter"))
		return NULL;
	if (i < query_ncolumns(r->query))
		return query_column(r->query, i)->name;
	i -= query_ncolumns(r->query);
	/* Those that the panel draws itself. */
	for (size_t k = 0; columns && k < r->ngiven; k++) {
		if (!r->given[k].column && !i--)
			return r->given[k].title;
	}
	return NULL;
}

static void sort_next(struct rows *r)
{
	/* Behind the last column comes the panel's own order, where no column shows it. */
	size_t stops = r->nspecs + 1, at = r->list.sort_column >= 0 ? (size_t)r->list.sort_column : r->nspecs;

	for (size_t k = 1; k <= stops; k++) {
		size_t i = (at + k) % stops;

		if (i == r->nspecs) {
			if (r->sort_first[0] && !is_shown(r, r->sort_first) && !rows_sort(r, r->sort_first, NULL))
				return;
			continue;
		}
		if (r->specs[i].column && !r->specs[i].change && r->map[i] >= 0) {
			rows_sort(r, r->specs[i].column, NULL);
			return;
		}
	}
}

bool rows_unmeasured(const struct query *q, char *why, size_t cap)
{
	struct query_info info = {.empty = true};

	why[0] = '\0';
	if (q)
		query_info(q, &info);
	if (!info.empty && info.state != CULPRIT_MISSING)
		return false;
	if (info.reason)
		text_sanitise(why, cap, info.reason, info.reason_len, TEXT_UTF8);
	else
		snprintf(why, cap, "not sampled in this window");
	return true;
}

void rows_draw_why_empty(const struct rows *r, struct surface *s, struct rect rect)
{
	struct query_info info;
	char line[512];

	if (!r->query || r->choosing || r->failed || query_nrows(r->query) || rect.h < 1)
		return;
	query_info(r->query, &info);
	if (!info.reason) {
		surface_say(s, rect.x, rect.y, rect.w, ROLE_MUTED, "no rows in this window");
		return;
	}
	snprintf(line, sizeof(line), "%.*s", (int)(info.reason_len < sizeof(line) ? info.reason_len : sizeof(line) - 1),
		 info.reason);
	dialog_say(s, rect, ROLE_UNREAD, line);
}

enum panel_result rows_action(struct rows *r, int action)
{
	if (r->choosing)
		return rows_choose_action(r, action);
	if (action == ROWS_CHOOSE) {
		rows_choose_open(r);
		return PANEL_DRAW;
	}
	if (action == ROWS_SORT && r->nspecs) {
		sort_next(r);
		return PANEL_UPDATE;
	}
	if (action == ROWS_REVERSE) {
		r->ascending = !r->ascending;
		r->sort_chosen = true;
		return PANEL_UPDATE;
	}
	if (action == ROWS_CHANGE && r->specs == r->compared) {
		r->by_change = !r->by_change;
		return PANEL_UPDATE;
	}
	if (action == ROWS_FORM) {
		tree_toggle(r);
		return PANEL_UPDATE;
	}
	if (action == ROWS_FOLD)
		return fold(r);
	if (action == ROWS_FOLD_ALL && in_tree(r)) {
		size_t place = r->list.selected;

		/* What is selected would be hidden: the root of its branch then. */
		while (place && r->tree.places[place].depth)
			place--;
		list_select(&r->list, &r->source, place);
		rows_tree_fold_all(&r->tree);
		return PANEL_UPDATE;
	}
	if (action == ROWS_FOLLOW)
		return follow_toggle(r);
	/* A move ends it, also one that leads nowhere. */
	if (action != ACTION_LEFT && action != ACTION_RIGHT && action <= ACTION_LAST_FOR_PANEL)
		r->follow.on = false;
	return list_move(&r->list, &r->source, action) ? PANEL_DRAW : PANEL_IGNORED;
}

static bool contains(const char *hay, size_t n, const char *needle)
{
	size_t len = strlen(needle);
	int first = tolower((unsigned char)*needle);

	for (size_t i = 0; i + len <= n; i++) {
		if (tolower((unsigned char)hay[i]) == first && !strncasecmp(hay + i, needle, len))
			return true;
	}
	return false;
}

/* Can a formatted number hold this text? */
static bool like_number(const char *text)
{
	return !text[strspn(text, "0123456789.,+-%/=~? bBdDeEgGhHkKmMnNpPsStTuUwW")];
}

/* A column of numbers with a unit: formatting one costs more than all else of a search. */
static bool is_measured(const struct rows *r, size_t column)
{
	const struct query_column *q;

	if (r->specs[column].cell)
		return r->specs[column].holds == ROWS_NUMBER;
	if (r->map[column] < 0)
		return false;
	q = query_column(r->query, (size_t)r->map[column]);
	return q->type == CULPRIT_F64 || ((q->type == CULPRIT_U64 || q->type == CULPRIT_I64) && q->unit != CULPRIT_NONE);
}

static bool row_contains(struct rows *r, size_t row, const char *text, bool number)
{
	for (size_t i = 0; i < r->nspecs; i++) {
		struct list_cell cell = {0};

		if (r->specs[i].holds == ROWS_PICTURE || (!number && is_measured(r, i)))
			continue;
		source_cell(r, row, i, &cell);
		if (cell.kind == LIST_TEXT && contains(cell.text, cell.len, text))
			return true;
	}
	return false;
}

void rows_selection(struct rows *r, bool restore)
{
	if (restore)
		list_restore(&r->list, &r->source, &r->mark);
	else
		r->mark = list_mark(&r->list);
}

bool rows_find(struct rows *r, const char *text, int direction)
{
	size_t n = source_count(r), at = r->list.selected;
	bool number = like_number(text);

	if (r->choosing)
		return rows_choose_find(r, text, direction);
	if (!n || !*text)
		return false;
	/* While it is typed each letter would look at all of ten thousand rows again. */
	if (r->missed[0] && r->missed_in == query_generation(r->query) && contains(text, strlen(text), r->missed))
		return false;
	for (size_t k = direction ? 1 : 0; k < n + (direction ? 1 : 0); k++) {
		size_t row = direction < 0 ? (at + n - k % n) % n : (at + k) % n;

		if (row_contains(r, row, text, number)) {
			list_select(&r->list, &r->source, row);
			return true;
		}
	}
	/* Of a tree what is folded was not looked at. */
	snprintf(r->missed, sizeof(r->missed), "%s", strlen(text) < sizeof(r->missed) && !in_tree(r) ? text : "");
	r->missed_in = query_generation(r->query);
	return false;
}

enum panel_result rows_click(struct rows *r, struct rect rect, int x, int y)
{
	long row = list_row_at(&r->list, &r->source, rect, y);

	(void)x;
	if (r->choosing)
		return PANEL_IGNORED;
	if (row < 0)
		return PANEL_IGNORED;
	list_select(&r->list, &r->source, (size_t)row);
	return PANEL_DRAW;
}

ssize_t rows_selected(const struct rows *r)
{
	return r->list.selected < source_count(r) ? (ssize_t)row_at(r, r->list.selected) : -1;
}

/* Names read from A, numbers from the largest, unless one asks for the other way round. */
static bool is_reversed(const struct rows *r)
{
	int c = r->query && r->sort[0] && !list_shows_sort(&r->list, &r->source) ? query_column_find(r->query, r->sort) : -1;

	return c >= 0 && r->ascending != (query_column(r->query, (size_t)c)->type == CULPRIT_TEXT);
}

void rows_place(const struct rows *r, char *out, size_t cap)
{
	char place[64], clock[32], count[24], left_out[48] = "", local[64] = "", on[4 * sizeof(r->follow.name) + 40] = "";
	struct query_info info = {0};

	if (r->choosing) {
		list_place(&r->choice_list, &r->choice_source, place, sizeof(place));
		snprintf(out, cap, "%s columns", place);
		return;
	}
	if (r->follow.on) {
		char name[4 * sizeof(r->follow.name) + 1];

		text_sanitise(name, sizeof(name), r->follow.name, strlen(r->follow.name), TEXT_UTF8);
		snprintf(on, sizeof(on), ", on %s %llu", name, (unsigned long long)r->follow.pid);
	}
	list_place(&r->list, &r->source, place, sizeof(place));
	/* Not of the recorder: its past does not reach farther back than this. */
	if (r->query)
		query_info(r->query, &info);
	if (info.routed)
		snprintf(local, sizeof(local), ", local since %s",
			 units_clock(clock, sizeof(clock), view_wall_ns(r->view, info.source_from_ns), view_zone_offset(r->view)));
	if (info.left_out)
		snprintf(left_out, sizeof(left_out), ", %s ended left out",
			 units_format_short(count, sizeof(count), (double)info.left_out, CULPRIT_COUNT));
	/* The sign in the header is not there where its column is not. */
	snprintf(out, cap, "%s%s%s%s%s%s%s%s%s", place, left_out, in_tree(r) ? ", tree" : "", r->sort[0] ? " by " : "",
		 sorts_by_change(r) ? "change of " : "", r->sort, is_reversed(r) ? ", reversed" : "", on, local);
}

bool rows_target(struct rows *r, struct panel_target *t)
{
	ssize_t row = rows_selected(r);
	bool thread = !strcmp(r->table, "thread");
	struct query_row q;
	struct value v;

	if (row < 0 || (!thread && strcmp(r->table, "process")) || !query_row(r->query, (size_t)row, &q) || q.folds)
		return false;
	rows_value(r, (size_t)row, "pid", &v);
	t->pid = v.state == VALUE_OK ? v.u : 0;
	rows_value(r, (size_t)row, thread ? "process_start" : "start", &v);
	t->start_ticks = v.state == VALUE_OK ? v.u : 0;
	rows_text(r, (size_t)row, "comm", t->name, sizeof(t->name));
	return t->pid && t->start_ticks;
}

static const char *ended_ago(const struct rows *r, uint64_t ended_ns, char *buf, size_t cap)
{
	struct query_info info;

	query_info(r->query, &info);
	return units_duration(buf, cap, info.to_ns > ended_ns ? info.to_ns - ended_ns : 0);
}

void rows_status(const struct rows *r, char *out, size_t cap)
{
	ssize_t row = rows_selected(r);
	struct query_row q;
	char age[32];

	out[0] = '\0';
	if (r->choosing)
		return;
	if (r->follow.on && r->follow.lost) {
		snprintf(out, cap, "%s %llu, which is followed, is not here: ended before, or filtered out",
			 r->follow.name, (unsigned long long)r->follow.pid);
		return;
	}
	if (row < 0 || !query_row(r->query, (size_t)row, &q))
		return;
	if (r->follow.on && q.ended_ns) {
		snprintf(out, cap, "%s %llu, which is followed, ended %s before the window's end", r->follow.name,
			 (unsigned long long)r->follow.pid, ended_ago(r, q.ended_ns, age, sizeof(age)));
		return;
	}
	for (size_t i = 0; i < r->nspecs; i++) {
		struct value v;

		if (r->map[i] < 0)
			continue;
		query_value(r->query, (size_t)row, (size_t)r->map[i], &v);
		if (v.state == VALUE_UNREAD && v.reason) {
			snprintf(out, cap, "%s is ?: %.*s", r->specs[i].title, (int)v.reason_len, v.reason);
			return;
		}
	}
	for (size_t i = 0; i < r->nspecs; i++) {
		struct value v;

		if (r->map[i] < 0)
			continue;
		query_value(r->query, (size_t)row, (size_t)r->map[i], &v);
		if (v.state == VALUE_OK && v.age_ns > 60000000000u) {
			snprintf(out, cap, "%s was read %s ago", r->specs[i].title,
				 units_duration(age, sizeof(age), v.age_ns));
			return;
		}
	}
}

void rows_value(struct rows *r, size_t row, const char *column, struct value *v)
{
	int i = r->query ? query_column_find(r->query, column) : -1;

	memset(v, 0, sizeof(*v));
	if (i >= 0)
		query_value(r->query, row, (size_t)i, v);
}

double rows_number(struct rows *r, size_t row, const char *column, double otherwise)
{
	double number = query_number(r->query, row, column);

	return isnan(number) ? otherwise : number;
}

void rows_text(struct rows *r, size_t row, const char *column, char *out, size_t cap)
{
	query_text(r->query, row, column, out, cap);
}

void rows_fit(const struct query_column *q, struct rows_column *c)
{
	size_t title = strlen(q->name);
	int width = units_width(q->unit);

	c->column = q->name;
	c->title = q->name;
	if (q->type == CULPRIT_TEXT || q->type == CULPRIT_STACK) {
		c->min = (uint16_t)(title > 8 ? title : q->role == CULPRIT_KEY ? 14 : 8);
		c->max = 40;
		c->weight = 1;
		return;
	}
	c->min = c->max = (uint16_t)(title > (size_t)width ? title : (size_t)width);
}
