#include "hist_series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "memo.h"
#include "query_internal.h"
#include "tick_walk.h"
#include "wire.h"

enum { MEMO_HIST = 5, GRAINS = 16 };

/* Frames taken in so far of a segment that may grow; of a complete one: */
#define WHOLE UINT64_MAX
#define NO_COLUMN INT64_MIN

/* Which key a row has, found once for its life. */
struct slot_key {
	uint64_t serial;
	uint32_t series; /* UINT32_MAX: none */
};

/* A run, and the segment at work in it. Columns are numbered from `phase`: column c covers [phase + c * step, ...). */
struct run {
	const struct hist_series_request *ask;
	struct hist_series *out;
	const struct schema_table *checked; /* `column` holds for this one */
	int column;                         /* -1: not there, or with other bounds */
	bool other;
	uint64_t *work[2];
	/* The column being filled, of this segment: */
	int64_t at;
	struct hist_column column_is;
	uint64_t shortest_ns;
	uint64_t *sums; /* [series][slot] */
	/* The segment's columns before it, encoded. */
	struct wbuf done;
	int64_t done_at;
	/* The column of the chart being put together, out of one segment or several: */
	int64_t open;
	uint64_t *total; /* [series][slot] */
	/* Keys to series: */
	uint32_t *index; /* number + 1; 0: free */
	size_t index_cap;
	struct slot_key *slots;
	size_t nslots;
};

void hist_series_init(struct hist_series *h)
{
	memset(h, 0, sizeof(*h));
}

void hist_series_finish(struct hist_series *h)
{
	if (!h)
		return;
	free(h->columns);
	free(h->stats);
	free(h->counts);
	free(h->edges);
	memset(h, 0, sizeof(*h));
}

uint64_t hist_series_end(struct view *v, uint64_t to_ns, uint64_t step_ns, uint64_t tick_ns)
{
	uint64_t middle = to_ns > tick_ns / 2 ? to_ns - tick_ns / 2 : 0, grain, end;
	int64_t over;

	if (!step_ns || step_ns > INT64_MAX)
		return to_ns;
	over = view_wall_ns(v, middle) % (int64_t)step_ns;
	end = middle + (over < 0 ? (uint64_t)-over : step_ns - (uint64_t)over);
	/* A wall clock that is slewed by a hair moves no column, so that what is remembered stays valid. */
	grain = (tick_ns && tick_ns < step_ns ? tick_ns : step_ns) / GRAINS;
	return grain ? (end + grain / 2) / grain * grain : end;
}

static int grow(void *at, size_t *cap, size_t n, size_t size)
{
	void *grown, **p = at;
	size_t bytes;

	if (n <= *cap)
		return 0;
	if (!size_mul(n, size, &bytes))
		return -ENOMEM;
	grown = realloc(*p, bytes);
	if (!grown)
		return -ENOMEM;
	*p = grown;
	*cap = n;
	return 0;
}

/* Takes the bounds as they are in the newest schema: what had others is left out. */
static int take_bounds(struct view *v, const struct hist_series_request *ask, struct hist_series *out)
{
	const struct schema_table *t = view_table(v, ask->table);
	int column = t ? schema_column(t, ask->column) : -1;
	const struct schema_bounds *b;

	out->known = column >= 0 && t->columns[column].type == CULPRIT_HIST;
	if (!out->known)
		return 0;
	b = &t->columns[column].bounds;
	if (!out->edges && !(out->edges = calloc(SCHEMA_SLOTS_MAX, sizeof(double))))
		return -ENOMEM;
	out->bounds = *b;
	out->bounds.edges = NULL;
	if (b->edges) {
		memcpy(out->edges, b->edges, b->count * sizeof(double));
		out->bounds.edges = out->edges;
	}
	out->unit = t->columns[column].unit;
	return 0;
}

