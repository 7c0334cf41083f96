/* The files below /proc/PID other than stat, each read whole and parsed. Which of them, and for whom, is decided in
 * task.c. */
#include "task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <stdio.h>
#include <unistd.h>

enum {
	FDS_LISTED_MAX = 16384, /* open files counted one by one, where the kernel does not count them */
	WCHAN_BYTES = 256,
};

static const char *const names[TASK_FILES] = {
	[TASK_FILE_STATUS] = "status", [TASK_FILE_IO] = "io",	      [TASK_FILE_SCHEDSTAT] = "schedstat",
	[TASK_FILE_FD] = "fd",	       [TASK_FILE_LIMITS] = "limits", [TASK_FILE_OOM] = "oom_score",
	[TASK_FILE_CGROUP] = "cgroup", [TASK_FILE_WCHAN] = "wchan",
};

const char *task_reason(const struct task_collector *c, unsigned task_read)
{
	switch (task_read) {
	case TASK_DENIED:
		return c->denied;
	case TASK_NO_KERNEL:
		return "this kernel does not have it";
	case TASK_MANY:
		return "too many to count one by one on this kernel (Linux 6.2 counts them itself)";
	case TASK_LATER:
		return "not read yet";
	default:
		return "could not be read";
	}
}

/* What this kernel has, and whether the size of PID/fd is its count: asked of our own process. */
void task_files_probe(struct task_collector *c)
{
	char path[32] = "self/";
	struct stat st;

	if (!c->procfs)
		return;
	for (int i = 0; i < TASK_FILES; i++) {
		snprintf(path + 5, sizeof(path) - 5, "%s", names[i]);
		c->kernel_lacks[i] = faccessat(c->host->proc_fd, path, F_OK, 0) != 0 && errno == ENOENT;
	}
	/* At least the descriptor of the folder is open; before Linux 6.2 the size was 0. */
	c->fd_size = fstatat(c->host->proc_fd, "self/fd", &st, 0) == 0 && st.st_size > 0;
}

static unsigned failure(const struct task_collector *c, long err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return TASK_DENIED;
	case -ENOENT:
		return c->procfs ? TASK_NOT_NOW : TASK_NO_KERNEL;
	case -ESRCH:
		return TASK_NOT_NOW;
	default:
		return TASK_FAILED;
	}
}

