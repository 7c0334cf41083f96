/* The other ways to look at stacks, against programs of which it is known what they do: what is asked of a disk, who waits for a
 * lock of the kernel and how long, how often threads leave their CPU, what is allocated and not freed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/bpf_run.h"
#include "support/stack_look.h"

extern const struct culprit_collector stacks_collector;

enum { HZ = 19, COUNTERS = 8 };
static uint64_t *did; /* shared: what the program has done, as it knows itself */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void nap_us(long us)
{
	struct timespec ts = {0, us * 1000};

	nanosleep(&ts, NULL);
}

static void add(unsigned n, uint64_t v)
{
	__atomic_fetch_add(&did[n], v, __ATOMIC_RELAXED);
}

static void share_counters(void)
{
	did = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(did, MAP_FAILED);
}

/* Runs until it is ended, or the test is gone. */
static pid_t begin(void (*body)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		body();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Looks until the names of this program are known: a function of it is found. False: it never is. */
static bool until_named(struct looker *l, const char *lens, pid_t pid, const char *function)
{
	for (unsigned i = 0; i < 40; i++) {
		look_ticks(l, 2, 250);
		look_fill(l, lens, pid, 1000000000, NULL);
		if (look_total(l, function) > 0)
			return true;
	}
	return false;
}

/* --- disks --------------------------------------------------------------------------------------------------------- */

enum { BLOCK = 65536 };
static int file = -1;
static char *block;

#define ASK(name, n, times, call)                                                                                      \
	__attribute__((noinline)) void name(void);                                                                     \
	__attribute__((noinline)) void name(void)                                                                      \
	{                                                                                                              \
		for (int i = 0; i < (times); i++)                                                                      \
			if (call(file, block, BLOCK, (off_t)i * BLOCK) != BLOCK)                                       \
				_exit(1);                                                                              \
		add(n, (uint64_t)(times)*BLOCK);                                                                       \
	}
ASK(write_three, 0, 3, pwrite)
ASK(write_one, 1, 1, pwrite)
ASK(read_two, 2, 2, pread)

static void ask_disk(void)
{
	write_three();
	write_one();
	read_two();
	nap_us(2000);
}

static void test_blockio(void **state)
{
	static const struct {
		const char *function, *reason;
	} asked[] = {{"write_three", "write"}, {"write_one", "write"}, {"read_two", "read"}};
	double found[3][2], wrong;
	uint64_t is[2][3];
	struct looker l;
	struct stat st;
	char path[64];
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "/var/tmp/culprit-blockio-%d", getpid());
	file = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
	if (file < 0 || fstat(file, &st) || !major(st.st_dev)) {
		unlink(path);
		bpf_run_skip("/var/tmp is on no block device, or cannot be written directly");
	}
	unlink(path);
	share_counters();
	block = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	look(&l, &stacks_collector, HZ);
	pid = begin(ask_disk);
	if (!until_named(&l, "blockio", pid, "read_two")) {
		print_message("%s\n", look_why(&l, "blockio"));
		assert_string_not_equal(look_why(&l, "blockio"), "");
	} else {
		for (unsigned i = 0; i < 2; i++) {
			if (i)
				look_ticks(&l, 8, 500);
			assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
			memcpy(is[i], did, sizeof(is[i]));
			for (unsigned k = 0; k < 3; k++) {
				look_fill(&l, "blockio", pid, 0, asked[k].reason);
				found[k][i] = look_total(&l, asked[k].function);
			}
		}
		for (unsigned k = 0; k < 3; k++) {
			double real = (double)(is[1][k] - is[0][k]), seen = found[k][1] - found[k][0];

			print_message("%-12s %.1f MB, found %.1f MB\n", asked[k].function, real / 1e6, seen / 1e6);
			assert_true(real > 0);
			/* Of many a sample: a hundred a second are kept at least. */
			assert_true(seen > 0.7 * real - 4 * BLOCK && seen < 1.3 * real + 4 * BLOCK);
		}
		look_fill(&l, "blockio", pid, 0, "read");
		wrong = look_total(&l, "write_three") + look_total(&l, "write_one");
		assert_true(wrong <= 0);
	}
	end(pid);
	look_away(&l);
	close(file);
}

/* --- locks of the kernel ---------------------------------------------------------------------------------------------- */

enum { WRITERS = 3, PIECE = 4 << 20 };
static char *piece;

/* Time in which the calling thread was not on a CPU, and that of it in which it only wanted one. */
static void off_cpu(uint64_t *ret_off, uint64_t *ret_queue)
{
	unsigned long long ran = 0, queued = 0;
	char text[96];
	int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%llu %llu", &ran, &queued) != 2)
		_exit(1);
	*ret_off = now_ns() - ran;
	*ret_queue = queued;
}

