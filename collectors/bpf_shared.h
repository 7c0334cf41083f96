/* What programs in the kernel (*.bpf.c) and the loader (bpf.c) share in memory. Plain types, no includes: both compilers
 * read it. */
#ifndef COLLECTORS_BPF_SHARED_H
#define COLLECTORS_BPF_SHARED_H

enum {
	BPF_PROGRAMS_MAX = 16,  /* of one object */
	BPF_CACHE_LINE = 64,
	BPF_COST_EVERY = 64,    /* one event in about so many is timed */
	BPF_HIST_SLOTS = 272,   /* log-linear, 8 steps an octave: ns up to 2^36 (68 s); the last slot takes the rest */
};

/* Of one program on one CPU, which alone writes it, but for `thinning`. User space reads. */
struct bpf_cost {
	unsigned long long events;
	unsigned long long lost;
	unsigned long long timed;    /* events that were timed */
	unsigned long long timed_ns; /* time they took */
	unsigned int countdown;      /* events until the next is timed */
	unsigned int thinning;       /* look at one event in so many; 0 and 1: at all. A power of two, of user space */
	unsigned long long spare[3];
};

struct bpf_cpu_costs {
	struct bpf_cost program[BPF_PROGRAMS_MAX];
};

#endif
