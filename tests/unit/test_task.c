/* The collector of processes and threads on trees that the tests make: nothing of this machine is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/frame_recorder.h"

extern const struct culprit_collector task_collector;

enum { TICK = 10 * 1000 * 1000 }; /* ns, at 100 Hz */

struct world {
	char root[64];
	struct fixture_host host;
	struct recorder *recorder;
	void *self;
};

struct shape {
	const char *comm;
	char state;
	unsigned ppid, flags, threads, utime, stime, start, start_code, faults;
};

static void write_stat(const struct world *w, const char *path, unsigned id, const struct shape *s)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "%u (%s) %c %u 1 1 34817 1 %u %u 0 2 0 %u %u 3 4 20 0 %u 0 %u 8192000 100 18446744073709551615 %u 2 3 "
		 "0 0 0 "
		 "0 0 0 0 0 0 17 1 0 0 5 6 0 0 0 0 %u 0 %u 0 0\n",
		 id, s->comm ? s->comm : "worker", s->state ? s->state : 'S', s->ppid, s->flags, s->faults, s->utime,
		 s->stime, s->threads ? s->threads : 1, s->start, s->start_code, s->start_code, s->start_code);
	fixture_write_string(w->root, path, text);
}

/* A process with all its files, and its main thread's. */
static void write_process(const struct world *w, unsigned pid, const struct shape *s)
{
	char path[128];

	snprintf(path, sizeof(path), "proc/%u/stat", pid);
	write_stat(w, path, pid, s);
	snprintf(path, sizeof(path), "proc/%u/task/%u/stat", pid, pid);
	write_stat(w, path, pid, s);
	snprintf(path, sizeof(path), "proc/%u/status", pid);
	fixture_write_string(w->root, path,
			     "Name:\tx\nTracerPid:\t0\nUid:\t1000\t1001\t0\t0\nNSpid:\t9\nVmHWM:\t 40 kB\n"
			     "RssAnon:\t 4 kB\nRssFile:\t 8 kB\nRssShmem:\t 12 kB\nVmSwap:\t 16 kB\n"
			     "voluntary_ctxt_switches:\t70\nnonvoluntary_ctxt_switches:\t7\n");
	snprintf(path, sizeof(path), "proc/%u/io", pid);
	fixture_write_string(w->root, path,
			     "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n"
			     "cancelled_write_bytes: 7\n");
	snprintf(path, sizeof(path), "proc/%u/schedstat", pid);
	fixture_write_string(w->root, path, "1000 2000 30\n");
	snprintf(path, sizeof(path), "proc/%u/limits", pid);
	fixture_write_string(w->root, path,
			     "Max open files            1024                 4096                 files\n");
	snprintf(path, sizeof(path), "proc/%u/cgroup", pid);
	fixture_write_string(w->root, path, "0::/a.slice/b\n");
	snprintf(path, sizeof(path), "proc/%u/wchan", pid);
	fixture_write_string(w->root, path, "do_epoll_wait");
	snprintf(path, sizeof(path), "proc/%u/oom_score", pid);
	fixture_write_string(w->root, path, "666\n");
	snprintf(path, sizeof(path), "proc/%u/oom_score_adj", pid);
	fixture_write_string(w->root, path, "-17\n");
	snprintf(path, sizeof(path), "proc/%u/fd/0", pid);
	fixture_write_string(w->root, path, "");
	snprintf(path, sizeof(path), "proc/%u/fd/11", pid);
	fixture_write_string(w->root, path, "");
	snprintf(path, sizeof(path), "proc/%u/cmdline", pid);
	fixture_write(w->root, path, "prog\0-x\0", 8);
}

static void write_thread(const struct world *w, unsigned pid, unsigned tid, const struct shape *s)
{
	char path[128];

	snprintf(path, sizeof(path), "proc/%u/task/%u/stat", pid, tid);
	write_stat(w, path, tid, s);
	snprintf(path, sizeof(path), "proc/%u/task/%u/schedstat", pid, tid);
	fixture_write_string(w->root, path, "5 6 7\n");
	snprintf(path, sizeof(path), "proc/%u/task/%u/status", pid, tid);
	fixture_write_string(
		w->root, path,
		"Name:\tx\nUid:\t1\t1\t1\t1\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n");
}

static void remove_process(const struct world *w, unsigned pid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/proc/%u", w->root, pid);
	fixture_remove(path);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	/* In memory where there is such a folder: one test makes tens of thousands of files. */
	strcpy(w->root, "/dev/shm/culprit-test-XXXXXX");
	if (!mkdtemp(w->root))
		fixture_temp(w->root, sizeof(w->root));
	fixture_write_string(w->root, "proc/sys/kernel/task_delayacct", "1\n");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->self)
		task_collector.close(w->self);
	if (w->recorder) {
		const char *misuse = recorder_misuse(w->recorder);

		if (misuse)
			print_error("%s\n", misuse);
		assert_null(misuse);
		recorder_destroy(w->recorder);
		fixture_host_finish(&w->host);
	}
	fixture_remove(w->root);
	free(w);
	return 0;
}

