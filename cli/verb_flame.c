/* culprit flame [FILE]: the stacks of a lens in a format for people or for other tools; --import brings other tools' profiles
 * in. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"
#include "error.h"
#include "file_source.h"
#include "flame_out.h"
#include "import.h"
#include "query.h"
#include "recfile.h"
#include "save.h"
#include "session.h"
#include "symbols.h"
#include "units.h"
#include "verbs.h"

enum { LIVE_NS_DEFAULT = 5 }; /* seconds */

/* A view over FILE, be it a recording or, with --import, another tool's text. NULL with a sentence. */
static struct view *view_of(const struct options *o, const char *file, bool import, struct memsource **ret_mem,
			    struct culprit_error *error)
{
	struct view *v = view_create();
	struct culprit_error notice;
	struct source *source;

	*ret_mem = NULL;
	if (!v) {
		error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	if (import) {
		*ret_mem = import_file(file, &notice, error);
		source = *ret_mem ? memsource_source(*ret_mem) : NULL;
		if (source && notice.sentence[0])
			verb_fail(EXIT_DONE, &notice);
	} else {
		source = file_source_whole(file, o->history_bytes, error);
	}
	if (!source || view_add_source(v, source)) {
		view_destroy(v);
		memsource_unlock(*ret_mem);
		*ret_mem = NULL;
		return NULL;
	}
	return v;
}

/* Samples here and now, for --for or five seconds. */
static struct view *view_live(const struct options *o, struct session *s, struct memsource **ret_mem, struct culprit_error *error)
{
	uint64_t interval = o->interval_ns ? o->interval_ns : 1000000000u;
	uint64_t ticks = (o->for_ns ? o->for_ns : LIVE_NS_DEFAULT * UINT64_C(1000000000)) / interval + 1;
	struct view *v;
	struct sink *sink;
	int r;

	*ret_mem = NULL;
	if (session_open(s, o, 0, o->collect, error))
		return NULL;
	*ret_mem = memsource_create();
	v = view_create();
	sink = *ret_mem ? memsource_sink(*ret_mem) : NULL;
	r = !v || !sink || writer_add_sink(sampler_writer(s->sampler), sink) || view_add_source(v, memsource_source(*ret_mem)) ?
		    error_set(error, -ENOMEM, "out of memory") : 0;
	/* What is loaded into the kernel is waited for: there is no screen to show meanwhile. */
	if (!r)
		sampler_settle_late(s->sampler, 10000000000u);
	for (uint64_t i = 0; i <= ticks && !r; i++) {
		if (i)
			sampler_rest(s->sampler, interval, -1);
		r = sampler_tick(s->sampler, error);
		if (!r)
			r = writer_sink_error(sampler_writer(s->sampler), sink, error);
	}
	/* Names that are still being looked for come with one more frame. */
	if (!r && !symbols_settle(sampler_symbols(s->sampler), 2000000000u))
		r = 0;
	if (!r)
		r = sampler_tick(s->sampler, error);
	if (r) {
		view_destroy(v);
		memsource_unlock(*ret_mem);
		*ret_mem = NULL;
		session_close(s);
		return NULL;
	}
	return v;
}

static const struct flame_format *format_of(const struct options *o, struct culprit_error *error)
{
	const char *name = o->format ? o->format : "text";

	for (const struct flame_format *f = flame_formats; f->name; f++) {
		if (!strcmp(f->name, name))
			return f;
	}
	error_set(error, -EINVAL, "--format takes text, folded, speedscope, pprof or svg, not '%.40s'", name);
	return NULL;
}

static void title_make(struct view *v, struct query *q, const struct flame_source *source, const struct flame_options *fo,
		       bool compares, struct flame_title *title)
{
	const struct host_info *host = view_host(v);
	struct query_info info;
	char from[40], to[40];

	query_info(q, &info);
	memset(title, 0, sizeof(*title));
	title->unit = source->unit;
	title->compares = compares;
	title->inverted = fo->inverted;
	title->duration_ns = flame_covered_ns(q);
	title->wall_ns = info.used_to_wall_ns - (int64_t)title->duration_ns;
	snprintf(title->what, sizeof(title->what), "%.31s of %.60s, %s to %s%s", source->table,
		 host && host->name[0] ? host->name : "this host", units_rfc3339(from, sizeof(from), title->wall_ns, 0),
		 units_rfc3339(to, sizeof(to), info.used_to_wall_ns, 0), fo->inverted ? ", innermost first" : "");
}

static int fill_from(struct flame *f, struct view *v, const struct options *o, const struct flame_options *fo, bool base,
		     struct flame_source *source, struct flame_title *title, bool compares, struct culprit_error *error)
{
	struct query *q = query_create(v);
	struct lens lens;
	int r = q ? view_refresh(v, error) : error_set(error, -ENOMEM, "out of memory");

