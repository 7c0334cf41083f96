/* culprit completion bash|zsh|fish: prints what that shell needs to complete culprit's words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "completion.h"
#include "error.h"
#include "flame_out.h"
#include "panels.h"
#include "table_help.h"
#include "verbs.h"

static const char shells[] = "bash zsh fish";

/* Options whose values are known; others of a FILE or DIR are files, and the rest is anybody's guess. */
static const struct {
	const char *name;
	enum complete what;
	size_t words; /* where in struct completion */
} values[] = {
	{"collect", COMPLETE_LIST, offsetof(struct completion, collectors)},
	{"without", COMPLETE_LIST, offsetof(struct completion, collectors)},
	{"panel", COMPLETE_WORDS, offsetof(struct completion, panels)},
	{"theme", COMPLETE_THEMES, 0},
	{"format", COMPLETE_WORDS, offsetof(struct completion, formats)},
	{"table", COMPLETE_WORDS, offsetof(struct completion, stack_tables)},
	{"sort", COMPLETE_COLUMN, 0},
	{"columns", COMPLETE_COLUMNS, 0},
	{"pid", COMPLETE_PIDS, 0},
	{"group", COMPLETE_GROUPS, 0},
};

enum complete completion_value(const struct completion *c, const struct option_row *row, const char **ret_words)
{
	*ret_words = "";
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(values[i].name, row->name))
			continue;
		if (values[i].what == COMPLETE_WORDS || values[i].what == COMPLETE_LIST)
			*ret_words = *(char *const *)((const char *)c + values[i].words);
		return values[i].what;
	}
	if (!strcmp(row->name, "by")) {
		*ret_words = "thread process";
		return COMPLETE_WORDS;
	}
	if (row->value && !strcmp(row->value, "FILE"))
		return COMPLETE_FILES;
	return row->value && !strcmp(row->value, "DIR") ? COMPLETE_DIRS : COMPLETE_NOTHING;
}

enum complete completion_operand(const struct completion *c, enum verb verb, unsigned i, const char **ret_words)
{
	*ret_words = "";
	if (i >= options_verb(verb)->max)
		return COMPLETE_NOTHING;
	if (verb == VERB_COMPLETION || (verb == VERB_DUMP && !i)) {
		*ret_words = verb == VERB_DUMP ? c->tables : shells;
		return COMPLETE_WORDS;
	}
	return COMPLETE_FILES;
}

const struct option_row *completion_option(enum verb verb, size_t *i)
{
	const struct option_row *row;

	while ((row = options_row((*i)++))) {
		if (row->help && row->verbs >> verb & 1)
			return row;
	}
	return NULL;
}

void completion_columns(const struct schema_table *t, FILE *out)
{
	for (uint32_t i = 0; i < t->ncolumns; i++)
		fprintf(out, " %s", t->columns[i].name);
	for (uint32_t i = 0; i < t->nderived; i++) {
		/* A derived column may have the name of the raw one that it replaces. */
		if (schema_column(t, t->derived[i].name) < 0)
			fprintf(out, " %s", t->derived[i].name);
	}
}

void completion_quoted(const char *text, const char *quote, const char *escape, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\'') {
			fputs(quote, out);
			continue;
		}
		if (strchr(escape, *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* The names that next() gives up to NULL, joined by spaces, without empty ones; NULL: out of memory. */
static char *names(const char *(*next)(const struct completion *, size_t i), const struct completion *c)
{
	const char *name, *between = "";
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	for (size_t i = 0; (name = next(c, i)); i++) {
		if (!*name)
			continue;
		fprintf(f, "%s%s", between, name);
		between = " ";
	}
	return fclose(f) ? NULL : text;
}

static const char *verb_name(const struct completion *c, size_t i)
{
	(void)c;
	return i + 1 < VERB_COUNT ? options_verb_name((enum verb)(i + 1)) : NULL;
}

static const char *collector_name(const struct completion *c, size_t i)
{
	(void)c;
	return culprit_builtin[i] ? culprit_builtin[i]->name : NULL;
}

static const char *table_name(const struct completion *c, size_t i)
{
	return i < c->schema->ntables ? c->schema->tables[i]->name : NULL;
}

static const char *stack_table_name(const struct completion *c, size_t i)
{
	const struct schema_table *t = i < c->schema->ntables ? c->schema->tables[i] : NULL;

	for (uint32_t k = 0; t && k < t->ncolumns; k++) {
		if (t->columns[k].type == CULPRIT_STACK)
			return t->name;
	}
	return t ? "" : NULL;
}

static const char *panel_name(const struct completion *c, size_t i)
{
	(void)c;
	return console_panels[i] ? console_panels[i]->name : NULL;
}

static const char *format_name(const struct completion *c, size_t i)
{
	(void)c;
	return flame_formats[i].name;
}

static int print(struct completion *c, const char *shell, struct culprit_error *error)
{
	c->schema = table_help_schema();
	if (!c->schema)
		return error_set(error, -ENOMEM, "out of memory");
	c->verbs = names(verb_name, c);
	c->collectors = names(collector_name, c);
	c->tables = names(table_name, c);
	c->stack_tables = names(stack_table_name, c);
	c->panels = names(panel_name, c);
	c->formats = names(format_name, c);
	if (!c->verbs || !c->collectors || !c->tables || !c->stack_tables || !c->panels || !c->formats)
		return error_set(error, -ENOMEM, "out of memory");
	if (!strcmp(shell, "bash"))
		completion_bash(c, stdout);
	else if (!strcmp(shell, "zsh"))
		completion_zsh(c, stdout);
	else if (!strcmp(shell, "fish"))
		completion_fish(c, stdout);
	else
		return error_set(error, -EINVAL, "no completion for '%.40s'; there are bash, zsh and fish", shell);
	if (fflush(stdout) || ferror(stdout))
		return error_set(error, -EIO, "cannot write: %s", strerror(errno));
	return 0;
}

int verb_completion(const struct options *o)
{
	struct completion c = {0};
	struct culprit_error error = {""};
	int r = print(&c, o->args[0], &error);

	free(c.verbs);
	free(c.collectors);
	free(c.tables);
	free(c.stack_tables);
	free(c.panels);
	free(c.formats);
	schema_unlock(c.schema);
	return r ? verb_fail(verb_status(r), &error) : EXIT_DONE;
}
