/* Table `disk_user`: which process asks which disk, and for how much. */
#include <stdio.h>
#include <string.h>

#include "bpf.h"
#include "columns.h"
#include "disk_latency_tables.h"
/* Behind the types it uses. */
#include "disk_latency.skel.h"

enum { PID, START, NAME, GENERATION, COMM, REQUESTS, READ_BYTES, WRITE_BYTES, TIME };

#define SOURCE "tracepoints block_io_start, block_rq_complete"

static const struct culprit_column columns[] = {
	[PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Process id", SOURCE),
	[START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it started; with pid its identity",
			 "task_struct.start_boottime"),
	[NAME] = KEY_TEXT("name", "Name of the device", "/proc/diskstats field 3"),
	[GENERATION] = KEY_GENERATION("device"),
	[COMM] = TEXT("comm", "Name of the thread that first asked for something", "task_struct.comm"),
	[REQUESTS] = COUNTER("requests", CULPRIT_COUNT, "Reads, own writes, flushes and discards it asked this device for", SOURCE),
	[READ_BYTES] = COUNTER("read_bytes", CULPRIT_BYTES, "Read by these", SOURCE),
	[WRITE_BYTES] = COUNTER("write_bytes", CULPRIT_BYTES,
				"Written by these; what it leaves to the page cache is counted for no process", SOURCE),
	[TIME] = COUNTER("time", CULPRIT_NS, "Time they took, queueing included, added up", SOURCE),
};

static const struct culprit_derived derived[] = {
	{.name = "in_flight", .op = CULPRIT_RATE, .unit = CULPRIT_COUNT, .a = "time", .scale = 1e-9,
	 .help = "Mean number of its requests in progress at this device"},
	RATE("iops", "requests", CULPRIT_COUNT_PER_S, "Requests a second"),
	RATE("read_rate", "read_bytes", CULPRIT_BYTES_PER_S, "Bytes a second it reads"),
	RATE("write_rate", "write_bytes", CULPRIT_BYTES_PER_S, "Bytes a second it writes itself"),
	RATIO("mean", "time", "requests", CULPRIT_NS, 1, "Mean time of a request, queueing included"),
};

const struct culprit_table disk_user_table = {
	.size = sizeof(struct culprit_table),
	.name = "disk_user",
	.kind = CULPRIT_STATE,
	.help = "Which process asks which disk, the first four disks of each; partitions, LVM and md count at the disks below "
		"them, writeback of the page cache belongs to none",
	.key = "process_device",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.parent = "process",
	.parent_columns = "pid start",
	.sort = "in_flight",
	.show = "pid comm name in_flight iops mean read_rate write_rate",
};

static void put(const struct disk_latency *d, struct culprit_frame *f, const struct bpf_process *who, const struct disk_user *u)
{
	const struct disk_known *k = &d->known[u->device - 1];

	culprit_row(f);
	culprit_born(f);
	culprit_put_u64(f, PID, who->pid);
	culprit_put_u64(f, START, bpf_start_ticks(d->host, who->start));
	culprit_put_string(f, NAME, k->name);
	culprit_put_u64(f, GENERATION, k->generation);
	culprit_put_text(f, COMM, who->comm, strnlen(who->comm, sizeof(who->comm)));
	culprit_put_u64(f, REQUESTS, u->requests);
	culprit_put_u64(f, READ_BYTES, u->read_bytes);
	culprit_put_u64(f, WRITE_BYTES, u->write_bytes);
	culprit_put_u64(f, TIME, u->ns);
}

void disk_users_forget(struct disk_latency *d, unsigned index)
{
	for (uint32_t i = 0; i < d->processes.processes.room; i++) {
		struct disk_users users;
		bool had = false;

		/* Nobody asked before. */
		if (!d->processes.processes.rows[i].taken ||
		    bpf_map__lookup_elem(d->processes.users, &i, sizeof(i), &users, sizeof(users), 0))
			continue;
		for (unsigned k = 0; k < DISK_USER_WAYS; k++) {
			if (users.way[k].device != index + 1)
				continue;
			memset(&users.way[k], 0, sizeof(users.way[k]));
			d->processes.user_rows[i][k] = CULPRIT_NO_HANDLE;
			had = true;
		}
		if (had)
			bpf_map__update_elem(d->processes.users, &i, sizeof(i), &users, sizeof(users), BPF_ANY);
	}
}

static void put_process(struct disk_latency *d, struct culprit_frame *f, uint32_t i)
{
	struct disk_processes *p = &d->processes;
	struct disk_users users;
	bool read = false;

	for (unsigned k = 0; k < DISK_USER_WAYS; k++) {
		uint32_t *handle = &p->user_rows[i][k];

		/* Who did nothing has the rows it had. */
		if (p->seen[i] == DISK_PROCESS_SAME) {
			if (*handle == CULPRIT_NO_HANDLE)
				continue;
			if (culprit_again(f, *handle) == 0) {
				*handle = culprit_end(f);
				continue;
			}
		}
		*handle = CULPRIT_NO_HANDLE;
		if (!read && bpf_map__lookup_elem(p->users, &i, sizeof(i), &users, sizeof(users), 0))
			return;
		read = true;
		if (!users.way[k].device || users.way[k].device > d->nknown || !users.way[k].requests)
			continue;
		put(d, f, &p->processes.elements[i], &users.way[k]);
		*handle = culprit_end(f);
	}
}

void disk_users_sample(struct disk_latency *d, struct culprit_frame *f, uint32_t table)
{
	uint64_t over = d->skeleton->bss->users_over;

	culprit_table(f, table);
	culprit_lost(f, table, over - d->users_over);
	d->users_over = over;
	for (uint32_t i = 0; i < d->processes.processes.room; i++)
		if (d->processes.seen[i])
			put_process(d, f, i);
}
