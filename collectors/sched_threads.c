/* Table `thread_time`: where every thread's wall-clock time goes, from records that an iterator in the kernel writes. */
#include "sched_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"

enum {
	TID, START, PID, PROCESS_START, COMM, NOW, SYSCALL, USER, KERNEL, RUNNABLE, STOLEN, THROTTLED, DISK, LOCK, NETWORK,
	MEMORY, PIPE, OTHER, IDLE, IDLE_MAYBE, BUSY_NOW, RUNNING,
	TIMES = 1, /* group of the times: those of idle threads go on by themselves */
	REST_MAX = 8, /* samples between two of idle ones of which it is not known what they wait for */
	SIZE_MIN = 1024,
};

#define SWITCH "tracepoint sched_switch"
#define SCHED "task_struct.sched_info"
#define TIME(name, help, source) COUNTER_IN(TIMES, name, CULPRIT_NS, help, source)
#define BLOCKED(name, help) TIME(name, "Blocked: " help, SWITCH ", registers of the thread when it blocked")

static const struct culprit_column columns[] = {
	[TID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "tid", "Thread id", "task_struct.pid"),
	[START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it began, with the tid who it is",
			 "task_struct.start_boottime"),
	[PID] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Its process", "task_struct.tgid"),
	[PROCESS_START] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_TICKS, 0, "process_start", "When its process began",
				 "task_struct.group_leader.start_boottime"),
	[COMM] = TEXT("comm", "Its name", "task_struct.comm"),
	[NOW] = TEXT("now", "What it does now: runs (or wants to), or what it waits for", SWITCH),
	[SYSCALL] = TEXT("syscall", "The system call it is in; none: it runs in user mode, or is the kernel's",
			 "its saved registers"),
	[USER] = TIME("user", "On a CPU in user mode: its exact CPU time, shared out as utime and stime are",
		      "task_struct.se.sum_exec_runtime, exec_start, utime"),
	[KERNEL] = TIME("kernel", "On a CPU in the kernel: the rest of it", "task_struct.se.sum_exec_runtime, exec_start, stime"),
	[RUNNABLE] = TIME("runnable", "Wanted to run and waited for a CPU, without what a quota forbade", SCHED ".run_delay"),
	[STOLEN] = TIME("stolen", "Had a CPU that the hypervisor or interrupts had meanwhile",
			SWITCH ", " SCHED ".last_arrival, less user and kernel"),
	[THROTTLED] = TIME("throttled", "Wanted to run and was kept from it by its control group's quota",
			   "cfs_rq.throttled_clock_pelt_time"),
	[DISK] = BLOCKED("disk", "on a disk"),
	[LOCK] = BLOCKED("lock", "on a lock, of memory (futex) or of a file"),
	[NETWORK] = BLOCKED("network", "on a peer elsewhere: for an answer, or for room to send"),
	[MEMORY] = BLOCKED("memory", "in a page fault or reclaiming memory"),
	[PIPE] = BLOCKED("pipe", "on a local peer: a full pipe, an answer on a unix socket, a message queue"),
	[OTHER] = BLOCKED("other", "uninterruptibly, for none of these reasons"),
	[IDLE] = TIME("idle", "Nothing to do: waits for events, connections, a timer, a child, a terminal", SWITCH),
	[IDLE_MAYBE] = TIME("idle_maybe", "On a condition, for input or asynchronous I/O: idle in a pool, a server without requests, or waiting for "
			    "somebody's result; the kernel cannot tell", SWITCH),
	[BUSY_NOW] = GAUGE("busy_now", CULPRIT_COUNT, "1 where it was not idle for a hundredth of the last tick", SWITCH),
	[RUNNING] = {.name = "running", .role = CULPRIT_ATTRIBUTE, .type = CULPRIT_U64, .unit = CULPRIT_NONE, .flags = CULPRIT_RUNNING,
		     .help = "Of one that is idle: the column, counted from 0, that grows with time until its times are told again",
		     .source = "made up by culprit"},
};

#define ON_CPU "user+kernel"
#define BUSY ON_CPU "+stolen+runnable+throttled+disk+lock+network+memory+pipe+other"

