#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "filter.h"
#include "memo.h"
#include "series_internal.h"
#include "tick_walk.h"

enum {
	SOURCES_MAX = 16,
	PLACES_MAX = 6,
	PLACE_TABLES_MAX = 64,
	PLACE_IDLE = 16, /* refreshes after which an unused place gives its memory back */
	STALE_TRIES = 4,
	MEMO_BYTES = 8 << 20,
};

struct holder {
	struct source *source;
	bool has;
	uint64_t first_ns, last_ns, newest_seq, newest_size;
};

struct own_place {
	struct place place; /* first: queries see only this */
	char tables[PLACE_TABLES_MAX][SCHEMA_NAME_MAX + 1];
	size_t ntables;
	uint64_t used; /* refresh in which it was last used */
	uint64_t shared; /* refresh in which a query joined another one here */
	uint64_t stamp;
	int err; /* of the last move */
	struct culprit_error error;
};

struct view {
	struct holder holders[SOURCES_MAX];
	size_t nholders;
	struct view *baseline;
	struct marks *marks;
	struct own_place *places[PLACES_MAX];
	size_t nplaces;
	bool refreshed, has;
	uint64_t first_ns, last_ns, generation, refreshes, stamps, place_generations;
	struct schema *schema, *schema_last; /* as first seen; of the newest segment looked at */
	struct host_info host;
	bool host_known;
	struct culprit_error damage; /* met on looking the schema up */
	uint64_t schema_generation; /* of the view when it was looked up */
	struct memo *memo;
	struct series_state *series;
	struct tick_walks *walks;
};

struct view *view_create(void)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v && !(v->memo = memo_create(MEMO_BYTES))) {
		free(v);
		return NULL;
	}
	return v;
}

static void place_destroy(struct own_place *p)
{
	if (!p)
		return;
	cursor_destroy(p->place.start);
	cursor_destroy(p->place.end);
	free(p);
}

void view_destroy(struct view *v)
{
	if (!v)
		return;
	series_state_destroy(v->series);
	tick_walks_destroy(v->walks);
	for (size_t i = 0; i < v->nplaces; i++)
		place_destroy(v->places[i]);
	for (size_t i = 0; i < v->nholders; i++)
		source_destroy(v->holders[i].source);
	schema_unlock(v->schema);
	schema_unlock(v->schema_last);
	memo_destroy(v->memo);
	free(v);
}

int view_add_source(struct view *v, struct source *source)
{
	if (v->nholders == SOURCES_MAX) {
		source_destroy(source);
		return -ENOSPC;
	}
	v->holders[v->nholders++] = (struct holder){.source = source};
	v->refreshed = false;
	return 0;
}

void view_set_baseline(struct view *v, struct view *baseline)
{
	v->baseline = baseline;
}

void view_set_marks(struct view *v, struct marks *marks)
{
	v->marks = marks;
}

struct marks *view_marks(struct view *v)
{
	return v->marks;
}

struct view *view_baseline(struct view *v)
{
	return v->baseline;
}

/* Looks at one source. 1: something new. */
static int holder_refresh(struct holder *h, struct culprit_error *error)
{
	const struct segment_info *first, *last;
	bool changed;
	int n = h->source->ops->refresh(h->source, error);

	if (n < 0)
		return n;
	if (n == 0) {
		changed = h->has;
		h->has = false;
		return changed;
	}
	first = h->source->ops->segment(h->source, 0);
	last = h->source->ops->segment(h->source, (size_t)n - 1);
	if (!first || !last)
		return 0;
	changed = !h->has || h->first_ns != first->from_ns || h->last_ns != last->to_ns || h->newest_seq != last->seq ||
		  h->newest_size != last->size;
	h->has = true;
	h->first_ns = first->from_ns;
	h->last_ns = last->to_ns;
	h->newest_seq = last->seq;
	h->newest_size = last->size;
	return changed;
}

int view_refresh(struct view *v, struct culprit_error *error)
{
	bool changed = !v->refreshed, some = false;
	int first_error = 0;

	for (size_t i = 0; i < v->nholders; i++) {
		int r = holder_refresh(&v->holders[i], first_error ? NULL : error);

		if (r < 0 && !first_error)
			first_error = r;
		if (r >= 0)
			some = true;
		changed |= r > 0;
	}
	v->refreshed = true;
	v->refreshes++;
	v->has = false;
	for (size_t i = 0; i < v->nholders; i++) {
		const struct holder *h = &v->holders[i];

		if (!h->has)
			continue;
		if (!v->has || h->first_ns < v->first_ns)
			v->first_ns = h->first_ns;
		if (!v->has || h->last_ns > v->last_ns)
			v->last_ns = h->last_ns;
		v->has = true;
	}
	for (size_t i = v->nplaces; i-- > 1;) {
		if (v->refreshes - v->places[i]->used > PLACE_IDLE) {
			place_destroy(v->places[i]);
			v->places[i] = v->places[--v->nplaces];
		}
	}
	if (!some && first_error)
		return first_error;
	v->generation += changed;
	return changed;
}

