/* The parsers of the files below /proc/PID. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "task_parse.h"
#include "task_text.h"

#define TODAY                                                                                                          \
	" S 1 2 3 34817 5 4194560 10 11 12 13 14 15 16 17 -51 -5 7 0 181899 3133440 409 18446744073709551615 "         \
	"94561654738944 94561654758825 140732608160112 0 0 0 0 0 0 0 0 0 17 1 99 2 42 43 44 48 49 50 51 52 53 54 0\n"

static int parse(const char *text, struct task_stat *s)
{
	return task_parse_stat(text, strlen(text), s);
}

static void stat_fields(void **state)
{
	struct task_stat s;

	(void)state;
	assert_int_equal(parse("6905 (cat)" TODAY, &s), 0);
	assert_int_equal(s.id, 6905);
	assert_int_equal(s.comm_len, 3);
	assert_memory_equal(s.comm, "cat", 3);
	assert_int_equal(s.state, 'S');
	assert_int_equal(s.ppid, 1);
	assert_int_equal(s.tty, 34817);
	assert_int_equal(s.flags, 4194560);
	assert_int_equal(s.min_faults, 10);
	assert_int_equal(s.maj_faults, 12);
	assert_int_equal(s.utime, 14);
	assert_int_equal(s.stime, 15);
	assert_int_equal(s.cutime, 16);
	assert_int_equal(s.cstime, 17);
	assert_int_equal(s.priority, -51);
	assert_int_equal(s.nice, -5);
	assert_int_equal(s.threads, 7);
	assert_int_equal(s.start, 181899);
	assert_int_equal(s.vsize, 3133440);
	assert_int_equal(s.rss_pages, 409);
	assert_int_equal(s.start_code, 94561654738944);
	assert_int_equal(s.processor, 1);
	assert_int_equal(s.rt_priority, 99);
	assert_int_equal(s.policy, 2);
	assert_int_equal(s.blkio_ticks, 42);
	assert_int_equal(s.guest_ticks, 43);
	assert_int_equal(s.fields, 52);
}

static void stat_hostile_names(void **state)
{
	static const char *const names[] = {
		"a) S 1 2", ") R 99",	"(((", ")))", "\x1b[2J",
		"a\nb) Z",  "\xff\xfe", "",    " ",   ") S 1 1 1 1 1 1 1 1 1 1",
	};
	struct task_stat s;
	char line[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), "77 (%s)%s", names[i], TODAY);
		assert_int_equal(parse(line, &s), 0);
		assert_int_equal(s.comm_len, strlen(names[i]));
		assert_memory_equal(s.comm, names[i], strlen(names[i]));
		assert_int_equal(s.state, 'S');
		assert_int_equal(s.start, 181899);
		assert_int_equal(s.policy, 2);
	}
}

/* A name longer than any kernel's is cut, not overrun. */
static void stat_long_name(void **state)
{
	struct task_stat s;
	char line[1024], name[301];

	(void)state;
	memset(name, 'x', 300);
	name[300] = '\0';
	snprintf(line, sizeof(line), "77 (%s)%s", name, TODAY);
	assert_int_equal(parse(line, &s), 0);
	assert_int_equal(s.comm_len, TASK_COMM_MAX);
	assert_int_equal(s.start, 181899);
}

/* Cut anywhere: refused, or fewer fields, and never half a number. */
static void stat_truncated(void **state)
{
	static const char whole[] = "6905 (cat)" TODAY;
	struct task_stat full, s;
	unsigned refused = 0;

	(void)state;
	assert_int_equal(parse(whole, &full), 0);
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, whole, n);
		if (task_parse_stat(copy, n, &s) != 0) {
			refused++;
			free(copy);
			continue;
		}
		free(copy);
		assert_true(s.fields >= 24 && s.fields <= 52);
		assert_int_equal(s.start, full.start);
		assert_int_equal(s.rss_pages, full.rss_pages);
		assert_true(s.start_code == 0 || s.start_code == full.start_code);
		assert_true(s.guest_ticks == 0 || s.guest_ticks == full.guest_ticks);
		assert_true(s.policy == 0 || s.policy == full.policy);
		assert_true(s.rt_priority == 0 || s.rt_priority == full.rt_priority);
	}
	assert_true(refused > 60);
	assert_int_equal(parse("", &s), -EBADMSG);
	assert_int_equal(parse("garbage", &s), -EBADMSG);
	assert_int_equal(parse("0 (x)" TODAY, &s), -EBADMSG);
	assert_int_equal(parse(")1 (x", &s), -EBADMSG);
}