static void open_world(struct world *w, uint32_t flags)
{
	struct culprit_error error;

	fixture_host_init(&w->host, w->root);
	w->host.host.flags = flags;
	w->host.real_asks = true;
	w->host.mono_ns = 100ull * 1000 * TICK;
	w->host.boot_ns = 100ull * 1000 * TICK;
	assert_int_equal(task_collector.probe(&w->host.host, &error), 0);
	assert_int_equal(task_collector.open(&w->host.host, &w->self, &error), 0);
	w->recorder = recorder_create(&task_collector);
}

static void tick(struct world *w)
{
	w->host.mono_ns += 100ull * TICK;
	w->host.boot_ns += 100ull * TICK;
	assert_int_equal(recorder_sample(w->recorder, w->self), 0);
}

static const struct recorded_row *row(const struct world *w, const char *table, unsigned id, unsigned start)
{
	char key[32];

	snprintf(key, sizeof(key), "%u %u", id, start);
	return recorder_find(w->recorder, table, key);
}

#define P(w, pid, start, column) recorder_u64((w)->recorder, "process", row(w, "process", pid, start), column)
#define PT(w, pid, start, column) recorder_text((w)->recorder, "process", row(w, "process", pid, start), column)
#define PC(w, pid, start, column) recorder_cell((w)->recorder, "process", row(w, "process", pid, start), column)
#define T(w, tid, start, column) recorder_u64((w)->recorder, "thread", row(w, "thread", tid, start), column)
#define TT(w, tid, start, column) recorder_text((w)->recorder, "thread", row(w, "thread", tid, start), column)
#define TC(w, tid, start, column) recorder_cell((w)->recorder, "thread", row(w, "thread", tid, start), column)

static void schema(void **state)
{
	(void)state;
	recorder_check_schema(&task_collector);
}

/* With whole rows all is there after one sample, in the units of the contract. */
static void whole_rows(void **state)
{
	struct world *w = *state;

	write_process(w, 42, &(struct shape){.ppid = 1, .utime = 14, .stime = 15, .start = 500, .faults = 9});
	open_world(w, CULPRIT_HOST_WHOLE);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 1);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 1);
	assert_int_equal(P(w, 42, 500, "ppid"), 1);
	assert_string_equal(PT(w, 42, 500, "state"), "S");
	assert_string_equal(PT(w, 42, 500, "comm"), "worker");
	assert_string_equal(PT(w, 42, 500, "tty"), "pts/1");
	assert_int_equal(P(w, 42, 500, "uid"), 1001);
	assert_string_equal(PT(w, 42, 500, "user"), "1001"); /* nobody by that number here */
	assert_int_equal(P(w, 42, 500, "kthread"), 0);
	assert_int_equal(P(w, 42, 500, "utime"), 14ull * TICK);
	assert_int_equal(P(w, 42, 500, "stime"), 15ull * TICK);
	assert_int_equal(P(w, 42, 500, "cutime"), 3ull * TICK);
	assert_int_equal(P(w, 42, 500, "cstime"), 4ull * TICK);
	assert_int_equal(P(w, 42, 500, "guest_time"), 6ull * TICK);
	assert_int_equal(P(w, 42, 500, "threads"), 1);
	assert_int_equal(P(w, 42, 500, "vsize"), 8192000);
	assert_int_equal(P(w, 42, 500, "rss"), 100 * 4096);
	assert_int_equal(P(w, 42, 500, "min_faults"), 9);
	assert_int_equal(P(w, 42, 500, "maj_faults"), 2);
	assert_string_equal(PT(w, 42, 500, "cmdline"), "prog -x");
	assert_int_equal(P(w, 42, 500, "swap"), 16384);
	assert_int_equal(P(w, 42, 500, "rss_peak"), 40960);
	assert_int_equal(P(w, 42, 500, "ns_pid"), 9);
	assert_int_equal(P(w, 42, 500, "rchar"), 1);
	assert_int_equal(P(w, 42, 500, "syscw"), 4);
	assert_int_equal(P(w, 42, 500, "cancelled_write_bytes"), 7);
	assert_int_equal(P(w, 42, 500, "fds"), 2);
	assert_int_equal(P(w, 42, 500, "fd_limit"), 1024);
	assert_int_equal(P(w, 42, 500, "oom_score"), 666);
	assert_int_equal((int64_t)PC(w, 42, 500, "oom_score_adj")->bits, -17);
	assert_string_equal(PT(w, 42, 500, "cgroup"), "/a.slice/b");
	assert_string_equal(PT(w, 42, 500, "wchan"), "do_epoll_wait");

	assert_int_equal(T(w, 42, 500, "pid"), 42);
	assert_int_equal(T(w, 42, 500, "process_start"), 500);
	assert_int_equal(T(w, 42, 500, "utime"), 14ull * TICK);
	assert_int_equal(T(w, 42, 500, "blkio_delay"), 5ull * TICK);
	assert_int_equal(T(w, 42, 500, "run_time"), 1000);
	assert_int_equal(T(w, 42, 500, "run_delay"), 2000);
	assert_int_equal(T(w, 42, 500, "timeslices"), 30);
	assert_int_equal(T(w, 42, 500, "voluntary"), 70);
	assert_int_equal(T(w, 42, 500, "involuntary"), 7);
	assert_int_equal(T(w, 42, 500, "read_bytes"), 5);
	assert_int_equal(T(w, 42, 500, "write_bytes"), 6);
	assert_int_equal(T(w, 42, 500, "processor"), 1);
	assert_string_equal(TT(w, 42, 500, "policy"), "other");
	assert_string_equal(TT(w, 42, 500, "wchan"), "do_epoll_wait");
	assert_string_equal(TT(w, 42, 500, "cgroup"), "/a.slice/b");
	assert_int_equal(T(w, 42, 500, "runnable"), 0);
	assert_false(row(w, "process", 42, 500)->born);
}

