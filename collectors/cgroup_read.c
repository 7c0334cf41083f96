/* What the files of a control group hold (cgroup.h). */
#include "cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Names of the files in version 1 and 2; NULL: there it has none. */
static const struct {
	const char *v1, *v2;
	uint8_t controller;
} hot_files[HOT_FILES] = {
	[HOT_CPU_STAT] = {"cpu.stat", "cpu.stat", CGROUP_CPU},
	[HOT_CPU_USAGE] = {"cpuacct.usage", NULL, CGROUP_CPUACCT},
	[HOT_CPUACCT] = {"cpuacct.stat", NULL, CGROUP_CPUACCT},
	[HOT_MEMORY] = {"memory.usage_in_bytes", "memory.current", CGROUP_MEMORY},
	[HOT_OOM] = {"memory.oom_control", "memory.events", CGROUP_MEMORY},
	[HOT_PIDS] = {"pids.current", "pids.current", CGROUP_PIDS},
	[HOT_IO] = {"blkio.throttle.io_service_bytes_recursive", "io.stat", CGROUP_IO},
	[HOT_IO_SERVICED] = {"blkio.throttle.io_serviced_recursive", NULL, CGROUP_IO},
};

static const struct procfs_field v2_cpu_fields[] = {
	{"usage_usec", CG_USAGE, 0, 1000},	     {"user_usec", CG_USER, 0, 1000},
	{"system_usec", CG_SYSTEM, 0, 1000},	     {"nr_periods", CG_NR_PERIODS, 0, 0},
	{"nr_throttled", CG_NR_THROTTLED, 0, 0},     {"throttled_usec", CG_THROTTLED_TIME, 0, 1000},
};
static const struct procfs_field v1_cpu_fields[] = {
	{"nr_periods", CG_NR_PERIODS, 0, 0},
	{"nr_throttled", CG_NR_THROTTLED, 0, 0},
	{"throttled_time", CG_THROTTLED_TIME, 0, 0},
};
static const struct procfs_field oom_fields[] = {
	{"high", CG_MEMORY_HIGH_EVENTS, 0, 0},
	{"max", CG_MEMORY_MAX_EVENTS, 0, 0},
	{"oom", CG_OOM, 0, 0},
	{"oom_kill", CG_OOM_KILL, 0, 0},
};
static const struct procfs_field v2_memory_fields[] = {
	{"anon", CG_ANON, 0, 0},
	{"file", CG_FILE, 0, 0},
	{"kernel", CG_KERNEL, 0, 0},
	{"shmem", CG_SHMEM, 0, 0},
	{"inactive_file", CG_INACTIVE_FILE, 0, 0},
	{"file_dirty", CG_DIRTY, 0, 0},
	{"pgmajfault", CG_MAJOR_FAULTS, 0, 0},
	{"workingset_refault", CG_REFAULTS, 1, 0},
};
static const struct procfs_field v1_memory_fields[] = {
	{"total_rss", CG_ANON, 0, 0},
	{"total_cache", CG_FILE, 0, 0},
	{"total_shmem", CG_SHMEM, 0, 0},
	{"total_inactive_file", CG_INACTIVE_FILE, 0, 0},
	{"total_dirty", CG_DIRTY, 0, 0},
	{"total_swap", CG_SWAP, 0, 0},
	{"total_pgmajfault", CG_MAJOR_FAULTS, 0, 0},
	{"total_workingset_refault", CG_REFAULTS, 1, 0},
};

/* The bytes of a hot file; 0: there is none; -ENODEV: the group is gone from that tree. */
static ssize_t read_hot(struct cgroup_tree *t, struct cgroup *g, unsigned hot, bool v2, int mount, char *buf, size_t cap)
{
	const char *name = v2 ? hot_files[hot].v2 : hot_files[hot].v1;
	char path[CGROUP_PATH_MAX];
	ssize_t n;
	int fd = g->fds[hot];

	if (fd == -2 || !name)
		return 0;
	if (fd < 0) {
		if (!cgroup_file_path(&t->mounts[mount], g, name, path, sizeof(path)))
			return 0;
		fd = procfs_open(t->mounts[mount].fd, path);
		if (fd < 0) {
			g->fds[hot] = -2;
			return 0;
		}
	}
	n = procfs_pread_once(fd, buf, cap);
	if (n >= 0 && (g->fds[hot] == fd || t->fds_open < t->fds_max)) {
		t->fds_open += g->fds[hot] != fd;
		g->fds[hot] = fd;
		return n;
	}
	if (g->fds[hot] == fd)
		t->fds_open--;
	close(fd);
	g->fds[hot] = n < 0 && n != -ENODEV ? -2 : -1;
	return n >= 0 || n == -ENODEV ? n : 0;
}

