/* Collector cgroup: version 2, version 1, both, and groups that come and go. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "collector_test.h"

#define T "cgroup"

static void version2(void **state)
{
	static const char *const nginx = "/system.slice/nginx.service", *const idle = "/system.slice/idle.service";
	struct fixture_run *run = run_on(&cgroup_collector, "modern");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, T), 5);
	ASSERT_U64(r, T, nginx, "usage", 2000000000);
	ASSERT_U64(r, T, nginx, "user", 1500000000);
	ASSERT_U64(r, T, nginx, "system", 500000000);
	ASSERT_U64(r, T, nginx, "nr_periods", 100);
	ASSERT_U64(r, T, nginx, "nr_throttled", 25);
	ASSERT_U64(r, T, nginx, "throttled_time", 777000);
	ASSERT_U64(r, T, nginx, "cpu_quota", 50000000);
	ASSERT_U64(r, T, nginx, "cpu_period", 100000000);
	ASSERT_U64(r, T, nginx, "cpu_weight", 200);
	ASSERT_U64(r, T, nginx, "memory_current", 104857600);
	ASSERT_U64(r, T, nginx, "memory_max", 209715200);
	assert_false(HAS(r, T, nginx, "memory_high"));
	ASSERT_U64(r, T, nginx, "swap_current", 4096);
	ASSERT_U64(r, T, nginx, "anon", 1000);
	ASSERT_U64(r, T, nginx, "file", 2000);
	ASSERT_U64(r, T, nginx, "kernel", 300);
	ASSERT_U64(r, T, nginx, "shmem", 50);
	ASSERT_U64(r, T, nginx, "dirty", 6);
	ASSERT_U64(r, T, nginx, "inactive_file", 700);
	ASSERT_U64(r, T, nginx, "pgmajfault", 11);
	ASSERT_U64(r, T, nginx, "refaults", 17);
	ASSERT_U64(r, T, nginx, "memory_high_events", 1);
	ASSERT_U64(r, T, nginx, "memory_max_events", 2);
	ASSERT_U64(r, T, nginx, "oom", 3);
	ASSERT_U64(r, T, nginx, "oom_kill", 4);
	ASSERT_U64(r, T, nginx, "pids_current", 7);
	ASSERT_U64(r, T, nginx, "pids_max", 100);
	ASSERT_U64(r, T, nginx, "populated", 1);
	ASSERT_TEXT(r, T, nginx, "controllers", "v2");
	/* 252:0 is made of 259:0: its bytes are counted once. */
	ASSERT_U64(r, T, nginx, "read_bytes", 4096);
	ASSERT_U64(r, T, nginx, "write_bytes", 8192);
	ASSERT_U64(r, T, nginx, "reads", 1);
	ASSERT_U64(r, T, nginx, "writes", 2);
	ASSERT_U64(r, T, idle, "read_bytes", 0);
	ASSERT_U64(r, T, idle, "populated", 0);
	assert_false(HAS(r, T, idle, "cpu_quota"));
	assert_false(HAS(r, T, "/system.slice", "cpu_quota"));
	ASSERT_U64(r, T, "/system.slice", "cpu_period", 100000000);
	assert_false(HAS(r, T, "/system.slice", "memory_max"));
	assert_false(HAS(r, T, "/user.slice", "memory_current"));
	assert_false(HAS(r, T, "/user.slice", "read_bytes"));
	ASSERT_U64(r, T, "/", "usage", 9000000000);
	ASSERT_U64(r, T, "/", "read_bytes", 1000);
	fixture_run_destroy(run);
}

static void version1(void **state)
{
	struct fixture_run *run = run_on(&cgroup_collector, "old");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	/* blkio is mounted from inside its tree, as in a container: its root is no root. */
	assert_int_equal(recorder_rows(r, T), 5);
	ASSERT_U64(r, T, "/", "usage", 10000000000);
	ASSERT_U64(r, T, "/system", "user", 2400000000);
	ASSERT_U64(r, T, "/system", "system", 1600000000);
	ASSERT_U64(r, T, "/system", "pids_current", 9);
	ASSERT_U64(r, T, "/system", "populated", 1);
	ASSERT_U64(r, T, "/docker/abc/system", "read_bytes", 4096);
	ASSERT_U64(r, T, "/docker/abc/system", "writes", 2);
	assert_false(HAS(r, T, "/docker/abc", "read_bytes")); /* "Total 0": nothing is counted there */
	assert_false(HAS(r, T, "/system", "memory_max"));
	assert_false(HAS(r, T, "/system", "cpu_quota"));
	ASSERT_U64(r, T, "/system/web", "cpu_quota", 200000000);
	ASSERT_U64(r, T, "/system/web", "cpu_weight", 50);
	ASSERT_U64(r, T, "/system/web", "nr_throttled", 1);
	ASSERT_U64(r, T, "/system/web", "throttled_time", 1000);
	ASSERT_U64(r, T, "/system/web", "memory_current", 1 << 20);
	ASSERT_U64(r, T, "/system/web", "memory_max", 4194304);
	ASSERT_U64(r, T, "/system/web", "oom_kill", 3);
	ASSERT_U64(r, T, "/system/web", "anon", 500);
	ASSERT_U64(r, T, "/system/web", "file", 1000);
	ASSERT_U64(r, T, "/system/web", "swap_current", 10);
	ASSERT_TEXT(r, T, "/system/web", "controllers", "cpu,cpuacct,memory");
	assert_false(HAS(r, T, "/system", "oom_kill")); /* before 4.13 it isn't there */
	fixture_run_destroy(run);
}

