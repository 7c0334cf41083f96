#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "timeparse.h"
#include "units.h"

static void test_format(void **state)
{
	static const struct {
		double value;
		unsigned unit;
		const char *text;
	} cases[] = {
		{0, CULPRIT_BYTES, "   0B"},
		{512, CULPRIT_BYTES, " 512B"},
		{1000, CULPRIT_BYTES, "0.98K"},
		{1024, CULPRIT_BYTES, "1.00K"},
		{1288490188.8, CULPRIT_BYTES, "1.20G"},
		{222298112, CULPRIT_BYTES, " 212M"},
		{44e9, CULPRIT_BYTES, "41.0G"},
		{50331648, CULPRIT_BYTES_PER_S, "48.0M/s"},
		{0, CULPRIT_BYTES_PER_S, "   0B/s"},
		{84.2e6, CULPRIT_NS, "84.2ms"},
		{300e3, CULPRIT_NS, " 300us"},
		{12, CULPRIT_NS, "  12ns"},
		{15.2e9, CULPRIT_NS, " 15.2s"},
		{135e9, CULPRIT_NS, " 2m15s"},
		{599.7e9, CULPRIT_NS, "10m00s"},
		{19 * 3600e9, CULPRIT_NS, "19h00m"},
		{40 * 86400e9, CULPRIT_NS, "40d00h"},
		{910e6, CULPRIT_NS_PER_S, " 910ms/s"},
		{1.5e9, CULPRIT_NS_PER_S, " 1.50s/s"},
		{212, CULPRIT_PERCENT, " 212%"},
		{38, CULPRIT_PERCENT, "38.0%"},
		{0.02, CULPRIT_PERCENT, "0.02%"},
		{0, CULPRIT_PERCENT, "   0%"},
		{51200, CULPRIT_PERCENT, " 51k%"},
		{99.96, CULPRIT_PERCENT, " 100%"},
		{48211, CULPRIT_COUNT, "48.2k"},
		{1204, CULPRIT_COUNT, " 1204"},
		{2100, CULPRIT_COUNT_PER_S, "2.10k/s"},
		{0.02, CULPRIT_COUNT_PER_S, " 0.02/s"},
		{2.4e9, CULPRIT_HZ, "2.40GHz"},
		{4194304, CULPRIT_NONE, " 4194304"},
		{NAN, CULPRIT_BYTES, "    -"},
		{-5, CULPRIT_NONE, "      -5"},
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(units_format(buf, sizeof(buf), cases[i].value, cases[i].unit), cases[i].text);
	assert_string_equal(units_format_change(buf, sizeof(buf), 50331648, CULPRIT_BYTES_PER_S), "+48.0M/s");
	assert_string_equal(units_format_change(buf, sizeof(buf), -1.2e9, CULPRIT_NS), "-1.20s");
}

/* No value makes a cell wider than its unit's width. */
static void test_width(void **state)
{
	static const unsigned units[] = {CULPRIT_COUNT, CULPRIT_BYTES, CULPRIT_NS, CULPRIT_PERCENT, CULPRIT_COUNT_PER_S,
					 CULPRIT_BYTES_PER_S, CULPRIT_NS_PER_S, CULPRIT_HZ};
	char buf[64];

	(void)state;
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		for (double v = 1e-4; v < 1e19; v *= 1.0113) {
			units_format(buf, sizeof(buf), v, units[u]);
			if ((int)strlen(buf) != units_width(units[u]))
				fail_msg("unit %u, %g: '%s' is not %d wide", units[u], v, buf, units_width(units[u]));
			units_format(buf, sizeof(buf), floor(v), units[u]);
			if ((int)strlen(buf) != units_width(units[u]))
				fail_msg("unit %u, %g: '%s' is not %d wide", units[u], floor(v), buf, units_width(units[u]));
		}
	}
}

