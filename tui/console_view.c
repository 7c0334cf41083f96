#include "console_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void console_now_of_view(struct console_now *now, struct view *view)
{
	const struct host_info *host = view_host(view);

	now->from_ns = now->to_ns = 0;
	now->tick_ns = series_tick_ns(view);
	if (view_extent(view, &now->from_ns, &now->to_ns)) {
		now->wall_offset_ns = view_wall_ns(view, now->to_ns) - (int64_t)now->to_ns;
		now->zone_offset_s = view_zone_offset(view);
	}
	if (host)
		snprintf(now->host, sizeof(now->host), "%.*s", (int)sizeof(now->host) - 1, host->name);
}

int timeline_of_series(void *self, struct view *view, uint64_t to, uint64_t step, size_t columns,
		       struct console_timeline *timeline)
{
	const struct timeline_series *t = self;
	struct series_bucket buckets[CONSOLE_TIMELINE_MAX];
	struct series series = {.buckets = buckets};
	struct culprit_error error;
	int err;

	if (!view)
		return 0;
	if (columns > CONSOLE_TIMELINE_MAX)
		columns = CONSOLE_TIMELINE_MAX;
	snprintf(timeline->label, sizeof(timeline->label), "%s", t->label);
	timeline->max = t->max;
	err = series_run(view, &t->request, 1, to, step, columns, &series, &error);
	if (err)
		return err;
	for (size_t i = 0; i < columns && i < series.n; i++)
		timeline->values[i] = buckets[i].data ? buckets[i].max : NAN;
	return 0;
}
