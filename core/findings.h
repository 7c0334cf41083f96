/* What the bottleneck is, who causes it, who suffers, what is ruled out and what was not measured: rules over the numbers of one
 * window. A number is taken from queries that somebody asks anyway (the Overview), or that findings_ask() asks; judging is then a
 * pure function of them, of the window, and of what the view has of the time before: no clock, no I/O. So live, scrubbed back and
 * replayed give the same.
 *
 *	each draw:  query_run(q, &lens, "cpu", 0, NULL); findings_take(f, q, "cpu", err);   ... the other tables
 *		    query_run(p, &lens, "process", 0, NULL); findings_take_processes(f, p);
 *		    findings_judge(f, view, &lens, newest_ns, p);
 *		    findings_line(f, 0, 80, buf, sizeof(buf));
 *
 * What may never happen: that it says "calm" of what was not measured; that it names a victim as the cause; that who is idle is
 * accused. Names in it are raw bytes: sanitise them. */
#ifndef CORE_FINDINGS_H
#define CORE_FINDINGS_H

#include "query.h"

enum { FINDINGS_MAX = 32 /* more than there are rules */, FINDINGS_NAME_MAX = 40, FINDINGS_DISKS = 16, FINDINGS_LINE_MAX = 400, FINDINGS_LINES = 3 };
enum { FINDINGS_STALLED_MUCH = 10 }; /* percent of the window in which somebody stood still: worth a word, and `!!` at the resource */

enum { FINDINGS_RETRANS_BAD = 2 }; /* percent of the segments sent, sent again: the network loses packets */

/* --- what is known of the window --------------------------------------------------------------------------------- */

/* Percentages are 0 to 100 (of one CPU or thread where more may be added up), rates a second, times ns; NaN: not known. */

enum findings_top {
	TOP_CPU,     /* with what its short-lived children took, percent of one CPU */
	TOP_MEMORY,  /* bytes */
	TOP_DISK,    /* bytes a second that it read and wrote, to the page cache too */
	TOP_WRITTEN, /* that it wrote */
	TOP_FILES,   /* open files, percent of its limit */
	TOP_LOCK,    /* threads of it that wait for locks, where these are most of what it does; percent of one thread */
	TOP_SHORT,   /* what children that lived less than a second took, percent of one CPU */
	TOP_NET,     /* threads of it that wait for a peer, likewise */
	TOPS
};
/* Who, of all processes of the machine, uses most of something; of `sum` that all use. */
struct process_top {
	char name[FINDINGS_NAME_MAX]; /* raw bytes; "": nobody, or not known */
	double value, sum;
	struct row_key key; /* in `process`: pid, start */
	struct {
		char name[FINDINGS_NAME_MAX];
		double value;
		struct row_key key;
	} second;
};

/* Of a disk, the operation whose slowest hundredth takes longest. Fewer than a hundred have none. */
struct disk_tail {
	char disk[20], operation[16];
	double p99;
};

/* Of a disk, the two processes that ask most of it. */
struct disk_asker {
	char comm[FINDINGS_NAME_MAX];
	uint64_t pid;
	double in_flight, bytes; /* requests in progress; bytes a second */
	struct row_key process;
};
struct disk_askers {
	char disk[20];
	double all, written, bytes; /* of all that ask: requests in progress; bytes a second written, and in all */
	struct disk_asker first, second;
};

struct facts_fs {
	char mount[48];
	double used, inodes, available, growth;
	struct row_key key;
};

struct facts_disk {
	char name[20];
	struct row_key key;
	double busy, queue, await, read, written;
};

