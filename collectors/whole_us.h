/* Of times that are added up, whole microseconds are kept: what is below is noise, and half of their bytes in a recording. */
#ifndef COLLECTORS_WHOLE_US_H
#define COLLECTORS_WHOLE_US_H

#include <culprit/types.h>

/* Flags of a column of this role and unit. */
#define WHOLE_US(role, unit)                                                                                           \
	(((role) == CULPRIT_COUNTER || (role) == CULPRIT_PEAK) && (unit) == CULPRIT_NS ? CULPRIT_THOUSANDS : 0)

#endif