/* Otherwise the first sample reads stat and what is asked; the rest says that it comes, and comes. */
static void first_sample_is_quick(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 40; i++)
		write_process(w, 100 + i, &(struct shape){.ppid = 1, .utime = 14, .start = 500 + i});
	open_world(w, 0);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 40);
	for (unsigned i = 0; i < 40; i++) {
		assert_string_equal(PT(w, 100 + i, 500 + i, "cmdline"), "prog -x");
		assert_int_equal(P(w, 100 + i, 500 + i, "uid"), 1001);
		assert_int_equal(PC(w, 100 + i, 500 + i, "swap")->state, RECORDED_UNREAD);
		assert_string_equal(PC(w, 100 + i, 500 + i, "cgroup")->text, "not read yet");
		assert_string_equal(PC(w, 100 + i, 500 + i, "fds")->text, "not read yet");
		assert_int_equal(TC(w, 100 + i, 500 + i, "run_delay")->state, RECORDED_UNREAD);
	}
	for (int i = 0; i < 10; i++)
		tick(w);
	for (unsigned i = 0; i < 40; i++) {
		assert_true(row(w, "process", 100 + i, 500 + i)->again);
		assert_int_equal(P(w, 100 + i, 500 + i, "utime"), 14ull * TICK);
		assert_int_equal(P(w, 100 + i, 500 + i, "swap"), 16384);
		assert_int_equal(P(w, 100 + i, 500 + i, "fd_limit"), 1024);
		assert_int_equal(T(w, 100 + i, 500 + i, "run_delay"), 2000);
		assert_string_equal(TT(w, 100 + i, 500 + i, "wchan"), "do_epoll_wait");
	}
}

/* A file of a busy process is read at once, that of an idle one within 30 samples (the rare ones within 120). */
static void idle_in_turn(void **state)
{
	struct world *w = *state;
	unsigned seen_busy = 0, seen_idle = 0, seen_rare = 0;

	for (unsigned i = 0; i < 20; i++)
		write_process(w, 100 + i, &(struct shape){.start = 500 + i});
	open_world(w, 0);
	for (int i = 0; i < 4; i++)
		tick(w);
	for (unsigned i = 0; i < 20; i++) {
		char path[64];

		snprintf(path, sizeof(path), "proc/%u/io", 100 + i);
		fixture_write_string(w->root, path, "write_bytes: 99\n");
		snprintf(path, sizeof(path), "proc/%u/cgroup", 100 + i);
		fixture_write_string(w->root, path, "0::/moved\n");
	}
	for (unsigned i = 1; i <= 130; i++) {
		write_process(w, 300, &(struct shape){.start = 400, .utime = i});
		fixture_write_string(w->root, "proc/300/io", "write_bytes: 99\n");
		tick(w);
		if (i == 1)
			seen_busy = P(w, 300, 400, "write_bytes") == 99;
		if (i == 31)
			for (unsigned k = 0; k < 20; k++)
				seen_idle += P(w, 100 + k, 500 + k, "write_bytes") == 99;
	}
	for (unsigned k = 0; k < 20; k++)
		seen_rare += strcmp(PT(w, 100 + k, 500 + k, "cgroup"), "/moved") == 0 &&
			     strcmp(TT(w, 100 + k, 500 + k, "cgroup"), "/moved") == 0;
	assert_int_equal(seen_busy, 1);
	assert_int_equal(seen_idle, 20);
	assert_int_equal(seen_rare, 20);
}

