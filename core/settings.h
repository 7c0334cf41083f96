/* What is remembered from one run to the next: lines of `name = value` in a file of text that begins with its version.
 * Names and values are the business of whoever keeps them; a name that nobody knows stays in the file. The file is
 * hostile: bounded, and a mistake in it is named with its line. It is replaced whole or not at all.
 *
 *	culprit-settings 1
 *	# a comment
 *	theme = dark
 *	processes.columns = pid user cpu command
 */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <culprit/types.h>

enum {
	SETTINGS_MAX = 128,
	SETTINGS_FILE_MAX = 64 * 1024,
	SETTING_NAME_MAX = 64,    /* [a-z0-9._-], with the zero at the end */
	SETTING_VALUE_MAX = 2300, /* any text of one line, blanks at its ends cut off */
	SETTINGS_VERSION = 1,
};

struct settings;

struct settings *settings_create(void); /* NULL: out of memory */
void settings_destroy(struct settings *); /* NULL-safe */

/* NULL: there is none. Borrowed until the next change. */
const char *settings_get(const struct settings *, const char *name);
/* The i-th by name; false: there is none. */
bool settings_at(const struct settings *, size_t i, const char **ret_name, const char **ret_value);
/* The same of "a.b", of which a is `of`. */
const char *settings_get_of(const struct settings *, const char *of, const char *name);
/* NULL or "": removed. -EINVAL: no name, or a value of several lines or unprintable bytes; -ENOSPC; -ENOMEM. */
int settings_set(struct settings *, const char *name, const char *value);
int settings_set_of(struct settings *, const char *of, const char *name, const char *value);

/* Adds what the bytes say over what there is. -EINVAL with "file:line: ...", nothing taken; -ENOTSUP with a sentence: of a
 * newer version. */
int settings_parse(struct settings *, const char *file, const void *bytes, size_t n, struct culprit_error *);
/* The whole file, by name; heap, NUL-terminated. NULL: out of memory. */
char *settings_format(const struct settings *);

/* -ENOENT: there is no such file (no sentence); else as settings_parse(), or -errno with a sentence. */
int settings_read(struct settings *, const char *file, struct culprit_error *);
/* Written beside it, only for its owner (0600), then put in its place. -errno with a sentence; then the old one stands. */
int settings_write(const struct settings *, const char *file, struct culprit_error *);
/* Renames it to FILE.bad. -errno. */
int settings_set_aside(const char *file);

#endif
