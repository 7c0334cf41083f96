/* Decompressing segments, block by block, so that everything before damage or a cut is had; and keeping the last ones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "format.h"
#include "recfile_internal.h"

enum { HEAD_AHEAD = 32 << 10 };

static ZSTD_DCtx *decompressor_get(struct recsource *self)
{
	ZSTD_DCtx *z = self->spare ? self->spare : ZSTD_createDCtx();

	self->spare = NULL;
	if (z && ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, RECFRAME_WINDOW_LOG))) {
		ZSTD_freeDCtx(z);
		z = NULL;
	}
	return z;
}

static void decompressor_put(struct recsource *self, ZSTD_DCtx *z)
{
	if (z)
		ZSTD_DCtx_reset(z, ZSTD_reset_session_and_parameters);
	if (!self->spare)
		self->spare = z;
	else
		ZSTD_freeDCtx(z);
}

void reccache_drop(struct recsource *self, struct reccache *slot)
{
	wbuf_finish(&slot->raw);
	decompressor_put(self, slot->z);
	memset(slot, 0, sizeof(*slot));
}

static int damaged(struct reccache *slot, const char *reason)
{
	slot->err = -EBADMSG;
	slot->reason = reason;
	return slot->err;
}

/* Feeds exactly one header or block. */
static int feed(struct reccache *slot, const uint8_t *bytes, size_t n, size_t most)
{
	ZSTD_inBuffer in = {bytes, n, 0};

	for (;;) {
		size_t room = most - slot->raw.len < 2 * RECFRAME_BLOCK_MAX ? most - slot->raw.len : 2 * RECFRAME_BLOCK_MAX;
		ZSTD_outBuffer out;
		size_t left;

		/* One byte more than allowed tells the bomb from what just fits. A block never fills all of it. */
		if (!wbuf_reserve(&slot->raw, room + 1))
			return -ENOMEM;
		out = (ZSTD_outBuffer){slot->raw.data + slot->raw.len, room + 1, 0};
		left = ZSTD_decompressStream(slot->z, &out, &in);
		if (ZSTD_isError(left))
			return damaged(slot, "it cannot be decompressed");
		if (out.pos > room)
			return damaged(slot, "it holds more than a segment may");
		slot->raw.len += out.pos;
		if (in.pos == in.size)
			return 0;
	}
}

/* One header or block. 0: fed; 1: it is not there as a whole. */
static int step(struct recsource *self, const struct recsegment *segment, struct reccache *slot)
{
	const uint8_t *bytes;
	bool last = false;
	size_t n, want;
	int size, err;

	/* Of a block first its head: it tells how much there is to read. */
	want = slot->in_frame ? 3 : RECFRAME_ZSTD_HEADER_MAX;
	err = recstore_peek(&self->store, slot->next, want, &bytes, &n);
	if (!err && slot->in_frame && (size = recframe_zstd_block(bytes, n, &last)) > 3)
		err = recstore_peek(&self->store, slot->next, (size_t)size + 4, &bytes, &n);
	if (err)
		return err;
	if (segment->frames_end && n > segment->frames_end - slot->next)
		n = (size_t)(segment->frames_end - slot->next);
	if (!slot->in_frame) {
		size = recframe_zstd_header(bytes, n, &slot->checksum);
		if (size <= 0)
			return size ? damaged(slot, "a zstd frame has an impossible header") : 1;
		ZSTD_DCtx_reset(slot->z, ZSTD_reset_session_only);
	} else {
		size = recframe_zstd_block(bytes, n, &last);
		if (size < 0)
			return damaged(slot, "a block has an impossible header");
		if (last && slot->checksum)
			size += 4;
		if (!size || (size_t)size > n)
			return 1;
	}
	err = feed(slot, bytes, (size_t)size, self->segment_max);
	if (err)
		return err;
	slot->next += (uint64_t)size;
	slot->in_frame = !last;
	slot->frame += last;
	if (last && slot->frame == 1)
		slot->body = slot->raw.len;
	return 0;
}

/* As far as it goes. What it met is left in the slot; only a failing store or memory is an error. */
static int decompress(struct recsource *self, const struct recsegment *segment, struct reccache *slot)
{
	while (!slot->done && !slot->err && slot->frame < segment->frames) {
		int err;

		if (!slot->in_frame && slot->next < segment->frame[slot->frame])
			slot->next = segment->frame[slot->frame];
		err = step(self, segment, slot);
		if (err == 1) {
			slot->done = segment->closed;
			break;
		}
		if (err && !slot->err)
			return err;
	}
	if (segment->marked && slot->frame == segment->frames)
		slot->done = true;
	if (slot->done && !slot->err && segment->marked && slot->raw.len != segment->info.size)
		damaged(slot, "it is not as long as its end mark says");
	if (slot->done || slot->err) {
		decompressor_put(self, slot->z);
		slot->z = NULL;
		slot->done = true;
	}
	return 0;
}

/* The slot of the segment, else an empty one; what is over the budget goes, oldest first. */
static struct reccache *find(struct recsource *self, uint64_t at)
{
	struct reccache *oldest = NULL;
	size_t held = 0;

	for (int i = 0; i < RECCACHE_SLOTS; i++) {
		struct reccache *slot = &self->cache[i];

		if (slot->used && slot->at == at)
			return slot;
		held += slot->raw.cap;
	}
	for (;;) {
		struct reccache *empty = NULL;

		oldest = NULL;
		for (int i = 0; i < RECCACHE_SLOTS; i++) {
			struct reccache *slot = &self->cache[i];

			if (!slot->used)
				empty = slot;
			else if (!oldest || slot->stamp < oldest->stamp)
				oldest = slot;
		}
		if (empty && (held <= RECCACHE_BYTES / 2 || !oldest))
			return empty;
		held -= oldest->raw.cap;
		reccache_drop(self, oldest);
	}
}

