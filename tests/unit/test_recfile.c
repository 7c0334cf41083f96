/* Recordings as they are written and read: bytes in are bytes out, with the index and without it; a file that is there, gone on
 * with, too large; a full disk leaves a readable file. Damage: test_recfile_damaged.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "unit/recfile_test.h"

static void test_bytes(void **state)
{
	struct sink *sink = sink_new(RECFILE_REFUSE);
	struct culprit_error error = {""};
	struct source *source = recfile_source(path, &error); /* nothing is there yet */
	struct stat st;
	struct wbuf out;

	(void)state;
	wbuf_init(&out);
	assert_non_null(source);
	assert_int_equal(source->ops->refresh(source, &error), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(sink->ops->segment_max(sink), RECFILE_SEGMENT_MAX);
	assert_int_equal(sink->ops->append(sink, "12345678", 8, 1, &error), -EINVAL);
	assert_int_equal(pattern_segment(sink, WRITER, 0, 5, 4096, 800), 0);
	assert_int_equal(pattern_segment(sink, WRITER, 1, 1, 3 * MIB, 8), 0); /* many blocks an append */
	assert_int_equal(pattern_segment(sink, WRITER, 4, 3, 1000, 0), 0);    /* without summary */
	assert_int_equal(source->ops->refresh(source, &error), 3);
	assert_int_equal(pattern_begin(sink, WRITER, 4), -EINVAL);
	assert_int_equal(pattern_begin(sink, WRITER, 5), 0);
	assert_int_equal(source->ops->refresh(source, &error), 3);
	for (int i = 0; i < 100; i++) {
		/* Grows under the reader, append by append. */
		assert_int_equal(pattern_append(sink, 5, 800u * (unsigned)i, 800, 1, NULL), 0);
		assert_int_equal(source->ops->refresh(source, &error), 4);
		check_segment(source, 3, 5, 5, 800u * (unsigned)(i + 1), false);
	}
	check_segment(source, 0, 0, 0, 5 * 4096 + 800, true);
	check_segment(source, 1, 1, 1, 3 * MIB + 8, true);
	check_segment(source, 2, 4, 4, 3000, true);
	assert_int_equal(source->ops->segment(source, 0)->to_ns, 1004);
	assert_int_equal(recfile_source_summary(source, 0, &out, &error), 0);
	assert_int_equal(out.len, 800);
	assert_true(pattern_holds(out.data, 0, 5 * 4096, 800));
	assert_int_equal(recfile_source_summary(source, 4, &out, &error), -ENOENT);
	assert_int_equal(recfile_source_summary(source, 5, &out, &error), -ENOENT);
	assert_int_equal(recfile_source_summary(source, 6, &out, &error), -ESTALE);
	assert_int_equal(source->ops->read(source, 3, 0, &out, &error), -ESTALE);
	assert_int_equal(source->ops->fd(source), -1);
	assert_false(recfile_source_ended(source));
	assert_string_equal(recfile_source_damage(source), "");
	sink->ops->destroy(sink);
	assert_int_equal(source->ops->refresh(source, &error), 4);
	check_segment(source, 3, 5, 5, 80000, true);
	source_destroy(source);
	wbuf_finish(&out);
}

/* All of the file is zstd, and what zstd makes of it are the segments' bytes and nothing else. */
static void test_plain_zstd(void **state)
{
	struct sink *sink = sink_new(RECFILE_REFUSE);
	struct wbuf file;
	ZSTD_DCtx *z = ZSTD_createDCtx();
	size_t total = 0, cap = 1 << 20, left = 0;
	uint8_t *out = malloc(cap);
	ZSTD_outBuffer to = {out, cap, 0};
	ZSTD_inBuffer from;

	(void)state;
	for (uint64_t seq = 0; seq < 10; seq++)
		assert_int_equal(pattern_segment(sink, WRITER, seq, 4, 1000 + 8 * seq, 80), 0);
	sink->ops->destroy(sink);
	file = file_bytes();
	from = (ZSTD_inBuffer){file.data, file.len, 0};
	while (from.pos < from.size) {
		left = ZSTD_decompressStream(z, &to, &from);
		assert_false(ZSTD_isError(left));
	}
	assert_int_equal(left, 0);
	for (uint64_t seq = 0; seq < 10; seq++) {
		size_t n = 4 * (1000 + 8 * seq) + 80;

		assert_true(pattern_holds(out + total, seq, 0, n));
		total += n;
	}
	assert_int_equal(to.pos, total);
	ZSTD_freeDCtx(z);
	wbuf_finish(&file);
	free(out);
}

