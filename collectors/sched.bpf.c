/* The scheduler's tables: one program a hook, for all of them. What the kernel keeps anyway is taken from it: it stamps each
 * task when it is queued (sched_info.last_queued), also when it is pushed aside, so that the wait for a CPU is known at the
 * one moment at which it ends, without a hook on wakeups. The stamp is also the end of the time in which the task was
 * blocked, which begins at the switch before it; why it blocked is asked of it then, while its registers are at hand. */
#include "bpf_common.bpf.h"
#include "sched_maps.bpf.h"
#include "sched_why.bpf.h"
#include "tid_places.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SCHED_WATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct sched_watch);
} sched_watch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SCHED_WATCHED);
	__type(key, __u32);
	__type(value, struct sched_watched);
} sched_watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 15);
} sched_slows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHED_WAKES);
	__type(key, struct sched_wake_key);
	__type(value, struct sched_wake);
} sched_wakes SEC(".maps");

/* Who takes stacks of waits, where somebody does: called for the few waits that it wants. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sched_calls SEC(".maps");

/* Flipped by user space at each sample. */
volatile __u32 sched_epoch;
/* Waits that are told one by one: how long they must be (0: none is), and how many more may be told in this tick; both set
 * by user space. Waits beyond that, and those that found the ring full. */
volatile __u64 sched_slow_threshold, sched_slow_left;
__u64 sched_slow_over;
/* The process whose threads' wakers are kept; 0: none. Wakes that found no room. */
volatile __u32 sched_wake_pid;
__u64 sched_wake_over;
/* From how long on every wait is to be told to who takes stacks; 0: nobody does. Set by user space. */
volatile __u64 sched_stacks_sure;
/* Switches of threads that found no place. */
__u64 sched_no_room;
/* The iterator forgets what was accounted: it rested meanwhile. */
volatile __u32 sched_forget;
/* Of user space: the number of the read, and whether it knows nothing from the one before. */
volatile __u32 sched_read, sched_whole;

/* Followed once in each program, at its beginning: on each way to a pointer that is read from a task the verifier looks for the
 * type's name among all types of the kernel, which made of the load of sched_switch a quarter of a second. */
static __always_inline struct cfs_rq *queue_of(struct task_struct *task)
{
	struct cfs_rq *queue = task->se.cfs_rq;

	asm volatile("" : "+r"(queue)); /* here, and not where it is used */
	return queue;
}

