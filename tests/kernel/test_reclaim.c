/* The collector reclaim against a process whose cgroup is too small for what it reads: who stands still, and for how long,
 * lies within what the process itself has seen. The machine's own memory is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/bpf_run.h"

extern const struct culprit_collector reclaim_collector;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool write_number(const char *folder, const char *file, long number)
{
	char path[256], text[32];
	int fd, n = snprintf(text, sizeof(text), "%ld", number);
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, (size_t)n) == n;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* A memory cgroup with a limit; false: there is none to be had. */
static bool make_cgroup(char *folder, size_t cap, const char **ret_tasks, long bytes)
{
	static const char *const kinds[][3] = {
		{"/sys/fs/cgroup", "memory.max", "cgroup.procs"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "tasks"},
	};

	for (unsigned i = 0; i < 2; i++) {
		snprintf(folder, cap, "%s/culprit-reclaim-%d", kinds[i][0], getpid());
		*ret_tasks = kinds[i][2];
		if (mkdir(folder, 0755) < 0)
			continue;
		if (write_number(folder, kinds[i][1], bytes))
			return true;
		rmdir(folder);
	}
	return false;
}

/* Writes a file through the page cache, of which its cgroup has room for a fraction. */
static void fill(const char *file)
{
	static char block[1 << 20];
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	memset(block, 'x', sizeof(block));
	for (int i = 0; fd >= 0 && i < 96; i++)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			_exit(1);
	fsync(fd);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 96; i++)
			if (pread(fd, block, sizeof(block), (off_t)i << 20) != sizeof(block))
				_exit(1);
	_exit(0);
}

static void a_cgroup_at_its_limit_makes_its_process_wait(void **state)
{
	static const char file[] = TEST_BUILD "/test-reclaim.data";
	struct fixture_run *run = bpf_run_create(&reclaim_collector);
	struct recorder *r = fixture_run_recorder(run);
	const struct recorded_row *found = NULL;
	const struct recorded_table *t;
	uint64_t stalls, time, began, sum = 0;
	const char *tasks;
	char folder[128];
	int status, gate[2];
	pid_t pid;

	(void)state;
	if (!make_cgroup(folder, sizeof(folder), &tasks, 24 << 20)) {
		fixture_run_destroy(run);
		bpf_run_skip("needs root and a cgroup with a memory limit");
	}
	assert_int_equal(pipe(gate), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c;

		close(gate[1]);
		if (read(gate[0], &c, 1) < 0)
			_exit(1);
		fill(file);
	}
	close(gate[0]);
	assert_true(write_number(folder, tasks, pid));
	began = now_ns();
	close(gate[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fixture_run_sample(run);
	rmdir(folder);
	unlink(file);
	assert_int_equal(status, 0);
	t = recorder_table(r, "reclaim_process");
	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(r, "reclaim_process", &t->rows[i], "pid") == (uint64_t)pid)
			found = &t->rows[i];
	if (!found) {
		fixture_run_destroy(run);
		bpf_run_skip("this file system's page cache is not charged to cgroups");
	}
	stalls = recorder_u64(r, "reclaim_process", found, "cgroup_stalls");
	time = recorder_u64(r, "reclaim_process", found, "cgroup_time");
	print_message("%llu stalls, %.1f ms of %.1f ms\n", (unsigned long long)stalls, (double)time / 1e6,
		      (double)(now_ns() - began) / 1e6);
	assert_true(stalls >= 50);
	assert_true(time > 0 && time < now_ns() - began);
	for (uint64_t i = 0; i < recorder_cell(r, "reclaim_process", found, "stall")->bits; i++)
		sum += ((const uint64_t *)recorder_cell(r, "reclaim_process", found, "stall")->text)[i];
	assert_int_equal(sum, stalls + recorder_u64(r, "reclaim_process", found, "machine_stalls") +
				      recorder_u64(r, "reclaim_process", found, "compaction_stalls"));
	/* The machine's figures have all of it. */
	assert_true(bpf_run_sum(r, "reclaim", "stalls", "kind", "cgroup") >= stalls);
	assert_true(bpf_run_sum(r, "reclaim", "time", "kind", "cgroup") >= time);
	fixture_run_destroy(run);
}

/* Moving free pages together is what writing to compact_memory asks for; whoever does it waits for it. */
static void compaction_has_its_row(void **state)
{
	struct fixture_run *run = bpf_run_create(&reclaim_collector);
	struct recorder *r = fixture_run_recorder(run);

	(void)state;
	if (!write_number("/proc/sys/vm", "compact_memory", 1)) {
		fixture_run_destroy(run);
		bpf_run_skip("needs root and a kernel with compaction");
	}
	fixture_run_sample(run);
	print_message("%llu compactions\n",
		      (unsigned long long)bpf_run_sum(r, "reclaim", "stalls", "kind", "compaction"));
	assert_true(bpf_run_sum(r, "reclaim", "stalls", "kind", "compaction") > 0);
	assert_true(bpf_run_sum(r, "reclaim_process", "compaction_stalls", "comm", "test_reclaim") > 0);
	fixture_run_destroy(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cgroup_at_its_limit_makes_its_process_wait),
		cmocka_unit_test(compaction_has_its_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
