#!/bin/sh
# usage: scripts/deps.sh [--list] GROUP...        GROUP: build, test, bench, deb
#
# What culprit's Makefile asks for before anything else: are the compilers, libraries and tools of these groups here? If
# not, says which, and installs them with apt-get on Debian and Ubuntu (through sudo when not root). Elsewhere it prints
# the line that installs them, and stops with status 1. Nothing missing: silent, and remembered in build/, so that the
# next call costs a few milliseconds. What is looked for is the thing itself (a command, a header, a .pc file), not a
# package, so that what was installed by hand counts. --list prints what is missing and installs nothing.
set -u
cd "$(dirname "$0")/.." || exit 1
usr=${DEPS_USR:-/usr} # another one for tests

list=
[ "${1-}" = --list ] && { list=1; shift; }
[ $# -gt 0 ] || set -- build

# Remembered under what would change the answer: this file, the distribution, the groups.
os=/etc/os-release
[ -r $os ] || os=/dev/null
stamp=build/deps-$(cat "$0" $os | cksum | tr -d ' ')
if [ -z "$list" ]; then
	known=1
	[ -e build/deps.mk ] || known=
	for group in "$@"; do
		[ -e "$stamp-$group" ] || known=
	done
	[ -n "$known" ] && exit 0
fi

# --- the things ---------------------------------------------------------------------------------------------------
# group thing debian fedora alpine arch suse; `a|b`: the first that exists; `-`: comes with another.
# {clang} is the version of the clang that is, or will be, installed.
things() {
	cat <<-'LIST'
	build cc                gcc                              gcc                 build-base      gcc           gcc
	build stdio.h           libc6-dev                        glibc-devel         musl-dev        glibc         glibc-devel
	build pkg-config        pkg-config|pkgconf               pkgconf-pkg-config  pkgconf         pkgconf       pkgconf-pkg-config
	build pc:ncursesw       libncurses-dev|libncursesw5-dev  ncurses-devel       ncurses-dev     ncurses       ncurses-devel
	build pc:jansson        libjansson-dev                   jansson-devel       jansson-dev     jansson       libjansson-devel
	build pc:libzstd        libzstd-dev                      libzstd-devel       zstd-dev        zstd          libzstd-devel
	build pc:libbpf         libbpf-dev                       libbpf-devel        libbpf-dev      libbpf        libbpf-devel
	build pc:libelf         libelf-dev                       elfutils-libelf-devel elfutils-dev  libelf        libelf-devel
	build pc:libdw          libdw-dev                        elfutils-devel      elfutils-dev    libelf        libdw-devel
	build pc:zlib           zlib1g-dev                       zlib-devel          zlib-dev        zlib          zlib-devel
	build pc:liblzma        liblzma-dev                      xz-devel            xz-dev          xz            xz-devel
	build demangle.h        libiberty-dev                    binutils-devel      binutils-dev    binutils      binutils-devel
	build clang             clang                            clang               clang           clang         clang
	build llvm-strip        llvm                             llvm                llvm            llvm          llvm
	build bpftool           bpftool|linux-tools-generic      bpftool             bpftool         bpf           bpftool
	test  pc:cmocka         libcmocka-dev                    libcmocka-devel     cmocka-dev      cmocka        libcmocka-devel
	test  pc:vterm          libvterm-dev                     libvterm-devel      libvterm-dev    libvterm      libvterm-devel
	test  python3           python3-minimal                  python3             python3         python        python3
	test  py:json           python3                          python3             python3         python        python3
	test  tmux              tmux                             tmux                tmux            tmux          tmux
	test  infocmp           ncurses-bin                      ncurses             ncurses         ncurses       ncurses-utils
	test  nm                binutils                         binutils            binutils        binutils      binutils
	test  libfuzzer         libclang-rt-{clang}-dev|libclang-common-{clang}-dev compiler-rt compiler-rt compiler-rt clang
	test  fio               fio                              fio                 fio             fio           fio
	test  biolatency        libbpf-tools                     libbpf-tools        bcc-tools       libbpf-tools  libbpf-tools
	bench python3           python3-minimal                  python3             python3         python        python3
	bench py:json           python3                          python3             python3         python        python3
	bench htop              htop                             htop                htop            htop          htop
	bench btop              btop                             btop                btop            btop          btop
	bench atop              atop                             atop                atop            atop          atop
	bench top               procps                           procps-ng           procps          procps-ng     procps
	deb   dpkg-shlibdeps    dpkg-dev                         dpkg-dev            dpkg-dev        dpkg          dpkg
	deb   strip             binutils                         binutils            binutils        binutils      binutils
	LIST
}

have() { command -v "$1" >/dev/null 2>&1; }

present() {
	case $1 in
	cc) have gcc || have cc ;;
	stdio.h) [ -e "$usr/include/stdio.h" ] ;;
	demangle.h) [ -e "$usr/include/libiberty/demangle.h" ] || [ -e "$usr/include/demangle.h" ] ;;
	pkg-config) have pkg-config || have pkgconf ;;
	pc:*) have pkg-config && pkg-config --exists "${1#pc:}" ;;
	py:*) have python3 && python3 -c "import ${1#py:}" 2>/dev/null ;;
	# Debian names the tools of a clang by its version as well.
	llvm-strip)
		have llvm-strip && return 0
		for tool in "$usr"/bin/llvm-strip-* "$usr"/lib/llvm-*/bin/llvm-strip; do
			[ -x "$tool" ] && return 0
		done
		return 1 ;;
	# /usr/sbin is not in everybody's PATH.
	bpftool | biolatency) have "$1" || [ -x "$usr/sbin/$1" ] ;;
	libfuzzer)
		have clang || return 1
		for lib in "$(clang -print-resource-dir)"/lib/*/libclang_rt.fuzzer*.a; do
			[ -e "$lib" ] && return 0
		done
		return 1 ;;
	*) have "$1" ;;
	esac
}

missing=
for group in "$@"; do
	case $group in
	build | test | bench | deb) ;;
	*) echo "scripts/deps.sh: no group '$group' (build, test, bench, deb)" >&2; exit 2 ;;
	esac
	for thing in $(things | awk -v g="$group" '$1 == g { print $2 }'); do
		present "$thing" || missing="$missing $group/$thing"
	done
done

remember() {
	mkdir -p build && for group in "$@"; do : >"$stamp-$group"; done
	# The Makefile includes this one, and starts over when it has changed.
	echo "# $(echo build/deps-*)" >build/deps.mk
}
if [ -z "$missing" ]; then
	[ -n "$list" ] || remember "$@"
	exit 0
fi

# The packages of one distribution for what is missing: field 3 Debian, 4 Fedora, 5 Alpine, 6 Arch, 7 openSUSE.
packages() {
	for m in $missing; do
		things | awk -v g="${m%%/*}" -v t="${m#*/}" -v f="$1" '$1 == g && $2 == t { print $f }'
	done | awk '!seen[$0]++'
}

