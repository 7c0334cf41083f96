/* A query over thousands of rows: what rolls up into them, what is known of those it has moved on from, what they cost. */
#include <malloc.h>

#include "unit/query_test.h"

enum { MANY = 3000, EVERY = 7 };

/* A thread a process; every 7th ran. Processes whose number is a multiple of 500 end. */
static char *many_tasks(void)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	fprintf(f, "table process state key=process pid=key:u64 start=key:u64:ticks\n"
		   "table thread state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 pstart=attribute:u64:ticks "
		   "utime=counter:u64:ns lat=histogram:edges(0/10):ns\n"
		   "derived thread cpu rate utime scale=1e-7 unit=percent\nparent thread process pid pstart\n"
		   "rollup thread cpu process cpu_sum sum\nrollup thread utime process utime_sum sum\n"
		   "rollup thread lat process lat_all merge\ntick 1s\nsample process\n");
	for (int i = 1; i <= MANY; i++)
		fprintf(f, "row process pid=%d start=5\n", i);
	fprintf(f, "sample thread\n");
	for (int i = 1; i <= MANY; i++)
		fprintf(f, "row thread tid=%d start=5 pid=%d pstart=5 utime=0 lat=0/0\n", i, i);
	fprintf(f, "tick 2s\nsample process keep\n");
	for (int i = 500; i <= MANY; i += 500)
		fprintf(f, "end process pid=%d start=5\n", i);
	fprintf(f, "sample thread keep\n");
	for (int i = EVERY; i <= MANY; i += EVERY)
		fprintf(f, "row thread tid=%d start=5 utime=%dms lat=%d/1\n", i, i % 900, i);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* What most rows don't have takes no place, and each gets what is its own. */
static void test_rollups_of_many(void **state)
{
	char *text = many_tasks();
	struct query_row row;
	struct value v;
	struct bench b;

	(void)state;
	set_up(&b, text);
	run(&b, "process", 1, 2);
	assert_int_equal(query_nrows(b.query), MANY);
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < MANY; i++) {
			uint64_t pid;

			assert_true(query_row(b.query, i, &row));
			pid = row.key.bits[0];
			assert_int_equal(row.ended_ns, pid % 500 ? 0 : 2 * S);
			query_value(b.query, i, (size_t)query_column_find(b.query, "utime_sum"), &v);
			assert_int_equal(v.state, VALUE_OK);
			assert_int_equal(v.u, pid % EVERY ? 0 : pid % 900 * 1000000);
			query_value(b.query, i, (size_t)query_column_find(b.query, "lat_all"), &v);
			assert_int_equal(v.state, VALUE_OK);
			assert_int_equal(v.hist.counts[0], pid % EVERY ? 0 : pid);
			assert_int_equal(v.hist.counts[1], pid % EVERY ? 0 : 1);
			assert_int_equal(query_find(b.query, &row.key), i);
			assert_int_equal(query_find_serial(b.query, row.serial), i);
		}
		query_sort(b.query, "cpu_sum", true); /* the same in another order */
		run(&b, "process", 1, 2);
	}
	tear_down(&b);
	free(text);
}

enum { PLACES = 32 }; /* more than a view keeps */

/* Keys, and who ended, are known after the place has moved on. */
static void test_rows_left_behind(void **state)
{
	char *text = many_tasks();
	struct query_row row;
	size_t ended = 0;
	struct bench b;
	struct query *others[PLACES];
	struct lens l = lens_window(1 * S, 1 * S);

	(void)state;
	set_up(&b, text);
	run(&b, "process", 1, 2);
	for (size_t i = 0; i < PLACES; i++) {
		others[i] = query_create(b.view);
		l.to_ns = 1 * S + i;
		assert_int_equal(query_run(others[i], &l, "process", 0, NULL), 0);
	}
	for (size_t i = 0; i < MANY; i++) {
		assert_true(query_row(b.query, i, &row));
		assert_int_equal(row.key.n, 2);
		assert_int_equal(row.key.bits[1], 5);
		assert_int_equal(row.serial, 0);
		assert_int_equal(row.ended_ns != 0, row.key.bits[0] % 500 == 0);
		ended += row.ended_ns != 0;
	}
	assert_int_equal(ended, MANY / 500);
	assert_int_equal(query_find_serial(b.query, 1), -1);
	for (size_t i = 0; i < PLACES; i++)
		query_destroy(others[i]);
	tear_down(&b);
	free(text);
}

static size_t taken(void)
{
	struct mallinfo2 now = mallinfo2();

	return now.uordblks + now.hblkhd;
}

/* What a query holds of each row: where it is and its key, and what was rolled up where that is not 0. */
static void test_memory(void **state)
{
	char *text = many_tasks();
	size_t before, rows;
	struct query *second;
	struct lens l = lens_window(1 * S, 2 * S);
	struct bench b;
	struct value v;

	(void)state;
	set_up(&b, text);
	run(&b, "process", 1, 2); /* the cursors hold their rows from now on */
	second = query_create(b.view);
	before = taken();
	assert_int_equal(query_run(second, &l, "process", QUERY_OWN, NULL), 0);
	rows = taken() - before;
	assert_in_range(rows, 0, (size_t)MANY * 36 + 8192);
	before = taken();
	query_value(b.query, 0, (size_t)query_column_find(b.query, "utime_sum"), &v);
	rows = taken() - before;
	assert_in_range(rows, 0, (size_t)MANY * 28 + 24576);
	query_destroy(second);
	tear_down(&b);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rollups_of_many),
		cmocka_unit_test(test_rows_left_behind),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
