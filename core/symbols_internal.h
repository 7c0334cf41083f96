/* Shared by symbols.c (questions) and symbols_worker.c (what reads files). */
#ifndef CORE_SYMBOLS_INTERNAL_H
#define CORE_SYMBOLS_INTERNAL_H

#include <pthread.h>

#include "kallsyms.h"
#include "perfmap.h"
#include "procmaps.h"
#include "symbols.h"
#include "sympack.h"
#include "symtab.h"

/* GIVEN: made, handed over, and not kept; made again when asked for. EVICTED: given up for others. */
enum want { WANT_NOTHING, WANT_QUEUED, WANT_HERE, WANT_FAILED, WANT_EVICTED, WANT_GIVEN };

struct module {
	struct symbols_module is; /* constant once the number is given out */
	uint32_t number;
	char key[96]; /* which file this is: its build-id, or device, inode, size, time */
	size_t key_len;
	int fd;       /* -1: closed */
	uint64_t fd_used;
	uint8_t *image; /* vdso */
	size_t image_size;
	uint8_t unwind_want, symbols_want; /* enum want */
	struct unwind_table unwind; /* while somebody has them */
	struct unwind_pack packed;  /* of one that was asked for again: whoever has them has no room for all */
	bool given;                 /* its rows were handed over before */
	uint32_t pins;
	struct sympack symbols;
	struct symtab named; /* where made by symbols_named() */
	enum symfile_origin origin;
	uint64_t again_ms, rows_again_ms; /* symbols and rows that were given up are made again from then on */
	uint64_t used;
	uint32_t root_pid; /* in whose root its debug file may be */
	/* Generated code. */
	struct perfmap_stamp stamp;
	uint64_t map_read_ns;
	bool map_queued, map_known;
	bool made; /* by symbols_named() */
	uint32_t kernel_index; /* of kallsyms.modules; UINT32_MAX: of none */
};

struct process {
	uint32_t pid;
	uint8_t want;
	bool gone, again;
	int err; /* of the last read */
	struct code_map *maps; /* ascending */
	uint32_t nmaps;
	uint64_t same; /* hash of all that its maps said */
	uint64_t generation; /* of its maps; 0: not known. Each is given out once, whoever's */
	uint64_t used, read_ns, retry_ms;
};

/* Code of a process: what is left of a line of its maps. */
struct code_map {
	uint64_t start, end, offset;
	uint32_t module;
};

enum job_kind { JOB_KALLSYMS, JOB_PROCESS, JOB_UNWIND, JOB_SYMBOLS, JOB_PERFMAP };
struct job {
	uint8_t kind;
	uint32_t of; /* pid or module */
};

/* Names can wait, what stacks are walked by can't: while a large file's symbols are read, samples of what has just begun would
 * all be cut. So there are two queues, each with workers of its own. */
enum job_class { JOBS_WALK, JOBS_NAMES, JOB_CLASSES };
struct jobs {
	struct job queue[SYMBOLS_QUEUE];
	uint32_t head, tail, workers;
	pthread_cond_t work;
};

/* A file that was seen mapped, so that it need not be opened for each process that maps it. */
struct seen_file {
	uint64_t dev, ino, size, mtime_ns, ctime_ns;
	uint32_t module; /* 0: free; SEEN_NO_ELF */
};
#define SEEN_NO_ELF UINT32_MAX

struct symbols {
	struct symbols_options options;
	pthread_mutex_t mutex;
	pthread_cond_t idle;
	pthread_t threads[SYMBOLS_WORKERS];
	uint8_t worker_class[SYMBOLS_WORKERS]; /* enum job_class */
	uint64_t busy_since[SYMBOLS_WORKERS]; /* 0: waits */
	uint32_t workers;
	bool stop;
	struct jobs jobs[JOB_CLASSES];
	uint32_t working;
	struct seen_file seen[SYMBOLS_SEEN]; /* by a hash; the last one stays */
	struct module **modules; /* [number - 1] */
	uint32_t nmodules, modules_cap;
	uint32_t *by_key; /* hash of numbers; 0: empty */
	uint32_t by_key_cap;
	struct process **processes; /* open addressing, SYMBOLS_PROCESSES * 2; NULL: free */
	uint32_t nprocesses;
	size_t maps; /* of all of them */
	struct unwind_rules rules;
	struct kallsyms kallsyms; /* without its symbols: those are in */
	struct sympack *kernel_symbols; /* one a module */
	struct sympack_cache *cache;
	bool kallsyms_read, kallsyms_queued;
	uint64_t kallsyms_again_ms, kallsyms_wait_ms; /* when it may be read anew for what is not in it */
	uint64_t generation, maps_generation, clock, once_ns;
	size_t bytes;
	struct symbols_stats stats;
};

/* All with the mutex held. */
void symbols_queue(struct symbols *, uint8_t kind, uint32_t of);
struct process *symbols_process(struct symbols *, uint32_t pid, bool make);
struct module *symbols_module_get(struct symbols *, uint32_t number);
/* The module of this key, or a new one with it (ret_new). NULL: no room. */
struct module *symbols_module_intern(struct symbols *, const char *key, size_t len, bool *ret_new);
void symbols_trim(struct symbols *);
/* Forgets those asked for least lately until the mappings of all are few enough; not `keep`. */
void symbols_trim_processes(struct symbols *, const struct process *keep);
/* Does one job; takes and leaves the mutex held, works without it. */
void symbols_job(struct symbols *, struct job);
uint64_t symbols_now_ms(void);
/* A process whose mappings are known; else NULL, and they are being read. */
struct process *symbols_process_known(struct symbols *, uint32_t pid);
/* An address of it is in none of its mappings: they may have changed. */
void symbols_process_missed(struct symbols *, struct process *);
/* Where its address is mapped; NULL: nowhere. */
const struct code_map *symbols_map_find(const struct process *, uint64_t address);
/* Wants its unwind rows. 0: they are here; -EINPROGRESS; -ENOEXEC: it has none; -ENOENT: it can't. `kept`: they are looked at again
 * and again where they are, so that those given up for others are made anew only after a while (SYMBOLS_AGAIN), or what doesn't
 * fit together would be made all the time. */
int symbols_unwind_want(struct symbols *, struct module *, bool kept);
/* Which of the kernel's modules this one is, as they were read last. */
uint32_t symbols_kernel_index(const struct symbols *, const char *name);

#endif
