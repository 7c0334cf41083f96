/* Stacks that run and that wait, against programs of which it is known what they do: shares of functions, whole stacks without
 * frame pointers and without symbols, time off the CPU by function and by why, and a rate that stays what it is said to be. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf.h"
#include "query.h"
#include "sampler_internal.h"
#include "symbols_internal.h"
#include "support/bpf_run.h"
#include "support/stack_look.h"

extern const struct culprit_collector stacks_collector;

enum { HZ = 997 };

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void nap_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* --- what burns ---------------------------------------------------------------------------------------------------- */

enum { FUNCTIONS = 4 };
static const char *const names[FUNCTIONS] = {"burn_fifty", "burn_thirty", "burn_fifteen", "burn_five"};
static char filling[1 << 16];
static volatile uint64_t sink;
static uint64_t *burnt; /* shared: CPU time of each function, as the process has measured it */

/* Each for so many ms of its CPU's time; not one body, so that no linker folds them. */
#define BURN(name, n)                                                                                                  \
	__attribute__((noinline)) void name(unsigned ms);                                                              \
	__attribute__((noinline)) void name(unsigned ms)                                                               \
	{                                                                                                              \
		uint64_t begin = now_ns(CLOCK_PROCESS_CPUTIME_ID), took;                                               \
                                                                                                                       \
		do {                                                                                                   \
			for (int i = 0; i < 20000; i++)                                                                \
				sink += sink * (n) + (uint64_t)i;                                                      \
			took = now_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;                                               \
		} while (took < ms * UINT64_C(1000000));                                                               \
		__atomic_fetch_add(&burnt[n], took, __ATOMIC_RELAXED);                                                 \
	}
BURN(burn_fifty, 0)
BURN(burn_thirty, 1)
BURN(burn_fifteen, 2)
BURN(burn_five, 3)

static pid_t burn(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent) {
		burn_fifty(10);
		burn_thirty(6);
		burn_fifteen(3);
		burn_five(1);
	}
	_exit(0);
}

/* Built here, without frame pointers and symbols; false: there is no compiler. */
static bool build_stripped(char *path, size_t cap)
{
	static const char text[] = "volatile unsigned long x;\n"
				   "#define N __attribute__((noinline))\n"
				   "N void leaf(int n) { for (int i = 0; i < n; i++) x += x * i; }\n"
				   "N int deep(int d) { volatile char room[64]; room[d] = 1;\n"
				   "  if (d) { int r = deep(d - 1); x++; return r + room[d]; } leaf(100000); return (int)x; }\n"
				   "int main(void) { for (;;) x += deep(12); }\n";
	char folder[160], file[200], out[256];
	int fd;

	fixture_temp(folder, sizeof(folder));
	snprintf(file, sizeof(file), "%s/burn.c", folder);
	snprintf(path, cap, "%s/burn", folder);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
		return false;
	close(fd);
	return bpf_run_command(out, sizeof(out), "cc -O2 -fomit-frame-pointer -fno-optimize-sibling-calls -s -o %s %s 2>&1", path,
			       file) == 0;
}

static pid_t run(const char *path, char *const argv[])
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(path, argv);
	_exit(127);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- what waits ---------------------------------------------------------------------------------------------------- */

enum { WAITS = 5 };
static const struct {
	const char *name, *reason;
} waits[WAITS] = {{"wait_lock_long", "lock"}, {"wait_lock_short", "lock"}, {"wait_pipe", "pipe"}, {"wait_disk", "disk"}, {"wait_sleep", "idle"}};
/* Shared: time of each off its CPU, as its thread has measured it. Wakeups that come late are part of it. Behind these, since when
 * one goes on; 0: none does. Threads are called like what they wait in. */
static uint64_t *waited;
static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static int ends[2], disk_fd = -1;

#define WAIT(function, n, what)                                                                                        \
	__attribute__((noinline)) void function(void);                                                                 \
	__attribute__((noinline)) void function(void)                                                                  \
	{                                                                                                              \
		uint64_t wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);                        \
                                                                                                                       \
		__atomic_store_n(&waited[WAITS + (n)], wall, __ATOMIC_RELAXED);                                        \
		what;                                                                                                  \
		cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;                                                           \
		wall = now_ns(CLOCK_MONOTONIC) - wall;                                                                 \
		__atomic_store_n(&waited[WAITS + (n)], 0, __ATOMIC_RELAXED);                                           \
		__atomic_fetch_add(&waited[n], wall > cpu ? wall - cpu : 0, __ATOMIC_RELAXED);                         \
	}
