#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "query_internal.h"
#include "text.h"

enum { TABLES_MAX = 16, NEAR_NS = 1000000 /* frames are further apart */ };

struct query *query_create(struct view *v)
{
	struct query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->view = v;
	q->range_column = -1;
	for (size_t i = 0; i < 2; i++) {
		q->counts[i] = calloc(SCHEMA_SLOTS_MAX, sizeof(uint64_t));
		if (!q->counts[i]) {
			query_destroy(q);
			return NULL;
		}
	}
	return q;
}

void query_destroy(struct query *q)
{
	if (!q)
		return;
	query_names_destroy(q->names);
	query_names_destroy(q->baseline_names);
	query_destroy(q->baseline);
	query_destroy(q->scope);
	query_children_finish(q);
	query_walk_destroy(q->walk);
	query_columns_finish(q);
	filter_destroy(q->filter);
	key_index_finish(&q->found);
	segment_unlock(q->segment);
	schema_unlock(q->schema_ref);
	for (size_t i = 0; i < 2; i++)
		free(q->counts[i]);
	free(q->sort_cells);
	free(q->rows);
	free(q);
}

void query_rest(struct query *q)
{
	if (!q)
		return;
	q->nrows = q->in_scope = q->nended = 0;
	q->ran = false;
	q->generation++;
	free(q->rows);
	q->rows = NULL;
	q->rows_cap = 0;
	free(q->sort_cells);
	q->sort_cells = NULL;
	q->sort_cap = 0;
	key_index_finish(&q->found);
	query_children_finish(q);
	for (size_t i = 0; i < q->nrollups; i++)
		query_rollup_rest(&q->rollups[i]);
	query_rest(q->baseline);
	query_rest(q->scope);
}

struct query *query_helper(struct query **q, struct view *v)
{
	if (*q && (*q)->view != v) {
		query_destroy(*q);
		*q = NULL;
	}
	if (!*q)
		*q = query_create(v);
	return *q;
}

bool query_stands(const struct query *q)
{
	return q->ran && q->place && view_place_stands(q->view, q->place, q->place_generation);
}

uint64_t query_generation(const struct query *q)
{
	return q->generation;
}

const struct schema_table *query_table(const struct query *q)
{
	return q->schema;
}

/* The table, those that roll up into it (and into those), and what the scope needs. */
static size_t tables_of(struct query *q, const struct lens *lens, const struct schema *s, const struct schema_table *t,
			unsigned flags, const char **names)
{
	const char *scope = query_scope_needs(q, lens, t);
	size_t n = 0;

	names[n++] = t->name;
	if (scope)
		names[n++] = scope;
	for (size_t parent = 0; parent < n && !(flags & (QUERY_RAW | QUERY_OWN)); parent++) {
		for (uint32_t i = 0; i < s->ntables; i++) {
			bool wanted = false;

			for (uint32_t k = 0; k < s->tables[i]->nrollups && !wanted; k++)
				wanted = strcmp(s->tables[i]->rollups[k].table, names[parent]) == 0;
			for (size_t k = 0; k < n && wanted; k++)
				wanted = strcmp(names[k], s->tables[i]->name) != 0;
			if (wanted && n < TABLES_MAX)
				names[n++] = s->tables[i]->name;
		}
	}
	return n;
}

bool query_same_form(const struct schema_table *a, const struct schema_table *b)
{
	if (a == b)
		return true;
	if (a->ncolumns != b->ncolumns || a->nhists != b->nhists)
		return false;
	for (uint32_t i = 0; i < a->ncolumns; i++)
		if (a->columns[i].type != b->columns[i].type || a->columns[i].role != b->columns[i].role ||
		    a->columns[i].bounds.count != b->columns[i].bounds.count)
			return false;
	return true;
}

