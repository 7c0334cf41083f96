/* The collector of processes and threads against the running kernel: children that the tests start, as their parent
 * knows them and as /proc shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/frame_recorder.h"
#include "task_parse.h"

extern const struct culprit_collector task_collector;

struct world {
	struct fixture_host host;
	struct recorder *recorder;
	void *self;
	pid_t children[64];
	unsigned nchildren;
};

static int ask(const struct culprit_host *host, struct culprit_ask *a)
{
	ssize_t n;
	int fd;

	if (a->what != CULPRIT_ASK_FILE)
		return -ENOENT;
	fd = openat(host->proc_fd, a->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, a->buf, a->cap);
	close(fd);
	if (n < 0)
		return -ESRCH;
	a->len = (uint32_t)n;
	return 0;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct culprit_error error;

	fixture_host_init(&w->host, NULL);
	w->host.host.ask = ask;
	if (task_collector.open(&w->host.host, &w->self, &error) != 0)
		fail_msg("%s", error.sentence);
	w->recorder = recorder_create(&task_collector);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < w->nchildren; i++) {
		kill(w->children[i], SIGKILL);
		waitpid(w->children[i], NULL, 0);
	}
	task_collector.close(w->self);
	assert_null(recorder_misuse(w->recorder));
	recorder_destroy(w->recorder);
	fixture_host_finish(&w->host);
	free(w);
	return 0;
}

static void tick(struct world *w)
{
	assert_int_equal(recorder_sample(w->recorder, w->self), 0);
}

static struct task_stat read_stat(const char *path)
{
	char text[2048];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	struct task_stat s;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(task_parse_stat(text, (size_t)n, &s), 0);
	return s;
}

static struct task_stat stat_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return read_stat(path);
}

static const struct recorded_row *row(const struct world *w, const char *table, pid_t id, uint64_t start)
{
	char key[48];

	snprintf(key, sizeof(key), "%d %llu", id, (unsigned long long)start);
	return recorder_find(w->recorder, table, key);
}

static const struct recorded_row *process(const struct world *w, pid_t pid)
{
	return row(w, "process", pid, stat_of(pid).start);
}

#define U(w, r, column) recorder_u64((w)->recorder, "process", r, column)
#define TEXT(w, r, column) recorder_text((w)->recorder, "process", r, column)

/* A child that says it is ready through a pipe, then sleeps. `prepare` runs in it. */
static pid_t child(struct world *w, void (*prepare)(void *), void *arg)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		if (prepare)
			prepare(arg);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	w->children[w->nchildren++] = pid;
	return pid;
}

static void reap(struct world *w, pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (unsigned i = 0; i < w->nchildren; i++)
		if (w->children[i] == pid)
			w->children[i] = w->children[--w->nchildren];
}

static void own_process(void **state)
{
	struct world *w = *state;
	struct task_stat before, after;
	const struct recorded_row *me;
	uint64_t tick_ns = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	struct rlimit files;

	w->host.host.flags = CULPRIT_HOST_WHOLE;
	before = stat_of(getpid());
	tick(w);
	after = stat_of(getpid());
	me = process(w, getpid());
	assert_non_null(me);
	assert_int_equal(U(w, me, "ppid"), getppid());
	assert_int_equal(U(w, me, "uid"), geteuid());
	assert_int_equal(U(w, me, "threads"), 1);
	assert_string_equal(TEXT(w, me, "state"), "R");
	assert_int_equal(strncmp(TEXT(w, me, "comm"), "test_task", 9), 0);
	assert_non_null(strstr(TEXT(w, me, "cmdline"), "test_task"));
	assert_true(U(w, me, "utime") + U(w, me, "stime") >= (before.utime + before.stime) * tick_ns);
	assert_true(U(w, me, "utime") + U(w, me, "stime") <= (after.utime + after.stime) * tick_ns);
	assert_true(U(w, me, "min_faults") >= before.min_faults && U(w, me, "min_faults") <= after.min_faults);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(U(w, me, "fd_limit"), files.rlim_cur);
	assert_true(U(w, me, "fds") >= 3 && U(w, me, "fds") < 100000);
	assert_true(U(w, me, "rss_peak") >= U(w, me, "rss_anon"));
	assert_true(U(w, me, "rchar") > 0);
	assert_true(recorder_cell(w->recorder, "process", me, "cgroup")->text[0] == '/');
	me = row(w, "thread", getpid(), before.start);
	assert_non_null(me);
	assert_true(recorder_u64(w->recorder, "thread", me, "run_time") > 0);
}

