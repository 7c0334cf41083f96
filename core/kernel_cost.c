#include "kernel_cost.h"

#include <math.h>

static const struct culprit_column columns[] = {
	[BPF_COLLECTOR] = {"collector", CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE, 0, 0, "the collector it belongs to"},
	[BPF_NAME] = {"program", CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE, 0, 0, "name of the program"},
	[BPF_HOOK] = {"hook", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0, "where in the kernel it hangs"},
	[BPF_STATE] = {"state", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0,
		       "on; off (nobody looks); thinned or dropped (own cost was above the budget); missing"},
	[BPF_REASON] = {"reason", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0,
			"why it is not on, and what would change that"},
	[BPF_EVENTS] = {"events", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 0, 0, "times it was called"},
	[BPF_LOST] = {"lost", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 0, 0,
		      "events it should have seen or kept, and did not: no room in a map, called while it ran"},
	[BPF_TIME] = {"run_time", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_NS, 0, 0,
		      "time it has run, on all CPUs; 0 for programs that run inside culprit's own reads",
		      "measured in the program itself, about one event in 64, times events"},
	[BPF_THINNING] = {"thinning", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 0, 0,
			  "looks at one event in so many; 1 is every one"},
	[BPF_MAP_USED] = {"map_used", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 0, 0, "entries of its fullest map in use"},
	[BPF_MAP_MAX] = {"map_max", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 0, 0, "entries that map has room for"},
	[BPF_MEMORY] = {"memory", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_BYTES, 0, 0,
			"kernel memory of its maps; of maps that several share, at the first of them"},
};

static const struct culprit_derived derived[] = {
	{"per_event", CULPRIT_RATIO, CULPRIT_NS, "run_time", "events", 1, 0, "time of one call, on this machine"},
	{"event_rate", CULPRIT_RATE, CULPRIT_COUNT_PER_S, "events", NULL, 0, 0, "calls a second"},
	{"lost_rate", CULPRIT_RATE, CULPRIT_COUNT_PER_S, "lost", NULL, 0, 0, "events lost a second"},
	{"cpu", CULPRIT_RATE, CULPRIT_PERCENT, "run_time", NULL, 1e-7, 0, "its run time, as a share of one CPU"},
	{"map_fill", CULPRIT_LEVEL_RATIO, CULPRIT_PERCENT, "map_used", "map_max", 100, 0,
	 "how full its fullest map is"},
};

const struct culprit_table kernel_cost_table = {
	.size = sizeof(struct culprit_table),
	.name = "bpf",
	.kind = CULPRIT_STATE,
	.help = "Programs culprit has loaded into the kernel, and what each costs",
	.key = "bpf_program",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "cpu",
	.show = "collector program hook state cpu per_event event_rate lost map_fill memory reason",
};

static const char *state_name(const struct culprit_program *p)
{
	switch (p->state) {
	case CULPRIT_PROGRAM_ON:
		return p->thinning > 1 ? "thinned" : "on";
	case CULPRIT_PROGRAM_OFF:
		return "off";
	case CULPRIT_PROGRAM_DROPPED:
		return "dropped";
	default:
		return "missing";
	}
}

void kernel_cost_put(struct culprit_frame *f, const char *collector, const struct culprit_program *p)
{
	culprit_row(f);
	culprit_put_string(f, BPF_COLLECTOR, collector);
	culprit_put_string(f, BPF_NAME, p->name);
	culprit_put_string(f, BPF_HOOK, p->hook);
	culprit_put_string(f, BPF_STATE, state_name(p));
	if (p->reason)
		culprit_put_string(f, BPF_REASON, p->reason);
	culprit_put_u64(f, BPF_EVENTS, p->events);
	culprit_put_u64(f, BPF_LOST, p->lost);
	culprit_put_u64(f, BPF_TIME, p->run_ns);
	culprit_put_u64(f, BPF_THINNING, p->thinning);
	if (p->map_max) {
		culprit_put_u64(f, BPF_MAP_USED, p->map_used);
		culprit_put_u64(f, BPF_MAP_MAX, p->map_max);
	}
	culprit_put_u64(f, BPF_MEMORY, p->map_bytes);
	culprit_end(f);
}

