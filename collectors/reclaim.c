/* Tables `reclaim`, `reclaim_process` and `reclaim_slow`: who stands still because memory is short or in pieces, by BPF
 * (reclaim.bpf.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"
#include "bpf_processes.h"
#include "bpf_ring.h"
#include "builtin.h"
#include "columns.h"
#include "reclaim.h"
/* Behind the types it uses. */
#include "reclaim.skel.h"

enum {
	KIND, STALLS, TIME, PAGES, LONGEST, STALL,
	/* of reclaim_process: stalls and time of each kind in turn */
	P_PID = 0, P_START, P_COMM, P_STALLS, P_TIME = P_STALLS + RECLAIM_KINDS, P_STALL = P_TIME + RECLAIM_KINDS,
	/* of reclaim_slow */
	S_TIME = 0, S_LATENCY, S_KIND, S_COMM, S_PID, S_START, S_TASK, S_ORDER, S_THRESHOLD,
};
enum { KIND_TABLE, PROCESS_TABLE, SLOW_TABLE, NTABLES };
enum { SLOW_MAX = 100, SLOW_WANTED = 30 }; /* events a tick: of all; of one kind, which the threshold follows */
static const uint64_t slow_floor_ns = 1000000;

#define DIRECT "tracepoints mm_vmscan_direct_reclaim_begin, _end"
#define CGROUP "tracepoints mm_vmscan_memcg_reclaim_begin, _end"
#define COMPACTION "tracepoints mm_compaction_begin, _end"
#define ALL DIRECT "; mm_vmscan_memcg_reclaim_begin, _end; mm_compaction_begin, _end"

static const struct culprit_bounds bounds = {.kind = CULPRIT_LOG_LINEAR, .count = BPF_HIST_SLOTS};

static const char *const kinds[RECLAIM_KINDS] = {
	[RECLAIM_DIRECT] = "machine", [RECLAIM_CGROUP] = "cgroup", [RECLAIM_COMPACTION] = "compaction",
};
static const char kind_help[] =
	"machine: free memory ran low and the task had to free some itself; cgroup: it did so because its cgroup is at its "
	"limit; compaction: it waited until pages had been moved together, for a large block";

static const struct culprit_column kind_columns[] = {
	[KIND] = KEY_TEXT("kind", kind_help, ALL),
	[STALLS] = COUNTER("stalls", CULPRIT_COUNT, "Times a task stood still for it", ALL),
	[TIME] = COUNTER("time", CULPRIT_NS, "How long, added up over tasks", ALL),
	[PAGES] = COUNTER("pages", CULPRIT_COUNT, "Pages that were freed meanwhile by those tasks; compaction frees none", ALL),
	[LONGEST] = PEAK("longest", CULPRIT_NS, "The longest a task stood still", ALL),
	[STALL] = HISTOGRAM("stall", CULPRIT_NS, &bounds, "How long a task stood still each time", ALL),
};

static const struct culprit_derived kind_derived[] = {
	TIME_SHARE("stalled", "time", "Tasks that stand still on average: 100 % is one task all the time"),
	RATE("stall_rate", "stalls", CULPRIT_COUNT_PER_S, "Stalls a second"),
	PERCENTILE_OF("stall_p50", "stall", 50, CULPRIT_NS, "Half of the stalls were shorter"),
	PERCENTILE_OF("stall_p99", "stall", 99, CULPRIT_NS, "99 of 100 stalls were shorter"),
	RATIO("stall_mean", "time", "stalls", CULPRIT_NS, 1, "Mean length of a stall"),
	RATIO("pages_each", "pages", "stalls", CULPRIT_COUNT, 1, "Pages that one stall frees"),
};

static const struct culprit_table kind_table = {
	.size = sizeof(kind_table),
	.name = "reclaim",
	.kind = CULPRIT_STATE,
	.help = "How long tasks stand still because memory is short or in pieces; threads of the kernel (kswapd) not counted",
	.key = "reclaim",
	CULPRIT_COLUMNS(kind_columns),
	CULPRIT_DERIVED(kind_derived),
	.sort = "stalled",
	.show = "kind stalled stall_rate stall_p50 stall_p99 longest stall_mean pages_each stalls",
};