static const struct culprit_derived derived[] = {
	TIME_SHARE("busy_pct", BUSY, "Time in which it had something to do, percent of the window"),
	TIME_SHARE("cpu_pct", ON_CPU, "Time on a CPU, percent of the window"),
	TIME_SHARE("user_pct", "user", "Time on a CPU in user mode, percent of the window"),
	TIME_SHARE("kernel_pct", "kernel", "Time on a CPU in the kernel, percent of the window"),
	TIME_SHARE("stolen_pct", "stolen", "Time in which the hypervisor or interrupts had its CPU, percent of the window"),
	TIME_SHARE("runq_pct", "runnable", "Time waiting for a CPU, percent of the window"),
	TIME_SHARE("throttled_pct", "throttled", "Time kept from running by a quota, percent of the window"),
	TIME_SHARE("disk_pct", "disk", "Time waiting for a disk, percent of the window"),
	TIME_SHARE("lock_pct", "lock", "Time waiting for a lock, percent of the window"),
	TIME_SHARE("net_pct", "network", "Time waiting for the network, percent of the window"),
	TIME_SHARE("memory_pct", "memory", "Time in page faults and reclaim, percent of the window"),
	TIME_SHARE("pipe_pct", "pipe", "Time waiting for a local peer, percent of the window"),
	TIME_SHARE("other_pct", "other", "Time blocked for another reason, percent of the window"),
	TIME_SHARE("stalled_pct", "disk+lock+network+other", "Time waiting for a disk, a lock, the network or another such reason, percent of the window"),
	TIME_SHARE("idle_pct", "idle", "Time with nothing to do, percent of the window"),
	TIME_SHARE("idle_maybe_pct", "idle_maybe", "Time on a condition, for input or asynchronous I/O: idle?, percent of the window"),
	TIME_SHARE("all_pct", BUSY "+idle+idle_maybe", "All of it, percent of the window: 100 but for what is measured at its ends"),
};

#define ROLL(column_, table_, name_, op_, help_)                                                                       \
	{                                                                                                              \
		.column = (column_), .table = (table_), .name = (name_), .op = CULPRIT_ROLL_##op_, .help = (help_)     \
	}
/* A thread's own, and what its process's threads add up to: 100 % is one thread all the time. */
#define BOTH(column, name, what)                                                                                       \
	ROLL(column, "thread", name, SUM, "time " what ", percent of the window"),                                     \
	ROLL(column, "process", name, SUM, "time its threads spent " what ": 100 % is one thread all the time")

static const struct culprit_rollup rollups[] = {
	BOTH("busy_pct", "time_busy", "with something to do"),
	BOTH("cpu_pct", "time_cpu", "on a CPU, exact"),
	BOTH("stolen_pct", "time_stolen", "on a CPU that the hypervisor or interrupts had"),
	BOTH("runq_pct", "time_runq", "waiting for a CPU"),
	BOTH("throttled_pct", "time_throttled", "kept from running by a quota"),
	BOTH("disk_pct", "time_disk", "waiting for a disk"),
	BOTH("lock_pct", "time_lock", "waiting for a lock"),
	BOTH("net_pct", "time_net", "waiting for the network"),
	BOTH("memory_pct", "time_memory", "in page faults and reclaim"),
	BOTH("pipe_pct", "time_pipe", "waiting for a local peer"),
	BOTH("other_pct", "time_other", "blocked for another reason"),
	ROLL("stalled_pct", "process", "time_stalled", SUM,
	     "time its threads spent waiting for disks, locks, the network and other such reasons: 100 % is one thread all the time"),
	ROLL("busy_now", "process", "busy_threads", SUM, "threads that were not idle all of the last tick"),
};

const struct culprit_table sched_time_table = {
	.size = sizeof(struct culprit_table),
	.name = "thread_time",
	.kind = CULPRIT_STATE,
	.help = "Where every thread's wall-clock time goes. What parks in user space (Go, virtual threads, node, async Rust) is seen "
		"as the threads that carry it, not as its tasks",
	.key = "thread",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	CULPRIT_ROLLUPS(rollups),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "busy_pct",
	.show = "tid comm pid busy_pct cpu_pct runq_pct throttled_pct disk_pct lock_pct net_pct memory_pct pipe_pct other_pct idle_pct "
		"idle_maybe_pct now syscall",
};

/* --- who is there ------------------------------------------------------------------------------------------------ */

