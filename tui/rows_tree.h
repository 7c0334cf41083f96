/* Rows of a table of processes as a tree: children below their parents, in the order that the list is sorted by, where a
 * branch stands where the first of its members would. Branches can be folded. Who has no parent among the rows (it is
 * not shown, or filtered out) begins a branch. A recording may say anything of parents: a circle is cut open. */
#ifndef TUI_ROWS_TREE_H
#define TUI_ROWS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query.h"

enum { TREE_DEPTH_SHOWN = 24, TREE_FOLDED_MAX = 1024 };

struct tree_place {
	uint32_t row;     /* of the query */
	uint32_t hidden;  /* so many rows are folded away below it */
	uint16_t depth;
	bool last;        /* of its parent's children */
	bool has_children;
	uint32_t lines;   /* bit d: a sibling of its ancestor at depth d follows */
};

struct rows_tree {
	bool on;
	bool all_folded;  /* `folded` then holds those that are not */
	struct tree_place *places;
	size_t n, cap;
	uint64_t folded[TREE_FOLDED_MAX]; /* hashes of keys */
	size_t nfolded;
};

void rows_tree_finish(struct rows_tree *);
/* Puts the rows of the query in order. -ENOMEM; -ENOENT: the table has no parents. Then n is 0. */
int rows_tree_build(struct rows_tree *, struct query *);
/* Folds or unfolds the branch of this key; false: no more can be remembered. */
bool rows_tree_fold(struct rows_tree *, const struct row_key *);
/* Folds all, or unfolds all. */
void rows_tree_fold_all(struct rows_tree *);
bool rows_tree_is_folded(const struct rows_tree *, const struct row_key *);

#endif
