/* What children add up to: a column of their table, summed, maximised or merged into the parent's rows. Children that
 * ended in the window count too. A roll-up into a table with the same key type adds a column to the same rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

enum {
	BLOCK_ROWS = 64,
	ALONG_MAX = 32, /* columns of one pass; what is beyond has its own */
};

/* Counts of a histogram are many: each row is a block. */
static size_t block_rows(const struct qrollup *r)
{
	return r->bounds ? 1 : BLOCK_ROWS;
}

static size_t block_words(const struct qrollup *r)
{
	return r->bounds ? r->bounds->count : BLOCK_ROWS;
}

void query_rollup_finish(struct qrollup *r)
{
	free(r->states);
	free(r->blocks);
	free(r->cells);
	memset(r, 0, sizeof(*r));
}

static int fit_blocks(struct qrollup *r, size_t blocks)
{
	uint64_t *cells = realloc(r->cells, blocks * block_words(r) * sizeof(*cells));

	if (!cells)
		return -ENOMEM;
	r->cells = cells;
	r->blocks_cap = blocks;
	return 0;
}

static int reserve(struct qrollup *r, size_t n)
{
	if (query_misfit(r->cap, n)) {
		uint8_t *states = realloc(r->states, n / 4 + 1);
		uint32_t *blocks;

		if (!states)
			return -ENOMEM;
		r->states = states;
		/* The other one may not follow: no more is claimed than both hold. */
		if (r->cap > n)
			r->cap = n;
		blocks = realloc(r->blocks, (n / block_rows(r) + 1) * sizeof(*blocks));
		if (!blocks)
			return -ENOMEM;
		r->blocks = blocks;
		r->cap = n;
	}
	if (!r->cells && fit_blocks(r, 1))
		return -ENOMEM;
	r->nblocks = 1;
	r->reason_len = 0;
	r->reasons_differ = false;
	memset(r->states, 0, r->cap / 4 + 1);
	memset(r->blocks, 0, (r->cap / block_rows(r) + 1) * sizeof(*r->blocks));
	memset(r->cells, 0, block_words(r) * sizeof(*r->cells));
	return 0;
}

static unsigned state_of(const struct qrollup *r, uint32_t id)
{
	return r->states[id / 4] >> id % 4 * 2 & 3;
}

static void set_state(struct qrollup *r, uint32_t id, unsigned state)
{
	r->states[id / 4] = (uint8_t)((r->states[id / 4] & ~(3u << id % 4 * 2)) | state << id % 4 * 2);
}

/* The row's number, or the counts of its histogram. */
static const uint64_t *cells_of(const struct qrollup *r, uint32_t id)
{
	return r->cells + r->blocks[id / block_rows(r)] * block_words(r) + (r->bounds ? 0 : id % BLOCK_ROWS);
}

/* The same to be written. NULL: out of memory. */
static uint64_t *own_cells(struct qrollup *r, uint32_t id)
{
	uint32_t *block = &r->blocks[id / block_rows(r)];

	if (!*block) {
		if (r->nblocks == r->blocks_cap && fit_blocks(r, r->nblocks + r->nblocks / 8 + 4))
			return NULL;
		*block = (uint32_t)r->nblocks++;
		memset(r->cells + *block * block_words(r), 0, block_words(r) * sizeof(*r->cells));
	}
	return (uint64_t *)cells_of(r, id);
}

_Static_assert(VALUE_ABSENT == 0 && VALUE_OK < 4 && VALUE_UNREAD < 4, "states of values fit in two bits");

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

static int add_counts(struct qrollup *r, uint32_t id, const uint64_t *counts)
{
	uint64_t *sums = NULL;

	for (uint32_t i = 0; i < r->bounds->count; i++) {
		if (!counts[i])
			continue;
		if (!sums && !(sums = own_cells(r, id)))
			return -ENOMEM;
		sums[i] += counts[i];
	}
	return 0;
}

/* What the number is with this child's; `first`: there was none before. */
static uint64_t added(const struct qrollup *r, uint64_t cell, const struct value *v, bool first)
{
	bool max = r->rollup->op == CULPRIT_ROLL_MAX;
	double a, b;

	switch (r->type) {
	case CULPRIT_U64:
		return !max ? cell + v->u : first || v->u > cell ? v->u : cell;
	case CULPRIT_I64:
		return !max ? cell + (uint64_t)v->i : first || v->i > (int64_t)cell ? (uint64_t)v->i : cell;
	case CULPRIT_BOOL:
		/* Some child has it. */
		return cell | v->b;
	default:
		memcpy(&a, &cell, sizeof(a));
		b = v->f;
		a = first ? b : max ? (b > a ? b : a) : a + b;
		memcpy(&cell, &a, sizeof(cell));
		return cell;
	}
}

