/* Stacks merged into a tree: what the flame panel shows and `culprit flame` prints. Root on top (or the innermost function,
 * inverted); every node has its own weight and that of all below it, of the window and, where there is one, of the baseline.
 * Values are weights in the unit of the column they came from (samples, ns); counts are samples.
 *
 * Not here: how it is drawn or written. A stack's frames are told apart by what they are called and in which module, so that
 * trees of two boots, two hosts or two programs' output compare. */
#ifndef CORE_FLAME_H
#define CORE_FLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/types.h>

#include "flame_spots.h"

enum flame_kind {
	FLAME_ROOT = 0,
	FLAME_GROUP = 1,   /* a process or thread, where asked for */
	FLAME_NATIVE = 2,  /* the program itself */
	FLAME_LIBRARY = 3,
	FLAME_KERNEL = 4,
	FLAME_JIT = 5,     /* generated code */
	FLAME_UNKNOWN = 6, /* an address in no module */
	FLAME_CUT = 7,     /* the walk ended early here: what called this is not known */
};

enum { FLAME_NODES_MAX = 1 << 20, FLAME_DEPTH_MAX = 512 };

struct flame_frame {
	const char *name;   /* readable, any bytes; "libc.so.6+0x1a2b3" where it has no name */
	size_t name_len;
	const char *module; /* path or name; "" for groups */
	size_t module_len;
	uint8_t kind;
	bool named;         /* has a name of its own */
	/* Of a stack that is added: where in its file it stands, for flame_spots_of(). Nothing else has them. */
	bool placed;
	uint64_t offset, pid;
	const uint8_t *build_id;
	size_t build_id_len;
};

struct flame_node {
	uint32_t frame;  /* for flame_frame() */
	uint32_t parent, child, next; /* nodes; 0: none (0 is the root) */
	uint32_t depth;  /* of the root: 0 */
	double total, self;           /* weight with and without what is below */
	double samples, self_samples;
	double base_total, base_self; /* the baseline's */
};

struct flame;

struct flame *flame_create(void); /* NULL: out of memory */
void flame_destroy(struct flame *); /* NULL-safe */
void flame_clear(struct flame *);

/* Adds one stack, frames in the tree's order (outermost first, or innermost first for an inverted tree). Strings are copied
 * once. `base`: to the baseline's weights. 0, -ENOMEM, -E2BIG (nodes: it is counted in `dropped`). */
int flame_add(struct flame *, const struct flame_frame *, size_t n, double weight, double samples, bool base);

const struct flame_node *flame_node(const struct flame *, uint32_t node);
const struct flame_frame *flame_frame(const struct flame *, uint32_t frame); /* borrowed until the next add */
size_t flame_nodes(const struct flame *);
size_t flame_frames(const struct flame *);

/* The places in its function where this node is most, heaviest first, at most `cap`; `all`: of this function, wherever in the
 * tree it stands. Returns how many; 0: not known (kernel, generated code, a tool's profile). Not the baseline's. */
size_t flame_spots_of(const struct flame *, uint32_t node, bool all, struct flame_spot *, size_t cap);

struct flame_summary {
	double total, samples, base_total, base_samples;
	double truncated, truncated_weight; /* samples whose stack is cut, and their weight */
	double unnamed;           /* weight of innermost frames without a name */
	uint64_t dropped;         /* stacks that did not fit */
	double rate_low, rate_high; /* samples a second of each CPU that they come from; 0: not of samples, or not said */
	uint32_t depth;           /* of the deepest node */
};
void flame_summary(const struct flame *, struct flame_summary *);
/* `samples` more, of that weight, were of stacks that are cut. */
void flame_truncated(struct flame *, double samples, double weight);
/* Some of them were sampled so often a second. */
void flame_rate(struct flame *, double hz);

/* Orders children: by name, or by weight, largest first. Adding unorders. */
enum flame_order { FLAME_BY_NAME, FLAME_BY_WEIGHT };
void flame_sort(struct flame *, enum flame_order);

/* Every function once: weight with what it calls (recursion counted once) and without. Indexed by frame; the caller's array
 * of flame_frames() elements. */
struct flame_function {
	uint32_t frame;
	double total, self, base_total, base_self;
};
void flame_functions(const struct flame *, struct flame_function *);
/* Callers (true) or callees of a frame: weights of their edges, in `out` by frame. */
void flame_edges(const struct flame *, uint32_t frame, bool callers, struct flame_function *out);

/* Share of all weight that is in, or below, frames whose name holds `word` (ignoring case). 0..1. */
double flame_match(const struct flame *, const char *word);
bool flame_frame_matches(const struct flame_frame *, const char *word);

/* --- from a table --- */

struct query;
struct view;
struct lens;

struct flame_options {
	const char *table;    /* NULL: the best of those with stacks */
	const char *value;    /* weight: a numeric column; NULL: "samples", "count" or the first counter */
	bool inverted, by_thread, by_process;
	bool kernel_only, user_only;
	bool idle;            /* of waits: those of threads without work, too */
};
/* How stacks may be looked at, in the order in which one goes through them. Most are a table by its first weight; some are the
 * same stacks by another one. */
struct flame_lens {
	const char *name;  /* as --table and :stacks take it */
	const char *table;
	const char *value; /* NULL: the table's first choice */
	const char *title; /* "page faults" */
	const char *each;  /* what is counted, in the plural: "waits"; NULL: samples */
	const char *none;  /* what is said where there is nothing: "nothing of this asked a disk for anything" */
	bool idle;         /* of waits: those of threads without work, too */
	bool waits;        /* its stacks end in the scheduler, whose functions are left out: they say nothing of what is waited for */
	bool asked;        /* collected of one process, while an interest in the table asks for it */
};
/* Ends with a NULL name. */
extern const struct flame_lens flame_lenses[];
/* By name; NULL: none of these. */
const struct flame_lens *flame_lens_find(const char *name);

/* Which table and columns a view's stacks are in. -ENOENT with a sentence: none. */
struct flame_source {
	char table[32];
	const struct flame_lens *lens; /* NULL: none of ours */
	char stacks[2][32]; /* kernel (inner) and user part; "" where there is one only */
	char value[32], samples[32], thread[32], process[32], cut[32];
	uint32_t unit; /* enum culprit_unit of value */
};
int flame_source_find(struct view *, const struct flame_options *, struct flame_source *, struct culprit_error *);
/* The n-th way to look at this view's stacks: the name of a lens or of a table; NULL: there are not so many. */
const char *flame_source_at(struct view *, size_t n);
/* Fills the tree with the stacks of the lens. `base`: into the baseline's weights. The query is run. 0 or as query_run(). */
int flame_fill(struct flame *, struct query *, const struct lens *, const struct flame_source *, const struct flame_options *,
	       bool base, struct culprit_error *);

/* By what these samples were taken: "99 Hz", "25-99 Hz" (where the budget was short for a while), "one in 997 minor ones"; "" where
 * nothing is left out or it is not said. Returns out. */
const char *flame_rate_words(const struct flame_source *, const struct flame_summary *, char *out, size_t cap);

/* Of a lens that is asked for: what looking costs the process, in a sentence, and since when it is looked at, in ns. "" and 0:
 * not known. The sentence may be the table's own note, so of a recording it is any bytes. */
void flame_cost(struct query *, const struct lens *, char *out, size_t cap, uint64_t *ret_looked_ns);

/* How much time the answer of a query is about. Of a table that began within the window: since its first stacks were seen. */
uint64_t flame_covered_ns(struct query *);

#endif
