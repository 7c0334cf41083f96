/* The resources of a machine, each asked the same three questions: how much of it is used, does anybody wait for it, does
 * it fail; with its past and who uses most. What the Overview shows. */
#ifndef TUI_RESOURCES_H
#define TUI_RESOURCES_H

#include "findings.h"
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
	bool momentary;      /* without its past: to read ten minutes of all processes for one of them would take longer than all the rest */
	/* Private: where its past comes from. */
	char table[32], column[32];
	struct row_key key;
	double before; /* in the baseline; NaN: not there, or there is none */
	double now, top; /* top: full scale; 0: its own maximum */
	unsigned unit;
};

struct resources_who {
	struct findings *findings; /* takes what is asked; has taken who uses most of what */
	void *self;
	/* What the process `pid` is called; `out` stays as it is where it has no row. */
	void (*name)(void *self, uint64_t pid, char *out, size_t cap);
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
	struct findings *findings; /* borrowed, during an update */
	bool compared; /* with a baseline that the user has set */
	size_t wait_cap, error_cap; /* bytes of those texts */
};

void resources_finish(struct resources *);
/* Beside the resources that every machine has, those of a part of it that are at their limit (resources_limits.c). */
int resources_update(struct resources *, struct view *, const struct lens *, const struct panel_time *,
		     const struct resource_widths *, const struct resources_who *, struct culprit_error *);

#endif
