/* Places: pairs of cursors that queries of the same window share, which one a query gets, and how it gets there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view_internal.h"

void view_place_destroy(struct own_place *p)
{
	if (!p)
		return;
	cursor_destroy(p->place.start);
	cursor_destroy(p->place.end);
	free(p);
}

uint64_t view_place_idle(const struct own_place *p)
{
	size_t rows = p->place.end ? cursor_rows_held(p->place.end, NULL, 0) : 0;

	return rows + (p->place.start ? cursor_rows_held(p->place.start, NULL, 0) : 0) > PLACE_ROWS_MANY ? PLACE_IDLE_LARGE : PLACE_IDLE;
}

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

/* Moving it on costs the rows of all the tables that it follows, also of those that nobody asks for any more. */
static bool place_is_fit(const struct own_place *p, const char *const *tables, size_t n)
{
	return place_has(p, tables, n) &&
	       cursor_rows_held(p->place.end, NULL, 0) <= 2 * cursor_rows_held(p->place.end, tables, n) + PLACE_ROWS_FEW;
}

static void place_add(struct own_place *p, const char *table, uint64_t asked)
{
	snprintf(p->tables[p->ntables], sizeof(p->tables[0]), "%s", table);
	p->asked[p->ntables++] = asked;
}

/* Opens it with these tables; `along`: and those it had and was wished to have, as far as they were asked for just now: queries that
 * take turns end up at one place. */
static int place_open(struct own_place *p, struct source *source, const char *const *tables, size_t n, bool along, uint64_t turn)
{
	const char *names[PLACE_TABLES_MAX + 1];
	size_t had = along ? p->ntables + p->nwished : 0;

	p->ntables = p->nwished = p->wished_rows = 0;
	for (size_t i = 0; i < had; i++) {
		char name[sizeof(p->tables[0])];

		memcpy(name, p->tables[i], sizeof(name));
		if (turn - p->asked[i] <= 1 && p->ntables + n < PLACE_TABLES_MAX)
			place_add(p, name, p->asked[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (place_has(p, &tables[i], 1))
			continue;
		if (p->ntables == PLACE_TABLES_MAX)
			return -ENOSPC;
		place_add(p, tables[i], turn);
	}
	for (size_t i = 0; i < p->ntables; i++)
		names[i] = p->tables[i];
	names[p->ntables] = NULL;
	cursor_destroy(p->place.start);
	cursor_destroy(p->place.end);
	p->place.source = source;
	p->place.start = cursor_create(source, names);
	p->place.end = cursor_create(source, names);
	if (p->place.end)
		cursor_keep_most(p->place.end, p->keep_most);
	return p->place.start && p->place.end ? 0 : -ENOMEM;
}

/* Notes that these tables were asked for now. */
static void place_asked(struct own_place *p, const char *const *tables, size_t n, uint64_t turn)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p->ntables; k++)
			if (!strcmp(p->tables[k], tables[i]))
				p->asked[k] = turn;
}

/* The next time it is opened, this table goes with the others. */
static void place_wish_table(struct own_place *p, const char *table, uint64_t turn)
{
	size_t k = 0, all = p->ntables + p->nwished;

	while (k < all && strcmp(p->tables[k], table) != 0)
		k++;
	if (k == PLACE_TABLES_MAX)
		return;
	p->asked[k] = turn;
	if (k < all)
		return;
	snprintf(p->tables[k], sizeof(p->tables[0]), "%s", table);
	p->nwished++;
}

/* Others look at the same window already, `at`: what they look at may not be moved from under them, but from the next move on these
 * tables go with them, and nobody needs a place for them alone. Not where they are many rows beside few. */
