/* Stacks of live processes walked in user space, from registers and a copy of the stack: where nothing may be loaded into the
 * kernel. */
#include <errno.h>
#include <string.h>

#include "symbols_internal.h"
#include "unwind_walk.h"

struct copied {
	struct unwind_space space;
	struct symbols *s;
	const struct process *process;
	uint64_t from; /* address of the first byte */
	const uint8_t *bytes;
	size_t n;
	bool missed;
};

static bool find(struct unwind_space *space, uint64_t pc, struct unwind_code *ret)
{
	struct copied *c = (struct copied *)space;
	const struct code_map *map = symbols_map_find(c->process, pc);
	struct module *m;
	int r;

	if (!map) {
		c->missed = true;
		return false;
	}
	m = symbols_module_get(c->s, map->module);
	*ret = (struct unwind_code){.start = map->start, .offset = map->offset};
	r = symbols_unwind_want(c->s, m, true);
	/* By frame pointers where there are no rows: generated code, a file that has none. */
	ret->generated = !m || m->is.kind == CULPRIT_MODULE_GENERATED || r == -ENOEXEC || (!r && !m->unwind.n);
	ret->table = r ? NULL : &m->unwind;
	return true;
}

static bool read_copied(struct unwind_space *space, uint64_t address, uint64_t *ret)
{
	const struct copied *c = (const struct copied *)space;

	if (address < c->from || c->n < sizeof(*ret) || address - c->from > c->n - sizeof(*ret))
		return false;
	memcpy(ret, c->bytes + (address - c->from), sizeof(*ret));
	return true;
}

int symbols_walk(struct symbols *s, uint32_t pid, const struct culprit_registers *regs, const void *stack, size_t bytes, uint64_t *pcs,
		 uint32_t cap, uint32_t *ret_n, uint32_t *ret_end)
{
	enum culprit_unwind_end end = CULPRIT_STACK_PENDING;
	struct unwind_regs at = {.pc = regs->pc, .sp = regs->sp, .fp = regs->fp, .lr = regs->lr};
	struct copied c = {.space = {.find = find, .read = read_copied}, .s = s, .from = regs->sp, .bytes = stack, .n = bytes};
	struct process *p;
	size_t n = 0;

	if (!regs->pc || !cap)
		return -ENODATA;
#ifdef __aarch64__
	c.space.machine = CFI_ARM64;
#else
	c.space.machine = CFI_X86_64;
#endif
	pthread_mutex_lock(&s->mutex);
	s->clock++;
	p = symbols_process_known(s, pid);
	if (p) {
		c.process = p;
		c.space.rules = &s->rules;
		n = unwind_walk(&c.space, at, pcs, cap, &end);
		if (c.missed)
			symbols_process_missed(s, p);
	} else {
		pcs[n++] = regs->pc;
	}
	pthread_mutex_unlock(&s->mutex);
	/* Where a caller goes on; what called is the instruction before. */
	for (size_t i = 1; i < n; i++)
		pcs[i]--;
	*ret_n = (uint32_t)n;
	*ret_end = end;
	return 0;
}
