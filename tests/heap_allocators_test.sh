#!/bin/bash
# Growth of memory with other allocators than glibc's: in front of it, linked into the program, in C++; and what is said of
# programs that have none.
# beside: others
cd "$(dirname "$0")/.." || exit 1
culprit=$PWD/${CULPRIT:-build/culprit}
export CULPRIT_NO_SETTINGS=1
dir=$(mktemp -d /tmp/culprit-heap-XXXXXX) pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
. tests/support/checks.sh

cd "$dir" || exit 1
cat > keep.c << 'C'
#include <stdlib.h>
#include <time.h>
#define KEEP(name, n) __attribute__((noinline)) void name(void) { for (int i = 0; i < (n); i++) *(volatile char *)malloc(400000) = 1; }
KEEP(keep_three, 3)
KEEP(keep_one, 1)
__attribute__((noinline)) void give_back(void)
{
	char *volatile p = malloc(300000);

	p = realloc(p, 4000000);
	free(p);
}
int main(void) { for (;;) { keep_three(); keep_one(); give_back(); nanosleep(&(struct timespec){0, 50000000}, 0); } }
C
cat > keep.cc << 'C'
#include <new>
#include <time.h>
#define KEEP(name, n) extern "C" __attribute__((noinline)) void name() { for (int i = 0; i < (n); i++) *(volatile char *)::operator new(400000) = 1; }
KEEP(keep_three, 3)
KEEP(keep_one, 1)
extern "C" __attribute__((noinline)) void give_back() { ::operator delete(::operator new(4000000)); }
int main() { struct timespec t = {0, 50000000}; for (;;) { keep_three(); keep_one(); give_back(); nanosleep(&t, nullptr); } }
C
${CC:-cc} -O1 -o keep keep.c 2> /dev/null || skip_all "no compiler here"

# look COMMAND...: what is said of it, in `said`, and its stacks in `folded`
look() {
	"$@" & pid=$!
	sleep 0.3
	timeout 60 "$culprit" flame --table heap --pid $pid --for 3 --budget off --format folded > folded 2> said < /dev/null
	kill $pid
	wait $pid 2> /dev/null
	pid=
}
sum() { awk -v "what=$1" '{ n = $NF; sub(/ [0-9]+$/, ""); if (index($0, what)) s += n } END { printf "%.0f", s }' folded; }
# Each of them is looked at: 3 to 1 but for what began or ended in the midst of it.
three_to_one() { [ "$one" -gt 1000000 ] && [ $((three * 10)) -gt $((one * 24)) ] && [ $((three * 10)) -lt $((one * 36)) ]; }
grows() { # NAME COMMAND...
	name=$1
	shift
	look "$@"
	if grep -q "not measured\|needs root\|stopped:" said; then
		skip "$name: $(head -1 said)"
		return
	fi
	three=$(sum "keep_three;") one=$(sum "keep_one;") back=$(sum "give_back;")
	check "$name: what is kept is three to one ($three, $one)" three_to_one
	check "$name: what is given back is not growth ($back)" test "$back" -lt $((one * 2))
}
refuses() { # NAME WORDS COMMAND...
	name=$1 words=$2
	shift 2
	look "$@"
	check "$name: it is said why there is nothing ($(head -1 said))" grep -q "$words" said
}

grows "glibc" ./keep
for lib in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2; do
	if ! LD_PRELOAD=$lib /bin/true 2>&1 | grep -q .; then
		grows "$lib" env LD_PRELOAD=$lib ./keep
		${CXX:-c++} -O1 -o keepcc keep.cc 2> /dev/null && grows "$lib, C++" env LD_PRELOAD=$lib ./keepcc
	else
		skip "no $lib here"
	fi
done
if ${CC:-cc} -O1 -static -o keep_static keep.c 2> /dev/null; then
	grows "static glibc" ./keep_static
	strip -o keep_stripped keep_static && refuses "stripped" "cannot: allocator not found: it is linked into a program that is stripped" ./keep_stripped
else
	skip "no static libc here"
fi
if command -v musl-gcc > /dev/null; then
	musl-gcc -O1 -static -o keep_musl keep.c && grows "static musl" ./keep_musl
	musl-gcc -O1 -o keep_musl keep.c && grows "musl" ./keep_musl
else
	skip "no musl-gcc here"
fi
if command -v go > /dev/null; then
	printf 'package main\n\nimport "time"\n\nvar all [][]byte\n\nfunc main() {\n\tfor {\n\t\tall = append(all, make([]byte, 400000))\n\t\ttime.Sleep(50 * time.Millisecond)\n\t}\n}\n' > keep.go
	HOME=$dir GOFLAGS=-mod=mod CGO_ENABLED=0 go build -o keep_go keep.go && refuses "Go" "a Go program has no malloc" ./keep_go
else
	skip "no go here"
fi
end
