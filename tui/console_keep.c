/* What is remembered from one run to the next. Kept and read it is by who runs the console. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console_state.h"
#include "units.h"

enum { INTERVAL_MIN_NS = 10000000 };

void console_keep(const struct console *c, struct settings *s)
{
	/* What the command line said was meant for once. */
	if (!c->options.panel)
		settings_set(s, "panel", c->current ? console_panel(c)->name : "");
	if (c->theme[0])
		settings_set(s, "theme", c->theme);
	if (c->interval[0])
		settings_set(s, "interval", c->interval);
	for (size_t i = 0; i < c->npanels; i++) {
		const struct panel *p = console_panel_at(c, i);

		if (p->keep)
			p->keep(c->states[i], p->name, s);
	}
}

void console_restore(struct console *c, const struct settings *s, bool panel)
{
	const char *name = panel && !c->options.panel ? settings_get(s, "panel") : NULL;
	size_t at = name ? console_find_panel(c, name, strlen(name)) : c->npanels;

	/* One that there is no more is no reason to complain. */
	if (at < c->npanels)
		console_show_panel(c, at);
	for (size_t i = 0; i < c->npanels; i++) {
		const struct panel *p = console_panel_at(c, i);

		if (p->restore)
			p->restore(c->states[i], p->name, s);
	}
	c->stale = true;
}

void console_themes(struct console *c, char (*names)[THEME_NAME_MAX], size_t n)
{
	free(c->themes);
	c->themes = malloc((n ? n : 1) * sizeof(*names));
	c->nthemes = c->themes ? n : 0;
	if (c->themes)
		memcpy(c->themes, names, n * sizeof(*names));
}

void console_theme(struct console *c, const char *name)
{
	snprintf(c->theme, sizeof(c->theme), "%s", name);
}

void console_interval(struct console *c, const char *text)
{
	struct culprit_error error = {""};
	uint64_t ns;

	if (units_parse_duration(text, &ns, &error) || ns < INTERVAL_MIN_NS) {
		console_error(c, error.sentence[0] ? error.sentence : "at most 100 samples a second: interval 10ms");
		return;
	}
	if (c->options.mode == CONSOLE_REPLAY) {
		console_error(c, "this is a recording: its samples are as far apart as they were taken (culprit info FILE says it)");
		return;
	}
	console_effect_push(c, EFFECT_INTERVAL, false, NULL);
	c->effects[c->neffects - 1].time_ns = ns;
}

void console_interval_set(struct console *c, uint64_t interval_ns)
{
	static const struct {
		uint64_t ns;
		const char *name;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
	size_t i = 0;

	/* As it can be typed again, to the last digit. */
	while (interval_ns % units[i].ns)
		i++;
	snprintf(c->interval, sizeof(c->interval), "%" PRIu64 "%s", interval_ns / units[i].ns, units[i].name);
}
