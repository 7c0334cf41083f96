/* Collector kmsg: the kernel log taken apart, on a file that stands in for the device, and on the real one. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "collector_test.h"
#include "kmsg.h"

static struct kmsg_record parsed(const char *line)
{
	struct kmsg_record r;

	if (!kmsg_parse(line, strlen(line), &r))
		fail_msg("no record: %s", line);
	return r;
}

static void lines(void **state)
{
	struct kmsg_record r = parsed("6,1234,5678901,-;usb 1-1: new device");

	(void)state;
	assert_int_equal(r.seq, 1234);
	assert_int_equal(r.time_us, 5678901);
	assert_int_equal(r.level, 6);
	assert_int_equal(r.facility, 0);
	assert_string_equal(kmsg_level_name(r.level), "info");
	assert_string_equal(kmsg_facility_name(r.facility), "kern");
	assert_int_equal(r.len, strlen("usb 1-1: new device"));
	/* More fields than there are today, and a text that holds what separates. */
	r = parsed("30,1,2,c,caller=T12;a,b;c");
	assert_string_equal(kmsg_facility_name(r.facility), "daemon");
	assert_memory_equal(r.text, "a,b;c", r.len);
	/* What the kernel escaped is bytes again; what only looks like it stays. */
	r = parsed("4,1,2,-;\\x1b[2J\\x5c \\xzz \\x1");
	assert_int_equal(r.len, strlen("\x1b[2J\\ \\xzz \\x1"));
	assert_memory_equal(r.text, "\x1b[2J\\ \\xzz \\x1", r.len);
}

static void classes(void **state)
{
	static const struct {
		const char *text, *class;
		bool incident;
	} told[] = {
		{"Out of memory: Killed process 812 (mysqld) total-vm:1kB, anon-rss:2kB", "oom", true},
		{"Memory cgroup out of memory: Killed process 9 (x) total-vm:1kB", "oom", true},
		{"java invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0", "oom", false},
		{"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=x,pid=1,uid=0", "oom", false},
		{"INFO: task jbd2/vda1-8:211 blocked for more than 120 seconds.", "hung", true},
		{"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [x:1]", "hung", true},
		{"rcu: INFO: rcu_sched self-detected stall on CPU", "hung", true},
		{"blk_update_request: I/O error, dev sda, sector 1", "io-error", true},
		{"Buffer I/O error on dev dm-0, logical block 1, lost async page write", "io-error", true},
		{"EXT4-fs error (device vda1): ext4_find_entry:1: inode #2: comm x", "io-error", true},
		{"EXT4-fs (vda1): Remounting filesystem read-only", "read-only", true},
		{"BTRFS info (device sdb): forced readonly", "read-only", true},
		{"nginx[61]: segfault at 0 ip 0000 sp 0000 error 4 in nginx[5+1]", "segfault", true},
		{"traps: x[1] general protection fault ip:1 sp:2 error:0 in x[3]", "segfault", true},
		{"BUG: kernel NULL pointer dereference, address: 0000", "bug", true},
		{"e1000e: eth0 NIC Link is Down", "link", true},
		{"IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready", "link", true},
		{"usb 1-1: new device", "other", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		char line[256];
		struct kmsg_record r;

		snprintf(line, sizeof(line), "4,1,2,-;%s", told[i].text);
		r = parsed(line);
		if (strcmp(kmsg_class_name(r.class), told[i].class) || r.incident != told[i].incident)
			fail_msg("%s: %s%s", told[i].text, kmsg_class_name(r.class), r.incident ? ", an incident" : "");
		/* A user who writes the same is not the kernel. */
		snprintf(line, sizeof(line), "12,1,2,-;%s", told[i].text);
		assert_string_equal(kmsg_class_name(parsed(line).class), "other");
	}
}

static void no_records(void **state)
{
	static const char *const bad[] = {
		"", ";", "6", "6,1", "6,1,2", "6,1,2,-", "-6,1,2,-;x", "6,x,2,-;x", "6,1,,-;x", ",1,2,-;x",
		"99999999999999999999,1,2,-;x", "6,99999999999999999999999,2,-;x", "0x6,1,2,-;x", "99999,1,2,-;x",
	};
	char longline[8000];
	struct kmsg_record r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (kmsg_parse(bad[i], strlen(bad[i]), &r))
			fail_msg("taken for a record: %s", bad[i]);
	memset(longline, 'x', sizeof(longline));
	memcpy(longline, "6,1,2,-;", 8);
	assert_true(kmsg_parse(longline, sizeof(longline), &r));
	assert_int_equal(r.len, KMSG_TEXT_MAX);
}

/* --- the collector on a file --- */

static void append(const char *root, const char *text, size_t n)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/dev/kmsg", root);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
}

