/* The collector of stacks: loads stacks.bpf.c, which samples what runs on each CPU and follows who leaves them, keeps true what
 * it walks stacks by (stacks_code.c), and makes rows of what was counted (stacks_rows.c). Here also table `oncpu`; `offcpu` is in
 * stacks_offcpu.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf.h"
#include "bpf_btf.h"
#include "bpf_ring.h"
#include "builtin.h"
#include "sched_internal.h"
#include "sched_switch.h"
#include "stacks_blockio.h"
#include "stacks_columns.h"
#include "stacks_faults.h"
#include "stacks_heap.h"
#include "stacks_lock.h"
#include "stacks_offcpu.h"
#include "stacks_own.h"
#include "stacks_rows.h"
/* Behind the types it uses. */
#include "stacks.skel.h"

enum { RATE_NOW = STACKS_OWN };
enum { ONCPU_TABLE, OFFCPU_TABLE, FAULTS_TABLE, BLOCKIO_TABLE, LOCK_TABLE, HEAP_TABLE, LENSES, HEAP_PROBE_TABLE = LENSES, NTABLES };
enum {
	HZ = 99, /* not 100: other things happen 100 times a second, and would always or never be seen */
	ROWS_MOST = 8192,
	COUNTS_MIN = 2048, COUNTS_MAX = 65536,
	OFFCPU_COUNTS = 8192,
	FEW_COUNTS = 2048,
	PLACES_EACH = 8, PLACES_MIN = 8192, PLACES_MAX = 131072, /* of threads that wait */
	FAULTS_EVERY = 997, /* one in so many minor ones */
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
	STACKS_TABLE,
	.name = "oncpu",
	.help = "Stacks that run: samples of what every CPU does, idle left out. " STACKS_ROW_ENDS,
	.sort = "cpu_pct",
	.show = "comm tid cpu_pct samples kernel_stack user_stack end rate",
};

static const struct bpf_hook hooks[] = {
	[STACKS_SAMPLE] = {.name = "stacks_sample", .hook = "perf event, every CPU", .hz = HZ, .thins = true},
	[STACKS_SWITCH] = {.name = "stacks_switch", .hook = "called by sched_switch, for some waits", .called = true, .thins = true},
	[STACKS_MAJOR] = {.name = "stacks_major", .hook = "perf event major-faults, every CPU", .event = BPF_PERF_MAJOR,
			  .every = 1, .thins = true},
	[STACKS_MINOR] = {.name = "stacks_minor", .hook = "perf event minor-faults, every CPU", .event = BPF_PERF_MINOR,
			  .every = FAULTS_EVERY, .thins = true},
	[STACKS_BLOCKIO] = {.name = "stacks_blockio", .hook = "tracepoint block_bio_queue", .thins = true},
	[STACKS_LOCK_BEGIN] = {.name = "stacks_lock_begin", .hook = "tracepoint contention_begin"},
	[STACKS_LOCK_END] = {.name = "stacks_lock_end", .hook = "tracepoint contention_end", .thins = true},
	[STACKS_HEAP_IN] = {.name = "stacks_heap_in", .hook = "uprobes on malloc, free, mmap ...", .interest = true},
	[STACKS_HEAP_OUT] = {.name = "stacks_heap_out", .hook = "uretprobes on malloc, mmap ...", .interest = true},
};

/* One way to look at stacks: a table, what is counted for it, and who counts. One fails without the others. */
struct lens {
	const struct culprit_table *table;
	const char *counts; /* its maps in stacks.bpf.c, without _even and _odd */
	enum stacks_program first, last;
	bool all; /* one of its programs is worth nothing without the others */
	unsigned rows, counts_most; /* 0: as many as samples can tell apart */
	void (*put)(void *arg, struct culprit_frame *, const struct stacks_row *);
};

static void put_rate(void *arg, struct culprit_frame *f, const struct stacks_row *row);
static void put_device(void *arg, struct culprit_frame *f, const struct stacks_row *row);

