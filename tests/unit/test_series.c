#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include "recfile.h"
#include "segment.h"
#include "segment_codec.h"
#include "series.h"
#include "textframes.h"

#define S 1000000000ull

enum { N = 16 };

static const char head[] =
	"table disk state key=device name=key:text ops=counter:u64 depth=gauge:u64 lat=histogram:edges(0/10):ns cap=gauge:u64,1\n"
	"derived disk iops rate ops unit=count/s\n";

struct bench {
	struct textframes *frames;
	struct view *view;
	struct series out[4];
	struct series_bucket buckets[4][N];
};

static void set_up(struct bench *b, const char *text)
{
	struct culprit_error e = {""};
	static char all[65536];

	snprintf(all, sizeof(all), "%s%s", head, text);
	b->frames = textframes_create(all, &e);
	if (!b->frames)
		fail_msg("%s", e.sentence);
	b->view = view_create();
	view_add_source(b->view, textframes_source(b->frames));
	for (size_t i = 0; i < 4; i++)
		b->out[i].buckets = b->buckets[i];
}

static void tear_down(struct bench *b)
{
	view_destroy(b->view);
	textframes_destroy(b->frames);
}

/* Ticks from `from` to `to`: vda makes i operations more in tick i, its depth is i; vdb 10 each. A segment every 4. */
static const char *ticks(int from, int to)
{
	static char text[32768];
	size_t n = 0;

	text[0] = '\0';
	for (int i = from; i <= to; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "tick %ds\nsample disk\nrow disk name=vda ops=%d depth=%d lat=%d/0\nrow disk name=vdb "
				      "ops=%d depth=1\n%s",
				      i, i * (i + 1) / 2, i, i, i * 10, i % 4 ? "" : "segment\n");
	return text;
}

static struct row_key device(const char *name)
{
	return (struct row_key){1, {row_key_text(name, strlen(name))}};
}

static void run(struct bench *b, const struct series_request *r, size_t n, uint64_t to, uint64_t step)
{
	struct culprit_error e = {""};

	if (series_run(b->view, r, n, to * S, step * S, N, b->out, &e))
		fail_msg("%s", e.sentence);
}

/* Bucket that holds second t. */
static const struct series_bucket *at(const struct bench *b, size_t i, uint64_t t)
{
	uint64_t bucket = (t * S - b->out[i].from_ns - 1) / b->out[i].step_ns;

	assert_true(bucket < N);
	return &b->out[i].buckets[bucket];
}

/* The interval becomes shorter: in buckets of the new one, a tick of before is the value of all its time. */
static void test_interval_changed(void **state)
{
	const struct series_request r[] = {{"disk", "iops", device("vda")}};
	struct bench b;

	(void)state;
	set_up(&b, "host interval=4s\n"
		   "tick 4s\nsample disk\nrow disk name=vda ops=100\n"
		   "tick 8s\nsample disk\nrow disk name=vda ops=108\n"
		   "interval 1s\n"
		   "tick 9s\nsample disk\nrow disk name=vda ops=113\n"
		   "tick 10s\nsample disk\nrow disk name=vda ops=119\n");
	assert_int_equal(series_tick_ns(b.view), S);
	for (int again = 0; again < 2; again++) {
		run(&b, r, 1, 10, 1);
		for (uint64_t t = 5; t <= 8; t++)
			assert_true(at(&b, 0, t)->data && at(&b, 0, t)->mean == 2);
		assert_true(at(&b, 0, 9)->mean == 5 && at(&b, 0, 10)->mean == 6);
		/* The first sample has no rate. */
		assert_false(at(&b, 0, 4)->data);
	}
	tear_down(&b);
}

