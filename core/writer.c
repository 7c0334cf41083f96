#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "error.h"
#include "format.h"
#include "segment_codec.h"

enum {
	SEGMENT_FRAMES_MIN = 30,  /* a key frame is paid for by at least so many frames */
	SEGMENT_FRAMES_MAX = 300, /* and a jump in time decodes at most so many */
	SEGMENT_DELTAS_PER_KEY = 3, /* a segment ends when its deltas are so many times its key frame ... */
	SEGMENT_SIZE_MIN = 1 << 20, /* ... unless it is small, and a jump in time quick all the same */
	SEGMENT_ROWS_STORM = 2048, /* so many rows at once, of which ... */
	SEGMENT_ROWS_LEFT = 4,	   /* ... one in so many is left: a storm is over */
};

struct writer_sink {
	struct sink *sink;
	bool begun; /* it has the beginning of the open segment */
	int err;
	struct culprit_error error;
};

struct writer {
	struct schema *schema;
	struct builder *builder;
	struct host_info host;
	struct writer_sink *sinks;
	size_t nsinks;
	struct segment_meta meta;
	bool open;          /* a segment is */
	bool start_anew;    /* the next frame begins a segment */
	uint32_t frames;
	size_t key_bytes, delta_bytes;
	uint64_t rows_most;          /* at once, in the open segment */
	struct wbuf blocks;          /* reused */
	size_t size;                 /* bytes of the open segment */
};

/* What every segment begins with: the same each time, and not worth the memory in between. */
static void put_constant(struct writer *w)
{
	size_t begun = segment_begin_block(&w->blocks, FORMAT_HOST);

	host_info_encode(&w->host, &w->blocks);
	segment_end_block(&w->blocks, begun);
	begun = segment_begin_block(&w->blocks, FORMAT_SCHEMA);
	schema_encode(w->schema, &w->blocks);
	segment_end_block(&w->blocks, begun);
}

struct writer *writer_create(struct schema *schema, const struct host_info *host)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->host = *host;
	w->schema = schema_lock(schema);
	w->builder = builder_create(schema);
	if (!w->builder) {
		writer_destroy(w);
		return NULL;
	}
	if (getrandom(&w->meta.writer, sizeof(w->meta.writer), 0) != sizeof(w->meta.writer))
		w->meta.writer = (uint64_t)time(NULL) << 20 ^ (uint64_t)clock();
	return w;
}

void writer_destroy(struct writer *w)
{
	if (!w)
		return;
	writer_finish_segment(w);
	for (size_t i = 0; i < w->nsinks; i++)
		w->sinks[i].sink->ops->destroy(w->sinks[i].sink);
	free(w->sinks);
	builder_destroy(w->builder);
	schema_unlock(w->schema);
	wbuf_finish(&w->blocks);
	free(w);
}

struct builder *writer_builder(struct writer *w)
{
	return w->builder;
}

int writer_add_sink(struct writer *w, struct sink *sink)
{
	struct writer_sink *sinks = realloc(w->sinks, (w->nsinks + 1) * sizeof(*sinks));

	if (!sinks)
		return -ENOMEM;
	w->sinks = sinks;
	memset(&sinks[w->nsinks], 0, sizeof(*sinks));
	sinks[w->nsinks++].sink = sink;
	w->start_anew = true;
	return 0;
}

void writer_remove_sink(struct writer *w, struct sink *sink)
{
	for (size_t i = 0; i < w->nsinks; i++) {
		if (w->sinks[i].sink != sink)
			continue;
		writer_finish_segment(w);
		sink->ops->destroy(sink);
		memmove(&w->sinks[i], &w->sinks[i + 1], (w->nsinks - i - 1) * sizeof(*w->sinks));
		w->nsinks--;
		return;
	}
}

int writer_sink_error(struct writer *w, const struct sink *sink, struct culprit_error *error)
{
	for (size_t i = 0; i < w->nsinks; i++) {
		int err = w->sinks[i].err;

		if (w->sinks[i].sink != sink || !err)
			continue;
		if (error)
			*error = w->sinks[i].error;
		w->sinks[i].err = 0;
		return err;
	}
	return 0;
}

int writer_grow(struct writer *w, struct schema *schema)
{
	int r = writer_finish_segment(w);

	if (!r)
		r = builder_grow(w->builder, schema);
	if (r)
		return r;
	schema_lock(schema);
	schema_unlock(w->schema);
	w->schema = schema;
	return 0;
}

int writer_set_interval(struct writer *w, uint64_t interval_ns)
{
	int r = writer_finish_segment(w);

	w->host.interval_ns = interval_ns;
	return r;
}

/* A sink's first error is kept until it is asked for. */
static void note(struct writer_sink *s, int err, const struct culprit_error *error)
{
	if (!err || s->err)
		return;
	s->err = err;
	s->error = *error;
}

