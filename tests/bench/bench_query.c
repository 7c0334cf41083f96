/* What asking costs, alone: a table like `process` in memory, its rows partly busy, then queries and series over it.
 *
 *	bench_query [ROWS] [BUSY] [TICKS]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <culprit/collector.h>

#include "memsource.h"
#include "query.h"
#include "series.h"

#define S 1000000000ull

enum { COUNTERS = 20, GAUGES = 16 };

static struct culprit_column columns[4 + COUNTERS + GAUGES];
static char names[4 + COUNTERS + GAUGES][8];
static const struct culprit_derived derived[] = {
	{"cpu", CULPRIT_RATE, CULPRIT_PERCENT, "c0+c1", NULL, 1e-7, 0, "cpu"},
	{"rate", CULPRIT_RATE, CULPRIT_COUNT_PER_S, "c2", NULL, 0, 0, "rate"},
};

static double ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void declare(struct culprit_table *t)
{
	size_t n = sizeof(columns) / sizeof(columns[0]);

	for (size_t i = 0; i < n; i++) {
		struct culprit_column *c = &columns[i];

		*c = (struct culprit_column){.name = names[i], .type = CULPRIT_U64, .unit = CULPRIT_COUNT, .help = "x", .source = "x"};
		if (i < 4) {
			static const char *const first[] = {"pid", "start", "comm", "cgroup"};

			c->role = i < 2 ? CULPRIT_KEY : CULPRIT_ATTRIBUTE;
			c->type = i < 2 ? CULPRIT_U64 : CULPRIT_TEXT;
			snprintf(names[i], sizeof(names[i]), "%s", first[i]);
		} else {
			c->role = i < 4 + COUNTERS ? CULPRIT_COUNTER : CULPRIT_GAUGE;
			snprintf(names[i], sizeof(names[i]), "%c%zu", i < 4 + COUNTERS ? 'c' : 'g',
				 i < 4 + COUNTERS ? i - 4 : i - 4 - COUNTERS);
		}
	}
	*t = (struct culprit_table){.size = sizeof(*t), .name = "process", .kind = CULPRIT_STATE, .help = "x", .key = "process",
				    CULPRIT_COLUMNS(columns), CULPRIT_DERIVED(derived)};
}

static void tick(struct writer *w, uint64_t rows, uint64_t busy, uint64_t i)
{
	struct builder *b = writer_builder(w);
	struct culprit_frame *f;

	builder_begin(b, i * S, (int64_t)(1700000000 * S + i * S));
	f = builder_frame(b, 0, 1);
	culprit_table(f, 0);
	for (uint64_t r = 0; r < rows; r++) {
		uint64_t work = r < busy ? i * (r + 1) : 0;
		char text[32];

		culprit_row(f);
		culprit_put_u64(f, 0, r + 1);
		culprit_put_u64(f, 1, r * 7);
		snprintf(text, sizeof(text), "process%llu", (unsigned long long)(r % 500));
		culprit_put_string(f, 2, text);
		culprit_put_string(f, 3, r % 3 ? "/system.slice" : "/user.slice/a");
		for (uint32_t c = 4; c < 4 + COUNTERS + GAUGES; c++)
			culprit_put_u64(f, c, c < 8 ? work * c : c);
		culprit_end(f);
	}
	builder_frame_end(b, 0, NULL, 1, 1, NULL);
	writer_commit(w);
}

static size_t memory(void)
{
	return mallinfo2().uordblks;
}

int main(int argc, char **argv)
{
	uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000, busy = argc > 2 ? strtoull(argv[2], NULL, 10) : 50;
	uint64_t ticks = argc > 3 ? strtoull(argv[3], NULL, 10) : 120, more = 20;
	struct culprit_table table;
	struct culprit_error e = {""};
	struct schema *schema = schema_create();
	struct host_info host = {.user_hz = 100, .interval_ns = S};
	struct memsource *m = memsource_create();
	struct lens lens = lens_live(60 * S);
	struct series_request r = {"process", "cpu", {2, {1, 0, 0, 0}}}, all = {"process", "cpu", {0}};
	struct series_bucket buckets[60];
	struct series out = {.buckets = buckets};
	struct value v;
	struct writer *w;
	struct query *q;
	struct view *view;
	double t, sum = 0;
	size_t before;

	declare(&table);
	if (schema_add(schema, &table, &e) < 0) {
		fprintf(stderr, "%s\n", e.sentence);
		return 1;
	}
	w = writer_create(schema, &host);
	writer_add_sink(w, memsource_sink(m));
	for (uint64_t i = 1; i <= ticks; i++)
		tick(w, rows, busy, i);
	before = memory();
	view = view_create();
	view_add_source(view, memsource_source(m));
	q = query_create(view);
	query_sort(q, "cpu", true);
	printf("%llu rows, %llu busy, %llu ticks in %zu segments\n", (unsigned long long)rows, (unsigned long long)busy,
	       (unsigned long long)ticks, memsource_segments(m));

	t = ms();
	if (query_run(q, &lens, "process", 0, &e))
		printf("%s\n", e.sentence);
	printf("first run, window 60 s, sorted by a rate      %8.2f ms\n", ms() - t);
	t = ms();
	query_run(q, &lens, "process", 0, &e);
	printf("unchanged                                     %8.3f ms\n", ms() - t);
	t = ms();
	query_sort(q, "c0", true);
	printf("another order, by a counter                   %8.2f ms\n", ms() - t);
	t = ms();
	query_sort(q, "comm", false);
	printf("another order, by text                        %8.2f ms\n", ms() - t);
	query_sort(q, "cpu", true);
	for (uint64_t i = 0; i < more; i++) {
		tick(w, rows, busy, ticks + 1 + i);
		t = ms();
		view_refresh(view, NULL);
		query_run(q, &lens, "process", 0, &e);
		sum += ms() - t;
	}
	printf("live, one tick later                          %8.2f ms\n", sum / (double)more);
	t = ms();
	for (size_t i = 0; i < query_nrows(q); i++)
		query_value(q, i, (size_t)query_column_find(q, "cpu"), &v);
	printf("a rate of every row                           %8.2f ms\n", ms() - t);
	strcpy(lens.filter, "cpu>0 and comm~^process1");
	t = ms();
	query_run(q, &lens, "process", 0, &e);
	printf("with a filter (%5zu rows)                    %8.2f ms\n", query_nrows(q), ms() - t);
	printf("memory of view and query                      %8.2f MB\n", (double)(memory() - before) / 1e6);
	t = ms();
	series_run(view, &r, 1, (ticks + more) * S, 2 * S, 60, &out, &e);
	printf("series of one row, first                      %8.2f ms\n", ms() - t);
	t = ms();
	series_run(view, &r, 1, (ticks + more) * S, 2 * S, 60, &out, &e);
	printf("series of one row, again                      %8.3f ms\n", ms() - t);
	t = ms();
	series_run(view, &all, 1, (ticks + more) * S, 2 * S, 60, &out, &e);
	printf("series of the sum of all rows, first          %8.2f ms\n", ms() - t);
	tick(w, rows, busy, ticks + more + 1);
	view_refresh(view, NULL);
	t = ms();
	series_run(view, &r, 1, (ticks + more + 1) * S, 2 * S, 60, &out, &e);
	printf("series of one row, one tick later             %8.2f ms\n", ms() - t);
	query_destroy(q);
	view_destroy(view);
	writer_destroy(w);
	memsource_unlock(m);
	schema_unlock(schema);
	return 0;
}
