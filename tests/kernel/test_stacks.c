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
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf.h"
#include "flame.h"
#include "memsource.h"
#include "query.h"
#include "sampler.h"
#include "support/bpf_run.h"
#include "view.h"

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

enum { WAITS = 4 };
static const struct {
	const char *name, *reason;
} waits[WAITS] = {{"wait_lock_long", "lock"}, {"wait_lock_short", "lock"}, {"wait_pipe", "pipe"}, {"wait_disk", "disk"}};
/* Shared: time of each off its CPU, as its thread has measured it. Wakeups that come late are part of it. */
static uint64_t *waited;
static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static int ends[2], disk_fd = -1;

#define WAIT(function, n, what)                                                                                        \
	__attribute__((noinline)) void function(void);                                                                 \
	__attribute__((noinline)) void function(void)                                                                  \
	{                                                                                                              \
		uint64_t wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);                        \
                                                                                                                       \
		what;                                                                                                  \
		cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;                                                           \
		wall = now_ns(CLOCK_MONOTONIC) - wall;                                                                 \
		__atomic_fetch_add(&waited[n], wall > cpu ? wall - cpu : 0, __ATOMIC_RELAXED);                         \
	}
WAIT(wait_lock_long, 0, pthread_mutex_lock(&locks[0]))
WAIT(wait_lock_short, 1, pthread_mutex_lock(&locks[1]))
WAIT(wait_pipe, 2, if (write(ends[1], filling, sizeof(filling)) < 0) _exit(1))
WAIT(wait_disk, 3, if (pwrite(disk_fd, filling, 4096, 0) != 4096 || fdatasync(disk_fd)) _exit(1))

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
	for (;;)
		wait_pipe();
	return arg;
}

static void *write_disk(void *arg)
{
	struct timespec gap = {0, 500000};

	for (;;) {
		wait_disk();
		nanosleep(&gap, NULL);
	}
	return arg;
}

