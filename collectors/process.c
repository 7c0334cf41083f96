/* The table process: what it holds, and how a process becomes a row of it. */
#include "task_list.h"
#include "whole_us.h"

enum {
	P_PID,
	P_START,
	/* group 0: stat, and who owns it */
	P_PPID,
	P_STATE,
	P_UID,
	P_USER,
	P_COMM,
	P_KTHREAD,
	P_TTY,
	P_UTIME,
	P_STIME,
	P_CUTIME,
	P_CSTIME,
	P_GUEST,
	P_PRIORITY,
	P_NICE,
	P_THREADS,
	P_VSIZE,
	P_RSS,
	P_MIN_FAULTS,
	P_MAJ_FAULTS,
	P_FOLDED,
	/* 1: cmdline */
	P_CMDLINE,
	/* 2: status */
	P_SWAP,
	P_RSS_ANON,
	P_RSS_FILE,
	P_RSS_SHMEM,
	P_RSS_PEAK,
	P_NS_PID,
	P_TRACER,
	/* 3: io, in the order of enum task_io_field */
	P_RCHAR,
	P_WCHAR,
	P_SYSCR,
	P_SYSCW,
	P_READ_BYTES,
	P_WRITE_BYTES,
	P_CANCELLED,
	/* 4: fd */
	P_FDS,
	/* 5: what seldom changes: limits, oom_score, oom_score_adj */
	P_FD_LIMIT,
	P_OOM_SCORE,
	P_OOM_SCORE_ADJ,
	/* 6: cgroup */
	P_CGROUP,
	/* 7: wchan */
	P_WCHAN,
	P_COLUMNS,
};

enum { G_STAT, G_CMDLINE, G_STATUS, G_IO, G_FD, G_RARE, G_CGROUP, G_WCHAN };

const uint32_t task_cmdline_column = P_CMDLINE, task_uid_column = P_UID, task_user_column = P_USER;

