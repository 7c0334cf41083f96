/* Lists to choose from: every histogram there is, and the rows of one table. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "latency.h"
#include "schema.h"
#include "units.h"

enum { ENTRIES_MAX = 4096 };

static struct latency_entry *add(struct latency *p, size_t *cap)
{
	if (p->nentries == *cap) {
		size_t n = *cap ? *cap * 2 : 32;
		struct latency_entry *grown = n > ENTRIES_MAX ? NULL : realloc(p->entries, n * sizeof(*grown));

		if (!grown)
			return NULL;
		p->entries = grown;
		*cap = n;
	}
	memset(&p->entries[p->nentries], 0, sizeof(p->entries[0]));
	return &p->entries[p->nentries++];
}

static void entries_clear(struct latency *p)
{
	free(p->entries);
	p->entries = NULL;
	p->nentries = 0;
}

/* What this row counted; row < 0: all of them together, of which none that is the sum of the others. */
static void describe(struct latency *p, struct latency_entry *e, ssize_t row)
{
	int c = query_column_find(p->query, e->column);
	uint64_t *sum = p->sum;
	struct schema_bounds bounds = {0};

	memset(sum, 0, SCHEMA_SLOTS_MAX * sizeof(*sum));
	for (size_t i = row < 0 ? 0 : (size_t)row; c >= 0 && i < query_nrows(p->query) && (row < 0 || i == (size_t)row); i++) {
		struct query_row row_of;
		struct value v;

		if (row < 0 && query_row(p->query, i, &row_of) && latency_is_total(query_table(p->query), &row_of.key))
			continue;
		query_value(p->query, i, (size_t)c, &v);
		if (!value_ok(&v) || v.type != CULPRIT_HIST)
			continue;
		bounds = *v.hist.bounds;
		histogram_add(sum, v.hist.counts, bounds.count);
	}
	if (bounds.count)
		histogram_describe(&bounds, sum, &e->stats);
}

/* Names first: a schema is borrowed until the next query. */
static int list_histograms(struct latency *p)
{
	const struct schema *schema = view_schema(p->view);
	size_t cap = 0;

	entries_clear(p);
	for (int events = 0; schema && events < 2; events++) {
		for (uint32_t i = 0; i < schema->ntables; i++) {
			const struct schema_table *t = schema->tables[i];
			uint32_t n = events ? t->kind == CULPRIT_EVENT && t->time_column >= 0 : t->nhists;

			for (uint32_t k = 0; k < n && (events || t->kind == CULPRIT_STATE); k++) {
				const struct schema_column *c = events ? NULL : &t->columns[t->hist_columns[k]];
				struct latency_entry *e = add(p, &cap);

				if (!e)
					return -ENOMEM;
				e->events = events;
				e->unit = c ? c->unit : CULPRIT_NONE;
				snprintf(e->table, sizeof(e->table), "%s", t->name);
				snprintf(e->column, sizeof(e->column), "%s", c ? c->name : "");
				snprintf(e->name, sizeof(e->name), c ? "%s: %s" : "%s (events)", t->name, c ? c->name : "");
				snprintf(e->help, sizeof(e->help), "%s", c ? c->help : t->help);
			}
		}
	}
	return 0;
}

static int fill_histograms(struct latency *p)
{
	struct lens whole = p->lens;
	struct query_info info;

	if (list_histograms(p))
		return -ENOMEM;
	whole.filter[0] = '\0';
	whole.has_range = false;
	for (size_t i = 0; i < p->nentries; i++) {
		struct latency_entry *e = &p->entries[i];
		int err = query_run(p->query, &whole, e->table, 0, NULL);

		if (err && err != -EBADMSG)
			continue;
		query_info(p->query, &info);
		e->rows = query_nrows(p->query);
		e->unread = info.reason && info.state != CULPRIT_FRESH && info.state != CULPRIT_RESTING;
		e->whole = info.host_wide && latency_narrow(&p->lens);
		if (e->whole && !e->unread) {
			char help[sizeof(e->help)];

			snprintf(help, sizeof(help), "%s", e->help);
			snprintf(e->help, sizeof(e->help), "Whole machine. %.*s", (int)sizeof(help) - 17, help);
		}
		if (e->unread)
			snprintf(e->help, sizeof(e->help), "%.*s", (int)(info.reason_len < 150 ? info.reason_len : 150), info.reason);
		if (e->events)
			e->stats.n = e->rows;
		else
			describe(p, e, -1);
	}
	return 0;
}

