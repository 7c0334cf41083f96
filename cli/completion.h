/* What a shell completes after a word, from the tables that --help and the schema are made of. completion_bash.c and its
 * brothers print it in their shell's words. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include <stdio.h>

#include "options_table.h"
#include "schema.h"

enum complete {
	COMPLETE_NOTHING, /* a value nobody can guess: a time, a size */
	COMPLETE_FILES,
	COMPLETE_DIRS,
	COMPLETE_WORDS,
	COMPLETE_LIST,    /* words, comma-separated */
	COMPLETE_COLUMN,  /* of the table that was named */
	COMPLETE_COLUMNS, /* likewise, comma-separated */
	COMPLETE_PIDS,
	COMPLETE_GROUPS,
	COMPLETE_THEMES,  /* the built-in ones, and files where themes lie */
};

struct completion {
	struct schema *schema;
	/* Space-separated names of letters, digits, - and _ only. */
	char *verbs, *collectors, *tables, *stack_tables, *panels, *formats;
};

/* What may follow an option; `*ret_words` for COMPLETE_WORDS and COMPLETE_LIST, borrowed. */
enum complete completion_value(const struct completion *, const struct option_row *, const char **ret_words);
/* What the operand `i` of a verb may be. */
enum complete completion_operand(const struct completion *, enum verb, unsigned i, const char **ret_words);
/* The option row `i`, skipping hidden ones and those the verb doesn't know; `*i` moves past it. NULL: no more. */
const struct option_row *completion_option(enum verb, size_t *i);
/* The names of columns of a table, as --sort and --columns take them, each after a space. */
void completion_columns(const struct schema_table *, FILE *);
/* Text within '...': each of the characters in `escape` gets a backslash; ' is written as `quote`. */
void completion_quoted(const char *text, const char *quote, const char *escape, FILE *);

#define COMPLETION_THEMES "default dark"
/* Themes of the user, of the installation (a format, of the prefix), of the box. */
#define COMPLETION_THEME_DIRS "\"${XDG_CONFIG_HOME:-$HOME/.config}/culprit/themes\" '%s/share/culprit/themes' /etc/culprit/themes"

void completion_bash(const struct completion *, FILE *);
void completion_zsh(const struct completion *, FILE *);
void completion_fish(const struct completion *, FILE *);

#endif
