#!/bin/bash
# Source lines of what runs in a container: its file and its debug file are in a mount namespace of their own, where nobody else sees
# them, and are found by way of the process.
# beside: others
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
dir=$(mktemp -d /tmp/culprit-container-XXXXXX) pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null; rm -rf "$dir"' EXIT
. tests/support/checks.sh
has() { grep -qF -- "$1" "$2"; }
export CULPRIT_NO_SETTINGS=1

[ "$(id -u)" = 0 ] || skip_all "needs root, for a mount namespace"
command -v unshare objcopy setpriv > /dev/null || skip_all "no unshare, objcopy or setpriv here"
mkdir "$dir/root" "$dir/made" && chmod 755 "$dir" "$dir/root"
unshare --mount mount -t tmpfs none "$dir/root" 2>/dev/null || skip_all "may not mount here"
cat > "$dir/made/burn.c" <<'C'
volatile unsigned long sink;
static inline __attribute__((always_inline)) unsigned long mix(unsigned long x)
{
	for (int i = 0; i < 200; i++)
		x = x * 6364136223846793005ul + (x >> 7);
	return x;
}
__attribute__((noinline)) void outer(void) { for (int i = 0; i < 7000; i++) sink += mix(i); }
int main(void) { for (;;) outer(); }
C
(cd "$dir/made" && ${CC:-cc} -O2 -g -static -fomit-frame-pointer -Wl,--build-id=sha1 -o whole burn.c && objcopy --only-keep-debug whole debug &&
	objcopy --strip-debug whole split) > "$dir/said" 2>&1 || skip_all "nothing static can be compiled here"
id=$(LC_ALL=C readelf -n "$dir/made/whole" | sed -n 's/ *Build ID: //p')
[ ${#id} = 40 ] || skip_all "no readelf here"

# A root of its own, as a container has it: contain FOLDER UID COMMAND, which fills it
cat > "$dir/made/contain.c" <<'C'
#define _GNU_SOURCE
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int n, char **v)
{
	if (n != 4 || unshare(CLONE_NEWNS) || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) || mount("none", v[1], "tmpfs", 0, "mode=755"))
		return 1;
	if (system(v[3]) || chdir(v[1]) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return 2;
	if (setgroups(0, 0) || setgid(atoi(v[2])) || setuid(atoi(v[2])) || prctl(PR_SET_DUMPABLE, 1))
		return 3;
	execl("/burn", "/burn", (char *)0);
	return 4;
}
C
(cd "$dir/made" && ${CC:-cc} -o contain contain.c) || skip_all "no compiler here"

# run PROGRAM [DEBUG]: what is in its root besides.
run() {
	local debug=$dir/root/usr/lib/debug/.build-id/${id:0:2}
	"$dir/made/contain" "$dir/root" 64993 "cp '$dir/made/$1' '$dir/root/burn'; mkdir -p '$debug'; ${2:+cp '$dir/made/$2' '$debug/${id:2}.debug';} chmod -R go+rX '$dir/root'" &
	pid=$!
	pids+=("$pid")
	for _ in $(seq 100); do
		[ "$(readlink "/proc/$pid/exe")" = /burn ] && break
		sleep 0.1
	done
}
lines() { # WHAT COMMAND...
	local what=$1
	shift
	"$@" flame --for 3 --pid "$pid" --lines > "$dir/lines" 2>&1
	check "$what: the line" has "burn.c:5" "$dir/lines"
	check "$what: what was inlined" has "inlined: mix <- outer" "$dir/lines"
}

run whole
check "it runs where nobody else sees it" test "$(readlink "/proc/$pid/exe")" = /burn -a ! -e "$dir/root/burn" -a ! -e /burn
lines "in the file" "$culprit"
cp "$culprit" "$dir/culprit" && chmod 755 "$dir/culprit"
plain() { setpriv --reuid 64993 --regid 64993 --clear-groups "$@"; }
plain "$dir/culprit" collectors > "$dir/collectors" 2>&1
if has "of your own processes only" "$dir/collectors"; then
	lines "without rights" plain "$dir/culprit"
else
	skip "without rights: no perf events here"
fi
rm "/proc/$pid/root/burn"
check "it is deleted" test "$(readlink "/proc/$pid/exe")" = "/burn (deleted)"
lines "in a file that was deleted" "$culprit"
kill "$pid"
run split debug
lines "in a debug file of the container" "$culprit"
end
