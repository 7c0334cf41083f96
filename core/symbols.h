/* Processes' code, modules, unwind rows and names: what makes addresses mean something. Nothing here blocks the caller: what
 * must be read (mappings, ELF files, kallsyms, perf maps) is read by a thread of its own, and a question gives what is known
 * now. A counter says when asking again may tell more. A reader that gets stuck (dead NFS, a target that holds its
 * mmap_lock) is left alone and another one takes over, at most SYMBOLS_WORKERS. Names wait in a queue of their own: what
 * stacks are walked by does not queue behind them.
 *
 * A module is one file as it was built (same build-id: same module, wherever it is mounted), the kernel or one of its
 * modules, the vdso, or the generated code of one process. Its number is unique for the life of this object. May be used
 * from any thread. Unwind rows are made, handed over and not kept. Names are kept compressed and bounded in bytes: those least
 * used are given up and made again when asked for. Of a process's mappings only what addresses need is kept. */
#ifndef CORE_SYMBOLS_H
#define CORE_SYMBOLS_H

#include <culprit/host.h>

#include "symfile.h"

enum {
	SYMBOLS_WORKERS = 8,
	SYMBOLS_STUCK_MS = 2000,     /* a job may take so long before another worker is started */
	SYMBOLS_PROCESSES = 4096,    /* remembered at once, */
	SYMBOLS_MAPS = 1 << 16,      /* and so many mappings of all of them: 2 MiB */
	SYMBOLS_MODULES = 1 << 16,
	SYMBOLS_QUEUE = 8192,
	SYMBOLS_FILES = 256,         /* files kept open until their tables are made */
	SYMBOLS_SEEN = 4096,         /* files known by their inode */
	SYMBOLS_MAP_RETRY_MS = 2000, /* a perf map is looked at again after this */
	SYMBOLS_BYTES = 8 << 20,     /* of tables of names, and of rows, by default */
	SYMBOLS_AGAIN = 100,         /* what was given up is read again after so many times what reading it took */
	SYMBOLS_KALLSYMS_AGAIN_MS = 60000, /* kallsyms (50 ms) is read again for an address that it lacks after this, doubled each time */
	SYMBOLS_MAPS_RETRY_MS = 500, /* mappings are read again for an unknown address after this, doubled each time */
};

struct symbols;

struct symbols_options {
	int proc_fd;       /* borrowed; -1: nothing is known of anybody */
	size_t bytes_max;  /* of tables of names, and again of rows; 0: SYMBOLS_BYTES */
	bool here;         /* no thread: questions are answered on the calling thread, and may block. For tests and verbs */
};

struct symbols *symbols_create(const struct symbols_options *); /* NULL: out of memory or threads */
void symbols_destroy(struct symbols *);                         /* NULL-safe */

/* Counts up whenever an answer may have changed. */
uint64_t symbols_generation(const struct symbols *);
/* Waits until nothing is to be done, but at most `ns`. false: still at work. */
bool symbols_settle(struct symbols *, uint64_t ns);

/* See culprit_host for these. */
int symbols_code(struct symbols *, uint32_t pid, uint32_t flags, struct culprit_mapping *, uint32_t cap, uint32_t *ret_n,
		 uint64_t *ret_generation);
int symbols_locate(struct symbols *, uint32_t pid, const uint64_t *addresses, uint32_t n, struct culprit_code *);
int symbols_unwind(struct symbols *, uint32_t module, const struct culprit_unwind_row **, uint32_t *ret_n);
void symbols_unwind_release(struct symbols *, uint32_t module);
uint32_t symbols_rules(struct symbols *, uint32_t from, struct culprit_unwind_rule *, uint32_t cap);

/* See culprit_host.stack_walk. */
int symbols_walk(struct symbols *, uint32_t pid, const struct culprit_registers *, const void *stack, size_t bytes, uint64_t *pcs,
		 uint32_t cap, uint32_t *ret_n, uint32_t *ret_end);

/* A module. Borrowed, the same for the life of `symbols`. NULL: no such number. */
struct symbols_module {
	const char *name; /* path in the process's own root when first seen; "[kernel]", "[ext4]", "[vdso]", "[jit 1234]" */
	uint32_t kind;    /* enum culprit_module_kind */
	uint32_t build_id_len;
	uint8_t build_id[SYMFILE_BUILD_ID_MAX];
	uint32_t pid;     /* generated code: whose */
};
const struct symbols_module *symbols_module(struct symbols *, uint32_t module);
/* The module of a file named by path, opened below the host's root; for tools. 0: none. Blocks where `here`. */
uint32_t symbols_module_of_file(struct symbols *, const char *path, struct culprit_error *);

/* A place that has this name in a module of this name and kind: how profiles of other tools get names. Each call makes another
 * one. 0, -ENOMEM, -E2BIG. */
int symbols_named(struct symbols *, const char *module, size_t module_len, uint32_t kind, const char *name, size_t name_len,
		  struct culprit_code *);

struct symbol {
	uint64_t start, size; /* places in the module; size 0: not known */
	size_t name_len;      /* of the whole name; what was written is at most cap - 1 */
};
/* The function at this place: its name as the file has it, NUL-terminated. 0; -EINPROGRESS: not known yet; -ENOENT: it has
 * no name. */
int symbols_lookup(struct symbols *, uint32_t module, uint64_t offset, struct symbol *, char *name, size_t cap);

/* Whether a process has generated code without a map of it, and so which command would name it: true with a sentence. */
bool symbols_jit_help(struct symbols *, uint32_t module, char *sentence, size_t cap);

struct symbols_stats {
	uint32_t modules, processes, queued, workers, stuck;
	size_t bytes, maps;
	uint64_t unwind_tables, symbol_tables, evicted, forgotten, failed, dropped;
};
/* CPU time that reading files has taken, each once: what measuring less would not save. */
uint64_t symbols_once_ns(const struct symbols *);
void symbols_stats(struct symbols *, struct symbols_stats *);

#endif
