/* Stacks without rights: which own processes are sampled, for how long, and how often. Played by a process that has given up root
 * under a user id of its own, so that nobody else's processes are there. */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/frame_recorder.h"

extern const struct culprit_collector stacks_collector;

enum { HZ = 997, USER = 64991, SKIP = 77 };

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void nap_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* --- the stage: in a child without rights; what fails there says where and ends it ------------------------------------ */

struct stage {
	struct fixture_host host;
	struct recorder *recorder;
	void *self;
	struct culprit_error error;
	int opened;
};

#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);              \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static void *open_later(void *arg)
{
	struct stage *s = arg;

	s->opened = stacks_collector.open(&s->host.host, &s->self, &s->error);
	return NULL;
}

/* Opened by a thread that ends then, as core does it. */
static void stage_open(struct stage *s)
{
	pthread_t opener;

	memset(s, 0, sizeof(*s));
	fixture_host_init(&s->host, NULL);
	s->host.host.stack_hz = HZ;
	MUST(!pthread_create(&opener, NULL, open_later, s));
	pthread_join(opener, NULL);
	if (s->opened)
		fprintf(stderr, "%s\n", s->error.sentence);
	MUST(!s->opened);
	s->recorder = recorder_create(&stacks_collector);
}

static void stage_close(struct stage *s)
{
	stacks_collector.close(s->self);
	recorder_destroy(s->recorder);
	fixture_host_finish(&s->host);
}

/* n samples; what comes between them is taken in as it comes. */
static void stage_ticks(struct stage *s, unsigned n)
{
	while (n--) {
		for (uint64_t until = now_ns(CLOCK_MONOTONIC) + 100000000u; now_ns(CLOCK_MONOTONIC) < until;) {
			struct pollfd fd = {.fd = stacks_collector.fd(s->self), .events = POLLIN};

			if (poll(&fd, 1, 10) > 0)
				stacks_collector.drain(s->self);
		}
		MUST(!recorder_sample(s->recorder, s->self));
	}
}

/* Time of a process on its CPU: as sampled. */
static uint64_t sampled(const struct stage *s, pid_t pid)
{
	const struct recorded_table *t = recorder_table(s->recorder, "oncpu");
	uint64_t sum = 0;

	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(s->recorder, "oncpu", &t->rows[i], "pid") == (uint64_t)pid)
			sum += recorder_u64(s->recorder, "oncpu", &t->rows[i], "time");
	return sum;
}

/* And as the kernel has counted it. */
static uint64_t used(pid_t pid)
{
	char path[40], text[1024], *at;
	unsigned long long user = 0, kernel = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	MUST(f && fgets(text, sizeof(text), f));
	fclose(f);
	at = strrchr(text, ')');
	MUST(at && sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &kernel) == 2);
	return (user + kernel) * (1000000000u / (unsigned)sysconf(_SC_CLK_TCK));
}

/* Samples until the process has used so much more of a CPU; what was sampled of that, of 1: all. */
static double share_of(struct stage *s, pid_t pid, uint64_t ns)
{
	uint64_t at = used(pid), had = sampled(s, pid);

	for (unsigned i = 0; i < 600 && used(pid) - at < ns; i++)
		stage_ticks(s, 1);
	return (double)(sampled(s, pid) - had) / (double)(used(pid) - at);
}

/* Until all processes were looked at: where there are thousands, that takes some samples. */
static void stage_rounds(struct stage *s)
{
	DIR *all = opendir("/proc");
	unsigned n = 0;

	MUST(all);
	while (readdir(all))
		n++;
	closedir(all);
	stage_ticks(s, 3 + 2 * n / 1000);
}

/* Until there are samples of it. */
static void must_come(struct stage *s, pid_t pid)
{
	for (unsigned i = 0; i < 600 && !sampled(s, pid); i++)
		stage_ticks(s, 1);
	MUST(sampled(s, pid));
}

/* Twice is 2, and nothing 0; what is between comes of what is sampled a little later than it is counted. */
static void must_be_whole(double share)
{
	if (share < 0.6 || share > 1.5)
		fprintf(stderr, "%.2f of its time was sampled\n", share);
	MUST(share >= 0.6 && share <= 1.5);
}

