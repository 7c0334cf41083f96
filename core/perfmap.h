/* Names of generated code, as runtimes write them: /tmp/perf-PID.map, lines of `START SIZE name` in hexadecimal. Anybody may
 * have written it: bounded, checked, taken only from the process's own user or root. */
#ifndef CORE_PERFMAP_H
#define CORE_PERFMAP_H

#include <sys/types.h>

#include "symtab.h"

enum { PERFMAP_BYTES_MAX = 128 << 20 };

struct perfmap_stamp {
	uint64_t size, inode;
	int64_t mtime_ns;
};

/* 0 or -ENOMEM; what is no such line is left out. Later lines count where code was generated anew. */
int perfmap_parse(struct symtab *, const char *text, size_t n);
/* Reads the map of a process, in its own root and PID namespace, unless it is as `stamp` says (-EALREADY). -ENOENT: there is
 * none; -EPERM: of another user. Blocks. */
int perfmap_read(int proc_fd, uint32_t pid, struct perfmap_stamp *, struct symtab *ret);

#endif
