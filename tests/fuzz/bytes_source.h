/* Any bytes as a source with one segment, with checksums made right, so that more than the first block is reached. */
#ifndef TESTS_FUZZ_BYTES_SOURCE_H
#define TESTS_FUZZ_BYTES_SOURCE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "segment.h"
#include "source.h"

struct bytes {
	struct source source;
	struct segment_info info;
	uint8_t *data; /* owned */
	size_t n;
};

static int refresh(struct source *s, struct culprit_error *e)
{
	(void)s;
	(void)e;
	return 1;
}

static const struct segment_info *segment(struct source *s, size_t i)
{
	return i ? NULL : &((struct bytes *)s)->info;
}

static int read_bytes(struct source *s, uint64_t seq, uint64_t offset, struct wbuf *out, struct culprit_error *e)
{
	const struct bytes *b = (const struct bytes *)s;

	(void)seq;
	(void)e;
	if (offset < b->n)
		wbuf_bytes(out, b->data + offset, b->n - (size_t)offset);
	return out->err;
}

static void bytes_nothing(struct source *s)
{
	(void)s;
}

static const struct source_ops bytes_ops = {.refresh = refresh, .segment = segment, .read = read_bytes, .destroy = bytes_nothing};

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* As in docs/FORMAT.md: the header's last four bytes; of a block, over its type, size and payload. */
static void fix_checksums(uint8_t *data, size_t n)
{
	size_t at = FORMAT_SEGMENT_HEADER;

	if (n < at)
		return;
	put_u32(data + at - 4, crc32c(0, data, at - 4));
	while (n - at >= FORMAT_BLOCK_HEADER) {
		uint32_t size = get_u32(data + at + 4), padded = (size + FORMAT_ALIGN - 1) / FORMAT_ALIGN * FORMAT_ALIGN;

		if (size > FORMAT_BLOCK_MAX || padded > n - at - FORMAT_BLOCK_HEADER)
			return;
		put_u32(data + at + 8, crc32c(crc32c(0, data + at, 8), data + at + FORMAT_BLOCK_HEADER, size));
		at += FORMAT_BLOCK_HEADER + padded;
	}
}

/* Copies them. NULL: none; free with bytes_destroy(), after the view. */
static struct bytes *bytes_create(const uint8_t *data, size_t n)
{
	struct bytes *b = calloc(1, sizeof(*b));
	struct segment *parsed = segment_create();
	uint8_t *copy = malloc(n + 1);

	if (!b || !copy || !parsed)
		abort();
	memcpy(copy, data, n);
	fix_checksums(copy, n);
	*b = (struct bytes){.source = {.ops = &bytes_ops, .name = "bytes"}, .data = copy, .n = n};
	segment_parse(parsed, copy, n, NULL);
	b->info = (struct segment_info){.seq = parsed->meta.seq, .from_ns = parsed->meta.mono_ns, .to_ns = parsed->meta.mono_ns,
					.wall_ns = parsed->meta.wall_ns, .size = n, .complete = true};
	if (parsed->nframes)
		b->info.to_ns = parsed->frames[parsed->nframes - 1].mono_ns;
	segment_unlock(parsed);
	return b;
}

static void bytes_destroy(struct bytes *b)
{
	free(b->data);
	free(b);
}

#endif
