/* Helper processes: what they get, how they end, that none is left behind. */
/* alone: it kills within milliseconds */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zygote.h"

/* Says what it was given: open descriptors, its arguments, the first line of fds[0]; then waits for EOF. */
static int run_echo(const struct zygote_job *job)
{
	char text[256], line[64] = "";
	int open_fds = 0, n;
	char c;

	for (int fd = 0; fd < 256; fd++)
		open_fds += fcntl(fd, F_GETFD) >= 0;
	if (job->nfds && read(job->fds[0], line, sizeof(line) - 1) < 0)
		return 2;
	n = snprintf(text, sizeof(text), "%d %.*s %s", open_fds, (int)job->nargs, (const char *)job->args, line);
	send(job->fd, text, (size_t)n, 0);
	return recv(job->fd, &c, 1, 0) == 0 ? 0 : 3;
}

/* Deaf: neither EOF nor SIGTERM ends it. Says its pid first. */
static int run_deaf(const struct zygote_job *job)
{
	pid_t pid = getpid();

	signal(SIGTERM, SIG_IGN);
	send(job->fd, &pid, sizeof(pid), 0);
	for (;;)
		pause();
	return 0;
}

/* Starts a process of its own, and says its pid. */
static int run_parent(const struct zygote_job *job)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			pause();
	send(job->fd, &child, sizeof(child), 0);
	return run_deaf(job);
}

static int run_crash(const struct zygote_job *job)
{
	(void)job;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

static int run_exit(const struct zygote_job *job)
{
	return *(const char *)job->args;
}

static const struct zygote_kind echo_kind = {"test-echo", run_echo};
static const struct zygote_kind deaf_kind = {"test-deaf", run_deaf};
static const struct zygote_kind crash_kind = {"test-crash", run_crash};
static const struct zygote_kind parent_kind = {"test-parent", run_parent};
static const struct zygote_kind exit_kind = {"test-exit", run_exit};
static const struct zygote_kind unknown_kind = {"test-unknown", run_exit};
static const struct zygote_kind *const kinds[] = {&echo_kind, &deaf_kind, &crash_kind, &exit_kind, &parent_kind};

static struct zygote *create(void)
{
	struct culprit_error error;
	struct zygote *z = zygote_create(kinds, sizeof(kinds) / sizeof(kinds[0]), &error);

	assert_non_null(z);
	return z;
}

static void wait_gone(struct zygote *z, struct helper *h)
{
	uint64_t end = zygote_now_ns() + 5000000000u;

	while (h->state != HELPER_GONE && zygote_now_ns() < end) {
		struct pollfd p = {.fd = zygote_fd(z), .events = POLLIN};

		poll(&p, 1, 100);
		zygote_poll(z);
	}
	assert_int_equal(h->state, HELPER_GONE);
}

static ssize_t wait_message(struct helper *h, void *buf, size_t size)
{
	struct pollfd p = {.fd = h->fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 5000), 1);
	return recv(h->fd, buf, size, 0);
}

/* Gone: neither running nor a zombie of somebody who still could wait for it. */
static bool process_gone(pid_t pid)
{
	char path[64], line[256] = "";
	FILE *f;

	for (int i = 0; i < 300; i++) {
		const char *p;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		f = fopen(path, "r");
		if (!f)
			return true;
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
		fclose(f);
		p = strrchr(line, ')');
		if (p && (p[2] == 'Z' || p[2] == 'X'))
			return true;
		usleep(10000);
	}
	return false;
}

static void gives_what_was_passed_and_nothing_else(void **state)
{
	struct zygote *z = create();
	struct helper *h;
	char text[256] = "";
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(write(pipe_fds[1], "line", 4), 4);
	assert_int_equal(zygote_spawn(z, &echo_kind, "args", 4, pipe_fds, 1, &h, NULL), 0);
	assert_true(wait_message(h, text, sizeof(text) - 1) > 0);
	/* 0, 1, 2, the socket, the pipe */
	assert_string_equal(text, "5 args line");
	/* It may have answered before the zygote has come to say which process it is. */
	for (int i = 0; i < 1000 && !h->pid; i++) {
		zygote_poll(z);
		usleep(10000);
	}
	assert_true(h->pid > 0);
	assert_true(zygote_has(z, h->id));
	/* EOF ends it */
	shutdown(h->fd, SHUT_RDWR);
	wait_gone(z, h);
	assert_true(WIFEXITED(h->status));
	assert_int_equal(WEXITSTATUS(h->status), 0);
	assert_false(zygote_has(z, h->id));
	helper_release(h);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	zygote_destroy(z);
}

