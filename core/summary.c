#include "summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cellcode.h"
#include "cursor.h"
#include "error.h"
#include "format.h"
#include "segment_codec.h"

void summary_destroy(struct summary *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->ntables; i++) {
		struct summary_table *t = &s->tables[i];

		for (size_t k = 0; k < t->nseries; k++) {
			free(t->series[k].values);
			free(t->series[k].states);
		}
		free(t->series);
		free(t->extremes);
		free(t->times);
	}
	free(s->tables);
	schema_unlock(s->schema);
	free(s);
}

static struct summary *summary_create(struct schema *schema)
{
	struct summary *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tables = calloc(schema->ntables + 1, sizeof(*s->tables));
	if (!s->tables) {
		free(s);
		return NULL;
	}
	s->schema = schema_lock(schema);
	s->ntables = schema->ntables;
	for (uint32_t i = 0; i < s->ntables; i++)
		s->tables[i].schema = schema->tables[i];
	return s;
}

static bool is_number(const struct schema_column *c)
{
	return c->type == CULPRIT_I64 || c->type == CULPRIT_U64 || c->type == CULPRIT_F64;
}

bool summary_has_extremes(const struct schema_column *c)
{
	return is_number(c) && (c->role == CULPRIT_GAUGE || c->role == CULPRIT_PEAK);
}

bool summary_has_series(const struct schema_column *c)
{
	return is_number(c) && (c->role == CULPRIT_GAUGE || c->role == CULPRIT_PEAK || c->role == CULPRIT_COUNTER);
}

/* A segment seen as a source of its own, so that a cursor can walk it. */
struct alone {
	struct source source;
	struct segment *segment;
	struct segment_info info;
};

static int alone_refresh(struct source *source, struct culprit_error *error)
{
	(void)source;
	(void)error;
	return 1;
}

static const struct segment_info *alone_segment(struct source *source, size_t i)
{
	(void)i;
	return &((struct alone *)source)->info;
}

static int alone_read(struct source *source, uint64_t seq, uint64_t offset, struct wbuf *w, struct culprit_error *error)
{
	const struct wbuf *bytes = &((struct alone *)source)->segment->bytes;

	(void)seq;
	(void)error;
	if (offset < bytes->len)
		wbuf_bytes(w, bytes->data + offset, bytes->len - offset);
	return 0;
}

static const struct source_ops alone_ops = {.refresh = alone_refresh, .segment = alone_segment, .read = alone_read};

/* Extremes being gathered: one a (slot, column), for the row that stands there. */
struct gather {
	struct summary_extreme *extremes; /* [slot][column] */
	double *first;
	size_t nslots;
	uint32_t *series; /* [slot][column] -> index + 1 */
};

static int gather_reserve(struct gather *g, size_t nslots, size_t ncolumns)
{
	struct summary_extreme *e;
	uint32_t *series;

	if (nslots <= g->nslots)
		return 0;
	e = realloc(g->extremes, nslots * ncolumns * sizeof(*e));
	if (e)
		g->extremes = e;
	series = realloc(g->series, nslots * ncolumns * sizeof(*series));
	if (series)
		g->series = series;
	if (!e || !series)
		return -ENOMEM;
	memset(e + g->nslots * ncolumns, 0, (nslots - g->nslots) * ncolumns * sizeof(*e));
	memset(series + g->nslots * ncolumns, 0, (nslots - g->nslots) * ncolumns * sizeof(*series));
	g->nslots = nslots;
	return 0;
}

/* Only cells that moved are told. */
static int extreme_flush(struct summary_table *t, struct summary_extreme *e)
{
	struct summary_extreme *list;

	if (!e->serial || e->min == e->max)
		return 0;
	/* Doubles at powers of two. */
	if ((t->nextremes & (t->nextremes - 1)) == 0) {
		list = realloc(t->extremes, (t->nextremes ? t->nextremes * 2 : 1) * sizeof(*list));
		if (!list)
			return -ENOMEM;
		t->extremes = list;
	}
	t->extremes[t->nextremes++] = *e;
	return 0;
}

