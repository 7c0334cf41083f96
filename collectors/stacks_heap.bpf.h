/* Stacks that allocate memory in one process, by uprobes on its allocator: how much each has taken and not given back. An
 * allocation of s bytes is looked at with the probability s / HEAP_EVERY (at most 1) and weighs the inverse; of those the address
 * is remembered until it is freed. A call inside another one (realloc's malloc, malloc's mmap) is part of that. What comes from the kernel
 * itself (mmap, brk) may go piece by piece and is remembered as ranges. Which function was called stands in the cookie of the attachment. Included once by an X.bpf.c, after unwind.bpf.h, stacks_count.bpf.h and tid_places.bpf.h. */
#ifndef COLLECTORS_STACKS_HEAP_BPF_H
#define COLLECTORS_STACKS_HEAP_BPF_H

enum { HEAP_PLACES = 4096, HEAP_STUCK_NS = 1000000000, HEAP_PROT_NONE = 0, HEAP_MAP_ANONYMOUS = 0x20 };

/* A thread inside its allocator. */
struct heap_thread {
	__u32 tid; /* 0: free */
	__u32 inside; /* calls in each other */
	__u64 since;
	__u64 size, weight; /* weight 0: not looked at */
	__u64 user;
	__u64 into; /* where the address is written to; 0: it is returned */
	__u64 old, old_size; /* what it had before: the heap's end; what is moved */
	__u32 reason, function;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEAP_PLACES);
	__type(key, __u32);
	__type(value, struct heap_thread);
} heap_threads SEC(".maps");

/* What was looked at and is not freed yet, by address. */
struct heap_piece {
	struct stacks_key key;
	__u64 weight;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEAP_PIECES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct heap_piece);
} heap_pieces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEAP_RANGES);
	__type(key, __u32);
	__type(value, struct heap_range);
} heap_ranges SEC(".maps");

/* Those from here on were never used. */
__u32 heap_ranges_top;

/* A walk may be pushed aside by another thread of the process, which has none then. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} heap_walks SEC(".maps");

static __always_inline bool heap_count(const struct stacks_key *key, struct task_struct *task, __u64 n, __u64 bytes)
{
	if (stacks_epoch & 1)
		return stacks_add(&heap_odd, key, task, n, bytes);
	return stacks_add(&heap_even, key, task, n, bytes);
}

/* What this thread is about to have got. */
static __always_inline void heap_key(struct task_struct *task, const struct heap_thread *t, struct stacks_key *ret)
{
	*ret = (struct stacks_key){.pid = task->tgid, .tid = task->pid, .start = task->start_boottime, .user = t->user, .reason = t->reason};
}

/* Takes place i, if it is free, for what ends at `end`; where it starts, the caller writes at last. */
static __always_inline struct heap_range *heap_range_take(__u32 i, __u64 end, __u64 weight, __u64 size, const struct stacks_key *key)
{
	struct heap_range *r = bpf_map_lookup_elem(&heap_ranges, &i);
	__u32 top;

	if (!r || r->start || __sync_val_compare_and_swap(&r->start, 0, 1))
		return NULL;
	r->end = end;
	r->weight = weight;
	r->size = size;
	r->key = *key;
	for (int k = 0; k < 4; k++) {
		top = heap_ranges_top;
		if (top > i || __sync_val_compare_and_swap(&heap_ranges_top, top, i + 1) == top)
			break;
	}
	return r;
}

/* Place i for what this thread has got at `start`. False: it is taken. */
__noinline int heap_range_put(__u32 i, __u64 start)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct heap_thread *t = tid_find(&heap_threads, HEAP_PLACES - 1, task->pid);
	struct heap_range *r;
	struct stacks_key key;

	if (!t)
		return 0;
	heap_key(task, t, &key);
	r = heap_range_take(i, start + t->size, t->weight, t->size, &key);
	if (!r)
		return 0;
	__sync_lock_test_and_set(&r->start, start);
	return 1;
}

/* The place in which that was put; HEAP_RANGES: all are taken. */
__noinline int heap_ranges_put(__u64 start)
{
	for (__u32 i = 0; i < HEAP_RANGES; i++)
		if (heap_range_put(i, start))
			return i;
	return HEAP_RANGES;
}

/* The second half of a range with a hole goes to a place of its own. False: this one is taken. */
__noinline int heap_range_split(__u32 i, __u32 of, __u64 start, __u64 end)
{
	struct heap_range *whole = bpf_map_lookup_elem(&heap_ranges, &of), *r;
	struct stacks_key key;

	if (!whole)
		return 0;
	key = whole->key;
	r = heap_range_take(i, end, whole->weight, whole->size, &key);
	if (!r)
		return 0;
	__sync_lock_test_and_set(&r->start, start);
	return 1;
}

