/* Charts out of summaries: the whole series of a small table's numbers stands at the end of each complete segment, and can
 * be read without decoding its frames. A tick's value is derived from two rows made of it, by the same arithmetic as from
 * two frames. What a summary does not tell (histograms, rows that came or went, large tables) is left to the frames. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rowcolumns.h"
#include "derive.h"
#include "error.h"
#include "format.h"
#include "segment_codec.h"
#include "series_internal.h"
#include "summary.h"

/* One row's series by column; NULL: it has none. */
struct line {
	uint64_t serial;
	const struct summary_series *columns[SCHEMA_COLUMNS_MAX];
	bool whole; /* it is there from the first sample to the last */
};

/* A table of a segment, as lines. */
struct lines {
	struct segment *head; /* its schema */
	struct segment_meta meta;
	struct summary *summary;
	const struct summary_table *table;
	struct line *lines;
	size_t n;
};

enum { CACHED = 8 };

/* The lines read last, of some tables. */
struct cached {
	struct source *source; /* NULL: free */
	uint64_t seq;
	struct lines lines;
};

struct series_summary {
	struct segment *head; /* no frames: its header, host and schema are those looked at last */
	struct wbuf bytes, summary;
	struct cached cached[CACHED];
	unsigned next;
};

static void lines_finish(struct lines *l)
{
	summary_destroy(l->summary);
	free(l->lines);
	segment_unlock(l->head);
	memset(l, 0, sizeof(*l));
}

struct series_summary *series_summary_create(void)
{
	struct series_summary *s = calloc(1, sizeof(*s));

	if (s) {
		wbuf_init(&s->bytes);
		wbuf_init(&s->summary);
	}
	return s;
}

void series_summary_destroy(struct series_summary *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < CACHED; i++)
		lines_finish(&s->cached[i].lines);
	segment_unlock(s->head);
	wbuf_finish(&s->bytes);
	wbuf_finish(&s->summary);
	free(s);
}

/* The segment's header, host and schema. As long as they say the same, it is the same schema. */
static int take_head(struct series_summary *s, struct source *source, uint64_t seq)
{
	struct segment *head;
	int err;

	wbuf_clear(&s->bytes);
	err = source->ops->head(source, seq, &s->bytes, NULL);
	if (err)
		return err;
	if (s->head && s->head->bytes.len == s->bytes.len && s->bytes.len > FORMAT_SEGMENT_HEADER &&
	    !memcmp(s->head->bytes.data + FORMAT_SEGMENT_HEADER, s->bytes.data + FORMAT_SEGMENT_HEADER,
		    s->bytes.len - FORMAT_SEGMENT_HEADER)) {
		/* Its times differ, and perhaps its writer. */
		memcpy(s->head->bytes.data, s->bytes.data, FORMAT_SEGMENT_HEADER);
		return segment_get_header(s->bytes.data, s->bytes.len, &s->head->meta, &(uint32_t){0}, &(struct culprit_error){""}) ?
			       -ENOENT : 0;
	}
	head = segment_create();
	if (!head)
		return -ENOMEM;
	err = segment_parse(head, s->bytes.data, s->bytes.len, NULL);
	if (err || !head->schema) {
		segment_unlock(head);
		return err == -ENOMEM ? err : -ENOENT;
	}
	segment_unlock(s->head);
	s->head = head;
	return 0;
}

/* The table's lines of one segment. -ENOENT: a summary does not tell them. */
static int lines_read(struct series_summary *s, struct source *source, uint64_t seq, const char *name, struct lines *l)
{
	const struct schema_table *schema;
	int err;

	memset(l, 0, sizeof(*l));
	err = take_head(s, source, seq);
	if (err)
		return err;
	schema = schema_find(s->head->schema, name);
	if (!schema || schema->kind != CULPRIT_STATE)
		return -ENOENT;
	wbuf_clear(&s->summary);
	err = source->ops->summary(source, seq, &s->summary, NULL);
	if (err)
		return err;
	l->head = segment_lock(s->head);
	l->meta = s->head->meta;
	err = summary_read_table(s->head->schema, schema, s->summary.data, s->summary.len, &l->summary);
	if (err)
		goto fail;
	for (uint32_t i = 0; i < l->summary->ntables; i++)
		if (l->summary->tables[i].schema == schema)
			l->table = &l->summary->tables[i];
	err = -ENOENT;
	if (!l->table || !l->table->nseries || !l->table->ntimes)
		goto fail;
	err = -ENOMEM;
	l->lines = calloc(l->table->nseries, sizeof(*l->lines));
	if (!l->lines)
		goto fail;
	for (size_t i = 0; i < l->table->nseries; i++) {
		const struct summary_series *series = &l->table->series[i];
		struct line *line = l->n ? &l->lines[l->n - 1] : NULL;

		/* By (slot, serial, column): what belongs together stands together. */
		if (!line || line->serial != series->serial) {
			line = &l->lines[l->n++];
			line->serial = series->serial;
			line->whole = true;
		}
		line->columns[series->column] = series;
		if (!schema->columns[series->column].group)
			line->whole &= !series->first && series->n == l->table->ntimes;
	}
	return 0;
fail:
	lines_finish(l);
	return err == -EBADMSG ? -ENOENT : err;
}

