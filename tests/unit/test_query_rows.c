/* Which rows of a table a query has, and in which order: scope, filter, its own columns alone; the lens that asks for them. */
#include "unit/query_test.h"

/* Its own columns alone: as many rows, the same values, nothing of other tables. Read together, each stays what it is. */
static void test_own(void **state)
{
	static const char *const tables[] = {"process", "thread", "cpu", "cgroup"};
	struct lens l = lens_window(1 * S, 3 * S);
	size_t rows[4];
	struct bench b;

	(void)state;
	set_up(&b, family);
	for (size_t i = 0; i < 4; i++) {
		run_lens(&b, &l, tables[i], 0);
		rows[i] = query_nrows(b.query);
	}
	query_expect(b.query, &l, tables, 4);
	for (size_t i = 0; i < 4; i++) {
		run_lens(&b, &l, tables[i], QUERY_OWN);
		assert_int_equal(query_nrows(b.query), rows[i]);
		run_lens(&b, &l, tables[i], QUERY_OWN | QUERY_COUNT);
		assert_int_equal(query_nrows(b.query), rows[i]);
	}
	run_lens(&b, &l, "process", QUERY_OWN);
	assert_int_equal(query_column_find(b.query, "cpu_sum"), -1);
	run_lens(&b, &l, "thread", QUERY_OWN);
	expect(&b, 1, "cpu", 15);
	run_lens(&b, &l, "process", 0);
	expect(&b, 1, "cpu_sum", 30);
	tear_down(&b);
}

static size_t rows_in(struct bench *b, const struct lens *l, const char *table, bool host_wide)
{
	struct query_info info;

	run_lens(b, l, table, 0);
	query_info(b->query, &info);
	assert_int_equal(info.host_wide, host_wide);
	return query_nrows(b->query);
}

static void test_scope(void **state)
{
	struct lens l = lens_window(1 * S, 3 * S);
	struct bench b;

	(void)state;
	set_up(&b, family);
	assert_int_equal(rows_in(&b, &l, "thread", false), 3);
	lens_scope_cgroup(&l, "/a", 2);
	assert_int_equal(rows_in(&b, &l, "cgroup", false), 2); /* /ab is not below /a */
	assert_int_equal(rows_in(&b, &l, "process", false), 2);
	assert_int_equal(rows_in(&b, &l, "thread", false), 3); /* by their processes */
	assert_int_equal(rows_in(&b, &l, "cpu", true), 1);
	lens_scope_cgroup(&l, "/a/b", 4);
	assert_int_equal(rows_in(&b, &l, "thread", false), 1);
	lens_scope_process(&l, 1, 5);
	assert_int_equal(rows_in(&b, &l, "process", false), 1);
	assert_int_equal(rows_in(&b, &l, "thread", false), 2);
	assert_int_equal(rows_in(&b, &l, "cpu", true), 1);
	lens_scope_thread(&l, 11, 6);
	assert_int_equal(rows_in(&b, &l, "thread", false), 1);
	assert_int_equal(rows_in(&b, &l, "process", false), 1);
	/* Another life of the pid is another process; without a start time it is whichever. */
	lens_scope_process(&l, 1, 6);
	assert_int_equal(rows_in(&b, &l, "process", false), 0);
	lens_scope_process(&l, 1, 0);
	assert_int_equal(rows_in(&b, &l, "process", false), 1);
	tear_down(&b);
}

static void test_filter_errors(void **state)
{
	struct lens l = lens_window(1 * S, 3 * S);
	struct culprit_error e = {""};
	struct bench b;

	(void)state;
	set_up(&b, family);
	strcpy(l.filter, "cgruop=/a");
	assert_int_equal(query_run(b.query, &l, "process", 0, &e), -EINVAL);
	assert_non_null(strstr(e.sentence, "did you mean cgroup?"));
	assert_int_equal(query_nrows(b.query), 0);
	/* Meant for another table: not for this one. */
	strcpy(l.filter_table, "thread");
	assert_int_equal(rows_in(&b, &l, "process", false), 3);
	assert_int_equal(query_run(b.query, &l, "proces", 0, &e), -ENOENT);
	assert_non_null(strstr(e.sentence, "did you mean process?"));
	strcpy(l.filter, "tid>10");
	assert_int_equal(rows_in(&b, &l, "thread", false), 1);
	tear_down(&b);
}

