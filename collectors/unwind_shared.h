/* What the walk of stacks in the kernel (unwind.bpf.h) and who feeds it (stacks_code.c) share in memory. Plain types: both
 * compilers read it. Rows and rules are those of culprit/unwind.h. */
#ifndef COLLECTORS_UNWIND_SHARED_H
#define COLLECTORS_UNWIND_SHARED_H

#include <culprit/unwind.h>

enum {
	UNWIND_FRAMES = 127,      /* of a stack; what the kernel gives at most by default, too */
	UNWIND_ROWS = 1 << 21,    /* of all modules together: 16 MiB */
	UNWIND_RULES = 1 << 14,   /* rules beyond count as CULPRIT_CFA_UNKNOWN */
	UNWIND_MAPPINGS = 1 << 14, /* of all processes together */
	UNWIND_PROCESSES = 4096,
	UNWIND_NEWS_BYTES = 1 << 15,
	UNWIND_WALKS = 2,         /* at a time on one CPU: a sample may interrupt a switch */
	UNWIND_TELL_NS = 200000000,
};

/* What stands in a mapping. */
enum unwind_kind {
	UNWIND_PENDING = 0, /* its rows are not here (yet) */
	UNWIND_TABLE = 1,   /* has rows */
	UNWIND_BY_FP = 2,   /* generated code, or a file without any call frame information: by frame pointers */
};

/* Executable memory of a process. */
struct unwind_mapping {
	unsigned long long start, end;
	unsigned long long offset; /* in the file, of start */
	unsigned int first, n;     /* its rows */
	unsigned int kind;         /* enum unwind_kind; written last */
	unsigned int generated;
};

/* By process id. The program makes an element of a process it does not know; user space fills it in. */
struct unwind_process {
	unsigned long long mm; /* the address of its memory in the kernel: another one after exec */
	unsigned int first, n; /* its mappings, ascending; none: not known yet */
	unsigned long long told_ns; /* when user space was last told of it */
};

/* A process whose stacks could not be walked, told at once: it may be gone soon. */
struct unwind_news {
	unsigned int pid, end;
};

/* One part, kernel or user, of a stack. Innermost first; of callers the address before the one they return to. */
struct unwind_stack {
	unsigned int n;
	unsigned int end; /* enum culprit_unwind_end */
	unsigned long long pcs[UNWIND_FRAMES];
};

#endif
