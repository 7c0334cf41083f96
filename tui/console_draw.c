#include "console_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bar.h"
#include "clock.h"
#include "dialog.h"
#include "units.h"

#define SECOND 1000000000LL
/* Of a tenth of a second, in which a key should be answered, painting and a sample that comes in between take their part. */
#define SLOW_NS 50000000u

/* So long a key may wait for what it asks for before it is said that it is read; and so long until it is said how far that is. */
#define GLANCE_NS 30000000u
#define PIECE_NS 250000000u

enum { SENTENCE_LINES = 3 };

/* Which lines there is room for. The panel comes first: a small terminal shows rows, not what stands around them. */
struct lines {
	int tabs, rule, timeline, keys; /* y; -1: not shown */
	struct rect panel;
};

/* What there is to say in the last line, and stays until it is read or over; NULL: nothing. */
static const char *sentence(const struct console *c)
{
	if (c->helping || c->prompt_kind)
		return NULL;
	return c->message[0] ? c->message : c->trouble[0] ? c->trouble : NULL;
}

/* A sentence that is cut tells half of what happened, and nothing of what to do: it gets the lines it needs, the panel's. */
static int last_lines(const struct console *c, int w, int h)
{
	const char *text = sentence(c);
	int n = 0;

	if (!text || w < 40 || h < 12)
		return 1;
	for (size_t next; *text && n < SENTENCE_LINES; text += next, n++)
		dialog_wrap(text, w, &next);
	return n;
}

static struct lines layout(int w, int h, int last)
{
	struct lines l = {-1, -1, -1, -1, {0, 0, w, h}};
	int top = h >= 3 ? 1 : 0, bottom = h;

	if (h >= 2)
		l.keys = bottom -= last;
	if (h >= 8)
		l.timeline = --bottom;
	if (h >= 7)
		l.tabs = top++;
	if (h >= 12)
		l.rule = top++;
	l.panel = (struct rect){0, top, w, bottom > top ? bottom - top : 0};
	return l;
}

struct rect console_rect_of_panel(int w, int h)
{
	return layout(w, h, 1).panel;
}

struct keys_table console_panel_keys(const struct console *c)
{
	const struct panel *p = console_panel(c);

	return (struct keys_table){"in this panel", p->keys, p->nkeys, c->options.mode == CONSOLE_REPLAY};
}

struct keys_table console_own_keys(const struct console *c)
{
	return (struct keys_table){"everywhere", console_keys, console_nkeys, c->options.mode == CONSOLE_REPLAY};
}

int console_cells(const struct surface *s, const char *text)
{
	struct text_iter it;
	struct text_unit unit;
	int w = 0;

	text_iter_init(&it, text, strlen(text), surface_form(s));
	it.keep_backslash = true;
	while (text_next(&it, &unit))
		w += unit.width;
	return w;
}

int64_t console_wall(const struct console *c, uint64_t mono)
{
	return (int64_t)mono + c->now.wall_offset_ns;
}

/* When: the widest form that leaves room for where. Returns its width. */
static int draw_when(const struct console *c, struct surface *s, int w)
{
	char clock[32], length[80], behind[40] = "", mode[32], brief[16], every[48] = "", tick[32], rest[4][200];
	/* Which mode goes with which rest. */
	const struct {
		const char *mode, *rest;
	} forms[] = {{mode, rest[0]}, {mode, rest[1]}, {mode, rest[2]}, {mode, rest[3]}, {brief, rest[3]}, {brief, ""}};
	uint64_t from, to;
	bool live;
	enum role role;
	int room = w * 2 / 3, width = 0;

	console_window(c, &from, &to, &live);
	role = live && c->options.mode == CONSOLE_LIVE ? ROLE_LIVE : ROLE_PAUSED;
	if (!c->now.to_ns) {
		width = console_cells(s, "no data yet");
		width = width > w ? w : width;
		surface_say(s, w - width, 0, width, ROLE_PAUSED, "no data yet");
		return width;
	}
	units_clock(clock, sizeof(clock), console_wall(c, to), c->now.zone_offset_s);
	units_duration(length, sizeof(length), to - from);
	/* A window that reaches behind what is held says how much of it there is. */
	if (from < c->now.from_ns) {
		uint64_t have = to - c->now.from_ns;
		char held[32], whole[32];

		if (have >= SECOND)
			have -= have % SECOND;

		snprintf(length, sizeof(length), "%s of %s", units_duration(held, sizeof(held), have),
			 units_duration(whole, sizeof(whole), to - from));
	}
	if (!live) {
		char ago[32];

		units_duration(ago, sizeof(ago), c->now.to_ns - to);
		snprintf(behind, sizeof(behind), "-%s ", ago);
	}
	/* Once a second is usual, and not said. */
	if (c->now.tick_ns != SECOND)
		snprintf(every, sizeof(every), "every %s ", units_duration(tick, sizeof(tick), c->now.tick_ns));
	console_play_say(c, mode, sizeof(mode), brief, sizeof(brief));
	snprintf(rest[0], sizeof(rest[0]), "%s%s %swin %s", behind, clock, every, length);
	snprintf(rest[1], sizeof(rest[1]), "%s%s win %s", behind, clock, length);
	snprintf(rest[2], sizeof(rest[2]), "%s win %s", clock, length);
	snprintf(rest[3], sizeof(rest[3]), "%s", clock);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		int mode_w = console_cells(s, forms[i].mode), k = mode_w + (*forms[i].rest ? 1 : 0) + console_cells(s, forms[i].rest);

		if (k > room && i + 1 < sizeof(forms) / sizeof(forms[0]))
			continue;
		width = k > w ? w : k;
		surface_say(s, w - width, 0, width, role, forms[i].mode);
		surface_say(s, w - width + mode_w + 1, 0, width - mode_w - 1, ROLE_TEXT, forms[i].rest);
		break;
	}
	return width;
}

