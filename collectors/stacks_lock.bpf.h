/* Stacks that wait for a lock of the kernel, by its kind, and for how long. Called only where somebody else holds it. A wait of d is
 * kept with the probability d / OFFCPU_SURE_NS (at most 1) and weighs the inverse, as off the CPU. Who spins is remembered on its
 * CPU, who may sleep by its thread. Included once by an X.bpf.c, after unwind.bpf.h, stacks_count.bpf.h and tid_places.bpf.h.
 *
 * These programs run wherever the kernel takes a lock, also below user space's calls that read our maps and below the other
 * programs of this object while they change one: there nothing may be taken that they hold (lock_may_keep()). */
#ifndef COLLECTORS_STACKS_LOCK_BPF_H
#define COLLECTORS_STACKS_LOCK_BPF_H

enum { LOCK_SPINS = 4 /* that nest on a CPU: thread, softirq, interrupt, NMI */, LOCK_PLACES = 4096 };

struct lock_wait {
	__u32 tid;   /* of who spins: 1 */
	__u32 flags; /* LCB_F_... */
	__u64 lock;  /* 0: free, of those that spin */
	__u64 since;
};

struct lock_cpu {
	struct lock_wait spin[LOCK_SPINS];
	struct stacks_pace pace;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lock_cpu);
} lock_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOCK_PLACES);
	__type(key, __u32);
	__type(value, struct lock_wait);
} lock_threads SEC(".maps");

/* Who we are: our process, by its number where we run, and which PID namespace that is. */
const volatile __u32 lock_own_pid;
const volatile __u64 lock_own_dev, lock_own_ino;

static __always_inline struct lock_cpu *lock_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lock_cpus, &zero);
}

/* Who waits for a mutex may spin first, and sleep then, on whichever CPU. */
static __always_inline bool lock_spins(__u32 flags)
{
	return flags & LOCK_SPIN && !(flags & LOCK_MUTEX);
}

static __always_inline struct lock_wait *lock_spin_of(struct lock_cpu *c, __u64 lock)
{
#pragma unroll
	for (int i = 0; i < LOCK_SPINS; i++)
		if (c->spin[i].lock == lock)
			return &c->spin[i];
	return NULL;
}

static __always_inline void lock_begin(struct bpf_cost *cost, __u64 lock, __u32 flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct lock_cpu *c = lock_here();
	struct lock_wait *w;

	if (!c || !task->pid)
		return;
	if (lock_spins(flags)) {
		w = lock_spin_of(c, lock);
		if (!w)
			w = lock_spin_of(c, 0);
		/* Their ends were missed. */
		if (!w)
			w = &c->spin[0];
		w->since = bpf_ktime_get_ns();
	} else {
		w = tid_get(&lock_threads, LOCK_PLACES - 1, task->pid);
		if (!w) {
			cost->lost++;
			return;
		}
		/* It spun for it before, and sleeps now. */
		if (w->lock != lock)
			w->since = bpf_ktime_get_ns();
	}
	w->lock = lock;
	w->flags = flags;
}

/* Nothing of ours is at work below this: no program changes a map on this CPU, and it is not our own process. */
static __always_inline bool lock_may_keep(void)
{
	struct bpf_pidns_info who = {};
	__u32 *busy = unwind_busy_here();

	if (!busy || *busy)
		return false;
	return bpf_get_ns_current_pid_tgid(lock_own_dev, lock_own_ino, &who, sizeof(who)) || who.tgid != lock_own_pid;
}

static __always_inline void lock_kept(struct bpf_cost *cost, void *ctx, struct task_struct *task, __u32 flags, __u64 ns, __u64 weight)
{
	struct stacks_key key;
	bool kept;

	if (!stacks_here(ctx, task, UNWIND_OF_LOCK, STACKS_SKIP_OWN, &key))
		return;
	key.reason = flags;
	if (stacks_epoch & 1)
		kept = stacks_add(&lock_odd, &key, task, weight, ns);
	else
		kept = stacks_add(&lock_even, &key, task, weight, ns);
	if (!kept)
		cost->lost++;
}

static __always_inline void lock_end(struct bpf_cost *cost, void *ctx, __u64 lock)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct lock_cpu *c = lock_here();
	__u64 scale = OFFCPU_SURE_NS * bpf_weight(cost), now, ns, weight;
	struct lock_wait *w;
	__u32 flags;

	if (!c || !task->pid)
		return;
	w = lock_spin_of(c, lock);
	if (!w) {
		w = tid_find(&lock_threads, LOCK_PLACES - 1, task->pid);
		if (!w || w->lock != lock)
			return;
	}
	now = bpf_ktime_get_ns();
	ns = now - w->since;
	flags = w->flags;
	w->lock = 0;
	w->tid = 0;
	/* Weighed as what it stands for: one of so many that are as long. */
	if (ns < scale) {
		if (!ns || bpf_get_prandom_u32() >= ns * (1ull << 32) / scale)
			return;
		weight = (scale + ns / 2) / ns;
		ns = scale;
	} else {
		weight = 1;
	}
	now = stacks_paced(&c->pace, now);
	if (now && lock_may_keep())
		lock_kept(cost, ctx, task, flags, ns * now, weight * now);
}

SEC("tp_btf/contention_begin")
int stacks_lock_begin(__u64 *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_LOCK_BEGIN, &start);

	if (!cost)
		return 0;
	lock_begin(cost, ctx[0], (__u32)ctx[1]);
	bpf_cost_end(cost, start);
	return 0;
}

SEC("tp_btf/contention_end")
int stacks_lock_end(__u64 *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_LOCK_END, &start);

	if (!cost)
		return 0;
	lock_end(cost, ctx, ctx[0]);
	bpf_cost_end(cost, start);
	return 0;
}

#endif
