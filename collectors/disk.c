/* Table `disk`: what block devices and their partitions did, from /proc/diskstats and /sys/class/block. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "builtin.h"
#include "columns.h"
#include "diskstats.h"

enum {
	NAME, GENERATION, READS, READS_MERGED, READ_BYTES, READ_TIME, WRITES, WRITES_MERGED, WRITE_BYTES, WRITE_TIME,
	IN_FLIGHT, IO_TIME, WEIGHTED_TIME, DISCARDS, DISCARDS_MERGED, DISCARD_BYTES, DISCARD_TIME, FLUSHES, FLUSH_TIME,
	KIND, PARTITION, PARENT, SIZE, ROTATIONAL, READ_ONLY, MODEL, MADE_OF, LABEL, NCOLUMNS,
	SLOW = 1, /* group of what is read rarely */
};

#define STAT(field) "/proc/diskstats field " #field
#define SYS(file) "/sys/class/block/NAME/" file
#define COUNT(name, field, help) COUNTER(name, CULPRIT_COUNT, help, STAT(field))
#define BYTES(name, field, help) COUNTER(name, CULPRIT_BYTES, help, STAT(field) " (512-byte sectors)")
#define TIME(name, field, help) COUNTER(name, CULPRIT_NS, help, STAT(field) " (ms)")

static const struct culprit_column columns[] = {
	[NAME] = KEY_TEXT("name", "Name of the device", STAT(3)),
	[GENERATION] = KEY_GENERATION("device"),
	[READS] = COUNT("reads", 4, "Reads completed"),
	[READS_MERGED] = COUNT("reads_merged", 5, "Reads merged into one that was already queued"),
	[READ_BYTES] = BYTES("read_bytes", 6, "Read from the device"),
	[READ_TIME] = TIME("read_time", 7, "Time all reads took, queueing included, added up"),
	[WRITES] = COUNT("writes", 8, "Writes completed"),
	[WRITES_MERGED] = COUNT("writes_merged", 9, "Writes merged into one that was already queued"),
	[WRITE_BYTES] = BYTES("write_bytes", 10, "Written to the device"),
	[WRITE_TIME] = TIME("write_time", 11, "Time all writes took, queueing included, added up"),
	[IN_FLIGHT] = GAUGE("in_flight", CULPRIT_COUNT, "Requests in progress when it was read", STAT(12)),
	[IO_TIME] = TIME("io_time", 13, "Time in which at least one request was in progress"),
	[WEIGHTED_TIME] = TIME("weighted_time", 14, "Time multiplied by the requests in progress"),
	[DISCARDS] = COUNT("discards", 15, "Discards (TRIM) completed"),
	[DISCARDS_MERGED] = COUNT("discards_merged", 16, "Discards merged into one that was already queued"),
	[DISCARD_BYTES] = BYTES("discard_bytes", 17, "Discarded"),
	[DISCARD_TIME] = TIME("discard_time", 18, "Time all discards took, added up"),
	[FLUSHES] = COUNT("flushes", 19, "Cache flushes completed; not counted for partitions"),
	[FLUSH_TIME] = TIME("flush_time", 20, "Time all flushes took, added up"),
	[KIND] = TEXT_IN(SLOW, "kind",
			 "disk; partition; stacked: made of other devices, whose rows count its I/O again (dm, md, "
			 "loop); ram. Only the rows of kind disk add up to the machine's",
			 SYS("{partition,slaves}, its name")),
	[PARTITION] = FLAG_IN(SLOW, "partition", "Is it a part of another device? Its I/O is counted there too",
			      SYS("partition")),
	[PARENT] = TEXT_IN(SLOW, "parent", "Device that a partition is part of", "link " SYS("")),
	[SIZE] = ATTRIBUTE_IN(SLOW, "size", CULPRIT_BYTES, "Size of the device", SYS("size")),
	[ROTATIONAL] = FLAG_IN(SLOW, "rotational", "Does it say that it has turning disks? Virtual ones often do",
			       SYS("queue/rotational")),
	[READ_ONLY] = FLAG_IN(SLOW, "read_only", "Can it not be written to?", SYS("ro")),
	[MODEL] = TEXT_IN(SLOW, "model", "What the device calls itself", SYS("device/model")),
	[MADE_OF] = TEXT_IN(SLOW, "made_of", "Devices that a stacked one is made of, separated by blanks", SYS("slaves/")),
	[LABEL] = TEXT_IN(SLOW, "label", "Name that its owner gave a device of the device mapper (LVM, crypt)", SYS("dm/name")),
};

