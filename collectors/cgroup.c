/* Table `cgroup`: what control groups use, what they may use, how often a limit stopped them; version 2, version 1, or
 * both side by side. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "builtin.h"
#include "columns.h"

enum {
	OFTEN = 1,       /* group of the CPU columns: every sample, while there are few groups */
	RARELY = 2,
	BUSY = 3,        /* group of what is read with them where something ran */
	NAME = 4,        /* group of the name, which is asked for */
	NAMES_MAX = 32,  /* groups whose names are asked for in one sample */
	OFTEN_MAX = 512, /* groups whose CPU columns are read in one sample */
	RARELY_MAX = 64, /* groups whose rarely-read files are read in one sample */
	BUSY_EVERY = 8,  /* samples, at the latest, also where nothing ran */
	SCAN_EVERY = 16, /* samples, at the latest, where the kernel doesn't count groups; else 64 */
};

#define V(two, one) two " (version 1: " one ")"
#define USED(name, unit, help, source) COUNTER_IN(OFTEN, name, unit, help, source)
#define DONE(name, unit, help, source) COUNTER_IN(BUSY, name, unit, help, source)
#define NOW(name, unit, help, source) GAUGE_IN(BUSY, name, unit, help, source)
#define SELDOM(name, unit, help, source) GAUGE_IN(RARELY, name, unit, help, source)