static int prepare(struct hist_series *out, const struct hist_series_request *ask)
{
	size_t n = ask->n, slots = out->bounds.count;

	out->nseries = ask->apart ? ask->nkeys : 1;
	out->n = n;
	if (grow(&out->columns, &out->columns_cap, n, sizeof(*out->columns)) ||
	    grow(&out->stats, &out->stats_cap, n * out->nseries, sizeof(*out->stats)) ||
	    (!ask->apart && grow(&out->counts, &out->counts_cap, n * slots, sizeof(uint64_t))))
		return -ENOMEM;
	memset(out->columns, 0, n * sizeof(*out->columns));
	memset(out->stats, 0, n * out->nseries * sizeof(*out->stats));
	if (!ask->apart)
		memset(out->counts, 0, n * slots * sizeof(uint64_t));
	return 0;
}

static int index_keys(struct run *r)
{
	const struct hist_series_request *ask = r->ask;

	for (r->index_cap = 16; r->index_cap < ask->nkeys * 2; r->index_cap *= 2)
		;
	r->index = calloc(r->index_cap, sizeof(*r->index));
	if (!r->index)
		return -ENOMEM;
	for (size_t i = 0; i < ask->nkeys; i++) {
		size_t at = (size_t)row_key_hash(&ask->keys[i]) & (r->index_cap - 1);

		while (r->index[at] && !row_key_equal(&ask->keys[r->index[at] - 1], &ask->keys[i]))
			at = (at + 1) & (r->index_cap - 1);
		if (!r->index[at])
			r->index[at] = (uint32_t)i + 1;
	}
	return 0;
}

/* The series a row counts for; UINT32_MAX: none. */
static uint32_t series_of(struct run *r, const struct tick *t, size_t slot)
{
	const struct hist_series_request *ask = r->ask;
	uint64_t serial = t->derive.end->serial;
	struct row_key key;
	uint32_t series = UINT32_MAX;
	size_t at;

	if (!ask->nkeys)
		return 0;
	if (slot < r->nslots && r->slots[slot].serial == serial)
		return r->slots[slot].series;
	query_row_key(t->schema, t->derive.end, t->schema->keys, t->schema->nkeys, &key);
	for (at = (size_t)row_key_hash(&key) & (r->index_cap - 1); r->index[at]; at = (at + 1) & (r->index_cap - 1)) {
		if (!row_key_equal(&ask->keys[r->index[at] - 1], &key))
			continue;
		series = ask->apart ? r->index[at] - 1 : 0;
		break;
	}
	if (slot >= r->nslots && slot < FORMAT_ROWS_MAX) {
		size_t n = slot + 64;
		struct slot_key *grown = realloc(r->slots, n * sizeof(*grown));

		if (!grown)
			return series; /* it is looked up again next time */
		memset(grown + r->nslots, 0, (n - r->nslots) * sizeof(*grown));
		r->slots = grown;
		r->nslots = n;
	}
	if (slot < r->nslots)
		r->slots[slot] = (struct slot_key){serial, series};
	return series;
}

/* --- columns to bytes, to be remembered --- */

/* What is counted of the column at work goes behind the others. Returns where it begins. */
static size_t column_flush(struct run *r)
{
	size_t begin = r->done.len;
	uint32_t slots = r->out->bounds.count;
	struct wbuf *w = &r->done;

	if (r->at == NO_COLUMN)
		return begin;
	wbuf_zigzag(w, r->at - r->done_at);
	wbuf_varint(w, r->column_is.frames);
	wbuf_varint(w, r->column_is.ticks);
	wbuf_varint(w, r->column_is.failed);
	wbuf_varint(w, r->column_is.other);
	wbuf_varint(w, r->column_is.covered_ns);
	wbuf_varint(w, r->shortest_ns);
	for (size_t i = 0; i < r->out->nseries; i++) {
		const uint64_t *counts = r->sums + i * slots;
		uint32_t some = 0, before = 0;

		for (uint32_t k = 0; k < slots; k++)
			some += counts[k] != 0;
		wbuf_varint(w, some);
		for (uint32_t k = 0; some && k < slots; k++) {
			if (!counts[k])
				continue;
			wbuf_varint(w, k - before);
			wbuf_varint(w, counts[k]);
			before = k;
		}
	}
	return begin;
}

