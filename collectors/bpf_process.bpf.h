/* The element of a process, see bpf_process.h. Included once by an X.bpf.c, after bpf_common.bpf.h. */
#ifndef COLLECTORS_BPF_PROCESS_BPF_H
#define COLLECTORS_BPF_PROCESS_BPF_H

#include "bpf_process.h"

struct bpf_process_key {
	__u64 pid, start;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* these two as many as bpf_processes_room() says */
	__type(key, struct bpf_process_key);
	__type(value, __u32);
} process_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_process);
} processes SEC(".maps");

struct bpf_process_free process_free;

static __always_inline void bpf_task_of(struct task_struct *task, struct bpf_task *t)
{
	struct task_struct *leader = task->group_leader;

	t->pid = task->tgid;
	t->tid = task->pid;
	t->start = task->start_boottime;
	t->process_start = leader->start_boottime;
}

static __always_inline __u32 bpf_process_new(const struct bpf_task *t, const struct bpf_process_key *key)
{
	__u32 index, *known;
	struct bpf_process *p;
	__u64 at;

	if (process_free.head >= process_free.tail)
		return BPF_PROCESSES;
	at = __sync_fetch_and_add(&process_free.head, 1);
	if (at >= process_free.tail) {
		__sync_fetch_and_sub(&process_free.head, 1);
		return BPF_PROCESSES;
	}
	index = process_free.list[at & (BPF_PROCESSES - 1)];
	p = bpf_map_lookup_elem(&processes, &index);
	if (!p)
		return BPF_PROCESSES;
	/* Where two CPUs are here with one process, the second takes an element in vain: user space gives it back. */
	if (bpf_map_update_elem(&process_index, key, &index, BPF_NOEXIST)) {
		known = bpf_map_lookup_elem(&process_index, key);
		return known ? *known : BPF_PROCESSES;
	}
	__builtin_memcpy(p->comm, t->comm, BPF_PROCESS_COMM);
	p->start = key->start;
	p->pid = key->pid;
	return index;
}

/* The element of the task's process. BPF_PROCESSES: there is no room; it has been counted. */
static __always_inline __u32 bpf_process_index(const struct bpf_task *t)
{
	struct bpf_process_key key = {.pid = t->pid, .start = t->process_start};
	__u32 *known = bpf_map_lookup_elem(&process_index, &key);
	__u32 index = known ? *known : bpf_process_new(t, &key);

	if (index >= BPF_PROCESSES)
		__sync_fetch_and_add(&process_free.over, 1);
	return index;
}

#endif
