/* See ask_store.h. Indexes instead of pointers; 0 is none. */
#include "ask_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	BLOCK = 128,
	BLOCK_DATA = BLOCK - 4,
	BLOCKS = ASK_MEMORY_MAX / BLOCK,
	BUCKETS = 1 << 14,
	TRIM_BLOCKS = 4096, /* more than so many once used and all free: given back */
};

struct block {
	uint32_t next;
	unsigned char data[BLOCK_DATA];
};

struct list {
	uint32_t first, last, count;
};

struct ask_store {
	struct question *questions; /* ASK_QUESTIONS_MAX + 1; [0] unused */
	struct block *blocks;       /* BLOCKS + 1; [0] unused */
	uint32_t question_free, question_used; /* free list; never used from here on */
	uint32_t block_free, block_used, block_live;
	struct list lists[ASK_STATES];
	uint32_t buckets[BUCKETS];
};

static void *map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct ask_store *ask_store_create(void)
{
	struct ask_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->questions = map((ASK_QUESTIONS_MAX + 1) * sizeof(struct question));
	s->blocks = map((BLOCKS + (size_t)1) * sizeof(struct block));
	s->question_used = s->block_used = 1;
	if (!s->questions || !s->blocks) {
		ask_store_destroy(s);
		return NULL;
	}
	return s;
}

void ask_store_destroy(struct ask_store *s)
{
	if (!s)
		return;
	if (s->questions)
		munmap(s->questions, (ASK_QUESTIONS_MAX + 1) * sizeof(struct question));
	if (s->blocks)
		munmap(s->blocks, (BLOCKS + (size_t)1) * sizeof(struct block));
	free(s);
}

/* --- blocks --- */

static uint32_t block_take(struct ask_store *s)
{
	uint32_t b = s->block_free;

	if (b)
		s->block_free = s->blocks[b].next;
	else if (s->block_used <= BLOCKS)
		b = s->block_used++;
	else
		return 0;
	s->blocks[b].next = 0;
	s->block_live++;
	return b;
}

static void chain_free(struct ask_store *s, uint32_t first)
{
	while (first) {
		uint32_t next = s->blocks[first].next;

		s->blocks[first].next = s->block_free;
		s->block_free = first;
		s->block_live--;
		first = next;
	}
	if (!s->block_live && s->block_used > TRIM_BLOCKS) {
		/* after the first sample of many thousand processes */
		madvise(s->blocks, (BLOCKS + (size_t)1) * sizeof(struct block), MADV_DONTNEED);
		s->block_free = 0;
		s->block_used = 1;
	}
}

/* Appends to a chain that ends at *last, with *room bytes left there. */
static bool chain_append(struct ask_store *s, uint32_t *first, uint32_t *last, size_t *room, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n) {
		size_t part;

		if (!*room) {
			uint32_t b = block_take(s);

			if (!b)
				return false;
			if (*last)
				s->blocks[*last].next = b;
			else
				*first = b;
			*last = b;
			*room = BLOCK_DATA;
		}
		part = n < *room ? n : *room;
		memcpy(s->blocks[*last].data + BLOCK_DATA - *room, p, part);
		*room -= part;
		p += part;
		n -= part;
	}
	return true;
}

static uint32_t chain_make(struct ask_store *s, const void *a, size_t na, const void *b, size_t nb)
{
	uint32_t first = 0, last = 0;
	size_t room = 0;

	if (chain_append(s, &first, &last, &room, a, na) && chain_append(s, &first, &last, &room, b, nb))
		return first;
	chain_free(s, first);
	return 0;
}

static void chain_copy(const struct ask_store *s, uint32_t chain, void *buf, size_t n)
{
	char *p = buf;

	while (n && chain) {
		size_t part = n < BLOCK_DATA ? n : BLOCK_DATA;

		memcpy(p, s->blocks[chain].data, part);
		p += part;
		n -= part;
		chain = s->blocks[chain].next;
	}
}

static bool chain_equals(const struct ask_store *s, uint32_t chain, const char *bytes, size_t n)
{
	while (n && chain) {
		size_t part = n < BLOCK_DATA ? n : BLOCK_DATA;

		if (memcmp(s->blocks[chain].data, bytes, part))
			return false;
		bytes += part;
		n -= part;
		chain = s->blocks[chain].next;
	}
	return !n;
}

/* --- lists --- */

static uint32_t index_of(const struct ask_store *s, const struct question *q)
{
	return (uint32_t)(q - s->questions);
}

static struct question *at(const struct ask_store *s, uint32_t i)
{
	return i ? &s->questions[i] : NULL;
}

