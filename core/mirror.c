#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum { CHANGES_SPARE = 1024, EVENTS_SPARE = 512, SLOTS_SPARE = 1024 }; /* less than that is not worth giving back */

int mirror_init(struct mirror *m, const struct schema_table *t)
{
	uint32_t words = (t->ncolumns + 63) / 64;

	memset(m, 0, sizeof(*m));
	m->schema = t;
	m->ncolumns = t->ncolumns;
	m->columns = row_columns_of(t);
	m->had_ok = m->columns.n;
	grid_init(&m->grid, m->columns.n + words, m->columns.base);
	cellstates_init(&m->cellstates, t->ncolumns);
	m->row_cells = calloc(t->ncolumns, sizeof(*m->row_cells));
	m->row_states = calloc(t->ncolumns, 1);
	m->merged_states = calloc(t->ncolumns, 1);
	m->count_at = calloc(t->nhists + 1, sizeof(*m->count_at));
	if (!m->row_cells || !m->row_states || !m->merged_states || !m->count_at)
		goto fail;
	for (uint32_t i = 0; i < t->nhists; i++) {
		m->count_at[i] = m->ncounts;
		m->ncounts += t->columns[t->hist_columns[i]].bounds.count;
	}
	m->row_counts = calloc(m->ncounts + 1, sizeof(*m->row_counts));
	m->shown = calloc((size_t)m->ncounts * 2 + 1, sizeof(*m->shown));
	if (!m->row_counts || !m->shown)
		goto fail;
	grid_init(&m->counts, m->ncounts, UINT32_MAX);
	grid_init(&m->base_counts, m->ncounts, UINT32_MAX);
	for (uint32_t c = 0; c < t->ncolumns; c++) {
		mask_set(m->group_columns[t->columns[c].group], c);
		if (t->columns[c].role == CULPRIT_COUNTER || t->columns[c].role == CULPRIT_HISTOGRAM)
			mask_set(m->counting_columns, c);
	}
	m->folds = t->fold_by >= 0;
	m->thinning = 1;
	return 0;
fail:
	mirror_finish(m);
	return -ENOMEM;
}

void mirror_finish(struct mirror *m)
{
	free(m->slots);
	grid_finish(&m->grid);
	cellstates_finish(&m->cellstates);
	free(m->changes);
	grid_finish(&m->counts);
	grid_finish(&m->base_counts);
	free(m->sealed_at);
	free(m->sealed);
	free(m->shown);
	free(m->count_at);
	free(m->index);
	free(m->written);
	free(m->row_cells);
	free(m->row_states);
	free(m->merged_states);
	free(m->row_counts);
	free(m->event_cells);
	free(m->event_states);
	memset(m, 0, sizeof(*m));
}

size_t mirror_memory(const struct mirror *m)
{
	size_t row = sizeof(struct slot) + (m->ncounts ? sizeof(*m->sealed_at) : 0);

	return m->cap * row + grid_memory(&m->grid) + grid_memory(&m->counts) + grid_memory(&m->base_counts) +
	       (size_t)m->sealed_cap * m->ncounts * 8 + cellstates_memory(&m->cellstates) +
	       (size_t)m->changes_cap * sizeof(*m->changes) + (size_t)m->index_cap * 4 + (size_t)m->written_cap * 4 +
	       (size_t)m->events_cap * m->ncolumns * 9;
}

/* Resizes one array of `cap` rows of `width` elements; new elements are zero. */
static bool resize(void *array, uint32_t old_cap, uint32_t cap, size_t width, size_t size)
{
	void **p = array;
	size_t row, n;
	char *q;

	if (!width)
		return true;
	if (!size_mul(width, size, &row) || !size_mul(row, cap, &n))
		return false;
	q = realloc(*p, n);
	if (!q)
		return false;
	memset(q + row * old_cap, 0, row * (cap - old_cap));
	*p = q;
	return true;
}

static int reindex(struct mirror *m, uint32_t cap);

