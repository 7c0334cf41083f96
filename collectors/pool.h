/* Items of one size by the thousand, as processes and threads come and go: taken out of blocks, which are given back to the system
 * once none of their items is used. One thread. */
#ifndef COLLECTORS_POOL_H
#define COLLECTORS_POOL_H

#include <stddef.h>
#include <stdint.h>

enum { POOL_BLOCK = 64 * 1024 }; /* bytes: large enough to be the system's, not the heap's */

struct pool_block;

struct pool {
	size_t size;              /* of an item, at most POOL_BLOCK / 8 */
	struct pool_block *some;  /* with room */
	struct pool_block *full;
	uint32_t blocks, items;   /* how many there are; how many are used */
};

void pool_init(struct pool *, size_t size);
void pool_finish(struct pool *); /* items too */
void *pool_take(struct pool *);  /* zeros; NULL: out of memory */
void pool_give(struct pool *, void *item);

#endif
