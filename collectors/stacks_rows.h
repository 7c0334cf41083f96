/* Rows of a table of stacks: a row is a thread in one stack for one reason, with what was counted of it while it was seen. It
 * ends when it was not seen for some time, and with it what is kept of its stacks. All memory is taken at the beginning.
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
	char comm[16];
};

struct stacks_rows;
struct stacks_rows *stacks_rows_create(const struct culprit_host *, struct stacks_store *, uint32_t most); /* NULL: no memory */
void stacks_rows_destroy(struct stacks_rows *); /* NULL-safe; the store goes next */
/* Adds what was counted. False: there is no room for another row. */
bool stacks_rows_add(struct stacks_rows *, const struct stacks_key *, const struct stacks_count *);
/* Emits the rows that are known by now into the table begun by the caller. `put` adds its own columns to a row that
 * `changed` since it was emitted. */
void stacks_rows_put(struct stacks_rows *, struct culprit_frame *,
		     void (*put)(void *arg, struct culprit_frame *, const struct stacks_row *), void *arg);
uint32_t stacks_rows_n(const struct stacks_rows *);

/* Words for enum culprit_unwind_end; "" for a whole stack. */
const char *stacks_end_words(uint32_t end);

#endif
