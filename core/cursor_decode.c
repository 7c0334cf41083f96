/* One frame's bytes applied to the tables: the other side of builder_encode.c. Nothing in the bytes is trusted: every
 * slot, column, count and length is bounded before it is used. */
#include <errno.h>

#include "cursor_decode.h"
#include "format.h"

static bool has(const uint64_t *mask, uint32_t column)
{
	return mask[column / 64] >> (column % 64) & 1;
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
		cursor_slot_free(t, (uint32_t)slot);
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
		for (uint32_t g = 1; g < t->columns.based - t->columns.read; g++) {
			if (stale >> g & 1 && !(t->slots[slot].stale >> g & 1) &&
			    cursor_set(t, (uint32_t)slot, t->columns.read + g, last_ns))
				return -ENOMEM;
		}
		t->slots[slot].stale = stale;
		slot++;
	}
	return r->err;
}

static int note_fall(struct cursor_table *t, uint32_t slot, const struct schema_column *c, uint64_t old, uint64_t now)
{
	uint32_t at = t->columns.drop + c->counter;
	unsigned type = c->type;
	uint64_t drop;
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
	for (uint32_t k = 0; k < t->schema->ncounters && !(t->slots[slot].flags & FORMAT_ROW_DROPS); k++) {
		if (cursor_set(t, slot, t->columns.drop + k, 0))
			return -ENOMEM;
	}
	t->slots[slot].flags |= FORMAT_ROW_DROPS;
	drop = grid_get(&t->grid, slot, at);
	if (type == CULPRIT_F64) {
		double a, b, d;

		memcpy(&a, &old, 8);
		memcpy(&b, &now, 8);
		memcpy(&d, &drop, 8);
		d += a - b;
		memcpy(&drop, &d, 8);
	} else {
		drop += old - now;
	}
	return cursor_set(t, slot, at, drop);
}

/* New states of cells, of n changed rows; what each row gets goes to scratch->row_patterns: they apply after the values,
 * because a fall is judged by the states before. */
static int get_states(struct rbuf *r, struct cursor_table *t, struct cursor_scratch *scratch, size_t n, size_t words)
{
	uint8_t states[SCHEMA_COLUMNS_MAX];
	uint64_t nstates = rbuf_bounded(r, rbuf_left(r)), row = UINT64_MAX;

	for (size_t i = 0; i < n; i++)
		scratch->row_patterns[i] = cellstates_share(&t->cellstates, t->slots[scratch->slots[i]].states);
	for (uint64_t i = 0; i <= nstates; i++) {
		uint64_t next = i < nstates ? rbuf_varint(r) : UINT64_MAX, c;
		uint8_t state;

		if (next != row && row != UINT64_MAX) {
			uint32_t number = cellstates_take(&t->cellstates, states);

			if (number == CELLSTATES_NONE)
				return -ENOMEM;
			cellstates_drop(&t->cellstates, scratch->row_patterns[row]);
			scratch->row_patterns[row] = number;
		}
		if (i == nstates)
			break;
		c = rbuf_varint(r);
		state = rbuf_u8(r);
		if (r->err || state > FORMAT_CELL_UNREAD || next >= n || c >= t->schema->ncolumns)
			return -EBADMSG;
		if (next != row)
			memcpy(states, cellstates_of(&t->cellstates, scratch->row_patterns[next]), t->schema->ncolumns);
		row = next;
		/* It has a value from now on; where none follows, it is 0. */
		if (states[c] == FORMAT_CELL_ABSENT && state && !has(scratch->masks + next * words, (uint32_t)c) &&
		    cursor_set(t, scratch->slots[next], (uint32_t)c, 0))
			return -ENOMEM;
		states[c] = state;
	}
	return r->err;
}

