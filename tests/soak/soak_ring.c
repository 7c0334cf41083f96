/* Hours of synthetic ticks through builder, writer and ring, with a reader beside them: does the memory stay flat? Rows come
 * and go with names never seen before, counters fall back, cells are unread, events and stacks appear, so that whatever
 * is remembered for too long grows here. usage: soak_ring HOURS (of ticks of 1 s; as fast as they go).
 *
 * Not here: real time, real /proc (tests/soak/run runs the program itself). */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "builder.h"
#include "cursor.h"
#include "error.h"
#include "ring.h"
#include "writer.h"

enum { ROWS = 300, BUSY = 30, BUDGET = 8 << 20 };

static const struct culprit_bounds bounds = {CULPRIT_LINEAR, 16, 0, 8, NULL};
static const struct culprit_column process_columns[] = {
	{.name = "pid", .role = CULPRIT_KEY, .type = CULPRIT_U64, .unit = CULPRIT_NONE, .help = "number", .source = "made up"},
	{.name = "start", .role = CULPRIT_KEY, .type = CULPRIT_U64, .unit = CULPRIT_TICKS, .help = "start", .source = "made up"},
	{.name = "comm", .role = CULPRIT_ATTRIBUTE, .type = CULPRIT_TEXT, .unit = CULPRIT_NONE, .help = "name", .source = "made up"},
	{.name = "utime", .role = CULPRIT_COUNTER, .type = CULPRIT_U64, .unit = CULPRIT_NS, .help = "time", .source = "made up"},
	{.name = "rss", .role = CULPRIT_GAUGE, .type = CULPRIT_U64, .unit = CULPRIT_BYTES, .help = "memory", .source = "made up"},
	{.name = "wait", .role = CULPRIT_HISTOGRAM, .type = CULPRIT_HIST, .unit = CULPRIT_NONE, .help = "waits", .source = "made up", .bounds = &bounds},
	{.name = "io", .role = CULPRIT_COUNTER, .type = CULPRIT_U64, .unit = CULPRIT_BYTES, .help = "bytes", .source = "made up"},
};
static const struct culprit_table process_table = {
	.size = sizeof(struct culprit_table), .name = "process", .kind = CULPRIT_STATE, .help = "made-up processes",
	.key = "process", .columns = process_columns, .column_size = sizeof(process_columns[0]),
	.ncolumns = sizeof(process_columns) / sizeof(process_columns[0]),
};
static const struct culprit_column event_columns[] = {
	{.name = "time", .role = CULPRIT_TIME, .type = CULPRIT_U64, .unit = CULPRIT_MONO_NS, .help = "when", .source = "made up"},
	{.name = "who", .role = CULPRIT_ATTRIBUTE, .type = CULPRIT_TEXT, .unit = CULPRIT_NONE, .help = "who", .source = "made up"},
	{.name = "where", .role = CULPRIT_ATTRIBUTE, .type = CULPRIT_STACK, .unit = CULPRIT_NONE, .help = "stack", .source = "made up"},
};
static const struct culprit_table event_table = {
	.size = sizeof(struct culprit_table), .name = "event", .kind = CULPRIT_EVENT, .help = "made-up events",
	.columns = event_columns, .column_size = sizeof(event_columns[0]),
	.ncolumns = sizeof(event_columns) / sizeof(event_columns[0]),
};

struct thing {
	uint64_t pid, start, utime, rss, io, wait[16];
	bool newborn;
};

struct soak {
	struct thing things[ROWS];
	uint64_t random, next_pid;
};

static uint64_t soak_random(struct soak *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % below;
}

static void thing_renew(struct soak *s, struct thing *t, uint64_t tick)
{
	*t = (struct thing){.pid = s->next_pid++, .start = tick * 100, .rss = 4096 * soak_random(s, 10000), .newborn = tick > 0};
}

static void emit(struct soak *s, struct culprit_frame *f, uint64_t tick, uint64_t mono_ns)
{
	culprit_table(f, 0);
	for (size_t i = 0; i < ROWS; i++) {
		struct thing *t = &s->things[i];
		char name[32];

		culprit_row(f);
		if (t->newborn)
			culprit_born(f);
		t->newborn = false;
		culprit_put_u64(f, 0, t->pid);
		culprit_put_u64(f, 1, t->start);
		snprintf(name, sizeof(name), "worker-%" PRIu64, t->pid);
		culprit_put_string(f, 2, name);
		culprit_put_u64(f, 3, t->utime);
		culprit_put_u64(f, 4, t->rss);
		culprit_put_histogram(f, 5, t->wait, 16);
		if (t->pid % 50 == 7)
			culprit_unread(f, 6, t->pid % 100 == 7 ? "permission denied: needs root" : "gone while reading");
		else
			culprit_put_u64(f, 6, t->io);
		culprit_end(f);
	}
	culprit_table(f, 1);
	for (uint64_t i = soak_random(s, 4); i; i--) {
		struct culprit_location stack[4];
		char who[32];

		for (size_t j = 0; j < 4; j++)
			stack[j] = (struct culprit_location){"/usr/lib/libmade_up.so", 16 * soak_random(s, 1 << 14)};
		culprit_row(f);
		culprit_put_u64(f, 0, mono_ns);
		snprintf(who, sizeof(who), "event-%" PRIu64, tick);
		culprit_put_string(f, 1, who);
		culprit_put_stack(f, 2, stack, 4);
		culprit_end(f);
	}
}

static void advance(struct soak *s, uint64_t tick)
{
	for (int i = 0; i < BUSY; i++) {
		struct thing *t = &s->things[soak_random(s, ROWS)];

		t->utime += soak_random(s, 1000000000);
		t->rss = 4096 * soak_random(s, 10000);
		t->io += soak_random(s, 1 << 20);
		t->wait[soak_random(s, 16)]++;
	}
	if (tick % 2 == 0)
		thing_renew(s, &s->things[soak_random(s, ROWS)], tick);
	if (tick % 500 == 0)
		s->things[soak_random(s, ROWS)].io = 0;
}

