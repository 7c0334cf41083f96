#!/bin/bash
# make install into a DESTDIR and make uninstall; the static binary, alone in an empty root with /proc and /sys.
# timeout: 900
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
dir=$(mktemp -d) || exit 1
. tests/support/checks.sh

leave() {
	for m in proc sys dev; do
		mountpoint -q "$dir/root/$m" && umount -l "$dir/root/$m"
	done
	rm -rf --one-file-system "$dir"
}
trap leave EXIT

# The prefix is linked in: another one would make all tests link anew, so install with the one it has.
$make -s DEPS=0 install DESTDIR="$dir/d" >"$dir/out" 2>&1
ok 'make install' $?
for f in bin/culprit share/man/man1/culprit.1 share/culprit/themes/dark share/doc/culprit/README.md share/doc/culprit/LICENSE \
	include/culprit/collector.h share/bash-completion/completions/culprit share/zsh/site-functions/_culprit \
	share/fish/vendor_completions.d/culprit.fish; do
	test -s "$dir/d/usr/local/$f"
	ok "  has $f" $?
done
test -d "$dir/d/usr/local/lib/culprit/plugins"
ok '  has lib/culprit/plugins' $?
"$dir/d/usr/local/bin/culprit" --version >"$dir/out" 2>&1 && grep -q '^culprit [0-9]' "$dir/out"
ok 'the installed program says its version' $?
# What plug-ins are compiled against must be enough by itself.
echo '#include <culprit/collector.h>' >"$dir/p.c" && ${CC:-gcc} -std=c11 -Wall -Werror -fsyntax-only \
	-I"$dir/d/usr/local/include" "$dir/p.c" >"$dir/out" 2>&1
ok 'the installed headers compile alone' $?
: >"$dir/d/usr/local/lib/culprit/plugins/mine.so"
$make -s DEPS=0 uninstall DESTDIR="$dir/d" >"$dir/out" 2>&1
left=$(find "$dir/d" -type f)
test "$left" = "$dir/d/usr/local/lib/culprit/plugins/mine.so"
ok "make uninstall leaves nothing but others' plug-ins" $?

$make -s DEPS=0 STATIC=1 -j"$(nproc)" >"$dir/out" 2>&1
ok 'make STATIC=1' $?
static=build/static/culprit
! readelf -l "$static" 2>/dev/null | grep -q INTERP
ok '  needs no dynamic loader' $?
if [ "$(id -u)" != 0 ] || ! mkdir -p "$dir/root"/{proc,sys,dev} || ! mount -t proc proc "$dir/root/proc" 2>"$dir/out"; then
	skip_all 'the static binary in an empty root: needs root, to mount /proc there'
fi
mount --rbind --make-rslave /sys "$dir/root/sys"
cp "$static" "$dir/root/culprit"
inside() {
	env -i PATH="$PATH" timeout 20 chroot "$dir/root" "$@" >"$dir/out" 2>&1 </dev/null
}
inside /culprit --version
ok 'in an empty root: --version' $?
inside /culprit dump process --json --for 1 && python3 -c 'import json,sys
rows = json.load(open(sys.argv[1]))["rows"]
sys.exit(not any(r["pid"] == 1 for r in rows))' "$dir/out"
ok 'in an empty root: dump process --json has pid 1' $?
inside /culprit collectors
ok 'in an empty root: collectors' $?
grep -qi 'static' "$dir/out"
ok 'in an empty root: collectors says that there are no plug-ins' $?
inside /culprit record -o /r --for 1 && inside /culprit info /r
ok 'in an empty root: record, and info' $?
user_of_init() {
	inside /culprit dump process --csv --pid 1 --columns user --for 1 && tail -n 1 "$dir/out" | cut -d, -f1
}
first=$(user_of_init)
mkdir "$dir/root/etc" && echo 'captain:x:0:0::/:/culprit' >"$dir/root/etc/passwd"
test "$first" = 0 && test "$(user_of_init)" = captain
ok 'in an empty root: users are numbers, with an /etc/passwd names' $?
rm -r "$dir/root/etc"

# The console needs a terminal, and that no database describes.
cat >"$dir/console.py" <<'PY'
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    os.chroot(sys.argv[1])
    os.chdir('/')
    os.execve('/culprit', ['culprit'], {'TERM': sys.argv[2], 'CULPRIT_TEST_MARK': '1', 'LC_ALL': 'C'})
out, until, quit = b'', time.monotonic() + 45, 0
while time.monotonic() < until:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    # The first q offers to save what was seen, the second leaves.
    if quit < 2 and out.count(b'\x1b]7777;') >= 2 + 2 * quit:
        os.write(fd, b'q')
        quit += 1
if time.monotonic() >= until:
    os.kill(pid, 9)
status = os.waitpid(pid, 0)[1]
sys.stdout.buffer.write(out[-2000:].replace(b'\x1b', b'^['))
sys.exit(not (quit and status == 0))
PY
# The six that are compiled in, at the same time.
terms='xterm-256color screen-256color tmux-256color xterm linux vt100'
for term in $terms; do
	timeout 60 python3 "$dir/console.py" "$dir/root" $term >"$dir/out.$term" 2>&1 &
	eval "job_$(echo $term | tr - _)=$!"
done
for term in $terms; do
	eval "wait \$job_$(echo $term | tr - _)"
	status=$?
	cp "$dir/out.$term" "$dir/out"
	ok "in an empty root: the console on TERM=$term, and q" $status
done
# Another is no crash: it opens there, or says in a sentence what to do.
timeout 60 python3 "$dir/console.py" "$dir/root" no-such-terminal >"$dir/out" 2>&1 || grep -q 'TERM=vt100' "$dir/out"
ok 'in an empty root: an unknown TERM works, or is told what to do' $?
end
