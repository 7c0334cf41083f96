#include "console_state.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "query.h"
#include "units.h"

#define SECOND 1000000000ULL

const struct panel *console_panel_at(const struct console *c, size_t i)
{
	return c->options.panels[i];
}

const struct panel *console_panel(const struct console *c)
{
	return console_panel_at(c, c->current);
}

void *console_panel_state(struct console *c, const char *name)
{
	size_t i = console_find_panel(c, name, strlen(name));

	return i < c->npanels ? c->states[i] : NULL;
}

struct lens *console_top(struct console *c)
{
	return lens_top(&c->stack);
}

const struct lens *console_lens(const struct console *c)
{
	return &c->stack.lens[c->stack.n - 1];
}

struct panel_time console_time(const struct console *c)
{
	return (struct panel_time){
		.first_ns = c->now.from_ns,
		.newest_ns = c->now.to_ns,
		.tick_ns = c->now.tick_ns,
		.wall_offset_ns = c->now.wall_offset_ns,
		.zone_offset_s = c->now.zone_offset_s,
		.served = c->options.mode == CONSOLE_LIVE,
		.width = c->panel_rect.w,
	};
}

size_t console_find_panel(const struct console *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->npanels; i++) {
		const struct panel *p = console_panel_at(c, i);

		if ((strlen(p->name) == len && !memcmp(p->name, name, len)) ||
		    (strlen(p->title) == len && !memcmp(p->title, name, len)))
			return i;
	}
	return c->npanels;
}

int console_create(struct console **ret, const struct console_options *options, struct culprit_error *error)
{
	struct console *c = calloc(1, sizeof(*c));
	struct lens lens = lens_live(options->window_ns ? options->window_ns : 60 * SECOND);

	if (!c)
		return error_set(error, -ENOMEM, "out of memory: the console cannot start");
	c->options = *options;
	c->now.self_percent = NAN;
	c->now.tick_ns = SECOND;
	c->player.speed = 1;
	lens_stack_init(&c->stack, &lens);
	while (c->npanels < PANELS_MAX && options->panels[c->npanels])
		c->npanels++;
	if (!c->npanels) {
		free(c);
		return error_set(error, -EINVAL, "the console has no panels");
	}
	if (options->panel) {
		c->current = console_find_panel(c, options->panel, strlen(options->panel));
		if (c->current == c->npanels) {
			char names[160] = "", shown[64];

			for (size_t i = 0; i < c->npanels; i++) {
				size_t n = strlen(names);

				snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
					 console_panel_at(c, i)->name);
			}
			text_sanitise(shown, sizeof(shown), options->panel, strlen(options->panel), TEXT_ASCII);
			free(c);
			return error_set(error, -EINVAL, "there is no panel \"%s\"; there are: %s", shown, names);
		}
	}
	for (size_t i = 0; i < c->npanels; i++) {
		const struct panel *p = console_panel_at(c, i);

		c->states[i] = p->create();
		if (!c->states[i]) {
			console_destroy(c);
			return error_set(error, -ENOMEM, "out of memory: the panel %s cannot be made", p->name);
		}
	}
	c->stale = true;
	*ret = c;
	return 0;
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->npanels; i++)
		if (c->states[i])
			console_panel_at(c, i)->destroy(c->states[i]);
	query_destroy(c->reader);
	for (size_t i = 0; i < sizeof(c->histories) / sizeof(c->histories[0]); i++)
		prompt_history_finish(&c->histories[i]);
	free(c->listing);
	free(c->themes);
	free(c);
}

void console_now(struct console *c, const struct console_now *now)
{
	const struct view *view = c->options.view;
	bool same = view && view_generation(view) == c->seen_generation && now->from_ns == c->now.from_ns &&
		    now->to_ns == c->now.to_ns && !c->room_changed && lens_equal(&c->seen_lens, console_lens(c));

	c->now = *now;
	c->now.host[sizeof(c->now.host) - 1] = 0;
	c->now.summary[sizeof(c->now.summary) - 1] = 0;
	c->now.notice[sizeof(c->now.notice) - 1] = 0;
	if (!c->now.tick_ns)
		c->now.tick_ns = SECOND;
	console_play_tick(c);
	/* Nothing new, nothing to ask: what a panel shows is of the data and of the lens. */
	c->stale = c->stale || !same;
	c->seen_generation = view ? view_generation(view) : 0;
}

