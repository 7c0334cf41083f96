#!/bin/sh
# variants: sanitized
# Replay from outside: time driven by a script of keys, baselines of windows and of other recordings.
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
dir=$(mktemp -d) passed=0 failed=0
trap 'rm -rf "$dir"' EXIT
check() { # NAME COMMAND...
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		echo "failed: $name"
		failed=$((failed + 1))
	fi
}
has() { grep -q -e "$1" "$2"; }
hasnt() { ! grep -q -e "$1" "$2"; }
status() { # EXPECTED COMMAND...
	expected=$1
	shift
	"$@" > "$dir/out" 2> "$dir/err"
	[ $? = "$expected" ]
}
json() { # FILE EXPRESSION: of python, over the object d
	python3 -c "import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not ($2))" "$1"
}

"$culprit" record -o "$dir/before.rec" --for 2 --interval 200ms --budget off 2> /dev/null
# Without what may happen by itself meanwhile: the kernel's log, slow requests. The marks below are the only events.
"$culprit" record -o "$dir/a.rec" --for 3 --interval 200ms --budget off --safe --without kmsg 2> /dev/null

cat > "$dir/keys" << 'KEYS'
shot end
key ^
shot start
key Space
wait 1s
shot playing
key Space
shot paused
key b
type :goto end
key Enter
shot baseline
key d
shot change
KEYS
check "a scripted session" "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --shots "$dir" --panel processes
check "it begins at the end" has 'REPLAY end' "$dir/end.txt"
check "goes to the start" has 'REPLAY 1x paused' "$dir/start.txt"
check "plays" has 'REPLAY 1x playing' "$dir/playing.txt"
check "stops" has 'REPLAY 1x paused' "$dir/paused.txt"
check "compares" has 'vs [0-9:]*Z' "$dir/baseline.txt"
check "shows differences" has 'cpu1[^ ]* *+/-' "$dir/baseline.txt"
check "sorts by them" has 'by change of cpu' "$dir/change.txt"
echo 'shot two' > "$dir/keys"
check "another recording as baseline" "$culprit" replay "$dir/a.rec" --baseline "$dir/before.rec" --keys "$dir/keys" --shots "$dir"
check "it is named" has 'vs before.rec' "$dir/two.txt"
cat > "$dir/keys" << 'KEYS'
key ^
type mdeploy began
key Enter
key $
type :mark at the end
key Enter
type :marks
key Enter
shot marks
key Esc
key X
shot mark
KEYS
check "marks" "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --shots "$dir"
check "are kept beside the recording" has 'Z deploy began' "$dir/a.rec.marks"
check "are listed" has 'yours  at the end' "$dir/marks.txt"
check "are gone to" has 'mark: user deploy began' "$dir/mark.txt"
check "stand on the timeline" has 'x.*cpu busy' "$dir/mark.txt"
printf 'type :sandbox\nkey Enter\nshot sandbox\n' > "$dir/keys"
check "within the sandbox" "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --shots "$dir"
check "it says whether it is on" has 'sandbox ' "$dir/sandbox.txt"
check "info does, too" status 0 "$culprit" info "$dir/a.rec"
check "it does" has 'sandbox ' "$dir/out"
echo 'wait x' > "$dir/keys"
check "a wrong step is usage" status 2 "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --shots "$dir"

check "dump against another recording" status 0 "$culprit" dump process "$dir/a.rec" --baseline "$dir/before.rec" --json
check "tells which window" json "$dir/out" 'd["baseline"]["other_recording"] and d["baseline"]["from_ns"] < d["from_ns"]'
check "tells differences by name" json "$dir/out" 'any(r["_change"] and "cpu" in r["_change"] for r in d["rows"])'
check "now less before" json "$dir/out" 'all(abs(r["rss"] - r["_baseline"]["rss"] - r["_change"]["rss"]) < 1 for r in d["rows"] if r["_baseline"])'
check "dump against a window" status 0 "$culprit" dump cpu "$dir/a.rec" --from -1s --baseline-from start --baseline-to +1s --json
check "tells it is the same" json "$dir/out" 'not d["baseline"]["other_recording"] and all(r["_baseline"] for r in d["rows"])'
check "for people" status 0 "$culprit" dump cpu "$dir/a.rec" --baseline-to +1s
check "they are signed" has '+/- against' "$dir/out"
check "as CSV" status 0 "$culprit" dump cpu "$dir/a.rec" --baseline-to +1s --csv
check "with columns of their own" has 'busy,busy_baseline,busy_change' "$dir/out"
check "without one nothing is said of it" status 0 "$culprit" dump cpu "$dir/a.rec" --json
check "nothing" hasnt 'baseline' "$dir/out"
check "no such baseline" status 1 "$culprit" dump cpu "$dir/a.rec" --baseline "$dir/nosuch"
check "an empty one" status 2 "$culprit" dump cpu "$dir/a.rec" --baseline-from end --baseline-to start
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
