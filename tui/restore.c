#include "restore.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static const int fatal[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGQUIT};
enum { NFATAL = sizeof(fatal) / sizeof(fatal[0]), STACK = 64 * 1024 };

static struct {
	volatile sig_atomic_t armed, cut;
	int fd, tty_fd;
	struct termios modes;
	char bytes[512];
	size_t n;
	struct sigaction before[NFATAL];
	stack_t stack_before;
	char stack[STACK];
} restore;

/* Only async-signal-safe calls. */
static void write_all(const char *bytes, size_t n)
{
	for (int tries = 0; n && tries < 20; tries++) {
		ssize_t k = write(restore.fd, bytes, n);

		if (k > 0) {
			bytes += k;
			n -= (size_t)k;
		} else if (k < 0 && errno == EAGAIN) {
			struct pollfd p = {.fd = restore.fd, .events = POLLOUT};

			poll(&p, 1, 50);
		} else if (k < 0 && errno != EINTR) {
			return;
		}
	}
}

static void on_fatal(int signal_number)
{
	int saved = errno;

	if (restore.armed) {
		restore.armed = 0;
		if (restore.cut)
			write_all("\x18", 1);
		write_all(restore.bytes, restore.n);
		tcsetattr(restore.tty_fd, TCSANOW, &restore.modes);
	}
	/* Whoever handled it before (a sanitizer, the kernel) does so now: a fault happens again on return, the others are
	 * raised. */
	for (size_t i = 0; i < NFATAL; i++)
		if (fatal[i] == signal_number)
			sigaction(signal_number, &restore.before[i], NULL);
	raise(signal_number);
	errno = saved;
}

int restore_arm(int fd, int tty_fd, const struct termios *modes, const char *bytes, size_t n)
{
	struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_sp = restore.stack, .ss_size = sizeof(restore.stack)};

	if (restore.armed)
		return -EBUSY;
	if (n > sizeof(restore.bytes))
		return -E2BIG;
	restore.fd = fd;
	restore.tty_fd = tty_fd;
	restore.modes = *modes;
	memcpy(restore.bytes, bytes, n);
	restore.n = n;
	restore.cut = 0;
	/* Of a stack that overflowed nothing is left to run on. */
	if (sigaltstack(NULL, &restore.stack_before) || (restore.stack_before.ss_flags & SS_DISABLE))
		sigaltstack(&stack, NULL);
	sigemptyset(&action.sa_mask);
	restore.armed = 1;
	for (size_t i = 0; i < NFATAL; i++)
		sigaction(fatal[i], &action, &restore.before[i]);
	return 0;
}

void restore_disarm(void)
{
	if (!restore.armed)
		return;
	for (size_t i = 0; i < NFATAL; i++)
		sigaction(fatal[i], &restore.before[i], NULL);
	restore.armed = 0;
	if (restore.stack_before.ss_flags & SS_DISABLE) {
		stack_t off = {.ss_flags = SS_DISABLE};

		sigaltstack(&off, NULL);
	}
}

void restore_set_cut(int cut)
{
	restore.cut = cut;
}
