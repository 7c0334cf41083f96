/* "Value after value" of docs/FORMAT.md: how a cell's number follows another one of its column. Shared by what writes frames, key frames
 * and summaries, and by what reads them. */
#ifndef CORE_CELLCODE_H
#define CORE_CELLCODE_H

#include "schema.h"
#include "wire.h"

enum {
	CELLCODE_THOUSAND = 1000,
};

/* What a column of thousands can hold, so that any two cells of it, a reason for one that was not read among them, differ by less than
 * 2^63: 146 years in ns. */
static const uint64_t CELLCODE_THOUSANDS_MAX = ((uint64_t)1 << 62) / CELLCODE_THOUSAND * CELLCODE_THOUSAND;

static inline void cell_put_after(struct wbuf *w, const struct schema_column *c, uint64_t before, uint64_t now)
{
	int64_t more = (int64_t)(now - before);

	if (c->type == CULPRIT_F64) {
		wbuf_varint(w, __builtin_bswap64(before ^ now));
	} else if (!(c->flags & CULPRIT_THOUSANDS)) {
		wbuf_zigzag(w, more);
	} else if (more % CELLCODE_THOUSAND == 0) {
		wbuf_varint(w, zigzag(more / CELLCODE_THOUSAND) << 1);
	} else { /* to the reason of a cell that was not read, or back */
		wbuf_varint(w, zigzag(more) << 1 | 1);
	}
}

static inline uint64_t cell_get_after(struct rbuf *r, const struct schema_column *c, uint64_t before)
{
	uint64_t word = rbuf_varint(r);

	if (c->type == CULPRIT_F64)
		return before ^ __builtin_bswap64(word);
	if (!(c->flags & CULPRIT_THOUSANDS))
		return before + (uint64_t)unzigzag(word);
	return before + (uint64_t)unzigzag(word >> 1) * (word & 1 ? 1 : CELLCODE_THOUSAND);
}

#endif
