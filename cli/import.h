/* Other tools' profiles (perf script, folded stacks) as a recording: one table `profile`, whose stacks have names. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "memsource.h"

/* Reads FILE (-: standard input). The segments in memory; NULL with a sentence. `notice`: what was left out, "" for nothing. */
struct memsource *import_file(const char *file, struct culprit_error *notice, struct culprit_error *);

/* The same, as a source that holds it. NULL with a sentence. */
struct source *import_source(const char *file, struct culprit_error *notice, struct culprit_error *);

#endif