static void burn(void)
{
	static volatile unsigned long sink;

	for (;;)
		sink++;
}

static pid_t begin(void (*what)(void))
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid)
		return pid;
	what();
	_exit(0);
}

/* Between processes: who tells its pid, who waits to be told to go on. */
static int told[2], go[2];

static void pipes(void)
{
	MUST(!pipe(told) && !pipe(go));
}

static pid_t told_pid(void)
{
	pid_t pid;

	MUST(read(told[0], &pid, sizeof(pid)) == (ssize_t)sizeof(pid));
	return pid;
}

static void wait_for_go(void)
{
	char c;

	if (read(go[0], &c, 1) != 1)
		_exit(1);
}

static void tell_and_burn(void)
{
	pid_t pid = getpid();

	if (write(told[1], &pid, sizeof(pid)) == (ssize_t)sizeof(pid))
		burn();
}

static pid_t of_root; /* burns, as another user */

/* Of all capabilities keeps the one to sample everybody. */
static int only_perfmon(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	data[CAP_PERFMON / 32].effective = data[CAP_PERFMON / 32].permitted = 1u << CAP_PERFMON % 32;
	return (int)syscall(SYS_capset, &header, data);
}

static void in_child(void (*play)(void), bool perfmon)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root, to give it up\n");
		skip();
	}
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct fixture_host host;

		/* What it starts ends with it. */
		setpgid(0, 0);
		of_root = perfmon ? begin(burn) : 0;
		if (prctl(PR_SET_KEEPCAPS, perfmon) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ||
		    prctl(PR_SET_DUMPABLE, 1))
			_exit(3);
		if (perfmon && only_perfmon())
			_exit(SKIP);
		fixture_host_init(&host, NULL);
		if (stacks_collector.probe(&host.host, NULL))
			_exit(SKIP);
		fixture_host_finish(&host);
		play();
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	kill(-pid, SIGKILL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP) {
		print_message("skipped: no perf events without root here (kernel.perf_event_paranoid)\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* --- who waits for samples is not woken without any --------------------------------------------------------------------- */

static void play_quiet(void)
{
	struct pollfd fd = {.events = POLLIN};
	struct stage s;

	stage_open(&s);
	stage_ticks(&s, 2);
	fd.fd = stacks_collector.fd(s.self);
	MUST(poll(&fd, 1, 50) == 0);
	stage_close(&s);
}

static void test_quiet(void **state)
{
	(void)state;
	in_child(play_quiet, false);
}

/* --- who began what is sampled may end ------------------------------------------------------------------------------------ */

static void begins_and_ends(void)
{
	wait_for_go();
	begin(tell_and_burn);
	wait_for_go();
}

static void play_orphan(void)
{
	pid_t parent, child;
	struct stage s;

	pipes();
	parent = begin(begins_and_ends);
	stage_open(&s);
	stage_ticks(&s, 1);
	MUST(write(go[1], "", 1) == 1);
	child = told_pid();
	must_be_whole(share_of(&s, child, 300000000));
	MUST(write(go[1], "", 1) == 1 && waitpid(parent, NULL, 0) == parent);
	stage_rounds(&s);
	must_be_whole(share_of(&s, child, 500000000));
	stage_close(&s);
}

static void test_orphan(void **state)
{
	(void)state;
	in_child(play_orphan, false);
}

/* --- one is sampled once, whoever it came from ------------------------------------------------------------------------------- */

static void detaches(void)
{
	begin(tell_and_burn);
}

static void detaches_twice(void)
{
	wait_for_go();
	begin(detaches);
	for (;;)
		pause();
}

static void play_daemon(void)
{
	struct stage s;
	pid_t child;

	pipes();
	begin(detaches_twice);
	/* The parent is followed when it begins; whom it begins loses its own before the next look. */
	stage_open(&s);
	stage_ticks(&s, 1);
	MUST(write(go[1], "", 1) == 1);
	child = told_pid();
	nap_ms(50);
	must_come(&s, child);
	must_be_whole(share_of(&s, child, 500000000));
	stage_close(&s);
}

static void test_daemon(void **state)
{
	(void)state;
	in_child(play_daemon, false);
}

/* --- where descriptors are short, it is said, and no child is taken to have what its parent has not ------------------------------ */

static void begins_later(void)
{
	wait_for_go();
	begin(tell_and_burn);
	for (;;)
		pause();
}

static void *rest(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void crowd(void)
{
	pid_t pid = getpid();
	pthread_t thread;

	for (int i = 0; i < 100; i++)
		MUST(!pthread_create(&thread, NULL, rest, NULL));
	MUST(write(told[1], &pid, sizeof(pid)) == (ssize_t)sizeof(pid));
	rest(NULL);
}

static void play_no_room(void)
{
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_CONF);
	/* Half of them is for events: of fewer threads than the crowd has. */
	struct rlimit limit = {.rlim_cur = 64 + 4 * cpus, .rlim_max = 64 + 4 * cpus};
	const char *reason;
	pid_t many, child;
	struct stage s;

	pipes();
	many = begin(crowd);
	told_pid();
	begin(begins_later);
	MUST(!setrlimit(RLIMIT_NOFILE, &limit));
	stage_open(&s);
	stage_ticks(&s, 1);
	reason = recorder_table(s.recorder, "oncpu")->reason;
	MUST(strstr(reason, "of your own processes only") && strstr(reason, "raise ulimit -n") && strstr(reason, "setcap"));
	MUST(write(go[1], "", 1) == 1);
	child = told_pid();
	stage_ticks(&s, 2);
	MUST(!kill(many, SIGKILL) && waitpid(many, NULL, 0) == many);
	must_come(&s, child);
	must_be_whole(share_of(&s, child, 500000000));
	stage_rounds(&s);
	MUST(!strstr(recorder_table(s.recorder, "oncpu")->reason, "ulimit"));
	stage_close(&s);
}

static void test_no_room(void **state)
{
	(void)state;
	in_child(play_no_room, false);
}

/* --- thinned ------------------------------------------------------------------------------------------------------------------- */

static void play_thinned(void)
{
	const struct culprit_program *programs;
	const struct recorded_table *t;
	struct stage s;
	uint64_t events;
	pid_t pid;

	stage_open(&s);
	pid = begin(burn);
	must_come(&s, pid);
	MUST(!stacks_collector.thin(s.self, 0, 8));
	must_be_whole(share_of(&s, pid, 1500000000));
	t = recorder_table(s.recorder, "oncpu");
	MUST(t->nrows && recorder_u64(s.recorder, "oncpu", &t->rows[0], "rate") == HZ / 8);
	MUST(stacks_collector.programs(s.self, &programs) == 1 && programs->thinning == 8 && programs->run_ns && programs->inside);
	/* Dropped: nothing comes, and the table says why; and back. */
	MUST(!stacks_collector.thin(s.self, 0, 0));
	stage_ticks(&s, 1);
	stacks_collector.programs(s.self, &programs);
	events = programs->events;
	stage_ticks(&s, 3);
	stacks_collector.programs(s.self, &programs);
	MUST(programs->events == events && programs->state == CULPRIT_PROGRAM_DROPPED);
	t = recorder_table(s.recorder, "oncpu");
	MUST(t->state == CULPRIT_MISSING && strstr(t->reason, "--budget"));
	MUST(!stacks_collector.thin(s.self, 0, 1));
	stage_ticks(&s, 1);
	must_be_whole(share_of(&s, pid, 500000000));
	stage_close(&s);
}

static void test_thinned(void **state)
{
	(void)state;
	in_child(play_thinned, false);
}

/* --- with the right to sample everybody ---------------------------------------------------------------------------------------- */

static void play_everybody(void)
{
	const char *reason;
	struct stage s;
	pid_t pid;

	pid = begin(burn);
	stage_open(&s);
	must_come(&s, of_root);
	must_be_whole(share_of(&s, of_root, 300000000));
	must_be_whole(share_of(&s, pid, 300000000));
	reason = recorder_table(s.recorder, "oncpu")->reason;
	MUST(!strstr(reason, "own processes") && strstr(reason, "perf events"));
	stage_close(&s);
}

static void test_everybody(void **state)
{
	(void)state;
	in_child(play_everybody, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_thinned),
		cmocka_unit_test(test_everybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
