/* Sampling takes no memory in steady state: every allocation of the sampling thread is counted while all collectors sample
 * real processes, busy and idle, in a pid namespace of their own (so that nobody else's processes come and go), into a
 * ring, key frames and ends of segments included. Control groups, disks and mounts are the whole machine's: when some of
 * those come while it is counted, that is no steady state, and it is counted again, a few times. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask.h"
#include "builtin.h"
#include "ring.h"
#include "sampler.h"
#define COUNT_ONE_THREAD 1 /* helpers have threads of their own that take some */
#include "support/counted_malloc.h"

enum { SLEEPERS = 30, BUSY = 3, WARM_TICKS = 240, COUNTED_TICKS = 160, TRIES = 4 };

static void nap(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static void spawn(bool busy)
{
	pid_t pid = fork();

	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (!busy)
			pause();
		/* A tenth of a CPU: on and off. */
		for (volatile unsigned long i = 0; i < 1000000; i++)
			;
		nap(20);
	}
}

/* Runs as the first process of the namespace. Exit status: 0 fine, 2 it took memory, 3 it could not be tried. */
static int inside(void)
{
	static const struct zygote_kind *const kinds[] = {&ask_kind};
	struct culprit_error error = {""};
	/* Not what BPF tells: that is of the whole machine, where others begin and end, and whoever is new takes memory. */
	struct sampler_options options = {.builtins = culprit_builtin, .interval_ns = 20000000, .flags = CULPRIT_HOST_SAFE};
	struct sampler *sampler;
	struct ring *ring;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "/proc", "proc", 0, NULL))
		return 3;
	options.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY);
	options.sys_fd = open("/sys", O_RDONLY | O_DIRECTORY);
	options.zygote = zygote_create(kinds, 1, &error);
	for (unsigned i = 0; i < SLEEPERS + BUSY; i++)
		spawn(i < BUSY);
	sampler = sampler_create(&options, &error);
	ring = ring_create((size_t)4 << 20, NULL, "test", &error);
	if (!options.zygote || !sampler || !ring || writer_add_sink(sampler_writer(sampler), ring_sink(ring, &error))) {
		fprintf(stderr, "%s\n", error.sentence);
		return 3;
	}
	for (unsigned i = 0; i < WARM_TICKS + TRIES * COUNTED_TICKS; i++) {
		if (i >= WARM_TICKS && (i - WARM_TICKS) % COUNTED_TICKS == 0) {
			if (i > WARM_TICKS && !allocations)
				return 0;
			if (i > WARM_TICKS)
				fprintf(stderr, "%lu allocations in %d ticks\n", allocations, COUNTED_TICKS);
			allocations = 0;
		}
		counting = i >= WARM_TICKS;
		if (sampler_tick(sampler, &error)) {
			fprintf(stderr, "%s\n", error.sentence);
			return 3;
		}
		counting = false;
		nap(20);
	}
	fprintf(stderr, "%lu allocations in %d ticks\n", allocations, COUNTED_TICKS);
	return allocations ? 2 : 0;
}

static void test_sampling_takes_no_memory(void **state)
{
	int status = 0;
	pid_t outer;

	(void)state;
	need_counting();
	if (geteuid()) {
		print_message("needs root: a pid namespace of its own\n");
		skip();
	}
	outer = fork();
	if (!outer) {
		pid_t pid;

		if (unshare(CLONE_NEWPID | CLONE_NEWNS))
			_exit(3);
		pid = fork();
		if (!pid)
			_exit(inside());
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 4);
	}
	waitpid(outer, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
		print_message("no pid namespace or no /proc in it here\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sampling_takes_no_memory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
