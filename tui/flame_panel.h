/* The Flame panel's insides, shared by panel_flame.c (keys, what is selected), flame_ask.c (what it asks the view), flame_draw.c
 * and flame_functions.c (the table). Nobody else's business. */
#ifndef TUI_FLAME_PANEL_H
#define TUI_FLAME_PANEL_H

#include "flame_shape.h"
#include "list.h"
#include "panel.h"
#include "query.h"
#include "source_line.h"
#include "thread_wakers.h"

enum { FLAME_WIDE = 100, FLAME_REASONS = 32, FLAME_WORD_MAX = 128 };

enum flame_form { FLAME_FITS, FLAME_ICICLE, FLAME_PATH }; /* as the width says; or as the user does */
enum flame_whose { WHOSE_ALL, WHOSE_PROCESS, WHOSE_THREAD, WHOSE_COUNT };
enum flame_column { COLUMN_SELF, COLUMN_TOTAL, COLUMN_CHANGE, COLUMN_NAME, COLUMN_COUNT };

/* One kind of wait, as a column `reason` tells them apart. */
struct flame_reason {
	char name[64];
	double weight;
};

struct flame_panel {
	struct view *view;
	struct lens lens;
	struct panel_time time;

	/* What is asked. */
	char table[LENS_NAME_MAX]; /* "": the first choice */
	char reason[64];           /* only this one; "": all */
	bool inverted;
	enum flame_whose whose;

	/* The answer, and to what: it is asked again only where that changed. */
	struct query *query, *base_query, *cost_query;
	struct view *base_view;
	struct flame *flame;
	struct flame_source source;
	struct flame_summary summary;
	char why_not[256];      /* there is nothing to show: why; raw bytes */
	uint64_t covered_ns, base_covered_ns; /* time that is looked at */
	struct flame_reason reasons[FLAME_REASONS];
	size_t nreasons;
	char help[400];         /* how code without names would get some; what looking costs; whom a
				 * wait is for; raw bytes */
	struct thread_wakers wakers;
	bool answered;
	uint64_t answer;        /* counts up with each answer */
	uint64_t generation;    /* of the view */
	struct lens asked_lens;

	/* What is shown of it. */
	enum flame_form form;
	bool icicle;            /* as drawn last */
	bool functions;         /* the table instead of the flame */
	struct flame_place selected, zoomed, before; /* `before`: a search that may be given up */
	bool chosen;            /* by the user; before that the hottest one is selected */
	uint32_t at, zoom;      /* the nodes */
	char word[FLAME_WORD_MAX], word_before[FLAME_WORD_MAX];
	double match;           /* share of what holds it */
	bool searched;          /* since the last zoom */

	/* As drawn: made anew where answer, zoom or width changed. */
	uint64_t shaped;
	uint32_t shaped_zoom;
	int shaped_width;
	struct flame_box *boxes;
	size_t nboxes;
	struct flame_line *lines;
	size_t nlines;
	int top, page;          /* first row shown, rows there are */

	/* The source line of what is selected. */
	struct query *line_query;
	struct source_lines source_lines;
	uint32_t line_node;     /* of which they are */
	bool cramped;           /* as drawn last: no room for it */

	/* The table. */
	struct flame_function *function, *edge;
	size_t functions_cap;
	uint32_t *order;        /* places in `function`, sorted */
	size_t norder;
	uint64_t listed;        /* the answer it was made from */
	enum flame_column sort;
	bool ascending;
	struct list list;
	struct list_mark mark;
	struct list_source list_source;
	struct list_column columns[7];
};

/* --- flame_ask.c --- */

/* Asks the view where something changed. */
int flame_panel_ask(struct flame_panel *, struct culprit_error *);
/* The next (1) or previous (-1) way to look at stacks; false: there is no other one. */
bool flame_panel_source(struct flame_panel *, int step);
/* What is shown: the name of a lens or of a table; "": nothing yet. */
const char *flame_panel_source_name(const struct flame_panel *);
/* The next reason, all of them among them; false: there are none. */
bool flame_panel_reason(struct flame_panel *, int step);

/* --- flame_draw.c --- */

void flame_panel_draw(struct flame_panel *, struct surface *, struct rect);
/* The shape as it is drawn in that form: for moves before anything was drawn. */
int flame_panel_shape(struct flame_panel *, int width);
/* That, and of what is selected the nearest that this width shows. */
int flame_panel_point(struct flame_panel *, int width);
/* The rect of the flame itself within the panel's; its first line's place. */
struct rect flame_panel_body(const struct flame_panel *, struct rect);
/* Which node of a line is the one it is about: the innermost of its chain. */
uint32_t flame_line_node(const struct flame_panel *, const struct flame_line *);
/* Last part of a path; "kernel" of "[kernel]". Not NUL-terminated. */
const char *flame_module_base(const struct flame_frame *, size_t *ret_n);
enum role flame_role(const struct flame_frame *);
/* "12.3s", "1,204". */
char *flame_weight(const struct flame_panel *, double, char *out, size_t cap);
double flame_share(const struct flame_panel *, double);

/* --- flame_functions.c --- */

void flame_functions_init(struct flame_panel *);
void flame_functions_finish(struct flame_panel *);
/* After a new answer or another order. -ENOMEM. */
int flame_functions_sync(struct flame_panel *);
/* Before anything asks the table between two draws: what was typed ahead must not meet rows of a flame that is gone. */
void flame_functions_fresh(struct flame_panel *);
void flame_functions_draw(struct flame_panel *, struct surface *, struct rect);
/* The frame of the selected row; 0: none. */
uint32_t flame_functions_selected(const struct flame_panel *);
bool flame_functions_find(struct flame_panel *, const char *word, int direction);
const char *flame_functions_sort_name(enum flame_column);

#endif
