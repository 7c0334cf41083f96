/* What resources.c and resources_limits.c share: rows of one query at a time become resources. */
#ifndef TUI_RESOURCES_ROWS_H
#define TUI_RESOURCES_ROWS_H

#include "resources.h"

/* Runs the query, largest of `sort` first (NULL: by key); how many rows there are, 0 where the table cannot be had. */
size_t resources_ask(struct resources *, const struct lens *, const char *table, const char *sort);
/* The number of a column of a row of it; NaN where there is none. */
double resources_number(struct resources *, size_t row, const char *column);
/* Its text; "" where there is none. */
void resources_text(struct resources *, size_t row, const char *column, char *out, size_t cap);
/* A resource whose use and past are this column of that row, `top` full scale (0: its own maximum); NULL: there is no room. */
struct resource *resources_add(struct resources *, size_t row, const char *table, const char *column, double top);
/* The same of a row of another query, by its key, with what was read there. */
struct resource *resources_add_known(struct resources *, const struct row_key *, const char *table, const char *column, double now,
				     unsigned unit, double top);
/* "word 12.3%" behind what `to` holds; nothing where it is unknown or 0, or where it would be cut. */
void resources_say_number(char *to, size_t cap, const char *word, double value, unsigned unit);

/* Limits of parts of the machine that are reached: of control groups, listening sockets, processes. */
void resources_limits(struct resources *, const struct lens *, const struct resources_who *);

#endif
