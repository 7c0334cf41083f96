#include "stacks_faults.h"

#include "columns.h"

enum { REASON = STACKS_OWN };

#define SOURCE "perf_event page-faults: each major one, one in 997 minor ones with their weight"

static const struct culprit_column columns[] = {
	[STACKS_TID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "tid", "Thread id", "task_struct.pid"),
	[STACKS_START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it began, with the tid who it is",
				"task_struct.start_boottime"),
	[STACKS_ID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "stack_id", "Number of this stack of this thread",
			     "counted by culprit"),
	[STACKS_PID] = NUMBER("pid", CULPRIT_NONE, "Its process", "task_struct.tgid"),
	[STACKS_PROCESS_START] = NUMBER("process_start", CULPRIT_TICKS, "When its process began",
					"task_struct.group_leader.start_boottime"),
	[STACKS_COMM] = TEXT("comm", "Its name", "task_struct.comm"),
	[STACKS_KERNEL] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_STACK, CULPRIT_NONE, 0, "kernel_stack", "Kernel part of the stack",
				 "bpf_get_stack()"),
	[STACKS_USER] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_STACK, CULPRIT_NONE, 0, "user_stack",
			       "User part of the stack; none: a thread of the kernel", "walked in the kernel by .eh_frame"),
	[STACKS_COUNT] = COUNTER("count", CULPRIT_COUNT, "Page faults; an estimate where there are many", SOURCE),
	[STACKS_TIME] = COUNTER("bytes", CULPRIT_BYTES, "Memory that came with them, a page each: large pages are more", SOURCE),
	[STACKS_END] = TEXT("end", "Why the user part ends before its outermost frame; empty: it is whole",
			    "walked in the kernel by .eh_frame"),
	[REASON] = TEXT("reason", "major: it was read from a disk; minor: it was made, or was in memory already", SOURCE),
};

static const struct culprit_derived derived[] = {
	RATE("byte_rate", "bytes", CULPRIT_BYTES_PER_S, "Memory touched anew a second"),
	RATE("fault_rate", "count", CULPRIT_COUNT_PER_S, "Page faults a second"),
};

const struct culprit_table faults_table = {
	.size = sizeof(faults_table),
	.name = "faults",
	.kind = CULPRIT_STATE,
	.help = "Stacks that touch memory which is not there yet: who makes a process grow, who reads what was not in memory. A row ends "
		"when its stack was not seen for 20 samples",
	.key = "stack_thread",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "byte_rate",
	.show = "comm tid reason byte_rate count kernel_stack user_stack end",
};

void faults_put(void *ignored, struct culprit_frame *f, const struct stacks_row *row)
{
	(void)ignored;
	culprit_put_string(f, REASON, row->key.reason ? "major" : "minor");
}
