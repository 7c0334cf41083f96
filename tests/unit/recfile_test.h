/* Recordings that the tests of recfile.h make, damage and look at. */
#ifndef TESTS_RECFILE_TEST_H
#define TESTS_RECFILE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "recfile.h"
#include "recfile_frames.h"
#include "unit/pattern.h"

enum { WRITER = 77, MIB = 1 << 20 };

static char folder[64], path[96];

static inline int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/culprit-rec-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/a.rec", folder);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static inline struct sink *sink_new(enum recfile_exist exist)
{
	struct culprit_error error = {""};
	struct sink *sink = recfile_sink(path, exist, &error);

	if (!sink)
		print_error("%s\n", error.sentence);
	assert_non_null(sink);
	return sink;
}

static inline struct wbuf file_bytes(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct wbuf w;
	ssize_t got;

	wbuf_init(&w);
	while ((got = read(fd, wbuf_reserve(&w, 65536), 65536)) > 0)
		w.len += (size_t)got;
	close(fd);
	return w;
}

static inline void file_write(const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

/* The segment holds `size` bytes of its pattern. */
static inline void check_segment(struct source *source, size_t i, uint64_t seq, uint64_t pattern, uint64_t size, bool complete)
{
	const struct segment_info *info = source->ops->segment(source, i);
	struct culprit_error error = {""};
	struct wbuf out;

	wbuf_init(&out);
	assert_non_null(info);
	assert_int_equal(info->seq, seq);
	assert_int_equal(info->size, size);
	assert_int_equal(info->complete, complete);
	assert_int_equal(info->from_ns, 1000 + pattern * 100);
	assert_int_equal(info->wall_ns, 5000 + pattern * 100);
	assert_int_equal(source->ops->read(source, seq, 0, &out, &error), 0);
	assert_int_equal(out.len, size);
	assert_true(pattern_holds(out.data, pattern, 0, out.len));
	for (uint64_t offset = 1; offset <= size; offset += 1 + size / 7) {
		wbuf_clear(&out);
		wbuf_bytes(&out, "ab", 2);
		assert_int_equal(source->ops->read(source, seq, offset, &out, &error), 0);
		assert_int_equal(out.len, 2 + size - offset);
		assert_true(pattern_holds(out.data + 2, pattern, offset, size - offset));
	}
	wbuf_finish(&out);
}

/* A recording of three segments, the last one not ended; where each append ended in the file. */
struct cuts {
	struct wbuf file;
	struct {
		size_t file, segment, bytes;
	} at[64];
	size_t count;
};

static inline void cut_here(struct cuts *cuts, const struct sink *sink, size_t segment, size_t bytes)
{
	cuts->at[cuts->count].file = recfile_sink_written(sink);
	cuts->at[cuts->count].segment = segment;
	cuts->at[cuts->count++].bytes = bytes;
}

static inline struct cuts cuts_make(void)
{
	struct sink *sink = sink_new(RECFILE_OVERWRITE);
	struct cuts cuts = {.count = 0};

	for (uint64_t seq = 0; seq < 3; seq++) {
		assert_int_equal(pattern_begin(sink, WRITER, seq), 0);
		for (size_t i = 0; i < 6; i++) {
			size_t n = 8 * (1 + i * 17 + seq);
			size_t at = cuts.count && cuts.at[cuts.count - 1].segment == seq ? cuts.at[cuts.count - 1].bytes : 0;

			assert_int_equal(pattern_append(sink, seq, at, n, 1, NULL), 0);
			cut_here(&cuts, sink, seq, at + n);
		}
		if (seq < 2) {
			size_t at = cuts.at[cuts.count - 1].bytes;

			assert_int_equal(pattern_end(sink, seq, at, 64), 0);
			cut_here(&cuts, sink, seq, at + 64);
		}
	}
	cuts.file = file_bytes();
	assert_int_equal(cuts.file.len, recfile_sink_written(sink));
	sink->ops->destroy(sink);
	return cuts;
}

static inline uint64_t rng(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
