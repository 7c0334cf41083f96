/* Call frame information (DWARF 5 section 6.4, LSB .eh_frame) made into rows. Works on bytes: where they come from is
 * symfile.h's business. The bytes are hostile: everything is bounded, and work is at most linear in their size. */
#ifndef CORE_UNWIND_CFI_H
#define CORE_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/unwind.h>

enum cfi_machine { CFI_X86_64 = 1, CFI_ARM64 = 2 };

enum {
	CFI_ROWS_MAX = 1 << 22,  /* rows of one file: 32 MiB */
	CFI_STATES_MAX = 16,     /* depth of remember_state */
	CFI_RULES_MAX = 1 << 16, /* distinct rules of all files together; further ones become CULPRIT_CFA_UNKNOWN */
};

/* Distinct rules, shared by all files; only ever appended to. Rule 0 is CFA_NONE, rule 1 CFA_UNKNOWN. */
struct unwind_rules {
	struct culprit_unwind_rule *rules;
	uint32_t n, cap;
	uint32_t *index; /* hash table of places in `rules`, ~0: empty */
	uint32_t index_cap;
};
int unwind_rules_init(struct unwind_rules *); /* -ENOMEM */
void unwind_rules_finish(struct unwind_rules *);
/* Place of this rule; that of CFA_UNKNOWN when there is no room for it. */
uint32_t unwind_rules_intern(struct unwind_rules *, const struct culprit_unwind_rule *);

/* What is to be parsed. */
struct cfi_section {
	const uint8_t *bytes;
	size_t size;
	uint64_t address; /* where it is loaded: pc-relative pointers count from there */
	uint64_t text, data; /* bases of text- and data-relative pointers; 0 where unknown */
	bool debug_frame; /* .debug_frame: ids and CIE pointers are made differently */
	bool swap;        /* not this machine's byte order: refused */
	enum cfi_machine machine;
};

/* A row while addresses are still those of the file's own address space. */
struct cfi_row {
	uint64_t pc;
	uint32_t rule;
};

struct cfi_rows {
	struct cfi_row *rows;
	size_t n, cap;
	size_t fdes;     /* descriptions read */
	size_t bad;      /* descriptions left out: damaged */
	bool full;       /* there were more than CFI_ROWS_MAX */
};
void cfi_rows_finish(struct cfi_rows *);
/* 0 or -ENOMEM; beyond CFI_ROWS_MAX it is left out and `full` says so. */
int cfi_rows_add(struct cfi_rows *, uint64_t pc, uint32_t rule);

/* Appends the rows of all descriptions in the section, in the order they are found, each description ended by a row of
 * rule 0. Damage leaves out what is damaged. 0, -ENOMEM, -EOPNOTSUPP (byte order). */
int cfi_parse(const struct cfi_section *, struct unwind_rules *, struct cfi_rows *);
/* Appends rows for a procedure linkage table of x86-64 that has no description, from its instructions; from one that is not
 * known on: CFA_UNKNOWN. 0 or -ENOMEM. (unwind_plt.c) */
int unwind_plt(const uint8_t *bytes, size_t size, uint64_t address, struct unwind_rules *, struct cfi_rows *);
/* The rule of the code on arm64 that handlers of signals return to. */
uint32_t unwind_sigreturn_rule(struct unwind_rules *);
/* Sorts by pc; where descriptions overlap the first one found counts; joins rows of equal rules. Keeps memory. */
int cfi_rows_settle(struct cfi_rows *);

#endif