if [ -n "$list" ]; then
	for m in $missing; do echo "${m#*/}"; done
	exit 1
fi

if ! have apt-get; then
	echo "culprit: missing here:$(for m in $missing; do printf ' %s' "${m#*/}"; done)" >&2
	if have dnf; then cmd="dnf install" field=4
	elif have yum; then cmd="yum install" field=4
	elif have apk; then cmd="apk add" field=5
	elif have pacman; then cmd="pacman -S --needed" field=6
	elif have zypper; then cmd="zypper install" field=7
	else
		echo "culprit: this system's packager is unknown; install these by hand, then run make again." >&2
		exit 1
	fi
	# A static libelf and zlib are packages of their own on Alpine; only STATIC=1 needs them.
	echo "culprit: install them with this line, then run make again:" >&2
	echo "  $([ "$(id -u)" = 0 ] || echo 'sudo ')$cmd $(packages $field | sed 's/|.*//' | tr '\n' ' ')" >&2
	exit 1
fi

# --- Debian, Ubuntu -----------------------------------------------------------------------------------------------
sudo=
if [ "$(id -u)" != 0 ]; then
	if have sudo; then
		sudo=sudo
	fi
fi
export DEBIAN_FRONTEND=noninteractive
apt_get() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >&2 </dev/null
}
exists() { apt-cache show --no-all-versions "$1" 2>/dev/null | grep -q '^Version:'; }
clang_version() {
	if have clang; then
		clang -dumpversion | cut -d. -f1
	else
		apt-cache show --no-all-versions clang 2>/dev/null | sed -n 's/^Version: \([0-9]*:\)*\([0-9]*\).*/\2/p' | head -n1
	fi
}

# A release without one of the consoles that bench compares with, or the tools that tests do, is no reason to stop.
optional() { case $1 in btop | atop | htop | fio | biolatency | libbpf-tools) ;; *) return 1 ;; esac; }

# Chooses the first alternative that this release has. Prints nothing and fails when one has none.
choose() {
	version=$(clang_version)
	for alternatives in $(packages 3); do
		chosen=
		for p in $(echo "$alternatives" | sed "s/{clang}/$version/g" | tr '|' ' '); do
			exists "$p" && { chosen=$p; break; }
		done
		if [ -n "$chosen" ]; then
			echo "$chosen"
		elif optional "$alternatives"; then
			echo "culprit: this release has no package $alternatives; what is compared with it is left out" >&4
		else
			echo "$alternatives" | sed "s/{clang}/$version/g" >&3
			return 1
		fi
	done
}

plan=$(choose 3>/dev/null 4>/dev/null) || plan=
if [ -z "$plan" ]; then
	# The lists are empty (a fresh container) or old. Names not known even then are an error.
	if [ "$(id -u)" = 0 ] || [ -n "$sudo" ]; then
		echo "culprit: apt-get update (the package lists are missing or old)" >&2
		apt_get update || echo "culprit: apt-get update failed; trying with the lists there are" >&2
	fi
	plan=$(choose 3>&2 4>&2) || {
		echo "culprit: this release has no package of that name (above); is the network there? universe enabled?" >&2
		exit 1
	}
fi
plan=$(echo "$plan" | awk '!seen[$0]++' | tr '\n' ' ')
echo "culprit: missing build packages: $plan" >&2
if [ "$(id -u)" != 0 ] && [ -z "$sudo" ]; then
	echo "culprit: not root, and no sudo here. As root: apt-get install $plan" >&2
	exit 1
fi
echo "culprit: installing them with ${sudo:+sudo }apt-get" >&2
if ! apt_get install -y --no-install-recommends $plan; then
	# Old lists name versions that the mirror has replaced.
	apt_get update && apt_get install -y --no-install-recommends $plan || {
		echo "culprit: apt-get could not install them; its own message is above. By hand: apt-get install $plan" >&2
		exit 1
	}
fi

left=
for m in $missing; do
	present "${m#*/}" || optional "${m#*/}" || left="$left ${m#*/}"
done
[ -z "$left" ] || { echo "culprit: installed, but still not found:$left" >&2; exit 1; }
remember "$@"
