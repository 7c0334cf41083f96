/* The whole grammar against one row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

static const struct {
	const char *name;
	struct value value;
} row[] = {
	{"pid", {.state = VALUE_OK, .type = CULPRIT_U64, .unit = CULPRIT_NONE, .u = 18446744073709551615ull}},
	{"comm", {.state = VALUE_OK, .type = CULPRIT_TEXT, .unit = CULPRIT_NONE, .text = {"Web-Server (x)", 14}}},
	{"user", {.state = VALUE_OK, .type = CULPRIT_TEXT, .unit = CULPRIT_NONE, .text = {"www-data", 8}}},
	{"rss", {.state = VALUE_OK, .type = CULPRIT_U64, .unit = CULPRIT_BYTES, .u = 3ull << 30}},
	{"cpu", {.state = VALUE_OK, .type = CULPRIT_F64, .unit = CULPRIT_PERCENT, .f = 50}},
	{"await", {.state = VALUE_OK, .type = CULPRIT_F64, .unit = CULPRIT_NS, .f = 5e6}},
	{"age", {.state = VALUE_OK, .type = CULPRIT_F64, .unit = CULPRIT_NS, .f = 240e9}},
	{"read_rate", {.state = VALUE_OK, .type = CULPRIT_F64, .unit = CULPRIT_BYTES_PER_S, .f = 10485760}},
	{"nice", {.state = VALUE_OK, .type = CULPRIT_I64, .unit = CULPRIT_NONE, .i = -5}},
	{"kernel", {.state = VALUE_OK, .type = CULPRIT_BOOL, .unit = CULPRIT_NONE, .b = true}},
	{"idle", {.state = VALUE_OK, .type = CULPRIT_BOOL, .unit = CULPRIT_NONE, .b = false}},
	{"swap", {.state = VALUE_ABSENT, .type = CULPRIT_U64, .unit = CULPRIT_BYTES}},
	{"io", {.state = VALUE_UNREAD, .type = CULPRIT_U64, .unit = CULPRIT_BYTES}},
	{"wchan", {.state = VALUE_ABSENT, .type = CULPRIT_TEXT, .unit = CULPRIT_NONE}},
	{"waker", {.state = VALUE_OK, .type = CULPRIT_TASK, .unit = CULPRIT_NONE, .task = {12, 900}}},
	{"stack", {.state = VALUE_OK, .type = CULPRIT_STACK, .unit = CULPRIT_NONE}},
	{"bytes", {.state = VALUE_OK, .type = CULPRIT_TEXT, .unit = CULPRIT_NONE, .text = {"a\xff\0z\n", 5}}},
};

enum { NCOLUMNS = sizeof(row) / sizeof(row[0]) };

static const char *column(void *of, size_t i, uint8_t *type, uint8_t *unit)
{
	(void)of;
	*type = row[i].value.type;
	*unit = row[i].value.unit;
	return row[i].name;
}

static void value(void *of, size_t i, struct value *v)
{
	(void)of;
	*v = row[i].value;
}

static const struct filter_columns columns = {.table = "process", .n = NCOLUMNS, .column = column};

static int matches(const char *text, struct culprit_error *e)
{
	struct filter *f = filter_create(text, &columns, e);
	struct filter_row r = {.value = value};
	int m = f ? filter_match(f, &r) : -1;

	filter_destroy(f);
	return m;
}

static void test_matches(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		/* units */
		{"rss>2G", 1}, {"rss>3G", 0}, {"rss>=3G", 1}, {"rss=3221225472", 1}, {"rss<3.1G", 1}, {"rss != 3G", 0},
		{"cpu>=50%", 1}, {"cpu>50", 0}, {"cpu == 50", 1}, {"await>=5ms", 1}, {"await<5ms", 0}, {"await<5000001", 1},
		{"age<5m", 1}, {"age<4m", 0}, {"age<=4m", 1}, {"age>3m59s", 1}, {"read_rate>=10M/s", 1}, {"read_rate>10M", 0},
		{"nice<0", 1}, {"nice=-5", 1}, {"nice<-5", 0}, {"nice>-6", 1},
		/* exact beyond doubles */
		{"pid=18446744073709551615", 1}, {"pid=18446744073709551614", 0}, {"pid>18446744073709551614", 1},
		/* text */
		{"user=www-data", 1}, {"user=WWW-data", 0}, {"user='www-data'", 1}, {"user!=root", 1}, {"user<x", 1},
		{"comm=\"Web-Server (x)\"", 1}, {"comm=Web", 0},
		/* regular expressions */
		{"user~^www", 1}, {"user~data$", 1}, {"user~^data", 0}, {"user!~root", 1}, {"comm~'\\(x\\)'", 1},
		{"comm~Serv(er|ice)", 1}, {"(comm~Serv(er|ice))", 1}, {"comm~\"r \\\\(\"", 1}, {"user~.", 1}, {"user~w{3}", 1}, {"user~(w{2,3}-?)+d", 1}, {"user~[]a(]", 1}, {"user~(www|x)-(d.t.)+$", 1},
		/* a NUL does not hide what follows */
		{"bytes~z", 1}, {"bytes~^a", 1}, {"bytes~q", 0}, {"bytes=\"a\\xff\\x00z\\n\"", 1},
		/* free text: any text column, case ignored */
		{"server", 1}, {"WWW", 1}, {"nothing", 0}, {"\"(x)\"", 1}, {"web www", 1}, {"web nothing", 0}, {"\"\"", 1},
		/* bools */
		{"kernel", 1}, {"idle", 0}, {"not idle", 1}, {"kernel=true", 1}, {"kernel=false", 0}, {"idle!=yes", 1},
		{"kernel=1", 1},
		/* absent and unread: comparisons are false, their not is true */
		{"swap>0", 0}, {"swap<1", 0}, {"swap=0", 0}, {"swap!=0", 0}, {"not swap>0", 1}, {"io>0", 0}, {"io!=1", 0},
		{"wchan=x", 0}, {"wchan!=x", 0}, {"wchan!~x", 0},
		{"waker=12", 1}, {"waker>12", 0},
		/* and, or, not, parentheses */
		{"cpu>1 and rss>1", 1}, {"cpu>1 and rss>9G", 0}, {"cpu>99 or rss>1", 1}, {"cpu>99 || rss>9G", 0},
		{"cpu>1 && rss>1", 1}, {"cpu>1 rss>9G", 0}, {"!cpu>99", 1}, {"! cpu>99", 1}, {"not not cpu>1", 1},
		{"cpu>99 and rss>1 or user~www", 1}, {"cpu>99 and (rss>1 or user~www)", 0}, {"((((kernel))))", 1},
		{"not (cpu>1 and rss>1)", 0}, {"not cpu>1 or kernel", 1}, {"cpu>1 not idle", 1},
		/* words of the grammar as values */
		{"user=and", 0}, {"user!=not", 1}, {"comm~or", 0}, {"\"and\"", 0},
		/* spaces do not matter */
		{"  cpu  >=  50%  ", 1}, {"cpu>=50%and rss>1", -1}, {"(cpu>=50)and(rss>1)", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct culprit_error e = {""};
		int m = matches(cases[i].text, &e);

		if (m != cases[i].want)
			fail_msg("'%s' gives %d, not %d: %s", cases[i].text, m, cases[i].want, e.sentence);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "position 1: a column, a text or ( was expected, but the expression ends here"},
		{"cpuu>5", "position 1: no column 'cpuu' in process; did you mean cpu?"},
		{"rss>1 and usr=x", "position 11: no column 'usr' in process; did you mean user?"},
		{"zzz=1", "no column 'zzz' in process"},
		{"cpu>", "position 5: a value was expected"},
		{"cpu> and rss>1", "a percentage"},
		{"cpu>(", "a value was expected"},
		{">5", "position 1: a column, a text or ( was expected"},
		{"cpu>5)", "position 6: this parenthesis was never opened"},
		{"(cpu>5", "position 1: the parenthesis is not closed"},
		{"()", "position 2: a column"},
		{"cpu>5 and", "position 10"},
		{"and cpu>5", "position 1"},
		{"cpu>5 or or rss>1", "position 10"},
		{"user=\"x", "position 6: the quote is not closed"},
		{"rss>5ms", "'5ms' is not a size, such as 2G or 512K"},
		{"await>5M", "is not a duration"},
		{"cpu>5k", "is not a percentage"},
		{"cpu~5", "~ compares text; this column is none"},
		{"user~(", "regular expression"},
		{"user~\"[\"", "regular expression is wrong"},
		{"user~a{99}", "{32}"},
		{"user~a{30}{30}{30}", "repeats too much"},
		{"user~a+++++++++++++++++++++", "repeats too much"},
		{"user~((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+", "repeats too much"},
		{"user~(a)\\1", "refer back"},
		{"kernel>true", "= and != only"},
		{"kernel=maybe", "true or false was expected"},
		{"stack=1", "stacks cannot be compared"},
		{"\"cpu\">5", "the name of a column was expected, not a quoted text"},
		{"cpu>5 > 6", "needs the name of a column before it"},
		{"a&b", "unexpected character"},
		{"user~\"a\\x00b\"", "NUL"},
		{"pid=12abc", "is not a number"},
	};
	char text[FILTER_LENGTH_MAX + 32];
	struct culprit_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		e.sentence[0] = '\0';
		assert_int_equal(matches(cases[i].text, &e), -1);
		if (!strstr(e.sentence, cases[i].says))
			fail_msg("'%s': '%s' does not say '%s'", cases[i].text, e.sentence, cases[i].says);
	}
	/* Bounds: length, depth, terms, regular expression. */
	memset(text, 'a', sizeof(text));
	text[FILTER_LENGTH_MAX + 1] = '\0';
	assert_int_equal(matches(text, &e), -1);
	text[FILTER_LENGTH_MAX] = '\0';
	assert_int_equal(matches(text, &e), 0);
	memset(text, '(', FILTER_DEPTH_MAX + 1);
	strcpy(text + FILTER_DEPTH_MAX + 1, "kernel");
	assert_int_equal(matches(text, &e), -1);
	assert_non_null(strstr(e.sentence, "too deeply"));
	text[0] = '\0';
	for (int i = 0; i <= FILTER_TERMS_MAX; i++)
		strcat(text, "web ");
	assert_int_equal(matches(text, &e), -1);
	assert_non_null(strstr(e.sentence, "too many terms"));
	text[strlen(text) - 4] = '\0';
	assert_int_equal(matches(text, &e), 1);
	strcpy(text, "user~");
	memset(text + 5, 'a', FILTER_REGEX_MAX + 1);
	text[5 + FILTER_REGEX_MAX + 1] = '\0';
	assert_int_equal(matches(text, &e), -1);
}

static const char *name(void *of, size_t i)
{
	return ((const char *const *)of)[i];
}

static void test_suggest(void **state)
{
	static const char *const names[] = {"process", "thread", "cpu", "memory", "read_rate", "write_rate", "filesystem"};
	static const struct {
		const char *word, *says;
	} cases[] = {
		{"proces", "; did you mean process?"}, {"porcess", "; did you mean process?"}, {"cpus", "; did you mean cpu?"},
		{"rate", "; did you mean read_rate or write_rate?"}, {"qqqq", ""}, {"", ""}, {"filesys", "; did you mean filesystem?"},
	};
	char buf[96];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(suggest(cases[i].word, 7, name, (void *)names, buf, sizeof(buf)), cases[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_suggest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