static void says_how_they_ended(void **state)
{
	struct zygote *z = create();
	struct helper *h;
	char text[128];

	(void)state;
	assert_int_equal(zygote_spawn(z, &crash_kind, NULL, 0, NULL, 0, &h, NULL), 0);
	wait_gone(z, h);
	helper_describe(h, text, sizeof(text));
	assert_string_equal(text, "crashed (SIGSEGV)");
	helper_release(h);
	assert_int_equal(zygote_spawn(z, &exit_kind, "\3", 1, NULL, 0, &h, NULL), 0);
	wait_gone(z, h);
	helper_describe(h, text, sizeof(text));
	assert_string_equal(text, "exited with status 3");
	helper_release(h);
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &h, NULL), 0);
	helper_kill(h);
	wait_gone(z, h);
	helper_describe(h, text, sizeof(text));
	assert_string_equal(text, "was killed");
	helper_release(h);
	assert_int_equal(zygote_spawn(z, &unknown_kind, NULL, 0, NULL, 0, &h, NULL), -EINVAL);
	zygote_destroy(z);
}

static void a_spawn_and_a_kill_do_not_wait(void **state)
{
	struct zygote *z = create();
	struct helper *h;
	struct zygote_stats stats;
	uint64_t begin = zygote_now_ns();

	(void)state;
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &h, NULL), 0);
	helper_kill(h);
	assert_true(zygote_now_ns() - begin < 50000000);
	zygote_stats(z, &stats);
	assert_int_equal(stats.alive, 0);
	assert_int_equal(stats.stuck, 1);
	wait_gone(z, h);
	zygote_stats(z, &stats);
	assert_int_equal(stats.stuck, 0);
	helper_release(h);
	zygote_destroy(z);
}

static void a_ninth_stuck_helper_is_refused(void **state)
{
	struct zygote *z = create();
	struct helper *h[ZYGOTE_STUCK_MAX], *one_more;
	struct culprit_error error = {""};
	struct zygote_stats stats;

	(void)state;
	for (int i = 0; i < ZYGOTE_STUCK_MAX; i++) {
		pid_t pid;

		assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &h[i], NULL), 0);
		assert_int_equal(wait_message(h[i], &pid, sizeof(pid)), sizeof(pid));
	}
	zygote_stats(z, &stats);
	assert_int_equal(stats.alive, ZYGOTE_STUCK_MAX);
	/* A stopped zygote cannot kill: for us the eight are as stuck as in state D. */
	kill(stats.pid, SIGSTOP);
	for (int i = 0; i < ZYGOTE_STUCK_MAX; i++)
		helper_kill(h[i]);
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &one_more, &error), -EAGAIN);
	assert_non_null(strstr(error.sentence, "8 helper processes are stuck"));
	zygote_stats(z, &stats);
	assert_int_equal(stats.stuck, ZYGOTE_STUCK_MAX);
	assert_int_equal(stats.refused, 1);
	kill(stats.pid, SIGCONT);
	for (int i = 0; i < ZYGOTE_STUCK_MAX; i++) {
		wait_gone(z, h[i]);
		helper_release(h[i]);
	}
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &one_more, NULL), 0);
	zygote_destroy(z);
}

static void a_released_helper_that_stays_is_killed(void **state)
{
	struct zygote *z = create();
	struct zygote_stats stats;
	struct helper *h;
	pid_t pid;

	(void)state;
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &h, NULL), 0);
	assert_int_equal(wait_message(h, &pid, sizeof(pid)), sizeof(pid));
	helper_release(h);
	zygote_poll(z);
	zygote_stats(z, &stats);
	assert_int_equal(stats.alive, 1);
	usleep(ZYGOTE_GRACE_MS * 1000 + 20000);
	zygote_poll(z);
	assert_true(process_gone(pid));
	for (int i = 0; i < 300; i++) {
		zygote_poll(z);
		zygote_stats(z, &stats);
		if (!(stats.alive + stats.stuck))
			break;
		usleep(10000); /* until the zygote has reaped it and said so */
	}
	assert_int_equal(stats.alive + stats.stuck, 0);
	zygote_destroy(z);
}

