/* Publishing what is recorded as a ring that consoles attach to: where it is put, who may read it, what that means, said
 * once on standard error. Not here: the ring itself (ring.h), who is believed (ring_place.h). */
#ifndef CLI_PUBLISH_H
#define CLI_PUBLISH_H

#include "options.h"
#include "ring.h"
#include "ring_marks.h"
#include "sampler.h"
#include "writer.h"

struct publish {
	struct ring *ring;
	struct sink *sink; /* the writer's */
	struct ring_marks marks;
	uint64_t trouble_ns; /* when its last trouble was said */
};

/* Makes the ring of --ring, --group and --history and gives it to the writer; without --ring it does nothing. Says where it is
 * and that it shows command lines. -errno with a sentence: another recorder has the name, no folder, no such group. */
int publish_open(struct publish *, const struct options *, struct writer *, struct culprit_error *);
/* Before each tick: marks that consoles asked for are set with it. */
void publish_marks(struct publish *, struct sampler *);
/* After each tick: says what has befallen the ring (it was cut short, and made anew), at most once a minute. It never ends a
 * recording. */
void publish_check(struct publish *, struct writer *);
/* NULL-safe in what it holds; after the writer has gone (it ends the ring). */
void publish_close(struct publish *);

#endif
