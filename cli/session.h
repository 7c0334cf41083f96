/* What a verb that samples needs: helpers, log, collectors and a place for frames, made from the options and unmade in
 * order. Not here: what is done with it. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "log.h"
#include "memsource.h"
#include "options.h"
#include "ring.h"
#include "sampler.h"
#include "view.h"

struct session {
	struct log *log;
	struct zygote *zygote;
	struct sampler *sampler;
	struct ring *ring;
	int proc_fd, sys_fd;
	bool foreign; /* process numbers there are not those of here: nothing may be changed by them */
	char **plugins; /* found in the install folder, then those of --plugin; NULL-terminated */
	size_t nfound;
};

/* Makes everything but the frames' destination. Must come before any thread. `flags`: enum culprit_host_flags; `collect`:
 * overrides --collect where not NULL; "": nothing is collected until sampler_collect() says so. 0, or -errno with a sentence; then it is closed already. */
int session_open(struct session *, const struct options *, uint32_t flags, const char *collect, struct culprit_error *);
void session_close(struct session *);

/* Gives the sampler a ring of --history bytes and returns a source over it (the caller's). NULL with a sentence. */
struct source *session_ring(struct session *, const struct options *, struct culprit_error *);

/* Samples so far apart from now on, by the options' budget. */
void session_interval(struct session *, const struct options *, uint64_t interval_ns);

/* The collector, built in, that fills this table; NULL: none of them. */
const char *session_collector_of(const char *table);

#endif
