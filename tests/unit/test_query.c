/* The rules of a window, each on frames that went through builder, writer, segments and cursors: what its columns say, and of which
 * samples. Which rows: test_query_rows.c; how it moves: test_query_moves.c; many of them: test_query_many.c; baselines:
 * test_query_baseline.c. */
#include "unit/query_test.h"

static void test_counters_and_gauges(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process at=1.01s\nrow process pid=1 start=5 comm=a utime=100ms rss=10\n"
			      "tick 2s\nsample process at=2.03s\nrow process pid=1 start=5 comm=a utime=300ms rss=30\n"
			      "tick 3s\nsample process at=3.01s\nrow process pid=1 start=5 comm=b utime=900ms rss=20\n"));
	run(&b, "process", 1, 3);
	assert_int_equal(query_nrows(b.query), 1);
	expect(&b, 1, "utime", 800e6);
	expect(&b, 1, "used", 800e6);
	expect(&b, 1, "rss", 20);
	expect(&b, 1, "twice", 40);
	expect(&b, 1, "grew", 10);
	/* By the table's own times: 2.00 s, not the frames' 2 s by luck: the next window shows it. */
	expect(&b, 1, "cpu", 40);
	run(&b, "process", 2, 3);
	expect(&b, 1, "cpu", 600e6 / 0.98e9 * 100);
	run(&b, "process", 1, 2);
	expect(&b, 1, "utime", 200e6);
	assert_int_equal(value(&b, 1, "comm").text.p[0], 'a');
	/* 5 ticks of 10 ms after boot, booted at wall 1.7e9 s = monotonic 0. */
	expect(&b, 1, "age", 2.03e9 - 50e6);
	tear_down(&b);
}

/* Who rests need not be told of again: its idle time goes on, the others stand still, and when it works again, that is
 * divided by the window, not by all the time since it was last told of. */
static void test_running(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, "table t state key=t id=key:u64 idle=counter:u64:ns,1!thousands busy=counter:u64:ns,1!thousands "
		   "runs=attribute:u64:none!running\n"
		   "derived t busy_pct rate busy scale=1e-7 unit=percent\nderived t idle_pct rate idle scale=1e-7 unit=percent\n"
		   "derived t all_pct rate busy+idle scale=1e-7 unit=percent\n"
		   "tick 1s\nsample t\nrow t id=1 idle=1s busy=0 runs=1\nrow t id=2 idle=1s busy=0 runs=0\n"
		   "tick 2s\nsample t keep\nrow t id=1 idle=1.5s busy=500ms runs=1\nrow t id=2 idle=2s busy=0 runs=0\n"
		   "tick 3s\nsample t keep\nrow t id=1 runs=1\nrow t id=2 runs=0\n"
		   "tick 8s\nsample t keep\nrow t id=1 runs=1\nrow t id=2 runs=0\n"
		   "segment\ntick 9s\nsample t keep\nrow t id=1 runs=1\nrow t id=2 runs=0\n"
		   "tick 10s\nsample t keep\nrow t id=1 idle=8.5s busy=1.5s runs=1\nrow t id=2 idle=9s busy=1s runs=0\n"
		   "tick 11s\nsample t keep\nrow t id=1 idle=8.4999s busy=2.5s runs=0\nrow t id=2 runs=0\n"
		   "tick 12s\nsample t keep\nrow t id=1 runs=2\n"
		   "tick 13s\nsample t keep\nend t id=1\n");
	run(&b, "t", 1, 2);
	expect(&b, 1, "busy_pct", 50);
	run(&b, "t", 3, 8);
	expect(&b, 1, "busy_pct", 0);
	expect(&b, 1, "idle_pct", 100);
	assert_true(value(&b, 1, "idle_pct").age_ns == 0);
	/* Nothing is known of one that does not say what runs. */
	expect(&b, 2, "idle_pct", NAN);
	/* Over a key frame. */
	run(&b, "t", 3, 9);
	expect(&b, 1, "idle", 6e9);
	run(&b, "t", 9, 10);
	expect(&b, 1, "busy_pct", 100);
	expect(&b, 1, "idle_pct", 0);
	expect(&b, 2, "busy_pct", 1.0 / 8 * 100);
	/* It was foretold a little too far: not less than nothing. */
	run(&b, "t", 10, 11);
	expect(&b, 1, "idle_pct", 0);
	expect(&b, 1, "all_pct", 100);
	run(&b, "t", 11, 12);
	expect(&b, 1, "all_pct", 100);
	expect(&b, 1, "busy_pct", 100);
	/* Told as stored, with its age. */
	run(&b, "t", 2, 8);
	assert_true(value(&b, 1, "runs").u == 1);
	tear_down(&b);
}