void console_say(struct console *c, const char *sentence)
{
	snprintf(c->message, sizeof(c->message), "%s", sentence);
	c->message_is_error = false;
}

void console_say_also(struct console *c, const char *sentence)
{
	size_t n = strlen(c->message);

	snprintf(c->message + n, sizeof(c->message) - n, "%s%s", n ? "; " : "", sentence);
}

void console_error(struct console *c, const char *sentence)
{
	console_say(c, sentence);
	c->message_is_error = true;
}

void console_effect_push(struct console *c, enum console_effect_kind kind, bool on, const char *argument)
{
	struct console_effect *e;

	/* Nobody takes them: the newest one counts. */
	if (c->neffects == EFFECTS_MAX) {
		memmove(c->effects, c->effects + 1, (EFFECTS_MAX - 1) * sizeof(c->effects[0]));
		c->neffects--;
	}
	e = &c->effects[c->neffects++];
	e->kind = kind;
	e->on = on;
	e->time_ns = 0;
	snprintf(e->argument, sizeof(e->argument), "%s", argument ? argument : "");
}

bool console_effect(struct console *c, struct console_effect *ret)
{
	if (!c->neffects)
		return false;
	*ret = c->effects[0];
	memmove(c->effects, c->effects + 1, --c->neffects * sizeof(c->effects[0]));
	return true;
}

void console_window(const struct console *c, uint64_t *ret_from, uint64_t *ret_to, bool *ret_live)
{
	const struct lens *l = console_lens(c);

	lens_resolve(l, c->now.to_ns, ret_from, ret_to);
	*ret_live = l->live;
}

void console_goto(struct console *c, uint64_t to)
{
	uint64_t first = c->now.from_ns, newest = c->now.to_ns;

	/* The very first frame has nothing before it: there is no window that ends there. */
	if (to < first + c->now.tick_ns)
		to = first + c->now.tick_ns < newest ? first + c->now.tick_ns : first;
	if (to >= newest)
		lens_resume(console_top(c), newest);
	else
		lens_pause(console_top(c), to, newest);
	c->stale = true;
}

void console_set_window(struct console *c, uint64_t length)
{
	struct lens *l = console_top(c);
	uint64_t from, to;

	if (length < c->now.tick_ns)
		length = c->now.tick_ns;
	lens_resolve(l, c->now.to_ns, &from, &to);
	l->length_ns = length;
	if (!l->live)
		l->from_ns = to > length ? to - length : 0;
	c->stale = true;
}

void console_set_filter(struct console *c, const char *expression)
{
	const struct panel *p = console_panel(c);
	const char *table = p->table ? p->table(c->states[c->current]) : NULL;
	struct lens *l = console_top(c);

	snprintf(l->filter, sizeof(l->filter), "%s", expression);
	snprintf(l->filter_table, sizeof(l->filter_table), "%s", *expression && table ? table : "");
	c->stale = true;
}

bool console_show_panel(struct console *c, size_t panel)
{
	if (panel >= c->npanels)
		return false;
	if (panel != c->current) {
		c->nheld = 0;
		if (console_panel(c)->rest)
			console_panel(c)->rest(c->states[c->current]);
		c->seen_panel = 0;
	}
	c->current = panel;
	c->stale = true;
	c->trouble[0] = 0;
	return true;
}

bool console_back(struct console *c)
{
	size_t n = c->stack.n, panel;

	if (!lens_widen(&c->stack)) {
		console_say(c, "this is the whole host; there is nothing to go back to");
		return true;
	}
	panel = c->crumbs[n - 1].panel;
	if (c->crumbs[n - 1].window) {
		struct lens *l = console_top(c);
		const struct lens *before = &c->crumbs[n - 1].before;

		l->live = before->live;
		l->from_ns = before->from_ns;
		l->to_ns = before->to_ns;
		l->length_ns = before->length_ns;
	}
	return console_show_panel(c, panel < c->npanels ? panel : 0);
}