int writer_finish_segment(struct writer *w)
{
	struct culprit_error error = {""};
	size_t begun;

	if (!w->open)
		return 0;
	w->open = false;
	wbuf_clear(&w->blocks);
	begun = segment_begin_block(&w->blocks, FORMAT_SUMMARY);
	/* Without it readers make their own: an empty one says so. */
	if (builder_summary(w->builder, &w->blocks)) {
		wbuf_clear(&w->blocks);
		segment_begin_block(&w->blocks, FORMAT_SUMMARY);
	}
	segment_end_block(&w->blocks, begun);
	for (size_t i = 0; i < w->nsinks; i++) {
		struct writer_sink *s = &w->sinks[i];

		if (s->begun)
			note(s, s->sink->ops->end(s->sink, w->blocks.data, w->blocks.len, &error), &error);
		s->begun = false;
	}
	w->size = 0;
	return w->blocks.err;
}

static size_t segment_max(const struct writer *w)
{
	size_t max = FORMAT_BLOCK_MAX;

	for (size_t i = 0; i < w->nsinks; i++) {
		size_t n = w->sinks[i].sink->ops->segment_max(w->sinks[i].sink);

		max = n < max ? n : max;
	}
	return max;
}

static bool segment_is_due(const struct writer *w)
{
	/* Room for the summary and for one more frame. */
	size_t max = segment_max(w), room = max - max / 4;

	if (w->start_anew || w->frames >= SEGMENT_FRAMES_MAX || w->size > room)
		return true;
	if (w->frames < SEGMENT_FRAMES_MIN)
		return false;
	/* A key frame is small then, and with it goes the memory that writer and readers have for what has ended. */
	if (w->rows_most >= SEGMENT_ROWS_STORM && builder_rows_all(w->builder) < w->rows_most / SEGMENT_ROWS_LEFT)
		return true;
	return w->size >= SEGMENT_SIZE_MIN && w->delta_bytes > SEGMENT_DELTAS_PER_KEY * w->key_bytes;
}

static void segment_begin(struct writer *w, uint64_t mono_ns, int64_t wall_ns)
{
	struct culprit_error error;

	w->meta.mono_ns = mono_ns;
	w->meta.wall_ns = wall_ns;
	segment_put_header(&w->blocks, &w->meta);
	put_constant(w);
	for (size_t i = 0; i < w->nsinks; i++) {
		struct writer_sink *s = &w->sinks[i];
		int err;

		if (s->sink->ops->declare)
			s->sink->ops->declare(s->sink, w->schema);
		err = s->sink->ops->begin(s->sink, &w->meta, &error);

		note(s, err, &error);
		s->begun = !err;
	}
	w->meta.seq++;
	w->open = true;
	w->start_anew = false;
	w->frames = 0;
	w->key_bytes = w->delta_bytes = 0;
	w->rows_most = 0;
}

int writer_commit(struct writer *w)
{
	struct culprit_error error;
	uint64_t mono_ns;
	int64_t wall_ns;
	uint64_t rows;
	size_t before;
	bool key;
	int r;

	builder_times(w->builder, &mono_ns, &wall_ns);
	if (w->open && segment_is_due(w))
		writer_finish_segment(w);
	key = !w->open;
	wbuf_clear(&w->blocks);
	if (key)
		segment_begin(w, mono_ns, wall_ns);
	before = segment_begin_block(&w->blocks, FORMAT_FRAME);
	r = builder_seal(w->builder, key, &w->blocks);
	segment_end_block(&w->blocks, before);
	if (!r)
		r = w->blocks.err;
	if (r) {
		/* Half a frame is of no use, and the deltas after it would not fit: begin anew. */
		w->start_anew = true;
		if (key)
			w->open = false;
		return r;
	}
	w->size += w->blocks.len;
	for (size_t i = 0; i < w->nsinks; i++) {
		struct writer_sink *s = &w->sinks[i];
		int err;

		if (!s->begun)
			continue;
		err = s->sink->ops->append(s->sink, w->blocks.data, w->blocks.len, mono_ns, &error);
		note(s, err, &error);
		/* A frame that is missing spoils those after it: wait for the next segment. */
		s->begun = !err;
		w->start_anew |= err == -EAGAIN;
	}
	w->frames++;
	rows = builder_rows_all(w->builder);
	w->rows_most = rows > w->rows_most ? rows : w->rows_most;
	*(key ? &w->key_bytes : &w->delta_bytes) += w->blocks.len - before;
	/* The one after a key frame is large, too: all counters get their bases in it. */
	if (key)
		wbuf_give_back(&w->blocks);
	else
		wbuf_fit(&w->blocks);
	return 0;
}
