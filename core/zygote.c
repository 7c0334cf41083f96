/* The program's side of the zygote: handles of helpers, requests, reports. See zygote.h. */
#include "zygote_main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

struct slot {
	struct helper helper; /* id 0: free */
	bool unsent;          /* its kill did not fit in the socket yet */
};

struct zygote {
	int fd;
	pid_t pid; /* 0: gone */
	const struct zygote_kind *const *kinds;
	size_t nkinds;
	uint64_t next_id;
	uint64_t spawned, killed, refused;
	struct slot slots[ZYGOTE_HELPERS_MAX];
};

uint64_t zygote_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct zygote *zygote_create(const struct zygote_kind *const *kinds, size_t nkinds, struct culprit_error *error)
{
	struct zygote *z;
	pid_t parent = getpid();
	int pair[2];

	if (nkinds > ZYGOTE_KINDS_MAX) {
		error_set(error, -EINVAL, "At most %d kinds of helpers.", ZYGOTE_KINDS_MAX);
		return NULL;
	}
	z = calloc(1, sizeof(*z));
	if (!z) {
		error_set(error, -ENOMEM, "Out of memory for helper processes.");
		return NULL;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		error_set(error, -errno, "No socket for helper processes: %s; the limit is ulimit -n.", strerror(errno));
		goto free_z;
	}
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
		error_set(error, -errno, "No socket for helper processes: %s; the limit is ulimit -n.", strerror(errno));
		goto close_pair;
	}
	z->pid = fork();
	if (z->pid < 0) {
		error_set(error, -errno, "Helper processes cannot be started: %s.", strerror(errno));
		goto close_pair;
	}
	if (z->pid == 0)
		zygote_main(pair[1], parent, kinds, nkinds);
	close(pair[1]);
	z->fd = pair[0];
	z->kinds = kinds;
	z->nkinds = nkinds;
	z->next_id = 1;
	return z;

close_pair:
	close(pair[0]);
	close(pair[1]);
free_z:
	free(z);
	return NULL;
}

static struct slot *slot_of(struct helper *h)
{
	return (struct slot *)((char *)h - offsetof(struct slot, helper));
}

static struct slot *slot_find(struct zygote *z, uint64_t id)
{
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++)
		if (id && z->slots[i].helper.id == id)
			return &z->slots[i];
	return NULL;
}

static void slot_free(struct slot *s)
{
	if (s->helper.fd >= 0)
		close(s->helper.fd);
	memset(s, 0, sizeof(*s));
}

static void slot_gone(struct slot *s, int status, int error)
{
	s->helper.state = HELPER_GONE;
	s->helper.status = status;
	s->helper.error = error;
	s->unsent = false;
	if (s->helper.released)
		slot_free(s);
}

/* The zygote has died (the kernel took it, say): its helpers die with it, and no more can be made. */
static void zygote_lost(struct zygote *z)
{
	int quiet = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	z->pid = 0;
	/* The socket would be readable from now on for ever, and keep whoever polls it busy. */
	if (quiet >= 0) {
		dup3(quiet, z->fd, O_CLOEXEC);
		close(quiet);
	}
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++)
		if (z->slots[i].helper.id && z->slots[i].helper.state != HELPER_GONE)
			slot_gone(&z->slots[i], SIGKILL, 0);
}

static void zygote_report(struct zygote *z, const struct zygote_report *r)
{
	struct slot *s = slot_find(z, r->id);

	if (!s || s->helper.state == HELPER_GONE)
		return;
	switch (r->event) {
	case ZYGOTE_STARTED:
		s->helper.pid = r->value;
		break;
	case ZYGOTE_ENDED:
		slot_gone(s, r->value, 0);
		break;
	case ZYGOTE_NOT_STARTED:
		slot_gone(s, 0, r->value);
		break;
	}
}

static void kill_slot(struct slot *s)
{
	struct zygote_request r = {.op = ZYGOTE_KILL, .id = s->helper.id};

	if (s->helper.state == HELPER_ALIVE)
		s->helper.zygote->killed++;
	s->helper.state = HELPER_KILLED;
	s->unsent = send(s->helper.zygote->fd, &r, sizeof(r), MSG_NOSIGNAL) < 0;
}

void helper_kill(struct helper *h)
{
	if (h->state == HELPER_ALIVE)
		kill_slot(slot_of(h));
}

void helper_release(struct helper *h)
{
	if (!h)
		return;
	if (h->state == HELPER_GONE) {
		slot_free(slot_of(h));
		return;
	}
	close(h->fd);
	h->fd = -1;
	h->released = true;
	h->deadline_ns = zygote_now_ns() + ZYGOTE_GRACE_MS * (uint64_t)1000000;
}

void zygote_poll(struct zygote *z)
{
	struct zygote_report r;
	uint64_t now = zygote_now_ns();

	while (z->pid) {
		ssize_t n = recv(z->fd, &r, sizeof(r), MSG_DONTWAIT);

		if (n == sizeof(r)) {
			zygote_report(z, &r);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			break;
		} else {
			int status;

			waitpid(z->pid, &status, WNOHANG);
			zygote_lost(z);
		}
	}
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++) {
		struct slot *s = &z->slots[i];

		if (!s->helper.id)
			continue;
		if (s->unsent || (s->helper.released && s->helper.state == HELPER_ALIVE && now >= s->helper.deadline_ns))
			kill_slot(s);
	}
}

int zygote_fd(const struct zygote *z)
{
	return z->fd;
}