static int take_place(struct query *q, const char *table)
{
	struct segment *segment = cursor_segment(q->place->end), *start = cursor_segment(q->place->start);

	if (!segment || !segment->schema)
		return -EBADMSG;
	segment_lock(segment);
	segment_unlock(q->segment);
	q->segment = segment;
	if (q->schema_ref != segment->schema) {
		query_columns_finish(q); /* their names are the schema's */
		schema_lock(segment->schema);
		schema_unlock(q->schema_ref);
		q->schema_ref = segment->schema;
	}
	q->recorded = cursor_table(q->place->end, table, &q->end_view);
	if (q->recorded) {
		q->schema = q->end_view.schema;
	} else {
		q->schema = NULL;
		query_columns_finish(q);
		memset(&q->end_view, 0, sizeof(q->end_view));
		q->end_view.state = CULPRIT_MISSING;
	}
	q->has_start = q->recorded && start && cursor_table(q->place->start, table, &q->start_view) &&
		       start->meta.writer == q->segment->meta.writer && query_same_form(q->schema, q->start_view.schema);
	if (!q->has_start)
		memset(&q->start_view, 0, sizeof(q->start_view));
	q->start_schema = q->start_view.schema;
	q->start_mono_ns = cursor_mono_ns(q->place->start);
	q->end_mono_ns = cursor_mono_ns(q->place->end);
	/* Hostile times wrap instead of overflowing. */
	q->wall_offset_ns = (int64_t)((uint64_t)cursor_wall_ns(q->place->end) - q->end_mono_ns);
	q->start_wall_offset_ns = (int64_t)((uint64_t)cursor_wall_ns(q->place->start) - q->start_mono_ns);
	return 0;
}

static const char *filter_column(void *of, size_t i, uint8_t *type, uint8_t *unit)
{
	const struct query *q = of;

	*type = q->columns[i].is.type;
	*unit = q->columns[i].is.unit;
	return q->columns[i].is.name;
}

struct filter_at {
	struct query *q;
	size_t row;
};

static void filter_value(void *of, size_t column, struct value *v)
{
	const struct filter_at *at = of;

	query_value(at->q, at->row, column, v);
}

static int filter_apply(struct query *q, const struct lens *lens, struct culprit_error *error)
{
	struct filter_columns columns = {.of = q, .table = q->table, .n = q->ncolumns, .column = filter_column};
	struct filter_at at = {q, 0};
	struct filter_row row = {&at, filter_value};
	bool for_us = lens->filter[0] && (!lens->filter_table[0] || strcmp(lens->filter_table, q->table) == 0);
	size_t kept = 0;

	if (!for_us) {
		filter_destroy(q->filter);
		q->filter = NULL;
		return 0;
	}
	if (!q->filter || strcmp(q->filter_text, lens->filter) != 0) {
		filter_destroy(q->filter);
		q->filter = filter_create(lens->filter, &columns, error);
		if (!q->filter)
			return -EINVAL;
		memcpy(q->filter_text, lens->filter, sizeof(q->filter_text));
	}
	/* Two passes: what is rolled up is looked for among all rows. */
	for (at.row = 0; at.row < q->nrows; at.row++)
		query_at(q, at.row)->mark = filter_match(q->filter, &row);
	q->nended = 0;
	for (size_t i = 0; i < q->nrows; i++) {
		const struct qrow *r = query_at(q, i);

		if (!r->mark)
			continue;
		q->nended += r->ended && !r->folded;
		query_row_keep(q, kept++, i);
	}
	q->nrows = kept;
	return 0;
}

static void range_set(struct query *q, const struct lens *lens)
{
	q->range_column = -1;
	if (lens->has_range && strcmp(lens->range_table, q->table) == 0)
		q->range_column = schema_column(q->schema, lens->range_column);
}

/* The frame of the table's first sample, where that lies within the window, so that nothing is known of its beginning; 0: it does
 * not. Once it is sampled it has a sample ever after, so halving finds it. */
static uint64_t late_sample(const struct query *q)
{
	const char *names[] = {q->table, NULL};
	uint64_t before = q->start_mono_ns, first = q->end_mono_ns;
	struct table_view t;
	struct cursor *c;

	if (!q->recorded || q->schema->kind != CULPRIT_STATE || !q->end_view.sample_ns || (q->has_start && q->start_view.sample_ns))
		return 0;
	c = cursor_create(q->place->source, names);
	while (c && first > before && first - before > NEAR_NS) {
		uint64_t middle = before + (first - before) / 2;

		if (cursor_seek(c, middle, NULL))
			first = 0;
		else if (cursor_table(c, q->table, &t) && t.sample_ns)
			first = cursor_mono_ns(c) < middle ? cursor_mono_ns(c) : middle;
		else
			before = middle;
	}
	cursor_destroy(c);
	return first > q->start_mono_ns && first < q->end_view.sample_ns && first < q->end_mono_ns ? first : 0;
}

