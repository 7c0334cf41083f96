/* The verbs: each is one file and returns the exit status. A sentence for the user goes to stderr before EXIT_COULD_NOT
 * and EXIT_USAGE. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stdbool.h>

#include "options.h"

int verb_console(const struct options *);
int verb_record(const struct options *);
int verb_replay(const struct options *);
int verb_dump(const struct options *);
int verb_flame(const struct options *);
int verb_cut(const struct options *);
int verb_info(const struct options *);
int verb_collectors(const struct options *);
int verb_completion(const struct options *);

/* Prints "culprit: SENTENCE" to stderr and returns `status`. */
int verb_fail(int status, const struct culprit_error *);
/* For tests: is $CULPRIT_TEST_MARK=1 set? See screen.h. */
bool verb_test_mark(void);
/* Exit status of -errno: wrong usage for -EINVAL and -ENOENT of names, else could not. */
int verb_status(int err);

#endif
