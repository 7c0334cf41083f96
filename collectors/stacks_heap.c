#include "stacks_heap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf_said.h"
#include "elf_functions.h"
#include "stacks_columns.h"

enum { REASON = STACKS_OWN, FREED, GROWTH };
enum { PROBE_PID, PROBE_START, PROBE_ALLOCATOR, PROBE_CALLS, PROBE_COST, PROBE_IN_NS, PROBE_OUT_NS, PROBE_LOOKED, PROBE_NOTE };
enum {
	MAPPINGS_MOST = 1024,
	LINKS_MOST = 64,
	CALIBRATE_CALLS = 80,
	CALIBRATE_ROUNDS = 8,
	CALIBRATE_TRIES = 4,
	COST_MOST = 25,      /* % of one CPU that traps may take, */
	COST_TICKS = 2,      /* for so many samples */
	JOIN_S = 2,
	UNTRIED_NS = 20000,  /* a trap, where it could not be tried what one costs: as much as the dearest machines */
};

#define SOURCE "uprobes on the allocator; an allocation of less than 256 KiB by chance, with the weight that makes up for it"

static const struct culprit_column columns[] = {
	STACKS_COMMON("Not taken: allocators are code of the process"),
	[STACKS_COUNT] = COUNTER("count", CULPRIT_COUNT, "Allocations made here; an estimate", SOURCE),
	[STACKS_TIME] = COUNTER("bytes", CULPRIT_BYTES, "Memory allocated here; an estimate", SOURCE),
	[REASON] = TEXT("reason", "malloc (also calloc, realloc, aligned_alloc, posix_memalign, C++'s new), or mmap without a file or brk, called "
			"by something else than the allocator", SOURCE),
	[FREED] = COUNTER("freed", CULPRIT_BYTES, "Of that, freed meanwhile", SOURCE),
	[GROWTH] = GAUGE("growth", CULPRIT_BYTES, "Allocated here since the process is looked at, and not freed", SOURCE),
};

static const struct culprit_derived derived[] = {
	RATE("alloc_rate", "bytes", CULPRIT_BYTES_PER_S, "Memory allocated a second"),
	RATE("free_rate", "freed", CULPRIT_BYTES_PER_S, "Memory freed a second, by where it was allocated"),
};

const struct culprit_table heap_table = {
	STACKS_TABLE,
	.name = "heap",
	.help = "Stacks that allocate memory, in one process, while it is asked for: which code makes it grow",
	.sort = "growth",
	.show = "comm tid reason growth alloc_rate free_rate user_stack end",
};

