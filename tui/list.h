/* The list: rows and columns, a header, a selection that stays with its row through re-sorting, scrolling that doesn't jump
 * under the cursor, rows that ended and are marked. It asks a source for what it shows and nothing more, and keeps no
 * data: what the values of a row are is the source's business, how they are drawn is here. */
#ifndef TUI_LIST_H
#define TUI_LIST_H

#include "bar.h"
#include "surface.h"

enum { LIST_COLUMNS_MAX = 160, LIST_TEXT_MAX = 256 };

enum list_kind { LIST_TEXT, LIST_BAR, LIST_SPARK };

struct list_column {
	const char *title;
	uint16_t min, max; /* columns; max > min: it takes what is left, by `weight` */
	uint8_t weight;
	uint8_t priority;  /* 0: always shown; a narrow terminal drops the largest first */
	bool right;        /* numbers */
	bool sticky;       /* stays when the others are moved sideways */
	bool sortable;
	bool cut_left;     /* too long: the beginning goes */
};

/* What one cell shows; filled by the source. */
struct list_cell {
	enum list_kind kind;
	enum role role;
	bool own;                  /* text is our own or sanitised already */
	uint8_t depth;             /* in a tree; 0: a root, or no tree */
	bool last_child;
	uint32_t folded;           /* so many rows below it are hidden */
	uint32_t lines;            /* as struct tree_place */
	uint16_t len;
	char text[LIST_TEXT_MAX];  /* any bytes */
	struct bar bar;            /* LIST_BAR */
	int8_t levels[BAR_LEVELS]; /* LIST_SPARK: 0..9, -1 unknown; len of them */
};

/* Who a row is, for its life. */
struct list_id {
	uint64_t a, b;
};

enum { LIST_ROW_ENDED = 1, LIST_ROW_STRONG = 2, LIST_ROW_MATCH = 4 };

struct list_source {
	const void *self;
	const struct list_column *columns;
	size_t ncolumns;
	size_t (*count)(const void *self);
	struct list_id (*id)(const void *self, size_t row);
	/* `cell` comes as empty text in the role of the row, with an empty bar. */
	void (*cell)(const void *self, size_t row, size_t column, struct list_cell *cell);
	unsigned (*flags)(const void *self, size_t row); /* optional */
};

/* Plain; zero is a good beginning, but for sort_column, which is -1 where unsorted. */
struct list {
	size_t selected, top;
	struct list_id id;     /* of the selected row */
	bool chosen;           /* `id` holds one */
	bool away;             /* the cursor is elsewhere in the panel: no row is shown as selected */
	size_t shift;          /* columns moved sideways */
	int sort_column;
	bool sort_ascending;
	size_t page;           /* rows shown when drawn last */
	int width;             /* as drawn last */
};

/* A place in a list, to come back to. */
struct list_mark {
	size_t selected, top;
	struct list_id id;
	bool chosen;
};

void list_init(struct list *);
/* After the source changed: finds the selected row again, and keeps its place on the screen. A row that is gone leaves the
 * selection where it was. Before the user has moved, the selection stays on the first row. */
void list_sync(struct list *, const struct list_source *);
/* Was the column it is sorted by among those that were drawn, with its sign? */
bool list_shows_sort(const struct list *, const struct list_source *);
/* One of the moves of keys.h (up, page down, first, ...); false: not a move, or there is nothing there. */
bool list_move(struct list *, const struct list_source *, int action);
void list_select(struct list *, const struct list_source *, size_t row);
struct list_mark list_mark(const struct list *);
void list_restore(struct list *, const struct list_source *, const struct list_mark *);
/* Header in the first line of the rect, rows below. */
void list_draw(struct list *, const struct list_source *, struct surface *, struct rect);
/* The row under a cell of the rect it was drawn in; -1: none. */
long list_row_at(const struct list *, const struct list_source *, struct rect, int y);
/* "1-20 of 4,000", "none". */
void list_place(const struct list *, const struct list_source *, char *out, size_t cap);
/* Widths of the columns in `width` columns; 0: not shown. Returns how many are shown. For tests and headers of charts. */
size_t list_layout(const struct list *, const struct list_source *, int width, int *ret_widths);

/* Text into a cell. */
void list_cell_text(struct list_cell *, const void *bytes, size_t n);
void list_cell_own(struct list_cell *, const char *text);

#endif
