#include "timeparse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "units.h"

static const int64_t SECOND = 1000000000, DAY = 86400;

/* Exactly n digits at p. */
static bool digits(const char *p, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (p[i] - '0');
	}
	*ret = v;
	return true;
}

static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (unsigned)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (unsigned)day - 1;
	unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + (int64_t)doe - 719468;
}

/* hh:mm[:ss[.fraction]] at *p, moved behind it; ns of the day. */
static bool time_of_day(const char **p, int64_t *ret_ns)
{
	int hour, minute, second = 0;
	int64_t fraction = 0, place = SECOND / 10;
	const char *q = *p;

	if (!digits(q, 2, &hour) || q[2] != ':' || !digits(q + 3, 2, &minute) || hour > 23 || minute > 59)
		return false;
	q += 5;
	if (*q == ':') {
		if (!digits(q + 1, 2, &second) || second > 60)
			return false;
		q += 3;
		if (*q == '.') {
			if (q[1] < '0' || q[1] > '9')
				return false;
			for (q++; *q >= '0' && *q <= '9'; q++, place /= 10)
				fraction += (*q - '0') * place;
		}
	}
	*ret_ns = (hour * 3600 + minute * 60 + second) * SECOND + fraction;
	*p = q;
	return true;
}

/* Z, +hh:mm or nothing at p, to its end; seconds east. */
static bool zone(const char *p, int otherwise, int *ret_offset_s)
{
	int hour, minute;

	if (!*p) {
		*ret_offset_s = otherwise;
		return true;
	}
	if ((*p == 'Z' || *p == 'z') && !p[1]) {
		*ret_offset_s = 0;
		return true;
	}
	if ((*p != '+' && *p != '-') || !digits(p + 1, 2, &hour) || p[3] != ':' || !digits(p + 4, 2, &minute) || p[6] ||
	    hour > 23 || minute > 59)
		return false;
	*ret_offset_s = (hour * 3600 + minute * 60) * (*p == '-' ? -1 : 1);
	return true;
}

static int rfc3339(const char *text, int otherwise, int64_t *ret_wall_ns)
{
	int year, month, day, offset;
	int64_t of_day;
	const char *p = text;

	if (!digits(p, 4, &year) || p[4] != '-' || !digits(p + 5, 2, &month) || p[7] != '-' || !digits(p + 8, 2, &day) ||
	    month < 1 || month > 12 || day < 1 || day > 31 || year < 1970 || year > 2200)
		return -EINVAL;
	/* The thirtieth of February is a slip of the hand, not the second of March. */
	if (month < 12 && days_of(year, month, day) >= days_of(year, month + 1, 1))
		return -EINVAL;
	p += 10;
	if (*p != 'T' && *p != 't' && *p != ' ')
		return -EINVAL;
	p++;
	if (!time_of_day(&p, &of_day) || !zone(p, otherwise, &offset))
		return -EINVAL;
	*ret_wall_ns = (days_of(year, month, day) * DAY - offset) * SECOND + of_day;
	return 0;
}

int timeparse_rfc3339(const char *text, int64_t *ret_wall_ns)
{
	return rfc3339(text, 0, ret_wall_ns);
}

int timeparse(struct view *v, const char *text, uint64_t after_ns, uint64_t *ret_ns, struct culprit_error *error)
{
	uint64_t first, last, length;
	int64_t wall, of_day, today;
	int offset = view_zone_offset(v), own;
	const char *p = text;

	if (!view_extent(v, &first, &last))
		return error_set(error, -ENODATA, "nothing is recorded yet, so there is no time '%.40s'", text);
	if (strcmp(text, "start") == 0) {
		*ret_ns = first;
		return 0;
	}
	if (strcmp(text, "end") == 0 || strcmp(text, "now") == 0) {
		*ret_ns = last;
		return 0;
	}
	if ((*text == '-' || *text == '+') && text[1] >= '0' && text[1] <= '9') {
		if (units_parse_duration(text + 1, &length, NULL))
			return error_set(error, -EINVAL, "'%.40s' is not a time: behind %c stands a duration in s, m, h, d or w, such as "
					 "%c90s, %c2h or %c1h30m", text, *text, *text, *text, *text);
		if (*text == '-')
			*ret_ns = last > length ? last - length : 0;
		else if (__builtin_add_overflow(after_ns ? after_ns : first, length, ret_ns))
			*ret_ns = UINT64_MAX;
		return 0;
	}
	if (rfc3339(text, offset, &wall) == 0) {
		*ret_ns = view_mono_ns(v, wall);
		return 0;
	}
	if (time_of_day(&p, &of_day) && zone(p, offset, &own)) {
		/* The latest such time that is not after the end. */
		wall = view_wall_ns(v, last);
		today = (wall / SECOND + own) / DAY * DAY - own;
		if (today * SECOND + of_day > wall)
			today -= DAY;
		*ret_ns = view_mono_ns(v, today * SECOND + of_day);
		return 0;
	}
	return error_set(error, -EINVAL,
			 "'%.40s' is not a time; possible are 2026-03-01T14:03:22Z, 14:03, 14:03:22, -5m, +90s, start, end",
			 text);
}
