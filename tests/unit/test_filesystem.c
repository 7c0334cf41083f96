/* Collector filesystem, and mountinfo. */
#include <errno.h>
#include <sys/statvfs.h>

#include "collector_test.h"
#include "mounts.h"

static void mount_lines(void **state)
{
	static const char *const bad[] = {
		"", "1", "1 2", "1 2 8:0", "1 2 8 / / rw - a b c", "1 2 8: / / rw - a b c", "1 2 :1 / / rw - a b c",
		"1 2 8:0 / / rw", "1 2 8:0 / / rw shared:1", "1 2 8:0 / / rw -", "1 2 8:0 / / rw - ext4",
		"x 2 8:0 / / rw - a b c", "1 2 8:0 / relative rw - a b c", "-1 2 8:0 / / rw - a b c",
	};
	const char *good = "36 35 98:7 /root /mnt\\040x rw,noatime master:1 propagate_from:2 - ext3 /dev/root ro,errors=continue";
	struct mount_line m;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (mount_parse(procfs_text(bad[i], strlen(bad[i])), &m))
			fail_msg("taken for a mount: %s", bad[i]);
	assert_true(mount_parse(procfs_text(good, strlen(good)), &m));
	assert_true(m.device == (98ull << 32 | 7));
	assert_true(procfs_is(&m.root, "/root") && procfs_is(&m.point, "/mnt\\040x") && procfs_is(&m.type, "ext3"));
	assert_true(procfs_is(&m.source, "/dev/root"));
	assert_true(mount_option(&m.options, "rw") && mount_option(&m.options, "noatime"));
	assert_false(mount_option(&m.options, "ro"));
	assert_true(mount_option(&m.super_options, "ro"));
	assert_false(mount_option(&m.super_options, "errors"));
	assert_false(mount_option(&m.super_options, ""));
}

static const struct culprit_statfs root_fs = {4096, 1000, 400, 350, 100, 40, 0};
static const struct culprit_statfs odd_fs = {UINT64_MAX, UINT64_MAX, 1, 0, 0, 0, 0};

static struct fixture_answer answers[] = {
	{CULPRIT_ASK_STATFS, "/", 0, &root_fs, sizeof(root_fs)},
	{CULPRIT_ASK_STATFS, "/var", 0, &odd_fs, sizeof(odd_fs)},
	{CULPRIT_ASK_STATFS, "/run", -EACCES, NULL, 0},
	{CULPRIT_ASK_STATFS, "/mnt/nfs", -ETIMEDOUT, NULL, 0},
	{CULPRIT_ASK_STATFS, "/mnt/tab\tand\\back", -EINPROGRESS, NULL, 0},
	{CULPRIT_ASK_STATFS, "/covered", 0, &root_fs, 3},
};

