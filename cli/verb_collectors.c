/* culprit collectors: what measures here, what does not and why, what each costs; and what of it is in the kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dump.h"
#include "error.h"
#include "session.h"
#include "verbs.h"

int verb_collectors(const struct options *given)
{
	struct options o = *given;

	/* The table `collector`, of a run over two ticks of all collectors. */
	o.verb = VERB_DUMP;
	o.args[0] = "collector";
	o.nargs = 1;
	o.also = "bpf";
	if (!o.interval_ns)
		o.interval_ns = 200000000u;
	if (given->nargs) {
		struct culprit_error error;

		error_set(&error, 0, "collectors takes no operand; see culprit collectors --help");
		return verb_fail(EXIT_USAGE, &error);
	}
#ifdef CULPRIT_STATIC
	fputs("culprit: this is the static binary: it has no plug-ins (no dynamic loader); build without STATIC=1 for them\n",
	      stderr);
#endif
	return verb_dump(&o);
}
