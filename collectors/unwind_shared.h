/* What the walk of stacks in the kernel (unwind.bpf.h) and who feeds it (stacks_code.c) share in memory. Plain types: both
 * compilers read it. Rows and rules are those of culprit/unwind.h. */
#ifndef COLLECTORS_UNWIND_SHARED_H
#define COLLECTORS_UNWIND_SHARED_H

#include <culprit/unwind.h>

enum {
	UNWIND_FRAMES = 127,      /* of a stack; what the kernel gives at most by default, too */
	UNWIND_ROWS = 1 << 21,    /* of all modules together, with their indexes: 16 MiB */
	UNWIND_PAGE_SHIFT = 10,   /* of code: what an index tells apart */
	UNWIND_RULES = 1 << 14,   /* rules beyond count as CULPRIT_CFA_UNKNOWN */
	UNWIND_MAPPINGS = 1 << 14, /* of all processes together */
	UNWIND_PROCESSES = 4096,
	UNWIND_STRANGERS = 2048,  /* a power of two */
	UNWIND_STRANGER_LONG = 64, /* walks, of one process */
	UNWIND_FILES = 2048,
	UNWIND_OFFSET_BITS = 40,
	UNWIND_NEWS_BYTES = 1 << 15,
	UNWIND_WALKS = 5,         /* at a time on one CPU, enum unwind_walk: a sample may interrupt a switch */
	UNWIND_TELL_NS = 200000000,
};

/* Whose walk it is. Programs with one number never interrupt each other. */
enum unwind_walk {
	UNWIND_OF_SAMPLE, /* perf_event programs: the kernel lets one of them run at a time */
	UNWIND_OF_SWITCH,
	UNWIND_OF_BLOCKIO,
	UNWIND_OF_LOCK,
	UNWIND_OF_HEAP, /* always at the first instruction of a function */
};

/* What stands in a mapping. */
enum unwind_kind {
	UNWIND_PENDING = 0, /* its rows are not here (yet) */
	UNWIND_TABLE = 1,   /* has rows */
	UNWIND_BY_FP = 2,   /* generated code, or a file without any call frame information: by frame pointers */
};

/* The rows of a module, ascending, and behind them an index: to look for a place among all rows of a large file reads memory from
 * one end of them to the other, which nobody has read since the sample before. Number i of the index, two in the room of a row
 * (pc, rule), says how many rows are before page `page` + i of the code; i <= pages. */
struct unwind_rows {
	unsigned int first, n;
	unsigned int page, pages; /* pages 0: it has none */
};

/* Executable memory of a process. */
struct unwind_mapping {
	unsigned long long start, end;
	unsigned long long offset; /* in the file, of start */
	struct unwind_rows rows;
	unsigned int kind;         /* enum unwind_kind; written last */
	unsigned int generated;
};

/* A file as the kernel knows it: what is written anew is another one. Of the vdso its size alone. */
struct unwind_file_key {
	unsigned long long ino, size, changed;
	unsigned int dev, generation;
};

/* A file whose code was seen in a process before: the next one that runs it is walked at once. */
struct unwind_file {
	unsigned int module;
	unsigned int kind; /* enum unwind_kind */
	struct unwind_rows rows;
};

/* A place in such a file, in place of an address in a process of which nothing else is known. */
#define UNWIND_IN_FILE(module, offset) (1ull << 63 | (unsigned long long)(module) << UNWIND_OFFSET_BITS | (offset))
#define UNWIND_IS_IN_FILE(pc) ((pc) >> 63)
#define UNWIND_MODULE_OF(pc) ((unsigned int)((pc) >> UNWIND_OFFSET_BITS & 0x7fffff))
#define UNWIND_OFFSET_OF(pc) ((pc) & ((1ull << UNWIND_OFFSET_BITS) - 1))

/* By process id, made by user space. */
struct unwind_process {
	unsigned long long mm; /* the address of its memory in the kernel: another one after exec */
	unsigned int first, n; /* its mappings, ascending */
	unsigned long long told_ns; /* when user space was last told that it has loaded a library */
};

/* A process of which user space does not know the mappings, or those before it ran another program, at place pid % UNWIND_STRANGERS;
 * who comes there next has it. Most live shortly and run files that are known: of these nothing more is wanted. User space
 * is told of one that meets something else, and of one that lives long, for walks by what is known of it are cheaper. */
struct unwind_stranger {
	unsigned int pid;
	unsigned int walks;
	unsigned long long mm;
	unsigned long long told_ns;
	unsigned long long start;    /* of one of its mappings, of a file that is not known; 0: none */
	struct unwind_file_key file; /* that */
};

/* A process whose mappings are wanted, told at once: it may be gone soon. */
struct unwind_news {
	unsigned int pid, end;
};

/* One part, kernel or user, of a stack. Innermost first; of callers the address before the one they return to. */
struct unwind_stack {
	unsigned short n;
	unsigned short end; /* enum culprit_unwind_end */
	unsigned int epoch; /* of who keeps it: when it was seen last */
	unsigned long long pcs[UNWIND_FRAMES];
};

#endif
