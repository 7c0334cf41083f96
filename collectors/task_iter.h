/* What task_iter.bpf.c writes of each thread and task_iter.c reads. Plain types: both compilers read it. Raw, as the kernel has
 * it: what it means is made of it by user space. */
#ifndef COLLECTORS_TASK_ITER_H
#define COLLECTORS_TASK_ITER_H

enum { TASK_RECORD_NAME = 64, TASK_RECORD_WORK = 32, TASK_RECORD_IO = 7 };

struct task_record_times { /* ns; of all threads that ended, or of one that lives */
	unsigned long long on_cpu, user, kernel, guest;
	unsigned long long min_faults, maj_faults;
	unsigned long long io[TASK_RECORD_IO]; /* in the order of /proc/PID/io */
};

/* Instead of a record: its process has one thread, and nothing has happened to it since the record that was read last. What only
 * others can do to a thread that sleeps, and is not looked at for this (its memory is mapped otherwise), the next record tells. */
struct task_record_same {
	unsigned int size, tid, pid, reserved;
};

/* Where there are very many threads, the read is brief: of a thread that is not its process's main one nothing comes while it does
 * nothing. So that a process's threads add up, the read after one in which any of them did something has records of all of them. */
enum { TASK_BRIEF_WANTED = 16 }; /* processes whose threads have records all the same; with more of them no read is brief */

enum { TASK_RECORD_SAME_MOST = 16 }; /* so many reads at most lie between two whole ones */

/* A record is written up to `size`: a thread's, that of a process, that of a thread of the kernel. */
struct task_record {
	unsigned int size, tid, pid;
	unsigned int exact; /* user and kernel are timed, not sampled: they are not scaled */
	/* What /proc said last, of the thread and of the process: it never falls below. */
	unsigned long long said_user, said_kernel, all_said_user, all_said_kernel;

	/* Of a thread. From here on a record is the same as before where nothing has happened. */
	unsigned long long start; /* ns since boot, suspend included */
	struct task_record_times own;
	unsigned long long run_delay, timeslices, voluntary, involuntary, blkio_delay;
	unsigned int state, exit_state, flags, ppid, rt_priority, policy;
	int prio, static_prio, processor, reserved;
	char comm[16];

	/* Of a process. */
	struct task_record_times ended;
	unsigned long long child_user, child_kernel;
	unsigned long long vm_pages, peak_pages;
	long long rss_pages[4]; /* file, anonymous, swap, shared; what was added up only, so it may be below 0 */
	unsigned long long start_code, arg_start, env_start;
	unsigned long long css; /* another one: it has moved to another control group */
	unsigned int threads, uid, tracer;
	int tty_major, tty_minor, oom_score_adj;
	unsigned long long files_limit;

	/* Of a thread of the kernel. */
	char name[TASK_RECORD_NAME]; /* "": comm is it */
	char work[TASK_RECORD_WORK]; /* of a worker: what it does, or did */
	unsigned long long works;    /* it does it now */
};

#endif