static void looked_at(void **state)
{
	struct world *w = *state;
	struct culprit_interest interest = {
		.size = sizeof(interest), .table = "process", .what = "oom_score", .key = {100, 500}, .nkey = 2};

	write_process(w, 100, &(struct shape){.start = 500});
	write_process(w, 101, &(struct shape){.start = 501});
	open_world(w, 0);
	for (int i = 0; i < 4; i++)
		tick(w);
	task_collector.interests(w->self, &interest, 1);
	for (unsigned i = 0; i < 5; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u\n", i);
		fixture_write_string(w->root, "proc/100/oom_score", text);
		tick(w);
		assert_int_equal(P(w, 100, 500, "oom_score"), i);
	}
}

/* Another process records the rest: only what is looked at is read, and then all of it again. */
static void only_looked_at(void **state)
{
	struct world *w = *state;
	struct culprit_interest interest = {
		.size = sizeof(interest), .table = "thread", .what = "rows", .key = {101, 501}, .nkey = 2};

	for (unsigned k = 0; k < 5; k++)
		write_process(w, 100 + k, &(struct shape){.start = 500 + k});
	open_world(w, CULPRIT_HOST_ONLY_INTERESTS);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 0);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 0);
	task_collector.interests(w->self, &interest, 1);
	for (int i = 0; i < 20; i++) {
		tick(w);
		assert_int_equal(recorder_rows(w->recorder, "process"), 1);
		assert_int_equal(recorder_rows(w->recorder, "thread"), 1);
	}
	assert_non_null(row(w, "thread", 101, 501));
	interest.key[0] = 103;
	task_collector.interests(w->self, &interest, 1);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 1);
	assert_non_null(row(w, "thread", 103, 503));
	remove_process(w, 103);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 0);
	/* Every row of a table. */
	interest.nkey = 0;
	task_collector.interests(w->self, &interest, 1);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 4);
	task_collector.interests(w->self, NULL, 0);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 0);
}

static void hostile_names(void **state)
{
	static const char *const names[] = {"a) R 1 2 3",
					    "\x1b[2J\a",
					    "new\nline",
					    "\xff\xc3",
					    ")",
					    "\xc2\x9b"
					    "31m"};
	struct world *w = *state;

	for (unsigned i = 0; i < 6; i++) {
		char path[64];

		write_process(w, 10 + i, &(struct shape){.comm = names[i], .start = 7, .ppid = 3});
		snprintf(path, sizeof(path), "proc/%u/cmdline", 10 + i);
		fixture_write(w->root, path, "\x1b]0;x\a\0\xff\n\0\0", 11);
	}
	open_world(w, CULPRIT_HOST_WHOLE);
	tick(w);
	for (unsigned i = 0; i < 6; i++) {
		assert_string_equal(PT(w, 10 + i, 7, "comm"), names[i]);
		assert_string_equal(TT(w, 10 + i, 7, "comm"), names[i]);
		assert_string_equal(PT(w, 10 + i, 7, "cmdline"), "\x1b]0;x\a \xff\n");
		assert_int_equal(P(w, 10 + i, 7, "ppid"), 3);
	}
}

/* Files that are missing, empty or cut: the row stays, the cell says why, nothing is invented. */
static void broken_files(void **state)
{
	struct world *w = *state;

	write_process(w, 5, &(struct shape){.start = 50});
	fixture_write_string(w->root, "proc/5/status", "");
	fixture_write_string(w->root, "proc/5/io", "rchar");
	fixture_write_string(w->root, "proc/5/schedstat", "12 13");
	fixture_write_string(w->root, "proc/5/limits", "Max open files");
	fixture_write_string(w->root, "proc/5/oom_score", "x");
	fixture_write_string(w->root, "proc/5/cgroup", "garbage");
	fixture_write_string(w->root, "proc/6/stat", "6 (cut) S 1 2 3");
	fixture_write_string(w->root, "proc/7/stat", "");
	fixture_write_string(w->root, "proc/8/other", "");
	write_process(w, 9, &(struct shape){.start = 90});
	for (int i = 0; i < 2; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/proc/9/%s", w->root, i ? "schedstat" : "io");
		unlink(path);
	}
	open_world(w, CULPRIT_HOST_WHOLE);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 2);
	assert_string_equal(PC(w, 5, 50, "swap")->text, "could not be read");
	assert_string_equal(PC(w, 5, 50, "write_bytes")->text, "could not be read");
	assert_string_equal(PC(w, 5, 50, "fd_limit")->text, "could not be read");
	assert_string_equal(PC(w, 5, 50, "oom_score")->text, "could not be read");
	assert_string_equal(PC(w, 5, 50, "cgroup")->text, "could not be read");
	assert_string_equal(TC(w, 5, 50, "run_delay")->text, "could not be read");
	assert_string_equal(TC(w, 5, 50, "voluntary")->text, "could not be read");
	assert_int_equal(P(w, 5, 50, "fds"), 2);
	assert_string_equal(PC(w, 9, 90, "read_bytes")->text, "this kernel does not have it");
	assert_string_equal(TC(w, 9, 90, "run_time")->text, "this kernel does not have it");
	assert_int_equal(recorder_table(w->recorder, "process")->state, CULPRIT_FRESH);
	assert_true(strstr(recorder_table(w->recorder, "process")->reason, "could not be read") != NULL);
}