/* --- the budget -------------------------------------------------------------------------------------------------- */

static uint32_t most_of(const struct cost_taker *t)
{
	return t->most ? t->most : COST_THIN_MOST;
}

static bool can_be_cut(const struct cost_taker *t)
{
	return t->thinning && ((t->thins && t->thinning < most_of(t)) || t->may_drop);
}

/* What would be saved is nothing beside the budget; and of one whose table rests then, it must be a good part of it. */
static bool would_not_help(const struct cost_budget *b, const struct cost_taker *t)
{
	return t->share <= 0 || t->share < b->limit * b->cpus / (t->last ? 5 : 50);
}

static struct cost_taker *dearest_of(struct cost_taker *takers, size_t n, bool last)
{
	struct cost_taker *dearest = NULL;

	for (size_t i = 0; i < n; i++) {
		if (can_be_cut(&takers[i]) && takers[i].last == last && (!dearest || takers[i].share > dearest->share))
			dearest = &takers[i];
	}
	return dearest;
}

static bool cut(const struct cost_budget *b, struct cost_taker *takers, size_t n, double share, struct cost_step *ret)
{
	struct cost_taker *dearest = dearest_of(takers, n, false);
	double all = 0;

	for (size_t i = 0; i < n; i++)
		all += takers[i].share;
	/* What is cheap does not help: then even what is kept longest. But not for the screen's cost. */
	if ((!dearest || dearest->share < b->limit * b->cpus / 10) && all > b->limit * b->cpus) {
		struct cost_taker *kept = dearest_of(takers, n, true);

		if (kept && (!dearest || kept->share > dearest->share))
			dearest = kept;
	}
	/* Who costs next to nothing is not to blame. */
	if (!dearest || would_not_help(b, dearest))
		return false;
	if (dearest->thinning == 1)
		dearest->share_when_cut = dearest->share;
	*ret = (struct cost_step){dearest, 0, share};
	if (dearest->thins && dearest->thinning < most_of(dearest))
		ret->thinning = dearest->thinning * 2;
	return true;
}

/* The last cut that would still fit under half of the budget is taken back. */
static bool give_back(const struct cost_budget *b, struct cost_taker *takers, size_t n, double share, struct cost_step *ret)
{
	for (size_t i = 0; i < n; i++) {
		struct cost_taker *t = &takers[i];
		double more;

		if (t->thinning == 1)
			continue;
		/* Of what is dropped nobody knows what it would cost now: what it cost then. */
		more = t->thinning ? t->share : t->share_when_cut;
		if (share + more / b->cpus > b->limit / 2)
			continue;
		*ret = (struct cost_step){t, t->thinning ? t->thinning / 2 : t->thins ? COST_THIN_MOST : 1, share};
		return true;
	}
	return false;
}

bool cost_budget_tick(struct cost_budget *b, uint64_t now_ns, uint64_t total_ns, struct cost_taker *takers, size_t n,
		      struct cost_step *ret)
{
	bool first = !b->last_ns || now_ns <= b->last_ns || !b->cpus;
	double ns = (double)(now_ns - b->last_ns), share;

	for (size_t i = 0; i < n; i++) {
		uint64_t took = takers[i].total_ns - takers[i].before_ns;

		takers[i].share = first || !takers[i].before_ns || takers[i].total_ns < takers[i].before_ns ? 0 : (double)took / ns;
		takers[i].before_ns = takers[i].total_ns;
	}
	share = first || total_ns < b->before_ns ? 0 : (double)(total_ns - b->before_ns) / ns / b->cpus;
	b->last_ns = now_ns;
	b->before_ns = total_ns;
	if (first || !(b->limit > 0))
		return false;
	b->above = share > b->limit ? b->above + 1 : 0;
	b->below = share < b->limit / 2 ? b->below + 1 : 0;
	if (b->above >= COST_PATIENCE) {
		b->above = 0;
		return cut(b, takers, n, share, ret);
	}
	if (b->below >= COST_RELIEF) {
		b->below = 0;
		return give_back(b, takers, n, share, ret);
	}
	return false;
}