const char *view_damage(struct view *v)
{
	for (size_t i = 0; i < v->nholders; i++) {
		struct source *s = v->holders[i].source;
		const char *sentence = s->ops->damage ? s->ops->damage(s) : "";

		if (sentence[0])
			return sentence;
	}
	return v->damage.sentence;
}

const char *view_notice(struct view *v)
{
	for (size_t i = 0; i < v->nholders; i++) {
		struct source *s = v->holders[i].source;
		const char *sentence = s->ops->notice ? s->ops->notice(s) : "";

		if (sentence[0])
			return sentence;
	}
	return "";
}

int view_nothing(struct view *v, struct culprit_error *error)
{
	const char *damage = view_damage(v), *notice = view_notice(v);

	return error_set(error, -ENODATA, "%s",
			 damage[0] ? damage : notice[0] ? notice : "nothing has been sampled yet");
}

static void refresh_once(struct view *v)
{
	if (!v->refreshed)
		view_refresh(v, NULL);
}

bool view_extent(const struct view *v, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
	refresh_once((struct view *)v);
	if (!v->has)
		return false;
	*ret_from_ns = v->first_ns;
	*ret_to_ns = v->last_ns;
	return true;
}

uint64_t view_generation(const struct view *v)
{
	return v->generation;
}

struct source *view_source(struct view *v, size_t i)
{
	return i < v->nholders ? v->holders[i].source : NULL;
}

struct source *view_source_at(struct view *v, uint64_t mono_ns)
{
	const struct holder *best = NULL;

	refresh_once(v);
	for (size_t i = 0; i < v->nholders; i++) {
		const struct holder *h = &v->holders[i];

		if (!h->has)
			continue;
		if (h->first_ns <= mono_ns && mono_ns <= h->last_ns)
			return h->source;
		/* Else the one that ended last before it; else the one that begins first. */
		if (!best || (h->last_ns <= mono_ns && (best->last_ns > mono_ns || h->last_ns > best->last_ns)) ||
		    (best->first_ns > mono_ns && h->first_ns < best->first_ns))
			best = h;
	}
	return best ? best->source : NULL;
}

struct memo *view_memo(struct view *v)
{
	return v->memo;
}

struct tick_walks **view_walks(struct view *v)
{
	return &v->walks;
}

struct series_state **view_series(struct view *v)
{
	return &v->series;
}

size_t view_memory(const struct view *v)
{
	return memo_bytes(v->memo);
}

void view_set_memory(struct view *v, size_t bytes)
{
	memo_set_max(v->memo, bytes);
}

struct segment_info *source_segments(struct source *s, size_t *ret_n)
{
	const struct segment_info *info;
	struct segment_info *copy = NULL;
	size_t n = 0, cap = 0;

	for (; (info = s->ops->segment(s, n)); n++) {
		if (n == cap) {
			struct segment_info *grown = realloc(copy, (cap = cap ? cap * 2 : 64) * sizeof(*copy));

			if (!grown)
				break;
			copy = grown;
		}
		copy[n] = *info;
	}
	*ret_n = n;
	return copy;
}

/* --- times --- */

/* The last segment of all sources that begins at or before the time; else the first. */
static bool pair_near(const struct view *cv, bool by_wall, int64_t wall, uint64_t mono, struct segment_info *ret)
{
	struct view *v = (struct view *)cv;
	bool have = false;

	refresh_once(v);
	for (size_t i = 0; i < v->nholders; i++) {
		struct source *s = v->holders[i].source;
		const struct segment_info *info;

		for (size_t k = 0; v->holders[i].has && (info = s->ops->segment(s, k)); k++) {
			bool before = by_wall ? info->wall_ns <= wall : info->from_ns <= mono;

			if (!have || (before && info->from_ns >= ret->from_ns)) {
				*ret = *info;
				have = true;
			}
		}
	}
	return have;
}

int64_t view_wall_ns(const struct view *v, uint64_t mono_ns)
{
	struct segment_info at;

	if (!pair_near(v, false, 0, mono_ns, &at))
		return 0;
	/* Of a damaged recording they need not make sense: then they wrap. */
	return (int64_t)((uint64_t)at.wall_ns + (mono_ns - at.from_ns));
}

uint64_t view_mono_ns(const struct view *v, int64_t wall_ns)
{
	struct segment_info at;
	uint64_t distance;

	if (!pair_near(v, true, wall_ns, 0, &at))
		return 0;
	distance = (uint64_t)wall_ns - (uint64_t)at.wall_ns;
	if (wall_ns < at.wall_ns && 0 - distance > at.from_ns)
		return 0;
	return at.from_ns + distance;
}

