#include "stacks_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

enum {
	TRIES = 8,
	PLACES = 16384,
	SLOTS = PLACES * 2,
	BLOCK = 16, /* frames */
	BLOCKS = 32768,
	SWEEP = 64, /* stacks read at once */
};

struct block {
	struct culprit_code code[BLOCK];
};

struct stacks_store {
	const struct culprit_host *host;
	struct stacks_code *code; /* NULL: of stacks that user space walks */
	int fd;
	const uint64_t *own_hash; /* then the one that is there now */
	const struct unwind_stack *own;
	uint16_t slots[SLOTS]; /* open addressing by hash and process: place + 1; 0: free */
	struct stacks_place places[PLACES];
	uint32_t free_places[PLACES]; /* stacks of those given back, */
	uint32_t nfree_places, nplaces; /* and how many were ever taken */
	struct block blocks[BLOCKS];
	uint32_t next[BLOCKS]; /* of a place's blocks + 1; 0: the last */
	uint32_t free_block, nblocks;
	uint64_t deleted, made;
	uint32_t round; /* counts samples, from 1 on */
	struct unwind_stack read;
	uint64_t pcs[UNWIND_FRAMES];
	struct culprit_code codes[UNWIND_FRAMES + 1];
	uint64_t keys[SWEEP];
	struct unwind_stack stacks[SWEEP];
};

struct stacks_store *stacks_store_create(const struct culprit_host *host, struct stacks_code *code, struct bpf_map *kept)
{
	struct stacks_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->host = host;
	s->code = code;
	s->fd = bpf_map__fd(kept);
	s->round = 1;
	return s;
}

struct stacks_store *stacks_store_create_own(const struct culprit_host *host, const uint64_t *hash, const struct unwind_stack *stack)
{
	struct stacks_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->host = host;
	s->own_hash = hash;
	s->own = stack;
	s->fd = -1;
	s->round = 1;
	return s;
}

void stacks_store_turn(struct stacks_store *s)
{
	s->round++;
}

/* false: it is not there (any more). */
static bool read_stack(struct stacks_store *s, uint64_t hash)
{
	if (!s->own)
		return !bpf_map_lookup_elem(s->fd, &hash, &s->read);
	s->read = *s->own;
	return *s->own_hash == hash;
}

void stacks_store_destroy(struct stacks_store *s)
{
	free(s);
}

