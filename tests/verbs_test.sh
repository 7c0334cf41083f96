#!/bin/sh
# The verbs as a shell meets them: pipes, full disks, odd names, windows that are short, tables that were never sampled.
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. tests/support/checks.sh
has() { grep -qF -- "$1" "$2"; }
hasnt() { ! grep -qF -- "$1" "$2"; }
same() { cmp -s "$1" "$2"; }
piped() { "$culprit" dump cpu - --json < "$dir/a.rec" > "$dir/piped.json"; }
long_enough() { [ $# = 2 ] && [ $(($2 - $1)) -ge 500000000 ]; }
esc=$(printf '\033')

check "record" "$culprit" record -o "$dir/a.rec" --for 1 --interval 200ms
check "dump of the file" status 0 "$culprit" dump cpu "$dir/a.rec"
"$culprit" dump cpu "$dir/a.rec" --json > "$dir/file.json"
# shellcheck disable=SC2046
check "it covers what was asked for" long_enough $(sed -n 's/.*"from_ns":\([0-9]*\),"to_ns":\([0-9]*\).*/\1 \2/p' "$dir/file.json")
check "dump of standard input" piped
check "is the same" same "$dir/piped.json" "$dir/file.json"
check "a table that is none" status 2 "$culprit" dump nosuch "$dir/a.rec"
check "of more than there is room for no half name is said" has ' ... (culprit collectors names all)' "$dir/err"
: > "$dir/empty"
check "a file that is none" status 1 "$culprit" dump cpu "$culprit"
check "an empty file" status 1 "$culprit" dump cpu "$dir/empty"

# Damage is named, wherever it lies.
check "it is called empty" has 'is empty' "$dir/err"
flip() { # FILE AT: into $dir/b.rec, a byte of it turned around
	cp "$1" "$dir/b.rec"
	old=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059,SC2086
	printf "\\$(printf %03o $((old ^ 4)))" | dd of="$dir/b.rec" bs=1 seek="$2" conv=notrunc 2> /dev/null
}
for at in 60 150 184 300 2000; do
	flip "$dir/a.rec" $at
	check "damage at byte $at" status 1 "$culprit" dump cpu "$dir/b.rec"
	check "it is named: $at" has "$dir/b.rec is damaged" "$dir/err"
	check "replay with damage at byte $at" status 1 "$culprit" replay "$dir/b.rec" --keys /dev/null --shots "$dir/shots"
	check "replay names it: $at" has "$dir/b.rec is damaged" "$dir/err"
done
flip "$dir/a.rec" $(($(wc -c < "$dir/a.rec") - 800))
check "damage near the end" status 1 "$culprit" dump cpu "$dir/b.rec"
check "it is named near the end" has "$dir/b.rec is damaged" "$dir/err"
check "what was before it is printed" has busy "$dir/out"
head -c 100 "$dir/a.rec" > "$dir/b.rec"
check "cut before its first frame" status 1 "$culprit" dump cpu "$dir/b.rec"
check "it is said where" has "$dir/b.rec ends at byte 100" "$dir/err"
cp "$dir/a.rec" "$dir/b.rec"
truncate -s 10G "$dir/b.rec"
check "a long hole at its end" status 0 timeout 10 "$culprit" dump cpu "$dir/b.rec"
check "what is before the hole is printed" has busy "$dir/out"
check "info of it" status 0 timeout 10 "$culprit" info "$dir/b.rec"
check "the hole is named, as what it is" grep -qE '^zeros +[0-9]+ bytes .*: nothing is missing' "$dir/out"
check "nothing is called lost" hasnt 'are lost' "$dir/out"
head -c $(($(wc -c < "$dir/a.rec") / 2)) "$dir/a.rec" > "$dir/b.rec"
truncate -s 1G "$dir/b.rec"
check "a hole in the middle of a segment" status 1 timeout 10 "$culprit" info "$dir/b.rec"
check "is damage" has "$dir/b.rec is damaged" "$dir/out"
rm -f "$dir/b.rec"

# Two recordings one after the other: the last one is read, whichever it is.
"$culprit" record -o "$dir/later.rec" --for 1 --interval 200ms
"$culprit" dump cpu "$dir/later.rec" --json > "$dir/later.json"
cat "$dir/a.rec" "$dir/later.rec" > "$dir/two.rec"
check "old and new" status 0 "$culprit" dump cpu "$dir/two.rec" --json
check "the new is read" same "$dir/out" "$dir/later.json"
check "it is said of the new" has 'only the last one is read' "$dir/err"
cat "$dir/later.rec" "$dir/a.rec" > "$dir/two.rec"
check "new and old" status 0 "$culprit" dump cpu "$dir/two.rec" --json
check "the old is read" same "$dir/out" "$dir/file.json"
check "it is said of the old" has 'only the last one is read' "$dir/err"

check "a short window" status 0 "$culprit" dump cpu --interval 10ms
check "is not told as 0" hasnt '(0s)' "$dir/out"
check "a table that is switched off" status 1 "$culprit" dump cpu --without cpu
check "tells why" has 'switched off' "$dir/err"
check "a table that is switched off, for machines" status 1 "$culprit" dump cpu --without cpu --json
check "has a state" has '"state":"missing"' "$dir/out"
check "has no time" has '"from":null,"to":null,"from_ns":null' "$dir/out"

check "times for machines" status 0 "$culprit" dump host "$dir/a.rec" --json
check "are RFC 3339" grep -qE '"boot_time":"20[0-9-]+T[0-9:.]+Z","boot_time_ns":[0-9]+' "$dir/out"
check "times in CSV" status 0 "$culprit" dump host "$dir/a.rec" --csv
check "are, too" grep -qE ',20[0-9-]+T[0-9:.]+Z,' "$dir/out"

check "a process that is not there" status 0 "$culprit" dump process "$dir/a.rec" --pid 4194999
check "is told" has 'no process 4194999 in this window' "$dir/err"
check "a control group that is not there" status 0 "$culprit" dump process "$dir/a.rec" --cgroup /nosuch
check "is told" has 'control group /nosuch' "$dir/err"
check "what belongs to no process" status 0 "$culprit" dump cpu "$dir/a.rec" --pid 4194999
check "is not" hasnt 'in this window' "$dir/err"

mkfifo "$dir/fifo"
check "record into a pipe by name" status 1 "$culprit" record -o "$dir/fifo" --for 1
check "isn't told to remove it" hasnt 'remove' "$dir/err"
check "record over a file" status 1 "$culprit" record -o "$dir/a.rec" --for 1
check "no such verb" status 2 "$culprit" "${esc}[2J"
check "it is shown escaped" has '\x1b[2J' "$dir/err"
check "no such option" status 2 "$culprit" "--${esc}[2J"
check "it is shown escaped, too" hasnt "$esc" "$dir/err"
check "no /proc" status 1 "$culprit" dump cpu --root "$dir/nothing"
mkdir -p "$dir/bare/proc" "$dir/bare/sys"
check "a /proc without its files" status 1 "$culprit" dump cpu --root "$dir/bare"
check "names the file" has '/proc/stat' "$dir/err"
limited() { # OPTION VALUE ARGUMENTS...
	limit="$1 $2"
	shift 2
	# shellcheck disable=SC2086,SC3045
	(exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- && ulimit $limit && exec "$culprit" "$@")
}
if ! has __asan_init "$culprit" && ! has __tsan_init "$culprit"; then
	check "with little memory" status 1 limited -v 20000 dump cpu
	check "it says that memory is out" grep -qi 'out of memory' "$dir/err"
	for kib in 23000 24000 25000 26000; do
		# From where on it is enough depends on the machine.
		if ! status 0 limited -v $kib dump cpu; then
			check "with $kib KiB it says that memory is out" grep -qi 'out of memory' "$dir/err"
		fi
	done
fi
for n in 7 10; do
	check "with $n descriptors" status 1 limited -n $n dump process
	check "it says what to do" has "ulimit -n" "$dir/err"
done
check "--cgroup without its /" status 2 "$culprit" dump process --cgroup system.slice
check "--limit 0" status 2 "$culprit" dump cpu --limit 0
check "--history too small" status 2 "$culprit" --history 1K
check "names the least" has '1.00M' "$dir/err"
check "--history too small to record" status 2 "$culprit" record -o "$dir/h.rec" --history 1K
check "--interval 0" status 2 "$culprit" dump cpu --interval 0
check "names the least, too" has '10ms' "$dir/err"
check "-o of nothing" status 2 "$culprit" record -o ''
check "is told so" has 'names no file' "$dir/err"
check "--collect of nothing" status 2 "$culprit" dump cpu --collect ''

# Its helpers are killed: it goes on, and says so.
"$culprit" record -o "$dir/killed.rec" --for 3 --interval 200ms &
recorder=$!
sleep 1
kill -9 $(cat /proc/$recorder/task/$recorder/children)
wait $recorder
check "record goes on without its helpers" [ $? = 0 ]
check "marks of it" status 0 "$culprit" dump mark "$dir/killed.rec"
check "it says so" has 'its helper processes were killed' "$dir/out"
"$culprit" dump mark "$dir/killed.rec" --json > "$dir/out"
check "with their time" grep -qE '"time":"20[0-9-]+T[0-9:.]+Z","time_ns":[0-9]+' "$dir/out"
check "collectors of it" status 0 "$culprit" dump collector "$dir/killed.rec"
check "they say so, too" has 'restart culprit' "$dir/out"

# Somebody who may not read everything is told so.
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
	cp "$culprit" "$dir/culprit" && chmod 755 "$dir" "$dir/culprit"
	check "collectors of nobody" status 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/culprit" collectors
	check "they say what is not shown" has "other users' processes" "$dir/out"
fi

# A container with the host's / mounted: names of users are those of the host; its own /proc serves where the host's is not there.
mkdir -p "$dir/host/etc"
echo "elsewhere:x:$(id -u):0::/:/bin/sh" > "$dir/host/etc/passwd"
check "another root" status 0 "$culprit" dump process --host-root "$dir/host" --columns pid,user --filter "pid=$$"
check "has its names" has elsewhere "$dir/out"

if [ -c /dev/full ]; then
	for what in --help --version 'dump cpu' collectors; do
		# shellcheck disable=SC2086
		"$culprit" $what > /dev/full 2> "$dir/err"
		check "$what on a full disk" [ $? = 1 ]
	done
fi
end
