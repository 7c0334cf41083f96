/* The terminals that are compiled in: there, complete, and what this box's database says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "caps_builtin.h"

static const char *const names[] = {"xterm-256color", "screen-256color", "tmux-256color", "xterm", "linux", "vt100"};

static void all_are_there_and_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct caps *c = caps_builtin(names[i]);
		char out[64];

		assert_non_null(c);
		assert_true(c->clear[0] && c->el[0] && c->sgr0[0] && c->rev[0]);
		assert_int_equal(caps_expand(out, sizeof(out), c->cup, 3, 41), strlen("\033[4;42H"));
		assert_string_equal(out, "\033[4;42H");
		assert_true(c->keys[0][0] && c->keys[1][0] && c->keys[2][0] && c->keys[3][0]);
		if (strcmp(names[i], "vt100"))
			assert_true(c->colors >= 8 && c->setaf[0] && c->setab[0]);
	}
	assert_null(caps_builtin("xterm-25"));
	assert_null(caps_builtin(""));
}

static void they_agree_with_the_database(void **state)
{
	size_t known = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct caps *c = caps_builtin(names[i]);
		struct culprit_error error;
		struct caps here;

		/* Not known here: then it is the compiled-in one, which agrees. */
		assert_int_equal(caps_load(&here, names[i], 1, &error), 0);
		assert_string_equal(here.cup, c->cup);
		assert_string_equal(here.civis, c->civis);
		assert_string_equal(here.cnorm, c->cnorm);
		known++;
	}
	assert_int_equal(known, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_there_and_complete),
		cmocka_unit_test(they_agree_with_the_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
