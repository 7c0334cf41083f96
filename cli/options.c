#include "options.h"
#include "options_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "filter.h"
#include "recdir.h"
#include "ring.h"
#include "units.h"

#define V(verb) (1u << VERB_##verb)
#define LIVE (V(CONSOLE) | V(RECORD) | V(DUMP) | V(FLAME) | V(COLLECTORS))
#define SEES (V(CONSOLE) | V(REPLAY))
#define WINDOW (V(REPLAY) | V(DUMP) | V(FLAME))
#define PIECE (WINDOW | V(CUT))
#define ALL ((1u << VERB_COUNT) - 1)
#define AT(field) offsetof(struct options, field)
#define NOWHERE SIZE_MAX

static const struct option_row rows[] = {
	{"interval", 'i', DURATION, LIVE, AT(interval_ns), NOWHERE, "TIME", "time between two samples, from 10ms on (1s)"},
	{"for", 0, DURATION, V(RECORD) | V(DUMP) | V(FLAME), AT(for_ns), NOWHERE, "TIME", "how long to sample: 30, 90s, 1h"},
	{"output", 'o', TEXT, V(RECORD) | V(CUT) | V(FLAME), AT(output), NOWHERE, "FILE", "where it goes; - is standard output"},
	{"keep", 0, DURATION, V(RECORD), AT(keep_ns), NOWHERE, "TIME",
	 "-o is a directory of hour files; what is older goes, a file at a time: 12h, 7d"},
	{"max-size", 0, SIZE, V(RECORD), AT(max_bytes), NOWHERE, "SIZE",
	 "-o is a directory of hour files; the oldest go before all of them are larger; at least 4M"},
	{"format", 0, TEXT, V(FLAME), AT(format), NOWHERE, "NAME", "text, folded, speedscope, pprof or svg (text)"},
	{"import", 0, FLAG, V(FLAME) | V(REPLAY), AT(import), NOWHERE, NULL,
	 "FILE is of perf script, or folded stacks (flame -o without --format: make it a recording)"},
	{"inverted", 0, FLAG, V(FLAME), AT(inverted), NOWHERE, NULL, "innermost functions first, then who calls them"},
	{"lines", 0, FLAG, V(FLAME), AT(lines), NOWHERE, NULL, "file, line and inlined functions of the eight hottest functions"},
	{"by", 0, TEXT, V(FLAME), AT(by), NOWHERE, "WHAT", "a tree for each thread, or each process"},
	{"table", 0, TEXT, V(FLAME), AT(table), NOWHERE, "TABLE", "whose stacks: oncpu, offcpu, switches, faults, blockio, kernel_lock; heap with --pid"},
	{"value", 0, TEXT, V(FLAME), AT(value), NOWHERE, "COLUMN", "what stacks weigh: a column of numbers of that table"},
	{"ring", 0, TEXT, V(RECORD), AT(ring), NOWHERE, "NAME",
	 "publish the newest samples, for consoles to attach to; shows all command lines to --group"},
	{"group", 0, TEXT, V(RECORD), AT(group), NOWHERE, "GROUP",
	 "who may read the ring: root's is for group culprit, else adm, where there is one"},
	{"attach", 0, MAYBE, V(CONSOLE) | V(DUMP) | V(COLLECTORS), AT(attach), NOWHERE, "[RING]",
	 "look at what a recorder publishes: RING is its name or file, else the one there is"},
	{"no-attach", 0, FLAG, V(CONSOLE), AT(no_attach), NOWHERE, NULL, "sample here, although a recorder publishes"},
	{"json", 0, FLAG, V(DUMP) | V(INFO) | V(COLLECTORS), AT(json), NOWHERE, NULL, "one JSON object"},
	{"csv", 0, FLAG, V(DUMP), AT(csv), NOWHERE, NULL, "comma-separated values"},
	{"raw", 0, FLAG, V(DUMP), AT(raw), NOWHERE, NULL, "raw columns as last read: no rates, no differences"},
	{"filter", 0, TEXT, V(DUMP) | V(FLAME) | SEES, AT(filter), NOWHERE, "EXPR",
	 "only rows for which it holds: 'rss>2G and (user~^www or cpu>=50%) and not kworker'"},
	{"sort", 's', TEXT, V(DUMP), AT(sort), NOWHERE, "COLUMN", "largest first; +COLUMN: smallest first"},
	{"columns", 0, TEXT, V(DUMP), AT(columns), NOWHERE, "LIST", "which columns, comma-separated; all: every one"},
	{"limit", 'n', NUMBER, V(DUMP), AT(limit), NOWHERE, "N", "at most N rows, from 1 on"},
	{"pid", 'p', NUMBER, V(DUMP) | V(FLAME) | SEES, AT(pid), AT(has_pid), "PID", "one process and what belongs to it"},
	{"tid", 0, NUMBER, V(DUMP) | V(FLAME) | SEES, AT(tid), AT(has_tid), "TID", "one thread"},
	{"cgroup", 0, TEXT, V(DUMP) | V(FLAME) | SEES, AT(cgroup), NOWHERE, "PATH", "one control group and those below it"},
	{"from", 0, TEXT, PIECE, AT(from), NOWHERE, "TIME",
	 "begin of the window: RFC 3339, 14:03, 14:03:22, -5m, start, +90s"},
	{"to", 0, TEXT, PIECE, AT(to), NOWHERE, "TIME", "its end, likewise (+90s: after --from); end"},
	{"baseline", 0, TEXT, WINDOW | V(FLAME), AT(baseline), NOWHERE, "FILE", "compare with this recording"},
	{"baseline-from", 0, TEXT, WINDOW, AT(baseline_from), NOWHERE, "TIME",
	 "compare with the window from here on, of the same recording or of --baseline's"},
	{"baseline-to", 0, TEXT, WINDOW, AT(baseline_to), NOWHERE, "TIME", "its end"},
	{"redact", 0, FLAG, V(CUT), AT(redact), NOWHERE, NULL,
	 "of arguments and environments only the first word is left (the default)"},
	{"no-redact", 0, FLAG, V(CUT), AT(no_redact), NOWHERE, NULL, "arguments stay as they were recorded"},
	{"collect", 0, TEXT, LIVE, AT(collect), NOWHERE, "LIST", "only these collectors, comma-separated"},
	{"without", 0, TEXT, LIVE, AT(without), NOWHERE, "LIST", "all but these collectors"},
	{"plugin", 0, LIST, LIVE, AT(plugins), NOWHERE, "FILE", "load a collector from FILE; may be given several times"},
	{"history", 0, SIZE, V(CONSOLE) | V(RECORD), AT(history_bytes), NOWHERE, "SIZE",
	 "memory for the past, from 1M on (64M)"},
	{"safe", 0, FLAG, LIVE, AT(safe), NOWHERE, NULL, "read /proc and /sys only; nothing is loaded into the kernel"},
	{"budget", 0, SHARE, LIVE, AT(budget), AT(has_budget), "SHARE",
	 "own cost, of the whole machine, above which less is measured (1%); off: no bound"},
	{"stack-rate", 0, NUMBER, LIVE, AT(stack_hz), NOWHERE, "HZ",
	 "how often a second each CPU is sampled for stacks, 1 to 10000 (99)"},
	{"readonly", 0, FLAG, SEES, AT(readonly), NOWHERE, NULL, "change nothing: no signals, no renice"},
	{"panel", 0, TEXT, SEES, AT(panel), NOWHERE, "NAME", "open overview, processes, threads, flame, latency, disks, net, cgroups, memory, events, tables"},
	{"theme", 0, TEXT, SEES, AT(theme), NOWHERE, "NAME", "colours: default (the terminal's own), dark, light, 16, mono, colour-blind, or a file"},
	{"no-color", 0, FLAG, SEES, AT(no_color), NOWHERE, NULL, "no colours (also where NO_COLOR is set)"},
	{"no-settings", 0, FLAG, SEES, AT(no_settings), NOWHERE, NULL,
	 "forget columns, order, theme, interval, panel of the last time, and remember none"},
	{"set", 0, LIST, SEES, AT(sets), NOWHERE, "NAME=VALUE",
	 "one of what is remembered, for this time: processes.sort=-rss, processes.tree=on"},
	{"keys", 0, TEXT, V(REPLAY), AT(keys), NOWHERE, "FILE", "without a terminal: the keys to press"},
	{"size", 0, GEOMETRY, V(REPLAY), AT(width), NOWHERE, "COLSxROWS", "size of the screen for --keys (80x24)"},
	{"shots", 0, TEXT, V(REPLAY), AT(shots), NOWHERE, "DIR", "where --keys puts its screens"},
	{"host-root", 0, TEXT, LIVE, AT(host_root), NOWHERE, "DIR",
	 "in a container: where the host's / is mounted; its /proc, /sys and names count"},
	{"root", 0, TEXT, LIVE, AT(root), NOWHERE, "DIR", NULL},
	{"help", 'h', FLAG, ALL, AT(help), NOWHERE, NULL, "this help"},
	{"version", 'V', FLAG, ALL, AT(version), NOWHERE, NULL, "version"},
};

