/* Views: several sources, times, places; and the memory of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memo.h"
#include "query.h"
#include "series.h"
#include "textframes.h"
#include "timeparse.h"

#define S 1000000000ull

static struct textframes *frames(const char *text)
{
	struct culprit_error e = {""};
	struct textframes *t = textframes_create(text, &e);

	if (!t)
		fail_msg("%s", e.sentence);
	return t;
}

/* A recording of seconds 1 to 3, a ring of seconds 3 to 5, told apart by their depth. */
static void test_sources(void **state)
{
	static const char table[] = "table disk state key=device name=key:text depth=gauge:u64\n";
	static const struct {
		double to;
		uint64_t depth;
	} cases[] = {{1, 11}, {2.5, 12}, {3, 23}, {4.5, 24}, {5, 25}, {9, 25}};
	char text[1024];
	struct textframes *ring, *file;
	struct view *v = view_create();
	struct query *q = query_create(v);
	uint64_t from, to;

	(void)state;
	snprintf(text, sizeof(text),
		 "%stick 3s\nsample disk\nrow disk name=b depth=23\ntick 4s\nsample disk\nrow disk name=b depth=24\n"
		 "tick 5s\nsample disk\nrow disk name=b depth=25\n",
		 table);
	ring = frames(text);
	snprintf(text, sizeof(text),
		 "%stick 1s\nsample disk\nrow disk name=a depth=10\nrow disk name=b depth=11\ntick 2s\nsample disk\n"
		 "row disk name=a depth=10\nrow disk name=b depth=12\ntick 3s\nsample disk\nrow disk name=b depth=13\n",
		 table);
	file = frames(text);
	assert_false(view_extent(v, &from, &to));
	assert_int_equal(view_add_source(v, textframes_source(ring)), 0);
	assert_int_equal(view_add_source(v, textframes_source(file)), 0);
	assert_true(view_extent(v, &from, &to));
	assert_int_equal(from, 1 * S);
	assert_int_equal(to, 5 * S);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lens l = lens_window(0, (uint64_t)(cases[i].to * S));
		struct row_key b = {1, {row_key_text("b", 1)}};
		struct value value;
		ssize_t row;

		assert_int_equal(query_run(q, &l, "disk", 0, NULL), 0);
		row = query_find(q, &b);
		assert_true(row >= 0);
		query_value(q, (size_t)row, 1, &value);
		assert_int_equal(value.u, cases[i].depth);
	}
	query_destroy(q);
	view_destroy(v);
	textframes_destroy(ring);
	textframes_destroy(file);
}

/* --- a recorder's ring and a second one --- */

static bool recorder_lives;

static bool recorder_live(struct source *s)
{
	(void)s;
	return recorder_lives;
}

struct pair {
	struct textframes *ring, *local;
	struct source_ops ops;
	struct source *recorder, *own;
	struct view *view;
	struct query *query;
};

/* The recorder's: seconds 1 to 3, `net` is switched off there. Here: 3.5 to 5, `net` and a table the recorder knows nothing of. */
static void pair_open(struct pair *p)
{
	p->ring = frames("table disk state key=device name=key:text depth=gauge:u64\n"
			 "table net state key=device name=key:text depth=gauge:u64\n"
			 "tick 1s\nsample disk\nrow disk name=b depth=11\nstate net missing \"off\"\n"
			 "tick 2s\nsample disk\nrow disk name=b depth=12\nstate net missing \"off\"\n"
			 "tick 3s\nsample disk\nrow disk name=b depth=13\nstate net missing \"off\"\n");
	p->local = frames("table disk state key=device name=key:text depth=gauge:u64\n"
			  "table net state key=device name=key:text depth=gauge:u64\n"
			  "table extra state key=device name=key:text depth=gauge:u64\n"
			  "tick 3.5s\nsample disk\nrow disk name=b depth=23\nsample net\nrow net name=b depth=33\n"
			  "tick 4s\nsample disk\nrow disk name=b depth=24\nsample net\nrow net name=b depth=34\nsample extra\n"
			  "row extra name=b depth=44\n"
			  "tick 5s\nsample disk\nrow disk name=b depth=25\nsample net\nrow net name=b depth=35\n");
	p->view = view_create();
	p->query = query_create(p->view);
	p->recorder = textframes_source(p->ring);
	p->ops = *p->recorder->ops;
	p->ops.live = recorder_live;
	p->recorder->ops = &p->ops;
	p->own = textframes_source(p->local);
	assert_int_equal(view_add_source(p->view, p->own), 0);
	assert_int_equal(view_add_source_before(p->view, p->recorder, p->own), 0);
	recorder_lives = true;
	view_refresh(p->view, NULL);
}

