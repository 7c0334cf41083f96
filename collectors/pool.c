#include "pool.h"

#include <stdlib.h>
#include <string.h>

struct free_item {
	struct free_item *next;
};

struct pool_block {
	struct pool_block *next, *before;
	struct free_item *free; /* of those that were given back */
	uint32_t used, taken;   /* taken: from the beginning, ever */
};

enum { HEAD = (sizeof(struct pool_block) + 15) & ~15 };

void pool_init(struct pool *p, size_t size)
{
	memset(p, 0, sizeof(*p));
	p->size = (size + 15) & ~(size_t)15;
}

static void list_add(struct pool_block **list, struct pool_block *b)
{
	b->before = NULL;
	b->next = *list;
	if (b->next)
		b->next->before = b;
	*list = b;
}

static void list_remove(struct pool_block **list, struct pool_block *b)
{
	if (b->next)
		b->next->before = b->before;
	if (b->before)
		b->before->next = b->next;
	else
		*list = b->next;
}

static void blocks_free(struct pool_block *b)
{
	while (b) {
		struct pool_block *next = b->next;

		free(b);
		b = next;
	}
}

void pool_finish(struct pool *p)
{
	blocks_free(p->some);
	blocks_free(p->full);
	pool_init(p, p->size);
}

static uint32_t room(const struct pool *p)
{
	return (uint32_t)((POOL_BLOCK - HEAD) / p->size);
}

void *pool_take(struct pool *p)
{
	struct pool_block *b = p->some;
	void *item;

	if (!b) {
		/* Aligned to its size, so that an item says where its block is. */
		b = aligned_alloc(POOL_BLOCK, POOL_BLOCK);
		if (!b)
			return NULL;
		memset(b, 0, sizeof(*b));
		list_add(&p->some, b);
		p->blocks++;
	}
	if (b->free) {
		item = b->free;
		b->free = b->free->next;
	} else {
		item = (char *)b + HEAD + b->taken++ * p->size;
	}
	p->items++;
	if (++b->used == room(p)) {
		list_remove(&p->some, b);
		list_add(&p->full, b);
	}
	memset(item, 0, p->size);
	return item;
}

void pool_give(struct pool *p, void *item)
{
	struct pool_block *b = (struct pool_block *)((uintptr_t)item & ~(uintptr_t)(POOL_BLOCK - 1));
	struct free_item *f = item;

	p->items--;
	if (b->used-- == room(p)) {
		list_remove(&p->full, b);
		list_add(&p->some, b);
	}
	f->next = b->free;
	b->free = f;
	/* One without items stays, for who comes next. */
	if (!b->used && (p->some != b || b->next)) {
		list_remove(&p->some, b);
		p->blocks--;
		free(b);
	}
}
