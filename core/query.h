/* The rows and values of one table under a lens. The only place where counters subtract, rates divide, percentiles
 * interpolate and children roll up: panels, dump, charts and findings ask here, so that they agree. Values are computed
 * when asked for.
 *
 *	q = query_create(view);
 *	query_sort(q, "cpu", true);
 *	each draw:  query_run(q, &lens, "process", 0, &error);
 *		    for (i < query_nrows(q)) query_value(q, i, column, &v);
 *
 * What is remembered: an unchanged lens and view cost nothing; a live window costs what changed since the last run.
 * Rows and values are valid until a query of the same view is run for another window: run, draw, then the next. Using
 * them later is safe, and gives absent values; row keys stay. */
#ifndef CORE_QUERY_H
#define CORE_QUERY_H

#include <sys/types.h>

#include "lens.h"
#include "value.h"
#include "view.h"

struct query;

enum query_flags {
	QUERY_RAW = 1u << 0,   /* raw columns with their last values as read; nothing derived, nothing rolled up */
	QUERY_ALIVE = 1u << 1, /* without rows that ended in the window */
	/* Columns of its own alone, nothing of other tables rolled up: those need not be read then. Without a column to sort by, in
	 * any order. */
	QUERY_OWN = 1u << 2,
	/* Only how many there are, beside QUERY_OWN: rows have no keys, and values that need the window's beginning are not to be asked
	 * for. Of a table that began in the window its first sample need not be looked for then. */
	QUERY_COUNT = 1u << 3,
};

struct query *query_create(struct view *); /* NULL: out of memory */
void query_destroy(struct query *);        /* NULL-safe */
/* Nobody looks at its answer for a while: the memory of its rows is given back, its columns and how it is sorted stay. Then it has no
 * rows, until it is run. NULL-safe. */
void query_rest(struct query *);

/* Answers the lens for this table. 0; -ENODATA: no frame yet; -ENOENT: no such table (the sentence names near ones);
 * -EINVAL: the filter is wrong (the sentence says where); -ESTALE: overwritten meanwhile, try again; -EBADMSG: damage:
 * what lies before it was answered, and the sentence names it; -ENOMEM. On other errors than -EBADMSG the query has no
 * rows. */
int query_run(struct query *, const struct lens *, const char *table, unsigned flags, struct culprit_error *);
/* These tables will be asked for (QUERY_OWN), of one lens: they are read together, where one source answers for them, which costs as
 * much as the largest, not as many times as there are. At most 64. */
void query_expect(struct query *, const struct lens *, const char *const *tables, size_t n);
/* This will be asked: the cursors are moved to where it is answered from, as far as the view's patience goes (view_set_patience).
 * Until then this query has no rows. 0: asking takes no longer than its rows do; -EINTR: call it again. */
int query_ahead(struct query *, const struct lens *, const char *table, unsigned flags);
/* Counts up whenever the answer may have changed. */
uint64_t query_generation(const struct query *);

/* How it stands. Times are CLOCK_MONOTONIC ns. */
struct query_info {
	uint32_t kind;               /* enum culprit_kind */
	uint64_t from_ns, to_ns;     /* the window asked for */
	uint64_t used_from_ns, used_to_ns; /* sample times of the table really used */
	int64_t used_from_wall_ns, used_to_wall_ns;
	bool covers_less;            /* what is recorded, of this table, begins after from_ns */
	bool empty;                  /* fewer than two samples of it in the window: no differences */
	bool host_wide;              /* the table has no relation to the lens's scope: all rows are shown */
	bool filtered;               /* the filter took part */
	bool routed;                 /* another source than the view's first answers for this table (view_route) */
	uint64_t source_from_ns;     /* first frame of the source that answers */
	uint32_t state;              /* enum culprit_table_state of its newest frame */
	const char *reason;          /* why, not NUL-terminated: "needs root: ..."; NULL: none */
	size_t reason_len;
	uint64_t sample_ns, attempt_ns; /* newest sample; newest attempt */
	uint64_t lost;               /* events lost in the window */
	uint64_t left_out;           /* the oldest ended rows or events of the window: too many to hold (view_keep_most) */
	uint64_t cost_ns;            /* CPU of its newest sample */
	uint32_t thinning;           /* sampled every n-th tick */
	size_t rows_in_scope;        /* before the filter */
	size_t rows_ended;           /* of those shown */
};
void query_info(const struct query *, struct query_info *);
/* The same of a table that was rolled up into the rows of this run. false: of none that has this name. */
bool query_child_info(const struct query *, const char *table, struct query_info *);
const struct schema_table *query_table(const struct query *); /* NULL: none yet */

