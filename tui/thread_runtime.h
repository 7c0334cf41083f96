/* One sentence on what the kernel cannot see of a process's threads, out of the table `runtime`, which is collected while they are
 * looked at. */
#ifndef TUI_THREAD_RUNTIME_H
#define TUI_THREAD_RUNTIME_H

#include "lens.h"
#include "query.h"
#include "view.h"

struct thread_runtime {
	struct query *query;
	struct view *view;    /* that query is of */
	const char *sentence; /* NULL: nothing to say */
};

void thread_runtime_finish(struct thread_runtime *);
/* Of the process that the lens is on. */
void thread_runtime_update(struct thread_runtime *, struct view *, const struct lens *);
/* By the name of a runtime, as the table has it; NULL: none that is known. */
const char *thread_runtime_sentence(const char *name, size_t len);

#endif
