/* What all sources share. */
#include "source.h"

void source_destroy(struct source *source)
{
	if (source)
		source->ops->destroy(source);
}
