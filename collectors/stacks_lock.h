/* Table `kernel_lock`: stacks that wait for locks of the kernel. */
#ifndef COLLECTORS_STACKS_LOCK_H
#define COLLECTORS_STACKS_LOCK_H

#include <culprit/collector.h>

#include "stacks_rows.h"

extern const struct culprit_table lock_table;

/* For stacks_rows_put(). */
void lock_put(void *ignored, struct culprit_frame *, const struct stacks_row *);

#endif
