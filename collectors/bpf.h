/* Loading programs into the kernel, and knowing what they cost: shared by all collectors that have a X.bpf.c. Each program
 * fails alone: one that this kernel does not take is left out, with a sentence, and the others load. Nothing is pinned;
 * everything hangs on descriptors of this process, so that kill -9 leaves nothing attached. What libbpf prints is kept for
 * the sentences and never reaches the terminal. docs/COLLECTORS.md ("A collector with BPF programs") shows how to use it.
 *
 * Not here: what the programs measure. */
#ifndef COLLECTORS_BPF_H
#define COLLECTORS_BPF_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "bpf_perf.h"
#include "bpf_shared.h"

struct bpf_object_open_opts;
struct bpf_object_skeleton;
struct bpf_map;

/* One program of an object, in the order of the enum by which X.bpf.c calls bpf_cost_begin(). */
struct bpf_hook {
	const char *name; /* of the function in X.bpf.c */
	const char *hook; /* for people: "tracepoint sched_switch" */
	unsigned way;     /* of several to do the same, which this program is part of: one of them is loaded, see bpf_way(). 0: it is
			   * part of all */
	bool interest;    /* attached only while somebody looks: bpf_attach() */
	bool thins;       /* asks bpf_thinned_out(); else it can only be dropped */
	bool last;  /* see struct culprit_program */
	unsigned hz;      /* a perf_event program: called so often a second on each busy CPU; thinned, less often */
	unsigned every;   /* the same, called at one in so many events */
	enum bpf_perf_event event; /* of what */
	bool called;      /* by another program: never attached, the collector tells who calls it where */
	bool iterator;    /* runs inside our own read: its time is our CPU time already. bpf_attach() makes the link */
	const char *over; /* of an iterator over the elements of a map: the name of that */
};

/* One object, made from a skeleton with BPF_KIT(). */
struct bpf_kit {
	const char *name;
	const struct bpf_hook *hooks;
	unsigned nhooks; /* at most BPF_PROGRAMS_MAX */
	void *(*open)(const struct bpf_object_open_opts *); /* NULL with errno */
	void (*destroy)(void *skeleton);
	const struct bpf_object_skeleton *(*skeleton)(void *skeleton);
	/* Before each attempt to load: constants, sizes of maps. 0 or -errno. May be NULL. */
	int (*configure)(void *skeleton, void *arg);
};

