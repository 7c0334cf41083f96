#include "histogram.h"

#include <string.h>

#include "derive.h"

uint64_t histogram_sum(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void histogram_add(uint64_t *to, const uint64_t *counts, uint32_t slots)
{
	for (uint32_t i = 0; i < slots; i++)
		if (counts[i])
			to[i] = histogram_sum(to[i], counts[i]);
}

uint64_t histogram_count(const uint64_t *counts, uint32_t first, uint32_t end)
{
	uint64_t n = 0;

	for (uint32_t i = first; i < end; i++)
		n = histogram_sum(n, counts[i]);
	return n;
}

bool histogram_extent(const uint64_t *counts, uint32_t slots, uint32_t *ret_first, uint32_t *ret_last)
{
	uint32_t first = 0, last = slots;

	while (first < slots && !counts[first])
		first++;
	if (first == slots)
		return false;
	while (!counts[last - 1])
		last--;
	*ret_first = first;
	*ret_last = last - 1;
	return true;
}

void histogram_describe(const struct schema_bounds *b, const uint64_t *counts, struct histogram_stats *s)
{
	uint32_t first, last;
	uint64_t n;

	memset(s, 0, sizeof(*s));
	if (!histogram_extent(counts, b->count, &first, &last))
		return;
	s->n = histogram_count(counts, first, last + 1);
	derive_percentile(b, counts, 50, &s->p50, &n);
	derive_percentile(b, counts, 90, &s->p90, &n);
	derive_percentile(b, counts, 99, &s->p99, &n);
	/* The last slot has no upper edge, whatever comes next in its row. */
	s->max_open = last + 1 == b->count;
	s->max = schema_edge(b, s->max_open ? last : last + 1);
}

bool histogram_same_bounds(const struct schema_bounds *a, const struct schema_bounds *b)
{
	if (a->kind != b->kind || a->count != b->count)
		return false;
	if (a->kind == CULPRIT_LINEAR)
		return a->start == b->start && a->step == b->step;
	return a->kind != CULPRIT_EDGES ||
	       (a->edges && b->edges && !memcmp(a->edges, b->edges, a->count * sizeof(*a->edges)));
}
