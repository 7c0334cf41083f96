/* The budget of own cost: when it cuts, whom, how far, and when it gives back; and the sentences that say why the kernel takes
 * no programs, for settings that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel_cost.h"
#ifndef CULPRIT_NO_BPF
#include "bpf_why.h"
#endif

enum { SECOND = 1000000000 };

struct box {
	struct cost_budget budget;
	struct cost_taker takers[3]; /* a dear program that thins, one that does not, a collector */
	uint64_t now, own;
	struct cost_step step;
};

static void box_init(struct box *b, double limit)
{
	memset(b, 0, sizeof(*b));
	b->budget = (struct cost_budget){.limit = limit, .cpus = 2};
	b->takers[0] = (struct cost_taker){.collector = 0, .program = 0, .thinning = 1, .thins = true, .may_drop = true};
	b->takers[1] = (struct cost_taker){.collector = 0, .program = 1, .thinning = 1, .may_drop = true};
	b->takers[2] = (struct cost_taker){.collector = 1, .program = UINT32_MAX, .thinning = 1, .thins = true};
	b->now = 100ull * SECOND;
	for (int i = 0; i < 3; i++)
		b->takers[i].total_ns = 1;
	b->own = 1;
	cost_budget_tick(&b->budget, b->now, b->own, b->takers, 3, &b->step);
}

/* One second in which they took so much of one CPU, in percent. */
static bool second(struct box *b, double first, double other, double collector)
{
	double percent[3] = {first, other, collector};

	b->now += SECOND;
	for (int i = 0; i < 3; i++) {
		b->takers[i].total_ns += (uint64_t)(percent[i] / 100 * SECOND);
		b->own += (uint64_t)(percent[i] / 100 * SECOND);
	}
	return cost_budget_tick(&b->budget, b->now, b->own, b->takers, 3, &b->step);
}

static void below_nothing_happens(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 0.01);
	for (int i = 0; i < 100; i++)
		assert_false(second(&b, 0.9, 0.5, 0.5)); /* 1.9 % of one of two CPUs: 0.95 % of the machine */
	box_init(&b, 0);
	for (int i = 0; i < 100; i++)
		assert_false(second(&b, 90, 0, 0)); /* no budget */
}

static void dearest_is_thinned_then_dropped(void **state)
{
	struct box b;
	unsigned steps = 0;

	(void)state;
	box_init(&b, 0.01);
	/* A burst is not enough. */
	assert_false(second(&b, 10, 1, 1));
	assert_false(second(&b, 10, 1, 1));
	assert_false(second(&b, 0.1, 0.1, 0.1));
	for (int i = 0; i < 100 && b.takers[0].thinning; i++) {
		if (!second(&b, 10, 1, 1))
			continue;
		assert_ptr_equal(b.step.taker, &b.takers[0]);
		assert_true(b.step.thinning == b.takers[0].thinning * 2 || !b.step.thinning);
		b.takers[0].thinning = b.step.thinning;
		steps++;
	}
	/* 2, 4 ... 64, dropped. */
	assert_int_equal(steps, 7);
	assert_int_equal(b.takers[0].thinning, 0);
}

/* What a table rests without is kept while others are dear, and cut when they are not. */
static void some_are_cut_last(void **state)
{
	struct box b;
	unsigned steps = 0;

	(void)state;
	box_init(&b, 0.01);
	b.takers[0].last = b.takers[2].last = true;
	for (int i = 0; i < 10 && !steps; i++)
		steps += second(&b, 10, 1, 1);
	assert_int_equal(steps, 1);
	assert_ptr_equal(b.step.taker, &b.takers[1]);
	b.takers[1].thinning = b.step.thinning;
	for (int i = 0; i < 10 && steps < 2; i++)
		steps += second(&b, 10, 0, 1);
	assert_ptr_equal(b.step.taker, &b.takers[0]);
	/* Of one that takes nearly nothing it would not help. */
	box_init(&b, 0.01);
	b.takers[0].last = true;
	steps = 0;
	for (int i = 0; i < 10 && !steps; i++)
		steps += second(&b, 10, 0.1, 0);
	assert_ptr_equal(b.step.taker, &b.takers[0]);
}

static void what_cannot_be_thinned_is_dropped(void **state)
{
	struct box b;
	bool cut = false;

	(void)state;
	box_init(&b, 0.01);
	for (int i = 0; i < 10 && !cut; i++)
		cut = second(&b, 1, 10, 1);
	assert_true(cut);
	assert_ptr_equal(b.step.taker, &b.takers[1]);
	assert_int_equal(b.step.thinning, 0);
}

static void collectors_are_never_dropped(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 0.01);
	for (int i = 0; i < 200; i++) {
		if (!second(&b, 0, 0, 10))
			continue;
		assert_ptr_equal(b.step.taker, &b.takers[2]);
		assert_true(b.step.thinning > b.takers[2].thinning);
		b.takers[2].thinning = b.step.thinning;
	}
	assert_int_equal(b.takers[2].thinning, COST_THIN_MOST);
}