static void set_name(void *name)
{
	prctl(PR_SET_NAME, name);
}

static void hostile_names(void **state)
{
	static const char *const names[] = {"a) S 1 2 3",
					    "\x1b[2J\x1b[H",
					    "two\nlines",
					    "\xff\xfe\x80",
					    "))))",
					    "(x",
					    "\xc2\x9b"
					    "31m"};
	struct world *w = *state;
	pid_t pids[7];

	for (unsigned i = 0; i < 7; i++)
		pids[i] = child(w, set_name, (void *)names[i]);
	tick(w);
	for (unsigned i = 0; i < 7; i++) {
		const struct recorded_row *r = process(w, pids[i]);

		assert_non_null(r);
		assert_string_equal(TEXT(w, r, "comm"), names[i]);
		assert_int_equal(U(w, r, "ppid"), getpid());
	}
}

static void fork_sees_new_and_ended(void **state)
{
	struct world *w = *state;
	const struct recorded_row *r;
	struct task_stat s;
	pid_t pid;

	tick(w);
	for (int i = 0; i < 20; i++) {
		pid = child(w, NULL, NULL);
		s = stat_of(pid);
		tick(w);
		r = row(w, "process", pid, s.start);
		assert_non_null(r);
		assert_true(r->born);
		assert_true(row(w, "thread", pid, s.start)->born);
		tick(w);
		r = row(w, "process", pid, s.start);
		assert_non_null(r);
		assert_true(r->again);
		reap(w, pid);
		tick(w);
		assert_null(row(w, "process", pid, s.start));
		assert_null(row(w, "thread", pid, s.start));
	}
	/* Who was there before the first sample isn't born. */
	assert_false(process(w, getpid())->born);
}

static void zombie(void **state)
{
	struct world *w = *state;
	const struct recorded_row *r;
	siginfo_t info;
	pid_t pid = child(w, NULL, NULL);

	tick(w);
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	tick(w);
	r = process(w, pid);
	assert_non_null(r);
	assert_string_equal(TEXT(w, r, "state"), "Z");
	assert_non_null(strstr(TEXT(w, r, "cmdline"), "test_task"));
}

static void exec_is_seen(void **state)
{
	struct world *w = *state;
	const struct recorded_row *r;
	int go[2];
	char name[32] = "";
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "sleep"); /* the name alone does not tell */
		if (read(go[0], &c, 1) == 1)
			execlp("sleep", "sleep", "12345", (char *)NULL);
		_exit(1);
	}
	w->children[w->nchildren++] = pid;
	tick(w);
	r = process(w, pid);
	assert_non_null(strstr(TEXT(w, r, "cmdline"), "test_task"));
	assert_int_equal(write(go[1], "x", 1), 1);
	for (int i = 0; i < 200; i++) {
		struct timespec ts = {0, 10 * 1000 * 1000};

		nanosleep(&ts, NULL);
		tick(w);
		snprintf(name, sizeof(name), "%s", TEXT(w, process(w, pid), "cmdline"));
		if (strcmp(name, "sleep 12345") == 0)
			break;
	}
	assert_string_equal(name, "sleep 12345");
	close(go[0]);
	close(go[1]);
}

static void *sleeper(void *name)
{
	prctl(PR_SET_NAME, name);
	pause();
	return NULL;
}

