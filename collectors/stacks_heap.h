/* Tables `heap` and `heap_probe`: which code makes a process grow, and what looking at that costs it. Only for one process, while
 * somebody asks: each call of its allocator traps into the kernel. Finding the allocator, attaching and detaching take long and are
 * done on a thread of its own. */
#ifndef COLLECTORS_STACKS_HEAP_H
#define COLLECTORS_STACKS_HEAP_H

#include <culprit/collector.h>

#include "bpf.h"
#include "stacks_rows.h"

extern const struct culprit_table heap_table;
extern const struct culprit_table heap_probe_table;

struct bpf_program;
struct heap;

struct heap *heap_create(const struct culprit_host *, struct bpf_program *in, struct bpf_program *out, struct bpf_map *pieces,
			 struct bpf_map *ranges); /* NULL: no memory */
/* NULL-safe; before the object is unloaded. False: its thread hangs in a file system, and what it works with must stay loaded. */
bool heap_destroy(struct heap *);

/* Looks at this process from now on; 0: at none. True: what was counted is of another one now. */
bool heap_follow(struct heap *, uint32_t pid, uint64_t start);
/* Once a sample, with what its two programs counted in all. */
void heap_tick(struct heap *, uint64_t in, uint64_t out);
/* Not any more for this process; why, in a sentence. What was counted stays. Nothing where it is not looked at anyway. */
void heap_stop(struct heap *, const char *why);
/* Which process is looked at; 0: none. */
uint32_t heap_pid(const struct heap *);

enum heap_state { HEAP_REST, HEAP_COMING, HEAP_ON, HEAP_STOPPED, HEAP_CANNOT };
enum heap_state heap_state(const struct heap *);
/* HEAP_CANNOT, HEAP_STOPPED: why, and what to do; HEAP_COMING: that it comes; HEAP_ON: what is not seen, or "". */
const char *heap_why(const struct heap *);
/* The row of `heap_probe`. */
void heap_probe_put(const struct heap *, struct culprit_frame *);
/* For stacks_rows_put(). */
void heap_put(void *ignored, struct culprit_frame *, const struct stacks_row *);

#endif