static void modern(void **state)
{
	struct fixture_run *run = run_on(&filesystem_collector, "modern");
	struct recorder *r;

	(void)state;
	fixture_run_host(run)->answers = answers;
	fixture_run_host(run)->nanswers = sizeof(answers) / sizeof(answers[0]);
	for (int i = 0; i < 3; i++) {
		r = fixture_run_sample(run);
		/* Without proc, sysfs, cgroup2, squashfs, the overlay, the bind mount of / and what is covered. */
		assert_int_equal(recorder_rows(r, "filesystem"), 6);
		ASSERT_TEXT(r, "filesystem", "/", "device", "/dev/nvme0n1p1");
		ASSERT_TEXT(r, "filesystem", "/", "fstype", "ext4");
		ASSERT_U64(r, "filesystem", "/", "size", 4096000);
		ASSERT_U64(r, "filesystem", "/", "free", 400 * 4096);
		ASSERT_U64(r, "filesystem", "/", "available", 350 * 4096);
		ASSERT_U64(r, "filesystem", "/", "inodes", 100);
		ASSERT_U64(r, "filesystem", "/", "inodes_free", 40);
		ASSERT_U64(r, "filesystem", "/", "read_only", 0);
		ASSERT_U64(r, "filesystem", "/var", "read_only", 1);
		assert_false(HAS(r, "filesystem", "/var", "size"));
		ASSERT_TEXT(r, "filesystem", "/mnt/nfs", "device", "server:/export one");
		assert_int_equal(recorder_cell(r, "filesystem", ROW(r, "filesystem", "/mnt/nfs"), "size")->state,
				 RECORDED_UNREAD);
		assert_non_null(strstr(
			recorder_cell(r, "filesystem", ROW(r, "filesystem", "/mnt/nfs"), "size")->text, "200 ms"));
		assert_non_null(strstr(recorder_cell(r, "filesystem", ROW(r, "filesystem", "/run"), "inodes")->text,
				       "permission"));
		/* Not answered yet is nothing at all, not even unread. */
		assert_int_equal(
			recorder_cell(r, "filesystem", ROW(r, "filesystem", "/mnt/tab\tand\\back"), "size")->state,
			RECORDED_ABSENT);
		ASSERT_TEXT(r, "filesystem", "/covered", "device", "/dev/new");
		assert_false(HAS(r, "filesystem", "/covered", "size"));
	}
	fixture_run_destroy(run);
}

/* An answer that comes too late for one sample counts in the next; meanwhile the old value stays, aging. */
static void late(void **state)
{
	struct fixture_answer answer = {CULPRIT_ASK_STATFS, "/", 0, &root_fs, sizeof(root_fs)};
	char *root = scratch(NULL);
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	fixture_write_string(root, "proc/self/mountinfo", "28 1 259:1 / / rw - ext4 /dev/sda1 rw\n");
	run = fixture_run_create(&filesystem_collector, root);
	fixture_run_host(run)->answers = &answer;
	fixture_run_host(run)->nanswers = 1;
	answer.err = -EINPROGRESS;
	r = fixture_run_sample(run);
	assert_false(HAS(r, "filesystem", "/", "size"));
	answer.err = 0;
	r = fixture_run_sample(run);
	ASSERT_U64(r, "filesystem", "/", "size", 4096000);
	answer.err = -EINPROGRESS;
	r = fixture_run_sample(run);
	ASSERT_U64(r, "filesystem", "/", "size", 4096000);
	assert_true(recorder_cell(r, "filesystem", ROW(r, "filesystem", "/"), "size")->kept);
	fixture_run_destroy(run);
	scratch_free(root);
}

/* Two thousand mounts: bounded, and said. */
static void many(void **state)
{
	char *root = scratch(NULL), *text = malloc(1 << 20), *p = text;
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 2000; i++)
		p += sprintf(p, "%d 1 300:%d / /mnt/%d rw - ext4 /dev/x%d rw\n", i + 2, i, i, i);
	fixture_write(root, "proc/self/mountinfo", text, (size_t)(p - text));
	run = fixture_run_create(&filesystem_collector, root);
	r = fixture_run_sample(run);
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "filesystem"), 1024);
	assert_int_equal(fixture_run_host(run)->logs, 1);
	fixture_run_destroy(run);
	scratch_free(root);
	free(text);
}

static void live(void **state)
{
	struct fixture_run *run = fixture_run_create(&filesystem_collector, NULL);
	struct recorder *r = fixture_run_sample(run);
	struct statvfs v;

	(void)state;
	if (!ROW(r, "filesystem", "/")) {
		print_message("skipped: / is none of the file systems that are listed\n");
		fixture_run_destroy(run);
		skip();
	}
	assert_int_equal(statvfs("/", &v), 0);
	ASSERT_U64(r, "filesystem", "/", "size", (uint64_t)v.f_frsize * v.f_blocks);
	ASSERT_U64(r, "filesystem", "/", "inodes", v.f_files);
	fixture_run_destroy(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mount_lines), cmocka_unit_test(modern), cmocka_unit_test(late),
		cmocka_unit_test(many),	       cmocka_unit_test(live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
