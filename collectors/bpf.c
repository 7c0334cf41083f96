#include "bpf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf_btf.h"
#include "bpf_said.h"
#include "bpf_why.h"
#include "procfs.h"

enum { VIEWS_MAX = 16, CPUS_MOST = 8192 };

struct program {
	struct bpf_program *program; /* NULL: not in the object */
	struct bpf_link *link;
	struct bpf_perf *perf; /* instead of a link, where the hook has a rate */
	unsigned hz, every;
	struct culprit_error reason;
	bool failed;  /* cannot be loaded or attached here */
	bool aside;   /* of a way that is not taken */
	bool dropped; /* by the budget */
	bool called;  /* by another program: as good as attached */
	bool elsewhere; /* attached by its collector */
	bool wanted;  /* should be attached, were it not for the budget */
	uint64_t events, timed, timed_ns; /* as of the last reckoning */
	uint64_t run_ns;
	double per_event_ns;
	uint64_t said_lost, used, max;
	uint64_t missed; /* as asked of the kernel last */
	uint32_t thinning;
};

struct bpf_unit {
	const struct bpf_kit *kit;
	struct bpf_setting setting;
	void *skeleton;
	struct program programs[BPF_PROGRAMS_MAX];
	struct culprit_program list[BPF_PROGRAMS_MAX];
	unsigned at[BPF_PROGRAMS_MAX]; /* whose hook each of the list is */
	unsigned turn; /* whose misses are asked for next */
	struct bpf_cpu_costs *costs; /* one a CPU; NULL: the object has none */
	uint64_t map_bytes;
	struct {
		void *at;
		size_t size;
	} views[VIEWS_MAX];
	size_t nviews;
};

unsigned bpf_cpus(void)
{
	int n = libbpf_num_possible_cpus();

	return n < 1 ? 1 : n > CPUS_MOST ? CPUS_MOST : (unsigned)n;
}

unsigned bpf_places(const struct culprit_host *host, unsigned each, unsigned least, unsigned most)
{
	char text[128];
	ssize_t n = procfs_read(host->proc_fd, "loadavg", text, sizeof(text) - 1);
	unsigned places = least;
	unsigned long threads;
	const char *slash;

	text[n > 0 ? n : 0] = '\0';
	slash = strchr(text, '/');
	threads = slash ? strtoul(slash + 1, NULL, 10) : 0;
	while (places < most && places / each < threads)
		places *= 2;
	return places;
}

uint32_t bpf_ring_bytes(uint32_t for_each_cpu, uint32_t most)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t bytes = 1 << 16;

	while (bytes < most && bytes < (uint64_t)for_each_cpu * (uint64_t)(cpus > 0 ? cpus : 1))
		bytes *= 2;
	return bytes;
}

int bpf_probe(const struct culprit_host *host, struct culprit_error *error)
{
	struct bpf_setting setting;

	if (host->flags & CULPRIT_HOST_SAFE) {
		if (error)
			snprintf(error->sentence, sizeof(error->sentence),
				 "not measured: nothing is loaded into the kernel (--safe, or not this machine's own /proc)");
		return -EPERM;
	}
	bpf_setting_read(&setting, host->proc_fd, host->sys_fd);
	return bpf_why_not(&setting, error);
}

/* --- loading ----------------------------------------------------------------------------------------------------- */

static struct bpf_object *object_of(const struct bpf_unit *u)
{
	return *u->kit->skeleton(u->skeleton)->obj;
}

static unsigned first_way = 1;

void bpf_first_way(unsigned way)
{
	first_way = way;
}

static unsigned last_way(const struct bpf_hook *hooks, unsigned nhooks)
{
	unsigned last = 0;

	for (unsigned i = 0; i < nhooks; i++)
		last = hooks[i].way > last ? hooks[i].way : last;
	return last;
}

unsigned bpf_way(const struct bpf_hook *hooks, unsigned nhooks, const bool *failed)
{
	unsigned last = last_way(hooks, nhooks), best = 0, best_lacks = 0;

	for (unsigned way = first_way; way <= last; way++) {
		unsigned lacks = 0;

		for (unsigned i = 0; i < nhooks; i++)
			lacks += hooks[i].way == way && failed[i];
		if (best && lacks >= best_lacks)
			continue;
		best = way;
		best_lacks = lacks;
	}
	return best;
}

