/* Stacks of threads that are off their CPU, and for how long, by why. A wait of d is kept with the probability d / scale (at most
 * 1) and weighs its inverse, so that sums are true and short waits are seen. The draw is made when the thread leaves its CPU:
 * it says how long the wait must be to be kept. The user part of a stack can only be walked then, so it is where the thread's
 * waits of late make it likely that this one will do. Of a wait that is kept and was not expected the kernel's part is taken at
 * its end. Included once by an X.bpf.c, after unwind.bpf.h and stacks_count.bpf.h. */
#ifndef COLLECTORS_STACKS_OFFCPU_BPF_H
#define COLLECTORS_STACKS_OFFCPU_BPF_H

#include "sched_why.bpf.h"
#include "tid_places.bpf.h"

enum {
	SKIP_OWN = 3,    /* frames of the program and of what called it */
	LONG_NS = 1 << 30,
	REASON_NOT_ASKED = 0xff,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024); /* a power of two, offcpu_mask + 1 */
	__type(key, __u32);
	__type(value, struct offcpu_thread);
} offcpu_threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* one a CPU */
	__type(key, __u32);
	__type(value, struct sched_clock);
} offcpu_clocks SEC(".maps");

const volatile __u32 offcpu_mask = 1023;

static __always_inline struct offcpu_thread *offcpu_find(__u32 tid)
{
	return tid_find(&offcpu_threads, offcpu_mask, tid);
}

static __always_inline struct offcpu_thread *offcpu_get(__u32 tid)
{
	return tid_get(&offcpu_threads, offcpu_mask, tid);
}

static __always_inline void offcpu_free(struct offcpu_thread *t)
{
	__builtin_memset((char *)t + sizeof(t->tid), 0, sizeof(*t) - sizeof(t->tid));
	t->tid = 0;
}

/* From how long on every wait is kept. */
static __always_inline __u64 offcpu_scale(struct bpf_cost *cost, __u8 reason)
{
	__u64 scale = reason == SCHED_IDLE ? OFFCPU_IDLE_NS : reason == SCHED_IDLE_MAYBE ? OFFCPU_MAYBE_NS :
		      reason == SCHED_NONE ? OFFCPU_QUEUE_NS : OFFCPU_SURE_NS;

	scale *= bpf_weight(cost);
	return scale < OFFCPU_MOST_NS ? scale : OFFCPU_MOST_NS;
}

/* Not inlined: both are rare. */
static __noinline int offcpu_why(struct task_struct *task, struct offcpu_thread *t)
{
	__u32 none = 0;
	__u8 ignored = 0;

	if (!t)
		return 0;
	t->reason = t->preempted ? SCHED_NONE : reason_of(task, &none, &ignored, 0, t->state);
	/* What kernel threads do when they have nothing to do is no news. */
	t->quiet = t->reason == SCHED_IDLE && task->flags & FLAG_KTHREAD;
	return 0;
}

static __always_inline __u64 offcpu_keep_kernel(struct unwind_stack *kernel, long n)
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

static __always_inline void offcpu_take(void *ctx, struct offcpu_thread *t, struct task_struct *prev)
{
	struct unwind_state *user;
	struct unwind_stack *kernel;
	__u32 own = 1;

	kernel = bpf_map_lookup_elem(&stacks_kernel, &own);
	if (!kernel)
		return;
	t->kernel = offcpu_keep_kernel(kernel, bpf_get_stack(ctx, kernel->pcs, sizeof(kernel->pcs), SKIP_OWN));
	user = unwind_user(prev, 1);
	t->user = 0;
	if (user) {
		t->user = user->hash;
		stacks_keep(t->user, &user->stack);
	}
	t->pid = prev->tgid;
	t->start = prev->start_boottime;
	t->process_start = prev->group_leader->start_boottime;
	bpf_probe_read_kernel(t->comm, sizeof(t->comm), prev->comm);
	t->taken = 1;
}

