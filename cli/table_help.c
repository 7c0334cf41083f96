#include "table_help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "error.h"
#include "schema.h"
#include "self_tables.h"
#include "verbs.h"

static void put_line(const char *name, const char *unit, const char *help, const char *source)
{
	printf("  %-22s %-8s %s%s%s%s\n", name, unit, help, *source ? " (" : "", source, *source ? ")" : "");
}

static void put_table(const struct schema_table *t)
{
	printf("\n%s: %s\n\nas read:\n", t->name, t->help);
	for (uint32_t i = 0; i < t->ncolumns; i++)
		put_line(t->columns[i].name, schema_unit_name(t->columns[i].unit), t->columns[i].help,
			 t->columns[i].source);
	if (t->nderived)
		printf("\nover the window:\n");
	for (uint32_t i = 0; i < t->nderived; i++)
		put_line(t->derived[i].name, schema_unit_name(t->derived[i].unit), t->derived[i].help, "");
}

struct schema *table_help_schema(void)
{
	struct schema *s = schema_create();
	struct culprit_error error;

	for (const struct culprit_collector *const *c = culprit_builtin; s && *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables; i++)
			schema_add(s, (*c)->tables[i], &error);
	}
	if (s) {
		schema_add(s, &collector_table, &error);
		schema_add(s, &mark_table, &error);
	}
	return s;
}

int table_help(const char *table)
{
	struct schema *s = table_help_schema();
	struct culprit_error error = {""};
	const struct schema_table *found = NULL;
	bool rolled = false;

	if (s)
		found = schema_find(s, table);
	if (!found) {
		schema_unlock(s);
		error_set(&error, 0, "no built-in table '%.40s'; culprit collectors names them", table);
		return verb_fail(EXIT_USAGE, &error);
	}
	put_table(found);
	for (uint32_t i = 0; i < s->ntables; i++) {
		for (uint32_t k = 0; k < s->tables[i]->nrollups; k++) {
			const struct schema_rollup *r = &s->tables[i]->rollups[k];

			if (strcmp(r->table, table))
				continue;
			if (!rolled)
				printf("\nsummed from %ss:\n", s->tables[i]->name);
			rolled = true;
			put_line(r->name, "", r->help, "");
		}
	}
	schema_unlock(s);
	return EXIT_DONE;
}
