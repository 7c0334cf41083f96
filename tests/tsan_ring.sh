#!/bin/sh
# Proves that the thread sanitizer would see a torn copy: the ring's threads test passes under it, and fails when readers
# and writer copy with plain memcpy. Ends with "N passed, N failed, N skipped".
# timeout: 900
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
. tests/support/checks.sh

# Kernels that randomise more bits than the sanitizer can take: without randomisation.
run() {
	if setarch -R true 2>/dev/null; then
		setarch -R "$@"
	else
		"$@"
	fi
}

$make -s SANITIZE=thread CORE_ONLY=1 build/san-thread/tests/test_ring_threads build/san-thread/tests/test_ring || exit 1
$make -s SANITIZE=thread CORE_ONLY=1 PLAIN_COPY=1 build/san-thread-plain/tests/test_ring_threads || exit 1
dir=build/san-thread # what they say: "$dir/out"

run build/san-thread/tests/test_ring_threads >"$dir/out" 2>&1
ok "atomic copies: no data race, no torn segment" $? "the sanitizer or the test complains"
run build/san-thread/tests/test_ring >"$dir/out" 2>&1
ok "the ring's other tests under the thread sanitizer" $?
if run build/san-thread-plain/tests/test_ring_threads >"$dir/out" 2>&1; then
	ok "plain copies" 1 "the sanitizer saw nothing, so it would see nothing in the ring either"
else
	grep -q 'ThreadSanitizer: data race' "$dir/out"
	ok "plain copies: the sanitizer names the data race" $? "failed, but not for a data race"
fi
end
