/* What sched.bpf.c and the collector (sched.c, sched_threads.c) share in memory. Plain types: both compilers read it. */
#ifndef COLLECTORS_SCHED_SHARED_H
#define COLLECTORS_SCHED_SHARED_H

#include "bpf_shared.h"

/* In the order of the hooks in sched_switch.c. */
enum sched_program { SCHED_SWITCH, SCHED_THREADS, SCHED_WAKER, SCHED_PROGRAMS };

enum {
	SCHED_WATCHED = 64,        /* threads with a histogram of their own */
	SCHED_WATCH_SLOTS = 1024,  /* where they are looked up, by tid */
	SCHED_SYSCALLS = 512,
	SCHED_WAKES = 2048,        /* threads, what they waited for and who woke them, of one process */
};

/* Why a thread is not running and does not want to. */
enum sched_reason {
	SCHED_NONE,       /* it runs or wants to */
	SCHED_DISK,
	SCHED_LOCK,       /* futex and file locks */
	SCHED_NET,
	SCHED_MEMORY,     /* page faults, direct reclaim */
	SCHED_PIPE,       /* a local peer: a full pipe, an answer on a unix socket, System V and POSIX queues */
	SCHED_OTHER,      /* uninterruptible, for none of these reasons */
	SCHED_IDLE,       /* nothing to do: poll, accept, sleep, waiting for a child, a terminal */
	SCHED_IDLE_MAYBE, /* waits for input, asynchronous I/O or on a condition: without work, or for somebody's result; who can tell */
	SCHED_REASONS,
	SCHED_NOT_ASKED,  /* it blocked, and why will be asked when that matters */
	/* What a system call can also stand for; decided when it blocks. */
	SCHED_BY_FILE = 32, /* by what the descriptor in its first argument is: reads */
	SCHED_BY_FILE_OUT,  /* the same of what writes */
	SCHED_BY_FUTEX,
};

/* A run queue's clock against CLOCK_MONOTONIC, see sched_now(). */
struct sched_clock {
	unsigned long long offset, offset_time;
	unsigned long long fresh; /* the run queue's clock when the two were last read at once */
	unsigned long long last;  /* what was said last: it never goes back */
};

enum { SCHED_CALL_OUT = 1, SCHED_CALL_IN = 2, SCHED_CALL_GONE = 4 };

/* What the switch tells the program that takes stacks of waits (stacks_offcpu.bpf.h), where it calls it. */
struct sched_call {
	unsigned int what; /* SCHED_CALL_...: of who leaves the CPU, of who gets it */
	unsigned int reason; /* of the wait that is over; SCHED_NOT_ASKED */
	unsigned long long now, since; /* CLOCK_MONOTONIC; since: when the wait began that is over */
	unsigned long long wait; /* for a CPU, at its end */
};

/* Of one CPU, which alone writes it. Counts are cumulative, so user space reads them at any time and loses nothing. */
struct sched_cpu {
	struct sched_clock clock;
	struct sched_call call;
	unsigned long long waits;   /* ends of waits for this CPU */
	unsigned long long wait_ns; /* their sum */
	unsigned long long longest[2]; /* of the tick, by the parity of sched_epoch */
	unsigned long long throttled_ns; /* of waits that ended here: time in which the quota forbade to run */
	unsigned long long wait[BPF_HIST_SLOTS]; /* ns, log-linear */
};

/* Asking why a thread blocks would cost more than all the rest where it does so for microseconds. Its short waits, one after the
 * other, are cut into pieces so long, and each piece is booked under the reason of the wait in which a point of it lies that chance has
 * chosen: each nanosecond has the same chance to be asked, and what is booked is never off by more than two pieces. */
enum { SCHED_PIECE_NS = 65536 };

/* Stacks of waits are kept by chance, the longer the likelier. */
enum {
	/* A wait so long is kept for sure; times the program's thinning, at most OFFCPU_MOST_NS. Who has nothing to do does that
	 * often and long, and is seldom of interest. */
	OFFCPU_SURE_NS = 1000000,
	OFFCPU_QUEUE_SHIFT = 7, /* times 128: SCHED_NONE: pushed aside, it stands where samples find it, too */
	OFFCPU_MAYBE_SHIFT = 7, /* SCHED_IDLE_MAYBE */
	OFFCPU_IDLE_SHIFT = 10, /* SCHED_IDLE */
	OFFCPU_LONG_NS = 1 << 30,
};

#define OFFCPU_MOST_NS 4200000000ull /* so that its square fits 64 bits, and itself 32 */
/* Is such a wait booked while it goes on? */
#define OFFCPU_GOES_ON(reason) ((reason) != SCHED_NONE && (reason) < SCHED_IDLE)