static void test_order(void **state)
{
	static const uint64_t by_key[] = {1, 2, 3, 4}, up[] = {3, 1, 2, 4}, down[] = {1, 2, 3, 4};
	struct query_row r;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=4 start=5\nrow process pid=2 start=5 rss=7 comm=b\n"
			      "row process pid=3 start=5 rss=5 comm=c\nrow process pid=1 start=5 rss=7 comm=a\n"
			      "tick 2s\nsample process keep\n"));
	run(&b, "process", 1, 2);
	for (size_t i = 0; i < 4; i++)
		assert_true(query_row(b.query, i, &r) && r.key.bits[0] == by_key[i]);
	/* Equal ones by key, none last either way. */
	assert_int_equal(query_sort(b.query, "rss", false), 0);
	for (size_t i = 0; i < 4; i++)
		assert_true(query_row(b.query, i, &r) && r.key.bits[0] == up[i]);
	assert_int_equal(query_sort(b.query, "rss", true), 0);
	for (size_t i = 0; i < 4; i++)
		assert_true(query_row(b.query, i, &r) && r.key.bits[0] == down[i]);
	assert_int_equal(query_sort(b.query, "comm", true), 0);
	assert_true(query_row(b.query, 0, &r) && r.key.bits[0] == 3);
	assert_true(query_row(b.query, 3, &r) && r.key.bits[0] == 4);
	assert_int_equal(query_sort(b.query, "nothing", true), -ENOENT);
	/* Keys find their rows, wherever they are. */
	for (size_t i = 0; i < 4; i++) {
		query_row(b.query, i, &r);
		assert_int_equal(query_find(b.query, &r.key), i);
		assert_int_equal(query_find_serial(b.query, r.serial), i);
	}
	r.key.bits[1]++;
	assert_int_equal(query_find(b.query, &r.key), -1);
	tear_down(&b);
}

/* Of any number of rows, in any order, many alike: by the value, then by key. */
static void test_order_of_many(void **state)
{
	static const unsigned counts[] = {2, 7, 8, 9, 15, 16, 17, 24, 25, 31, 33, 63, 64, 65, 100, 127, 129, 200, 255, 257, 300};
	uint64_t seed = 7;

	(void)state;
	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		unsigned n = counts[k], pids[300], levels[301];
		char text[16384];
		struct query_row r;
		struct bench b;
		int len = snprintf(text, sizeof(text), "tick 1s\nsample process\n");

		for (unsigned i = 0; i < n; i++) {
			unsigned at;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			at = (unsigned)(seed >> 33) % (i + 1);
			pids[i] = pids[at];
			pids[at] = i + 1;
			levels[i + 1] = (unsigned)(seed >> 45) % (n / 3 + 1);
		}
		for (unsigned i = 0; i < n; i++)
			len += snprintf(text + len, sizeof(text) - (size_t)len, "row process pid=%u start=5 rss=%u\n", pids[i], levels[pids[i]]);
		snprintf(text + len, sizeof(text) - (size_t)len, "tick 2s\nsample process keep\n");
		set_up(&b, with(proc, text));
		run(&b, "process", 1, 2);
		for (unsigned down = 0; down < 2; down++) {
			uint64_t before = 0;

			assert_int_equal(query_sort(b.query, "rss", down), 0);
			assert_int_equal(query_nrows(b.query), n);
			for (size_t i = 0; i < n; i++) {
				assert_true(query_row(b.query, i, &r));
				assert_in_range(r.key.bits[0], 1, n);
				if (i && levels[r.key.bits[0]] == levels[before])
					assert_true(r.key.bits[0] > before);
				else if (i)
					assert_int_equal(levels[r.key.bits[0]] < levels[before], down);
				before = r.key.bits[0];
			}
		}
		assert_int_equal(query_sort(b.query, NULL, false), 0);
		for (size_t i = 0; i < n; i++)
			assert_true(query_row(b.query, i, &r) && r.key.bits[0] == i + 1);
		tear_down(&b);
	}
}

static void test_lens(void **state)
{
	struct lens l = lens_live(60 * S);
	struct lens_stack stack;
	uint64_t from, to;

	(void)state;
	lens_resolve(&l, 100 * S, &from, &to);
	assert_int_equal(from, 40 * S);
	assert_int_equal(to, 100 * S);
	lens_resolve(&l, 10 * S, &from, &to);
	assert_int_equal(from, 0);
	lens_stack_init(&stack, &l);
	lens_scope_process(&l, 1, 2);
	lens_narrow(&stack, &l);
	lens_pause(lens_top(&stack), 50 * S, 100 * S);
	assert_false(lens_top(&stack)->live);
	/* Back: the window stays where it is. */
	assert_true(lens_widen(&stack));
	assert_false(lens_top(&stack)->scope.has_process);
	assert_false(lens_top(&stack)->live);
	assert_int_equal(lens_top(&stack)->to_ns, 50 * S);
	assert_false(lens_widen(&stack));
	lens_resume(lens_top(&stack), 100 * S);
	lens_resolve(lens_top(&stack), 100 * S, &from, &to);
	assert_int_equal(to - from, 50 * S); /* it began at 0 */
	for (int i = 0; i < 3 * LENS_DEPTH; i++) {
		l.scope.pid = (uint64_t)i;
		lens_narrow(&stack, &l);
	}
	assert_int_equal(stack.n, LENS_DEPTH);
	while (lens_widen(&stack))
		;
	assert_false(lens_top(&stack)->scope.has_process);
	assert_true(lens_cgroup_holds("/", 1, "/a", 2));
	assert_true(lens_cgroup_holds("/a", 2, "/a", 2));
	assert_true(lens_cgroup_holds("/a/", 3, "/a/b", 4));
	assert_false(lens_cgroup_holds("/a", 2, "/ab", 3));
	assert_false(lens_cgroup_holds("/a/b", 4, "/a", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_filter_errors),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_of_many),
		cmocka_unit_test(test_lens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
