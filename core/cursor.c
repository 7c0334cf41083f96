#include "cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor_internal.h"
#include "error.h"
#include "format.h"

enum {
	ELSEWHERE_MAX = 16, /* segments tried on either side of a damaged one */
	LOST_MAX = 8,	    /* looks at a ring that is overwritten meanwhile */
};

struct cursor {
	struct source *source;
	char **names; /* tables wanted, NULL-terminated; NULL: all */
	struct segment *segment;
	uint64_t seq;
	size_t frame;     /* frames applied of the segment */
	bool valid;       /* the tables hold frame - 1 of the segment */
	uint64_t mono_ns;
	int64_t wall_ns;
	uint64_t keep_since;    /* UINT64_MAX: nothing is kept */
	size_t keep_most;       /* 0: without bound */
	uint64_t complete_from; /* ended rows and events are known from here on */
	uint64_t first_ns, last_ns;
	uint64_t jumped_ns; /* first frame of the segment where it began to read last */
	const struct patience *patience;
	struct schema *schema; /* whose tables these are */
	struct cursor_table **tables; /* those wanted; else NULL */
	uint32_t ntables;
	struct cursor_scratch scratch;
};

struct cursor *cursor_create(struct source *source, const char *const *tables)
{
	struct cursor *c = calloc(1, sizeof(*c));
	size_t n = 0;

	if (!c)
		return NULL;
	c->source = source;
	c->keep_since = UINT64_MAX;
	if (!tables)
		return c;
	while (tables[n])
		n++;
	c->names = calloc(n + 1, sizeof(*c->names));
	for (size_t i = 0; c->names && i < n; i++) {
		c->names[i] = strdup(tables[i]);
		if (!c->names[i])
			n = 0;
	}
	if (!c->names || (tables[0] && !n)) {
		cursor_destroy(c);
		return NULL;
	}
	return c;
}

static void tables_finish(struct cursor *c)
{
	for (uint32_t i = 0; i < c->ntables; i++) {
		if (c->tables[i])
			cursor_table_finish(c->tables[i]);
		free(c->tables[i]);
	}
	free(c->tables);
	schema_unlock(c->schema);
	c->tables = NULL;
	c->ntables = 0;
	c->schema = NULL;
}

void cursor_destroy(struct cursor *c)
{
	if (!c)
		return;
	tables_finish(c);
	segment_unlock(c->segment);
	cursor_scratch_finish(&c->scratch);
	for (size_t i = 0; c->names && c->names[i]; i++)
		free(c->names[i]);
	free(c->names);
	free(c);
}

void cursor_keep_since(struct cursor *c, uint64_t mono_ns)
{
	c->keep_since = mono_ns;
}

void cursor_set_patience(struct cursor *c, const struct patience *patience)
{
	c->patience = patience;
}

double cursor_gone(const struct cursor *c, uint64_t to_ns)
{
	to_ns = to_ns < c->last_ns ? to_ns : c->last_ns;
	if (!c->valid || to_ns <= c->jumped_ns)
		return 0;
	return c->mono_ns >= to_ns ? 1 : (double)(c->mono_ns - c->jumped_ns) / (double)(to_ns - c->jumped_ns);
}

void cursor_keep_most(struct cursor *c, size_t most)
{
	c->keep_most = most;
}

static bool is_wanted(const struct cursor *c, const char *name)
{
	if (!c->names)
		return true;
	for (size_t i = 0; c->names[i]; i++) {
		if (!strcmp(c->names[i], name))
			return true;
	}
	return false;
}

/* Tables for the segment's schema. Ended rows of tables that both schemas have are carried over when the writer only
 * added tables; otherwise they are forgotten. */