static const struct culprit_column probe_columns[] = {
	[PROBE_PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Process whose allocations are looked at", "asked for"),
	[PROBE_START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it began", "asked for"),
	[PROBE_ALLOCATOR] = TEXT("allocator", "File whose functions are watched", "/proc/PID/maps"),
	[PROBE_CALLS] = COUNTER("calls", CULPRIT_COUNT, "Calls of its allocator", "counted by the program"),
	[PROBE_COST] = COUNTER("cost", CULPRIT_NS, "Time by which these calls were slower", "calls, with what one took in a trial"),
	[PROBE_IN_NS] = GAUGE("call_ns", CULPRIT_NS, "What watching a call costs, as tried on this machine", "timed"),
	[PROBE_OUT_NS] = GAUGE("return_ns", CULPRIT_NS, "What watching its return costs in addition", "timed"),
	[PROBE_LOOKED] = GAUGE("looked", CULPRIT_NS, "How long it was looked at", "timed"),
	[PROBE_NOTE] = TEXT("note", "Why it is not looked at any more, or what of it is not seen; empty: all is looked at", "counted by culprit"),
};

static const struct culprit_derived probe_derived[] = {
	RATE("call_rate", "calls", CULPRIT_COUNT_PER_S, "Calls of its allocator a second"),
	TIME_SHARE("cost_pct", "cost", "Share of one CPU that looking costs the process"),
};

const struct culprit_table heap_probe_table = {
	.size = sizeof(heap_probe_table),
	.name = "heap_probe",
	.kind = CULPRIT_STATE,
	.help = "What looking at a process's allocations costs it, while it is asked for",
	.key = "heap_probe",
	CULPRIT_COLUMNS(probe_columns),
	CULPRIT_DERIVED(probe_derived),
	.parent = "process",
	.parent_columns = "pid start",
	.sort = "cost_pct",
	.show = "pid allocator call_rate cost_pct call_ns return_ns",
};

/* Who is to be looked at. Asked by the sampling thread, done by the other one. */
struct job {
	uint32_t pid; /* 0: nobody */
	uint64_t number; /* counts up */
	struct piece {
		uint64_t start, end; /* of a file's code in memory; 0: none */
		char name[128];
	} allocator, libc; /* that stands in front of libc; libc itself */
};

/* What became of it. */
struct outcome {
	uint64_t number; /* of the job */
	int result;      /* 0, -errno */
	bool is_go;
	double in_ns, out_ns; /* what a trap costs */
	char allocator[128];  /* whose functions are watched */
	char note[256];       /* what is not as it should be though it is attached */
};

struct heap {
	const struct culprit_host *host; /* of the sampling thread */
	struct bpf_program *in, *out;
	int pieces_fd, ranges_fd, proc_fd;
	pthread_t thread;
	bool running;

	/* Of the sampling thread. */
	uint32_t pid;
	uint64_t start;
	enum heap_state state;
	char why[256], allocator[128];
	double call_ns, return_ns;
	uint64_t events_in, events_out, calls, cost_ns;
	uint64_t before_ns, looked_ns;
	unsigned dear;

	/* Shared, by the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job job;
	struct outcome done; /* of the job that was done last */
	bool end;

	/* Of the other thread. */
	struct bpf_link *links[LINKS_MOST];
	unsigned nlinks;
};

/* --- the other thread ------------------------------------------------------------------------------------------------ */

/* C++'s operators call malloc and free, or are a way of their own into an allocator that brings them. */
#define FUNCTIONS(_)                                                                                                   \
	/* Frees first: what is allocated meanwhile and freed is not left over. */                                     \
	_("free", HEAP_FREE, false, false)                                                                             \
	_("cfree", HEAP_FREE, false, false)                                                                            \
	_("dallocx", HEAP_FREE, false, false)                                                                          \
	_("sdallocx", HEAP_FREE, false, false)                                                                         \
	_("_ZdlPv", HEAP_FREE, false, false)                                                                           \
	_("_ZdaPv", HEAP_FREE, false, false)                                                                           \
	_("_ZdlPvm", HEAP_FREE, false, false)                                                                          \
	_("_ZdaPvm", HEAP_FREE, false, false)                                                                          \
	_("_ZdlPvRKSt9nothrow_t", HEAP_FREE, false, false)                                                             \
	_("_ZdaPvRKSt9nothrow_t", HEAP_FREE, false, false)                                                             \
	_("_ZdlPvSt11align_val_t", HEAP_FREE, false, false)                                                            \
	_("_ZdaPvSt11align_val_t", HEAP_FREE, false, false)                                                            \
	_("_ZdlPvmSt11align_val_t", HEAP_FREE, false, false)                                                           \
	_("_ZdaPvmSt11align_val_t", HEAP_FREE, false, false)                                                           \
	_("munmap", HEAP_MUNMAP, false, true)                                                                          \
	_("malloc", HEAP_MALLOC, true, false)                                                                          \
	_("calloc", HEAP_CALLOC, true, false)                                                                          \
	_("realloc", HEAP_REALLOC, true, false)                                                                        \
	_("aligned_alloc", HEAP_ALIGNED, true, false)                                                                  \
	_("memalign", HEAP_ALIGNED, true, false)                                                                       \
	_("posix_memalign", HEAP_POSIX, true, false)                                                                   \
	_("valloc", HEAP_MALLOC, true, false)                                                                          \
	_("pvalloc", HEAP_MALLOC, true, false)                                                                         \
	_("mallocx", HEAP_MALLOC, true, false)                                                                         \
	_("rallocx", HEAP_REALLOC, true, false)                                                                        \
	_("_Znwm", HEAP_MALLOC, true, false)                                                                           \
	_("_Znam", HEAP_MALLOC, true, false)                                                                           \
	_("_ZnwmRKSt9nothrow_t", HEAP_MALLOC, true, false)                                                             \
	_("_ZnamRKSt9nothrow_t", HEAP_MALLOC, true, false)                                                             \
	_("_ZnwmSt11align_val_t", HEAP_MALLOC, true, false)                                                            \
	_("_ZnamSt11align_val_t", HEAP_MALLOC, true, false)                                                            \
	_("mmap", HEAP_MMAP, true, true)                                                                               \
	_("mremap", HEAP_MREMAP, true, true)                                                                           \
	_("brk", HEAP_BRK, true, true)                                                                                 \
	_("sbrk", HEAP_SBRK, true, true)

#define NAME(name, is, returns, libc) name,
#define FUNCTION(name, is, returns, libc) {is, returns, libc},
static const char *const names[] = {FUNCTIONS(NAME)};
static const struct function {
	enum heap_function is;
	bool returns, libc;
} functions[] = {FUNCTIONS(FUNCTION)};
enum { FUNCTIONS_N = sizeof(names) / sizeof(names[0]) };

static unsigned function_of(const char *name)
{
	unsigned i = 0;

	while (strcmp(names[i], name) != 0)
		i++;
	return i;
}

static void detach(struct heap *h)
{
	static const struct heap_range nothing = {0};
	uint64_t key;

	while (h->nlinks)
		bpf_link__destroy(h->links[--h->nlinks]);
	while (!bpf_map_get_next_key(h->pieces_fd, NULL, &key))
		if (bpf_map_delete_elem(h->pieces_fd, &key))
			break;
	for (uint32_t i = 0; i < HEAP_RANGES; i++)
		if (bpf_map_update_elem(h->ranges_fd, &i, &nothing, BPF_ANY))
			break;
}

/* At a place in a file. 0 or -errno. */
static int hang(struct heap *h, bool returns, pid_t pid, const char *path, size_t offset, enum heap_function is)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = returns, .bpf_cookie = is);
	struct bpf_link *link;

	if (h->nlinks == LINKS_MOST)
		return -ENOSPC;
	bpf_said_begin();
	errno = 0;
	link = bpf_program__attach_uprobe_opts(returns ? h->out : h->in, pid, path, offset, &opts);
	if (!link)
		return errno ? -errno : -EINVAL;
	h->links[h->nlinks++] = link;
	return 0;
}