static const struct culprit_column process_columns[] = {
	[P_PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Process id", ALL),
	[P_START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it started; with pid its identity",
			   "task_struct.start_boottime"),
	[P_COMM] = TEXT("comm", "Name of the thread that first stood still", "task_struct.comm"),
	[P_STALLS + RECLAIM_DIRECT] = COUNTER("machine_stalls", CULPRIT_COUNT, "Times it had to free memory of the machine",
					      DIRECT),
	[P_STALLS + RECLAIM_CGROUP] = COUNTER("cgroup_stalls", CULPRIT_COUNT,
					      "Times it had to free memory of its cgroup, which is at its limit", CGROUP),
	[P_STALLS + RECLAIM_COMPACTION] = COUNTER("compaction_stalls", CULPRIT_COUNT, "Times it waited for compaction",
						  COMPACTION),
	[P_TIME + RECLAIM_DIRECT] = COUNTER("machine_time", CULPRIT_NS, "How long it did the first", DIRECT),
	[P_TIME + RECLAIM_CGROUP] = COUNTER("cgroup_time", CULPRIT_NS, "How long it did the second", CGROUP),
	[P_TIME + RECLAIM_COMPACTION] = COUNTER("compaction_time", CULPRIT_NS, "How long it did the third", COMPACTION),
	[P_STALL] = HISTOGRAM("stall", CULPRIT_NS, &bounds, "How long a thread of it stood still each time, for any of these",
			      ALL),
};

static const struct culprit_derived process_derived[] = {
	TIME_SHARE("memory_stalled", "machine_time+cgroup_time+compaction_time",
		   "Threads of it that stand still for memory on average: 100 % is one thread all the time"),
	TIME_SHARE("cgroup_stalled", "cgroup_time", "The part of this that its cgroup's limit causes"),
	RATE("memory_stall_rate", "machine_stalls+cgroup_stalls+compaction_stalls", CULPRIT_COUNT_PER_S, "Stalls a second"),
	PERCENTILE_OF("stall_p99", "stall", 99, CULPRIT_NS, "99 of 100 stalls were shorter"),
	RATIO("stall_mean", "machine_time+cgroup_time+compaction_time", "machine_stalls+cgroup_stalls+compaction_stalls",
	      CULPRIT_NS, 1, "Mean length of a stall"),
};

/* Into the row of the process itself. */
static const struct culprit_rollup process_rollups[] = {
	{.column = "memory_stalled", .table = "process", .name = "memory_stalled", .op = CULPRIT_ROLL_SUM,
	 .help = "threads of it that stand still for memory on average: 100 % is one thread all the time"},
	{.column = "cgroup_stalled", .table = "process", .name = "cgroup_stalled", .op = CULPRIT_ROLL_SUM,
	 .help = "the part of this that its cgroup's limit causes"},
};

static const struct culprit_table process_table = {
	.size = sizeof(process_table),
	.name = "reclaim_process",
	.kind = CULPRIT_STATE,
	.help = "Which processes stand still because memory is short or in pieces",
	.key = "process",
	CULPRIT_COLUMNS(process_columns),
	CULPRIT_DERIVED(process_derived),
	CULPRIT_ROLLUPS(process_rollups),
	.parent = "process",
	.parent_columns = "pid start",
	.sort = "memory_stalled",
	.show = "pid comm memory_stalled memory_stall_rate stall_p99 stall_mean cgroup_stalled machine_stalls cgroup_stalls "
		"compaction_stalls",
};

static const struct culprit_column slow_columns[] = {
	[S_TIME] = TIME_OF_EVENT("When it was over", ALL),
	[S_LATENCY] = GAUGE("latency", CULPRIT_NS, "How long the task stood still", ALL),
	[S_KIND] = TEXT("kind", kind_help, ALL),
	[S_COMM] = TEXT("comm", "Thread that stood still", "task_struct.comm"),
	[S_PID] = NUMBER("pid", CULPRIT_NONE, "Its process", ALL),
	[S_START] = NUMBER("process_start", CULPRIT_TICKS, "When that process started", "task_struct.start_boottime"),
	[S_TASK] = TASK("task", "That thread", ALL),
	[S_ORDER] = NUMBER("order", CULPRIT_NONE, "It wanted 2^order pages in one piece; compaction does not say", DIRECT),
	[S_THRESHOLD] = GAUGE("threshold", CULPRIT_NS, "What took longer than this became a row",
			      "1 ms, or what leaves about 30 rows a tick"),
};

static const struct culprit_table slow_table = {
	.size = sizeof(slow_table),
	.name = "reclaim_slow",
	.kind = CULPRIT_EVENT,
	.help = "Long stalls for memory, one by one: above a threshold that follows, at most 100 a tick; the others are "
		"counted as lost",
	CULPRIT_COLUMNS(slow_columns),
	.parent = "process",
	.parent_columns = "pid process_start",
	.show = "time latency kind comm pid order threshold",
};

static const struct bpf_hook hooks[] = {
	[RECLAIM_DIRECT_BEGIN] = {.name = "direct_begin", .hook = "tracepoint mm_vmscan_direct_reclaim_begin"},
	[RECLAIM_DIRECT_END] = {.name = "direct_end", .hook = "tracepoint mm_vmscan_direct_reclaim_end"},
	[RECLAIM_CGROUP_BEGIN] = {.name = "cgroup_begin", .hook = "tracepoint mm_vmscan_memcg_reclaim_begin"},
	[RECLAIM_CGROUP_END] = {.name = "cgroup_end", .hook = "tracepoint mm_vmscan_memcg_reclaim_end"},
	[RECLAIM_COMPACTION_BEGIN] = {.name = "compaction_begin", .hook = "tracepoint mm_compaction_begin"},
	[RECLAIM_COMPACTION_END] = {.name = "compaction_end", .hook = "tracepoint mm_compaction_end"},
};

static int configure(void *skeleton, void *arg)
{
	struct reclaim_bpf *s = skeleton;
	uint32_t room = bpf_processes_room();
	int err = bpf_map__set_max_entries(s->maps.process_index, room);

	(void)arg;
	err = err ? err : bpf_map__set_max_entries(s->maps.processes, room);
	return err ? err : bpf_map__set_max_entries(s->maps.reclaim_processes, room);
}

BPF_KIT(reclaim, hooks, configure);

struct reclaim {
	const struct culprit_host *host;
	struct bpf_unit *unit;
	struct reclaim_bpf *skeleton;
	struct bpf_ring *ring;
	struct culprit_frame *frame; /* while the ring is drained */
	struct reclaim_total *totals;
	struct bpf_map *figures; /* of reclaim_process, not mapped: large, and few are in use */
	struct bpf_processes processes;
	uint32_t slow[RECLAIM_KINDS]; /* events in this tick */
	uint64_t slow_lost, lost;     /* as told last */
};

static void clear(void *arg, uint32_t i)
{
	static const struct reclaim_process none;
	struct reclaim *r = arg;

	bpf_map__update_elem(r->figures, &i, sizeof(i), &none, sizeof(none), BPF_ANY);
}

static void slow_event(void *arg, const void *data, size_t size);

static void reclaim_close(void *self)
{
	struct reclaim *r = self;

	bpf_ring_close(r->ring);
	bpf_unload(r->unit);
	free(r);
}

static int reclaim_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct reclaim *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->host = host;
	r->unit = bpf_load(host, &reclaim_kit, NULL, error);
	if (!r->unit) {
		reclaim_close(r);
		return -ENOTSUP;
	}
	r->skeleton = bpf_skeleton(r->unit);
	r->totals = bpf_view(r->unit, r->skeleton->maps.reclaim_totals, true);
	r->figures = r->skeleton->maps.reclaim_processes;
	r->ring = bpf_ring_open(r->skeleton->maps.reclaim_slows, slow_event, r);
	r->processes.clear = clear;
	r->processes.arg = r;
	if (!r->totals || !r->ring ||
	    bpf_processes_init(&r->processes, r->unit, r->skeleton->maps.process_index, r->skeleton->maps.processes,
			       (struct bpf_process_free *)&r->skeleton->bss->process_free) != 0) {
		snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		reclaim_close(r);
		return -ENOMEM;
	}
	for (unsigned k = 0; k < RECLAIM_KINDS; k++)
		r->totals[k].threshold = slow_floor_ns;
	*ret_self = r;
	return 0;
}

