/* Stacks of threads. Those that run (here): each CPU is looked at so many times a second, and where it is not idle, who is there is counted with the
 * kernel's and the user's part of the stack. Those that wait: stacks_offcpu.bpf.h. Those that touch
 * memory that is not there yet. Those that ask disks for something: stacks_blockio.bpf.h. Those that wait for locks of the
 * kernel: stacks_lock.bpf.h. Those that allocate, in one process: stacks_heap.bpf.h. */
#include "bpf_common.bpf.h"
#include "unwind.bpf.h"
#include "stacks_count.bpf.h"

#define COUNTS(name)                                                                                                   \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, 4096);                                                                             \
		__type(key, struct stacks_key);                                                                        \
		__type(value, struct stacks_count);                                                                    \
	} name SEC(".maps")

COUNTS(oncpu_even);
COUNTS(oncpu_odd);
COUNTS(offcpu_even);
COUNTS(offcpu_odd);
COUNTS(faults_even);
COUNTS(faults_odd);
COUNTS(blockio_even);
COUNTS(blockio_odd);
COUNTS(lock_even);
COUNTS(lock_odd);
COUNTS(heap_even);
COUNTS(heap_odd);

/* Of user space: what one sample stands for. */
volatile __u64 stacks_period_ns;

static __always_inline void on_sample(struct bpf_cost *cost, void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stacks_key key;
	bool kept;

	if (!stacks_here(ctx, task, UNWIND_OF_SAMPLE, 0, &key))
		return;
	if (stacks_epoch & 1)
		kept = stacks_add(&oncpu_odd, &key, task, 1, stacks_period_ns);
	else
		kept = stacks_add(&oncpu_even, &key, task, 1, stacks_period_ns);
	if (!kept)
		cost->lost++;
}

#include "stacks_offcpu.bpf.h"
#include "stacks_blockio.bpf.h"
#include "stacks_lock.bpf.h"
#include "stacks_heap.bpf.h"

SEC("perf_event")
int stacks_sample(void *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_SAMPLE, &start);

	if (!cost)
		return 0;
	on_sample(cost, ctx);
	bpf_cost_end(cost, start);
	return 0;
}

/* `n` page faults of which this is one. */
static __always_inline void on_fault(struct bpf_cost *cost, void *ctx, __u64 n, bool major)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stacks_key key;
	bool kept;

	if (!stacks_here(ctx, task, UNWIND_OF_SAMPLE, 0, &key))
		return;
	key.reason = major;
	if (stacks_epoch & 1)
		kept = stacks_add(&faults_odd, &key, task, n, n * unwind_page);
	else
		kept = stacks_add(&faults_even, &key, task, n, n * unwind_page);
	if (!kept)
		cost->lost++;
}

#define FAULTS(name, number, major)                                                                                    \
	SEC("perf_event")                                                                                              \
	int name(struct bpf_perf_event_data *ctx)                                                                      \
	{                                                                                                              \
		__u64 start;                                                                                           \
		struct bpf_cost *cost = bpf_cost_begin(number, &start);                                                \
                                                                                                                       \
		if (!cost)                                                                                             \
			return 0;                                                                                      \
		on_fault(cost, ctx, ctx->sample_period, major);                                                        \
		bpf_cost_end(cost, start);                                                                             \
		return 0;                                                                                              \
	}

FAULTS(stacks_major, STACKS_MAJOR, true)
FAULTS(stacks_minor, STACKS_MINOR, false)
