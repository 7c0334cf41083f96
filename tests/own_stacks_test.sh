#!/bin/bash
# Stacks without rights: what an unprivileged user sees of a program of his own. Against the kernel's own count of its CPU time.
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
dir=$(mktemp -d /tmp/culprit-own-XXXXXX) pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
. tests/support/checks.sh
has() { grep -qF -- "$1" "$2"; }

[ "$(id -u)" = 0 ] || skip_all "needs root, to become somebody else"
command -v setpriv > /dev/null || skip_all "no setpriv here"
paranoid=$(cat /proc/sys/kernel/perf_event_paranoid 2>/dev/null || echo none)
chmod 755 "$dir"
mkdir "$dir/out" && chmod 777 "$dir/out"
cat > "$dir/burn.c" <<'C'
volatile unsigned long sink;
static inline __attribute__((always_inline)) unsigned long mix(unsigned long x)
{
	for (int i = 0; i < 200; i++)
		x = x * 6364136223846793005ul + (x >> 7);
	return x;
}
__attribute__((noinline)) void seventy(void) { for (int i = 0; i < 7000; i++) sink += mix(i); }
__attribute__((noinline)) void thirty(void) { for (int i = 0; i < 3000; i++) sink += mix(i); }
int main(void) { for (;;) { seventy(); thirty(); } }
C
${CC:-cc} -O2 -g -fomit-frame-pointer -Wl,--build-id=sha1 -o "$dir/burn" "$dir/burn.c" || skip_all "no compiler here"
cp "$culprit" "$dir/culprit" && chmod 755 "$dir/culprit" "$dir/burn"
plain() { setpriv --reuid 64992 --regid 64992 --clear-groups "$@"; }
ticks() { sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'; }

setpriv --reuid 64992 --regid 64992 --clear-groups "$dir/burn" & pid=$!
plain "$dir/culprit" collectors > "$dir/collectors" 2>&1
if ! has "of your own processes only" "$dir/collectors"; then
	check "where it can't be had, one command that brings it is named ($paranoid)" has "sysctl kernel.perf_event_paranoid=2" "$dir/collectors"
	end
fi
plain env CULPRIT_NO_SETTINGS=1 "$dir/culprit" record -o "$dir/out/own.rec" --for 10 > /dev/null 2>&1 & recorder=$!
sleep 2
before=$(ticks)
wait $recorder
after=$(ticks)
check "recorded" test -s "$dir/out/own.rec"
"$culprit" flame "$dir/out/own.rec" --pid $pid > "$dir/flame"
"$culprit" flame "$dir/out/own.rec" --pid $pid --format folded > "$dir/folded"
sum() { awk -v "what=$1" '{ n = $NF; sub(/ [0-9]+$/, ""); if (index($0, what)) s += n } END { printf "%.0f", s }' "$dir/folded"; }
all=$(sum "") seventy=$(sum "main;seventy") thirty=$(sum "main;thirty")
check "its functions stand in main, without frame pointers: $seventy + $thirty of $all" test $(((seventy + thirty) * 100)) -ge $((all * 90))
# At 99 Hz and one CPU a second holds 99 samples: 10 points are three times what chance does to 200 of them.
share=$((seventy * 100 / (seventy + thirty + 1)))
check "their shares: $share%, should be 70%" test $share -ge 60 -a $share -le 80
check "its rate is said" has "99 Hz" "$dir/flame"
# The recording is 2 s longer than what was counted beside it, and begins late.
check "CPU time: $all ns sampled, $((after - before)) ticks counted" test $((all / 10000000 * 100)) -ge $(((after - before) * 60)) -a \
	$((all / 10000000 * 100)) -le $(((after - before) * 160 + 20000))
plain env CULPRIT_NO_SETTINGS=1 "$dir/culprit" flame --for 2 --pid $pid --lines > "$dir/lines" 2>&1
check "lines without rights" has "burn.c:5" "$dir/lines"
check "and what was inlined" has "inlined: mix <- seventy" "$dir/lines"
plain "$dir/culprit" dump offcpu > "$dir/offcpu" 2>&1
check "what is not measured says so" grep -q "root\|setcap" "$dir/offcpu"
end
