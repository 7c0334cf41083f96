/* The fixture host and fixture trees of frame_recorder.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "support/check.h"
#include "support/frame_recorder.h"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static uint64_t host_now(const struct culprit_host *host, uint32_t clock)
{
	const struct fixture_host *h = (const struct fixture_host *)host;

	if (clock == CULPRIT_WALL)
		return h->wall_ns ? h->wall_ns : clock_ns(CLOCK_REALTIME);
	if (clock == CULPRIT_BOOT)
		return h->boot_ns ? h->boot_ns : clock_ns(CLOCK_BOOTTIME);
	return h->mono_ns ? h->mono_ns : clock_ns(CLOCK_MONOTONIC);
}

static int ask_directly(const struct fixture_host *h, struct culprit_ask *ask)
{
	if (ask->what == CULPRIT_ASK_STATFS) {
		struct statvfs v;
		struct culprit_statfs s;

		if (statvfs(ask->path, &v) < 0)
			return -errno;
		s = (struct culprit_statfs){v.f_frsize, v.f_blocks, v.f_bfree, v.f_bavail, v.f_files, v.f_ffree, v.f_flag};
		memcpy(ask->buf, &s, sizeof(s));
		ask->len = sizeof(s);
		return 0;
	}
	if (ask->what == CULPRIT_ASK_FILE) {
		int fd = openat(h->host.proc_fd, ask->path, O_RDONLY | O_CLOEXEC);
		ssize_t n;

		if (fd < 0)
			return -errno;
		n = read(fd, ask->buf, ask->cap);
		close(fd);
		if (n < 0)
			return -EIO;
		ask->len = (uint32_t)n;
		return 0;
	}
	return -ENOENT;
}

static int host_ask(const struct culprit_host *host, struct culprit_ask *ask)
{
	struct fixture_host *h = (struct fixture_host *)(uintptr_t)host;
	char name[128];
	size_t slot = 64;

	CHECK(ask->cap <= 65536 && strlen(ask->path) < 4096);
	snprintf(name, sizeof(name), "%u %.100s", ask->what, ask->path);
	for (size_t i = 0; i < 64 && slot == 64; i++)
		if (strcmp(h->asked[i], name) == 0)
			slot = i;
	if (slot == 64) {
		for (size_t i = 0; i < 64 && slot == 64; i++)
			if (!h->asked[i][0])
				slot = i;
		if (slot == 64)
			return -EAGAIN;
		h->asks++;
		memcpy(h->asked[slot], name, sizeof(name));
		return -EINPROGRESS;
	}
	for (size_t i = 0; i < h->nanswers; i++) {
		const struct fixture_answer *a = &h->answers[i];

		if (a->what != ask->what || strcmp(a->path, ask->path))
			continue;
		if (a->err == -EINPROGRESS)
			return a->err;
		h->asked[slot][0] = 0;
		if (a->err)
			return a->err;
		ask->len = a->len < ask->cap ? a->len : ask->cap;
		memcpy(ask->buf, a->bytes, ask->len);
		return 0;
	}
	h->asked[slot][0] = 0;
	return h->real_asks ? ask_directly(h, ask) : -ENOENT;
}

static int host_ask_wait(const struct culprit_host *host, uint64_t ns)
{
	struct fixture_host *h = (struct fixture_host *)(uintptr_t)host;

	(void)ns;
	h->waits++;
	return 0;
}

static void host_log(const struct culprit_host *host, uint32_t level, const char *sentence)
{
	struct fixture_host *h = (struct fixture_host *)(uintptr_t)host;

	(void)level;
	h->logs++;
	snprintf(h->last_log, sizeof(h->last_log), "%s", sentence);
}

static int open_below(const char *root, const char *name)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void fixture_host_init(struct fixture_host *h, const char *root)
{
	memset(h, 0, sizeof(*h));
	h->host.size = sizeof(h->host);
	h->host.abi = CULPRIT_ABI_VERSION;
	h->host.proc_fd = open_below(root ? root : "", "proc");
	h->host.sys_fd = open_below(root ? root : "", "sys");
	h->host.user_hz = root ? 100 : (uint64_t)sysconf(_SC_CLK_TCK);
	h->host.page_size = root ? 4096 : (uint64_t)sysconf(_SC_PAGESIZE);
	h->host.interval_ns = 1000000000;
	h->host.flags = root ? CULPRIT_HOST_SAFE : 0;
	h->host.now_ns = host_now;
	h->host.ask = host_ask;
	h->host.ask_wait = host_ask_wait;
	h->host.log = host_log;
	h->real_asks = !root;
}

void fixture_host_finish(struct fixture_host *h)
{
	if (h->host.proc_fd >= 0)
		close(h->host.proc_fd);
	if (h->host.sys_fd >= 0)
		close(h->host.sys_fd);
}

const char *fixture_path(char *buf, size_t cap, const char *name)
{
	const char *root = getenv("CULPRIT_FIXTURES");

	snprintf(buf, cap, "%s/proc/%s", root ? root : "tests/fixtures", name);
	return buf;
}

void fixture_write(const char *root, const char *path, const void *bytes, size_t len)
{
	char full[4200];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(full, 0755);
		*p = '/';
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		check_fail("%s: %s", full, strerror(errno));
	CHECK(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

void fixture_write_string(const char *root, const char *path, const char *text)
{
	fixture_write(root, path, text, strlen(text));
}

static void copy_file(const char *from, const char *to, const char *path,
		      bool (*edit)(void *, const char *, char *, size_t *, size_t), void *arg)
{
	char full[4200];
	struct stat st;
	size_t cap, len;
	char *bytes;
	int fd;

	snprintf(full, sizeof(full), "%s/%s", from, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	cap = (size_t)st.st_size + 65536;
	bytes = malloc(cap);
	CHECK(bytes);
	len = (size_t)read(fd, bytes, (size_t)st.st_size);
	CHECK(len == (size_t)st.st_size);
	close(fd);
	if (!edit || edit(arg, path, bytes, &len, cap))
		fixture_write(to, path, bytes, len);
	free(bytes);
}

static void copy_folder(const char *from, const char *to, const char *path,
			bool (*edit)(void *, const char *, char *, size_t *, size_t), void *arg)
{
	char full[4200];
	struct dirent *e;
	DIR *dir;

	snprintf(full, sizeof(full), "%s/%s", from, path);
	dir = opendir(full);
	if (!dir)
		check_fail("%s: %s", full, strerror(errno));
	snprintf(full, sizeof(full), "%s/%s", to, path);
	mkdir(full, 0755);
	while ((e = readdir(dir))) {
		char name[4096], link[4096];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s%s%s", path, *path ? "/" : "", e->d_name);
		snprintf(full, sizeof(full), "%s/%s", from, name);
		CHECK(lstat(full, &st) == 0);
		if (S_ISDIR(st.st_mode)) {
			copy_folder(from, to, name, edit, arg);
		} else if (S_ISLNK(st.st_mode)) {
			ssize_t n = readlink(full, link, sizeof(link) - 1);

			CHECK(n > 0);
			link[n] = 0;
			snprintf(full, sizeof(full), "%s/%s", to, name);
			CHECK(symlink(link, full) == 0);
		} else if (S_ISREG(st.st_mode)) {
			copy_file(from, to, name, edit, arg);
		}
	}
	closedir(dir);
}

void fixture_copy(const char *from, const char *to, bool (*edit)(void *, const char *, char *, size_t *, size_t),
		  void *arg)
{
	copy_folder(from, to, "", edit, arg);
}

const char *fixture_temp(char *buf, size_t cap)
{
	/* In memory where possible: some tests make thousands of files. */
	snprintf(buf, cap, "%s/culprit-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(buf));
	return buf;
}