int sched_threads_init(struct sched_threads *t, const struct culprit_host *host)
{
	t->size = SIZE_MIN;
	pool_init(&t->pool, sizeof(struct sched_known));
	pool_init(&t->rares, sizeof(struct sched_rare));
	t->table = calloc(t->size, sizeof(*t->table));
	t->start_unit_ns = 1000000000 / (host->user_hz ? host->user_hz : 100);
	t->whole = host->flags & CULPRIT_HOST_WHOLE;
	return t->table ? 0 : -ENOMEM;
}

void sched_threads_finish(struct sched_threads *t)
{
	pool_finish(&t->pool);
	pool_finish(&t->rares);
	free(t->table);
	t->table = NULL;
}

static uint32_t place_of(const struct sched_threads *t, uint32_t tid)
{
	return (tid * 0x9E3779B1u >> 7) & (t->size - 1);
}

/* Where it is, or would be. */
static struct sched_known **find(const struct sched_threads *t, uint32_t tid, uint64_t start)
{
	uint32_t at = place_of(t, tid);

	for (; t->table[at]; at = (at + 1) & (t->size - 1))
		if (t->table[at]->tid == tid && t->table[at]->start == start)
			break;
	return &t->table[at];
}

const struct sched_known *sched_threads_find(const struct sched_threads *t, uint32_t tid, uint64_t start)
{
	return *find(t, tid, start);
}

/* The same threads in a table of another size. */
static int rehash(struct sched_threads *t, uint32_t size)
{
	struct sched_threads grown = *t;

	grown.table = calloc(size, sizeof(*grown.table));
	if (!grown.table)
		return -ENOMEM;
	grown.size = size;
	for (uint32_t i = 0; i < t->size; i++)
		if (t->table[i])
			*find(&grown, t->table[i]->tid, t->table[i]->start) = t->table[i];
	free(t->table);
	*t = grown;
	return 0;
}

/* on_cpu is exact, and utime and stime are sampled at ticks: what was added is shared out as they grew. */
static void share_cpu(struct sched_known *k, const struct sched_record *r)
{
	uint64_t user = r->user - k->user_ticks, kernel = r->kernel - k->kernel_ticks;
	uint64_t on_cpu = sched_known_on_cpu(k), more = r->on_cpu > on_cpu ? r->on_cpu - on_cpu : 0, part;

	if (r->user < k->user_ticks || r->kernel < k->kernel_ticks)
		user = kernel = 0;
	/* Less than a tick: as it always was. */
	if (!(user + kernel)) {
		user = r->user;
		kernel = r->kernel;
	}
	part = user + kernel ? (uint64_t)((double)more * ((double)user / (double)(user + kernel))) : 0;
	k->user_ns += part;
	k->kernel_ns += more - part;
	k->user_ticks = r->user;
	k->kernel_ticks = r->kernel;
}

/* Read while it changed, a counter may be a little less than before: it never falls. Returns by how much it grew. */
static uint64_t grow(uint64_t *counter, uint64_t now)
{
	uint64_t more = now > *counter ? now - *counter : 0;

	*counter += more;
	return more;
}

/* Where it has what is rare; NULL: out of memory. */
static struct sched_rare *rare_of(struct sched_threads *t, struct sched_known *k)
{
	if (!k->rare)
		k->rare = pool_take(&t->rares);
	return k->rare;
}

/* Its counter of this reason is at least `now`, from now on. -ENOMEM. */
static int grow_blocked(struct sched_threads *t, struct sched_known *k, unsigned reason, uint64_t now)
{
	if (now <= sched_known_blocked(k, reason))
		return 0;
	if (reason >= SCHED_IDLE)
		k->idle[reason - SCHED_IDLE] = now;
	else if (reason == SCHED_NONE)
		k->wanted = now;
	else if (rare_of(t, k))
		k->rare->blocked[reason - SCHED_DISK] = now;
	else
		return -ENOMEM;
	return 0;
}

static int grow_rare(struct sched_threads *t, struct sched_known *k, const struct sched_record *r)
{
	/* The two are of clocks that differ by microseconds, and either may be ahead: never less than it was. */
	int64_t stolen = (int64_t)(r->held - sched_known_on_cpu(k) - k->first);
	int err = 0;

	for (unsigned i = SCHED_DISK; i < SCHED_REASONS; i++)
		err |= grow_blocked(t, k, i, r->blocked[i]);
	if (!k->rare && !r->throttled && stolen <= 0)
		return err;
	if (!rare_of(t, k))
		return -ENOMEM;
	grow(&k->rare->throttled, r->throttled);
	if (stolen > 0)
		grow(&k->rare->stolen_ns, (uint64_t)stolen);
	return err;
}

