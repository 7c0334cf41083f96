/* What the console's own lines need of a view: the extent of what is held, its clock, the host; and the timeline out of a
 * series. For the loop's now() and the console's timeline(). */
#ifndef TUI_CONSOLE_VIEW_H
#define TUI_CONSOLE_VIEW_H

#include "console.h"
#include "series.h"

/* Fills times, zone and host as of the last view_refresh(); leaves summary, self_percent and notice alone. */
void console_now_of_view(struct console_now *, struct view *);

/* What the timeline plots. */
struct timeline_series {
	struct series_request request;
	char label[48];
	double max; /* 0: of the values */
};
/* console_options.timeline, with a struct timeline_series as self. */
int timeline_of_series(void *self, struct view *, uint64_t to_ns, uint64_t step_ns, size_t columns,
		       struct console_timeline *);

#endif
