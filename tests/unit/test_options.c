#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

static int parse(struct options *o, struct culprit_error *error, const char *line)
{
	static char copy[512];
	char *argv[32], *save = NULL;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	error->sentence[0] = '\0';
	return options_parse(o, argc, argv, error);
}

static void test_good(void **state)
{
	struct culprit_error e;
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, &e, "culprit"), 0);
	assert_int_equal(o.verb, VERB_CONSOLE);
	assert_int_equal(parse(&o, &e, "culprit --interval 500ms --history=1G --plugin a.so --plugin b.so"), 0);
	assert_int_equal(o.interval_ns, 500000000);
	assert_int_equal(o.history_bytes, 1 << 30);
	assert_int_equal(o.nplugins, 2);
	assert_int_equal(parse(&o, &e, "culprit dump process x.culprit --json --pid 12 -n5 --sort -cpu --from -5m"), 0);
	assert_int_equal(o.verb, VERB_DUMP);
	assert_int_equal(o.nargs, 2);
	assert_true(o.json && o.has_pid && !o.has_tid);
	assert_int_equal(o.pid, 12);
	assert_int_equal(o.limit, 5);
	assert_string_equal(o.sort, "-cpu");
	assert_string_equal(o.from, "-5m");
	assert_int_equal(parse(&o, &e, "culprit record -o - --for 30"), 0);
	assert_string_equal(o.output, "-");
	assert_int_equal(o.for_ns, 30000000000);
	assert_int_equal(parse(&o, &e, "culprit replay f --keys k --size 80x24 --shots d"), 0);
	assert_int_equal(o.width, 80);
	assert_int_equal(o.height, 24);
	assert_int_equal(parse(&o, &e, "culprit flame --stack-rate 997"), 0);
	assert_int_equal(o.stack_hz, 997);
	assert_int_equal(parse(&o, &e, "culprit dump --help"), 0);
	assert_true(o.help);
	assert_int_equal(parse(&o, &e, "culprit help"), 0);
	assert_true(o.help);
	assert_int_equal(parse(&o, &e, "culprit help dump"), 0);
	assert_true(o.help && o.verb == VERB_DUMP);
	assert_int_equal(parse(&o, &e, "culprit dump -- -x"), 0);
	assert_string_equal(o.args[0], "-x");
}

static void test_bad(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"culprit dumb process", "did you mean dump?"},
		{"culprit dump", "TABLE [FILE]"},
		{"culprit dump a b c", "'c' is too much"},
		{"culprit dump process --jsn", "no option --jsn; did you mean json"},
		{"culprit dump process --json --csv", "exclude"},
		{"culprit dump process --json=3", "takes no value"},
		{"culprit dump process --pid x", "takes a number"},
		{"culprit dump process --pid -4", "takes a number"},
		{"culprit dump process --limit", "needs a value"},
		{"culprit flame --stack-rate 0", "1 to 10000"},
		{"culprit flame --stack-rate 10001", "1 to 10000"},
		{"culprit dump process -z", "no option -z"},
		{"culprit --output x", "knows no option --output"},
		{"culprit record", "-o FILE"},
		{"culprit --interval 1ms", "at least 10ms"},
		{"culprit --interval x", "takes a duration"},
		{"culprit --history 5s", "takes a size"},
		{"culprit replay f --keys k --size 80", "COLSxROWS"},
		{"culprit replay f --keys k --size 0x5", "COLSxROWS"},
		{"culprit replay f --size 80x24", "--keys"},
		{"culprit --collect a --without b", "exclude"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct culprit_error e;
		struct options o;

		assert_int_equal(parse(&o, &e, cases[i].line), -EINVAL);
		if (!strstr(e.sentence, cases[i].says))
			fail_msg("%s: '%s' does not say '%s'", cases[i].line, e.sentence, cases[i].says);
	}
}

/* Every shown option is in the help of its verbs, the hidden one in none. */
static void test_help(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERB_COUNT; v++) {
		char *text = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&text, &n);

		options_help((enum verb)v, f);
		fclose(f);
		assert_non_null(strstr(text, "--help"));
		assert_null(strstr(text, "--root"));
		assert_int_equal(strstr(text, "--csv") != NULL, v == VERB_DUMP);
		for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
			assert_in_range(end - line, 0, 120);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
