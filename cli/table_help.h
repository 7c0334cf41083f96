/* `culprit dump TABLE --help`: what the columns of a table mean, from its schema. */
#ifndef CLI_TABLE_HELP_H
#define CLI_TABLE_HELP_H

#include "schema.h"

/* The schema of the built-in tables: a reference. NULL: out of memory. */
struct schema *table_help_schema(void);
/* Prints it; the exit status. Knows the built-in tables. */
int table_help(const char *table);

#endif
