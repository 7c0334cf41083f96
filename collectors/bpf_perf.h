/* A perf_event program on every CPU: called so many times a second of the time in which a CPU is not idle. By cycles where
 * the machine counts them, by the CPU's clock elsewhere. */
#ifndef COLLECTORS_BPF_PERF_H
#define COLLECTORS_BPF_PERF_H

#include <stdbool.h>

struct bpf_program;
struct bpf_perf;

/* NULL with errno: ENOENT, EACCES and what perf_event_open() and attaching gives. CPUs that are off line are left out. */
struct bpf_perf *bpf_perf_attach(struct bpf_program *, unsigned hz);
void bpf_perf_detach(struct bpf_perf *); /* NULL-safe */
/* 0 or -errno. */
int bpf_perf_rate(struct bpf_perf *, unsigned hz);
bool bpf_perf_by_cycles(const struct bpf_perf *);

#endif
