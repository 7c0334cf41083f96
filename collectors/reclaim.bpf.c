/* Who stands still because memory is short: tasks that have to free pages themselves, for the machine or for their cgroup's
 * limit, and those that wait until free memory has been made contiguous. Threads of the kernel do that on purpose
 * (kswapd, kcompactd) and are left out. Nothing is allocated here: there is no memory to be had. */
#include "bpf_common.bpf.h"
#include "reclaim.h"
#include "bpf_process.bpf.h"

enum { TASK_KTHREAD = 0x00200000 };

/* Flipped by user space at each sample. */
volatile __u32 reclaim_epoch;
__u64 slow_left;		       /* events that may still be sent in this tick; set by user space */
__u64 slow_over, slow_dropped;	       /* events beyond that; events that found the ring full */
__u64 stalls_lost;		       /* stalls whose begin was overwritten by another task's */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECLAIM_STALLS);
	__type(key, __u32);
	__type(value, struct reclaim_stall);
} reclaim_stalls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RECLAIM_KINDS);
	__type(key, __u32);
	__type(value, struct reclaim_total);
} reclaim_totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as bpf_processes_room() says */
	__type(key, __u32);
	__type(value, struct reclaim_process);
} reclaim_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} reclaim_slows SEC(".maps");

static __always_inline struct task_struct *victim(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	return task->flags & TASK_KTHREAD ? NULL : task;
}

static __always_inline struct reclaim_stall *stall_of(const struct task_struct *task)
{
	__u32 key = task->pid & (RECLAIM_STALLS - 1);

	return bpf_map_lookup_elem(&reclaim_stalls, &key);
}

static __always_inline void on_begin(__u32 kind, int order)
{
	struct task_struct *task = victim();
	struct reclaim_stall *stall = task ? stall_of(task) : NULL;

	if (!stall || kind >= RECLAIM_KINDS)
		return;
	if (stall->tid && stall->tid != (__u32)task->pid) {
		/* The one before has not ended, or has died in it. */
		for (int i = 0; i < RECLAIM_KINDS; i++)
			stall->begin[i] = 0;
	}
	stall->tid = task->pid;
	stall->order = order;
	stall->begin[kind] = bpf_ktime_get_ns();
}

static __always_inline void tell(const struct reclaim_total *total, __u32 kind, __u32 order, const struct bpf_task *who,
				 __u64 now, __u64 took)
{
	struct reclaim_slow *e;

	if (!total->threshold || took < total->threshold)
		return;
	if ((__s64)slow_left <= 0) {
		__sync_fetch_and_add(&slow_over, 1);
		return;
	}
	__sync_fetch_and_sub(&slow_left, 1);
	e = bpf_ringbuf_reserve(&reclaim_slows, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&slow_dropped, 1);
		return;
	}
	e->time = now;
	e->took = took;
	e->threshold = total->threshold;
	e->kind = kind;
	e->order = order;
	e->task = *who;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

static __always_inline void on_end(__u32 kind, __u64 pages)
{
	struct task_struct *task = victim();
	struct reclaim_stall *stall = task ? stall_of(task) : NULL;
	struct reclaim_process *process;
	struct reclaim_total *total;
	struct bpf_task who = {};
	__u32 slot, index, key = kind;
	__u64 now, took;

	if (!stall || kind >= RECLAIM_KINDS)
		return;
	if (stall->tid != (__u32)task->pid || !stall->begin[kind]) {
		__sync_fetch_and_add(&stalls_lost, 1);
		return;
	}
	now = bpf_ktime_get_ns();
	took = now - stall->begin[kind];
	stall->begin[kind] = 0;
	total = bpf_map_lookup_elem(&reclaim_totals, &key);
	slot = bpf_hist_slot(took);
	if (!total || slot >= BPF_HIST_SLOTS)
		return;
	__sync_fetch_and_add(&total->time_ns, took);
	__sync_fetch_and_add(&total->pages, pages);
	__sync_fetch_and_add(&total->ns[slot], 1);
	if (took > total->longest[reclaim_epoch & 1])
		total->longest[reclaim_epoch & 1] = took;
	__sync_fetch_and_add(&total->stalls, 1);
	bpf_task_of(task, &who);
	bpf_get_current_comm(who.comm, sizeof(who.comm));
	tell(total, kind, stall->order, &who, now, took);
	index = bpf_process_index(&who);
	process = bpf_map_lookup_elem(&reclaim_processes, &index);
	if (!process)
		return;
	__sync_fetch_and_add(&process->time_ns[kind], took);
	__sync_fetch_and_add(&process->ns[slot], 1);
	__sync_fetch_and_add(&process->stalls[kind], 1);
}

#define PAIR(name_, kind_, begin_, end_, order_, pages_)                                                               \
	SEC("tp_btf/" begin_)                                                                                          \
	int name_##_begin(__u64 *ctx)                                                                                  \
	{                                                                                                              \
		__u64 start;                                                                                           \
		struct bpf_cost *cost = bpf_cost_begin(2 * (kind_), &start);                                           \
                                                                                                                       \
		if (!cost)                                                                                             \
			return 0;                                                                                      \
		on_begin(kind_, order_);                                                                               \
		bpf_cost_end(cost, start);                                                                             \
		return 0;                                                                                              \
	}                                                                                                              \
	SEC("tp_btf/" end_)                                                                                            \
	int name_##_end(__u64 *ctx)                                                                                    \
	{                                                                                                              \
		__u64 start;                                                                                           \
		struct bpf_cost *cost = bpf_cost_begin(2 * (kind_) + 1, &start);                                       \
                                                                                                                       \
		if (!cost)                                                                                             \
			return 0;                                                                                      \
		on_end(kind_, pages_);                                                                                 \
		bpf_cost_end(cost, start);                                                                             \
		return 0;                                                                                              \
	}

PAIR(direct, RECLAIM_DIRECT, "mm_vmscan_direct_reclaim_begin", "mm_vmscan_direct_reclaim_end", (int)ctx[0], ctx[0])
PAIR(cgroup, RECLAIM_CGROUP, "mm_vmscan_memcg_reclaim_begin", "mm_vmscan_memcg_reclaim_end", (int)ctx[0], ctx[0])
/* Their arguments have changed over time: none is read. */
PAIR(compaction, RECLAIM_COMPACTION, "mm_compaction_begin", "mm_compaction_end", 0, 0)
