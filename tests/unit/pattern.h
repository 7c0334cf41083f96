/* Segments whose every word is known from the segment's number and its place: any torn, shifted or stale word shows. */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "writer.h"

enum { PATTERN_APPEND_MAX = 1 << 20 };

static inline uint64_t pattern_word(uint64_t seq, uint64_t i)
{
	uint64_t x = seq * UINT64_C(0x9e3779b97f4a7c15) ^ (i + 1) * UINT64_C(0xbf58476d1ce4e5b9);

	x ^= x >> 31;
	/* Half of the words repeat, so that they compress. */
	return i % 2 ? x * UINT64_C(0x94d049bb133111eb) : seq ^ (i / 8);
}

static inline void pattern_fill(uint64_t *to, uint64_t seq, uint64_t offset, size_t n)
{
	for (size_t i = 0; i < n / 8; i++)
		to[i] = pattern_word(seq, offset / 8 + i);
}

/* Are these the bytes of that segment from `offset` (any) on? */
static inline bool pattern_holds(const uint8_t *bytes, uint64_t seq, uint64_t offset, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint64_t at = offset + i, word = pattern_word(seq, at / 8);
		size_t skip = at % 8, part = 8 - skip < n - i ? 8 - skip : n - i;

		if (memcmp(bytes + i, (const uint8_t *)&word + skip, part) != 0)
			return false;
		i += part;
	}
	return true;
}

static inline int pattern_begin(struct sink *sink, uint64_t writer, uint64_t seq)
{
	const struct segment_meta meta = {
		.writer = writer, .seq = seq, .mono_ns = 1000 + seq * 100, .wall_ns = 5000 + (int64_t)seq * 100};

	return sink->ops->begin(sink, &meta, NULL);
}

/* Appends n bytes of segment `seq`, which has `offset` bytes. */
static inline int pattern_append(struct sink *sink, uint64_t seq, uint64_t offset, size_t n, uint64_t mono_ns,
				 struct culprit_error *error)
{
	uint64_t *bytes = malloc(n ? n : 8);
	int err;

	pattern_fill(bytes, seq, offset, n);
	err = sink->ops->append(sink, bytes, n, mono_ns, error);
	free(bytes);
	return err;
}

static inline int pattern_end(struct sink *sink, uint64_t seq, uint64_t offset, size_t n)
{
	uint64_t *bytes = malloc(n ? n : 8);
	int err;

	pattern_fill(bytes, seq, offset, n);
	err = sink->ops->end(sink, bytes, n, NULL);
	free(bytes);
	return err;
}

/* A whole segment: `appends` times n bytes and a summary of `summary` bytes. */
static inline int pattern_segment(struct sink *sink, uint64_t writer, uint64_t seq, size_t appends, size_t n, size_t summary)
{
	int err = pattern_begin(sink, writer, seq);

	for (size_t i = 0; i < appends && !err; i++)
		err = pattern_append(sink, seq, i * n, n, 1000 + seq * 100 + i, NULL);
	return err ? err : pattern_end(sink, seq, appends * n, summary);
}

#endif
