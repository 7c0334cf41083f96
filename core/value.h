/* One answer: the value of a column of a row over a window, with what must be said beside it (unread and why, how old,
 * of how many). And the key of a row by content, which joins rows across tables, cursors, sources and recordings. A
 * value borrows from the query or cursor it came from. */
#ifndef CORE_VALUE_H
#define CORE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/types.h>

#include "format.h"

struct schema_bounds;
struct segment;

enum value_state {
	VALUE_ABSENT = FORMAT_CELL_ABSENT, /* there is none, or none over this window ("-") */
	VALUE_OK = FORMAT_CELL_OK,
	VALUE_UNREAD = FORMAT_CELL_UNREAD, /* could not be read; `reason` says why ("?") */
};

struct value {
	uint8_t state;
	uint8_t type; /* enum culprit_type; also set where absent or unread */
	uint8_t unit; /* enum culprit_unit */
	uint64_t age_ns; /* 0: fresh; else how long before the table's newest sample it was read */
	uint64_t n;      /* percentiles: how many things it is taken of; else 0 */
	const char *reason; /* unread only; not NUL-terminated */
	size_t reason_len;
	union {
		int64_t i;  /* CULPRIT_I64 */
		uint64_t u; /* CULPRIT_U64 */
		double f;   /* CULPRIT_F64 */
		bool b;     /* CULPRIT_BOOL */
		struct {
			const char *p; /* any bytes, not NUL-terminated */
			size_t len;
		} text;
		struct {
			const uint64_t *counts; /* bounds->count of them */
			const struct schema_bounds *bounds;
		} hist;
		struct {
			struct segment *segment; /* for segment_stack() */
			uint64_t id;
		} stack;
		struct {
			uint64_t tid, start_ticks;
		} task;
	};
};

/* The value as a number (bool: 0 or 1; histogram: the sum of its counts); false: it has none. */
bool value_number(const struct value *, double *ret);
/* Orders two values of one column: <0, 0, >0. Numbers by size, text by bytes; absent and unread compare equal to each
 * other; whether they come before or after is the caller's business (see value_ok). */
int value_compare(const struct value *, const struct value *);

static inline bool value_ok(const struct value *v)
{
	return v->state == VALUE_OK;
}

/* A row's key by content: numbers as they are, text, stacks and tasks by a hash of 64 bits and their length. A value:
 * copy it, keep it as long as you like. */
struct row_key {
	uint32_t n; /* cells; 0: none */
	uint64_t bits[4];
};

bool row_key_equal(const struct row_key *, const struct row_key *);
uint64_t row_key_hash(const struct row_key *);
/* What a text cell contributes to a key. */
uint64_t row_key_text(const void *bytes, size_t n);

#endif