static int grow(struct mirror *m)
{
	/* By a quarter: a thousand rows shouldn't take the room of two thousand. */
	uint32_t old = m->cap, cap = old ? old + old / 4 : 16;

	if (cap > FORMAT_ROWS_MAX)
		return -E2BIG;
	if (!resize(&m->slots, old, cap, 1, sizeof(*m->slots)) || grid_reserve(&m->grid, cap) ||
	    (m->ncounts && (!resize(&m->sealed_at, old, cap, 1, sizeof(*m->sealed_at)) || grid_reserve(&m->counts, cap) ||
			    (m->base_counts.nrows && grid_reserve(&m->base_counts, cap)))))
		return -ENOMEM;
	m->cap = cap;
	for (cap = 32; cap < m->cap + m->cap / 2; cap *= 2)
		;
	return cap > m->index_cap ? reindex(m, cap) : 0;
}

static uint64_t hash_more(uint64_t h, uint64_t cell)
{
	h = (h ^ cell) * 0x9fb21c651e98df25u;
	return h ^ h >> 32;
}

static uint32_t key_hash(const struct mirror *m, const uint64_t *cells)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < m->schema->nkeys; i++)
		h = hash_more(h, cells[m->schema->keys[i]]);
	return (uint32_t)h;
}

static uint32_t slot_hash(const struct mirror *m, uint32_t slot)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < m->schema->nkeys; i++)
		h = hash_more(h, mirror_number(m, slot, m->schema->keys[i]));
	return (uint32_t)h;
}

static bool key_equal(const struct mirror *m, uint32_t slot, const uint64_t *cells)
{
	for (uint32_t i = 0; i < m->schema->nkeys; i++) {
		if (mirror_number(m, slot, m->schema->keys[i]) != cells[m->schema->keys[i]])
			return false;
	}
	return true;
}

enum { GAP = 8 };

/* Those of the index: rows that ended in this frame have left it. */
static bool is_indexed(const struct mirror *m, uint32_t slot)
{
	return (m->slots[slot].flags & (SLOT_LIVE | SLOT_GONE)) == SLOT_LIVE;
}

static void index_put(struct mirror *m, uint32_t slot)
{
	uint32_t i = slot_hash(m, slot) & (m->index_cap - 1);

	while (m->index[i])
		i = (i + 1) & (m->index_cap - 1);
	m->index[i] = slot + 1;
}

static void index_remove(struct mirror *m, uint32_t slot)
{
	uint32_t mask = m->index_cap - 1, i = slot_hash(m, slot) & mask, hole;

	while (m->index[i] && m->index[i] != slot + 1)
		i = (i + 1) & mask;
	if (!m->index[i])
		return;
	/* Close the gap: move back what would no longer be found. */
	hole = i;
	for (i = (i + 1) & mask; m->index[i]; i = (i + 1) & mask) {
		uint32_t home = slot_hash(m, m->index[i] - 1) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->index[hole] = m->index[i];
			hole = i;
		}
	}
	m->index[hole] = 0;
}

static int reindex(struct mirror *m, uint32_t cap)
{
	uint32_t *index = calloc(cap, sizeof(*index));

	if (!index)
		return -ENOMEM;
	free(m->index);
	m->index = index;
	m->index_cap = cap;
	for (uint32_t s = 0; s < m->nslots; s++) {
		if (is_indexed(m, s))
			index_put(m, s);
	}
	return 0;
}

uint32_t mirror_find(struct mirror *m, const uint64_t *cells)
{
	uint32_t i, mask = m->index_cap - 1;

	if (!m->index_cap)
		return UINT32_MAX;
	/* Anywhere else in a large table is a place that no cache holds. Where many in a row have ended, it is not searched for. */
	for (i = 0; i < GAP && m->guess < m->nslots && !is_indexed(m, m->guess); i++)
		m->guess++;
	if (m->guess < m->nslots && is_indexed(m, m->guess) && key_equal(m, m->guess, cells))
		return m->guess++;
	for (i = key_hash(m, cells) & mask; m->index[i]; i = (i + 1) & mask) {
		if (key_equal(m, m->index[i] - 1, cells)) {
			m->guess = m->index[i];
			return m->index[i] - 1;
		}
	}
	return UINT32_MAX;
}

