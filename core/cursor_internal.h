/* Shared by cursor.c (where it stands) and cursor_decode.c (one frame's bytes). */
#ifndef CORE_CURSOR_INTERNAL_H
#define CORE_CURSOR_INTERNAL_H

#include "cellstates.h"
#include "cursor.h"
#include "grid.h"
#include "rowcolumns.h"

/* A table may take so much memory, whatever its bytes say. */
#define CURSOR_TABLE_MAX ((size_t)256 << 20)

struct cursor_slot {
	uint32_t states; /* of its cells: cellstates; held while live */
	uint8_t flags;   /* enum format_row */
	bool live;
	uint8_t stale, based;
};

/* Where kept rows have their numbers: those of a table share one. */
struct cursor_layout {
	uint32_t refs;
	struct row_columns columns;
};

/* A row that outlives its slot, or an event. */
struct cursor_kept {
	struct row row;
	struct cursor_layout *layout; /* holds it */
	uint32_t ncounts;
	uint32_t counts, base_counts; /* where in `memory` those that are not 0 stand, behind a bit for each that says so; 0: none known */
	uint64_t memory[]; /* what row points to */
};

/* Kept rows stand one after the other in pieces that go with the last one in them: they go in the order in which they came, thousands
 * at once, and would leave holes elsewhere. */
struct cursor_piece {
	struct cursor_piece *next;
	size_t size, used; /* bytes of `memory` */
	size_t live;       /* rows in it that are left */
	uint64_t memory[];
};

struct cursor_list {
	struct cursor_kept **items;
	size_t n, cap, first; /* items before `first` are forgotten */
	struct cursor_piece *oldest, *newest;
	uint64_t left_out, left_out_ns; /* were too many: the oldest, so many, the newest of them at */
};

/* Counts of histograms. */
struct cursor_counts {
	struct grid now, base; /* base: no rows until first needed */
	uint64_t shown[]; /* two rows, as they are handed out */
};

struct cursor_table {
	const struct schema_table *schema;
	struct cursor_slot *slots;
	struct row_columns columns;
	struct cursor_layout *layout; /* the same, as kept rows have it; NULL: none was kept yet */
	struct grid grid;   /* the numbers of the rows in `slots` */
	struct cellstates cellstates;
	struct cursor_counts *hists; /* with the first slot of a table that has histograms */
	uint32_t ncounts, *count_at;
	size_t nslots, cap;
	uint64_t sample_ns, attempt_ns, reason, lost, cost_ns;
	uint32_t state, thinning;
	struct cursor_list ended, events;
};

/* Memory while decoding, kept for the next frame. */
struct cursor_scratch {
	uint32_t *slots;   /* rows of the section */
	size_t slots_cap;
	uint32_t *numbers;         /* of each pattern: its cellstates */
	size_t patterns_cap;
	uint32_t *row_patterns;    /* of each row: its pattern, then the cellstates it gets */
	uint64_t *masks;           /* of each row: columns that changed */
	size_t masks_cap;
	uint64_t decoded;          /* tables, so far; see struct source */
};

void cursor_table_init(struct cursor_table *, const struct schema_table *);
void cursor_table_finish(struct cursor_table *);
static inline const uint8_t *cursor_states(const struct cursor_table *t, uint32_t slot)
{
	return cellstates_of(&t->cellstates, t->slots[slot].states);
}

/* The cell; absent: 0, and the grid is not asked. */
static inline uint64_t cursor_cell(const struct cursor_table *t, uint32_t slot, uint32_t column)
{
	return cursor_states(t, slot)[column] ? grid_get(&t->grid, slot, column) : 0;
}

/* The slot is empty from now on. */
void cursor_slot_free(struct cursor_table *, uint32_t slot);
/* No rows, as before a key frame. Ended rows and events stay. */
void cursor_table_clear(struct cursor_table *);

void cursor_list_finish(struct cursor_list *);
/* A new last one, of zeros, with the table's layout and so many bytes behind it. NULL: out of memory. */
struct cursor_kept *cursor_list_add(struct cursor_list *, struct cursor_table *, size_t bytes);
/* Forgets the oldest; there is one. */
void cursor_list_drop(struct cursor_list *);
/* Copies the row in this slot to the list of ended rows. */
int cursor_keep_ended(struct cursor_table *, uint32_t slot, uint64_t ended_ns, bool folded, struct segment *);

/* Applies one frame. `tables`: one a table of the segment's schema; NULL: it is not wanted. -EBADMSG, -ENOMEM; then the tables are not to be
 * used before a key frame. `keep`: ended rows and events are wanted. */
int cursor_apply(struct cursor_table *const *tables, uint32_t ntables, struct segment *, const struct segment_frame *, bool keep,
		 struct cursor_scratch *);
void cursor_scratch_finish(struct cursor_scratch *);

#endif