static bool has_index(void)
{
	struct wbuf w = file_bytes();
	bool has = w.len > 8 && memmem(w.data, w.len, "CULPINDX", 8);

	wbuf_finish(&w);
	return has;
}

/* With the index and without it, a file says the same; an index that is not true is not believed. */
static void test_index(void **state)
{
	struct sink *sink = sink_new(RECFILE_REFUSE);
	struct culprit_error error = {""};
	struct source *with, *without;
	struct wbuf w, damaged;
	size_t at;

	(void)state;
	for (uint64_t seq = 0; seq < 20; seq++)
		assert_int_equal(pattern_segment(sink, WRITER, seq * 2, 3, 800 + 8 * seq, seq % 3 ? 80 : 0), 0);
	assert_false(has_index());
	sink->ops->destroy(sink);
	assert_true(has_index());
	w = file_bytes();
	with = recfile_source_memory(w.data, w.len, MIB, &error);
	without = recfile_source_memory(w.data, w.len - 1, MIB, &error);
	assert_true(recfile_source_indexed(with));
	assert_false(recfile_source_indexed(without));
	assert_int_equal(with->ops->refresh(with, &error), 20);
	assert_int_equal(without->ops->refresh(without, &error), 20);
	for (size_t i = 0; i < 20; i++) {
		const struct segment_info *a = with->ops->segment(with, i), *b = without->ops->segment(without, i);

		assert_memory_equal(a, b, sizeof(*a));
		check_segment(with, i, 2 * i, 2 * i, 3 * (800 + 8 * i) + (i % 3 ? 80 : 0), true);
	}
	source_destroy(with);
	source_destroy(without);
	/* Any bit of it that is turned around leaves the walk, which finds all. */
	at = (size_t)((uint8_t *)memmem(w.data, w.len, "CULPINDX", 8) - w.data) - RECFRAME_PREFIX;
	for (size_t i = at; i < w.len; i++) {
		w.data[i] ^= 16;
		with = recfile_source_memory(w.data, w.len, MIB, &error);
		assert_non_null(with);
		assert_int_equal(with->ops->refresh(with, &error), 20);
		assert_false(recfile_source_indexed(with));
		source_destroy(with);
		w.data[i] ^= 16;
	}
	/* Bytes that are missing before it; a segment's mark that is damaged costs that segment alone. */
	wbuf_init(&damaged);
	wbuf_bytes(&damaged, w.data, 100);
	wbuf_bytes(&damaged, w.data + 101, w.len - 101);
	with = recfile_source_memory(damaged.data, damaged.len, MIB, &error);
	assert_int_equal(recfile_source_indexed(with), false);
	source_destroy(with);
	wbuf_finish(&damaged);
	for (size_t i = 0, seen = 0; i + 8 < at; i++) {
		if (memcmp(w.data + i, "CULPSEGM", 8) || ++seen != 10)
			continue;
		w.data[i] ^= 1;
		with = recfile_source_memory(w.data, w.len, MIB, &error);
		assert_true(recfile_source_indexed(with));
		wbuf_init(&damaged);
		assert_int_equal(with->ops->read(with, 18, 0, &damaged, &error), -EBADMSG);
		assert_non_null(strstr(error.sentence, "damaged at byte"));
		check_segment(with, 10, 20, 20, 3 * 880 + 80, true);
		source_destroy(with);
		wbuf_finish(&damaged);
		break;
	}
	/* Gone on with: what was indexed stays, the new ones are found. */
	file_write(w.data, at);
	sink = sink_new(RECFILE_APPEND);
	assert_int_equal(pattern_segment(sink, WRITER + 1, 0, 3, 800, 8), 0);
	with = recfile_source(path, &error);
	assert_false(recfile_source_indexed(with));
	assert_int_equal(with->ops->refresh(with, &error), 1);
	sink->ops->destroy(sink);
	assert_int_equal(with->ops->refresh(with, &error), 1);
	assert_string_equal(recfile_source_damage(with), "");
	source_destroy(with);
	wbuf_finish(&w);
}

