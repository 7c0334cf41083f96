#include "act.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "text.h"

/* Of kernels before 5.3, and headers older than that. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum { KERNEL_THREAD = 0x00200000, IO_WHO_PROCESS = 1, IO_CLASS_SHIFT = 13, PASSES = 5 };

/* Fields of /proc/PID/stat. */
struct stat_fields {
	unsigned long long start, flags;
	char comm[64];
};

static int read_stat(uint64_t pid, struct stat_fields *s)
{
	char path[64], bytes[1024], *open_at, *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, bytes, sizeof(bytes) - 1);
	close(fd);
	if (n <= 0)
		return n ? -errno : -ESRCH;
	bytes[n] = '\0';
	/* The name may hold anything, parentheses too: the last one ends it. */
	open_at = strchr(bytes, '(');
	at = strrchr(bytes, ')');
	if (!open_at || !at || at < open_at)
		return -EINVAL;
	snprintf(s->comm, sizeof(s->comm), "%.*s", (int)(at - open_at - 1), open_at + 1);
	at += 1;
	/* flags are field 9, starttime 22; the state is field 3. */
	for (int field = 3; field <= 22; field++) {
		at += strspn(at, " ");
		if (field == 9)
			s->flags = strtoull(at, NULL, 10);
		if (field == 22)
			s->start = strtoull(at, NULL, 10);
		at += strcspn(at, " ");
	}
	return *at ? 0 : -EINVAL;
}

/* The pidfd of it, or -errno with the sentence. Opened first: if the one that has the number afterwards began when ours
 * did, it is ours that was opened. */
static int open_process(const struct console_action *a, const char *who, struct culprit_error *error)
{
	struct stat_fields s = {0};
	char other[300];
	int fd, r;

	if (a->pid == (uint64_t)getpid())
		return error_set(error, -EINVAL, "that is culprit itself: q quits");
	fd = (int)syscall(SYS_pidfd_open, (pid_t)a->pid, 0);
	if (fd < 0 && errno == ENOSYS)
		return error_set(error, -ENOSYS, "this kernel has no pidfd (needs Linux 5.3), and without one another process could be hit: "
						 "use kill or renice in a shell");
	r = fd < 0 ? -errno : read_stat(a->pid, &s);
	if (!r && s.start != a->start_ticks) {
		text_sanitise(other, sizeof(other), s.comm, strlen(s.comm), TEXT_UTF8);
		r = error_set(error, -ESRCH, "%s has ended, and its number is another process's by now (%.100s): nothing was done", who,
			      other);
	} else if (!r && s.flags & KERNEL_THREAD) {
		r = error_set(error, -EINVAL, "%s is a thread of the kernel: nothing was done", who);
	} else if (r == -ESRCH || r == -ENOENT || r == -EINVAL) {
		r = error_set(error, -ESRCH, "%s has ended: nothing was done", who);
	} else if (r) {
		error_set(error, r, "%s cannot be reached: %s", who, strerror(-r));
	}
	if (!r)
		return fd;
	if (fd >= 0)
		close(fd);
	return r;
}

static int send_signal(int fd, const struct console_action *a, const char *who, struct culprit_error *error)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {{"TERM", SIGTERM}, {"STOP", SIGSTOP}, {"CONT", SIGCONT}, {"KILL", SIGKILL}};
	int number = 0;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!strcmp(signals[i].name, a->signal))
			number = signals[i].number;
	if (!number)
		return error_set(error, -EINVAL, "there is no signal of that name here");
	if (syscall(SYS_pidfd_send_signal, fd, number, NULL, 0)) {
		int err = -errno;

		if (err == -EPERM)
			return error_set(error, err, "%s was not sent to %s: it is another user's, run as root", a->signal, who);
		if (err == -ESRCH)
			return error_set(error, err, "%s has ended: nothing was sent", who);
		return error_set(error, err, "%s was not sent to %s: %s", a->signal, who, strerror(-err));
	}
	return error_set(error, 0, "sent %s to %s", a->signal, who);
}

static int set_one(const struct console_action *a, pid_t tid)
{
	static const char *const classes[] = {"none", "realtime", "best-effort", "idle"};

	if (a->kind == ACT_RENICE)
		return setpriority(PRIO_PROCESS, (id_t)tid, a->value) ? -errno : 0;
	for (int i = 0; i < 4; i++) {
		int value = i == 0 || i == 3 ? 0 : a->value;

		if (!strcmp(classes[i], a->class))
			return syscall(SYS_ioprio_set, IO_WHO_PROCESS, tid, i << IO_CLASS_SHIFT | value) ? -errno : 0;
	}
	return -EINVAL;
}

/* Priorities are of threads. Until no new one is found: they may begin meanwhile, with the old value. */
static int set_all(int fd, const struct console_action *a, const char *who, struct culprit_error *error)
{
	size_t done = 0, before = 0;
	char path[64];
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%llu/task", (unsigned long long)a->pid);
	for (int pass = 0; pass < PASSES && !err; pass++) {
		DIR *dir = opendir(path);
		struct dirent *entry;

		if (!dir && errno != ENOENT)
			err = -errno;
		before = done;
		done = 0;
		while (dir && !err && (entry = readdir(dir))) {
			pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
			struct pollfd gone = {.fd = fd, .events = POLLIN};

			/* Not a thread of whoever has the number once it has ended. */
			if (tid <= 0 || poll(&gone, 1, 0) != 0)
				continue;
			err = set_one(a, tid);
			if (err == -ESRCH)
				err = 0;
			else if (!err)
				done++;
		}
		if (dir)
			closedir(dir);
		if (done <= before)
			break;
	}
	if (err == -EPERM || err == -EACCES)
		return error_set(error, err, a->kind == ACT_RENICE ?
						     "the nice value of %s was not changed: lowering it, or another user's, needs root" :
						     "the I/O class of %s was not changed: realtime, or another user's, needs root", who);
	if (err)
		return error_set(error, err, "%s was not changed: %s", who, strerror(-err));
	if (!done)
		return error_set(error, -ESRCH, "%s has ended: nothing was changed", who);
	if (a->kind == ACT_RENICE)
		return error_set(error, 0, "nice value of %s is %d now (%zu thread%s)", who, a->value, done, done == 1 ? "" : "s");
	return error_set(error, 0, "I/O class of %s is %s now (%zu thread%s)", who, a->class, done, done == 1 ? "" : "s");
}

int act_do(const struct console_action *a, struct culprit_error *error)
{
	char name[4 * sizeof(a->name) + 1], who[sizeof(name) + 24];
	int fd, r;

	text_sanitise(name, sizeof(name), a->name, strlen(a->name), TEXT_UTF8);
	snprintf(who, sizeof(who), "%s %llu", name[0] ? name : "process", (unsigned long long)a->pid);
	fd = open_process(a, who, error);
	if (fd < 0)
		return fd;
	r = a->kind == ACT_SIGNAL ? send_signal(fd, a, who, error) : set_all(fd, a, who, error);
	close(fd);
	return r;
}