static int by_count(const void *a, const void *b)
{
	const struct latency_entry *x = a, *y = b;

	return x->stats.n != y->stats.n ? (x->stats.n < y->stats.n ? 1 : -1) : strcmp(x->name, y->name);
}

/* All of them merged, then each; `sorted`: those that counted most first, else by key. */
static int fill_rows(struct latency *p, bool sorted, struct culprit_error *error)
{
	struct lens lens = p->lens;
	size_t cap = 0;
	struct latency_entry *e;
	int err;

	entries_clear(p);
	lens.has_range = false;
	err = query_run(p->query, &lens, p->table, 0, error);
	if (err && err != -EBADMSG)
		return err;
	e = add(p, &cap);
	if (!e)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(e->name, sizeof(e->name), "all %zu rows", query_nrows(p->query));
	snprintf(e->column, sizeof(e->column), "%s", p->column);
	e->unit = p->unit;
	describe(p, e, -1);
	for (size_t i = 0; i < query_nrows(p->query); i++) {
		struct query_row row;

		if (!query_row(p->query, i, &row) || !row.key.n)
			continue;
		e = add(p, &cap);
		if (!e)
			break; /* the list has its bound */
		snprintf(e->column, sizeof(e->column), "%s", p->column);
		e->key = row.key;
		e->unit = p->unit;
		latency_row_name(p->query, i, e->name, sizeof(e->name));
		describe(p, e, (ssize_t)i);
	}
	if (sorted)
		qsort(p->entries + 1, p->nentries - 1, sizeof(p->entries[0]), by_count);
	return err;
}

/* How well an entry answers, most first: it says something of what is looked at; something at all; it can. */
static int worth(const struct latency_entry *e)
{
	return e->stats.n ? (e->whole ? 2 : 3) : !e->unread;
}

bool latency_first(struct latency *p)
{
	size_t best = SIZE_MAX;

	if (fill_histograms(p))
		return false;
	for (size_t i = 0; i < p->nentries; i++) {
		if (!p->entries[i].events && (best == SIZE_MAX || worth(&p->entries[i]) > worth(&p->entries[best])))
			best = i;
	}
	if (best != SIZE_MAX) {
		latency_show(p, p->entries[best].table, p->entries[best].column);
		p->first = true;
		p->first_narrow = latency_narrow(&p->lens);
	}
	entries_clear(p);
	return best != SIZE_MAX;
}

/* --- the list --- */

static size_t choose_count(const void *self)
{
	return ((const struct latency *)self)->nentries;
}

static struct list_id choose_id(const void *self, size_t row)
{
	const struct latency_entry *e = &((const struct latency *)self)->entries[row];

	return (struct list_id){row_key_text(e->table, strlen(e->table)) ^ row_key_hash(&e->key),
				row_key_text(e->column, strlen(e->column)) + 1};
}

