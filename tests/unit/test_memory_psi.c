/* Collectors memory, vmstat and psi. */
#include <errno.h>
#include <unistd.h>

#include "collector_test.h"

static void memory_modern(void **state)
{
	struct fixture_run *run = run_on(&memory_collector, "modern");
	struct recorder *r = fixture_run_sample(run);
	static const struct {
		const char *column;
		uint64_t kb;
	} wanted[] = {
		{"total", 16384000},	 {"free", 1000000},	   {"available", 8000000},    {"buffers", 100000},
		{"cached", 6000000},	 {"swap_cached", 1000},	   {"shmem", 500000},	      {"slab", 600000},
		{"sreclaimable", 400000}, {"sunreclaim", 200000},  {"anon", 4000000},	      {"mapped", 700000},
		{"dirty", 4000},	 {"writeback", 40},	   {"active_anon", 2000000},  {"inactive_anon", 1500000},
		{"active_file", 1000000}, {"inactive_file", 1500000}, {"unevictable", 2000},  {"mlocked", 1500},
		{"kernel_stack", 16000}, {"page_tables", 50000},   {"percpu", 9000},	      {"vmalloc", 60000},
		{"swap_total", 2097152}, {"swap_free", 1048576},   {"zswap", 100},	      {"zswapped", 300},
		{"committed", 12000000}, {"commit_limit", 10289152}, {"anon_huge", 100000},   {"hugetlb", 20480},
		{"hugepage_size", 2048},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		ASSERT_U64(r, "memory", "0", wanted[i].column, wanted[i].kb * 1024);
	ASSERT_U64(r, "memory", "0", "hugepages_total", 10);
	ASSERT_U64(r, "memory", "0", "hugepages_free", 4);
	fixture_run_destroy(run);
}

static void memory_old(void **state)
{
	struct fixture_run *run = run_on(&memory_collector, "old");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	ASSERT_U64(r, "memory", "0", "available", 900000ull * 1024);
	assert_false(HAS(r, "memory", "0", "percpu"));
	assert_false(HAS(r, "memory", "0", "zswap"));
	/* No sum of the kernel's: made from the count. */
	ASSERT_U64(r, "memory", "0", "hugetlb", 3ull * 2048 * 1024);
	fixture_run_destroy(run);
}

static void memory_hostile(void **state)
{
	char *root = scratch(NULL), longline[5000];
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	memset(longline, 'x', sizeof(longline));
	fixture_write_string(root, "proc/meminfo",
			     "MemTotal: 18446744073709551615 kB\nMemFree: -5 kB\nBuffers: 12 kB\nCached:\nShmem: 0x10 kB\n"
			     "\nMapped\nDirty: 99999999999999999999999 kB\nAnonPages: 7 kB\nSlab: 8 kB");
	run = fixture_run_create(&memory_collector, root);
	r = fixture_run_sample(run);
	assert_false(HAS(r, "memory", "0", "total"));
	assert_false(HAS(r, "memory", "0", "free"));
	assert_false(HAS(r, "memory", "0", "cached"));
	assert_false(HAS(r, "memory", "0", "shmem"));
	assert_false(HAS(r, "memory", "0", "dirty"));
	assert_false(HAS(r, "memory", "0", "slab")); /* cut */
	ASSERT_U64(r, "memory", "0", "buffers", 12 * 1024);
	ASSERT_U64(r, "memory", "0", "anon", 7 * 1024);
	fixture_write(root, "proc/meminfo", longline, sizeof(longline));
	r = fixture_run_sample(run);
	assert_int_equal(STATE(r, "memory"), CULPRIT_FAILED);
	fixture_run_destroy(run);
	scratch_free(root);
}

static void memory_live(void **state)
{
	struct fixture_run *run = fixture_run_create(&memory_collector, NULL);
	struct recorder *r = fixture_run_sample(run);
	FILE *file = fopen("/proc/meminfo", "re");
	char line[256], key[64];
	unsigned long long kb, seen = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63[^:]: %llu", key, &kb) != 2)
			continue;
		if (strcmp(key, "MemTotal") == 0 && ++seen)
			ASSERT_U64(r, "memory", "0", "total", kb * 1024);
		if (strcmp(key, "SwapTotal") == 0 && ++seen)
			ASSERT_U64(r, "memory", "0", "swap_total", kb * 1024);
		if (strcmp(key, "CommitLimit") == 0 && ++seen)
			ASSERT_U64(r, "memory", "0", "commit_limit", kb * 1024);
	}
	fclose(file);
	assert_int_equal(seen, 3);
	fixture_run_destroy(run);
}