int view_zone_offset(struct view *v)
{
	const struct host_info *host = view_host(v);

	for (const char *p = host ? host->zone : ""; *p; p++) {
		if ((*p == '+' || *p == '-') && p[1] >= '0' && p[1] <= '2' && p[2] >= '0' && p[2] <= '9') {
			const char *m = p + 3 + (p[3] == ':');
			int minutes = 0;

			if (m[0] >= '0' && m[0] <= '5' && m[1] >= '0' && m[1] <= '9')
				minutes = (m[0] - '0') * 10 + m[1] - '0';
			minutes += ((p[1] - '0') * 10 + p[2] - '0') * 60;
			return (*p == '-' ? -minutes : minutes) * 60;
		}
	}
	return 0;
}

/* --- schema --- */

static bool schema_same(const struct schema *a, const struct schema *b)
{
	struct wbuf x, y;
	bool same;

	wbuf_init(&x);
	wbuf_init(&y);
	schema_encode(a, &x);
	schema_encode(b, &y);
	same = !x.err && !y.err && x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
	wbuf_finish(&x);
	wbuf_finish(&y);
	return same;
}

static void schema_take(struct view *v, const struct segment *segment)
{
	if (!segment || !segment->schema)
		return;
	/* Each segment has one of its own; as long as they say the same, what was borrowed from the first stays. */
	if (segment->schema != v->schema && segment->schema != v->schema_last &&
	    !(v->schema && schema_same(v->schema, segment->schema))) {
		schema_unlock(v->schema);
		v->schema = schema_lock(segment->schema);
	}
	if (segment->schema != v->schema_last) {
		schema_unlock(v->schema_last);
		v->schema_last = schema_lock(segment->schema);
	}
	v->host = segment->host;
	v->host_known = true;
	v->schema_generation = v->generation;
}

const struct schema *view_schema(struct view *v)
{
	static const char *const none[] = {NULL};
	struct cursor *c;
	struct source *s;

	refresh_once(v);
	if (v->schema && v->schema_generation == v->generation)
		return v->schema;
	if (!v->has)
		return v->schema;
	for (size_t i = 0; i < v->nplaces; i++) {
		struct segment *segment = cursor_segment(v->places[i]->place.end);

		/* A schema changes with a new segment only. */
		if (v->schema && segment && segment->schema == v->schema_last &&
		    segment->shown_seq == v->holders[0].newest_seq) {
			v->schema_generation = v->generation;
			return v->schema;
		}
	}
	s = view_source_at(v, v->last_ns);
	c = s ? cursor_create(s, none) : NULL;
	if (c) {
		int err = cursor_seek(c, v->last_ns, &v->damage);

		if (!err)
			v->damage.sentence[0] = '\0';
		if (!err || err == -EBADMSG)
			schema_take(v, cursor_segment(c));
		cursor_destroy(c);
	}
	return v->schema;
}

const struct host_info *view_host(struct view *v)
{
	view_schema(v);
	return v->host_known ? &v->host : NULL;
}

const struct schema_table *view_table(struct view *v, const char *name)
{
	const struct schema *s = view_schema(v);

	return s ? schema_find(s, name) : NULL;
}

static const char *table_name(void *of, size_t i)
{
	const struct schema *s = of;

	return s->tables[i]->name;
}

const char *view_suggest_table(struct view *v, const char *name, char *buf, size_t cap)
{
	const struct schema *s = view_schema(v);

	return suggest(name, s ? s->ntables : 0, table_name, (void *)s, buf, cap);
}

/* --- places --- */

static bool place_has(const struct own_place *p, const char *const *tables, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool found = false;

		for (size_t k = 0; k < p->ntables && !found; k++)
			found = strcmp(p->tables[k], tables[i]) == 0;
		if (!found)
			return false;
	}
	return true;
}

static int place_open(struct own_place *p, struct source *source, const char *const *tables, size_t n)
{
	const char *names[PLACE_TABLES_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		if (place_has(p, &tables[i], 1))
			continue;
		if (p->ntables == PLACE_TABLES_MAX)
			return -ENOSPC;
		snprintf(p->tables[p->ntables++], sizeof(p->tables[0]), "%s", tables[i]);
	}
	for (size_t i = 0; i < p->ntables; i++)
		names[i] = p->tables[i];
	names[p->ntables] = NULL;
	cursor_destroy(p->place.start);
	cursor_destroy(p->place.end);
	p->place.source = source;
	p->place.start = cursor_create(source, names);
	p->place.end = cursor_create(source, names);
	return p->place.start && p->place.end ? 0 : -ENOMEM;
}

