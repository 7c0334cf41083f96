/* How long requests to block devices waited before the device got them, and how long the device took, with who asked for
 * them. The kernel stamps each request when it is made (start_time_ns). When it was issued, and by whom it was made, is
 * kept in a slot of the request: the kernel's own stamp of that (io_start_time_ns) is not always taken, and since 6.9 it
 * may be the time at which a whole batch began.
 *
 * Figures are cumulative and never cleared; CPUs that share a shard add to it by atomic instructions. */
#include "bpf_common.bpf.h"
#include "disk_latency.h"
#include "bpf_process.bpf.h"

enum { OP_MASK = 0xff, OP_READ = 0, OP_WRITE = 1, OP_FLUSH = 2, OP_DISCARD = 3, OP_SECURE_ERASE = 5, OP_WRITE_SAME = 7,
       OP_WRITE_ZEROES = 9, OP_ZONE_APPEND = 13, OP_DRIVERS = 32 };
enum { REQ_SYNC = 1 << 11 };	   /* since 4.10 */
enum { TASK_WQ_WORKER = 0x20 };

/* Set before loading. */
const volatile __u32 shard_mask;	/* shards of the CPUs - 1; of a power of 2 */
const volatile __u32 request_argument;	/* place of the request among the arguments of issue and insert: 1 before 5.11 */

/* Counted here, told by user space. */
__u64 slow_left;		/* events that may still be sent in this tick, of all devices; set by user space */
__u64 slow_over, slow_dropped;	/* events beyond that; events that found the ring full */
__u64 users_over;		/* requests of processes to more devices than they have room for */
__u64 devices_unknown;		/* requests of devices without a place */
__u64 unissued;			/* requests whose issue was not seen: not counted */
__u64 unknown_device;		/* one of them, so that it gets a place; set back by user space */
char unknown_name[DISK_NAME];

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DISK_PLACES);
	__type(key, __u32);
	__type(value, struct disk_place);
} disk_places SEC(".maps");

/* The sizes of these two are set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct disk_total);
} disk_totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* begins on a cache line then; nobody maps it */
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct disk_counts);
} disk_histograms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DISK_SETS);
	__type(key, __u32);
	__type(value, struct disk_set);
} disk_flights SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* these three as many as bpf_processes_room() says */
	__type(key, __u32);
	__type(value, struct disk_process);
} disk_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* begins on a cache line then; nobody maps it */
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct disk_process_counts);
} disk_process_histograms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* begins on a cache line then; nobody maps it */
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct disk_users);
} disk_users SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 17);
} disk_slows SEC(".maps");

static __always_inline __u32 hash(__u64 v)
{
	return (__u32)(v * 0x9e3779b97f4a7c15ull >> 40);
}

/* The request as a number: the verifier lets nobody compute with a pointer, but a context can be copied. */
static __always_inline __u64 number_of(const void *argument)
{
	__u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), argument);
	return v;
}

/* For how many requests this one stands; 0: it is left out. Thinned, all programs keep the same ones, drawn by when each was made: many
 * that were made at once have other addresses. */
static __always_inline __u64 weight_of(const struct bpf_cost *cost, struct request *rq, __u64 request)
{
	__u64 made;

	if (cost->thinning <= 1)
		return 1;
	made = rq->start_time_ns;
	/* No stamps here, nothing to draw by. */
	if (!made)
		return 1;
	return hash(made ^ request) & (cost->thinning - 1) ? 0 : cost->thinning;
}

/* --- requests in flight ------------------------------------------------------------------------------------------ */

static __always_inline struct disk_set *set_of(__u64 request)
{
	__u32 key = hash(request) & (DISK_SETS - 1);

	return bpf_map_lookup_elem(&disk_flights, &key);
}

static __always_inline struct disk_flight *flight_find(__u64 request)
{
	struct disk_set *set = set_of(request);

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < DISK_WAYS; i++)
		if (set->way[i].request == request)
			return &set->way[i];
	return NULL;
}

