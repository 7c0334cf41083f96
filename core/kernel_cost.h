/* What culprit has in the kernel and what it costs: the table `bpf`, and the budget. Own cost is own CPU time and the run
 * time of own programs, together; where it stays above the budget, the dearest program is thinned, or dropped where it
 * cannot be, and where no program is dear enough the dearest collector is sampled less often. What is so cheap that
 * to cut it would not help is left alone: then it is something else that costs, a screen of very many rows. Each step is a
 * mark on the timeline. Nothing is given back before half of the budget would do.
 *
 * Not here: which collector has programs (the sampler knows), how they are measured (collectors/bpf.c). */
#ifndef CORE_KERNEL_COST_H
#define CORE_KERNEL_COST_H

#include <stdbool.h>

#include <culprit/collector.h>

enum bpf_column {
	BPF_COLLECTOR,
	BPF_NAME,
	BPF_HOOK,
	BPF_STATE,
	BPF_REASON,
	BPF_EVENTS,
	BPF_LOST,
	BPF_TIME,
	BPF_THINNING,
	BPF_MAP_USED,
	BPF_MAP_MAX,
	BPF_MEMORY,
};
extern const struct culprit_table kernel_cost_table;

/* A row of it. */
void kernel_cost_put(struct culprit_frame *, const char *collector, const struct culprit_program *);

enum { COST_TAKERS_MAX = 256, COST_THIN_MOST = 64, COST_PATIENCE = 3, COST_RELIEF = 30 };

/* Somebody who costs: a program (then `collector` is its collector's place) or a collector. */
struct cost_taker {
	uint32_t collector, program; /* program UINT32_MAX: the collector itself */
	uint64_t total_ns;           /* cumulative */
	uint32_t thinning;           /* as it is now; 0: dropped */
	uint32_t most;               /* thinned no further than this; 0: COST_THIN_MOST */
	bool thins, may_drop;
	bool last; /* cut only when no other that is dear can be */
	/* private: */
	uint64_t before_ns;
	double share; /* of one CPU, in the last tick */
	double share_when_cut; /* what it took before it was thinned or dropped */
};

struct cost_step {
	const struct cost_taker *taker;
	uint32_t thinning; /* what it should be now; 0: dropped */
	double share;      /* own cost, of the whole machine, that led to it */
};

struct cost_budget {
	double limit; /* share of the whole machine: 0.01 is 1 %; 0: none */
	uint32_t cpus;
	uint64_t last_ns, before_ns; /* time and own cost at the last tick */
	unsigned above, below;       /* ticks in a row */
};

/* One tick: `total_ns` is own cost so far, `takers` who took it (those of the last tick keep their private fields; the
 * caller matches them). True: ret is to be done. */
bool cost_budget_tick(struct cost_budget *, uint64_t now_ns, uint64_t total_ns, struct cost_taker *takers, size_t n,
		      struct cost_step *ret);

#endif
