/* culprit record -o FILE|- --ring NAME: samples into a file, a directory or a pipe, a ring, or both, until it is told to stop. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "recorder.h"
#include "verbs.h"

/* What cannot be, before anything is begun. 0, or an exit status with a sentence. */
static int refuse(const struct options *o, struct culprit_error *error)
{
	struct stat st;

	if ((!o->output && !o->ring) || o->nargs) {
		error_set(error, 0, "record needs -o FILE, -o - for standard output, or --ring NAME; see culprit record --help");
		return EXIT_USAGE;
	}
	if (!o->output && (o->keep_ns || o->max_bytes)) {
		error_set(error, 0, "--keep and --max-size need a directory: -o DIR; what a ring holds is said by --history");
		return EXIT_USAGE;
	}
	if (!o->output)
		return 0;
	if (!strcmp(o->output, "-") && (o->keep_ns || o->max_bytes)) {
		error_set(error, 0, "--keep and --max-size need a directory: -o DIR; what went through a pipe cannot be dropped");
		return EXIT_USAGE;
	}
	if (!strcmp(o->output, "-") && isatty(STDOUT_FILENO)) {
		error_set(error, 0, "a recording is not for a terminal; use -o FILE, or a pipe to culprit replay -");
		return EXIT_USAGE;
	}
	if (strcmp(o->output, "-") && !lstat(o->output, &st) && S_ISDIR(st.st_mode) && !o->keep_ns && !o->max_bytes) {
		error_set(error, 0, "%.200s is a directory; with --keep TIME or --max-size SIZE hour files are recorded into it",
			  o->output);
		return EXIT_COULD_NOT;
	}
	/* Not to be answered with "remove it". */
	if (strcmp(o->output, "-") && !lstat(o->output, &st) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode) &&
	    !S_ISDIR(st.st_mode)) {
		error_set(error, 0, "%.200s is not a regular file; name a new one, or use -o - and a pipe", o->output);
		return EXIT_COULD_NOT;
	}
	return 0;
}

int verb_record(const struct options *o)
{
	struct culprit_error error = {""};
	struct publish publish = {0};
	struct recorder_output out;
	struct session s;
	int r = refuse(o, &error), signal_fd, status = EXIT_COULD_NOT;

	if (r)
		return verb_fail(r, &error);
	r = session_open(&s, o, CULPRIT_HOST_PATIENT, NULL, &error);
	if (r)
		return verb_fail(verb_status(r), &error);
	signal_fd = recorder_signals();
	/* The ring first: a name that is taken must leave no file behind. */
	r = publish_open(&publish, o, sampler_writer(s.sampler), &error);
	if (r)
		status = verb_status(r);
	if (!r)
		r = recorder_open(&out, o, &error);
	out.publish = &publish;
	if (!r)
		r = recorder_run(&s, &out, o, signal_fd, &error);
	session_close(&s);
	publish_close(&publish);
	if (signal_fd >= 0)
		close(signal_fd);
	return r ? verb_fail(status, &error) : EXIT_DONE;
}
