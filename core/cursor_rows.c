/* Rows given whole, as key frames and new rows are: the other side of put_rows() in builder_encode.c. Nothing in the bytes is
 * trusted: every slot, column, count and length is bounded before it is used. */
#include <errno.h>

#include "cursor_decode.h"
#include "format.h"

/* At its widest. */
static size_t row_size(const struct cursor_table *t)
{
	return sizeof(struct cursor_slot) + t->schema->ncolumns + ((size_t)t->columns.n + (size_t)t->ncounts * 2) * 9;
}

static int slots_reserve(struct cursor_table *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 16;

	if (n > FORMAT_ROWS_MAX || n * row_size(t) > CURSOR_TABLE_MAX)
		return -EBADMSG;
	if (n <= t->cap) {
		t->nslots = n > t->nslots ? n : t->nslots;
		return 0;
	}
	/* By a quarter: a thousand rows shouldn't take the room of two thousand. */
	while (cap < n)
		cap += cap / 4;
	if (!cursor_resize(&t->slots, t->cap, cap, sizeof(*t->slots)) ||
	    grid_reserve(&t->grid, (uint32_t)cap))
		return -ENOMEM;
	if (t->schema->nhists && !t->hists) {
		t->hists = calloc(1, sizeof(*t->hists) + (size_t)t->ncounts * 2 * sizeof(*t->hists->shown));
		if (!t->hists)
			return -ENOMEM;
		grid_init(&t->hists->now, t->ncounts, UINT32_MAX);
		grid_init(&t->hists->base, t->ncounts, UINT32_MAX);
	}
	if (t->hists && (grid_reserve(&t->hists->now, (uint32_t)cap) ||
			 (t->hists->base.nrows && grid_reserve(&t->hists->base, (uint32_t)cap))))
		return -ENOMEM;
	t->cap = cap;
	t->nslots = n;
	return 0;
}

int cursor_scratch_slots(struct cursor_scratch *s, size_t n)
{
	if (n <= s->slots_cap)
		return 0;
	if (!cursor_resize(&s->slots, s->slots_cap, n, sizeof(*s->slots)) ||
	    !cursor_resize(&s->row_patterns, s->slots_cap, n, sizeof(*s->row_patterns)))
		return -ENOMEM;
	s->slots_cap = n;
	return 0;
}

void cursor_scratch_finish(struct cursor_scratch *s)
{
	free(s->slots);
	free(s->numbers);
	free(s->row_patterns);
	free(s->masks);
	memset(s, 0, sizeof(*s));
}

int cursor_get_counts(struct rbuf *r, struct grid *g, uint32_t row, uint32_t first, uint32_t n)
{
	uint64_t differ = rbuf_bounded(r, n), at = 0;

	while (differ-- && !r->err) {
		at += rbuf_bounded(r, n);
		if (at >= n)
			return -EBADMSG;
		if (grid_set(g, row, first + (uint32_t)at, grid_get(g, row, first + (uint32_t)at) + (uint64_t)rbuf_zigzag(r)))
			return -ENOMEM;
		at++;
	}
	return r->err;
}

int cursor_get_patterns(struct rbuf *r, uint32_t ncolumns, const uint8_t **ret, size_t *ret_n)
{
	size_t n = rbuf_bounded(r, rbuf_left(r) / (ncolumns ? ncolumns : 1));
	const uint8_t *states = rbuf_bytes(r, n * ncolumns);

	for (size_t i = 0; states && i < n * ncolumns; i++) {
		if (states[i] > FORMAT_CELL_UNREAD)
			return -EBADMSG;
	}
	*ret = states;
	*ret_n = n;
	return r->err;
}

