/* The scheduler's maps that another object's programs see as well: who loads that gives it the same ones (sched_switch.h). */
#ifndef COLLECTORS_SCHED_MAPS_BPF_H
#define COLLECTORS_SCHED_MAPS_BPF_H

#include "sched_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* one a CPU */
	__type(key, __u32);
	__type(value, struct sched_cpu);
} sched_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* nobody maps it; its elements begin on cache lines then */
	__uint(max_entries, 1024); /* a power of two, sched_mask + 1 */
	__type(key, __u32);
	__type(value, struct sched_thread);
} sched_threads_map SEC(".maps");

const volatile __u32 sched_mask = 1023;

/* From how long on every wait for this reason is kept, where `sure` is that of the shortest. */
static __always_inline __u64 offcpu_scale(__u64 sure, __u8 reason)
{
	__u64 scale = sure << (reason == SCHED_IDLE ? OFFCPU_IDLE_SHIFT : reason == SCHED_IDLE_MAYBE ? OFFCPU_MAYBE_SHIFT :
			       reason == SCHED_NONE ? OFFCPU_QUEUE_SHIFT : 0);

	return scale < OFFCPU_MOST_NS ? scale : OFFCPU_MOST_NS;
}

/* How long the thread's next wait may well be. Of who never waited nothing is known: it may be long. */
static __always_inline __u64 offcpu_likely(const struct sched_thread *t)
{
	return t->longest ? (__u64)t->longest * 4 : OFFCPU_LONG_NS;
}

#endif