static uint32_t slot_of(const struct stacks_store *s, uint64_t hash, uint32_t pid)
{
	uint32_t at = (uint32_t)((hash ^ pid) * 0x9E3779B97F4A7C15u >> 40) & (SLOTS - 1);

	while (s->slots[at] && (s->places[s->slots[at] - 1].hash != hash || s->places[s->slots[at] - 1].pid != pid))
		at = (at + 1) & (SLOTS - 1);
	return at;
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static uint32_t block_take(struct stacks_store *s)
{
	uint32_t b = s->free_block;

	if (b)
		s->free_block = s->next[b - 1];
	else if (s->nblocks < BLOCKS)
		b = ++s->nblocks;
	if (b)
		s->next[b - 1] = 0;
	return b;
}

static void blocks_give(struct stacks_store *s, uint32_t b)
{
	while (b) {
		uint32_t next = s->next[b - 1];

		s->next[b - 1] = s->free_block;
		s->free_block = b;
		b = next;
	}
}

/* Blocks for n frames; 0: no room (or none needed). */
static uint32_t blocks_take(struct stacks_store *s, uint32_t n)
{
	uint32_t first = 0;

	for (uint32_t have = 0; have < n; have += BLOCK) {
		uint32_t b = block_take(s);

		if (!b) {
			blocks_give(s, first);
			return 0;
		}
		s->next[b - 1] = first;
		first = b;
	}
	return first;
}

static void code_write(struct stacks_store *s, const struct stacks_place *p, const struct culprit_code *code)
{
	uint32_t b = p->block;

	for (uint32_t at = 0; at < p->n && b; at += BLOCK, b = s->next[b - 1])
		memcpy(s->blocks[b - 1].code, code + at, (p->n - at < BLOCK ? p->n - at : BLOCK) * sizeof(*code));
}

const struct culprit_code *stacks_store_code(struct stacks_store *s, const struct stacks_place *p)
{
	uint32_t b = p->block;

	for (uint32_t at = 0; at < p->n && b; at += BLOCK, b = s->next[b - 1])
		memcpy(s->codes + at, s->blocks[b - 1].code, (p->n - at < BLOCK ? p->n - at : BLOCK) * sizeof(*s->codes));
	return s->codes;
}

/* --- places ------------------------------------------------------------------------------------------------------ */

bool stacks_store_settle(struct stacks_store *s, struct stacks_place *p)
{
	struct culprit_code known[UNWIND_FRAMES];
	uint64_t address = 0;
	int r = -EINPROGRESS;

	if (!p || p->settled)
		return true;
	if (!s->host->code_locate) {
		p->settled = true;
		return true;
	}
	/* Many rows may have it, and ask. */
	if (p->tried == s->round)
		return false;
	stacks_store_code(s, p);
	memcpy(known, s->codes, p->n * sizeof(*known));
	/* Of those that are known already, the last address that is not: it needs no other answer. */
	for (uint32_t i = 0; i < p->n; i++) {
		if (!known[i].module)
			address = known[i].offset;
		s->pcs[i] = address;
	}
	if (!address) {
		p->settled = true;
		return true;
	}
	for (uint32_t i = p->n; i--;)
		s->pcs[i] = s->pcs[i] ? s->pcs[i] : address;
	if (!p->pid || !s->code || stacks_code_settled(s->code, p->pid))
		r = s->host->code_locate(s->host, p->pid, s->pcs, p->n, s->codes);
	if (r == -EINPROGRESS && p->tries++ < TRIES) {
		p->tried = s->round;
		return false;
	}
	for (uint32_t i = 0; i < p->n; i++)
		if (known[i].module)
			s->codes[i] = known[i];
	if (!r)
		code_write(s, p, s->codes);
	p->settled = true;
	return true;
}

struct stacks_place *stacks_store_get(struct stacks_store *s, uint64_t hash, uint32_t pid)
{
	struct stacks_place *p;
	uint32_t at;

	if (!hash)
		return NULL;
	at = slot_of(s, hash, pid);
	if (s->slots[at]) {
		p = &s->places[s->slots[at] - 1];
		p->refs++;
		return p;
	}
	if (!s->nfree_places && s->nplaces == PLACES)
		return NULL;
	if (!read_stack(s, hash) || s->read.n > UNWIND_FRAMES) {
		s->read.n = 0;
		s->read.end = STACKS_END_REFUSED;
	}
	s->slots[at] = 1 + (s->nfree_places ? s->free_places[--s->nfree_places] : s->nplaces++);
	p = &s->places[s->slots[at] - 1];
	memset(p, 0, sizeof(*p));
	p->hash = hash;
	p->pid = pid;
	p->refs = 1;
	p->end = (uint8_t)s->read.end;
	p->block = blocks_take(s, s->read.n);
	if (p->block)
		p->n = (uint8_t)s->read.n;
	else if (s->read.n)
		p->end = STACKS_END_REFUSED;
	/* Where a caller goes on after its call; what called is the instruction before. (Of user stacks the program has done that.) */
	for (uint32_t i = 0; i < p->n; i++) {
		uint64_t pc = s->read.pcs[i];

		if (pid && UNWIND_IS_IN_FILE(pc))
			s->codes[i] = (struct culprit_code){.module = UNWIND_MODULE_OF(pc), .offset = UNWIND_OFFSET_OF(pc)};
		else
			s->codes[i] = (struct culprit_code){.offset = pc - (!pid && i ? 1 : 0)};
	}
	code_write(s, p, s->codes);
	return p;
}

void stacks_store_release(struct stacks_store *s, struct stacks_place *p)
{
	uint32_t at;

	if (!p || --p->refs)
		return;
	at = slot_of(s, p->hash, p->pid);
	s->free_places[s->nfree_places++] = s->slots[at] - 1;
	s->slots[at] = 0;
	blocks_give(s, p->block);
	for (at = (at + 1) & (SLOTS - 1); s->slots[at]; at = (at + 1) & (SLOTS - 1)) {
		uint32_t moved = s->slots[at];

		s->slots[at] = 0;
		s->slots[slot_of(s, s->places[moved - 1].hash, s->places[moved - 1].pid)] = moved;
	}
}

uint32_t stacks_store_used(const struct stacks_store *s)
{
	return s->made > s->deleted ? (uint32_t)(s->made - s->deleted) : 0;
}

void stacks_store_sweep(struct stacks_store *s, uint64_t made, uint32_t epoch)
{
	uint32_t from[2] = {0}, to[2] = {0}; /* a place in the map */
	int r = 0;

	s->made = made;
	s->round++;
	if (stacks_store_used(s) * 4 < STACKS_KEPT * 3)
		return;
	/* All that were not seen since: what rows need has been taken from there, and a stack that is still in use comes back. */
	for (uint32_t seen = 0; !r && seen < 2 * STACKS_KEPT;) {
		uint32_t n = SWEEP, old = 0;

		r = bpf_map_lookup_batch(s->fd, seen ? from : NULL, to, s->keys, s->stacks, &n, NULL);
		if (r && errno != ENOENT) /* the last ones come with it */
			break;
		for (uint32_t i = 0; i < n; i++)
			if (s->stacks[i].epoch != epoch)
				s->keys[old++] = s->keys[i];
		if (old && (!bpf_map_delete_batch(s->fd, s->keys, &old, NULL) || errno == ENOENT))
			s->deleted += old;
		seen += n ? n : 1;
		memcpy(from, to, sizeof(from));
	}
}