uint32_t mirror_take(struct mirror *m, const uint64_t *cells)
{
	uint32_t slot, states, words = (m->ncolumns + 63) / 64;
	int err = 0;

	if (!m->free_slot && m->nslots == m->cap && grow(m))
		return UINT32_MAX;
	memset(m->merged_states, FORMAT_CELL_ABSENT, m->ncolumns);
	for (uint32_t i = 0; i < m->schema->nkeys; i++)
		m->merged_states[m->schema->keys[i]] = FORMAT_CELL_OK;
	states = cellstates_take(&m->cellstates, m->merged_states);
	if (states == CELLSTATES_NONE)
		return UINT32_MAX;
	slot = m->free_slot ? m->free_slot - 1 : m->nslots++;
	if (m->free_slot)
		m->free_slot = m->slots[slot].fold;
	m->slots[slot] = (struct slot){
		.states = states,
		.sealed_states = CELLSTATES_NONE,
		.flags = SLOT_LIVE | SLOT_NEW | SLOT_TOUCHED,
		.fold = UINT32_MAX,
	};
	grid_use(&m->grid, slot);
	for (uint32_t i = 0; i < m->schema->nkeys; i++)
		err |= grid_set(&m->grid, slot, m->schema->keys[i], cells[m->schema->keys[i]]);
	err |= grid_set(&m->grid, slot, m->columns.serial, ++m->next_serial);
	err |= grid_set(&m->grid, slot, m->columns.began, m->sample_ns);
	err |= grid_set(&m->grid, slot, m->columns.since, m->sample_ns);
	for (uint32_t w = 0; w < words; w++)
		err |= grid_set(&m->grid, slot, m->had_ok + w, 0);
	if (m->ncounts) {
		grid_use(&m->counts, slot);
		for (uint32_t i = 0; i < m->ncounts; i++)
			err |= grid_set(&m->counts, slot, i, 0);
	}
	m->live++;
	if (err) {
		m->slots[slot].flags |= SLOT_GONE; /* it is in no index */
		mirror_release(m, slot);
		return UINT32_MAX;
	}
	index_put(m, slot);
	return slot;
}

/* The slot is empty, and the first to be taken. */
static void slot_free(struct mirror *m, uint32_t slot)
{
	struct slot *s = &m->slots[slot];

	cellstates_drop(&m->cellstates, s->states);
	cellstates_drop(&m->cellstates, s->sealed_states);
	grid_leave(&m->grid, slot);
	if (m->ncounts) {
		grid_leave(&m->counts, slot);
		m->sealed_at[slot] = 0;
	}
	if (m->base_counts.nrows)
		grid_leave(&m->base_counts, slot);
	*s = (struct slot){.states = CELLSTATES_NONE, .sealed_states = CELLSTATES_NONE, .fold = m->free_slot};
	m->free_slot = slot + 1;
	m->live--;
}

void mirror_release(struct mirror *m, uint32_t slot)
{
	if (!(m->slots[slot].flags & SLOT_GONE))
		index_remove(m, slot);
	slot_free(m, slot);
}

void mirror_end(struct mirror *m, uint32_t slot)
{
	index_remove(m, slot);
	m->slots[slot].flags |= SLOT_GONE;
}

static const uint64_t *counts_show(const struct mirror *m, const struct grid *g, uint32_t slot, uint32_t hist, uint64_t *shown)
{
	uint64_t *to = shown + m->count_at[hist];

	grid_get_many(g, slot, m->count_at[hist], m->schema->columns[m->schema->hist_columns[hist]].bounds.count, to);
	return to;
}

const uint64_t *mirror_counts(const struct mirror *m, uint32_t slot, uint32_t hist)
{
	return counts_show(m, &m->counts, slot, hist, m->shown);
}

const uint64_t *mirror_base_counts(const struct mirror *m, uint32_t slot, uint32_t hist)
{
	return counts_show(m, &m->base_counts, slot, hist, m->shown + m->ncounts);
}

const uint64_t *mirror_sealed_counts(const struct mirror *m, uint32_t slot, uint32_t hist)
{
	if (!m->sealed_at[slot])
		return mirror_counts(m, slot, hist);
	return m->sealed + (size_t)(m->sealed_at[slot] - 1) * m->ncounts + m->count_at[hist];
}

