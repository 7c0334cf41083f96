/* What is said of a key that did nothing: why, or what does what one may have meant. */
#include <stdio.h>

#include "console_state.h"

/* What keys do in other monitors (htop, top, atop) that do nothing here. */
static const struct {
	uint32_t key;
	const char *said;
} habits[] = {
	{'T', "sorting is s, by any column :sort NAME (:sort cpu_time); tables and charts are t"},
	{'H', "threads are a panel of their own: 3, or Enter on a process"},
	{'i', ":ionice idle sets how soon the selected process gets the disk"},
	{KEY_F(7), ":renice -5 gives the selected process more of the CPUs"},
	{KEY_F(8), ":renice 10 gives the selected process less of the CPUs"},
	{KEY_DELETE, "F9 sends a signal to the selected process"},
};

static void say_bound(struct console *c, const struct binding *b, uint32_t key)
{
	char name[16];

	switch (b->action) {
	case ACTION_UP:
	case ACTION_PAGE_UP:
	case ACTION_FIRST:
		console_say(c, key == 'k' ? "nothing is above this; F9 sends a signal to the selected process" : "nothing is above this");
		return;
	case ACTION_DOWN:
	case ACTION_PAGE_DOWN:
	case ACTION_LAST:
		console_say(c, "nothing is below this");
		return;
	case ACTION_LEFT:
		console_say(c, key == 'h' ? "nothing is left of this; ? is the help" : "nothing is left of this");
		return;
	case ACTION_RIGHT:
		console_say(c, "nothing is right of this");
		return;
	case ACTION_DEEPER:
		console_say(c, "there is nothing to open here");
		return;
	case ACTION_BACK:
		console_say(c, "this is where you began: there is nothing to go back to");
		return;
	case ACTION_ESCAPE:
		console_say(c, "there is nothing to leave: no help, question, search, selection");
		return;
	case ACTION_LIVE:
		console_say(c, "these are the newest data, and they are followed");
		return;
	case ACTION_EARLIER:
	case ACTION_EARLIER_WINDOW:
	case ACTION_START:
		console_say(c, "this is the beginning of what is held");
		return;
	case ACTION_LATER:
	case ACTION_LATER_WINDOW:
		console_say(c, "this is the newest there is");
		return;
	case ACTION_WINDOW_LONGER:
		console_say(c, "this is the longest window");
		return;
	case ACTION_WINDOW_SHORTER:
		console_say(c, "a window is at least a sample long");
		return;
	case ACTION_TABLES:
	case ACTION_EVENTS:
	case ACTION_PANEL_1 ... ACTION_PANEL_0:
		snprintf(c->message, sizeof(c->message), "this is the panel %s; Tab shows the next", console_panel(c)->name);
		return;
	default:
		key_format(key, name);
		snprintf(c->message, sizeof(c->message), "%s (%s) has nothing to do here", name, b->help ? b->help : b->name);
	}
}

void console_say_unused(struct console *c, const struct binding *b, uint32_t key)
{
	char name[16];

	c->message_is_error = false;
	if (b) {
		say_bound(c, b, key);
		return;
	}
	for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++)
		if (habits[i].key == key) {
			console_say(c, habits[i].said);
			return;
		}
	key_format(key, name);
	for (size_t i = 0; i < c->npanels; i++) {
		const struct panel *p = console_panel_at(c, i);

		b = keys_find(p->keys, p->nkeys, key);
		if (b && b->help) {
			snprintf(c->message, sizeof(c->message), "%s is a key of %s: %s", name, p->name, b->help);
			return;
		}
	}
	snprintf(c->message, sizeof(c->message), "%s does nothing here: ? shows the keys", name);
}