/* Linux 2.6.18: 42 fields; and the memory that a race made negative. */
static void stat_old_kernel(void **state)
{
	struct task_stat s;

	(void)state;
	assert_int_equal(
		parse("9 (init) S 0 1 1 0 -1 256 1 2 3 4 5 6 7 8 16 0 1 0 99 4096 -3 4294967295 1 2 3 4 5 0 0 0 0 0 "
		      "0 0 17 3 0 0 8\n",
		      &s),
		0);
	assert_int_equal(s.fields, 42);
	assert_int_equal(s.start, 99);
	assert_int_equal(s.rss_pages, 0);
	assert_int_equal(s.processor, 3);
	assert_int_equal(s.blkio_ticks, 8);
	assert_int_equal(s.arg_start, 0);
}

static const char status_text[] =
	"Name:\tcat\nUmask:\t0022\nState:\tR (running)\nTgid:\t6905\nPid:\t6905\nPPid:\t1\n"
	"TracerPid:\t12\nUid:\t1000\t1001\t1002\t1003\nGid:\t0\t0\t0\t0\nNSpid:\t6905\t7\n"
	"VmHWM:\t    1748 kB\nVmRSS:\t    1748 kB\nRssAnon:\t     112 kB\nRssFile:\t    1636 kB\n"
	"RssShmem:\t       0 kB\nVmSwap:\t       8 kB\nThreads:\t1\n"
	"voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t4\n";

static void status(void **state)
{
	struct task_status s;

	(void)state;
	task_parse_status(status_text, sizeof(status_text) - 1, &s);
	assert_int_equal(s.have, (1u << 10) - 1);
	assert_int_equal(s.uid, 1001);
	assert_int_equal(s.rss_peak, 1748 * 1024);
	assert_int_equal(s.rss_anon, 112 * 1024);
	assert_int_equal(s.rss_file, 1636 * 1024);
	assert_int_equal(s.rss_shmem, 0);
	assert_int_equal(s.swap, 8192);
	assert_int_equal(s.ns_pid, 7);
	assert_int_equal(s.ns_pids, 2);
	assert_int_equal(s.tracer, 12);
	assert_int_equal(s.voluntary, 5);
	assert_int_equal(s.involuntary, 4);
	for (size_t n = 0; n < sizeof(status_text) - 1; n++) {
		struct task_status part;

		task_parse_status(status_text, n, &part);
		assert_true(!(part.have & TASK_HAVE_SWAP) || part.swap == 8192);
		assert_true(!(part.have & TASK_HAVE_INVOLUNTARY) || part.involuntary == 4);
		assert_false(part.have & TASK_HAVE_INVOLUNTARY);
	}
	/* The name is the owner's: it may look like a line. */
	task_parse_status("VmSwap: 99 kB\nVmSwap:\t1 kB\n", 28, &s);
	assert_int_equal(s.swap, 1024);
}

static void io(void **state)
{
	static const char text[] = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n"
				   "cancelled_write_bytes: 7\n";
	struct task_io s;

	(void)state;
	task_parse_io(text, sizeof(text) - 1, &s);
	assert_int_equal(s.have, (1u << TASK_IO_FIELDS) - 1);
	for (unsigned i = 0; i < TASK_IO_FIELDS; i++)
		assert_int_equal(s.v[i], i + 1);
	task_parse_io("write_bytes: 6\nnonsense\nrchar: 1\nwchar: 2", 42, &s);
	assert_int_equal(s.have, 1u << TASK_WRITE_BYTES | 1u << TASK_RCHAR);
	task_parse_io("", 0, &s);
	assert_int_equal(s.have, 0);
}

