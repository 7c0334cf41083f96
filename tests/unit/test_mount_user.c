/* Who uses a file system: by open files, working folder and program, in which mount namespace it may be; what lies elsewhere, or
 * nowhere, does not count. On a /proc that is made up, and on this machine's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mount_spaces.h"
#include "support/frame_recorder.h"

extern const struct culprit_collector mount_user_collector;

static const char machine[] = "1 0 254:1 / / rw - ext4 /dev/vda1 rw\n"
			      "2 1 254:2 / /var rw - ext4 /dev/vda2 rw\n"
			      "3 2 0:40 / /var/lib/tmp rw - tmpfs tmpfs rw\n"
			      "4 1 254:2 /www /srv/a\\040b rw - ext4 /dev/vda2 rw\n"
			      "not a mount at all\n"
			      "5 1 0:41 / /mnt rw - nfs server:/x rw\n";
static const char container[] = "10 0 0:50 / / rw - overlay overlay rw\n"
				"11 10 254:2 /volume /data rw - ext4 /dev/vda2 rw\n";

static void made_link(const char *root, const char *path, const char *to)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s/proc/%s", root, path);
	assert_int_equal(symlink(to, whole), 0);
}

static void made_process(const char *root, const char *pid, const char *comm, const char *space, const char *mounts)
{
	char path[128], text[256];

	snprintf(path, sizeof(path), "proc/%s/stat", pid);
	snprintf(text, sizeof(text), "%s (%s) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n", pid, comm);
	fixture_write_string(root, path, text);
	snprintf(path, sizeof(path), "proc/%s/mountinfo", pid);
	fixture_write_string(root, path, mounts);
	/* Their folders. */
	snprintf(path, sizeof(path), "proc/%s/ns/x", pid);
	fixture_write_string(root, path, "");
	snprintf(path, sizeof(path), "proc/%s/fd/.x", pid);
	fixture_write_string(root, path, "");
	snprintf(path, sizeof(path), "%s/ns/mnt", pid);
	made_link(root, path, space);
	snprintf(path, sizeof(path), "%s/exe", pid);
	made_link(root, path, "/usr/bin/x");
}

static void made_proc(const char *root)
{
	made_process(root, "1", "init", "mnt:[1]", machine);
	made_process(root, "self", "self", "mnt:[1]", machine);
	made_process(root, "812", "mysqld", "mnt:[1]", machine);
	made_link(root, "812/cwd", "/var/lib/mysql");
	made_link(root, "812/fd/0", "/dev/null");
	made_link(root, "812/fd/3", "/var/lib/mysql/a (deleted)");
	made_link(root, "812/fd/4", "/srv/a b/index.html");
	made_link(root, "812/fd/5", "/var/lib/tmp/x");
	made_link(root, "812/fd/6", "/variable");
	made_link(root, "812/fd/7", "socket:[77]");
	made_link(root, "812/fd/8", "/memfd:x (deleted)");
	made_process(root, "900", "sh", "mnt:[1]", machine);
	made_link(root, "900/cwd", "/var");
	made_process(root, "1204", "java", "mnt:[2]", container);
	made_link(root, "1204/cwd", "/");
	made_link(root, "1204/fd/1", "/data/log");
	made_link(root, "1204/fd/2", "/var/log");
}

static void paths_belong_to_file_systems(void **state)
{
	static const char *const wanted[] = {"/var", "/", "/nowhere"};
	static const struct {
		uint32_t pid;
		const char *path;
		int is;
	} cases[] = {{812, "/var", 0}, {812, "/var/x", 0}, {812, "/variable", 1}, {812, "/var/lib/tmp/x", -1}, {812, "/srv/a b/c", 0},
		     {812, "/srv/a b", 0}, {812, "/srv", 1}, {812, "/memfd:x (deleted)", -1}, {812, "/dmabuf:7", -1},
		     {812, "pipe:[7]", -1}, {812, "", -1}, {812, "/mnt/x", -1}, {1204, "/data/x", 0}, {1204, "/var/x", -1}};
	char root[64], path[96];
	struct mount_spaces *s;
	int fd;

	(void)state;
	fixture_temp(root, sizeof(root));
	made_proc(root);
	snprintf(path, sizeof(path), "%s/proc", root);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	s = mount_spaces_create(fd, wanted, 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mount_space *space = mount_spaces_of(s, cases[i].pid);

		assert_non_null(space);
		if (mount_space_find(space, cases[i].path, strlen(cases[i].path)) != cases[i].is)
			fail_msg("%s of %u: %d", cases[i].path, cases[i].pid, mount_space_find(space, cases[i].path, strlen(cases[i].path)));
	}
	assert_null(mount_spaces_of(s, 4711));
	mount_spaces_destroy(s);
	close(fd);
	fixture_remove(root);
}

