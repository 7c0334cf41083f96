/* What stacks.bpf.c and the collector (stacks.c) share in memory. Plain types: both compilers read it. */
#ifndef COLLECTORS_STACKS_SHARED_H
#define COLLECTORS_STACKS_SHARED_H

#include "bpf_shared.h"
#include "unwind_shared.h"

/* In the order of the hooks in stacks.c. */
enum stacks_program { STACKS_SAMPLE, STACKS_SWITCH, STACKS_MAJOR, STACKS_MINOR, STACKS_PROGRAMS };

enum { STACKS_KEPT = 8192 }; /* different stacks at a time: 8 MiB */

/* Who was where, by what. */
struct stacks_key {
	unsigned int pid, tid;
	unsigned long long start;        /* of the thread, ns since boot, suspend included */
	unsigned long long kernel, user; /* stacks by their hash; 0: none */
	unsigned int reason;             /* of waits enum sched_reason, of page faults 1: major; else 0 */
	unsigned int missed;             /* there was a user part, and it was not taken */
};

/* What was counted of it since user space looked last. */
struct stacks_count {
	unsigned long long count, time_ns;
	unsigned long long process_start;
	char comm[16];
};

enum {
	/* A wait so long is kept for sure; times the program's thinning, at most OFFCPU_MOST_NS. Who has nothing to do does that
	 * often and long, and is seldom of interest. */
	OFFCPU_SURE_NS = 1000000,
	OFFCPU_QUEUE_NS = 128 * OFFCPU_SURE_NS, /* SCHED_NONE: pushed aside, it stands where samples find it, too */
	OFFCPU_MAYBE_NS = 128 * OFFCPU_SURE_NS, /* SCHED_IDLE_MAYBE */
	OFFCPU_IDLE_NS = 1024 * OFFCPU_SURE_NS, /* SCHED_IDLE */
};

#define OFFCPU_MOST_NS 4200000000ull /* so that its square fits 64 bits */

/* A thread since it last left its CPU, in two cache lines. Two places are looked at for a tid, as in sched_shared.h. */
struct offcpu_thread {
	unsigned int tid;         /* 0: free */
	unsigned char off, taken; /* its stack was taken when it left */
	unsigned char preempted, reason;
	unsigned long long since; /* CLOCK_MONOTONIC */
	unsigned long long need;  /* a wait that is no longer than this is not kept */
	unsigned long long longest; /* of its waits, those long ago counting less and less */
	unsigned long long booked; /* of user space: up to when this wait was booked while it went on; 0: not */
	unsigned int state;       /* the kernel's */
	/* Where taken: */
	unsigned int pid;
	unsigned long long kernel, user, start, process_start;
	char comm[16];
	unsigned long long draw; /* 32 bits by chance */
	unsigned int quiet;      /* of no interest */
	unsigned int reserved;
};

#endif
