#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

enum { US = 1000, MS = 1000000 };
static const double SECOND = 1e9;

struct suffix {
	const char *name;
	double factor;
};

static const struct suffix byte_suffixes[] = {
	{"", 1}, {"K", 0x1p10}, {"M", 0x1p20}, {"G", 0x1p30}, {"T", 0x1p40}, {"P", 0x1p50}, {"E", 0x1p60},
};
static const struct suffix count_suffixes[] = {
	{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}, {"E", 1e18},
};
static const struct suffix time_suffixes[] = {
	{"ns", 1}, {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"sec", 1e9}, {"m", 60e9}, {"min", 60e9},
	{"h", 3600e9}, {"d", 86400e9}, {"w", 604800e9},
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

int units_width(unsigned unit)
{
	switch (unit) {
	case CULPRIT_BYTES:
	case CULPRIT_COUNT:
	case CULPRIT_PERCENT:
		return 5;
	case CULPRIT_NS:
		return 6;
	case CULPRIT_COUNT_PER_S:
	case CULPRIT_BYTES_PER_S:
	case CULPRIT_HZ:
		return 7;
	case CULPRIT_NS_PER_S:
		return 8;
	case CULPRIT_WALL_NS:
		return 20;
	case CULPRIT_MONO_NS:
		return 12;
	case CULPRIT_TICKS:
		return 10;
	}
	return 8;
}

/* |v| < 999.5: three significant digits, at most 4 characters. */
static int three_digits(char *buf, size_t cap, double v)
{
	if (v < 9.995)
		return snprintf(buf, cap, "%.2f", v);
	if (v < 99.95)
		return snprintf(buf, cap, "%.1f", v);
	return snprintf(buf, cap, "%.0f", v);
}

/* `whole`: below the first suffix things are whole as a rule (bytes, counts). */
static void scaled(char *buf, size_t cap, double v, const struct suffix *s, size_t n, const char *unit0, const char *unit,
		   bool whole)
{
	size_t i = 0;
	int len;

	if (whole && v == floor(v) && v < (unit0[0] ? 999.5 : 9999.5)) {
		snprintf(buf, cap, "%.0f%s", v, unit0);
		return;
	}
	while (i + 1 < n && v / s[i].factor >= 999.5)
		i++;
	v /= s[i].factor;
	if (v >= 9999.5) {
		snprintf(buf, cap, ">9999%s", unit);
		return;
	}
	len = three_digits(buf, cap, v);
	if (len < 0 || (size_t)len >= cap)
		return;
	snprintf(buf + len, cap - (size_t)len, "%s%s", s[i].name, i ? unit : unit0);
}

/* What is left of whole numbers that are not negative. */
static double rest(double v, double of)
{
	return v - floor(v / of) * of;
}

static void duration_short(char *buf, size_t cap, double v)
{
	int len;
	const char *unit;

	if (v < 999.5) {
		snprintf(buf, cap, v == floor(v) ? "%.0fns" : v < 9.95 ? "%.1fns" : "%.0fns", v);
		return;
	}
	if (v < 999.5 * US) {
		unit = "us";
		v /= US;
	} else if (v < 999.5 * MS) {
		unit = "ms";
		v /= MS;
	} else if (v < 59.95 * SECOND) {
		unit = "s";
		v /= SECOND;
	} else {
		/* Two steps below each other: 2m15s, 3h12m, 12d4h. */
		double seconds = floor(v / SECOND + 0.5);

		if (seconds < 3600) {
			snprintf(buf, cap, "%.0fm%02.0fs", floor(seconds / 60), rest(seconds, 60));
		} else if (seconds < 86400) {
			snprintf(buf, cap, "%.0fh%02.0fm", floor(seconds / 3600), floor(rest(seconds, 3600) / 60));
		} else if (seconds < 100 * 86400.0) {
			snprintf(buf, cap, "%.0fd%02.0fh", floor(seconds / 86400), floor(rest(seconds, 86400) / 3600));
		} else if (seconds < 36525 * 8640.0) {
			snprintf(buf, cap, "%.0fd", floor(seconds / 86400));
		} else {
			snprintf(buf, cap, ">999y");
			if (seconds / 31557600 < 999.5)
				snprintf(buf, cap, "%.0fy", seconds / 31557600);
		}
		return;
	}
	len = three_digits(buf, cap, v);
	if (len > 0 && (size_t)len < cap)
		snprintf(buf + len, cap - (size_t)len, "%s", unit);
}

char *units_format_short(char *buf, size_t cap, double v, unsigned unit)
{
	char text[40];
	char *p = text;

	if (!isfinite(v)) {
		snprintf(buf, cap, "-");
		return buf;
	}
	if (v < 0) {
		*p++ = '-';
		v = -v;
	}
	switch (unit) {
	case CULPRIT_BYTES:
		scaled(p, sizeof(text) - 1, v, byte_suffixes, COUNT_OF(byte_suffixes), "B", "", true);
		break;
	case CULPRIT_BYTES_PER_S:
		scaled(p, sizeof(text) - 1, v, byte_suffixes, COUNT_OF(byte_suffixes), "B/s", "/s", true);
		break;
	case CULPRIT_COUNT:
		scaled(p, sizeof(text) - 1, v, count_suffixes, COUNT_OF(count_suffixes), "", "", true);
		break;
	case CULPRIT_COUNT_PER_S:
		scaled(p, sizeof(text) - 1, v, count_suffixes, COUNT_OF(count_suffixes), "/s", "/s", true);
		break;
	case CULPRIT_HZ:
		scaled(p, sizeof(text) - 1, v, count_suffixes, COUNT_OF(count_suffixes), "Hz", "Hz", true);
		break;
	case CULPRIT_PERCENT:
		if (v < 9.995)
			snprintf(p, sizeof(text) - 1, v == 0 ? "0%%" : "%.2f%%", v);
		else if (v < 99.95)
			snprintf(p, sizeof(text) - 1, "%.1f%%", v);
		else if (v < 9999.5)
			snprintf(p, sizeof(text) - 1, "%.0f%%", v);
		else if (v < 999.5e3)
			snprintf(p, sizeof(text) - 1, "%.0fk%%", v / 1e3);
		else
			snprintf(p, sizeof(text) - 1, ">1M%%");
		break;
	case CULPRIT_NS:
		duration_short(p, sizeof(text) - 1, v);
		break;
	case CULPRIT_NS_PER_S:
		/* Not minutes: "2m15s/s" reads badly. More than 1 s/s is normal (several threads wait at once). */
		if (v >= 59.95 * SECOND)
			scaled(p, sizeof(text) - 1, v / SECOND, count_suffixes, COUNT_OF(count_suffixes), "s/s", "s/s", false);
		else {
			duration_short(p, sizeof(text) - 3, v);
			memcpy(p + strlen(p), "/s", sizeof("/s"));
		}
		break;
	case CULPRIT_WALL_NS:
		units_rfc3339(p, sizeof(text) - 1, (int64_t)(floor(v / SECOND) * SECOND), 0);
		break;
	case CULPRIT_MONO_NS:
		snprintf(p, sizeof(text) - 1, "%.3fs", v / SECOND);
		break;
	default:
		if (v == floor(v) && v < 1e15)
			snprintf(p, sizeof(text) - 1, "%.0f", v);
		else if (v < 1e7)
			three_digits(p, sizeof(text) - 1, v);
		else
			snprintf(p, sizeof(text) - 1, "%.3g", v);
		break;
	}
	snprintf(buf, cap, "%s", text);
	return buf;
}

char *units_format(char *buf, size_t cap, double v, unsigned unit)
{
	char text[40];

	units_format_short(text, sizeof(text), v, unit);
	snprintf(buf, cap, "%*s", units_width(unit), text);
	return buf;
}

char *units_format_change(char *buf, size_t cap, double v, unsigned unit)
{
	char text[40];

	units_format_short(text, sizeof(text), v, unit);
	snprintf(buf, cap, "%s%s", v >= 0 ? "+" : "", text);
	return buf;
}

char *units_format_exact(char *buf, size_t cap, double v)
{
	if (!isfinite(v)) {
		snprintf(buf, cap, "%s", "");
		return buf;
	}
	if (v == floor(v) && fabs(v) < 1e15) {
		snprintf(buf, cap, "%.0f", v == 0 ? 0.0 : v);
		return buf;
	}
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(buf, cap, "%.*g", digits, v);
		if (strtod(buf, NULL) == v)
			break;
	}
	return buf;
}