static const struct lens lenses[LENSES] = {
	[ONCPU_TABLE] = {&oncpu_table, "oncpu", STACKS_SAMPLE, STACKS_SAMPLE, false, ROWS_MOST, 0, put_rate},
	[OFFCPU_TABLE] = {&offcpu_table, "offcpu", STACKS_SWITCH, STACKS_SWITCH, false, ROWS_MOST, OFFCPU_COUNTS, offcpu_put},
	[FAULTS_TABLE] = {&faults_table, "faults", STACKS_MAJOR, STACKS_MINOR, false, ROWS_MOST / 2, FEW_COUNTS, faults_put},
	[BLOCKIO_TABLE] = {&blockio_table, "blockio", STACKS_BLOCKIO, STACKS_BLOCKIO, false, ROWS_MOST / 2, FEW_COUNTS, put_device},
	[LOCK_TABLE] = {&lock_table, "lock", STACKS_LOCK_BEGIN, STACKS_LOCK_END, true, ROWS_MOST / 2, FEW_COUNTS, lock_put},
	[HEAP_TABLE] = {&heap_table, "heap", STACKS_HEAP_IN, STACKS_HEAP_OUT, true, ROWS_MOST, OFFCPU_COUNTS, heap_put},
};

struct stacks {
	const struct culprit_host *host;
	struct stacks_own *own; /* in place of all that follows, where nothing may be loaded into the kernel */
	char why_own[256];      /* and why it may not */
	struct bpf_unit *unit;
	struct stacks_bpf *skeleton;
	struct sched_switch *at; /* who sees every switch; NULL: nobody, see no_switch */
	struct culprit_error no_switch;
	struct stacks_code *code;
	struct stacks_store *store;
	struct stacks_rows *rows[LENSES];
	struct bpf_map *map[LENSES][2]; /* counts, by the parity of the epoch */
	unsigned places;
	uint64_t *marks; /* of these; user space takes them away */
	struct bpf_ring *news;
	int timer_fd, fd; /* fd: either of timer and news */
	unsigned looks;  /* since nothing was waited for */
	uint64_t due_ns; /* of the timer; 0: it is off */
	unsigned counts; /* elements of each map of counts of oncpu */
	unsigned most;   /* of any of them */
	uint64_t lost[LENSES], full[LENSES];
	struct culprit_program programs[2 * BPF_PROGRAMS_MAX];
	struct heap *heap;
	bool heap_shown; /* there may be rows of it */
	struct stacks_key *keys;     /* `most` of each, to empty a map into */
	struct stacks_count *values;
};

static unsigned asked_hz(const struct culprit_host *host)
{
	return host->size > offsetof(struct culprit_host, stack_hz) && host->stack_hz ? host->stack_hz : HZ;
}

/* As many as samples of a tick can be told apart. */
static unsigned counts_for(const struct culprit_host *host)
{
	uint64_t seconds = host->interval_ns / 1000000000u + 1;
	uint64_t want = bpf_cpus() * (uint64_t)asked_hz(host) * 2 * (seconds < 10 ? seconds : 10);

	return want < COUNTS_MIN ? COUNTS_MIN : want > COUNTS_MAX ? COUNTS_MAX : (unsigned)want;
}

static struct bpf_map *counts_map(const struct stacks_bpf *k, const struct lens *l, bool odd)
{
	char name[32];

	snprintf(name, sizeof(name), "%s_%s", l->counts, odd ? "odd" : "even");
	return bpf_object__find_map_by_name(k->obj, name);
}

static int configure(void *skeleton, void *arg)
{
	static const char *const bio = "block_bio_queue";
	struct stacks_bpf *k = skeleton;
	struct stacks *s = arg;
	struct bpf_tracepoint queued;
	struct stat ns;
	int r = bpf_map__set_max_entries(k->maps.offcpu_threads, s->places);

	if (!r)
		r = bpf_map__set_max_entries(k->maps.offcpu_marks, s->places / OFFCPU_MARKS);
	for (unsigned i = 0; i < LENSES * 2 && !r; i++) {
		const struct lens *l = &lenses[i / 2];
		struct bpf_map *map = counts_map(k, l, i & 1);

		r = map ? bpf_map__set_max_entries(map, l->counts_most ? l->counts_most : s->counts) : -ENOENT;
	}
	if (!r && s->at) {
		r = sched_switch_share(s->at, k->maps.sched_cpus, k->maps.sched_threads_map);
		k->rodata->sched_mask = s->at->places - 1;
	}
	k->rodata->unwind_page = (uint64_t)sysconf(_SC_PAGESIZE);
	k->rodata->offcpu_mask = s->places - 1;
	k->rodata->blockio_argument = !bpf_tracepoints(&bio, 1, &queued) && queued.arguments == 2;
	k->rodata->lock_own_pid = (uint32_t)getpid();
	if (!stat("/proc/self/ns/pid", &ns)) {
		k->rodata->lock_own_dev = ns.st_dev;
		k->rodata->lock_own_ino = ns.st_ino;
	}
	sched_syscalls_fill((unsigned char *)k->rodata->sched_syscalls, SCHED_SYSCALLS);
	return r;
}

