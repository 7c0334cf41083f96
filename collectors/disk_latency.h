/* What disk_latency.bpf.c and disk_latency*.c share in memory. No includes but such: both compilers read it. */
#ifndef COLLECTORS_DISK_LATENCY_H
#define COLLECTORS_DISK_LATENCY_H

#include "bpf_process.h"
#include "bpf_shared.h"

/* In the order of the hooks in disk_latency.c. */
enum disk_program { DISK_COMPLETE, DISK_ISSUE, DISK_START, DISK_INSERT, DISK_PROGRAMS };

enum disk_operation { DISK_READ, DISK_WRITE, DISK_WRITEBACK, DISK_FLUSH, DISK_DISCARD, DISK_OPERATIONS };

enum {
	DISK_PLACES = 1024,	/* in the hash of device numbers; a power of 2 */
	DISK_PROBES = 8,
	DISK_SETS = 4096,	/* of requests in flight; a power of 2 */
	DISK_WAYS = 4,		/* requests that may share a hash; a power of 2 */
	DISK_NAME = 32,
	DISK_USER_WAYS = 4,	/* devices of a process */
};

/* A device number, as the kernel packs it (major << 20 | minor), + 1; 0: free. Written by user space alone. */
struct disk_place {
	unsigned long long device;
	unsigned long long index; /* of the device: its figures begin at index * DISK_OPERATIONS * shards */
	unsigned long long threshold[DISK_OPERATIONS]; /* ns: what took longer becomes an event; 0: nothing does */
	unsigned long long left[DISK_OPERATIONS]; /* events that may still be sent in this tick; set by user space */
};

/* Of one device, operation and shard of the CPUs; cumulative. */
struct disk_total {
	unsigned long long requests, bytes, errors;
	unsigned long long queue_ns, service_ns;
	unsigned long long spare[3];
};

struct disk_counts {
	unsigned long long queue[BPF_HIST_SLOTS], service[BPF_HIST_SLOTS];
};

/* A request that was made and is not complete. */
struct disk_flight {
	unsigned long long request; /* its address; 0: free */
	unsigned long long issued;  /* CLOCK_MONOTONIC ns; 0: not yet */
	struct bpf_task owner; /* pid 0: nobody in particular, a worker of the kernel on behalf of others */
};

struct disk_set {
	struct disk_flight way[DISK_WAYS];
};

/* What a process asked for, and may have waited for; cumulative. */
struct disk_process {
	unsigned long long reads, writes, flushes, discards;
	unsigned long long read_bytes, write_bytes, discard_bytes;
	unsigned long long read_ns, write_ns, flush_ns, discard_ns;
	unsigned long long spare[5];
};

struct disk_process_counts {
	unsigned long long read[BPF_HIST_SLOTS], write[BPF_HIST_SLOTS];
};

/* What a process asked of a device, the figures of which begin at (device - 1); 0: of none. Cumulative. */
struct disk_user {
	unsigned long long device, requests, read_bytes, write_bytes, ns;
	unsigned long long spare[3];
};

/* Of one process; beyond these devices it is counted as lost. */
struct disk_users {
	struct disk_user way[DISK_USER_WAYS];
};

/* A request above its threshold, as it comes through the ring. */
struct disk_slow {
	unsigned long long time, queue, service, threshold, bytes;
	unsigned int index, operation;
	struct bpf_task owner;
};

#endif
