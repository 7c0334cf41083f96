#include "series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "derive.h"
#include "error.h"
#include "memo.h"
#include "number.h"
#include "query_internal.h"
#include "series_internal.h"

enum { WALKERS_MAX = 8, WALKER_IDLE = 32, MEMO_SERIES = 3, KNOWN_ROWS = 64 };

/* Two cursors a tick apart over one table. */
struct walker {
	struct source *source;
	char table[32];
	struct cursor *start, *end;
	uint64_t used;
};

/* Which row of a writer a key was: it stays so for the life of both. With it a summary can be read without a frame. */
struct known_row {
	const struct source *source; /* NULL: free */
	uint64_t writer, serial;
	char table[32];
	struct row_key key;
};

struct series_state {
	struct known_row known[KNOWN_ROWS];
	struct walker walkers[WALKERS_MAX];
	size_t n;
	uint64_t runs;
	uint64_t *counts[2];
	struct series_summary *summary;
};

/* Frames taken in so far of a segment that may grow; of a complete one: */
#define WHOLE UINT64_MAX

struct head {
	uint64_t frames, interval_ns;
};

uint64_t series_step(uint64_t from_ns, uint64_t to_ns, size_t n, uint64_t tick_ns)
{
	static const uint32_t multiples[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200};
	uint64_t span = to_ns > from_ns ? to_ns - from_ns : 0;

	tick_ns = tick_ns ? tick_ns : 1000000000;
	n = n ? n : 1;
	for (size_t i = 0; i < sizeof(multiples) / sizeof(multiples[0]); i++)
		if (span <= n * multiples[i] * tick_ns)
			return multiples[i] * tick_ns;
	return (span / n / (86400 * tick_ns) + 1) * 86400 * tick_ns;
}

uint64_t series_tick_ns(struct view *v)
{
	const struct host_info *host = view_host(v);

	return host && host->interval_ns ? host->interval_ns : 1000000000;
}

void series_state_destroy(struct series_state *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		cursor_destroy(s->walkers[i].start);
		cursor_destroy(s->walkers[i].end);
	}
	free(s->counts[0]);
	free(s->counts[1]);
	series_summary_destroy(s->summary);
	free(s);
}

static struct series_state *state_of(struct view *v)
{
	struct series_state **at = view_series(v), *s = *at;

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->counts[0] = calloc(SCHEMA_SLOTS_MAX, sizeof(uint64_t));
	s->counts[1] = calloc(SCHEMA_SLOTS_MAX, sizeof(uint64_t));
	s->summary = series_summary_create();
	if (!s->counts[0] || !s->counts[1] || !s->summary) {
		series_state_destroy(s);
		return NULL;
	}
	return *at = s;
}

static void walker_close(struct walker *w)
{
	cursor_destroy(w->start);
	cursor_destroy(w->end);
	memset(w, 0, sizeof(*w));
}

static struct walker *walker_at(struct series_state *s, struct source *source, const char *table)
{
	const char *names[] = {table, NULL};
	struct walker *w = NULL;

	for (size_t i = 0; i < s->n; i++) {
		if (s->walkers[i].source == source && strcmp(s->walkers[i].table, table) == 0) {
			s->walkers[i].used = s->runs;
			return &s->walkers[i];
		}
		if (!w || s->walkers[i].used < w->used)
			w = &s->walkers[i];
	}
	if (s->n < WALKERS_MAX)
		w = &s->walkers[s->n++];
	else
		walker_close(w);
	memset(w, 0, sizeof(*w));
	w->source = source;
	snprintf(w->table, sizeof(w->table), "%s", table);
	w->used = s->runs;
	w->start = cursor_create(source, names);
	w->end = cursor_create(source, names);
	if (!w->start || !w->end) {
		walker_close(w);
		s->n -= w == &s->walkers[s->n - 1];
		return NULL;
	}
	return w;
}

void series_find_column(struct series_task *t, const struct schema_table *schema)
{
	if (t->schema == schema)
		return;
	t->schema = schema;
	t->column = schema_column(schema, t->name);
	t->raw = t->column >= 0;
	if (!t->raw)
		t->column = schema_derived(schema, t->name);
}