static const struct culprit_column columns[] = {
	[CG_PATH] = KEY_TEXT("path", "Path of the group; a group contains the groups below it", "/sys/fs/cgroup"),
	[CG_USAGE] = USED("usage", CULPRIT_NS, "CPU time", V("cpu.stat usage_usec", "cpuacct.usage")),
	[CG_USER] = USED("user", CULPRIT_NS, "CPU time in user mode", V("cpu.stat user_usec", "cpuacct.stat")),
	[CG_SYSTEM] = USED("system", CULPRIT_NS, "CPU time in the kernel", V("cpu.stat system_usec", "cpuacct.stat")),
	[CG_NR_PERIODS] = USED("nr_periods", CULPRIT_COUNT, "Periods of the CPU limit in which it ran", "cpu.stat nr_periods"),
	[CG_NR_THROTTLED] = USED("nr_throttled", CULPRIT_COUNT, "Periods in which the CPU limit stopped it",
				 "cpu.stat nr_throttled"),
	[CG_THROTTLED_TIME] = USED("throttled_time", CULPRIT_NS,
				   "Time stopped by the CPU limit, added up over CPUs: more than passes on a clock",
				   V("cpu.stat throttled_usec", "cpu.stat throttled_time")),
	[CG_CPU_ALLOWED] = USED("cpu_allowed", CULPRIT_NS, "CPU time its own limit allowed since culprit saw it",
				"cpu_quota / cpu_period * time, made by culprit"),
	[CG_MEMORY] = NOW("memory_current", CULPRIT_BYTES, "Memory it uses, page cache included",
			  V("memory.current", "memory.usage_in_bytes")),
	[CG_OOM_KILL] = DONE("oom_kill", CULPRIT_COUNT, "Processes killed because memory ran out",
			     V("memory.events oom_kill", "memory.oom_control oom_kill")),
	[CG_MEMORY_HIGH_EVENTS] = DONE("memory_high_events", CULPRIT_COUNT,
				       "Times its tasks were slowed down for being above memory.high",
				       "memory.events high"),
	[CG_MEMORY_MAX_EVENTS] = DONE("memory_max_events", CULPRIT_COUNT, "Times it was about to pass memory.max",
				      "memory.events max"),
	[CG_OOM] = DONE("oom", CULPRIT_COUNT, "Times an allocation was about to fail at the limit", "memory.events oom"),
	[CG_PIDS] = NOW("pids_current", CULPRIT_COUNT, "Threads in it", "pids.current"),
	[CG_READ_BYTES] = DONE("read_bytes", CULPRIT_BYTES, "Read from disks; stacked devices are not counted again",
			       V("io.stat rbytes", "blkio.throttle.io_service_bytes_recursive Read")),
	[CG_WRITE_BYTES] = DONE("write_bytes", CULPRIT_BYTES, "Written to disks; version 1 sees direct writes only",
				V("io.stat wbytes", "blkio.throttle.io_service_bytes_recursive Write")),
	[CG_READS] = DONE("reads", CULPRIT_COUNT, "Reads from disks",
			  V("io.stat rios", "blkio.throttle.io_serviced_recursive Read")),
	[CG_WRITES] = DONE("writes", CULPRIT_COUNT, "Writes to disks",
			   V("io.stat wios", "blkio.throttle.io_serviced_recursive Write")),
	[CG_CPU_QUOTA] = SELDOM("cpu_quota", CULPRIT_NS, "CPU time it may use in a period; - where it has no limit",
				V("cpu.max", "cpu.cfs_quota_us")),
	[CG_CPU_PERIOD] = SELDOM("cpu_period", CULPRIT_NS, "Period of the CPU limit", V("cpu.max", "cpu.cfs_period_us")),
	[CG_CPU_WEIGHT] = SELDOM("cpu_weight", CULPRIT_COUNT, "Its share of CPU beside its siblings; 100 is the default",
				 V("cpu.weight", "cpu.shares * 100 / 1024")),
	[CG_MEMORY_MAX] = SELDOM("memory_max", CULPRIT_BYTES, "Most memory it may use; - where it has no limit",
				 V("memory.max", "memory.limit_in_bytes")),
	[CG_MEMORY_HIGH] = SELDOM("memory_high", CULPRIT_BYTES, "Memory above which it is slowed down", "memory.high"),
	[CG_SWAP] = SELDOM("swap_current", CULPRIT_BYTES, "Swap it uses",
			   V("memory.swap.current", "memory.stat total_swap")),
	[CG_SWAP_MAX] = SELDOM("swap_max", CULPRIT_BYTES, "Most swap it may use", "memory.swap.max"),
	[CG_ANON] = SELDOM("anon", CULPRIT_BYTES, "Memory backed by no file: heaps and stacks",
			   V("memory.stat anon", "memory.stat total_rss")),
	[CG_FILE] = SELDOM("file", CULPRIT_BYTES, "Page cache, tmpfs included",
			   V("memory.stat file", "memory.stat total_cache")),
	[CG_SHMEM] = SELDOM("shmem", CULPRIT_BYTES, "Shared memory and tmpfs",
			    V("memory.stat shmem", "memory.stat total_shmem")),
	[CG_KERNEL] = SELDOM("kernel", CULPRIT_BYTES, "Memory of the kernel on its behalf",
			     V("memory.stat kernel", "memory.kmem.usage_in_bytes")),
	[CG_INACTIVE_FILE] = SELDOM("inactive_file", CULPRIT_BYTES, "Page cache that would be dropped first",
				    V("memory.stat inactive_file", "memory.stat total_inactive_file")),
	[CG_DIRTY] = SELDOM("dirty", CULPRIT_BYTES, "Page cache that waits to be written",
			    V("memory.stat file_dirty", "memory.stat total_dirty")),
	[CG_MAJOR_FAULTS] = COUNTER_IN(RARELY, "pgmajfault", CULPRIT_COUNT, "Page faults that had to wait for a disk",
				       V("memory.stat pgmajfault", "memory.stat total_pgmajfault")),
	[CG_REFAULTS] = COUNTER_IN(RARELY, "refaults", CULPRIT_COUNT,
				   "Pages needed again soon after they were reclaimed: its memory is too small",
				   V("memory.stat workingset_refault*", "memory.stat total_workingset_refault*")),
	[CG_PIDS_MAX] = SELDOM("pids_max", CULPRIT_COUNT, "Most threads it may have", "pids.max"),
	[CG_READ_MAX] = SELDOM("read_max", CULPRIT_BYTES_PER_S, "Most it may read from a disk; of several, the lowest; - where it has no limit",
			       "io.max rbps"),
	[CG_WRITE_MAX] = SELDOM("write_max", CULPRIT_BYTES_PER_S, "Most it may write to a disk", "io.max wbps"),
	[CG_READS_MAX] = SELDOM("reads_max", CULPRIT_COUNT_PER_S, "Most reads from a disk", "io.max riops"),
	[CG_WRITES_MAX] = SELDOM("writes_max", CULPRIT_COUNT_PER_S, "Most writes to a disk", "io.max wiops"),
	[CG_POPULATED] = FLAG_IN(RARELY, "populated", "Is there a process in it or below?",
				 V("cgroup.events populated", "pids.current > 0")),
	[CG_CONTROLLERS] = TEXT_IN(RARELY, "controllers", "What is counted for it: v2, or the trees of version 1 it is in",
				   "/proc/self/mountinfo"),
	[CG_NAME] = TEXT_IN(NAME, "name",
			    "What a pod (namespace/pod) or container (namespace/pod/container, or its name) is called",
			    "/var/log/pods, /var/log/containers, Docker's config.v2.json, or its /etc/hostname"),
};