/* The cursors to a window that begins there, and its rows. */
static int place_at(struct query *q, uint64_t from_ns, const char *table, const char *const *names, size_t n, struct culprit_error *error)
{
	struct place *place;
	int err, damage = view_place(q->view, from_ns, q->to_ns, names, n, q->place, q->place_generation, &place, error);

	if (damage && damage != -EBADMSG)
		return damage;
	q->place = place;
	q->place_generation = place->generation;
	q->placed_from_ns = from_ns;
	q->nrows = q->nended = 0;
	q->ran = true; /* the place can be used: values are asked from here on */
	err = take_place(q, table);
	if (err) {
		q->recorded = false; /* what was there before is not what the place has */
		return damage ? damage : error_set(error, err, "no table can be read there");
	}
	if (!q->recorded || q->ahead)
		return damage;
	err = query_columns_build(q);
	if (!err)
		err = query_rows_gather(q);
	return err ? error_set(error, err, "out of memory") : damage;
}

/* The same, where the table began in the window: from its first sample on, which the view remembers, for to look for it and to move
 * the cursors there and back each time would cost all that they hold. */
static int place_late(struct query *q, const char *table, const char *const *names, size_t n, struct culprit_error *error)
{
	const struct source *source = view_source_of(q->view, table, q->to_ns);
	uint64_t late = view_late(q->view, source, table, q->from_ns, q->to_ns);
	int err;

	if (late) {
		err = place_at(q, late, table, names, n, error);
		if (err || (q->place->source == source && q->has_start && q->start_view.sample_ns))
			return err;
		/* It was not so; known again only once it was looked for: who looks ahead comes by here more than once. */
		view_note_late(q->view, source, table, q->from_ns, 0);
	}
	err = place_at(q, q->from_ns, table, names, n, error);
	if (err)
		return err;
	late = late_sample(q);
	view_note_late(q->view, q->place->source, table, q->from_ns, late);
	return late ? place_at(q, late, table, names, n, error) : 0;
}

static int run(struct query *q, const struct lens *lens, const char *table, unsigned flags, struct culprit_error *error)
{
	const struct schema *schema;
	const struct schema_table *t;
	const char *names[TABLES_MAX + 2];
	char near[96], shown[48];
	size_t n;
	int err, damage;

	schema = view_schema(q->view);
	if (!schema)
		return view_nothing(q->view, error);
	t = schema_find(schema, table);
	if (!t) {
		text_sanitise(shown, sizeof(shown), table, strlen(table), TEXT_ASCII);
		return error_set(error, -ENOENT, "no table '%s'%s", shown,
				 view_suggest_table(q->view, table, near, sizeof(near)));
	}
	n = tables_of(q, lens, schema, t, flags, names);
	damage = (flags & QUERY_COUNT ? place_at(q, q->from_ns, table, names, n, error) : place_late(q, table, names, n, error));
	if ((damage && damage != -EBADMSG) || !q->recorded)
		return damage;
	range_set(q, lens);
	err = query_scope_apply(q, error);
	if (err)
		return err;
	q->in_scope = q->nrows;
	for (size_t i = 0; i < q->nrows; i++)
		query_at(q, i)->id = (uint32_t)i;
	err = filter_apply(q, lens, error);
	if (err)
		return err;
	q->lost = query_lost(q);
	if (!q->unsorted && (q->sort_column[0] || !(flags & QUERY_OWN)) && query_sort_rows(q))
		return error_set(error, -ENOMEM, "out of memory");
	return damage;
}