static void pair_close(struct pair *p)
{
	query_destroy(p->query);
	view_destroy(p->view);
	textframes_destroy(p->ring);
	textframes_destroy(p->local);
}

/* Depth of b then; 0: no such row. */
static uint64_t depth(struct pair *p, const char *table, double at)
{
	struct lens l = lens_window(0, (uint64_t)(at * S));
	struct row_key b = {1, {row_key_text("b", 1)}};
	struct value value;
	ssize_t row;

	if (query_run(p->query, &l, table, 0, NULL))
		return 0;
	row = query_find(p->query, &b);
	if (row < 0)
		return 0;
	query_value(p->query, (size_t)row, 1, &value);
	return value.u;
}

static void test_live_source(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	/* What lives answers for what comes after its newest frame. */
	assert_int_equal(depth(&p, "disk", 2), 12);
	assert_int_equal(depth(&p, "disk", 3.2), 13);
	assert_int_equal(depth(&p, "disk", 4.5), 13);
	recorder_lives = false;
	assert_int_equal(view_refresh(p.view, NULL), 1);
	assert_int_equal(depth(&p, "disk", 2), 12);
	assert_int_equal(depth(&p, "disk", 3.2), 13);
	assert_int_equal(depth(&p, "disk", 4.5), 24);
	assert_int_equal(depth(&p, "disk", 5), 25);
	pair_close(&p);
}

static void test_routes(void **state)
{
	struct query_info info;
	struct pair p;
	uint64_t generation;

	(void)state;
	pair_open(&p);
	/* What is asked for and not collected is told, for a while. */
	assert_null(view_missing(p.view, 0));
	assert_int_equal(depth(&p, "net", 5), 0);
	assert_string_equal(view_missing(p.view, 0), "net");
	assert_null(view_missing(p.view, 1));
	for (int i = 0; i < 10; i++)
		view_refresh(p.view, NULL);
	assert_null(view_missing(p.view, 0));
	/* A table that only the second one knows. */
	assert_non_null(view_table(p.view, "extra"));
	generation = view_generation(p.view);
	assert_int_equal(view_route(p.view, "net", p.own), 0);
	assert_true(view_generation(p.view) > generation);
	assert_ptr_equal(view_routed(p.view, "net"), p.own);
	assert_int_equal(depth(&p, "net", 5), 35);
	query_info(p.query, &info);
	assert_true(info.routed);
	assert_int_equal(info.source_from_ns, 3.5 * S);
	assert_null(view_missing(p.view, 0));
	/* Before it begins the first one answers, and the other tables are still the first one's. */
	assert_int_equal(depth(&p, "net", 3), 0);
	query_info(p.query, &info);
	assert_false(info.routed);
	assert_int_equal(depth(&p, "disk", 5), 13);
	for (int i = 0; i < 3; i++)
		view_refresh(p.view, NULL);
	assert_int_equal(view_route_idle(p.view, "net"), 3);
	assert_int_equal(view_route(p.view, "net", NULL), 0);
	assert_null(view_routed(p.view, "net"));
	assert_int_equal(depth(&p, "net", 5), 0);
	for (int i = 0; i < 64; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%d", i);
		assert_int_equal(view_route(p.view, name, p.own), 0);
	}
	assert_int_equal(view_route(p.view, "one-more", p.own), -ENOSPC);
	pair_close(&p);
}

