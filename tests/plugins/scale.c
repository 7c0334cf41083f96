/* A box larger than any at hand: by default 400,000 threads in 10,000 processes, 512 CPUs, 2,000 control groups, 300 disks; $SCALE_THREADS,
 * SCALE_PROCESSES, SCALE_CPUS, SCALE_CGROUPS, SCALE_DISKS say otherwise. Its tables have the names and columns of the
 * built-in ones, so that the same panels show them: load it with --without task,cpu,cgroup,disk. A twentieth of the threads
 * is busy at a time; each second a hundred processes end and as many begin. Rows are sparse: a sample of a plug-in has
 * bounds, and an absent cell costs nothing. */
#include <stdio.h>
#include <stdlib.h>

#include <culprit/collector.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COL(NAME, ROLE, TYPE, UNIT) \
	{.name = NAME, .role = CULPRIT_##ROLE, .type = CULPRIT_##TYPE, .unit = CULPRIT_##UNIT, .help = "made up: " NAME, .source = "made up"}
#define SHARE(NAME, A) {.name = NAME, .op = CULPRIT_RATE, .unit = CULPRIT_PERCENT, .a = A, .scale = 1e-7, .help = "made up: share of a CPU"}
#define BYTES_PER_S(NAME, A) {.name = NAME, .op = CULPRIT_RATE, .unit = CULPRIT_BYTES_PER_S, .a = A, .help = "made up: bytes a second"}
#define PER_S(NAME, A) {.name = NAME, .op = CULPRIT_RATE, .unit = CULPRIT_COUNT_PER_S, .a = A, .help = "made up: a second"}
#define TABLE(NAME, HELP, KEY, COLUMNS, DERIVED, ...)                                                                                            \
	{.size = sizeof(struct culprit_table), .name = NAME, .kind = CULPRIT_STATE, .help = HELP, .key = KEY, .columns = COLUMNS,            \
	 .column_size = sizeof(COLUMNS[0]), .ncolumns = COUNT(COLUMNS), .derived = DERIVED, .derived_size = sizeof(DERIVED[0]),                     \
	 .nderived = COUNT(DERIVED), __VA_ARGS__}

enum { PID, START, PPID, STATE, UID, USER, COMM, CMDLINE, UTIME, STIME, THREADS, RSS, CGROUP, FOLDED };
static const struct culprit_column process_columns[] = {
	[PID] = COL("pid", KEY, U64, NONE), [START] = COL("start", KEY, U64, TICKS), [PPID] = COL("ppid", ATTRIBUTE, U64, NONE),
	[STATE] = COL("state", ATTRIBUTE, TEXT, NONE), [UID] = COL("uid", ATTRIBUTE, U64, NONE), [USER] = COL("user", ATTRIBUTE, TEXT, NONE),
	[COMM] = COL("comm", ATTRIBUTE, TEXT, NONE), [CMDLINE] = COL("cmdline", ATTRIBUTE, TEXT, NONE),
	[UTIME] = COL("utime", COUNTER, U64, NS), [STIME] = COL("stime", COUNTER, U64, NS), [THREADS] = COL("threads", GAUGE, U64, COUNT),
	[RSS] = COL("rss", GAUGE, U64, BYTES), [CGROUP] = COL("cgroup", ATTRIBUTE, TEXT, NONE), [FOLDED] = COL("folded", GAUGE, U64, COUNT),
};
static const struct culprit_derived process_derived[] = {SHARE("cpu", "utime+stime"), SHARE("user_cpu", "utime")};

enum { T_TID, T_START, T_PID, T_PROCESS_START, T_COMM, T_STATE, T_UTIME, T_STIME, T_RUNNABLE, T_CGROUP, T_FOLDED };
static const struct culprit_column thread_columns[] = {
	[T_TID] = COL("tid", KEY, U64, NONE), [T_START] = COL("start", KEY, U64, TICKS), [T_PID] = COL("pid", ATTRIBUTE, U64, NONE),
	[T_PROCESS_START] = COL("process_start", ATTRIBUTE, U64, TICKS), [T_COMM] = COL("comm", ATTRIBUTE, TEXT, NONE),
	[T_STATE] = COL("state", ATTRIBUTE, TEXT, NONE), [T_UTIME] = COL("utime", COUNTER, U64, NS), [T_STIME] = COL("stime", COUNTER, U64, NS),
	[T_RUNNABLE] = COL("runnable", GAUGE, U64, COUNT), [T_CGROUP] = COL("cgroup", ATTRIBUTE, TEXT, NONE),
	[T_FOLDED] = COL("folded", GAUGE, U64, COUNT),
};
static const struct culprit_derived thread_derived[] = {SHARE("cpu", "utime+stime")};
static const struct culprit_rollup thread_rollups[] = {
	{"runnable", "process", "runnable", CULPRIT_ROLL_SUM, 0, "made up: threads that run or want to"},
};

enum { C_CPU, C_GENERATION, C_USER, C_SYSTEM, C_IDLE };
static const struct culprit_column cpu_columns[] = {
	[C_CPU] = COL("cpu", KEY, I64, NONE), [C_GENERATION] = COL("generation", KEY, U64, COUNT), [C_USER] = COL("user", COUNTER, U64, NS),
	[C_SYSTEM] = COL("system", COUNTER, U64, NS), [C_IDLE] = COL("idle", COUNTER, U64, NS),
};
static const struct culprit_derived cpu_derived[] = {
	{.name = "busy", .op = CULPRIT_RATIO, .unit = CULPRIT_PERCENT, .a = "user+system", .b = "user+system+idle", .scale = 100, .help = "made up: busy"},
	{.name = "user_pct", .op = CULPRIT_RATIO, .unit = CULPRIT_PERCENT, .a = "user", .b = "user+system+idle", .scale = 100, .help = "made up: user"},
};

enum { G_PATH, G_USAGE, G_MEMORY, G_PROCS };
static const struct culprit_column cgroup_columns[] = {
	[G_PATH] = COL("path", KEY, TEXT, NONE), [G_USAGE] = COL("usage", COUNTER, U64, NS),
	[G_MEMORY] = COL("memory_current", GAUGE, U64, BYTES), [G_PROCS] = COL("pids_current", GAUGE, U64, COUNT),
};
static const struct culprit_derived cgroup_derived[] = {SHARE("cpu", "usage")};

enum { D_NAME, D_GENERATION, D_READS, D_WRITES, D_READ_BYTES, D_WRITE_BYTES, D_BUSY, D_KIND };
static const struct culprit_column disk_columns[] = {
	[D_NAME] = COL("name", KEY, TEXT, NONE), [D_GENERATION] = COL("generation", KEY, U64, COUNT), [D_READS] = COL("reads", COUNTER, U64, COUNT),
	[D_WRITES] = COL("writes", COUNTER, U64, COUNT), [D_READ_BYTES] = COL("read_bytes", COUNTER, U64, BYTES),
	[D_WRITE_BYTES] = COL("write_bytes", COUNTER, U64, BYTES), [D_BUSY] = COL("io_time", COUNTER, U64, NS), [D_KIND] = COL("kind", ATTRIBUTE, TEXT, NONE),
};
static const struct culprit_derived disk_derived[] = {
	PER_S("read_iops", "reads"), PER_S("write_iops", "writes"), BYTES_PER_S("read_rate", "read_bytes"), BYTES_PER_S("write_rate", "write_bytes"),
	SHARE("busy", "io_time"),
};

static const struct culprit_table process_table = TABLE("process", "made up: processes", "process", process_columns, process_derived,
	.fold_by = "cgroup", .fold_count = "folded", .sort = "cpu", .show = "pid user cpu rss state threads comm");
static const struct culprit_table thread_table = TABLE("thread", "made up: threads", "thread", thread_columns, thread_derived,
	.rollups = thread_rollups, .rollup_size = sizeof(thread_rollups[0]), .nrollups = COUNT(thread_rollups), .parent = "process",
	.parent_columns = "pid process_start", .fold_by = "cgroup", .fold_count = "folded", .sort = "cpu");
static const struct culprit_table cpu_table = TABLE("cpu", "made up: CPUs", "cpu", cpu_columns, cpu_derived, .show = NULL);
static const struct culprit_table cgroup_table = TABLE("cgroup", "made up: control groups", "cgroup", cgroup_columns, cgroup_derived, .sort = "cpu");
static const struct culprit_table disk_table = TABLE("disk", "made up: disks", "device", disk_columns, disk_derived, .sort = "busy");
enum { PROCESSES, THREAD_ROWS, CPUS, CGROUPS, DISKS };
static const struct culprit_table *const tables[] = {&process_table, &thread_table, &cpu_table, &cgroup_table, &disk_table};

static unsigned long ticks;

static unsigned long sized(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static void put_string(struct culprit_frame *f, uint32_t column, const char *format, unsigned long i)
{
	char text[64];
	int n = snprintf(text, sizeof(text), format, i);

	culprit_put_text(f, column, text, n > 0 ? (size_t)n : 0);
}

/* When the process in place i began: each second a hundred others are new. */
static unsigned long start_of(unsigned long i, unsigned long n)
{
	unsigned long round = n / 100 ? n / 100 : 1, place = i % round;

	return 100 + (ticks >= place ? ((ticks - place) / round + 1) * 7 : 0);
}

static int sample(void *self, struct culprit_frame *f)
{
	unsigned long threads = sized("SCALE_THREADS", 400000), processes = sized("SCALE_PROCESSES", 10000), cgroups = sized("SCALE_CGROUPS", 2000);
	unsigned long cpus = sized("SCALE_CPUS", 512), disks = sized("SCALE_DISKS", 300), each = threads / (processes ? processes : 1);

	(void)self;
	ticks++;
	culprit_table(f, PROCESSES);
	for (unsigned long i = 0; i < processes; i++) {
		culprit_row(f);
		culprit_put_u64(f, PID, i + 1);
		culprit_put_u64(f, START, start_of(i, processes));
		culprit_put_u64(f, PPID, i ? 1 : 0);
		culprit_put_string(f, STATE, i % 20 == ticks % 20 ? "R" : "S");
		culprit_put_u64(f, UID, i % 50);
		put_string(f, USER, "user%lu", i % 50);
		put_string(f, COMM, "service-%lu", i % 700);
		culprit_put_u64(f, UTIME, (ticks * (i % 97) + i) * 1000000);
		culprit_put_u64(f, STIME, ticks * (i % 13) * 1000000);
		culprit_put_u64(f, THREADS, each);
		culprit_put_u64(f, RSS, (i % 1000 + 1) << 20);
		put_string(f, CGROUP, "/c%lu", cgroups ? i % cgroups : 0);
		culprit_end(f);
	}
	culprit_table(f, THREAD_ROWS);
	for (unsigned long i = 0; i < threads; i++) {
		unsigned long process = each ? i / each : 0;

		if (process >= processes)
			break;
		culprit_row(f);
		/* The first thread of a process has its number. */
		culprit_put_u64(f, T_TID, each && i % each == 0 ? process + 1 : processes + i);
		culprit_put_u64(f, T_START, start_of(process, processes));
		culprit_put_u64(f, T_PID, process + 1);
		culprit_put_u64(f, T_PROCESS_START, start_of(process, processes));
		put_string(f, T_COMM, "t-%lu", i % 40);
		put_string(f, T_CGROUP, "/c%lu", cgroups ? process % cgroups : 0);
		if (i % 20 == 0) {
			culprit_put_u64(f, T_UTIME, (ticks * (i % 31) + i) * 1000000);
			culprit_put_u64(f, T_RUNNABLE, i % 400 == 0);
		}
		culprit_end(f);
	}
	culprit_table(f, CPUS);
	for (long i = -1; i < (long)cpus; i++) {
		/* -1: all of them. */
		unsigned long busy = i < 0 ? 50 : (unsigned long)i % 100;

		culprit_row(f);
		culprit_put_i64(f, C_CPU, i);
		culprit_put_u64(f, C_GENERATION, 0);
		culprit_put_u64(f, C_USER, ticks * busy * 5000000);
		culprit_put_u64(f, C_SYSTEM, ticks * (busy / 10) * 5000000);
		culprit_put_u64(f, C_IDLE, ticks * (100 - busy) * 5000000);
		culprit_end(f);
	}
	culprit_table(f, CGROUPS);
	for (unsigned long i = 0; i < cgroups; i++) {
		culprit_row(f);
		put_string(f, G_PATH, "/c%lu", i);
		culprit_put_u64(f, G_USAGE, ticks * (i % 50) * 10000000);
		culprit_put_u64(f, G_MEMORY, (i + 1) << 22);
		culprit_put_u64(f, G_PROCS, processes / (cgroups ? cgroups : 1));
		culprit_end(f);
	}
	culprit_table(f, DISKS);
	for (unsigned long i = 0; i < disks; i++) {
		culprit_row(f);
		put_string(f, D_NAME, "sd%lu", i);
		culprit_put_u64(f, D_GENERATION, 0);
		culprit_put_u64(f, D_READS, ticks * i);
		culprit_put_u64(f, D_WRITES, ticks * (300 - i % 300));
		culprit_put_u64(f, D_READ_BYTES, ticks * i * 4096);
		culprit_put_u64(f, D_WRITE_BYTES, ticks * (300 - i % 300) * 4096);
		culprit_put_u64(f, D_BUSY, ticks * (i % 100) * 10000000);
		culprit_put_string(f, D_KIND, "disk");
		culprit_end(f);
	}
	return 0;
}

static const struct culprit_collector scale = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "scale",
	.help = "Made up: a box larger than any at hand",
	.tables = tables,
	.ntables = COUNT(tables),
	.sample = sample,
};

CULPRIT_PLUGIN(&scale);
