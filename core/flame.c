#include "flame.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct flame {
	struct flame_node *nodes;
	uint32_t nnodes, nodes_cap;
	uint32_t *by_child; /* hash of (parent, frame) to nodes; 0: empty */
	uint32_t by_child_cap;
	struct flame_frame *frames;
	uint32_t nframes, frames_cap;
	uint32_t *by_frame; /* hash of content to frame + 1 */
	uint32_t by_frame_cap;
	char **chunks; /* the strings */
	size_t nchunks, chunk_used, chunk_size;
	struct flame_summary summary;
	struct flame_spots spots;
};

enum { CHUNK = 1 << 16 };

static uint32_t hash_bytes(uint32_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * 16777619u;
	return h;
}

static uint32_t frame_hash(const struct flame_frame *f)
{
	uint32_t h = hash_bytes(2166136261u + f->kind, f->name, f->name_len);

	h = hash_bytes(h * 31, f->module, f->module_len);
	return h ^ h >> 15;
}

static uint32_t child_hash(uint32_t parent, uint32_t frame)
{
	uint64_t h = ((uint64_t)parent << 32 | frame) * 0x9fb21c651e98df25u;

	return (uint32_t)(h >> 32);
}

static void root_make(struct flame *f)
{
	memset(&f->nodes[0], 0, sizeof(f->nodes[0]));
	memset(&f->frames[0], 0, sizeof(f->frames[0]));
	f->frames[0].name = f->frames[0].module = "";
	f->nnodes = f->nframes = 1;
	memset(&f->summary, 0, sizeof(f->summary));
}

struct flame *flame_create(void)
{
	struct flame *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->nodes_cap = f->frames_cap = 256;
	f->by_child_cap = f->by_frame_cap = 1024;
	f->nodes = malloc(f->nodes_cap * sizeof(*f->nodes));
	f->frames = malloc(f->frames_cap * sizeof(*f->frames));
	f->by_child = calloc(f->by_child_cap, sizeof(*f->by_child));
	f->by_frame = calloc(f->by_frame_cap, sizeof(*f->by_frame));
	if (!f->nodes || !f->frames || !f->by_child || !f->by_frame) {
		flame_destroy(f);
		return NULL;
	}
	root_make(f);
	return f;
}

static void strings_free(struct flame *f)
{
	for (size_t i = 0; i < f->nchunks; i++)
		free(f->chunks[i]);
	free(f->chunks);
	f->chunks = NULL;
	f->nchunks = f->chunk_used = f->chunk_size = 0;
}

void flame_destroy(struct flame *f)
{
	if (!f)
		return;
	strings_free(f);
	flame_spots_finish(&f->spots);
	free(f->nodes);
	free(f->frames);
	free(f->by_child);
	free(f->by_frame);
	free(f);
}

void flame_clear(struct flame *f)
{
	strings_free(f);
	flame_spots_clear(&f->spots);
	memset(f->by_child, 0, f->by_child_cap * sizeof(*f->by_child));
	memset(f->by_frame, 0, f->by_frame_cap * sizeof(*f->by_frame));
	root_make(f);
}

static char *keep(struct flame *f, const char *from, size_t n)
{
	char *to;

	/* The first may be of no length. */
	if (!f->nchunks || f->chunk_used + n > f->chunk_size) {
		size_t size = n > CHUNK ? n : CHUNK;
		char **chunks = realloc(f->chunks, (f->nchunks + 1) * sizeof(*chunks));

		if (!chunks)
			return NULL;
		f->chunks = chunks;
		chunks[f->nchunks] = malloc(size);
		if (!chunks[f->nchunks])
			return NULL;
		f->nchunks++;
		f->chunk_size = size;
		f->chunk_used = 0;
	}
	to = f->chunks[f->nchunks - 1] + f->chunk_used;
	if (n)
		memcpy(to, from, n);
	f->chunk_used += n;
	return to;
}

static bool same(const struct flame_frame *a, const struct flame_frame *b)
{
	return a->kind == b->kind && a->name_len == b->name_len && a->module_len == b->module_len &&
	       !memcmp(a->name, b->name, a->name_len) && !memcmp(a->module, b->module, a->module_len);
}

