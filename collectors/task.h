/* Processes and threads as the collector `task` holds them between samples: one walk serves the tables process and
 * thread. task.c runs a sample; task_walk.c finds who is alive and reads their `stat` in /proc, task_iter.c does both by an
 * iterator in the kernel, once that is loaded; task_list.c has those that are known; task_files.c reads the other files,
 * task_ask.c what may block (command lines, user names), process.c and thread.c declare the tables and turn a task into a
 * row. Nothing here is seen outside of these files. */
#ifndef COLLECTORS_TASK_H
#define COLLECTORS_TASK_H

#include <stdbool.h>
#include <fcntl.h>

#include <culprit/collector.h>

#include "pool.h"
#include "task_parse.h"
#include "task_text.h"

enum {
	TASK_TABLE_PROCESS = 0,
	TASK_TABLE_THREAD = 1,

	TASK_THREADS_MAX = 20000, /* beyond it, threads are read by interest only */
	TASK_CMDLINE_MAX = 4096,
	TASK_BUFFER = 65536,
	TASK_ASKS_MAX = 1024, /* command lines asked for and not fetched yet */
	TASK_INTERESTS_MAX = 64,
	TASK_ORPHANS_MAX = 256,
	TASK_USERS_MAX = 4096,
};

/* Files other than stat, and how reading one went in this sample. */
enum task_file {
	TASK_FILE_STATUS,
	TASK_FILE_IO,
	TASK_FILE_SCHEDSTAT,
	TASK_FILE_FD,
	TASK_FILE_LIMITS,
	TASK_FILE_OOM,
	TASK_FILE_CGROUP,
	TASK_FILE_WCHAN,
	TASK_FILES,
};

enum task_read {
	TASK_NOT_NOW = 0, /* not read in this sample, or the task vanished meanwhile */
	TASK_READ,
	TASK_DENIED,
	TASK_NO_KERNEL, /* this kernel has no such file */
	TASK_FAILED,
	TASK_MANY,  /* too many open files to count them by listing */
	TASK_LATER, /* never read so far */
	/* By the iterator: it is what it was in the last sample; */
	TASK_SAME,
	TASK_KNOWN, /* the same, and its values are at hand */
};

enum task_flags {
	TASK_CHANGED = 1u << 0,	 /* stat says something new in this sample */
	TASK_FIRST = 1u << 1,	 /* not in the table's previous sample */
	TASK_SERVED = 1u << 2,	 /* the other files were read at least once */
	TASK_BORN = 1u << 3,	 /* began after the table's previous sample */
	TASK_NEW_COMM = 1u << 5, /* its name is another one than in the last sample */
	TASK_NEW_TTY = 1u << 6,
	TASK_NO_TTY = 1u << 7, /* it had a terminal in the last sample */
	TASK_NEW_POLICY = 1u << 8,
	TASK_ENDED = 1u << 9, /* found to have ended while its files were read */
	TASK_MOVED = 1u << 19, /* it did something since the files that tell what it does now were read: not every sample has time */
	/* processes only */
	TASK_OWN_THREADS = 1u << 10, /* thread rows come from task/, not from the process's files */
	TASK_NEW_CGROUP = 1u << 11,
	TASK_USER_DUE = 1u << 12, /* its user's name is not in the row yet */
	TASK_UID_KNOWN = 1u << 16,
	TASK_CMDLINE_DUE = 1u << 13, /* to be asked for */
	TASK_CMDLINE_ASKED = 1u << 14,
	TASK_CMDLINE_SHOWN = 1u << 15, /* some cell was put for it: text, or why not */
	TASK_FROM_PROC = 1u << 17, /* the iterator does not show it */
	TASK_QUIET = 1u << 18, /* in this sample its row is what it was, and no file of it was read */
};

/* What is looked at in each sample, also where nothing has happened, stands together: what a sample costs is the memory it touches. */
struct task {
	uint32_t id;	 /* pid or tid */
	uint32_t handle; /* of its row in its table, for culprit_again() */
	int fd;		 /* kept descriptor of its stat file; -1: none */
	uint32_t flags;	 /* enum task_flags */
	uint64_t hash;	 /* of stat's bytes */
	uint32_t wchan, comm; /* texts */
	/* Read in this sample, by enum task_file: what a thread's row shows. */
	uint8_t read[TASK_FILES];
	uint32_t pass;	 /* of the iterator, in which it was seen */
	uint32_t image;	 /* changes with its program (task_list_take) */
	struct task_numbers stat;
	struct task_more *more; /* a process's may be NULL */
};

/* What a row shows beside stat. It is kept from one sample to the next only where the iterator has read it; of a process that is read in
 * /proc, from its own row to that of its thread (task_list_more()). */
struct task_more {
	struct task_schedstat sched;
	uint64_t voluntary, involuntary;
	uint64_t rchar, wchar, read_bytes, write_bytes;
	uint64_t user_ns, kernel_ns; /* as last made of what the iterator read */
};

