#include "keyframe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cellcode.h"
#include "format.h"

/* Rows of one table, with the room their encoding needs. */
struct rows {
	struct cursor *cursor;
	const struct schema_table *schema;
	uint64_t sample_ns;
	struct row *list;
	uint32_t *slots, *patterns;
	size_t n;
	const uint8_t **states; /* of each pattern */
	size_t npatterns;
};

static void put_counts(struct wbuf *w, const uint64_t *before, const uint64_t *now, uint32_t n)
{
	uint32_t differ = 0, last = 0;

	for (uint32_t i = 0; i < n; i++)
		differ += (now ? now[i] : 0) != (before ? before[i] : 0);
	wbuf_varint(w, differ);
	for (uint32_t i = 0; i < n && differ; i++) {
		uint64_t old = before ? before[i] : 0, new = now ? now[i] : 0;

		if (new == old)
			continue;
		wbuf_varint(w, i - last);
		wbuf_zigzag(w, (int64_t)(new - old));
		last = i + 1;
	}
}

static void rows_finish(struct rows *r)
{
	free(r->list);
	free(r->slots);
	free(r->patterns);
	free(r->states);
}

static int rows_gather(struct rows *r, size_t nslots)
{
	r->list = calloc(nslots + 1, sizeof(*r->list));
	r->slots = calloc(nslots + 1, sizeof(*r->slots));
	r->patterns = calloc(nslots + 1, sizeof(*r->patterns));
	r->states = calloc(nslots + 1, sizeof(*r->states));
	if (!r->list || !r->slots || !r->patterns || !r->states)
		return -ENOMEM;
	for (size_t slot = 0; slot < nslots; slot++) {
		const struct row *row = cursor_row(r->cursor, r->schema, slot, &r->list[r->n]);
		size_t k;

		if (!row)
			continue;
		if (row != &r->list[r->n])
			r->list[r->n] = *row;
		/* The likeliest are the newest. */
		for (k = r->npatterns; k > 0; k--) {
			if (!memcmp(r->states[k - 1], row->states, r->schema->ncolumns))
				break;
			if (r->npatterns - k > 64)
				k = 1;
		}
		if (!k) {
			r->states[r->npatterns++] = row->states;
			k = r->npatterns;
		}
		r->patterns[r->n] = (uint32_t)k - 1;
		r->slots[r->n++] = (uint32_t)slot;
	}
	return 0;
}

static uint32_t row_flags(const struct row *row)
{
	return FORMAT_ROW_CONTINUES | (row->born ? FORMAT_ROW_BORN : 0) | (row->dropped ? FORMAT_ROW_DROPS : 0) |
	       (row->based ? FORMAT_ROW_BASES : 0) | (row->folds ? FORMAT_ROW_FOLD : 0);
}

static void put_head(const struct rows *r, size_t i, uint32_t *last_slot, uint64_t *last_serial, struct wbuf *w)
{
	const struct row *row = &r->list[i];
	/* Where it is not known, no reader asks for it. */
	uint64_t began = row->began_ns && row->began_ns <= r->sample_ns ? row->began_ns : r->sample_ns;
	uint64_t since = row->since_ns && row->since_ns <= began ? row->since_ns : began;

	wbuf_varint(w, r->slots[i] - *last_slot);
	wbuf_varint(w, row_flags(row));
	wbuf_zigzag(w, (int64_t)(row->serial - *last_serial));
	*last_slot = r->slots[i] + 1;
	*last_serial = row->serial + 1;
	wbuf_varint(w, r->sample_ns - began);
	if (row->born)
		wbuf_varint(w, began - since);
	if (r->schema->groups & ~1u) {
		wbuf_u8(w, row->stale);
		for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++) {
			uint64_t read_ns = row->stale >> g & 1 ? row_read_ns(row, g) : 0;

			if (row->stale >> g & 1)
				wbuf_varint(w, read_ns ? r->sample_ns - read_ns + 1 : 0);
		}
	}
	wbuf_varint(w, r->patterns[i]);
}

static void put_column(const struct rows *r, uint32_t c, struct wbuf *w)
{
	const struct schema_column *column = &r->schema->columns[c];
	uint64_t before = 0;

	for (size_t i = 0; i < r->n; i++) {
		uint8_t state = r->list[i].states[c];
		uint64_t cell;

		if (state == FORMAT_CELL_ABSENT || (column->role == CULPRIT_HISTOGRAM && state == FORMAT_CELL_OK))
			continue;
		cell = row_cell(&r->list[i], c);
		cell_put_after(w, column, before, cell);
		before = cell;
	}
}

