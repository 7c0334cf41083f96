/* Children with known habits beside a running sched collector, and what its tables say of each: for tests of those tables. */
#ifndef KERNEL_SCHED_WORLD_H
#define KERNEL_SCHED_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/frame_recorder.h"

extern const struct culprit_collector sched_collector;

enum { CHILDREN_MAX = 16, WINDOW_MS = 3000 };

/* on_cpu: user + kernel. */
static const char *const times[] = {"on_cpu", "runnable", "throttled", "stolen", "disk", "lock", "network", "memory", "pipe", "other",
				    "idle", "idle_maybe"};
enum { TIMES = sizeof(times) / sizeof(times[0]) };

struct world {
	struct fixture_host host;
	struct recorder *recorder;
	void *self;
	pid_t children[CHILDREN_MAX];
	unsigned n;
};

/* What a thread has done by a sample. */
struct account {
	bool there;
	uint64_t at_ns, t[TIMES];
};

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline void sleep_ms(unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static inline bool world_open(struct world *w)
{
	struct culprit_error error = {""};

	memset(w, 0, sizeof(*w));
	fixture_host_init(&w->host, NULL);
	/* Every thread's times in every sample. */
	w->host.host.flags |= CULPRIT_HOST_WHOLE;
	if (sched_collector.probe(&w->host.host, &error) || sched_collector.open(&w->host.host, &w->self, &error)) {
		fixture_host_finish(&w->host);
		print_message("skipped: %s\n", error.sentence);
		return false;
	}
	w->recorder = recorder_create(&sched_collector);
	return true;
}

static inline void world_close(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		kill(w->children[i], SIGKILL);
		waitpid(w->children[i], NULL, 0);
	}
	sched_collector.close(w->self);
	if (recorder_misuse(w->recorder))
		fail_msg("%s", recorder_misuse(w->recorder));
	recorder_destroy(w->recorder);
	fixture_host_finish(&w->host);
}

/* Returns how long it took: on a busy machine it is pushed aside, and threads that it reads later have done more. */
static inline uint64_t world_sample(struct world *w)
{
	uint64_t begin = now_ns();

	assert_int_equal(recorder_sample(w->recorder, w->self), 0);
	return now_ns() - begin;
}

static inline pid_t start(struct world *w, void (*run)(void *), void *arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(arg);
		_exit(0);
	}
	w->children[w->n++] = pid;
	return pid;
}

static const struct recorded_row *row_of(struct world *w, pid_t tid)
{
	const struct recorded_table *t = recorder_table(w->recorder, "thread_time");

	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(w->recorder, "thread_time", &t->rows[i], "tid") == (uint64_t)tid)
			return &t->rows[i];
	return NULL;
}

static inline struct account account_of(struct world *w, pid_t tid)
{
	const struct recorded_row *row = row_of(w, tid);
	struct account a = {.there = row != NULL, .at_ns = now_ns()};

	if (row)
		a.t[0] = recorder_u64(w->recorder, "thread_time", row, "user") + recorder_u64(w->recorder, "thread_time", row, "kernel");
	for (unsigned i = 1; row && i < TIMES; i++)
		a.t[i] = recorder_u64(w->recorder, "thread_time", row, times[i]);
	return a;
}

static inline void spin(void *arg)
{
	(void)arg;
	for (;;)
		;
}

#endif