/* Place of this frame; UINT32_MAX: out of memory. */
static uint32_t frame_intern(struct flame *f, const struct flame_frame *frame)
{
	uint32_t at;

	if (f->nframes * 2 > f->by_frame_cap) {
		uint32_t cap = f->by_frame_cap * 2, *by_frame = calloc(cap, sizeof(*by_frame));

		if (!by_frame)
			return UINT32_MAX;
		for (uint32_t i = 1; i < f->nframes; i++) {
			for (at = frame_hash(&f->frames[i]) & (cap - 1); by_frame[at]; at = (at + 1) & (cap - 1))
				;
			by_frame[at] = i + 1;
		}
		free(f->by_frame);
		f->by_frame = by_frame;
		f->by_frame_cap = cap;
	}
	for (at = frame_hash(frame) & (f->by_frame_cap - 1); f->by_frame[at]; at = (at + 1) & (f->by_frame_cap - 1)) {
		if (same(&f->frames[f->by_frame[at] - 1], frame))
			return f->by_frame[at] - 1;
	}
	if (f->nframes == f->frames_cap) {
		struct flame_frame *frames = realloc(f->frames, f->frames_cap * 2 * sizeof(*frames));

		if (!frames)
			return UINT32_MAX;
		f->frames = frames;
		f->frames_cap *= 2;
	}
	f->frames[f->nframes] = *frame;
	f->frames[f->nframes].placed = false;
	f->frames[f->nframes].build_id = NULL;
	f->frames[f->nframes].name = keep(f, frame->name, frame->name_len);
	f->frames[f->nframes].module = keep(f, frame->module, frame->module_len);
	if (!f->frames[f->nframes].name || !f->frames[f->nframes].module)
		return UINT32_MAX;
	f->by_frame[at] = f->nframes + 1;
	return f->nframes++;
}

static uint32_t child_of(struct flame *f, uint32_t parent, uint32_t frame, int *err)
{
	struct flame_node *n;
	uint32_t at;

	if (f->nnodes * 2 > f->by_child_cap) {
		uint32_t cap = f->by_child_cap * 2, *by_child = calloc(cap, sizeof(*by_child));

		if (!by_child) {
			*err = -ENOMEM;
			return 0;
		}
		for (uint32_t i = 1; i < f->nnodes; i++) {
			for (at = child_hash(f->nodes[i].parent, f->nodes[i].frame) & (cap - 1); by_child[at]; at = (at + 1) & (cap - 1))
				;
			by_child[at] = i;
		}
		free(f->by_child);
		f->by_child = by_child;
		f->by_child_cap = cap;
	}
	for (at = child_hash(parent, frame) & (f->by_child_cap - 1); f->by_child[at]; at = (at + 1) & (f->by_child_cap - 1)) {
		n = &f->nodes[f->by_child[at]];
		if (n->parent == parent && n->frame == frame)
			return f->by_child[at];
	}
	if (f->nnodes == FLAME_NODES_MAX) {
		*err = -E2BIG;
		return 0;
	}
	if (f->nnodes == f->nodes_cap) {
		struct flame_node *nodes = realloc(f->nodes, f->nodes_cap * 2 * sizeof(*nodes));

		if (!nodes) {
			*err = -ENOMEM;
			return 0;
		}
		f->nodes = nodes;
		f->nodes_cap *= 2;
	}
	n = &f->nodes[f->nnodes];
	memset(n, 0, sizeof(*n));
	n->parent = parent;
	n->frame = frame;
	n->depth = f->nodes[parent].depth + 1;
	n->next = f->nodes[parent].child;
	f->nodes[parent].child = f->nnodes;
	if (n->depth > f->summary.depth)
		f->summary.depth = n->depth;
	f->by_child[at] = f->nnodes;
	return f->nnodes++;
}

static void spot_add(struct flame *f, uint32_t node, const struct flame_frame *frame, double weight)
{
	struct flame_spot spot = {.node = node, .offset = frame->offset, .pid = frame->pid, .weight = weight};

	spot.build_id_len = frame->build_id_len < FLAME_BUILD_ID ? (uint32_t)frame->build_id_len : FLAME_BUILD_ID;
	if (spot.build_id_len)
		memcpy(spot.build_id, frame->build_id, spot.build_id_len);
	flame_spots_add(&f->spots, &spot);
}

