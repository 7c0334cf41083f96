#!/bin/bash
# Every program for the kernel compiles for arm64, too, and the walk of stacks there knows that machine's registers: pc, sp, x29, x30,
# pstate, by the names that the kernel of arm64 has for them. (The walk itself: tests/unit/test_unwind.c, on a recorded stack.)
cd "$(dirname "$0")/.." || exit 1
. tests/support/checks.sh
command -v clang > /dev/null || skip_all "programs for arm64: no clang here"
bpftool=$(ls /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool 2> /dev/null | head -n1)
objects=
for f in collectors/*.bpf.c; do
	objects="$objects build/bpf-arm64/$(basename "$f" .c).o"
done
# shellcheck disable=SC2086
check "they compile" "${MAKE:-make}" -s --no-print-directory DEPS=0 $objects
for o in $objects; do
	check "$o is there" [ -s "$o" ]
done
types=$(${bpftool:-bpftool} btf dump file build/bpf-arm64/stacks.bpf.o format c 2> /dev/null)
for field in pc sp pstate 'regs\[31\]'; do
	check "pt_regs has $field" grep -qE "__u64 $field;|long long $field;|u64 $field;" <<< "$types"
done
check "none of x86-64" sh -c '! grep -qE "(__u64|long long|u64) (ip|bp);" "$0"' <(printf '%s' "$types")
end
