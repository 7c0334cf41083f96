/* The few largest of many, without keeping the others: a list of structs that each begin with the double they are ordered by,
 * the largest first, of equals the one that came first. */
#ifndef TUI_TOP_H
#define TUI_TOP_H

#include <stddef.h>

/* Room for one of `value` in `list`, of *n elements of `size` bytes, at most `cap`: those that are smaller move down, and the last
 * goes where there is no more room. Returns the element, with its value set and the rest undefined; NULL: it is not among them. */
void *top_insert(void *list, size_t size, size_t *n, size_t cap, double value);

#endif
