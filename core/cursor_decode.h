/* Shared by cursor_decode.c (frames, what changed) and cursor_rows.c (rows given whole). */
#ifndef CORE_CURSOR_DECODE_H
#define CORE_CURSOR_DECODE_H

#include <stdlib.h>
#include <string.h>

#include "cellcode.h"
#include "cursor_internal.h"

/* Elements beyond the old ones are 0. false: out of memory. */
static inline bool cursor_resize(void *array, size_t old, size_t n, size_t width)
{
	void **p = array;
	char *q;

	if (!width)
		return true;
	q = realloc(*p, n * width);
	if (!q)
		return false;
	memset(q + old * width, 0, (n - old) * width);
	*p = q;
	return true;
}

static inline int cursor_set(struct cursor_table *t, uint32_t slot, uint32_t column, uint64_t value)
{
	return grid_set(&t->grid, slot, column, value);
}

/* Bases of the group begin at `ns`. */
static inline int cursor_set_based(struct cursor_table *t, uint32_t slot, uint32_t group, uint64_t ns)
{
	/* Bits of groups that the table doesn't have mean nothing. */
	return group < t->columns.n - t->columns.based ? cursor_set(t, slot, t->columns.based + group, ns) : 0;
}

/* Adds differences to the n counts of a histogram that begin in column `first`. */
int cursor_get_counts(struct rbuf *, struct grid *, uint32_t row, uint32_t first, uint32_t n);
/* Combinations of cell states of a section; *ret: the first of n. */
int cursor_get_patterns(struct rbuf *, uint32_t ncolumns, const uint8_t **ret, size_t *ret_n);
/* The histogram's base is what it counts now. -ENOMEM. */
int cursor_base_counts(struct cursor_table *, uint32_t slot, const struct schema_column *);
int cursor_scratch_slots(struct cursor_scratch *, size_t n);

/* Rows given whole. */
int cursor_get_rows(struct rbuf *, struct cursor_table *, struct cursor_scratch *, bool keep, struct segment *);

#endif
