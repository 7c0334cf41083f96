/* The functions of one module, sorted: where each begins, how long it is, its name as the file has it (mangled). Made by who
 * reads ELF files, kallsyms, perf maps; a plain value after settle. Sizes are bounded: names and entries of hostile files. */
#ifndef CORE_SYMTAB_H
#define CORE_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SYMTAB_ENTRIES_MAX = 4 << 20,
	SYMTAB_NAMES_MAX = 512 << 20, /* bytes of all names */
	SYMTAB_NAME_MAX = 4095,       /* a longer name is cut */
	SYMTAB_BACK = 16,             /* so many functions before a place are looked at for one that holds it */
};

struct symtab_entry {
	uint64_t start;
	uint32_t size;  /* 0: up to the next one */
	uint32_t name;  /* in names; NUL-terminated there */
	uint32_t rank;  /* of several at one place the highest stays */
};

/* init is all zeros. */
struct symtab {
	struct symtab_entry *entries;
	size_t n, cap;
	char *names;
	size_t names_len, names_cap;
	bool cut; /* something was left out */
};

void symtab_finish(struct symtab *);
/* 0, -ENOMEM; beyond the bounds it is left out and `cut` says so. */
int symtab_add(struct symtab *, uint64_t start, uint64_t size, const char *name, size_t len, uint32_t rank);
/* Sorts; leaves one entry a place; gives back spare memory. */
void symtab_settle(struct symtab *);
/* The function that holds this place; NULL: none. `ret_end`: where it ends (of entries without a size, the next one's
 * start; UINT64_MAX: none follows). */
const struct symtab_entry *symtab_find(const struct symtab *, uint64_t place, uint64_t *ret_end);
static inline const char *symtab_name(const struct symtab *t, const struct symtab_entry *e)
{
	return t->names + e->name;
}
size_t symtab_memory(const struct symtab *);

#endif
