#include "grid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHIFT_SMALL = 4,  /* tables of a few rows: a column that differs shouldn't take the room of a hundred */
	SHIFT_MIDDLE = 6,
	SHIFT_LARGE = 7,  /* what a block says of its columns is shared by so many rows */
	BLOCK_MAX = 1 << SHIFT_LARGE,
	CODES = 5,
	PIECES_SPARE = 1024, /* units; of fewer none are given back */
};

static const uint64_t offset_max[CODES] = {0, UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX};

void grid_init(struct grid *g, uint32_t ncolumns, uint32_t shared)
{
	memset(g, 0, sizeof(*g));
	g->ncolumns = ncolumns;
	g->shared = shared;
	g->shift = SHIFT_SMALL;
}

void grid_finish(struct grid *g)
{
	free(g->used);
	free(g->runs);
	free(g->pieces);
	memset(g, 0, sizeof(*g));
}

size_t grid_memory(const struct grid *g)
{
	return (size_t)(g->nrows >> g->shift) * g->ncolumns * sizeof(*g->runs) + ((size_t)g->pieces_cap << g->shift) +
	       g->nrows / 8;
}

/* That of offsets which take as much room. */
static uint32_t size_code(uint32_t code)
{
	return code < GRID_FEW ? code : code - GRID_FEW + 2;
}

static uint32_t units(uint32_t code)
{
	code = size_code(code);
	return code ? 1u << (code - 1) : 0;
}

static uint8_t *piece(const struct grid *g, uint32_t at)
{
	/* Before there is any, only runs of one value ask, which look at none. */
	return g->pieces ? g->pieces + ((size_t)at << g->shift) : NULL;
}

static void piece_free(struct grid *g, uint32_t at, uint32_t code)
{
	if (!code)
		return;
	code = size_code(code);
	memcpy(piece(g, at), &g->free[code], sizeof(g->free[code]));
	g->free[code] = at + 1;
}

static int piece_take(struct grid *g, uint32_t code, uint32_t *ret_at)
{
	uint32_t n = units(code);

	code = size_code(code);
	if (g->free[code]) {
		*ret_at = g->free[code] - 1;
		memcpy(&g->free[code], piece(g, *ret_at), sizeof(g->free[code]));
		return 0;
	}
	if (g->npieces + n > g->pieces_cap) {
		uint32_t cap = g->pieces_cap + g->pieces_cap / 8 + 32;
		uint8_t *pieces = cap > g->pieces_cap ? realloc(g->pieces, (size_t)cap << g->shift) : NULL;

		if (!pieces)
			return -ENOMEM;
		g->pieces = pieces;
		g->pieces_cap = cap;
	}
	*ret_at = g->npieces;
	g->npieces += n;
	return 0;
}

static void offset_put(uint8_t *p, uint32_t code, uint32_t i, uint64_t offset)
{
	switch (code) {
	case 1:
		p[i] = (uint8_t)offset;
		break;
	case 2:
		((uint16_t *)(void *)p)[i] = (uint16_t)offset;
		break;
	case 3:
		((uint32_t *)(void *)p)[i] = (uint32_t)offset;
		break;
	case 4:
		((uint64_t *)(void *)p)[i] = offset;
		break;
	}
}

/* All n values of a run, and back: one loop a width. */
static void values_get(const struct grid *g, const struct grid_run *run, uint32_t n, uint64_t *values)
{
	const uint8_t *p = piece(g, run->at);

	for (uint32_t i = 0; run->code != 1 && i < n; i++)
		values[i] = run->base + grid_offset(p, g->shift, run->code, i);
	for (uint32_t i = 0; run->code == 1 && i < n; i++)
		values[i] = run->base + p[i];
}

