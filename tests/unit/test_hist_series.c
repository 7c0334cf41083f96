/* Histograms over time, against sums made by hand from the same ticks; percentiles against the values themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "derive.h"
#include "hist_series.h"
#include "query.h"
#include "textframes.h"

#define S 1000000000ull

enum { N = 16 };

static const char head[] = "table disk state key=device name=key:text lat=histogram:edges(0/10/100):ns\n";

struct bench {
	struct textframes *frames;
	struct view *view;
	struct hist_series out;
};

static void set_up_with(struct bench *b, const char *declared, const char *text)
{
	struct culprit_error e = {""};
	static char all[262144];

	snprintf(all, sizeof(all), "%s%s", declared, text);
	b->frames = textframes_create(all, &e);
	if (!b->frames)
		fail_msg("%s", e.sentence);
	b->view = view_create();
	view_add_source(b->view, textframes_source(b->frames));
	hist_series_init(&b->out);
}

static void set_up(struct bench *b, const char *text)
{
	set_up_with(b, head, text);
}

static void tear_down(struct bench *b)
{
	hist_series_finish(&b->out);
	view_destroy(b->view);
	textframes_destroy(b->frames);
}

static void more(struct bench *b, const char *text)
{
	struct culprit_error e = {""};

	if (textframes_add(b->frames, text, &e))
		fail_msg("%s", e.sentence);
	view_refresh(b->view, NULL);
}

/* In tick i vda counts i below 10 and 1 above 100, vdb 2 in the middle. A segment every 4 ticks. */
static const char *ticks(int from, int to)
{
	static char text[131072];
	size_t n = 0;

	text[0] = '\0';
	for (int i = from; i <= to; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "tick %ds\nsample disk\nrow disk name=vda lat=%d/0/%d\nrow disk name=vdb lat=0/%d/0\n%s", 100 + i,
				      i * (i + 1) / 2, i, i * 2, i % 4 ? "" : "segment\n");
	return text;
}

static struct row_key device(const char *name)
{
	return (struct row_key){1, {row_key_text(name, strlen(name))}};
}

static struct hist_series_request request(struct bench *b, uint64_t to, uint64_t step)
{
	uint64_t end = hist_series_end(b->view, (100 + to) * S, step * S, S);
	struct hist_series_request r = {.table = "disk", .column = "lat", .step_ns = step * S, .n = N};

	r.from_ns = end >= N * step * S ? end - N * step * S : end % (step * S);
	return r;
}

static void run(struct bench *b, const struct hist_series_request *r)
{
	struct culprit_error e = {""};

	if (hist_series_run(b->view, r, &b->out, &e))
		fail_msg("%s", e.sentence);
}

/* The column in which the tick at second t counts. */
static size_t column(const struct hist_series_request *r, uint64_t t)
{
	return (size_t)(((100 + t) * S - S / 2 - r->from_ns) / r->step_ns);
}

static uint64_t count(const struct bench *b, size_t c, uint32_t slot)
{
	return b->out.counts[c * b->out.bounds.count + slot];
}

static void columns_hold_what_ticks_counted(void **state)
{
	struct hist_series_request r;
	struct bench b;

	(void)state;
	set_up(&b, ticks(1, 14));
	r = request(&b, 14, 1);
	run(&b, &r);
	assert_true(b.out.known);
	assert_int_equal(b.out.bounds.count, 3);
	/* The newest tick is in the last column. */
	assert_int_equal(column(&r, 14), N - 1);
	for (uint64_t t = 2; t <= 14; t++) {
		size_t c = column(&r, t);

		assert_int_equal(b.out.columns[c].ticks, 1);
		assert_int_equal(b.out.columns[c].covered_ns, S);
		assert_int_equal(count(&b, c, 0), t);
		assert_int_equal(count(&b, c, 1), 2);
		assert_int_equal(count(&b, c, 2), 1);
		assert_int_equal(b.out.stats[c].n, t + 3);
	}
	/* The first tick has nothing before it: it was recorded, and counts nothing. */
	assert_int_equal(b.out.columns[column(&r, 1)].ticks, 0);
	tear_down(&b);
}

/* What is remembered, what is gone on with, and what is asked for the first time give the same. */
static void growing_segments_are_gone_on_with(void **state)
{
	struct hist_series_request r;
	struct bench b, fresh;

	(void)state;
	set_up(&b, ticks(1, 2));
	for (int last = 3; last <= 23; last++) {
		uint64_t step = last % 3 ? 1 : 5;

		more(&b, ticks(last, last));
		r = request(&b, (uint64_t)last, step);
		run(&b, &r);
		run(&b, &r); /* nothing new */
		set_up(&fresh, ticks(1, last));
		run(&fresh, &r);
		assert_memory_equal(b.out.counts, fresh.out.counts, N * 3 * sizeof(uint64_t));
		assert_memory_equal(b.out.columns, fresh.out.columns, N * sizeof(struct hist_column));
		tear_down(&fresh);
	}
	assert_true(view_memory(b.view) > 0);
	tear_down(&b);
}