/* Is the device made of others, whose I/O is counted for the group as well? */
static bool is_stacked(struct cgroup_tree *t, const struct procfs_text *name)
{
	const char *colon = memchr(name->p, ':', procfs_left(name));
	uint64_t major, minor, device;
	char path[96];
	bool stacked;

	if (!colon || !procfs_whole_u64(name->p, (size_t)(colon - name->p), &major) ||
	    !procfs_whole_u64(colon + 1, (size_t)(name->end - colon - 1), &minor))
		return true; /* "Total" of version 1 */
	device = major << 32 | (minor & UINT32_MAX);
	for (uint32_t i = 0; i < t->ndevices; i++)
		if (t->devices[i].device == device)
			return t->devices[i].stacked;
	snprintf(path, sizeof(path), "dev/block/%llu:%llu/slaves", (unsigned long long)major, (unsigned long long)minor);
	stacked = major == 7 /* loop */ || procfs_has_entries(t->host->sys_fd, path);
	if (t->ndevices < CGROUP_STACKED_MAX) {
		t->devices[t->ndevices].device = device;
		t->devices[t->ndevices++].stacked = stacked;
	}
	return stacked;
}

/* "254:0 rbytes=90112 wbytes=0 rios=22 wios=0 dbytes=0 dios=0" */
static void parse_io(struct cgroup_tree *t, struct procfs_text text, struct procfs_values *v)
{
	static const struct {
		const char *key;
		uint32_t column;
	} keys[] = {{"rbytes=", CG_READ_BYTES}, {"wbytes=", CG_WRITE_BYTES}, {"rios=", CG_READS}, {"wios=", CG_WRITES}};
	struct procfs_text line, word;

	/* A group that did no I/O yet has an empty file: 0, not unknown. */
	for (unsigned i = 0; i < PROCFS_COUNT(keys); i++)
		procfs_add(v, keys[i].column, 0, 1);
	while (procfs_line(&text, &line)) {
		if (!procfs_word(&line, &word) || is_stacked(t, &word))
			continue;
		while (procfs_word(&line, &word)) {
			for (unsigned i = 0; i < PROCFS_COUNT(keys); i++) {
				uint64_t n;

				if (!procfs_starts(&word, keys[i].key))
					continue;
				word.p += strlen(keys[i].key);
				if (procfs_u64(&word, &n))
					procfs_add(v, keys[i].column, n, 1);
				break;
			}
		}
	}
}

/* "254:0 Read 90112", one line an operation. Newer kernels count only once some limit is set: no line is no zero. */
static void parse_v1_io(struct cgroup_tree *t, struct procfs_text text, uint32_t reads, uint32_t writes,
			struct procfs_values *v)
{
	struct procfs_text line, device, what;
	uint64_t n;

	while (procfs_line(&text, &line)) {
		if (!procfs_word(&line, &device) || !procfs_word(&line, &what) || !procfs_u64(&line, &n))
			continue;
		if (procfs_is(&what, "Read") && !is_stacked(t, &device))
			procfs_add(v, reads, n, 1);
		else if (procfs_is(&what, "Write") && !is_stacked(t, &device))
			procfs_add(v, writes, n, 1);
	}
}

static void parse_hot(struct cgroup_tree *t, unsigned hot, bool v2, const char *bytes, size_t n, struct procfs_values *v)
{
	struct procfs_text text = procfs_text(bytes, n);
	struct procfs_values ticks;
	static const struct procfs_field ticks_fields[] = {{"user", CG_USER, 0, 0}, {"system", CG_SYSTEM, 0, 0}};
	uint64_t number, tick_ns = 1000000000 / (t->host->user_hz ? t->host->user_hz : 100);

	switch (hot) {
	case HOT_CPU_STAT:
		if (v2)
			procfs_fields(text, v2_cpu_fields, PROCFS_COUNT(v2_cpu_fields), v);
		else
			procfs_fields(text, v1_cpu_fields, PROCFS_COUNT(v1_cpu_fields), v);
		break;
	case HOT_CPUACCT:
		procfs_values_clear(&ticks);
		procfs_fields(text, ticks_fields, PROCFS_COUNT(ticks_fields), &ticks);
		for (uint32_t c = CG_USER; c <= CG_SYSTEM; c++)
			if (procfs_have(&ticks, c) && !procfs_have(v, c))
				procfs_add(v, c, ticks.v[c], tick_ns);
		break;
	case HOT_OOM:
		procfs_fields(text, oom_fields, PROCFS_COUNT(oom_fields), v);
		break;
	case HOT_IO:
		if (v2)
			parse_io(t, text, v);
		else
			parse_v1_io(t, text, CG_READ_BYTES, CG_WRITE_BYTES, v);
		break;
	case HOT_IO_SERVICED:
		parse_v1_io(t, text, CG_READS, CG_WRITES, v);
		break;
	default:
		if (procfs_file_u64(bytes, n, &number))
			procfs_add(v,
				   hot == HOT_MEMORY ? CG_MEMORY
				   : hot == HOT_PIDS ? CG_PIDS
						     : CG_USAGE,
				   number, 1);
	}
}