/* "1.5" in front of [p, end): moves *p behind it. Own code: strtod() takes "inf", hex floats and a locale's comma. */
static bool number(const char **p, const char *end, double *ret)
{
	const char *q = *p;
	double v = 0, place = 0.1;
	bool negative = false, digits = false;

	if (q < end && (*q == '-' || *q == '+'))
		negative = *q++ == '-';
	for (; q < end && ((*q >= '0' && *q <= '9') || *q == '_'); q++) {
		if (*q == '_')
			continue;
		v = v * 10 + (*q - '0');
		digits = true;
	}
	if (q < end && *q == '.') {
		for (q++; q < end && *q >= '0' && *q <= '9'; q++, place /= 10) {
			v += (*q - '0') * place;
			digits = true;
		}
	}
	if (!digits)
		return false;
	if (q + 1 < end && (*q == 'e' || *q == 'E') && ((q[1] >= '0' && q[1] <= '9') || q[1] == '-' || q[1] == '+')) {
		const char *e = q + 1;
		int exponent = 0;
		double scale = 1;
		bool down = false;

		if (*e == '-' || *e == '+')
			down = *e++ == '-';
		if (e < end && *e >= '0' && *e <= '9') {
			for (; e < end && *e >= '0' && *e <= '9'; e++)
				exponent = exponent < 1000 ? exponent * 10 + (*e - '0') : exponent;
			for (double ten = 10; exponent; exponent /= 2, ten *= ten)
				scale *= exponent % 2 ? ten : 1;
			v = down ? v / scale : v * scale;
			q = e;
		}
	}
	*ret = negative ? -v : v;
	*p = q;
	return true;
}

