/* Short forms for tests of collectors on fixture trees. */
#ifndef TESTS_COLLECTOR_TEST_H
#define TESTS_COLLECTOR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "support/frame_recorder.h"

/* A copy of a fixture tree that the test may change. */
static inline char *scratch(const char *name)
{
	char path[4096], *root = malloc(64);

	assert_non_null(root);
	fixture_temp(root, 64);
	if (name)
		fixture_copy(fixture_path(path, sizeof(path), name), root, NULL, NULL);
	return root;
}

static inline void scratch_free(char *root)
{
	fixture_remove(root);
	free(root);
}

static inline struct fixture_run *run_on(const struct culprit_collector *collector, const char *name)
{
	char path[4096];

	return fixture_run_create(collector, fixture_path(path, sizeof(path), name));
}

#define ROW(r, table, key) recorder_find(r, table, key)
#define U64(r, table, key, column) recorder_u64(r, table, ROW(r, table, key), column)
#define F64(r, table, key, column) recorder_f64(r, table, ROW(r, table, key), column)
#define TEXT_OF(r, table, key, column) recorder_text(r, table, ROW(r, table, key), column)
#define HAS(r, table, key, column) recorder_has(r, table, ROW(r, table, key), column)
#define ASSERT_U64(r, table, key, column, value) assert_int_equal(U64(r, table, key, column), value)
#define ASSERT_TEXT(r, table, key, column, value) assert_string_equal(TEXT_OF(r, table, key, column), value)
#define ASSERT_NEAR(a, b) assert_true((a) - (b) < 1e-9 && (b) - (a) < 1e-9)
#define STATE(r, table) (recorder_table(r, table)->state)

#endif
