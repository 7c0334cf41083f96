/* How a collector declares its tables: static const data, nothing else. From it alone come help, JSON and CSV,
 * filters, sorting, charts, recording and replay.
 *
 * Every struct that a plug-in hands over starts with its own size (of arrays: the element size stands beside the
 * pointer), so that fields can be added at the end for ever. A field that an older plug-in doesn't know reads 0. */
#ifndef CULPRIT_TABLE_H
#define CULPRIT_TABLE_H

#include <stddef.h>

#include <culprit/types.h>

enum culprit_bounds_kind {
	CULPRIT_LOG_LINEAR = 1, /* 8 steps an octave: slot i < 8 holds i; above, octave o = i / 8 starts at 8 << (o - 1)
				 * and slot i begins at (8 + i % 8) << (o - 1). count <= 488 */
	CULPRIT_LINEAR = 2,     /* slot i begins at start + i * step */
	CULPRIT_EDGES = 3,      /* slot i begins at edges[i]; ascending */
};

/* Bounds of a histogram: slot i counts values in [edge(i), edge(i+1)); the last slot has no upper edge. */
struct culprit_bounds {
	uint32_t kind;
	uint32_t count; /* slots, 1..1024 */
	double start, step;
	const double *edges; /* count of them */
};

/* Most words are [a-z][a-z0-9_]*, at most 31 bytes: table, column, key and derived names. */
struct culprit_column {
	const char *name;
	uint8_t role, type, unit;
	/* Columns that are read together, from one file. Group 0 is read in every sample. A column of a group > 0 (up
	 * to 7) keeps its value while nothing of its group is put, and its age is counted. */
	uint8_t group;
	uint32_t flags;     /* enum culprit_column_flags */
	const char *help;   /* one line */
	const char *source; /* "/proc/PID/stat field 14" */
	const struct culprit_bounds *bounds; /* histograms only */
};

/* What is computed over a window from raw columns. `a` and `b` are sums of column names, with '+' and '-':
 * "user+nice+system", "total-available". The value is multiplied by `scale` (0 reads as 1). A value whose
 * denominator is 0 or whose window is empty is absent. */
enum culprit_op {
	CULPRIT_RATE = 1,        /* sum of differences of a, per second of the table's own sample times */
	CULPRIT_RATIO = 2,       /* sum of differences of a / sum of differences of b */
	CULPRIT_LEVEL = 3,       /* sum of the last values of a */
	CULPRIT_LEVEL_RATIO = 4, /* sum of the last values of a / sum of the last values of b */
	CULPRIT_DIFFERENCE = 5,  /* sum of differences of a over the window */
	CULPRIT_PERCENTILE = 6,  /* of the histogram column a over the window; arg is 0..100 */
	CULPRIT_SINCE = 7,       /* sample time minus a; a is an instant (ticks, wall or mono ns); in ns */
	CULPRIT_GROWTH = 8,      /* last value of gauge a minus its value at the window's start */
};

struct culprit_derived {
	const char *name;
	uint32_t op;
	uint32_t unit;
	const char *a, *b;
	double scale;
	double arg;
	const char *help;
};

/* The only way a row's column reaches its parent's row (a thread's its process). */
enum culprit_rollup_op { CULPRIT_ROLL_SUM = 1, CULPRIT_ROLL_MAX = 2, CULPRIT_ROLL_MERGE = 3 };

struct culprit_rollup {
	const char *column; /* raw or derived column of this table */
	const char *table;  /* the parent's table; or one with the same key type: a column of the same things there */
	const char *name;   /* under which name it appears there */
	uint32_t op;        /* MERGE: histograms */
	uint32_t flags;     /* 0 */
	const char *help;
};

struct culprit_table {
	size_t size; /* sizeof(struct culprit_table) */
	const char *name;
	uint32_t kind;
	uint32_t flags; /* 0 */
	const char *help;
	/* Name of the key type ("process", "cpu", "device"): tables with the same key type join by it. The key itself is
	 * the columns with role CULPRIT_KEY, in order, at most 4. NULL for event tables without one. */
	const char *key;
	const struct culprit_column *columns;
	size_t column_size; /* sizeof(struct culprit_column) */
	uint32_t ncolumns;  /* at most 128 */
	uint32_t nderived;
	const struct culprit_derived *derived;
	size_t derived_size;
	const struct culprit_rollup *rollups;
	size_t rollup_size;
	uint32_t nrollups;
	uint32_t reserved; /* 0 */
	/* Key type of the row this row belongs to, and the columns here that hold that key, in order, space-separated:
	 * "process", "pid process_start". NULL: no parent. */
	const char *parent;
	const char *parent_columns;
	/* Where rows may be folded when there are too many: the column by whose value they fold (cgroup), and the gauge
	 * that counts the members of a folded row. NULL: never folded. */
	const char *fold_by;
	const char *fold_count;
	const char *sort; /* column to sort by at first, largest on top; NULL: key order */
	const char *show; /* columns to show at first, space-separated, most important first; NULL: all */
};

#endif
