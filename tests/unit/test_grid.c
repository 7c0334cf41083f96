/* The grid gives back what was put in, whatever its blocks are stored as; cell states are shared and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cellstates.h"
#include "grid.h"

enum { ROWS = 1500, COLUMNS = 7, SHARED = 4, STEPS = 200000 };

static uint64_t seed = 1;

static uint64_t random64(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed ^ seed >> 29;
}

/* Small ones, large ones, negative ones, extremes. */
static uint64_t some_value(void)
{
	switch (random64() % 8) {
	case 0:
		return 0;
	case 1:
		return -(random64() % 20);
	case 2:
		return UINT64_MAX - (random64() & 1);
	case 3:
		return (uint64_t)INT64_MAX + random64() % 3;
	case 4:
		return random64();
	default:
		return random64() >> (random64() % 64);
	}
}

/* Of those that rows share: wide ones, mostly from a few; how many they are changes with time. */
static uint64_t value_of(uint32_t column, unsigned step)
{
	if (column < SHARED || random64() % (step % 20000 < 10000 ? 10000 : 30) == 0)
		return some_value();
	return (random64() % (1 + step / 1000 % 50) + column) * 0x123456789abcdefu;
}

static uint64_t model[ROWS][COLUMNS];
static uint8_t used[ROWS];
static unsigned seen_codes;

static void check(const struct grid *g)
{
	for (size_t i = 0; i < (size_t)(g->nrows >> g->shift) * g->ncolumns; i++) {
		seen_codes |= 1u << g->runs[i].code;
		assert_true(g->runs[i].code < GRID_FEW || i % COLUMNS >= SHARED);
	}
	for (uint32_t r = 0; r < ROWS; r++) {
		for (uint32_t c = 0; used[r] && c < COLUMNS; c++)
			assert_true(grid_get(g, r, c) == model[r][c]);
	}
}

static void test_model(void **state)
{
	struct grid g;
	uint32_t rows = 1;

	(void)state;
	grid_init(&g, COLUMNS, SHARED);
	assert_int_equal(grid_reserve(&g, rows), 0);
	for (unsigned i = 0; i < STEPS; i++) {
		uint32_t r = (uint32_t)(random64() % rows);

		if (!used[r]) {
			grid_use(&g, r);
			used[r] = 1;
			for (uint32_t c = 0; c < COLUMNS; c++)
				assert_int_equal(grid_set(&g, r, c, model[r][c] = value_of(c, i)), 0);
		} else if (random64() % 16 == 0) {
			grid_leave(&g, r);
			used[r] = 0;
		} else {
			uint32_t c = (uint32_t)(random64() % COLUMNS);

			/* Column 0 counts. */
			model[r][c] = c ? value_of(c, i) : model[r][c] + random64() % 1000;
			assert_int_equal(grid_set(&g, r, c, model[r][c]), 0);
		}
		if (i % 100 == 0 && rows < ROWS) {
			rows = rows + rows / 9 + 1 < ROWS ? rows + rows / 9 + 1 : ROWS;
			assert_int_equal(grid_reserve(&g, rows), 0);
		}
		if (i % 5000 == 0) {
			grid_tighten(&g);
			check(&g);
		}
	}
	check(&g);
	assert_int_equal(seen_codes >> GRID_FEW, 3);
	grid_clear(&g);
	memset(used, 0, sizeof(used));
	for (uint32_t r = 0; r < ROWS; r++) {
		grid_use(&g, r);
		used[r] = 1;
		for (uint32_t c = 0; c < COLUMNS; c++)
			assert_int_equal(grid_set(&g, r, c, model[r][c] = r + c), 0);
	}
	check(&g);
	grid_finish(&g);
}

