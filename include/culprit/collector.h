/* The contract for collectors. A built-in collector is one file that ends in a `const struct culprit_collector`, and a
 * row in collectors/list.c. A plug-in is a shared object that exports `culprit_plugin`:
 *
 *	CULPRIT_PLUGIN(&my_collector);
 *
 * It is loaded from the install folder or with --plugin FILE, in a process of its own, and may use nothing of core but
 * struct culprit_host and struct culprit_frame. */
#ifndef CULPRIT_COLLECTOR_H
#define CULPRIT_COLLECTOR_H

#include <culprit/frame.h>
#include <culprit/host.h>
#include <culprit/table.h>
#include <culprit/types.h>

/* What a screen asks for beyond the default, while it is shown: threads of one process, its PSS. */
struct culprit_interest {
	size_t size;
	const char *table;
	const char *what;  /* a column name, or "rows" */
	uint64_t key[4];   /* the key's cells where they are numbers; text keys are hashed by core and not given */
	uint32_t nkey;     /* 0: every row */
	uint32_t reserved;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	/* --- since source lines; not given to plug-ins --- */
	const char *text;  /* what the numbers don't say: a path, at most 1023 bytes; NULL: nothing */
};

enum culprit_collector_flags {
	/* open() takes long (it loads programs into the kernel): it is called on a thread of its own, after the first tick
	 * has been taken; until it has returned, the tables say so. It may use the host's clock and log, and ask nothing.
	 * Built-ins only: a plug-in opens in a process of its own anyway. */
	CULPRIT_OPEN_LATER = 1u << 0,
	/* What it has is what all else hangs on: where own cost is above the budget it is sampled less often, but within two seconds (or in
	 * every second tick). Built-ins only. */
	CULPRIT_KEEPS_UP = 1u << 1,
};

enum culprit_program_state {
	CULPRIT_PROGRAM_ON = 1,      /* attached */
	CULPRIT_PROGRAM_OFF = 2,     /* loaded, not attached: nobody looks at what it measures */
	CULPRIT_PROGRAM_MISSING = 3, /* cannot be loaded or attached here; the reason says why */
	CULPRIT_PROGRAM_DROPPED = 4, /* detached, because own cost was above the budget */
};

/* A program that a collector has loaded into the kernel, and what it has cost so far. */
struct culprit_program {
	size_t size;
	const char *name;   /* unique in its collector */
	const char *hook;   /* where it hangs: "tracepoint sched_switch" */
	const char *reason; /* NULL: none */
	uint32_t state;     /* enum culprit_program_state */
	uint32_t thinning;  /* one event in so many is looked at; 1: all */
	uint32_t thins;     /* whether it can be thinned; else it can only be dropped */
	uint32_t last;      /* whether it is cut after all others: a table rests where it is thinned; 0 otherwise */
	uint64_t events;    /* times it was called */
	uint64_t lost;      /* events it should have seen or kept, and did not */
	uint64_t run_ns;    /* time it has run, all CPUs; 0 where the caller's CPU time already has it (iterators) */
	uint64_t map_used, map_max; /* entries of its fullest map; max 0: none that can fill up */
	uint64_t map_bytes; /* memory of its maps */
	uint32_t inside;    /* whether run_ns is of the caller's CPU time, which has it already; 0 otherwise */
	uint32_t reserved;  /* 0 */
};

struct culprit_collector {
	size_t size;  /* sizeof(struct culprit_collector) */
	uint32_t abi; /* CULPRIT_ABI_VERSION */
	uint32_t flags; /* enum culprit_collector_flags; of a plug-in 0 */
	const char *name; /* as --collect and --without name it */
	const char *help; /* one line */
	const struct culprit_table *const *tables;
	uint32_t ntables; /* at most 32 */
	uint32_t reserved; /* 0 */
	/* Samples are at least this far apart; 0: every tick. */
	uint64_t period_ns;

	/* Can this be measured here? 0: yes. -errno: no; the sentence says what is missing and what would bring it. Must
	 * not block and must leave nothing behind. */
	int (*probe)(const struct culprit_host *, struct culprit_error *);
	/* `ret_self` may be left NULL by a collector without state. */
	int (*open)(const struct culprit_host *, void **ret_self, struct culprit_error *);
	/* Optional: a descriptor to poll between ticks; drain() is called when it is readable. -1: none. */
	int (*fd)(void *self);
	int (*drain)(void *self);
	/* Optional: the interests now in force; called before sample() when they have changed. Borrowed. */
	void (*interests)(void *self, const struct culprit_interest *list, size_t n);
	/* Emits its tables. -errno: the whole collector failed in this tick; what it emitted is dropped. */
	int (*sample)(void *self, struct culprit_frame *);
	void (*close)(void *self);
	/* Optional, built-ins only: what it has in the kernel. Returns how many; the list is borrowed until the next call.
	 * Called after sample(). */
	size_t (*programs)(void *self, const struct culprit_program **ret_list);
	/* Optional: own cost is above the budget, or below it again. From now on program `index` looks at one event in
	 * `thinning`; 0: it is detached. What it counts must stay true (weighted), or be said to be missing. 0 or -errno. */
	int (*thin)(void *self, size_t index, uint32_t thinning);
	/* Optional, built-ins only: what of opening takes long and is not needed at first. Called once, on the thread that opens
	 * late collectors, after those and while sample() is called: what it makes is handed over atomically. Not called where
	 * whole rows are wanted at once (CULPRIT_HOST_WHOLE), nor for interests alone. -errno with a sentence: it goes on as before. */
	int (*later)(void *self, struct culprit_error *);
};

struct culprit_plugin {
	size_t size;
	uint32_t abi;
	uint32_t ncollectors; /* at most 16 */
	const struct culprit_collector *const *collectors;
};

#define CULPRIT_PLUGIN_SYMBOL "culprit_plugin"
#define CULPRIT_EXPORT __attribute__((visibility("default")))

#define CULPRIT_PLUGIN(...)                                                                                            \
	static const struct culprit_collector *const culprit_plugin_list[] = {__VA_ARGS__};                            \
	extern const struct culprit_plugin culprit_plugin;                                                             \
	CULPRIT_EXPORT const struct culprit_plugin culprit_plugin = {                                                  \
		.size = sizeof(struct culprit_plugin),                                                                 \
		.abi = CULPRIT_ABI_VERSION,                                                                            \
		.ncollectors = sizeof(culprit_plugin_list) / sizeof(culprit_plugin_list[0]),                           \
		.collectors = culprit_plugin_list,                                                                     \
	}

/* For the arrays of a table. */
#define CULPRIT_COLUMNS(array)                                                                                         \
	.columns = (array), .column_size = sizeof((array)[0]), .ncolumns = sizeof(array) / sizeof((array)[0])
#define CULPRIT_DERIVED(array)                                                                                         \
	.derived = (array), .derived_size = sizeof((array)[0]), .nderived = sizeof(array) / sizeof((array)[0])
#define CULPRIT_ROLLUPS(array)                                                                                         \
	.rollups = (array), .rollup_size = sizeof((array)[0]), .nrollups = sizeof(array) / sizeof((array)[0])

#endif
