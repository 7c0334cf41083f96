/* Where functions begin in an ELF file, by name: for probes, which want a place in the file. Reads with pread() alone, believes nothing
 * and takes memory for the names of one table at most. Blocks as the file system does: not for the sampling thread.
 *
 * Not here: names of addresses (core/symbols.h). */
#ifndef COLLECTORS_ELF_FUNCTIONS_H
#define COLLECTORS_ELF_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_functions {
	uint64_t *offset; /* n of them, in the file; 0: it does not define that function for others */
	bool has_names;   /* of functions that are not exported: it is not stripped */
	bool is_go;       /* made by Go's linker */
};

/* Fills `ret` for n names; what it points to is the caller's. 0, -ENOEXEC: no 64-bit ELF file of this machine's kind, or -errno. */
int elf_functions_find(int fd, const char *const *names, size_t n, struct elf_functions *ret);

#endif
