/* One frame's bytes applied to the tables: the other side of builder_encode.c. Nothing in the bytes is trusted: every
 * slot, column, count and length is bounded before it is used. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor_internal.h"
#include "format.h"

static bool has(const uint64_t *mask, uint32_t column)
{
	return mask[column / 64] >> (column % 64) & 1;
}

static size_t row_size(const struct cursor_table *t)
{
	return sizeof(struct cursor_slot) + sizeof(struct row) + t->schema->ncolumns * 9 + t->schema->ncounters * 16 + SCHEMA_GROUPS_MAX * 16 +
	       (size_t)t->ncounts * 16;
}

static bool resize(void *array, size_t old, size_t n, size_t width)
{
	void **p = array;
	char *q;

	if (!width)
		return true;
	q = realloc(*p, n * width);
	if (!q)
		return false;
	memset(q + old * width, 0, (n - old) * width);
	*p = q;
	return true;
}

static int slots_reserve(struct cursor_table *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 16, c = t->schema->ncolumns;

	if (n > FORMAT_ROWS_MAX || n * row_size(t) > CURSOR_TABLE_MAX)
		return -EBADMSG;
	if (n <= t->cap) {
		t->nslots = n > t->nslots ? n : t->nslots;
		return 0;
	}
	/* By half: a thousand rows shouldn't take the room of two thousand. */
	while (cap < n)
		cap += cap / 2;
	if (!resize(&t->slots, t->cap, cap, sizeof(*t->slots)) || !resize(&t->rows, t->cap, cap, sizeof(*t->rows)) ||
	    !resize(&t->cells, t->cap, cap, c * 8) || !resize(&t->states, t->cap, cap, c) ||
	    !resize(&t->read_ns, t->cap, cap, SCHEMA_GROUPS_MAX * 8) ||
	    !resize(&t->counts, t->cap, cap, (size_t)t->ncounts * 8))
		return -ENOMEM;
	if ((t->drops && !resize(&t->drops, t->cap, cap, (size_t)t->schema->ncounters * 8)) || (t->bases && !resize(&t->bases, t->cap, cap, (size_t)t->schema->ncounters * 8)) ||
	    (t->based_ns && !resize(&t->based_ns, t->cap, cap, SCHEMA_GROUPS_MAX * 8)) ||
	    (t->base_counts && !resize(&t->base_counts, t->cap, cap, (size_t)t->ncounts * 8)))
		return -ENOMEM;
	t->cap = cap;
	t->nslots = n;
	return 0;
}

static int scratch_slots(struct cursor_scratch *s, size_t n)
{
	if (n <= s->slots_cap)
		return 0;
	if (!resize(&s->slots, s->slots_cap, n, sizeof(*s->slots)) ||
	    !resize(&s->row_patterns, s->slots_cap, n, sizeof(*s->row_patterns)))
		return -ENOMEM;
	s->slots_cap = n;
	return 0;
}

void cursor_scratch_finish(struct cursor_scratch *s)
{
	free(s->slots);
	free(s->patterns);
	free(s->row_patterns);
	free(s->masks);
	memset(s, 0, sizeof(*s));
}

static uint64_t get_value(struct rbuf *r, unsigned type, uint64_t before)
{
	if (type == CULPRIT_F64)
		return before ^ __builtin_bswap64(rbuf_varint(r));
	return before + (uint64_t)rbuf_zigzag(r);
}

static int get_counts(struct rbuf *r, const uint64_t *before, uint64_t *now, uint32_t n)
{
	uint64_t differ = rbuf_bounded(r, n), at = 0;

	if (before != now && before)
		memcpy(now, before, n * sizeof(*now));
	while (differ-- && !r->err) {
		at += rbuf_bounded(r, n);
		if (at >= n)
			return -EBADMSG;
		now[at] += (uint64_t)rbuf_zigzag(r);
		at++;
	}
	return r->err;
}

static int get_patterns(struct rbuf *r, struct cursor_scratch *s, uint32_t ncolumns, size_t *ret_n)
{
	size_t n = rbuf_bounded(r, rbuf_left(r));

	if (n > s->patterns_cap) {
		if (!resize(&s->patterns, s->patterns_cap, n, sizeof(*s->patterns)))
			return -ENOMEM;
		s->patterns_cap = n;
	}
	for (size_t i = 0; i < n; i++) {
		s->patterns[i] = rbuf_bytes(r, ncolumns);
		for (uint32_t c = 0; s->patterns[i] && c < ncolumns; c++) {
			if (s->patterns[i][c] > FORMAT_CELL_UNREAD)
				return -EBADMSG;
		}
	}
	*ret_n = n;
	return r->err;
}

