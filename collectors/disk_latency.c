/* Table `disk_latency`, with `disk_process` (disk_latency_process.c), `disk_user` (disk_latency_users.c) and `disk_slow` (disk_latency_slow.c): how long requests to disks waited in
 * the queue and how long the device took, and who asked for them, by BPF (disk_latency.bpf.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "bpf_btf.h"
#include "bpf_ring.h"
#include "builtin.h"
#include "columns.h"
#include "disk_latency_tables.h"
#include "diskstats.h"
/* Behind the types it uses. */
#include "disk_latency.skel.h"

enum {
	NAME, GENERATION, OPERATION, REQUESTS, BYTES, ERRORS, QUEUE_TIME, SERVICE_TIME, QUEUE, SERVICE,
};
enum { LATENCY_TABLE, PROCESS_TABLE, USER_TABLE, SLOW_TABLE, NTABLES };

enum {
	DEVICES_MIN = 24, DEVICES_AT_MOST = 400,
	SHARDS_MAX = 8, /* of the CPUs */
	HISTOGRAM_BYTES_MAX = 16 << 20,
};

#define COMPLETE DISK_COMPLETE_SOURCE
#define STAMPS DISK_STAMPS_SOURCE

const struct culprit_bounds disk_latency_bounds = {.kind = CULPRIT_LOG_LINEAR, .count = BPF_HIST_SLOTS};

static const struct culprit_column latency_columns[] = {
	[NAME] = KEY_TEXT("name", "Name of the device", "/proc/diskstats field 3"),
	[GENERATION] = KEY_GENERATION("device"),
	[OPERATION] = KEY_TEXT("operation", disk_operation_help, "struct request cmd_flags"),
	[REQUESTS] = COUNTER("requests", CULPRIT_COUNT, "Requests completed; several reads or writes may be merged into one",
			     COMPLETE),
	[BYTES] = COUNTER("bytes", CULPRIT_BYTES, "Bytes of these", COMPLETE),
	[ERRORS] = COUNTER("errors", CULPRIT_COUNT, "Requests that failed; they count as completed", COMPLETE),
	[QUEUE_TIME] = COUNTER("queue_time", CULPRIT_NS, "Time they waited in the kernel, added up", STAMPS),
	[SERVICE_TIME] = COUNTER("service_time", CULPRIT_NS, "Time the device took for them, added up", STAMPS),
	[QUEUE] = HISTOGRAM("queue", CULPRIT_NS, &disk_latency_bounds,
			    "Time each waited in the kernel: scheduler, merging, a full queue of the device", STAMPS),
	[SERVICE] = HISTOGRAM("service", CULPRIT_NS, &disk_latency_bounds,
			      "Time the device took for each, from being given to it to its answer", STAMPS),
};

static const struct culprit_derived latency_derived[] = {
	RATE("iops", "requests", CULPRIT_COUNT_PER_S, "Requests a second"),
	RATE("rate", "bytes", CULPRIT_BYTES_PER_S, "Bytes a second"),
	PERCENTILE_OF("service_p50", "service", 50, CULPRIT_NS, "The device took less for half of the requests"),
	PERCENTILE_OF("service_p90", "service", 90, CULPRIT_NS, "The device took less for 9 of 10 requests"),
	PERCENTILE_OF("service_p99", "service", 99, CULPRIT_NS, "The device took less for 99 of 100 requests"),
	PERCENTILE_OF("queue_p50", "queue", 50, CULPRIT_NS, "Half of the requests waited less in the kernel"),
	PERCENTILE_OF("queue_p99", "queue", 99, CULPRIT_NS, "99 of 100 requests waited less in the kernel"),
	RATIO("mean", "queue_time+service_time", "requests", CULPRIT_NS, 1, "Mean time of a request, queueing included"),
	RATIO("request_size", "bytes", "requests", CULPRIT_BYTES, 1, "Mean size of a request"),
	{.name = "in_flight", .op = CULPRIT_RATE, .unit = CULPRIT_COUNT, .a = "queue_time+service_time", .scale = 1e-9,
	 .help = "Mean number of requests in progress"},
};

static const struct culprit_rollup latency_rollups[] = {
	{.column = "service_p99", .table = "disk", .name = "service_p99", .op = CULPRIT_ROLL_MAX,
	 .help = "The device took less for 99 of 100 requests, of the slowest operation"},
	{.column = "queue_p99", .table = "disk", .name = "queue_p99", .op = CULPRIT_ROLL_MAX,
	 .help = "99 of 100 requests waited less in the kernel, of the slowest operation"},
	{.column = "errors", .table = "disk", .name = "errors", .op = CULPRIT_ROLL_SUM, .help = "Requests that failed"},
};

