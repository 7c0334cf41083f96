/* Plug-ins: shared objects with collectors, each run in a helper process of its own. Here is the program's side: the
 * check whether a file may be loaded at all, the helper's life, and what it hands over: its schema once, then the rows
 * of each sample, checked against that schema before the builder sees them. Nothing here waits, but plugin_wait().
 *
 * One thread (the sampling thread). Not here: what happens inside the helper (plugin_helper.c). */
#ifndef CORE_PLUGIN_H
#define CORE_PLUGIN_H

#include <culprit/collector.h>

#include "schema.h"
#include "zygote.h"

enum {
	PLUGIN_COLLECTORS_MAX = 16,
	PLUGIN_TABLES_MAX = 32,          /* of one collector */
	PLUGIN_SAMPLE_MAX = 16 << 20,    /* bytes of one sample, as serialised */
	PLUGIN_INTERESTS_MAX = 64,
};

extern const struct zygote_kind plugin_kind; /* for zygote_create() */

enum plugin_state {
	PLUGIN_LOADING = 1, /* the helper has not said yet what is in the file */
	PLUGIN_READY,
	PLUGIN_DOWN,    /* the helper died or was killed; it is started again at next_ns */
	PLUGIN_REFUSED, /* for good: another ABI, a lying size, a bad schema, a file that others may write */
	PLUGIN_FAILED,  /* for good: it died too often */
};

enum plugin_sample {
	PLUGIN_IDLE = 1, /* nothing asked, nothing to fetch */
	PLUGIN_ASKED,    /* not answered yet: the tables are CULPRIT_LATE */
	PLUGIN_ANSWERED, /* plugin_replay() */
	PLUGIN_BROKEN,   /* the tables are CULPRIT_FAILED, plugin_reason() says why */
	PLUGIN_ABSENT,   /* probe() or open() said no: the tables are CULPRIT_MISSING, plugin_reason() says why */
};

/* What the helper must know of the host. The descriptors stay the caller's. */
struct plugin_host {
	int proc_fd, sys_fd;
	uint32_t flags; /* enum culprit_host_flags */
	uint64_t user_hz, page_size, interval_ns, task_budget;
	/* One sentence from the plug-in, for the bounded log. May be NULL. */
	void (*log)(void *context, uint32_t level, const char *plugin, const char *sentence);
	void *context;
};

/* 0 reads as the default. */
struct plugin_limits {
	uint64_t load_ns;    /* to load, probe and open: 10 s */
	uint64_t answer_ns;  /* to answer a request: 10 s; then the helper is killed */
	uint64_t backoff_ns; /* before the first restart: 1 s; doubled each time */
	uint32_t restarts;   /* 5; UINT32_MAX: none */
};

/* One collector of a plug-in, as declared. The tables are for schema_add(), in order. */
struct plugin_collector {
	const char *name, *help;
	uint64_t period_ns;
	uint32_t ntables;
	const struct culprit_table *const *tables;
	int probe; /* result of probe() and open(): 0 or -errno */
	const char *sentence; /* why not; "" where it can */
};

struct plugin;

/* May this file be loaded? A regular file of root's or ours that nobody else may write, in such a folder (a sticky one
 * will do). Returns a descriptor, or -errno with the reason. */
int plugin_open_file(const char *path, struct culprit_error *);

/* Checks the file and starts its helper. A file that is refused gives a plugin too: in state PLUGIN_REFUSED with its
 * reason. NULL: out of memory. The zygote is borrowed. */
struct plugin *plugin_create(struct zygote *, const char *path, const struct plugin_host *, const struct plugin_limits *);
void plugin_destroy(struct plugin *); /* NULL-safe; the helper closes its collectors by itself */

/* Takes in what the helper sent; enforces deadlines; restarts. Never blocks. Call it when plugin_fd() is readable,
 * before asking for states, and no later than plugin_next_ns(). */
void plugin_poll(struct plugin *);
int plugin_fd(const struct plugin *); /* constant for the plug-in's life */
uint64_t plugin_next_ns(const struct plugin *);
/* Polls until it is no longer loading and no request is outstanding, but at most `ns`. For start-up and for dump. */
void plugin_wait(struct plugin *, uint64_t ns);

int plugin_state(const struct plugin *);           /* enum plugin_state */
const char *plugin_name(const struct plugin *);    /* the file's name without folder and .so */
const char *plugin_path(const struct plugin *);
const char *plugin_reason(const struct plugin *);  /* why it is not ready; "" where it is */
uint32_t plugin_restarts(const struct plugin *);

/* Known once it was ready, and the same for ever after: a file that comes back with other tables is refused. */
uint32_t plugin_ncollectors(const struct plugin *);
const struct plugin_collector *plugin_collector(const struct plugin *, uint32_t i);

/* Asks for a sample of collector i. 0; -EBUSY: the last one is not answered or not replayed; -EAGAIN: not ready. */
int plugin_request_sample(struct plugin *, uint32_t i);
int plugin_sample_state(const struct plugin *, uint32_t i); /* enum plugin_sample */
/* Why collector i is late, broken or absent: one sentence. */
const char *plugin_sample_reason(const struct plugin *, uint32_t i);
/* Replays the answer into the frame (table numbers relative to the collector's first) and forgets it. Returns what the
 * plug-in's sample() returned, -EBADMSG with a sentence where the rows contradict the schema (nothing was emitted then),
 * -EAGAIN where there is no answer. `ret_cost_ns`: CPU time the helper spent since its last answer. */
int plugin_replay(struct plugin *, uint32_t i, struct culprit_frame *, uint64_t *ret_cost_ns, struct culprit_error *);

/* The interests now in force; those for tables of this plug-in are sent to it before its next sample. */
void plugin_set_interests(struct plugin *, const struct culprit_interest *list, size_t n);

struct plugin_stats {
	pid_t pid; /* 0: no helper */
	uint32_t restarts, crashes, timeouts;
	uint64_t samples, bytes; /* answers taken in */
};
void plugin_stats(const struct plugin *, struct plugin_stats *);

/* The install folder, below the prefix. */
#define PLUGIN_FOLDER "/lib/culprit/plugins"
/* Paths of *.so in a folder, sorted; a missing folder has none. Free with plugin_scan_free(). -ENOMEM, -errno. */
int plugin_scan(const char *folder, char ***ret_paths, size_t *ret_n, struct culprit_error *);
void plugin_scan_free(char **paths, size_t n);

#endif
