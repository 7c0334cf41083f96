/* Headers and blocks of a segment, as bytes: what the writer puts and the segment reader gets. */
#ifndef CORE_SEGMENT_CODEC_H
#define CORE_SEGMENT_CODEC_H

#include "writer.h"

struct source;

struct segment_block {
	uint32_t type;
	uint32_t size;          /* of the payload */
	const uint8_t *payload; /* borrowed */
};

void segment_put_header(struct wbuf *, const struct segment_meta *);
int segment_get_header(const void *bytes, size_t n, struct segment_meta *, uint32_t *ret_size, struct culprit_error *);

/* Header, payload, zeros up to FORMAT_ALIGN. */
void segment_put_block(struct wbuf *, uint32_t type, const void *payload, size_t n);
/* The same for a payload that is written into the buffer itself, between these two. */
size_t segment_begin_block(struct wbuf *, uint32_t type);
void segment_end_block(struct wbuf *, size_t begun);
/* Reads the block at the beginning of the bytes. Returns how many bytes it takes, 0 where it isn't there as a whole yet,
 * -EBADMSG where it is damaged. */
int64_t segment_get_block(const void *bytes, size_t n, struct segment_block *, struct culprit_error *);

/* For sources that can read a part: finds the SUMMARY block of a complete segment, block by block, by their heads alone, and puts it
 * into the buffer, in place of what was there. `part` is as source_ops.again. -ENOENT: it has none; what `part` says. */
int segment_find_summary(int (*part)(struct source *, uint64_t seq, uint64_t offset, size_t n, struct wbuf *, struct culprit_error *),
			 struct source *, uint64_t seq, struct wbuf *, struct culprit_error *);

void host_info_encode(const struct host_info *, struct wbuf *);
int host_info_decode(const void *bytes, size_t n, struct host_info *);

#endif
