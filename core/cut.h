/* A piece of a recording as a recording of its own, exact to the frame: whatever is asked of a window inside it has the answer
 * that the whole recording gives. Segments are copied as they stand; where the piece begins inside one, a key frame is made
 * there (keyframe.h).
 *
 * Redacted, of texts that hold arguments or environments (columns named cmdline, argv, args, environ ...) only the first word
 * is left. */
#ifndef CORE_CUT_H
#define CORE_CUT_H

#include "source.h"
#include "writer.h"

struct cut_options {
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC: from the newest frame at or before from_ns to that at or before to_ns */
	bool redact;
};

struct cut_result {
	uint64_t from_ns, to_ns; /* first and last frame of the piece */
	uint64_t writer;
	uint64_t frames, segments, redacted; /* texts that were shortened */
	bool damaged;            /* part of it could not be read; the sentence says what */
};

/* Writes it to the sink, which stays the caller's. 0; -ENODATA: no frame in it; -EXDEV: it spans recordings of two writers
 * (the recorder was started anew in between); -ENOMEM; what the sink says. Damage is cut around, and told. */
int cut_run(struct source *, const struct cut_options *, struct sink *, struct cut_result *, struct culprit_error *);

/* Is this the name of a column that is redacted? */
bool cut_is_private(const char *column);

#endif
