/* Memory of one table of a cursor, and of the rows that outlive their slots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor_internal.h"
#include "format.h"

void cursor_table_init(struct cursor_table *t, const struct schema_table *schema, bool wanted)
{
	memset(t, 0, sizeof(*t));
	t->schema = schema;
	t->wanted = wanted;
	t->columns = row_columns_of(schema);
	grid_init(&t->grid, t->columns.n);
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
	free(t->counts);
	free(t->base_counts);
	free(t->count_at);
	memset(t, 0, sizeof(*t));
}

void cursor_table_clear(struct cursor_table *t)
{
	for (size_t i = 0; i < t->nslots; i++)
		t->slots[i].live = false;
	grid_clear(&t->grid);
	cellstates_clear(&t->cellstates);
	t->nslots = 0;
	t->sample_ns = t->attempt_ns = t->reason = t->lost = t->cost_ns = 0;
	t->state = CULPRIT_RESTING;
	t->thinning = 1;
}

/* Copies n words to *at and moves it on. */
static uint64_t *put_words(uint64_t **at, const uint64_t *from, size_t n)
{
	uint64_t *to = *at;

	memcpy(to, from, n * sizeof(*to));
	*at += n;
	return to;
}

void cursor_slot_free(struct cursor_table *t, uint32_t slot)
{
	struct cursor_slot *s = &t->slots[slot];

	if (!s->live)
		return;
	s->live = false;
	cellstates_drop(&t->cellstates, s->states);
	grid_leave(&t->grid, slot);
}

int cursor_keep_ended(struct cursor_table *t, uint32_t slot, uint64_t ended_ns, bool folded, struct segment *segment)
{
	const struct cursor_slot *s = &t->slots[slot];
	size_t n = t->columns.n, counts = (size_t)slot * t->ncounts;
	bool base_counts = s->based && t->base_counts;
	size_t words = n + t->ncounts + (base_counts ? t->ncounts : 0);
	struct cursor_kept *k;
	uint64_t *to;

	k = calloc(1, sizeof(*k) + words * 8 + t->schema->ncolumns);
	if (!k || cursor_list_append(&t->ended, k)) {
		free(k);
		return -ENOMEM;
	}
	to = k->memory;
	for (uint32_t c = 0; c < n; c++)
		to[c] = grid_get(&t->grid, slot, c);
	k->slot = slot;
	k->columns = t->columns;
	k->row = (struct row){
		.serial = to[t->columns.serial],
		.ended_ns = ended_ns,
		.born = s->flags & FORMAT_ROW_BORN,
		.folds = s->flags & FORMAT_ROW_FOLD,
		.folded = folded,
		.dropped = s->flags & FORMAT_ROW_DROPS,
		.stale = s->stale,
		.based = s->based,
		/* Its last values are as of the sample before it was missed: at the latest now. */
		.sample_ns = ended_ns,
		.numbers = to,
		.columns = &k->columns,
		.segment = segment_lock(segment),
	};
	if (k->row.born || s->based & 1) {
		k->row.began_ns = to[t->columns.began];
		k->row.since_ns = k->row.began_ns ? to[t->columns.since] : 0;
	}
	to += n;
	if (t->ncounts) {
		k->counts = put_words(&to, t->counts + counts, t->ncounts);
		if (base_counts)
			k->base_counts = put_words(&to, t->base_counts + counts, t->ncounts);
	}
	memcpy(to, cursor_states(t, slot), t->schema->ncolumns);
	k->row.states = (uint8_t *)to;
	return 0;
}
