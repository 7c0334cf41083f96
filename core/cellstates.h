/* The states of a row's cells (absent, ok, unread), one byte a column. Rows of a table share few combinations: each is kept
 * once and counted, a row holds its number. */
#ifndef CORE_CELLSTATES_H
#define CORE_CELLSTATES_H

#include <stddef.h>
#include <stdint.h>

#define CELLSTATES_NONE UINT32_MAX
#define CELLSTATES_FREE 0x80000000u

struct cellstates {
	uint32_t ncolumns;
	uint32_t n, cap;
	uint8_t *states;  /* [number][column] */
	uint32_t *refs;   /* how many rows have it; of a free one: CELLSTATES_FREE | the next free one + 1 */
	uint32_t nused, free; /* free: the first one + 1 */
	uint32_t *index, index_cap; /* hash of states -> number + 1 */
};

void cellstates_init(struct cellstates *, uint32_t ncolumns);
void cellstates_finish(struct cellstates *);
/* Number of this combination, with one more reference to it; CELLSTATES_NONE: out of memory. Pointers into the table are
 * invalid after. */
uint32_t cellstates_take(struct cellstates *, const uint8_t *states);
void cellstates_drop(struct cellstates *, uint32_t number); /* takes back one reference; of NONE: nothing */
/* All references are gone. */
void cellstates_clear(struct cellstates *);
size_t cellstates_memory(const struct cellstates *);

static inline uint32_t cellstates_share(struct cellstates *s, uint32_t number)
{
	s->refs[number]++;
	return number;
}

static inline const uint8_t *cellstates_of(const struct cellstates *s, uint32_t number)
{
	return s->states + (size_t)number * s->ncolumns;
}

#endif