BPF_KIT(stacks, hooks, configure);

static void stacks_close(void *self)
{
	struct stacks *s = self;
	bool may_unload;

	stacks_own_destroy(s->own);
	if (s->at) {
		sched_switch_tell(s->at, 0);
		sched_switch_call(s->at, -1);
	}
	may_unload = heap_destroy(s->heap);
	for (unsigned i = 0; i < LENSES; i++)
		stacks_rows_destroy(s->rows[i]);
	stacks_store_destroy(s->store);
	stacks_code_destroy(s->code);
	bpf_ring_close(s->news);
	if (may_unload)
		bpf_unload(s->unit);
	sched_switch_put(s->at, SCHED_FOR_STACKS);
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

static void told(void *arg, const void *data, size_t size)
{
	const struct unwind_news *news = data;

	if (size >= sizeof(*news))
		stacks_code_seen(((struct stacks *)arg)->code, news->pid, news->end, true);
}

/* One descriptor for what comes between samples; 0 or -errno. */
static int hear(struct stacks *s)
{
	struct epoll_event readable = {.events = EPOLLIN};

	s->news = bpf_ring_open(s->skeleton->maps.unwind_news, told, s);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	s->fd = epoll_create1(EPOLL_CLOEXEC);
	if (!s->news || s->timer_fd < 0 || s->fd < 0 || epoll_ctl(s->fd, EPOLL_CTL_ADD, s->timer_fd, &readable) ||
	    epoll_ctl(s->fd, EPOLL_CTL_ADD, bpf_ring_fd(s->news), &readable))
		return errno ? -errno : -ENOMEM;
	return 0;
}

/* 0 or -ENOMEM. */
static int open_lenses(struct stacks *s)
{
	for (unsigned i = 0; i < LENSES; i++) {
		s->rows[i] = stacks_rows_create(s->host, s->store, lenses[i].rows);
		s->map[i][0] = counts_map(s->skeleton, &lenses[i], false);
		s->map[i][1] = counts_map(s->skeleton, &lenses[i], true);
		if (!s->rows[i] || !s->map[i][0] || !s->map[i][1])
			return -ENOMEM;
	}
	stacks_rows_hold(s->rows[HEAP_TABLE]);
	s->heap = heap_create(s->host, s->skeleton->progs.stacks_heap_in, s->skeleton->progs.stacks_heap_out, s->skeleton->maps.heap_pieces,
			     s->skeleton->maps.heap_ranges);
	return s->heap ? 0 : -ENOMEM;
}

/* Why waits are not followed; NULL: they are. Says so to the program that sees them begin and end, too. */
static const char *no_waits(struct stacks *s)
{
	const char *why = s->no_switch.sentence;

	if (!s->at)
		return why;
	if (!bpf_is_on(s->unit, STACKS_SWITCH))
		why = bpf_reason(s->unit, STACKS_SWITCH);
	else if (sched_switch_follows(s->at, &why))
		why = NULL;
	sched_switch_tell(s->at, why ? 0 : (uint64_t)OFFCPU_SURE_NS * bpf_thinning(s->unit, STACKS_SWITCH));
	return why;
}

/* Own processes can be sampled without rights for more. */
static int stacks_probe(const struct culprit_host *host, struct culprit_error *error)
{
	struct culprit_error own = {""};
	int r = bpf_probe(host, error);

	if (!r || !stacks_own_probe(host, &own))
		return 0;
	if (own.sentence[0] && error)
		*error = own;
	return r;
}

/* Instead; `why`: of BPF. 0, or -errno with a sentence. */
static int open_own(struct stacks *s, const struct culprit_error *why, struct culprit_error *error)
{
	/* Who sees the switches would call nobody. */
	sched_switch_put(s->at, SCHED_FOR_STACKS);
	s->at = NULL;
	snprintf(s->why_own, sizeof(s->why_own), "%s", why->sentence[0] ? why->sentence : "not measured: out of memory");
	s->own = stacks_own_create(s->host, asked_hz(s->host), s->why_own, error);
	return s->own ? 0 : -ENOTSUP;
}

static int stacks_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct stacks *s = calloc(1, sizeof(*s));
	struct culprit_error why = {""};

	if (!s)
		return -ENOMEM;
	s->host = host;
	s->counts = counts_for(host);
	s->most = s->counts > OFFCPU_COUNTS ? s->counts : OFFCPU_COUNTS;
	s->places = bpf_places(host, PLACES_EACH, PLACES_MIN, PLACES_MAX);
	s->timer_fd = s->fd = -1;
	s->at = sched_switch_get(host, SCHED_FOR_STACKS, &s->no_switch);
	s->unit = bpf_load(host, &stacks_kit, s, &why);
	if (!s->unit) {
		bool own = !stacks_own_probe(host, NULL);

		if (error)
			*error = why;
		if (own && !open_own(s, &why, error)) {
			*ret_self = s;
			return 0;
		}
		stacks_close(s);
		return -ENOTSUP;
	}
	s->skeleton = bpf_skeleton(s->unit);
	s->code = stacks_code_create(host, &(struct stacks_code_maps){
		.rows = s->skeleton->maps.unwind_rows, .rules = s->skeleton->maps.unwind_rules,
		.mappings = s->skeleton->maps.unwind_mappings, .processes = s->skeleton->maps.unwind_processes,
		.strangers = s->skeleton->maps.unwind_strangers, .files = s->skeleton->maps.unwind_files});
	s->store = s->code ? stacks_store_create(host, s->code, s->skeleton->maps.stacks_kept) : NULL;
	s->keys = calloc(s->most, sizeof(*s->keys));
	s->values = calloc(s->most, sizeof(*s->values));
	s->marks = bpf_view(s->unit, s->skeleton->maps.offcpu_marks, true);
	if (!s->store || open_lenses(s) || !s->keys || !s->values || !s->marks || hear(s)) {
		if (error)
			snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		stacks_close(s);
		return -ENOMEM;
	}
	if (asked_hz(host) != HZ)
		bpf_set_hz(s->unit, STACKS_SAMPLE, asked_hz(host));
	say_period(s);
	if (s->at && bpf_is_on(s->unit, STACKS_SWITCH) && sched_switch_call(s->at, bpf_called_fd(s->unit, STACKS_SWITCH))) {
		snprintf(s->no_switch.sentence, sizeof(s->no_switch.sentence),
			 "not measured: in this kernel one program cannot call the other");
		sched_switch_put(s->at, SCHED_FOR_STACKS);
		s->at = NULL;
	}
	if (s->at) {
		s->lost[OFFCPU_TABLE] = sched_switch_lost(s->at);
		bpf_say_shared(s->unit, s->skeleton->maps.sched_cpus);
		bpf_say_shared(s->unit, s->skeleton->maps.sched_threads_map);
	}
	no_waits(s);
	*ret_self = s;
	return 0;
}

