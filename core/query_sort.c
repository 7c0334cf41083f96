/* Order, and finding rows by key. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "query_internal.h"

/* A value reduced to what comparing needs. All of a column have the same type. */
struct sort_cell {
	union {
		uint64_t ordinal; /* orders as the number does */
		const char *text;
	};
	uint32_t row;
	uint32_t len : 31; /* of the text */
	uint32_t none : 1; /* absent or unread */
};

enum { INSERTION = 8 };

static uint64_t ordinal_f64(double d)
{
	uint64_t bits;

	if (d == 0)
		d = 0; /* -0 */
	memcpy(&bits, &d, sizeof(bits));
	return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static void reduce(const struct value *v, double grain, struct sort_cell *c)
{
	double x;

	c->ordinal = 0;
	c->len = 0;
	c->none = v->state != VALUE_OK;
	if (c->none)
		return;
	switch (v->type) {
	case CULPRIT_TEXT:
		c->text = v->text.p;
		c->len = v->text.len & INT32_MAX;
		break;
	case CULPRIT_U64:
		c->ordinal = v->u;
		break;
	case CULPRIT_I64:
		c->ordinal = (uint64_t)v->i ^ 1ull << 63;
		break;
	case CULPRIT_TASK:
		c->ordinal = v->task.tid;
		break;
	case CULPRIT_STACK:
		c->ordinal = v->stack.id;
		break;
	default:
		c->ordinal = value_number(v, &x) ? ordinal_f64(grain > 0 ? rint(x / grain) : x) : 0;
	}
}

enum order { BY_KEY, BY_NUMBER, BY_TEXT };

static int compare_texts(const struct sort_cell *a, const struct sort_cell *b)
{
	uint32_t n = a->len < b->len ? a->len : b->len;
	int c = n ? memcmp(a->text, b->text, n) : 0;

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* <= 0: a may stay before b. */
static int before(const struct query *q, const struct sort_cell *a, const struct sort_cell *b, enum order by)
{
	int c;

	/* Most keys differ in their first number. */
	if (by == BY_KEY)
		return !a->none && !b->none && a->ordinal != b->ordinal ? (a->ordinal > b->ordinal ? 1 : -1)
									 : query_row_compare(q, query_at(q, a->row), query_at(q, b->row));
	if (a->none || b->none)
		return (int)a->none - (int)b->none;
	c = by == BY_TEXT ? compare_texts(a, b) : (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
	return q->sort_descending ? -c : c;
}

/* Merges two sorted runs that lie next to each other, where they are. The shorter one goes to `aside` for that. */
static void merge(const struct query *q, struct sort_cell *a, size_t from, size_t middle, size_t to, struct sort_cell *aside, enum order by)
{
	size_t left = middle - from, right = to - middle, out;

	if (left <= right) {
		memcpy(aside, a + from, left * sizeof(*a));
		out = from;
		for (size_t i = 0; i < left;)
			a[out++] = middle == to || before(q, &aside[i], &a[middle], by) <= 0 ? aside[i++] : a[middle++];
		return;
	}
	/* From the end: of those that are equal the right one comes last. */
	memcpy(aside, a + middle, right * sizeof(*a));
	out = to;
	while (right)
		a[--out] = middle == from || before(q, &a[middle - 1], &aside[right - 1], by) <= 0 ? aside[--right] : a[--middle];
}

/* Merge sort, stable; runs of INSERTION by insertion; an ordered pair of runs is not touched. `aside`: room for half of them. */
static void sort(const struct query *q, struct sort_cell *a, struct sort_cell *aside, size_t n, enum order by)
{
	for (size_t from = 0; from < n; from += INSERTION) {
		size_t to = from + INSERTION < n ? from + INSERTION : n;

		for (size_t i = from + 1; i < to; i++) {
			struct sort_cell x = a[i];
			size_t k = i;

			for (; k > from && before(q, &a[k - 1], &x, by) > 0; k--)
				a[k] = a[k - 1];
			a[k] = x;
		}
	}
	for (size_t width = INSERTION; width < n; width *= 2) {
		for (size_t from = 0; n - from > width; from += 2 * width) {
			size_t middle = from + width, to = n - middle > width ? middle + width : n;

			if (before(q, &a[middle - 1], &a[middle], by) > 0)
				merge(q, a, from, middle, to, aside, by);
			if (to == n)
				break;
		}
	}
}

static void sort_value(struct query *q, size_t row, size_t column, struct value *v)
{
	double change, before;
	enum query_change kind;

	query_value(q, row, column, v);
	if (!q->sort_change || !q->lens.has_baseline || !query_compares(q, column))
		return;
	kind = query_change(q, row, column, &change, &before);
	if (kind == QUERY_CHANGE_NEW && value_number(v, &change))
		kind = QUERY_CHANGE_KNOWN;
	v->type = CULPRIT_F64;
	v->f = change;
	if (kind != QUERY_CHANGE_KNOWN)
		v->state = VALUE_ABSENT;
}

/* What orders as the first key does, where that is a number. */
static void reduce_key(const struct query *q, struct sort_cell *c, uint32_t row)
{
	const struct schema_table *t = q->schema;
	struct row_key key;
	unsigned type;

	query_own_key(q, query_at(q, row), &key);
	type = t->kind == CULPRIT_STATE && t->nkeys && key.n ? t->columns[t->keys[0]].type : 0;

	*c = (struct sort_cell){.row = row, .none = 1};
	if (type != CULPRIT_U64 && type != CULPRIT_I64)
		return;
	c->none = 0;
	c->ordinal = type == CULPRIT_I64 ? key.bits[0] ^ 1ull << 63 : key.bits[0];
}

/* Moves the rows to where the sorted cells say, in place. */
static void permute(struct query *q, struct sort_cell *sorted, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		union {
			struct qrow row;
			char bytes[sizeof(struct qrow) + sizeof(((struct row_key *)NULL)->bits)];
		} first;
		size_t to = i;

		memcpy(&first, query_at(q, i), q->row_size);
		while (sorted[to].row != i) {
			size_t from = sorted[to].row;

			memcpy(query_at(q, to), query_at(q, from), q->row_size);
			sorted[to].row = (uint32_t)to;
			to = from;
		}
		memcpy(query_at(q, to), &first, q->row_size);
		sorted[to].row = (uint32_t)to;
	}
}

int query_sort_rows(struct query *q)
{
	size_t n = q->nrows;
	struct sort_cell *cells;
	int column = q->sort_column[0] ? query_column_find(q, q->sort_column) : -1;

	if (n < 2)
		return 0;
	if (query_misfit(q->sort_cap, n)) {
		cells = realloc(q->sort_cells, (q->rows_cap + q->rows_cap / 2) * sizeof(*cells));
		if (!cells)
			return -ENOMEM;
		q->sort_cells = cells;
		q->sort_cap = q->rows_cap;
	}
	cells = q->sort_cells;
	for (size_t i = 0; i < n; i++)
		reduce_key(q, &cells[i], (uint32_t)i);
	sort(q, cells, cells + n, n, BY_KEY);
	if (column >= 0) {
		bool text = q->columns[column].is.type == CULPRIT_TEXT;

		for (size_t i = 0; i < n; i++) {
			struct value v;

			sort_value(q, cells[i].row, (size_t)column, &v);
			reduce(&v, q->sort_grain, &cells[i]);
		}
		sort(q, cells, cells + n, n, text ? BY_TEXT : BY_NUMBER);
	}
	permute(q, cells, n);
	return 0;
}

int query_sort(struct query *q, const char *column, bool descending)
{
	bool known = !column || !q->ncolumns || query_column_find(q, column) >= 0;
	char name[LENS_NAME_MAX] = "";

	for (size_t i = 0; column && column[i] && i < sizeof(name) - 1; i++)
		name[i] = column[i];
	if (strcmp(name, q->sort_column) == 0 && descending == q->sort_descending)
		return known ? 0 : -ENOENT;
	memcpy(q->sort_column, name, sizeof(name));
	q->sort_descending = descending;
	if (query_stands(q)) {
		query_sort_rows(q);
		q->generation++;
	}
	return known ? 0 : -ENOENT;
}

void query_sort_change(struct query *q, bool change)
{
	if (q->sort_change == change)
		return;
	q->sort_change = change;
	if (query_stands(q)) {
		query_sort_rows(q);
		q->generation++;
	}
}

void query_sort_grain(struct query *q, double grain)
{
	if (q->sort_grain == grain)
		return;
	q->sort_grain = grain;
	if (query_stands(q)) {
		query_sort_rows(q);
		q->generation++;
	}
}

/* --- finding --- */

static bool is_key(const struct query *q, const struct qrow *r, const struct row_key *key)
{
	struct row_key own;

	if (q->unkeyed) {
		query_own_key(q, r, &own);
		return row_key_equal(&own, key);
	}
	return r->keyed && key->n == q->key_words && !memcmp(r->key, key->bits, key->n * sizeof(key->bits[0]));
}

int key_index_build(struct key_index *x, const struct query *q)
{
	size_t cap = 64;

	while (cap < q->nrows * 2)
		cap *= 2;
	if (x->cap < cap) {
		uint32_t *slots = realloc(x->slots, cap * sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		x->slots = slots;
		x->cap = cap;
		heap_populate(slots, cap * sizeof(*slots));
	}
	memset(x->slots, 0, x->cap * sizeof(*x->slots));
	for (size_t i = 0; i < q->nrows; i++) {
		const struct qrow *r = query_at(q, i);
		struct row_key key;
		size_t at;

		query_own_key(q, r, &key);
		if (!key.n)
			continue;
		for (at = row_key_hash(&key) & (x->cap - 1); x->slots[at]; at = (at + 1) & (x->cap - 1)) {
			const struct qrow *other = query_at(q, x->slots[at] - 1);

			if (!is_key(q, other, &key))
				continue;
			/* The one alive; else the one that ended last: they are numbered in that order. */
			if (!other->ended || (r->ended && other->at >= r->at))
				goto next;
			break;
		}
		x->slots[at] = (uint32_t)i + 1;
next:;
	}
	return 0;
}

uint32_t key_index_find(const struct key_index *x, const struct query *q, const struct row_key *key)
{
	if (!x->cap || !key->n)
		return UINT32_MAX;
	for (size_t at = row_key_hash(key) & (x->cap - 1); x->slots[at]; at = (at + 1) & (x->cap - 1)) {
		uint32_t row = x->slots[at] - 1;

		if (row < q->nrows && is_key(q, query_at(q, row), key))
			return row;
	}
	return UINT32_MAX;
}

void key_index_finish(struct key_index *x)
{
	free(x->slots);
	x->slots = NULL;
	x->cap = 0;
}

ssize_t query_find(struct query *q, const struct row_key *key)
{
	uint32_t row;

	if (!key->n)
		return -1;
	if (q->found_generation != q->generation) {
		if (key_index_build(&q->found, q))
			return -1;
		q->found_generation = q->generation;
	}
	row = key_index_find(&q->found, q, key);
	return row == UINT32_MAX ? -1 : (ssize_t)row;
}

ssize_t query_find_serial(struct query *q, uint64_t serial)
{
	for (size_t i = 0; serial && i < q->nrows && query_stands(q); i++) {
		struct row memory;
		const struct row *row = query_row_end(q, query_at(q, i), &memory);

		if (row && row->serial == serial)
			return (ssize_t)i;
	}
	return -1;
}
