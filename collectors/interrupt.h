/* What interrupt.bpf.c and interrupt.c share in memory. No includes but such: both compilers read it. */
#ifndef COLLECTORS_INTERRUPT_H
#define COLLECTORS_INTERRUPT_H

#include "bpf_shared.h"

/* In the order of the hooks in interrupt.c. */
enum interrupt_program { INTERRUPT_SOFT_BEGIN, INTERRUPT_SOFT_END, INTERRUPT_HARD_BEGIN, INTERRUPT_HARD_END,
			 INTERRUPT_PROGRAMS };

enum {
	INTERRUPT_VECTORS = 10, /* of soft interrupts */
	INTERRUPT_PROBES = 8,
	INTERRUPT_NAME = 32,
};

/* Of one CPU: when what runs began. */
struct interrupt_cpu {
	unsigned long long soft_begin, hard_begin; /* CLOCK_MONOTONIC ns; 0: nothing runs */
	unsigned long long spare[6];
};

/* Of one vector and CPU, or one interrupt and CPU, which alone writes it; cumulative. */
struct interrupt_total {
	unsigned long long key; /* of a hard one: (number << 32 | CPU) + 1; 0: free */
	unsigned long long times, time_ns;
	unsigned long long longest[2]; /* of the tick, by the parity of interrupt_epoch */
	char name[INTERRUPT_NAME];     /* of who handles it; several may share one: the first */
};

struct interrupt_counts {
	unsigned long long ns[BPF_HIST_SLOTS];
};

#endif
