/* The shapes of a tree of stacks: an icicle against sums of the same stacks, chains that fold, places that are found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flame_shape.h"

/* "a;b;c"; one in capitals is a group. */
static void add(struct flame *f, const char *stack, double weight, bool base)
{
	struct flame_frame frames[600];
	char copy[4096], *save = NULL;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", stack);
	for (char *p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save))
		frames[n++] = (struct flame_frame){.name = p, .name_len = strlen(p), .module = "m", .module_len = 1,
						   .kind = *p >= 'A' && *p <= 'Z' ? FLAME_GROUP : FLAME_NATIVE, .named = true};
	assert_int_equal(flame_add(f, frames, n, weight, weight, base), 0);
}

static bool is(const struct flame *f, uint32_t node, const char *name)
{
	const struct flame_frame *frame = flame_frame(f, flame_node(f, node)->frame);

	return frame->name_len == strlen(name) && !memcmp(frame->name, name, frame->name_len);
}

/* "first..last indent bars ends" of all lines. */
static void assert_path(struct flame *f, uint32_t zoom, const char *want)
{
	struct flame_line *lines;
	char text[1024] = "";
	size_t n;

	flame_sort(f, FLAME_BY_WEIGHT);
	assert_int_equal(flame_path(f, zoom, &lines, &n), 0);
	for (size_t i = 0; i < n; i++) {
		const struct flame_frame *a = flame_frame(f, flame_node(f, lines[i].first)->frame);
		const struct flame_frame *b = flame_frame(f, flame_node(f, lines[i].last)->frame);
		size_t at = strlen(text);

		snprintf(text + at, sizeof(text) - at, "%.*s..%.*s %u %x %d\n", (int)a->name_len, a->name, (int)b->name_len, b->name,
			 lines[i].indent, lines[i].bars, lines[i].ends);
	}
	assert_string_equal(text, want);
	free(lines);
}

static void chains_fold(void **state)
{
	struct flame *f = flame_create();
	struct flame_line *lines;
	size_t n;

	(void)state;
	add(f, "main;run;loop;work;burn", 60, false);
	add(f, "main;run;loop;work;read;sys", 20, false);
	add(f, "main;run;loop;idle", 15, false);
	add(f, "main;run;loop;tiny", 0.5, false);
	add(f, "start;end", 4.5, false);
	assert_path(f, 0,
		    "main..loop 0 0 0\n"
		    "work..work 1 0 0\n"
		    "burn..burn 2 2 0\n"
		    "read..sys 2 2 1\n"
		    "idle..idle 1 0 1\n"
		    "start..end 0 0 1\n");
	/* What is zoomed into begins a line; what was too small is large enough now. */
	assert_int_equal(flame_path(f, 0, &lines, &n), 0);
	assert_true(is(f, lines[1].first, "work"));
	assert_path(f, lines[1].first,
		    "work..work 0 0 1\n"
		    "burn..burn 1 0 0\n"
		    "read..sys 1 0 1\n");
	/* A node that has no line is on the one above it; one within a chain on that. */
	for (uint32_t i = 1; i < flame_nodes(f); i++) {
		size_t at = flame_path_line(f, lines, n, i);

		if (is(f, i, "run") || is(f, i, "main") || is(f, i, "tiny"))
			assert_int_equal(at, 0);
		if (is(f, i, "read") || is(f, i, "sys"))
			assert_int_equal(at, 3);
	}
	free(lines);
	flame_destroy(f);
}

/* A function with something of its own, a group, what is only in the baseline: no chain goes through them. */
static void chains_end(void **state)
{
	struct flame *f = flame_create();

	(void)state;
	add(f, "PROC;main;a;b", 50, false);
	add(f, "PROC;main;a", 50, false);
	assert_path(f, 0, "PROC..PROC 0 0 1\nmain..a 1 0 1\nb..b 2 0 1\n");
	add(f, "PROC;main;gone", 50, true);
	assert_path(f, 0, "PROC..PROC 0 0 1\nmain..main 1 0 1\na..a 2 0 0\nb..b 3 4 1\ngone..gone 2 0 1\n");
	flame_destroy(f);
}

static uint32_t seed = 3;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Boxes lie within those they hang on, do not overlap, and are as wide as their share to half a column. */
static void icicle_is_to_scale(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		struct flame *f = flame_create();
		struct flame_box *boxes;
		int width = 1 + (int)rnd(300), left_out = 0;
		uint32_t zoom = 0;
		double all;
		size_t n;

		for (int i = 0; i < 200; i++) {
			char stack[64] = "";

			for (uint32_t d = 0, depth = 1 + rnd(8); d < depth; d++)
				snprintf(stack + strlen(stack), sizeof(stack) - strlen(stack), "%s%c", d ? ";" : "", 'a' + rnd(4));
			add(f, stack, 1 + rnd(20), false);
		}
		flame_sort(f, FLAME_BY_NAME);
		if (round & 1)
			zoom = 1 + rnd((uint32_t)flame_nodes(f) - 1);
		all = flame_node(f, zoom)->total;
		assert_int_equal(flame_icicle(f, zoom, width, &boxes, &n), 0);
		assert_true(n >= flame_node(f, zoom)->depth + 1);
		for (size_t i = 0; i < n; i++) {
			const struct flame_node *node = flame_node(f, boxes[i].node);
			double want = node->depth <= flame_node(f, zoom)->depth ? width : node->total / all * width;

			assert_int_equal(boxes[i].depth, node->depth);
			assert_true(boxes[i].w >= 1 && boxes[i].x + boxes[i].w <= width);
			assert_true(boxes[i].w > want - 1.001 && boxes[i].w < want + 1.001);
			for (size_t k = 0; k < i; k++) {
				assert_true(boxes[k].node != boxes[i].node);
				assert_true(boxes[k].depth != boxes[i].depth || boxes[k].x + boxes[k].w <= boxes[i].x);
				if (boxes[k].node == node->parent)
					assert_true(boxes[k].x <= boxes[i].x && boxes[k].x + boxes[k].w >= boxes[i].x + boxes[i].w);
			}
		}
		/* What is shown is all that is wide enough. */
		for (uint32_t node = 1; node < flame_nodes(f); node++) {
			bool found = false;

			for (size_t i = 0; i < n && !found; i++)
				found = boxes[i].node == node;
			if (!found && flame_below(f, node, zoom))
				left_out += flame_node(f, node)->total / all * width >= 1.001;
		}
		assert_int_equal(left_out, 0);
		free(boxes);
		flame_destroy(f);
	}
}

