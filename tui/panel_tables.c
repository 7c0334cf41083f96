/* Tables: every table that is sampled, whoever samples it, and a chart of any number in it. Made from the schema alone. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialog.h"
#include "error.h"
#include "panels.h"
#include "row_chart.h"
#include "rows.h"
#include "schema.h"
#include "units.h"

enum {
	TABLES_MENU = ROWS_ACTION_LAST + 1,
	TABLES_CHART_NEXT,
	TABLES_CHART_PREVIOUS,
	COLUMNS_MAX = LIST_COLUMNS_MAX,
};

struct menu_row {
	char name[LENS_NAME_MAX], help[160], state[96];
	uint64_t rows;
	double cost; /* percent of one CPU; NaN: not known */
};

struct tables {
	bool menu; /* the list of tables is shown */
	struct menu_row *entries;
	size_t nentries;
	struct list list;
	struct list_mark mark;
	struct list_source source;

	char table[LENS_NAME_MAX];
	struct rows rows;
	struct rows_column columns[COLUMNS_MAX];
	char titles[COLUMNS_MAX][SCHEMA_NAME_MAX + 1];
	size_t ncolumns;
	bool laid_out; /* the columns are this table's */

	char chart_column[SCHEMA_NAME_MAX + 1];
	struct row_chart chart;
	int chart_w;
	uint64_t scope_tid; /* the thread whose table was opened by itself */
	struct query *meta; /* of `collector` */
	struct view *view;
};

static size_t menu_count(const void *self)
{
	return ((const struct tables *)self)->nentries;
}

static struct list_id menu_id(const void *self, size_t row)
{
	const char *name = ((const struct tables *)self)->entries[row].name;

	return (struct list_id){row_key_text(name, strlen(name)), 2};
}

static void menu_cell(const void *self, size_t row, size_t column, struct list_cell *cell)
{
	const struct menu_row *m = &((const struct tables *)self)->entries[row];
	char text[256 + 8];

	cell->own = column == 1;
	if (column == 0)
		snprintf(text, sizeof(text), "%s", m->name);
	else if (column == 1)
		units_format_short(text, sizeof(text), (double)m->rows, CULPRIT_COUNT);
	else
		snprintf(text, sizeof(text), "%s%s%s", m->state, m->state[0] ? ": " : "", m->help);
	if (column == 2 && m->state[0])
		cell->role = ROLE_UNREAD;
	cell->len = (uint16_t)strnlen(text, sizeof(cell->text));
	memcpy(cell->text, text, cell->len);
}

static const struct list_column menu_columns[] = {
	{.title = "table", .min = 12, .max = 24, .sticky = true},
	{.title = "rows", .min = 6, .max = 6, .right = true},
	{.title = "what it holds", .min = 20, .max = 200, .weight = 1},
};

static void *tables_create(void)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->menu = true;
	t->chart_w = 80;
	list_init(&t->list);
	t->source = (struct list_source){.self = t,
					 .columns = menu_columns,
					 .ncolumns = 3,
					 .count = menu_count,
					 .id = menu_id,
					 .cell = menu_cell};
	rows_init(&t->rows, "", NULL, 0, NULL);
	return t;
}

static void tables_destroy(void *self)
{
	struct tables *t = self;

	if (!t)
		return;
	rows_finish(&t->rows);
	query_destroy(t->meta);
	free(t->entries);
	free(t);
}

