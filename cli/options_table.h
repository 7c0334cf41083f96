/* The rows of the table of options.c, for what is made from it beside --help: completions. */
#ifndef CLI_OPTIONS_TABLE_H
#define CLI_OPTIONS_TABLE_H

#include "options.h"

enum option_kind {
	FLAG,
	TEXT,
	DURATION,
	SIZE,
	NUMBER,
	LIST,     /* may be given several times */
	GEOMETRY, /* COLSxROWS */
	SHARE,    /* 1%, off */
	MAYBE,    /* a text, or nothing where another option or the end follows: "" */
};

struct option_row {
	const char *name;
	char letter;
	uint8_t kind;
	uint32_t verbs;
	size_t at;  /* the value in struct options */
	size_t has; /* a bool that says it was given; NOWHERE: none */
	const char *value; /* what --help calls it; NULL: takes none */
	const char *help;  /* NULL: not shown */
};

struct verb_row {
	const char *name, *operands, *help, *more;
	uint8_t min, max; /* operands */
};

/* NULL: that was the last. */
const struct option_row *options_row(size_t i);
/* VERB_CONSOLE: the program. */
const struct verb_row *options_verb(enum verb);

#endif
