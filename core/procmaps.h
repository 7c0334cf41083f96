/* The code mappings of a process, from the text of /proc/PID/maps: what is mapped executable, where, of which file. Parses
 * text; who reads it and what is behind a mapping is procspace.h's business. */
#ifndef CORE_PROCMAPS_H
#define CORE_PROCMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum procmap_kind {
	PROCMAP_FILE = 1,
	PROCMAP_VDSO = 2,
	PROCMAP_GENERATED = 3, /* anonymous: code that a process made */
	PROCMAP_VSYSCALL = 4,
};

enum { PROCMAPS_MAX = 65536 }; /* the kernel's own bound of mappings of a process is 65530 by default */

struct procmap {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	uint64_t inode;
	uint32_t major, minor; /* of the file's device */
	uint32_t name, name_len; /* in procmaps.names; bytes as in the file, \012 undone */
	uint8_t kind;
	bool deleted;
};

/* init/finish; ascending by address. */
struct procmaps {
	struct procmap *maps;
	size_t n, cap;
	char *names;
	size_t names_len, names_cap;
	bool cut;          /* there were more than PROCMAPS_MAX */
	uint64_t readable; /* lines read, executable or not */
};

void procmaps_init(struct procmaps *);
void procmaps_finish(struct procmaps *);
void procmaps_clear(struct procmaps *); /* keeps the memory */
/* Takes in whole lines; what is not a line of maps is left out. 0 or -ENOMEM. */
int procmaps_parse(struct procmaps *, const char *text, size_t n);
/* The mapping that holds this address; NULL: none. */
const struct procmap *procmaps_find(const struct procmaps *, uint64_t address);
bool procmaps_same(const struct procmaps *, const struct procmaps *);

#endif
