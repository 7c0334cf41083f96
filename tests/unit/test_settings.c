/* What is remembered: read, changed, written; a file that is wrong, newer, or not one of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings.h"

static int parse(struct settings *s, const char *text, struct culprit_error *error)
{
	return settings_parse(s, "f", text, strlen(text), error);
}

static void what_is_set_is_there(void **state)
{
	struct settings *s = settings_create();
	struct culprit_error error = {""};
	char *text;

	(void)state;
	assert_int_equal(parse(s, "culprit-settings 1\n# note\n\n theme =  dark \r\nb.sort = -cpu", &error), 0);
	assert_string_equal(settings_get(s, "theme"), "dark");
	assert_string_equal(settings_get_of(s, "b", "sort"), "-cpu");
	assert_null(settings_get(s, "nothing"));
	assert_int_equal(settings_set(s, "theme", "light"), 0);
	assert_int_equal(settings_set_of(s, "b", "sort", ""), 0);
	assert_int_equal(settings_set_of(s, "a", "tree", "on"), 0);
	/* What cannot stand in a file is refused. */
	assert_int_equal(settings_set(s, "theme", "a\nb = c"), -EINVAL);
	assert_int_equal(settings_set(s, "theme", "\x1b[2J"), -EINVAL);
	assert_int_equal(settings_set(s, "the me", "x"), -EINVAL);
	assert_int_equal(settings_set(s, "", "x"), -EINVAL);
	text = settings_format(s);
	assert_non_null(strstr(text, "culprit-settings 1\n"));
	assert_non_null(strstr(text, "\na.tree = on\ntheme = light\n"));
	free(text);
	for (int i = 0; i < SETTINGS_MAX + 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(settings_set(s, name, "x"), i < SETTINGS_MAX - 2 ? 0 : -ENOSPC);
	}
	settings_destroy(s);
}

static void mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *sentence;
		int err;
	} cases[] = {
		{"", "f: it is empty", -EINVAL},
		{"theme = dark\n", "f:1: it does not begin with", -EINVAL},
		{"culprit-settings 0\n", "f:1: there is no such version", -EINVAL},
		{"culprit-settings 1 x\n", "f:1: there is no such version", -EINVAL},
		{"culprit-settings 2\nwhatever it is\n", "f is of a newer culprit (version 2)", -ENOTSUP},
		{"culprit-settings 1\na = b\nnonsense\n", "f:3: expected", -EINVAL},
		{"culprit-settings 1\nA = b\n", "f:2: a name has letters", -EINVAL},
		{"culprit-settings 1\na = \x1b\n", "f:2: a value is one line", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings *s = settings_create();
		struct culprit_error error = {""};

		assert_int_equal(parse(s, cases[i].text, &error), cases[i].err);
		if (strncmp(error.sentence, cases[i].sentence, strlen(cases[i].sentence)))
			fail_msg("\"%s\" does not begin with \"%s\"", error.sentence, cases[i].sentence);
		/* Of a file with a mistake nothing is taken. */
		assert_null(settings_get(s, "a"));
		settings_destroy(s);
	}
}

static void files_are_replaced_whole(void **state)
{
	char folder[] = "/tmp/settings.XXXXXX", file[64], aside[80], command[64];
	struct settings *s = settings_create(), *read = settings_create();
	struct culprit_error error = {""};
	struct stat st;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/settings", folder);
	snprintf(aside, sizeof(aside), "%s.bad", file);
	assert_int_equal(settings_read(read, file, &error), -ENOENT);
	assert_string_equal(error.sentence, "");
	assert_int_equal(settings_set(s, "theme", "dark"), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(settings_write(s, file, &error), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(settings_read(read, file, &error), 0);
	assert_string_equal(settings_get(read, "theme"), "dark");
	/* Nothing is left beside it. */
	snprintf(command, sizeof(command), "test $(ls %s | wc -l) = 1", folder);
	assert_int_equal(system(command), 0);
	f = fopen(file, "w");
	fputs("rubbish\n", f);
	fclose(f);
	assert_int_equal(settings_read(read, file, &error), -EINVAL);
	assert_int_equal(settings_set_aside(file), 0);
	assert_int_equal(stat(aside, &st), 0);
	assert_int_equal(settings_read(read, file, &error), -ENOENT);
	/* A folder, a pipe, a place where nothing can be written. */
	assert_int_equal(settings_read(read, folder, &error), -EINVAL);
	snprintf(file, sizeof(file), "%s/fifo", folder);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(settings_read(read, file, &error), -EINVAL);
	snprintf(file, sizeof(file), "%s/no/settings", folder);
	assert_int_equal(settings_write(s, file, &error), -ENOENT);
	assert_non_null(strstr(error.sentence, "cannot be written"));
	settings_destroy(s);
	settings_destroy(read);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_set_is_there),
		cmocka_unit_test(mistakes_are_named_with_their_line),
		cmocka_unit_test(files_are_replaced_whole),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
