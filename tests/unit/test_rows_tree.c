/* The order of a tree: against every shape that parents can have, hostile ones too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows_tree.h"
#include "view.h"

#include "memsource.h"
#include "schema.h"
#include "writer.h"

#include <culprit/collector.h>

#define SECOND 1000000000ull

static const struct culprit_column columns[] = {
	{"pid", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, 0, "pid", "-", NULL},
	{"start", CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, 0, "start", "-", NULL},
	{"ppid", CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_NONE, 0, 0, "ppid", "-", NULL},
	{"order", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 0, 0, "order", "-", NULL},
};
static const struct culprit_table table = {
	.size = sizeof(struct culprit_table),
	.name = "process",
	.kind = CULPRIT_STATE,
	.help = "test",
	.key = "process",
	CULPRIT_COLUMNS(columns),
};

struct world {
	struct schema *schema;
	struct writer *writer;
	struct memsource *memory;
	struct view *view;
	struct query *query;
	struct rows_tree tree;
};

/* n processes 1..n; parents[i] is the parent of i + 1; each sorts by its order, descending. */
static void make(struct world *w, size_t n, const uint64_t *parents, const uint64_t *order)
{
	struct host_info host = {.name = "h", .kernel = "k", .machine = "m", .zone = "+00:00", .system = "s", .user_hz = 100,
				 .page_size = 4096, .cpus = 1, .memory_bytes = 1 << 20, .interval_ns = SECOND};
	struct lens lens = lens_live(SECOND);
	struct culprit_error error = {""};

	memset(w, 0, sizeof(*w));
	w->schema = schema_create();
	assert_true(schema_add(w->schema, &table, &error) >= 0);
	w->writer = writer_create(w->schema, &host);
	w->memory = memsource_create();
	assert_int_equal(writer_add_sink(w->writer, memsource_sink(w->memory)), 0);
	for (int tick = 1; tick <= 2; tick++) {
		struct builder *b = writer_builder(w->writer);
		struct culprit_frame *f;

		builder_begin(b, (uint64_t)tick * SECOND, tick * (int64_t)SECOND);
		f = builder_frame(b, schema_find(w->schema, "process")->id, 1);
		culprit_table(f, 0);
		for (size_t i = 0; i < n; i++) {
			culprit_row(f);
			culprit_put_u64(f, 0, i + 1);
			culprit_put_u64(f, 1, 1);
			culprit_put_u64(f, 2, parents[i]);
			culprit_put_u64(f, 3, order[i]);
			culprit_end(f);
		}
		assert_int_equal(builder_frame_end(b, 0, NULL, 100000, 1, &error), 0);
		assert_int_equal(writer_commit(w->writer), 0);
	}
	w->view = view_create();
	assert_int_equal(view_add_source(w->view, memsource_source(w->memory)), 0);
	assert_true(view_refresh(w->view, NULL) >= 0);
	w->query = query_create(w->view);
	query_sort(w->query, "order", true);
	assert_int_equal(query_run(w->query, &lens, "process", 0, &error), 0);
	assert_int_equal(query_nrows(w->query), n);
}

static void unmake(struct world *w)
{
	rows_tree_finish(&w->tree);
	query_destroy(w->query);
	view_destroy(w->view);
	writer_destroy(w->writer);
	memsource_unlock(w->memory);
	schema_unlock(w->schema);
}

/* "1 .2 ..3": numbers in order, a dot a depth, hidden ones counted behind a +. */
static void told(struct world *w, char *out, size_t cap)
{
	size_t n = 0;

	assert_int_equal(rows_tree_build(&w->tree, w->query), 0);
	out[0] = '\0';
	for (size_t i = 0; i < w->tree.n; i++) {
		const struct tree_place *p = &w->tree.places[i];
		struct query_row row;

		assert_true(query_row(w->query, p->row, &row));
		n += (size_t)snprintf(out + n, cap - n, "%s%.*s%u", i ? " " : "", p->depth < 8 ? p->depth : 8, "........",
				      (unsigned)row.key.bits[0]);
		if (p->hidden)
			n += (size_t)snprintf(out + n, cap - n, "+%u", p->hidden);
	}
}

static void branches_stand_where_their_first_would(void **state)
{
	/* 1 > 2 > 4, 1 > 3, 5 alone; 4 sorts first, then 5. */
	static const uint64_t parents[] = {0, 1, 1, 2, 0}, order[] = {1, 2, 3, 9, 8};
	struct row_key key = {2, {2, 1}};
	char out[256];
	struct world w;

	(void)state;
	make(&w, 5, parents, order);
	told(&w, out, sizeof(out));
	assert_string_equal(out, "1 .2 ..4 .3 5");
	assert_false(w.tree.places[1].last);
	assert_true(w.tree.places[2].last);
	assert_int_equal(w.tree.places[2].lines & 2, 2);
	assert_true(w.tree.places[3].last);
	assert_true(rows_tree_fold(&w.tree, &key));
	told(&w, out, sizeof(out));
	assert_string_equal(out, "1 .2+1 .3 5");
	rows_tree_fold_all(&w.tree);
	told(&w, out, sizeof(out));
	assert_string_equal(out, "1+3 5");
	key.bits[0] = 1;
	assert_true(rows_tree_fold(&w.tree, &key));
	told(&w, out, sizeof(out));
	assert_string_equal(out, "1 .2+1 .3 5");
	unmake(&w);
}

static void circles_are_cut(void **state)
{
	static const uint64_t parents[] = {2, 3, 1, 4, 3}, order[] = {1, 2, 3, 4, 5};
	char out[256];
	struct world w;

	(void)state;
	make(&w, 5, parents, order);
	told(&w, out, sizeof(out));
	/* 1 > 2 > 3 > 1: all are there, once. */
	assert_int_equal(w.tree.n, 5);
	unmake(&w);
}

/* Any parents at all: each row once, children behind their parent, one deeper. */
static void every_row_is_there_once(void **state)
{
	enum { N = 300 };
	uint64_t parents[N], order[N];
	uint32_t seed = 11;

	(void)state;
	for (int round = 0; round < 40; round++) {
		bool seen[N] = {false};
		struct world w;

		for (size_t i = 0; i < N; i++) {
			seed = seed * 1664525 + 1013904223;
			/* Also a chain that is deeper than what is drawn. */
			parents[i] = round == 0 ? i : (seed >> 8) % (N + 20);
			order[i] = seed >> 20;
		}
		make(&w, N, parents, order);
		assert_int_equal(rows_tree_build(&w.tree, w.query), 0);
		assert_int_equal(w.tree.n, N);
		for (size_t i = 0; i < w.tree.n; i++) {
			const struct tree_place *p = &w.tree.places[i];

			assert_true(p->row < N && !seen[p->row]);
			seen[p->row] = true;
			assert_true(p->depth <= (i ? w.tree.places[i - 1].depth + 1 : 0));
		}
		if (round == 0)
			assert_int_equal(w.tree.places[N - 1].depth, N - 1);
		unmake(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(branches_stand_where_their_first_would),
		cmocka_unit_test(circles_are_cut),
		cmocka_unit_test(every_row_is_there_once),
	};

	return cmocka_run_group_tests_name("rows_tree", tests, NULL, NULL);
}