static const struct verb_row verbs[VERB_COUNT] = {
	[VERB_CONSOLE] = {"culprit", "", "live console: what this machine and every process on it is doing, and was doing",
			  NULL, 0, 0},
	[VERB_RECORD] = {"record", "-o FILE", "record without a screen, into a file, a ring, or both",
			 "SIGTERM and SIGINT finish it. After SIGHUP it writes to a new file: the next of the directory, or FILE again\n"
			 "where that was moved away. When the disk is full it says so, waits, and goes on when there is room.",
			 0, 0},
	[VERB_REPLAY] = {"replay", "FILE|-", "the console over a recording", NULL, 1, 1},
	[VERB_DUMP] = {"dump", "TABLE [FILE]", "rows of a table, live (two samples) or from a recording (-: standard input)",
		       "Without --from and --to the window is all that is recorded, or the two samples.\n"
		       "`culprit collectors` names the tables, culprit dump TABLE --help their columns.\n"
		       "A table that cannot be sampled here is exit status 1, with the reason; that nothing matches --pid,\n"
		       "--tid or --cgroup is told, but is an answer: 0.",
		       1, 2},
	[VERB_CUT] = {"cut", "FILE -o OUT", "a piece of a recording, as a recording to hand over",
		      "The piece begins with the frame at or before --from and ends with that at or before --to; whatever is\n"
		      "asked of a window inside it has the same answer as in FILE. OUT is made with mode 0600, never overwritten.\n"
		      "Process names, paths, host names and addresses stay in it: look before you hand it over.",
		      1, 1},
	[VERB_INFO] = {"info", "FILE", "what is in a recording, whether it is whole, what is damaged and where",
		       "FILE is a recording, a directory of recordings, or - for standard input. All of it is read and checked.\n"
		       "Damage is exit status 1. What its recorder had no time to finish is told, but is no damage: 0.",
		       1, 1},
	[VERB_FLAME] = {"flame", "[FILE]", "stacks as text, or for flame graph tools: live (5 s) or from a recording",
			"-: a recording from standard input. Without --from and --to the window is all that is recorded.\n"
			"The SVG is one file with search and zoom; speedscope and pprof files open in these tools.",
			0, 1},
	[VERB_COLLECTORS] = {"collectors", "", "what is collected here, what is not, and what would bring it", NULL, 0, 0},
	[VERB_COMPLETION] = {"completion", "bash|zsh|fish", "what completes verbs, options and names in a shell, as its script",
			     "make install and the Debian package put it where the shell finds it. Of a program that was copied:\n"
			     "eval \"$(culprit completion bash)\" in ~/.bashrc; likewise for zsh; culprit completion fish | source.",
			     1, 1},
};

