#include "stacks_blockio.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "procfs.h"
#include "stacks_columns.h"

enum { REASON = STACKS_OWN, DEVICE };

#define SOURCE "tracepoint block_bio_queue; where there are many, some of them with their weight"

static const struct culprit_column columns[] = {
	STACKS_COMMON("Kernel part of the stack: the file system's way to the device"),
	[STACKS_COUNT] = COUNTER("count", CULPRIT_COUNT, "How often it asked the device; an estimate where that is often", SOURCE),
	[STACKS_TIME] = COUNTER("bytes", CULPRIT_BYTES, "What it asked for, in all", SOURCE),
	[REASON] = TEXT("reason", "read; write: somebody waits for it (fsync, direct); writeback: nobody does, the page cache or swap is "
			"written out, mostly by a kworker for whoever wrote; flush, discard, other", SOURCE),
	[DEVICE] = TEXT("device", "Block device it was asked of. Of devices that stand on others (LVM, RAID) the upper one",
			"bio.bi_bdev.bd_disk; /sys/dev/block"),
};

static const struct culprit_derived derived[] = {
	RATE("byte_rate", "bytes", CULPRIT_BYTES_PER_S, "Bytes asked for a second"),
	RATE("ask_rate", "count", CULPRIT_COUNT_PER_S, "Times it asked a second"),
	RATIO("ask_size", "bytes", "count", CULPRIT_BYTES, 1, "How much it asks for at a time, on average"),
};

const struct culprit_table blockio_table = {
	STACKS_TABLE,
	.name = "blockio",
	.help = "Stacks that ask disks for something: who reads and writes, by which way. " STACKS_ROW_ENDS,
	.sort = "byte_rate",
	.show = "comm tid reason device byte_rate ask_rate ask_size kernel_stack user_stack end",
};

/* "vda"; "253:0" where nobody says. A link to ../../devices/.../vda; read for new rows only. */
static void device_name(const struct culprit_host *host, uint32_t device, char *out, size_t cap)
{
	unsigned major = device >> 16 & 0xfff, minor = device & 0xffff;
	char path[40], link[512];
	const char *name;
	ssize_t n;

	snprintf(out, cap, "%u:%u", major, minor);
	snprintf(path, sizeof(path), "dev/block/%u:%u", major, minor);
	n = host->sys_fd < 0 ? -1 : readlinkat(host->sys_fd, path, link, sizeof(link) - 1);
	if (n <= 0)
		return;
	link[n] = '\0';
	name = strrchr(link, '/');
	if (name && name[1] && strlen(name + 1) < cap)
		snprintf(out, cap, "%s", name + 1);
}

void blockio_put(const struct culprit_host *host, struct culprit_frame *f, const struct stacks_row *row)
{
	static const char *const words[BLOCKIO_KINDS] = {
		[BLOCKIO_READ] = "read", [BLOCKIO_WRITE] = "write", [BLOCKIO_WRITEBACK] = "writeback",
		[BLOCKIO_FLUSH] = "flush", [BLOCKIO_DISCARD] = "discard", [BLOCKIO_OTHER] = "other",
	};
	uint32_t kind = row->key.reason >> 28;
	char name[64];

	if (!row->whole)
		return;
	device_name(host, row->key.reason, name, sizeof(name));
	culprit_put_string(f, REASON, kind < BLOCKIO_KINDS ? words[kind] : "other");
	culprit_put_string(f, DEVICE, name);
}
