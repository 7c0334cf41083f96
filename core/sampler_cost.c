/* What the programs in the kernel cost, and what is done when culprit costs more than it may (kernel_cost.h decides). */
#include "sampler_internal.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

#define KEEPS_UP_NS 2000000000ull

/* The taker of this tick, with what is remembered of it; NULL: no room, then it cannot be cut. */
static struct cost_taker *taker_of(struct sampler *s, uint32_t collector, uint32_t program)
{
	for (size_t i = 0; i < s->ntakers; i++) {
		if (s->takers[i].collector == collector && s->takers[i].program == program)
			return &s->takers[i];
	}
	if (s->ntakers == COST_TAKERS_MAX)
		return NULL;
	s->takers[s->ntakers] = (struct cost_taker){.collector = collector, .program = program};
	return &s->takers[s->ntakers++];
}

/* How far a collector may be thinned: what all else hangs on is there within two seconds. */
static uint32_t thinned_most(const struct sampler *s, const struct entry *e)
{
	uint64_t interval_ns = e->period_ns > s->options.interval_ns ? e->period_ns : s->options.interval_ns;
	uint32_t most = 2;

	if (!(e->collector->flags & CULPRIT_KEEPS_UP))
		return COST_THIN_MOST;
	while (most < COST_THIN_MOST && most * 2 * interval_ns <= KEEPS_UP_NS)
		most *= 2;
	return most;
}

static size_t programs_of(const struct entry *e, const struct culprit_program **ret)
{
	return e->open && e->collector && e->collector->programs ? e->collector->programs(e->self, ret) : 0;
}

static void say_step(struct sampler *s, const struct cost_step *step)
{
	const struct entry *e = s->entries[step->taker->collector];
	const struct culprit_program *list;
	char text[200], who[96];

	snprintf(who, sizeof(who), "%s", e->name);
	if (step->taker->program != UINT32_MAX && programs_of(e, &list) > step->taker->program)
		snprintf(who, sizeof(who), "%s of %s", list[step->taker->program].name, e->name);
	if (!step->thinning)
		snprintf(text, sizeof(text), "%s is detached: culprit cost %.1f %% of the machine, its budget is %.1f %%", who,
			 step->share * 100, s->budget.limit * 100);
	else if (step->thinning > step->taker->thinning && step->taker->thinning)
		snprintf(text, sizeof(text), "%s looks at one in %u: culprit cost %.1f %% of the machine, its budget is %.1f %%",
			 who, (unsigned)step->thinning, step->share * 100, s->budget.limit * 100);
	else if (step->thinning > 1)
		snprintf(text, sizeof(text), "%s looks at one in %u again: there is room in the budget", who,
			 (unsigned)step->thinning);
	else
		snprintf(text, sizeof(text), "%s looks at everything again: there is room in the budget", who);
	/* The timeline says where something began and ended to be measured less; the steps between would only clutter it. */
	if (!step->thinning || step->thinning == 1 || step->taker->thinning <= 1)
		sampler_mark(s, "budget", text);
	sampler_say(s, CULPRIT_LOG_WARNING, NULL, text);
}

static void do_step(struct sampler *s, const struct cost_step *step)
{
	struct entry *e = s->entries[step->taker->collector];

	if (step->taker->program == UINT32_MAX) {
		say_step(s, step);
		e->thinning = step->thinning;
	} else if (e->collector->thin) {
		say_step(s, step);
		e->collector->thin(e->self, step->taker->program, step->thinning);
	}
}

void sampler_cost(struct sampler *s, uint64_t now_ns, uint64_t program_cpu_ns)
{
	struct culprit_frame *f = builder_frame(writer_builder(s->writer), s->bpf_table, 1);
	struct cost_step step;
	uint64_t once_ns;

	s->kernel_ns = 0;
	culprit_table(f, 0);
	for (size_t i = 0; i < s->nentries; i++) {
		struct entry *e = s->entries[i];
		const struct culprit_program *list = NULL;
		size_t n = programs_of(e, &list);
		struct cost_taker *taker;

		e->kernel_ns = 0;
		for (size_t k = 0; k < n; k++) {
			const struct culprit_program *p = &list[k];

			kernel_cost_put(f, e->name, p);
			if (!p->inside)
				e->kernel_ns += p->run_ns;
			taker = p->run_ns ? taker_of(s, (uint32_t)i, (uint32_t)k) : NULL;
			if (!taker)
				continue;
			taker->total_ns = p->run_ns;
			taker->thinning = p->state == CULPRIT_PROGRAM_DROPPED ? 0 : p->thinning;
			taker->thins = p->thins;
			taker->last = p->last;
			taker->may_drop = p->state == CULPRIT_PROGRAM_ON;
		}
		s->kernel_ns += e->kernel_ns;
		taker = e->open && e->collector ? taker_of(s, (uint32_t)i, UINT32_MAX) : NULL;
		if (taker) {
			taker->total_ns = e->cpu_ns;
			taker->thinning = e->thinning;
			taker->thins = true;
			taker->most = thinned_most(s, e);
			taker->last = true; /* what it reads is on the screen */
			taker->may_drop = false;
		}
	}
	builder_frame_end(writer_builder(s->writer), 0, NULL, 0, 1, NULL);
	/* What is done once, loading programs and reading files, is own cost like all else, but measuring less would not save it. */
	once_ns = __atomic_load_n(&s->once_ns, __ATOMIC_RELAXED) + (s->symbols ? symbols_once_ns(s->symbols) : 0);
	program_cpu_ns -= once_ns < program_cpu_ns ? once_ns : program_cpu_ns;
	if (cost_budget_tick(&s->budget, now_ns, program_cpu_ns + s->kernel_ns, s->takers, s->ntakers, &step))
		do_step(s, &step);
}
