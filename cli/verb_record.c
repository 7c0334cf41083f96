/* culprit record -o FILE|-: samples into a file until it is told to stop. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "recfile.h"
#include "session.h"
#include "verbs.h"

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static uint64_t now_ns(uint32_t which)
{
	return clock_real()->now_ns(clock_real(), which);
}

/* Waits until the time or a signal. True: a signal. */
static bool wait_until(int signal_fd, uint64_t until_ns)
{
	uint64_t now;

	while ((now = now_ns(CULPRIT_MONOTONIC)) < until_ns) {
		struct pollfd fd = {signal_fd, POLLIN, 0};
		uint64_t left = until_ns - now;
		struct timespec ts = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};

		if (ppoll(&fd, 1, &ts, NULL) > 0)
			return true;
	}
	return false;
}

static int record(struct session *s, struct sink *sink, const struct options *o, int signal_fd,
		  struct culprit_error *error)
{
	uint64_t interval = o->interval_ns ? o->interval_ns : 1000000000u, ticks = 0;
	uint64_t end = o->for_ns ? now_ns(CULPRIT_MONOTONIC) + o->for_ns : UINT64_MAX, next;
	bool progress = isatty(STDERR_FILENO);
	int r = 0;

	do {
		r = sampler_tick(s->sampler, error);
		if (!r)
			r = writer_sink_error(sampler_writer(s->sampler), sink, error);
		if (r)
			break;
		ticks++;
		if (progress) {
			fprintf(stderr, "\rrecording: %llu frames, %llu KB   ", (unsigned long long)ticks,
				(unsigned long long)recfile_sink_written(sink) / 1024);
			fflush(stderr);
		}
		next = now_ns(CULPRIT_MONOTONIC) + interval - now_ns(CULPRIT_WALL) % interval;
		/* The last one lies at the end: what was asked for is covered. */
		if (next > end) {
			if (now_ns(CULPRIT_MONOTONIC) >= end)
				break;
			next = end;
		}
	} while (!wait_until(signal_fd, next));
	if (progress)
		fputc('\n', stderr);
	return r;
}

int verb_record(const struct options *o)
{
	struct culprit_error error = {""};
	struct session s;
	struct stat st;
	struct sink *sink;
	int r, signal_fd;

	if (!o->output || o->nargs) {
		error_set(&error, 0, "record needs -o FILE, or -o - for standard output; see culprit record --help");
		return verb_fail(EXIT_USAGE, &error);
	}
	if (!strcmp(o->output, "-") && isatty(STDOUT_FILENO)) {
		error_set(&error, 0, "a recording is not for a terminal; use -o FILE, or a pipe to culprit replay -");
		return verb_fail(EXIT_USAGE, &error);
	}
	/* Not to be answered with "remove it". */
	if (strcmp(o->output, "-") && !lstat(o->output, &st) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
		error_set(&error, 0, "%.200s is not a regular file; name a new one, or use -o - and a pipe", o->output);
		return verb_fail(EXIT_COULD_NOT, &error);
	}
	r = session_open(&s, o, 0, NULL, &error);
	if (r)
		return verb_fail(verb_status(r), &error);
	signal_fd = signals_open();
	if (strcmp(o->output, "-"))
		sink = recfile_sink(o->output, RECFILE_REFUSE, &error);
	else
		sink = recfile_sink_fd(dup(STDOUT_FILENO), "standard output", &error);
	r = sink ? writer_add_sink(sampler_writer(s.sampler), sink) : -EIO;
	if (!r) {
		sampler_settle(s.sampler, 500000000u);
		r = record(&s, sink, o, signal_fd, &error);
	}
	session_close(&s);
	if (signal_fd >= 0)
		close(signal_fd);
	/* Nobody reads any more: that is how a pipe ends. */
	if (r == -EPIPE && !strcmp(o->output, "-"))
		return EXIT_DONE;
	return r ? verb_fail(EXIT_COULD_NOT, &error) : EXIT_DONE;
}