enum { INTERVAL_MIN_NS = 10000000 };
enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

const struct option_row *options_row(size_t i)
{
	return i < NROWS ? &rows[i] : NULL;
}

const struct verb_row *options_verb(enum verb verb)
{
	return (unsigned)verb < VERB_COUNT ? &verbs[verb] : NULL;
}

const char *options_verb_name(enum verb verb)
{
	return (unsigned)verb < VERB_COUNT ? verbs[verb].name : "";
}

struct names {
	uint32_t verb;
};

static const char *option_name(void *of, size_t i)
{
	const struct names *n = of;

	return rows[i].help && rows[i].verbs >> n->verb & 1 ? rows[i].name : NULL;
}

static const char *verb_name(void *of, size_t i)
{
	(void)of;
	return verbs[i + 1].name;
}

static int set(struct options *o, const struct option_row *row, const char *value, struct culprit_error *error)
{
	char *at = (char *)o + row->at, *end;
	struct culprit_error why;
	char least[32], most[32];
	int err;

	switch (row->kind) {
	case FLAG:
		*(bool *)at = true;
		break;
	case TEXT:
	case MAYBE:
		*(const char **)at = value;
		break;
	case DURATION:
		err = units_parse_duration(value, (uint64_t *)at, &why);
		if (row->at == AT(interval_ns) && !err && *(uint64_t *)at < INTERVAL_MIN_NS)
			return error_set(error, -EINVAL, "--interval is at least 10ms, not '%.40s'", value);
		if (err || !*(uint64_t *)at)
			return error_set(error, -EINVAL, "--%s takes a duration, such as 500ms, 90s or 1h, not '%.40s'",
					 row->name, value);
		break;
	case SIZE:
		if (units_parse_size(value, (uint64_t *)at, &why) || !*(uint64_t *)at)
			return error_set(error, -EINVAL, "--%s takes a size, such as 64M or 1G, not '%.40s'", row->name, value);
		if (row->at == AT(history_bytes) && (o->history_bytes < RING_BUDGET_MIN || o->history_bytes > RING_BUDGET_MAX))
			return error_set(error, -EINVAL, "--history is at least %s and at most %s, not '%.40s'",
					 units_format_short(least, sizeof(least), (double)RING_BUDGET_MIN, CULPRIT_BYTES),
					 units_format_short(most, sizeof(most), (double)RING_BUDGET_MAX, CULPRIT_BYTES), value);
		if (row->at == AT(max_bytes) && o->max_bytes < RECDIR_BYTES_MIN)
			return error_set(error, -EINVAL, "--max-size is at least %s, not '%.40s'",
					 units_format_short(least, sizeof(least), (double)RECDIR_BYTES_MIN, CULPRIT_BYTES), value);
		break;
	case NUMBER:
		errno = 0;
		*(uint64_t *)at = strtoull(value, &end, 10);
		if (errno || end == value || *end || *value < '0' || *value > '9')
			return error_set(error, -EINVAL, "--%s takes a number, not '%.40s'", row->name, value);
		if (row->at == AT(limit) && !o->limit)
			return error_set(error, -EINVAL, "--limit is at least 1; leave it out for all rows");
		if (row->at == AT(stack_hz) && (!o->stack_hz || o->stack_hz > STACK_HZ_MAX))
			return error_set(error, -EINVAL, "--stack-rate is 1 to %d times a second, not '%.40s'", STACK_HZ_MAX, value);
		break;
	case LIST: {
		size_t *n = row->at == AT(sets) ? &o->nsets : &o->nplugins;

		if (*n == OPTIONS_LIST_MAX)
			return error_set(error, -EINVAL, "--%s was given more than %d times", row->name, OPTIONS_LIST_MAX);
		((const char **)at)[(*n)++] = value;
		break;
	}
	case SHARE: {
		double percent = strtod(value, &end);

		if (!strcmp(value, "off")) {
			*(double *)at = 0;
			break;
		}
		if (end == value || (*end && strcmp(end, "%")) || !(percent > 0) || percent > 100 ||
		    !((*value >= '0' && *value <= '9') || *value == '.'))
			return error_set(error, -EINVAL, "--%s takes a share of the machine, such as 1%% or 0.5%%, or off, not '%.40s'",
					 row->name, value);
		*(double *)at = percent / 100;
		break;
	}
	case GEOMETRY: {
		unsigned long width = strtoul(value, &end, 10), height = 0;

		if (end != value && *end == 'x' && end[1] >= '0' && end[1] <= '9')
			height = strtoul(end + 1, &end, 10);
		if (*end || !width || !height || width > 1000 || height > 1000 || *value < '0' || *value > '9')
			return error_set(error, -EINVAL, "--%s takes COLSxROWS, such as 80x24, not '%.40s'", row->name, value);
		o->width = (unsigned)width;
		o->height = (unsigned)height;
		break;
	}
	}
	if (row->has != NOWHERE)
		*(bool *)((char *)o + row->has) = true;
	return 0;
}

