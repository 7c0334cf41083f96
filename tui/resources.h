/* The resources of a machine, each asked the same three questions: how much of it is used, does anybody wait for it, does
 * it fail; with its past and who uses most. What the Overview shows. */
#ifndef TUI_RESOURCES_H
#define TUI_RESOURCES_H

#include "panel.h"
#include "query.h"
#include "series.h"

enum { RESOURCES_MAX = 24, RESOURCE_SPARK = 40 };

struct resource {
	char name[32];       /* raw bytes */
	char use[16];        /* own text, as are the next ones */
	char wait[40], error[24], changed[16];
	char most[40];       /* raw bytes: the process that uses most; "" where not known */
	int8_t spark[RESOURCE_SPARK];
	size_t nspark;
	bool warn;           /* use, wait or error is beyond what is healthy */
	/* Private: where its past comes from. */
	char table[32], column[32];
	struct row_key key;
	double before; /* in the baseline; NaN: not there, or there is none */
	double now, top; /* top: full scale; 0: its own maximum */
	unsigned unit;
};

/* Columns that there are for each; what does not fit whole is left out. */
struct resource_widths {
	uint16_t wait, error, spark;
};

struct resources {
	struct query *query;
	struct view *view;
	struct resource list[RESOURCES_MAX];
	size_t n;
	uint64_t past_ns; /* length of the sparklines */
	char pressure[160]; /* one line: how long tasks stood still, for want of what */
	bool pressed;
	bool compared; /* with a baseline that the user has set */
	size_t wait_cap, error_cap; /* bytes of those texts */
};

void resources_finish(struct resources *);
/* `top`: who uses most of cpu, memory, disk (raw names; "" where not known). */
int resources_update(struct resources *, struct view *, const struct lens *, const struct panel_time *,
		     const struct resource_widths *, char top[3][40], struct culprit_error *);

#endif