static const struct culprit_table latency_table = {
	.size = sizeof(latency_table),
	.name = "disk_latency",
	.kind = CULPRIT_STATE,
	.help = "Latency of disks by operation, time in the queue and in the device apart; stacked devices (dm, md) make no "
		"requests of their own and have no rows",
	.key = "device_operation",
	CULPRIT_COLUMNS(latency_columns),
	CULPRIT_DERIVED(latency_derived),
	CULPRIT_ROLLUPS(latency_rollups),
	.parent = "device",
	.parent_columns = "name generation",
	.sort = "in_flight",
	.show = "name operation iops service_p50 service_p99 queue_p99 rate request_size in_flight errors service_p90 "
		"queue_p50 mean requests",
};

static const struct bpf_hook hooks[] = {
	[DISK_COMPLETE] = {.name = "disk_complete", .hook = COMPLETE, .thins = true},
	[DISK_ISSUE] = {.name = "disk_issue", .hook = "tracepoint block_rq_issue", .thins = true},
	[DISK_START] = {.name = "disk_start", .hook = "tracepoint block_io_start", .thins = true},
	[DISK_INSERT] = {.name = "disk_insert", .hook = "tracepoint block_rq_insert", .interest = true, .thins = true},
};

/* --- opening ----------------------------------------------------------------------------------------------------- */

static unsigned round_up(unsigned n)
{
	unsigned power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static int configure(void *skeleton, void *arg)
{
	static const char *const name = "block_rq_issue";
	struct disk_latency *d = arg;
	struct disk_latency_bpf *s = skeleton;
	struct bpf_tracepoint issue;
	uint32_t elements, room = bpf_processes_room();
	int err;

	d->shards = round_up(bpf_cpus());
	if (d->shards > SHARDS_MAX)
		d->shards = SHARDS_MAX;
	while (d->shards > 1 && (uint64_t)d->nknown * DISK_OPERATIONS * d->shards * sizeof(struct disk_counts) > HISTOGRAM_BYTES_MAX)
		d->shards /= 2;
	s->rodata->shard_mask = d->shards - 1;
	s->rodata->request_argument = bpf_tracepoints(&name, 1, &issue) == 0 && issue.arguments == 2;
	elements = d->nknown * DISK_OPERATIONS * d->shards;
	err = bpf_map__set_max_entries(s->maps.disk_totals, elements);
	err = err ? err : bpf_map__set_max_entries(s->maps.disk_histograms, elements);
	err = err ? err : bpf_map__set_max_entries(s->maps.process_index, room);
	err = err ? err : bpf_map__set_max_entries(s->maps.processes, room);
	err = err ? err : bpf_map__set_max_entries(s->maps.disk_processes, room);
	err = err ? err : bpf_map__set_max_entries(s->maps.disk_users, room);
	return err ? err : bpf_map__set_max_entries(s->maps.disk_process_histograms, room);
}

BPF_KIT(disk_latency, hooks, configure);

static void disk_latency_close(void *self)
{
	struct disk_latency *d = self;

	bpf_ring_close(d->ring);
	bpf_unload(d->unit);
	diskstats_finish(&d->stats);
	free(d->known);
	free(d);
}

static bool is_partition(const struct disk_latency *d, const struct device *device)
{
	char folder[DEVICE_NAME_MAX + 1], path[DEVICE_NAME_MAX + 48];

	if (!device_folder(device, folder))
		return true;
	snprintf(path, sizeof(path), "class/block/%s/partition", folder);
	return faccessat(d->host->sys_fd, path, F_OK, 0) == 0;
}

/* How many devices to have room for: those there are, and some that come. */
static unsigned count_devices(struct disk_latency *d)
{
	struct diskstats_line line;
	unsigned n = DEVICES_MIN;

	if (diskstats_read(&d->stats) == 0)
		while (diskstats_next(&d->stats, &line))
			n += !is_partition(d, line.device);
	/* That was no sample: generations are counted from the first one on. */
	diskstats_finish(&d->stats);
	diskstats_init(&d->stats, d->host->proc_fd);
	return n < DEVICES_AT_MOST ? n : DEVICES_AT_MOST;
}

static int see_devices(struct disk_latency *);

/* Requests that are in no row, but for those the program was left out of. */
static uint64_t unseen(const struct disk_latency *d)
{
	return d->skeleton->bss->devices_unknown + d->skeleton->bss->unissued;
}

static int disk_latency_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct disk_latency *d = calloc(1, sizeof(*d));
	int err = -ENOMEM;

	if (!d)
		return -ENOMEM;
	d->host = host;
	diskstats_init(&d->stats, host->proc_fd);
	d->nknown = count_devices(d);
	d->known = calloc(d->nknown, sizeof(*d->known));
	if (!d->known)
		goto out_of_memory;
	d->unit = bpf_load(host, &disk_latency_kit, d, error);
	if (!d->unit) {
		disk_latency_close(d);
		return -ENOTSUP;
	}
	d->skeleton = bpf_skeleton(d->unit);
	d->places = bpf_view(d->unit, d->skeleton->maps.disk_places, true);
	d->totals = bpf_view(d->unit, d->skeleton->maps.disk_totals, true);
	d->counts = d->skeleton->maps.disk_histograms;
	d->ring = bpf_ring_open(d->skeleton->maps.disk_slows, disk_slow_event, d);
	if (!d->places || !d->totals || !d->ring)
		goto out_of_memory;
	err = disk_processes_init(&d->processes, d->unit, d->skeleton);
	if (err)
		goto out_of_memory;
	if (!bpf_is_on(d->unit, DISK_START))
		bpf_attach(d->unit, DISK_INSERT);
	see_devices(d);
	d->unseen = unseen(d) + bpf_missed(d->unit, DISK_COMPLETE);
	*ret_self = d;
	return 0;
out_of_memory:
	snprintf(error->sentence, sizeof(error->sentence), "out of memory");
	disk_latency_close(d);
	return err;
}

