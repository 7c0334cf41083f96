/* Threads in an array: two places are looked at for a tid, one by its low bits, one by a hash; who finds both taken is not
 * kept. No map that locks or allocates: this runs at every switch. What stands there begins with the tid; 0: the place is free.
 * `mask`: the number of places, a power of two, less one. */
#ifndef COLLECTORS_TID_PLACES_BPF_H
#define COLLECTORS_TID_PLACES_BPF_H

static __always_inline void *tid_place(void *map, __u32 mask, __u32 place)
{
	place &= mask;
	return bpf_map_lookup_elem(map, &place);
}

static __always_inline __u32 tid_second(__u32 tid)
{
	return tid * 0x9E3779B1u >> 12;
}

static __always_inline void *tid_find(void *map, __u32 mask, __u32 tid)
{
	__u32 *t = tid_place(map, mask, tid);

	if (t && *t == tid)
		return t;
	t = tid_place(map, mask, tid_second(tid));
	return t && *t == tid ? t : NULL;
}

/* Finds it, or takes a free place. */
static __always_inline void *tid_get(void *map, __u32 mask, __u32 tid)
{
	__u32 *t = tid_place(map, mask, tid), *other;

	if (!t || *t == tid)
		return t;
	other = tid_place(map, mask, tid_second(tid));
	if (!other || *other == tid)
		return other;
	t = !*t ? t : !*other ? other : NULL;
	if (!t)
		return NULL;
	/* Two CPUs may want the place for two threads; one of them gets it, the other looks again at its next switch. */
	return __sync_val_compare_and_swap(t, 0, tid) == 0 ? t : NULL;
}

#endif