static void test_exact(void **state)
{
	static const double values[] = {0, -0.0, 1, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789012, 9007199254740993.0, 38.5};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_true(strtod(units_format_exact(buf, sizeof(buf), values[i]), NULL) == values[i]);
	assert_string_equal(units_format_exact(buf, sizeof(buf), 0.1), "0.1");
	assert_string_equal(units_format_exact(buf, sizeof(buf), -0.0), "0");
	assert_string_equal(units_format_exact(buf, sizeof(buf), 38), "38");
	assert_string_equal(units_format_exact(buf, sizeof(buf), INFINITY), "");
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		unsigned unit;
		double value; /* NAN: refused */
	} cases[] = {
		{"2G", CULPRIT_BYTES, 2147483648.0},
		{"1.5k", CULPRIT_BYTES, 1536},
		{"64MiB", CULPRIT_BYTES, 67108864},
		{"512", CULPRIT_BYTES, 512},
		{"512B", CULPRIT_BYTES, 512},
		{"5ms", CULPRIT_BYTES, NAN},
		{"2X", CULPRIT_BYTES, NAN},
		{"B2", CULPRIT_BYTES, NAN},
		{"5m", CULPRIT_NS, 300e9},
		{"5ms", CULPRIT_NS, 5e6},
		{"250us", CULPRIT_NS, 250e3},
		{"1h30m", CULPRIT_NS, 5400e9},
		{"1h30", CULPRIT_NS, NAN},
		{"2d", CULPRIT_NS, 172800e9},
		{"7", CULPRIT_NS, 7},
		{"5q", CULPRIT_NS, NAN},
		{"20ms/s", CULPRIT_NS_PER_S, 20e6},
		{"10M/s", CULPRIT_BYTES_PER_S, 10485760},
		{"10M", CULPRIT_BYTES_PER_S, 10485760},
		{"50%", CULPRIT_PERCENT, 50},
		{"0.1", CULPRIT_PERCENT, 0.1},
		{"5k", CULPRIT_PERCENT, NAN},
		{"2k", CULPRIT_COUNT, 2000},
		{"2k/s", CULPRIT_COUNT_PER_S, 2000},
		{"2.4GHz", CULPRIT_HZ, 2.4e9},
		{"-5", CULPRIT_NONE, -5},
		{"1e3", CULPRIT_NONE, 1000},
		{"0x10", CULPRIT_NONE, NAN},
		{"inf", CULPRIT_NONE, NAN},
		{"", CULPRIT_NONE, NAN},
		{".", CULPRIT_NONE, NAN},
		{"5", CULPRIT_TICKS, 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct culprit_error e = {""};
		double v = 0;
		int err = units_parse(cases[i].text, strlen(cases[i].text), cases[i].unit, &v, &e);

		if (isnan(cases[i].value) ? err != -EINVAL || !e.sentence[0] : err || fabs(v - cases[i].value) > 1e-6 * fabs(v))
			fail_msg("'%s' as unit %u: %d, %g", cases[i].text, cases[i].unit, err, v);
	}
}

static void test_times(void **state)
{
	char buf[64];
	int64_t t;

	(void)state;
	assert_string_equal(units_rfc3339(buf, sizeof(buf), 1772373802123456789, 0), "2026-03-01T14:03:22.123456789Z");
	assert_string_equal(units_rfc3339(buf, sizeof(buf), 1772373802000000000, 7200), "2026-03-01T16:03:22+02:00");
	assert_string_equal(units_rfc3339(buf, sizeof(buf), -1, 0), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(units_clock(buf, sizeof(buf), 1772373802123456789, 0), "14:03:22Z");
	assert_string_equal(units_clock(buf, sizeof(buf), 1772373802123456789, -19800), "08:33:22-05:30");
	assert_string_equal(units_duration(buf, sizeof(buf), 60000000000), "60s");
	assert_string_equal(units_duration(buf, sizeof(buf), 600000000000), "10m");
	assert_string_equal(units_duration(buf, sizeof(buf), 135000000000), "2m15s");
	assert_string_equal(units_duration(buf, sizeof(buf), 7200000000000), "2h");
	assert_string_equal(units_duration(buf, sizeof(buf), 250000000), "250ms");
	assert_int_equal(timeparse_rfc3339("2026-03-01T14:03:22.123456789Z", &t), 0);
	assert_int_equal(t, 1772373802123456789);
	assert_int_equal(timeparse_rfc3339("2026-03-01T16:03:22+02:00", &t), 0);
	assert_int_equal(t, 1772373802000000000);
	/* Every time written reads back. */
	for (int64_t wall = 951782400000000000; wall < 5000000000000000000; wall += 86399000000001) {
		units_rfc3339(buf, sizeof(buf), wall, 3600);
		assert_int_equal(timeparse_rfc3339(buf, &t), 0);
		assert_int_equal(t, wall);
	}
	assert_int_equal(timeparse_rfc3339("2026-13-01T00:00:00Z", &t), -EINVAL);
	assert_int_equal(timeparse_rfc3339("2026-03-01T24:00:00Z", &t), -EINVAL);
	assert_int_equal(timeparse_rfc3339("2026-02-29T00:00:00Z", &t), -EINVAL);
	assert_int_equal(timeparse_rfc3339("2026-04-31T00:00:00Z", &t), -EINVAL);
	assert_int_equal(timeparse_rfc3339("2028-02-29T00:00:00Z", &t), 0);
	assert_int_equal(timeparse_rfc3339("2026-12-31T00:00:00Z", &t), 0);
	assert_int_equal(timeparse_rfc3339("2026-03-01T00:00:00.Z", &t), -EINVAL);
	assert_int_equal(timeparse_rfc3339("2026-03-01", &t), -EINVAL);
	assert_int_equal(timeparse_rfc3339("", &t), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format), cmocka_unit_test(test_width), cmocka_unit_test(test_exact),
		cmocka_unit_test(test_parse),  cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
