#include "summarizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cellcode.h"
#include "format.h"
#include "summary.h"

enum { EXTREME_BYTES = 32 }; /* of one, encoded, at most but for serials beyond 2^49 */

/* Extremes of one column of a row, made when it moves for the first time in the segment: those of a slot are chained by
 * column. */
struct extreme {
	uint64_t serial;
	double min, max;
	uint32_t next; /* + 1; of an unused one: the next of those */
	uint32_t column;
};

/* A series in the making: values are appended as bytes already, as the format has them. */
struct series {
	uint64_t serial, before;
	uint32_t slot, column, first, n;
	bool whole; /* all values were ok */
	struct wbuf states, values;
};

struct gathered {
	uint32_t ncolumns; /* those with series */
	uint32_t *columns;
	struct extreme *extremes;
	uint32_t nextremes, extremes_cap, unused;
	uint32_t *first;             /* [slot] -> its first one + 1 */
	uint32_t *series_at;         /* [slot][ncolumns] -> index + 1; of small tables */
	size_t nslots, series_slots;
	struct wbuf done;            /* extremes of rows whose slot was taken by another, encoded */
	size_t ndone;
	struct series *series;
	size_t nseries, series_cap;
	bool small;
	uint64_t *times;
	size_t ntimes, times_cap;
	uint64_t ended, events, lost;
};

struct summarizer {
	struct gathered *tables;
	uint32_t ntables;
	struct wbuf body;
};

struct summarizer *summarizer_create(void)
{
	return calloc(1, sizeof(struct summarizer));
}

static void gathered_finish(struct gathered *g)
{
	for (size_t i = 0; i < g->series_cap; i++) {
		wbuf_finish(&g->series[i].states);
		wbuf_finish(&g->series[i].values);
	}
	free(g->series);
	free(g->columns);
	free(g->first);
	free(g->extremes);
	free(g->series_at);
	free(g->times);
	wbuf_finish(&g->done);
}

void summarizer_destroy(struct summarizer *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->ntables; i++)
		gathered_finish(&s->tables[i]);
	free(s->tables);
	wbuf_finish(&s->body);
	free(s);
}

void summarizer_begin(struct summarizer *s)
{
	for (uint32_t i = 0; i < s->ntables; i++) {
		struct gathered *g = &s->tables[i];

		if (g->first)
			memset(g->first, 0, g->nslots * sizeof(*g->first));
		g->nextremes = g->unused = 0;
		if (g->series_at)
			memset(g->series_at, 0, g->series_slots * g->ncolumns * sizeof(*g->series_at));
		wbuf_clear(&g->done);
		g->ndone = g->nseries = g->ntimes = 0;
		g->ended = g->events = g->lost = 0;
		g->small = true;
	}
}

static void put_f64(struct wbuf *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	wbuf_varint(w, __builtin_bswap64(bits));
}

static int table_prepare(struct gathered *g, const struct schema_table *t)
{
	g->columns = calloc(t->ncolumns, sizeof(*g->columns));
	if (!g->columns)
		return -ENOMEM;
	for (uint32_t c = 0; c < t->ncolumns; c++) {
		if (summary_has_series(&t->columns[c]))
			g->columns[g->ncolumns++] = c;
	}
	g->small = true;
	return 0;
}

static int reserve_tables(struct summarizer *s, uint32_t n)
{
	struct gathered *tables;

	if (n <= s->ntables)
		return 0;
	tables = realloc(s->tables, n * sizeof(*tables));
	if (!tables)
		return -ENOMEM;
	memset(tables + s->ntables, 0, (n - s->ntables) * sizeof(*tables));
	s->tables = tables;
	s->ntables = n;
	return 0;
}

static bool grow(void *array, size_t old, size_t n, size_t width)
{
	void **p = array;
	char *q = realloc(*p, n * width + 1);

	if (!q)
		return false;
	memset(q + old * width, 0, (n - old) * width);
	*p = q;
	return true;
}

