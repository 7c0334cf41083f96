#include "interpreter.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct word {
	const char *p;
	size_t n;
};

/* `with`: options that take the next word, blanks between; `module`: the one whose word names what is run; `inline_`: with
 * these the program stands in the command line itself. */
static const struct family {
	const char *name, *with, *module, *inline_;
} families[] = {
	{"java", " -cp -classpath --class-path -p --module-path --upgrade-module-path --add-modules --add-opens --add-exports "
		 "--add-reads --limit-modules -jar --source ", " -jar -m --module ", ""},
	{"python", " -W -X -Q --check-hash-based-pycs ", " -m ", " -c - "},
	{"pypy", " -W -X ", " -m ", " -c - "},
	{"node", " -r --require --import --loader --experimental-loader -C --conditions --title --env-file ", "",
	 " -e --eval -p --print - "},
	{"nodejs", " -r --require --import --loader -C --conditions ", "", " -e --eval -p --print - "},
	{"perl", " -I -M ", "", " -e -E - "},
	{"ruby", " -I -r -C ", "", " -e - "},
	{"php", " -c -d -z ", " -f ", " -r -a - "},
	{"sh", " -o +o ", "", " -c -s "},
	{"bash", " -o +o -O +O --rcfile --init-file ", "", " -c -s "},
	{"dash", " -o +o ", "", " -c -s "},
};

/* Names that say nothing without the folder they are in. */
static const char generic[] = " index.js main.js server.js app.js index.mjs main.py app.py __main__.py run.py wsgi.py ";

static bool next_word(const char **at, const char *end, struct word *w)
{
	while (*at < end && (**at == ' ' || !**at))
		++*at;
	w->p = *at;
	while (*at < end && **at != ' ' && **at)
		++*at;
	w->n = (size_t)(*at - w->p);
	return w->n > 0;
}

static bool one_of(const char *list, struct word w)
{
	char with[64];

	if (w.n + 3 > sizeof(with) || !w.n)
		return false;
	snprintf(with, sizeof(with), " %.*s ", (int)w.n, w.p);
	return strlen(with) == w.n + 2 && strstr(list, with);
}

static struct word after(struct word w, char c)
{
	for (size_t i = w.n; i-- > 0;) {
		if (w.p[i] == c)
			return (struct word){w.p + i + 1, w.n - i - 1};
	}
	return w;
}

/* The name of a file; with its folder where it would say nothing alone. */
static struct word file_name(struct word w)
{
	struct word name = after(w, '/');

	if (!one_of(generic, name) || name.n == w.n)
		return name;
	name = after((struct word){w.p, w.n - name.n - 1}, '/');
	return (struct word){name.p, (size_t)(w.p + w.n - name.p)};
}

/* "python3.11" is of the family python, "pythonista" is not. */
static const struct family *family_of(struct word program)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		size_t n = strlen(families[i].name);

		if (program.n < n || memcmp(program.p, families[i].name, n))
			continue;
		while (n < program.n && (program.p[n] == '.' || (program.p[n] >= '0' && program.p[n] <= '9')))
			n++;
		if (n == program.n)
			return &families[i];
	}
	return NULL;
}

/* What is run; false: not told. */
static bool find_main(const struct family *f, const char *at, const char *end, struct word *ret)
{
	bool java = !strcmp(f->name, "java");
	struct word w;

	while (next_word(&at, end, &w)) {
		if (one_of(f->inline_, w))
			return false;
		if (one_of(f->module, w)) {
			bool jar = w.n == 4 && !memcmp(w.p, "-jar", 4);

			if (!next_word(&at, end, ret))
				return false;
			*ret = jar || !java ? file_name(*ret) : after(*ret, '/');
			return true;
		}
		if (one_of(f->with, w)) {
			next_word(&at, end, &w);
			continue;
		}
		/* "-xc", "-lc": a shell's letters go together */
		if (*w.p == '-' || *w.p == '+') {
			if (strchr(f->inline_, 'c') && w.n > 1 && w.p[1] != '-' && w.p[w.n - 1] == 'c' && strstr(f->name, "sh"))
				return false;
			continue;
		}
		if (java && *w.p == '@')
			continue;
		*ret = java ? w : file_name(w);
		return ret->n > 0;
	}
	return false;
}

size_t interpreter_main(const char *cmdline, size_t n, char *out, size_t cap)
{
	const char *at = cmdline, *end = cmdline + n;
	const struct family *f;
	struct word program, main;
	size_t room, len;
	char separator;

	if (!cap)
		return 0;
	out[0] = '\0';
	if (!next_word(&at, end, &program))
		return 0;
	program = after(program, '/');
	if (program.n && *program.p == '-')
		program = (struct word){program.p + 1, program.n - 1};
	f = family_of(program);
	if (!f || !find_main(f, at, end, &main) || !main.n || program.n > 16)
		return 0;
	/* The end of a class or path tells more than its beginning; cut between its parts where there is one. */
	room = INTERPRETER_NAME_MAX - program.n - 1;
	separator = !strcmp(f->name, "java") ? '.' : '/';
	if (main.n > room) {
		struct word cut = {main.p + main.n - room, room};
		const char *part = memchr(cut.p, separator, cut.n);

		main = part && part + 1 < cut.p + cut.n ? (struct word){part + 1, (size_t)(cut.p + cut.n - part - 1)} : cut;
	}
	len = program.n + 1 + main.n;
	if (len >= cap)
		return 0;
	memcpy(out, program.p, program.n);
	out[program.n] = ':';
	memcpy(out + program.n + 1, main.p, main.n);
	out[len] = '\0';
	return len;
}
