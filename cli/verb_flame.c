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
#include "lens.h"
#include "save.h"
#include "session.h"
#include "symbols.h"
#include "units.h"
#include "verbs.h"

enum { LIVE_NS_DEFAULT = 5 }; /* seconds */
enum { ASKED_TICKS = 8, ASKED_NS = 50000000 };

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
	const struct flame_lens *lens = o->table ? flame_lens_find(o->table) : NULL;
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
	if (!r && lens && lens->asked) {
		struct culprit_interest one = {.size = sizeof(one), .table = lens->table, .what = "rows", .key = {o->pid}, .nkey = 1};

		sampler_set_interests(s->sampler, &one, 1);
		/* It is attached to meanwhile. */
		for (int i = 0; i < ASKED_TICKS && !r; i++) {
			r = sampler_tick(s->sampler, error);
			sampler_rest(s->sampler, ASKED_NS, -1);
		}
	}
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

static void title_make(struct view *v, const struct flame *f, struct query *q, const struct flame_source *source, const struct flame_options *fo,
		       bool compares, struct flame_title *title)
{
	const struct host_info *host = view_host(v);
	struct flame_summary sum;
	struct query_info info;
	char from[40], to[40], rate[40];

	query_info(q, &info);
	flame_summary(f, &sum);
	flame_rate_words(source, &sum, rate, sizeof(rate));
	memset(title, 0, sizeof(*title));
	title->unit = source->unit;
	title->each = source->lens && source->lens->each ? source->lens->each : "samples";
	title->compares = compares;
	title->inverted = fo->inverted;
	title->duration_ns = flame_covered_ns(q);
	title->wall_ns = info.used_to_wall_ns - (int64_t)title->duration_ns;
	snprintf(title->what, sizeof(title->what), "%.31s of %.60s, %s to %s%s%s%s", source->lens ? source->lens->name : source->table,
		 host && host->name[0] ? host->name : "this host", units_rfc3339(from, sizeof(from), title->wall_ns, 0),
		 units_rfc3339(to, sizeof(to), info.used_to_wall_ns, 0), rate[0] ? ", " : "", rate, fo->inverted ? ", innermost first" : "");
	if (!strcmp(source->table, "oncpu") && source->unit == CULPRIT_NS && host)
		title->cpus = host->cpus;
}

/* Nothing there, as it cannot be measured: -ENOTSUP with the reason. Else 0. */
static int why_none(struct query *q, struct culprit_error *error)
{
	struct query_info info;

	query_info(q, &info);
	if (query_nrows(q) || !info.reason || (info.state != CULPRIT_MISSING && info.state != CULPRIT_FAILED))
		return 0;
	return error_set(error, -ENOTSUP, "%.*s", (int)(info.reason_len < 250 ? info.reason_len : 250), info.reason);
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
	if (!r && title)
		r = why_none(q, error);
	if ((!r || r == -EBADMSG) && title)
		title_make(v, f, q, source, fo, compares, title);
	query_destroy(q);
	return r;
}

/* --- source lines --------------------------------------------------------------------------------------------------------- */

enum { LINES_FUNCTIONS = 8, LINES_SPOTS = 8, LINES_WAIT_MS = 10000, LINES_LOOK_MS = 100 };