WAIT(wait_lock_long, 0, pthread_mutex_lock(&locks[0]))
WAIT(wait_lock_short, 1, pthread_mutex_lock(&locks[1]))
WAIT(wait_pipe, 2, if (write(ends[1], filling, sizeof(filling)) < 0) _exit(1))
WAIT(wait_disk, 3, if (pwrite(disk_fd, filling, 4096, 0) != 4096 || fdatasync(disk_fd)) _exit(1))
/* Longer than what is kept for sure of those that have nothing to do. */
enum { SLEEPS = 4 };
WAIT(wait_sleep, SLEEPS, nap_ms(1200))

/* A sleep is booked at its end, other waits also while they go on. */
static uint64_t waited_by_now(unsigned i)
{
	uint64_t since = i == SLEEPS ? 0 : __atomic_load_n(&waited[WAITS + i], __ATOMIC_RELAXED), now = now_ns(CLOCK_MONOTONIC);

	return __atomic_load_n(&waited[i], __ATOMIC_RELAXED) + (since && now > since ? now - since : 0);
}

static void *hold(void *arg)
{
	size_t i = (size_t)arg;
	struct timespec held = {0, i ? 250000 : 3000000}, gap = {0, 100000};

	for (;;) {
		pthread_mutex_lock(&locks[i]);
		nanosleep(&held, NULL);
		pthread_mutex_unlock(&locks[i]);
		nanosleep(&gap, NULL);
	}
	return NULL;
}

static void *want(void *arg)
{
	size_t i = (size_t)arg;
	struct timespec gap = {0, 150000};

	prctl(PR_SET_NAME, waits[i].name);
	for (;;) {
		if (i)
			wait_lock_short();
		else
			wait_lock_long();
		pthread_mutex_unlock(&locks[i]);
		nanosleep(&gap, NULL);
	}
	return NULL;
}

static void *drain(void *arg)
{
	static char into[1 << 16];
	struct timespec gap = {0, 2000000};

	for (;;) {
		nanosleep(&gap, NULL);
		if (read(ends[0], into, sizeof(into)) <= 0)
			_exit(1);
	}
	return arg;
}

static void *fill_pipe(void *arg)
{
	prctl(PR_SET_NAME, waits[2].name);
	for (;;)
		wait_pipe();
	return arg;
}

static void *write_disk(void *arg)
{
	struct timespec gap = {0, 500000};

	prctl(PR_SET_NAME, waits[3].name);
	for (;;) {
		wait_disk();
		nanosleep(&gap, NULL);
	}
	return arg;
}

static void *sleep_long(void *arg)
{
	for (;;)
		wait_sleep();
	return arg;
}

static pid_t wait_about(void)
{
	void *(*const threads[])(void *) = {hold, want, hold, want, drain, fill_pipe, sleep_long, write_disk};
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe(ends))
		_exit(1);
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]) - (disk_fd < 0); i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, threads[i], (void *)(size_t)(i == 2 || i == 3)))
			_exit(1);
	}
	for (;;)
		pause();
}

/* --- what touches memory --------------------------------------------------------------------------------------------- */

static uint64_t *touched; /* shared: pages of touch_three, of touch_one */

#define TOUCH(name, n, pages)                                                                                          \
	__attribute__((noinline)) void name(void);                                                                     \
	__attribute__((noinline)) void name(void)                                                                      \
	{                                                                                                              \
		size_t size = (size_t)(pages) * 4096;                                                                  \
		volatile char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);      \
                                                                                                                       \
		if (at == MAP_FAILED || madvise((void *)(uintptr_t)at, size, MADV_NOHUGEPAGE))                         \
			_exit(1);                                                                                      \
		for (size_t i = 0; i < size; i += 4096)                                                                \
			at[i] = 1;                                                                                     \
		munmap((void *)(uintptr_t)at, size);                                                                   \
		__atomic_fetch_add(&touched[n], pages, __ATOMIC_RELAXED);                                              \
	}
TOUCH(touch_three, 0, 3 * 512)
TOUCH(touch_one, 1, 512)

