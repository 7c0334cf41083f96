/* The scheduler's collector: loads sched.bpf.c and reads what it gathers. Here also table `runq`, run-queue latency by CPU;
 * `runq_task` is in sched_watch.c, `runq_slow` in sched_slow.c, `thread_time` in sched_threads.c,
 * `thread_waker` in sched_wakers.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "builtin.h"
#include "columns.h"
#include "sched_internal.h"
#include "sched_switch.h"
#include "sched.skel.h"

enum { CPU, GENERATION, WAITS, WAIT_TIME, LONGEST, THROTTLED, WAIT };
enum { RECORDS = 256, MANY_BACK = 18000 /* threads: all are told of again below it */ };

static const char left_out[] = "more than 20,000 threads: those that have nothing to do are left out, but of the process looked at";

#define SOURCE "tracepoint sched_switch, task_struct.sched_info.last_queued"

static const struct culprit_bounds wait_bounds = {.kind = CULPRIT_LOG_LINEAR, .count = BPF_HIST_SLOTS};

static const struct culprit_column columns[] = {
	[CPU] = COLUMN(CULPRIT_KEY, CULPRIT_I64, CULPRIT_NONE, 0, "cpu", "Number of the CPU; -1: all CPUs together", SOURCE),
	[GENERATION] = KEY_GENERATION("CPU"),
	[WAITS] = COUNTER("waits", CULPRIT_COUNT, "Times a task was given this CPU, having waited for it or not", SOURCE),
	[WAIT_TIME] = COUNTER("wait_time", CULPRIT_NS, "Time tasks wanted to run and waited for this CPU, added up", SOURCE),
	[LONGEST] = COLUMN(CULPRIT_PEAK, CULPRIT_U64, CULPRIT_NS, 0, "longest", "Longest wait for this CPU", SOURCE),
	[THROTTLED] = COUNTER("throttled", CULPRIT_NS, "Of tasks that came to run here: time in which a quota forbade it; not part "
			      "of wait", "cfs_rq.throttled_clock_pelt_time"),
	[WAIT] = {.name = "wait", .role = CULPRIT_HISTOGRAM, .type = CULPRIT_HIST, .unit = CULPRIT_NS,
		  .help = "Waits for this CPU, from being runnable (woken, or pushed aside) to running", .source = SOURCE,
		  .bounds = &wait_bounds},
};

#define PERCENTILE(name_, a_, percent_, help_)                                                                         \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_PERCENTILE, .unit = CULPRIT_NS, .a = (a_), .arg = (percent_),           \
		.help = (help_)                                                                                        \
	}

static const struct culprit_derived derived[] = {
	PERCENTILE("wait_p50", "wait", 50, "Half of the waits were shorter"),
	PERCENTILE("wait_p90", "wait", 90, "9 of 10 waits were shorter"),
	PERCENTILE("wait_p99", "wait", 99, "99 of 100 waits were shorter"),
	RATIO("wait_mean", "wait_time", "waits", CULPRIT_NS, 1, "Mean wait"),
	RATE("wait_rate", "waits", CULPRIT_COUNT_PER_S, "Times a task was given this CPU"),
	TIME_SHARE("waiting", "wait_time", "Tasks that waited on average: 100 % is one task all the time"),
};

static const struct culprit_table runq_table = {
	.size = sizeof(runq_table),
	.name = "runq",
	.kind = CULPRIT_STATE,
	.help = "Run-queue latency: how long tasks wait for each CPU; -1 is all of them together",
	.key = "cpu",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = NULL,
	.show = "cpu wait_rate wait_p50 wait_p90 wait_p99 longest wait_mean waiting waits",
};

struct sched {
	const struct culprit_host *host;
	struct sched_switch *at;
	struct bpf_unit *unit; /* of *at, as skeleton */
	struct sched_bpf *skeleton;
	struct sched_cpu *cpus;
	struct sched_threads threads;
	struct sched_watcher watcher;
	struct sched_slows slows;
	struct sched_wakers wakers;
	uint64_t lost, lost_threads;
	uint64_t boot_before_ns, mono_before_ns;
	uint64_t read_ns; /* when the first thread of this sample was read */
	bool sampled, forget;
	bool whole; /* the next read must have records of all */
	bool many;  /* so many threads that those that sleep are left out */
	uint32_t looked_at; /* process; 0: none */
	struct sched_record records[RECORDS]; /* as many bytes: a record may also be a struct sched_same */
};

