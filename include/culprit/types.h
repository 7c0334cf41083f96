/* The words of the contract: kinds, roles, types, units. Their numbers are part of the plug-in ABI and of the
 * recording format: they never change meaning, new ones are added at the end, and 0 is never valid. */
#ifndef CULPRIT_TYPES_H
#define CULPRIT_TYPES_H

#include <stdint.h>

/* Grows only when an existing plug-in could no longer be loaded. Adding fields at the end of a size-first struct
 * does not count. */
#define CULPRIT_ABI_VERSION 1u

/* What a row is. */
enum culprit_kind {
	CULPRIT_STATE = 1, /* a thing that lives: a process, a disk. A row not emitted has ended. */
	CULPRIT_EVENT = 2, /* a thing that happens once: an exec, an OOM kill. */
};

/* What a column means, and so how it behaves over a window. */
enum culprit_role {
	CULPRIT_KEY = 1,       /* identifies the row, together with the table's other key columns */
	CULPRIT_ATTRIBUTE = 2, /* describes the row; the last value counts */
	CULPRIT_GAUGE = 3,     /* a level; the last value counts */
	CULPRIT_COUNTER = 4,   /* cumulative; a window takes the difference */
	CULPRIT_PEAK = 5,      /* the maximum within one tick; a window takes the maximum of them */
	CULPRIT_HISTOGRAM = 6, /* cumulative bucket counts; a window takes the difference */
	CULPRIT_TIME = 7,      /* when an event happened, CLOCK_MONOTONIC ns; event tables only */
};

enum culprit_type {
	CULPRIT_I64 = 1,
	CULPRIT_U64 = 2,
	CULPRIT_F64 = 3,
	CULPRIT_BOOL = 4,
	CULPRIT_TEXT = 5,  /* any bytes, not only UTF-8; interned by core */
	CULPRIT_STACK = 6, /* a list of (module, offset), innermost first; interned by core */
	CULPRIT_TASK = 7,  /* a thread: tid and start time in USER_HZ ticks since boot; interned by core */
	CULPRIT_HIST = 8,  /* bucket counts; goes with the role CULPRIT_HISTOGRAM and with bounds */
};

/* What a column says of its values. */
enum culprit_column_flags {
	CULPRIT_THOUSANDS = 1, /* u64: whole thousands are kept (of ns: microseconds), the rest is cut off. A counter that is not followed
				* to the ns takes half the bytes in a recording */
	/* u64 attribute, one a table: the number of the counter (u64, in ns, of a group > 0) that grows with time while its group is
	 * not put, all else in that group standing still; 0: none. A thread that sleeps need not be put to go on sleeping. */
	CULPRIT_RUNNING = 2,
};

/* The unit of a value as stored. Display scales it (1.2G, 84.2ms); JSON does not. */
enum culprit_unit {
	CULPRIT_NONE = 1,          /* an identifier or a bare number */
	CULPRIT_COUNT = 2,         /* things */
	CULPRIT_BYTES = 3,
	CULPRIT_NS = 4,            /* a duration */
	CULPRIT_TICKS = 5,         /* USER_HZ ticks since boot: the start time of a task */
	CULPRIT_PERCENT = 6,       /* 38.0 is 38 %; the help says of what */
	CULPRIT_COUNT_PER_S = 7,
	CULPRIT_BYTES_PER_S = 8,
	CULPRIT_NS_PER_S = 9,
	CULPRIT_WALL_NS = 10,      /* an instant, ns since 1970-01-01Z */
	CULPRIT_MONO_NS = 11,      /* an instant, CLOCK_MONOTONIC ns */
	CULPRIT_HZ = 12,
};

/* How a table fared in one tick. */
enum culprit_table_state {
	CULPRIT_FRESH = 1,   /* sampled in this tick */
	CULPRIT_RESTING = 2, /* not due in this tick (longer period, or thinned): rows stay as they were */
	CULPRIT_FAILED = 3,  /* sampling failed; the reason says why; rows stay as they were, aging */
	CULPRIT_LATE = 4,    /* its helper has not answered yet; rows stay as they were, aging */
	CULPRIT_MISSING = 5, /* cannot be measured here; the reason says what is missing and what would bring it */
};

/* One sentence for the user: what happened, what it means, what to do. Not NUL-terminated input is never kept:
 * whoever fills it truncates and terminates. */
struct culprit_error {
	char sentence[256];
};

#endif
