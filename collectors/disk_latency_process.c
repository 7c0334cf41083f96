/* Table `disk_process`: what each process asked of disks, and how long that took. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "columns.h"
#include "disk_latency_tables.h"
/* Behind the types it uses. */
#include "disk_latency.skel.h"

enum {
	PID, START, COMM, READS, WRITES, FLUSHES, DISCARDS, READ_BYTES, WRITE_BYTES, DISCARD_BYTES, READ_TIME, WRITE_TIME,
	FLUSH_TIME, DISCARD_TIME, READ, WRITE,
};

#define SOURCE "tracepoints block_io_start, block_rq_complete"
#define COUNT(name, help) COUNTER(name, CULPRIT_COUNT, help, SOURCE)
#define BYTES(name, help) COUNTER(name, CULPRIT_BYTES, help, SOURCE)
#define TIME(name, help) COUNTER(name, CULPRIT_NS, help, SOURCE)

static const struct culprit_column columns[] = {
	[PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Process id", SOURCE),
	[START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it started; with pid its identity",
			 "task_struct.start_boottime"),
	[COMM] = TEXT("comm", "Name of the thread that first asked for something", "task_struct.comm"),
	[READS] = COUNT("reads", "Reads it asked for, readahead included"),
	[WRITES] = COUNT("writes", "Writes it asked for itself: O_DIRECT, O_SYNC, fsync. What it leaves to the page cache is "
				   "written later, by the kernel, and counted for no process"),
	[FLUSHES] = COUNT("flushes", "Times it had the disk's cache written out (fsync)"),
	[DISCARDS] = COUNT("discards", "Discards (TRIM) it asked for"),
	[READ_BYTES] = BYTES("read_bytes", "Read by these"),
	[WRITE_BYTES] = BYTES("write_bytes", "Written by these"),
	[DISCARD_BYTES] = BYTES("discard_bytes", "Discarded by these"),
	[READ_TIME] = TIME("read_time", "Time its reads took, queueing included, added up"),
	[WRITE_TIME] = TIME("write_time", "Time its own writes took, queueing included, added up"),
	[FLUSH_TIME] = TIME("flush_time", "Time its flushes took, added up"),
	[DISCARD_TIME] = TIME("discard_time", "Time its discards took, added up"),
	[READ] = HISTOGRAM("read", CULPRIT_NS, &disk_latency_bounds, "Time of each of its reads, queueing included", SOURCE),
	[WRITE] = HISTOGRAM("write", CULPRIT_NS, &disk_latency_bounds, "Time of each of its own writes, queueing included",
			    SOURCE),
};

static const struct culprit_derived derived[] = {
	{.name = "in_flight", .op = CULPRIT_RATE, .unit = CULPRIT_COUNT, .a = "read_time+write_time+flush_time+discard_time",
	 .scale = 1e-9, .help = "Mean number of its requests in progress; 1 is one thread that does nothing but wait for disks"},
	PERCENTILE_OF("read_p50", "read", 50, CULPRIT_NS, "Half of its reads were faster"),
	PERCENTILE_OF("read_p99", "read", 99, CULPRIT_NS, "99 of 100 of its reads were faster"),
	PERCENTILE_OF("write_p50", "write", 50, CULPRIT_NS, "Half of its own writes were faster"),
	PERCENTILE_OF("write_p99", "write", 99, CULPRIT_NS, "99 of 100 of its own writes were faster"),
	RATIO("flush_mean", "flush_time", "flushes", CULPRIT_NS, 1, "Mean time of its flushes"),
	RATE("read_iops", "reads", CULPRIT_COUNT_PER_S, "Reads a second it asked for"),
	RATE("write_iops", "writes", CULPRIT_COUNT_PER_S, "Writes a second it asked for itself"),
	RATE("flush_iops", "flushes", CULPRIT_COUNT_PER_S, "Flushes a second"),
	RATE("disk_read_rate", "read_bytes", CULPRIT_BYTES_PER_S, "Bytes a second its reads brought"),
	RATE("disk_write_rate", "write_bytes", CULPRIT_BYTES_PER_S, "Bytes a second it wrote itself"),
};

/* Into the row of the process itself. */
static const struct culprit_rollup rollups[] = {
	{.column = "in_flight", .table = "process", .name = "disk_in_flight", .op = CULPRIT_ROLL_SUM,
	 .help = "mean number of its disk requests in progress; 1 is one thread that does nothing but wait for disks"},
};

const struct culprit_table disk_process_table = {
	.size = sizeof(struct culprit_table),
	.name = "disk_process",
	.kind = CULPRIT_STATE,
	.help = "What processes ask of disks and wait for: reads, direct and synchronous writes, flushes, with their "
		"latency; writeback of the page cache belongs to none",
	.key = "process",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	CULPRIT_ROLLUPS(rollups),
	.parent = "process",
	.parent_columns = "pid start",
	.sort = "in_flight",
	.show = "pid comm in_flight read_iops read_p50 read_p99 write_iops write_p50 write_p99 flush_iops flush_mean "
		"disk_read_rate disk_write_rate",
};

static void clear(void *arg, uint32_t i)
{
	static const struct disk_process_counts none;
	static const struct disk_users nobody;
	struct disk_processes *d = arg;

	memset(&d->totals[i], 0, sizeof(d->totals[i]));
	bpf_map__update_elem(d->counts, &i, sizeof(i), &none, sizeof(none), BPF_ANY);
	bpf_map__update_elem(d->users, &i, sizeof(i), &nobody, sizeof(nobody), BPF_ANY);
}

int disk_processes_init(struct disk_processes *d, struct bpf_unit *unit, struct disk_latency_bpf *skeleton)
{
	d->unit = unit;
	d->processes.clear = clear;
	d->processes.arg = d;
	d->totals = bpf_view(unit, skeleton->maps.disk_processes, true);
	d->counts = skeleton->maps.disk_process_histograms;
	d->users = skeleton->maps.disk_users;
	memset(d->user_rows, 0xff, sizeof(d->user_rows));
	if (!d->totals)
		return errno ? -errno : -ENOMEM;
	return bpf_processes_init(&d->processes, unit, skeleton->maps.process_index, skeleton->maps.processes,
				  (struct bpf_process_free *)&skeleton->bss->process_free);
}

static void put(const struct disk_processes *d, struct culprit_frame *f, const struct culprit_host *host,
		const struct bpf_process *who, uint32_t i)
{
	const struct disk_process *p = &d->totals[i];
	struct disk_process_counts counts;

	culprit_row(f);
	culprit_born(f);
	culprit_put_u64(f, PID, who->pid);
	culprit_put_u64(f, START, bpf_start_ticks(host, who->start));
	culprit_put_text(f, COMM, who->comm, strnlen(who->comm, sizeof(who->comm)));
	culprit_put_u64(f, READS, p->reads);
	culprit_put_u64(f, WRITES, p->writes);
	culprit_put_u64(f, FLUSHES, p->flushes);
	culprit_put_u64(f, DISCARDS, p->discards);
	culprit_put_u64(f, READ_BYTES, p->read_bytes);
	culprit_put_u64(f, WRITE_BYTES, p->write_bytes);
	culprit_put_u64(f, DISCARD_BYTES, p->discard_bytes);
	culprit_put_u64(f, READ_TIME, p->read_ns);
	culprit_put_u64(f, WRITE_TIME, p->write_ns);
	culprit_put_u64(f, FLUSH_TIME, p->flush_ns);
	culprit_put_u64(f, DISCARD_TIME, p->discard_ns);
	if (bpf_map__lookup_elem(d->counts, &i, sizeof(i), &counts, sizeof(counts), 0))
		return;
	if (p->reads)
		culprit_put_histogram(f, READ, (const uint64_t *)counts.read, BPF_HIST_SLOTS);
	if (p->writes)
		culprit_put_histogram(f, WRITE, (const uint64_t *)counts.write, BPF_HIST_SLOTS);
}

void disk_processes_sample(struct disk_processes *d, const struct culprit_host *host, struct culprit_frame *f,
			   uint32_t table)
{
	struct bpf_processes_row *row = d->processes.rows;

	culprit_table(f, table);
	culprit_lost(f, table, bpf_processes_begin(&d->processes));
	for (uint32_t i = 0; i < d->processes.room; i++, row++) {
		const struct disk_process *p = &d->totals[i];
		const struct bpf_process *who;
		bool same;

		d->seen[i] = DISK_PROCESS_NONE;
		if (!row->taken)
			continue;
		who = bpf_processes_look(&d->processes, host, i, p->reads + p->writes + p->flushes + p->discards, &same);
		if (!who)
			continue;
		d->seen[i] = same ? DISK_PROCESS_SAME : DISK_PROCESS_MOVED;
		if (!same || row->handle == CULPRIT_NO_HANDLE || culprit_again(f, row->handle) != 0)
			put(d, f, host, who, i);
		row->handle = culprit_end(f);
	}
	bpf_say_fill(d->unit, DISK_COMPLETE, d->processes.used, d->processes.room);
}
