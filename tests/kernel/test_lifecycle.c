/* The collector lifecycle against processes that the tests start: all of them are counted, and what is told of each is what
 * its parent knows from wait4(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lifecycle_tables.h"
#include "support/bpf_run.h"

extern const struct culprit_collector lifecycle_collector;

/* What giving back a process's memory may take, and how much one that was killed at 32 MiB may have had: a sanitizer's shadow
 * is memory too. */
#if defined(__SANITIZE_ADDRESS__)
enum { END_NS = 500000000, RSS_MOST = 1 << 30 };
#else
enum { END_NS = 20000000, RSS_MOST = 64 << 20 };
#endif

static const char *text(const struct recorder *r, const struct recorded_row *row, const char *column)
{
	return recorder_text(r, "lifecycle", row, column);
}

/* The row of a process that ended in the last sample. */
static const struct recorded_row *row_of(const struct recorder *r, pid_t pid)
{
	const struct recorded_table *t = recorder_table(r, "lifecycle");

	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(r, "lifecycle", &t->rows[i], "pid") == (uint64_t)pid)
			return &t->rows[i];
	fail_msg("no row of process %d", pid);
	return NULL;
}

/* The figure of this process in `children`; 0: it has no row. */
static uint64_t own(const struct recorder *r, const char *column)
{
	const struct recorded_table *t = recorder_table(r, "children");

	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(r, "children", &t->rows[i], "pid") == (uint64_t)getpid())
			return recorder_u64(r, "children", &t->rows[i], column);
	return 0;
}

/* vfork() copies nothing: 5,000 of them take a second. */
static pid_t __attribute__((noinline)) begin_and_end(int code)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(code);
	return pid;
}

