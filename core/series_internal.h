/* What the view keeps for series.c between draws, and what series.c and series_summary.c share. */
#ifndef CORE_SERIES_INTERNAL_H
#define CORE_SERIES_INTERNAL_H

#include "series.h"

struct series_state;
struct series_summary;

struct series_state **view_series(struct view *);
void series_state_destroy(struct series_state *); /* NULL-safe */

/* What one tick gave. */
struct series_tick {
	uint64_t at_ns; /* sample time */
	double value;
};

/* A request while it is answered. */
struct series_task {
	const struct series_request *request;
	struct series *out;
	const char *table, *name; /* what is read: the request's, or the child's of a roll-up */
	uint32_t rollup;          /* enum culprit_roll; 0: none */
	bool raw;
	int column; /* raw or derived index in the schema at hand; -1: none */
	const struct schema_table *schema; /* which that is */
	size_t slot;     /* where its row was seen last */
	uint64_t serial, writer; /* which row that is; 0: not known */
	struct series_tick *ticks; /* of the segment at work */
	size_t n, cap;
	uint64_t interval_ns; /* of that segment; 0: not known */
	bool wanted; /* not remembered for this segment */
	uint64_t after_ns, until_ns; /* samples of this time count: of the source at work */
};

void series_find_column(struct series_task *, const struct schema_table *);
int series_add(struct series_task *, uint64_t at_ns, double value);

struct series_summary *series_summary_create(void); /* NULL: out of memory */
void series_summary_destroy(struct series_summary *); /* NULL-safe */
/* Answers the wanted tasks of a table for one complete segment out of its summary; `before`: the segment before it, or NULL.
 * 0: all of them; -ENOENT: none, a summary does not tell; -ENOMEM, -ESTALE. */
int series_summary_run(struct series_summary *, struct source *, const struct segment_info *, const struct segment_info *before,
		       struct series_task *, size_t n, const char *table);

#endif
