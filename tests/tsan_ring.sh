#!/bin/sh
# Proves that the thread sanitizer would see a torn copy: the ring's threads test passes under it, and fails when readers
# and writer copy with plain memcpy. Ends with "N passed, N failed".
# timeout: 900
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
passed=0 failed=0

# Kernels that randomise more bits than the sanitizer can take: without randomisation.
run() {
	if setarch -R true 2>/dev/null; then
		setarch -R "$@"
	else
		"$@"
	fi
}

ok() {
	echo "ok   $1"
	passed=$((passed + 1))
}

not_ok() {
	echo "FAIL $1"
	failed=$((failed + 1))
}

$make -s SANITIZE=thread CORE_ONLY=1 build/san-thread/tests/test_ring_threads build/san-thread/tests/test_ring || exit 1
$make -s SANITIZE=thread CORE_ONLY=1 PLAIN_COPY=1 build/san-thread-plain/tests/test_ring_threads || exit 1
log=build/san-thread/tsan_ring.log

if run build/san-thread/tests/test_ring_threads >"$log" 2>&1; then
	ok "atomic copies: no data race, no torn segment"
else
	not_ok "atomic copies: the sanitizer or the test complains"
	tail -40 "$log"
fi
if run build/san-thread/tests/test_ring >"$log" 2>&1; then
	ok "the ring's other tests under the thread sanitizer"
else
	not_ok "the ring's other tests under the thread sanitizer"
	tail -40 "$log"
fi
if run build/san-thread-plain/tests/test_ring_threads >"$log" 2>&1; then
	not_ok "plain copies: the sanitizer saw nothing, so it would see nothing in the ring either"
elif grep -q 'ThreadSanitizer: data race' "$log"; then
	ok "plain copies: the sanitizer names the data race"
else
	not_ok "plain copies: failed, but not for a data race"
	tail -40 "$log"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
