#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "theme.h"

#include <errno.h>

static void load_equals_builtin(const char *file, const char *name)
{
	struct theme read, built;
	struct culprit_error error = {""};

	assert_int_equal(theme_load(&read, file, NULL, &error), 0);
	assert_true(theme_builtin(&built, name));
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		char a[64], b[64];

		style_format(&read.styles[i], a, sizeof(a));
		style_format(&built.styles[i], b, sizeof(b));
		if (strcmp(a, b))
			fail_msg("%s: %s is \"%s\", built in is \"%s\"", file, role_name(i), a, b);
	}
}

static void theme_files_are_what_is_built_in(void **state)
{
	(void)state;
	load_equals_builtin("./themes/default", "default");
	load_equals_builtin("./themes/dark", "dark");
	for (size_t i = 0; theme_builtin_name(i); i++) {
		char file[64];

		snprintf(file, sizeof(file), "./themes/%s", theme_builtin_name(i));
		load_equals_builtin(file, theme_builtin_name(i));
	}
}

/* DESIGN: the default theme uses the terminal's own foreground and background. */
static void theme_default_keeps_the_background(void **state)
{
	struct theme t;

	(void)state;
	theme_builtin(&t, "default");
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		assert_int_equal(t.styles[i].bg.kind, COLOUR_DEFAULT);
}

static void theme_letters_are_unique(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		enum role found;

		assert_true(role_find(role_name(i), strlen(role_name(i)), &found));
		assert_int_equal(found, i);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(role_letter(i), role_letter(j));
	}
}

static void theme_names_mistakes(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"text = red\nwarn = purpel bold\n", "x:2: \"purpel\" is no colour"},
		{"nonsense = red\n", "x:1: there is no role \"nonsense\""},
		{"\n\n# fine\ntitle red\n", "x:4: expected \"role = colour\""},
		{"title = red on\n", "x:1: \"\" after \"on\" is no colour"},
		{"title = red on mauve\n", "x:1: \"mauve\" after \"on\" is no colour"},
		{"title =\n", "x:1: a role needs"},
		{"title = 256\n", "x:1: \"256\" is no colour"},
		{"title = #12345g\n", "x:1: \"#12345g\" is no colour"},
		{"title = red blue\n", "x:1: \"blue\" is no colour"},
		{"title bold = red\n", "x:1: expected \"=\""},
		{"a\x1b[2J = red\n", "x:1: there is no role \"a\\x1b[2J\""},
		{"= red\n", "x:1: there is no role"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct theme t;
		struct culprit_error error = {""};

		theme_builtin(&t, "default");
		assert_int_equal(theme_parse(&t, "x", cases[i].text, strlen(cases[i].text), &error), -EINVAL);
		if (strncmp(error.sentence, cases[i].says, strlen(cases[i].says)))
			fail_msg("\"%s\" instead of \"%s\"", error.sentence, cases[i].says);
	}
}

static void theme_reads_styles(void **state)
{
	static const char text[] = "# c\ntitle = #102030 on 200 bold\r\n  warn=bright-red underline reverse\nkey = on blue\n";
	struct theme t;

	(void)state;
	theme_builtin(&t, "default");
	assert_int_equal(theme_parse(&t, "x", text, strlen(text), NULL), 0);
	assert_int_equal(t.styles[ROLE_TITLE].fg.kind, COLOUR_RGB);
	assert_int_equal(t.styles[ROLE_TITLE].fg.b, 0x30);
	assert_int_equal(t.styles[ROLE_TITLE].bg.index, 200);
	assert_int_equal(t.styles[ROLE_TITLE].attributes, STYLE_BOLD);
	assert_int_equal(t.styles[ROLE_WARN].fg.index, 9);
	assert_int_equal(t.styles[ROLE_WARN].attributes, STYLE_UNDERLINE | STYLE_REVERSE);
	assert_int_equal(t.styles[ROLE_KEY].fg.kind, COLOUR_DEFAULT);
	assert_int_equal(t.styles[ROLE_KEY].bg.index, 4);
}

