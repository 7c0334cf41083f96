/* Rows of stacks where there is no room for all of them: who stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stacks_rows.h"
#include "support/frame_recorder.h"

static void put_nothing(void *arg, struct culprit_frame *f, const struct stacks_row *row)
{
	(void)arg, (void)f, (void)row;
}

/* What is not freed stays, whoever else wants its place; what is goes. */
static void test_held(void **state)
{
	enum { MOST = 4 };
	struct culprit_frame f = recorder_null_frame();
	struct unwind_stack stack = {0};
	uint64_t hash = 0;
	struct stacks_count count = {.count = 1, .time_ns = 100};
	struct stacks_key key[MOST + 1] = {0};
	struct fixture_host host;
	struct stacks_store *store;
	struct stacks_rows *rows;

	(void)state;
	fixture_host_init(&host, NULL);
	store = stacks_store_create_own(&host.host, &hash, &stack);
	assert_non_null(store);
	rows = stacks_rows_create(&host.host, store, MOST);
	assert_non_null(rows);
	stacks_rows_hold(rows);
	for (unsigned i = 0; i <= MOST; i++)
		key[i].tid = i + 1;
	for (unsigned i = 0; i < MOST; i++)
		assert_true(stacks_rows_add(rows, &key[i], &count));
	for (unsigned i = 0; i < 15; i++)
		stacks_rows_put(rows, &f, put_nothing, NULL);
	assert_false(stacks_rows_add(rows, &key[MOST], &count));
	assert_int_equal(stacks_rows_n(rows), MOST);
	stacks_rows_take_back(rows, &key[1], &count);
	for (unsigned i = 0; i < 15; i++)
		stacks_rows_put(rows, &f, put_nothing, NULL);
	assert_true(stacks_rows_add(rows, &key[MOST], &count));
	assert_int_equal(stacks_rows_n(rows), MOST);
	stacks_rows_destroy(rows);
	stacks_store_destroy(store);
	fixture_host_finish(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