static void both(void **state)
{
	struct fixture_run *run = run_on(&cgroup_collector, "hybrid");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, T), 4);
	ASSERT_U64(r, T, "/a", "usage", 2000000);
	ASSERT_U64(r, T, "/a", "memory_current", 8192);
	ASSERT_TEXT(r, T, "/a", "controllers", "memory,v2");
	ASSERT_U64(r, T, "/b", "usage", 1000000);
	assert_false(HAS(r, T, "/b", "memory_current"));
	ASSERT_U64(r, T, "/c", "memory_current", 4096);
	assert_false(HAS(r, T, "/c", "usage"));
	fixture_run_destroy(run);
}

static void mount_tree(char *root)
{
	fixture_write_string(root, "proc/self/mountinfo", "37 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	fixture_write_string(root, "sys/fs/cgroup/cgroup.stat", "nr_descendants 0\n");
	fixture_write_string(root, "sys/fs/cgroup/cpu.stat", "usage_usec 5\n");
}

/* What a limit allows grows with time; a group that does nothing is read less. */
static void allowed_and_idle(void **state)
{
	char *root = scratch(NULL);
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	mount_tree(root);
	fixture_write_string(root, "sys/fs/cgroup/a/cpu.stat", "usage_usec 1000\nuser_usec 600\n");
	fixture_write_string(root, "sys/fs/cgroup/a/cpu.max", "150000 100000\n");
	fixture_write_string(root, "sys/fs/cgroup/a/memory.current", "1\n");
	fixture_write_string(root, "sys/fs/cgroup/a/io.max", "254:0 rbps=3000000 wbps=max riops=max wiops=120\n254:32 rbps=1000000 wbps=max riops=max wiops=max\n");
	run = fixture_run_create(&cgroup_collector, root);
	fixture_run_host(run)->mono_ns = 1000000000;
	r = fixture_run_sample(run);
	ASSERT_U64(r, T, "/a", "cpu_allowed", 0);
	ASSERT_U64(r, T, "/a", "read_max", 1000000);
	assert_false(HAS(r, T, "/a", "write_max"));
	assert_false(HAS(r, T, "/a", "reads_max"));
	ASSERT_U64(r, T, "/a", "writes_max", 120);
	ASSERT_U64(r, T, "/a", "memory_current", 1);
	fixture_write_string(root, "sys/fs/cgroup/a/memory.current", "2\n");
	fixture_run_host(run)->mono_ns = 3000000000;
	r = fixture_run_sample(run);
	ASSERT_U64(r, T, "/a", "cpu_allowed", 3000000000);
	ASSERT_U64(r, T, "/a", "user", 600000);
	assert_false(recorder_cell(r, T, ROW(r, T, "/a"), "user")->kept);
	assert_true(recorder_cell(r, T, ROW(r, T, "/a"), "memory_current")->kept);
	ASSERT_U64(r, T, "/a", "memory_current", 1);
	fixture_write_string(root, "sys/fs/cgroup/a/cpu.stat", "usage_usec 1001\nuser_usec 601\n");
	r = fixture_run_sample(run);
	ASSERT_U64(r, T, "/a", "memory_current", 2);
	ASSERT_U64(r, T, "/a", "user", 601000);
	/* Sooner or later it is read though nothing ran. */
	fixture_write_string(root, "sys/fs/cgroup/a/memory.current", "3\n");
	for (int i = 0; i < 8; i++)
		r = fixture_run_sample(run);
	ASSERT_U64(r, T, "/a", "memory_current", 3);
	fixture_run_destroy(run);
	scratch_free(root);
}

static void come_and_go(void **state)
{
	char *root = scratch(NULL), path[128];
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	mount_tree(root);
	fixture_write_string(root, "sys/fs/cgroup/old/cpu.stat", "usage_usec 7\n");
	run = fixture_run_create(&cgroup_collector, root);
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, T), 2);
	assert_false(ROW(r, T, "/old")->born);
	fixture_write_string(root, "sys/fs/cgroup/new/cpu.stat", "usage_usec 9\n");
	fixture_write_string(root, "sys/fs/cgroup/new/deep/er/cpu.stat", "usage_usec 9\n");
	fixture_write_string(root, "sys/fs/cgroup/cgroup.stat", "nr_descendants 4\n");
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, T), 5);
	assert_true(ROW(r, T, "/new")->born);
	assert_true(ROW(r, T, "/new/deep/er")->born);
	assert_false(ROW(r, T, "/old")->born);
	ASSERT_U64(r, T, "/new", "usage", 9000);
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/new", root);
	fixture_remove(path);
	fixture_write_string(root, "sys/fs/cgroup/cgroup.stat", "nr_descendants 1\n");
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, T), 2);
	assert_int_equal(recorder_table(r, T)->ended, 3);
	fixture_run_destroy(run);
	scratch_free(root);
}

