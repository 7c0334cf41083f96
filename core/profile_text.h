/* Other tools' profiles as text: `perf script` output and folded stacks (a;b;c 12). Hostile: bounded, what is no sample is
 * counted and left out. */
#ifndef CORE_PROFILE_TEXT_H
#define CORE_PROFILE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/types.h>

enum { PROFILE_FRAMES_MAX = 255 };
enum profile_format { PROFILE_FOLDED = 1, PROFILE_PERF_SCRIPT = 2 };

struct profile_frame {
	const char *name, *module; /* borrowed from the text; module "": not said */
	size_t name_len, module_len;
	uint32_t kind; /* enum culprit_module_kind */
};

struct profile_sample {
	const char *comm; /* "" in folded stacks: their first frame is one of the stack */
	size_t comm_len;
	uint64_t pid, tid; /* 0: not said */
	struct profile_frame frames[PROFILE_FRAMES_MAX]; /* innermost first */
	size_t n;
	bool cut;         /* there were more */
	uint64_t weight;  /* samples */
};

struct profile_counts {
	enum profile_format format;
	uint64_t samples, bad; /* lines left out */
	uint64_t first_bad;    /* number of the first of them, from 1; 0: none */
};

/* Calls `take` for each sample; what it returns other than 0 ends it and is returned. -EBADMSG with a sentence: nothing in it
 * is a sample. */
int profile_text_parse(const char *text, size_t n, int (*take)(void *self, const struct profile_sample *), void *self,
		       struct profile_counts *, struct culprit_error *);

#endif
