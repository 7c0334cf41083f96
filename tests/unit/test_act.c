/* Signals and priorities, on real children of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act.h"

static void *wait_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* A child that waits, with so many more threads, and tells when they are there. */
static pid_t child(unsigned threads)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0; i < threads; i++) {
			pthread_t t;

			if (pthread_create(&t, NULL, wait_for_ever, NULL))
				_exit(1);
		}
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		wait_for_ever(NULL);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static uint64_t start_of(pid_t pid)
{
	char path[64], bytes[1024] = "", *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(bytes, sizeof(bytes), f));
	fclose(f);
	at = strrchr(bytes, ')');
	assert_non_null(at);
	for (int field = 2; field < 22; field++)
		at = strchr(at + 1, ' ');
	return strtoull(at, NULL, 10);
}

static struct console_action to(pid_t pid, enum console_action_kind kind)
{
	struct console_action a = {.kind = kind, .pid = (uint64_t)pid, .start_ticks = start_of(pid), .name = "child\x1b[2J"};

	return a;
}

/* waitpid() has no deadline; the test's own is the driver's. */
static int state_of(pid_t pid, int flags)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, flags), pid);
	return status;
}

static void signals_arrive(void **state)
{
	pid_t pid = child(0);
	struct console_action a = to(pid, ACT_SIGNAL);
	struct culprit_error error = {""};
	char wanted[96];
	int status;

	(void)state;
	a.signal = "STOP";
	assert_int_equal(act_do(&a, &error), 0);
	/* Hostile names are shown, not obeyed. */
	snprintf(wanted, sizeof(wanted), "sent STOP to child\\x1b[2J %d", (int)pid);
	assert_string_equal(error.sentence, wanted);
	status = state_of(pid, WUNTRACED);
	assert_true(WIFSTOPPED(status));
	a.signal = "CONT";
	assert_int_equal(act_do(&a, &error), 0);
	status = state_of(pid, WCONTINUED);
	assert_true(WIFCONTINUED(status));
	a.signal = "TERM";
	assert_int_equal(act_do(&a, &error), 0);
	status = state_of(pid, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	/* It is gone. */
	assert_int_equal(act_do(&a, &error), -ESRCH);
	assert_non_null(strstr(error.sentence, "has ended: nothing was done"));
}

/* The number stands for another one by now: that one is left alone. */
static void another_is_never_hit(void **state)
{
	pid_t pid = child(0);
	struct console_action a = to(pid, ACT_SIGNAL);
	struct culprit_error error = {""};
	int status;

	(void)state;
	a.signal = "KILL";
	a.start_ticks--;
	assert_int_equal(act_do(&a, &error), -ESRCH);
	assert_non_null(strstr(error.sentence, "its number is another process's by now"));
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	a.kind = ACT_RENICE;
	a.value = 7;
	assert_int_equal(act_do(&a, &error), -ESRCH);
	errno = 0;
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)pid), getpriority(PRIO_PROCESS, 0));
	a.kind = ACT_SIGNAL;
	a.start_ticks++;
	assert_int_equal(act_do(&a, &error), 0);
	status = state_of(pid, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void some_are_refused(void **state)
{
	struct console_action a = to(getpid(), ACT_SIGNAL);
	struct culprit_error error = {""};
	char comm[16] = "";
	FILE *f;

	(void)state;
	a.signal = "STOP";
	assert_int_equal(act_do(&a, &error), -EINVAL);
	assert_string_equal(error.sentence, "that is culprit itself: q quits");
	/* kthreadd, where this is no container. */
	f = fopen("/proc/2/comm", "re");
	if (f && fgets(comm, sizeof(comm), f) && !strcmp(comm, "kthreadd\n")) {
		a = to(2, ACT_SIGNAL);
		a.signal = "TERM";
		assert_int_equal(act_do(&a, &error), -EINVAL);
		assert_non_null(strstr(error.sentence, "a thread of the kernel"));
	}
	if (f)
		fclose(f);
}

static void all_threads_are_reniced(void **state)
{
	pid_t pid = child(3);
	struct console_action a = to(pid, ACT_RENICE);
	struct culprit_error error = {""};
	char path[64];
	unsigned n = 0;

	(void)state;
	a.value = 11;
	assert_int_equal(act_do(&a, &error), 0);
	assert_non_null(strstr(error.sentence, "is 11 now (4 threads)"));
	a.kind = ACT_IONICE;
	a.class = "idle";
	assert_int_equal(act_do(&a, &error), 0);
	assert_non_null(strstr(error.sentence, "is idle now (4 threads)"));
	for (int tid = pid; tid < pid + 100; tid++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)pid, tid);
		if (access(path, F_OK))
			continue;
		n++;
		assert_int_equal(getpriority(PRIO_PROCESS, (id_t)tid), 11);
		assert_int_equal(syscall(SYS_ioprio_get, 1, tid) >> 13, 3);
	}
	/* Numbers are given in turn, but others fork as well. */
	assert_true(n >= 1 && n <= 4);
	kill(pid, SIGKILL);
	state_of(pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_arrive),
		cmocka_unit_test(another_is_never_hit),
		cmocka_unit_test(some_are_refused),
		cmocka_unit_test(all_threads_are_reniced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