/* 5,000 processes that do nothing, sampled now and then: each is a row, or two, and none is counted twice. */
static void every_process_is_counted(void **state)
{
	enum { ALL = 5000, EACH = 1250 };
	struct fixture_run *run = bpf_run_create(&lifecycle_collector);
	struct recorder *r = fixture_run_recorder(run);
	uint64_t forks = 0, exits = 0, ended = own(r, "ended"), forked = own(r, "forked"), failed = own(r, "failed");

	(void)state;
	for (int done = 0; done < ALL; done += EACH) {
		const struct recorded_table *t;

		for (int i = 0; i < EACH; i++) {
			pid_t pid = begin_and_end(i % 10 == 0);

			assert_true(pid > 0);
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
		fixture_run_sample(run);
		t = recorder_table(r, "lifecycle");
		assert_int_equal(t->lost, 0);
		for (size_t i = 0; i < t->nrows; i++) {
			if (recorder_u64(r, "lifecycle", &t->rows[i], "ppid") != (uint64_t)getpid())
				continue;
			forks += strstr(text(r, &t->rows[i], "event"), "fork") != NULL;
			exits += strstr(text(r, &t->rows[i], "event"), "exit") != NULL;
		}
	}
	assert_int_equal(forks, ALL);
	assert_int_equal(exits, ALL);
	assert_int_equal(own(r, "forked") - forked, ALL);
	assert_int_equal(own(r, "ended") - ended, ALL);
	assert_int_equal(own(r, "failed") - failed, ALL / 10);
	fixture_run_destroy(run);
}

/* Read as soon as it is there, a record or two at a time, the ring gone round several times: none is missed or taken twice. */
static void each_is_read_at_once(void **state)
{
	enum { ALL = 6000, EACH = 1000 };
	struct fixture_run *run = bpf_run_create(&lifecycle_collector);
	struct recorder *r = fixture_run_recorder(run);
	uint64_t ended = own(r, "ended"), forked = own(r, "forked");

	(void)state;
	for (int i = 0; i < ALL; i++) {
		assert_int_equal(waitpid(begin_and_end(0), NULL, 0) > 0, 1);
		lifecycle_collector.drain(fixture_run_self(run));
		if (i % EACH == EACH - 1) {
			fixture_run_sample(run);
			assert_int_equal(recorder_table(r, "lifecycle")->lost, 0);
		}
	}
	assert_int_equal(own(r, "forked") - forked, ALL);
	assert_int_equal(own(r, "ended") - ended, ALL);
	fixture_run_destroy(run);
}

/* Where there is no memory to read the ring in, nobody is woken for it again and again, and nothing of it is lost. */
static void unreadable_ring_wakes_nobody(void **state)
{
	struct fixture_run *run = bpf_run_create(&lifecycle_collector);
	struct pollfd fd = {.fd = lifecycle_collector.fd(fixture_run_self(run)), .events = POLLIN};
	struct rlimit none, before;
	unsigned ends = 0, begun = 0;
	const struct recorded_table *t;
	int woken, quiet;

	(void)state;
	/* It is woken when a quarter of the ring is full. */
	while (poll(&fd, 1, 0) == 0 && begun++ < 20000)
		waitpid(begin_and_end(0), NULL, 0);
	assert_int_equal(poll(&fd, 1, 0), 1);
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = before;
	none.rlim_cur = 1 << 20;
	if (setrlimit(RLIMIT_AS, &none))
		bpf_run_skip("memory cannot be limited here");
	lifecycle_collector.drain(fixture_run_self(run));
	quiet = poll(&fd, 1, 0);
	setrlimit(RLIMIT_AS, &before);
	assert_int_equal(quiet, 0);
	fixture_run_sample(run);
	t = recorder_table(fixture_run_recorder(run), "lifecycle");
	for (size_t i = 0; i < t->nrows; i++)
		ends += recorder_u64(fixture_run_recorder(run), "lifecycle", &t->rows[i], "ppid") == (uint64_t)getpid();
	assert_true(ends + t->lost >= begun);
	/* And is woken as before. */
	for (woken = 0, begun = 0; !(woken = poll(&fd, 1, 0)) && begun++ < 20000;)
		waitpid(begin_and_end(0), NULL, 0);
	assert_int_equal(woken, 1);
	fixture_run_destroy(run);
}

static void burn(unsigned ms)
{
	struct timespec ts;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	while (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 < ms);
}

static void *burning_thread(void *arg)
{
	(void)arg;
	burn(60);
	return NULL;
}

/* The kernel wakes who waits for a thread, closes the files that are the thread's own, which takes long where they are many, and
 * only then adds up what the thread ran: its process may have ended by then. */
static void *overtaken_thread(void *arg)
{
	(void)arg;
	burn(60);
	if (unshare(CLONE_FILES) == 0)
		for (int i = 0; i < 5000 && eventfd(0, 0) >= 0; i++)
			;
	return NULL;
}

enum what { RUN_SHELL, BURN, DIE, THREADS, OVERTAKEN, LEADER_FIRST };

static pid_t start(enum what what)
{
	pthread_t thread;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	switch (what) {
	case RUN_SHELL:
		execl("/bin/sh", "sh", "-c", "exit 3", "two words", (char *)NULL);
		break;
	case BURN:
		burn(50);
		_exit(0);
	case DIE:
		signal(SIGSEGV, SIG_DFL);
		kill(getpid(), SIGSEGV);
		break;
	case THREADS:
	case OVERTAKEN:
		pthread_create(&thread, NULL, what == THREADS ? burning_thread : overtaken_thread, NULL);
		pthread_join(thread, NULL);
		_exit(0);
	case LEADER_FIRST:
		pthread_create(&thread, NULL, burning_thread, NULL);
		pthread_exit(NULL);
	}
	_exit(99);
}

static uint64_t cpu_of(const struct rusage *u)
{
	return ((uint64_t)u->ru_utime.tv_sec + (uint64_t)u->ru_stime.tv_sec) * 1000000000u +
	       ((uint64_t)u->ru_utime.tv_usec + (uint64_t)u->ru_stime.tv_usec) * 1000u;
}

static void is_what_its_parent_knows(struct fixture_run *run, enum what what)
{
	struct recorder *r = fixture_run_recorder(run);
	const struct recorded_row *row;
	struct rusage usage;
	uint64_t cpu, lived;
	int status;
	pid_t pid = start(what);

	assert_true(pid > 0);
	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	fixture_run_sample(run);
	row = row_of(r, pid);
	assert_string_equal(text(r, row, "event"), what == RUN_SHELL ? "fork exec exit" : "fork exit");
	assert_int_equal(recorder_u64(r, "lifecycle", row, "ppid"), getpid());
	assert_int_equal(recorder_u64(r, "lifecycle", row, "uid"), geteuid());
	assert_string_equal(text(r, row, "parent"), "test_lifecycle");
	if (WIFSIGNALED(status)) {
		assert_string_equal(text(r, row, "signal"), "SEGV");
		assert_false(recorder_has(r, "lifecycle", row, "exit_code"));
	} else {
		assert_int_equal(recorder_u64(r, "lifecycle", row, "exit_code"), WEXITSTATUS(status));
		assert_false(recorder_has(r, "lifecycle", row, "signal"));
	}
	if (what == RUN_SHELL) {
		assert_string_equal(text(r, row, "command"), "sh -c exit 3 two words");
		assert_string_equal(text(r, row, "comm"), "sh");
	}
	/* wait4() says the same sum in whole microseconds, and on top what giving back its memory took. */
	cpu = recorder_u64(r, "lifecycle", row, "cpu_time");
	lived = recorder_u64(r, "lifecycle", row, "lived");
	print_message("CPU time %.3f ms, by wait4() %.3f ms; lived %.3f ms\n", (double)cpu / 1e6, (double)cpu_of(&usage) / 1e6,
		      (double)lived / 1e6);
	assert_true(cpu <= cpu_of(&usage) + 10000);
	assert_true(cpu + cpu / 100 + END_NS >= cpu_of(&usage));
	assert_true(what == RUN_SHELL || what == DIE || cpu >= 50000000);
	assert_true(what == THREADS || what == OVERTAKEN || what == LEADER_FIRST || lived >= cpu);
}

static void each_is_what_its_parent_knows(void **state)
{
	struct fixture_run *run = bpf_run_create(&lifecycle_collector);

	(void)state;
	for (enum what what = RUN_SHELL; what <= LEADER_FIRST; what++)
		is_what_its_parent_knows(run, what);
	fixture_run_destroy(run);
}

/* What a process is called may be anything: it is cut and kept as it is, for others to escape. */
static void long_command_lines_are_cut(void **state)
{
	struct fixture_run *run = bpf_run_create(&lifecycle_collector);
	struct recorder *r = fixture_run_recorder(run);
	char *argument = malloc(100001);
	const char *command;
	pid_t pid;

	(void)state;
	memset(argument, 'x', 100000);
	argument[0] = '\033';
	argument[100000] = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execl("/bin/true", "true", argument, (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fixture_run_sample(run);
	command = text(r, row_of(r, pid), "command");
	assert_int_equal(strlen(command), LIFE_ARGS_LONG);
	assert_memory_equal(command, "true \033xxx", 9);
	free(argument);
	fixture_run_destroy(run);
}

/* --- out of memory ----------------------------------------------------------------------------------------------- */

static bool write_file(const char *path, const char *bytes)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes);

	if (fd >= 0)
		close(fd);
	return ok;
}

static void out_of_memory_says_whose_limit(void **state)
{
	static const char *const roots[][3] = {
		{"/sys/fs/cgroup", "memory.max", "cgroup.procs"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "tasks"},
	};
	struct fixture_run *run = bpf_run_create(&lifecycle_collector);
	struct recorder *r = fixture_run_recorder(run);
	char folder[128], path[200], cgroup[64];
	const struct recorded_table *t = NULL;
	bool limited = false;
	int status, gate[2];
	pid_t pid;

	(void)state;
	snprintf(cgroup, sizeof(cgroup), "/culprit-test-%d", getpid());
	for (unsigned i = 0; i < 2 && !limited; i++) {
		snprintf(folder, sizeof(folder), "%s%s", roots[i][0], cgroup);
		if (mkdir(folder, 0755) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, roots[i][1]);
		limited = write_file(path, "33554432");
		snprintf(path, sizeof(path), "%s/%s", folder, roots[i][2]);
		if (!limited)
			rmdir(folder);
	}
	if (!limited) {
		fixture_run_destroy(run);
		bpf_run_skip("needs root and a cgroup with a memory limit");
	}
	assert_int_equal(pipe(gate), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c;

		close(gate[1]);
		if (read(gate[0], &c, 1) < 0)
			_exit(1);
		for (;;) {
			volatile char *p = malloc(1 << 20);

			for (int i = 0; p && i < 1 << 20; i += 4096)
				p[i] = 1;
		}
	}
	close(gate[0]);
	{
		char number[16];

		snprintf(number, sizeof(number), "%d", pid);
		assert_true(write_file(path, number));
	}
	close(gate[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fixture_run_sample(run);
	rmdir(folder);
	t = recorder_table(r, "oom_kill");
	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_row *row = &t->rows[i];

		if (recorder_u64(r, "oom_kill", row, "pid") != (uint64_t)pid)
			continue;
		assert_string_equal(recorder_text(r, "oom_kill", row, "comm"), "test_lifecycle");
		assert_int_equal(recorder_u64(r, "oom_kill", row, "asked_pid"), pid);
		assert_true(recorder_u64(r, "oom_kill", row, "rss") > 16 << 20);
		assert_true(recorder_u64(r, "oom_kill", row, "rss") < RSS_MOST);
		/* Of many kills at once the log tells some only; the reason then stands there. */
		if (recorder_has(r, "oom_kill", row, "why")) {
			assert_string_equal(recorder_text(r, "oom_kill", row, "why"), "cgroup");
			assert_string_equal(recorder_text(r, "oom_kill", row, "cgroup"), cgroup);
		}
		assert_string_equal(text(r, row_of(r, pid), "signal"), "KILL");
		fixture_run_destroy(run);
		return;
	}
	fail_msg("no row of the process that was killed");
}

static bool parse(const char *line, struct oom_line *ret)
{
	return oom_line_parse(line, strlen(line), ret);
}

static void lines_of_the_log_are_not_trusted(void **state)
{
	struct oom_line l;

	(void)state;
	assert_true(parse("6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,"
			  "b,task_memcg=/a,b/c,task=x,pid=12,uid=0\n", &l));
	assert_int_equal(l.pid, 12);
	assert_string_equal(l.constraint, "MEMCG");
	assert_string_equal(l.cgroup, "/a,b");
	assert_true(parse("oom-kill:constraint=CONSTRAINT_NONE,global_oom,task_memcg=/,task=,pid=1,uid=,pid=77,uid=5", &l));
	assert_int_equal(l.pid, 77);
	assert_string_equal(l.cgroup, "");
	assert_false(parse("6,1,2,-;python3 says oom-kill:constraint=CONSTRAINT_NONE,pid=1", &l));
	assert_false(parse("oom-kill:constraint=CONSTRAINT_", &l));
	assert_false(parse("oom-kill:constraint=CONSTRAINT_NONE,pid=", &l));
	assert_false(parse("", &l));
	{
		char line[4096];
		int n = snprintf(line, sizeof(line), "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/");

		memset(line + n, 'x', 3000);
		snprintf(line + n + 3000, sizeof(line) - (size_t)n - 3000, ",task_memcg=/,task=x,pid=9,uid=0");
		assert_true(parse(line, &l));
		assert_int_equal(strlen(l.cgroup), OOM_PATH - 1);
		for (size_t i = 0; i < strlen(line); i++)
			oom_line_parse(line, i, &l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_process_is_counted),
		cmocka_unit_test(each_is_read_at_once),
		cmocka_unit_test(unreadable_ring_wakes_nobody),
		cmocka_unit_test(each_is_what_its_parent_knows),
		cmocka_unit_test(long_command_lines_are_cut),
		cmocka_unit_test(out_of_memory_says_whose_limit),
		cmocka_unit_test(lines_of_the_log_are_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