int query_run(struct query *q, const struct lens *lens, const char *table, unsigned flags, struct culprit_error *error)
{
	uint64_t first, last, from, to;
	int err;

	if (!view_extent(q->view, &first, &last)) {
		q->nrows = q->in_scope = q->nended = 0;
		q->ran = false;
		return view_nothing(q->view, error);
	}
	lens_resolve(lens, last, &from, &to);
	if (to > last)
		to = last;
	if (from > to)
		from = to;
	if (query_stands(q) && q->from_ns == from && q->to_ns == to && q->flags == flags && !strcmp(q->table, table) &&
	    lens_equal(&q->lens, lens) && q->place->from_ns == q->placed_from_ns && q->place->to_ns == to) {
		view_place_used(q->view, q->place, table);
		if (q->err && error)
			*error = q->error;
		return q->err;
	}
	q->ran = false;
	q->lens = *lens;
	q->from_ns = from;
	q->to_ns = to;
	q->flags = flags;
	if (strcmp(q->table, table) != 0) {
		query_columns_finish(q);
		query_children_finish(q);
	}
	snprintf(q->table, sizeof(q->table), "%s", table);
	q->runs++;
	q->generation++;
	q->nrows = q->in_scope = q->nended = 0;
	q->host_wide = false;
	q->error.sentence[0] = '\0';
	err = run(q, lens, table, flags, &q->error);
	q->generation++;
	q->err = err;
	if (err && err != -EBADMSG) {
		q->nrows = q->in_scope = q->nended = 0;
		if (err == -ESTALE || err == -ENODATA || err == -ENOMEM)
			q->ran = false;
	}
	if (err && error)
		*error = q->error;
	return err;
}

int query_ahead(struct query *q, const struct lens *lens, const char *table, unsigned flags)
{
	const struct schema *schema = view_schema(q->view);
	const struct schema_table *t = schema ? schema_find(schema, table) : NULL;
	const char *names[TABLES_MAX + 2];
	uint64_t first, last;
	int r;

	if (!t || !view_extent(q->view, &first, &last))
		return 0;
	lens_resolve(lens, last, &q->from_ns, &q->to_ns);
	q->to_ns = q->to_ns < last ? q->to_ns : last;
	q->from_ns = q->from_ns < q->to_ns ? q->from_ns : q->to_ns;
	q->lens = *lens;
	q->flags = flags;
	if (strcmp(q->table, table) != 0)
		query_columns_finish(q);
	snprintf(q->table, sizeof(q->table), "%s", table);
	q->nrows = q->in_scope = q->nended = 0;
	q->ahead = true;
	r = place_late(q, table, names, tables_of(q, lens, schema, t, flags, names), NULL);
	q->ahead = q->ran = false;
	return r == -EINTR ? r : 0;
}

void query_expect(struct query *q, const struct lens *lens, const char *const *tables, size_t n)
{
	uint64_t first, last, from, to;
	const char *names[64];
	const struct source *source;
	struct place *place;
	size_t together = 0;

	if (!n || !view_extent(q->view, &first, &last))
		return;
	lens_resolve(lens, last, &from, &to);
	to = to < last ? to : last;
	source = view_source_of(q->view, tables[0], to);
	for (size_t i = 0; i < n && together < sizeof(names) / sizeof(names[0]); i++)
		if (view_source_of(q->view, tables[i], to) == source)
			names[together++] = tables[i];
	if (view_place(q->view, from < to ? from : to, to, names, together, q->place, q->place_generation, &place, NULL))
		return;
	q->ran = false;
	q->place = place;
	q->place_generation = place->generation;
}

void query_info(const struct query *q, struct query_info *info)
{
	*info = (struct query_info){
		.kind = q->schema ? q->schema->kind : 0,
		.from_ns = q->from_ns,
		.to_ns = q->to_ns,
		.used_from_ns = q->start_view.sample_ns,
		.used_to_ns = q->end_view.sample_ns,
		.covers_less = q->place && query_stands(q) && (q->from_ns < q->place->first_ns || q->placed_from_ns > q->from_ns || !q->has_start),
		.host_wide = q->host_wide,
		.filtered = q->filter != NULL,
		.routed = q->place && query_stands(q) && view_routed(q->view, q->table) == q->place->source,
		.source_from_ns = q->place && query_stands(q) ? q->place->first_ns : 0,
		.state = q->end_view.state,
		.sample_ns = q->end_view.sample_ns,
		.attempt_ns = q->end_view.attempt_ns,
		.lost = q->lost,
		.left_out = q->place && query_stands(q) ? cursor_left_out(q->place->end, q->schema) : 0,
		.cost_ns = q->end_view.cost_ns,
		.thinning = q->end_view.thinning,
		.rows_in_scope = q->in_scope,
		.rows_ended = q->nended,
	};
	if (info->kind == CULPRIT_EVENT) {
		/* Nothing happened is an answer, too: it covers the frames, not the samples that had events. */
		info->used_from_ns = q->start_mono_ns;
		info->used_to_ns = q->end_mono_ns;
	} else if (!q->has_start || !q->start_view.sample_ns) {
		info->used_from_ns = info->used_to_ns;
	}
	info->empty = info->used_from_ns >= info->used_to_ns;
	info->used_from_wall_ns = (int64_t)(info->used_from_ns + (uint64_t)q->start_wall_offset_ns);
	info->used_to_wall_ns = (int64_t)(info->used_to_ns + (uint64_t)q->wall_offset_ns);
	if (q->end_view.reason && q->segment)
		info->reason = segment_text(q->segment, q->end_view.reason, &info->reason_len);
	if (!q->recorded && q->ran) {
		info->reason = "this table was not recorded then";
		info->reason_len = strlen(info->reason);
	}
}

