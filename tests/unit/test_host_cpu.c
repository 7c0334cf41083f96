/* Collectors host and cpu. */
#include "collector_test.h"
#include "host.h"

#include <unistd.h>

static void host_modern(void **state)
{
	struct fixture_run *run = run_on(&host_collector, "modern");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, "host"), 1);
	ASSERT_TEXT(r, "host", "0", "hostname", "web-03");
	ASSERT_TEXT(r, "host", "0", "kernel", "6.8.0-40-generic");
	ASSERT_TEXT(r, "host", "0", "machine", "x86_64");
	ASSERT_TEXT(r, "host", "0", "virtualisation", "qemu");
	ASSERT_U64(r, "host", "0", "boot_time", 1790000000000000000);
	ASSERT_U64(r, "host", "0", "uptime", 123456780000000);
	ASSERT_U64(r, "host", "0", "cpus", 4);
	ASSERT_U64(r, "host", "0", "cpus_possible", 8);
	ASSERT_U64(r, "host", "0", "memory", 16384000ull * 1024);
	ASSERT_NEAR(F64(r, "host", "0", "load1"), 1.5);
	ASSERT_NEAR(F64(r, "host", "0", "load5"), 2.25);
	ASSERT_NEAR(F64(r, "host", "0", "load15"), 3.75);
	ASSERT_U64(r, "host", "0", "running", 3);
	ASSERT_U64(r, "host", "0", "tasks", 412);
	ASSERT_U64(r, "host", "0", "procs_running", 3);
	ASSERT_U64(r, "host", "0", "procs_blocked", 2);
	ASSERT_U64(r, "host", "0", "forks", 54321);
	ASSERT_U64(r, "host", "0", "context_switches", 123456789);
	ASSERT_U64(r, "host", "0", "interrupts", 987654);
	ASSERT_U64(r, "host", "0", "softirqs", 555555);
	/* The texts are read rarely, and kept. */
	for (int i = 0; i < 5; i++)
		r = fixture_run_sample(run);
	ASSERT_TEXT(r, "host", "0", "hostname", "web-03");
	assert_true(recorder_cell(r, "host", ROW(r, "host", "0"), "hostname")->kept);
	assert_false(recorder_cell(r, "host", ROW(r, "host", "0"), "load1")->kept);
	fixture_run_destroy(run);
}

static void host_container(void **state)
{
	static const char bytes[] = "PATH=/bin\0container=lxc\0TERM=linux";
	const struct fixture_answer answers[] = {{CULPRIT_ASK_FILE, "1/environ", 0, bytes, sizeof(bytes)}};
	struct fixture_run *run = run_on(&host_collector, "modern");
	struct recorder *r;
	char name[8];

	(void)state;
	fixture_run_host(run)->answers = answers;
	fixture_run_host(run)->nanswers = 1;
	fixture_run_sample(run);
	r = fixture_run_sample(run);
	/* Where the machine that runs the test is a container itself, a file said so before. */
	assert_true(HAS(r, "host", "0", "container"));
	fixture_run_destroy(run);

	host_container_from_environ(bytes, sizeof(bytes), name, sizeof(name));
	assert_string_equal(name, "lxc");
	host_container_from_environ("a=1\0container=averylongname", 28, name, sizeof(name));
	assert_string_equal(name, "averylo");
	host_container_from_environ("xcontainer=no", 13, name, sizeof(name));
	assert_string_equal(name, "");
	host_container_from_environ("", 0, name, sizeof(name));
	assert_string_equal(name, "");
}

static void host_old(void **state)
{
	struct fixture_run *run = run_on(&host_collector, "old");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	ASSERT_TEXT(r, "host", "0", "hostname", "old-box");
	ASSERT_TEXT(r, "host", "0", "virtualisation", "none");
	ASSERT_U64(r, "host", "0", "cpus", 2);
	ASSERT_U64(r, "host", "0", "tasks", 80);
	assert_true(HAS(r, "host", "0", "machine"));
	fixture_run_destroy(run);
}

