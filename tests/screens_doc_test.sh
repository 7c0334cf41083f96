#!/bin/bash
# The pictures of the README: scripts/screens.py makes all that it shows out of the kept recording, well-formed. That they are the
# newest is nobody's test: a panel that changes is no failure, and make screens-doc makes them anew.
cd "$(dirname "$0")/.." || exit 1
. tests/support/checks.sh
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

python3 scripts/screens.py --culprit "${CULPRIT:-build/culprit}" --out "$dir/svg" >"$dir/out" 2>&1
ok 'the screens are made' $?
for picture in $(grep -oE 'docs/screens/[a-z]+\.svg' README.md | sort -u); do
	name=$(basename "$picture")
	test -s "$picture"
	ok "$picture of the README is there" $?
	python3 -c 'import sys, xml.dom.minidom
texts = xml.dom.minidom.parse(sys.argv[1]).getElementsByTagName("text")
sys.exit(len(texts) < 20)' "$dir/svg/$name" >"$dir/out" 2>&1
	ok "$name is made, well-formed and full of text" $?
	grep -q 'web-03' "$dir/svg/$name"
	ok "$name is of that recording" $?
done
end
