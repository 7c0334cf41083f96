/* In place of the collectors that need programs in the kernel, where there are none in the build (BPF=0): their tables by name, and
 * why they are not there. Nothing is silently missing. tests/tables_test.sh looks whether all are named. */
#include "unbuilt.h"

#ifdef CULPRIT_NO_BPF

#include <errno.h>
#include <stdio.h>

#include "builtin.h"
#include "columns.h"

static const struct culprit_column columns[] = {KEY_ID};

static int probe(const struct culprit_host *host, struct culprit_error *error)
{
	(void)host;
	*error = (struct culprit_error){UNBUILT_WHY};
	return -ENOTSUP;
}

static int cannot_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	(void)ret_self;
	return probe(host, error);
}

static int sample(void *self, struct culprit_frame *f)
{
	(void)self, (void)f;
	return -ENOTSUP;
}

static void close_nothing(void *self)
{
	(void)self;
}

#define TABLE(name_)                                                                                                   \
	&(const struct culprit_table)                                                                                  \
	{                                                                                                              \
		.size = sizeof(struct culprit_table), .name = name_, .kind = CULPRIT_STATE,                            \
		.help = "Not in this build", .key = "unbuilt", CULPRIT_COLUMNS(columns), .sort = "id", .show = "id"                  \
	}
#define COLLECTOR(name_, ...)                                                                                          \
	static const struct culprit_table *const name_##_tables[] = {__VA_ARGS__};                                     \
	const struct culprit_collector name_##_collector = {                                                           \
		.size = sizeof(name_##_collector), .abi = CULPRIT_ABI_VERSION, .flags = CULPRIT_OPEN_LATER, .name = #name_,                         \
		.help = "Not in this build: it needs programs in the kernel", .tables = name_##_tables,                \
		.ntables = sizeof(name_##_tables) / sizeof(name_##_tables[0]), .probe = probe, .open = cannot_open,    \
		.sample = sample, .close = close_nothing}

COLLECTOR(sched, TABLE("runq"), TABLE("runq_task"), TABLE("thread_time"), TABLE("runq_slow"),
	  TABLE("thread_waker"));
COLLECTOR(disk_latency, TABLE("disk_latency"), TABLE("disk_process"), TABLE("disk_user"), TABLE("disk_slow"));
COLLECTOR(lifecycle, TABLE("lifecycle"), TABLE("children"), TABLE("oom_kill"));
COLLECTOR(interrupt, TABLE("softirq"), TABLE("irq"));
COLLECTOR(reclaim, TABLE("reclaim"), TABLE("reclaim_process"), TABLE("reclaim_slow"));
COLLECTOR(stacks, TABLE("oncpu"), TABLE("offcpu"), TABLE("faults"), TABLE("blockio"), TABLE("kernel_lock"),
	  TABLE("heap"), TABLE("heap_probe"));

#endif