static void old_kernel(void **state)
{
	struct world *w = *state;

	fixture_write_string(
		w->root, "proc/3/stat",
		"3 (old) S 1 1 1 0 -1 64 1 2 3 4 5 6 7 8 16 0 1 0 99 4096 10 4294967295 1 2 3 4 5 0 0 0 0 0 0 0 17 "
		"0 0 0\n");
	fixture_write_string(w->root, "proc/3/cmdline", "old");
	open_world(w, CULPRIT_HOST_WHOLE);
	tick(w);
	assert_int_equal(P(w, 3, 99, "rss"), 40960);
	assert_int_equal(PC(w, 3, 99, "guest_time")->state, RECORDED_ABSENT);
	assert_int_equal(TC(w, 3, 99, "blkio_delay")->state, RECORDED_ABSENT);
	assert_string_equal(TT(w, 3, 99, "policy"), "other");
	assert_string_equal(PT(w, 3, 99, "cmdline"), "old");
}

/* A recorder's first sample has what the console's leaves for later. */
static void a_patient_host(void **state)
{
	struct world *w = *state;

	for (unsigned i = 1; i <= 30; i++)
		write_process(w, i, &(struct shape){.start = i});
	open_world(w, CULPRIT_HOST_PATIENT);
	tick(w);
	for (unsigned i = 1; i <= 30; i++) {
		assert_int_equal(PC(w, i, i, "swap")->state, RECORDED_VALUE);
		assert_int_equal(PC(w, i, i, "write_bytes")->state, RECORDED_VALUE);
		assert_int_equal(TC(w, i, i, "voluntary")->state, RECORDED_VALUE);
	}
}

/* What began after the previous sample counts from 0; what was only not seen before doesn't. */
static void born(void **state)
{
	struct world *w = *state;
	unsigned now;

	write_process(w, 1, &(struct shape){.start = 1});
	open_world(w, 0);
	tick(w);
	assert_false(row(w, "process", 1, 1)->born);
	now = (unsigned)(w->host.boot_ns / TICK);
	write_process(w, 20, &(struct shape){.start = now + 5});
	write_process(w, 21, &(struct shape){.start = now}); /* in the very tick of that sample, after it */
	write_process(w, 22, &(struct shape){.start = now - 1});
	write_process(w, 1, &(struct shape){.start = 1, .threads = 2});
	write_thread(w, 1, 23, &(struct shape){.start = now + 1, .threads = 2});
	write_thread(w, 1, 24, &(struct shape){.start = now - 9, .threads = 2});
	tick(w);
	assert_true(row(w, "process", 20, now + 5)->born);
	assert_true(row(w, "thread", 20, now + 5)->born);
	assert_true(row(w, "process", 21, now)->born);
	assert_false(row(w, "process", 22, now - 1)->born);
	assert_false(row(w, "thread", 22, now - 1)->born);
	assert_true(row(w, "thread", 23, now + 1)->born);
	assert_false(row(w, "thread", 24, now - 9)->born);
	/* A newcomer's other files are read at once: it may be gone soon. */
	assert_int_equal(P(w, 20, now + 5, "write_bytes"), 6);
}

static void ends_and_pid_reuse(void **state)
{
	struct world *w = *state;

	write_process(w, 30, &(struct shape){.start = 300, .utime = 5});
	write_process(w, 31, &(struct shape){.start = 301});
	open_world(w, 0);
	tick(w);
	tick(w);
	assert_string_equal(PT(w, 30, 300, "cmdline"), "prog -x");
	write_process(w, 30, &(struct shape){.comm = "second", .start = 900});
	fixture_write(w->root, "proc/30/cmdline", "second", 6);
	remove_process(w, 31);
	tick(w);
	assert_null(row(w, "process", 30, 300));
	assert_null(row(w, "thread", 30, 300));
	assert_null(row(w, "process", 31, 301));
	assert_int_equal(P(w, 30, 900, "utime"), 0);
	assert_string_equal(PT(w, 30, 900, "comm"), "second");
	assert_string_equal(PT(w, 30, 900, "cmdline"), "second");
	assert_int_equal(recorder_rows(w->recorder, "process"), 1);
}

/* The files read under a pid that was given away in between are not mixed into the row. */
struct swap {
	struct world *w;
	bool done;
};

static struct swap swapper;
static uint64_t (*real_now)(const struct culprit_host *, uint32_t);