static bool evaluate(const struct series_task *t, const struct derive *d, double *ret)
{
	struct value v;

	if (t->raw)
		derive_raw(d, (uint32_t)t->column, &v);
	else
		derive_column(d, (uint32_t)t->column, -1, 0, 0, &v);
	/* An old value was drawn when it was read. */
	return v.state == VALUE_OK && !v.age_ns && value_number(&v, ret);
}

/* The request's row, by where it was, else by its key. */
static const struct row *find_row(struct series_task *t, const struct cursor *c, const struct table_view *table, struct row *memory)
{
	const struct row *row = t->serial ? cursor_row_serial(c, table->schema, t->slot, t->serial, memory) : NULL;
	struct row_key key;

	for (size_t i = 0; !row && i < table->nrows; i++) {
		row = cursor_row(c, table->schema, i, memory);
		if (!row)
			continue;
		/* Numbers first: they need no text. */
		if (table->schema->columns[table->schema->keys[0]].type <= CULPRIT_BOOL &&
		    row_cell(row, table->schema->keys[0]) != t->request->key.bits[0]) {
			row = NULL;
			continue;
		}
		query_row_key(table->schema, row, table->schema->keys, table->schema->nkeys, &key);
		if (!row_key_equal(&key, &t->request->key)) {
			row = NULL;
			continue;
		}
		t->slot = i;
	}
	t->serial = row ? row->serial : 0;
	return row;
}

/* Does this child belong to the row that is asked for? */
static bool is_child(const struct series_task *t, const struct schema_table *schema, const struct row *row)
{
	struct row_key key;

	if (!t->request->key.n)
		return true;
	if (!schema->nparent)
		return false;
	if (schema->columns[schema->parents[0]].type <= CULPRIT_BOOL && row_cell(row, schema->parents[0]) != t->request->key.bits[0])
		return false;
	query_row_key(schema, row, schema->parents, schema->nparent, &key);
	return row_key_equal(&key, &t->request->key);
}

static bool value_at(struct series_task *t, struct walker *w, struct derive *d, const struct table_view *table, double *ret)
{
	struct row end, start;
	bool any = false;
	double sum = 0, x;

	if (t->request->key.n && !t->rollup) {
		d->end = find_row(t, w->end, table, &end);
		if (!d->end)
			return false;
		d->start = d->start_schema ? cursor_row_serial(w->start, d->start_schema, t->slot, d->end->serial, &start) : NULL;
		return evaluate(t, d, ret);
	}
	for (size_t i = 0; i < table->nrows; i++) {
		d->end = cursor_row(w->end, table->schema, i, &end);
		if (!d->end || (t->rollup && !is_child(t, table->schema, d->end)))
			continue;
		d->start = d->start_schema ? cursor_row_serial(w->start, d->start_schema, i, d->end->serial, &start) : NULL;
		if (!evaluate(t, d, &x))
			continue;
		sum = t->rollup != CULPRIT_ROLL_MAX ? sum + x : any ? number_max(sum, x) : x;
		any = true;
	}
	*ret = sum;
	return any;
}

int series_add(struct series_task *t, uint64_t at_ns, double value)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct series_tick *grown = realloc(t->ticks, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->ticks = grown;
		t->cap = cap;
	}
	t->ticks[t->n++] = (struct series_tick){at_ns, value};
	return 0;
}

/* Both cursors stand: takes in one tick for all requests of this table. */
static int take_tick(struct series_state *s, struct walker *w, struct series_task *tasks, size_t n)
{
	struct table_view now, before;
	struct segment *segment = cursor_segment(w->end), *start = cursor_segment(w->start);
	struct derive d = {.end_cursor = w->end, .start_cursor = w->start, .counts = {s->counts[0], s->counts[1]}};
	int err = 0;

	if (!cursor_table(w->end, w->table, &now) || !now.sample_ns)
		return 0;
	d.schema = now.schema;
	d.sample_ns = now.sample_ns;
	d.host = &segment->host;
	d.wall_offset_ns = (int64_t)((uint64_t)cursor_wall_ns(w->end) - cursor_mono_ns(w->end));
	/* On the very first frame there is nothing before. */
	if (cursor_mono_ns(w->start) < cursor_mono_ns(w->end) && cursor_table(w->start, w->table, &before)) {
		if (before.sample_ns >= now.sample_ns)
			return 0; /* not sampled in this tick */
		if (start->meta.writer == segment->meta.writer && query_same_form(now.schema, before.schema))
			d.start_schema = before.schema;
	}
	for (size_t i = 0; i < n && !err; i++) {
		double x;

		if (!tasks[i].wanted || strcmp(tasks[i].table, w->table) != 0)
			continue;
		series_find_column(&tasks[i], now.schema);
		/* Serials are a writer's own. */
		if (tasks[i].writer != segment->meta.writer)
			tasks[i].serial = 0;
		tasks[i].writer = segment->meta.writer;
		tasks[i].interval_ns = segment->host.interval_ns;
		if (tasks[i].column >= 0 && value_at(&tasks[i], w, &d, &now, &x))
			err = series_add(&tasks[i], now.sample_ns, x);
	}
	return err;
}