	if (r >= 0)
		r = flame_source_find(v, fo, source, error);
	if (!r)
		r = base ? options_lens(o, &lens, error) : dump_lens(v, o, source->table, &lens, error);
	if (!r && base) {
		uint64_t from, to;

		/* All of the baseline, whatever window was asked for. */
		if (view_extent(v, &from, &to)) {
			lens.live = false;
			lens.from_ns = from;
			lens.to_ns = to;
		}
	}
	if (!r)
		r = flame_fill(f, q, &lens, source, fo, base, error);
	if ((!r || r == -EBADMSG) && title)
		title_make(v, q, source, fo, compares, title);
	query_destroy(q);
	return r;
}

static FILE *out_open(const struct options *o, struct culprit_error *error)
{
	FILE *out;
	int fd;

	if (!o->output || !strcmp(o->output, "-"))
		return stdout;
	fd = open(o->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!out) {
		error_set(error, -errno, errno == EEXIST ? "%.150s exists; it is not overwritten" : "cannot write %.150s: %s",
			  o->output, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return out;
}

/* --import -o FILE without a format: the profile as a recording. */
static int import_to_recording(const struct options *o, struct culprit_error *error)
{
	struct culprit_error notice;
	struct memsource *mem = import_file(o->args[0], &notice, error);
	struct source *source;
	int r;

	if (!mem)
		return -EIO;
	if (notice.sentence[0])
		verb_fail(EXIT_DONE, &notice);
	source = memsource_source(mem);
	r = source ? save_source(source, o->output, error) : error_set(error, -ENOMEM, "out of memory");
	source_destroy(source);
	memsource_unlock(mem);
	return r;
}

int verb_flame(const struct options *o)
{
	struct flame_options fo = {.table = o->table, .value = o->value, .inverted = o->inverted,
				   .idle = o->filter && strstr(o->filter, "idle")};
	struct memsource *mem = NULL, *base_mem = NULL;
	struct culprit_error error = {""};
	const struct flame_format *format = format_of(o, &error);
	struct flame *f = NULL;
	struct view *v = NULL, *base = NULL;
	struct flame_source source, base_source;
	struct flame_title title;
	struct session session;
	bool live = !o->nargs;
	FILE *out = NULL;
	int r = -EIO;

	if (!format)
		return verb_fail(EXIT_USAGE, &error);
	if (o->import && live) {
		error_set(&error, 0, "--import needs a file: output of perf script, or folded stacks; - is standard input");
		return verb_fail(EXIT_USAGE, &error);
	}
	if (o->by && strcmp(o->by, "thread") && strcmp(o->by, "process")) {
		error_set(&error, 0, "--by takes thread or process, not '%.40s'", o->by);
		return verb_fail(EXIT_USAGE, &error);
	}
	fo.by_thread = o->by && !strcmp(o->by, "thread");
	fo.by_process = o->by && !strcmp(o->by, "process");
	if (o->import && o->output && !o->format) {
		r = import_to_recording(o, &error);
		return r ? verb_fail(verb_status(r), &error) : EXIT_DONE;
	}
	v = live ? view_live(o, &session, &mem, &error) : view_of(o, o->args[0], o->import, &mem, &error);
	if (!v)
		return verb_fail(EXIT_COULD_NOT, &error);
	f = flame_create();
	if (!f)
		error_set(&error, -ENOMEM, "out of memory");
	r = f ? fill_from(f, v, o, &fo, false, &source, &title, o->baseline, &error) : -ENOMEM;
	if (r == -EBADMSG)
		r = 0; /* what lies before the damage is shown, and the damage told */
	if (!r && o->baseline) {
		base = view_of(o, o->baseline, o->import, &base_mem, &error);
		r = base ? fill_from(f, base, o, &fo, true, &base_source, NULL, true, &error) : -EIO;
	}
	if (!r && error.sentence[0])
		verb_fail(EXIT_DONE, &error);
	if (!r) {
		flame_sort(f, strcmp(format->name, "text") ? FLAME_BY_NAME : FLAME_BY_WEIGHT);
		out = out_open(o, &error);
		r = out ? format->write(f, &title, out) : -EIO;
		if (!r && (fflush(out) || ferror(out)) && errno != EPIPE)
			r = error_set(&error, -errno, "cannot write: %s", strerror(errno));
		else if (r == -ENOMEM)
			error_set(&error, r, "out of memory");
		if (out && out != stdout)
			fclose(out);
	}
	flame_destroy(f);
	view_destroy(v);
	view_destroy(base);
	if (live)
		session_close(&session);
	memsource_unlock(mem);
	memsource_unlock(base_mem);
	return r ? verb_fail(r == -ENOENT || r == -EINVAL ? verb_status(r) : EXIT_COULD_NOT, &error) : EXIT_DONE;
}