/* Called by nobody else: what a trap costs here is tried with it. */
__attribute__((noinline)) static uint64_t trial(uint64_t v)
{
	__asm__ volatile("" : "+r"(v));
	return v * 3;
}

/* In the round that was disturbed the least. */
static double trial_ns(void)
{
	uint64_t (*volatile call)(uint64_t) = trial;
	struct timespec from, to;
	double best = 0, ns;

	for (unsigned k = 0; k < CALIBRATE_ROUNDS; k++) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		for (unsigned i = 0; i < CALIBRATE_CALLS; i++)
			call(i);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		ns = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / CALIBRATE_CALLS;
		best = !k || ns < best ? ns : best;
	}
	return best;
}

/* Where a function of ours lies in our file; 0: not found. */
static size_t offset_of(uintptr_t address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to, offset, found = 0;
	char line[512];

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) == 3 && address >= from && address < to)
			found = address - from + offset;
	}
	if (maps)
		fclose(maps);
	return found;
}

/* What a call and its return take longer with our programs at them, each more than 0. 0 or -errno. */
static int calibrate(struct heap *h, double *ret_in, double *ret_out)
{
	size_t offset = offset_of((uintptr_t)trial);
	double bare, in, both;
	int r = offset ? 0 : -ENOENT;

	/* As if something were freed: it only looks an address up which nobody has. */
	trial_ns();
	bare = in = both = trial_ns();
	if (!r && !(r = hang(h, false, getpid(), "/proc/self/exe", offset, HEAP_FREE)))
		in = trial_ns();
	if (!r && !(r = hang(h, true, getpid(), "/proc/self/exe", offset, HEAP_FREE)))
		both = trial_ns();
	detach(h);
	if (!r && (in <= bare || both <= in))
		r = -ERANGE;
	if (r)
		return r;
	*ret_in = in - bare;
	*ret_out = both - in;
	return 0;
}

/* A file of that process, open, by which probes find it: also in another mount namespace, or deleted. */
struct code_file {
	int fd;
	char path[32];
	uint64_t offset[FUNCTIONS_N];
	struct elf_functions has;
};

/* `piece` NULL: its program. 0 or -errno; closed by code_close() in either case. */
static int code_open(const struct heap *h, uint32_t pid, const struct piece *piece, struct code_file *f)
{
	char path[96];

	memset(f, 0, sizeof(*f));
	f->has.offset = f->offset;
	if (piece)
		snprintf(path, sizeof(path), "%u/map_files/%llx-%llx", pid, (unsigned long long)piece->start, (unsigned long long)piece->end);
	else
		snprintf(path, sizeof(path), "%u/exe", pid);
	f->fd = openat(h->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0)
		return -errno;
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	return elf_functions_find(f->fd, names, FUNCTIONS_N, &f->has);
}