static void host_without_loadavg(void **state)
{
	char *root = scratch("modern"), path[128];
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	snprintf(path, sizeof(path), "%s/proc/loadavg", root);
	remove(path);
	run = fixture_run_create(&host_collector, root);
	r = fixture_run_sample(run);
	assert_int_equal(recorder_cell(r, "host", ROW(r, "host", "0"), "load1")->state, RECORDED_UNREAD);
	assert_non_null(strstr(recorder_cell(r, "host", ROW(r, "host", "0"), "load1")->text, "/proc/loadavg"));
	ASSERT_U64(r, "host", "0", "cpus", 4);
	/* And comes back. */
	fixture_write_string(root, "proc/loadavg", "9.00 x 3.00 1/x 5\n");
	r = fixture_run_sample(run);
	ASSERT_NEAR(F64(r, "host", "0", "load1"), 9);
	assert_false(HAS(r, "host", "0", "load5"));
	ASSERT_NEAR(F64(r, "host", "0", "load15"), 3);
	ASSERT_U64(r, "host", "0", "running", 1);
	assert_false(HAS(r, "host", "0", "tasks"));
	fixture_run_destroy(run);
	scratch_free(root);
}

static void cpu_modern(void **state)
{
	struct fixture_run *run = run_on(&cpu_collector, "modern");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, "cpu"), 5);
	ASSERT_U64(r, "cpu", "-1 0", "user", 10000000000);
	ASSERT_U64(r, "cpu", "-1 0", "nice", 100000000);
	ASSERT_U64(r, "cpu", "-1 0", "system", 5000000000);
	ASSERT_U64(r, "cpu", "-1 0", "idle", 200000000000);
	ASSERT_U64(r, "cpu", "-1 0", "iowait", 3000000000);
	ASSERT_U64(r, "cpu", "-1 0", "irq", 70000000);
	ASSERT_U64(r, "cpu", "-1 0", "softirq", 400000000);
	ASSERT_U64(r, "cpu", "-1 0", "steal", 250000000);
	ASSERT_U64(r, "cpu", "-1 0", "guest", 1000000000);
	ASSERT_U64(r, "cpu", "-1 0", "guest_nice", 30000000);
	ASSERT_U64(r, "cpu", "3 0", "user", 1000000000);
	fixture_run_destroy(run);
}

/* A CPU goes and comes back: another row. A line of nonsense costs its own CPU only. */
static void cpu_hotplug(void **state)
{
	char *root = scratch(NULL);
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	fixture_write_string(root, "proc/stat", "cpu 3 0 0 3\ncpu0 1 0 0 1\ncpu1 2 0 0 2\nintr 5\n");
	run = fixture_run_create(&cpu_collector, root);
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "cpu"), 3);
	assert_false(HAS(r, "cpu", "1 0", "steal"));
	fixture_write_string(root, "proc/stat", "cpu 3 0 0 3\ncpu0 1 0 0 1\nintr 5\n");
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "cpu"), 2);
	assert_int_equal(recorder_table(r, "cpu")->ended, 1);
	fixture_write_string(root, "proc/stat", "cpu 3 0 0 3\ncpu0 1 0 0 1\ncpu1 0 0 0 1\nintr 5\n");
	r = fixture_run_sample(run);
	assert_non_null(ROW(r, "cpu", "1 1"));
	assert_null(ROW(r, "cpu", "1 0"));
	assert_false(ROW(r, "cpu", "1 1")->born);
	r = fixture_run_sample(run);
	assert_non_null(ROW(r, "cpu", "1 1"));
	fixture_write_string(root, "proc/stat",
			     "cpu 3 -1 99999999999999999999 3\ncpu0x 1\ncpu99999999 1\ncpu0 7 0 0 1\ncpu0 8 0 0 1\n"
			     "cpu \xff\xfe 1 2\ncpu1 18446744073709551615 1 2\n");
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "cpu"), 3);
	ASSERT_U64(r, "cpu", "0 0", "user", 70000000);
	assert_false(HAS(r, "cpu", "-1 0", "nice"));
	assert_false(HAS(r, "cpu", "-1 0", "system"));
	ASSERT_U64(r, "cpu", "-1 0", "idle", 30000000);
	assert_false(HAS(r, "cpu", "1 1", "user"));
	ASSERT_U64(r, "cpu", "1 1", "nice", 10000000);
	fixture_write_string(root, "proc/stat", "nothing of use\n");
	r = fixture_run_sample(run);
	assert_int_equal(STATE(r, "cpu"), CULPRIT_FAILED);
	assert_non_null(strstr(recorder_table(r, "cpu")->reason, "/proc/stat"));
	fixture_run_destroy(run);
	scratch_free(root);
}