/* By how much a counter fell, in its own type; 0: it did not. */
static uint64_t counter_fall(unsigned type, uint64_t old, uint64_t now, uint64_t drop)
{
	if (type == CULPRIT_F64) {
		double a, b, d;

		memcpy(&a, &old, 8);
		memcpy(&b, &now, 8);
		memcpy(&d, &drop, 8);
		if (!(b < a))
			return drop;
		d += a - b;
		memcpy(&drop, &d, 8);
		return drop;
	}
	if (type == CULPRIT_I64 ? (int64_t)now < (int64_t)old : now < old)
		return drop + (old - now);
	return drop;
}

/* --- changes since the last frame --- */

const struct mirror_change *mirror_changed(const struct mirror *m, uint32_t slot, uint32_t column)
{
	const struct mirror_change *c = mirror_change(m, m->slots[slot].first);

	while (c && c->column < column)
		c = mirror_change(m, c->next);
	return c && c->column == column ? c : NULL;
}

/* Notes what the cell was, once a frame; cells come mostly in the order of their columns. */
static int change_note(struct mirror *m, uint32_t slot, uint32_t column, uint64_t sealed)
{
	struct slot *s = &m->slots[slot];
	uint32_t before = s->last, at;

	if (before && m->changes[before - 1].column >= column) {
		before = 0;
		for (at = s->first; at && m->changes[at - 1].column < column; at = m->changes[at - 1].next)
			before = at;
		if (at && m->changes[at - 1].column == column)
			return 0;
	}
	if (m->nchanges == m->changes_cap) {
		uint32_t cap = m->changes_cap ? m->changes_cap + m->changes_cap / 2 : 64;
		struct mirror_change *changes = realloc(m->changes, cap * sizeof(*changes));

		if (!changes)
			return -ENOMEM;
		m->changes = changes;
		m->changes_cap = cap;
	}
	at = ++m->nchanges;
	m->changes[at - 1] = (struct mirror_change){
		.sealed = sealed,
		.column = column,
		.next = before ? m->changes[before - 1].next : s->first,
	};
	*(before ? &m->changes[before - 1].next : &s->first) = at;
	if (!m->changes[at - 1].next)
		s->last = at;
	return 0;
}

/* From now on its states are these. */
static void states_become(struct mirror *m, uint32_t slot, const uint8_t *states)
{
	struct slot *s = &m->slots[slot];
	uint32_t number = cellstates_take(&m->cellstates, states);

	if (number == CELLSTATES_NONE) {
		m->err = -ENOMEM;
		return;
	}
	if (s->sealed_states == CELLSTATES_NONE && !(s->flags & SLOT_NEW))
		s->sealed_states = s->states; /* its reference goes with it */
	else
		cellstates_drop(&m->cellstates, s->states);
	s->states = number;
}

/* One cell of a row whose states will be set after; true: the state is another one. */
static bool cell_become(struct mirror *m, uint32_t slot, uint32_t column, uint8_t old, uint8_t state, uint64_t cell)
{
	uint64_t before = old == FORMAT_CELL_ABSENT ? 0 : mirror_number(m, slot, column);

	if (old == state && before == cell)
		return false;
	if (!(m->slots[slot].flags & SLOT_NEW) && change_note(m, slot, column, before)) {
		m->err = -ENOMEM;
		return false;
	}
	if (state != FORMAT_CELL_ABSENT && grid_set(&m->grid, slot, column, cell))
		m->err = -ENOMEM;
	m->slots[slot].flags |= SLOT_TOUCHED;
	return old != state;
}

void mirror_set(struct mirror *m, uint32_t slot, uint32_t column, uint8_t state, uint64_t cell)
{
	if (!cell_become(m, slot, column, mirror_states(m, slot)[column], state, cell))
		return;
	memcpy(m->merged_states, mirror_states(m, slot), m->ncolumns);
	m->merged_states[column] = state;
	states_become(m, slot, m->merged_states);
}

