/* The builder by itself: what collectors may get wrong, folding, and that steady state takes no memory. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <culprit/collector.h>

#include "cursor.h"
#include "format.h"
#include "memsource.h"
#include "writer.h"

enum { PID, START, GROUP, CPU, RSS, FOLDED, SLOW };

static const struct culprit_column columns[] = {
	[PID] = {"pid", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE},
	[START] = {"start", CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS},
	[GROUP] = {"cgroup", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE},
	[CPU] = {"utime", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_NS},
	[RSS] = {"rss", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_BYTES},
	[FOLDED] = {"folded", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT},
	[SLOW] = {"slow", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 1},
};
static const struct culprit_table table = {
	.size = sizeof(table), .name = "process", .kind = CULPRIT_STATE, .key = "process", CULPRIT_COLUMNS(columns),
	.fold_by = "cgroup", .fold_count = "folded",
};

struct task {
	bool alive;
	uint64_t start;
	uint64_t cpu, rss;
	uint32_t handle;
};

enum { TASKS = 200, BUDGET = 50 };

struct fixture {
	struct schema *schema;
	struct writer *writer;
	struct memsource *mem;
	struct source *source;
	struct task tasks[TASKS];
	unsigned tick;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct host_info host = {.name = "h"};

	f->schema = schema_create();
	assert_int_equal(schema_add(f->schema, &table, NULL), 0);
	f->writer = writer_create(f->schema, &host);
	f->mem = memsource_create();
	f->source = memsource_source(f->mem);
	writer_add_sink(f->writer, memsource_sink(f->mem));
	for (unsigned i = 0; i < TASKS; i++)
		f->tasks[i] = (struct task){true, 7, 1000 * i, 4096, CULPRIT_NO_HANDLE};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	writer_destroy(f->writer);
	source_destroy(f->source);
	memsource_unlock(f->mem);
	schema_unlock(f->schema);
	free(f);
	return 0;
}

static void put_task(struct culprit_frame *frame, struct task *t, unsigned i)
{
	if (culprit_again(frame, t->handle)) {
		culprit_row(frame);
		culprit_put_u64(frame, PID, i + 1);
		culprit_put_u64(frame, START, t->start);
		culprit_put_string(frame, GROUP, i % 2 ? "/odd" : "/even");
	}
	culprit_put_u64(frame, CPU, t->cpu);
	culprit_put_u64(frame, RSS, t->rss);
	t->handle = culprit_end(frame);
}

static void tick(struct fixture *f)
{
	struct builder *b = writer_builder(f->writer);
	struct culprit_frame *frame;

	builder_begin(b, 1000000000ull * ++f->tick, 1);
	frame = builder_frame(b, 0, 1);
	culprit_table(frame, 0);
	for (unsigned i = 0; i < TASKS; i++) {
		if (f->tasks[i].alive)
			put_task(frame, &f->tasks[i], i);
	}
	assert_int_equal(builder_frame_end(b, 0, NULL, 0, 1, NULL), 0);
	assert_int_equal(writer_commit(f->writer), 0);
}

/* Sums over what a reader sees. */
static void look(struct cursor *c, uint64_t *rows, uint64_t *folded, uint64_t *cpu, uint64_t *rss)
{
	struct table_view v;

	assert_int_equal(cursor_seek(c, UINT64_MAX, NULL), 0);
	assert_true(cursor_table(c, "process", &v));
	*rows = *folded = *cpu = *rss = 0;
	for (size_t i = 0; i < v.nrows; i++) {
		struct row memory;
		const struct row *row = cursor_row(c, v.schema, i, &memory);

		if (!row)
			continue;
		++*rows;
		*rss += row_cell(row, RSS);
		if (row->folds) {
			assert_int_equal(row_cell(row, PID), 0);
			*folded += row_cell(row, FOLDED);
			*cpu += row_cell(row, CPU);
		}
	}
}

