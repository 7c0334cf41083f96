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
	free(t->rows);
	free(t->cells);
	free(t->states);
	free(t->read_ns);
	free(t->drops);
	free(t->bases);
	free(t->based_ns);
	free(t->counts);
	free(t->base_counts);
	free(t->count_at);
	memset(t, 0, sizeof(*t));
}

void cursor_table_clear(struct cursor_table *t)
{
	for (size_t i = 0; i < t->nslots; i++)
		t->slots[i].live = false;
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

int cursor_keep_ended(struct cursor_table *t, uint32_t slot, uint64_t ended_ns, bool folded, struct segment *segment)
{
	const struct cursor_slot *s = &t->slots[slot];
	size_t n = t->schema->ncolumns, at = (size_t)slot * n, counts = (size_t)slot * t->ncounts;
	size_t ncounters = t->schema->ncounters, counters = (size_t)slot * ncounters;
	bool drops = t->drops && s->flags & FORMAT_ROW_DROPS, bases = s->based;
	size_t words = n + (drops ? ncounters : 0) + (bases ? ncounters + t->ncounts + SCHEMA_GROUPS_MAX : 0) + t->ncounts + SCHEMA_GROUPS_MAX;
	struct cursor_kept *k;
	uint64_t *to;

	k = calloc(1, sizeof(*k) + words * 8 + n);
	if (!k || cursor_list_append(&t->ended, k)) {
		free(k);
		return -ENOMEM;
	}
	to = k->memory;
	k->slot = slot;
	k->row.serial = s->serial;
	k->row.began_ns = s->flags & FORMAT_ROW_BORN || s->based & 1 ? s->began_ns : 0;
	k->row.since_ns = k->row.began_ns ? s->since_ns : 0;
	k->row.ended_ns = ended_ns;
	k->row.born = s->flags & FORMAT_ROW_BORN;
	k->row.folds = s->flags & FORMAT_ROW_FOLD;
	k->row.folded = folded;
	k->row.stale = s->stale;
	k->row.cells = put_words(&to, t->cells + at, n);
	k->row.drops = drops ? put_words(&to, t->drops + counters, ncounters) : NULL;
	k->row.based = s->based;
	k->row.bases = bases ? put_words(&to, t->bases + counters, ncounters) : NULL;
	k->row.based_ns =
		bases ? put_words(&to, t->based_ns + (size_t)slot * SCHEMA_GROUPS_MAX, SCHEMA_GROUPS_MAX) : NULL;
	if (t->ncounts) {
		k->counts = put_words(&to, t->counts + counts, t->ncounts);
		if (bases && t->base_counts)
			k->base_counts = put_words(&to, t->base_counts + counts, t->ncounts);
	}
	/* Its last values are as of the sample before it was missed: at the latest now. */
	for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX; g++) {
		uint64_t read_ns = s->stale >> g & 1 ? t->read_ns[(size_t)slot * SCHEMA_GROUPS_MAX + g] : ended_ns;

		to[g] = read_ns;
	}
	k->row.read_ns = to;
	to += SCHEMA_GROUPS_MAX;
	memcpy(to, t->states + at, n);
	k->row.states = (uint8_t *)to;
	k->row.segment = segment_lock(segment);
	return 0;
}
