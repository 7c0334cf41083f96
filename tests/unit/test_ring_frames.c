/* Frames that a reader of our own ring does not keep: it gets them again from the ring, and what it answers is what a reader says that
 * keeps all; whose frames are overwritten on the way goes on behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "ring.h"
#include "segment.h"
#include "textframes.h"

#define S 1000000000ull

static const char head[] =
	"table disk state key=device name=key:text who=attribute:text ops=counter:u64 depth=gauge:u64 lat=histogram:edges(0/10/20):ns\n"
	"table mark event time=time:u64:mono_ns text=attribute:text\n"
	"table many state key=number number=key:u64 what=attribute:text\n"
	"tick 1s\nsample disk\nrow disk name=vda who=nobody ops=1 depth=1 lat=1/0/0\n";

struct fixture {
	struct textframes *frames;
	struct ring *ring;
	struct source *lean, *whole;
	int ticks;
};

/* One tick more: names that stay and names that are new, rows that come and go, an event. Begins a segment in each 40th. */
static void tick(struct fixture *f)
{
	struct culprit_error e = {""};
	char text[4096];
	int t = ++f->ticks, n;

	n = snprintf(text, sizeof(text),
		     "%stick %ds\nsample disk\nrow disk name=vda who=\"process %d\" ops=%d depth=%d lat=%d/%d/1\n"
		     "row disk name=vdb who=\"the same\" ops=%d depth=1 lat=0/0/%d\n",
		     t % 40 ? "" : "segment\n", t, t, t * t, t % 7, t, t / 2, t * 10, t);
	for (int i = 0; i < 8; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "row disk name=\"disk %d\" who=\"%d %d\" ops=%d depth=%d lat=1/%d/0\n", t / 3 + i, t,
			      t * i, t * 1000 + i, i, t);
	snprintf(text + n, sizeof(text) - (size_t)n, "sample mark\nevent mark time=%ds text=\"mark %d\"\n", t, t);
	if (textframes_add(f->frames, text, &e))
		fail_msg("%s", e.sentence);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct culprit_error e = {""};
	struct sink *sink;

	f->frames = textframes_create(head, &e);
	if (!f->frames)
		fail_msg("%s", e.sentence);
	f->ticks = 1;
	f->ring = ring_create(RING_BUDGET_MIN, NULL, NULL, &e);
	assert_non_null(f->ring);
	sink = ring_sink(f->ring, &e);
	assert_non_null(sink);
	assert_int_equal(writer_add_sink(textframes_writer(f->frames), sink), 0);
	f->lean = ring_source(f->ring, &e);
	f->whole = ring_source_fd(ring_fd(f->ring), "whole", &e);
	assert_non_null(f->lean);
	assert_non_null(f->whole);
	assert_non_null(f->lean->ops->again);
	assert_null(f->whole->ops->again);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	source_destroy(f->lean);
	source_destroy(f->whole);
	textframes_destroy(f->frames);
	ring_unlock(f->ring);
	free(f);
	return 0;
}

static void same_text(const struct row *a, const struct row *b, uint32_t column)
{
	size_t n, m;
	const char *x = segment_text(a->segment, row_cell(a, column), &n), *y = segment_text(b->segment, row_cell(b, column), &m);

	assert_non_null(x);
	assert_non_null(y);
	assert_int_equal(n, m);
	assert_memory_equal(x, y, n);
}

static void same_row(const struct row *a, const struct row *b)
{
	assert_int_equal(!a, !b);
	if (!a)
		return;
	assert_int_equal(a->serial, b->serial);
	same_text(a, b, 0);
	same_text(a, b, 1);
	assert_int_equal(row_cell(a, 2), row_cell(b, 2));
	assert_int_equal(row_cell(a, 3), row_cell(b, 3));
}

/* Returns how many rows and events were compared. */
static size_t same(struct cursor *a, struct cursor *b)
{
	struct table_view x, y;
	struct row mine, other;
	size_t slot, n = 0;

	assert_int_equal(cursor_mono_ns(a), cursor_mono_ns(b));
	assert_true(cursor_table(a, "disk", &x) && cursor_table(b, "disk", &y));
	assert_int_equal(x.nrows, y.nrows);
	for (size_t i = 0; i < x.nrows; i++, n++) {
		const struct row *p = cursor_row(a, x.schema, i, &mine), *q = cursor_row(b, y.schema, i, &other);

		same_row(p, q);
		if (p)
			assert_memory_equal(cursor_histogram(a, x.schema, p, 4), cursor_histogram(b, y.schema, q, 4), 3 * 8);
	}
	assert_int_equal(cursor_nended(a, x.schema), cursor_nended(b, y.schema));
	for (size_t i = 0; i < cursor_nended(a, x.schema); i++, n++)
		same_row(cursor_ended(a, x.schema, i, &slot), cursor_ended(b, y.schema, i, &slot));
	assert_true(cursor_table(a, "mark", &x) && cursor_table(b, "mark", &y));
	assert_int_equal(cursor_nevents(a, x.schema), cursor_nevents(b, y.schema));
	for (size_t i = 0; i < cursor_nevents(a, x.schema); i++, n++)
		same_text(cursor_event(a, x.schema, i), cursor_event(b, y.schema, i), 1);
	return n;
}

