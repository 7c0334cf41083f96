/* The scheduler's tables against the running kernel: children with known habits, as thread_time sees them; its sums against
 * the wall clock, its CPU time against /proc; who waited for a CPU, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf_shared.h"
#include "sched_switch.h"
#include "support/bpf_run.h"
#include "support/frame_recorder.h"

#ifdef CULPRIT_NO_BPF

static void built_without(void **state)
{
	(void)state;
	print_message("skipped: built with BPF=0\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(built_without)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

extern const struct culprit_collector sched_collector;

enum { CHILDREN_MAX = 16, WINDOW_MS = 3000 };

/* on_cpu: user + kernel. */
static const char *const times[] = {"on_cpu", "runnable", "throttled", "stolen", "disk", "lock", "network", "memory", "pipe", "other",
				    "idle", "idle_maybe"};
enum { TIMES = sizeof(times) / sizeof(times[0]) };

struct world {
	struct fixture_host host;
	struct recorder *recorder;
	void *self;
	pid_t children[CHILDREN_MAX];
	unsigned n;
};

/* What a thread has done by a sample. */
struct account {
	bool there;
	uint64_t at_ns, t[TIMES];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_ms(unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static bool world_open(struct world *w)
{
	struct culprit_error error = {""};

	memset(w, 0, sizeof(*w));
	fixture_host_init(&w->host, NULL);
	/* Every thread's times in every sample. */
	w->host.host.flags |= CULPRIT_HOST_WHOLE;
	if (sched_collector.probe(&w->host.host, &error) || sched_collector.open(&w->host.host, &w->self, &error)) {
		fixture_host_finish(&w->host);
		print_message("skipped: %s\n", error.sentence);
		return false;
	}
	w->recorder = recorder_create(&sched_collector);
	return true;
}

static void world_close(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		kill(w->children[i], SIGKILL);
		waitpid(w->children[i], NULL, 0);
	}
	sched_collector.close(w->self);
	if (recorder_misuse(w->recorder))
		fail_msg("%s", recorder_misuse(w->recorder));
	recorder_destroy(w->recorder);
	fixture_host_finish(&w->host);
}

/* Returns how long it took: on a busy machine it is pushed aside, and threads that it reads later have done more. */
static uint64_t world_sample(struct world *w)
{
	uint64_t begin = now_ns();

	assert_int_equal(recorder_sample(w->recorder, w->self), 0);
	return now_ns() - begin;
}

static pid_t start(struct world *w, void (*run)(void *), void *arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(arg);
		_exit(0);
	}
	w->children[w->n++] = pid;
	return pid;
}

static const struct recorded_row *row_of(struct world *w, pid_t tid)
{
	const struct recorded_table *t = recorder_table(w->recorder, "thread_time");

	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(w->recorder, "thread_time", &t->rows[i], "tid") == (uint64_t)tid)
			return &t->rows[i];
	return NULL;
}

static struct account account_of(struct world *w, pid_t tid)
{
	const struct recorded_row *row = row_of(w, tid);
	struct account a = {.there = row != NULL, .at_ns = now_ns()};

	if (row)
		a.t[0] = recorder_u64(w->recorder, "thread_time", row, "user") + recorder_u64(w->recorder, "thread_time", row, "kernel");
	for (unsigned i = 1; row && i < TIMES; i++)
		a.t[i] = recorder_u64(w->recorder, "thread_time", row, times[i]);
	return a;
}

/* --- habits ------------------------------------------------------------------------------------------------------ */

static void spin(void *arg)
{
	(void)arg;
	for (;;)
		;
}

static void nap(void *arg)
{
	(void)arg;
	for (;;)
		sleep_ms(20);
}

static void polls(void *arg)
{
	(void)arg;
	for (;;)
		poll(NULL, 0, 50);
}

static void reads_pipe(void *arg)
{
	int fds[2];
	char c;

	(void)arg;
	if (!pipe(fds) && read(fds[0], &c, 1) < 0)
		_exit(1);
}

