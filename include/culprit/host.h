/* What a collector needs of core, handed to it at probe() and open(). The same for built-ins and plug-ins. The struct
 * lives as long as the collector is open. Functions may be called from the collector's sample(), drain(), probe() and
 * open() only, on the thread that called these. */
#ifndef CULPRIT_HOST_H
#define CULPRIT_HOST_H

#include <stddef.h>

#include <culprit/types.h>

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
};

/* What may block is asked of a helper process, never read on the sampling thread. */
enum culprit_ask_what {
	CULPRIT_ASK_FILE = 1,   /* path below proc_fd; answer: its first `cap` bytes */
	CULPRIT_ASK_STATFS = 2, /* absolute path; answer: struct culprit_statfs */
	CULPRIT_ASK_USER = 3,   /* path is the uid in decimal; answer: the user's name */
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
};

#endif
