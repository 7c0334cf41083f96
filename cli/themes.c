#include "themes.h"

#include <stdio.h>
#include <stdlib.h>

#include "error.h"

const char *theme_config_dir(char *buf, size_t cap)
{
	const char *dir = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (dir && *dir)
		snprintf(buf, cap, "%s", dir);
	else if (home && *home)
		snprintf(buf, cap, "%s/.config", home);
	else
		return NULL;
	return buf;
}

void theme_of_options(const struct options *o, const char *config_dir, struct theme *theme, struct console *console)
{
	struct culprit_error error;

	if (theme_load(theme, o->theme ? o->theme : "default", config_dir, &error))
		console_say_also(console, error.sentence);
}
