#!/bin/bash
# Do `make run` and `make test` work on a fresh Debian with nothing but make? Builds a minimal bookworm in a folder, puts a
# clone of this tree there, and tries, in a chroot. Needs root, debootstrap and a mirror, and takes minutes: it runs with
# FRESH=1 (`make test-fresh`), else it is skipped with the reason.
#
# FRESH_DIR     the folder (default: a new one in /var/tmp, removed at the end; a given one is kept and used again)
# FRESH_SUITE   bookworm
# FRESH_MIRROR  default: the first one this machine uses
# FRESH_TEST=1  also the whole `make test` (15 minutes), not only the build, the console and the unit tests
# timeout: 3600
cd "$(dirname "$0")/.." || exit 1
root=$PWD
. tests/support/checks.sh

[ "${FRESH-}" = 1 ] || skip_all 'fresh_debian: takes minutes and the network; make test-fresh runs it'
[ "$(id -u)" = 0 ] || skip_all 'fresh_debian: needs root for chroot'
command -v debootstrap >/dev/null || skip_all 'fresh_debian: needs debootstrap: apt-get install debootstrap'

suite=${FRESH_SUITE:-bookworm}
mirror=${FRESH_MIRROR:-$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)*\(http[^ ]*\).*/\2/p' \
	/etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
	grep -m1 '/debian/*$')}
dir=${FRESH_DIR:-$(mktemp -d /var/tmp/culprit-fresh.XXXXXX)}
log=$root/build/test-logs/fresh
mkdir -p "$root/build/test-logs"

leave() {
	for m in proc sys dev/pts dev; do
		mountpoint -q "$dir/$m" && umount -l "$dir/$m"
	done
	[ -n "${FRESH_DIR-}" ] || rm -rf --one-file-system "$dir"
}
trap leave EXIT

if [ ! -x "$dir/usr/bin/make" ]; then
	echo "debootstrap $suite from ${mirror:-the default mirror} into $dir"
	if ! debootstrap --variant=minbase --include=make "$suite" "$dir" ${mirror:+"$mirror"} >"$log.debootstrap" 2>&1; then
		tail -n 5 "$log.debootstrap"
		skip_all "fresh_debian: debootstrap could not fetch $suite from ${mirror:-the default mirror}"
	fi
fi
mkdir -p "$dir"/{proc,sys,dev}
mountpoint -q "$dir/proc" || mount -t proc proc "$dir/proc"
mountpoint -q "$dir/sys" || mount --rbind --make-rslave /sys "$dir/sys"
mountpoint -q "$dir/dev" || { mount -t tmpfs -o mode=755 dev "$dir/dev" && mkdir -p "$dir"/dev/{pts,shm} &&
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$dir/dev/pts" && ln -s pts/ptmx "$dir/dev/ptmx" &&
	for n in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
		set -- $n
		mknod -m 666 "$dir/dev/$1" c "$2" "$3"
	done && ln -s /proc/self/fd "$dir/dev/fd" && chmod 1777 "$dir/dev/shm"; }
cp -L /etc/resolv.conf /etc/hosts "$dir/etc/" 2>/dev/null
# The proxy and the mirror's certificates, where this machine needs them.
for f in /etc/apt/apt.conf.d/*proxy*; do [ -e "$f" ] && cp "$f" "$dir/etc/apt/apt.conf.d/"; done

# As a fresh clone would be: what is in the tree, without what was built.
rm -rf "$dir/src"
mkdir "$dir/src"
if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' - |
		tar --null -T - -cf - | tar -xf - -C "$dir/src"
else
	tar --exclude=./build --exclude=./.git -cf - . | tar -xf - -C "$dir/src"
fi

in_chroot() {
	chroot "$dir" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=xterm-256color \
		CI="${CI-}" LC_ALL=C.UTF-8 sh -c "cd /src && $1"
}

# try WHAT COMMAND [PATTERN of the output]
try() {
	begin=$(date +%s)
	name=$log.$(echo "$1" | tr -c 'a-z0-9\n' '-')
	in_chroot "$2" >"$name" 2>&1 </dev/null
	status=$?
	if [ $status = 0 ] && grep -qE -e "${3-}" "$name"; then
		ok "$1 ($(($(date +%s) - begin)) s)" 0
	else
		ok "$1" 1 "status $status, or no '${3-}' in the output"
		tail -n 25 "$name" | sed 's/^/     /'
	fi
}

have_compiler=$(in_chroot 'command -v gcc')
[ -z "$have_compiler" ] && echo "a fresh $suite: no compiler, no pkg-config"
try 'make help installs nothing' 'make help && { [ -e build ] && exit 1 || command -v gcc || echo none; }' \
	"$([ -n "$have_compiler" ] && echo gcc || echo none)"
if [ -z "$have_compiler" ]; then
	try 'make run installs, says which, builds, and shows the box' 'make run' 'missing build packages: .*gcc'
else
	try 'make run builds and shows the box' 'make run'
fi
try 'the program is there' 'build/culprit --version' 'culprit'
try 'make run again: nothing to do' 'make run && ! make run 2>&1 | grep -E "  (CC|LD) |missing"'
try 'make run opens the console in a terminal' \
	'apt-get install -y -q util-linux >/dev/null 2>&1; (sleep 5; printf q; sleep 1; printf q; sleep 2) | timeout 60 script -qec "stty cols 80 rows 24; make run" /dev/null' \
	'culprit|LIVE'
try 'make install' 'make install DESTDIR=/tmp/d prefix=/usr && /tmp/d/usr/bin/culprit --version' 'culprit'
try 'make uninstall leaves nothing' 'make uninstall DESTDIR=/tmp/d prefix=/usr && [ -z "$(find /tmp/d -type f)" ]'
try 'make STATIC=1' 'make STATIC=1 && build/static/culprit --version' 'culprit'
in_chroot 'apt-get install -y -q lintian' >"$log.lintian" 2>&1 </dev/null || echo '     no lintian could be installed'
try 'make deb' 'make deb && cp build/culprit_*.deb /tmp/culprit.deb' '^build/culprit_.*deb$'
try 'lintian finds no error' 'lintian --fail-on error --allow-root /tmp/culprit.deb && echo fine' fine
try 'the package is installed, with what it depends on' 'apt-get install -y -q /tmp/culprit.deb && [ "$(command -v culprit)" = /usr/bin/culprit ]'
try 'the installed program runs' 'cd / && culprit --version && culprit dump process --json --for 1' '"pid": *1\b'
try 'its man page and completions are in place' \
	'cd / && ls /usr/share/man/man1/culprit.1.gz && bash -c "source /usr/share/bash-completion/completions/culprit && complete -p culprit"' 'culprit'
try 'the package is removed' 'apt-get purge -y -q culprit && [ -z "$(command -v culprit)" ] && [ ! -e /usr/share/culprit ]'
try 'make unit' 'make -j2 unit'
[ "${FRESH_TEST-}" != 1 ] || try 'make test' 'make test' '^[0-9]+ passed, 0 failed, [0-9]+ skipped$'

end
