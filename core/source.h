/* Where segments come from: a ring (ours or another process's), a file, a directory of files. A reader copies the bytes
 * of a segment; nothing here interprets them. One thread per source. */
#ifndef CORE_SOURCE_H
#define CORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/types.h>

#include "wire.h"

struct segment_info {
	uint64_t seq;      /* ascending, gaps allowed */
	uint64_t from_ns;  /* CLOCK_MONOTONIC of its first frame */
	uint64_t to_ns;    /* of its newest frame */
	int64_t wall_ns;   /* wall clock of its first frame */
	uint64_t size;     /* bytes readable now */
	bool complete;     /* no more bytes will come */
	uint64_t writer;   /* whose; 0: not known, then all are of one */
};

/* What there is to say of where the segments lie, beside the segments. */
struct source_state {
	uint64_t bytes;      /* as stored */
	uint32_t files;
	bool indexed;        /* segments were told by the index at the end (of each file) */
	bool finished;       /* its last segment has its end mark: the writer has gone in peace */
	bool being_written;  /* a writer holds its lock */
	uint64_t half_bytes; /* at its end, of a frame that was being written */
	uint64_t zero_bytes; /* at its end, behind the last whole segment: of a file that was made larger than it is */
	uint64_t unread_bytes; /* behind these: not looked at, for they are too many */
};

struct source {
	const struct source_ops *ops;
	struct segment *segments; /* those that readers hold now, see segment_of(); NULL at first */
	struct wbuf frame; /* where segment_frame() puts one that is read again; all 0 at first */
	uint64_t decoded; /* what reading has cost: tables that cursors decoded, each counted once a frame */
	char name[256]; /* for messages: "own ring", a file's name */
};

struct source_ops {
	/* Looks what is there now. Returns how many segments, or -errno with a sentence. */
	int (*refresh)(struct source *, struct culprit_error *);
	/* Segment i of the last refresh, 0 the oldest. */
	const struct segment_info *(*segment)(struct source *, size_t i);
	/* Appends what segment `seq` holds from byte `offset` on (nothing: 0 and no bytes). -ESTALE: overwritten
	 * meanwhile, or gone; what was appended is not to be used. -EBADMSG: damaged there; what came before the
	 * damage is appended, and the sentence names the damage. */
	int (*read)(struct source *, uint64_t seq, uint64_t offset, struct wbuf *, struct culprit_error *);
	/* Optional, where it costs no more than a copy: appends bytes offset .. offset + n of a segment, which it has. Who reads then
	 * keeps no copies of frames (core/segment.h). Errors as read(). */
	int (*again)(struct source *, uint64_t seq, uint64_t offset, size_t n, struct wbuf *, struct culprit_error *);
	/* Optional: a descriptor readable when there is something new; -1: none. */
	int (*fd)(struct source *);
	void (*destroy)(struct source *);
	/* Optional: the first damage met so far, one sentence; "" where none. Borrowed until the next call. */
	const char *(*damage)(struct source *);
	/* Optional: what else is to be known of it: that it has no frames and why, that not all of it is read. One sentence;
	 * "" where nothing. Borrowed until the next call. */
	const char *(*notice)(struct source *);
	/* Optional: damage i of those met so far, in the order of their places; NULL: no more. Borrowed likewise. */
	const char *(*damage_at)(struct source *, size_t i);
	/* Optional: puts the SUMMARY block of a complete segment into the buffer, in place of what was there, without reading the
	 * rest. -ENOENT: it has none; -ESTALE, -EBADMSG as read(). */
	int (*summary)(struct source *, uint64_t seq, struct wbuf *, struct culprit_error *);
	/* Optional: likewise a segment's bytes up to the end of its SCHEMA block, without decompressing much more. Errors likewise. */
	int (*head)(struct source *, uint64_t seq, struct wbuf *, struct culprit_error *);
	/* Optional. */
	void (*state)(struct source *, struct source_state *);
	/* Optional: will more come? Then it answers for what lies after its newest frame, too. */
	bool (*live)(struct source *);
	/* Optional, where its writer is in this process: the schema that it writes with now, one reference. NULL: none. Who reads its bytes
	 * needs none of its own (core/segment.c). */
	struct schema *(*schema)(struct source *);
	/* Optional: gives back files and what else it holds. From then on it has no segments (-ESTALE); what was read of it stays. */
	void (*retire)(struct source *);
};

void source_destroy(struct source *); /* NULL-safe */

#endif
