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

enum {
	PIECE_MIN = 1 << 10,
	PIECE_MAX = (17 << 12) - 64, /* with what malloc() adds, whole pages of their own */
};

static void layout_drop(struct cursor_layout *l)
{
	if (l && !--l->refs)
		free(l);
}

static struct cursor_layout *layout_of(struct cursor_table *t)
{
	if (!t->layout) {
		t->layout = malloc(sizeof(*t->layout));
		if (!t->layout)
			return NULL;
		*t->layout = (struct cursor_layout){.refs = 1, .columns = t->columns};
	}
	t->layout->refs++;
	return t->layout;
}

/* Room for so many bytes behind those that are there. */
static struct cursor_piece *piece_for(struct cursor_list *l, size_t bytes)
{
	struct cursor_piece *p = l->newest;
	size_t size = p ? p->size * 2 + sizeof(*p) : PIECE_MIN;

	if (p && bytes <= p->size - p->used)
		return p;
	size = size > PIECE_MAX - sizeof(*p) ? PIECE_MAX - sizeof(*p) : size;
	size = size > bytes ? size : bytes;
	p = malloc(sizeof(*p) + size);
	if (!p)
		return NULL;
	*p = (struct cursor_piece){.size = size};
	*(l->newest ? &l->newest->next : &l->oldest) = p;
	l->newest = p;
	return p;
}

struct cursor_kept *cursor_list_add(struct cursor_list *l, struct cursor_table *t, size_t bytes)
{
	size_t size = (sizeof(struct cursor_kept) + bytes + 7) & ~(size_t)7;
	struct cursor_piece *p;
	struct cursor_kept *k;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct cursor_kept **items = realloc(l->items, cap * sizeof(*items));

		if (!items)
			return NULL;
		l->items = items;
		l->cap = cap;
	}
	p = piece_for(l, size);
	if (!p || !layout_of(t))
		return NULL;
	k = (struct cursor_kept *)(void *)((char *)p->memory + p->used);
	memset(k, 0, size);
	k->layout = t->layout;
	p->used += size;
	p->live++;
	l->items[l->n++] = k;
	return k;
}

void cursor_list_drop(struct cursor_list *l)
{
	struct cursor_kept *k = l->items[l->first++];
	struct cursor_piece *p = l->oldest;

	segment_unlock(k->row.segment);
	layout_drop(k->layout);
	/* A piece that is empty may stand before it: there was no memory for what it was made for. */
	while (!p->live) {
		l->oldest = p->next;
		free(p);
		p = l->oldest;
	}
	if (!--p->live) {
		l->oldest = p->next;
		l->newest = l->oldest ? l->newest : NULL;
		free(p);
	}
	if (l->first > 64 && l->first * 2 > l->n) {
		memmove(l->items, l->items + l->first, (l->n - l->first) * sizeof(*l->items));
		l->n -= l->first;
		l->first = 0;
	}
}

void cursor_list_finish(struct cursor_list *l)
{
	while (l->first < l->n)
		cursor_list_drop(l);
	while (l->oldest) {
		struct cursor_piece *next = l->oldest->next;

		free(l->oldest);
		l->oldest = next;
	}
	free(l->items);
	memset(l, 0, sizeof(*l));
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
	layout_drop(t->layout);
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

static bool is_wide(uint64_t number)
{
	return number > UINT32_MAX;
}

/* Words that the numbers take: a bit for each that is not 0, one for each that needs eight bytes, then those in four or eight. */
static size_t packed_words(const struct grid *g, uint32_t row)
{
	size_t fours = 0;

	for (uint32_t c = 0; c < g->ncolumns; c++) {
		uint64_t number = grid_get(g, row, c);

		fours += (number != 0) + is_wide(number);
	}
	return ((g->ncolumns + 63) / 64) * 2 + (fours + 1) / 2;
}

static uint64_t *put_packed(uint64_t **at, const struct grid *g, uint32_t row, size_t words)
{
	size_t masks = (g->ncolumns + 63) / 64;
	uint64_t *packed = *at;
	uint32_t *to = (uint32_t *)(void *)(packed + 2 * masks);

	for (uint32_t c = 0; c < g->ncolumns; c++) {
		uint64_t number = grid_get(g, row, c);

		if (!number)
			continue;
		packed[c / 64] |= (uint64_t)1 << c % 64;
		*to++ = (uint32_t)number;
		if (!is_wide(number))
			continue;
		packed[masks + c / 64] |= (uint64_t)1 << c % 64;
		*to++ = (uint32_t)(number >> 32);
	}
	*at += words;
	return packed;
}

int cursor_keep_ended(struct cursor_table *t, uint32_t slot, uint64_t ended_ns, bool folded, struct segment *segment)
{
	const struct cursor_slot *s = &t->slots[slot];
	bool base_counts = s->based && t->hists && t->hists->base.nrows;
	size_t packed = packed_words(&t->grid, slot), words = packed;
	struct cursor_kept *k;
	uint64_t *to;

	/* Two in three of its numbers are 0, of counts most. */
	if (t->hists)
		words += present_words(&t->hists->now, slot) + (base_counts ? present_words(&t->hists->base, slot) : 0);
	k = cursor_list_add(&t->ended, t, words * 8 + t->schema->ncolumns);
	if (!k)
		return -ENOMEM;
	to = k->memory;
	k->ncounts = t->ncounts;
	k->row = (struct row){
		.serial = grid_get(&t->grid, slot, t->columns.serial),
		.ended_ns = ended_ns,
		.born = s->flags & FORMAT_ROW_BORN,
		.folds = s->flags & FORMAT_ROW_FOLD,
		.folded = folded,
		.dropped = s->flags & FORMAT_ROW_DROPS,
		.stale = s->stale,
		.based = s->based,
		.slot = slot,
		/* Its last values are as of the sample before it was missed: at the latest now. */
		.sample_ns = ended_ns,
		.packed = put_packed(&to, &t->grid, slot, packed),
		.columns = &k->layout->columns,
		.segment = segment_lock(segment),
	};
	if (k->row.born || s->based & 1) {
		k->row.began_ns = grid_get(&t->grid, slot, t->columns.began);
		k->row.since_ns = k->row.began_ns ? grid_get(&t->grid, slot, t->columns.since) : 0;
	}
	if (t->hists)
		k->counts = (uint32_t)(put_present(&to, &t->hists->now, slot) - k->memory);
	if (base_counts)
		k->base_counts = (uint32_t)(put_present(&to, &t->hists->base, slot) - k->memory);
	memcpy(to, cursor_states(t, slot), t->schema->ncolumns);
	k->row.states = (uint8_t *)to;
	return 0;
}