int sched_threads_take(struct sched_threads *t, const struct sched_record *r, uint64_t boot_before_ns)
{
	uint64_t start = r->start ? r->start : 1;
	struct sched_known **at = find(t, r->tid, start), *k = *at;
	uint64_t waited;

	if (!k && r->accounted == SCHED_WRITTEN)
		return 0;
	if (!k) {
		if (t->used >= SCHED_THREADS_MOST) {
			t->too_many++;
			return -ENOSPC;
		}
		if (t->used * 4 >= t->size * 3) {
			if (rehash(t, t->size * 2))
				return -ENOMEM;
			at = find(t, r->tid, start);
		}
		k = pool_take(&t->pool);
		if (!k)
			return -ENOMEM;
		*at = k;
		t->used++;
		k->start = start;
		k->tid = r->tid;
		k->handle = CULPRIT_NO_HANDLE;
		k->fresh = true;
		k->born = boot_before_ns && start > boot_before_ns;
		if (!k->born) {
			k->wanted = r->blocked[SCHED_NONE];
			k->switches = r->switches;
		}
	}
	k->seen = t->sample;
	k->sleeps_on = false;
	/* As it was a sample before; the next one has it all. */
	if (r->accounted == SCHED_WRITTEN)
		return 0;
	k->at = r->at;
	k->pid = r->pid;
	k->process_start = r->process_start;
	k->accounted = r->accounted < SCHED_WRITTEN ? (uint8_t)r->accounted : 0;
	k->reason = r->reason;
	k->syscall = r->syscall;
	memcpy(k->comm, r->comm, sizeof(k->comm));
	k->switched = (uint32_t)grow(&k->switches, r->switches);
	waited = grow(&k->wanted, r->blocked[SCHED_NONE]);
	k->waited = waited < UINT32_MAX ? (uint32_t)waited : UINT32_MAX;
	share_cpu(k, r);
	if (k->fresh) {
		/* A thread that is new here has both from its beginning. */
		k->first = k->born ? 0 : r->held - r->on_cpu;
	}
	return grow_rare(t, k, r);
}

int sched_threads_take_same(struct sched_threads *t, const struct sched_same *r)
{
	uint32_t at = place_of(t, r->tid);
	struct sched_known *k;

	for (; (k = t->table[at]); at = (at + 1) & (t->size - 1))
		if (k->tid == r->tid && k->accounted == SCHED_ACCOUNTED && k->reason < SCHED_REASONS)
			break;
	if (!k) {
		/* Where there was no room for it, that is no news. */
		t->too_many += t->used >= SCHED_THREADS_MOST;
		return t->used >= SCHED_THREADS_MOST ? 0 : -ENOENT;
	}
	k->seen = t->sample;
	k->switched = 0;
	k->waited = 0;
	k->sleeps_on = true;
	if (r->at > k->at) {
		if (grow_blocked(t, k, k->reason, sched_known_blocked(k, k->reason) + (r->at - k->at)))
			return -ENOMEM;
		k->at = r->at;
	}
	return 0;
}

