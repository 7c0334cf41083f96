/* The completion for bash: one function, with what it knows in case tables. It needs nothing of the package bash-completion. */
#include "completion.h"
#include "prefix.h"

static const char before[] =
	"# bash completion for culprit: what `culprit completion bash` prints. Not by hand.\n"
	"\n"
	"_culprit_themes()\n"
	"{\n"
	"\tlocal dir\n"
	"\tprintf '%%s\\n' " COMPLETION_THEMES "\n"
	"\tfor dir in " COMPLETION_THEME_DIRS "; do\n"
	"\t\t[ -d \"$dir\" ] && command ls \"$dir\"\n"
	"\tdone\n"
	"}\n\n";

/* What is completed after an option or as an operand is a kind and its words: `words a b c`. */
static const char after[] =
	"_culprit()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb= table= operand=0 kind= words= i word before\n"
	"\tlocal prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tCOMPREPLY=()\n"
	"\t# --option=value comes in three words.\n"
	"\tif [ \"$cur\" = = ]; then\n"
	"\t\tcur=\n"
	"\telif [ \"$prev\" = = ] && [ \"$COMP_CWORD\" -gt 2 ]; then\n"
	"\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n"
	"\t[ \"$COMP_CWORD\" -gt 1 ] && case ${COMP_WORDS[1]} in -*) ;; *) verb=${COMP_WORDS[1]} ;; esac\n"
	"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t=) ((i++)) ;;\n"
	"\t\t-*) [ \"${COMP_WORDS[i+1]}\" != = ] && [ -n \"$(_culprit_value \"$word\")\" ] && ((i++)) ;;\n"
	"\t\t*) [ \"$operand\" = 0 ] && table=$word; operand=$((operand + 1)) ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tcase $prev in -*) read -r kind words <<<\"$(_culprit_value \"$prev\")\" ;; esac\n"
	"\tif [ -z \"$kind\" ]; then\n"
	"\t\tcase $cur in\n"
	"\t\t-*)\n"
	"\t\t\tCOMPREPLY=($(compgen -W \"$(_culprit_options \"$verb\")\" -- \"$cur\"))\n"
	"\t\t\treturn ;;\n"
	"\t\tesac\n"
	"\t\tread -r kind words <<<\"$(_culprit_operand \"$verb\" \"$operand\")\"\n"
	"\tfi\n"
	"\t[ \"$verb\" = flame ] && table=\n"
	"\tcase $kind in\n"
	"\tfiles) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	"\tdirs) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
	"\tgroups) COMPREPLY=($(compgen -g -- \"$cur\")) ;;\n"
	"\tpids) COMPREPLY=($(compgen -W \"$(cd /proc && printf '%s ' [0-9]*)\" -- \"$cur\")) ;;\n"
	"\tthemes) COMPREPLY=($(compgen -W \"$(_culprit_themes)\" -- \"$cur\")) ;;\n"
	"\twords) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
	"\tcolumn) COMPREPLY=($(compgen -W \"$(_culprit_columns \"$table\")\" -- \"$cur\")) ;;\n"
	"\tlist | columns)\n"
	"\t\t[ \"$kind\" = list ] || words=\"all $(_culprit_columns \"$table\")\"\n"
	"\t\tbefore=\n"
	"\t\tcase $cur in *,*) before=${cur%,*}, ;; esac\n"
	"\t\tCOMPREPLY=($(compgen -P \"$before\" -W \"$words\" -- \"${cur##*,}\")) ;;\n"
	"\tesac\n"
	"} && complete -F _culprit culprit\n";

static void put_kind(enum complete what, const char *words, FILE *out)
{
	static const char *const names[] = {
		[COMPLETE_NOTHING] = "nothing", [COMPLETE_FILES] = "files",	[COMPLETE_DIRS] = "dirs",
		[COMPLETE_WORDS] = "words",	[COMPLETE_LIST] = "list",	[COMPLETE_COLUMN] = "column",
		[COMPLETE_COLUMNS] = "columns", [COMPLETE_PIDS] = "pids",	[COMPLETE_GROUPS] = "groups",
		[COMPLETE_THEMES] = "themes",
	};

	fprintf(out, "%s%s%s", names[what], *words ? " " : "", words);
}

static void put_options(FILE *out)
{
	fprintf(out, "# The options of a verb; of the console: ''.\n_culprit_options()\n{\n\tcase $1 in\n");
	for (unsigned v = 0; v < VERB_COUNT; v++) {
		const struct option_row *row;
		size_t i = 0;

		fprintf(out, "\t%s) echo '", v ? options_verb_name((enum verb)v) : "''");
		while ((row = completion_option((enum verb)v, &i))) {
			fprintf(out, "--%s ", row->name);
			if (row->letter)
				fprintf(out, "-%c ", row->letter);
		}
		fprintf(out, "' ;;\n");
	}
	fprintf(out, "\tesac\n}\n\n");
}

static void put_values(const struct completion *c, FILE *out)
{
	const struct option_row *row;
	enum complete what;
	const char *words;

	fprintf(out, "# What an option takes; nothing is printed where it takes no value.\n_culprit_value()\n{\n\tcase $1 in\n");
	for (size_t i = 0; (row = options_row(i)); i++) {
		if (!row->help || !row->value)
			continue;
		fputc('\t', out);
		if (row->letter)
			fprintf(out, "-%c | ", row->letter);
		fprintf(out, "--%s) echo '", row->name);
		what = completion_value(c, row, &words);
		put_kind(what, words, out);
		fprintf(out, "' ;;\n");
	}
	fprintf(out, "\tesac\n}\n\n");
}

static void put_operands(const struct completion *c, FILE *out)
{
	enum complete what;
	const char *words;

	fprintf(out, "# What stands where: the verb and how many operands are before it.\n_culprit_operand()\n{\n\tcase $1:$2 in\n");
	fprintf(out, "\t:*) echo 'words %s' ;;\n", c->verbs);
	for (unsigned v = 1; v < VERB_COUNT; v++) {
		for (unsigned i = 0; i < options_verb((enum verb)v)->max; i++) {
			fprintf(out, "\t%s:%u) echo '", options_verb_name((enum verb)v), i);
			what = completion_operand(c, (enum verb)v, i, &words);
			put_kind(what, words, out);
			fprintf(out, "' ;;\n");
		}
	}
	fprintf(out, "\tesac\n}\n\n");
}

static void put_columns(const struct completion *c, FILE *out)
{
	fprintf(out, "# The columns of a table.\n_culprit_columns()\n{\n\tcase $1 in\n");
	for (uint32_t i = 0; i < c->schema->ntables; i++) {
		fprintf(out, "\t%s) echo '", c->schema->tables[i]->name);
		completion_columns(c->schema->tables[i], out);
		fprintf(out, "' ;;\n");
	}
	fprintf(out, "\tesac\n}\n\n");
}

void completion_bash(const struct completion *c, FILE *out)
{
	fprintf(out, before, culprit_prefix);
	put_options(out);
	put_values(c, out);
	put_operands(c, out);
	put_columns(c, out);
	fputs(after, out);
}