/* Frames from number `first` on of one segment. *ret_frames: how many it has. */
static int walk(struct series_state *s, struct walker *w, const struct segment_info *info, size_t first,
		struct series_task *tasks, size_t n, uint64_t *ret_frames)
{
	struct segment *segment;
	uint64_t previous;
	int err;

	/* Where it stands in this segment already, it stays: going back would decode it again. */
	segment = cursor_segment(w->end);
	if (segment && segment->shown_seq == info->seq && cursor_mono_ns(w->end) >= info->from_ns)
		err = cursor_seek(w->end, cursor_mono_ns(w->end), NULL);
	else
		err = cursor_seek(w->end, info->from_ns, NULL);

	*ret_frames = 0;
	if (err && err != -EBADMSG)
		return err;
	segment = cursor_segment(w->end);
	if (!segment || segment->shown_seq != info->seq)
		return -ESTALE;
	segment_lock(segment);
	err = 0;
	for (size_t i = first; i < segment->nframes && !err; i++) {
		uint64_t at = segment->frames[i].mono_ns;

		previous = i ? segment->frames[i - 1].mono_ns : at ? at - 1 : 0;
		err = cursor_seek(w->end, at, NULL);
		if (!err)
			err = cursor_seek(w->start, previous, NULL);
		if (!err)
			err = take_tick(s, w, tasks, n);
	}
	*ret_frames = segment->nframes;
	segment_unlock(segment);
	return err == -EBADMSG ? 0 : err;
}

/* Looks the rows up at the segment's beginning, for a summary knows them by serial only. True: one more is known by it. */
static bool find_rows(struct series_state *s, struct source *source, const struct segment_info *info, struct series_task *tasks,
		      size_t n, const char *table)
{
	struct walker *w = walker_at(s, source, table);
	struct table_view now;
	struct segment *segment;
	bool found = false;

	if (!w || cursor_seek(w->end, info->from_ns, NULL))
		return false;
	segment = cursor_segment(w->end);
	if (!segment || segment->shown_seq != info->seq || !cursor_table(w->end, w->table, &now))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct series_task *t = &tasks[i];
		uint64_t writer = t->writer, serial = t->serial;
		struct row row;

		if (!t->wanted || !t->request->key.n || t->rollup || strcmp(t->table, table) != 0)
			continue;
		if (writer != segment->meta.writer)
			t->serial = 0; /* serials are a writer's own */
		t->writer = segment->meta.writer;
		found |= find_row(t, w->end, &now, &row) && (t->serial != serial || t->writer != writer);
	}
	return found;
}

static struct known_row *known_row(struct series_state *s, uint64_t writer, const struct series_task *t)
{
	uint64_t h = row_key_hash(&t->request->key) ^ row_key_text(t->table, strlen(t->table)) ^ writer;

	return &s->known[(h ^ h >> 32) % KNOWN_ROWS];
}

static bool is_known(const struct known_row *k, const struct source *source, uint64_t writer, const struct series_task *t)
{
	return k->source == source && k->writer == writer && !strcmp(k->table, t->table) && row_key_equal(&k->key, &t->request->key);
}

static void recall_row(struct series_state *s, const struct source *source, uint64_t writer, struct series_task *t)
{
	const struct known_row *k = known_row(s, writer, t);

	if (!writer || t->serial || !t->request->key.n || t->rollup || !is_known(k, source, writer, t))
		return;
	t->serial = k->serial;
	t->writer = writer;
}

