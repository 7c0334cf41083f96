/* A chart of one number of one row over the window, with its title: what the Tables panel and the Threads panel show below
 * their lists. */
#ifndef TUI_ROW_CHART_H
#define TUI_ROW_CHART_H

#include "chart.h"
#include "panel.h"
#include "query.h"
#include "series.h"

enum { ROW_CHART_MAX = 400, ROW_CHART_LABEL = 8 };

struct row_chart {
	bool known;          /* there is something to draw */
	char title[128];     /* raw bytes */
	unsigned unit;
	struct chart_time time;
	int zone_offset_s;
	double values[ROW_CHART_MAX], before[ROW_CHART_MAX];
	bool compared;       /* `before` has something of the baseline */
	struct series_bucket buckets[ROW_CHART_MAX];
};

/* Asks for `column` of the row that has this key, and in the baseline of the one that has the key `before`; `who`: raw bytes
 * for the title; `w`: columns of the rect it will be drawn in. */
void row_chart_update(struct row_chart *, struct view *, const struct lens *, const struct panel_time *, const char *table,
		      const char *column, unsigned unit, const struct row_key *, const struct row_key *before,
		      const char *who, int w);
/* A line with the title, the chart below it. Nothing but the line and `otherwise` where nothing is known. */
void row_chart_draw(const struct row_chart *, struct surface *, struct rect, const char *otherwise);

#endif