/* How far counters fell, and from where they count. */
static void put_past(const struct rows *r, const struct row *row, struct wbuf *w)
{
	for (uint32_t c = 0; row->dropped && c < r->schema->ncolumns; c++) {
		const struct schema_column *column = &r->schema->columns[c];

		if (column->role == CULPRIT_COUNTER)
			cell_put_after(w, column, 0, row_drop(row, column->counter));
	}
	if (!row->based)
		return;
	wbuf_u8(w, row->based);
	for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX; g++) {
		if (row->based >> g & 1)
			wbuf_varint(w, r->sample_ns - row_based_ns(row, g));
	}
	for (uint32_t c = 0; c < r->schema->ncolumns; c++) {
		const struct schema_column *column = &r->schema->columns[c];

		if (!(row->based >> column->group & 1))
			continue;
		if (column->role == CULPRIT_COUNTER)
			cell_put_after(w, column, row_cell(row, c), row_base(row, column->counter));
		else if (column->role == CULPRIT_HISTOGRAM)
			put_counts(w, cursor_histogram(r->cursor, r->schema, row, c),
				   cursor_histogram_base(r->cursor, r->schema, row, c), column->bounds.count);
	}
}

static int put_rows(struct rows *r, size_t nslots, struct wbuf *w)
{
	uint32_t last_slot = 0;
	uint64_t last_serial = 0;
	int err = rows_gather(r, nslots);

	if (err)
		return err;
	wbuf_varint(w, r->n);
	if (!r->n)
		return 0;
	wbuf_varint(w, r->npatterns);
	for (size_t i = 0; i < r->npatterns; i++)
		wbuf_bytes(w, r->states[i], r->schema->ncolumns);
	for (size_t i = 0; i < r->n; i++)
		put_head(r, i, &last_slot, &last_serial, w);
	for (uint32_t c = 0; c < r->schema->ncolumns; c++)
		put_column(r, c, w);
	for (size_t i = 0; i < r->n; i++) {
		for (uint32_t h = 0; h < r->schema->nhists; h++) {
			uint32_t c = r->schema->hist_columns[h];

			if (r->list[i].states[c] == FORMAT_CELL_OK)
				put_counts(w, NULL, cursor_histogram(r->cursor, r->schema, &r->list[i], c),
					   r->schema->columns[c].bounds.count);
		}
		put_past(r, &r->list[i], w);
	}
	return 0;
}

static int put_table(struct cursor *c, const struct schema_table *t, struct wbuf *body)
{
	struct rows rows = {.cursor = c, .schema = t};
	struct table_view view;
	int err = 0;

	if (!cursor_table(c, t->name, &view) || (!view.sample_ns && !view.attempt_ns))
		return 0;
	rows.sample_ns = view.sample_ns;
	wbuf_varint(body, t->id);
	wbuf_varint(body, view.state);
	wbuf_varint(body, view.sample_ns ? FORMAT_TABLE_SAMPLED : 0);
	if (view.sample_ns)
		wbuf_zigzag(body, (int64_t)(view.sample_ns - cursor_mono_ns(c)));
	wbuf_varint(body, view.reason);
	wbuf_varint(body, 0); /* what was lost before, was lost before */
	wbuf_varint(body, view.cost_ns);
	wbuf_varint(body, view.thinning);
	if (view.sample_ns && t->kind == CULPRIT_EVENT)
		wbuf_varint(body, 0);
	else if (view.sample_ns)
		err = put_rows(&rows, view.nrows, body);
	rows_finish(&rows);
	return err;
}

int keyframe_encode(struct cursor *c, const struct wbuf *between, struct wbuf *out)
{
	struct segment *s = cursor_segment(c);
	struct wbuf body;
	int err = 0;

	wbuf_init(&body);
	wbuf_u64(out, cursor_mono_ns(c));
	wbuf_u64(out, (uint64_t)cursor_wall_ns(c));
	wbuf_varint(out, FORMAT_FRAME_KEY);
	wbuf_bytes(out, between->data, between->len);
	for (uint32_t i = 0; s && s->schema && i < s->schema->ntables && !err; i++) {
		wbuf_clear(&body);
		err = put_table(c, s->schema->tables[i], &body);
		if (body.len) {
			wbuf_varint(out, FORMAT_TABLE);
			wbuf_string(out, body.data, body.len);
		}
		err = err ? err : body.err;
	}
	wbuf_finish(&body);
	return err ? err : out->err;
}
