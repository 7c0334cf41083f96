/* What parsing call frame information fills: the distinct rules of all files, and the rows of one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "unwind_cfi.h"

int unwind_rules_init(struct unwind_rules *t)
{
	static const struct culprit_unwind_rule none = {.cfa = CULPRIT_CFA_NONE}, unknown = {.cfa = CULPRIT_CFA_UNKNOWN};

	memset(t, 0, sizeof(*t));
	if (unwind_rules_intern(t, &none) != 0 || unwind_rules_intern(t, &unknown) != 1) {
		unwind_rules_finish(t);
		return -ENOMEM;
	}
	return 0;
}

void unwind_rules_finish(struct unwind_rules *t)
{
	free(t->rules);
	free(t->index);
	memset(t, 0, sizeof(*t));
}

static uint32_t rule_hash(const struct culprit_unwind_rule *rule)
{
	uint64_t words[3] = {0}, h = 0;

	memcpy(words, rule, sizeof(*rule));
	for (size_t i = 0; i < 3; i++) {
		h = (h ^ words[i]) * 0x9fb21c651e98df25u;
		h ^= h >> 29;
	}
	return (uint32_t)(h >> 16);
}

static bool rules_grow(struct unwind_rules *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 256, index_cap = cap * 2;
	struct culprit_unwind_rule *rules = realloc(t->rules, cap * sizeof(*rules));
	uint32_t *index;

	if (!rules)
		return false;
	t->rules = rules;
	index = malloc(index_cap * sizeof(*index));
	if (!index)
		return false;
	memset(index, 0xff, index_cap * sizeof(*index));
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t at = rule_hash(&rules[i]) & (index_cap - 1);

		while (index[at] != UINT32_MAX)
			at = (at + 1) & (index_cap - 1);
		index[at] = i;
	}
	free(t->index);
	t->index = index;
	t->index_cap = index_cap;
	t->cap = cap;
	return true;
}

uint32_t unwind_rules_intern(struct unwind_rules *t, const struct culprit_unwind_rule *rule)
{
	uint32_t at;

	if (t->n == t->cap && t->n < CFI_RULES_MAX && !rules_grow(t))
		return t->n ? 1 : UINT32_MAX;
	for (at = rule_hash(rule) & (t->index_cap - 1); t->index[at] != UINT32_MAX; at = (at + 1) & (t->index_cap - 1)) {
		if (!memcmp(&t->rules[t->index[at]], rule, sizeof(*rule)))
			return t->index[at];
	}
	if (t->n == CFI_RULES_MAX)
		return 1;
	t->rules[t->n] = *rule;
	t->index[at] = t->n;
	return t->n++;
}

int cfi_rows_add(struct cfi_rows *out, uint64_t pc, uint32_t rule)
{
	if (out->n == CFI_ROWS_MAX) {
		out->full = true;
		return 0;
	}
	if (out->n == out->cap) {
		size_t cap = out->cap ? out->cap * 2 : 4096;
		struct cfi_row *rows = realloc(out->rows, cap * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		out->rows = rows;
		out->cap = cap;
	}
	out->rows[out->n++] = (struct cfi_row){pc, rule};
	return 0;
}

void cfi_rows_finish(struct cfi_rows *rows)
{
	free(rows->rows);
	memset(rows, 0, sizeof(*rows));
}

enum { DIGIT = 11 /* bits */ };

/* By pc; at one pc the end of a description before the beginning of the next, so that the latter counts, and else as they were found.
 * Digit by digit, the lowest first: descriptions stand in thousands of short ascending runs, and comparing them was half of what a
 * large file took. 0 or -ENOMEM. */
static int rows_sort(struct cfi_rows *rows, uint64_t least, uint64_t most)
{
	struct cfi_row *from = rows->rows, *to = malloc(rows->n * sizeof(*to)), *other;
	size_t places[1 << DIGIT], sum;

	if (!to)
		return -ENOMEM;
	heap_populate(to, rows->n * sizeof(*to));
	/* -1: which of the two it is. */
	for (int shift = -1; shift < 64 && (shift < 0 || (most - least) >> shift); shift = shift < 0 ? 0 : shift + DIGIT) {
#define PLACE(row) (shift < 0 ? (row).rule != 0 : ((row).pc - least) >> shift & ((1 << DIGIT) - 1))
		memset(places, 0, sizeof(places));
		for (size_t i = 0; i < rows->n; i++)
			places[PLACE(from[i])]++;
		sum = 0;
		for (size_t i = 0; i < 1 << DIGIT; i++) {
			size_t n = places[i];

			places[i] = sum;
			sum += n;
		}
		for (size_t i = 0; i < rows->n; i++)
			to[places[PLACE(from[i])]++] = from[i];
#undef PLACE
		other = from;
		from = to;
		to = other;
	}
	free(to);
	rows->rows = from;
	rows->cap = rows->n;
	return 0;
}

int cfi_rows_settle(struct cfi_rows *rows)
{
	uint64_t least = UINT64_MAX, most = 0;
	bool sorted = true;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < rows->n; i++) {
		sorted = sorted && (!i || rows->rows[i - 1].pc < rows->rows[i].pc);
		least = rows->rows[i].pc < least ? rows->rows[i].pc : least;
		most = rows->rows[i].pc > most ? rows->rows[i].pc : most;
	}
	r = sorted ? 0 : rows_sort(rows, least, most);
	if (r)
		return r;
	for (size_t i = 0; i < rows->n; i++) {
		if (n && rows->rows[n - 1].pc == rows->rows[i].pc) {
			/* An end where the next begins gives way; of two beginnings the first stays. */
			if (rows->rows[n - 1].rule == 0)
				rows->rows[n - 1] = rows->rows[i];
			else
				continue;
		} else {
			rows->rows[n++] = rows->rows[i];
		}
		if (n > 1 && rows->rows[n - 1].rule == rows->rows[n - 2].rule)
			n--;
	}
	rows->n = n;
	return 0;
}
