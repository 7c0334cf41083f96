/* Shared by symline.c (asks), symline_helper.c (the process that answers) and symline_dwarf.c (what it answers from). */
#ifndef CORE_SYMLINE_INTERNAL_H
#define CORE_SYMLINE_INTERNAL_H

#include "symline.h"

enum { SYMLINE_BUILD_ID = 16 }; /* bytes of a build-id that tell files apart */

/* A file, as the helper is told of it. */
struct symline_file_is {
	uint32_t pid; /* 0: none that maps it is known */
	uint32_t build_id_len; /* at most SYMLINE_BUILD_ID; 0: it has none */
	uint8_t build_id[SYMLINE_BUILD_ID];
	char path[CULPRIT_SOURCE_PATH + 1];
};

struct symline_question {
	uint32_t serial, reserved;
	uint64_t offset; /* in the file */
};

struct symline_answer {
	uint32_t serial;
	int32_t result; /* 0 or -errno: then `why` says it */
	uint32_t line;  /* 0: not known */
	char function[CULPRIT_SOURCE_FUNCTION + 1];
	char file[CULPRIT_SOURCE_PATH + 1];
	char inlined[CULPRIT_SOURCE_INLINED + 1];
	char why[CULPRIT_SOURCE_WHY + 1];
};

struct symline_file;

/* Finds and opens the file and its debug information; blocks. NULL: `why` says so, and errno. */
struct symline_file *symline_open(int proc_fd, const struct symline_file_is *, char why[CULPRIT_SOURCE_WHY + 1]);
void symline_close(struct symline_file *); /* NULL-safe */
/* The line of a place; strings of the answer are NUL-terminated. */
void symline_find(struct symline_file *, uint64_t offset, struct symline_answer *);

#endif
