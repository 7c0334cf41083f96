#include "recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "recdir.h"
#include "recfile.h"
#include "units.h"
#include "verbs.h"

#define SECOND UINT64_C(1000000000)

enum {
	ROOM_LEAST = 256 << 10, /* bytes free on the disk before recording is tried again */
	PATIENCE_MAX_S = 60,    /* between two tries */
	SAY_AGAIN_S = 3600,
};

struct recorder {
	struct session *session;
	struct recorder_output *out;
	uint64_t interval_ns, begun_ns, end_ns;
	uint64_t frames;
	uint64_t missed; /* frames that were sampled, or should have been, and are not in the file */
	bool progress;   /* standard error is a terminal, and no console draws on it */
	bool removed;    /* the file was, and no other could be begun */
	/* What it writes to has failed. */
	bool stalled;
	int why;
	uint64_t stalled_missed, retry_ns, patience_ns, said_ns, written_before;
	/* Of the progress line. */
	uint64_t rate_ns, rate_written;
	double rate;
};

static uint64_t now_ns(uint32_t which)
{
	return clock_real()->now_ns(clock_real(), which);
}

int recorder_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int recorder_open(struct recorder_output *out, const struct options *o, struct culprit_error *error)
{
	const struct recdir_limits limits = {o->keep_ns, o->max_bytes};

	*out = (struct recorder_output){.path = o->output && strcmp(o->output, "-") ? o->output : NULL};
	if (!o->output)
		return 0;
	if (!out->path) {
		out->sink = recfile_sink_fd(dup(STDOUT_FILENO), "standard output", error);
	} else if (o->keep_ns || o->max_bytes) {
		out->folder = true;
		out->sink = recdir_sink(out->path, &limits, error);
	} else {
		out->sink = recfile_sink(out->path, RECFILE_REFUSE, error);
	}
	return out->sink ? 0 : -EIO;
}

static uint64_t written(const struct recorder *r)
{
	const struct recorder_output *out = r->out;

	return !out->sink ? 0 : out->folder ? recdir_sink_written(out->sink) : recfile_sink_written(out->sink);
}

static void clear_line(const struct recorder *r)
{
	if (r->progress)
		fputs("\r\33[K", stderr);
}

static void say(const struct recorder *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const struct recorder *r, const char *format, ...)
{
	struct culprit_error text;
	va_list list;

	va_start(list, format);
	vsnprintf(text.sentence, sizeof(text.sentence), format, list);
	va_end(list);
	clear_line(r);
	verb_fail(EXIT_DONE, &text);
}

static void show_progress(struct recorder *r)
{
	uint64_t now = now_ns(CULPRIT_MONOTONIC), bytes = written(r);
	uint64_t lost = builder_lost(writer_builder(sampler_writer(r->session->sampler)));
	char a[32], b[32], c[32];

	if (!r->progress || !r->out->sink)
		return;
	/* Over some seconds: a key frame is many times what follows it. */
	if (now - r->rate_ns >= 10 * SECOND || now - r->begun_ns < 10 * SECOND) {
		uint64_t since = now - r->begun_ns < 10 * SECOND ? r->begun_ns : r->rate_ns;

		r->rate = now > since ? (double)(bytes - (since == r->begun_ns ? 0 : r->rate_written)) * 1e9 / (double)(now - since)
				      : 0;
		r->rate_ns = now;
		r->rate_written = bytes;
	}
	fprintf(stderr, "\r\33[Krecording %s: %" PRIu64 " frame%s, %s, %s, lost %" PRIu64 " frame%s, %" PRIu64 " event%s%s",
		units_duration(a, sizeof(a), (now - r->begun_ns) / SECOND * SECOND), r->frames, r->frames == 1 ? "" : "s",
		units_format_short(b, sizeof(b), (double)bytes, CULPRIT_BYTES),
		units_format_short(c, sizeof(c), r->rate, CULPRIT_BYTES_PER_S), r->missed, r->missed == 1 ? "" : "s", lost,
		lost == 1 ? "" : "s", r->stalled ? " (waits for room)" : "");
	fflush(stderr);
}

