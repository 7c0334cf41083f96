/* The text of the files below /proc/PID as values. Pure functions over bytes that are not trusted: they may be cut
 * short, come from an older or newer kernel, or hold a name made to confuse. What a file does not say is not set.
 *
 * Not here: opening and reading (task_walk.h, task_files.h), what becomes a row (process.c, thread.c). */
#ifndef COLLECTORS_TASK_PARSE_H
#define COLLECTORS_TASK_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TASK_COMM_MAX = 64 }; /* 15 for most; kernel workers say what they work on */

/* /proc/PID/stat and /proc/PID/task/TID/stat, in the kernel's units (ticks, pages). `fields`: how many it had, 52 today, 41 with Linux
 * 2.6. These are kept for each task, the others only as far as it must be seen that they changed. */
#define TASK_NUMBERS                                                                                                   \
	uint32_t threads, flags;                                                                                       \
	uint64_t start, utime, stime, cutime, cstime, min_faults, maj_faults, vsize, rss_pages, blkio_ticks, guest_ticks; \
	uint32_t id, ppid;                                                                                             \
	int32_t tty, processor;                                                                                        \
	int16_t priority;                                                                                              \
	int8_t nice;                                                                                                   \
	uint8_t rt_priority, policy, fields;                                                                           \
	char state;

struct task_numbers {
	TASK_NUMBERS
};

struct task_stat {
	union {
		struct {
			TASK_NUMBERS
		};
		struct task_numbers numbers;
	};
	uint64_t start_code, arg_start, env_start;
	uint8_t comm_len;
	char comm[TASK_COMM_MAX];
};

enum { TASK_PF_KTHREAD = 0x00200000 };

/* 0; -EBADMSG: not a stat line, or cut before the resident set (field 24). */
int task_parse_stat(const char *text, size_t n, struct task_stat *ret);

enum task_status_have {
	TASK_HAVE_UID = 1u << 0,
	TASK_HAVE_SWAP = 1u << 1,
	TASK_HAVE_RSS_ANON = 1u << 2,
	TASK_HAVE_RSS_FILE = 1u << 3,
	TASK_HAVE_RSS_SHMEM = 1u << 4,
	TASK_HAVE_RSS_PEAK = 1u << 5,
	TASK_HAVE_VOLUNTARY = 1u << 6,
	TASK_HAVE_INVOLUNTARY = 1u << 7,
	TASK_HAVE_NS_PID = 1u << 8,
	TASK_HAVE_TRACER = 1u << 9,
};

/* /proc/PID/status. Sizes in bytes. */
struct task_status {
	uint32_t have; /* enum task_status_have */
	uint32_t uid;  /* effective */
	uint64_t swap, rss_anon, rss_file, rss_shmem, rss_peak;
	uint64_t voluntary, involuntary;
	uint64_t ns_pid;  /* in its own pid namespace */
	uint64_t tracer;  /* pid; 0: none */
	uint32_t ns_pids; /* how many pids the line held */
};

void task_parse_status(const char *text, size_t n, struct task_status *ret);

enum task_io_field {
	TASK_RCHAR,
	TASK_WCHAR,
	TASK_SYSCR,
	TASK_SYSCW,
	TASK_READ_BYTES,
	TASK_WRITE_BYTES,
	TASK_CANCELLED_WRITE_BYTES,
	TASK_IO_FIELDS,
};

/* /proc/PID/io. */
struct task_io {
	uint32_t have; /* bit i: field i */
	uint64_t v[TASK_IO_FIELDS];
};

void task_parse_io(const char *text, size_t n, struct task_io *ret);

/* /proc/PID/schedstat. */
struct task_schedstat {
	uint64_t run_time, run_delay; /* ns */
	uint64_t timeslices;
};

/* 0; -EBADMSG: less than three numbers. */
int task_parse_schedstat(const char *text, size_t n, struct task_schedstat *ret);

/* /proc/PID/cgroup: the path in the unified hierarchy. Where that is missing or the root, the first path other than the
 * root among the v1 hierarchies cpu, memory, name=systemd, pids; else the root. Points into `text`. NULL: no path. */
const char *task_parse_cgroup(const char *text, size_t n, size_t *ret_len);

/* /proc/PID/limits: the soft limit of open files; UINT64_MAX: unlimited. 0; -EBADMSG: no such line. */
int task_parse_limits(const char *text, size_t n, uint64_t *ret_files);

/* /proc/PID/cmdline: arguments joined by spaces, in place. Returns the length without trailing NULs. */
size_t task_join_cmdline(char *text, size_t n);

/* A terminal's device number as people know it: "pts/3", "tty1", "ttyS0", "204:64". Returns the length; 0: none. */
size_t task_tty_name(int32_t device, char *buf, size_t cap);

/* Field 5 of /proc/loadavg: the pid given last. false: not there. */
bool task_parse_last_pid(const char *text, size_t n, uint32_t *ret);

/* From the mount options of /proc (text of /proc/self/mounts): what hidepid is set to; 0: it hides nothing. */
unsigned task_parse_hidepid(const char *mounts, size_t n);

/* A decimal number that is the whole name of a directory entry, 1 .. 2^31-1. 0: it isn't one. */
uint32_t task_parse_pid(const char *name);

#endif