/* A window between frames uses the frames before its ends; one that begins before the recording says so. */
static void test_covers(void **state)
{
	struct query_info info;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 10s\nsample process\nrow process pid=1 start=5 utime=1s\n"
			      "tick 11s\nsample process\nrow process pid=1 start=5 utime=1.5s\n"
			      "tick 12s\nsample process\nrow process pid=1 start=5 utime=1.6s\n"));
	run(&b, "process", 0, 12);
	query_info(b.query, &info);
	assert_true(info.covers_less);
	assert_false(info.empty);
	assert_int_equal(info.used_from_ns, 10 * S);
	assert_int_equal(info.used_to_ns, 12 * S);
	assert_int_equal(info.used_to_wall_ns, 1700000012000000000);
	expect(&b, 1, "cpu", 30);
	run(&b, "process", 10.9, 11.9);
	query_info(b.query, &info);
	assert_false(info.covers_less);
	assert_int_equal(info.used_from_ns, 10 * S);
	assert_int_equal(info.used_to_ns, 11 * S);
	expect(&b, 1, "utime", 500e6);
	/* No two samples: no differences. */
	run(&b, "process", 10, 10.5);
	query_info(b.query, &info);
	assert_true(info.empty);
	expect(&b, 1, "utime", NAN);
	expect(&b, 1, "cpu", NAN);
	/* Live: the newest, and its length. */
	struct lens live = lens_live(1 * S);

	run_lens(&b, &live, "process", 0);
	expect(&b, 1, "utime", 100e6);
	tear_down(&b);
}

/* A table that is first sampled within the window: its differences are between its first sample and its last. */
static void test_late_table(void **state)
{
	static const char tables[] = "table disk state key=device name=key:u64 depth=gauge:u64\n"
				     "table late state key=late id=key:u64 total=counter:u64\nderived late per_s rate total\n";
	struct query_info info;
	struct bench b;
	char text[160];

	(void)state;
	set_up(&b, with(tables, "tick 10s\nsample disk\nrow disk name=1 depth=1\ntick 11s\nsample disk\nrow disk name=1 depth=1\n"
				"tick 12s\nsample disk\nsample late\nrow late id=1 total=100\n"));
	/* One sample is none. */
	run(&b, "late", 10, 12);
	query_info(b.query, &info);
	assert_true(info.empty);
	expect(&b, 1, "per_s", NAN);
	for (int i = 13; i < 20; i++) {
		snprintf(text, sizeof(text), "tick %ds\nsample disk\nsample late\nrow late id=1 total=%d\n%s", i, 100 + (i - 12) * 5,
			 i >= 15 ? "row late id=2 total=7\n" : "");
		add(&b, text);
		run(&b, "late", i < 18 ? 10 : 11, i);
		query_info(b.query, &info);
		assert_false(info.empty);
		assert_true(info.covers_less);
		assert_int_equal(info.from_ns, (i < 18 ? 10 : 11) * S);
		assert_int_equal(info.used_from_ns, 12 * S);
		assert_int_equal(info.used_to_ns, i * S);
		expect(&b, 1, "per_s", 5);
	}
	run(&b, "disk", 10, 19);
	query_info(b.query, &info);
	assert_int_equal(info.used_from_ns, 10 * S);
	assert_false(info.covers_less);
	/* Later windows, and earlier ones. */
	run(&b, "late", 12, 19);
	query_info(b.query, &info);
	assert_false(info.covers_less);
	expect(&b, 1, "total", 35);
	run(&b, "late", 10, 14);
	expect(&b, 1, "total", 10);
	run(&b, "late", 10, 11);
	assert_int_equal(query_nrows(b.query), 0);
	tear_down(&b);
}

