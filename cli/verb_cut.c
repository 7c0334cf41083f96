/* culprit cut FILE --from --to -o OUT: a piece of a recording (core/cut.h), to hand over. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confine.h"
#include "cut.h"
#include "dump.h"
#include "error.h"
#include "file_source.h"
#include "marks.h"
#include "recfile.h"
#include "units.h"
#include "verbs.h"
#include "view.h"

/* The user's marks go with it, in a file beside it: how many. -errno with a sentence: not all of them. */
static int cut_marks(struct view *v, const struct options *o, const struct cut_result *result, size_t *ret_n,
		     struct culprit_error *error)
{
	int64_t from = view_wall_ns(v, result->from_ns), to = view_wall_ns(v, result->to_ns);
	struct marks *marks = marks_open(o->args[0], error), *out = marks_count(marks) ? marks_open(o->output, error) : NULL;
	int r = marks && (out || !marks_count(marks)) ? 0 : -EIO;

	for (size_t i = 0; !r && i < marks_count(marks); i++) {
		const struct mark_note *note = marks_at(marks, i);

		if (note->wall_ns < from || note->wall_ns > to)
			continue;
		r = marks_add(out, note->wall_ns, note->text, error);
		*ret_n += !r;
	}
	marks_destroy(out);
	marks_destroy(marks);
	return r;
}

static void tell(struct view *v, const struct options *o, const struct cut_options *cut, const struct cut_result *result,
		 uint64_t bytes, size_t nmarks)
{
	char from[64], to[64], size[32];
	int zone = view_zone_offset(v);

	fprintf(stderr, "culprit: %.200s: %s .. %s, %" PRIu64 " frame%s, %s", o->output,
		units_rfc3339(from, sizeof(from), view_wall_ns(v, result->from_ns), zone),
		units_rfc3339(to, sizeof(to), view_wall_ns(v, result->to_ns), zone), result->frames, result->frames == 1 ? "" : "s",
		units_format_short(size, sizeof(size), (double)bytes, CULPRIT_BYTES));
	if (cut->redact)
		fprintf(stderr, "; arguments cut off %" PRIu64 " text%s; names, paths and addresses are still in it\n",
			result->redacted, result->redacted == 1 ? "" : "s");
	else
		fprintf(stderr, "; command lines and their arguments are in it\n");
	if (nmarks)
		fprintf(stderr, "culprit: %zu mark%s of yours %s in %.200s.marks: hand it over as well, beside it\n", nmarks,
			nmarks == 1 ? "" : "s", nmarks == 1 ? "is" : "are", o->output);
}

static int cut(struct view *v, struct source *source, const struct options *o, struct culprit_error *error)
{
	struct cut_options options = {.redact = !o->no_redact};
	struct cut_result result = {0};
	struct sandbox_report sandbox;
	struct culprit_error why;
	bool pipe = !strcmp(o->output, "-");
	struct sink *sink;
	size_t nmarks = 0;
	int r = view_refresh(v, error), marks = 0;

	if (r >= 0)
		r = options_window(v, o, &options.from_ns, &options.to_ns, error);
	if (r < 0)
		return r;
	if (pipe && isatty(STDOUT_FILENO))
		return error_set(error, -EIO, "a recording is not for a terminal: culprit cut FILE -o - > OUT");
	sink = pipe ? recfile_sink_fd(dup(STDOUT_FILENO), "standard output", error) :
		      recfile_sink(o->output, RECFILE_REFUSE, error);
	if (!sink)
		return -EIO;
	confine(o, o->args[0], &sandbox);
	r = cut_run(source, &options, sink, &result, error);
	if (!r && !pipe)
		marks = cut_marks(v, o, &result, &nmarks, &why);
	if (!r)
		tell(v, o, &options, &result, recfile_sink_written(sink), nmarks);
	sink->ops->destroy(sink);
	/* What is no recording is not left behind. It is ours: an existing one was refused. */
	if (r && !pipe && !result.segments)
		unlink(o->output);
	if (!r && result.damaged)
		r = -EBADMSG;
	if (marks && r)
		verb_fail(EXIT_DONE, &why);
	else if (marks)
		r = error_set(error, -EIO, "%s", why.sentence);
	return r;
}

int verb_cut(const struct options *o)
{
	struct culprit_error error = {""};
	struct view *v = view_create();
	struct source *source;
	int r;

	if (!strcmp(o->args[0], "-")) {
		view_destroy(v);
		error_set(&error, 0, "cut needs a file, to go back in: save the pipe to one first");
		return verb_fail(EXIT_USAGE, &error);
	}
	source = v ? file_source(o->args[0], 0, &error) : NULL;
	r = source ? view_add_source(v, source) : -EIO;
	if (!v)
		error_set(&error, 0, "out of memory");
	if (!r)
		r = cut(v, source, o, &error);
	view_destroy(v);
	return r ? verb_fail(verb_status(r), &error) : EXIT_DONE;
}
