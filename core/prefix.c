#include "prefix.h"

const char culprit_prefix[] = CULPRIT_PREFIX;
