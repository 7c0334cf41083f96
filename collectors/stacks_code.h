/* Keeps true what programs walk user stacks by: the mappings of processes that were sampled, and the unwind rows of what is
 * mapped there. Processes become known by being sampled; files are read by core, on a thread of its own. Bounded: rows and
 * mappings of what was not sampled for long are given up for others.
 *
 * Not here: stacks, and what is counted of them. */
#ifndef COLLECTORS_STACKS_CODE_H
#define COLLECTORS_STACKS_CODE_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "bpf.h"
#include "unwind_shared.h"

struct stacks_code;

/* The maps of an object with unwind.bpf.h. */
struct stacks_code_maps {
	struct bpf_map *rows, *rules, *mappings, *processes, *strangers, *files;
};

struct stacks_code *stacks_code_create(const struct culprit_host *, const struct stacks_code_maps *); /* NULL: no memory */
void stacks_code_destroy(struct stacks_code *); /* NULL-safe */

/* The process was sampled; `end` is why the walk of its stack ended (enum culprit_unwind_end): of one that is not known nothing is
 * asked unless that is why. `first`: the program has told of it; of those it may soon be gone, so half of what may be read is left for others. */
void stacks_code_seen(struct stacks_code *, uint32_t pid, uint32_t end, bool first);
/* Are its mappings those that its samples were taken in, as far as can be known? Before, its addresses mean nothing. Where many
 * begin at once, not all are asked for: they are taken up when they are seen again. */
bool stacks_code_settled(const struct stacks_code *, uint32_t pid);
/* Goes on with what was asked for. True: there is more to come, call again in some ms. */
bool stacks_code_go_on(struct stacks_code *);
/* A tick has passed. */
void stacks_code_tick(struct stacks_code *);

struct stacks_code_stats {
	uint32_t processes, modules, mappings, rows; /* in the kernel now */
	uint64_t evicted;                            /* modules given up for others */
	uint64_t refused;                            /* no room for a process's mappings or a module's rows */
};
void stacks_code_stats(const struct stacks_code *, struct stacks_code_stats *);

#endif