static void rows_apart_and_some_merged(void **state)
{
	struct row_key keys[3] = {device("vdb"), device("vda"), device("none")};
	struct hist_series_request r;
	struct bench b;
	size_t c;

	(void)state;
	set_up(&b, ticks(1, 14));
	r = request(&b, 14, 1);
	r.keys = keys;
	r.nkeys = 3;
	r.apart = true;
	run(&b, &r);
	c = column(&r, 10);
	assert_int_equal(b.out.nseries, 3);
	assert_int_equal(b.out.stats[0 * N + c].n, 2);
	assert_int_equal(b.out.stats[1 * N + c].n, 11);
	assert_int_equal(b.out.stats[2 * N + c].n, 0);
	r.apart = false;
	r.nkeys = 1;
	run(&b, &r);
	assert_int_equal(b.out.stats[c].n, 2);
	r.nkeys = 2;
	run(&b, &r);
	assert_int_equal(b.out.stats[c].n, 13);
	/* Nobody of that name: no ticks, which is not the same as nothing counted. */
	r.keys = &keys[2];
	r.nkeys = 1;
	run(&b, &r);
	assert_int_equal(b.out.columns[c].ticks, 0);
	assert_int_equal(b.out.columns[c].frames, 1);
	tear_down(&b);
}

/* A row that ends takes its last counts along; one that is born counts from 0; a failed sample is told. */
static void ended_born_and_failed(void **state)
{
	struct hist_series_request r;
	struct bench b;

	(void)state;
	set_up(&b, "tick 101s\nsample disk\nrow disk name=a lat=1/0/0\n"
		   "tick 102s\nsample disk\nrow disk name=a lat=4/0/0\nborn disk name=b lat=0/7/0\n"
		   "tick 103s\nsample disk keep\nrow disk name=a lat=9/0/0\nend disk name=a\n"
		   "tick 104s\nsample disk\nrow disk name=b lat=0/8/0\n"
		   "tick 105s\nstate disk failed \"why\"\n"
		   "tick 106s\nsample disk\nrow disk name=b lat=0/9/0\n");
	r = request(&b, 6, 1);
	run(&b, &r);
	assert_int_equal(count(&b, column(&r, 2), 0), 3);
	assert_int_equal(count(&b, column(&r, 2), 1), 7);
	assert_int_equal(count(&b, column(&r, 4), 1), 1);
	assert_int_equal(b.out.columns[column(&r, 5) + 1].failed + b.out.columns[column(&r, 5)].failed, 1);
	/* What was counted over two ticks stands in one column; how often there are samples is told. */
	assert_int_equal(b.out.columns[column(&r, 6)].covered_ns + b.out.columns[column(&r, 6) - 1].covered_ns, 2 * S);
	assert_int_equal(b.out.period_ns, S);
	tear_down(&b);
}

static void hostile_bounds_and_counts(void **state)
{
	static char wide[1 << 16], text[1 << 18];
	struct hist_series_request r;
	struct bench b;
	size_t n = 0, m = 0;

	(void)state;
	/* One slot, and counts that do not fit when added up. */
	set_up_with(&b, "table disk state key=device name=key:text lat=histogram:edges(0):ns\n",
		    "tick 101s\nsample disk\nrow disk name=a lat=0\nrow disk name=b lat=0\n"
		    "tick 102s\nsample disk\nrow disk name=a lat=18446744073709551615\nrow disk name=b lat=18446744073709551610\n");
	r = request(&b, 2, 1);
	run(&b, &r);
	assert_true(count(&b, N - 1, 0) == UINT64_MAX);
	assert_true(b.out.stats[N - 1].n == UINT64_MAX);
	assert_true(b.out.stats[N - 1].max_open);
	tear_down(&b);
	/* As many slots as there may be. */
	n += (size_t)snprintf(wide, sizeof(wide), "table disk state key=device name=key:text lat=histogram:edges(0");
	for (int i = 1; i < 1024; i++)
		n += (size_t)snprintf(wide + n, sizeof(wide) - n, "/%d", i);
	snprintf(wide + n, sizeof(wide) - n, "):ns\n");
	for (int t = 1; t <= 3; t++) {
		m += (size_t)snprintf(text + m, sizeof(text) - m, "tick %ds\nsample disk\nrow disk name=a lat=%d", 100 + t, t);
		for (int i = 1; i < 1024; i++)
			m += (size_t)snprintf(text + m, sizeof(text) - m, "/%d", t);
		m += (size_t)snprintf(text + m, sizeof(text) - m, "\n");
	}
	set_up_with(&b, wide, text);
	r = request(&b, 3, 1);
	run(&b, &r);
	assert_int_equal(b.out.stats[N - 1].n, 1024);
	assert_true(fabs(b.out.stats[N - 1].p50 - 512) < 1.01);
	/* What cannot be asked. */
	r.n = 0;
	assert_int_equal(hist_series_run(b.view, &r, &b.out, NULL), -EINVAL);
	r.n = N;
	r.step_ns = UINT64_MAX / 2;
	assert_int_equal(hist_series_run(b.view, &r, &b.out, NULL), -EINVAL);
	r = request(&b, 3, 1);
	snprintf(r.column, sizeof(r.column), "name");
	run(&b, &r);
	assert_false(b.out.known);
	tear_down(&b);
}

