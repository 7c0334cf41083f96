/* The ring: bytes in are bytes out, through the mapping and by pread, in this process and in another one; what an enemy
 * writes into it, or cuts off it, is refused with a sentence. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ring_layout.h"
#include "unit/pattern.h"

enum { WRITER = 77, MIB = 1 << 20 };

static struct ring *ring_new(struct sink **ret_sink)
{
	struct culprit_error error = {""};
	struct ring *ring = ring_create(RING_BUDGET_MIN, NULL, NULL, &error);

	assert_non_null(ring);
	*ret_sink = ring_sink(ring, &error);
	assert_non_null(*ret_sink);
	return ring;
}

/* Every segment the source shows holds what it should. Returns how many, and the bytes. */
static size_t check_all(struct source *source, uint64_t *ret_bytes)
{
	struct culprit_error error = {""};
	int count = source->ops->refresh(source, &error);
	uint64_t bytes = 0;
	struct wbuf out;

	assert_true(count >= 0);
	wbuf_init(&out);
	for (int i = 0; i < count; i++) {
		const struct segment_info *info = source->ops->segment(source, (size_t)i);

		wbuf_clear(&out);
		assert_int_equal(source->ops->read(source, info->seq, 0, &out, &error), 0);
		assert_int_equal(out.len, info->size);
		assert_true(pattern_holds(out.data, info->seq, 0, out.len));
		assert_int_equal(info->from_ns, 1000 + info->seq * 100);
		assert_int_equal(info->wall_ns, 5000 + info->seq * 100);
		bytes += out.len;
	}
	assert_null(source->ops->segment(source, (size_t)count));
	wbuf_finish(&out);
	if (ret_bytes)
		*ret_bytes = bytes;
	return (size_t)count;
}

static void sources_of(struct ring *ring, struct source *to[3])
{
	struct culprit_error error = {""};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), ring_fd(ring));
	to[0] = ring_source(ring, &error);
	to[1] = ring_source_fd(ring_fd(ring), "another", &error);
	to[2] = ring_source_path(path, &error);
	for (int i = 0; i < 3; i++)
		assert_non_null(to[i]);
}

static void sources_drop(struct source *sources[3])
{
	for (int i = 0; i < 3; i++)
		source_destroy(sources[i]);
}

static void test_empty(void **state)
{
	struct source *sources[3];
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	struct wbuf out;

	(void)state;
	wbuf_init(&out);
	sources_of(ring, sources);
	for (int i = 0; i < 3; i++) {
		struct culprit_error error = {""};

		assert_int_equal(check_all(sources[i], NULL), 0);
		assert_int_equal(sources[i]->ops->read(sources[i], 0, 0, &out, &error), -ESTALE);
		assert_true(error.sentence[0]);
	}
	sources_drop(sources);
	sink->ops->destroy(sink);
	ring_unlock(ring);
	wbuf_finish(&out);
}

