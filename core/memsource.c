#include "memsource.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "segment_codec.h"

struct memory {
	struct segment_info info;
	struct wbuf bytes;
};

struct memsource {
	unsigned refs;
	struct memory *segments;
	size_t n, cap;
	bool open; /* the newest still grows */
};

struct memsink {
	struct sink sink;
	struct memsource *memory;
};

struct memreader {
	struct source source;
	struct memsource *memory;
	struct segment_info *infos; /* as of the last refresh */
	size_t n, cap;
};

struct memsource *memsource_create(void)
{
	struct memsource *m = calloc(1, sizeof(*m));

	if (m)
		m->refs = 1;
	return m;
}

void memsource_unlock(struct memsource *m)
{
	if (!m || --m->refs)
		return;
	for (size_t i = 0; i < m->n; i++)
		wbuf_finish(&m->segments[i].bytes);
	free(m->segments);
	free(m);
}

static int sink_begin(struct sink *sink, const struct segment_meta *meta, struct culprit_error *error)
{
	struct memsource *m = ((struct memsink *)sink)->memory;

	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct memory *grown = realloc(m->segments, cap * sizeof(*grown));

		if (!grown)
			return error_set(error, -ENOMEM, "out of memory");
		m->segments = grown;
		m->cap = cap;
	}
	memset(&m->segments[m->n], 0, sizeof(m->segments[0]));
	wbuf_init(&m->segments[m->n].bytes);
	m->segments[m->n].info = (struct segment_info){
		.seq = meta->seq, .from_ns = meta->mono_ns, .to_ns = meta->mono_ns, .wall_ns = meta->wall_ns};
	m->n++;
	m->open = true;
	return 0;
}

static int sink_append(struct sink *sink, const void *bytes, size_t n, uint64_t mono_ns, struct culprit_error *error)
{
	struct memsource *m = ((struct memsink *)sink)->memory;
	struct memory *s;

	if (!m->open)
		return error_set(error, -EINVAL, "no segment is open");
	s = &m->segments[m->n - 1];
	wbuf_bytes(&s->bytes, bytes, n);
	if (s->bytes.err)
		return error_set(error, -ENOMEM, "out of memory");
	s->info.size = s->bytes.len;
	if (mono_ns > s->info.to_ns)
		s->info.to_ns = mono_ns;
	return 0;
}

static int sink_end(struct sink *sink, const void *summary, size_t n, struct culprit_error *error)
{
	struct memsource *m = ((struct memsink *)sink)->memory;
	int err = sink_append(sink, summary, n, 0, error);

	if (err)
		return err;
	m->segments[m->n - 1].info.complete = true;
	m->open = false;
	return 0;
}

static size_t sink_max(const struct sink *sink)
{
	(void)sink;
	return SIZE_MAX;
}

static void sink_destroy(struct sink *sink)
{
	struct memsink *s = (struct memsink *)sink;

	memsource_unlock(s->memory);
	free(s);
}

struct sink *memsource_sink(struct memsource *m)
{
	static const struct sink_ops ops = {
		.begin = sink_begin,
		.append = sink_append,
		.end = sink_end,
		.segment_max = sink_max,
		.destroy = sink_destroy,
	};
	struct memsink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink.ops = &ops;
	s->memory = m;
	m->refs++;
	return &s->sink;
}

static int reader_refresh(struct source *source, struct culprit_error *error)
{
	struct memreader *r = (struct memreader *)source;
	const struct memsource *m = r->memory;

	if (r->cap < m->n) {
		struct segment_info *grown = realloc(r->infos, m->cap * sizeof(*grown));

		if (!grown)
			return error_set(error, -ENOMEM, "out of memory");
		r->infos = grown;
		r->cap = m->cap;
	}
	r->n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (m->segments[i].info.size)
			r->infos[r->n++] = m->segments[i].info;
	return (int)r->n;
}

static const struct segment_info *reader_segment(struct source *source, size_t i)
{
	struct memreader *r = (struct memreader *)source;

	return i < r->n ? &r->infos[i] : NULL;
}

static int reader_part(struct source *source, uint64_t seq, uint64_t offset, size_t most, struct wbuf *out, struct culprit_error *error)
{
	const struct memsource *m = ((struct memreader *)source)->memory;

	for (size_t i = 0; i < m->n; i++) {
		const struct memory *s = &m->segments[i];

		if (s->info.seq != seq)
			continue;
		if (offset < s->bytes.len)
			wbuf_bytes(out, s->bytes.data + offset, s->bytes.len - offset < most ? s->bytes.len - offset : most);
		return out->err ? error_set(error, -ENOMEM, "out of memory") : 0;
	}
	return error_set(error, -ESTALE, "that part of the history has been overwritten");
}

static int reader_read(struct source *source, uint64_t seq, uint64_t offset, struct wbuf *out, struct culprit_error *error)
{
	return reader_part(source, seq, offset, SIZE_MAX, out, error);
}

static int reader_summary(struct source *source, uint64_t seq, struct wbuf *out, struct culprit_error *error)
{
	return segment_find_summary(reader_part, source, seq, out, error);
}

static int reader_fd(struct source *source)
{
	(void)source;
	return -1;
}

static void reader_destroy(struct source *source)
{
	struct memreader *r = (struct memreader *)source;

	memsource_unlock(r->memory);
	free(r->infos);
	free(r);
}

struct source *memsource_source(struct memsource *m)
{
	static const struct source_ops ops = {
		.refresh = reader_refresh,
		.segment = reader_segment,
		.read = reader_read,
		.summary = reader_summary,
		.fd = reader_fd,
		.destroy = reader_destroy,
	};
	struct memreader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->source.ops = &ops;
	snprintf(r->source.name, sizeof(r->source.name), "memory");
	r->memory = m;
	m->refs++;
	return &r->source;
}

void memsource_evict(struct memsource *m, size_t n)
{
	n = n < m->n ? n : m->n;
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		wbuf_finish(&m->segments[i].bytes);
	memmove(m->segments, m->segments + n, (m->n - n) * sizeof(*m->segments));
	m->n -= n;
	if (!m->n)
		m->open = false;
}

size_t memsource_segments(const struct memsource *m)
{
	return m->n;
}

const void *memsource_bytes(const struct memsource *m, size_t i, size_t *ret_n)
{
	if (i >= m->n)
		return NULL;
	*ret_n = m->segments[i].bytes.len;
	return m->segments[i].bytes.data;
}
