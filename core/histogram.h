/* Arithmetic on the bucket counts of histograms: adding them up, what is to be said of a distribution in short. Counts
 * saturate at 2^64 - 1 instead of wrapping. Percentiles by interpolation: derive_percentile(). */
#ifndef CORE_HISTOGRAM_H
#define CORE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema.h"

/* Of a distribution, in the histogram's unit. */
struct histogram_stats {
	uint64_t n; /* things counted; where 0, the others are 0, too */
	double p50, p90, p99;
	double max;    /* upper edge of the highest slot that counted something: none was at or above it */
	bool max_open; /* that slot has no upper edge: `max` is its lower one, and there may be anything above it */
};

uint64_t histogram_sum(uint64_t a, uint64_t b);
void histogram_add(uint64_t *to, const uint64_t *counts, uint32_t slots);
/* Of slots [first, end). */
uint64_t histogram_count(const uint64_t *counts, uint32_t first, uint32_t end);
void histogram_describe(const struct schema_bounds *, const uint64_t *counts, struct histogram_stats *ret);
/* First and last slot that counted something; false: none. */
bool histogram_extent(const uint64_t *counts, uint32_t slots, uint32_t *ret_first, uint32_t *ret_last);
/* Do slots mean the same in both? */
bool histogram_same_bounds(const struct schema_bounds *, const struct schema_bounds *);

#endif
