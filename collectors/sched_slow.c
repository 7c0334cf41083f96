/* Table `runq_slow`: single waits for a CPU that were long, with who waited and who had the CPU. */
#include "sched_internal.h"

#include <errno.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "bpf_processes.h"
#include "bpf_ring.h"
#include "columns.h"
#include "sched.skel.h"

enum { TIME, LATENCY, CPU, COMM, TID, START, PID, PROCESS_START, THREAD, BEHIND, BEHIND_TID, THRESHOLD };

enum {
	SLOW_MAX = 100,   /* rows a tick */
	SLOW_WANTED = 20, /* the threshold follows so that there are about as many */
};

#define SOURCE "tracepoint sched_switch, task_struct.sched_info"

static const struct culprit_column columns[] = {
	[TIME] = TIME_OF_EVENT("When it was given the CPU", SOURCE),
	[LATENCY] = GAUGE("latency", CULPRIT_NS, "How long it wanted to run and waited, without what a quota forbade", SOURCE),
	[CPU] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_I64, CULPRIT_NONE, 0, "cpu", "The CPU it was given", SOURCE),
	[COMM] = TEXT("comm", "Thread that waited", "task_struct.comm"),
	[TID] = NUMBER("tid", CULPRIT_NONE, "Its id", "task_struct.pid"),
	[START] = NUMBER("start", CULPRIT_TICKS, "When it began", "task_struct.start_boottime"),
	[PID] = NUMBER("pid", CULPRIT_NONE, "Its process", "task_struct.tgid"),
	[PROCESS_START] = NUMBER("process_start", CULPRIT_TICKS, "When its process began", "task_struct.start_boottime"),
	[THREAD] = TASK("task", "That thread", "task_struct.pid"),
	[BEHIND] = TEXT("behind", "Thread that had the CPU until then, the last one where several took turns; -: it stood idle, as where "
			"a virtual machine is not run, or a thread is moved late", "tracepoint sched_switch"),
	[BEHIND_TID] = NUMBER("behind_tid", CULPRIT_NONE, "Its id", "tracepoint sched_switch"),
	[THRESHOLD] = GAUGE("threshold", CULPRIT_NS, "What waited longer than this became a row", "1 ms, or what leaves about 20 rows a tick"),
};

const struct culprit_table sched_slow_table = {
	.size = sizeof(struct culprit_table),
	.name = "runq_slow",
	.kind = CULPRIT_EVENT,
	.help = "Long waits for a CPU, one by one: above a threshold that follows the load, at most 100 a tick; the others are "
		"counted as lost",
	CULPRIT_COLUMNS(columns),
	.parent = "process",
	.parent_columns = "pid process_start",
	.show = "time latency cpu comm tid pid behind behind_tid threshold",
};

static void take(void *arg, const void *data, size_t size)
{
	struct sched_slows *s = arg;
	struct culprit_frame *f = s->frame;
	const struct sched_slow *e = data;

	if (!f || size < sizeof(*e))
		return;
	s->told++;
	culprit_row(f);
	culprit_put_u64(f, TIME, e->time);
	culprit_put_u64(f, LATENCY, e->wait);
	culprit_put_i64(f, CPU, e->cpu);
	culprit_put_text(f, COMM, e->comm, strnlen(e->comm, sizeof(e->comm)));
	culprit_put_u64(f, TID, e->tid);
	culprit_put_u64(f, START, e->start / s->start_unit_ns);
	culprit_put_u64(f, PID, e->pid);
	culprit_put_u64(f, PROCESS_START, e->process_start / s->start_unit_ns);
	culprit_put_task(f, THREAD, e->tid, e->start / s->start_unit_ns);
	if (e->behind_tid) {
		culprit_put_text(f, BEHIND, e->behind, strnlen(e->behind, sizeof(e->behind)));
		culprit_put_u64(f, BEHIND_TID, e->behind_tid);
	}
	culprit_put_u64(f, THRESHOLD, e->threshold);
	culprit_end(f);
}

int sched_slows_init(struct sched_slows *s, struct sched_bpf *skeleton, uint64_t start_unit_ns)
{
	s->skeleton = skeleton;
	s->start_unit_ns = start_unit_ns;
	s->ring = bpf_ring_open(skeleton->maps.sched_slows, take, s);
	if (!s->ring)
		return errno ? -errno : -ENOMEM;
	/* What is left there was for who had this table before. */
	bpf_ring_read(s->ring);
	s->lost = __atomic_load_n(&skeleton->bss->sched_slow_over, __ATOMIC_RELAXED);
	return 0;
}

void sched_slows_finish(struct sched_slows *s)
{
	if (s->skeleton)
		__atomic_store_n(&s->skeleton->bss->sched_slow_threshold, 0, __ATOMIC_RELAXED);
	bpf_ring_close(s->ring);
	s->ring = NULL;
}

void sched_slows_put(struct sched_slows *s, struct culprit_frame *f)
{
	uint64_t lost;

	s->frame = f;
	bpf_ring_read(s->ring);
	lost = __atomic_load_n(&s->skeleton->bss->sched_slow_over, __ATOMIC_RELAXED);
	culprit_lost(f, SCHED_TABLE_SLOW, lost - s->lost);
	/* 0 until the first sample: then it begins at its floor. */
	s->skeleton->bss->sched_slow_threshold =
		bpf_threshold(s->skeleton->bss->sched_slow_threshold, s->told, SLOW_WANTED, lost != s->lost);
	__atomic_store_n(&s->skeleton->bss->sched_slow_left, SLOW_MAX, __ATOMIC_RELAXED);
	s->lost = lost;
	s->told = 0;
	s->frame = NULL;
}