static void theme_load_falls_back(void **state)
{
	char dir[] = "/tmp/culprit-theme-XXXXXX", path[256];
	struct theme t, built;
	struct culprit_error error = {""};
	FILE *f;

	(void)state;
	theme_builtin(&built, "default");
	assert_int_equal(theme_load(&t, "no\x1bsuch", NULL, &error), -ENOENT);
	assert_non_null(strstr(error.sentence, "no\\x1bsuch"));
	assert_memory_equal(t.styles, built.styles, sizeof(t.styles));

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/culprit", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/culprit/themes", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/culprit/themes/mine", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("title = green\n", f);
	fclose(f);
	assert_int_equal(theme_load(&t, "mine", dir, &error), 0);
	assert_int_equal(t.styles[ROLE_TITLE].fg.index, 2);
	assert_string_equal(t.name, "mine");
	f = fopen(path, "a");
	fputs("oops\n", f);
	fclose(f);
	assert_int_equal(theme_load(&t, "mine", dir, &error), -EINVAL);
	assert_non_null(strstr(error.sentence, "mine:2:"));
	assert_memory_equal(t.styles, built.styles, sizeof(t.styles));
	assert_non_null(strstr(error.sentence, "default theme is used"));
	{
		char names[16][THEME_NAME_MAX];
		size_t n = theme_list(dir, names, 16);

		/* Each once, whatever places have it. */
		assert_true(n >= 7);
		assert_string_equal(names[0], "default");
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < i; k++)
				assert_string_not_equal(names[i], names[k]);
		assert_int_equal(theme_list(dir, names, 3), 3);
	}
	/* The user's own file comes before the built-in of that name. */
	snprintf(path, sizeof(path), "%s/culprit/themes/dark", dir);
	f = fopen(path, "w");
	fputs("title = blue\n", f);
	fclose(f);
	assert_int_equal(theme_load(&t, "dark", dir, &error), 0);
	assert_int_equal(t.styles[ROLE_TITLE].fg.index, 4);
	unlink(path);
	snprintf(path, sizeof(path), "%s/culprit/themes/mine", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/culprit/themes", dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/culprit", dir);
	rmdir(path);
	rmdir(dir);
}

/* sRGB to light, as the eye adds it up. */
static double linear(uint8_t v)
{
	double x = v / 255.0;

	return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

static double luminance(const struct colour *c)
{
	return 0.2126 * linear(c->r) + 0.7152 * linear(c->g) + 0.0722 * linear(c->b);
}

static double contrast(const struct style *s)
{
	double a = luminance(&s->fg), b = luminance(&s->bg);

	return a > b ? (a + 0.05) / (b + 0.05) : (b + 0.05) / (a + 0.05);
}

/* Text can be read on what it stands on: 4.5 to 1 (WCAG AA). Rules, idle dots and what is hardly there may be fainter. */
static void theme_text_can_be_read(void **state)
{
	static const char *const themes[] = {"dark", "light", "colour-blind"};

	(void)state;
	for (size_t t = 0; t < 3; t++) {
		struct theme theme;

		assert_true(theme_builtin(&theme, themes[t]));
		for (unsigned i = 0; i < ROLE_COUNT; i++) {
			const struct style *s = &theme.styles[i];
			bool faint = i == ROLE_RULE || i == ROLE_BAR_IDLE || (i >= ROLE_HEAT0 && i <= ROLE_HEAT7);
			double least = faint ? 1.5 : i == ROLE_ENDED ? 3.5 : 4.5;

			if (s->fg.kind != COLOUR_RGB || s->bg.kind != COLOUR_RGB)
				fail_msg("%s: %s is no colour of its own", themes[t], role_name(i));
			if (contrast(s) < least)
				fail_msg("%s: %s has a contrast of %.2f, less than %.1f", themes[t], role_name(i), contrast(s), least);
		}
	}
}

static double lightness(const struct colour *c)
{
	return 116 * cbrt(luminance(c)) - 16;
}

/* As who lacks the middle or the long receptor sees it (Vienot 1999): red and green are one. */
static void as_dichromat(const struct colour *c, bool deutan, double out[3])
{
	double r = linear(c->r), g = linear(c->g), b = linear(c->b);
	double l = 17.8824 * r + 43.5161 * g + 4.11935 * b, m = 3.45565 * r + 27.1554 * g + 3.86714 * b,
	       s = 0.0299566 * r + 0.184309 * g + 1.46709 * b;

	if (deutan)
		m = 0.494207 * l + 1.24827 * s;
	else
		l = 2.02344 * m - 2.52581 * s;
	out[0] = cbrt(fmax(0, 0.0809445 * l - 0.130504 * m + 0.116721 * s));
	out[1] = cbrt(fmax(0, -0.0102485 * l + 0.0540194 * m - 0.113615 * s));
	out[2] = cbrt(fmax(0, -0.000365294 * l - 0.00412163 * m + 0.693513 * s));
}

static void theme_for_the_colour_blind_tells_apart(void **state)
{
	/* What must never be taken for each other. Of crit it is the ground that is coloured. */
	static const enum role pairs[][2] = {{ROLE_OK, ROLE_WARN}, {ROLE_BAR_CPU, ROLE_BAR_RUNQ}, {ROLE_BAR_CPU, ROLE_BAR_LOCK},
					     {ROLE_BAR_CPU, ROLE_BAR_DISK}, {ROLE_BAR_RUNQ, ROLE_BAR_DISK}, {ROLE_TEXT, ROLE_OK},
					     {ROLE_TEXT, ROLE_WARN}};
	static const enum role grounds[][2] = {{ROLE_DIFF_MORE, ROLE_DIFF_LESS}, {ROLE_DIFF_MUCH_MORE, ROLE_DIFF_MUCH_LESS},
					       {ROLE_CRIT, ROLE_TEXT}, {ROLE_BOX_KERNEL, ROLE_BOX_USER}};
	struct theme t;

	(void)state;
	assert_true(theme_builtin(&t, "colour-blind"));
	for (int deutan = 0; deutan < 2; deutan++) {
		for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]) + sizeof(grounds) / sizeof(grounds[0]); i++) {
			size_t k = sizeof(pairs) / sizeof(pairs[0]);
			const enum role *p = i < k ? pairs[i] : grounds[i - k];
			double a[3], b[3], distance = 0;

			as_dichromat(i < k ? &t.styles[p[0]].fg : &t.styles[p[0]].bg, deutan, a);
			as_dichromat(i < k ? &t.styles[p[1]].fg : &t.styles[p[1]].bg, deutan, b);
			for (int c = 0; c < 3; c++)
				distance += (a[c] - b[c]) * (a[c] - b[c]);
			if (sqrt(distance) < 0.12)
				fail_msg("%s and %s look alike (%.3f)", role_name(p[0]), role_name(p[1]), sqrt(distance));
		}
	}
	/* Heat is told by lightness alone. */
	for (unsigned i = ROLE_HEAT1; i <= ROLE_HEAT7; i++) {
		if (lightness(&t.styles[i].fg) < lightness(&t.styles[i - 1].fg) + 5)
			fail_msg("%s is not lighter than %s", role_name(i), role_name(i - 1));
	}
}