static __always_inline void offcpu_out(struct bpf_cost *cost, void *ctx, struct task_struct *prev, bool preempt, __u64 now)
{
	__u32 state = task_state(prev);
	struct offcpu_thread *t;
	__u64 likely;

	if (state & STATE_DEAD) {
		t = offcpu_find(prev->pid);
		if (t)
			offcpu_free(t);
		return;
	}
	t = offcpu_get(prev->pid);
	if (!t) {
		cost->lost++;
		return;
	}
	/* Good enough a chance: nobody knows the nanosecond. */
	t->draw = (t->draw ^ now) * 0x9E3779B97F4A7C15ull >> 32;
	/* Nothing is known of its waits: they may be long. */
	likely = t->since ? t->longest * 4 : LONG_NS;
	t->since = now;
	t->booked = 0;
	t->state = state;
	t->preempted = preempt || state == STATE_RUNNING;
	t->taken = 0;
	t->reason = REASON_NOT_ASKED;
	t->quiet = 0;
	t->need = t->draw * offcpu_scale(cost, t->preempted ? SCHED_NONE : SCHED_OTHER) >> 32;
	if (likely <= t->need) {
		t->off = 1;
		return;
	}
	offcpu_why(prev, t);
	t->off = 1;
	if (t->quiet)
		return;
	t->need = t->draw * offcpu_scale(cost, t->reason) >> 32;
	if (likely > t->need)
		offcpu_take(ctx, t, prev);
}

static __always_inline void offcpu_count(struct bpf_cost *cost, const struct stacks_key *key, struct task_struct *task, __u64 n,
					 __u64 ns)
{
	bool kept;

	if (stacks_epoch & 1)
		kept = stacks_add(&offcpu_odd, key, task, n, ns);
	else
		kept = stacks_add(&offcpu_even, key, task, n, ns);
	if (!kept)
		cost->lost++;
}

static __always_inline void offcpu_kept(struct bpf_cost *cost, struct task_struct *next, struct offcpu_thread *t, __u64 away,
					__u64 wait)
{
	struct stacks_key key = {.pid = next->tgid, .tid = next->pid, .start = next->start_boottime};
	__u64 scale = offcpu_scale(cost, t->reason), blocked, n = 1;
	struct unwind_stack *kernel;
	__u32 own = 1;

	if (t->taken) {
		key.kernel = t->kernel;
		key.user = t->user;
	} else {
		kernel = bpf_map_lookup_elem(&stacks_kernel, &own);
		if (!kernel)
			return;
		key.kernel = offcpu_keep_kernel(kernel, bpf_get_task_stack(next, kernel->pcs, sizeof(kernel->pcs), 0));
		key.missed = next->mm != NULL;
	}
	/* What user space has booked of it while it went on. It books only of those that are kept for sure. */
	if (t->booked > t->since && t->booked - t->since < away)
		blocked = away - (t->booked - t->since);
	else
		blocked = away;
	if (t->preempted || wait > blocked)
		wait = blocked;
	blocked -= wait;
	if (away < scale && away) {
		blocked = blocked * scale / away;
		wait = wait * scale / away;
		n = (scale + away / 2) / away;
	}
	if (blocked) {
		key.reason = t->reason;
		offcpu_count(cost, &key, next, n, blocked);
	}
	if (wait) {
		key.reason = SCHED_NONE;
		offcpu_count(cost, &key, next, t->preempted ? n : 0, wait);
	}
}

static __always_inline void offcpu_in(struct bpf_cost *cost, struct task_struct *next, __u64 now)
{
	struct offcpu_thread *t = offcpu_find(next->pid);
	__u32 cpu = bpf_get_smp_processor_id();
	struct sched_clock *clock;
	struct sched_moment m;
	__u64 away, queued, wait = 0;

	if (!t || !t->off)
		return;
	t->off = 0;
	/* Its first turn: what stands here was of a thread that had the number before. */
	if (!next->sched_info.pcount) {
		offcpu_free(t);
		return;
	}
	away = now - t->since;
	if (away >= t->longest)
		t->longest = away;
	else
		t->longest -= (t->longest - away) >> 2;
	if (away <= t->need || t->quiet)
		return;
	if (t->reason == REASON_NOT_ASKED) {
		offcpu_why(next, t);
		t->need = t->draw * offcpu_scale(cost, t->reason) >> 32;
		if (away <= t->need || t->quiet)
			return;
	}
	clock = bpf_map_lookup_elem(&offcpu_clocks, &cpu);
	if (!clock)
		return;
	m = sched_now(clock, next);
	queued = next->sched_info.last_queued;
	if (queued && (__s64)(m.rq - queued) > 0)
		wait = m.rq - queued;
	offcpu_kept(cost, next, t, away, wait < away ? wait : away);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(stacks_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_SWITCH, &start);
	__u64 now;

	if (!cost)
		return 0;
	now = bpf_ktime_get_ns();
	if (prev->pid)
		offcpu_out(cost, ctx, prev, preempt, now);
	if (next->pid)
		offcpu_in(cost, next, now);
	bpf_cost_end(cost, start);
	return 0;
}

#endif
