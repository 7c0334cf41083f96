/* Themes: what a role looks like. A theme is a text file of lines `role = colour [on colour] [bold] [reverse]
 * [underline]`, where a colour is default, a name of the sixteen (red, bright-red), a number 0-255 or #rrggbb; `#` at the
 * start of a line begins a comment. What a theme doesn't say is as in the built-in "default", which uses the terminal's
 * own colours. Files are hostile: bounded, and each mistake is named with its line.
 *
 * What a terminal can show of it is in colour.c. */
#ifndef TUI_THEME_H
#define TUI_THEME_H

#include <culprit/types.h>

#include "role.h"

enum { COLOUR_DEFAULT = 0, COLOUR_INDEX = 1, COLOUR_RGB = 2 };

struct colour {
	uint8_t kind;
	uint8_t r, g, b; /* COLOUR_RGB */
	uint8_t index;   /* COLOUR_INDEX */
};

enum { STYLE_BOLD = 1, STYLE_REVERSE = 2, STYLE_UNDERLINE = 4 };

struct style {
	struct colour fg, bg;
	uint8_t attributes;
};

struct theme {
	char name[64];
	struct style styles[ROLE_COUNT];
};

enum { THEME_FILE_MAX = 64 * 1024, THEME_NAME_MAX = 64 };

/* The built-in theme of that name; false: there is none, and *ret is "default". */
bool theme_builtin(struct theme *ret, const char *name);
/* NULL after the last. */
const char *theme_builtin_name(size_t i);
/* Names of all that theme_load() would find, at most cap; returns how many. */
size_t theme_list(const char *config_dir, char (*names)[THEME_NAME_MAX], size_t cap);

/* Parses over what *theme holds. Lines with mistakes are left out; -EINVAL and a sentence that names the first of them as
 * file:line. */
int theme_parse(struct theme *theme, const char *file, const void *bytes, size_t n, struct culprit_error *);

/* Finds a theme by name (or by path, where the name holds a slash) in: config_dir/culprit/themes, then the install folder,
 * then /etc/culprit/themes, then the built-ins. *ret is usable whatever is returned: with a mistake in the file it is
 * the built-in default. -ENOENT, -EINVAL, -errno with a sentence. `config_dir`: $XDG_CONFIG_HOME or $HOME/.config, may be
 * NULL. */
int theme_load(struct theme *ret, const char *name, const char *config_dir, struct culprit_error *);

/* "default bold", "red", "#16181d": one style as in a theme file, NUL-terminated. */
int style_parse(struct style *ret, const char *text, size_t n, struct culprit_error *);
int style_format(const struct style *, char *out, size_t cap);

/* How many colours a terminal has. */
enum colour_depth { DEPTH_MONO = 0, DEPTH_8 = 8, DEPTH_16 = 16, DEPTH_256 = 256, DEPTH_RGB = 1 << 24 };
/* The nearest style that can be shown: below DEPTH_RGB, no colour is COLOUR_RGB; with DEPTH_MONO all are default. A bright
 * colour of a terminal with 8 becomes the plain one, bold. */
struct style style_reduce(struct style, enum colour_depth);

#endif
