/* Stacks merged into trees against a plain count of the same stacks; searches, functions, callers, baselines; and the text of
 * other tools. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <culprit/host.h>

#include "flame.h"
#include "profile_text.h"

static struct flame_frame frame(const char *name)
{
	return (struct flame_frame){.name = name, .name_len = strlen(name), .module = "m", .module_len = 1, .kind = FLAME_NATIVE,
				    .named = true};
}

/* "a;b;c" */
static void add(struct flame *f, const char *stack, double weight, bool base)
{
	struct flame_frame frames[16];
	char copy[256], *save = NULL;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", stack);
	for (char *p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save))
		frames[n++] = frame(p);
	assert_int_equal(flame_add(f, frames, n, weight, weight, base), 0);
}

static uint32_t find(const struct flame *f, const char *stack)
{
	char copy[256], *save = NULL;
	uint32_t node = 0;

	snprintf(copy, sizeof(copy), "%s", stack);
	for (char *p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save)) {
		for (node = flame_node(f, node)->child; node; node = flame_node(f, node)->next) {
			const struct flame_frame *is = flame_frame(f, flame_node(f, node)->frame);

			if (is->name_len == strlen(p) && !memcmp(is->name, p, is->name_len))
				break;
		}
		if (!node)
			return 0;
	}
	return node;
}

static void test_tree(void **state)
{
	struct flame *f = flame_create();
	struct flame_function functions[16];
	struct flame_summary s;
	const struct flame_node *n;
	uint32_t frames;

	(void)state;
	add(f, "main;work;burn", 50, false);
	add(f, "main;work;burn;burn", 10, false); /* recursion */
	add(f, "main;spin", 30, false);
	add(f, "main", 10, false);
	add(f, "main;spin", 55, true);
	add(f, "main;gone", 45, true);
	flame_summary(f, &s);
	assert_true(s.total == 100 && s.samples == 100 && s.base_total == 100);
	n = flame_node(f, find(f, "main;work;burn"));
	assert_true(n->total == 60 && n->self == 50);
	n = flame_node(f, find(f, "main"));
	assert_true(n->total == 100 && n->self == 10 && n->base_total == 100);
	n = flame_node(f, find(f, "main;gone"));
	assert_true(n->total == 0 && n->base_self == 45);
	frames = (uint32_t)flame_frames(f);
	assert_int_equal(frames, 6);
	flame_functions(f, functions);
	for (uint32_t i = 1; i < frames; i++) {
		const struct flame_frame *is = flame_frame(f, i);

		if (!memcmp(is->name, "burn", 4)) {
			assert_true(functions[i].total == 60 && functions[i].self == 60); /* not 70 */
			flame_edges(f, i, true, functions);
			for (uint32_t k = 1; k < frames; k++)
				assert_true(functions[k].total == (!memcmp(flame_frame(f, k)->name, "work", 4) ? 60 : k == i ? 10 : 0));
			break;
		}
	}
	assert_true(flame_match(f, "BURN") == 0.6);
	assert_true(flame_match(f, "in") == 1); /* main holds all */
	assert_true(flame_match(f, "spin") == 0.3);
	assert_true(flame_match(f, "nothing") == 0);
	flame_sort(f, FLAME_BY_WEIGHT);
	assert_int_equal(flame_node(f, find(f, "main"))->child, find(f, "main;work"));
	flame_sort(f, FLAME_BY_NAME);
	assert_int_equal(flame_node(f, find(f, "main"))->child, find(f, "main;gone"));
	flame_clear(f);
	assert_int_equal(flame_nodes(f), 1);
	flame_destroy(f);
}

static uint32_t seed = 7;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Random stacks: self of all nodes is what was added, total of a node is its own and its children's. */
static void test_totals_agree(void **state)
{
	struct flame *f = flame_create();
	static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
	double added = 0, self = 0;
	struct flame_summary s;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct flame_frame frames[FLAME_DEPTH_MAX + 8];
		size_t n = i % 1000 ? 1 + rnd(9) : FLAME_DEPTH_MAX + 8;

		for (size_t k = 0; k < n; k++)
			frames[k] = frame(names[rnd(6)]);
		assert_int_equal(flame_add(f, frames, n, i % 7, 1, false), 0);
		added += i % 7;
		if (i == 10000)
			flame_sort(f, FLAME_BY_NAME);
	}
	flame_sort(f, FLAME_BY_WEIGHT);
	for (uint32_t i = 0; i < flame_nodes(f); i++) {
		const struct flame_node *n = flame_node(f, i);
		double sum = n->self, last = 1e300;

		self += n->self;
		for (uint32_t c = n->child; c; c = flame_node(f, c)->next) {
			assert_int_equal(flame_node(f, c)->parent, i);
			assert_true(flame_node(f, c)->total <= last);
			last = flame_node(f, c)->total;
			sum += last;
		}
		assert_true(sum == n->total);
	}
	assert_true(self == added);
	flame_summary(f, &s);
	assert_int_equal(s.depth, FLAME_DEPTH_MAX);
	flame_destroy(f);
}

