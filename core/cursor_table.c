/* Memory of one table of a cursor, and of the rows that outlive their slots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor_internal.h"
#include "format.h"

void cursor_table_init(struct cursor_table *t, const struct schema_table *schema)
{
	memset(t, 0, sizeof(*t));
	t->schema = schema;
	t->columns = row_columns_of(schema);
	grid_init(&t->grid, t->columns.n, t->columns.base);
	cellstates_init(&t->cellstates, schema->ncolumns);
	t->count_at = calloc(schema->nhists + 1, sizeof(*t->count_at));
	for (uint32_t i = 0; t->count_at && i < schema->nhists; i++) {
		t->count_at[i] = t->ncounts;
		t->ncounts += schema->columns[schema->hist_columns[i]].bounds.count;
	}
}

void cursor_list_finish(struct cursor_list *l)
{
	for (size_t i = l->first; i < l->n; i++) {
		segment_unlock(l->items[i]->row.segment);
		free(l->items[i]);
	}
	free(l->items);
	memset(l, 0, sizeof(*l));
}

int cursor_list_append(struct cursor_list *l, struct cursor_kept *k)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct cursor_kept **items = realloc(l->items, cap * sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = k;
	return 0;
}

void cursor_table_finish(struct cursor_table *t)
{
	cursor_list_finish(&t->ended);
	cursor_list_finish(&t->events);
	free(t->slots);
	grid_finish(&t->grid);
	cellstates_finish(&t->cellstates);
	if (t->hists) {
		grid_finish(&t->hists->now);
		grid_finish(&t->hists->base);
		free(t->hists);
	}
	free(t->count_at);
	memset(t, 0, sizeof(*t));
}

void cursor_table_clear(struct cursor_table *t)
{
	for (size_t i = 0; i < t->nslots; i++)
		t->slots[i].live = false;
	grid_clear(&t->grid);
	if (t->hists) {
		grid_clear(&t->hists->now);
		grid_clear(&t->hists->base);
	}
	cellstates_clear(&t->cellstates);
	t->nslots = 0;
	t->sample_ns = t->attempt_ns = t->reason = t->lost = t->cost_ns = 0;
	t->state = CULPRIT_RESTING;
	t->thinning = 1;
}

/* Those of a row that are not 0, behind a bit for each, at *at, which moves on. */
static uint64_t *put_present(uint64_t **at, const struct grid *g, uint32_t row)
{
	uint64_t *present = *at, *to = present + (g->ncolumns + 63) / 64;

	for (uint32_t c = 0; c < g->ncolumns; c++) {
		uint64_t number = grid_get(g, row, c);

		if (!number)
			continue;
		present[c / 64] |= (uint64_t)1 << c % 64;
		*to++ = number;
	}
	*at = to;
	return present;
}

/* Words that takes. */
static size_t present_words(const struct grid *g, uint32_t row)
{
	size_t words = (g->ncolumns + 63) / 64;

	for (uint32_t c = 0; c < g->ncolumns; c++)
		words += grid_get(g, row, c) != 0;
	return words;
}

void cursor_slot_free(struct cursor_table *t, uint32_t slot)
{
	struct cursor_slot *s = &t->slots[slot];

	if (!s->live)
		return;
	s->live = false;
	cellstates_drop(&t->cellstates, s->states);
	grid_leave(&t->grid, slot);
	if (t->hists)
		grid_leave(&t->hists->now, slot);
	if (t->hists && t->hists->base.nrows)
		grid_leave(&t->hists->base, slot);
}

int cursor_keep_ended(struct cursor_table *t, uint32_t slot, uint64_t ended_ns, bool folded, struct segment *segment)
{
	const struct cursor_slot *s = &t->slots[slot];
	bool base_counts = s->based && t->hists && t->hists->base.nrows;
	size_t words = present_words(&t->grid, slot);
	uint64_t *to, *present;
	struct cursor_kept *k;

	/* Two in three of its numbers are 0, of counts most. */
	if (t->hists)
		words += present_words(&t->hists->now, slot) + (base_counts ? present_words(&t->hists->base, slot) : 0);
	k = calloc(1, sizeof(*k) + words * 8 + t->schema->ncolumns);
	if (!k || cursor_list_append(&t->ended, k)) {
		free(k);
		return -ENOMEM;
	}
	to = k->memory;
	present = put_present(&to, &t->grid, slot);
	k->slot = slot;
	k->ncounts = t->ncounts;
	k->columns = t->columns;
	k->row = (struct row){
		.serial = grid_get(&t->grid, slot, t->columns.serial),
		.ended_ns = ended_ns,
		.born = s->flags & FORMAT_ROW_BORN,
		.folds = s->flags & FORMAT_ROW_FOLD,
		.folded = folded,
		.dropped = s->flags & FORMAT_ROW_DROPS,
		.stale = s->stale,
		.based = s->based,
		/* Its last values are as of the sample before it was missed: at the latest now. */
		.sample_ns = ended_ns,
		.numbers = present + (t->columns.n + 63) / 64,
		.present = present,
		.columns = &k->columns,
		.segment = segment_lock(segment),
	};
	if (k->row.born || s->based & 1) {
		k->row.began_ns = grid_get(&t->grid, slot, t->columns.began);
		k->row.since_ns = k->row.began_ns ? grid_get(&t->grid, slot, t->columns.since) : 0;
	}
	if (t->hists)
		k->counts = put_present(&to, &t->hists->now, slot);
	if (base_counts)
		k->base_counts = put_present(&to, &t->hists->base, slot);
	memcpy(to, cursor_states(t, slot), t->schema->ncolumns);
	k->row.states = (uint8_t *)to;
	return 0;
}