/* What it is for: alike values take little, one that differs costs its neighbours only, and that is given back. */
static void test_is_narrow(void **state)
{
	struct grid g;
	size_t alike, outlier;

	(void)state;
	grid_init(&g, COLUMNS, UINT32_MAX);
	assert_int_equal(grid_reserve(&g, 4096), 0);
	for (uint32_t r = 0; r < 4096; r++) {
		grid_use(&g, r);
		for (uint32_t c = 0; c < COLUMNS; c++)
			assert_int_equal(grid_set(&g, r, c, c ? 1ull << 40 : r), 0);
	}
	alike = grid_memory(&g);
	assert_true(alike < 4096 * COLUMNS * 8 / 8);
	for (uint32_t c = 0; c < COLUMNS; c++)
		assert_int_equal(grid_set(&g, 77, c, 1ull << 60), 0);
	outlier = grid_memory(&g);
	assert_true(outlier < alike + COLUMNS * 128 * 8 * 2);
	for (uint32_t c = 0; c < COLUMNS; c++)
		assert_int_equal(grid_set(&g, 77, c, c ? 1ull << 40 : 77), 0);
	grid_tighten(&g);
	assert_int_equal(g.runs[1].code, 0);
	/* What it gave back is taken first. */
	for (unsigned i = 0; i < 100; i++) {
		for (uint32_t c = 0; c < COLUMNS; c++)
			assert_int_equal(grid_set(&g, 500, c, random64() >> 4), 0);
		grid_set(&g, 500, 1, 1ull << 40);
		grid_tighten(&g);
	}
	assert_true(grid_memory(&g) <= outlier);
	grid_finish(&g);
}

/* Rows that are all in use before the first is set, as a frame is read: the same value in all of them takes nothing. */
static void test_columns_at_once(void **state)
{
	enum { MANY = 1024 };
	struct grid g;
	size_t none;

	(void)state;
	grid_init(&g, COLUMNS, UINT32_MAX);
	assert_int_equal(grid_reserve(&g, MANY), 0);
	none = grid_memory(&g);
	for (unsigned again = 0; again < 3; again++) {
		for (uint32_t r = 0; r < MANY; r++)
			grid_use(&g, r);
		for (uint32_t c = 0; c < COLUMNS; c++) {
			for (uint32_t r = again; r < MANY; r++)
				assert_int_equal(grid_set(&g, r, c, again == 1 ? 0 : c + (1ull << 40)), 0);
		}
		for (uint32_t r = again; r < MANY; r++) {
			for (uint32_t c = 0; c < COLUMNS; c++)
				assert_true(grid_get(&g, r, c) == (again == 1 ? 0 : c + (1ull << 40)));
		}
		assert_int_equal(grid_memory(&g), none);
		grid_clear(&g);
	}
	/* 0 is a value as any other. */
	grid_use(&g, 0);
	grid_use(&g, 1);
	assert_int_equal(grid_set(&g, 0, 0, 0), 0);
	assert_int_equal(grid_set(&g, 1, 0, 1ull << 40), 0);
	assert_int_equal(grid_get(&g, 0, 0), 0);
	assert_true(grid_get(&g, 1, 0) == 1ull << 40);
	grid_finish(&g);
}

/* Times at which rows were read last: far apart, and few. */
static void test_few_values(void **state)
{
	enum { MANY = 4096 };
	struct grid g;
	size_t memory[2], steady;

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		grid_init(&g, COLUMNS, k ? SHARED : UINT32_MAX);
		assert_int_equal(grid_reserve(&g, MANY), 0);
		for (uint32_t r = 0; r < MANY; r++) {
			grid_use(&g, r);
			for (uint32_t c = 0; c < COLUMNS; c++)
				assert_int_equal(grid_set(&g, r, c, c < SHARED ? 0 : r % 10 * 0x123456789abu), 0);
		}
		memory[k] = grid_memory(&g);
		if (!k)
			grid_finish(&g);
	}
	/* Eight bytes each, and two. */
	assert_true(memory[0] > MANY * (COLUMNS - SHARED) * 8);
	assert_true(memory[1] < MANY * (COLUMNS - SHARED) * 3);
	/* What is no longer a value of any row makes room for others. */
	steady = memory[1];
	for (uint64_t step = 1; step < 100; step++) {
		for (uint32_t r = 0; r < MANY; r += 7)
			assert_int_equal(grid_set(&g, r, COLUMNS - 1, step << 40), 0);
		for (uint32_t r = 0; r < MANY; r++)
			assert_true(grid_get(&g, r, COLUMNS - 1) == (r % 7 ? r % 10 * 0x123456789abu : step << 40));
	}
	assert_true(grid_memory(&g) < steady + MANY * 3);
	/* One too many: offsets again; alike: none. */
	for (uint32_t r = 0; r < MANY; r++)
		assert_int_equal(grid_set(&g, r, COLUMNS - 1, random64()), 0);
	assert_int_equal(g.runs[COLUMNS - 1].code, 4);
	for (uint32_t r = 0; r < MANY; r++)
		assert_int_equal(grid_set(&g, r, COLUMNS - 1, 1ull << 50), 0);
	grid_tighten(&g);
	assert_int_equal(g.runs[COLUMNS - 1].code, 0);
	grid_finish(&g);
}

