/* Columns that all tables of stacks have, in the places of stacks_rows.h. */
#ifndef COLLECTORS_STACKS_COLUMNS_H
#define COLLECTORS_STACKS_COLUMNS_H

#include "columns.h"
#include "stacks_rows.h"

#define STACKS_COMMON(kernel_help) \
	[STACKS_TID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "tid", "Thread id", "task_struct.pid"), \
	[STACKS_START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it began, with the tid who it is", \
				"task_struct.start_boottime"), \
	[STACKS_ID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "stack_id", "Number of this stack of this thread", \
			     "counted by culprit"), \
	[STACKS_PID] = NUMBER("pid", CULPRIT_NONE, "Its process", "task_struct.tgid"), \
	[STACKS_PROCESS_START] = NUMBER("process_start", CULPRIT_TICKS, "When its process began", \
					"task_struct.group_leader.start_boottime"), \
	[STACKS_COMM] = TEXT("comm", "Its name", "task_struct.comm"), \
	[STACKS_KERNEL] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_STACK, CULPRIT_NONE, 0, "kernel_stack", kernel_help, "bpf_get_stack()"), \
	[STACKS_USER] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_STACK, CULPRIT_NONE, 0, "user_stack", \
			       "User part of the stack; none: a thread of the kernel", "walked in the kernel by .eh_frame"), \
	[STACKS_END] = TEXT("end", "Why the user part ends before its outermost frame; empty: it is whole", \
			    "walked in the kernel by .eh_frame")

/* Waits that somebody began, as they were kept by chance, with the weight that makes up for it. */
#define STACKS_WAITS(time_help, source) \
	[STACKS_COUNT] = COUNTER("waits", CULPRIT_COUNT, "How often it waited there; an estimate where waits are short", source), \
	[STACKS_TIME] = COUNTER("time", CULPRIT_NS, time_help, source)
#define STACKS_WAITS_DERIVED \
	TIME_SHARE("wait_pct", "time", "Share of the window in which it waited here"), \
	RATIO("wait_mean", "time", "waits", CULPRIT_NS, 1, "How long a wait here is, on average"), \
	RATE("wait_rate", "waits", CULPRIT_COUNT_PER_S, "Waits a second")

/* What a table of stacks is, besides its name, help, order and what is shown; of `columns` and `derived`. */
#define STACKS_TABLE \
	.size = sizeof(struct culprit_table), .kind = CULPRIT_STATE, .key = "stack_thread", CULPRIT_COLUMNS(columns), \
	CULPRIT_DERIVED(derived), .parent = "process", .parent_columns = "pid process_start"
/* How its help ends, where rows end by themselves. */
#define STACKS_ROW_ENDS "A row ends when its stack was not seen for 20 samples"

#endif