/* One thread, of which most switches touch the first 64 bytes. Two places are looked at for a tid; a thread that
 * finds both taken is not accounted, and counted. */
struct sched_thread {
	unsigned int tid;          /* 0: free */
	unsigned char reason;      /* why it is off the CPU now; SCHED_NONE: it is on it, or wants to be */
	unsigned char file_reason; /* the answer of the last SCHED_BY_FILE, */
	unsigned char off;         /* it left its CPU; 0: it has one, or nothing was seen */
	unsigned char writes;      /* odd while its CPU changes what follows; the iterator copies and looks again */
	unsigned int file_key;     /* and what file_reason was the answer to; 0: to nothing */
	unsigned int delay;        /* the low half of sched_info.run_delay when it left the CPU */
	unsigned long long since;  /* when it left or took it, CLOCK_MONOTONIC; 0: neither was seen */
	unsigned long long throttled_before; /* its run queue's throttled time then */
	unsigned long long held;   /* cumulative: from being given a CPU to leaving it */
	unsigned int stale;        /* the low half of a last_queued of no meaning, see wait_of() */
	unsigned short piece;      /* of its short waits: how much of the piece is over, */
	unsigned short point;      /* and where in it the reason is asked */
	/* Of stacks of waits (stacks_offcpu.bpf.h): */
	unsigned int need;         /* a wait that is no longer than this is not kept */
	unsigned int longest;      /* of its waits, those long ago counting less and less */
	unsigned int draw;         /* by chance */
	unsigned short state;      /* the kernel's, when it left the CPU */
	unsigned char taken;       /* its stack was taken: whoever has that is to be told of the wait's end */
	unsigned char idle;        /* in the wait that the iterator has told of it has nothing to do, or may have */
	unsigned long long told;   /* `since` of the wait that the iterator has told of, see struct sched_same; 0: of none */
	unsigned long long blocked[SCHED_REASONS]; /* cumulative; [SCHED_NONE]: it wanted to run and waited */
	unsigned long long throttled; /* cumulative */
};

/* A thread that has a histogram; user space says who. */
struct sched_watch {
	unsigned int tid;
	unsigned int index; /* in sched_watched */
};

struct sched_watched {
	unsigned long long waits, wait_ns;
	unsigned long long longest[2];
	unsigned long long wait[BPF_HIST_SLOTS];
};

/* Who ended waits of a thread of the process that is looked at. All bytes count. */
struct sched_wake_key {
	unsigned int tid;
	unsigned int waker;  /* tid; 0: an interrupt */
	unsigned int reason; /* enum sched_reason */
	unsigned int pad;
};

struct sched_wake {
	unsigned long long waits, ns; /* cumulative; ns: how long these waits were */
	unsigned long long start, process_start, waker_start; /* since boot */
	unsigned int waker_pid, pad;
	char comm[16], waker_comm[16];
};

/* A wait above the threshold, as it comes through the ring. */
struct sched_slow {
	unsigned long long time, wait, threshold;
	unsigned long long start, process_start; /* since boot */
	unsigned int tid, pid;
	unsigned int cpu;
	unsigned int behind_tid; /* who had that CPU until then; 0: nobody */
	char comm[16], behind[16];
};

enum sched_accounted {
	SCHED_NO_ROOM, /* both its places are taken */
	SCHED_ACCOUNTED,
	SCHED_WRITTEN, /* it changed all the time while it was read: its times are missing in this sample */
};

/* What the iterator writes instead of a record: the wait that the record read last told of goes on. */
struct sched_same {
	unsigned int size, tid;
	unsigned long long at; /* as in sched_record */
};

/* Where there are very many threads nothing comes of one that has nothing to do for longer than this, unless its process is looked at. */
#define SCHED_SLEEPER_NS 2000000000ull

enum { SCHED_SAME_MOST = 16 }; /* so many reads at most lie between two records of a thread */

/* What the iterator writes, one a thread. Times in ns, cumulative. */
struct sched_record {
	unsigned int size, tid, pid, reserved;
	unsigned long long start, process_start; /* since boot, suspend included */
	unsigned long long on_cpu, user, kernel; /* the latter two in ticks of the sampling kind, where it samples */
	unsigned long long switches;
	unsigned long long held; /* as in sched_thread */
	unsigned long long at; /* when it was read, CLOCK_MONOTONIC */
	unsigned long long throttled;
	unsigned long long blocked[SCHED_REASONS]; /* as in sched_thread, what goes on included */
	unsigned int accounted; /* enum sched_accounted */
	unsigned char reason;   /* now */
	unsigned char kernel_thread;
	short syscall; /* in which it is now; -1: none */
	char comm[16];
};

#endif