struct thread {
	struct task task;
	struct task_more more;
};

/* What the threads of a process did, those that ended too, added up while the iterator passes. A process of one thread, as most are,
 * needs none: its record says it all. */
struct task_sum {
	uint64_t on_cpu, user, kernel, guest, min_faults, maj_faults;
	uint64_t io[TASK_IO_FIELDS];
	uint64_t said_user, said_kernel; /* not added up: what /proc said last */
	bool exact;
	uint64_t settled; /* on_cpu, as it went into the process's figures last */
	uint32_t told;    /* threads whose records came in this pass */
};

/* By the iterator, of a process; and what files have said before it came. */
struct process_more {
	struct task_more task;
	uint64_t io[TASK_IO_FIELDS]; /* with that of its children; the most that files or the iterator have said */
	uint32_t pages;			/* of its record: changes with its memory */
	uint32_t memory, memory_served; /* changes with what status says; as of when that was read */
	uint32_t css, css_served;	/* changes with the cgroup; likewise */
	uint32_t set, set_served;	/* changes with limits and oom_score_adj; likewise */
};

struct process {
	uint32_t known;			/* threads that were there when the pass came to it; the others are new */
	uint32_t nthreads;
	uint32_t thread_handle; /* of its thread's row, where that comes from the process's files */
	uint32_t threads_cap;
	struct task task;
	struct task_sum *sum; /* NULL: it has never had more than one thread, or was not read by the iterator */
	uint32_t uid;
	uint32_t cgroup; /* text */
	uint32_t cmdline_again; /* it changed its program while its command line was asked for */
	uint64_t ask_after_ns;
	struct task **threads; /* ascending tid; only with TASK_OWN_THREADS */
};

/* What the other files of one process or thread said. Filled and used while its row is made. */
struct task_files {
	uint8_t read[TASK_FILES];
	struct task_status status;
	struct task_io io;
	struct task_io thread_io; /* of the thread whose row it goes to; the process's holds its children's too */
	uint8_t thread_io_read;
	struct task_schedstat sched;
	uint64_t fds, fd_limit, oom_score;
	int64_t oom_score_adj;
	const char *cgroup, *wchan; /* point into the collector's buffers */
	size_t cgroup_len, wchan_len;
};

/* Whose turn it is among tasks when not all can be served in a sample. */
struct task_turn {
	uint32_t next;	 /* served first: ids from here on */
	uint32_t quota;	 /* left in this sample */
	uint32_t resume; /* id to go on with in the next sample; 0: from the start */
	uint32_t round;	 /* how often all have been through */
	bool stopped;
	uint64_t spent_ns, limit_ns;
};

struct task_turns {
	struct task_turn busy;	/* those whose stat changed */
	struct task_turn fresh; /* those never read */
	struct task_turn idle;	/* each in turn, once in 30 s */
};

struct task_user {
	uint32_t uid;
	uint32_t name; /* text; 0: not known */
	uint64_t ask_after_ns;
	bool asked;
	const char *reason; /* why there is no name */
};

struct task_collector {
	const struct culprit_host *host;
	int dir;      /* own descriptor of the folder, to list it */
	bool procfs;  /* a real one: what vanishes is gone, kept descriptors say so */
	bool cursor;  /* /proc/loadavg tells of pids in the same namespace as the folder's names */
	bool fd_size; /* the size of PID/fd is the count */
	bool kernel_lacks[TASK_FILES];
	bool privileged; /* files of other users' processes may be read: CAP_SYS_PTRACE */
	const char *denied; /* why a file may not be read, and what would help */
	bool no_descriptor; /* in this sample a file could not be opened for want of one */
	bool io_denied, fds_denied; /* of some process, in some sample so far */
	int delayacct;	    /* 1: on, 0: off, -1: the kernel does not say */
	const char *hidden; /* sentence where other users' processes are hidden; else NULL */
	uint64_t tick_ns;   /* length of a tick of start and CPU times */

	/* The walk. */
	struct process **list; /* ascending pid */
	uint32_t nlist, list_cap;
	struct process **spare; /* for merging */
	uint32_t spare_cap;
	uint32_t *pids;
	uint32_t npids, pids_cap;
	uint32_t last_pid, older_pid; /* given last as of the last sample, and of the one before */
	int64_t dir_offset;	      /* position of pid in the listing minus pid; INT64_MIN: not so regular */
	uint32_t nfds, fds_max;
	uint64_t sample;     /* counts from 1 */
	uint64_t threads;    /* of all processes, as their stat says */
	uint32_t unreadable; /* listed, but stat could not be read */

	uint64_t now_ns;     /* this sample's times */
	uint64_t elapsed_ns; /* since the last one */
	uint64_t boot_ns, previous_boot_ns;
	bool threads_limited;
	bool resync; /* the last sample failed: rows are put whole */
	struct task_turns turns, thread_turns;