static void remember_row(struct series_state *s, const struct source *source, uint64_t writer, const struct series_task *t)
{
	struct known_row *k = known_row(s, writer, t);

	if (!t->serial || t->writer != writer || !writer || !t->request->key.n || t->rollup)
		return;
	*k = (struct known_row){.source = source, .writer = writer, .serial = t->serial, .key = t->request->key};
	snprintf(k->table, sizeof(k->table), "%s", t->table);
}

static struct memo_key memo_key(const struct segment_info *info, const struct source *source, const struct series_task *t)
{
	const struct series_request *r = t->request;

	return (struct memo_key){{(uintptr_t)source, info->seq, (uint64_t)info->wall_ns ^ info->from_ns,
				  row_key_text(r->table, strlen(r->table)) ^ MEMO_SERIES,
				  row_key_text(r->column, strlen(r->column)), row_key_hash(&r->key)}};
}

static void bucket_take(struct series_bucket *to, double x)
{
	to->min = to->ticks ? number_min(to->min, x) : x;
	to->max = to->ticks ? number_max(to->max, x) : x;
	to->mean += x; /* the sum, for now */
	to->last = x;
	to->ticks++;
	to->data = true;
}

/* (from + i * step, from + (i + 1) * step]; from may lie before 0: it wraps. Where samples were further apart than buckets are long
 * (the interval was changed since), a tick's value is that of all buckets since the tick before. */
static void fill(const struct series_task *t)
{
	struct series *out = t->out;
	uint64_t buckets = t->interval_ns / out->step_ns;

	for (size_t i = 0; i < t->n; i++) {
		uint64_t after = t->ticks[i].at_ns - out->from_ns, b;

		if (!after || after > out->n * out->step_ns || t->ticks[i].at_ns <= t->after_ns ||
		    t->ticks[i].at_ns > t->until_ns)
			continue;
		b = (after - 1) / out->step_ns;
		bucket_take(&out->buckets[b], t->ticks[i].value);
		for (uint64_t k = 1; k < buckets && k <= b && !out->buckets[b - k].data; k++)
			bucket_take(&out->buckets[b - k], t->ticks[i].value);
	}
}

static int recall(struct view *v, struct source *source, const struct segment_info *info, struct series_task *t,
		  uint64_t *ret_frames)
{
	struct memo_key key = memo_key(info, source, t);
	struct head head = {0};
	size_t n;
	const char *known = memo_get(view_memo(v), &key, &n);

	t->n = 0;
	*ret_frames = 0;
	if (!known || n < sizeof(head))
		return 0;
	memcpy(&head, known, sizeof(head));
	*ret_frames = head.frames;
	t->interval_ns = head.interval_ns;
	n = (n - sizeof(head)) / sizeof(struct series_tick);
	for (size_t i = 0; i < n; i++) {
		struct series_tick tick;

		memcpy(&tick, known + sizeof(head) + i * sizeof(tick), sizeof(tick));
		if (series_add(t, tick.at_ns, tick.value))
			return -ENOMEM;
	}
	return 0;
}

static void remember(struct view *v, struct source *source, const struct segment_info *info, const struct series_task *t,
		     uint64_t frames)
{
	struct memo_key key = memo_key(info, source, t);
	struct head head = {frames, t->interval_ns};
	size_t n = sizeof(head) + t->n * sizeof(struct series_tick);
	char *blob = malloc(n);

	if (!blob)
		return;
	memcpy(blob, &head, sizeof(head));
	if (t->n)
		memcpy(blob + sizeof(head), t->ticks, t->n * sizeof(struct series_tick));
	memo_put(view_memo(v), &key, blob, n);
	free(blob);
}

