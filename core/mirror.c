#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

int mirror_init(struct mirror *m, const struct schema_table *t)
{
	memset(m, 0, sizeof(*m));
	m->schema = t;
	m->ncolumns = t->ncolumns;
	m->row_cells = calloc(t->ncolumns, sizeof(*m->row_cells));
	m->row_states = calloc(t->ncolumns, 1);
	m->count_at = calloc(t->nhists + 1, sizeof(*m->count_at));
	if (!m->row_cells || !m->row_states || !m->count_at)
		goto fail;
	for (uint32_t i = 0; i < t->nhists; i++) {
		m->count_at[i] = m->ncounts;
		m->ncounts += t->columns[t->hist_columns[i]].bounds.count;
	}
	m->row_counts = calloc(m->ncounts + 1, sizeof(*m->row_counts));
	if (!m->row_counts)
		goto fail;
	for (uint32_t c = 0; c < t->ncolumns; c++) {
		mask_set(m->group_columns[t->columns[c].group], c);
		if (t->columns[c].role == CULPRIT_COUNTER || t->columns[c].role == CULPRIT_HISTOGRAM)
			mask_set(m->counting_columns, c);
	}
	m->thinning = 1;
	return 0;
fail:
	mirror_finish(m);
	return -ENOMEM;
}

void mirror_finish(struct mirror *m)
{
	free(m->slots);
	free(m->cells);
	free(m->sealed);
	free(m->states);
	free(m->sealed_states);
	free(m->read_ns);
	free(m->drops);
	free(m->bases);
	free(m->based_ns);
	free(m->counts);
	free(m->sealed_counts);
	free(m->base_counts);
	free(m->count_at);
	free(m->free_slots);
	free(m->gone_slots);
	free(m->index);
	free(m->row_cells);
	free(m->row_states);
	free(m->row_counts);
	free(m->event_cells);
	free(m->event_states);
	memset(m, 0, sizeof(*m));
}

size_t mirror_memory(const struct mirror *m)
{
	size_t row = sizeof(struct slot) + m->ncolumns * 18 + m->ncounts * 16 + 8;

	row += m->read_ns ? SCHEMA_GROUPS_MAX * 8 : 0;
	row += (m->drops ? m->schema->ncounters * 8 : 0) + (m->bases ? m->schema->ncounters * 8 + SCHEMA_GROUPS_MAX * 8 : 0) + (m->base_counts ? m->ncounts * 8 : 0);
	return m->cap * row + (size_t)m->index_cap * 4 + (size_t)m->events_cap * m->ncolumns * 9;
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
	/* By half: a thousand rows shouldn't take the room of two thousand. */
	uint32_t old = m->cap, cap = old ? old + old / 2 : 16;
	size_t n = m->ncolumns;

	if (cap > FORMAT_ROWS_MAX)
		return -E2BIG;
	if (!resize(&m->slots, old, cap, 1, sizeof(*m->slots)) || !resize(&m->cells, old, cap, n, 8) ||
	    !resize(&m->sealed, old, cap, n, 8) || !resize(&m->states, old, cap, n, 1) ||
	    !resize(&m->sealed_states, old, cap, n, 1) || !resize(&m->counts, old, cap, m->ncounts, 8) ||
	    !resize(&m->sealed_counts, old, cap, m->ncounts, 8) || !resize(&m->free_slots, old, cap, 1, 4) ||
	    !resize(&m->gone_slots, old, cap, 1, 4))
		return -ENOMEM;
	if ((m->schema->groups & ~1u) && !resize(&m->read_ns, old, cap, SCHEMA_GROUPS_MAX, 8))
		return -ENOMEM;
	if (m->drops && !resize(&m->drops, old, cap, m->schema->ncounters, 8))
		return -ENOMEM;
	if (m->bases && (!resize(&m->bases, old, cap, m->schema->ncounters, 8) || !resize(&m->based_ns, old, cap, SCHEMA_GROUPS_MAX, 8)))
		return -ENOMEM;
	if (m->base_counts && !resize(&m->base_counts, old, cap, m->ncounts, 8))
		return -ENOMEM;
	m->cap = cap;
	for (cap = 32; cap < m->cap * 2; cap *= 2)
		;
	return cap > m->index_cap ? reindex(m, cap) : 0;
}