int mirror_base(struct mirror *m, uint32_t slot, uint8_t groups)
{
	struct slot *s = &m->slots[slot];

	if (m->ncounts) {
		if (grid_reserve(&m->base_counts, m->cap))
			return -ENOMEM;
		grid_use(&m->base_counts, slot);
	}
	for (uint32_t c = 0; c < m->ncolumns; c++) {
		const struct schema_column *column = &m->schema->columns[c];

		if (!(groups >> column->group & 1) || !mask_has(m->counting_columns, c))
			continue;
		if (column->role == CULPRIT_COUNTER &&
		    grid_set(&m->grid, slot, m->columns.base + column->counter, mirror_cell(m, slot, c)))
			return -ENOMEM;
		if (column->role == CULPRIT_HISTOGRAM &&
		    grid_set_many(&m->base_counts, slot, m->count_at[column->hist], column->bounds.count,
				  mirror_counts(m, slot, column->hist)))
			return -ENOMEM;
	}
	for (uint32_t g = 0; g < m->columns.n - m->columns.based; g++) {
		if (groups >> g & 1 && grid_set(&m->grid, slot, m->columns.based + g, m->sample_ns))
			return -ENOMEM;
	}
	s->based |= groups;
	s->based_now |= groups;
	return 0;
}

/* First value read is the base, except where counting began at 0, or at the table's own first sample: no window begins
 * before that. */
static int settle_bases(struct mirror *m, uint32_t slot)
{
	struct slot *s = &m->slots[slot];
	const uint8_t *states = mirror_states(m, slot);
	bool first = m->sample_ns == m->first_sample_ns;
	uint8_t groups = s->flags & SLOT_NEW ? 1 : 0;

	for (uint32_t w = 0; w < (m->ncolumns + 63) / 64; w++) {
		uint64_t had = mirror_number(m, slot, m->had_ok + w), has = had, columns = m->counting_columns[w] & ~had;

		for (; columns; columns &= columns - 1) {
			uint32_t c = w * 64 + (uint32_t)__builtin_ctzll(columns);

			if (states[c] != FORMAT_CELL_OK)
				continue;
			has |= columns & -columns;
			groups |= (uint8_t)(1u << m->schema->columns[c].group);
		}
		if (has != had && grid_set(&m->grid, slot, m->had_ok + w, has))
			return -ENOMEM;
	}
	if (s->flags & SLOT_SHOW)
		return mirror_base(m, slot, m->schema->groups);
	return groups && !first && !(s->flags & SLOT_BORN) ? mirror_base(m, slot, groups) : 0;
}

static int note_fall(struct mirror *m, uint32_t slot, const struct schema_column *column, uint64_t sealed, uint64_t now)
{
	struct slot *s = &m->slots[slot];
	uint32_t at = m->columns.drop + column->counter;
	uint64_t before = s->flags & SLOT_DROPPED ? mirror_number(m, slot, at) : 0;
	uint64_t drop = counter_fall(column->type, sealed, now, before);

	if (drop == before)
		return 0;
	for (uint32_t k = 0; k < m->schema->ncounters && !(s->flags & SLOT_DROPPED); k++) {
		if (grid_set(&m->grid, slot, m->columns.drop + k, 0))
			return -ENOMEM;
	}
	s->flags |= SLOT_DROPPED;
	return grid_set(&m->grid, slot, at, drop);
}

static int settle_falls(struct mirror *m, uint32_t slot)
{
	const uint8_t *states = mirror_states(m, slot), *sealed = mirror_sealed_states(m, slot);
	int r = 0;

	for (const struct mirror_change *k = mirror_change(m, m->slots[slot].first); k && !r; k = mirror_change(m, k->next)) {
		const struct schema_column *column = &m->schema->columns[k->column];

		if (column->role == CULPRIT_COUNTER && states[k->column] == FORMAT_CELL_OK &&
		    sealed[k->column] == FORMAT_CELL_OK)
			r = note_fall(m, slot, column, k->sealed, mirror_number(m, slot, k->column));
	}
	return r;
}