static const struct culprit_derived derived[] = {
	TIME_SHARE("cpu", "usage", "CPU time, percent of one CPU"),
	TIME_SHARE("user_share", "user", "CPU time in user mode, percent of one CPU"),
	TIME_SHARE("system_share", "system", "CPU time in the kernel, percent of one CPU"),
	LEVEL_PCT("cpu_limit", "cpu_quota", "cpu_period", "CPU it may use, percent of one CPU"),
	RATIO("cpu_of_limit", "usage", "cpu_allowed", CULPRIT_PERCENT, 100, "CPU time, percent of what its limit allowed"),
	RATIO("throttled_pct", "nr_throttled", "nr_periods", CULPRIT_PERCENT, 100,
	      "Periods in which the CPU limit stopped it, percent of those in which it ran"),
	RATE("throttled_rate", "throttled_time", CULPRIT_NS_PER_S, "Time stopped by the CPU limit, added up over CPUs, a second"),
	LEVEL_PCT("memory_pct", "memory_current", "memory_max", "Memory, percent of its limit"),
	LEVEL("working_set", "memory_current-inactive_file", CULPRIT_BYTES,
	      "Memory without the page cache that would be dropped first"),
	GROWTH("memory_growth", "memory_current", CULPRIT_BYTES, "How its memory changed over the window"),
	{.name = "oom_kills", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "oom_kill",
	 .help = "Processes killed in the window because memory ran out"},
	LEVEL_PCT("memory_high_pct", "memory_current", "memory_high", "Memory, percent of what it is slowed down above"),
	{.name = "memory_slowed", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "memory_high_events",
	 .help = "Times in the window its tasks were slowed down for being above memory.high"},
	LEVEL_PCT("pids_pct", "pids_current", "pids_max", "Threads, percent of its limit"),
	RATE("refault_rate", "refaults", CULPRIT_COUNT_PER_S, "Pages a second needed again soon after they were reclaimed"),
	RATE("major_fault_rate", "pgmajfault", CULPRIT_COUNT_PER_S, "Page faults a second that had to wait for a disk"),
	RATE("read_rate", "read_bytes", CULPRIT_BYTES_PER_S, "Bytes read from disks a second"),
	RATE("write_rate", "write_bytes", CULPRIT_BYTES_PER_S, "Bytes written to disks a second"),
	RATE("iops", "reads+writes", CULPRIT_COUNT_PER_S, "Reads and writes a second"),
	RATE("read_iops", "reads", CULPRIT_COUNT_PER_S, "Reads a second"),
	RATE("write_iops", "writes", CULPRIT_COUNT_PER_S, "Writes a second"),
};

static const struct culprit_table cgroup_table = {
	.size = sizeof(cgroup_table),
	.name = "cgroup",
	.kind = CULPRIT_STATE,
	.help = "What control groups (services, containers, pods) use, may use, and how often a limit stopped them",
	.key = "cgroup",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "cpu",
	.show = "path name cpu cpu_limit throttled_pct throttled_rate memory_current memory_max memory_pct oom_kills read_rate "
		"write_rate pids_current",
};