static bool deeper(struct console *c, const struct panel_request *r)
{
	size_t panel = r->panel ? console_find_panel(c, r->panel, strlen(r->panel)) : c->current;
	const struct lens *here = console_lens(c);
	struct crumb crumb = {.panel = c->current, .window = r->window, .before = *here};
	struct lens next = r->lens;

	if (panel >= c->npanels)
		return false;
	snprintf(crumb.label, sizeof(crumb.label), "%s", r->label);
	/* Going down never moves in time, but where a part of the time is what was chosen. */
	if (!r->window) {
		next.live = here->live;
		next.from_ns = here->from_ns;
		next.to_ns = here->to_ns;
		next.length_ns = here->length_ns;
	}
	next.has_baseline = here->has_baseline;
	next.baseline_from_ns = here->baseline_from_ns;
	next.baseline_to_ns = here->baseline_to_ns;
	if (c->stack.n == LENS_DEPTH)
		memmove(c->crumbs + 1, c->crumbs + 2, (CRUMBS_MAX - 2) * sizeof(c->crumbs[0]));
	lens_narrow(&c->stack, &next);
	c->crumbs[c->stack.n - 1] = crumb;
	return console_show_panel(c, panel);
}

void console_look(struct console *c, const struct lens *lens, const char *label)
{
	struct lens *top = lens_top(&c->stack);
	const struct lens_scope *s = &lens->scope;

	top->live = lens->live;
	top->from_ns = lens->from_ns;
	top->to_ns = lens->to_ns;
	top->length_ns = lens->length_ns;
	if (s->has_cgroup || s->has_process || s->has_thread) {
		struct panel_request deep = {.want = WANT_DEEPER, .lens = *lens};

		snprintf(deep.label, sizeof(deep.label), "%s", label);
		deep.lens.filter[0] = '\0';
		deeper(c, &deep);
	}
	if (lens->filter[0])
		console_set_filter(c, lens->filter);
	c->stale = true;
}

bool console_grant(struct console *c, enum panel_result result, const struct panel_request *r)
{
	char shown[PANEL_MESSAGE_MAX];
	struct lens before;

	if (result == PANEL_UPDATE)
		c->stale = true;
	switch (r->want) {
	case WANT_DEEPER:
		return deeper(c, r);
	case WANT_PANEL:
		return r->panel && console_show_panel(c, console_find_panel(c, r->panel, strlen(r->panel)));
	case WANT_FILTER:
		console_set_filter(c, r->message);
		return true;
	case WANT_TIME:
		before = *console_lens(c);
		console_goto(c, r->time_ns);
		if (lens_equal(console_lens(c), &before))
			console_say(c, "the window ends at this time already");
		return true;
	case WANT_MESSAGE:
		console_say(c, r->message);
		return true;
	case WANT_CONFIRM:
		dialog_init(&c->dialog, console_panel(c)->title, r->message, r->expect);
		c->asking = true;
		c->asks_to_save = c->asks_to_act = false;
		console_effect_push(c, EFFECT_DROP_INPUT, false, NULL);
		return true;
	case WANT_COPY:
		console_effect_push(c, EFFECT_COPY, false, r->message);
		text_sanitise(shown, sizeof(shown), r->message, strlen(r->message), TEXT_UTF8);
		snprintf(c->message, sizeof(c->message), "to the terminal's clipboard: %.460s", shown);
		c->message_is_error = false;
		return true;
	default:
		return result != PANEL_IGNORED;
	}
}

void console_quit(struct console *c)
{
	if (c->options.offer_save && !c->offered_save) {
		c->offered_save = true;
		c->asking = c->asks_to_save = true;
		c->asks_to_act = false;
		dialog_init(&c->dialog, "Quit",
			    "What was sampled is held in memory only. Save it to a file before quitting?", NULL);
		return;
	}
	console_effect_push(c, EFFECT_QUIT, false, NULL);
}