static int one_segment(struct view *v, struct series_state *s, struct source *source, const struct segment_info *info,
		       const struct segment_info *before, struct series_task *tasks, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		tasks[i].wanted = true;
	for (size_t i = 0; i < n && !err; i++) {
		const char *table = tasks[i].table;
		uint64_t least = WHOLE, frames = 0;
		struct walker *w;
		bool done = false, summarised = false;

		/* All requests of this table at once. */
		for (size_t k = 0; k < i && !done; k++)
			done = strcmp(tasks[k].table, table) == 0;
		if (done)
			continue;
		for (size_t k = i; k < n && !err; k++) {
			if (strcmp(tasks[k].table, table) != 0)
				continue;
			err = recall(v, source, info, &tasks[k], &frames);
			/* A segment that still grows is taken on from where it was. */
			least = frames < least ? frames : least;
			tasks[k].wanted = frames != WHOLE;
		}
		if (least == WHOLE || err) {
			for (size_t k = i; k < n; k++)
				if (strcmp(tasks[k].table, table) == 0)
					fill(&tasks[k]);
			continue;
		}
		/* Not equally far: the others begin again with the one that is behind. */
		for (size_t k = i; k < n; k++) {
			uint64_t own;

			if (strcmp(tasks[k].table, table) != 0 || !tasks[k].wanted)
				continue;
			err = recall(v, source, info, &tasks[k], &own);
			if (own != least)
				least = 0;
		}
		for (size_t k = i; k < n && !least; k++)
			if (strcmp(tasks[k].table, table) == 0 && tasks[k].wanted)
				tasks[k].n = 0;
		for (size_t k = i; k < n; k++)
			if (strcmp(tasks[k].table, table) == 0 && tasks[k].wanted)
				recall_row(s, source, info->writer, &tasks[k]);
		if (!err && !least) {
			err = series_summary_run(s->summary, source, info, before, tasks, n, table);
			if (err == -ENOENT && info->complete && find_rows(s, source, info, tasks, n, table))
				err = series_summary_run(s->summary, source, info, before, tasks, n, table);
			summarised = !err;
			err = err == -ENOENT || err == -EBADMSG ? 0 : err;
		}
		w = err || summarised ? NULL : walker_at(s, source, table);
		if (!err && !summarised && !w)
			err = -ENOMEM;
		if (!err && !summarised)
			err = walk(s, w, info, (size_t)least, tasks, n, &frames);
		for (size_t k = i; k < n && !err; k++) {
			if (strcmp(tasks[k].table, table) != 0)
				continue;
			remember_row(s, source, info->writer, &tasks[k]);
			if (tasks[k].wanted)
				remember(v, source, info, &tasks[k], info->complete ? WHOLE : frames);
			fill(&tasks[k]);
		}
	}
	return err;
}

/* A column that children roll up is read where the children are. */
static void resolve(struct view *v, struct series_task *t)
{
	const struct schema *schema = view_schema(v);
	const struct schema_table *table = view_table(v, t->request->table);

	t->table = t->request->table;
	t->name = t->request->column;
	if (!table || schema_column(table, t->name) >= 0 || schema_derived(table, t->name) >= 0)
		return;
	for (uint32_t i = 0; i < schema->ntables; i++) {
		for (uint32_t k = 0; k < schema->tables[i]->nrollups; k++) {
			const struct schema_rollup *r = &schema->tables[i]->rollups[k];

			if (strcmp(r->table, t->request->table) || strcmp(r->name, t->request->column))
				continue;
			t->table = schema->tables[i]->name;
			t->name = r->column;
			t->rollup = r->op;
			return;
		}
	}
}

static void set_unit(struct view *v, struct series_task *t)
{
	const struct schema_table *table = view_table(v, t->table);
	int column = table ? schema_column(table, t->name) : -1;

	t->out->unit = CULPRIT_NONE;
	/* How many things a histogram counted. */
	if (column >= 0)
		t->out->unit = table->columns[column].type == CULPRIT_HIST ? CULPRIT_COUNT : table->columns[column].unit;
	else if (table && (column = schema_derived(table, t->name)) >= 0)
		t->out->unit = (uint8_t)table->derived[column].unit;
}

/* Who answers for a task when. */
static size_t pieces_of(struct view *v, const struct series_task *t, struct view_piece *pieces)
{
	const struct series *out = t->out;

	/* Buckets may begin before there was time. */
	return view_pieces(v, t->table, (int64_t)out->from_ns < 0 ? 0 : out->from_ns, out->from_ns + out->n * out->step_ns, pieces);
}

/* Tasks of the same pieces. Segment by segment: all that is asked of one is read while it is there, for to read it, and to unpack it,
 * costs more than to walk it. */
