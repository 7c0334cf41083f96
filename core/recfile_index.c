/* The index at the end of a recording: segments without walking over all of the file. It is believed only where the
 * header, its first and its last segment are where it says; a segment's own mark is looked at before it is read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "recfile_internal.h"

enum {
	SEGMENT_LEAST = 2 * RECFRAME_PREFIX + RECFRAME_MARK + RECFRAME_END + 9, /* bytes in the file: marks, a zstd frame */
};

/* Copies n bytes at `at`. -ENOENT: they are not there. */
static int copy(struct recsource *self, uint64_t at, size_t n, uint8_t *to)
{
	while (n) {
		const uint8_t *bytes;
		size_t got;
		int err = recstore_peek(&self->store, at, n, &bytes, &got);

		if (err)
			return err;
		if (!got)
			return -ENOENT;
		memcpy(to, bytes, got);
		to += got;
		at += got;
		n -= got;
	}
	return 0;
}

/* One of our short frames: its content. 0; -ENOENT. */
static int frame_at(struct recsource *self, uint64_t at, enum recframe_kind kind, const uint8_t **ret, uint32_t *ret_length)
{
	const uint8_t *bytes;
	size_t n;
	int err = recstore_peek_short(&self->store, at, RECFRAME_PREFIX + RECFRAME_END, &bytes, &n);

	if (err)
		return err;
	if (n < RECFRAME_PREFIX + 8 || recframe_u32(bytes) != RECFRAME_SKIPPABLE)
		return -ENOENT;
	*ret_length = recframe_u32(bytes + 4);
	if (*ret_length > RECFRAME_OURS_MAX || recframe_kind(bytes + RECFRAME_PREFIX, 8) != kind)
		return -ENOENT;
	if (*ret_length > n - RECFRAME_PREFIX) {
		err = recstore_peek_short(&self->store, at, RECFRAME_PREFIX + *ret_length, &bytes, &n);
		if (err)
			return err;
		if (*ret_length > n - RECFRAME_PREFIX)
			return -ENOENT;
	}
	*ret = bytes + RECFRAME_PREFIX;
	return 0;
}

static int check_end(struct recsource *self, const struct recsegment *segment)
{
	struct recframe_end end;
	const uint8_t *content;
	uint32_t length;
	int err = frame_at(self, segment->frames_end, RECFRAME_SEGMENT_END, &content, &length);

	if (err)
		return err;
	if (recframe_get_end(content, length, &end) || end.writer != segment->end.writer || end.seq != segment->end.seq ||
	    end.distance != segment->end.distance || end.body != segment->end.body || end.summary != segment->end.summary)
		return -ENOENT;
	return 0;
}

int recindex_check(struct recsource *self, const struct recsegment *segment)
{
	struct segment_meta meta;
	const uint8_t *content;
	uint32_t length;
	int err = frame_at(self, segment->at, RECFRAME_SEGMENT_MARK, &content, &length);

	if (!err && (recframe_get_mark(content, length, &meta) || meta.writer != segment->meta.writer ||
		     meta.seq != segment->meta.seq || segment->at + RECFRAME_PREFIX + length != segment->frame[0]))
		err = -ENOENT;
	return err == -ENOENT ? -EBADMSG : err;
}

