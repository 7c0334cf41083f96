/* Makes N sleeping processes, each of THREADS threads, and keeps them until its stdin ends, for tests/bench/bench.py. Nothing survives it: the
 * sleepers die with it, and it ends by itself after an hour. Not here: anything that measures. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void *sleep_on(void *none)
{
	for (;;)
		pause();
	return none;
}

static void more_threads(unsigned long n)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384 + PTHREAD_STACK_MIN);
	while (n-- && !pthread_create(&thread, &attr, sleep_on, NULL))
		;
}

int main(int argc, char **argv)
{
	unsigned long threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	struct rlimit limit;
	pid_t self = getpid();
	char c;

	if (n == 0 || n > 100000 || threads == 0 || threads > 1000) {
		fprintf(stderr, "usage: spawn N [THREADS]     (1 to 100000; 1 to 1000)\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NPROC, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NPROC, &limit);
	}
	signal(SIGPIPE, SIG_IGN);
	for (unsigned long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			fprintf(stderr, "spawn: %lu of %lu processes made, then: %s\n", i, n, strerror(errno));
			return 1;
		}
		if (pid == 0) {
			char name[16];

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != self)
				_exit(0);
			snprintf(name, sizeof(name), "sleeper-%lu", i % 100);
			prctl(PR_SET_NAME, name);
			close(0);
			close(1);
			close(2);
			more_threads(threads - 1);
			for (;;)
				pause();
		}
	}
	printf("%lu\n", n);
	fflush(stdout);
	alarm(3600);
	while (read(0, &c, 1) > 0)
		;
	/* Leaving kills the sleepers (PR_SET_PDEATHSIG); init or a subreaper collects them. */
	return 0;
}
