/* Charts over time. A column of a chart is a whole multiple of the tick, and its edges lie on round wall clock times, so
 * that the picture stands still until a column is full. */
#ifndef TUI_CHART_H
#define TUI_CHART_H

#include <stdbool.h>

#include "surface.h"

/* Columns of time: column i covers [from + i * step, from + (i + 1) * step) of wall clock ns. */
struct chart_time {
	int64_t from_ns; /* a multiple of the step */
	int64_t step_ns;
	int columns;
};

/* `columns` columns that end with the one `to_ns` (wall) lies in, over at least `span_ns`. The step is a round time (1, 2,
 * 5, 10, 15, 30 s, min; 1, 2, 3, 6, 12, 24 h ...) that is a whole multiple of the tick; where none is, the multiple of the
 * tick itself. */
struct chart_time chart_time_fit(int64_t to_ns, int64_t span_ns, int64_t tick_ns, int columns);
/* The column of a time; below 0 or >= columns outside. */
int chart_time_column(const struct chart_time *, int64_t wall_ns);
/* "1 col = 10s". */
void chart_time_format(const struct chart_time *, char *out, size_t cap);
/* The axis: a rule with times on it, about every 15 columns, at round ones only. */
void chart_time_draw(const struct chart_time *, int zone_offset_s, struct surface *, int x, int y);
/* "14:03" or "14:03:22" of a wall clock that has its zone in it already. */
void chart_clock_format(int64_t wall_ns, bool seconds, char *out, size_t cap);

/* Values: NaN is unknown. `max` 0: of the values. The left `label_w` columns of the rect take the scale, its last line
 * the times. `label` formats a value of the scale. */
struct chart {
	struct chart_time time;
	const double *values; /* time.columns of them */
	const double *before; /* of the baseline, likewise, drawn as a line over them; NULL: none */
	double max;
	int zone_offset_s; /* of the times below */
	int label_w;
	void (*label)(const void *, double value, char *out, size_t cap);
	const void *label_self;
	int mark_from, mark_to; /* columns drawn in the role of the window; from > to: none. Zeroed: column 0 */
};
void chart_draw(const struct chart *, struct surface *, struct rect);
/* Columns of time that a chart of this rect has. */
int chart_columns(struct rect, int label_w);

#endif
