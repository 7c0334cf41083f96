/* The console on a recorder's ring: finds it, looks whether its writer lives, and samples here what the ring has not: nothing
 * while nothing is wanted, what is looked at and not recorded, everything once the recorder has ended.
 *
 * Not here: reading a ring (ring.h), who is believed (ring_place.h), which source answers (view.h). */
#ifndef CLI_ATTACH_H
#define CLI_ATTACH_H

#include "console.h"
#include "options.h"
#include "ring_place.h"
#include "session.h"
#include "view.h"

/* RECORDERS: the one that is written and those before it. A ring that is looked at stays in memory when it has ended, 64 MiB each. */
enum { ATTACH_ROUTES_MAX = 32, ATTACH_CPU_SAMPLES = 12, ATTACH_RECORDERS_MAX = 4 };

/* Whether the ring has what an interest wants, and when that was asked. Of the same table asked for another process, anew. */
enum { ATTACH_JUDGED_MAX = 16 };
struct attach_judged {
	char table[32], what[32];
	uint64_t key[4], asked_ns;
	bool met;
};

struct attach {
	struct view *view;       /* borrowed */
	struct source *recorder; /* the view's; NULL: not attached */
	struct source *recorders[ATTACH_RECORDERS_MAX]; /* it first, then those that have ended under its name, the newest first */
	size_t nrecorders;
	int poll_fd; /* readable when one was appended to, or the own ring; -1 */
	struct ring_status status;
	char path[RING_PATH_MAX], name[RING_NAME_MAX + 1];
	char note[256]; /* why not attached although there is a ring; "" */

	struct session *session; /* borrowed: what samples here; NULL until attach_local() */
	struct source *local;    /* the view's, over its ring */
	bool all, running;       /* it samples everything; its thread runs */
	bool ended;              /* the recorder has */
	uint64_t ended_ns;       /* its newest frame, then or now */
	bool brief;              /* it did not live long: the next one may not, either */
	uint64_t looked_ns;      /* when a new recorder was looked for */
	char back[128];          /* why the one that is there again is not attached to yet; "": there is none */

	/* Tables that are answered from here. */
	struct attach_table {
		char table[32];
		const char *collector;
		bool narrow;       /* only what interests name */
		uint64_t wanted_ns; /* when it was wanted last */
	} tables[ATTACH_ROUTES_MAX];
	size_t ntables;
	struct query *query; /* for what the ring has of an interest */
	struct attach_judged judged[ATTACH_JUDGED_MAX];

	struct {
		uint64_t at_ns, cpu_ns;
	} cpu[ATTACH_CPU_SAMPLES]; /* of this process, a second apart at least */
	size_t ncpu;
};

/* Does the console of these options look for a ring? Not with --no-attach, nor where it was told how to sample. */
bool attach_wanted(const struct options *);
/* Attaches the view to the ring that is named, or to the best that is there: one whose recorder runs, or has ended within the
 * last hour. 1: attached; 0: there is none, or it was not to be used (note says so, where that is worth saying); -errno with a
 * sentence: one was named and cannot be used. */
int attach_open(struct attach *, struct view *, const struct options *, struct culprit_error *);
/* What samples here, and its source in the view. Starts it where the recorder has ended. -errno with a sentence. */
int attach_local(struct attach *, struct session *, struct source *local, struct culprit_error *);
void attach_close(struct attach *);

/* After each refresh of the view: has the recorder ended, is there a new one? Fills the own cost, the recorder's, and puts what
 * is to be known of both into the notice. */
void attach_now(struct attach *, struct console_now *);
/* After each draw: what is looked at, see sampler_set_interests(). */
void attach_interests(struct attach *, const struct culprit_interest *, size_t n);
#endif
