/* What the writer remembers of one table between frames: every row as last sampled, and, until the frame is sealed, what the
 * changed cells were in the last one: a log, not a second copy. Slots are reused after a row has ended, from the next frame
 * on; serials never are. Used by the builder only. */
#ifndef CORE_MIRROR_H
#define CORE_MIRROR_H

#include <stdbool.h>

#include "cellstates.h"
#include "format.h"
#include "grid.h"
#include "rowcolumns.h"

enum slot_flags {
	SLOT_LIVE = 1,   /* the row exists */
	SLOT_NEW = 2,    /* it came in this frame */
	SLOT_GONE = 4,   /* it ended in this frame */
	SLOT_SEEN = 8,   /* emitted in this sample */
	SLOT_BORN = 16,  /* its counters count from 0 */
	SLOT_DROPPED = 64,  /* some counter fell */
	SLOT_FOLDED = 128,  /* not written: a member of a fold row */
	SLOT_FOLD = 256,    /* is a fold row */
	SLOT_TOUCHED = 512, /* the mask of changes is not empty */
	SLOT_HIDE = 1024,   /* became a folded member in this frame: readers see it go */
	SLOT_SHOW = 2048,   /* stopped being one in this frame: readers see it come */
	SLOT_WRITTEN = 4096, /* has a number in `written` */
};

struct slot {
	uint32_t states, sealed_states; /* of its cells (cellstates); NONE: has none */
	uint32_t fold;        /* of a member: the slot of its fold row; of an empty slot: the next empty one + 1 */
	uint32_t first, last; /* its entries in the log, + 1; 0: none */
	uint16_t flags;       /* enum slot_flags */
	uint16_t idle;        /* samples since its last change */
	uint8_t stale, sealed_stale;
	uint8_t based, based_now; /* groups that have bases; those that got them in this frame */
};

/* A cell that differs from what was last sealed, or may: and what that was. Those of a row are chained by column. */
struct mirror_change {
	uint64_t sealed;
	uint32_t next; /* + 1 */
	uint32_t column;
};

struct mirror {
	const struct schema_table *schema;
	uint32_t ncolumns, nslots, cap, live;
	struct slot *slots;
	struct row_columns columns;
	struct grid grid;               /* the numbers of the rows in `slots`, as last sampled */
	uint32_t had_ok;                /* grid column: which counters and histograms ever were ok; a word for 64 columns each */
	struct cellstates cellstates;
	struct mirror_change *changes;  /* of this frame */
	uint32_t nchanges, changes_cap, changes_peak;
	int err;                        /* -ENOMEM: something could not be noted in this sample */
	struct grid counts, base_counts; /* [slot][all slots of all histograms]; bases: no rows until first needed */
	uint32_t *sealed_at;            /* [slot]: where in `sealed` its counts as of the last frame begin, + 1; 0: as they are now */
	uint64_t *sealed;               /* of this frame, `ncounts` of each row whose histograms changed */
	uint32_t nsealed, sealed_cap;   /* in rows */
	uint64_t *shown;                /* two rows of counts, as they are handed out */
	uint32_t ncounts, *count_at;    /* of one row; where each histogram begins in it */
	uint32_t free_slot;             /* the first empty one + 1 */
	uint32_t *index, index_cap;     /* hash of keys -> slot + 1 */
	uint32_t guess;                 /* the slot behind the one asked for last */
	/* Of a table whose rows may be folded: those that are written have numbers of their own. Readers have a place for each
	 * number there ever was, and the members of folded rows may be twenty times as many. */
	bool folds;
	uint32_t *written;              /* [number] -> slot, or WRITTEN_FREE | the next free number + 1 */
	uint32_t nwritten, written_cap, free_number; /* free_number: the first + 1 */
	uint64_t next_serial;
	uint64_t group_columns[SCHEMA_GROUPS_MAX][SCHEMA_MASK_WORDS];
	uint64_t counting_columns[SCHEMA_MASK_WORDS]; /* counters and histograms */

	/* The row being put together. */
	uint64_t *row_cells;
	uint8_t *row_states, *merged_states;
	uint64_t row_put[SCHEMA_MASK_WORDS];
	uint64_t *row_counts;

	/* Event tables: the events of this frame. */
	uint64_t *event_cells;
	uint8_t *event_states;
	uint32_t nevents, events_cap, events_before, events_peak;

	/* Of this frame. */
	uint64_t sample_ns, last_sample_ns, first_sample_ns;
	bool begun, sampled, sealed_reason;
	uint32_t state, thinning;
	uint64_t reason, lost, cost_ns, begun_cpu_ns;
	bool mentioned; /* there is something to say of it in this frame */
	/* Said by builder_skip() and still true: told once, and again in every key frame. 0: nothing. */
	uint32_t lasting_state;
	uint64_t lasting_reason;
};