static void test_buckets(void **state)
{
	const struct series_request r[] = {
		{"disk", "iops", device("vda")}, {"disk", "depth", device("vda")}, {"disk", "iops", {0}}, {"disk", "nothing", {0}},
	};
	struct bench b;

	(void)state;
	set_up(&b, ticks(1, 12));
	/* 1700000000 s is a multiple of 4 s: buckets of 4 s end at 4, 8, 12 s. Twice: the second time from memory. */
	for (int again = 0; again < 2; again++) {
		run(&b, r, 4, 12, 4);
		assert_int_equal(b.out[0].from_ns + N * 4 * S, 12 * S);
		assert_int_equal(b.out[0].unit, CULPRIT_COUNT_PER_S);
		assert_int_equal(b.out[1].unit, CULPRIT_NONE);
		/* 5, 6, 7, 8 operations a second. */
		assert_true(at(&b, 0, 8)->data);
		assert_int_equal(at(&b, 0, 8)->ticks, 4);
		assert_true(at(&b, 0, 8)->min == 5 && at(&b, 0, 8)->max == 8 && at(&b, 0, 8)->mean == 6.5 &&
			    at(&b, 0, 8)->last == 8);
		/* The first sample has no rate, but a depth. */
		assert_int_equal(at(&b, 0, 4)->ticks, 3);
		assert_int_equal(at(&b, 1, 4)->ticks, 4);
		assert_true(at(&b, 1, 12)->last == 12);
		assert_true(at(&b, 2, 8)->mean == 16.5);
		for (size_t i = 0; i < N; i++) {
			assert_false(b.buckets[3][i].data);
			assert_int_equal(b.buckets[0][i].data, i >= N - 3);
		}
	}
	assert_true(view_memory(b.view) > 0);
	tear_down(&b);
}

/* Tick by tick gives what all at once gives, and buckets do not move. */
static void test_grows(void **state)
{
	const struct series_request r[] = {{"disk", "iops", device("vda")}, {"disk", "depth", {0}}};
	struct bench b, whole;

	(void)state;
	set_up(&b, ticks(1, 2));
	for (int i = 3; i <= 23; i++) {
		struct culprit_error e;

		assert_int_equal(textframes_add(b.frames, ticks(i, i), &e), 0);
		view_refresh(b.view, NULL);
		run(&b, r, i % 5 ? 1 : 2, (uint64_t)i, 2);
		assert_int_equal((int64_t)b.out[0].from_ns % (int64_t)(2 * S), 0); /* before 0 it wraps */
	}
	run(&b, r, 2, 23, 2);
	set_up(&whole, ticks(1, 23));
	run(&whole, r, 2, 23, 2);
	assert_memory_equal(b.buckets, whole.buckets, 2 * sizeof(b.buckets[0]));
	tear_down(&b);
	tear_down(&whole);
}

static void test_gaps_and_falls(void **state)
{
	const struct series_request r[] = {{"disk", "iops", device("vda")}, {"disk", "lat", device("vda")}};
	struct bench b;

	(void)state;
	/* Not sampled at 3; fell at 5; gone at 6; again, as another one, at 7. */
	set_up(&b, "tick 1s\nsample disk\nrow disk name=vda ops=100 lat=0/0\n"
		   "tick 2s\nsample disk\nrow disk name=vda ops=110 lat=3/0\n"
		   "tick 3s\n"
		   "tick 4s\nsample disk\nrow disk name=vda ops=130 lat=4/2\n"
		   "tick 5s\nsample disk\nrow disk name=vda ops=7 lat=4/2\n"
		   "tick 6s\nsample disk\n"
		   "tick 7s\nsample disk\nborn disk name=vda ops=5 lat=1/1\n"
		   "tick 8s\nsample disk\nrow disk name=vda ops=6 lat=1/1\n");
	run(&b, r, 2, 8, 1);
	assert_true(at(&b, 0, 2)->last == 10);
	assert_false(at(&b, 0, 3)->data);
	assert_true(at(&b, 0, 4)->last == 10); /* 20 in the 2 s since its last sample */
	assert_true(at(&b, 0, 5)->last == 0);
	assert_false(at(&b, 0, 6)->data);
	assert_true(at(&b, 0, 7)->last == 5);
	assert_true(at(&b, 0, 8)->last == 1);
	assert_true(at(&b, 1, 4)->last == 3);
	tear_down(&b);
}

/* The segments of a source, as a recording. */
static struct source *recorded(struct source *from)
{
	int fd = memfd_create("test", 0), n;
	struct culprit_error e = {""};
	struct sink *sink = recfile_sink_fd(dup(fd), "memory", &e);

