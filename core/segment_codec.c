#include "segment_codec.h"

#include <errno.h>
#include <string.h>

#include "error.h"
#include "format.h"

void segment_put_header(struct wbuf *w, const struct segment_meta *m)
{
	size_t at = w->len;

	wbuf_bytes(w, FORMAT_SEGMENT_MAGIC, 8);
	wbuf_u32(w, FORMAT_SEGMENT_HEADER);
	wbuf_u32(w, FORMAT_MAJOR << 16 | FORMAT_MINOR);
	wbuf_u64(w, m->writer);
	wbuf_u64(w, m->seq);
	wbuf_u64(w, m->mono_ns);
	wbuf_u64(w, (uint64_t)m->wall_ns);
	wbuf_u64(w, 0);
	wbuf_u32(w, 0);
	if (!w->err)
		wbuf_u32(w, crc32c(0, w->data + at, FORMAT_SEGMENT_HEADER - 4));
}

int segment_get_header(const void *bytes, size_t n, struct segment_meta *m, uint32_t *ret_size,
		       struct culprit_error *error)
{
	struct rbuf r;
	uint32_t size, version;

	rbuf_init(&r, bytes, n);
	if (n < FORMAT_SEGMENT_HEADER || memcmp(rbuf_bytes(&r, 8), FORMAT_SEGMENT_MAGIC, 8))
		return error_set(error, -EBADMSG, "the segment does not begin like one");
	size = rbuf_u32(&r);
	version = rbuf_u32(&r);
	if (version >> 16 != FORMAT_MAJOR)
		return error_set(error, -EBADMSG, "the segment has format %u, this version reads %u; use a newer culprit",
				 version >> 16, FORMAT_MAJOR);
	m->writer = rbuf_u64(&r);
	m->seq = rbuf_u64(&r);
	m->mono_ns = rbuf_u64(&r);
	m->wall_ns = (int64_t)rbuf_u64(&r);
	rbuf_u64(&r);
	rbuf_u32(&r);
	if (rbuf_u32(&r) != crc32c(0, bytes, FORMAT_SEGMENT_HEADER - 4))
		return error_set(error, -EBADMSG, "the header of segment %llu is damaged", (unsigned long long)m->seq);
	if (size < FORMAT_SEGMENT_HEADER || size % FORMAT_ALIGN || size > n)
		return error_set(error, -EBADMSG, "the header of segment %llu has an impossible size",
				 (unsigned long long)m->seq);
	*ret_size = size;
	return 0;
}

static uint32_t block_crc(uint32_t type, uint32_t size, const void *payload)
{
	uint8_t head[8] = {(uint8_t)type, (uint8_t)(type >> 8), (uint8_t)(type >> 16), (uint8_t)(type >> 24),
			   (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24)};

	return crc32c(crc32c(0, head, sizeof(head)), payload, size);
}

size_t segment_begin_block(struct wbuf *w, uint32_t type)
{
	size_t begun = w->len;

	wbuf_u32(w, type);
	wbuf_u32(w, 0);
	wbuf_u32(w, 0);
	wbuf_u32(w, 0);
	return begun;
}

void segment_end_block(struct wbuf *w, size_t begun)
{
	size_t payload = begun + FORMAT_BLOCK_HEADER, n = w->len - payload;
	uint32_t type;

	if (w->err)
		return;
	if (n > FORMAT_BLOCK_MAX) {
		w->err = -E2BIG;
		return;
	}
	type = (uint32_t)w->data[begun] | (uint32_t)w->data[begun + 1] << 8 | (uint32_t)w->data[begun + 2] << 16 |
	       (uint32_t)w->data[begun + 3] << 24;
	wbuf_patch_u32(w, begun + 4, (uint32_t)n);
	wbuf_patch_u32(w, begun + 8, block_crc(type, (uint32_t)n, w->data + payload));
	wbuf_pad(w, FORMAT_ALIGN);
}

void segment_put_block(struct wbuf *w, uint32_t type, const void *payload, size_t n)
{
	size_t begun = segment_begin_block(w, type);

	wbuf_bytes(w, payload, n);
	segment_end_block(w, begun);
}