/* How long the quota of its control group, or of one above, has kept this run queue from running, in all. */
static __always_inline __u64 throttled_time(struct cfs_rq *queue)
{
	struct cfs_rq___throttled *rq = (void *)queue;

	if (bpf_core_field_exists(rq->throttled_clock_pelt_time))
		return rq->throttled_clock_pelt_time;
	if (bpf_core_field_exists(((struct cfs_rq___task *)rq)->throttled_clock_task_time))
		return ((struct cfs_rq___task *)rq)->throttled_clock_task_time;
	return 0;
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

static __always_inline struct sched_thread *thread_find(__u32 tid)
{
	return tid_find(&sched_threads_map, sched_mask, tid);
}

static __always_inline struct sched_thread *thread_get(__u32 tid)
{
	return tid_get(&sched_threads_map, sched_mask, tid);
}

/* A thread is written by the CPU that has it, and copied by the iterator on another. Where stores are seen in another order
 * than they are made (not x86), a copy may be torn once in a long while: one thread's times are wrong in one sample then. */
#define barrier() asm volatile("" ::: "memory")

static __always_inline void thread_begin(struct sched_thread *t)
{
	t->writes++;
	barrier();
}

static __always_inline void thread_end(struct sched_thread *t)
{
	barrier();
	t->writes++;
}

/* False: it was being written, each time. */
static __always_inline bool thread_copy(struct sched_thread *to, struct sched_thread *from)
{
	for (int i = 0; i < 4; i++) {
		__u8 writes = *(volatile __u8 *)&from->writes;

		barrier();
		*to = *from;
		barrier();
		if (!(writes & 1) && *(volatile __u8 *)&from->writes == writes)
			return true;
	}
	return false;
}

static __always_inline void thread_free(struct sched_thread *t)
{
	__builtin_memset((char *)t + sizeof(t->tid), 0, sizeof(*t) - sizeof(t->tid));
	t->tid = 0;
}

/* --- what time it is ----------------------------------------------------------------------------------------------- */

enum { OFFSET_DRIFT_SHIFT = 10, OFFSET_JUMP_NS = 1000000000, OFFSET_GOOD_NS = 1 << 18 };

/* This moment on both clocks: the machine's, in which every thread's time is booked, so that its parts add up whatever a run
 * queue's clock does; and the run queue's, in which the kernel stamps who waits for a CPU. */
struct sched_moment {
	__u64 now, rq;
};

/* rq->clock itself may stand still between a wakeup and the switch it causes, by microseconds as a rule, by as long as the
 * host stops this CPU at worst. The smallest distance between it and the machine's clock is the true one; the two drift apart
 * by less than a thousandth, so by so much it may grow meanwhile. Where it has moved since `queued`, when the one was queued that
 * comes now, the kernel has read it for this switch; then it is as good as reading the machine's, which is the dearest
 * thing here, as long as the distance between the two is known from a moment ago. */
static __always_inline struct sched_moment sched_now(struct sched_clock *c, struct cfs_rq *queue, __u64 queued)
{
	__u64 clock = queue->rq->clock, now, offset, most;

	if (clock != queued && clock - c->fresh < OFFSET_GOOD_NS) {
		now = clock + c->offset;
		if ((__s64)(now - c->last) < 0)
			now = c->last;
		c->last = now;
		return (struct sched_moment){now, clock};
	}
	now = bpf_ktime_get_ns();
	offset = now - clock;
	most = c->offset + ((now - c->offset_time) >> OFFSET_DRIFT_SHIFT);
	/* The first time, and where one of the clocks has jumped. */
	if (!c->offset_time || (__s64)(offset - most) > OFFSET_JUMP_NS)
		most = offset;
	c->offset = (__s64)(offset - most) < 0 ? offset : most;
	c->offset_time = now;
	if (clock != queued)
		c->fresh = clock;
	c->last = now;
	return (struct sched_moment){now, now - c->offset};
}

/* --- the switch -------------------------------------------------------------------------------------------------- */

static __always_inline __u8 why_blocked(struct task_struct *task, struct sched_thread *t)
{
	__u8 reason = reason_of(task, &t->file_key, &t->file_reason, sched_epoch, t->state);

	return reason && reason < SCHED_REASONS ? reason : SCHED_OTHER;
}

/* Is whoever takes stacks to look at the wait that begins here? By chance, and by what is known of the thread's waits: a wait of
 * d is kept with the probability d / scale. How long this one must be, says a draw; why it blocks, and so the scale, is not
 * asked yet: it is at least `sure`. */
static __always_inline bool wants_stack(struct sched_thread *t, __u64 now)
{
	/* Good enough a chance: nobody knows the nanosecond. */
	t->draw = (t->draw ^ now) * 0x9E3779B97F4A7C15ull >> 32;
	t->need = t->draw * offcpu_scale(sched_stacks_sure, t->reason) >> 32;
	return offcpu_likely(t) > t->need;
}

/* Returns what whoever takes stacks is to be told: SCHED_CALL_OUT, _GONE. */
static __always_inline __u32 thread_out(struct bpf_cost *cost, struct task_struct *prev, struct cfs_rq *queue, bool preempt,
					struct sched_moment m)
{
	__u32 state = task_state(prev), call = 0;
	struct sched_thread *t;

	if (state & STATE_DEAD) {
		t = thread_find(prev->pid);
		if (t)
			thread_free(t);
		return SCHED_CALL_GONE;
	}
	t = thread_get(prev->pid);
	if (!t) {
		cost->lost++;
		__sync_fetch_and_add(&sched_no_room, 1);
		return 0;
	}
	thread_begin(t);
	if (t->since && !t->off)
		t->held += m.now - t->since;
	/* It had its CPU when we came. */
	else if (prev->sched_info.last_arrival && (__s64)(m.rq - prev->sched_info.last_arrival) > 0)
		t->held += m.rq - prev->sched_info.last_arrival;
	t->reason = preempt || state == STATE_RUNNING ? SCHED_NONE : SCHED_NOT_ASKED;
	if (sched_stacks_sure && wants_stack(t, m.now))
		call = SCHED_CALL_OUT;
	t->since = m.now;
	t->off = 1;
	t->state = state;
	t->delay = prev->sched_info.run_delay;
	t->throttled_before = throttled_time(queue);
	thread_end(t);
	return call;
}

/* Of the time since it left its CPU, what it waited for one after it was woken. */
static __always_inline __u64 wait_of(struct sched_thread *t, struct task_struct *next, __u64 away, __u64 queued, struct sched_moment m)
{
	__u64 wait, before;

	/* Pushed aside: it wanted to run all the time. */
	if (!t->reason)
		return away;
	/* Since 6.12 a task that sleeps may stay queued for a while; moved to another CPU then, it is stamped, and nobody takes
	 * the stamp away. The iterator has seen it. When it was woken nobody knows; most run soon. */
	if ((__u32)queued == t->stale)
		return 0;
	/* Moved from one run queue to another while it waits, it is stamped anew; what came before, the kernel keeps. */
	before = (__u32)((__u32)next->sched_info.run_delay - t->delay);
	wait = m.rq - queued + (before < away ? before : 0);
	return wait < away ? wait : away;
}

/* Of its short waits, what this one is booked as: nothing, as a rule. */
static __always_inline __u64 pieces_of(struct sched_thread *t, __u64 blocked, __u64 now)
{
	__u64 over = t->piece + blocked, booked = 0;

	if (t->piece <= t->point && over > t->point)
		booked = SCHED_PIECE_NS;
	if (over >= SCHED_PIECE_NS) {
		over -= SCHED_PIECE_NS;
		t->point = now * 0x9E3779B97F4A7C15ull >> 48;
		if (over > t->point)
			booked += SCHED_PIECE_NS;
	}
	t->piece = over;
	return booked;
}

static __always_inline void book_blocked(struct sched_thread *t, struct task_struct *next, __u64 blocked, __u64 now)
{
	__u64 reason = t->reason;

	if (reason == SCHED_NOT_ASKED) {
		if (blocked < SCHED_PIECE_NS)
			blocked = pieces_of(t, blocked, now);
		if (!blocked)
			return;
		reason = why_blocked(next, t);
	}
	/* The compiler knows that it is one, the verifier does not. */
	asm volatile("" : "+r"(reason));
	if (reason < SCHED_REASONS)
		t->blocked[reason] += blocked;
}

/* Books how long it was blocked, waited and was throttled; returns its wait for a CPU, without the time in which a quota
 * forbade it to run, and that time in *ret_throttled. Whether whoever takes stacks is to be told is added to *call. */
static __always_inline __u64 thread_in(struct task_struct *next, struct cfs_rq *queue, __u64 queued, struct sched_moment m,
				       __u64 *ret_throttled, struct sched_call *said, __u32 *call)
{
	struct sched_thread *t = thread_find(next->pid);
	__u64 throttled = 0, rq_throttled, wait = m.rq - queued, away;

	if (!t)
		return wait;
	/* Its first turn: what stands here was of a thread that had the number before. */
	if (!next->sched_info.pcount) {
		__u32 tid = t->tid;

		thread_free(t);
		t->tid = tid;
		t->since = m.now;
		t->blocked[SCHED_NONE] = wait;
		return wait;
	}
	if (!t->since || !t->off) {
		t->off = 0;
		return wait;
	}
	thread_begin(t);
	/* Clocks of two CPUs. */
	away = (__s64)(m.now - t->since) > 0 ? m.now - t->since : 0;
	wait = wait_of(t, next, away, queued, m);
	if (sched_stacks_sure) {
		if (away >= t->longest)
			t->longest = away < OFFCPU_MOST_NS ? away : OFFCPU_MOST_NS;
		else
			t->longest -= (t->longest - away) >> 2;
		if (away > t->need || t->taken) {
			said->reason = t->reason;
			said->since = t->since;
			said->wait = wait;
			*call |= SCHED_CALL_IN;
		}
	}
	if (t->reason)
		book_blocked(t, next, away - wait, m.now);
	t->reason = SCHED_NONE;
	t->off = 0;
	t->since = m.now;
	rq_throttled = throttled_time(queue);
	if (rq_throttled > t->throttled_before) {
		throttled = rq_throttled - t->throttled_before;
		if (throttled > wait)
			throttled = wait;
		t->throttled += throttled;
		*ret_throttled = throttled;
	}
	t->blocked[SCHED_NONE] += wait - throttled;
	thread_end(t);
	return wait - throttled;
}

static __always_inline void watched_in(struct bpf_cost *cost, __u32 tid, __u64 wait, __u32 slot)
{
	__u32 place = tid & (SCHED_WATCH_SLOTS - 1), index;
	struct sched_watch *watch = bpf_map_lookup_elem(&sched_watch, &place);
	struct sched_watched *w;

	if (!watch || watch->tid != tid)
		return;
	index = watch->index;
	w = bpf_map_lookup_elem(&sched_watched, &index);
	if (!w)
		return;
	w->waits += bpf_weight(cost);
	w->wait_ns += wait * bpf_weight(cost);
	if (wait > w->longest[sched_epoch & 1])
		w->longest[sched_epoch & 1] = wait;
	if (slot < BPF_HIST_SLOTS)
		w->wait[slot] += bpf_weight(cost);
}

static __always_inline void tell_slow(struct task_struct *prev, struct task_struct *next, __u64 now, __u64 wait, __u32 cpu)
{
	struct sched_slow *e;

	/* CPUs may take it below 0 together. */
	e = (__s64)sched_slow_left > 0 ? bpf_ringbuf_reserve(&sched_slows, sizeof(*e), 0) : NULL;
	if (!e) {
		__sync_fetch_and_add(&sched_slow_over, 1);
		return;
	}
	__sync_fetch_and_sub(&sched_slow_left, 1);
	e->time = now;
	e->wait = wait;
	e->threshold = sched_slow_threshold;
	e->start = next->start_boottime;
	e->process_start = BPF_CORE_READ(next, group_leader, start_boottime);
	e->tid = next->pid;
	e->pid = next->tgid;
	e->cpu = cpu;
	e->behind_tid = prev->pid;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), next->comm);
	bpf_probe_read_kernel(e->behind, sizeof(e->behind), prev->comm);
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* A wait for a CPU is over. */
static __always_inline void count_wait(struct bpf_cost *cost, struct sched_cpu *cpu, __u32 tid, __u64 wait, __u64 throttled)
{
	__u32 slot = bpf_hist_slot_here(wait);

	cpu->waits += bpf_weight(cost);
	cpu->wait_ns += wait * bpf_weight(cost);
	cpu->throttled_ns += throttled;
	if (wait > cpu->longest[sched_epoch & 1])
		cpu->longest[sched_epoch & 1] = wait;
	cpu->wait[slot] += bpf_weight(cost);
	watched_in(cost, tid, wait, slot);
}