/* First frame of the recorder whose segment this is, as far back as it goes on without another one. */
static uint64_t writer_began(struct source *source, uint64_t seq)
{
	const struct segment_info *info;
	uint64_t began = 0, writer = 0;

	for (size_t i = 0; (info = source->ops->segment(source, i)) && info->seq <= seq; i++) {
		if (info->writer != writer || !i)
			began = info->from_ns;
		writer = info->writer;
	}
	return began;
}

static int place_seek(struct own_place *p, uint64_t from_ns, uint64_t to_ns)
{
	const struct segment *a, *b;
	uint64_t last;
	int end, start;

	/* Backwards: what had ended by then is alive again. */
	cursor_keep_since(p->place.end, from_ns);
	end = cursor_seek(p->place.end, to_ns, &p->error);
	if (end && end != -EBADMSG)
		return end;
	start = cursor_seek(p->place.start, from_ns, end ? NULL : &p->error);
	if (start && start != -EBADMSG)
		return start;
	cursor_extent(p->place.end, &p->place.first_ns, &last);
	/* Another recorder's rows have nothing to do with those at the end: the window begins with the one's that ends it. */
	a = cursor_segment(p->place.start);
	b = cursor_segment(p->place.end);
	if (a && b && a->meta.writer != b->meta.writer) {
		uint64_t began = writer_began(p->place.source, b->shown_seq);

		if (began > from_ns)
			start = cursor_seek(p->place.start, began, end ? NULL : &p->error);
		if (start && start != -EBADMSG)
			return start;
	}
	return end ? end : start;
}

static struct own_place *place_choose(struct view *v, const struct place *last, uint64_t last_generation)
{
	struct own_place *oldest = NULL;

	for (size_t i = 0; i < v->nplaces; i++) {
		struct own_place *p = v->places[i];

		/* Not from under another query of the same draw. */
		if (&p->place == last && p->place.generation == last_generation && p->shared != v->refreshes)
			return p;
		if (!oldest || p->stamp < oldest->stamp)
			oldest = p;
	}
	if (v->nplaces < PLACES_MAX) {
		struct own_place *p = calloc(1, sizeof(*p));

		if (p)
			v->places[v->nplaces++] = p;
		return p;
	}
	return oldest;
}

bool view_place_stands(const struct view *v, const struct place *place, uint64_t generation)
{
	for (size_t i = 0; i < v->nplaces; i++)
		if (&v->places[i]->place == place)
			return place->generation == generation;
	return false;
}

int view_place(struct view *v, uint64_t from_ns, uint64_t to_ns, const char *const *tables, size_t ntables,
	       struct place *last, uint64_t last_generation, struct place **ret, struct culprit_error *error)
{
	struct own_place *p = NULL;
	struct source *source;
	int err;

	refresh_once(v);
	if (!v->has)
		return view_nothing(v, error);
	if (to_ns > v->last_ns)
		to_ns = v->last_ns;
	if (from_ns > to_ns)
		from_ns = to_ns;
	source = view_source_at(v, to_ns);
	for (size_t i = 0; i < v->nplaces && !p; i++) {
		struct own_place *q = v->places[i];

		if (q->place.end && q->place.source == source && q->place.from_ns == from_ns && q->place.to_ns == to_ns &&
		    (!q->err || q->err == -EBADMSG) && place_has(q, tables, ntables))
			p = q;
	}
	if (p && (&p->place != last || p->place.generation != last_generation))
		p->shared = v->refreshes;
	if (!p) {
		p = place_choose(v, last, last_generation);
		if (!p)
			return error_set(error, -ENOMEM, "out of memory");
		p->place.generation = ++v->place_generations;
		p->error.sentence[0] = '\0';
		err = 0;
		if (p->place.source != source || !p->place.end || !p->place.start || !place_has(p, tables, ntables))
			err = place_open(p, source, tables, ntables);
		for (int i = 0; !err && i < STALE_TRIES; i++) {
			err = place_seek(p, from_ns, to_ns);
			if (err != -ESTALE)
				break;
			err = i + 1 < STALE_TRIES ? 0 : err;
		}
		p->place.from_ns = from_ns;
		p->place.to_ns = to_ns;
		p->err = err;
		if (!err || err == -EBADMSG) {
			if (to_ns == v->last_ns)
				schema_take(v, cursor_segment(p->place.end));
		} else {
			p->place.to_ns = 0;
			if (!p->error.sentence[0])
				error_set(&p->error, err, "%s", strerror(-err));
		}
	}
	p->used = v->refreshes;
	p->stamp = ++v->stamps;
	if (p->err && error)
		*error = p->error;
	if (p->err && p->err != -EBADMSG)
		return p->err;
	*ret = &p->place;
	return p->err;
}
