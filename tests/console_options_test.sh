#!/bin/sh
# variants: sanitized
# What the console and replay are told when they are started counts: scope, filter, window; and what is wrong is said.
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. tests/support/checks.sh
has() { grep -q -e "$1" "$2"; }
hasnt() { ! grep -q -e "$1" "$2"; }

sleep 321 &
sleeper=$!
"$culprit" record -o "$dir/a.rec" --for 3 --interval 500ms 2> /dev/null
kill $sleeper
echo 'shot a' > "$dir/keys"
replay() { "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --shots "$dir" --size 100x24 "$@"; }
check "replay --pid" replay --panel processes --pid $sleeper
check "the process is there" has "sleep 321" "$dir/a.txt"
check "it alone" has "1-1 of 1 " "$dir/a.txt"
check "line 1 says whose" has "process $sleeper" "$dir/a.txt"
check "replay --filter" replay --panel processes --filter 'comm=sleep and cmdline~321'
check "what it holds for is there" has "sleep 321" "$dir/a.txt"
check "nothing else" hasnt "culprit record" "$dir/a.txt"
check "replay --from --to" replay --from start --to +1s
check "the window is that" has "win 1" "$dir/a.txt"
check "a wrong filter is usage" status 2 replay --filter 'rss>'
check "it says where" has "position" "$dir/err"
check "a wrong time is usage" status 2 replay --from bogus
check "it says what is possible" has "RFC 3339\|2026-\|-5m" "$dir/err"
check "the live console takes a filter" status 0 "$culprit" --filter 'comm~culprit'
check "it shows what it holds for" has "culprit" "$dir/out"
check "a full disk is an error" sh -c "! '$culprit' > /dev/full 2> '$dir/err'"
check "it is said" has "could not be written" "$dir/err"
end