static int one_set(struct view *v, struct series_state *s, struct series_task *tasks, size_t n, const struct view_piece *pieces,
		   size_t npieces)
{
	const struct series *out = tasks[0].out;
	uint64_t end = out->from_ns + out->n * out->step_ns;
	int err = 0;

	for (size_t p = 0; p < npieces && !err; p++) {
		size_t nsegments = 0;
		struct segment_info *list = source_segments(pieces[p].source, &nsegments);

		for (size_t i = 0; i < n; i++) {
			tasks[i].after_ns = pieces[p].from_ns;
			tasks[i].until_ns = pieces[p].to_ns;
		}
		for (size_t i = 0; list && i < nsegments && !err; i++) {
			/* A sample lies a little behind its frame. */
			if ((int64_t)(list[i].to_ns + out->step_ns - out->from_ns) <= 0 || list[i].from_ns > end)
				continue;
			err = one_segment(v, s, pieces[p].source, &list[i], i ? &list[i - 1] : NULL, tasks, n);
			if (err == -ESTALE)
				err = 0; /* overwritten meanwhile: no data there */
		}
		free(list);
	}
	return err;
}

static bool same_pieces(const struct view_piece *a, size_t na, const struct view_piece *b, size_t nb)
{
	bool same = na == nb;

	for (size_t i = 0; i < na && same; i++)
		same = a[i].source == b[i].source && a[i].from_ns == b[i].from_ns && a[i].to_ns == b[i].to_ns;
	return same;
}

/* Those of the first one's pieces stand together; in each the order stays. Returns how many the first ones are. */
static size_t bring_together(struct view *v, struct series_task *tasks, size_t n, struct view_piece *pieces, size_t *ret_npieces)
{
	struct view_piece other[VIEW_PIECES_MAX];
	size_t same = 1;

	*ret_npieces = pieces_of(v, &tasks[0], pieces);
	for (size_t i = 1; i < n; i++) {
		struct series_task task = tasks[i];

		if (strcmp(task.table, tasks[0].table) != 0 && !same_pieces(pieces, *ret_npieces, other, pieces_of(v, &task, other)))
			continue;
		memmove(&tasks[same + 1], &tasks[same], (i - same) * sizeof(tasks[0]));
		tasks[same++] = task;
	}
	return same;
}

int series_run(struct view *v, const struct series_request *requests, size_t nrequests, uint64_t to_ns, uint64_t step_ns,
	       size_t n, struct series *out, struct culprit_error *error)
{
	uint64_t first, last, end, from;
	struct series_state *s;
	struct view_piece pieces[VIEW_PIECES_MAX];
	struct series_task *tasks;
	size_t npieces;
	int64_t over;
	int err = 0;

	if (!step_ns || !n || n > SIZE_MAX / step_ns)
		return error_set(error, -EINVAL, "a series needs buckets of some length");
	if (!view_extent(v, &first, &last))
		return view_nothing(v, error);
	if (to_ns > last)
		to_ns = last;
	over = view_wall_ns(v, to_ns) % (int64_t)step_ns;
	end = to_ns + (over > 0 ? step_ns - (uint64_t)over : 0);
	from = end - n * step_ns;
	s = state_of(v);
	tasks = calloc(nrequests + 1, sizeof(*tasks));
	if (!s || !tasks) {
		free(tasks);
		return error_set(error, -ENOMEM, "out of memory");
	}
	s->runs++;
	for (size_t i = 0; i < nrequests; i++) {
		out[i].from_ns = from;
		out[i].step_ns = step_ns;
		out[i].n = n;
		memset(out[i].buckets, 0, n * sizeof(*out[i].buckets));
		tasks[i] = (struct series_task){.request = &requests[i], .out = &out[i], .column = -1};
		resolve(v, &tasks[i]);
		set_unit(v, &tasks[i]);
	}
	for (size_t done = 0, same; done < nrequests && !err; done += same) {
		same = bring_together(v, tasks + done, nrequests - done, pieces, &npieces);
		err = one_set(v, s, tasks + done, same, pieces, npieces);
	}
	for (size_t i = 0; i < nrequests; i++) {
		for (size_t b = 0; b < n; b++)
			if (out[i].buckets[b].ticks)
				out[i].buckets[b].mean /= out[i].buckets[b].ticks;
		free(tasks[i].ticks);
	}
	/* Cursors of large tables do not stay for charts that are gone. */
	for (size_t i = s->n; i-- > 0;) {
		if (s->runs - s->walkers[i].used > WALKER_IDLE) {
			walker_close(&s->walkers[i]);
			s->walkers[i] = s->walkers[--s->n];
		}
	}
	free(tasks);
	return err ? error_set(error, err, "the history cannot be read for a chart") : 0;
}
