/* Filter expressions, the complete grammar:
 *
 *	or     = and { ("or" | "||") and }
 *	and    = not { ["and" | "&&"] not }          two terms side by side mean and
 *	not    = ("not" | "!") not | "(" or ")" | term
 *	term   = column op value | column            a bool column alone
 *	       | word | "quoted text"                free text: contained in any text column, case ignored
 *	op     = "=" "==" "!=" "<" "<=" ">" ">=" "~" "!~"
 *	value  = number with unit (2G, 5m, 50%, 10M/s, 5ms) | word | "quoted text"
 *
 * "~" is a POSIX extended regular expression that matches anywhere. A comparison with an absent or unread cell is false
 * (its "not" is true). Quoted text knows \" \\ \n \t \xHH. Bounded: 512 bytes, 64 deep, 64 terms, regular expressions
 * of 128 bytes. */
#ifndef CORE_FILTER_H
#define CORE_FILTER_H

#include "error.h"
#include "value.h"

enum { FILTER_LENGTH_MAX = 512, FILTER_DEPTH_MAX = 64, FILTER_TERMS_MAX = 64, FILTER_REGEX_MAX = 128 };

/* What there is to filter by. */
struct filter_columns {
	void *of;
	const char *table; /* for sentences */
	size_t n;
	/* Column i: its name; type and unit (enum culprit_type, culprit_unit). */
	const char *(*column)(void *of, size_t i, uint8_t *ret_type, uint8_t *ret_unit);
};

/* One row to look at. */
struct filter_row {
	void *of;
	void (*value)(void *of, size_t column, struct value *);
};

struct filter;

/* NULL: wrong (-EINVAL's sentence: position and what was expected), or out of memory. The columns are not kept. */
struct filter *filter_create(const char *text, const struct filter_columns *, struct culprit_error *);
void filter_destroy(struct filter *); /* NULL-safe */
bool filter_match(const struct filter *, const struct filter_row *);

/* Names near to `word` for a sentence: "; did you mean cpu?" or "". `name(of, i)` gives n names. */
const char *suggest(const char *word, size_t n, const char *(*name)(void *of, size_t i), void *of, char *buf, size_t cap);

#endif
