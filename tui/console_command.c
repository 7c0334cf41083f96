#include "console_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "timeparse.h"
#include "units.h"

static const char *label_of(enum prompt_kind kind)
{
	return kind == PROMPT_MARK ? "mark: " : kind == PROMPT_FIND ? "find: " : kind == PROMPT_FILTER ? "filter: " : ":";
}

void console_prompt_open(struct console *c, enum prompt_kind kind)
{
	const struct lens *l = console_lens(c);

	c->prompt_kind = kind;
	if (kind == PROMPT_FIND && console_panel(c)->selection)
		console_panel(c)->selection(c->states[c->current], false);
	if (kind == PROMPT_FILTER)
		snprintf(c->filter_before, sizeof(c->filter_before), "%s", l->filter);
	prompt_init(&c->prompt, &c->histories[kind], kind == PROMPT_FILTER ? l->filter : "");
	c->message[0] = 0;
}

static void find_as_typed(struct console *c)
{
	const struct panel *p = console_panel(c);

	if (p->find && c->prompt.text[0] && !p->find(c->states[c->current], c->prompt.text, 0)) {
		console_error(c, "no row here holds that");
		return;
	}
	c->message[0] = 0;
	c->stale = true;
}

bool console_prompt_key(struct console *c, const struct key *key)
{
	enum prompt_kind kind = c->prompt_kind;
	enum prompt_result result;

	if (key->code == KEY_MOUSE)
		return false;
	result = prompt_key(&c->prompt, key);
	switch (result) {
	case PROMPT_COMPLETE:
		console_complete(c);
		return true;
	case PROMPT_CANCELLED:
		c->prompt_kind = PROMPT_NONE;
		/* What was found on the way was not meant. */
		if (kind == PROMPT_FIND && console_panel(c)->selection)
			console_panel(c)->selection(c->states[c->current], true);
		c->message[0] = 0;
		return true;
	case PROMPT_CHANGED:
		c->message[0] = 0;
		if (kind == PROMPT_FIND)
			find_as_typed(c);
		return true;
	case PROMPT_DONE:
		c->prompt_kind = PROMPT_NONE;
		c->message[0] = 0;
		if (kind == PROMPT_FIND) {
			snprintf(c->found, sizeof(c->found), "%s", c->prompt.text);
			find_as_typed(c);
		} else if (kind == PROMPT_FILTER) {
			console_set_filter(c, c->prompt.text);
		} else if (kind == PROMPT_MARK) {
			console_mark_done(c, c->prompt.text);
		} else {
			console_run_command(c, c->prompt.text);
		}
		return true;
	default:
		return true;
	}
}

static void go_to(struct console *c, const char *text)
{
	struct culprit_error error = {""};
	uint64_t at;

	if (!c->options.view) {
		console_error(c, "there is nothing recorded to go to");
	} else if (timeparse(c->options.view, text, 0, &at, &error)) {
		console_error(c, error.sentence);
	} else {
		if (at < c->now.from_ns || at > c->now.to_ns)
			console_say(c, "that lies outside of what is held: this is the end nearest to it");
		console_goto(c, at);
	}
}

static bool command_is(const char *line, size_t n, const char *name)
{
	return strlen(name) == n && !memcmp(line, name, n);
}

static void unknown(struct console *c, const char *line, size_t n)
{
	char shown[256];

	text_sanitise(shown, sizeof(shown), line, n, TEXT_UTF8);
	snprintf(c->message, sizeof(c->message), "there is no command \"%.200s\": Tab shows what there is", shown);
	c->message_is_error = true;
}

void console_run_command(struct console *c, const char *line)
{
	const struct panel *p = console_panel(c);
	struct culprit_error error = {""};
	const struct binding *b;
	const char *rest;
	char name[64];
	size_t n, panel;

	line += strspn(line, " ");
	n = strcspn(line, " ");
	rest = line + n + strspn(line + n, " ");
	if (!n)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : sizeof(name) - 1), line);
	if (console_act_command(c, name, rest)) {
		return;
	} else if (command_is(line, n, "window")) {
		uint64_t length;

		if (units_parse_duration(rest, &length, &error))
			console_error(c, error.sentence);
		else
			console_set_window(c, length);
	} else if (command_is(line, n, "filter") && *rest) {
		console_set_filter(c, rest);
	} else if (command_is(line, n, "find") && *rest) {
		snprintf(c->found, sizeof(c->found), "%s", rest);
		console_act(c, ACTION_FIND_NEXT);
	} else if (command_is(line, n, "goto")) {
		go_to(c, rest);
	} else if (command_is(line, n, "baseline")) {
		if (console_baseline_command(c, rest, &error))
			console_error(c, error.sentence);
	} else if (command_is(line, n, "marks") && !*rest) {
		console_mark_list(c);
	} else if (command_is(line, n, "mark") && *rest) {
		c->mark_ns = console_frame_shown(c);
		console_mark_done(c, rest);
	} else if (command_is(line, n, "sandbox") && !*rest) {
		console_say(c, c->sandbox[0] ? c->sandbox : "no sandbox: it is for recordings of others (replay)");
	} else if (command_is(line, n, "speed")) {
		if (console_play_speed(c, rest, &error))
			console_error(c, error.sentence);
	} else if (command_is(line, n, "interval")) {
		console_interval(c, rest);
	} else if (command_is(line, n, "theme")) {
		console_effect_push(c, EFFECT_THEME, false, *rest ? rest : "default");
	} else if (command_is(line, n, "save")) {
		console_save(c, rest);
	} else if (command_is(line, n, "print")) {
		console_effect_push(c, EFFECT_PRINT, false, rest);
	} else if (command_is(line, n, "panel")) {
		panel = console_find_panel(c, rest, strlen(rest));
		if (!console_show_panel(c, panel))
			console_error(c, "there is no such panel: Tab after panel shows them");
	} else if ((b = keys_find_name(p->keys, p->nkeys, line, n)) && !*rest) {
		console_act(c, b->action);
	} else if ((b = keys_find_name(console_keys, console_nkeys, line, n)) && !*rest) {
		console_act(c, b->action);
	} else if ((panel = console_find_panel(c, line, n)) < c->npanels && !*rest) {
		console_show_panel(c, panel);
	} else if (p->command && n < sizeof(name)) {
		struct panel_request request = {.want = WANT_NOTHING, .lens = *console_lens(c)};
		int err;

		memcpy(name, line, n);
		name[n] = 0;
		err = p->command(c->states[c->current], name, rest, &request, &error);
		if (err == -ENOENT)
			unknown(c, line, n);
		else if (err)
			console_error(c, error.sentence);
		else
			console_grant(c, PANEL_UPDATE, &request);
	} else {
		unknown(c, line, n);
	}
}

void console_sandbox(struct console *c, const char *sentence)
{
	snprintf(c->sandbox, sizeof(c->sandbox), "%s", sentence);
}

const char *console_prompt_label(const struct console *c)
{
	return label_of(c->prompt_kind);
}
