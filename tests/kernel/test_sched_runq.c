/* Waits for a CPU, against the running kernel: of two that want the same one, those that were long and behind whom, and those that
 * a quota of the control group made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bpf_shared.h"
#include "kernel/sched_world.h"
#include "support/bpf_run.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preempted_wait),
		cmocka_unit_test(slow_waits_are_told),
		cmocka_unit_test(throttled_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
