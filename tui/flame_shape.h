/* The shapes a tree of stacks is shown in: an icicle (width is weight, root on top), the hot path (an indented tree whose chains
 * of single children are one line), the functions. Pure: a tree and a room in, places out; also how a node is named so that it
 * is found again in the tree of the next second.
 *
 * Not here: what is asked of the view (flame_ask.c), drawing. */
#ifndef TUI_FLAME_SHAPE_H
#define TUI_FLAME_SHAPE_H

#include "flame.h"

/* --- a node, by what is called on the way to it --- */

struct flame_place {
	uint32_t n; /* frames; 0: the root */
	uint64_t frame[FLAME_DEPTH_MAX]; /* hashes of name and module, outermost first */
};

uint64_t flame_frame_id(const struct flame_frame *);
void flame_place_of(const struct flame *, uint32_t node, struct flame_place *);
/* The node, or the nearest above it that this tree has; *ret_whole says which. */
uint32_t flame_place_find(const struct flame *, const struct flame_place *, bool *ret_whole);
bool flame_below(const struct flame *, uint32_t node, uint32_t above); /* is it that one, or below it? */

/* --- the icicle --- */

struct flame_box {
	uint32_t node;
	uint16_t depth; /* of the root: 0 */
	uint16_t x, w;  /* columns; w is at least 1 */
};

/* Boxes from left to right, each before those below it. The nodes above `zoom` are as wide as it; narrower than half a column
 * are left out, with all below. -ENOMEM. The caller frees. */
int flame_icicle(const struct flame *, uint32_t zoom, int width, struct flame_box **ret, size_t *ret_n);

/* --- the hot path --- */

enum { FLAME_INDENT_MAX = 31, FLAME_LINES_MAX = 4000 };

struct flame_line {
	uint32_t first, last; /* nodes: a chain of single children; the same where it is one */
	uint16_t indent;      /* at most FLAME_INDENT_MAX */
	bool ends;            /* no more siblings below this one */
	uint32_t bars;        /* bit i: at indent i a line of siblings goes on */
};

/* Nodes of at least this share of `zoom`, now or in the baseline, are shown. */
#define FLAME_SHARE_MIN 0.01

/* Lines from `zoom` down. The tree must be ordered by weight. -ENOMEM. The caller frees. */
int flame_path(const struct flame *, uint32_t zoom, struct flame_line **ret, size_t *ret_n);
/* The line that holds this node, or the nearest above it. 0 where there is none. */
size_t flame_path_line(const struct flame *, const struct flame_line *, size_t n, uint32_t node);

/* --- the same of both --- */

/* The node below `zoom` with the largest weight of its own. */
uint32_t flame_hottest(const struct flame *, uint32_t zoom);
/* The child with the largest weight; 0: none. */
uint32_t flame_heaviest(const struct flame *, uint32_t node);
/* By how many per cent of all its weight, with what is below, is more than in the baseline. */
double flame_change(const struct flame_summary *, double now, double before);

#endif
