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
/* Rule in force at this offset; 0: none. */
uint32_t unwind_table_rule(const struct unwind_table *, uint64_t offset);

#endif