/* When a table began is looked for once, whoever asks, and whatever the same query asks between: the following ticks cost what they
 * bring. */
static void test_late_table_is_found_once(void **state)
{
	static const char tables[] = "table disk state key=device name=key:u64 depth=gauge:u64\n"
				     "table late state key=late id=key:u64 total=counter:u64\nderived late per_s rate total\n"
				     "table later state key=late id=key:u64 total=counter:u64\n";
	struct source *source;
	struct query *other;
	struct bench b;
	char text[256];

	(void)state;
	set_up(&b, with(tables, "tick 10s\nsample disk\nrow disk name=1 depth=1\n"));
	source = view_source(b.view, 0);
	other = query_create(b.view);
	for (int i = 11; i < 60; i++) {
		struct lens lens = lens_window(10 * S, (uint64_t)i * S);
		uint64_t before = source->decoded;

		snprintf(text, sizeof(text), "tick %ds\nsample disk\nrow disk name=1 depth=1\n", i);
		if (i >= 20)
			snprintf(text + strlen(text), sizeof(text) - strlen(text),
				 "sample late\nrow late id=1 total=%d\nsample later\nrow later id=1 total=%d\n", i, i);
		add(&b, text);
		run(&b, "late", 10, i);
		run(&b, "later", 10, i);
		assert_int_equal(query_run(other, &lens, "late", 0, NULL), 0);
		if (i > 23)
			assert_in_range(source->decoded - before, 2, 6);
		/* How many there are is known without its first sample. */
		if (i == 40 || i == 41) {
			struct query *count = query_create(b.view);
			struct lens whole = lens_window(9 * S, (uint64_t)i * S);

			query_expect(count, &whole, (const char *const[]){"disk", "late", "later"}, 3);
			before = source->decoded;
			assert_int_equal(query_run(count, &whole, "late", QUERY_OWN | QUERY_COUNT, NULL), 0);
			assert_int_equal(query_nrows(count), 1);
			assert_int_equal(query_run(count, &whole, "later", QUERY_OWN | QUERY_COUNT, NULL), 0);
			assert_int_equal(query_nrows(count), 1);
			assert_int_equal(source->decoded, before);
			query_destroy(count);
		}
	}
	query_destroy(other);
	tear_down(&b);
}

static void test_new_rows_and_born(void **state)
{
	struct query_row r;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=1s rss=1\n"
			      "tick 2s\nsample process at=2.5s keep\nrow process pid=7 start=6 utime=5s rss=50\n"
			      "born process pid=8 start=9 utime=300ms rss=70\n"
			      "tick 3s\nsample process at=3.5s keep\nrow process pid=7 start=6 utime=6s rss=60\n"
			      "row process pid=8 start=9 utime=500ms\n"));
	/* Both began in the window: one counts from its first value and time, the other from 0 and the sample before. */
	run(&b, "process", 1, 3);
	expect(&b, 7, "utime", 1e9);
	expect(&b, 7, "cpu", 100);
	expect(&b, 8, "utime", 500e6);
	expect(&b, 8, "cpu", 20);
	expect(&b, 7, "grew", NAN);
	expect(&b, 8, "grew", 70);
	assert_true(query_row(b.query, row_of(&b, 7), &r) && r.began);
	assert_int_equal(r.covered_from_ns, 2.5 * S);
	assert_true(query_row(b.query, row_of(&b, 8), &r) && r.began);
	assert_int_equal(r.covered_from_ns, 1 * S);
	assert_true(query_row(b.query, row_of(&b, 1), &r) && !r.began);
	/* In the tick in which they came: nothing to subtract; since the sample before. */
	run(&b, "process", 1, 2);
	expect(&b, 7, "utime", NAN);
	expect(&b, 8, "utime", 300e6);
	expect(&b, 8, "cpu", 20);
	/* Within their lives the window alone decides. */
	run(&b, "process", 2, 3);
	expect(&b, 8, "utime", 200e6);
	expect(&b, 8, "cpu", 20);
	tear_down(&b);
}

