/* The heatmap's arithmetic: slots to lines, counts to shades. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heat.h"

static void every_slot_stands_in_one_line(void **state)
{
	static double edges[1024];
	struct schema_bounds bounds[] = {{.kind = CULPRIT_LOG_LINEAR, .count = 488}, {.kind = CULPRIT_LOG_LINEAR, .count = 1},
					 {.kind = CULPRIT_LINEAR, .count = 1024, .step = 1}, {.kind = CULPRIT_EDGES, .count = 7},
					 {.kind = CULPRIT_LOG_LINEAR, .count = 9}};

	(void)state;
	for (int i = 0; i < 1024; i++)
		edges[i] = i * i;
	bounds[3].edges = edges;
	srand(3);
	for (int round = 0; round < 20000; round++) {
		const struct schema_bounds *b = &bounds[rand() % 5];
		uint32_t first = (uint32_t)rand() % b->count, last = first + (uint32_t)rand() % (b->count - first);
		int lines = 1 + rand() % 60;
		struct heat_rows before = {0}, rows, again;
		uint32_t end = 0, from, to;

		heat_rows_fit(&rows, &before, b, first, last, lines);
		assert_in_range(rows.n, 1, lines);
		assert_true(rows.first <= first && last < rows.first + (uint32_t)rows.n * rows.group);
		/* Lines follow each other, and hold all slots, those outside in the outermost ones. */
		for (int i = 0; i < rows.n; i++) {
			heat_rows_slots(&rows, i, i, &from, &to);
			assert_int_equal(from, end);
			assert_true(to > from && to <= b->count);
			end = to;
			if (i && i + 1 < rows.n)
				assert_int_equal(heat_rows_line(&rows, from), i);
		}
		assert_int_equal(end, b->count);
		/* They stay where they are while they hold everything. */
		heat_rows_fit(&again, &rows, b, first, last, lines);
		assert_memory_equal(&again, &rows, sizeof(rows));
	}
}

static void the_finest_lines_that_fit(void **state)
{
	struct schema_bounds b = {.kind = CULPRIT_LOG_LINEAR, .count = 488};
	struct heat_rows none = {0}, rows;

	(void)state;
	heat_rows_fit(&rows, &none, &b, 160, 239, 14); /* ten octaves */
	assert_int_equal(rows.group, 8);
	assert_int_equal(rows.n, 14);
	assert_int_equal(rows.first % 8, 0);
	heat_rows_fit(&rows, &none, &b, 160, 167, 14);
	assert_int_equal(rows.group, 1);
	heat_rows_fit(&rows, &none, &b, 0, 487, 14);
	assert_int_equal(rows.group, 64);
	heat_rows_fit(&rows, &none, &b, 0, 487, 0);
	assert_int_equal(rows.n, 0);
}

static void shades_rise_with_counts(void **state)
{
	static const double maxima[] = {0, 1, 2, 31, 32, 200, 511, 512, 5000, 1e6, 1e9, 1.8446744073709552e19};

	(void)state;
	for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		struct heat_scale s;

		heat_scale_counts(&s, maxima[i]);
		assert_int_equal(heat_level(&s, 0), 0);
		assert_int_equal(heat_level(&s, 1), 1);
		for (int k = 1; k < HEAT_LEVELS; k++)
			assert_true(s.from[k] > s.from[k - 1]);
		/* The largest is among the two topmost shades, as far as counts reach. */
		if (maxima[i] >= 32)
			assert_true(heat_level(&s, maxima[i]) >= 4);
	}
	for (int i = 0; i < 3; i++) {
		static const double ends[3][2] = {{1, 1}, {NAN, INFINITY}, {1000, 5e9}};
		struct heat_scale s;

		heat_scale_values(&s, ends[i][0], ends[i][1]);
		for (int k = 0; k < HEAT_LEVELS; k++)
			assert_true(isfinite(s.from[k]) && s.from[k] > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_slot_stands_in_one_line),
		cmocka_unit_test(the_finest_lines_that_fit),
		cmocka_unit_test(shades_rise_with_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
