/* A histogram over time, for heatmaps: what its slots counted in each column of a chart, merged over all rows of a table or
 * over some of them, or of several rows apart. Columns are whole, wall-aligned multiples of ticks. What a sample counted
 * belongs to the column in which the middle between it and the sample before it lies. What segments gave is remembered in
 * the view, so that a draw costs what changed. Not here: rows and their totals over a window (query.h), drawing. */
#ifndef CORE_HIST_SERIES_H
#define CORE_HIST_SERIES_H

#include "histogram.h"
#include "value.h"
#include "view.h"

enum { HIST_SERIES_KEYS_MAX = 4096, HIST_SERIES_APART_MAX = 256, HIST_SERIES_COLUMNS_MAX = 4096 };

struct hist_series_request {
	char table[32], column[32];
	const struct row_key *keys; /* nkeys of them: only these rows; 0: all rows that lived */
	size_t nkeys;
	bool apart;                 /* one series a key instead of one of all */
	/* Column i covers [from + i * step, from + (i + 1) * step); `from` by hist_series_end(). */
	uint64_t from_ns, step_ns;
	size_t n;
};

/* What there is to say of one column of the chart beside its counts. */
struct hist_column {
	uint32_t frames; /* recorded in it; 0: nothing is known of that time */
	uint32_t ticks;  /* of these, with differences of this table */
	uint32_t failed; /* frames in which it was failed, late or missing */
	uint32_t other;  /* ticks left out because the histogram had other bounds then */
	uint64_t covered_ns; /* time that the ticks are of */
};

/* init/finish. Its memory is kept from run to run. */
struct hist_series {
	bool known;   /* the table and the column are there */
	uint8_t unit; /* of the values on the slots */
	struct schema_bounds bounds; /* its own copy */
	size_t nseries; /* 1, or one a key */
	size_t n;
	struct hist_column *columns;   /* n */
	struct histogram_stats *stats; /* [series][column] */
	uint64_t *counts;              /* [column][slot]; NULL where apart */
	uint64_t period_ns;            /* the shortest time between two samples, in the columns; 0: not known */
	/* private */
	double *edges;
	size_t columns_cap, stats_cap, counts_cap;
};

void hist_series_init(struct hist_series *);
void hist_series_finish(struct hist_series *); /* NULL-safe */

/* The upper edge of the column of step_ns in which the tick that ended at to_ns counts. tick_ns: how far apart samples are. */
uint64_t hist_series_end(struct view *, uint64_t to_ns, uint64_t step_ns, uint64_t tick_ns);

/* 0; -ENODATA: no frames; -EINVAL: too many columns or keys; -ENOMEM. What was overwritten meanwhile has no frames. */
int hist_series_run(struct view *, const struct hist_series_request *, struct hist_series *, struct culprit_error *);

#endif