static void take_way(struct bpf_unit *u, unsigned way)
{
	for (unsigned i = 0; i < u->kit->nhooks; i++)
		u->programs[i].aside = u->kit->hooks[i].way && u->kit->hooks[i].way != way;
}

/* Of all that is known to fail. */
static void take_best_way(struct bpf_unit *u)
{
	bool failed[BPF_PROGRAMS_MAX] = {false};

	for (unsigned i = 0; i < u->kit->nhooks; i++)
		failed[i] = u->programs[i].failed;
	take_way(u, bpf_way(u->kit->hooks, u->kit->nhooks, failed));
}

/* Not, where a program of it was left out because the kernel has nothing like it. */
static bool way_is_whole(const struct bpf_unit *u)
{
	for (unsigned i = 0; i < u->kit->nhooks; i++) {
		if (u->kit->hooks[i].way && !u->programs[i].aside && u->programs[i].failed)
			return false;
	}
	return true;
}

/* Opens and loads the object with those programs that are not known to fail, or with `only` one of them. 0 or -errno. */
static int try_load(struct bpf_unit *u, void *arg, int only)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = bpf_btf_path());
	struct bpf_map *costs;
	int r;

	bpf_said_begin();
	errno = 0;
	u->skeleton = u->kit->open(&opts);
	if (!u->skeleton)
		return errno ? -errno : -EINVAL;
	for (unsigned i = 0; i < u->kit->nhooks; i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(object_of(u), u->kit->hooks[i].name);

		u->programs[i].program = p;
		if (p && !u->programs[i].failed && !bpf_btf_has(bpf_program__section_name(p))) {
			u->programs[i].failed = true;
			bpf_why_program(&u->setting, u->kit->hooks[i].hook, -ESRCH, "", &u->programs[i].reason);
		}
		if (p)
			bpf_program__set_autoload(p, only < 0 ? !u->programs[i].failed && !u->programs[i].aside : (unsigned)only == i);
	}
	costs = bpf_object__find_map_by_name(object_of(u), "bpf_costs");
	r = costs ? bpf_map__set_max_entries(costs, bpf_cpus()) : 0;
	if (!r && u->kit->configure)
		r = u->kit->configure(u->skeleton, arg);
	return r ? r : bpf_object__load_skeleton((struct bpf_object_skeleton *)u->kit->skeleton(u->skeleton));
}

static void drop_skeleton(struct bpf_unit *u)
{
	if (u->skeleton)
		u->kit->destroy(u->skeleton);
	u->skeleton = NULL;
	for (unsigned i = 0; i < BPF_PROGRAMS_MAX; i++)
		u->programs[i].program = NULL;
}

/* All at once, in each way; where that fails, each by itself, and then those together that can be. */
static int load_what_can_be(struct bpf_unit *u, void *arg, struct culprit_error *error)
{
	unsigned good = 0, way = first_way, last = last_way(u->kit->hooks, u->kit->nhooks);
	int r, first = -ENOENT;

	do {
		take_way(u, way);
		r = try_load(u, arg, -1);
		if (!r && way_is_whole(u))
			return 0;
		if (r) {
			bpf_why_object(&u->setting, r, bpf_said(), error);
			first = r;
		}
		drop_skeleton(u);
	} while (++way <= last);
	for (unsigned i = 0; i < u->kit->nhooks && u->kit->nhooks > 1; i++) {
		struct program *p = &u->programs[i];

		r = try_load(u, arg, (int)i);
		p->failed = r != 0;
		if (r)
			bpf_why_program(&u->setting, u->kit->hooks[i].hook, r, bpf_said(), &p->reason);
		good += !r;
		drop_skeleton(u);
	}
	if (!good) {
		if (error && u->kit->nhooks == 1)
			bpf_why_program(&u->setting, u->kit->hooks[0].hook, first, bpf_said(), error);
		return first;
	}
	take_best_way(u);
	r = try_load(u, arg, -1);
	if (r) {
		bpf_why_object(&u->setting, r, bpf_said(), error);
		drop_skeleton(u);
	}
	return r;
}

static bool is_attached(const struct program *p)
{
	return p->link || p->perf || p->called || p->elsewhere;
}

static unsigned hz_of(const struct program *p)
{
	return p->hz > p->thinning ? p->hz / p->thinning : 1;
}

