/* What children add up to: a column of their table, summed, maximised or merged into the parent's rows. Children that
 * ended in the window count too. A roll-up into a table with the same key type adds a column to the same rows.
 * Whose child each row is, is found once a run, for all columns; what they add up to only for rows that somebody asks for: a
 * screen shows forty of ten thousand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

enum { BLOCK_ROWS = 64, NOT_ASKED = 3 /* beside enum value_state */ };

/* Counts of a histogram are many: each row is a block. */
static size_t block_rows(const struct qrollup *r)
{
	return r->bounds ? 1 : BLOCK_ROWS;
}

static size_t block_words(const struct qrollup *r)
{
	return r->bounds ? r->bounds->count : BLOCK_ROWS;
}

void query_rollup_rest(struct qrollup *r)
{
	free(r->states);
	free(r->blocks);
	free(r->cells);
	r->states = NULL;
	r->blocks = NULL;
	r->cells = NULL;
	r->cap = r->nblocks = r->blocks_cap = 0;
	r->run = 0;
}

void query_rollup_finish(struct qrollup *r)
{
	query_rollup_rest(r);
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
	memset(r->states, 0xff, r->cap / 4 + 1);
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

_Static_assert(VALUE_ABSENT == 0 && (int)VALUE_OK < NOT_ASKED && (int)VALUE_UNREAD < NOT_ASKED, "states of values fit in two bits");

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

void query_children_finish(struct query *q)
{
	for (size_t i = 0; i < q->nchildren; i++) {
		query_destroy(q->children[i].query);
		free(q->children[i].first);
		free(q->children[i].next);
	}
	free(q->children);
	q->children = NULL;
	q->nchildren = 0;
}

bool query_child_info(const struct query *q, const char *table, struct query_info *info)
{
	for (size_t i = 0; i < q->nchildren; i++) {
		const struct qchildren *c = &q->children[i];

		if (strcmp(c->table, table) != 0 || c->run != q->runs || c->failed)
			continue;
		query_info(c->query, info);
		return true;
	}
	return false;
}

static int fit_links(uint32_t **links, size_t *cap, size_t n)
{
	size_t more = n + n / 8 + 1;
	uint32_t *fit;

	if (!query_misfit(*cap, n))
		return 0;
	fit = realloc(*links, more * sizeof(**links));
	if (!fit)
		return -ENOMEM;
	/* Also where it stays in its place, which is what a smaller one mostly does. */
	*cap = more;
	*links = fit;
	return 0;
}

/* Puts each child into its parent's list, in their order. */
static int children_link(struct query *q, struct qchildren *c)
{
	size_t ids = q->in_scope > q->nrows ? q->in_scope : q->nrows;
	const struct schema_table *t = c->query->schema;
	struct key_index index = {NULL, 0};
	/* A table of the same things: its rows are the same rows. */
	bool same = t && t->key && q->schema->key && !strcmp(t->key, q->schema->key);
	int err = fit_links(&c->first, &c->first_cap, ids + 1);

	if (!err)
		err = fit_links(&c->next, &c->next_cap, c->query->nrows + 1);
	if (!err)
		err = key_index_build(&index, q);
	if (!err)
		memset(c->first, 0, (ids + 1) * sizeof(*c->first));
	for (size_t i = c->query->nrows; !err && t && i-- > 0;) {
		struct row memory;
		struct row_key key;
		uint32_t at, *first;

		query_row_key(t, query_row_end(c->query, query_at(c->query, i), &memory), same ? t->keys : t->parents,
			      same ? t->nkeys : t->nparent, &key);
		at = key_index_find(&index, q, &key);
		if (at == UINT32_MAX)
			continue;
		first = &c->first[query_at(q, at)->id];
		c->next[i] = *first;
		*first = (uint32_t)i + 1;
	}
	key_index_finish(&index);
	return err;
}

/* A screen asks for several columns of the same children, row by row and time after time: what was asked for in the last run goes
 * along with the first that is asked for in this one. To look a child up is most of the work. */
static void choose_along(const struct query *q, struct qchildren *c)
{
	c->nalong = 0;
	for (size_t i = 0; i < q->nrollups && c->nalong < QUERY_ALONG_MAX; i++)
		if (!strcmp(q->rollups[i].child->name, c->table) && q->rollups[i].asked && q->rollups[i].asked + 1 >= q->runs)
			c->along[c->nalong++] = (uint16_t)i;
}

/* The children of that table as of this run. NULL: they cannot be told; out of memory. */
static struct qchildren *children_of(struct query *q, const struct qrollup *r)
{
	struct lens lens = lens_window(q->from_ns, q->to_ns);
	struct qchildren *c = NULL;
	int err;

	for (size_t i = 0; i < q->nchildren && !c; i++)
		if (!strcmp(q->children[i].table, r->child->name))
			c = &q->children[i];
	if (!c) {
		struct qchildren *more = realloc(q->children, (q->nchildren + 1) * sizeof(*more));

		if (!more)
			return NULL;
		q->children = more;
		c = &more[q->nchildren++];
		memset(c, 0, sizeof(*c));
		for (size_t i = 0; r->child->name[i] && i < sizeof(c->table) - 1; i++)
			c->table[i] = r->child->name[i];
	}
	if (c->run == q->runs && (c->failed || query_stands(c->query)))
		return c->failed ? NULL : c;
	c->run = q->runs;
	c->failed = true;
	if (!query_helper(&c->query, q->view))
		return NULL;
	c->query->unsorted = c->query->unkeyed = true;
	err = query_run(c->query, &lens, r->child->name, 0, NULL);
	/* The child shares our place; if it could not, ours may have moved. */
	if ((err && err != -EBADMSG) || !query_stands(q) || children_link(q, c))
		return NULL;
	c->failed = false;
	choose_along(q, c);
	return c;
}

/* Of another run: nothing of it is known. */
static void begin(struct query *q, struct qrollup *r)
{
	if (r->run == q->runs)
		return;
	r->run = q->runs;
	r->column = -1;
	if (reserve(r, q->in_scope > q->nrows ? q->in_scope : q->nrows))
		r->cap = 0; /* all are absent */
}

/* How often it was asked for in the run before this one: what some rows of a list show does not go along with what is asked of all. */
static uint64_t times_before(const struct query *q, const struct qrollup *r)
{
	return r->asked == q->runs ? r->times_before : r->asked + 1 == q->runs ? r->times : 0;
}

/* Adds the row's children up, for this column and for those that go along, where they are not known. */
static void compute(struct query *q, struct qrollup *asked, uint32_t id)
{
	struct qchildren *c = children_of(q, asked);
	struct qrollup *together[QUERY_ALONG_MAX + 1] = {asked};
	size_t n = 1;

	for (size_t i = 0; c && i < c->nalong; i++) {
		struct qrollup *r = &q->rollups[c->along[i]];

		if (r == asked || 2 * times_before(q, r) < times_before(q, asked))
			continue;
		begin(q, r);
		if (id < r->cap && state_of(r, id) == NOT_ASKED)
			together[n++] = r;
	}
	for (size_t k = 0; k < n; k++) {
		set_state(together[k], id, VALUE_ABSENT);
		together[k]->reason_len = 0;
		together[k]->reasons_differ = false;
		if (c && together[k]->column < 0)
			together[k]->column = query_column_find(c->query, together[k]->rollup->column);
	}
	for (uint32_t i = c && c->query->schema ? c->first[id] : 0; i; i = c->next[i - 1]) {
		const struct qrow *row = query_at(c->query, i - 1);
		struct qrow_ends ends;
		struct derive d;

		query_row_derive(c->query, row, &ends, &d);
		for (size_t k = 0; d.end && k < n; k++) {
			struct value v;

			if (together[k]->column < 0 || !together[k]->cap)
				continue;
			query_row_value(c->query, row, &d, (size_t)together[k]->column, &v);
			if (add(together[k], id, &v))
				together[k]->cap = 0;
		}
	}
}

void query_rollup_value(struct query *q, struct qrollup *r, const struct qrow *row, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->type = r->type;
	v->unit = r->unit;
	if (r->asked != q->runs) {
		r->times_before = times_before(q, r);
		r->times = 0;
		r->asked = q->runs;
	}
	r->times++;
	begin(q, r);
	if (row->id >= r->cap)
		return;
	/* Why it could not be read is kept of one row alone. */
	if (state_of(r, row->id) == NOT_ASKED || state_of(r, row->id) == VALUE_UNREAD)
		compute(q, r, row->id);
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