enum { HEAP_HIT = 1, HEAP_LOST = 2 };

/* What [from, to) has of range i is given back. HEAP_HIT: it had something; HEAP_LOST: that could not be counted. */
__noinline int heap_range_cut(__u32 i, __u64 from, __u64 to)
{
	struct heap_range *r = bpf_map_lookup_elem(&heap_ranges, &i);
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 start, end, gone, left;
	struct stacks_key key;
	bool lost = false;

	if (!r)
		return 0;
	start = r->start;
	end = r->end;
	if (start <= 1 || start >= to || end <= from)
		return 0;
	if (__sync_val_compare_and_swap(&r->start, start, 1) != start)
		return HEAP_LOST;
	gone = (end < to ? end : to) - (start > from ? start : from);
	/* Of a large one each byte stands for itself. */
	if (r->weight != r->size && r->size)
		gone = gone < HEAP_EVERY ? gone * r->weight / r->size : r->weight;
	key = r->key;
	key.reason |= HEAP_FREED;
	left = start < from ? start : end > to ? to : 0;
	if (start < from)
		r->end = from;
	if (start < from && end > to) {
		lost = true;
		for (__u32 k = 0; k < HEAP_RANGES && lost; k++)
			lost = !heap_range_split(k, i, to, end);
	}
	__sync_lock_test_and_set(&r->start, left);
	return heap_count(&key, task, 1, gone) && !lost ? HEAP_HIT : HEAP_HIT | HEAP_LOST;
}

/* The same of all ranges. */
__noinline int heap_ranges_cut(__u64 from, __u64 to)
{
	__u32 top = heap_ranges_top;
	int is = 0;

	for (__u32 i = 0; i < HEAP_RANGES && i < top; i++)
		is |= heap_range_cut(i, from, to);
	return is;
}

/* Whatever there was in [from, from + size) is given back. Did it have something? */
static __always_inline bool heap_cut(struct bpf_cost *cost, __u64 from, __u64 size)
{
	int is = heap_ranges_cut(from, (from + size + unwind_page - 1) & ~(unwind_page - 1));

	if (is & HEAP_LOST)
		cost->lost++;
	return is & HEAP_HIT;
}

static __always_inline void heap_free(struct bpf_cost *cost, struct task_struct *task, __u64 address)
{
	struct heap_piece *p, piece;

	if (!address)
		return;
	p = bpf_map_lookup_elem(&heap_pieces, &address);
	if (!p)
		return;
	piece = *p;
	unwind_delete(&heap_pieces, &address);
	piece.key.reason |= HEAP_FREED;
	if (!heap_count(&piece.key, task, 1, piece.weight))
		cost->lost++;
}

/* Is this allocation looked at, and from where does it come? */
static __always_inline void heap_draw(struct bpf_cost *cost, struct task_struct *task, struct heap_thread *t, __u64 size, __u32 reason)
{
	struct unwind_state *user;
	__u32 zero = 0, *walks;

	t->size = size;
	t->weight = 0;
	t->reason = reason;
	if (!size || (size < HEAP_EVERY && (bpf_get_prandom_u32() & (HEAP_EVERY - 1)) >= size))
		return;
	walks = bpf_map_lookup_elem(&heap_walks, &zero);
	if (!walks)
		return;
	if (__sync_fetch_and_add(walks, 1)) {
		cost->lost++;
	} else {
		user = unwind_user(task, UNWIND_OF_HEAP);
		if (user) {
			t->user = user->hash;
			stacks_keep(t->user, &user->stack);
			t->weight = size < HEAP_EVERY ? HEAP_EVERY : size;
		}
	}
	__sync_fetch_and_add(walks, -1);
}