/* What was asked of core is looked at again soon, until all is there. The timer is never read: setting it makes it unreadable, too. */
static void go_on(struct stacks *s)
{
	uint64_t now = s->host->now_ns(s->host, CULPRIT_MONOTONIC);
	struct itimerspec soon = {.it_value = {0, 0}};
	bool more = stacks_code_go_on(s->code);

	if (more && now < s->due_ns)
		return;
	if (more)
		soon.it_value.tv_nsec = (s->looks < GO_ON_SOON ? GO_ON_SOON_MS : GO_ON_MS) * 1000000;
	if (more || s->due_ns)
		timerfd_settime(s->timer_fd, 0, &soon, NULL);
	s->due_ns = more ? now + (uint64_t)soon.it_value.tv_nsec : 0;
	s->looks = more ? s->looks + 1 : 0;
}

static int stacks_fd(void *self)
{
	const struct stacks *s = self;

	return s->own ? stacks_own_fd(s->own) : s->fd;
}

static int stacks_drain(void *self)
{
	struct stacks *s = self;

	if (s->own) {
		stacks_own_drain(s->own);
		return 0;
	}
	bpf_ring_read(s->news);
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

/* Of what was counted of allocations, what is of the process that is looked at: the one before may have been at it meanwhile. */
static uint32_t of_heap_now(struct stacks *s, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (s->keys[i].pid != heap_pid(s->heap))
			continue;
		s->keys[kept] = s->keys[i];
		s->values[kept++] = s->values[i];
	}
	return kept;
}