/* "--filter='a b'" has its value in the same word, "--filter 'a b'" in the next. */
static int option(struct options *o, const char *word, const char *next, bool *ret_took_next, struct culprit_error *error)
{
	bool is_long = word[1] == '-';
	const char *name = word + (is_long ? 2 : 1), *value = NULL;
	size_t len = is_long ? strcspn(name, "=") : 1;
	const struct option_row *row = NULL;
	struct names names = {o->verb};
	char near[96], shown[64];

	for (size_t i = 0; i < NROWS && !row; i++)
		if (is_long ? strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0 : rows[i].letter == *name)
			row = &rows[i];
	if (!row) {
		snprintf(shown, sizeof(shown), "%.*s", (int)len, name);
		suggest(shown, NROWS, option_name, &names, near, sizeof(near));
		return error_set(error, -EINVAL, "no option %s%s%s%s", is_long ? "--" : "-", shown, near,
				 near[0] ? "" : "; --help lists them");
	}
	if (!(row->verbs >> o->verb & 1))
		return error_set(error, -EINVAL, "%s%s knows no option --%s; its options: %s%s --help",
				 o->verb ? "culprit " : "", verbs[o->verb].name, row->name, o->verb ? "culprit " : "",
				 verbs[o->verb].name);
	if (row->value) {
		if (name[len] == '=' && is_long)
			value = name + len + 1;
		else if (!is_long && name[1])
			value = name + 1;
		else if (row->kind == MAYBE && (!next || next[0] == '-'))
			value = "";
		else if (next) {
			value = next;
			*ret_took_next = true;
		} else {
			return error_set(error, -EINVAL, "--%s needs a value: --%s %s", row->name, row->name, row->value);
		}
	} else if (name[len]) {
		return error_set(error, -EINVAL, "%s%s takes no value", is_long ? "--" : "-", row->name);
	}
	return set(o, row, value, error);
}