/* Resident memory without the ring, which fills by design. */
static long rss_kb(void)
{
	long sum = 0, kb;
	char line[512];
	bool ring = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %ld", &kb) == 1)
			sum += ring ? 0 : kb;
		else if (strstr(line, "culprit-ring"))
			ring = true;
		else if (line[0] >= '0' && line[0] <= 'f' && (line[0] <= '9' || line[0] >= 'a'))
			ring = false;
	}
	if (f)
		fclose(f);
	return sum;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static int fail(const char *what, const struct culprit_error *error)
{
	printf("FAIL %s: %s\n0 passed, 1 failed\n", what, error->sentence);
	return 1;
}

int main(int argc, char **argv)
{
	double hours = argc > 1 ? strtod(argv[1], NULL) : 1;
	uint64_t ticks = (uint64_t)(hours * 3600), warm = ticks / 2 > 10000 ? ticks / 2 : 10000;
	struct soak *s = calloc(1, sizeof(*s));
	struct culprit_error error = {0};
	struct host_info host = {.name = "soak", .user_hz = 100, .page_size = 4096, .cpus = 2, .interval_ns = 1000000000};
	struct schema *schema = schema_create();
	struct writer *writer;
	struct ring *ring = ring_create(BUDGET, NULL, "soak", &error);
	struct sink *sink;
	struct source *source;
	struct cursor *cursor;
	size_t heap_warm = 0, heap_end = 0, builder_warm = 0;
	long rss_warm = 0, rss_end;
	int failed = 0;

	if (ticks < warm + 5000)
		ticks = warm + 5000;
	if (!ring || !s)
		return fail("ring", &error);
	s->random = 88172645463325252u;
	s->next_pid = 1;
	for (size_t i = 0; i < ROWS; i++)
		thing_renew(s, &s->things[i], 0);
	if (schema_add(schema, &process_table, &error) < 0 || schema_add(schema, &event_table, &error) < 0)
		return fail("schema", &error);
	writer = writer_create(schema, &host);
	sink = ring_sink(ring, &error);
	if (!writer || !sink || writer_add_sink(writer, sink))
		return fail("writer", &error);
	source = ring_source(ring, &error);
	if (!source)
		return fail("reader", &error);
	cursor = cursor_create(source, NULL);

	for (uint64_t tick = 1; tick <= ticks; tick++) {
		uint64_t mono_ns = tick * 1000000000;
		struct builder *b = writer_builder(writer);
		int err;

		advance(s, tick);
		builder_begin(b, mono_ns, 1700000000000000000 + (int64_t)mono_ns);
		emit(s, builder_frame(b, 0, 2), tick, mono_ns);
		if (builder_frame_end(b, 0, NULL, 1000, 1, &error))
			return fail("frame", &error);
		err = writer_commit(writer);
		if (err || writer_sink_error(writer, sink, &error))
			return fail("commit", &error);
		/* The console looks each second for a while, then scrubs back. */
		if (tick % 300 < 30 || tick % 300 == 150) {
			uint64_t from, to, at = UINT64_MAX;

			if (tick % 300 == 150) {
				cursor_extent(cursor, &from, &to);
				at = from + soak_random(s, to - from + 1);
			}
			cursor_keep_since(cursor, at == UINT64_MAX ? mono_ns - 60000000000 % mono_ns : at);
			err = cursor_seek(cursor, at, &error);
			if (err && err != -ESTALE)
				return fail("seek", &error);
			if (!err && at == UINT64_MAX) {
				struct table_view v;
				size_t live = 0;

				if (cursor_mono_ns(cursor) != mono_ns || !cursor_table(cursor, "process", &v))
					return fail("the reader is not at the newest frame", &error);
				for (size_t i = 0; i < v.nrows; i++) {
					struct row memory;
					const struct row *row = cursor_row(cursor, v.schema, i, &memory);

					live += row && !row->ended_ns;
				}
				if (live != ROWS) {
					printf("FAIL %zu live rows at tick %" PRIu64 ", not %d\n0 passed, 1 failed\n", live, tick, ROWS);
					return 1;
				}
			}
		}
		if (tick == warm) {
			heap_warm = heap_bytes();
			builder_warm = builder_memory(b);
			rss_warm = rss_kb();
		}
	}
	heap_end = heap_bytes();
	rss_end = rss_kb();
	printf("%" PRIu64 " ticks, %" PRIu64 " processes; after %" PRIu64 " and at the end: heap %zu and %zu KB, builder %zu and %zu KB, "
	       "resident %ld and %ld KB\n", ticks, s->next_pid - 1, warm, heap_warm >> 10, heap_end >> 10, builder_warm >> 10,
	       builder_memory(writer_builder(writer)) >> 10, rss_warm, rss_end);
	/* Sizes double now and then; what leaks grows with the ticks. */
	if (heap_end > heap_warm + heap_warm / 10 + (256 << 10)) {
		printf("FAIL the heap grows: %zu KB in %" PRIu64 " ticks\n", (heap_end - heap_warm) >> 10, ticks - warm);
		failed++;
	}
	if (rss_end > rss_warm + rss_warm / 10 + 1024) {
		printf("FAIL the resident set grows: %ld KB\n", rss_end - rss_warm);
		failed++;
	}
	cursor_destroy(cursor);
	source_destroy(source);
	writer_destroy(writer);
	ring_unlock(ring);
	schema_unlock(schema);
	free(s);
	printf("%d passed, %d failed\n", 2 - failed, failed);
	return failed != 0;
}