static void offsets_put(uint8_t *p, uint32_t code, uint32_t n, const uint64_t *values, uint64_t base)
{
	switch (code) {
	case 1:
		for (uint32_t i = 0; i < n; i++)
			p[i] = (uint8_t)(values[i] - base);
		break;
	case 2:
		for (uint32_t i = 0; i < n; i++)
			((uint16_t *)(void *)p)[i] = (uint16_t)(values[i] - base);
		break;
	case 3:
		for (uint32_t i = 0; i < n; i++)
			((uint32_t *)(void *)p)[i] = (uint32_t)(values[i] - base);
		break;
	case 4:
		for (uint32_t i = 0; i < n; i++)
			((uint64_t *)(void *)p)[i] = values[i] - base;
		break;
	}
}

static bool is_used(const struct grid *g, uint32_t row)
{
	return g->used[row / 64] >> (row % 64) & 1;
}

/* Those of the block that begins with this row. */
static void rows_used(const struct grid *g, uint32_t first, uint64_t *rows)
{
	uint32_t n = 1u << g->shift;

	rows[0] = g->used[first / 64] >> first % 64;
	if (n < 64)
		rows[0] &= ((uint64_t)1 << n) - 1;
	if (n > 64)
		rows[1] = g->used[first / 64 + 1];
}

/* Values that there is room for behind the bytes. */
static uint32_t few_most(const struct grid *g, uint32_t code)
{
	return ((units(code) - 1) << g->shift) / (uint32_t)sizeof(uint64_t);
}

static uint64_t *few_values(const struct grid *g, uint8_t *p)
{
	return (uint64_t *)(void *)(p + ((size_t)1 << g->shift));
}

/* Finds the value among those of the run, or adds it. False: there is no room. */
static bool few_put(const struct grid *g, struct grid_run *run, uint32_t i, uint64_t value)
{
	uint8_t *p = piece(g, run->at);
	uint64_t *values = few_values(g, p);
	uint32_t k = run->few;

	/* Mostly it is that of the row before. */
	while (k && values[k - 1] != value)
		k--;
	if (!k && run->few == few_most(g, run->code))
		return false;
	if (!k) {
		values[run->few] = value;
		k = ++run->few;
	}
	p[i] = (uint8_t)(k - 1);
	return true;
}

/* The code of few values that these, of the rows in `rows` (of this block), can have with a quarter of room left; `code` where that takes no
 * more. */
static uint32_t few_code(const struct grid *g, uint32_t code, const uint64_t *values, const uint64_t *rows)
{
	uint32_t most = few_most(g, code > 3 ? GRID_FEW_WIDE : GRID_FEW), n = 0;
	uint64_t seen[BLOCK_MAX];

	if (code < 3)
		return code;
	most -= most / 4;
	for (uint32_t i = 0; i < 1u << g->shift; i++) {
		uint32_t k = n;

		if (!(rows[i / 64] >> i % 64 & 1))
			continue;
		while (k && seen[k - 1] != values[i])
			k--;
		if (k)
			continue;
		if (n == most)
			return code;
		seen[n++] = values[i];
	}
	most = few_most(g, GRID_FEW);
	return n <= most - most / 4 ? GRID_FEW : GRID_FEW_WIDE;
}

/* Writes the run anew, as narrow as its used rows and, where `row` is one, `value` in that row allow. Compared as signed
 * numbers: small negative ones and "no limit" stand near 0. `slack`: with room for a quarter more, so that counters don't
 * come here at every step. */
