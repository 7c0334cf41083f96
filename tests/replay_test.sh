#!/bin/sh
# variants: sanitized
# Replay from outside: time driven by a script of keys, baselines of windows and of other recordings.
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. tests/support/checks.sh
has() { grep -q -e "$1" "$2"; }
hasnt() { ! grep -q -e "$1" "$2"; }
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
# Damaged, it ends where what can be read ends, whatever its end mark says; that is told, and whole.
python3 - "$culprit" "$dir/a.rec" "$dir/damaged.rec" << 'PYTHON'
import json, subprocess, sys
culprit, whole, damaged = sys.argv[1:]
def frames(file):
    return json.loads(subprocess.run([culprit, 'info', file, '--json'], stdout=subprocess.PIPE).stdout)['frames']
good, all_of_it = open(whole, 'rb').read(), frames(whole)
for at in range(len(good) - 200, 0, -200):  # behind the key frame, before the summary
    bad = bytearray(good)
    bad[at:at + 20] = bytes(b ^ 0x55 for b in bad[at:at + 20])
    open(damaged, 'wb').write(bad)
    if 2 < frames(damaged) < all_of_it - 1:
        break
PYTHON
echo 'shot damaged' > "$dir/keys"
"$culprit" info "$dir/damaged.rec" --json > "$dir/damaged.json"
check "there is something before the damage, not all" json "$dir/damaged.json" '2 < d["frames"] and d["damage"]'
"$culprit" info "$dir/a.rec" --json > "$dir/whole.json"
check "info says how many frames are lost at most" json "$dir/damaged.json" \
	"0 < $(sed -n 's/.*"frames":\([0-9]*\).*/\1/p' "$dir/whole.json") - d['frames'] <= d['frames_lost_most'] < 40"
check "a damaged recording" "$culprit" replay "$dir/damaged.rec" --keys "$dir/keys" --shots "$dir" --panel overview
check "it begins at the end of what can be read" has '^cpu  *[0-9]' "$dir/damaged.txt"
check "what is known there is not called unknown" hasnt 'stands still is not known' "$dir/damaged.txt"
tr '\n' ' ' < "$dir/damaged.txt" > "$dir/damaged.line"
check "the damage is told, in full" has 'damaged.rec is damaged .* are lost' "$dir/damaged.line"
printf 'culprit-marks 1\n%s beside it\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$dir/damaged.rec.marks"
check "marks of a damaged recording may lack some" status 1 "$culprit" dump mark "$dir/damaged.rec"
check "which is said of marks" has 'damaged.rec is damaged' "$dir/err"
check "and those that there are are shown" has 'beside it' "$dir/out"
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
# What is looked at between two frames is the first of them.
printf 'at 0.5s\nkey Space\ntype mwhile playing\nkey Enter\n' > "$dir/keys"
check "a mark while it plays" "$culprit" replay "$dir/a.rec" --keys "$dir/keys"
at=$(sed -n 's/ while playing//p' "$dir/a.rec.marks")
"$culprit" dump host "$dir/a.rec" --raw --json --to +500ms > "$dir/shown.json"
"$culprit" dump host "$dir/a.rec" --raw --json --to "$at" > "$dir/marked.json"
check "stands at the frame that is shown" python3 -c 'import json, sys
from datetime import datetime
shown, marked = (json.load(open(f)) for f in sys.argv[1:3])
at, ns = sys.argv[3][:-1].split(".")
at = int(datetime.fromisoformat(at + "+00:00").timestamp()) * 10**9 + int(ns)
near = 5 * 10**7 # the sample is taken a little before or behind the frame
sys.exit(not (shown["to_ns"] == marked["to_ns"] and abs(at - shown["to_ns"]) < near))' "$dir/shown.json" "$dir/marked.json" "$at"
check "dump of marks has those beside the recording" status 0 "$culprit" dump mark "$dir/a.rec" --json
check "all of them" json "$dir/out" '[r["text"] for r in d["rows"] if r["kind"] == "user"] == ["deploy began", "while playing", "at the end"]'
check "with their times" json "$dir/out" 'd["rows"] == sorted(d["rows"], key=lambda r: r["time_ns"]) and d["from_ns"] < d["rows"][1]["time_ns"] < d["to_ns"]'
check "of a window, those in it" status 0 "$culprit" dump mark "$dir/a.rec" --json --from "$at"
check "and no others" json "$dir/out" '"deploy began" not in [r["text"] for r in d["rows"]]'
check "cut takes them along" status 0 "$culprit" cut "$dir/a.rec" --from "$at" -o "$dir/piece.rec"
check "and says that there is another file to hand over" has "2 marks of yours are in $dir/piece.rec.marks" "$dir/err"
check "dump of the piece has them" status 0 "$culprit" dump mark "$dir/piece.rec" --json
check "those of its times" json "$dir/out" '[r["text"] for r in d["rows"] if r["kind"] == "user"] == ["while playing", "at the end"]'
echo '#!/bin/sh' > "$dir/a.rec.marks"
check "cut with marks that cannot be read" status 1 "$culprit" cut "$dir/a.rec" -o "$dir/without.rec"
check "says so" has 'a.rec.marks.*marks' "$dir/err"
check "and is done all the same" status 0 "$culprit" info "$dir/without.rec"
printf 'culprit-marks 1\n%s long ago\n' "$(date -u -d '10 minutes ago' +%Y-%m-%dT%H:%M:%SZ)" > "$dir/a.rec.marks"
printf 'at 2s\nkey X\nshot first\nkey X\nshot second\n' > "$dir/keys"
check "a mark from before the recording" "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --shots "$dir"
check "is gone to" has 'mark: user long ago' "$dir/first.txt"
check "once" has 'no event or mark before this' "$dir/second.txt"
printf 'key ?\nshot help\nkey ?\nkey W\nshot save\n' > "$dir/keys"
check "help" "$culprit" replay "$dir/a.rec" --keys "$dir/keys" --shots "$dir" --size 100x100
check "has what can be done" has '^ P  *print' "$dir/help.txt"
check "and not what is for a live console" hasnt '^ W  *save' "$dir/help.txt"
check "which is said to who tries" has 'holds nothing that is not in its file' "$dir/save.txt"
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
end