int reccache_get(struct recsource *self, const struct recsegment *segment, struct reccache **ret)
{
	struct reccache *slot = find(self, segment->at);
	int err;

	slot->stamp = ++self->stamp;
	if (!slot->used) {
		slot->used = true;
		slot->at = segment->at;
		wbuf_init(&slot->raw);
		slot->z = decompressor_get(self);
		if (!slot->z) {
			reccache_drop(self, slot);
			return -ENOMEM;
		}
		/* Its end mark may lie, but not about more than the limit. */
		if (segment->marked && segment->info.size <= self->segment_max &&
		    !wbuf_reserve(&slot->raw, segment->info.size + 2 * RECFRAME_BLOCK_MAX + 1)) {
			reccache_drop(self, slot);
			return -ENOMEM;
		}
	}
	err = decompress(self, segment, slot);
	if (err) {
		reccache_drop(self, slot);
		return err;
	}
	*ret = slot;
	return 0;
}

/* A slot beside the cache that decompresses into the caller's buffer, which keeps its memory from segment to segment. */
static struct reccache borrow(struct recsource *self, struct wbuf *out)
{
	struct reccache slot = {.raw = *out, .z = decompressor_get(self)};

	wbuf_init(out);
	wbuf_clear(&slot.raw);
	return slot;
}

/* Its first n bytes are what was wanted. */
static int give_back(struct recsource *self, struct reccache *slot, size_t n, struct wbuf *out)
{
	int err = slot->raw.err;

	*out = slot->raw;
	out->len = n;
	wbuf_init(&slot->raw);
	reccache_drop(self, slot);
	return err;
}

int reccache_summary(struct recsource *self, const struct recsegment *segment, struct wbuf *out)
{
	struct reccache slot = borrow(self, out);
	int err = slot.z ? 0 : -ENOMEM, memory;

	slot.frame = 1;
	slot.next = segment->frame[1];
	/* A chart over many segments reads this of each, and nothing behind it. */
	self->store.ahead = HEAD_AHEAD;
	while (!err && slot.frame < 2)
		err = step(self, segment, &slot);
	self->store.ahead = RECSTORE_PEEK_MAX;
	if (err == 1 || (!err && slot.raw.len != segment->end.summary))
		err = -EBADMSG;
	memory = give_back(self, &slot, err ? 0 : slot.raw.len, out);
	return err ? err : memory;
}

/* Bytes up to the end of the SCHEMA block; 0: not whole yet. */
static size_t head_size(const struct wbuf *raw)
{
	size_t at = raw->len >= FORMAT_SEGMENT_HEADER ? recframe_u32(raw->data + 8) : raw->len;

	while (at < raw->len && raw->len - at >= FORMAT_BLOCK_HEADER) {
		uint64_t size = recframe_u32(raw->data + at + 4);
		uint64_t whole = (FORMAT_BLOCK_HEADER + size + FORMAT_ALIGN - 1) / FORMAT_ALIGN * FORMAT_ALIGN;

		if (whole > raw->len - at)
			return 0;
		at += (size_t)whole;
		if (recframe_u32(raw->data + at - whole) == FORMAT_SCHEMA)
			return at;
	}
	return 0;
}

int reccache_head(struct recsource *self, const struct recsegment *segment, struct wbuf *out)
{
	struct reccache slot;
	size_t n = 0;
	int err, memory;

	if (!segment->frames)
		return -EBADMSG;
	slot = borrow(self, out);
	slot.next = segment->frame[0];
	err = slot.z ? 0 : -ENOMEM;
	self->store.ahead = HEAD_AHEAD;
	while (!err && !slot.frame && !n) {
		err = step(self, segment, &slot);
		n = err ? 0 : head_size(&slot.raw);
	}
	self->store.ahead = RECSTORE_PEEK_MAX;
	if (err == 1 || (!err && !n))
		err = -EBADMSG;
	memory = give_back(self, &slot, err ? 0 : n, out);
	return err ? err : memory;
}

uint64_t reccache_newest_ns(struct reccache *slot)
{
	const uint8_t *bytes = slot->raw.data;
	size_t n = slot->raw.len;

	if (!slot->parsed && n >= FORMAT_SEGMENT_HEADER && !memcmp(bytes, FORMAT_SEGMENT_MAGIC, 8))
		slot->parsed = recframe_u32(bytes + 8);
	while (slot->parsed && slot->parsed <= n && n - slot->parsed >= FORMAT_BLOCK_HEADER) {
		const uint8_t *block = bytes + slot->parsed;
		uint64_t size = recframe_u32(block + 4);
		uint64_t whole = (FORMAT_BLOCK_HEADER + size + FORMAT_ALIGN - 1) / FORMAT_ALIGN * FORMAT_ALIGN;

		if (whole > n - slot->parsed)
			break;
		/* Only what its checksum vouches for: a wrong time would stand for the whole recording. */
		if (recframe_u32(block) == FORMAT_FRAME && size >= 8 &&
		    recframe_u32(block + 8) == crc32c(crc32c(0, block, 8), block + FORMAT_BLOCK_HEADER, size)) {
			uint64_t ns = (uint64_t)recframe_u32(block + 20) << 32 | recframe_u32(block + 16);

			if (ns > slot->newest_ns)
				slot->newest_ns = ns;
		}
		slot->parsed += whole;
	}
	return slot->newest_ns;
}