static void test_exists(void **state)
{
	struct sink *sink = sink_new(RECFILE_REFUSE);
	struct culprit_error error = {""};
	char link[96];

	(void)state;
	/* A second writer; nobody is told to remove what is being written. */
	assert_null(recfile_sink(path, RECFILE_REFUSE, &error));
	assert_non_null(strstr(error.sentence, "another recorder"));
	assert_null(recfile_sink(path, RECFILE_OVERWRITE, &error));
	assert_non_null(strstr(error.sentence, "another recorder"));
	assert_null(recfile_sink(path, RECFILE_APPEND, &error));
	assert_int_equal(pattern_segment(sink, WRITER, 0, 3, 800, 8), 0);
	sink->ops->destroy(sink);
	assert_null(recfile_sink(path, RECFILE_REFUSE, &error));
	assert_non_null(strstr(error.sentence, "exists"));
	sink = sink_new(RECFILE_OVERWRITE);
	sink->ops->destroy(sink);
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(path, link), 0);
	assert_null(recfile_sink(link, RECFILE_OVERWRITE, &error));
	assert_non_null(strstr(error.sentence, "symbolic link"));
	unlink(link);
	assert_null(recfile_sink("/dev/null", RECFILE_OVERWRITE, &error));
	assert_null(recfile_sink("/nonexistent/x", RECFILE_REFUSE, &error));
}

static int held = -1;

static void let_go(int signal)
{
	(void)signal;
	close(held);
}

/* Who looks whether a recording is being written holds its lock for an instant, a recorder that was killed for a moment longer. */
static void test_lock_of_a_moment(void **state)
{
	const struct itimerval soon = {.it_value = {.tv_usec = 100000}};
	struct sink *sink = sink_new(RECFILE_REFUSE);

	(void)state;
	sink->ops->destroy(sink);
	held = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	signal(SIGALRM, let_go);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	sink = sink_new(RECFILE_APPEND);
	sink->ops->destroy(sink);
	signal(SIGALRM, SIG_DFL);
}

