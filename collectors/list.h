/* The built-in collectors, in the order in which they are sampled. */
#ifndef COLLECTORS_LIST_H
#define COLLECTORS_LIST_H

#include <culprit/collector.h>

/* Ends with NULL. */
extern const struct culprit_collector *const culprit_builtin[];

#endif