static void code_close(const struct code_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
}

static bool has_allocator(const struct code_file *f)
{
	return f->offset[function_of("malloc")] && f->offset[function_of("free")];
}

/* Two names of one function are one. */
static bool is_twin(const struct code_file *f, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (f->offset[k] == f->offset[i])
			return true;
	return false;
}

/* Those of this file that are `libc`'s or the allocator's. 0 or -errno; which of those that can be done without are not watched goes to
 * `note`. */
static int hang_all(struct heap *h, uint32_t pid, const struct code_file *f, bool libc, char *note, size_t cap)
{
	for (unsigned i = 0; i < FUNCTIONS_N; i++) {
		const struct function *is = &functions[i];
		int r;

		if (is->libc != libc || !f->offset[i] || is_twin(f, i))
			continue;
		/* The return first: a call whose return nobody sees would leave its thread inside. */
		r = is->returns ? hang(h, true, (pid_t)pid, f->path, (size_t)f->offset[i], is->is) : 0;
		if (!r)
			r = hang(h, false, (pid_t)pid, f->path, (size_t)f->offset[i], is->is);
		if (r && (i == function_of("malloc") || i == function_of("free")))
			return r;
		if (r)
			snprintf(note, cap, "%s is not watched (%s): what it does to the heap is missing", names[i], strerror(-r));
	}
	return 0;
}

/* The program may have an allocator of its own; so may what stands in front of libc. */
static int attach(struct heap *h, const struct job *job, struct outcome *o)
{
	struct code_file program, allocator = {.fd = -1}, libc = {.fd = -1};
	const struct code_file *from = &program, *under = &program;
	int r = code_open(h, job->pid, NULL, &program);

	o->is_go = !r && program.has.is_go;
	snprintf(o->allocator, sizeof(o->allocator), "its program");
	if (job->libc.end && !(r = code_open(h, job->pid, &job->libc, &libc)))
		under = &libc;
	if (!has_allocator(&program) && job->allocator.end) {
		r = code_open(h, job->pid, &job->allocator, &allocator);
		from = &allocator;
		snprintf(o->allocator, sizeof(o->allocator), "%s", job->allocator.name);
	} else if (!has_allocator(&program) && job->libc.end) {
		from = &libc;
		snprintf(o->allocator, sizeof(o->allocator), "%s", job->libc.name);
	}
	if (!r && !has_allocator(from))
		r = from == &program && !program.has.has_names ? -ENODATA : -ENOENT;
	if (!r)
		r = hang_all(h, job->pid, from, false, o->note, sizeof(o->note));
	if (!r)
		r = hang_all(h, job->pid, under, true, o->note, sizeof(o->note));
	if (!r && o->is_go)
		snprintf(o->note, sizeof(o->note), "a Go program: what its own runtime allocates is not seen, only what its C code does");
	if (r)
		detach(h);
	code_close(&program);
	code_close(&allocator);
	code_close(&libc);
	return r;
}

static void *work(void *arg)
{
	struct heap *h = arg;
	double in = 0, out = 0; /* 0: not tried yet */
	struct outcome o = {0};
	struct job job;
	int tried;

	pthread_mutex_lock(&h->lock);
	while (!h->end) {
		if (h->job.number == o.number) {
			pthread_cond_wait(&h->changed, &h->lock);
			continue;
		}
		job = h->job;
		pthread_mutex_unlock(&h->lock);
		detach(h);
		o = (struct outcome){.number = job.number};
		tried = job.pid && in <= 0 ? -ERANGE : 0;
		for (unsigned i = 0; i < CALIBRATE_TRIES && tried == -ERANGE; i++)
			tried = calibrate(h, &in, &out);
		if (tried)
			snprintf(o.note, sizeof(o.note), "what watching a call costs could not be tried (%s): %d us are taken for it, "
				 "which may be too much", tried == -ERANGE ? "too busy a machine" : strerror(-tried), UNTRIED_NS / 1000);
		o.in_ns = tried ? UNTRIED_NS : in;
		o.out_ns = tried ? UNTRIED_NS : out;
		o.result = job.pid ? attach(h, &job, &o) : 0;
		pthread_mutex_lock(&h->lock);
		h->done = o;
	}
	pthread_mutex_unlock(&h->lock);
	detach(h);
	return NULL;
}

/* --- the sampling thread ---------------------------------------------------------------------------------------------- */