/* A slot for a request. Where all are taken one loses its own; two CPUs that take the same one at once are seen at
 * completion, where the address is another. */
static __always_inline struct disk_flight *flight_take(__u64 request)
{
	struct disk_set *set = set_of(request);
	struct disk_flight *f;

	if (!set)
		return NULL;
	f = &set->way[request >> 12 & (DISK_WAYS - 1)];
#pragma unroll
	for (int i = 0; i < DISK_WAYS; i++)
		if (!set->way[i].request)
			f = &set->way[i];
#pragma unroll
	for (int i = 0; i < DISK_WAYS; i++)
		if (set->way[i].request == request)
			f = &set->way[i];
	f->request = request;
	return f;
}

static __always_inline void own(struct bpf_task *owner)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
	owner->pid = 0;
	if (!(task->flags & TASK_WQ_WORKER))
		bpf_task_of(task, owner);
}

static __always_inline void made(struct request *rq, __u64 request)
{
	struct disk_flight *f;

	if ((rq->cmd_flags & OP_MASK) >= OP_DRIVERS)
		return;
	f = flight_take(request);
	if (!f)
		return;
	f->issued = 0;
	own(&f->owner);
}

/* In the context of who asks. */
SEC("tp_btf/block_io_start")
int disk_start(__u64 *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(DISK_START, &start);

	if (!cost)
		return 0;
	if (weight_of(cost, (struct request *)ctx[0], number_of(&ctx[0])))
		made((struct request *)ctx[0], number_of(&ctx[0]));
	bpf_cost_end(cost, start);
	return 0;
}

/* Before 6.5 there is no block_io_start. This is often, not always, in the context of who asks. */
SEC("tp_btf/block_rq_insert")
int disk_insert(__u64 *ctx)
{
	struct request *rq = request_argument ? (struct request *)ctx[1] : (struct request *)ctx[0];
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(DISK_INSERT, &start);

	if (!cost)
		return 0;
	if (weight_of(cost, rq, number_of(&ctx[request_argument])))
		made(rq, number_of(&ctx[request_argument]));
	bpf_cost_end(cost, start);
	return 0;
}

static __always_inline void issued(struct request *rq, __u64 request)
{
	struct disk_flight *f = flight_find(request);

	if (!f) {
		if ((rq->cmd_flags & OP_MASK) >= OP_DRIVERS)
			return;
		f = flight_take(request);
		if (!f)
			return;
		own(&f->owner);
	}
	f->issued = bpf_ktime_get_ns();
}

SEC("tp_btf/block_rq_issue")
int disk_issue(__u64 *ctx)
{
	struct request *rq = request_argument ? (struct request *)ctx[1] : (struct request *)ctx[0];
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(DISK_ISSUE, &start);

	if (!cost)
		return 0;
	if (weight_of(cost, rq, number_of(&ctx[request_argument])))
		issued(rq, number_of(&ctx[request_argument]));
	bpf_cost_end(cost, start);
	return 0;
}

/* --- completion -------------------------------------------------------------------------------------------------- */

static __always_inline __u32 operation_of(__u32 flags)
{
	switch (flags & OP_MASK) {
	case OP_READ:
		return DISK_READ;
	case OP_FLUSH:
		return DISK_FLUSH;
	case OP_DISCARD:
	case OP_SECURE_ERASE:
		return DISK_DISCARD;
	case OP_WRITE:
	case OP_WRITE_SAME:
	case OP_WRITE_ZEROES:
	case OP_ZONE_APPEND:
		/* Without it nobody asked for it to be written now: the page cache, swap. */
		return flags & REQ_SYNC ? DISK_WRITE : DISK_WRITEBACK;
	}
	return DISK_OPERATIONS;
}

