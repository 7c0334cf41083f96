/* Table `runq_task`: run-queue latency of the threads that wait and switch most, each with a histogram of its own. */
#include "sched_internal.h"

#include <string.h>

#include "columns.h"

enum { TID, START, PID, PROCESS_START, COMM, WAITS, WAIT_TIME, LONGEST, WAIT, QUIET_SAMPLES = 10 };

#define SOURCE "tracepoint sched_switch, task_struct.sched_info"

static const struct culprit_bounds wait_bounds = {.kind = CULPRIT_LOG_LINEAR, .count = BPF_HIST_SLOTS};

static const struct culprit_column columns[] = {
	[TID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "tid", "Thread id", "task_struct.pid"),
	[START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it began, with the tid who it is",
			 "task_struct.start_boottime"),
	[PID] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Its process", "task_struct.tgid"),
	[PROCESS_START] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_TICKS, 0, "process_start", "When its process began",
				 "task_struct.group_leader.start_boottime"),
	[COMM] = TEXT("comm", "Its name", "task_struct.comm"),
	[WAITS] = COUNTER("waits", CULPRIT_COUNT, "Times it was given a CPU, having waited for it or not", SOURCE),
	[WAIT_TIME] = COUNTER("wait_time", CULPRIT_NS, "Time it wanted to run and waited, without what a quota forbade", SOURCE),
	[LONGEST] = COLUMN(CULPRIT_PEAK, CULPRIT_U64, CULPRIT_NS, 0, "longest", "Its longest wait", SOURCE),
	[WAIT] = {.name = "wait", .role = CULPRIT_HISTOGRAM, .type = CULPRIT_HIST, .unit = CULPRIT_NS,
		  .help = "Its waits for a CPU, from being runnable to running", .source = SOURCE, .bounds = &wait_bounds},
};

#define PERCENTILE(name_, percent_, help_)                                                                             \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_PERCENTILE, .unit = CULPRIT_NS, .a = "wait", .arg = (percent_),         \
		.help = (help_)                                                                                        \
	}

static const struct culprit_derived derived[] = {
	PERCENTILE("wait_p50", 50, "Half of its waits were shorter"),
	PERCENTILE("wait_p90", 90, "9 of 10 of its waits were shorter"),
	PERCENTILE("wait_p99", 99, "99 of 100 of its waits were shorter"),
	RATIO("wait_mean", "wait_time", "waits", CULPRIT_NS, 1, "Its mean wait"),
	RATE("wait_rate", "waits", CULPRIT_COUNT_PER_S, "Times it was given a CPU"),
	TIME_SHARE("waiting", "wait_time", "Share of the window in which it waited for a CPU"),
};

const struct culprit_table sched_task_table = {
	.size = sizeof(struct culprit_table),
	.name = "runq_task",
	.kind = CULPRIT_STATE,
	.help = "Run-queue latency of the 64 threads that wait and switch most, from when they came to be among them",
	.key = "thread",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "waiting",
	.show = "tid comm pid waiting wait_rate wait_p50 wait_p90 wait_p99 longest wait_mean waits",
};

static void leave(struct sched_watcher *w, unsigned i)
{
	struct sched_watch *watch = &w->watch[w->who[i].tid & (SCHED_WATCH_SLOTS - 1)];

	if (watch->tid == w->who[i].tid)
		__atomic_store_n(&watch->tid, 0, __ATOMIC_RELEASE);
	memset(&w->who[i], 0, sizeof(w->who[i]));
}

void sched_watch_finish(struct sched_watcher *w)
{
	for (unsigned i = 0; i < SCHED_WATCHED; i++)
		if (w->who[i].tid)
			leave(w, i);
}

static void enter(struct sched_watcher *w, unsigned i, const struct sched_known *k)
{
	struct sched_watch *watch = &w->watch[k->tid & (SCHED_WATCH_SLOTS - 1)];

	memset(&w->watched[i], 0, sizeof(w->watched[i]));
	watch->index = i;
	__atomic_store_n(&watch->tid, k->tid, __ATOMIC_RELEASE);
	w->who[i].tid = k->tid;
	w->who[i].start = k->start;
	w->who[i].idle = 0;
}

/* Time waited counts, and each switch as a microsecond: who switches much and waits little is worth a look as well. */
static uint64_t weight_of(const struct sched_known *k)
{
	return k->waited + k->switched * UINT64_C(1000);
}

static bool is_in(const struct sched_watcher *w, const struct sched_known *k)
{
	for (unsigned i = 0; i < SCHED_WATCHED; i++)
		if (w->who[i].tid == k->tid && w->who[i].start == k->start)
			return true;
	return false;
}

void sched_watch_choose(struct sched_watcher *w, struct sched_threads *t)
{
	for (unsigned i = 0; i < SCHED_WATCHED; i++) {
		const struct sched_known *k = w->who[i].tid ? sched_threads_find(t, w->who[i].tid, w->who[i].start) : NULL;

		if (!w->who[i].tid)
			continue;
		w->who[i].idle = k && k->switched ? 0 : w->who[i].idle + 1;
		if (!k || w->who[i].idle > QUIET_SAMPLES)
			leave(w, i);
	}
	/* The places that are free go to the busiest who have none; at most eight come in one sample. */
	for (unsigned come = 0, i = 0; come < 8 && i < SCHED_WATCHED; i++) {
		const struct sched_known *best = NULL;

		if (w->who[i].tid)
			continue;
		for (uint32_t at = 0; at < t->size; at++) {
			const struct sched_known *k = t->table[at];

			if (!k || !k->switched || (best && weight_of(k) <= weight_of(best)) ||
			    w->watch[k->tid & (SCHED_WATCH_SLOTS - 1)].tid || is_in(w, k))
				continue;
			best = k;
		}
		if (!best)
			break;
		enter(w, i, best);
		come++;
	}
}

void sched_watch_put(struct sched_watcher *w, const struct sched_threads *t, struct culprit_frame *f, uint32_t epoch)
{
	for (unsigned i = 0; i < SCHED_WATCHED; i++) {
		const struct sched_known *k = w->who[i].tid ? sched_threads_find(t, w->who[i].tid, w->who[i].start) : NULL;
		struct sched_watched *c = &w->watched[i];
		uint64_t counts[BPF_HIST_SLOTS];

		if (!k)
			continue;
		for (unsigned s = 0; s < BPF_HIST_SLOTS; s++)
			counts[s] = c->wait[s];
		culprit_row(f);
		culprit_born(f);
		culprit_put_u64(f, TID, k->tid);
		culprit_put_u64(f, START, k->start / t->start_unit_ns);
		culprit_put_u64(f, PID, k->pid);
		culprit_put_u64(f, PROCESS_START, k->process_start / t->start_unit_ns);
		culprit_put_text(f, COMM, k->comm, strnlen(k->comm, sizeof(k->comm)));
		culprit_put_u64(f, WAITS, c->waits);
		culprit_put_u64(f, WAIT_TIME, c->wait_ns);
		culprit_put_u64(f, LONGEST, c->longest[epoch]);
		culprit_put_histogram(f, WAIT, counts, BPF_HIST_SLOTS);
		culprit_end(f);
		c->longest[epoch] = 0;
	}
}
