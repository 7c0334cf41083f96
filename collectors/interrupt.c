/* Tables `softirq` and `irq`: how long soft and hard interrupts keep each CPU, by BPF (interrupt.bpf.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"
#include "builtin.h"
#include "columns.h"
#include "interrupt.h"
#include "interrupt.skel.h"

enum {
	WHAT, CPU, GENERATION, TIMES, TIME, LONGEST, TOOK, NAME, /* NAME: of irq alone */
};
enum { SOFT_TABLE, HARD_TABLE, NTABLES };
enum { HARD_MAX = 1024 };

#define SOFT "tracepoints softirq_entry, softirq_exit"
#define HARD "tracepoints irq_handler_entry, irq_handler_exit"

static const struct culprit_bounds bounds = {.kind = CULPRIT_LOG_LINEAR, .count = BPF_HIST_SLOTS};

static const char *const vectors[INTERRUPT_VECTORS] = {
	"hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu",
};

#define FIGURES(source)                                                                                                \
	[CPU] = COLUMN(CULPRIT_KEY, CULPRIT_I64, CULPRIT_NONE, 0, "cpu", "Number of the CPU", source),                 \
	[GENERATION] = KEY_GENERATION("CPU"),                                                                          \
	[TIMES] = COUNTER("times", CULPRIT_COUNT, "How often it ran", source),                                         \
	[TIME] = COUNTER("time", CULPRIT_NS, "How long it ran, added up; interrupts that came in between included", source),    \
	[LONGEST] = PEAK("longest", CULPRIT_NS, "The longest it ran at once", source),                                 \
	[TOOK] = HISTOGRAM("took", CULPRIT_NS, &bounds, "How long it ran each time", source)

static const struct culprit_column soft_columns[] = {
	[WHAT] = KEY_TEXT("vector", "What it is for: net_rx, block, timer ...", SOFT),
	FIGURES(SOFT),
};

static const struct culprit_column hard_columns[] = {
	[WHAT] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "irq", "Its number, as in /proc/interrupts", HARD),
	FIGURES(HARD),
	[NAME] = TEXT("name", "Who handles it; the first where several share it", "struct irqaction name"),
};

static const struct culprit_derived derived[] = {
	TIME_SHARE("busy", "time", "Time it ran, percent of this CPU"),
	RATE("frequency", "times", CULPRIT_COUNT_PER_S, "How often a second it ran"),
	PERCENTILE_OF("took_p50", "took", 50, CULPRIT_NS, "Half of the times it took less"),
	PERCENTILE_OF("took_p99", "took", 99, CULPRIT_NS, "99 of 100 times it took less"),
	RATIO("took_mean", "time", "times", CULPRIT_NS, 1, "How long it ran on average"),
};

/* A CPU's row gets the worst of it. */
#define ROLLUP(kind, what)                                                                                             \
	{                                                                                                              \
		.column = "longest", .table = "cpu", .name = kind "_longest", .op = CULPRIT_ROLL_MAX,                  \
		.help = "Longest " what " on it: nothing else runs meanwhile"                                          \
	}

static const struct culprit_rollup soft_rollups[] = {ROLLUP("softirq", "soft interrupt")};
static const struct culprit_rollup hard_rollups[] = {ROLLUP("irq", "hard interrupt")};

static const struct culprit_table soft_table = {
	.size = sizeof(soft_table),
	.name = "softirq",
	.kind = CULPRIT_STATE,
	.help = "Soft interrupts by what they are for and CPU: how often, how long; what is left to ksoftirqd included",
	.key = "softirq_cpu",
	CULPRIT_COLUMNS(soft_columns),
	CULPRIT_DERIVED(derived),
	CULPRIT_ROLLUPS(soft_rollups),
	.parent = "cpu",
	.parent_columns = "cpu generation",
	.sort = "busy",
	.show = "vector cpu busy frequency took_p50 took_p99 longest took_mean times",
};

static const struct culprit_table hard_table = {
	.size = sizeof(hard_table),
	.name = "irq",
	.kind = CULPRIT_STATE,
	.help = "Hard interrupts of devices by number and CPU: how often, how long their handlers ran; those a CPU makes "
		"itself (timer, rescheduling) have no handlers and no rows",
	.key = "irq_cpu",
	CULPRIT_COLUMNS(hard_columns),
	CULPRIT_DERIVED(derived),
	CULPRIT_ROLLUPS(hard_rollups),
	.parent = "cpu",
	.parent_columns = "cpu generation",
	.sort = "busy",
	.show = "irq name cpu busy frequency took_p50 took_p99 longest took_mean times",
};

