/* A line to type in: find, filter, command; with a cursor, history and completion. Also the text is hostile: pasted bytes
 * are code points by the time they come here, and only those that can be shown are taken. */
#ifndef TUI_PROMPT_H
#define TUI_PROMPT_H

#include "keys.h"
#include "surface.h"

enum { PROMPT_MAX = 512, PROMPT_HISTORY = 32 };

enum prompt_result { PROMPT_OPEN, PROMPT_CHANGED, PROMPT_DONE, PROMPT_CANCELLED, PROMPT_COMPLETE };

struct prompt_history {
	char *lines[PROMPT_HISTORY]; /* newest first */
	size_t n;
};

struct prompt {
	char text[PROMPT_MAX]; /* UTF-8, NUL-terminated */
	size_t len, cursor;    /* bytes */
	struct prompt_history *history; /* borrowed; NULL: none */
	long place;            /* in the history; -1: the line being typed */
	char typed[PROMPT_MAX];
};

void prompt_init(struct prompt *, struct prompt_history *, const char *text);
/* PROMPT_DONE puts the line into the history. PROMPT_COMPLETE: Tab was pressed. */
enum prompt_result prompt_key(struct prompt *, const struct key *);
void prompt_set(struct prompt *, const char *text);
/* Draws label and line in one row, scrolled so that the cursor shows, and sets the surface's cursor. */
void prompt_draw(const struct prompt *, struct surface *, int x, int y, int w, const char *label);
void prompt_history_finish(struct prompt_history *);

#endif