/* The next of the usual lengths. */
static void change_window(struct console *c, int direction)
{
	static const unsigned lengths[] = {1,	 2,    5,    10,   15,	 30,	60,    120,   300,
					   600, 1200, 1800, 3600, 7200, 21600, 43200, 86400};
	size_t n = sizeof(lengths) / sizeof(lengths[0]);
	uint64_t from, to;
	bool live;

	console_window(c, &from, &to, &live);
	for (size_t k = 0; k < n; k++) {
		uint64_t length = lengths[direction > 0 ? k : n - 1 - k] * SECOND;

		if (direction > 0 ? length > to - from : length < to - from && length >= c->now.tick_ns) {
			console_set_window(c, length);
			return;
		}
	}
}

static void scrub(struct console *c, int direction, bool window)
{
	uint64_t from, to, step = c->timeline_step_ns ? c->timeline_step_ns : c->now.tick_ns;
	bool live;

	console_window(c, &from, &to, &live);
	if (window)
		step = to - from;
	if (direction < 0) {
		if (to <= c->now.from_ns + c->now.tick_ns)
			console_say(c, "this is the beginning of what is held");
		console_goto(c, to > step ? to - step : 0);
	} else if (live) {
		console_say(c, "this is the newest there is");
	} else {
		console_goto(c, to + step);
	}
}

static bool find(struct console *c, int direction)
{
	const struct panel *p = console_panel(c);
	char shown[256];

	if (!c->found[0]) {
		console_say(c, "nothing was looked for yet: / asks for a text");
		return true;
	}
	/* What is said of the selected row is to be asked for. */
	if (p->find && p->find(c->states[c->current], c->found, direction)) {
		c->stale = true;
		return true;
	}
	text_sanitise(shown, sizeof(shown), c->found, strlen(c->found), TEXT_UTF8);
	snprintf(c->message, sizeof(c->message), "no row here holds \"%.250s\"", shown);
	c->message_is_error = true;
	return true;
}

static bool panel_by_key(struct console *c, uint32_t key)
{
	for (size_t i = 0; i < c->npanels; i++)
		if (console_panel_at(c, i)->key == key)
			return console_show_panel(c, i);
	console_say(c, "there is no such panel");
	return true;
}

static bool give_to_panel(struct console *c, int action)
{
	struct panel_request request = {.want = WANT_NOTHING, .lens = *console_lens(c)};
	enum panel_result result = console_panel(c)->action(c->states[c->current], action, &request);

	return console_grant(c, result, &request);
}

