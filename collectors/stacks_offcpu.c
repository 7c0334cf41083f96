#include "stacks_offcpu.h"

#include <string.h>

#include <bpf/bpf.h>

#include "bpf.h"
#include "sched_shared.h"
#include "stacks_columns.h"

enum { REASON = STACKS_OWN };
enum { OFFCPU_WINDOW = 256 /* places mapped at a time: a power of two, no more than there are */ };

#define SOURCE "tracepoint sched_switch; a wait shorter than 1 ms (run queue, idle?: 128 ms, idle: 1 s) by chance, with the weight that makes up for it"

static const struct culprit_column columns[] = {
	STACKS_COMMON("Kernel part of the stack"),
	STACKS_WAITS("How long it waited there, in all", SOURCE),
	[REASON] = TEXT("reason", "What it waited for: disk, lock, net, memory, pipe, other, run queue (a CPU), idle (nothing to do), "
			"idle? (input, a condition, asynchronous I/O)", "registers of the thread when it left its CPU"),
};

static const struct culprit_derived derived[] = {
	STACKS_WAITS_DERIVED,
};

const struct culprit_table offcpu_table = {
	STACKS_TABLE,
	.name = "offcpu",
	.help = "Stacks that wait: where threads leave their CPU, why and for how long. " STACKS_ROW_ENDS,
	.sort = "wait_pct",
	.show = "comm tid reason wait_pct wait_mean waits kernel_stack user_stack end",
};

/* A short one is booked at its end, where it may weigh more. */
static bool is_long(const struct offcpu_thread *is, uint64_t now_ns, uint64_t sure)
{
	return now_ns > is->since && now_ns - is->since >= sure && now_ns > is->booked;
}

/* One that waits, as it was read a moment ago. False: it found no row. */
static bool go_on(struct offcpu_thread *t, const struct offcpu_thread *is, struct stacks_rows *rows, uint64_t now_ns)
{
	uint64_t from = is->booked > is->since ? is->booked : is->since;
	struct stacks_count count;
	struct stacks_key key;

	/* It runs again meanwhile: that has booked it. */
	if (*(volatile unsigned long long *)&t->since != is->since || !*(volatile unsigned char *)&t->off)
		return true;
	__atomic_store_n(&t->booked, now_ns, __ATOMIC_RELAXED);
	memset(&key, 0, sizeof(key));
	memset(&count, 0, sizeof(count));
	key.pid = is->pid;
	key.tid = is->tid;
	key.start = is->start;
	key.kernel = is->kernel;
	key.user = is->user;
	key.reason = is->reason;
	count.time_ns = now_ns - from;
	count.process_start = is->process_start;
	memcpy(count.comm, is->comm, sizeof(count.comm));
	return stacks_rows_add(rows, &key, &count);
}

uint64_t offcpu_go_on(uint64_t *marks, int threads_fd, unsigned places, struct stacks_rows *rows, uint64_t now_ns, uint32_t thinning)
{
	uint64_t sure = (uint64_t)OFFCPU_SURE_NS * (thinning ? thinning : 1), full = 0;
	const size_t stride = bpf_stride(sizeof(struct offcpu_thread));
	struct bpf_window window;
	unsigned at = 0; /* of the window */
	char *mapped = NULL;

	for (unsigned i = 0; i < places; i++) {
		struct offcpu_thread is;

		if (i % OFFCPU_MARKS == 0 && !__atomic_load_n(&marks[i / OFFCPU_MARKS], __ATOMIC_RELAXED)) {
			i += OFFCPU_MARKS - 1;
			continue;
		}
		/* The mark goes before the place is looked at: a wait that begins now marks it again. */
		if (!__atomic_exchange_n((uint8_t *)marks + i, 0, __ATOMIC_SEQ_CST))
			continue;
		/* Most that are marked run again: to map them costs many times that. */
		if (bpf_map_lookup_elem(threads_fd, &i, &is) || !is.tid || !is.off || !OFFCPU_GOES_ON(is.reason))
			continue;
		__atomic_store_n((uint8_t *)marks + i, 1, __ATOMIC_RELAXED);
		if (!is_long(&is, now_ns, sure))
			continue;
		/* Few are: all places together would be many pages to map, for nothing. */
		if (mapped && i >= at + OFFCPU_WINDOW) {
			bpf_window_close(&window);
			mapped = NULL;
		}
		if (!mapped) {
			at = i / OFFCPU_WINDOW * OFFCPU_WINDOW;
			mapped = bpf_window_open(&window, threads_fd, at * stride, OFFCPU_WINDOW * stride);
		}
		if (!mapped)
			break;
		full += !go_on((void *)(mapped + (i - at) * stride), &is, rows, now_ns);
	}
	if (mapped)
		bpf_window_close(&window);
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
