/* Which rows an answer has: those alive at the window's end, those that ended in it, or the events in it; and their keys. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

static struct qrow *add(struct query *q)
{
	struct qrow *r;

	if (q->nrows == q->rows_cap) {
		size_t cap = q->rows_cap + q->rows_cap / 8 + 64;
		struct qrow *grown = realloc(q->rows, cap * q->row_size);

		if (!grown)
			return NULL;
		q->rows = grown;
		q->rows_cap = cap;
	}
	r = query_at(q, q->nrows++);
	memset(r, 0, q->row_size);
	return r;
}

void query_own_key(const struct query *q, const struct qrow *r, struct row_key *key)
{
	struct row memory;

	memset(key, 0, sizeof(*key));
	if (q->unkeyed && query_stands(q))
		query_row_key(q->schema, query_row_end(q, r, &memory), q->schema->keys, q->schema->nkeys, key);
	if (!r->keyed)
		return;
	key->n = (uint32_t)q->key_words;
	memcpy(key->bits, r->key, q->key_words * sizeof(key->bits[0]));
}

void query_row_keep(struct query *q, size_t to, size_t from)
{
	if (to != from)
		memcpy(query_at(q, to), query_at(q, from), q->row_size);
}

void query_row_key(const struct schema_table *t, const struct row *row, const uint16_t *columns, uint32_t n,
		   struct row_key *key)
{
	memset(key, 0, sizeof(*key));
	for (uint32_t i = 0; i < n && i < 4; i++) {
		uint16_t c = columns[i];
		uint64_t cell = row_cell(row, c), tid, start;
		struct segment_location frames[255];
		const char *text;
		size_t len;

		if (row->states[c] != FORMAT_CELL_OK) {
			key->n = 0;
			return;
		}
		key->n = i + 1;
		switch (t->columns[c].type) {
		case CULPRIT_TEXT:
			text = segment_text(row->segment, cell, &len);
			key->bits[i] = text ? row_key_text(text, len) : 0;
			break;
		case CULPRIT_TASK:
			if (segment_task(row->segment, cell, &tid, &start)) {
				uint64_t words[2] = {tid, start};

				key->bits[i] = row_key_text(words, sizeof(words));
			}
			break;
		case CULPRIT_STACK:
			len = segment_stack(row->segment, cell, frames, 255);
			for (size_t k = 0; k < len && k < 255; k++)
				key->bits[i] = key->bits[i] * 0x9e3779b97f4a7c15ull + frames[k].offset +
					       (frames[k].module ? row_key_text(frames[k].module, frames[k].module_len) : 0) +
					       (frames[k].build_id_len ? row_key_text(frames[k].build_id, frames[k].build_id_len) : 0);
			break;
		default:
			key->bits[i] = cell;
		}
	}
}

const struct row *query_row_end(const struct query *q, const struct qrow *r, struct row *memory)
{
	size_t slot;

	if (!r->kept)
		return cursor_row(q->place->end, q->schema, r->at, memory);
	return q->schema->kind == CULPRIT_EVENT ? cursor_event(q->place->end, q->schema, r->at) :
						  cursor_ended(q->place->end, q->schema, r->at, &slot);
}

/* The same row at the window's start; NULL: it was not there. */
static const struct row *row_start(const struct query *q, const struct qrow *r, const struct row *end, struct row *memory)
{
	size_t slot = r->at;

	if (!q->has_start || !end || q->schema->kind == CULPRIT_EVENT || (r->kept && !cursor_ended(q->place->end, q->schema, r->at, &slot)))
		return NULL;
	return cursor_row_serial(q->place->start, q->start_schema, slot, end->serial, memory);
}

void query_row_derive(const struct query *q, const struct qrow *r, struct qrow_ends *ends, struct derive *d)
{
	const struct row *end = query_row_end(q, r, &ends->end);

	*d = (struct derive){
		.schema = q->schema,
		.end_cursor = q->place->end,
		.start_cursor = q->place->start,
		.start_schema = q->start_schema,
		.end = end,
		.start = row_start(q, r, end, &ends->start),
		.sample_ns = q->end_view.sample_ns,
		.wall_offset_ns = q->wall_offset_ns,
		.host = &q->segment->host,
		.counts = {q->counts[0], q->counts[1]},
	};
	/* A state that lasts is written once: the age counts to where the cursor stands. */
	if ((q->end_view.state == CULPRIT_FAILED || q->end_view.state == CULPRIT_LATE) && q->end_mono_ns > d->sample_ns)
		d->aging_ns = q->end_mono_ns - d->sample_ns;
}

static void fill(const struct query *q, struct qrow *r, const struct row *row, size_t at)
{
	struct row_key key;

	r->at = (uint32_t)at;
	r->ended = row->ended_ns != 0;
	r->folded = row->folded;
	r->folds = row->folds;
	if (!q->key_words)
		return;
	query_row_key(q->schema, row, q->schema->keys, q->schema->nkeys, &key);
	r->keyed = key.n != 0;
	memcpy(r->key, key.bits, q->key_words * sizeof(key.bits[0]));
}