int64_t segment_get_block(const void *bytes, size_t n, struct segment_block *block, struct culprit_error *error)
{
	struct rbuf r;
	uint32_t crc;
	size_t padded;

	if (n < FORMAT_BLOCK_HEADER)
		return 0;
	rbuf_init(&r, bytes, n);
	block->type = rbuf_u32(&r);
	block->size = rbuf_u32(&r);
	crc = rbuf_u32(&r);
	rbuf_u32(&r);
	if (block->size > FORMAT_BLOCK_MAX)
		return error_set(error, -EBADMSG, "a block says it has %u bytes, more than any can have", block->size);
	padded = (block->size + FORMAT_ALIGN - 1) / FORMAT_ALIGN * FORMAT_ALIGN;
	if (rbuf_left(&r) < padded)
		return 0;
	block->payload = r.p;
	if (crc != block_crc(block->type, block->size, block->payload))
		return error_set(error, -EBADMSG, "the checksum of a block of %u bytes does not fit its bytes", block->size);
	return (int64_t)(FORMAT_BLOCK_HEADER + padded);
}

int segment_find_summary(int (*part)(struct source *, uint64_t seq, uint64_t offset, size_t n, struct wbuf *, struct culprit_error *),
			 struct source *source, uint64_t seq, struct wbuf *out, struct culprit_error *error)
{
	enum { BLOCKS_MAX = 4096 }; /* a writer makes some hundreds; who lies shall not make us read for long */
	struct segment_meta meta;
	uint32_t header;
	uint64_t at;
	int err;

	wbuf_clear(out);
	err = part(source, seq, 0, FORMAT_SEGMENT_HEADER, out, error);
	if (err)
		return err;
	if (!out->len || segment_get_header(out->data, out->len, &meta, &header, NULL))
		return -ENOENT;
	at = header;
	for (int i = 0; i < BLOCKS_MAX; i++) {
		struct rbuf head;
		uint32_t type, size, padded;

		wbuf_clear(out);
		err = part(source, seq, at, FORMAT_BLOCK_HEADER, out, error);
		if (err)
			return err;
		if (out->len < FORMAT_BLOCK_HEADER)
			return -ENOENT;
		rbuf_init(&head, out->data, out->len);
		type = rbuf_u32(&head);
		size = rbuf_u32(&head);
		if (size > FORMAT_BLOCK_MAX)
			return -ENOENT;
		padded = FORMAT_BLOCK_HEADER + (size + FORMAT_ALIGN - 1) / FORMAT_ALIGN * FORMAT_ALIGN;
		if (type == FORMAT_SUMMARY) {
			wbuf_clear(out);
			return part(source, seq, at, padded, out, error);
		}
		at += padded;
	}
	return -ENOENT;
}

void host_info_encode(const struct host_info *h, struct wbuf *w)
{
	const char *const texts[] = {h->name, h->kernel, h->machine, h->boot_id, h->zone, h->system};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		wbuf_string(w, texts[i], strlen(texts[i]));
	wbuf_varint(w, h->user_hz);
	wbuf_varint(w, h->page_size);
	wbuf_varint(w, h->cpus);
	wbuf_varint(w, h->memory_bytes);
	wbuf_zigzag(w, h->boot_wall_ns);
	wbuf_varint(w, h->interval_ns);
}

int host_info_decode(const void *bytes, size_t n, struct host_info *h)
{
	struct {
		char *text;
		size_t size;
	} texts[] = {{h->name, sizeof(h->name)},       {h->kernel, sizeof(h->kernel)}, {h->machine, sizeof(h->machine)},
		     {h->boot_id, sizeof(h->boot_id)}, {h->zone, sizeof(h->zone)},     {h->system, sizeof(h->system)}};
	struct rbuf r;

	memset(h, 0, sizeof(*h));
	rbuf_init(&r, bytes, n);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len;
		const uint8_t *p = rbuf_string(&r, rbuf_left(&r), &len);

		if (p && len)
			memcpy(texts[i].text, p, len < texts[i].size ? len : texts[i].size - 1);
	}
	h->user_hz = rbuf_varint(&r);
	h->page_size = rbuf_varint(&r);
	h->cpus = rbuf_varint(&r);
	h->memory_bytes = rbuf_varint(&r);
	h->boot_wall_ns = rbuf_zigzag(&r);
	h->interval_ns = rbuf_varint(&r);
	if (h->interval_ns > HOST_INTERVAL_MAX_NS)
		h->interval_ns = HOST_INTERVAL_MAX_NS;
	return r.err;
}
