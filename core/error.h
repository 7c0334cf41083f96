/* How core reports errors: 0 or -errno, and where the caller wants it one sentence for the user that says what
 * happened, what it means and what to do. Library code never prints and never exits. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <culprit/types.h>

/* Fills the sentence (truncating) and returns `err`. `error` may be NULL. */
int error_set(struct culprit_error *error, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
