/* Shared short texts: see task_text.h. */
#include "task_text.h"

#include <stdlib.h>
#include <string.h>

uint64_t task_hash(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t h = 0x9e3779b97f4a7c15u ^ n, w;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	if (n > 0) {
		w = 0;
		memcpy(&w, p, n);
		h = (h ^ w) * 0xc4ceb9fe1a85ec53u;
		h ^= h >> 32;
	}
	return h ^ (h >> 29);
}

void task_text_finish(struct task_text_pool *pool)
{
	for (uint32_t i = 1; i < pool->nentries; i++)
		free(pool->entries[i].bytes);
	free(pool->entries);
	free(pool->buckets);
	memset(pool, 0, sizeof(*pool));
}

/* Rebuilds the buckets without the texts nobody holds; their entries become free. */
static void sweep(struct task_text_pool *pool)
{
	memset(pool->buckets, 0, pool->nbuckets * sizeof(*pool->buckets));
	pool->free = 0;
	for (uint32_t i = pool->nentries; i-- > 1;) {
		struct task_text_entry *e = &pool->entries[i];
		uint32_t *head = e->holders ? &pool->buckets[e->hash & (pool->nbuckets - 1)] : &pool->free;

		e->next = *head;
		*head = i;
	}
}

static int grow(struct task_text_pool *pool)
{
	uint32_t cap = pool->cap ? pool->cap * 2 : 256;
	struct task_text_entry *entries;
	uint32_t *buckets;

	if (cap > 1u << 24)
		return -1;
	entries = reallocarray(pool->entries, cap, sizeof(*entries));
	if (!entries)
		return -1;
	pool->entries = entries;
	buckets = reallocarray(pool->buckets, cap, sizeof(*buckets));
	if (!buckets)
		return -1;
	pool->buckets = buckets;
	pool->nbuckets = pool->cap = cap;
	if (pool->nentries == 0) {
		memset(&pool->entries[0], 0, sizeof(pool->entries[0]));
		pool->nentries = 1;
	}
	sweep(pool);
	return 0;
}

static uint32_t take(struct task_text_pool *pool)
{
	uint32_t i;

	if (!pool->free && pool->nentries == pool->cap) {
		uint32_t idle = 0;

		for (i = 1; i < pool->nentries; i++)
			idle += pool->entries[i].holders == 0;
		/* Sweeping a handful again and again would make each new text cost a pass over all. */
		if (pool->cap && idle > pool->cap / 4)
			sweep(pool);
		else if (grow(pool) != 0)
			return 0;
	}
	if (pool->free) {
		i = pool->free;
		pool->free = pool->entries[i].next;
		return i;
	}
	i = pool->nentries++;
	memset(&pool->entries[i], 0, sizeof(pool->entries[i]));
	return i;
}

uint32_t task_text_hold(struct task_text_pool *pool, const char *bytes, size_t len)
{
	struct task_text_entry *e;
	uint64_t hash;
	uint32_t i;

	if (len > TASK_TEXT_MAX)
		len = TASK_TEXT_MAX;
	hash = task_hash(bytes, len);
	for (i = pool->nbuckets ? pool->buckets[hash & (pool->nbuckets - 1)] : 0; i; i = pool->entries[i].next) {
		e = &pool->entries[i];
		if (e->hash == hash && e->len == len && memcmp(e->bytes, bytes, len) == 0) {
			e->holders++;
			return i;
		}
	}
	i = take(pool);
	if (!i)
		return TASK_TEXT_NONE;
	e = &pool->entries[i];
	if (e->cap < len || !e->bytes) {
		char *copy = realloc(e->bytes, len ? len : 1);

		if (!copy) {
			e->next = pool->free;
			e->holders = 0;
			pool->free = i;
			return TASK_TEXT_NONE;
		}
		e->bytes = copy;
		e->cap = (uint32_t)(len ? len : 1);
	}
	memcpy(e->bytes, bytes, len);
	e->len = (uint32_t)len;
	e->hash = hash;
	e->holders = 1;
	e->next = pool->buckets[hash & (pool->nbuckets - 1)];
	pool->buckets[hash & (pool->nbuckets - 1)] = i;
	return i;
}

void task_text_release(struct task_text_pool *pool, uint32_t text)
{
	if (text && text < pool->nentries && pool->entries[text].holders)
		pool->entries[text].holders--;
}

int task_text_set(struct task_text_pool *pool, uint32_t *text, const char *bytes, size_t len)
{
	uint32_t before = *text;

	*text = task_text_hold(pool, bytes, len);
	task_text_release(pool, before);
	return *text != before;
}

const char *task_text_get(const struct task_text_pool *pool, uint32_t text, size_t *ret_len)
{
	if (!text || text >= pool->nentries) {
		*ret_len = 0;
		return "";
	}
	*ret_len = pool->entries[text].len;
	return pool->entries[text].bytes;
}