/* For bpf_perf_attach(). */
static unsigned rate_of(const struct program *p)
{
	return p->every ? p->every * (p->thinning ? p->thinning : 1) : hz_of(p);
}

static void detach(struct program *p)
{
	bpf_link__destroy(p->link);
	bpf_perf_detach(p->perf);
	p->link = NULL;
	p->perf = NULL;
	p->called = false;
}

static struct bpf_link *attach_iterator(const struct bpf_unit *u, unsigned i)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	const char *over = u->kit->hooks[i].over;
	const struct bpf_map *map = over ? bpf_object__find_map_by_name(object_of(u), over) : NULL;
	union bpf_iter_link_info info = {0};

	if (map) {
		info.map.map_fd = (__u32)bpf_map__fd(map);
		opts.link_info = &info;
		opts.link_info_len = sizeof(info);
	}
	return bpf_program__attach_iter(u->programs[i].program, &opts);
}

static int attach(struct bpf_unit *u, unsigned i)
{
	struct program *p = &u->programs[i];
	int r = 0;

	if (is_attached(p))
		return 0;
	if (p->failed || p->aside || !p->program)
		return -ENOENT;
	if (u->kit->hooks[i].called) {
		p->called = true;
		return 0;
	}
	bpf_said_begin();
	errno = 0;
	if (p->hz || p->every)
		p->perf = bpf_perf_attach(p->program, u->kit->hooks[i].event, rate_of(p));
	else if (u->kit->hooks[i].iterator)
		p->link = attach_iterator(u, i);
	else
		p->link = bpf_program__attach_trace(p->program);
	if (!is_attached(p)) {
		r = errno ? -errno : -EINVAL;
		bpf_why_program(&u->setting, u->kit->hooks[i].hook, r, bpf_said(), &p->reason);
		p->failed = true;
	}
	return r;
}

static uint64_t bytes_of(const struct bpf_map *map)
{
	uint64_t one = bpf_map__value_size(map) + bpf_map__key_size(map);

	if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY || bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_HASH)
		one *= bpf_cpus();
	if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
		one = 1;
	return one * bpf_map__max_entries(map);
}

static void reckon_maps(struct bpf_unit *u)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object_of(u))
		u->map_bytes += bytes_of(map);
}

void bpf_say_shared(struct bpf_unit *u, const struct bpf_map *map)
{
	u->map_bytes -= bytes_of(map);
}

struct bpf_unit *bpf_load(const struct culprit_host *host, const struct bpf_kit *kit, void *arg, struct culprit_error *error)
{
	struct bpf_unit *u = calloc(1, sizeof(*u));
	struct bpf_map *costs;
	unsigned on = 0, wanted = 0, first = kit->nhooks;

	if (bpf_probe(host, error)) {
		free(u);
		return NULL;
	}
	if (!u || kit->nhooks > BPF_PROGRAMS_MAX) {
		free(u);
		if (error)
			snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		return NULL;
	}
	u->kit = kit;
	bpf_setting_read(&u->setting, host->proc_fd, host->sys_fd);
	for (unsigned i = 0; i < kit->nhooks; i++) {
		u->programs[i].thinning = 1;
		u->programs[i].hz = kit->hooks[i].hz;
		u->programs[i].every = kit->hooks[i].every;
	}
	if (load_what_can_be(u, arg, error)) {
		bpf_unload(u);
		return NULL;
	}
	costs = bpf_object__find_map_by_name(object_of(u), "bpf_costs");
	if (costs)
		u->costs = bpf_view(u, costs, true);
	reckon_maps(u);
	for (unsigned i = 0; i < kit->nhooks; i++) {
		if (u->programs[i].aside)
			continue;
		if (kit->hooks[i].interest || kit->hooks[i].iterator) {
			on += !u->programs[i].failed;
			continue;
		}
		wanted++;
		u->programs[i].wanted = true;
		if (!attach(u, i))
			on++;
		else if (first == kit->nhooks)
			first = i;
	}
	if (!on && first < kit->nhooks) {
		if (error)
			*error = u->programs[first].reason;
		bpf_unload(u);
		return NULL;
	}
	for (unsigned i = 0; i < kit->nhooks; i++)
		if (u->programs[i].failed && !u->programs[i].aside && host->log)
			host->log(host, CULPRIT_LOG_WARNING, u->programs[i].reason.sentence);
	return u;
}

