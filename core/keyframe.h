/* A key frame made anew from where a cursor stands: what a recording needs that begins in the middle of a segment. The frames
 * after it apply to it as they stand. */
#ifndef CORE_KEYFRAME_H
#define CORE_KEYFRAME_H

#include "cursor.h"

/* Appends the payload of the frame (docs/FORMAT.md, "FRAME") the cursor stands on, as a key frame. The cursor must decode all
 * tables of its segment. Dictionary sections are not written: `between`, whole sections, stands in their place. Events of
 * that frame and rows that ended in it are left out: they belong to windows that begin before it. -ENOMEM. */
int keyframe_encode(struct cursor *, const struct wbuf *between, struct wbuf *out);

#endif
