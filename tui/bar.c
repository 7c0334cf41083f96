#include "bar.h"

#include <math.h>
#include <string.h>
#include <stddef.h>

static const struct {
	char letter;
	enum role role;
	const char *name;
} parts[BAR_PARTS] = {
	[BAR_CPU] = {'C', ROLE_BAR_CPU, "cpu"},		    [BAR_RUNQ] = {'R', ROLE_BAR_RUNQ, "runq"},
	[BAR_THROTTLE] = {'T', ROLE_BAR_THROTTLE, "quota"}, [BAR_DISK] = {'D', ROLE_BAR_DISK, "disk"},
	[BAR_LOCK] = {'L', ROLE_BAR_LOCK, "lock"},	    [BAR_NET] = {'N', ROLE_BAR_NET, "net"},
	[BAR_MEM] = {'M', ROLE_BAR_MEM, "mem"},	    [BAR_OTHER] = {'O', ROLE_BAR_OTHER, "other"},
	[BAR_IDLE] = {'.', ROLE_BAR_IDLE, "idle"},
};

char bar_letter(enum bar_part part)
{
	return parts[part].letter;
}

enum role bar_role(enum bar_part part)
{
	return parts[part].role;
}

int bar_legend(struct surface *s, int x, int y, int w, unsigned mask)
{
	/* What explains least comes last: it is left out where there is no room. */
	static const uint8_t order[BAR_PARTS] = {BAR_CPU, BAR_RUNQ, BAR_THROTTLE, BAR_DISK, BAR_LOCK,
						 BAR_NET, BAR_MEM,  BAR_OTHER,	  BAR_IDLE};
	int at = x, end = x + w;

	for (int k = 0; k < BAR_PARTS; k++) {
		int i = order[k];

		if (!(mask & 1u << i))
			continue;
		/* Half a word explains nothing. */
		if (at + 2 + (int)strlen(parts[i].name) > end)
			break;
		surface_char(s, at, y, parts[i].role, (uint32_t)parts[i].letter);
		at += 2;
		at += surface_say(s, at, y, end - at, ROLE_MUTED, parts[i].name) + 1;
	}
	at--;
	return at > x ? (at < end ? at : end) - x : 0;
}

double bar_busy(const struct bar *bar)
{
	double sum = 0;

	for (int i = 0; i < BAR_IDLE; i++)
		sum += bar->share[i];
	return sum;
}

static double positive(double v)
{
	return isfinite(v) && v > 0 ? v : 0;
}

int bar_columns(const struct bar *bar, double whole, int w, int ret[BAR_PARTS])
{
	double sum = 0, rest[BAR_PARTS];
	int used = 0, total;

	for (int i = 0; i < BAR_PARTS; i++) {
		ret[i] = 0;
		sum += positive(bar->share[i]);
	}
	/* Shares that add up to more than the whole (rounding, samples taken at different times) are scaled to it. */
	if (!(whole > 0) || whole < sum)
		whole = sum;
	if (!(whole > 0) || w <= 0)
		return 0;
	total = (int)floor(w * (sum / whole) + 0.5);
	for (int i = 0; i < BAR_PARTS; i++) {
		double exact = positive(bar->share[i]) / whole * w;

		ret[i] = (int)exact;
		/* What takes half a column is seen. */
		if (!ret[i] && exact >= 0.5)
			ret[i] = 1;
		rest[i] = exact - ret[i];
		used += ret[i];
	}
	while (used < total) {
		int best = 0;

		for (int i = 1; i < BAR_PARTS; i++)
			if (rest[i] > rest[best])
				best = i;
		ret[best]++;
		rest[best] -= 1;
		used++;
	}
	while (used > total) {
		int best = 0;

		/* Taken from the longest. */
		for (int i = 1; i < BAR_PARTS; i++)
			if (ret[i] > ret[best])
				best = i;
		ret[best]--;
		used--;
	}
	return used;
}

void bar_draw(struct surface *s, int x, int y, int w, const struct bar *bar, double whole)
{
	int columns[BAR_PARTS], at = x;

	bar_columns(bar, whole, w, columns);
	for (int i = 0; i < BAR_PARTS; i++)
		for (int k = 0; k < columns[i]; k++)
			surface_char(s, at++, y, parts[i].role, (uint32_t)parts[i].letter);
	surface_fill(s, (struct rect){at, y, x + w - at, 1}, ROLE_BAR_IDLE, ' ');
}

int spark_level(double value, double max)
{
	if (isnan(value))
		return -1;
	if (!(value > 0))
		return 0;
	if (!(max > 0) || value >= max)
		return 9;
	return 1 + (int)(value / max * 8.999);
}

void spark_draw(struct surface *s, int x, int y, int w, enum role role, const int8_t *levels, size_t n)
{
	for (int i = 0; i < w; i++)
		surface_spark(s, x + i, y, role, (size_t)i < n ? levels[i] : -1);
}