static int get_changed(struct rbuf *r, struct cursor_table *t, struct cursor_scratch *scratch)
{
	const struct schema_table *schema = t->schema;
	size_t n = rbuf_bounded(r, rbuf_left(r)), words = (schema->ncolumns + 63) / 64;
	uint64_t slot = 0;
	int e;

	if (!n)
		return r->err;
	e = cursor_scratch_slots(scratch, n);
	if (e)
		return e;
	if (n * words > scratch->masks_cap) {
		if (!cursor_resize(&scratch->masks, scratch->masks_cap, n * words, sizeof(*scratch->masks)))
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
	e = get_states(r, t, scratch, n, words);
	for (uint32_t c = 0; c < schema->ncolumns && !e; c++) {
		const struct schema_column *column = &schema->columns[c];

		for (size_t i = 0; i < n && !e; i++) {
			uint32_t at = scratch->slots[i];
			uint8_t old, new;
			uint64_t before, now;

			if (!has(scratch->masks + i * words, c))
				continue;
			old = cursor_states(t, at)[c];
			new = cellstates_of(&t->cellstates, scratch->row_patterns[i])[c];
			before = cursor_cell(t, at, c);
			now = cell_get_after(r, column, before);
			if (r->err)
				return -EBADMSG;
			/* A cell whose state changes starts counting anew. */
			if (column->role == CULPRIT_COUNTER && old == FORMAT_CELL_OK && new == FORMAT_CELL_OK)
				e = note_fall(t, at, column, before, now);
			if (!e && new != FORMAT_CELL_ABSENT)
				e = cursor_set(t, at, c, now);
			if (!e && column->role == CULPRIT_HISTOGRAM)
				e = cursor_get_counts(r, &t->hists->now, at, t->count_at[column->hist], column->bounds.count);
		}
	}
	for (size_t i = 0; i < n && !e; i++) {
		struct cursor_slot *s = &t->slots[scratch->slots[i]];

		cellstates_drop(&t->cellstates, s->states);
		s->states = scratch->row_patterns[i];
	}
	return e ? e : r->err;
}

/* Groups that count from what they are now. */
static int get_based(struct rbuf *r, struct cursor_table *t)
{
	uint64_t n = rbuf_bounded(r, rbuf_left(r)), slot = 0;

	while (n-- && !r->err) {
		uint32_t at;
		uint8_t groups;

		slot += rbuf_bounded(r, FORMAT_ROWS_MAX);
		groups = rbuf_u8(r);
		if (r->err || slot >= t->nslots || !t->slots[slot].live)
			return -EBADMSG;
		at = (uint32_t)slot++;
		for (uint32_t c = 0; c < t->schema->ncolumns; c++) {
			const struct schema_column *column = &t->schema->columns[c];

			if (!(groups >> column->group & 1))
				continue;
			if (column->role == CULPRIT_COUNTER &&
			    cursor_set(t, at, t->columns.base + column->counter, cursor_cell(t, at, c)))
				return -ENOMEM;
			if (column->role == CULPRIT_HISTOGRAM && cursor_base_counts(t, at, column))
				return -ENOMEM;
		}
		for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX; g++) {
			if (groups >> g & 1 && cursor_set_based(t, at, g, t->sample_ns))
				return -ENOMEM;
		}
		t->slots[at].based |= groups;
	}
	return r->err;
}

static int get_events(struct rbuf *r, struct cursor_table *t, uint64_t frame_ns, bool keep, struct segment *segment)
{
	const struct schema_table *schema = t->schema;
	size_t n = rbuf_bounded(r, FORMAT_EVENTS_MAX), npatterns = 0, first = t->events.n;
	const uint8_t *patterns;
	int e;

	if (!n || !keep)
		return r->err;
	if (n > rbuf_left(r))
		return -EBADMSG;
	e = cursor_get_patterns(r, schema->ncolumns, &patterns, &npatterns);
	for (size_t i = 0; i < n && !e; i++) {
		uint64_t pattern = rbuf_varint(r);
		struct cursor_kept *k;

		if (r->err || pattern >= npatterns)
			return -EBADMSG;
		k = cursor_list_add(&t->events, t, schema->ncolumns * 9);
		if (!k)
			return -ENOMEM;
		memcpy(k->memory + schema->ncolumns, patterns + pattern * schema->ncolumns, schema->ncolumns);
		k->row = (struct row){
			.began_ns = frame_ns,
			.since_ns = frame_ns,
			.states = (uint8_t *)(k->memory + schema->ncolumns),
			.numbers = k->memory,
			.columns = &k->layout->columns,
			.segment = segment_lock(segment),
		};
	}
	for (uint32_t c = 0; c < schema->ncolumns && !e; c++) {
		const struct schema_column *column = &schema->columns[c];
		uint64_t before = column->role == CULPRIT_TIME ? frame_ns : 0;

		for (size_t i = 0; i < n; i++) {
			struct cursor_kept *k = t->events.items[first + i];

			if (k->row.states[c] == FORMAT_CELL_ABSENT)
				continue;
			k->memory[c] = before = cell_get_after(r, column, before);
		}
		e = r->err;
	}
	return e;
}