/* Returns what whoever takes stacks is to be told; the rest of that stands in *cpu. */
static __always_inline __u32 on_switch(struct bpf_cost *cost, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 key = bpf_get_smp_processor_id(), call = 0;
	struct cfs_rq *left = queue_of(prev), *queue = queue_of(next);
	struct sched_cpu *cpu = bpf_map_lookup_elem(&sched_cpus, &key);
	struct sched_moment m;
	__u64 queued, wait, throttled = 0;
	bool threads = cost->thinning <= 1;

	if (!cpu || bpf_thinned_out(cost))
		return 0;
	queued = next->sched_info.last_queued;
	m = sched_now(&cpu->clock, queue, queued);
	/* Of a sample of the switches no thread's time can be told: then that rests, and what is left is cheap. */
	if (threads && prev->pid)
		call = thread_out(cost, prev, left, preempt, m);
	cpu->call.now = m.now;
	cpu->call.what = call;
	/* The idle task waits for nobody. */
	if (!next->pid)
		return call;
	/* It was not stamped: of one that was pushed aside it is known from when it wanted to run, of another it is not. */
	if (!queued) {
		cost->lost++;
		if (!threads)
			return call;
		queued = m.rq;
	}
	/* The clocks differ by less than it takes to read them. */
	if ((__s64)(m.rq - queued) < 0)
		m.rq = queued;
	wait = threads ? thread_in(next, queue, queued, m, &throttled, &cpu->call, &call) : m.rq - queued;
	count_wait(cost, cpu, next->pid, wait, throttled);
	if (wait >= sched_slow_threshold && sched_slow_threshold)
		tell_slow(prev, next, m.now, wait, key);
	cpu->call.what = call;
	return call;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(SCHED_SWITCH, &start);
	__u32 call;

	if (!cost)
		return 0;
	call = on_switch(cost, preempt, prev, next);
	bpf_cost_end(cost, start);
	/* Does not return where somebody is there. */
	if (call)
		bpf_tail_call(ctx, &sched_calls, 0);
	return 0;
}

