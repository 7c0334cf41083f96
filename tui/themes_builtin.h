/* Texts of themes that are compiled in; theme.c reads them as it reads files. */
#ifndef TUI_THEMES_BUILTIN_H
#define TUI_THEMES_BUILTIN_H

#include <stddef.h>

struct theme_text {
	const char *name, *text;
};

extern const struct theme_text themes_builtin[];
extern const size_t nthemes_builtin;

#endif
