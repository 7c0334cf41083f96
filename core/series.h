/* One number over time, for charts and sparklines: a raw or derived column of one row, or its sum over all rows, in
 * buckets that are whole, wall-aligned multiples of ticks, so that charts do not shift with every tick. Derived values
 * are tick to tick. What complete segments gave is remembered in the view. */
#ifndef CORE_SERIES_H
#define CORE_SERIES_H

#include "value.h"
#include "view.h"

struct series_bucket {
	bool data; /* there was a value in it */
	uint32_t ticks; /* how many */
	double min, max, mean, last;
};

struct series_request {
	char table[32], column[32];
	struct row_key key; /* n == 0: sum over all rows */
};

struct series {
	/* Bucket i covers (from + i * step, from + (i + 1) * step]. Where that would lie before 0, it wraps. */
	uint64_t from_ns, step_ns;
	size_t n;
	uint8_t unit;
	struct series_bucket *buckets; /* n; the caller's */
};

/* Bucket length that puts [from, to] into at most `n` buckets: a whole multiple of tick_ns out of 1, 2, 5, 10, 15, 30,
 * 60, 120 ... ticks. */
uint64_t series_step(uint64_t from_ns, uint64_t to_ns, size_t n, uint64_t tick_ns);

/* Fills nrequests series at once: `n` buckets each of step_ns, the last one holding to_ns, aligned to wall multiples of
 * step_ns. Each out[i].buckets has room for n. 0; -ENODATA: no frames; -ENOMEM; -ESTALE. A table or column that is not
 * there gives buckets without data. */
int series_run(struct view *, const struct series_request *, size_t nrequests, uint64_t to_ns, uint64_t step_ns, size_t n,
	       struct series *out, struct culprit_error *);
/* Tick of what is recorded (the host block's interval; 1 s where not known). */
uint64_t series_tick_ns(struct view *);

#endif
