/* Shared by the files of the builder: builder.c (the frame interface), builder_encode.c (bytes), builder_fold.c. */
#ifndef CORE_BUILDER_INTERNAL_H
#define CORE_BUILDER_INTERNAL_H

#include "builder.h"
#include "dictwriter.h"
#include "mirror.h"
#include "summarizer.h"

struct builder {
	struct culprit_frame frame; /* first: collectors see only this */
	struct schema *schema;
	struct mirror *mirrors;
	uint32_t ntables;
	struct dictwriter *dictionary;
	struct summarizer *summarizer;
	uint64_t mono_ns;
	int64_t wall_ns;
	uint64_t row_budget, folded;
	uint64_t lost; /* events, since it was made */
	/* The collector at work. */
	uint32_t first_table, collector_tables;
	struct mirror *table;   /* NULL: none begun */
	struct mirror *timed;   /* whose cost is running */
	bool in_row, again;
	uint32_t again_slot;
	bool row_born;
	uint8_t row_kept; /* groups */
	int err;
	struct culprit_error error;
	char remark[200]; /* the first reason or remark the collector gave */
	struct wbuf body, rows; /* reused at every seal: the dictionary; heads of rows */
	size_t rows_peak;       /* bytes of `rows` of late */
	uint32_t *order;        /* slots to write, reused */
	uint32_t *numbers;      /* of each: what readers know it by */
	uint32_t *changes;      /* of each: the next of its changes to write, + 1 */
	uint32_t order_cap;
	struct pattern *patterns;
	uint32_t npatterns, patterns_cap;
};

/* A column of a fold row takes part in sums: a number that may be added up. */
bool fold_adds(const struct schema_column *);
/* After a table's sample: folds and unfolds rows so that all foldable tables keep within the budget. */
int builder_fold(struct builder *, struct mirror *);

#endif