/* Of columns that are not read in every sample, when they were read is not told. */
static bool has_line(const struct schema_column *c)
{
	return !c->group && summary_has_series(c);
}

static bool has_line_for(const struct schema_table *t, const struct schema_term *terms, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!has_line(&t->columns[terms[i].column]))
			return false;
	return true;
}

/* Is all that the request needs in a summary? */
static bool tells(const struct series_task *t, const struct schema_table *schema)
{
	const struct schema_derived *d;

	if (t->column < 0 || t->rollup)
		return false;
	if (t->raw)
		return has_line(&schema->columns[t->column]);
	d = &schema->derived[t->column];
	switch (d->op) {
	case CULPRIT_RATE:
	case CULPRIT_RATIO:
	case CULPRIT_LEVEL:
	case CULPRIT_LEVEL_RATIO:
	case CULPRIT_DIFFERENCE:
		return has_line_for(schema, d->a, d->na) && has_line_for(schema, d->b, d->nb);
	default:
		return false;
	}
}

static bool fell(const struct schema_column *c, uint64_t old, uint64_t now, uint64_t *ret_drop)
{
	double a, b;

	if (c->type == CULPRIT_F64) {
		memcpy(&a, &old, 8);
		memcpy(&b, &now, 8);
		if (!(b < a))
			return false;
		a -= b;
		memcpy(ret_drop, &a, 8);
		return true;
	}
	*ret_drop = old - now;
	return c->type == CULPRIT_I64 ? (int64_t)now < (int64_t)old : now < old;
}

/* A row as it was at one sample. */
struct made_row {
	struct row row;
	struct row_columns columns;
	uint64_t numbers[3 * SCHEMA_COLUMNS_MAX + 64]; /* as many as row_columns_of() may give */
	uint8_t states[SCHEMA_COLUMNS_MAX];
};

static void make_row(struct made_row *m, const struct lines *l, const struct line *line, uint32_t i, const struct made_row *before)
{
	const struct schema_table *schema = l->table->schema;

	m->columns = row_columns_of(schema);
	m->row = (struct row){.serial = line->serial,
			      .began_ns = 0,
			      .states = m->states,
			      .segment = l->head,
			      .sample_ns = l->table->times[i],
			      .numbers = m->numbers,
			      .columns = &m->columns};
	for (uint32_t c = 0; c < schema->ncolumns; c++) {
		const struct summary_series *s = line->columns[c];
		const struct schema_column *column = &schema->columns[c];
		uint64_t drop = 0;

		m->states[c] = s ? (s->states ? s->states[i] : FORMAT_CELL_OK) : FORMAT_CELL_ABSENT;
		m->numbers[c] = s ? s->values[i] : 0;
		if (column->role != CULPRIT_COUNTER)
			continue;
		m->numbers[m->columns.drop + column->counter] = 0;
		if (before && before->states[c] == FORMAT_CELL_OK && m->states[c] == FORMAT_CELL_OK &&
		    fell(column, before->numbers[c], m->numbers[c], &drop)) {
			m->numbers[m->columns.drop + column->counter] = drop;
			m->row.dropped = true;
		}
	}
}

static const struct line *line_of(const struct lines *l, uint64_t serial)
{
	for (size_t i = 0; l && i < l->n; i++)
		if (l->lines[i].serial == serial)
			return &l->lines[i];
	return NULL;
}