static void want(void *self, const char *mount)
{
	struct culprit_interest list[] = {{.size = sizeof(list[0]), .table = "mount_use", .what = "rows", .text = mount},
					  {.size = sizeof(list[0]), .table = "mount_user", .what = "rows", .text = mount}};

	mount_user_collector.interests(self, list, mount ? 2 : 0);
}

/* Samples until the thread has looked; generously. */
static const struct recorded_row *wait_for(struct fixture_run *run, const char *key)
{
	for (int i = 0; i < 3000; i++) {
		const struct recorded_row *row = recorder_find(fixture_run_sample(run), "mount_use", key);

		assert_non_null(row);
		if (recorder_has(fixture_run_recorder(run), "mount_use", row, "processes"))
			return row;
		poll(NULL, 0, 10);
	}
	fail_msg("%s was not looked at", key);
	return NULL;
}

static void users_are_found(void **state)
{
	const struct recorded_row *row;
	struct fixture_run *run;
	struct recorder *r;
	char root[64];

	(void)state;
	fixture_temp(root, sizeof(root));
	made_proc(root);
	run = fixture_run_create(&mount_user_collector, root);
	r = fixture_run_recorder(run);
	assert_false(recorder_table(fixture_run_sample(run), "mount_use")->sampled);
	want(fixture_run_self(run), "/var");
	row = wait_for(run, "/var");
	assert_int_equal(recorder_u64(r, "mount_use", row, "processes"), 3);
	assert_int_equal(recorder_u64(r, "mount_use", row, "files"), 3);
	assert_int_equal(recorder_u64(r, "mount_use", row, "unseen"), 0);
	assert_int_equal(recorder_rows(r, "mount_user"), 3);
	row = recorder_find(r, "mount_user", "812 777 /var");
	assert_non_null(row);
	assert_string_equal(recorder_text(r, "mount_user", row, "comm"), "mysqld");
	assert_int_equal(recorder_u64(r, "mount_user", row, "files"), 2);
	assert_int_equal(recorder_cell(r, "mount_user", row, "works")->bits, true);
	assert_int_equal(recorder_cell(r, "mount_user", row, "runs")->bits, false);
	row = recorder_find(r, "mount_user", "1204 777 /var");
	assert_int_equal(recorder_u64(r, "mount_user", row, "files"), 1);
	/* Another one: what was known of the first is no answer. */
	want(fixture_run_self(run), "/mnt");
	assert_int_equal(recorder_rows(fixture_run_sample(run), "mount_user"), 0);
	row = recorder_find(r, "mount_use", "/mnt");
	assert_non_null(row);
	/* The thread may have looked already. */
	if (!recorder_has(r, "mount_use", row, "files"))
		assert_string_equal(recorder_cell(r, "mount_use", row, "files")->text, "open files are being looked through");
	row = wait_for(run, "/mnt");
	assert_int_equal(recorder_u64(r, "mount_use", row, "processes"), 0);
	/* Nobody looks: the rows end, then the tables rest. */
	want(fixture_run_self(run), NULL);
	assert_int_equal(recorder_rows(fixture_run_sample(run), "mount_use"), 0);
	assert_false(recorder_table(fixture_run_sample(run), "mount_use")->sampled);
	fixture_run_destroy(run);
	fixture_remove(root);
}

/* This process, here. */
static void we_use_the_root(void **state)
{
	struct fixture_run *run = fixture_run_create(&mount_user_collector, NULL);
	const struct recorded_row *row;
	char path[] = "/tmp/culprit-mount-user-XXXXXX", text[512], *mount;
	int fd = mkstemp(path);
	FILE *df;

	(void)state;
	assert_true(fd >= 0);
	snprintf(text, sizeof(text), "df --output=target %s | tail -1", path);
	df = popen(text, "r");
	mount = df ? fgets(text, sizeof(text), df) : NULL;
	assert_non_null(mount);
	pclose(df);
	mount[strcspn(mount, "\n")] = '\0';
	want(fixture_run_self(run), mount);
	row = wait_for(run, mount);
	assert_true(recorder_u64(fixture_run_recorder(run), "mount_use", row, "processes") >= 1);
	assert_true(recorder_u64(fixture_run_recorder(run), "mount_use", row, "files") >= 1);
	close(fd);
	unlink(path);
	fixture_run_destroy(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_belong_to_file_systems),
		cmocka_unit_test(users_are_found),
		cmocka_unit_test(we_use_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