static void column_open(struct run *r, int64_t at)
{
	if (r->at != NO_COLUMN) {
		column_flush(r);
		r->done_at = r->at;
	}
	r->at = at;
	memset(&r->column_is, 0, sizeof(r->column_is));
	r->shortest_ns = 0;
	memset(r->sums, 0, r->out->nseries * r->out->bounds.count * sizeof(uint64_t));
}

/* The next column of what column_flush() wrote, into the one at work, whose sums are empty. false: that was all. */
static bool column_read(struct run *r, struct rbuf *in, int64_t *before)
{
	uint32_t slots = r->out->bounds.count;

	if (!rbuf_left(in))
		return false;
	*before += rbuf_zigzag(in);
	r->at = *before;
	r->column_is.frames = (uint32_t)rbuf_varint(in);
	r->column_is.ticks = (uint32_t)rbuf_varint(in);
	r->column_is.failed = (uint32_t)rbuf_varint(in);
	r->column_is.other = (uint32_t)rbuf_varint(in);
	r->column_is.covered_ns = rbuf_varint(in);
	r->shortest_ns = rbuf_varint(in);
	memset(r->sums, 0, r->out->nseries * slots * sizeof(uint64_t));
	for (size_t i = 0; i < r->out->nseries && !in->err; i++) {
		uint64_t some = rbuf_bounded(in, slots), slot = 0;

		for (uint64_t k = 0; k < some && !in->err; k++) {
			slot += rbuf_bounded(in, slots - 1 - slot);
			r->sums[i * slots + slot] = rbuf_varint(in);
		}
	}
	return !in->err;
}

/* --- columns to the chart --- */

static void chart_close(struct run *r)
{
	struct hist_series *out = r->out;
	uint32_t slots = out->bounds.count;

	if (r->open < 0)
		return;
	for (size_t i = 0; i < out->nseries; i++)
		histogram_describe(&out->bounds, r->total + i * slots, &out->stats[i * out->n + (size_t)r->open]);
	if (!r->ask->apart)
		memcpy(out->counts + (size_t)r->open * slots, r->total, slots * sizeof(uint64_t));
	memset(r->total, 0, out->nseries * slots * sizeof(uint64_t));
	r->open = -1;
}

/* Takes the column at work into the chart. They come in order of time; two segments may share one. */
static void chart_add(struct run *r)
{
	struct hist_series *out = r->out;
	uint64_t step = r->ask->step_ns;
	int64_t first = (int64_t)(r->ask->from_ns / step), c = r->at - first;
	struct hist_column *to;

	if (r->at == NO_COLUMN || c < 0 || (uint64_t)c >= out->n)
		return;
	if (c != r->open) {
		chart_close(r);
		r->open = c;
	}
	to = &out->columns[c];
	to->frames += r->column_is.frames;
	to->ticks += r->column_is.ticks;
	to->failed += r->column_is.failed;
	to->other += r->column_is.other;
	to->covered_ns += r->column_is.covered_ns;
	if (r->shortest_ns && (!out->period_ns || r->shortest_ns < out->period_ns))
		out->period_ns = r->shortest_ns;
	histogram_add(r->total, r->sums, (uint32_t)(out->nseries * out->bounds.count));
}

/* --- ticks to columns --- */

static void check_schema(struct run *r, const struct schema_table *t)
{
	if (r->checked == t)
		return;
	r->checked = t;
	r->column = schema_column(t, r->ask->column);
	r->other = r->column < 0 || t->columns[r->column].type != CULPRIT_HIST ||
		   !histogram_same_bounds(&t->columns[r->column].bounds, &r->out->bounds);
	/* Slots are another table's now. */
	r->nslots = 0;
}

static int64_t column_at(const struct run *r, uint64_t ns)
{
	uint64_t step = r->ask->step_ns, phase = r->ask->from_ns % step;

	return ns < phase ? -1 : (int64_t)((ns - phase) / step);
}