/* --- who wakes whom, of one process ------------------------------------------------------------------------------ */

/* In an interrupt, current is who happened to be there. Sure are the idle task, and a thread that was in user mode; disks answer
 * by interrupts alone, but for those that a thread of the kernel makes (loop, dm). An interrupt in the midst of a system call is
 * taken for who made the call. */
static __always_inline bool is_interrupt(struct task_struct *waker, __u8 reason)
{
	struct pt_regs *regs;

	if (!waker->pid)
		return true;
	if (waker->flags & FLAG_KTHREAD)
		return false;
	if (reason == SCHED_DISK)
		return true;
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return false;
	regs = (struct pt_regs *)bpf_task_pt_regs(waker);
	return (__s64)REGS_SYSCALL(regs) < 0;
}

static __always_inline void woken(struct task_struct *task)
{
	struct sched_thread *t = thread_find(task->pid);
	struct task_struct *waker = (struct task_struct *)bpf_get_current_task_btf();
	struct sched_wake_key key = {.tid = task->pid};
	struct sched_wake fresh = {}, *wake;
	__u64 now = bpf_ktime_get_ns(), since;

	if (!t || !t->off || !t->reason)
		return;
	since = t->since;
	/* It is still in its system call. */
	key.reason = t->reason == SCHED_NOT_ASKED ? why_blocked(task, t) : t->reason;
	key.waker = is_interrupt(waker, key.reason) ? 0 : waker->pid;
	wake = bpf_map_lookup_elem(&sched_wakes, &key);
	if (!wake) {
		fresh.start = task->start_boottime;
		fresh.process_start = task->group_leader->start_boottime;
		bpf_probe_read_kernel(fresh.comm, sizeof(fresh.comm), task->comm);
		if (key.waker) {
			fresh.waker_start = waker->start_boottime;
			fresh.waker_pid = waker->tgid;
			bpf_probe_read_kernel(fresh.waker_comm, sizeof(fresh.waker_comm), waker->comm);
		}
		bpf_map_update_elem(&sched_wakes, &key, &fresh, BPF_NOEXIST);
		wake = bpf_map_lookup_elem(&sched_wakes, &key);
	}
	if (!wake) {
		__sync_fetch_and_add(&sched_wake_over, 1);
		return;
	}
	__sync_fetch_and_add(&wake->waits, 1);
	if ((__s64)(now - since) > 0)
		__sync_fetch_and_add(&wake->ns, now - since);
}

