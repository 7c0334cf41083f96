/* Keys and what they do. One table for the console, one for each panel; help, the hints on the last line, the `:` line,
 * the man page and the test for clashes are made from them. Keys are code points, or KEY_ numbers above them.
 *
 * Not here: bytes of terminals (input.h). */
#ifndef TUI_KEYS_H
#define TUI_KEYS_H

#include <culprit/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_NONE = 0,
	KEY_ENTER = 0x0d,
	KEY_TAB = 0x09,
	KEY_ESC = 0x1b,
	KEY_BACKSPACE = 0x7f, /* DEL, ^H and the terminal's own */
	KEY_UP = 0x110000,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_INSERT,
	KEY_DELETE,
	KEY_BACKTAB,
	KEY_F1,
	KEY_F12 = KEY_F1 + 11,
	KEY_MOUSE, /* struct key: button, x, y */
	KEY_LAST,
	KEY_ALT = 1 << 24, /* added to a key */
};

#define KEY_CTRL(c) ((c) & 0x1f)
#define KEY_F(n) (KEY_F1 + (n) - 1)

enum { MOUSE_LEFT = 1, MOUSE_MIDDLE = 2, MOUSE_RIGHT = 3, MOUSE_WHEEL_UP = 4, MOUSE_WHEEL_DOWN = 5 };

struct key {
	uint32_t code;
	uint8_t button; /* KEY_MOUSE: which was pressed */
	int x, y;       /* KEY_MOUSE: cell, from 0 */
};

/* Actions of the console's own table. A panel's own begin at ACTION_PANEL. The moves are given to the panel. */
enum action {
	ACTION_NONE,
	ACTION_UP, ACTION_DOWN, ACTION_LEFT, ACTION_RIGHT,
	ACTION_PAGE_UP, ACTION_PAGE_DOWN, ACTION_FIRST, ACTION_LAST,
	ACTION_DEEPER, /* Enter */
	ACTION_LAST_FOR_PANEL = ACTION_DEEPER,
	ACTION_BACK,
	ACTION_ESCAPE,
	ACTION_NEXT_PANEL, ACTION_PREVIOUS_PANEL,
	ACTION_PANEL_1, /* the panels, by their digits ... */
	ACTION_PANEL_0 = ACTION_PANEL_1 + 9,
	ACTION_TABLES,
	ACTION_EVENTS,
	ACTION_EARLIER, ACTION_LATER, ACTION_EARLIER_WINDOW, ACTION_LATER_WINDOW, ACTION_PAUSE, ACTION_LIVE,
	ACTION_PLAY, ACTION_SLOWER, ACTION_FASTER, ACTION_FRAME_BACK, ACTION_FRAME_ON, ACTION_START,
	ACTION_EVENT_PREVIOUS, ACTION_EVENT_NEXT,
	ACTION_BASELINE, ACTION_MARK,
	ACTION_WINDOW_LONGER, ACTION_WINDOW_SHORTER,
	ACTION_FIND, ACTION_FIND_NEXT, ACTION_FIND_PREVIOUS,
	ACTION_FILTER,
	ACTION_COMMAND,
	ACTION_VERDICT,
	ACTION_HELP,
	ACTION_REDRAW,
	ACTION_SAVE,
	ACTION_COPY,
	ACTION_PRINT,
	ACTION_SIGNAL,
	ACTION_INSPECT,
	ACTION_MOUSE,
	ACTION_QUIT,
	ACTION_COUNT,
	ACTION_PANEL = 1000,
};

enum { BINDING_KEYS = 4 };

struct binding {
	int action;
	const char *name;  /* for the `:` line: "page-down"; the same name is the same meaning in every panel */
	uint32_t keys[BINDING_KEYS]; /* 0 where fewer */
	const char *hint;  /* for the last line, keys and one word: "[ ] time"; NULL: not shown there */
	const char *help;  /* one line */
	bool live_only;    /* there is nothing it could do in a replay: not in the help there */
};

/* The console's own. */
extern const struct binding console_keys[];
extern const size_t console_nkeys;

/* The binding of a key, by a panel's table first; NULL: none. */
const struct binding *keys_find(const struct binding *, size_t n, uint32_t key);
const struct binding *keys_find_name(const struct binding *, size_t n, const char *name, size_t len);

/* "q", "Space", "^L", "F9", "PgUp", "M-x". NUL-terminated. */
void key_format(uint32_t key, char out[16]);
/* The same back, for scripts. */
bool key_parse(const char *text, size_t n, uint32_t *ret);

struct keys_table {
	const char *owner;
	const struct binding *bindings;
	size_t n;
	bool replay; /* of a console over a recording */
};
/* Checks tables, the console's first: within one table no key or name twice; no key of the console's in a panel's; and a
 * key that two panels have must have the same name in both. 0, or -EEXIST and a sentence that names both. */
int keys_check(const struct keys_table *tables, size_t n, struct culprit_error *);

#endif