static int gather_states(struct query *q)
{
	const struct row *row;
	struct row memory;
	struct qrow *r;
	size_t slot;

	for (size_t i = 0; i < q->end_view.nrows; i++) {
		row = cursor_row(q->place->end, q->schema, i, &memory);
		if (!row)
			continue;
		r = add(q);
		if (!r)
			return -ENOMEM;
		fill(q, r, row, i);
	}
	if (q->flags & QUERY_ALIVE)
		return 0;
	for (size_t i = 0; (row = cursor_ended(q->place->end, q->schema, i, &slot)); i++) {
		/* What was gone at the start is not of this window. */
		if (q->has_start && row->ended_ns <= q->start_view.sample_ns)
			continue;
		r = add(q);
		if (!r)
			return -ENOMEM;
		fill(q, r, row, i);
		r->kept = true;
		q->nended += !row->folded;
	}
	return 0;
}

static int gather_events(struct query *q)
{
	/* Events belong to the frame that brought them: so no window counts one twice or misses it. The first frame there
	 * is has no frame before it. */
	uint64_t after = q->start_mono_ns > q->from_ns ? q->from_ns : q->start_mono_ns;
	const struct row *row;

	for (size_t i = 0; (row = cursor_event(q->place->end, q->schema, i)); i++) {
		struct qrow *r;

		if (row->began_ns <= after)
			continue;
		r = add(q);
		if (!r)
			return -ENOMEM;
		fill(q, r, row, i);
		r->kept = true;
	}
	return 0;
}

/* Rows are as long as the table's keys. */
static void rows_shape(struct query *q)
{
	size_t words = q->unkeyed || q->flags & QUERY_COUNT ? 0 : q->schema->nkeys, size;

	words = words < 4 ? words : 4;
	size = sizeof(struct qrow) + words * sizeof(uint64_t);
	q->rows_cap = q->row_size ? q->rows_cap * q->row_size / size : 0;
	q->row_size = size;
	q->key_words = words;
}

int query_rows_gather(struct query *q)
{
	int err;

	q->nrows = q->nended = 0;
	if (!q->recorded)
		return 0;
	rows_shape(q);
	err = q->schema->kind == CULPRIT_EVENT ? gather_events(q) : gather_states(q);
	if (err)
		q->nrows = 0;
	if (query_misfit(q->rows_cap, q->nrows)) {
		size_t cap = q->nrows + q->nrows / 8 + 64;
		struct qrow *less = realloc(q->rows, cap * q->row_size);

		q->rows = less ? less : q->rows;
		q->rows_cap = less ? cap : q->rows_cap;
	}
	return err;
}

static int compare_cell(const struct schema_column *c, const struct row *a, const struct row *b, uint16_t column)
{
	uint64_t x = row_cell(a, column), y = row_cell(b, column);
	struct value v = {.state = VALUE_OK, .type = c->type}, w = v;

	switch (c->type) {
	case CULPRIT_I64:
		return ((int64_t)x > (int64_t)y) - ((int64_t)x < (int64_t)y);
	case CULPRIT_F64:
		memcpy(&v.f, &x, 8);
		memcpy(&w.f, &y, 8);
		return value_compare(&v, &w);
	case CULPRIT_TEXT:
		v.text.p = segment_text(a->segment, x, &v.text.len);
		w.text.p = segment_text(b->segment, y, &w.text.len);
		if (!v.text.p || !w.text.p)
			return (v.text.p != NULL) - (w.text.p != NULL);
		return value_compare(&v, &w);
	case CULPRIT_TASK:
		if (!segment_task(a->segment, x, &v.task.tid, &v.task.start_ticks) ||
		    !segment_task(b->segment, y, &w.task.tid, &w.task.start_ticks))
			return 0;
		return value_compare(&v, &w);
	default:
		return (x > y) - (x < y);
	}
}

int query_row_compare(const struct query *q, const struct qrow *a, const struct qrow *b)
{
	struct row memory[2];
	const struct row *x = query_row_end(q, a, &memory[0]), *y = query_row_end(q, b, &memory[1]);

	if (q->schema->kind == CULPRIT_EVENT) {
		int t = q->schema->time_column;
		uint64_t at = t >= 0 ? row_cell(x, (uint32_t)t) : 0, other = t >= 0 ? row_cell(y, (uint32_t)t) : 0;

		return (at > other) - (at < other); /* of the same instant: as they came */
	}
	for (uint32_t i = 0; i < q->schema->nkeys; i++) {
		uint16_t c = q->schema->keys[i];
		int r = compare_cell(&q->schema->columns[c], x, y, c);

		if (r)
			return r;
	}
	/* The one alive first, then the latest. */
	if (a->ended != b->ended)
		return a->ended ? 1 : -1;
	return (x->serial < y->serial) - (x->serial > y->serial);
}
