/* Bars of letters (where a thread's time goes), sparklines, numbers as they stand in lists. */
#ifndef TUI_BAR_H
#define TUI_BAR_H

#include "surface.h"

enum { BAR_PARTS = 9, BAR_LEVELS = 160 };

enum bar_part { BAR_CPU, BAR_RUNQ, BAR_THROTTLE, BAR_DISK, BAR_LOCK, BAR_NET, BAR_MEM, BAR_OTHER, BAR_IDLE };

struct bar {
	double share[BAR_PARTS]; /* not negative; any scale, see bar_draw() */
};

/* C R T D L N M O . */
char bar_letter(enum bar_part);
enum role bar_role(enum bar_part);
/* "C cpu R run queue ..."; draws letter and word in turn, returns columns used. `parts`: bit mask of those to name. */
int bar_legend(struct surface *, int x, int y, int w, unsigned parts);
/* What of it is not idle. */
double bar_busy(const struct bar *);
/* Draws shares of `whole` over w columns; `whole` 0: of their own sum. Parts of half a column or more get at least one, the
 * rest (largest remainder first) fills up; the columns left over are blank. */
void bar_draw(struct surface *, int x, int y, int w, const struct bar *, double whole);
/* How many columns each part gets. Returns their sum. */
int bar_columns(const struct bar *, double whole, int w, int ret_columns[BAR_PARTS]);

/* Level 0..9 of a value against a maximum: 0 only for zero, 9 for the maximum and above, -1 for NaN. */
int spark_level(double value, double max);
/* Levels from the left. */
void spark_draw(struct surface *, int x, int y, int w, enum role, const int8_t *levels, size_t n);

#endif