static uint32_t key_hash(const struct mirror *m, const uint64_t *cells)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < m->schema->nkeys; i++) {
		h = (h ^ cells[m->schema->keys[i]]) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	return (uint32_t)h;
}

static bool key_equal(const struct mirror *m, uint32_t slot, const uint64_t *cells)
{
	const uint64_t *have = mirror_cells(m, slot);

	for (uint32_t i = 0; i < m->schema->nkeys; i++) {
		if (have[m->schema->keys[i]] != cells[m->schema->keys[i]])
			return false;
	}
	return true;
}

static void index_put(struct mirror *m, uint32_t slot)
{
	uint32_t i = key_hash(m, mirror_cells(m, slot)) & (m->index_cap - 1);

	while (m->index[i])
		i = (i + 1) & (m->index_cap - 1);
	m->index[i] = slot + 1;
}

static void index_remove(struct mirror *m, uint32_t slot)
{
	uint32_t mask = m->index_cap - 1, i = key_hash(m, mirror_cells(m, slot)) & mask, hole;

	while (m->index[i] && m->index[i] != slot + 1)
		i = (i + 1) & mask;
	if (!m->index[i])
		return;
	/* Close the gap: move back what would no longer be found. */
	hole = i;
	for (i = (i + 1) & mask; m->index[i]; i = (i + 1) & mask) {
		uint32_t home = key_hash(m, mirror_cells(m, m->index[i] - 1)) & mask;

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
		if ((m->slots[s].flags & (SLOT_LIVE | SLOT_GONE)) == SLOT_LIVE)
			index_put(m, s);
	}
	return 0;
}

uint32_t mirror_find(const struct mirror *m, const uint64_t *cells)
{
	uint32_t i, mask = m->index_cap - 1;

	if (!m->index_cap)
		return UINT32_MAX;
	for (i = key_hash(m, cells) & mask; m->index[i]; i = (i + 1) & mask) {
		if (key_equal(m, m->index[i] - 1, cells))
			return m->index[i] - 1;
	}
	return UINT32_MAX;
}

uint32_t mirror_take(struct mirror *m, const uint64_t *cells)
{
	uint32_t slot;
	uint64_t *to;

	if (!m->nfree && m->nslots == m->cap && grow(m))
		return UINT32_MAX;
	slot = m->nfree ? m->free_slots[--m->nfree] : m->nslots++;
	memset(&m->slots[slot], 0, sizeof(m->slots[slot]));
	m->slots[slot].flags = SLOT_LIVE | SLOT_NEW;
	m->slots[slot].serial = ++m->next_serial;
	m->slots[slot].began_ns = m->slots[slot].since_ns = m->sample_ns;
	m->slots[slot].fold = UINT32_MAX;
	to = mirror_cells(m, slot);
	memset(to, 0, m->ncolumns * sizeof(*to));
	memset(mirror_states(m, slot), 0, m->ncolumns);
	memset(m->sealed + (size_t)slot * m->ncolumns, 0, m->ncolumns * sizeof(*m->sealed));
	memset(m->sealed_states + (size_t)slot * m->ncolumns, 0, m->ncolumns);
	if (m->ncounts) {
		memset(mirror_counts(m, slot), 0, m->ncounts * sizeof(*m->counts));
		memset(m->sealed_counts + (size_t)slot * m->ncounts, 0, m->ncounts * sizeof(*m->counts));
	}
	if (m->read_ns)
		memset(m->read_ns + (size_t)slot * SCHEMA_GROUPS_MAX, 0, SCHEMA_GROUPS_MAX * sizeof(*m->read_ns));
	if (m->drops)
		memset(m->drops + (size_t)slot * m->schema->ncounters, 0, m->schema->ncounters * sizeof(*m->drops));
	for (uint32_t i = 0; i < m->schema->nkeys; i++)
		to[m->schema->keys[i]] = cells[m->schema->keys[i]];
	index_put(m, slot);
	m->live++;
	return slot;
}

void mirror_release(struct mirror *m, uint32_t slot)
{
	if (!(m->slots[slot].flags & SLOT_GONE))
		index_remove(m, slot);
	m->slots[slot].flags = 0;
	m->free_slots[m->nfree++] = slot;
	m->live--;
}

