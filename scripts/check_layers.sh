#!/bin/sh
# usage: scripts/check_layers.sh [ROOT [OBJECTS]]
#
# Proves the house rules: who may know whom (docs/ARCHITECTURE.md), from the sources under ROOT and, where OBJECTS is given,
# from the symbols of the compiled files, which cannot lie. One line a violation, `FAIL rule file:line what`; the last line
# is `N passed, N failed`. Exceptions stand in scripts/layers_allowed.txt, each with its reason.
# tests/check_layers_test.sh plants one violation of every kind and expects to see it here.
set -u
root=${1:-.}
objects=${2-}
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-gcc}
allowed=$root/scripts/layers_allowed.txt
[ -r "$allowed" ] || allowed=/dev/null
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

cd "$root" || exit 1
# A root given as a folder elsewhere: paths from here on are relative to it.
[ "$allowed" = /dev/null ] || allowed=scripts/layers_allowed.txt
find include core collectors tui cli -name '*.[ch]' 2>/dev/null | grep -v '\.bpf\.[ch]$' | sort >"$tmp/files"
[ -s "$tmp/files" ] || { echo "FAIL no sources under $root"; echo '0 passed, 1 failed'; exit 1; }

# --- what the text says ---------------------------------------------------------------------------------------------
# shellcheck disable=SC2046
awk -f "$here/check_layers.awk" $(cat "$tmp/files") >"$tmp/found"

# --- every header compiles alone ------------------------------------------------------------------------------------
for h in $(grep '\.h$' "$tmp/files"); do
	case $h in
	include/*) inc="-Iinclude" ;;
	core/*) inc="-Iinclude -Icore" ;;
	collectors/*) inc="-Iinclude -Icollectors" ;;
	tui/*) inc="-Iinclude -Icore -Itui ${CURSES-}" ;;
	cli/*) inc="-Iinclude -Icore -Itui -Icollectors -Icli ${CURSES-}" ;;
	esac
	# shellcheck disable=SC2086
	$cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-function -Werror \
		-Wno-unused-variable -fsyntax-only $inc -include "$h" -x c /dev/null 2>"$tmp/err" ||
		echo "alone $h:1 does not compile alone: $(grep -m1 -E 'error' "$tmp/err" | sed 's/^[^ ]* //')" >>"$tmp/found"
done

# --- what the symbols say -------------------------------------------------------------------------------------------
if [ -n "$objects" ]; then
	for folder in core collectors tui cli; do
		for o in "$objects/$folder"/*.o; do
			[ -e "$o" ] && [ -e "$folder/$(basename "$o" .o).c" ] || continue
			src=$folder/$(basename "$o" .o).c
			# Writable data, also local and static in a function. Constant tables with pointers are .data.rel.ro.
			objdump -t "$o" | awk -v src="$src" -v folder="$folder" '
				folder != "cli" && $0 !~ /^[^ ]+ .....[ ]?[dfF]/ && $0 ~ / (\.data|\.bss|\.tdata|\.tbss|\*COM\*)(\.[^ \t]*)?\t/ &&
				$0 !~ / \.data\.rel\.ro/ && $(NF) !~ /^\./ {
					name = $NF; sub(/\.[0-9]+$/, "", name)
					print "mutable " src ":1 writable data: " name
				}' >>"$tmp/found"
			nm "$o" | awk -v src="$src" -v folder="$folder" '
				$1 == "U" { print "U", folder, src, $2 }
				NF == 3 && $2 ~ /^[TDBRVWC]$/ { print "D", folder, src, $3 }'
		done
	done >"$tmp/symbols"
	[ -s "$tmp/symbols" ] || echo "objects $objects:1 has no compiled files" >>"$tmp/found"
	awk '
		BEGIN {
			may["core"] = " core "; may["collectors"] = " collectors "
			may["tui"] = " tui core "; may["cli"] = " cli tui core collectors "
		}
		$1 == "D" { home[$4] = $2; where[$4] = $3 }
		$1 == "U" { use[++n] = $0 }
		END {
			for (i = 1; i <= n; i++) {
				split(use[i], f, " ")
				if (f[4] in home && index(may[f[2]], " " home[f[4]] " ") == 0)
					print "symbol " f[3] ":1 uses " f[4] " of " where[f[4]]
				if (f[2] != "tui" && f[4] ~ /^(initscr|newterm|endwin|wrefresh|doupdate|stdscr|setupterm|tigetstr|tputs)$/)
					print "symbol " f[3] ":1 uses " f[4] " of ncurses"
				if (f[2] != "collectors" && f[4] ~ /^(bpf|btf|libbpf|ring_buffer__|perf_buffer__)_/)
					print "symbol " f[3] ":1 uses " f[4] " of libbpf"
				if (f[2] == "collectors" && f[4] ~ /^json_|^ZSTD_/)
					print "symbol " f[3] ":1 uses " f[4] ": collectors know include/ alone"
			}
		}' "$tmp/symbols" >>"$tmp/found"
fi

# --- exceptions, and the count --------------------------------------------------------------------------------------
# layers_allowed.txt: rule file what... # reason. An exception without a reason, or one that nothing needs, is an error.
# Without objects the symbols' exceptions cannot be judged.
awk -v objects="$objects" '
	pass == 1 {
		if ($0 ~ /^[ \t]*(#|$)/)
			next
		line = $0; reason = line
		if (!sub(/^[^#]*# */, "", reason) || reason == "") {
			print "FAIL allowed scripts/layers_allowed.txt:" FNR " an exception without a reason: " line
			bad++
		}
		sub(/[ \t]*#.*/, "", line)
		rule[++n] = line
		next
	}
	{
		split($0, f, " ")
		file = f[2]; sub(/:[0-9]+$/, "", file)
		for (i = 1; i <= n; i++) {
			split(rule[i], a, " ")
			if (a[1] == f[1] && a[2] == file && (a[3] == "" || index(" " $0 " ", " " a[3] " "))) {
				used[i]++
				next
			}
		}
		print "FAIL " $0
		broken[f[1]] = 1
		bad++
	}
	END {
		for (i = 1; i <= n; i++) {
			split(rule[i], a, " ")
			if (!used[i] && (objects != "" || (a[1] != "mutable" && a[1] != "symbol"))) {
				print "FAIL allowed scripts/layers_allowed.txt:1 nothing needs this exception: " rule[i]
				bad++
			}
		}
		m = split("include dots ncurses libbpf elf jansson layer twins banned clock speaks alone" \
			(objects != "" ? " mutable symbol" : ""), all, " ")
		for (i = 1; i <= m; i++)
			if (!(all[i] in broken))
				passed++
		print passed + 0 " passed, " bad + 0 " failed"
		exit bad > 0
	}' pass=1 "$allowed" pass=2 "$tmp/found"
