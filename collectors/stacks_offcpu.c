#include "stacks_offcpu.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "procfs.h"
#include "sched_shared.h"
#include "stacks_columns.h"

enum { REASON = STACKS_OWN };
enum { PLACES_MIN = 8192, PLACES_MAX = 131072 };

#define SOURCE "tracepoint sched_switch; a wait shorter than 1 ms (run queue, idle?: 128 ms, idle: 1 s) by chance, with the weight that makes up for it"

static const struct culprit_column columns[] = {
	STACKS_COMMON("Kernel part of the stack"),
	[STACKS_COUNT] = COUNTER("waits", CULPRIT_COUNT, "How often it waited there; an estimate where waits are short", SOURCE),
	[STACKS_TIME] = COUNTER("time", CULPRIT_NS, "How long it waited there, in all", SOURCE),
	[REASON] = TEXT("reason", "What it waited for: disk, lock, net, memory, pipe, other, run queue (a CPU), idle (nothing to do), "
			"idle? (input or a condition)", "registers of the thread when it left its CPU"),
};

static const struct culprit_derived derived[] = {
	TIME_SHARE("wait_pct", "time", "Share of the window in which it waited here"),
	RATIO("wait_mean", "time", "waits", CULPRIT_NS, 1, "How long a wait here is, on average"),
	RATE("wait_rate", "waits", CULPRIT_COUNT_PER_S, "Waits a second"),
};

const struct culprit_table offcpu_table = {
	.size = sizeof(offcpu_table),
	.name = "offcpu",
	.kind = CULPRIT_STATE,
	.help = "Stacks that wait: where threads leave their CPU, why and for how long. A row ends when its stack was not seen for 20 "
		"samples",
	.key = "stack_thread",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "wait_pct",
	.show = "comm tid reason wait_pct wait_mean waits kernel_stack user_stack end",
};

unsigned offcpu_places(const struct culprit_host *host)
{
	char text[128];
	int fd = procfs_open(host->proc_fd, "loadavg");
	ssize_t n = fd < 0 ? fd : procfs_pread(fd, text, sizeof(text) - 1);
	unsigned places = PLACES_MIN;
	unsigned long threads = 0;
	const char *slash;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	slash = strchr(text, '/');
	if (slash)
		threads = strtoul(slash + 1, NULL, 10);
	while (places < PLACES_MAX && places < threads * 8)
		places *= 2;
	return places;
}

uint64_t offcpu_go_on(struct offcpu_thread *threads, unsigned places, struct stacks_rows *rows, uint64_t now_ns, uint32_t thinning)
{
	uint64_t sure = (uint64_t)OFFCPU_SURE_NS * (thinning ? thinning : 1), full = 0;

	for (unsigned i = 0; i < places; i++) {
		struct offcpu_thread *t = &threads[i], is;
		struct stacks_count count;
		struct stacks_key key;
		uint64_t from;

		if (!t->tid || !t->off || !t->taken)
			continue;
		is = *t;
		/* A short one is booked at its end, where it may weigh more. */
		if (is.preempted || is.reason >= SCHED_IDLE || !is.reason || now_ns <= is.since || now_ns - is.since < sure)
			continue;
		from = is.booked > is.since ? is.booked : is.since;
		if (now_ns <= from)
			continue;
		/* It runs again meanwhile: that has booked it. */
		if (*(volatile unsigned long long *)&t->since != is.since || !*(volatile unsigned char *)&t->off)
			continue;
		__atomic_store_n(&t->booked, now_ns, __ATOMIC_RELAXED);
		memset(&key, 0, sizeof(key));
		memset(&count, 0, sizeof(count));
		key.pid = is.pid;
		key.tid = is.tid;
		key.start = is.start;
		key.kernel = is.kernel;
		key.user = is.user;
		key.reason = is.reason;
		count.time_ns = now_ns - from;
		count.process_start = is.process_start;
		memcpy(count.comm, is.comm, sizeof(count.comm));
		full += !stacks_rows_add(rows, &key, &count);
	}
	return full;
}

void offcpu_put(void *ignored, struct culprit_frame *f, const struct stacks_row *row)
{
	static const char *const words[SCHED_REASONS] = {
		[SCHED_NONE] = "run queue", [SCHED_DISK] = "disk", [SCHED_LOCK] = "lock", [SCHED_NET] = "net",
		[SCHED_MEMORY] = "memory", [SCHED_PIPE] = "pipe", [SCHED_OTHER] = "other", [SCHED_IDLE] = "idle",
		[SCHED_IDLE_MAYBE] = "idle?",
	};

	(void)ignored;
	culprit_put_string(f, REASON, row->key.reason < SCHED_REASONS ? words[row->key.reason] : "other");
}
