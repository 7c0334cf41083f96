/* Processes: the tree, the columns one chooses, following one, only a user's or a service's, what interpreters run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows_tree.h"
#include "support/stage.h"

static const struct made_host_options family = {.family = true};

static void the_tree(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_UTF8);
	stage_press(&s, "F5");
	stage_check(&s, "tree-80x24");
	/* By key it is the order of numbers. */
	stage_type(&s, ":sort pid\r");
	stage_check(&s, "tree-by-pid");
	stage_press(&s, "f");
	assert_false(stage_shows(&s, "tree"));
	stage_close(&s);
	stage_open(&s, &family, 180, "processes", 132, 43, TEXT_UTF8);
	stage_type(&s, ":tree\r");
	stage_check(&s, "tree-132x43");
	stage_close(&s);
	stage_open(&s, &family, 180, "processes", 40, 12, TEXT_ASCII);
	stage_press(&s, "f");
	stage_check(&s, "tree-40x12");
	stage_close(&s);
}

static void branches_fold(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_press(&s, "f");
	/* On one without children its branch folds. */
	stage_type(&s, "/small.c\r");
	stage_press(&s, "z");
	assert_shows(&s, ">     710");
	assert_false(stage_shows(&s, "cc1"));
	stage_check(&s, "tree-folded");
	stage_press(&s, "z");
	assert_shows(&s, "cc1");
	stage_press(&s, "Z");
	stage_check(&s, "tree-all-folded");
	/* One of them opens. */
	stage_press(&s, "z");
	stage_check(&s, "tree-one-unfolded");
	stage_press(&s, "Z Z");
	assert_false(stage_shows(&s, "cc1"));
	stage_press(&s, "Z");
	assert_shows(&s, "cc1");
	stage_close(&s);
}

/* Who is filtered out leaves his children roots. */
static void the_tree_with_a_filter(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_press(&s, "f");
	stage_type(&s, "\\user=ann\r");
	stage_check(&s, "tree-filter");
	stage_close(&s);
}

static void one_is_followed(void **state)
{
	struct stage s;

	(void)state;
	/* It will end at 150 s. */
	stage_open(&s, NULL, 130, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "/run-parts\r");
	stage_press(&s, "F");
	assert_shows(&s, "on run-parts 5150");
	/* Hidden meanwhile it is not lost. */
	stage_type(&s, "\\user=mysql\r");
	assert_shows(&s, "run-parts 5150, which is followed, is not here");
	stage_type(&s, "\\\x15\r");
	assert_shows(&s, ">    5150");
	made_host_run(s.host, 40);
	stage_now(&s);
	stage_check(&s, "follow-ended");
	stage_press(&s, "g");
	assert_false(stage_shows(&s, "followed"));
	stage_press(&s, "F");
	assert_shows(&s, "on sh 4242");
	stage_press(&s, "F");
	assert_false(stage_shows(&s, "on sh 4242"));
	stage_close(&s);
}

static void columns_are_chosen(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_press(&s, "F2");
	stage_check(&s, "columns-80x24");
	/* user goes, oom_score_adj and swap come, rss is moved to the front. */
	stage_press(&s, "j Enter j j j K K K");
	stage_type(&s, "/oom_score_adj\r");
	stage_press(&s, "Enter");
	stage_type(&s, "/swap\r");
	stage_press(&s, "Enter Esc");
	stage_check(&s, "columns-chosen");
	/* Also as a command; what there is not is left out. */
	stage_type(&s, ":columns pid nosuch comm cpu nice\r");
	stage_check(&s, "columns-typed");
	stage_press(&s, "O R O");
	assert_shows(&s, "command");
	stage_close(&s);
	stage_open(&s, &family, 180, "processes", 40, 12, TEXT_ASCII);
	stage_press(&s, "O");
	stage_check(&s, "columns-40x12");
	stage_close(&s);
}

static void only_a_user_or_a_service(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "/manage.py\r");
	stage_press(&s, "U");
	stage_check(&s, "only-user");
	stage_press(&s, "U");
	assert_shows(&s, "mysqld");
	/* Beside another filter, which stays. */
	stage_type(&s, "\\cpu>1\r");
	stage_press(&s, "U");
	assert_string_equal(console_lens(s.console)->filter, "cpu>1 and user=\"shop\"");
	stage_press(&s, "U");
	assert_string_equal(console_lens(s.console)->filter, "cpu>1");
	stage_type(&s, "\\\x15\r");
	stage_type(&s, "/manage.py\r");
	stage_press(&s, "S");
	stage_check(&s, "only-cgroup");
	stage_press(&s, "S");
	assert_shows(&s, "u goes back");
	stage_press(&s, "u");
	assert_shows(&s, "mysqld");
	stage_type(&s, "/mysqld\r");
	stage_press(&s, "S");
	assert_shows(&s, "not known");
	stage_close(&s);
}

static void interpreters_are_named(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "overview", 132, 43, TEXT_ASCII);
	assert_shows(&s, "python3:manage.py");
	assert_shows(&s, "node:api/index.js");
	/* It has named itself. */
	assert_shows(&s, "java:api ");
	stage_type(&s, "/manage.py\r");
	stage_press(&s, "Enter");
	assert_shows(&s, "HOST > python3:manage.py 801");
	stage_close(&s);
}

/* What lives too short to be a row is told at its parent. */
static void short_lives_are_told(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "/-bash\r");
	assert_shows(&s, "bash: 240 children of 40.0ms ended, 2.0% of a CPU");
	assert_shows(&s, "q quit");
	stage_close(&s);
}

/* Asked for of the process itself; what comes is a text that is shown until it is closed. */
static void a_process_is_inspected(void **state)
{
	struct console_effect effect;
	struct key key = {.code = 'I'};
	struct stage s;

	(void)state;
	stage_open(&s, &family, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "/manage.py\r");
	console_key(s.console, &key);
	assert_true(console_effect(s.console, &effect));
	assert_int_equal(effect.kind, EFFECT_INSPECT);
	assert_int_equal(effect.action.pid, 801);
	assert_int_equal(effect.action.start_ticks, 9801);
	console_list(s.console, "python3 801",
		     strdup("program   /usr/bin/python3.11\n\nopen files: 2\n     0  /dev/null\n     1  socket:[77]\n\n"
			    "environment: 1 variable\n  LONG=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			    "aaaa\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n"));
	stage_check(&s, "inspect");
	stage_press(&s, "q");
	assert_shows(&s, ">     801");
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tree),
		cmocka_unit_test(branches_fold),
		cmocka_unit_test(the_tree_with_a_filter),
		cmocka_unit_test(one_is_followed),
		cmocka_unit_test(columns_are_chosen),
		cmocka_unit_test(only_a_user_or_a_service),
		cmocka_unit_test(interpreters_are_named),
		cmocka_unit_test(a_process_is_inspected),
		cmocka_unit_test(short_lives_are_told),
	};

	return cmocka_run_group_tests_name("processes", tests, NULL, NULL);
}
