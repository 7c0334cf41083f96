#!/bin/sh
# variants: sanitized
# The plug-in of docs/COLLECTORS.md: built with nothing but include/, loaded, dumped, recorded, replayed, shown.
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit} plugin=${B:-build}/plugins/example.so
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. tests/support/checks.sh
has() { grep -q "$1" "$2"; }

lines=$(wc -l < tests/plugins/example.c)
check "under 100 lines, it has $lines" [ "$lines" -lt 100 ]
check "builds with the public headers alone" ${CC:-cc} -Wall -Wextra -Werror -Wno-missing-field-initializers -shared -fPIC \
	-Iinclude -o "$dir/own.so" tests/plugins/example.c
check "dump" "$culprit" dump open_files --plugin "$plugin" --json > "$dir/live.json"
check "its row is there" has '"open":[1-9]' "$dir/live.json"
check "its derived column is there" has '"used":[0-9]' "$dir/live.json"
check "its own build loads too" "$culprit" dump open_files --plugin "$dir/own.so" --csv > "$dir/own.csv"
check "csv has the row" has '^0,[1-9]' "$dir/own.csv"
check "collectors" "$culprit" collectors --plugin "$plugin" > "$dir/collectors"
check "it is listed as on" has '^example  *on' "$dir/collectors"
check "record" "$culprit" record -o "$dir/a.rec" --for 3 --interval 500ms --plugin "$plugin"
check "dump of the recording" "$culprit" dump open_files "$dir/a.rec" --json > "$dir/file.json"
check "the recording has its rows" has '"open":[1-9]' "$dir/file.json"
printf 'key t\ntype :table open_files\nkey Enter\nshot table\n' > "$dir/keys"
check "replay shows it" "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --size 80x24 --shots "$dir/shots"
check "the screen names its table" has 'open_files' "$dir/shots/table.txt"
check "the screen has its columns" has 'open.*max.*used' "$dir/shots/table.txt"
end