/* The collector looks at the clock just before it reads other files. */
static uint64_t swapping_now(const struct culprit_host *host, uint32_t clock)
{
	if (clock == CULPRIT_MONOTONIC && swapper.w && !swapper.done) {
		static int calls;

		if (++calls == 2) {
			swapper.done = true;
			write_process(swapper.w, 60, &(struct shape){.start = 601});
		}
	}
	return real_now(host, clock);
}

static void pid_reuse_within_a_sample(void **state)
{
	struct world *w = *state;

	write_process(w, 60, &(struct shape){.start = 600});
	open_world(w, CULPRIT_HOST_WHOLE);
	real_now = w->host.host.now_ns;
	w->host.host.now_ns = swapping_now;
	swapper.w = w;
	tick(w);
	swapper.w = NULL;
	assert_true(swapper.done);
	assert_int_equal(recorder_rows(w->recorder, "process"), 0);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 0);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "process"), 1);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 1);
	assert_int_equal(P(w, 60, 601, "write_bytes"), 6);
}

static uint64_t slow_ns;

/* Each look at the clock finds it 4 ms later. */
static uint64_t slow_now(const struct culprit_host *host, uint32_t clock)
{
	slow_ns += 4000000;
	return real_now(host, clock) + slow_ns;
}

/* Many do something at once, and one sample has no time to see where all of them sleep now: the next ones see it, though the
 * sleepers do nothing any more. */
static void where_they_sleep_is_seen_later(void **state)
{
	enum { MANY = 30 };
	struct world *w = *state;
	unsigned first = 0, seen = 0;

	for (unsigned i = 0; i < MANY; i++)
		write_process(w, 100 + i, &(struct shape){.start = 500 + i});
	open_world(w, 0);
	for (int i = 0; i < 4; i++)
		tick(w);
	for (unsigned i = 0; i < MANY; i++) {
		char path[64];

		write_process(w, 100 + i, &(struct shape){.start = 500 + i, .utime = 1, .state = 'D'});
		snprintf(path, sizeof(path), "proc/%u/wchan", 100 + i);
		fixture_write_string(w->root, path, "percpu_rwsem_wait");
	}
	real_now = w->host.host.now_ns;
	w->host.host.now_ns = slow_now;
	for (int t = 0; t < 8; t++) {
		tick(w);
		for (unsigned i = 0; i < MANY && !t; i++)
			first += strcmp(PT(w, 100 + i, 500 + i, "wchan"), "percpu_rwsem_wait") == 0;
	}
	for (unsigned i = 0; i < MANY; i++)
		seen += strcmp(PT(w, 100 + i, 500 + i, "wchan"), "percpu_rwsem_wait") == 0 &&
			strcmp(TT(w, 100 + i, 500 + i, "wchan"), "percpu_rwsem_wait") == 0;
	assert_true(first < MANY / 2);
	assert_int_equal(seen, MANY);
}

static void exec_is_seen(void **state)
{
	struct world *w = *state;

	write_process(w, 70, &(struct shape){.start = 700, .start_code = 4096});
	open_world(w, 0);
	tick(w);
	tick(w);
	fixture_write(w->root, "proc/70/cmdline", "other\0one", 9);
	tick(w);
	assert_string_equal(PT(w, 70, 700, "cmdline"), "prog -x"); /* not read again without a reason */
	write_process(w, 70, &(struct shape){.start = 700, .start_code = 8192});
	fixture_write(w->root, "proc/70/cmdline", "other\0one", 9);
	tick(w);
	tick(w);
	assert_string_equal(PT(w, 70, 700, "cmdline"), "other one");
	write_process(w, 70, &(struct shape){.comm = "third", .start = 700, .start_code = 8192});
	fixture_write(w->root, "proc/70/cmdline", "third", 5);
	tick(w);
	tick(w);
	assert_string_equal(PT(w, 70, 700, "cmdline"), "third");
	assert_string_equal(PT(w, 70, 700, "comm"), "third");
	/* What it was is kept when it is a zombie. */
	write_process(w, 70, &(struct shape){.comm = "fourth", .start = 700, .state = 'Z'});
	fixture_write(w->root, "proc/70/cmdline", "", 0);
	tick(w);
	tick(w);
	assert_string_equal(PT(w, 70, 700, "cmdline"), "third");
}