/* The row in this slot is written from now on. */
static int number_take(struct mirror *m, uint32_t slot)
{
	uint32_t number;

	if (m->free_number) {
		number = m->free_number - 1;
		m->free_number = m->written[number] & ~WRITTEN_FREE;
	} else {
		if (m->nwritten == m->written_cap) {
			uint32_t cap = m->written_cap + m->written_cap / 4 + 16;

			if (!resize(&m->written, m->written_cap, cap, 1, sizeof(*m->written)))
				return -ENOMEM;
			m->written_cap = cap;
		}
		number = m->nwritten++;
	}
	m->written[number] = slot;
	m->slots[slot].flags |= SLOT_WRITTEN;
	return 0;
}

static void number_free(struct mirror *m, uint32_t number)
{
	m->written[number] = WRITTEN_FREE | m->free_number;
	m->free_number = number + 1;
}

/* Numbers of rows that have ended, or went into a folded row, are free after the frame that says so. */
static void numbers_sealed(struct mirror *m)
{
	for (uint32_t n = 0; n < m->nwritten; n++) {
		struct slot *s = m->written[n] & WRITTEN_FREE ? NULL : &m->slots[m->written[n]];

		if (!s || ((s->flags & (SLOT_LIVE | SLOT_WRITTEN)) == (SLOT_LIVE | SLOT_WRITTEN) && slot_is_shown(s)))
			continue;
		s->flags &= ~(uint32_t)SLOT_WRITTEN;
		number_free(m, n);
	}
}

/* Those behind the last that is taken go; the least free one is taken first. */
static void numbers_shrink(struct mirror *m)
{
	uint32_t *written;

	while (m->nwritten && m->written[m->nwritten - 1] & WRITTEN_FREE)
		m->nwritten--;
	m->free_number = 0;
	for (uint32_t n = m->nwritten; n > 0; n--) {
		if (m->written[n - 1] & WRITTEN_FREE)
			number_free(m, n - 1);
	}
	if (m->written_cap < SLOTS_SPARE || m->nwritten + 16 > m->written_cap / 4)
		return;
	written = realloc(m->written, (m->nwritten + 16) * sizeof(*written));
	if (written) {
		m->written = written;
		m->written_cap = m->nwritten + 16;
	}
}

int mirror_settle(struct mirror *m)
{
	int r = m->err;

	m->err = 0;
	for (uint32_t i = 0; i < m->nslots && !r; i++) {
		const struct slot *s = &m->slots[i];

		if (m->folds && !(s->flags & SLOT_WRITTEN) && slot_is_shown(s))
			r = number_take(m, i);
		if ((s->flags & (SLOT_LIVE | SLOT_TOUCHED)) != (SLOT_LIVE | SLOT_TOUCHED))
			continue;
		if (!r && !(s->flags & SLOT_NEW))
			r = settle_falls(m, i);
		if (!r)
			r = settle_bases(m, i);
	}
	return r;
}

/* Keeps the row's counts as they were sealed, once a frame. */
static int counts_note(struct mirror *m, uint32_t slot)
{
	if (m->sealed_at[slot])
		return 0;
	if (m->nsealed == m->sealed_cap) {
		uint32_t cap = m->sealed_cap + m->sealed_cap / 2 + 4;

		if (!resize(&m->sealed, m->sealed_cap, cap, m->ncounts, sizeof(*m->sealed)))
			return -ENOMEM;
		m->sealed_cap = cap;
	}
	grid_get_many(&m->counts, slot, 0, m->ncounts, m->sealed + (size_t)m->nsealed * m->ncounts);
	m->sealed_at[slot] = ++m->nsealed;
	return 0;
}

/* Counts of a histogram that was put. */
static void merge_counts(struct mirror *m, uint32_t slot, uint32_t column)
{
	const struct schema_column *c = &m->schema->columns[column];
	const uint64_t *from = m->row_counts + m->count_at[c->hist];

	if (!memcmp(mirror_counts(m, slot, c->hist), from, c->bounds.count * sizeof(*from)))
		return;
	m->slots[slot].flags |= SLOT_TOUCHED;
	/* The cell itself stays as it is: that it is noted says that the counts differ. */
	if (!(m->slots[slot].flags & SLOT_NEW) &&
	    (counts_note(m, slot) || change_note(m, slot, column, mirror_cell(m, slot, column))))
		m->err = -ENOMEM;
	if (grid_set_many(&m->counts, slot, m->count_at[c->hist], c->bounds.count, from))
		m->err = -ENOMEM;
}

