/* What a terminal can do: the capabilities that are used, out of ncurses' database, as plain strings. The one file that
 * knows ncurses (screen_curses.c) fills it. */
#ifndef TUI_CAPS_H
#define TUI_CAPS_H

#include <stdbool.h>
#include <stddef.h>

#include <culprit/types.h>

enum { CAPS_STRING_MAX = 160, CAPS_KEYS = 25 };

/* Strings: without padding; "" where there is none. Some take parameters, see caps_expand(). */
struct caps {
	char cup[CAPS_STRING_MAX], hpa[CAPS_STRING_MAX], cuf[CAPS_STRING_MAX];
	char clear[CAPS_STRING_MAX], el[CAPS_STRING_MAX], ech[CAPS_STRING_MAX];
	char smcup[CAPS_STRING_MAX], rmcup[CAPS_STRING_MAX], smkx[CAPS_STRING_MAX], rmkx[CAPS_STRING_MAX];
	char civis[CAPS_STRING_MAX], cnorm[CAPS_STRING_MAX];
	char sgr0[CAPS_STRING_MAX], bold[CAPS_STRING_MAX], rev[CAPS_STRING_MAX], smul[CAPS_STRING_MAX];
	char setaf[CAPS_STRING_MAX], setab[CAPS_STRING_MAX], kmous[CAPS_STRING_MAX];
	int colors;         /* 0 or less: none */
	int width, height;  /* 0 or less: not said */
	bool rgb;           /* says that it takes 24-bit colours */
	bool ax;            /* knows SGR 39 and 49: default colours */
	bool am;            /* a character in the last column moves on to the next line */
	bool xenl;          /* ... but only when another one follows */
	char keys[CAPS_KEYS][16]; /* in the order of caps_key_names */
};

/* Terminfo names of the keys in `keys`: arrows up, down, left, right, home, end, page up, page down, insert, delete,
 * back tab, backspace, F1..F12, enter of the keypad. NULL at the end. */
extern const char *const caps_key_names[CAPS_KEYS + 1];

/* -ENODEV with a sentence: the terminal is unknown, or cannot place its cursor. */
int caps_load(struct caps *, const char *term, int fd, struct culprit_error *);
/* A capability with its parameters, NUL-terminated; returns its length, 0 where it is empty or does not fit. */
size_t caps_expand(char *out, size_t cap, const char *capability, int a, int b);

#endif
