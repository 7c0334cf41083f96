/* What a complete segment says in short, so that a question over hours need not decode every frame: which rows ended, the
 * extremes of every gauge and peak, and for small tables the whole series of every number. The writer appends it as the
 * segment's last block; a reader may compute the same from the frames where it is missing. */
#ifndef CORE_SUMMARY_H
#define CORE_SUMMARY_H

#include "segment.h"
#include "wire.h"

enum {
	SUMMARY_SERIES_ROWS = 64, /* tables that never have more rows than this get whole series */
};

/* Extremes of one cell over the segment, of gauges and peaks that changed. As doubles. */
struct summary_extreme {
	uint32_t slot, column;
	uint64_t serial;
	double min, max;
};

/* One numeric column of one row: a value a sample, as stored (f64: its bits). */
struct summary_series {
	uint32_t slot, column;
	uint64_t serial;
	uint32_t first, n;       /* index of the first sample in the table's `times`, how many */
	uint64_t *values;
	uint8_t *states;         /* NULL: all are OK */
};

struct summary_table {
	const struct schema_table *schema;
	uint64_t *times; /* sample times, ns */
	uint32_t ntimes;
	struct summary_extreme *extremes;
	size_t nextremes;
	struct summary_series *series; /* by (slot, serial, column); NULL: not a small table */
	size_t nseries;
	uint32_t nended; /* rows that ended in this segment */
	uint64_t nevents;
};

struct summary {
	struct summary_table *tables; /* one a table of the schema */
	uint32_t ntables;
	struct schema *schema;
};

/* Which columns have extremes; which have a series in small tables. */
bool summary_has_extremes(const struct schema_column *);
bool summary_has_series(const struct schema_column *);

/* Computed from the frames, for segments without a summary. NULL: out of memory. */
struct summary *summary_build(struct segment *, struct culprit_error *);
/* From the segment's SUMMARY block; NULL where there is none or it is damaged (then build it). */
struct summary *summary_read(const struct segment *, struct culprit_error *);
/* One table alone, from a SUMMARY block with its header; the others of *ret are empty. -EBADMSG; -ENOENT: it says nothing of
 * that table; -ENOMEM. */
int summary_read_table(struct schema *, const struct schema_table *, const void *block, size_t n, struct summary **ret);
/* What its tables lost, from a SUMMARY block with its header, without reading them: appends pairs, the table's number in its schema and the
 * number of events, of those that lost some. Returns how many; -ENOENT: it does not say; -EBADMSG; -ENOMEM. */
int summary_read_lost(const void *block, size_t n, struct wbuf *ret_pairs);
void summary_destroy(struct summary *);

#endif
