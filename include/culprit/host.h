/* What a collector needs of core, handed to it at probe() and open(). The same for built-ins and plug-ins. The struct
 * lives as long as the collector is open. Functions may be called from the collector's sample(), drain(), probe() and
 * open() only, on the thread that called these. */
#ifndef CULPRIT_HOST_H
#define CULPRIT_HOST_H

#include <stddef.h>

#include <culprit/types.h>
#include <culprit/unwind.h>

enum culprit_clock {
	CULPRIT_MONOTONIC = 1, /* ns, for order; the time of frames */
	CULPRIT_WALL = 2,      /* ns since 1970-01-01Z */
	CULPRIT_BOOT = 3,      /* ns since boot, suspend included: what task start times count from */
};

enum culprit_log_level { CULPRIT_LOG_ERROR = 1, CULPRIT_LOG_WARNING = 2, CULPRIT_LOG_INFO = 3 };

enum culprit_host_flags {
	/* Read every file of every row: `dump` wants whole rows, whatever they cost. */
	CULPRIT_HOST_WHOLE = 1u << 0,
	/* --safe: nothing is loaded into the kernel. Also where /proc and /sys are not this machine's own. */
	CULPRIT_HOST_SAFE = 1u << 1,
	/* Only what interests name is wanted: another process records the rest. Who can't tell samples as always. */
	CULPRIT_HOST_ONLY_INTERESTS = 1u << 2,
	/* Nobody waits for the first sample: what is otherwise read a little later, for a fast first screen, may be read in it. A
	 * recording begins whole then, and does not pay for filling in. */
	CULPRIT_HOST_PATIENT = 1u << 3,
};

/* What may block is asked of a helper process, never read on the sampling thread. */
enum culprit_ask_what {
	CULPRIT_ASK_FILE = 1,   /* path below proc_fd; answer: its first `cap` bytes */
	CULPRIT_ASK_STATFS = 2, /* absolute path; answer: struct culprit_statfs */
	CULPRIT_ASK_USER = 3,   /* path is the uid in decimal; answer: the user's name */
	/* path below proc_fd, whose last part is a pattern in which * stands for anything; answer: names in that folder that
	 * match, a newline behind each, as many as fit whole. A core that does not know it: -EINVAL. */
	CULPRIT_ASK_NAMES = 4,
};

struct culprit_statfs {
	uint64_t block_size, blocks, blocks_free, blocks_available, files, files_free, flags;
};

struct culprit_ask {
	uint32_t what;
	uint32_t cap;     /* bytes that fit in buf, at most 64 KiB */
	const char *path; /* with `what`, the target: one call is outstanding per target. At most 4095 bytes */
	void *buf;
	uint32_t len; /* written on success */
};

/* What code belongs to. Modules have numbers, unique while the program runs: the same file as built (build-id) is the same
 * module in all processes and containers. */
enum culprit_module_kind {
	CULPRIT_MODULE_FILE = 1,
	CULPRIT_MODULE_VDSO = 2,
	CULPRIT_MODULE_GENERATED = 3, /* of one process: a runtime's code; offsets are addresses; no unwind rows */
	CULPRIT_MODULE_KERNEL = 4,    /* the kernel, or one of its modules; offsets count from where it begins */
};

/* Executable memory of a process. */
struct culprit_mapping {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* in the file, of start */
	uint32_t module;     /* 0: unknown */
	uint32_t kind;       /* enum culprit_module_kind; 0 where the module is unknown */
};

/* A place in code, as stacks have it: see culprit_put_code(). */
struct culprit_code {
	uint32_t module; /* 0: unknown */
	uint32_t flags;  /* 0 */
	uint64_t offset; /* in the file; the address itself where module is 0 or generated code */
};

struct culprit_module {
	size_t size; /* set by the caller: sizeof(struct culprit_module) */
	uint32_t kind;
	uint32_t build_id_len; /* bytes; 0: none */
	uint8_t build_id[32];
	const char *name; /* path in its process's root when first seen, "[kernel]", "[vdso]", "[jit 1234]"; lives as long as the
			   * host */
};

enum culprit_code_flags {
	CULPRIT_CODE_ANEW = 1u << 0, /* it has changed (exec, dlopen, another process under this number): read it again */
	CULPRIT_CODE_SETTLED = 1u << 1, /* what was known before a reading that goes on is no answer: -EINPROGRESS */
};

enum {
	CULPRIT_SOURCE_PATH = 1023, CULPRIT_SOURCE_FUNCTION = 255, CULPRIT_SOURCE_INLINED = 767, CULPRIT_SOURCE_WHY = 127, /* bytes */
};

/* Where in its source a place in a file is. */
struct culprit_source_line {
	size_t size; /* set by the caller: sizeof(struct culprit_source_line) */
	/* The question: which file, and where in it. */
	const char *path;      /* in the root of a process that maps it */
	uint32_t pid;          /* that process; 0: none is known */
	uint32_t build_id_len; /* bytes that are given, at most 16; 0: it has none */
	uint8_t build_id[16];  /* its first bytes */
	uint64_t offset;       /* in the file */
	/* The answer. */
	uint32_t line;         /* 0: not known */
	uint32_t reserved;
	char function[CULPRIT_SOURCE_FUNCTION + 1]; /* the innermost one there, readable; also an inlined one */
	char file[CULPRIT_SOURCE_PATH + 1];
	char inlined[CULPRIT_SOURCE_INLINED + 1];   /* "a <- b <- c": a is inlined in b, b in c, which is a function; "": nothing is */
	char why[CULPRIT_SOURCE_WHY + 1];           /* one sentence, where there is no answer */
};

