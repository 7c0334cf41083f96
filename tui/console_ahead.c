/* Reading ahead. At another panel, or another time, all that it shows has to be decoded first: of ten thousand processes that takes
 * longer than one likes to wait for a key. So the cursors are moved before the panel is asked, in pieces between which keys are taken;
 * the panel itself never sees half of it. */
#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "console_state.h"
#include "query.h"

enum { READS_MAX = 4 };

void console_set_waiting(struct console *c, bool (*waiting)(void *of), void *of)
{
	c->waiting = waiting;
	c->waiting_of = of;
}

static bool over(void *of)
{
	const struct console *c = of;

	return (c->waiting && c->waiting(c->waiting_of)) ||
	       c->options.clock->now_ns(c->options.clock, CULPRIT_MONOTONIC) >= c->ahead_until_ns;
}

static size_t reads(const struct console *c, struct panel_read *list)
{
	const struct panel *p = console_panel(c);
	const void *state = c->states[c->current];
	struct panel_time time = console_time(c);
	const char *table;

	if (p->reads)
		return p->reads(state, console_lens(c), &time, list, READS_MAX);
	table = p->table ? p->table(state) : NULL;
	if (!table || !*table)
		return 0;
	list[0] = (struct panel_read){.lens = *console_lens(c), .table = table};
	return 1;
}

bool console_ahead(struct console *c, uint64_t ns)
{
	const struct patience patience = {over, c};
	struct view *view = c->options.view;
	struct panel_read list[READS_MAX];
	size_t n;
	int r = 0;

	if (!view || !c->options.clock)
		return true;
	if (!c->reader && !(c->reader = query_create(view)))
		return true;
	n = reads(c, list);
	c->ahead_until_ns = c->options.clock->now_ns(c->options.clock, CULPRIT_MONOTONIC) + ns;
	view_set_patience(view, &patience);
	for (size_t i = 0; i < n && r != -EINTR; i++) {
		const struct lens *l = &list[i].lens;
		struct lens before = lens_window(l->baseline_from_ns, l->baseline_to_ns);

		view_expect(view, list[i].also);
		r = query_ahead(c->reader, l, list[i].table, list[i].own ? QUERY_OWN : 0);
		if (r != -EINTR && l->has_baseline && !view_baseline(view))
			r = query_ahead(c->reader, &before, list[i].table, list[i].own ? QUERY_OWN : 0);
	}
	view_expect(view, NULL);
	view_set_patience(view, NULL);
	c->gone = r == -EINTR ? view_gone(view) : 1;
	return r != -EINTR;
}

void console_ahead_say(const struct console *c, char *out, size_t cap)
{
	size_t n = (size_t)snprintf(out, cap, "reading ...");

	if (c->ahead && n < cap)
		n += (size_t)snprintf(out + n, cap - n, " %.0f%%", c->gone * 100);
	if (c->nheld && n < cap)
		snprintf(out + n, cap - n, "; %zu key%s for it", c->nheld, c->nheld > 1 ? "s" : "");
}

bool console_leads_somewhere(int action)
{
	switch (action) {
	case ACTION_TABLES:
	case ACTION_EVENTS:
	case ACTION_EARLIER:
	case ACTION_LATER:
	case ACTION_EARLIER_WINDOW:
	case ACTION_LATER_WINDOW:
	case ACTION_LIVE:
	case ACTION_START:
	case ACTION_WINDOW_LONGER:
	case ACTION_WINDOW_SHORTER:
		return true;
	default:
		return action >= ACTION_PANEL_1 && action <= ACTION_PANEL_0;
	}
}

/* Actions that ask nothing of what is being read, and that may lead away from it. */
static bool goes_at_once(int action)
{
	switch (action) {
	case ACTION_NEXT_PANEL:
	case ACTION_PREVIOUS_PANEL:
	case ACTION_PAUSE:
	case ACTION_BACK:
	case ACTION_ESCAPE:
	case ACTION_HELP:
	case ACTION_REDRAW:
	case ACTION_QUIT:
	case ACTION_MOUSE:
		return true;
	default:
		return console_leads_somewhere(action);
	}
}

/* Those behind which others are typed, that mean something else then. */
static bool begins_typing(int action)
{
	return action == ACTION_FIND || action == ACTION_FILTER || action == ACTION_COMMAND || action == ACTION_SIGNAL || action == ACTION_MARK;
}

/* More are held than anybody types meanwhile: now it is waited for. */
static void read_all(struct console *c)
{
	bool (*waiting)(void *of) = c->waiting;

	c->waiting = NULL;
	c->deferred = true;
	while (!console_update(c))
		;
	c->waiting = waiting;
	console_catch_up(c);
}

bool console_hold(struct console *c, const struct key *key, const struct binding *b)
{
	int action = b ? b->action : ACTION_NONE;

	if (!c->ahead)
		return false;
	if (action == ACTION_ESCAPE && c->nheld) {
		c->nheld = 0;
		c->held_typing = false;
		return true;
	}
	/* Where it would have been clicked is not to be seen. */
	if (key->code == KEY_MOUSE)
		return true;
	if (!c->held_typing && (!b || goes_at_once(action)))
		return false;
	if (c->nheld == HELD_MAX) {
		read_all(c);
		return false;
	}
	c->held_typing = c->held_typing || begins_typing(action);
	c->held[c->nheld++] = *key;
	return true;
}

bool console_catch_up(struct console *c)
{
	size_t n = c->nheld;

	if (!n || c->ahead)
		return false;
	c->nheld = 0;
	c->held_typing = false;
	for (size_t i = 0; i < n; i++)
		console_key(c, &c->held[i]);
	return true;
}

bool console_whole(const struct console *c)
{
	return !c->ahead && !c->deferred;
}
