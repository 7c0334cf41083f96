/* Stacks of code through the bytes: a recording carries the modules and names of its stacks, also those that became known
 * after the stack was written; every segment carries what it uses; two builds of one name stay two. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <culprit/collector.h>

#include "cursor.h"
#include "memsource.h"
#include "symbols.h"
#include "writer.h"

static const struct culprit_column columns[] = {
	{"stack", CULPRIT_KEY, CULPRIT_STACK, CULPRIT_NONE, 0},
	{"samples", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 0},
};
static const struct culprit_table table = {
	.size = sizeof(struct culprit_table), .name = "sampled", .kind = CULPRIT_STATE, .key = "sampled", CULPRIT_COLUMNS(columns),
};

__attribute__((noinline, noclone)) int first_function_here(int n);
__attribute__((noinline, noclone)) int second_function_here(int n);
int first_function_here(int n)
{
	return n + 1;
}
int second_function_here(int n)
{
	return n * 5;
}

static void put(struct writer *w, uint64_t tick, const struct culprit_code *frames, uint32_t n)
{
	struct builder *b = writer_builder(w);
	struct culprit_frame *f;

	builder_begin(b, tick * 1000000000u, (int64_t)(tick * 1000000000u));
	f = builder_frame(b, 0, 1);
	culprit_table(f, 0);
	culprit_row(f);
	culprit_put_code(f, 0, frames, n);
	culprit_put_u64(f, 1, tick);
	culprit_end(f);
	assert_int_equal(builder_frame_end(b, 0, NULL, 0, 1, NULL), 0);
	assert_int_equal(writer_commit(w), 0);
}

static size_t stack_at(struct cursor *c, uint64_t tick, struct segment_location *frames, struct segment **segment)
{
	struct culprit_error error;
	struct table_view view;
	struct row memory;

	assert_int_equal(cursor_seek(c, tick * 1000000000u, &error), 0);
	assert_true(cursor_table(c, "sampled", &view));
	for (size_t i = 0; i < view.nrows; i++) {
		const struct row *row = cursor_row(c, view.schema, i, &memory);

		if (!row)
			continue;
		*segment = row->segment;
		return segment_stack(row->segment, row_cell(row, 0), frames, 16);
	}
	return 0;
}

static void assert_name(struct segment *segment, const struct segment_location *l, const char *expected)
{
	struct segment_name name;

	if (!expected) {
		assert_false(segment_symbol(segment, l, &name));
		return;
	}
	assert_true(segment_symbol(segment, l, &name));
	assert_int_equal(name.len, strlen(expected));
	assert_memory_equal(name.name, expected, name.len);
	assert_true(l->offset >= name.start && l->offset < name.start + name.size);
}

static void test_names_come_later(void **state)
{
	struct symbols_options options = {.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY)};
	struct symbols *s = symbols_create(&options);
	struct memsource *memory = memsource_create();
	struct schema *schema = schema_create();
	struct host_info host = {.user_hz = 100};
	struct culprit_error error;
	uint64_t addresses[] = {(uint64_t)(uintptr_t)first_function_here + 1, (uint64_t)(uintptr_t)second_function_here + 1, 16};
	struct segment_location frames[16];
	struct culprit_code code[3];
	struct segment *segment = NULL;
	struct writer *w;
	struct source *source;
	struct cursor *c;

	(void)state;
	assert_true(schema_add(schema, &table, &error) >= 0);
	w = writer_create(schema, &host);
	assert_non_null(w);
	builder_set_symbols(writer_builder(w), s);
	assert_int_equal(writer_add_sink(w, memsource_sink(memory)), 0);
	assert_int_equal(symbols_locate(s, (uint32_t)getpid(), addresses, 3, code), -EINPROGRESS);
	assert_true(symbols_settle(s, 60000000000u));
	assert_int_equal(symbols_locate(s, (uint32_t)getpid(), addresses, 3, code), 0);
	/* The first frame is written before anybody could know a name; from then on there are. */
	put(w, 1, code, 3);
	assert_true(symbols_settle(s, 60000000000u));
	put(w, 2, code, 3);
	put(w, 3, code, 3);
	assert_int_equal(writer_finish_segment(w), 0);
	put(w, 4, code, 3); /* a segment of its own: it has them at once */
	assert_int_equal(writer_finish_segment(w), 0);
	source = memsource_source(memory);
	c = cursor_create(source, NULL);
	for (uint64_t tick = 1; tick <= 4; tick++) {
		assert_int_equal(stack_at(c, tick, frames, &segment), 3);
		assert_int_equal(frames[0].kind, CULPRIT_MODULE_FILE);
		assert_int_equal(frames[0].build_id_len, 20);
		assert_true(frames[0].module_len > 9 && !memcmp(frames[0].module + frames[0].module_len - 9, "test_code", 9));
		/* Names of a segment hold for all of its frames, also those before them. */
		assert_name(segment, &frames[0], "first_function_here");
		assert_name(segment, &frames[1], "second_function_here");
		assert_null(frames[2].module);
		assert_int_equal(frames[2].offset, 16);
		assert_name(segment, &frames[2], NULL);
	}
	cursor_destroy(c);
	source_destroy(source);
	writer_destroy(w);
	memsource_unlock(memory);
	schema_unlock(schema);
	symbols_destroy(s);
	close(options.proc_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_come_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
