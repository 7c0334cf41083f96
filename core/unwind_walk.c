#include "unwind_walk.h"

static bool read_saved(struct unwind_space *space, const struct unwind_regs *regs, uint64_t cfa, uint8_t kind, int offset,
		       uint64_t *ret)
{
	uint64_t base = kind == CULPRIT_SAVED_CFA ? cfa : kind == CULPRIT_SAVED_SP ? regs->sp : regs->fp;

	return space->read(space, base + (uint64_t)(int64_t)offset, ret);
}

/* In generated code frame pointers are all there is: fp points at the caller's fp, the return address lies above. The outermost
 * frame has none, by convention. */
static int step_by_fp(struct unwind_space *space, struct unwind_regs *regs, bool *inner)
{
	uint64_t fp, ra;

	if (regs->fp_lost)
		return CULPRIT_STACK_LOST;
	if (!regs->fp && !*inner)
		return CULPRIT_STACK_WHOLE;
	if (!regs->fp || regs->fp & 7 || regs->fp < regs->sp)
		return CULPRIT_STACK_NO_FP;
	if (!space->read(space, regs->fp, &fp) || !space->read(space, regs->fp + 8, &ra))
		return CULPRIT_STACK_NO_FP;
	if (!ra)
		return CULPRIT_STACK_WHOLE;
	regs->sp = regs->fp + 16;
	regs->fp = fp;
	regs->pc = ra;
	*inner = false;
	return -1;
}

static int find_cfa(struct unwind_space *space, const struct unwind_regs *regs, const struct culprit_unwind_rule *rule,
		    uint64_t *cfa)
{
	uint64_t offset = (uint64_t)(int64_t)rule->cfa_offset;
	bool by_fp = rule->cfa == CULPRIT_CFA_FP || rule->cfa == CULPRIT_CFA_FP_DEREF;

	if (by_fp && regs->fp_lost)
		return CULPRIT_STACK_LOST;
	switch (rule->cfa) {
	case CULPRIT_CFA_SP:
	case CULPRIT_CFA_FP:
		*cfa = (by_fp ? regs->fp : regs->sp) + offset;
		return -1;
	case CULPRIT_CFA_SP_DEREF:
	case CULPRIT_CFA_FP_DEREF:
		if (!space->read(space, (by_fp ? regs->fp : regs->sp) + offset, cfa))
			return CULPRIT_STACK_UNREADABLE;
		*cfa += (uint64_t)(int64_t)rule->cfa_add;
		return -1;
	case CULPRIT_CFA_PLT:
		*cfa = regs->sp + 8 + ((regs->pc & 15) >= offset ? 8 : 0);
		return -1;
	default:
		return CULPRIT_STACK_UNKNOWN;
	}
}

int unwind_step(struct unwind_space *space, struct unwind_regs *regs, bool *inner)
{
	const struct culprit_unwind_rule *rule;
	uint64_t at = regs->pc - (*inner ? 0 : 1), cfa, fp = regs->fp, ra = 0;
	struct unwind_code code = {0};
	bool fp_lost = regs->fp_lost;
	int r;

	if (!space->find(space, at, &code))
		return CULPRIT_STACK_UNMAPPED;
	if (code.generated)
		return step_by_fp(space, regs, inner);
	if (!code.table)
		return CULPRIT_STACK_PENDING;
	rule = &space->rules->rules[unwind_table_rule(code.table, at - code.start + code.offset)];
	/* The signal trampoline is returned to by nobody: its own address is exact. Some libraries mark its first
	 * instruction only. */
	if (rule->cfa == CULPRIT_CFA_NONE && !*inner)
		rule = &space->rules->rules[unwind_table_rule(code.table, regs->pc - code.start + code.offset)];
	if (rule->ra == CULPRIT_SAVED_END)
		return CULPRIT_STACK_WHOLE;
	/* Code that nothing describes, in a file that has descriptions: written by hand, or an engine's own, which mostly
	 * keep frame pointers (node's builtins). */
	if (rule->cfa == CULPRIT_CFA_NONE) {
		r = step_by_fp(space, regs, inner);
		return r == CULPRIT_STACK_NO_FP || r == CULPRIT_STACK_LOST ? CULPRIT_STACK_NO_ROWS : r;
	}
	r = find_cfa(space, regs, rule, &cfa);
	if (r >= 0)
		return r;
	/* A signal may return to another stack; on arm64 a leaf function may use no stack at all. */
	if (!(rule->flags & CULPRIT_UNWIND_SIGNAL) &&
	    (cfa < regs->sp || (cfa == regs->sp && (space->machine == CFI_X86_64 || regs->lr_lost))))
		return CULPRIT_STACK_ASTRAY;
	switch (rule->ra) {
	case CULPRIT_SAVED_SAME:
		/* Only the innermost frame may have left it in the link register. */
		if (space->machine == CFI_X86_64 || regs->lr_lost)
			return CULPRIT_STACK_LOST;
		ra = regs->lr;
		break;
	case CULPRIT_SAVED_LOST:
		return CULPRIT_STACK_LOST;
	default:
		if (rule->ra == CULPRIT_SAVED_FP && regs->fp_lost)
			return CULPRIT_STACK_LOST;
		if (!read_saved(space, regs, cfa, rule->ra, rule->ra_offset, &ra))
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
		fp_lost = (rule->fp == CULPRIT_SAVED_FP && regs->fp_lost) ||
			  !read_saved(space, regs, cfa, rule->fp, rule->fp_offset, &fp);
	}
	if (rule->flags & CULPRIT_UNWIND_RA_SIGNED)
		ra &= ~(space->pac_mask ? space->pac_mask : 0xffff000000000000u);
	/* Interrupted code may not have saved lr yet: the frame of a signal has it two words below the pc. */
	regs->lr_lost = !(rule->flags & CULPRIT_UNWIND_SIGNAL && space->machine == CFI_ARM64 &&
			  rule->ra == CULPRIT_SAVED_SP &&
			  space->read(space, regs->sp + (uint64_t)(int64_t)rule->ra_offset - 16, &regs->lr));
	regs->sp = cfa;
	regs->fp = fp;
	regs->fp_lost = fp_lost;
	regs->pc = ra;
	*inner = rule->flags & CULPRIT_UNWIND_SIGNAL;
	return ra ? -1 : CULPRIT_STACK_WHOLE;
}

size_t unwind_walk(struct unwind_space *space, struct unwind_regs regs, uint64_t *pcs, size_t cap,
		   enum culprit_unwind_end *ret_end)
{
	bool inner = true;
	size_t n = 0;
	int r;

	for (;;) {
		if (n == cap) {
			*ret_end = CULPRIT_STACK_DEEP;
			return n;
		}
		pcs[n++] = regs.pc;
		r = unwind_step(space, &regs, &inner);
		if (r >= 0) {
			*ret_end = (enum culprit_unwind_end)r;
			return n;
		}
	}
}