void mirror_end(struct mirror *m, uint32_t slot)
{
	index_remove(m, slot);
	m->slots[slot].flags |= SLOT_GONE;
	m->gone_slots[m->ngone++] = slot;
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

void mirror_set(struct mirror *m, uint32_t slot, uint32_t column, uint8_t state, uint64_t cell)
{
	size_t at = (size_t)slot * m->ncolumns + column;

	if (m->cells[at] == cell && m->states[at] == state)
		return;
	m->cells[at] = cell;
	m->states[at] = state;
	mask_set(m->slots[slot].changed, column);
	m->slots[slot].flags |= SLOT_TOUCHED;
}

int mirror_base(struct mirror *m, uint32_t slot, uint8_t groups)
{
	struct slot *s = &m->slots[slot];

	if (!m->bases) {
		m->bases = calloc((size_t)m->cap * m->schema->ncounters + 1, sizeof(*m->bases));
		m->based_ns = calloc((size_t)m->cap * SCHEMA_GROUPS_MAX, sizeof(*m->based_ns));
	}
	if (m->ncounts && !m->base_counts)
		m->base_counts = calloc((size_t)m->cap * m->ncounts, sizeof(*m->base_counts));
	if (!m->bases || !m->based_ns || (m->ncounts && !m->base_counts)) {
		free(m->bases);
		free(m->based_ns);
		m->bases = m->based_ns = NULL;
		return -ENOMEM;
	}
	for (uint32_t c = 0; c < m->ncolumns; c++) {
		const struct schema_column *column = &m->schema->columns[c];

		if (!(groups >> column->group & 1) || !mask_has(m->counting_columns, c))
			continue;
		if (column->role == CULPRIT_COUNTER)
			m->bases[(size_t)slot * m->schema->ncounters + column->counter] = mirror_cells(m, slot)[c];
		if (column->role == CULPRIT_HISTOGRAM) {
			size_t at = (size_t)slot * m->ncounts + m->count_at[column->hist];

			memcpy(m->base_counts + at, m->counts + at, column->bounds.count * sizeof(*m->counts));
		}
	}
	for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX; g++) {
		if (groups >> g & 1)
			m->based_ns[(size_t)slot * SCHEMA_GROUPS_MAX + g] = m->sample_ns;
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
	bool first = m->sample_ns == m->first_sample_ns;
	uint8_t groups = s->flags & SLOT_NEW ? 1 : 0;

	if (s->flags & SLOT_SHOW)
		return mirror_base(m, slot, m->schema->groups);
	for (uint32_t w = 0; w < SCHEMA_MASK_WORDS; w++) {
		uint64_t columns = s->changed[w] & m->counting_columns[w] & ~s->had_ok[w];

		while (columns) {
			uint32_t c = w * 64 + (uint32_t)__builtin_ctzll(columns);

			columns &= columns - 1;
			if (mirror_states(m, slot)[c] != FORMAT_CELL_OK)
				continue;
			mask_set(s->had_ok, c);
			groups |= (uint8_t)(1u << m->schema->columns[c].group);
		}
	}
	return groups && !first && !(s->flags & SLOT_BORN) ? mirror_base(m, slot, groups) : 0;
}

static int settle_falls(struct mirror *m, uint32_t slot)
{
	const struct slot *s = &m->slots[slot];

	for (uint32_t c = 0; c < m->ncolumns; c++) {
		const struct schema_column *column = &m->schema->columns[c];
		size_t at = (size_t)slot * m->ncolumns + c, counter;
		uint64_t before, drop;

		if (column->role != CULPRIT_COUNTER || !mask_has(s->changed, c) || m->states[at] != FORMAT_CELL_OK ||
		    m->sealed_states[at] != FORMAT_CELL_OK)
			continue;
		counter = (size_t)slot * m->schema->ncounters + column->counter;
		before = m->drops ? m->drops[counter] : 0;
		drop = counter_fall(column->type, m->sealed[at], m->cells[at], before);
		if (drop == before)
			continue;
		if (!m->drops && !(m->drops = calloc((size_t)m->cap * m->schema->ncounters, sizeof(*m->drops))))
			return -ENOMEM;
		m->drops[counter] = drop;
		m->slots[slot].flags |= SLOT_DROPPED;
	}
	return 0;
}

int mirror_settle(struct mirror *m)
{
	int r = 0;

	for (uint32_t i = 0; i < m->nslots && !r; i++) {
		const struct slot *s = &m->slots[i];

		if ((s->flags & (SLOT_LIVE | SLOT_TOUCHED)) != (SLOT_LIVE | SLOT_TOUCHED))
			continue;
		if (!(s->flags & SLOT_NEW))
			r = settle_falls(m, i);
		if (!r)
			r = settle_bases(m, i);
	}
	return r;
}

static void merge_column(struct mirror *m, uint32_t slot, uint32_t column, bool put)
{
	const struct schema_column *c = &m->schema->columns[column];
	uint8_t state = put ? m->row_states[column] : FORMAT_CELL_ABSENT;

	if (c->role == CULPRIT_HISTOGRAM && state == FORMAT_CELL_OK) {
		uint64_t *to = mirror_counts(m, slot) + m->count_at[c->hist];
		const uint64_t *from = m->row_counts + m->count_at[c->hist];
		size_t size = c->bounds.count * sizeof(*to);

		if (memcmp(to, from, size)) {
			memcpy(to, from, size);
			mask_set(m->slots[slot].changed, column);
			m->slots[slot].flags |= SLOT_TOUCHED;
		}
	}
	mirror_set(m, slot, column, state, state == FORMAT_CELL_ABSENT ? 0 : m->row_cells[column]);
}

void mirror_merge(struct mirror *m, uint32_t slot, bool again)
{
	struct slot *s = &m->slots[slot];
	uint8_t groups = 1;

	for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++) {
		for (uint32_t w = 0; w < SCHEMA_MASK_WORDS; w++) {
			if (m->group_columns[g][w] & m->row_put[w])
				groups |= (uint8_t)(1u << g);
		}
	}
	for (uint32_t w = 0; w < SCHEMA_MASK_WORDS; w++) {
		uint64_t columns = again ? m->row_put[w] : m->group_columns[0][w];

		for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++)
			columns |= groups >> g & 1 ? m->group_columns[g][w] : 0;
		while (columns) {
			uint32_t column = w * 64 + (uint32_t)__builtin_ctzll(columns);

			columns &= columns - 1;
			merge_column(m, slot, column, mask_has(m->row_put, column));
		}
	}
	s->put_groups = groups;
	s->stale = (uint8_t)(m->schema->groups & ~groups);
	s->flags |= SLOT_SEEN;
}

