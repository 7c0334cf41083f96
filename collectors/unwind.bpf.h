/* Walks the user stack of the current task in the kernel, by unwind rows: core/unwind_walk.c in the shape that the verifier
 * takes. Each step is a function that is verified by itself (5.10), so that the loop over frames costs nothing there. Included once by
 * an X.bpf.c, after bpf_common.bpf.h. */
#ifndef COLLECTORS_UNWIND_BPF_H
#define COLLECTORS_UNWIND_BPF_H

#include "unwind_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_ROWS);
	__type(key, __u32);
	__type(value, struct culprit_unwind_row);
} unwind_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_RULES);
	__type(key, __u32);
	__type(value, struct culprit_unwind_rule);
} unwind_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAPPINGS);
	__type(key, __u32);
	__type(value, struct unwind_mapping);
} unwind_mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UNWIND_PROCESSES);
	__type(key, __u32);
	__type(value, struct unwind_process);
} unwind_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_STRANGERS);
	__type(key, __u32);
	__type(value, struct unwind_stranger);
} unwind_strangers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, UNWIND_NEWS_BYTES);
} unwind_news SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UNWIND_FILES);
	__type(key, struct unwind_file_key);
	__type(value, struct unwind_file);
} unwind_files SEC(".maps");

const volatile __u64 unwind_page = 4096; /* bytes */

enum { MAPLE_WORDS = 32, MAPLE_DEPTH = 8, MAPLE_LEAF = 1, MAPLE_RANGE = 2, MAPLE_ARANGE = 3, VM_EXEC = 4 };

/* Where a walk stands. */
struct unwind_state {
	__u64 pc, sp, fp, lr;
	__u64 hash; /* of the stack so far */
	__u32 first, n; /* the process's mappings */
	__u32 last;     /* the mapping of the frame before */
	__u8 inner;     /* pc is exact */
	__u8 fp_lost, lr_lost;
	__u8 stranger; /* its mappings are not known */
	__u8 astray;   /* pc is in memory that is no code */
	__u64 mm;
	__u32 pid;
	__u32 module;                /* of the mapping that follows */
	struct unwind_mapping found; /* as the kernel has it, of an address that is in none of the process's */
	__u64 node[MAPLE_WORDS];
	struct unwind_stack stack;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UNWIND_WALKS);
	__type(key, __u32);
	__type(value, struct unwind_state);
} unwind_scratch SEC(".maps");

/* Programs of this object that are changing a map on this CPU now. What hangs on locks of the kernel must not run then: it
 * might be called by the lock of that very map, and wait for it for ever (kernels since 6.15 would notice). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} unwind_busy SEC(".maps");

static __always_inline __u32 *unwind_busy_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&unwind_busy, &zero);
}

/* bpf_map_update_elem(), telling so. */
static __always_inline long unwind_update(void *map, const void *key, const void *value, __u64 flags)
{
	__u32 *busy = unwind_busy_here();
	long r;

	if (!busy)
		return -1;
	__sync_fetch_and_add(busy, 1);
	r = bpf_map_update_elem(map, key, value, flags);
	__sync_fetch_and_add(busy, -1);
	return r;
}

/* bpf_map_delete_elem(), telling so. */
static __always_inline long unwind_delete(void *map, const void *key)
{
	__u32 *busy = unwind_busy_here();
	long r;

	if (!busy)
		return -1;
	__sync_fetch_and_add(busy, 1);
	r = bpf_map_delete_elem(map, key);
	__sync_fetch_and_add(busy, -1);
	return r;
}

#if defined(__TARGET_ARCH_x86)
#define UNWIND_LR false
#define UNWIND_COMPAT(r) ((__u16)(r)->cs != 0x33)
#define UNWIND_REGS(s, r) ((s)->pc = (r)->ip, (s)->sp = (r)->sp, (s)->fp = (r)->bp)
#elif defined(__TARGET_ARCH_arm64)
#define UNWIND_LR true
#define UNWIND_COMPAT(r) (((r)->pstate & 0x10) != 0)
#define UNWIND_REGS(s, r) ((s)->pc = (r)->pc, (s)->sp = (r)->sp, (s)->fp = (r)->regs[29], (s)->lr = (r)->regs[30])
#else
#define UNWIND_LR false
#define UNWIND_COMPAT(r) true
#define UNWIND_REGS(s, r) ((void)(r))
#endif

