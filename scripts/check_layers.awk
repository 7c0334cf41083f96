# The part of scripts/check_layers.sh that reads sources. Prints `rule file:line what` for each violation. Comments and
# strings are taken out first (an #include keeps its name).

function report(rule, what) { print rule " " FILENAME ":" FNR " " what }

# The line without comments; with `strings`, also without what stands in strings and character constants.
function bare(line, strings,    out, i, c, two, quote) {
	out = ""
	quote = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") { in_comment = 0; i++; out = out " " }
			continue
		}
		if (quote != "") {
			if (c == "\\") { if (!strings) out = out two; i++; continue }
			if (c == quote) { quote = ""; out = out c; continue }
			if (!strings) out = out c
			continue
		}
		if (two == "/*") { in_comment = 1; i++; continue }
		if (two == "//") break
		if (c == "\"" || c == "'") quote = c
		out = out c
	}
	return out
}

BEGIN {
	# The first pass, over names alone: where each of our headers lives.
	for (i = 1; i < ARGC; i++) {
		path = ARGV[i]
		folder = path; sub(/\/.*/, "", folder)
		base = path; sub(/.*\//, "", base)
		exists[path]
		if (path !~ /\.h$/ || folder == "include")
			continue
		if (base in home)
			twins[path] = home[base] "/" base
		home[base] = folder
	}
	may["include"] = " "
	may["core"] = " core "
	may["collectors"] = " collectors "
	may["tui"] = " tui core "
	may["cli"] = " cli tui core collectors "
	split("assert ctype errno float inttypes limits math signal stdarg stdatomic stdbool stddef stdint stdio stdlib " \
	      "string strings time unistd fcntl dirent poll sys/types sys/stat sys/time linux/types", names, " ")
	for (i in names)
		libc[names[i] ".h"] = 1
}

FNR == 1 {
	in_comment = 0
	folder = FILENAME; sub(/\/.*/, "", folder)
	if (FILENAME in twins)
		report("twins", "has the name of " twins[FILENAME] ": an include could find either")
}

{
	was = in_comment
	code = bare($0, 1)
	now = in_comment
	in_comment = was
	kept = bare($0, 0)
	in_comment = now
}

kept ~ /^[ \t]*#[ \t]*include/ {
	name = kept
	angle = name ~ /</
	sub(/^[^<"]*[<"]/, "", name)
	sub(/[>"].*/, "", name)
	if (name ~ /(^|\/)\.\.(\/|$)/)
		report("dots", "include of " name)
	if (name ~ /^(ncurses.*|curses|term|panel|menu|form)\.h$/ && angle || name ~ /^ncursesw?\// ) {
		if (FILENAME != "tui/screen_curses.c")
			report("ncurses", name " belongs in tui/screen_curses.c")
	}
	if (name ~ /^bpf\// && folder != "collectors")
		report("libbpf", name " belongs in collectors/")
	if (name ~ /^(libelf|gelf|dwarf|nlist)\.h$|^elfutils\// && FILENAME !~ /^core\/sym[a-z_]*\.c$/)
		report("elf", name " belongs in core/symbols*.c")
	if (name == "jansson.h" && (folder == "include" || folder == "collectors"))
		report("jansson", name " in " folder "/")
	if (folder == "include" && !(name in libc) && name !~ /^culprit\/[a-z_]+\.h$/)
		report("include", name " is not libc: include/ knows nothing else")
	if (name ~ /^(core|collectors|tui|cli)\//)
		report("layer", "include of " name ": by name alone, the include path decides")
	base = name
	if (!angle && !((folder "/" base) in exists) && base in home && index(may[folder], " " home[base] " ") == 0)
		report("layer", folder "/ may not know " home[base] "/" base)
	next
}

folder == "include" || folder == "core" || folder == "collectors" || folder == "tui" || folder == "cli" {
	rest = code
	while (match(rest, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
		before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : " "
		before2 = RSTART > 2 ? substr(rest, RSTART - 2, 2) : "  "
		word = substr(rest, RSTART, RLENGTH)
		sub(/[ \t]*\($/, "", word)
		member = before == "." || before2 == "->"
		rest = substr(rest, RSTART + RLENGTH)
		if (member)
			continue
		if (word ~ /^(strcpy|stpcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|strncpy|strncat|alloca|system|popen|mktemp|tmpnam|tempnam|gmtime|localtime|ctime|asctime|readdir_r|vfork|rand|srand)$/)
			report("banned", word "()")
		# With them comes libm, 0.4 MB of it into memory; see core/number.h.
		if (word ~ /^(fmax|fmin)$/)
			report("banned", word "(): number_max() and number_min() are there")
		# What something cost is not the time of day.
		if (folder != "cli" && FILENAME != "core/clock.c" && !(word == "clock_gettime" && rest ~ /^CLOCK_(PROCESS|THREAD)_CPUTIME_ID/) &&
		    word ~ /^(clock_gettime|gettimeofday|time|clock|timespec_get)$/)
			report("clock", word "(): time comes from a clock object")
		if (folder != "cli" && word ~ /^(printf|vprintf|puts|putchar|perror|exit|abort|err|errx|warn|warnx|quick_exit)$/)
			report("speaks", word "(): library code never prints, never exits")
	}
	if (folder != "cli" && code ~ /(^|[^A-Za-z_0-9.>])(stdout|stderr)([^A-Za-z_0-9]|$)/)
		report("speaks", "stdout or stderr: library code never prints")
}
