/* What sched.bpf.c and sched.c share in memory. No includes but bpf_shared.h: both compilers read it. */
#ifndef COLLECTORS_SCHED_SHARED_H
#define COLLECTORS_SCHED_SHARED_H

#include "bpf_shared.h"

/* In the order of the hooks in sched.c. */
enum sched_program { SCHED_SWITCH, SCHED_PROGRAMS };

/* Of one CPU, which alone writes it. Counts are cumulative, so user space reads them at any time and loses nothing. */
struct sched_cpu {
	/* The run queue's clock against CLOCK_MONOTONIC, see sched_now(). */
	unsigned long long offset, offset_before, window_start;
	unsigned long long waits;   /* ends of waits for this CPU */
	unsigned long long wait_ns; /* their sum */
	unsigned long long longest[2]; /* of the tick, by the parity of sched_epoch */
	unsigned long long reserved;
	unsigned long long wait[BPF_HIST_SLOTS]; /* ns, log-linear */
};

#endif
