/* What panels share that are one list with a few lines above it (Processes, Memory, Disks, Control groups). Such a panel
 * is a constant struct list_panel, a create() of one line, and LIST_PANEL in its struct panel; its state begins with a struct
 * list_state. */
#ifndef TUI_LIST_PANEL_H
#define TUI_LIST_PANEL_H

#include "panel.h"
#include "rows.h"

enum { LIST_PANEL_LINES = 5, LIST_PANEL_LINE_MAX = 240, LIST_PANEL_DETAIL = 2 };

struct list_state;

struct list_panel {
	const char *table;
	const struct rows_column *columns;
	size_t ncolumns;
	const char *sort; /* column at first, descending; NULL: by key */
	size_t size;      /* of the panel's state */
	/* Optional: after the list was asked; fills the lines above it. */
	int (*update)(void *self, struct view *, const struct lens *, const struct panel_time *, struct culprit_error *);
	/* Optional: says what there is to say of the selected row (`details` lines, 0: 2); the view is as after update(). */
	void (*detail)(void *self, struct view *, const struct lens *, const struct panel_time *, size_t row);
	int details;
	/* Optional: actions of its own keys; PANEL_IGNORED: none of them. */
	enum panel_result (*action)(void *self, int action, struct panel_request *);
	/* Optional: says something of the selected row where nothing else is to be said of it. */
	void (*status)(struct rows *, size_t row, char *out, size_t cap);
	/* Optional: Enter on the selected row. */
	enum panel_result (*deeper)(void *self, struct panel_request *);
	/* Optional: leaves what deeper() led to within the panel; false: there is nothing to leave. */
	bool (*escape)(void *self);
	/* Optional: what must be sampled for it, as panel.h. */
	size_t (*interests)(const void *self, const struct lens *, struct culprit_interest *, size_t cap);
	/* Optional: the panel's own of the last line; default: the place in the list. */
	void (*foot)(struct surface *, struct rect line, const char *place);
	/* Optional. */
	void (*finish)(void *self);
};

struct list_line {
	enum role role;
	char text[LIST_PANEL_LINE_MAX]; /* our own, or sanitised */
};

struct list_lines {
	struct list_line line[LIST_PANEL_LINES];
	size_t n;
};

struct list_state {
	const struct list_panel *of, *first; /* as created; what is remembered is of that */
	struct rows rows;
	struct list_lines head, detail; /* above the list; below it, of the selected row. Begun anew by update() */
};

/* One more line; those that are too many are dropped. */
void list_panel_say(struct list_lines *, enum role, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds to the end of a text; what does not fit is cut. */
void list_panel_append(char *to, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Shows another list in the same panel (with the same state). */
void list_panel_switch(struct list_state *, const struct list_panel *);

/* NULL: out of memory. */
void *list_panel_create(const struct list_panel *);
void list_panel_destroy(void *self);
void list_panel_rest(void *self);
int list_panel_update(void *self, struct view *, const struct lens *, const struct panel_time *, struct culprit_error *);
void list_panel_draw(void *self, struct surface *, struct rect);
enum panel_result list_panel_action(void *self, int action, struct panel_request *);
int list_panel_command(void *self, const char *name, const char *argument, struct panel_request *, struct culprit_error *);
const char *list_panel_table(const void *self);
const char *list_panel_complete(void *self, const char *command, size_t i);
bool list_panel_find(void *self, const char *text, int direction);
bool list_panel_target(void *self, struct panel_target *);
bool list_panel_escape(void *self);
void list_panel_keep(const void *self, const char *name, struct settings *);
void list_panel_restore(void *self, const char *name, const struct settings *);
void list_panel_selection(void *self, bool restore);
enum panel_result list_panel_click(void *self, struct rect, int x, int y, struct panel_request *);
size_t list_panel_interests(const void *self, const struct lens *, struct culprit_interest *, size_t cap);
void list_panel_status(const void *self, char *out, size_t cap);

/* The functions of a struct panel, but create. */
#define LIST_PANEL                                                                                                     \
	.destroy = list_panel_destroy, .rest = list_panel_rest, .update = list_panel_update, .draw = list_panel_draw,  \
	.action = list_panel_action, .table = list_panel_table, .command = list_panel_command,                         \
	.complete = list_panel_complete, .find = list_panel_find, .selection = list_panel_selection,                  \
	.target = list_panel_target, .escape = list_panel_escape, .keep = list_panel_keep,                              \
	.restore = list_panel_restore,                                                                                 \
	.click = list_panel_click, .interests = list_panel_interests, .status = list_panel_status

/* The numbers of tables that have one row: what lines above a list are made of. Owned by the panel; the query is made
 * anew where the view is another one. */
struct figures {
	struct query *query;
	struct view *view;
};
/* Asks for the whole host's table, whatever is looked at. Rows; 0 where there are none. */
size_t figures_ask(struct figures *, struct view *, const struct lens *, const char *table, const char *sort);
/* The same with flags for the query. */
size_t figures_ask_with(struct figures *, struct view *, const struct lens *, const char *table, const char *sort, unsigned flags);
/* NaN where there is none. */
double figures_number(struct figures *, size_t row, const char *column);
void figures_text(struct figures *, size_t row, const char *column, char *out, size_t cap);
void figures_finish(struct figures *);
struct figures_most {
	double value;
	size_t row;
};
/* The rows of a query in which the columns (added up, NULL-terminated; those that are not there count 0) are most and more than
 * `least`, the first the most; `alive`: without those that ended. Returns how many, at most `cap`. */
size_t figures_most(struct query *, const char *const *columns, double least, bool alive, size_t cap, struct figures_most *ret);

#endif
