/* A recording of a day under its reader: how long until its newest screen can be asked for, a seek to any instant, and a chart
 * over all of it, and what memory that takes. usage: bench_day FILE [SEEKS]. Prints `name value` lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "query.h"
#include "recdir.h"
#include "recfile.h"
#include "series.h"

enum { BUCKETS = 240 };

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* What it costs, on a machine that has other things to do. */
static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static long resident_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static int chart(struct view *v, uint64_t to_ns, uint64_t from_ns, const char *table, const char *column, double *ret_sum)
{
	struct series_request request = {.key = {0}};
	static struct series_bucket buckets[BUCKETS];
	struct series out = {.buckets = buckets};
	struct culprit_error error = {""};
	double begin = now_ms(), cpu = cpu_ms();
	size_t data = 0;
	int err;

	snprintf(request.table, sizeof(request.table), "%s", table);
	snprintf(request.column, sizeof(request.column), "%s", column);
	err = series_run(v, &request, 1, to_ns, series_step(from_ns, to_ns, BUCKETS, series_tick_ns(v)), BUCKETS, &out, &error);
	*ret_sum = 0;
	for (size_t i = 0; i < BUCKETS; i++) {
		data += buckets[i].data;
		*ret_sum += buckets[i].mean;
	}
	printf("chart_%s.%s_ms %.1f\nchart_%s.%s_cpu_ms %.1f\nchart_%s.%s_buckets %zu\n", table, column, now_ms() - begin, table, column,
	       cpu_ms() - cpu, table, column, data);
	if (err)
		fprintf(stderr, "bench_day: %s\n", error.sentence);
	return err;
}

int main(int argc, char **argv)
{
	size_t n = argc > 2 ? (size_t)atol(argv[2]) : 100;
	struct culprit_error error = {""};
	struct view *v = view_create();
	struct query *q = v ? query_create(v) : NULL;
	double begin = now_ms(), *took = calloc(n + 1, sizeof(*took)), sum;
	uint64_t from, to, random = 88172645463325252u;
	struct source *source = argc > 1 ? recfile_source(argv[1], &error) : NULL;
	struct lens lens;
	int err;

	if (!source && argc > 1)
		source = recdir_source(argv[1], &error);
	if (!source || !q || !took || view_add_source(v, source) || view_refresh(v, &error) < 0 || !view_extent(v, &from, &to)) {
		fprintf(stderr, "bench_day: %s\n", error.sentence);
		return 1;
	}
	lens = lens_window(to - 60000000000u, to);
	err = query_run(q, &lens, "process", 0, &error);
	printf("open_ms %.1f\nrows %zu\nhours %.2f\n", now_ms() - begin, query_nrows(q), (double)(to - from) / 3600e9);
	for (size_t i = 0; i < n && !err; i++) {
		uint64_t at;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		at = from + 60000000000u + random % (to - from - 60000000000u);
		begin = now_ms();
		lens = lens_window(at - 60000000000u, at);
		view_refresh(v, &error);
		err = query_run(q, &lens, "process", 0, &error);
		took[i] = now_ms() - begin;
	}
	qsort(took, n, sizeof(*took), by_value);
	printf("seek_ms_median %.1f\nseek_ms_p95 %.1f\nseek_ms_worst %.1f\n", took[n / 2], took[n * 95 / 100], took[n - 1]);
	if (!err)
		err = chart(v, to, from, "cpu", "busy", &sum);
	if (!err)
		err = chart(v, to, from, "memory", "total", &sum);
	printf("resident_kb %ld\n", resident_kb());
	if (err)
		fprintf(stderr, "bench_day: %s\n", error.sentence);
	query_destroy(q);
	view_destroy(v);
	free(took);
	return err != 0;
}
