/* Gathers a segment's summary while its frames are sealed, so that its end costs one encoding and nothing is read again.
 * Takes no memory in steady state. Used by the builder; what a summary holds: summary.h. */
#ifndef CORE_SUMMARIZER_H
#define CORE_SUMMARIZER_H

#include "mirror.h"

struct summarizer;

struct summarizer *summarizer_create(void);
void summarizer_destroy(struct summarizer *);
/* A segment begins: all that was gathered is forgotten. */
void summarizer_begin(struct summarizer *);
/* A table as it is about to be sealed. `key`: all its rows are new to the segment. -ENOMEM. */
int summarizer_note(struct summarizer *, uint32_t table, const struct mirror *, bool key);
/* The SUMMARY block of `ntables` tables. */
void summarizer_encode(struct summarizer *, uint32_t ntables, struct wbuf *);
size_t summarizer_memory(const struct summarizer *);

#endif