static void unlink_from(struct ask_store *s, struct question *q)
{
	struct list *l = &s->lists[q->state];

	if (q->prev)
		s->questions[q->prev].next = q->next;
	else
		l->first = q->next;
	if (q->next)
		s->questions[q->next].prev = q->prev;
	else
		l->last = q->prev;
	l->count--;
}

static void link_between(struct ask_store *s, struct question *q, uint32_t prev, uint32_t next, enum ask_state state)
{
	struct list *l = &s->lists[state];
	uint32_t i = index_of(s, q);

	q->state = (uint8_t)state;
	q->prev = prev;
	q->next = next;
	if (prev)
		s->questions[prev].next = i;
	else
		l->first = i;
	if (next)
		s->questions[next].prev = i;
	else
		l->last = i;
	l->count++;
}

void ask_store_move(struct ask_store *s, struct question *q, enum ask_state state)
{
	unlink_from(s, q);
	link_between(s, q, s->lists[state].last, 0, state);
}

void ask_store_move_first(struct ask_store *s, struct question *q, enum ask_state state)
{
	unlink_from(s, q);
	link_between(s, q, 0, s->lists[state].first, state);
}

struct question *ask_store_first(struct ask_store *s, enum ask_state state)
{
	return at(s, s->lists[state].first);
}

struct question *ask_store_last(struct ask_store *s, enum ask_state state)
{
	return at(s, s->lists[state].last);
}

struct question *ask_store_next(struct ask_store *s, const struct question *q)
{
	return at(s, q->next);
}

uint32_t ask_store_count(const struct ask_store *s, enum ask_state state)
{
	return s->lists[state].count;
}

/* --- questions --- */

/* FNV-1a, finished by a multiply and shift so that the low bits are good. */
static uint64_t hash_key(uint8_t client, uint8_t what, const char *path, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u ^ client ^ ((uint64_t)what << 8);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)path[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

struct question *ask_store_find(struct ask_store *s, uint8_t client, uint8_t what, const char *path, size_t len)
{
	uint64_t hash = hash_key(client, what, path, len);

	for (struct question *q = at(s, s->buckets[hash % BUCKETS]); q; q = at(s, q->bucket))
		if (q->hash == hash && q->client == client && q->what == what && q->path_len == len &&
		    chain_equals(s, q->path, path, len))
			return q;
	return NULL;
}

struct question *ask_store_add(struct ask_store *s, uint8_t client, uint8_t what, const char *path, size_t len,
			       enum ask_state state)
{
	struct question *q = at(s, s->question_free);
	uint64_t hash = hash_key(client, what, path, len);
	uint32_t chain;

	if (!q && s->question_used > ASK_QUESTIONS_MAX)
		return NULL;
	chain = chain_make(s, path, len, NULL, 0);
	if (!chain)
		return NULL;
	if (q)
		s->question_free = q->next;
	else
		q = at(s, s->question_used++);
	*q = (struct question){
		.hash = hash,
		.path = chain,
		.path_len = (uint16_t)len,
		.client = client,
		.what = what,
		.bucket = s->buckets[hash % BUCKETS],
	};
	s->buckets[hash % BUCKETS] = index_of(s, q);
	link_between(s, q, s->lists[state].last, 0, state);
	return q;
}

static void unhash(struct ask_store *s, struct question *q)
{
	uint32_t *link = &s->buckets[q->hash % BUCKETS];

	while (*link != index_of(s, q))
		link = &s->questions[*link].bucket;
	*link = q->bucket;
}

void ask_store_remove(struct ask_store *s, struct question *q)
{
	if (!q->orphan)
		unhash(s, q);
	unlink_from(s, q);
	chain_free(s, q->path);
	chain_free(s, q->answer);
	q->state = ASK_FREE;
	q->next = s->question_free;
	s->question_free = index_of(s, q);
}

void ask_store_orphan(struct ask_store *s, struct question *q)
{
	unhash(s, q);
	q->orphan = true;
}

void ask_store_path(const struct ask_store *s, const struct question *q, char *buf)
{
	chain_copy(s, q->path, buf, q->path_len);
	buf[q->path_len] = 0;
}

bool ask_store_put_answer(struct ask_store *s, struct question *q, const void *a, size_t na, const void *b, size_t nb)
{
	q->answer = chain_make(s, a, na, b, nb);
	return q->answer || !(na + nb);
}

size_t ask_store_get_answer(const struct ask_store *s, const struct question *q, void *buf, size_t cap)
{
	size_t n = q->result > 0 ? (size_t)q->result : 0;

	if (n > cap)
		n = cap;
	chain_copy(s, q->answer, buf, n);
	return n;
}
