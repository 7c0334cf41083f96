/* A segment as a reader holds it: its bytes, its schema, its dictionary, and where its frames begin. Reference-counted;
 * text and stacks borrowed from it live as long as it is locked. It may still grow (the newest one).
 *
 * Of a source that gives bytes again for the price of a copy (`again`: our own ring), the tables in frames are not kept: they are most
 * of the bytes, and the source has them. Then frames are read by segment_frame() alone, and that can fail. */
#ifndef CORE_SEGMENT_H
#define CORE_SEGMENT_H

#include "schema.h"
#include "source.h"
#include "writer.h"

struct segment_frame {
	size_t offset; /* of its payload in the segment as written: in the bytes, where all are kept */
	uint32_t size;
	bool key;
	uint64_t mono_ns;
	int64_t wall_ns;
};

struct segment {
	struct segment_meta meta;
	uint64_t shown_seq; /* the number under which its source has it; meta.seq is its writer's */
	struct host_info host;
	struct schema *schema; /* NULL until its block was read */
	struct wbuf bytes;
	struct segment_frame *frames;
	size_t nframes;
	bool complete;     /* has its summary, or will not grow */
	struct culprit_error damage; /* first damage met, "" where whole */
	size_t summary, summary_size; /* payload of the SUMMARY block in the bytes; 0: none */
	/* private */
	unsigned refs;
	size_t parsed;
	bool lean;        /* frames are not kept; then, */
	size_t kept;      /* so much of what has been parsed is in the bytes, */
	uint64_t dropped; /* and what stands at `parsed` stands so many bytes further on in the segment as written (modulo 2^64) */
	size_t schema_at, schema_size; /* payload of the SCHEMA block in the bytes; 0: not needed, the writer's own was found */
	struct dictionary *dictionary;
	size_t frames_cap;
	struct source *of; /* in whose list it is */
	struct segment *next;
};

struct segment *segment_create(void); /* empty, one reference */
/* The one that others hold of this source and number, or an empty one that they will find: all readers of a source share
 * the bytes. One reference. NULL: out of memory. */
struct segment *segment_of(struct source *, uint64_t seq);
/* Takes it out of its source's list. */
void segment_part(struct segment *);
struct segment *segment_lock(struct segment *);
void segment_unlock(struct segment *); /* NULL-safe */

/* Reads what the source has beyond what is here, and parses it. 0; -ESTALE: gone; -EBADMSG: damaged (frames before the
 * damage are usable, `damage` says what); -ENOMEM. */
int segment_update(struct segment *, struct source *, uint64_t seq, struct culprit_error *);
/* `n` bytes of a frame's payload, from byte `from` on, all of them within it. Borrowed until the next call for the same source, or
 * segment_frame_done(). 0; -ESTALE: overwritten since; -ENOMEM. */
int segment_frame(struct segment *, const struct segment_frame *, size_t from, size_t n, const uint8_t **ret, struct culprit_error *);
void segment_frame_done(struct segment *);
/* segment_update() from bytes at hand, for tests and fuzzing. */
int segment_parse(struct segment *, const void *bytes, size_t n, struct culprit_error *);

/* Dictionary. Ids come from cells; an unknown id gives NULL (hostile files), never a crash. Borrowed. */
const char *segment_text(const struct segment *, uint64_t id, size_t *ret_len);
bool segment_task(const struct segment *, uint64_t id, uint64_t *ret_tid, uint64_t *ret_start_ticks);

struct segment_location {
	const char *module; /* not NUL-terminated; NULL: unknown */
	size_t module_len;
	uint64_t offset;
	uint64_t module_id;  /* the text's number, for segment_symbol(); 0 where unknown */
	uint32_t kind;       /* enum culprit_module_kind; 0: not recorded */
	const uint8_t *build_id;
	size_t build_id_len; /* 0: none recorded */
};
/* Number of frames, innermost first, at most `cap` written; 0: unknown id. */
size_t segment_stack(const struct segment *, uint64_t id, struct segment_location *, size_t cap);

struct segment_name {
	const char *name; /* as the file has it (mangled), not NUL-terminated */
	size_t len;
	uint64_t start, size; /* the function's place in its module; size 0: unknown */
};
/* The recorded name of a place; false: none (yet). Names may come in later frames than their stacks. */
bool segment_symbol(const struct segment *, const struct segment_location *, struct segment_name *);

#endif