static int take_tick(void *of, struct tick *t)
{
	struct run *r = of;
	uint32_t slots = r->out->bounds.count;
	/* A frame without samples counts where it stands. */
	uint64_t at = !t->sampled || !t->from_ns ? t->frame_ns : t->from_ns + (t->at_ns - t->from_ns) / 2;
	int64_t c = column_at(r, at);
	bool any = false;
	size_t slot;

	if (c != r->at)
		column_open(r, c);
	r->column_is.frames++;
	if (t->state == CULPRIT_FAILED || t->state == CULPRIT_LATE || t->state == CULPRIT_MISSING)
		r->column_is.failed++;
	if (!t->sampled || !t->from_ns)
		return r->done.err;
	check_schema(r, t->schema);
	if (r->other) {
		r->column_is.other++;
		return r->done.err;
	}
	for (size_t i = 0; i < t->nrows + t->nended; i++) {
		uint32_t series;
		struct value v;

		if (!tick_row(t, i, &slot))
			continue;
		series = series_of(r, t, slot);
		if (series == UINT32_MAX)
			continue;
		derive_raw(&t->derive, (uint32_t)r->column, &v);
		if (v.state != VALUE_OK)
			continue;
		histogram_add(r->sums + (size_t)series * slots, v.hist.counts, slots);
		any = true;
	}
	/* A table without rows was sampled all the same. */
	if (any || !t->nrows) {
		r->column_is.ticks++;
		r->column_is.covered_ns += t->at_ns - t->from_ns;
		if (!r->shortest_ns || t->at_ns - t->from_ns < r->shortest_ns)
			r->shortest_ns = t->at_ns - t->from_ns;
	}
	return r->done.err;
}

/* --- segments --- */

static struct memo_key memo_key(const struct source *source, const struct segment_info *info,
				const struct hist_series_request *ask)
{
	uint64_t keys = ask->nkeys * 2 + ask->apart;

	for (size_t i = 0; i < ask->nkeys; i++)
		keys = keys * 0x9e3779b97f4a7c15ull + row_key_hash(&ask->keys[i]);
	return (struct memo_key){{(uintptr_t)source, info->seq,
				  ((uint64_t)info->wall_ns ^ info->from_ns) + ask->from_ns % ask->step_ns,
				  row_key_text(ask->table, strlen(ask->table)) ^ MEMO_HIST,
				  row_key_text(ask->column, strlen(ask->column)) ^ ask->step_ns, keys}};
}

/* What is known of a segment: how many of its frames, and its columns, whose last one may go on. */
struct head {
	uint64_t frames;
	uint64_t last;    /* where the last column begins in the bytes */
	int64_t last_before; /* the column before it */
};

/* What was remembered goes into the chart, but for the last column of a segment that still grows: that is the one at work
 * again. Returns the frames known. */
static uint64_t recall(struct run *r, struct view *v, const struct memo_key *key)
{
	struct head head;
	struct rbuf in;
	int64_t before = 0;
	size_t n;
	const char *known = memo_get(view_memo(v), key, &n);

	r->at = NO_COLUMN;
	r->done_at = 0;
	wbuf_clear(&r->done);
	if (!known || n < sizeof(head))
		return 0;
	memcpy(&head, known, sizeof(head));
	known += sizeof(head);
	n -= sizeof(head);
	rbuf_init(&in, known, n);
	if (head.frames == WHOLE) {
		while (column_read(r, &in, &before))
			chart_add(r);
		r->at = NO_COLUMN;
		return WHOLE;
	}
	if (head.last > n)
		return 0;
	wbuf_bytes(&r->done, known, head.last);
	rbuf_init(&in, known + head.last, n - head.last);
	before = r->done_at = head.last_before;
	if (!column_read(r, &in, &before))
		r->at = NO_COLUMN;
	return head.frames;
}

static void remember(struct run *r, struct view *v, const struct memo_key *key, uint64_t frames)
{
	struct head head = {.frames = frames, .last_before = r->done_at};
	struct wbuf blob;

	head.last = column_flush(r);
	wbuf_init(&blob);
	wbuf_bytes(&blob, &head, sizeof(head));
	wbuf_bytes(&blob, r->done.data, r->done.len);
	/* Where there is no room it is found out again. */
	if (!blob.err && !r->done.err)
		memo_put(view_memo(v), key, blob.data, blob.len);
	wbuf_finish(&blob);
}

