/* What is kept of the kernel's type information, against the whole of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "bpf_btf.h"

static struct btf *whole;

static const struct btf_type *resolve(const struct btf *btf, uint32_t id)
{
	int r = btf__resolve_type(btf, id);

	return r < 0 ? NULL : btf__type_by_id(btf, (uint32_t)r);
}

static const struct btf_member *member(const struct btf *btf, const char *type, const char *name, uint32_t *ret_offset,
				       uint32_t *ret_bits)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);

	for (unsigned i = 0; t && i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];

		if (!strcmp(btf__name_by_offset(btf, m->name_off), name)) {
			*ret_offset = btf_member_bit_offset(t, i);
			*ret_bits = btf_member_bitfield_size(t, i);
			return m;
		}
	}
	return NULL;
}

static void test_same_places(void **state)
{
	static const struct {
		const char *type, *name;
	} fields[] = {
		{"task_struct", "pid"}, {"task_struct", "se"}, {"task_struct", "sched_info"}, {"task_struct", "in_iowait"},
		{"task_struct", "comm"}, {"task_struct", "cred"}, {"sched_info", "last_queued"}, {"rq", "clock"},
		{"request", "start_time_ns"}, {"sock", "__sk_common"}, {"mm_struct", "rss_stat"},
	};
	struct btf *small = bpf_btf_path() ? btf__parse(bpf_btf_path(), NULL) : NULL;

	(void)state;
	assert_non_null(small);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint32_t at[2] = {0}, bits[2] = {0};
		const struct btf_member *a = member(whole, fields[i].type, fields[i].name, &at[0], &bits[0]);
		const struct btf_member *b = member(small, fields[i].type, fields[i].name, &at[1], &bits[1]);

		/* Structs whose members are in one without a name here, or that this kernel does not have. */
		assert_int_equal(!a, !b);
		if (!a)
			continue;
		assert_int_equal(at[0], at[1]);
		assert_int_equal(bits[0], bits[1]);
		assert_int_equal(btf_kind(resolve(whole, a->type)), btf_kind(resolve(small, b->type)));
		assert_int_equal(btf__resolve_size(whole, a->type), btf__resolve_size(small, b->type));
	}
	assert_true(btf__type_cnt(small) < btf__type_cnt(whole) / 5);
	btf__free(small);
}

static void test_tracepoints(void **state)
{
	static const char *const names[] = {"sched_switch", "no_such_tracepoint", "sched_process_exit"};
	struct bpf_tracepoint found[3];
	const struct btf_type *type;
	int id = btf__find_by_name_kind(whole, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);

	(void)state;
	assert_int_equal(bpf_tracepoints(names, 3, found), 0);
	assert_true(id > 0);
	type = resolve(whole, btf__type_by_id(whole, (uint32_t)id)->type);
	assert_non_null(type);
	type = resolve(whole, type->type);
	assert_int_equal(found[0].arguments, btf_vlen(type) - 1);
	/* preempt is none; prev and next are. */
	assert_int_equal(found[0].pointers & 7, 6);
	assert_int_equal(found[1].arguments, -1);
	assert_true(found[2].arguments >= 1 && found[2].pointers & 1);
	assert_true(bpf_btf_has("tp_btf/sched_switch"));
	assert_true(bpf_btf_has("iter/task"));
	assert_false(bpf_btf_has("tp_btf/no_such_tracepoint"));
	assert_false(bpf_btf_has("iter/sched_switch"));
	assert_true(bpf_btf_has("perf_event"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_places),
		cmocka_unit_test(test_tracepoints),
	};
	int r;

	whole = btf__load_vmlinux_btf();
	if (!whole) {
		printf("1..0 # SKIP no type information in this kernel\n");
		return 0;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	btf__free(whole);
	return r;
}