static void take_in(struct stacks *s, unsigned lens, bool odd)
{
	uint32_t n = take_counts(s, s->map[lens][odd]);

	if (lens == HEAP_TABLE)
		n = of_heap_now(s, n);
	for (uint32_t i = 0; i < n; i++) {
		if (lens == HEAP_TABLE && s->keys[i].reason & HEAP_FREED)
			continue;
		if (!stacks_rows_add(s->rows[lens], &s->keys[i], &s->values[i]))
			s->full[lens] += s->values[i].count;
	}
	/* What is freed was allocated before, maybe in this tick. */
	for (uint32_t i = 0; i < n && lens == HEAP_TABLE; i++) {
		if (!(s->keys[i].reason & HEAP_FREED))
			continue;
		s->keys[i].reason &= ~(unsigned)HEAP_FREED;
		stacks_rows_take_back(s->rows[lens], &s->keys[i], &s->values[i]);
	}
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

static void put_device(void *arg, struct culprit_frame *f, const struct stacks_row *row)
{
	blockio_put(((struct stacks *)arg)->host, f, row);
}

/* missing: why it cannot be, besides what its programs say; or NULL. */
static void put_lens(struct stacks *s, struct culprit_frame *f, unsigned lens, const char *missing)
{
	const struct lens *l = &lenses[lens];
	unsigned on = 0, off = l->last;

	for (unsigned i = l->first; i <= l->last; i++) {
		if (bpf_is_on(s->unit, i))
			on++;
		else
			off = i;
	}
	if (missing) {
		culprit_state(f, lens, CULPRIT_MISSING, missing);
	} else if (l->all ? on == l->last - l->first + 1 : on) {
		culprit_table(f, lens);
		stacks_rows_put(s->rows[lens], f, l->put, s);
	} else {
		culprit_state(f, lens, CULPRIT_MISSING, bpf_reason(s->unit, off));
	}
	bpf_say_lost(s->unit, l->last, s->full[lens]);
}

/* By interest: where nobody asks, the table rests. */
static void put_heap(struct stacks *s, struct culprit_frame *f)
{
	enum heap_state is = heap_state(s->heap);

	bpf_say_attached(s->unit, STACKS_HEAP_IN, is == HEAP_ON);
	bpf_say_attached(s->unit, STACKS_HEAP_OUT, is == HEAP_ON);
	if (is == HEAP_COMING || is == HEAP_CANNOT) {
		culprit_state(f, HEAP_TABLE, CULPRIT_MISSING, heap_why(s->heap));
	} else if (is == HEAP_ON || is == HEAP_STOPPED) {
		culprit_table(f, HEAP_TABLE);
		stacks_rows_put(s->rows[HEAP_TABLE], f, heap_put, NULL);
		culprit_table(f, HEAP_PROBE_TABLE);
		heap_probe_put(s->heap, f);
	} else if (s->heap_shown) {
		culprit_table(f, HEAP_TABLE);
		culprit_table(f, HEAP_PROBE_TABLE);
	}
	s->heap_shown = is == HEAP_ON || is == HEAP_STOPPED;
	bpf_say_lost(s->unit, STACKS_HEAP_OUT, s->full[HEAP_TABLE]);
}

static void stacks_interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct stacks *s = self;
	uint32_t pid = 0;
	uint64_t start = 0;

	if (s->own)
		return;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].table, heap_table.name) != 0 || !list[i].nkey)
			continue;
		pid = (uint32_t)list[i].key[0];
		start = list[i].nkey > 1 ? list[i].key[1] : 0;
	}
	if (heap_follow(s->heap, pid, start))
		stacks_rows_clear(s->rows[HEAP_TABLE]);
}