/* One row's value at sample i; before it: sample i - 1, or the last one of the segment before. */
static bool value_at(const struct series_task *t, const struct lines *l, const struct lines *former, const struct line *line,
		     uint32_t i, struct made_row made[2], struct derive *d, double *ret)
{
	const struct line *old = i ? line : line_of(former, line->serial);
	struct value v;

	if (old)
		make_row(&made[0], i ? l : former, old, i ? i - 1 : former->table->ntimes - 1, NULL);
	make_row(&made[1], l, line, i, old ? &made[0] : NULL);
	d->schema = l->table->schema;
	d->end = &made[1].row;
	d->start = old ? &made[0].row : NULL;
	d->start_schema = old ? (i ? l : former)->table->schema : NULL;
	d->sample_ns = l->table->times[i];
	if (t->raw)
		derive_raw(d, (uint32_t)t->column, &v);
	else
		derive_column(d, (uint32_t)t->column, -1, 0, 0, &v);
	return v.state == VALUE_OK && value_number(&v, ret);
}

static int one_task(struct series_task *t, const struct lines *l, const struct lines *former)
{
	struct derive d = {.host = &l->head->host,
			   .wall_offset_ns = (int64_t)((uint64_t)l->meta.wall_ns - l->meta.mono_ns)};
	struct made_row *made = calloc(2, sizeof(*made));
	int err = made ? 0 : -ENOMEM;

	t->interval_ns = l->head->host.interval_ns;
	for (uint32_t i = 0; i < l->table->ntimes && !err; i++) {
		double sum = 0, x;
		bool any = false;

		/* Sampled as the former segment ended, and not again. */
		if (!i && former && former->table->times[former->table->ntimes - 1] >= l->table->times[0])
			continue;
		for (size_t k = 0; k < l->n; k++) {
			if (t->request->key.n && l->lines[k].serial != t->serial)
				continue;
			if (!value_at(t, l, former, &l->lines[k], i, made, &d, &x))
				continue;
			sum += x;
			any = true;
		}
		if (any)
			err = series_add(t, l->table->times[i], sum);
	}
	free(made);
	return err;
}

static struct cached *cached(struct series_summary *s, const struct source *source, uint64_t seq, const char *table)
{
	for (size_t i = 0; i < CACHED; i++) {
		struct cached *c = &s->cached[i];

		if (c->source == source && c->seq == seq && c->lines.table && !strcmp(c->lines.table->schema->name, table))
			return c;
	}
	return NULL;
}

/* Where the table's lines are to be kept: where they were, else in turn. */
static struct cached *cache_slot(struct series_summary *s, const char *table)
{
	for (size_t i = 0; i < CACHED; i++)
		if (s->cached[i].lines.table && !strcmp(s->cached[i].lines.table->schema->name, table))
			return &s->cached[i];
	return &s->cached[s->next++ % CACHED];
}

int series_summary_run(struct series_summary *s, struct source *source, const struct segment_info *info,
		       const struct segment_info *before, struct series_task *tasks, size_t n, const char *table)
{
	struct cached *former = NULL;
	struct lines l;
	int err = -ENOENT;

	if (!info->complete || !source->ops->head || !source->ops->summary)
		return err;
	err = lines_read(s, source, info->seq, table, &l);
	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++) {
		const struct line *line;

		if (!tasks[i].wanted || strcmp(tasks[i].request->table, table))
			continue;
		series_find_column(&tasks[i], l.table->schema);
		line = tasks[i].request->key.n ? line_of(&l, tasks[i].serial) : NULL;
		/* Which row it is, is known from a frame that was looked at before. */
		if (!tells(&tasks[i], l.table->schema) ||
		    (tasks[i].request->key.n && (!line || !line->whole || tasks[i].writer != l.meta.writer)))
			err = -ENOENT;
		for (size_t k = 0; k < l.n && !tasks[i].request->key.n; k++)
			if (!l.lines[k].whole)
				err = -ENOENT;
	}
	if (!err && before) {
		former = cached(s, source, before->seq, table);
		if (!former) {
			former = cache_slot(s, table);
			lines_finish(&former->lines);
			err = lines_read(s, source, before->seq, table, &former->lines);
			former->source = err ? NULL : source;
			former->seq = before->seq;
		}
	}
	/* Another writer's rows are no past of these. */
	if (!err && former && former->lines.meta.writer != l.meta.writer)
		former = NULL;
	for (size_t i = 0; i < n && !err; i++)
		if (tasks[i].wanted && !strcmp(tasks[i].request->table, table))
			err = one_task(&tasks[i], &l, former ? &former->lines : NULL);
	/* What comes next begins where this ends. */
	former = cache_slot(s, table);
	lines_finish(&former->lines);
	*former = (struct cached){.source = source, .seq = info->seq, .lines = l};
	return err;
}
