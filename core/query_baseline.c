/* The same rows in the lens's baseline: another window, of this view or of another recording. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

/* Rows of tasks by name: keys of tasks mean nothing in another recording, names do. The k-th of a name by key is taken for
 * the k-th of that name there. */
struct named {
	uint64_t name;
	uint32_t row, id, rank;
};

struct query_names {
	struct named *rows;
	uint32_t *by_id; /* row's id -> 1 + its place in rows: ids stay while rows are sorted */
	size_t n, ids;
};

void query_names_destroy(struct query_names *x)
{
	if (x) {
		free(x->rows);
		free(x->by_id);
	}
	free(x);
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int name_column(const struct query *q)
{
	const char *key = q->schema ? q->schema->key : NULL;

	if (!key || (strcmp(key, "process") != 0 && strcmp(key, "thread") != 0))
		return -1;
	return schema_column(q->schema, "comm");
}

/* Alive rows of q, by name and then by the order of their keys. NULL: none have names. */
static struct query_names *names_of(struct query *q)
{
	int c = name_column(q);
	struct query_names *x;

	if (c < 0 || !(x = calloc(1, sizeof(*x))))
		return NULL;
	x->ids = q->in_scope;
	x->rows = calloc(q->nrows + 1, sizeof(*x->rows));
	x->by_id = calloc(x->ids + 1, sizeof(*x->by_id));
	for (size_t i = 0; x->rows && x->by_id && i < q->nrows; i++) {
		struct row memory;
		const struct qrow *r = query_at(q, i);
		const struct row *row = query_row_end(q, r, &memory);
		struct row_key key;
		const char *text;
		size_t len;

		if (!row || row->states[c] != FORMAT_CELL_OK || r->ended)
			continue;
		text = segment_text(row->segment, row_cell(row, (uint32_t)c), &len);
		if (!text)
			continue;
		query_own_key(q, r, &key);
		/* `rank` orders by key at first. */
		x->rows[x->n++] = (struct named){row_key_text(text, len), (uint32_t)i, r->id, (uint32_t)key.bits[0]};
	}
	if (x->rows)
		qsort(x->rows, x->n, sizeof(*x->rows), by_name);
	for (size_t i = 0; i < x->n; i++) {
		x->rows[i].rank = i && x->rows[i - 1].name == x->rows[i].name ? x->rows[i - 1].rank + 1 : 0;
		if (x->rows[i].id < x->ids)
			x->by_id[x->rows[i].id] = (uint32_t)i + 1;
	}
	return x;
}

static ssize_t find_named(struct query *q, struct query *b, size_t row)
{
	const struct named *at;
	uint32_t id = query_at(q, row)->id;

	if (!q->names) {
		q->names = names_of(q);
		q->baseline_names = names_of(b);
	}
	if (!q->names || !q->baseline_names || id >= q->names->ids || !q->names->by_id[id])
		return -1;
	at = bsearch(&q->names->rows[q->names->by_id[id] - 1], q->baseline_names->rows, q->baseline_names->n,
		     sizeof(*at), by_name);
	return at ? (ssize_t)at->row : -1;
}

static void names_forget(struct query *q)
{
	query_names_destroy(q->names);
	query_names_destroy(q->baseline_names);
	q->names = q->baseline_names = NULL;
}

/* The query of the baseline, run; NULL: there is none, or it cannot be answered. */
static struct query *run_baseline(struct query *q)
{
	struct view *view = view_baseline(q->view) ? view_baseline(q->view) : q->view;
	struct query *b;

	if (!q->lens.has_baseline || !query_stands(q))
		return NULL;
	b = query_helper(&q->baseline, view);
	if (!b)
		return NULL;
	if (q->baseline_run != q->runs || !query_stands(b)) {
		struct lens lens = lens_window(q->lens.baseline_from_ns, q->lens.baseline_to_ns);
		int err;

		lens.has_range = q->lens.has_range;
		memcpy(lens.range_table, q->lens.range_table, sizeof(lens.range_table));
		memcpy(lens.range_column, q->lens.range_column, sizeof(lens.range_column));
		lens.range_lo = q->lens.range_lo;
		lens.range_hi = q->lens.range_hi;
		names_forget(q);
		err = query_run(b, &lens, q->table, q->flags, NULL);
		q->baseline_run = q->runs;
		q->baseline_failed = err && err != -EBADMSG;
	}
	/* What was asked meanwhile may have taken the place of either: its rows are gone then, until it is run again. */
	return q->baseline_failed || !query_stands(q) || !query_stands(b) ? NULL : b;
}

static ssize_t find_row(struct query *q, struct query *b, size_t row)
{
	struct row_key key;
	ssize_t other;

	query_own_key(q, query_at(q, row), &key);
	other = query_find(b, &key);
	return other < 0 && b->view != q->view ? find_named(q, b, row) : other;
}

static bool value_there(struct query *q, struct query *b, size_t row, size_t column, struct value *v)
{
	ssize_t other = find_row(q, b, row);
	int there = query_column_find(b, q->columns[column].is.name);

	if (other < 0 || there < 0)
		return false;
	query_value(b, (size_t)other, (size_t)there, v);
	return true;
}

bool query_baseline_value(struct query *q, size_t row, size_t column, struct value *v)
{
	struct query *b;

	memset(v, 0, sizeof(*v));
	if (row >= q->nrows || column >= q->ncolumns)
		return false;
	v->type = q->columns[column].is.type;
	v->unit = q->columns[column].is.unit;
	b = run_baseline(q);
	return b && value_there(q, b, row, column, v);
}

bool query_baseline_key(struct query *q, size_t row, struct row_key *ret)
{
	struct query *b = row < q->nrows ? run_baseline(q) : NULL;
	ssize_t other = b ? find_row(q, b, row) : -1;

	if (other < 0)
		return false;
	query_own_key(b, query_at(b, (size_t)other), ret);
	return true;
}

bool query_compares(const struct query *q, size_t column)
{
	const struct query_column *c = query_column(q, column);

	if (!q->schema || q->schema->kind != CULPRIT_STATE || !c)
		return false;
	if (c->type != CULPRIT_U64 && c->type != CULPRIT_I64 && c->type != CULPRIT_F64)
		return false;
	if (c->unit == CULPRIT_WALL_NS || c->unit == CULPRIT_MONO_NS || c->unit == CULPRIT_TICKS)
		return false;
	if (c->origin == QUERY_COLUMN_DERIVED)
		return q->schema->derived[q->columns[column].index].op != CULPRIT_SINCE;
	return c->origin == QUERY_COLUMN_ROLLED || c->role == CULPRIT_GAUGE || c->role == CULPRIT_COUNTER ||
	       c->role == CULPRIT_PEAK;
}

enum query_change query_change(struct query *q, size_t row, size_t column, double *ret_change, double *ret_before)
{
	struct value now, before;
	struct query *b;
	double x, y;

	if (row >= q->nrows || column >= q->ncolumns || !query_compares(q, column))
		return QUERY_CHANGE_UNKNOWN;
	b = run_baseline(q);
	if (!b)
		return QUERY_CHANGE_UNKNOWN;
	if (find_row(q, b, row) < 0)
		return QUERY_CHANGE_NEW;
	if (!value_there(q, b, row, column, &before) || !value_number(&before, &y))
		return QUERY_CHANGE_UNKNOWN;
	query_value(q, row, column, &now);
	if (!value_number(&now, &x))
		return QUERY_CHANGE_UNKNOWN;
	*ret_change = x - y;
	*ret_before = y;
	return QUERY_CHANGE_KNOWN;
}