/* Without colours, attributes alone say what matters. */
static void theme_mono_has_no_colours(void **state)
{
	struct theme t;

	(void)state;
	assert_true(theme_builtin(&t, "mono"));
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		assert_int_equal(t.styles[i].fg.kind, COLOUR_DEFAULT);
		assert_int_equal(t.styles[i].bg.kind, COLOUR_DEFAULT);
	}
	assert_int_not_equal(t.styles[ROLE_WARN].attributes, 0);
	assert_int_not_equal(t.styles[ROLE_CRIT].attributes, t.styles[ROLE_WARN].attributes);
	assert_true(theme_builtin(&t, "16"));
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		assert_int_equal(t.styles[i].fg.kind, COLOUR_INDEX);
		assert_true(t.styles[i].fg.index < 16 && t.styles[i].bg.index < 16);
	}
}

static struct style parsed(const char *text)
{
	struct style s;

	assert_int_equal(style_parse(&s, text, strlen(text), NULL), 0);
	return s;
}

static void theme_reduces(void **state)
{
	struct style s;

	(void)state;
	s = style_reduce(parsed("#ff0000 on #000000"), DEPTH_256);
	assert_int_equal(s.fg.index, 196);
	assert_int_equal(s.bg.index, 16);
	s = style_reduce(parsed("#808080"), DEPTH_256);
	assert_int_equal(s.fg.index, 244);
	s = style_reduce(parsed("#ff0000"), DEPTH_16);
	assert_int_equal(s.fg.index, 9);
	s = style_reduce(parsed("#ff0000"), DEPTH_8);
	assert_int_equal(s.fg.index, 1);
	assert_int_equal(s.attributes, STYLE_BOLD);
	s = style_reduce(parsed("#ff0000 on blue bold"), DEPTH_MONO);
	assert_int_equal(s.fg.kind, COLOUR_DEFAULT);
	assert_int_equal(s.bg.kind, COLOUR_DEFAULT);
	assert_int_equal(s.attributes, STYLE_BOLD);
	/* Never text in the colour of what it stands on. */
	s = style_reduce(parsed("#101010 on #000000"), DEPTH_16);
	assert_int_equal(s.bg.index, 0);
	assert_int_equal(s.fg.index, 7);
	s = style_reduce(parsed("#d0d0d0 on #fafaf7"), DEPTH_8);
	assert_int_equal(s.bg.index, 7);
	assert_int_equal(s.fg.index, 0);
	s = style_reduce(parsed("#123456"), DEPTH_RGB);
	assert_int_equal(s.fg.g, 0x34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(theme_files_are_what_is_built_in), cmocka_unit_test(theme_default_keeps_the_background),
		cmocka_unit_test(theme_letters_are_unique),	    cmocka_unit_test(theme_names_mistakes),
		cmocka_unit_test(theme_reads_styles),		    cmocka_unit_test(theme_load_falls_back),
		cmocka_unit_test(theme_reduces),		    cmocka_unit_test(theme_text_can_be_read),
		cmocka_unit_test(theme_for_the_colour_blind_tells_apart), cmocka_unit_test(theme_mono_has_no_colours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
