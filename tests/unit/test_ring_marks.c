/* Marks that consoles ask a recorder to set. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring_marks.h"

static char folder[64], ring[96], side[96];
static char got[8192];

static void take(void *of, const char *kind, const char *text)
{
	size_t n = strlen(got);

	(void)of;
	snprintf(got + n, sizeof(got) - n, "[%s|%s]", kind, text);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/culprit-marks-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(ring, sizeof(ring), "%s/box", folder);
	snprintf(side, sizeof(side), "%s/.box.marks", folder);
	got[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(side);
	return rmdir(folder);
}

static void marks_are_handed_over_once(void **state)
{
	static const char hostile[] = "\x1b]0;x\x07 \xff \\x41 \n action killed";
	struct culprit_error error = {""};
	struct ring_marks m;
	char want[300];

	(void)state;
	assert_int_equal(ring_marks_put(ring, "user", "to nobody", &error), -ENOENT);
	assert_non_null(strstr(error.sentence, "recorder box takes no marks"));
	assert_int_equal(ring_marks_open(&m, folder, "box", &error), 0);
	ring_marks_take(&m, take, NULL);
	assert_string_equal(got, "");
	assert_int_equal(ring_marks_put(ring, "user", "deploy began", &error), 0);
	assert_int_equal(ring_marks_put(ring, "action", hostile, &error), 0);
	ring_marks_take(&m, take, NULL);
	snprintf(want, sizeof(want), "[user|deploy began][action|%s]", hostile);
	assert_string_equal(got, want);
	got[0] = '\0';
	ring_marks_take(&m, take, NULL);
	assert_string_equal(got, "");
	/* What a recorder before did not take is of another time. */
	assert_int_equal(ring_marks_put(ring, "user", "late", &error), 0);
	close(m.fd);
	assert_int_equal(ring_marks_open(&m, folder, "box", &error), 0);
	ring_marks_take(&m, take, NULL);
	assert_string_equal(got, "");
	ring_marks_close(&m);
	ring_marks_close(&m);
	assert_int_equal(ring_marks_put(ring, "user", "after it", &error), -ENOENT);
}

/* Of what nobody takes so much is kept as a recorder takes at once. */
static void not_without_end(void **state)
{
	struct culprit_error error = {""};
	struct ring_marks m;
	char text[400];
	int n = 0, r = 0;

	(void)state;
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(ring_marks_open(&m, folder, "box", &error), 0);
	while (n < 1000 && !(r = ring_marks_put(ring, "user", text, &error)))
		n++;
	assert_int_equal(r, -EBUSY);
	assert_true(n >= 10);
	ring_marks_take(&m, take, NULL);
	assert_int_equal(strlen(got), n * (strlen("[user|]") + 200));
	assert_int_equal(ring_marks_put(ring, "user", "again", &error), 0);
	/* Lines that are none. */
	got[0] = '\0';
	assert_int_equal(ftruncate(m.fd, 0), 0);
	assert_int_equal(pwrite(m.fd, "\nuser\nuser \nroot x\nuserx y\naction z\nuser half", 44, 0), 44);
	ring_marks_take(&m, take, NULL);
	assert_string_equal(got, "[user|][action|z]");
	ring_marks_close(&m);
}

static void of_its_owner_alone(void **state)
{
	struct culprit_error error = {""};
	struct ring_marks m;
	struct stat st;
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(ring_marks_open(&m, folder, "box", &error), 0);
	assert_int_equal(stat(side, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	if (!geteuid()) {
		assert_int_equal(chmod(folder, 0755), 0);
		child = fork();
		if (!child)
			_exit(setuid(54321) || ring_marks_put(ring, "user", "x", &error) != -EACCES || !strstr(error.sentence, "owner"));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	ring_marks_close(&m);
	/* Not through a link, in either direction. */
	assert_int_equal(symlink("/etc/passwd", side), 0);
	assert_true(ring_marks_open(&m, folder, "box", &error) < 0);
	assert_int_equal(m.fd, -1);
	assert_true(ring_marks_put(ring, "user", "x", &error) < 0);
	ring_marks_take(&m, take, NULL);
	ring_marks_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(marks_are_handed_over_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_without_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_its_owner_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
