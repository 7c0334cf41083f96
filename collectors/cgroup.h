/* Control groups, inside: where they are mounted, which there are, what their files hold. cgroup.c makes rows of it.
 *
 * A group is known by its path. Version 1 has a tree for each controller, version 2 one for all; the same path in
 * several trees is one group, and each file is read from the tree that has its controller. */
#ifndef COLLECTORS_CGROUP_H
#define COLLECTORS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include <culprit/host.h>

#include "cgroup_names.h"
#include "procfs.h"

enum {
	CGROUPS_MAX = 10000,
	CGROUP_MOUNTS_MAX = 6,
	CGROUP_DEPTH_MAX = 64,
	CGROUP_PATH_MAX = 4000,
	CGROUP_STACKED_MAX = 256,
};

enum cgroup_controller { CGROUP_CPU, CGROUP_CPUACCT, CGROUP_MEMORY, CGROUP_IO, CGROUP_PIDS, CGROUP_CONTROLLERS };

/* Files that are read often, with a descriptor kept open as long as there are enough. */
enum cgroup_hot {
	HOT_CPU_USAGE,   /* 1 */
	HOT_CPU_STAT,    /* 2: all of it, 1: throttling */
	HOT_CPUACCT,     /* 1: user and system */
	HOT_MEMORY,
	HOT_OOM,
	HOT_PIDS,
	HOT_IO,          /* 2: all of it, 1: bytes */
	HOT_IO_SERVICED, /* 1 */
	HOT_FILES,
};

enum cgroup_column {
	CG_PATH, CG_USAGE, CG_USER, CG_SYSTEM, CG_NR_PERIODS, CG_NR_THROTTLED, CG_THROTTLED_TIME, CG_CPU_ALLOWED,
	CG_MEMORY, CG_OOM_KILL, CG_MEMORY_HIGH_EVENTS, CG_MEMORY_MAX_EVENTS, CG_OOM, CG_PIDS, CG_READ_BYTES,
	CG_WRITE_BYTES, CG_READS, CG_WRITES,
	/* rarely */
	CG_SLOW, CG_CPU_QUOTA = CG_SLOW, CG_CPU_PERIOD, CG_CPU_WEIGHT, CG_MEMORY_MAX, CG_MEMORY_HIGH, CG_SWAP,
	CG_SWAP_MAX, CG_ANON, CG_FILE, CG_SHMEM, CG_KERNEL, CG_INACTIVE_FILE, CG_DIRTY, CG_MAJOR_FAULTS, CG_REFAULTS,
	CG_PIDS_MAX, CG_READ_MAX, CG_WRITE_MAX, CG_READS_MAX, CG_WRITES_MAX, CG_POPULATED, CG_CONTROLLERS,
	CG_NAME, CG_COLUMNS,
};

struct cgroup {
	char *path; /* as /proc/PID/cgroup has it: "" (the root) or "/a/b" */
	uint32_t len, depth;
	uint32_t in; /* bit m: it is in mount m */
	uint32_t hash;
	uint32_t scan; /* last scan that found it */
	bool fresh;    /* not yet in a sample */
	bool born;     /* it wasn't there in the scan before */
	int fds[HOT_FILES]; /* -1: not open, -2: not there */
	bool parsed, named;  /* its path was looked at; it is a pod or container */
	struct cgroup_naming naming;
	uint64_t slow_at;   /* sample in which the slow files are due */
	/* CG_USAGE ... CG_THROTTLED_TIME as last read, and which there were. */
	uint64_t cpu[CG_THROTTLED_TIME - CG_USAGE + 1];
	uint32_t cpu_have;
	/* What the CPU limit allowed, in ns, and until when that was counted. */
	uint64_t quota_ns, period_ns, allowed_ns, allowed_at_ns;
};

struct cgroup_mount {
	int fd;
	bool v2;
	uint32_t controllers; /* bits of enum cgroup_controller; all for version 2 */
	uint64_t device;
	char prefix[256]; /* path of its root: "" or, in a container, "/docker/1234" */
	uint32_t prefix_len;
	struct procfs_file count; /* version 2: cgroup.stat at its root */
};

struct cgroup_tree {
	const struct culprit_host *host;
	struct cgroup_mount mounts[CGROUP_MOUNTS_MAX];
	uint32_t nmounts;
	struct cgroup *groups;
	uint32_t ngroups, cap;
	uint32_t *index; /* hash table of positions + 1; twice as many slots as `cap` */
	uint32_t *stack; /* of the walk */
	uint32_t scan;
	bool full;      /* more than CGROUPS_MAX */
	bool complete;  /* the last scan could tell that nothing changed since the one before */
	bool lost;      /* some group is gone: scan again */
	struct procfs_file v1_count; /* /proc/cgroups */
	uint64_t change; /* what the counts said at the last scan */
	uint32_t fds_open, fds_max;
	struct procfs_buffer text;
	/* Block devices whose I/O is counted again by the devices they are made of. */
	struct {
		uint64_t device;
		bool stacked;
	} devices[CGROUP_STACKED_MAX];
	uint32_t ndevices;
};

/* Finds the mounts. -ENOENT with a sentence: there are none. init/finish. */
int cgroup_tree_init(struct cgroup_tree *, const struct culprit_host *, struct culprit_error *);
void cgroup_tree_finish(struct cgroup_tree *);
/* Looks for groups that came and went: where something says so, or when `now`. 0 or -errno. */
int cgroup_tree_scan(struct cgroup_tree *, bool now);
/* Forgets a group's descriptors. */
void cgroup_close_files(struct cgroup_tree *, struct cgroup *);

/* Reads the often-read files into columns. Where its CPU time shows that nothing ran in it, and not `all` are asked for,
 * the CPU columns are what they were and the others are left out. False: the group is gone. */
bool cgroup_read_hot(struct cgroup_tree *, struct cgroup *, bool all, struct procfs_values *);
/* Reads the others. */
void cgroup_read_slow(struct cgroup_tree *, struct cgroup *, struct procfs_values *);

/* The mount that serves this controller for this group: version 1's where it is there. -1: none. */
int cgroup_mount_of(const struct cgroup_tree *, const struct cgroup *, unsigned controller);
/* "path/file" below a mount's root. False: too long. */
bool cgroup_file_path(const struct cgroup_mount *, const struct cgroup *, const char *file, char *buf, size_t cap);

#endif