/* The verb is the first word that is no option; options may stand before it. */
static enum verb find_verb(int argc, char *const *argv, int *ret_at)
{
	*ret_at = 0;
	if (argc < 2 || argv[1][0] == '-')
		return VERB_CONSOLE;
	for (unsigned v = 1; v < VERB_COUNT; v++) {
		if (strcmp(argv[1], verbs[v].name) == 0) {
			*ret_at = 1;
			return (enum verb)v;
		}
	}
	return VERB_CONSOLE;
}

int options_parse(struct options *o, int argc, char *const *argv, struct culprit_error *error)
{
	bool only_operands = false;
	char near[96];
	int at, err;

	memset(o, 0, sizeof(*o));
	o->verb = find_verb(argc, argv, &at);
	for (int i = at + 1; i < argc; i++) {
		const char *word = argv[i];
		bool took_next = false;

		if (!only_operands && strcmp(word, "--") == 0) {
			only_operands = true;
			continue;
		}
		if (!only_operands && word[0] == '-' && word[1]) {
			err = option(o, word, i + 1 < argc ? argv[i + 1] : NULL, &took_next, error);
			if (err)
				return err;
			i += took_next;
			continue;
		}
		if (o->verb == VERB_CONSOLE && !strcmp(word, "help")) {
			/* culprit help VERB */
			enum verb of = i + 1 < argc ? find_verb(argc - i, argv + i, &at) : VERB_CONSOLE;

			o->help = true;
			if (of != VERB_CONSOLE) {
				o->verb = of;
				i++;
			}
			continue;
		}
		if (o->verb == VERB_CONSOLE) {
			suggest(word, VERB_COUNT - 1, verb_name, NULL, near, sizeof(near));
			return error_set(error, -EINVAL, "no verb '%.40s'%s%s", word, near,
					 near[0] ? "" : "; culprit --help lists them");
		}
		if (o->nargs >= verbs[o->verb].max)
			return error_set(error, -EINVAL, "'%.40s' is too much: culprit %s %s", word, verbs[o->verb].name,
					 verbs[o->verb].operands);
		o->args[o->nargs++] = word;
	}
	if (o->help || o->version)
		return 0;
	if (o->nargs < verbs[o->verb].min)
		return error_set(error, -EINVAL, "something is missing: culprit %s %s", verbs[o->verb].name,
				 verbs[o->verb].operands);
	if (o->json && o->csv)
		return error_set(error, -EINVAL, "--json and --csv exclude each other");
	if (o->collect && !o->collect[strspn(o->collect, ", ")])
		return error_set(error, -EINVAL, "--collect names no collector; culprit collectors lists them");
	if (o->cgroup && o->cgroup[0] != '/')
		return error_set(error, -EINVAL, "--cgroup takes a path that begins with /, such as /system.slice, not '%.40s'",
				 o->cgroup);
	if (o->collect && o->without)
		return error_set(error, -EINVAL, "--collect and --without exclude each other");
	if (o->verb == VERB_CUT && !o->output)
		return error_set(error, -EINVAL, "where to? culprit cut FILE --from 14:00 --to 14:05 -o OUT");
	if (o->redact && o->no_redact)
		return error_set(error, -EINVAL, "--redact and --no-redact exclude each other");
	if (o->verb == VERB_RECORD && !o->output && !o->ring)
		return error_set(error, -EINVAL, "where to? culprit record -o FILE, -o - for standard output, or --ring NAME");
	if (o->group && !o->ring)
		return error_set(error, -EINVAL, "--group says who may read a ring: it goes with --ring NAME");
	if (o->attach && o->no_attach)
		return error_set(error, -EINVAL, "--attach and --no-attach exclude each other");
	if (o->attach && o->verb == VERB_DUMP && o->nargs > 1)
		return error_set(error, -EINVAL, "--attach and a file exclude each other");
	if (o->output && !o->output[0])
		return error_set(error, -EINVAL, "--output names no file; use -o FILE, or -o - for standard output");
	if ((o->shots || o->width) && !o->keys)
		return error_set(error, -EINVAL, "--size and --shots go with --keys FILE");
	return 0;
}

