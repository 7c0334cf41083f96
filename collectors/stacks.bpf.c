/* Stacks of threads. Those that run (here): each CPU is looked at so many times a second, and where it is not idle, who is there is counted with the
 * kernel's and the user's part of the stack. Those that wait: stacks_offcpu.bpf.h. */
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

/* Of user space: which map is written; what one sample stands for. */
volatile __u32 stacks_epoch;
volatile __u64 stacks_period_ns;

static __always_inline void on_sample(struct bpf_cost *cost, void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stacks_key key = {};
	struct unwind_stack *kernel;
	struct unwind_state *user;
	__u32 zero = 0;
	long n;
	bool kept;

	if (!task->pid)
		return;
	kernel = bpf_map_lookup_elem(&stacks_kernel, &zero);
	if (!kernel)
		return;
	key.pid = task->tgid;
	key.tid = task->pid;
	key.start = task->start_boottime;
	/* None where the sample found user code. */
	n = bpf_get_stack(ctx, kernel->pcs, sizeof(kernel->pcs), 0);
	if (n > 0) {
		kernel->n = n / sizeof(kernel->pcs[0]);
		kernel->end = kernel->n < UNWIND_FRAMES ? CULPRIT_STACK_WHOLE : CULPRIT_STACK_DEEP;
		key.kernel = stacks_hash(kernel, kernel->n);
		stacks_keep(key.kernel, kernel);
	}
	user = unwind_user(task, 0);
	if (user) {
		key.user = user->hash;
		stacks_keep(key.user, &user->stack);
	}
	if (stacks_epoch & 1)
		kept = stacks_add(&oncpu_odd, &key, task, 1, stacks_period_ns);
	else
		kept = stacks_add(&oncpu_even, &key, task, 1, stacks_period_ns);
	if (!kept)
		cost->lost++;
}

#include "stacks_offcpu.bpf.h"

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