/* A file's writers come one after the other; the others sleep, for nothing but that. Who is woken may wait for a CPU, too, which
 * belongs to waiting for the lock, or waits for one when it has the lock. */
__attribute__((noinline)) void write_in_turn(void);
__attribute__((noinline)) void write_in_turn(void)
{
	uint64_t off[2], queue[2];

	off_cpu(&off[0], &queue[0]);
	if (pwrite(file, piece, PIECE, 0) != PIECE)
		_exit(1);
	off_cpu(&off[1], &queue[1]);
	if (off[1] - off[0] > queue[1] - queue[0])
		add(0, off[1] - off[0] - (queue[1] - queue[0]));
	add(1, off[1] - off[0]);
}

static void *writer(void *arg)
{
	for (;;)
		write_in_turn();
	return arg;
}

static void write_together(void)
{
	pthread_t thread;
	cpu_set_t one;

	/* On one CPU: where who has it runs elsewhere, who wants it spins for it first, and of that the kernel tells nothing. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (unsigned i = 0; i < WRITERS - 1; i++)
		if (pthread_create(&thread, NULL, writer, NULL))
			_exit(1);
	writer(NULL);
}

static void test_kernel_lock(void **state)
{
	double found[2], least, most;
	uint64_t was[2][2];
	struct looker l;
	pid_t pid;

	(void)state;
	share_counters();
	file = memfd_create("culprit-lock", MFD_CLOEXEC);
	assert_true(file >= 0 && !ftruncate(file, PIECE));
	piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	look(&l, &stacks_collector, HZ);
	pid = begin(write_together);
	if (!until_named(&l, "kernel_lock", pid, "write_in_turn")) {
		print_message("%s\n", look_why(&l, "kernel_lock"));
		assert_string_not_equal(look_why(&l, "kernel_lock"), "");
	} else {
		for (unsigned i = 0; i < 2; i++) {
			if (i)
				look_ticks(&l, 8, 500);
			assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
			memcpy(was[i], did, sizeof(was[i]));
			look_fill(&l, "kernel_lock", pid, 0, "rwsem write");
			found[i] = look_total(&l, "write_in_turn");
		}
		least = (double)(was[1][0] - was[0][0]);
		most = (double)(was[1][1] - was[0][1]);
		print_message("slept %.2f s, off the CPU %.2f s, found %.2f s\n", least / 1e9, most / 1e9, (found[1] - found[0]) / 1e9);
		assert_true(least > 5e7);
		/* Some of what it slept is not the lock's: found are 0.75 to 0.85 of it. */
		assert_true(found[1] - found[0] > 0.6 * least - 5e7 && found[1] - found[0] < 1.1 * most + 2e8);
	}
	end(pid);
	look_away(&l);
	close(file);
}

/* --- switches ----------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((noinline)) void want_lock(void);
__attribute__((noinline)) void want_lock(void)
{
	struct rusage used[2];

	getrusage(RUSAGE_THREAD, &used[0]);
	pthread_mutex_lock(&lock);
	getrusage(RUSAGE_THREAD, &used[1]);
	add(0, (uint64_t)(used[1].ru_nvcsw - used[0].ru_nvcsw));
}

static void *hold_lock(void *arg)
{
	for (;;) {
		want_lock();
		nap_us(500);
		pthread_mutex_unlock(&lock);
		nap_us(100);
	}
	return arg;
}

static void play(void)
{
	pthread_t thread;

	for (unsigned i = 0; i < 2; i++)
		if (pthread_create(&thread, NULL, hold_lock, NULL))
			_exit(1);
	hold_lock(NULL);
}

static void test_switches(void **state)
{
	double found[2], real;
	uint64_t was[2];
	struct looker l;
	pid_t pid;

	(void)state;
	share_counters();
	look(&l, &stacks_collector, HZ);
	pid = begin(play);
	if (!until_named(&l, "switches", pid, "want_lock")) {
		print_message("%s\n", look_why(&l, "offcpu"));
		assert_string_not_equal(look_why(&l, "offcpu"), "");
	} else {
		for (unsigned i = 0; i < 2; i++) {
			if (i)
				look_ticks(&l, 12, 500);
			assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
			was[i] = did[0];
			look_fill(&l, "switches", pid, 0, "lock");
			found[i] = look_total(&l, "want_lock");
		}
		real = (double)(was[1] - was[0]);
		print_message("left a CPU %.0f times, found %.0f\n", real, found[1] - found[0]);
		/* Short waits are a sample, each with a weight of many. */
		assert_true(real > 500);
		assert_true(found[1] - found[0] > 0.7 * real && found[1] - found[0] < 1.3 * real);
	}
	end(pid);
	look_away(&l);
}