static void test_bytes(void **state)
{
	struct source *sources[3];
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	struct wbuf out;

	(void)state;
	wbuf_init(&out);
	sources_of(ring, sources);
	assert_int_equal(pattern_segment(sink, WRITER, 3, 5, 4096, 80), 0);
	assert_int_equal(pattern_begin(sink, WRITER, 5), 0);
	assert_int_equal(check_all(sources[0], NULL), 1); /* begun, but nothing is there */
	assert_int_equal(pattern_append(sink, 5, 0, 64, 1777, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct source *source = sources[i];
		const struct segment_info *info;
		uint64_t bytes;

		assert_int_equal(check_all(source, &bytes), 2);
		assert_int_equal(bytes, 5 * 4096 + 80 + 64);
		info = source->ops->segment(source, 0);
		assert_true(info->complete);
		assert_int_equal(info->seq, 3);
		assert_int_equal(info->to_ns, 1304);
		info = source->ops->segment(source, 1);
		assert_false(info->complete);
		assert_int_equal(info->to_ns, 1777);
		/* From anywhere in it, and after what the buffer has. */
		for (size_t offset = 0; offset <= 40; offset++) {
			wbuf_clear(&out);
			wbuf_bytes(&out, "ab", 2);
			assert_int_equal(source->ops->read(source, 3, offset, &out, NULL), 0);
			assert_int_equal(out.len, 2 + 5 * 4096 + 80 - offset);
			assert_memory_equal(out.data, "ab", 2);
			assert_true(pattern_holds(out.data + 2, 3, offset, out.len - 2));
		}
		wbuf_clear(&out);
		assert_int_equal(source->ops->read(source, 5, 64, &out, NULL), 0);
		assert_int_equal(source->ops->read(source, 5, UINT64_MAX, &out, NULL), 0);
		assert_int_equal(out.len, 0);
		assert_int_equal(source->ops->read(source, 4, 0, &out, NULL), -ESTALE);
	}
	/* It grows. */
	assert_int_equal(pattern_append(sink, 5, 64, 128, 1888, NULL), 0);
	assert_int_equal(pattern_end(sink, 5, 192, 8), 0);
	for (int i = 0; i < 3; i++) {
		check_all(sources[i], NULL);
		assert_true(sources[i]->ops->segment(sources[i], 1)->complete);
		assert_int_equal(sources[i]->ops->segment(sources[i], 1)->to_ns, 1888);
		wbuf_clear(&out);
		assert_int_equal(sources[i]->ops->read(sources[i], 5, 64, &out, NULL), 0);
		assert_int_equal(out.len, 136);
		assert_true(pattern_holds(out.data, 5, 64, out.len));
	}
	sources_drop(sources);
	sink->ops->destroy(sink);
	ring_unlock(ring);
	wbuf_finish(&out);
}

/* Sizes that never divide the ring's: every segment border meets every place of it. */
static void test_wrap(void **state)
{
	struct source *sources[3];
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	size_t capacity = ring_capacity(ring);

	(void)state;
	sources_of(ring, sources);
	for (uint64_t seq = 0; seq < 200; seq++) {
		size_t n = 8 * (1 + (seq * 7919) % 2000);

		assert_int_equal(pattern_segment(sink, WRITER, seq, 7, n, 8 * (seq % 5)), 0);
		for (int i = 0; i < 3; i++) {
			uint64_t bytes;
			size_t count = check_all(sources[i], &bytes);

			assert_true(count >= 1 && count <= seq + 1);
			assert_true(bytes <= capacity);
			/* No more is given up than must be. */
			if (seq > 60)
				assert_true(bytes > capacity / 2);
			assert_int_equal(sources[i]->ops->segment(sources[i], count - 1)->seq, seq);
		}
	}
	sources_drop(sources);
	sink->ops->destroy(sink);
	ring_unlock(ring);
}

static void test_directory_full(void **state)
{
	struct source *sources[3];
	struct sink *sink;
	struct ring *ring = ring_new(&sink);

	(void)state;
	sources_of(ring, sources);
	for (uint64_t seq = 0; seq < 2500; seq++)
		assert_int_equal(pattern_segment(sink, WRITER, seq, 1, 8, 0), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(check_all(sources[i], NULL), RING_DIRECTORY_COUNT);
		assert_int_equal(sources[i]->ops->segment(sources[i], 0)->seq, 2500 - RING_DIRECTORY_COUNT);
	}
	sources_drop(sources);
	sink->ops->destroy(sink);
	ring_unlock(ring);
}

static void test_lapped(void **state)
{
	struct source *sources[3];
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	size_t capacity = ring_capacity(ring);
	struct wbuf out;

	(void)state;
	wbuf_init(&out);
	sources_of(ring, sources);
	assert_int_equal(pattern_segment(sink, WRITER, 0, 1, 1024, 0), 0);
	for (int i = 0; i < 3; i++)
		check_all(sources[i], NULL);
	/* One byte too few to touch it, then one word more. */
	assert_int_equal(pattern_begin(sink, WRITER, 1), 0);
	assert_int_equal(pattern_append(sink, 1, 0, capacity - 1024, 1, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sources[i]->ops->read(sources[i], 0, 0, &out, NULL), 0);
	assert_int_equal(pattern_append(sink, 1, capacity - 1024, 8, 1, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct culprit_error error = {""};

		assert_int_equal(sources[i]->ops->read(sources[i], 0, 0, &out, &error), -ESTALE);
		assert_non_null(strstr(error.sentence, "overwritten"));
		assert_int_equal(check_all(sources[i], NULL), 1);
		assert_int_equal(sources[i]->ops->read(sources[i], 0, 0, &out, &error), -ESTALE);
	}
	sources_drop(sources);
	sink->ops->destroy(sink);
	ring_unlock(ring);
	wbuf_finish(&out);
}

static void test_too_large(void **state)
{
	struct source *sources[3];
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	size_t capacity = ring_capacity(ring);
	struct culprit_error error = {""};

	(void)state;
	sources_of(ring, sources);
	assert_int_equal(sink->ops->segment_max(sink), capacity / 8 & ~7ul);
	assert_int_equal(sink->ops->append(sink, "12345678", 8, 1, &error), -EINVAL); /* not begun */
	assert_int_equal(pattern_segment(sink, WRITER, 0, 2, 4096, 8), 0);
	assert_int_equal(pattern_begin(sink, WRITER, 1), 0);
	/* At once. */
	assert_int_equal(pattern_append(sink, 1, 0, capacity + 8, 1, &error), -EFBIG);
	assert_true(error.sentence[0]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(check_all(sources[i], NULL), 1);
	assert_int_equal(pattern_append(sink, 1, 0, 8, 1, &error), -EFBIG); /* the rest of it, too */
	assert_int_equal(pattern_end(sink, 1, 0, 8), -EFBIG);
	/* After a while: what it had stays. */
	assert_int_equal(pattern_begin(sink, WRITER, 2), 0);
	assert_int_equal(pattern_append(sink, 2, 0, 4096, 1, &error), 0);
	assert_int_equal(pattern_append(sink, 2, 4096, capacity - 4088, 1, &error), -EFBIG);
	assert_int_equal(pattern_begin(sink, WRITER, 3), 0);
	assert_int_equal(sink->ops->append(sink, "1234567", 7, 1, &error), -EINVAL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(check_all(sources[i], NULL), 2);
		assert_int_equal(sources[i]->ops->segment(sources[i], 1)->size, 4096);
		assert_true(sources[i]->ops->segment(sources[i], 1)->complete);
	}
	/* All of it. */
	assert_int_equal(pattern_begin(sink, WRITER, 4), 0);
	assert_int_equal(pattern_append(sink, 4, 0, capacity, 1, &error), 0);
	assert_int_equal(pattern_end(sink, 4, capacity, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(check_all(sources[i], NULL), 1);
	/* Numbers only rise, but with another writer all begins anew. */
	assert_int_equal(pattern_begin(sink, WRITER, 4), -EINVAL);
	assert_int_equal(pattern_segment(sink, WRITER + 1, 0, 1, 8, 8), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(check_all(sources[i], NULL), 1);
	sources_drop(sources);
	sink->ops->destroy(sink);
	ring_unlock(ring);
}

static void test_one_writer(void **state)
{
	struct culprit_error error = {""};
	struct sink *sink;
	struct ring *ring = ring_new(&sink);

	(void)state;
	assert_null(ring_sink(ring, &error));
	assert_non_null(strstr(error.sentence, "writer"));
	assert_int_equal(pattern_segment(sink, WRITER, 0, 1, 8, 8), 0);
	sink->ops->destroy(sink);
	sink = ring_sink(ring, &error);
	assert_non_null(sink);
	assert_int_equal(pattern_segment(sink, WRITER, 1, 1, 8, 8), 0);
	sink->ops->destroy(sink);
	ring_unlock(ring);
}

static void test_sealed(void **state)
{
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	char path[64];
	int fd;

	(void)state;
	assert_true(ftruncate(ring_fd(ring), 0) < 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ring_fd(ring));
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd < 0 || pwrite(fd, "x", 1, 0) < 0);
	if (fd >= 0)
		close(fd);
	sink->ops->destroy(sink);
	ring_unlock(ring);
}

static void test_notify(void **state)
{
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	struct culprit_error error = {""};
	struct source *a = ring_source(ring, &error), *b = ring_source(ring, &error);
	struct source *c = ring_source_fd(ring_fd(ring), "c", &error);
	struct pollfd fds[2];

	(void)state;
	fds[0] = (struct pollfd){.fd = a->ops->fd(a), .events = POLLIN};
	fds[1] = (struct pollfd){.fd = b->ops->fd(b), .events = POLLIN};
	assert_int_equal(c->ops->fd(c), -1);
	assert_int_equal(poll(fds, 2, 0), 0);
	assert_int_equal(pattern_begin(sink, WRITER, 0), 0);
	assert_int_equal(pattern_append(sink, 0, 0, 8, 1, NULL), 0);
	assert_int_equal(poll(fds, 2, 0), 2);
	assert_int_equal(a->ops->refresh(a, &error), 1);
	assert_int_equal(poll(fds, 2, 0), 1); /* each has its own */
	assert_int_equal(b->ops->refresh(b, &error), 1);
	assert_int_equal(poll(fds, 2, 0), 0);
	source_destroy(a);
	assert_int_equal(pattern_append(sink, 0, 8, 8, 1, NULL), 0);
	assert_int_equal(poll(fds + 1, 1, 0), 1);
	source_destroy(b);
	source_destroy(c);
	/* The ring lives as long as somebody reads it. */
	a = ring_source(ring, &error);
	sink->ops->destroy(sink);
	ring_unlock(ring);
	assert_int_equal(check_all(a, NULL), 1);
	assert_true(a->ops->segment(a, 0)->complete); /* its writer is gone: no more will come */
	source_destroy(a);
}

/* A reader in another process while the writer writes; then the writer dies in the middle. */
static void test_processes(void **state)
{
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	struct culprit_error error = {""};
	struct source *source;
	int status, pipes[2];
	char path[64], byte;
	pid_t child, writer;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), ring_fd(ring));
	child = fork();
	if (!child) {
		size_t seen = 0;

		source = ring_source_path(path, NULL);
		if (!source || read(pipes[0], &byte, 1) != 1)
			_exit(10);
		for (int i = 0; i < 50; i++) {
			int count = source->ops->refresh(source, NULL);
			struct wbuf out;

			wbuf_init(&out);
			for (int k = 0; k < count; k++) {
				uint64_t seq = source->ops->segment(source, (size_t)k)->seq;
				int err;

				wbuf_clear(&out);
				err = source->ops->read(source, seq, 0, &out, NULL);
				if (err == -ESTALE)
					continue;
				if (err || !pattern_holds(out.data, seq, 0, out.len))
					_exit(11);
				seen++;
			}
			wbuf_finish(&out);
		}
		_exit(seen ? 0 : 12);
	}
	for (uint64_t seq = 0; seq < 400; seq++) {
		assert_int_equal(pattern_segment(sink, WRITER, seq, 4, 16384, 64), 0);
		if (seq == 20)
			assert_int_equal(write(pipes[1], "x", 1), 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);

	writer = fork();
	if (!writer) {
		for (uint64_t seq = 400;; seq++) {
			pattern_segment(sink, WRITER, seq, 4, 16384, 64);
			if (seq == 450 && write(pipes[1], "x", 1) != 1)
				_exit(1);
		}
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	kill(writer, SIGKILL);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	source = ring_source_path(path, &error);
	assert_non_null(source);
	assert_true(check_all(source, NULL) > 5);
	source_destroy(source);
	close(pipes[0]);
	close(pipes[1]);
	sink->ops->destroy(sink);
	ring_unlock(ring);
}

/* --- named files ------------------------------------------------------------------------------------------------ */

struct folder {
	char path[64];
};

/* Where memory is a file system, as /run is, if that can be had: its files differ in what they can. */
static struct folder folder_make(void)
{
	struct folder folder = {"/tmp/culprit-ring-XXXXXX"};

	if (!access("/dev/shm", W_OK))
		memcpy(folder.path, "/dev/shm/culprit-ring-XXXXXX", sizeof("/dev/shm/culprit-ring-XXXXXX"));

	assert_non_null(mkdtemp(folder.path));
	return folder;
}

static void folder_remove(const struct folder *folder)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/.ring.lock", folder->path);
	unlink(path);
	assert_int_equal(rmdir(folder->path), 0);
}

static void test_named(void **state)
{
	struct folder folder = folder_make();
	struct culprit_error error = {""};
	struct ring *ring = ring_create(RING_BUDGET_MIN, folder.path, "ring", &error), *second;
	struct sink *sink = ring_sink(ring, &error);
	struct source *source;
	char path[128], other[128];
	struct stat st;
	pid_t child;
	int status;

	(void)state;
	snprintf(path, sizeof(path), "%s/ring", folder.path);
	snprintf(other, sizeof(other), "%s/other", folder.path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, RING_BUDGET_MIN);
	assert_int_equal(pattern_segment(sink, WRITER, 0, 4, 1024, 64), 0);
	source = ring_source_path(path, &error);
	assert_non_null(source);
	assert_int_equal(check_all(source, NULL), 1);

	assert_null(ring_create(RING_BUDGET_MIN, folder.path, "ring", &error));
	assert_non_null(strstr(error.sentence, "another process"));
	assert_null(ring_create(RING_BUDGET_MIN, folder.path, "a/b", &error));
	assert_null(ring_create(RING_BUDGET_MIN, "/nonexistent", "ring", &error));
	assert_non_null(strstr(error.sentence, "/nonexistent"));
	sink->ops->destroy(sink);
	ring_unlock(ring);
	assert_int_equal(check_all(source, NULL), 1); /* still there for who has it open */
	assert_int_equal(stat(path, &st), -1);
	source_destroy(source);

	/* The file of a writer that was killed is replaced; its readers keep it. */
	child = fork();
	if (!child) {
		ring = ring_create(RING_BUDGET_MIN, folder.path, "ring", NULL);
		sink = ring ? ring_sink(ring, NULL) : NULL;
		_exit(sink && !pattern_segment(sink, WRITER, 9, 4, 1024, 64) ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	source = ring_source_path(path, &error);
	assert_int_equal(check_all(source, NULL), 1);
	ring = ring_create(RING_BUDGET_MIN, folder.path, "ring", &error);
	assert_non_null(ring);
	assert_int_equal(check_all(source, NULL), 1);
	/* The name is ours also where somebody removed the file; another one that has come there is not ours to remove. */
	assert_int_equal(rename(path, other), 0);
	second = ring_create(RING_BUDGET_MIN, folder.path, "ring", &error);
	assert_null(second);
	assert_non_null(strstr(error.sentence, "another process"));
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ring_unlock(ring);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(other), 0);
	source_destroy(source);

	/* What is not a ring is not replaced. */
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_null(ring_create(RING_BUDGET_MIN, folder.path, "ring", &error));
	assert_non_null(strstr(error.sentence, "not a ring"));
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_null(ring_create(RING_BUDGET_MIN, folder.path, "ring", &error));
	unlink(path);
	folder_remove(&folder);
}

/* Cut short, removed or replaced under its writer: that says so, and goes on in a new file with the next segment. */
static void test_made_anew(void **state)
{
	struct folder folder = folder_make();
	struct culprit_error error = {""};
	struct ring *ring = ring_create(RING_BUDGET_MIN, folder.path, "ring", &error);
	struct sink *sink = ring_sink(ring, &error);
	uint64_t seq = 0;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/ring", folder.path);
	for (int how = 0; how < 4; how++) {
		struct source *before = NULL, *after;

		assert_int_equal(pattern_segment(sink, WRITER, seq++, 4, 16384, 64), 0);
		assert_int_equal(pattern_begin(sink, WRITER, seq), 0);
		assert_int_equal(pattern_append(sink, seq, 0, 1024, 5, &error), 0);
		before = ring_source_path(path, &error);
		assert_non_null(before);
		if (how < 2)
			assert_int_equal(truncate(path, how ? 8192 : 0), 0);
		else
			assert_int_equal(unlink(path), 0);
		if (how == 3)
			assert_int_equal(symlink("/dev/null", path), 0);
		error.sentence[0] = '\0';
		assert_int_equal(pattern_append(sink, seq, 1024, 1024, 6, &error), -EAGAIN);
		assert_non_null(strstr(error.sentence, how < 2 ? "cut short" : "taken away"));
		assert_int_equal(pattern_append(sink, seq, 2048, 8, 7, &error), -EAGAIN);
		if (how == 3) {
			/* What is no ring is not replaced: it waits until that is gone. */
			assert_int_not_equal(pattern_begin(sink, WRITER, seq + 1), 0);
			assert_int_equal(unlink(path), 0);
		}
		seq++;
		assert_int_equal(pattern_segment(sink, WRITER, seq++, 4, 16384, 64), 0);
		if (how < 2)
			assert_int_equal(before->ops->refresh(before, &error), -EBADMSG);
		else
			assert_int_equal(check_all(before, NULL), 3);
		after = ring_source_path(path, &error);
		assert_non_null(after);
		assert_int_equal(check_all(after, NULL), 1);
		source_destroy(before);
		source_destroy(after);
	}
	sink->ops->destroy(sink);
	ring_unlock(ring);
	folder_remove(&folder);
}

/* A reader is woken by appends and by the writer's end, sees whether it lives, and can hold up nobody with its locks. */
static void test_watched(void **state)
{
	struct folder folder = folder_make();
	struct culprit_error error = {""};
	struct source *source;
	struct ring_status status;
	struct pollfd fd = {.events = POLLIN};
	char path[128], byte;
	int go[2], done[2], ours;
	struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct ring *ring;
	pid_t child;

	(void)state;
	snprintf(path, sizeof(path), "%s/ring", folder.path);
	assert_int_equal(pipe2(go, O_CLOEXEC) | pipe2(done, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		struct sink *sink;

		ring = ring_create(RING_BUDGET_MIN, folder.path, "ring", NULL);
		sink = ring ? ring_sink(ring, NULL) : NULL;
		for (uint64_t seq = 0; sink && write(done[1], "x", 1) == 1 && read(go[0], &byte, 1) == 1; seq++)
			pattern_segment(sink, WRITER, seq, 1, 64, 8);
		_exit(1);
	}
	assert_int_equal(read(done[0], &byte, 1), 1);
	source = ring_source_path(path, &error);
	assert_non_null(source);
	fd.fd = source->ops->fd(source);
	assert_true(fd.fd >= 0);
	assert_int_equal(poll(&fd, 1, 0), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(go[1], "x", 1), 1);
		assert_int_equal(read(done[0], &byte, 1), 1);
		assert_int_equal(poll(&fd, 1, 10000), 1);
		assert_int_equal(check_all(source, NULL), (size_t)i);
		assert_int_equal(poll(&fd, 1, 0), 0);
		assert_true(source->ops->live(source));
	}
	assert_true(ring_source_status(source, &status));
	assert_true(status.live && !status.closed);
	assert_int_equal(status.pid, child);
	/* Whoever may read it may lock it, whichever way. */
	ours = open(path, O_RDONLY | O_CLOEXEC);
	flock(ours, LOCK_EX);
	assert_true(fcntl(ours, F_OFD_SETLK, &whole) < 0);
	kill(child, SIGKILL);
	assert_int_equal(poll(&fd, 1, 10000), 1);
	waitpid(child, NULL, 0);
	assert_int_equal(check_all(source, NULL), 3);
	assert_false(source->ops->live(source));
	assert_int_equal(fcntl(ours, F_OFD_SETLK, &whole), 0);
	assert_false(source->ops->live(source));
	ring = ring_create(RING_BUDGET_MIN, folder.path, "ring", &error);
	assert_non_null(ring);
	ring_unlock(ring);
	close(ours);
	assert_int_equal(check_all(source, NULL), 3);
	source_destroy(source);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(done[i]);
	}
	folder_remove(&folder);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", ".x", "-x", "a/b", "a b", "a\n", "\xc3\xa4", "a:b", "$x"};
	char longest[RING_NAME_MAX + 2];

	(void)state;
	assert_true(ring_name_valid("culprit"));
	assert_true(ring_name_valid("a.b_c-d@9"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ring_name_valid(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[RING_NAME_MAX + 1] = '\0';
	assert_false(ring_name_valid(longest));
	longest[RING_NAME_MAX] = '\0';
	assert_true(ring_name_valid(longest));
	assert_false(ring_name_valid(NULL));
}

static void test_cut_short(void **state)
{
	struct folder folder = folder_make();
	struct culprit_error error = {""};
	struct ring *ring = ring_create(RING_BUDGET_MIN, folder.path, "ring", &error);
	struct sink *sink = ring_sink(ring, &error);
	const off_t sizes[] = {RING_BUDGET_MIN - 8, RING_HEADER_SIZE + 65536 + 100, RING_HEADER_SIZE + 64, 100, 0};
	char path[128], copy[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/ring", folder.path);
	snprintf(copy, sizeof(copy), "%s/copy", folder.path);
	for (uint64_t seq = 0; seq < 30; seq++)
		assert_int_equal(pattern_segment(sink, WRITER, seq, 4, 16384, 64), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct source *source;
		struct wbuf out;
		uint64_t last;
		int fd, count;

		fd = open(copy, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_int_equal(sendfile(fd, ring_fd(ring), &(off_t){0}, ring->size), ring->size);
		source = ring_source_path(copy, &error);
		assert_non_null(source);
		count = (int)check_all(source, NULL);
		assert_true(count > 5);
		last = source->ops->segment(source, (size_t)count - 1)->seq;
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		wbuf_init(&out);
		error.sentence[0] = '\0';
		if (i)
			assert_int_equal(source->ops->read(source, last, 0, &out, &error), -ESTALE);
		error.sentence[0] = '\0';
		assert_int_equal(source->ops->refresh(source, &error), -EBADMSG);
		assert_non_null(strstr(error.sentence, "cut short"));
		assert_null(source->ops->segment(source, 0));
		source_destroy(source);
		assert_null(ring_source_path(copy, &error));
		wbuf_finish(&out);
		close(fd);
		unlink(copy);
	}
	sink->ops->destroy(sink);
	ring_unlock(ring);
	folder_remove(&folder);
}

/* --- hostile rings ---------------------------------------------------------------------------------------------- */

static uint64_t rng(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Opens the file, with these first bytes, as a ring and reads all it can. -1: refused. */
static int use(int fd, const void *bytes, size_t n, struct culprit_error *error)
{
	struct source *source;
	struct wbuf out;
	int count = -1;

	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	wbuf_init(&out);
	source = ring_source_fd(fd, "hostile", error);
	if (source) {
		count = source->ops->refresh(source, error);
		for (int i = 0; i < count; i++) {
			const struct segment_info *info = source->ops->segment(source, (size_t)i);

			wbuf_clear(&out);
			source->ops->read(source, info->seq, 0, &out, error);
			assert_true(out.len <= MIB);
		}
		source_destroy(source);
	}
	wbuf_finish(&out);
	return count;
}

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

static void test_hostile(void **state)
{
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	struct culprit_error error;
	uint64_t random = 4711;
	uint8_t *bytes = malloc(MIB);
	const size_t front = RING_HEADER_SIZE + 40 * sizeof(struct ring_entry);
	const uint64_t edges[] = {0, 1, 7, 8, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 1ul << 40, MIB, MIB - 8};
	int refused = 0, fd;

	(void)state;
	for (uint64_t seq = 0; seq < 30; seq++)
		assert_int_equal(pattern_segment(sink, WRITER, seq, 4, 16384, 64), 0);
	memcpy(bytes, ring->map, MIB);
	fd = file_of(bytes, MIB);
	assert_true(use(fd, bytes, front, &error) > 5);
	/* Any byte of the fixed header counts. */
	for (size_t i = 0; i < sizeof(struct ring_geometry); i++) {
		bytes[i] ^= 0x20;
		error.sentence[0] = '\0';
		assert_int_equal(use(fd, bytes, front, &error), -1);
		assert_true(error.sentence[0]);
		bytes[i] ^= 0x20;
	}
	/* Impossible values with a good checksum. */
	for (size_t field = 24; field < offsetof(struct ring_geometry, created_wall_ns); field += 8)
		for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++) {
			struct ring_geometry *g = (void *)bytes;

			memcpy(bytes + field, &edges[e], 8);
			g->crc = crc32c(0, g, offsetof(struct ring_geometry, crc));
			error.sentence[0] = '\0';
			if (use(fd, bytes, front, &error) < 0) {
				refused++;
				assert_true(error.sentence[0]);
			}
			memcpy(bytes, ring->map, sizeof(*g));
		}
	assert_true(refused > 40);
	/* The changing header and the directory: nothing checks them but their own sense. */
	for (int i = 0; i < 2000; i++) {
		size_t words = 1 + rng(&random) % 3;

		memcpy(bytes, ring->map, front);
		for (size_t k = 0; k < words; k++) {
			uint64_t value = rng(&random) % 2 ? edges[rng(&random) % 10] : rng(&random);
			size_t at = rng(&random) % 2 ? RING_LIVE_OFFSET + rng(&random) % 6 * 8
						     : RING_HEADER_SIZE + rng(&random) % (40 * RING_ENTRY_WORDS) * 8;

			memcpy(bytes + at, &value, 8);
		}
		error.sentence[0] = '\0';
		if (use(fd, bytes, front, &error) < 0)
			assert_true(error.sentence[0]);
	}
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(use(fd, "", 0, &error), -1);
	assert_int_equal(use(fd, "x", 1, &error), -1);
	close(fd);
	assert_null(ring_source_path("/dev/null", &error));
	assert_null(ring_source_path("/", &error));
	assert_null(ring_source_path("/nonexistent", &error));
	sink->ops->destroy(sink);
	ring_unlock(ring);
	free(bytes);
}

/* A writer that was killed between any two stores of the header: what is whole stays readable. */
static void test_odd_generation(void **state)
{
	struct sink *sink;
	struct ring *ring = ring_new(&sink);
	struct culprit_error error = {""};
	struct ring_live *live;
	uint8_t *bytes = malloc(MIB);
	int fd;

	(void)state;
	for (uint64_t seq = 0; seq < 30; seq++)
		assert_int_equal(pattern_segment(sink, WRITER, seq, 4, 16384, 64), 0);
	memcpy(bytes, ring->map, MIB);
	live = (void *)(bytes + RING_LIVE_OFFSET);
	live->generation++;
	live->tail += 65536 + 64; /* the first one given up, but `first` not yet moved */
	fd = file_of(bytes, MIB);
	assert_true(use(fd, bytes, RING_HEADER_SIZE, &error) > 5);
	close(fd);
	sink->ops->destroy(sink);
	ring_unlock(ring);
	free(bytes);
}

static void test_budget(void **state)
{
	struct culprit_error error = {""};
	struct ring *ring;

	(void)state;
	assert_null(ring_create(RING_BUDGET_MIN - 1, NULL, NULL, &error));
	assert_true(error.sentence[0]);
	assert_null(ring_create(RING_BUDGET_MAX + 1, NULL, NULL, &error));
	ring = ring_create(RING_BUDGET_MIN + 1, NULL, NULL, &error);
	assert_non_null(ring);
	assert_true(ring_capacity(ring) < RING_BUDGET_MIN + 4096);
	ring_unlock(ring);
	ring_unlock(NULL);
	source_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_directory_full),
		cmocka_unit_test(test_lapped),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_one_writer),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_made_anew),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_odd_generation),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