/* A recording that was cut at any byte is gone on with: nothing whole is lost, and all of it is zstd again. */
static void test_append(void **state)
{
	struct cuts cuts = cuts_make();
	const size_t header = RECFRAME_PREFIX + RECFRAME_HEADER;

	(void)state;
	for (size_t n = 0; n <= cuts.file.len; n += n < 200 ? 1 : 7) {
		size_t want[3] = {0}, segments = 0;
		struct culprit_error error = {""};
		struct source *source;
		struct sink *sink;
		struct wbuf w, out;
		const uint8_t *second;
		int count;

		for (size_t i = 0; i < cuts.count && cuts.at[i].file <= n; i++) {
			want[cuts.at[i].segment] = cuts.at[i].bytes;
			segments = cuts.at[i].segment + 1;
		}
		file_write(cuts.file.data, n);
		sink = sink_new(RECFILE_APPEND);
		assert_int_equal(pattern_segment(sink, WRITER + 1, 0, 2, 400, 16), 0);
		assert_int_equal(pattern_segment(sink, WRITER + 1, 7, 2, 400, 16), 0);
		sink->ops->destroy(sink);
		w = file_bytes();
		wbuf_init(&out);
		second = w.len > header ? memmem(w.data + header, w.len - header, "CULPREC1", 8) : NULL;
		assert_true(second || !segments);
		/* What was there, by itself. */
		source = recfile_source_memory(w.data, second ? (size_t)(second - w.data) - RECFRAME_PREFIX : 0, MIB, &error);
		if (!source)
			print_error("cut at %zu: %s, %zd\n", n, error.sentence, second - w.data);
		assert_non_null(source);
		assert_string_equal(recfile_source_damage(source), "");
		for (size_t i = 0; i < segments; i++) {
			assert_true(source->ops->segment(source, i)->size >= want[i]);
			assert_true(source->ops->segment(source, i)->complete);
			wbuf_clear(&out);
			assert_int_equal(source->ops->read(source, i, 0, &out, &error), 0);
			assert_true(pattern_holds(out.data, i, 0, out.len));
		}
		source_destroy(source);
		/* Of both, the last one is read. Where the end is not there, its numbers are moved behind those before. */
		source = recfile_source(path, &error);
		assert_non_null(source);
		assert_string_equal(recfile_source_damage(source), "");
		count = source->ops->refresh(source, &error);
		assert_int_equal(count, 2);
		assert_int_equal(!!strstr(source->ops->notice(source), "one after the other"), !!second);
		for (int i = 0; i < 2; i++) {
			const struct segment_info *info = source->ops->segment(source, (size_t)i);

			assert_int_equal(info->size, 816);
			assert_int_equal(info->seq, i ? 7 : 0);
			wbuf_clear(&out);
			assert_int_equal(source->ops->read(source, info->seq, 0, &out, &error), 0);
			assert_true(pattern_holds(out.data, i ? 7 : 0, 0, out.len));
		}
		source_destroy(source);
		source = recfile_source_memory(w.data, w.len - 1, MIB, &error);
		assert_int_equal(source->ops->refresh(source, &error), 2);
		assert_true(source->ops->segment(source, 0)->seq >= segments);
		assert_int_equal(source->ops->segment(source, 1)->seq, source->ops->segment(source, 0)->seq + 7);
		assert_string_equal(recfile_source_damage(source), "");
		source_destroy(source);
		for (size_t at = 0; at < w.len;) {
			size_t frame = ZSTD_findFrameCompressedSize(w.data + at, w.len - at);

			assert_false(ZSTD_isError(frame));
			at += frame;
		}
		wbuf_finish(&w);
		wbuf_finish(&out);
	}
	wbuf_finish(&cuts.file);
}

/* A full disk, by a limit on the file's size: in a process of its own. */
static int record_until_full(rlim_t limit)
{
	struct rlimit rlimit = {limit, limit};
	struct culprit_error error = {""}, again = {""};
	struct sink *sink = recfile_sink(path, RECFILE_OVERWRITE, NULL);
	uint64_t seq;
	int err = 0;

	setrlimit(RLIMIT_FSIZE, &rlimit);
	for (seq = 0; seq < 100 && !err; seq++) {
		err = pattern_begin(sink, WRITER, seq);
		for (size_t i = 0; i < 5 && !err; i++)
			err = pattern_append(sink, seq, i * 800, 800, 1, &error);
		if (!err)
			err = pattern_end(sink, seq, 4000, 80);
	}
	if (err != -EFBIG || pattern_begin(sink, WRITER, 1000) != err ||
	    sink->ops->append(sink, "12345678", 8, 1, &again) != err || !strstr(again.sentence, "recording stopped"))
		return 1;
	sink->ops->destroy(sink);
	return 0;
}

static void test_full(void **state)
{
	(void)state;
	for (rlim_t limit = 1; limit < 12000; limit += limit < 5000 ? 97 : 701) {
		struct culprit_error error = {""};
		struct source *source;
		struct wbuf w, out;
		int status, count;
		pid_t child = fork();

		if (!child)
			_exit(record_until_full(limit));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		source = recfile_source(path, &error);
		assert_non_null(source);
		assert_string_equal(recfile_source_damage(source), "");
		count = source->ops->refresh(source, &error);
		wbuf_init(&out);
		for (int i = 0; i < count; i++) {
			wbuf_clear(&out);
			assert_int_equal(source->ops->read(source, (uint64_t)i, 0, &out, &error), 0);
			assert_true(pattern_holds(out.data, (uint64_t)i, 0, out.len));
			assert_true(out.len % 800 == 0 || out.len == 4080); /* whole appends */
			if (i < count - 1)
				assert_int_equal(out.len, 4080);
		}
		if (limit > 4000)
			assert_true(count > 1);
		source_destroy(source);
		wbuf_finish(&out);
		w = file_bytes();
		assert_true(w.len <= limit);
		wbuf_finish(&w);
	}
	for (int fd = open("/dev/full", O_WRONLY | O_CLOEXEC); fd >= 0; fd = -1) {
		struct culprit_error error = {""};
		struct sink *sink = recfile_sink_fd(fd, "full", &error);

		assert_int_equal(pattern_begin(sink, WRITER, 0), 0);
		assert_int_equal(pattern_append(sink, 0, 0, 800, 1, &error), -ENOSPC);
		assert_non_null(strstr(error.sentence, "disk is full"));
		sink->ops->destroy(sink);
	}
}