static void *burner(void *arg)
{
	struct timespec ts;

	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	while (ts.tv_sec == 0 && ts.tv_nsec < 60 * 1000 * 1000);
	return arg;
}

static void start_threads(void *arg)
{
	static const char *const names[] = {"pool-1", "pool)2", "\x1b[1m3"};
	pthread_t t;

	(void)arg;
	/* One that has burned CPU and ended before anybody looked. */
	pthread_create(&t, NULL, burner, NULL);
	pthread_join(t, NULL);
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&t, NULL, sleeper, (void *)names[i]);
	/* They name themselves before they sleep. */
	for (struct timespec ts = {0, 50 * 1000 * 1000}; nanosleep(&ts, &ts) != 0;)
		;
}

static void threads(void **state)
{
	struct world *w = *state;
	pid_t pid = child(w, start_threads, NULL);
	const struct recorded_table *t;
	unsigned found = 0, named = 0;

	w->host.host.flags = CULPRIT_HOST_WHOLE;
	tick(w);
	t = recorder_table(w->recorder, "thread");
	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_row *r = &t->rows[i];
		const char *comm;
		struct task_stat s;
		char path[64];

		if (recorder_u64(w->recorder, "thread", r, "pid") != (uint64_t)pid)
			continue;
		found++;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid,
			 (int)recorder_u64(w->recorder, "thread", r, "tid"));
		s = read_stat(path);
		assert_int_equal(recorder_u64(w->recorder, "thread", r, "start"), s.start);
		comm = recorder_text(w->recorder, "thread", r, "comm");
		named += strcmp(comm, "pool-1") == 0 || strcmp(comm, "pool)2") == 0 || strcmp(comm, "\x1b[1m3") == 0;
		assert_true(recorder_u64(w->recorder, "thread", r, "voluntary") > 0);
	}
	assert_int_equal(found, 4);
	assert_int_equal(named, 3);
	assert_int_equal(U(w, process(w, pid), "threads"), 4);
	assert_true(U(w, process(w, pid), "utime") + U(w, process(w, pid), "stime") >= 40 * 1000 * 1000);
}

static void burn_and_join(void *arg)
{
	pthread_t t;

	(void)arg;
	pthread_create(&t, NULL, burner, NULL);
	pthread_join(t, NULL);
}

/* The CPU time of a thread that ended belongs to its process, not to the thread that is left. */
static void thread_that_ended(void **state)
{
	struct world *w = *state;
	pid_t pid = child(w, burn_and_join, NULL);
	const struct recorded_row *r, *t;

	w->host.host.flags = CULPRIT_HOST_WHOLE;
	tick(w);
	r = process(w, pid);
	t = row(w, "thread", pid, stat_of(pid).start);
	assert_non_null(t);
	assert_int_equal(U(w, r, "threads"), 1);
	assert_true(U(w, r, "utime") + U(w, r, "stime") >= 40 * 1000 * 1000);
	assert_true(recorder_u64(w->recorder, "thread", t, "utime") + recorder_u64(w->recorder, "thread", t, "stime") <=
		    30 * 1000 * 1000);
}

/* All processes that were there before and after are rows. */
static void nobody_is_missing(void **state)
{
	struct world *w = *state;
	unsigned seen = 0;

	for (int i = 0; i < 40; i++)
		child(w, NULL, NULL);
	tick(w);
	for (int round = 0; round < 12; round++) {
		/* Through samples that list all, and those that start at the newest pid. */
		child(w, NULL, NULL);
		tick(w);
		seen = 0;
		for (unsigned i = 0; i < w->nchildren; i++)
			seen += process(w, w->children[i]) != NULL;
		assert_int_equal(seen, w->nchildren);
	}
}