/* Room on the disk it writes to; UINT64_MAX where that cannot be told. */
static uint64_t room(const struct recorder *r)
{
	struct statvfs st;

	/* Of the file, not of its name: another disk may be mounted there by now. */
	if (!r->out->path || statvfs(r->out->path, &st) < 0)
		return UINT64_MAX;
	return (uint64_t)st.f_bavail * st.f_frsize;
}

/* May this be over some time? */
static bool may_pass(const struct recorder *r, int err)
{
	if (!r->out->path)
		return false;
	return r->out->folder || err == -ENOSPC || err == -EDQUOT;
}

static void stall(struct recorder *r, int err, const struct culprit_error *error)
{
	uint64_t now = now_ns(CULPRIT_MONOTONIC);

	if (!r->stalled) {
		r->stalled_missed = 0;
		r->patience_ns = SECOND;
		r->written_before = written(r);
	}
	if (!r->stalled || now - r->said_ns > SAY_AGAIN_S * SECOND) {
		say(r, "%.400s; what comes now is not recorded; it goes on by itself when %s", error->sentence,
		    err == -ENOSPC || err == -EDQUOT ? "there is room" : "that is over");
		r->said_ns = now;
	}
	r->stalled = true;
	r->why = err;
	r->retry_ns = now + r->patience_ns;
	r->patience_ns = r->patience_ns * 2 < PATIENCE_MAX_S * SECOND ? r->patience_ns * 2 : PATIENCE_MAX_S * SECOND;
	if (r->out->folder && err != -ENOSPC && err != -EDQUOT)
		recdir_sink_rotate(r->out->sink);
}

/* Before a tick: a new segment is a new try. */
static void retry(struct recorder *r)
{
	if (!r->stalled || now_ns(CULPRIT_MONOTONIC) < r->retry_ns)
		return;
	if (r->why == -ENOSPC && room(r) < ROOM_LEAST) {
		r->retry_ns = now_ns(CULPRIT_MONOTONIC) + SECOND;
		return;
	}
	writer_finish_segment(sampler_writer(r->session->sampler));
}

/* After a tick: what became of it. */
static int look(struct recorder *r, struct culprit_error *error)
{
	int err = writer_sink_error(sampler_writer(r->session->sampler), r->out->sink, error);

	if (err && !may_pass(r, err))
		return err;
	if (err)
		stall(r, err, error);
	if (r->stalled && !err && written(r) > r->written_before) {
		char a[32];

		r->stalled = false;
		say(r, "recording goes on; %" PRIu64 " frame%s (%s) %s not recorded", r->stalled_missed, r->stalled_missed == 1 ? "" : "s",
		    units_duration(a, sizeof(a), r->stalled_missed * r->interval_ns), r->stalled_missed == 1 ? "was" : "were");
	}
	if (r->stalled) {
		r->missed++;
		r->stalled_missed++;
		/* The end of the segment that was cut off may have found room. */
		r->written_before = written(r);
	} else {
		r->frames++;
	}
	return 0;
}

/* SIGHUP. */
static void reopen(struct recorder *r)
{
	struct writer *w = sampler_writer(r->session->sampler);
	struct culprit_error error = {""};
	struct stat here, own;
	struct sink *sink;

	if (r->out->folder) {
		recdir_sink_rotate(r->out->sink);
		writer_finish_segment(w);
		return;
	}
	writer_finish_segment(w);
	/* It was not moved away: there is nothing to open. */
	if (!recfile_sink_stat(r->out->sink, &own) && !lstat(r->out->path, &here) && here.st_dev == own.st_dev &&
	    here.st_ino == own.st_ino)
		return;
	sink = recfile_sink(r->out->path, RECFILE_REFUSE, &error);
	if (!sink || writer_add_sink(w, sink)) {
		if (sink)
			sink->ops->destroy(sink);
		say(r, "asked to begin a new file: %.300s; the old one is gone on with", sink ? "out of memory" : error.sentence);
		return;
	}
	writer_remove_sink(w, r->out->sink);
	r->out->sink = sink;
	r->stalled = false;
}

