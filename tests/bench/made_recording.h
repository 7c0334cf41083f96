/* A made-up machine with the tables of the built-in collectors: so many processes, of which so many are busy, CPUs, disks;
 * processes come and go, counters fall, cells are unread, events happen. For recordings of a day in a minute, and for soaks:
 * no clock, no /proc; the same seed gives the same bytes. */
#ifndef BENCH_MADE_RECORDING_H
#define BENCH_MADE_RECORDING_H

#include "writer.h"

struct made;

struct made *made_create(uint32_t processes, uint32_t busy); /* NULL: out of memory, or a schema that is refused */
void made_destroy(struct made *);
struct writer *made_writer(struct made *);
/* One frame, `step_ns` after the one before, to all sinks of the writer. 0, or -errno. */
int made_tick(struct made *, uint64_t step_ns);
int64_t made_wall_ns(const struct made *);

#endif
