#include "recfile_frames.h"

#include <errno.h>
#include <string.h>

#include "format.h"

#define HEADER_MAGIC "CULPREC1"
#define MARK_MAGIC "CULPSEGM"
#define END_MAGIC "CULPENDS"
#define INDEX_MAGIC "CULPINDX"
#define BYTE_ORDER_MARK 0x01020304u

/* Begins one of our frames; returns where its content begins. */
static size_t ours_begin(struct wbuf *w, const char *magic, uint32_t length)
{
	size_t at;

	wbuf_u32(w, RECFRAME_SKIPPABLE);
	wbuf_u32(w, length);
	at = w->len;
	wbuf_bytes(w, magic, 8);
	return at;
}

static void ours_end(struct wbuf *w, size_t at)
{
	wbuf_u32(w, 0);
	if (!w->err)
		wbuf_u32(w, crc32c(0, w->data + at, w->len - at));
}

void recframe_put_header(struct wbuf *w, uint64_t writer, int64_t created_wall_ns)
{
	size_t at = ours_begin(w, HEADER_MAGIC, RECFRAME_HEADER);

	wbuf_u32(w, BYTE_ORDER_MARK);
	wbuf_u32(w, FORMAT_MAJOR);
	wbuf_u32(w, FORMAT_MINOR);
	wbuf_u32(w, RECFRAME_HEADER);
	wbuf_u64(w, writer);
	wbuf_u64(w, (uint64_t)created_wall_ns);
	ours_end(w, at);
}

void recframe_put_mark(struct wbuf *w, const struct segment_meta *meta)
{
	size_t at = ours_begin(w, MARK_MAGIC, RECFRAME_MARK);

	wbuf_u32(w, RECFRAME_MARK);
	wbuf_u32(w, 0);
	wbuf_u64(w, meta->writer);
	wbuf_u64(w, meta->seq);
	wbuf_u64(w, meta->mono_ns);
	wbuf_u64(w, (uint64_t)meta->wall_ns);
	ours_end(w, at);
}

void recframe_put_end(struct wbuf *w, const struct recframe_end *end)
{
	size_t at = ours_begin(w, END_MAGIC, RECFRAME_END);

	wbuf_u32(w, RECFRAME_END);
	wbuf_u32(w, 0);
	wbuf_u64(w, end->writer);
	wbuf_u64(w, end->seq);
	wbuf_u64(w, end->to_ns);
	wbuf_u64(w, end->body);
	wbuf_u64(w, end->summary);
	wbuf_u64(w, end->distance);
	ours_end(w, at);
}

void recframe_put_entry(struct wbuf *w, const struct recframe_entry *e)
{
	wbuf_u64(w, e->seq);
	wbuf_u64(w, e->from_ns);
	wbuf_u64(w, (uint64_t)e->wall_ns);
	wbuf_u64(w, e->to_ns);
	wbuf_u64(w, e->mark);
	wbuf_u64(w, e->body_at);
	wbuf_u64(w, e->summary_at);
	wbuf_u64(w, e->end_at);
	wbuf_u64(w, e->body);
	wbuf_u64(w, e->summary);
}

void recframe_put_index(struct wbuf *w, uint64_t writer, uint64_t distance, const void *entries, uint32_t count)
{
	uint32_t length = RECFRAME_INDEX + count * RECFRAME_ENTRY + RECFRAME_TRAIL;
	size_t at = ours_begin(w, INDEX_MAGIC, length);

	wbuf_u32(w, RECFRAME_INDEX);
	wbuf_u32(w, 0);
	wbuf_u64(w, writer);
	wbuf_u64(w, distance);
	wbuf_u32(w, count);
	wbuf_u32(w, RECFRAME_ENTRY);
	wbuf_bytes(w, entries, (size_t)count * RECFRAME_ENTRY);
	wbuf_u32(w, length);
	if (!w->err)
		wbuf_u32(w, crc32c(0, w->data + at, w->len - at));
}

void recframe_put_last_block(struct wbuf *w)
{
	wbuf_bytes(w, "\1\0\0", 3);
}

enum recframe_kind recframe_kind(const uint8_t *content, size_t n)
{
	if (n >= 8 && !memcmp(content, HEADER_MAGIC, 8))
		return RECFRAME_FILE_HEADER;
	if (n >= 8 && !memcmp(content, MARK_MAGIC, 8))
		return RECFRAME_SEGMENT_MARK;
	if (n >= 8 && !memcmp(content, END_MAGIC, 8))
		return RECFRAME_SEGMENT_END;
	if (n >= 8 && !memcmp(content, INDEX_MAGIC, 8))
		return RECFRAME_FILE_INDEX;
	return RECFRAME_OTHER;
}

/* The content may be longer than ours: a newer version's. Its last four bytes are its checksum all the same. */
static bool is_whole(const uint8_t *content, size_t n, size_t least)
{
	return n >= least && n <= RECFRAME_OURS_MAX && recframe_u32(content + n - 4) == crc32c(0, content, n - 4);
}