	n = from->ops->refresh(from, &e);
	for (int i = 0; i < n; i++) {
		const struct segment_info *info = from->ops->segment(from, (size_t)i);
		struct segment *segment = segment_create();

		assert_int_equal(segment_update(segment, from, info->seq, &e), 0);
		assert_int_equal(sink->ops->begin(sink, &segment->meta, &e), 0);
		if (segment->summary) {
			size_t end = segment->summary - 16;

			assert_int_equal(sink->ops->append(sink, segment->bytes.data, end, info->to_ns, &e), 0);
			assert_int_equal(sink->ops->end(sink, segment->bytes.data + end, segment->bytes.len - end, &e), 0);
		} else {
			assert_int_equal(sink->ops->append(sink, segment->bytes.data, segment->bytes.len, info->to_ns, &e), 0);
		}
		segment_unlock(segment);
	}
	sink->ops->destroy(sink);
	lseek(fd, 0, SEEK_SET);
	return recfile_source_fd(fd, "memory", &e);
}

static int summaries, reads;
static const struct source_ops *counted;

static int count_summary(struct source *s, uint64_t seq, struct wbuf *w, struct culprit_error *e)
{
	summaries++;
	return counted->summary(s, seq, w, e);
}

static int count_read(struct source *s, uint64_t seq, uint64_t offset, struct wbuf *w, struct culprit_error *e)
{
	reads++;
	return counted->read(s, seq, offset, w, e);
}

/* Out of summaries and out of frames, a chart is the same, also where another column is read when it likes (`cap`); and of long recordings nearly no frame is read for it. */
static void test_summaries(void **state)
{
	static const struct series_request requests[] = {
		{"disk", "iops", {0}}, {"disk", "depth", {0}}, {"disk", "ops", {0}}, {"disk", "lat", {0}},
	};
	static char text[32768];
	struct series_request one[4];
	struct source_ops ops;
	struct source *made, *file;
	struct series out[4];
	struct series_bucket buckets[4][N];
	struct view *view;
	struct bench b;

	(void)state;
	/* vda counts again from 0 in tick 27 and is not read in 33; vdc is there from tick 41 to 46. */
	for (int i = 1, n = 0; i <= 60; i++) {
		char ops_text[32];

		snprintf(ops_text, sizeof(ops_text), i == 33 ? "?\"gone\"" : "%d", i < 27 ? i * i : i - 26);
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "tick %ds\nsample disk\nrow disk name=vda ops=%s depth=%d lat=1/0 cap=9\nrow disk name=vdb ops=%d depth=1 lat=%d/0\n%s%s",
			      i, ops_text, i % 7, i * 10, i, i >= 41 && i <= 46 ? "row disk name=vdc ops=5 depth=3 lat=0/0\n" : "",
			      i % 4 ? "" : "segment\n");
	}
	set_up(&b, text);
	made = textframes_source(b.frames);
	file = recorded(made);
	source_destroy(made);
	assert_non_null(file);
	counted = file->ops;
	ops = *file->ops;
	ops.summary = count_summary;
	ops.read = count_read;
	file->ops = &ops;
	view = view_create();
	assert_int_equal(view_add_source(view, file), 0);
	for (int keyed = 0; keyed < 3; keyed++) {
		memcpy(one, requests, sizeof(one));
		for (size_t i = 0; i < 4 && keyed; i++)
			one[i].key = device(keyed == 1 ? "vda" : "vdc");
		for (uint64_t step = 1; step <= 5; step += 4) {
			struct culprit_error e = {""};

			for (uint64_t to = 17; to <= 60; to += 8) {
				run(&b, one, 4, to, step);
				for (size_t i = 0; i < 4; i++)
					out[i].buckets = buckets[i];
				assert_int_equal(series_run(view, one, 4, to * S, step * S, N, out, &e), 0);
				for (size_t i = 0; i < 4; i++) {
					assert_int_equal(out[i].unit, b.out[i].unit);
					for (size_t k = 0; k < N; k++) {
						const struct series_bucket *x = &out[i].buckets[k], *y = &b.out[i].buckets[k];

						if (x->ticks != y->ticks || fabs(x->mean - y->mean) > 1e-9 || x->max != y->max || x->last != y->last)
							fail_msg("%s of %d at %zu, to %d, step %d: %u ticks of %g, not %u of %g", one[i].column, keyed, k,
								 (int)to, (int)step, x->ticks, x->mean, y->ticks, y->mean);
					}
				}
			}
		}
	}
	assert_true(summaries > 0);
	view_destroy(view);
	/* Without histograms, rows that come and go, and before anything is remembered. */
	made = textframes_source(b.frames);
	file = recorded(made);
	source_destroy(made);
	file->ops = &ops;
	view = view_create();
	assert_int_equal(view_add_source(view, file), 0);
	summaries = reads = 0;
	for (size_t i = 0; i < 3; i++)
		out[i].buckets = buckets[i];
	assert_int_equal(series_run(view, requests, 3, 40 * S, 5 * S, N, out, &(struct culprit_error){""}), 0);
	assert_true(summaries >= 10);
	assert_true(reads <= 4); /* the host's zone, the schema */
	view_destroy(view);
	tear_down(&b);
}