/* Where: the way down, cut on its left, as its end is what one looks at. */
static void draw_where(const struct console *c, struct surface *s, int x, int w)
{
	char path[CRUMBS_MAX * (4 * PANEL_LABEL_MAX + 4)] = "HOST";
	const struct lens *l = console_lens(c);

	for (size_t i = 1; i < c->stack.n; i++) {
		char label[4 * PANEL_LABEL_MAX + 1];
		size_t n = strlen(path);

		text_sanitise(label, sizeof(label), c->crumbs[i].label, strlen(c->crumbs[i].label), surface_form(s));
		snprintf(path + n, sizeof(path) - n, " > %s", label);
	}
	x += surface_put(s, x, 0, w, ROLE_STRONG, PUT_OWN | PUT_CUT_LEFT, path, strlen(path));
	if (l->filter[0] && w - console_cells(s, path) > 8) {
		char filter[LENS_FILTER_MAX * 4 + 16];

		snprintf(filter, sizeof(filter), "  \\ %s", l->filter);
		surface_put(s, x, 0, w - console_cells(s, path), ROLE_ACCENT, PUT_OWN, filter, strlen(filter));
	}
}

static void draw_title(const struct console *c, struct surface *s, int w)
{
	char host[4 * sizeof(c->now.host) + 1], summary[4 * sizeof(c->now.summary) + 1];
	int when = draw_when(c, s, w), left = w - when - 1, x = 0, summary_w, filter;

	text_sanitise(host, sizeof(host), c->now.host, strlen(c->now.host), surface_form(s));
	text_sanitise(summary, sizeof(summary), c->now.summary, strlen(c->now.summary), surface_form(s));
	/* A filter hides rows: it is told before what hardly changes. */
	filter = console_lens(c)->filter[0] ? (int)strlen(console_lens(c)->filter) + 4 : 0;
	filter = filter > left / 2 ? left / 2 : filter;
	left -= filter;
	if (left < 4)
		return;
	if (left >= 8 + 1 + console_cells(s, host) + 2 + 4)
		x += surface_say(s, x, 0, left - x, ROLE_MUTED, "culprit") + 1;
	if (left - x >= console_cells(s, host) + 2 + 4)
		x += surface_say(s, x, 0, left - x, ROLE_TITLE, host) + 2;
	summary_w = console_cells(s, summary);
	/* What box it is stands there while nobody has gone down. */
	if (c->stack.n == 1 && summary_w && left - x >= summary_w + 3 + 4)
		x += surface_say(s, x, 0, left - x, ROLE_TEXT, summary) + 3;
	draw_where(c, s, x, left + filter - x);
}