/* Names and files of any bytes; a tree deeper than any sane one. */
static void hostile(void **state)
{
	char *root = scratch(NULL), path[3000] = "sys/fs/cgroup";
	struct fixture_run *run;
	struct recorder *r;
	size_t n;

	(void)state;
	mount_tree(root);
	fixture_write_string(root, "sys/fs/cgroup/\x1b[31m\n\xff/cpu.stat",
			     "usage_usec 18446744073709551615\nuser_usec -1\nsystem_usec 4\n\x00\x01");
	fixture_write_string(root, "sys/fs/cgroup/\x1b[31m\n\xff/io.stat",
			     "x rbytes=5\n1:2 rbytes=-4 wbytes=3 wbytes=18446744073709551615\n9:9 rbytes=7 rios\n");
	fixture_write_string(root, "sys/fs/cgroup/\x1b[31m\n\xff/cpu.max", "18446744073709551615 0\n");
	for (n = strlen(path); n + 8 < sizeof(path); n += 20)
		memcpy(path + n, "/a2345678901234567890", 21);
	memcpy(path + n - 20, "/c", 3);
	fixture_write_string(root, path, "1");
	run = fixture_run_create(&cgroup_collector, root);
	for (int i = 0; i < 3; i++)
		r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, T), CGROUP_DEPTH_MAX + 2);
	ASSERT_U64(r, T, "/\x1b[31m\n\xff", "system", 4000);
	assert_false(HAS(r, T, "/\x1b[31m\n\xff", "usage"));
	assert_false(HAS(r, T, "/\x1b[31m\n\xff", "user"));
	ASSERT_U64(r, T, "/\x1b[31m\n\xff", "read_bytes", 7);
	ASSERT_U64(r, T, "/\x1b[31m\n\xff", "write_bytes", 3);
	assert_false(HAS(r, T, "/\x1b[31m\n\xff", "cpu_allowed"));
	fixture_run_destroy(run);
	scratch_free(root);
}

static void not_mounted(void **state)
{
	struct culprit_error error = {""};
	struct fixture_host host;
	char *root = scratch(NULL);

	(void)state;
	fixture_write_string(root, "proc/self/mountinfo", "28 1 259:1 / / rw - ext4 /dev/sda1 rw\n");
	fixture_host_init(&host, root);
	assert_int_equal(cgroup_collector.probe(&host.host, &error), -ENOENT);
	assert_non_null(strstr(error.sentence, "mount -t cgroup2"));
	fixture_host_finish(&host);
	scratch_free(root);
}

/* A real group, made and removed where the test may. */
static void live(void **state)
{
	static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"};
	struct fixture_run *run;
	struct recorder *r;
	char folder[128], key[64];
	size_t i;

	(void)state;
	snprintf(key, sizeof(key), "/culprit-test-%d", (int)getpid());
	for (i = 0; i < 3; i++) {
		char procs[128];

		snprintf(procs, sizeof(procs), "%s/cgroup.procs", roots[i]);
		snprintf(folder, sizeof(folder), "%s%s", roots[i], key);
		if (access(procs, F_OK) == 0 && mkdir(folder, 0755) == 0)
			break;
	}
	if (i == 3) {
		print_message("skipped: no control group can be made here: needs root and a mounted cgroup file system\n");
		skip();
	}
	run = fixture_run_create(&cgroup_collector, NULL);
	r = fixture_run_sample(run);
	assert_non_null(ROW(r, T, key));
	assert_non_null(ROW(r, T, "/"));
	assert_int_equal(rmdir(folder), 0);
	/* Its files now say ENODEV; the folder is gone. */
	r = fixture_run_sample(run);
	r = fixture_run_sample(run);
	assert_null(ROW(r, T, key));
	assert_int_equal(mkdir(folder, 0755), 0);
	r = fixture_run_sample(run);
	assert_non_null(ROW(r, T, key));
	assert_int_equal(rmdir(folder), 0);
	fixture_run_destroy(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version2),	cmocka_unit_test(version1), cmocka_unit_test(both),
		cmocka_unit_test(allowed_and_idle), cmocka_unit_test(come_and_go), cmocka_unit_test(hostile),
		cmocka_unit_test(not_mounted),	cmocka_unit_test(live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
