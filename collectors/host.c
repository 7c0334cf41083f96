/* Table `host`: what box this is, since when it is up, its load, and what the scheduler counts for the whole machine. */
#include <errno.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "columns.h"
#include "host.h"
#include "builtin.h"
#include "procfs.h"

enum {
	ID, HOSTNAME, KERNEL, MACHINE, DISTRIBUTION, VIRTUALISATION, CONTAINER, BOOT_TIME, UPTIME, CPUS, CPUS_POSSIBLE,
	MEMORY, LOAD1, LOAD5, LOAD15, RUNNING, TASKS, PROCS_RUNNING, PROCS_BLOCKED, FORKS, CONTEXT_SWITCHES, INTERRUPTS,
	SOFTIRQS, NCOLUMNS,
	SLOW = 1,          /* group of what is read rarely */
	SLOW_SAMPLES = 30, /* every so many samples */
};

static const struct culprit_column columns[] = {
	[ID] = KEY_ID,
	[HOSTNAME] = TEXT_IN(SLOW, "hostname", "Name of the machine", "/proc/sys/kernel/hostname"),
	[KERNEL] = TEXT_IN(SLOW, "kernel", "Release of the kernel", "/proc/sys/kernel/osrelease"),
	[MACHINE] = TEXT_IN(SLOW, "machine", "Processor architecture", "/proc/sys/kernel/arch, before 6.1 uname(2)"),
	[DISTRIBUTION] = TEXT_IN(SLOW, "distribution", "Name and version of the distribution", "/etc/os-release"),
	[VIRTUALISATION] = TEXT_IN(SLOW, "virtualisation",
				   "Hypervisor; none: nothing speaks for a virtual machine; vm: an unknown one",
				   "/sys/class/dmi/id, /sys/hypervisor, /proc/cpuinfo"),
	[CONTAINER] = TEXT_IN(SLOW, "container", "Container that culprit runs in; - where nothing speaks for one",
			      "/.dockerenv, /run/.containerenv, /run/systemd/container, /proc/1/environ"),
	[BOOT_TIME] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_WALL_NS, 0, "boot_time", "When the machine started",
			     "/proc/stat btime"),
	[UPTIME] = GAUGE("uptime", CULPRIT_NS, "For how long the machine is up", "/proc/uptime"),
	[CPUS] = GAUGE("cpus", CULPRIT_COUNT, "CPUs that are online", "/proc/stat, lines cpuN"),
	[CPUS_POSSIBLE] = GAUGE_IN(SLOW, "cpus_possible", CULPRIT_COUNT, "CPUs that could be online",
				   "/sys/devices/system/cpu/possible"),
	[MEMORY] = GAUGE_IN(SLOW, "memory", CULPRIT_BYTES, "Memory of the machine", "/proc/meminfo MemTotal"),
	[LOAD1] = GAUGE_F64("load1", CULPRIT_COUNT, "Tasks that ran, wanted to, or waited in state D; mean of 1 minute",
			    "/proc/loadavg"),
	[LOAD5] = GAUGE_F64("load5", CULPRIT_COUNT, "The same over 5 minutes", "/proc/loadavg"),
	[LOAD15] = GAUGE_F64("load15", CULPRIT_COUNT, "The same over 15 minutes", "/proc/loadavg"),
	[RUNNING] = GAUGE("running", CULPRIT_COUNT, "Threads that ran or wanted to when it was read", "/proc/loadavg"),
	[TASKS] = GAUGE("tasks", CULPRIT_COUNT, "Threads there are", "/proc/loadavg"),
	[PROCS_RUNNING] = GAUGE("procs_running", CULPRIT_COUNT, "Threads that ran or wanted to when it was read",
				"/proc/stat procs_running"),
	[PROCS_BLOCKED] = GAUGE("procs_blocked", CULPRIT_COUNT, "Threads that waited for a disk when it was read",
				"/proc/stat procs_blocked"),
	[FORKS] = COUNTER("forks", CULPRIT_COUNT, "Processes and threads started", "/proc/stat processes"),
	[CONTEXT_SWITCHES] = COUNTER("context_switches", CULPRIT_COUNT, "Switches between threads", "/proc/stat ctxt"),
	[INTERRUPTS] = COUNTER("interrupts", CULPRIT_COUNT, "Hardware interrupts", "/proc/stat intr, first number"),
	[SOFTIRQS] = COUNTER("softirqs", CULPRIT_COUNT, "Software interrupts", "/proc/stat softirq, first number"),
};

