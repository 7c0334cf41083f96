#!/bin/bash
# Is the driver tests/run able to fail? A tree of stand-ins that pass, fail, crash, hang, keep silent, promise too much.
cd "$(dirname "$0")/.." || exit 1
driver=$PWD/tests/run checks=$PWD/tests/support/checks.sh
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$checks"
mkdir -p "$dir/tests/unit" "$dir/build/tests"
cp "$driver" "$dir/tests/run"
cd "$dir" || exit 1

# stand_in SHELL: the one unit test of the tree
stand_in() {
	rm -rf build/tests/* tests/unit/* tests/*.sh
	: >tests/unit/test_x.c
	printf '#!/bin/sh\n%s\n' "$1" >build/tests/test_x
	chmod +x build/tests/test_x
}

# script TEXT: the one script of the tree
script() {
	rm -rf build/tests/* tests/unit/* tests/y.sh
	printf '%s\n' "$1" >tests/x.sh
}

# expect WHAT STATUS LAST [PATTERN]
expect() {
	MAKE=true TEST_TIMEOUT=2 tests/run unit scripts >out 2>&1
	status=$?
	[ $status = "$2" ] && [ "$(tail -n 1 out)" = "$3" ] && grep -qE "${4-.}" out
	ok "$1" $? "status $status"
}

stand_in 'printf "1..2\nok 1 - a\nok 2 - b\n"'
expect 'two that pass' 0 '2 passed, 0 failed, 0 skipped'
stand_in 'printf "1..2\nok 1 - a\nnot ok 2 - b\n"; exit 1'
expect 'one that fails' 1 '1 passed, 1 failed, 0 skipped' 'unit/test_x: b'
expect 'it fails again when run again' 1 '1 passed, 1 failed, 0 skipped' 'once more, alone'
stand_in 'printf "1..2\nok 1 - a\nneeds root\nok 2 # SKIP b\n"'
expect 'a skip with its reason' 0 '1 passed, 0 failed, 1 skipped' 'b: needs root'
once='if [ -e was ]; then r=ok; else r="not ok"; fi; : >was; printf "1..2\nok 1 - a\n%s 2 - b\n" "$r"; [ "$r" = ok ]'
rm -f was
stand_in "$once"
expect 'one that fails once is named as unsteady' 0 '2 passed, 0 failed, 0 skipped' '^  unit/test_x: b$'
rm -f was
stand_in "$once"
SECOND_CHANCES=0 expect 'no second chance when none is given' 1 '1 passed, 1 failed, 0 skipped'
rm -f was
stand_in 'if [ -e was ]; then printf "1..1\nok 1 - a\n"; else : >was; echo "ERROR: AddressSanitizer: heap-use-after-free"; printf "1..1\nnot ok 1 - a\n"; exit 1; fi'
expect 'what a sanitizer reports has no second chance' 1 '0 passed, 1 failed, 0 skipped'
rm -f was
stand_in 'printf "1..1\n"; if [ -e was ]; then echo "ok 1 - a"; else : >was; echo "not ok 1 - a"; echo "==1==ERROR: LeakSanitizer: detected memory leaks"; echo "SUMMARY: AddressSanitizer: 75 byte(s) leaked in 2 allocation(s)."; exit 1; fi'
expect 'but for what leaks where an assertion broke off' 0 '1 passed, 0 failed, 0 skipped' '^  unit/test_x: a$'
rm -f was
stand_in 'if [ -e was ]; then printf "1..1\nok 1 - a\n"; else : >was; printf "1..1\n"; kill -SEGV $$; fi'
expect 'nor has a crash' 1 '0 passed, 1 failed, 0 skipped' 'died of SIGSEGV'
stand_in 'printf "1..2\nok 1 - a\nok 2 # SKIP b\n"'
expect 'a skip without a reason' 1 '1 passed, 1 failed, 0 skipped' 'without saying why'
stand_in 'printf "1..1\nneeds root\nok 1 # SKIP b\n"'
expect 'nothing but skips is not a pass' 1 '0 passed, 0 failed, 1 skipped'
stand_in 'printf "1..3\nok 1 - a\n"; kill -SEGV $$'
expect 'a crash' 1 '1 passed, 1 failed, 0 skipped' 'died of SIGSEGV'
stand_in 'printf "1..3\nok 1 - a\n"'
expect 'fewer than planned' 1 '1 passed, 1 failed, 0 skipped' '1 of 3 planned'
stand_in 'kill -QUIT $$; printf "1..1\nok 1 - not reached\n"'
trap '' QUIT
expect 'signals ignored outside are not ignored inside' 1 '0 passed, 1 failed, 0 skipped' 'died of SIGQUIT'
trap - QUIT
stand_in ':'
expect 'silence' 1 '0 passed, 1 failed, 0 skipped' 'ran no test'
stand_in 'printf "1..1\nok 1 - a\n"; exit 3'
expect 'a bad exit status alone (a leak)' 1 '1 passed, 1 failed, 0 skipped' 'exit status 3'
stand_in 'sleep 60'
expect 'a hang' 1 '0 passed, 1 failed, 0 skipped' 'not done after 2 s'
stand_in 'sleep 61 & printf "1..1\nok 1 - a\n"'
expect 'a child left behind' 0 '1 passed, 0 failed, 0 skipped'
stand_in ':'
rm build/tests/test_x
expect 'a test that was not built' 1 '0 passed, 1 failed, 0 skipped' 'does not build'
script 'echo "ok a"; echo "skip b: no such device"; echo "3 passed, 0 failed, 1 skipped"'
expect 'a script' 0 '3 passed, 0 failed, 1 skipped' 'b: no such device'
script '# beside: others
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e other ] && break; sleep 0.1; done; : >one; [ -e other ]; echo "$((1 - $?)) passed, 0 failed"; rm -f other'
printf '# beside: others\n: >other; for i in 1 2 3 4 5 6 7 8 9 10; do [ -e one ] && break; sleep 0.1; done; [ -e one ]; echo "$((1 - $?)) passed, 0 failed"; rm -f one\n' >tests/y.sh
if [ "$(nproc)" -gt 1 ]; then
	expect 'two scripts beside each other' 0 '2 passed, 0 failed, 0 skipped'
fi
script 'echo "FAIL b"; echo "3 passed, 1 failed"; exit 1'
expect 'a script that fails' 1 '3 passed, 1 failed, 0 skipped' 'tests/x.sh: FAIL b'
script 'echo "3 passed, 0 failed, 1 skipped"'
expect 'a script that skips without a reason' 1 '3 passed, 1 failed, 0 skipped'
script 'echo "3 passed, 0 failed"; exit 1'
expect 'a script with a bad status alone' 1 '3 passed, 1 failed, 0 skipped'
script 'echo hello'
expect 'a script that does not count' 1 '0 passed, 1 failed, 0 skipped' 'no line'
script 'exit 0'
expect 'a silent script' 1 '0 passed, 1 failed, 0 skipped'
checks() { # SHELL: a script that counts with support/checks.sh
	script "dir=$dir; . $checks; $1"
}
checks 'check a true; skip "c: no such device"; end'
expect 'checks that hold, and one left out' 0 '1 passed, 0 failed, 1 skipped' 'c: no such device'
checks 'check a true; check b false > said; end'
expect 'a check that fails is named, wherever its command speaks' 1 '1 passed, 1 failed, 0 skipped' 'tests/x.sh: FAIL b'
checks 'check a status 3 sh -c "exit 3"; check b status 0 sh -c "exit 3"; end'
expect 'a check of a status' 1 '1 passed, 1 failed, 0 skipped' 'tests/x.sh: FAIL b'
checks 'check a true; skip_all "the rest: needs root"; check b false; end'
expect 'all further checks left out' 0 '1 passed, 0 failed, 1 skipped' 'the rest: needs root'
script 'printf "\033[31mred\n"; echo "0 passed, 1 failed"'
expect 'hostile output is shown escaped' 1 '0 passed, 1 failed, 0 skipped' '\\x1b'

end
