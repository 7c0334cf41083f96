/* The loop of culprit record: ticks, signals, disks that are full, the line that tells how it goes. Not here: what the
 * options mean (verb_record.c), what a frame is (core/sampler.h). */
#ifndef CLI_RECORDER_H
#define CLI_RECORDER_H

#include "options.h"
#include "publish.h"
#include "session.h"

/* Where a recording goes. */
struct recorder_output {
	struct sink *sink; /* of the session's writer, once the recorder runs; NULL: nothing is written to a file */
	const char *path;  /* NULL: standard output */
	bool folder;       /* a directory of hour files */
	struct publish *publish; /* the ring beside it; borrowed; NULL: none */
};

/* Opens what -o, --keep and --max-size ask for; without -o there is nothing. 0, or -errno with a sentence. */
int recorder_open(struct recorder_output *, const struct options *, struct culprit_error *);

/* SIGTERM, SIGINT and SIGHUP, blocked, as a descriptor. Before any thread. */
int recorder_signals(void);

/* Gives the output to the session's writer, and samples until --for is over, a signal ends it or what it writes to fails for
 * good. A disk that is full is waited for. SIGHUP begins a new file: the next of the directory, or under the same name where
 * the old one was moved away. 0, also after a signal; -errno with a sentence. The session destroys the sink. */
int recorder_run(struct session *, struct recorder_output *, const struct options *, int signal_fd, struct culprit_error *);

#endif
