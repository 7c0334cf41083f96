/* Where frames are in their source, as table `source_line` has it: for the screen and the verb that show it, from a live machine
 * or a recording. What is not there is asked for as an interest. */
#ifndef CORE_SOURCE_LINE_H
#define CORE_SOURCE_LINE_H

#include <culprit/collector.h>
#include <culprit/host.h>

#include "flame.h"
#include "query.h"

enum { SOURCE_LINE_SPOTS = 16 };

/* Raw bytes, NUL-terminated. */
struct source_line {
	bool known;    /* else it was not asked for, or is not answered yet */
	uint64_t line; /* 0: not known */
	char function[CULPRIT_SOURCE_FUNCTION + 1], file[CULPRIT_SOURCE_PATH + 1], inlined[CULPRIT_SOURCE_INLINED + 1];
	char why[CULPRIT_SOURCE_WHY + 1];
};

/* A function of a flame, and the places in it where it is most, heaviest first. */
struct source_lines {
	char path[CULPRIT_SOURCE_PATH + 1];
	struct flame_spot spots[SOURCE_LINE_SPOTS];
	size_t n; /* 0: where it stands is not known */
	struct source_line lines[SOURCE_LINE_SPOTS];
};

/* What is to be asked about a node (or, `all`, about its function wherever it stands). */
void source_lines_of(const struct flame *, uint32_t node, bool all, size_t most, struct source_lines *);
/* Reads what the view of the query knows of it: in the lens's window, or later. */
void source_lines_read(struct source_lines *, struct query *, const struct lens *, uint64_t newest_ns);
/* The interests for what is asked; at most `cap`; returns how many. They borrow the path. */
size_t source_lines_interests(const struct source_lines *, struct culprit_interest *, size_t cap);

/* The line with the most weight among those known, its place in `lines`, and the weight of all places of that line. -1: none is
 * known to have a line. */
int source_lines_best(const struct source_lines *, double *ret_weight);
/* Its file's last part. */
const char *source_line_base(const struct source_line *);

#endif
