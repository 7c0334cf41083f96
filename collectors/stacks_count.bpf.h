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

/* Of user space: which map is written. */
volatile __u32 stacks_epoch;

/* Stacks made anew in stacks_kept, ever; and those that found no room. */
__u64 stacks_made, stacks_over;

static __always_inline void stacks_keep(__u64 hash, struct unwind_stack *stack)
{
	struct unwind_stack *kept = bpf_map_lookup_elem(&stacks_kept, &hash);
	long r;

	stack->epoch = stacks_epoch;
	if (kept) {
		kept->epoch = stack->epoch;
		return;
	}
	r = unwind_update(&stacks_kept, &hash, stack, BPF_NOEXIST);
	if (!r)
		__sync_fetch_and_add(&stacks_made, 1);
	else if (r != -17 /* EEXIST: another CPU has kept it meanwhile */)
		__sync_fetch_and_add(&stacks_over, 1);
}

/* Events that come as often as they like: some hundred a second and CPU are looked at, each one standing for as many as were
 * left out. How many that are is decided before they come, so that sums stay true. */
struct stacks_pace {
	__u64 since;
	__u32 kept, shift;
};

enum { PACE_NS = 1 << 27, PACE_KEPT = 32 };

/* What this event weighs; 0: it is left out. */
static __always_inline __u64 stacks_paced(struct stacks_pace *p, __u64 now)
{
	__u64 weight;

	if (now - p->since >= PACE_NS) {
		/* What came in the time before says what is to come; after a pause nothing is known. */
		if (now - p->since >= 2 * PACE_NS)
			p->shift = 0;
		else if (p->shift && p->kept < PACE_KEPT / 4)
			p->shift--;
		p->since = now;
		p->kept = 0;
	}
	weight = 1ull << (p->shift & 31);
	if (bpf_get_prandom_u32() & (weight - 1))
		return 0;
	if (++p->kept >= PACE_KEPT && p->shift < 16) {
		p->kept = PACE_KEPT / 2;
		p->shift++;
	}
	return weight;
}

static __always_inline __u64 stacks_hash(const struct unwind_stack *stack, __u32 n)
{
	__u64 hash = 0x7654321;

	for (__u32 i = 0; i < UNWIND_FRAMES && i < n; i++)
		hash = unwind_mix(hash, stack->pcs[i]);
	return unwind_mix(hash, stack->end) | 1;
}

/* What a call of bpf_get_stack() or bpf_get_task_stack() has given, kept. Returns its hash; 0: there is none. */
static __always_inline __u64 stacks_keep_kernel(struct unwind_stack *kernel, long n)
{
	__u64 hash;

	if (n <= 0)
		return 0;
	kernel->n = n / sizeof(kernel->pcs[0]);
	kernel->end = kernel->n < UNWIND_FRAMES ? CULPRIT_STACK_WHOLE : CULPRIT_STACK_DEEP;
	hash = stacks_hash(kernel, kernel->n);
	stacks_keep(hash, kernel);
	return hash;
}

/* Frames of a program on a tracepoint and of what called it. */
enum { STACKS_SKIP_OWN = 3 };

/* Who is here, with both parts of its stack; `walk`: whose (enum unwind_walk). `ctx`: the program's. False: it is nobody. */
static __always_inline bool stacks_here(void *ctx, struct task_struct *task, __u32 walk, __u32 skip, struct stacks_key *ret)
{
	struct stacks_key key = {};
	struct unwind_stack *kernel;
	struct unwind_state *user;

	if (!task->pid)
		return false;
	kernel = bpf_map_lookup_elem(&stacks_kernel, &walk);
	if (!kernel)
		return false;
	key.pid = task->tgid;
	key.tid = task->pid;
	key.start = task->start_boottime;
	/* None where a sample found user code. */
	key.kernel = stacks_keep_kernel(kernel, bpf_get_stack(ctx, kernel->pcs, sizeof(kernel->pcs), skip));
	user = unwind_user(task, walk);
	if (user) {
		key.user = user->hash;
		stacks_keep(key.user, &user->stack);
	}
	*ret = key;
	return true;
}

/* Adds to what was counted; false: it found no room. */
static __always_inline bool stacks_add(void *counts, const struct stacks_key *key, struct task_struct *task, __u64 n, __u64 ns)
{
	struct stacks_count *c = bpf_map_lookup_elem(counts, key), fresh = {.count = n, .time_ns = ns};

	if (!c) {
		fresh.process_start = BPF_CORE_READ(task, group_leader, start_boottime);
		bpf_probe_read_kernel(fresh.comm, sizeof(fresh.comm), task->comm);
		if (!unwind_update(counts, key, &fresh, BPF_NOEXIST))
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
