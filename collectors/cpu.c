/* Table `cpu`: where the time of each CPU goes, and of all of them together, from /proc/stat. */
#include <errno.h>
#include <stdlib.h>

#include "columns.h"
#include "builtin.h"
#include "procfs.h"

enum {
	CPU, GENERATION, USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, GUEST, GUEST_NICE, NCOLUMNS,
	CPUS_MAX = 8192, /* what CONFIG_NR_CPUS can be */
};

#define SOURCE(field) "/proc/stat cpuN field " #field " (ticks)"
#define TIME(name, field, help) COUNTER(name, CULPRIT_NS, help, SOURCE(field))

static const struct culprit_column columns[] = {
	[CPU] = COLUMN(CULPRIT_KEY, CULPRIT_I64, CULPRIT_NONE, 0, "cpu", "Number of the CPU; -1: all CPUs together",
		       "/proc/stat cpuN"),
	[GENERATION] = KEY_GENERATION("CPU"),
	[USER] = TIME("user", 1, "Time in user mode, guests included"),
	[NICE] = TIME("nice", 2, "Time in user mode with lowered priority, guests included"),
	[SYSTEM] = TIME("system", 3, "Time in the kernel"),
	[IDLE] = TIME("idle", 4, "Time with nothing to do"),
	[IOWAIT] = TIME("iowait", 5, "Idle time while a task that ran here waited for a disk; only a hint"),
	[IRQ] = TIME("irq", 6, "Time in hardware interrupts"),
	[SOFTIRQ] = TIME("softirq", 7, "Time in software interrupts: network, timers, block completions"),
	[STEAL] = TIME("steal", 8, "Time it wanted to run and the hypervisor ran somebody else"),
	[GUEST] = TIME("guest", 9, "Time running virtual machines; contained in user"),
	[GUEST_NICE] = TIME("guest_nice", 10, "Time running niced virtual machines; contained in nice"),
};

/* guest and guest_nice are contained in user and nice: the eight add up to the time that passed. */
#define ALL "user+nice+system+idle+iowait+irq+softirq+steal"
#define PART(name, a, help) RATIO(name, a, ALL, CULPRIT_PERCENT, 100, help ", percent of this CPU's time (-1: of all CPUs')")

static const struct culprit_derived derived[] = {
	PART("busy", "user+nice+system+irq+softirq+steal", "Everything but idle and iowait"),
	PART("user_pct", "user+nice-guest-guest_nice", "User mode, guests not included"),
	PART("nice_pct", "nice-guest_nice", "User mode with lowered priority"),
	PART("system_pct", "system", "Kernel"),
	PART("iowait_pct", "iowait", "Idle while a task waited for a disk"),
	PART("irq_pct", "irq", "Hardware interrupts"),
	PART("softirq_pct", "softirq", "Software interrupts"),
	PART("steal_pct", "steal", "Taken by the hypervisor"),
	PART("guest_pct", "guest+guest_nice", "Running virtual machines"),
	PART("idle_pct", "idle", "Nothing to do"),
};

static const struct culprit_table cpu_table = {
	.size = sizeof(cpu_table),
	.name = "cpu",
	.kind = CULPRIT_STATE,
	.help = "Where the time of each CPU goes; -1 is all of them together",
	.key = "cpu",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = NULL,
	.show = "cpu busy user_pct system_pct iowait_pct irq_pct softirq_pct steal_pct guest_pct",
};

struct cpu {
	struct procfs_file file;
	struct procfs_buffer text;
	uint64_t tick_ns;
	uint64_t samples;
	/* By number. A CPU that was there, then wasn't, and is again, is another row: it may count from anew. */
	uint64_t seen[CPUS_MAX]; /* last sample in which it was there; 0: never */
	uint32_t generation[CPUS_MAX];
};

static int cpu_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "stat", "/proc/stat", error);
}

static int cpu_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct cpu *c = calloc(1, sizeof(*c));

	(void)error;
	if (!c)
		return -ENOMEM;
	procfs_file_init(&c->file, host->proc_fd, "stat");
	c->tick_ns = 1000000000 / (host->user_hz ? host->user_hz : 100);
	*ret_self = c;
	return 0;
}

static void put_cpu(struct cpu *c, struct culprit_frame *f, int64_t number, uint64_t generation,
		    struct procfs_text line)
{
	struct procfs_text word;

	culprit_row(f);
	culprit_put_i64(f, CPU, number);
	culprit_put_u64(f, GENERATION, generation);
	for (uint32_t column = USER; column <= GUEST_NICE && procfs_word(&line, &word); column++) {
		uint64_t ticks;

		if (procfs_u64(&word, &ticks) && !__builtin_mul_overflow(ticks, c->tick_ns, &ticks))
			culprit_put_u64(f, column, ticks);
	}
	culprit_end(f);
}

static int cpu_sample(void *self, struct culprit_frame *f)
{
	struct cpu *c = self;
	struct procfs_text text, line, word;
	int err = procfs_buffer_read(&c->text, &c->file);
	unsigned rows = 0;
	bool all = false;

	culprit_table(f, 0);
	if (err) {
		procfs_failed(f, 0, "/proc/stat", err);
		return 0;
	}
	c->samples++;
	text = procfs_buffer_text(&c->text);
	while (procfs_line(&text, &line)) {
		uint64_t number;

		if (!procfs_starts(&line, "cpu"))
			break; /* the CPUs stand first */
		procfs_word(&line, &word);
		if (procfs_is(&word, "cpu")) {
			if (!all)
				put_cpu(c, f, -1, 0, line);
			all = true;
			rows++;
			continue;
		}
		word.p += 3;
		if (!procfs_u64(&word, &number) || number >= CPUS_MAX || c->seen[number] == c->samples)
			continue;
		if (c->seen[number] && c->seen[number] != c->samples - 1)
			c->generation[number]++;
		c->seen[number] = c->samples;
		put_cpu(c, f, (int64_t)number, c->generation[number], line);
		rows++;
	}
	if (!rows)
		procfs_failed(f, 0, "/proc/stat", -EBADMSG);
	return 0;
}

static void cpu_close(void *self)
{
	struct cpu *c = self;

	procfs_file_finish(&c->file);
	procfs_buffer_finish(&c->text);
	free(c);
}

static const struct culprit_table *const tables[] = {&cpu_table};

const struct culprit_collector cpu_collector = {
	.size = sizeof(cpu_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "cpu",
	.help = "Where the time of each CPU goes",
	.tables = tables,
	.ntables = 1,
	.probe = cpu_probe,
	.open = cpu_open,
	.sample = cpu_sample,
	.close = cpu_close,
};
