#include "builtin.h"

extern const struct culprit_collector task_collector;

const struct culprit_collector *const culprit_builtin[] = {
	&task_collector,
	NULL,
};
