/* What all sources share. */
#include "source.h"

#include "segment.h"

void source_destroy(struct source *source)
{
	if (!source)
		return;
	/* Who still holds one keeps it, alone. */
	while (source->segments)
		segment_part(source->segments);
	wbuf_finish(&source->frame);
	source->ops->destroy(source);
}
