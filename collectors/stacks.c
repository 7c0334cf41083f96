/* The collector of stacks: loads stacks.bpf.c, which samples what runs on each CPU and follows who leaves them, keeps true what
 * it walks stacks by (stacks_code.c), and makes rows of what was counted (stacks_rows.c). Here also table `oncpu`; `offcpu` is in
 * stacks_offcpu.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf.h"
#include "builtin.h"
#include "sched_internal.h"
#include "stacks_columns.h"
#include "stacks_faults.h"
#include "stacks_offcpu.h"
#include "stacks_rows.h"
/* Behind the types it uses. */
#include "stacks.skel.h"

enum { RATE_NOW = STACKS_OWN };
enum { ONCPU_TABLE, OFFCPU_TABLE, FAULTS_TABLE, NTABLES };
enum {
	HZ = 99, /* not 100: other things happen 100 times a second, and would always or never be seen */
	ROWS_MOST = 8192,
	COUNTS_MIN = 2048, COUNTS_MAX = 65536,
	OFFCPU_COUNTS = 8192,
	FAULTS_COUNTS = 2048, FAULTS_EVERY = 997, /* one in so many minor ones */
	GO_ON_SOON_MS = 2, GO_ON_SOON = 8, /* between two looks at what core has read meanwhile; after so many */
	GO_ON_MS = 10,
};

#define SAMPLED "perf_event cycles, or cpu-clock where the machine counts no cycles"

static const struct culprit_column columns[] = {
	STACKS_COMMON("Kernel part of the stack; none: it ran user code"),
	[STACKS_COUNT] = COUNTER("samples", CULPRIT_COUNT, "How often it was found there", SAMPLED),
	[STACKS_TIME] = COUNTER("time", CULPRIT_NS, "Time on a CPU for which these samples stand", "samples / rate"),
	[RATE_NOW] = GAUGE("rate", CULPRIT_HZ, "How often each CPU is looked at now; less where culprit's budget is short",
			   "perf_event_attr.sample_freq"),
};

static const struct culprit_derived derived[] = {
	TIME_SHARE("cpu_pct", "time", "Share of one CPU that this stack takes"),
	RATE("sample_rate", "samples", CULPRIT_COUNT_PER_S, "Samples a second"),
};

static const struct culprit_table oncpu_table = {
	.size = sizeof(oncpu_table),
	.name = "oncpu",
	.kind = CULPRIT_STATE,
	.help = "Stacks that run: samples of what every CPU does, idle left out. A row ends when its stack was not seen for 20 samples",
	.key = "stack_thread",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "cpu_pct",
	.show = "comm tid cpu_pct samples kernel_stack user_stack end rate",
};

static const struct bpf_hook hooks[] = {
	[STACKS_SAMPLE] = {.name = "stacks_sample", .hook = "perf event, every CPU", .hz = HZ, .thins = true},
	[STACKS_SWITCH] = {.name = "stacks_switch", .hook = "tracepoint sched_switch", .thins = true},
	[STACKS_MAJOR] = {.name = "stacks_major", .hook = "perf event major-faults, every CPU", .event = BPF_PERF_MAJOR,
			  .every = 1, .thins = true},
	[STACKS_MINOR] = {.name = "stacks_minor", .hook = "perf event minor-faults, every CPU", .event = BPF_PERF_MINOR,
			  .every = FAULTS_EVERY, .thins = true},
};

struct stacks {
	const struct culprit_host *host;
	struct bpf_unit *unit;
	struct stacks_bpf *skeleton;
	struct stacks_code *code;
	struct stacks_store *store;
	struct stacks_rows *oncpu, *offcpu, *faults;
	struct offcpu_thread *threads; /* mapped, `places` of them */
	unsigned places;
	struct ring_buffer *news;
	int timer_fd, fd; /* fd: either of timer and news */
	unsigned looks;  /* since nothing was waited for */
	unsigned counts; /* elements of each map of counts of oncpu */
	unsigned most;   /* of any of them */
	uint64_t lost[STACKS_PROGRAMS], full[STACKS_PROGRAMS]; /* by who counts: enum stacks_program */
	struct stacks_key *keys;     /* `most` of each, to empty a map into */
	struct stacks_count *values;
};