struct cgroups {
	struct cgroup_tree tree;
	uint64_t sample; /* counted from 1 */
	uint32_t names_left; /* to be asked for in this sample */
	bool full_said;
};

static int cgroup_probe(const struct culprit_host *host, struct culprit_error *error)
{
	struct cgroup_tree tree;
	int err = cgroup_tree_init(&tree, host, error);

	if (!err)
		cgroup_tree_finish(&tree);
	return err;
}

static int cgroup_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct cgroups *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	err = cgroup_tree_init(&c->tree, host, error);
	if (err) {
		free(c);
		return err;
	}
	*ret_self = c;
	return 0;
}

static bool in_v2(const struct cgroup_tree *t, const struct cgroup *g)
{
	for (uint32_t m = 0; m < t->nmounts; m++)
		if (t->mounts[m].v2 && g->in >> m & 1)
			return true;
	return false;
}

static void put_controllers(const struct cgroup_tree *t, const struct cgroup *g, struct culprit_frame *f)
{
	static const char *const names[CGROUP_CONTROLLERS] = {"cpu", "cpuacct", "memory", "io", "pids"};
	char text[64] = "";
	size_t n = 0;

	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
		int m = cgroup_mount_of(t, g, i);
		size_t len = strlen(names[i]);

		if (m < 0 || t->mounts[m].v2)
			continue;
		if (n)
			text[n++] = ',';
		memcpy(text + n, names[i], len);
		n += len;
	}
	if (in_v2(t, g)) {
		memcpy(text + n, n ? ",v2" : "v2", n ? 3 : 2);
		n += n ? 3 : 2;
	}
	culprit_put_text(f, CG_CONTROLLERS, text, n);
}

/* What the limit allowed grows with time; the limit itself is read rarely. */
static void count_allowed(struct cgroup *g, uint64_t now_ns, struct procfs_values *v)
{
	if (g->quota_ns && g->period_ns) {
		if (g->allowed_at_ns && now_ns > g->allowed_at_ns)
			g->allowed_ns += (uint64_t)((double)(now_ns - g->allowed_at_ns) * (double)g->quota_ns /
						    (double)g->period_ns);
		procfs_add(v, CG_CPU_ALLOWED, g->allowed_ns, 1);
	}
	g->allowed_at_ns = now_ns;
}

/* A process in it, so that its root can be looked into; 0: none. */
static uint64_t process_in(const struct cgroup_tree *t, const struct cgroup *g)
{
	char path[CGROUP_PATH_MAX + 32], bytes[32];
	int m = cgroup_mount_of(t, g, CGROUP_PIDS), fd;
	ssize_t n;

	if (m < 0 || !cgroup_file_path(&t->mounts[m], g, "cgroup.procs", path, sizeof(path)))
		return 0;
	fd = openat(t->mounts[m].fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, bytes, sizeof(bytes) - 1);
	close(fd);
	bytes[n > 0 ? n : 0] = '\0';
	return strtoull(bytes, NULL, 10);
}

static void put_name(struct cgroups *c, struct cgroup *g, uint64_t now_ns, struct culprit_frame *f)
{
	const struct culprit_host *host = c->tree.host;
	char name[CGROUP_NAME_MAX];
	struct cgroup_who who;
	size_t n = 0;
	int r;

	if ((g->parsed && !g->named) || g->naming.done || !c->names_left || now_ns < g->naming.again_ns)
		return;
	g->named = cgroup_who_parse(g->path, &who);
	g->parsed = true;
	if (!g->named)
		return;
	c->names_left--;
	r = cgroup_name_ask(host, &who, &g->naming, process_in(&c->tree, g), now_ns, name, &n);
	if (r > 0)
		culprit_put_text(f, CG_NAME, name, n);
	else if (r < 0)
		culprit_unread(f, CG_NAME, "permission denied: needs root, and the capability SYS_PTRACE over process 1");
}

