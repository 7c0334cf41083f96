/* A place on the timeline of one source: the state of its tables as of the newest frame at or before a time. Moving
 * forward costs what changed; moving elsewhere reloads a key frame. Rows that ended are kept for as long as the caller
 * asks, with their final values. Trusts nothing in the bytes. */
#ifndef CORE_CURSOR_H
#define CORE_CURSOR_H

#include "patience.h"
#include "segment.h"

struct cursor_table;
struct grid;
struct row_columns;

/* A row as a cursor gives it. Its numbers by row_cell() and the other functions below. Those of a live row are the
 * cursor's: valid until it is moved. */
struct row {
	uint64_t serial;     /* identity for the life of the writer: the same thing has the same serial */
	uint64_t began_ns;   /* time of its first sample; 0: it was there when the segment or the source began */
	uint64_t ended_ns;   /* 0: alive; else the sample time at which it was gone */
	/* From when its counters count: where born, the table's sample before began_ns; else began_ns. 0: as began_ns. */
	uint64_t since_ns;
	bool folds;          /* stands for several rows */
	bool folded;         /* ended only in that it went into such a row */
	bool born;           /* began after the table's previous sample: base of its counters is 0 */
	uint8_t stale;       /* bit g: columns of group g were not read in the newest sample */
	/* Groups that have bases: their first values. (Where born they are 0, from since_ns on.) Groups that were read in the
	 * table's first sample have none. */
	uint8_t based;
	/* private, as what follows the segment: where its numbers are */
	bool dropped;
	uint32_t slot;
	const uint8_t *states; /* enum format_cell, one a column; UNREAD: the cell is the dictionary id of the reason */
	struct segment *segment; /* whose dictionary its ids belong to */
	uint64_t sample_ns;
	const struct grid *grid;
	const uint64_t *numbers; /* of events: all of them; else NULL */
	const uint64_t *packed;  /* of one that ended: see cursor_keep_ended(); else NULL */
	const struct row_columns *columns;
};

/* i64, u64, bool: the value; f64: its bits; text, stack, task: dictionary id; absent: 0; histograms: unused. */
uint64_t row_cell(const struct row *, uint32_t column);
/* By schema_column.counter: what was lost when the value fell back (sum of old - new over all falls). value + drop never
 * falls. */
uint64_t row_drop(const struct row *, uint32_t counter);
/* The first value read, at row_based_ns(group); of groups in `based`, else 0. */
uint64_t row_base(const struct row *, uint32_t counter);
uint64_t row_based_ns(const struct row *, uint32_t group);
/* Sample time of the group's last read; of group 0 the table's. 0: never. */
uint64_t row_read_ns(const struct row *, uint32_t group);

struct table_view {
	const struct schema_table *schema;
	uint64_t sample_ns;   /* when it was last sampled; 0: never */
	uint64_t attempt_ns;  /* time of the newest frame that mentions it */
	uint32_t state;       /* enum culprit_table_state in that frame */
	uint64_t reason;      /* dictionary id; 0: none */
	uint64_t lost;        /* events lost since the segment began */
	uint64_t cost_ns;     /* of its last sample */
	uint32_t thinning;
	size_t nrows;         /* slots; some may be empty */
};

struct cursor;

/* Rows that it holds of these tables (n names) now; of those that it follows, all: NULL. */
size_t cursor_rows_held(const struct cursor *, const char *const *tables, size_t n);

/* `tables`: names to decode, NULL-terminated; NULL: all. Skipped ones cost nothing. The source is borrowed. */
struct cursor *cursor_create(struct source *, const char *const *tables);
void cursor_destroy(struct cursor *);

/* Keep rows that ended at or after this time (and events); earlier ones are forgotten. Default: the cursor's time. */
void cursor_keep_since(struct cursor *, uint64_t mono_ns);
/* Of each table at most so many of either; of more, the oldest are forgotten, and counted. 0, the default: all. */
void cursor_keep_most(struct cursor *, size_t most);

/* Moves to the newest frame with mono_ns <= to_ns (UINT64_MAX: the newest there is; the first one where to_ns lies before
 * all). Ended rows and events from `keep_since` on are complete after it, also when it had to jump. 0; -ENODATA: the
 * source has no frame; -EBADMSG: it stands at the last good frame before damage, the sentence names it; -ESTALE: it was
 * overwritten while reading, try again; -EINTR: see cursor_set_patience(); -ENOMEM. Pointers got from it before are invalid after. */
int cursor_seek(struct cursor *, uint64_t to_ns, struct culprit_error *);

/* From now on a seek ends with -EINTR between two frames when this is over, standing on the way; the same seek again goes on from
 * there. Borrowed; NULL, the default: it goes all the way. */
void cursor_set_patience(struct cursor *, const struct patience *);
/* How much of the way to that time it has gone since it jumped last, 0 to 1. */
double cursor_gone(const struct cursor *, uint64_t to_ns);

/* Time of the frame it stands on. 0 before the first seek. */
uint64_t cursor_mono_ns(const struct cursor *);
int64_t cursor_wall_ns(const struct cursor *);
struct segment *cursor_segment(struct cursor *); /* borrowed */
/* First and last frame that the source holds, as of the last seek. */
void cursor_extent(const struct cursor *, uint64_t *ret_from_ns, uint64_t *ret_to_ns);

/* A table by name; false: the source has no such table. */
bool cursor_table(const struct cursor *, const char *name, struct table_view *);
/* Row in slot i (0 <= i < nrows), put into *memory and returned. NULL: the slot is empty. Histogram counts by
 * cursor_histogram(). */
const struct row *cursor_row(const struct cursor *, const struct schema_table *, size_t slot, struct row *memory);
/* The row with this serial in this slot, else NULL. */
const struct row *cursor_row_serial(const struct cursor *, const struct schema_table *, size_t slot, uint64_t serial,
				    struct row *memory);
/* Counts of a histogram column, `count` of its bounds; NULL: absent. Borrowed until another row of the table is asked for. */
const uint64_t *cursor_histogram(const struct cursor *, const struct schema_table *, const struct row *, uint32_t column);
/* Base of a histogram column, as row.bases for counters: counts first read. NULL: all 0 where born, else none known.
 * Borrowed likewise. */
const uint64_t *cursor_histogram_base(const struct cursor *, const struct schema_table *, const struct row *,
				      uint32_t column);

/* Rows that ended since keep_since, oldest first. Borrowed until the next seek; so are events. */
size_t cursor_nended(const struct cursor *, const struct schema_table *);
/* Ended rows and events since keep_since that were forgotten because there were too many. */
uint64_t cursor_left_out(const struct cursor *, const struct schema_table *);
const struct row *cursor_ended(const struct cursor *, const struct schema_table *, size_t i, size_t *ret_slot);

/* Events of an event table since keep_since, oldest first; began_ns is the frame's time. */
size_t cursor_nevents(const struct cursor *, const struct schema_table *);
const struct row *cursor_event(const struct cursor *, const struct schema_table *, size_t i);

#endif
