/* One ELF file, opened to be read: which build it is, where its parts are loaded, its call frame information, its
 * sections. The only user of libelf, with the other sym*.c. Read with pread, never mapped: a file that is cut short
 * meanwhile must not kill us. Files are hostile: what is wrong in them gives an error or nothing. */
#ifndef CORE_SYMFILE_H
#define CORE_SYMFILE_H

#include <culprit/types.h>

#include "symtab.h"
#include "unwind_table.h"

struct symfile;

enum {
	SYMFILE_BUILD_ID_MAX = 32,       /* bytes; longer ones are cut */
	SYMFILE_SECTION_MAX = 512 << 20, /* bytes of a section as loaded; larger ones are not read */
};

/* Takes the descriptor over, also on failure. NULL: not an ELF file of a 64-bit machine we know (-ENOEXEC), unreadable, out of
 * memory: `error` says which, and errno. */
struct symfile *symfile_open(int fd, struct culprit_error *);
/* From memory (a vdso, a decompressed file), which is borrowed until close. */
struct symfile *symfile_open_memory(const void *bytes, size_t n, struct culprit_error *);
void symfile_close(struct symfile *); /* NULL-safe */

enum cfi_machine symfile_machine(const struct symfile *);
/* Bytes of its build-id, 0: it has none. */
size_t symfile_build_id(const struct symfile *, uint8_t id[SYMFILE_BUILD_ID_MAX]);
/* Between addresses as its symbols have them and offsets in the file; false: not in what is loaded. */
bool symfile_offset(const struct symfile *, uint64_t address, uint64_t *ret_offset);
bool symfile_address(const struct symfile *, uint64_t offset, uint64_t *ret_address);

/* Makes the rows. 0, also where it has no call frame information (no rows); -ENOMEM. */
int symfile_unwind(struct symfile *, struct unwind_rules *, struct unwind_table *, struct culprit_error *);

enum symfile_origin {
	SYMFILE_NOTHING,
	SYMFILE_SYMTAB,
	SYMFILE_DEBUG,     /* its debug file */
	SYMFILE_MINIDEBUG, /* .gnu_debugdata */
	SYMFILE_DYNSYM,
};

/* Its functions, by offset in the file; where it has none, no entries. Of a stripped file also those that nothing names: with an
 * empty name, as far as its unwind information knows them. `root_fd`: the root folder in which its debug file may
 * be, beside the host's; -1: none. `path`: its own, for .gnu_debuglink; may be NULL. 0 or -ENOMEM. Opens files: blocks. */
int symfile_symbols(struct symfile *, int root_fd, const char *path, struct symtab *ret, enum symfile_origin *);
/* Its debug file, checked by build-id or checksum. NULL: none. */
struct symfile *symfile_debug(struct symfile *, int root_fd, const char *path);

#endif