static int reserve_slots(struct gathered *g, size_t n)
{
	if (g->small && n <= SUMMARY_SERIES_ROWS && n > g->series_slots) {
		if (!grow(&g->series_at, g->series_slots, n, g->ncolumns * sizeof(*g->series_at)))
			return -ENOMEM;
		g->series_slots = n;
	}
	if (n <= g->nslots)
		return 0;
	if (!grow(&g->first, g->nslots, n, sizeof(*g->first)))
		return -ENOMEM;
	g->nslots = n;
	/* Room for all of a small table at once; large ones grow to what they need. */
	if (n <= SUMMARY_SERIES_ROWS)
		wbuf_reserve(&g->done, n * g->ncolumns * EXTREME_BYTES / 2);
	return g->done.err;
}

/* Only what moved is told. */
static void extremes_flush(struct gathered *g, uint32_t slot)
{
	uint32_t at = g->first[slot];

	g->first[slot] = 0;
	while (at) {
		struct extreme *e = &g->extremes[at - 1];
		uint32_t next = e->next;

		if (e->min != e->max) {
			wbuf_varint(&g->done, slot);
			wbuf_varint(&g->done, e->column);
			wbuf_varint(&g->done, e->serial);
			put_f64(&g->done, e->min);
			put_f64(&g->done, e->max);
			g->ndone++;
		}
		e->next = g->unused;
		g->unused = at;
		at = next;
	}
}

static struct extreme *extreme_new(struct gathered *g, uint32_t *ret_number)
{
	if (g->unused) {
		*ret_number = g->unused;
		g->unused = g->extremes[g->unused - 1].next;
		return &g->extremes[*ret_number - 1];
	}
	if (g->nextremes == g->extremes_cap) {
		uint32_t cap = g->extremes_cap ? g->extremes_cap + g->extremes_cap / 2 : 64;
		struct extreme *extremes = realloc(g->extremes, cap * sizeof(*extremes));

		if (!extremes)
			return NULL;
		g->extremes = extremes;
		g->extremes_cap = cap;
	}
	*ret_number = ++g->nextremes;
	return &g->extremes[*ret_number - 1];
}

/* A column moved: from a value, where it had one, to another, where it has one. */
static int extreme_note(struct gathered *g, uint32_t slot, uint32_t column, uint64_t serial, const double *from,
			const double *to)
{
	uint32_t at = g->first[slot], before = 0, number;
	struct extreme *e;

	if (at && g->extremes[at - 1].serial != serial) {
		extremes_flush(g, slot);
		at = 0;
	}
	for (; at && g->extremes[at - 1].column < column; at = g->extremes[at - 1].next)
		before = at;
	e = at && g->extremes[at - 1].column == column ? &g->extremes[at - 1] : NULL;
	if (!e && !from)
		return 0; /* its first value: it is what it will have moved from */
	if (!e) {
		e = extreme_new(g, &number);
		if (!e)
			return -ENOMEM;
		*e = (struct extreme){serial, *from, *from, at, column};
		*(before ? &g->extremes[before - 1].next : &g->first[slot]) = number;
	}
	if (to) {
		e->min = *to < e->min ? *to : e->min;
		e->max = *to > e->max ? *to : e->max;
	}
	return 0;
}

static struct series *series_new(struct gathered *g)
{
	if (g->nseries == g->series_cap) {
		size_t cap = g->series_cap ? g->series_cap * 2 : 16;
		struct series *series = realloc(g->series, cap * sizeof(*series));

		if (!series)
			return NULL;
		memset(series + g->series_cap, 0, (cap - g->series_cap) * sizeof(*series));
		g->series = series;
		g->series_cap = cap;
	}
	return &g->series[g->nseries++];
}

/* Room that doubles: so that a segment's last hundred ticks take none. */
static void series_reserve(struct wbuf *w)
{
	if (w->cap - w->len < 10)
		wbuf_reserve(w, w->len + 32);
}

