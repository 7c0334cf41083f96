/* Table `runq`: how long tasks waited for each CPU, from the kernel's scheduler by BPF (sched.bpf.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf.h"
#include "builtin.h"
#include "columns.h"
#include "sched_shared.h"
#include "sched.skel.h"

enum { CPU, GENERATION, WAITS, WAIT_TIME, LONGEST, WAIT };

#define SOURCE "tracepoint sched_switch, task_struct.sched_info.last_queued"

static const struct culprit_bounds wait_bounds = {.kind = CULPRIT_LOG_LINEAR, .count = BPF_HIST_SLOTS};

static const struct culprit_column columns[] = {
	[CPU] = COLUMN(CULPRIT_KEY, CULPRIT_I64, CULPRIT_NONE, 0, "cpu", "Number of the CPU; -1: all CPUs together", SOURCE),
	[GENERATION] = KEY_GENERATION("CPU"),
	[WAITS] = COUNTER("waits", CULPRIT_COUNT, "Times a task was given this CPU, having waited for it or not", SOURCE),
	[WAIT_TIME] = COUNTER("wait_time", CULPRIT_NS, "Time tasks wanted to run and waited for this CPU, added up", SOURCE),
	[LONGEST] = COLUMN(CULPRIT_PEAK, CULPRIT_U64, CULPRIT_NS, 0, "longest", "Longest wait for this CPU", SOURCE),
	[WAIT] = {.name = "wait", .role = CULPRIT_HISTOGRAM, .type = CULPRIT_HIST, .unit = CULPRIT_NS,
		  .help = "Waits for this CPU, from being runnable (woken, or pushed aside) to running", .source = SOURCE,
		  .bounds = &wait_bounds},
};

#define PERCENTILE(name_, a_, percent_, help_)                                                                         \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_PERCENTILE, .unit = CULPRIT_NS, .a = (a_), .arg = (percent_),           \
		.help = (help_)                                                                                        \
	}

static const struct culprit_derived derived[] = {
	PERCENTILE("wait_p50", "wait", 50, "Half of the waits were shorter"),
	PERCENTILE("wait_p90", "wait", 90, "9 of 10 waits were shorter"),
	PERCENTILE("wait_p99", "wait", 99, "99 of 100 waits were shorter"),
	RATIO("wait_mean", "wait_time", "waits", CULPRIT_NS, 1, "Mean wait"),
	RATE("wait_rate", "waits", CULPRIT_COUNT_PER_S, "Times a task was given this CPU"),
	TIME_SHARE("waiting", "wait_time", "Tasks that waited on average: 100 % is one task all the time"),
};

static const struct culprit_table runq_table = {
	.size = sizeof(runq_table),
	.name = "runq",
	.kind = CULPRIT_STATE,
	.help = "Run-queue latency: how long tasks wait for each CPU; -1 is all of them together",
	.key = "cpu",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = NULL,
	.show = "cpu wait_rate wait_p50 wait_p90 wait_p99 longest wait_mean waiting waits",
};

static const struct bpf_hook hooks[] = {
	[SCHED_SWITCH] = {.name = "sched_switch", .hook = "tracepoint sched_switch", .thins = true},
};

struct sched {
	struct bpf_unit *unit;
	struct sched_bpf *skeleton;
	const struct sched_cpu *cpus;
	uint64_t lost;
};

static int configure(void *skeleton, void *arg)
{
	struct sched_bpf *s = skeleton;

	(void)arg;
	return bpf_map__set_max_entries(s->maps.sched_cpus, bpf_cpus());
}

BPF_KIT(sched, hooks, configure);

static void sched_close(void *self)
{
	struct sched *s = self;

	bpf_unload(s->unit);
	free(s);
}

static int sched_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->unit = bpf_load(host, &sched_kit, NULL, error);
	if (!s->unit) {
		sched_close(s);
		return -ENOTSUP;
	}
	s->skeleton = bpf_skeleton(s->unit);
	s->cpus = bpf_view(s->unit, s->skeleton->maps.sched_cpus, true);
	if (!s->cpus) {
		snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		sched_close(s);
		return -ENOMEM;
	}
	*ret_self = s;
	return 0;
}

static const struct sched_cpu *cpu_at(const struct sched *s, unsigned cpu)
{
	return (const void *)((const char *)s->cpus + cpu * bpf_stride(sizeof(struct sched_cpu)));
}

static void put_row(struct culprit_frame *f, int64_t number, const struct sched_cpu *c, uint64_t longest)
{
	uint64_t counts[BPF_HIST_SLOTS];

	for (unsigned i = 0; i < BPF_HIST_SLOTS; i++)
		counts[i] = c->wait[i];
	culprit_row(f);
	culprit_born(f);
	culprit_put_i64(f, CPU, number);
	culprit_put_u64(f, GENERATION, 0);
	culprit_put_u64(f, WAITS, c->waits);
	culprit_put_u64(f, WAIT_TIME, c->wait_ns);
	culprit_put_u64(f, LONGEST, longest);
	culprit_put_histogram(f, WAIT, counts, BPF_HIST_SLOTS);
	culprit_end(f);
}

static int sched_sample(void *self, struct culprit_frame *f)
{
	struct sched *s = self;
	uint32_t epoch = s->skeleton->bss->sched_epoch++ & 1;
	struct sched_cpu all = {0};
	const struct culprit_program *programs;
	uint64_t longest = 0;

	culprit_table(f, 0);
	for (unsigned cpu = 0; cpu < bpf_cpus(); cpu++) {
		struct sched_cpu *c = (struct sched_cpu *)cpu_at(s, cpu);
		uint64_t peak = c->longest[epoch];

		c->longest[epoch] = 0;
		if (!c->waits)
			continue;
		put_row(f, cpu, c, peak);
		longest = peak > longest ? peak : longest;
		all.waits += c->waits;
		all.wait_ns += c->wait_ns;
		for (unsigned i = 0; i < BPF_HIST_SLOTS; i++)
			all.wait[i] += c->wait[i];
	}
	put_row(f, -1, &all, longest);
	bpf_programs(s->unit, &programs);
	culprit_lost(f, 0, programs[SCHED_SWITCH].lost - s->lost);
	s->lost = programs[SCHED_SWITCH].lost;
	return 0;
}

static size_t sched_programs(void *self, const struct culprit_program **ret_list)
{
	return bpf_programs(((struct sched *)self)->unit, ret_list);
}

static int sched_thin(void *self, size_t index, uint32_t thinning)
{
	return bpf_thin(((struct sched *)self)->unit, index, thinning);
}

static const struct culprit_table *const tables[] = {&runq_table};

const struct culprit_collector sched_collector = {
	.size = sizeof(sched_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "sched",
	.help = "The scheduler: how long tasks wait for a CPU (BPF)",
	.tables = tables,
	.ntables = 1,
	.probe = bpf_probe,
	.open = sched_open,
	.sample = sched_sample,
	.close = sched_close,
	.programs = sched_programs,
	.thin = sched_thin,
};
