/* The completion for fish: a `complete` for each option of each verb, with its description. */
#include "completion.h"
#include "prefix.h"

static const char before[] =
	"# fish completion for culprit: what `culprit completion fish` prints. Not by hand.\n"
	"\n"
	"# The verb that was typed is $argv[1]; '' is none.\n"
	"function __culprit_verb\n"
	"\tset -l typed (commandline -opc)\n"
	"\tif test (count $typed) -lt 2; or string match -q -- '-*' $typed[2]\n"
	"\t\ttest -z \"$argv[1]\"\n"
	"\telse\n"
	"\t\ttest \"$typed[2]\" = \"$argv[1]\"\n"
	"\tend\n"
	"end\n"
	"\n"
	"function __culprit_first\n"
	"\ttest (count (commandline -opc)) -lt 2\n"
	"end\n"
	"\n"
	"# Some of $argv, comma-separated.\n"
	"function __culprit_list\n"
	"\tset -l typed (string match -r '^.*,' -- (string replace -r '^--[a-z-]+=' '' -- (commandline -ct)))\n"
	"\tfor word in $argv\n"
	"\t\tprintf '%%s%%s\\n' \"$typed\" $word\n"
	"\tend\n"
	"end\n"
	"\n"
	"function __culprit_themes\n"
	"\tset -l config $XDG_CONFIG_HOME\n"
	"\ttest -n \"$config\"; or set config $HOME/.config\n"
	"\tprintf '%%s\\n' " COMPLETION_THEMES "\n"
	"\tfor dir in $config/culprit/themes '%s/share/culprit/themes' /etc/culprit/themes\n"
	"\t\ttest -d $dir; and command ls $dir\n"
	"\tend\n"
	"end\n"
	"\n";

static void put_action(enum complete what, const char *words, FILE *out)
{
	switch (what) {
	case COMPLETE_NOTHING:
		fputs(" -x", out);
		break;
	case COMPLETE_FILES:
		fputs(" -rF", out);
		break;
	case COMPLETE_DIRS:
		fputs(" -x -a '(__fish_complete_directories)'", out);
		break;
	case COMPLETE_WORDS:
		fprintf(out, " -x -a '%s'", words);
		break;
	case COMPLETE_LIST:
		fprintf(out, " -x -a '(__culprit_list %s)'", words);
		break;
	case COMPLETE_COLUMN:
		fputs(" -x -a '(__culprit_columns)'", out);
		break;
	case COMPLETE_COLUMNS:
		fputs(" -x -a '(__culprit_list all (__culprit_columns))'", out);
		break;
	case COMPLETE_PIDS:
		fputs(" -x -a '(__fish_complete_pids)'", out);
		break;
	case COMPLETE_GROUPS:
		fputs(" -x -a '(__fish_complete_groups)'", out);
		break;
	case COMPLETE_THEMES:
		fputs(" -x -a '(__culprit_themes)'", out);
		break;
	}
}

static void put_help(const char *help, FILE *out)
{
	fputs(" -d '", out);
	completion_quoted(help, "\\'", "\\", out);
	fputs("'\n", out);
}

static void put_verb(const struct completion *c, enum verb verb, FILE *out)
{
	const struct option_row *row;
	const char *words;
	enum complete what;
	size_t i = 0;

	fputc('\n', out);
	if (verb && options_verb(verb)->max) {
		what = completion_operand(c, verb, 0, &words);
		fprintf(out, "complete -c culprit -n '__culprit_verb %s", options_verb_name(verb));
		/* A table comes first, then the recording. */
		if (what == COMPLETE_WORDS)
			fputs("; and test (count (commandline -opc)) -eq 2", out);
		fputc('\'', out);
		if (what == COMPLETE_WORDS)
			fprintf(out, " -x -a '%s'\n", words);
		else
			fputs(" -F\n", out);
		if (verb == VERB_DUMP)
			fputs("complete -c culprit -n '__culprit_verb dump; and test (count (commandline -opc)) -gt 2' -F\n", out);
	}
	while ((row = completion_option(verb, &i))) {
		fprintf(out, "complete -c culprit -n '__culprit_verb %s' -l %s", verb ? options_verb_name(verb) : "\"\"", row->name);
		if (row->letter)
			fprintf(out, " -s %c", row->letter);
		if (row->value) {
			what = completion_value(c, row, &words);
			put_action(what, words, out);
		}
		put_help(row->help, out);
	}
}

void completion_fish(const struct completion *c, FILE *out)
{
	fprintf(out, before, culprit_prefix);
	fprintf(out, "# The columns of the table that was named.\nfunction __culprit_columns\n\tfor word in (commandline -opc)\n"
		     "\t\tswitch $word\n");
	for (uint32_t i = 0; i < c->schema->ntables; i++) {
		fprintf(out, "\t\tcase %s\n\t\t\tprintf '%%s\\n'", c->schema->tables[i]->name);
		completion_columns(c->schema->tables[i], out);
		fprintf(out, "\n\t\t\treturn\n");
	}
	fprintf(out, "\t\tend\n\tend\nend\n\ncomplete -c culprit -f\n");
	for (unsigned v = 1; v < VERB_COUNT; v++) {
		fprintf(out, "complete -c culprit -n __culprit_first -a %s", options_verb_name((enum verb)v));
		put_help(options_verb((enum verb)v)->help, out);
	}
	for (unsigned v = 0; v < VERB_COUNT; v++)
		put_verb(c, (enum verb)v, out);
}
