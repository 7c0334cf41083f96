/* Stacks without BPF: through plain perf events, walked in user space; of own processes alone, or, with the right to that, of all.
 * What table `oncpu` is made of where nothing may be loaded into the kernel. */
#ifndef COLLECTORS_STACKS_OWN_H
#define COLLECTORS_STACKS_OWN_H

#include "stacks_rows.h"

struct stacks_own;

/* Can that be had here? 0; -errno, with one sentence where a command would bring it. Leaves nothing behind. */
int stacks_own_probe(const struct culprit_host *, struct culprit_error *);
/* Begins to sample. `reason`: why it is done so, one sentence, for the table's remark. NULL with a sentence. Takes long where there
 * are many processes. */
struct stacks_own *stacks_own_create(const struct culprit_host *, unsigned hz, const char *reason, struct culprit_error *);
void stacks_own_destroy(struct stacks_own *); /* NULL-safe */

/* Readable when there is something for drain. */
int stacks_own_fd(const struct stacks_own *);
void stacks_own_drain(struct stacks_own *);
/* Looks for processes that are new, and makes the table. */
void stacks_own_sample(struct stacks_own *, struct culprit_frame *, uint32_t table);

/* For the collector's programs() and thin(): one, which stands for all of it. */
size_t stacks_own_programs(struct stacks_own *, const struct culprit_program **ret_list);
void stacks_own_thin(struct stacks_own *, uint32_t thinning);

#endif