/* Correctly rounded where the text is a plain decimal: "0.1" must be 0.1. */
static double decimal(const char *from, const char *to, double otherwise)
{
	char text[64], *end;
	size_t n = 0;
	double v;

	for (; from < to; from++) {
		if (*from == '_')
			continue;
		if (n == sizeof(text) - 1)
			return otherwise;
		text[n++] = *from;
	}
	text[n] = '\0';
	v = strtod(text, &end);
	return *end ? otherwise : v;
}

static bool same(const char *p, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(p, word, n) == 0;
}

static bool find_suffix(const struct suffix *s, size_t count, const char *p, size_t n, double *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (same(p, n, s[i].name)) {
			*ret = s[i].factor;
			return true;
		}
	}
	return false;
}

static bool size_suffix(const char *p, size_t n, double *ret)
{
	char upper;

	if (n == 0 || same(p, n, "B")) {
		*ret = 1;
		return true;
	}
	upper = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	if (n > 1 && !same(p + 1, n - 1, "B") && !same(p + 1, n - 1, "iB") && !same(p + 1, n - 1, "i"))
		return false;
	return upper != 'B' && find_suffix(byte_suffixes + 1, COUNT_OF(byte_suffixes) - 1, &upper, 1, ret);
}

static bool count_suffix(const char *p, size_t n, double *ret)
{
	char c;

	if (n == 0) {
		*ret = 1;
		return true;
	}
	c = *p == 'K' ? 'k' : *p == 'm' ? 'M' : *p == 'g' ? 'G' : *p;
	return n == 1 && find_suffix(count_suffixes + 1, COUNT_OF(count_suffixes) - 1, &c, 1, ret);
}

static const char *unit_words(unsigned unit)
{
	switch (unit) {
	case CULPRIT_BYTES:
		return "a size, such as 2G or 512K";
	case CULPRIT_BYTES_PER_S:
		return "bytes per second, such as 10M/s";
	case CULPRIT_NS:
		return "a duration, such as 5ms or 2h";
	case CULPRIT_NS_PER_S:
		return "time per second, such as 20ms/s";
	case CULPRIT_PERCENT:
		return "a percentage, such as 50 or 50%";
	case CULPRIT_COUNT_PER_S:
		return "a rate, such as 100 or 2k/s";
	case CULPRIT_HZ:
		return "a frequency, such as 2GHz";
	}
	return "a number";
}

