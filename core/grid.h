/* Numbers in rows and columns, where most are small, alike or the same: what a table's rows are kept in. The rows stand in
 * blocks; within a block each column is stored as an offset from its smallest value, in 0, 1, 2, 4 or 8 bytes a number, as
 * the values of the moment need. So a column that says the same in all rows of a block takes nothing, and a table of ten
 * thousand sleeping tasks a tenth of what 64-bit cells would take. Reading is a shift and an addition. Columns of values that
 * rows share (when they were read last) and that lie far apart may be numbers of the few values that a block has.
 *
 * Which rows are in use is known here, because what an unused one holds must not widen its neighbours. A row's values are
 * undefined until set. Memory is taken when a value does not fit any more and is then reused: none in steady state. */
#ifndef CORE_GRID_H
#define CORE_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of few values: a byte a row, then the values; they take two or four bytes a row. */
enum { GRID_FEW = 5, GRID_FEW_WIDE = 6 };

/* One column of one block: base + offset, `code` says how wide the offsets are (0: none; 1, 2, 3, 4: 1, 2, 4, 8 bytes). */
struct grid_run {
	uint64_t base;
	uint32_t at; /* of its piece, in units of a block's rows */
	uint16_t code;
	uint16_t few; /* how many values there are: of GRID_FEW and GRID_FEW_WIDE, whose base is 0; 0: none was set yet */
};

struct grid {
	uint32_t ncolumns, nrows; /* nrows: room for so many */
	uint32_t shift;           /* a block has 1 << shift rows */
	uint32_t shared;          /* columns from this one on may be of few values */
	uint64_t *used;           /* bit a row */
	struct grid_run *runs;    /* [block][column] */
	uint8_t *pieces;
	uint32_t npieces, pieces_cap; /* in units */
	uint32_t free[5];         /* by the code of offsets of that size: first unused piece + 1; each begins with the number of the next */
};

/* Columns from `shared` on seldom change, and rows share their values. */
void grid_init(struct grid *, uint32_t ncolumns, uint32_t shared);
void grid_finish(struct grid *);
/* Room for at least so many rows. -ENOMEM. */
int grid_reserve(struct grid *, uint32_t rows);
/* No row is in use; memory is kept for the next ones. */
void grid_clear(struct grid *);
/* Makes every column as narrow as its values now allow, and gives back memory that they don't need: after many rows have come and
 * gone. */
void grid_tighten(struct grid *);
/* Those from `rows` on, none of them used, take no memory any more. */
void grid_shrink(struct grid *, uint32_t rows);
size_t grid_memory(const struct grid *);

static inline void grid_use(struct grid *g, uint32_t row)
{
	g->used[row / 64] |= (uint64_t)1 << (row % 64);
}

static inline void grid_leave(struct grid *g, uint32_t row)
{
	g->used[row / 64] &= ~((uint64_t)1 << (row % 64));
}

static inline const struct grid_run *grid_run_of(const struct grid *g, uint32_t row, uint32_t column)
{
	return &g->runs[(size_t)(row >> g->shift) * g->ncolumns + column];
}

static inline uint64_t grid_offset(const uint8_t *piece, uint32_t shift, uint32_t code, uint32_t i)
{
	switch (code) {
	case 1:
		return piece[i];
	case 2:
		return ((const uint16_t *)(const void *)piece)[i];
	case 3:
		return ((const uint32_t *)(const void *)piece)[i];
	case 4:
		return ((const uint64_t *)(const void *)piece)[i];
	case GRID_FEW:
	case GRID_FEW_WIDE:
		return ((const uint64_t *)(const void *)(piece + ((size_t)1 << shift)))[piece[i]];
	default:
		return 0;
	}
}

static inline uint64_t grid_get(const struct grid *g, uint32_t row, uint32_t column)
{
	const struct grid_run *r = grid_run_of(g, row, column);

	/* One value for all of them: there may be no pieces yet. */
	if (!r->code)
		return r->base;
	return r->base + grid_offset(g->pieces + ((size_t)r->at << g->shift), g->shift, r->code, row & ((1u << g->shift) - 1));
}

/* -ENOMEM: it keeps what it had. */
int grid_set(struct grid *, uint32_t row, uint32_t column, uint64_t value);

/* n columns of a row, from `first` on. -ENOMEM: some keep what they had. */
void grid_get_many(const struct grid *, uint32_t row, uint32_t first, uint32_t n, uint64_t *ret);
int grid_set_many(struct grid *, uint32_t row, uint32_t first, uint32_t n, const uint64_t *values);

#endif