static void schedstat(void **state)
{
	struct task_schedstat s;

	(void)state;
	assert_int_equal(task_parse_schedstat("1212965 921106 5\n", 17, &s), 0);
	assert_int_equal(s.run_time, 1212965);
	assert_int_equal(s.run_delay, 921106);
	assert_int_equal(s.timeslices, 5);
	assert_int_equal(task_parse_schedstat("1 2 35", 6, &s), -EBADMSG);
	assert_int_equal(task_parse_schedstat("1 2\n", 4, &s), -EBADMSG);
	assert_int_equal(task_parse_schedstat("", 0, &s), -EBADMSG);
}

static void check_cgroup(const char *text, const char *expect)
{
	size_t len;
	const char *path = task_parse_cgroup(text, strlen(text), &len);

	if (!expect) {
		assert_null(path);
		return;
	}
	assert_non_null(path);
	assert_int_equal(len, strlen(expect));
	assert_memory_equal(path, expect, len);
}

static void cgroup(void **state)
{
	(void)state;
	check_cgroup("0::/system.slice/x.service\n", "/system.slice/x.service");
	check_cgroup("0::/\n", "/");
	/* v1 only: cpu before memory before systemd, whatever their order. */
	check_cgroup("4:memory:/m\n3:cpuset:/s\n2:cpuacct,cpu:/c\n1:name=systemd:/y\n", "/c");
	check_cgroup("4:memory:/m\n1:cpu:/\n0::/\n", "/m");
	/* Hybrid: the unified path wins where it says something. */
	check_cgroup("4:memory:/m\n1:cpu:/c\n0::/u\n", "/u");
	check_cgroup("9:name=systemd:/\n4:memory:/a/b\n1:cpu:/\n0::/\n", "/a/b");
	check_cgroup("9:name=systemd:/sd\n8:pids:/p\n", "/sd");
	check_cgroup("3:cpuset:/only\n", NULL);
	check_cgroup("0::/with:colon and blank\n", "/with:colon and blank");
	check_cgroup("", NULL);
	check_cgroup("0:", NULL);
	check_cgroup("0::", NULL);
	check_cgroup(":::::\n\n", NULL);
}

