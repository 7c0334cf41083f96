/* Shared by cursor.c (where it stands) and cursor_decode.c (one frame's bytes). */
#ifndef CORE_CURSOR_INTERNAL_H
#define CORE_CURSOR_INTERNAL_H

#include "cursor.h"

/* A table may take so much memory, whatever its bytes say. */
#define CURSOR_TABLE_MAX ((size_t)256 << 20)

struct cursor_slot {
	uint64_t serial, began_ns, since_ns;
	uint32_t flags; /* enum format_row, and: */
	bool live;
	uint8_t stale, based;
};

/* A row that outlives its slot, or an event. */
struct cursor_kept {
	struct row row;
	uint32_t slot;
	uint64_t *counts, *base_counts;
	uint64_t memory[]; /* what row points to */
};

struct cursor_list {
	struct cursor_kept **items;
	size_t n, cap, first; /* items before `first` are forgotten */
};

struct cursor_table {
	const struct schema_table *schema;
	bool wanted;
	struct cursor_slot *slots;
	struct row *rows; /* as handed out */
	uint64_t *cells;
	uint8_t *states;
	uint64_t *read_ns;  /* [slot][group]: of stale groups when decoding, of all when handed out */
	uint64_t *drops, *bases;
	uint64_t *based_ns; /* [slot][group]; comes with bases */
	uint64_t *counts, *base_counts;
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
	const uint8_t **patterns;
	size_t patterns_cap;
	uint32_t *row_patterns;
	uint64_t *masks;
	size_t masks_cap;
};

void cursor_table_init(struct cursor_table *, const struct schema_table *, bool wanted);
void cursor_table_finish(struct cursor_table *);
/* No rows, as before a key frame. Ended rows and events stay. */
void cursor_table_clear(struct cursor_table *);

void cursor_list_finish(struct cursor_list *);
/* The list owns it from now on. -ENOMEM: the caller still does. */
int cursor_list_append(struct cursor_list *, struct cursor_kept *);
/* Copies the row in this slot to the list of ended rows. */
int cursor_keep_ended(struct cursor_table *, uint32_t slot, uint64_t ended_ns, bool folded, struct segment *);

/* Applies one frame. `tables`: one a table of the segment's schema. -EBADMSG, -ENOMEM; then the tables are not to be
 * used before a key frame. `keep`: ended rows and events are wanted. */
int cursor_apply(struct cursor_table *tables, uint32_t ntables, struct segment *, const struct segment_frame *, bool keep,
		 struct cursor_scratch *);
void cursor_scratch_finish(struct cursor_scratch *);

#endif
