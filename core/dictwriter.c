#include "dictwriter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "symbols.h"

struct entry {
	uint64_t id;
	uint64_t segment; /* in which it was last used */
	uint32_t hash, len;
	uint32_t module; /* of a text that names one: its number; two builds of one name are two texts */
	uint8_t kind;
	uint8_t bytes[];
};

enum {
	TABLES_SPARE = 4096, /* places of tables that stay, needed or not */
	PLACES_MAX = 1 << 17, /* distinct places of stacks in a segment whose names are asked for; those beyond stay unnamed */
};

/* A place whose name is written when it is known. */
struct place {
	uint64_t id; /* of its module's text; 0: empty */
	uint64_t offset;
	uint32_t module;
};

struct written {
	uint64_t id, start; /* a function written in this segment */
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

	struct symbols *symbols;
	struct place *places; /* hash of all places of this segment */
	size_t nplaces, places_cap;
	struct place *waiting;
	size_t nwaiting, waiting_cap;
	struct written *written; /* hash */
	size_t nwritten, written_cap;
	uint64_t asked; /* symbols_generation() when names were last asked for */
	bool new_places;
	struct wbuf extra; /* entries about modules, reused */
	size_t nextra;
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
	wbuf_init(&d->extra);
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
	wbuf_finish(&d->extra);
	free(d->places);
	free(d->waiting);
	free(d->written);
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

static uint64_t intern_of(struct dictwriter *d, uint8_t kind, uint32_t module, const void *bytes, size_t n)
{
	uint32_t hash = hash_bytes(kind, bytes, n) ^ module * 2654435761u;
	struct entry *e;
	size_t i;

	for (i = hash & (d->cap - 1); (e = d->by_content[i]); i = (i + 1) & (d->cap - 1)) {
		if (e->hash == hash && e->kind == kind && e->module == module && e->len == n && !memcmp(e->bytes, bytes, n))
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
	e->module = module;
	if (n)
		memcpy(e->bytes, bytes, n);
	place(d->by_content, d->cap, hash, e);
	place(d->by_id, d->cap, id_place(e->id), e);
	d->n++;
	d->bytes += sizeof(*e) + n;
	return e->id;
}

static uint64_t intern(struct dictwriter *d, uint8_t kind, const void *bytes, size_t n)
{
	return intern_of(d, kind, 0, bytes, n);
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

void dictwriter_set_symbols(struct dictwriter *d, struct symbols *symbols)
{
	d->symbols = symbols;
}

uint64_t dictwriter_code(struct dictwriter *d, const struct culprit_code *frames, uint32_t n)
{
	if (n > FORMAT_STACK_MAX)
		n = FORMAT_STACK_MAX;
	wbuf_clear(&d->scratch);
	wbuf_varint(&d->scratch, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct symbols_module *m = d->symbols ? symbols_module(d->symbols, frames[i].module) : NULL;
		size_t len = m ? strlen(m->name) : 0;
		uint64_t id = 0;

		if (m)
			id = intern_of(d, FORMAT_ENTRY_TEXT, frames[i].module, m->name,
				       len < FORMAT_TEXT_MAX ? len : FORMAT_TEXT_MAX - 1);
		if (m && !id)
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

/* Tables that were needed for a segment of many more stacks than the last one had. */
static void places_fit(struct dictwriter *d)
{
	if (d->places_cap > TABLES_SPARE && d->nplaces * 8 < d->places_cap) {
		free(d->places);
		d->places = NULL;
		free(d->waiting);
		d->waiting = NULL;
		d->places_cap = d->nplaces = d->waiting_cap = 0;
	}
	if (d->written_cap > TABLES_SPARE && d->nwritten * 8 < d->written_cap) {
		free(d->written);
		d->written = NULL;
		d->written_cap = d->nwritten = 0;
	}
}

void dictwriter_begin_segment(struct dictwriter *d)
{
	d->segment++;
	d->npending = 0;
	d->nwaiting = 0;
	places_fit(d);
	if (d->nplaces)
		memset(d->places, 0, d->places_cap * sizeof(*d->places));
	if (d->nwritten)
		memset(d->written, 0, d->written_cap * sizeof(*d->written));
	d->nplaces = d->nwritten = 0;
}

static struct entry *entry_of(const struct dictwriter *d, uint64_t id)
{
	struct entry *e;

	for (size_t i = id_place(id) & (d->cap - 1); (e = d->by_id[i]); i = (i + 1) & (d->cap - 1)) {
		if (e->id == id)
			return e;
	}
	return NULL;
}

/* A place in a module, met for the first time in this segment: its name is to be written. */
static void place_note(struct dictwriter *d, uint64_t id, uint64_t offset)
{
	const struct entry *e = entry_of(d, id);
	size_t i;

	if (!d->symbols || !e || !e->module || d->nplaces == PLACES_MAX)
		return;
	if ((d->nplaces + 1) * 2 > d->places_cap) {
		size_t cap = d->places_cap ? d->places_cap * 2 : 1024;
		struct place *places = calloc(cap, sizeof(*places));

		if (!places)
			return;
		for (size_t k = 0; k < d->places_cap; k++) {
			if (!d->places[k].id)
				continue;
			for (i = id_place(d->places[k].id ^ d->places[k].offset * 31) & (cap - 1); places[i].id; i = (i + 1) & (cap - 1))
				;
			places[i] = d->places[k];
		}
		free(d->places);
		d->places = places;
		d->places_cap = cap;
	}
	for (i = id_place(id ^ offset * 31) & (d->places_cap - 1); d->places[i].id; i = (i + 1) & (d->places_cap - 1)) {
		if (d->places[i].id == id && d->places[i].offset == offset)
			return;
	}
	if (d->nwaiting == d->waiting_cap) {
		size_t cap = d->waiting_cap ? d->waiting_cap * 2 : 512;
		struct place *waiting = realloc(d->waiting, cap * sizeof(*waiting));

		if (!waiting)
			return;
		d->waiting = waiting;
		d->waiting_cap = cap;
	}
	d->places[i] = d->waiting[d->nwaiting++] = (struct place){id, offset, e->module};
	d->nplaces++;
	d->new_places = true;
}

/* Whether this function is written for the first time in this segment. */
static bool written_first(struct dictwriter *d, uint64_t id, uint64_t start)
{
	size_t i;

	if ((d->nwritten + 1) * 2 > d->written_cap) {
		size_t cap = d->written_cap ? d->written_cap * 2 : 1024;
		struct written *written = calloc(cap, sizeof(*written));

		if (!written)
			return false;
		for (size_t k = 0; k < d->written_cap; k++) {
			if (!d->written[k].id)
				continue;
			for (i = id_place(d->written[k].id ^ d->written[k].start * 31) & (cap - 1); written[i].id;
			     i = (i + 1) & (cap - 1))
				;
			written[i] = d->written[k];
		}
		free(d->written);
		d->written = written;
		d->written_cap = cap;
	}
	for (i = id_place(id ^ start * 31) & (d->written_cap - 1); d->written[i].id; i = (i + 1) & (d->written_cap - 1)) {
		if (d->written[i].id == id && d->written[i].start == start)
			return false;
	}
	d->written[i] = (struct written){id, start};
	d->nwritten++;
	return true;
}

static void extra_module(struct dictwriter *d, const struct entry *e)
{
	const struct symbols_module *m = symbols_module(d->symbols, e->module);

	if (!m)
		return;
	wbuf_clear(&d->scratch);
	wbuf_varint(&d->scratch, m->kind);
	wbuf_string(&d->scratch, m->build_id, m->build_id_len);
	wbuf_varint(&d->extra, e->id);
	wbuf_u8(&d->extra, FORMAT_ENTRY_MODULE);
	wbuf_string(&d->extra, d->scratch.data, d->scratch.len);
	d->nextra++;
}

/* Names that have become known. Asks only when there are new places, or new answers. */
static void extra_symbols(struct dictwriter *d)
{
	uint64_t generation = symbols_generation(d->symbols);
	size_t kept = 0;

	if (!d->nwaiting || (generation == d->asked && !d->new_places))
		return;
	d->asked = generation;
	d->new_places = false;
	for (size_t i = 0; i < d->nwaiting; i++) {
		const struct place *p = &d->waiting[i];
		struct symbol symbol;
		char name[4096];
		int r = symbols_lookup(d->symbols, p->module, p->offset, &symbol, name, sizeof(name));

		if (r == -EINPROGRESS || (r == -ENOENT && symbols_module(d->symbols, p->module)->kind == CULPRIT_MODULE_GENERATED))
			d->waiting[kept++] = *p; /* a map of generated code may yet come */
		if (r || !written_first(d, p->id, symbol.start))
			continue;
		wbuf_clear(&d->scratch);
		wbuf_varint(&d->scratch, symbol.start);
		wbuf_varint(&d->scratch, symbol.size);
		wbuf_bytes(&d->scratch, name, symbol.name_len < sizeof(name) ? symbol.name_len : sizeof(name) - 1);
		wbuf_varint(&d->extra, p->id);
		wbuf_u8(&d->extra, FORMAT_ENTRY_SYMBOL);
		wbuf_string(&d->extra, d->scratch.data, d->scratch.len);
		d->nextra++;
	}
	d->nwaiting = kept;
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
			uint64_t module = rbuf_varint(&r);

			dictwriter_use(d, module);
			place_note(d, module, rbuf_varint(&r));
		}
	}
}

size_t dictwriter_flush(struct dictwriter *d, struct wbuf *w)
{
	size_t n = d->npending;

	wbuf_clear(&d->extra);
	d->nextra = 0;
	for (size_t i = 0; i < n && d->symbols; i++) {
		if (d->pending[i]->module)
			extra_module(d, d->pending[i]);
	}
	if (d->symbols)
		extra_symbols(d);
	wbuf_varint(w, n + d->nextra);
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = d->pending[i];

		wbuf_varint(w, e->id);
		wbuf_u8(w, e->kind);
		wbuf_string(w, e->bytes, e->len);
	}
	/* After the texts they say more of: a reader that does not know them takes the first of a number. */
	wbuf_bytes(w, d->extra.data, d->extra.len);
	wbuf_give_back(&d->extra);
	d->npending = 0;
	return n + d->nextra;
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
	return sizeof(*d) + d->places_cap * sizeof(*d->places) + d->waiting_cap * sizeof(*d->waiting) +
	       d->written_cap * sizeof(*d->written) + d->extra.cap + d->bytes + d->cap * 2 * sizeof(void *) + d->pending_cap * sizeof(void *);
}
