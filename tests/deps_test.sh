#!/bin/bash
# scripts/deps.sh: finds what is missing, names the packages of five distributions, is quick when nothing is missing, and is
# not asked by make help and make clean. Works on a copy, with a PATH of its own: nothing is ever installed here.
cd "$(dirname "$0")/.." || exit 1
tree=$PWD
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. tests/support/checks.sh

mkdir -p "$dir/t/scripts" "$dir/bin" "$dir/all"
cp scripts/deps.sh "$dir/t/scripts"
cd "$dir/t" || exit 1
tools="expand sh env awk sed grep tr cksum cat id dirname mkdir head ls cut rm echo printf true"
for t in $tools; do
	path=$(command -v "$t") && [ -x "$path" ] && ln -sf "$path" "$dir/bin/$t"
done
# Everything there, as far as commands go; pkg-config says yes to all.
cp -a "$dir/bin/." "$dir/all/"
for t in gcc cc clang llvm-strip bpftool pkg-config nm; do
	printf '#!/bin/sh\nexit 0\n' >"$dir/all/$t"
	chmod +x "$dir/all/$t"
done

run() { # PATH GROUP...
	env -i PATH="$1" HOME=/ DEPS_USR="$dir/usr" sh scripts/deps.sh "${@:2}" >"$dir/out" 2>&1 </dev/null
}
packager() {
	rm -f "$dir"/bin/{dnf,apk,pacman,zypper,apt-get,apt-cache,sudo}
	for t; do
		printf '#!/bin/sh\necho "${0##*/} $*" >>%s/called\nexit 1\n' "$dir" >"$dir/bin/$t"
		chmod +x "$dir/bin/$t"
	done
	: >"$dir/called"
}

packager
run "$dir/bin" build
test $? = 1 && grep -q 'unknown' "$dir/out"
ok 'no packager known: says so, status 1' $?

while read -r tool line want; do
	packager "$tool"
	run "$dir/bin" build
	test $? = 1 && grep -q -- "$(echo "$line" | tr _ ' ')" "$dir/out" && grep -qw -- "$want" "$dir/out" && [ ! -s "$dir/called" ]
	ok "$tool: prints its line with $want, installs nothing, status 1" $?
done <<'LINES'
dnf dnf_install jansson-devel
apk apk_add jansson-dev
pacman pacman_-S jansson
zypper zypper_install libjansson-devel
LINES

packager apt-get apt-cache
cat >"$dir/bin/apt-cache" <<'SH'
#!/bin/sh
for p; do :; done
case $p in bpftool | libclang-rt-*) exit 1 ;; clang) echo 'Version: 1:99.1-2' ;; *) echo 'Version: 1.0' ;; esac
SH
run "$dir/bin" build test
status=$?
test $status = 1 && grep -q 'missing build packages: .*gcc' "$dir/out"
ok 'apt-get: says which packages' $?
test "$(id -u)" != 0 || grep -q 'apt-get .*install -y' "$dir/called"
ok 'apt-get: installs as root' $?
grep -q 'linux-tools-generic' "$dir/out" && ! grep -q 'packages: .*bpftool' "$dir/out"
ok 'apt-get: a release without bpftool gets its other name' $?
grep -q 'libclang-common-99-dev' "$dir/out"
ok "apt-get: the clang's version, and the older name of its run time" $?
grep -q 'apt-get .*update' "$dir/called" || test "$(id -u)" != 0
ok 'apt-get: a failed installation is tried again with new lists' $?
! ls build/deps-* >/dev/null 2>&1
ok 'a failure is not remembered' $?

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod -R a+rwX "$dir"
	as_nobody() {
		env -i PATH="$dir/bin" HOME=/ DEPS_USR="$dir/usr" "$(command -v setpriv)" --reuid=65534 --clear-groups \
			"$dir/bin/sh" scripts/deps.sh build >"$dir/out" 2>&1 </dev/null
	}
	: >"$dir/called"
	as_nobody
	test $? = 1 && grep -q 'As root: apt-get install gcc' "$dir/out" && [ ! -s "$dir/called" ]
	ok 'not root, no sudo: says the line, installs nothing' $?
	printf '#!/bin/sh\necho "sudo $*" >>%s/called\nexit 1\n' "$dir" >"$dir/bin/sudo"
	chmod +x "$dir/bin/sudo"
	as_nobody
	test $? = 1 && grep -q '^sudo env .*apt-get .*install -y' "$dir/called"
	ok 'not root: through sudo' $?
	rm "$dir/bin/sudo"
else
	skip 'not root, with and without sudo: needs root, to become nobody'
fi

mkdir -p "$dir/usr/include/libiberty"
: >"$dir/usr/include/stdio.h"
: >"$dir/usr/include/libiberty/demangle.h"
run "$dir/all" build
ok 'nothing missing: status 0' $?
test ! -s "$dir/out"
ok 'nothing missing: silent' $?
best=1000
for i in 1 2 3 4 5; do
	begin=$(date +%s%N)
	run "$dir/all" build
	ms=$((($(date +%s%N) - begin) / 1000000))
	[ $ms -lt $best ] && best=$ms
done
test $best -lt 100
ok "remembered: $best ms, less than 100" $?
echo '# newer' >>scripts/deps.sh
packager
run "$dir/bin" build
test $? = 1
ok 'a changed deps.sh asks again' $?

cp "$tree/Makefile" . && mkdir -p include core
make=$(command -v make)
for goal in help clean; do
	rm -rf build
	env -i PATH="$dir/bin" "$make" $goal >"$dir/out" 2>&1
	test $? = 0 && ! grep -q 'culprit: missing' "$dir/out" && [ ! -e build ]
	ok "make $goal asks for nothing" $?
done
printf '#!/bin/sh\necho ran >&2; exit 1\n' >scripts/deps.sh
"$make" objects >"$dir/out" 2>&1
test $? != 0 && grep -q ran "$dir/out"
ok 'make objects does ask, and stops' $?
"$make" DEPS=0 -n objects >"$dir/out" 2>&1 && ! grep -q '^ran' "$dir/out"
ok 'DEPS=0 does not' $?

end
