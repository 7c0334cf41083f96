#include "rows_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX, WALKING = 1, DONE = 2 };

struct node {
	uint64_t pid, ppid;
	uint32_t row, parent, first, next; /* by their place in the array, which is that of the row */
	uint32_t best;                     /* the first row of its branch */
	uint8_t alive, state;
};

void rows_tree_finish(struct rows_tree *t)
{
	free(t->places);
	t->places = NULL;
	t->n = t->cap = 0;
}

static uint64_t number(struct query *q, size_t row, int column)
{
	struct value v;

	query_value(q, row, (size_t)column, &v);
	return v.state == VALUE_OK ? v.u : 0;
}

/* Of one number those that live first. */
static int by_pid(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->alive != y->alive)
		return x->alive ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static int by_best(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	return x->best < y->best ? -1 : x->best > y->best;
}

static uint32_t find_parent(struct node *const *sorted, size_t n, uint64_t ppid)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle]->pid < ppid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && ppid && sorted[low]->pid == ppid ? sorted[low]->row : NONE;
}

/* Who is its own ancestor becomes a root. */
static void cut_circles(struct node *nodes, size_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i;

		while (at != NONE && !nodes[at].state) {
			nodes[at].state = WALKING;
			if (nodes[at].parent != NONE && nodes[nodes[at].parent].state == WALKING)
				nodes[at].parent = NONE;
			at = nodes[at].parent;
		}
		for (at = i; at != NONE && nodes[at].state == WALKING; at = nodes[at].parent)
			nodes[at].state = DONE;
	}
}

static bool remembers(const struct rows_tree *t, uint64_t hash)
{
	for (size_t i = 0; i < t->nfolded; i++) {
		if (t->folded[i] == hash)
			return true;
	}
	return false;
}

bool rows_tree_is_folded(const struct rows_tree *t, const struct row_key *key)
{
	return (t->nfolded && remembers(t, row_key_hash(key))) != t->all_folded;
}

static bool is_folded(const struct rows_tree *t, struct query *q, uint32_t row)
{
	struct query_row r;

	if (!t->nfolded && !t->all_folded)
		return false;
	return query_row(q, row, &r) && rows_tree_is_folded(t, &r.key);
}

static uint32_t branch_size(const struct node *nodes, uint32_t top)
{
	uint32_t at = nodes[top].first, n = 0;

	while (at != NONE) {
		n++;
		if (nodes[at].first != NONE) {
			at = nodes[at].first;
			continue;
		}
		while (at != top && nodes[at].next == NONE)
			at = nodes[at].parent;
		if (at == top)
			break;
		at = nodes[at].next;
	}
	return n;
}

/* From the first root on: down, then on, then up and on. */
static void lay_out(struct rows_tree *t, struct query *q, const struct node *nodes, uint32_t root)
{
	uint32_t at = root, lines = 0;
	uint16_t depth = 0;

	while (at != NONE) {
		const struct node *x = &nodes[at];
		struct tree_place *p = &t->places[t->n++];
		bool folded = x->first != NONE && is_folded(t, q, x->row);

		*p = (struct tree_place){.row = x->row, .depth = depth, .last = x->next == NONE,
					 .has_children = x->first != NONE, .lines = lines};
		if (folded) {
			p->hidden = branch_size(nodes, at);
		} else if (x->first != NONE) {
			if (depth < TREE_DEPTH_SHOWN)
				lines = x->next != NONE ? lines | 1u << depth : lines & ~(1u << depth);
			at = x->first;
			depth += depth < UINT16_MAX;
			continue;
		}
		while (at != NONE && nodes[at].next == NONE) {
			at = nodes[at].parent;
			depth -= depth > 0;
		}
		if (at == NONE)
			break;
		if (depth < TREE_DEPTH_SHOWN)
			lines &= (1u << depth) - 1;
		at = nodes[at].next;
	}
}

static int link_up(struct node *nodes, size_t n, uint32_t *ret_root)
{
	struct node **sorted = malloc((n ? n : 1) * sizeof(*sorted));
	uint32_t last_root = NONE;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &nodes[i];
	qsort(sorted, n, sizeof(*sorted), by_pid);
	for (size_t i = 0; i < n; i++) {
		nodes[i].parent = find_parent(sorted, n, nodes[i].ppid);
		if (nodes[i].parent == i)
			nodes[i].parent = NONE;
	}
	cut_circles(nodes, n);
	/* Rows come in order: who is met first by a walk up is the best of all the branches it is in. */
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t up = nodes[i].parent; up != NONE && nodes[up].best > nodes[i].best; up = nodes[up].parent)
			nodes[up].best = nodes[i].best;
	}
	qsort(sorted, n, sizeof(*sorted), by_best);
	/* Siblings have no two bests alike. From the last on, each becomes the first of its parent's children. */
	for (size_t i = n; i-- > 0;) {
		struct node *x = sorted[i];
		uint32_t *first = x->parent == NONE ? &last_root : &nodes[x->parent].first;

		x->next = *first;
		*first = x->row;
	}
	free(sorted);
	*ret_root = last_root;
	return 0;
}

int rows_tree_build(struct rows_tree *t, struct query *q)
{
	int pid = query_column_find(q, "pid"), ppid = query_column_find(q, "ppid"), err;
	size_t n = query_nrows(q);
	struct node *nodes;
	uint32_t root = NONE;

	t->n = 0;
	if (pid < 0 || ppid < 0)
		return -ENOENT;
	if (n > t->cap) {
		struct tree_place *grown = n < UINT32_MAX ? realloc(t->places, n * sizeof(*grown)) : NULL;

		if (!grown)
			return -ENOMEM;
		t->places = grown;
		t->cap = n;
	}
	nodes = malloc((n ? n : 1) * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct query_row row = {0};

		nodes[i] = (struct node){.row = (uint32_t)i, .best = (uint32_t)i, .parent = NONE, .first = NONE, .next = NONE};
		nodes[i].alive = query_row(q, i, &row) && !row.ended_ns;
		/* Who stands for several is nobody's child or parent. */
		if (row.folds)
			continue;
		nodes[i].pid = number(q, i, pid);
		nodes[i].ppid = number(q, i, ppid);
	}
	err = link_up(nodes, n, &root);
	if (!err)
		lay_out(t, q, nodes, root);
	free(nodes);
	return err;
}

bool rows_tree_fold(struct rows_tree *t, const struct row_key *key)
{
	uint64_t hash = row_key_hash(key);

	for (size_t i = 0; i < t->nfolded; i++) {
		if (t->folded[i] != hash)
			continue;
		t->folded[i] = t->folded[--t->nfolded];
		return true;
	}
	if (t->nfolded == TREE_FOLDED_MAX)
		return false;
	t->folded[t->nfolded++] = hash;
	return true;
}

void rows_tree_fold_all(struct rows_tree *t)
{
	t->all_folded = !t->all_folded;
	t->nfolded = 0;
}
