/* Which columns an answer has: raw ones, derived ones, and those that children roll up. From schemas alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

enum { SOURCE_TEXT_MAX = 160 };

static const char *op_text(const struct schema_derived *d, char *buf, size_t cap)
{
	const char *a = d->a_text ? d->a_text : "", *b = d->b_text ? d->b_text : "";

	switch (d->op) {
	case CULPRIT_RATE:
		snprintf(buf, cap, "rate(%s)", a);
		break;
	case CULPRIT_RATIO:
		snprintf(buf, cap, "change(%s) / change(%s)", a, b);
		break;
	case CULPRIT_LEVEL:
		snprintf(buf, cap, "%s", a);
		break;
	case CULPRIT_LEVEL_RATIO:
		snprintf(buf, cap, "(%s) / (%s)", a, b);
		break;
	case CULPRIT_DIFFERENCE:
	case CULPRIT_GROWTH:
		snprintf(buf, cap, "change(%s)", a);
		break;
	case CULPRIT_PERCENTILE:
		snprintf(buf, cap, "percentile(%s, %g)", a, d->arg);
		break;
	case CULPRIT_SINCE:
		snprintf(buf, cap, "time since %s", a);
		break;
	default:
		snprintf(buf, cap, "unknown to this version");
	}
	return buf;
}

static bool shown(const struct schema_table *t, const char *name)
{
	size_t n = strlen(name);

	if (!t->show || !*t->show)
		return true;
	for (const char *p = t->show; (p = strstr(p, name)); p += n)
		if ((p == t->show || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static size_t count_rollups(const struct schema *s, const struct schema_table *t)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->ntables; i++)
		for (uint32_t k = 0; k < s->tables[i]->nrollups; k++)
			n += strcmp(s->tables[i]->rollups[k].table, t->name) == 0;
	return n;
}

static void rollups_finish(struct query *q)
{
	for (size_t i = 0; i < q->nrollups; i++)
		query_rollup_finish(&q->rollups[i]);
	free(q->rollups);
	q->rollups = NULL;
	q->nrollups = 0;
}

void query_columns_finish(struct query *q)
{
	rollups_finish(q);
	free(q->columns);
	free(q->column_text);
	q->columns = NULL;
	q->column_text = NULL;
	q->ncolumns = 0;
	q->columns_of = NULL;
}

/* The child's column gives type and unit. false: it has no such column. */
static bool rollup_fill(struct qrollup *r, const struct schema_table *child, const struct schema_rollup *rollup)
{
	int raw = schema_column(child, rollup->column), derived = schema_derived(child, rollup->column);

	memset(r, 0, sizeof(*r));
	r->child = child;
	r->rollup = rollup;
	if (raw >= 0) {
		const struct schema_column *c = &child->columns[raw];

		r->type = c->type;
		r->unit = c->unit;
		if (rollup->op == CULPRIT_ROLL_MERGE) {
			r->bounds = &c->bounds;
			return c->type == CULPRIT_HIST;
		}
		return c->type <= CULPRIT_BOOL;
	}
	if (derived < 0 || rollup->op == CULPRIT_ROLL_MERGE)
		return false;
	r->type = CULPRIT_F64;
	r->unit = (uint8_t)child->derived[derived].unit;
	return true;
}

static bool taken(const struct query *q, const char *name)
{
	for (size_t i = 0; i < q->ncolumns; i++)
		if (strcmp(q->columns[i].is.name, name) == 0)
			return true;
	return false;
}

static uint32_t name_hash(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash;
}