/* A thread's registers in user space. */
struct culprit_registers {
	uint64_t pc, sp, fp;
	uint64_t lr; /* arm64 */
};

struct culprit_host {
	size_t size; /* sizeof(struct culprit_host) of the core that calls */
	uint32_t abi;
	uint32_t flags;
	int proc_fd, sys_fd; /* directories; of a fixture tree in tests. -1: not there */
	uint64_t user_hz;    /* ticks a second of start times and CPU times in /proc */
	uint64_t page_size;  /* bytes */
	uint64_t interval_ns;
	/* How many rows the task tables may have together before core folds; 0: no bound known. */
	uint64_t task_budget;
	void *core; /* core's own */

	uint64_t (*now_ns)(const struct culprit_host *, uint32_t clock);

	/* Asks a helper process, or fetches the answer of the same question asked before. 0: answered, the answer is
	 * forgotten here. -EINPROGRESS: asked, not answered yet; ask again in a later sample, or after ask_wait().
	 * -ETIMEDOUT: the target blocked for 200 ms and was given up; asking again starts anew, after 30 s at the
	 * earliest. -EAGAIN: too many helpers are stuck. Any other -errno: what reading it gave. */
	int (*ask)(const struct culprit_host *, struct culprit_ask *);
	/* Waits until all that this collector asked is answered, but at most `ns`. Returns how many answers are still
	 * missing. */
	int (*ask_wait)(const struct culprit_host *, uint64_t ns);

	/* One sentence into the bounded log that `:log` and `culprit collectors` show. */
	void (*log)(const struct culprit_host *, uint32_t level, const char *sentence);

	/* --- since stacks; check `size`. NULL in plug-ins. All answer at once with what is known; what must be read is read
	 * on another thread, and code_generation() counts up when asking again may tell more. --- */

	/* The executable mappings of a process, ascending; at most `cap` are written, ret_n is how many there are.
	 * ret_generation changes with them. The first call begins to read them: -EINPROGRESS. -ESRCH: gone before they were
	 * read; -EACCES, -EPERM: of another user. Ask when a process is first seen in a sample, it may be gone soon after;
	 * mappings of processes that have gone stay known for a while. */
	int (*code_of)(const struct culprit_host *, uint32_t pid, uint32_t flags, struct culprit_mapping *, uint32_t cap,
		       uint32_t *ret_n, uint64_t *ret_generation);
	/* Addresses of a process (pid 0: of the kernel) to places in code, one each; of an unknown address module is 0.
	 * -EINPROGRESS, -ESRCH, -EACCES as above. Mappings are read again by themselves when addresses are in none of them. */
	int (*code_locate)(const struct culprit_host *, uint32_t pid, const uint64_t *addresses, uint32_t n,
			   struct culprit_code *);
	/* -ENOENT: no such number. */
	int (*module)(const struct culprit_host *, uint32_t module, struct culprit_module *);
	/* The unwind rows of a module, sorted by pc. 0: borrowed until unwind_release() (each call needs one); 0 and none:
	 * it has no call frame information. -EINPROGRESS: being made; -ENOEXEC: can't be had; -ENOENT: not of this kind. */
	int (*unwind_rows)(const struct culprit_host *, uint32_t module, const struct culprit_unwind_row **ret_rows,
			   uint32_t *ret_n);
	void (*unwind_release)(const struct culprit_host *, uint32_t module);
	/* Copies rules from place `from` on, at most `cap`; returns how many. Rules are only ever added, at most 65536: fetch
	 * those that are new after each unwind_rows(). */
	uint32_t (*unwind_rules)(const struct culprit_host *, uint32_t from, struct culprit_unwind_rule *, uint32_t cap);
	uint64_t (*code_generation)(const struct culprit_host *);
	/* How often a second each CPU is sampled for stacks; 0: as the collector likes. */
	uint32_t stack_hz;
	uint32_t reserved;

	/* --- since source lines; check `size`. NULL in plug-ins. May be called from interests(), too --- */

	/* Asks a helper process for the source line of a place, or fetches the answer to the same question asked before. 0: answered;
	 * -EINPROGRESS: asked; -EAGAIN: too much is asked already; any other -errno: there is none, and `why` says so. */
	int (*source_line)(const struct culprit_host *, struct culprit_source_line *);

	/* Walks a stack of a process from registers and a copy of the `bytes` from sp on. At most `cap` addresses, innermost first, of
	 * callers the one before that they return to; ret_end: enum culprit_unwind_end. What is missing to walk it (mappings, rows) is
	 * read meanwhile: such a stack ends with CULPRIT_STACK_PENDING. 0, or -errno: there is not even a first frame. */
	int (*stack_walk)(const struct culprit_host *, uint32_t pid, const struct culprit_registers *, const void *stack, size_t bytes,
			  uint64_t *pcs, uint32_t cap, uint32_t *ret_n, uint32_t *ret_end);
};

#endif
