#include "dictwriter.h"

#include <stdlib.h>
#include <string.h>

#include "format.h"

struct entry {
	uint64_t id;
	uint64_t segment; /* in which it was last used */
	uint32_t hash, len;
	uint8_t kind;
	uint8_t bytes[];
};

/* Two open-addressing tables over the same entries: by content and by number. */
struct dictwriter {
	struct entry **by_content, **by_id;
	size_t cap, n; /* cap is a power of two */
	uint64_t next_id, segment;
	struct entry **pending;
	size_t npending, pending_cap;
	size_t bytes;
	struct wbuf scratch;
};

struct dictwriter *dictwriter_create(void)
{
	struct dictwriter *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->cap = 1024;
	d->next_id = 1;
	d->by_content = calloc(d->cap, sizeof(*d->by_content));
	d->by_id = calloc(d->cap, sizeof(*d->by_id));
	wbuf_init(&d->scratch);
	if (!d->by_content || !d->by_id) {
		dictwriter_destroy(d);
		return NULL;
	}
	return d;
}

void dictwriter_destroy(struct dictwriter *d)
{
	if (!d)
		return;
	for (size_t i = 0; d->by_id && i < d->cap; i++)
		free(d->by_id[i]);
	free(d->by_id);
	free(d->by_content);
	free(d->pending);
	wbuf_finish(&d->scratch);
	free(d);
}

static uint32_t hash_bytes(uint8_t kind, const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u ^ kind;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		h = (h ^ v) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	while (n--)
		h = (h ^ *p++) * 0x100000001b3u;
	h ^= h >> 29;
	return (uint32_t)(h * 0x9fb21c651e98df25u >> 32);
}

static size_t id_place(uint64_t id)
{
	return (size_t)(id * 0x9e3779b97f4a7c15u >> 20);
}

static void place(struct entry **table, size_t cap, size_t start, struct entry *e)
{
	size_t i = start & (cap - 1);

	while (table[i])
		i = (i + 1) & (cap - 1);
	table[i] = e;
}

/* Rebuilds both tables at a new capacity from the by_id table. */
static bool rebuild(struct dictwriter *d, size_t cap)
{
	struct entry **by_content = calloc(cap, sizeof(*by_content)), **by_id = calloc(cap, sizeof(*by_id));

	if (!by_content || !by_id) {
		free(by_content);
		free(by_id);
		return false;
	}
	for (size_t i = 0; i < d->cap; i++) {
		struct entry *e = d->by_id[i];

		if (!e)
			continue;
		place(by_content, cap, e->hash, e);
		place(by_id, cap, id_place(e->id), e);
	}
	free(d->by_content);
	free(d->by_id);
	d->by_content = by_content;
	d->by_id = by_id;
	d->cap = cap;
	return true;
}

static uint64_t intern(struct dictwriter *d, uint8_t kind, const void *bytes, size_t n)
{
	uint32_t hash = hash_bytes(kind, bytes, n);
	struct entry *e;
	size_t i;

	for (i = hash & (d->cap - 1); (e = d->by_content[i]); i = (i + 1) & (d->cap - 1)) {
		if (e->hash == hash && e->kind == kind && e->len == n && !memcmp(e->bytes, bytes, n))
			return e->id;
	}
	if (d->n * 2 >= d->cap && !rebuild(d, d->cap * 2))
		return 0;
	e = malloc(sizeof(*e) + n);
	if (!e)
		return 0;
	e->id = d->next_id++;
	e->segment = 0;
	e->hash = hash;
	e->len = (uint32_t)n;
	e->kind = kind;
	if (n)
		memcpy(e->bytes, bytes, n);
	place(d->by_content, d->cap, hash, e);
	place(d->by_id, d->cap, id_place(e->id), e);
	d->n++;
	d->bytes += sizeof(*e) + n;
	return e->id;
}

uint64_t dictwriter_text(struct dictwriter *d, const void *bytes, size_t n)
{
	return intern(d, FORMAT_ENTRY_TEXT, bytes, n < FORMAT_TEXT_MAX ? n : FORMAT_TEXT_MAX - 1);
}

