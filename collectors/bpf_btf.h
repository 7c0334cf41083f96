/* What the running kernel's type information (BTF) tells, read once a process: six million bytes, which libbpf would read and
 * search again for each object. Kept are the tracepoints and iterators there are, and, as a file of some 60 KB for libbpf, the
 * types that culprit's programs look into; the rest is forgotten. How tracepoints are declared has changed over time, and in
 * stable releases too, so that a version says nothing. */
#ifndef COLLECTORS_BPF_BTF_H
#define COLLECTORS_BPF_BTF_H

#include <stdbool.h>

struct bpf_tracepoint {
	int arguments;      /* without the first, which belongs to the kernel */
	unsigned pointers;  /* bit i: argument i is a pointer */
};

/* Fills `ret` for each of n names; arguments -1: there is no such tracepoint here. 0, or -errno where there is no BTF. */
int bpf_tracepoints(const char *const *names, unsigned n, struct bpf_tracepoint *ret);
/* The file for bpf_object_open_opts.btf_custom_path. With it, libbpf does not look for what "tp_btf/" and "iter/" programs
 * attach to: they are loaded as what this says, and attached by bpf_program__attach_trace() and bpf_program__attach_iter()
 * alone. NULL: it could not be made; libbpf does it in its own way then. */
const char *bpf_btf_path(void);
/* Does the kernel have what this section's program ("tp_btf/sched_switch") attaches to? True also where nobody knows. */
bool bpf_btf_has(const char *section);

#endif
