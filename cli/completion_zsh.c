/* The completion for zsh: _arguments with a description of each option, as a file `_culprit` in $fpath or by eval. */
#include "completion.h"
#include "prefix.h"

static const char before[] =
	"#compdef culprit\n"
	"# zsh completion for culprit: what `culprit completion zsh` prints. Not by hand.\n"
	"\n"
	"_culprit_themes() {\n"
	"\tlocal dir\n"
	"\tlocal -a themes=(" COMPLETION_THEMES ")\n"
	"\tfor dir in " COMPLETION_THEME_DIRS "; do\n"
	"\t\tthemes+=($dir/*(N:t))\n"
	"\tdone\n"
	"\tcompadd -a themes\n"
	"}\n\n"
	"# _culprit_list NAMES...: some of them, comma-separated\n"
	"_culprit_list() {\n"
	"\tcompset -P '*,'\n"
	"\tcompadd -qS , -- $@\n"
	"}\n\n";

static const char after[] =
	"_culprit() {\n"
	"\tlocal curcontext=$curcontext\n"
	"\tlocal -a verbs\n"
	"\tif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
	"\t\t_culprit_verbs\n"
	"\telif (( $+functions[_culprit-$words[2]] )); then\n"
	"\t\t(( CURRENT-- ))\n"
	"\t\tshift words\n"
	"\t\t_culprit-$words[1]\n"
	"\telse\n"
	"\t\t_culprit-console\n"
	"\tfi\n"
	"}\n"
	"\n"
	"# As a file of $fpath it is called; by eval it is told to the shell.\n"
	"if [[ $funcstack[1] == _culprit ]]; then\n"
	"\t_culprit \"$@\"\n"
	"elif (( $+functions[compdef] )); then\n"
	"\tcompdef _culprit culprit\n"
	"fi\n";

static void put_action(enum complete what, const char *words, FILE *out)
{
	switch (what) {
	case COMPLETE_NOTHING:
		fputc(' ', out);
		break;
	case COMPLETE_FILES:
		fputs("_files", out);
		break;
	case COMPLETE_DIRS:
		fputs("_files -/", out);
		break;
	case COMPLETE_WORDS:
		fprintf(out, "(%s)", words);
		break;
	case COMPLETE_LIST:
		fprintf(out, "{_culprit_list %s}", words);
		break;
	case COMPLETE_COLUMN:
		fputs("{_culprit_columns one}", out);
		break;
	case COMPLETE_COLUMNS:
		fputs("{_culprit_columns list}", out);
		break;
	case COMPLETE_PIDS:
		fputs("_pids", out);
		break;
	case COMPLETE_GROUPS:
		fputs("_groups", out);
		break;
	case COMPLETE_THEMES:
		fputs("{_culprit_themes}", out);
		break;
	}
}

static void put_spec(const struct completion *c, const struct option_row *row, const char *words, const char *exclude,
		     const char *dashed, const char *join, FILE *out)
{
	enum complete what = completion_value(c, row, &words);

	fprintf(out, " \\\n\t\t'%s%s%s[", exclude, dashed, row->value ? join : "");
	completion_quoted(row->help, "'\\''", "[]\\", out);
	fputc(']', out);
	if (row->value) {
		fprintf(out, ":%s:", row->value[0] == '[' ? "RING" : row->value);
		put_action(what, words, out);
	}
	fputc('\'', out);
}

static void put_verb(const struct completion *c, enum verb verb, FILE *out)
{
	const struct option_row *row;
	char dashed[48], exclude[64];
	const char *words;
	size_t i = 0;

	fprintf(out, "_culprit-%s() {\n\t_arguments -s -S", verb ? options_verb_name(verb) : "console");
	while ((row = completion_option(verb, &i))) {
		snprintf(exclude, sizeof(exclude), row->kind == LIST ? "*" : row->letter ? "(-%c --%s)" : "", row->letter, row->name);
		snprintf(dashed, sizeof(dashed), "--%s", row->name);
		put_spec(c, row, "", exclude, dashed, "=", out);
		if (!row->letter)
			continue;
		snprintf(dashed, sizeof(dashed), "-%c", row->letter);
		put_spec(c, row, "", exclude, dashed, "+", out);
	}
	for (unsigned k = 0; k < options_verb(verb)->max; k++) {
		enum complete what = completion_operand(c, verb, k, &words);

		fprintf(out, " \\\n\t\t'%u:%s:", k + 1, what == COMPLETE_FILES ? "recording" : "name");
		put_action(what, words, out);
		fputc('\'', out);
	}
	fprintf(out, "\n}\n\n");
}

static void put_columns(const struct completion *c, FILE *out)
{
	fprintf(out, "# The columns of the table that was named.\n_culprit_columns() {\n\tlocal word\n\tlocal -a columns\n"
		     "\tfor word in $words; do\n\t\tcase $word in\n");
	for (uint32_t i = 0; i < c->schema->ntables; i++) {
		fprintf(out, "\t\t%s) columns=(", c->schema->tables[i]->name);
		completion_columns(c->schema->tables[i], out);
		fprintf(out, "); break ;;\n");
	}
	fprintf(out, "\t\tesac\n\tdone\n\tif [[ $1 == list ]]; then\n\t\t_culprit_list all $columns\n\telse\n"
		     "\t\tcompadd -a columns\n\tfi\n}\n\n");
}

void completion_zsh(const struct completion *c, FILE *out)
{
	fprintf(out, before, culprit_prefix);
	put_columns(c, out);
	fprintf(out, "_culprit_verbs() {\n\tlocal -a verbs=(");
	for (unsigned v = 1; v < VERB_COUNT; v++) {
		fprintf(out, "\n\t\t'%s:", options_verb_name((enum verb)v));
		completion_quoted(options_verb((enum verb)v)->help, "'\\''", ":\\", out);
		fputc('\'', out);
	}
	fprintf(out, "\n\t)\n\t_describe verb verbs\n}\n\n");
	for (unsigned v = 0; v < VERB_COUNT; v++)
		put_verb(c, (enum verb)v, out);
	fputs(after, out);
}