static int menu_update(struct tables *t, struct view *view, const struct lens *lens, struct culprit_error *error)
{
	const struct schema *schema = view_schema(view);
	struct lens whole = *lens;
	size_t n = schema ? schema->ntables : 0;
	const char *names[64];

	free(t->entries);
	t->nentries = 0;
	t->entries = calloc(n + 1, sizeof(*t->entries));
	if (!t->entries)
		return error_set(error, -ENOMEM, "out of memory");
	/* The schema is borrowed until the next query: take the names first. */
	for (size_t i = 0; i < n; i++) {
		snprintf(t->entries[i].name, sizeof(t->entries[i].name), "%s", schema->tables[i]->name);
		snprintf(t->entries[i].help, sizeof(t->entries[i].help), "%s", schema->tables[i]->help);
	}
	t->nentries = n;
	whole.filter[0] = '\0';
	if (!t->meta && !(t->meta = query_create(view)))
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n && i < sizeof(names) / sizeof(names[0]); i++)
		names[i] = t->entries[i].name;
	query_expect(t->meta, &whole, names, n < sizeof(names) / sizeof(names[0]) ? n : sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < n; i++) {
		struct query_info info;

		/* How many: neither in which order, nor what others know of them. */
		if (query_run(t->meta, &whole, t->entries[i].name, QUERY_OWN | QUERY_COUNT, NULL))
			continue;
		query_info(t->meta, &info);
		t->entries[i].rows = query_nrows(t->meta);
		if (info.state == CULPRIT_MISSING || info.state == CULPRIT_FAILED || info.state == CULPRIT_LATE)
			snprintf(t->entries[i].state, sizeof(t->entries[i].state), "%.*s", (int)info.reason_len,
				 info.reason ? info.reason : "");
	}
	list_sync(&t->list, &t->source);
	return 0;
}

static void table_open(struct tables *t, const char *name)
{
	snprintf(t->table, sizeof(t->table), "%s", name);
	rows_finish(&t->rows);
	rows_init(&t->rows, t->table, NULL, 0, NULL);
	t->menu = false;
	t->laid_out = false;
	t->chart_column[0] = '\0';
}

static bool is_number_column(const struct query_column *c)
{
	return c->role != CULPRIT_KEY && (c->type == CULPRIT_I64 || c->type == CULPRIT_U64 || c->type == CULPRIT_F64);
}

/* The columns shown at first in front, then the others: those that don't fit are moved into view sideways. */
static void lay_out(struct tables *t)
{
	const struct schema_table *schema = query_table(t->rows.query);
	uint16_t shown[COLUMNS_MAX];
	size_t n = query_shown(t->rows.query, shown, COLUMNS_MAX), all = query_ncolumns(t->rows.query);

	t->ncolumns = 0;
	for (size_t i = 0; i < n + all && t->ncolumns < COLUMNS_MAX; i++) {
		size_t c = i < n ? shown[i] : i - n;
		const struct query_column *q = query_column(t->rows.query, c);
		struct rows_column *to = &t->columns[t->ncolumns];

		if (i >= n && q->shown)
			continue;
		memset(to, 0, sizeof(*to));
		rows_fit(q, to);
		/* The names outlive the query's. */
		snprintf(t->titles[t->ncolumns], sizeof(t->titles[0]), "%s", q->name);
		to->column = to->title = t->titles[t->ncolumns++];
		if (!t->chart_column[0] && is_number_column(q))
			snprintf(t->chart_column, sizeof(t->chart_column), "%s", q->name);
	}
	if (schema && schema->sort[0] && schema_column(schema, schema->sort) < 0 &&
	    schema_derived(schema, schema->sort) < 0)
		schema = NULL;
	snprintf(t->rows.sort, sizeof(t->rows.sort), "%s", schema ? schema->sort : "");
	if (schema && schema->sort[0] &&
	    is_number_column(query_column(t->rows.query, (size_t)query_column_find(t->rows.query, schema->sort))))
		snprintf(t->chart_column, sizeof(t->chart_column), "%s", schema->sort);
	rows_set_columns(&t->rows, t->columns, t->ncolumns);
	t->laid_out = true;
}