/* A full pipe that nobody empties. */
static void writes_pipe(void *arg)
{
	static char bytes[65536];
	int fds[2];

	(void)arg;
	if (pipe(fds))
		_exit(1);
	for (;;)
		if (write(fds[1], bytes, sizeof(bytes)) < 0)
			_exit(1);
}

static void wants_mutex(void *arg)
{
	uint32_t *word = arg;

	for (;;)
		syscall(SYS_futex, word, FUTEX_WAIT, 2, NULL, NULL, 0);
}

static void on_condition(void *arg)
{
	uint32_t *word = arg;

	for (;;)
		syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 2, NULL, NULL, ~0u);
}

/* A client that waits for an answer: its port is the higher one. */
static void wants_answer(void *arg)
{
	struct sockaddr_in to = *(struct sockaddr_in *)arg;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || read(fd, &c, 1) < 0)
		_exit(1);
}

static void syncs(void *arg)
{
	const char *path = arg;
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	char block[4096] = {1};

	for (;;)
		if (pwrite(fd, block, sizeof(block), 0) < 0 || fdatasync(fd))
			_exit(1);
}

static void spins_stopped_and_sleeps(void *arg)
{
	(void)arg;
	for (unsigned i = 0;; i++) {
		uint64_t until = now_ns() + 3000000;

		while (now_ns() < until)
			;
		sleep_ms(5);
	}
}

/* --- tests ------------------------------------------------------------------------------------------------------- */

static unsigned index_of(const char *name)
{
	for (unsigned i = 0; i < TIMES; i++)
		if (!strcmp(times[i], name))
			return i;
	fail_msg("no time %s", name);
	return 0;
}

