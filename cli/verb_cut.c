/* culprit cut FILE --from --to -o OUT: a piece of a recording (core/cut.h), to hand over. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confine.h"
#include "cut.h"
#include "error.h"
#include "file_source.h"
#include "marks.h"
#include "recfile.h"
#include "timeparse.h"
#include "units.h"
#include "verbs.h"
#include "view.h"

static int window(struct view *v, const struct options *o, struct cut_options *cut, struct culprit_error *error)
{
	int r;

	if (!view_extent(v, &cut->from_ns, &cut->to_ns))
		return view_nothing(v, error);
	r = o->from ? timeparse(v, o->from, 0, &cut->from_ns, error) : 0;
	if (!r && o->to)
		r = timeparse(v, o->to, o->from ? cut->from_ns : 0, &cut->to_ns, error);
	if (!r && cut->from_ns > cut->to_ns)
		r = error_set(error, -EINVAL, "--from lies after --to");
	return r;
}

static void tell(struct view *v, const struct options *o, const struct cut_options *cut, const struct cut_result *result,
		 uint64_t bytes)
{
	char from[64], to[64], size[32];
	int zone = view_zone_offset(v);

	fprintf(stderr, "culprit: %.200s: %s .. %s, %" PRIu64 " frames, %s", o->output,
		units_rfc3339(from, sizeof(from), view_wall_ns(v, result->from_ns), zone),
		units_rfc3339(to, sizeof(to), view_wall_ns(v, result->to_ns), zone), result->frames,
		units_format_short(size, sizeof(size), (double)bytes, CULPRIT_BYTES));
	if (cut->redact)
		fprintf(stderr, "; arguments cut off %" PRIu64 " texts; names, paths and addresses are still in it\n",
			result->redacted);
	else
		fprintf(stderr, "; command lines and their arguments are in it\n");
}

/* The user's marks go with it. */
static void cut_marks(struct view *v, const struct options *o, const struct cut_result *result)
{
	int64_t from = view_wall_ns(v, result->from_ns), to = view_wall_ns(v, result->to_ns);
	struct marks *marks = marks_open(o->args[0], NULL), *out = marks_count(marks) ? marks_open(o->output, NULL) : NULL;

	for (size_t i = 0; out && i < marks_count(marks); i++) {
		const struct mark_note *note = marks_at(marks, i);

		if (note->wall_ns >= from && note->wall_ns <= to)
			marks_add(out, note->wall_ns, note->text, NULL);
	}
	marks_destroy(out);
	marks_destroy(marks);
}

static int cut(struct view *v, struct source *source, const struct options *o, struct culprit_error *error)
{
	struct cut_options options = {.redact = !o->no_redact};
	struct cut_result result = {0};
	struct sandbox_report sandbox;
	bool pipe = !strcmp(o->output, "-");
	struct sink *sink;
	int r = view_refresh(v, error);

	if (r >= 0)
		r = window(v, o, &options, error);
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
		cut_marks(v, o, &result);
	if (!r)
		tell(v, o, &options, &result, recfile_sink_written(sink));
	sink->ops->destroy(sink);
	/* What is no recording is not left behind. It is ours: an existing one was refused. */
	if (r && !pipe && !result.segments)
		unlink(o->output);
	if (!r && result.damaged)
		r = -EBADMSG;
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
