/* Burns 50, 30, 15 and 5 % of its time in four functions, below a recursion, without frame pointers: what it did is known. At SIGTERM it
 * prints the CPU time of each, as it measured it, in ns. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
enum { FUNCTIONS = 4, DEPTH = 12 };

static const char *const names[FUNCTIONS] = {"burn_fifty", "burn_thirty", "burn_fifteen", "burn_five"};
static uint64_t burnt[FUNCTIONS];
static volatile uint64_t sink;
static volatile sig_atomic_t over;

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Not one body, so that no linker folds them. */
#define BURN(name, n, ms)                                                                                              \
	NOINLINE void name(void);                                                                                      \
	NOINLINE void name(void)                                                                                       \
	{                                                                                                              \
		uint64_t begin = cpu_ns(), took;                                                                       \
                                                                                                                       \
		do {                                                                                                   \
			for (int i = 0; i < 20000; i++)                                                                \
				sink += sink * (n) + (uint64_t)i;                                                      \
			took = cpu_ns() - begin;                                                                       \
		} while (took < (ms) * UINT64_C(1000000));                                                             \
		burnt[n] += took;                                                                                      \
	}
BURN(burn_fifty, 0, 10)
BURN(burn_thirty, 1, 6)
BURN(burn_fifteen, 2, 3)
BURN(burn_five, 3, 1)

NOINLINE int deep(int depth);
NOINLINE int deep(int depth)
{
	volatile char room[200];

	room[depth] = (char)depth;
	if (depth) {
		sink += (uint64_t)deep(depth - 1);
	} else {
		burn_fifty();
		burn_thirty();
		burn_fifteen();
		burn_five();
	}
	return room[depth];
}

static void stop(int sig)
{
	over = sig;
}

int main(void)
{
	signal(SIGTERM, stop);
	while (!over)
		sink += (uint64_t)deep(DEPTH);
	for (int i = 0; i < FUNCTIONS; i++)
		printf("%s %llu\n", names[i], (unsigned long long)burnt[i]);
	return 0;
}
