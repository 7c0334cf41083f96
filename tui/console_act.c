/* What changes something on this machine: signals and priorities, of the process that is selected. Here it is asked and
 * confirmed; done it is by who runs the console (EFFECT_ACT), who makes sure that it still is that process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console_state.h"
#include "error.h"

static const char *const signals[] = {"TERM", "STOP", "CONT", "KILL"};
static const char *const classes[] = {"idle", "best-effort", "realtime", "none"};

const char *console_act_argument(const char *command, size_t i)
{
	if (!strcmp(command, "signal"))
		return i < 4 ? signals[i] : NULL;
	if (!strcmp(command, "ionice"))
		return i < 4 ? classes[i] : NULL;
	return NULL;
}

/* The process the cursor is on, else the one that one has gone down to. */
static bool find_target(struct console *c, struct panel_target *t)
{
	const struct lens *l = console_lens(c);

	memset(t, 0, sizeof(*t));
	if (console_panel(c)->target && console_panel(c)->target(c->states[c->current], t) && t->pid)
		return true;
	if (!l->scope.has_process)
		return false;
	t->pid = l->scope.pid;
	t->start_ticks = l->scope.start_ticks;
	for (size_t i = 1; i < c->stack.n; i++) {
		if (!c->stack.lens[i].scope.has_process)
			continue;
		snprintf(t->name, sizeof(t->name), "%.*s", (int)strcspn(c->crumbs[i].label, " "), c->crumbs[i].label);
		break;
	}
	return true;
}

/* Whether anything may be changed here, and what; says why not. */
static bool may_act(struct console *c, struct panel_target *t)
{
	if (c->options.mode == CONSOLE_REPLAY) {
		console_error(c, "this is a recording: its processes are not here, nothing can be sent or changed");
		return false;
	}
	if (c->options.readonly) {
		console_error(c, "read-only (--readonly, or a settings file): no signals, no renice, nothing is changed here");
		return false;
	}
	if (find_target(c, t))
		return true;
	console_error(c, "no process is selected here: go to Processes (2) and move to its row");
	return false;
}

void console_inspect(struct console *c)
{
	struct panel_target t;

	if (c->options.mode == CONSOLE_REPLAY) {
		console_error(c, "open files, limits and environment are never recorded: they can be read of a live process only");
		return;
	}
	if (!find_target(c, &t)) {
		console_error(c, "no process is selected here: go to Processes (2) and move to its row");
		return;
	}
	console_effect_push(c, EFFECT_INSPECT, false, NULL);
	c->effects[c->neffects - 1].action = (struct console_action){.pid = t.pid, .start_ticks = t.start_ticks};
	snprintf(c->effects[c->neffects - 1].action.name, sizeof(c->action.name), "%s", t.name);
}

void console_act_open(struct console *c)
{
	char shown[4 * sizeof(((struct panel_target *)0)->name) + 1], said[PANEL_MESSAGE_MAX];
	struct panel_target t;

	if (!may_act(c, &t))
		return;
	text_sanitise(shown, sizeof(shown), t.name, strlen(t.name), TEXT_UTF8);
	console_prompt_open(c, PROMPT_COMMAND);
	prompt_set(&c->prompt, "signal TERM");
	snprintf(said, sizeof(said), "to %s %llu: TERM, STOP, CONT, KILL", shown,
		 (unsigned long long)t.pid);
	console_say(c, said);
}

static int parse(const char *name, const char *argument, struct console_action *a, struct culprit_error *error)
{
	char *end;
	size_t n;

	if (!strcmp(name, "signal")) {
		a->kind = ACT_SIGNAL;
		for (int i = 0; i < 4; i++)
			if (!strcmp(argument, signals[i]))
				a->signal = signals[i];
		return a->signal ? 0 : error_set(error, -EINVAL, "signal TERM, STOP, CONT or KILL");
	}
	if (!strcmp(name, "renice")) {
		a->kind = ACT_RENICE;
		a->value = (int)strtol(argument, &end, 10);
		return *argument && !*end && a->value >= -20 && a->value <= 19 ?
			       0 :
			       error_set(error, -EINVAL, "renice -20 (first of all) to 19 (last of all); 0 is usual");
	}
	a->kind = ACT_IONICE;
	n = strcspn(argument, ": ");
	for (int i = 0; i < 4; i++)
		if (strlen(classes[i]) == n && !strncmp(argument, classes[i], n))
			a->class = classes[i];
	a->value = 4;
	if (argument[n]) {
		a->value = (int)strtol(argument + n + 1, &end, 10);
		if (!argument[n + 1] || *end || a->value < 0 || a->value > 7)
			a->class = NULL;
	}
	return a->class ? 0 : error_set(error, -EINVAL, "ionice idle, best-effort or realtime (with :0 first to :7 last), or none");
}

bool console_act_command(struct console *c, const char *name, const char *argument)
{
	char shown[4 * sizeof(((struct panel_target *)0)->name) + 1], text[PANEL_MESSAGE_MAX], what[64], pid[24];
	struct console_action action = {0};
	struct culprit_error error = {""};
	struct panel_target t;

	if (strcmp(name, "signal") && strcmp(name, "renice") && strcmp(name, "ionice"))
		return false;
	if (!may_act(c, &t))
		return true;
	if (parse(name, argument, &action, &error)) {
		console_error(c, error.sentence);
		return true;
	}
	action.pid = t.pid;
	action.start_ticks = t.start_ticks;
	snprintf(action.name, sizeof(action.name), "%s", t.name);
	text_sanitise(shown, sizeof(shown), t.name, strlen(t.name), TEXT_UTF8);
	snprintf(pid, sizeof(pid), "%llu", (unsigned long long)t.pid);
	if (action.kind == ACT_SIGNAL) {
		snprintf(what, sizeof(what), "Send %s", action.signal);
		snprintf(text, sizeof(text), "Send %s to %s, process %s?%s", action.signal, shown, pid,
			 !strcmp(action.signal, "KILL") ? " It ends at once and saves nothing." :
			 !strcmp(action.signal, "STOP") ? " It stands still until CONT." : "");
	} else if (action.kind == ACT_RENICE) {
		snprintf(what, sizeof(what), "Renice");
		snprintf(text, sizeof(text), "Set the nice value of all threads of %s, process %s, to %d?", shown, pid, action.value);
	} else {
		snprintf(what, sizeof(what), "Ionice");
		snprintf(text, sizeof(text), "Set the I/O class of all threads of %s, process %s, to %s?", shown, pid, argument);
	}
	c->action = action;
	c->asking = c->asks_to_act = true;
	c->asks_to_save = false;
	/* A signal takes the number, typed: a queued y must not send it. */
	dialog_init(&c->dialog, what, text, action.kind == ACT_SIGNAL ? pid : NULL);
	console_effect_push(c, EFFECT_DROP_INPUT, false, NULL);
	return true;
}

void console_act_answered(struct console *c, bool yes)
{
	c->asks_to_act = false;
	if (!yes) {
		console_say(c, "nothing was done");
		return;
	}
	console_effect_push(c, EFFECT_ACT, false, NULL);
	c->effects[c->neffects - 1].action = c->action;
}
