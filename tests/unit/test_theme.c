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
	assert_int_equal(s.fg.kind, COLOUR_DEFAULT);
	s = style_reduce(parsed("#123456"), DEPTH_RGB);
	assert_int_equal(s.fg.g, 0x34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(theme_files_are_what_is_built_in), cmocka_unit_test(theme_default_keeps_the_background),
		cmocka_unit_test(theme_letters_are_unique),	    cmocka_unit_test(theme_names_mistakes),
		cmocka_unit_test(theme_reads_styles),		    cmocka_unit_test(theme_load_falls_back),
		cmocka_unit_test(theme_reduces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
