#include "bpf_btf.h"

#include <errno.h>
#include <stdio.h>

#include <bpf/btf.h>

static struct bpf_tracepoint look_up(const struct btf *btf, const char *name)
{
	struct bpf_tracepoint none = {.arguments = -1}, t = {0};
	const struct btf_type *type;
	char typedef_name[128];
	int id;

	snprintf(typedef_name, sizeof(typedef_name), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, typedef_name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return none;
	type = btf__type_by_id(btf, btf__type_by_id(btf, (unsigned)id)->type);
	if (!type || !btf_is_ptr(type))
		return none;
	type = btf__type_by_id(btf, type->type);
	if (!type || !btf_is_func_proto(type) || btf_vlen(type) < 1)
		return none;
	t.arguments = btf_vlen(type) - 1;
	for (int i = 0; i < t.arguments && i < 32; i++) {
		int target = btf__resolve_type(btf, btf_params(type)[i + 1].type);
		const struct btf_type *argument = target < 0 ? NULL : btf__type_by_id(btf, (unsigned)target);

		if (argument && btf_is_ptr(argument))
			t.pointers |= 1u << i;
	}
	return t;
}

int bpf_tracepoints(const char *const *names, unsigned n, struct bpf_tracepoint *ret)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return -errno;
	for (unsigned i = 0; i < n; i++)
		ret[i] = look_up(btf, names[i]);
	btf__free(btf);
	return 0;
}
