/* Panels without data: a list of made-up processes that the test sorts, shrinks and drills into, and one that only says
 * its name. For tests of the console, the widgets, the terminal. */
#ifndef SUPPORT_FAKE_PANEL_H
#define SUPPORT_FAKE_PANEL_H

#include "list.h"
#include "panel.h"

struct fake_row {
	uint64_t id;
	double cpu;
	const char *name;
	size_t name_len;
	bool ended;
};

enum { FAKE_ROWS = 64 };

struct fake {
	struct list list;
	struct fake_row rows[FAKE_ROWS];
	size_t n;
	unsigned updates;
	struct lens lens;
	bool fail_update;
	int confirmed;
};

extern const struct panel fake_panel;  /* "processes", key 2 */
extern const struct panel blank_panel; /* "blank", key 1 */
extern const struct panel *const fake_panels[];

void fake_sort(struct fake *); /* by cpu, largest first */

#endif
