/* A window beside another one, of the same recording and of another. */
#include "unit/query_test.h"

static void test_baseline(void **state)
{
	struct lens l = lens_window(3 * S, 4 * S);
	double change, before;
	struct value v;
	struct bench b;
	size_t cpu;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=0\nrow process pid=2 start=5 utime=0\n"
			      "tick 2s\nsample process keep\nrow process pid=1 start=5 utime=100ms\n"
			      "tick 3s\nsample process keep\nend process pid=2 start=5\n"
			      "tick 4s\nsample process keep\nrow process pid=1 start=5 utime=900ms\n"
			      "born process pid=3 start=300 utime=10ms\n"));
	l.has_baseline = true;
	l.baseline_from_ns = 1 * S;
	l.baseline_to_ns = 2 * S;
	run_lens(&b, &l, "process", 0);
	cpu = (size_t)query_column_find(b.query, "cpu");
	expect(&b, 1, "cpu", 80);
	assert_true(query_baseline_value(b.query, row_of(&b, 1), cpu, &v));
	assert_true(fabs(v.f - 10) < 1e-9);
	assert_false(query_baseline_value(b.query, row_of(&b, 3), cpu, &v));
	expect(&b, 1, "cpu", 80); /* asking for the one did not disturb the other */
	assert_int_equal(query_change(b.query, row_of(&b, 1), cpu, &change, &before), QUERY_CHANGE_KNOWN);
	assert_true(fabs(change - 70) < 1e-9 && fabs(before - 10) < 1e-9);
	assert_int_equal(query_change(b.query, row_of(&b, 3), cpu, &change, &before), QUERY_CHANGE_NEW);
	/* A name or a pid does not differ by something. */
	assert_false(query_compares(b.query, (size_t)query_column_find(b.query, "pid")));
	assert_false(query_compares(b.query, (size_t)query_column_find(b.query, "comm")));
	l.has_baseline = false;
	run_lens(&b, &l, "process", 0);
	assert_int_equal(query_change(b.query, row_of(&b, 1), cpu, &change, &before), QUERY_CHANGE_UNKNOWN);
	tear_down(&b);
}

/* The one that rose most first; what is new counts as if it had been nothing. */
static void test_baseline_order(void **state)
{
	static const uint64_t down[] = {3, 1, 4, 2};
	struct lens l = lens_window(3 * S, 4 * S);
	struct query_row r;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 rss=100\nrow process pid=2 start=5 rss=900\n"
			      "row process pid=4 start=5 rss=5\n"
			      "tick 2s\nsample process keep\n"
			      "tick 3s\nsample process keep\nrow process pid=1 start=5 rss=150\n"
			      "row process pid=2 start=5 rss=800\n"
			      "tick 4s\nsample process keep\nborn process pid=3 start=300 rss=60\n"));
	l.has_baseline = true;
	l.baseline_from_ns = 1 * S;
	l.baseline_to_ns = 2 * S;
	run_lens(&b, &l, "process", 0);
	query_sort_change(b.query, true);
	assert_int_equal(query_sort(b.query, "rss", true), 0);
	for (size_t i = 0; i < 4; i++)
		assert_true(query_row(b.query, i, &r) && r.key.bits[0] == down[i]);
	query_sort_change(b.query, false);
	assert_true(query_row(b.query, 0, &r) && r.key.bits[0] == 2);
	tear_down(&b);
}

/* Processes of another recording have other pids: they are found by name, in the order of their keys. */
static void test_baseline_by_name(void **state)
{
	struct lens l = lens_window(1 * S, 2 * S);
	struct bench b, other;
	double change, before;
	struct row_key key;
	size_t rss;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=7 start=5 rss=10 comm=db\n"
			      "row process pid=9 start=5 rss=20 comm=web\nrow process pid=8 start=5 rss=30 comm=web\n"
			      "row process pid=6 start=5 rss=1 comm=other\ntick 2s\nsample process keep\n"));
	set_up(&other, with(proc, "tick 1s\nsample process\nrow process pid=70 start=9 rss=1 comm=db\n"
				  "row process pid=95 start=9 rss=3 comm=web\nrow process pid=90 start=9 rss=2 comm=web\n"
				  "tick 2s\nsample process keep\n"));
	view_set_baseline(b.view, other.view);
	l.has_baseline = true;
	l.baseline_from_ns = 1 * S;
	l.baseline_to_ns = 2 * S;
	run_lens(&b, &l, "process", 0);
	rss = (size_t)query_column_find(b.query, "rss");
	assert_int_equal(query_change(b.query, row_of(&b, 7), rss, &change, &before), QUERY_CHANGE_KNOWN);
	assert_true(change == 9);
	assert_int_equal(query_change(b.query, row_of(&b, 8), rss, &change, &before), QUERY_CHANGE_KNOWN);
	assert_true(before == 2);
	assert_int_equal(query_change(b.query, row_of(&b, 9), rss, &change, &before), QUERY_CHANGE_KNOWN);
	assert_true(before == 3);
	assert_int_equal(query_change(b.query, row_of(&b, 6), rss, &change, &before), QUERY_CHANGE_NEW);
	assert_true(query_baseline_key(b.query, row_of(&b, 9), &key) && key.bits[0] == 95);
	assert_int_equal(query_sort(b.query, "rss", true), 0);
	query_sort_change(b.query, true);
	assert_int_equal(query_change(b.query, row_of(&b, 9), rss, &change, &before), QUERY_CHANGE_KNOWN);
	assert_true(before == 3);
	tear_down(&b);
	tear_down(&other);
}

/* Text keys and baselines in another recording, with other dictionary ids. */
static void test_baseline_view(void **state)
{
	static const char head[] = "table disk state key=device name=key:text ops=counter:u64\n";
	struct lens l = lens_window(1 * S, 2 * S);
	struct bench b, other;
	struct value v;

	(void)state;
	set_up(&b, with(head, "tick 1s\nsample disk\nrow disk name=vda ops=0\nrow disk name=vdb ops=0\n"
			      "tick 2s\nsample disk\nrow disk name=vda ops=10\nrow disk name=vdb ops=20\n"));
	set_up(&other, with(head, "tick 1s\nsample disk\nrow disk name=vdb ops=0\nrow disk name=vda ops=0\n"
				  "tick 2s\nsample disk\nrow disk name=vdb ops=200\nrow disk name=vda ops=100\n"));
	view_set_baseline(b.view, other.view);
	l.has_baseline = true;
	l.baseline_from_ns = 1 * S;
	l.baseline_to_ns = 2 * S;
	run_lens(&b, &l, "disk", 0);
	for (size_t i = 0; i < 2; i++) {
		uint64_t now;

		query_value(b.query, i, 1, &v);
		now = v.u;
		assert_true(query_baseline_value(b.query, i, 1, &v));
		assert_int_equal(v.u, now * 10);
	}
	tear_down(&b);
	tear_down(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_baseline_order),
		cmocka_unit_test(test_baseline_by_name),
		cmocka_unit_test(test_baseline_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
