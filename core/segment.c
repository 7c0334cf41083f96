#include "segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "format.h"
#include "segment_codec.h"

/* An entry, as it stands in the segment's bytes. */
struct dictionary_entry {
	uint64_t id;
	const uint8_t *bytes;
	uint32_t len;
	uint8_t kind;
};

/* What is said of a module beside its name. */
struct dictionary_module {
	uint64_t id;
	size_t build_id; /* offset in the segment's bytes */
	uint32_t build_id_len, kind;
};

struct dictionary_symbol {
	uint64_t module, start, size;
	size_t name;
	uint32_t name_len;
	uint32_t order;
};

struct dictionary {
	uint32_t *entries; /* by number, hashed: where in the segment's bytes; 0: empty (its header stands there) */
	size_t cap, n;     /* cap is a power of two */
	struct dictionary_module *modules; /* by id after sorting */
	size_t nmodules, modules_cap;
	struct dictionary_symbol *symbols; /* by module and start after sorting */
	size_t nsymbols, symbols_cap;
	bool unsorted;
};

struct segment *segment_create(void)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->dictionary = calloc(1, sizeof(*s->dictionary));
	if (!s->dictionary) {
		free(s);
		return NULL;
	}
	return s;
}

struct segment *segment_of(struct source *source, uint64_t seq)
{
	struct segment *s;

	for (s = source->segments; s; s = s->next) {
		if (s->shown_seq == seq)
			return segment_lock(s);
	}
	s = segment_create();
	if (!s)
		return NULL;
	s->of = source;
	s->lean = source->ops->again != NULL;
	s->shown_seq = seq;
	s->next = source->segments;
	source->segments = s;
	return s;
}

void segment_part(struct segment *s)
{
	struct segment **at;

	if (!s->of)
		return;
	for (at = &s->of->segments; *at && *at != s; at = &(*at)->next)
		;
	if (*at)
		*at = s->next;
	s->of = NULL;
}

struct segment *segment_lock(struct segment *s)
{
	s->refs++;
	return s;
}

void segment_unlock(struct segment *s)
{
	if (!s || --s->refs)
		return;
	segment_part(s);
	schema_unlock(s->schema);
	wbuf_finish(&s->bytes);
	free(s->frames);
	free(s->dictionary->entries);
	free(s->dictionary->modules);
	free(s->dictionary->symbols);
	free(s->dictionary);
	free(s);
}

static size_t entry_place(uint64_t id)
{
	return (size_t)(id * 0x9e3779b97f4a7c15u >> 20);
}

/* What stands at this offset of the segment: it was read before. */
static struct dictionary_entry entry_at(const struct segment *s, uint32_t offset)
{
	struct dictionary_entry e;
	struct rbuf r;
	size_t len;

	rbuf_init(&r, s->bytes.data + offset, s->bytes.len - offset);
	e.id = rbuf_varint(&r);
	e.kind = rbuf_u8(&r);
	e.bytes = rbuf_string(&r, FORMAT_TEXT_MAX, &len);
	e.len = (uint32_t)len;
	return e;
}

static bool entry_find(const struct segment *s, uint64_t id, uint8_t kind, struct dictionary_entry *ret)
{
	const struct dictionary *d = s->dictionary;

	if (!id || !d->cap)
		return false;
	for (size_t i = entry_place(id) & (d->cap - 1); d->entries[i]; i = (i + 1) & (d->cap - 1)) {
		*ret = entry_at(s, d->entries[i]);
		if (ret->id == id)
			return ret->kind == kind;
	}
	return false;
}

/* Where it belongs, or stands: an entry said twice, the first counts. */
static uint32_t *entry_place_of(const struct segment *s, uint32_t *entries, size_t cap, uint64_t id)
{
	size_t i = entry_place(id) & (cap - 1);

	while (entries[i] && entry_at(s, entries[i]).id != id)
		i = (i + 1) & (cap - 1);
	return &entries[i];
}