static int extreme_note(struct summary_table *t, struct gather *g, const struct row *row, uint32_t slot, uint32_t column)
{
	struct summary_extreme *e = &g->extremes[(size_t)slot * t->schema->ncolumns + column];
	double v = schema_number(&t->schema->columns[column], row_cell(row, column));

	if (e->serial != row->serial) {
		if (extreme_flush(t, e))
			return -ENOMEM;
		*e = (struct summary_extreme){slot, column, row->serial, v, v};
		return 0;
	}
	e->min = v < e->min ? v : e->min;
	e->max = v > e->max ? v : e->max;
	return 0;
}

static int series_note(struct summary_table *t, struct gather *g, const struct row *row, uint32_t slot, uint32_t column,
		       uint32_t samples_max)
{
	uint32_t *at = &g->series[(size_t)slot * t->schema->ncolumns + column], now = t->ntimes - 1;
	struct summary_series *s = *at ? &t->series[*at - 1] : NULL;

	if (!s || s->serial != row->serial) {
		if ((t->nseries & (t->nseries - 1)) == 0) {
			struct summary_series *list =
				realloc(t->series, (t->nseries ? t->nseries * 2 : 1) * sizeof(*list));

			if (!list)
				return -ENOMEM;
			t->series = list;
		}
		s = &t->series[t->nseries++];
		*s = (struct summary_series){.slot = slot, .column = column, .serial = row->serial, .first = now};
		s->values = calloc(samples_max, sizeof(*s->values));
		s->states = calloc(samples_max, 1);
		if (!s->values || !s->states)
			return -ENOMEM;
		*at = (uint32_t)t->nseries;
	}
	if (now - s->first >= samples_max || now - s->first != s->n)
		return 0;
	s->values[s->n] = row_cell(row, column);
	s->states[s->n++] = row->states[column];
	return 0;
}

static void series_drop(struct summary_table *t)
{
	for (size_t k = 0; k < t->nseries; k++) {
		free(t->series[k].values);
		free(t->series[k].states);
	}
	free(t->series);
	t->series = NULL;
	t->nseries = 0;
}

/* One sample of one table. `small`: still worth whole series. */
static int table_note(struct summary_table *t, struct gather *g, struct cursor *c, const struct table_view *v, bool *small,
		      uint32_t samples_max)
{
	const struct schema_table *schema = t->schema;

	if (gather_reserve(g, v->nrows, schema->ncolumns))
		return -ENOMEM;
	if (*small && v->nrows > SUMMARY_SERIES_ROWS) {
		*small = false;
		series_drop(t);
	}
	for (size_t slot = 0; slot < v->nrows; slot++) {
		struct row memory;
		const struct row *row = cursor_row(c, v->schema, slot, &memory);

		for (uint32_t column = 0; row && column < schema->ncolumns; column++) {
			const struct schema_column *k = &schema->columns[column];

			if (summary_has_extremes(k) && row->states[column] == FORMAT_CELL_OK &&
			    extreme_note(t, g, row, (uint32_t)slot, column))
				return -ENOMEM;
			if (*small && summary_has_series(k) && series_note(t, g, row, (uint32_t)slot, column, samples_max))
				return -ENOMEM;
		}
	}
	return 0;
}

static int summary_walk(struct summary *s, struct cursor *c, struct segment *segment, struct gather *gathers,
			struct culprit_error *error)
{
	bool *small = malloc(s->ntables + 1);
	int r = small ? 0 : -ENOMEM;

	if (small)
		memset(small, true, s->ntables);
	for (size_t f = 0; !r && f < segment->nframes; f++) {
		r = cursor_seek(c, segment->frames[f].mono_ns, error);
		for (uint32_t i = 0; !r && i < s->ntables; i++) {
			struct summary_table *t = &s->tables[i];
			struct table_view v;

			if (!cursor_table(c, t->schema->name, &v) || !v.sample_ns || t->schema->kind != CULPRIT_STATE ||
			    (t->ntimes && t->times[t->ntimes - 1] == v.sample_ns))
				continue;
			if (!t->times && !(t->times = calloc(segment->nframes, sizeof(*t->times))))
				r = -ENOMEM;
			else
				t->times[t->ntimes++] = v.sample_ns;
			if (!r)
				r = table_note(t, &gathers[i], c, &v, &small[i], (uint32_t)segment->nframes);
		}
	}
	free(small);
	return r;
}

