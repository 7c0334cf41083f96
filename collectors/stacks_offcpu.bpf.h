/* Stacks of threads that are off their CPU, and for how long, by why. A wait of d is kept with the probability d / scale (at most
 * 1) and weighs its inverse, so that sums are true and short waits are seen. The draw is made when the thread leaves its CPU, by the
 * scheduler's program (sched.bpf.c), which sees every switch anyway, and calls this one for the few that may matter:
 * it says how long the wait must be to be kept. The user part of a stack can only be walked then, so it is where the thread's
 * waits of late make it likely that this one will do. Of a wait that is kept and was not expected the kernel's part is taken at
 * its end. Included once by an X.bpf.c, after unwind.bpf.h and stacks_count.bpf.h. */
#ifndef COLLECTORS_STACKS_OFFCPU_BPF_H
#define COLLECTORS_STACKS_OFFCPU_BPF_H

#include "sched_maps.bpf.h"
#include "sched_why.bpf.h"
#include "tid_places.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024); /* a power of two, offcpu_mask + 1 */
	__type(key, __u32);
	__type(value, struct offcpu_thread);
} offcpu_threads SEC(".maps");

/* A byte a place: a wait began there that user space books while it goes on. It takes the mark away. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024 / OFFCPU_MARKS);
	__type(key, __u32);
	__type(value, __u64);
} offcpu_marks SEC(".maps");

const volatile __u32 offcpu_mask = 1023;

static __always_inline void offcpu_mark(__u32 place)
{
	__u32 key;
	__u8 *marks;

	place &= offcpu_mask;
	key = place / OFFCPU_MARKS;
	marks = bpf_map_lookup_elem(&offcpu_marks, &key);
	if (marks)
		*(volatile __u8 *)&marks[place % OFFCPU_MARKS] = 1;
}

/* The places where this thread may stand. Global, so that the verifier looks at it once, and not for each reason anew. */
__noinline int offcpu_mark_both(__u32 tid, __u32 reason)
{
	if (OFFCPU_GOES_ON(reason)) {
		offcpu_mark(tid);
		offcpu_mark(tid_second(tid));
	}
	return 0;
}

static __always_inline struct offcpu_thread *offcpu_find(__u32 tid)
{
	return tid_find(&offcpu_threads, offcpu_mask, tid);
}

static __always_inline struct offcpu_thread *offcpu_get(__u32 tid)
{
	return tid_get(&offcpu_threads, offcpu_mask, tid);
}

/* For the one called for: SCHED_NONE: it was pushed aside. */
static __always_inline __u8 offcpu_why(struct task_struct *task, struct sched_thread *t, __u8 reason)
{
	__u32 none = 0;
	__u8 ignored = 0;

	if (reason != SCHED_NOT_ASKED)
		return reason;
	reason = reason_of(task, &none, &ignored, 0, t->state);
	return reason && reason < SCHED_REASONS ? reason : SCHED_OTHER;
}

/* What kernel threads do when they have nothing to do is no news. */
static __always_inline bool offcpu_quiet(struct task_struct *task, __u8 reason)
{
	return reason == SCHED_IDLE && task->flags & FLAG_KTHREAD;
}

static __always_inline __u64 offcpu_sure(struct bpf_cost *cost)
{
	return OFFCPU_SURE_NS * bpf_weight(cost);
}

static __always_inline bool offcpu_take(void *ctx, __u8 reason, __u64 now, struct task_struct *prev)
{
	struct offcpu_thread *e = tid_get(&offcpu_threads, offcpu_mask, prev->pid);
	struct unwind_state *user;
	struct unwind_stack *kernel;
	__u32 own = UNWIND_OF_SWITCH;

	kernel = bpf_map_lookup_elem(&stacks_kernel, &own);
	if (!kernel || !e)
		return false;
	e->off = 0;
	e->kernel = stacks_keep_kernel(kernel, bpf_get_stack(ctx, kernel->pcs, sizeof(kernel->pcs), STACKS_SKIP_OWN));
	user = unwind_user(prev, UNWIND_OF_SWITCH);
	e->user = 0;
	if (user) {
		e->user = user->hash;
		stacks_keep(e->user, &user->stack);
	}
	e->pid = prev->tgid;
	e->start = prev->start_boottime;
	e->process_start = BPF_CORE_READ(prev, group_leader, start_boottime);
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), prev->comm);
	e->reason = reason;
	e->since = now;
	e->booked = 0;
	*(volatile __u8 *)&e->off = 1;
	offcpu_mark_both(prev->pid, reason);
	return true;
}

