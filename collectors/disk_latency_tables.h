/* What the files of the collector disk_latency share: what processes ask for is in disk_latency_process.c, which disks in disk_latency_users.c, single requests
 * that took long in disk_latency_slow.c, the rest in disk_latency.c. */
#ifndef COLLECTORS_DISK_LATENCY_TABLES_H
#define COLLECTORS_DISK_LATENCY_TABLES_H

#include <culprit/collector.h>

#include "bpf_processes.h"
#include "disk_latency.h"
#include "diskstats.h"

extern const struct culprit_bounds disk_latency_bounds;
extern const struct culprit_table disk_process_table, disk_user_table, disk_slow_table;
extern const char *const disk_operations[DISK_OPERATIONS];
extern const char disk_operation_help[];

#define DISK_COMPLETE_SOURCE "tracepoint block_rq_complete"
#define DISK_STAMPS_SOURCE "struct request start_time_ns, tracepoints block_rq_issue and block_rq_complete"

struct bpf_map;
struct bpf_unit;
struct disk_latency_bpf;

struct disk_processes {
	struct bpf_processes processes;
	struct bpf_unit *unit;
	struct disk_process *totals;
	struct bpf_map *counts; /* of disk_process_counts: large, and read where something has happened only */
	struct bpf_map *users;  /* of disk_users, likewise */
	uint8_t seen[BPF_PROCESSES]; /* in this sample: enum disk_process_seen */
	uint32_t user_rows[BPF_PROCESSES][DISK_USER_WAYS]; /* for culprit_again() */
};

enum disk_process_seen { DISK_PROCESS_NONE, DISK_PROCESS_SAME, DISK_PROCESS_MOVED };

/* 0 or -errno. Nothing to finish: the maps belong to the unit. */
int disk_processes_init(struct disk_processes *, struct bpf_unit *, struct disk_latency_bpf *);
/* Emits the table `table` of the collector, and forgets processes that have ended. */
void disk_processes_sample(struct disk_processes *, const struct culprit_host *, struct culprit_frame *, uint32_t table);

/* A device that has a place in the program's hash. */
struct disk_known {
	uint64_t device; /* as the hash has it; 0: this one is free */
	uint64_t seen;   /* last sample in which it was there */
	char name[DEVICE_NAME_MAX + 1];
	uint32_t generation;
	bool hidden; /* not in /proc/diskstats: a path of a multipath device, whose name it has */
	struct disk_place *place;
	struct {
		uint64_t requests, bytes; /* as emitted last */
		uint32_t handle;
		uint32_t slow; /* events in this tick */
	} operation[DISK_OPERATIONS];
};

struct disk_latency {
	const struct culprit_host *host;
	struct bpf_unit *unit;
	struct disk_latency_bpf *skeleton;
	struct diskstats stats;
	unsigned shards, nknown;
	struct disk_known *known; /* nknown of them, by index */
	struct disk_place *places;
	struct disk_total *totals;
	struct bpf_map *counts; /* of disk_counts, not mapped: large, and read where something has happened only */
	struct bpf_ring *ring;
	struct culprit_frame *frame; /* while the ring is drained */
	uint64_t unseen, slow_lost, users_over; /* as told last */
	struct disk_processes processes;
};

/* Behind disk_processes_sample(). */
void disk_users_sample(struct disk_latency *, struct culprit_frame *, uint32_t table);
/* The figures that begin at `index` belong to another device from now on. */
void disk_users_forget(struct disk_latency *, unsigned index);
void disk_slow_sample(struct disk_latency *, struct culprit_frame *, uint32_t table);
void disk_slow_event(void *disk_latency, const void *data, size_t size);

#endif
