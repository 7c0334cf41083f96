/* A query shown as a list: which columns, in what order, how each value is written. Panels name the columns and may draw
 * some of their own; sorting, finding, why a cell is `?`, the place in the list are here, the same for all of them. */
#ifndef TUI_ROWS_H
#define TUI_ROWS_H

#include "list.h"
#include "panel.h"
#include "query.h"

struct rows;

struct rows_column {
	const char *column; /* of the query; NULL: drawn by `cell` */
	const char *title;
	uint16_t min, max;
	uint8_t weight, priority; /* as struct list_column */
	bool coarse; /* a percentage with one decimal, also for the order: what is far below does not flicker */
	bool change; /* how the column differs from the baseline; rows.c adds these */
	bool cut_left, right; /* right: of a `cell`; what is no text stands right by itself */
	/* Optional: fills the cell itself. */
	void (*cell)(struct rows *, size_t row, struct list_cell *);
};

enum rows_action {
	ROWS_SORT = ACTION_PANEL, /* by the next column */
	ROWS_REVERSE,
	ROWS_CHANGE, /* by the difference to the baseline */
	ROWS_ACTION_LAST = ROWS_CHANGE,
};
/* Bindings of the actions above, for panels' tables. */
#define ROWS_BINDINGS                                                                                                  \
	{ROWS_SORT, "sort-next", {'s'}, "s sort", "sort by the next column (:sort NAME for any)"},                      \
	{ROWS_REVERSE, "reverse", {'r'}, NULL, "the other way round"},                                                  \
	{ROWS_CHANGE, "sort-change", {'d'}, NULL, "sort by how much it differs from the baseline (b), or by its value"}

struct rows {
	struct query *query; /* of `view`; NULL before the first update */
	struct view *view;
	char table[LENS_NAME_MAX];
	const struct rows_column *given; /* by the panel */
	size_t ngiven;
	const struct rows_column *specs; /* those, or `compared` */
	size_t nspecs;
	struct rows_column compared[LIST_COLUMNS_MAX]; /* with differences beside numbers, while there is a baseline */
	bool by_change;
	struct list_column columns[LIST_COLUMNS_MAX];
	int map[LIST_COLUMNS_MAX]; /* spec -> column of the query; -1: none */
	char sort[LENS_NAME_MAX];  /* "": by key */
	struct list_mark mark;     /* what rows_selection() remembered */
	bool ascending;
	struct list list;
	struct list_source source;
	bool failed;
	void *of; /* the panel's, for its cells */
};

/* `sort`: column at first, descending; NULL: by key. The specs are borrowed. */
void rows_init(struct rows *, const char *table, const struct rows_column *specs, size_t n, const char *sort);
void rows_finish(struct rows *);
/* Other columns; the place in the list stays. */
void rows_set_columns(struct rows *, const struct rows_column *specs, size_t n);

int rows_update(struct rows *, struct view *, const struct lens *, unsigned flags, struct culprit_error *);
/* Header and rows. */
void rows_draw(struct rows *, struct surface *, struct rect);
/* Why there are no rows, where there are none; nothing else. */
void rows_draw_why_empty(const struct rows *, struct surface *, struct rect);
/* Moves, sorting. PANEL_IGNORED: not one of its actions. */
enum panel_result rows_action(struct rows *, int action);
int rows_sort(struct rows *, const char *column, struct culprit_error *);
/* `:sort NAME`. -ENOENT: another command. */
int rows_command(struct rows *, const char *name, const char *argument, struct culprit_error *);
/* Names of columns for completing it; NULL at the end. */
const char *rows_complete(struct rows *, const char *command, size_t i);
void rows_selection(struct rows *, bool restore); /* see struct panel */
bool rows_find(struct rows *, const char *text, int direction);
enum panel_result rows_click(struct rows *, struct rect, int x, int y);
/* The selected row; -1: none. */
ssize_t rows_selected(const struct rows *);
/* "1-20 of 4,000, sorted by cpu". */
void rows_place(const struct rows *, char *out, size_t cap);
/* Why a cell of the selected row is unread, or that the row ended; "" for nothing to say. */
void rows_status(const struct rows *, char *out, size_t cap);

/* The value of a named column of a row; absent where there is no such column. */
void rows_value(struct rows *, size_t row, const char *column, struct value *);
/* The process of the selected row, of a table of processes or threads; see struct panel. */
bool rows_target(struct rows *, struct panel_target *);
/* As a number; `otherwise` where it is none. */
double rows_number(struct rows *, size_t row, const char *column, double otherwise);
/* Text of at most cap - 1 bytes, NUL-terminated, raw. */
void rows_text(struct rows *, size_t row, const char *column, char *out, size_t cap);

/* One value as a list shows it. */
void rows_cell_value(const struct value *, struct list_cell *);
/* A percentage with one decimal: "0%", "0.4%", "12.0%", "212%". Returns `buf`. */
char *rows_percent(char *buf, size_t cap, double value);
/* The percentage of a column of a row, with one decimal; a warning from `bound` on. */
void rows_percent_cell(struct rows *, size_t row, const char *column, double bound, struct list_cell *);
/* Width and alignment that suit a column of the query. */
void rows_fit(const struct query_column *, struct rows_column *);

#endif