bool console_act(struct console *c, int action)
{
	char line[2048], shown[512];

	if (action >= ACTION_PANEL || (action >= ACTION_UP && action <= ACTION_LAST_FOR_PANEL))
		return give_to_panel(c, action);
	if (action >= ACTION_PANEL_1 && action <= ACTION_PANEL_0)
		return panel_by_key(c, action == ACTION_PANEL_0 ? '0' : (uint32_t)('1' + action - ACTION_PANEL_1));
	if (console_play_act(c, action))
		return true;
	if ((action == ACTION_BACK || action == ACTION_ESCAPE) && console_panel(c)->escape &&
	    console_panel(c)->escape(c->states[c->current])) {
		c->stale = true;
		return true;
	}
	switch (action) {
	case ACTION_BACK:
		return console_back(c);
	case ACTION_NEXT_PANEL:
		return console_show_panel(c, (c->current + 1) % c->npanels);
	case ACTION_PREVIOUS_PANEL:
		return console_show_panel(c, (c->current + c->npanels - 1) % c->npanels);
	case ACTION_TABLES:
		return panel_by_key(c, 't');
	case ACTION_EVENTS:
		return panel_by_key(c, 'e');
	case ACTION_EARLIER:
	case ACTION_LATER:
		scrub(c, action == ACTION_EARLIER ? -1 : 1, false);
		return true;
	case ACTION_EARLIER_WINDOW:
	case ACTION_LATER_WINDOW:
		scrub(c, action == ACTION_EARLIER_WINDOW ? -1 : 1, true);
		return true;
	case ACTION_MARK:
		console_mark_open(c);
		return true;
	case ACTION_BASELINE:
		console_baseline_key(c);
		return true;
	case ACTION_WINDOW_LONGER:
	case ACTION_WINDOW_SHORTER:
		change_window(c, action == ACTION_WINDOW_LONGER ? 1 : -1);
		return true;
	case ACTION_FIND:
		console_prompt_open(c, PROMPT_FIND);
		return true;
	case ACTION_FILTER:
		console_prompt_open(c, PROMPT_FILTER);
		return true;
	case ACTION_COMMAND:
		console_prompt_open(c, PROMPT_COMMAND);
		return true;
	case ACTION_FIND_NEXT:
	case ACTION_FIND_PREVIOUS:
		return find(c, action == ACTION_FIND_NEXT ? 1 : -1);
	case ACTION_HELP:
		free(c->listing);
		c->listing = NULL;
		c->helping = true;
		c->help_top = 0;
		return true;
	case ACTION_VERDICT:
		console_verdict(c);
		return true;
	case ACTION_REDRAW:
		console_effect_push(c, EFFECT_REDRAW, false, NULL);
		return true;
	case ACTION_SAVE:
		console_save(c, NULL);
		return true;
	case ACTION_PRINT:
		console_effect_push(c, EFFECT_PRINT, false, NULL);
		return true;
	case ACTION_COPY:
		console_command_line(c, line, sizeof(line));
		console_effect_push(c, EFFECT_COPY, false, line);
		text_sanitise(shown, sizeof(shown), line, strlen(line), TEXT_UTF8);
		snprintf(c->message, sizeof(c->message), "to the terminal's clipboard: %.460s", shown);
		return true;
	case ACTION_SIGNAL:
		console_act_open(c);
		return true;
	case ACTION_INSPECT:
		console_inspect(c);
		return true;
	case ACTION_MOUSE:
		c->mouse = !c->mouse;
		console_effect_push(c, EFFECT_MOUSE, c->mouse, NULL);
		/* In other monitors it sorts by memory. */
		snprintf(c->message, sizeof(c->message), "mouse %s%s", c->mouse ? "on: the terminal doesn't select text now" : "off",
			 keys_find(console_panel(c)->keys, console_panel(c)->nkeys, 's') ? "; s sorts" : "");
		return true;
	case ACTION_QUIT:
		console_quit(c);
		return true;
	default:
		return false;
	}
}

void console_save(struct console *c, const char *file)
{
	if (c->options.mode == CONSOLE_REPLAY)
		console_error(c, "a replay holds nothing that is not in its file: culprit cut FILE -o OUT makes a piece of that; a pipe is "
				 "kept by: ... | tee FILE | culprit replay -");
	else
		console_effect_push(c, EFFECT_SAVE, false, file);
}

void console_list(struct console *c, const char *title, char *text)
{
	free(c->listing);
	c->listing = text;
	snprintf(c->listing_title, sizeof(c->listing_title), "%s", title);
	c->helping = true;
	c->help_top = 0;
}

static bool help_key(struct console *c, const struct key *key)
{
	const struct binding *b = keys_find(console_keys, console_nkeys, key->code);
	size_t page = c->panel_rect.h > 2 ? (size_t)c->panel_rect.h - 1 : 1;
	struct keys_table tables[2] = {console_panel_keys(c), console_own_keys(c)};
	size_t lines = dialog_help(NULL, c->panel_rect, "", c->listing ? c->listing : console_panel(c)->help, tables,
				   c->listing ? 0 : 2, 0);
	size_t last = lines > (size_t)c->panel_rect.h ? lines - (size_t)c->panel_rect.h : 0;

	switch (b ? b->action : ACTION_NONE) {
	case ACTION_DOWN:
		c->help_top++;
		break;
	case ACTION_UP:
		c->help_top -= c->help_top > 0;
		break;
	case ACTION_PAGE_DOWN:
	case ACTION_PAUSE:
		c->help_top += page;
		break;
	case ACTION_PAGE_UP:
		c->help_top = c->help_top > page ? c->help_top - page : 0;
		break;
	case ACTION_FIRST:
		c->help_top = 0;
		break;
	case ACTION_LAST:
		c->help_top = last;
		break;
	case ACTION_HELP:
	case ACTION_ESCAPE:
	case ACTION_BACK:
	case ACTION_QUIT:
	case ACTION_DEEPER:
		c->helping = false;
		break;
	default:
		return false;
	}
	if (c->help_top > last)
		c->help_top = last;
	return true;
}