int query_columns_build(struct query *q)
{
	const struct schema_table *t = q->schema;
	const struct schema *s = q->schema_ref;
	size_t rollups = q->flags & (QUERY_RAW | QUERY_OWN) ? 0 : count_rollups(s, t);
	size_t nderived = q->flags & QUERY_RAW ? 0 : t->nderived;
	char *text;

	if (q->columns_of == s && q->columns_flags == (q->flags & (QUERY_RAW | QUERY_OWN)) && q->ncolumns)
		return 0;
	query_columns_finish(q);
	q->columns = calloc(t->ncolumns + nderived + rollups + 1, sizeof(*q->columns));
	q->rollups = calloc(rollups + 1, sizeof(*q->rollups));
	q->column_text = text = malloc((nderived + rollups + 1) * SOURCE_TEXT_MAX);
	if (!q->columns || !q->rollups || !q->column_text) {
		query_columns_finish(q);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		const struct schema_column *c = &t->columns[i];

		q->columns[q->ncolumns++] = (struct qcolumn){
			.is = {.name = c->name, .help = c->help, .source = c->source, .role = c->role, .type = c->type,
			       .unit = c->unit, .origin = QUERY_COLUMN_RAW, .shown = shown(t, c->name)},
			.index = i,
		};
	}
	for (uint32_t i = 0; i < nderived; i++, text += SOURCE_TEXT_MAX) {
		const struct schema_derived *d = &t->derived[i];

		q->columns[q->ncolumns++] = (struct qcolumn){
			.is = {.name = d->name, .help = d->help, .source = op_text(d, text, SOURCE_TEXT_MAX),
			       .type = CULPRIT_F64, .unit = (uint8_t)d->unit, .origin = QUERY_COLUMN_DERIVED,
			       .shown = shown(t, d->name)},
			.index = i,
		};
	}
	for (uint32_t i = 0; rollups && i < s->ntables; i++) {
		const struct schema_table *child = s->tables[i];

		for (uint32_t k = 0; k < child->nrollups; k++) {
			const struct schema_rollup *r = &child->rollups[k];
			static const char *const ops[] = {"?", "sum", "maximum", "merge"};

			if (strcmp(r->table, t->name) != 0 || taken(q, r->name) ||
			    !rollup_fill(&q->rollups[q->nrollups], child, r))
				continue;
			snprintf(text, SOURCE_TEXT_MAX, "%s of %s.%s", ops[r->op <= 3 ? r->op : 0], child->name, r->column);
			q->columns[q->ncolumns++] = (struct qcolumn){
				.is = {.name = r->name, .help = r->help, .source = text, .type = q->rollups[q->nrollups].type,
				       .unit = q->rollups[q->nrollups].unit, .origin = QUERY_COLUMN_ROLLED,
				       .shown = shown(t, r->name)},
				.index = (uint32_t)q->nrollups++,
			};
			text += SOURCE_TEXT_MAX;
		}
	}
	for (size_t i = 0; i < q->ncolumns; i++)
		q->columns[i].hash = name_hash(q->columns[i].is.name);
	q->columns_of = s;
	q->columns_flags = q->flags & (QUERY_RAW | QUERY_OWN);
	filter_destroy(q->filter);
	q->filter = NULL;
	q->filter_text[0] = '\0';
	return 0;
}

size_t query_ncolumns(const struct query *q)
{
	return q->ncolumns;
}

const struct query_column *query_column(const struct query *q, size_t column)
{
	return column < q->ncolumns ? &q->columns[column].is : NULL;
}

int query_column_find(const struct query *q, const char *name)
{
	uint32_t hash = name_hash(name);

	for (size_t i = 0; i < q->ncolumns; i++)
		if (q->columns[i].hash == hash && strcmp(q->columns[i].is.name, name) == 0)
			return (int)i;
	return -1;
}

static const char *column_name(void *of, size_t i)
{
	const struct query *q = of;

	return q->columns[i].is.name;
}

const char *query_suggest_column(const struct query *q, const char *name, char *buf, size_t cap)
{
	return suggest(name, q->ncolumns, column_name, (void *)q, buf, cap);
}

size_t query_shown(const struct query *q, uint16_t *columns, size_t cap)
{
	const char *p = q->schema ? q->schema->show : NULL;
	size_t n = 0;

	if (!p || !*p) {
		for (size_t i = 0; i < q->ncolumns && n < cap; i++)
			columns[n++] = (uint16_t)i;
		return n;
	}
	while (*p && n < cap) {
		char name[LENS_NAME_MAX];
		size_t len = strcspn(p, " ");
		int i;

		snprintf(name, sizeof(name), "%.*s", (int)len, p);
		i = query_column_find(q, name);
		if (i >= 0)
			columns[n++] = (uint16_t)i;
		p += len;
		p += strspn(p, " ");
	}
	return n;
}