static pid_t wait_about(void)
{
	void *(*const threads[])(void *) = {hold, want, hold, want, drain, fill_pipe, write_disk};
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

struct looker {
	struct sampler *sampler;
	struct memsource *mem;
	struct view *view;
	struct flame *flame;
	struct culprit_error error;
	int proc_fd, sys_fd;
};

static void look(struct looker *l)
{
	static const struct culprit_collector *const only[] = {&stacks_collector, NULL};
	struct sampler_options options = {.builtins = only, .interval_ns = 1000000000, .stack_hz = HZ};
	struct fixture_host host;
	int err;

	memset(l, 0, sizeof(*l));
	fixture_host_init(&host, NULL);
	err = stacks_collector.probe(&host.host, &l->error);
	fixture_host_finish(&host);
	if (err)
		bpf_run_skip("%s", l->error.sentence);
	options.proc_fd = l->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	options.sys_fd = l->sys_fd = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->sampler = sampler_create(&options, &l->error);
	assert_non_null(l->sampler);
	l->mem = memsource_create();
	assert_int_equal(writer_add_sink(sampler_writer(l->sampler), memsource_sink(l->mem)), 0);
	l->view = view_create();
	assert_int_equal(view_add_source(l->view, memsource_source(l->mem)), 0);
	l->flame = flame_create();
	sampler_settle(l->sampler, 10000000000);
}

static void look_away(struct looker *l)
{
	flame_destroy(l->flame);
	view_destroy(l->view);
	sampler_destroy(l->sampler);
	memsource_unlock(l->mem);
	close(l->proc_fd);
	close(l->sys_fd);
}

static void ticks(struct looker *l, unsigned n, long ms)
{
	while (n--) {
		assert_int_equal(sampler_tick(l->sampler, &l->error), 0);
		sampler_rest(l->sampler, (uint64_t)ms * 1000000u, -1);
	}
}

/* The flame of one process, of the last `ns` (0: of all that is there); `reason` NULL: for any. */
static struct flame_summary fill_of(struct looker *l, const char *table, pid_t pid, uint64_t ns, const char *reason)
{
	struct flame_options options = {.table = table, .idle = true};
	struct flame_source source;
	struct flame_summary summary;
	struct query *q = query_create(l->view);
	struct lens lens;
	uint64_t from, to;

	assert_true(view_refresh(l->view, &l->error) >= 0);
	assert_int_equal(flame_source_find(l->view, &options, &source, &l->error), 0);
	assert_true(view_extent(l->view, &from, &to));
	lens = lens_window(ns && to - from > ns ? to - ns : from, to);
	snprintf(lens.filter, sizeof(lens.filter), "pid=%d%s%s%s", (int)pid, reason ? " and reason=\"" : "", reason ? reason : "",
		 reason ? "\"" : "");
	snprintf(lens.filter_table, sizeof(lens.filter_table), "%s", source.table);
	flame_clear(l->flame);
	assert_int_equal(flame_fill(l->flame, q, &lens, &source, &options, false, &l->error), 0);
	flame_summary(l->flame, &summary);
	query_destroy(q);
	return summary;
}

static struct flame_summary fill(struct looker *l, pid_t pid, uint64_t ns)
{
	assert_int_equal(sampler_tick(l->sampler, &l->error), 0);
	return fill_of(l, "oncpu", pid, ns, NULL);
}

static double total_of(const struct looker *l, const char *name)
{
	size_t n = flame_frames(l->flame);
	struct flame_function *f = calloc(n, sizeof(*f));
	double total = 0;

	assert_non_null(f);
	flame_functions(l->flame, f);
	for (size_t i = 0; i < n; i++) {
		const struct flame_frame *frame = flame_frame(l->flame, f[i].frame);

		if (frame->name_len == strlen(name) && !memcmp(frame->name, name, frame->name_len))
			total += f[i].total;
	}
	free(f);
	return total;
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
	look(&l);
	pid = burn();
	/* Its rows are read, and its names. */
	ticks(&l, 3, 400);
	for (unsigned i = 0; i < 40; i++) {
		ticks(&l, 1, 500);
		s = fill(&l, pid, 0);
		if (s.samples >= 6000)
			break;
	}
	end(pid);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		all += burnt[i];
	for (unsigned i = 0; i < FUNCTIONS; i++)
		found += total_of(&l, names[i]);
	print_message("%.0f samples, %.2f%% cut\n", s.samples, 100 * s.truncated / s.samples);
	assert_true(s.samples >= 1000);
	assert_true(found >= 0.97 * s.total);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		double is = 100.0 * (double)burnt[i] / (double)all, seen = 100 * total_of(&l, names[i]) / found;
		double chance = 200 / sqrt(s.samples); /* four deviations: 2 points of 10,000 samples */

		print_message("%-12s burnt %.2f%%, found %.2f%%\n", names[i], is, seen);
		assert_true(seen - is < chance && is - seen < chance);
	}
	look_away(&l);
}

/* Whole stacks of a program without frame pointers, symbols and debug information, once its rows are there. */
static void test_stripped(void **state)
{
	struct flame_summary s = {0};
	char path[200];
	struct looker l;
	pid_t pid;

	(void)state;
	if (!build_stripped(path, sizeof(path)))
		bpf_run_skip("no C compiler here");
	look(&l);
	pid = run(path, (char *const[]){path, NULL});
	ticks(&l, 3, 500);
	/* It begins, perhaps by way of other programs, and its rows are read: that takes as long as it takes here. */
	for (unsigned i = 0; i < 20; i++) {
		ticks(&l, 2, 500);
		s = fill(&l, pid, 1500000000u);
		if (s.samples >= 200 && s.truncated <= 0.01 * s.samples)
			break;
	}
	end(pid);
	print_message("%.0f samples, %.2f%% cut, depth %u\n", s.samples, 100 * s.truncated / s.samples, (unsigned)s.depth);
	assert_true(s.samples >= 100);
	assert_true(s.truncated <= 0.02 * s.samples);
	assert_true(s.depth >= 15);
	look_away(&l);
	*strrchr(path, '/') = '\0';
	fixture_remove(path);
}

