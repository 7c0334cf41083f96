/* A writer that appends and evicts at full speed, and readers that check every copied segment: never a torn one without
 * -ESTALE. Under the thread sanitizer it must pass, and must fail when built with PLAIN_COPY=1 (tests/tsan_ring.sh). */
/* alone: threads must meet */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "ring.h"
#include "unit/pattern.h"

enum {
	READERS = 4, /* two through the mapping, two by pread */
	ENOUGH = 200, /* whole segments each wants to see */
	SECONDS = 20, /* but no longer */
};

struct reader {
	pthread_t thread;
	struct source *source;
	unsigned whole, stale, torn, failed;
	const bool *stop;
	unsigned *ready;
};

static bool enough(const struct reader *reader)
{
	return reader->whole >= ENOUGH;
}

static void check(struct reader *self, uint64_t seq, uint64_t size, struct wbuf *out)
{
	/* Not always from the start: an offset may be any. */
	uint64_t offset = self->whole % 3 ? 0 : (self->whole * 1237) % (size + 1);
	struct culprit_error error = {""};
	int err;

	wbuf_clear(out);
	err = self->source->ops->read(self->source, seq, offset, out, &error);
	if (err == -ESTALE)
		self->stale++;
	else if (err)
		self->failed++;
	else if (out->len != size - offset || !pattern_holds(out->data, seq, offset, out->len))
		self->torn++;
	else
		self->whole++;
}

static void *read_all(void *arg)
{
	struct reader *self = arg;
	bool counted = false;
	struct wbuf out;

	wbuf_init(&out);
	while (!__atomic_load_n(self->stop, __ATOMIC_RELAXED)) {
		int count = self->source->ops->refresh(self->source, NULL);

		if (count < 0)
			self->failed++;
		if (count > 0) {
			/* The oldest is about to be overwritten, the newest is being written. */
			struct segment_info old = *self->source->ops->segment(self->source, 0);
			struct segment_info new = *self->source->ops->segment(self->source, (size_t)count - 1);

			check(self, old.seq, old.size, &out);
			check(self, new.seq, new.size, &out);
		}
		if (enough(self) && !counted) {
			__atomic_add_fetch(self->ready, 1, __ATOMIC_RELAXED);
			counted = true;
		}
	}
	wbuf_finish(&out);
	return NULL;
}

static time_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void test_torn(void **state)
{
	static const size_t sizes[] = {8, 64, 4096, 20000, 40000, 104};
	struct culprit_error error = {""};
	struct ring *ring = ring_create(RING_BUDGET_MIN, NULL, NULL, &error);
	struct sink *sink = ring_sink(ring, &error);
	struct reader readers[READERS] = {0};
	uint64_t *bytes = malloc(40000);
	time_t end = now_s() + SECONDS;
	unsigned ready = 0;
	bool stop = false;
	uint64_t seq = 0;

	(void)state;
	assert_non_null(sink);
	for (int i = 0; i < READERS; i++) {
		readers[i].source = i % 2 ? ring_source_fd(ring_fd(ring), "pread", &error) : ring_source(ring, &error);
		readers[i].stop = &stop;
		readers[i].ready = &ready;
		assert_non_null(readers[i].source);
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
	}
	while (__atomic_load_n(&ready, __ATOMIC_RELAXED) < READERS && now_s() < end) {
		uint64_t at = 0;

		assert_int_equal(pattern_begin(sink, 1, seq), 0);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			pattern_fill(bytes, seq, at, sizes[i]);
			assert_int_equal(sink->ops->append(sink, bytes, sizes[i], 1, NULL), 0);
			at += sizes[i];
		}
		pattern_fill(bytes, seq, at, 256);
		assert_int_equal(sink->ops->end(sink, bytes, 256, NULL), 0);
		seq++;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		print_message("%s: %u whole, %u overwritten, %u torn of %llu segments written\n", i % 2 ? "pread" : "mapping",
			      readers[i].whole, readers[i].stale, readers[i].torn, (unsigned long long)seq);
		source_destroy(readers[i].source);
		assert_int_equal(readers[i].torn, 0);
		assert_int_equal(readers[i].failed, 0);
		assert_true(readers[i].whole > 0);
	}
	sink->ops->destroy(sink);
	ring_unlock(ring);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_torn),
	};

	return cmocka_run_group_tests_name("ring_threads", tests, NULL, NULL);
}