static __always_inline void offcpu_out(struct bpf_cost *cost, void *ctx, struct task_struct *prev, __u64 now)
{
	struct sched_thread *t = tid_find(&sched_threads_map, sched_mask, prev->pid);

	if (!t)
		return;
	t->reason = offcpu_why(prev, t, t->reason);
	if (offcpu_quiet(prev, t->reason)) {
		t->need = ~0u;
		return;
	}
	t->need = t->draw * offcpu_scale(offcpu_sure(cost), t->reason) >> 32;
	if (offcpu_likely(t) > t->need)
		t->taken = offcpu_take(ctx, t->reason, now, prev);
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

/* e: where its stack was taken, else NULL; wait: for a CPU, at its end. */
static __always_inline void offcpu_kept(struct bpf_cost *cost, struct task_struct *next, struct offcpu_thread *e, __u8 reason,
					__u64 away, __u64 wait)
{
	struct stacks_key key = {.pid = next->tgid, .tid = next->pid, .start = next->start_boottime};
	__u64 scale = offcpu_scale(offcpu_sure(cost), reason), blocked = away, n = 1;
	struct unwind_stack *kernel;
	__u32 own = UNWIND_OF_SWITCH;

	if (e) {
		key.kernel = e->kernel;
		key.user = e->user;
		/* What user space has booked of it while it went on. It books only of those that are kept for sure. */
		if (e->booked > e->since && e->booked - e->since < away)
			blocked = away - (e->booked - e->since);
	} else {
		kernel = bpf_map_lookup_elem(&stacks_kernel, &own);
		if (!kernel)
			return;
		key.kernel = stacks_keep_kernel(kernel, bpf_get_task_stack(next, kernel->pcs, sizeof(kernel->pcs), 0));
		key.missed = !(next->flags & FLAG_KTHREAD);
	}
	if (!reason || wait > blocked)
		wait = blocked;
	blocked -= wait;
	if (away < scale && away) {
		blocked = blocked * scale / away;
		wait = wait * scale / away;
		n = (scale + away / 2) / away;
	}
	if (blocked) {
		key.reason = reason;
		offcpu_count(cost, &key, next, n, blocked);
	}
	if (wait) {
		key.reason = SCHED_NONE;
		offcpu_count(cost, &key, next, reason ? 0 : n, wait);
	}
}

static __always_inline void offcpu_in(struct bpf_cost *cost, struct task_struct *next, const struct sched_call *call)
{
	struct sched_thread *t = tid_find(&sched_threads_map, sched_mask, next->pid);
	struct offcpu_thread *e = NULL;
	__u64 away = call->now - call->since;
	__u8 reason;

	if (!t)
		return;
	if (t->taken) {
		t->taken = 0;
		e = offcpu_find(next->pid);
		if (e) {
			e->off = 0;
			if (e->since != call->since)
				e = NULL;
		}
	}
	/* Asked when it left, the need is known. */
	if (call->reason != SCHED_NOT_ASKED && away <= t->need)
		return;
	reason = offcpu_why(next, t, call->reason);
	if (offcpu_quiet(next, reason) || away <= t->draw * offcpu_scale(offcpu_sure(cost), reason) >> 32)
		return;
	offcpu_kept(cost, next, e, reason, away, call->wait);
}

static __always_inline void on_call(struct bpf_cost *cost, void *ctx, struct task_struct *prev, struct task_struct *next)
{
	__u32 key = bpf_get_smp_processor_id();
	struct sched_cpu *cpu = bpf_map_lookup_elem(&sched_cpus, &key);
	struct offcpu_thread *e;

	if (!cpu)
		return;
	if (cpu->call.what & SCHED_CALL_GONE) {
		e = offcpu_find(prev->pid);
		if (e) {
			e->off = 0;
			e->tid = 0;
		}
	}
	if (cpu->call.what & SCHED_CALL_OUT)
		offcpu_out(cost, ctx, prev, cpu->call.now);
	if (cpu->call.what & SCHED_CALL_IN)
		offcpu_in(cost, next, &cpu->call);
}

/* Not attached: called by sched_switch. */
SEC("tp_btf/sched_switch")
int BPF_PROG(stacks_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_SWITCH, &start);

	if (!cost)
		return 0;
	on_call(cost, ctx, prev, next);
	bpf_cost_end(cost, start);
	return 0;
}

#endif