static void place_wish(struct own_place *at, const struct own_place *p, const char *const *tables, size_t n, uint64_t turn)
{
	size_t rows = cursor_rows_held(p->place.end, tables, n) + at->wished_rows;

	if (rows > PLACE_ROWS_FEW && rows > cursor_rows_held(at->place.end, NULL, 0))
		return;
	for (size_t i = 0; i < n; i++)
		place_wish_table(at, tables[i], turn);
	at->wished_rows = rows;
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

static int place_seek(struct own_place *p, uint64_t from_ns, uint64_t to_ns, const struct patience *patience)
{
	const struct segment *a, *b;
	uint64_t last;
	int end, start;

	/* Backwards: what had ended by then is alive again. */
	cursor_keep_since(p->place.end, from_ns);
	cursor_set_patience(p->place.end, patience);
	end = cursor_seek(p->place.end, to_ns, &p->error);
	cursor_set_patience(p->place.end, NULL);
	if (end && end != -EBADMSG)
		return end;
	cursor_set_patience(p->place.start, patience);
	start = cursor_seek(p->place.start, from_ns, end ? NULL : &p->error);
	/* What may follow is a jump: it would be begun again and again. */
	cursor_set_patience(p->place.start, NULL);
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

/* Who looks ahead has it already. */
static bool is_ahead(const struct view *v, const struct own_place *p)
{
	return v->patience && p->ahead == v->aheads;
}

/* Who looks ahead goes on with what he has begun; else he moves the place where these tables were looked at last: it will not be
 * needed there any more. */
static struct own_place *place_ahead(struct view *v, const struct source *source, const char *const *tables, size_t ntables)
{
	struct own_place *best = NULL;

	for (size_t i = 0; i < v->nplaces; i++) {
		struct own_place *p = v->places[i];

		if (!p->place.end || !p->place.start || p->place.source != source || !place_has(p, tables, ntables) ||
		    (is_ahead(v, p) && p->err != -EINTR))
			continue;
		if (p->err == -EINTR)
			return p;
		if (place_is_fit(p, tables, ntables) && (!best || p->stamp > best->stamp))
			best = p;
	}
	return best;
}

/* How far its cursors would have to move on, ns; UINT64_MAX: not onward, all there is would have to be read. */
static uint64_t place_far(const struct own_place *p, uint64_t from_ns, uint64_t to_ns)
{
	if (to_ns < p->place.to_ns || from_ns < p->place.from_ns)
		return UINT64_MAX;
	return to_ns - p->place.to_ns + (from_ns - p->place.from_ns);
}

/* How many places were asked for these tables in this turn. */
static size_t places_asked(const struct view *v, const struct source *source, const char *const *tables, size_t n, uint64_t turn)
{
	size_t count = 0;

	for (size_t i = 0; i < v->nplaces; i++)
		count += v->places[i]->turn == turn && v->places[i]->place.source == source && place_has(v->places[i], tables, n);
	return count;
}

/* May it be moved to this window; `mine`: by who used it last? One that others need again where it would be if it went on with time
 * may not: it would have to be brought back. `many`: who asks has several already; one that asks for one window after the other (of a
 * recording, anywhere) shall not fill the memory with them. */
static bool place_may(const struct own_place *p, uint64_t turn, bool mine, bool many, uint64_t from_ns, uint64_t to_ns)
{
	bool onward = place_far(p, from_ns, to_ns) != UINT64_MAX;

	if (mine && p->shared != turn)
		return onward || many || p->turn != turn;
	if (p->turn == turn)
		return false;
	/* Of a panel that was left. */
	if (turn - p->turn > 1)
		return true;
	return onward && from_ns - p->place.from_ns <= to_ns - p->place.to_ns;
}

void view_expect(struct view *v, const char *const *tables)
{
	v->expected = tables;
}

/* Wishes it what is expected to be asked of it, too. */
static void place_expect(struct view *v, struct own_place *p, const struct source *source, uint64_t to_ns, uint64_t turn)
{
	for (size_t i = 0; v->expected && v->expected[i]; i++)
		if (view_source_of(v, v->expected[i], to_ns) == source)
			place_wish_table(p, v->expected[i], turn);
}

uint64_t view_turn(const struct view *v)
{
	return v->turns;
}

static struct own_place *place_choose(struct view *v, const struct place *last, uint64_t last_generation,
				      const struct source *source, const char *const *tables, size_t ntables, uint64_t from_ns,
				      uint64_t to_ns, const struct own_place *beside)
{
	struct own_place *best = v->patience ? place_ahead(v, source, tables, ntables) : NULL, *oldest = NULL;
	uint64_t best_far = 0, turn = view_turn(v);
	bool many;

	if (best)
		return best;
	many = places_asked(v, source, tables, ntables, turn) >= PLACES_OF_ONE;
	/* One that follows these tables already: moving it on costs what changed, opening one anew costs all there is. */
	for (size_t i = 0; i < v->nplaces; i++) {
		struct own_place *p = v->places[i];
		bool mine = &p->place == last && p->place.generation == last_generation;
		uint64_t far = place_far(p, from_ns, to_ns);

		if (!p->place.end || !p->place.start || p->place.source != source || is_ahead(v, p) ||
		    !place_may(p, turn, mine, many, from_ns, to_ns) || !place_is_fit(p, tables, ntables))
			continue;
		if (!best || far < best_far || (far == best_far && (mine || p->ntables < best->ntables))) {
			best = p;
			best_far = far;
		}
	}
	if (best)
		return best;
	for (size_t i = 0; i < v->nplaces; i++) {
		struct own_place *p = v->places[i];

		if (is_ahead(v, p))
			continue;
		/* Not from under another query of the same draw, nor what is too large for this one alone, nor back and forth between
		 * two windows of one query. */
		if (&p->place == last && p->place.generation == last_generation && p->shared != turn && !place_has(p, tables, ntables) &&
		    (p->turn != turn || p == beside))
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

void view_set_patience(struct view *v, const struct patience *patience)
{
	v->patience = patience;
	if (!patience)
		return;
	v->aheads++;
	/* What is asked for from here on is another draw's; of pieces of one, the first. */
	v->turns += v->asked;
	v->asked = false;
}

double view_gone(const struct view *v)
{
	const struct own_place *p = NULL;

	for (size_t i = 0; i < v->nplaces; i++)
		if (v->places[i]->err == -EINTR && (!p || v->places[i]->stamp > p->stamp))
			p = v->places[i];
	return p ? (cursor_gone(p->place.end, p->ahead_to_ns) + cursor_gone(p->place.start, p->place.from_ns)) / 2 : 1;
}

bool view_place_stands(const struct view *v, const struct place *place, uint64_t generation)
{
	for (size_t i = 0; i < v->nplaces; i++)
		if (&v->places[i]->place == place)
			return place->generation == generation;
	return false;
}

void view_place_used(struct view *v, struct place *place, const char *table)
{
	struct route *route = view_route_of(v, table);

	((struct own_place *)place)->turn = v->turns;
	v->asked = v->asked || !v->patience;
	if (route)
		route->refresh = v->refreshes;
}

static struct late *late_of(const struct view *v, const struct source *source, const char *table)
{
	for (size_t i = 0; i < LATE_MAX; i++)
		if (v->late[i].source == source && !strcmp(v->late[i].table, table))
			return (struct late *)&v->late[i];
	return NULL;
}

void view_note_late(struct view *v, const struct source *source, const char *table, uint64_t from_ns, uint64_t first_ns)
{
	struct late *l = late_of(v, source, table);

	if (!l && !first_ns)
		return;
	if (!l)
		l = &v->late[v->late_next++ % LATE_MAX];
	/* Known of an earlier beginning: that holds, too. */
	if (l->source == source && l->first_ns == first_ns && l->from_ns < from_ns && !strcmp(l->table, table))
		return;
	l->source = first_ns ? source : NULL;
	l->from_ns = from_ns;
	l->first_ns = first_ns;
	snprintf(l->table, sizeof(l->table), "%s", table);
}

uint64_t view_late(const struct view *v, const struct source *source, const char *table, uint64_t from_ns, uint64_t to_ns)
{
	const struct late *l = late_of(v, source, table);

	return l && from_ns >= l->from_ns && from_ns < l->first_ns && l->first_ns < to_ns ? l->first_ns : 0;
}

/* Remembers that a table was asked for which its source does not collect. */
static void note_missing(struct view *v, const char *table, const struct place *place)
{
	struct table_view t;
	size_t i = 0, oldest = 0;

	if (cursor_table(place->end, table, &t) && t.state != CULPRIT_MISSING)
		return;
	for (; i < v->nmissing && strcmp(v->missing[i].table, table) != 0; i++)
		if (v->missing[i].refresh < v->missing[oldest].refresh)
			oldest = i;
	if (i == MISSING_MAX)
		i = oldest;
	else if (i == v->nmissing)
		v->nmissing++;
	snprintf(v->missing[i].table, sizeof(v->missing[i].table), "%s", table);
	v->missing[i].refresh = v->refreshes;
}

const char *view_missing(const struct view *v, size_t i)
{
	for (size_t k = 0; k < v->nmissing; k++)
		if (v->refreshes - v->missing[k].refresh <= MISSING_KEPT && i-- == 0)
			return v->missing[k].table;
	return NULL;
}

int view_place(struct view *v, uint64_t from_ns, uint64_t to_ns, const char *const *tables, size_t ntables,
	       struct place *last, uint64_t last_generation, struct place **ret, struct culprit_error *error)
{
	struct own_place *p = NULL, *beside = NULL;
	uint64_t turn;
	struct source *source;
	struct route *route;
	bool fresh, has, anew;
	int err;

	view_refresh_once(v);
	if (!v->has)
		return view_nothing(v, error);
	if (to_ns > v->last_ns)
		to_ns = v->last_ns;
	if (from_ns > to_ns)
		from_ns = to_ns;
	source = view_source_of(v, tables[0], to_ns);
	route = view_route_of(v, tables[0]);
	turn = view_turn(v);
	if (route)
		route->refresh = v->refreshes;
	for (size_t i = 0; i < v->nplaces && !p; i++) {
		struct own_place *q = v->places[i];

		if (!q->place.end || q->place.source != source || q->place.from_ns != from_ns || q->place.to_ns != to_ns ||
		    (q->err && q->err != -EBADMSG))
			continue;
		if (place_has(q, tables, ntables))
			p = q;
		else if (q->turn == turn)
			beside = q;
	}
	if (p && (&p->place != last || p->place.generation != last_generation))
		p->shared = turn;
	if (!p) {
		p = place_choose(v, last, last_generation, source, tables, ntables, from_ns, to_ns, beside);
		if (!p)
			return error_set(error, -ENOMEM, "out of memory");
		p->place.generation = ++v->place_generations;
		p->keep_most = v->keep_most;
		p->error.sentence[0] = '\0';
		fresh = p->place.source != source || !p->place.end || !p->place.start;
		if (fresh)
			p->ntables = p->nwished = 0;
		has = place_has(p, tables, ntables);
		if (!has)
			place_expect(v, p, source, to_ns, turn);
		err = 0;
		anew = fresh || !(p->err == -EINTR ? has : place_is_fit(p, tables, ntables));
		if (anew)
			err = place_open(p, source, tables, ntables, !has, turn);
		else if (p->nwished && p->err != -EINTR)
			err = place_open(p, source, tables, ntables, true, turn);
		for (int i = 0; !err && i < STALE_TRIES; i++) {
			err = place_seek(p, from_ns, to_ns, v->patience);
			if (err != -ESTALE)
				break;
			err = i + 1 < STALE_TRIES ? 0 : err;
		}
		p->place.from_ns = from_ns;
		p->place.to_ns = to_ns;
		p->err = err;
		if (err && err != -EBADMSG) {
			p->place.to_ns = 0;
			if (!p->error.sentence[0])
				error_set(&p->error, err, "%s", strerror(-err));
		} else if (anew && beside && beside != p) {
			place_wish(beside, p, tables, ntables, turn);
		}
	}
	place_asked(p, tables, ntables, turn);
	p->turn = turn;
	v->asked = v->asked || !v->patience;
	p->stamp = ++v->stamps;
	if (v->patience) {
		p->ahead = v->aheads;
		p->ahead_to_ns = to_ns;
	}
	if (p->err && error)
		*error = p->error;
	if (p->err && p->err != -EBADMSG)
		return p->err;
	if (to_ns == v->last_ns && !route)
		note_missing(v, tables[0], &p->place);
	*ret = &p->place;
	return p->err;
}
