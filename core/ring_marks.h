/* Marks that consoles ask a recorder to set, so that all who look at its ring, and its recording, have them: lines "KIND TEXT" in
 * .NAME.marks beside the ring NAME, which the recorder takes out before each sample. Only its owner may write there (0600); the
 * ring itself nobody but its writer writes, ever. Of each line a mark is made at most, with a text that is shown like any other. */
#ifndef CORE_RING_MARKS_H
#define CORE_RING_MARKS_H

#include "ring_place.h"

/* The recorder's end. */
struct ring_marks {
	int fd; /* -1: none */
	char path[RING_PATH_MAX + 16];
};

/* Makes the file, empty, for who holds the ring's name. -errno with a sentence: then no marks are taken. */
int ring_marks_open(struct ring_marks *, const char *dir, const char *name, struct culprit_error *);
typedef void ring_marks_set(void *of, const char *kind, const char *text);
/* Hands over what was asked for since the last time. Never waits. */
void ring_marks_take(struct ring_marks *, ring_marks_set *, void *of);
void ring_marks_close(struct ring_marks *); /* removes the file; does nothing where none is open */

/* The console's end: the recorder of the ring at this path sets the mark with its next sample. `kind`: "user" or "action". 0;
 * -ENOENT: it takes none; -EACCES: not ours; -EBUSY: it has not taken those before; -errno; all with a sentence. */
int ring_marks_put(const char *ring_path, const char *kind, const char *text, struct culprit_error *);

#endif
