/* The sampler: owns the collectors, built-in and plug-in, and samples them every tick into the writer, on a thread and a
 * clock of its own, so that a slow terminal never delays a sample. It writes the tables `collector` and `mark` itself.
 *
 * Not here: who reads what it writes (the sinks' sources do). */
#ifndef CORE_SAMPLER_H
#define CORE_SAMPLER_H

#include <culprit/collector.h>

#include "clock.h"
#include "log.h"
#include "plugin.h"
#include "writer.h"
#include "zygote.h"

struct sampler;
struct symbols;

struct sampler_options {
	const struct culprit_collector *const *builtins; /* NULL-terminated, static */
	const char *const *plugins; /* paths; NULL-terminated; may be NULL */
	const char *collect;   /* "process,cpu": only these; NULL: all */
	const char *without;   /* all but these; NULL: none */
	bool idle;             /* none at first, whatever these say: see sampler_collect() */
	uint64_t interval_ns;  /* 0: 1 s; at least 10 ms */
	uint32_t flags;        /* enum culprit_host_flags */
	int proc_fd, sys_fd;   /* borrowed; -1: not there */
	uint32_t stack_hz;     /* how often a second each CPU is sampled for stacks; 0: the default */
	double budget;         /* own cost, as a share of the whole machine, above which is cut; 0: no bound */
	uint64_t row_budget;   /* rows of the task tables before they fold; 0: no bound */
	const struct clock *clock; /* NULL: the machine's */
	struct zygote *zygote; /* borrowed; NULL: reads that may block are done at once (tests), no plug-ins */
	struct log *log;       /* borrowed; may be NULL */
	struct plugin_limits plugin_limits;
};

/* Probes and opens the collectors. NULL with a sentence: an unknown name in collect or without (near ones are named), out
 * of memory; errno tells them apart (EINVAL, else). A collector that can't work here is no error: its tables say so. */
struct sampler *sampler_create(const struct sampler_options *, struct culprit_error *);
void sampler_destroy(struct sampler *); /* NULL-safe; stops the thread; ends the open segment; destroys the sinks */

/* Where frames go. Before the thread is started, or between ticks from its own thread. */
struct writer *sampler_writer(struct sampler *);

/* One tick, here and now. For verbs without a thread, and for tests. -errno with a sentence: memory. */
int sampler_tick(struct sampler *, struct culprit_error *);
/* Waits until plug-ins are loaded and have answered, and what opens late is open, but at most `ns`. Only without the
 * thread. */
void sampler_settle(struct sampler *, uint64_t ns);

/* The part of it for built-ins that open late, alone. */
void sampler_settle_late(struct sampler *, uint64_t ns);

/* Lets `ns` pass between two ticks, and takes in what comes meanwhile: answers of helpers, collectors' descriptors. Until `fd` can
 * be read, if it is not -1; then true. Only without the thread. */
bool sampler_rest(struct sampler *, uint64_t ns, int fd);

/* Samples on a thread of its own from now on, the first tick at once; another one comes as soon as what opens late is open, or the part
 * of it that somebody looks at. -errno with a sentence. */
int sampler_start(struct sampler *, struct culprit_error *);
void sampler_stop(struct sampler *);

/* What it knows of modules and names, for who wants more than segments have (source lines). Borrowed; any thread. */
struct symbols *sampler_symbols(struct sampler *);

/* Before the thread is started: what opens late begins to open when the first tick has been shown (sampler_shown()), or with the second
 * one, so that it takes no CPU from the first screen. */
void sampler_await_shown(struct sampler *);

/* From any thread: */
/* Somebody has seen what there is. Costs nothing when it is said again. */
void sampler_shown(struct sampler *);
/* What is looked at (copied, at most 64); replaces what was said before. */
void sampler_set_interests(struct sampler *, const struct culprit_interest *, size_t n);
/* Which collectors sample, from the next tick on: names in `whole` as always, those in `narrow` only what interests name (those
 * that can, see CULPRIT_HOST_ONLY_INTERESTS), no others. Comma-separated, copied. NULL: those that the options named. What is
 * chosen anew is opened then. */
void sampler_collect(struct sampler *, const char *whole, const char *narrow);
/* So far apart from now on (at least 10 ms): the next tick comes on the next wall-clock multiple of it, in a segment of its own.
 * `budget`: as in the options. What opened before knows the former interval until it is opened anew. */
void sampler_set_interval(struct sampler *, uint64_t interval_ns, double budget);
/* A row of `mark` in the next frame. Kinds: "user", "sampler", "clock", ... */
void sampler_mark(struct sampler *, const char *kind, const char *text);
/* Ticks done; and CPU time of the program, helpers included, in ns. */
uint64_t sampler_ticks(const struct sampler *);

#endif
