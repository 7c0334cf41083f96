#include "stacks_own.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "procfs.h"
#include "stacks_columns.h"
#include "stacks_own_follow.h"
#include "task_parse.h"

enum { RATE_NOW = STACKS_OWN };
enum {
	COPIED = 8192,             /* bytes of the stack with each sample; what reaches further is cut */
	RING = 512 << 10,          /* a CPU: so much an unprivileged user may have by default (perf_event_mlock_kb) */
	RING_MIN = 64 << 10,
	CPUS_MOST = 256,
	FDS_MOST = 4096,
	ROWS_MOST = 4096,
	NAMES = 1024,              /* threads whose begin and name are remembered, by a hash */
};

#if defined(__x86_64__)
enum { REG_FP = 6, REG_SP = 7, REG_PC = 8 };
#define REGS_MASK (1ull << REG_FP | 1ull << REG_SP | 1ull << REG_PC)
#elif defined(__aarch64__)
enum { REG_FP = 29, REG_LR = 30, REG_SP = 31, REG_PC = 32 };
#define REGS_MASK (1ull << REG_FP | 1ull << REG_LR | 1ull << REG_SP | 1ull << REG_PC)
#else
#define REGS_MASK 0
#endif

static const char dropped[] = "rests: culprit cost more than its budget; --budget raises it";

struct ring {
	struct perf_event_mmap_page *page;
	uint8_t *data;
	size_t size;
	int fd; /* -1: that CPU is off line */
};

/* What belongs to a thread, read when it is first sampled. */
struct name {
	uint32_t tid;
	uint64_t start_ns, process_start_ns;
	char comm[16];
};

struct stacks_own {
	const struct culprit_host *host;
	struct stacks_store *store;
	struct stacks_rows *rows;
	struct own_follow *follow; /* NULL: all that runs is sampled, by one event a CPU */
	struct ring rings[CPUS_MOST];
	unsigned ncpus, hz;
	bool kernel; /* time in the kernel is sampled, too */
	bool few_files; /* fewer may be open than we would have */
	int epoll;
	uint32_t thinning; /* one sample in so many is looked at; 0: none, and none are taken */
	uint64_t samples, looked_ns; /* how many came, CPU time of looking at them */
	uint64_t all_lost, lost, full; /* since the beginning; since the last sample */
	struct name names[NAMES];
	struct unwind_stack stack; /* the one that is being added, */
	uint64_t hash;             /* and its hash */
	uint8_t record[COPIED + 4096];
	struct culprit_program program;
	char reason[200]; /* why not all is sampled, or not better */
};

/* --- events --------------------------------------------------------------------------------------------------------------- */

/* inherit: whoever the thread begins has it as well, and is told of. */
static int event_open(pid_t pid, int cpu, unsigned hz, bool kernel, bool inherit)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000u / hz,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = REGS_MASK,
		.sample_stack_user = COPIED,
		.exclude_kernel = !kernel,
		.exclude_hv = 1,
		.exclude_idle = 1,
		.inherit = inherit,
		.task = inherit,
		.watermark = 1,
		.wakeup_watermark = RING_MIN / 2,
	};

	return (int)syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

int stacks_own_probe(const struct culprit_host *host, struct culprit_error *error)
{
	bool here = REGS_MASK && !(host->flags & CULPRIT_HOST_SAFE) && procfs_is_own(host->proc_fd);
	int fd = here ? event_open(0, -1, 99, false, false) : -1, err = fd < 0 ? errno : 0;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (!here)
		return -ENOTSUP;
	/* To whom more rights would bring it. */
	if (error && (err == EACCES || err == EPERM) && geteuid())
		snprintf(error->sentence, sizeof(error->sentence),
			 "stacks need root; or, of your own processes, once as root: sysctl kernel.perf_event_paranoid=2");
	return -err;
}

/* --- rings ---------------------------------------------------------------------------------------------------------------- */

/* Where all is sampled, the CPU's event has its ring. Else an event of our own that never counts holds it: those of others come and go.
 * It is of our first thread: the one that opens us ends, and the ring of one that has ended is readable for ever. */
