#include "unwind_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

void unwind_table_finish(struct unwind_table *t)
{
	free(t->rows);
	memset(t, 0, sizeof(*t));
}

int unwind_pack_make(struct unwind_pack *p, const struct unwind_table *t)
{
	struct wbuf w;
	uint32_t pc = 0;
	uint8_t *less;

	memset(p, 0, sizeof(*p));
	wbuf_init(&w);
	for (size_t i = 0; i < t->n; i++) {
		wbuf_varint(&w, t->rows[i].pc - pc);
		wbuf_varint(&w, t->rows[i].rule);
		pc = t->rows[i].pc;
	}
	if (w.err) {
		wbuf_finish(&w);
		return -ENOMEM;
	}
	less = w.len ? realloc(w.data, w.len) : NULL;
	*p = (struct unwind_pack){.bytes = less ? less : w.data, .n = w.len, .nrows = t->n};
	return 0;
}

int unwind_pack_open(const struct unwind_pack *p, struct unwind_table *t)
{
	struct rbuf r;
	uint32_t pc = 0;

	memset(t, 0, sizeof(*t));
	t->rows = malloc((p->nrows ? p->nrows : 1) * sizeof(*t->rows));
	if (!t->rows)
		return -ENOMEM;
	rbuf_init(&r, p->bytes, p->n);
	for (size_t i = 0; i < p->nrows; i++) {
		pc += (uint32_t)rbuf_varint(&r);
		t->rows[i] = (struct culprit_unwind_row){pc, (uint32_t)rbuf_varint(&r)};
	}
	t->n = p->nrows;
	return 0;
}

void unwind_pack_finish(struct unwind_pack *p)
{
	free(p->bytes);
	memset(p, 0, sizeof(*p));
}

uint32_t unwind_table_rule(const struct unwind_table *t, uint64_t offset)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->rows[mid].pc <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? t->rows[low - 1].rule : 0;
}
