/* What children add up to: a column of their table, summed, maximised or merged into the parent's rows. Children that
 * ended in the window count too. A roll-up into a table with the same key type adds a column to the same rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

void query_rollup_finish(struct qrollup *r)
{
	free(r->states);
	free(r->cells);
	free(r->counts);
	memset(r, 0, sizeof(*r));
}

static int reserve(struct qrollup *r, size_t n)
{
	size_t words = r->bounds ? n * r->bounds->count : 0;

	if (n > r->cap) {
		uint8_t *states = realloc(r->states, n);
		uint64_t *cells;

		if (!states)
			return -ENOMEM;
		r->states = states;
		cells = realloc(r->cells, n * sizeof(*cells));
		if (!cells)
			return -ENOMEM;
		r->cells = cells;
		r->cap = n;
	}
	if (words > r->counts_cap) {
		uint64_t *counts = realloc(r->counts, words * sizeof(*counts));

		if (!counts)
			return -ENOMEM;
		r->counts = counts;
		r->counts_cap = words;
	}
	r->reason_len = 0;
	r->reasons_differ = false;
	memset(r->states, VALUE_ABSENT, n);
	memset(r->cells, 0, n * sizeof(*r->cells));
	if (words)
		memset(r->counts, 0, words * sizeof(*r->counts));
	return 0;
}

static void add_reason(struct qrollup *r, const struct value *v)
{
	size_t len = v->reason_len < sizeof(r->reason) ? v->reason_len : sizeof(r->reason);

	if (!len || r->reasons_differ)
		return;
	if (!r->reason_len) {
		memcpy(r->reason, v->reason, len);
		r->reason_len = len;
	} else {
		r->reasons_differ = len != r->reason_len || memcmp(r->reason, v->reason, len) != 0;
	}
}

static void add(struct qrollup *r, uint32_t id, const struct value *v)
{
	bool first = r->states[id] != VALUE_OK;
	bool max = r->rollup->op == CULPRIT_ROLL_MAX;
	double a, b;

	if (v->state == VALUE_UNREAD) {
		add_reason(r, v);
		if (first)
			r->states[id] = VALUE_UNREAD;
	}
	if (v->state != VALUE_OK)
		return;
	r->states[id] = VALUE_OK;
	if (r->bounds) {
		for (uint32_t i = 0; i < r->bounds->count; i++)
			r->counts[(size_t)id * r->bounds->count + i] += v->hist.counts[i];
		return;
	}
	switch (r->type) {
	case CULPRIT_U64:
		if (!max)
			r->cells[id] += v->u;
		else if (first || v->u > r->cells[id])
			r->cells[id] = v->u;
		break;
	case CULPRIT_I64:
		if (!max)
			r->cells[id] += (uint64_t)v->i;
		else if (first || v->i > (int64_t)r->cells[id])
			r->cells[id] = (uint64_t)v->i;
		break;
	case CULPRIT_BOOL:
		/* Some child has it. */
		r->cells[id] |= v->b;
		break;
	default:
		memcpy(&a, &r->cells[id], sizeof(a));
		b = v->f;
		a = first ? b : max ? (b > a ? b : a) : a + b;
		memcpy(&r->cells[id], &a, sizeof(a));
	}
}

static int compute(struct query *q, struct qrollup *r)
{
	struct lens lens = lens_window(q->from_ns, q->to_ns);
	struct key_index index = {NULL, 0};
	struct query *child = query_helper(&q->child, q->view);
	bool same;
	int err = child ? reserve(r, q->in_scope > q->nrows ? q->in_scope : q->nrows) : -ENOMEM, column;

	if (!err)
		err = key_index_build(&index, q);
	if (!err) {
		child->unsorted = true;
		err = query_run(child, &lens, r->child->name, 0, NULL);
		err = err == -EBADMSG ? 0 : err;
	}
	/* The child shares our place; if it could not, ours may have moved. */
	if (err || !query_stands(q)) {
		key_index_finish(&index);
		return err;
	}
	column = query_column_find(child, r->rollup->column);
	/* A table of the same things: its rows are the same rows. */
	same = child->schema && child->schema->key && q->schema->key && !strcmp(child->schema->key, q->schema->key);
	for (size_t i = 0; column >= 0 && child->schema && i < child->nrows; i++) {
		struct row memory;
		struct row_key key;
		struct value v;
		uint32_t at;

		query_row_key(child->schema, query_row_end(child, &child->rows[i], &memory),
			      same ? child->schema->keys : child->schema->parents,
			      same ? child->schema->nkeys : child->schema->nparent, &key);
		at = key_index_find(&index, q, &key);
		if (at == UINT32_MAX)
			continue;
		query_value(child, i, (size_t)column, &v);
		add(r, q->rows[at].id, &v);
	}
	key_index_finish(&index);
	return 0;
}

void query_rollup_value(struct query *q, struct qrollup *r, const struct qrow *row, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->type = r->type;
	v->unit = r->unit;
	if (r->run != q->runs) {
		r->run = q->runs;
		if (compute(q, r))
			memset(r->states, VALUE_ABSENT, r->cap);
	}
	if (row->id >= r->cap)
		return;
	v->state = r->states[row->id];
	if (v->state == VALUE_UNREAD) {
		/* One for all says what to do; of several, none would be true for every row. */
		bool one = r->reason_len && !r->reasons_differ;

		v->reason = one ? r->reason : "could not be read for any of them";
		v->reason_len = one ? r->reason_len : strlen(v->reason);
	}
	if (v->state != VALUE_OK)
		return;
	if (r->bounds) {
		v->hist.counts = r->counts + (size_t)row->id * r->bounds->count;
		v->hist.bounds = r->bounds;
	} else if (r->type == CULPRIT_BOOL) {
		v->b = r->cells[row->id] != 0;
	} else {
		/* The cell has the type's bits. */
		memcpy(&v->u, &r->cells[row->id], sizeof(v->u));
	}
}