int mirror_init(struct mirror *, const struct schema_table *);
void mirror_finish(struct mirror *);
size_t mirror_memory(const struct mirror *);

static inline const uint8_t *mirror_states(const struct mirror *m, uint32_t slot)
{
	return cellstates_of(&m->cellstates, m->slots[slot].states);
}

/* As last sealed; of rows that are not new. */
static inline const uint8_t *mirror_sealed_states(const struct mirror *m, uint32_t slot)
{
	const struct slot *s = &m->slots[slot];

	return cellstates_of(&m->cellstates, s->sealed_states == CELLSTATES_NONE ? s->states : s->sealed_states);
}

/* Absent: 0. */
static inline uint64_t mirror_cell(const struct mirror *m, uint32_t slot, uint32_t column)
{
	return mirror_states(m, slot)[column] == FORMAT_CELL_ABSENT ? 0 : grid_get(&m->grid, slot, column);
}

static inline uint64_t mirror_number(const struct mirror *m, uint32_t slot, uint32_t column)
{
	return grid_get(&m->grid, slot, column);
}

static inline const struct mirror_change *mirror_change(const struct mirror *m, uint32_t number)
{
	return number ? &m->changes[number - 1] : NULL;
}

/* What the column was when last sealed, where it changed since; NULL: it did not, or the row is new. */
const struct mirror_change *mirror_changed(const struct mirror *, uint32_t slot, uint32_t column);

/* Counts of one histogram: now, as last sealed, and its base. Borrowed until the next call of the same function. */
const uint64_t *mirror_counts(const struct mirror *, uint32_t slot, uint32_t hist);
const uint64_t *mirror_sealed_counts(const struct mirror *, uint32_t slot, uint32_t hist);
const uint64_t *mirror_base_counts(const struct mirror *, uint32_t slot, uint32_t hist);

static inline bool mask_has(const uint64_t *mask, uint32_t column)
{
	return mask[column / 64] >> (column % 64) & 1;
}

static inline void mask_set(uint64_t *mask, uint32_t column)
{
	mask[column / 64] |= (uint64_t)1 << (column % 64);
}

/* Readers know the row, or will after this frame. */
static inline bool slot_is_shown(const struct slot *s)
{
	return (s->flags & SLOT_LIVE) && !(s->flags & SLOT_FOLDED);
}

#define WRITTEN_FREE 0x80000000u

/* How many numbers there are for rows that are written; and the slot of the row that has this one, UINT32_MAX: none has, or it may not be
 * written. As of the last mirror_settle(). */
static inline uint32_t mirror_numbers(const struct mirror *m)
{
	return m->folds ? m->nwritten : m->nslots;
}

static inline uint32_t mirror_written(const struct mirror *m, uint32_t number)
{
	if (!m->folds)
		return number;
	return m->written[number] & WRITTEN_FREE ? UINT32_MAX : m->written[number];
}

/* Slot of the row whose key cells are in `cells`, or UINT32_MAX. Costs least where rows are asked for in the order of the sample
 * before, as most sources have them. */
uint32_t mirror_find(struct mirror *, const uint64_t *cells);
/* An empty slot, indexed under the key in `cells`, flagged LIVE and NEW; UINT32_MAX: out of memory. */
uint32_t mirror_take(struct mirror *, const uint64_t *cells);
/* Takes the row out of the index and frees the slot at once (a row nobody was told of). */
void mirror_release(struct mirror *, uint32_t slot);
/* Marks the row as ended in this frame. */
void mirror_end(struct mirror *, uint32_t slot);

/* Merges the row put together into the slot. `again`: cells of group 0 that were not put keep their value; so do those of the
 * groups in `kept`, which were read too. */
void mirror_merge(struct mirror *, uint32_t slot, bool again, uint8_t kept);
/* Sets one cell and notes the change. Where there is no memory, m->err says so. */
void mirror_set(struct mirror *, uint32_t slot, uint32_t column, uint8_t state, uint64_t cell);

/* As narrow as it goes, and what one busy frame took is given back: at key frames. */
void mirror_tighten(struct mirror *);
/* Forgets what this sample changed. */
void mirror_rollback(struct mirror *);
/* Before writing: notes by how much counters fell since the last frame, and the bases of those that were read for the
 * first time; rows that are to be written get their numbers. -ENOMEM. */
int mirror_settle(struct mirror *);
/* The counters and histograms of these groups count from what they are now. -ENOMEM. */
int mirror_base(struct mirror *, uint32_t slot, uint8_t groups);
/* What changed is written: now equals sealed; ended rows are freed. */
void mirror_sealed(struct mirror *);

#endif
