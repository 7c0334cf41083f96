/* Table `blockio`: stacks that ask block devices for something. */
#ifndef COLLECTORS_STACKS_BLOCKIO_H
#define COLLECTORS_STACKS_BLOCKIO_H

#include <culprit/collector.h>

#include "stacks_rows.h"

extern const struct culprit_table blockio_table;

/* Its own columns, of a row. */
void blockio_put(const struct culprit_host *, struct culprit_frame *, const struct stacks_row *);

#endif
