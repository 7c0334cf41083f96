/* Shared by core/sym*.c, which know libelf. */
#ifndef CORE_SYMFILE_INTERNAL_H
#define CORE_SYMFILE_INTERNAL_H

#include "symfile.h"

struct Elf;

enum { SYMFILE_SEGMENTS = 64 };

struct symfile_segment {
	uint64_t address, offset, size; /* size: in the file */
	bool code;
};

struct symfile {
	struct Elf *elf;
	int fd; /* -1: from memory */
	uint64_t file_size;
	enum cfi_machine machine;
	uint16_t type; /* ET_EXEC, ET_DYN, ET_REL */
	struct symfile_segment segments[SYMFILE_SEGMENTS];
	size_t nsegments;
	uint8_t build_id[SYMFILE_BUILD_ID_MAX];
	size_t build_id_len;
};

/* A section as bytes, decompressed; borrowed until close. */
struct symfile_section {
	const uint8_t *bytes;
	size_t size;
	uint64_t address;
};
/* false: there is none of this name, it has no bytes, or they can't be read. */
bool symfile_section(struct symfile *, const char *name, struct symfile_section *);
/* Whether there is one of this name with bytes in the file; they are not read. */
bool symfile_has_section(struct symfile *, const char *name);

/* Adds, to a settled table, the functions that its symbols do not name, each with an empty name; settles it. 0, -ENOMEM.
 * (symfile_frames.c) */
int symfile_frames(struct symfile *, struct symtab *);

#endif