/* Some collectors must keep up; and where neither they nor anything else is dear, the cost is somebody else's: nothing is cut for it. */
static void what_would_not_help_is_left_alone(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 0.01);
	b.takers[0].last = b.takers[2].last = true;
	b.takers[2].most = 2;
	for (int i = 0; i < 200; i++) {
		b.own += 300000000; /* a screen: 30 % of a CPU */
		if (!second(&b, 0.07, 0.03, 10))
			continue;
		assert_ptr_equal(b.step.taker, &b.takers[2]);
		b.takers[2].thinning = b.step.thinning;
	}
	assert_int_equal(b.takers[2].thinning, 2);
	assert_int_equal(b.takers[0].thinning, 1);
	assert_int_equal(b.takers[1].thinning, 1);
	/* Not even one of which a table rests then, while all that measures is within the budget. */
	for (int i = 0; i < 20; i++) {
		b.own += 300000000;
		assert_false(second(&b, 0.5, 0.03, 0.5));
	}
	/* Nor where it is a small part of what measures, and who costs must keep up. */
	for (int i = 0; i < 20; i++)
		assert_false(second(&b, 0.3, 0.03, 10));
	/* A program that is dear is cut all the same. */
	for (int i = 0; i < 4; i++)
		if (second(&b, 3, 0.03, 10))
			assert_ptr_equal(b.step.taker, &b.takers[0]);
	assert_ptr_equal(b.step.taker, &b.takers[0]);
}

static void given_back_where_there_is_room(void **state)
{
	struct box b;
	int i;

	(void)state;
	box_init(&b, 0.01);
	for (i = 0; i < 10 && !second(&b, 4, 0.1, 0.1); i++)
		;
	b.takers[0].thinning = b.step.thinning;
	assert_int_equal(b.takers[0].thinning, 2);
	/* Half of it is 0.5 % of the machine: 0.8 % of one CPU more would be too much. */
	for (i = 0; i < 100; i++)
		assert_false(second(&b, 0.8, 0.1, 0.1));
	for (i = 0; i < COST_RELIEF + 1 && !second(&b, 0.2, 0.1, 0.1); i++)
		;
	assert_true(i >= 1 && i <= COST_RELIEF);
	assert_ptr_equal(b.step.taker, &b.takers[0]);
	assert_int_equal(b.step.thinning, 1);
}

#ifndef CULPRIT_NO_BPF
static void says(const struct bpf_setting *s, int expect, const char *word)
{
	struct culprit_error error = {""};

	assert_int_equal(bpf_why_not(s, &error), expect);
	if (word && !strstr(error.sentence, word))
		fail_msg("no '%s' in: %s", word, error.sentence);
	/* It fits, and it is one sentence. */
	assert_true(strlen(error.sentence) < sizeof(error.sentence) - 1);
	assert_null(strchr(error.sentence, '\n'));
}

static void every_setting_has_its_sentence(void **state)
{
	const uint64_t all = 1ull << 21, needed = 1ull << 38 | 1ull << 39;
	struct bpf_setting s = {.capabilities = all, .btf = true, .release = "6.1.0", .machine = "x86_64",
				.program = "/usr/local/bin/culprit"};
	struct culprit_error error;

	(void)state;
	says(&s, 0, NULL);
	s.capabilities = needed;
	says(&s, 0, NULL);
	s.capabilities = 1ull << 39;
	says(&s, -EPERM, "sudo setcap cap_bpf,cap_perfmon+ep /usr/local/bin/culprit");
	memset(s.program, 'x', sizeof(s.program) - 1);
	says(&s, -EPERM, "setcap cap_bpf,cap_perfmon+ep culprit");
	s.container = true;
	says(&s, -EPERM, "container");
	s.capabilities = all;
	s.locked = true;
	says(&s, -EPERM, "lockdown");
	s.locked = false;
	s.btf = false;
	says(&s, -ENOENT, "CONFIG_DEBUG_INFO_BTF");
	s.btf = true;
	bpf_why_object(&s, -EPERM, "", &error);
	assert_non_null(strstr(error.sentence, "seccomp"));
	bpf_why_program(&s, "tracepoint sched_switch", -ENOENT, "", &error);
	assert_non_null(strstr(error.sentence, "kernel 6.1.0 has no tracepoint sched_switch"));
	bpf_why_program(&s, "tracepoint sched_switch", -EINVAL, "libbpf: prog 'x': bad\nmore", &error);
	assert_non_null(strstr(error.sentence, "prog 'x': bad"));
	assert_null(strchr(error.sentence, '\n'));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_nothing_happens),
		cmocka_unit_test(dearest_is_thinned_then_dropped),
		cmocka_unit_test(some_are_cut_last),
		cmocka_unit_test(what_cannot_be_thinned_is_dropped),
		cmocka_unit_test(what_would_not_help_is_left_alone),
		cmocka_unit_test(collectors_are_never_dropped),
		cmocka_unit_test(given_back_where_there_is_room),
#ifndef CULPRIT_NO_BPF
		cmocka_unit_test(every_setting_has_its_sentence),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