/* No more descriptors are kept than half of what is allowed, and samples go on when there are none at all. */
static void few_descriptors(void **state)
{
	struct rlimit files, few;
	struct world w = {0}, *outer = *state;
	struct culprit_error error;
	int fds[64], n = 0;

	for (int i = 0; i < 40; i++)
		child(outer, NULL, NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	few = files;
	few.rlim_cur = 60;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	fixture_host_init(&w.host, NULL);
	w.host.host.ask = ask;
	assert_int_equal(task_collector.open(&w.host.host, &w.self, &error), 0);
	w.recorder = recorder_create(&task_collector);
	tick(&w);
	for (int i = 0; i < 40; i++)
		assert_non_null(process(&w, outer->children[i]));
	child(outer, NULL, NULL);
	while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	assert_true(n > 5 && n < 60);
	tick(&w);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	tick(&w);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (unsigned i = 0; i < outer->nchildren; i++)
		assert_non_null(process(&w, outer->children[i]));
	task_collector.close(w.self);
	assert_null(recorder_misuse(w.recorder));
	recorder_destroy(w.recorder);
	fixture_host_finish(&w.host);
}

/* Somebody else, without rights: rows are there, what may not be read says why. */
static void not_root(void **state)
{
	struct world *w = *state;
	int result[2], status;
	char word[64] = "";
	ssize_t n;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root, to give it up\n");
		skip();
	}
	assert_int_equal(pipe(result), 0);
	pid = fork();
	if (pid == 0) {
		struct culprit_error error;
		const struct recorded_row *init;
		struct world mine = {0};
		const char *io, *fds;

		/* Nobody else's: what others run as `nobody` would be rows as well. */
		if (setresgid(64987, 64987, 64987) != 0 || setresuid(64987, 64987, 64987) != 0)
			_exit(3);
		fixture_host_init(&mine.host, NULL);
		mine.host.host.ask = ask;
		mine.host.host.flags = CULPRIT_HOST_WHOLE;
		if (task_collector.open(&mine.host.host, &mine.self, &error) != 0)
			_exit(4);
		mine.recorder = recorder_create(&task_collector);
		if (recorder_sample(mine.recorder, mine.self) != 0)
			_exit(5);
		init = process(&mine, 1);
		if (!init)
			_exit(6);
		io = recorder_cell(mine.recorder, "process", init, "write_bytes")->text;
		fds = recorder_cell(mine.recorder, "process", init, "fd_limit")->state == RECORDED_VALUE ? "limits"
													 : "?";
		n = dprintf(result[1], "%s/%s", io ? io : "none", fds);
		_exit(n > 0 ? 0 : 7);
	}
	close(result[1]);
	n = read(result[0], word, sizeof(word) - 1);
	close(result[0]);
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(n > 0);
	assert_string_equal(word, "permission denied: run as root/limits");
	(void)w;
}

/* Root in all its rights is not told to get one that it has, whatever is refused to it (here the io of pid 1, in some machines). */
static void no_advice_to_get_what_is_had(void **state)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	struct world *w = *state;

	if (syscall(SYS_capget, &header, data) || !(data[0].effective >> CAP_SYS_PTRACE & 1)) {
		print_message("skipped: needs the capability SYS_PTRACE\n");
		skip();
	}
	w->host.host.flags |= CULPRIT_HOST_WHOLE;
	for (int i = 0; i < 3; i++) {
		tick(w);
		assert_null(strstr(recorder_table(w->recorder, "process")->reason, "SYS_PTRACE"));
		assert_null(strstr(recorder_table(w->recorder, "thread")->reason, "SYS_PTRACE"));
	}
}

