/* What everybody's settings and the user's come to together, and what the command line overrules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "remember.h"

struct folders {
	char folder[32], system[64], own[64];
};

static void write_file(const char *file, const char *text)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int place_open(void **state)
{
	struct folders *p = calloc(1, sizeof(*p));

	unsetenv("CULPRIT_NO_SETTINGS");
	snprintf(p->folder, sizeof(p->folder), "/tmp/remember.XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	snprintf(p->system, sizeof(p->system), "%s/system", p->folder);
	snprintf(p->own, sizeof(p->own), "%s/culprit", p->folder);
	mkdir(p->own, 0700);
	snprintf(p->own, sizeof(p->own), "%s/culprit/settings", p->folder);
	*state = p;
	return 0;
}

static int place_close(void **state)
{
	struct folders *p = *state;
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", p->folder);
	free(p);
	return system(command);
}

static void the_users_come_over_everybodys(void **state)
{
	struct options given = {0};
	struct folders *p = *state;
	struct remember r;

	write_file(p->system, "culprit-settings 1\ntheme = light\ninterval = 5s\nprocesses.sort = -rss\n");
	write_file(p->own, "culprit-settings 1\ntheme = dark\nreadonly = no\n");
	assert_int_equal(remember_open(&r, &given, p->system, p->folder), 0);
	assert_string_equal(r.options.theme, "dark");
	assert_int_equal(r.options.interval_ns, 5000000000u);
	assert_false(r.options.readonly);
	assert_string_equal(settings_get(r.all, "processes.sort"), "-rss");
	/* Everybody's don't become the user's. */
	assert_null(settings_get(r.own, "processes.sort"));
	assert_string_equal(r.said, "");
	remember_close(&r);
	given.theme = "mono";
	given.interval_ns = 7;
	assert_int_equal(remember_open(&r, &given, p->system, p->folder), 0);
	assert_string_equal(r.options.theme, "mono");
	assert_int_equal(r.options.interval_ns, 7);
	remember_close(&r);
}

static void readonly_is_not_undone(void **state)
{
	struct options given = {.no_settings = true};
	struct folders *p = *state;
	struct remember r;

	write_file(p->system, "culprit-settings 1\nreadonly = yes\ntheme = light\n");
	write_file(p->own, "culprit-settings 1\nreadonly = no\ntheme = dark\n");
	assert_int_equal(remember_open(&r, &given, p->system, p->folder), 0);
	assert_true(r.options.readonly);
	/* All else is not read. */
	assert_null(r.options.theme);
	assert_string_equal(r.file, "");
	remember_close(&r);
	given.no_settings = false;
	assert_int_equal(remember_open(&r, &given, p->system, p->folder), 0);
	assert_true(r.options.readonly);
	remember_close(&r);
	/* What it says cannot be read: it may forbid. */
	write_file(p->system, "culprit-settings 1\nreadonly: yes\n");
	assert_int_equal(remember_open(&r, &given, p->system, p->folder), 0);
	assert_true(r.options.readonly);
	assert_non_null(strstr(r.said, "system:2: "));
	assert_int_equal(access(p->system, F_OK), 0);
	remember_close(&r);
}

static void what_is_wrong_is_said(void **state)
{
	struct options given = {0};
	struct folders *p = *state;
	struct remember r;
	char aside[80];

	snprintf(aside, sizeof(aside), "%s.bad", p->own);
	unlink(p->system);
	write_file(p->own, "culprit-settings 1\ninterval = soon\n");
	assert_int_equal(remember_open(&r, &given, p->system, p->folder), 0);
	assert_int_equal(r.options.interval_ns, 0);
	assert_non_null(strstr(r.said, "interval"));
	remember_close(&r);
	write_file(p->own, "\x1b]0;x\x07");
	assert_int_equal(remember_open(&r, &given, p->system, p->folder), 0);
	assert_non_null(strstr(r.said, "set aside"));
	assert_null(strchr(r.said, '\x1b'));
	assert_int_equal(access(aside, F_OK), 0);
	remember_close(&r);
	/* Nowhere to keep anything. */
	assert_int_equal(remember_open(&r, &given, p->system, NULL), 0);
	assert_string_equal(r.file, "");
	remember_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_users_come_over_everybodys, place_open, place_close),
		cmocka_unit_test_setup_teardown(readonly_is_not_undone, place_open, place_close),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_said, place_open, place_close),
	};

	return cmocka_run_group_tests_name("remember", tests, NULL, NULL);
}
