/* Keeps stacks, each once, and counts who was in them. Two maps of counts: programs write the one that the epoch says, user
 * space empties the other. Included once by an X.bpf.c, after unwind.bpf.h. */
#ifndef COLLECTORS_STACKS_COUNT_BPF_H
#define COLLECTORS_STACKS_COUNT_BPF_H

#include "stacks_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STACKS_KEPT);
	__type(key, __u64);
	__type(value, struct unwind_stack);
} stacks_kept SEC(".maps");

/* Of each program's own, while it works. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UNWIND_WALKS);
	__type(key, __u32);
	__type(value, struct unwind_stack);
} stacks_kernel SEC(".maps");

/* Stacks made anew in stacks_kept, ever; and those that found no room. */
__u64 stacks_made, stacks_over;

static __always_inline void stacks_keep(__u64 hash, struct unwind_stack *stack)
{
	long r;

	if (bpf_map_lookup_elem(&stacks_kept, &hash))
		return;
	r = bpf_map_update_elem(&stacks_kept, &hash, stack, BPF_NOEXIST);
	if (!r)
		__sync_fetch_and_add(&stacks_made, 1);
	else if (r != -17 /* EEXIST: another CPU has kept it meanwhile */)
		__sync_fetch_and_add(&stacks_over, 1);
}

static __always_inline __u64 stacks_hash(const struct unwind_stack *stack, __u32 n)
{
	__u64 hash = 0x7654321;

	for (__u32 i = 0; i < UNWIND_FRAMES && i < n; i++)
		hash = unwind_mix(hash, stack->pcs[i]);
	return unwind_mix(hash, stack->end) | 1;
}

/* Adds to what was counted; false: it found no room. */
static __always_inline bool stacks_add(void *counts, const struct stacks_key *key, struct task_struct *task, __u64 n, __u64 ns)
{
	struct stacks_count *c = bpf_map_lookup_elem(counts, key), fresh = {.count = n, .time_ns = ns};

	if (!c) {
		fresh.process_start = task->group_leader->start_boottime;
		bpf_probe_read_kernel(fresh.comm, sizeof(fresh.comm), task->comm);
		if (!bpf_map_update_elem(counts, key, &fresh, BPF_NOEXIST))
			return true;
		c = bpf_map_lookup_elem(counts, key);
		if (!c)
			return false;
	}
	__sync_fetch_and_add(&c->count, n);
	__sync_fetch_and_add(&c->time_ns, ns);
	return true;
}

#endif
