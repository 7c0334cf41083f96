/* Of several ways to do the same the first that a kernel takes whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf.h"

static const struct bpf_hook hooks[] = {
	{.name = "always"},
	{.name = "a", .way = 1},
	{.name = "b", .way = 1},
	{.name = "c", .way = 2},
	{.name = "d", .way = 2},
};

static unsigned way(bool always, bool a, bool b, bool c, bool d)
{
	const bool failed[] = {always, a, b, c, d};

	return bpf_way(hooks, 5, failed);
}

static void the_first_that_is_whole(void **state)
{
	(void)state;
	assert_int_equal(way(false, false, false, false, false), 1);
	assert_int_equal(way(true, false, false, false, false), 1);
	assert_int_equal(way(false, true, true, false, false), 2);
	assert_int_equal(way(false, true, false, false, false), 2);
	assert_int_equal(way(false, false, true, false, false), 2);
}

static void else_the_one_that_lacks_least(void **state)
{
	(void)state;
	assert_int_equal(way(false, true, false, true, false), 1);
	assert_int_equal(way(false, true, true, true, false), 2);
	assert_int_equal(way(false, false, true, true, true), 1);
	assert_int_equal(way(false, true, true, true, true), 1);
}

static void most_have_nothing_to_choose(void **state)
{
	const bool failed[] = {true};

	(void)state;
	assert_int_equal(bpf_way(hooks, 1, failed), 0);
}

static void tests_begin_with_a_later_one(void **state)
{
	(void)state;
	bpf_first_way(2);
	assert_int_equal(way(false, false, false, false, false), 2);
	bpf_first_way(1);
	assert_int_equal(way(false, false, false, false, false), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_is_whole),
		cmocka_unit_test(else_the_one_that_lacks_least),
		cmocka_unit_test(most_have_nothing_to_choose),
		cmocka_unit_test(tests_begin_with_a_later_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