/* What was read of it may be looked at, and nothing more of it is answered. */
static void test_removed(void **state)
{
	struct value value;
	uint64_t from, to;
	struct pair p;

	(void)state;
	pair_open(&p);
	assert_int_equal(view_route(p.view, "disk", p.recorder), 0);
	assert_int_equal(depth(&p, "disk", 5), 13);
	view_remove_source(p.view, p.recorder);
	query_value(p.query, 0, 1, &value); /* of the last answer: absent, not wild */
	assert_null(view_routed(p.view, "disk"));
	assert_ptr_equal(view_source(p.view, 0), p.own);
	assert_null(view_source(p.view, 1));
	assert_int_equal(depth(&p, "disk", 5), 25);
	assert_int_equal(depth(&p, "disk", 2), 23); /* the first there is */
	assert_true(view_extent(p.view, &from, &to));
	assert_int_equal(from, 3.5 * S);
	assert_non_null(view_host(p.view));
	/* As often as one likes. */
	for (int i = 0; i < 20; i++) {
		struct source *next = textframes_source(p.ring);

		assert_int_equal(view_add_source_before(p.view, next, p.own), 0);
		assert_int_equal(depth(&p, "disk", 2), 12);
		view_remove_source(p.view, next);
		assert_int_equal(depth(&p, "disk", 2), 23); /* the first there is */
	}
	view_remove_source(p.view, p.own);
	assert_false(view_extent(p.view, &from, &to));
	pair_close(&p);
}

static void test_pieces(void **state)
{
	struct view_piece pieces[VIEW_PIECES_MAX];
	struct series_bucket buckets[2][6];
	struct series_request r[2] = {{"disk", "depth", {1, {row_key_text("b", 1)}}}, {"net", "depth", {1, {row_key_text("b", 1)}}}};
	struct series out[2] = {{.buckets = buckets[0]}, {.buckets = buckets[1]}};
	struct pair p;

	(void)state;
	pair_open(&p);
	assert_int_equal(view_pieces(p.view, "disk", 0, 5 * S, pieces), 1);
	assert_ptr_equal(pieces[0].source, p.recorder);
	assert_int_equal(view_route(p.view, "net", p.own), 0);
	assert_int_equal(view_pieces(p.view, "net", 0, 5 * S, pieces), 2);
	assert_ptr_equal(pieces[1].source, p.own);
	assert_int_equal(pieces[0].to_ns, pieces[1].from_ns);
	assert_int_equal(pieces[1].from_ns, 3.5 * S - 1);
	recorder_lives = false;
	view_refresh(p.view, NULL);
	assert_int_equal(view_pieces(p.view, "disk", 0, 5 * S, pieces), 2);
	assert_int_equal(pieces[0].to_ns, 3 * S);
	/* Nobody was there in between. */
	assert_int_equal(pieces[1].from_ns, 3.5 * S - 1);
	assert_int_equal(pieces[1].to_ns, 5 * S);
	/* A chart goes on across them. */
	assert_int_equal(series_run(p.view, r, 2, 5 * S, S, 6, out, NULL), 0);
	for (int i = 1; i <= 3; i++)
		assert_int_equal((int)buckets[0][i].last, 10 + i);
	assert_int_equal((int)buckets[0][4].last, 24);
	assert_int_equal((int)buckets[0][5].last, 25);
	assert_int_equal((int)buckets[1][5].last, 35);
	assert_false(buckets[1][3].data);
	pair_close(&p);
}

/* A source one of whose segments cannot be read at all. */
struct broken {
	struct source source;
	struct source *whole;
	size_t which;
};

static int broken_refresh(struct source *s, struct culprit_error *error)
{
	struct broken *b = (struct broken *)s;

	return b->whole->ops->refresh(b->whole, error);
}

static const struct segment_info *broken_segment(struct source *s, size_t i)
{
	struct broken *b = (struct broken *)s;

	return b->whole->ops->segment(b->whole, i);
}

static int broken_read(struct source *s, uint64_t seq, uint64_t offset, struct wbuf *out, struct culprit_error *error)
{
	struct broken *b = (struct broken *)s;
	const struct segment_info *info = broken_segment(s, b->which);

	if (info && info->seq == seq) {
		snprintf(error->sentence, sizeof(error->sentence), "it is broken at byte 7");
		return -EBADMSG;
	}
	return b->whole->ops->read(b->whole, seq, offset, out, error);
}