static void restore(struct mirror *m, uint32_t slot)
{
	struct slot *s = &m->slots[slot];
	size_t row = (size_t)slot * m->ncolumns;

	for (uint32_t w = 0; w < SCHEMA_MASK_WORDS; w++) {
		while (s->changed[w]) {
			uint32_t c = w * 64 + (uint32_t)__builtin_ctzll(s->changed[w]);

			s->changed[w] &= s->changed[w] - 1;
			m->cells[row + c] = m->sealed[row + c];
			m->states[row + c] = m->sealed_states[row + c];
		}
	}
	if (m->ncounts)
		memcpy(mirror_counts(m, slot), m->sealed_counts + (size_t)slot * m->ncounts,
		       m->ncounts * sizeof(*m->counts));
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
	m->nevents = m->events_before;
}

void mirror_sealed(struct mirror *m)
{
	for (uint32_t i = 0; i < m->nslots; i++) {
		struct slot *s = &m->slots[i];
		size_t row = (size_t)i * m->ncolumns;

		if (!(s->flags & SLOT_LIVE))
			continue;
		if (s->flags & SLOT_TOUCHED) {
			memcpy(m->sealed + row, m->cells + row, m->ncolumns * sizeof(*m->cells));
			memcpy(m->sealed_states + row, m->states + row, m->ncolumns);
			if (m->ncounts)
				memcpy(m->sealed_counts + (size_t)i * m->ncounts, mirror_counts(m, i),
				       m->ncounts * sizeof(*m->counts));
			memset(s->changed, 0, sizeof(s->changed));
		}
		s->sealed_stale = s->stale;
		s->based_now = 0;
		s->flags &= ~(uint32_t)(SLOT_NEW | SLOT_TOUCHED | SLOT_SEEN | SLOT_HIDE | SLOT_SHOW);
	}
	while (m->ngone) {
		uint32_t slot = m->gone_slots[--m->ngone];

		m->slots[slot].flags = 0;
		m->free_slots[m->nfree++] = slot;
		m->live--;
	}
	m->nevents = m->events_before = 0;
	m->mentioned = m->begun = m->sampled = false;
	m->lost = m->cost_ns = 0;
	m->reason = 0;
}
