/* What stacks mean: each is taken from the kernel's map once and its addresses turned into places in code, which are kept while
 * a row uses them. Takes all its memory at the beginning (and touches it as it is needed). */
#ifndef COLLECTORS_STACKS_STORE_H
#define COLLECTORS_STACKS_STORE_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "stacks_code.h"
#include "stacks_shared.h"

/* Beside enum culprit_unwind_end: there was no room for it; nobody expected that it would be wanted. */
enum { STACKS_END_REFUSED = 64, STACKS_END_MISSED };

struct stacks_place {
	uint64_t hash;
	uint32_t pid; /* 0: of the kernel */
	uint32_t refs;
	uint32_t block; /* of its frames, in the store */
	uint8_t n, end;
	uint8_t tries; /* rounds in which it was not known */
	uint32_t tried; /* the last of them */
	bool settled;
};

struct stacks_store;

struct stacks_store *stacks_store_create(const struct culprit_host *, struct stacks_code *, struct bpf_map *kept);
/* Of stacks that user space walks: the one that is there now, and its hash; both borrowed. */
struct stacks_store *stacks_store_create_own(const struct culprit_host *, const uint64_t *hash, const struct unwind_stack *);
/* The next sample: what is not known yet is asked for again. (stacks_store_sweep() does that, too.) */
void stacks_store_turn(struct stacks_store *);
void stacks_store_destroy(struct stacks_store *); /* NULL-safe; places that were got are gone then */

/* The stack with this hash, of this process. NULL: there is none (hash 0), or no room. */
struct stacks_place *stacks_store_get(struct stacks_store *, uint64_t hash, uint32_t pid);
void stacks_store_release(struct stacks_store *, struct stacks_place *); /* NULL-safe */
/* Is it known by now what stands at its addresses, or known that nobody knows? */
bool stacks_store_settle(struct stacks_store *, struct stacks_place *);
/* Its frames; before it is settled, addresses as offsets of no module. Borrowed until the next call of the store. */
const struct culprit_code *stacks_store_code(struct stacks_store *, const struct stacks_place *);

/* Gives room in the kernel's map where it is getting full; `made`: stacks made there, ever; `epoch`: in which the kernel
 * counts now. Right after the counts of the one before were taken. */
void stacks_store_sweep(struct stacks_store *, uint64_t made, uint32_t epoch);
uint32_t stacks_store_used(const struct stacks_store *); /* stacks in the kernel's map */

#endif