/* --- devices ----------------------------------------------------------------------------------------------------- */

static unsigned at(const struct disk_latency *d, unsigned index, unsigned operation, unsigned shard)
{
	return (index * DISK_OPERATIONS + operation) * d->shards + shard;
}

/* The same as in the program. */
static unsigned hash(uint64_t v)
{
	return (uint32_t)(v * 0x9e3779b97f4a7c15ull >> 40);
}

static struct disk_place *free_place(const struct disk_latency *d, uint64_t device)
{
	for (unsigned i = 0; i < DISK_PROBES; i++) {
		struct disk_place *place = &d->places[(hash(device) + i) & (DISK_PLACES - 1)];

		if (!place->device)
			return place;
	}
	return NULL;
}

/* The device gets figures that begin at 0, and a place by which the program finds them. NULL: no room. */
static struct disk_known *know(struct disk_latency *d, uint64_t device, const char *name, uint32_t generation)
{
	static const struct disk_counts none;
	struct disk_known *k = NULL;
	struct disk_place *place;
	unsigned index;

	for (unsigned i = 0; i < d->nknown; i++) {
		struct disk_known *c = &d->known[i];

		if (c->device == device) {
			k = c;
			break;
		}
		/* Of a device that has gone long ago. */
		if (!c->device || (!k && !c->hidden && c->seen + 60 < d->stats.devices.sample))
			k = c;
	}
	if (!k)
		return NULL;
	if (k->place)
		k->place->device = 0;
	place = free_place(d, device);
	if (!place)
		return NULL;
	index = (unsigned)(k - d->known);
	if (k->device)
		disk_users_forget(d, index);
	memset(k, 0, sizeof(*k));
	memset(&d->totals[at(d, index, 0, 0)], 0, DISK_OPERATIONS * d->shards * sizeof(*d->totals));
	for (uint32_t i = at(d, index, 0, 0), n = i + DISK_OPERATIONS * d->shards; i < n; i++)
		bpf_map__update_elem(d->counts, &i, sizeof(i), &none, sizeof(none), BPF_ANY);
	k->device = device;
	k->generation = generation;
	k->place = place;
	snprintf(k->name, sizeof(k->name), "%s", name);
	place->index = index;
	for (unsigned i = 0; i < DISK_OPERATIONS; i++) {
		place->threshold[i] = bpf_threshold(0, 0, 0, false);
		k->operation[i].handle = CULPRIT_NO_HANDLE;
	}
	/* Events are allowed from the next sample's end on. */
	memset(place->left, 0, sizeof(place->left));
	__atomic_store_n(&place->device, device, __ATOMIC_RELEASE);
	return k;
}

static void see_device(struct disk_latency *d, const struct diskstats_line *line)
{
	enum { INDEX, IS_PARTITION }; /* of device->own, which is 0 of a device that is new, or came back */
	struct device *device = line->device;
	struct disk_known *k;

	if (device->own[IS_PARTITION])
		return;
	if (!device->own[INDEX]) {
		if (is_partition(d, device)) {
			device->own[IS_PARTITION] = 1;
			return;
		}
		k = know(d, ((uint64_t)line->major << 20 | line->minor) + 1, device->name, device->generation);
		if (!k)
			return;
		device->own[INDEX] = (uint64_t)(k - d->known) + 1;
	}
	d->known[device->own[INDEX] - 1].seen = d->stats.devices.sample;
}

