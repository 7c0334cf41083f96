#!/bin/bash
# Is scripts/check_layers.sh able to fail? Plants one violation of every kind in a small tree of its own, and expects each
# to be named, and a clean tree to pass.
cd "$(dirname "$0")/.." || exit 1
check=$PWD/scripts/check_layers.sh
cc=${CC:-gcc}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. tests/support/checks.sh

fresh() {
	rm -rf "$dir/t"
	mkdir -p "$dir/t"/{include/culprit,core,collectors,tui,cli,scripts}
	cd "$dir/t" || exit 1
	printf '#include <stdint.h>\nstruct culprit_a { uint32_t a; };\n' >include/culprit/a.h
	printf '#include <culprit/a.h>\nint core_a(struct culprit_a *);\n' >core/a.h
	cat >core/a.c <<-'C'
		#include "a.h"
		/* strcpy(a, b) and printf("x") in a comment, "sprintf(" in a string: nothing. */
		static const char *const names[] = {"sprintf(", "// exit(1)"};
		int core_a(struct culprit_a *a) { return names[a->a][0]; }
	C
	printf '#include <culprit/a.h>\nextern const struct culprit_a psi_collector;\nconst struct culprit_a psi_collector = {1};\n' \
		>collectors/psi.c
	printf '#include <a.h>\n#include "list.h"\nint tui_list(void) { return core_a(0); }\n' >tui/list.c
	printf 'int tui_list(void);\n' >tui/list.h
	printf '#include "a.h"\n#include "list.h"\n#include <stdio.h>\nint main(void) { printf("%%d", tui_list()); }\n' >cli/main.c
}

compile() {
	rm -rf obj
	for f in core/*.c collectors/*.c tui/*.c cli/*.c; do
		mkdir -p "obj/$(dirname "$f")"
		$cc -w -c -fpie -Iinclude -Icore -Itui -Icollectors -o "obj/${f%.c}.o" "$f" || echo "cannot compile $f"
	done
}

# expect WHAT PATTERN: the check fails and says PATTERN
expect() {
	sh "$check" . ${OBJ-} >"$dir/out" 2>&1
	status=$?
	[ $status = 1 ] && grep -qE "^FAIL $2" "$dir/out"
	ok "$1" $? "status $status, expected: $2"
}

# plant WHAT FILE TEXT PATTERN
plant() {
	fresh
	printf '%b\n' "$3" >>"$2"
	expect "$1" "$4"
}

fresh
compile
sh "$check" . obj >"$dir/out" 2>&1 && grep -qx '14 passed, 0 failed' "$dir/out"
ok 'a clean tree passes' $?

plant 'ncurses in core' core/a.c '#include <ncurses.h>' 'ncurses core/a.c:5'
plant 'ncurses in a panel' tui/list.c '#include <curses.h>' 'ncurses tui/list.c'
plant 'libbpf in core' core/a.c '#include <bpf/libbpf.h>' 'libbpf core/a.c'
plant 'libelf in tui' tui/list.c '#include <gelf.h>' 'elf tui/list.c'
plant 'libdw in cli' cli/main.c '#include <elfutils/libdw.h>' 'elf cli/main.c'
plant 'jansson in include' include/culprit/a.h '#include <jansson.h>' 'jansson include/culprit/a.h'
plant 'zstd in include' include/culprit/a.h '#include <zstd.h>' 'include include/culprit/a.h'
plant '.. in an include' core/a.c '#include "../tui/list.h"' 'dots core/a.c'
plant 'core knows tui' core/a.c '#include "list.h"' 'layer core/a.c'
plant 'core knows tui, spaces' core/a.c '  #  include "list.h" /* why not */' 'layer core/a.c'
plant 'a path as an include' cli/main.c '#include "core/a.h"' 'layer cli/main.c'
plant 'a collector knows core' collectors/psi.c '#include "a.h"' 'layer collectors/psi.c'
plant 'two headers of one name' collectors/list.h 'int x;' 'twins '
plant 'a header that leans on another' core/a.h 'int core_b(struct unknown a);' 'alone core/a.h'
for f in strcpy strcat sprintf gets strtok atoi fmax; do
	plant "$f" core/a.c "int b(void) { return $f (0); }" "banned core/a.c:5 $f"
done
plant 'strcpy behind a string with a quote' core/a.c 'char q(void) { return "\\"/*"[0] + strcpy(0, 0); }' 'banned core/a.c:5'
plant 'the time of day' tui/list.c 'int t(void) { return time(0); }' 'clock tui/list.c'
plant 'printing in core' core/a.c 'void p(void) { printf("x"); }' 'speaks core/a.c'
plant 'stderr in tui' tui/list.c 'void p(void) { fputs("x", stderr); }' 'speaks tui/list.c'
plant 'exit in a collector' collectors/psi.c 'void p(void) { exit(1); }' 'speaks collectors/psi.c'
plant 'an exception without a reason' scripts/layers_allowed.txt 'banned core/a.c' 'allowed '
plant 'an exception nobody needs' scripts/layers_allowed.txt 'banned core/a.c # because' 'allowed '

OBJ=obj
symbols() {
	fresh
	printf '%b\n' "$3" >>"$2"
	compile
	expect "$1" "$4"
}
symbols 'a static counter' core/a.c 'int c(void) { static int n; return n++; }' 'mutable core/a.c:1 writable data: n'
symbols 'a global' collectors/psi.c 'int g = 3;' 'mutable collectors/psi.c:1 writable data: g'
symbols 'a thread local' tui/list.c '__thread int l;' 'mutable tui/list.c:1 writable data: l'
symbols 'core calls tui, declared by hand' core/a.c 'int tui_list(void); int d(void) { return tui_list(); }' \
	'symbol core/a.c:1 uses tui_list of tui/list.c'
symbols 'a collector calls core by hand' collectors/psi.c 'int core_a(void *); int d(void) { return core_a(0); }' \
	'symbol collectors/psi.c:1 uses core_a'
symbols 'curses by hand' core/a.c 'void endwin(void); void d(void) { endwin(); }' 'symbol core/a.c:1 uses endwin'

end
