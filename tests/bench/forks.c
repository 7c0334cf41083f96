/* usage: forks RATE SECONDS      Starts so many processes a second (0: as fast as it goes), each of which ends at once, and
 * waits for each. Prints how many it has started, and in how many seconds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* vfork() copies nothing. */
static pid_t __attribute__((noinline)) begin_and_end(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	return pid;
}

int main(int argc, char **argv)
{
	uint64_t begin = now_ns(), rate = argc == 3 ? strtoull(argv[1], NULL, 10) : 0, n = 0, now;
	double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;

	if (seconds <= 0)
		return 2;
	while ((now = now_ns()) < begin + (uint64_t)(seconds * 1e9)) {
		struct timespec ms = {.tv_nsec = 1000000};
		pid_t pid;

		if (rate && n >= (now - begin) / 1000 * rate / 1000000) {
			nanosleep(&ms, NULL);
			continue;
		}
		pid = begin_and_end();
		if (pid < 0)
			return 1;
		waitpid(pid, NULL, 0);
		n++;
	}
	printf("%llu %.3f\n", (unsigned long long)n, (double)(now_ns() - begin) / 1e9);
	return 0;
}
