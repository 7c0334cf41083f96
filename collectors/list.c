#include "builtin.h"

const struct culprit_collector *const culprit_builtin[] = {
	NULL,
};
