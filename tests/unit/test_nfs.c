/* Collector nfs, on files as kernels write them, on cut and on hostile ones. */
#include "collector_test.h"

#define T "nfs"

static const char stats[] =
	"device /dev/vda1 mounted on / with fstype ext4\n"
	"device filer:/export/home mounted on /ho\\040me with fstype nfs4 statvers=1.1\n"
	"\topts:\trw,vers=4.2\n"
	"\tage:\t100\n"
	"\tbytes:\t10 20 0 0 4096 8192 1 2\n"
	"\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)\n"
	"\txprt:\ttcp 0 0 1 0 2 900 900 0 900 0 2 0 0\n"
	"\tper-op statistics\n"
	"\t        NULL: 1 1 0 44 24 5 0 5 0\n"
	"\t        READ: 100 103 1 16000 20000 50 400 460 0\n"
	"\t       WRITE: 10 10 0 90000 1000 0 900 1000 0\n"
	"\t     GETATTR: 20 20 0 1 1 0 10 12\n"
	"device proc mounted on /proc with fstype proc\n"
	"device filer:/old mounted on /old with fstype nfs statvers=1.1\n"
	"\tbytes:\t1 2\n"
	"\tper-op statistics\n"
	"\t        READ: 1 1\n"
	"\t       WRITE: 99999999999999999999 1 1 1 1 1 1 1\n"
	"device swapper:/x mounted on /cut with fstype nfs4 statvers=1.1\n"
	"\tbytes:\t1 2 3 4 5 ";

static struct fixture_run *with(char **ret_root, const char *text, bool nfs)
{
	*ret_root = scratch("modern");
	fixture_write_string(*ret_root, "proc/self/mountstats", text);
	if (nfs)
		fixture_write_string(*ret_root, "proc/fs/nfsfs/volumes", "");
	return fixture_run_create(&nfs_collector, *ret_root);
}

static void servers_are_rows(void **state)
{
	char *root;
	struct fixture_run *run = with(&root, stats, true);
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, T), 3);
	ASSERT_TEXT(r, T, "/ho me", "server", "filer:/export/home");
	ASSERT_U64(r, T, "/ho me", "ops", 131);
	ASSERT_U64(r, T, "/ho me", "retrans", 3);
	ASSERT_U64(r, T, "/ho me", "timeouts", 1);
	ASSERT_U64(r, T, "/ho me", "reads", 100);
	ASSERT_U64(r, T, "/ho me", "read_time", 460000000);
	ASSERT_U64(r, T, "/ho me", "writes", 10);
	ASSERT_U64(r, T, "/ho me", "write_time", 1000000000);
	ASSERT_U64(r, T, "/ho me", "read_bytes", 4096);
	ASSERT_U64(r, T, "/ho me", "write_bytes", 8192);
	ASSERT_U64(r, T, "/ho me", "queue_time", 55000000);
	/* What is cut or out of range is not there. */
	assert_false(HAS(r, T, "/old", "ops"));
	assert_false(HAS(r, T, "/cut", "read_bytes"));
	fixture_run_destroy(run);
	scratch_free(root);
}

static void a_kernel_without(void **state)
{
	char *root;
	struct fixture_run *run = with(&root, stats, false);
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, T), 0);
	fixture_run_destroy(run);
	scratch_free(root);
}

static void hostile_files(void **state)
{
	static const char letters[] = "device mounted on with fstype nfs4 READ: 0123456789\n\t\\";
	uint32_t seed = 5;

	(void)state;
	for (int round = 0; round < 40; round++) {
		char text[4096] = "device a mounted on /b with fstype nfs4 s=1\nper-op\n", *root;
		struct fixture_run *run;
		size_t n = strlen(text);

		while (n < sizeof(text) - 1) {
			seed = seed * 1664525 + 1013904223;
			text[n++] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		text[n] = '\0';
		run = with(&root, text, true);
		fixture_run_sample(run);
		fixture_run_destroy(run);
		scratch_free(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_rows),
		cmocka_unit_test(a_kernel_without),
		cmocka_unit_test(hostile_files),
	};

	return cmocka_run_group_tests_name("nfs", tests, NULL, NULL);
}
