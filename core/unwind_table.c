#include "unwind_table.h"

#include <stdlib.h>
#include <string.h>

void unwind_table_finish(struct unwind_table *t)
{
	free(t->rows);
	memset(t, 0, sizeof(*t));
}

uint32_t unwind_table_rule(const struct unwind_table *t, uint64_t offset)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->rows[mid].pc <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? t->rows[low - 1].rule : 0;
}