static int run_fit(struct grid *g, struct grid_run *run, uint32_t first, uint32_t row, uint64_t value, bool slack)
{
	uint64_t values[BLOCK_MAX], rows[BLOCK_MAX / 64], range = 0;
	uint32_t n = 1u << g->shift, at = run->at, code = 0;
	int64_t low = INT64_MAX, high = INT64_MIN;
	bool any;

	values_get(g, run, n, values);
	rows_used(g, first, rows);
	if (row != UINT32_MAX) {
		values[row - first] = value;
		rows[(row - first) / 64] |= (uint64_t)1 << (row - first) % 64;
	}
	for (uint32_t w = 0; w <= (n - 1) / 64; w++) {
		for (uint64_t left = rows[w]; left; left &= left - 1) {
			int64_t v = (int64_t)values[w * 64 + (uint32_t)__builtin_ctzll(left)];

			low = low < v ? low : v;
			high = high > v ? high : v;
		}
	}
	any = low <= high;
	if (!any)
		low = high = 0;
	range = (uint64_t)high - (uint64_t)low;
	if (slack && range && range < UINT64_MAX / 4) {
		/* Below, where it came from below: as rows are read, the first is not the least. */
		if (row != UINT32_MAX && (int64_t)value == low && low >= INT64_MIN + (int64_t)(range / 4))
			low -= (int64_t)(range / 4);
		range += range / 4;
	}
	while (range > offset_max[code])
		code++;
	if ((uint32_t)(run - g->runs) % g->ncolumns >= g->shared)
		code = few_code(g, code, values, rows);
	if (code != run->code) {
		if (code && piece_take(g, code, &at))
			return -ENOMEM;
		piece_free(g, run->at, run->code);
	}
	*run = (struct grid_run){.base = code < GRID_FEW ? (uint64_t)low : 0, .code = (uint16_t)code, .at = code ? at : 0, .few = any && code < GRID_FEW};
	if (code >= GRID_FEW) {
		memset(piece(g, at), 0, n);
		for (uint32_t i = 0; i < n; i++) {
			if (rows[i / 64] >> i % 64 & 1)
				few_put(g, run, i, values[i]);
		}
		return 0;
	}
	for (uint32_t i = 0; code && i < n; i++)
		values[i] = rows[i / 64] >> i % 64 & 1 ? values[i] : run->base;
	offsets_put(code ? piece(g, at) : NULL, code, n, values, run->base);
	return 0;
}

/* What its run does not hold as an offset yet. */
static int set_otherwise(struct grid *g, struct grid_run *run, uint32_t row, uint64_t value)
{
	uint32_t i = row & ((1u << g->shift) - 1);

	if (run->code >= GRID_FEW && few_put(g, run, i, value))
		return 0;
	if (run->few)
		return run_fit(g, run, row - i, row, value, true);
	/* The first one says what the others are compared with: what they hold before they are set is nobody's value. */
	run->base = value;
	run->few = 1;
	return 0;
}

int grid_set(struct grid *g, uint32_t row, uint32_t column, uint64_t value)
{
	struct grid_run *run = (struct grid_run *)grid_run_of(g, row, column);
	uint64_t offset = value - run->base;

	if (run->code >= GRID_FEW || offset > offset_max[run->code])
		return set_otherwise(g, run, row, value);
	if (run->code)
		offset_put(piece(g, run->at), run->code, row & ((1u << g->shift) - 1), offset);
	else
		run->few = 1;
	return 0;
}

void grid_get_many(const struct grid *g, uint32_t row, uint32_t first, uint32_t n, uint64_t *ret)
{
	for (uint32_t i = 0; i < n; i++)
		ret[i] = grid_get(g, row, first + i);
}

int grid_set_many(struct grid *g, uint32_t row, uint32_t first, uint32_t n, const uint64_t *values)
{
	int err = 0;

	for (uint32_t i = 0; i < n; i++)
		err |= grid_set(g, row, first + i, values[i]);
	return err;
}

void grid_clear(struct grid *g)
{
	if (!g->nrows)
		return;
	memset(g->used, 0, ((size_t)g->nrows + 63) / 64 * sizeof(*g->used));
	memset(g->runs, 0, (size_t)(g->nrows >> g->shift) * g->ncolumns * sizeof(*g->runs));
	memset(g->free, 0, sizeof(g->free));
	g->npieces = 0;
}

/* Pieces that runs have, in units. */
static uint32_t pieces_used(const struct grid *g)
{
	size_t n = (size_t)(g->nrows >> g->shift) * g->ncolumns;
	uint32_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += units(g->runs[i].code);
	return used;
}

