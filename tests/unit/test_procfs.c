/* Parsers and readers of collectors/procfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "procfs.h"

static struct procfs_text text(const char *s)
{
	return procfs_text(s, strlen(s));
}

static void lines_only_whole(void **state)
{
	struct procfs_text t = text("one 1\n\ntwo 2"), line;

	(void)state;
	assert_true(procfs_line(&t, &line));
	assert_true(procfs_is(&line, "one 1"));
	assert_true(procfs_line(&t, &line));
	assert_true(procfs_is(&line, ""));
	assert_false(procfs_line(&t, &line));
	assert_false(procfs_line(&t, &line));
	t = procfs_text(NULL, 0);
	assert_false(procfs_line(&t, &line));
}

static void numbers(void **state)
{
	struct procfs_text t = text("18446744073709551615 18446744073709551616 -5 12x 7");
	uint64_t v = 42;
	int64_t i;
	double d;

	(void)state;
	assert_true(procfs_u64(&t, &v));
	assert_true(v == UINT64_MAX);
	assert_false(procfs_u64(&t, &v));
	assert_false(procfs_u64(&t, &v));
	assert_false(procfs_u64(&t, &v));
	assert_true(procfs_u64(&t, &v));
	assert_int_equal(v, 7);
	assert_false(procfs_u64(&t, &v));

	t = text("-9223372036854775808 -9223372036854775809 9223372036854775808 -");
	assert_true(procfs_i64(&t, &i));
	assert_true(i == INT64_MIN);
	assert_false(procfs_i64(&t, &i));
	assert_false(procfs_i64(&t, &i));
	assert_false(procfs_i64(&t, &i));

	t = text("0000046e fFfFfFfFfFfFfFfF 12345678123456781 0x1");
	assert_true(procfs_hex(&t, &v));
	assert_int_equal(v, 0x46e);
	assert_true(procfs_hex(&t, &v));
	assert_true(v == UINT64_MAX);
	assert_false(procfs_hex(&t, &v));
	assert_false(procfs_hex(&t, &v));

	t = text("2.59 100 .5 5. -1.0 1e3 1.00000000000000000000");
	assert_true(procfs_decimal(&t, &d));
	assert_true(d > 2.589 && d < 2.591);
	assert_true(procfs_decimal(&t, &d));
	assert_true(d == 100.0);
	for (int n = 0; n < 5; n++)
		assert_false(procfs_decimal(&t, &d));

	assert_true(procfs_whole_u64("123\n", 4, &v));
	assert_int_equal(v, 123);
	assert_false(procfs_whole_u64("max\n", 4, &v));
	assert_false(procfs_whole_u64("\n", 1, &v));
}

static void lists_and_escapes(void **state)
{
	struct procfs_text t = text("/a\\040b\\134\\09\\4");
	char buf[64];
	size_t n = procfs_unescape(&t, buf, sizeof(buf));

	(void)state;
	assert_int_equal(n, strlen("/a b\\\\09\\4"));
	assert_memory_equal(buf, "/a b\\\\09\\4", n);
	assert_int_equal(procfs_unescape(&t, buf, 3), 3);
	t = text("0-3,8\n");
	assert_int_equal(procfs_cpu_list(&t), 5);
	t = text("3-0");
	assert_int_equal(procfs_cpu_list(&t), 0);
	t = text("0-18446744073709551615");
	assert_int_equal(procfs_cpu_list(&t), 0);
	t = text("0,,1");
	assert_int_equal(procfs_cpu_list(&t), 0);
}

static void keys(void **state)
{
	static const struct procfs_field fields[] = {
		{"MemTotal", 0, 0, 1024}, {"stall_never", PROCFS_IGNORE, 0, 0}, {"stall_", 1, 1, 0}, {"big", 2, 0, 1024},
	};
	struct procfs_values v;

	(void)state;
	procfs_values_clear(&v);
	assert_int_equal(procfs_fields(text("MemTotal:   10 kB\nMemTotalX: 1\nstall_a 2\nstall_never 100\nstall_b 3\n"
					    "big 18446744073709551615\n\n   \nstall_c"),
				       fields, PROCFS_COUNT(fields), &v),
			 4);
	assert_true(procfs_have(&v, 0) && procfs_have(&v, 1) && !procfs_have(&v, 2));
	assert_int_equal(v.v[0], 10240);
	assert_int_equal(v.v[1], 5);

	procfs_values_clear(&v);
	assert_int_equal(procfs_pairs(text("Ip: big\nIp: 3\nTcp: x stall_a big\nTcp: 1 -4 7\n"), "Tcp:", fields,
				      PROCFS_COUNT(fields), &v),
			 1);
	assert_int_equal(v.v[2], 7 * 1024);
	assert_false(procfs_have(&v, 1));
	procfs_values_clear(&v);
	assert_int_equal(procfs_pairs(text("Tcp: big\nUdp: 1\n"), "Tcp:", fields, PROCFS_COUNT(fields), &v), 0);
}

static void files(void **state)
{
	char dir[] = "/tmp/procfs-test-XXXXXX", path[64], buf[8];
	struct procfs_file f;
	struct procfs_buffer b;
	int fd, d;

	(void)state;
	assert_non_null(mkdtemp(dir));
	d = open(dir, O_RDONLY | O_DIRECTORY);
	procfs_file_init(&f, d, "x");
	assert_int_equal(procfs_file_read(&f, buf, sizeof(buf)), -ENOENT);
	snprintf(path, sizeof(path), "%s/x", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(write(fd, "0123456789\n", 11), 11);
	close(fd);
	assert_int_equal(procfs_file_read(&f, buf, sizeof(buf)), 8);
	assert_int_equal(procfs_read(d, "x", buf, 4), 4);
	assert_int_equal(procfs_read(d, ".", buf, 4), -EISDIR);
	procfs_buffer_init(&b);
	assert_int_equal(procfs_buffer_read(&b, &f), 0);
	assert_int_equal(b.len, 55000);
	assert_false(b.cut);
	assert_memory_equal(b.data + b.len - 11, "0123456789\n", 11);
	assert_int_equal(truncate(path, 600 << 20), 0);
	assert_int_equal(procfs_buffer_read(&b, &f), 0);
	assert_int_equal(b.len, PROCFS_BUFFER_MAX);
	assert_true(b.cut);
	procfs_buffer_finish(&b);
	procfs_file_finish(&f);
	procfs_file_finish(NULL);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(procfs_read(d, "x", buf, 4), -ESPIPE); /* and did not block */
	unlink(path);
	close(d);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_only_whole), cmocka_unit_test(numbers), cmocka_unit_test(lists_and_escapes),
		cmocka_unit_test(keys),		    cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
