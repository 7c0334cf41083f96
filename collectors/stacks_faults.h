/* Table `faults`: stacks in which memory was touched that was not there yet. */
#ifndef COLLECTORS_STACKS_FAULTS_H
#define COLLECTORS_STACKS_FAULTS_H

#include <culprit/collector.h>

#include "stacks_rows.h"

extern const struct culprit_table faults_table;

/* For stacks_rows_put(). */
void faults_put(void *ignored, struct culprit_frame *, const struct stacks_row *);

#endif
