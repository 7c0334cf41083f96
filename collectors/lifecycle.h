/* What lifecycle.bpf.c and lifecycle*.c share in memory. No includes but bpf_shared.h: both compilers read it. */
#ifndef COLLECTORS_LIFECYCLE_H
#define COLLECTORS_LIFECYCLE_H

#include "bpf_shared.h"

/* In the order of the hooks in lifecycle.c. */
enum life_program { LIFE_FORK, LIFE_EXEC, LIFE_EXIT, LIFE_OOM, LIFE_PROGRAMS };

enum {
	LIFE_COMM = 16,
	LIFE_ARGS_SHORT = 64, LIFE_ARGS_LONG = 512, /* bytes of a command line: two sizes of record */
	/* The sampler drains it when a quarter is full; by then it may be busy with a sample of many tasks. A short life is 400 bytes. */
	LIFE_RING_CPU = 512 << 10, LIFE_RING_MOST = 8 << 20,
};

/* A process, as much of it as tells it from all others. */
struct life_process {
	unsigned int pid, uid;
	unsigned long long start; /* ns since boot */
	char comm[LIFE_COMM];
};

/* Every record begins so. */
struct life_record {
	unsigned int program; /* enum life_program: what happened */
	unsigned int size;    /* bytes of the record */
	unsigned long long time; /* CLOCK_MONOTONIC ns */
	struct life_process process, parent;
};

struct life_exec {
	struct life_record record;
	unsigned int length; /* bytes of args that were read */
	unsigned int whole;  /* bytes the command line has */
	char args[];	     /* separated by NUL, as in /proc/PID/cmdline */
};

struct life_exit {
	struct life_record record;
	unsigned long long lived_ns, cpu_ns;
	unsigned int code; /* as wait(2) has it */
	unsigned int threads; /* that were still to end: 0 */
};

struct life_oom {
	struct life_record record; /* its parent is who asked for the memory */
	unsigned long long rss_pages; /* within some pages a CPU */
	int score_adj;
	unsigned int known; /* 0: of the victim only its pid is known */
};

#endif