static void test_pipe(void **state)
{
	struct culprit_error error = {""};
	struct source *source;
	struct sink *sink;
	int pipes[2], count;

	(void)state;
	/* More than the budget: the oldest go. */
	assert_int_equal(pipe(pipes), 0);
	sink = recfile_sink_fd(pipes[1], "pipe", &error);
	source = recfile_source_pipe(pipes[0], "stdin", 40000, &error);
	for (uint64_t seq = 0; seq < 100; seq++) {
		assert_int_equal(pattern_segment(sink, WRITER, seq, 2, 4000, 80), 0);
		count = source->ops->refresh(source, &error);
		assert_true(count >= 1);
		for (int i = 0; i < count; i++)
			check_segment(source, (size_t)i, seq + 1 - (uint64_t)(count - i), seq + 1 - (uint64_t)(count - i), 8080, true);
	}
	assert_true(count < 20 && count > 3);
	source_destroy(source);
	/* Its reader is gone: no signal, a sentence. */
	assert_int_equal(pattern_begin(sink, WRITER, 100), 0);
	assert_int_equal(pattern_append(sink, 100, 0, 800, 1, &error), -EPIPE);
	assert_non_null(strstr(error.sentence, "reader is gone"));
	assert_int_equal(pattern_append(sink, 100, 800, 800, 1, &error), -EPIPE);
	sink->ops->destroy(sink);

	/* Something else, and without end. */
	for (int kind = 0; kind < 2; kind++) {
		uint8_t junk[4096] = {0};
		struct wbuf w;
		int err = 0;

		assert_int_equal(pipe(pipes), 0);
		source = recfile_source_pipe(pipes[0], "stdin", MIB, &error);
		wbuf_init(&w);
		if (kind) {
			const struct segment_meta meta = {.writer = WRITER};

			recframe_put_header(&w, WRITER, 1);
			recframe_put_mark(&w, &meta);
			wbuf_u32(&w, 0x184d2a51); /* to be skipped, four gigabytes of it */
			wbuf_u32(&w, UINT32_MAX);
		}
		wbuf_bytes(&w, junk, sizeof(junk));
		assert_int_equal(write(pipes[1], w.data, w.len), w.len);
		for (int i = 0; i < 20000 && err >= 0; i++) {
			assert_int_equal(write(pipes[1], junk, sizeof(junk)), sizeof(junk));
			err = source->ops->refresh(source, &error);
		}
		assert_int_equal(err, -EBADMSG);
		assert_true(error.sentence[0]);
		source_destroy(source);
		close(pipes[1]);
		wbuf_finish(&w);
	}
}

