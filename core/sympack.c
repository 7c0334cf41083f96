#include "sympack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "wire.h"

enum { LEVEL = 3 };

/* A block: a varint each how far it begins behind the one before, and its size; then their names, NUL-terminated. */
struct sympack_block {
	uint64_t first; /* where its first function begins */
	uint32_t at;    /* of its compressed bytes; they end where the next one's begin */
	uint32_t raw;   /* bytes, open */
};

struct open_block {
	uint64_t pack; /* 0: none */
	size_t block;
	uint64_t used;
	uint8_t *raw;
	size_t cap;
	uint32_t n;
	uint64_t starts[SYMPACK_BLOCK];
	uint32_t sizes[SYMPACK_BLOCK];
	const char *names; /* in raw */
};

struct sympack_cache {
	ZSTD_DCtx *z;
	uint64_t next_id, clock;
	struct open_block open[SYMPACK_OPEN];
};

struct sympack_cache *sympack_cache_create(void)
{
	return calloc(1, sizeof(struct sympack_cache));
}

void sympack_cache_destroy(struct sympack_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SYMPACK_OPEN; i++)
		free(c->open[i].raw);
	ZSTD_freeDCtx(c->z);
	free(c);
}

void sympack_finish(struct sympack *p)
{
	free(p->blocks);
	free(p->bytes);
	memset(p, 0, sizeof(*p));
}

size_t sympack_memory(const struct sympack *p)
{
	return p->nblocks * sizeof(*p->blocks) + p->nbytes;
}

static int block_write(struct wbuf *raw, const struct symtab *t, size_t from, size_t n)
{
	uint64_t before = t->entries[from].start;

	wbuf_clear(raw);
	for (size_t i = from; i < from + n; i++) {
		wbuf_varint(raw, t->entries[i].start - before);
		wbuf_varint(raw, t->entries[i].size);
		before = t->entries[i].start;
	}
	for (size_t i = from; i < from + n; i++) {
		const char *name = symtab_name(t, &t->entries[i]);

		wbuf_bytes(raw, name, strlen(name) + 1);
	}
	return raw->err;
}

int sympack_make(struct sympack *p, const struct symtab *t)
{
	size_t nblocks = (t->n + SYMPACK_BLOCK - 1) / SYMPACK_BLOCK;
	ZSTD_CCtx *z = ZSTD_createCCtx();
	struct wbuf raw, out;
	int r = 0;

	memset(p, 0, sizeof(*p));
	wbuf_init(&raw);
	wbuf_init(&out);
	p->blocks = calloc(nblocks ? nblocks : 1, sizeof(*p->blocks));
	if (!p->blocks || !z)
		r = -ENOMEM;
	for (size_t i = 0; !r && i < nblocks; i++) {
		size_t from = i * SYMPACK_BLOCK, room, n = t->n - from < SYMPACK_BLOCK ? t->n - from : SYMPACK_BLOCK;
		uint8_t *to;

		r = block_write(&raw, t, from, n);
		room = ZSTD_compressBound(raw.len);
		to = r ? NULL : wbuf_reserve(&out, room);
		if (!to || out.len + room > UINT32_MAX) {
			r = -ENOMEM;
			break;
		}
		p->blocks[i] = (struct sympack_block){t->entries[from].start, (uint32_t)out.len, (uint32_t)raw.len};
		room = ZSTD_compressCCtx(z, to, room, raw.data, raw.len, LEVEL);
		if (ZSTD_isError(room))
			r = -ENOMEM;
		else
			out.len += room;
	}
	ZSTD_freeCCtx(z);
	wbuf_finish(&raw);
	if (r) {
		wbuf_finish(&out);
		sympack_finish(p);
		return r;
	}
	p->n = t->n;
	p->nblocks = nblocks;
	p->nbytes = out.len;
	p->bytes = out.len ? realloc(out.data, out.len) : NULL;
	if (!p->bytes)
		p->bytes = out.data;
	return 0;
}

static bool block_read(struct open_block *o)
{
	struct rbuf r;
	uint64_t at;

	rbuf_init(&r, o->raw, o->cap);
	at = 0;
	for (uint32_t i = 0; i < o->n; i++) {
		at += rbuf_varint(&r);
		o->starts[i] = at;
		o->sizes[i] = (uint32_t)rbuf_varint(&r);
	}
	o->names = (const char *)r.p;
	return !r.err;
}

/* NULL: no memory. */
static const struct open_block *block_open(const struct sympack *p, struct sympack_cache *c, size_t block)
{
	const struct sympack_block *b = &p->blocks[block];
	size_t end = block + 1 < p->nblocks ? p->blocks[block + 1].at : p->nbytes, n;
	struct open_block *o = &c->open[0];
	uint8_t *raw;

	for (size_t i = 0; i < SYMPACK_OPEN; i++) {
		if (c->open[i].pack == p->id && c->open[i].block == block) {
			c->open[i].used = ++c->clock;
			return &c->open[i];
		}
		if (c->open[i].used < o->used)
			o = &c->open[i];
	}
	if (!c->z)
		c->z = ZSTD_createDCtx();
	o->pack = 0;
	o->used = 0;
	raw = c->z ? realloc(o->raw, b->raw) : NULL;
	if (!raw)
		return NULL;
	o->raw = raw;
	o->cap = b->raw;
	n = ZSTD_decompressDCtx(c->z, raw, b->raw, p->bytes + b->at, end - b->at);
	o->n = (uint32_t)(block + 1 < p->nblocks ? SYMPACK_BLOCK : p->n - block * SYMPACK_BLOCK);
	if (ZSTD_isError(n) || n != b->raw || !block_read(o))
		return NULL;
	for (uint32_t i = 0; i < o->n; i++)
		o->starts[i] += b->first;
	o->pack = p->id;
	o->block = block;
	o->used = ++c->clock;
	return o;
}

static const char *name_at(const struct open_block *o, uint32_t i)
{
	const char *name = o->names;

	while (i--)
		name += strlen(name) + 1;
	return name;
}

bool sympack_find(struct sympack *p, struct sympack_cache *c, uint64_t place, struct sympack_found *ret)
{
	size_t low = 0, high = p->nblocks, block;
	const struct open_block *o;
	uint64_t next;
	uint32_t at = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->blocks[mid].first <= place)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return false;
	if (!p->id)
		p->id = ++c->next_id;
	block = low - 1;
	o = block_open(p, c, block);
	while (o && at < o->n && o->starts[at] <= place)
		at++;
	if (!o)
		return false;
	next = at < o->n ? o->starts[at] : block + 1 < p->nblocks ? p->blocks[block + 1].first : UINT64_MAX;
	/* As in symtab_find(): one that holds others may stand a little further back. */
	for (size_t back = 0; back < SYMTAB_BACK; back++) {
		if (!at) {
			o = block ? block_open(p, c, --block) : NULL;
			if (!o)
				return false;
			at = o->n;
		}
		at--;
		if (!o->sizes[at] && back)
			continue;
		if (!o->sizes[at] || place - o->starts[at] < o->sizes[at]) {
			*ret = (struct sympack_found){o->starts[at], o->sizes[at] ? o->starts[at] + o->sizes[at] : next, name_at(o, at)};
			return true;
		}
	}
	return false;
}