/* /proc mounted with hidepid: own processes are rows, and the table says that others are not shown. */
static void hidden_processes(void **state)
{
	int result[2], status;
	char words[256] = "";
	ssize_t n;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root, to mount /proc with hidepid\n");
		skip();
	}
	assert_int_equal(pipe(result), 0);
	pid = fork();
	if (pid == 0) {
		struct culprit_error error;
		const struct recorded_table *t;
		struct world mine = {0};

		if (unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("proc", "/proc", "proc", 0, "hidepid=2") != 0)
			_exit(77);
		/* Nobody else's: what others run as `nobody` would be rows as well. */
		if (setresgid(64987, 64987, 64987) != 0 || setresuid(64987, 64987, 64987) != 0)
			_exit(3);
		fixture_host_init(&mine.host, NULL);
		mine.host.host.ask = ask;
		if (task_collector.open(&mine.host.host, &mine.self, &error) != 0)
			_exit(4);
		mine.recorder = recorder_create(&task_collector);
		for (int i = 0; i < 3; i++)
			if (recorder_sample(mine.recorder, mine.self) != 0)
				_exit(5);
		t = recorder_table(mine.recorder, "process");
		if (!process(&mine, getpid()) || t->state != CULPRIT_FRESH)
			_exit(6);
		n = dprintf(result[1], "%zu %u %s", t->nrows, mine.host.logs, t->reason);
		_exit(n > 0 ? 0 : 7);
	}
	close(result[1]);
	n = read(result[0], words, sizeof(words) - 1);
	close(result[0]);
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: may not mount /proc with hidepid here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(n > 0);
	assert_string_equal(words, "1 1 only your own processes are shown: /proc is mounted with hidepid; run as root");
}

/* --- steady state takes no memory -------------------------------------------------------------------------------- */

static void ignore_table(struct culprit_frame *f, uint32_t t, uint64_t ns)
{
	(void)f, (void)t, (void)ns;
}
static void ignore_state(struct culprit_frame *f, uint32_t t, uint32_t s, const char *r)
{
	(void)f, (void)t, (void)s, (void)r;
}
static void ignore_lost(struct culprit_frame *f, uint32_t t, uint64_t n)
{
	(void)f, (void)t, (void)n;
}
static void ignore(struct culprit_frame *f)
{
	(void)f;
}
static int yes(struct culprit_frame *f, uint32_t handle)
{
	(void)f, (void)handle;
	return 0;
}
static uint32_t end(struct culprit_frame *f)
{
	(void)f;
	return 1;
}
static void ignore_put(struct culprit_frame *f, uint32_t c, uint64_t v)
{
	(void)f, (void)c, (void)v;
}
static void ignore_text(struct culprit_frame *f, uint32_t c, const void *b, size_t n)
{
	(void)f, (void)c, (void)b, (void)n;
}
static void ignore_unread(struct culprit_frame *f, uint32_t c, const char *r)
{
	(void)f, (void)c, (void)r;
}

static void steady_state_takes_no_memory(void **state)
{
	static const struct culprit_frame_ops ops = {
		.size = sizeof(ops),
		.table = ignore_table,
		.state = ignore_state,
		.lost = ignore_lost,
		.row = ignore,
		.again = yes,
		.end = end,
		.born = ignore,
		.put = ignore_put,
		.put_text = ignore_text,
		.unread = ignore_unread,
	};
	struct culprit_frame frame = {&ops};
	struct world *w = *state;
	struct mallinfo2 before, after;

	for (int i = 0; i < 30; i++)
		child(w, i % 5 ? NULL : start_threads, NULL);
	for (int i = 0; i < 20; i++)
		assert_int_equal(task_collector.sample(w->self, &frame), 0);
	before = mallinfo2();
	for (int i = 0; i < 50; i++)
		assert_int_equal(task_collector.sample(w->self, &frame), 0);
	after = mallinfo2();
	/* Others on this machine may start processes meanwhile: a slab for them, no more. */
	assert_true(after.uordblks <= before.uordblks + 256 * 1024);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(own_process),
		TEST(hostile_names),
		TEST(fork_sees_new_and_ended),
		TEST(zombie),
		TEST(exec_is_seen),
		TEST(threads),
		TEST(thread_that_ended),
		TEST(nobody_is_missing),
		TEST(few_descriptors),
		TEST(not_root),
		TEST(no_advice_to_get_what_is_had),
		TEST(hidden_processes),
		TEST(steady_state_takes_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