static int series_note(struct gathered *g, const struct mirror *m, uint32_t slot, uint32_t number, uint32_t k)
{
	uint32_t *at = &g->series_at[(size_t)number * g->ncolumns + k], column = g->columns[k];
	uint32_t now = (uint32_t)g->ntimes - 1;
	struct series *s = *at ? &g->series[*at - 1] : NULL;
	uint64_t cell = mirror_cell(m, slot, column), serial = mirror_number(m, slot, m->columns.serial);
	uint8_t state = mirror_states(m, slot)[column];

	if (!s || s->serial != serial) {
		s = series_new(g);
		if (!s)
			return -ENOMEM;
		*at = (uint32_t)g->nseries;
		s->serial = serial;
		s->slot = number;
		s->column = column;
		s->first = now;
		s->n = 0;
		s->before = 0;
		s->whole = true;
		wbuf_clear(&s->states);
		wbuf_clear(&s->values);
	}
	if (now - s->first != s->n)
		return 0; /* it was not there for a while: the series ends there */
	series_reserve(&s->values);
	/* States are kept from the first that is not ok. */
	if (s->whole && state != FORMAT_CELL_OK) {
		s->whole = false;
		for (uint32_t i = 0; i < s->n; i++)
			wbuf_u8(&s->states, FORMAT_CELL_OK);
	}
	if (!s->whole) {
		series_reserve(&s->states);
		wbuf_u8(&s->states, state);
	}
	cell_put_after(&s->values, &m->schema->columns[column], s->before, cell);
	s->before = cell;
	s->n++;
	return s->states.err ? s->states.err : s->values.err;
}

static int time_note(struct gathered *g, uint64_t sample_ns)
{
	if (g->ntimes == g->times_cap) {
		size_t cap = g->times_cap ? g->times_cap * 2 : 64;
		uint64_t *times = realloc(g->times, cap * sizeof(*times));

		if (!times)
			return -ENOMEM;
		g->times = times;
		g->times_cap = cap;
	}
	g->times[g->ntimes++] = sample_ns;
	return 0;
}

/* What readers know by the number. */
static int slot_note(struct gathered *g, const struct mirror *m, uint32_t i, uint32_t number, bool key)
{
	const struct slot *s = &m->slots[i];
	bool moved = !key && !(s->flags & (SLOT_NEW | SLOT_SHOW));

	for (const struct mirror_change *k = moved ? mirror_change(m, s->first) : NULL; k; k = mirror_change(m, k->next)) {
		const struct schema_column *column = &m->schema->columns[k->column];
		bool was_ok = mirror_sealed_states(m, i)[k->column] == FORMAT_CELL_OK;
		bool is_ok = mirror_states(m, i)[k->column] == FORMAT_CELL_OK;
		double from, to;

		if (!summary_has_extremes(column))
			continue;
		from = was_ok ? schema_number(column, k->sealed) : 0;
		to = is_ok ? schema_number(column, mirror_number(m, i, k->column)) : 0;
		if (extreme_note(g, number, k->column, mirror_number(m, i, m->columns.serial), was_ok ? &from : NULL,
				 is_ok ? &to : NULL))
			return -ENOMEM;
	}
	/* A row that ends in this frame is not in it any more. */
	for (uint32_t k = 0; g->small && !(s->flags & SLOT_GONE) && k < g->ncolumns; k++) {
		if (series_note(g, m, i, number, k))
			return -ENOMEM;
	}
	return 0;
}

