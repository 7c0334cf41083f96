/* The zygote itself: one thread, one socket to the program, one signalfd for its children. It forks helpers, kills them
 * by id and reports how they ended. It holds no state of the console and ends when the program does. */
#include "zygote_main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_FD = 3, CONTROL_FD = 3, LEAVE_MS = 400, REAP_MS = 100 };

struct child {
	pid_t pid; /* 0: free */
	uint64_t id;
};

struct state {
	int signals;
	pid_t pid;
	const struct zygote_kind *const *kinds;
	size_t nkinds;
	struct child children[ZYGOTE_HELPERS_MAX];
	/* aligned for struct zygote_request */
	union {
		struct zygote_request request;
		unsigned char bytes[sizeof(struct zygote_request) + ZYGOTE_ARGS_MAX];
	} message;
};

static void close_from(int first)
{
	struct rlimit limit;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 65536)
		limit.rlim_cur = 65536;
	for (int fd = first; fd < (int)limit.rlim_cur; fd++)
		close(fd);
}

/* Moves the descriptors to FIRST_FD, FIRST_FD + 1 ... and closes all others. */
static int keep_fds(const int *fds, size_t n)
{
	int high[1 + ZYGOTE_FDS_MAX];

	/* first out of the way, so that none is overwritten before its turn */
	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD, FIRST_FD + (int)n);
		if (high[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(high[i], FIRST_FD + (int)i) < 0)
			return -errno;
	close_from(FIRST_FD + (int)n);
	return 0;
}

static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

/* Dies with the process that forked this one. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0); /* it died before the line above */
}

static void quiet_streams(void)
{
	int null = open("/dev/null", O_RDWR | O_NOCTTY);

	if (null < 0)
		return;
	dup2(null, 0);
	dup2(null, 1);
	/* What a plug-in prints must not land on the user's screen; a sanitizer's report must be seen. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	dup2(null, 2);
#endif
	if (null > 2)
		close(null);
}

static void report(uint32_t event, uint64_t id, int value)
{
	struct zygote_report r = {.event = event, .value = value, .id = id};

	/* May wait for the program to read: it loses nothing, for the program never waits for us. Where the program is
	 * gone, the next receive tells. */
	while (send(CONTROL_FD, &r, sizeof(r), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void run_helper(struct state *s, const struct zygote_kind *kind, const int *fds, size_t nfds) __attribute__((noreturn));

static void run_helper(struct state *s, const struct zygote_kind *kind, const int *fds, size_t nfds)
{
	struct rlimit no_core = {0, 0};
	int mine[ZYGOTE_FDS_MAX];
	struct zygote_job job = {
		.fd = FIRST_FD,
		.args = s->message.bytes + sizeof(struct zygote_request),
		.nargs = s->message.request.nargs,
		.fds = mine,
		.nfds = nfds - 1,
	};
	sigset_t none;

	die_with(s->pid);
	setpgid(0, 0); /* what it starts itself ends with it */
	prctl(PR_SET_NAME, kind->name);
	if (keep_fds(fds, nfds) < 0)
		_exit(125);
	for (size_t i = 0; i + 1 < nfds; i++)
		mine[i] = FIRST_FD + 1 + (int)i;
	setrlimit(RLIMIT_CORE, &no_core);
	reset_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(kind->run(&job));
}

static void spawn(struct state *s, const int *fds, size_t nfds)
{
	const struct zygote_request *r = &s->message.request;
	struct child *c = NULL;
	pid_t pid;

	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX && !c; i++)
		if (!s->children[i].pid)
			c = &s->children[i];
	if (!c || r->kind >= s->nkinds || nfds != 1 + (size_t)r->nfds) {
		report(ZYGOTE_NOT_STARTED, r->id, c ? -EINVAL : -EAGAIN);
		return;
	}
	pid = fork();
	if (pid == 0)
		run_helper(s, s->kinds[r->kind], fds, nfds);
	if (pid < 0) {
		report(ZYGOTE_NOT_STARTED, r->id, -errno);
		return;
	}
	c->pid = pid;
	c->id = r->id;
	report(ZYGOTE_STARTED, r->id, pid);
}

static void kill_child(struct state *s, uint64_t id)
{
	/* Only we reap: until then the pid is still this child's. */
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++)
		if (s->children[i].pid && s->children[i].id == id)
			kill(s->children[i].pid, SIGKILL);
}

/* One that has ended, still a zombie: then its number is nobody else's yet, and its group can be ended. 0: none. */
static pid_t ended_child(void)
{
	siginfo_t info = {.si_pid = 0};

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
		return 0;
	kill(-info.si_pid, SIGKILL);
	return info.si_pid;
}

static void reap(struct state *s)
{
	struct signalfd_siginfo info[8];
	pid_t pid;
	int status;

	while (read(s->signals, info, sizeof(info)) > 0)
		;
	while ((pid = ended_child()) && waitpid(pid, &status, WNOHANG) == pid) {
		for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++) {
			if (s->children[i].pid != pid)
				continue;
			s->children[i].pid = 0;
			report(ZYGOTE_ENDED, s->children[i].id, status);
		}
	}
}