static void sched_close(void *self)
{
	struct sched *s = self;

	/* Others may go on without us. */
	if (s->at) {
		sched_wakers_follow(&s->wakers, 0, 0);
		sched_watch_finish(&s->watcher);
	}
	sched_slows_finish(&s->slows);
	sched_switch_put(s->at, SCHED_FOR_TABLES);
	sched_threads_finish(&s->threads);
	free(s);
}

/* Others may have had all of it loaded for long: what was counted until now is not of our first sample. */
static void begin_from_here(struct sched *s)
{
	const struct culprit_program *programs;

	bpf_programs(s->unit, &programs);
	s->lost = programs[SCHED_SWITCH].lost;
	for (unsigned cpu = 0; cpu < bpf_cpus(); cpu++) {
		struct sched_cpu *c = (void *)((char *)s->cpus + cpu * bpf_stride(sizeof(*c)));

		c->longest[0] = c->longest[1] = 0;
	}
}

static int sched_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->host = host;
	if (sched_threads_init(&s->threads, host)) {
		free(s);
		return -ENOMEM;
	}
	s->at = sched_switch_get(host, SCHED_FOR_TABLES, error);
	if (!s->at) {
		sched_close(s);
		return -ENOTSUP;
	}
	s->unit = s->at->unit;
	s->skeleton = s->at->skeleton;
	s->wakers = (struct sched_wakers){.unit = s->unit, .skeleton = s->skeleton, .start_unit_ns = s->threads.start_unit_ns,
					 .lost = __atomic_load_n(&s->skeleton->bss->sched_wake_over, __ATOMIC_RELAXED)};
	s->cpus = s->at->cpus;
	s->watcher.watch = s->at->watch;
	s->watcher.watched = s->at->watched;
	if (sched_slows_init(&s->slows, s->skeleton, s->threads.start_unit_ns)) {
		if (error)
			snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		sched_close(s);
		return -ENOMEM;
	}
	begin_from_here(s);
	*ret_self = s;
	return 0;
}

/* --- run queues -------------------------------------------------------------------------------------------------- */

/* begins: it counts from 0 on. */
static void put_cpu(struct culprit_frame *f, int64_t number, const struct sched_cpu *c, uint64_t longest, bool begins)
{
	uint64_t counts[BPF_HIST_SLOTS];

	for (unsigned i = 0; i < BPF_HIST_SLOTS; i++)
		counts[i] = c->wait[i];
	culprit_row(f);
	if (begins)
		culprit_born(f);
	culprit_put_i64(f, CPU, number);
	culprit_put_u64(f, GENERATION, 0);
	culprit_put_u64(f, WAITS, c->waits);
	culprit_put_u64(f, WAIT_TIME, c->wait_ns);
	culprit_put_u64(f, LONGEST, longest);
	culprit_put_u64(f, THROTTLED, c->throttled_ns);
	culprit_put_histogram(f, WAIT, counts, BPF_HIST_SLOTS);
	culprit_end(f);
}