static void test_ended_rows(void **state)
{
	struct query_info info;
	struct query_row r;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=1s\nrow process pid=2 start=5 utime=1s\n"
			      "tick 2s\nsample process keep\nrow process pid=2 start=5 utime=1.5s\n"
			      "tick 3s\nsample process keep\nend process pid=2 start=5\n"
			      "tick 4s\nsample process keep\n"));
	run(&b, "process", 1, 4);
	assert_int_equal(query_nrows(b.query), 2);
	expect(&b, 2, "utime", 500e6);
	assert_true(query_row(b.query, row_of(&b, 2), &r));
	assert_int_equal(r.ended_ns, 3 * S);
	query_info(b.query, &info);
	assert_int_equal(info.rows_ended, 1);
	/* Alive at the end of this one, gone before that one. */
	run(&b, "process", 1, 2);
	assert_true(query_row(b.query, row_of(&b, 2), &r));
	assert_int_equal(r.ended_ns, 0);
	run(&b, "process", 3, 4);
	assert_int_equal(query_nrows(b.query), 1);
	run(&b, "process", 3.5, 4);
	assert_int_equal(query_nrows(b.query), 1);
	/* Back to the wide window: it must come again, though the cursor has forgotten it. */
	run(&b, "process", 1, 4);
	assert_int_equal(query_nrows(b.query), 2);
	struct lens l = lens_window(1 * S, 4 * S);

	run_lens(&b, &l, "process", QUERY_ALIVE);
	assert_int_equal(query_nrows(b.query), 1);
	/* A pid that comes again is another row. */
	add(&b, "tick 5s\nsample process keep\nborn process pid=2 start=400 utime=10ms\n");
	run(&b, "process", 1, 5);
	assert_int_equal(query_nrows(b.query), 3);
	tear_down(&b);
}

/* A counter that was first read some time after its row came counts from that first value, not from 0. */
static void test_late_first_reading(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=1s\n"
			      "tick 2s\nsample process keep\nrow process pid=7 start=6 utime=?no\n"
			      "tick 3s\nsample process keep\nrow process pid=7 start=6 utime=5s io=5000\n"
			      "tick 4s\nsample process keep\nrow process pid=7 start=6 utime=6s io=5300\n"
			      "row process pid=1 start=5 io=700\n"
			      "segment\ntick 5s\nsample process keep\nrow process pid=7 start=6 utime=6s io=5400\n"
			      "row process pid=1 start=5 io=900\n"));
	run(&b, "process", 1, 3);
	expect(&b, 7, "io", NAN);
	expect(&b, 7, "utime", NAN);
	run(&b, "process", 1, 4);
	expect(&b, 7, "io", 300);
	expect(&b, 7, "utime", 1e9);
	run(&b, "process", 1, 5);
	expect(&b, 7, "io", 400);
	expect(&b, 7, "cpu", 100 * 1. / 2);
	run(&b, "process", 4, 5);
	expect(&b, 7, "io", 100);
	expect(&b, 1, "io", 200);
	run(&b, "process", 1, 5);
	expect(&b, 1, "io", 200);
	expect(&b, 1, "io_rate", 200); /* over the second in which it was known */
	expect(&b, 7, "io_rate", 200);
	tear_down(&b);
}

static void test_counters_fall(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=10s\n"
			      "tick 2s\nsample process keep\nrow process pid=1 start=5 utime=11s\n"
			      "tick 3s\nsample process keep\nrow process pid=1 start=5 utime=2s\n"
			      "segment\n"
			      "tick 4s\nsample process keep\nrow process pid=1 start=5 utime=5s\n"));
	run(&b, "process", 1, 4);
	expect(&b, 1, "utime", 4e9);
	run(&b, "process", 2, 3);
	expect(&b, 1, "utime", 0);
	run(&b, "process", 3, 4);
	expect(&b, 1, "utime", 3e9);
	tear_down(&b);
}