/* A process whose command line blocks costs nothing but that cell. */
static void blocked_cmdline(void **state)
{
	static const struct fixture_answer answers[] = {
		{.what = CULPRIT_ASK_FILE, .path = "80/cmdline", .err = -ETIMEDOUT},
		{.what = CULPRIT_ASK_FILE, .path = "81/cmdline", .err = -EINPROGRESS},
		{.what = CULPRIT_ASK_USER, .path = "1001", .bytes = "www-data", .len = 8},
	};
	struct world *w = *state;
	unsigned asks;

	for (unsigned i = 0; i < 3; i++)
		write_process(w, 80 + i, &(struct shape){.start = 800});
	open_world(w, 0);
	w->host.answers = answers;
	w->host.nanswers = 3;
	tick(w);
	tick(w);
	assert_true(strstr(PC(w, 80, 800, "cmdline")->text, "200 ms") != NULL);
	assert_int_equal(PC(w, 80, 800, "cmdline")->state, RECORDED_UNREAD);
	assert_string_equal(PC(w, 81, 800, "cmdline")->text, "not read yet");
	assert_string_equal(PT(w, 82, 800, "cmdline"), "prog -x");
	assert_string_equal(PT(w, 80, 800, "user"), "www-data");
	assert_string_equal(PT(w, 82, 800, "user"), "www-data");
	asks = w->host.asks;
	for (int i = 0; i < 5; i++)
		tick(w);
	assert_int_equal(w->host.asks, asks); /* not asked again before half a minute */
	for (int i = 0; i < 40; i++)
		tick(w);
	assert_true(w->host.asks > asks);
	assert_string_equal(PT(w, 80, 800, "state"), "S");
}

static void kernel_threads(void **state)
{
	struct world *w = *state;

	write_process(w, 2,
		      &(struct shape){
			      .comm = "kworker/u8:2-events_unbound_with_a_long_name", .start = 2, .flags = 0x00208040});
	fixture_write_string(w->root, "proc/2/status",
			     "Name:\tk\nUid:\t0\t0\t0\t0\nThreads:\t1\n"
			     "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n");
	open_world(w, CULPRIT_HOST_WHOLE);
	tick(w);
	assert_int_equal(P(w, 2, 2, "kthread"), 1);
	assert_int_equal(PC(w, 2, 2, "cmdline")->state, RECORDED_ABSENT);
	assert_int_equal(PC(w, 2, 2, "swap")->state, RECORDED_ABSENT);
	assert_string_equal(PT(w, 2, 2, "comm"), "kworker/u8:2-events_unbound_with_a_long_name");
	assert_int_equal(T(w, 2, 2, "voluntary"), 5);
}

static void threads(void **state)
{
	struct world *w = *state;

	write_process(w, 90, &(struct shape){.start = 900, .threads = 3, .utime = 60});
	write_thread(w, 90, 90, &(struct shape){.start = 900, .threads = 3, .utime = 10});
	write_thread(w, 90, 91, &(struct shape){.comm = "pool", .start = 901, .threads = 3, .utime = 20, .state = 'R'});
	write_thread(w, 90, 95, &(struct shape){.start = 905, .threads = 3, .utime = 30, .state = 'D'});
	open_world(w, CULPRIT_HOST_WHOLE);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 3);
	assert_int_equal(P(w, 90, 900, "utime"), 60ull * TICK);
	assert_int_equal(T(w, 90, 900, "utime"), 10ull * TICK);
	assert_int_equal(T(w, 91, 901, "utime"), 20ull * TICK);
	assert_int_equal(T(w, 91, 901, "runnable"), 1);
	assert_int_equal(T(w, 95, 905, "blocked"), 1);
	assert_string_equal(TT(w, 91, 901, "comm"), "pool");
	assert_int_equal(T(w, 91, 901, "pid"), 90);
	assert_int_equal(T(w, 91, 901, "process_start"), 900);
	assert_int_equal(T(w, 91, 901, "run_delay"), 6);
	assert_int_equal(T(w, 91, 901, "voluntary"), 1);
	/* One goes, one comes, one number is given again. */
	remove_process(w, 90);
	write_process(w, 90, &(struct shape){.start = 900, .threads = 3, .utime = 61});
	write_thread(w, 90, 90, &(struct shape){.start = 900, .threads = 3, .utime = 10});
	write_thread(w, 90, 91, &(struct shape){.start = 990, .threads = 3, .utime = 1});
	write_thread(w, 90, 93, &(struct shape){.start = 991, .threads = 3, .utime = 2});
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 3);
	assert_null(row(w, "thread", 91, 901));
	assert_null(row(w, "thread", 95, 905));
	assert_int_equal(T(w, 91, 990, "utime"), 1ull * TICK);
	assert_int_equal(T(w, 93, 991, "utime"), 2ull * TICK);
	/* Alone again: its own counters still aren't its process's. */
	remove_process(w, 90);
	write_process(w, 90, &(struct shape){.start = 900, .utime = 63});
	write_thread(w, 90, 90, &(struct shape){.start = 900, .utime = 11});
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 1);
	assert_int_equal(T(w, 90, 900, "utime"), 11ull * TICK);
	assert_int_equal(P(w, 90, 900, "utime"), 63ull * TICK);
}

