/* Makes N sleeping processes and keeps them until its stdin ends, for tests/bench/bench.py. Nothing survives it: the
 * sleepers die with it, and it ends by itself after an hour. Not here: anything that measures. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	struct rlimit limit;
	pid_t self = getpid();
	char c;

	if (n == 0 || n > 100000) {
		fprintf(stderr, "usage: spawn N     (1 to 100000)\n");
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