static __always_inline struct disk_place *place_of(struct request *rq)
{
	struct request___until_5_16 *old = (void *)rq;
	struct gendisk *disk = bpf_core_field_exists(old->rq_disk) ? old->rq_disk : rq->q->disk;
	__u64 device;
	__u32 at;

	if (!disk)
		return NULL;
	device = ((__u64)(__u32)disk->major << 20 | (__u32)disk->first_minor) + 1;
	at = hash(device);
#pragma unroll
	for (int i = 0; i < DISK_PROBES; i++) {
		__u32 key = (at + i) & (DISK_PLACES - 1);
		struct disk_place *place = bpf_map_lookup_elem(&disk_places, &key);

		if (place && place->device == device)
			return place;
	}
	__sync_fetch_and_add(&devices_unknown, 1);
	if (!unknown_device) {
		bpf_core_read_str(unknown_name, sizeof(unknown_name), &disk->disk_name);
		unknown_device = device;
	}
	return NULL;
}

static __always_inline void add_user(struct disk_users *users, __u64 device, __u32 operation, __u64 weight, __u64 bytes, __u64 ns)
{
	struct disk_user *u = NULL;

#pragma unroll
	for (int i = 0; i < DISK_USER_WAYS; i++) {
		struct disk_user *way = &users->way[i];

		if (u)
			continue;
		if (way->device == device || (!way->device && __sync_val_compare_and_swap(&way->device, 0, device) == 0) ||
		    way->device == device)
			u = way;
	}
	if (!u) {
		__sync_fetch_and_add(&users_over, 1);
		return;
	}
	__sync_fetch_and_add(&u->requests, weight);
	__sync_fetch_and_add(&u->ns, ns);
	if (operation == DISK_READ)
		__sync_fetch_and_add(&u->read_bytes, bytes);
	else if (operation == DISK_WRITE)
		__sync_fetch_and_add(&u->write_bytes, bytes);
}

/* bytes, ns: of this one. */
static __always_inline void add_process(const struct bpf_task *owner, __u64 device, __u32 operation, __u64 weight, __u64 bytes, __u64 ns)
{
	__u32 index = bpf_process_index(owner), slot;
	struct disk_users *users = bpf_map_lookup_elem(&disk_users, &index);
	struct disk_process *p = bpf_map_lookup_elem(&disk_processes, &index);
	struct disk_process_counts *counts = bpf_map_lookup_elem(&disk_process_histograms, &index);

	if (!p || !counts)
		return;
	slot = bpf_hist_slot(ns);
	if (slot >= BPF_HIST_SLOTS)
		return;
	bytes *= weight;
	ns *= weight;
	if (users)
		add_user(users, device, operation, weight, bytes, ns);
	switch (operation) {
	case DISK_READ:
		__sync_fetch_and_add(&p->reads, weight);
		__sync_fetch_and_add(&p->read_bytes, bytes);
		__sync_fetch_and_add(&p->read_ns, ns);
		__sync_fetch_and_add(&counts->read[slot], weight);
		break;
	case DISK_WRITE:
		__sync_fetch_and_add(&p->writes, weight);
		__sync_fetch_and_add(&p->write_bytes, bytes);
		__sync_fetch_and_add(&p->write_ns, ns);
		__sync_fetch_and_add(&counts->write[slot], weight);
		break;
	case DISK_FLUSH:
		__sync_fetch_and_add(&p->flushes, weight);
		__sync_fetch_and_add(&p->flush_ns, ns);
		break;
	case DISK_DISCARD:
		__sync_fetch_and_add(&p->discards, weight);
		__sync_fetch_and_add(&p->discard_bytes, bytes);
		__sync_fetch_and_add(&p->discard_ns, ns);
		break;
	}
}

static __always_inline void tell(struct disk_place *place, __u32 operation, const struct disk_flight *flight,
				 __u64 now, __u64 queue, __u64 service, __u64 bytes)
{
	__u64 threshold = place->threshold[operation];
	struct disk_slow *e;

	if (!threshold || queue + service < threshold)
		return;
	/* CPUs may take them below 0 together. */
	if ((__s64)slow_left <= 0 || (__s64)place->left[operation] <= 0) {
		__sync_fetch_and_add(&slow_over, 1);
		return;
	}
	__sync_fetch_and_sub(&slow_left, 1);
	__sync_fetch_and_sub(&place->left[operation], 1);
	e = bpf_ringbuf_reserve(&disk_slows, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&slow_dropped, 1);
		return;
	}
	e->time = now;
	e->queue = queue;
	e->service = service;
	e->threshold = threshold;
	e->bytes = bytes;
	e->index = place->index;
	e->operation = operation;
	e->owner = flight->owner;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* A write without bytes is what asked for a flush and has waited for it. The flush itself is a request of its own, which
 * many of them may share. */
