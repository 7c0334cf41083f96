/* Recordings that are not whole: a file cut at any byte gives every append that was whole before the cut; flipped bytes, bombs and
 * strangers' files are refused with a sentence. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "unit/recfile_test.h"

/* Checks what the source gives of the recording, when its first n bytes are there. */
static void check_cut(const struct cuts *cuts, struct source *source, size_t n)
{
	size_t want[3] = {0}, segments = 0;
	struct culprit_error error = {""};
	struct wbuf out;

	wbuf_init(&out);
	for (size_t i = 0; i < cuts->count && cuts->at[i].file <= n; i++) {
		want[cuts->at[i].segment] = cuts->at[i].bytes;
		segments = cuts->at[i].segment + 1;
	}
	assert_true(source->ops->refresh(source, &error) >= (int)segments);
	for (size_t i = 0; i < segments; i++) {
		const struct segment_info *info = source->ops->segment(source, i);

		assert_int_equal(info->seq, i);
		assert_true(info->size >= want[i]);
		wbuf_clear(&out);
		assert_int_equal(source->ops->read(source, i, 0, &out, &error), 0);
		assert_int_equal(out.len, info->size);
		assert_true(pattern_holds(out.data, i, 0, out.len));
	}
	wbuf_finish(&out);
}

static void test_cut_everywhere(void **state)
{
	struct cuts cuts = cuts_make();

	(void)state;
	for (size_t n = 0; n <= cuts.file.len; n++) {
		struct culprit_error error = {""};
		uint8_t *bytes = malloc(n ? n : 1); /* exactly: the address sanitizer watches its end */
		struct source *source;

		memcpy(bytes, cuts.file.data, n);
		source = recfile_source_memory(bytes, n, MIB, &error);
		assert_non_null(source);
		check_cut(&cuts, source, n);
		source_destroy(source);
		free(bytes);
	}
	wbuf_finish(&cuts.file);
}

/* The same as a file that grows byte by byte under one reader, and a pipe. */
static void test_grow(void **state)
{
	struct cuts cuts = cuts_make();
	struct culprit_error error = {""};
	struct source *source, *pipe_source;
	int fd, pipes[2];

	(void)state;
	file_write("", 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pipe(pipes), 0);
	source = recfile_source(path, &error);
	pipe_source = recfile_source_pipe(pipes[0], "pipe", 0, &error);
	assert_int_equal(pipe_source->ops->fd(pipe_source), pipes[0]);
	assert_int_equal(pipe_source->ops->refresh(pipe_source, &error), 0); /* does not wait */
	for (size_t n = 0; n < cuts.file.len; n++) {
		assert_int_equal(write(fd, cuts.file.data + n, 1), 1);
		assert_int_equal(write(pipes[1], cuts.file.data + n, 1), 1);
		if (n % 3 == 0) {
			check_cut(&cuts, source, n + 1);
			check_cut(&cuts, pipe_source, n + 1);
		}
	}
	assert_false(recfile_source_ended(pipe_source));
	close(pipes[1]);
	check_cut(&cuts, pipe_source, cuts.file.len);
	assert_true(recfile_source_ended(pipe_source));
	assert_int_equal(pipe_source->ops->fd(pipe_source), -1);
	assert_true(pipe_source->ops->segment(pipe_source, 2)->complete);
	/* Cut back and written anew. */
	assert_int_equal(ftruncate(fd, (off_t)cuts.at[3].file), 0);
	check_cut(&cuts, source, cuts.at[3].file);
	assert_int_equal(source->ops->refresh(source, &error), 1);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(source->ops->refresh(source, &error), 0);
	source_destroy(source);
	source_destroy(pipe_source);
	close(fd);
	wbuf_finish(&cuts.file);
}

/* Reads everything, whatever it is. Returns the segments that are whole and right. */
static size_t read_hostile(const void *bytes, size_t n, bool *ret_said)
{
	struct culprit_error error = {""};
	struct source *source = recfile_source_memory(bytes, n, MIB, &error);
	size_t right = 0;
	struct wbuf out;
	int count;

	*ret_said = error.sentence[0];
	if (!source)
		return 0;
	wbuf_init(&out);
	count = source->ops->refresh(source, &error);
	*ret_said = recfile_source_damage(source)[0] || count < 0;
	for (int i = 0; i < count; i++) {
		const struct segment_info *info = source->ops->segment(source, (size_t)i);
		int err;

		wbuf_clear(&out);
		error.sentence[0] = '\0';
		err = source->ops->read(source, info->seq, 0, &out, &error);
		assert_true(out.len <= MIB);
		if (err) {
			assert_int_equal(err, -EBADMSG);
			assert_non_null(strstr(error.sentence, "damaged at byte"));
			*ret_said = true;
		} else if (pattern_holds(out.data, info->seq, 0, out.len)) {
			right++;
		}
		recfile_source_summary(source, info->seq, &out, &error);
	}
	wbuf_finish(&out);
	source_destroy(source);
	return right;
}