struct heap *heap_create(const struct culprit_host *host, struct bpf_program *in, struct bpf_program *out, struct bpf_map *pieces,
			 struct bpf_map *ranges)
{
	struct heap *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->host = host;
	h->proc_fd = host->proc_fd;
	h->in = in;
	h->out = out;
	h->pieces_fd = bpf_map__fd(pieces);
	h->ranges_fd = bpf_map__fd(ranges);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	return h;
}

/* Hands a job over; the one before, if it was not begun, is not done. */
static void ask(struct heap *h, const struct job *job)
{
	uint64_t number;

	pthread_mutex_lock(&h->lock);
	number = h->job.number + 1;
	h->job = *job;
	h->job.number = number;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

bool heap_destroy(struct heap *h)
{
	struct timespec until;

	if (!h)
		return true;
	if (h->running) {
		pthread_mutex_lock(&h->lock);
		h->end = true;
		pthread_cond_signal(&h->changed);
		pthread_mutex_unlock(&h->lock);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += JOIN_S;
		if (pthread_timedjoin_np(h->thread, NULL, &until)) {
			pthread_detach(h->thread);
			return false;
		}
	}
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->changed);
	free(h);
	return true;
}

static void cannot(struct heap *h, const char *why)
{
	snprintf(h->why, sizeof(h->why), "%s", why);
	h->state = HEAP_CANNOT;
}

void heap_stop(struct heap *h, const char *why)
{
	static const struct job nobody = {0};

	if (h->state != HEAP_ON && h->state != HEAP_COMING)
		return;
	if (h->running)
		ask(h, &nobody);
	snprintf(h->why, sizeof(h->why), "%s", why);
	h->state = HEAP_STOPPED;
}

bool heap_follow(struct heap *h, uint32_t pid, uint64_t start)
{
	static const struct job nobody = {0};

	if (pid == h->pid && start == h->start)
		return false;
	if (h->running)
		ask(h, &nobody);
	h->pid = pid;
	h->start = start;
	h->state = pid ? HEAP_COMING : HEAP_REST;
	h->allocator[0] = '\0';
	h->calls = h->cost_ns = h->before_ns = h->looked_ns = 0;
	h->dear = 0;
	snprintf(h->why, sizeof(h->why), "its allocator is looked for");
	return true;
}

static const char *base_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static bool begins_any(const char *name, const char *const *with, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strncmp(base_of(name), with[i], strlen(with[i])))
			return true;
	return false;
}

static void remember(struct piece *piece, const struct culprit_mapping *m, const char *name)
{
	if (piece->end)
		return;
	piece->start = m->start;
	piece->end = m->end;
	snprintf(piece->name, sizeof(piece->name), "%s", base_of(name));
}

/* 0: those of its files that may have an allocator are known, if there are any beside its program; -EINPROGRESS; -errno. */
static int find(struct heap *h, struct job *job)
{
	static const char *const own[] = {"libjemalloc", "libtcmalloc", "libmimalloc"};
	static const char *const libc[] = {"libc.so", "libc-2", "ld-musl", "libc.musl"};
	struct culprit_mapping *m = calloc(MAPPINGS_MOST, sizeof(*m));
	uint64_t generation;
	uint32_t n = 0;
	int r;

	if (!m)
		return -ENOMEM;
	r = h->host->code_of(h->host, h->pid, 0, m, MAPPINGS_MOST, &n, &generation);
	for (uint32_t i = 0; !r && i < n && i < MAPPINGS_MOST; i++) {
		struct culprit_module module = {.size = sizeof(module)};

		if (!m[i].module || h->host->module(h->host, m[i].module, &module) || module.kind != CULPRIT_MODULE_FILE || !module.name)
			continue;
		if (begins_any(module.name, own, sizeof(own) / sizeof(own[0])))
			remember(&job->allocator, &m[i], module.name);
		if (begins_any(module.name, libc, sizeof(libc) / sizeof(libc[0])))
			remember(&job->libc, &m[i], module.name);
	}
	free(m);
	return r;
}

static void look_for(struct heap *h)
{
	struct job job = {.pid = h->pid};
	int r = h->host->code_of ? find(h, &job) : -ENOENT;

	if (r == -EINPROGRESS)
		return;
	if (r) {
		cannot(h, r == -ESRCH ? "cannot: the process is gone" : "cannot: the files that it runs cannot be read");
		return;
	}
	if (!h->running && pthread_create(&h->thread, NULL, work, h)) {
		cannot(h, "cannot: no thread could be made for it");
		return;
	}
	h->running = true;
	ask(h, &job);
	snprintf(h->why, sizeof(h->why), "its allocator is being attached to");
}

