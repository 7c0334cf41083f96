/* What needs every tick of the window: the maximum of peaks, and how many events were lost. What complete segments gave
 * is remembered in the view, so that a long window costs its newest segment and its oldest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memo.h"
#include "query_internal.h"
#include "summary.h"

enum { HAS_WORDS = SCHEMA_MASK_WORDS, MEMO_PEAKS = 1, MEMO_LOST = 2, MEMO_LOST_ALL = 3 };

/* Maxima by row: records of a serial, which columns have one, and one word a peak column. */
struct peaks {
	uint64_t *records;
	size_t n, cap, words;
	uint32_t *index; /* serial -> record + 1 */
	size_t index_cap;
};

struct query_walk {
	struct cursor *cursor;
	struct source *source;
	char table[LENS_NAME_MAX];
	uint64_t run; /* of the query, for which `total` holds */
	struct peaks total, local;
	uint16_t columns[SCHEMA_COLUMNS_MAX]; /* peak columns */
	int16_t place[SCHEMA_COLUMNS_MAX];    /* column -> its word, -1 */
	size_t ncolumns;
};

static void peaks_finish(struct peaks *p)
{
	free(p->records);
	free(p->index);
}

void query_walk_destroy(struct query_walk *w)
{
	if (!w)
		return;
	cursor_destroy(w->cursor);
	peaks_finish(&w->total);
	peaks_finish(&w->local);
	free(w);
}

static void peaks_clear(struct peaks *p, size_t npeaks)
{
	if (p->words != 1 + HAS_WORDS + npeaks) {
		free(p->records);
		p->records = NULL;
		p->cap = 0;
	}
	p->n = 0;
	p->words = 1 + HAS_WORDS + npeaks;
	if (p->index)
		memset(p->index, 0, p->index_cap * sizeof(*p->index));
}

static size_t home(const struct peaks *p, uint64_t serial)
{
	return (size_t)((serial * 0x9e3779b97f4a7c15ull) >> 32) & (p->index_cap - 1);
}

static uint64_t *peaks_find(const struct peaks *p, uint64_t serial)
{
	for (size_t at = p->index_cap ? home(p, serial) : 0; p->index_cap && p->index[at];
	     at = (at + 1) & (p->index_cap - 1)) {
		uint64_t *record = p->records + (p->index[at] - 1) * p->words;

		if (record[0] == serial)
			return record;
	}
	return NULL;
}

static uint64_t *peaks_record(struct peaks *p, uint64_t serial)
{
	uint64_t *record = peaks_find(p, serial);
	size_t at;

	if (record)
		return record;
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;

		record = realloc(p->records, cap * p->words * sizeof(*record));
		if (!record)
			return NULL;
		p->records = record;
		p->cap = cap;
	}
	if (p->index_cap < 2 * (p->n + 1)) {
		size_t cap = p->index_cap ? p->index_cap * 2 : 128;
		uint32_t *index = calloc(cap, sizeof(*index));

		if (!index)
			return NULL;
		free(p->index);
		p->index = index;
		p->index_cap = cap;
		for (size_t i = 0; i < p->n; i++) {
			for (at = home(p, p->records[i * p->words]); index[at]; at = (at + 1) & (cap - 1))
				;
			index[at] = (uint32_t)i + 1;
		}
	}
	record = p->records + p->n * p->words;
	memset(record, 0, p->words * sizeof(*record));
	record[0] = serial;
	for (at = home(p, serial); p->index[at]; at = (at + 1) & (p->index_cap - 1))
		;
	p->index[at] = (uint32_t)++p->n;
	return record;
}

static bool larger(unsigned type, uint64_t a, uint64_t b)
{
	double x, y;

	if (type == CULPRIT_I64)
		return (int64_t)a > (int64_t)b;
	if (type != CULPRIT_F64)
		return a > b;
	memcpy(&x, &a, sizeof(x));
	memcpy(&y, &b, sizeof(y));
	return x > y;
}

static void raise_to(const struct schema_table *t, const struct query_walk *w, uint64_t *record, size_t k, uint64_t cell)
{
	uint64_t *has = &record[1 + k / 64], bit = 1ull << k % 64;
	uint64_t *at = &record[1 + HAS_WORDS + k];

	if (*has & bit && !larger(t->columns[w->columns[k]].type, cell, *at))
		return;
	*has |= bit;
	*at = cell;
}

static int take_row(const struct schema_table *t, const struct query_walk *w, struct peaks *p, const struct row *row)
{
	uint64_t *record = NULL;

	for (size_t k = 0; k < w->ncolumns; k++) {
		uint16_t c = w->columns[k];

		/* A stale one was taken when it was read. */
		if (row->states[c] != FORMAT_CELL_OK || row->stale >> t->columns[c].group & 1)
			continue;
		if (!record && !(record = peaks_record(p, row->serial)))
			return -ENOMEM;
		raise_to(t, w, record, k, row_cell(row, c));
	}
	return 0;
}