/* One tick; none; a wall clock that jumped between segments. */
static void little_and_jumps(void **state)
{
	struct hist_series_request r;
	struct bench b;

	(void)state;
	set_up(&b, "tick 105s\nsample disk\nrow disk name=a lat=1/0/0\n");
	r = request(&b, 5, 1);
	run(&b, &r);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(b.out.columns[i].ticks, 0);
	tear_down(&b);
	set_up(&b, "");
	r = (struct hist_series_request){.table = "disk", .column = "lat", .step_ns = S, .n = N};
	assert_int_equal(hist_series_run(b.view, &r, &b.out, NULL), -ENODATA);
	tear_down(&b);
	set_up(&b, "tick 101s wall=1700000001s\nsample disk\nrow disk name=a lat=1/0/0\n"
		   "tick 102s wall=1700000002s\nsample disk\nrow disk name=a lat=2/0/0\nsegment\n"
		   "tick 103s wall=1600000003s\nsample disk\nrow disk name=a lat=3/0/0\n"
		   "tick 104s wall=1600000004s\nsample disk\nrow disk name=a lat=4/0/0\n");
	r = request(&b, 4, 1);
	run(&b, &r);
	assert_int_equal(count(&b, N - 1, 0), 1);
	assert_int_equal(count(&b, N - 2, 0), 1);
	assert_int_equal(count(&b, N - 3, 0), 1);
	tear_down(&b);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A percentile lies in the slot in which the value of that rank lies: within an eighth of an octave. */
static void percentiles_against_the_values(void **state)
{
	enum { SLOTS = 300, MOST = 5000 };
	static double values[MOST];
	static const double percents[3] = {50, 90, 99};
	struct schema_bounds bounds = {.kind = CULPRIT_LOG_LINEAR, .count = SLOTS};
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint64_t counts[2][SLOTS] = {{0}};
		struct histogram_stats stats;
		size_t n = 1 + (size_t)(round * 37) % MOST;
		double got[3];

		for (size_t i = 0; i < n; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			/* Over many octaves, and in two parts, to be merged. */
			values[i] = floor(exp((double)(seed >> 40) / (1 << 24) * (2 + round % 20)));
			counts[i % 2][schema_slot(&bounds, values[i])]++;
		}
		histogram_add(counts[0], counts[1], SLOTS);
		histogram_describe(&bounds, counts[0], &stats);
		qsort(values, n, sizeof(values[0]), by_size);
		assert_int_equal(stats.n, n);
		got[0] = stats.p50;
		got[1] = stats.p90;
		got[2] = stats.p99;
		for (int k = 0; k < 3; k++) {
			size_t rank = (size_t)ceil(percents[k] / 100 * (double)n);
			uint32_t slot = schema_slot(&bounds, values[rank ? rank - 1 : 0]);

			if (!(got[k] >= schema_edge(&bounds, slot) && got[k] <= schema_edge(&bounds, slot + 1)))
				fail_msg("p%.0f of %zu is %f, not in the slot of %f", percents[k], n, got[k],
					 values[rank ? rank - 1 : 0]);
		}
		assert_true(stats.max > values[n - 1]);
		assert_true(stats.max <= schema_edge(&bounds, schema_slot(&bounds, values[n - 1]) + 1));
	}
}

/* Columns of a map add up to what a query says of the same window. */
static void columns_agree_with_a_query(void **state)
{
	struct hist_series_request r;
	struct query *q;
	struct lens lens;
	struct bench b;
	uint64_t sum = 0, all = 0;

	(void)state;
	set_up(&b, ticks(1, 30));
	r = request(&b, 30, 1);
	run(&b, &r);
	q = query_create(b.view);
	/* As a rectangle over columns 4..9 becomes a lens: half a tick later. */
	lens = lens_window(r.from_ns + 4 * S + S / 2, r.from_ns + 10 * S + S / 2);
	assert_int_equal(query_run(q, &lens, "disk", 0, NULL), 0);
	for (size_t i = 0; i < query_nrows(q); i++) {
		struct value v;

		query_value(q, i, (size_t)query_column_find(q, "lat"), &v);
		for (uint32_t k = 0; k < 3; k++)
			all += v.hist.counts[k];
	}
	for (size_t c = 4; c < 10; c++)
		sum += b.out.stats[c].n;
	assert_int_equal(sum, all);
	query_destroy(q);
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_hold_what_ticks_counted), cmocka_unit_test(growing_segments_are_gone_on_with),
		cmocka_unit_test(rows_apart_and_some_merged),	  cmocka_unit_test(ended_born_and_failed),
		cmocka_unit_test(hostile_bounds_and_counts),	  cmocka_unit_test(little_and_jumps),
		cmocka_unit_test(percentiles_against_the_values), cmocka_unit_test(columns_agree_with_a_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