static pid_t touch(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		touch_three();
		touch_one();
		nap_ms(2);
	}
}

/* --- who looks ----------------------------------------------------------------------------------------------------- */

static struct flame_summary fill(struct looker *l, pid_t pid, uint64_t ns)
{
	assert_int_equal(sampler_tick(l->sampler, &l->error), 0);
	return look_fill(l, "oncpu", pid, ns, NULL);
}

/* --- tests --------------------------------------------------------------------------------------------------------- */

/* What each function burns is what is found in it, within what chance does with so many samples. */
static void test_shares(void **state)
{
	uint64_t all = 0;
	struct flame_summary s = {0};
	struct looker l;
	double found = 0;
	pid_t pid;

	(void)state;
	burnt = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(burnt, MAP_FAILED);
	look(&l, &stacks_collector, HZ);
	pid = burn();
	/* Its rows are read, and its names. */
	look_ticks(&l, 3, 400);
	for (unsigned i = 0; i < 40; i++) {
		look_ticks(&l, 1, 500);
		s = fill(&l, pid, 0);
		if (s.samples >= 6000)
			break;
	}
	end(pid);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		all += burnt[i];
	for (unsigned i = 0; i < FUNCTIONS; i++)
		found += look_total(&l, names[i]);
	print_message("%.0f samples, %.2f%% cut\n", s.samples, 100 * s.truncated / s.samples);
	assert_true(s.samples >= 1000);
	assert_true(found >= 0.97 * s.total);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		double is = 100.0 * (double)burnt[i] / (double)all, seen = 100 * look_total(&l, names[i]) / found;
		double chance = 200 / sqrt(s.samples); /* four deviations: 2 points of 10,000 samples */

		print_message("%-12s burnt %.2f%%, found %.2f%%\n", names[i], is, seen);
		assert_true(seen - is < chance && is - seen < chance);
	}
	look_away(&l);
}

/* Whole stacks of this program, once its rows are there; no more than this share of them cut, and so many frames somewhere. */
static void finds_whole_stacks(char *const argv[], double cut, unsigned depth)
{
	struct flame_summary s = {0};
	struct looker l;
	pid_t pid;

	look(&l, &stacks_collector, HZ);
	pid = run(argv[0], argv);
	look_ticks(&l, 3, 500);
	/* It begins, perhaps by way of other programs, and its rows are read: that takes as long as it takes here. */
	for (unsigned i = 0; i < 20; i++) {
		look_ticks(&l, 2, 500);
		s = fill(&l, pid, 1500000000u);
		if (s.samples >= 200 && s.truncated <= 0.01 * s.samples)
			break;
	}
	end(pid);
	print_message("%.0f samples, %.2f%% cut, depth %u\n", s.samples, 100 * s.truncated / s.samples, (unsigned)s.depth);
	assert_true(s.samples >= 100);
	assert_true(s.truncated <= cut * s.samples);
	assert_true(s.depth >= depth);
	look_away(&l);
}

/* Without frame pointers, symbols and debug information. */
static void test_stripped(void **state)
{
	char path[200];

	(void)state;
	if (!build_stripped(path, sizeof(path)))
		bpf_run_skip("no C compiler here");
	finds_whole_stacks((char *const[]){path, NULL}, 0.02, 15);
	*strrchr(path, '/') = '\0';
	fixture_remove(path);
}

/* An interpreter: hand-written loops, PLT entries, vdso. */
static void test_python(void **state)
{
	static char *const argv[] = {"python3", "-c", "import json\nwhile True: json.loads(json.dumps({'a': [1, 2, 3] * 50}))", NULL};
	char out[64];

	(void)state;
	if (bpf_run_command(out, sizeof(out), "python3 -c 'import json' 2>&1"))
		bpf_run_skip("no python3 here");
	finds_whole_stacks(argv, 0.03, 8);
}

