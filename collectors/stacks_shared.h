/* What stacks.bpf.c and the collector (stacks.c) share in memory. Plain types: both compilers read it. */
#ifndef COLLECTORS_STACKS_SHARED_H
#define COLLECTORS_STACKS_SHARED_H

#include "bpf_shared.h"
#include "unwind_shared.h"

/* In the order of the hooks in stacks.c. */
enum stacks_program { STACKS_SAMPLE, STACKS_PROGRAMS };

enum { STACKS_KEPT = 8192 }; /* different stacks at a time: 8 MiB */

/* Who was where, by what. */
struct stacks_key {
	unsigned int pid, tid;
	unsigned long long start;        /* of the thread, ns since boot, suspend included */
	unsigned long long kernel, user; /* stacks by their hash; 0: none */
	unsigned int reason;             /* enum sched_reason; of samples on a CPU 0 */
	unsigned int reserved;
};

/* What was counted of it since user space looked last. */
struct stacks_count {
	unsigned long long count, time_ns;
	unsigned long long process_start;
	char comm[16];
};

#endif
