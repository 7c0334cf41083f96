#include "memo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct entry *next;         /* of its bucket */
	struct entry *newer, *older; /* by use */
	struct memo_key key;
	size_t n;
	max_align_t bytes[];
};

enum { BUCKETS = 1024 };

struct memo {
	struct entry *buckets[BUCKETS];
	struct entry *newest, *oldest;
	size_t bytes, max;
};

static size_t bucket(const struct memo_key *k)
{
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(k->w) / sizeof(k->w[0]); i++)
		h = (h ^ k->w[i]) * 0x9e3779b97f4a7c15ull + (h >> 29);
	return (size_t)(h >> 40) % BUCKETS;
}

static size_t weight(const struct entry *e)
{
	return sizeof(*e) + e->n;
}

static void unlink_use(struct memo *m, struct entry *e)
{
	*(e->newer ? &e->newer->older : &m->newest) = e->older;
	*(e->older ? &e->older->newer : &m->oldest) = e->newer;
}

static void link_newest(struct memo *m, struct entry *e)
{
	e->newer = NULL;
	e->older = m->newest;
	*(m->newest ? &m->newest->newer : &m->oldest) = e;
	m->newest = e;
}

static void forget(struct memo *m, struct entry *e)
{
	struct entry **p = &m->buckets[bucket(&e->key)];

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	unlink_use(m, e);
	m->bytes -= weight(e);
	free(e);
}

static struct entry *find(struct memo *m, const struct memo_key *key)
{
	struct entry *e = m->buckets[bucket(key)];

	while (e && memcmp(&e->key, key, sizeof(*key)) != 0)
		e = e->next;
	return e;
}

struct memo *memo_create(size_t max_bytes)
{
	struct memo *m = calloc(1, sizeof(*m));

	if (m)
		m->max = max_bytes;
	return m;
}

void memo_destroy(struct memo *m)
{
	if (!m)
		return;
	while (m->oldest)
		forget(m, m->oldest);
	free(m);
}

void memo_set_max(struct memo *m, size_t bytes)
{
	m->max = bytes;
	while (m->oldest && m->bytes > m->max)
		forget(m, m->oldest);
}

size_t memo_bytes(const struct memo *m)
{
	return m->bytes;
}

void *memo_get(struct memo *m, const struct memo_key *key, size_t *ret_n)
{
	struct entry *e = find(m, key);

	if (!e)
		return NULL;
	unlink_use(m, e);
	link_newest(m, e);
	*ret_n = e->n;
	return e->bytes;
}

int memo_put(struct memo *m, const struct memo_key *key, const void *bytes, size_t n)
{
	struct entry *e = find(m, key);

	if (e)
		forget(m, e);
	if (n > m->max || n + sizeof(*e) > m->max)
		return -ENOMEM;
	e = malloc(sizeof(*e) + n);
	if (!e)
		return -ENOMEM;
	e->key = *key;
	e->n = n;
	if (n)
		memcpy(e->bytes, bytes, n);
	m->bytes += weight(e);
	e->next = m->buckets[bucket(key)];
	m->buckets[bucket(key)] = e;
	link_newest(m, e);
	/* Never itself: it fits. */
	while (m->bytes > m->max)
		forget(m, m->oldest);
	return 0;
}
