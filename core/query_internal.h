/* Shared by the files of query: query.c (running, values), query_rows.c (which rows), query_columns.c, query_sort.c,
 * query_scope.c, query_rollup.c, query_walk.c (what needs every tick of the window). */
#ifndef CORE_QUERY_INTERNAL_H
#define CORE_QUERY_INTERNAL_H

#include "derive.h"
#include "filter.h"
#include "query.h"

/* Where a row is, and its key: there may be hundreds of thousands, of which a screen shows some. What else is to be known of one is
 * asked of the cursors. */
struct qrow {
	uint32_t at; /* the slot of one that is alive, at either end of the window; else its number among those that ended, or among events */
	uint32_t id; /* its number before filter and sorting */
	bool kept : 1;  /* ended, or an event */
	bool ended : 1; /* folded ones, too */
	bool folded : 1;
	bool folds : 1;
	bool keyed : 1; /* all cells of its key could be read */
	bool mark : 1;  /* scratch of the filter */
	uint32_t key[]; /* two words for each of query.key_words */
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

/* An array that many rows once needed is made anew for a few. */
enum { QUERY_SPARE = 1024 };
static inline bool query_misfit(size_t cap, size_t n)
{
	return n > cap || cap > 4 * n + QUERY_SPARE;
}

/* Row keys to numbers. */
struct key_index {
	uint32_t *slots; /* number + 1; 0: free */
	size_t cap;      /* a power of two; 0: not built */
};

enum { QUERY_ALONG_MAX = 32 };

/* The rows of one child table and whose they are, for all columns rolled up from it. */
struct qchildren {
	char table[LENS_NAME_MAX];
	struct query *query;
	uint64_t run; /* of the parent, for which it holds */
	bool failed;
	uint32_t *first; /* of each of the parent's rows by id: its first child's number + 1; 0: none */
	uint32_t *next;  /* of each child: the one after it, likewise */
	size_t first_cap, next_cap;
	uint16_t along[QUERY_ALONG_MAX]; /* roll-ups that are found out together */
	size_t nalong;
};

/* One column rolled up from children. */
struct qrollup {
	const struct schema_table *child;
	const struct schema_rollup *rollup;
	const struct schema_bounds *bounds; /* MERGE */
	uint8_t type, unit;
	/* The answer for the rows by id, as of `run`: of those that were asked for; the last run in which any was. */
	uint64_t run, asked;
	uint64_t times, times_before; /* it was asked for, for some row, in the run `asked`; and in the one before that */
	int column; /* of the child's query, in that run; -1: it has none, or is not looked up yet */
	uint8_t *states; /* enum value_state or that nobody asked yet, two bits a row */
	size_t cap;      /* rows */
	/* Numbers (f64: bits) stand in blocks of some rows; those of blocks in which all are 0, as of what sleeps, in the first one. */
	uint32_t *blocks; /* of each: its number */
	uint64_t *cells;
	size_t nblocks, blocks_cap; /* in cells */
	/* Why the children of the row asked for last could not be read, cut; where they differ: `reasons_differ`. */
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
	uint64_t placed_from_ns; /* where the window really begins: of a table that began in it, at its first sample */
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
	struct qrow *rows; /* by query_at() */
	size_t row_size, key_words;
	bool unkeyed; /* keys are hardly looked at: rows have none, they are made of the cells */
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
	bool ahead;    /* only the place is wanted */
	struct sort_cell *sort_cells;
	size_t sort_cap;
	struct key_index found; /* key -> row */
	uint64_t found_generation;
	/* Others it asks. */
	struct query *baseline, *scope;
	struct qchildren *children; /* a child table each, of those that were needed */
	size_t nchildren;
	uint64_t baseline_run;
	bool baseline_failed;
	struct query_names *names, *baseline_names; /* query_baseline.c */
	struct query_walk *walk;
	uint64_t *counts[2]; /* SCHEMA_SLOTS_MAX each: a histogram that is asked for, and one beside it */
};

static inline struct qrow *query_at(const struct query *q, size_t i)
{
	return (struct qrow *)(void *)((char *)q->rows + i * q->row_size);
}

/* query.c: a column of a row that query_row_derive() has looked up. */
void query_row_value(struct query *, const struct qrow *, const struct derive *, size_t column, struct value *);

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
/* The row's own key, as it was when rows were gathered; of a query without keys, as it is. */
void query_own_key(const struct query *, const struct qrow *, struct row_key *);
/* Keeps row `from` in place `to`, which is one of those before it, or itself. */
void query_row_keep(struct query *, size_t to, size_t from);
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
void query_rollup_rest(struct qrollup *); /* keeps what it is, not what it found out */
void query_children_finish(struct query *);

/* query_walk.c */
void query_peak_value(struct query *, const struct qrow *, uint32_t column, struct value *);
uint64_t query_lost(struct query *);
void query_walk_destroy(struct query_walk *);

/* The same table in two segments: columns mean the same. */
bool query_same_form(const struct schema_table *, const struct schema_table *);
bool query_stands(const struct query *);
struct query *query_helper(struct query **, struct view *);

#endif