static void chart_update(struct tables *t, struct view *view, const struct lens *lens, const struct panel_time *time)
{
	ssize_t row = rows_selected(&t->rows);
	struct query_row q;
	struct row_key before;
	struct value name;
	char who[48] = "";
	int column;

	t->chart.known = false;
	if (row < 0 || !t->chart_column[0] || !query_row(t->rows.query, (size_t)row, &q) || !q.key.n)
		return;
	column = query_column_find(t->rows.query, t->chart_column);
	if (column < 0)
		return;
	query_value(t->rows.query, (size_t)row, 0, &name);
	if (name.state == VALUE_OK && name.type == CULPRIT_TEXT)
		snprintf(who, sizeof(who), "%.*s", (int)(name.text.len < 40 ? name.text.len : 40), name.text.p);
	else if (name.state == VALUE_OK && strcmp(query_column(t->rows.query, 0)->name, "id"))
		snprintf(who, sizeof(who), "%s %lld", query_column(t->rows.query, 0)->name, (long long)name.i);
	if (!query_baseline_key(t->rows.query, (size_t)row, &before))
		before = q.key;
	row_chart_update(&t->chart, view, lens, time, t->table, t->chart_column,
			 query_column(t->rows.query, (size_t)column)->unit, &q.key, &before, who,
			 t->chart_w);
}

static int tables_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			 struct culprit_error *error)
{
	struct tables *t = self;
	int r;

	if (!view)
		return 0;
	if (t->view != view) {
		query_destroy(t->meta);
		t->meta = NULL;
		t->view = view;
	}
	if (lens->scope.has_thread && lens->scope.tid != t->scope_tid) {
		t->scope_tid = lens->scope.tid;
		table_open(t, "thread");
	} else if (!lens->scope.has_thread && t->scope_tid) {
		t->scope_tid = 0;
	}
	if (t->menu)
		return menu_update(t, view, lens, error);
	r = rows_update(&t->rows, view, lens, 0, error);
	if (r && r != -EBADMSG)
		return r;
	if (!t->laid_out) {
		lay_out(t);
		r = rows_update(&t->rows, view, lens, 0, error);
		if (r && r != -EBADMSG)
			return r;
	}
	chart_update(t, view, lens, time);
	return r;
}

static void tables_draw(void *self, struct surface *s, struct rect r)
{
	struct tables *t = self;
	int chart_h = r.h >= 14 ? 7 : 0;
	char place[96];

	if (t->menu) {
		list_draw(&t->list, &t->source, s, r);
		return;
	}
	t->chart_w = r.w;
	if (r.h >= 4) {
		rows_place(&t->rows, place, sizeof(place));
		int used = 1 + surface_put(s, r.x + 1, r.y, r.w - 1, ROLE_STRONG, 0, t->table, strlen(t->table));

		surface_say_right(s, r.x + used, r.y, r.w - used, ROLE_MUTED, place);
		r.y++;
		r.h--;
	}
	rows_draw(&t->rows, s, (struct rect){r.x, r.y, r.w, r.h - chart_h});
	rows_draw_why_empty(&t->rows, s, (struct rect){r.x + 1, r.y + 2, r.w - 2, r.h - chart_h - 2});
	if (chart_h)
		row_chart_draw(&t->chart, s, (struct rect){r.x, r.y + r.h - chart_h, r.w, chart_h},
			       "no number to chart here; c chooses a column");
}

/* The next or previous column that is a number. */
static void chart_step(struct tables *t, int step)
{
	size_t n = t->ncolumns, at = n;

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(t->columns[i].column, t->chart_column))
			at = i;
	}
	for (size_t k = 1; k <= n; k++) {
		size_t i = step > 0 ? (at + k) % n : (at + n * 2 - k) % n;
		int c = query_column_find(t->rows.query, t->columns[i].column);

		if (c < 0 || !is_number_column(query_column(t->rows.query, (size_t)c)))
			continue;
		snprintf(t->chart_column, sizeof(t->chart_column), "%s", t->columns[i].column);
		return;
	}
}

static enum panel_result tables_action(void *self, int action, struct panel_request *want)
{
	struct tables *t = self;

	(void)want;
	if (action == TABLES_MENU && !t->menu) {
		t->menu = true;
		return PANEL_UPDATE;
	}
	if (t->menu) {
		if (action != ACTION_DEEPER)
			return list_move(&t->list, &t->source, action) ? PANEL_DRAW : PANEL_IGNORED;
		if (t->list.selected >= t->nentries)
			return PANEL_IGNORED;
		table_open(t, t->entries[t->list.selected].name);
		return PANEL_UPDATE;
	}
	if (action == TABLES_CHART_NEXT || action == TABLES_CHART_PREVIOUS) {
		if (t->rows.query && !t->rows.failed)
			chart_step(t, action == TABLES_CHART_NEXT ? 1 : -1);
		return PANEL_UPDATE;
	}
	/* The chart is of the selected row. */
	return rows_action(&t->rows, action) == PANEL_IGNORED ? PANEL_IGNORED : PANEL_UPDATE;
}