static void test_fold(void **state)
{
	struct fixture *f = *state;
	struct cursor *c = cursor_create(f->source, NULL);
	uint64_t rows, folded, cpu, rss;
	struct table_view v;

	tick(f);
	tick(f);
	look(c, &rows, &folded, &cpu, &rss);
	assert_int_equal(rows, TASKS);
	builder_set_row_budget(writer_builder(f->writer), BUDGET);
	tick(f);
	look(c, &rows, &folded, &cpu, &rss);
	assert_true(rows <= BUDGET + 2);
	assert_int_equal(rows + folded, TASKS + 2); /* two fold rows */
	assert_true(builder_folded(writer_builder(f->writer)) == folded);
	/* Totals of members are never added up, their levels are. */
	assert_int_equal(cpu, 0);
	assert_int_equal(rss, TASKS * 4096);

	/* Folding must not look like ending. */
	cursor_keep_since(c, 1);
	look(c, &rows, &folded, &cpu, &rss);
	assert_true(cursor_table(c, "process", &v));
	for (size_t i = 0; i < cursor_nended(c, v.schema); i++)
		assert_true(cursor_ended(c, v.schema, i, NULL)->folded);

	/* All members work a little: what they did arrives, in rows of their own or in the sums. */
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < TASKS; i++) {
			f->tasks[i].cpu += 10;
			f->tasks[i].rss += 4096;
		}
		tick(f);
	}
	look(c, &rows, &folded, &cpu, &rss);
	assert_int_equal(rss, TASKS * 4096 * 6);
	assert_true(rows <= BUDGET + 2);
	assert_true(cpu >= folded * 10 * 5);

	/* Members end: counted down, nothing falls. */
	for (unsigned i = 0; i < TASKS; i++)
		f->tasks[i].alive = i < 20;
	tick(f);
	uint64_t before = cpu;
	look(c, &rows, &folded, &cpu, &rss);
	assert_int_equal(rss, 20 * 4096 * 6);
	assert_true(cpu >= before || folded == 0);
	/* There is room again: who works comes back. */
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 20; i++)
			f->tasks[i].cpu += 10;
		tick(f);
	}
	look(c, &rows, &folded, &cpu, &rss);
	assert_int_equal(folded, 0);
	assert_int_equal(rows, 20);
	cursor_destroy(c);
}

/* The same rows in the same places, whoever follows and whoever comes. */
static void compare(struct cursor *a, struct cursor *b)
{
	struct table_view v, w;

	assert_true(cursor_table(a, "process", &v));
	assert_true(cursor_table(b, "process", &w));
	for (size_t i = 0; i < v.nrows || i < w.nrows; i++) {
		struct row memory[2];
		const struct row *x = cursor_row(a, v.schema, i, &memory[0]), *y = cursor_row(b, w.schema, i, &memory[1]);

		assert_int_equal(!x, !y);
		for (uint32_t k = 0; x && k < sizeof(columns) / sizeof(columns[0]); k++)
			assert_true(row_cell(x, k) == row_cell(y, k));
		if (x)
			assert_true(x->serial == y->serial);
	}
}

/* Tasks come and go all the time: each is counted once. Readers have places for rows that are written, not for all there are. */
static void test_fold_churn(void **state)
{
	struct fixture *f = *state;
	struct cursor *c = cursor_create(f->source, NULL), *other;
	uint64_t rows, folded, cpu, rss;
	struct table_view v;

	builder_set_row_budget(writer_builder(f->writer), BUDGET);
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 10; i++)
			f->tasks[(round * 10 + i) % TASKS] = (struct task){true, 8 + round, 5, 4096, CULPRIT_NO_HANDLE};
		for (unsigned i = 0; i < TASKS; i += 3)
			f->tasks[i].cpu += 10;
		tick(f);
		look(c, &rows, &folded, &cpu, &rss);
		assert_int_equal(rows + folded, TASKS + 2);
		assert_true(builder_folded(writer_builder(f->writer)) == folded);
		assert_int_equal(rss, TASKS * 4096);
		assert_true(cursor_table(c, "process", &v));
		assert_true(v.nrows < BUDGET * 2);
		other = cursor_create(f->source, NULL);
		look(other, &rows, &folded, &cpu, &rss);
		compare(c, other);
		cursor_destroy(other);
	}
	cursor_destroy(c);
}