#define STAT "/proc/PID/stat field "
#define STATUS "/proc/PID/status "
#define COLUMN(name, role, type, unit, group, help, source)                                                            \
	{                                                                                                              \
		name, CULPRIT_##role, CULPRIT_##type, CULPRIT_##unit, group,                                           \
			WHOLE_US(CULPRIT_##role, CULPRIT_##unit), help, source, NULL                                   \
	}

static const struct culprit_column columns[P_COLUMNS] = {
	[P_PID] = COLUMN("pid", KEY, U64, NONE, 0, "process id", STAT "1"),
	[P_START] = COLUMN("start", KEY, U64, TICKS, 0, "when it started; with pid its identity", STAT "22"),
	[P_PPID] = COLUMN("ppid", ATTRIBUTE, U64, NONE, G_STAT, "pid of its parent", STAT "4"),
	[P_STATE] = COLUMN("state", ATTRIBUTE, TEXT, NONE, G_STAT,
			   "of its main thread: R runs or wants to, S sleeps, D waits uninterruptibly (mostly disk), T "
			   "stopped, t traced, Z ended and not yet reaped, I idle kernel thread",
			   STAT "3"),
	[P_UID] = COLUMN("uid", ATTRIBUTE, U64, NONE, G_STAT, "effective user id", "owner of /proc/PID"),
	[P_USER] = COLUMN("user", ATTRIBUTE, TEXT, NONE, G_STAT,
			  "name of the effective user; the number where it has none", "owner of /proc/PID"),
	[P_COMM] = COLUMN("comm", ATTRIBUTE, TEXT, NONE, G_STAT, "name, as its program or itself set it", STAT "2"),
	[P_KTHREAD] = COLUMN("kthread", ATTRIBUTE, BOOL, NONE, G_STAT, "a thread of the kernel", STAT "9"),
	[P_TTY] = COLUMN("tty", ATTRIBUTE, TEXT, NONE, G_STAT, "its terminal", STAT "7"),
	[P_UTIME] =
		COLUMN("utime", COUNTER, U64, NS, G_STAT,
		       "CPU time in user mode, all its threads, those that ended too; in steps of a tick", STAT "14"),
	[P_STIME] = COLUMN("stime", COUNTER, U64, NS, G_STAT, "the same in the kernel", STAT "15"),
	[P_CUTIME] = COLUMN("cutime", COUNTER, U64, NS, G_STAT,
			    "user CPU time of children that ended and were waited for", STAT "16"),
	[P_CSTIME] = COLUMN("cstime", COUNTER, U64, NS, G_STAT, "kernel CPU time of those", STAT "17"),
	[P_GUEST] =
		COLUMN("guest_time", COUNTER, U64, NS, G_STAT, "part of utime spent running a virtual CPU", STAT "43"),
	[P_PRIORITY] = COLUMN("priority", ATTRIBUTE, I64, NONE, G_STAT,
			      "of its main thread: 20 + nice, or below -1 for real time", STAT "18"),
	[P_NICE] = COLUMN("nice", ATTRIBUTE, I64, NONE, G_STAT, "of its main thread: -20 (gets most) to 19", STAT "19"),
	[P_THREADS] = COLUMN("threads", GAUGE, U64, COUNT, G_STAT, "threads it has", STAT "20"),
	[P_VSIZE] = COLUMN("vsize", GAUGE, U64, BYTES, G_STAT, "address space", STAT "23"),
	[P_RSS] = COLUMN("rss", GAUGE, U64, BYTES, G_STAT, "memory it has in RAM, shared pages counted in full",
			 STAT "24"),
	[P_MIN_FAULTS] =
		COLUMN("min_faults", COUNTER, U64, COUNT, G_STAT, "page faults met without reading a disk", STAT "10"),
	[P_MAJ_FAULTS] = COLUMN("maj_faults", COUNTER, U64, COUNT, G_STAT, "page faults that had to read", STAT "12"),
	[P_FOLDED] = COLUMN("folded", GAUGE, U64, COUNT, G_STAT,
			    "processes this row stands for, where there are too many for rows of their own",
			    "made by folding"),
	[P_CMDLINE] = COLUMN("cmdline", ATTRIBUTE, TEXT, NONE, G_CMDLINE,
			     "arguments joined by blanks, the first 4096 bytes; read at its start and after exec",
			     "/proc/PID/cmdline"),
	[P_SWAP] = COLUMN("swap", GAUGE, U64, BYTES, G_STATUS, "memory it has in swap", STATUS "VmSwap"),
	[P_RSS_ANON] = COLUMN("rss_anon", GAUGE, U64, BYTES, G_STATUS, "part of rss that belongs to no file",
			      STATUS "RssAnon"),
	[P_RSS_FILE] =
		COLUMN("rss_file", GAUGE, U64, BYTES, G_STATUS, "part of rss mapped from files", STATUS "RssFile"),
	[P_RSS_SHMEM] = COLUMN("rss_shmem", GAUGE, U64, BYTES, G_STATUS, "part of rss in shared memory and tmpfs",
			       STATUS "RssShmem"),
	[P_RSS_PEAK] = COLUMN("rss_peak", GAUGE, U64, BYTES, G_STATUS, "most rss it ever had", STATUS "VmHWM"),
	[P_NS_PID] = COLUMN("ns_pid", ATTRIBUTE, U64, NONE, G_STATUS, "pid in its own pid namespace (container)",
			    STATUS "NSpid"),
	[P_TRACER] = COLUMN("tracer", ATTRIBUTE, U64, NONE, G_STATUS, "pid of the process that traces it; 0: none",
			    STATUS "TracerPid"),
	[P_RCHAR] = COLUMN("rchar", COUNTER, U64, BYTES, G_IO,
			   "bytes read by system calls, from cache and pipes too; in all of io the kernel counts what "
			   "children did that ended and were waited for",
			   "/proc/PID/io"),
	[P_WCHAR] = COLUMN("wchar", COUNTER, U64, BYTES, G_IO, "bytes written by system calls, to cache and pipes too",
			   "/proc/PID/io"),
	[P_SYSCR] = COLUMN("syscr", COUNTER, U64, COUNT, G_IO, "system calls that read", "/proc/PID/io"),
	[P_SYSCW] = COLUMN("syscw", COUNTER, U64, COUNT, G_IO, "system calls that wrote", "/proc/PID/io"),
	[P_READ_BYTES] = COLUMN("read_bytes", COUNTER, U64, BYTES, G_IO,
				"bytes that had to be fetched from a disk, by children that ended too", "/proc/PID/io"),
	[P_WRITE_BYTES] = COLUMN("write_bytes", COUNTER, U64, BYTES, G_IO,
				 "bytes it caused to be written to a disk, now or later; children that ended too",
				 "/proc/PID/io"),
	[P_CANCELLED] = COLUMN("cancelled_write_bytes", COUNTER, U64, BYTES, G_IO,
			       "bytes it kept from being written, by cutting or removing files", "/proc/PID/io"),
	[P_FDS] = COLUMN("fds", GAUGE, U64, COUNT, G_FD, "open files", "/proc/PID/fd"),
	[P_FD_LIMIT] = COLUMN("fd_limit", ATTRIBUTE, U64, COUNT, G_RARE, "most open files it may have (soft limit)",
			      "/proc/PID/limits"),
	[P_OOM_SCORE] = COLUMN("oom_score", GAUGE, U64, NONE, G_RARE,
			       "how soon it is killed when memory runs out: higher is sooner", "/proc/PID/oom_score"),
	[P_OOM_SCORE_ADJ] = COLUMN("oom_score_adj", ATTRIBUTE, I64, NONE, G_RARE,
				   "set by its owner: -1000 (never killed) to 1000", "/proc/PID/oom_score_adj"),
	[P_CGROUP] =
		COLUMN("cgroup", ATTRIBUTE, TEXT, NONE, G_CGROUP,
		       "path in the unified hierarchy; where it has none there, in the first of the v1 hierarchies "
		       "cpu, memory, name=systemd, pids in which it isn't in the root",
		       "/proc/PID/cgroup"),
	[P_WCHAN] = COLUMN("wchan", ATTRIBUTE, TEXT, NONE, G_WCHAN,
			   "kernel function its main thread sleeps in; empty: in none", "/proc/PID/wchan"),
};

#define DERIVED(name, op, unit, a, b, scale, help)                                                                     \
	{                                                                                                              \
		name, CULPRIT_##op, CULPRIT_##unit, a, b, scale, 0, help                                               \
	}

static const struct culprit_derived derived[] = {
	DERIVED("cpu", RATE, PERCENT, "utime+stime", NULL, 1e-7, "CPU time, as a share of one CPU"),
	DERIVED("user_cpu", RATE, PERCENT, "utime", NULL, 1e-7, "CPU time in user mode, as a share of one CPU"),
	DERIVED("system_cpu", RATE, PERCENT, "stime", NULL, 1e-7, "CPU time in the kernel, as a share of one CPU"),
	DERIVED("child_cpu", RATE, PERCENT, "cutime+cstime", NULL, 1e-7,
		"CPU time of children that ended, as a share of one CPU; counted when they are waited for"),
	DERIVED("cpu_time", LEVEL, NS, "utime+stime", NULL, 0, "CPU time since it started"),
	DERIVED("read_rate", RATE, BYTES_PER_S, "read_bytes", NULL, 0,
		"bytes fetched from disks; jumps when a child that did so ends (own_read_rate does not)"),
	DERIVED("write_rate", RATE, BYTES_PER_S, "write_bytes", NULL, 0,
		"bytes it caused to be written to disks; jumps when a child that did so ends (own_write_rate does "
		"not)"),
	DERIVED("rchar_rate", RATE, BYTES_PER_S, "rchar", NULL, 0, "bytes read by system calls"),
	DERIVED("wchar_rate", RATE, BYTES_PER_S, "wchar", NULL, 0, "bytes written by system calls"),
	DERIVED("syscr_rate", RATE, COUNT_PER_S, "syscr", NULL, 0, "system calls that read"),
	DERIVED("syscw_rate", RATE, COUNT_PER_S, "syscw", NULL, 0, "system calls that wrote"),
	DERIVED("min_fault_rate", RATE, COUNT_PER_S, "min_faults", NULL, 0, "page faults met without reading"),
	DERIVED("maj_fault_rate", RATE, COUNT_PER_S, "maj_faults", NULL, 0, "page faults that had to read"),
	DERIVED("age", SINCE, NS, "start", NULL, 0, "time since it started"),
	DERIVED("rss_growth", GROWTH, BYTES, "rss", NULL, 0, "what rss grew over the window"),
	DERIVED("swap_growth", GROWTH, BYTES, "swap", NULL, 0, "what swap grew over the window"),
	DERIVED("fds_growth", GROWTH, COUNT, "fds", NULL, 0, "open files more than at the window's start"),
	DERIVED("fd_use", LEVEL_RATIO, PERCENT, "fds", "fd_limit", 100, "open files, as a share of their limit"),
};

const struct culprit_table task_process_table = {
	.size = sizeof(struct culprit_table),
	.name = "process",
	.kind = CULPRIT_STATE,
	.help = "processes, and threads of the kernel",
	.key = "process",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.fold_by = "cgroup",
	.fold_count = "folded",
	.sort = "cpu",
	.show = "pid user cpu rss state threads read_rate write_rate comm cmdline ppid age swap maj_fault_rate fds "
		"cgroup",
};

/* --- a row ------------------------------------------------------------------------------------------------------- */

static void put_stat(const struct task_collector *c, struct culprit_frame *f, const struct task *t, bool full)
{
	const struct task_numbers *s = &t->stat;
	const char *comm;
	char tty[32];
	size_t n;

	culprit_put_u64(f, P_PPID, s->ppid);
	culprit_put_text(f, P_STATE, &s->state, 1);
	if (full || t->flags & TASK_NEW_COMM) {
		comm = task_text_get(&c->texts, t->comm, &n);
		culprit_put_text(f, P_COMM, comm, n);
	}
	if (full || t->flags & TASK_NEW_TTY) {
		n = task_tty_name(s->tty, tty, sizeof(tty));
		if (n > 0)
			culprit_put_text(f, P_TTY, tty, n);
	}
	culprit_put_bool(f, P_KTHREAD, (s->flags & TASK_PF_KTHREAD) != 0);
	culprit_put_u64(f, P_UTIME, task_ticks_to_ns(c, s->utime));
	culprit_put_u64(f, P_STIME, task_ticks_to_ns(c, s->stime));
	culprit_put_u64(f, P_CUTIME, task_ticks_to_ns(c, s->cutime));
	culprit_put_u64(f, P_CSTIME, task_ticks_to_ns(c, s->cstime));
	if (s->fields >= 43)
		culprit_put_u64(f, P_GUEST, task_ticks_to_ns(c, s->guest_ticks));
	culprit_put_i64(f, P_PRIORITY, s->priority);
	culprit_put_i64(f, P_NICE, s->nice);
	culprit_put_u64(f, P_THREADS, s->threads);
	culprit_put_u64(f, P_VSIZE, s->vsize);
	culprit_put_u64(f, P_RSS, s->rss_pages * c->host->page_size);
	culprit_put_u64(f, P_MIN_FAULTS, s->min_faults);
	culprit_put_u64(f, P_MAJ_FAULTS, s->maj_faults);
}

static void unread(const struct task_collector *c, struct culprit_frame *f, uint32_t first, uint32_t last,
		   unsigned read)
{
	for (uint32_t i = first; i <= last; i++)
		culprit_unread(f, i, task_reason(c, read));
}

/* The group's cells: false when its values are there to be put. A group that isn't put keeps what it had; that of a new
 * row says that it was not read yet. */
static bool missing(const struct task_collector *c, struct culprit_frame *f, uint32_t first, uint32_t last,
		    unsigned read, bool fresh)
{
	if (read == TASK_READ || (read == TASK_KNOWN && c->anew))
		return false;
	if (read == TASK_SAME || read == TASK_KNOWN) {
		if (!fresh) {
			if (!c->anew)
				culprit_keep(f, columns[first].group);
			return true;
		}
		read = TASK_NOT_NOW;
	}
	if (read == TASK_NOT_NOW && !fresh)
		return true;
	unread(c, f, first, last, read == TASK_NOT_NOW ? TASK_LATER : read);
	return true;
}

static void put_status(struct culprit_frame *f, const struct task_status *s)
{
	const struct {
		uint32_t have, column;
		uint64_t value;
	} cells[] = {
		{TASK_HAVE_SWAP, P_SWAP, s->swap},
		{TASK_HAVE_RSS_ANON, P_RSS_ANON, s->rss_anon},
		{TASK_HAVE_RSS_FILE, P_RSS_FILE, s->rss_file},
		{TASK_HAVE_RSS_SHMEM, P_RSS_SHMEM, s->rss_shmem},
		{TASK_HAVE_RSS_PEAK, P_RSS_PEAK, s->rss_peak},
		{TASK_HAVE_NS_PID, P_NS_PID, s->ns_pid},
		{TASK_HAVE_TRACER, P_TRACER, s->tracer},
	};

	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (s->have & cells[i].have)
			culprit_put_u64(f, cells[i].column, cells[i].value);
}

static void put_files(struct task_collector *c, struct culprit_frame *f, struct process *p, bool fresh)
{
	const struct task_files *in = &c->files;
	size_t len;

	if (!missing(c, f, P_SWAP, P_TRACER, in->read[TASK_FILE_STATUS], fresh))
		put_status(f, &in->status);
	if (!missing(c, f, P_RCHAR, P_CANCELLED, in->read[TASK_FILE_IO], fresh))
		for (unsigned i = 0; i < TASK_IO_FIELDS; i++)
			if (in->io.have & 1u << i)
				culprit_put_u64(f, P_RCHAR + i, in->io.v[i]);
	if (!missing(c, f, P_FDS, P_FDS, in->read[TASK_FILE_FD], fresh))
		culprit_put_u64(f, P_FDS, in->fds);
	/* Two files, one group: where one of them was read, both were tried. */
	if (fresh || in->read[TASK_FILE_LIMITS] != TASK_NOT_NOW || in->read[TASK_FILE_OOM] != TASK_NOT_NOW) {
		if (!missing(c, f, P_FD_LIMIT, P_FD_LIMIT, in->read[TASK_FILE_LIMITS], true))
			culprit_put_u64(f, P_FD_LIMIT, in->fd_limit);
		if (!missing(c, f, P_OOM_SCORE, P_OOM_SCORE_ADJ, in->read[TASK_FILE_OOM], true)) {
			culprit_put_u64(f, P_OOM_SCORE, in->oom_score);
			culprit_put_i64(f, P_OOM_SCORE_ADJ, in->oom_score_adj);
		}
	}
	if (in->read[TASK_FILE_CGROUP] == TASK_READ) {
		if (task_text_set(&c->texts, &p->cgroup, in->cgroup, in->cgroup_len))
			p->task.flags |= TASK_NEW_CGROUP;
		culprit_put_text(f, P_CGROUP, in->cgroup, in->cgroup_len);
	} else if (p->cgroup && fresh) {
		const char *cgroup = task_text_get(&c->texts, p->cgroup, &len);

		culprit_put_text(f, P_CGROUP, cgroup, len);
	} else {
		missing(c, f, P_CGROUP, P_CGROUP, in->read[TASK_FILE_CGROUP], fresh);
	}
	if (!missing(c, f, P_WCHAN, P_WCHAN, in->read[TASK_FILE_WCHAN], fresh))
		culprit_put_text(f, P_WCHAN, in->wchan, in->wchan_len);
}

bool task_emit_process_again(const struct task_collector *c, struct culprit_frame *f, struct process *p)
{
	if (p->task.handle == CULPRIT_NO_HANDLE || culprit_again(f, p->task.handle) != 0)
		return false;
	culprit_keep(f, G_STATUS);
	if (!c->kernel_lacks[TASK_FILE_IO])
		culprit_keep(f, G_IO);
	p->task.handle = culprit_end(f);
	return true;
}

void task_emit_process(struct task_collector *c, struct culprit_frame *f, struct process *p)
{
	const struct task_files *in = &c->files;
	struct task *t = &p->task;
	bool lost, full;

	/* For its thread's row. */
	if (in->read[TASK_FILE_SCHEDSTAT] == TASK_READ || in->read[TASK_FILE_STATUS] == TASK_READ || in->thread_io_read == TASK_READ)
		task_list_more(c, p);
	task_keep_files(c, t);
	if (c->files.read[TASK_FILE_STATUS] == TASK_READ && c->files.status.have & TASK_HAVE_UID &&
	    c->files.status.uid != p->uid) {
		p->uid = c->files.status.uid;
		t->flags |= TASK_USER_DUE;
	}
	lost = t->handle == CULPRIT_NO_HANDLE;
	full = lost || c->resync || t->flags & TASK_NO_TTY;
	if (!full && culprit_again(f, t->handle) != 0)
		full = lost = true;
	c->anew = full;
	if (full) {
		culprit_row(f);
		if (t->flags & TASK_BORN)
			culprit_born(f);
		culprit_put_u64(f, P_PID, t->id);
		culprit_put_u64(f, P_START, t->stat.start);
	}
	if (lost && !(t->flags & TASK_FIRST)) {
		/* Core has forgotten the row: its cells have to be found again. */
		if (!(t->stat.flags & TASK_PF_KTHREAD))
			t->flags |= TASK_CMDLINE_DUE;
		t->flags &= ~(uint32_t)(TASK_CMDLINE_SHOWN | TASK_SERVED);
	}
	if (full || t->flags & TASK_CHANGED)
		put_stat(c, f, t, full);
	task_ask_emit(c, f, p, full);
	put_files(c, f, p, lost);
	t->handle = culprit_end(f);
}