/* Why a kind is not measured; NULL: it is. */
static const char *missing(const struct reclaim *r, unsigned kind)
{
	for (unsigned i = 2 * kind; i < 2 * kind + 2; i++)
		if (!bpf_is_on(r->unit, i))
			return bpf_reason(r->unit, i) ? bpf_reason(r->unit, i) :
							"it was switched off: own cost was above the budget";
	return NULL;
}

static void put_kinds(struct reclaim *r, struct culprit_frame *f)
{
	unsigned epoch = r->skeleton->bss->reclaim_epoch++ & 1, on = 0;
	const char *reason = NULL;
	uint64_t counts[BPF_HIST_SLOTS], lost = r->skeleton->bss->stalls_lost;

	culprit_table(f, KIND_TABLE);
	for (unsigned k = 0; k < RECLAIM_KINDS; k++) {
		struct reclaim_total *t = &r->totals[k];
		const char *why = missing(r, k);

		if (why) {
			reason = why;
			continue;
		}
		on++;
		memcpy(counts, t->ns, sizeof(counts));
		culprit_row(f);
		culprit_born(f);
		culprit_put_string(f, KIND, kinds[k]);
		culprit_put_u64(f, STALLS, t->stalls);
		culprit_put_u64(f, TIME, t->time_ns);
		if (k != RECLAIM_COMPACTION)
			culprit_put_u64(f, PAGES, t->pages);
		culprit_put_u64(f, LONGEST, t->longest[epoch]);
		culprit_put_histogram(f, STALL, counts, BPF_HIST_SLOTS);
		culprit_end(f);
		t->longest[epoch] = 0;
	}
	culprit_lost(f, KIND_TABLE, lost - r->lost);
	bpf_say_lost(r->unit, RECLAIM_DIRECT_END, lost);
	r->lost = lost;
	if (reason)
		culprit_state(f, KIND_TABLE, on ? CULPRIT_FRESH : CULPRIT_MISSING, reason);
}