static const struct culprit_derived derived[] = {
	RATE("fork_rate", "forks", CULPRIT_COUNT_PER_S, "Processes and threads started a second"),
	RATE("switch_rate", "context_switches", CULPRIT_COUNT_PER_S, "Switches between threads a second"),
	RATE("interrupt_rate", "interrupts", CULPRIT_COUNT_PER_S, "Hardware interrupts a second"),
	RATE("softirq_rate", "softirqs", CULPRIT_COUNT_PER_S, "Software interrupts a second"),
	{.name = "load_per_cpu", .op = CULPRIT_LEVEL_RATIO, .unit = CULPRIT_COUNT, .a = "load1", .b = "cpus",
	 .help = "Load of 1 minute for each CPU; above 1, tasks wait"},
};

static const struct procfs_field stat_fields[] = {
	{"intr", INTERRUPTS, 0, 0},
	{"ctxt", CONTEXT_SWITCHES, 0, 0},
	{"btime", BOOT_TIME, 0, 1000000000},
	{"processes", FORKS, 0, 0},
	{"procs_running", PROCS_RUNNING, 0, 0},
	{"procs_blocked", PROCS_BLOCKED, 0, 0},
	{"softirq", SOFTIRQS, 0, 0},
};

static const struct culprit_table host_table = {
	.size = sizeof(host_table),
	.name = "host",
	.kind = CULPRIT_STATE,
	.help = "What box this is, since when it is up, its load",
	.key = "host",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "id",
	.show = "hostname cpus load1 load5 load15 running procs_blocked tasks uptime memory kernel distribution "
		"virtualisation fork_rate switch_rate interrupt_rate",
};

struct host {
	const struct culprit_host *host;
	struct procfs_file stat, loadavg, uptime;
	struct procfs_buffer text;
	struct host_kind kind;
	bool environ_done;
	uint64_t samples;
};

static int host_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "stat", "/proc/stat", error);
}

static int host_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct host *h = calloc(1, sizeof(*h));

	(void)error;
	if (!h)
		return -ENOMEM;
	h->host = host;
	procfs_file_init(&h->stat, host->proc_fd, "stat");
	procfs_file_init(&h->loadavg, host->proc_fd, "loadavg");
	procfs_file_init(&h->uptime, host->proc_fd, "uptime");
	host_kind_read(&h->kind, host->proc_fd, host->sys_fd);
	*ret_self = h;
	return 0;
}

/* The first process of a container is told so in its environment. Reading that takes its mmap_lock: asked. */
static void ask_environ(struct host *h)
{
	char bytes[16384];
	struct culprit_ask ask = {.what = CULPRIT_ASK_FILE, .cap = sizeof(bytes), .path = "1/environ", .buf = bytes};
	int err;

	if (h->environ_done || h->kind.container[0] || !h->host->ask)
		return;
	err = h->host->ask(h->host, &ask);
	if (err == -EINPROGRESS || err == -EAGAIN)
		return;
	h->environ_done = true;
	if (!err)
		host_container_from_environ(bytes, ask.len, h->kind.container, sizeof(h->kind.container));
}

static void put_file(struct culprit_frame *f, uint32_t column, int dir, const char *path)
{
	char bytes[256];
	ssize_t n = procfs_read(dir, path, bytes, sizeof(bytes));
	struct procfs_text t;

	if (n < 0)
		return;
	t = procfs_text(bytes, (size_t)n);
	procfs_trim(&t);
	culprit_put_text(f, column, t.p, procfs_left(&t));
}

static void put_slow(struct host *h, struct culprit_frame *f)
{
	char bytes[1024];
	struct procfs_text text, word;
	struct utsname uts;
	uint64_t kb, cpus;
	ssize_t n;

	put_file(f, HOSTNAME, h->host->proc_fd, "sys/kernel/hostname");
	put_file(f, KERNEL, h->host->proc_fd, "sys/kernel/osrelease");
	if (uname(&uts) == 0)
		culprit_put_string(f, MACHINE, uts.machine);
	put_file(f, MACHINE, h->host->proc_fd, "sys/kernel/arch");
	if (h->kind.distribution[0])
		culprit_put_string(f, DISTRIBUTION, h->kind.distribution);
	culprit_put_string(f, VIRTUALISATION, h->kind.virtualisation);
	if (h->kind.container[0])
		culprit_put_string(f, CONTAINER, h->kind.container);
	n = procfs_read(h->host->sys_fd, "devices/system/cpu/possible", bytes, sizeof(bytes));
	if (n > 0) {
		text = procfs_text(bytes, (size_t)n);
		cpus = procfs_cpu_list(&text);
		if (cpus)
			culprit_put_u64(f, CPUS_POSSIBLE, cpus);
	}
	n = procfs_read(h->host->proc_fd, "meminfo", bytes, sizeof(bytes));
	if (n > 0) {
		text = procfs_text(bytes, (size_t)n);
		if (procfs_word(&text, &word) && procfs_is(&word, "MemTotal:") && procfs_u64(&text, &kb) &&
		    kb < UINT64_MAX / 1024)
			culprit_put_u64(f, MEMORY, kb * 1024);
	}
}