static bool question_key(struct console *c, const struct key *key)
{
	enum dialog_result answer = dialog_key(&c->dialog, key);
	const struct panel *p = console_panel(c);

	if (answer == DIALOG_OPEN)
		return true;
	c->asking = false;
	if (c->asks_to_save) {
		c->asks_to_save = false;
		if (answer == DIALOG_YES)
			console_effect_push(c, EFFECT_SAVE, false, NULL);
		if (answer != DIALOG_CANCELLED)
			console_effect_push(c, EFFECT_QUIT, false, NULL);
		return true;
	}
	if (c->asks_to_act) {
		console_act_answered(c, answer == DIALOG_YES);
		return true;
	}
	if (answer == DIALOG_YES && p->confirmed) {
		struct panel_request request = {.want = WANT_NOTHING, .lens = *console_lens(c)};

		console_grant(c, p->confirmed(c->states[c->current], &request), &request);
	} else {
		console_say(c, "nothing was done");
	}
	return true;
}

static bool mouse_key(struct console *c, const struct key *key)
{
	const struct panel *p = console_panel(c);
	struct rect r = c->panel_rect;

	if (key->button == MOUSE_WHEEL_UP || key->button == MOUSE_WHEEL_DOWN) {
		for (int i = 0; i < 3; i++)
			give_to_panel(c, key->button == MOUSE_WHEEL_UP ? ACTION_UP : ACTION_DOWN);
		return true;
	}
	if (key->button != MOUSE_LEFT)
		return false;
	if (key->y == 1)
		for (size_t i = 0; i < c->npanels; i++)
			if (c->tab_w[i] && key->x >= c->tab_x[i] && key->x < c->tab_x[i] + c->tab_w[i])
				return console_show_panel(c, i);
	if (p->click && key->x >= r.x && key->x < r.x + r.w && key->y >= r.y && key->y < r.y + r.h) {
		struct panel_request request = {.want = WANT_NOTHING, .lens = *console_lens(c)};
		enum panel_result result = p->click(c->states[c->current], r, key->x, key->y, &request);

		return console_grant(c, result, &request);
	}
	return false;
}

static bool key_done(struct console *c, const struct key *key)
{
	const struct panel *p = console_panel(c);
	bool said = c->message[0], playing;
	const struct binding *b;
	struct lens before;
	size_t current;

	if (!c->prompt_kind)
		c->message[0] = 0;
	/* A picture that something else wrote into is mended everywhere: in a question, in a line that is typed. */
	if (key->code == KEY_CTRL('l')) {
		console_effect_push(c, EFFECT_REDRAW, false, NULL);
		return true;
	}
	if (c->asking)
		return question_key(c, key);
	if (c->helping)
		return help_key(c, key) || said;
	if (c->prompt_kind)
		return console_prompt_key(c, key);
	if (key->code == KEY_MOUSE)
		return console_hold(c, key, NULL) || mouse_key(c, key) || said;
	b = keys_find(p->keys, p->nkeys, key->code);
	if (!b)
		b = keys_find(console_keys, console_nkeys, key->code);
	if (console_hold(c, key, b))
		return true;
	before = *console_lens(c);
	current = c->current;
	playing = c->player.playing;
	/* One that leads to where one is does nothing either. */
	if (!b || !console_act(c, b->action) ||
	    (console_leads_somewhere(b->action) && c->current == current && !playing && lens_equal(console_lens(c), &before)))
		if (!c->message[0])
			console_say_unused(c, b, key->code);
	return true;
}

bool console_key(struct console *c, const struct key *key)
{
	bool before = c->stale, did = key_done(c, key);

	c->keyed |= c->stale && !before;
	/* It is answered first; what is being read goes on after that. */
	c->deferred = false;
	return did;
}