/* Each thread's times add up to the wall clock within 1 %, and most of each is where it belongs. "", or what is wrong. */
static void sums_once(char trouble[200])
{
	struct {
		void (*run)(void *);
		void *arg;
		const char *name, *expect, *expect2;
		pid_t pid;
		struct account before, after;
	} kids[] = {
		{spin, NULL, "spinner", "on_cpu", "runnable"},
		{spin, NULL, "spinner 2", "on_cpu", "runnable"},
		{spin, NULL, "spinner 3", "on_cpu", "runnable"},
		{nap, NULL, "sleeper", "idle", "runnable"},
		{polls, NULL, "poller", "idle", "runnable"},
		{reads_pipe, NULL, "reader of a pipe", "idle_maybe", "runnable"},
		{writes_pipe, NULL, "writer of a full pipe", "pipe", "runnable"},
		{wants_mutex, NULL, "waits for a mutex", "lock", "runnable"},
		{on_condition, NULL, "waits on a condition", "idle_maybe", "runnable"},
		{wants_answer, NULL, "waits for an answer", "network", "runnable"},
		{syncs, NULL, "syncs a file", "disk", "runnable"},
		{spins_stopped_and_sleeps, NULL, "works and sleeps", NULL, NULL},
	};
	enum { KIDS = sizeof(kids) / sizeof(kids[0]) };
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char path[] = "/var/tmp/test_sched.XXXXXX";
	int file = mkstemp(path);
	double blur, took = 0;
	struct world w;

	trouble[0] = '\0';
	if (!world_open(&w))
		skip();
	assert_true(file >= 0 && word != MAP_FAILED);
	close(file);
	/* A server's port, lower than what its clients are given. */
	for (unsigned port = 20000; port < 20100; port++) {
		at.sin_port = htons((uint16_t)port);
		if (!bind(listener, (struct sockaddr *)&at, len))
			break;
	}
	assert_int_equal(listen(listener, 4), 0);
	*word = 2;
	kids[7].arg = kids[8].arg = word;
	kids[9].arg = &at;
	kids[10].arg = path;
	for (unsigned i = 0; i < KIDS; i++)
		kids[i].pid = start(&w, kids[i].run, kids[i].arg);
	/* They come to their places; the busiest machine gives each a turn in this time. */
	sleep_ms(500);
	world_sample(&w);
	sleep_ms(200);
	blur = (double)world_sample(&w);
	for (unsigned i = 0; i < KIDS; i++)
		kids[i].before = account_of(&w, kids[i].pid);
	uint64_t begin = recorder_table(w.recorder, "thread_time")->time_ns;

	for (unsigned i = 0; i < 6; i++) {
		sleep_ms(WINDOW_MS / 6);
		took = (double)world_sample(&w);
	}
	blur += took;
	uint64_t end = recorder_table(w.recorder, "thread_time")->time_ns;

	for (unsigned i = 0; i < KIDS; i++)
		kids[i].after = account_of(&w, kids[i].pid);
	unlink(path);
	for (unsigned i = 0; i < KIDS; i++) {
		const struct account *a = &kids[i].before, *b = &kids[i].after;
		double wall = (double)(end - begin), sum = 0, expected = 0;

		if (!a->there || !b->there)
			snprintf(trouble, 200, "%s is not in the table", kids[i].name);
		for (unsigned t = 0; t < TIMES; t++) {
			assert_true(b->t[t] >= a->t[t]);
			sum += (double)(b->t[t] - a->t[t]);
		}
		if (sum < wall * 0.99 - blur || sum > wall * 1.01 + blur) {
			snprintf(trouble, 200, "%s: its times add up to %.2f ms of %.2f ms, sampled within %.2f ms", kids[i].name,
				 sum / 1e6, wall / 1e6, blur / 1e6);
			print_message("%s\n", trouble);
			for (unsigned t = 0; t < TIMES; t++)
				print_message("  %s %.2f ms\n", times[t], (double)(b->t[t] - a->t[t]) / 1e6);
		}
		if (!kids[i].expect)
			continue;
		expected = (double)(b->t[index_of(kids[i].expect)] - a->t[index_of(kids[i].expect)]);
		if (kids[i].expect2)
			expected += (double)(b->t[index_of(kids[i].expect2)] - a->t[index_of(kids[i].expect2)]);
		if (expected < 0.8 * wall)
			snprintf(trouble, 200, "%s: only %.0f %% is %s%s%s", kids[i].name, 100 * expected / wall, kids[i].expect,
				 kids[i].expect2 ? " and " : "", kids[i].expect2 ? kids[i].expect2 : "");
	}
	world_close(&w);
	close(listener);
	munmap(word, 4096);
}

/* Waits of microseconds, three of four for one reason and one for another: as short as timers allow. */
static void waits_briefly(void *arg)
{
	struct timespec brief = {0, 20000};
	uint32_t word = 2;

	(void)arg;
	prctl(PR_SET_TIMERSLACK, 1);
	for (unsigned i = 0;; i++)
		if (i % 4)
			nanosleep(&brief, NULL);
		else
			syscall(SYS_futex, &word, FUTEX_WAIT, 2, &brief, NULL, 0);
}

/* Of short waits some are asked for their reason; what is booked is shared out as it was, however regular they are. */
static void short_waits_are_shared_out(void **state)
{
	struct account before, after;
	double lock, idle;
	struct world w;
	pid_t pid;

	(void)state;
	if (!world_open(&w))
		skip();
	pid = start(&w, waits_briefly, NULL);
	sleep_ms(200);
	world_sample(&w);
	before = account_of(&w, pid);
	/* As long as it takes on a busy machine. */
	for (unsigned i = 0; i < 40; i++) {
		sleep_ms(500);
		world_sample(&w);
		after = account_of(&w, pid);
		assert_true(before.there && after.there);
		lock = (double)(after.t[index_of("lock")] - before.t[index_of("lock")]);
		idle = (double)(after.t[index_of("idle")] - before.t[index_of("idle")]);
		if (lock + idle > 3e8)
			break;
	}
	print_message("%.1f ms on a lock, %.1f ms idle\n", lock / 1e6, idle / 1e6);
	assert_true(lock / (lock + idle) > 0.15 && lock / (lock + idle) < 0.35);
	world_close(&w);
}