struct facts {
	double data_s; /* how much of the window there is */
	double cpus, load1;
	double own_start; /* percent of one CPU that the console itself has while it begins; 0 later */
	double cpu_busy, cpu_steal, cpu_hottest, cpu_others, cpu_soft; /* soft: interrupts, of the CPU that has most of them */
	int64_t hottest, softest;
	struct row_key cpu_all, cpu_hot, cpu_softest;
	double runq_waiting, runq_p99;
	double stalled[3], stalled_now[3]; /* cpu, memory, io: share of the window; the kernel's mean of the last 10 s */
	double available_pct, swap_used_pct;
	struct row_key memory_key;
	double available, available_growth; /* bytes; over the window */
	double oom_kills, swap_out, major_faults, direct_scan, allocstall, refaults, steal_pct;
	struct disk_tail tails[FINDINGS_DISKS];
	struct disk_askers askers[FINDINGS_DISKS];
	struct facts_disk disks[FINDINGS_DISKS];
	size_t ntails, naskers, ndisks;
	struct facts_fs fullest, filling;
	char fs_stuck[48]; /* a remote one that does not say how full it is; "": none */
	struct {
		char mount[48], server[64];
		double timeouts, await, retrans;
	} nfs;
	char net[24]; /* device that drops most */
	double net_drop_pct, net_drops, retrans_pct, retrans_rate, overflows;
	double syn_again, syn_cookies, syn_drops; /* a second: SYNs and answers to them sent again; SYNs that met a full SYN queue: answered with cookies, dropped */
	double softnet_drops, conntrack;
	double udp_in, udp_full; /* datagrams a second: delivered; dropped because a receive buffer was full */
	struct facts_group {
		size_t row; /* in the answer just taken; SIZE_MAX: none */
		char name[64];
		struct row_key key;
		double value; /* stopped: percent of its periods; full: percent of its limit; pids, io: likewise */
		double kills, again, of_limit;
		double slowed; /* full: times its tasks were slowed down above memory.high; 0: not for that */
		const char *column; /* full, io: of `cgroup`, the one that tells how full it is, or does most of what io.max lets it */
		size_t others; /* groups in the same trouble */
	} stopped, full, pids, io; /* io: at what io.max lets it read or write */
	struct {
		size_t row; /* as above */
		double port, pid, drops, queue_pct, accept_p99;
		uint64_t ended_ns; /* nobody listens there any more; 0: somebody does */
		char comm[FINDINGS_NAME_MAX];
		struct row_key key, process;
	} listener;
	/* Of processes. */
	struct process_top top[TOPS];
	struct {
		struct row_key key;
		char name[FINDINGS_NAME_MAX];
	} stuck[4], /* main threads that are in state D at the window's end */
		waiting[4]; /* processes of several threads of which one may have waited for ten seconds in one go */
	size_t nstuck, nwaiting;
	double one_thread; /* CPU of the busiest thread of TOP_CPU's process */
	double one_waits;  /* how much its threads wait for a CPU */
	/* Both, and how busy all CPUs were, in the last ten seconds, which a long window hides; NaN: not asked. */
	double one_thread_now, one_waits_now, cpu_busy_now;
	bool waits_known, short_known;
};

/* --- findings ---------------------------------------------------------------------------------------------------- */

enum findings_layer { LAYER_CPU, LAYER_MEMORY, LAYER_DISK, LAYER_NET, LAYER_LOCKS, LAYER_LIMITS, LAYERS };
enum finding_confidence { FINDING_CANNOT_TELL, FINDING_LIKELY, FINDING_CERTAIN };

struct finding_who {
	char name[64]; /* raw bytes; "": not known */
	uint64_t pid;  /* 0: no process, or several */
	size_t several; /* so many processes of that name; 0: one */
	struct row_key key; /* in process */
};

struct finding_rule;
struct finding {
	const struct finding_rule *rule;
	enum finding_confidence confidence;
	double effect;    /* 0 to 1: how much of the time it hurts somebody */
	char object[96];  /* "disk vda", raw bytes */
	char state[64];   /* "saturated" */
	char evidence[96];
	struct finding_who cause, other, victim; /* other: who may be it as well */
	double share, other_share; /* the cause's share of `share_of`, percent; NaN: none is said */
	const char *share_of;      /* "of its bytes" */
	bool minor;                /* it holds, but explains no other */
	bool nobody;               /* no cause has most of it: the one named has the largest part */
	bool began;                /* what it has a share of, it began */
	bool added;                /* it is the share of what came in addition since it began */
	double waiting, busy;      /* threads of the victim, on average */
	uint64_t since_ns;         /* CLOCK_MONOTONIC; 0: not known */
	uint64_t since_step_ns;    /* to about that */
	bool before;               /* it was so when what is held begins */
	uint64_t ended_ns;         /* CLOCK_MONOTONIC; it has not been so since then; 0: it is */
	double still;              /* of what its past is asked of, so much is trouble whatever it was before; 0: half of the most is none any more */
	bool was;                  /* it holds of the window as a whole: no finding unless it has ended */
	uint64_t at_ns;            /* CLOCK_MONOTONIC; it happened then; 0: no event */
	int steady_sign; /* of a rule that asks for steadiness: -1: it goes down */
	/* Where its past is: what is asked for `since`. */
	char table[32], column[32];
	struct row_key key;
};