static void broken_destroy(struct source *s)
{
	source_destroy(((struct broken *)s)->whole);
}

static const char *broken_notice(struct source *s)
{
	(void)s;
	return "";
}

/* Whichever of three segments is damaged, what the others hold is shown, and the damage is named. */
static void test_broken_segment(void **state)
{
	static const struct source_ops ops = {.refresh = broken_refresh, .segment = broken_segment, .read = broken_read,
					      .destroy = broken_destroy, .notice = broken_notice};
	static const struct {
		size_t which;
		double from, to;
		uint64_t x, began; /* began_ns of the start: the first frame that can be used */
	} cases[] = {{0, 1, 6, 6, 3}, {1, 1, 6, 6, 1}, {2, 1, 6, 4, 1}, {2, 5, 6, 4, 4}, {0, 1, 2, 3, 3}, {1, 1, 4, 2, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct textframes *t = frames("table x state key=x id=key:u64 x=gauge:u64\n"
					      "tick 1s\nsample x\nrow x id=0 x=1\ntick 2s\nsample x\nrow x id=0 x=2\n"
					      "segment\ntick 3s\nsample x\nrow x id=0 x=3\ntick 4s\nsample x\nrow x id=0 x=4\n"
					      "segment\ntick 5s\nsample x\nrow x id=0 x=5\ntick 6s\nsample x\nrow x id=0 x=6\n");
		struct broken broken = {
			.source = {.ops = &ops, .name = "x"}, .whole = textframes_source(t), .which = cases[i].which};
		struct view *v = view_create();
		struct query *q = query_create(v);
		struct culprit_error e = {""};
		struct query_info info;
		struct lens l;
		struct value value;

		assert_int_equal(view_add_source(v, &broken.source), 0);
		l = lens_window((uint64_t)(cases[i].from * S), (uint64_t)(cases[i].to * S));
		assert_int_equal(query_run(q, &l, "x", 0, &e), -EBADMSG);
		assert_string_equal(e.sentence, "it is broken at byte 7");
		assert_int_equal(query_nrows(q), 1);
		query_value(q, 0, 1, &value);
		assert_int_equal(value.u, cases[i].x);
		query_info(q, &info);
		assert_int_equal(info.used_from_ns, cases[i].began * S);
		query_destroy(q);
		view_destroy(v);
		textframes_destroy(t);
	}
}

/* The wall clock jumps back by an hour between two segments. */
static void test_wall_times(void **state)
{
	struct textframes *t = frames("host zone=CET+01:00\ntable x state key=x id=key:u64\n"
				      "tick 10s wall=1700000000s\nsample x\nrow x id=0\nsegment\n"
				      "tick 20s wall=1699996410s\nsample x\nrow x id=0\n");
	struct view *v = view_create();
	struct culprit_error e;
	uint64_t at;

	(void)state;
	view_add_source(v, textframes_source(t));
	assert_int_equal(view_zone_offset(v), 3600);
	assert_int_equal(view_wall_ns(v, 10 * S), 1700000000 * S);
	assert_int_equal(view_wall_ns(v, 12 * S), 1700000002 * S);
	assert_int_equal(view_wall_ns(v, 21 * S), 1699996411 * S);
	assert_int_equal(view_wall_ns(v, 9 * S), 1699999999 * S);
	assert_int_equal(view_mono_ns(v, 1700000001 * (int64_t)S), 20 * S + 3591 * S);
	assert_int_equal(view_mono_ns(v, 1699996410 * (int64_t)S), 20 * S);
	assert_int_equal(view_mono_ns(v, 5), 0);
	/* 1699996410 is 21:13:30Z: 22:13:30 there. */
	assert_int_equal(timeparse(v, "22:13:30", 0, &at, &e), 0);
	assert_int_equal(at, 20 * S);
	assert_int_equal(timeparse(v, "21:13:30Z", 0, &at, &e), 0);
	assert_int_equal(at, 20 * S);
	assert_int_equal(timeparse(v, "-4s", 0, &at, &e), 0);
	assert_int_equal(at, 16 * S);
	assert_int_equal(timeparse(v, "+4s", 0, &at, &e), 0);
	assert_int_equal(at, 14 * S);
	assert_int_equal(timeparse(v, "+4s", 15 * S, &at, &e), 0);
	assert_int_equal(at, 19 * S);
	assert_int_equal(timeparse(v, "-9h", 0, &at, &e), 0);
	assert_int_equal(at, 0);
	assert_int_equal(timeparse(v, "25:00", 0, &at, &e), -EINVAL);
	assert_int_equal(timeparse(v, "+x", 0, &at, &e), -EINVAL);
	assert_int_equal(timeparse(v, "", 0, &at, &e), -EINVAL);
	view_destroy(v);
	textframes_destroy(t);
}

static void test_refresh(void **state)
{
	struct textframes *t = frames("table x state key=x id=key:u64\ntick 1s\nsample x\nrow x id=0\n");
	struct view *v = view_create();
	const struct schema *schema;
	struct culprit_error e;
	uint64_t from, to;

	(void)state;
	view_add_source(v, textframes_source(t));
	assert_int_equal(view_refresh(v, &e), 1);
	assert_int_equal(view_refresh(v, &e), 0);
	schema = view_schema(v);
	assert_non_null(schema);
	assert_non_null(view_table(v, "x"));
	assert_null(view_table(v, "y"));
	assert_int_equal(textframes_add(t, "tick 2s\nsample x keep\nsegment\ntick 3s\nsample x keep\n", &e), 0);
	/* Until it is refreshed, the newest is what it was. */
	view_extent(v, &from, &to);
	assert_int_equal(to, 1 * S);
	assert_int_equal(view_refresh(v, &e), 1);
	view_extent(v, &from, &to);
	assert_int_equal(to, 3 * S);
	/* A new segment that says the same: what was borrowed stays. */
	assert_ptr_equal(view_schema(v), schema);
	view_destroy(v);
	textframes_destroy(t);
}

/* A place that follows a large table is not moved on for who asks for a small one beside it: that would decode both. */
static void test_small_table_alone(void **state)
{
	enum { ROWS = 3000, AT = 32 };
	static const char *const both[] = {"process", "disk"};
	char *text = malloc(ROWS * AT + 512);
	struct query *all, *one;
	struct view *v = view_create();
	struct textframes *t;
	struct source *source;
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)sprintf(text, "table disk state key=device name=key:u64 depth=gauge:u64\ntable process state key=process pid=key:u64 "
				  "rss=gauge:u64\ntick 1s\nsample disk\nrow disk name=1 depth=1\nsample process\n");
	for (int i = 0; i < ROWS; i++)
		n += (size_t)sprintf(text + n, "row process pid=%d rss=%d\n", i, i);
	t = frames(text);
	assert_int_equal(view_add_source(v, source = textframes_source(t)), 0);
	all = query_create(v);
	one = query_create(v);
	for (int i = 2; i < 20; i++) {
		struct lens lens = lens_window(1 * S, (uint64_t)i * S);
		uint64_t before;

		sprintf(text, "tick %ds\nsample disk\nrow disk name=1 depth=1\nsample process keep\nrow process pid=7 rss=%d\n", i, i);
		assert_int_equal(textframes_add(t, text, NULL), 0);
		view_refresh(v, NULL);
		before = source->decoded;
		if (i == 2)
			query_expect(all, &lens, both, 2);
		assert_int_equal(query_run(one, &lens, "disk", 0, NULL), 0);
		if (i > 3)
			assert_int_equal(source->decoded - before, 1);
	}
	query_destroy(all);
	query_destroy(one);
	view_destroy(v);
	textframes_destroy(t);
	free(text);
}