/* A machine that stands still for a while (a virtual one does) spoils a round, not five. */
static void sums_and_reasons(void **state)
{
	char trouble[200] = "";

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		sums_once(trouble);
		if (!trouble[0])
			return;
		print_message("round %u: %s\n", round + 1, trouble);
	}
	fail_msg("%s", trouble);
}

static uint64_t proc_run_ns(pid_t pid)
{
	unsigned long long run = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%llu", &run) != 1)
			run = 0;
		fclose(f);
	}
	return run;
}

/* Children that come and go, each with children of its own, more of them than there are CPUs: some are seen before they ever ran. */
static void forks(void *arg)
{
	(void)arg;
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			if (!fork())
				_exit(0);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

/* No time of any thread falls, and none is more than it can have done since we looked. */
static void times_of_the_new(void **state)
{
	struct world w;
	uint64_t begin;
	unsigned rows = 0;

	(void)state;
	if (!world_open(&w))
		skip();
	for (int i = 0; i < 6; i++)
		start(&w, forks, NULL);
	begin = now_ns();
	world_sample(&w);
	for (int k = 0; k < 40; k++) {
		const struct recorded_table *t = recorder_table(w.recorder, "thread_time");
		uint64_t most;

		sleep_ms(25);
		world_sample(&w);
		most = now_ns() - begin + 100000000;
		for (size_t i = 0; i < t->nrows; i++) {
			const struct recorded_row *row = &t->rows[i];
			uint64_t stolen;

			if (!recorder_has(w.recorder, "thread_time", row, "stolen"))
				continue;
			stolen = recorder_u64(w.recorder, "thread_time", row, "stolen");
			if (stolen > most)
				fail_msg("thread %" PRIu64 ": stolen %" PRIu64 " ns in %" PRIu64,
					 recorder_u64(w.recorder, "thread_time", row, "tid"), stolen, most);
			rows++;
		}
	}
	assert_true(rows > 100);
	world_close(&w);
}

static void cpu_as_proc_says(void **state)
{
	struct account before, after;
	uint64_t proc[4];
	struct world w;
	pid_t pid;

	(void)state;
	if (!world_open(&w))
		skip();
	pid = start(&w, spin, NULL);
	sleep_ms(200);
	/* Each sample stands between two readings: on a busy machine there is time between. */
	proc[0] = proc_run_ns(pid);
	if (!proc[0]) {
		world_close(&w);
		print_message("skipped: this kernel has no /proc/PID/schedstat\n");
		skip();
	}
	world_sample(&w);
	proc[1] = proc_run_ns(pid);
	before = account_of(&w, pid);
	sleep_ms(2500);
	proc[2] = proc_run_ns(pid);
	world_sample(&w);
	proc[3] = proc_run_ns(pid);
	after = account_of(&w, pid);
	assert_true(before.there && after.there);
	double ours = (double)(after.t[0] - before.t[0]), least = (double)(proc[2] - proc[1]), most = (double)(proc[3] - proc[0]);

	if (ours < least * 0.99 - 4e6 || ours > most * 1.01 + 4e6)
		fail_msg("on_cpu grew by %.2f ms, /proc says %.2f to %.2f ms", ours / 1e6, least / 1e6, most / 1e6);
	world_close(&w);
}

/* Two on one CPU: each switch is a wait, and what they wait together is what they are not running. */
static void preempted_wait(void **state)
{
	struct account a[2], b[2];
	cpu_set_t set, all;
	struct world w;
	pid_t pid[2];

	(void)state;
	if (!world_open(&w))
		skip();
	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		world_close(&w);
		print_message("skipped: may not run on CPU 0\n");
		skip();
	}
	for (int i = 0; i < 2; i++)
		pid[i] = start(&w, spin, NULL);
	sched_setaffinity(0, sizeof(all), &all);
	sleep_ms(200);
	world_sample(&w);
	for (int i = 0; i < 2; i++)
		a[i] = account_of(&w, pid[i]);
	sleep_ms(1500);
	world_sample(&w);
	for (int i = 0; i < 2; i++)
		b[i] = account_of(&w, pid[i]);
	for (int i = 0; i < 2; i++) {
		double run = (double)(b[i].t[0] - a[i].t[0]), waited = (double)(b[i].t[1] - a[i].t[1]);

		assert_true(run > 0 && waited > 0);
		/* Neither has more than the half; other work on the machine only takes away. */
		assert_true(run < 0.6 * (run + waited));
	}
	/* And they are among those with a histogram, which has their waits. */
	const struct recorded_table *t = recorder_table(w.recorder, "runq_task");
	unsigned found = 0;

	/* At most eight come to be among them in a sample, the busiest first. */
	for (unsigned tries = 0; tries < 20 && found < 2; tries++) {
		sleep_ms(200);
		world_sample(&w);
		t = recorder_table(w.recorder, "runq_task");
		found = 0;
		for (size_t i = 0; i < t->nrows; i++) {
			uint64_t tid = recorder_u64(w.recorder, "runq_task", &t->rows[i], "tid");

			found += (tid == (uint64_t)pid[0] || tid == (uint64_t)pid[1]) &&
				 recorder_u64(w.recorder, "runq_task", &t->rows[i], "waits");
		}
	}
	assert_int_equal(found, 2);
	world_close(&w);
}

