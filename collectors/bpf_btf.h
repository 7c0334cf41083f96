/* How the running kernel declares its tracepoints: their arguments have changed over time, and were changed in stable
 * releases too, so that a version says nothing. Costs some 10 ms a call: for open(). */
#ifndef COLLECTORS_BPF_BTF_H
#define COLLECTORS_BPF_BTF_H

struct bpf_tracepoint {
	int arguments;      /* without the first, which belongs to the kernel */
	unsigned pointers;  /* bit i: argument i is a pointer */
};

/* Fills `ret` for each of n names; arguments -1: there is no such tracepoint here. 0, or -errno where there is no BTF. */
int bpf_tracepoints(const char *const *names, unsigned n, struct bpf_tracepoint *ret);

#endif
