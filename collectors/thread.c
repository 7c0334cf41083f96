/* The table thread: what it holds, and how a thread becomes a row of it. The row of a process's only thread is made
 * from the process's own files. */
#include "task.h"
#include "whole_us.h"

enum {
	T_TID,
	T_START,
	/* group 0: stat */
	T_PID,
	T_PROCESS_START,
	T_COMM,
	T_STATE,
	T_UTIME,
	T_STIME,
	T_BLKIO,
	T_MIN_FAULTS,
	T_MAJ_FAULTS,
	T_PROCESSOR,
	T_POLICY,
	T_PRIORITY,
	T_NICE,
	T_RT_PRIORITY,
	T_RUNNABLE,
	T_BLOCKED,
	T_CGROUP,
	T_FOLDED,
	/* 1: schedstat */
	T_RUN_TIME,
	T_RUN_DELAY,
	T_TIMESLICES,
	/* 2: status */
	T_VOLUNTARY,
	T_INVOLUNTARY,
	/* 3: io */
	T_RCHAR,
	T_WCHAR,
	T_READ_BYTES,
	T_WRITE_BYTES,
	/* 4: wchan */
	T_WCHAN,
	T_COLUMNS,
};

enum { G_STAT, G_SCHEDSTAT, G_STATUS, G_IO, G_WCHAN };