struct summary *summary_build(struct segment *segment, struct culprit_error *error)
{
	struct alone alone = {.source = {.ops = &alone_ops, .name = "segment"}, .segment = segment};
	struct summary *s;
	struct cursor *c;
	struct gather *gathers;
	int r = -ENOMEM;

	if (!segment->schema || !segment->nframes) {
		error_set(error, -ENODATA, "the segment has no frames");
		return NULL;
	}
	alone.info = (struct segment_info){.seq = segment->meta.seq,
					   .from_ns = segment->frames[0].mono_ns,
					   .to_ns = segment->frames[segment->nframes - 1].mono_ns,
					   .wall_ns = segment->frames[0].wall_ns,
					   .size = segment->bytes.len};
	s = summary_create(segment->schema);
	c = cursor_create(&alone.source, NULL);
	gathers = calloc(segment->schema->ntables + 1, sizeof(*gathers));
	if (s && c && gathers) {
		/* The cursor parses its own copy, with its own schema; names and numbers of columns are the same. */
		cursor_keep_since(c, 0);
		r = summary_walk(s, c, segment, gathers, error);
	}
	for (uint32_t i = 0; !r && i < s->ntables; i++) {
		struct summary_table *t = &s->tables[i];
		struct table_view v;

		for (size_t k = 0; !r && k < gathers[i].nslots * t->schema->ncolumns; k++)
			r = extreme_flush(t, &gathers[i].extremes[k]);
		if (cursor_table(c, t->schema->name, &v)) {
			t->nended = (uint32_t)cursor_nended(c, v.schema);
			t->nevents = cursor_nevents(c, v.schema);
		}
	}
	for (uint32_t i = 0; gathers && i < segment->schema->ntables; i++) {
		free(gathers[i].extremes);
		free(gathers[i].series);
	}
	free(gathers);
	cursor_destroy(c);
	if (r) {
		if (r == -ENOMEM)
			error_set(error, r, "out of memory");
		summary_destroy(s);
		return NULL;
	}
	return s;
}

static double get_f64(struct rbuf *r)
{
	uint64_t bits = __builtin_bswap64(rbuf_varint(r));
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static int get_series(struct rbuf *r, struct summary_table *t, struct summary_series *s)
{
	uint64_t before = 0;

	s->slot = (uint32_t)rbuf_bounded(r, FORMAT_ROWS_MAX);
	s->column = (uint32_t)rbuf_bounded(r, t->schema->ncolumns - 1);
	s->serial = rbuf_varint(r);
	s->first = (uint32_t)rbuf_bounded(r, t->ntimes);
	s->n = (uint32_t)rbuf_bounded(r, t->ntimes - s->first);
	if (!rbuf_u8(r)) {
		const uint8_t *states = rbuf_bytes(r, s->n);

		s->states = states ? malloc(s->n + 1) : NULL;
		if (s->states)
			memcpy(s->states, states, s->n);
		else if (states)
			return -ENOMEM;
	}
	if (r->err)
		return r->err;
	s->values = calloc(s->n + 1, sizeof(*s->values));
	if (!s->values)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n; i++)
		s->values[i] = before = cell_get_after(r, &t->schema->columns[s->column], before);
	return r->err;
}

