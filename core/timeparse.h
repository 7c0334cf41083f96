/* Times as the user types them, in the words of --from and --to: RFC 3339, 14:03, 14:03:22, -5m (before the end),
 * +90s (after the beginning, or after --from), start, end. */
#ifndef CORE_TIMEPARSE_H
#define CORE_TIMEPARSE_H

#include "view.h"

/* To CLOCK_MONOTONIC ns of the view. `after_ns`: what "+" counts from; 0: the first frame. A time of day is the latest one
 * that is not after the last frame, in the recorded host's zone. May lie outside of what is recorded. 0; -EINVAL with a
 * sentence; -ENODATA: the view has no frames. */
int timeparse(struct view *, const char *text, uint64_t after_ns, uint64_t *ret_ns, struct culprit_error *);

/* RFC 3339 to ns since 1970; -EINVAL. */
int timeparse_rfc3339(const char *text, int64_t *ret_wall_ns);

#endif
