/* Where published rings live, and whose are believed. A ring under /run/culprit is root's word on this machine; one below
 * $XDG_RUNTIME_DIR/culprit the user's own. To attach means to take its numbers for those of this machine, so it must belong
 * to root or to whoever attaches, nobody else may write it, and it must be of this boot. (To read a ring as a recording,
 * ring_source_path() is enough: nothing in it is trusted anyway.) */
#ifndef CORE_RING_PLACE_H
#define CORE_RING_PLACE_H

#include "ring.h"

#define RING_FOLDER "/run/culprit"

enum { RING_PATH_MAX = 512, RING_FOUND_MAX = 16 };

/* The folder in which the caller publishes: $CULPRIT_RUNTIME_DIR where that is set, /run/culprit for root, else
 * $XDG_RUNTIME_DIR/culprit. Made where it is missing (0755; the user's own 0700); its owner must be the caller, and nobody
 * else may write it. -errno with a sentence. */
int ring_folder_make(char *path, size_t cap, struct culprit_error *);

/* A name (looked for in the folders above, root's first) or a path (it has a slash) to attach to. NULL with a sentence, errno
 * tells: ENOENT: there is none of that name. */
struct source *ring_attach(const char *name_or_path, struct culprit_error *);

/* All rings in these folders that could be attached to; those whose writer lives first, then the newest. */
struct ring_found {
	char path[RING_PATH_MAX];
	struct ring_status status;
	uint64_t to_ns; /* its newest frame, CLOCK_MONOTONIC; 0: none yet */
};
/* Returns how many, at most `cap`; `why`: the first one that was refused, and why; "" for none. */
size_t ring_find(struct ring_found *, size_t cap, struct culprit_error *why);
/* The first of these. NULL with a sentence. */
struct source *ring_attach_best(struct culprit_error *);

#endif