/* --- looking ahead in pieces --- */

enum { AHEAD_TICKS = 40, AHEAD_SEGMENT = 8, AHEAD_ROWS = 20 };

/* Seconds 1 to 40, eight a segment; a row ends in each of them. */
static struct textframes *ahead_frames(void)
{
	char *text = NULL;
	size_t n;
	struct textframes *t;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	fprintf(f, "table disk state key=device name=key:u64 done=counter:u64\nderived disk rate rate done\n"
		   "table process state key=process pid=key:u64 rss=gauge:u64\n");
	for (int i = 1; i <= AHEAD_TICKS; i++) {
		fprintf(f, "%stick %ds\nsample disk\n", i > 1 && i % AHEAD_SEGMENT == 1 ? "segment\n" : "", i);
		for (int k = 0; k < AHEAD_ROWS; k++)
			fprintf(f, "row disk name=%d done=%d\n", k ? k : 1000 + i, i * (k + 1));
		fprintf(f, "sample process\nrow process pid=1 rss=%d\n", i);
	}
	assert_int_equal(fclose(f), 0);
	t = frames(text);
	free(text);
	return t;
}

static bool at_once(void *of)
{
	++*(int *)of;
	return true;
}

/* One piece. */
static int ahead(struct view *looked, struct query *q, const struct lens *l, const char *table)
{
	int asked = 0, r;
	const struct patience patience = {at_once, &asked};

	view_set_patience(looked, &patience);
	r = query_ahead(q, l, table, 0);
	view_set_patience(looked, NULL);
	assert_int_equal(query_nrows(q), 0);
	assert_true(r == 0 || asked == 1);
	return r;
}

