/* Figures of processes that a program in the kernel adds up: which element of its arrays belongs to whom. Programs take
 * elements from a free list (bpf_process.bpf.h), user space gives back those of processes that have ended, so that nothing
 * is lost while there is room and nothing is taken under memory pressure. One such set an object. */
#ifndef COLLECTORS_BPF_PROCESS_H
#define COLLECTORS_BPF_PROCESS_H

enum { BPF_PROCESSES = 4096, BPF_PROCESS_COMM = 16 }; /* at most; a power of 2. How many by the box: bpf_processes_room() */

/* A thread, and the process it belongs to. Starts are ns since boot. */
struct bpf_task {
	unsigned int pid, tid;
	unsigned long long process_start, start;
	char comm[BPF_PROCESS_COMM]; /* of the thread */
};

/* Element i belongs to the process; pid 0: to none, or not yet. */
struct bpf_process {
	unsigned long long pid, start;
	char comm[BPF_PROCESS_COMM];
};

/* Written by the program: over, head; by user space: tail, list. Elements list[head .. tail) are free. */
struct bpf_process_free {
	unsigned long long head, tail;
	unsigned long long over; /* events of processes that found no room */
	unsigned int list[BPF_PROCESSES];
};

#endif
