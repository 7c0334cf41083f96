/* The frame under construction, and what the writer must remember between frames: the rows of every table as they were
 * last sampled, and the dictionary. Collectors write into it through struct culprit_frame; sealing turns what changed
 * into the bytes of one frame. One thread. Takes no memory in steady state.
 *
 * Not here: when to start a segment (writer.h), what the bytes mean to a reader (cursor.h). */
#ifndef CORE_BUILDER_H
#define CORE_BUILDER_H

#include <stdbool.h>

#include <culprit/frame.h>

#include "schema.h"

struct builder;
struct symbols;

/* Locks the schema. NULL: out of memory. */
struct builder *builder_create(struct schema *);
void builder_destroy(struct builder *);

/* Adopts a schema that starts with the same tables and has more. The next frame must be a key frame. */
int builder_grow(struct builder *, struct schema *);

/* Where the modules of culprit_put_code() are known, and names come from; borrowed. */
void builder_set_symbols(struct builder *, struct symbols *);

/* Most rows all foldable tables may hold together; the rest folds (see table.h: fold_by). 0: no bound. */
void builder_set_row_budget(struct builder *, uint64_t rows);
/* Rows folded away in the last sealed frame. */
uint64_t builder_folded(const struct builder *);

/* Begins a frame. Times of now: CLOCK_MONOTONIC and CLOCK_REALTIME, ns. */
void builder_begin(struct builder *, uint64_t mono_ns, int64_t wall_ns);

/* Those of the frame begun. */
void builder_times(const struct builder *, uint64_t *ret_mono_ns, int64_t *ret_wall_ns);

/* The frame for the collector whose tables have the ids first_table .. first_table + ntables - 1. Valid until the next
 * call. Table numbers that the collector uses are relative to first_table. */
struct culprit_frame *builder_frame(struct builder *, uint32_t first_table, uint32_t ntables);
/* Ends that collector's part. 0, or the first error it made (-EINVAL with a sentence: unknown table or column, a put
 * outside a row, wrong type; -ENOMEM), and then all its tables of this frame count as failed with that reason.
 * `result`: what sample() returned; `reason`: why, where it failed. `cost_ns`: CPU time it took, shared out among its
 * tables by the time between their beginnings. `thinning`: sampled every n-th tick, 1: every. */
int builder_frame_end(struct builder *, int result, const char *reason, uint64_t cost_ns, uint32_t thinning,
		      struct culprit_error *);
/* "TABLE: REASON", the first reason or remark given for a table (culprit_state) since builder_frame(); "": none. Valid until
 * the next. */
const char *builder_remark(const struct builder *);
/* Did that collector say of each of its tables that it failed? */
bool builder_all_failed(const struct builder *);
/* A table that was not sampled in this frame, and why (CULPRIT_RESTING, LATE, FAILED, MISSING). */
void builder_skip(struct builder *, uint32_t table, uint32_t state, const char *reason);

/* Appends the frame's payload (docs/FORMAT.md, "Frame") to `out`: all rows where `key`, else what changed. Then the
 * frame is closed. -ENOMEM. */
int builder_seal(struct builder *, bool key, struct wbuf *out);

/* The SUMMARY payload of the frames since the last key frame. -ENOMEM. */
int builder_summary(struct builder *, struct wbuf *out);

/* Live rows of a table, for tests and for `culprit collectors`. */
uint64_t builder_rows(const struct builder *, uint32_t table);
uint64_t builder_rows_all(const struct builder *);
/* Events that collectors have lost since it was made, of all tables. */
uint64_t builder_lost(const struct builder *);
/* Bytes held. */
size_t builder_memory(const struct builder *);

#endif