/* What a query of a view of its own answers. */
static void assert_answers(struct query *q, const struct lens *l, struct textframes *t)
{
	struct view *fresh = view_create();
	struct query *expected = query_create(fresh);

	assert_int_equal(view_add_source(fresh, textframes_source(t)), 0);
	assert_int_equal(query_run(expected, l, "disk", 0, NULL), 0);
	assert_int_equal(query_run(q, l, "disk", 0, NULL), 0);
	assert_int_equal(query_nrows(q), query_nrows(expected));
	for (size_t i = 0; i < query_nrows(q); i++) {
		for (size_t c = 0; c < query_ncolumns(q); c++) {
			struct value a, b;

			query_value(q, i, c, &a);
			query_value(expected, i, c, &b);
			assert_int_equal(a.state, b.state);
			assert_int_equal(a.u, b.u);
		}
	}
	query_destroy(expected);
	view_destroy(fresh);
}

/* Each piece is kept: in all no more is decoded than at once, and asking decodes nothing more. */
static void test_ahead(void **state)
{
	struct lens l = lens_window(14 * S, 29 * S);
	struct textframes *t = ahead_frames();
	struct view *v = view_create();
	struct query *reader = query_create(v), *q = query_create(v);
	struct source *source = textframes_source(t);
	uint64_t pieces = 0, decoded;
	double gone = 0;

	(void)state;
	assert_int_equal(view_add_source(v, source), 0);
	for (; ahead(v, reader, &l, "disk") == -EINTR; pieces++) {
		/* The end from the segment of second 9 on, then the start. */
		assert_in_range(pieces, 0, 29 - 8 + 14 - 8);
		assert_true(view_gone(v) >= gone && view_gone(v) <= 1);
		gone = view_gone(v);
		/* One frame; once the last one of the end and the first one of the start. */
		assert_in_range(source->decoded, pieces + 1, pieces + 2);
	}
	assert_true(gone > 0.8);
	assert_true(pieces > 20);
	decoded = source->decoded;
	assert_answers(q, &l, t);
	assert_int_equal(source->decoded, decoded);
	/* Without a hurry all at once. */
	l = lens_window(2 * S, 12 * S);
	assert_int_equal(query_ahead(reader, &l, "disk", 0), 0);
	decoded = source->decoded;
	assert_answers(q, &l, t);
	assert_int_equal(source->decoded, decoded);
	query_destroy(reader);
	query_destroy(q);
	view_destroy(v);
	textframes_destroy(t);
}