static void put_runq(struct sched *s, struct culprit_frame *f, uint32_t epoch)
{
	struct sched_cpu all = {0};
	uint64_t longest = 0;

	for (unsigned cpu = 0; cpu < bpf_cpus(); cpu++) {
		struct sched_cpu *c = (void *)((char *)s->cpus + cpu * bpf_stride(sizeof(*c)));
		uint64_t peak = c->longest[epoch];

		c->longest[epoch] = 0;
		if (!c->waits)
			continue;
		put_cpu(f, cpu, c, peak, s->sampled);
		longest = peak > longest ? peak : longest;
		all.waits += c->waits;
		all.wait_ns += c->wait_ns;
		all.throttled_ns += c->throttled_ns;
		for (unsigned i = 0; i < BPF_HIST_SLOTS; i++)
			all.wait[i] += c->wait[i];
	}
	put_cpu(f, -1, &all, longest, false);
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

/* Takes in the whole records among so many bytes. Returns how many bytes those are, or -EBADMSG. */
static ssize_t take_records(struct sched *s, size_t have)
{
	const char *bytes = (const char *)s->records;
	size_t at = 0;
	unsigned size;

	for (; have - at >= sizeof(struct sched_same); at += size) {
		const struct sched_record *r = (const void *)(bytes + at); /* both are multiples of 8 bytes long */
		const struct sched_same *same = (const void *)(bytes + at);
		uint64_t read_ns;

		size = r->size;
		if (size != sizeof(*r) && size != sizeof(*same))
			return -EBADMSG;
		if (have - at < size)
			break;
		read_ns = size == sizeof(*same) ? same->at : r->at;
		if (!s->read_ns)
			s->read_ns = read_ns;
		if (size == sizeof(*same))
			s->whole |= sched_threads_take_same(&s->threads, same) != 0;
		else
			s->whole |= sched_threads_take(&s->threads, r, s->boot_before_ns) == -ENOMEM;
	}
	return (ssize_t)at;
}

/* Everybody, in one pass. 0, or -errno: no iterator here. */
static int read_threads(struct sched *s)
{
	int fd = bpf_iterate(s->unit, SCHED_THREADS);
	uint64_t now_ns = s->host->now_ns(s->host, CULPRIT_MONOTONIC);
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	s->skeleton->bss->sched_whole = s->whole || !s->threads.sample;
	s->skeleton->bss->sched_read++;
	s->skeleton->bss->sched_sleepers = s->many ? now_ns - SCHED_SLEEPER_NS : 0;
	s->skeleton->bss->sched_looked_at = s->looked_at;
	s->skeleton->bss->sched_met = 0;
	s->whole = false;
	s->threads.sample++;
	s->read_ns = 0;
	while ((n = read(fd, (char *)s->records + have, sizeof(s->records) - have)) != 0) {
		ssize_t taken;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		taken = n < 0 ? -errno : take_records(s, have + (size_t)n);
		if (taken < 0) {
			n = taken;
			break;
		}
		have += (size_t)n - (size_t)taken;
		memmove(s->records, (char *)s->records + taken, have);
	}
	close(fd);
	/* Of whom it would have told is not known now. */
	s->whole |= n < 0;
	/* Who wants whole rows (`dump`) gets all there is room for. */
	s->many = !s->threads.whole && s->skeleton->bss->sched_met >= (s->many ? MANY_BACK : SCHED_THREADS_MOST);
	sched_threads_sweep(&s->threads);
	return (int)n;
}

static void put_threads(struct sched *s, struct culprit_frame *f, uint32_t epoch)
{
	uint64_t boot = s->host->now_ns(s->host, CULPRIT_BOOT), mono;
	const char *why = bpf_reason(s->unit, SCHED_THREADS);
	int r;

	s->skeleton->bss->sched_forget = s->forget;
	r = read_threads(s);
	s->skeleton->bss->sched_forget = s->forget = false;
	if (r) {
		why = bpf_reason(s->unit, SCHED_THREADS);
		culprit_state(f, SCHED_TABLE_TASK, CULPRIT_MISSING, why ? why : strerror(-r));
		culprit_state(f, SCHED_TABLE_TIME, CULPRIT_MISSING, why ? why : strerror(-r));
		return;
	}
	sched_watch_choose(&s->watcher, &s->threads);
	culprit_table(f, SCHED_TABLE_TASK);
	sched_watch_put(&s->watcher, &s->threads, f, epoch);
	if (!sched_switch_follows(s->at, &why)) {
		culprit_state(f, SCHED_TABLE_TIME, CULPRIT_MISSING, why);
		s->mono_before_ns = 0;
	} else {
		mono = s->read_ns ? s->read_ns : s->host->now_ns(s->host, CULPRIT_MONOTONIC);
		culprit_table_at(f, SCHED_TABLE_TIME, mono);
		sched_threads_put(&s->threads, f, s->mono_before_ns ? mono - s->mono_before_ns : 0);
		s->mono_before_ns = mono;
		if (s->many)
			culprit_state(f, SCHED_TABLE_TIME, CULPRIT_FRESH, left_out);
	}
	s->boot_before_ns = boot;
}

/* Wakers need what the switch tells: since when a thread waits, and for what. */
static void put_wakers(struct sched *s, struct culprit_frame *f)
{
	const char *why;

	if (!s->wakers.pid) {
		/* What there was has ended; from then on the table rests. */
		if (s->wakers.shown)
			culprit_table(f, SCHED_TABLE_WAKER);
		s->wakers.shown = false;
		return;
	}
	if (!sched_switch_follows(s->at, &why) || !bpf_is_on(s->unit, SCHED_WAKER)) {
		culprit_state(f, SCHED_TABLE_WAKER, CULPRIT_MISSING, why ? why : bpf_reason(s->unit, SCHED_WAKER));
		return;
	}
	s->wakers.shown = true;
	culprit_table(f, SCHED_TABLE_WAKER);
	sched_wakers_put(&s->wakers, f);
}

static void sched_interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct sched *s = self;
	uint32_t pid = 0;
	uint64_t start = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].table, sched_waker_table.name) != 0 || !list[i].nkey)
			continue;
		pid = (uint32_t)list[i].key[0];
		start = list[i].nkey > 1 ? list[i].key[1] : 0;
	}
	/* Its threads that sleep are not known then. */
	s->whole |= s->many && pid != s->looked_at;
	s->looked_at = pid;
	sched_wakers_follow(&s->wakers, pid, start);
}