/* Into the list of the heaviest. */
static size_t spot_keep(struct flame_spot *out, size_t n, size_t cap, const struct flame_spot *spot)
{
	size_t at;

	if (n == cap && out[n - 1].weight >= spot->weight)
		return n;
	for (at = n < cap ? n++ : n - 1; at && out[at - 1].weight < spot->weight; at--)
		out[at] = out[at - 1];
	out[at] = *spot;
	return n;
}

size_t flame_spots_of(const struct flame *f, uint32_t node, bool all, struct flame_spot *out, size_t cap)
{
	uint32_t frame = f->nodes[node].frame;
	struct flame_spots together = {0};
	size_t n = 0;

	for (uint32_t i = 0; i < f->spots.n && cap; i++) {
		struct flame_spot spot = f->spots.spots[i];

		if (all ? f->nodes[spot.node].frame != frame : spot.node != node)
			continue;
		spot.node = 0;
		flame_spots_add(&together, &spot);
	}
	for (uint32_t i = 0; i < together.n; i++)
		n = spot_keep(out, n, cap, &together.spots[i]);
	flame_spots_finish(&together);
	return n;
}

int flame_add(struct flame *f, const struct flame_frame *frames, size_t n, double weight, double samples, bool base)
{
	uint32_t path[FLAME_DEPTH_MAX + 1];
	int err = 0;

	if (!(weight >= 0) || !isfinite(weight) || !(samples >= 0))
		return 0;
	if (n > FLAME_DEPTH_MAX)
		n = FLAME_DEPTH_MAX;
	path[0] = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t frame = frame_intern(f, &frames[i]);

		if (frame == UINT32_MAX)
			return -ENOMEM;
		path[i + 1] = child_of(f, path[i], frame, &err);
		if (err) {
			f->summary.dropped++;
			return err;
		}
	}
	for (size_t i = 0; i <= n; i++) {
		struct flame_node *node = &f->nodes[path[i]];

		if (base) {
			node->base_total += weight;
		} else {
			node->total += weight;
			node->samples += samples;
			if (i && frames[i - 1].placed)
				spot_add(f, path[i], &frames[i - 1], weight);
		}
	}
	if (base) {
		f->nodes[path[n]].base_self += weight;
		f->summary.base_total += weight;
		f->summary.base_samples += samples;
		return 0;
	}
	f->nodes[path[n]].self += weight;
	f->nodes[path[n]].self_samples += samples;
	f->summary.total += weight;
	f->summary.samples += samples;
	if (n && !frames[n - 1].named && frames[n - 1].kind != FLAME_GROUP)
		f->summary.unnamed += weight;
	return 0;
}

const struct flame_node *flame_node(const struct flame *f, uint32_t node)
{
	return node < f->nnodes ? &f->nodes[node] : NULL;
}

const struct flame_frame *flame_frame(const struct flame *f, uint32_t frame)
{
	return frame < f->nframes ? &f->frames[frame] : NULL;
}

size_t flame_nodes(const struct flame *f)
{
	return f->nnodes;
}

size_t flame_frames(const struct flame *f)
{
	return f->nframes;
}

void flame_summary(const struct flame *f, struct flame_summary *ret)
{
	*ret = f->summary;
}

void flame_rate(struct flame *f, double hz)
{
	if (!(hz > 0))
		return;
	if (!(f->summary.rate_low > 0) || hz < f->summary.rate_low)
		f->summary.rate_low = hz;
	if (hz > f->summary.rate_high)
		f->summary.rate_high = hz;
}

void flame_truncated(struct flame *f, double samples, double weight)
{
	f->summary.truncated += samples;
	f->summary.truncated_weight += weight;
}

static int name_order(const struct flame_frame *a, const struct flame_frame *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int r = memcmp(a->name, b->name, n);

	if (!r)
		r = (a->name_len > b->name_len) - (a->name_len < b->name_len);
	if (!r)
		r = (a->kind > b->kind) - (a->kind < b->kind);
	return r;
}