static unsigned count_fds(struct task_collector *c, const char *path, uint64_t *ret)
{
	uint64_t n = 0;
	struct stat st;
	int fd;

	if (c->fd_size) {
		if (fstatat(c->host->proc_fd, path, &st, 0) != 0)
			return failure(c, -errno);
		*ret = (uint64_t)st.st_size;
		return TASK_READ;
	}
	fd = openat(c->host->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return failure(c, -errno);
	while (n <= FDS_LISTED_MAX) {
		long got = syscall(SYS_getdents64, fd, c->listing, TASK_BUFFER);

		if (got <= 0)
			break;
		for (long at = 0; at + 19 < got;) {
			unsigned short len;

			memcpy(&len, c->listing + at + 16, sizeof(len)); /* struct linux_dirent64: d_reclen */
			if (len < 20)
				break;
			n += c->listing[at + 19] != '.';
			at += len;
		}
	}
	close(fd);
	*ret = n;
	return n > FDS_LISTED_MAX ? TASK_MANY : TASK_READ;
}

static unsigned read_number(struct task_collector *c, const char *path, int64_t *ret)
{
	long n = task_read_file(c, path, c->buffer, 64);
	bool negative;
	int64_t v = 0;
	long i = 0;

	if (n <= 0)
		return n == 0 ? TASK_FAILED : failure(c, n);
	negative = c->buffer[0] == '-';
	for (i = negative; i < n && c->buffer[i] >= '0' && c->buffer[i] <= '9' && v < INT32_MAX; i++)
		v = v * 10 + (c->buffer[i] - '0');
	if (i == negative)
		return TASK_FAILED;
	*ret = negative ? -v : v;
	return TASK_READ;
}

static unsigned read_one(struct task_collector *c, unsigned file, uint32_t pid, uint32_t tid)
{
	struct task_files *out = &c->files;
	char path[TASK_PATH_MAX];
	unsigned r;
	int64_t v;
	long n;

	task_path(path, pid, tid, names[file]);
	switch (file) {
	case TASK_FILE_FD:
		return count_fds(c, path, &out->fds);
	case TASK_FILE_OOM:
		r = read_number(c, path, &v);
		if (r != TASK_READ)
			return r;
		out->oom_score = (uint64_t)v;
		task_path(path, pid, tid, "oom_score_adj");
		return read_number(c, path, &out->oom_score_adj);
	case TASK_FILE_WCHAN:
		n = task_read_file(c, path, c->wchan_buffer, WCHAN_BYTES);
		if (n < 0)
			return failure(c, n);
		while (n > 0 && c->wchan_buffer[n - 1] == '\n')
			n--;
		/* "0": it waits nowhere, or we may not know. */
		out->wchan = c->wchan_buffer;
		out->wchan_len = n == 1 && c->wchan_buffer[0] == '0' ? 0 : (size_t)n;
		return TASK_READ;
	case TASK_FILE_CGROUP:
		n = task_read_file(c, path, c->cgroup_buffer, TASK_BUFFER);
		if (n < 0)
			return failure(c, n);
		out->cgroup = task_parse_cgroup(c->cgroup_buffer, (size_t)n, &out->cgroup_len);
		return out->cgroup ? TASK_READ : TASK_FAILED;
	}
	n = task_read_file(c, path, c->buffer, TASK_BUFFER);
	if (n < 0)
		return failure(c, n);
	switch (file) {
	case TASK_FILE_STATUS:
		task_parse_status(c->buffer, (size_t)n, &out->status);
		return out->status.have ? TASK_READ : TASK_FAILED;
	case TASK_FILE_IO:
		task_parse_io(c->buffer, (size_t)n, &out->io);
		return out->io.have ? TASK_READ : TASK_FAILED;
	case TASK_FILE_SCHEDSTAT:
		return task_parse_schedstat(c->buffer, (size_t)n, &out->sched) == 0 ? TASK_READ : TASK_FAILED;
	case TASK_FILE_LIMITS:
		return task_parse_limits(c->buffer, (size_t)n, &out->fd_limit) == 0 ? TASK_READ : TASK_FAILED;
	}
	return TASK_FAILED;
}

void task_files_read(struct task_collector *c, uint32_t pid, uint32_t tid, unsigned which)
{
	for (unsigned i = 0; i < TASK_FILES; i++) {
		if (!(which & 1u << i))
			c->files.read[i] = TASK_NOT_NOW;
		else if (c->kernel_lacks[i])
			c->files.read[i] = TASK_NO_KERNEL;
		else
			c->files.read[i] = (uint8_t)read_one(c, i, pid, tid);
	}
	c->io_denied |= c->files.read[TASK_FILE_IO] == TASK_DENIED;
	c->fds_denied |= c->files.read[TASK_FILE_FD] == TASK_DENIED;
	c->files.thread_io = c->files.io;
	c->files.thread_io_read = c->files.read[TASK_FILE_IO];
}

void task_files_read_thread_io(struct task_collector *c, uint32_t pid)
{
	char path[TASK_PATH_MAX];
	long n;

	task_path(path, pid, pid, names[TASK_FILE_IO]);
	n = task_read_file(c, path, c->buffer, TASK_BUFFER);
	/* No task/ here, as on a tree: there is nothing better. */
	if (n == -ENOENT && !c->procfs)
		return;
	c->files.thread_io_read = (uint8_t)(n < 0 ? failure(c, n) : TASK_READ);
	if (n >= 0)
		task_parse_io(c->buffer, (size_t)n, &c->files.thread_io);
}