static const struct bpf_hook hooks[] = {
	[INTERRUPT_SOFT_BEGIN] = {.name = "soft_begin", .hook = "tracepoint softirq_entry"},
	[INTERRUPT_SOFT_END] = {.name = "soft_end", .hook = "tracepoint softirq_exit"},
	[INTERRUPT_HARD_BEGIN] = {.name = "hard_begin", .hook = "tracepoint irq_handler_entry"},
	[INTERRUPT_HARD_END] = {.name = "hard_end", .hook = "tracepoint irq_handler_exit"},
};

/* Elements of one of the two tables. */
struct elements {
	struct interrupt_total *totals;
	struct bpf_map *counts; /* read where something has happened: mapped, it would be in our memory whole */
	struct element {
		uint64_t times; /* as emitted last */
		uint32_t handle;
	} *known;
	unsigned n;
};

struct interrupt {
	const struct culprit_host *host;
	struct bpf_unit *unit;
	struct interrupt_bpf *skeleton;
	struct elements soft, hard;
	uint64_t over; /* as told last */
};

/* --- opening ----------------------------------------------------------------------------------------------------- */

static int configure(void *skeleton, void *arg)
{
	struct interrupt_bpf *s = skeleton;
	struct interrupt *in = arg;
	unsigned room = 128;
	int err;

	in->soft.n = bpf_cpus() * INTERRUPT_VECTORS;
	while (room < bpf_cpus() * 32 && room < HARD_MAX)
		room *= 2;
	in->hard.n = room;
	s->rodata->hard_mask = room - 1;
	err = bpf_map__set_max_entries(s->maps.interrupt_cpus, bpf_cpus());
	err = err ? err : bpf_map__set_max_entries(s->maps.soft_totals, in->soft.n);
	err = err ? err : bpf_map__set_max_entries(s->maps.soft_counts, in->soft.n);
	err = err ? err : bpf_map__set_max_entries(s->maps.hard_totals, in->hard.n);
	return err ? err : bpf_map__set_max_entries(s->maps.hard_counts, in->hard.n);
}

BPF_KIT(interrupt, hooks, configure);

static void interrupt_close(void *self)
{
	struct interrupt *in = self;

	bpf_unload(in->unit);
	free(in->soft.known);
	free(in->hard.known);
	free(in);
}

static bool elements_init(struct elements *e, struct bpf_unit *unit, struct bpf_map *totals, struct bpf_map *counts)
{
	e->totals = bpf_view(unit, totals, true);
	e->counts = counts;
	e->known = calloc(e->n, sizeof(*e->known));
	for (unsigned i = 0; e->known && i < e->n; i++)
		e->known[i].handle = CULPRIT_NO_HANDLE;
	return e->totals && e->known;
}

static int interrupt_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct interrupt *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->host = host;
	in->unit = bpf_load(host, &interrupt_kit, in, error);
	if (!in->unit) {
		interrupt_close(in);
		return -ENOTSUP;
	}
	in->skeleton = bpf_skeleton(in->unit);
	if (!elements_init(&in->soft, in->unit, in->skeleton->maps.soft_totals, in->skeleton->maps.soft_counts) ||
	    !elements_init(&in->hard, in->unit, in->skeleton->maps.hard_totals, in->skeleton->maps.hard_counts)) {
		snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		interrupt_close(in);
		return -ENOMEM;
	}
	*ret_self = in;
	return 0;
}

/* --- samples ----------------------------------------------------------------------------------------------------- */

static void put_figures(struct culprit_frame *f, const struct elements *e, uint32_t i, unsigned epoch)
{
	struct interrupt_total *t = &e->totals[i];
	struct interrupt_counts counts = {0};

	(void)!bpf_map__lookup_elem(e->counts, &i, sizeof(i), &counts, sizeof(counts), 0);
	culprit_put_u64(f, GENERATION, 0);
	culprit_put_u64(f, TIMES, t->times);
	culprit_put_u64(f, TIME, t->time_ns);
	culprit_put_u64(f, LONGEST, t->longest[epoch]);
	culprit_put_histogram(f, TOOK, (const uint64_t *)counts.ns, BPF_HIST_SLOTS);
	t->longest[epoch] = 0;
}