/* Waits of runq's histogram from `ns` on: those of whole slots, and those of the slot that `ns` is in as well. */
static void waits_from(struct world *w, uint64_t ns, uint64_t *ret_least, uint64_t *ret_most)
{
	uint64_t counts[BPF_HIST_SLOTS] = {0};

	/* The CPUs and the row of all of them. */
	bpf_run_counts(w->recorder, "runq", "wait", NULL, NULL, counts, BPF_HIST_SLOTS);
	*ret_least = *ret_most = 0;
	for (unsigned i = 8; i < BPF_HIST_SLOTS; i++) {
		uint64_t begin = (uint64_t)(8 + i % 8) << (i / 8 - 1), end = (uint64_t)(8 + i % 8 + 1) << (i / 8 - 1);

		*ret_least += begin >= ns ? counts[i] / 2 : 0;
		*ret_most += end > ns ? counts[i] / 2 : 0;
	}
}

/* What waited longer than the threshold is a row or counted as lost; who waited, and for whom, is in it. */
static void slow_waits_are_told(void **state)
{
	uint64_t least[2], most[2], told = 0, ours = 0, behind = 0;
	const struct recorded_table *t;
	cpu_set_t set, all;
	struct world w;
	pid_t pid[3];

	(void)state;
	if (!world_open(&w))
		skip();
	t = recorder_table(w.recorder, "runq_slow");
	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		world_close(&w);
		print_message("skipped: may not run on CPU 0\n");
		skip();
	}
	for (int i = 0; i < 3; i++)
		pid[i] = start(&w, spin, NULL);
	sched_setaffinity(0, sizeof(all), &all);
	/* With the first sample the threshold is 1 ms, as long as the tick lasts. */
	world_sample(&w);
	waits_from(&w, 1000000, &least[0], &most[0]);
	sleep_ms(1500);
	world_sample(&w);
	waits_from(&w, 1000000, &least[1], &most[1]);
	assert_true(t->nrows > 0 && t->nrows <= 100);
	told = t->nrows + t->lost;
	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_row *row = &t->rows[i];
		uint64_t tid = recorder_u64(w.recorder, "runq_slow", row, "tid");

		assert_int_equal(recorder_u64(w.recorder, "runq_slow", row, "threshold"), 1000000);
		assert_true(recorder_u64(w.recorder, "runq_slow", row, "latency") >= 1000000);
		for (int k = 0; k < 3; k++) {
			if (tid != (uint64_t)pid[k])
				continue;
			ours++;
			assert_int_equal(recorder_u64(w.recorder, "runq_slow", row, "cpu"), 0);
			for (int other = 0; other < 3; other++)
				behind += other != k && recorder_has(w.recorder, "runq_slow", row, "behind_tid") &&
					  recorder_u64(w.recorder, "runq_slow", row, "behind_tid") == (uint64_t)pid[other];
		}
	}
	print_message("%llu rows, %llu lost, %llu to %llu by the histogram; %llu of ours, %llu behind another of them\n",
		      (unsigned long long)t->nrows, (unsigned long long)t->lost, (unsigned long long)(least[1] - least[0]),
		      (unsigned long long)(most[1] - most[0]), (unsigned long long)ours, (unsigned long long)behind);
	/* Runq is read a moment before, at both ends. */
	assert_true(told + 100 >= least[1] - least[0]);
	assert_true(told <= most[1] - most[0] + 100);
	/* On a box that is busy besides, the rows may all be of others. */
	assert_true((ours > 0 && behind > 0) || told > 1000);
	/* It has followed: three on a CPU wait all the time. */
	sleep_ms(1000);
	world_sample(&w);
	if (told > 40 && t->nrows)
		assert_true(recorder_u64(w.recorder, "runq_slow", &t->rows[0], "threshold") > 1000000);
	world_close(&w);
}