/* Python's perf map, made while it is looked at: functions have names from then on, and stacks through its code are whole. */
static void test_perf_map(void **state)
{
	static const char script[] = "import os, sys\n"
				     "def spin_leaf(n):\n\tt = 0\n\tfor i in range(n): t += i * i\n\treturn t\n"
				     "def spin_middle(n): return spin_leaf(n) + 1\n"
				     "on = False\n"
				     "while True:\n"
				     "\tspin_middle(20000)\n"
				     "\tif not on and os.path.exists(sys.argv[1]):\n"
				     "\t\ton = True\n\t\tsys.activate_stack_trampoline('perf')\n";
	char folder[160], file[200], flag[200], python[256], name[256], map[64];
	struct flame_summary s;
	double before, named = 0;
	struct looker l;
	pid_t pid;

	(void)state;
	if (bpf_run_command(python, sizeof(python), "for p in python3 python3.14 python3.13 python3.12 ~/.pyenv/versions/3.1[2-9]*/bin/python3; do "
			    "$p -c 'import sys; sys.activate_stack_trampoline, 1 / (sys.platform == \"linux\")' 2>/dev/null && "
			    "command -v $p && exit 0; done; exit 1"))
		bpf_run_skip("no Python 3.12 or later here");
	python[strcspn(python, "\n")] = '\0';
	fixture_temp(folder, sizeof(folder));
	fixture_write_string(folder, "spin.py", script);
	snprintf(file, sizeof(file), "%s/spin.py", folder);
	snprintf(flag, sizeof(flag), "%s/flag", folder);
	snprintf(name, sizeof(name), "py::spin_leaf:%s", file);
	look(&l, &stacks_collector, HZ);
	pid = run(python, (char *const[]){python, file, flag, NULL});
	look_ticks(&l, 6, 500);
	look_fill(&l, "oncpu", pid, 0, NULL);
	before = look_total(&l, name);
	fixture_write_string(folder, "flag", "");
	for (unsigned i = 0; i < 20 && named <= 0; i++) {
		look_ticks(&l, 2, 500);
		s = look_fill(&l, "oncpu", pid, 1000000000, NULL);
		named = look_total(&l, name);
	}
	look_ticks(&l, 4, 500);
	s = look_fill(&l, "oncpu", pid, 1500000000, NULL);
	print_message("%s: %.0f samples, %.1f%% cut, %.1f%% in %s\n", python, s.samples, 100 * s.truncated / s.samples,
		      100 * look_total(&l, name) / s.total, name);
	end(pid);
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", pid);
	/* One that cannot make them has none. */
	if (named <= 0 && access(map, F_OK)) {
		look_away(&l);
		fixture_remove(folder);
		bpf_run_skip("%s makes no perf map", python);
	}
	unlink(map);
	assert_true(before <= 0 && named > 0);
	assert_true(look_total(&l, name) > 0.5 * s.total);
#if defined(__x86_64__)
	assert_true(s.truncated < 0.1 * s.samples);
#endif
	look_away(&l);
	fixture_remove(folder);
}

static double waited_for(struct looker *l, pid_t pid, const char *function, const char *reason)
{
	look_fill(l, "offcpu", pid, 0, reason);
	return look_total(l, function);
}

/* The sum of a function's time off the CPU up to now, with that of waits whose user part was not taken, and what it really is. */
static void waits_now(struct looker *l, pid_t pid, double *found, double *real)
{
	/* It looks somewhere in the middle. */
	for (unsigned i = 0; i < WAITS; i++)
		real[i] = (double)waited_by_now(i) / 2;
	assert_int_equal(sampler_tick(l->sampler, &l->error), 0);
	for (unsigned i = 0; i < WAITS; i++)
		real[i] += (double)waited_by_now(i) / 2;
	look_fill(l, "offcpu", pid, 0, NULL);
	for (unsigned i = 0; i < WAITS; i++)
		found[i] = look_total(l, waits[i].name);
	for (unsigned i = 0; i < SLEEPS; i++) {
		char filter[96];

		snprintf(filter, sizeof(filter), "comm=\"%s\" and reason=\"%s\" and end=\"not taken\"", waits[i].name, waits[i].reason);
		found[i] += look_fill_rows(l, "offcpu", pid, 0, filter).total;
	}
}

