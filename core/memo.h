/* Remembered answers: blobs under keys, bounded in bytes, the longest unused forgotten first. What they mean is their
 * owner's business; a key must name everything that the answer depends on. */
#ifndef CORE_MEMO_H
#define CORE_MEMO_H

#include <stddef.h>
#include <stdint.h>

struct memo;

struct memo_key {
	uint64_t w[6];
};

struct memo *memo_create(size_t max_bytes); /* NULL: out of memory */
void memo_destroy(struct memo *);           /* NULL-safe */
void memo_set_max(struct memo *, size_t bytes);
size_t memo_bytes(const struct memo *);
/* The blob and its size; NULL: none. Borrowed until the next memo_put(). */
void *memo_get(struct memo *, const struct memo_key *, size_t *ret_n);
/* Copies n bytes under the key, instead of what was there. 0, or -ENOMEM, also for a blob beyond the bound: it is
 * then not remembered. */
int memo_put(struct memo *, const struct memo_key *, const void *bytes, size_t n);

#endif