/* Who changed when the finding began, of two. */
struct findings_changed {
	const struct finding_rule *rule; /* NULL: nothing is remembered */
	struct row_key object, cause, other;
	uint64_t since_ns;
	double by[2];
	bool last; /* what is told of it stays so */
};

struct findings {
	struct facts facts;
	struct finding list[FINDINGS_MAX]; /* the first is the verdict */
	size_t n;
	size_t absorbed; /* that have the same cause as another one */
	bool ill[LAYERS]; /* some rule of it holds */
	uint64_t data_ns; /* of the window, how much there is */
	uint64_t window_ns;
	int64_t wall_offset_ns;
	int zone_offset_s;
	/* Private. */
	struct findings_source {
		bool measured;
		char why[160];
	} sources[24];
	struct findings_changed changed;
	struct query *query; /* for what is asked only when something is wrong, and for findings_ask() */
	struct query *processes;
	struct view *view;
};

void findings_finish(struct findings *);
/* Notes what the rules need of the answer that the query has just been given for that table (any lens of the whole machine over the
 * same window); `err`: what query_run() returned. Tables that no rule needs are nothing. */
void findings_take(struct findings *, struct query *, const char *table, int err);
/* The same of a query of `process`: one walk over all rows. */
void findings_take_processes(struct findings *, struct query *);
/* Judges what was taken. `processes`: the query given to findings_take_processes(), whose answer still stands. */
void findings_judge(struct findings *, struct view *, const struct lens *, uint64_t newest_ns, struct query *processes);
/* All of that, with queries of its own, and of all findings who waits and since when. 0 or -errno: as query_run(). */
int findings_ask(struct findings *, struct view *, const struct lens *, uint64_t newest_ns, struct culprit_error *);

/* Something stands still, is lost, or waits: no mere warning. */
bool findings_grave(const struct findings *);
/* How many lines it takes to say: 3 of trouble, 1 of none. */
size_t findings_lines(const struct findings *);
/* Line i in at most `width` cells of bytes: what does not fit is left out as a whole, the least first. Returns `buf`. */
char *findings_line(const struct findings *, size_t i, size_t width, char *buf, size_t cap);
/* All findings, a few lines each; what was ruled out; what is not measured, and why: lines that end in \n, of about `width` cells, escaped.
 * Who waits for others than the first, and since when, only findings_ask() finds out. Returns `buf`; what does not fit is left out. */
enum { FINDINGS_LIST_MAX = 32768 };
char *findings_list(const struct findings *, size_t width, char *buf, size_t cap);
/* What the verdict is about: the panel that shows it, and (true) the process to look at there. */
bool findings_target(const struct findings *, const char **ret_panel, struct finding_who *);
/* Name of what a process is called, by its row: of an interpreter what it runs ("python3:manage.py"), unless it named itself. Raw
 * bytes, NUL-terminated; its length. */
size_t findings_process_name(struct query *, size_t row, char *out, size_t cap);

/* Some group's io.max is what its tasks wait for. */
bool findings_io_held(const struct facts *);

/* Of a row of `cgroup`: how much of what io.max lets it do it does, of bytes or operations, reads or writes, whichever is nearest to its
 * end; percent, 0 where it has no such limit. `column`: which. */
double findings_io_of_limit(struct query *, size_t row, const char **ret_column);

/* Whether what that column tells (a growth over each sample, of one row) went the way of `sign` in half of the last minute and does still, most
 * of it: a step and then a trickle is nothing to reckon an end from. */
bool findings_goes_on(struct view *, uint64_t to_ns, const char *table, const char *column, const struct row_key *, int sign);

/* The name that process has now; `out` stays as it is where it has no row. */
void findings_name_of(struct query *processes, uint64_t pid, char *out, size_t cap);

#endif