/* Those of rows that live: each has its number in the table from now on, with one reference held by the scratch. */
static int take_patterns(struct rbuf *r, struct cursor_table *t, struct cursor_scratch *s, size_t *ret_n)
{
	const uint8_t *states;
	int e = cursor_get_patterns(r, t->schema->ncolumns, &states, ret_n);

	if (e)
		return e;
	if (*ret_n > s->patterns_cap) {
		if (!cursor_resize(&s->numbers, s->patterns_cap, *ret_n, sizeof(*s->numbers)))
			return -ENOMEM;
		s->patterns_cap = *ret_n;
	}
	for (size_t i = 0; i < *ret_n; i++) {
		s->numbers[i] = cellstates_take(&t->cellstates, states + i * t->schema->ncolumns);
		if (s->numbers[i] == CELLSTATES_NONE)
			return -ENOMEM;
	}
	return 0;
}

static int get_row_head(struct rbuf *r, struct cursor_table *t, uint64_t *slot, uint64_t *serial)
{
	uint64_t flags, began_ns, since_ns;
	struct cursor_slot *s;
	int e;

	*slot += rbuf_bounded(r, FORMAT_ROWS_MAX);
	flags = rbuf_bounded(r, UINT32_MAX);
	if (r->err || *slot >= FORMAT_ROWS_MAX)
		return -EBADMSG;
	e = slots_reserve(t, *slot + 1);
	if (e)
		return e;
	s = &t->slots[*slot];
	*serial += (uint64_t)rbuf_zigzag(r);
	began_ns = t->sample_ns;
	if (flags & FORMAT_ROW_CONTINUES)
		began_ns -= rbuf_bounded(r, t->sample_ns);
	since_ns = began_ns;
	if (flags & FORMAT_ROW_BORN)
		since_ns -= rbuf_bounded(r, began_ns);
	cursor_slot_free(t, (uint32_t)*slot);
	*s = (struct cursor_slot){.states = CELLSTATES_NONE, .flags = (uint8_t)flags};
	grid_use(&t->grid, (uint32_t)*slot);
	if (t->hists)
		grid_use(&t->hists->now, (uint32_t)*slot);
	if (cursor_set(t, (uint32_t)*slot, t->columns.serial, (*serial)++) || cursor_set(t, (uint32_t)*slot, t->columns.began, began_ns) ||
	    cursor_set(t, (uint32_t)*slot, t->columns.since, since_ns))
		return -ENOMEM;
	if (!(t->schema->groups & ~1u))
		return r->err;
	s->stale = rbuf_u8(r);
	for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++) {
		uint64_t age = s->stale >> g & 1 ? rbuf_varint(r) : 0;

		/* Bits of groups that the table doesn't have mean nothing. */
		if (age && g < t->columns.based - t->columns.read &&
		    cursor_set(t, (uint32_t)*slot, t->columns.read + g, age - 1 <= t->sample_ns ? t->sample_ns - (age - 1) : 0))
			return -ENOMEM;
		if (!age && s->stale >> g & 1 && g < t->columns.based - t->columns.read &&
		    cursor_set(t, (uint32_t)*slot, t->columns.read + g, 0))
			return -ENOMEM;
	}
	return r->err;
}

int cursor_base_counts(struct cursor_table *t, uint32_t slot, const struct schema_column *column)
{
	uint32_t at = t->count_at[column->hist];

	if (grid_reserve(&t->hists->base, (uint32_t)t->cap))
		return -ENOMEM;
	grid_use(&t->hists->base, slot);
	grid_get_many(&t->hists->now, slot, at, column->bounds.count, t->hists->shown);
	return grid_set_many(&t->hists->base, slot, at, column->bounds.count, t->hists->shown);
}

static int get_bases(struct rbuf *r, struct cursor_table *t, uint32_t slot)
{
	struct cursor_slot *s = &t->slots[slot];
	int e = 0;

	s->based = rbuf_u8(r);
	for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX && !e; g++) {
		if (s->based >> g & 1)
			e = cursor_set_based(t, slot, g, t->sample_ns - rbuf_bounded(r, t->sample_ns));
	}
	for (uint32_t c = 0; c < t->schema->ncolumns && !e; c++) {
		const struct schema_column *column = &t->schema->columns[c];

		if (!(s->based >> column->group & 1))
			continue;
		if (column->role == CULPRIT_COUNTER) {
			e = cursor_set(t, slot, t->columns.base + column->counter, cell_get_after(r, column, cursor_cell(t, slot, c)));
		} else if (column->role == CULPRIT_HISTOGRAM) {
			e = cursor_base_counts(t, slot, column);
			e = e ? e : cursor_get_counts(r, &t->hists->base, slot, t->count_at[column->hist], column->bounds.count);
		}
	}
	return e ? e : r->err;
}

