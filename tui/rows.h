/* A query shown as a list: which columns, in what order, how each value is written. Panels name the columns and may draw
 * some of their own; sorting, finding, why a cell is `?`, the place in the list are here, the same for all of them. */
#ifndef TUI_ROWS_H
#define TUI_ROWS_H

#include "list.h"
#include "panel.h"
#include "query.h"
#include "rows_tree.h"
#include "settings.h"

struct rows;

enum rows_holds { ROWS_WORDS, ROWS_NUMBER, ROWS_PICTURE };

struct rows_column {
	const char *column; /* of the query; NULL: drawn by `cell` */
	const char *title;
	uint16_t min, max;
	uint8_t weight, priority; /* as struct list_column */
	bool coarse; /* a percentage with one decimal, also for the order: what is far below does not flicker */
	bool change; /* how the column differs from the baseline; rows.c adds these */
	bool cut_left, right; /* right: of a `cell`; what is no text stands right by itself */
	bool tree; /* the branches of a tree stand before it */
	enum rows_holds holds; /* what its `cell` fills in: a search looks only where a text can be */
	/* Optional: fills the cell itself. */
	void (*cell)(struct rows *, size_t row, struct list_cell *);
};

enum rows_action {
	ROWS_SORT = ACTION_PANEL, /* by the next column */
	ROWS_REVERSE,
	ROWS_CHANGE, /* by the difference to the baseline */
	ROWS_FORM, /* as a tree, or flat */
	ROWS_FOLD,
	ROWS_FOLD_ALL,
	ROWS_FOLLOW,
	ROWS_ONLY_USER,
	ROWS_ONLY_CGROUP,
	ROWS_CHOOSE, /* the columns */
	ROWS_CHOSEN_UP,
	ROWS_CHOSEN_DOWN,
	ROWS_CHOSEN_RESET,
	ROWS_ACTION_LAST = ROWS_CHOSEN_RESET,
};
/* Bindings of the actions above, for panels' tables. */
#define ROWS_BINDINGS                                                                                                  \
	{ROWS_SORT, "sort-next", {'s', KEY_F(6)}, "s sort", "sort by the next column (:sort NAME for any)"},                      \
	{ROWS_REVERSE, "reverse", {'r'}, NULL, "the other way round"},                                                  \
	{ROWS_CHANGE, "sort-change", {'d'}, NULL, "sort by how much it differs from the baseline (b), or by its value"}
/* For panels whose columns may be chosen. */
#define ROWS_CHOOSE_BINDINGS                                                                                           \
	{ROWS_CHOOSE, "columns", {'O', KEY_F(2)}, NULL, "choose the columns (:columns)"},                               \
	{ROWS_CHOSEN_UP, "column-up", {'K'}, NULL, "while choosing: the column comes sooner"},                          \
	{ROWS_CHOSEN_DOWN, "column-down", {'J'}, NULL, "while choosing: it comes later"},                               \
	{ROWS_CHOSEN_RESET, "columns-reset", {'R'}, NULL, "while choosing: the columns as they were at first"}
/* Of those of a table of processes, besides. */
#define ROWS_PROCESS_BINDINGS                                                                                          \
	{ROWS_FORM, "form", {'f', KEY_F(5)}, NULL, "children below their parents, or one flat list (:tree)"},       \
	{ROWS_FOLD, "fold", {'z'}, NULL, "in the tree: hide or show what is below the selected process"},               \
	{ROWS_FOLD_ALL, "fold-all", {'Z'}, NULL, "in the tree: hide or show it of all"},                                \
	{ROWS_FOLLOW, "follow", {'F'}, NULL, "stay on the selected process, also where it was hidden meanwhile; a move ends it"}, \
	{ROWS_ONLY_USER, "only-user", {'U'}, NULL, "only processes of the user of the selected one; again: of all"},    \
	{ROWS_ONLY_CGROUP, "only-cgroup", {'S'}, NULL, "only its service or container (control group), in all panels"}

enum { ROWS_CHOSEN_MAX = 64, ROWS_CHOICES_MAX = 320 };

/* One column that may be shown. */
struct rows_choice {
	char name[LENS_NAME_MAX];
	char help[160];
	bool on;
};

/* The row one stays on. */
struct rows_follow {
	bool on, lost; /* lost: it is not among the rows now */
	struct row_key key;
	char name[64]; /* raw bytes */
	uint64_t pid;
};