static int get_row_head(struct rbuf *r, struct cursor_table *t, uint64_t *slot, uint64_t *serial)
{
	struct cursor_slot *s;
	uint64_t flags;
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
	s->live = true;
	s->flags = (uint32_t)flags;
	s->serial = (*serial)++;
	s->began_ns = t->sample_ns;
	if (flags & FORMAT_ROW_CONTINUES)
		s->began_ns -= rbuf_bounded(r, t->sample_ns);
	s->since_ns = s->began_ns;
	if (flags & FORMAT_ROW_BORN)
		s->since_ns -= rbuf_bounded(r, s->began_ns);
	s->stale = s->based = 0;
	if (t->schema->groups & ~1u) {
		s->stale = rbuf_u8(r);
		for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++) {
			uint64_t age = s->stale >> g & 1 ? rbuf_varint(r) : 0;

			t->read_ns[*slot * SCHEMA_GROUPS_MAX + g] = age && age - 1 <= t->sample_ns ? t->sample_ns - (age - 1) : 0;
		}
	}
	return r->err;
}

static int bases_reserve(struct cursor_table *t)
{
	if (!t->bases)
		t->bases = calloc(t->cap * t->schema->ncounters + 1, 8);
	if (!t->based_ns)
		t->based_ns = calloc(t->cap * SCHEMA_GROUPS_MAX, 8);
	if (t->ncounts && !t->base_counts)
		t->base_counts = calloc(t->cap * t->ncounts, 8);
	return t->bases && t->based_ns && (!t->ncounts || t->base_counts) ? 0 : -ENOMEM;
}

static int get_bases(struct rbuf *r, struct cursor_table *t, uint32_t slot)
{
	struct cursor_slot *s = &t->slots[slot];
	size_t row = (size_t)slot * t->schema->ncolumns;
	int e = bases_reserve(t);

	if (e)
		return e;
	s->based = rbuf_u8(r);
	for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX; g++) {
		if (s->based >> g & 1)
			t->based_ns[(size_t)slot * SCHEMA_GROUPS_MAX + g] = t->sample_ns - rbuf_bounded(r, t->sample_ns);
	}
	for (uint32_t c = 0; c < t->schema->ncolumns && !e; c++) {
		const struct schema_column *column = &t->schema->columns[c];
		size_t at = (size_t)slot * t->ncounts;

		if (!(s->based >> column->group & 1))
			continue;
		if (column->role == CULPRIT_COUNTER) {
			t->bases[slot * (size_t)t->schema->ncounters + column->counter] =
				get_value(r, column->type, t->cells[row + c]);
		} else if (column->role == CULPRIT_HISTOGRAM) {
			at += t->count_at[column->hist];
			e = get_counts(r, t->counts + at, t->base_counts + at, column->bounds.count);
		}
	}
	return e ? e : r->err;
}

static int get_row_past(struct rbuf *r, struct cursor_table *t, uint32_t slot)
{
	const struct cursor_slot *s = &t->slots[slot];
	size_t counters = (size_t)slot * t->schema->ncounters;

	if (s->flags & FORMAT_ROW_DROPS && !t->drops && !(t->drops = calloc(t->cap * t->schema->ncounters, 8)))
		return -ENOMEM;
	if (t->drops)
		memset(t->drops + counters, 0, t->schema->ncounters * 8);
	for (uint32_t c = 0; s->flags & FORMAT_ROW_DROPS && c < t->schema->ncolumns; c++) {
		if (t->schema->columns[c].role == CULPRIT_COUNTER)
			t->drops[counters + t->schema->columns[c].counter] =
				get_value(r, t->schema->columns[c].type, 0);
	}
	return s->flags & FORMAT_ROW_BASES ? get_bases(r, t, slot) : r->err;
}