/* Entries one after the other, in order, within the recording. */
static int take(struct recsource *self, const struct recframe_index *index, const uint8_t *entries, uint64_t base, uint64_t end)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < index->count; i++) {
		struct recsegment *segment;
		struct segment_meta meta;
		struct recframe_entry e;
		int err;

		recframe_get_entry(entries + (size_t)i * index->entry_size, &e);
		if (e.mark < at || e.body_at <= e.mark || e.end_at <= e.body_at || e.end_at >= end - base ||
		    (e.summary ? e.summary_at <= e.body_at || e.summary_at >= e.end_at : e.summary_at != 0) ||
		    e.body > self->segment_max || e.summary > self->segment_max - e.body || !e.body ||
		    e.seq == UINT64_MAX || (self->count && e.seq < self->next_seq))
			return -ENOENT;
		at = e.end_at;
		meta = (struct segment_meta){
			.writer = index->writer, .seq = e.seq, .mono_ns = e.from_ns, .wall_ns = e.wall_ns};
		err = recwalk_add(self, &meta, e.seq, base + e.mark);
		if (err)
			return err < 0 ? err : -ENOENT;
		segment = &self->segments[self->count - 1];
		segment->frame[0] = base + e.body_at;
		segment->frame[1] = e.summary ? base + e.summary_at : 0;
		segment->frames = e.summary ? 2 : 1;
		segment->frames_end = base + e.end_at;
		segment->closed = segment->marked = segment->unseen = true;
		segment->end = (struct recframe_end){.writer = index->writer, .seq = e.seq, .to_ns = e.to_ns, .body = e.body,
						     .summary = e.summary, .distance = e.end_at - e.mark};
		self->open = false;
	}
	return 0;
}

static int load(struct recsource *self, struct wbuf *content, struct recframe_index *index, uint64_t *ret_base)
{
	const uint64_t size = self->store.size;
	uint8_t trail[RECFRAME_TRAIL], *to;
	const uint8_t *header;
	uint64_t at, writer;
	uint32_t length;
	int err;

	if (size < RECFRAME_PREFIX + RECFRAME_INDEX + RECFRAME_TRAIL)
		return -ENOENT;
	err = copy(self, size - sizeof(trail), sizeof(trail), trail);
	if (err)
		return err;
	length = recframe_u32(trail);
	if (length < RECFRAME_INDEX + RECFRAME_TRAIL || length > size - RECFRAME_PREFIX ||
	    length / RECFRAME_ENTRY > RECFILE_SEGMENTS_MAX + 1)
		return -ENOENT;
	at = size - RECFRAME_PREFIX - length;
	/* Before memory is taken: is there one? */
	err = recstore_peek_short(&self->store, at, RECFRAME_PREFIX + 8, &header, &(size_t){0});
	if (err)
		return err;
	if (recframe_u32(header) != RECFRAME_SKIPPABLE || recframe_u32(header + 4) != length ||
	    recframe_kind(header + RECFRAME_PREFIX, 8) != RECFRAME_FILE_INDEX)
		return -ENOENT;
	to = wbuf_reserve(content, length);
	if (!to)
		return -ENOMEM;
	err = copy(self, at + RECFRAME_PREFIX, length, to);
	if (err)
		return err;
	content->len = length;
	if (recframe_get_index(content->data, length, index) || !index->count || index->distance > at ||
	    index->distance / SEGMENT_LEAST < index->count)
		return -ENOENT;
	*ret_base = at - index->distance;
	err = frame_at(self, *ret_base, RECFRAME_FILE_HEADER, &header, &length);
	if (err)
		return err;
	return recframe_get_header(header, length, &writer) || writer != index->writer ? -ENOENT : 0;
}

int recindex_load(struct recsource *self)
{
	struct recframe_index index;
	struct wbuf content;
	uint64_t base;
	int err;

	if (self->store.kind == RECSTORE_PIPE)
		return -ENOENT;
	wbuf_init(&content);
	err = load(self, &content, &index, &base);
	if (!err) {
		self->header_at = base;
		err = take(self, &index, content.data + index.entries_at, base,
			   self->store.size - RECFRAME_PREFIX - content.len);
	}
	wbuf_finish(&content);
	if (!err)
		err = recindex_check(self, &self->segments[0]);
	if (!err)
		err = recindex_check(self, &self->segments[self->count - 1]);
	if (!err)
		err = check_end(self, &self->segments[self->count - 1]);
	if (err) {
		self->count = 0;
		self->next_seq = self->header_at = 0;
		self->open = self->hopeless = false;
		self->ndamages = 0;
		return err == -EBADMSG || err == -ESTALE ? -ENOENT : err;
	}
	self->header = self->indexed = true;
	self->writer = index.writer;
	self->pos = self->store.size;
	self->skipped_to = base;
	return 0;
}