static __always_inline void heap_in(struct bpf_cost *cost, struct pt_regs *regs, __u64 function)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 one = CALL_ARG1(regs), two = CALL_ARG2(regs), now;
	struct heap_thread *t;

	if (function == HEAP_FREE || function == HEAP_MUNMAP) {
		t = tid_find(&heap_threads, HEAP_PLACES - 1, task->pid);
		if (t && t->inside)
			return;
		if (function == HEAP_FREE)
			heap_free(cost, task, one);
		else
			heap_cut(cost, one, two);
		return;
	}
	t = tid_get(&heap_threads, HEAP_PLACES - 1, task->pid);
	if (!t) {
		cost->lost++;
		return;
	}
	now = bpf_ktime_get_ns();
	/* Its return was missed. */
	if (t->inside && now - t->since > HEAP_STUCK_NS)
		t->inside = 0;
	if (t->inside++)
		return;
	t->since = now;
	t->into = t->old = t->old_size = 0;
	t->function = function;
	switch (function) {
	case HEAP_CALLOC:
		heap_draw(cost, task, t, one * two, 0);
		break;
	case HEAP_REALLOC:
		heap_free(cost, task, one);
		heap_draw(cost, task, t, two, 0);
		break;
	case HEAP_ALIGNED:
		heap_draw(cost, task, t, two, 0);
		break;
	case HEAP_POSIX:
		heap_draw(cost, task, t, CALL_ARG3(regs), 0);
		t->into = one;
		break;
	case HEAP_MMAP:
		/* Address space that nothing may be put in is no memory, and a file's is the file's. */
		heap_draw(cost, task, t,
			  CALL_ARG3(regs) != HEAP_PROT_NONE && CALL_ARG4(regs) & HEAP_MAP_ANONYMOUS ? two : 0, HEAP_BY_MMAP);
		t->size = two; /* of what is no longer there in its place */
		break;
	case HEAP_MREMAP:
		t->old = one;
		t->old_size = two;
		heap_draw(cost, task, t, CALL_ARG3(regs), HEAP_BY_MMAP);
		break;
	case HEAP_SBRK:
		one += BPF_CORE_READ(task, mm, brk);
		/* fallthrough */
	case HEAP_BRK:
		t->old = BPF_CORE_READ(task, mm, brk);
		heap_draw(cost, task, t, one > t->old ? one - t->old : 0, HEAP_BY_BRK);
		break;
	default:
		heap_draw(cost, task, t, one, 0);
	}
}

/* Memory of the kernel itself at this address, in place of what may have been there. */
static __always_inline void heap_got_range(struct bpf_cost *cost, struct task_struct *task, struct heap_thread *t, __u64 address)
{
	struct heap_range *r;
	struct stacks_key key;
	__u32 place;

	if (t->function == HEAP_MREMAP && !heap_cut(cost, t->old, t->old_size))
		return; /* of a file, or not looked at */
	heap_cut(cost, address, t->size);
	if (!t->weight || !t->size)
		return;
	heap_key(task, t, &key);
	/* What is counted and not remembered would never be given back. */
	place = heap_ranges_put(address);
	r = bpf_map_lookup_elem(&heap_ranges, &place);
	if (!r) {
		cost->lost++;
	} else if (!heap_count(&key, task, t->weight / t->size, t->weight)) {
		__sync_lock_test_and_set(&r->start, 0);
		cost->lost++;
	}
}

static __always_inline void heap_got(struct bpf_cost *cost, struct task_struct *task, struct heap_thread *t, __u64 address)
{
	struct heap_piece piece = {.weight = t->weight};

	if (!t->weight || !t->size)
		return;
	if (t->into && (address || bpf_probe_read_user(&address, sizeof(address), (void *)t->into)))
		return;
	if (!address)
		return;
	heap_key(task, t, &piece.key);
	/* The same; and what is remembered and not counted would be taken from others. */
	if (unwind_update(&heap_pieces, &address, &piece, BPF_ANY)) {
		cost->lost++;
	} else if (!heap_count(&piece.key, task, piece.weight / t->size, piece.weight)) {
		unwind_delete(&heap_pieces, &address);
		cost->lost++;
	}
}

static __always_inline void heap_out(struct bpf_cost *cost, struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct heap_thread *t = tid_find(&heap_threads, HEAP_PLACES - 1, task->pid);
	__u64 address = CALL_RETURNED(regs), end;

	if (!t || !t->inside || --t->inside)
		return;
	if (t->function == HEAP_BRK || t->function == HEAP_SBRK) {
		end = BPF_CORE_READ(task, mm, brk);
		if (end < t->old)
			heap_cut(cost, end, t->old - end);
		else if (end > t->old)
			heap_got_range(cost, task, t, t->old);
	} else if (t->function != HEAP_MMAP && t->function != HEAP_MREMAP) {
		heap_got(cost, task, t, address);
	} else if (address != ~0ull) {
		heap_got_range(cost, task, t, address);
	}
	t->weight = 0;
	t->tid = 0;
}

SEC("uprobe")
int stacks_heap_in(struct pt_regs *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_HEAP_IN, &start);

	if (!cost)
		return 0;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_attach_cookie))
		heap_in(cost, ctx, bpf_get_attach_cookie(ctx));
	bpf_cost_end(cost, start);
	return 0;
}

SEC("uretprobe")
int stacks_heap_out(struct pt_regs *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_HEAP_OUT, &start);

	if (!cost)
		return 0;
	heap_out(cost, ctx);
	bpf_cost_end(cost, start);
	return 0;
}

#endif