/* Those there are get places. 0 or -errno. */
static int see_devices(struct disk_latency *d)
{
	struct diskstats_line line;
	int err = diskstats_read(&d->stats);

	while (!err && diskstats_next(&d->stats, &line))
		see_device(d, &line);
	return err;
}

/* The program met a device that is not in /proc/diskstats: nvme0c1n1 is a path to nvme0n1. */
static void see_unknown(struct disk_latency *d)
{
	uint64_t device = d->skeleton->bss->unknown_device;
	char name[DISK_NAME + 1] = "";
	unsigned controller, path, space;
	struct disk_known *k;
	int end = 0;

	if (!device)
		return;
	memcpy(name, d->skeleton->bss->unknown_name, DISK_NAME);
	if (sscanf(name, "nvme%uc%un%u%n", &controller, &path, &space, &end) == 3 && !name[end])
		snprintf(name, sizeof(name), "nvme%un%u", controller, space);
	for (unsigned i = 0; i < d->nknown; i++)
		if (d->known[i].device == device)
			device = 0;
	k = device && name[0] ? know(d, device, name, 0) : NULL;
	if (k)
		k->hidden = true;
	d->skeleton->bss->unknown_device = 0;
}

/* --- samples ----------------------------------------------------------------------------------------------------- */

static void add_total(const struct disk_latency *d, const struct disk_known *k, unsigned operation, struct disk_total *sum)
{
	for (unsigned shard = 0; shard < d->shards; shard++) {
		const struct disk_total *t = &d->totals[at(d, (unsigned)(k - d->known), operation, shard)];

		sum->requests += t->requests;
		sum->bytes += t->bytes;
		sum->errors += t->errors;
		sum->queue_ns += t->queue_ns;
		sum->service_ns += t->service_ns;
	}
}

static void add_counts(const struct disk_latency *d, const struct disk_known *k, unsigned operation, struct disk_counts *sum)
{
	for (unsigned shard = 0; shard < d->shards; shard++) {
		uint32_t key = at(d, (unsigned)(k - d->known), operation, shard);
		struct disk_counts c;

		if (bpf_map__lookup_elem(d->counts, &key, sizeof(key), &c, sizeof(c), 0))
			continue;
		for (unsigned i = 0; i < BPF_HIST_SLOTS; i++) {
			sum->queue[i] += c.queue[i];
			sum->service[i] += c.service[i];
		}
	}
}

/* Several paths to one device are one device. */
static bool is_same(const struct disk_known *a, const struct disk_known *b)
{
	return a == b || (a->device && (a->hidden || b->hidden) && strcmp(a->name, b->name) == 0);
}

static void put_operation(struct disk_latency *d, struct culprit_frame *f, struct disk_known *k, unsigned operation)
{
	struct disk_counts counts = {0};
	struct disk_total total = {0};

	for (unsigned i = 0; i < d->nknown; i++)
		if (is_same(&d->known[i], k))
			add_total(d, &d->known[i], operation, &total);
	if (!total.requests)
		return;
	if (total.requests == k->operation[operation].requests && total.bytes == k->operation[operation].bytes &&
	    k->operation[operation].handle != CULPRIT_NO_HANDLE && culprit_again(f, k->operation[operation].handle) == 0) {
		culprit_end(f);
		return;
	}
	for (unsigned i = 0; i < d->nknown; i++)
		if (is_same(&d->known[i], k))
			add_counts(d, &d->known[i], operation, &counts);
	culprit_row(f);
	culprit_born(f);
	culprit_put_string(f, NAME, k->name);
	culprit_put_u64(f, GENERATION, k->generation);
	culprit_put_string(f, OPERATION, disk_operations[operation]);
	culprit_put_u64(f, REQUESTS, total.requests);
	culprit_put_u64(f, BYTES, total.bytes);
	culprit_put_u64(f, ERRORS, total.errors);
	culprit_put_u64(f, QUEUE_TIME, total.queue_ns);
	culprit_put_u64(f, SERVICE_TIME, total.service_ns);
	culprit_put_histogram(f, QUEUE, (const uint64_t *)counts.queue, BPF_HIST_SLOTS);
	culprit_put_histogram(f, SERVICE, (const uint64_t *)counts.service, BPF_HIST_SLOTS);
	k->operation[operation].requests = total.requests;
	k->operation[operation].bytes = total.bytes;
	k->operation[operation].handle = culprit_end(f);
}

