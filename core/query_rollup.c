/* What children add up to: a column of their table, summed, maximised or merged into the parent's rows. Children that
 * ended in the window count too. A roll-up into a table with the same key type adds a column to the same rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

enum { BLOCK_ROWS = 64 };

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
		child->unsorted = child->unkeyed = true;
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
	for (size_t i = 0; !err && column >= 0 && child->schema && i < child->nrows; i++) {
		struct row memory;
		struct row_key key;
		struct value v;
		uint32_t at;

		query_row_key(child->schema, query_row_end(child, query_at(child, i), &memory),
			      same ? child->schema->keys : child->schema->parents,
			      same ? child->schema->nkeys : child->schema->nparent, &key);
		at = key_index_find(&index, q, &key);
		if (at == UINT32_MAX)
			continue;
		query_value(child, i, (size_t)column, &v);
		err = add(r, query_at(q, at)->id, &v);
	}
	key_index_finish(&index);
	if (!err && query_misfit(r->blocks_cap * block_words(r), r->nblocks * block_words(r)))
		(void)!fit_blocks(r, r->nblocks);
	return err;
}

void query_rollup_value(struct query *q, struct qrollup *r, const struct qrow *row, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->type = r->type;
	v->unit = r->unit;
	if (r->run != q->runs) {
		r->run = q->runs;
		if (compute(q, r))
			r->cap = 0; /* all are absent */
	}
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