static int one_segment(struct run *r, struct view *v, struct source *source, const struct segment_info *info)
{
	struct memo_key key = memo_key(source, info, r->ask);
	uint64_t known = recall(r, v, &key), frames = 0;
	struct rbuf in;
	int64_t before = 0;
	int err;

	if (known == WHOLE)
		return 0;
	r->checked = NULL;
	r->nslots = 0;
	err = tick_walk(v, source, info, r->ask->table, (size_t)known, r->work, take_tick, r, &frames);
	if (err)
		return err;
	if (info->complete || frames > known)
		remember(r, v, &key, info->complete ? WHOLE : frames);
	else
		column_flush(r);
	if (r->done.err)
		return -ENOMEM;
	rbuf_init(&in, r->done.data, r->done.len);
	while (column_read(r, &in, &before))
		chart_add(r);
	return 0;
}

static void run_finish(struct run *r)
{
	free(r->work[0]);
	free(r->work[1]);
	free(r->sums);
	free(r->total);
	free(r->index);
	free(r->slots);
	wbuf_finish(&r->done);
}

static int run_init(struct run *r)
{
	size_t words = r->out->nseries * r->out->bounds.count;

	wbuf_init(&r->done);
	r->open = -1;
	r->at = NO_COLUMN;
	r->work[0] = calloc(SCHEMA_SLOTS_MAX, sizeof(uint64_t));
	r->work[1] = calloc(SCHEMA_SLOTS_MAX, sizeof(uint64_t));
	r->sums = calloc(words + 1, sizeof(uint64_t));
	r->total = calloc(words + 1, sizeof(uint64_t));
	return r->work[0] && r->work[1] && r->sums && r->total ? index_keys(r) : -ENOMEM;
}

int hist_series_run(struct view *v, const struct hist_series_request *ask, struct hist_series *out,
		    struct culprit_error *error)
{
	uint64_t first, last, end;
	struct run r = {.ask = ask, .out = out};
	struct view_piece pieces[VIEW_PIECES_MAX];
	size_t npieces;
	int err;

	out->n = out->nseries = 0;
	out->known = false;
	out->period_ns = 0;
	if (!ask->step_ns || !ask->n || ask->n > HIST_SERIES_COLUMNS_MAX || ask->nkeys > HIST_SERIES_KEYS_MAX ||
	    (ask->apart && (ask->nkeys > HIST_SERIES_APART_MAX || !ask->nkeys)) ||
	    __builtin_mul_overflow(ask->n, ask->step_ns, &end) || __builtin_add_overflow(end, ask->from_ns, &end))
		return error_set(error, -EINVAL, "a heatmap needs between 1 and %d columns", HIST_SERIES_COLUMNS_MAX);
	if (!view_extent(v, &first, &last))
		return view_nothing(v, error);
	err = take_bounds(v, ask, out);
	if (!err && !out->known)
		out->bounds.count = 0;
	if (!err)
		err = prepare(out, ask);
	if (err || !out->known)
		return err ? error_set(error, err, "out of memory") : 0;
	npieces = view_pieces(v, ask->table, ask->from_ns, end, pieces);
	err = run_init(&r);
	for (size_t p = 0; p < npieces && !err; p++) {
		size_t nsegments = 0;
		struct segment_info *list = source_segments(pieces[p].source, &nsegments);

		for (size_t i = 0; list && i < nsegments && !err; i++) {
			/* What a tick counted lies before its frame. */
			if (list[i].to_ns < ask->from_ns || (list[i].from_ns > end && list[i].from_ns - end > ask->step_ns) ||
			    list[i].to_ns <= pieces[p].from_ns || list[i].from_ns > pieces[p].to_ns)
				continue;
			err = one_segment(&r, v, pieces[p].source, &list[i]);
			if (err == -ESTALE)
				err = 0; /* overwritten meanwhile: nothing is known of it */
		}
		free(list);
	}
	chart_close(&r);
	run_finish(&r);
	return err ? error_set(error, err, "the history cannot be read for a heatmap") : 0;
}
