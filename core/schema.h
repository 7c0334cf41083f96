/* The schema at run time: what the collectors declared, checked and copied, or what a segment carries, decoded. A reader
 * needs nothing but this: no table is compiled into it. Immutable once it has been handed to a builder or a segment. */
#ifndef CORE_SCHEMA_H
#define CORE_SCHEMA_H

#include <stdbool.h>

#include <culprit/table.h>

#include "wire.h"

enum {
	SCHEMA_TABLES_MAX = 512,
	SCHEMA_COLUMNS_MAX = 128,
	SCHEMA_DERIVED_MAX = 128,
	SCHEMA_ROLLUPS_MAX = 32,
	SCHEMA_KEYS_MAX = 4,
	SCHEMA_TERMS_MAX = 16,
	SCHEMA_NAME_MAX = 31,
	SCHEMA_HELP_MAX = 512,
	SCHEMA_SLOTS_MAX = 1024, /* of a histogram */
	SCHEMA_GROUPS_MAX = 8,
	SCHEMA_MASK_WORDS = SCHEMA_COLUMNS_MAX / 64,
};

struct schema_bounds {
	uint32_t kind, count;
	double start, step;
	double *edges; /* CULPRIT_EDGES only, else NULL */
};

struct schema_column {
	const char *name, *help, *source;
	uint8_t role, type, unit, group;
	uint32_t flags;
	uint32_t hist; /* histograms: which of the table's, counted from 0 */
	uint32_t counter; /* counters: likewise */
	struct schema_bounds bounds;
};

/* One term of "a+b-c". */
struct schema_term {
	uint16_t column;
	int8_t sign; /* 1 or -1 */
};

struct schema_derived {
	const char *name, *help;
	uint32_t op, unit;
	double scale, arg;
	const char *a_text, *b_text;
	struct schema_term *a, *b;
	uint32_t na, nb;
};

struct schema_rollup {
	const char *column, *table, *name, *help;
	uint32_t op;
};

struct schema_table {
	uint32_t id; /* its index in the schema */
	uint32_t kind, flags;
	const char *name, *help, *key, *parent, *sort, *show;
	uint32_t ncolumns, nkeys, nhists, ncounters, nderived, nrollups, nparent;
	struct schema_column *columns;
	uint16_t keys[SCHEMA_KEYS_MAX];   /* key columns, in order */
	uint16_t parents[SCHEMA_KEYS_MAX]; /* columns that hold the parent's key, in its order */
	uint16_t *hist_columns;            /* nhists: column of each histogram */
	struct schema_derived *derived;
	struct schema_rollup *rollups;
	int time_column;       /* event tables: the column with role CULPRIT_TIME; -1: none */
	int running;           /* column that names the counter that runs (CULPRIT_RUNNING); -1: none does */
	int fold_by, fold_count; /* columns; -1: the table is not folded */
	uint8_t groups;        /* bit g: some column is in group g */
};

struct schema {
	uint32_t ntables;
	struct schema_table **tables;
	/* private */
	unsigned refs;
	struct schema_block *memory;
};

struct schema *schema_create(void); /* one reference; NULL: out of memory */
struct schema *schema_lock(struct schema *);
void schema_unlock(struct schema *); /* NULL-safe */

/* Checks a declared table (it may come from a plug-in: sizes, names, counts, ranges, terms) and copies it. Returns its id,
 * or -errno with a sentence that names the table, the column and what is wrong. */
int schema_add(struct schema *, const struct culprit_table *, struct culprit_error *);

/* By name; NULL: none. */
const struct schema_table *schema_find(const struct schema *, const char *table);
/* Index of a raw column, or -1. */
int schema_column(const struct schema_table *, const char *name);
/* Index of a derived column, or -1. */
int schema_derived(const struct schema_table *, const char *name);

/* A cell of a numeric column as a double. */
double schema_number(const struct schema_column *, uint64_t cell);

/* Lower edge of a slot; of slot `count` of a bounded histogram: its upper end (infinity after the last edge). */
double schema_edge(const struct schema_bounds *, uint32_t slot);
/* The slot of a value; values outside go to the first or the last. */
uint32_t schema_slot(const struct schema_bounds *, double value);

/* The SCHEMA block of docs/FORMAT.md; also what a plug-in's helper sends. Decoding trusts nothing. */
void schema_encode(const struct schema *, struct wbuf *);
struct schema *schema_decode(const void *bytes, size_t n, struct culprit_error *); /* NULL: refused */

/* Whether schema_encode() gives just these bytes; false also where there is no memory to say so. */
bool schema_encodes(const struct schema *, const void *bytes, size_t n);

/* All tables of `a`, and those of `b` whose names it has not. One reference: of `a` itself where there is nothing to add (or no
 * memory to add it in). */
struct schema *schema_merged(struct schema *a, const struct schema *b);

const char *schema_role_name(unsigned role);
const char *schema_type_name(unsigned type);
/* As in JSON: "bytes", "ns", "percent", "count/s", ... and "" for CULPRIT_NONE. */
const char *schema_unit_name(unsigned unit);

#endif
