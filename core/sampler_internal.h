/* Shared by the files of the sampler: sampler.c (ticks, thread), sampler_entries.c (the collectors it owns). */
#ifndef CORE_SAMPLER_INTERNAL_H
#define CORE_SAMPLER_INTERNAL_H

#include <pthread.h>

#include "ask.h"
#include "kernel_cost.h"
#include "sampler.h"
#include "symbols.h"
#include "symline.h"

enum { SAMPLER_ENTRIES_MAX = 128, SAMPLER_INTERESTS_MAX = 64, SAMPLER_MARKS_MAX = 64,
       SAMPLER_LATER_MAX = 32, SAMPLER_CHOICE_MAX = 1024 };

/* One collector: a built-in one, or one of a plug-in. */
struct entry {
	struct ask_core core; /* first: culprit_host.core points here */
	struct sampler *sampler;
	const char *name, *help;
	const struct culprit_collector *collector; /* built-in; else NULL */
	struct plugin *plugin;
	uint32_t plugin_index;
	struct culprit_host host;
	void *self;
	bool open, off; /* off: not chosen */
	bool narrow;    /* opened for interests alone */
	bool replaced;  /* left out, and its tables are free for plug-ins */
	uint32_t first_table, ntables;
	uint64_t period_ns, next_ns;
	uint32_t state; /* enum culprit_table_state of its last tick */
	struct culprit_error reason;
	char tables[256];
	uint64_t cpu_ns, last_ns, samples, failures, late_ticks;
	uint64_t kernel_ns; /* what its programs ran */
	uint32_t thinning;
	bool looked_at; /* somebody asks for single rows of it: it is not thinned meanwhile */
	/* CULPRIT_OPEN_LATER: written by the thread that opens, then handed over by `later`. */
	int later; /* atomic */
	int later_result;
	struct culprit_error later_error;
	bool waits; /* not taken in yet */
};

struct plugin_slot {
	struct plugin *plugin;
	bool adopted; /* its collectors are entries */
	bool told;    /* its refusal is in the log */
};

struct mark {
	char kind[16], text[200];
};

/* With the names and texts that they point to. */
struct interests {
	struct culprit_interest list[SAMPLER_INTERESTS_MAX];
	char names[SAMPLER_INTERESTS_MAX][2][32];
	char *texts[SAMPLER_INTERESTS_MAX]; /* NULL: none */
	size_t n;
};

/* sampler_collect(): what is chosen at run time, in place of the options. */
struct choice {
	bool ever;
	char whole[SAMPLER_CHOICE_MAX], narrow[SAMPLER_CHOICE_MAX];
};

struct sampler {
	struct sampler_options options;
	char *collect, *without;
	const struct clock *clock;
	struct schema *schema;
	struct writer *writer;
	struct ask_pool *asks;
	struct symbols *symbols;
	struct symline_pool *lines;
	struct entry *entries[SAMPLER_ENTRIES_MAX];
	size_t nentries;
	struct plugin_slot *plugins;
	size_t nplugins;
	uint32_t collector_table, mark_table, bpf_table;
	uint64_t last_tick_ns;
	uint64_t give_back_ns; /* when memory goes back to the system next */
	bool started;          /* it did, what starting took */
	int64_t wall_offset_ns;
	uint64_t ticks; /* atomic */

	struct interests told; /* to collectors, last */
	struct choice choice;

	pthread_t thread;
	bool running;
	int wake_fd; /* eventfd: stop, interests, marks, what was opened later */
	pthread_mutex_t mutex; /* what other threads hand in: */
	bool stop;
	uint64_t asked_interval_ns; /* sampler_set_interval(); 0: nothing is asked */
	double asked_budget;
	struct interests interests;
	bool interests_changed;
	bool chosen; /* anew: until the next tick has seen it */
	struct choice asked_choice;
	struct mark marks[SAMPLER_MARKS_MAX];
	size_t nmarks;
	uint64_t marks_lost;
	struct entry *later[SAMPLER_LATER_MAX];
	size_t nlater;
	pthread_t later_thread;
	bool later_started, later_running, later_stop /* atomic */;
	bool await_shown; /* atomic: nothing is opened yet, see sampler_await_shown() */
	bool news;        /* something opened that is worth a tick of its own */

	struct cost_budget budget;
	struct cost_taker takers[COST_TAKERS_MAX];
	size_t ntakers;
	uint64_t kernel_ns; /* what all programs ran */
	uint64_t once_ns;   /* atomic: CPU time of opening collectors */

	bool helpers_gone; /* the zygote has died: nobody can be asked any more */
};

/* Ends its rest, from any thread. */
void sampler_wake(struct sampler *);
/* Probes and opens the built-ins that were chosen; starts the plug-ins. */
int sampler_entries_open(struct sampler *, struct culprit_error *);
void sampler_entries_close(struct sampler *);
/* Opens it on the thread for that, once the first tick is done. */
int sampler_later_add(struct sampler *, struct entry *);
/* May more be added? Not while the thread is at work. */
bool sampler_later_ready(struct sampler *);
void sampler_later_start(struct sampler *);
/* Takes in what has been opened; true: nothing is waited for any more. */
bool sampler_later_take(struct sampler *);
void sampler_later_wait(struct sampler *, uint64_t until_ns);
void sampler_later_finish(struct sampler *);
/* Writes the table `bpf`, adds up what the programs ran, and keeps to the budget. */
void sampler_cost(struct sampler *, uint64_t now_ns, uint64_t program_cpu_ns);
/* Opens and closes collectors as sampler_collect() said. */
void sampler_entries_choose(struct sampler *);
/* Takes in plug-ins that have become ready. Returns how many tables are new, or -errno. */
int sampler_plugins_adopt(struct sampler *);
/* The functions of culprit_host about code. */
void sampler_code_host(struct culprit_host *);
/* Plug-ins are asked before the built-ins are sampled, so that they work meanwhile. */
void entry_ask(struct sampler *, struct entry *, uint64_t now_ns);
/* Samples one entry into the frame that is begun; of a plug-in it takes in what was answered. */
void entry_sample(struct sampler *, struct entry *, uint64_t now_ns);
void sampler_say(struct sampler *, uint32_t level, const char *who, const char *sentence);

#endif