/* Groups that count from what they are now. */
static int get_based(struct rbuf *r, struct cursor_table *t)
{
	uint64_t n = rbuf_bounded(r, rbuf_left(r)), slot = 0;

	while (n-- && !r->err) {
		uint8_t groups;

		slot += rbuf_bounded(r, FORMAT_ROWS_MAX);
		groups = rbuf_u8(r);
		if (r->err || slot >= t->nslots || !t->slots[slot].live)
			return -EBADMSG;
		if (bases_reserve(t))
			return -ENOMEM;
		for (uint32_t c = 0; c < t->schema->ncolumns; c++) {
			const struct schema_column *column = &t->schema->columns[c];
			size_t at = slot * t->schema->ncolumns + c;

			if (!(groups >> column->group & 1))
				continue;
			if (column->role == CULPRIT_COUNTER)
				t->bases[slot * t->schema->ncounters + column->counter] = t->cells[at];
			if (column->role != CULPRIT_HISTOGRAM)
				continue;
			at = slot * t->ncounts + t->count_at[column->hist];
			memcpy(t->base_counts + at, t->counts + at, column->bounds.count * 8);
		}
		for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX; g++) {
			if (groups >> g & 1)
				t->based_ns[slot * SCHEMA_GROUPS_MAX + g] = t->sample_ns;
		}
		t->slots[slot].based |= groups;
		slot++;
	}
	return r->err;
}

/* Rows given whole. */
static int get_rows(struct rbuf *r, struct cursor_table *t, struct cursor_scratch *scratch, bool keep,
		    struct segment *segment)
{
	const struct schema_table *schema = t->schema;
	size_t n = rbuf_bounded(r, rbuf_left(r)), npatterns = 0;
	uint64_t slot = 0, serial = 0;
	int e;

	if (!n)
		return r->err;
	e = scratch_slots(scratch, n);
	if (!e)
		e = get_patterns(r, scratch, schema->ncolumns, &npatterns);
	for (size_t i = 0; i < n && !e; i++) {
		e = get_row_head(r, t, &slot, &serial);
		scratch->slots[i] = (uint32_t)slot++;
		scratch->row_patterns[i] = (uint32_t)rbuf_varint(r);
		if (!e && (r->err || scratch->row_patterns[i] >= npatterns))
			e = -EBADMSG;
		if (e)
			return e;
		memcpy(t->states + (size_t)scratch->slots[i] * schema->ncolumns,
		       scratch->patterns[scratch->row_patterns[i]], schema->ncolumns);
	}
	for (uint32_t c = 0; c < schema->ncolumns && !e; c++) {
		const struct schema_column *column = &schema->columns[c];
		uint64_t before = 0;

		for (size_t i = 0; i < n; i++) {
			size_t at = (size_t)scratch->slots[i] * schema->ncolumns + c;

			t->cells[at] = 0;
			if (t->states[at] == FORMAT_CELL_ABSENT ||
			    (column->role == CULPRIT_HISTOGRAM && t->states[at] == FORMAT_CELL_OK))
				continue;
			t->cells[at] = before = get_value(r, column->type, before);
		}
		e = r->err;
	}
	for (size_t i = 0; i < n && !e; i++) {
		uint32_t s = scratch->slots[i];

		for (uint32_t h = 0; h < schema->nhists && !e; h++) {
			uint32_t c = schema->hist_columns[h], count = schema->columns[c].bounds.count;
			uint64_t *counts = t->counts + (size_t)s * t->ncounts + t->count_at[h];

			memset(counts, 0, count * sizeof(*counts));
			if (t->states[(size_t)s * schema->ncolumns + c] == FORMAT_CELL_OK)
				e = get_counts(r, NULL, counts, count);
		}
		if (!e)
			e = get_row_past(r, t, s);
	}
	for (size_t i = 0; i < n && !e; i++) {
		struct cursor_slot *s = &t->slots[scratch->slots[i]];

		if (!(s->flags & FORMAT_ROW_ENDED))
			continue;
		if (keep)
			e = cursor_keep_ended(t, scratch->slots[i], t->sample_ns, s->flags & FORMAT_ROW_FOLDED, segment);
		s->live = false;
	}
	return e;
}

static int get_ended(struct rbuf *r, struct cursor_table *t, bool keep, struct segment *segment)
{
	uint64_t n = rbuf_bounded(r, rbuf_left(r)), slot = 0;

	while (n-- && !r->err) {
		uint64_t word = rbuf_varint(r);

		slot += word >> 1;
		if (slot >= t->nslots || !t->slots[slot].live)
			return -EBADMSG;
		if (keep) {
			int e = cursor_keep_ended(t, (uint32_t)slot, t->sample_ns, word & 1, segment);

			if (e)
				return e;
		}
		t->slots[slot].live = false;
		slot++;
	}
	return r->err;
}