const char *recframe_get_header(const uint8_t *content, size_t n, uint64_t *ret_writer)
{
	struct rbuf r;

	rbuf_init(&r, content, n);
	rbuf_bytes(&r, 8);
	if (rbuf_u32(&r) != BYTE_ORDER_MARK)
		return "its header is of another byte order";
	if (rbuf_u32(&r) != FORMAT_MAJOR)
		return "it is of another format version; use the culprit that wrote it";
	rbuf_u32(&r);
	if (rbuf_u32(&r) != n || !is_whole(content, n, RECFRAME_HEADER))
		return "its header is damaged";
	*ret_writer = rbuf_u64(&r);
	return NULL;
}

const char *recframe_get_mark(const uint8_t *content, size_t n, struct segment_meta *meta)
{
	struct rbuf r;

	if (!is_whole(content, n, RECFRAME_MARK))
		return "the mark of a segment is damaged";
	rbuf_init(&r, content, n);
	rbuf_bytes(&r, 16);
	meta->writer = rbuf_u64(&r);
	meta->seq = rbuf_u64(&r);
	meta->mono_ns = rbuf_u64(&r);
	meta->wall_ns = (int64_t)rbuf_u64(&r);
	return NULL;
}

const char *recframe_get_end(const uint8_t *content, size_t n, struct recframe_end *end)
{
	struct rbuf r;

	if (!is_whole(content, n, RECFRAME_END))
		return "the end mark of a segment is damaged";
	rbuf_init(&r, content, n);
	rbuf_bytes(&r, 16);
	end->writer = rbuf_u64(&r);
	end->seq = rbuf_u64(&r);
	end->to_ns = rbuf_u64(&r);
	end->body = rbuf_u64(&r);
	end->summary = rbuf_u64(&r);
	end->distance = rbuf_u64(&r);
	return NULL;
}

const char *recframe_get_index(const uint8_t *content, size_t n, struct recframe_index *index)
{
	uint32_t fixed;
	struct rbuf r;

	if (n < RECFRAME_INDEX + RECFRAME_TRAIL || memcmp(content, INDEX_MAGIC, 8) ||
	    recframe_u32(content + n - 8) != n || recframe_u32(content + n - 4) != crc32c(0, content, n - 4))
		return "its index is damaged";
	rbuf_init(&r, content, n);
	rbuf_bytes(&r, 8);
	fixed = rbuf_u32(&r);
	rbuf_u32(&r);
	index->writer = rbuf_u64(&r);
	index->distance = rbuf_u64(&r);
	index->count = rbuf_u32(&r);
	index->entry_size = rbuf_u32(&r);
	index->entries_at = fixed;
	/* A newer version's may be longer, both. */
	if (fixed < RECFRAME_INDEX || fixed > n - RECFRAME_TRAIL || index->entry_size < RECFRAME_ENTRY ||
	    index->count > (n - RECFRAME_TRAIL - fixed) / index->entry_size)
		return "its index is damaged";
	return NULL;
}

void recframe_get_entry(const uint8_t *entry, struct recframe_entry *e)
{
	struct rbuf r;

	rbuf_init(&r, entry, RECFRAME_ENTRY);
	e->seq = rbuf_u64(&r);
	e->from_ns = rbuf_u64(&r);
	e->wall_ns = (int64_t)rbuf_u64(&r);
	e->to_ns = rbuf_u64(&r);
	e->mark = rbuf_u64(&r);
	e->body_at = rbuf_u64(&r);
	e->summary_at = rbuf_u64(&r);
	e->end_at = rbuf_u64(&r);
	e->body = rbuf_u64(&r);
	e->summary = rbuf_u64(&r);
}

int recframe_zstd_header(const uint8_t *bytes, size_t n, bool *ret_checksum)
{
	static const uint8_t dictionary_size[] = {0, 1, 2, 4}, content_size[] = {0, 2, 4, 8};
	bool single;
	size_t size;

	if (n < 5)
		return 0;
	if (recframe_u32(bytes) != RECFRAME_ZSTD || bytes[4] & 8)
		return -EBADMSG;
	single = bytes[4] & 0x20;
	size = 5u + !single + dictionary_size[bytes[4] & 3] + content_size[bytes[4] >> 6];
	if (single && !(bytes[4] >> 6))
		size++;
	*ret_checksum = bytes[4] & 4;
	return n < size ? 0 : (int)size;
}

int recframe_zstd_block(const uint8_t *bytes, size_t n, bool *ret_last)
{
	uint32_t head, type, size;

	if (n < 3)
		return 0;
	head = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
	type = head >> 1 & 3;
	size = head >> 3;
	/* Raw, run of one byte, compressed; 3 is reserved. */
	if (type == 3 || size > RECFRAME_BLOCK_MAX)
		return -EBADMSG;
	*ret_last = head & 1;
	return 3 + (int)(type == 1 ? 1 : size);
}
