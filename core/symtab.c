#include "symtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void symtab_finish(struct symtab *t)
{
	free(t->entries);
	free(t->names);
	memset(t, 0, sizeof(*t));
}

int symtab_add(struct symtab *t, uint64_t start, uint64_t size, const char *name, size_t len, uint32_t rank)
{
	if (len > SYMTAB_NAME_MAX)
		len = SYMTAB_NAME_MAX;
	if (t->n == SYMTAB_ENTRIES_MAX || t->names_len + len + 1 > SYMTAB_NAMES_MAX) {
		t->cut = true;
		return 0;
	}
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct symtab_entry *entries = realloc(t->entries, cap * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		t->entries = entries;
		t->cap = cap;
	}
	if (t->names_len + len + 1 > t->names_cap) {
		size_t cap = (t->names_cap ? t->names_cap * 2 : 8192) + len + 1;
		char *names = realloc(t->names, cap);

		if (!names)
			return -ENOMEM;
		t->names = names;
		t->names_cap = cap;
	}
	memcpy(t->names + t->names_len, name, len);
	t->names[t->names_len + len] = '\0';
	t->entries[t->n++] = (struct symtab_entry){.start = start, .size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
						   .name = (uint32_t)t->names_len, .rank = rank};
	t->names_len += len + 1;
	return 0;
}

static int order(const void *a, const void *b)
{
	const struct symtab_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if ((x->size != 0) != (y->size != 0))
		return x->size ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

void symtab_settle(struct symtab *t)
{
	size_t n = 0;

	if (t->n)
		qsort(t->entries, t->n, sizeof(*t->entries), order);
	for (size_t i = 0; i < t->n; i++) {
		if (n && t->entries[n - 1].start == t->entries[i].start) {
			if (!t->entries[n - 1].size)
				t->entries[n - 1].size = t->entries[i].size;
			continue;
		}
		t->entries[n++] = t->entries[i];
	}
	t->n = n;
	if (n && n < t->cap) {
		struct symtab_entry *less = realloc(t->entries, n * sizeof(*less));

		t->entries = less ? less : t->entries;
		t->cap = less ? n : t->cap;
	}
	if (t->names_len && t->names_len < t->names_cap) {
		char *less = realloc(t->names, t->names_len);

		t->names = less ? less : t->names;
		t->names_cap = less ? t->names_len : t->names_cap;
	}
}

const struct symtab_entry *symtab_find(const struct symtab *t, uint64_t place, uint64_t *ret_end)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->entries[mid].start <= place)
			low = mid + 1;
		else
			high = mid;
	}
	/* A function may hold others (labels, outlined parts) that end before this place: look a little further back. */
	for (size_t back = 0; back < SYMTAB_BACK && back < low; back++) {
		const struct symtab_entry *e = &t->entries[low - 1 - back];
		uint64_t next = low - back < t->n ? t->entries[low - back].start : UINT64_MAX;

		if (!e->size && back)
			continue;
		if (!e->size || place - e->start < e->size) {
			*ret_end = e->size ? e->start + e->size : next;
			return e;
		}
	}
	return NULL;
}

size_t symtab_memory(const struct symtab *t)
{
	return t->cap * sizeof(*t->entries) + t->names_cap;
}