/* The cells that were put. Returns the groups of these. */
static uint8_t merge_cells(struct mirror *m, uint32_t slot, bool again)
{
	uint8_t groups = 1;
	bool states_differ = false;

	for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++) {
		for (uint32_t w = 0; w < SCHEMA_MASK_WORDS; w++) {
			if (m->group_columns[g][w] & m->row_put[w])
				groups |= (uint8_t)(1u << g);
		}
	}
	memcpy(m->merged_states, mirror_states(m, slot), m->ncolumns);
	for (uint32_t w = 0; w < SCHEMA_MASK_WORDS; w++) {
		uint64_t columns = again ? m->row_put[w] : m->group_columns[0][w];

		for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++)
			columns |= groups >> g & 1 ? m->group_columns[g][w] : 0;
		for (; columns; columns &= columns - 1) {
			uint32_t c = w * 64 + (uint32_t)__builtin_ctzll(columns);
			uint8_t state = mask_has(m->row_put, c) ? m->row_states[c] : FORMAT_CELL_ABSENT;

			if (m->schema->columns[c].role == CULPRIT_HISTOGRAM && state == FORMAT_CELL_OK)
				merge_counts(m, slot, c);
			if (!cell_become(m, slot, c, m->merged_states[c], state, state ? m->row_cells[c] : 0))
				continue;
			m->merged_states[c] = state;
			states_differ = true;
		}
	}
	if (states_differ)
		states_become(m, slot, m->merged_states);
	return groups;
}

void mirror_merge(struct mirror *m, uint32_t slot, bool again, uint8_t kept)
{
	struct slot *s = &m->slots[slot];
	uint8_t groups = 1, stale;
	uint64_t any = 0;

	for (uint32_t w = 0; w < SCHEMA_MASK_WORDS; w++)
		any |= m->row_put[w];
	/* Most rows are as they were. */
	if (any || !again)
		groups = merge_cells(m, slot, again);
	/* What is not read now was read last in the sample before; of a new row never. */
	stale = (uint8_t)(m->schema->groups & ~(groups | kept));
	for (uint32_t g = 1; g < m->columns.based - m->columns.read; g++) {
		uint64_t last_ns = s->flags & SLOT_NEW ? 0 : m->last_sample_ns;

		if (stale >> g & 1 && (s->flags & SLOT_NEW || !(s->stale >> g & 1)) &&
		    grid_set(&m->grid, slot, m->columns.read + g, last_ns))
			m->err = -ENOMEM;
	}
	s->stale = stale;
	s->flags |= SLOT_SEEN;
}

static void restore(struct mirror *m, uint32_t slot)
{
	struct slot *s = &m->slots[slot];

	for (const struct mirror_change *k = mirror_change(m, s->first); k; k = mirror_change(m, k->next)) {
		/* It held that value before: it may need more room again, and where there is none it shows the newer one. */
		if (mirror_sealed_states(m, slot)[k->column] != FORMAT_CELL_ABSENT &&
		    grid_set(&m->grid, slot, k->column, k->sealed))
			m->err = -ENOMEM;
	}
	if (s->sealed_states != CELLSTATES_NONE) {
		cellstates_drop(&m->cellstates, s->states);
		s->states = s->sealed_states;
		s->sealed_states = CELLSTATES_NONE;
	}
	s->first = s->last = 0;
	if (m->ncounts && m->sealed_at[slot]) {
		if (grid_set_many(&m->counts, slot, 0, m->ncounts, m->sealed + (size_t)(m->sealed_at[slot] - 1) * m->ncounts))
			m->err = -ENOMEM;
		m->sealed_at[slot] = 0;
	}
	s->stale = s->sealed_stale;
	s->flags &= ~(uint32_t)(SLOT_SEEN | SLOT_TOUCHED);
}