static int add(struct qrollup *r, uint32_t id, const struct value *v)
{
	bool first = state_of(r, id) != VALUE_OK;
	uint64_t cell, sum, *own;

	if (v->state == VALUE_UNREAD) {
		add_reason(r, v);
		if (first)
			set_state(r, id, VALUE_UNREAD);
	}
	if (v->state != VALUE_OK)
		return 0;
	set_state(r, id, VALUE_OK);
	if (r->bounds)
		return add_counts(r, id, v->hist.counts);
	cell = *cells_of(r, id);
	sum = added(r, cell, v, first);
	if (sum == cell)
		return 0;
	own = own_cells(r, id);
	if (!own)
		return -ENOMEM;
	*own = sum;
	return 0;
}

/* A screen asks for several columns of the same children, row by row and time after time: what was asked for in the last
 * run goes along with the first that is asked for in this one. To find each child's parent is most of the work. */
static bool goes_along(const struct query *q, const struct qrollup *r, const struct qrollup *asked)
{
	return r == asked || (r->child == asked->child && r->run != q->runs && r->asked && r->asked + 1 >= q->runs);
}

/* One pass over the children, for all columns that go along. */
static int add_children(struct query *q, struct query *child, struct qrollup *const *along, size_t nalong)
{
	const struct schema_table *t = child->schema;
	/* A table of the same things: its rows are the same rows. */
	bool same = t->key && q->schema->key && !strcmp(t->key, q->schema->key);
	struct key_index index = {NULL, 0};
	int err = key_index_build(&index, q);

	for (size_t k = 0; k < nalong; k++)
		along[k]->from = query_column_find(child, along[k]->rollup->column);
	for (size_t i = 0; !err && i < child->nrows; i++) {
		const struct qrow *row = query_at(child, i);
		struct qrow_ends ends;
		struct row_key key;
		struct derive d;
		struct value v;
		uint32_t at;

		query_row_derive(child, row, &ends, &d);
		if (!d.end)
			continue;
		query_row_key(t, d.end, same ? t->keys : t->parents, same ? t->nkeys : t->nparent, &key);
		at = key_index_find(&index, q, &key);
		for (size_t k = 0; at != UINT32_MAX && !err && k < nalong; k++) {
			if (along[k]->from < 0)
				continue;
			query_row_value(child, row, &d, (size_t)along[k]->from, &v);
			err = add(along[k], query_at(q, at)->id, &v);
		}
	}
	key_index_finish(&index);
	return err;
}

static void compute(struct query *q, struct qrollup *asked)
{
	struct lens lens = lens_window(q->from_ns, q->to_ns);
	struct query *child = query_helper(&q->child, q->view);
	struct qrollup *along[ALONG_MAX];
	size_t nalong = 0;
	int err = child ? 0 : -ENOMEM;

	for (size_t i = 0; i < q->nrollups && nalong < ALONG_MAX; i++)
		if (goes_along(q, &q->rollups[i], asked) && (nalong + 1 < ALONG_MAX || &q->rollups[i] >= asked))
			along[nalong++] = &q->rollups[i];
	for (size_t k = 0; k < nalong; k++) {
		along[k]->run = q->runs;
		if (!err)
			err = reserve(along[k], q->in_scope > q->nrows ? q->in_scope : q->nrows);
	}
	if (!err) {
		child->unsorted = child->unkeyed = true;
		err = query_run(child, &lens, asked->child->name, 0, NULL);
		err = err == -EBADMSG ? 0 : err;
	}
	/* The child shares our place; if it could not, ours may have moved. */
	if (!err && query_stands(q) && child->schema)
		err = add_children(q, child, along, nalong);
	for (size_t k = 0; k < nalong; k++) {
		struct qrollup *r = along[k];

		if (err)
			r->cap = 0; /* all are absent */
		else if (query_misfit(r->blocks_cap * block_words(r), r->nblocks * block_words(r)))
			(void)!fit_blocks(r, r->nblocks);
	}
}

void query_rollup_value(struct query *q, struct qrollup *r, const struct qrow *row, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->type = r->type;
	v->unit = r->unit;
	r->asked = q->runs;
	if (r->run != q->runs)
		compute(q, r);
	if (row->id >= r->cap)
		return;
	v->state = state_of(r, row->id);
	if (v->state == VALUE_UNREAD) {
		/* One for all says what to do; of several, none would be true for every row. */
		bool one = r->reason_len && !r->reasons_differ;

		v->reason = one ? r->reason : "could not be read for any of them";
		v->reason_len = one ? r->reason_len : strlen(v->reason);
	}
	if (v->state != VALUE_OK)
		return;
	if (r->bounds) {
		v->hist.counts = cells_of(r, row->id);
		v->hist.bounds = r->bounds;
	} else if (r->type == CULPRIT_BOOL) {
		v->b = *cells_of(r, row->id) != 0;
	} else {
		/* The cell has the type's bits. */
		memcpy(&v->u, cells_of(r, row->id), sizeof(v->u));
	}
}
