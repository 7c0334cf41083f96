# Counting checks, for tests in shell. Sourced from the top folder; counts begin at 0 then. A check that fails shows the end of what
# its command said, where that is in "$dir/out". What is reported goes to where the test's output went when it began, so that
# `check ... > file` puts only the command's output there.
passed=0 failed=0 skipped=0
exec 3>&1

ok() { # NAME STATUS [WHY]: counts what was just tried: it holds where STATUS is 0
	if [ "$2" = 0 ]; then
		echo "ok   $1" >&3
		passed=$((passed + 1))
	else
		echo "FAIL $1${3:+: $3}" >&3
		[ ! -f "${dir-}/out" ] || tail -n 20 "$dir/out" | sed 's/^/     /' >&3
		failed=$((failed + 1))
	fi
}

check() { # NAME COMMAND...: the command must succeed
	check_name=$1
	shift
	"$@"
	ok "$check_name" $?
}

status() { # EXPECTED COMMAND...: does it end with that status? What it says is in $dir/out and $dir/err.
	status_wanted=$1
	shift
	"$@" > "$dir/out" 2> "$dir/err"
	[ $? = "$status_wanted" ]
}

skip() { # WHAT AND WHY: one that is left out
	echo "skip $1" >&3
	skipped=$((skipped + 1))
}

end() { # the last line of the test; it is over
	echo "$passed passed, $failed failed, $skipped skipped" >&3
	[ "$failed" = 0 ]
	exit
}

skip_all() { # WHY: what has not been tried yet is left out
	skip "$1"
	end
}
