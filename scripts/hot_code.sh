#!/bin/sh
# usage: scripts/hot_code.sh > scripts/hot_code.ld
#
# Which functions run in a console that stands there, as a script for the linker that puts them next to each other. Without it
# they lie anywhere among the others, and all of the program stays in memory: the kernel maps sixteen pages for each that is
# needed. A function that is missing from the list, or is none any more, costs nothing but its page.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
${CC:-gcc} -O2 -c -o "$out/hot_code.o" scripts/hot_code.c
make -s -j2 B="$out" O="$out/obj" CFLAGS='-O2 -g -finstrument-functions' LDFLAGS="$out/hot_code.o" "$out/culprit" >&2
run() # NAME OPTION...: the functions that run with these options into $out/NAME
{
	name=$1; shift
	HOT_CODE_OUT="$out/ran.$name" CULPRIT_NO_SETTINGS=1 CULPRIT_RUNTIME_DIR=/nonexistent timeout 25 script -qec \
		"stty cols 120 rows 40; exec $out/culprit $*" /dev/null < /dev/null > /dev/null || :
	od -An -v -tx8 -w8 "$out/ran.$name" | grep -v ' 0000000000000000' | addr2line -fi -e "$out/culprit" |
		awk 'NR % 2 && /^[a-z_0-9]+$/' | LC_ALL=C sort -u > "$out/$name"
}
run safe --safe
run all
# Those that --safe needs stand together, too.
echo "/* Made by scripts/hot_code.sh: functions that run while a console stands there, and constants that are not looked at then. */"
printf 'SECTIONS\n{\n\t.text.hot_code :\n\t{\n'
LC_ALL=C sort -u "$out/all" | LC_ALL=C comm -13 "$out/safe" - | cat "$out/safe" - | sed 's/.*/\t\t*(.text.& .text.&.*)/'
printf '\t}\n}\nINSERT BEFORE .text;\nSECTIONS\n{\n\t.rodata.programs :\n\t{\n'
# Programs for the kernel, once they are loaded.
for f in $(grep -l '\.skel\.h' collectors/*.c); do
	printf '\t\t*/%s.o(.rodata)\n\t\t*:%s.o(.rodata)\n' "$(basename "$f" .c)" "$(basename "$f" .c)"
done
printf '\t}\n}\nINSERT AFTER .rodata;\n'
