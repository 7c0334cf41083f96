/* The process that answers for one file: it opens it, shuts itself in, and only then reads what stands in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox.h"
#include "symline_internal.h"

enum { MEMORY_MAX_MB = 1536, MEMORY_MIN_MB = 64, CPU_MAX_S = 60 };

/* So much memory as leaves the machine the larger part of what it has: /proc/meminfo's MemAvailable. */
static uint64_t memory_for(int proc_fd)
{
	char text[512];
	int fd = openat(proc_fd, "meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	unsigned long long kb = 0, mb;
	const char *at;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "MemAvailable:");
	if (!at || sscanf(at + strlen("MemAvailable:"), "%llu", &kb) != 1)
		kb = 1024 * 1024;
	mb = kb / 1024 / 3;
	mb = mb > MEMORY_MAX_MB ? MEMORY_MAX_MB : mb < MEMORY_MIN_MB ? MEMORY_MIN_MB : mb;
	return mb << 20;
}

static void bound(int proc_fd)
{
	struct rlimit cpu = {CPU_MAX_S, CPU_MAX_S}, memory;
	int fd;

	setrlimit(RLIMIT_CPU, &cpu);
	memory.rlim_cur = memory.rlim_max = memory_for(proc_fd);
	/* Sanitizers take terabytes of addresses. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	setrlimit(RLIMIT_DATA, &memory);
#endif
	/* Where the machine runs out of memory all the same, it goes first. */
	fd = openat(proc_fd, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1000", 4) < 0) {
			/* Then it goes when others do. */
		}
		close(fd);
	}
}

static int run(const struct zygote_job *job)
{
	struct sandbox_options closed = {{NULL}};
	struct sandbox_report report;
	struct symline_file_is is;
	struct symline_file *f;
	char why[CULPRIT_SOURCE_WHY + 1] = "";
	struct symline_question q;
	ssize_t n;
	int err = 0;

	if (job->nfds != 1 || job->nargs != sizeof(is))
		return 2;
	memcpy(&is, job->args, sizeof(is));
	is.path[CULPRIT_SOURCE_PATH] = '\0';
	bound(job->fds[0]);
	f = symline_open(job->fds[0], &is, why);
	if (!f)
		err = -errno;
	close(job->fds[0]);
	sandbox_enter(&closed, &report);
	for (;;) {
		struct symline_answer a;

		n = read(job->fd, &q, sizeof(q)); /* recv() is shut out */
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(q))
			return n ? 2 : 0;
		memset(&a, 0, sizeof(a));
		a.serial = q.serial;
		a.result = err;
		if (f)
			symline_find(f, q.offset, &a);
		else
			memcpy(a.why, why, sizeof(a.why));
		if (write(job->fd, &a, sizeof(a)) < 0)
			return 0;
	}
}

const struct zygote_kind symline_kind = {.name = "culprit-lines", .run = run};
