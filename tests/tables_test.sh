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
# Tables of collectors that need programs in the kernel are named where there are none (BPF=0).
missing=$(awk '/^## /{name=$2} /^Collector `/{split($2, c, "`"); print c[2], name}' docs/TABLES.md | while read -r collector table; do
	grep -q "^COLLECTOR($collector," collectors/unbuilt.c && ! grep -q "TABLE(\"$table\")" collectors/unbuilt.c && echo "$table"
done)
if [ -z "$missing" ] && grep -q 'TABLE("runq")' collectors/unbuilt.c; then
	passed=$((passed + 1))
else
	echo "collectors/unbuilt.c does not name: $missing"
	failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
