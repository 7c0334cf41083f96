/* Who ends a thread's waits (thread_waker), against the running kernel: by interest, for one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "kernel/sched_world.h"

static int wake_pipe[2];

static void reads_bytes(void *arg)
{
	char c;

	(void)arg;
	close(wake_pipe[1]);
	while (read(wake_pipe[0], &c, 1) == 1)
		;
}

static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;

static void *holds(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&contended);
		sleep_ms(10);
		pthread_mutex_unlock(&contended);
		sleep_ms(2);
	}
	return NULL;
}

static void wants(void *arg)
{
	pthread_t holder;

	(void)arg;
	if (pthread_create(&holder, NULL, holds, NULL))
		return;
	for (;;) {
		pthread_mutex_lock(&contended);
		pthread_mutex_unlock(&contended);
		sleep_ms(1);
	}
}

static void look_at(struct world *w, pid_t pid)
{
	struct culprit_interest interest = {.size = sizeof(interest), .table = "thread_waker", .what = "rows", .key = {(uint64_t)pid}, .nkey = 1};

	sched_collector.interests(w->self, &interest, pid ? 1 : 0);
	world_sample(w);
}

/* Waits for `reason` of thread tid; *ret_time: how long they were; waker 0: whoever of this process it was but itself. */
static uint64_t woken(struct world *w, pid_t tid, const char *reason, pid_t waker, uint64_t *ret_time)
{
	const struct recorded_table *t = recorder_table(w->recorder, "thread_waker");
	uint64_t waits = 0;

	*ret_time = 0;
	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_row *row = &t->rows[i];
		uint64_t who = recorder_u64(w->recorder, "thread_waker", row, "waker_tid");

		if (recorder_u64(w->recorder, "thread_waker", row, "tid") != (uint64_t)tid ||
		    strcmp(recorder_text(w->recorder, "thread_waker", row, "reason"), reason) != 0 || !who ||
		    (waker ? who != (uint64_t)waker : who == (uint64_t)tid ||
		     recorder_u64(w->recorder, "thread_waker", row, "waker_pid") != (uint64_t)tid))
			continue;
		waits += recorder_u64(w->recorder, "thread_waker", row, "waits");
		*ret_time += recorder_u64(w->recorder, "thread_waker", row, "wait_time");
	}
	return waits;
}

static void wakers_are_told_by_interest(void **state)
{
	uint64_t time, n;
	struct world w;
	pid_t reader, locker;

	(void)state;
	if (!world_open(&w))
		skip();
	assert_int_equal(pipe(wake_pipe), 0);
	reader = start(&w, reads_bytes, NULL);
	locker = start(&w, wants, NULL);
	close(wake_pipe[0]);
	sleep_ms(100);
	world_sample(&w);
	assert_int_equal(recorder_rows(w.recorder, "thread_waker"), 0);
	assert_false(recorder_table(w.recorder, "thread_waker")->sampled);
	look_at(&w, reader);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(write(wake_pipe[1], "", 1), 1);
		sleep_ms(5);
	}
	world_sample(&w);
	n = woken(&w, reader, "idle?", getpid(), &time);
	print_message("reader: %llu of 50 bytes woke it, after %llu us each\n", (unsigned long long)n,
		      (unsigned long long)(n ? time / n / 1000 : 0));
	/* On a busy machine it may find two bytes at once. */
	assert_true(n >= 25 && n <= 50);
	assert_true(time / n > 2000000);
	look_at(&w, locker);
	for (int tries = 0; tries < 20; tries++) {
		sleep_ms(200);
		world_sample(&w);
		n = woken(&w, locker, "lock", 0, &time);
		if (n >= 5)
			break;
	}
	print_message("locker: the holder woke it %llu times, after %llu us each\n", (unsigned long long)n,
		      (unsigned long long)(n ? time / n / 1000 : 0));
	assert_true(n >= 5);
	/* The one before is forgotten. */
	assert_int_equal(woken(&w, reader, "idle?", getpid(), &time), 0);
	look_at(&w, 0);
	assert_int_equal(recorder_rows(w.recorder, "thread_waker"), 0);
	world_sample(&w);
	assert_false(recorder_table(w.recorder, "thread_waker")->sampled);
	close(wake_pipe[1]);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wakers_are_told_by_interest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