/* One message. False: the program is gone. */
static bool receive(struct state *s)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE((1 + ZYGOTE_FDS_MAX) * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = &s->message, .iov_len = sizeof(s->message)};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fds[1 + ZYGOTE_FDS_MAX];
	size_t nfds = 0;
	ssize_t n = recvmsg(CONTROL_FD, &m, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count && nfds < 1 + ZYGOTE_FDS_MAX; i++)
			memcpy(&fds[nfds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	if ((size_t)n == sizeof(struct zygote_request) + s->message.request.nargs) {
		if (s->message.request.op == ZYGOTE_SPAWN)
			spawn(s, fds, nfds);
		else if (s->message.request.op == ZYGOTE_KILL)
			kill_child(s, s->message.request.id);
	}
	while (nfds)
		close(fds[--nfds]);
	return true;
}

/* Children left. */
static size_t children(const struct state *s)
{
	size_t n = 0;

	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++)
		n += s->children[i].pid != 0;
	return n;
}

static void wait_for_children(struct state *s, int ms)
{
	uint64_t end = zygote_now_ns() + (uint64_t)ms * 1000000;
	struct pollfd p = {.fd = s->signals, .events = POLLIN};

	for (;;) {
		uint64_t now = zygote_now_ns();

		reap(s);
		if (!children(s) || now >= end)
			return;
		poll(&p, 1, (int)((end - now) / 1000000) + 1);
	}
}

/* The program has closed its end: the helpers see EOF too and may close what they opened; then they are killed. One
 * that cannot die yet is left to init. */
static void leave(struct state *s)
{
	wait_for_children(s, LEAVE_MS);
	for (size_t i = 0; i < ZYGOTE_HELPERS_MAX; i++)
		if (s->children[i].pid)
			kill(s->children[i].pid, SIGKILL);
	wait_for_children(s, REAP_MS);
	_exit(0);
}

void zygote_main(int socket, pid_t parent, const struct zygote_kind *const *kinds, size_t nkinds)
{
	static struct state s; /* of this process, that has no other code */
	sigset_t all, child;

	setsid(); /* ^C and ^Z at the terminal are the program's to handle */
	die_with(parent);
	prctl(PR_SET_NAME, "culprit-zygote");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	reset_signals();
	quiet_streams();
	if (keep_fds(&socket, 1) < 0)
		_exit(125);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	s.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signals < 0)
		_exit(125);
	s.pid = getpid();
	s.kinds = kinds;
	s.nkinds = nkinds;
	for (;;) {
		struct pollfd p[2] = {{.fd = CONTROL_FD, .events = POLLIN}, {.fd = s.signals, .events = POLLIN}};

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			reap(&s);
		if (p[0].revents && !receive(&s))
			leave(&s);
	}
}
