/* Which rolled-up columns are computed together, and that each is right however it came to be computed. */
#include <malloc.h>

#include "query_internal.h"
#include "unit/query_test.h"

static const char tasks[] =
	"table process state key=process pid=key:u64 start=key:u64:ticks\n"
	"table thread state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 pstart=attribute:u64:ticks "
	"utime=counter:u64:ns stime=counter:u64:ns lat=histogram:edges(0/10):ns\n"
	"table file state key=file fd=key:u64 pid=attribute:u64 pstart=attribute:u64:ticks size=gauge:u64\n"
	"parent thread process pid pstart\nparent file process pid pstart\n"
	"rollup thread utime process user sum\nrollup thread stime process system sum\n"
	"rollup thread lat process lat_all merge\nrollup file size process size_all sum\n";

static bool computed(struct bench *b, const char *column)
{
	const struct query *q = b->query;

	return q->rollups[q->columns[query_column_find(b->query, column)].index].run == q->runs;
}

/* A tick in which thread 11 of process 1 and thread 12 of process 2 work. */
static void work(struct bench *b, unsigned second)
{
	char text[400];

	snprintf(text, sizeof(text),
		 "tick %us\nsample process\nrow process pid=1 start=5\nrow process pid=2 start=5\n"
		 "sample thread\nrow thread tid=11 start=5 pid=1 pstart=5 utime=%ums stime=%ums lat=%u/0\n"
		 "row thread tid=12 start=5 pid=2 pstart=5 utime=%ums stime=0 lat=0/%u\n"
		 "sample file\nrow file fd=3 pid=2 pstart=5 size=%u\n",
		 second, second * 100, second * 10, second, second * 200, second, second * 1000);
	add(b, text);
}

/* Children that ended count; what is rolled up has a unit and a source, and can be filtered by. */
static void test_rollups(void **state)
{
	const struct query_column *c;
	struct bench b;
	struct value v;

	(void)state;
	set_up(&b, family);
	run(&b, "process", 1, 3);
	/* The thread that ended counts: over the time up to where it was gone. */
	expect(&b, 1, "utime_sum", 600e6);
	expect(&b, 1, "cpu_sum", 15 + 15);
	expect(&b, 1, "cpu_max", 15);
	expect(&b, 2, "utime_sum", 0);
	expect(&b, 3, "utime_sum", NAN);
	v = value(&b, 1, "lat_all");
	assert_int_equal(v.hist.counts[0], 11);
	assert_int_equal(v.hist.counts[1], 22);
	c = query_column(b.query, (size_t)query_column_find(b.query, "cpu_sum"));
	assert_int_equal(c->origin, QUERY_COLUMN_ROLLED);
	assert_int_equal(c->unit, CULPRIT_PERCENT);
	assert_string_equal(c->source, "sum of thread.cpu");
	/* In a filter and as order, too. */
	struct lens l = lens_window(1 * S, 3 * S);

	strcpy(l.filter, "utime_sum>0");
	run_lens(&b, &l, "process", 0);
	assert_int_equal(query_nrows(b.query), 1);
	expect(&b, 1, "cpu_sum", 30);
	tear_down(&b);
}

static void test_along(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, with(tasks, ""));
	for (unsigned i = 1; i <= 5; i++)
		work(&b, i);
	run(&b, "process", 1, 2);
	expect(&b, 1, "user", 100e6);
	assert_false(computed(&b, "system")); /* nobody has asked for it yet */
	expect(&b, 1, "system", 10e6);
	/* Both were asked for: the one brings the other; not what nobody asked for, nor what comes from other children. */
	run(&b, "process", 1, 3);
	expect(&b, 2, "user", 400e6);
	assert_true(computed(&b, "system"));
	assert_false(computed(&b, "lat_all"));
	assert_false(computed(&b, "size_all"));
	expect(&b, 2, "size_all", 3000);
	assert_int_equal(value(&b, 2, "lat_all").hist.counts[1], 2);
	/* The system's time was not looked at in that run, and goes along no more; it is right when it is. */
	run(&b, "process", 1, 4);
	expect(&b, 2, "size_all", 4000);
	assert_false(computed(&b, "lat_all"));
	assert_int_equal(value(&b, 1, "lat_all").hist.counts[0], 3);
	assert_true(computed(&b, "user"));
	assert_false(computed(&b, "system"));
	expect(&b, 1, "system", 30e6);
	expect(&b, 2, "system", 0);
	expect(&b, 1, "user", 300e6);
	/* As order, before anything is shown; and after a run for another table. */
	query_sort(b.query, "user", true);
	run(&b, "process", 1, 5);
	assert_true(computed(&b, "system"));
	expect(&b, 1, "system", 40e6);
	expect(&b, 2, "user", 800e6);
	run(&b, "thread", 1, 5);
	run(&b, "process", 1, 5);
	expect(&b, 2, "user", 800e6);
	expect(&b, 1, "lat_all", 4);
	assert_int_equal(value(&b, 1, "lat_all").hist.counts[0], 4);
	tear_down(&b);
}

