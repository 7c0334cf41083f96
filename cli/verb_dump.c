/* culprit dump TABLE [FILE|-]: fills a view, from a file or by sampling here and now, and prints it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "builtin.h"
#include "dump.h"
#include "error.h"
#include "file_source.h"
#include "recfile.h"
#include "session.h"
#include "verbs.h"

static int dump_view(struct view *v, const struct options *o, const char *table, struct culprit_error *error)
{
	struct lens lens;
	int r = view_refresh(v, error);

	if (r < 0)
		return r;
	r = dump_lens(v, o, table, &lens, error);
	return r ? r : dump_run(v, &lens, o, table, stdout, error);
}

/* A pipe is read to its end: what is asked may stand in its last frame. */
static int read_pipe(struct view *v, struct source *source, struct culprit_error *error)
{
	int r = 0;

	while (r >= 0 && !recfile_source_ended(source)) {
		struct pollfd fd = {source->ops->fd(source), POLLIN, 0};

		if (fd.fd >= 0 && poll(&fd, 1, -1) < 0 && errno != EINTR)
			return error_set(error, -errno, "standard input cannot be waited for: %s", strerror(errno));
		r = view_refresh(v, error);
	}
	return r < 0 ? r : 0;
}

/* All of standard input, in memory that is read as a file: a dump wants the whole of it anyway. Returns the descriptor. */
static int spool(struct culprit_error *error)
{
	char buf[1 << 16];
	int fd = memfd_create("culprit", MFD_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return error_set(error, -errno, "standard input cannot be kept: %s", strerror(errno));
	if (isatty(STDIN_FILENO)) {
		close(fd);
		return error_set(error, -EIO, "a recording is not typed; use a pipe: culprit record -o - | culprit dump TABLE -");
	}
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t done = 0, w; n > 0 && done < n; done += w) {
			w = write(fd, buf + done, (size_t)(n - done));
			if (w < 0) {
				error_set(error, -errno, "standard input cannot be kept: %s", strerror(errno));
				close(fd);
				return -EIO;
			}
		}
	}
	if (n < 0) {
		error_set(error, -errno, "standard input cannot be read: %s", strerror(errno));
		close(fd);
		return -EIO;
	}
	return fd;
}

/* `spooled`: the name under which standard input was read; NULL: a file by its own name. */
static void notice(const char *sentence, const char *spooled)
{
	struct culprit_error text;

	if (spooled && !strncmp(sentence, spooled, strlen(spooled)))
		error_set(&text, 0, "standard input%s", sentence + strlen(spooled));
	else
		error_set(&text, 0, "%s", sentence);
	verb_fail(EXIT_DONE, &text);
}

static int dump_file(const struct options *o, const char *table, const char *file, struct culprit_error *error)
{
	struct view *v = view_create();
	struct source *source;
	char name[32];
	int r, fd = -1;

	if (!v)
		return error_set(error, -ENOMEM, "out of memory");
	if (!strcmp(file, "-")) {
		fd = spool(error);
		if (fd < 0) {
			view_destroy(v);
			return fd;
		}
		snprintf(name, sizeof(name), "/dev/fd/%d", fd);
		file = name;
	}
	source = file_source(file, o->history_bytes, error);
	r = source ? view_add_source(v, source) : -EIO;
	if (!r && !strcmp(file, "-"))
		r = read_pipe(v, source, error);
	if (!r)
		r = dump_view(v, o, table, error);
	if ((!r || r == -EBADMSG) && view_notice(v)[0])
		notice(view_notice(v), fd >= 0 ? name : NULL);
	view_destroy(v);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && r && !strncmp(error->sentence, name, strlen(name))) {
		struct culprit_error why = *error;

		error_set(error, r, "standard input%s", why.sentence + strlen(name));
	}
	return r;
}

/* A table whose columns all are levels is whole after one sample. */
static bool needs_two_ticks(const struct options *o, const char *table)
{
	if (o->raw)
		return false;
	for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables; i++) {
			const struct culprit_table *t = (*c)->tables[i];

			if (strcmp(t->name, table))
				continue;
			for (uint32_t k = 0; k < t->ncolumns; k++) {
				if (t->columns[k].role == CULPRIT_COUNTER || t->columns[k].role == CULPRIT_HISTOGRAM)
					return true;
			}
			return false;
		}
	}
	return true;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

static int dump_live(const struct options *o, const char *table, struct culprit_error *error)
{
	const char *collector = session_collector_of(table);
	struct memsource *mem = NULL;
	struct view *v = NULL;
	struct session s;
	struct sink *sink;
	uint64_t ticks;
	int r = session_open(&s, o, CULPRIT_HOST_WHOLE, o->collect ? NULL : collector, error);

	if (r)
		return r;
	mem = memsource_create();
	v = view_create();
	sink = mem ? memsource_sink(mem) : NULL;
	if (!v || !sink || writer_add_sink(sampler_writer(s.sampler), sink) ||
	    view_add_source(v, memsource_source(mem))) {
		r = error_set(error, -ENOMEM, "out of memory");
		goto end;
	}
	if (!collector)
		sampler_settle(s.sampler, 2000000000u);
	ticks = needs_two_ticks(o, table) ? 1 : 0;
	if (o->for_ns)
		ticks = o->for_ns / (o->interval_ns ? o->interval_ns : 1000000000u);
	/* A plug-in that needs longer than the built-ins answers with the next tick. */
	ticks += !collector;
	for (uint64_t i = 0; i <= ticks && !r; i++) {
		if (i)
			sleep_ns(o->interval_ns ? o->interval_ns : 1000000000u);
		r = sampler_tick(s.sampler, error);
		if (!r)
			r = writer_sink_error(sampler_writer(s.sampler), sink, error);
		if (!collector)
			sampler_settle(s.sampler, 500000000u);
	}
	if (!r)
		r = dump_view(v, o, table, error);
end:
	view_destroy(v);
	session_close(&s);
	memsource_unlock(mem);
	return r;
}

int verb_dump(const struct options *o)
{
	struct culprit_error error = {""};
	int r;

	if (o->nargs < 1 || o->nargs > 2) {
		error_set(&error, 0, "dump takes the name of a table, and a file or none; see culprit dump --help");
		return verb_fail(EXIT_USAGE, &error);
	}
	r = o->nargs == 2 ? dump_file(o, o->args[0], o->args[1], &error) : dump_live(o, o->args[0], &error);
	return r ? verb_fail(verb_status(r), &error) : EXIT_DONE;
}