static void test_flipped(void **state)
{
	struct cuts cuts = cuts_make();
	size_t lost = 0, named = 0;
	bool said;

	(void)state;
	assert_int_equal(read_hostile(cuts.file.data, cuts.file.len, &said), 3);
	assert_false(said);
	for (size_t i = 0; i < cuts.file.len; i++)
		for (int bit = (int)(i % 4); bit < 8; bit += 4) {
			size_t right;

			cuts.file.data[i] ^= (uint8_t)(1 << bit);
			right = read_hostile(cuts.file.data, cuts.file.len, &said);
			/* Damage in one segment costs no other one. */
			if (i >= RECFRAME_PREFIX + RECFRAME_HEADER && right < 2) {
				print_error("flipped bit %d of byte %zu: %zu segments left\n", bit, i, right);
				fail();
			}
			lost += right < 3;
			named += right < 3 && said;
			cuts.file.data[i] ^= (uint8_t)(1 << bit);
		}
	/* What zstd does not notice, the checksums of the blocks do. */
	print_message("%zu of %zu flips cost a segment, %zu were noticed here\n", lost, cuts.file.len * 2, named);
	assert_true(named > lost / 8);
	wbuf_finish(&cuts.file);
}

static void test_garbage(void **state)
{
	struct cuts cuts = cuts_make();
	uint64_t random = 4711;
	struct wbuf w;
	bool said;

	(void)state;
	wbuf_init(&w);
	for (int round = 0; round < 1000; round++) {
		wbuf_clear(&w);
		wbuf_bytes(&w, cuts.file.data, cuts.file.len);
		for (uint64_t k = rng(&random) % 4; k-- > 0;) {
			size_t at = rng(&random) % w.len, n = rng(&random) % 40, to = rng(&random) % w.len;

			if (n > w.len - at)
				n = w.len - at;
			if (n > w.len - to)
				n = w.len - to;
			memmove(w.data + to, w.data + at, n); /* pieces of itself in the wrong place */
			if (rng(&random) % 2)
				memset(w.data + at, (int)rng(&random), n);
		}
		read_hostile(w.data, w.len - rng(&random) % w.len, &said);
	}
	/* Junk between two good segments is walked around and named. */
	wbuf_clear(&w);
	wbuf_bytes(&w, cuts.file.data, cuts.at[6].file);
	for (int i = 0; i < 300000; i++)
		wbuf_u8(&w, (uint8_t)rng(&random));
	wbuf_bytes(&w, cuts.file.data + cuts.at[6].file, cuts.file.len - cuts.at[6].file);
	assert_int_equal(cuts.at[6].segment, 0);
	/* The end mark of segment 0 was written with its summary, so segment 1 begins behind the junk. */
	assert_int_equal(read_hostile(w.data, w.len, &said), 3);
	assert_true(said);
	wbuf_finish(&w);
	wbuf_finish(&cuts.file);
}

static void put_zstd(struct wbuf *w, const void *bytes, size_t n, int window_log)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	ZSTD_inBuffer in = {bytes, n, 0};
	bool ending;
	size_t left;

	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, 1);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
	do {
		ZSTD_outBuffer out;

		wbuf_reserve(w, 1 << 18);
		out = (ZSTD_outBuffer){w->data, w->cap, w->len};
		ending = in.pos == in.size; /* not at once, or zstd would store the size */
		left = ZSTD_compressStream2(z, &out, &in, ending ? ZSTD_e_end : ZSTD_e_continue);
		w->len = out.pos;
	} while (left || !ending);
	ZSTD_freeCCtx(z);
}

