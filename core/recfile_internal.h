/* A recording under a reader: where its segments lie, and the last ones decompressed. Private to recfile*.c. */
#ifndef CORE_RECFILE_INTERNAL_H
#define CORE_RECFILE_INTERNAL_H

#include <zstd.h>

#include "recfile.h"
#include "recfile_frames.h"
#include "recfile_store.h"

enum { RECCACHE_SLOTS = 8, RECDAMAGES_MAX = 64 };
#define RECCACHE_BYTES ((size_t)32 << 20) /* in all slots, beside the one being read */
#define RECFILE_LOOSE 16 /* times segment_max: bytes decompressed at most to measure segments without end mark */

struct recsegment {
	struct segment_info info;
	struct segment_meta meta;
	uint64_t at;        /* of its mark */
	uint64_t header_at; /* of the file header before it */
	uint64_t frame[2];  /* of its zstd frames; 0: none */
	unsigned frames;    /* whole or begun */
	uint64_t frames_end; /* what lies behind it is no part of the segment; of a whole one its end mark */
	bool closed;        /* no more bytes of it will come */
	bool marked;        /* has its end mark: `end` */
	bool unseen;        /* told by the index; its mark was not looked at yet */
	struct recframe_end end;
	const char *reason; /* it ends by damage at damage_at; NULL: it does not */
	uint64_t damage_at;
};

/* A segment being decompressed. */
struct reccache {
	bool used;
	uint64_t at; /* whose: place of its mark */
	uint64_t stamp;
	struct wbuf raw;
	ZSTD_DCtx *z;     /* NULL where nothing more is to be done */
	unsigned frame;   /* frames that are whole so far */
	size_t body;      /* bytes of the first of them */
	uint64_t next;    /* place of the next header or block */
	bool in_frame, checksum, done;
	int err;          /* sticks: damage at `next` */
	const char *reason;
	size_t parsed;    /* bytes of raw in which the newest frame was looked for */
	uint64_t newest_ns;
};

/* Damage that was met: those that lie first, in order of their places. */
struct recdamage {
	uint64_t at;
	char reason[64];
};

struct recsource {
	struct source source;
	struct recstore store;
	size_t segment_max, budget;
	int err; /* sticks: it is no recording */
	struct culprit_error error;

	struct recsegment *segments;
	size_t count, cap;
	size_t shown; /* of the last refresh: the last one may be empty as yet */

	/* The walk over the frames. */
	uint64_t pos;          /* place of the next frame */
	uint64_t walk;         /* in the zstd frame at `pos`: place of the next block; 0: not in one */
	bool walk_checksum;
	bool header;           /* the file header was seen */
	bool open;             /* the last segment is not closed */
	bool lost;             /* after damage: the next mark is still to be found, from `pos` on */
	uint64_t header_at;    /* of the newest header */
	uint64_t writer;       /* by it */
	uint64_t skipped_to;   /* what lies before is another recording, which is not shown; 0: nothing */
	uint64_t seq_base;     /* added to the numbers of the newest header's segments */
	uint64_t next_seq;     /* least number the next segment may be shown under */
	uint64_t search_start; /* 1 + where the search for a mark in what is unfinished began; 0: none goes on */
	uint64_t search_at;    /* where it goes on */
	uint64_t zeros_to;     /* to here there is no more between two segments than zeros from `pos` on; 0: it goes on otherwise */
	uint64_t zeros_seen;   /* then: so far they were looked at */
	uint64_t wasted;       /* bytes walked over in vain */
	bool hopeless;         /* too many of them */
	uint64_t loose;        /* bytes decompressed for segments without end mark */
	uint64_t empties_at;   /* of the first of the empty blocks right before `walk` */
	unsigned empties;      /* how many */
	bool indexed;          /* segments up to here were told by the index, and nothing is behind it */
	struct recdamage damages[RECDAMAGES_MAX];
	size_t ndamages;
	struct culprit_error damage; /* one of them as a sentence */
	struct culprit_error notice;
	uint64_t size;         /* of the store at the last refresh */

	struct reccache cache[RECCACHE_SLOTS];
	ZSTD_DCtx *spare; /* a decompressor that is not in use; NULL: none */
	uint64_t stamp;
};

/* Decompresses what can be had of a segment, as far as the walk knows it. -ENOMEM, -errno of reading; damage is left in
 * the slot's err, next and reason. */
int reccache_get(struct recsource *, const struct recsegment *, struct reccache **ret);
/* Appends the second zstd frame of a segment that has its end mark. -EBADMSG. */
int reccache_summary(struct recsource *, const struct recsegment *, struct wbuf *);
/* Appends the first bytes of a segment, up to the end of its SCHEMA block. -EBADMSG. */
int reccache_head(struct recsource *, const struct recsegment *, struct wbuf *);
void reccache_drop(struct recsource *, struct reccache *);
/* Time of the newest whole frame block in it; 0: none. */
uint64_t reccache_newest_ns(struct reccache *);

#define RECWALK_ZEROS "it goes on with zeros"
/* Walks over the frames that came since the last time, and notes the segments. -errno of reading, -ENOMEM; damage is
 * noted, and walked around. */
int recwalk(struct recsource *);
/* The same, where decompressing has found the frame at `pos` damaged at `at`. */
int recwalk_damage(struct recsource *, uint64_t at, const char *reason);
/* Remembers damage for who asks the source; those which lie first stay. */
void recwalk_note(struct recsource *, uint64_t at, const char *reason);

/* One more segment, open; its number is higher than all before. -ENOMEM; 1: no more are taken. */
int recwalk_add(struct recsource *, const struct segment_meta *, uint64_t seq, uint64_t at);

/* Takes the segments from the index at the end, where there is one that holds. 0: taken; -ENOENT: there is none, or it is
 * not to be trusted: walk. -errno of reading, -ENOMEM. */
int recindex_load(struct recsource *);
/* Is the mark of a segment, which the index told, where it should be? 0; -EBADMSG. */
int recindex_check(struct recsource *, const struct recsegment *);

/* How a recording ends, for who wants to go on with it. */
struct recfile_tail {
	uint64_t at;         /* bytes from here on are half written */
	bool open;           /* a segment lacks its end mark: `end`, without distance */
	bool between_frames; /* and its zstd frame is whole */
	uint64_t mark;       /* where that segment begins */
	struct recframe_end end;
};

/* -EBADMSG with a sentence: not a recording, or damaged at its end. */
int recfile_tail(const char *path, struct recfile_tail *, struct culprit_error *);

#endif
