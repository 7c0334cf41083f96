/* Items in blocks: each is whole and its own, and blocks without items go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool.h"

enum { ITEMS = 5000, SIZE = 489 };

struct item {
	uint32_t number;
	uint8_t bytes[SIZE - 4];
};

static struct item *items[ITEMS];

static struct item *make(struct pool *p, uint32_t number)
{
	static const uint8_t zeros[sizeof(struct item)];
	struct item *i = pool_take(p);

	assert_non_null(i);
	assert_memory_equal(i, zeros, sizeof(zeros));
	i->number = number;
	memset(i->bytes, (int)(number % 251), sizeof(i->bytes));
	return i;
}

static void check(const struct item *i, uint32_t number)
{
	assert_int_equal(i->number, number);
	for (size_t b = 0; b < sizeof(i->bytes); b++)
		assert_int_equal(i->bytes[b], number % 251);
}

static void test_come_and_go(void **state)
{
	uint32_t seed = 3, used = 0;
	struct pool p;

	(void)state;
	pool_init(&p, sizeof(struct item));
	for (int step = 0; step < 60000; step++) {
		uint32_t i;

		seed = seed * 1664525 + 1013904223;
		i = (seed >> 8) % ITEMS;
		if (items[i]) {
			check(items[i], i);
			pool_give(&p, items[i]);
			items[i] = NULL;
			used--;
		} else {
			items[i] = make(&p, i);
			used++;
		}
		assert_int_equal(p.items, used);
	}
	for (uint32_t i = 0; i < ITEMS; i++) {
		if (items[i])
			check(items[i], i);
	}
	pool_finish(&p);
	memset(items, 0, sizeof(items));
}

static void test_blocks_go(void **state)
{
	uint32_t most;
	struct pool p;

	(void)state;
	pool_init(&p, sizeof(struct item));
	for (uint32_t i = 0; i < ITEMS; i++)
		items[i] = make(&p, i);
	most = p.blocks;
	assert_true(most >= ITEMS * SIZE / POOL_BLOCK && most <= ITEMS * (SIZE + 32) / POOL_BLOCK + 2);
	/* Those that came last go, as after a storm. */
	for (uint32_t i = ITEMS; i-- > ITEMS / 10;)
		pool_give(&p, items[i]);
	assert_true(p.blocks <= most / 10 + 2);
	for (uint32_t i = 0; i < ITEMS / 10; i++) {
		check(items[i], i);
		pool_give(&p, items[i]);
	}
	assert_int_equal(p.blocks, 1);
	assert_int_equal(p.items, 0);
	memset(items, 0, sizeof(items));
	pool_finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_blocks_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
