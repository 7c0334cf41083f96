/* What stands over a panel: help made from the key tables, and questions. */
#ifndef TUI_DIALOG_H
#define TUI_DIALOG_H

#include "keys.h"
#include "surface.h"

/* Help of one panel: its paragraph, its own keys, then the console's; from line `top` on. Returns how many lines there are,
 * whatever fits; nothing is drawn where the surface is NULL. */
size_t dialog_help(struct surface *, struct rect, const char *title, const char *text, const struct keys_table *tables,
		   size_t ntables, size_t top);

/* A question: answered by typing `expect`, or, where it is empty, by y or n. */
struct dialog {
	char title[64];
	char text[512]; /* our own or sanitised */
	char expect[64];
	char typed[64];
};

enum dialog_result { DIALOG_OPEN, DIALOG_YES, DIALOG_NO, DIALOG_CANCELLED };

void dialog_init(struct dialog *, const char *title, const char *text, const char *expect);
enum dialog_result dialog_key(struct dialog *, const struct key *);
void dialog_draw(const struct dialog *, struct surface *, struct rect);

/* Text (raw bytes; shown sanitised) over at most r.h lines, broken at blanks; the last one is cut where that is not all. Returns how many
 * lines it takes of these; nothing is drawn where the surface is NULL. */
int dialog_say(struct surface *, struct rect, enum role, const char *text);

/* Length of the next line of at most w bytes, broken at blanks; *ret_next is where the one after begins. */
size_t dialog_wrap(const char *text, int w, size_t *ret_next);

#endif