struct taken {
	char text[2048];
};

static int take(void *self, const struct profile_sample *s)
{
	struct taken *t = self;
	size_t at = strlen(t->text);

	at += (size_t)snprintf(t->text + at, sizeof(t->text) - at, "%.*s %d/%d:", (int)s->comm_len, s->comm, (int)s->pid, (int)s->tid);
	for (size_t i = 0; i < s->n; i++)
		at += (size_t)snprintf(t->text + at, sizeof(t->text) - at, " %.*s(%.*s)", (int)s->frames[i].name_len, s->frames[i].name,
				       (int)s->frames[i].module_len, s->frames[i].module);
	snprintf(t->text + at, sizeof(t->text) - at, " %d\n", (int)s->weight);
	return 0;
}

static void parse(const char *text, const char *expected, uint64_t bad)
{
	struct profile_counts counts;
	struct culprit_error error;
	struct taken t = {""};

	assert_int_equal(profile_text_parse(text, strlen(text), take, &t, &counts, &error), 0);
	assert_string_equal(t.text, expected);
	assert_int_equal(counts.bad, bad);
}

/* The places in a function, against a plain sum: of one node, of the function everywhere; the heaviest first. */
static void test_spots(void **state)
{
	static const uint8_t build[20] = {1, 2, 3};
	struct flame *f = flame_create();
	struct flame_frame frames[2] = {frame("main"), frame("hot")};
	double sum[2][40] = {{0}};
	struct flame_spot spots[8], all[64];
	uint32_t random = 1, node[2];
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned place, tree;

		random = random * 1103515245 + 12345;
		place = (random >> 16) % 40 * ((random >> 8) % 40) / 40;
		tree = random >> 30 & 1;
		frames[0] = frame(tree ? "main" : "other");
		frames[1].placed = true;
		frames[1].offset = 0x1000 + place;
		frames[1].build_id = build;
		frames[1].build_id_len = sizeof(build);
		frames[1].pid = 7;
		sum[tree][place] += 1 + place % 3;
		assert_int_equal(flame_add(f, frames, 2, 1 + place % 3, 1, false), 0);
	}
	node[0] = find(f, "other;hot");
	node[1] = find(f, "main;hot");
	for (int which = 0; which < 3; which++) {
		double most = 1e18;

		n = flame_spots_of(f, node[which % 2], which == 2, all, 64);
		assert_true(n > 30 && n <= 40);
		for (size_t i = 0; i < n; i++) {
			unsigned place = (unsigned)(all[i].offset - 0x1000);
			double is = which == 2 ? sum[0][place] + sum[1][place] : sum[which][place];

			assert_true(all[i].weight == is && is <= most && all[i].pid == 7 && all[i].build_id_len == FLAME_BUILD_ID);
			most = is;
		}
		assert_int_equal(flame_spots_of(f, node[which % 2], which == 2, spots, 8), 8);
		for (size_t i = 0; i < 8; i++)
			assert_true(spots[i].weight == all[i].weight);
	}
	assert_int_equal(flame_spots_of(f, find(f, "main"), false, all, 64), 0);
	flame_clear(f);
	add(f, "main;hot", 1, false);
	assert_int_equal(flame_spots_of(f, find(f, "main;hot"), false, all, 64), 0);
	flame_destroy(f);
}

static void test_text_of_others(void **state)
{
	struct profile_counts counts;
	struct culprit_error error;
	struct taken t = {""};

	(void)state;
	parse("a;b;c 3\n# comment\n\nfoo bar;std::vector<int, x>::f() 2.7\nnonsense\nk_[k] 1",
	      " 0/0: c() b() a() 3\n 0/0: std::vector<int, x>::f()() foo bar() 2\n 0/0: k([kernel]) 1\n", 1);
	parse("# ========\nmy proc 12  4832.910456:    2004008 cpu-clock: \n"
	      "\t           12e84 search_cache+0xf4 (/usr/lib/ld-linux.so.2)\n"
	      "\t            65c9 [unknown] ([unknown])\n\n"
	      "java 7/9 [001] 1.5: 1 cycles:u:\n"
	      "\tffffffff8225fd19 do+0x19 ([kernel.kallsyms])\n"
	      "\t    7f1 operator()(int, long) const+0x1b (/tmp/x (deleted))\n"
	      "\t    7f2 inl (inlined)\n\t 5 Lfoo;::bar (/tmp/perf-7.map)\n",
	      "my proc 0/12: search_cache(/usr/lib/ld-linux.so.2) 65c9() 1\n"
	      "java 7/9: do([kernel]) operator()(int, long) const(/tmp/x (deleted)) inl() Lfoo;::bar(/tmp/perf-7.map) 1\n", 0);
	assert_int_equal(profile_text_parse("hello\nworld\n", 12, take, &t, &counts, &error), -EBADMSG);
	assert_int_equal(profile_text_parse("", 0, take, &t, &counts, &error), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_totals_agree),
		cmocka_unit_test(test_spots),
		cmocka_unit_test(test_text_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
