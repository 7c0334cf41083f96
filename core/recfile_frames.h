/* The zstd frames that a recording is made of, as bytes (docs/FORMAT.md, "File"): our skippable frames, and the outer
 * structure of zstd's own (RFC 8878), as far as it takes to walk over them. Private to recfile*.c. */
#ifndef CORE_RECFILE_FRAMES_H
#define CORE_RECFILE_FRAMES_H

#include "writer.h"

#define RECFRAME_SKIPPABLE 0x184d2a5cu /* ours; 0x184d2a50..5f are all skippable */
#define RECFRAME_ZSTD 0xfd2fb528u

enum {
	RECFRAME_PREFIX = 8,      /* of a skippable frame: magic, length */
	RECFRAME_HEADER = 48,     /* content of ours */
	RECFRAME_MARK = 56,
	RECFRAME_END = 72,
	RECFRAME_INDEX = 40,      /* fixed part of an index; entries and 8 bytes follow */
	RECFRAME_ENTRY = 80,
	RECFRAME_TRAIL = 8,       /* with which an index ends: length of its content, checksum */
	RECFRAME_OURS_MAX = 4096, /* longer content of a known kind is damage */
	RECFRAME_BLOCK_MAX = 1 << 17,
	RECFRAME_ZSTD_HEADER_MAX = 18,
	RECFRAME_WINDOW_LOG = 23, /* a frame that wants a larger window (8 MiB) is refused */
};

enum recframe_kind { RECFRAME_OTHER, RECFRAME_FILE_HEADER, RECFRAME_SEGMENT_MARK, RECFRAME_SEGMENT_END, RECFRAME_FILE_INDEX };

struct recframe_end {
	uint64_t writer, seq;
	uint64_t to_ns;    /* of its newest frame */
	uint64_t body;     /* bytes of the first zstd frame, decompressed */
	uint64_t summary;  /* of the second; 0: there is none */
	uint64_t distance; /* from its segment mark to this frame, both at their first byte */
};

/* Of a whole segment, in an index. Places are distances from the first byte of the file header. */
struct recframe_entry {
	uint64_t seq;
	uint64_t from_ns; /* of its first frame */
	int64_t wall_ns;
	uint64_t to_ns;
	uint64_t mark, body_at, summary_at, end_at; /* of its four parts; summary_at 0: there is none */
	uint64_t body, summary; /* bytes, decompressed */
};

/* Fixed part of an index. */
struct recframe_index {
	uint64_t writer;
	uint64_t distance; /* from the file header to this frame, both at their first byte */
	uint32_t count;    /* entries */
	uint32_t entry_size;
	size_t entries_at; /* in the content */
};

void recframe_put_header(struct wbuf *, uint64_t writer, int64_t created_wall_ns);
void recframe_put_mark(struct wbuf *, const struct segment_meta *);
void recframe_put_end(struct wbuf *, const struct recframe_end *);
/* An index of `count` entries, which were made by recframe_put_entry(). */
void recframe_put_index(struct wbuf *, uint64_t writer, uint64_t distance, const void *entries, uint32_t count);
void recframe_put_entry(struct wbuf *, const struct recframe_entry *);
/* Ends a zstd frame that was flushed but not ended: an empty last block. */
void recframe_put_last_block(struct wbuf *);

/* What a skippable frame's content (its first 8 bytes) is. */
enum recframe_kind recframe_kind(const uint8_t *content, size_t n);
/* From the whole content. What is wrong, or NULL. */
const char *recframe_get_header(const uint8_t *content, size_t n, uint64_t *ret_writer);
const char *recframe_get_mark(const uint8_t *content, size_t n, struct segment_meta *);
const char *recframe_get_end(const uint8_t *content, size_t n, struct recframe_end *);

/* The content's checksum is right, and its entries lie within it. */
const char *recframe_get_index(const uint8_t *content, size_t n, struct recframe_index *);
void recframe_get_entry(const uint8_t *entry, struct recframe_entry *);

/* Size of a zstd frame's header from its first bytes; 0: more bytes are needed; -EBADMSG. `ret_checksum`: four bytes
 * follow its last block. */
int recframe_zstd_header(const uint8_t *bytes, size_t n, bool *ret_checksum);
/* Size of a block with its 3 bytes of header, which is all that is looked at; 0: more bytes are needed; -EBADMSG. */
int recframe_zstd_block(const uint8_t *bytes, size_t n, bool *ret_last);

static inline uint32_t recframe_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif
