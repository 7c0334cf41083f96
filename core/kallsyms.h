/* The kernel's functions, from the text of /proc/kallsyms. Kernel frames are named by module ("[kernel]", "[ext4]") and by
 * their distance from where it begins, so that they mean the same after the next boot. */
#ifndef CORE_KALLSYMS_H
#define CORE_KALLSYMS_H

#include <culprit/types.h>

#include "symtab.h"

enum { KALLSYMS_MODULES_MAX = 1024 };

struct kallsyms_module {
	char name[64]; /* with its brackets */
	uint64_t base, end; /* addresses of its first function, and beyond its last */
	uint64_t origin;    /* what its places are distances from: base; of "[bpf]", which comes and goes, where the kernel begins */
	struct symtab symbols;
};

struct kallsyms {
	struct kallsyms_module *modules; /* [0] is "[kernel]"; the others by address */
	size_t n;
	bool hidden; /* addresses read 0: kernel.kptr_restrict */
};

/* From a whole text. 0, -ENOMEM, -EBADMSG (nothing in it). */
int kallsyms_parse(struct kallsyms *, const char *text, size_t n);
/* Reads and parses; blocks. As above; -errno. */
int kallsyms_read(struct kallsyms *, int proc_fd);
void kallsyms_finish(struct kallsyms *);
/* NULL: no module holds this address. Programs of BPF stand between modules: "[bpf]" is who has it where no module does. */
const struct kallsyms_module *kallsyms_find(const struct kallsyms *, uint64_t address);

#endif
