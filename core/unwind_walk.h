/* Walks a stack with unwind rows, from registers and memory: what the BPF sampler does, in user space. The reference that
 * the sampler is tested against, and what walks recorded stacks of other machines. */
#ifndef CORE_UNWIND_WALK_H
#define CORE_UNWIND_WALK_H

#include "unwind_table.h"

struct unwind_regs {
	uint64_t pc, sp, fp;
	uint64_t lr; /* arm64 only */
	bool fp_lost, lr_lost;
};

/* What stands at an address. */
struct unwind_code {
	const struct unwind_table *table; /* NULL: not made (yet), or generated code */
	uint64_t start, offset;           /* of the mapping: address - start + offset is the place in the file */
	bool generated;                   /* anonymous executable memory */
};

struct unwind_space {
	/* false: no executable mapping there. */
	bool (*find)(struct unwind_space *, uint64_t pc, struct unwind_code *);
	/* Reads the 8 bytes at this address; false: can't be read. */
	bool (*read)(struct unwind_space *, uint64_t address, uint64_t *ret);
	const struct unwind_rules *rules;
	enum cfi_machine machine;
	uint64_t pac_mask; /* arm64: bits that pointer authentication uses; 0: the default, bits 55 to 48 and above */
};

/* One step outwards; `inner`: pc is exact (the innermost frame, or interrupted by a signal); written for the next step.
 * Returns an enum culprit_unwind_end that is not WHOLE when it can't, WHOLE when this was the outermost frame, -1 to go
 * on. */
int unwind_step(struct unwind_space *, struct unwind_regs *, bool *inner);

/* Writes the pcs of at most `cap` frames, innermost first, return addresses as they are. Returns how many. */
size_t unwind_walk(struct unwind_space *, struct unwind_regs, uint64_t *pcs, size_t cap, enum culprit_unwind_end *ret_end);

#endif