/* After the first file with CPU time: did anything run since the last reading? Its CPU columns then stay. */
static bool nothing_ran(const struct cgroup *g, struct procfs_values *v)
{
	if (!procfs_have(v, CG_USAGE) || !(g->cpu_have & 1) || v->v[CG_USAGE] != g->cpu[0])
		return false;
	for (uint32_t i = 0; i < PROCFS_COUNT(g->cpu); i++)
		if (g->cpu_have >> i & 1 && !procfs_have(v, CG_USAGE + i))
			procfs_add(v, CG_USAGE + i, g->cpu[i], 1);
	return true;
}

bool cgroup_read_hot(struct cgroup_tree *t, struct cgroup *g, bool all, struct procfs_values *v)
{
	char bytes[8192];

	for (unsigned hot = 0; hot < HOT_FILES; hot++) {
		int mount = cgroup_mount_of(t, g, hot_files[hot].controller);
		ssize_t n;

		if (mount < 0)
			continue;
		n = read_hot(t, g, hot, t->mounts[mount].v2, mount, bytes, sizeof(bytes));
		if (n == -ENODEV) {
			/* It went away, perhaps only from this tree, and may be back already under the same name. */
			t->lost = true;
			cgroup_close_files(t, g);
			g->in = 0;
			return false;
		}
		/* An empty file says something where it is a list: no I/O was done. */
		if (n > 0 || (n == 0 && g->fds[hot] >= 0))
			parse_hot(t, hot, t->mounts[mount].v2, bytes, (size_t)n, v);
		if (hot <= HOT_CPU_STAT && !all && nothing_ran(g, v))
			return true;
	}
	g->cpu_have = 0;
	for (uint32_t i = 0; i < PROCFS_COUNT(g->cpu); i++) {
		if (!procfs_have(v, CG_USAGE + i))
			continue;
		g->cpu[i] = v->v[CG_USAGE + i];
		g->cpu_have |= 1u << i;
	}
	return true;
}

static ssize_t read_slow(struct cgroup_tree *t, struct cgroup *g, int mount, const char *file)
{
	char path[CGROUP_PATH_MAX];
	struct procfs_file f;
	int err;

	if (!cgroup_file_path(&t->mounts[mount], g, file, path, sizeof(path)))
		return -ENAMETOOLONG;
	procfs_file_init(&f, t->mounts[mount].fd, path);
	err = procfs_buffer_read(&t->text, &f);
	procfs_file_finish(&f);
	return err ? err : (ssize_t)t->text.len;
}

static void slow_number(struct cgroup_tree *t, struct cgroup *g, int mount, const char *file, uint32_t column,
			uint64_t scale, struct procfs_values *v)
{
	uint64_t n;

	/* "max", -1 and version 1's page counter at its end mean: no limit. */
	if (read_slow(t, g, mount, file) > 0 && procfs_file_u64(t->text.data, t->text.len, &n) && n < 1ull << 62)
		procfs_add(v, column, n, scale);
}

static void slow_fields(struct cgroup_tree *t, struct cgroup *g, int mount, const char *file,
			const struct procfs_field *fields, unsigned nfields, struct procfs_values *v)
{
	if (read_slow(t, g, mount, file) > 0)
		procfs_fields(procfs_buffer_text(&t->text), fields, nfields, v);
}

/* "200000 100000" or "max 100000" */
static void slow_cpu_max(struct cgroup_tree *t, struct cgroup *g, int mount, struct procfs_values *v)
{
	struct procfs_text text, line;
	uint64_t quota, period;

	if (read_slow(t, g, mount, "cpu.max") <= 0)
		return;
	text = procfs_buffer_text(&t->text);
	if (!procfs_line(&text, &line))
		return;
	if (procfs_u64(&line, &quota))
		procfs_add(v, CG_CPU_QUOTA, quota, 1000);
	if (procfs_u64(&line, &period))
		procfs_add(v, CG_CPU_PERIOD, period, 1000);
}