bool zygote_has(const struct zygote *z, uint64_t id)
{
	const struct slot *s = slot_find((struct zygote *)z, id);

	return s && s->helper.state != HELPER_GONE;
}

void zygote_stats(const struct zygote *z, struct zygote_stats *ret)
{
	*ret = (struct zygote_stats){
		.pid = z->pid,
		.spawned = z->spawned,
		.killed = z->killed,
		.refused = z->refused,
	};
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++) {
		const struct helper *h = &z->slots[i].helper;

		ret->alive += h->id && h->state == HELPER_ALIVE;
		ret->stuck += h->id && h->state == HELPER_KILLED;
	}
}

static int send_spawn(struct zygote *z, const struct zygote_request *r, const void *args, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE((1 + ZYGOTE_FDS_MAX) * sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec iov[2] = {
		{.iov_base = (void *)r, .iov_len = sizeof(*r)},
		{.iov_base = (void *)args, .iov_len = r->nargs},
	};
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(nfds * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	do
		n = sendmsg(z->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int spawn(struct zygote *z, struct slot *s, struct zygote_request *r, const void *args, const int *fds,
		 struct culprit_error *error)
{
	int all[1 + ZYGOTE_FDS_MAX];
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(error, -errno, "No socket for a helper process: %s.", strerror(errno));
	/* The helper's end stays blocking: it has nothing else to do. */
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
		err = error_set(error, -errno, "No socket for a helper process: %s.", strerror(errno));
		goto close_pair;
	}
	all[0] = pair[1];
	if (r->nfds)
		memcpy(all + 1, fds, r->nfds * sizeof(int));
	err = send_spawn(z, r, args, all, 1 + r->nfds);
	if (err < 0) {
		error_set(error, err, "The zygote does not take requests: %s.", strerror(-err));
		goto close_pair;
	}
	close(pair[1]);
	s->helper = (struct helper){.zygote = z, .id = r->id, .fd = pair[0], .state = HELPER_ALIVE};
	return 0;

close_pair:
	close(pair[0]);
	close(pair[1]);
	return err;
}

int zygote_spawn(struct zygote *z, const struct zygote_kind *kind, const void *args, size_t nargs, const int *fds,
		 size_t nfds, struct helper **ret, struct culprit_error *error)
{
	struct zygote_request r = {.op = ZYGOTE_SPAWN, .nargs = (uint32_t)nargs, .nfds = (uint32_t)nfds};
	struct zygote_stats stats;
	struct slot *s = NULL;
	int err;

	while (r.kind < z->nkinds && z->kinds[r.kind] != kind)
		r.kind++;
	if (r.kind == z->nkinds || nargs > ZYGOTE_ARGS_MAX || nfds > ZYGOTE_FDS_MAX)
		return error_set(error, -EINVAL, "No such helper process.");
	zygote_poll(z);
	zygote_stats(z, &stats);
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX && !s; i++)
		if (!z->slots[i].helper.id)
			s = &z->slots[i];
	if (!z->pid)
		err = error_set(error, -EPIPE, "The zygote has died, so nothing that may block is read: restart culprit.");
	else if (stats.stuck >= ZYGOTE_STUCK_MAX)
		err = error_set(error, -EAGAIN,
				"%u helper processes are stuck in the kernel; no more are started until one of them ends.",
				stats.stuck);
	else if (!s)
		err = error_set(error, -EAGAIN, "%d helper processes run already; no more are started.",
				ZYGOTE_HELPERS_MAX);
	else {
		r.id = z->next_id++;
		err = spawn(z, s, &r, args, fds, error);
	}
	if (err < 0) {
		z->refused++;
		return err;
	}
	z->spawned++;
	*ret = &s->helper;
	return 0;
}

static const char *signal_name(int signal)
{
	switch (signal) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGABRT:
		return "SIGABRT";
	case SIGILL:
		return "SIGILL";
	case SIGFPE:
		return "SIGFPE";
	case SIGSYS:
		return "SIGSYS";
	case SIGTRAP:
		return "SIGTRAP";
	}
	return NULL;
}

void helper_describe(const struct helper *h, char *buf, size_t size)
{
	const char *name;

	if (h->error)
		snprintf(buf, size, "could not be started: %s", strerror(-h->error));
	else if (h->state != HELPER_GONE)
		snprintf(buf, size, "is running");
	else if (WIFEXITED(h->status))
		snprintf(buf, size, "exited with status %d", WEXITSTATUS(h->status));
	else if ((name = signal_name(WTERMSIG(h->status))))
		snprintf(buf, size, "crashed (%s)", name);
	else if (WTERMSIG(h->status) == SIGKILL)
		snprintf(buf, size, "was killed");
	else
		snprintf(buf, size, "was ended by signal %d", WTERMSIG(h->status));
}

/* Waits for the zygote to go, without waiting for ever. */
static void wait_zygote(pid_t pid)
{
	uint64_t end = zygote_now_ns() + ZYGOTE_GRACE_MS * (uint64_t)1000000;
	struct timespec pause = {.tv_nsec = 1000000};
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (zygote_now_ns() >= end) {
			kill(pid, SIGKILL);
			return;
		}
		nanosleep(&pause, NULL);
	}
}

void zygote_destroy(struct zygote *z)
{
	if (!z)
		return;
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++)
		if (z->slots[i].helper.id && z->slots[i].helper.fd >= 0)
			close(z->slots[i].helper.fd);
	close(z->fd);
	if (z->pid)
		wait_zygote(z->pid);
	free(z);
}