/* `last_ns`: when the groups that went stale now were read last. */
static int get_staled(struct rbuf *r, struct cursor_table *t, uint64_t last_ns)
{
	uint64_t n = rbuf_bounded(r, rbuf_left(r)), slot = 0;

	while (n-- && !r->err) {
		uint8_t stale;

		slot += rbuf_bounded(r, FORMAT_ROWS_MAX);
		stale = rbuf_u8(r);
		if (r->err || slot >= t->nslots)
			return -EBADMSG;
		for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++) {
			if (stale >> g & 1 && !(t->slots[slot].stale >> g & 1))
				t->read_ns[slot * SCHEMA_GROUPS_MAX + g] = last_ns;
		}
		t->slots[slot].stale = stale;
		slot++;
	}
	return r->err;
}

static int note_fall(struct cursor_table *t, uint32_t slot, const struct schema_column *c, uint64_t old, uint64_t now)
{
	size_t at = (size_t)slot * t->schema->ncounters + c->counter;
	unsigned type = c->type;
	bool fell;

	if (type == CULPRIT_F64) {
		double a, b;

		memcpy(&a, &old, 8);
		memcpy(&b, &now, 8);
		fell = b < a;
	} else {
		fell = type == CULPRIT_I64 ? (int64_t)now < (int64_t)old : now < old;
	}
	if (!fell)
		return 0;
	if (!t->drops && !(t->drops = calloc(t->cap * t->schema->ncounters, 8)))
		return -ENOMEM;
	if (type == CULPRIT_F64) {
		double a, b, d;

		memcpy(&a, &old, 8);
		memcpy(&b, &now, 8);
		memcpy(&d, &t->drops[at], 8);
		d += a - b;
		memcpy(&t->drops[at], &d, 8);
	} else {
		t->drops[at] += old - now;
	}
	t->slots[slot].flags |= FORMAT_ROW_DROPS;
	return 0;
}

/* The states in `changes` apply before the values; a fall counts only where the cell was and stays read. */
static int get_changed(struct rbuf *r, struct cursor_table *t, struct cursor_scratch *scratch)
{
	const struct schema_table *schema = t->schema;
	size_t n = rbuf_bounded(r, rbuf_left(r)), words = (schema->ncolumns + 63) / 64;
	uint64_t slot = 0, nstates;
	struct rbuf states;
	int e;

	if (!n)
		return r->err;
	e = scratch_slots(scratch, n);
	if (e)
		return e;
	if (n * words > scratch->masks_cap) {
		if (!resize(&scratch->masks, scratch->masks_cap, n * words, sizeof(*scratch->masks)))
			return -ENOMEM;
		scratch->masks_cap = n * words;
	}
	for (size_t i = 0; i < n; i++) {
		slot += rbuf_bounded(r, FORMAT_ROWS_MAX);
		if (r->err || slot >= t->nslots || !t->slots[slot].live)
			return -EBADMSG;
		scratch->slots[i] = (uint32_t)slot++;
	}
	for (size_t i = 0; i < n * words; i++)
		scratch->masks[i] = rbuf_varint(r);
	/* Read the new states twice: once to know where they are while falls are judged by the old ones. */
	nstates = rbuf_bounded(r, rbuf_left(r));
	states = *r;
	for (uint64_t i = 0; i < nstates; i++) {
		uint64_t row = rbuf_varint(r), c = rbuf_varint(r);

		if (rbuf_u8(r) > FORMAT_CELL_UNREAD || r->err || row >= n || c >= schema->ncolumns)
			return -EBADMSG;
		/* A cell whose state changes starts counting anew. */
		t->states[(size_t)scratch->slots[row] * schema->ncolumns + c] |= 0x80;
	}
	for (uint32_t c = 0; c < schema->ncolumns; c++) {
		const struct schema_column *column = &schema->columns[c];

		for (size_t i = 0; i < n; i++) {
			size_t at = (size_t)scratch->slots[i] * schema->ncolumns + c;
			uint64_t now;

			if (!has(scratch->masks + i * words, c))
				continue;
			now = get_value(r, column->type, t->cells[at]);
			if (r->err)
				return -EBADMSG;
			if (column->role == CULPRIT_COUNTER && t->states[at] == FORMAT_CELL_OK &&
			    note_fall(t, scratch->slots[i], column, t->cells[at], now))
				return -ENOMEM;
			t->cells[at] = now;
			if (column->role == CULPRIT_HISTOGRAM) {
				uint64_t *counts =
					t->counts + (size_t)scratch->slots[i] * t->ncounts + t->count_at[column->hist];

				e = get_counts(r, counts, counts, column->bounds.count);
				if (e)
					return e;
			}
		}
	}
	for (uint64_t i = 0; i < nstates; i++) {
		uint64_t row = rbuf_varint(&states), c = rbuf_varint(&states);

		t->states[(size_t)scratch->slots[row] * schema->ncolumns + c] = rbuf_u8(&states);
	}
	return r->err;
}