static void choose_cell(const void *self, size_t row, size_t column, struct list_cell *cell)
{
	const struct latency *p = self;
	const struct latency_entry *e = &p->entries[row];
	char text[LIST_TEXT_MAX] = "-";

	cell->own = column > 0 && column < 5;
	switch (column) {
	case 0:
		snprintf(text, sizeof(text), "%s", e->name);
		break;
	case 1:
		units_format_short(text, sizeof(text), (double)e->stats.n, CULPRIT_COUNT);
		break;
	case 2:
	case 3:
		if (e->stats.n && !e->events)
			units_format_short(text, sizeof(text), column == 2 ? e->stats.p50 : e->stats.p99, e->unit);
		break;
	case 4:
		if (e->stats.n && !e->events) {
			text[0] = e->stats.max_open ? '>' : '<';
			units_format_short(text + 1, sizeof(text) - 1, e->stats.max, e->unit);
		}
		break;
	default:
		snprintf(text, sizeof(text), "%s", e->help);
		cell->role = e->unread ? ROLE_UNREAD : cell->role;
	}
	list_cell_text(cell, text, strlen(text));
}

static const struct list_column columns[] = {
	{.title = "of", .min = 20, .max = 36, .weight = 1, .sticky = true},
	{.title = "n", .min = 6, .max = 6, .right = true},
	{.title = "p50", .min = 7, .max = 7, .right = true, .priority = 3},
	{.title = "p99", .min = 7, .max = 7, .right = true, .priority = 1},
	{.title = "max", .min = 8, .max = 8, .right = true, .priority = 2},
	{.title = "what it holds", .min = 16, .max = 160, .weight = 2, .priority = 4},
};

int latency_choose_update(struct latency *p, struct culprit_error *error)
{
	int err = 0;

	if (!p->query && !(p->query = query_create(p->view)))
		return error_set(error, -ENOMEM, "out of memory");
	if (p->choosing == CHOOSE_ROW)
		err = fill_rows(p, true, error);
	else if (fill_histograms(p))
		err = error_set(error, -ENOMEM, "out of memory");
	list_sync(&p->list, &p->source);
	return err;
}

void latency_choose_open(struct latency *p, bool rows)
{
	p->choosing = rows ? CHOOSE_ROW : CHOOSE_HISTOGRAM;
	list_init(&p->list);
	p->source = (struct list_source){.self = p,
					 .columns = columns,
					 .ncolumns = sizeof(columns) / sizeof(columns[0]) - (rows ? 1 : 0),
					 .count = choose_count,
					 .id = choose_id,
					 .cell = choose_cell};
}

static void take_row(struct latency *p, const struct latency_entry *e)
{
	p->one_row = e->key.n > 0;
	p->first = false;
	p->key = e->key;
	snprintf(p->row, sizeof(p->row), "%s", p->one_row ? e->name : "");
	p->stale = true;
	p->pointing = p->boxed = false;
}

bool latency_choose_take(struct latency *p)
{
	const struct latency_entry *e;

	if (p->list.selected >= p->nentries)
		return false;
	e = &p->entries[p->list.selected];
	if (p->choosing == CHOOSE_ROW) {
		take_row(p, e);
		p->mode = LATENCY_MAP;
	} else if (e->events) {
		snprintf(p->events, sizeof(p->events), "%s", e->table);
		p->mode = LATENCY_SECONDS;
		p->stale = true;
		p->pointing = p->boxed = false;
	} else {
		latency_show(p, e->table, e->column);
		if (p->mode == LATENCY_SECONDS)
			p->mode = LATENCY_MAP;
	}
	p->choosing = CHOOSE_NOTHING;
	entries_clear(p);
	return true;
}

bool latency_row_step(struct latency *p, int step, struct culprit_error *error)
{
	size_t at = 0, n;
	int err = fill_rows(p, false, error);

	if (err && err != -EBADMSG)
		return false;
	for (size_t i = 1; p->one_row && i < p->nentries; i++)
		if (row_key_equal(&p->entries[i].key, &p->key))
			at = i;
	if (p->nentries)
		take_row(p, &p->entries[(at + p->nentries + (size_t)(step > 0 ? 1 : p->nentries - 1)) % p->nentries]);
	n = p->nentries;
	entries_clear(p);
	/* All of them together, and one: else there is nowhere to go. */
	return n > 1;
}