/* "0.07 0.02 0.00 1/94 6975" */
static void put_loadavg(struct host *h, struct culprit_frame *f)
{
	char bytes[128], reason[160];
	ssize_t n = procfs_file_read(&h->loadavg, bytes, sizeof(bytes));
	struct procfs_text text, word, part;
	const char *slash;
	double load;
	uint64_t v;

	if (n < 0) {
		procfs_reason(reason, sizeof(reason), "/proc/loadavg", (int)n);
		for (uint32_t c = LOAD1; c <= TASKS; c++)
			culprit_unread(f, c, reason);
		return;
	}
	text = procfs_text(bytes, (size_t)n);
	if (!procfs_line(&text, &part))
		return;
	for (uint32_t c = LOAD1; c <= LOAD15; c++)
		if (procfs_decimal(&part, &load))
			culprit_put_f64(f, c, load);
	if (!procfs_word(&part, &word) || !(slash = memchr(word.p, '/', procfs_left(&word))))
		return;
	if (procfs_whole_u64(word.p, (size_t)(slash - word.p), &v))
		culprit_put_u64(f, RUNNING, v);
	if (procfs_whole_u64(slash + 1, (size_t)(word.end - slash - 1), &v))
		culprit_put_u64(f, TASKS, v);
}

static void put_uptime(struct host *h, struct culprit_frame *f)
{
	char bytes[64];
	ssize_t n = procfs_file_read(&h->uptime, bytes, sizeof(bytes));
	struct procfs_text text = procfs_text(bytes, n > 0 ? (size_t)n : 0), line;
	double seconds;

	if (procfs_line(&text, &line) && procfs_decimal(&line, &seconds) && seconds < 1e10)
		culprit_put_u64(f, UPTIME, (uint64_t)(seconds * 100 + 0.5) * 10000000);
}

static int host_sample(void *self, struct culprit_frame *f)
{
	struct host *h = self;
	struct procfs_values values;
	struct procfs_text text, line = {NULL, NULL};
	uint64_t cpus = 0;
	int err = procfs_buffer_read(&h->text, &h->stat);

	culprit_table(f, 0);
	procfs_values_clear(&values);
	if (!err) {
		text = procfs_buffer_text(&h->text);
		while (procfs_line(&text, &line) && procfs_starts(&line, "cpu"))
			cpus += line.end - line.p > 3 && line.p[3] >= '0' && line.p[3] <= '9';
		/* The line that ended the loop is one of those wanted. */
		if (procfs_left(&line) && !procfs_starts(&line, "cpu"))
			text.p = line.p;
		if (!procfs_fields(text, stat_fields, PROCFS_COUNT(stat_fields), &values) && !cpus)
			err = -EBADMSG;
	}
	if (err) {
		procfs_failed(f, 0, "/proc/stat", err);
		return 0;
	}
	ask_environ(h);
	culprit_row(f);
	culprit_put_u64(f, ID, 0);
	procfs_put(f, &values);
	if (cpus)
		culprit_put_u64(f, CPUS, cpus);
	put_loadavg(h, f);
	put_uptime(h, f);
	if (h->samples++ % SLOW_SAMPLES < 2) /* twice: the answer about the container comes after the first */
		put_slow(h, f);
	culprit_end(f);
	return 0;
}

static void host_close(void *self)
{
	struct host *h = self;

	procfs_file_finish(&h->stat);
	procfs_file_finish(&h->loadavg);
	procfs_file_finish(&h->uptime);
	procfs_buffer_finish(&h->text);
	free(h);
}

static const struct culprit_table *const tables[] = {&host_table};

const struct culprit_collector host_collector = {
	.size = sizeof(host_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "host",
	.help = "What box this is, and its load",
	.tables = tables,
	.ntables = 1,
	.probe = host_probe,
	.open = host_open,
	.sample = host_sample,
	.close = host_close,
};
