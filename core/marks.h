/* Marks that a user sets while looking at a recording: a file of lines beside it, FILE.marks (docs/FORMAT.md, "Marks"), as the
 * recording itself is not written to. Hostile like everything that comes from a file. */
#ifndef CORE_MARKS_H
#define CORE_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include <culprit/types.h>

enum { MARKS_MAX = 4096, MARKS_TEXT_MAX = 200 };

struct mark_note {
	int64_t wall_ns;
	char text[MARKS_TEXT_MAX + 1]; /* raw bytes */
};

struct marks;

/* Reads FILE.marks of the recording `file`; where it is not there, there are none. NULL with a sentence: it cannot be read, is
 * none, or of a newer kind. */
struct marks *marks_open(const char *file, struct culprit_error *);
void marks_destroy(struct marks *); /* NULL-safe */
size_t marks_count(const struct marks *); /* NULL: 0 */
const struct mark_note *marks_at(const struct marks *, size_t i); /* by time */
/* Adds one, here and in the file: written anew beside it and renamed over it, with what others added meanwhile. -ENOSPC: too
 * many; -EBUSY: somebody else is writing; -errno; all with a sentence. */
int marks_add(struct marks *, int64_t wall_ns, const char *text, struct culprit_error *);

#endif
