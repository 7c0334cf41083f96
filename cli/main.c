#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "table_help.h"
#include "error.h"
#include "verbs.h"

/* The collectors keep descriptors of what they read every tick; the soft limit is for programs that use select(). */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)!setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Tables grow in large pieces: each of its own, they grow without being copied and are given back at once. One arena: the
 * threads hardly take memory once all has been seen. */
static void tune_memory(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 64 << 10);
	mallopt(M_TRIM_THRESHOLD, 64 << 10);
	mallopt(M_ARENA_MAX, 1);
#endif
}

/* Help that could not be written is no help. */
static int printed(void)
{
	struct culprit_error error;

	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_DONE;
	error_set(&error, -errno, "cannot write: %s", strerror(errno));
	return verb_fail(EXIT_COULD_NOT, &error);
}

int main(int argc, char **argv)
{
	struct culprit_error error = {""};
	struct options o;

	tune_memory();
	if (options_parse(&o, argc, argv, &error))
		return verb_fail(EXIT_USAGE, &error);
	if (o.version) {
		printf("culprit %s%s\n", CULPRIT_VERSION,
#ifdef CULPRIT_STATIC
		       " (static, without plug-ins)"
#else
		       ""
#endif
		);
		return printed();
	}
	if (o.help) {
		options_help(o.verb, stdout);
		return o.verb == VERB_DUMP && o.nargs ? table_help(o.args[0]) : printed();
	}
	raise_descriptors();
	/* A reader that leaves is an error of the write, not a death. */
	signal(SIGPIPE, SIG_IGN);
	switch (o.verb) {
	case VERB_RECORD:
		return verb_record(&o);
	case VERB_REPLAY:
		return verb_replay(&o);
	case VERB_DUMP:
		return verb_dump(&o);
	case VERB_FLAME:
		return verb_flame(&o);
	case VERB_CUT:
		return verb_cut(&o);
	case VERB_INFO:
		return verb_info(&o);
	case VERB_COLLECTORS:
		return verb_collectors(&o);
	case VERB_COMPLETION:
		return verb_completion(&o);
	default:
		return verb_console(&o);
	}
}
