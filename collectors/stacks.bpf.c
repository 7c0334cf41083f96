/* Stacks of threads. Those that run (here): each CPU is looked at so many times a second, and where it is not idle, who is there is counted with the
 * kernel's and the user's part of the stack. Those that wait: stacks_offcpu.bpf.h. Those that touch
 * memory that is not there yet. */
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

/* Of user space: which map is written; what one sample stands for. */
volatile __u32 stacks_epoch;
volatile __u64 stacks_period_ns;

const volatile __u64 stacks_page = 4096; /* bytes */

/* Who is here, with both parts of its stack. Of perf_event programs only one runs at a time. False: it is nobody. */
static __always_inline bool stacks_here(void *ctx, struct task_struct *task, struct stacks_key *ret)
{
	struct stacks_key key = {};
	struct unwind_stack *kernel;
	struct unwind_state *user;
	__u32 zero = 0;
	long n;

	if (!task->pid)
		return false;
	kernel = bpf_map_lookup_elem(&stacks_kernel, &zero);
	if (!kernel)
		return false;
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
	*ret = key;
	return true;
}

static __always_inline void on_sample(struct bpf_cost *cost, void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stacks_key key;
	bool kept;

	if (!stacks_here(ctx, task, &key))
		return;
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

/* `n` page faults of which this is one. */
static __always_inline void on_fault(struct bpf_cost *cost, void *ctx, __u64 n, bool major)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stacks_key key;
	bool kept;

	if (!stacks_here(ctx, task, &key))
		return;
	key.reason = major;
	if (stacks_epoch & 1)
		kept = stacks_add(&faults_odd, &key, task, n, n * stacks_page);
	else
		kept = stacks_add(&faults_even, &key, task, n, n * stacks_page);
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