/* As many as samples of a tick can be told apart. */
static unsigned counts_for(const struct culprit_host *host)
{
	uint64_t seconds = host->interval_ns / 1000000000u + 1, want = bpf_cpus() * HZ * 2 * (seconds < 10 ? seconds : 10);

	return want < COUNTS_MIN ? COUNTS_MIN : want > COUNTS_MAX ? COUNTS_MAX : (unsigned)want;
}

static int configure(void *skeleton, void *arg)
{
	struct stacks_bpf *k = skeleton;
	struct stacks *s = arg;
	int r = bpf_map__set_max_entries(k->maps.oncpu_even, s->counts);

	if (!r)
		r = bpf_map__set_max_entries(k->maps.oncpu_odd, s->counts);
	if (!r)
		r = bpf_map__set_max_entries(k->maps.offcpu_even, OFFCPU_COUNTS);
	if (!r)
		r = bpf_map__set_max_entries(k->maps.offcpu_odd, OFFCPU_COUNTS);
	if (!r)
		r = bpf_map__set_max_entries(k->maps.faults_even, FAULTS_COUNTS);
	if (!r)
		r = bpf_map__set_max_entries(k->maps.faults_odd, FAULTS_COUNTS);
	if (!r)
		r = bpf_map__set_max_entries(k->maps.offcpu_threads, s->places);
	if (!r)
		r = bpf_map__set_max_entries(k->maps.offcpu_clocks, bpf_cpus());
	k->rodata->stacks_page = (uint64_t)sysconf(_SC_PAGESIZE);
	k->rodata->offcpu_mask = s->places - 1;
	sched_syscalls_fill((unsigned char *)k->rodata->sched_syscalls, SCHED_SYSCALLS);
	return r;
}

BPF_KIT(stacks, hooks, configure);

static void stacks_close(void *self)
{
	struct stacks *s = self;

	stacks_rows_destroy(s->oncpu);
	stacks_rows_destroy(s->offcpu);
	stacks_rows_destroy(s->faults);
	stacks_store_destroy(s->store);
	stacks_code_destroy(s->code);
	ring_buffer__free(s->news);
	bpf_unload(s->unit);
	if (s->timer_fd >= 0)
		close(s->timer_fd);
	if (s->fd >= 0)
		close(s->fd);
	free(s->keys);
	free(s->values);
	free(s);
}

static void say_period(struct stacks *s)
{
	unsigned hz = bpf_hz(s->unit, STACKS_SAMPLE);

	if (hz)
		__atomic_store_n(&s->skeleton->bss->stacks_period_ns, 1000000000u / hz, __ATOMIC_RELAXED);
}

static int told(void *arg, void *data, size_t size)
{
	const struct unwind_news *news = data;

	if (size >= sizeof(*news))
		stacks_code_seen(((struct stacks *)arg)->code, news->pid, news->end, true);
	return 0;
}

/* One descriptor for what comes between samples; 0 or -errno. */
static int hear(struct stacks *s)
{
	struct epoll_event readable = {.events = EPOLLIN};

	s->news = ring_buffer__new(bpf_map__fd(s->skeleton->maps.unwind_news), told, s, NULL);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	s->fd = epoll_create1(EPOLL_CLOEXEC);
	if (!s->news || s->timer_fd < 0 || s->fd < 0 || epoll_ctl(s->fd, EPOLL_CTL_ADD, s->timer_fd, &readable) ||
	    epoll_ctl(s->fd, EPOLL_CTL_ADD, ring_buffer__epoll_fd(s->news), &readable))
		return errno ? -errno : -ENOMEM;
	return 0;
}