/* Blocks as the real writer makes them: the newest frame's time is known before the segment's end. */
static void test_newest_time(void **state)
{
	struct sink *sink = sink_new(RECFILE_REFUSE);
	const struct segment_meta meta = {.writer = WRITER, .mono_ns = 100};
	struct culprit_error error = {""};
	struct source *source;
	struct wbuf w;

	(void)state;
	wbuf_init(&w);
	wbuf_bytes(&w, FORMAT_SEGMENT_MAGIC, 8);
	wbuf_u32(&w, FORMAT_SEGMENT_HEADER);
	while (w.len < FORMAT_SEGMENT_HEADER)
		wbuf_u8(&w, 0);
	assert_int_equal(sink->ops->begin(sink, &meta, &error), 0);
	source = recfile_source(path, &error);
	for (uint64_t ns = 100; ns < 1000; ns += 100) {
		uint32_t size = 16 + (uint32_t)(ns / 100);
		size_t at = w.len;

		wbuf_u32(&w, FORMAT_FRAME);
		wbuf_u32(&w, size);
		wbuf_u32(&w, 0);
		wbuf_u32(&w, 0);
		wbuf_u64(&w, ns);
		for (uint32_t i = 8; i < size; i++)
			wbuf_u8(&w, 1);
		wbuf_patch_u32(&w, at + 8, crc32c(crc32c(0, w.data + at, 8), w.data + at + 16, size));
		wbuf_pad(&w, 8);
		assert_int_equal(sink->ops->append(sink, w.data, w.len, ns, &error), 0);
		wbuf_clear(&w);
		assert_int_equal(source->ops->refresh(source, &error), 1);
		assert_int_equal(source->ops->segment(source, 0)->to_ns, ns);
	}
	sink->ops->destroy(sink);
	assert_int_equal(source->ops->refresh(source, &error), 1);
	assert_int_equal(source->ops->segment(source, 0)->to_ns, 900);
	source_destroy(source);
	wbuf_finish(&w);
}

/* Many segments: the cache forgets and reads again. */
static void test_many(void **state)
{
	struct sink *sink = sink_new(RECFILE_REFUSE);
	struct culprit_error error = {""};
	struct source *source;
	uint64_t random = 99;
	struct wbuf out;

	(void)state;
	for (uint64_t seq = 0; seq < 300; seq++)
		assert_int_equal(pattern_segment(sink, WRITER, seq, 2, 8000 + 8 * seq, 80), 0);
	sink->ops->destroy(sink);
	source = recfile_source(path, &error);
	assert_int_equal(source->ops->refresh(source, &error), 300);
	wbuf_init(&out);
	for (int i = 0; i < 500; i++) {
		uint64_t seq = rng(&random) % 300;

		wbuf_clear(&out);
		assert_int_equal(source->ops->read(source, seq, 0, &out, &error), 0);
		assert_int_equal(out.len, 16080 + 16 * seq);
		assert_true(pattern_holds(out.data, seq, 0, out.len));
	}
	wbuf_finish(&out);
	source_destroy(source);
}

static void test_too_large(void **state)
{
	struct sink *sink = sink_new(RECFILE_REFUSE);
	struct culprit_error error = {""};
	uint8_t *zeros = calloc(1, RECFILE_SEGMENT_MAX);
	const struct segment_meta first = {.writer = WRITER}, second = {.writer = WRITER, .seq = 1};
	struct source *source;

	(void)state;
	assert_int_equal(sink->ops->begin(sink, &first, &error), 0);
	assert_int_equal(sink->ops->append(sink, zeros, RECFILE_SEGMENT_MAX - 800, 1, &error), 0);
	assert_int_equal(sink->ops->append(sink, zeros, 808, 1, &error), -EFBIG);
	assert_int_equal(sink->ops->append(sink, zeros, 8, 1, &error), -EFBIG);
	assert_int_equal(sink->ops->end(sink, zeros, 8, &error), -EFBIG);
	assert_int_equal(sink->ops->begin(sink, &second, &error), 0);
	assert_int_equal(sink->ops->append(sink, zeros, RECFILE_SEGMENT_MAX - 800, 1, &error), 0);
	assert_int_equal(sink->ops->end(sink, zeros, 800, &error), 0);
	sink->ops->destroy(sink);
	source = recfile_source(path, &error);
	assert_int_equal(source->ops->refresh(source, &error), 2);
	for (uint64_t seq = 0; seq < 2; seq++) {
		struct wbuf out;

		wbuf_init(&out);
		assert_int_equal(source->ops->read(source, seq, 0, &out, &error), 0);
		assert_int_equal(out.len, RECFILE_SEGMENT_MAX - (seq ? 0 : 800));
		wbuf_finish(&out);
	}
	source_destroy(source);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bytes), TEST(test_plain_zstd), TEST(test_index), TEST(test_exists), TEST(test_lock_of_a_moment), TEST(test_append), TEST(test_full),
		TEST(test_pipe), TEST(test_newest_time), TEST(test_many), TEST(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
