/* Table `offcpu`: stacks of waits by why, as stacks_offcpu.bpf.h counts them. */
#ifndef COLLECTORS_STACKS_OFFCPU_H
#define COLLECTORS_STACKS_OFFCPU_H

#include <culprit/collector.h>

#include "stacks_rows.h"

extern const struct culprit_table offcpu_table;

/* Books what of waits that still go on has passed, of threads that are not idle: threads_fd is the map of them, with so many
 * `places`, `marks` says which to look at, OFFCPU_MARKS at a time. Returns how many waits found no row. */
uint64_t offcpu_go_on(uint64_t *marks, int threads_fd, unsigned places, struct stacks_rows *, uint64_t now_ns, uint32_t thinning);
/* For stacks_rows_put(). */
void offcpu_put(void *ignored, struct culprit_frame *, const struct stacks_row *);

#endif
