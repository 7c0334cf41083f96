/* Where threads' time goes, against the running kernel: children with known habits, as thread_time sees them; its sums against the
 * wall clock, its CPU time against /proc. Waits for a CPU: test_sched_runq.c; who ends waits: test_sched_wakers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kernel/crowd.h"
#include "kernel/sched_world.h"
#include "sched_switch.h"

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

/* For asynchronous I/O: a reaper without requests, or one whose disk never answers. */
static void reaps(void *arg)
{
	struct io_event event;
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, 4, &context))
		on_condition(arg);
	syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
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
		{reaps, NULL, "waits for asynchronous I/O", "idle_maybe", "runnable"},
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
	kids[7].arg = kids[8].arg = kids[9].arg = word;
	kids[10].arg = &at;
	kids[11].arg = path;
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

static void stops(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

/* There are rows for 20,000. With more threads those that sleep are left out, and who works or waits for something is in it, also one that
 * came last; and so is all of the process that is looked at. */
static void very_many_sleep(void **state)
{
	struct culprit_interest interest = {.size = sizeof(interest), .table = "thread_waker", .what = "rows", .nkey = 2};
	struct culprit_error error = {""};
	struct account before, after;
	const struct recorded_row *row;
	pid_t crowd, spinner, waiter, sleeper;
	uint32_t word = 2;
	struct world w = {.n = 0};

	(void)state;
	crowd = crowd_start();
	assert_true(crowd >= 0);
	if (!crowd) {
		print_message("skipped: %d threads cannot be made here\n", CROWD);
		skip();
	}
	w.children[w.n++] = crowd;
	fixture_host_init(&w.host, NULL);
	if (sched_collector.probe(&w.host.host, &error) || sched_collector.open(&w.host.host, &w.self, &error)) {
		kill(crowd, SIGKILL);
		waitpid(crowd, NULL, 0);
		fixture_host_finish(&w.host);
		print_message("skipped: %s\n", error.sentence);
		skip();
	}
	w.recorder = recorder_create(&sched_collector);
	sleeper = start(&w, stops, NULL);
	world_sample(&w);
	world_sample(&w);
	spinner = start(&w, spin, NULL);
	waiter = start(&w, wants_mutex, &word);
	sleep_ms(2200);
	world_sample(&w);
	sleep_ms(1000);
	world_sample(&w);
	before = account_of(&w, spinner);
	assert_true(before.there);
	sleep_ms(500);
	world_sample(&w);
	after = account_of(&w, spinner);
	assert_true(after.there && after.t[0] > before.t[0] + 50000000);
	row = row_of(&w, waiter);
	assert_non_null(row);
	assert_string_equal(recorder_text(w.recorder, "thread_time", row, "now"), "lock");
	assert_null(row_of(&w, crowd));
	assert_null(row_of(&w, sleeper));
	assert_true(recorder_rows(w.recorder, "thread_time") < 5000);
	assert_non_null(strstr(recorder_table(w.recorder, "thread_time")->reason, "are left out"));
	/* Who is looked at comes with the next sample, and stays. */
	interest.key[0] = (uint64_t)sleeper;
	sched_collector.interests(w.self, &interest, 1);
	for (int i = 0; i < 3; i++) {
		world_sample(&w);
		row = row_of(&w, sleeper);
		assert_non_null(row);
		assert_string_equal(recorder_text(w.recorder, "thread_time", row, "now"), "idle");
	}
	sched_collector.interests(w.self, NULL, 0);
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
		cmocka_unit_test(short_waits_are_shared_out),
		cmocka_unit_test(sums_and_reasons),
		cmocka_unit_test(times_of_the_new),
		cmocka_unit_test(very_many_sleep),
		cmocka_unit_test(cpu_as_proc_says),
		cmocka_unit_test(opened_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