#define UNWIND_GO_ON (-1)
#define UNWIND_NOWHERE 0xffffffffu

static __always_inline __u64 unwind_mix(__u64 hash, __u64 v)
{
	hash = (hash ^ v) * 0x9E3779B97F4A7C15ull;
	return hash ^ hash >> 29;
}

/* The rule in force at this offset, of n rows from `first` on; 0: none. */
__noinline __u32 unwind_rule_at(__u32 first, __u32 n, __u32 pc)
{
	__u32 low = 0, high = n, rule = 0;

	for (int i = 0; i < 22 && low < high; i++) {
		__u32 mid = low + (high - low) / 2, at = first + mid;
		struct culprit_unwind_row *row = bpf_map_lookup_elem(&unwind_rows, &at);

		if (!row)
			return 0;
		if (row->pc <= pc) {
			rule = row->rule;
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return rule;
}

/* Number i of an index that stands there. */
static __always_inline __u32 unwind_index_at(__u32 first, __u32 i)
{
	__u32 at = first + i / 2;
	struct culprit_unwind_row *two = bpf_map_lookup_elem(&unwind_rows, &at);

	return !two ? 0 : i & 1 ? two->rule : two->pc;
}

/* The rule in force at this offset of a module; 0: none. */
static __always_inline __u32 unwind_rule_of(const struct unwind_rows *rows, __u32 pc)
{
	__u32 first = rows->first, n = rows->n, low = 0, high = n, page = (pc >> UNWIND_PAGE_SHIFT) - rows->page;

	if (page < rows->pages) {
		low = unwind_index_at(first + n, page);
		high = unwind_index_at(first + n, page + 1);
		/* The last row before the page may reach into it. */
		low -= low > 0;
	}
	return low < high ? unwind_rule_at(first + low, high - low, pc) : 0;
}

/* The mapping that holds this address, of n from `first` on; UNWIND_NOWHERE: none. */
__noinline __u32 unwind_mapping_at(__u32 first, __u32 n, __u64 pc)
{
	__u32 low = 0, high = n;

	for (int i = 0; i < 14 && low < high; i++) {
		__u32 mid = low + (high - low) / 2, at = first + mid;
		struct unwind_mapping *m = bpf_map_lookup_elem(&unwind_mappings, &at);

		if (!m)
			return UNWIND_NOWHERE;
		if (pc < m->start)
			high = mid;
		else if (pc >= m->end)
			low = mid + 1;
		else
			return at;
	}
	return UNWIND_NOWHERE;
}

/* The kernel's mapping of this address, in the tree of a process's mappings; 0: none, or the tree is just being changed. Without the lock
 * of it: what is read may be of any age, and is checked. */
__noinline __u64 unwind_vma_at(__u32 scratch, __u64 address)
{
	struct unwind_state *s = bpf_map_lookup_elem(&unwind_scratch, &scratch);
	struct mm_struct *mm = NULL;
	__u32 type, pivot, slot, n, i;
	__u64 entry = 0, last;

	if (!s || !bpf_core_field_exists(mm->mm_mt))
		return 0;
	mm = (struct mm_struct *)s->mm;
	entry = (__u64)BPF_CORE_READ(mm, mm_mt.ma_root);
	if ((entry & 3) != 2)
		return 0; /* no node */
	for (int depth = 0; depth < MAPLE_DEPTH; depth++) {
		type = entry >> 3 & 15;
		if (bpf_probe_read_kernel(s->node, sizeof(s->node), (void *)(entry & ~0xffull)))
			return 0;
		if (type == MAPLE_ARANGE) {
			pivot = bpf_core_field_offset(struct maple_arange_64, pivot) / 8;
			slot = bpf_core_field_offset(struct maple_arange_64, slot) / 8;
		} else if (type == MAPLE_LEAF || type == MAPLE_RANGE) {
			pivot = bpf_core_field_offset(struct maple_range_64, pivot) / 8;
			slot = bpf_core_field_offset(struct maple_range_64, slot) / 8;
		} else {
			return 0;
		}
		n = slot - pivot;
		/* A pivot is the last address of its slot; behind the last slot stands 0. */
		for (i = 0; i < MAPLE_WORDS / 2 && i < n; i++) {
			last = s->node[(pivot + i) & (MAPLE_WORDS - 1)];
			if (address <= last || !last)
				break;
		}
		entry = s->node[(slot + i) & (MAPLE_WORDS - 1)];
		if (type == MAPLE_LEAF)
			return entry;
	}
	return 0;
}

static __always_inline void unwind_file_name(struct inode *inode, struct unwind_file_key *ret)
{
	struct inode___until_6_10 *before = (void *)inode;
	struct inode___until_6_5 *old = (void *)inode;

	ret->ino = BPF_CORE_READ(inode, i_ino);
	ret->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	ret->generation = BPF_CORE_READ(inode, i_generation);
	ret->size = BPF_CORE_READ(inode, i_size);
	if (bpf_core_field_exists(inode->i_ctime_sec))
		ret->changed = BPF_CORE_READ(inode, i_ctime_sec);
	else if (bpf_core_field_exists(before->__i_ctime))
		ret->changed = BPF_CORE_READ(before, __i_ctime.tv_sec);
	else
		ret->changed = BPF_CORE_READ(old, i_ctime.tv_sec);
}

static __always_inline struct unwind_stranger *unwind_stranger_at(struct unwind_state *s)
{
	__u32 place = s->pid % UNWIND_STRANGERS;
	struct unwind_stranger *p = bpf_map_lookup_elem(&unwind_strangers, &place);

	if (p && (p->pid != s->pid || p->mm != s->mm)) {
		p->walks = 0;
		p->told_ns = 0;
		p->start = 0;
		p->mm = s->mm;
		p->pid = s->pid;
	}
	return p;
}

/* User space learns which file this is when it has read the process's mappings. */
static __always_inline void unwind_file_unknown(struct unwind_state *s, const struct unwind_file_key *key)
{
	struct unwind_stranger *p = unwind_stranger_at(s);

	if (!p || p->start)
		return;
	p->file = *key;
	p->start = s->found.start;
}

/* Does the kernel's own page of code begin at s->found.start? It is in no file, and the same in all processes. */
static __always_inline bool unwind_is_vdso(struct unwind_state *s)
{
	struct mm_struct *mm = (struct mm_struct *)s->mm;

	return bpf_core_field_exists(mm->context.vdso) && (__u64)BPF_CORE_READ(mm, context.vdso) == s->found.start;
}

/* What the kernel has mapped at this address, to s->found. False: nothing that is known. */
__noinline int unwind_file_at(__u32 scratch, __u64 address)
{
	struct unwind_state *s = bpf_map_lookup_elem(&unwind_scratch, &scratch);
	struct unwind_file_key key = {};
	struct vm_area_struct *vma;
	struct unwind_file *known;
	struct file *file;
	__u64 end;

	if (!s)
		return 0;
	if (address >= s->found.start && address < s->found.end)
		return 1;
	s->found.end = 0;
	vma = (struct vm_area_struct *)unwind_vma_at(scratch, address);
	if (!vma || (__u64)vma & 3 || (__u64)BPF_CORE_READ(vma, vm_mm) != s->mm)
		return 0;
	file = BPF_CORE_READ(vma, vm_file);
	s->found.start = BPF_CORE_READ(vma, vm_start);
	end = BPF_CORE_READ(vma, vm_end);
	if (address < s->found.start || address >= end)
		return 0;
	s->astray = bpf_core_field_exists(vma->vm_flags) && !(BPF_CORE_READ(vma, vm_flags) & VM_EXEC);
	if (s->astray)
		return 0;
	if (file)
		unwind_file_name(BPF_CORE_READ(file, f_inode), &key);
	else if (unwind_is_vdso(s))
		key.size = end - s->found.start;
	else
		return 0;
	known = bpf_map_lookup_elem(&unwind_files, &key);
	if (!known) {
		unwind_file_unknown(s, &key);
		return 0;
	}
	s->found.offset = BPF_CORE_READ(vma, vm_pgoff) * unwind_page;
	s->found.kind = known->kind;
	s->found.rows = known->rows;
	s->module = known->module;
	s->found.end = end;
	return 1;
}

static __always_inline bool unwind_read(__u64 address, __u64 *ret)
{
	return !bpf_probe_read_user(ret, sizeof(*ret), (void *)address);
}

/* Generated code that has no frame pointer but goes on with "add $n, %rsp; ret": Python's, for perf maps. */
static __always_inline bool unwind_by_epilogue(struct unwind_state *s)
{
	__u64 code, size, ra;

	if (UNWIND_LR || s->inner || !unwind_read(s->pc, &code) || (code & 0xff80ffffffull) != 0xc300c48348ull)
		return false;
	size = code >> 24 & 0x7f;
	if (!unwind_read(s->sp + size, &ra) || !ra)
		return false;
	s->sp += size + 8;
	s->pc = ra;
	return true;
}

/* fp points at the caller's fp, the return address lies above. The outermost frame has none, by convention. */
static __always_inline int unwind_by_fp(struct unwind_state *s)
{
	__u64 fp, ra;

	if (s->fp_lost)
		return CULPRIT_STACK_LOST;
	if (!s->fp && !s->inner)
		return CULPRIT_STACK_WHOLE;
	if (s->fp & 7 || s->fp < s->sp || !unwind_read(s->fp, &fp) || !unwind_read(s->fp + 8, &ra))
		return CULPRIT_STACK_NO_FP;
	if (!ra)
		return CULPRIT_STACK_WHOLE;
	s->sp = s->fp + 16;
	s->fp = fp;
	s->pc = ra;
	s->inner = false;
	return UNWIND_GO_ON;
}

static __always_inline int unwind_by_rule(struct unwind_state *s, const struct culprit_unwind_rule *rule)
{
	__u64 cfa, fp = s->fp, ra = 0, base;
	bool by_fp = rule->cfa == CULPRIT_CFA_FP || rule->cfa == CULPRIT_CFA_FP_DEREF;
	bool signal = rule->flags & CULPRIT_UNWIND_SIGNAL, fp_lost = s->fp_lost;

	if (rule->ra == CULPRIT_SAVED_END)
		return CULPRIT_STACK_WHOLE;
	if (by_fp && s->fp_lost)
		return CULPRIT_STACK_LOST;
	base = by_fp ? s->fp : s->sp;
	switch (rule->cfa) {
	case CULPRIT_CFA_SP:
	case CULPRIT_CFA_FP:
		cfa = base + (__s64)rule->cfa_offset;
		break;
	case CULPRIT_CFA_SP_DEREF:
	case CULPRIT_CFA_FP_DEREF:
		if (!unwind_read(base + (__s64)rule->cfa_offset, &cfa))
			return CULPRIT_STACK_UNREADABLE;
		cfa += (__s64)rule->cfa_add;
		break;
	case CULPRIT_CFA_PLT:
		cfa = s->sp + 8 + ((s->pc & 15) >= (__u64)(__s64)rule->cfa_offset ? 8 : 0);
		break;
	default:
		return CULPRIT_STACK_UNKNOWN;
	}
	/* A signal may return to another stack; on arm64 a leaf function may use no stack at all. */
	if (!signal && (cfa < s->sp || (cfa == s->sp && (!UNWIND_LR || s->lr_lost))))
		return CULPRIT_STACK_ASTRAY;
	switch (rule->ra) {
	case CULPRIT_SAVED_SAME:
		/* Only the innermost frame may have left it in the link register. */
		if (!UNWIND_LR || s->lr_lost)
			return CULPRIT_STACK_LOST;
		ra = s->lr;
		break;
	case CULPRIT_SAVED_LOST:
		return CULPRIT_STACK_LOST;
	default:
		if (rule->ra == CULPRIT_SAVED_FP && s->fp_lost)
			return CULPRIT_STACK_LOST;
		base = rule->ra == CULPRIT_SAVED_CFA ? cfa : rule->ra == CULPRIT_SAVED_SP ? s->sp : s->fp;
		if (!unwind_read(base + (__s64)rule->ra_offset, &ra))
			return CULPRIT_STACK_UNREADABLE;
	}
	switch (rule->fp) {
	case CULPRIT_SAVED_SAME:
		break;
	case CULPRIT_SAVED_END:
	case CULPRIT_SAVED_LOST:
		fp_lost = true;
		break;
	default:
		base = rule->fp == CULPRIT_SAVED_CFA ? cfa : rule->fp == CULPRIT_SAVED_SP ? s->sp : s->fp;
		fp_lost = (rule->fp == CULPRIT_SAVED_FP && s->fp_lost) || !unwind_read(base + (__s64)rule->fp_offset, &fp);
	}
	if (rule->flags & CULPRIT_UNWIND_RA_SIGNED)
		ra &= ~0xffff000000000000ull;
	/* Interrupted code may not have saved lr yet: the frame of a signal has it two words below the pc. */
	s->lr_lost = !(UNWIND_LR && signal && rule->ra == CULPRIT_SAVED_SP &&
		       unwind_read(s->sp + (__s64)rule->ra_offset - 16, &s->lr));
	s->sp = cfa;
	s->fp = fp;
	s->fp_lost = fp_lost;
	s->pc = ra;
	s->inner = signal;
	return ra ? UNWIND_GO_ON : CULPRIT_STACK_WHOLE;
}

/* At a function's first instruction it is known where its caller is, whatever its file says (musl's says nothing). */
static __always_inline int unwind_by_entry(struct unwind_state *s)
{
	if (UNWIND_LR)
		s->pc = s->lr;
	else if (unwind_read(s->sp, &s->pc))
		s->sp += 8;
	else
		return CULPRIT_STACK_UNREADABLE;
	s->inner = false;
	s->lr_lost = true;
	return s->pc ? UNWIND_GO_ON : CULPRIT_STACK_WHOLE;
}

/* Keeps frame `i` of the walk in that scratch and steps outwards. UNWIND_GO_ON, or why the walk ends. */
__noinline int unwind_step(__u32 i, __u32 scratch)
{
	struct culprit_unwind_rule *rule;
	struct unwind_mapping *m;
	struct unwind_state *s;
	__u64 at, place;
	__u32 number;
	int end;

	s = bpf_map_lookup_elem(&unwind_scratch, &scratch);
	if (!s || i >= UNWIND_FRAMES)
		return CULPRIT_STACK_DEEP;
	at = place = s->pc - !s->inner;
	m = bpf_map_lookup_elem(&unwind_mappings, &s->last);
	if (!m || at < m->start || at >= m->end) {
		s->last = unwind_mapping_at(s->first, s->n, at);
		m = bpf_map_lookup_elem(&unwind_mappings, &s->last);
	}
	/* Of a process that began a moment ago nothing is known, or not what it has mapped since. */
	if (!m && unwind_file_at(scratch, at)) {
		m = &s->found;
		place = UNWIND_IN_FILE(s->module, at - m->start + m->offset);
	}
	s->stack.pcs[i] = place;
	s->stack.n = i + 1;
	s->hash = unwind_mix(s->hash, place);
	if (scratch == UNWIND_OF_HEAP && !i)
		return unwind_by_entry(s);
	if (!m)
		return s->n || s->astray ? CULPRIT_STACK_UNMAPPED : CULPRIT_STACK_PENDING;
	if (m->kind == UNWIND_BY_FP)
		return m->generated && unwind_by_epilogue(s) ? UNWIND_GO_ON : unwind_by_fp(s);
	if (m->kind != UNWIND_TABLE)
		return CULPRIT_STACK_PENDING;
	number = unwind_rule_of(&m->rows, at - m->start + m->offset);
	/* The signal trampoline is returned to by nobody: its own address is exact. */
	if (!number && !s->inner)
		number = unwind_rule_of(&m->rows, s->pc - m->start + m->offset);
	if (number >= UNWIND_RULES)
		return CULPRIT_STACK_UNKNOWN;
	rule = bpf_map_lookup_elem(&unwind_rules, &number);
	if (!rule)
		return CULPRIT_STACK_UNKNOWN;
	/* Code that nothing describes, in a file that has descriptions: written by hand, or an engine's own, which mostly
	 * keep frame pointers (node's builtins). */
	if (rule->cfa == CULPRIT_CFA_NONE && rule->ra != CULPRIT_SAVED_END) {
		end = unwind_by_fp(s);
		return end == CULPRIT_STACK_NO_FP || end == CULPRIT_STACK_LOST ? CULPRIT_STACK_NO_ROWS : end;
	}
	return unwind_by_rule(s, rule);
}

/* Where it finds no room, the next walk of such a stack tells. */
static __always_inline void unwind_tell(__u32 pid, __u32 end)
{
	struct unwind_news news = {.pid = pid, .end = end};
	__u32 *busy = unwind_busy_here();

	if (!busy)
		return;
	__sync_fetch_and_add(busy, 1);
	bpf_ringbuf_output(&unwind_news, &news, sizeof(news), 0);
	__sync_fetch_and_add(busy, -1);
}

/* The mappings of this process with that memory, or that they are not known: it is new, or runs another program now. */
static __always_inline void unwind_process_find(struct unwind_state *s)
{
	__u32 pid = s->pid;
	struct unwind_process *p = bpf_map_lookup_elem(&unwind_processes, &pid);

	s->stranger = !p || p->mm != s->mm;
	s->first = s->stranger ? 0 : p->first;
	s->n = s->stranger ? 0 : p->n;
}

/* Its walk ended so. */
static __noinline int unwind_stranger_walked(__u32 scratch, __u32 end)
{
	struct unwind_state *s = bpf_map_lookup_elem(&unwind_scratch, &scratch);
	__u64 now = bpf_ktime_get_ns();
	struct unwind_stranger *p;

	p = s ? unwind_stranger_at(s) : NULL;
	if (!p)
		return 0;
	p->walks++;
	if ((end == CULPRIT_STACK_PENDING || p->walks >= UNWIND_STRANGER_LONG) && now - p->told_ns >= UNWIND_TELL_NS) {
		p->told_ns = now;
		unwind_tell(s->pid, CULPRIT_STACK_PENDING);
	}
	return 0;
}

/* An address in no mapping that is known: it has loaded a library since they were read. */
static __noinline int unwind_tell_unmapped(__u32 pid)
{
	struct unwind_process *p = bpf_map_lookup_elem(&unwind_processes, &pid);
	__u64 now = bpf_ktime_get_ns();

	if (p && now - p->told_ns >= UNWIND_TELL_NS) {
		p->told_ns = now;
		unwind_tell(pid, CULPRIT_STACK_UNMAPPED);
	}
	return 0;
}

/* Walks the user stack of the current task. Returns where it is, with its hash (not 0); NULL: there is none. One may interrupt
 * the other: each program has a scratch of its own, below UNWIND_WALKS. */
static __always_inline struct unwind_state *unwind_user(struct task_struct *task, __u32 scratch)
{
	struct pt_regs *regs;
	struct unwind_state *s;
	/* By a call, not followed: there the verifier looks for the type's name among all types of the kernel, on each way. */
	__u64 mm = (__u64)BPF_CORE_READ(task, mm);
	int r = UNWIND_GO_ON;

	if (!mm || !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return NULL;
	s = bpf_map_lookup_elem(&unwind_scratch, &scratch);
	if (!s)
		return NULL;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	s->pc = s->lr = 0;
	UNWIND_REGS(s, regs);
	if (!s->pc)
		return NULL;
	s->inner = true;
	s->fp_lost = s->lr_lost = false;
	s->hash = 0x1234567;
	s->last = UNWIND_NOWHERE;
	s->mm = mm;
	s->pid = task->tgid;
	unwind_process_find(s);
	/* It is just about to run another program: these registers are of the one before. */
	if (s->stranger && !BPF_CORE_READ((struct mm_struct *)mm, start_code))
		return NULL;
	s->found.start = s->found.end = 0;
	s->astray = false;
	if (UNWIND_COMPAT(regs)) {
		s->stack.pcs[0] = s->pc;
		s->stack.n = 1;
		s->hash = unwind_mix(s->hash, s->pc);
		r = s->n ? CULPRIT_STACK_UNKNOWN : CULPRIT_STACK_PENDING;
	} else {
		for (int i = 0; i < UNWIND_FRAMES && r == UNWIND_GO_ON; i++)
			r = unwind_step(i, scratch);
	}
	s->stack.end = r == UNWIND_GO_ON ? CULPRIT_STACK_DEEP : r;
	if (s->stranger)
		unwind_stranger_walked(scratch, s->stack.end);
	else if (r == CULPRIT_STACK_UNMAPPED && !s->astray)
		unwind_tell_unmapped(task->tgid);
	s->hash = unwind_mix(s->hash, s->stack.end) | 1;
	return s;
}

#endif
