/* What collectors are told about code, through culprit_host: by core/symbols.h. */
#include <errno.h>
#include <string.h>

#include "sampler_internal.h"

static struct symbols *of(const struct culprit_host *host)
{
	return ((const struct entry *)host->core)->sampler->symbols;
}

static int host_code_of(const struct culprit_host *host, uint32_t pid, uint32_t flags, struct culprit_mapping *maps,
			uint32_t cap, uint32_t *ret_n, uint64_t *ret_generation)
{
	return symbols_code(of(host), pid, flags, maps, cap, ret_n, ret_generation);
}

static int host_code_locate(const struct culprit_host *host, uint32_t pid, const uint64_t *addresses, uint32_t n,
			    struct culprit_code *code)
{
	return symbols_locate(of(host), pid, addresses, n, code);
}

static int host_module(const struct culprit_host *host, uint32_t number, struct culprit_module *ret)
{
	const struct symbols_module *m = symbols_module(of(host), number);
	struct culprit_module out = {.size = ret->size};

	if (!m)
		return -ENOENT;
	out.kind = m->kind;
	out.build_id_len = m->build_id_len;
	memcpy(out.build_id, m->build_id, sizeof(out.build_id));
	out.name = m->name;
	memcpy(ret, &out, ret->size < sizeof(out) ? ret->size : sizeof(out));
	return 0;
}

static int host_unwind_rows(const struct culprit_host *host, uint32_t module, const struct culprit_unwind_row **ret_rows,
			    uint32_t *ret_n)
{
	return symbols_unwind(of(host), module, ret_rows, ret_n);
}

static void host_unwind_release(const struct culprit_host *host, uint32_t module)
{
	symbols_unwind_release(of(host), module);
}

static uint32_t host_unwind_rules(const struct culprit_host *host, uint32_t from, struct culprit_unwind_rule *rules,
				  uint32_t cap)
{
	return symbols_rules(of(host), from, rules, cap);
}

static uint64_t host_code_generation(const struct culprit_host *host)
{
	return symbols_generation(of(host));
}

static int host_source_line(const struct culprit_host *host, struct culprit_source_line *l)
{
	return symline_ask(((const struct entry *)host->core)->sampler->lines, l);
}

static int host_stack_walk(const struct culprit_host *host, uint32_t pid, const struct culprit_registers *regs, const void *stack,
			   size_t bytes, uint64_t *pcs, uint32_t cap, uint32_t *ret_n, uint32_t *ret_end)
{
	return symbols_walk(of(host), pid, regs, stack, bytes, pcs, cap, ret_n, ret_end);
}

void sampler_code_host(struct culprit_host *host)
{
	host->code_of = host_code_of;
	host->code_locate = host_code_locate;
	host->module = host_module;
	host->unwind_rows = host_unwind_rows;
	host->unwind_release = host_unwind_release;
	host->unwind_rules = host_unwind_rules;
	host->code_generation = host_code_generation;
	host->source_line = host_source_line;
	host->stack_walk = host_stack_walk;
}

struct symbols *sampler_symbols(struct sampler *s)
{
	return s->symbols;
}
