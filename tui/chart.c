#include "chart.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000LL

static const int64_t steps[] = {1,   2,	  5,	10,   15,   30,	  60,	 120,	300,	600,
				900, 1800, 3600, 7200, 10800, 21600, 43200, 86400};

static int64_t floor_to(int64_t v, int64_t step)
{
	int64_t rest = v % step;

	return v - (rest < 0 ? rest + step : rest);
}

struct chart_time chart_time_fit(int64_t to, int64_t span, int64_t tick, int columns)
{
	struct chart_time t = {.columns = columns < 1 ? 1 : columns};
	int64_t least;

	tick = tick < 1 ? SECOND : tick;
	span = span < 1 ? 1 : span;
	least = span / t.columns + (span % t.columns != 0);
	least = least < tick ? tick : least;
	t.step_ns = (least / tick + (least % tick != 0)) * tick;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int64_t step = steps[i] * SECOND;

		if (step >= least && step % tick == 0) {
			t.step_ns = step;
			break;
		}
	}
	t.from_ns = floor_to(to, t.step_ns) - (t.columns - 1) * t.step_ns;
	return t;
}

int chart_time_column(const struct chart_time *t, int64_t wall)
{
	int64_t column = floor_to(wall - t->from_ns, t->step_ns) / t->step_ns;

	return column < -1 ? -1 : column > t->columns ? t->columns : (int)column;
}

void chart_time_format(const struct chart_time *t, char *out, size_t cap)
{
	int64_t s = t->step_ns / SECOND;

	if (t->step_ns % SECOND)
		snprintf(out, cap, "1 col = %" PRId64 "ms", t->step_ns / 1000000);
	else if (s % 3600 == 0)
		snprintf(out, cap, "1 col = %" PRId64 "h", s / 3600);
	else if (s % 60 == 0)
		snprintf(out, cap, "1 col = %" PRId64 "m", s / 60);
	else
		snprintf(out, cap, "1 col = %" PRId64 "s", s);
}

void chart_clock_format(int64_t wall, bool seconds, char *out, size_t cap)
{
	time_t t = (time_t)(floor_to(wall, SECOND) / SECOND);
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		snprintf(out, cap, "?");
	else if (seconds)
		snprintf(out, cap, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	else
		snprintf(out, cap, "%02d:%02d", tm.tm_hour, tm.tm_min);
}

int chart_columns(struct rect r, int label_w)
{
	return r.w - label_w - 1 > 0 ? r.w - label_w - 1 : 0;
}

static double largest(const struct chart *c)
{
	double max = c->max;

	if (max > 0)
		return max;
	for (int i = 0; i < c->time.columns; i++) {
		if (isfinite(c->values[i]) && c->values[i] > max)
			max = c->values[i];
		if (c->before && isfinite(c->before[i]) && c->before[i] > max)
			max = c->before[i];
	}
	return max > 0 ? max : 1;
}

void chart_time_draw(const struct chart_time *t, int zone_offset_s, struct surface *s, int x, int y)
{
	bool seconds = t->step_ns < 60 * SECOND;
	int64_t every = 0, width = seconds ? 8 : 5;
	int next = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !every; i++)
		if (steps[i] * SECOND >= t->step_ns * (width + 4))
			every = steps[i] * SECOND;
	surface_hline(s, x, y, t->columns, ROLE_AXIS);
	for (int i = 0; i < t->columns && every; i++) {
		int64_t at = t->from_ns + i * t->step_ns + zone_offset_s * SECOND;
		char text[16];

		if (i < next || at - floor_to(at, every) >= t->step_ns || i + width > t->columns)
			continue;
		chart_clock_format(floor_to(at, every), seconds, text, sizeof(text));
		surface_say(s, x + i, y, (int)width, ROLE_AXIS, text);
		next = i + (int)width + 1;
	}
}

/* The row in which a value's line stands, from the lowest, 0; -1: none. */
static int line_row(double v, double max, int height)
{
	int row;

	if (!isfinite(v))
		return -1;
	row = v <= 0 ? 0 : (int)ceil((v >= max ? 1 : v / max) * height) - 1;
	return row < 0 ? 0 : row;
}

void chart_draw(const struct chart *c, struct surface *s, struct rect r)
{
	double max = largest(c);
	int height = r.h - 1, x0 = r.x + c->label_w + 1;
	bool blocks = surface_form(s) == TEXT_UTF8;
	/* A cell of UTF-8 has eight steps. */
	int steps_a_cell = blocks ? 8 : 1;

	if (height < 1 || chart_columns(r, c->label_w) < 1)
		return;
	for (int row = 0; row < height; row++) {
		int y = r.y + row;

		/* The scale at the top, in the middle, at the bottom. */
		if (c->label && (row == 0 || row == height - 1 || (height >= 7 && row == height / 2))) {
			char text[32] = "";
			/* A row's label is the value at its upper edge; the lowest row's is 0. */
			double at = row == height - 1 && height > 1 ? 0 : max * (height - row) / height;

			c->label(c->label_self, at, text, sizeof(text));
			surface_say_right(s, r.x, y, c->label_w, ROLE_AXIS, text);
		}
		surface_glyph(s, x0 - 1, y, ROLE_AXIS, GLYPH_VLINE);
		for (int i = 0; i < c->time.columns && x0 + i < r.x + r.w; i++) {
			enum role role = i >= c->mark_from && i <= c->mark_to ? ROLE_CHART_WINDOW : ROLE_CHART;
			double v = c->values[i];
			int full, level;

			if (c->before && line_row(c->before[i], max, height) == height - 1 - row) {
				surface_glyph(s, x0 + i, y, ROLE_MARK, GLYPH_HLINE);
				continue;
			}
			if (!isfinite(v)) {
				surface_char(s, x0 + i, y, role, ' ');
				continue;
			}
			full = v <= 0 ? 0 : (int)ceil((v >= max ? 1 : v / max) * height * steps_a_cell);
			level = full - (height - 1 - row) * steps_a_cell;
			if (level <= 0)
				surface_char(s, x0 + i, y, role, ' ');
			else if (level >= steps_a_cell)
				surface_glyph(s, x0 + i, y, role, GLYPH_FULL);
			else
				surface_char(s, x0 + i, y, role, 0x2580u + (uint32_t)level);
		}
	}
	surface_fill(s, (struct rect){r.x, r.y + height, c->label_w + 1, 1}, ROLE_AXIS, ' ');
	surface_glyph(s, x0 - 1, r.y + height, ROLE_AXIS, GLYPH_ELBOW);
	chart_time_draw(&c->time, c->zone_offset_s, s, x0, r.y + height);
}
