/* Shared by the files of the scheduler's collector: sched.c (loading, run queues by CPU), sched_threads.c (where every
 * thread's time goes), sched_watch.c (run-queue latency of the busiest threads), sched_slow.c (single waits that were long), sched_wakers.c (who ends waits). */
#ifndef COLLECTORS_SCHED_INTERNAL_H
#define COLLECTORS_SCHED_INTERNAL_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "pool.h"
#include "sched_shared.h"

enum { SCHED_TABLE_RUNQ, SCHED_TABLE_TASK, SCHED_TABLE_TIME, SCHED_TABLE_SLOW, SCHED_TABLE_WAKER, SCHED_TABLES };
enum { SCHED_THREADS_MOST = 20000 };

extern const struct culprit_table sched_task_table;
extern const struct culprit_table sched_time_table;
extern const struct culprit_table sched_slow_table;
extern const struct culprit_table sched_waker_table;

/* A thread as of the last sample. */
/* What most threads never had. */
struct sched_rare {
	uint64_t blocked[SCHED_IDLE - SCHED_DISK]; /* from SCHED_DISK on */
	uint64_t throttled, stolen_ns;
};

/* One for each thread there is: what is rare stands elsewhere. */
struct sched_known {
	uint64_t start, process_start;
	/* As in struct sched_record, but that none ever falls. */
	uint64_t switches, wanted, idle[SCHED_REASONS - SCHED_IDLE]; /* wanted: blocked[SCHED_NONE] */
	struct sched_rare *rare;    /* NULL: nothing of it */
	uint64_t user_ns, kernel_ns; /* its time on a CPU, shared out */
	uint64_t user_ticks, kernel_ticks; /* what was shared out so far */
	uint64_t first;    /* time that it held a CPU, less that on it, when it was first seen: since then they can be compared */
	uint64_t at;       /* when its times were read */
	uint64_t busy_put; /* as busy() was when its times were emitted */
	uint32_t waited;   /* ns, in this tick; at most UINT32_MAX */
	uint32_t switched; /* in this tick */
	uint32_t tid, pid; /* tid: with `start` who it is */
	uint32_t seen;     /* the last sample in which it was there */
	uint32_t handle;
	uint8_t accounted, reason; /* as in struct sched_record */
	uint8_t running; /* the column that goes on by itself since its times were emitted; 0: none */
	uint8_t rested;  /* samples since then */
	short syscall;
	bool fresh : 1;      /* never emitted */
	bool born : 1;       /* began after the sample before */
	bool sleeps_on : 1;  /* in this sample it is what it was in the one before, but for the wait that goes on */
	bool busy_shown : 1; /* its row says so */
	char comm[16];
};

/* Time on a CPU; time waited for this reason, of SCHED_NONE for a CPU. ns. */
static inline uint64_t sched_known_on_cpu(const struct sched_known *k)
{
	return k->user_ns + k->kernel_ns;
}

static inline uint64_t sched_known_blocked(const struct sched_known *k, unsigned reason)
{
	if (reason >= SCHED_IDLE)
		return k->idle[reason - SCHED_IDLE];
	if (reason == SCHED_NONE)
		return k->wanted;
	return k->rare ? k->rare->blocked[reason - SCHED_DISK] : 0;
}

struct sched_threads {
	struct sched_known **table; /* open addressing by tid; NULL: a free place */
	uint32_t size, used;        /* size: a power of two */
	struct pool pool, rares;
	uint32_t sample;
	uint64_t too_many;
	uint64_t start_unit_ns; /* of start times in the tables */
	bool whole;
};

int sched_threads_init(struct sched_threads *, const struct culprit_host *);
void sched_threads_finish(struct sched_threads *);
/* Takes in one record; born: began after the last sample. -ENOMEM, -ENOSPC (counted). */
int sched_threads_take(struct sched_threads *, const struct sched_record *, uint64_t boot_before_ns);
/* It sleeps on. -ENOENT: it is not known, and a record of it must come. */
int sched_threads_take_same(struct sched_threads *, const struct sched_same *);
/* Forgets who was not in this sample. */
void sched_threads_sweep(struct sched_threads *);
/* Emits the table thread_time, begun by the caller; tick_ns: since the sample before, 0: there was none. */
void sched_threads_put(struct sched_threads *, struct culprit_frame *, uint64_t tick_ns);
/* The reasons of system calls, for the program. */
void sched_syscalls_fill(unsigned char *reasons, unsigned n);
/* "futex"; NULL: no such. */
const char *sched_syscall_name(int number);

/* Who has a histogram. */
struct sched_watcher {
	struct sched_watch *watch;     /* SCHED_WATCH_SLOTS of them, mapped */
	struct sched_watched *watched; /* SCHED_WATCHED of them, mapped */
	struct {
		uint32_t tid;
		uint64_t start;
		unsigned idle; /* samples without a wait */
		bool fresh;
	} who[SCHED_WATCHED];
};

/* Chooses anew: those that wait and switch most stay or come, those that are gone or quiet go. */
void sched_watch_choose(struct sched_watcher *, struct sched_threads *);
/* Nobody has one any more. */
void sched_watch_finish(struct sched_watcher *);
/* Emits the table runq_task, begun by the caller; `epoch`: the parity whose peaks are over. */
void sched_watch_put(struct sched_watcher *, const struct sched_threads *, struct culprit_frame *, uint32_t epoch);

struct bpf_ring;
struct sched_bpf;

/* Single waits that were long. */
struct sched_slows {
	struct sched_bpf *skeleton;
	struct bpf_ring *ring;
	struct culprit_frame *frame; /* while the ring is drained */
	uint64_t start_unit_ns;      /* of start times in the tables */
	uint64_t lost;               /* as told last */
	uint32_t told;               /* in this tick */
};

/* Tells of what comes from now on. 0 or -errno. */
int sched_slows_init(struct sched_slows *, struct sched_bpf *, uint64_t start_unit_ns);
void sched_slows_finish(struct sched_slows *); /* the program tells nobody then */
/* Emits the table runq_slow, begun by the caller, and lets the threshold follow. */
void sched_slows_put(struct sched_slows *, struct culprit_frame *);

struct bpf_unit;

/* Who ends the waits of one process's threads, by interest: the hook sees every wakeup of the machine. */
struct sched_wakers {
	struct bpf_unit *unit;
	struct sched_bpf *skeleton;
	uint64_t start_unit_ns;
	uint32_t pid;    /* 0: nobody is looked at */
	uint64_t start;  /* in ticks; 0: not said */
	uint64_t lost;   /* as told last */
	bool shown;      /* there may be rows of it */
};

/* Looks at this process from now on, and forgets the one before; 0: at none, and takes the hook away. */
void sched_wakers_follow(struct sched_wakers *, uint32_t pid, uint64_t start);
/* Emits the table thread_waker, begun by the caller. */
void sched_wakers_put(struct sched_wakers *, struct culprit_frame *);

const struct sched_known *sched_threads_find(const struct sched_threads *, uint32_t tid, uint64_t start);

#endif
