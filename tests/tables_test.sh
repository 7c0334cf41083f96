#!/bin/sh
# docs/TABLES.md is what the schemas say.
cd "$(dirname "$0")/.." || exit 1
build=${B:-build}
passed=0 failed=0
if ! "$build/tables_md" > "$build/TABLES.md.new"; then
	echo "the schemas cannot be printed"
	failed=1
elif diff -u docs/TABLES.md "$build/TABLES.md.new" | head -n 40 && cmp -s docs/TABLES.md "$build/TABLES.md.new"; then
	passed=1
else
	echo "docs/TABLES.md is not what the schemas say; run: make tables-doc"
	failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
