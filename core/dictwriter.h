/* The writer's dictionary: texts, stacks and tasks get a number that is unique for the life of the writer and never
 * reused. A segment carries the entries it uses: dictwriter_use() says which, and emits each once a segment. Entries
 * that a whole segment did not use are forgotten. */
#ifndef CORE_DICTWRITER_H
#define CORE_DICTWRITER_H

#include <culprit/frame.h>

#include "wire.h"

struct dictwriter;
struct symbols;

struct dictwriter *dictwriter_create(void);
void dictwriter_destroy(struct dictwriter *);

/* Number of these bytes; 0: out of memory. Texts are cut to FORMAT_TEXT_MAX - 1 bytes, stacks to FORMAT_STACK_MAX. */
uint64_t dictwriter_text(struct dictwriter *, const void *bytes, size_t n);
uint64_t dictwriter_stack(struct dictwriter *, const struct culprit_location *, uint32_t n);
uint64_t dictwriter_task(struct dictwriter *, uint64_t tid, uint64_t start_ticks);

/* Where modules of dictwriter_code() are known; borrowed. What names they have is written as soon as it is known, once a
 * segment. NULL, as at first: stacks of dictwriter_code() have addresses only. */
void dictwriter_set_symbols(struct dictwriter *, struct symbols *);
/* A stack of places in modules of `symbols`. The same file name in two builds is two modules. */
uint64_t dictwriter_code(struct dictwriter *, const struct culprit_code *, uint32_t n);

/* A new segment begins: nothing is emitted yet. */
void dictwriter_begin_segment(struct dictwriter *);
/* The frame uses this number (0 is ignored): it will be in its dictionary section unless the segment has it. */
void dictwriter_use(struct dictwriter *, uint64_t id);
/* Appends the entries used for the first time since the last call; returns how many there were. */
size_t dictwriter_flush(struct dictwriter *, struct wbuf *);
/* Forgets entries that the current segment has not used so far. Call when all live rows were used, after a key frame. */
void dictwriter_sweep(struct dictwriter *);

size_t dictwriter_memory(const struct dictwriter *);

#endif