static int tables_fit(struct cursor *c)
{
	struct schema *schema = c->segment->schema;
	struct cursor_table **tables;
	bool same = c->schema && c->ntables <= schema->ntables;

	if (!schema)
		return -EBADMSG;
	for (uint32_t i = 0; same && i < c->ntables; i++) {
		const struct schema_table *was = c->schema->tables[i], *is = schema->tables[i];

		same = !strcmp(was->name, is->name) && was->ncolumns == is->ncolumns && was->nhists == is->nhists &&
		       was->ncounters == is->ncounters;
	}
	if (!same)
		tables_finish(c);
	tables = realloc(c->tables, (schema->ntables + 1) * sizeof(struct cursor_table *));
	if (!tables)
		return -ENOMEM;
	c->tables = tables;
	while (c->ntables < schema->ntables)
		tables[c->ntables++] = NULL;
	for (uint32_t i = 0; i < schema->ntables; i++) {
		const struct schema_table *t = schema->tables[i];
		struct cursor_table kept;

		if (!is_wanted(c, t->name))
			continue;
		if (!tables[i] && !(tables[i] = calloc(1, sizeof(*tables[i]))))
			goto no_memory;
		/* Slots of histograms may differ where names are the same. */
		kept = *tables[i];
		cursor_table_init(tables[i], t);
		tables[i]->ended = kept.ended;
		tables[i]->events = kept.events;
		memset(&kept.ended, 0, sizeof(kept.ended));
		memset(&kept.events, 0, sizeof(kept.events));
		cursor_table_finish(&kept);
		if (!tables[i]->count_at)
			goto no_memory;
	}
	/* Kept rows were laid out by the schema of their own segment, which they lock; the columns are the same. */
	schema_lock(schema);
	schema_unlock(c->schema);
	c->schema = schema;
	return 0;
no_memory:
	tables_finish(c);
	return -ENOMEM;
}

static void forget_kept(struct cursor *c)
{
	for (uint32_t i = 0; i < c->ntables; i++) {
		if (!c->tables[i])
			continue;
		cursor_list_finish(&c->tables[i]->ended);
		cursor_list_finish(&c->tables[i]->events);
	}
}

static const struct segment_info *info_at(struct cursor *c, size_t i)
{
	return c->source->ops->segment(c->source, i);
}