static int get_row_past(struct rbuf *r, struct cursor_table *t, uint32_t slot)
{
	const struct cursor_slot *s = &t->slots[slot];

	for (uint32_t c = 0; s->flags & FORMAT_ROW_DROPS && c < t->schema->ncolumns; c++) {
		const struct schema_column *column = &t->schema->columns[c];

		if (column->role == CULPRIT_COUNTER &&
		    cursor_set(t, slot, t->columns.drop + column->counter, cell_get_after(r, column, 0)))
			return -ENOMEM;
	}
	return s->flags & FORMAT_ROW_BASES ? get_bases(r, t, slot) : r->err;
}

/* Rows given whole. */
int cursor_get_rows(struct rbuf *r, struct cursor_table *t, struct cursor_scratch *scratch, bool keep,
		    struct segment *segment)
{
	const struct schema_table *schema = t->schema;
	size_t n = rbuf_bounded(r, rbuf_left(r)), npatterns = 0;
	uint64_t slot = 0, serial = 0;
	int e;

	if (!n)
		return r->err;
	e = cursor_scratch_slots(scratch, n);
	if (!e)
		e = take_patterns(r, t, scratch, &npatterns);
	for (size_t i = 0; i < n && !e; i++) {
		uint64_t pattern;

		e = get_row_head(r, t, &slot, &serial);
		pattern = rbuf_varint(r);
		if (!e && (r->err || pattern >= npatterns))
			e = -EBADMSG;
		if (e)
			return e;
		scratch->slots[i] = (uint32_t)slot;
		t->slots[slot].states = cellstates_share(&t->cellstates, scratch->numbers[pattern]);
		t->slots[slot++].live = true;
	}
	for (uint32_t c = 0; c < schema->ncolumns && !e; c++) {
		const struct schema_column *column = &schema->columns[c];
		uint64_t before = 0;

		for (size_t i = 0; i < n && !e; i++) {
			uint8_t state = cursor_states(t, scratch->slots[i])[c];

			if (state == FORMAT_CELL_ABSENT)
				continue;
			if (column->role == CULPRIT_HISTOGRAM && state == FORMAT_CELL_OK) {
				e = cursor_set(t, scratch->slots[i], c, 0);
				continue;
			}
			before = cell_get_after(r, column, before);
			e = cursor_set(t, scratch->slots[i], c, before);
		}
		e = e ? e : r->err;
	}
	for (size_t i = 0; i < npatterns && !e; i++)
		cellstates_drop(&t->cellstates, scratch->numbers[i]);
	for (size_t i = 0; i < n && !e; i++) {
		uint32_t s = scratch->slots[i];

		for (uint32_t h = 0; h < schema->nhists && !e; h++) {
			uint32_t c = schema->hist_columns[h], count = schema->columns[c].bounds.count;

			for (uint32_t k = 0; k < count && !e; k++)
				e = grid_set(&t->hists->now, s, t->count_at[h] + k, 0);
			if (!e && cursor_states(t, s)[c] == FORMAT_CELL_OK)
				e = cursor_get_counts(r, &t->hists->now, s, t->count_at[h], count);
		}
		if (!e)
			e = get_row_past(r, t, s);
	}
	for (size_t i = 0; i < n && !e; i++) {
		struct cursor_slot *s = &t->slots[scratch->slots[i]];

		/* The same slot twice: a damaged section. */
		if (!(s->flags & FORMAT_ROW_ENDED) || !s->live)
			continue;
		if (keep)
			e = cursor_keep_ended(t, scratch->slots[i], t->sample_ns, s->flags & FORMAT_ROW_FOLDED, segment);
		cursor_slot_free(t, scratch->slots[i]);
	}
	return e;
}
