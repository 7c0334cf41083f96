/* The plug-in ABI, pinned: sizes, places and numbers as they were when ABI 1 was published, on 64-bit machines. A line
 * here never changes. A struct may grow at its end: then its "at least" stays, and lines for the new fields are added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <culprit/collector.h>

#define AT(type, field, offset) assert_int_equal(offsetof(struct type, field), offset)
/* Of arrays the element size is passed beside them, of others the struct says it. */
#define AT_LEAST(type, bytes) assert_true(sizeof(struct type) >= (bytes))
/* Passed by pointer without its size: can never grow. */
#define EXACTLY(type, bytes) assert_int_equal(sizeof(struct type), bytes)

static void tables_are_laid_out_as_published(void **state)
{
	(void)state;
	EXACTLY(culprit_bounds, 32);
	AT(culprit_bounds, kind, 0);
	AT(culprit_bounds, count, 4);
	AT(culprit_bounds, start, 8);
	AT(culprit_bounds, step, 16);
	AT(culprit_bounds, edges, 24);
	AT_LEAST(culprit_column, 40);
	AT(culprit_column, name, 0);
	AT(culprit_column, role, 8);
	AT(culprit_column, type, 9);
	AT(culprit_column, unit, 10);
	AT(culprit_column, group, 11);
	AT(culprit_column, flags, 12);
	AT(culprit_column, help, 16);
	AT(culprit_column, source, 24);
	AT(culprit_column, bounds, 32);
	AT_LEAST(culprit_derived, 56);
	AT(culprit_derived, name, 0);
	AT(culprit_derived, op, 8);
	AT(culprit_derived, unit, 12);
	AT(culprit_derived, a, 16);
	AT(culprit_derived, b, 24);
	AT(culprit_derived, scale, 32);
	AT(culprit_derived, arg, 40);
	AT(culprit_derived, help, 48);
	AT_LEAST(culprit_rollup, 40);
	AT(culprit_rollup, column, 0);
	AT(culprit_rollup, table, 8);
	AT(culprit_rollup, name, 16);
	AT(culprit_rollup, op, 24);
	AT(culprit_rollup, flags, 28);
	AT(culprit_rollup, help, 32);
	AT_LEAST(culprit_table, 152);
	AT(culprit_table, size, 0);
	AT(culprit_table, name, 8);
	AT(culprit_table, kind, 16);
	AT(culprit_table, flags, 20);
	AT(culprit_table, help, 24);
	AT(culprit_table, key, 32);
	AT(culprit_table, columns, 40);
	AT(culprit_table, column_size, 48);
	AT(culprit_table, ncolumns, 56);
	AT(culprit_table, nderived, 60);
	AT(culprit_table, derived, 64);
	AT(culprit_table, derived_size, 72);
	AT(culprit_table, rollups, 80);
	AT(culprit_table, rollup_size, 88);
	AT(culprit_table, nrollups, 96);
	AT(culprit_table, reserved, 100);
	AT(culprit_table, parent, 104);
	AT(culprit_table, parent_columns, 112);
	AT(culprit_table, fold_by, 120);
	AT(culprit_table, fold_count, 128);
	AT(culprit_table, sort, 136);
	AT(culprit_table, show, 144);
}

static void collectors_are_laid_out_as_published(void **state)
{
	(void)state;
	EXACTLY(culprit_error, 256);
	AT(culprit_error, sentence, 0);
	AT_LEAST(culprit_interest, 72);
	AT(culprit_interest, size, 0);
	AT(culprit_interest, table, 8);
	AT(culprit_interest, what, 16);
	AT(culprit_interest, key, 24);
	AT(culprit_interest, nkey, 56);
	AT(culprit_interest, reserved, 60);
	AT(culprit_interest, until_ns, 64);
	AT_LEAST(culprit_collector, 112);
	AT(culprit_collector, size, 0);
	AT(culprit_collector, abi, 8);
	AT(culprit_collector, flags, 12);
	AT(culprit_collector, name, 16);
	AT(culprit_collector, help, 24);
	AT(culprit_collector, tables, 32);
	AT(culprit_collector, ntables, 40);
	AT(culprit_collector, reserved, 44);
	AT(culprit_collector, period_ns, 48);
	AT(culprit_collector, probe, 56);
	AT(culprit_collector, open, 64);
	AT(culprit_collector, fd, 72);
	AT(culprit_collector, drain, 80);
	AT(culprit_collector, interests, 88);
	AT(culprit_collector, sample, 96);
	AT(culprit_collector, close, 104);
	AT_LEAST(culprit_plugin, 24);
	AT(culprit_plugin, size, 0);
	AT(culprit_plugin, abi, 8);
	AT(culprit_plugin, ncollectors, 12);
	AT(culprit_plugin, collectors, 16);
}