static void draw_tabs(struct console *c, struct surface *s, int y, int w)
{
	bool titles;
	int x = 0, all = 0;

	for (size_t i = 0; i < c->npanels; i++)
		all += (console_panel_at(c, i)->key ? 1 : 0) + console_cells(s, console_panel_at(c, i)->title) + 1;
	/* Too narrow for the names of all: the others show their keys. */
	titles = all <= w - 8;
	for (size_t i = 0; i < c->npanels; i++) {
		const struct panel *p = console_panel_at(c, i);
		bool here = i == c->current;
		bool letter = p->key && !(p->key >= '0' && p->key <= '9');
		char text[64], key[16] = "";
		int k;

		if (p->key)
			key_format(p->key, key);
		snprintf(text, sizeof(text), "%s%s%s", key, letter && (titles || here) ? " " : "",
			 titles || here ? p->title : "");
		k = console_cells(s, text);
		c->tab_x[i] = x;
		c->tab_w[i] = 0;
		if (!k || x + k > w)
			continue;
		c->tab_w[i] = k;
		surface_say(s, x, y, k, here ? ROLE_TAB_HERE : ROLE_TAB, text);
		if (!here && *key)
			surface_say(s, x, y, console_cells(s, key), ROLE_KEY, key);
		x += k + 1;
	}
	if (w - x >= 7)
		surface_say(s, w - 6, y, 6, ROLE_HINT, ": more");
}

static void draw_rule(const struct console *c, struct surface *s, int y, int w)
{
	char notice[4 * sizeof(c->now.notice) + 1], baseline[256];
	int right;

	surface_hline(s, 0, y, w, ROLE_RULE);
	console_baseline_say(c, surface_form(s), baseline, sizeof(baseline));
	right = console_cells(s, baseline);
	if (right && right + 6 < w) {
		surface_char(s, w - right - 4, y, ROLE_RULE, ' ');
		surface_say(s, w - right - 3, y, right, ROLE_ACCENT, baseline);
		surface_char(s, w - 3, y, ROLE_RULE, ' ');
		w -= right + 3;
	}
	if (!c->now.notice[0])
		return;
	text_sanitise(notice, sizeof(notice), c->now.notice, strlen(c->now.notice), surface_form(s));
	if (w > 12) {
		int k = surface_say(s, 3, y, w - 6, ROLE_WARN, notice);

		surface_char(s, 2, y, ROLE_RULE, ' ');
		surface_char(s, 3 + k, y, ROLE_RULE, ' ');
	}
}

/* Keys, then one word: the keys stand out. */
static int draw_hint(struct surface *s, int x, int y, int w, const char *hint)
{
	const char *last = strrchr(hint, ' ');
	size_t n = last ? (size_t)(last - hint) : strlen(hint);
	int used = surface_put(s, x, y, w, ROLE_KEY, PUT_OWN, hint, n);

	if (last)
		used += surface_say(s, x + used, y, w - used, ROLE_HINT, last);
	return used;
}

enum { HINTS_MAX = 64 };

struct hint {
	const char *text;
	int rank; /* the smaller, the sooner it is shown */
	bool shown;
};

static int rank_of(const struct console *c, const struct binding *b)
{
	switch (b->action) {
	case ACTION_QUIT:
		return 0;
	case ACTION_HELP:
		return 1;
	case ACTION_BACK:
		return c->stack.n > 1 ? 2 : 100;
	case ACTION_DEEPER:
		return 3;
	case ACTION_PAUSE:
		return console_lens(c)->live && c->options.mode == CONSOLE_LIVE ? 4 : 1;
	case ACTION_EARLIER:
		return 5;
	case ACTION_FRAME_BACK:
	case ACTION_SLOWER:
	case ACTION_EVENT_NEXT:
	case ACTION_MARK:
		return c->options.mode == CONSOLE_REPLAY ? 5 : 100;
	case ACTION_SAVE:
		return c->options.mode == CONSOLE_REPLAY ? 100 : 8;
	case ACTION_FIND:
		return 7;
	default:
		return 8;
	}
}

/* Space leads back where it led away. */
static const char *hint_of(const struct console *c, const struct binding *b)
{
	bool moves = c->player.playing || (console_lens(c)->live && (c->options.mode == CONSOLE_LIVE || c->now.follows));

	if (b->action != ACTION_PAUSE || moves)
		return b->hint;
	return c->options.mode == CONSOLE_REPLAY ? "Space play" : "Space live";
}