void console_type(struct console *c, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		struct key key = {0};
		size_t k = text_decode((const uint8_t *)text, n, &key.code);

		if (k)
			console_key(c, &key);
		text += k ? k : 1;
		n -= k ? k : 1;
	}
}

size_t console_interests(struct console *c, struct culprit_interest *list, size_t cap)
{
	const struct panel *p = console_panel(c);

	return p->interests ? p->interests(c->states[c->current], console_lens(c), list, cap) : 0;
}

/* A word as a shell takes it. Bytes that a terminal would act on when it is pasted are written out: $'\x1b'. */
static void quote(char *out, size_t cap, const char *text)
{
	bool plain = true;
	size_t n = 0;

	if (cap < 8)
		return;
	for (const char *p = text; *p; p++)
		plain = plain && (unsigned char)*p >= ' ' && *p != 0x7f;
	if (!plain)
		out[n++] = '$';
	out[n++] = '\'';
	for (; *text && n + 6 < cap; text++) {
		if (!plain && ((unsigned char)*text < ' ' || *text == 0x7f || *text == '\'' || *text == '\\')) {
			n += (size_t)snprintf(out + n, cap - n, "\\x%02x", (unsigned char)*text);
		} else if (*text == '\'') {
			memcpy(out + n, "'\\''", 4);
			n += 4;
		} else {
			out[n++] = *text;
		}
	}
	out[n++] = '\'';
	out[n] = 0;
}

/* How the panel differs from what it is at first. */
static void put_settings(const struct console *c, char *out, size_t cap)
{
	struct settings *s = console_panel(c)->keep ? settings_create() : NULL;
	const char *name, *value;
	char pair[SETTING_NAME_MAX + SETTING_VALUE_MAX + 2], word[2 * sizeof(pair)];

	if (!s)
		return;
	console_panel(c)->keep(c->states[c->current], console_panel(c)->name, s);
	for (size_t i = 0; settings_at(s, i, &name, &value); i++) {
		size_t n = strlen(out);

		snprintf(pair, sizeof(pair), "%s=%s", name, value);
		quote(word, sizeof(word), pair);
		snprintf(out + n, cap - n, " --set %s", word);
	}
	settings_destroy(s);
}

void console_command_line(const struct console *c, char *out, size_t cap)
{
	const struct lens *l = console_lens(c);
	char word[1100];
	uint64_t from, to;
	bool live;
	size_t n;

	console_window(c, &from, &to, &live);
	snprintf(out, cap, "%s --panel %s", c->options.command ? c->options.command : "culprit", console_panel(c)->name);
	if (!live) {
		char a[64], b[64];

		units_rfc3339(a, sizeof(a), (int64_t)from + c->now.wall_offset_ns, c->now.zone_offset_s);
		units_rfc3339(b, sizeof(b), (int64_t)to + c->now.wall_offset_ns, c->now.zone_offset_s);
		n = strlen(out);
		snprintf(out + n, cap - n, " --from %s --to %s", a, b);
	}
	if (console_baseline_here(c, &from, &to)) {
		char a[64], b[64];

		units_rfc3339(a, sizeof(a), (int64_t)from + c->now.wall_offset_ns, c->now.zone_offset_s);
		units_rfc3339(b, sizeof(b), (int64_t)to + c->now.wall_offset_ns, c->now.zone_offset_s);
		n = strlen(out);
		snprintf(out + n, cap - n, " --baseline-from %s --baseline-to %s", a, b);
	}
	if (l->scope.has_cgroup) {
		quote(word, sizeof(word), l->scope.cgroup);
		n = strlen(out);
		snprintf(out + n, cap - n, " --cgroup %s", word);
	}
	put_settings(c, out, cap);
	n = strlen(out);
	if (l->scope.has_process)
		snprintf(out + n, cap - n, " --pid %llu", (unsigned long long)l->scope.pid);
	n = strlen(out);
	if (l->scope.has_thread)
		snprintf(out + n, cap - n, " --tid %llu", (unsigned long long)l->scope.tid);
	if (l->filter[0]) {
		quote(word, sizeof(word), l->filter);
		n = strlen(out);
		snprintf(out + n, cap - n, " --filter %s", word);
	}
}
