/* What every program of culprit's begins and ends with: it counts its events and, about every 64th time, measures itself, so
 * that what it costs on this machine and with this load is known, always, without any right but to be loaded. Also the
 * slot of a histogram. Included once by each *.bpf.c, after its own shared header. */
#ifndef COLLECTORS_BPF_COMMON_BPF_H
#define COLLECTORS_BPF_COMMON_BPF_H

#include "bpf_kernel.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf_shared.h"

char LICENSE[] SEC("license") = "GPL";

/* One element a CPU; the loader says how many there are. Read by user space through a mapping: no system call. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_cpu_costs);
} bpf_costs SEC(".maps");

/* Counts the event. *ret_start is 0, or when the program began, where this event is timed. NULL: no such CPU; then the
 * program returns at once. */
static __always_inline struct bpf_cost *bpf_cost_begin(__u32 program, __u64 *ret_start)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct bpf_cpu_costs *costs = bpf_map_lookup_elem(&bpf_costs, &cpu);
	struct bpf_cost *c;

	*ret_start = 0;
	if (!costs)
		return NULL;
	c = &costs->program[program];
	c->events++;
	if (!c->countdown)
		*ret_start = bpf_ktime_get_ns();
	else
		c->countdown--;
	return c;
}

/* Is this one of the events that a thinned program leaves out? What it keeps stands for bpf_weight() events. */
static __always_inline bool bpf_thinned_out(const struct bpf_cost *c)
{
	return c->thinning > 1 && c->events & (c->thinning - 1);
}

static __always_inline __u64 bpf_weight(const struct bpf_cost *c)
{
	return c->thinning > 1 ? c->thinning : 1;
}

static __always_inline void bpf_cost_end(struct bpf_cost *c, __u64 start)
{
	__u64 now;

	if (!start)
		return;
	now = bpf_ktime_get_ns();
	c->timed++;
	c->timed_ns += now - start;
	/* Not evenly: events come in patterns. */
	c->countdown = BPF_COST_EVERY / 2 + (now & (BPF_COST_EVERY - 1));
}

/* floor(log2(v)), v > 0. With compares and shifts: __builtin_clz crashes clang 14. */
static __always_inline __u32 bpf_log2(__u64 v)
{
	__u32 r = 0;

	if (v >> 32) {
		v >>= 32;
		r += 32;
	}
	if (v >> 16) {
		v >>= 16;
		r += 16;
	}
	if (v >> 8) {
		v >>= 8;
		r += 8;
	}
	if (v >> 4) {
		v >>= 4;
		r += 4;
	}
	if (v >> 2) {
		v >>= 2;
		r += 2;
	}
	return r + (v >> 1);
}

static __always_inline __u32 bpf_hist_slot_unbound_here(__u64 v)
{
	__u32 shift, slot;

	if (v < 8)
		return v;
	shift = bpf_log2(v) - 3;
	slot = (shift + 1) * 8 + ((v >> shift) & 7);
	return slot < BPF_HIST_SLOTS ? slot : BPF_HIST_SLOTS - 1;
}

/* Global, so that the verifier looks at it once, and not on each way through each caller: its compares made of one program
 * with three histograms 170,000 instructions to verify, of 0.5 s of start a third. */
__noinline __u32 bpf_hist_slot_unbound(__u64 v)
{
	return bpf_hist_slot_unbound_here(v);
}

/* CULPRIT_LOG_LINEAR (culprit/table.h) with BPF_HIST_SLOTS slots: up to 7 the value itself, above it 8 steps an octave. */
static __always_inline __u32 bpf_hist_slot(__u64 v)
{
	__u32 slot = bpf_hist_slot_unbound(v);

	/* The compiler knows that it is one, the verifier does not. */
	asm volatile("" : "+r"(slot));
	return slot < BPF_HIST_SLOTS ? slot : BPF_HIST_SLOTS - 1;
}

/* The same without a call, for one histogram at a hook where each nanosecond counts. */
static __always_inline __u32 bpf_hist_slot_here(__u64 v)
{
	__u32 slot = bpf_hist_slot_unbound_here(v);

	asm volatile("" : "+r"(slot));
	return slot < BPF_HIST_SLOTS ? slot : BPF_HIST_SLOTS - 1;
}

#endif
