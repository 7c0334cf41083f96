/* A directory of recordings: one an hour, the oldest dropped as a whole, so that a recorder may run for months. Read as one
 * recording. The names are the times at which they begin, UTC: 20261124T140000Z.culprit.
 *
 * Not here: what is in a file (recfile.h). */
#ifndef CORE_RECDIR_H
#define CORE_RECDIR_H

#include "source.h"
#include "writer.h"

#define RECDIR_SUFFIX ".culprit"

enum { RECDIR_FILES_MAX = 16384 };

struct recdir_limits {
	uint64_t keep_ns;   /* what is older goes, a file at a time; 0: nothing does */
	uint64_t max_bytes; /* of all files together; 0: no bound. At least RECDIR_BYTES_MIN */
};

#define RECDIR_BYTES_MIN ((uint64_t)4 << 20)

/* A sink that writes such a directory, which is made (mode 0700) where it is not there. Files have mode 0600. It is locked
 * against a second recorder. What lies there under other names is left alone, and does not count. NULL with a sentence. */
struct sink *recdir_sink(const char *path, const struct recdir_limits *, struct culprit_error *);
/* Is a new file due at this time? Then end the segment (writer_finish_segment), and it begins. */
bool recdir_sink_due(const struct sink *, int64_t wall_ns);
/* The next segment begins a new file. */
void recdir_sink_rotate(struct sink *);
/* Bytes written since it was opened; of all files there now. */
uint64_t recdir_sink_written(const struct sink *);
uint64_t recdir_sink_bytes(const struct sink *);

/* All recordings in a directory, in the order of their names, as one source: those of the newest boot; notice() tells of
 * others. Files that come, grow and go are followed. Few of them are open at a time. NULL with a sentence: no such
 * directory, nothing in it. */
struct source *recdir_source(const char *path, struct culprit_error *);

#endif