/* --- allocations --------------------------------------------------------------------------------------------------------- */

enum { PIECE_BYTES = 100000 };

#define KEEP(name, n, times)                                                                                           \
	__attribute__((noinline)) void name(void);                                                                     \
	__attribute__((noinline)) void name(void)                                                                      \
	{                                                                                                              \
		for (int i = 0; i < (times); i++) {                                                                    \
			volatile char *p = malloc(PIECE_BYTES);                                                        \
                                                                                                                       \
			if (!p)                                                                                        \
				_exit(1);                                                                              \
			p[0] = 1;                                                                                      \
		}                                                                                                      \
		add(n, (uint64_t)(times)*PIECE_BYTES);                                                                 \
	}
KEEP(keep_three, 0, 3)
KEEP(keep_one, 1, 1)

__attribute__((noinline)) void give_back(void);
__attribute__((noinline)) void give_back(void)
{
	volatile char *p = malloc(2 * PIECE_BYTES), *q;

	if (!p)
		_exit(1);
	p[0] = 1;
	q = realloc((void *)(uintptr_t)p, 5 * PIECE_BYTES);
	if (!q)
		_exit(1);
	q[1] = 1;
	free((void *)(uintptr_t)q);
	add(2, 5 * PIECE_BYTES);
}

static void allocate(void)
{
	keep_three();
	keep_one();
	give_back();
	give_back();
	nap_us(20000);
}

static void ask_for(struct looker *l, pid_t pid)
{
	struct culprit_interest one = {.size = sizeof(one), .table = "heap", .what = "rows", .key = {(uint64_t)pid}, .nkey = 1};

	sampler_set_interests(l->sampler, &one, pid ? 1 : 0);
}

/* In a mount namespace of its own, where its libraries are at no path any more. */
static void hide_libraries(void)
{
	if (!unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		(void)!mount("none", "/usr/lib", "tmpfs", 0, NULL);
}

static void allocate_hidden(void)
{
	static bool hidden;

	if (!hidden)
		hide_libraries();
	hidden = true;
	allocate();
}

static void test_heap(void **state)
{
	static const char *const names[] = {"keep_three", "keep_one", "give_back"};
	double found[3][2];
	bool stopped = false;
	uint64_t is[2][3];
	struct looker l;
	pid_t pid;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	print_message("skipped: the sanitizer's allocator is in the place of libc's\n");
	skip();
#endif
	share_counters();
	look(&l, &stacks_collector, HZ);
	pid = begin(allocate_hidden);
	ask_for(&l, pid);
	if (!until_named(&l, "heap", pid, "keep_one")) {
		print_message("%s\n", look_why(&l, "heap"));
		assert_string_not_equal(look_why(&l, "heap"), "");
	} else {
		for (unsigned i = 0; i < 2; i++) {
			if (i)
				look_ticks(&l, 10, 500);
			assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
			memcpy(is[i], did, sizeof(is[i]));
			look_fill(&l, "heap", pid, 300000000, NULL);
			for (unsigned k = 0; k < 3; k++)
				found[k][i] = look_total(&l, names[k]);
		}
		stopped = look_has_text(&l, "heap_probe", "note");
		for (unsigned k = 0; k < 3 && !stopped; k++) {
			double real = (double)(is[1][k] - is[0][k]), seen = found[k][1] - found[k][0];

			print_message("%-10s %s %.1f MB, found %.1f MB more\n", names[k], k == 2 ? "took and gave back" : "kept", real / 1e6,
				      seen / 1e6);
			/* Some hundred of them are looked at. */
			if (k < 2)
				assert_true(real > 0 && seen > 0.6 * real - 2e6 && seen < 1.4 * real + 2e6);
			else
				assert_true(seen < 0.1 * real + 2e6 && seen > -0.1 * real - 2e6);
		}
		/* Nobody asks any more: nothing is attached. */
		ask_for(&l, 0);
		look_ticks(&l, 2, 300);
		look_fill(&l, "heap", pid, 100000000, NULL);
		assert_true(look_total(&l, "keep_one") <= 0);
	}
	end(pid);
	look_away(&l);
	if (stopped)
		bpf_run_skip("so slow a machine that it was stopped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blockio),
		cmocka_unit_test(test_kernel_lock),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_heap),
	};

	return cmocka_run_group_tests_name("stacks_lenses", tests, NULL, NULL);
}