struct rows {
	struct query *query; /* of `view`; NULL before the first update */
	struct view *view;
	char table[LENS_NAME_MAX];
	const struct rows_column *given; /* by the panel */
	size_t ngiven;
	const struct rows_column *base; /* those, or `chosen` */
	size_t nbase;
	const struct rows_column *specs; /* these, or `compared` */
	size_t nspecs;
	char wishes[ROWS_CHOSEN_MAX][LENS_NAME_MAX]; /* names of the columns the user wants; none: as given */
	size_t nwishes;
	struct rows_column chosen[ROWS_CHOSEN_MAX];
	bool choosing;
	struct rows_choice *choices; /* while choosing */
	size_t nchoices;
	struct list choice_list;
	struct list_source choice_source;
	struct rows_column compared[LIST_COLUMNS_MAX]; /* with differences beside numbers, while there is a baseline */
	bool by_change;
	struct rows_tree tree;
	char completion[LIST_TEXT_MAX];
	struct rows_follow follow;
	struct list_column columns[LIST_COLUMNS_MAX];
	int map[LIST_COLUMNS_MAX]; /* spec -> column of the query; -1: none */
	char sort[LENS_NAME_MAX];  /* "": by key */
	char sort_first[LENS_NAME_MAX]; /* the panel's own */
	bool sort_chosen; /* the user has said how to sort */
	struct list_mark mark;     /* what rows_selection() remembered */
	char missed[LENS_NAME_MAX]; /* no row of this answer holds it, so none holds a text that does; "": not known */
	uint64_t missed_in;         /* the answer: query_generation() */
	bool ascending;
	struct list list;
	struct list_source source;
	bool failed;
	void *of; /* the panel's, for its cells */
};

/* `sort`: column at first, descending; NULL: by key. The specs are borrowed. */
void rows_init(struct rows *, const char *table, const struct rows_column *specs, size_t n, const char *sort);
void rows_rest(struct rows *); /* gives back the rows, until rows_update(); what is selected, sorted and chosen stays */
void rows_finish(struct rows *);
/* Other columns; the place in the list stays. */
void rows_set_columns(struct rows *, const struct rows_column *specs, size_t n);

/* The user's columns instead, by their names, blanks between; "": the panel's own. Names that no table has are left out. */
void rows_wish(struct rows *, const char *names);
/* That again; "" where the panel's own are shown. */
void rows_wishes(const struct rows *, char *out, size_t cap);

int rows_update(struct rows *, struct view *, const struct lens *, unsigned flags, struct culprit_error *);
/* Header and rows. */
void rows_draw(struct rows *, struct surface *, struct rect);
/* Why there are no rows, where there are none; nothing else. */
void rows_draw_why_empty(const struct rows *, struct surface *, struct rect);
/* Was the query's table not measured in its window, so that rows that are missing, or without numbers, mean nothing? Says why,
 * sanitised, in `why`. */
bool rows_unmeasured(const struct query *, char *why, size_t cap);
/* Moves, sorting. PANEL_IGNORED: not one of its actions. */
enum panel_result rows_action(struct rows *, int action);
int rows_sort(struct rows *, const char *column, struct culprit_error *);
/* How the panel sorts from now on where the user has not said how; descending. True: the next rows_update() sorts otherwise than
 * the one before. */
bool rows_sort_by_default(struct rows *, const char *column);
/* `:sort NAME`. -ENOENT: another command. */
int rows_command(struct rows *, const char *name, const char *argument, struct culprit_error *);
/* Names of columns for completing it; NULL at the end. */
const char *rows_complete(struct rows *, const char *command, size_t i);
void rows_selection(struct rows *, bool restore); /* see struct panel */
bool rows_find(struct rows *, const char *text, int direction);
enum panel_result rows_click(struct rows *, struct rect, int x, int y);
/* What is remembered of it: sort, columns, tree; of what is as it was at first nothing. */
void rows_keep(const struct rows *, const char *panel, struct settings *);
void rows_restore(struct rows *, const char *panel, const struct settings *);
/* Leaves the choice of columns; false: there was none. */
bool rows_escape(struct rows *);
/* Filter or scope that ROWS_ONLY_USER and ROWS_ONLY_CGROUP make of the selected row. */
enum panel_result rows_only(struct rows *, int action, struct panel_request *);
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

/* Raw bytes, as many as fit. */
void rows_cell_text(struct list_cell *, const char *text, size_t n);
/* How much the row's value differs from the baseline; `column` of the query. */
void rows_cell_change(struct rows *, size_t row, size_t column, struct list_cell *);
/* One value as a list shows it. */
void rows_cell_value(const struct value *, struct list_cell *);
/* A percentage with one decimal: "0%", "0.4%", "12.0%", "212%". Returns `buf`. */
char *rows_percent(char *buf, size_t cap, double value);
/* A difference to what was `before`, signed, as every table tells it; "=" where the digits shown are the same. */
char *rows_change(char *buf, size_t cap, double change, double before, unsigned unit);
/* The percentage of a column of a row, with one decimal; a warning from `bound` on. */
void rows_percent_cell(struct rows *, size_t row, const char *column, double bound, struct list_cell *);
/* rows_choose.c: what the list of columns to choose from does. */
void rows_choose_open(struct rows *);
enum panel_result rows_choose_action(struct rows *, int action);
/* What the wishes come to, with the columns the query has now. */
void rows_choose_resolve(struct rows *);
bool rows_choose_find(struct rows *, const char *text, int direction);
/* Width and alignment that suit a column of the query. */
void rows_fit(const struct query_column *, struct rows_column *);

#endif
