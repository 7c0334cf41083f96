/* The question that every panel and verb asks of a view: which window, whose (host, cgroup, process, thread), which rows
 * (a filter), which part of a histogram, compared with which window. A plain value: copy it. Drilling narrows it,
 * Backspace widens it: that is the stack. Nothing here looks at data. */
#ifndef CORE_LENS_H
#define CORE_LENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LENS_FILTER_MAX = 512, LENS_CGROUP_MAX = 1024, LENS_DEPTH = 12, LENS_NAME_MAX = 32 };

/* Whose rows. A thread is known with its process; each level is there or not. A table takes the deepest level it has a
 * relation to. */
struct lens_scope {
	bool has_cgroup, has_process, has_thread;
	char cgroup[LENS_CGROUP_MAX]; /* path; its descendants belong to it */
	uint64_t pid, start_ticks;    /* start 0: whichever has this pid */
	uint64_t tid, thread_start_ticks;
};

struct lens {
	/* live: the window ends at the newest frame and is length_ns long; else it is (from_ns, to_ns]. CLOCK_MONOTONIC
	 * of the view. */
	bool live;
	uint64_t from_ns, to_ns, length_ns;
	struct lens_scope scope;
	/* Expression of filter.h; "": none. It counts for rows of filter_table; "": of every table. */
	char filter[LENS_FILTER_MAX];
	char filter_table[LENS_NAME_MAX];
	/* Of this histogram only what lies in [lo, hi). */
	bool has_range;
	char range_table[LENS_NAME_MAX], range_column[LENS_NAME_MAX];
	double range_lo, range_hi;
	/* Compare with (from, to] of the baseline view, or of this one where there is none. */
	bool has_baseline;
	uint64_t baseline_from_ns, baseline_to_ns;
};

/* Live, this long, the whole host. */
struct lens lens_live(uint64_t length_ns);
/* Standing still at (from, to]. */
struct lens lens_window(uint64_t from_ns, uint64_t to_ns);
/* The window in numbers, given the newest time there is. from <= to. */
void lens_resolve(const struct lens *, uint64_t newest_ns, uint64_t *ret_from_ns, uint64_t *ret_to_ns);
/* Moves the window's end to `to_ns`, keeping its length; it then stands still. */
void lens_pause(struct lens *, uint64_t to_ns, uint64_t newest_ns);
void lens_resume(struct lens *, uint64_t newest_ns);
bool lens_equal(const struct lens *, const struct lens *);

/* Narrow the scope. The cgroup path is cut at LENS_CGROUP_MAX - 1. */
void lens_scope_cgroup(struct lens *, const char *path, size_t len);
void lens_scope_process(struct lens *, uint64_t pid, uint64_t start_ticks);
void lens_scope_thread(struct lens *, uint64_t tid, uint64_t start_ticks);
/* Does this cgroup path lie in that one? "/" holds all. */
bool lens_cgroup_holds(const char *outer, size_t outer_len, const char *path, size_t len);

/* How one came here. [n - 1] is the lens in force; there is always one. */
struct lens_stack {
	struct lens lens[LENS_DEPTH];
	size_t n;
};

void lens_stack_init(struct lens_stack *, const struct lens *);
struct lens *lens_top(struct lens_stack *);
/* Pushes a copy of `next`. When the stack is full, the oldest but the first is forgotten. */
void lens_narrow(struct lens_stack *, const struct lens *next);
/* Back to where one came from; the window (live, from, to, length) stays as it is now. false: already at the widest. */
bool lens_widen(struct lens_stack *);

#endif
