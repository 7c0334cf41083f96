/* Folding: when the task tables would hold more rows than the ring can carry in a key frame, the quiet tail is shown as
 * one row a group (a cgroup): the sum of its members' changes, never of their totals, so that nothing jumps when a row
 * joins or leaves. Members stay in the mirror, unwritten. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder_internal.h"
#include "format.h"

bool fold_adds(const struct schema_column *c)
{
	if (c->type != CULPRIT_U64 && c->type != CULPRIT_I64)
		return false;
	return c->role == CULPRIT_COUNTER ||
	       (c->role == CULPRIT_GAUGE && (c->unit == CULPRIT_BYTES || c->unit == CULPRIT_COUNT));
}

static uint64_t shown_rows(const struct mirror *m)
{
	uint64_t n = 0;

	for (uint32_t s = 0; s < m->nslots; s++)
		n += slot_is_shown(&m->slots[s]) && !(m->slots[s].flags & SLOT_GONE);
	return n;
}

/* How many rows a table may show: what the others leave, but at least an even share, so that 400,000 threads don't cost the
 * sight of 10,000 processes. Whatever the tables do, together they stay within the budget. */
static uint64_t share_of(const struct builder *b, const struct mirror *m)
{
	uint64_t others = 0, tables = 0, even;

	for (uint32_t i = 0; i < b->ntables; i++) {
		if (b->mirrors[i].schema->fold_by < 0)
			continue;
		tables++;
		others += &b->mirrors[i] == m ? 0 : shown_rows(&b->mirrors[i]);
	}
	even = b->row_budget / (tables ? tables : 1);
	return b->row_budget > others && b->row_budget - others > even ? b->row_budget - others : even;
}

/* The fold row of this group, made where there is none. Its key is one no task has: 0, then the group's number. */
static uint32_t fold_row(struct builder *b, struct mirror *m, uint64_t group)
{
	uint64_t key[SCHEMA_COLUMNS_MAX] = {0};
	uint64_t other = 0;
	uint32_t slot;

	for (uint32_t i = 0; i < m->schema->nkeys; i++) {
		uint32_t c = m->schema->keys[i];

		if (m->schema->columns[c].type == CULPRIT_TEXT) {
			other = dictwriter_text(b->dictionary, "(other)", 7);
			key[c] = other;
		} else {
			key[c] = i ? group : 0;
		}
	}
	slot = mirror_find(m, key);
	if (slot != UINT32_MAX)
		return slot;
	slot = mirror_take(m, key);
	if (slot == UINT32_MAX)
		return slot;
	m->slots[slot].flags |= SLOT_FOLD | SLOT_BORN;
	if (m->last_sample_ns && grid_set(&m->grid, slot, m->columns.since, m->last_sample_ns))
		m->err = -ENOMEM;
	for (uint32_t i = 0; i < m->schema->nkeys; i++)
		mirror_set(m, slot, m->schema->keys[i], FORMAT_CELL_OK, key[m->schema->keys[i]]);
	mirror_set(m, slot, (uint32_t)m->schema->fold_by, group ? FORMAT_CELL_OK : FORMAT_CELL_ABSENT, group);
	mirror_set(m, slot, (uint32_t)m->schema->fold_count, FORMAT_CELL_OK, 0);
	return slot;
}

static void fold_add(struct mirror *m, uint32_t slot, uint32_t column, uint64_t difference)
{
	uint64_t now = mirror_states(m, slot)[column] == FORMAT_CELL_OK ? mirror_number(m, slot, column) : 0;

	mirror_set(m, slot, column, FORMAT_CELL_OK, now + difference);
}

/* Adds (sign 1) or takes out (-1) the gauges of a member, and the member itself. */
static void fold_gauges(struct mirror *m, uint32_t row, uint32_t member, int sign)
{
	for (uint32_t c = 0; c < m->ncolumns; c++) {
		uint64_t cell;

		if (m->schema->columns[c].role != CULPRIT_GAUGE || !fold_adds(&m->schema->columns[c]) ||
		    (int)c == m->schema->fold_count || mirror_states(m, member)[c] != FORMAT_CELL_OK)
			continue;
		cell = mirror_number(m, member, c);
		fold_add(m, row, c, sign > 0 ? cell : -cell);
	}
	fold_add(m, row, (uint32_t)m->schema->fold_count, sign > 0 ? 1 : (uint64_t)-1);
}

