/* The functions of one module, put away small: what symtab.h has, in compressed blocks of a few functions each. A tenth of a
 * table's names is ever asked for, but nobody knows which; a question opens one block. Blocks opened last stay open, in a cache
 * that all tables share. */
#ifndef CORE_SYMPACK_H
#define CORE_SYMPACK_H

#include "symtab.h"

enum {
	SYMPACK_BLOCK = 128, /* functions */
	SYMPACK_OPEN = 32,   /* blocks in a cache */
};

/* init is all zeros: no functions. */
struct sympack {
	struct sympack_block *blocks;
	uint8_t *bytes;
	size_t n, nblocks, nbytes;
	uint64_t id; /* of a cache; 0: not asked yet */
};

/* From a settled table, which stays as it is. 0, -ENOMEM. */
int sympack_make(struct sympack *, const struct symtab *);
void sympack_finish(struct sympack *);
size_t sympack_memory(const struct sympack *);

struct sympack_cache;
struct sympack_cache *sympack_cache_create(void); /* NULL: out of memory */
void sympack_cache_destroy(struct sympack_cache *); /* NULL-safe */

/* The function that holds this place, as symtab_find() says it; false: none (or no memory). `name`: borrowed until the next
 * call with this cache. A pack belongs to one cache. */
struct sympack_found {
	uint64_t start, end; /* end UINT64_MAX: nothing follows */
	const char *name;
};
bool sympack_find(struct sympack *, struct sympack_cache *, uint64_t place, struct sympack_found *);

#endif
