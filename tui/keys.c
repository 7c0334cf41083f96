#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "text.h"

const struct binding console_keys[] = {
	{ACTION_DEEPER, "open", {KEY_ENTER}, "Enter open", "go deeper into what is selected"},
	{ACTION_BACK, "back", {KEY_BACKSPACE, 'u'}, "u back", "back to where you came from (also ^H)"},
	{ACTION_EARLIER, "earlier", {'['}, "[ ] { } time", "one column of the timeline back"},
	{ACTION_LATER, "later", {']'}, NULL, "one column of the timeline on"},
	{ACTION_EARLIER_WINDOW, "earlier-window", {'{'}, NULL, "one window back"},
	{ACTION_LATER_WINDOW, "later-window", {'}'}, NULL, "one window on"},
	{ACTION_PAUSE, "pause", {' '}, "Space pause", "stand still, or follow again; sampling goes on. In replay: play, or pause"},
	{ACTION_LIVE, "live", {'L', '$'}, NULL, "to the newest data, and follow them"},
	{ACTION_START, "start", {'^'}, NULL, "to the beginning of what is held (:goto 14:03 to any time)"},
	{ACTION_PLAY, "play", {'p'}, NULL, "play from here on, or stop; also of what was live"},
	{ACTION_SLOWER, "slower", {'('}, "( ) speed", "play slower, down to 0.1x (:speed 0.5)"},
	{ACTION_FASTER, "faster", {')'}, NULL, "play faster, up to 1000x"},
	{ACTION_FRAME_BACK, "frame-back", {'<'}, "< > frame", "one frame back"},
	{ACTION_FRAME_ON, "frame-on", {'>'}, NULL, "one frame on"},
	{ACTION_EVENT_NEXT, "event-next", {'x'}, "x X event", "to the next event or mark (x on the timeline)"},
	{ACTION_EVENT_PREVIOUS, "event-previous", {'X'}, NULL, "to the one before"},
	{ACTION_BASELINE, "baseline", {'b'}, "b baseline",
	 "compare with this window from now on; in another window: with that one; again in this one: no more"},
	{ACTION_MARK, "mark", {'m'}, "m mark", "set a mark at this time, with a text (:marks lists them, x goes to them)"},
	{ACTION_WINDOW_LONGER, "window-longer", {'+', '='}, NULL, "a longer window"},
	{ACTION_WINDOW_SHORTER, "window-shorter", {'-'}, NULL, "a shorter window"},
	{ACTION_FIND, "find", {'/', KEY_F(3)}, "/ find", "select the next row that holds a text"},
	{ACTION_FIND_NEXT, "find-next", {'n'}, NULL, "the next one"},
	{ACTION_FIND_PREVIOUS, "find-previous", {'N'}, NULL, "the one before"},
	{ACTION_FILTER, "filter", {'\\', KEY_F(4)}, "\\ filter", "show only rows for which an expression holds: cpu>50 and user=root"},
	{ACTION_COMMAND, "command", {':'}, NULL, "type a command; Tab completes"},
	{ACTION_UP, "up", {KEY_UP, 'k'}, NULL, "move up"},
	{ACTION_DOWN, "down", {KEY_DOWN, 'j'}, NULL, "move down"},
	{ACTION_LEFT, "left", {KEY_LEFT, 'h'}, NULL, "move left: columns that don't fit"},
	{ACTION_RIGHT, "right", {KEY_RIGHT, 'l'}, NULL, "move right"},
	{ACTION_PAGE_UP, "page-up", {KEY_PAGE_UP, KEY_CTRL('b')}, NULL, "a page up"},
	{ACTION_PAGE_DOWN, "page-down", {KEY_PAGE_DOWN, KEY_CTRL('f')}, NULL, "a page down"},
	{ACTION_FIRST, "first", {'g', KEY_HOME}, NULL, "to the first row"},
	{ACTION_LAST, "last", {'G', KEY_END}, NULL, "to the last row"},
	{ACTION_NEXT_PANEL, "next-panel", {KEY_TAB}, NULL, "the next panel"},
	{ACTION_PREVIOUS_PANEL, "previous-panel", {KEY_BACKTAB}, NULL, "the panel before"},
	{ACTION_PANEL_1, "panel-1", {'1'}, NULL, "this panel, also 2 to 9 and 0: their digits stand on line 2"},
	{ACTION_PANEL_1 + 1, "panel-2", {'2'}, NULL, NULL},
	{ACTION_PANEL_1 + 2, "panel-3", {'3'}, NULL, NULL},
	{ACTION_PANEL_1 + 3, "panel-4", {'4'}, NULL, NULL},
	{ACTION_PANEL_1 + 4, "panel-5", {'5'}, NULL, NULL},
	{ACTION_PANEL_1 + 5, "panel-6", {'6'}, NULL, NULL},
	{ACTION_PANEL_1 + 6, "panel-7", {'7'}, NULL, NULL},
	{ACTION_PANEL_1 + 7, "panel-8", {'8'}, NULL, NULL},
	{ACTION_PANEL_1 + 8, "panel-9", {'9'}, NULL, NULL},
	{ACTION_PANEL_0, "panel-0", {'0'}, NULL, NULL},
	{ACTION_TABLES, "tables", {'t'}, NULL, "every table that is sampled, and a chart of any number in it"},
	{ACTION_EVENTS, "events", {'e'}, NULL, "what happened: one list, one time axis"},
	{ACTION_VERDICT, "verdict", {'!'}, NULL, "all that is wrong, not only the first: who, who waits, since when; and what is not measured, and why"},
	{ACTION_SAVE, "save", {'W'}, "W save", "save what is held in memory to a file", .live_only = true},
	{ACTION_PRINT, "print", {'P'}, NULL, "write this screen as text, with the command that shows it again"},
	{ACTION_COPY, "copy", {'y'}, NULL, "copy that command to the clipboard of the terminal"},
	{ACTION_SIGNAL, "send-signal", {KEY_F(9)}, NULL, "send a signal to the selected process (:signal TERM, :renice 10, :ionice idle)",
	 .live_only = true},
	{ACTION_INSPECT, "inspect", {'I'}, NULL, "open files, limits and environment of the selected process, read now and recorded nowhere",
	 .live_only = true},
	{ACTION_MOUSE, "mouse", {'M'}, NULL, "mouse on or off (while on, the terminal doesn't select text)"},
	{ACTION_REDRAW, "redraw", {KEY_CTRL('l')}, NULL, "paint the screen anew"},
	{ACTION_ESCAPE, "escape", {KEY_ESC}, NULL, "leave help, a question, a search"},
	{ACTION_HELP, "help", {'?', KEY_F1}, "? help", "this help"},
	{ACTION_QUIT, "quit", {'q', KEY_F(10)}, "q quit", "quit (also ^C)"},
};
const size_t console_nkeys = sizeof(console_keys) / sizeof(console_keys[0]);

