/* Rows of a table of stacks: a row is a thread in one stack for one reason, with what was counted of it while it was seen. It
 * ends when it was not seen for some time, and with it what is kept of its stacks. Memory of rows is taken at the beginning (and touched as it is
 * needed), that of their index grows with the most there ever were.
 *
 * Not here: what the columns of one table mean beyond those that all of these share. */
#ifndef COLLECTORS_STACKS_ROWS_H
#define COLLECTORS_STACKS_ROWS_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "stacks_shared.h"
#include "stacks_store.h"

/* Columns that each such table begins with, in this order. */
enum {
	STACKS_TID, STACKS_START, STACKS_ID, STACKS_PID, STACKS_PROCESS_START, STACKS_COMM, STACKS_KERNEL, STACKS_USER, STACKS_COUNT,
	STACKS_TIME, STACKS_END, STACKS_OWN,
};

struct stacks_row {
	struct stacks_key key;
	uint64_t count, time_ns, process_start;
	uint64_t back; /* of time_ns, what was taken back */
	char comm[16];
	bool whole; /* while it is put: all of it is, what never changes, too */
};

struct stacks_rows;
struct stacks_rows *stacks_rows_create(const struct culprit_host *, struct stacks_store *, uint32_t most); /* NULL: no memory */
void stacks_rows_destroy(struct stacks_rows *); /* NULL-safe; the store goes next */
/* Adds what was counted. False: there is no room for another row. */
bool stacks_rows_add(struct stacks_rows *, const struct stacks_key *, const struct stacks_count *);
/* What was counted there before goes down: `count->time_ns` is taken back, where the row is still known. */
void stacks_rows_take_back(struct stacks_rows *, const struct stacks_key *, const struct stacks_count *);
/* From now on rows stay as long as not all of them was taken back. */
void stacks_rows_hold(struct stacks_rows *);
/* Ends all rows. */
void stacks_rows_clear(struct stacks_rows *);
/* Emits the rows that are known by now into the table begun by the caller. `put` adds its own columns to a row that
 * `changed` since it was emitted. */
void stacks_rows_put(struct stacks_rows *, struct culprit_frame *,
		     void (*put)(void *arg, struct culprit_frame *, const struct stacks_row *), void *arg);
uint32_t stacks_rows_n(const struct stacks_rows *);

/* Words for enum culprit_unwind_end; "" for a whole stack. */
const char *stacks_end_words(uint32_t end);

#endif