static int ring_open(struct stacks_own *o, unsigned cpu)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct epoll_event readable = {.events = EPOLLIN, .data.u32 = cpu};
	struct ring *r = &o->rings[cpu];
	void *at = MAP_FAILED;

	r->fd = o->follow ? event_open(getpid(), (int)cpu, 1, false, false) : event_open(-1, (int)cpu, o->hz, o->kernel, false);
	if (r->fd < 0)
		return errno == ENODEV || errno == EINVAL ? 0 : -errno;
	if (o->follow)
		ioctl(r->fd, PERF_EVENT_IOC_DISABLE, 0);
	for (r->size = RING; at == MAP_FAILED && r->size >= RING_MIN; r->size /= at == MAP_FAILED ? 2 : 1)
		at = mmap(NULL, page + r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (at == MAP_FAILED || epoll_ctl(o->epoll, EPOLL_CTL_ADD, r->fd, &readable)) {
		int err = -errno;

		if (at != MAP_FAILED)
			munmap(at, page + r->size);
		close(r->fd);
		r->fd = -1;
		return err;
	}
	r->page = at;
	r->data = (uint8_t *)at + page;
	return 0;
}

/* For own_follow_create(). */
static int open_into_ring(void *arg, uint32_t tid, unsigned cpu)
{
	struct stacks_own *o = arg;
	int fd, err;

	if (o->rings[cpu].fd < 0)
		return -2;
	fd = event_open((pid_t)tid, (int)cpu, o->hz, o->kernel, true);
	if (fd < 0 || !ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, o->rings[cpu].fd))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static bool can_open(pid_t pid, int cpu, unsigned hz, bool kernel)
{
	int fd = event_open(pid, cpu, hz, kernel, false);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

struct stacks_own *stacks_own_create(const struct culprit_host *host, unsigned hz, const char *reason, struct culprit_error *error)
{
	struct stacks_own *o = calloc(1, sizeof(*o));
	struct rlimit files;
	unsigned fds;
	bool all;
	int r = 0;

	if (!o)
		return NULL;
	o->host = host;
	o->hz = hz;
	o->thinning = 1;
	snprintf(o->reason, sizeof(o->reason), "%s", reason);
	o->epoll = epoll_create1(EPOLL_CLOEXEC);
	o->ncpus = bpf_cpus() < CPUS_MOST ? bpf_cpus() : CPUS_MOST;
	for (unsigned i = 0; i < CPUS_MOST; i++)
		o->rings[i].fd = -1;
	o->few_files = !getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur / 2 < FDS_MOST;
	fds = o->few_files ? (unsigned)files.rlim_cur / 2 : FDS_MOST;
	o->store = stacks_store_create_own(host, &o->hash, &o->stack);
	o->rows = o->store ? stacks_rows_create(host, o->store, ROWS_MOST) : NULL;
	/* Where others may be sampled, or the kernel's part of the time, they are. */
	all = can_open(-1, sched_getcpu(), hz, false);
	o->kernel = all ? can_open(-1, sched_getcpu(), hz, true) : can_open(0, -1, hz, true);
	if (!all)
		o->follow = own_follow_create(host, open_into_ring, o, o->ncpus, fds);
	for (unsigned i = 0; i < o->ncpus && !r && o->epoll >= 0; i++)
		r = ring_open(o, i);
	if (r || !o->rows || (!all && !o->follow) || o->epoll < 0) {
		if (error)
			snprintf(error->sentence, sizeof(error->sentence), "stacks of own processes are not sampled: %s",
				 r ? strerror(-r) : "out of memory or descriptors");
		stacks_own_destroy(o);
		return NULL;
	}
	if (o->follow)
		own_follow_look(o->follow, true);
	return o;
}

void stacks_own_destroy(struct stacks_own *o)
{
	if (!o)
		return;
	own_follow_destroy(o->follow);
	for (unsigned i = 0; i < CPUS_MOST; i++) {
		if (o->rings[i].fd < 0)
			continue;
		munmap(o->rings[i].page, (size_t)sysconf(_SC_PAGESIZE) + o->rings[i].size);
		close(o->rings[i].fd);
	}
	stacks_rows_destroy(o->rows);
	stacks_store_destroy(o->store);
	if (o->epoll >= 0)
		close(o->epoll);
	free(o);
}

int stacks_own_fd(const struct stacks_own *o)
{
	return o->epoll;
}

/* --- samples -------------------------------------------------------------------------------------------------------------- */

static uint64_t start_of(struct stacks_own *o, const char *path, char comm[16])
{
	struct task_stat stat;
	char text[1024];
	ssize_t n = procfs_read(o->host->proc_fd, path, text, sizeof(text));

	if (n <= 0 || task_parse_stat(text, (size_t)n, &stat))
		return 0;
	if (comm)
		snprintf(comm, 16, "%.*s", (int)stat.comm_len, stat.comm);
	return stat.start * (1000000000 / o->host->user_hz);
}

static const struct name *name_of(struct stacks_own *o, uint32_t pid, uint32_t tid)
{
	struct name *n = &o->names[tid * 2654435761u >> 22 & (NAMES - 1)];
	char path[64];

	if (n->tid == tid)
		return n;
	memset(n, 0, sizeof(*n));
	n->tid = tid;
	snprintf(path, sizeof(path), "%u/task/%u/stat", pid, tid);
	n->start_ns = start_of(o, path, n->comm);
	snprintf(path, sizeof(path), "%u/stat", pid);
	n->process_start_ns = start_of(o, path, NULL);
	return n;
}

static void take_sample(struct stacks_own *o, const uint8_t *at, size_t n)
{
	struct stacks_count count = {.count = 1, .time_ns = o->thinning * UINT64_C(1000000000) / o->hz};
	struct culprit_registers regs = {0};
	struct stacks_key key = {0};
	uint32_t frames = 0, end = 0;
	uint64_t abi, size = 0, used = 0;
	const struct name *name;

	if (n < 16)
		return;
	memcpy(&key.pid, at, 4);
	memcpy(&key.tid, at + 4, 4);
	memcpy(&abi, at + 8, 8);
	/* Of another pid namespace: there is nothing of it in our /proc. */
	if (!key.pid || key.pid == UINT32_MAX)
		return;
	at += 16;
	n -= 16;
	if (abi) {
		uint64_t values[4];
		size_t nregs = (size_t)__builtin_popcountll(REGS_MASK);

		if (n < nregs * 8 + 8)
			return;
		memcpy(values, at, nregs * 8);
#if defined(__aarch64__)
		regs = (struct culprit_registers){.fp = values[0], .lr = values[1], .sp = values[2], .pc = values[3]};
#else
		regs = (struct culprit_registers){.fp = values[0], .sp = values[1], .pc = values[2]};
#endif
		at += nregs * 8;
		n -= nregs * 8;
	}
	if (n >= 8) {
		memcpy(&size, at, 8);
		at += 8;
		n -= 8;
	}
	if (size && n >= size + 8 && size <= COPIED) {
		memcpy(&used, at + size, 8);
		used = used < size ? used : size;
	}
	if (!o->host->stack_walk ||
	    o->host->stack_walk(o->host, key.pid, &regs, at, used, (uint64_t *)o->stack.pcs, UNWIND_FRAMES, &frames, &end))
		frames = 0;
	o->stack.n = (unsigned short)frames;
	/* What was copied ends there; the stack goes on. */
	o->stack.end = (unsigned short)(end == CULPRIT_STACK_UNREADABLE && used == COPIED ? (uint32_t)CULPRIT_STACK_DEEP : end);
	o->hash = 0x9fb21c651e98df25u ^ end;
	for (uint32_t i = 0; i < frames; i++)
		o->hash = (o->hash ^ o->stack.pcs[i]) * 0x9E3779B97F4A7C15u + (o->hash >> 29);
	o->hash += !o->hash;
	name = name_of(o, key.pid, key.tid);
	key.start = name->start_ns;
	key.user = frames ? o->hash : 0;
	key.missed = !frames;
	count.process_start = name->process_start_ns;
	memcpy(count.comm, name->comm, sizeof(count.comm));
	if (!stacks_rows_add(o->rows, &key, &count))
		o->full++;
}

/* A child has inherited our events: {pid, parent, tid, parent's tid}; a thread is of its process. */
static void take_fork(struct stacks_own *o, const uint8_t *at, size_t n)
{
	uint32_t ids[4];

	if (!o->follow || n < sizeof(ids))
		return;
	memcpy(ids, at, sizeof(ids));
	if (ids[0] != ids[1] && ids[0])
		own_follow_forked(o->follow, ids[1], ids[0]);
}

static void take_lost(struct stacks_own *o, const uint8_t *at, size_t n)
{
	uint64_t lost;

	if (n < 16)
		return;
	memcpy(&lost, at + 8, 8);
	o->lost += lost;
	if (o->follow)
		own_follow_unsure(o->follow);
}

static void drain_ring(struct stacks_own *o, struct ring *r)
{
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE), tail = r->page->data_tail;

	while (head - tail >= sizeof(struct perf_event_header)) {
		struct perf_event_header h;
		size_t at = tail & (r->size - 1), first, n;
		/* Of what events have been inherited nobody can change the period: they are thinned here. */
		bool thinned;

		memcpy(&h, r->data + at, sizeof(h)); /* records are of 8 bytes, and so is it */
		if (h.size < sizeof(h) || h.size > head - tail)
			break;
		thinned = h.type == PERF_RECORD_SAMPLE && (!o->thinning || ++o->samples % o->thinning);
		if (h.size <= sizeof(o->record) && !thinned) {
			first = h.size < r->size - at ? h.size : r->size - at;
			memcpy(o->record, r->data + at, first);
			memcpy(o->record + first, r->data, h.size - first);
			n = h.size - sizeof(h);
			if (h.type == PERF_RECORD_SAMPLE)
				take_sample(o, o->record + sizeof(h), n);
			else if (h.type == PERF_RECORD_FORK)
				take_fork(o, o->record + sizeof(h), n);
			else if (h.type == PERF_RECORD_LOST)
				take_lost(o, o->record + sizeof(h), n);
		}
		tail += h.size;
	}
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
}

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void stacks_own_drain(struct stacks_own *o)
{
	struct epoll_event ended[16];
	uint64_t begin = thread_ns();
	int n = epoll_wait(o->epoll, ended, 16, 0);

	/* One whose CPU has gone would be readable for ever. */
	for (int i = 0; i < n; i++)
		if (ended[i].events & (EPOLLHUP | EPOLLERR))
			epoll_ctl(o->epoll, EPOLL_CTL_DEL, o->rings[ended[i].data.u32].fd, NULL);
	for (unsigned i = 0; i < o->ncpus; i++)
		if (o->rings[i].fd >= 0)
			drain_ring(o, &o->rings[i]);
	o->looked_ns += thread_ns() - begin;
}