void fixture_remove(const char *root)
{
	struct dirent *e;
	DIR *dir = opendir(root);

	if (!dir)
		return;
	while ((e = readdir(dir))) {
		char full[4200];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(full, sizeof(full), "%s/%s", root, e->d_name);
		if (lstat(full, &st) == 0 && S_ISDIR(st.st_mode))
			fixture_remove(full);
		else
			unlink(full);
	}
	closedir(dir);
	rmdir(root);
}

struct fixture_run {
	struct fixture_host host;
	const struct culprit_collector *collector;
	struct recorder *recorder;
	void *self;
};

struct fixture_run *fixture_run_create(const struct culprit_collector *collector, const char *root)
{
	struct fixture_run *run = calloc(1, sizeof(*run));
	struct culprit_error error = {""};

	CHECK(run);
	fixture_host_init(&run->host, root);
	run->collector = collector;
	run->recorder = recorder_create(collector);
	if (collector->probe && collector->probe(&run->host.host, &error) < 0)
		check_fail("%s: probe: %s", collector->name, error.sentence);
	if (collector->open && collector->open(&run->host.host, &run->self, &error) < 0)
		check_fail("%s: open: %s", collector->name, error.sentence);
	return run;
}

void fixture_run_destroy(struct fixture_run *run)
{
	char misuse[256];

	snprintf(misuse, sizeof(misuse), "%s", recorder_misuse(run->recorder) ? recorder_misuse(run->recorder) : "");
	if (run->collector->close)
		run->collector->close(run->self);
	recorder_destroy(run->recorder);
	fixture_host_finish(&run->host);
	free(run);
	if (misuse[0])
		check_fail("misuse of the frame: %s", misuse);
}

struct recorder *fixture_run_recorder(struct fixture_run *run)
{
	return run->recorder;
}

struct fixture_host *fixture_run_host(struct fixture_run *run)
{
	return &run->host;
}

void *fixture_run_self(struct fixture_run *run)
{
	return run->self;
}

struct recorder *fixture_run_sample(struct fixture_run *run)
{
	int err = recorder_sample(run->recorder, run->self);

	if (err)
		check_fail("%s: sample: %d", run->collector->name, err);
	return run->recorder;
}
