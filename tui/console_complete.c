/* Tab on the line at the bottom: commands, their arguments, columns and values of a filter. */
#include <stdio.h>
#include <string.h>

#include "console_state.h"

/* Commands that take an argument. Every binding's name is a command as well, and every panel's. */
static const struct {
	const char *name, *help;
} commands[] = {
	{"panel", "panel NAME"},     {"filter", "filter EXPRESSION"}, {"find", "find TEXT"},
	{"window", "window 5m"},     {"goto", "goto 14:03 | -5m | start | end"},
	{"baseline", "baseline [none | 14:00 14:05]"},
	{"signal", "signal TERM | STOP | CONT | KILL"}, {"renice", "renice 10"}, {"ionice", "ionice idle"},
	{"mark", "mark TEXT"},	     {"marks", "marks"},
	{"sandbox", "sandbox"},
	{"interval", "interval 2s"},
	{"speed", "speed 10"},	     {"theme", "theme NAME"},     {"save", "save [FILE]"},	      {"print", "print [FILE]"},
	{"quit", "quit"},
};
enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const char *const intervals[] = {"200ms", "500ms", "1s", "2s", "5s", "10s"};

/* The i-th name that completes the first word; NULL after the last. */
static const char *first_word(const struct console *c, size_t i)
{
	const struct panel *p = console_panel(c);

	if (i < NCOMMANDS)
		return commands[i].name;
	i -= NCOMMANDS;
	if (i < c->npanels)
		return console_panel_at(c, i)->name;
	i -= c->npanels;
	if (i < p->nkeys)
		return p->keys[i].name;
	i -= p->nkeys;
	if (i < console_nkeys)
		return console_keys[i].name;
	i -= console_nkeys;
	return p->complete ? p->complete(c->states[c->current], "", i) : NULL;
}

static const char *argument(const struct console *c, const char *command, size_t i)
{
	const struct panel *p = console_panel(c);

	if (!strcmp(command, "panel"))
		return i < c->npanels ? console_panel_at(c, i)->name : NULL;
	if (!strcmp(command, "interval"))
		return i < sizeof(intervals) / sizeof(intervals[0]) ? intervals[i] : NULL;
	if (!strcmp(command, "theme"))
		return !c->themes ? theme_builtin_name(i) : i < c->nthemes ? c->themes[i] : NULL;
	if (console_act_argument(command, 0))
		return console_act_argument(command, i);
	return p->complete ? p->complete(c->states[c->current], command, i) : NULL;
}

enum { MATCHES_MAX = 64, NAME_MAX_SHOWN = 80 };

/* What begins like the word, each once. */
struct matches {
	const char *word;
	size_t len;
	char common[256]; /* what all begin with */
	char names[MATCHES_MAX][NAME_MAX_SHOWN];
	size_t n;
	bool more;
};

static void match(struct matches *m, const char *name)
{
	if (!*name || strncmp(name, m->word, m->len) || strlen(name) >= NAME_MAX_SHOWN)
		return;
	for (size_t i = 0; i < m->n; i++) {
		if (!strcmp(m->names[i], name))
			return;
	}
	if (!m->n)
		snprintf(m->common, sizeof(m->common), "%s", name);
	for (size_t k = 0; m->common[k]; k++) {
		if (m->common[k] != name[k]) {
			m->common[k] = 0;
			break;
		}
	}
	if (m->n < MATCHES_MAX)
		snprintf(m->names[m->n++], NAME_MAX_SHOWN, "%s", name);
	else
		m->more = true;
}

static bool in_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool in_value(char c)
{
	return in_name(c) || (c >= 'A' && c <= 'Z') || (c && strchr("-./:@+", c));
}

/* Where the last word of a filter begins, and what it is: "filter", a column's name, or "filter=user", a value of it. */
static const char *filter_word(const char *text, const char *end, char *command, size_t cap)
{
	const char *at = end, *op, *name;
	bool quoted;

	while (at > text && in_value(at[-1]))
		at--;
	quoted = at > text && at[-1] == '"';
	op = at - quoted;
	name = op;
	while (name > text && strchr("=~!<>", name[-1]))
		name--;
	if (name < op) {
		const char *from = name;

		while (from > text && in_name(from[-1]))
			from--;
		snprintf(command, cap, "filter=%.*s", (int)(name - from), from);
		return at;
	}
	for (at = end; at > text && in_name(at[-1]);)
		at--;
	snprintf(command, cap, "filter");
	return at;
}

static bool is_plain(const char *value)
{
	while (in_value(*value))
		value++;
	return !*value;
}

void console_complete(struct console *c)
{
	char command[64 + LENS_NAME_MAX] = "", line[PROMPT_MAX], others[PANEL_MESSAGE_MAX] = "";
	const char *text = c->prompt.text, *space = strchr(text, ' '), *end = text + c->prompt.len, *name, *after = "", *before = "";
	struct matches m = {.word = text};

	if (c->prompt_kind == PROMPT_FIND || c->prompt_kind == PROMPT_MARK)
		return;
	if (c->prompt_kind == PROMPT_FILTER || (space && !strncmp(text, "filter ", 7))) {
		m.word = filter_word(c->prompt_kind == PROMPT_FILTER ? text : space + 1, end, command, sizeof(command));
	} else if (space) {
		snprintf(command, sizeof(command), "%.*s", (int)(space - text < 60 ? space - text : 60), text);
		/* Of several arguments the last. */
		m.word = strrchr(text, ' ') + 1;
	}
	m.len = (size_t)(end - m.word);
	for (size_t i = 0; (name = *command ? argument(c, command, i) : first_word(c, i)); i++)
		match(&m, name);
	if (!m.n) {
		console_error(c, "nothing begins like that");
		return;
	}
	if (m.n == 1 && c->prompt_kind == PROMPT_COMMAND && !*command)
		after = " ";
	/* A value with blanks or signs in it stands in quotes. */
	if (!strncmp(command, "filter=", 7) && (m.word == text || m.word[-1] != '"') && !is_plain(m.common))
		before = "\"";
	if (!strncmp(command, "filter=", 7) && m.n == 1 && (*before || (m.word > text && m.word[-1] == '"')))
		after = "\"";
	snprintf(line, sizeof(line), "%.*s%s%s%s", (int)(m.word - text), text, before, m.common, after);
	prompt_set(&c->prompt, line);
	if (m.n == 1) {
		c->message[0] = 0;
		return;
	}
	for (size_t i = 0; i < m.n; i++) {
		size_t n = strlen(others);

		snprintf(others + n, sizeof(others) - n, "%s%s", n ? "  " : "", m.names[i]);
	}
	if (m.more)
		console_say(c, "there are many: type a little more");
	else
		console_say(c, others);
}