/* The same of an interpreter: hand-written loops, PLT entries, vdso. */
static void test_python(void **state)
{
	static char *const argv[] = {"python3", "-c", "import json\nwhile True: json.loads(json.dumps({'a': [1, 2, 3] * 50}))", NULL};
	struct flame_summary s = {0};
	struct looker l;
	char out[64];
	pid_t pid;

	(void)state;
	if (bpf_run_command(out, sizeof(out), "python3 -c 'import json' 2>&1"))
		bpf_run_skip("no python3 here");
	look(&l);
	pid = run("python3", argv);
	ticks(&l, 3, 500);
	/* It begins, perhaps by way of other programs, and its rows are read: that takes as long as it takes here. */
	for (unsigned i = 0; i < 20; i++) {
		ticks(&l, 2, 500);
		s = fill(&l, pid, 1500000000u);
		if (s.samples >= 200 && s.truncated <= 0.01 * s.samples)
			break;
	}
	end(pid);
	print_message("%.0f samples, %.2f%% cut, depth %u\n", s.samples, 100 * s.truncated / s.samples, (unsigned)s.depth);
	assert_true(s.samples >= 100);
	assert_true(s.truncated <= 0.03 * s.samples);
	assert_true(s.depth >= 8);
	look_away(&l);
}

/* Time off the CPU is that which the threads have measured themselves, by function; and it is called what it was. */
static void test_waits(void **state)
{
	double before[WAITS], after[WAITS], called, late;
	uint64_t was[WAITS], is[WAITS];
	struct looker l;
	char file[64];
	pid_t pid;

	(void)state;
	/* Not in memory. */
	snprintf(file, sizeof(file), "/var/tmp/culprit-waits-%d", getpid());
	disk_fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	waited = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(waited, MAP_FAILED);
	look(&l);
	pid = wait_about();
	/* Until its rows and names are there. */
	for (unsigned i = 0; i < 20; i++) {
		ticks(&l, 3, 500);
		fill_of(&l, "offcpu", pid, 1000000000, NULL);
		if (total_of(&l, waits[0].name) > 0 && total_of(&l, waits[1].name) > 0 && total_of(&l, waits[2].name) > 0)
			break;
	}
	assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
	memcpy(was, waited, sizeof(was));
	fill_of(&l, "offcpu", pid, 0, NULL);
	for (unsigned i = 0; i < WAITS; i++)
		before[i] = total_of(&l, waits[i].name);
	ticks(&l, 12, 500);
	assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
	memcpy(is, waited, sizeof(is));
	fill_of(&l, "offcpu", pid, 0, NULL);
	for (unsigned i = 0; i < WAITS; i++)
		after[i] = total_of(&l, waits[i].name);
	end(pid);
	for (unsigned i = 0; i < WAITS; i++) {
		double real = (double)(is[i] - was[i]), found = after[i] - before[i];

		fill_of(&l, "offcpu", pid, 0, waits[i].reason);
		called = total_of(&l, waits[i].name);
		/* The rest is being woken late. */
		fill_of(&l, "offcpu", pid, 0, "run queue");
		late = total_of(&l, waits[i].name);
		print_message("%-16s waited %.3f s, found %.3f s, %.0f%% of it by name %s, %.0f%% late\n", waits[i].name, real / 1e9, found / 1e9,
			      100 * called / after[i], waits[i].reason, 100 * late / after[i]);
		/* Too short to say anything: no disk, or one that is memory. */
		if (real < 5e8)
			continue;
		/* What has no stack would be found in no function: with the shorter ones that may be some. */
		assert_true(found > 0.8 * real - 3e7 && found < 1.1 * real + 3e7);
		assert_true(called > 0);
		assert_true(called + late > 0.95 * after[i]);
	}
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
	look(&l);
	pid = touch();
	for (unsigned i = 0; i < 20; i++) {
		ticks(&l, 3, 500);
		fill_of(&l, "faults", pid, 1000000000, "minor");
		if (total_of(&l, "touch_one") > 0)
			break;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (i)
			ticks(&l, 6, 500);
		assert_int_equal(sampler_tick(l.sampler, &l.error), 0);
		memcpy(i ? is : was, touched, sizeof(was));
		fill_of(&l, "faults", pid, 0, "minor");
		three[i] = total_of(&l, "touch_three") / 4096;
		one[i] = total_of(&l, "touch_one") / 4096;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests_name("stacks", tests, NULL, NULL);
}