static int stacks_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->host = host;
	s->counts = counts_for(host);
	s->most = s->counts > OFFCPU_COUNTS ? s->counts : OFFCPU_COUNTS;
	s->places = offcpu_places(host);
	s->timer_fd = s->fd = -1;
	s->unit = bpf_load(host, &stacks_kit, s, error);
	if (!s->unit) {
		stacks_close(s);
		return -ENOTSUP;
	}
	s->skeleton = bpf_skeleton(s->unit);
	s->code = stacks_code_create(host, s->unit, &(struct stacks_code_maps){
		.rows = s->skeleton->maps.unwind_rows, .rules = s->skeleton->maps.unwind_rules,
		.mappings = s->skeleton->maps.unwind_mappings, .processes = s->skeleton->maps.unwind_processes});
	s->store = s->code ? stacks_store_create(host, s->code, s->skeleton->maps.stacks_kept) : NULL;
	s->oncpu = s->store ? stacks_rows_create(host, s->store, ROWS_MOST) : NULL;
	s->offcpu = s->store ? stacks_rows_create(host, s->store, ROWS_MOST) : NULL;
	s->faults = s->store ? stacks_rows_create(host, s->store, ROWS_MOST / 2) : NULL;
	s->threads = bpf_view(s->unit, s->skeleton->maps.offcpu_threads, true);
	s->keys = calloc(s->most, sizeof(*s->keys));
	s->values = calloc(s->most, sizeof(*s->values));
	if (!s->oncpu || !s->offcpu || !s->faults || !s->threads || !s->keys || !s->values || hear(s)) {
		if (error)
			snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		stacks_close(s);
		return -ENOMEM;
	}
	if (host->size > offsetof(struct culprit_host, stack_hz) && host->stack_hz)
		bpf_set_hz(s->unit, STACKS_SAMPLE, host->stack_hz);
	say_period(s);
	*ret_self = s;
	return 0;
}

/* What was asked of core is looked at again soon, until all is there. */
static void go_on(struct stacks *s)
{
	struct itimerspec soon = {.it_value = {0, (s->looks < GO_ON_SOON ? GO_ON_SOON_MS : GO_ON_MS) * 1000000}};

	if (stacks_code_go_on(s->code)) {
		timerfd_settime(s->timer_fd, 0, &soon, NULL);
		s->looks++;
	} else {
		s->looks = 0;
	}
}

static int stacks_fd(void *self)
{
	return ((struct stacks *)self)->fd;
}