static void put_group(struct cgroups *c, struct cgroup *g, bool often, bool all, bool rarely, uint64_t now_ns,
		      struct culprit_frame *f)
{
	struct cgroup_tree *t = &c->tree;
	struct procfs_values v;

	procfs_values_clear(&v);
	if (rarely)
		cgroup_read_slow(t, g, &v);
	if (often && !cgroup_read_hot(t, g, all, &v))
		return;
	if (rarely) {
		g->quota_ns = procfs_have(&v, CG_CPU_QUOTA) && v.v[CG_CPU_QUOTA] < 1ull << 53 ? v.v[CG_CPU_QUOTA] : 0;
		g->period_ns = procfs_have(&v, CG_CPU_PERIOD) ? v.v[CG_CPU_PERIOD] : 0;
		/* Version 1 doesn't say it. */
		if (procfs_have(&v, CG_PIDS) && !in_v2(t, g))
			procfs_add(&v, CG_POPULATED, v.v[CG_PIDS] > 0, 1);
	}
	if (often)
		count_allowed(g, now_ns, &v);
	culprit_row(f);
	if (g->born)
		culprit_born(f);
	culprit_put_text(f, CG_PATH, g->len ? g->path : "/", g->len ? g->len : 1);
	procfs_put(f, &v);
	if (rarely)
		put_controllers(t, g, f);
	put_name(c, g, now_ns, f);
	culprit_end(f);
	g->fresh = g->born = false;
}

static int cgroup_sample(void *self, struct culprit_frame *f)
{
	struct cgroups *c = self;
	struct cgroup_tree *t = &c->tree;
	bool whole = t->host->flags & CULPRIT_HOST_WHOLE;
	uint64_t now_ns = t->host->now_ns(t->host, CULPRIT_MONOTONIC), often_every, rarely_every;
	int err;

	culprit_table_at(f, 0, now_ns);
	c->sample++;
	c->names_left = NAMES_MAX;
	err = cgroup_tree_scan(t, c->sample % (t->complete ? 4 * SCAN_EVERY : SCAN_EVERY) == 1);
	if (err) {
		procfs_failed(f, 0, "/sys/fs/cgroup", err);
		return 0;
	}
	if (t->full && !c->full_said) {
		c->full_said = true;
		t->host->log(t->host, CULPRIT_LOG_WARNING,
			     "there are more than 10,000 control groups: the rest is not in table cgroup");
	}
	often_every = (t->ngroups + OFTEN_MAX - 1) / OFTEN_MAX;
	rarely_every = t->ngroups / 8 < 8 ? 8 : t->ngroups / 8 > 30 ? 30 : t->ngroups / 8;
	if (rarely_every < t->ngroups / RARELY_MAX)
		rarely_every = t->ngroups / RARELY_MAX;
	for (uint32_t i = 0; i < t->ngroups; i++) {
		struct cgroup *g = &t->groups[i];
		/* At the start the many are spread; later those that appear are read at once. */
		bool at_once = whole || (g->fresh && (c->sample > 1 || i < 64));
		bool often = at_once || g->fresh || (c->sample + i) % often_every == 0;
		bool all = at_once || g->fresh || (c->sample + i) / often_every % BUSY_EVERY == 0;
		bool rarely = at_once || (!g->fresh && c->sample >= g->slow_at);

		if (!g->in)
			continue;
		if (g->fresh || rarely)
			g->slow_at = c->sample + rarely_every - (g->fresh ? i % rarely_every : 0);
		put_group(c, g, often || rarely, all || rarely, rarely, now_ns, f);
	}
	return 0;
}

static void cgroup_close(void *self)
{
	struct cgroups *c = self;

	cgroup_tree_finish(&c->tree);
	free(c);
}

static const struct culprit_table *const tables[] = {&cgroup_table};

const struct culprit_collector cgroup_collector = {
	.size = sizeof(cgroup_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "cgroup",
	.help = "What control groups use and may use",
	.tables = tables,
	.ntables = 1,
	.probe = cgroup_probe,
	.open = cgroup_open,
	.sample = cgroup_sample,
	.close = cgroup_close,
};
