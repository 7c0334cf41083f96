/* Recordings: the ring's bytes in a file or a pipe, one zstd stream a segment, flushed at each append, so that what is
 * written is readable at any instant (docs/FORMAT.md, "File"). `zstd -dc FILE` gives the segments' bytes.
 *
 * Not here: what the bytes mean (segment.h), when a segment ends (writer.h). */
#ifndef CORE_RECFILE_H
#define CORE_RECFILE_H

#include "source.h"
#include "writer.h"

/* Most bytes of one segment, decompressed: larger ones are neither written nor read. */
#define RECFILE_SEGMENT_MAX ((size_t)64 << 20)

/* Most segments of one recording: two and a half years at a tick a second. */
#define RECFILE_SEGMENTS_MAX (1u << 18)

enum recfile_exist {
	RECFILE_REFUSE = 0,    /* an existing file is refused */
	RECFILE_APPEND = 1,    /* its whole segments stay, new ones follow; refused where it is not a recording */
	RECFILE_OVERWRITE = 2, /* it is emptied once the lock on it is had */
};

/* A sink that writes the file `path`: mode 0600, never through a symbolic link, locked against a second writer. NULL with
 * a sentence. Once writing fails the file is cut back to the last whole append and stays readable; every
 * later call gives the same error, but after a full disk (-ENOSPC, -EDQUOT) the next segment is tried. */
struct sink *recfile_sink(const char *path, enum recfile_exist, struct culprit_error *);
/* The same of a name in a directory that is open; `path` for messages. errno says why where NULL. */
struct sink *recfile_sink_at(int dir_fd, const char *name, const char *path, enum recfile_exist, struct culprit_error *);
/* The same to a descriptor, a pipe for instance; `name` for messages. Takes the descriptor over, also when it fails (then
 * it is closed). A reader that is gone gives -EPIPE, never a signal. */
struct sink *recfile_sink_fd(int fd, const char *name, struct culprit_error *);
/* Bytes written so far. */
uint64_t recfile_sink_written(const struct sink *);
/* Which file it is, wherever it was moved to. 0, or -errno. */
struct stat;
int recfile_sink_stat(const struct sink *, struct stat *);

/* A recording in a regular file. Segments are found by walking over the frames; bytes are decompressed on read. It may
 * still grow: refresh() sees what was added. NULL with a sentence: no such file, not a recording, of another version. */
struct source *recfile_source(const char *path, struct culprit_error *);
/* The same of an open file; takes the descriptor over, also when it fails. */
struct source *recfile_source_fd(int fd, const char *name, struct culprit_error *);
/* A recording that comes from a pipe: refresh() takes what has arrived, without waiting; fd() is the pipe's (-1 after its
 * end). The oldest segments go when more than `budget` compressed bytes are held (0: 64 MiB). Takes the descriptor over,
 * also when it fails. A bad header is reported by refresh(). */
struct source *recfile_source_pipe(int fd, const char *name, size_t budget, struct culprit_error *);
/* A recording in memory (borrowed); at most `segment_max` bytes of a segment are decompressed. For tests, fuzzing. */
struct source *recfile_source_memory(const void *bytes, size_t n, size_t segment_max, struct culprit_error *);

/* Where a source of the three above has come to: all was read and no more can come (end of the pipe). */
bool recfile_source_ended(const struct source *);
/* Were its segments told by the index at its end, so that damage within them shows only when they are read? */
bool recfile_source_indexed(const struct source *);
/* Whose it is, by its (last) header; 0 before that was read. */
uint64_t recfile_source_writer(const struct source *);
/* Damage met while finding segments: the first sentence; "" where none. Borrowed. */
const char *recfile_source_damage(const struct source *);
/* Appends the summary block of a complete segment, without decompressing the rest. -ENOENT: it has none (cut short). */
int recfile_source_summary(struct source *, uint64_t seq, struct wbuf *, struct culprit_error *);

#endif