/* A query that rests has no rows and no memory for any; run again it says what it said, in the same order. */
static void test_rest(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, with(tasks, ""));
	for (unsigned i = 1; i <= 3; i++)
		work(&b, i);
	query_sort(b.query, "user", true);
	for (unsigned i = 0; i < 2; i++) {
		run(&b, "process", 1, 3);
		assert_int_equal(query_nrows(b.query), 2);
		assert_int_equal(row_of(&b, 2), 0);
		expect(&b, 2, "user", 400e6);
		expect(&b, 2, "size_all", 3000);
		assert_int_equal(value(&b, 2, "lat_all").hist.counts[1], 2);
		query_rest(b.query);
		assert_int_equal(query_nrows(b.query), 0);
		assert_null(b.query->rows);
		assert_null(b.query->sort_cells);
		assert_null(b.query->children);
		for (size_t k = 0; k < b.query->nrollups; k++)
			assert_null(b.query->rollups[k].cells);
		/* Its columns are known all the time: keys that are typed ahead mean them. */
		assert_true(query_column_find(b.query, "user") >= 0);
	}
	query_rest(NULL);
	tear_down(&b);
}

/* What is asked of all rows does not bring along what is asked of few; the other way round it does. */
static void test_few(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, with(tasks, ""));
	for (unsigned i = 1; i <= 5; i++)
		work(&b, i);
	for (unsigned second = 2; second <= 4; second++) {
		run(&b, "process", 1, second);
		for (int i = 0; i < 8; i++)
			expect(&b, 1 + i % 2, "user", (second - 1) * (i % 2 ? 200e6 : 100e6));
		assert_false(computed(&b, "system"));
		expect(&b, 1, "system", (second - 1) * 10e6);
	}
	run(&b, "process", 1, 5);
	expect(&b, 1, "system", 40e6);
	assert_true(computed(&b, "user"));
	expect(&b, 1, "user", 400e6);
	tear_down(&b);
}

static void test_several_columns(void **state)
{
	struct value v[4];
	struct bench b;
	int columns[4];

	(void)state;
	set_up(&b, with(tasks, ""));
	for (unsigned i = 1; i <= 3; i++)
		work(&b, i);
	run(&b, "process", 1, 3);
	columns[0] = query_column_find(b.query, "system");
	columns[1] = -1;
	columns[2] = query_column_find(b.query, "pid");
	columns[3] = query_column_find(b.query, "size_all");
	query_values(b.query, row_of(&b, 1), columns, 4, v);
	assert_true(v[0].state == VALUE_OK && v[0].u == 20000000);
	assert_int_equal(v[1].state, VALUE_ABSENT);
	assert_true(v[2].state == VALUE_OK && v[2].u == 1);
	assert_int_equal(v[3].state, VALUE_ABSENT);
	query_values(b.query, query_nrows(b.query), columns, 4, v);
	assert_true(v[0].state == VALUE_ABSENT && v[2].state == VALUE_ABSENT);
	tear_down(&b);
}

/* A tick of so many processes, each of one thread. */
static void crowd(struct bench *b, unsigned second, unsigned n)
{
	size_t cap = 128 * (size_t)n + 256, len;
	char *text = malloc(cap);

	assert_non_null(text);
	len = (size_t)snprintf(text, cap, "tick %us\nsample process\n", second);
	for (unsigned i = 1; i <= n; i++)
		len += (size_t)snprintf(text + len, cap - len, "row process pid=%u start=5\n", i);
	len += (size_t)snprintf(text + len, cap - len, "sample thread\n");
	for (unsigned i = 1; i <= n; i++)
		len += (size_t)snprintf(text + len, cap - len, "row thread tid=%u start=5 pid=%u pstart=5 utime=%ums stime=0 lat=0/0\n",
					i, i, second * 100);
	add(b, text);
	free(text);
}

/* realloc() makes a block smaller where it is, mostly: what is noted as room must be there all the same, or the next longer list is
 * written behind its end. */
static void test_room_is_known_when_rows_become_few(void **state)
{
	static const unsigned crowds[] = {3, 6000, 20, 2500, 40, 6000};
	struct bench b;

	(void)state;
	set_up(&b, with(tasks, "tick 1s\nsample process\nrow process pid=1 start=5\n"));
	for (unsigned i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
		crowd(&b, 100 * (i + 1), crowds[i]);
		crowd(&b, 100 * (i + 1) + 1, crowds[i]);
		run(&b, "process", 100 * (i + 1), 100 * (i + 1) + 1);
		expect(&b, 1, "user", 100e6);
		expect(&b, crowds[i], "user", 100e6);
		assert_true(b.query->nchildren > 0);
		for (size_t k = 0; k < b.query->nchildren; k++) {
			const struct qchildren *c = &b.query->children[k];

			assert_true(malloc_usable_size(c->first) >= c->first_cap * sizeof(*c->first));
			assert_true(malloc_usable_size(c->next) >= c->next_cap * sizeof(*c->next));
		}
		assert_true(malloc_usable_size(b.query->rows) >= b.query->rows_cap * sizeof(*b.query->rows));
	}
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rollups), cmocka_unit_test(test_room_is_known_when_rows_become_few),
		cmocka_unit_test(test_along),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_several_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
