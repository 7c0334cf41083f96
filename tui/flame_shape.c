#include "flame_shape.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_bytes(uint64_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * 0x100000001b3u;
	return (h ^ n) * 0x100000001b3u;
}

uint64_t flame_frame_id(const struct flame_frame *f)
{
	return hash_bytes(hash_bytes(0xcbf29ce484222325u, f->name, f->name_len), f->module, f->module_len);
}

void flame_place_of(const struct flame *f, uint32_t node, struct flame_place *p)
{
	const struct flame_node *n = flame_node(f, node);

	p->n = !n ? 0 : n->depth < FLAME_DEPTH_MAX ? n->depth : FLAME_DEPTH_MAX;
	for (; n && n->depth; n = flame_node(f, n->parent)) {
		if (n->depth <= FLAME_DEPTH_MAX)
			p->frame[n->depth - 1] = flame_frame_id(flame_frame(f, n->frame));
	}
}

uint32_t flame_place_find(const struct flame *f, const struct flame_place *p, bool *ret_whole)
{
	uint32_t at = 0;

	*ret_whole = true;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t child = flame_node(f, at)->child;

		while (child && flame_frame_id(flame_frame(f, flame_node(f, child)->frame)) != p->frame[i])
			child = flame_node(f, child)->next;
		if (!child) {
			*ret_whole = false;
			break;
		}
		at = child;
	}
	return at;
}

bool flame_below(const struct flame *f, uint32_t node, uint32_t above)
{
	uint32_t depth = flame_node(f, above)->depth;

	while (flame_node(f, node)->depth > depth)
		node = flame_node(f, node)->parent;
	return node == above;
}

uint32_t flame_hottest(const struct flame *f, uint32_t zoom)
{
	uint32_t best = zoom;
	double most = 0;

	for (uint32_t i = 1; i < flame_nodes(f); i++) {
		const struct flame_node *n = flame_node(f, i);

		if (n->self > most && (!zoom || flame_below(f, i, zoom))) {
			most = n->self;
			best = i;
		}
	}
	return best;
}

uint32_t flame_heaviest(const struct flame *f, uint32_t node)
{
	uint32_t best = 0;

	for (uint32_t c = flame_node(f, node)->child; c; c = flame_node(f, c)->next) {
		if (!best || flame_node(f, c)->total > flame_node(f, best)->total)
			best = c;
	}
	return best;
}

double flame_change(const struct flame_summary *s, double now, double before)
{
	return (s->total > 0 ? 100 * now / s->total : 0) - (s->base_total > 0 ? 100 * before / s->base_total : 0);
}

/* --- the icicle --- */

struct boxes {
	struct flame_box *box;
	size_t n, cap;
};

static int box_add(struct boxes *b, uint32_t node, uint32_t depth, int x, int w)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 256;
		struct flame_box *box = realloc(b->box, cap * sizeof(*box));

		if (!box)
			return -ENOMEM;
		b->box = box;
		b->cap = cap;
	}
	b->box[b->n++] = (struct flame_box){.node = node, .depth = (uint16_t)depth, .x = (uint16_t)x, .w = (uint16_t)w};
	return 0;
}

int flame_icicle(const struct flame *f, uint32_t zoom, int width, struct flame_box **ret, size_t *ret_n)
{
	/* Where the next child of the node at each depth begins, in weight from the left edge. */
	double *from = malloc((FLAME_DEPTH_MAX + 2) * sizeof(*from)), all = flame_node(f, zoom)->total;
	uint32_t top = flame_node(f, zoom)->depth, above[FLAME_DEPTH_MAX + 1], node;
	struct boxes b = {0};
	int r = from ? 0 : -ENOMEM;

	*ret = NULL;
	*ret_n = 0;
	if (!r && width > 0 && all > 0) {
		for (uint32_t up = zoom, i = top;; up = flame_node(f, up)->parent) {
			above[i] = up;
			if (!i--)
				break;
		}
		for (uint32_t i = 0; i <= top && !r; i++)
			r = box_add(&b, above[i], i, 0, width);
		from[top] = 0;
		node = flame_node(f, zoom)->child;
		while (node && !r) {
			const struct flame_node *n = flame_node(f, node);
			double begins = from[n->depth - 1];
			long left = (long)floor(begins / all * width + 0.5), right = (long)floor((begins + n->total) / all * width + 0.5);

			from[n->depth - 1] = begins + n->total;
			if (right > left)
				r = box_add(&b, node, n->depth, (int)left, (int)(right - left));
			if (right > left && n->child) {
				from[n->depth] = begins;
				node = n->child;
				continue;
			}
			while (node != zoom && !flame_node(f, node)->next)
				node = flame_node(f, node)->parent;
			node = node == zoom ? 0 : flame_node(f, node)->next;
		}
	}
	free(from);
	if (r) {
		free(b.box);
		return r;
	}
	*ret = b.box;
	*ret_n = b.n;
	return 0;
}

