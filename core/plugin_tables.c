/* A plug-in's tables as the program's own collectors declare theirs: made from the schema that its helper sent, so that
 * both go through schema_add() alike. */
#include "plugin_wire.h"

#include <stdlib.h>

/* One table and what it points to. */
struct declared {
	struct culprit_table table;
	struct culprit_column *columns;
	struct culprit_bounds *bounds;
	struct culprit_derived *derived;
	struct culprit_rollup *rollups;
	char parent_columns[SCHEMA_KEYS_MAX * (SCHEMA_NAME_MAX + 1) + 1];
};

struct plugin_tables {
	uint32_t n;
	struct declared *tables;
	const struct culprit_table **list;
};

/* The schema has "" where the declaration has NULL. */
static const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static void fill_columns(struct declared *d, const struct schema_table *t)
{
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		const struct schema_column *c = &t->columns[i];

		d->bounds[i] = (struct culprit_bounds){
			.kind = c->bounds.kind,
			.count = c->bounds.count,
			.start = c->bounds.start,
			.step = c->bounds.step,
			.edges = c->bounds.edges,
		};
		d->columns[i] = (struct culprit_column){
			.name = c->name,
			.role = c->role,
			.type = c->type,
			.unit = c->unit,
			.group = c->group,
			.flags = c->flags,
			.help = c->help,
			.source = c->source,
			.bounds = c->role == CULPRIT_HISTOGRAM ? &d->bounds[i] : NULL,
		};
	}
}

static void fill_derived(struct declared *d, const struct schema_table *t)
{
	for (uint32_t i = 0; i < t->nderived; i++) {
		const struct schema_derived *v = &t->derived[i];

		d->derived[i] = (struct culprit_derived){
			.name = v->name,
			.op = v->op,
			.unit = v->unit,
			.a = or_null(v->a_text),
			.b = or_null(v->b_text),
			.scale = v->scale,
			.arg = v->arg,
			.help = v->help,
		};
	}
	for (uint32_t i = 0; i < t->nrollups; i++) {
		const struct schema_rollup *v = &t->rollups[i];

		d->rollups[i] = (struct culprit_rollup){
			.column = v->column,
			.table = v->table,
			.name = v->name,
			.op = v->op,
			.help = v->help,
		};
	}
}

static void fill_table(struct declared *d, const struct schema_table *t)
{
	char *p = d->parent_columns;

	for (uint32_t i = 0; i < t->nparent; i++) {
		const char *name = t->columns[t->parents[i]].name;

		if (i)
			*p++ = ' ';
		while (*name)
			*p++ = *name++;
	}
	*p = 0;
	d->table = (struct culprit_table){
		.size = sizeof(d->table),
		.name = t->name,
		.kind = t->kind,
		.flags = t->flags,
		.help = t->help,
		.key = or_null(t->key),
		.columns = d->columns,
		.column_size = sizeof(d->columns[0]),
		.ncolumns = t->ncolumns,
		.nderived = t->nderived,
		.derived = d->derived,
		.derived_size = sizeof(d->derived[0]),
		.rollups = d->rollups,
		.rollup_size = sizeof(d->rollups[0]),
		.nrollups = t->nrollups,
		.parent = or_null(t->parent),
		.parent_columns = or_null(d->parent_columns),
		.fold_by = t->fold_by >= 0 ? t->columns[t->fold_by].name : NULL,
		.fold_count = t->fold_count >= 0 ? t->columns[t->fold_count].name : NULL,
		.sort = or_null(t->sort),
		.show = or_null(t->show),
	};
}

struct plugin_tables *plugin_tables_create(const struct schema *schema)
{
	struct plugin_tables *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->tables = calloc(schema->ntables + 1, sizeof(*p->tables));
	p->list = calloc(schema->ntables + 1, sizeof(*p->list));
	if (!p->tables || !p->list)
		goto fail;
	for (uint32_t i = 0; i < schema->ntables; i++) {
		const struct schema_table *t = schema->tables[i];
		struct declared *d = &p->tables[i];

		p->n++;
		d->columns = calloc(t->ncolumns + 1, sizeof(*d->columns));
		d->bounds = calloc(t->ncolumns + 1, sizeof(*d->bounds));
		d->derived = calloc(t->nderived + 1, sizeof(*d->derived));
		d->rollups = calloc(t->nrollups + 1, sizeof(*d->rollups));
		if (!d->columns || !d->bounds || !d->derived || !d->rollups)
			goto fail;
		fill_columns(d, t);
		fill_derived(d, t);
		fill_table(d, t);
		p->list[i] = &d->table;
	}
	return p;
fail:
	plugin_tables_destroy(p);
	return NULL;
}

void plugin_tables_destroy(struct plugin_tables *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		free(p->tables[i].columns);
		free(p->tables[i].bounds);
		free(p->tables[i].derived);
		free(p->tables[i].rollups);
	}
	free(p->tables);
	free(p->list);
	free(p);
}

const struct culprit_table *const *plugin_tables_list(const struct plugin_tables *p)
{
	return p->list;
}
