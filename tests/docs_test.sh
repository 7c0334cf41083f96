#!/bin/bash
# Do the man page and the README say what the program says? Every option of every verb's --help stands in docs/culprit.1 and
# the other way round; the man page is without formatting errors; what the README tells to type exists.
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
. tests/support/checks.sh

man=$(sed 's/\\-/-/g; s/\\f.//g' docs/culprit.1)
in_man=$(echo "$man" | grep -E '^\.(BI?|BR) ' | grep -oE -- '--[a-z][a-z-]*' | sort -u)
in_help=$(for verb in '' record replay cut dump info flame collectors completion; do "$culprit" $verb --help; done 2>&1 |
	grep -oE -- '^ *(-., )?--[a-z][a-z-]*' | grep -oE -- '--[a-z-]+' | sort -u)
test -n "$in_help"
ok '--help lists options' $?
for o in $in_help; do
	echo "$in_man" | grep -qx -- "$o"
	ok "$o stands in the man page" $? 'it is in --help'
done
for o in $in_man; do
	echo "$in_help" | grep -qx -- "$o"
	ok "$o of the man page is an option" $? 'no --help has it'
done

if command -v groff >/dev/null; then
	warnings=$(groff -man -Tutf8 -ww -rLL=100n docs/culprit.1 2>&1 >/dev/null | head -3)
	test -z "$warnings"
	ok 'the man page formats without warnings' $? "$warnings"
else
	skip 'the man page formats without warnings: no groff here'
fi

for goal in $(grep -oE '`?make [a-z][a-z-]*' README.md | sed 's/.*make //' | sort -u); do
	grep -qE "^$goal:" Makefile
	ok "make $goal of the README exists" $?
done
for o in $(grep -oE -- '(^|[ `])--[a-z][a-z-]*' README.md | tr -d ' `' | sort -u); do
	[ "$o" = --call-graph ] && continue # perf's
	echo "$in_help" | grep -qx -- "$o"
	ok "$o of the README is an option" $?
done
end