enum query_origin { QUERY_COLUMN_RAW = 1, QUERY_COLUMN_DERIVED = 2, QUERY_COLUMN_ROLLED = 3 };

struct query_column {
	const char *name, *help;
	const char *source;  /* "/proc/PID/stat field 14", "rate(utime+stime)", "sum of thread.cpu" */
	uint8_t role;        /* enum culprit_role; 0: derived or rolled up */
	uint8_t type, unit;
	uint8_t origin;
	bool shown;          /* in the table's first choice of columns */
};
/* Key columns first as in the schema: raw, then derived, then rolled up. The order does not change while the schema
 * stays. Valid until the next run. */
size_t query_ncolumns(const struct query *);
const struct query_column *query_column(const struct query *, size_t column);
int query_column_find(const struct query *, const char *name); /* -1: none */
/* "; did you mean cpu?" or "". */
const char *query_suggest_column(const struct query *, const char *name, char *buf, size_t cap);
/* The columns to show at first (the table's `show`, or all), at most cap indices; returns how many. */
size_t query_shown(const struct query *, uint16_t *columns, size_t cap);

struct query_row {
	struct row_key key;   /* events without key: n is 0 */
	uint64_t serial;      /* identity for the life of the writer; 0 for events */
	uint64_t began_ns;    /* first sample; 0: was there when what is recorded began. Events: the frame's time */
	uint64_t ended_ns;    /* 0: alive at the window's end */
	bool began;           /* in the window */
	bool folds;           /* stands for several rows (too many for one each) */
	bool folded;          /* went into such a row in the window; it did not end */
	uint64_t covered_from_ns; /* its differences count from here */
};
size_t query_nrows(const struct query *);
/* false: no such row. */
bool query_row(const struct query *, size_t row, struct query_row *);
/* Row with this key (of several, ended and alive, the one alive); -1: none. */
ssize_t query_find(struct query *, const struct row_key *);
ssize_t query_find_serial(struct query *, uint64_t serial);

/* The value; borrowed until the next call for a value of this query (text: until the next run). Never fails: what is not
 * there is absent. */
void query_value(struct query *, size_t row, size_t column, struct value *);
/* Several columns of a row, which is looked up once; -1: no such column. Of histograms, the last one's counts alone are valid. */
void query_values(struct query *, size_t row, const int *columns, size_t n, struct value *values);
/* By the column's name, in its unit; NaN: no number is there (no such row, column, unread). The query may be NULL. For a few cells; who
 * asks row by row looks the column up once (query_column_find(); -1: none). */
double query_number(struct query *, size_t row, const char *column);
double query_number_at(struct query *, size_t row, int column);
/* Its raw bytes, as many as fit, NUL-terminated; "" where there is no text. */
void query_text(struct query *, size_t row, const char *column, char *out, size_t cap);
/* The same row's value in the lens's baseline, joined by key content; false: no baseline, or no such row there. Where the
 * baseline is another recording, processes and threads whose keys it does not have are joined by name: the k-th of a name
 * here with the k-th there. */
bool query_baseline_value(struct query *, size_t row, size_t column, struct value *);
/* The key of that row there. */
bool query_baseline_key(struct query *, size_t row, struct row_key *);
/* Can differences of this column be told: a number that is no instant and no identity? */
bool query_compares(const struct query *, size_t column);
enum query_change {
	QUERY_CHANGE_UNKNOWN, /* no baseline, or one of the two values is not there */
	QUERY_CHANGE_NEW,     /* the baseline has no such row */
	QUERY_CHANGE_KNOWN,
};
/* Now less before, in the column's unit, and before. */
enum query_change query_change(struct query *, size_t row, size_t column, double *ret_change, double *ret_before);

/* Order of this run and the following. NULL: by key. Stable; absent and unread last either way; ties by key. -ENOENT: no
 * such column now (then by key). */
int query_sort(struct query *, const char *column, bool descending);
/* By how much the column changed against the baseline, instead of by its value; rows that are new count as if they had
 * been 0. */
void query_sort_change(struct query *, bool);
/* F64 values that round to the same multiple of `grain` count as equal and stand in key order, so that a list shown with
 * fewer digits does not shuffle; 0: exact, as at first. */
void query_sort_grain(struct query *, double grain);

#endif