/* Runs where the waker is; sched_wakeup may run where the thread will. */
SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waker, struct task_struct *task)
{
	struct bpf_cost *cost;
	__u64 start;

	if ((__u32)task->tgid != sched_wake_pid)
		return 0;
	cost = bpf_cost_begin(SCHED_WAKER, &start);
	if (!cost)
		return 0;
	woken(task);
	bpf_cost_end(cost, start);
	return 0;
}

/* --- all threads, in one read ------------------------------------------------------------------------------------ */

/* What a thread that has its CPU has used of it since the kernel last added it up, which it does at ticks. */
static __always_inline __u64 not_added_yet(struct task_struct *task, struct cfs_rq *queue, struct sched_moment m)
{
	struct rq *rq = queue->rq;
	__u64 used = m.rq - (rq->clock - rq->clock_task) - task->se.exec_start;

	return used < OFFSET_JUMP_NS ? used : 0;
}

/* With what goes on at the moment: on its CPU, away from it, or woken and not on one yet. *t: a copy; *own: what it is of. */
static __always_inline void record_fill(struct sched_record *r, struct task_struct *task, struct cfs_rq *queue,
					struct sched_thread *t, struct sched_thread *own, struct sched_moment m)
{
	__u64 queued = task->sched_info.last_queued, goes_on = 0, rq_throttled, since = t ? t->since : 0, away = 0;

