/* Who is there, by thousands that come and go: each is found, with what it did, and nobody who is gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <culprit/host.h>

#ifndef CULPRIT_NO_BPF
#include "sched_internal.h"

enum { TIDS = 6000, SAMPLES = 60 };

static uint32_t seed = 7;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void come_and_go(void **state)
{
	struct culprit_host host = {.user_hz = 100};
	struct sched_threads t = {0};
	/* When each tid's thread began; 0: nobody has it. How much it did. */
	uint64_t *start = calloc(TIDS, sizeof(*start)), *work = calloc(TIDS, sizeof(*work));
	uint32_t most = 0;

	(void)state;
	assert_non_null(start);
	assert_non_null(work);
	assert_int_equal(sched_threads_init(&t, &host), 0);
	for (uint32_t sample = 1; sample <= SAMPLES; sample++) {
		uint32_t there = 0, rare = 0;

		t.sample = sample;
		for (uint32_t tid = 1; tid < TIDS; tid++) {
			struct sched_record r = {.tid = tid, .accounted = SCHED_ACCOUNTED};

			/* Few at first and at last; numbers are used again. */
			if (rnd(100) < 20)
				start[tid] = rnd(SAMPLES) < (sample < SAMPLES / 2 ? sample : SAMPLES - sample) * 2 ? sample * 1000 + rnd(1000) : 0;
			if (!start[tid])
				continue;
			if (start[tid] / 1000 == sample)
				work[tid] = 0;
			work[tid] += rnd(50);
			r.start = start[tid];
			r.on_cpu = r.held = work[tid];
			r.blocked[SCHED_IDLE_MAYBE] = work[tid] * 2;
			/* What most never have; it never falls. */
			r.blocked[SCHED_LOCK] = tid % 4 ? 0 : rnd(2) ? work[tid] * 3 : work[tid];
			r.throttled = tid % 8 ? 0 : work[tid];
			assert_int_equal(sched_threads_take(&t, &r, 1), 0);
			there++;
		}
		sched_threads_sweep(&t);
		most = there > most ? there : most;
		assert_int_equal(t.used, there);
		for (uint32_t tid = 1; tid < TIDS; tid++) {
			const struct sched_known *k = sched_threads_find(&t, tid, start[tid] ? start[tid] : 1);

			assert_int_equal(k != NULL, start[tid] != 0);
			if (!k)
				continue;
			assert_true(k->tid == tid && k->start == start[tid] && sched_known_on_cpu(k) == work[tid] && k->seen == sample);
			assert_int_equal(sched_known_blocked(k, SCHED_IDLE_MAYBE), work[tid] * 2);
			assert_int_equal(sched_known_blocked(k, SCHED_NONE), 0);
			assert_int_equal(sched_known_blocked(k, SCHED_PIPE), 0);
			assert_in_range(sched_known_blocked(k, SCHED_LOCK), tid % 4 ? 0 : work[tid], tid % 4 ? 0 : work[tid] * 3);
			assert_int_equal(k->rare ? k->rare->throttled : 0, tid % 8 ? 0 : work[tid]);
			rare += k->rare != NULL;
			assert_true(!k->rare || tid % 4 == 0);
		}
		assert_int_equal(t.rares.items, rare);
	}
	/* Full enough to have grown, and not one place for each that ever was. */
	assert_true(most > 2000);
	assert_true(t.size <= 4 * most);
	sched_threads_finish(&t);
	free(start);
	free(work);
}

/* Of a thread that sleeps on only that is told: its wait grows by the time that passed, and nothing else of it changes. */
static void sleeps_on(void **state)
{
	struct culprit_host host = {.user_hz = 100};
	struct sched_threads t = {0};
	struct sched_record r = {.tid = 7, .start = 5, .at = 1000, .accounted = SCHED_ACCOUNTED, .reason = SCHED_DISK, .switches = 3};
	struct sched_same same = {.size = sizeof(same), .tid = 7, .at = 1500};
	const struct sched_known *k;

	(void)state;
	r.blocked[SCHED_DISK] = 100;
	r.blocked[SCHED_IDLE] = 11;
	assert_int_equal(sched_threads_init(&t, &host), 0);
	t.sample = 1;
	/* Not known: it must be told of whole. */
	assert_int_equal(sched_threads_take_same(&t, &same), -ENOENT);
	assert_int_equal(sched_threads_take(&t, &r, 1), 0);
	t.sample = 2;
	assert_int_equal(sched_threads_take_same(&t, &same), 0);
	sched_threads_sweep(&t);
	k = sched_threads_find(&t, 7, 5);
	assert_non_null(k);
	assert_int_equal(sched_known_blocked(k, SCHED_DISK), 600);
	assert_int_equal(sched_known_blocked(k, SCHED_IDLE), 11);
	assert_int_equal(k->switches, 3);
	assert_int_equal(k->switched, 0);
	/* A time that is not later adds nothing. */
	assert_int_equal(sched_threads_take_same(&t, &same), 0);
	assert_int_equal(sched_known_blocked(k, SCHED_DISK), 600);
	/* Then the kernel says it: no less, and no more than that. */
	r.at = 2000;
	r.blocked[SCHED_DISK] = 1100;
	r.switches = 4;
	t.sample = 3;
	assert_int_equal(sched_threads_take(&t, &r, 1), 0);
	assert_int_equal(sched_known_blocked(k, SCHED_DISK), 1100);
	assert_int_equal(k->switched, 1);
	/* Another thread has its number now; the old one is forgotten. */
	r.start = 9;
	t.sample = 4;
	assert_int_equal(sched_threads_take(&t, &r, 1), 0);
	sched_threads_sweep(&t);
	same.at = 2600;
	t.sample = 5;
	assert_int_equal(sched_threads_take_same(&t, &same), 0);
	sched_threads_sweep(&t);
	assert_null(sched_threads_find(&t, 7, 5));
	assert_int_equal(sched_known_blocked(sched_threads_find(&t, 7, 9), SCHED_DISK), 1700);
	sched_threads_finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(come_and_go), cmocka_unit_test(sleeps_on)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void built_without(void **state)
{
	(void)state;
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(built_without)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