/* The newest segment that begins at or before the time; the first one where there is none. */
static size_t segment_index(struct cursor *c, size_t n, uint64_t mono_ns)
{
	size_t low = 0, high = n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (info_at(c, middle)->from_ns <= mono_ns)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int segment_open(struct cursor *c, uint64_t seq, struct culprit_error *error)
{
	if (c->segment && c->seq == seq && c->valid)
		return segment_update(c->segment, c->source, seq, error);
	segment_unlock(c->segment);
	c->valid = false;
	c->frame = 0;
	c->seq = seq;
	c->segment = segment_of(c->source, seq);
	if (!c->segment)
		return -ENOMEM;
	return segment_update(c->segment, c->source, seq, error);
}

static uint64_t kept_at(const struct cursor_kept *k, bool event)
{
	return event ? k->row.began_ns : k->row.ended_ns;
}

static void trim(struct cursor_list *l, uint64_t since, bool events)
{
	while (l->first < l->n && kept_at(l->items[l->first], events) < since)
		cursor_list_drop(l);
	if (l->left_out_ns < since)
		l->left_out = 0;
}

/* A box that makes thousands of processes a second must not fill ours with them. */
static void bound(struct cursor_list *l, size_t most, bool events)
{
	while (most && l->n - l->first > most) {
		l->left_out_ns = kept_at(l->items[l->first], events);
		l->left_out++;
		cursor_list_drop(l);
	}
}

/* Is it enough for now, where something was done? */
static bool is_over(const struct patience *patience, bool done)
{
	return patience && done && patience->over(patience->of);
}

/* Applies the segment's frames up to the time. 0, or -EBADMSG and so on; the cursor stands at the last good frame. `patience`: NULL
 * where it must not stop on the way. */
static int roll(struct cursor *c, uint64_t to_ns, const struct patience *patience, bool *done, struct culprit_error *error)
{
	bool keep = c->keep_since != UINT64_MAX;

	while (c->frame < c->segment->nframes) {
		const struct segment_frame *f = &c->segment->frames[c->frame];
		int e = 0;

		/* A time before everything gives the first frame. */
		if (f->mono_ns > to_ns && (c->frame || c->valid))
			return 0;
		/* Between two segments it would stand nowhere. */
		if (c->valid && is_over(patience, *done))
			return -EINTR;
		if (f->key) {
			e = tables_fit(c);
			for (uint32_t i = 0; !e && i < c->ntables; i++) {
				if (c->tables[i])
					cursor_table_clear(c->tables[i]);
			}
		}
		if (!e) {
			uint64_t before = c->scratch.decoded;

			e = cursor_apply(c->tables, c->ntables, c->segment, f, keep, &c->scratch);
			c->source->decoded += c->scratch.decoded - before;
			/* Frames after it need a hundredth. */
			if (f->key)
				cursor_scratch_finish(&c->scratch);
		}
		if (e) {
			c->valid = false;
			if (e == -EBADMSG)
				error_set(error, e, "frame %zu of segment %llu in %s is damaged; later ones of it are lost",
					  c->frame, (unsigned long long)c->segment->meta.seq, c->source->name);
			if (e == -ESTALE)
				error_set(error, e, "%s: segment %llu was overwritten meanwhile", c->source->name,
					  (unsigned long long)c->segment->shown_seq);
			return e;
		}
		for (uint32_t i = 0; keep && i < c->ntables; i++) {
			if (!c->tables[i])
				continue;
			bound(&c->tables[i]->ended, c->keep_most, false);
			bound(&c->tables[i]->events, c->keep_most, true);
		}
		c->valid = true;
		*done = true;
		c->frame++;
		c->mono_ns = f->mono_ns;
		c->wall_ns = f->wall_ns;
	}
	return 0;
}

static void forget_old(struct cursor *c)
{
	for (uint32_t i = 0; i < c->ntables; i++) {
		if (!c->tables[i])
			continue;
		trim(&c->tables[i]->ended, c->keep_since, false);
		trim(&c->tables[i]->events, c->keep_since, true);
	}
	if (c->complete_from < c->keep_since)
		c->complete_from = c->keep_since;
}

/* Stands on the frame before a damaged one: from the key frame again, one frame less. */
static int stand_before_damage(struct cursor *c)
{
	size_t good = c->frame;
	uint64_t last;
	struct culprit_error ignored;
	bool done = false;

	if (!good)
		return -EBADMSG;
	last = c->segment->frames[good - 1].mono_ns;
	c->frame = 0;
	c->valid = false;
	return roll(c, last, NULL, &done, &ignored) ? -EBADMSG : 0;
}

/* Where a segment holds nothing that can be used: the newest frame of those before it, else the first one of those after
 * it. 0: c->valid says whether there is one. */
static int stand_elsewhere(struct cursor *c, size_t n, size_t target)
{
	struct culprit_error ignored;
	bool done = false;

	for (size_t k = 1; k <= 2 * ELSEWHERE_MAX && !c->valid; k++) {
		bool before = k <= ELSEWHERE_MAX;
		size_t by = before ? k : k - ELSEWHERE_MAX, i = before ? target - by : target + by;
		int r;

		if (before ? by > target : i >= n)
			continue;
		forget_kept(c);
		r = segment_open(c, info_at(c, i)->seq, &ignored);
		if (!r || r == -EBADMSG)
			r = roll(c, before ? UINT64_MAX : 0, NULL, &done, &ignored);
		if (r == -EBADMSG)
			r = stand_before_damage(c);
		if (r && r != -EBADMSG)
			return r;
		c->complete_from = info_at(c, i)->from_ns;
	}
	return 0;
}

/* As cursor_seek(). `ret_lost`: a frame was overwritten before it was applied; the cursor stands nowhere. */
static int seek(struct cursor *c, uint64_t to_ns, bool *ret_lost, struct culprit_error *error)
{
	struct culprit_error damage = {""};
	bool keeps = c->keep_since != UINT64_MAX, damaged = false, done = false;
	int n = c->source->ops->refresh(c->source, error), r;
	size_t target, start, current = 0;
	bool onward;

	if (n < 0)
		return n;
	if (n == 0)
		return error_set(error, -ENODATA, "%s holds no frame yet", c->source->name);
	c->first_ns = info_at(c, 0)->from_ns;
	c->last_ns = info_at(c, (size_t)n - 1)->to_ns;
	target = segment_index(c, (size_t)n, to_ns);

	/* Onward from where it stands, where that is on the way and nothing kept would be missing. */
	onward = c->valid && c->mono_ns <= to_ns;
	if (onward) {
		for (current = 0; current < (size_t)n && info_at(c, current)->seq != c->seq; current++)
			;
		onward = current < (size_t)n && current <= target;
	}
	/* A window that begins before all there is: it stands on the first frame, and stays there. */
	if (c->valid && !keeps && !target && c->frame == 1 && c->seq == info_at(c, 0)->seq && to_ns < c->mono_ns)
		return 0;
	if (onward && keeps && c->complete_from > c->keep_since && info_at(c, 0)->from_ns < c->complete_from)
		onward = false;
	/* What ended on the way is not asked for: it would be decoded, and forgotten. */
	if (onward && keeps && current < segment_index(c, (size_t)n, c->keep_since < to_ns ? c->keep_since : to_ns))
		onward = false;
	if (onward && !keeps && current < target) {
		/* Nothing between is wanted: the target's key frame says it all. */
		onward = false;
	}
	if (onward) {
		start = current;
	} else {
		start = keeps && c->keep_since < to_ns ? segment_index(c, (size_t)n, c->keep_since) : target;
		forget_kept(c);
		c->valid = false;
		segment_unlock(c->segment);
		c->segment = NULL;
		c->complete_from = c->jumped_ns = info_at(c, start)->from_ns;
	}
	for (size_t i = start; i <= target; i++) {
		uint64_t seq = info_at(c, i)->seq;

		if (c->valid && is_over(c->patience, done))
			return -EINTR;
		r = segment_open(c, seq, &damage);
		if (r == -ESTALE && i < target && i == start && !onward) {
			/* The oldest was just overwritten: the next one is the oldest now. */
			start = i + 1;
			continue;
		}
		if (r && r != -EBADMSG) {
			c->valid = false;
			if (error)
				*error = damage;
			return r;
		}
		damaged |= r == -EBADMSG;
		r = roll(c, i == target ? to_ns : UINT64_MAX, c->patience, &done, &damage);
		if (r == -EBADMSG) {
			damaged = true;
			r = stand_before_damage(c);
			if (r == -EBADMSG && i < target)
				continue; /* nothing of it can be used */
		}
		if (r && r != -EBADMSG) {
			*ret_lost = r == -ESTALE;
			if (error)
				*error = damage;
			return r;
		}
	}
	if (!c->valid && damaged) {
		r = stand_elsewhere(c, (size_t)n, target);
		if (r)
			return error_set(error, r, "%s", damage.sentence);
	}
	if (!c->valid)
		return error_set(error, damaged ? -EBADMSG : -ENODATA, "%s",
				 damaged ? damage.sentence : "no frame can be read there");
	forget_old(c);
	if (damaged)
		return error_set(error, -EBADMSG, "%s", damage.sentence);
	return 0;
}

int cursor_seek(struct cursor *c, uint64_t to_ns, struct culprit_error *error)
{
	bool lost = false;
	int r = seek(c, to_ns, &lost, error);

	/* What was overwritten on the way is no longer part of what there is: the next look begins after it. */
	for (int i = 0; lost && i < LOST_MAX; i++) {
		lost = false;
		r = seek(c, to_ns, &lost, error);
	}
	return r;
}

size_t cursor_rows_held(const struct cursor *c, const char *const *tables, size_t n)
{
	size_t rows = 0;

	for (uint32_t i = 0; i < c->ntables; i++) {
		const struct cursor_table *t = c->tables[i];
		bool counts = t && !tables;

		for (size_t k = 0; t && tables && k < n && !counts; k++)
			counts = !strcmp(tables[k], t->schema->name);
		if (counts)
			rows += t->nslots + t->ended.n - t->ended.first + t->events.n - t->events.first;
	}
	return rows;
}

uint64_t cursor_mono_ns(const struct cursor *c)
{
	return c->valid ? c->mono_ns : 0;
}

int64_t cursor_wall_ns(const struct cursor *c)
{
	return c->valid ? c->wall_ns : 0;
}

struct segment *cursor_segment(struct cursor *c)
{
	return c->segment;
}

void cursor_extent(const struct cursor *c, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
	*ret_from_ns = c->first_ns;
	*ret_to_ns = c->last_ns;
}

static struct cursor_table *table_of(const struct cursor *c, const struct schema_table *schema)
{
	struct cursor_table *t = c->valid && schema->id < c->ntables ? c->tables[schema->id] : NULL;

	return t && t->schema == schema ? t : NULL;
}

bool cursor_table(const struct cursor *c, const char *name, struct table_view *v)
{
	const struct schema_table *schema = c->valid ? schema_find(c->schema, name) : NULL;
	const struct cursor_table *t = schema ? table_of(c, schema) : NULL;

	memset(v, 0, sizeof(*v));
	if (!t)
		return false;
	v->schema = schema;
	v->sample_ns = t->sample_ns;
	v->attempt_ns = t->attempt_ns;
	v->state = t->state;
	v->reason = t->reason;
	v->lost = t->lost;
	v->cost_ns = t->cost_ns;
	v->thinning = t->thinning;
	v->nrows = t->nslots;
	return true;
}

static const struct row *row_fill(const struct cursor *c, const struct cursor_table *t, size_t slot, struct row *row)
{
	const struct cursor_slot *s = &t->slots[slot];
	uint32_t at = (uint32_t)slot;

	*row = (struct row){
		.serial = grid_get(&t->grid, at, t->columns.serial),
		.born = s->flags & FORMAT_ROW_BORN,
		.folds = s->flags & FORMAT_ROW_FOLD,
		.dropped = s->flags & FORMAT_ROW_DROPS,
		.stale = s->stale,
		.based = s->based,
		.states = cursor_states(t, at),
		.segment = c->segment,
		.slot = at,
		.sample_ns = t->sample_ns,
		.grid = &t->grid,
		.columns = &t->columns,
	};
	/* What was there in the table's first sample was there before. */
	if (row->born || s->based & 1) {
		row->began_ns = grid_get(&t->grid, at, t->columns.began);
		row->since_ns = row->began_ns ? grid_get(&t->grid, at, t->columns.since) : 0;
	}
	return row;
}

const struct row *cursor_row(const struct cursor *c, const struct schema_table *schema, size_t slot, struct row *memory)
{
	struct cursor_table *t = table_of(c, schema);

	return t && slot < t->nslots && t->slots[slot].live ? row_fill(c, t, slot, memory) : NULL;
}

const struct row *cursor_row_serial(const struct cursor *c, const struct schema_table *schema, size_t slot,
				    uint64_t serial, struct row *memory)
{
	struct cursor_table *t = table_of(c, schema);

	if (!t || slot >= t->nslots || !t->slots[slot].live ||
	    grid_get(&t->grid, (uint32_t)slot, t->columns.serial) != serial)
		return NULL;
	return row_fill(c, t, slot, memory);
}

/* Of those that are packed: see cursor_keep_ended(). */
static uint64_t packed_number(const uint64_t *packed, uint32_t ncolumns, uint32_t column)
{
	uint64_t bit = (uint64_t)1 << column % 64, below = bit - 1;
	uint32_t word = column / 64, masks = (ncolumns + 63) / 64;
	const uint64_t *wide = packed + masks;
	const uint32_t *numbers = (const uint32_t *)(const void *)(wide + masks);
	unsigned at = 0;

	if (!(packed[word] & bit))
		return 0;
	for (uint32_t i = 0; i < word; i++)
		at += (unsigned)(__builtin_popcountll(packed[i]) + __builtin_popcountll(wide[i]));
	at += (unsigned)(__builtin_popcountll(packed[word] & below) + __builtin_popcountll(wide[word] & below));
	return wide[word] & bit ? numbers[at] | (uint64_t)numbers[at + 1] << 32 : numbers[at];
}

static uint64_t number(const struct row *row, uint32_t column)
{
	if (row->packed)
		return packed_number(row->packed, row->columns->n, column);
	return row->numbers ? row->numbers[column] : grid_get(row->grid, row->slot, column);
}

uint64_t row_cell(const struct row *row, uint32_t column)
{
	return row->states[column] == FORMAT_CELL_ABSENT ? 0 : number(row, column);
}

/* Counters and groups may be those of another segment's schema: what this one doesn't have, it doesn't have. */
uint64_t row_drop(const struct row *row, uint32_t counter)
{
	if (!row->dropped || counter >= row->columns->serial - row->columns->drop)
		return 0;
	return number(row, row->columns->drop + counter);
}

uint64_t row_base(const struct row *row, uint32_t counter)
{
	if (!row->based || counter >= row->columns->drop - row->columns->base)
		return 0;
	return number(row, row->columns->base + counter);
}

uint64_t row_based_ns(const struct row *row, uint32_t group)
{
	if (!(row->based >> group & 1) || group >= row->columns->n - row->columns->based)
		return 0;
	return number(row, row->columns->based + group);
}

uint64_t row_read_ns(const struct row *row, uint32_t group)
{
	if (!group || !(row->stale >> group & 1) || group >= row->columns->based - row->columns->read)
		return row->sample_ns;
	return number(row, row->columns->read + group);
}

/* An ended row keeps its counts itself; a live one is in the table. */
static const struct cursor_kept *kept_of(const struct row *row)
{
	return row->ended_ns ? (const struct cursor_kept *)((const char *)row - offsetof(struct cursor_kept, row)) : NULL;
}

static const uint64_t *counts_of(const struct cursor *c, const struct schema_table *schema, const struct row *row,
				 uint32_t column, bool base)
{
	struct cursor_table *t = table_of(c, schema);
	const struct cursor_kept *k;
	const uint64_t *kept, *next;
	const struct grid *g;
	uint64_t *to;
	uint32_t at, n;

	if (!t || !t->hists || column >= schema->ncolumns || schema->columns[column].role != CULPRIT_HISTOGRAM ||
	    row->states[column] != FORMAT_CELL_OK)
		return NULL;
	if (base && !(row->based >> schema->columns[column].group & 1))
		return NULL;
	at = t->count_at[schema->columns[column].hist];
	n = schema->columns[column].bounds.count;
	to = t->hists->shown + (base ? t->ncounts : 0) + at;
	k = kept_of(row);
	if (k) {
		/* Slots of histograms may differ from those of the segment in which it ended. */
		if (!(base ? k->base_counts : k->counts) || k->ncounts != t->ncounts)
			return NULL;
		kept = k->memory + (base ? k->base_counts : k->counts);
		next = kept + (t->ncounts + 63) / 64;
		for (uint32_t i = 0; i < at + n; i++) {
			uint64_t number = kept[i / 64] >> i % 64 & 1 ? *next++ : 0;

			if (i >= at)
				to[i - at] = number;
		}
		return to;
	}
	g = base ? &t->hists->base : &t->hists->now;
	if (row->slot >= t->nslots || row->slot >= g->nrows)
		return NULL;
	grid_get_many(g, row->slot, at, n, to);
	return to;
}

const uint64_t *cursor_histogram(const struct cursor *c, const struct schema_table *schema, const struct row *row,
				 uint32_t column)
{
	return counts_of(c, schema, row, column, false);
}

const uint64_t *cursor_histogram_base(const struct cursor *c, const struct schema_table *schema, const struct row *row,
				      uint32_t column)
{
	return counts_of(c, schema, row, column, true);
}

size_t cursor_nended(const struct cursor *c, const struct schema_table *schema)
{
	const struct cursor_table *t = table_of(c, schema);

	return t ? t->ended.n - t->ended.first : 0;
}

uint64_t cursor_left_out(const struct cursor *c, const struct schema_table *schema)
{
	const struct cursor_table *t = table_of(c, schema);

	return t ? t->ended.left_out + t->events.left_out : 0;
}

const struct row *cursor_ended(const struct cursor *c, const struct schema_table *schema, size_t i, size_t *ret_slot)
{
	const struct cursor_table *t = table_of(c, schema);
	const struct cursor_kept *k;

	if (!t || i >= t->ended.n - t->ended.first)
		return NULL;
	k = t->ended.items[t->ended.first + i];
	if (ret_slot)
		*ret_slot = k->row.slot;
	return &k->row;
}

size_t cursor_nevents(const struct cursor *c, const struct schema_table *schema)
{
	const struct cursor_table *t = table_of(c, schema);

	return t ? t->events.n - t->events.first : 0;
}

const struct row *cursor_event(const struct cursor *c, const struct schema_table *schema, size_t i)
{
	const struct cursor_table *t = table_of(c, schema);

	return t && i < t->events.n - t->events.first ? &t->events.items[t->events.first + i]->row : NULL;
}
