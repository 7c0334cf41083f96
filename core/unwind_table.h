/* The unwind rows of one file: sorted, by offset in the file. A plain value; symfile_unwind() makes it. */
#ifndef CORE_UNWIND_TABLE_H
#define CORE_UNWIND_TABLE_H

#include "unwind_cfi.h"

struct unwind_table {
	struct culprit_unwind_row *rows;
	size_t n;
	enum cfi_machine machine;
	size_t fdes;  /* descriptions read */
	size_t bad;   /* left out: damaged */
	size_t far;   /* rows beyond 4 GiB, left out */
	bool cut;     /* there were more than CFI_ROWS_MAX rows */
};

void unwind_table_finish(struct unwind_table *);

/* The rows in a quarter of the bytes, for who doesn't need them now: of each the distance to the one before, and its rule. */
struct unwind_pack {
	uint8_t *bytes;
	size_t n; /* bytes */
	size_t nrows;
};
int unwind_pack_make(struct unwind_pack *, const struct unwind_table *); /* 0, -ENOMEM */
int unwind_pack_open(const struct unwind_pack *, struct unwind_table *); /* 0, -ENOMEM; finish it */
void unwind_pack_finish(struct unwind_pack *);
/* Rule in force at this offset; 0: none. */
uint32_t unwind_table_rule(const struct unwind_table *, uint64_t offset);

#endif
