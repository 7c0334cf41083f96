#include "stacks_faults.h"

#include "stacks_columns.h"

enum { REASON = STACKS_OWN };

#define SOURCE "perf_event page-faults: each major one, one in 997 minor ones with their weight"

static const struct culprit_column columns[] = {
	STACKS_COMMON("Kernel part of the stack"),
	[STACKS_COUNT] = COUNTER("count", CULPRIT_COUNT, "Page faults; an estimate where there are many", SOURCE),
	[STACKS_TIME] = COUNTER("bytes", CULPRIT_BYTES, "Memory that came with them, a page each: large pages are more", SOURCE),
	[REASON] = TEXT("reason", "major: it was read from a disk; minor: it was made, or was in memory already", SOURCE),
};

static const struct culprit_derived derived[] = {
	RATE("byte_rate", "bytes", CULPRIT_BYTES_PER_S, "Memory touched anew a second"),
	RATE("fault_rate", "count", CULPRIT_COUNT_PER_S, "Page faults a second"),
};

const struct culprit_table faults_table = {
	STACKS_TABLE,
	.name = "faults",
	.help = "Stacks that touch memory which is not there yet: who makes a process grow, who reads what was not in memory. " STACKS_ROW_ENDS,
	.sort = "byte_rate",
	.show = "comm tid reason byte_rate count kernel_stack user_stack end",
};

void faults_put(void *ignored, struct culprit_frame *f, const struct stacks_row *row)
{
	(void)ignored;
	culprit_put_string(f, REASON, row->key.reason ? "major" : "minor");
}
