#!/bin/sh
# docs/TABLES.md is what the schemas say.
cd "$(dirname "$0")/.." || exit 1
build=${B:-build}
. tests/support/checks.sh
"$build/tables_md" > "$build/TABLES.md.new" && diff -u docs/TABLES.md "$build/TABLES.md.new" > "$build/TABLES.md.diff"
ok "docs/TABLES.md is what the schemas say" $? "run: make tables-doc"
head -n 40 "$build/TABLES.md.diff"
# Tables of collectors that need programs in the kernel are named where there are none (BPF=0).
missing=$(awk '/^## /{name=$2} /^Collector `/{split($2, c, "`"); print c[2], name}' docs/TABLES.md | while read -r collector table; do
	grep -q "^COLLECTOR($collector," collectors/unbuilt.c && ! grep -q "TABLE(\"$table\")" collectors/unbuilt.c && echo "$table"
done)
[ -z "$missing" ] && grep -q 'TABLE("runq")' collectors/unbuilt.c
ok "collectors/unbuilt.c names all tables of what is not built" $? "$missing"
end