/* Given up for another time or table, taken up again, asked before it is there; more comes meanwhile. */
static void test_ahead_elsewhere(void **state)
{
	struct lens l = lens_window(14 * S, 29 * S), other = lens_window(3 * S, 21 * S), live = lens_live(10 * S);
	struct textframes *t = ahead_frames();
	struct view *v = view_create();
	struct query *reader = query_create(v), *q = query_create(v);
	char text[128];

	(void)state;
	assert_int_equal(view_add_source(v, textframes_source(t)), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ahead(v, reader, &l, "disk"), -EINTR);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ahead(v, reader, &other, "disk"), -EINTR);
	assert_int_equal(ahead(v, reader, &l, "process"), -EINTR);
	assert_int_equal(ahead(v, reader, &l, "disk"), -EINTR);
	assert_answers(q, &l, t);
	assert_answers(q, &other, t);
	assert_int_equal(query_ahead(reader, &l, "no such table", 0), 0);
	for (int i = 0; i < 100; i++) {
		int r = ahead(v, reader, &live, "disk");

		if (!r)
			break;
		assert_in_range(i, 0, 40);
		snprintf(text, sizeof(text), "tick %ds\nsample disk\nrow disk name=1 done=%d\n", AHEAD_TICKS + 1 + i, 1000 + i);
		if (i < 7)
			assert_int_equal(textframes_add(t, text, NULL), 0);
		view_refresh(v, NULL);
	}
	assert_answers(q, &live, t);
	query_destroy(reader);
	query_destroy(q);
	view_destroy(v);
	textframes_destroy(t);
}

/* The oldest segments are overwritten while they are being read. */
static void test_ahead_overwritten(void **state)
{
	struct lens l = lens_window(2 * S, 29 * S);

	(void)state;
	for (int after = 1; after < 40; after += 3) {
		struct textframes *t = ahead_frames();
		struct view *v = view_create();
		struct query *reader = query_create(v), *q = query_create(v);
		int pieces = 0, r = -EINTR;

		assert_int_equal(view_add_source(v, textframes_source(t)), 0);
		for (; r == -EINTR && pieces < 200; pieces++) {
			if (pieces == after) {
				memsource_evict(textframes_memory(t), 2);
				view_refresh(v, NULL);
			}
			r = ahead(v, reader, &l, "disk");
		}
		assert_in_range(pieces, 1, 100);
		if (pieces <= after) {
			memsource_evict(textframes_memory(t), 2);
			view_refresh(v, NULL);
		}
		/* Rows that ended before are known where they had been read by then: the values are those of who is still there. */
		assert_int_equal(query_run(q, &l, "disk", 0, NULL), 0);
		assert_true(query_nrows(q) >= AHEAD_ROWS);
		query_destroy(reader);
		query_destroy(q);
		view_destroy(v);
		textframes_destroy(t);
	}
}

static void test_memo(void **state)
{
	struct memo *m = memo_create(10000);
	char blob[1000];
	size_t n;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		memset(blob, (int)i, sizeof(blob));
		assert_int_equal(memo_put(m, &(struct memo_key){{i}}, blob, sizeof(blob)), 0);
		assert_true(memo_bytes(m) <= 10000);
		/* The first one is used all the time: it stays. */
		assert_non_null(memo_get(m, &(struct memo_key){{0}}, &n));
		assert_int_equal(n, sizeof(blob));
	}
	assert_null(memo_get(m, &(struct memo_key){{50}}, &n));
	assert_int_equal(*(char *)memo_get(m, &(struct memo_key){{99}}, &n), 99);
	assert_int_equal(memo_put(m, &(struct memo_key){{99}}, "x", 1), 0);
	memo_get(m, &(struct memo_key){{99}}, &n);
	assert_int_equal(n, 1);
	assert_int_equal(memo_put(m, &(struct memo_key){{1}}, blob, 20000), -ENOMEM);
	memo_set_max(m, 0);
	assert_int_equal(memo_bytes(m), 0);
	assert_null(memo_get(m, &(struct memo_key){{0}}, &n));
	memo_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources), cmocka_unit_test(test_live_source), cmocka_unit_test(test_routes), cmocka_unit_test(test_removed),
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_broken_segment),
		cmocka_unit_test(test_wall_times),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_small_table_alone), cmocka_unit_test(test_ahead), cmocka_unit_test(test_ahead_elsewhere),
		cmocka_unit_test(test_ahead_overwritten), cmocka_unit_test(test_memo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
