/* The built-in collectors, in the order in which they are sampled. */
#ifndef COLLECTORS_BUILTIN_H
#define COLLECTORS_BUILTIN_H

#include <culprit/collector.h>

/* Ends with NULL. */
extern const struct culprit_collector *const culprit_builtin[];

#endif