static bool before(const struct flame *f, uint32_t a, uint32_t b, enum flame_order order)
{
	const struct flame_node *x = &f->nodes[a], *y = &f->nodes[b];
	double wx = x->total > x->base_total ? x->total : x->base_total;
	double wy = y->total > y->base_total ? y->total : y->base_total;
	int r;

	if (order == FLAME_BY_WEIGHT && wx != wy)
		return wx > wy;
	r = name_order(&f->frames[x->frame], &f->frames[y->frame]);
	return r ? r < 0 : x->frame < y->frame;
}

/* Merges two ordered lists of siblings. */
static uint32_t merge(struct flame *f, uint32_t a, uint32_t b, enum flame_order order)
{
	uint32_t head = 0, *tail = &head;

	while (a && b) {
		uint32_t *from = before(f, b, a, order) ? &b : &a;

		*tail = *from;
		tail = &f->nodes[*from].next;
		*from = *tail;
	}
	*tail = a ? a : b;
	return head;
}

static uint32_t list_sort(struct flame *f, uint32_t head, enum flame_order order)
{
	uint32_t runs[32] = {0}, all = 0;

	while (head) {
		uint32_t one = head;
		int i = 0;

		head = f->nodes[one].next;
		f->nodes[one].next = 0;
		for (; i < 31 && runs[i]; i++) {
			one = merge(f, runs[i], one, order);
			runs[i] = 0;
		}
		runs[i] = runs[i] ? merge(f, runs[i], one, order) : one;
	}
	for (int i = 0; i < 32; i++)
		all = merge(f, runs[i], all, order);
	return all;
}

void flame_sort(struct flame *f, enum flame_order order)
{
	for (uint32_t i = 0; i < f->nnodes; i++)
		f->nodes[i].child = list_sort(f, f->nodes[i].child, order);
}

/* Is the same function further up already? Then its weight is counted there. */
static bool recursive(const struct flame *f, uint32_t node)
{
	uint32_t frame = f->nodes[node].frame;

	for (uint32_t up = f->nodes[node].parent; up; up = f->nodes[up].parent) {
		if (f->nodes[up].frame == frame)
			return true;
	}
	return false;
}

void flame_functions(const struct flame *f, struct flame_function *out)
{
	for (uint32_t i = 0; i < f->nframes; i++)
		out[i] = (struct flame_function){.frame = i};
	for (uint32_t i = 1; i < f->nnodes; i++) {
		const struct flame_node *n = &f->nodes[i];
		struct flame_function *o = &out[n->frame];

		o->self += n->self;
		o->base_self += n->base_self;
		if (recursive(f, i))
			continue;
		o->total += n->total;
		o->base_total += n->base_total;
	}
}

void flame_edges(const struct flame *f, uint32_t frame, bool callers, struct flame_function *out)
{
	for (uint32_t i = 0; i < f->nframes; i++)
		out[i] = (struct flame_function){.frame = i};
	for (uint32_t i = 1; i < f->nnodes; i++) {
		const struct flame_node *n = &f->nodes[i];
		uint32_t parent = f->nodes[n->parent].frame, other = callers ? parent : n->frame;

		if ((callers ? n->frame : parent) != frame || (!n->parent && callers))
			continue;
		out[other].total += n->total;
		out[other].base_total += n->base_total;
		out[other].self += n->self;
		out[other].base_self += n->base_self;
	}
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool flame_frame_matches(const struct flame_frame *frame, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; n && i + n <= frame->name_len; i++) {
		size_t k = 0;

		while (k < n && lower(frame->name[i + k]) == lower(word[k]))
			k++;
		if (k == n)
			return true;
	}
	return false;
}

double flame_match(const struct flame *f, const char *word)
{
	double sum = 0;
	uint32_t node = f->nodes[0].child;

	/* Top down, not below what matches. */
	while (node) {
		const struct flame_node *n = &f->nodes[node];

		if (flame_frame_matches(&f->frames[n->frame], word)) {
			sum += n->total;
		} else if (n->child) {
			node = n->child;
			continue;
		}
		while (node && !f->nodes[node].next)
			node = f->nodes[node].parent;
		if (node)
			node = f->nodes[node].next;
	}
	return f->summary.total > 0 ? sum / f->summary.total : 0;
}