/* --- the table ------------------------------------------------------------------------------------------------------------- */

static unsigned rate_of(const struct stacks_own *o)
{
	return o->hz > o->thinning && o->thinning ? o->hz / o->thinning : 1;
}

static void put_rate(void *arg, struct culprit_frame *f, const struct stacks_row *row)
{
	(void)row;
	culprit_put_u64(f, RATE_NOW, rate_of(arg));
}

/* What the rows don't show, and why. */
static void remark(const struct stacks_own *o, char *text, size_t cap)
{
	struct own_missed missed = o->follow ? own_follow_missed(o->follow) : (struct own_missed){0};
	char few[72] = "", refused[72] = "", young[48] = "";

	if (missed.no_room)
		snprintf(few, sizeof(few), ", without %u threads (%s)", missed.no_room,
			 o->few_files ? "too few descriptors: raise ulimit -n" : "more than are followed at once");
	if (missed.refused)
		snprintf(refused, sizeof(refused), ", without %u threads that the kernel refuses", missed.refused);
	/* Each has a clock of its own, which begins with it. */
	if (o->follow)
		snprintf(young, sizeof(young), ", from %u ms of CPU time on", 1000 / o->hz + 1);
	snprintf(text, cap, "%s%s%s%s%s: %s", o->follow ? "of your own processes only" : "by perf events, without the kernel's part of stacks",
		 o->kernel ? "" : ", in their own code only", young, few, refused, o->reason);
}