/* Time off the CPU is that which the threads have measured themselves, by function, within 5 %; and it is called what it was. */
static void test_waits(void **state)
{
	double before[WAITS], after[WAITS], was[WAITS], is[WAITS], called, late;
	bool right[WAITS] = {false}, all = false;
	struct looker l;
	char file[64];
	pid_t pid;

	(void)state;
	/* Not in memory. */
	snprintf(file, sizeof(file), "/var/tmp/culprit-waits-%d", getpid());
	disk_fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	waited = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(waited, MAP_FAILED);
	look(&l, &stacks_collector, HZ);
	pid = wait_about();
	/* Until its rows and names are there. */
	for (unsigned i = 0; i < 20; i++) {
		look_ticks(&l, 3, 500);
		look_fill(&l, "offcpu", pid, 1000000000, NULL);
		if (look_total(&l, waits[0].name) > 0 && look_total(&l, waits[1].name) > 0 && look_total(&l, waits[2].name) > 0 &&
		    look_total(&l, waits[SLEEPS].name) > 0)
			break;
	}
	/* Each once in a window of 6 s: a box that stands still for a moment moves the ends of one, a wrong measure all. */
	for (unsigned window = 0; window < 4 && !all; window++) {
		waits_now(&l, pid, before, was);
		look_ticks(&l, 12, 500);
		waits_now(&l, pid, after, is);
		all = true;
		for (unsigned i = 0; i < WAITS; i++) {
			double real = is[i] - was[i], found = after[i] - before[i];

			/* Too short to say anything: no disk, or one that is memory. */
			right[i] = right[i] || real < 5e8 || fabs(found - real) < 0.05 * real + 3e7;
			all = all && right[i];
			print_message("%-16s waited %.3f s, found %.3f s: %+.1f%%\n", waits[i].name, real / 1e9, found / 1e9,
				      real > 0 ? 100 * (found - real) / real : 0.0);
		}
	}
	end(pid);
	for (unsigned i = 0; i < WAITS; i++) {
		look_fill(&l, "offcpu", pid, 0, NULL);
		after[i] = look_total(&l, waits[i].name);
		called = waited_for(&l, pid, waits[i].name, waits[i].reason);
		/* The rest is being woken late. */
		late = waited_for(&l, pid, waits[i].name, "run queue");
		print_message("%-16s %.0f%% of it by name %s, %.0f%% late\n", waits[i].name, 100 * called / after[i], waits[i].reason,
			      100 * late / after[i]);
		if (is[i] < 5e8)
			continue;
		assert_true(called > 0);
		assert_true(called + late > 0.95 * after[i]);
	}
	assert_true(all);
	if (disk_fd >= 0)
		close(disk_fd);
	unlink(file);
	look_away(&l);
}

/* Page faults by who touches memory, and how many. */
static void test_faults(void **state)
{
	double three[2], one[2], real_three, real_one;
	uint64_t was[2], is[2];
	struct looker l;
	pid_t pid;

	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096)
		bpf_run_skip("pages of another size");
	touched = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(touched, MAP_FAILED);
	look(&l, &stacks_collector, HZ);
	pid = touch();
	for (unsigned i = 0; i < 20; i++) {
		look_ticks(&l, 3, 500);
		look_fill(&l, "faults", pid, 1000000000, "minor");
		if (look_total(&l, "touch_one") > 0)
			break;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (i)
			look_ticks(&l, 6, 500);
		assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
		memcpy(i ? is : was, touched, sizeof(was));
		look_fill(&l, "faults", pid, 0, "minor");
		three[i] = look_total(&l, "touch_three") / 4096;
		one[i] = look_total(&l, "touch_one") / 4096;
	}
	end(pid);
	real_three = (double)(is[0] - was[0]);
	real_one = (double)(is[1] - was[1]);
	print_message("three: %.0f pages, found %.0f; one: %.0f, found %.0f\n", real_three, three[1] - three[0], real_one,
		      one[1] - one[0]);
	/* One in 997 is looked at: there must be enough to say something. */
	if (real_one > 100000) {
		assert_true(fabs(three[1] - three[0] - real_three) < 0.15 * real_three);
		assert_true(fabs(one[1] - one[0] - real_one) < 0.3 * real_one);
	}
	look_away(&l);
}

/* Every call of it takes another way down: 65,536 different stacks. */
#define WAYS(name, other)                                                                                              \
	__attribute__((noinline)) int name(unsigned way, unsigned depth)                                               \
	{                                                                                                              \
		int r = 0;                                                                                             \
                                                                                                                       \
		if (depth)                                                                                             \
			r = way & 1 ? name(way >> 1, depth - 1) : other(way >> 1, depth - 1);                          \
		else                                                                                                   \
			for (unsigned i = 0; i < 2000; i++)                                                            \
				sink += sink * way + i;                                                                \
		sink++; /* no tail call */                                                                             \
		return r + 1;                                                                                          \
	}