static const struct culprit_derived derived[] = {
	RATE("read_iops", "reads", CULPRIT_COUNT_PER_S, "Reads a second"),
	RATE("write_iops", "writes", CULPRIT_COUNT_PER_S, "Writes a second"),
	RATE("iops", "reads+writes", CULPRIT_COUNT_PER_S, "Reads and writes a second"),
	RATE("read_rate", "read_bytes", CULPRIT_BYTES_PER_S, "Bytes read a second"),
	RATE("write_rate", "write_bytes", CULPRIT_BYTES_PER_S, "Bytes written a second"),
	RATIO("await", "read_time+write_time", "reads+writes", CULPRIT_NS, 1,
	      "Mean time of a read or write, queueing included"),
	RATIO("read_await", "read_time", "reads", CULPRIT_NS, 1, "Mean time of a read, queueing included"),
	RATIO("write_await", "write_time", "writes", CULPRIT_NS, 1, "Mean time of a write, queueing included"),
	RATIO("flush_await", "flush_time", "flushes", CULPRIT_NS, 1, "Mean time of a cache flush"),
	{.name = "queue", .op = CULPRIT_RATE, .unit = CULPRIT_COUNT, .a = "weighted_time", .scale = 1e-9,
	 .help = "Mean number of requests in progress"},
	TIME_SHARE("busy", "io_time",
		   "Time in which some request was in progress, percent of the window; no limit for devices that work "
		   "in parallel"),
	RATIO("read_size", "read_bytes", "reads", CULPRIT_BYTES, 1, "Mean size of a read"),
	RATIO("write_size", "write_bytes", "writes", CULPRIT_BYTES, 1, "Mean size of a write"),
};

static const struct culprit_table disk_table = {
	.size = sizeof(disk_table),
	.name = "disk",
	.kind = CULPRIT_STATE,
	.help = "What block devices do; loop, ram, zram, nbd, fd and sr devices that were never used are left out",
	.key = "device",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "busy",
	.show = "name kind busy read_iops write_iops read_rate write_rate await read_await write_await queue in_flight",
};

struct disk {
	const struct culprit_host *host;
	struct diskstats stats;
};

static int disk_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "diskstats", "/proc/diskstats", error);
}

static int disk_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct disk *d = calloc(1, sizeof(*d));

	(void)error;
	if (!d)
		return -ENOMEM;
	d->host = host;
	diskstats_init(&d->stats, host->proc_fd);
	*ret_self = d;
	return 0;
}

/* "../../devices/.../block/sda/sda1" gives sda; where sysfs isn't there, the name must do: sda1, nvme0n1p2. */
static size_t parent_of(int sys_fd, const char *name, char *buf, size_t cap)
{
	char path[DEVICE_NAME_MAX + 32], link[1024];
	size_t n = strlen(name), digits = 0;
	ssize_t len;
	char *slash;

	snprintf(path, sizeof(path), "class/block/%s", name);
	len = sys_fd < 0 ? -1 : readlinkat(sys_fd, path, link, sizeof(link) - 1);
	if (len > 0) {
		link[len] = 0;
		slash = strrchr(link, '/');
		if (slash) {
			*slash = 0;
			slash = strrchr(link, '/');
		}
		if (slash)
			return (size_t)snprintf(buf, cap, "%.127s", slash + 1);
	}
	while (digits < n && name[n - 1 - digits] >= '0' && name[n - 1 - digits] <= '9')
		digits++;
	n -= digits;
	if (n > 1 && digits && name[n - 1] == 'p' && name[n - 2] >= '0' && name[n - 2] <= '9')
		n--;
	return (size_t)snprintf(buf, cap, "%.*s", (int)n, name);
}