/* True: nothing has happened since, and its row has been put. */
static bool put_same(struct culprit_frame *f, struct elements *e, unsigned i)
{
	struct element *known = &e->known[i];

	if (e->totals[i].times != known->times || known->handle == CULPRIT_NO_HANDLE ||
	    culprit_again(f, known->handle) != 0)
		return false;
	culprit_put_u64(f, LONGEST, 0);
	known->handle = culprit_end(f);
	return true;
}

static void put_soft(struct interrupt *in, struct culprit_frame *f, unsigned epoch)
{
	struct elements *e = &in->soft;

	culprit_table(f, SOFT_TABLE);
	for (unsigned i = 0; i < e->n; i++) {
		uint64_t times = e->totals[i].times;

		if (!times || put_same(f, e, i))
			continue;
		culprit_row(f);
		culprit_born(f);
		culprit_put_string(f, WHAT, vectors[i % INTERRUPT_VECTORS]);
		culprit_put_i64(f, CPU, i / INTERRUPT_VECTORS);
		put_figures(f, e, i, epoch);
		e->known[i].times = times;
		e->known[i].handle = culprit_end(f);
	}
}

static void put_hard(struct interrupt *in, struct culprit_frame *f, unsigned epoch)
{
	struct elements *e = &in->hard;
	uint64_t over = in->skeleton->bss->hard_over;

	culprit_table(f, HARD_TABLE);
	for (unsigned i = 0; i < e->n; i++) {
		uint64_t times = e->totals[i].times, key = e->totals[i].key - 1;

		if (!times || put_same(f, e, i))
			continue;
		culprit_row(f);
		culprit_born(f);
		culprit_put_u64(f, WHAT, key >> 32);
		culprit_put_i64(f, CPU, (int64_t)(key & UINT32_MAX));
		culprit_put_text(f, NAME, e->totals[i].name, strnlen(e->totals[i].name, INTERRUPT_NAME));
		put_figures(f, e, i, epoch);
		e->known[i].times = times;
		e->known[i].handle = culprit_end(f);
	}
	culprit_lost(f, HARD_TABLE, over - in->over);
	bpf_say_lost(in->unit, INTERRUPT_HARD_END, over);
	in->over = over;
}

static void say_missing(const struct interrupt *in, struct culprit_frame *f, uint32_t table, unsigned begin, unsigned end)
{
	const char *reason = bpf_reason(in->unit, bpf_is_on(in->unit, begin) ? end : begin);

	culprit_table(f, table);
	culprit_state(f, table, CULPRIT_MISSING, reason ? reason : "it was switched off: own cost was above the budget");
}

static int interrupt_sample(void *self, struct culprit_frame *f)
{
	struct interrupt *in = self;
	unsigned epoch = in->skeleton->bss->interrupt_epoch++ & 1;

	if (bpf_is_on(in->unit, INTERRUPT_SOFT_BEGIN) && bpf_is_on(in->unit, INTERRUPT_SOFT_END))
		put_soft(in, f, epoch);
	else
		say_missing(in, f, SOFT_TABLE, INTERRUPT_SOFT_BEGIN, INTERRUPT_SOFT_END);
	if (bpf_is_on(in->unit, INTERRUPT_HARD_BEGIN) && bpf_is_on(in->unit, INTERRUPT_HARD_END))
		put_hard(in, f, epoch);
	else
		say_missing(in, f, HARD_TABLE, INTERRUPT_HARD_BEGIN, INTERRUPT_HARD_END);
	return 0;
}

static size_t interrupt_programs(void *self, const struct culprit_program **ret_list)
{
	return bpf_programs(((struct interrupt *)self)->unit, ret_list);
}

static int interrupt_thin(void *self, size_t index, uint32_t thinning)
{
	return bpf_thin(((struct interrupt *)self)->unit, index, thinning);
}

static const struct culprit_table *const tables[] = {[SOFT_TABLE] = &soft_table, [HARD_TABLE] = &hard_table};

const struct culprit_collector interrupt_collector = {
	.size = sizeof(interrupt_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "interrupt",
	.help = "How long soft and hard interrupts keep the CPUs (BPF)",
	.tables = tables,
	.ntables = NTABLES,
	.probe = bpf_probe,
	.open = interrupt_open,
	.sample = interrupt_sample,
	.close = interrupt_close,
	.programs = interrupt_programs,
	.thin = interrupt_thin,
};