static void test_mistakes(void **state)
{
	struct fixture *f = *state;
	struct builder *b = writer_builder(f->writer);
	struct culprit_error error;
	struct cursor *c;
	struct culprit_frame *frame;
	uint64_t rows, folded, cpu, rss;

	tick(f);
	for (int mistake = 0; mistake < 8; mistake++) {
		error.sentence[0] = '\0';
		builder_begin(b, 1000000000ull * ++f->tick, 1);
		frame = builder_frame(b, 0, 1);
		if (mistake == 0)
			culprit_table(frame, 5);
		else
			culprit_table(frame, 0);
		if (mistake == 1)
			culprit_put_u64(frame, CPU, 1); /* outside a row */
		culprit_row(frame);
		if (mistake != 2)
			culprit_put_u64(frame, PID, 1);
		culprit_put_u64(frame, START, 7);
		if (mistake == 3)
			culprit_put_u64(frame, 99, 7);
		if (mistake == 4)
			culprit_put_string(frame, CPU, "text");
		if (mistake == 5)
			culprit_row(frame);
		if (mistake == 6)
			culprit_put_u64(frame, GROUP, 1);
		if (mistake != 7)
			culprit_end(frame);
		assert_int_equal(builder_frame_end(b, 0, NULL, 0, 1, &error), -EINVAL);
		assert_true(error.sentence[0]);
		assert_int_equal(writer_commit(f->writer), 0);
	}
	/* All rows are as they were: a faulty sample is no sample. */
	c = cursor_create(f->source, NULL);
	look(c, &rows, &folded, &cpu, &rss);
	assert_int_equal(rows, TASKS);
	cursor_destroy(c);
}

static void test_steady_state_takes_no_memory(void **state)
{
	struct fixture *f = *state;
	struct builder *b = writer_builder(f->writer);
	struct wbuf out;
	size_t before;

	wbuf_init(&out);
	for (unsigned i = 0; i < 400; i++) {
		struct culprit_frame *frame;

		/* The first rounds may; key frames and sweeps among them. */
		if (i == 100)
			before = mallinfo2().uordblks;
		builder_begin(b, 1000000000ull * ++f->tick, 1);
		frame = builder_frame(b, 0, 1);
		culprit_table(frame, 0);
		for (unsigned k = 0; k < TASKS; k++) {
			f->tasks[k].cpu += k % 3;
			put_task(frame, &f->tasks[k], k);
		}
		assert_int_equal(builder_frame_end(b, 0, NULL, 0, 1, NULL), 0);
		wbuf_clear(&out);
		assert_int_equal(builder_seal(b, i % 50 == 0, &out), 0);
	}
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(mallinfo2().uordblks, before);
#else
	(void)before;
#endif
	wbuf_finish(&out);
}

/* When most of what was there has ended, a segment begins soon, and what was kept of them goes. */
static void test_storm_is_over(void **state)
{
	enum { STORM = 20000, LEFT = 100, TICKS = 32 };
	struct fixture *f = *state;
	struct builder *b = writer_builder(f->writer);
	struct task *tasks = calloc(STORM, sizeof(*tasks));
	uint64_t rows, folded, cpu, rss, sum = 0;
	size_t before, most = 0;
	struct cursor *c;

	assert_non_null(tasks);
	tick(f);
	before = builder_memory(b);
	for (unsigned i = 0; i < STORM; i++)
		tasks[i] = (struct task){.start = i, .cpu = i * 1000003u, .rss = i * 4099u, .handle = CULPRIT_NO_HANDLE};
	for (unsigned n = 0; n < 2 * TICKS + 2; n++) {
		struct culprit_frame *frame;
		unsigned there = n < 2 || n >= 2 * TICKS ? STORM : LEFT;

		/* Once: a key frame is paid for by thirty frames, and what is left then is no storm. */
		if (n == 2 * TICKS) {
			assert_int_equal(memsource_segments(f->mem), 2);
			assert_true(most > before + 16 * STORM);
			assert_true(builder_memory(b) < most / 4);
		}

		builder_begin(b, 1000000000ull * ++f->tick, 1);
		frame = builder_frame(b, 0, 1);
		culprit_table(frame, 0);
		for (unsigned i = 0; i < there; i++)
			put_task(frame, &tasks[i], i);
		assert_int_equal(builder_frame_end(b, 0, NULL, 0, 1, NULL), 0);
		assert_int_equal(writer_commit(f->writer), 0);
		most = builder_memory(b) > most ? builder_memory(b) : most;
	}
	/* And the next one finds room again. */
	for (unsigned i = 0; i < STORM; i++)
		sum += tasks[i].rss;
	c = cursor_create(f->source, NULL);
	look(c, &rows, &folded, &cpu, &rss);
	assert_int_equal(rows, STORM);
	assert_int_equal(rss, sum);
	cursor_destroy(c);
	free(tasks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fold_churn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storm_is_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steady_state_takes_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