static void test_bombs(void **state)
{
	const struct segment_meta first = {.writer = WRITER, .seq = 0}, second = {.writer = WRITER, .seq = 1};
	uint64_t good[100];
	uint8_t *zeros = calloc(1, 8 * MIB);
	struct culprit_error error = {""};
	struct source *source;
	struct wbuf w, out;

	(void)state;
	pattern_fill(good, 1, 0, sizeof(good));
	for (int marked = 0; marked < 3; marked++) {
		size_t mark;

		wbuf_init(&w);
		wbuf_init(&out);
		recframe_put_header(&w, WRITER, 1);
		mark = w.len;
		recframe_put_mark(&w, &first);
		put_zstd(&w, zeros, 8 * MIB, 0);
		if (marked) {
			/* An end mark that says the truth, and one that lies. */
			const struct recframe_end end = {.writer = WRITER,
							 .seq = 0,
							 .body = marked == 1 ? 8 * MIB : 1000,
							 .distance = w.len - mark};

			recframe_put_end(&w, &end);
		}
		recframe_put_mark(&w, &second);
		put_zstd(&w, good, sizeof(good), 0);
		source = recfile_source_memory(w.data, w.len, MIB, &error);
		assert_non_null(source);
		assert_int_equal(source->ops->read(source, 0, 0, &out, &error), -EBADMSG);
		assert_true(out.len <= MIB);
		assert_non_null(strstr(error.sentence, "damaged at byte"));
		wbuf_clear(&out);
		/* A summary is bounded, too. */
		assert_true(recfile_source_summary(source, 0, &out, &error) < 0);
		assert_int_equal(source->ops->read(source, 1, 0, &out, &error), 0);
		assert_int_equal(out.len, sizeof(good));
		assert_true(pattern_holds(out.data, 1, 0, out.len));
		source_destroy(source);
		wbuf_finish(&w);
		wbuf_finish(&out);
	}
	/* A window of a gigabyte. */
	wbuf_init(&w);
	wbuf_init(&out);
	recframe_put_header(&w, WRITER, 1);
	recframe_put_mark(&w, &first);
	put_zstd(&w, zeros, 1000, 27);
	source = recfile_source_memory(w.data, w.len, MIB, &error);
	assert_non_null(source);
	assert_int_equal(source->ops->refresh(source, &error), 0);
	assert_true(recfile_source_damage(source)[0]);
	source_destroy(source);
	wbuf_finish(&w);
	wbuf_finish(&out);
	free(zeros);
}

/* Marks, each of which leads the walk over all the others. */
static void test_astray(void **state)
{
	struct culprit_error error = {""};
	struct source *source;
	struct wbuf w;

	(void)state;
	wbuf_init(&w);
	recframe_put_header(&w, WRITER, 1);
	for (uint64_t seq = 0; seq < 20000; seq++) {
		const struct segment_meta meta = {.writer = WRITER, .seq = seq};
		const uint32_t block = (RECFRAME_MARK + RECFRAME_PREFIX + 9) << 3; /* raw: what comes next, up to the next block */

		recframe_put_mark(&w, &meta);
		wbuf_bytes(&w, "\x28\xb5\x2f\xfd\0\x58", 6);
		wbuf_bytes(&w, &block, 3);
	}
	wbuf_pad(&w, 4096);
	w.data[w.len - 1] = 0xff;
	source = recfile_source_memory(w.data, w.len, MIB, &error); /* comes back in time */
	source_destroy(source);
	wbuf_finish(&w);
}

static void test_strangers(void **state)
{
	struct culprit_error error = {""};
	struct wbuf w;

	(void)state;
	assert_null(recfile_source("/nonexistent/x", &error));
	assert_non_null(strstr(error.sentence, "/nonexistent/x"));
	assert_null(recfile_source("/dev/null", &error));
	assert_null(recfile_source(folder, &error));
	file_write("hello, world", 12);
	error.sentence[0] = '\0';
	assert_null(recfile_source(path, &error));
	assert_non_null(strstr(error.sentence, "something else"));
	assert_null(recfile_sink(path, RECFILE_APPEND, &error));
	wbuf_init(&w);
	recframe_put_header(&w, WRITER, 1);
	w.data[RECFRAME_PREFIX + 12]++; /* another major version */
	file_write(w.data, w.len);
	assert_null(recfile_source(path, &error));
	assert_non_null(strstr(error.sentence, "version"));
	wbuf_finish(&w);
}

/* Skippable frames of who knows whom, anywhere between frames. */
static void test_unknown_frames(void **state)
{
	struct cuts cuts = cuts_make();
	struct culprit_error error = {""};
	struct source *source;
	struct wbuf w;

	(void)state;
	wbuf_init(&w);
	wbuf_bytes(&w, cuts.file.data, cuts.at[6].file);
	wbuf_u32(&w, 0x184d2a50);
	wbuf_u32(&w, 5);
	wbuf_bytes(&w, "other", 5);
	wbuf_u32(&w, RECFRAME_SKIPPABLE);
	wbuf_u32(&w, 100000);
	wbuf_bytes(&w, "CULPINDX", 8);
	for (int i = 8; i < 100000; i++)
		wbuf_u8(&w, 7);
	wbuf_bytes(&w, cuts.file.data + cuts.at[6].file, cuts.file.len - cuts.at[6].file);
	source = recfile_source_memory(w.data, w.len, MIB, &error);
	assert_int_equal(source->ops->refresh(source, &error), 3);
	assert_string_equal(recfile_source_damage(source), "");
	source_destroy(source);
	wbuf_finish(&w);
	wbuf_finish(&cuts.file);
}

