/* What begins and ends: processes, however short they live, and why the kernel killed one for want of memory. Records go
 * through one ring, whose reader is woken when a quarter of it is full; what finds no room is counted. */
#include "bpf_common.bpf.h"
#include "lifecycle.h"

enum { SIGNAL_GROUP_EXIT = 4 };

/* Set before loading. */
const volatile bool exit_says_last; /* sched_process_exit says whether this is the last thread: since 6.16 */
const volatile __u32 life_wake; /* bytes in the ring, above which its reader is woken */
const volatile bool victim_is_task; /* mark_victim has the task: since 6.8; before, its number */

__u64 life_dropped[LIFE_PROGRAMS]; /* records that found the ring full; user space reads */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before loading */
} life_ring SEC(".maps");

static __always_inline void describe(struct life_process *p, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	p->pid = task->tgid;
	p->uid = leader->cred->euid.val;
	p->start = leader->start_boottime;
	bpf_core_read(p->comm, sizeof(p->comm), &leader->comm);
}

static __always_inline void *reserve(__u32 program, __u32 size)
{
	struct life_record *r = bpf_ringbuf_reserve(&life_ring, size, 0);

	if (!r) {
		__sync_fetch_and_add(&life_dropped[program], 1);
		return NULL;
	}
	r->program = program;
	r->size = size;
	r->time = bpf_ktime_get_ns();
	return r;
}