static void test_unread_and_stale(void **state)
{
	struct bench b;
	struct value v;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=1s rss=5 io=100\n"
			      "tick 2s\nsample process\nrow process pid=1 start=5 utime=2s rss=?\"needs root\" io=300\n"
			      "tick 3s\nsample process\nrow process pid=1 start=5 utime=3s rss=?\"needs root\"\n"
			      "tick 4s\nsample process\nrow process pid=1 start=5 utime=4s rss=7\n"));
	run(&b, "process", 1, 3);
	v = value(&b, 1, "rss");
	assert_int_equal(v.state, VALUE_UNREAD);
	assert_int_equal(v.reason_len, 10);
	assert_memory_equal(v.reason, "needs root", 10);
	v = value(&b, 1, "twice");
	assert_int_equal(v.state, VALUE_UNREAD);
	v = value(&b, 1, "comm");
	assert_int_equal(v.state, VALUE_ABSENT);
	/* Read at 1 and 2 only: its rate is over that second, its age says so. */
	v = value(&b, 1, "io");
	assert_int_equal(v.u, 200);
	assert_int_equal(v.age_ns, 1 * S);
	expect(&b, 1, "io_rate", 200);
	assert_int_equal(value(&b, 1, "io_rate").age_ns, 1 * S);
	run(&b, "process", 2, 4);
	/* Never read again in this window: nothing is known of it. */
	expect(&b, 1, "io", NAN);
	expect(&b, 1, "io_rate", NAN);
	assert_int_equal(value(&b, 1, "utime").age_ns, 0);
	tear_down(&b);
}

static void test_table_states(void **state)
{
	struct query_info info;
	struct bench b;

	(void)state;
	set_up(&b, with(proc, "tick 1s\nsample process\nrow process pid=1 start=5 utime=1s rss=5\n"
			      "tick 2s\nsample process\nrow process pid=1 start=5 utime=2s rss=6\n"
			      "tick 3s\nstate process failed \"no /proc\"\n"
			      "tick 4s\nstate process failed \"no /proc\"\n"));
	run(&b, "process", 1, 4);
	query_info(b.query, &info);
	assert_int_equal(info.state, CULPRIT_FAILED);
	assert_int_equal(info.reason_len, 8);
	assert_int_equal(info.used_to_ns, 2 * S);
	expect(&b, 1, "utime", 1e9);
	expect(&b, 1, "cpu", 100);
	assert_int_equal(value(&b, 1, "rss").age_ns, 2 * S);
	tear_down(&b);
}

static void test_peaks(void **state)
{
	char text[4096] = "";
	size_t n = 0;
	struct bench b;

	(void)state;
	/* 20 ticks in segments of 5: the peak of tick i is i, but 100 in tick 8. */
	for (int i = 1; i <= 20; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "tick %ds\nsample process\nrow process pid=1 start=5 wait=%d\n%s", i,
				      i == 8 ? 100 : i, i % 5 ? "" : "segment\n");
	set_up(&b, with(proc, text));
	run(&b, "process", 1, 20);
	expect(&b, 1, "wait", 100);
	run(&b, "process", 8, 20);
	expect(&b, 1, "wait", 20);
	run(&b, "process", 7, 8);
	expect(&b, 1, "wait", 100);
	run(&b, "process", 1, 7);
	expect(&b, 1, "wait", 7);
	run(&b, "process", 2, 19);
	expect(&b, 1, "wait", 100);
	assert_true(view_memory(b.view) > 0);
	/* Remembered or not, the answer is the same. */
	view_set_memory(b.view, 0);
	run(&b, "process", 1, 20);
	expect(&b, 1, "wait", 100);
	struct lens l = lens_window(1 * S, 20 * S);

	run_lens(&b, &l, "process", QUERY_RAW);
	expect(&b, 1, "wait", 20);
	tear_down(&b);
}

static const char disk[] =
	"table disk state key=device id=key:u64 lat=histogram:edges(0/10/20/40):ns ops=counter:u64\n"
	"derived disk p50 percentile lat arg=50 unit=ns\n"
	"derived disk p99 percentile lat arg=99 unit=ns\n";

