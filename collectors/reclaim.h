/* What reclaim.bpf.c and reclaim.c share in memory. No includes but such: both compilers read it. */
#ifndef COLLECTORS_RECLAIM_H
#define COLLECTORS_RECLAIM_H

#include "bpf_process.h"
#include "bpf_shared.h"

/* In the order of the hooks in reclaim.c; begin and end of each kind in turn. */
enum reclaim_program { RECLAIM_DIRECT_BEGIN, RECLAIM_DIRECT_END, RECLAIM_CGROUP_BEGIN, RECLAIM_CGROUP_END,
		       RECLAIM_COMPACTION_BEGIN, RECLAIM_COMPACTION_END, RECLAIM_PROGRAMS };

enum reclaim_kind { RECLAIM_DIRECT, RECLAIM_CGROUP, RECLAIM_COMPACTION, RECLAIM_KINDS };

enum { RECLAIM_STALLS = 4096 }; /* tasks that may be stalled at once; a power of 2 */

/* A task that is stalled now. */
struct reclaim_stall {
	unsigned int tid; /* 0: free */
	unsigned int order; /* it wants 2^order pages at once */
	unsigned long long begin[RECLAIM_KINDS]; /* CLOCK_MONOTONIC ns; 0: not in this */
};

/* Cumulative. */
struct reclaim_total {
	unsigned long long stalls, time_ns, pages;
	unsigned long long longest[2]; /* of the tick, by the parity of reclaim_epoch */
	unsigned long long threshold;  /* ns: what took longer becomes an event; set by user space */
	unsigned long long ns[BPF_HIST_SLOTS];
};

/* Of one process. */
struct reclaim_process {
	unsigned long long stalls[RECLAIM_KINDS], time_ns[RECLAIM_KINDS];
	unsigned long long ns[BPF_HIST_SLOTS];
};

/* A stall above the threshold, as it comes through the ring. */
struct reclaim_slow {
	unsigned long long time, took, threshold;
	unsigned int kind, order;
	struct bpf_task task;
};

#endif
