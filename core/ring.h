/* The ring: the newest segments, bounded in bytes, in a shared mapping (docs/FORMAT.md, "Ring"). One sink writes; nobody
 * else ever does. Readers of this process copy from the mapping, those of other processes from the descriptor with pread,
 * never by mapping it: a file that is cut short must not kill its reader. Nor may it kill its writer: a ring that has a
 * name is written with pwrite. Every reader copies, then checks that what it copied was not overwritten meanwhile.
 *
 * Not here: what the bytes mean (segment.h), when a segment ends (writer.h), where rings are published and who is
 * believed (ring_place.h). */
#ifndef CORE_RING_H
#define CORE_RING_H

#include <sys/types.h>

#include "source.h"
#include "writer.h"

enum { RING_NAME_MAX = 64 };

struct ring;

#define RING_BUDGET_MIN ((size_t)1 << 20)
#define RING_BUDGET_DEFAULT ((size_t)64 << 20)
#define RING_BUDGET_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 36 : 30))

/* A ring that takes `budget` bytes in all, header included; rounded up to whole pages. Anonymous (a sealed memfd), or,
 * with `dir`, the file `name` in that folder, mode 0640, its space taken at once (a full disk must not kill its writer).
 * A file that a dead writer left there is replaced, never reused: its readers keep it. One reference.
 * NULL with a sentence: a budget out of range; another process writes a ring of that name; the folder cannot be
 * written; too little space or memory. */
struct ring *ring_create(size_t budget, const char *dir, const char *name, struct culprit_error *);
/* The same with a name, for this group: mode 0640. NULL: for the owner alone, 0600. */
struct ring *ring_create_shared(size_t budget, const char *dir, const char *name, const gid_t *group,
				struct culprit_error *);
/* 1 to RING_NAME_MAX letters, digits, and . _ - inside: nothing that a path, a shell or a terminal takes amiss. */
bool ring_name_valid(const char *);
struct ring *ring_lock(struct ring *);
void ring_unlock(struct ring *); /* NULL-safe; the last one removes the named file */

/* The only writer; it locks the ring. Its segment_max is an eighth of the ring. NULL with a sentence: the ring has a
 * writer, or no memory is left. A segment that does not fit is refused with -EFBIG: what was in the ring and of that
 * segment stays; the writer begins another one. */
struct sink *ring_sink(struct ring *, struct culprit_error *);

/* A reader in this process, on any one thread; locks the ring. Its fd is readable when something was appended since its
 * last refresh. NULL with a sentence: out of memory or of descriptors. */
struct source *ring_source(struct ring *, struct culprit_error *);

/* A reader of a ring of this or another process, by a descriptor (borrowed, it is duplicated) or a path (of the named
 * file, or /proc/PID/fd/N). Trusts nothing in it. Its fd, where inotify has one to give, is readable after appends to a
 * named ring and when its writer is gone. NULL with a sentence: not a ring, of another version or byte order, damaged.
 * Its writer may die: what is there stays readable. Cut short while open: refresh gives -EBADMSG with a sentence, read
 * -ESTALE. */
struct source *ring_source_fd(int fd, const char *name, struct culprit_error *);
struct source *ring_source_path(const char *path, struct culprit_error *);

struct ring_status {
	bool live;   /* its writer holds it; of an anonymous ring: has not ended it */
	bool closed; /* the writer has gone in peace */
	uint64_t pid; /* of the writer, as it said; for people */
	int64_t created_wall_ns;
};
/* How the writer of a source made above stands, now. false: no source of a ring. */
bool ring_source_status(struct source *, struct ring_status *);

/* The descriptor of its bytes, for handing it on read-only as /proc/self/fd/N. Borrowed. */
int ring_fd(const struct ring *);
/* Bytes for segments, without header and directory. */
size_t ring_capacity(const struct ring *);

#endif