void mirror_rollback(struct mirror *m)
{
	for (uint32_t i = 0; i < m->nslots; i++) {
		struct slot *s = &m->slots[i];

		if (!(s->flags & SLOT_LIVE))
			continue;
		if (s->flags & SLOT_NEW)
			mirror_release(m, i);
		else
			restore(m, i);
	}
	m->nchanges = m->nsealed = 0;
	m->events_peak = m->nevents > m->events_peak ? m->nevents : m->events_peak;
	m->nevents = m->events_before;
}

/* Room for half as many changes again as of late: the first frames, and a storm, have many times what follows. */
static void changes_fit(struct mirror *m)
{
	uint32_t faded = m->changes_peak - m->changes_peak / 4, want;
	struct mirror_change *changes;

	m->changes_peak = m->nchanges > faded ? m->nchanges : faded;
	want = m->changes_peak + m->changes_peak / 2 + CHANGES_SPARE;
	changes = m->changes_cap / 2 > want ? realloc(m->changes, want * sizeof(*changes)) : NULL;
	if (changes) {
		m->changes = changes;
		m->changes_cap = want;
	}
}

void mirror_sealed(struct mirror *m)
{
	for (uint32_t i = 0; i < m->nslots; i++) {
		struct slot *s = &m->slots[i];

		if (!(s->flags & SLOT_LIVE))
			continue;
		if (s->flags & SLOT_GONE) {
			slot_free(m, i);
			continue;
		}
		if (m->ncounts)
			m->sealed_at[i] = 0;
		cellstates_drop(&m->cellstates, s->sealed_states);
		s->sealed_states = CELLSTATES_NONE;
		s->first = s->last = 0;
		s->sealed_stale = s->stale;
		s->based_now = 0;
		s->flags &= ~(uint32_t)(SLOT_NEW | SLOT_TOUCHED | SLOT_SEEN | SLOT_HIDE | SLOT_SHOW);
	}
	if (m->folds)
		numbers_sealed(m);
	changes_fit(m);
	m->nchanges = m->nsealed = 0;
	m->nevents = m->events_before = 0;
	m->mentioned = m->begun = m->sampled = false;
	m->lost = m->cost_ns = 0;
	m->reason = 0;
}

/* Slots behind the last row that is left go, where those are most. Rows stay where they are: collectors have their slots. */
static void shrink(struct mirror *m)
{
	uint32_t n = m->nslots, cap, index = 32;
	struct slot *slots;

	while (n && !(m->slots[n - 1].flags & SLOT_LIVE))
		n--;
	cap = n + n / 4 + 16;
	if (m->cap < SLOTS_SPARE || cap > m->cap / 4)
		return;
	m->nslots = n;
	m->free_slot = 0;
	for (uint32_t s = n; s > 0; s--) {
		if (m->slots[s - 1].flags & SLOT_LIVE)
			continue;
		m->slots[s - 1].fold = m->free_slot;
		m->free_slot = s;
	}
	slots = realloc(m->slots, cap * sizeof(*slots));
	m->slots = slots ? slots : m->slots;
	if (m->ncounts) {
		uint32_t *sealed_at = realloc(m->sealed_at, cap * sizeof(*sealed_at));

		m->sealed_at = sealed_at ? sealed_at : m->sealed_at;
	}
	grid_shrink(&m->grid, cap);
	grid_shrink(&m->counts, cap);
	grid_shrink(&m->base_counts, cap);
	m->cap = cap;
	while (index < cap + cap / 2)
		index *= 2;
	(void)!reindex(m, index);
}

void mirror_tighten(struct mirror *m)
{
	uint32_t want;

	shrink(m);
	if (m->folds)
		numbers_shrink(m);
	grid_tighten(&m->grid);
	grid_tighten(&m->counts);
	grid_tighten(&m->base_counts);
	/* Room for a storm of events is not needed again soon. */
	want = m->events_peak * 2 + EVENTS_SPARE;
	if (m->events_cap > 2 * want && !m->nevents) {
		uint64_t *cells = realloc(m->event_cells, (size_t)want * m->ncolumns * sizeof(*cells));
		uint8_t *states = realloc(m->event_states, (size_t)want * m->ncolumns);

		m->event_cells = cells ? cells : m->event_cells;
		m->event_states = states ? states : m->event_states;
		m->events_cap = want;
	}
	m->events_peak = 0;
}