static void vmstat_modern(void **state)
{
	struct fixture_run *run = run_on(&vmstat_collector, "modern");
	struct recorder *r = fixture_run_sample(run);
	static const struct {
		const char *column;
		uint64_t value;
	} wanted[] = {
		{"pgpgin", 1000 * 1024},     {"pgpgout", 2000 * 1024}, {"pswpin", 5},		{"pswpout", 6},
		{"pgfault", 9000000},	     {"pgmajfault", 700},      {"pgscan_kswapd", 160},	{"pgscan_direct", 18},
		{"pgsteal_kswapd", 80},	     {"pgsteal_direct", 9},    {"allocstall", 433},	{"pgscan_direct_throttle", 2},
		{"workingset_refault", 33},  {"workingset_refault_anon", 11}, {"workingset_refault_file", 22},
		{"workingset_activate", 7},  {"compact_stall", 13},    {"compact_fail", 5},	{"compact_success", 8},
		{"oom_kill", 4},	     {"thp_fault_alloc", 100}, {"thp_fault_fallback", 7}, {"zswpin", 1},
		{"zswpout", 2},		     {"numa_pages_migrated", 12},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		ASSERT_U64(r, "vmstat", "0", wanted[i].column, wanted[i].value);
	fixture_run_destroy(run);
}

/* Zones are added up, and what 4.4 didn't count is absent. */
static void vmstat_old(void **state)
{
	struct fixture_run *run = run_on(&vmstat_collector, "old");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	ASSERT_U64(r, "vmstat", "0", "pgsteal_kswapd", 33);
	ASSERT_U64(r, "vmstat", "0", "pgsteal_direct", 4);
	ASSERT_U64(r, "vmstat", "0", "pgscan_kswapd", 70);
	ASSERT_U64(r, "vmstat", "0", "pgscan_direct", 9);
	ASSERT_U64(r, "vmstat", "0", "pgscan_direct_throttle", 3);
	ASSERT_U64(r, "vmstat", "0", "allocstall", 6);
	ASSERT_U64(r, "vmstat", "0", "workingset_refault", 33);
	ASSERT_U64(r, "vmstat", "0", "workingset_refault_file", 33);
	assert_false(HAS(r, "vmstat", "0", "workingset_refault_anon"));
	assert_false(HAS(r, "vmstat", "0", "oom_kill"));
	fixture_run_destroy(run);
}

static void psi_modern(void **state)
{
	struct fixture_run *run = run_on(&psi_collector, "modern");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, "psi"), 4);
	ASSERT_NEAR(F64(r, "psi", "cpu", "some_avg10"), 12.34);
	ASSERT_NEAR(F64(r, "psi", "cpu", "some_avg60"), 5.6);
	ASSERT_NEAR(F64(r, "psi", "cpu", "some_avg300"), 1);
	ASSERT_U64(r, "psi", "cpu", "some_total", 123456000);
	ASSERT_U64(r, "psi", "cpu", "full_total", 0);
	ASSERT_NEAR(F64(r, "psi", "io", "full_avg10"), 90);
	ASSERT_U64(r, "psi", "memory", "full_total", 1000000);
	assert_false(HAS(r, "psi", "irq", "some_total"));
	ASSERT_U64(r, "psi", "irq", "full_total", 77000);
	fixture_run_destroy(run);
}

static void psi_hostile(void **state)
{
	char *root = scratch("modern"), path[128];
	struct fixture_run *run = fixture_run_create(&psi_collector, root);
	struct recorder *r;

	(void)state;
	fixture_write_string(root, "proc/pressure/cpu",
			     "some avg10=nan avg60=-1.0 avg300=1e9 total=18446744073709551615\n"
			     "full total=5 avg10=3.25 total=x\nother total=9\n\nsome\n");
	r = fixture_run_sample(run);
	assert_false(HAS(r, "psi", "cpu", "some_avg10"));
	assert_false(HAS(r, "psi", "cpu", "some_avg60"));
	assert_false(HAS(r, "psi", "cpu", "some_total"));
	ASSERT_U64(r, "psi", "cpu", "full_total", 5000);
	ASSERT_NEAR(F64(r, "psi", "cpu", "full_avg10"), 3.25);
	ASSERT_U64(r, "psi", "io", "some_total", 9000000000);
	/* One that cannot be read takes nothing with it. */
	snprintf(path, sizeof(path), "%s/proc/pressure/io", root);
	fixture_run_destroy(run);
	unlink(path);
	fixture_write_string(root, "proc/pressure/io/is_a_folder", "");
	run = fixture_run_create(&psi_collector, root);
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "psi"), 4);
	assert_int_equal(recorder_cell(r, "psi", ROW(r, "psi", "io"), "some_total")->state, RECORDED_UNREAD);
	ASSERT_U64(r, "psi", "memory", "some_total", 2000000);
	fixture_run_destroy(run);
	scratch_free(root);
}

static void psi_missing(void **state)
{
	struct fixture_host host;
	struct culprit_error error = {""};
	char path[4096];

	(void)state;
	fixture_host_init(&host, fixture_path(path, sizeof(path), "old"));
	assert_int_equal(psi_collector.probe(&host.host, &error), -ENOENT);
	assert_non_null(strstr(error.sentence, "CONFIG_PSI"));
	fixture_host_finish(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_modern), cmocka_unit_test(memory_old),	  cmocka_unit_test(memory_hostile),
		cmocka_unit_test(memory_live),	 cmocka_unit_test(vmstat_modern), cmocka_unit_test(vmstat_old),
		cmocka_unit_test(psi_modern),	 cmocka_unit_test(psi_hostile),	  cmocka_unit_test(psi_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