size_t query_nrows(const struct query *q)
{
	return q->nrows;
}

bool query_row(const struct query *q, size_t row, struct query_row *ret)
{
	const struct qrow *r;
	struct qrow_ends ends;
	struct derive d;

	if (row >= q->nrows)
		return false;
	r = query_at(q, row);
	/* When it ended is not known any more once the place is gone: in the window. */
	*ret = (struct query_row){.ended_ns = r->ended && !r->folded ? q->to_ns : 0, .folded = r->folded, .folds = r->folds};
	query_own_key(q, r, &ret->key);
	if (!query_stands(q))
		return true;
	query_row_derive(q, r, &ends, &d);
	if (!d.end)
		return true;
	ret->serial = d.end->serial;
	ret->began_ns = d.end->began_ns;
	ret->ended_ns = r->folded ? 0 : d.end->ended_ns;
	ret->began = ret->began_ns && ret->began_ns > q->start_view.sample_ns;
	ret->covered_from_ns = q->schema->kind == CULPRIT_EVENT ? ret->began_ns : derive_from(&d);
	return true;
}

static void nothing(const struct query *q, size_t column, struct value *v)
{
	memset(v, 0, sizeof(*v));
	if (column < q->ncolumns) {
		v->type = q->columns[column].is.type;
		v->unit = q->columns[column].is.unit;
	}
}

void query_row_value(struct query *q, const struct qrow *row, const struct derive *d, size_t column, struct value *v)
{
	const struct qcolumn *c = &q->columns[column];

	switch (c->is.origin) {
	case QUERY_COLUMN_RAW:
		if (q->flags & QUERY_RAW || q->schema->kind == CULPRIT_EVENT)
			derive_last(d, c->index, v);
		else if (c->is.role == CULPRIT_PEAK)
			query_peak_value(q, row, c->index, v);
		else
			derive_raw(d, c->index, v);
		if (q->range_column == (int)c->index && v->state == VALUE_OK && v->type == CULPRIT_HIST) {
			if (v->hist.counts != q->counts[0])
				memcpy(q->counts[0], v->hist.counts, v->hist.bounds->count * sizeof(uint64_t));
			v->hist.counts = q->counts[0];
			derive_range(v->hist.bounds, q->counts[0], q->lens.range_lo, q->lens.range_hi);
		}
		break;
	case QUERY_COLUMN_DERIVED:
		derive_column(d, c->index, q->range_column, q->lens.range_lo, q->lens.range_hi, v);
		break;
	default:
		query_rollup_value(q, &q->rollups[c->index], row, v);
	}
}

void query_values(struct query *q, size_t row, const int *columns, size_t n, struct value *values)
{
	struct qrow_ends ends;
	struct derive d;
	bool known = row < q->nrows && query_stands(q);

	if (known)
		query_row_derive(q, query_at(q, row), &ends, &d);
	for (size_t i = 0; i < n; i++) {
		if (known && columns[i] >= 0 && (size_t)columns[i] < q->ncolumns)
			query_row_value(q, query_at(q, row), &d, (size_t)columns[i], &values[i]);
		else
			nothing(q, columns[i] < 0 ? q->ncolumns : (size_t)columns[i], &values[i]);
		/* A roll-up's children may have needed our place. */
		known = known && query_stands(q);
	}
}

void query_value(struct query *q, size_t row, size_t column, struct value *v)
{
	int one = column < q->ncolumns ? (int)column : -1;

	query_values(q, row, &one, 1, v);
}