static void limits(void **state)
{
	uint64_t v = 0;
	const char *text = "Limit                     Soft Limit           Hard Limit           Units     \n"
			   "Max open files            1024                 524288               files     \n";

	(void)state;
	assert_int_equal(task_parse_limits(text, strlen(text), &v), 0);
	assert_int_equal(v, 1024);
	text = "Max open files            unlimited            unlimited            files     \n";
	assert_int_equal(task_parse_limits(text, strlen(text), &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(task_parse_limits("Max open files     10", 21, &v), -EBADMSG);
	assert_int_equal(task_parse_limits("", 0, &v), -EBADMSG);
}

static void cmdline(void **state)
{
	char a[] = "sleep\0"
		   "100\0\0\0",
	     b[] = "\0\0", c[] = "one";

	(void)state;
	assert_int_equal(task_join_cmdline(a, sizeof(a) - 1), 9);
	assert_memory_equal(a, "sleep 100", 9);
	assert_int_equal(task_join_cmdline(b, 2), 0);
	assert_int_equal(task_join_cmdline(c, 3), 3);
	assert_int_equal(task_join_cmdline(NULL, 0), 0);
}

static void check_tty(int32_t device, const char *expect)
{
	char buf[32];
	size_t n = task_tty_name(device, buf, sizeof(buf));

	assert_int_equal(n, strlen(expect));
	assert_memory_equal(buf, expect, n);
}

static void tty(void **state)
{
	(void)state;
	check_tty(0, "");
	check_tty(136 << 8 | 3, "pts/3");
	check_tty(137 << 8 | 1, "pts/257");
	check_tty(136 << 8 | 0x00100000 | 4, "pts/260"); /* minor 260 is split */
	check_tty(4 << 8 | 1, "tty1");
	check_tty(4 << 8 | 64, "ttyS0");
	check_tty(5 << 8 | 1, "console");
	check_tty(204 << 8 | 64, "204:64");
}

static void last_pid(void **state)
{
	uint32_t v = 0;

	(void)state;
	assert_true(task_parse_last_pid("0.02 0.06 0.03 2/91 12928\n", 26, &v));
	assert_int_equal(v, 12928);
	assert_false(task_parse_last_pid("0.02 0.06 0.03 2/91 129", 23, &v));
	assert_false(task_parse_last_pid("0.02 0.06", 9, &v));
	assert_false(task_parse_last_pid("", 0, &v));
}

static unsigned hides(const char *mounts)
{
	return task_parse_hidepid(mounts, strlen(mounts));
}

static void hidepid(void **state)
{
	(void)state;
	assert_int_equal(hides("sysfs /sys sysfs rw 0 0\nproc /proc proc rw,relatime 0 0\n"), 0);
	assert_int_equal(hides("proc /proc proc rw,relatime,hidepid=2 0 0\n"), 2);
	assert_int_equal(hides("proc /proc proc rw,gid=4,hidepid=invisible 0 0\n"), 2);
	assert_int_equal(hides("proc /proc proc rw,hidepid=noaccess,gid=4 0 0\n"), 1);
	assert_int_equal(hides("proc /proc proc rw,hidepid=ptraceable 0 0\n"), 4);
	assert_int_equal(hides("proc /proc proc rw,hidepid=99 0 0\n"), 0);
	assert_int_equal(hides("proc /proc proc rw,nothidepid=2 0 0\n"), 0);
	assert_int_equal(hides("proc /else proc rw,hidepid=2 0 0\n"), 0);
	assert_int_equal(hides("proc /proc proc rw,hidepid=2 0 0\nproc /proc proc rw 0 0\n"), 0);
	assert_int_equal(hides(""), 0);
}

static void pid(void **state)
{
	(void)state;
	assert_int_equal(task_parse_pid("1"), 1);
	assert_int_equal(task_parse_pid("4194304"), 4194304);
	assert_int_equal(task_parse_pid("2147483647"), 2147483647);
	assert_int_equal(task_parse_pid("2147483648"), 0);
	assert_int_equal(task_parse_pid("99999999999999999999"), 0);
	assert_int_equal(task_parse_pid("0"), 0);
	assert_int_equal(task_parse_pid("01"), 0);
	assert_int_equal(task_parse_pid("self"), 0);
	assert_int_equal(task_parse_pid("12a"), 0);
	assert_int_equal(task_parse_pid(""), 0);
}

static void texts(void **state)
{
	struct task_text_pool pool = {0};
	uint32_t a, b, held = 0;
	const char *s;
	size_t len;

	(void)state;
	a = task_text_hold(&pool, "/a", 2);
	b = task_text_hold(&pool, "", 0);
	assert_true(a && b && a != b);
	assert_int_equal(task_text_hold(&pool, "/a", 2), a);
	s = task_text_get(&pool, a, &len);
	assert_int_equal(len, 2);
	assert_memory_equal(s, "/a", 2);
	assert_int_equal(task_text_set(&pool, &held, "/a", 2), 1);
	assert_int_equal(task_text_set(&pool, &held, "/a", 2), 0);
	/* Texts that come and go take no room for ever. */
	for (int i = 0; i < 100000; i++) {
		char text[32];
		int n = snprintf(text, sizeof(text), "text %d", i);

		assert_int_equal(task_text_set(&pool, &held, text, (size_t)n), 1);
		s = task_text_get(&pool, held, &len);
		assert_int_equal(len, n);
		assert_memory_equal(s, text, len);
	}
	assert_true(pool.cap <= 512);
	s = task_text_get(&pool, a, &len);
	assert_memory_equal(s, "/a", 2);
	task_text_finish(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_fields),
		cmocka_unit_test(stat_hostile_names),
		cmocka_unit_test(stat_long_name),
		cmocka_unit_test(stat_truncated),
		cmocka_unit_test(stat_old_kernel),
		cmocka_unit_test(status),
		cmocka_unit_test(io),
		cmocka_unit_test(schedstat),
		cmocka_unit_test(cgroup),
		cmocka_unit_test(limits),
		cmocka_unit_test(cmdline),
		cmocka_unit_test(tty),
		cmocka_unit_test(last_pid),
		cmocka_unit_test(hidepid),
		cmocka_unit_test(pid),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
