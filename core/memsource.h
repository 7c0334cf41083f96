/* Segments in plain memory: a sink for a writer and a source over the same bytes. For tests, and for `dump`, which takes
 * two ticks and ends. One thread. */
#ifndef CORE_MEMSOURCE_H
#define CORE_MEMSOURCE_H

#include "source.h"
#include "writer.h"

struct memsource;

struct memsource *memsource_create(void);   /* one reference; NULL: out of memory */
void memsource_unlock(struct memsource *);  /* NULL-safe */
/* Each holds a reference of its own. NULL: out of memory. */
struct sink *memsource_sink(struct memsource *);
struct source *memsource_source(struct memsource *);
/* Forgets the oldest n segments, as a ring would. */
void memsource_evict(struct memsource *, size_t n);
size_t memsource_segments(const struct memsource *);
/* Bytes of segment i, borrowed until the next write. */
const void *memsource_bytes(const struct memsource *, size_t i, size_t *ret_n);

#endif