/* All samples in frames of (after, to] of one segment. */
static int walk_segment(struct query *q, struct peaks *p, const struct segment_info *info, uint64_t after, uint64_t to)
{
	struct query_walk *w = q->walk;
	uint64_t sampled = 0;
	struct segment *segment;
	int err = cursor_seek(w->cursor, after < info->from_ns ? info->from_ns : after, NULL);

	if (err && err != -EBADMSG)
		return err;
	segment = cursor_segment(w->cursor);
	if (!segment || segment->shown_seq != info->seq || segment->meta.writer != q->segment->meta.writer)
		return 0; /* gone meanwhile, or of another writer: other serials */
	segment_lock(segment);
	for (size_t i = 0; i < segment->nframes && !err; i++) {
		uint64_t at = segment->frames[i].mono_ns;
		struct table_view t;

		if (at <= after || at > to)
			continue;
		err = cursor_seek(w->cursor, at, NULL);
		if (err == -EBADMSG)
			break;
		if (err || !cursor_table(w->cursor, q->table, &t) || t.sample_ns == sampled || !query_same_form(q->schema, t.schema))
			continue;
		sampled = t.sample_ns;
		for (size_t slot = 0; slot < t.nrows && !err; slot++) {
			struct row memory;
			const struct row *row = cursor_row(w->cursor, t.schema, slot, &memory);

			if (row)
				err = take_row(q->schema, w, p, row);
		}
	}
	segment_unlock(segment);
	return err == -EBADMSG ? 0 : err;
}

static struct memo_key memo_key(const struct query *q, uint64_t seq, uint64_t what)
{
	return (struct memo_key){{(uintptr_t)q->place->source, q->segment->meta.writer, seq,
				  row_key_text(q->table, strlen(q->table)), what, q->schema->ncolumns}};
}

static int merge(struct query *q, struct peaks *into, const uint64_t *records, size_t n, size_t words)
{
	for (size_t i = 0; i < n; i++) {
		const uint64_t *from = records + i * words;
		uint64_t *record = peaks_record(into, from[0]);

		if (!record)
			return -ENOMEM;
		for (size_t k = 0; k < q->walk->ncolumns; k++)
			if (from[1 + k / 64] >> k % 64 & 1)
				raise_to(q->schema, q->walk, record, k, from[1 + HAS_WORDS + k]);
	}
	return 0;
}

static int whole_segment(struct query *q, const struct segment_info *info)
{
	struct query_walk *w = q->walk;
	struct memo_key key = memo_key(q, info->seq, MEMO_PEAKS);
	size_t n, words = 1 + HAS_WORDS + w->ncolumns;
	const uint64_t *known = memo_get(view_memo(q->view), &key, &n);
	int err;

	if (known)
		return merge(q, &w->total, known, n / 8 / words, words);
	peaks_clear(&w->local, w->ncolumns);
	err = walk_segment(q, &w->local, info, 0, info->to_ns);
	if (err)
		return err;
	/* Where it does not fit it is walked again: slower, not wrong. */
	memo_put(view_memo(q->view), &key, w->local.records, w->local.n * words * 8);
	return merge(q, &w->total, w->local.records, w->local.n, words);
}

static int walk_open(struct query *q)
{
	const char *names[] = {q->table, NULL};
	struct query_walk *w = q->walk;

	if (!w && !(w = q->walk = calloc(1, sizeof(*w))))
		return -ENOMEM;
	if (w->cursor && w->source == q->place->source && !strcmp(w->table, q->table))
		return 0;
	cursor_destroy(w->cursor);
	w->cursor = cursor_create(q->place->source, names);
	w->source = q->place->source;
	memcpy(w->table, q->table, sizeof(w->table));
	w->run = 0;
	return w->cursor ? 0 : -ENOMEM;
}

static uint64_t window_after(const struct query *q)
{
	return q->start_mono_ns > q->from_ns ? q->from_ns : q->start_mono_ns;
}

static int peaks_compute(struct query *q)
{
	uint64_t after = window_after(q), to = q->to_ns;
	struct segment_info *list;
	struct query_walk *w;
	size_t n;
	int err = walk_open(q);

	if (err)
		return err;
	w = q->walk;
	w->ncolumns = 0;
	for (uint32_t c = 0; c < q->schema->ncolumns; c++) {
		bool is = q->schema->columns[c].role == CULPRIT_PEAK && q->schema->columns[c].type <= CULPRIT_BOOL;

		w->place[c] = is ? (int16_t)w->ncolumns : -1;
		if (is)
			w->columns[w->ncolumns++] = (uint16_t)c;
	}
	peaks_clear(&w->total, w->ncolumns);
	list = source_segments(q->place->source, &n);
	for (size_t i = 0; i < n && !err; i++) {
		if (list[i].to_ns <= after || list[i].from_ns > to)
			continue;
		if (list[i].complete && list[i].from_ns > after && list[i].to_ns <= to)
			err = whole_segment(q, &list[i]);
		else
			err = walk_segment(q, &w->total, &list[i], after, to);
		if (err == -ESTALE)
			err = 0; /* overwritten meanwhile: the window has become shorter */
	}
	free(list);
	return err;
}

