/* What FILE means wherever a verb takes one: a recording, a directory of recordings, a ring file, or - for a recording from
 * standard input. */
#ifndef CLI_FILE_SOURCE_H
#define CLI_FILE_SOURCE_H

#include "source.h"

/* `budget`: bytes that are kept of a pipe; 0: the default. NULL with a sentence. */
struct source *file_source(const char *file, size_t budget, struct culprit_error *);
/* The same for who wants all of it: standard input is read to its end first. */
struct source *file_source_whole(const char *file, size_t budget, struct culprit_error *);

#endif
