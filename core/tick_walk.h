/* From tick to tick over one table: what happened to its rows between two samples, for questions that need every tick of a
 * window (series of histograms). Pairs of cursors, one sample apart, are kept in the view, so that a segment that still
 * grows is gone on with from where it was. */
#ifndef CORE_TICK_WALK_H
#define CORE_TICK_WALK_H

#include "cursor.h"
#include "derive.h"

struct view;

/* One frame and the sample before it. */
struct tick {
	bool sampled;    /* the table was sampled in this frame; else only the frame's times and `state` are known */
	uint32_t state;  /* enum culprit_table_state; 0: the frame's segment has no such table */
	uint64_t frame_ns;
	uint64_t at_ns, from_ns; /* sample times: what is told happened in (from, at]. from 0: there was none before */
	const struct schema_table *schema;
	struct derive derive; /* all but `end` and `start`, which tick_row() sets */
	size_t nrows, nended; /* slots, rows that ended in this tick */
	struct row end, start; /* memory of what `derive` points to */
};

/* Row i of the tick, 0 <= i < nrows + nended, with what it was before; false: an empty slot, or one that is not of this
 * tick. *ret_slot: where it stands or stood; with its serial that is the same row in every tick. */
bool tick_row(struct tick *, size_t i, size_t *ret_slot);

/* -errno ends the walk. */
typedef int tick_take(void *of, struct tick *);

/* Frames from number `first` on of one segment. *ret_frames: how many it has. 0; -ESTALE: it was overwritten; -ENOMEM; what
 * `take` returned. Frames behind damage are left out. `counts`: SCHEMA_SLOTS_MAX words each for histograms, the caller's. */
int tick_walk(struct view *, struct source *, const struct segment_info *, const char *table, size_t first,
	      uint64_t *const counts[2], tick_take *take, void *of, uint64_t *ret_frames);

/* What the view keeps for it. */
struct tick_walks;
struct tick_walks **view_walks(struct view *);
void tick_walks_destroy(struct tick_walks *); /* NULL-safe */

#endif