/* Has the other thread done what it was asked for? */
static void hear(struct heap *h)
{
#define CHEAPER ". Page faults (o) tell which code touches new memory"
	struct outcome o;
	bool done;

	pthread_mutex_lock(&h->lock);
	o = h->done;
	done = h->job.pid == h->pid && o.number == h->job.number;
	pthread_mutex_unlock(&h->lock);
	if (!done)
		return;
	h->call_ns = o.in_ns;
	h->return_ns = o.out_ns;
	snprintf(h->allocator, sizeof(h->allocator), "%s", o.allocator);
	if (!o.result) {
		h->state = HEAP_ON;
		snprintf(h->why, sizeof(h->why), "%s", o.note);
		return;
	}
	h->state = HEAP_CANNOT;
	if (o.result == -ESRCH)
		cannot(h, "cannot: the process is gone");
	else if (o.is_go && (o.result == -ENOENT || o.result == -ENODATA))
		cannot(h, "cannot: a Go program has no malloc, its runtime takes memory by itself" CHEAPER);
	else if (o.result == -ENODATA)
		cannot(h, "cannot: allocator not found: it is linked into a program that is stripped of its functions' names" CHEAPER);
	else if (o.result == -ENOENT)
		snprintf(h->why, sizeof(h->why), "cannot: allocator not found: %s has no malloc and free" CHEAPER, o.allocator);
	else
		snprintf(h->why, sizeof(h->why), "cannot: the kernel does not let malloc in %s be watched: %s", o.allocator, strerror(-o.result));
}

void heap_tick(struct heap *h, uint64_t in, uint64_t out)
{
	uint64_t now = h->host->now_ns(h->host, CULPRIT_MONOTONIC), din = in - h->events_in, dout = out - h->events_out, cost;
	char why[256];

	h->events_in = in;
	h->events_out = out;
	if (h->state == HEAP_COMING) {
		if (h->running && h->job.pid == h->pid)
			hear(h);
		else
			look_for(h);
		h->before_ns = now;
		return;
	}
	if (h->state != HEAP_ON)
		return;
	cost = (uint64_t)((double)din * h->call_ns + (double)dout * h->return_ns);
	h->calls += din;
	h->cost_ns += cost;
	h->looked_ns += now - h->before_ns;
	h->dear = now > h->before_ns && cost * 100 > (now - h->before_ns) * COST_MOST ? h->dear + 1 : 0;
	if (h->dear >= COST_TICKS) {
		snprintf(why, sizeof(why), "stopped: %.0f calls/s of its allocator cost %.0f%% of a CPU; page faults (o) tell more cheaply who grows",
			 (double)din * 1e9 / (double)(now - h->before_ns),
			 100.0 * (double)cost / (double)(now - h->before_ns));
		heap_stop(h, why);
	}
	h->before_ns = now;
}

uint32_t heap_pid(const struct heap *h)
{
	return h->pid;
}

enum heap_state heap_state(const struct heap *h)
{
	return h->state;
}

const char *heap_why(const struct heap *h)
{
	return h->why;
}

void heap_probe_put(const struct heap *h, struct culprit_frame *f)
{
	culprit_row(f);
	culprit_born(f);
	culprit_put_u64(f, PROBE_PID, h->pid);
	culprit_put_u64(f, PROBE_START, h->start);
	culprit_put_string(f, PROBE_ALLOCATOR, h->allocator);
	culprit_put_u64(f, PROBE_CALLS, h->calls);
	culprit_put_u64(f, PROBE_COST, h->cost_ns);
	culprit_put_u64(f, PROBE_IN_NS, (uint64_t)h->call_ns);
	culprit_put_u64(f, PROBE_OUT_NS, (uint64_t)h->return_ns);
	culprit_put_u64(f, PROBE_LOOKED, h->looked_ns);
	culprit_put_string(f, PROBE_NOTE, h->why);
	culprit_end(f);
}

void heap_put(void *ignored, struct culprit_frame *f, const struct stacks_row *row)
{
	(void)ignored;
	culprit_put_string(f, REASON, row->key.reason & HEAP_BY_MMAP ? "mmap" : row->key.reason & HEAP_BY_BRK ? "brk" : "malloc");
	culprit_put_u64(f, FREED, row->back);
	culprit_put_u64(f, GROWTH, row->time_ns > row->back ? row->time_ns - row->back : 0);
}
