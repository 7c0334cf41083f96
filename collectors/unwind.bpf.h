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
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, UNWIND_NEWS_BYTES);
} unwind_news SEC(".maps");

/* Where a walk stands. */
struct unwind_state {
	__u64 pc, sp, fp, lr;
	__u64 hash; /* of the stack so far */
	__u32 first, n; /* the process's mappings */
	__u32 last;     /* the mapping of the frame before */
	__u8 inner;     /* pc is exact */
	__u8 fp_lost, lr_lost;
	struct unwind_stack stack;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UNWIND_WALKS);
	__type(key, __u32);
	__type(value, struct unwind_state);
} unwind_scratch SEC(".maps");

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

static __always_inline bool unwind_read(__u64 address, __u64 *ret)
{
	return !bpf_probe_read_user(ret, sizeof(*ret), (void *)address);
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

/* Keeps frame `i` of the walk in that scratch and steps outwards. UNWIND_GO_ON, or why the walk ends. */
__noinline int unwind_step(__u32 i, __u32 scratch)
{
	struct culprit_unwind_rule *rule;
	struct unwind_mapping *m;
	struct unwind_state *s;
	__u32 number;
	__u64 at;
	int end;

	s = bpf_map_lookup_elem(&unwind_scratch, &scratch);
	if (!s || i >= UNWIND_FRAMES)
		return CULPRIT_STACK_DEEP;
	at = s->pc - !s->inner;
	s->stack.pcs[i] = at;
	s->stack.n = i + 1;
	s->hash = unwind_mix(s->hash, at);
	m = bpf_map_lookup_elem(&unwind_mappings, &s->last);
	if (!m || at < m->start || at >= m->end) {
		s->last = unwind_mapping_at(s->first, s->n, at);
		m = bpf_map_lookup_elem(&unwind_mappings, &s->last);
	}
	if (!m)
		return CULPRIT_STACK_UNMAPPED;
	if (m->kind == UNWIND_BY_FP)
		return unwind_by_fp(s);
	if (m->kind != UNWIND_TABLE)
		return CULPRIT_STACK_PENDING;
	number = unwind_rule_at(m->first, m->n, at - m->start + m->offset);
	/* The signal trampoline is returned to by nobody: its own address is exact. */
	if (!number && !s->inner)
		number = unwind_rule_at(m->first, m->n, s->pc - m->start + m->offset);
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

	bpf_ringbuf_output(&unwind_news, &news, sizeof(news), 0);
}

/* The mappings of this process; none: not known, user space has been told. */
static __always_inline void unwind_process_find(struct unwind_state *s, struct task_struct *task)
{
	struct unwind_process fresh = {.mm = (__u64)task->mm}, *p;
	__u32 pid = task->tgid;

	s->first = s->n = 0;
	p = bpf_map_lookup_elem(&unwind_processes, &pid);
	if (!p) {
		fresh.told_ns = bpf_ktime_get_ns();
		if (!bpf_map_update_elem(&unwind_processes, &pid, &fresh, BPF_NOEXIST))
			unwind_tell(pid, CULPRIT_STACK_PENDING);
	} else if (p->mm != fresh.mm) {
		/* exec, or another process under this number. */
		p->n = 0;
		p->mm = fresh.mm;
		p->told_ns = bpf_ktime_get_ns();
		unwind_tell(pid, CULPRIT_STACK_PENDING);
	} else {
		s->first = p->first;
		s->n = p->n;
	}
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
	int r = UNWIND_GO_ON;

	if (!task->mm || !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
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
	unwind_process_find(s, task);
	if (!s->n || UNWIND_COMPAT(regs)) {
		s->stack.pcs[0] = s->pc;
		s->stack.n = 1;
		s->hash = unwind_mix(s->hash, s->pc);
		r = s->n ? CULPRIT_STACK_UNKNOWN : CULPRIT_STACK_PENDING;
	} else {
		for (int i = 0; i < UNWIND_FRAMES && r == UNWIND_GO_ON; i++)
			r = unwind_step(i, scratch);
	}
	s->stack.end = r == UNWIND_GO_ON ? CULPRIT_STACK_DEEP : r;
	if (r == CULPRIT_STACK_UNMAPPED)
		unwind_tell_unmapped(task->tgid);
	s->hash = unwind_mix(s->hash, s->stack.end) | 1;
	return s;
}

#endif
