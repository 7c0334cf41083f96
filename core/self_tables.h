/* The tables that the sampler writes about itself: `collector` and `mark`. */
#ifndef CORE_SELF_TABLES_H
#define CORE_SELF_TABLES_H

#include <culprit/table.h>

enum collector_column {
	COLLECTOR_NAME,
	COLLECTOR_STATE,
	COLLECTOR_REASON,
	COLLECTOR_TABLES,
	COLLECTOR_ORIGIN,
	COLLECTOR_PERIOD,
	COLLECTOR_CPU,
	COLLECTOR_LAST,
	COLLECTOR_SAMPLES,
	COLLECTOR_FAILURES,
	COLLECTOR_LATE,
	COLLECTOR_ROWS,
	COLLECTOR_FOLDED,
	COLLECTOR_THINNING,
	COLLECTOR_HELP,
	COLLECTOR_MEMORY,
	COLLECTOR_KERNEL,
};
extern const struct culprit_table collector_table;

enum mark_column { MARK_TIME, MARK_KIND, MARK_TEXT };
extern const struct culprit_table mark_table;

#endif