void bpf_unload(struct bpf_unit *u)
{
	if (!u)
		return;
	for (unsigned i = 0; i < u->kit->nhooks; i++)
		detach(&u->programs[i]);
	for (size_t i = 0; i < u->nviews; i++)
		munmap(u->views[i].at, u->views[i].size);
	drop_skeleton(u);
	free(u);
}

void *bpf_skeleton(struct bpf_unit *u)
{
	return u->skeleton;
}

bool bpf_is_on(const struct bpf_unit *u, unsigned i)
{
	return is_attached(&u->programs[i]);
}

bool bpf_is_aside(const struct bpf_unit *u, unsigned i)
{
	return u->programs[i].aside;
}

uint32_t bpf_thinning(const struct bpf_unit *u, unsigned i)
{
	return u->programs[i].thinning;
}

int bpf_called_fd(const struct bpf_unit *u, unsigned i)
{
	const struct program *p = &u->programs[i];

	return p->failed || p->aside || !p->program ? -1 : bpf_program__fd(p->program);
}

unsigned bpf_hz(const struct bpf_unit *u, unsigned i)
{
	return u->programs[i].perf ? hz_of(&u->programs[i]) : 0;
}

bool bpf_by_cycles(const struct bpf_unit *u, unsigned i)
{
	return u->programs[i].perf && bpf_perf_by_cycles(u->programs[i].perf);
}

int bpf_set_hz(struct bpf_unit *u, unsigned i, unsigned hz)
{
	struct program *p = &u->programs[i];

	p->hz = hz ? hz : 1;
	return p->perf ? bpf_perf_rate(p->perf, rate_of(p)) : 0;
}

const char *bpf_reason(const struct bpf_unit *u, unsigned i)
{
	const struct program *p = &u->programs[i];

	return p->reason.sentence[0] && !p->aside ? p->reason.sentence : NULL;
}

int bpf_attach(struct bpf_unit *u, unsigned i)
{
	u->programs[i].wanted = true;
	return u->programs[i].dropped ? -EBUSY : attach(u, i);
}

void bpf_detach(struct bpf_unit *u, unsigned i)
{
	struct program *p = &u->programs[i];

	p->wanted = false;
	detach(p);
}

void bpf_say_attached(struct bpf_unit *u, unsigned i, bool is)
{
	u->programs[i].elsewhere = is;
}

int bpf_iterate(struct bpf_unit *u, unsigned i)
{
	struct program *p = &u->programs[i];

	if (attach(u, i))
		return -ENOENT;
	return bpf_iter_create(bpf_link__fd(p->link));
}

void *bpf_view(struct bpf_unit *u, struct bpf_map *map, bool write)
{
	return bpf_view_first(u, map, bpf_map__max_entries(map), write);
}

void *bpf_view_first(struct bpf_unit *u, struct bpf_map *map, uint32_t n, bool write)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = bpf_stride(bpf_map__value_size(map)) * n;
	void *at;

	if (u->nviews == VIEWS_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	size = (size + page - 1) / page * page;
	at = mmap(NULL, size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);
	if (at == MAP_FAILED)
		return NULL;
	u->views[u->nviews].at = at;
	u->views[u->nviews++].size = size;
	return at;
}

void *bpf_window_open(struct bpf_window *w, int map_fd, size_t from, size_t bytes)
{
	size_t skip = from % (size_t)sysconf(_SC_PAGESIZE);

	w->bytes = skip + bytes;
	w->map = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, (off_t)(from - skip));
	return w->map == MAP_FAILED ? NULL : (char *)w->map + skip;
}

void bpf_window_close(struct bpf_window *w)
{
	munmap(w->map, w->bytes);
}

/* --- what they cost ---------------------------------------------------------------------------------------------- */

/* Counts of all CPUs together. */
static struct bpf_cost sum_cost(const struct bpf_unit *u, unsigned i)
{
	struct bpf_cost sum = {0};

	for (unsigned cpu = 0; u->costs && cpu < bpf_cpus(); cpu++) {
		const struct bpf_cost *c = &u->costs[cpu].program[i];

		sum.events += __atomic_load_n(&c->events, __ATOMIC_RELAXED);
		sum.lost += __atomic_load_n(&c->lost, __ATOMIC_RELAXED);
		sum.timed += __atomic_load_n(&c->timed, __ATOMIC_RELAXED);
		sum.timed_ns += __atomic_load_n(&c->timed_ns, __ATOMIC_RELAXED);
	}
	return sum;
}