	r->on_cpu = task->se.sum_exec_runtime;
	r->user = task->utime;
	r->kernel = task->stime;
	r->switches = task->sched_info.pcount;
	r->accounted = t ? SCHED_ACCOUNTED : SCHED_NO_ROOM;
	if (!t) {
		r->blocked[SCHED_NONE] = task->sched_info.run_delay;
		return;
	}
	r->throttled = t->throttled;
	r->held = t->held;
	r->reason = t->reason;
	/* It may have been switched since this moment was read. */
	if (since && (__s64)(m.now - since) > 0)
		away = m.now - since;
	if (!t->off && !since) {
		/* One that is new has not had a CPU yet: it counts from 0 then. */
		if (task->sched_info.last_arrival && (__s64)(m.rq - task->sched_info.last_arrival) > 0)
			r->held += m.rq - task->sched_info.last_arrival;
	} else if (!t->off) {
		r->held += away;
		r->on_cpu += not_added_yet(task, queue, m);
	} else if (t->reason && task_state(task) != STATE_RUNNING) {
		if (queued)
			own->stale = queued;
		goes_on = away;
	} else if (t->reason) {
		/* Woken, and not on the CPU yet. */
		if (queued && (__s64)(m.rq - queued) > 0)
			r->blocked[SCHED_NONE] = m.rq - queued < away ? m.rq - queued : away;
		goes_on = away - r->blocked[SCHED_NONE];
	} else {
		/* Pushed aside. Of a wait that goes on under a quota the kernel says at its end how much was the quota's. */
		rq_throttled = throttled_time(queue);
		r->blocked[SCHED_NONE] = away;
		if (rq_throttled > t->throttled_before && rq_throttled - t->throttled_before < away) {
			r->throttled += rq_throttled - t->throttled_before;
			r->blocked[SCHED_NONE] -= rq_throttled - t->throttled_before;
		}
	}
	r->blocked[SCHED_NONE] += t->blocked[SCHED_NONE];
	/* By comparing: an index into the stack must be a constant. */
#pragma unroll
	for (int i = SCHED_DISK; i < SCHED_REASONS; i++)
		r->blocked[i] = t->blocked[i] + (i == r->reason ? goes_on : 0);
}

/* Of user space: nothing is to be told of threads that have nothing to do since before this time (0: of all there is); but of this
 * process's. And how many threads there were in the read. */
volatile __u64 sched_sleepers;
volatile __u32 sched_looked_at, sched_met;

/* Does it sleep so long that nobody asks for it? Sleeping on is told of by saying nothing. */
static __always_inline bool is_left_out(struct sched_thread *t, struct task_struct *task)
{
	__u64 since = t->since;

	if (!since || t->told != since || !t->idle || !t->off || since >= sched_sleepers || sched_forget || task_state(task) == STATE_RUNNING ||
	    (__u32)task->tgid == sched_looked_at)
		return false;
	if (task->sched_info.last_queued)
		t->stale = task->sched_info.last_queued;
	return true;
}