static int sched_sample(void *self, struct culprit_frame *f)
{
	struct sched *s = self;
	uint32_t epoch = s->skeleton->bss->sched_epoch++ & 1;
	const struct culprit_program *programs;

	if (bpf_is_on(s->unit, SCHED_SWITCH)) {
		culprit_table(f, SCHED_TABLE_RUNQ);
		put_runq(s, f, epoch);
		culprit_table(f, SCHED_TABLE_SLOW);
		sched_slows_put(&s->slows, f);
	} else {
		culprit_state(f, SCHED_TABLE_RUNQ, CULPRIT_MISSING, bpf_reason(s->unit, SCHED_SWITCH));
		culprit_state(f, SCHED_TABLE_SLOW, CULPRIT_MISSING, bpf_reason(s->unit, SCHED_SWITCH));
	}
	put_threads(s, f, epoch);
	put_wakers(s, f);
	bpf_programs(s->unit, &programs);
	bpf_say_fill(s->unit, SCHED_SWITCH, s->threads.used, s->at->places);
	culprit_lost(f, SCHED_TABLE_RUNQ, programs[SCHED_SWITCH].lost - s->lost);
	culprit_lost(f, SCHED_TABLE_TIME, s->threads.too_many - s->lost_threads);
	s->lost = programs[SCHED_SWITCH].lost;
	s->lost_threads = s->threads.too_many;
	s->sampled = true;
	return 0;
}

static size_t sched_programs(void *self, const struct culprit_program **ret_list)
{
	return bpf_programs(((struct sched *)self)->unit, ret_list);
}

static int sched_thin(void *self, size_t index, uint32_t thinning)
{
	struct sched *s = self;
	const char *ignored;
	bool followed = sched_switch_follows(s->at, &ignored);
	int r = bpf_thin(s->unit, index, thinning);

	/* What is accounted of threads has a gap then: it begins anew. */
	s->forget = s->forget || (!followed && sched_switch_follows(s->at, &ignored));
	return r;
}

static const struct culprit_table *const tables[] = {
	[SCHED_TABLE_RUNQ] = &runq_table,
	[SCHED_TABLE_TASK] = &sched_task_table,
	[SCHED_TABLE_TIME] = &sched_time_table,
	[SCHED_TABLE_SLOW] = &sched_slow_table,
	[SCHED_TABLE_WAKER] = &sched_waker_table,
};

const struct culprit_collector sched_collector = {
	.size = sizeof(sched_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER | CULPRIT_KEEPS_UP,
	.name = "sched",
	.help = "The scheduler: how long tasks wait for a CPU, and where every thread's time goes (BPF)",
	.tables = tables,
	.ntables = SCHED_TABLES,
	.probe = bpf_probe,
	.open = sched_open,
	.sample = sched_sample,
	.close = sched_close,
	.interests = sched_interests,
	.programs = sched_programs,
	.thin = sched_thin,
};
