/* A query that runs out of memory anywhere says so, or leaves a value out; asked again when there is some, it answers as any other:
 * also what was being read ahead, and what rolls up. */
#include "support/counted_malloc.h"
#include "unit/query_test.h"

enum { TICKS = 12, SEGMENT = 5, PROCESSES = 40, FAILURES_MAX = 3000 };

static char *tasks(void)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	fprintf(f, "table process state key=process pid=key:u64 start=key:u64:ticks\n"
		   "table thread state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 pstart=attribute:u64:ticks "
		   "utime=counter:u64:ns lat=histogram:edges(0/10):ns\nparent thread process pid pstart\n"
		   "rollup thread utime process user sum\nrollup thread lat process lat_all merge\n");
	for (int i = 1; i <= TICKS; i++) {
		fprintf(f, "%stick %ds\nsample process\n", i % SEGMENT == 1 && i > 1 ? "segment\n" : "", i);
		for (int k = 1; k <= PROCESSES; k++)
			fprintf(f, "row process pid=%d start=5\n", k == 1 ? 1000 + i : k);
		fprintf(f, "sample thread\n");
		for (int k = 1; k <= PROCESSES; k++)
			fprintf(f, "row thread tid=%d start=5 pid=%d pstart=5 utime=%dms lat=%d/%d\n", k, k, i * k, i, i * k);
	}
	assert_int_equal(fclose(f), 0);
	return text;
}

static bool at_once(void *of)
{
	(void)of;
	return true;
}

/* What a screen does: reads ahead in pieces, runs, looks at the values of some rows. */
static void look(struct bench *b, struct query *reader, const struct lens *l)
{
	const struct patience patience = {at_once, NULL};
	struct value v;
	int r = -EINTR;

	for (int i = 0; i < 100 && r == -EINTR; i++) {
		view_set_patience(b->view, &patience);
		r = query_ahead(reader, l, "process", 0);
		view_set_patience(b->view, NULL);
	}
	assert_int_equal(r, 0);
	if (query_run(b->query, l, "process", 0, NULL))
		return;
	for (size_t i = 0; i < query_nrows(b->query); i += 7)
		for (size_t c = 0; c < query_ncolumns(b->query); c++)
			query_value(b->query, i, c, &v);
}

static void test_failures(void **state)
{
	struct lens l = lens_window(3 * S, 11 * S);
	bool failed = true;
	char *text;

	(void)state;
	need_counting();
	text = tasks();
	for (unsigned long at = 1; failed; at += at < 200 ? 1 : 7) {
		struct query *reader;
		struct bench b;

		assert_in_range(at, 1, FAILURES_MAX);
		set_up(&b, text);
		assert_non_null(view_schema(b.view));
		reader = query_create(b.view);
		allocations = 0;
		fails_at = at;
		counting = true;
		look(&b, reader, &l);
		counting = false;
		failed = allocations >= at;
		fails_at = 0;
		/* Time goes on: what was left out is asked for again. */
		add(&b, "tick 13s\nsample process keep\nsample thread keep\n");
		l.to_ns = 12 * S;
		look(&b, reader, &l);
		assert_int_equal(query_run(b.query, &l, "process", 0, NULL), 0);
		assert_in_range(query_nrows(b.query), PROCESSES, PROCESSES + TICKS);
		expect(&b, 8, "user", (12 - 3) * 8 * 1e6);
		assert_int_equal(value(&b, 8, "lat_all").hist.counts[1], (12 - 3) * 8);
		l.to_ns = 11 * S;
		query_destroy(reader);
		tear_down(&b);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_failures)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
