#include "view_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "memo.h"

struct view *view_create(void)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v && !(v->memo = memo_create(MEMO_BYTES))) {
		free(v);
		return NULL;
	}
	return v;
}

void view_keep_most(struct view *v, size_t most)
{
	v->keep_most = most;
}

void view_destroy(struct view *v)
{
	if (!v)
		return;
	series_state_destroy(v->series);
	tick_walks_destroy(v->walks);
	for (size_t i = 0; i < v->nplaces; i++)
		view_place_destroy(v->places[i]);
	for (size_t i = 0; i < v->nholders; i++) {
		schema_unlock(v->holders[i].schema);
		source_destroy(v->holders[i].source);
	}
	for (size_t i = 0; i < v->nremoved; i++)
		source_destroy(v->removed[i]);
	free(v->removed);
	schema_unlock(v->schema);
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

/* Who asked the same before must ask again. */
static void answers_change(struct view *v)
{
	v->generation++;
	v->turns++;
	for (size_t i = 0; i < v->nplaces; i++)
		v->places[i]->place.generation = ++v->place_generations;
}

int view_add_source_before(struct view *v, struct source *source, const struct source *before)
{
	size_t at = 0;
	int r = view_add_source(v, source);

	while (!r && at + 1 < v->nholders && v->holders[at].source != before)
		at++;
	if (r || at + 1 == v->nholders)
		return r;
	memmove(&v->holders[at + 1], &v->holders[at], (v->nholders - 1 - at) * sizeof(v->holders[0]));
	v->holders[at] = (struct holder){.source = source};
	v->host = NULL;
	answers_change(v);
	return 0;
}

struct route *view_route_of(const struct view *v, const char *table)
{
	for (size_t i = 0; table && i < v->nroutes; i++)
		if (!strcmp(v->routes[i].table, table))
			return (struct route *)&v->routes[i];
	return NULL;
}

int view_route(struct view *v, const char *table, const struct source *source)
{
	struct route *r = view_route_of(v, table);

	if (r ? r->source == source : !source)
		return 0;
	/* Whatever was asked of it may be answered otherwise now. */
	answers_change(v);
	if (!source) {
		*r = v->routes[--v->nroutes];
		return 0;
	}
	if (!r) {
		if (v->nroutes == ROUTES_MAX)
			return -ENOSPC;
		r = &v->routes[v->nroutes++];
		snprintf(r->table, sizeof(r->table), "%s", table);
	}
	r->source = source;
	r->refresh = v->refreshes;
	return 0;
}

void view_remove_source(struct view *v, struct source *source)
{
	struct source **removed = realloc(v->removed, (v->nremoved + 1) * sizeof(struct source *));
	size_t at = 0;

	while (at < v->nholders && v->holders[at].source != source)
		at++;
	if (removed)
		v->removed = removed;
	/* Out of memory: it stays. */
	if (at == v->nholders || !removed)
		return;
	v->removed[v->nremoved++] = source;
	for (size_t i = v->nroutes; i-- > 0;)
		if (v->routes[i].source == source)
			v->routes[i] = v->routes[--v->nroutes];
	schema_unlock(v->holders[at].schema);
	memmove(&v->holders[at], &v->holders[at + 1], (--v->nholders - at) * sizeof(v->holders[0]));
	v->host = NULL;
	v->refreshed = false;
	answers_change(v);
	if (source->ops->retire)
		source->ops->retire(source);
}

uint64_t view_route_idle(const struct view *v, const char *table)
{
	const struct route *r = view_route_of(v, table);

	return r ? v->refreshes - r->refresh : UINT64_MAX;
}

const struct source *view_routed(const struct view *v, const char *table)
{
	const struct route *r = view_route_of(v, table);

	return r ? r->source : NULL;
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
	bool changed, live = h->source->ops->live && h->source->ops->live(h->source);
	uint64_t last_ns;
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
	/* What its end mark says may be more than can be read. */
	last_ns = h->known && h->known_seq == last->seq && h->whole_ns ? h->whole_ns : last->to_ns;
	changed = !h->has || h->live != live || h->first_ns != first->from_ns || h->last_ns != last_ns || h->newest_seq != last->seq ||
		  h->newest_size != last->size;
	h->has = true;
	h->live = live;
	h->first_ns = first->from_ns;
	h->last_ns = last_ns;
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
	v->turns += changed;
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
		if (v->turns - v->places[i]->turn > view_place_idle(v->places[i])) {
			view_place_destroy(v->places[i]);
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

void view_refresh_once(struct view *v)
{
	if (!v->refreshed)
		view_refresh(v, NULL);
}

bool view_extent(const struct view *v, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
	view_refresh_once((struct view *)v);
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

static bool holds(const struct holder *h, uint64_t mono_ns)
{
	return h->has && h->first_ns <= mono_ns && (mono_ns <= h->last_ns || h->live);
}

struct source *view_source_of(struct view *v, const char *table, uint64_t mono_ns)
{
	const struct source *routed = view_routed(v, table);
	const struct holder *best = NULL;

	view_refresh_once(v);
	for (size_t i = 0; routed && i < v->nholders; i++)
		if (v->holders[i].source == routed && holds(&v->holders[i], mono_ns))
			return v->holders[i].source;
	for (size_t i = 0; i < v->nholders; i++) {
		const struct holder *h = &v->holders[i];

		if (!h->has)
			continue;
		if (holds(h, mono_ns))
			return h->source;
		/* Else the one that ended last before it; else the one that begins first. */
		if (!best || (h->last_ns <= mono_ns && (best->last_ns > mono_ns || h->last_ns > best->last_ns)) ||
		    (best->first_ns > mono_ns && h->first_ns < best->first_ns))
			best = h;
	}
	return best ? best->source : NULL;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

size_t view_pieces(struct view *v, const char *table, uint64_t from_ns, uint64_t to_ns, struct view_piece *pieces)
{
	uint64_t edges[2 * SOURCES_MAX + 1];
	size_t nedges = 0, n = 0;

	view_refresh_once(v);
	if (v->nholders == 1) {
		*pieces = (struct view_piece){v->holders[0].source, 0, UINT64_MAX};
		return v->holders[0].has;
	}
	for (size_t i = 0; i < v->nholders; i++) {
		const struct holder *h = &v->holders[i];

		/* A piece begins behind its first time. */
		if (h->has && h->first_ns && h->first_ns - 1 > from_ns && h->first_ns - 1 < to_ns)
			edges[nedges++] = h->first_ns - 1;
		if (h->has && !h->live && h->last_ns > from_ns && h->last_ns < to_ns)
			edges[nedges++] = h->last_ns;
	}
	edges[nedges++] = to_ns;
	qsort(edges, nedges, sizeof(edges[0]), ascending);
	for (size_t i = 0; i < nedges; from_ns = edges[i++]) {
		struct source *source = view_source_of(v, table, edges[i]);
		bool there = false;

		for (size_t k = 0; k < v->nholders; k++)
			there |= v->holders[k].source == source && holds(&v->holders[k], edges[i]);
		if (!there || edges[i] == from_ns)
			continue;
		if (n && pieces[n - 1].source == source && pieces[n - 1].to_ns == from_ns)
			pieces[n - 1].to_ns = edges[i];
		else
			pieces[n++] = (struct view_piece){source, from_ns, edges[i]};
	}
	return n;
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

	view_refresh_once(v);
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

/* What the newest segment of a source says, looked at once a segment. */
static void holder_schema(struct holder *h, struct culprit_error *damage)
{
	static const char *const none[] = {NULL};
	const struct segment *segment;
	struct cursor *c;
	int err;

	if (!h->has || (h->known && h->known_seq == h->newest_seq))
		return;
	c = cursor_create(h->source, none);
	if (!c)
		return;
	err = cursor_seek(c, UINT64_MAX, damage);
	if (!err)
		damage->sentence[0] = '\0';
	segment = !err || err == -EBADMSG ? cursor_segment(c) : NULL;
	if (segment && segment->schema) {
		schema_lock(segment->schema);
		schema_unlock(h->schema);
		h->schema = segment->schema;
		h->host = segment->host;
		h->known = true;
		h->known_seq = h->newest_seq;
		h->whole_ns = err ? cursor_mono_ns(c) : 0;
	}
	cursor_destroy(c);
}

const struct schema *view_schema(struct view *v)
{
	struct schema *all = NULL;

	view_refresh_once(v);
	if ((v->schema && v->schema_generation == v->generation) || !v->has)
		return v->schema;
	for (size_t i = 0; i < v->nholders; i++) {
		struct holder *h = &v->holders[i];
		struct schema *merged;

		holder_schema(h, &v->damage);
		if (!h->known)
			continue;
		if (!v->host || !all)
			v->host = &h->host;
		merged = all ? schema_merged(all, h->schema) : schema_lock(h->schema);
		schema_unlock(all);
		all = merged;
	}
	if (!all)
		return v->schema;
	v->schema_generation = v->generation;
	/* Each segment has one of its own; as long as they say the same, what was borrowed from the first stays. */
	if (!v->schema || (all != v->schema && !schema_same(v->schema, all))) {
		schema_unlock(v->schema);
		v->schema = schema_lock(all);
	}
	schema_unlock(all);
	return v->schema;
}

const struct host_info *view_host(struct view *v)
{
	view_schema(v);
	return v->host;
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