static char *tree(const char *log)
{
	char *root = scratch(NULL);

	fixture_write_string(root, "proc/uptime", "1 1\n");
	fixture_write_string(root, "dev/kmsg", log);
	return root;
}

static void reads_on(void **state)
{
	char *root = tree("6,10,1000000,-;first\n SUBSYSTEM=scsi\n DEVICE=+scsi:0\n"
			  "4,11,2000000,-;Out of memory: Killed process 7 (x)\n"
			  "4,12,2000001,-;oom_reaper: reaped process 7 (x)\n");
	struct fixture_run *run = fixture_run_create(&kmsg_collector, root);
	const char *more = "3,15,9000000,-;I/O error, dev vda, sector 8\n4,16,9";
	struct recorder *r;

	(void)state;
	fixture_run_host(run)->mono_ns = 5000000000u;
	r = fixture_run_sample(run);
	/* In the second, see kmsg.c. */
	assert_int_equal(recorder_rows(r, "kernel_log"), 0);
	ASSERT_U64(r, "kernel_log_class", "oom", "events", 1);
	ASSERT_U64(r, "kernel_log_class", "oom", "last", 2000000000u);
	ASSERT_TEXT(r, "kernel_log_class", "oom", "text", "Out of memory: Killed process 7 (x)");
	ASSERT_U64(r, "kernel_log_class", "io-error", "events", 0);
	assert_false(HAS(r, "kernel_log_class", "io-error", "last"));
	fixture_run_host(run)->mono_ns = 6000000000u;
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "kernel_log"), 3);
	assert_string_equal(recorder_text(r, "kernel_log", &recorder_table(r, "kernel_log")->rows[0], "text"), "first");
	assert_string_equal(recorder_text(r, "kernel_log", &recorder_table(r, "kernel_log")->rows[1], "class"), "oom");
	assert_int_equal(recorder_u64(r, "kernel_log", &recorder_table(r, "kernel_log")->rows[2], "seq"), 12);
	assert_int_equal(recorder_table(r, "kernel_log")->lost, 0);
	/* 13 and 14 were overwritten; 16 is not whole yet. Their clock runs ahead: nothing was written in the future. */
	append(root, more, strlen(more));
	fixture_run_host(run)->mono_ns = 7000000000u;
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "kernel_log"), 1);
	assert_int_equal(recorder_table(r, "kernel_log")->lost, 2);
	ASSERT_U64(r, "kernel_log_class", "io-error", "last", 7000000000u);
	/* Now it is; its clock is known to be 2 s ahead. */
	append(root, "500000,-;late\n", 14);
	fixture_run_host(run)->mono_ns = 8000000000u;
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "kernel_log"), 1);
	assert_int_equal(recorder_u64(r, "kernel_log", &recorder_table(r, "kernel_log")->rows[0], "time"), 7500000000u);
	/* It lags: what is new was written since the last sample. */
	append(root, "6,17,9600000,-;lags\n", 20);
	fixture_run_host(run)->mono_ns = 20000000000u;
	r = fixture_run_sample(run);
	assert_int_equal(recorder_u64(r, "kernel_log", &recorder_table(r, "kernel_log")->rows[0], "time"), 8000000000u);
	fixture_run_destroy(run);
	scratch_free(root);
}

/* However much there is, a tick takes its share, and the newest of what was there before. */
static void bounded(void **state)
{
	char *root = tree(""), line[64];
	struct fixture_run *run;
	struct recorder *r;
	size_t total = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		append(root, line, (size_t)snprintf(line, sizeof(line), "6,%d,%d,-;line %d\n", i, i, i));
	run = fixture_run_create(&kmsg_collector, root);
	fixture_run_sample(run);
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "kernel_log"), 200);
	assert_string_equal(recorder_text(r, "kernel_log", &recorder_table(r, "kernel_log")->rows[0], "text"), "line 800");
	for (int i = 1000; i < 2300; i++)
		append(root, line, (size_t)snprintf(line, sizeof(line), "6,%d,%d,-;line %d\n", i, i, i));
	for (int i = 0; i < 4; i++) {
		r = fixture_run_sample(run);
		assert_true(recorder_rows(r, "kernel_log") <= 500);
		total += recorder_rows(r, "kernel_log");
		assert_int_equal(recorder_table(r, "kernel_log")->lost, 0);
	}
	assert_int_equal(total, 1300);
	fixture_run_destroy(run);
	scratch_free(root);
}