static int stacks_sample_rows(void *self, struct culprit_frame *f)
{
	struct stacks *s = self;
	const struct culprit_program *programs;
	const char *waits_missing;
	uint32_t epoch;

	if (s->own) {
		stacks_own_sample(s->own, f, ONCPU_TABLE);
		for (unsigned i = 0; i < NTABLES; i++)
			if (i != ONCPU_TABLE)
				culprit_state(f, i, CULPRIT_MISSING, s->why_own);
		return 0;
	}
	waits_missing = no_waits(s);
	epoch = s->skeleton->bss->stacks_epoch;
	__atomic_store_n(&s->skeleton->bss->stacks_epoch, epoch + 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < LENSES; i++)
		take_in(s, i, epoch & 1);
	if (heap_state(s->heap) != HEAP_REST) {
		bpf_programs(s->unit, &programs);
		for (unsigned i = STACKS_HEAP_IN; i <= STACKS_HEAP_OUT; i++)
			if (programs[i].state == CULPRIT_PROGRAM_DROPPED)
				heap_stop(s->heap, programs[i].reason);
		heap_tick(s->heap, programs[STACKS_HEAP_IN].events, programs[STACKS_HEAP_OUT].events);
	}
	if (!waits_missing)
		s->full[OFFCPU_TABLE] += offcpu_go_on(s->marks, bpf_map__fd(s->skeleton->maps.offcpu_threads), s->places,
						      s->rows[OFFCPU_TABLE], s->host->now_ns(s->host, CULPRIT_MONOTONIC),
						      bpf_thinning(s->unit, STACKS_SWITCH));
	bpf_ring_read(s->news);
	stacks_store_sweep(s->store, __atomic_load_n(&s->skeleton->bss->stacks_made, __ATOMIC_RELAXED), epoch + 1);
	stacks_code_tick(s->code);
	go_on(s);
	bpf_say_fill(s->unit, STACKS_SAMPLE, stacks_store_used(s->store), STACKS_KEPT);
	for (unsigned i = 0; i < HEAP_TABLE; i++)
		put_lens(s, f, i, i == OFFCPU_TABLE ? waits_missing : NULL);
	put_heap(s, f);
	bpf_programs(s->unit, &programs);
	for (unsigned i = 0; i < LENSES; i++) {
		uint64_t lost = i == OFFCPU_TABLE && s->at ? sched_switch_lost(s->at) : 0;

		for (unsigned k = lenses[i].first; k <= lenses[i].last; k++)
			lost += programs[k].lost;
		culprit_lost(f, i, lost - s->lost[i]);
		s->lost[i] = lost;
	}
	return 0;
}

/* What sees the switches is the scheduler's, where that is collected; else it is here for the waits alone. */
static bool tells_switch(const struct stacks *s)
{
	return s->at && !sched_switch_is_for(SCHED_FOR_TABLES);
}

static size_t stacks_programs(void *self, const struct culprit_program **ret_list)
{
	struct stacks *s = self;
	const struct culprit_program *more;
	size_t n = s->own ? stacks_own_programs(s->own, ret_list) : bpf_programs(s->unit, ret_list), nmore;

	if (s->own || !tells_switch(s))
		return n;
	nmore = bpf_programs(s->at->unit, &more);
	memcpy(s->programs, *ret_list, n * sizeof(*more));
	memcpy(s->programs + n, more, nmore * sizeof(*more));
	*ret_list = s->programs;
	return n + nmore;
}

static int stacks_thin(void *self, size_t index, uint32_t thinning)
{
	struct stacks *s = self;
	const struct culprit_program *ignored;
	size_t n;
	int r;

	if (s->own) {
		stacks_own_thin(s->own, thinning);
		return 0;
	}
	n = bpf_programs(s->unit, &ignored);
	if (index >= n && tells_switch(s))
		return bpf_thin(s->at->unit, index - n, thinning);
	r = bpf_thin(s->unit, index, thinning);
	say_period(s);
	return r;
}

static const struct culprit_table *const tables[] = {
	[ONCPU_TABLE] = &oncpu_table,
	[OFFCPU_TABLE] = &offcpu_table,
	[FAULTS_TABLE] = &faults_table,
	[BLOCKIO_TABLE] = &blockio_table,
	[LOCK_TABLE] = &lock_table,
	[HEAP_TABLE] = &heap_table,
	[HEAP_PROBE_TABLE] = &heap_probe_table,
};

const struct culprit_collector stacks_collector = {
	.size = sizeof(stacks_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "stacks",
	.help = "Stacks: which code runs on the CPUs, which one waits and for what, which one touches memory, asks disks, waits for the kernel's locks, allocates (BPF)",
	.tables = tables,
	.ntables = NTABLES,
	.probe = stacks_probe,
	.open = stacks_open,
	.fd = stacks_fd,
	.drain = stacks_drain,
	.interests = stacks_interests,
	.sample = stacks_sample_rows,
	.close = stacks_close,
	.programs = stacks_programs,
	.thin = stacks_thin,
};