static void the_host_is_laid_out_as_published(void **state)
{
	(void)state;
	EXACTLY(culprit_statfs, 56);
	AT(culprit_statfs, block_size, 0);
	AT(culprit_statfs, blocks, 8);
	AT(culprit_statfs, blocks_free, 16);
	AT(culprit_statfs, blocks_available, 24);
	AT(culprit_statfs, files, 32);
	AT(culprit_statfs, files_free, 40);
	AT(culprit_statfs, flags, 48);
	EXACTLY(culprit_ask, 32);
	AT(culprit_ask, what, 0);
	AT(culprit_ask, cap, 4);
	AT(culprit_ask, path, 8);
	AT(culprit_ask, buf, 16);
	AT(culprit_ask, len, 24);
	AT_LEAST(culprit_host, 96);
	AT(culprit_host, size, 0);
	AT(culprit_host, abi, 8);
	AT(culprit_host, flags, 12);
	AT(culprit_host, proc_fd, 16);
	AT(culprit_host, sys_fd, 20);
	AT(culprit_host, user_hz, 24);
	AT(culprit_host, page_size, 32);
	AT(culprit_host, interval_ns, 40);
	AT(culprit_host, task_budget, 48);
	AT(culprit_host, core, 56);
	AT(culprit_host, now_ns, 64);
	AT(culprit_host, ask, 72);
	AT(culprit_host, ask_wait, 80);
	AT(culprit_host, log, 88);
	/* since stacks */
	AT_LEAST(culprit_host, 152);
	AT(culprit_host, code_of, 96);
	AT(culprit_host, code_locate, 104);
	AT(culprit_host, module, 112);
	AT(culprit_host, unwind_rows, 120);
	AT(culprit_host, unwind_release, 128);
	AT(culprit_host, unwind_rules, 136);
	AT(culprit_host, code_generation, 144);
	AT(culprit_host, stack_hz, 152);
	EXACTLY(culprit_mapping, 32);
	AT(culprit_mapping, start, 0);
	AT(culprit_mapping, end, 8);
	AT(culprit_mapping, offset, 16);
	AT(culprit_mapping, module, 24);
	AT(culprit_mapping, kind, 28);
	EXACTLY(culprit_code, 16);
	AT(culprit_code, module, 0);
	AT(culprit_code, flags, 4);
	AT(culprit_code, offset, 8);
	AT_LEAST(culprit_module, 56);
	AT(culprit_module, size, 0);
	AT(culprit_module, kind, 8);
	AT(culprit_module, build_id_len, 12);
	AT(culprit_module, build_id, 16);
	AT(culprit_module, name, 48);
	EXACTLY(culprit_unwind_row, 8);
	EXACTLY(culprit_unwind_rule, 20);
	AT(culprit_unwind_rule, cfa, 0);
	AT(culprit_unwind_rule, fp, 1);
	AT(culprit_unwind_rule, ra, 2);
	AT(culprit_unwind_rule, flags, 3);
	AT(culprit_unwind_rule, cfa_offset, 4);
	AT(culprit_unwind_rule, cfa_add, 8);
	AT(culprit_unwind_rule, fp_offset, 12);
	AT(culprit_unwind_rule, ra_offset, 16);
}

static void frames_are_laid_out_as_published(void **state)
{
	(void)state;
	EXACTLY(culprit_frame, 8);
	AT(culprit_frame, ops, 0);
	EXACTLY(culprit_location, 16);
	AT(culprit_location, module, 0);
	AT(culprit_location, offset, 8);
	AT_LEAST(culprit_frame_ops, 112);
	AT(culprit_frame_ops, size, 0);
	AT(culprit_frame_ops, table, 8);
	AT(culprit_frame_ops, state, 16);
	AT(culprit_frame_ops, lost, 24);
	AT(culprit_frame_ops, row, 32);
	AT(culprit_frame_ops, again, 40);
	AT(culprit_frame_ops, end, 48);
	AT(culprit_frame_ops, born, 56);
	AT(culprit_frame_ops, put, 64);
	AT(culprit_frame_ops, put_text, 72);
	AT(culprit_frame_ops, put_histogram, 80);
	AT(culprit_frame_ops, put_stack, 88);
	AT(culprit_frame_ops, put_task, 96);
	AT(culprit_frame_ops, unread, 104);
	AT_LEAST(culprit_frame_ops, 120);
	AT(culprit_frame_ops, put_code, 112);
}

