#!/bin/sh
# usage: scripts/themes_builtin.sh > tui/themes_builtin.c
#
# The themes that are compiled in beside "default" and "dark" (role.h), for a program that is copied as one file, out of the
# files in themes/. Run by hand when one of them changes; the result is kept in the tree, and a test compares.
cd "$(dirname "$0")/.." || exit 1
printf '/* Made by scripts/themes_builtin.sh out of themes/; edit those. */\n#include "themes_builtin.h"\n\n'
printf 'const struct theme_text themes_builtin[] = {\n'
for name in light 16 mono colour-blind; do
	printf '\t{"%s",\n' "$name"
	grep -v '^#' "themes/$name" | sed 's/.*/\t "&\\n"/; $ s/$/},/'
done
printf '};\nconst size_t nthemes_builtin = sizeof(themes_builtin) / sizeof(themes_builtin[0]);\n'