static void put_attributes(const struct disk *d, const struct device *device, struct culprit_frame *f)
{
	static const char *const ram[] = {"ram", "zram", NULL}, *const stacked[] = {"loop", "dm-", "md", "bcache", NULL};
	char folder[DEVICE_NAME_MAX + 1], path[DEVICE_NAME_MAX + 48], text[256];
	int sys = d->host->sys_fd;
	const char *kind = "disk";
	bool partition;
	uint64_t v;
	size_t n;

	if (!device_folder(device, folder))
		return;
#define AT(file) (snprintf(path, sizeof(path), "class/block/%s/" file, folder), path)
	partition = procfs_read_u64(sys, AT("partition"), &v);
	if (partition)
		kind = "partition";
	else if (diskstats_is_one_of(device->name, ram))
		kind = "ram";
	else if (diskstats_is_one_of(device->name, stacked) || procfs_entries(sys, AT("slaves"), text, sizeof(text)))
		kind = "stacked";
	culprit_put_string(f, KIND, kind);
	culprit_put_bool(f, PARTITION, partition);
	if (partition) {
		n = parent_of(sys, folder, text, sizeof(text));
		culprit_put_text(f, PARENT, text, n);
	}
	if (procfs_read_u64(sys, AT("size"), &v) && v < UINT64_MAX / 512)
		culprit_put_u64(f, SIZE, v * 512);
	if (procfs_read_u64(sys, AT("queue/rotational"), &v))
		culprit_put_bool(f, ROTATIONAL, v != 0);
	if (procfs_read_u64(sys, AT("ro"), &v))
		culprit_put_bool(f, READ_ONLY, v != 0);
	n = procfs_read_line(sys, AT("device/model"), text, sizeof(text));
	if (n)
		culprit_put_text(f, MODEL, text, n);
	n = procfs_entries(sys, AT("slaves"), text, sizeof(text));
	if (n)
		culprit_put_text(f, MADE_OF, text, n);
	n = procfs_read_line(sys, AT("dm/name"), text, sizeof(text));
	if (n)
		culprit_put_text(f, LABEL, text, n);
#undef AT
}

static void put_disk(struct disk *d, struct culprit_frame *f, struct diskstats_line *line)
{
	static const uint32_t scales[NCOLUMNS] = {
		[READ_BYTES] = 512,	    [WRITE_BYTES] = 512,       [DISCARD_BYTES] = 512,
		[READ_TIME] = 1000000,	    [WRITE_TIME] = 1000000,    [DISCARD_TIME] = 1000000, [IO_TIME] = 1000000,
		[WEIGHTED_TIME] = 1000000, [FLUSH_TIME] = 1000000,
	};
	struct devices *devices = &d->stats.devices;
	struct device *device = line->device;
	struct procfs_values values;
	struct procfs_text word;
	uint64_t v;

	procfs_values_clear(&values);
	for (uint32_t column = READS; column <= FLUSH_TIME && procfs_word(&line->values, &word); column++)
		if (procfs_u64(&word, &v))
			procfs_add(&values, column, v, scales[column]);
	culprit_row(f);
	if (device_born(devices, device))
		culprit_born(f);
	culprit_put_string(f, NAME, device->name);
	culprit_put_u64(f, GENERATION, device->generation);
	procfs_put(f, &values);
	if (device_slow(devices, device, d->host->flags & CULPRIT_HOST_WHOLE))
		put_attributes(d, device, f);
	culprit_end(f);
}

static int disk_sample(void *self, struct culprit_frame *f)
{
	struct disk *d = self;
	struct diskstats_line line;
	int err = diskstats_read(&d->stats);

	culprit_table(f, 0);
	if (err) {
		procfs_failed(f, 0, "/proc/diskstats", err);
		return 0;
	}
	while (diskstats_next(&d->stats, &line))
		put_disk(d, f, &line);
	return 0;
}

static void disk_close(void *self)
{
	struct disk *d = self;

	diskstats_finish(&d->stats);
	free(d);
}

static const struct culprit_table *const tables[] = {&disk_table};

const struct culprit_collector disk_collector = {
	.size = sizeof(disk_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "disk",
	.help = "What block devices do",
	.tables = tables,
	.ntables = 1,
	.probe = disk_probe,
	.open = disk_open,
	.sample = disk_sample,
	.close = disk_close,
};