/* Threads may have ended in a process before we came. */
static void threads_ended_before(void **state)
{
	struct world *w = *state;

	write_process(w, 96, &(struct shape){.start = 960, .utime = 500});
	write_thread(w, 96, 96, &(struct shape){.start = 960, .utime = 3});
	write_process(w, 97, &(struct shape){.start = 970, .utime = 500});
	open_world(w, CULPRIT_HOST_WHOLE);
	tick(w);
	assert_int_equal(P(w, 96, 960, "utime"), 500ull * TICK);
	assert_int_equal(T(w, 96, 960, "utime"), 3ull * TICK);
	assert_int_equal(T(w, 97, 970, "utime"), 500ull * TICK);
}

/* More than 20,000: the table says so, and shows those asked for. */
static void many_threads(void **state)
{
	struct world *w = *state;
	struct culprit_interest interest = {
		.size = sizeof(interest), .table = "thread", .what = "rows", .key = {99, 990}, .nkey = 2};

	write_process(w, 98, &(struct shape){.start = 980, .threads = 30000});
	write_thread(w, 98, 98, &(struct shape){.start = 980, .threads = 30000});
	write_process(w, 99, &(struct shape){.start = 990, .threads = 2});
	write_thread(w, 99, 99, &(struct shape){.start = 990, .threads = 2});
	write_thread(w, 99, 100, &(struct shape){.start = 991, .threads = 2});
	open_world(w, 0);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 0);
	assert_int_equal(P(w, 98, 980, "threads"), 30000);
	assert_true(strstr(recorder_table(w->recorder, "thread")->reason, "20,000") != NULL);
	assert_true(strstr(w->host.last_log, "20,000") != NULL);
	assert_int_equal(w->host.logs, 1);
	task_collector.interests(w->self, &interest, 1);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 2);
	assert_non_null(row(w, "thread", 100, 991));
	task_collector.interests(w->self, NULL, 0);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 0);
	assert_int_equal(w->host.logs, 1);
	write_process(w, 98, &(struct shape){.start = 980, .threads = 1});
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 3);
	assert_string_equal(recorder_table(w->recorder, "thread")->reason, "");
}

/* Even of a process looked at no more than 20,000 are read. */
static void too_many_threads_to_look_at(void **state)
{
	enum { MANY = 20300 };
	struct world *w = *state;
	struct culprit_interest interest = {
		.size = sizeof(interest), .table = "thread", .what = "rows", .key = {98, 980}, .nkey = 2};
	struct shape shape = {.start = 980, .threads = MANY};
	char path[64];

	write_process(w, 98, &shape);
	for (unsigned i = 1; i < MANY; i++) {
		snprintf(path, sizeof(path), "proc/98/task/%u/stat", 100 + i);
		write_stat(w, path, 100 + i, &shape);
	}
	open_world(w, 0);
	task_collector.interests(w->self, &interest, 1);
	tick(w);
	assert_int_equal(recorder_rows(w->recorder, "thread"), 20000);
	assert_int_equal(P(w, 98, 980, "threads"), MANY);
}

static void delay_accounting_off(void **state)
{
	struct world *w = *state;

	fixture_write_string(w->root, "proc/sys/kernel/task_delayacct", "0\n");
	write_process(w, 5, &(struct shape){.start = 50});
	open_world(w, 0);
	tick(w);
	assert_true(strstr(TC(w, 5, 50, "blkio_delay")->text, "task_delayacct") != NULL);
}

static void no_proc(void **state)
{
	struct fixture_host host;
	struct culprit_error error = {0};

	(void)state;
	fixture_host_init(&host, "/nowhere");
	assert_int_equal(task_collector.probe(&host.host, &error), -ENOENT);
	assert_true(strstr(error.sentence, "mount") != NULL);
	fixture_host_finish(&host);
}

/* Rates are per second of the sample's time: the table's time is when stat was read. */
static void sample_time(void **state)
{
	struct world *w = *state;

	write_process(w, 5, &(struct shape){.start = 50});
	open_world(w, 0);
	tick(w);
	assert_int_equal(recorder_table(w->recorder, "process")->time_ns, w->host.mono_ns);
	assert_int_equal(recorder_table(w->recorder, "thread")->time_ns, w->host.mono_ns);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema),
		TEST(whole_rows),
		TEST(first_sample_is_quick),
		TEST(a_patient_host),
		TEST(idle_in_turn),
		TEST(where_they_sleep_is_seen_later),
		TEST(looked_at),
		TEST(only_looked_at),
		TEST(hostile_names),
		TEST(broken_files),
		TEST(old_kernel),
		TEST(born),
		TEST(ends_and_pid_reuse),
		TEST(pid_reuse_within_a_sample),
		TEST(exec_is_seen),
		TEST(blocked_cmdline),
		TEST(kernel_threads),
		TEST(threads),
		TEST(threads_ended_before),
		TEST(many_threads),
		TEST(too_many_threads_to_look_at),
		TEST(delay_accounting_off),
		cmocka_unit_test(no_proc),
		TEST(sample_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
