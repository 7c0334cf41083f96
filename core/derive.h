/* What a row's columns are between two instants, computed from the row as it was at each. The arithmetic of counters,
 * bases, histograms and derived columns stands here and nowhere else. Not here: which rows there are, peaks over several
 * ticks, roll-ups (query.h), charts (series.h). */
#ifndef CORE_DERIVE_H
#define CORE_DERIVE_H

#include "cursor.h"
#include "value.h"

/* One row at the end and at the start of a window. */
struct derive {
	const struct schema_table *schema;
	struct cursor *end_cursor, *start_cursor;
	const struct schema_table *start_schema; /* the same table in the start's segment */
	const struct row *end;
	const struct row *start; /* NULL: was not there at the start */
	uint64_t sample_ns;      /* the table's newest sample at the end */
	uint64_t aging_ns;       /* how long sampling it has failed since; 0: it has not */
	int64_t wall_offset_ns;  /* wall clock - CLOCK_MONOTONIC at the end */
	const struct host_info *host;
	uint64_t *counts[2];     /* memory for histograms: SCHEMA_SLOTS_MAX each */
};

/* A raw column's value at the end, as read. */
void derive_last(const struct derive *, uint32_t column, struct value *);
/* Over the window: counters and histograms as differences, all else the last value. Histograms are left in counts[0]. */
void derive_raw(const struct derive *, uint32_t column, struct value *);
/* A derived column. Only [lo, hi) of histogram `range_column` counts; -1: no range. */
void derive_column(const struct derive *, uint32_t derived, int range_column, double lo, double hi, struct value *);

/* Percentile 0..100 of counts; false: nothing counted. *ret_n: how many. */
bool derive_percentile(const struct schema_bounds *, const uint64_t *counts, double percent, double *ret, uint64_t *ret_n);
/* Sets to 0 what lies outside of [lo, hi): slots count where they overlap it. */
void derive_range(const struct schema_bounds *, uint64_t *counts, double lo, double hi);
/* From when this row's differences count. */
uint64_t derive_from(const struct derive *);

#endif
