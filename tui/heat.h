/* The heatmap: which slots of a histogram stand in which line, how many counts make which shade, and a grid of shades with
 * its axes and legend. Pure: what is counted is handed in. The same grid shows slots over time, rows over time, and parts
 * of a second over seconds. */
#ifndef TUI_HEAT_H
#define TUI_HEAT_H

#include "chart.h"
#include "schema.h"

/* --- slots to lines --- */

/* Line i, counted from the bottom, has slots [first + i * group, + group), as far as there are slots. */
struct heat_rows {
	uint32_t first, group, slots;
	int n; /* 0: none */
};

/* At most `lines` lines that hold slots first..last (the finest grouping that does; of log-linear bounds whole octaves or
 * whole parts of them), with room above and below where there are lines left. `before`: those of the last time (zeroed:
 * none); they stay where they still hold everything and no finer ones would do, so that a map does not jump. */
void heat_rows_fit(struct heat_rows *, const struct heat_rows *before, const struct schema_bounds *, uint32_t first, uint32_t last,
		   int lines);
/* The line of a slot, cut to those there are. */
int heat_rows_line(const struct heat_rows *, uint32_t slot);
/* The slots of lines [low, high]: [*ret_first, *ret_end). */
void heat_rows_slots(const struct heat_rows *, int low, int high, uint32_t *ret_first, uint32_t *ret_end);
/* Values they hold: [*ret_lo, *ret_hi); hi is infinite where the last slot is among them, lo 0 where the first is. */
void heat_rows_values(const struct schema_bounds *, uint32_t first, uint32_t end, double *ret_lo, double *ret_hi);

/* --- numbers to shades --- */

enum { HEAT_LEVELS = 5 };

/* Level k + 1 begins at from[k]. */
struct heat_scale {
	double from[HEAT_LEVELS];
};

/* For counts up to `max`: 1, 2, 2q, 2q^2, 2q^3 with a round q. */
void heat_scale_counts(struct heat_scale *, double max);
/* For values between two that are above 0, each level as much larger than the one before. */
void heat_scale_values(struct heat_scale *, double min, double max);
/* 0: below all. */
int heat_level(const struct heat_scale *, double value);

/* What a cell shows: a level, or one of these. */
enum {
	HEAT_GAP = -1,   /* nothing known of that time */
	HEAT_SAME = 6,   /* as in the baseline */
	HEAT_LESS = 7,   /* less than there */
	HEAT_MARK = 64,  /* added: P, the 99th percentile lies here */
};

enum heat_column { HEAT_COLUMN_KNOWN, HEAT_COLUMN_GAP, HEAT_COLUMN_UNREAD };

/* --- the grid --- */

enum { HEAT_LABEL = 8 }; /* columns of a line's label; behind it stands the rule */

struct heat_grid {
	struct chart_time time; /* columns, and their times; from_ns in the zone of the host */
	int lines;
	const int8_t *levels;   /* [line][column], line 0 at the bottom */
	const uint8_t *columns; /* enum heat_column of each */
	int label_w;
	void (*label)(const void *self, int line, char *out, size_t cap); /* may be raw bytes */
	const void *label_self;
	int window_from, window_to; /* columns of the window, on the axis; from > to: none */
	bool box;                   /* a rectangle is chosen, corners included */
	int box_left, box_right, box_low, box_high;
	int dim_below, dim_above;   /* lines outside of [below, above] are out of the range looked at; 0 and lines - 1: none */
};

/* Lines of the rect: the map from the bottom up, the axis below it. */
void heat_grid_draw(const struct heat_grid *, struct surface *, struct rect);
/* Columns of a grid in so many columns of the screen. */
int heat_grid_columns(int w, int label_w);
/* Line and column under a cell of the rect; false: none. */
bool heat_grid_at(const struct heat_grid *, struct rect, int x, int y, int *ret_column, int *ret_line);

/* What the shades stand for: ". 1  : 2-7  + 8-31  # 32-127  @ 128+", each in its shade; `what`: "a cell", behind them. */
int heat_legend(const struct heat_scale *, unsigned unit, const char *what, struct surface *, int x, int y, int w);
/* Draws one shade. */
void heat_shade(struct surface *, int x, int y, int level);

#endif
