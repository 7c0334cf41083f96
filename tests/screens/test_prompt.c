/* What is typed at the bottom: commands and filters, completed, remembered, and refused in words that help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/stage.h"

static const struct made_host_options family = {.family = true};

/* The last line, without what stands beside it. */
static void assert_typed(struct stage *s, const char *expected)
{
	char *all = surface_text(s->surface), *last;

	console_draw(s->console, s->surface);
	free(all);
	all = surface_text(s->surface);
	assert_non_null(all);
	all[strlen(all) - 1] = '\0';
	last = strrchr(all, '\n') + 1;
	if (strncmp(last, expected, strlen(expected)) || (last[strlen(expected)] && last[strlen(expected)] != ' '))
		fail_msg("\"%s\" instead of \"%s\"", last, expected);
	free(all);
}

static void filters_are_completed(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "\\maj\t");
	stage_check(&s, "prompt-columns");
	stage_type(&s, "\x15ni\t");
	assert_typed(&s, "filter: nice");
	/* Also behind an operator's word, and in parentheses. */
	stage_type(&s, "\x15" "cpu>1 and (thre\t");
	assert_typed(&s, "filter: cpu>1 and (threads");
	/* Values that are there. */
	stage_type(&s, "\x15user=my\t");
	assert_typed(&s, "filter: user=mysql");
	stage_type(&s, "\x15user=\t");
	stage_check(&s, "prompt-values");
	/* In quotes where they must. */
	stage_type(&s, "\x15" "cmdline=make\t");
	assert_typed(&s, "filter: cmdline=\"make -j2 all\"");
	stage_type(&s, "\x15" "cmdline=\"mak\t");
	assert_typed(&s, "filter: cmdline=\"make -j2 all\"");
	stage_press(&s, "Enter");
	assert_shows(&s, "1-1 of 1");
	/* Names that are an attack are not offered, numbers have none. */
	stage_type(&s, "\\\x15" "comm=ev\t");
	assert_shows(&s, "nothing begins like that");
	stage_type(&s, "\x15" "cpu>\t");
	assert_shows(&s, "nothing begins like that");
	stage_press(&s, "Esc");
	stage_type(&s, ":filter us\t");
	assert_shows(&s, "user_cpu");
	stage_close(&s);
}

static void filters_are_remembered(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "\\cpu>50\r");
	stage_type(&s, "\\\x15rss>2G\r");
	stage_type(&s, "\\");
	stage_press(&s, "Up Up");
	assert_typed(&s, "filter: cpu>50");
	stage_press(&s, "Down");
	assert_typed(&s, "filter: rss>2G");
	stage_press(&s, "Up Enter");
	assert_shows(&s, "\\ cpu>50");
	/* Given up it is as it was. */
	stage_type(&s, "\\ and nonsense");
	stage_press(&s, "Esc");
	assert_shows(&s, "\\ cpu>50");
	stage_close(&s);
}

/* What a filter can say, as the issue of it lists. */
static void filters_understand(void **state)
{
	static const struct {
		const char *filter, *shows;
	} cases[] = {
		{"cpu>5 and user=api and comm~^java", "1-1 of 1"},
		{"rss>2G", "1-2 of 2"},
		{"age<111h", "restic"},
		{"manage", "1-2 of 2"},
		{"cpu>>5", "filter, position"},
		{"nosuch=1", "no column 'nosuch'"},
		{"cpu=", "filter, position"},
	};
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stage_type(&s, "\\\x15");
		stage_type(&s, cases[i].filter);
		stage_type(&s, "\r");
		assert_shows(&s, cases[i].shows);
	}
	stage_close(&s);
}

/* Every command, panel and key has a name; Tab tells which. */
static void commands_are_completed(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, ":fo\t");
	stage_check(&s, "prompt-commands");
	stage_type(&s, "\x15theme co\t");
	assert_typed(&s, ":theme colour-blind");
	stage_type(&s, "\x15panel di\t");
	assert_typed(&s, ":panel disks");
	stage_type(&s, "\x15" "columns pid nic\t");
	assert_typed(&s, ":columns pid nice");
	stage_type(&s, " comma\t");
	assert_typed(&s, ":columns pid nice command");
	stage_type(&s, "\x15sig\t");
	assert_typed(&s, ":signal");
	stage_type(&s, "K\t");
	assert_typed(&s, ":signal KILL");
	stage_type(&s, "\x15zz\t");
	assert_shows(&s, "nothing begins like that");
	for (size_t i = 0; i < console_nkeys; i++) {
		stage_type(&s, "\x15");
		stage_type(&s, console_keys[i].name);
		stage_type(&s, "\t");
		assert_false(stage_shows(&s, "nothing begins"));
	}
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_are_completed),
		cmocka_unit_test(filters_are_remembered),
		cmocka_unit_test(filters_understand),
		cmocka_unit_test(commands_are_completed),
	};

	return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