static void draw_keys(const struct console *c, struct surface *s, int x, int y, int w)
{
	const struct panel *p = console_panel(c);
	struct hint hints[HINTS_MAX];
	bool replay = c->options.mode == CONSOLE_REPLAY;
	char self[64] = "";
	size_t n = 0;
	int self_w, used = 0, end = x + w;

	/* In a replay it is not ours that is told. */
	if (isfinite(c->now.self_percent))
		snprintf(self, sizeof(self), "%s %.1f%%", replay ? "recorder" : "self", c->now.self_percent);
	if (c->now.has_recorder && isfinite(c->now.recorder_percent)) {
		size_t at = strlen(self);

		snprintf(self + at, sizeof(self) - at, "%srecorder %.1f%%", at ? "  " : "", c->now.recorder_percent);
	}
	self_w = w >= 40 && !x ? console_cells(s, self) : 0;
	/* In the order of the tables, the panel's behind Enter and Backspace. */
	for (size_t i = 0; i < console_nkeys && n < HINTS_MAX; i++) {
		const struct binding *b = &console_keys[i];

		if (b->action == ACTION_EARLIER)
			for (size_t k = 0; k < p->nkeys && n < HINTS_MAX; k++)
				if (p->keys[k].hint)
					hints[n++] = (struct hint){p->keys[k].hint, 6, false};
		if (b->hint && n < HINTS_MAX && rank_of(c, b) < 100)
			hints[n++] = (struct hint){hint_of(c, b), rank_of(c, b), false};
	}
	for (int rank = 0; rank < 10; rank++) {
		for (size_t i = 0; i < n; i++) {
			int k = console_cells(s, hints[i].text);

			if (hints[i].rank != rank || used + (used ? 2 : 0) + k > w - (self_w && !replay ? self_w + 2 : 0))
				continue;
			hints[i].shown = true;
			used += (used ? 2 : 0) + k;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!hints[i].shown)
			continue;
		x += draw_hint(s, x, y, end - x, hints[i].text) + 2;
	}
	/* And there the keys come first. */
	if (self_w && (!replay || used + 2 + self_w <= w))
		surface_say(s, end - self_w, y, self_w, ROLE_MUTED, self);
}

/* Said in full where it fits; beside it, as far as there is room, the keys: the way out stays on the screen. */
static void draw_sentence(const struct console *c, struct surface *s, int y, int w, enum role role, const char *text)
{
	int used;

	for (size_t n, next; y + 1 < surface_height(s); text += next, y++) {
		n = dialog_wrap(text, w, &next);
		surface_put(s, 0, y, w, role, PUT_OWN, text, n);
	}
	used = surface_put(s, 0, y, w, role, PUT_OWN, text, strlen(text));
	if (used + 8 < w)
		draw_keys(c, s, used + 2, y, w - used - 2);
}

/* It may stand there for long: the way out has its room beside it. */
static void draw_status(const struct console *c, struct surface *s, int y, int w, const char *text)
{
	int room = w >= 40 ? w - 8 : w, used = surface_put(s, 0, y, room, ROLE_UNREAD, 0, text, strlen(text));

	if (used + 8 <= w)
		draw_keys(c, s, used + 2, y, w - used - 2);
}

static void draw_last_line(struct console *c, struct surface *s, int y, int w)
{
	char status[PANEL_MESSAGE_MAX] = "";
	const struct panel *p = console_panel(c);

	if (c->helping) {
		static const char *const hints[] = {"j k scroll", "? close", "q close"};
		int x = 0;

		for (int i = 0; i < 3; i++)
			x += draw_hint(s, x, y, w - x, hints[i]) + 2;
	} else if (c->prompt_kind && c->message[0] && w > 30) {
		/* What is wrong stands beside what is typed. */
		int half = console_cells(s, console_prompt_label(c)) + console_cells(s, c->prompt.text) + 2;

		/* It gets all that is left: names to choose from are many. */
		half = half > w / 2 ? w / 2 : half;
		prompt_draw(&c->prompt, s, 0, y, half, console_prompt_label(c));
		surface_say(s, half + 1, y, w - half - 1, c->message_is_error ? ROLE_WARN : ROLE_HINT, c->message);
	} else if (c->prompt_kind) {
		prompt_draw(&c->prompt, s, 0, y, w, console_prompt_label(c));
	} else if (sentence(c)) {
		draw_sentence(c, s, y, w, c->message[0] && !c->message_is_error ? ROLE_STRONG : ROLE_WARN, sentence(c));
	} else {
		if (p->status && !c->ahead)
			p->status(c->states[c->current], status, sizeof(status));
		status[sizeof(status) - 1] = 0;
		if (status[0])
			draw_status(c, s, y, w, status);
		else
			draw_keys(c, s, 0, y, w);
	}
}

