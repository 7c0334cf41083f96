#include "row_chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

#define GAP_NS 15000000000ll

/* What is read every few ticks only stands as it was in between. */
static void fill(double *values, const struct series_bucket *buckets, int n, int longest)
{
	int gap = 0;

	for (int i = 0; i < n; i++) {
		if (buckets[i].data) {
			values[i] = buckets[i].mean;
			gap = 0;
		} else {
			values[i] = i && ++gap <= longest ? values[i - 1] : NAN;
		}
	}
}

/* The same of the baseline: its end below the window's end, as long as it is. */
static void compare(struct row_chart *c, struct view *view, const struct lens *lens, const struct series_request *ask, int n,
		    int longest)
{
	struct view *other = view_baseline(view) ? view_baseline(view) : view;
	struct series out = {.buckets = c->buckets};
	uint64_t step = (uint64_t)c->time.step_ns;

	c->compared = false;
	if (!lens->has_baseline || series_run(other, ask, 1, lens->baseline_to_ns, step, (size_t)n, &out, NULL))
		return;
	fill(c->before, c->buckets, n, longest);
	for (int i = 0; i < n; i++) {
		if (out.from_ns + (uint64_t)(i + 1) * step <= lens->baseline_from_ns)
			c->before[i] = NAN;
		c->compared |= isfinite(c->before[i]);
	}
}

void row_chart_update(struct row_chart *c, struct view *view, const struct lens *lens, const struct panel_time *time,
		      const char *table, const char *column, unsigned unit, const struct row_key *key, const struct row_key *before, const char *who, int w)
{
	struct series_request ask = {.key = *key};
	struct series out = {.buckets = c->buckets};
	uint64_t from_ns, to_ns;
	int n = w - ROW_CHART_LABEL, longest;

	c->known = false;
	if (n < 1)
		return;
	if (n > ROW_CHART_MAX)
		n = ROW_CHART_MAX;
	lens_resolve(lens, time->newest_ns, &from_ns, &to_ns);
	c->time = chart_time_fit((int64_t)to_ns + time->wall_offset_ns, (int64_t)(to_ns - from_ns),
				 time->tick_ns ? (int64_t)time->tick_ns : 1000000000, n);
	longest = (int)(GAP_NS / c->time.step_ns);
	c->zone_offset_s = time->zone_offset_s;
	c->unit = unit;
	snprintf(c->title, sizeof(c->title), "%s%s%s: %s", table, *who ? " " : "", who, column);
	snprintf(ask.table, sizeof(ask.table), "%s", table);
	snprintf(ask.column, sizeof(ask.column), "%s", column);
	if (series_run(view, &ask, 1, to_ns, (uint64_t)c->time.step_ns, (size_t)n, &out, NULL))
		return;
	fill(c->values, c->buckets, n, longest);
	c->known = true;
	ask.key = *before;
	compare(c, view, lens, &ask, n, longest);
}

static void label(const void *self, double value, char *out, size_t cap)
{
	units_format(out, cap, value, ((const struct row_chart *)self)->unit);
}

void row_chart_draw(const struct row_chart *c, struct surface *s, struct rect r, const char *otherwise)
{
	struct chart chart = {.time = c->time,
			      .values = c->values,
			      .before = c->compared ? c->before : NULL,
			      .label_w = ROW_CHART_LABEL,
			      .zone_offset_s = c->zone_offset_s,
			      .label = label,
			      .label_self = c,
			      .mark_from = 1,
			      .mark_to = 0};
	char column[64];
	int used;

	surface_hline(s, r.x, r.y, r.w, ROLE_RULE);
	if (!c->known) {
		surface_say(s, r.x + 1, r.y + 1, r.w - 1, ROLE_MUTED, otherwise);
		return;
	}
	chart_time_format(&c->time, column, 32);
	if (c->compared) {
		memmove(column + strlen("- baseline, "), column, strlen(column) + 1);
		memcpy(column, "- baseline, ", strlen("- baseline, "));
	}
	used = (int)strlen(column);
	surface_put(s, r.x + 1, r.y, r.w - used - 4, ROLE_STRONG, 0, c->title, strlen(c->title));
	if (r.w > used + 2)
		surface_say(s, r.x + r.w - used - 1, r.y, used, ROLE_MUTED, column);
	chart_draw(&chart, s, (struct rect){r.x, r.y + 1, r.w, r.h - 1});
}