void stacks_own_sample(struct stacks_own *o, struct culprit_frame *f, uint32_t table)
{
	char text[400];

	stacks_own_drain(o);
	if (o->follow)
		own_follow_look(o->follow, false);
	/* A name may be another thread's by now. */
	memset(o->names, 0, sizeof(o->names));
	stacks_store_turn(o->store);
	culprit_table(f, table);
	if (o->thinning) {
		remark(o, text, sizeof(text));
		culprit_state(f, table, CULPRIT_FRESH, text);
		stacks_rows_put(o->rows, f, put_rate, o);
	} else {
		culprit_state(f, table, CULPRIT_MISSING, dropped);
	}
	culprit_lost(f, table, o->lost + o->full);
	o->all_lost += o->lost + o->full;
	o->lost = o->full = 0;
}

/* --- the budget ------------------------------------------------------------------------------------------------------------ */

size_t stacks_own_programs(struct stacks_own *o, const struct culprit_program **ret_list)
{
	o->program = (struct culprit_program){
		.size = sizeof(o->program),
		.name = "stacks_own",
		.hook = o->follow ? "perf event cpu-clock, own threads" : "perf event cpu-clock, every CPU",
		.reason = o->thinning ? NULL : dropped,
		.state = o->thinning ? CULPRIT_PROGRAM_ON : CULPRIT_PROGRAM_DROPPED,
		.thinning = o->thinning ? o->thinning : 1,
		.thins = true,
		.inside = true,
		.events = o->samples,
		.lost = o->all_lost,
		.run_ns = o->looked_ns,
	};
	*ret_list = &o->program;
	return 1;
}

void stacks_own_thin(struct stacks_own *o, uint32_t thinning)
{
	unsigned long request = thinning ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;

	if (!thinning != !o->thinning && o->follow)
		own_follow_tell(o->follow, request);
	for (unsigned i = 0; i < o->ncpus && !thinning != !o->thinning && !o->follow; i++)
		if (o->rings[i].fd >= 0)
			ioctl(o->rings[i].fd, request, 0);
	o->thinning = thinning;
}
