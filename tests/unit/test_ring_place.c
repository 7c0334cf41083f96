/* Which rings are believed: whose they are, who may write them, what they are; and which of several is taken. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ring_layout.h"
#include "ring_place.h"
#include "unit/pattern.h"

enum { WRITER = 77, OTHER = 12345 };

static char folder[64], path[128];

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/culprit-place-XXXXXX");
	assert_non_null(mkdtemp(folder));
	setenv("CULPRIT_RUNTIME_DIR", folder, 1);
	snprintf(path, sizeof(path), "%s/ring", folder);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* A ring of this name whose writer is gone, with one segment. */
static void leave_ring(const char *name, uint64_t seq)
{
	pid_t child = fork();
	int status;

	if (!child) {
		struct ring *ring = ring_create(RING_BUDGET_MIN, folder, name, NULL);
		struct sink *sink = ring ? ring_sink(ring, NULL) : NULL;

		_exit(sink && !pattern_segment(sink, WRITER, seq, 2, 1024, 64) ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void refused(const char *name, const char *why)
{
	struct culprit_error error = {""};
	struct source *source = ring_attach(name, &error);

	if (source)
		fail_msg("%s was taken", name);
	if (!strstr(error.sentence, why))
		fail_msg("%s", error.sentence);
}

static void taken(const char *name)
{
	struct culprit_error error = {""};
	struct source *source = ring_attach(name, &error);

	if (!source)
		fail_msg("%s", error.sentence);
	source_destroy(source);
}

static void test_trust(void **state)
{
	char other[128];

	(void)state;
	refused("ring", "record --ring ring");
	leave_ring("ring", 1);
	taken("ring");
	taken(path);
	chmod(path, 0660);
	refused("ring", "group may write");
	refused(path, "group may write");
	chmod(path, 0642);
	refused("ring", "everybody may write");
	chmod(path, 0644);
	taken("ring");
	chmod(folder, 0777);
	refused("ring", "everybody may write");
	chmod(folder, 0775);
	refused("ring", "group may write");
	chmod(folder, 0755);
	snprintf(other, sizeof(other), "%s/other", folder);
	assert_int_equal(symlink(path, other), 0);
	refused("other", "symbolic link");
	refused(other, "symbolic link");
	unlink(other);
	assert_int_equal(mkfifo(other, 0600), 0);
	refused("other", "no regular file");
	unlink(other);
	assert_int_equal(mkdir(other, 0700), 0);
	refused("other", "no regular file");
	rmdir(other);
	for (size_t i = 0; i < 5; i++) {
		static const char *const names[] = {"", "../ring", "a b", ".ring.lock", "-x"};

		refused(names[i], i == 1 ? "cannot be opened" : "no ring is named");
	}
	if (geteuid()) {
		print_message("skip: rings of others: needs root to make them\n");
		return;
	}
	assert_int_equal(chown(path, OTHER, (gid_t)-1), 0);
	refused("ring", "another user");
	refused(path, "another user");
	assert_int_equal(chown(path, 0, (gid_t)-1), 0);
	assert_int_equal(chown(folder, OTHER, (gid_t)-1), 0);
	refused("ring", "another user");
	assert_int_equal(chown(folder, 0, (gid_t)-1), 0);
	taken("ring");
}

static void test_bytes(void **state)
{
	static const struct {
		off_t at;
		const char *bytes;
		size_t n;
		const char *why;
	} cases[] = {
		{0, "CULPRINT", 8, "not a ring"},
		{8, "\x08\x07\x06\x05\x04\x03\x02\x09", 8, "byte order"},
		{16, "\x02", 1, "another version"},
		{64, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8, "damaged"},
		{1024 + 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "damaged"},
		{1024 + 24, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "damaged"},
		{RING_HEADER_SIZE + 24, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "damaged"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd;

		unlink(path);
		leave_ring("ring", 1);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, cases[i].bytes, cases[i].n, cases[i].at), cases[i].n);
		close(fd);
		refused("ring", cases[i].why);
	}
	for (off_t size = 0; size < (off_t)RING_BUDGET_MIN; size = size * 3 + 50) {
		unlink(path);
		leave_ring("ring", 1);
		assert_int_equal(truncate(path, size), 0);
		refused("ring", size ? "it" : "not a ring");
	}
	/* Larger than it says is no harm. */
	unlink(path);
	leave_ring("ring", 1);
	assert_int_equal(truncate(path, RING_BUDGET_MIN + 12345), 0);
	taken("ring");
}

static void test_find(void **state)
{
	struct ring_found found[RING_FOUND_MAX];
	struct culprit_error why = {""};
	struct ring *ring;
	struct sink *sink;
	char other[128];

	(void)state;
	assert_int_equal(ring_find(found, RING_FOUND_MAX, &why), 0);
	assert_string_equal(why.sentence, "");
	assert_null(ring_attach_best(&why));
	assert_non_null(strstr(why.sentence, "record --ring"));
	leave_ring("old", 3);
	leave_ring("older", 1);
	ring = ring_create(RING_BUDGET_MIN, folder, "alive", &why);
	sink = ring_sink(ring, &why);
	assert_int_equal(pattern_segment(sink, WRITER, 2, 2, 1024, 64), 0);
	snprintf(other, sizeof(other), "%s/zz", folder);
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(ring_find(found, RING_FOUND_MAX, &why), 3);
	assert_non_null(strstr(why.sentence, "zz"));
	assert_non_null(strstr(found[0].path, "/alive"));
	assert_true(found[0].status.live);
	assert_non_null(strstr(found[1].path, "/old"));
	assert_false(found[1].status.live);
	assert_non_null(strstr(found[2].path, "/older"));
	assert_int_equal(ring_find(found, 2, &why), 2);
	sink->ops->destroy(sink);
	ring_unlock(ring);
}

static void test_folder(void **state)
{
	char made[RING_PATH_MAX], own[128];
	struct culprit_error error = {""};
	struct stat st;

	(void)state;
	assert_int_equal(ring_folder_make(made, sizeof(made), &error), 0);
	assert_string_equal(made, folder);
	chmod(folder, 0777);
	assert_int_equal(ring_folder_make(made, sizeof(made), &error), -EPERM);
	assert_non_null(strstr(error.sentence, "everybody"));
	chmod(folder, 0755);
	snprintf(own, sizeof(own), "%s/deeper", folder);
	setenv("CULPRIT_RUNTIME_DIR", own, 1);
	assert_int_equal(ring_folder_make(made, sizeof(made), &error), 0);
	assert_int_equal(stat(own, &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0755, 0);
	rmdir(own);
	assert_int_equal(symlink("/tmp", own), 0);
	assert_true(ring_folder_make(made, sizeof(made), &error) < 0);
	setenv("CULPRIT_RUNTIME_DIR", "/nonexistent/culprit", 1);
	assert_true(ring_folder_make(made, sizeof(made), &error) < 0);
	assert_non_null(strstr(error.sentence, "/nonexistent/culprit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_trust, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_folder, set_up, tear_down),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