static void put_process(struct reclaim *r, struct culprit_frame *f, const struct bpf_process *who,
			const struct reclaim_process *p)
{
	uint64_t counts[BPF_HIST_SLOTS];

	memcpy(counts, p->ns, sizeof(counts));
	culprit_row(f);
	culprit_born(f);
	culprit_put_u64(f, P_PID, who->pid);
	culprit_put_u64(f, P_START, bpf_start_ticks(r->host, who->start));
	culprit_put_text(f, P_COMM, who->comm, strnlen(who->comm, sizeof(who->comm)));
	for (uint32_t k = 0; k < RECLAIM_KINDS; k++) {
		culprit_put_u64(f, P_STALLS + k, p->stalls[k]);
		culprit_put_u64(f, P_TIME + k, p->time_ns[k]);
	}
	culprit_put_histogram(f, P_STALL, counts, BPF_HIST_SLOTS);
}

static void put_processes(struct reclaim *r, struct culprit_frame *f)
{
	struct bpf_processes_row *row = r->processes.rows;

	culprit_table(f, PROCESS_TABLE);
	culprit_lost(f, PROCESS_TABLE, bpf_processes_begin(&r->processes));
	for (uint32_t i = 0; i < r->processes.room; i++, row++) {
		const struct bpf_process *who;
		struct reclaim_process p;
		bool same;

		if (!row->taken || bpf_map__lookup_elem(r->figures, &i, sizeof(i), &p, sizeof(p), 0))
			continue;
		who = bpf_processes_look(&r->processes, r->host, i, p.stalls[0] + p.stalls[1] + p.stalls[2], &same);
		if (!who)
			continue;
		if (!same || row->handle == CULPRIT_NO_HANDLE || culprit_again(f, row->handle) != 0)
			put_process(r, f, who, &p);
		row->handle = culprit_end(f);
	}
	bpf_say_fill(r->unit, RECLAIM_DIRECT_END, r->processes.used, r->processes.room);
}