static void test_same(void **state)
{
	struct fixture *f = *state;
	struct cursor *a = cursor_create(f->lean, NULL), *b = cursor_create(f->whole, NULL);
	struct cursor *c = cursor_create(f->lean, NULL), *d = cursor_create(f->whole, NULL);
	size_t compared = 0;

	for (int i = 0; i < 400; i++) {
		uint64_t back;

		tick(f);
		/* What it holds of the newest segment while that grows, and of any other one, anywhere in it. */
		assert_int_equal(cursor_seek(a, UINT64_MAX, NULL), 0);
		assert_int_equal(cursor_seek(b, UINT64_MAX, NULL), 0);
		compared += same(a, b);
		if (i % 3)
			continue;
		back = (uint64_t)(1 + (i * 7919) % (i + 1)) * S;
		cursor_keep_since(c, back > 9 * S ? back - 9 * S : 0);
		cursor_keep_since(d, back > 9 * S ? back - 9 * S : 0);
		assert_int_equal(cursor_seek(c, back, NULL), 0);
		assert_int_equal(cursor_seek(d, back, NULL), 0);
		compared += same(c, d);
	}
	assert_true(compared > 7000);
	/* It is for this: tables are most of the bytes. */
	assert_true(cursor_segment(c)->bytes.len < cursor_segment(d)->bytes.len * 2 / 3);
	cursor_destroy(a);
	cursor_destroy(b);
	cursor_destroy(c);
	cursor_destroy(d);
}

/* Between the look at what there is and the reading of a frame the writer overwrites it. */
static int stale_left;
static const struct source_ops *behind;

static int stale(struct source *source, uint64_t seq, uint64_t offset, size_t n, struct wbuf *out, struct culprit_error *error)
{
	if (stale_left && !--stale_left)
		return -ESTALE;
	return behind->again(source, seq, offset, n, out, error);
}

static void test_overwritten(void **state)
{
	struct fixture *f = *state;
	struct cursor *a = cursor_create(f->lean, NULL), *b = cursor_create(f->whole, NULL);
	struct source_ops ops;

	for (int i = 0; i < 100; i++)
		tick(f);
	behind = f->lean->ops;
	ops = *behind;
	ops.again = stale;
	f->lean->ops = &ops;
	assert_int_equal(cursor_seek(b, 70 * S, NULL), 0);
	/* The key frame, one in the midst, the last: it looks again, and stands where it was to. */
	for (int at = 1; at <= 31; at += 5) {
		cursor_destroy(a);
		a = cursor_create(f->lean, NULL);
		stale_left = at;
		assert_int_equal(cursor_seek(a, 70 * S, NULL), 0);
		assert_int_equal(stale_left, 0);
		assert_true(same(a, b) > 9);
	}
	/* On the way from where it stands. */
	assert_int_equal(cursor_seek(b, 75 * S, NULL), 0);
	stale_left = 3;
	assert_int_equal(cursor_seek(a, 75 * S, NULL), 0);
	assert_int_equal(stale_left, 0);
	assert_true(same(a, b) > 9);
	f->lean->ops = behind;
	/* All of what it stands in has gone: it stands on the oldest that is left. */
	assert_int_equal(cursor_seek(a, 2 * S, NULL), 0);
	assert_int_equal(cursor_mono_ns(a), 2 * S);
	for (uint64_t first = 0, last; first <= 40 * S; cursor_extent(b, &first, &last)) {
		tick(f);
		assert_int_equal(cursor_seek(b, UINT64_MAX, NULL), 0);
	}
	assert_int_equal(cursor_seek(a, 3 * S, NULL), 0);
	assert_int_equal(cursor_seek(b, 3 * S, NULL), 0);
	assert_true(cursor_mono_ns(a) > 40 * S);
	assert_true(same(a, b) > 9);
	cursor_destroy(a);
	cursor_destroy(b);
}

/* What is held of a segment outlives its source, without the frames. */
static void test_source_gone(void **state)
{
	struct fixture *f = *state;
	struct cursor *a = cursor_create(f->lean, NULL);
	struct culprit_error e = {""};
	const uint8_t *payload;
	struct segment *s;
	size_t n;

	for (int i = 0; i < 10; i++)
		tick(f);
	assert_int_equal(cursor_seek(a, UINT64_MAX, NULL), 0);
	s = segment_lock(cursor_segment(a));
	assert_int_equal(segment_frame(s, &s->frames[3], 0, s->frames[3].size, &payload, &e), 0);
	segment_frame_done(s);
	cursor_destroy(a);
	source_destroy(f->lean);
	f->lean = NULL;
	assert_int_equal(segment_frame(s, &s->frames[3], 0, s->frames[3].size, &payload, &e), -ESTALE);
	assert_true(e.sentence[0]);
	assert_null(segment_text(s, UINT64_MAX, &n));
	segment_unlock(s);
}

