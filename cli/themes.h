/* Which theme is meant, and where themes lie. */
#ifndef CLI_THEMES_H
#define CLI_THEMES_H

#include "console.h"
#include "options.h"
#include "theme.h"

/* $XDG_CONFIG_HOME, or $HOME/.config, in `buf`; NULL: neither is set. */
const char *theme_config_dir(char *buf, size_t cap);
/* The theme of --theme, else "default". What is wrong with it is said on the console; *theme is usable in any case. */
void theme_of_options(const struct options *, const char *config_dir, struct theme *theme, struct console *);

#endif