static int get_table(struct rbuf *r, struct summary_table *t)
{
	uint64_t n, before = 0;
	int e = 0;

	t->nended = (uint32_t)rbuf_bounded(r, UINT32_MAX);
	t->nevents = rbuf_varint(r);
	t->ntimes = (uint32_t)rbuf_bounded(r, rbuf_left(r));
	t->times = calloc((size_t)t->ntimes + 1, sizeof(*t->times));
	if (!t->times)
		return -ENOMEM;
	for (uint32_t k = 0; k < t->ntimes; k++)
		t->times[k] = before += (uint64_t)rbuf_zigzag(r);
	n = rbuf_bounded(r, rbuf_left(r));
	t->extremes = calloc(n + 1, sizeof(*t->extremes));
	if (!t->extremes)
		return -ENOMEM;
	for (; t->nextremes < n && !r->err; t->nextremes++) {
		struct summary_extreme *x = &t->extremes[t->nextremes];

		x->slot = (uint32_t)rbuf_bounded(r, FORMAT_ROWS_MAX);
		x->column = (uint32_t)rbuf_bounded(r, t->schema->ncolumns - 1);
		x->serial = rbuf_varint(r);
		x->min = get_f64(r);
		x->max = get_f64(r);
	}
	n = rbuf_bounded(r, rbuf_left(r));
	t->series = n ? calloc(n, sizeof(*t->series)) : NULL;
	if (n && !t->series)
		return -ENOMEM;
	while (t->nseries < n && !r->err && !e)
		e = get_series(r, t, &t->series[t->nseries++]);
	return e ? e : r->err;
}

int summary_read_lost(const void *block, size_t size, struct wbuf *pairs)
{
	struct culprit_error error;
	struct segment_block b;
	struct rbuf r;
	uint64_t n, k;

	if (segment_get_block(block, size, &b, &error) <= 0 || b.type != FORMAT_SUMMARY)
		return -EBADMSG;
	if (!b.size)
		return -ENOENT;
	rbuf_init(&r, b.payload, b.size);
	n = rbuf_bounded(&r, rbuf_left(&r));
	for (uint64_t i = 0; i < n && !r.err; i++)
		rbuf_bytes(&r, rbuf_bounded(&r, rbuf_left(&r)));
	if (r.err)
		return -EBADMSG;
	if (!rbuf_left(&r))
		return -ENOENT;
	k = rbuf_bounded(&r, n);
	for (uint64_t i = 0; i < k && !r.err; i++) {
		uint64_t pair[2] = {rbuf_varint(&r)};

		pair[1] = rbuf_varint(&r);
		wbuf_bytes(pairs, pair, sizeof(pair));
	}
	return r.err ? -EBADMSG : pairs->err ? pairs->err : (int)k;
}

struct summary *summary_read(const struct segment *segment, struct culprit_error *error)
{
	struct summary *s;
	struct rbuf r;
	uint64_t n;
	int e = 0;

	if (!segment->summary_size || !segment->schema)
		return NULL;
	s = summary_create(segment->schema);
	if (!s)
		return NULL;
	rbuf_init(&r, segment->bytes.data + segment->summary, segment->summary_size);
	n = rbuf_bounded(&r, s->ntables);
	for (uint64_t i = 0; i < n && !r.err && !e; i++) {
		struct rbuf sub = rbuf_sub(&r, rbuf_bounded(&r, rbuf_left(&r)));

		e = r.err ? r.err : get_table(&sub, &s->tables[i]);
	}
	if (!e && !r.err)
		return s;
	error_set(error, -EBADMSG, "the summary of segment %llu is damaged", (unsigned long long)segment->meta.seq);
	summary_destroy(s);
	return NULL;
}

int summary_read_table(struct schema *schema, const struct schema_table *table, const void *block, size_t n, struct summary **ret)
{
	struct culprit_error error;
	struct segment_block b;
	struct summary *s;
	struct rbuf r;
	uint64_t count;
	int e = -ENOENT;

	if (segment_get_block(block, n, &b, &error) <= 0 || b.type != FORMAT_SUMMARY)
		return -EBADMSG;
	if (!b.size)
		return -ENOENT;
	s = summary_create(schema);
	if (!s)
		return -ENOMEM;
	rbuf_init(&r, b.payload, b.size);
	count = rbuf_bounded(&r, s->ntables);
	for (uint64_t i = 0; i < count && !r.err; i++) {
		struct rbuf sub = rbuf_sub(&r, rbuf_bounded(&r, rbuf_left(&r)));

		if (s->tables[i].schema != table)
			continue;
		e = r.err ? r.err : get_table(&sub, &s->tables[i]);
		break;
	}
	e = r.err ? r.err : e;
	if (e) {
		summary_destroy(s);
		return e;
	}
	*ret = s;
	return 0;
}
