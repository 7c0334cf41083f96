/* Shared by symbols.c (questions) and symbols_worker.c (what reads files). */
#ifndef CORE_SYMBOLS_INTERNAL_H
#define CORE_SYMBOLS_INTERNAL_H

#include <pthread.h>

#include "kallsyms.h"
#include "perfmap.h"
#include "procmaps.h"
#include "symbols.h"
#include "symtab.h"

enum want { WANT_NOTHING, WANT_QUEUED, WANT_HERE, WANT_FAILED, WANT_EVICTED };

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
	struct unwind_table unwind;
	uint32_t pins;
	struct symtab symbols;
	enum symfile_origin origin;
	uint64_t used;
	uint32_t root_pid; /* in whose root its debug file may be */
	/* Generated code. */
	struct perfmap_stamp stamp;
	uint64_t map_read_ns;
	bool map_queued, map_known;
	bool made; /* by symbols_named() */
	uint32_t kernel_index; /* of kallsyms.modules */
};

struct process {
	uint32_t pid; /* 0: free */
	uint8_t want;
	bool gone, again;
	int err; /* of the last read */
	struct procmaps maps;
	uint32_t *modules; /* one a mapping */
	uint64_t generation, used, read_ns, retry_ms;
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
	struct process *processes; /* open addressing, SYMBOLS_PROCESSES * 2 */
	uint32_t nprocesses;
	struct unwind_rules rules;
	struct kallsyms kallsyms;
	bool kallsyms_read, kallsyms_queued;
	struct culprit_error kernel_state;
	uint64_t generation, clock, once_ns;
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
/* Does one job; takes and leaves the mutex held, works without it. */
void symbols_job(struct symbols *, struct job);
uint64_t symbols_now_ms(void);

#endif