static int tables_command(void *self, const char *name, const char *argument, struct panel_request *want,
			  struct culprit_error *error)
{
	struct tables *t = self;

	(void)want;
	if (!strcmp(name, "table")) {
		if (!argument || !*argument)
			return error_set(error, -EINVAL, "table needs the name of a table: table disk");
		if (t->view && !view_table(t->view, argument)) {
			char near[128];

			return error_set(error, -EINVAL, "there is no table %.40s%s", argument,
					 view_suggest_table(t->view, argument, near, sizeof(near)));
		}
		table_open(t, argument);
		return 0;
	}
	if (!strcmp(name, "chart")) {
		if (!argument || !t->rows.query || query_column_find(t->rows.query, argument) < 0)
			return error_set(error, -EINVAL, "chart needs the name of a column of this table");
		snprintf(t->chart_column, sizeof(t->chart_column), "%s", argument);
		return 0;
	}
	return t->menu ? -ENOENT : rows_command(&t->rows, name, argument, error);
}

static const char *tables_complete(void *self, const char *command, size_t i)
{
	struct tables *t = self;

	if (!strcmp(command, "table"))
		return i < t->nentries ? t->entries[i].name : NULL;
	if (!strcmp(command, "chart"))
		return i < t->ncolumns ? t->columns[i].column : NULL;
	return rows_complete(&t->rows, command, i);
}

static bool tables_find(void *self, const char *text, int direction)
{
	struct tables *t = self;

	if (!t->menu)
		return rows_find(&t->rows, text, direction);
	/* Who types "disk" means the table of that name, not the one before that speaks of disks. */
	for (int in_help = 0; in_help < 2; in_help++) {
		for (size_t k = direction ? 1 : 0; k <= t->nentries && t->nentries; k++) {
			size_t n = t->nentries, i = (t->list.selected + (direction < 0 ? n - k % n : k)) % n;

			if (!strcasestr(in_help ? t->entries[i].help : t->entries[i].name, text))
				continue;
			list_select(&t->list, &t->source, i);
			return true;
		}
	}
	return false;
}

static void tables_selection(void *self, bool restore)
{
	struct tables *t = self;

	if (!t->menu)
		rows_selection(&t->rows, restore);
	else if (restore)
		list_restore(&t->list, &t->source, &t->mark);
	else
		t->mark = list_mark(&t->list);
}

static void tables_status(const void *self, char *out, size_t cap)
{
	const struct tables *t = self;

	out[0] = '\0';
	if (!t->menu)
		rows_status(&t->rows, out, cap);
}

static const struct binding keys[] = {
	{TABLES_CHART_NEXT, "chart-next", {'c'}, "c chart", "chart the next column (:chart NAME for any)"},
	{TABLES_MENU, "menu", {'T'}, "T tables", "the list of tables (:table NAME opens one)"},
	{TABLES_CHART_PREVIOUS, "chart-previous", {'C'}, NULL, "chart the column before"},
	ROWS_BINDINGS,
};

const struct panel tables_panel = {
	.name = "tables",
	.title = "Tables",
	.key = 't',
	.help = "Every table that is sampled. Enter opens one: its rows over the window, and below a chart of one number of the "
		"selected row. Left and right show the columns that don't fit. What a column means: culprit dump TABLE --help, or "
		"docs/TABLES.md.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = tables_create,
	.destroy = tables_destroy,
	.update = tables_update,
	.draw = tables_draw,
	.action = tables_action,
	.command = tables_command,
	.complete = tables_complete,
	.find = tables_find,
	.selection = tables_selection,
	.status = tables_status,
};