static void test_histograms(void **state)
{
	struct value v;
	struct bench b;

	(void)state;
	set_up(&b, with(disk, "tick 1s\nsample disk\nrow disk id=1 lat=100/0/0/5\n"
			      "tick 2s\nsample disk\nrow disk id=1 lat=104/4/0/5\nrow disk id=2 lat=9/9/9/9\n"
			      "tick 3s\nsample disk\nrow disk id=1 lat=104/4/8/5\nrow disk id=2 lat=9/10/9/9\n"
			      "born disk id=3 lat=0/0/0/2\n"));
	run(&b, "disk", 1, 3);
	v = value(&b, 1, "lat");
	assert_int_equal(v.hist.bounds->count, 4);
	assert_int_equal(v.hist.counts[0], 4);
	assert_int_equal(v.hist.counts[1], 4);
	assert_int_equal(v.hist.counts[2], 8);
	assert_int_equal(v.hist.counts[3], 0);
	/* 8 of 16 lie below 20. */
	expect(&b, 1, "p50", 20);
	expect(&b, 1, "p99", 20 + 20 * (0.99 * 16 - 8) / 8);
	assert_int_equal(value(&b, 1, "p99").n, 16);
	/* From its first counts; and born: from 0, in the slot without upper edge. */
	expect(&b, 2, "lat", 1);
	expect(&b, 3, "p50", 40);
	/* Only a range of it. */
	struct lens l = lens_window(1 * S, 3 * S);

	l.has_range = true;
	strcpy(l.range_table, "disk");
	strcpy(l.range_column, "lat");
	l.range_lo = 10;
	l.range_hi = 20;
	run_lens(&b, &l, "disk", 0);
	expect(&b, 1, "lat", 4);
	expect(&b, 1, "p50", 15);
	tear_down(&b);
}

static void test_events(void **state)
{
	struct query_info info;
	struct bench b;
	int text;
	struct value v;

	(void)state;
	set_up(&b, "table mark event time=time:u64:mono_ns text=attribute:text\n"
		   "tick 1s\nevent mark time=0.5s text=before\n"
		   "tick 2s\nevent mark time=1.9s text=second\nevent mark time=1.2s text=first\nlost mark 3\n"
		   "tick 3s\nevent mark time=2.5s text=third\nsegment\n"
		   "tick 4s\nlost mark 2\n");
	run(&b, "mark", 1, 3);
	assert_int_equal(query_nrows(b.query), 3);
	text = query_column_find(b.query, "text");
	query_value(b.query, 0, (size_t)text, &v);
	assert_memory_equal(v.text.p, "first", 5);
	query_value(b.query, 2, (size_t)text, &v);
	assert_memory_equal(v.text.p, "third", 5);
	query_info(b.query, &info);
	assert_int_equal(info.lost, 3);
	assert_int_equal(info.used_from_ns, 1 * S);
	assert_int_equal(info.used_to_ns, 3 * S);
	run(&b, "mark", 0, 4);
	assert_int_equal(query_nrows(b.query), 4);
	query_info(b.query, &info);
	assert_int_equal(info.lost, 5);
	run(&b, "mark", 2, 4);
	assert_int_equal(query_nrows(b.query), 1);
	query_info(b.query, &info);
	assert_int_equal(info.lost, 2);
	/* Adjoining windows count each once. */
	run(&b, "mark", 1, 2);
	assert_int_equal(query_nrows(b.query), 2);
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_and_gauges),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_covers),
		cmocka_unit_test(test_late_table),
		cmocka_unit_test(test_late_table_is_found_once),
		cmocka_unit_test(test_new_rows_and_born),
		cmocka_unit_test(test_ended_rows),
		cmocka_unit_test(test_late_first_reading),
		cmocka_unit_test(test_counters_fall),
		cmocka_unit_test(test_unread_and_stale),
		cmocka_unit_test(test_table_states),
		cmocka_unit_test(test_peaks),
		cmocka_unit_test(test_histograms),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
