#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

static void test_round_trip(void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX};
	struct wbuf w;
	struct rbuf r;
	size_t n;

	(void)state;
	wbuf_init(&w);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		wbuf_varint(&w, values[i]);
		wbuf_zigzag(&w, (int64_t)values[i]);
		wbuf_u64(&w, values[i]);
	}
	wbuf_string(&w, "abc", 3);
	wbuf_pad(&w, 8);
	assert_int_equal(w.len % 8, 0);
	rbuf_init(&r, w.data, w.len);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_true(rbuf_varint(&r) == values[i]);
		assert_true(rbuf_zigzag(&r) == (int64_t)values[i]);
		assert_true(rbuf_u64(&r) == values[i]);
	}
	assert_memory_equal(rbuf_string(&r, 3, &n), "abc", 3);
	assert_int_equal(n, 3);
	assert_int_equal(r.err, 0);
	wbuf_finish(&w);
}

static void test_short_input_sticks(void **state)
{
	struct rbuf r;
	uint8_t eleven[11];

	(void)state;
	memset(eleven, 0xff, sizeof(eleven));
	rbuf_init(&r, eleven, sizeof(eleven));
	assert_true(rbuf_varint(&r) == 0);
	assert_int_equal(r.err, -EBADMSG);
	assert_true(rbuf_u64(&r) == 0);
	rbuf_init(&r, "\x05", 1);
	assert_true(rbuf_bounded(&r, 4) == 0);
	assert_int_equal(r.err, -EBADMSG);
	rbuf_init(&r, "\x05xx", 3);
	size_t n;
	assert_null(rbuf_string(&r, 100, &n));
	assert_int_equal(r.err, -EBADMSG);
}

static void test_crc(void **state)
{
	/* RFC 3720, B.4 */
	uint8_t zeros[32] = {0};

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_short_input_sticks),
		cmocka_unit_test(test_crc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
