/* What reads the files of others shuts itself in first: then whatever a hostile recording could make it do, it opens no other
 * file, no socket, starts no program, maps no code. By Landlock (files) and seccomp (system calls), where the kernel has them.
 * For good: there is no way out, and threads made later are in it too. To be entered once all is open that is needed. */
#ifndef CORE_SANDBOX_H
#define CORE_SANDBOX_H

#include <stdbool.h>

enum { SANDBOX_DIRS_MAX = 8 };

struct sandbox_options {
	const char *readable[SANDBOX_DIRS_MAX]; /* directories, with all below them; NULL: skipped */
	const char *writable[SANDBOX_DIRS_MAX]; /* files in them may be read, made, written, renamed, removed */
	bool without_landlock;                  /* for tests: as on a kernel that has none */
	bool forced;                            /* for tests: also where a sanitizer, which needs more, is built in */
};

struct sandbox_report {
	int landlock;       /* its version; 0: not on */
	bool seccomp;
	char sentence[240]; /* what is on, and what that means; what is not, and why */
};

/* Never fails: what cannot be had is told in the report. */
void sandbox_enter(const struct sandbox_options *, struct sandbox_report *);

#endif
