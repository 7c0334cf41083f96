/* Table `children`: what the children of each process add up to, however short they live. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "columns.h"
#include "lifecycle_tables.h"

enum {
	PID, START, COMM, FORKED, ENDED, FAILED, KILLED, LIFE, CPU_TIME, SHORT_ENDED, SHORT_LIFE, SHORT_CPU,
};

enum { LOOK_EVERY = 60, NONE = UINT32_MAX }; /* samples */
static const uint64_t short_ns = 1000000000;

#define FORK "tracepoint sched_process_fork"
#define EXIT "tracepoint sched_process_exit"
#define LIVED "tracepoint sched_process_exit, task_struct.start_time"
#define RAN "signal_struct.sum_sched_runtime, sched_entity.sum_exec_runtime"
#define COUNT(name, help, source) COUNTER(name, CULPRIT_COUNT, help, source)

static const struct culprit_column columns[] = {
	[PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Process id of the parent", FORK),
	[START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it started; with pid its identity",
			 "task_struct.start_boottime"),
	[COMM] = TEXT("comm", "Its name", "task_struct.comm"),
	[FORKED] = COUNT("forked", "Processes it has started", FORK),
	[ENDED] = COUNT("ended", "Children of it that have ended, those it inherited too", EXIT),
	[FAILED] = COUNT("failed", "Those of them with an exit status that is not 0", EXIT),
	[KILLED] = COUNT("killed", "Those of them that a signal ended", EXIT),
	[LIFE] = COUNTER("life", CULPRIT_NS, "How long these lived, added up", LIVED),
	[CPU_TIME] = COUNTER("cpu_time", CULPRIT_NS, "CPU time these took, counted when they end", RAN),
	[SHORT_ENDED] = COUNT("short_ended", "Those of them that lived less than a second", LIVED),
	[SHORT_LIFE] = COUNTER("short_life", CULPRIT_NS, "How long those lived, added up", LIVED),
	[SHORT_CPU] = COUNTER("short_cpu_time", CULPRIT_NS, "CPU time those took", RAN),
};

static const struct culprit_derived derived[] = {
	{.name = "ended_now", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "ended",
	 .help = "Children that ended in the window"},
	{.name = "short_now", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "short_ended",
	 .help = "Children that ended in the window and lived less than a second"},
	RATIO("mean_life", "life", "ended", CULPRIT_NS, 1, "How long those that ended lived, on average"),
	RATIO("short_mean_life", "short_life", "short_ended", CULPRIT_NS, 1,
	      "How long those that lived less than a second did, on average"),
	TIME_SHARE("ended_cpu", "cpu_time", "CPU time of children that ended, as a share of one CPU"),
	TIME_SHARE("short_cpu", "short_cpu_time",
		   "CPU time of children that lived less than a second, as a share of one CPU"),
	RATE("fork_rate", "forked", CULPRIT_COUNT_PER_S, "Processes a second it starts"),
	RATE("fail_rate", "failed+killed", CULPRIT_COUNT_PER_S, "Children a second that fail or are killed"),
};

/* Into the row of the process itself. */
static const struct culprit_rollup rollups[] = {
	{.column = "short_now", .table = "process", .name = "short_children", .op = CULPRIT_ROLL_SUM,
	 .help = "children of it that ended in the window and lived less than a second"},
	{.column = "short_mean_life", .table = "process", .name = "short_children_life", .op = CULPRIT_ROLL_MAX,
	 .help = "how long those lived, on average"},
	{.column = "short_cpu", .table = "process", .name = "short_children_cpu", .op = CULPRIT_ROLL_SUM,
	 .help = "CPU time those took, as a share of one CPU"},
};

const struct culprit_table lifecycle_children_table = {
	.size = sizeof(struct culprit_table),
	.name = "children",
	.kind = CULPRIT_STATE,
	.help = "What the children of each process add up to, those too short for any sampler included: counted exactly, "
		"since culprit began",
	.key = "process",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	CULPRIT_ROLLUPS(rollups),
	.parent = "process",
	.parent_columns = "pid start",
	.sort = "ended_now",
	.show = "pid comm ended_now mean_life ended_cpu short_now short_mean_life short_cpu fork_rate fail_rate ended failed "
		"killed",
};

int children_init(struct children *c)
{
	memset(c, 0, sizeof(*c));
	memset(c->buckets, 0xff, sizeof(c->buckets));
	c->free = NONE;
	c->parents = calloc(CHILDREN_PARENTS, sizeof(*c->parents));
	return c->parents ? 0 : -ENOMEM;
}

void children_finish(struct children *c)
{
	free(c->parents);
	c->parents = NULL;
}

static uint32_t *bucket_of(struct children *c, uint64_t pid, uint64_t start)
{
	return &c->buckets[(pid * 0x9e3779b97f4a7c15ull ^ start * 0xc2b2ae3d27d4eb4full) >> 40 & (CHILDREN_BUCKETS - 1)];
}

static struct children_parent *find(struct children *c, const struct life_process *p)
{
	for (uint32_t i = *bucket_of(c, p->pid, p->start); i != NONE; i = c->parents[i].next)
		if (c->parents[i].pid == p->pid && c->parents[i].start == p->start)
			return &c->parents[i];
	return NULL;
}

static struct children_parent *take(struct children *c, const struct life_process *p)
{
	struct children_parent *parent = find(c, p);
	uint32_t *bucket = bucket_of(c, p->pid, p->start), i;

	if (!parent) {
		if (c->free != NONE) {
			i = c->free;
			c->free = c->parents[i].next;
		} else if (c->nparents < CHILDREN_PARENTS) {
			i = c->nparents++;
		} else {
			c->lost++;
			return NULL;
		}
		parent = &c->parents[i];
		memset(parent, 0, sizeof(*parent));
		parent->used = true;
		parent->pid = p->pid;
		parent->start = p->start;
		parent->handle = CULPRIT_NO_HANDLE;
		parent->looked = c->sample;
		parent->next = *bucket;
		*bucket = i;
	}
	memcpy(parent->comm, p->comm, sizeof(parent->comm));
	parent->changed = true;
	return parent;
}

static void drop(struct children *c, struct children_parent *parent)
{
	uint32_t i = (uint32_t)(parent - c->parents), *link = bucket_of(c, parent->pid, parent->start);

	while (*link != i)
		link = &c->parents[*link].next;
	*link = parent->next;
	parent->used = false;
	parent->next = c->free;
	c->free = i;
}

void children_forked(struct children *c, const struct life_process *parent)
{
	struct children_parent *p = take(c, parent);

	if (p)
		p->forked++;
}

void children_ended(struct children *c, const struct life_exit *e)
{
	struct children_parent *p = take(c, &e->record.parent);

	if (!p)
		return;
	p->ended++;
	p->life_ns += e->lived_ns;
	p->cpu_ns += e->cpu_ns;
	if (e->code & 0x7f)
		p->killed++;
	else if (e->code >> 8 & 0xff)
		p->failed++;
	if (e->lived_ns < short_ns) {
		p->short_ended++;
		p->short_life_ns += e->lived_ns;
		p->short_cpu_ns += e->cpu_ns;
	}
}

void children_parent_ended(struct children *c, const struct life_process *process)
{
	struct children_parent *p = find(c, process);

	if (p)
		p->gone = true;
}

static void put(const struct children_parent *p, const struct culprit_host *host, struct culprit_frame *f)
{
	culprit_row(f);
	culprit_born(f);
	culprit_put_u64(f, PID, p->pid);
	culprit_put_u64(f, START, life_ticks(host, p->start));
	culprit_put_text(f, COMM, p->comm, strnlen(p->comm, sizeof(p->comm)));
	culprit_put_u64(f, FORKED, p->forked);
	culprit_put_u64(f, ENDED, p->ended);
	culprit_put_u64(f, FAILED, p->failed);
	culprit_put_u64(f, KILLED, p->killed);
	culprit_put_u64(f, LIFE, p->life_ns);
	culprit_put_u64(f, CPU_TIME, p->cpu_ns);
	culprit_put_u64(f, SHORT_ENDED, p->short_ended);
	culprit_put_u64(f, SHORT_LIFE, p->short_life_ns);
	culprit_put_u64(f, SHORT_CPU, p->short_cpu_ns);
}

/* Its end may have been lost. */
static bool is_gone(struct children *c, struct children_parent *p, const struct culprit_host *host)
{
	char name[24];

	if (p->changed || c->sample - p->looked < LOOK_EVERY)
		return false;
	p->looked = c->sample;
	snprintf(name, sizeof(name), "%llu", (unsigned long long)p->pid);
	return faccessat(host->proc_fd, name, F_OK, 0) != 0;
}

void children_sample(struct children *c, const struct culprit_host *host, struct culprit_frame *f, uint32_t table)
{
	culprit_table(f, table);
	c->sample++;
	for (uint32_t i = 0; i < c->nparents; i++) {
		struct children_parent *p = &c->parents[i];

		if (!p->used)
			continue;
		if (is_gone(c, p, host)) {
			drop(c, p);
			continue;
		}
		if (p->changed || p->handle == CULPRIT_NO_HANDLE || culprit_again(f, p->handle) != 0)
			put(p, host, f);
		p->handle = culprit_end(f);
		p->changed = false;
		if (p->gone)
			drop(c, p);
	}
	culprit_lost(f, table, c->lost);
	c->lost = 0;
}
