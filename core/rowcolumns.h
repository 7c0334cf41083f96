/* What is remembered of a row beside its cells stands in columns of the same grid: by whom it is written (mirror.h) as by
 * whom it is read (cursor.h). */
#ifndef CORE_ROWCOLUMNS_H
#define CORE_ROWCOLUMNS_H

#include "schema.h"

struct row_columns {
	/* Columns 0 .. ncolumns - 1 are the schema's. */
	uint32_t base;   /* + counter: its first value; of groups that have bases */
	uint32_t drop;   /* + counter: by how much it fell; of rows in which one did */
	uint32_t serial, began, since;
	uint32_t read;   /* + group: when it was last read; of stale groups */
	uint32_t based;  /* + group: from when its bases are */
	uint32_t n;
};

static inline struct row_columns row_columns_of(const struct schema_table *t)
{
	struct row_columns c = {.base = t->ncolumns};
	/* Groups are numbered from 0: room up to the highest. */
	uint32_t groups = 32 - (uint32_t)__builtin_clz(t->groups | 1u);

	c.drop = c.base + t->ncounters;
	c.serial = c.drop + t->ncounters;
	c.began = c.serial + 1;
	c.since = c.began + 1;
	c.read = c.since + 1;
	c.based = c.read + groups;
	c.n = c.based + groups;
	return c;
}

#endif