static __always_inline void submit(void *record)
{
	bool wake = bpf_ringbuf_query(&life_ring, BPF_RB_AVAIL_DATA) > life_wake;

	bpf_ringbuf_submit(record, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(life_fork, struct task_struct *parent, struct task_struct *child)
{
	struct life_record *r;
	struct bpf_cost *cost;
	__u64 start;

	if (child->pid != child->tgid) /* a thread */
		return 0;
	cost = bpf_cost_begin(LIFE_FORK, &start);
	if (!cost)
		return 0;
	r = reserve(LIFE_FORK, sizeof(*r));
	if (r) {
		describe(&r->process, child);
		describe(&r->parent, child->real_parent);
		submit(r);
	}
	bpf_cost_end(cost, start);
	return 0;
}

/* The arguments lie on the new stack, which execve has just written. `cap` is a constant. */
static __always_inline void on_exec(struct task_struct *task, struct linux_binprm *bprm, __u64 from, __u32 whole, __u32 cap)
{
	struct life_exec *r = reserve(LIFE_EXEC, sizeof(*r) + cap);
	__u32 length = whole;
	long n;

	if (!r)
		return;
	/* Compared is what is used below: older verifiers (6.1) don't know that a copy has the same bounds. */
	asm volatile("" : "+r"(length));
	if (length > cap)
		length = cap;
	describe(&r->record.process, task);
	describe(&r->record.parent, task->real_parent);
	r->whole = whole;
	r->length = length;
	if (!length || bpf_probe_read_user(r->args, length, (void *)from)) {
		n = bpf_probe_read_kernel_str(r->args, cap, bprm->filename);
		r->length = r->whole = n > 0 ? n - 1 : 0;
	}
	submit(r);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(life_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	__u64 start, from, whole;
	struct bpf_cost *cost = bpf_cost_begin(LIFE_EXEC, &start);
	struct mm_struct *mm;

	if (!cost)
		return 0;
	mm = task->mm;
	if (mm) {
		from = mm->arg_start;
		whole = mm->arg_end - from;
		if (whole > 1 << 22)
			whole = 0;
		if (whole <= LIFE_ARGS_SHORT)
			on_exec(task, bprm, from, whole, LIFE_ARGS_SHORT);
		else
			on_exec(task, bprm, from, whole, LIFE_ARGS_LONG);
	}
	bpf_cost_end(cost, start);
	return 0;
}

/* What all threads ran, in ns. Those that were released are in the sum; those that are not, the leader always among them, are
 * on the list: who waits in pthread_join() goes on, and may end, before the kernel has added the thread that ended. It is
 * added and taken from the list under one lock: where the sum has changed meanwhile, a thread may be in both, or in none. */
static __always_inline __u64 cpu_of(struct task_struct *last)
{
	enum { TRIES = 3, MOST = 64 };
	struct task_struct *leader = last->group_leader;
	struct signal_struct *signal = last->signal;
	const struct list_head *head = &signal->thread_head;
	__u64 sum = 0, cpu = 0;

	if (signal->nr_threads == 1)
		return signal->sum_sched_runtime + leader->se.sum_exec_runtime;
	for (int try = 0; try < TRIES; try++) {
		struct list_head *at;

		cpu = sum = BPF_CORE_READ(signal, sum_sched_runtime);
		at = BPF_CORE_READ(signal, thread_head.next);
		for (int i = 0; i < MOST && at != head; i++) {
			struct task_struct *task = (void *)at - bpf_core_field_offset(struct task_struct, thread_node);

			cpu += BPF_CORE_READ(task, se.sum_exec_runtime);
			at = BPF_CORE_READ(task, thread_node.next);
		}
		if (BPF_CORE_READ(signal, sum_sched_runtime) == sum)
			break;
	}
	return cpu;
}

static __always_inline void on_exit(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct signal_struct *signal = task->signal;
	struct life_exit *r = reserve(LIFE_EXIT, sizeof(*r));

	if (!r)
		return;
	describe(&r->record.process, task);
	describe(&r->record.parent, leader->real_parent);
	r->lived_ns = r->record.time - leader->start_time;
	r->cpu_ns = cpu_of(task);
	r->code = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
	r->threads = 0;
	submit(r);
}

SEC("tp_btf/sched_process_exit")
int life_exit(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct bpf_cost *cost;
	__u64 start;

	/* The process ends with its last thread. Where the kernel does not say which that is, two that end together both
	 * find none left; user space takes one of them. */
	if (exit_says_last ? !(ctx[1] & 1) : task->signal->live.counter != 0)
		return 0;
	cost = bpf_cost_begin(LIFE_EXIT, &start);
	if (!cost)
		return 0;
	on_exit(task);
	bpf_cost_end(cost, start);
	return 0;
}

/* Counters of CPUs that were not added up yet may make it negative. */
static __always_inline void add_pages(__u64 *sum, __s64 pages)
{
	if (pages > 0)
		*sum += pages;
}

static __always_inline __u64 resident(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct mm_struct___until_6_1 *old = (void *)mm;
	__u64 pages = 0;

	if (!mm)
		return 0;
	/* File, anonymous, swap, shared: each by its own constant, because elements are of another size there. */
	/* Those kernels' verifier can't look into an array of a type that is a typedef. */
	if (bpf_core_field_exists(old->rss_stat.count))
		return BPF_CORE_READ(old, rss_stat.count[0].counter) + BPF_CORE_READ(old, rss_stat.count[1].counter) +
		       BPF_CORE_READ(old, rss_stat.count[3].counter);
	add_pages(&pages, mm->rss_stat[0].count);
	add_pages(&pages, mm->rss_stat[1].count);
	add_pages(&pages, mm->rss_stat[3].count);
	return pages;
}

SEC("tp_btf/mark_victim")
int life_oom(__u64 *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(LIFE_OOM, &start);
	struct life_oom *r;

	if (!cost)
		return 0;
	r = reserve(LIFE_OOM, sizeof(*r));
	if (r) {
		__builtin_memset(&r->record.process, 0, sizeof(r->record.process));
		r->rss_pages = 0;
		r->score_adj = 0;
		r->known = 0;
		if (victim_is_task) {
			struct task_struct *victim = (struct task_struct *)ctx[0];

			describe(&r->record.process, victim);
			r->rss_pages = resident(victim);
			r->score_adj = victim->signal->oom_score_adj;
			r->known = 1;
		} else {
			r->record.process.pid = (__u32)ctx[0];
		}
		describe(&r->record.parent, (struct task_struct *)bpf_get_current_task_btf());
		bpf_ringbuf_submit(r, BPF_RB_FORCE_WAKEUP);
	}
	bpf_cost_end(cost, start);
	return 0;
}