/* "254:0 rbps=1048576 wbps=max riops=max wiops=120", a line a device; of each the lowest. Devices without a limit have no line. */
static void slow_io_max(struct cgroup_tree *t, struct cgroup *g, int mount, struct procfs_values *v)
{
	static const struct {
		const char *key;
		uint32_t column;
	} keys[] = {{"rbps=", CG_READ_MAX}, {"wbps=", CG_WRITE_MAX}, {"riops=", CG_READS_MAX}, {"wiops=", CG_WRITES_MAX}};
	uint64_t n, lowest[PROCFS_COUNT(keys)] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	struct procfs_text text, line, word;

	if (read_slow(t, g, mount, "io.max") <= 0)
		return;
	text = procfs_buffer_text(&t->text);
	while (procfs_line(&text, &line)) {
		while (procfs_word(&line, &word)) {
			for (unsigned i = 0; i < PROCFS_COUNT(keys); i++) {
				if (!procfs_starts(&word, keys[i].key))
					continue;
				word.p += strlen(keys[i].key);
				if (procfs_u64(&word, &n) && n < lowest[i])
					lowest[i] = n;
				break;
			}
		}
	}
	for (unsigned i = 0; i < PROCFS_COUNT(keys); i++)
		if (lowest[i] < UINT64_MAX)
			procfs_add(v, keys[i].column, lowest[i], 1);
}

void cgroup_read_slow(struct cgroup_tree *t, struct cgroup *g, struct procfs_values *v)
{
	static const struct procfs_field events[] = {{"populated", CG_POPULATED, 0, 0}};
	int cpu = cgroup_mount_of(t, g, CGROUP_CPU), memory = cgroup_mount_of(t, g, CGROUP_MEMORY);
	int pids = cgroup_mount_of(t, g, CGROUP_PIDS), io = cgroup_mount_of(t, g, CGROUP_IO);
	uint64_t shares;

	/* Controllers may have been switched on since: what wasn't there may be now. */
	for (unsigned i = 0; i < HOT_FILES; i++)
		if (g->fds[i] == -2)
			g->fds[i] = -1;
	if (cpu >= 0 && t->mounts[cpu].v2) {
		slow_cpu_max(t, g, cpu, v);
		slow_number(t, g, cpu, "cpu.weight", CG_CPU_WEIGHT, 1, v);
	} else if (cpu >= 0) {
		slow_number(t, g, cpu, "cpu.cfs_quota_us", CG_CPU_QUOTA, 1000, v);
		slow_number(t, g, cpu, "cpu.cfs_period_us", CG_CPU_PERIOD, 1000, v);
		if (read_slow(t, g, cpu, "cpu.shares") > 0 &&
		    procfs_file_u64(t->text.data, t->text.len, &shares) && shares < 1 << 20)
			procfs_add(v, CG_CPU_WEIGHT, (shares * 100 + 512) / 1024, 1);
	}
	if (memory >= 0 && t->mounts[memory].v2) {
		slow_number(t, g, memory, "memory.max", CG_MEMORY_MAX, 1, v);
		slow_number(t, g, memory, "memory.high", CG_MEMORY_HIGH, 1, v);
		slow_number(t, g, memory, "memory.swap.current", CG_SWAP, 1, v);
		slow_number(t, g, memory, "memory.swap.max", CG_SWAP_MAX, 1, v);
		slow_fields(t, g, memory, "memory.stat", v2_memory_fields, PROCFS_COUNT(v2_memory_fields), v);
	} else if (memory >= 0) {
		slow_number(t, g, memory, "memory.limit_in_bytes", CG_MEMORY_MAX, 1, v);
		slow_fields(t, g, memory, "memory.stat", v1_memory_fields, PROCFS_COUNT(v1_memory_fields), v);
		slow_number(t, g, memory, "memory.kmem.usage_in_bytes", CG_KERNEL, 1, v);
	}
	if (io >= 0 && t->mounts[io].v2)
		slow_io_max(t, g, io, v);
	if (pids >= 0)
		slow_number(t, g, pids, "pids.max", CG_PIDS_MAX, 1, v);
	for (uint32_t i = 0; i < t->nmounts; i++)
		if (t->mounts[i].v2 && g->in >> i & 1)
			slow_fields(t, g, (int)i, "cgroup.events", events, PROCFS_COUNT(events), v);
}
