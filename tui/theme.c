#include "theme.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "prefix.h"
#include "text.h"
#include "themes_builtin.h"

static const char *const colour_names[16] = {
	"black",	"red",	      "green",	      "yellow",	       "blue",	      "magenta",	"cyan",	       "white",
	"bright-black", "bright-red", "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan", "bright-white",
};

static const char *const builtin_default[ROLE_COUNT] = {
#define ROLE_PLAIN(id, name, letter, plain, dark) [ROLE_##id] = plain,
	ROLES(ROLE_PLAIN)
#undef ROLE_PLAIN
};

static const char *const builtin_dark[ROLE_COUNT] = {
#define ROLE_DARK(id, name, letter, plain, dark) [ROLE_##id] = dark,
	ROLES(ROLE_DARK)
#undef ROLE_DARK
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the text; its length, 0 at the end. */
static size_t word(const char **p, const char *end, const char **ret)
{
	while (*p < end && is_blank(**p))
		(*p)++;
	*ret = *p;
	while (*p < end && !is_blank(**p))
		(*p)++;
	return (size_t)(*p - *ret);
}

static bool same(const char *w, size_t n, const char *s)
{
	return strlen(s) == n && !memcmp(w, s, n);
}

static bool hex(const char *p, uint8_t *ret)
{
	unsigned v = 0;

	for (int i = 0; i < 2; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (unsigned)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*ret = (uint8_t)v;
	return true;
}

static bool colour_parse(struct colour *ret, const char *w, size_t n)
{
	struct colour c = {.kind = COLOUR_INDEX};

	if (same(w, n, "default")) {
		*ret = (struct colour){.kind = COLOUR_DEFAULT};
		return true;
	}
	for (unsigned i = 0; i < 16; i++) {
		if (same(w, n, colour_names[i])) {
			c.index = (uint8_t)i;
			*ret = c;
			return true;
		}
	}
	if (n == 7 && w[0] == '#' && hex(w + 1, &c.r) && hex(w + 3, &c.g) && hex(w + 5, &c.b)) {
		c.kind = COLOUR_RGB;
		*ret = c;
		return true;
	}
	if (n >= 1 && n <= 3) {
		unsigned v = 0;

		for (size_t i = 0; i < n; i++) {
			if (w[i] < '0' || w[i] > '9')
				return false;
			v = v * 10 + (unsigned)(w[i] - '0');
		}
		if (v > 255)
			return false;
		c.index = (uint8_t)v;
		*ret = c;
		return true;
	}
	return false;
}

/* A word of a file, for a sentence. */
static const char *shown(const char *w, size_t n, char buf[64])
{
	text_sanitise(buf, 64, w, n, TEXT_ASCII);
	return buf;
}

int style_parse(struct style *ret, const char *text, size_t n, struct culprit_error *error)
{
	const char *p = text, *end = text + n, *w;
	struct style style = {0};
	bool fg = false, on = false;
	char buf[64];
	size_t len;

	while ((len = word(&p, end, &w))) {
		if (same(w, len, "bold")) {
			style.attributes |= STYLE_BOLD;
		} else if (same(w, len, "reverse")) {
			style.attributes |= STYLE_REVERSE;
		} else if (same(w, len, "underline")) {
			style.attributes |= STYLE_UNDERLINE;
		} else if (same(w, len, "on") && !on) {
			on = true;
			len = word(&p, end, &w);
			if (!len || !colour_parse(&style.bg, w, len))
				return error_set(error, -EINVAL, "\"%s\" after \"on\" is no colour (default, a name such as bright-red, 0-255, #rrggbb)",
						 shown(w, len, buf));
		} else if (!fg && !on && colour_parse(&style.fg, w, len)) {
			fg = true;
		} else {
			return error_set(error, -EINVAL,
					 "\"%s\" is no colour (default, a name such as bright-red, 0-255, #rrggbb) and no attribute (bold, reverse, underline)",
					 shown(w, len, buf));
		}
	}
	if (!fg && !on && !style.attributes)
		return error_set(error, -EINVAL, "a role needs a colour or an attribute");
	*ret = style;
	return 0;
}

static int colour_format(const struct colour *c, char *out, size_t cap)
{
	if (c->kind == COLOUR_RGB)
		return snprintf(out, cap, "#%02x%02x%02x", c->r, c->g, c->b);
	if (c->kind == COLOUR_INDEX && c->index < 16)
		return snprintf(out, cap, "%s", colour_names[c->index]);
	if (c->kind == COLOUR_INDEX)
		return snprintf(out, cap, "%u", c->index);
	return snprintf(out, cap, "default");
}

int style_format(const struct style *style, char *out, size_t cap)
{
	char fg[16], bg[16];

	colour_format(&style->fg, fg, sizeof(fg));
	colour_format(&style->bg, bg, sizeof(bg));
	return snprintf(out, cap, "%s%s%s%s%s%s", fg, style->bg.kind != COLOUR_DEFAULT ? " on " : "",
			style->bg.kind != COLOUR_DEFAULT ? bg : "", style->attributes & STYLE_BOLD ? " bold" : "",
			style->attributes & STYLE_REVERSE ? " reverse" : "",
			style->attributes & STYLE_UNDERLINE ? " underline" : "");
}

/* Where the i-th place has a theme of that name, "" where there is no such place; false: there are no more places. */
static bool theme_place(int i, const char *config_dir, const char *name, char *out, size_t cap)
{
	static const char *const formats[] = {"%s/culprit/themes/%s", "%s/share/culprit/themes/%s", "%s/culprit/themes/%s"};
	const char *const dirs[] = {config_dir, culprit_prefix, "/etc"};

	if (i >= 3)
		return false;
	if (!dirs[i] || (size_t)snprintf(out, cap, formats[i], dirs[i], name) >= cap)
		out[0] = '\0';
	return true;
}

bool theme_builtin(struct theme *ret, const char *name)
{
	bool dark = !strcmp(name, "dark");
	const char *const *table = dark ? builtin_dark : builtin_default;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", dark ? "dark" : "default");
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		style_parse(&ret->styles[i], table[i], strlen(table[i]), NULL);
	for (size_t i = 0; i < nthemes_builtin; i++) {
		if (strcmp(name, themes_builtin[i].name))
			continue;
		theme_parse(ret, name, themes_builtin[i].text, strlen(themes_builtin[i].text), NULL);
		snprintf(ret->name, sizeof(ret->name), "%s", name);
		return true;
	}
	return dark || !strcmp(name, "default");
}

const char *theme_builtin_name(size_t i)
{
	return i == 0 ? "default" : i == 1 ? "dark" : i - 2 < nthemes_builtin ? themes_builtin[i - 2].name : NULL;
}

static bool is_theme_name(const char *name)
{
	return *name != '.' && strlen(name) < THEME_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

static size_t add_name(char (*names)[THEME_NAME_MAX], size_t n, size_t cap, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(names[i], name))
			return n;
	}
	if (n < cap)
		snprintf(names[n++], THEME_NAME_MAX, "%s", name);
	return n;
}

size_t theme_list(const char *config_dir, char (*names)[THEME_NAME_MAX], size_t cap)
{
	const char *name;
	char folder[4096];
	struct dirent *e;
	size_t n = 0;

	for (size_t i = 0; (name = theme_builtin_name(i)); i++)
		n = add_name(names, n, cap, name);
	for (int i = 0; theme_place(i, config_dir, "", folder, sizeof(folder)); i++) {
		DIR *dir = *folder ? opendir(folder) : NULL;

		/* What is in it is anybody's: so many are looked at, no more. */
		for (int k = 0; dir && k < 1000 && (e = readdir(dir)); k++) {
			if (is_theme_name(e->d_name))
				n = add_name(names, n, cap, e->d_name);
		}
		if (dir)
			closedir(dir);
	}
	return n;
}

int theme_parse(struct theme *theme, const char *file, const void *bytes, size_t n, struct culprit_error *error)
{
	const char *p = bytes, *end = p + n;
	int err = 0;

	if (n > THEME_FILE_MAX)
		return error_set(error, -EINVAL, "%s: a theme has at most %d bytes; this one is left out", file,
				 THEME_FILE_MAX);
	for (unsigned line = 1; p < end; line++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p)), *w, *equals;
		struct culprit_error why = {""};
		enum role role;
		size_t len;
		char buf[64];

		if (!eol)
			eol = end;
		equals = memchr(p, '=', (size_t)(eol - p));
		len = word(&p, equals ? equals : eol, &w);
		if (!len && !equals) {
			/* empty */
		} else if (len && w[0] == '#') {
			/* a comment */
		} else if (!equals) {
			error_set(&why, -EINVAL, "expected \"role = colour\"");
		} else if (!role_find(w, len, &role)) {
			error_set(&why, -EINVAL, "there is no role \"%s\"", shown(w, len, buf));
		} else if (word(&p, equals, &w)) {
			error_set(&why, -EINVAL, "expected \"=\" after the role");
		} else {
			struct style style;

			if (!style_parse(&style, equals + 1, (size_t)(eol - equals - 1), &why))
				theme->styles[role] = style;
		}
		if (why.sentence[0] && !err)
			err = error_set(error, -EINVAL, "%.96s:%u: %.140s", file, line, why.sentence);
		p = eol < end ? eol + 1 : end;
	}
	return err;
}