/* Calls that the kernel left out because the program was running on that CPU already. */
static uint64_t missed(const struct program *p)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (!is_attached(p) || bpf_obj_get_info_by_fd(bpf_program__fd(p->program), &info, &len))
		return 0;
	return info.recursion_misses;
}

/* The time of an event changes with the load; each stretch is reckoned with what was measured in it. The clock is read
 * twice around a timed event and so once of it is in its time; that stands for the jump into the program, which nobody
 * can time from inside and which is as long (10-30 ns). */
static void reckon(struct program *p, const struct bpf_cost *sum)
{
	uint64_t events = sum->events - p->events, timed = sum->timed - p->timed, ns = sum->timed_ns - p->timed_ns;

	if (timed) {
		p->per_event_ns = (double)ns / (double)timed;
		p->timed = sum->timed;
		p->timed_ns = sum->timed_ns;
	}
	p->run_ns += (uint64_t)(p->per_event_ns * (double)events);
	p->events = sum->events;
}

uint64_t bpf_missed(const struct bpf_unit *u, unsigned index)
{
	return missed(&u->programs[index]);
}

size_t bpf_programs(struct bpf_unit *u, const struct culprit_program **ret_list)
{
	unsigned n = 0;

	/* A system call each, and hardly ever another number: of one program each time. */
	u->turn = (u->turn + 1) % u->kit->nhooks;
	if (!u->kit->hooks[u->turn].iterator)
		u->programs[u->turn].missed = missed(&u->programs[u->turn]);

	for (unsigned i = 0; i < u->kit->nhooks; i++) {
		const struct bpf_hook *hook = &u->kit->hooks[i];
		struct program *p = &u->programs[i];
		struct bpf_cost sum = sum_cost(u, i);

		reckon(p, &sum);
		if (p->aside)
			continue;
		u->at[n] = i;
		u->list[n++] = (struct culprit_program){
			.size = sizeof(u->list[i]),
			.name = hook->name,
			.hook = hook->hook,
			.reason = bpf_reason(u, i),
			.state = p->dropped  ? CULPRIT_PROGRAM_DROPPED
				 : p->failed ? CULPRIT_PROGRAM_MISSING
				 : is_attached(p) ? CULPRIT_PROGRAM_ON
						  : CULPRIT_PROGRAM_OFF,
			.thinning = p->thinning,
			.thins = hook->thins,
			.last = hook->last,
			.events = p->events,
			.lost = sum.lost + p->said_lost + p->missed,
			.run_ns = hook->iterator ? 0 : p->run_ns,
			.map_used = p->used,
			.map_max = p->max,
			.map_bytes = n > 1 ? 0 : u->map_bytes,
		};
	}
	*ret_list = u->list;
	return n;
}

int bpf_thin(struct bpf_unit *u, size_t index, uint32_t thinning)
{
	struct program *p;

	if (index >= u->kit->nhooks)
		return -EINVAL;
	index = u->at[index];
	p = &u->programs[index];
	if (!thinning) {
		detach(p);
		p->dropped = true;
		snprintf(p->reason.sentence, sizeof(p->reason.sentence),
			 "not measured now: culprit cost more than its budget; --budget raises it");
		return 0;
	}
	if (p->dropped) {
		p->dropped = false;
		p->reason.sentence[0] = '\0';
		if (p->wanted && attach(u, (unsigned)index))
			return -ENOENT;
	}
	p->thinning = thinning;
	if (p->perf)
		bpf_perf_rate(p->perf, rate_of(p));
	for (unsigned cpu = 0; u->costs && cpu < bpf_cpus(); cpu++)
		__atomic_store_n(&u->costs[cpu].program[index].thinning, thinning, __ATOMIC_RELAXED);
	return 0;
}

void bpf_say_fill(struct bpf_unit *u, unsigned i, uint64_t used, uint64_t max)
{
	u->programs[i].used = used;
	u->programs[i].max = max;
}

void bpf_say_lost(struct bpf_unit *u, unsigned i, uint64_t lost)
{
	u->programs[i].said_lost = lost;
}
