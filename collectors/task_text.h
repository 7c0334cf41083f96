/* Short texts that many tasks share (cgroup paths, wait channels, user names), each kept once, by number. A text nobody
 * holds stays until the room is needed, so that one that comes and goes takes no memory each time. */
#ifndef COLLECTORS_TASK_TEXT_H
#define COLLECTORS_TASK_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct task_text_entry {
	char *bytes;
	uint64_t hash;
	uint32_t len, holders;
	uint32_t cap;  /* of bytes */
	uint32_t next; /* in its bucket or in the free list; 0: end */
};

struct task_text_pool {
	struct task_text_entry *entries; /* [0] is unused */
	uint32_t *buckets;
	uint32_t nentries, cap, nbuckets, free;
};

enum { TASK_TEXT_NONE = 0, TASK_TEXT_MAX = 4096 };

void task_text_finish(struct task_text_pool *);
/* The number of a text (cut at TASK_TEXT_MAX), held once more. TASK_TEXT_NONE: out of memory. */
uint32_t task_text_hold(struct task_text_pool *, const char *bytes, size_t len);
void task_text_release(struct task_text_pool *, uint32_t text); /* NONE does nothing */
/* Holds the new one in place of *text. Returns 1 when it differs from before. */
int task_text_set(struct task_text_pool *, uint32_t *text, const char *bytes, size_t len);
const char *task_text_get(const struct task_text_pool *, uint32_t text, size_t *ret_len);

/* For change detection and buckets; not for hostile tables. */
uint64_t task_hash(const void *bytes, size_t n);

#endif