static __always_inline void flushed(struct disk_place *place, struct disk_flight *flight, __u64 weight, __u64 now, __u64 made)
{
	__u64 took = made && made < now ? now - made : 0;

	if (flight->owner.pid)
		add_process(&flight->owner, place->index + 1, DISK_FLUSH, weight, 0, took);
	tell(place, DISK_FLUSH, flight, now, 0, took, 0);
	flight->request = 0;
}

static __always_inline void complete(struct request *rq, __u64 request, __u64 weight, int error, __u32 bytes)
{
	__u32 operation = operation_of(rq->cmd_flags), key, slot;
	__u64 now, made, given, queue, service;
	struct disk_counts *counts;
	struct disk_flight *flight;
	struct disk_place *place;
	struct disk_total *total;

	if (operation >= DISK_OPERATIONS)
		return;
	place = place_of(rq);
	if (!place)
		return;
	flight = flight_find(request);
	now = bpf_ktime_get_ns();
	made = rq->start_time_ns;
	/* It was left out then, when others were, and this is of one before it. */
	if (flight && flight->issued && flight->issued < made)
		flight = NULL;
	if (!bytes && operation != DISK_FLUSH) {
		if (flight && operation != DISK_READ)
			flushed(place, flight, weight, now, made);
		return;
	}
	key = (place->index * DISK_OPERATIONS + operation) * (shard_mask + 1) + (bpf_get_smp_processor_id() & shard_mask);
	total = bpf_map_lookup_elem(&disk_totals, &key);
	counts = bpf_map_lookup_elem(&disk_histograms, &key);
	if (!total || !counts)
		return;
	__sync_fetch_and_add(&total->bytes, bytes * weight);
	if (bytes < rq->__data_len) /* a part of it: the rest is to come */
		return;
	given = flight && flight->issued ? flight->issued : rq->io_start_time_ns;
	if (!given || given > now) {
		__sync_fetch_and_add(&unissued, 1);
		return;
	}
	queue = made && made < given ? given - made : 0;
	service = now - given;
	__sync_fetch_and_add(&total->queue_ns, queue * weight);
	__sync_fetch_and_add(&total->service_ns, service * weight);
	if (error)
		__sync_fetch_and_add(&total->errors, weight);
	slot = bpf_hist_slot(queue);
	if (slot < BPF_HIST_SLOTS)
		__sync_fetch_and_add(&counts->queue[slot], weight);
	slot = bpf_hist_slot(service);
	if (slot < BPF_HIST_SLOTS)
		__sync_fetch_and_add(&counts->service[slot], weight);
	__sync_fetch_and_add(&total->requests, weight);
	if (!flight)
		return;
	if (flight->owner.pid && operation != DISK_WRITEBACK && operation != DISK_FLUSH)
		add_process(&flight->owner, place->index + 1, operation, weight, bytes, queue + service);
	if (operation != DISK_FLUSH)
		tell(place, operation, flight, now, queue, service, bytes);
	flight->request = 0;
}

SEC("tp_btf/block_rq_complete")
int disk_complete(__u64 *ctx)
{
	__u64 start, weight;
	struct bpf_cost *cost = bpf_cost_begin(DISK_COMPLETE, &start);

	if (!cost)
		return 0;
	weight = weight_of(cost, (struct request *)ctx[0], number_of(&ctx[0]));
	if (weight)
		complete((struct request *)ctx[0], number_of(&ctx[0]), weight, (int)ctx[1], (__u32)ctx[2]);
	bpf_cost_end(cost, start);
	return 0;
}
