/* Prints docs/TABLES.md from the schemas of the built-in collectors: `make tables-doc` writes it, a test compares it. */
#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "schema.h"
#include "self_tables.h"

static void cell(const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			putchar('\\');
		putchar(*text == '\n' ? ' ' : *text);
	}
}

static const char *op_name(unsigned op)
{
	static const char *const names[] = {"", "rate", "ratio", "level", "ratio of levels", "difference", "percentile",
					    "time since", "growth"};

	return op < sizeof(names) / sizeof(names[0]) ? names[op] : "";
}

static void put_table(const struct schema_table *t, const char *collector)
{
	printf("\n## %s\n\n", t->name);
	cell(t->help);
	printf(".\n\nCollector `%s`; %s", collector, t->kind == CULPRIT_EVENT ? "events" : "state");
	if (t->nkeys) {
		printf("; key type `%s`: ", t->key);
		for (uint32_t i = 0; i < t->nkeys; i++)
			printf("%s`%s`", i ? ", " : "", t->columns[t->keys[i]].name);
	}
	if (t->nparent) {
		printf("; parent `%s` by ", t->parent);
		for (uint32_t i = 0; i < t->nparent; i++)
			printf("%s`%s`", i ? ", " : "", t->columns[t->parents[i]].name);
	}
	printf(".\n\n| column | role | type | unit | what it is | source |\n| --- | --- | --- | --- | --- | --- |\n");
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		const struct schema_column *c = &t->columns[i];

		printf("| `%s` | %s | %s | %s | ", c->name, schema_role_name(c->role), schema_type_name(c->type),
		       schema_unit_name(c->unit));
		cell(c->help);
		printf(" | ");
		cell(c->source);
		printf(" |\n");
	}
	if (t->nderived)
		printf("\n| derived | unit | what it is | from |\n| --- | --- | --- | --- |\n");
	for (uint32_t i = 0; i < t->nderived; i++) {
		const struct schema_derived *d = &t->derived[i];

		printf("| `%s` | %s | ", d->name, schema_unit_name(d->unit));
		cell(d->help);
		printf(" | %s of `%s`", op_name(d->op), d->a_text);
		if (d->nb)
			printf(" and `%s`", d->b_text);
		printf(" |\n");
	}
	if (t->nrollups)
		printf("\n| reaches | as | how | what it is |\n| --- | --- | --- | --- |\n");
	for (uint32_t i = 0; i < t->nrollups; i++) {
		const struct schema_rollup *r = &t->rollups[i];

		printf("| `%s` | `%s` | %s of `%s` | ", r->table, r->name,
		       r->op == CULPRIT_ROLL_SUM ? "sum" : r->op == CULPRIT_ROLL_MAX ? "largest" : "merge", r->column);
		cell(r->help);
		printf(" |\n");
	}
}

int main(void)
{
	struct schema *s = schema_create();
	struct culprit_error error = {""};

	printf("# Tables\n\nThe registry of tables, keys and columns, made from the schemas by `make tables-doc`. Raw columns keep what "
	       "was read; derived ones are\ncomputed over a window when they are asked for. Tables of one key type join by it. `culprit "
	       "dump TABLE` prints any of them.\n\n| table | key type | rows are |\n| --- | --- | --- |\n");
	for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables; i++) {
			if (schema_add(s, (*c)->tables[i], &error) < 0) {
				fprintf(stderr, "%s\n", error.sentence);
				return 1;
			}
		}
	}
	if (schema_add(s, &collector_table, &error) < 0 || schema_add(s, &mark_table, &error) < 0) {
		fprintf(stderr, "%s\n", error.sentence);
		return 1;
	}
	for (uint32_t i = 0; i < s->ntables; i++) {
		printf("| [%s](#%s) | %s | ", s->tables[i]->name, s->tables[i]->name, s->tables[i]->key);
		cell(s->tables[i]->help);
		printf(" |\n");
	}
	for (uint32_t i = 0; i < s->ntables; i++) {
		const char *collector = "culprit itself";

		for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
			for (uint32_t k = 0; k < (*c)->ntables; k++) {
				if (!strcmp((*c)->tables[k]->name, s->tables[i]->name))
					collector = (*c)->name;
			}
		}
		put_table(s->tables[i], collector);
	}
	schema_unlock(s);
	return 0;
}