/* All pieces that runs have, one after the other, with room for some more. */
static void compact(struct grid *g, uint32_t used)
{
	size_t n = (size_t)(g->nrows >> g->shift) * g->ncolumns;
	uint32_t cap = used + used / 8 + 32, at = 0;
	uint8_t *pieces = malloc((size_t)cap << g->shift);

	/* Where there is no memory it stays as large as it is. */
	if (!pieces)
		return;
	for (size_t i = 0; i < n; i++) {
		struct grid_run *run = &g->runs[i];

		if (!run->code)
			continue;
		memcpy(pieces + ((size_t)at << g->shift), piece(g, run->at), (size_t)units(run->code) << g->shift);
		run->at = at;
		at += units(run->code);
	}
	free(g->pieces);
	g->pieces = pieces;
	g->pieces_cap = cap;
	g->npieces = used;
	memset(g->free, 0, sizeof(g->free));
}

void grid_tighten(struct grid *g)
{
	uint32_t used;

	for (uint32_t first = 0; first < g->nrows; first += 1u << g->shift) {
		for (uint32_t c = 0; c < g->ncolumns; c++) {
			struct grid_run *run = (struct grid_run *)grid_run_of(g, first, c);

			/* Where there is no memory it stays as wide as it is. */
			if (run->code)
				run_fit(g, run, first, UINT32_MAX, 0, true);
		}
	}
	/* Most rows have gone, or columns have grown out of pieces that nothing else has room in. */
	used = g->pieces_cap > PIECES_SPARE ? pieces_used(g) : 0;
	if (g->pieces_cap > PIECES_SPARE && used < g->pieces_cap - g->pieces_cap / 4)
		compact(g, used);
}

/* Other blocks, same numbers. */
static int rebuild(struct grid *g, uint32_t shift, uint32_t rows)
{
	struct grid other;

	grid_init(&other, g->ncolumns, g->shared);
	other.shift = shift;
	if (grid_reserve(&other, rows)) {
		grid_finish(&other);
		return -ENOMEM;
	}
	for (uint32_t row = 0; row < g->nrows; row++) {
		if (!is_used(g, row))
			continue;
		grid_use(&other, row);
		for (uint32_t c = 0; c < g->ncolumns; c++) {
			if (grid_set(&other, row, c, grid_get(g, row, c))) {
				grid_finish(&other);
				return -ENOMEM;
			}
		}
	}
	grid_finish(g);
	*g = other;
	return 0;
}

void grid_shrink(struct grid *g, uint32_t rows)
{
	/* Where there is no memory it stays as large as it is. */
	if (rows < g->nrows)
		rebuild(g, SHIFT_SMALL, rows);
}

int grid_reserve(struct grid *g, uint32_t rows)
{
	uint32_t shift = rows <= 1 << SHIFT_SMALL ? SHIFT_SMALL : rows <= 512 ? SHIFT_MIDDLE : SHIFT_LARGE;
	size_t old = (size_t)(g->nrows >> g->shift) * g->ncolumns, n;
	struct grid_run *runs;
	uint64_t *used;

	if (rows <= g->nrows)
		return 0;
	if (shift > g->shift && g->nrows)
		return rebuild(g, shift, rows);
	if (shift > g->shift)
		g->shift = shift;
	rows = (rows + (1u << g->shift) - 1) & ~((1u << g->shift) - 1);
	n = (size_t)(rows >> g->shift) * g->ncolumns;
	runs = realloc(g->runs, (n + 1) * sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	memset(runs + old, 0, (n - old) * sizeof(*runs));
	g->runs = runs;
	used = realloc(g->used, ((size_t)rows + 63) / 64 * sizeof(*used));
	if (!used)
		return -ENOMEM;
	old = ((size_t)g->nrows + 63) / 64;
	memset(used + old, 0, (((size_t)rows + 63) / 64 - old) * sizeof(*used));
	g->used = used;
	g->nrows = rows;
	return 0;
}