/* --- the hot path --- */

struct lines {
	struct flame_line *line;
	size_t n, cap;
};

static struct flame_line *line_add(struct lines *l)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct flame_line *line = realloc(l->line, cap * sizeof(*line));

		if (!line)
			return NULL;
		l->line = line;
		l->cap = cap;
	}
	return &l->line[l->n++];
}

struct limits {
	double now, before;
};

static bool shown(const struct flame *f, uint32_t node, const struct limits *min)
{
	const struct flame_node *n = flame_node(f, node);

	return (n->total > 0 && n->total >= min->now) || (n->base_total > 0 && n->base_total >= min->before);
}

/* The first of the siblings from `node` on that is shown; 0: none. */
static uint32_t next_shown(const struct flame *f, uint32_t node, const struct limits *min)
{
	while (node && !shown(f, node, min))
		node = flame_node(f, node)->next;
	return node;
}

/* Nearly all of it, then and now, is in this one child, and neither is a process or thread. */
static uint32_t only_child(const struct flame *f, uint32_t node, const struct limits *min)
{
	const struct flame_node *n = flame_node(f, node), *c;
	uint32_t child = next_shown(f, n->child, min);

	if (!node || !child || next_shown(f, flame_node(f, child)->next, min) ||
	    flame_frame(f, n->frame)->kind == FLAME_GROUP || flame_frame(f, flame_node(f, child)->frame)->kind == FLAME_GROUP)
		return 0;
	c = flame_node(f, child);
	return n->total - c->total < min->now && n->base_total - c->base_total <= min->before ? child : 0;
}

int flame_path(const struct flame *f, uint32_t zoom, struct flame_line **ret, size_t *ret_n)
{
	struct {
		uint32_t node;
		uint32_t bars;
		uint16_t indent;
	} *stack = malloc((FLAME_DEPTH_MAX + 2) * sizeof(*stack));
	const struct flame_node *z = flame_node(f, zoom);
	struct limits min = {z->total * FLAME_SHARE_MIN, z->base_total * FLAME_SHARE_MIN};
	struct lines l = {0};
	size_t depth = 0;
	int r = stack ? 0 : -ENOMEM;

	*ret = NULL;
	*ret_n = 0;
	if (!r) {
		/* The root itself says nothing. */
		stack[0].node = zoom ? zoom : next_shown(f, z->child, &min);
		stack[0].bars = stack[0].indent = 0;
		depth = stack[0].node ? 1 : 0;
	}
	while (depth && !r && l.n < FLAME_LINES_MAX) {
		uint32_t node = stack[depth - 1].node, last = node, child, next;
		uint16_t indent = stack[depth - 1].indent;
		struct flame_line *line = line_add(&l);

		if (!line) {
			r = -ENOMEM;
			break;
		}
		while ((child = only_child(f, last, &min)))
			last = child;
		next = node == zoom ? 0 : next_shown(f, flame_node(f, node)->next, &min);
		*line = (struct flame_line){.first = node, .last = last, .indent = indent, .ends = !next, .bars = stack[depth - 1].bars};
		stack[depth - 1].node = next;
		if (!next)
			depth--;
		child = next_shown(f, flame_node(f, last)->child, &min);
		if (child && depth < FLAME_DEPTH_MAX) {
			stack[depth].node = child;
			stack[depth].indent = indent < FLAME_INDENT_MAX ? indent + 1 : indent;
			stack[depth].bars = line->bars | (next && indent ? 1u << indent : 0);
			depth++;
		}
	}
	free(stack);
	if (r) {
		free(l.line);
		return r;
	}
	*ret = l.line;
	*ret_n = l.n;
	return 0;
}

size_t flame_path_line(const struct flame *f, const struct flame_line *lines, size_t n, uint32_t node)
{
	/* Upwards until a line begins or ends with it, or goes through it. */
	for (;; node = flame_node(f, node)->parent) {
		for (size_t i = 0; i < n; i++) {
			uint32_t depth = flame_node(f, node)->depth;

			if (depth <= flame_node(f, lines[i].last)->depth && depth >= flame_node(f, lines[i].first)->depth &&
			    flame_below(f, lines[i].last, node))
				return i;
		}
		if (!node)
			return 0;
	}
}
