/* Marks beside a recording: what is written is read again, whatever its bytes; what others wrote is kept; what is none is
 * refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "error.h"
#include "marks.h"

static char dir[64], file[128], side[160];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/culprit-marks-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/a.rec", dir);
	snprintf(side, sizeof(side), "%s.marks", file);
	return 0;
}

static int tear_down(void **state)
{
	char lock[200];

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", side);
	unlink(side);
	unlink(lock);
	rmdir(dir);
	return 0;
}

static void write_side(const char *text, size_t n)
{
	FILE *f = fopen(side, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void marks_are_kept(void **state)
{
	static const char hostile[] = "\x1b]0;x\x07 \xff \\x41 \n second \xe2\x80\xae";
	struct culprit_error error;
	struct marks *a, *b;
	struct stat st;

	(void)state;
	a = marks_open(file, &error);
	b = marks_open(file, &error);
	assert_int_equal(marks_count(a), 0);
	assert_int_equal(marks_add(a, 2000000000123456789, hostile, &error), 0);
	/* The other has not seen that: it is kept all the same. */
	assert_int_equal(marks_add(b, 1000000000000000001, "earlier", &error), 0);
	assert_int_equal(marks_count(b), 2);
	assert_int_equal(stat(side, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	marks_destroy(a);
	marks_destroy(b);
	a = marks_open(file, &error);
	assert_int_equal(marks_count(a), 2);
	assert_string_equal(marks_at(a, 0)->text, "earlier");
	assert_int_equal(marks_at(a, 0)->wall_ns, 1000000000000000001);
	assert_string_equal(marks_at(a, 1)->text, hostile);
	assert_int_equal(marks_at(a, 1)->wall_ns, 2000000000123456789);
	marks_destroy(a);
}

static void what_is_none_is_refused(void **state)
{
	static const char head[] = "culprit-marks 1\n\n \n2026 x\n2026-03-01T14:00:00Z ";
	static const char newer[] = "culprit-marks 2\n", other[] = "#!/bin/sh\n";
	char lock[200], junk[4096];
	struct culprit_error error;
	struct marks *m;

	(void)state;
	write_side(newer, strlen(newer));
	assert_null(marks_open(file, &error));
	assert_non_null(strstr(error.sentence, "newer"));
	write_side(other, strlen(other));
	assert_null(marks_open(file, &error));
	assert_non_null(strstr(error.sentence, "no marks"));
	/* Lines that say nothing, times that are none, a text that is too long, an end without a newline. */
	memset(junk, 'x', sizeof(junk));
	memcpy(junk, head, strlen(head));
	write_side(junk, sizeof(junk));
	m = marks_open(file, &error);
	assert_int_equal(marks_count(m), 1);
	assert_int_equal(strlen(marks_at(m, 0)->text), MARKS_TEXT_MAX);
	/* Somebody died while writing. */
	snprintf(lock, sizeof(lock), "%s.lock", side);
	fclose(fopen(lock, "w"));
	assert_int_equal(marks_add(m, 1, "x", &error), -EBUSY);
	assert_non_null(strstr(error.sentence, "remove it"));
	unlink(lock);
	/* Not through a link. */
	unlink(side);
	assert_int_equal(symlink("/etc/passwd", side), 0);
	assert_true(marks_add(m, 1, "x", &error) < 0);
	marks_destroy(m);
	assert_null(marks_open(file, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(marks_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_none_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
