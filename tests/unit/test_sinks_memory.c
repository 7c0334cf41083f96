/* The ring and a recording take no memory in steady state: every allocation is counted, those inside of zstd too, over
 * appends, ends and beginnings of segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>
#include <cmocka.h>

#include "recfile.h"
#include "ring.h"
#include "support/counted_malloc.h"
#include "unit/pattern.h"

enum { WARM = 4, COUNTED = 300, APPENDS = 20, BYTES = 20480 };

static uint64_t bytes[BYTES / 8];

static void segments(struct sink *sink, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq < to; seq++) {
		const struct segment_meta meta = {.writer = 1, .seq = seq};

		assert_int_equal(sink->ops->begin(sink, &meta, NULL), 0);
		for (size_t i = 0; i < APPENDS; i++) {
			/* Sizes and contents vary, as frames do. */
			size_t n = 8 + (seq * 31 + i * 1237) % (BYTES / 8) * 8 % (BYTES - 8);

			pattern_fill(bytes, seq, i * BYTES, n);
			assert_int_equal(sink->ops->append(sink, bytes, n, i, NULL), 0);
		}
		assert_int_equal(sink->ops->end(sink, bytes, 8 * (1 + seq % 2000), NULL), 0);
	}
}

static void count(struct sink *sink)
{
	segments(sink, 0, WARM);
	allocations = 0;
	counting = true;
	segments(sink, WARM, WARM + COUNTED);
	counting = false;
	sink->ops->destroy(sink);
	assert_int_equal(allocations, 0);
}

static void test_counts(void **state)
{
	(void)state;
	need_counting();
	counting = true;
	ZSTD_freeCCtx(ZSTD_createCCtx());
	counting = false;
	assert_true(allocations > 0);
}

static void test_ring(void **state)
{
	struct culprit_error error = {""};
	struct ring *ring = ring_create(RING_BUDGET_MIN, NULL, NULL, &error);

	(void)state;
	assert_non_null(ring);
	count(ring_sink(ring, &error));
	ring_unlock(ring);
}

static void test_file(void **state)
{
	char path[] = "/tmp/culprit-sinks-XXXXXX";
	struct culprit_error error = {""};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	count(recfile_sink_fd(fd, "a file", &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests_name("sinks_memory", tests, NULL, NULL);
}