static void put_devices(struct disk_latency *d, struct culprit_frame *f)
{
	for (unsigned i = 0; i < d->nknown; i++) {
		struct disk_known *k = &d->known[i];
		bool shown = k->device && (k->hidden || k->seen == d->stats.devices.sample);

		for (unsigned j = 0; shown && k->hidden && j < d->nknown; j++)
			shown = j == i || !is_same(&d->known[j], k) || (d->known[j].hidden && j > i);
		/* A handle is good for the next sample only: then it may be that of another row. */
		for (unsigned operation = 0; operation < DISK_OPERATIONS; operation++) {
			if (shown)
				put_operation(d, f, k, operation);
			else
				k->operation[operation].handle = CULPRIT_NO_HANDLE;
		}
	}
}

static void say_missing(struct disk_latency *d, struct culprit_frame *f)
{
	const char *reason = bpf_reason(d->unit, DISK_COMPLETE);

	for (uint32_t t = 0; t < NTABLES; t++) {
		culprit_table(f, t);
		culprit_state(f, t, CULPRIT_MISSING, reason ? reason : "it was switched off: own cost was above the budget");
	}
}

/* What is thinned is a sample of the requests. */
static void say_thinned(const struct disk_latency *d, struct culprit_frame *f)
{
	uint32_t thinning = bpf_thinning(d->unit, DISK_COMPLETE);
	char text[160];

	for (uint32_t t = 0; thinning > 1 && t < NTABLES; t++) {
		snprintf(text, sizeof(text), "one request in %u is looked at%s: culprit cost more than its budget", (unsigned)thinning,
			 t == SLOW_TABLE ? "" : ", and stands for all");
		culprit_state(f, t, CULPRIT_FRESH, text);
	}
}

static int disk_latency_sample(void *self, struct culprit_frame *f)
{
	struct disk_latency *d = self;
	uint64_t lost;
	int err;

	if (!bpf_is_on(d->unit, DISK_COMPLETE)) {
		say_missing(d, f);
		return 0;
	}
	culprit_table(f, LATENCY_TABLE);
	err = see_devices(d);
	if (err) {
		procfs_failed(f, LATENCY_TABLE, "/proc/diskstats", err);
		return 0;
	}
	see_unknown(d);
	put_devices(d, f);
	bpf_say_lost(d->unit, DISK_COMPLETE, unseen(d));
	lost = unseen(d) + bpf_missed(d->unit, DISK_COMPLETE);
	culprit_lost(f, LATENCY_TABLE, lost - d->unseen);
	d->unseen = lost;
	disk_processes_sample(&d->processes, d->host, f, PROCESS_TABLE);
	disk_users_sample(d, f, USER_TABLE);
	for (uint32_t t = PROCESS_TABLE; t <= USER_TABLE && !bpf_is_on(d->unit, DISK_START) && !bpf_is_on(d->unit, DISK_INSERT); t++)
		culprit_state(f, t, CULPRIT_FRESH, "who asked is known only where the one who asked also issued the request");
	disk_slow_sample(d, f, SLOW_TABLE);
	say_thinned(d, f);
	return 0;
}

static size_t disk_latency_programs(void *self, const struct culprit_program **ret_list)
{
	return bpf_programs(((struct disk_latency *)self)->unit, ret_list);
}

static int disk_latency_thin(void *self, size_t index, uint32_t thinning)
{
	struct bpf_unit *unit = ((struct disk_latency *)self)->unit;
	const struct culprit_program *list;
	size_t n = bpf_programs(unit, &list);
	int r = bpf_thin(unit, index, thinning);

	/* A request is looked at by all of them, or by none. */
	for (size_t i = 0; thinning && i < n; i++)
		if (i != index && list[i].state != CULPRIT_PROGRAM_DROPPED)
			bpf_thin(unit, i, thinning);
	return r;
}

static const struct culprit_table *const tables[] = {
	[LATENCY_TABLE] = &latency_table, [PROCESS_TABLE] = &disk_process_table, [USER_TABLE] = &disk_user_table, [SLOW_TABLE] = &disk_slow_table,
};

const struct culprit_collector disk_latency_collector = {
	.size = sizeof(disk_latency_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "disk_latency",
	.help = "Disks: latency of each operation, and who asked (BPF)",
	.tables = tables,
	.ntables = NTABLES,
	.probe = bpf_probe,
	.open = disk_latency_open,
	.sample = disk_latency_sample,
	.close = disk_latency_close,
	.programs = disk_latency_programs,
	.thin = disk_latency_thin,
};