const struct binding *keys_find(const struct binding *bindings, size_t n, uint32_t key)
{
	if (!key)
		return NULL;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < BINDING_KEYS; k++)
			if (bindings[i].keys[k] == key)
				return &bindings[i];
	return NULL;
}

const struct binding *keys_find_name(const struct binding *bindings, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(bindings[i].name) == len && !memcmp(bindings[i].name, name, len))
			return &bindings[i];
	return NULL;
}

void key_format(uint32_t key, char out[16])
{
	static const struct {
		uint32_t key;
		const char *name;
	} names[] = {
		{' ', "Space"},	       {KEY_ENTER, "Enter"},   {KEY_TAB, "Tab"},	{KEY_ESC, "Esc"},
		{KEY_BACKSPACE, "Backspace"}, {KEY_UP, "Up"}, {KEY_DOWN, "Down"}, {KEY_LEFT, "Left"},
		{KEY_RIGHT, "Right"},  {KEY_HOME, "Home"},     {KEY_END, "End"},	{KEY_PAGE_UP, "PgUp"},
		{KEY_PAGE_DOWN, "PgDn"}, {KEY_INSERT, "Ins"},  {KEY_DELETE, "Del"},	{KEY_BACKTAB, "BackTab"},
		{KEY_MOUSE, "mouse"},
	};
	const char *alt = key & KEY_ALT ? "M-" : "";

	key &= ~(uint32_t)KEY_ALT;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].key == key) {
			snprintf(out, 16, "%s%s", alt, names[i].name);
			return;
		}
	}
	if (key >= KEY_F1 && key <= KEY_F12) {
		snprintf(out, 16, "%sF%u", alt, key - KEY_F1 + 1);
	} else if (key < ' ') {
		snprintf(out, 16, "%s^%c", alt, (char)(key + '@'));
	} else if (text_code_width(key) > 0) {
		char text[5] = "";

		text_encode(key, text);
		snprintf(out, 16, "%s%s", alt, text);
	} else {
		snprintf(out, 16, "%s?", alt);
	}
}

bool key_parse(const char *text, size_t n, uint32_t *ret)
{
	uint32_t alt = 0, code;
	char name[16];

	if (n > 2 && text[0] == 'M' && text[1] == '-') {
		alt = KEY_ALT;
		text += 2;
		n -= 2;
	}
	if (n == 2 && text[0] == '^' && ((text[1] >= '@' && text[1] <= '_') || (text[1] >= 'a' && text[1] <= 'z'))) {
		*ret = KEY_CTRL((uint32_t)text[1]) | alt;
		return *ret != alt;
	}
	for (code = KEY_UP; code <= KEY_LAST; code++) {
		key_format(code, name);
		if (code != KEY_MOUSE && strlen(name) == n && !memcmp(name, text, n) && strcmp(name, "?")) {
			*ret = code | alt;
			return true;
		}
	}
	for (code = 1; code <= KEY_BACKSPACE; code++) {
		key_format(code, name);
		if (n > 1 && strlen(name) == n && !memcmp(name, text, n)) {
			*ret = code | alt;
			return true;
		}
	}
	if (text_decode((const uint8_t *)text, n, &code) != n || !n || text_code_width(code) <= 0)
		return false;
	*ret = code | alt;
	return true;
}

/* Do two bindings share a key? Returns it, or 0. */
static uint32_t shared_key(const struct binding *a, const struct binding *b)
{
	for (int i = 0; i < BINDING_KEYS; i++)
		for (int j = 0; j < BINDING_KEYS; j++)
			if (a->keys[i] && a->keys[i] == b->keys[j])
				return a->keys[i];
	return 0;
}

int keys_check(const struct keys_table *tables, size_t n, struct culprit_error *error)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t a = 0; a < tables[i].n; a++) {
			const struct binding *x = &tables[i].bindings[a];

			for (size_t j = 0; j <= i; j++) {
				size_t end = j == i ? a : tables[j].n;

				for (size_t b = 0; b < end; b++) {
					const struct binding *y = &tables[j].bindings[b];
					bool same_name = !strcmp(x->name, y->name);
					uint32_t key = shared_key(x, y);
					char name[16];

					/* Two panels may share a key for the same meaning; the console's are nobody
					 * else's. */
					if (j != 0 && j != i && (!key || same_name))
						continue;
					if (!key && !same_name)
						continue;
					key_format(key, name);
					return error_set(error, -EEXIST, "%s: %s (%s) and %s: %s (%s) clash",
							 tables[j].owner, y->name, key ? name : "name",
							 tables[i].owner, x->name, key ? name : "name");
				}
			}
		}
	}
	return 0;
}
