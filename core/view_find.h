/* Places on a view's timeline that one may want to go to: the frame before or after, the next thing that happened. Not
 * here: what tables held then (query.h). */
#ifndef CORE_VIEW_FIND_H
#define CORE_VIEW_FIND_H

#include "view.h"

/* The newest frame at or before `at_ns`, or the first one after it. False: there is none. CLOCK_MONOTONIC. */
bool view_frame_before(struct view *, uint64_t at_ns, uint64_t *ret_ns);
bool view_frame_after(struct view *, uint64_t at_ns, uint64_t *ret_ns);

struct view_event {
	uint64_t frame_ns; /* the frame that brought it */
	uint64_t time_ns;  /* when it happened, where it says so; else frame_ns */
	char table[32];    /* "mark" for marks of the user, too */
	char text[200];    /* what its text columns say; raw bytes */
};

/* The nearest row of any event table after (`direction` 1) or before (-1) `at_ns`, by the frame that brought it: of several in
 * one frame the first. False: there is none. What damage hides is passed over. */
bool view_event_find(struct view *, uint64_t at_ns, int direction, struct view_event *ret);

#endif