static int theme_read(struct theme *theme, const char *file, struct culprit_error *error)
{
	static const size_t cap = THEME_FILE_MAX + 1;
	char bytes[THEME_FILE_MAX + 1];
	size_t n = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	while (n < cap) {
		ssize_t k = read(fd, bytes + n, cap - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			int err = -errno;

			close(fd);
			return error_set(error, err, "cannot read the theme %.128s: %s", file, strerror(-err));
		}
		if (!k)
			break;
		n += (size_t)k;
	}
	close(fd);
	return theme_parse(theme, file, bytes, n, error);
}

static int no_theme(const char *name, struct culprit_error *error)
{
	char names[160] = "", buf[64];
	const char *one;

	for (size_t i = 0; (one = theme_builtin_name(i)); i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", one);
	}
	return error_set(error, -ENOENT, "there is no theme \"%s\"; built in are %s", shown(name, strlen(name), buf), names);
}

int theme_load(struct theme *ret, const char *name, const char *config_dir, struct culprit_error *error)
{
	struct theme theme;
	char file[4096], buf[64];
	int err = -ENOENT;

	theme_builtin(&theme, "default");
	if (strchr(name, '/')) {
		err = theme_read(&theme, name, error);
	} else {
		for (int i = 0; err == -ENOENT && theme_place(i, config_dir, name, file, sizeof(file)); i++)
			err = *file ? theme_read(&theme, file, error) : -ENOENT;
		if (err == -ENOENT && theme_builtin(ret, name))
			return 0;
	}
	if (!err) {
		const char *base = strrchr(name, '/');

		snprintf(theme.name, sizeof(theme.name), "%.63s", base ? base + 1 : name);
		*ret = theme;
		return 0;
	}
	theme_builtin(ret, "default");
	if (err == -ENOENT)
		return no_theme(name, error);
	if (err == -EINVAL) {
		struct culprit_error why = {""};

		/* It names the line. */
		if (error)
			why = *error;
		return error_set(error, err, "%s; the default theme is used", why.sentence);
	}
	return error_set(error, err, "cannot read the theme \"%s\": %s; the built-in default is used",
			 shown(name, strlen(name), buf), strerror(-err));
}