static int stacks_drain(void *self)
{
	struct stacks *s = self;
	uint64_t ignored;

	if (read(s->timer_fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN)
		return -errno;
	ring_buffer__consume(s->news);
	go_on(s);
	return 0;
}

/* Empties a map of counts into keys and values. Returns how many there were. */
static uint32_t take_counts(struct stacks *s, struct bpf_map *map)
{
	uint32_t batch[2] = {0}, total = 0;
	int fd = bpf_map__fd(map), r = 0;

	while (!r && total < s->most) {
		uint32_t n = s->most - total;

		r = bpf_map_lookup_and_delete_batch(fd, total ? &batch[0] : NULL, &batch[1], s->keys + total, s->values + total, &n, NULL);
		if (r && errno != ENOENT)
			break;
		total += n;
		batch[0] = batch[1];
	}
	return total;
}

static uint32_t end_of(struct stacks *s, const struct stacks_key *key)
{
	const struct stacks_place *p = stacks_store_get(s->store, key->user, key->pid);
	uint32_t end = p ? p->end : (uint32_t)CULPRIT_STACK_WHOLE;

	stacks_store_release(s->store, (struct stacks_place *)p);
	return end;
}

static void take_in(struct stacks *s, struct stacks_rows *rows, struct bpf_map *map, enum stacks_program who)
{
	uint32_t n = take_counts(s, map);

	for (uint32_t i = 0; i < n; i++)
		if (!stacks_rows_add(rows, &s->keys[i], &s->values[i]))
			s->full[who] += s->values[i].count;
	/* Who is seen often comes first: not all may be asked for at once. */
	for (int often = 1; often >= 0; often--)
		for (uint32_t i = 0; i < n; i++)
			if (s->keys[i].user && (s->values[i].count > 1) == often)
				stacks_code_seen(s->code, s->keys[i].pid, end_of(s, &s->keys[i]), false);
}

static void put_rate(void *arg, struct culprit_frame *f, const struct stacks_row *row)
{
	struct stacks *s = arg;

	(void)row;
	culprit_put_u64(f, RATE_NOW, bpf_hz(s->unit, STACKS_SAMPLE));
}

static void say(struct stacks *s, struct culprit_frame *f, uint32_t table, enum stacks_program who, uint64_t lost)
{
	culprit_lost(f, table, lost - s->lost[who]);
	s->lost[who] = lost;
}

static int stacks_sample_rows(void *self, struct culprit_frame *f)
{
	struct stacks *s = self;
	uint32_t epoch = s->skeleton->bss->stacks_epoch;
	bool odd = epoch & 1;
	const struct culprit_program *programs;

	__atomic_store_n(&s->skeleton->bss->stacks_epoch, epoch + 1, __ATOMIC_SEQ_CST);
	take_in(s, s->oncpu, odd ? s->skeleton->maps.oncpu_odd : s->skeleton->maps.oncpu_even, STACKS_SAMPLE);
	take_in(s, s->offcpu, odd ? s->skeleton->maps.offcpu_odd : s->skeleton->maps.offcpu_even, STACKS_SWITCH);
	take_in(s, s->faults, odd ? s->skeleton->maps.faults_odd : s->skeleton->maps.faults_even, STACKS_MINOR);
	if (bpf_is_on(s->unit, STACKS_SWITCH)) {
		bpf_programs(s->unit, &programs);
		s->full[STACKS_SWITCH] += offcpu_go_on(s->threads, s->places, s->offcpu,
						       s->host->now_ns(s->host, CULPRIT_MONOTONIC),
						       programs[STACKS_SWITCH].thinning);
	}
	stacks_store_sweep(s->store, __atomic_load_n(&s->skeleton->bss->stacks_made, __ATOMIC_RELAXED));
	stacks_code_tick(s->code);
	go_on(s);
	if (bpf_is_on(s->unit, STACKS_SAMPLE)) {
		culprit_table(f, ONCPU_TABLE);
		stacks_rows_put(s->oncpu, f, put_rate, s);
	} else {
		culprit_state(f, ONCPU_TABLE, CULPRIT_MISSING, bpf_reason(s->unit, STACKS_SAMPLE));
	}
	if (bpf_is_on(s->unit, STACKS_SWITCH)) {
		culprit_table(f, OFFCPU_TABLE);
		stacks_rows_put(s->offcpu, f, offcpu_put, NULL);
	} else {
		culprit_state(f, OFFCPU_TABLE, CULPRIT_MISSING, bpf_reason(s->unit, STACKS_SWITCH));
	}
	if (bpf_is_on(s->unit, STACKS_MAJOR) || bpf_is_on(s->unit, STACKS_MINOR)) {
		culprit_table(f, FAULTS_TABLE);
		stacks_rows_put(s->faults, f, faults_put, NULL);
	} else {
		culprit_state(f, FAULTS_TABLE, CULPRIT_MISSING, bpf_reason(s->unit, STACKS_MINOR));
	}
	bpf_say_fill(s->unit, STACKS_SAMPLE, stacks_store_used(s->store), STACKS_KEPT);
	bpf_say_lost(s->unit, STACKS_SAMPLE, s->full[STACKS_SAMPLE]);
	bpf_say_lost(s->unit, STACKS_SWITCH, s->full[STACKS_SWITCH]);
	bpf_say_lost(s->unit, STACKS_MINOR, s->full[STACKS_MINOR]);
	bpf_programs(s->unit, &programs);
	say(s, f, ONCPU_TABLE, STACKS_SAMPLE, programs[STACKS_SAMPLE].lost);
	say(s, f, OFFCPU_TABLE, STACKS_SWITCH, programs[STACKS_SWITCH].lost);
	say(s, f, FAULTS_TABLE, STACKS_MINOR, programs[STACKS_MAJOR].lost + programs[STACKS_MINOR].lost);
	return 0;
}

static size_t stacks_programs(void *self, const struct culprit_program **ret_list)
{
	return bpf_programs(((struct stacks *)self)->unit, ret_list);
}

static int stacks_thin(void *self, size_t index, uint32_t thinning)
{
	struct stacks *s = self;
	int r = bpf_thin(s->unit, index, thinning);

	say_period(s);
	return r;
}

static const struct culprit_table *const tables[] = {
	[ONCPU_TABLE] = &oncpu_table,
	[OFFCPU_TABLE] = &offcpu_table,
	[FAULTS_TABLE] = &faults_table,
};

const struct culprit_collector stacks_collector = {
	.size = sizeof(stacks_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "stacks",
	.help = "Stacks: which code runs on the CPUs, which one waits and for what, which one touches memory (BPF)",
	.tables = tables,
	.ntables = NTABLES,
	.probe = bpf_probe,
	.open = stacks_open,
	.fd = stacks_fd,
	.drain = stacks_drain,
	.sample = stacks_sample_rows,
	.close = stacks_close,
	.programs = stacks_programs,
	.thin = stacks_thin,
};