/* Who removes the file while it is recorded does not get it back, but what follows is not lost as well. */
static void look_for_it(struct recorder *r)
{
	const struct sink *sink = r->out->sink;
	struct stat own;

	if (!r->out->path || r->out->folder || r->removed || recfile_sink_stat(r->out->sink, &own) || own.st_nlink)
		return;
	r->removed = true;
	say(r, "%.300s was removed while it was recorded: what it held is lost; a new one is begun", r->out->path);
	reopen(r);
	r->removed = r->out->sink == sink;
}

/* Until the time or a signal; what comes between samples is taken in. True: it is to end. */
static bool wait_until(struct recorder *r, int signal_fd, uint64_t until_ns)
{
	uint64_t now;

	while ((now = now_ns(CULPRIT_MONOTONIC)) < until_ns) {
		struct signalfd_siginfo info;

		if (!sampler_rest(r->session->sampler, until_ns - now, signal_fd) || read(signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGHUP || (r->out->sink && !r->out->path))
			return true;
		if (r->out->sink)
			reopen(r);
	}
	return false;
}

static int run(struct recorder *r, int signal_fd, struct culprit_error *error)
{
	struct writer *w = sampler_writer(r->session->sampler);
	uint64_t next, late;
	int err;

	do {
		retry(r);
		if (r->out->folder && recdir_sink_due(r->out->sink, (int64_t)now_ns(CULPRIT_WALL)))
			writer_finish_segment(w);
		if (r->out->publish)
			publish_marks(r->out->publish, r->session->sampler);
		err = sampler_tick(r->session->sampler, error);
		if (!err && r->out->sink)
			err = look(r, error);
		if (!err && r->out->sink)
			look_for_it(r);
		if (err)
			return err;
		if (r->out->publish)
			publish_check(r->out->publish, w);
		show_progress(r);
		late = now_ns(CULPRIT_MONOTONIC);
		next = late + r->interval_ns - now_ns(CULPRIT_WALL) % r->interval_ns;
		/* The last one lies at the end: what was asked for is covered. */
		if (next > r->end_ns) {
			if (late >= r->end_ns)
				return 0;
			next = r->end_ns;
		}
	} while (!wait_until(r, signal_fd, next));
	return 0;
}

int recorder_run(struct session *s, struct recorder_output *out, const struct options *o, int signal_fd,
		 struct culprit_error *error)
{
	struct recorder r = {
		.session = s,
		.out = out,
		.interval_ns = o->interval_ns ? o->interval_ns : SECOND,
		.begun_ns = now_ns(CULPRIT_MONOTONIC),
		.end_ns = UINT64_MAX,
		/* Behind a pipe there may be a replay on the same terminal. */
		.progress = isatty(STDERR_FILENO) && out->path,
	};
	int err;

	if (out->sink && writer_add_sink(sampler_writer(s->sampler), out->sink)) {
		out->sink->ops->destroy(out->sink);
		out->sink = NULL;
		return error_set(error, -ENOMEM, "out of memory");
	}
	sampler_settle(s->sampler, SECOND / 2);
	r.rate_ns = r.begun_ns;
	if (o->for_ns)
		r.end_ns = now_ns(CULPRIT_MONOTONIC) + o->for_ns;
	err = run(&r, signal_fd, error);
	if (r.progress && out->sink)
		fputc('\n', stderr);
	if (!err && r.stalled)
		err = error_set(error, -ENOSPC, "there was no room for the last frames, which are not in %.300s; make room, and record anew",
				out->path ? out->path : "it");
	return err;
}