/* A column that is the parent's, and is read where the children are. */
static void test_rollups(void **state)
{
	struct series_request requests[] = {{"process", "cpu_sum", {1, {7}}}, {"process", "most", {1, {7}}}, {"process", "cpu_sum", {0}}};
	struct culprit_error e = {""};
	struct textframes *frames =
		textframes_create("table process state key=process pid=key:u64\n"
				  "table thread state key=thread tid=key:u64 pid=attribute:u64 ran=counter:u64:ns depth=gauge:u64\n"
				  "parent thread process pid\n"
				  "derived thread cpu rate ran scale=1 unit=ns/s\n"
				  "rollup thread cpu process cpu_sum sum\nrollup thread depth process most max\n", &e);
	struct series_bucket buckets[3][N];
	struct series out[3] = {{.buckets = buckets[0]}, {.buckets = buckets[1]}, {.buckets = buckets[2]}};
	struct view *view = view_create();

	(void)state;
	if (!frames)
		fail_msg("%s", e.sentence);
	for (int i = 1; i <= 10; i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "tick %ds\nsample process\nrow process pid=7\nrow process pid=8\nsample thread\n"
			 "row thread tid=1 pid=7 ran=%d depth=%d\nrow thread tid=2 pid=7 ran=%d depth=2\n"
			 "row thread tid=3 pid=8 ran=%d depth=9\n", i, i * 100, i, i * 20, i * 3);
		assert_int_equal(textframes_add(frames, text, &e), 0);
	}
	view_add_source(view, textframes_source(frames));
	assert_int_equal(series_run(view, requests, 3, 10 * S, S, N, out, &e), 0);
	assert_true(buckets[0][N - 1].mean == 120 && buckets[0][N - 2].mean == 120);
	assert_true(buckets[1][N - 1].mean == 10 && buckets[1][N - 10].mean == 2);
	assert_true(buckets[2][N - 1].mean == 123);
	assert_int_equal(out[0].unit, CULPRIT_NS_PER_S);
	view_destroy(view);
	textframes_destroy(frames);
}

static void test_step(void **state)
{
	(void)state;
	assert_int_equal(series_step(0, 60 * S, 60, S), S);
	assert_int_equal(series_step(0, 61 * S, 60, S), 2 * S);
	assert_int_equal(series_step(0, 600 * S, 60, S), 10 * S);
	assert_int_equal(series_step(0, 86400 * S, 60, S), 1800 * S);
	assert_int_equal(series_step(0, 3 * S, 60, S / 10), S / 10);
	for (uint64_t span = 1; span < 40000000; span = span * 3 + 1) {
		uint64_t step = series_step(0, span * S, 70, S);

		assert_int_equal(step % S, 0);
		assert_true(span * S <= 70 * step);
	}
}

static void test_nothing(void **state)
{
	const struct series_request r = {"disk", "iops", {0}};
	struct view *v = view_create();
	struct series_bucket buckets[N];
	struct series out = {.buckets = buckets};

	(void)state;
	assert_int_equal(series_run(v, &r, 1, 5 * S, S, N, &out, NULL), -ENODATA);
	assert_int_equal(series_run(v, &r, 1, 5 * S, 0, N, &out, NULL), -EINVAL);
	view_destroy(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interval_changed),
		cmocka_unit_test(test_buckets), cmocka_unit_test(test_grows),	cmocka_unit_test(test_gaps_and_falls),
		cmocka_unit_test(test_step),	cmocka_unit_test(test_nothing), cmocka_unit_test(test_summaries),
		cmocka_unit_test(test_rollups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
