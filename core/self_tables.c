#include "self_tables.h"

#include <culprit/collector.h>

static const struct culprit_column collector_columns[] = {
	[COLLECTOR_NAME] = {"name", CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE, 0, 0,
			    "as --collect and --without name it; (culprit) is the whole program, its helpers included"},
	[COLLECTOR_STATE] = {"state", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0,
			     "on, resting, late, failed, missing, off"},
	[COLLECTOR_REASON] = {"reason", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0,
			      "why it is not on, and what would change that"},
	[COLLECTOR_TABLES] = {"tables", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0, "the tables it fills"},
	[COLLECTOR_ORIGIN] = {"origin", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0,
			      "built-in, or the plug-in's file"},
	[COLLECTOR_PERIOD] = {"period", CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_NS, 0, 0, "time between its samples"},
	[COLLECTOR_CPU] = {"cpu_time", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_NS, 0, CULPRIT_THOUSANDS, "CPU time it has taken, that of its programs in the kernel included",
			   "CLOCK_THREAD_CPUTIME_ID around its sampling, and the table bpf"},
	[COLLECTOR_LAST] = {"last", CULPRIT_PEAK, CULPRIT_U64, CULPRIT_NS, 0, CULPRIT_THOUSANDS, "CPU time of its last sample"},
	[COLLECTOR_SAMPLES] = {"samples", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 0, 0, "samples taken"},
	[COLLECTOR_FAILURES] = {"failures", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 0, 0, "samples that failed"},
	[COLLECTOR_LATE] = {"late", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 0, 0,
			    "ticks in which its helper had not answered"},
	[COLLECTOR_ROWS] = {"rows", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 0, 0, "rows its tables hold"},
	[COLLECTOR_FOLDED] = {"folded", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 0, 0,
			      "tasks that are shown only in sums, because there are too many"},
	[COLLECTOR_THINNING] = {"thinning", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, 0, 0,
				"sampled every so many periods; 1 is every one"},
	[COLLECTOR_HELP] = {"help", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0, "what it measures"},
	[COLLECTOR_MEMORY] = {"memory", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_BYTES, 0, 0,
			      "memory of the program that is in RAM, the ring included", "/proc/self/statm field 2"},
	[COLLECTOR_KERNEL] = {"kernel_time", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_NS, 0, CULPRIT_THOUSANDS,
			      "the part of it that its programs in the kernel took", "run_time of the table bpf"},
};

static const struct culprit_derived collector_derived[] = {
	{"cpu", CULPRIT_RATE, CULPRIT_PERCENT, "cpu_time", NULL, 1e-7, 0, "CPU time, as a share of one CPU"},
	{"kernel_cpu", CULPRIT_RATE, CULPRIT_PERCENT, "kernel_time", NULL, 1e-7, 0,
	 "the part of its programs in the kernel, as a share of one CPU"},
	{"per_sample", CULPRIT_RATIO, CULPRIT_NS, "cpu_time", "samples", 1, 0, "CPU time of one sample"},
};

const struct culprit_table collector_table = {
	.size = sizeof(struct culprit_table),
	.name = "collector",
	.kind = CULPRIT_STATE,
	.help = "What measures here, what it costs, and what cannot be measured",
	.key = "collector",
	CULPRIT_COLUMNS(collector_columns),
	CULPRIT_DERIVED(collector_derived),
	.sort = "cpu",
	.show = "name state cpu per_sample rows tables reason",
};

static const struct culprit_column mark_columns[] = {
	[MARK_TIME] = {"time", CULPRIT_TIME, CULPRIT_U64, CULPRIT_MONO_NS, 0, 0, "when"},
	[MARK_KIND] = {"kind", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0,
		       "user, action (a signal sent, a priority changed), sampler, collector, clock, budget"},
	[MARK_TEXT] = {"text", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, 0, "what happened"},
};

const struct culprit_table mark_table = {
	.size = sizeof(struct culprit_table),
	.name = "mark",
	.kind = CULPRIT_EVENT,
	.help = "Marks on the timeline: set by the user, or by the program where what it measures changed",
	CULPRIT_COLUMNS(mark_columns),
	.show = "time kind text",
};