static void test_cellstates(void **state)
{
	enum { N = 500 };
	struct cellstates s;
	uint32_t held[N];
	uint8_t kept[N][COLUMNS];

	(void)state;
	cellstates_init(&s, COLUMNS);
	memset(held, 0xff, sizeof(held));
	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = (unsigned)(random64() % N);

		cellstates_drop(&s, held[k]);
		for (unsigned c = 0; c < COLUMNS; c++)
			kept[k][c] = (uint8_t)(random64() % 3);
		held[k] = cellstates_take(&s, kept[k]);
		assert_true(held[k] != CELLSTATES_NONE);
		k = (unsigned)(random64() % N);
		if (held[k] != CELLSTATES_NONE)
			assert_memory_equal(cellstates_of(&s, held[k]), kept[k], COLUMNS);
	}
	assert_true(s.nused <= N && s.n <= N + 1);
	/* The same combination is the same number. */
	for (unsigned k = 0; k < N; k++) {
		uint32_t again = cellstates_take(&s, kept[k]);

		assert_int_equal(again, held[k]);
		cellstates_drop(&s, again);
	}
	for (unsigned k = 0; k < N; k++)
		cellstates_drop(&s, held[k]);
	assert_int_equal(s.nused, 0);
	cellstates_clear(&s);
	assert_int_equal(cellstates_take(&s, kept[0]), 0);
	cellstates_finish(&s);
}

/* Thousands of rows come and go: what is left takes what few rows take, and says what it said. */
static void test_gives_back(void **state)
{
	enum { MANY = 20000, LEFT = 40 };
	static uint64_t kept[LEFT][COLUMNS];
	size_t full, few;
	struct grid g;

	(void)state;
	grid_init(&g, COLUMNS, UINT32_MAX);
	assert_int_equal(grid_reserve(&g, MANY), 0);
	for (uint32_t row = 0; row < MANY; row++) {
		grid_use(&g, row);
		for (uint32_t c = 0; c < COLUMNS; c++)
			assert_int_equal(grid_set(&g, row, c, random64()), 0);
	}
	full = grid_memory(&g);
	for (uint32_t row = 0; row < MANY; row++) {
		if (row % (MANY / LEFT)) {
			grid_leave(&g, row);
			continue;
		}
		for (uint32_t c = 0; c < COLUMNS; c++) {
			kept[row / (MANY / LEFT)][c] = random64() % 200;
			assert_int_equal(grid_set(&g, row, c, kept[row / (MANY / LEFT)][c]), 0);
		}
	}
	assert_int_equal(grid_memory(&g), full);
	grid_tighten(&g);
	few = grid_memory(&g);
	assert_true(few * 3 < full);
	for (uint32_t row = 0; row < MANY; row += MANY / LEFT) {
		for (uint32_t c = 0; c < COLUMNS; c++)
			assert_int_equal(grid_get(&g, row, c), kept[row / (MANY / LEFT)][c]);
	}
	grid_finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_is_narrow),
		cmocka_unit_test(test_columns_at_once),
		cmocka_unit_test(test_few_values),
		cmocka_unit_test(test_gives_back),
		cmocka_unit_test(test_cellstates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