/* A module is named by the number of its text, which the segment must have as well: see dictwriter_use(). */
uint64_t dictwriter_stack(struct dictwriter *d, const struct culprit_location *frames, uint32_t n)
{
	if (n > FORMAT_STACK_MAX)
		n = FORMAT_STACK_MAX;
	wbuf_clear(&d->scratch);
	wbuf_varint(&d->scratch, n);
	for (uint32_t i = 0; i < n; i++) {
		const char *module = frames[i].module;
		uint64_t id = module ? dictwriter_text(d, module, strlen(module)) : 0;

		if (module && !id)
			return 0;
		wbuf_varint(&d->scratch, id);
		wbuf_varint(&d->scratch, frames[i].offset);
	}
	return d->scratch.err ? 0 : intern(d, FORMAT_ENTRY_STACK, d->scratch.data, d->scratch.len);
}

uint64_t dictwriter_task(struct dictwriter *d, uint64_t tid, uint64_t start_ticks)
{
	wbuf_clear(&d->scratch);
	wbuf_varint(&d->scratch, tid);
	wbuf_varint(&d->scratch, start_ticks);
	return d->scratch.err ? 0 : intern(d, FORMAT_ENTRY_TASK, d->scratch.data, d->scratch.len);
}

void dictwriter_begin_segment(struct dictwriter *d)
{
	d->segment++;
	d->npending = 0;
}

void dictwriter_use(struct dictwriter *d, uint64_t id)
{
	struct entry *e;
	size_t i;

	if (!id)
		return;
	for (i = id_place(id) & (d->cap - 1); (e = d->by_id[i]); i = (i + 1) & (d->cap - 1)) {
		if (e->id == id)
			break;
	}
	if (!e || e->segment == d->segment)
		return;
	if (d->npending == d->pending_cap) {
		size_t cap = d->pending_cap ? d->pending_cap * 2 : 256;
		struct entry **pending = realloc(d->pending, cap * sizeof(*pending));

		if (!pending)
			return; /* the id stays unknown to the reader, who shows it as such */
		d->pending = pending;
		d->pending_cap = cap;
	}
	e->segment = d->segment;
	d->pending[d->npending++] = e;
	if (e->kind == FORMAT_ENTRY_STACK) {
		struct rbuf r;
		uint64_t n;

		rbuf_init(&r, e->bytes, e->len);
		for (n = rbuf_varint(&r); n && !r.err; n--) {
			dictwriter_use(d, rbuf_varint(&r));
			rbuf_varint(&r);
		}
	}
}

size_t dictwriter_flush(struct dictwriter *d, struct wbuf *w)
{
	size_t n = d->npending;

	wbuf_varint(w, n);
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = d->pending[i];

		wbuf_varint(w, e->id);
		wbuf_u8(w, e->kind);
		wbuf_string(w, e->bytes, e->len);
	}
	d->npending = 0;
	return n;
}

/* Lays both tables anew in place, from a by_id table with holes, which make probing unsafe. Takes no memory: by_content
 * serves as the list of what is left meanwhile. */
static void relay(struct dictwriter *d, size_t kept)
{
	struct entry **by_id = d->by_id;
	size_t cap = d->cap;

	memset(d->by_content, 0, cap * sizeof(*d->by_content));
	for (size_t i = 0, k = 0; i < cap; i++) {
		if (by_id[i])
			d->by_content[k++] = by_id[i];
	}
	memset(by_id, 0, cap * sizeof(*by_id));
	for (size_t k = 0; k < kept; k++)
		place(by_id, cap, id_place(d->by_content[k]->id), d->by_content[k]);
	memset(d->by_content, 0, cap * sizeof(*d->by_content));
	for (size_t i = 0; i < cap; i++) {
		if (by_id[i])
			place(d->by_content, cap, by_id[i]->hash, by_id[i]);
	}
}

void dictwriter_sweep(struct dictwriter *d)
{
	size_t kept = 0, cap = d->cap;

	for (size_t i = 0; i < d->cap; i++) {
		struct entry *e = d->by_id[i];

		if (!e)
			continue;
		if (e->segment == d->segment) {
			kept++;
			continue;
		}
		d->bytes -= sizeof(*e) + e->len;
		free(e);
		d->by_id[i] = NULL;
	}
	if (kept == d->n)
		return;
	d->n = kept;
	relay(d, kept);
	while (cap > 1024 && kept * 8 < cap)
		cap /= 2;
	if (cap != d->cap)
		rebuild(d, cap); /* without memory for it the larger tables stay */
}

size_t dictwriter_memory(const struct dictwriter *d)
{
	return sizeof(*d) + d->bytes + d->cap * 2 * sizeof(void *) + d->pending_cap * sizeof(void *);
}
