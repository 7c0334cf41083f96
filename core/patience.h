/* How long who asks will wait for what takes long: asked between two pieces of it (frames that a cursor decodes). What was done by
 * then is kept, so that asking again goes on with it; each time one piece at least is done. */
#ifndef CORE_PATIENCE_H
#define CORE_PATIENCE_H

#include <stdbool.h>

struct patience {
	bool (*over)(void *of); /* true: no more of it now */
	void *of;
};

#endif