/* --- who wakes whom ---------------------------------------------------------------------------------------------- */

static int wake_pipe[2];

static void reads_bytes(void *arg)
{
	char c;

	(void)arg;
	close(wake_pipe[1]);
	while (read(wake_pipe[0], &c, 1) == 1)
		;
}

static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;

static void *holds(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&contended);
		sleep_ms(10);
		pthread_mutex_unlock(&contended);
		sleep_ms(2);
	}
	return NULL;
}

static void wants(void *arg)
{
	pthread_t holder;

	(void)arg;
	if (pthread_create(&holder, NULL, holds, NULL))
		return;
	for (;;) {
		pthread_mutex_lock(&contended);
		pthread_mutex_unlock(&contended);
		sleep_ms(1);
	}
}

static void look_at(struct world *w, pid_t pid)
{
	struct culprit_interest interest = {.size = sizeof(interest), .table = "thread_waker", .what = "rows", .key = {(uint64_t)pid}, .nkey = 1};

	sched_collector.interests(w->self, &interest, pid ? 1 : 0);
	world_sample(w);
}

/* Waits for `reason` of thread tid; *ret_time: how long they were; waker 0: whoever of this process it was but itself. */
static uint64_t woken(struct world *w, pid_t tid, const char *reason, pid_t waker, uint64_t *ret_time)
{
	const struct recorded_table *t = recorder_table(w->recorder, "thread_waker");
	uint64_t waits = 0;

	*ret_time = 0;
	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_row *row = &t->rows[i];
		uint64_t who = recorder_u64(w->recorder, "thread_waker", row, "waker_tid");

		if (recorder_u64(w->recorder, "thread_waker", row, "tid") != (uint64_t)tid ||
		    strcmp(recorder_text(w->recorder, "thread_waker", row, "reason"), reason) != 0 || !who ||
		    (waker ? who != (uint64_t)waker : who == (uint64_t)tid ||
		     recorder_u64(w->recorder, "thread_waker", row, "waker_pid") != (uint64_t)tid))
			continue;
		waits += recorder_u64(w->recorder, "thread_waker", row, "waits");
		*ret_time += recorder_u64(w->recorder, "thread_waker", row, "wait_time");
	}
	return waits;
}