static void hostile(void **state)
{
	static const char worst[] = "\n6,1,18446744073709551615,-;far\n6,18446744073709551615,0,-;many\n6,0,0,-;\\x00\xff\x9b\n";
	static char junk[40000];
	char *root = tree("");
	struct fixture_run *run = fixture_run_create(&kmsg_collector, root);
	uint32_t random = 1;
	struct recorder *r;

	(void)state;
	fixture_run_sample(run);
	/* A line without end, bytes of all kinds, times from beyond: then a good one. */
	memset(junk, 'x', sizeof(junk));
	append(root, junk, sizeof(junk));
	append(root, "\n", 1);
	for (size_t i = 0; i < sizeof(junk); i++) {
		random = random * 1664525 + 1013904223;
		junk[i] = (char)(random >> 24);
	}
	append(root, junk, sizeof(junk));
	append(root, worst, sizeof(worst) - 1);
	for (int i = 0; i < 4; i++)
		r = fixture_run_sample(run);
	append(root, "6,5,1,-;good\n", 13);
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "kernel_log"), 1);
	assert_string_equal(recorder_text(r, "kernel_log", &recorder_table(r, "kernel_log")->rows[0], "text"), "good");
	fixture_run_destroy(run);
	scratch_free(root);
}

static void not_there(void **state)
{
	char *root = scratch(NULL);
	struct culprit_error error = {""};
	struct fixture_host host;

	(void)state;
	fixture_write_string(root, "proc/uptime", "1 1\n");
	fixture_host_init(&host, root);
	assert_int_equal(kmsg_collector.probe(&host.host, &error), -ENOENT);
	assert_non_null(strstr(error.sentence, "there is no /dev/kmsg here"));
	fixture_host_finish(&host);
	scratch_free(root);
}

/* What is written to the real one arrives, once, at its time. */
static void real(void **state)
{
	struct culprit_error error = {""};
	struct fixture_run *run;
	char text[96];
	uint64_t before, after, when = 0;
	struct fixture_host host;
	unsigned found = 0;
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC), err;

	(void)state;
	fixture_host_init(&host, NULL);
	err = kmsg_collector.probe(&host.host, &error);
	fixture_host_finish(&host);
	if (fd < 0 || err) {
		fprintf(stderr, "skipped: %s\n", err ? error.sentence : "/dev/kmsg cannot be written to: needs root");
		if (fd >= 0)
			close(fd);
		skip();
	}
	run = fixture_run_create(&kmsg_collector, NULL);
	for (int i = 0; i < 2; i++)
		fixture_run_sample(run);
	snprintf(text, sizeof(text), "culprit test of pid %d", (int)getpid());
	before = fixture_run_host(run)->host.now_ns(&fixture_run_host(run)->host, CULPRIT_MONOTONIC);
	/* Without its end it may be gone on with, and is nobody's to read. */
	strcat(text, "\n");
	assert_true(write(fd, text, strlen(text)) > 0);
	text[strlen(text) - 1] = 0;
	after = fixture_run_host(run)->host.now_ns(&fixture_run_host(run)->host, CULPRIT_MONOTONIC);
	close(fd);
	for (int i = 0; i < 3; i++) {
		const struct recorded_table *t = recorder_table(fixture_run_sample(run), "kernel_log");

		for (size_t k = 0; k < t->nrows; k++) {
			struct recorder *r = fixture_run_recorder(run);

			if (strcmp(recorder_text(r, "kernel_log", &t->rows[k], "text"), text))
				continue;
			found++;
			when = recorder_u64(r, "kernel_log", &t->rows[k], "time");
			assert_string_equal(recorder_text(r, "kernel_log", &t->rows[k], "facility"), "user");
		}
	}
	assert_int_equal(found, 1);
	/* Since the sample before it, and not after the one that found it: a minute is for machines that stall. */
	assert_true(when + 60000000000u > before && when < after + 60000000000u);
	fixture_run_destroy(run);
}

static void schema(void **state)
{
	(void)state;
	recorder_check_schema(&kmsg_collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema),   cmocka_unit_test(lines),   cmocka_unit_test(classes),
		cmocka_unit_test(no_records), cmocka_unit_test(reads_on), cmocka_unit_test(bounded),
		cmocka_unit_test(hostile),  cmocka_unit_test(not_there), cmocka_unit_test(real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