#define STAT "/proc/PID/task/TID/stat field "
#define SCHEDSTAT "/proc/PID/task/TID/schedstat field "
#define STATUS "/proc/PID/task/TID/status "
#define IO "/proc/PID/task/TID/io"
#define COLUMN(name, role, type, unit, group, help, source)                                                            \
	{                                                                                                              \
		name, CULPRIT_##role, CULPRIT_##type, CULPRIT_##unit, group,                                           \
			WHOLE_US(CULPRIT_##role, CULPRIT_##unit), help, source, NULL                                   \
	}

static const struct culprit_column columns[T_COLUMNS] = {
	[T_TID] = COLUMN("tid", KEY, U64, NONE, G_STAT, "thread id", STAT "1"),
	[T_START] = COLUMN("start", KEY, U64, TICKS, G_STAT, "when it started; with tid its identity", STAT "22"),
	[T_PID] = COLUMN("pid", ATTRIBUTE, U64, NONE, G_STAT, "its process", "/proc/PID"),
	[T_PROCESS_START] = COLUMN("process_start", ATTRIBUTE, U64, TICKS, G_STAT, "when its process started",
				   "/proc/PID/stat field 22"),
	[T_COMM] = COLUMN("comm", ATTRIBUTE, TEXT, NONE, G_STAT, "name, as the thread itself set it", STAT "2"),
	[T_STATE] =
		COLUMN("state", ATTRIBUTE, TEXT, NONE, G_STAT,
		       "R runs or wants to, S sleeps, D waits uninterruptibly (mostly disk), T stopped, t traced, Z "
		       "ended and not yet reaped, I idle kernel thread",
		       STAT "3"),
	[T_UTIME] = COLUMN("utime", COUNTER, U64, NS, G_STAT, "CPU time in user mode, in steps of a tick", STAT "14"),
	[T_STIME] = COLUMN("stime", COUNTER, U64, NS, G_STAT, "CPU time in the kernel, in steps of a tick", STAT "15"),
	[T_BLKIO] = COLUMN("blkio_delay", COUNTER, U64, NS, G_STAT, "time it waited for disks; needs delay accounting",
			   STAT "42"),
	[T_MIN_FAULTS] =
		COLUMN("min_faults", COUNTER, U64, COUNT, G_STAT, "page faults met without reading a disk", STAT "10"),
	[T_MAJ_FAULTS] = COLUMN("maj_faults", COUNTER, U64, COUNT, G_STAT, "page faults that had to read", STAT "12"),
	[T_PROCESSOR] = COLUMN("processor", ATTRIBUTE, I64, NONE, G_STAT, "CPU it last ran on", STAT "39"),
	[T_POLICY] = COLUMN("policy", ATTRIBUTE, TEXT, NONE, G_STAT,
			    "how it is scheduled: other, fifo, rr, batch, idle, deadline, ext", STAT "41"),
	[T_PRIORITY] =
		COLUMN("priority", ATTRIBUTE, I64, NONE, G_STAT, "20 + nice, or below -1 for real time", STAT "18"),
	[T_NICE] = COLUMN("nice", ATTRIBUTE, I64, NONE, G_STAT, "-20 (gets most) to 19", STAT "19"),
	[T_RT_PRIORITY] =
		COLUMN("rt_priority", ATTRIBUTE, U64, NONE, G_STAT, "real-time priority: 1 to 99; 0: none", STAT "40"),
	[T_RUNNABLE] = COLUMN("runnable", GAUGE, U64, COUNT, G_STAT, "1 while it runs or wants to", STAT "3"),
	[T_BLOCKED] = COLUMN("blocked", GAUGE, U64, COUNT, G_STAT,
			     "1 while it waits uninterruptibly, mostly for a disk", STAT "3"),
	[T_CGROUP] = COLUMN("cgroup", ATTRIBUTE, TEXT, NONE, G_STAT, "of its process: see there", "/proc/PID/cgroup"),
	[T_FOLDED] = COLUMN("folded", GAUGE, U64, COUNT, G_STAT,
			    "threads this row stands for, where there are too many for rows of their own",
			    "made by folding"),
	[T_RUN_TIME] = COLUMN("run_time", COUNTER, U64, NS, G_SCHEDSTAT, "time on a CPU, exact", SCHEDSTAT "1"),
	[T_RUN_DELAY] = COLUMN("run_delay", COUNTER, U64, NS, G_SCHEDSTAT, "time it wanted to run and waited for a CPU",
			       SCHEDSTAT "2"),
	[T_TIMESLICES] =
		COLUMN("timeslices", COUNTER, U64, COUNT, G_SCHEDSTAT, "times it was given a CPU", SCHEDSTAT "3"),
	[T_VOLUNTARY] = COLUMN("voluntary", COUNTER, U64, COUNT, G_STATUS, "times it gave the CPU away, to wait",
			       STATUS "voluntary_ctxt_switches"),
	[T_INVOLUNTARY] = COLUMN("involuntary", COUNTER, U64, COUNT, G_STATUS, "times the CPU was taken from it",
				 STATUS "nonvoluntary_ctxt_switches"),
	[T_RCHAR] =
		COLUMN("rchar", COUNTER, U64, BYTES, G_IO, "bytes read by system calls, from cache and pipes too", IO),
	[T_WCHAR] =
		COLUMN("wchar", COUNTER, U64, BYTES, G_IO, "bytes written by system calls, to cache and pipes too", IO),
	[T_READ_BYTES] =
		COLUMN("read_bytes", COUNTER, U64, BYTES, G_IO, "bytes that had to be fetched from a disk", IO),
	[T_WRITE_BYTES] = COLUMN("write_bytes", COUNTER, U64, BYTES, G_IO,
				 "bytes it caused to be written to a disk, now or later", IO),
	[T_WCHAN] = COLUMN("wchan", ATTRIBUTE, TEXT, NONE, G_WCHAN, "kernel function it sleeps in; empty: in none",
			   "/proc/PID/task/TID/wchan"),
};

#define DERIVED(name, op, unit, a, b, scale, help)                                                                     \
	{                                                                                                              \
		name, CULPRIT_##op, CULPRIT_##unit, a, b, scale, 0, help                                               \
	}

static const struct culprit_derived derived[] = {
	DERIVED("cpu", RATE, PERCENT, "utime+stime", NULL, 1e-7, "CPU time, as a share of one CPU"),
	DERIVED("user_cpu", RATE, PERCENT, "utime", NULL, 1e-7, "CPU time in user mode, as a share of one CPU"),
	DERIVED("system_cpu", RATE, PERCENT, "stime", NULL, 1e-7, "CPU time in the kernel, as a share of one CPU"),
	DERIVED("cpu_time", LEVEL, NS, "utime+stime", NULL, 0, "CPU time since it started"),
	DERIVED("on_cpu", RATE, PERCENT, "run_time", NULL, 1e-7, "exact CPU time, as a share of one CPU"),
	DERIVED("runq", RATE, PERCENT, "run_delay", NULL, 1e-7,
		"share of the time in which it wanted to run and waited"),
	DERIVED("runq_wait", RATIO, NS, "run_delay", "timeslices", 0, "mean wait for a CPU, each time it wanted one"),
	DERIVED("blkio", RATE, PERCENT, "blkio_delay", NULL, 1e-7, "share of the time in which it waited for disks"),
	DERIVED("voluntary_rate", RATE, COUNT_PER_S, "voluntary", NULL, 0, "switches by which it began to wait"),
	DERIVED("involuntary_rate", RATE, COUNT_PER_S, "involuntary", NULL, 0, "switches by which it was pushed aside"),
	DERIVED("read_rate", RATE, BYTES_PER_S, "read_bytes", NULL, 0, "bytes fetched from disks"),
	DERIVED("write_rate", RATE, BYTES_PER_S, "write_bytes", NULL, 0, "bytes it caused to be written to disks"),
	DERIVED("min_fault_rate", RATE, COUNT_PER_S, "min_faults", NULL, 0, "page faults met without reading"),
	DERIVED("maj_fault_rate", RATE, COUNT_PER_S, "maj_faults", NULL, 0, "page faults that had to read"),
	DERIVED("age", SINCE, NS, "start", NULL, 0, "time since it started"),
};

#define ROLLUP(column, name, op, help)                                                                                 \
	{                                                                                                              \
		column, "process", name, CULPRIT_ROLL_##op, 0, help                                                    \
	}

static const struct culprit_rollup rollups[] = {
	ROLLUP("run_time", "run_time", SUM, "time on a CPU, exact, of its threads"),
	ROLLUP("run_delay", "run_delay", SUM, "time its threads wanted to run and waited for a CPU"),
	ROLLUP("timeslices", "timeslices", SUM, "times its threads were given a CPU"),
	ROLLUP("voluntary", "voluntary", SUM, "times its threads gave the CPU away, to wait"),
	ROLLUP("involuntary", "involuntary", SUM, "times the CPU was taken from its threads"),
	ROLLUP("blkio_delay", "blkio_delay", SUM, "time its threads waited for disks"),
	ROLLUP("runnable", "runnable", SUM, "threads that run or want to"),
	ROLLUP("blocked", "blocked", SUM, "threads that wait uninterruptibly, mostly for a disk"),
	ROLLUP("runq", "runq", SUM, "waiting of its threads for a CPU: 100 % is one thread all the time"),
	ROLLUP("blkio", "blkio", SUM, "waiting of its threads for disks: 100 % is one thread all the time"),
	ROLLUP("voluntary_rate", "voluntary_rate", SUM, "switches by which its threads began to wait"),
	ROLLUP("involuntary_rate", "involuntary_rate", SUM, "switches by which its threads were pushed aside"),
	ROLLUP("read_rate", "own_read_rate", SUM, "bytes its threads fetched from disks, without what children did"),
	ROLLUP("write_rate", "own_write_rate", SUM,
	       "bytes its threads caused to be written, without what children did"),
	ROLLUP("cpu", "busiest_thread", MAX, "CPU of its busiest thread, as a share of one CPU"),
};

const struct culprit_table task_thread_table = {
	.size = sizeof(struct culprit_table),
	.name = "thread",
	.kind = CULPRIT_STATE,
	.help = "threads: all while there are fewer than 20,000, else those of the processes looked at",
	.key = "thread",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	CULPRIT_ROLLUPS(rollups),
	.parent = "process",
	.parent_columns = "pid process_start",
	.fold_by = "cgroup",
	.fold_count = "folded",
	.sort = "cpu",
	.show = "tid pid comm state cpu runq blkio voluntary_rate involuntary_rate wchan processor nice policy "
		"read_rate "
		"write_rate maj_fault_rate age",
};

/* --- a row ------------------------------------------------------------------------------------------------------- */

static const char *policy_name(uint32_t policy)
{
	static const char *const names[] = {"other", "fifo", "rr", "batch", "iso", "idle", "deadline", "ext"};

	return policy < sizeof(names) / sizeof(names[0]) ? names[policy] : "unknown";
}

static void put_stat(const struct task_collector *c, struct culprit_frame *f, const struct task *t, bool full)
{
	const struct task_numbers *s = &t->stat;

	if (full || t->flags & TASK_NEW_COMM) {
		size_t n;
		const char *comm = task_text_get(&c->texts, t->comm, &n);

		culprit_put_text(f, T_COMM, comm, n);
	}
	culprit_put_text(f, T_STATE, &s->state, 1);
	culprit_put_u64(f, T_UTIME, task_ticks_to_ns(c, s->utime));
	culprit_put_u64(f, T_STIME, task_ticks_to_ns(c, s->stime));
	if (s->fields >= 42) {
		if (c->delayacct)
			culprit_put_u64(f, T_BLKIO, task_ticks_to_ns(c, s->blkio_ticks));
		else
			culprit_unread(f, T_BLKIO, "delay accounting is off: sysctl kernel.task_delayacct=1");
	}
	culprit_put_u64(f, T_MIN_FAULTS, s->min_faults);
	culprit_put_u64(f, T_MAJ_FAULTS, s->maj_faults);
	if (s->fields >= 41) {
		culprit_put_i64(f, T_PROCESSOR, s->processor);
		culprit_put_u64(f, T_RT_PRIORITY, s->rt_priority);
		if (full || t->flags & TASK_NEW_POLICY)
			culprit_put_string(f, T_POLICY, policy_name(s->policy));
	}
	culprit_put_i64(f, T_PRIORITY, s->priority);
	culprit_put_i64(f, T_NICE, s->nice);
	culprit_put_u64(f, T_RUNNABLE, s->state == 'R');
	culprit_put_u64(f, T_BLOCKED, s->state == 'D');
}

/* See the same in process.c. */
static bool missing(const struct task_collector *c, struct culprit_frame *f, uint32_t first, uint32_t last,
		    unsigned read, bool fresh)
{
	if (read == TASK_READ || (read == TASK_KNOWN && c->anew))
		return false;
	if (read == TASK_KNOWN) {
		culprit_keep(f, columns[first].group);
		return true;
	}
	if (read == TASK_NOT_NOW && !fresh)
		return true;
	for (uint32_t i = first; i <= last; i++)
		culprit_unread(f, i, task_reason(c, read == TASK_NOT_NOW ? TASK_LATER : read));
	return true;
}

void task_keep_files(struct task_collector *c, struct task *t)
{
	const struct task_files *in = &c->files;
	struct task_more *m = t->more;

	memcpy(t->read, in->read, sizeof(t->read));
	if (in->read[TASK_FILE_WCHAN] == TASK_READ)
		task_text_set(&c->texts, &t->wchan, in->wchan, in->wchan_len);
	/* The iterator has put them where they belong. */
	if (c->iterating) {
		uint8_t how = t->flags & TASK_CHANGED ? TASK_READ : TASK_KNOWN;

		t->read[TASK_FILE_STATUS] = how;
		t->read[TASK_FILE_SCHEDSTAT] = c->kernel_lacks[TASK_FILE_SCHEDSTAT] ? TASK_NO_KERNEL : how;
		t->read[TASK_FILE_IO] = c->kernel_lacks[TASK_FILE_IO] ? TASK_NO_KERNEL : how;
		return;
	}
	t->read[TASK_FILE_IO] = in->thread_io_read;
	if (!m) {
		/* No memory: in another sample. */
		for (unsigned i = 0; i < TASK_FILES; i++)
			t->read[i] = t->read[i] == TASK_READ && i != TASK_FILE_WCHAN ? TASK_NOT_NOW : t->read[i];
		return;
	}
	if (in->read[TASK_FILE_SCHEDSTAT] == TASK_READ)
		m->sched = in->sched;
	if (in->read[TASK_FILE_STATUS] == TASK_READ) {
		m->voluntary = in->status.voluntary;
		m->involuntary = in->status.involuntary;
		/* Kernels without the lines (2.6.22 and before), or cut before them. */
		if ((in->status.have & (TASK_HAVE_VOLUNTARY | TASK_HAVE_INVOLUNTARY)) !=
		    (TASK_HAVE_VOLUNTARY | TASK_HAVE_INVOLUNTARY))
			t->read[TASK_FILE_STATUS] = TASK_FAILED;
	}
	if (in->thread_io_read == TASK_READ) {
		const uint32_t need =
			1u << TASK_RCHAR | 1u << TASK_WCHAR | 1u << TASK_READ_BYTES | 1u << TASK_WRITE_BYTES;

		m->rchar = in->thread_io.v[TASK_RCHAR];
		m->wchar = in->thread_io.v[TASK_WCHAR];
		m->read_bytes = in->thread_io.v[TASK_READ_BYTES];
		m->write_bytes = in->thread_io.v[TASK_WRITE_BYTES];
		if ((in->thread_io.have & need) != need)
			t->read[TASK_FILE_IO] = TASK_FAILED;
	}
}

static void put_files(struct task_collector *c, struct culprit_frame *f, struct task *t, bool fresh)
{
	const struct task_more *m = t->more;
	const char *wchan;
	size_t len;

	if (!missing(c, f, T_RUN_TIME, T_TIMESLICES, t->read[TASK_FILE_SCHEDSTAT], fresh)) {
		culprit_put_u64(f, T_RUN_TIME, m->sched.run_time);
		culprit_put_u64(f, T_RUN_DELAY, m->sched.run_delay);
		culprit_put_u64(f, T_TIMESLICES, m->sched.timeslices);
	}
	if (!missing(c, f, T_VOLUNTARY, T_INVOLUNTARY, t->read[TASK_FILE_STATUS], fresh)) {
		culprit_put_u64(f, T_VOLUNTARY, m->voluntary);
		culprit_put_u64(f, T_INVOLUNTARY, m->involuntary);
	}
	if (!missing(c, f, T_RCHAR, T_WRITE_BYTES, t->read[TASK_FILE_IO], fresh)) {
		culprit_put_u64(f, T_RCHAR, m->rchar);
		culprit_put_u64(f, T_WCHAR, m->wchar);
		culprit_put_u64(f, T_READ_BYTES, m->read_bytes);
		culprit_put_u64(f, T_WRITE_BYTES, m->write_bytes);
	}
	if (!missing(c, f, T_WCHAN, T_WCHAN, t->read[TASK_FILE_WCHAN], fresh)) {
		wchan = task_text_get(&c->texts, t->wchan, &len);
		culprit_put_text(f, T_WCHAN, wchan, len);
	}
}

bool task_emit_thread_again(const struct task_collector *c, struct culprit_frame *f, uint32_t *handle)
{
	if (*handle == CULPRIT_NO_HANDLE || culprit_again(f, *handle) != 0)
		return false;
	culprit_keep(f, G_STATUS);
	if (!c->kernel_lacks[TASK_FILE_SCHEDSTAT])
		culprit_keep(f, G_SCHEDSTAT);
	if (!c->kernel_lacks[TASK_FILE_IO])
		culprit_keep(f, G_IO);
	*handle = culprit_end(f);
	return true;
}

void task_emit_thread(struct task_collector *c, struct culprit_frame *f, const struct process *p, struct task *t,
		      uint32_t *handle)
{
	bool lost = *handle == CULPRIT_NO_HANDLE, full = lost || c->resync;
	const char *cgroup;
	size_t len;

	if (!full && culprit_again(f, *handle) != 0)
		full = lost = true;
	c->anew = full;
	if (full) {
		culprit_row(f);
		if (t->flags & TASK_BORN)
			culprit_born(f);
		culprit_put_u64(f, T_TID, t->id);
		culprit_put_u64(f, T_START, t->stat.start);
		culprit_put_u64(f, T_PID, p->task.id);
		culprit_put_u64(f, T_PROCESS_START, p->task.stat.start);
	}
	if (full || t->flags & TASK_CHANGED)
		put_stat(c, f, t, full);
	if (p->cgroup && (full || p->task.flags & TASK_NEW_CGROUP)) {
		cgroup = task_text_get(&c->texts, p->cgroup, &len);
		culprit_put_text(f, T_CGROUP, cgroup, len);
	}
	put_files(c, f, t, lost);
	*handle = culprit_end(f);
}