	struct {
		uint32_t pid;
		bool process, thread;
	} interests[TASK_INTERESTS_MAX];
	uint32_t ninterests;
	bool all_threads, all_processes;

	/* Asking. */
	uint32_t asked; /* command lines in flight */
	uint32_t ask_next;
	uint32_t orphans[TASK_ORPHANS_MAX];
	uint32_t norphans;
	struct task_user *users;
	uint32_t nusers, users_cap;

	struct task_iter *iter; /* NULL: not loaded yet, or not at all. Atomic: another thread loads it */
	bool may_iterate;	/* it may be loaded yet, or is. Atomic likewise */
	bool iterated;		/* this sample came from it, */
	bool iterating;		/* and so did the process at hand */
	bool brief;		/* the last read of the iterator was: see task_iter.h */
	bool anew;		/* the row at hand is put anew: nothing of it can be kept */
	uint32_t pass;

	struct task_text_pool texts;
	struct pool processes_pool, threads_pool, sums_pool, more_pool;

	struct task_files files;
	char *buffer;	    /* TASK_BUFFER bytes: the file being read */
	char *wchan_buffer; /* for files that must stay while another is read */
	char *cgroup_buffer;
	char *listing;
	char *records; /* of the iterator; NULL until it is used */
};

/* task.c */
/* Is only what interests name to be read? Is this process among that? */
bool task_is_narrow(const struct task_collector *);
bool task_is_wanted(const struct task_collector *, uint32_t pid);

/* task_walk.c */
int task_walk(struct task_collector *);
/* Brings one process up to date from its stat. false: it has ended, or cannot be read. */
bool task_walk_one(struct task_collector *, struct process *);
/* Reads stat of a process's threads: brings p->threads up to date, but takes no new ones beyond `max`. */
void task_walk_threads(struct task_collector *, struct process *, uint32_t max);
void task_drop_threads(struct task_collector *, struct process *);
/* Reads a whole small file below the folder. Returns its length, or -errno. */
long task_read_file(struct task_collector *, const char *path, char *buf, size_t cap);
/* Reads stat again: is it still the same process? */
bool task_same(struct task_collector *, const struct process *);

/* task_iter.c */
#ifndef CULPRIT_NO_BPF
/* Loads the iterator; may run while a sample is taken. -errno with the sentence: /proc it stays. */
int task_iter_load(struct task_collector *, struct culprit_error *);
void task_iter_unload(struct task_collector *);
/* Like task_walk(), threads included. -errno: then the same sample walks /proc. */
int task_iter_walk(struct task_collector *);
size_t task_iter_programs(struct task_collector *, const struct culprit_program **ret_list);
#else
static inline void task_iter_unload(struct task_collector *c)
{
	(void)c;
}
static inline int task_iter_walk(struct task_collector *c)
{
	(void)c;
	return -1;
}
#endif

/* "PID/name" and "PID/task/TID/name". Returns the length. */
size_t task_path(char *buf, uint32_t pid, uint32_t tid, const char *name);
enum { TASK_PATH_MAX = 64 };

/* task_files.c */
void task_files_probe(struct task_collector *);
/* Reads those of `which` (bits by enum task_file) of a process (tid 0) or a thread into c->files. */
void task_files_read(struct task_collector *, uint32_t pid, uint32_t tid, unsigned which);
/* After that, for a process: io of its main thread alone. */
void task_files_read_thread_io(struct task_collector *, uint32_t pid);
const char *task_reason(const struct task_collector *, unsigned task_read);

/* task_ask.c */
void task_ask_begin(struct task_collector *);
/* Emits what has come of the process's command line and user into the row that is open. `full`: the row is new. */
void task_ask_emit(struct task_collector *, struct culprit_frame *, struct process *, bool full);
void task_ask_ended(struct task_collector *, struct process *);
void task_ask_finish(struct task_collector *);

/* process.c and thread.c */
extern const struct culprit_table task_process_table, task_thread_table;
/* Columns of the process table that task_ask.c puts. */
extern const uint32_t task_cmdline_column, task_uid_column, task_user_column;
/* The row is what it was in the last sample. false: there is none, and it is to be emitted. */
bool task_emit_process_again(const struct task_collector *, struct culprit_frame *, struct process *);
bool task_emit_thread_again(const struct task_collector *, struct culprit_frame *, uint32_t *handle);
/* Emits a process's row. Its files of this sample are in c->files. */
void task_emit_process(struct task_collector *, struct culprit_frame *, struct process *);
/* What the row of a thread shows of c->files, kept in it. */
void task_keep_files(struct task_collector *, struct task *);
/* Emits a thread's row, from what task_keep_files() kept. `handle`: where its row's handle is kept. */
void task_emit_thread(struct task_collector *, struct culprit_frame *, const struct process *, struct task *,
		      uint32_t *handle);

static inline uint64_t task_ticks_to_ns(const struct task_collector *c, uint64_t ticks)
{
	return ticks * c->tick_ns;
}

#endif