static void wakers_are_told_by_interest(void **state)
{
	uint64_t time, n;
	struct world w;
	pid_t reader, locker;

	(void)state;
	if (!world_open(&w))
		skip();
	assert_int_equal(pipe(wake_pipe), 0);
	reader = start(&w, reads_bytes, NULL);
	locker = start(&w, wants, NULL);
	close(wake_pipe[0]);
	sleep_ms(100);
	world_sample(&w);
	assert_int_equal(recorder_rows(w.recorder, "thread_waker"), 0);
	assert_false(recorder_table(w.recorder, "thread_waker")->sampled);
	look_at(&w, reader);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(write(wake_pipe[1], "", 1), 1);
		sleep_ms(5);
	}
	world_sample(&w);
	n = woken(&w, reader, "idle?", getpid(), &time);
	print_message("reader: %llu of 50 bytes woke it, after %llu us each\n", (unsigned long long)n,
		      (unsigned long long)(n ? time / n / 1000 : 0));
	/* On a busy machine it may find two bytes at once. */
	assert_true(n >= 25 && n <= 50);
	assert_true(time / n > 2000000);
	look_at(&w, locker);
	for (int tries = 0; tries < 20; tries++) {
		sleep_ms(200);
		world_sample(&w);
		n = woken(&w, locker, "lock", 0, &time);
		if (n >= 5)
			break;
	}
	print_message("locker: the holder woke it %llu times, after %llu us each\n", (unsigned long long)n,
		      (unsigned long long)(n ? time / n / 1000 : 0));
	assert_true(n >= 5);
	/* The one before is forgotten. */
	assert_int_equal(woken(&w, reader, "idle?", getpid(), &time), 0);
	look_at(&w, 0);
	assert_int_equal(recorder_rows(w.recorder, "thread_waker"), 0);
	world_sample(&w);
	assert_false(recorder_table(w.recorder, "thread_waker")->sampled);
	close(wake_pipe[1]);
	world_close(&w);
}

/* --- quota ------------------------------------------------------------------------------------------------------- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A control group that may use a fifth of a CPU; v1 or v2. */
static bool make_quota(char *dir, size_t cap)
{
	char path[256];

	snprintf(dir, cap, "/sys/fs/cgroup/cpu/test_sched.%d", (int)getpid());
	if (!mkdir(dir, 0755)) {
		snprintf(path, sizeof(path), "%.200s/cpu.cfs_period_us", dir);
		if (write_file(path, "50000")) {
			snprintf(path, sizeof(path), "%.200s/cpu.cfs_quota_us", dir);
			if (write_file(path, "10000"))
				return true;
		}
		rmdir(dir);
	}
	snprintf(dir, cap, "/sys/fs/cgroup/test_sched.%d", (int)getpid());
	if (mkdir(dir, 0755))
		return false;
	snprintf(path, sizeof(path), "%.200s/cpu.max", dir);
	if (write_file(path, "10000 50000"))
		return true;
	rmdir(dir);
	return false;
}

static uint64_t throttled_ns(const char *dir)
{
	char path[256], word[64];
	unsigned long long n, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%.200s/cpu.stat", dir);
	f = fopen(path, "r");
	while (f && fscanf(f, "%63s %llu", word, &n) == 2) {
		if (!strcmp(word, "throttled_time"))
			found = n;
		if (!strcmp(word, "throttled_usec"))
			found = n * 1000;
	}
	if (f)
		fclose(f);
	return found;
}

