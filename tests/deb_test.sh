#!/bin/bash
# make deb: what is in the package; lintian finds no error; it is installed, run and removed, below a root of its own with
# dpkg's words for it (--root, the box's list of packages), so that this box stays as it is. In a real Debian: make test-fresh.
# timeout: 300
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
. tests/support/checks.sh

for tool in dpkg dpkg-deb dpkg-shlibdeps dpkg-parsechangelog; do
	command -v $tool >/dev/null || skip_all "make deb: needs $tool (Debian or Ubuntu: apt-get install dpkg-dev)"
done
dir=$(mktemp -d) || exit 1
trap 'rm -rf --one-file-system "$dir"' EXIT

$make -s DEPS=0 deb >"$dir/out" 2>&1
ok 'make deb' $?
deb=$(grep -E '\.deb$' "$dir/out" | tail -n 1)
[ -f "$deb" ] || { ok 'it says where the package is' 1; end; }
cp "$deb" "$dir/first.deb"
$make -s DEPS=0 deb >"$dir/out" 2>&1 && cmp "$deb" "$dir/first.deb" >>"$dir/out" 2>&1
ok 'made again it has the same bytes' $?

dpkg-deb -c "$deb" >"$dir/out"
for f in usr/bin/culprit usr/share/man/man1/culprit.1.gz usr/share/bash-completion/completions/culprit \
	usr/share/zsh/vendor-completions/_culprit usr/share/fish/vendor_completions.d/culprit.fish usr/share/culprit/themes/dark \
	lib/systemd/system/culprit.service usr/share/doc/culprit/changelog.gz usr/share/doc/culprit/copyright \
	usr/share/doc/culprit/README.md usr/include/culprit/collector.h; do
	grep -qE " root/root +[1-9][0-9]* .* \./$f\$" "$dir/out"
	ok "  has $f, of root" $?
done
! grep -E '/usr/local|\./home|\./build' "$dir/out" >/dev/null
ok '  and nothing in other places' $?
dpkg-deb -f "$deb" >"$dir/out"
grep -qE '^Depends: .*libc6 ' "$dir/out" && grep -qE "^Version: $(sed -n 's/^VERSION = //p' Makefile)$" "$dir/out"
ok '  says its version and what it needs' $?

if command -v lintian >/dev/null; then
	lintian --fail-on error --allow-root "$deb" >"$dir/out" 2>&1
	ok 'lintian finds no error' $?
	sed -n 's/^W:/     lintian warns:/p' "$dir/out"
else
	skip 'lintian finds no error: no lintian here (apt-get install lintian)'
fi

# Its own root; the packages of this box are known there, so that dependencies are checked and met.
root=$dir/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
cp /var/lib/dpkg/status "$root/var/lib/dpkg/status"
[ -e /var/lib/dpkg/arch ] && cp /var/lib/dpkg/arch "$root/var/lib/dpkg/arch"
as_dpkg() {
	PATH=$PATH:/usr/sbin:/sbin dpkg --root="$root" --force-not-root --force-script-chrootless --force-bad-path --log="$dir/log" "$@" \
		>"$dir/out" 2>&1 </dev/null
}
as_dpkg --install "$deb"
ok 'it is installed' $?
dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Status}\n' culprit >"$dir/out" 2>&1 && grep -qx 'install ok installed' "$dir/out"
ok '  with what it depends on' $?
"$root/usr/bin/culprit" --version >"$dir/out" 2>&1 && grep -q '^culprit [0-9]' "$dir/out"
ok 'the installed program says its version' $?
"$root/usr/bin/culprit" dump process --json --for 1 --safe >"$dir/out" 2>&1 && python3 -c 'import json, os, sys
sys.exit(not any(r["pid"] == int(sys.argv[2]) for r in json.load(open(sys.argv[1]))["rows"]))' "$dir/out" $$
ok '  and sees this test' $?
"$root/usr/bin/culprit" --theme no-such-theme </dev/null >"$dir/out" 2>&1
ok '  and prints an overview' $?
bash -c "source '$root/usr/share/bash-completion/completions/culprit' && complete -p culprit" >"$dir/out" 2>&1
ok 'bash takes its completions' $?
gzip -t "$root/usr/share/man/man1/culprit.1.gz" >"$dir/out" 2>&1
ok 'the man page can be unpacked' $?
grep -q '^ExecStart=/usr/bin/culprit record ' "$root/lib/systemd/system/culprit.service"
ok 'the service starts the installed program' $?
strings -a "$root/usr/bin/culprit" 2>/dev/null | grep -E '^/usr(/local)?$' >"$dir/out"
grep -qx /usr "$dir/out" && ! grep -q local "$dir/out"
ok 'it looks for themes and plug-ins in /usr' $?

# A plug-in of others and what was recorded stay.
: >"$root/usr/lib/culprit/plugins/mine.so"
mkdir -p "$root/var/lib/culprit" && : >"$root/var/lib/culprit/a.culprit"
as_dpkg --remove culprit
ok 'it is removed' $?
find "$root" -path "$root/var/lib/dpkg" -prune -o -type f -print >"$dir/out"
test "$(sort "$dir/out" | tr '\n' ' ')" = "$root/usr/lib/culprit/plugins/mine.so $root/var/lib/culprit/a.culprit "
ok '  and leaves what is not its own' $?
as_dpkg --purge culprit
ok 'it is purged' $?
test ! -e "$root/var/lib/culprit"
ok '  and its recordings are gone' $?
end
