/* What stacks.bpf.c and the collector (stacks.c) share in memory. Plain types: both compilers read it. */
#ifndef COLLECTORS_STACKS_SHARED_H
#define COLLECTORS_STACKS_SHARED_H

#include "bpf_shared.h"
#include "unwind_shared.h"

/* In the order of the hooks in stacks.c. */
enum stacks_program { STACKS_SAMPLE, STACKS_SWITCH, STACKS_MAJOR, STACKS_MINOR, STACKS_BLOCKIO, STACKS_LOCK_BEGIN, STACKS_LOCK_END,
		      STACKS_HEAP_IN, STACKS_HEAP_OUT, STACKS_PROGRAMS };

enum { STACKS_KEPT = 8192 }; /* different stacks at a time: 8 MiB */

/* Who was where, by what. */
struct stacks_key {
	unsigned int pid, tid;
	unsigned long long start;        /* of the thread, ns since boot, suspend included */
	unsigned long long kernel, user; /* stacks by their hash; 0: none */
	unsigned int reason;             /* of waits enum sched_reason, of page faults 1: major, of
					  * block I/O enum blockio_kind << 28 | major << 16 | minor, of locks enum lock_flags,
					  * of allocations enum heap_flags; else 0 */
	unsigned int missed;             /* there was a user part, and it was not taken */
};

/* What was counted of it since user space looked last. */
struct stacks_count {
	unsigned long long count, time_ns;
	unsigned long long process_start;
	char comm[16];
};

/* What a block device is asked for. */
enum blockio_kind { BLOCKIO_READ, BLOCKIO_WRITE, BLOCKIO_WRITEBACK, BLOCKIO_FLUSH, BLOCKIO_DISCARD, BLOCKIO_OTHER, BLOCKIO_KINDS };

/* Functions of an allocator, as the cookie of an attachment says; and what is known of an allocation. */
enum heap_function { HEAP_MALLOC, HEAP_CALLOC, HEAP_REALLOC, HEAP_ALIGNED, HEAP_POSIX, HEAP_FREE, HEAP_MMAP, HEAP_MUNMAP, HEAP_MREMAP,
		     HEAP_BRK, HEAP_SBRK };
enum heap_flags { HEAP_BY_MMAP = 1, HEAP_FREED = 2 /* given back: what was counted before goes down */, HEAP_BY_BRK = 4 };
enum {
	HEAP_EVERY = 1 << 18, /* bytes from which on each allocation is looked at; a power of two */
	HEAP_PIECES = 1 << 16,
	HEAP_RANGES = 1 << 10,
};

/* Memory that a process has from the kernel itself, of mmap() or brk(). */
struct heap_range {
	unsigned long long start; /* 0: free; 1: being changed */
	unsigned long long end;
	unsigned long long weight, size; /* of the whole as it was taken: what a byte of it stands for */
	struct stacks_key key;
};

/* How the kernel says which kind of lock is waited for. */
enum lock_flags { LOCK_SPIN = 1, LOCK_READ = 2, LOCK_WRITE = 4, LOCK_RT = 8, LOCK_PERCPU = 16, LOCK_MUTEX = 32 };

enum { OFFCPU_MARKS = 8 /* places of threads of one element of their marks */ };

/* A thread whose stack was taken when it left its CPU. Two places are looked at for a tid, as in sched_shared.h. */
struct offcpu_thread {
	unsigned int tid;         /* 0: free */
	unsigned char off;        /* it has not come back; written last */
	unsigned char reason;
	unsigned short reserved;
	unsigned long long since; /* CLOCK_MONOTONIC */
	unsigned long long booked; /* of user space: up to when this wait was booked while it went on; 0: not */
	unsigned long long kernel, user, start, process_start;
	unsigned int pid, pad;
	char comm[16];
};

#endif