static void places_are_found_again(void **state)
{
	struct flame *f = flame_create(), *g = flame_create();
	struct flame_place place;
	bool whole;
	uint32_t node;

	(void)state;
	add(f, "main;a;b", 1, false);
	add(f, "main;c", 5, false);
	/* Another second: another order, other nodes. */
	add(g, "other;a;b", 1, false);
	add(g, "main;c", 9, false);
	add(g, "main;a;z", 2, false);
	add(g, "main;a;b", 2, false);
	for (node = 1; !is(f, node, "b"); node++)
		;
	flame_place_of(f, node, &place);
	assert_int_equal(place.n, 3);
	node = flame_place_find(g, &place, &whole);
	assert_true(whole && is(g, node, "b") && is(g, flame_node(g, node)->parent, "a"));
	/* Gone: the nearest above it. */
	flame_clear(g);
	add(g, "main;a;z", 2, false);
	node = flame_place_find(g, &place, &whole);
	assert_true(!whole && is(g, node, "a"));
	flame_clear(g);
	node = flame_place_find(g, &place, &whole);
	assert_true(!whole && !node);
	flame_place_of(f, 0, &place);
	assert_int_equal(place.n, 0);
	assert_int_equal(flame_place_find(f, &place, &whole), 0);
	assert_true(whole);
	flame_destroy(f);
	flame_destroy(g);
}

static void hottest_and_change(void **state)
{
	struct flame *f = flame_create();
	struct flame_summary s;
	uint32_t at;

	(void)state;
	assert_int_equal(flame_hottest(f, 0), 0);
	assert_int_equal(flame_heaviest(f, 0), 0);
	add(f, "main;a;b", 30, false);
	add(f, "main;a;c", 25, false);
	add(f, "main;d", 45, false);
	add(f, "main;d", 20, true);
	add(f, "main;a;b", 20, true);
	at = flame_hottest(f, 0);
	assert_true(is(f, at, "d"));
	at = flame_heaviest(f, flame_node(f, 0)->child);
	assert_true(is(f, at, "a"));
	at = flame_hottest(f, at);
	assert_true(is(f, at, "b"));
	flame_summary(f, &s);
	assert_true(flame_change(&s, 45, 20) == -5);
	assert_true(flame_change(&s, 30, 0) == 30);
	flame_destroy(f);
	f = flame_create();
	flame_summary(f, &s);
	assert_true(flame_change(&s, 0, 0) == 0);
	flame_destroy(f);
}

/* As deep as a stack can be, and beyond. */
static void deep_stacks(void **state)
{
	struct flame *f = flame_create();
	char stack[4096] = "";
	struct flame_place place;
	struct flame_line *lines;
	struct flame_box *boxes;
	uint32_t deepest;
	bool whole;
	size_t n;

	(void)state;
	for (int i = 0; i < FLAME_DEPTH_MAX + 40; i++)
		snprintf(stack + strlen(stack), sizeof(stack) - strlen(stack), "%s%c", i ? ";" : "", 'a' + i % 26);
	add(f, stack, 10, false);
	add(f, "a;b;c", 10, false);
	deepest = flame_hottest(f, 0);
	flame_sort(f, FLAME_BY_WEIGHT);
	for (uint32_t i = 0; i < flame_nodes(f); i++)
		deepest = flame_node(f, i)->depth > flame_node(f, deepest)->depth ? i : deepest;
	assert_int_equal(flame_node(f, deepest)->depth, FLAME_DEPTH_MAX);
	flame_place_of(f, deepest, &place);
	assert_int_equal(flame_place_find(f, &place, &whole), deepest);
	assert_true(whole);
	assert_int_equal(flame_icicle(f, 0, 80, &boxes, &n), 0);
	assert_int_equal(n, FLAME_DEPTH_MAX + 1);
	free(boxes);
	assert_int_equal(flame_icicle(f, deepest, 80, &boxes, &n), 0);
	assert_int_equal(n, FLAME_DEPTH_MAX + 1);
	free(boxes);
	assert_int_equal(flame_path(f, 0, &lines, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(flame_path_line(f, lines, n, deepest), 1);
	free(lines);
	assert_int_equal(flame_path(f, deepest, &lines, &n), 0);
	assert_int_equal(n, 1);
	free(lines);
	flame_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_fold),
		cmocka_unit_test(chains_end),
		cmocka_unit_test(icicle_is_to_scale),
		cmocka_unit_test(places_are_found_again),
		cmocka_unit_test(hottest_and_change),
		cmocka_unit_test(deep_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