void sched_threads_sweep(struct sched_threads *t)
{
	for (uint32_t i = 0; i < t->size; i++) {
		struct sched_known *k = t->table[i];

		if (!k || k->seen == t->sample)
			continue;
		t->table[i] = NULL;
		if (k->rare)
			pool_give(&t->rares, k->rare);
		pool_give(&t->pool, k);
		t->used--;
		/* Chains by open addressing: those behind move up. */
		for (uint32_t at = (i + 1) & (t->size - 1); t->table[at]; at = (at + 1) & (t->size - 1)) {
			struct sched_known *moved = t->table[at];

			t->table[at] = NULL;
			*find(t, moved->tid, moved->start) = moved;
		}
		/* Another may stand here now. */
		i -= t->table[i] != NULL;
	}
	/* After a burst. */
	if (t->size > SIZE_MIN && t->used * 16 < t->size)
		rehash(t, t->size / 4);
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static const char *now_name(const struct sched_known *k)
{
	static const char *const names[SCHED_REASONS] = {"cpu", "disk", "lock", "network", "memory", "pipe", "other", "idle",
							 "idle?"};

	return k->accounted == SCHED_ACCOUNTED && k->reason < SCHED_REASONS ? names[k->reason] : "?";
}

/* Time in which it was not idle. */
static uint64_t busy(const struct sched_known *k)
{
	uint64_t ns = sched_known_on_cpu(k) + (k->rare ? k->rare->throttled : 0);

	for (unsigned i = SCHED_NONE; i < SCHED_IDLE; i++)
		ns += sched_known_blocked(k, i);
	return ns;
}

/* The time that goes on while it rests; 0: none does, or it is not known. */
static uint8_t running(const struct sched_known *k)
{
	if (k->accounted != SCHED_ACCOUNTED)
		return 0;
	return k->reason == SCHED_IDLE ? IDLE : k->reason == SCHED_IDLE_MAYBE ? IDLE_MAYBE : 0;
}

static void put_times(struct culprit_frame *f, struct sched_known *k)
{
	static const uint8_t column[SCHED_REASONS] = {[SCHED_DISK] = DISK, [SCHED_LOCK] = LOCK, [SCHED_NET] = NETWORK,
						      [SCHED_MEMORY] = MEMORY, [SCHED_PIPE] = PIPE, [SCHED_OTHER] = OTHER,
						      [SCHED_IDLE] = IDLE, [SCHED_IDLE_MAYBE] = IDLE_MAYBE};

	culprit_put_u64(f, USER, k->user_ns);
	culprit_put_u64(f, KERNEL, k->kernel_ns);
	culprit_put_u64(f, RUNNABLE, k->wanted);
	if (k->accounted != SCHED_ACCOUNTED) {
		for (uint32_t i = STOLEN; i <= IDLE_MAYBE; i++)
			culprit_unread(f, i, "not accounted: its place in the kernel's table is another thread's");
	} else {
		culprit_put_u64(f, STOLEN, k->rare ? k->rare->stolen_ns : 0);
		culprit_put_u64(f, THROTTLED, k->rare ? k->rare->throttled : 0);
		for (unsigned i = SCHED_DISK; i < SCHED_REASONS; i++)
			culprit_put_u64(f, column[i], sched_known_blocked(k, i));
	}
	k->busy_put = busy(k);
	k->running = running(k);
	k->rested = 0;
}

static void put_row(struct sched_threads *t, struct culprit_frame *f, struct sched_known *k, uint64_t tick_ns)
{
	const char *call = sched_syscall_name(k->syscall);
	size_t len = strnlen(k->comm, sizeof(k->comm));
	uint64_t busy_ns = k->fresh ? 0 : busy(k) - k->busy_put;
	bool full = k->handle == CULPRIT_NO_HANDLE, goes_on = running(k) && running(k) == k->running;
	bool busy_now = tick_ns && busy_ns >= tick_ns / 100;

	/* Its row says it all. */
	if (k->sleeps_on && goes_on && !busy_now && !k->busy_shown && !full && !t->whole && !culprit_again(f, k->handle)) {
		k->handle = culprit_end(f);
		return;
	}
	if (!full && culprit_again(f, k->handle))
		full = true;
	if (full) {
		culprit_row(f);
		if (k->born)
			culprit_born(f);
		culprit_put_u64(f, TID, k->tid);
		culprit_put_u64(f, START, k->start / t->start_unit_ns);
		culprit_put_u64(f, PID, k->pid);
		culprit_put_u64(f, PROCESS_START, k->process_start / t->start_unit_ns);
	}
	culprit_put_text(f, COMM, k->comm, len);
	culprit_put_string(f, NOW, now_name(k));
	culprit_put_string(f, SYSCALL, call ? call : "");
	culprit_put_u64(f, BUSY_NOW, busy_now);
	k->busy_shown = busy_now;
	if (full || t->whole || busy_ns || (!goes_on && k->rested + 1u >= REST_MAX + k->tid % REST_MAX))
		put_times(f, k);
	else if (k->rested < UINT8_MAX)
		k->rested++;
	culprit_put_u64(f, RUNNING, k->running);
	k->fresh = k->born = false;
	k->handle = culprit_end(f);
}

void sched_threads_put(struct sched_threads *t, struct culprit_frame *f, uint64_t tick_ns)
{
	for (uint32_t i = 0; i < t->size; i++)
		if (t->table[i] && t->table[i]->seen == t->sample)
			put_row(t, f, t->table[i], tick_ns);
}
