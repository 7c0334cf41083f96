/* What the files of the collector lifecycle share: what happened to processes (lifecycle.c), what their children add up to
 * (lifecycle_children.c), and why the kernel killed some (lifecycle_oom.c). */
#ifndef COLLECTORS_LIFECYCLE_TABLES_H
#define COLLECTORS_LIFECYCLE_TABLES_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "lifecycle.h"

extern const struct culprit_table lifecycle_children_table, lifecycle_oom_table;

/* --- children ---------------------------------------------------------------------------------------------------- */

enum { CHILDREN_PARENTS = 4096, CHILDREN_BUCKETS = 4096 }; /* a power of 2 */

struct children_parent {
	uint64_t pid, start; /* start in ns since boot */
	char comm[LIFE_COMM];
	uint64_t forked, ended, failed, killed, life_ns, cpu_ns;
	uint64_t short_ended, short_life_ns, short_cpu_ns;
	uint32_t next;   /* in its bucket, or in the free list; UINT32_MAX: end */
	uint32_t handle; /* of its row */
	uint32_t looked; /* sample in which it was looked whether it is still there */
	bool used, changed, gone; /* gone: it has ended; its row is put once more */
};

struct children {
	struct children_parent *parents;
	uint32_t nparents, free; /* elements in use or free; the first that is free */
	uint32_t buckets[CHILDREN_BUCKETS];
	uint32_t sample;
	uint64_t lost; /* children of parents that found no room, since the last sample */
};

int children_init(struct children *); /* 0 or -ENOMEM */
void children_finish(struct children *);
void children_forked(struct children *, const struct life_process *parent);
void children_ended(struct children *, const struct life_exit *);
/* The process itself has ended: its row, if it has one, is put a last time. */
void children_parent_ended(struct children *, const struct life_process *);
void children_sample(struct children *, const struct culprit_host *, struct culprit_frame *, uint32_t table);

/* --- out of memory ----------------------------------------------------------------------------------------------- */

enum { OOM_KILLS = 64, OOM_PATH = 256 };

struct oom_kills {
	int log; /* /dev/kmsg, at its end; -errno: it could not be opened */
	uint32_t n;
	uint64_t lost;
	struct life_oom kills[OOM_KILLS]; /* in this tick */
};

void oom_kills_init(struct oom_kills *);
void oom_kills_finish(struct oom_kills *);
void oom_kills_add(struct oom_kills *, const struct life_oom *);
void oom_kills_sample(struct oom_kills *, const struct culprit_host *, struct culprit_frame *, uint32_t table);

/* One line of the kernel log on an OOM kill: "oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a,...,pid=7,uid=0".
 * Its words are hostile: a cgroup may be named anything. False: it is another line. */
struct oom_line {
	uint64_t pid;
	char constraint[32]; /* "NONE", "MEMCG", "CPUSET", "MEMORY_POLICY" */
	char cgroup[OOM_PATH]; /* whose limit it was; "": the machine's memory */
};
bool oom_line_parse(const char *line, size_t len, struct oom_line *ret);

/* ns since boot as start time in ticks. */
static inline uint64_t life_ticks(const struct culprit_host *host, uint64_t start_ns)
{
	return start_ns / (1000000000 / host->user_hz);
}

#endif
