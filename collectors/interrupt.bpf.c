/* How long soft and hard interrupts take, by vector or number, and CPU. */
#include "bpf_common.bpf.h"
#include "interrupt.h"

/* Set before loading: a power of 2, - 1. */
const volatile __u32 hard_mask;

/* Flipped by user space at each sample. */
volatile __u32 interrupt_epoch;
__u64 hard_over; /* hard interrupts that found no room; user space reads */

/* The sizes are set before loading: one a CPU; vectors * CPUs; hard_mask + 1. */
#define ARRAY(name_, type_)                                                                                            \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(map_flags, BPF_F_MMAPABLE);                                                                     \
		__uint(max_entries, 1);                                                                                \
		__type(key, __u32);                                                                                    \
		__type(value, struct type_);                                                                           \
	} name_ SEC(".maps")

ARRAY(interrupt_cpus, interrupt_cpu);
ARRAY(soft_totals, interrupt_total);
ARRAY(soft_counts, interrupt_counts);
ARRAY(hard_totals, interrupt_total);
ARRAY(hard_counts, interrupt_counts);

static __always_inline struct interrupt_cpu *this_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&interrupt_cpus, &cpu);
}

static __always_inline void add(struct interrupt_total *total, struct interrupt_counts *counts, __u64 ns)
{
	__u32 slot = bpf_hist_slot(ns);

	if (!total || !counts || slot >= BPF_HIST_SLOTS)
		return;
	total->time_ns += ns;
	if (ns > total->longest[interrupt_epoch & 1])
		total->longest[interrupt_epoch & 1] = ns;
	counts->ns[slot]++;
	total->times++;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(soft_begin, unsigned int vector)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(INTERRUPT_SOFT_BEGIN, &start);
	struct interrupt_cpu *cpu = this_cpu();

	if (!cost)
		return 0;
	if (cpu)
		cpu->soft_begin = bpf_ktime_get_ns();
	bpf_cost_end(cost, start);
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(soft_end, unsigned int vector)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(INTERRUPT_SOFT_END, &start);
	struct interrupt_cpu *cpu = this_cpu();
	__u32 key = bpf_get_smp_processor_id() * INTERRUPT_VECTORS + vector;

	if (!cost)
		return 0;
	if (cpu && cpu->soft_begin && vector < INTERRUPT_VECTORS) {
		add(bpf_map_lookup_elem(&soft_totals, &key), bpf_map_lookup_elem(&soft_counts, &key),
		    bpf_ktime_get_ns() - cpu->soft_begin);
		cpu->soft_begin = 0;
	}
	bpf_cost_end(cost, start);
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(hard_begin, int number, struct irqaction *action)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(INTERRUPT_HARD_BEGIN, &start);
	struct interrupt_cpu *cpu = this_cpu();

	if (!cost)
		return 0;
	if (cpu)
		cpu->hard_begin = bpf_ktime_get_ns();
	bpf_cost_end(cost, start);
	return 0;
}

static __always_inline __u32 hash(__u64 v)
{
	return (__u32)(v * 0x9e3779b97f4a7c15ull >> 40);
}

/* The element of this interrupt on this CPU; the first time it is taken. */
static __always_inline void add_hard(int number, const struct irqaction *action, __u64 ns)
{
	__u64 key = ((__u64)(__u32)number << 32 | bpf_get_smp_processor_id()) + 1;
	__u32 at = hash(key);

#pragma unroll
	for (int i = 0; i < INTERRUPT_PROBES; i++) {
		__u32 index = (at + i) & hard_mask;
		struct interrupt_total *total = bpf_map_lookup_elem(&hard_totals, &index);

		if (!total)
			return;
		if (!total->key && __sync_val_compare_and_swap(&total->key, 0, key) == 0)
			bpf_probe_read_kernel_str(total->name, sizeof(total->name), action->name);
		if (total->key == key) {
			add(total, bpf_map_lookup_elem(&hard_counts, &index), ns);
			return;
		}
	}
	__sync_fetch_and_add(&hard_over, 1);
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(hard_end, int number, struct irqaction *action, int handled)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(INTERRUPT_HARD_END, &start);
	struct interrupt_cpu *cpu = this_cpu();

	if (!cost)
		return 0;
	if (cpu && cpu->hard_begin) {
		add_hard(number, action, bpf_ktime_get_ns() - cpu->hard_begin);
		cpu->hard_begin = 0;
	}
	bpf_cost_end(cost, start);
	return 0;
}