/* 512 CPUs, and interrupts to match: some 300 KB. */
static void cpu_512(void **state)
{
	char *root = scratch(NULL), *text = malloc(1 << 20), *p = text;
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	assert_non_null(text);
	p += sprintf(p, "cpu  1 2 3 4 5 6 7 8 9 10\n");
	for (int i = 0; i < 512; i++)
		p += sprintf(p, "cpu%d %d 200 300 4000000 50 6 7 8 9 10\n", i, 1000 + i);
	p += sprintf(p, "intr 123456789");
	for (int i = 0; i < 100000; i++)
		p += sprintf(p, " %d", i % 7);
	p += sprintf(p, "\nctxt 77\nbtime 1700000000\nprocesses 5\nprocs_running 1\nprocs_blocked 0\nsoftirq 9 1 2\n");
	fixture_write(root, "proc/stat", text, (size_t)(p - text));
	run = fixture_run_create(&cpu_collector, root);
	for (int k = 0; k < 2; k++) {
		r = fixture_run_sample(run);
		assert_int_equal(recorder_rows(r, "cpu"), 513);
		for (int i = 0; i < 512; i++) {
			char key[16];

			snprintf(key, sizeof(key), "%d 0", i);
			ASSERT_U64(r, "cpu", key, "user", (1000 + (uint64_t)i) * 10000000);
		}
	}
	fixture_run_destroy(run);
	run = fixture_run_create(&host_collector, root);
	r = fixture_run_sample(run);
	ASSERT_U64(r, "host", "0", "cpus", 512);
	ASSERT_U64(r, "host", "0", "context_switches", 77);
	ASSERT_U64(r, "host", "0", "interrupts", 123456789);
	fixture_run_destroy(run);
	scratch_free(root);
	free(text);
}

/* This machine, beside an independent reading of /proc/stat before and after. */
static void live(void **state)
{
	struct fixture_run *run = fixture_run_create(&cpu_collector, NULL);
	unsigned long long before[4] = {0}, after[4] = {0};
	FILE *file = fopen("/proc/stat", "re");
	static const char *const names[] = {"user", "nice", "system", "idle"};
	struct recorder *r;

	(void)state;
	assert_non_null(file);
	assert_int_equal(fscanf(file, "cpu %llu %llu %llu %llu", &before[0], &before[1], &before[2], &before[3]), 4);
	fclose(file);
	r = fixture_run_sample(run);
	file = fopen("/proc/stat", "re");
	assert_int_equal(fscanf(file, "cpu %llu %llu %llu %llu", &after[0], &after[1], &after[2], &after[3]), 4);
	fclose(file);
	for (int i = 0; i < 4; i++) {
		uint64_t ticks = U64(r, "cpu", "-1 0", names[i]) / (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));

		assert_true(ticks >= before[i] && ticks <= after[i]);
	}
	fixture_run_destroy(run);

	run = fixture_run_create(&host_collector, NULL);
	r = fixture_run_sample(run);
	assert_int_equal(U64(r, "host", "0", "cpus"), sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(U64(r, "host", "0", "uptime") > 0);
	fixture_run_destroy(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_modern),	cmocka_unit_test(host_container),
		cmocka_unit_test(host_old),	cmocka_unit_test(host_without_loadavg),
		cmocka_unit_test(cpu_modern),	cmocka_unit_test(cpu_hotplug),
		cmocka_unit_test(cpu_512),	cmocka_unit_test(live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