static void slow_event(void *arg, const void *data, size_t size)
{
	struct reclaim *r = arg;
	struct culprit_frame *f = r->frame;
	const struct reclaim_slow *e = data;

	if (size < sizeof(*e) || e->kind >= RECLAIM_KINDS)
		return;
	r->slow[e->kind]++;
	culprit_row(f);
	culprit_put_u64(f, S_TIME, e->time);
	culprit_put_u64(f, S_LATENCY, e->took);
	culprit_put_string(f, S_KIND, kinds[e->kind]);
	culprit_put_text(f, S_COMM, e->task.comm, strnlen(e->task.comm, sizeof(e->task.comm)));
	culprit_put_u64(f, S_PID, e->task.pid);
	culprit_put_u64(f, S_START, bpf_start_ticks(r->host, e->task.process_start));
	culprit_put_task(f, S_TASK, e->task.tid, bpf_start_ticks(r->host, e->task.start));
	if (e->kind != RECLAIM_COMPACTION)
		culprit_put_u64(f, S_ORDER, e->order);
	culprit_put_u64(f, S_THRESHOLD, e->threshold);
	culprit_end(f);
}

static void put_slow(struct reclaim *r, struct culprit_frame *f)
{
	uint64_t lost;

	culprit_table(f, SLOW_TABLE);
	r->frame = f;
	bpf_ring_read(r->ring);
	lost = r->skeleton->bss->slow_over + r->skeleton->bss->slow_dropped;
	for (unsigned k = 0; k < RECLAIM_KINDS; k++) {
		struct reclaim_total *t = &r->totals[k];

		t->threshold = bpf_threshold(t->threshold, r->slow[k], SLOW_WANTED, lost != r->slow_lost);
		r->slow[k] = 0;
	}
	culprit_lost(f, SLOW_TABLE, lost - r->slow_lost);
	r->slow_lost = lost;
	__atomic_store_n(&r->skeleton->bss->slow_left, SLOW_MAX, __ATOMIC_RELAXED);
}

static int reclaim_sample(void *self, struct culprit_frame *f)
{
	struct reclaim *r = self;

	put_kinds(r, f);
	put_processes(r, f);
	put_slow(r, f);
	return 0;
}

static size_t reclaim_programs(void *self, const struct culprit_program **ret_list)
{
	return bpf_programs(((struct reclaim *)self)->unit, ret_list);
}

static int reclaim_thin(void *self, size_t index, uint32_t thinning)
{
	return bpf_thin(((struct reclaim *)self)->unit, index, thinning);
}

static const struct culprit_table *const tables[] = {
	[KIND_TABLE] = &kind_table, [PROCESS_TABLE] = &process_table, [SLOW_TABLE] = &slow_table,
};

const struct culprit_collector reclaim_collector = {
	.size = sizeof(reclaim_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "reclaim",
	.help = "Who stands still because memory is short or in pieces (BPF)",
	.tables = tables,
	.ntables = NTABLES,
	.probe = bpf_probe,
	.open = reclaim_open,
	.sample = reclaim_sample,
	.close = reclaim_close,
	.programs = reclaim_programs,
	.thin = reclaim_thin,
};