int units_parse(const char *text, size_t n, unsigned unit, double *ret, struct culprit_error *error)
{
	const char *p = text, *end = text + n, *suffix;
	double v, factor = 1;
	bool ok = true;

	if (!number(&p, end, &v))
		return error_set(error, -EINVAL, "'%.*s' is not %s", (int)(n < 40 ? n : 40), text, unit_words(unit));
	v = decimal(text, p, v);
	suffix = p;
	if (unit == CULPRIT_BYTES_PER_S || unit == CULPRIT_NS_PER_S || unit == CULPRIT_COUNT_PER_S)
		if (end - suffix >= 2 && end[-2] == '/' && end[-1] == 's')
			end -= 2;
	n = (size_t)(end - suffix);
	switch (unit) {
	case CULPRIT_BYTES:
	case CULPRIT_BYTES_PER_S:
		ok = size_suffix(suffix, n, &factor);
		break;
	case CULPRIT_NS:
	case CULPRIT_NS_PER_S:
		/* 1h30m: each step of its own */
		for (double sum = 0, step = v; n;) {
			const char *q = suffix;

			while (q < end && !(*q >= '0' && *q <= '9'))
				q++;
			if (!find_suffix(time_suffixes, COUNT_OF(time_suffixes), suffix, (size_t)(q - suffix), &factor)) {
				ok = false;
				break;
			}
			sum += step * factor;
			factor = 1;
			v = sum;
			if (q == end)
				break;
			suffix = q;
			if (!number(&suffix, end, &step)) {
				ok = false;
				break;
			}
		}
		break;
	case CULPRIT_PERCENT:
		ok = n == 0 || same(suffix, n, "%");
		break;
	case CULPRIT_HZ:
		if (n >= 2 && end[-2] == 'H' && end[-1] == 'z')
			n -= 2;
		ok = count_suffix(suffix, n, &factor);
		break;
	case CULPRIT_COUNT:
	case CULPRIT_COUNT_PER_S:
	case CULPRIT_NONE:
		ok = count_suffix(suffix, n, &factor);
		break;
	default:
		ok = n == 0;
	}
	if (!ok)
		return error_set(error, -EINVAL, "'%.*s' is not %s", (int)(text + 40 < end ? 40 : end - text), text,
				 unit_words(unit));
	*ret = v * factor;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns, struct culprit_error *error)
{
	size_t n = strlen(text);
	double v;
	int err = units_parse(text, n, CULPRIT_NS, &v, error);

	if (err)
		return err;
	if (text[n - 1] >= '0' && text[n - 1] <= '9')
		v *= SECOND;
	if (!(v >= 0 && v < 0x1p63))
		return error_set(error, -EINVAL, "'%.40s' is not a duration, such as 90s or 2h", text);
	*ret_ns = (uint64_t)(v + 0.5);
	return 0;
}

int units_parse_size(const char *text, uint64_t *ret_bytes, struct culprit_error *error)
{
	double v;
	int err = units_parse(text, strlen(text), CULPRIT_BYTES, &v, error);

	if (err)
		return err;
	if (!(v >= 0 && v < 0x1p63))
		return error_set(error, -EINVAL, "'%.40s' is not a size, such as 64M or 1G", text);
	*ret_bytes = (uint64_t)v;
	return 0;
}

/* Civil date of days since 1970-01-01 (proleptic Gregorian). */
static void civil(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t era;
	unsigned doe, yoe, doy, mp;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = (unsigned)(days - era * 146097);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static void offset_text(char *buf, size_t cap, int offset_s)
{
	int minutes = abs(offset_s) / 60;

	if (minutes == 0)
		snprintf(buf, cap, "Z");
	else
		snprintf(buf, cap, "%c%02d:%02d", offset_s < 0 ? '-' : '+', minutes / 60 % 100, minutes % 60);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

char *units_rfc3339(char *buf, size_t cap, int64_t wall_ns, int offset_s)
{
	int64_t seconds = floor_div(wall_ns, 1000000000), year;
	uint32_t ns = (uint32_t)(wall_ns - seconds * 1000000000), of_day;
	unsigned month, day;
	char zone[16], fraction[16] = "";

	seconds += offset_s;
	civil(floor_div(seconds, 86400), &year, &month, &day);
	of_day = (uint32_t)(seconds - floor_div(seconds, 86400) * 86400);
	offset_text(zone, sizeof(zone), offset_s);
	if (ns)
		snprintf(fraction, sizeof(fraction), ".%09" PRIu32, ns);
	snprintf(buf, cap, "%04" PRId64 "-%02u-%02uT%02u:%02u:%02u%s%s", year, month, day, of_day / 3600, of_day / 60 % 60,
		 of_day % 60, fraction, zone);
	return buf;
}

char *units_clock(char *buf, size_t cap, int64_t wall_ns, int offset_s)
{
	int64_t seconds = floor_div(wall_ns, 1000000000) + offset_s;
	uint32_t of_day = (uint32_t)(seconds - floor_div(seconds, 86400) * 86400);
	char zone[16];

	offset_text(zone, sizeof(zone), offset_s);
	snprintf(buf, cap, "%02u:%02u:%02u%s", of_day / 3600, of_day / 60 % 60, of_day % 60, zone);
	return buf;
}

char *units_duration(char *buf, size_t cap, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (s < 120 && ns % 1000000000 == 0)
		snprintf(buf, cap, "%" PRIu64 "s", s);
	else if (s >= 120 && s < 3600 && s % 60 == 0)
		snprintf(buf, cap, "%" PRIu64 "m", s / 60);
	else if (s >= 3600 && s < 86400 && s % 3600 < 60)
		snprintf(buf, cap, "%" PRIu64 "h", s / 3600);
	else
		duration_short(buf, cap, (double)ns);
	return buf;
}