/* Will asking take longer than one likes to wait for a key? Of a panel that was not shown yet as long as of the slowest. */
static bool is_slow(const struct console *c)
{
	uint64_t ns = c->update_ns[c->current];

	for (size_t i = 0; i < c->npanels && !c->update_ns[c->current]; i++)
		ns = c->update_ns[i] > ns ? c->update_ns[i] : ns;
	return ns > SLOW_NS;
}

bool console_update(struct console *c)
{
	const struct panel *p = console_panel(c);
	struct culprit_error error = {""};
	struct panel_time time = console_time(c);
	const struct clock *clock = c->options.clock;
	uint64_t begun_ns;

	if (!c->stale)
		return true;
	if (c->keyed && clock && !c->deferred && is_slow(c)) {
		c->deferred = true;
		return !c->ahead && c->seen_panel == c->current + 1 && lens_equal(&c->seen_lens, console_lens(c));
	}
	/* What is typed looks at the rows that are there. */
	if (c->keyed && !c->prompt_kind && !console_ahead(c, c->deferred ? PIECE_NS : GLANCE_NS)) {
		c->deferred = c->ahead = true;
		return false;
	}
	c->stale = c->keyed = c->deferred = c->ahead = false;
	c->trouble[0] = 0;
	begun_ns = clock ? clock->now_ns(clock, CULPRIT_MONOTONIC) : 0;
	if (p->update(c->states[c->current], c->options.view, console_lens(c), &time, &error))
		snprintf(c->trouble, sizeof(c->trouble), "%s", error.sentence);
	c->update_ns[c->current] = clock ? clock->now_ns(clock, CULPRIT_MONOTONIC) - begun_ns : 0;
	c->seen_panel = c->current + 1;
	c->seen_lens = *console_lens(c);
	return true;
}

void console_draw(struct console *c, struct surface *s)
{
	int w = surface_width(s), h = surface_height(s);
	const struct panel *p = console_panel(c);
	struct lines l = layout(w, h, last_lines(c, w, h));
	size_t help_lines = 0;
	char reading[64];
	struct rect clip;
	bool current;

	surface_clear(s);
	c->panel_rect = l.panel;
	current = console_update(c);
	/* By now it is known whether there is something to say. */
	l = layout(w, h, last_lines(c, w, h));
	c->panel_rect = l.panel;
	clip = surface_clip(s, l.panel);
	if (c->helping) {
		struct keys_table tables[2] = {console_panel_keys(c), console_own_keys(c)};

		help_lines = dialog_help(s, l.panel, c->listing ? c->listing_title : p->name, c->listing ? c->listing : p->help, tables,
					 c->listing ? 0 : 2, c->help_top);
	} else if (!current) {
		console_ahead_say(c, reading, sizeof(reading));
		surface_say(s, l.panel.x + 1, l.panel.y, l.panel.w - 1, ROLE_MUTED, reading);
	} else if (l.panel.h > 0) {
		p->draw(c->states[c->current], s, l.panel);
	}
	/* What a panel learns of its room on drawing counts for what it asks next. */
	c->room_changed = l.panel.w != c->drawn_w || l.panel.h != c->drawn_h;
	c->drawn_w = l.panel.w;
	c->drawn_h = l.panel.h;
	surface_set_cursor(s, -1, -1);
	surface_clip(s, clip);
	if (h >= 3)
		draw_title(c, s, w);
	if (l.tabs >= 0)
		draw_tabs(c, s, l.tabs, w);
	else
		memset(c->tab_w, 0, sizeof(c->tab_w));
	if (l.rule >= 0)
		draw_rule(c, s, l.rule, w);
	if (l.rule >= 0 && help_lines > (size_t)l.panel.h) {
		char place[64];
		size_t last = c->help_top + (size_t)l.panel.h;

		snprintf(place, sizeof(place), " lines %zu-%zu of %zu ", c->help_top + 1,
			 last < help_lines ? last : help_lines, help_lines);
		surface_say(s, w - console_cells(s, place) - 2, l.rule, console_cells(s, place), ROLE_MUTED, place);
	}
	if (l.timeline >= 0)
		console_draw_timeline(c, s, l.timeline, w);
	if (l.keys >= 0)
		draw_last_line(c, s, l.keys, w);
	if (c->asking)
		dialog_draw(&c->dialog, s, l.panel.h >= 3 ? l.panel : surface_rect(s));
}
