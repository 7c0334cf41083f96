/* Table `thread_waker`: who ended the waits of a process's threads, while somebody looks at it. */
#include "sched_internal.h"

#include <string.h>

#include <bpf/libbpf.h>

#include "bpf.h"
#include "columns.h"
#include "sched.skel.h"

enum { TID, START, REASON, WAKER_TID, COMM, PID, PROCESS_START, WAKER, WAKER_PID, WAITS, WAIT_TIME };

#define SOURCE "tracepoint sched_waking, since the process is looked at"

static const struct culprit_column columns[] = {
	[TID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "tid", "Thread that waited", "task_struct.pid"),
	[START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it began", "task_struct.start_boottime"),
	[REASON] = KEY_TEXT("reason", "What it waited for, as in thread_time", "registers of the thread when it blocked"),
	[WAKER_TID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "waker_tid", "Thread that woke it; 0: an interrupt (a disk, a "
			     "packet, a timer)", SOURCE),
	[COMM] = TEXT("comm", "Its name", "task_struct.comm"),
	[PID] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Its process", "task_struct.tgid"),
	[PROCESS_START] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_TICKS, 0, "process_start", "When its process began",
				 "task_struct.start_boottime"),
	[WAKER] = TEXT("waker", "Name of the thread that woke it. An interrupt that came while a thread was in a system call is taken for "
			"that thread", SOURCE),
	[WAKER_PID] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_NONE, 0, "waker_pid", "Process of that thread", SOURCE),
	[WAITS] = COUNTER("waits", CULPRIT_COUNT, "Waits that it ended", SOURCE),
	[WAIT_TIME] = COUNTER("wait_time", CULPRIT_NS, "How long these were, added up", SOURCE),
};

static const struct culprit_derived derived[] = {
	RATE("wake_rate", "waits", CULPRIT_COUNT_PER_S, "Waits that it ended a second"),
	RATIO("wait_mean", "wait_time", "waits", CULPRIT_NS, 1, "Mean length of these waits"),
	TIME_SHARE("wait_pct", "wait_time", "Share of the window that the thread waited for it"),
};

const struct culprit_table sched_waker_table = {
	.size = sizeof(struct culprit_table),
	.name = "thread_waker",
	.kind = CULPRIT_STATE,
	.help = "Who ends the waits of threads: whom they wait for. Measured for one process, while its threads are looked at",
	.key = "thread_waker",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "wait_pct",
	.show = "tid comm reason waker waker_tid waker_pid wait_pct wake_rate wait_mean waits",
};

static const char *const reasons[SCHED_REASONS] = {
	[SCHED_NONE] = "runnable", [SCHED_DISK] = "disk", [SCHED_LOCK] = "lock", [SCHED_NET] = "network", [SCHED_MEMORY] = "memory",
	[SCHED_PIPE] = "pipe", [SCHED_OTHER] = "other", [SCHED_IDLE] = "idle", [SCHED_IDLE_MAYBE] = "idle?",
};

static void forget(struct sched_wakers *w)
{
	struct sched_wake_key key;

	while (!bpf_map__get_next_key(w->skeleton->maps.sched_wakes, NULL, &key, sizeof(key)))
		if (bpf_map__delete_elem(w->skeleton->maps.sched_wakes, &key, sizeof(key), 0))
			break;
}

void sched_wakers_follow(struct sched_wakers *w, uint32_t pid, uint64_t start)
{
	if (w->pid == pid && w->start == start)
		return;
	w->skeleton->bss->sched_wake_pid = 0;
	forget(w);
	w->pid = pid;
	w->start = start;
	if (!pid) {
		bpf_detach(w->unit, SCHED_WAKER);
		return;
	}
	w->skeleton->bss->sched_wake_pid = pid;
	bpf_attach(w->unit, SCHED_WAKER);
}

void sched_wakers_put(struct sched_wakers *w, struct culprit_frame *f)
{
	struct sched_wake_key key, *before = NULL;
	uint64_t lost = __atomic_load_n(&w->skeleton->bss->sched_wake_over, __ATOMIC_RELAXED);
	struct sched_wake wake;

	for (unsigned n = 0; n < SCHED_WAKES && !bpf_map__get_next_key(w->skeleton->maps.sched_wakes, before, &key, sizeof(key)); n++) {
		before = &key;
		if (bpf_map__lookup_elem(w->skeleton->maps.sched_wakes, &key, sizeof(key), &wake, sizeof(wake), 0) ||
		    key.reason >= SCHED_REASONS || (w->start && wake.process_start / w->start_unit_ns != w->start))
			continue;
		culprit_row(f);
		culprit_born(f);
		culprit_put_u64(f, TID, key.tid);
		culprit_put_u64(f, START, wake.start / w->start_unit_ns);
		culprit_put_string(f, REASON, reasons[key.reason]);
		culprit_put_u64(f, WAKER_TID, key.waker);
		culprit_put_text(f, COMM, wake.comm, strnlen(wake.comm, sizeof(wake.comm)));
		culprit_put_u64(f, PID, w->pid);
		culprit_put_u64(f, PROCESS_START, wake.process_start / w->start_unit_ns);
		if (key.waker) {
			culprit_put_text(f, WAKER, wake.waker_comm, strnlen(wake.waker_comm, sizeof(wake.waker_comm)));
			culprit_put_u64(f, WAKER_PID, wake.waker_pid);
		} else {
			culprit_put_string(f, WAKER, "interrupt");
		}
		culprit_put_u64(f, WAITS, wake.waits);
		culprit_put_u64(f, WAIT_TIME, wake.ns);
		culprit_end(f);
	}
	culprit_lost(f, SCHED_TABLE_WAKER, lost - w->lost);
	w->lost = lost;
}