void options_help(enum verb verb, FILE *out)
{
	const struct verb_row *v = &verbs[verb];
	char left[48];

	if (verb == VERB_CONSOLE) {
		fprintf(out, "culprit [OPTIONS]: %s\n\nVerbs (culprit VERB --help tells more):\n", v->help);
		for (unsigned i = 1; i < VERB_COUNT; i++) {
			snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].operands);
			fprintf(out, "  %-22s %s\n", left, verbs[i].help);
		}
		fprintf(out, "\nOptions of the console:\n");
	} else {
		fprintf(out, "culprit %s %s%s[OPTIONS]: %s\n\n", v->name, v->operands, v->operands[0] ? " " : "", v->help);
	}
	for (size_t i = 0; i < NROWS; i++) {
		const struct option_row *row = &rows[i];

		if (!row->help || !(row->verbs >> verb & 1))
			continue;
		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", row->letter ? '-' : ' ', row->letter ? row->letter : ' ',
			 row->letter ? ',' : ' ', row->name, row->value ? " " : "", row->value ? row->value : "");
		fprintf(out, "  %-22s %s\n", left, row->help);
	}
	if (v->more)
		fprintf(out, "\n%s\n", v->more);
	fprintf(out, "\nExit status: 0 done, 1 could not (one sentence says why), 2 wrong usage.\n");
}