static int entry_add(struct segment *s, uint64_t id, size_t offset)
{
	struct dictionary *d = s->dictionary;
	uint32_t *place;

	/* Beyond 4 GiB of a segment nobody means it. */
	if (offset > UINT32_MAX)
		return 0;
	if ((d->n + 1) * 2 > d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 256;
		uint32_t *entries = calloc(cap, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		for (size_t k = 0; k < d->cap; k++) {
			if (d->entries[k])
				*entry_place_of(s, entries, cap, entry_at(s, d->entries[k]).id) = d->entries[k];
		}
		free(d->entries);
		d->entries = entries;
		d->cap = cap;
	}
	place = entry_place_of(s, d->entries, d->cap, id);
	if (!*place) {
		*place = (uint32_t)offset;
		d->n++;
	}
	return 0;
}

static int module_add(struct segment *s, uint64_t id, const uint8_t *bytes, size_t n)
{
	struct dictionary *d = s->dictionary;
	struct dictionary_module m = {.id = id};
	struct rbuf r;
	const uint8_t *build_id;
	size_t len;

	rbuf_init(&r, bytes, n);
	m.kind = (uint32_t)rbuf_varint(&r);
	build_id = rbuf_string(&r, 64, &len);
	if (r.err)
		return 0; /* as if it were not said */
	m.build_id = len ? (size_t)(build_id - s->bytes.data) : 0;
	m.build_id_len = (uint32_t)len;
	if (d->nmodules == d->modules_cap) {
		size_t cap = d->modules_cap ? d->modules_cap * 2 : 32;
		struct dictionary_module *modules = realloc(d->modules, cap * sizeof(*modules));

		if (!modules)
			return -ENOMEM;
		d->modules = modules;
		d->modules_cap = cap;
	}
	d->modules[d->nmodules++] = m;
	d->unsorted = true;
	return 0;
}

static int symbol_add(struct segment *s, uint64_t id, const uint8_t *bytes, size_t n)
{
	struct dictionary *d = s->dictionary;
	struct dictionary_symbol symbol = {.module = id, .order = (uint32_t)d->nsymbols};
	struct rbuf r;

	rbuf_init(&r, bytes, n);
	symbol.start = rbuf_varint(&r);
	symbol.size = rbuf_varint(&r);
	symbol.name_len = (uint32_t)rbuf_left(&r);
	if (r.err)
		return 0;
	symbol.name = (size_t)(r.p - s->bytes.data);
	if (d->nsymbols == d->symbols_cap) {
		size_t cap = d->symbols_cap ? d->symbols_cap * 2 : 256;
		struct dictionary_symbol *symbols = realloc(d->symbols, cap * sizeof(*symbols));

		if (!symbols)
			return -ENOMEM;
		d->symbols = symbols;
		d->symbols_cap = cap;
	}
	d->symbols[d->nsymbols++] = symbol;
	d->unsorted = true;
	return 0;
}

static int module_order(const void *a, const void *b)
{
	const struct dictionary_module *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int symbol_order(const void *a, const void *b)
{
	const struct dictionary_symbol *x = a, *y = b;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Code that a runtime made anew at a place: the name said last counts, and symbols stay as many as there are places. */
static void dictionary_sort(struct dictionary *d)
{
	if (!d->unsorted)
		return;
	d->unsorted = false;
	if (d->nmodules)
		qsort(d->modules, d->nmodules, sizeof(*d->modules), module_order);
	if (d->nsymbols)
		qsort(d->symbols, d->nsymbols, sizeof(*d->symbols), symbol_order);
}

static int dictionary_parse(struct segment *s, struct rbuf *r)
{
	uint64_t n = rbuf_bounded(r, rbuf_left(r));

	while (n-- && !r->err) {
		size_t offset = (size_t)(r->p - s->bytes.data), len;
		uint64_t id = rbuf_varint(r);
		uint8_t kind = rbuf_u8(r);
		const uint8_t *p = rbuf_string(r, FORMAT_TEXT_MAX, &len);

		if (!p || !id)
			continue;
		if (kind == FORMAT_ENTRY_MODULE ? module_add(s, id, p, len) :
		    kind == FORMAT_ENTRY_SYMBOL ? symbol_add(s, id, p, len) : entry_add(s, id, offset))
			return -ENOMEM;
	}
	return r->err;
}

/* Moves what is kept of a lean segment behind what is kept already. Returns where it is now. */
static uint8_t *keep(struct segment *s, const uint8_t *bytes, size_t n)
{
	uint8_t *to = s->bytes.data + s->kept;

	memmove(to, bytes, n);
	s->kept += n;
	return to;
}

static void keep_block(struct segment *s, struct segment_block *block)
{
	if (s->lean)
		block->payload = keep(s, block->payload, block->size);
}

static int frame_add(struct segment *s, const struct segment_block *block, struct culprit_error *error)
{
	struct segment_frame f = {.offset = (size_t)(block->payload - s->bytes.data) + s->dropped, .size = block->size};
	struct rbuf r;

	rbuf_init(&r, block->payload, block->size);
	f.mono_ns = rbuf_u64(&r);
	f.wall_ns = (int64_t)rbuf_u64(&r);
	f.key = rbuf_varint(&r) & FORMAT_FRAME_KEY;
	if (s->nframes ? f.key || f.mono_ns < s->frames[s->nframes - 1].mono_ns : !f.key)
		return error_set(error, -EBADMSG, "frame %zu of segment %llu is out of order", s->nframes,
				 (unsigned long long)s->meta.seq);
	if (!s->schema)
		return error_set(error, -EBADMSG, "segment %llu has a frame before the description of its tables",
				 (unsigned long long)s->meta.seq);
	while (!r.err && rbuf_left(&r)) {
		uint64_t type = rbuf_varint(&r);
		struct rbuf section = rbuf_sub(&r, rbuf_bounded(&r, rbuf_left(&r)));

		if (type == FORMAT_DICTIONARY && !r.err) {
			size_t n = rbuf_left(&section);
			int e;

			if (s->lean)
				rbuf_init(&section, keep(s, section.p, n), n);
			e = dictionary_parse(s, &section);

			if (e == -ENOMEM)
				return error_set(error, e, "out of memory");
			if (e)
				rbuf_fail(&r);
		}
	}
	if (r.err)
		return error_set(error, -EBADMSG, "frame %zu of segment %llu is damaged", s->nframes,
				 (unsigned long long)s->meta.seq);
	if (s->nframes == s->frames_cap) {
		size_t cap = s->frames_cap ? s->frames_cap * 2 : 64;
		struct segment_frame *frames = realloc(s->frames, cap * sizeof(*frames));

		if (!frames)
			return error_set(error, -ENOMEM, "out of memory");
		s->frames = frames;
		s->frames_cap = cap;
	}
	s->frames[s->nframes++] = f;
	return 0;
}

/* The writer's own, where it is in this process and the bytes say the same: all but segments from before a plug-in came. */
static struct schema *schema_written(const struct segment *s, const struct segment_block *block)
{
	struct schema *schema = s->of && s->of->ops->schema ? s->of->ops->schema(s->of) : NULL;

	if (schema && schema_encodes(schema, block->payload, block->size))
		return schema;
	schema_unlock(schema);
	return NULL;
}

/* The schema that another segment of the source was read with, where its bytes are the same: nearly always. */
static struct schema *schema_shared(const struct segment *s, const struct segment_block *block)
{
	for (const struct segment *other = s->of ? s->of->segments : NULL; other; other = other->next) {
		if (other != s && other->schema && other->schema_size && other->schema_size == block->size &&
		    !memcmp(other->bytes.data + other->schema_at, block->payload, block->size))
			return schema_lock(other->schema);
	}
	return NULL;
}

static int block_take(struct segment *s, struct segment_block *block, struct culprit_error *error)
{
	switch (block->type) {
	case FORMAT_HOST:
		if (host_info_decode(block->payload, block->size, &s->host))
			return error_set(error, -EBADMSG, "the description of the host is damaged");
		return 0;
	case FORMAT_SCHEMA:
		if (s->schema)
			return error_set(error, -EBADMSG, "segment %llu describes its tables twice",
					 (unsigned long long)s->meta.seq);
		s->schema = schema_written(s, block);
		/* Then its bytes are not needed. */
		if (s->schema)
			return 0;
		keep_block(s, block);
		s->schema = schema_shared(s, block);
		if (!s->schema)
			s->schema = schema_decode(block->payload, block->size, error);
		s->schema_at = (size_t)(block->payload - s->bytes.data);
		s->schema_size = block->size;
		return s->schema ? 0 : -EBADMSG;
	case FORMAT_FRAME:
		return frame_add(s, block, error);
	case FORMAT_SUMMARY:
		keep_block(s, block);
		s->summary = (size_t)(block->payload - s->bytes.data);
		s->summary_size = block->size;
		s->complete = true;
		return 0;
	default:
		return 0; /* of a newer version */
	}
}

/* Parses what has been appended to s->bytes, from s->parsed on. */
static int parse_blocks(struct segment *s, struct culprit_error *error)
{
	struct culprit_error damage = {""};
	int r = 0;

	if (s->damage.sentence[0])
		goto damaged;
	if (!s->parsed) {
		uint32_t size;

		if (s->bytes.len < FORMAT_SEGMENT_HEADER)
			return 0;
		r = segment_get_header(s->bytes.data, s->bytes.len, &s->meta, &size, &damage);
		if (r)
			goto damage;
		s->parsed = s->kept = size;
	}
	while (!s->complete || s->parsed < s->bytes.len) {
		struct segment_block block;
		int64_t n = segment_get_block(s->bytes.data + s->parsed, s->bytes.len - s->parsed, &block, &damage);

		if (n == 0)
			return 0;
		r = n < 0 ? (int)n : block_take(s, &block, &damage);
		if (r == -ENOMEM)
			return error_set(error, r, "out of memory");
		if (r)
			goto damage;
		s->parsed += (size_t)n;
	}
	return 0;
damage:
	s->damage = damage;
damaged:
	return error_set(error, -EBADMSG, "%s", s->damage.sentence);
}

/* Lets go of what has been parsed and is not kept. What has not been parsed stays, behind what is kept. A block that was being taken
 * when memory ran out does not: parts of it have been moved, over others of it. It is read again, and what is said twice counts once. */
static void drop_parsed(struct segment *s, bool broken_off)
{
	size_t rest = broken_off ? 0 : s->bytes.len - s->parsed;

	memmove(s->bytes.data + s->kept, s->bytes.data + s->parsed, rest);
	s->dropped += s->parsed - s->kept;
	s->parsed = s->kept;
	s->bytes.len = s->kept + rest;
	wbuf_fit(&s->bytes);
}

static int parse_more(struct segment *s, struct culprit_error *error)
{
	int r = parse_blocks(s, error);

	if (s->lean && s->parsed)
		drop_parsed(s, r != 0);
	return r;
}

int segment_frame(struct segment *s, const struct segment_frame *f, size_t from, size_t n, const uint8_t **ret,
		  struct culprit_error *error)
{
	int r;

	if (!s->lean) {
		*ret = s->bytes.data + f->offset + from;
		return 0;
	}
	if (!s->of)
		return error_set(error, -ESTALE, "what segment %llu was read from is not there any more", (unsigned long long)s->meta.seq);
	wbuf_clear(&s->of->frame);
	r = s->of->ops->again(s->of, s->shown_seq, f->offset + from, n, &s->of->frame, error);
	if (!r && s->of->frame.len < n)
		r = error_set(error, -ESTALE, "segment %llu is not what it was", (unsigned long long)s->meta.seq);
	if (!r)
		*ret = s->of->frame.data;
	return r;
}

void segment_frame_done(struct segment *s)
{
	/* A large table in a key frame comes seldom: its memory goes with the next small one. */
	if (s->lean && s->of && s->of->frame.len <= WBUF_KEEP)
		wbuf_give_back(&s->of->frame);
}

int segment_parse(struct segment *s, const void *bytes, size_t n, struct culprit_error *error)
{
	wbuf_bytes(&s->bytes, bytes, n);
	return s->bytes.err ? error_set(error, -ENOMEM, "out of memory") : parse_more(s, error);
}

int segment_update(struct segment *s, struct source *source, uint64_t seq, struct culprit_error *error)
{
	size_t before = s->bytes.len;
	struct culprit_error damage = {""}, inside = {""};
	int r, p;

	if (s->complete)
		return 0;
	s->shown_seq = seq;
	r = source->ops->read(source, seq, s->dropped + before, &s->bytes, &damage);
	if (r && r != -EBADMSG) {
		if (error)
			*error = damage;
		s->bytes.len = before;
		return r;
	}
	if (s->bytes.err)
		return error_set(error, -ENOMEM, "out of memory");
	p = parse_more(s, &inside);
	if (p == -EBADMSG)
		return error_set(error, p, "%.120s is damaged in its segment %llu: %.200s; frames after it in this segment are lost",
				 source->name, (unsigned long long)seq, inside.sentence);
	if (p)
		return error_set(error, p, "%s", inside.sentence);
	if (r && !s->damage.sentence[0])
		s->damage = damage;
	if (r && error)
		*error = damage;
	return r;
}

const char *segment_text(const struct segment *s, uint64_t id, size_t *ret_len)
{
	struct dictionary_entry e;
	bool found = entry_find(s, id, FORMAT_ENTRY_TEXT, &e);

	*ret_len = found ? e.len : 0;
	return found ? (const char *)e.bytes : NULL;
}

bool segment_task(const struct segment *s, uint64_t id, uint64_t *ret_tid, uint64_t *ret_start_ticks)
{
	struct dictionary_entry e;
	struct rbuf r;
	uint64_t tid, start;

	if (!entry_find(s, id, FORMAT_ENTRY_TASK, &e))
		return false;
	rbuf_init(&r, e.bytes, e.len);
	tid = rbuf_varint(&r);
	start = rbuf_varint(&r);
	if (r.err)
		return false;
	*ret_tid = tid;
	*ret_start_ticks = start;
	return true;
}

static const struct dictionary_module *module_find(const struct segment *s, uint64_t id)
{
	const struct dictionary_module wanted = {.id = id};
	struct dictionary *d = s->dictionary;

	if (!id || !d->nmodules)
		return NULL;
	dictionary_sort(d);
	return bsearch(&wanted, d->modules, d->nmodules, sizeof(*d->modules), module_order);
}

bool segment_symbol(const struct segment *s, const struct segment_location *l, struct segment_name *ret)
{
	struct dictionary *d = s->dictionary;
	size_t low = 0, high = d->nsymbols;

	if (!l->module_id || !high)
		return false;
	dictionary_sort(d);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct dictionary_symbol *m = &d->symbols[mid];

		if (m->module < l->module_id || (m->module == l->module_id && m->start <= l->offset))
			low = mid + 1;
		else
			high = mid;
	}
	/* Outlined parts of other functions may stand in between. */
	for (size_t back = 0; back < 16 && back < low; back++) {
		const struct dictionary_symbol *m = &d->symbols[low - 1 - back];

		if (m->module != l->module_id)
			return false;
		if (m->size ? l->offset - m->start >= m->size : back > 0)
			continue;
		*ret = (struct segment_name){(const char *)s->bytes.data + m->name, m->name_len, m->start, m->size};
		return true;
	}
	return false;
}

size_t segment_stack(const struct segment *s, uint64_t id, struct segment_location *locations, size_t cap)
{
	struct dictionary_entry e;
	struct rbuf r;
	uint64_t n;

	if (!entry_find(s, id, FORMAT_ENTRY_STACK, &e))
		return 0;
	rbuf_init(&r, e.bytes, e.len);
	n = rbuf_bounded(&r, FORMAT_STACK_MAX);
	for (uint64_t i = 0; i < n; i++) {
		struct segment_location l = {.module_id = rbuf_varint(&r)};
		const struct dictionary_module *m;

		l.offset = rbuf_varint(&r);
		if (r.err)
			return i;
		if (i >= cap)
			continue;
		l.module = segment_text(s, l.module_id, &l.module_len);
		m = module_find(s, l.module_id);
		if (m) {
			l.kind = m->kind;
			l.build_id = s->bytes.data + m->build_id;
			l.build_id_len = m->build_id_len;
		}
		locations[i] = l;
	}
	return n;
}