static void what_a_helper_started_ends_with_it(void **state)
{
	struct zygote *z = create();
	struct helper *h;
	pid_t grandchild;

	(void)state;
	assert_int_equal(zygote_spawn(z, &parent_kind, NULL, 0, NULL, 0, &h, NULL), 0);
	assert_int_equal(wait_message(h, &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(kill(grandchild, 0), 0);
	helper_kill(h);
	wait_gone(z, h);
	assert_true(process_gone(grandchild));
	helper_release(h);
	zygote_destroy(z);
}

static void destroying_leaves_nothing_behind(void **state)
{
	struct zygote *z = create();
	struct zygote_stats stats;
	struct helper *h;
	uint64_t begin;
	pid_t pid;

	(void)state;
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &h, NULL), 0);
	assert_int_equal(wait_message(h, &pid, sizeof(pid)), sizeof(pid));
	zygote_stats(z, &stats);
	begin = zygote_now_ns();
	zygote_destroy(z);
	assert_true(zygote_now_ns() - begin < 2 * ZYGOTE_GRACE_MS * 1000000ull);
	assert_int_equal(kill(stats.pid, 0), -1);
	assert_true(process_gone(pid));
}

static void a_dead_zygote_is_an_error_not_a_hang(void **state)
{
	struct zygote *z = create();
	struct culprit_error error = {""};
	struct zygote_stats stats;
	struct helper *h, *next;
	pid_t pid;

	(void)state;
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &h, NULL), 0);
	assert_int_equal(wait_message(h, &pid, sizeof(pid)), sizeof(pid));
	zygote_stats(z, &stats);
	kill(stats.pid, SIGKILL);
	wait_gone(z, h);
	assert_true(process_gone(pid));
	assert_int_equal(zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &next, &error), -EPIPE);
	assert_non_null(strstr(error.sentence, "zygote"));
	helper_release(h);
	zygote_destroy(z);
}

/* The program is killed the hard way: neither zygote nor helpers outlive it. */
static void the_parents_death_leaves_no_helpers(void **state)
{
	int pipe_fds[2];
	pid_t program, pids[3];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	program = fork();
	if (program == 0) {
		struct zygote_stats stats;
		struct zygote *z = zygote_create(kinds, 4, NULL);
		struct helper *h;

		for (int i = 0; i < 2; i++) {
			struct pollfd p;

			if (!z || zygote_spawn(z, &deaf_kind, NULL, 0, NULL, 0, &h, NULL) < 0)
				_exit(1);
			p = (struct pollfd){.fd = h->fd, .events = POLLIN};
			poll(&p, 1, 5000);
			if (recv(h->fd, &pids[i], sizeof(pid_t), 0) != sizeof(pid_t))
				_exit(1);
		}
		zygote_stats(z, &stats);
		pids[2] = stats.pid;
		if (write(pipe_fds[1], pids, sizeof(pids)) != sizeof(pids))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipe_fds[0], pids, sizeof(pids)), sizeof(pids));
	for (int i = 0; i < 3; i++)
		assert_int_equal(kill(pids[i], 0), 0);
	kill(program, SIGKILL);
	waitpid(program, NULL, 0);
	for (int i = 0; i < 3; i++)
		assert_true(process_gone(pids[i]));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_what_was_passed_and_nothing_else),
		cmocka_unit_test(says_how_they_ended),
		cmocka_unit_test(a_spawn_and_a_kill_do_not_wait),
		cmocka_unit_test(a_ninth_stuck_helper_is_refused),
		cmocka_unit_test(a_released_helper_that_stays_is_killed),
		cmocka_unit_test(what_a_helper_started_ends_with_it),
		cmocka_unit_test(destroying_leaves_nothing_behind),
		cmocka_unit_test(a_dead_zygote_is_an_error_not_a_hang),
		cmocka_unit_test(the_parents_death_leaves_no_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