int summarizer_note(struct summarizer *s, uint32_t table, const struct mirror *m, bool key)
{
	struct gathered *g;
	uint32_t shown = 0, n;

	if (reserve_tables(s, table + 1))
		return -ENOMEM;
	g = &s->tables[table];
	if (!g->columns && table_prepare(g, m->schema))
		return -ENOMEM;
	g->events += m->nevents;
	g->lost += m->lost;
	if (m->schema->kind != CULPRIT_STATE || !m->sample_ns || !(m->sampled || key))
		return 0;
	n = mirror_numbers(m);
	for (uint32_t i = 0; i < n; i++)
		shown += mirror_written(m, i) != UINT32_MAX && slot_is_shown(&m->slots[mirror_written(m, i)]);
	/* Slots, not only rows: the memory is by slot. */
	if (shown > SUMMARY_SERIES_ROWS || n > SUMMARY_SERIES_ROWS) {
		g->small = false;
		g->nseries = 0;
	}
	if (reserve_slots(g, n) || time_note(g, m->sample_ns))
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = mirror_written(m, i);
		const struct slot *slot = at == UINT32_MAX ? NULL : &m->slots[at];

		if (!slot)
			continue;
		if ((slot_is_shown(slot) && slot->flags & SLOT_GONE) || slot->flags & SLOT_HIDE)
			g->ended++;
		if (slot_is_shown(slot) && slot_note(g, m, at, i, key))
			return -ENOMEM;
	}
	return g->done.err;
}

static void put_series(struct wbuf *w, const struct series *s)
{
	wbuf_varint(w, s->slot);
	wbuf_varint(w, s->column);
	wbuf_varint(w, s->serial);
	wbuf_varint(w, s->first);
	wbuf_varint(w, s->n);
	wbuf_u8(w, s->whole);
	if (!s->whole)
		wbuf_bytes(w, s->states.data, s->states.len);
	wbuf_bytes(w, s->values.data, s->values.len);
}

static void put_table(struct gathered *g, struct wbuf *w)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < g->nslots; i++)
		extremes_flush(g, i);
	wbuf_varint(w, g->ended);
	wbuf_varint(w, g->events);
	wbuf_varint(w, g->ntimes);
	for (size_t i = 0; i < g->ntimes; i++) {
		wbuf_zigzag(w, (int64_t)(g->times[i] - before));
		before = g->times[i];
	}
	wbuf_varint(w, g->ndone);
	wbuf_bytes(w, g->done.data, g->done.len);
	wbuf_varint(w, g->nseries);
	for (size_t i = 0; i < g->nseries; i++)
		put_series(w, &g->series[i]);
}

/* Of those that lost something. Behind the tables: who reads one of them does not read the others. */
static void put_lost(const struct summarizer *s, uint32_t ntables, struct wbuf *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ntables; i++)
		n += s->tables[i].lost > 0;
	wbuf_varint(w, n);
	for (uint32_t i = 0; i < ntables; i++) {
		if (!s->tables[i].lost)
			continue;
		wbuf_varint(w, i);
		wbuf_varint(w, s->tables[i].lost);
	}
}

void summarizer_encode(struct summarizer *s, uint32_t ntables, struct wbuf *w)
{
	if (reserve_tables(s, ntables)) {
		w->err = -ENOMEM;
		return;
	}
	wbuf_varint(w, ntables);
	for (uint32_t i = 0; i < ntables; i++) {
		wbuf_clear(&s->body);
		put_table(&s->tables[i], &s->body);
		wbuf_string(w, s->body.data, s->body.len);
		if (s->body.err)
			w->err = s->body.err;
	}
	put_lost(s, ntables, w);
	wbuf_give_back(&s->body);
}

size_t summarizer_memory(const struct summarizer *s)
{
	size_t n = sizeof(*s) + s->body.cap;

	for (uint32_t i = 0; i < s->ntables; i++) {
		const struct gathered *g = &s->tables[i];

		n += sizeof(*g) + g->nslots * 4 + g->extremes_cap * sizeof(*g->extremes) + g->done.cap + g->times_cap * 8;
		for (size_t k = 0; k < g->series_cap; k++)
			n += sizeof(g->series[k]) + g->series[k].states.cap + g->series[k].values.cap;
	}
	return n;
}
