/* The sandbox (core/sandbox.h) of the verbs that read recordings of others: which folders they still need. To be entered once
 * the files are open. */
#ifndef CLI_CONFINE_H
#define CLI_CONFINE_H

#include "options.h"
#include "sandbox.h"

/* Reading stays possible beside `file` (it may grow, or be a folder), --baseline, --keys, and of themes; writing, of the
 * console: where its marks are, its themes, its exports (the current folder) and --shots; of cut: where -o is. */
void confine(const struct options *, const char *file, struct sandbox_report *);

#endif
