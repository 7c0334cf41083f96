/* The options of all verbs: one table says which there are, what they take, which verbs know them and what --help prints.
 * Not here: what they do. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <culprit/types.h>

enum verb {
	VERB_CONSOLE = 0, /* no verb: the live console */
	VERB_RECORD,
	VERB_REPLAY,
	VERB_DUMP,
	VERB_CUT,
	VERB_INFO,
	VERB_FLAME,
	VERB_COLLECTORS,
	VERB_COMPLETION,
	VERB_COUNT,
};

/* Exit status: 0 done, 1 could not, 2 wrong usage. */
enum { EXIT_DONE = 0, EXIT_COULD_NOT = 1, EXIT_USAGE = 2 };

enum { OPTIONS_LIST_MAX = 64, OPTIONS_ARGS_MAX = 8, STACK_HZ_MAX = 10000 };

/* Strings are borrowed from argv. */
struct options {
	enum verb verb;
	const char *args[OPTIONS_ARGS_MAX]; /* operands: TABLE, FILE */
	size_t nargs;
	bool help, version;
	uint64_t interval_ns; /* 0: not given */
	bool interval_remembered; /* it was, by a settings file: no reason not to attach to a recorder */
	bool has_pid, has_tid;
	uint64_t pid, tid;
	const char *cgroup;
	const char *from, *to;   /* for timeparse() */
	const char *baseline, *baseline_from, *baseline_to; /* a file; times */
	uint64_t for_ns;         /* 0: not given */
	const char *collect, *without; /* comma-separated names */
	const char *filter;
	uint64_t history_bytes; /* 0: not given */
	bool safe, readonly;
	bool no_settings;
	const char *sets[OPTIONS_LIST_MAX]; /* "NAME=VALUE" of settings.h */
	size_t nsets;
	const char *plugins[OPTIONS_LIST_MAX];
	size_t nplugins;
	const char *panel;
	bool no_color;
	bool json, csv, raw;
	const char *sort;    /* "cpu", "-cpu" ascending is "+cpu" */
	const char *columns; /* comma-separated */
	uint64_t limit;      /* 0: all */
	const char *output;  /* -o */
	uint64_t keep_ns, max_bytes; /* 0: not given */
	bool redact, no_redact;
	const char *ring, *group; /* the ring to publish, and who may read it */
	const char *attach; /* a ring's name or file; "": whichever is there; NULL: not given */
	bool no_attach;
	const char *keys, *shots;
	unsigned width, height; /* --size; 0: not given */
	const char *root;    /* fixture tree; undocumented */
	const char *host_root;
	const char *theme;
	double budget;       /* --budget: own cost as a share of the machine, 0.01 is 1 %; has_budget; 0: none */
	bool has_budget;
	uint64_t stack_hz;   /* --stack-rate, up to STACK_HZ_MAX; 0: not given */
	const char *also;    /* not an option: a second table that dump shows */
	const char *format, *table, *value, *by; /* flame */
	bool import, inverted, lines;
};

/* 0, or -EINVAL with a sentence (then exit with EXIT_USAGE). --help and --version only set their flags. */
int options_parse(struct options *, int argc, char *const *argv, struct culprit_error *);
/* Help of a verb; VERB_CONSOLE: of the program. */
void options_help(enum verb, FILE *);
const char *options_verb_name(enum verb);

#endif
