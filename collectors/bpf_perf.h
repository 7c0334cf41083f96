/* A perf_event program on every CPU: called so many times a second, or at one in so many events. */
#ifndef COLLECTORS_BPF_PERF_H
#define COLLECTORS_BPF_PERF_H

#include <stdbool.h>

enum bpf_perf_event {
	/* Time in which a CPU is not idle, by cycles where the machine counts them, by the CPU's clock elsewhere; `rate`: Hz. */
	BPF_PERF_CPU,
	/* Page faults: those that had to be read for, and the others; `rate`: one call for so many. (With a frequency the kernel
	 * gets the weights of such events wrong by factors.) */
	BPF_PERF_MAJOR,
	BPF_PERF_MINOR,
};

struct bpf_program;
struct bpf_perf;

/* NULL with errno: ENOENT, EACCES and what perf_event_open() and attaching gives. CPUs that are off line are left out. */
struct bpf_perf *bpf_perf_attach(struct bpf_program *, enum bpf_perf_event, unsigned rate);
void bpf_perf_detach(struct bpf_perf *); /* NULL-safe */
/* 0 or -errno. */
int bpf_perf_rate(struct bpf_perf *, unsigned rate);
bool bpf_perf_by_cycles(const struct bpf_perf *);

#endif
