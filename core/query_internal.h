/* Shared by the files of query: query.c (running, values), query_rows.c (which rows), query_columns.c, query_sort.c,
 * query_scope.c, query_rollup.c, query_walk.c (what needs every tick of the window). */
#ifndef CORE_QUERY_INTERNAL_H
#define CORE_QUERY_INTERNAL_H

#include "derive.h"
#include "filter.h"
#include "query.h"

struct qrow {
	const struct row *kept; /* one that ended, or an event; valid while the place stands. NULL: the row in `slot` */
	struct row_key key;
	uint64_t serial, began_ns, ended_ns, covered_ns;
	uint32_t slot; /* at either end of the window */
	uint32_t id;   /* its number before filter and sorting */
	uint32_t mark; /* scratch of the filter */
	bool folded, folds;
	bool has_start; /* it was there at the window's start */
};

/* A row at both ends of the window, while it is looked at. */
struct qrow_ends {
	struct row end, start;
};

struct qcolumn {
	struct query_column is;
	uint32_t index; /* raw or derived: in the schema; rolled: in `rollups` */
	uint32_t hash;  /* of its name: panels ask for columns by name, row by row */
};

/* Row keys to numbers. */
struct key_index {
	uint32_t *slots; /* number + 1; 0: free */
	size_t cap;      /* a power of two; 0: not built */
};

/* One column rolled up from children. */
struct qrollup {
	const struct schema_table *child;
	const struct schema_rollup *rollup;
	const struct schema_bounds *bounds; /* MERGE */
	uint8_t type, unit;
	/* The answer for the rows by id, as of `run`. */
	uint64_t run;
	uint8_t *states;
	uint64_t *cells; /* f64: bits */
	uint64_t *counts;
	size_t cap, counts_cap;
	/* Why children could not be read, cut; where they differ: `reasons_differ`. */
	char reason[192];
	size_t reason_len;
	bool reasons_differ;
};

struct query_walk;
struct query_names;

struct query {
	struct view *view;
	struct place *place;
	uint64_t place_generation;
	struct lens lens;
	char table[LENS_NAME_MAX];
	unsigned flags;
	bool ran;
	int err;
	struct culprit_error error; /* of the last run, for runs that had nothing to do */
	uint64_t from_ns, to_ns; /* asked, resolved */
	uint64_t runs, generation;
	struct segment *segment; /* locked: texts stay */
	struct schema *schema_ref;
	const struct schema_table *schema, *start_schema;
	struct table_view end_view, start_view;
	bool recorded; /* the table is known at the window's end */
	bool has_start;
	int64_t wall_offset_ns, start_wall_offset_ns;
	uint64_t start_mono_ns, end_mono_ns; /* of the frames the cursors stand on */
	uint64_t lost;
	struct qrow *rows;
	size_t nrows, rows_cap, in_scope, nended;
	bool host_wide;
	/* Columns. */
	struct qcolumn *columns;
	size_t ncolumns;
	char *column_text; /* memory of composed `source` texts */
	struct qrollup *rollups;
	size_t nrollups;
	const struct schema *columns_of;
	unsigned columns_flags;
	int range_column;
	/* Filter. */
	struct filter *filter;
	char filter_text[LENS_FILTER_MAX];
	/* Order. */
	char sort_column[LENS_NAME_MAX];
	bool sort_descending;
	double sort_grain;
	bool sort_change;
	bool unsorted; /* nobody looks at the order */
	struct sort_cell *sort_cells;
	size_t sort_cap;
	struct key_index found; /* key -> row */
	uint64_t found_generation;
	/* Others it asks. */
	struct query *baseline, *scope, *child;
	uint64_t baseline_run;
	bool baseline_failed;
	struct query_names *names, *baseline_names; /* query_baseline.c */
	struct query_walk *walk;
	uint64_t *counts[3];
};

/* query_columns.c */
int query_columns_build(struct query *);
void query_columns_finish(struct query *);

/* query_rows.c */
int query_rows_gather(struct query *);
void query_row_derive(const struct query *, const struct qrow *, struct qrow_ends *, struct derive *);
/* The row at the window's end, in *memory or where it is kept. */
const struct row *query_row_end(const struct query *, const struct qrow *, struct row *memory);
/* Key from these columns of a row. */
void query_row_key(const struct schema_table *, const struct row *, const uint16_t *columns, uint32_t n,
		   struct row_key *);
/* Orders two rows by key: what a run begins with. */
int query_row_compare(const struct query *, const struct qrow *, const struct qrow *);

/* query_scope.c: removes rows out of the lens's scope. */
int query_scope_apply(struct query *, struct culprit_error *);
/* Name of another table the scope needs for this one; NULL: none. */
const char *query_scope_needs(struct query *, const struct lens *, const struct schema_table *);

/* query_sort.c */
int query_sort_rows(struct query *);
int key_index_build(struct key_index *, const struct query *);
/* Row number as built; UINT32_MAX: none. */
uint32_t key_index_find(const struct key_index *, const struct query *, const struct row_key *);
void key_index_finish(struct key_index *);

/* query_baseline.c */
void query_names_destroy(struct query_names *); /* NULL-safe */

/* query_rollup.c */
void query_rollup_value(struct query *, struct qrollup *, const struct qrow *, struct value *);
void query_rollup_finish(struct qrollup *);

/* query_walk.c */
void query_peak_value(struct query *, const struct qrow *, uint32_t column, struct value *);
uint64_t query_lost(struct query *);
void query_walk_destroy(struct query_walk *);

/* The same table in two segments: columns mean the same. */
bool query_same_form(const struct schema_table *, const struct schema_table *);
bool query_stands(const struct query *);
struct query *query_helper(struct query **, struct view *);

#endif