static int by_self(const void *a, const void *b)
{
	const struct flame_function *x = a, *y = b;

	return x->self != y->self ? (x->self < y->self ? 1 : -1) : x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* The functions with the most of their own, and where they stand. */
static size_t lines_choose(const struct flame *f, struct flame_lines *lines)
{
	size_t frames = flame_frames(f), n = 0;
	struct flame_function *functions = malloc(frames * sizeof(*functions));

	if (!functions)
		return 0;
	flame_functions(f, functions);
	qsort(functions, frames, sizeof(*functions), by_self);
	for (size_t i = 0; i < frames && n < LINES_FUNCTIONS && functions[i].self > 0; i++) {
		uint32_t node = 0;

		for (uint32_t k = 1; k < flame_nodes(f) && !node; k++)
			node = flame_node(f, k)->frame == functions[i].frame ? k : 0;
		lines[n].frame = functions[i].frame;
		source_lines_of(f, node, true, LINES_SPOTS, &lines[n].is);
		n += node && lines[n].is.n;
	}
	free(functions);
	return n;
}

/* Reads what is known of them; true: everything is. */
static bool lines_read(struct view *v, struct flame_lines *lines, size_t n)
{
	struct query *q = query_create(v);
	struct lens lens = lens_live(0);
	bool all = true;

	if (q && view_extent(v, &lens.from_ns, &lens.to_ns)) {
		lens.live = false;
		for (size_t i = 0; i < n; i++) {
			source_lines_read(&lines[i].is, q, &lens, lens.to_ns);
			for (size_t k = 0; k < lines[i].is.n; k++)
				all = all && lines[i].is.lines[k].known;
		}
	}
	query_destroy(q);
	return all;
}

/* `s`: what samples here and may be asked; NULL: a recording has them or not. */
static int lines_look(struct view *v, struct session *s, struct flame_lines *lines, size_t n, struct culprit_error *error)
{
	struct culprit_interest list[LINES_FUNCTIONS * LINES_SPOTS];
	size_t asked = 0;
	int r = 0;

	if (lines_read(v, lines, n) || !s)
		return 0;
	for (size_t i = 0; i < n; i++)
		asked += source_lines_interests(&lines[i].is, list + asked, LINES_FUNCTIONS * LINES_SPOTS - asked);
	sampler_set_interests(s->sampler, list, asked);
	for (int ms = 0; ms < LINES_WAIT_MS && r >= 0; ms += LINES_LOOK_MS) {
		r = sampler_tick(s->sampler, error);
		if (!r)
			r = view_refresh(v, error);
		if (r >= 0 && lines_read(v, lines, n))
			break;
		sampler_rest(s->sampler, LINES_LOOK_MS * UINT64_C(1000000), -1);
	}
	return r < 0 ? r : 0;
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
	const struct flame_lens *lens = o->table ? flame_lens_find(o->table) : NULL;
	struct memsource *mem = NULL, *base_mem = NULL;
	struct culprit_error error = {""}, note = {""};
	const struct flame_format *format = format_of(o, &error);
	struct flame *f = NULL;
	struct view *v = NULL, *base = NULL;
	struct flame_source source, base_source;
	struct flame_title title;
	struct session session;
	struct flame_lines *lines = NULL;
	bool live = !o->nargs;
	FILE *out = NULL;
	int r = -EIO;

	if (!format)
		return verb_fail(EXIT_USAGE, &error);
	if (o->import && live) {
		error_set(&error, 0, "--import needs a file: output of perf script, or folded stacks; - is standard input");
		return verb_fail(EXIT_USAGE, &error);
	}
	if (live && lens && lens->asked && !o->has_pid) {
		error_set(&error, 0, "--table %.20s looks at one process, as that slows it: say which, with --pid", lens->name);
		return verb_fail(EXIT_USAGE, &error);
	}
	if (o->by && strcmp(o->by, "thread") && strcmp(o->by, "process")) {
		error_set(&error, 0, "--by takes thread or process, not '%.40s'", o->by);
		return verb_fail(EXIT_USAGE, &error);
	}
	if (o->lines && strcmp(format->name, "text")) {
		error_set(&error, 0, "--lines goes with --format text");
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
	if (!r && o->lines) {
		lines = calloc(LINES_FUNCTIONS, sizeof(*lines));
		r = lines ? 0 : error_set(&error, -ENOMEM, "out of memory");
		title.lines = lines;
		title.nlines = lines ? lines_choose(f, lines) : 0;
		title.live = live;
		if (!r)
			r = lines_look(v, live ? &session : NULL, lines, title.nlines, &error);
	}
	if (!r && lens && lens->asked) {
		struct query *q = query_create(v);
		struct lens of;

		if (q && !dump_lens(v, o, "heap_probe", &of, &error)) {
			flame_cost(q, &of, note.sentence, sizeof(note.sentence), &title.duration_ns);
			if (note.sentence[0])
				verb_fail(EXIT_DONE, &note);
		}
		query_destroy(q);
	}
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
	free(lines);
	flame_destroy(f);
	view_destroy(v);
	view_destroy(base);
	if (live)
		session_close(&session);
	memsource_unlock(mem);
	memsource_unlock(base_mem);
	return r ? verb_fail(r == -ENOENT || r == -EINVAL ? verb_status(r) : EXIT_COULD_NOT, &error) : EXIT_DONE;
}
