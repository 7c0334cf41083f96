/* The kernel's types, as far as culprit's programs read them: only the fields that are touched, in no particular order.
 * Where they really lie is looked up in the running kernel's BTF when a program is loaded (preserve_access_index), so
 * that neither building nor running depends on the kernel of the build host. Fields that some kernels lack stand in
 * types with ___ in their names (libbpf compares names up to it), asked for with bpf_core_field_exists(). Nothing here
 * may be given a name of our own but behind ___. Everybody who needs a field adds it here. */
#ifndef COLLECTORS_BPF_KERNEL_BPF_H
#define COLLECTORS_BPF_KERNEL_BPF_H

/* Integers and the numbers of bpf() only. */
#include <linux/types.h>
#include <linux/bpf.h>

typedef _Bool bool;
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay, last_arrival, last_queued;
};

struct rq {
	__u64 clock;
};

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	__u64 sum_exec_runtime;
	struct cfs_rq *cfs_rq;
};

struct task_struct {
	int pid, tgid;
	unsigned int flags;
	char comm[16];
	struct sched_info sched_info;
	struct sched_entity se;
	__u64 start_boottime;
	__u64 utime, stime;
	struct task_struct *group_leader, *real_parent;
};

/* The state of a task was renamed in 5.14. */
struct task_struct___state {
	unsigned int __state;
};
struct task_struct___old_state {
	volatile long state;
};

#pragma clang attribute pop

#endif