static int get_events(struct rbuf *r, struct cursor_table *t, struct cursor_scratch *scratch, uint64_t frame_ns, bool keep,
		      struct segment *segment)
{
	const struct schema_table *schema = t->schema;
	size_t n = rbuf_bounded(r, FORMAT_EVENTS_MAX), npatterns = 0, first = t->events.n;
	int e;

	if (!n || !keep)
		return r->err;
	if (n > rbuf_left(r))
		return -EBADMSG;
	e = scratch_slots(scratch, n);
	if (!e)
		e = get_patterns(r, scratch, schema->ncolumns, &npatterns);
	for (size_t i = 0; i < n && !e; i++) {
		uint64_t pattern = rbuf_varint(r);
		struct cursor_kept *k;

		if (r->err || pattern >= npatterns)
			return -EBADMSG;
		k = calloc(1, sizeof(*k) + schema->ncolumns * 9 + 8);
		if (!k || cursor_list_append(&t->events, k)) {
			free(k);
			return -ENOMEM;
		}
		k->row.began_ns = k->row.since_ns = frame_ns;
		k->row.cells = k->memory;
		k->row.states = (uint8_t *)(k->memory + schema->ncolumns);
		memcpy(k->memory + schema->ncolumns, scratch->patterns[pattern], schema->ncolumns);
		k->row.segment = segment_lock(segment);
	}
	for (uint32_t c = 0; c < schema->ncolumns && !e; c++) {
		const struct schema_column *column = &schema->columns[c];
		uint64_t before = column->role == CULPRIT_TIME ? frame_ns : 0;

		for (size_t i = 0; i < n; i++) {
			struct cursor_kept *k = t->events.items[first + i];

			if (k->row.states[c] == FORMAT_CELL_ABSENT)
				continue;
			k->memory[c] = before = get_value(r, column->type, before);
		}
		e = r->err;
	}
	return e;
}

static int table_apply(struct cursor_table *tables, uint32_t ntables, struct rbuf *r, struct segment *segment,
		       const struct segment_frame *frame, bool keep, struct cursor_scratch *scratch)
{
	uint64_t id = rbuf_varint(r), state, flags, last_ns, sample_ns = 0;
	struct cursor_table *t;
	int e;

	if (r->err || id >= ntables)
		return -EBADMSG;
	t = &tables[id];
	if (!t->wanted)
		return 0;
	last_ns = t->sample_ns;
	state = rbuf_bounded(r, UINT32_MAX);
	flags = rbuf_varint(r);
	if (flags & FORMAT_TABLE_SAMPLED)
		sample_ns = frame->mono_ns + (uint64_t)rbuf_zigzag(r);
	t->state = (uint32_t)state;
	t->reason = rbuf_varint(r);
	t->lost += rbuf_varint(r);
	t->cost_ns = rbuf_varint(r);
	t->thinning = (uint32_t)rbuf_bounded(r, UINT32_MAX);
	t->attempt_ns = frame->mono_ns;
	if (r->err || !(flags & FORMAT_TABLE_SAMPLED))
		return r->err;
	t->sample_ns = sample_ns;
	if (t->schema->kind == CULPRIT_EVENT)
		return get_events(r, t, scratch, frame->mono_ns, keep, segment);
	if (frame->key)
		return get_rows(r, t, scratch, keep, segment);
	e = get_rows(r, t, scratch, keep, segment);
	if (!e)
		e = get_staled(r, t, last_ns);
	if (!e)
		e = get_changed(r, t, scratch);
	if (!e)
		e = get_based(r, t);
	return e ? e : get_ended(r, t, keep, segment);
}

int cursor_apply(struct cursor_table *tables, uint32_t ntables, struct segment *segment,
		 const struct segment_frame *frame, bool keep, struct cursor_scratch *scratch)
{
	struct rbuf r;
	int e = 0;

	rbuf_init(&r, segment->bytes.data + frame->offset, frame->size);
	rbuf_bytes(&r, 16); /* its times, known from the segment's list */
	rbuf_varint(&r);
	while (!r.err && !e && rbuf_left(&r)) {
		uint64_t type = rbuf_varint(&r);
		struct rbuf section = rbuf_sub(&r, rbuf_bounded(&r, rbuf_left(&r)));

		if (type == FORMAT_TABLE && !r.err)
			e = table_apply(tables, ntables, &section, segment, frame, keep, scratch);
	}
	return e ? e : r.err;
}
