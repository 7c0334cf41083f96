# Counting checks, for tests in shell: `passed` and `failed` are the caller's, and 0 at first. Sourced from the top folder.
check() { # NAME COMMAND...: the command must succeed
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		echo "failed: $name"
		failed=$((failed + 1))
	fi
}
