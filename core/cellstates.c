#include "cellstates.h"

#include <stdlib.h>
#include <string.h>

void cellstates_init(struct cellstates *s, uint32_t ncolumns)
{
	memset(s, 0, sizeof(*s));
	s->ncolumns = ncolumns;
}

void cellstates_finish(struct cellstates *s)
{
	free(s->states);
	free(s->refs);
	free(s->index);
	memset(s, 0, sizeof(*s));
}

size_t cellstates_memory(const struct cellstates *s)
{
	return (size_t)s->cap * (s->ncolumns + 4) + (size_t)s->index_cap * 4;
}

static uint32_t hash(const uint8_t *states, uint32_t n)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ states[i]) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

/* Where it stands in the index, or the free place where it would. */
static uint32_t place_of(const struct cellstates *s, const uint8_t *states)
{
	uint32_t i = hash(states, s->ncolumns) & (s->index_cap - 1);

	while (s->index[i] && memcmp(cellstates_of(s, s->index[i] - 1), states, s->ncolumns))
		i = (i + 1) & (s->index_cap - 1);
	return i;
}

static int reindex(struct cellstates *s, uint32_t cap)
{
	uint32_t *index = calloc(cap, sizeof(*index));

	if (!index)
		return -1;
	free(s->index);
	s->index = index;
	s->index_cap = cap;
	for (uint32_t i = 0; i < s->n; i++) {
		if (!(s->refs[i] & CELLSTATES_FREE))
			s->index[place_of(s, cellstates_of(s, i))] = i + 1;
	}
	return 0;
}

/* A number nobody refers to. */
static uint32_t number_take(struct cellstates *s)
{
	if (s->free) {
		uint32_t number = s->free - 1;

		s->free = s->refs[number] & ~CELLSTATES_FREE;
		return number;
	}
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 8, *refs;
		uint8_t *states = realloc(s->states, (size_t)cap * s->ncolumns + 1);

		if (!states)
			return CELLSTATES_NONE;
		s->states = states;
		refs = realloc(s->refs, (size_t)cap * sizeof(*refs));
		if (!refs)
			return CELLSTATES_NONE;
		s->refs = refs;
		s->cap = cap;
	}
	return s->n++;
}

uint32_t cellstates_take(struct cellstates *s, const uint8_t *states)
{
	uint32_t at, number;

	if (s->index_cap < 4 * (s->nused + 1) && reindex(s, s->index_cap ? s->index_cap * 2 : 16))
		return CELLSTATES_NONE;
	at = place_of(s, states);
	if (s->index[at])
		return cellstates_share(s, s->index[at] - 1);
	number = number_take(s);
	if (number == CELLSTATES_NONE)
		return number;
	memcpy(s->states + (size_t)number * s->ncolumns, states, s->ncolumns);
	s->refs[number] = 1;
	s->nused++;
	s->index[at] = number + 1;
	return number;
}

void cellstates_drop(struct cellstates *s, uint32_t number)
{
	uint32_t mask = s->index_cap - 1, hole, i;

	if (number == CELLSTATES_NONE || --s->refs[number])
		return;
	s->nused--;
	/* Close the gap: move back what would no longer be found. */
	hole = i = place_of(s, cellstates_of(s, number));
	for (i = (i + 1) & mask; s->index[i]; i = (i + 1) & mask) {
		uint32_t home = hash(cellstates_of(s, s->index[i] - 1), s->ncolumns) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			s->index[hole] = s->index[i];
			hole = i;
		}
	}
	s->index[hole] = 0;
	s->refs[number] = CELLSTATES_FREE | s->free;
	s->free = number + 1;
}

void cellstates_clear(struct cellstates *s)
{
	if (s->index)
		memset(s->index, 0, s->index_cap * sizeof(*s->index));
	s->n = s->nused = s->free = 0;
}