/* BPF_KIT(runq, hooks, configure): the kit of runq.skel.h, as `runq_kit`. */
#define BPF_KIT(name_, hooks_, configure_)                                                                             \
	static void *name_##_kit_open(const struct bpf_object_open_opts *opts)                                         \
	{                                                                                                              \
		return name_##_bpf__open_opts(opts);                                                                   \
	}                                                                                                              \
	static void name_##_kit_destroy(void *s)                                                                       \
	{                                                                                                              \
		name_##_bpf__destroy(s);                                                                               \
	}                                                                                                              \
	static const struct bpf_object_skeleton *name_##_kit_skeleton(void *s)                                         \
	{                                                                                                              \
		return ((struct name_##_bpf *)s)->skeleton;                                                            \
	}                                                                                                              \
	static const struct bpf_kit name_##_kit = {                                                                    \
		.name = #name_,                                                                                        \
		.hooks = (hooks_),                                                                                     \
		.nhooks = sizeof(hooks_) / sizeof((hooks_)[0]),                                                        \
		.open = name_##_kit_open,                                                                              \
		.destroy = name_##_kit_destroy,                                                                        \
		.skeleton = name_##_kit_skeleton,                                                                      \
		.configure = (configure_),                                                                             \
	}

struct bpf_unit;

/* The way (struct bpf_hook) to take where the programs marked in `failed` can't be loaded: the first from 1 on that lacks none of its
 * programs, else the one that lacks the fewest, of those the first. 0: there are none to choose from. */
unsigned bpf_way(const struct bpf_hook *hooks, unsigned nhooks, const bool *failed);
/* For tests, before bpf_load(): ways before this one are left out, as if this kernel did not take them. */
void bpf_first_way(unsigned way);

/* For a collector's probe(): may anything be loaded here at all? Loads nothing. -errno with the sentence. */
int bpf_probe(const struct culprit_host *, struct culprit_error *);
/* CPUs that can ever be there: elements of maps that have one a CPU. */
unsigned bpf_cpus(void);
/* Places of a map by thread number: `each` for every thread there is now, so that hardly any two want the same; a power of 2 from `least`,
 * a power of 2 itself, to `most`. */
unsigned bpf_places(const struct culprit_host *, unsigned each, unsigned least, unsigned most);
/* The size of a ring buffer: so many bytes for each CPU there is now, which is what fills it, as a power of 2; at most `most`.
 * A mapped ring counts twice in our memory. */
uint32_t bpf_ring_bytes(uint32_t for_each_cpu, uint32_t most);

/* Loads the object and attaches its programs, all but those `interest` and `iterator`. NULL with a sentence where no
 * program works. Takes 10-500 ms: from an open() with CULPRIT_OPEN_LATER. */
struct bpf_unit *bpf_load(const struct culprit_host *, const struct bpf_kit *, void *arg, struct culprit_error *);
void bpf_unload(struct bpf_unit *); /* NULL-safe */
/* The skeleton as loaded, for its maps and globals. */
void *bpf_skeleton(struct bpf_unit *);

/* Is program `index` attached? */
bool bpf_is_on(const struct bpf_unit *, unsigned index);
/* Is it of a way that is not taken? Then it is not missed, and there is no reason. */
bool bpf_is_aside(const struct bpf_unit *, unsigned index);
/* It looks at one event in so many. */
uint32_t bpf_thinning(const struct bpf_unit *, unsigned index);
/* Of a program that others are to call, its descriptor; -1: it is not loaded here. Borrowed. */
int bpf_called_fd(const struct bpf_unit *, unsigned index);
/* Why it is not: a sentence; NULL: it is, or nobody asked for it. Valid until bpf_unload(). */
const char *bpf_reason(const struct bpf_unit *, unsigned index);
/* Attaches or detaches one program by hand: those `interest` or `iterator`. 0 or -errno; then the reason says why. */
int bpf_attach(struct bpf_unit *, unsigned index);
void bpf_detach(struct bpf_unit *, unsigned index);
/* Of a program `interest` that the collector attaches by links of its own: whether it is. */
void bpf_say_attached(struct bpf_unit *, unsigned index, bool is);
/* Of a program with `hz`: how often it is called now, thinned as it is; 0: it is not attached. */
unsigned bpf_hz(const struct bpf_unit *, unsigned index);
/* Another rate than its hook says; thinning divides it. */
int bpf_set_hz(struct bpf_unit *, unsigned index, unsigned hz);
/* Is that time measured in cycles, or by the clock? */
bool bpf_by_cycles(const struct bpf_unit *, unsigned index);
/* A new descriptor that reads the iterator `index` from its beginning; -errno. The caller closes it. */
int bpf_iterate(struct bpf_unit *, unsigned index);

/* A BPF_F_MMAPABLE array, mapped for reading (and writing where `write`). NULL with errno. Unmapped by bpf_unload(). */
void *bpf_view(struct bpf_unit *, struct bpf_map *, bool write);
/* The same of its first n elements, where it is large and they are what is read all the time. */
void *bpf_view_first(struct bpf_unit *, struct bpf_map *, uint32_t n, bool write);
/* Some bytes of such an array for the moment: what is large and looked at once a tick at most would else be part of this process
 * for good. NULL with errno. */
struct bpf_window {
	void *map;
	size_t bytes;
};
void *bpf_window_open(struct bpf_window *, int map_fd, size_t from, size_t bytes);
void bpf_window_close(struct bpf_window *);
/* Bytes from one element of such an array to the next. */
static inline size_t bpf_stride(size_t value_size)
{
	return (value_size + 7) & ~(size_t)7;
}

/* For the collector's programs() and thin(). */
size_t bpf_programs(struct bpf_unit *, const struct culprit_program **ret_list);
int bpf_thin(struct bpf_unit *, size_t index, uint32_t thinning);
/* Events at which the kernel left the program out, because it was at work on that CPU already and was interrupted;
 * cumulative, and contained in what bpf_programs() says is lost. One system call. */
uint64_t bpf_missed(const struct bpf_unit *, unsigned index);
/* How full a map is, and what was lost in it, said by the collector before bpf_programs() is asked. `lost` is
 * cumulative and adds to what the program counts itself. */
void bpf_say_fill(struct bpf_unit *, unsigned index, uint64_t used, uint64_t max);
/* A map is another unit's, which tells its memory. */
void bpf_say_shared(struct bpf_unit *, const struct bpf_map *);
void bpf_say_lost(struct bpf_unit *, unsigned index, uint64_t lost);

#endif
