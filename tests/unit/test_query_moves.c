/* Queries as time goes on: whatever way a window is reached, it shows the same; an answer that is too old is absent. */
#include "unit/query_test.h"

/* Whatever way a window is reached, it shows the same. */
static void test_moves(void **state)
{
	static const double windows[][2] = {{1, 30}, {5, 9}, {20, 30}, {3, 25}, {29, 30}, {1, 2}, {10, 11}, {1, 30}};
	char text[16384] = "";
	size_t n = 0;
	struct bench b;

	(void)state;
	for (int i = 1; i <= 30; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "tick %ds\nsample process\nrow process pid=1 start=5 utime=%dms\n",
				      i, i * i);
		if (i % 3)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s process pid=%d start=%d utime=%dms\n",
					      i % 3 == 1 && i > 1 ? "born" : "row", 100 + i / 3, i / 3, i);
		if (i % 7 == 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "segment\n");
	}
	set_up(&b, with(proc, text));
	for (size_t i = 0; i < 64; i++) {
		const double *w = windows[(i * 5 + i / 8) % 8];
		struct lens l = lens_window((uint64_t)(w[0] * S), (uint64_t)(w[1] * S));
		struct view *clean = view_create();
		struct query *alone = query_create(clean);

		view_add_source(clean, textframes_source(b.frames));
		run(&b, "process", w[0], w[1]);
		expect(&b, 1, "utime", (w[1] * w[1] - w[0] * w[0]) * 1e6);
		assert_int_equal(query_run(alone, &l, "process", 0, NULL), 0);
		assert_int_equal(query_nrows(alone), query_nrows(b.query));
		for (size_t row = 0; row < query_nrows(alone); row++) {
			struct query_row x, y;
			struct value v, u;

			assert_true(query_row(alone, row, &x) && query_row(b.query, row, &y));
			assert_true(row_key_equal(&x.key, &y.key));
			assert_int_equal(x.ended_ns, y.ended_ns);
			query_value(alone, row, (size_t)query_column_find(alone, "cpu"), &v);
			query_value(b.query, row, (size_t)query_column_find(b.query, "cpu"), &u);
			assert_int_equal(v.state, u.state);
			assert_true(v.state != VALUE_OK || v.f == u.f);
		}
		query_destroy(alone);
		view_destroy(clean);
	}
	tear_down(&b);
}

/* An old answer is absent, never wrong and never a crash. */
static void test_stale_results(void **state)
{
	struct lens l = lens_live(1 * S), m = lens_live(2 * S);
	struct query_row r;
	struct query *second;
	struct value v;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=0\n"
			      "tick 2s\nsample process\nrow process pid=1 start=5 utime=1s\n"));
	second = query_create(b.view);
	run_lens(&b, &l, "process", 0);
	assert_int_equal(query_run(second, &l, "process", 0, NULL), 0);
	add(&b, "tick 3s\nsample process\nrow process pid=1 start=5 utime=3s\n");
	assert_int_equal(query_run(second, &l, "process", 0, NULL), 0);
	query_value(second, 0, 3, &v);
	assert_int_equal(v.u, 2 * S);
	/* The first one's cursors have moved on. */
	query_value(b.query, 0, 3, &v);
	assert_int_equal(v.state, VALUE_ABSENT);
	assert_true(query_row(b.query, 0, &r) && r.key.bits[0] == 1);
	run_lens(&b, &l, "process", 0);
	expect(&b, 1, "utime", 2e9);
	/* Different windows beside each other do not disturb. */
	for (int i = 0; i < 3; i++) {
		run_lens(&b, &l, "process", 0);
		assert_int_equal(query_run(second, &m, "process", 0, NULL), 0);
		expect(&b, 1, "utime", 2e9);
		query_value(second, 0, 3, &v);
		assert_int_equal(v.u, 3 * S);
	}
	query_destroy(second);
	tear_down(&b);
}

static void test_evicted(void **state)
{
	struct lens l = lens_live(10 * S);
	struct query_info info;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=0\nsegment\n"
			      "tick 2s\nsample process\nrow process pid=1 start=5 utime=1s\nsegment\n"
			      "tick 3s\nsample process\nrow process pid=1 start=5 utime=3s\n"));
	run_lens(&b, &l, "process", 0);
	expect(&b, 1, "utime", 3e9);
	memsource_evict(textframes_memory(b.frames), 1);
	add(&b, "tick 4s\nsample process\nrow process pid=1 start=5 utime=4s\n");
	run_lens(&b, &l, "process", 0);
	expect(&b, 1, "utime", 3e9);
	query_info(b.query, &info);
	assert_int_equal(info.used_from_ns, 2 * S);
	assert_true(info.covers_less);
	tear_down(&b);
}

static void test_nothing(void **state)
{
	struct memsource *m = memsource_create();
	struct culprit_error e = {""};
	struct view *v = view_create();
	struct lens l = lens_live(1 * S);
	struct query *q = query_create(v);
	struct value value;

	(void)state;
	assert_int_equal(query_run(q, &l, "process", 0, &e), -ENODATA);
	view_add_source(v, memsource_source(m));
	assert_int_equal(query_run(q, &l, "process", 0, &e), -ENODATA);
	assert_int_equal(query_nrows(q), 0);
	query_value(q, 0, 0, &value);
	assert_int_equal(value.state, VALUE_ABSENT);
	query_destroy(q);
	view_destroy(v);
	memsource_unlock(m);
}

/* Nothing new: nothing is done. */
static void test_unchanged(void **state)
{
	struct lens l = lens_live(1 * S);
	uint64_t generation;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=0\n"
			      "tick 2s\nsample process\nrow process pid=1 start=5 utime=1s\n"));
	run_lens(&b, &l, "process", 0);
	generation = query_generation(b.query);
	view_refresh(b.view, NULL);
	run_lens(&b, &l, "process", 0);
	assert_int_equal(query_generation(b.query), generation);
	add(&b, "tick 3s\nsample process keep\n");
	run_lens(&b, &l, "process", 0);
	assert_int_not_equal(query_generation(b.query), generation);
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_stale_results),
		cmocka_unit_test(test_evicted),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