/* Zeros behind what was recorded, most of them a hole: what was whole is read, what is damage is named, and soon. */
static void test_zeros(void **state)
{
	struct cuts cuts = cuts_make();
	/* In a segment; within a block; behind one that is whole: that is no damage. */
	const size_t at[] = {cuts.at[2].file, cuts.at[2].file + 5, cuts.at[6].file};

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct culprit_error error = {""};
		struct timespec cpu[2];
		struct source *source;
		struct source_state now;
		char want[64];

		file_write(cuts.file.data, at[i]);
		assert_int_equal(truncate(path, (off_t)10 << 30), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[0]);
		source = recfile_source(path, &error);
		assert_non_null(source);
		assert_int_equal(source->ops->refresh(source, &error), 1);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[1]);
		assert_true(cpu[1].tv_sec - cpu[0].tv_sec < 5);
		assert_true(source->ops->segment(source, 0)->size >= cuts.at[2].bytes);
		source->ops->state(source, &now);
		assert_int_equal(now.zero_bytes, i == 2 ? ((uint64_t)10 << 30) - at[i] : 0);
		snprintf(want, sizeof(want), "damaged at byte %zu: ", i == 1 ? cuts.at[2].file : at[i]);
		if (i == 2)
			assert_string_equal(source->ops->damage(source), "");
		else
			assert_non_null(strstr(source->ops->damage(source), want));
		source_destroy(source);
	}
	wbuf_finish(&cuts.file);
}

/* Behind more zeros than are looked at there may be anything, behind a hole there is what stands there. */
static void test_behind_zeros(void **state)
{
	enum { ZEROS = 80 * MIB };
	struct cuts cuts = cuts_make();
	const size_t end = cuts.at[6].file;
	struct culprit_error error = {""};
	uint8_t *zeros = calloc(1, MIB);
	struct source_state now;
	struct source *source;
	struct sink *sink;
	int fd;

	(void)state;
	file_write(cuts.file.data, end);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	for (int i = 0; i < ZEROS / MIB; i++)
		assert_int_equal(write(fd, zeros, MIB), MIB);
	assert_int_equal(write(fd, "x", 1), 1);
	source = recfile_source(path, &error);
	assert_int_equal(source->ops->refresh(source, &error), 1);
	source->ops->state(source, &now);
	assert_true(now.zero_bytes >= 64 * MIB && now.unread_bytes > 0);
	assert_int_equal(now.zero_bytes + now.unread_bytes, ZEROS + 1);
	source_destroy(source);
	/* So it is not cut off for more to be written there. */
	sink = recfile_sink(path, RECFILE_APPEND, &error);
	assert_null(sink);
	assert_non_null(strstr(error.sentence, "another file"));
	assert_int_equal(ftruncate(fd, (off_t)end), 0);
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	assert_int_equal(write(fd, "x", 1), 1); /* at the end */
	close(fd);
	source = recfile_source(path, &error);
	assert_int_equal(source->ops->refresh(source, &error), 1);
	source->ops->state(source, &now);
	assert_int_equal(now.zero_bytes, 0);
	assert_string_not_equal(source->ops->damage(source), "");
	source_destroy(source);
	free(zeros);
	wbuf_finish(&cuts.file);
}

/* Where no frame is to be had, it says why. */
static void test_nothing(void **state)
{
	struct cuts cuts = cuts_make();
	struct culprit_error error = {""};
	struct source *source;

	(void)state;
	for (size_t n = 0; n < cuts.at[0].file; n++) {
		source = recfile_source_memory(cuts.file.data, n, MIB, &error);
		assert_int_equal(source->ops->refresh(source, &error), 0);
		assert_non_null(strstr(source->ops->notice(source), n ? "before its first frame" : "is empty"));
		source_destroy(source);
	}
	/* Found only on reading it, by zstd. */
	cuts.file.data[cuts.at[0].file - 8] ^= 0x10;
	source = recfile_source_memory(cuts.file.data, cuts.at[6].file, MIB, &error);
	if (source->ops->refresh(source, &error)) {
		struct wbuf out;

		wbuf_init(&out);
		if (source->ops->read(source, 0, 0, &out, &error))
			assert_string_equal(source->ops->damage(source), error.sentence);
		wbuf_finish(&out);
	}
	source_destroy(source);
	wbuf_finish(&cuts.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cut_everywhere), TEST(test_grow), TEST(test_flipped), TEST(test_garbage), TEST(test_bombs), TEST(test_astray),
		TEST(test_strangers), TEST(test_unknown_frames), TEST(test_zeros), TEST(test_behind_zeros), TEST(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