static void throttled_apart(void **state)
{
	char dir[128], path[256], text[32];
	uint64_t group;
	struct account a, b;
	struct world w;
	pid_t pid;

	(void)state;
	if (!world_open(&w))
		skip();
	if (!make_quota(dir, sizeof(dir))) {
		world_close(&w);
		print_message("skipped: no control group with a CPU quota can be made here\n");
		skip();
	}
	pid = start(&w, spin, NULL);
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	snprintf(text, sizeof(text), "%d", (int)pid);
	assert_true(write_file(path, text));
	sleep_ms(300);
	group = throttled_ns(dir);
	world_sample(&w);
	a = account_of(&w, pid);
	sleep_ms(1500);
	world_sample(&w);
	group = throttled_ns(dir) - group;
	b = account_of(&w, pid);
	world_close(&w);
	for (unsigned i = 0; i < 50 && rmdir(dir); i++)
		sleep_ms(20);
	double throttled = (double)(b.t[2] - a.t[2]), cpu = (double)(b.t[0] - a.t[0]), run = (double)(b.t[1] - a.t[1]);

	/* It may run 10 of 50 ms; on a busy machine it has to wait for those as well. What the control group counts begins
	 * before its thread has stopped, and ends before it runs. */
	print_message("on CPU %.0f ms, runnable %.0f ms, throttled %.0f ms; the group says %.0f ms\n", cpu / 1e6, run / 1e6,
		      throttled / 1e6, (double)group / 1e6);
	assert_true(cpu + run + throttled > 1.4e9);
	/* The group counts a stop at its end, which is up to a period (50 ms) later, at both ends of the window. */
	assert_true(throttled < 1.1 * (double)group + 5e7);
	assert_true(throttled > 0.5 * (double)group - 5e7);
}

/* Is this process's thread in runq_task within some samples? */
static bool comes_to_be_watched(struct world *w, pid_t pid)
{
	for (unsigned i = 0; i < 40; i++) {
		const struct recorded_table *t = recorder_table(w->recorder, "runq_task");

		for (size_t k = 0; k < t->nrows; k++)
			if (recorder_u64(w->recorder, "runq_task", &t->rows[k], "tid") == (uint64_t)pid)
				return true;
		sleep_ms(100);
		world_sample(w);
	}
	return false;
}

/* Others may have the program loaded before and after: what is told is of the time in which somebody reads it. */
static void opened_again(void **state)
{
	struct culprit_error error = {""};
	const struct recorded_table *t;
	struct sched_switch *others;
	struct world w;
	uint64_t lost;
	pid_t pid[3];

	(void)state;
	if (!world_open(&w))
		skip();
	others = sched_switch_get(&w.host.host, SCHED_FOR_STACKS, &error);
	assert_non_null(others);
	for (int i = 0; i < 3; i++)
		pid[i] = start(&w, nap, NULL);
	world_sample(&w);
	assert_true(comes_to_be_watched(&w, pid[0]));
	/* Waits above the threshold that nobody reads, more than a tick may have. */
	for (int i = 0; i < 6; i++)
		start(&w, spin, NULL);
	sleep_ms(1500);
	sched_collector.close(w.self);
	sleep_ms(500);
	assert_int_equal(sched_collector.open(&w.host.host, &w.self, &error), 0);
	recorder_destroy(w.recorder);
	w.recorder = recorder_create(&sched_collector);
	world_sample(&w);
	t = recorder_table(w.recorder, "runq_slow");
	lost = t->lost;
	assert_int_equal(t->nrows, 0);
	assert_int_equal(lost, 0);
	t = recorder_table(w.recorder, "runq");
	assert_true(t->nrows > 1);
	for (size_t i = 0; i < t->nrows; i++)
		assert_false(t->rows[i].born);
	assert_true(comes_to_be_watched(&w, pid[0]));
	sched_switch_put(others, SCHED_FOR_STACKS);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opened_again),
		cmocka_unit_test(sums_and_reasons),
		cmocka_unit_test(short_waits_are_shared_out),
		cmocka_unit_test(times_of_the_new),
		cmocka_unit_test(cpu_as_proc_says),
		cmocka_unit_test(preempted_wait),
		cmocka_unit_test(slow_waits_are_told),
		cmocka_unit_test(wakers_are_told_by_interest),
		cmocka_unit_test(throttled_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