static size_t copied;

static int counted(struct source *source, uint64_t seq, uint64_t offset, size_t n, struct wbuf *out, struct culprit_error *error)
{
	copied += n;
	return behind->again(source, seq, offset, n, out, error);
}

/* The last block of a complete segment is found without reading the others; in a ring that went round, too. */
static void test_summary(void **state)
{
	struct fixture *f = *state;
	struct source *sources[] = {f->lean, f->whole};
	struct culprit_error e = {""};
	struct wbuf out;
	unsigned found = 0;

	wbuf_init(&out);
	for (int i = 0; i < 3000; i++)
		tick(f);
	for (size_t k = 0; k < 2; k++) {
		struct source *source = sources[k];
		const struct segment_info *info;

		assert_true(f->lean->ops->refresh(f->lean, &e) > 1 && f->whole->ops->refresh(f->whole, &e) > 1);
		for (size_t i = 0; (info = source->ops->segment(source, i)); i++) {
			struct segment *s = segment_create();
			int err = source->ops->summary(source, info->seq, &out, &e);

			assert_int_equal(segment_update(s, f->whole, info->seq, &e), 0);
			assert_int_equal(err, info->complete ? 0 : -ENOENT);
			if (info->complete) {
				assert_int_equal(out.len, (16 + s->summary_size + 7) / 8 * 8);
				assert_memory_equal(out.data + 16, s->bytes.data + s->summary, s->summary_size);
				found++;
			}
			segment_unlock(s);
		}
		assert_int_equal(source->ops->summary(source, 1, &out, &e), -ESTALE);
	}
	assert_true(found > 4);
	wbuf_finish(&out);
}

/* Of a key frame that is large, only the tables that are wanted leave the ring, wherever they stand in it. */
static void test_large_frames(void **state)
{
	static const char *const sets[][4] = {{"disk", "mark"}, {"many"}, {"mark"}, {"disk", "many", "mark"}};
	struct fixture *f = *state;
	char *text = malloc(1 << 20);
	struct culprit_error e = {""};
	struct source_ops ops;
	size_t n = 0, all;

	for (int t = 0; t < 3; t++) {
		n = (size_t)sprintf(text, "%stick %ds\nsample many\n", t ? "" : "segment\n", ++f->ticks);
		for (int i = 0; i < 6000; i++)
			n += (size_t)sprintf(text + n, "row many number=%d what=\"thing %d\"\n", i * 7 + t, i % 3000);
		n += (size_t)sprintf(text + n, "sample disk\nrow disk name=vda who=me ops=%d depth=2 lat=1/2/3\n", f->ticks);
		sprintf(text + n, "sample mark\nevent mark time=%ds text=\"mark %d\"\n", f->ticks, f->ticks);
		if (textframes_add(f->frames, text, &e))
			fail_msg("%s", e.sentence);
	}
	behind = f->lean->ops;
	ops = *behind;
	ops.again = counted;
	f->lean->ops = &ops;
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		struct cursor *a = cursor_create(f->lean, sets[i]), *b = cursor_create(f->whole, sets[i]);
		struct table_view x, y;

		copied = 0;
		assert_int_equal(cursor_seek(a, UINT64_MAX, NULL), 0);
		assert_int_equal(cursor_seek(b, UINT64_MAX, NULL), 0);
		all = cursor_segment(b)->bytes.len;
		assert_true(all > 4 * WBUF_KEEP);
		for (const char *const *t = sets[i]; *t; t++) {
			assert_true(cursor_table(a, *t, &x) && cursor_table(b, *t, &y));
			assert_int_equal(x.nrows, y.nrows);
			assert_int_equal(cursor_nevents(a, x.schema), cursor_nevents(b, y.schema));
			for (size_t k = 0; k < x.nrows; k++) {
				struct row mine, other;
				const struct row *p = cursor_row(a, x.schema, k, &mine), *q = cursor_row(b, y.schema, k, &other);

				assert_int_equal(!p, !q);
				if (p && !strcmp(*t, "many"))
					assert_int_equal(row_cell(p, 0), row_cell(q, 0));
				if (p && !strcmp(*t, "many"))
					same_text(p, q, 1);
				else
					same_row(p, q);
			}
		}
		if (strcmp(sets[i][0], "many") && !sets[i][2])
			assert_true(copied < all / 4);
		cursor_destroy(a);
		cursor_destroy(b);
	}
	f->lean->ops = behind;
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overwritten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_source_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_summary, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large_frames, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
