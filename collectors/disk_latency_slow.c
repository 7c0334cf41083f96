/* Table `disk_slow`: single requests that took long, with who asked for them. */
#include <string.h>

#include "bpf.h"
#include "bpf_ring.h"
#include "columns.h"
#include "disk_latency_tables.h"
/* Behind the types it uses. */
#include "disk_latency.skel.h"

enum {
	TIME, LATENCY, NAME, GENERATION, OPERATION, COMM, PID, START, THREAD, QUEUE, SERVICE, BYTES, THRESHOLD,
};

enum {
	SLOW_MAX = 500,	  /* events a tick, of all devices together */
	SLOW_EACH = 50,	  /* of one device and operation, so that a bad disk does not hide the others */
	SLOW_WANTED = 20, /* the threshold follows so that there are about as many */
};

const char *const disk_operations[DISK_OPERATIONS] = {
	[DISK_READ] = "read", [DISK_WRITE] = "write", [DISK_WRITEBACK] = "writeback", [DISK_FLUSH] = "flush",
	[DISK_DISCARD] = "discard",
};

const char disk_operation_help[] =
	"read; write: somebody asked for it to be written now (O_DIRECT, fsync, the journal); writeback: the kernel writes "
	"the page cache or swaps, nobody waits; flush: of the disk's own cache; discard";

static const struct culprit_column columns[] = {
	[TIME] = TIME_OF_EVENT("When it was complete", DISK_COMPLETE_SOURCE),
	[LATENCY] = GAUGE("latency", CULPRIT_NS, "How long it took, queueing included", DISK_STAMPS_SOURCE),
	[NAME] = TEXT("name", "Name of the device", "/proc/diskstats field 3"),
	[GENERATION] = NUMBER("generation", CULPRIT_COUNT, "That of the device", "counted by culprit"),
	[OPERATION] = TEXT("operation", disk_operation_help, "struct request cmd_flags"),
	[COMM] = TEXT("comm", "Thread that asked for it; writeback: the kernel on behalf of nobody in particular; kernel: a "
				"worker of the kernel on behalf of others, as with encrypted and loop devices",
			"tracepoint block_io_start"),
	[PID] = NUMBER("pid", CULPRIT_NONE, "Process that asked for it", "tracepoint block_io_start"),
	[START] = NUMBER("process_start", CULPRIT_TICKS, "When that process started", "task_struct.start_boottime"),
	[THREAD] = TASK("task", "That thread", "tracepoint block_io_start"),
	[QUEUE] = GAUGE("queue", CULPRIT_NS, "Time it waited in the kernel", DISK_STAMPS_SOURCE),
	[SERVICE] = GAUGE("service", CULPRIT_NS, "Time the device took", DISK_STAMPS_SOURCE),
	[BYTES] = GAUGE("bytes", CULPRIT_BYTES, "Its size", DISK_COMPLETE_SOURCE),
	[THRESHOLD] = GAUGE("threshold", CULPRIT_NS, "What took longer than this became a row",
			      "1 ms, or what leaves about 20 rows a tick"),
};

const struct culprit_table disk_slow_table = {
	.size = sizeof(struct culprit_table),
	.name = "disk_slow",
	.kind = CULPRIT_EVENT,
	.help = "Requests that took long, one by one: above a threshold that follows each device and operation, at most 50 of "
		"each a tick; the others are counted as lost",
	CULPRIT_COLUMNS(columns),
	.parent = "process",
	.parent_columns = "pid process_start",
	.show = "time latency name operation comm pid queue service bytes threshold",
};

void disk_slow_event(void *arg, const void *data, size_t size)
{
	struct disk_latency *d = arg;
	struct culprit_frame *f = d->frame;
	const struct disk_slow *e = data;
	struct disk_known *k;

	if (size < sizeof(*e) || e->index >= d->nknown || e->operation >= DISK_OPERATIONS)
		return;
	k = &d->known[e->index];
	k->operation[e->operation].slow++;
	culprit_row(f);
	culprit_put_u64(f, TIME, e->time);
	culprit_put_u64(f, LATENCY, e->queue + e->service);
	culprit_put_string(f, NAME, k->name);
	culprit_put_u64(f, GENERATION, k->generation);
	culprit_put_string(f, OPERATION, disk_operations[e->operation]);
	if (e->operation == DISK_WRITEBACK) {
		culprit_put_string(f, COMM, "writeback");
	} else if (!e->owner.pid) {
		culprit_put_string(f, COMM, "kernel");
	} else {
		culprit_put_text(f, COMM, e->owner.comm, strnlen(e->owner.comm, sizeof(e->owner.comm)));
		culprit_put_u64(f, PID, e->owner.pid);
		culprit_put_u64(f, START, bpf_start_ticks(d->host, e->owner.process_start));
		culprit_put_task(f, THREAD, e->owner.tid, bpf_start_ticks(d->host, e->owner.start));
	}
	/* A flush that somebody asked for is known as a whole only. */
	if (e->operation != DISK_FLUSH)
		culprit_put_u64(f, QUEUE, e->queue);
	culprit_put_u64(f, SERVICE, e->service);
	culprit_put_u64(f, BYTES, e->bytes);
	culprit_put_u64(f, THRESHOLD, e->threshold);
	culprit_end(f);
}

static void move_thresholds(struct disk_latency *d, bool over)
{
	for (unsigned i = 0; i < d->nknown; i++) {
		struct disk_known *k = &d->known[i];

		for (unsigned o = 0; k->place && o < DISK_OPERATIONS; o++) {
			k->place->threshold[o] =
				bpf_threshold(k->place->threshold[o], k->operation[o].slow, SLOW_WANTED, over);
			__atomic_store_n(&k->place->left[o], SLOW_EACH, __ATOMIC_RELAXED);
			k->operation[o].slow = 0;
		}
	}
}

void disk_slow_sample(struct disk_latency *d, struct culprit_frame *f, uint32_t table)
{
	uint64_t lost;

	culprit_table(f, table);
	d->frame = f;
	bpf_ring_read(d->ring);
	lost = d->skeleton->bss->slow_over + d->skeleton->bss->slow_dropped;
	move_thresholds(d, lost != d->slow_lost);
	culprit_lost(f, table, lost - d->slow_lost);
	d->slow_lost = lost;
	__atomic_store_n(&d->skeleton->bss->slow_left, SLOW_MAX, __ATOMIC_RELAXED);
}