/* What a member did since the last frame goes to its fold row. (That notes changes itself: those of the member may move.) */
static void fold_changes(struct mirror *m, uint32_t row, uint32_t member)
{
	for (uint32_t number = m->slots[member].first; number; number = mirror_change(m, number)->next) {
		uint32_t c = mirror_change(m, number)->column;
		const struct schema_column *column = &m->schema->columns[c];
		bool ok = mirror_states(m, member)[c] == FORMAT_CELL_OK;
		bool was_ok = mirror_sealed_states(m, member)[c] == FORMAT_CELL_OK;
		uint64_t now = ok ? mirror_number(m, member, c) : 0, before = was_ok ? mirror_change(m, number)->sealed : 0;

		if (!fold_adds(column) || (int)c == m->schema->fold_count)
			continue;
		if (column->role != CULPRIT_COUNTER)
			fold_add(m, row, c, now - before);
		else if (ok && was_ok && now > before)
			fold_add(m, row, c, now - before);
	}
}

static int hide(struct builder *b, struct mirror *m, uint32_t slot)
{
	struct slot *s;
	uint64_t group = mirror_states(m, slot)[m->schema->fold_by] == FORMAT_CELL_OK
				 ? mirror_number(m, slot, (uint32_t)m->schema->fold_by)
				 : 0;
	uint32_t row = fold_row(b, m, group);

	if (row == UINT32_MAX)
		return -ENOMEM;
	s = &m->slots[slot];
	s->flags |= SLOT_FOLDED;
	s->flags |= s->flags & SLOT_NEW ? 0 : SLOT_HIDE;
	s->fold = row;
	fold_gauges(m, row, slot, 1);
	b->folded++;
	return 0;
}

/* A member that works is shown again: a row of its own, with a new serial, counted from here. */
static void show(struct builder *b, struct mirror *m, uint32_t slot)
{
	struct slot *s = &m->slots[slot];

	fold_gauges(m, s->fold, slot, -1);
	s->flags &= ~(uint32_t)(SLOT_FOLDED | SLOT_BORN);
	s->flags |= SLOT_SHOW;
	if (grid_set(&m->grid, slot, m->columns.serial, ++m->next_serial) ||
	    grid_set(&m->grid, slot, m->columns.began, m->sample_ns) ||
	    grid_set(&m->grid, slot, m->columns.since, m->sample_ns))
		m->err = -ENOMEM;
	/* Its change of this tick went to the fold row: it counts from what it has now. */
	s->based = 0;
	b->folded--;
}

int builder_fold(struct builder *b, struct mirror *m)
{
	uint64_t shown, most, target;

	for (uint32_t i = 0; i < m->nslots; i++) {
		struct slot *s = &m->slots[i];

		if (!(s->flags & SLOT_FOLDED) || s->flags & SLOT_HIDE)
			continue;
		if (s->flags & SLOT_GONE) {
			fold_gauges(m, s->fold, i, -1);
			b->folded--;
		} else if (s->flags & SLOT_TOUCHED) {
			fold_changes(m, s->fold, i);
		}
	}
	for (uint32_t i = 0; i < m->nslots; i++) {
		if ((m->slots[i].flags & (SLOT_LIVE | SLOT_GONE | SLOT_FOLD)) == (SLOT_LIVE | SLOT_FOLD) &&
		    !mirror_cell(m, i, (uint32_t)m->schema->fold_count))
			mirror_end(m, i);
	}
	if (!b->row_budget)
		return 0;
	shown = shown_rows(m);
	most = share_of(b, m);
	/* The busy ones first come back, while there is room. */
	for (uint32_t i = 0; i < m->nslots && shown < most; i++) {
		struct slot *s = &m->slots[i];

		if ((s->flags & (SLOT_FOLDED | SLOT_GONE | SLOT_HIDE | SLOT_TOUCHED)) == (SLOT_FOLDED | SLOT_TOUCHED)) {
			show(b, m, i);
			shown++;
		}
	}
	if (shown <= most)
		return 0;
	/* The idlest go, down to nine tenths, so that it isn't done again at once. */
	target = most - most / 10;
	for (uint32_t idle = 64; shown > target; idle = idle > 1 ? idle / 4 : 0) {
		for (uint32_t i = m->nslots; i > 0 && shown > target; i--) {
			struct slot *s = &m->slots[i - 1];

			if (!slot_is_shown(s) || s->flags & (SLOT_GONE | SLOT_FOLD | SLOT_SHOW) || s->idle < idle)
				continue;
			if (hide(b, m, i - 1))
				return -ENOMEM;
			shown--;
		}
		if (!idle)
			break;
	}
	return 0;
}