/* Does the wait that was told of go on? Then its record would say what it said, but for how long, and that anybody can add up: who
 * sleeps does nothing, and whatever is done to it makes it run. A record touches several times as many cache lines. */
static __always_inline bool sleeps_on(struct sched_thread *t, struct task_struct *task)
{
	__u64 since = t->since, queued;

	if (!since || t->told != since || sched_whole || sched_forget || !t->off || task_state(task) == STATE_RUNNING)
		return false;
	/* It has a record now and then. */
	if (!((task->pid + sched_read) % SCHED_SAME_MOST))
		return false;
	queued = task->sched_info.last_queued;
	if (queued)
		t->stale = queued;
	return true;
}

SEC("iter/task")
int sched_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct sched_same same = {.size = sizeof(same)};
	struct sched_record r = {.size = sizeof(r), .syscall = -1};
	struct sched_cpu *cpu;
	struct sched_thread *t, copy = {0};
	__u32 key = bpf_get_smp_processor_id();
	struct pt_regs *regs;
	struct sched_moment m;
	struct cfs_rq *queue;

	if (!task || !task->pid)
		return 0;
	sched_met++;
	t = thread_get(task->pid);
	if (t && sched_sleepers && is_left_out(t, task))
		return 0;
	if (t && sleeps_on(t, task)) {
		same.tid = task->pid;
		same.at = bpf_ktime_get_ns();
		bpf_seq_write(ctx->meta->seq, &same, sizeof(same));
		return 0;
	}
	queue = queue_of(task);
	cpu = bpf_map_lookup_elem(&sched_cpus, &key);
	if (!cpu)
		return 0;
	/* This CPU's offset; run queues' clocks agree to a few microseconds. Not updated: this is not its run queue. */
	m.now = r.at = bpf_ktime_get_ns();
	m.rq = m.now - cpu->clock.offset;
	r.tid = task->pid;
	r.pid = task->tgid;
	r.start = task->start_boottime;
	r.process_start = task->group_leader->start_boottime;
	r.kernel_thread = (task->flags & FLAG_KTHREAD) != 0;
	bpf_probe_read_kernel(r.comm, sizeof(r.comm), task->comm);
	if (!r.kernel_thread && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		regs = (struct pt_regs *)bpf_task_pt_regs(task);
		r.syscall = (__s64)REGS_SYSCALL(regs) < 0 ? -1 : (short)REGS_SYSCALL(regs);
	}
	if (t && sched_forget) {
		__u8 taken = t->taken;

		thread_free(t);
		t->taken = taken;
		t->tid = r.tid;
	}
	/* It slept when we came: from now on it is known that it does. */
	if (t && !t->since && task_state(task) != STATE_RUNNING) {
		t->delay = task->sched_info.run_delay;
		t->throttled_before = throttled_time(queue);
		t->state = task_state(task);
		t->reason = SCHED_NOT_ASKED;
		t->since = m.now;
		t->off = 1;
	}
	/* Not before the copy: what is in it began before now. */
	if (t && !thread_copy(&copy, t))
		r.accounted = SCHED_WRITTEN;
	/* What it waits for at the moment. */
	if (t && copy.off && copy.reason == SCHED_NOT_ASKED)
		copy.reason = why_blocked(task, &copy);
	m.now = r.at = bpf_ktime_get_ns();
	m.rq = m.now - cpu->clock.offset;
	if (r.accounted != SCHED_WRITTEN)
		record_fill(&r, task, queue, t ? &copy : NULL, t, m);
	/* What has no room in the reader's buffer is shown to us again with the next read. */
	if (!bpf_seq_write(ctx->meta->seq, &r, sizeof(r)) && t) {
		t->idle = copy.reason == SCHED_IDLE || copy.reason == SCHED_IDLE_MAYBE;
		t->told = r.accounted == SCHED_ACCOUNTED && copy.off && copy.reason && task_state(task) != STATE_RUNNING ? copy.since : 0;
	}
	return 0;
}
