/* Who looks at stacks in tests: a collector of them sampled on this machine, and the flame of one process in what it said. */
#ifndef SUPPORT_STACK_LOOK_H
#define SUPPORT_STACK_LOOK_H

#include <stdbool.h>
#include <sys/types.h>

#include <culprit/collector.h>

#include "flame.h"
#include "memsource.h"
#include "sampler.h"
#include "view.h"

struct looker {
	const struct culprit_collector *only[2];
	struct sampler *sampler;
	struct memsource *mem;
	struct view *view;
	struct flame *flame;
	struct culprit_error error;
	uint64_t lost; /* of the whole table, in the window of look_fill() */
	int proc_fd, sys_fd;
};

/* Skips the running test with the reason where the collector cannot work here. For look_away(). */
void look(struct looker *, const struct culprit_collector *, unsigned stack_hz);
void look_away(struct looker *);
/* n samples with so many ms after each. */
void look_ticks(struct looker *, unsigned n, long ms);
/* The flame of one process by this way to look (flame_lenses), of the last `ns` (0: of all that is there); `reason` NULL: for
 * any. Idle waits count. */
struct flame_summary look_fill(struct looker *, const char *lens, pid_t pid, uint64_t ns, const char *reason);
/* The same, of rows for which a filter holds; NULL: of all. pid 0: of any process, then with a filter. */
struct flame_summary look_fill_rows(struct looker *, const char *lens, pid_t pid, uint64_t ns, const char *filter);
/* Weight in and below a function of the flame that was filled last. */
double look_total(const struct looker *, const char *name);
/* Why there are no rows of this table; "": it is measured. Borrowed until the next call. */
const char *look_why(struct looker *, const char *table);

/* Is there a row of this table whose text in that column is not empty, at the end? It is printed. */
bool look_has_text(struct looker *, const char *table, const char *column);

#endif