int way_left(unsigned way, unsigned depth);
int way_right(unsigned way, unsigned depth);
WAYS(way_left, way_right)
WAYS(way_right, way_left)

static pid_t take_all_ways(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned way = 0;; way += 40503)
		sink += (uint64_t)way_left(way & 0xffff, 16);
}

static uint64_t resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(pid_t pid)
{
	clockid_t clock;
	struct timespec ts;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What the programs' maps take, in bytes. */
static uint64_t maps_bytes(struct looker *l)
{
	struct lens lens = lens_window(0, UINT64_MAX);
	struct query *q = query_create(l->view);
	uint64_t sum = 0;
	struct value v;
	int column;

	assert_int_equal(query_run(q, &lens, "bpf", QUERY_RAW, &l->error), 0);
	column = query_column_find(q, "memory");
	assert_true(column >= 0);
	for (size_t i = 0; i < query_nrows(q); i++) {
		query_value(q, i, (size_t)column, &v);
		sum += v.u;
	}
	query_destroy(q);
	return sum;
}

/* Without what the recording takes, which the test keeps whole. */
static uint64_t resident_without(const struct looker *l)
{
	uint64_t sum = resident();
	size_t n;

	for (size_t i = 0; i < memsource_segments(l->mem); i++) {
		memsource_bytes(l->mem, i, &n);
		sum = sum > n ? sum - n : 0;
	}
	return sum;
}

/* Threads of this machine. Each has places of its own in the maps, beyond what is there for the first thousand. */
static uint64_t threads(void)
{
	unsigned long long n = 0;
	FILE *f = fopen("/proc/loadavg", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*f %*f %*f %*u/%llu", &n), 1);
	fclose(f);
	return n;
}

/* More different stacks than there is room for: memory is what it was, and what found no room is counted. */
static void test_many_stacks(void **state)
{
	enum { OFTEN = 4999, ROOM = 64 << 20, A_THREAD = 12 << 10, GROWS = 32 << 20};
	uint64_t room = ROOM + (threads() > 1000 ? threads() * A_THREAD : 0), full, later, lost, maps;
	struct flame_summary s, first;
	double began, used;
	struct looker l;
	pid_t pid;

	(void)state;
	look(&l, &stacks_collector, OFTEN);
	pid = take_all_ways();
	began = cpu_seconds(pid);
	for (unsigned i = 0; i < 60 && (i < 6 || cpu_seconds(pid) - began < 3); i++)
		look_ticks(&l, 1, 500);
	first = fill(&l, pid, 0);
	lost = l.lost;
	began = cpu_seconds(pid);
	full = resident_without(&l);
	for (unsigned i = 0; i < 60 && (i < 6 || cpu_seconds(pid) - began < 4); i++)
		look_ticks(&l, 1, 500);
	later = resident_without(&l);
	s = fill(&l, pid, 0);
	used = cpu_seconds(pid) - began;
	maps = maps_bytes(&l);
	s.samples -= first.samples;
	lost = l.lost - lost;
	print_message("%.1f s burnt, %.0f samples, %llu lost, %zu nodes, maps of %.1f MiB, %+.1f MiB\n", used, s.samples,
		      (unsigned long long)lost, flame_nodes(l.flame), (double)maps / (1 << 20), ((double)later - (double)full) / (1 << 20));
	assert_true(s.samples > 500 && s.samples <= 1.05 * OFTEN * used + 100);
	/* An overloaded box's timers come late: not so many are missed. */
	assert_true(s.samples + (double)lost >= 0.7 * OFTEN * used);
	assert_true(maps > 0 && maps < room);
/* Names of what begins meanwhile may be read, too. */
#ifndef __SANITIZE_ADDRESS__
	assert_true(later < full + GROWS);
#endif
	end(pid);
	look_away(&l);
}

/* --- short lives --------------------------------------------------------------------------------------------------------- */

enum { LIFE_MS = 8, SELDOM = 99, LIVES = 1 << 14 };

static void live_shortly(void)
{
	prctl(PR_SET_NAME, "shortlife");
	burnt = calloc(FUNCTIONS, sizeof(*burnt));
	burn_fifty(LIFE_MS);
}

/* How many of these processes core was asked for. */
static unsigned known(const struct looker *l, const pid_t *pids)
{
	struct symbols *s = l->sampler->symbols;
	unsigned n = 0;

	pthread_mutex_lock(&s->mutex);
	for (unsigned i = 0; i < LIVES && pids[i]; i++)
		n += symbols_process(s, (uint32_t)pids[i], false) != NULL;
	pthread_mutex_unlock(&s->mutex);
	return n;
}

/* One program after the other that lives for less than a sample's distance: each is seen once at most, and there is no time to read what
 * it has mapped; nor is there need for it, once its files are known. */
static void test_short_lives(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	const double cut_most = 1, named_least = 0; /* to learn a file takes so much longer there that the shares say nothing */
#else
	const double cut_most = 0.3, named_least = 0.5;
#endif
	struct flame_summary s;
	struct looker l;
	unsigned asked, n = 0;
	pid_t pid, *pids = mmap(NULL, LIVES * sizeof(*pids), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	look(&l, &stacks_collector, SELDOM);
	pid = fork();
	for (pid_t one; !pid;) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		one = fork();
		if (one > 0 && n < LIVES)
			pids[n++] = one;
		if (!one) {
			execl("/proc/self/exe", "test_stacks", "--live-shortly", NULL);
			_exit(1);
		}
		if (one < 0 || waitpid(one, NULL, 0) < 0)
			_exit(1);
	}
	look_ticks(&l, 8, 500);
	s = look_fill_rows(&l, "oncpu", 0, 3000000000, "comm=shortlife");
	asked = known(&l, pids);
	print_message("%.0f samples, %.0f of them cut, %.0f in its function; %u processes asked for\n", s.samples, s.truncated,
		      s.samples * look_total(&l, "burn_fifty") / (s.total > 0 ? s.total : 1), asked);
	if (s.samples >= 40) {
		assert_true(asked < 0.5 * s.samples);
		assert_true(s.truncated <= cut_most * s.samples);
		assert_true(look_total(&l, "burn_fifty") >= named_least * s.total);
	}
	end(pid);
	look_away(&l);
	munmap(pids, LIVES * sizeof(*pids));
	if (s.samples < 40)
		bpf_run_skip("too busy a machine: %.0f samples", s.samples);
}

static uint64_t events(void *self)
{
	const struct culprit_program *list;

	return stacks_collector.programs(self, &list) ? list[0].events : 0;
}

/* Less often when thinned: a rate given in the wrong unit once made 99 a second 79,000, and the machine stand still. */
static void test_rate(void **state)
{
	struct culprit_error error = {""};
	struct fixture_host host;
	void *self = NULL;
	pid_t pid;

	(void)state;
	fixture_host_init(&host, NULL);
	if (stacks_collector.probe(&host.host, &error))
		bpf_run_skip("%s", error.sentence);
	burnt = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = burn();
	assert_int_equal(stacks_collector.open(&host.host, &self, &error), 0);
	for (unsigned thinning = 1; thinning <= 64; thinning *= 4) {
		uint64_t began = now_ns(CLOCK_MONOTONIC), before = events(self), most, is;

		assert_int_equal(stacks_collector.thin(self, 0, thinning), 0);
		nap_ms(300);
		is = events(self) - before;
		/* On each CPU, and one more. */
		most = bpf_cpus() * (99 / thinning * (now_ns(CLOCK_MONOTONIC) - began) / 1000000000u + 2);
		print_message("one in %u: %llu of at most %llu\n", thinning, (unsigned long long)is, (unsigned long long)most);
		assert_true(is <= most * 2);
	}
	end(pid);
	stacks_collector.close(self);
	fixture_host_finish(&host);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_perf_map),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_many_stacks),
		cmocka_unit_test(test_short_lives),
	};

	if (argc > 1 && !strcmp(argv[1], "--live-shortly")) {
		live_shortly();
		return 0;
	}
	/* As the program has it: memory that was used once goes back. */
	mallopt(M_MMAP_THRESHOLD, 64 << 10);
	mallopt(M_TRIM_THRESHOLD, 64 << 10);
	mallopt(M_ARENA_MAX, 1);
	return cmocka_run_group_tests_name("stacks", tests, NULL, NULL);
}
