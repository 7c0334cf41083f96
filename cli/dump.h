/* `culprit dump TABLE`: rows of a query as a table for people, as JSON or as CSV, row by row. Works on any view; who fills
 * the view (two live ticks, a file, a ring) is not its business. */
#ifndef CLI_DUMP_H
#define CLI_DUMP_H

#include <stdio.h>

#include "lens.h"
#include "options.h"
#include "view.h"

/* The window of --from and --to, CLOCK_MONOTONIC; without them all that the view holds. 0; -ERANGE: nothing of it is recorded,
 * and the sentence names what is; -EINVAL: wrong usage; -ENODATA: no frames; all with a sentence. */
int options_window(struct view *, const struct options *, uint64_t *ret_from_ns, uint64_t *ret_to_ns, struct culprit_error *);

/* Sets the lens's window and scope from --from, --to, --pid, --tid, --cgroup, --filter. Without --from and --to: all that the
 * view holds. 0, or -errno with a sentence. */
int dump_lens(struct view *, const struct options *, const char *table, struct lens *, struct culprit_error *);

/* The scope and the filter alone, for any table: what the console starts with. */
int options_lens(const struct options *, struct lens *, struct culprit_error *);

/* Writes the table's rows. 0, also when nobody reads any more (EPIPE); -EINVAL: wrong usage (unknown column, filter);
 * -ENOENT: no such table; other -errno with a sentence. */
int dump_run(struct view *, const struct lens *, const struct options *, const char *table, FILE *,
	     struct culprit_error *);

#endif
