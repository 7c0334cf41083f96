/* A flame tree in the formats that others read. What was recorded is hostile: names are escaped as each format needs. */
#ifndef CLI_FLAME_OUT_H
#define CLI_FLAME_OUT_H

#include <stdio.h>

#include "flame.h"
#include "source_line.h"

/* The source lines of a function. */
struct flame_lines {
	uint32_t frame;
	struct source_lines is;
};

struct flame_title {
	char what[200];  /* "oncpu of web1, 14:03:00 to 14:03:30, 99 Hz" */
	uint32_t unit;   /* enum culprit_unit of weights */
	const char *each; /* what was counted: "samples", "waits" */
	uint32_t cpus;   /* weights are CPU time, of so many CPUs; 0: they are not, or it is not known */
	bool compares;   /* the tree has a baseline */
	bool inverted;
	int64_t wall_ns;
	uint64_t duration_ns;
	const struct flame_lines *lines; /* of some functions; NULL: none asked for */
	size_t nlines;
	bool live;                       /* sampled here and now; else from a recording */
};

struct flame_format {
	const char *name;
	int (*write)(const struct flame *, const struct flame_title *, FILE *); /* 0 or -ENOMEM */
};
extern const struct flame_format flame_formats[]; /* name NULL: the end */

int flame_write_text(const struct flame *, const struct flame_title *, FILE *);
int flame_write_folded(const struct flame *, const struct flame_title *, FILE *);
int flame_write_speedscope(const struct flame *, const struct flame_title *, FILE *);
int flame_write_pprof(const struct flame *, const struct flame_title *, FILE *);
int flame_write_svg(const struct flame *, const struct flame_title *, FILE *);

/* Next node in depth-first order after `node` (from the root); 0: that was all. */
uint32_t flame_after(const struct flame *, uint32_t node);
/* The frame's name as valid UTF-8, NUL-terminated, cut to fit; returns it. */
const char *flame_name(const struct flame_frame *, char *buf, size_t cap);
/* "samples", "ns", "bytes". */
const char *flame_unit(uint32_t unit);

#endif