void query_peak_value(struct query *q, const struct qrow *r, uint32_t column, struct value *v)
{
	const uint64_t *record;
	struct qrow_ends ends;
	struct derive d;
	int16_t k;

	query_row_derive(q, r, &ends, &d);
	derive_last(&d, column, v);
	if (!q->walk || q->walk->run != q->runs) {
		if (peaks_compute(q))
			return; /* out of memory: the last tick's */
		q->walk->run = q->runs;
	}
	k = q->walk->place[column];
	record = k >= 0 ? peaks_find(&q->walk->total, d.end->serial) : NULL;
	if (!record || !(record[1 + k / 64] >> k % 64 & 1))
		return;
	/* Some tick of the window had it, whatever the last one says. */
	v->state = VALUE_OK;
	v->reason = NULL;
	v->reason_len = 0;
	memcpy(&v->u, &record[1 + HAS_WORDS + k], sizeof(v->u));
	if (v->type == CULPRIT_BOOL)
		v->b = record[1 + HAS_WORDS + k] != 0;
}

/* As its summary says, which is read once for all tables. False: it has none, or one of an older version. */
static bool summary_says(struct query *q, const struct segment_info *info, uint64_t *ret)
{
	struct source *source = q->place->source;
	struct memo_key key = memo_key(q, info->seq, MEMO_LOST_ALL);
	const uint64_t *pairs;
	struct wbuf block, made;
	uint64_t says = 0;
	size_t n;

	/* Numbers of tables are a writer's. */
	if (!source->ops->summary || (info->writer && info->writer != q->segment->meta.writer))
		return false;
	key.w[3] = key.w[5] = 0;
	pairs = memo_get(view_memo(q->view), &key, &n);
	wbuf_init(&block);
	wbuf_init(&made);
	if (!pairs) {
		wbuf_bytes(&made, &says, sizeof(says));
		says = !source->ops->summary(source, info->seq, &block, NULL) && summary_read_lost(block.data, block.len, &made) >= 0;
		if (!made.err) {
			memcpy(made.data, &says, sizeof(says));
			memo_put(view_memo(q->view), &key, made.data, made.len);
		}
		pairs = (const uint64_t *)(const void *)made.data;
		n = made.err ? 0 : made.len;
	}
	says = n >= sizeof(says) && pairs[0];
	*ret = 0;
	for (size_t i = 1; says && i + 1 < n / sizeof(*pairs); i += 2)
		*ret += pairs[i] == q->schema->id ? pairs[i + 1] : 0;
	wbuf_finish(&block);
	wbuf_finish(&made);
	return says;
}

/* Events lost in a whole segment. */
static uint64_t lost_of(struct query *q, const struct segment_info *info)
{
	struct memo_key key = memo_key(q, info->seq, MEMO_LOST);
	const uint64_t *known;
	struct table_view t;
	uint64_t lost = 0;
	size_t n;
	int err;

	if (info->complete && summary_says(q, info, &lost))
		return lost;
	known = memo_get(view_memo(q->view), &key, &n);
	if (known && n == sizeof(lost))
		return *known;
	if (walk_open(q))
		return 0;
	err = cursor_seek(q->walk->cursor, info->to_ns, NULL);
	if ((!err || err == -EBADMSG) && cursor_segment(q->walk->cursor)->shown_seq == info->seq &&
	    cursor_table(q->walk->cursor, q->table, &t))
		lost = t.lost;
	if (info->complete)
		memo_put(view_memo(q->view), &key, &lost, sizeof(lost));
	return lost;
}

uint64_t query_lost(struct query *q)
{
	/* Frames before the first there is have nothing to take away. */
	bool whole = q->start_mono_ns > q->from_ns || !q->has_start;
	uint64_t before = whole ? 0 : q->start_view.lost, end_seq = q->segment->shown_seq, start_seq, lost;
	struct segment_info *list;
	size_t n;

	if (!q->has_start)
		return q->end_view.lost;
	start_seq = cursor_segment(q->place->start)->shown_seq;
	lost = q->end_view.lost - (start_seq == end_seq ? before : 0);
	if (start_seq == end_seq)
		return lost;
	list = source_segments(q->place->source, &n);
	for (size_t i = 0; i < n; i++) {
		if (list[i].seq < start_seq || list[i].seq >= end_seq)
			continue;
		lost += lost_of(q, &list[i]) - (list[i].seq == start_seq ? before : 0);
	}
	free(list);
	return lost;
}
