/* Short forms for tests of queries on frames in text. */
#ifndef TESTS_QUERY_TEST_H
#define TESTS_QUERY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"
#include "textframes.h"

#define S 1000000000ull

struct bench {
	struct textframes *frames;
	struct view *view;
	struct query *query;
};

static inline void set_up(struct bench *b, const char *text)
{
	struct culprit_error e = {""};

	b->frames = textframes_create(text, &e);
	if (!b->frames)
		fail_msg("%s", e.sentence);
	b->view = view_create();
	assert_int_equal(view_add_source(b->view, textframes_source(b->frames)), 0);
	b->query = query_create(b->view);
}

static inline void add(struct bench *b, const char *text)
{
	struct culprit_error e = {""};

	if (textframes_add(b->frames, text, &e))
		fail_msg("%s", e.sentence);
	assert_int_equal(view_refresh(b->view, &e), 1);
}

static inline void tear_down(struct bench *b)
{
	query_destroy(b->query);
	view_destroy(b->view);
	textframes_destroy(b->frames);
}

static inline void run_lens(struct bench *b, const struct lens *lens, const char *table, unsigned flags)
{
	struct culprit_error e = {""};
	int err = query_run(b->query, lens, table, flags, &e);

	if (err)
		fail_msg("%d: %s", err, e.sentence);
}

static inline void run(struct bench *b, const char *table, double from, double to)
{
	struct lens lens = lens_window((uint64_t)(from * S), (uint64_t)(to * S));

	run_lens(b, &lens, table, 0);
}

/* The row whose first key cell is this number. */
static inline size_t row_of(struct bench *b, uint64_t key)
{
	struct query_row r;

	for (size_t i = 0; i < query_nrows(b->query); i++)
		if (query_row(b->query, i, &r) && r.key.bits[0] == key)
			return i;
	fail_msg("no row with key %llu", (unsigned long long)key);
	return 0;
}

static inline struct value value(struct bench *b, uint64_t key, const char *column)
{
	int c = query_column_find(b->query, column);
	struct value v;

	if (c < 0)
		fail_msg("no column %s", column);
	query_value(b->query, row_of(b, key), (size_t)c, &v);
	return v;
}

/* NAN: absent. */
static inline void expect_at(struct bench *b, uint64_t key, const char *column, double want, int line)
{
	struct value v = value(b, key, column);
	double x = NAN;

	if (v.state == VALUE_OK && !value_number(&v, &x))
		fail_msg("line %d: %s of %llu is no number", line, column, (unsigned long long)key);
	if (v.state == VALUE_UNREAD)
		fail_msg("line %d: %s is unread: %.*s", line, column, (int)v.reason_len, v.reason);
	if (isnan(want) != isnan(x) || (!isnan(want) && fabs(x - want) > 1e-9 * (1 + fabs(want))))
		fail_msg("line %d: %s of %llu is %g, not %g", line, column, (unsigned long long)key, x, want);
}
#define expect(b, key, column, want) expect_at(b, key, column, want, __LINE__)

static const char proc[] =
	"table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text utime=counter:u64:ns "
	"rss=gauge:u64:bytes io=counter:u64:bytes,1 wait=peak:u64:ns cgroup=attribute:text\n"
	"derived process cpu rate utime scale=1e-7 unit=percent\n"
	"derived process used difference utime unit=ns\n"
	"derived process grew growth rss unit=bytes\n"
	"derived process io_rate rate io unit=bytes/s\n"
	"derived process age since start unit=ns\n"
	"derived process twice level rss+rss\n";

/* Processes in groups, with threads that roll up into them, one of which ends. */
static const char family[] =
	"table process state key=process pid=key:u64 start=key:u64:ticks cgroup=attribute:text\n"
	"table thread state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 pstart=attribute:u64:ticks "
	"utime=counter:u64:ns lat=histogram:edges(0/10):ns\n"
	"table cpu state key=cpu cpu=key:i64 user=counter:u64:ns\n"
	"table cgroup state key=cgroup path=key:text\n"
	"derived thread cpu rate utime scale=1e-7 unit=percent\n"
	"parent thread process pid pstart\n"
	"rollup thread cpu process cpu_sum sum\n"
	"rollup thread cpu process cpu_max max\n"
	"rollup thread utime process utime_sum sum\n"
	"rollup thread lat process lat_all merge\n"
	"tick 1s\nsample process\nrow process pid=1 start=5 cgroup=/a\nrow process pid=2 start=5 cgroup=/a/b\n"
	"row process pid=3 start=5 cgroup=/ab\n"
	"sample thread\nrow thread tid=1 start=5 pid=1 pstart=5 utime=0 lat=0/0\n"
	"row thread tid=11 start=6 pid=1 pstart=5 utime=0 lat=0/0\n"
	"row thread tid=2 start=5 pid=2 pstart=5 utime=0 lat=0/0\n"
	"sample cpu\nrow cpu cpu=0 user=0\nsample cgroup\nrow cgroup path=/a\nrow cgroup path=/a/b\nrow cgroup path=/ab\n"
	"tick 2s\nsample process keep\nsample thread keep\n"
	"row thread tid=1 start=5 utime=100ms lat=1/2\nrow thread tid=11 start=6 utime=300ms lat=10/20\n"
	"sample cpu keep\nsample cgroup keep\n"
	"tick 3s\nsample process keep\nsample thread keep\nend thread tid=11 start=6\n"
	"row thread tid=1 start=5 utime=300ms\nsample cpu keep\nsample cgroup keep\n";

static inline char *with(const char *head, const char *rest)
{
	static char text[65536];

	snprintf(text, sizeof(text), "%s%s", head, rest);
	return text;
}

#endif
