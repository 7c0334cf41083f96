/* "Value after value": what is written is read again, one number each, whatever a column holds; times take half the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cellcode.h"

static const struct schema_column plain = {.type = CULPRIT_U64}, thousands = {.type = CULPRIT_U64, .flags = CULPRIT_THOUSANDS},
				  real = {.type = CULPRIT_F64};

/* Writes and reads; returns how many bytes it took. An older reader must find one number where this one does. */
static size_t there_and_back(const struct schema_column *c, uint64_t before, uint64_t now)
{
	struct wbuf w;
	struct rbuf r;
	size_t n;

	wbuf_init(&w);
	cell_put_after(&w, c, before, now);
	rbuf_init(&r, w.data, w.len);
	if (cell_get_after(&r, c, before) != now || r.err || rbuf_left(&r))
		fail_msg("%llu after %llu", (unsigned long long)now, (unsigned long long)before);
	rbuf_init(&r, w.data, w.len);
	rbuf_varint(&r);
	assert_true(!r.err && !rbuf_left(&r));
	n = w.len;
	wbuf_finish(&w);
	return n;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

static void any_value_follows_any(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		unsigned shift = (unsigned)(next_random(&x) % 64);
		uint64_t a = next_random(&x) >> shift, b = next_random(&x) >> (next_random(&x) % 64);

		there_and_back(&plain, a, b);
		there_and_back(&real, a, b);
		/* Thousands, and numbers of reasons. */
		a = a > CELLCODE_THOUSANDS_MAX ? CELLCODE_THOUSANDS_MAX : a % 3 ? a - a % 1000 : a % (1u << 31);
		b = b > CELLCODE_THOUSANDS_MAX ? CELLCODE_THOUSANDS_MAX : b % 3 ? b - b % 1000 : b % (1u << 31);
		there_and_back(&thousands, a, b);
	}
	there_and_back(&thousands, 0, CELLCODE_THOUSANDS_MAX);
	there_and_back(&thousands, CELLCODE_THOUSANDS_MAX, 1);
	there_and_back(&thousands, 1, CELLCODE_THOUSANDS_MAX);
}

static void times_are_short(void **state)
{
	(void)state;
	assert_int_equal(there_and_back(&thousands, 5000000, 5000000 + 2000000), 2); /* 2 ms more */
	assert_int_equal(there_and_back(&plain, 5000000, 5000000 + 2000000), 4);
	assert_true(there_and_back(&thousands, 0, 1000000000) <= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_value_follows_any), cmocka_unit_test(times_are_short)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
