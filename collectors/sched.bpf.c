/* The scheduler's tables: one program a hook, for all of them. What the kernel keeps anyway is taken from it: it stamps each
 * task when it is queued (sched_info.last_queued), also when it is pushed aside, so that the wait for a CPU is known at the
 * one moment at which it ends, without a hook on wakeups and without a map of tasks. */
#include "bpf_common.bpf.h"
#include "sched_shared.h"

enum { OFFSET_WINDOW_NS = 20000000 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* one a CPU */
	__type(key, __u32);
	__type(value, struct sched_cpu);
} sched_cpus SEC(".maps");

/* Flipped by user space at each sample. */
volatile __u32 sched_epoch;

/* Now, on the clock of this run queue. rq->clock itself stands still between a wakeup and the switch it causes, so that
 * short waits would read 0; the smallest distance between it and the machine's clock within 20-40 ms is its true offset. */
static __always_inline __u64 sched_now(struct sched_cpu *cpu, struct task_struct *next)
{
	__u64 now = bpf_ktime_get_ns(), offset = now - next->se.cfs_rq->rq->clock;

	if (now - cpu->window_start > OFFSET_WINDOW_NS) {
		cpu->offset_before = now - cpu->window_start > 2 * OFFSET_WINDOW_NS ? offset : cpu->offset;
		cpu->offset = offset;
		cpu->window_start = now;
	} else if ((__s64)(offset - cpu->offset) < 0) {
		cpu->offset = offset;
	}
	return now - ((__s64)(cpu->offset_before - cpu->offset) < 0 ? cpu->offset_before : cpu->offset);
}

static __always_inline void on_switch(struct bpf_cost *cost, struct task_struct *next)
{
	__u32 key = bpf_get_smp_processor_id();
	struct sched_cpu *cpu = bpf_map_lookup_elem(&sched_cpus, &key);
	__u64 now, queued, wait;

	if (!cpu || bpf_thinned_out(cost))
		return;
	/* The idle task waits for nobody. */
	if (!next->pid)
		return;
	now = sched_now(cpu, next);
	queued = next->sched_info.last_queued;
	if (!queued) {
		cost->lost++;
		return;
	}
	wait = (__s64)(now - queued) < 0 ? 0 : now - queued;
	cpu->waits += bpf_weight(cost);
	cpu->wait_ns += wait * bpf_weight(cost);
	if (wait > cpu->longest[sched_epoch & 1])
		cpu->longest[sched_epoch & 1] = wait;
	cpu->wait[bpf_hist_slot(wait)] += bpf_weight(cost);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(SCHED_SWITCH, &start);

	if (!cost)
		return 0;
	on_switch(cost, next);
	bpf_cost_end(cost, start);
	return 0;
}