static void numbers_are_as_published(void **state)
{
	(void)state;
	assert_int_equal(CULPRIT_STATE, 1);
	assert_int_equal(CULPRIT_EVENT, 2);
	assert_int_equal(CULPRIT_KEY, 1);
	assert_int_equal(CULPRIT_ATTRIBUTE, 2);
	assert_int_equal(CULPRIT_GAUGE, 3);
	assert_int_equal(CULPRIT_COUNTER, 4);
	assert_int_equal(CULPRIT_PEAK, 5);
	assert_int_equal(CULPRIT_HISTOGRAM, 6);
	assert_int_equal(CULPRIT_TIME, 7);
	assert_int_equal(CULPRIT_I64, 1);
	assert_int_equal(CULPRIT_U64, 2);
	assert_int_equal(CULPRIT_F64, 3);
	assert_int_equal(CULPRIT_BOOL, 4);
	assert_int_equal(CULPRIT_TEXT, 5);
	assert_int_equal(CULPRIT_STACK, 6);
	assert_int_equal(CULPRIT_TASK, 7);
	assert_int_equal(CULPRIT_HIST, 8);
	assert_int_equal(CULPRIT_NONE, 1);
	assert_int_equal(CULPRIT_COUNT, 2);
	assert_int_equal(CULPRIT_BYTES, 3);
	assert_int_equal(CULPRIT_NS, 4);
	assert_int_equal(CULPRIT_TICKS, 5);
	assert_int_equal(CULPRIT_PERCENT, 6);
	assert_int_equal(CULPRIT_COUNT_PER_S, 7);
	assert_int_equal(CULPRIT_BYTES_PER_S, 8);
	assert_int_equal(CULPRIT_NS_PER_S, 9);
	assert_int_equal(CULPRIT_WALL_NS, 10);
	assert_int_equal(CULPRIT_MONO_NS, 11);
	assert_int_equal(CULPRIT_HZ, 12);
	assert_int_equal(CULPRIT_FRESH, 1);
	assert_int_equal(CULPRIT_RESTING, 2);
	assert_int_equal(CULPRIT_FAILED, 3);
	assert_int_equal(CULPRIT_LATE, 4);
	assert_int_equal(CULPRIT_MISSING, 5);
	assert_int_equal(CULPRIT_LOG_LINEAR, 1);
	assert_int_equal(CULPRIT_LINEAR, 2);
	assert_int_equal(CULPRIT_EDGES, 3);
	assert_int_equal(CULPRIT_RATE, 1);
	assert_int_equal(CULPRIT_RATIO, 2);
	assert_int_equal(CULPRIT_LEVEL, 3);
	assert_int_equal(CULPRIT_LEVEL_RATIO, 4);
	assert_int_equal(CULPRIT_DIFFERENCE, 5);
	assert_int_equal(CULPRIT_PERCENTILE, 6);
	assert_int_equal(CULPRIT_SINCE, 7);
	assert_int_equal(CULPRIT_GROWTH, 8);
	assert_int_equal(CULPRIT_ROLL_SUM, 1);
	assert_int_equal(CULPRIT_ROLL_MAX, 2);
	assert_int_equal(CULPRIT_ROLL_MERGE, 3);
	assert_int_equal(CULPRIT_MONOTONIC, 1);
	assert_int_equal(CULPRIT_WALL, 2);
	assert_int_equal(CULPRIT_BOOT, 3);
	assert_int_equal(CULPRIT_LOG_ERROR, 1);
	assert_int_equal(CULPRIT_LOG_WARNING, 2);
	assert_int_equal(CULPRIT_LOG_INFO, 3);
	assert_int_equal(CULPRIT_HOST_WHOLE, 1);
	assert_int_equal(CULPRIT_ASK_FILE, 1);
	assert_int_equal(CULPRIT_ASK_STATFS, 2);
	assert_int_equal(CULPRIT_ASK_USER, 3);
	assert_int_equal(CULPRIT_ABI_VERSION, 1);
	assert_true(CULPRIT_NO_HANDLE == 0xffffffffu);
	assert_string_equal(CULPRIT_PLUGIN_SYMBOL, "culprit_plugin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_laid_out_as_published),
		cmocka_unit_test(collectors_are_laid_out_as_published),
		cmocka_unit_test(the_host_is_laid_out_as_published),
		cmocka_unit_test(frames_are_laid_out_as_published),
		cmocka_unit_test(numbers_are_as_published),
	};

	if (sizeof(void *) != 8) {
		print_message("skipped: the pinned layout is that of 64-bit machines\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