static int table_apply(struct cursor_table *const *tables, uint32_t ntables, struct rbuf *r, struct segment *segment,
		       const struct segment_frame *frame, bool keep, struct cursor_scratch *scratch)
{
	uint64_t id = rbuf_varint(r), state, flags, last_ns, sample_ns = 0;
	struct cursor_table *t;
	int e;

	if (r->err || id >= ntables)
		return -EBADMSG;
	t = tables[id];
	if (!t)
		return 0;
	scratch->decoded++;
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
		return get_events(r, t, frame->mono_ns, keep, segment);
	if (frame->key)
		return cursor_get_rows(r, t, scratch, keep, segment);
	e = cursor_get_rows(r, t, scratch, keep, segment);
	if (!e)
		e = get_staled(r, t, last_ns);
	if (!e)
		e = get_changed(r, t, scratch);
	if (!e)
		e = get_based(r, t);
	return e ? e : get_ended(r, t, keep, segment);
}

/* A frame that is read piece by piece. Those of a ring are copied out of it, and most of a large one is of tables that a cursor does not
 * have: those bytes are not touched. */
struct look {
	struct segment *segment;
	const struct segment_frame *frame;
	size_t end; /* of the piece, in the frame's payload */
	struct rbuf r;
};

enum {
	LOOK = 1 << 12,
	SECTION_HEAD = 30, /* its type, its length, the number of its table */
};

static size_t look_left(const struct look *l)
{
	return l->frame->size - l->end + rbuf_left(&l->r);
}

/* Sees to it that the next `n` bytes are in the piece, as far as the frame has them. */
static int look_at(struct look *l, size_t n)
{
	size_t left = look_left(l);
	const uint8_t *bytes;
	int e;

	if (n <= rbuf_left(&l->r) || left <= rbuf_left(&l->r))
		return 0;
	if (n < LOOK)
		n = LOOK;
	if (n > left)
		n = left;
	e = segment_frame(l->segment, l->frame, l->frame->size - left, n, &bytes, NULL);
	if (e)
		return e;
	l->end = l->frame->size - left + n;
	rbuf_init(&l->r, bytes, n);
	return 0;
}

/* Past the next `n` bytes, which the frame has. */
static void look_past(struct look *l, size_t n)
{
	size_t here = rbuf_left(&l->r);

	if (n <= here) {
		rbuf_bytes(&l->r, n);
	} else {
		l->end += n - here;
		l->r.p = l->r.end;
	}
}

static int section_apply(struct cursor_table *const *tables, uint32_t ntables, struct look *l, bool keep, struct cursor_scratch *scratch)
{
	uint64_t type, size, id;
	struct rbuf section;
	int e = look_at(l, SECTION_HEAD);

	if (e)
		return e;
	type = rbuf_varint(&l->r);
	size = rbuf_varint(&l->r);
	if (l->r.err || size > look_left(l))
		return -EBADMSG;
	section = l->r;
	id = rbuf_varint(&section);
	if (type != FORMAT_TABLE || (!section.err && id < ntables && !tables[id])) {
		look_past(l, size);
		return 0;
	}
	e = look_at(l, size);
	if (e)
		return e;
	section = rbuf_sub(&l->r, size);
	return table_apply(tables, ntables, &section, l->segment, l->frame, keep, scratch);
}

int cursor_apply(struct cursor_table *const *tables, uint32_t ntables, struct segment *segment,
		 const struct segment_frame *frame, bool keep, struct cursor_scratch *scratch)
{
	struct look l = {.segment = segment, .frame = frame};
	int e = look_at(&l, frame->size <= WBUF_KEEP ? frame->size : LOOK);

	if (e)
		return e;
	rbuf_bytes(&l.r, 16); /* its times, known from the segment's list */
	rbuf_varint(&l.r);
	while (!l.r.err && !e && look_left(&l))
		e = section_apply(tables, ntables, &l, keep, scratch);
	segment_frame_done(segment);
	return e ? e : l.r.err;
}
