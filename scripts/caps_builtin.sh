#!/bin/bash
# usage: scripts/caps_builtin.sh > tui/caps_builtin.c
#
# Makes the table of six common terminals that is compiled in, for boxes without a terminal database, out of the one here:
# runs what caps_load() reads for each and prints it as C. Run by hand when caps.h changes; the result is kept in the tree.
set -e
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
terms="xterm-256color screen-256color tmux-256color xterm linux vt100"
# shellcheck disable=SC2046
cat >"$dir/print.c" <<'C'
#include <stdio.h>
#include <string.h>
#include "caps.h"
#include "caps_builtin.h"
const struct caps *caps_builtin(const char *term) { (void)term; return NULL; }
static void string(const char *name, const char *s)
{
	if (!*s)
		return;
	printf("\t\t\t.%s = \"", name);
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s < 0x20 || *s > 0x7e)
			printf("\\%03o", (unsigned char)*s);
		else
			putchar(*s);
	printf("\",\n");
}
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct caps c;
		struct culprit_error e;
		if (caps_load(&c, argv[i], 1, &e)) {
			fprintf(stderr, "%s\n", e.sentence);
			return 1;
		}
		printf("\t{\n\t\t.term = \"%s\",\n\t\t.caps = {\n", argv[i]);
#define S(x) string(#x, c.x)
		S(cup); S(hpa); S(cuf); S(clear); S(el); S(ech); S(smcup); S(rmcup); S(smkx); S(rmkx); S(civis); S(cnorm);
		S(sgr0); S(bold); S(rev); S(smul); S(setaf); S(setab); S(kmous);
		printf("\t\t\t.colors = %d,\n\t\t\t.width = %d,\n\t\t\t.height = %d,\n", c.colors, c.width, c.height);
		if (c.rgb) printf("\t\t\t.rgb = true,\n");
		if (c.ax) printf("\t\t\t.ax = true,\n");
		if (c.am) printf("\t\t\t.am = true,\n");
		if (c.xenl) printf("\t\t\t.xenl = true,\n");
		printf("\t\t\t.keys = {\n");
		for (int k = 0; k < CAPS_KEYS; k++) {
			char name[16];
			snprintf(name, sizeof(name), "%d", k);
			if (c.keys[k][0]) {
				printf("\t\t\t\t[%d] = ", k);
				printf("\"");
				for (const char *s = c.keys[k]; *s; s++)
					if (*s == '"' || *s == '\\') printf("\\%c", *s);
					else if (*s < 0x20 || *s > 0x7e) printf("\\%03o", (unsigned char)*s);
					else putchar(*s);
				printf("\",\n");
			}
		}
		printf("\t\t\t},\n\t\t},\n\t},\n");
	}
	return 0;
}
C
gcc -std=gnu11 -D_GNU_SOURCE -Iinclude -Icore -Itui $(pkg-config --cflags ncursesw) -o "$dir/print" "$dir/print.c" \
	tui/screen_curses.c core/error.c core/text.c $(pkg-config --libs ncursesw)
cat <<'C'
/* Six common terminals, compiled in for boxes without a terminal database (a static binary in an empty container). Made by
 * scripts/caps_builtin.sh, not by hand. */
#include "caps_builtin.h"

#include <string.h>

static const struct {
	const char *term;
	struct caps caps;
} builtin[] = {
C
"$dir/print" $terms
cat <<'C'
};

const struct caps *caps_builtin(const char *term)
{
	for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
		if (!strcmp(builtin[i].term, term))
			return &builtin[i].caps;
	return NULL;
}
C
