#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "input.h"
#include "keys.h"
#include "panels.h"

#include <errno.h>

static void keys_of_the_console_do_not_clash(void **state)
{
	struct keys_table table = {"console", console_keys, console_nkeys};
	struct culprit_error error = {""};

	(void)state;
	if (keys_check(&table, 1, &error))
		fail_msg("%s", error.sentence);
}

/* A letter means one thing in all panels, and each panel is reached by one key. */
static void keys_of_the_panels_do_not_clash(void **state)
{
	struct keys_table tables[33] = {{"console", console_keys, console_nkeys}};
	struct culprit_error error = {""};
	size_t n = 1;

	(void)state;
	for (; console_panels[n - 1]; n++) {
		const struct panel *p = console_panels[n - 1];

		assert_true(n < 33);
		tables[n] = (struct keys_table){p->name, p->keys, p->nkeys};
		for (size_t i = 0; i + 1 < n; i++) {
			assert_string_not_equal(console_panels[i]->name, p->name);
			assert_true(!p->key || console_panels[i]->key != p->key);
		}
		for (size_t i = 0; i < p->nkeys; i++)
			assert_true(p->keys[i].action >= ACTION_PANEL);
	}
	if (keys_check(tables, n, &error))
		fail_msg("%s", error.sentence);
}

/* hjkl and arrows only move; what DESIGN.md names is where it says. */
static void keys_are_where_they_belong(void **state)
{
	static const struct {
		uint32_t key;
		int action;
	} cases[] = {
		{'h', ACTION_LEFT}, {'j', ACTION_DOWN}, {'k', ACTION_UP}, {'l', ACTION_RIGHT}, {KEY_UP, ACTION_UP},
		{'g', ACTION_FIRST}, {'G', ACTION_LAST}, {KEY_ENTER, ACTION_DEEPER}, {KEY_BACKSPACE, ACTION_BACK},
		{'u', ACTION_BACK}, {'[', ACTION_EARLIER}, {']', ACTION_LATER}, {' ', ACTION_PAUSE},
		{'/', ACTION_FIND}, {'\\', ACTION_FILTER}, {':', ACTION_COMMAND}, {KEY_CTRL('l'), ACTION_REDRAW},
		{'q', ACTION_QUIT}, {'W', ACTION_SAVE}, {'?', ACTION_HELP}, {'t', ACTION_TABLES},
		{KEY_TAB, ACTION_NEXT_PANEL}, {'1', ACTION_PANEL_1}, {'0', ACTION_PANEL_0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct binding *b = keys_find(console_keys, console_nkeys, cases[i].key);

		assert_non_null(b);
		assert_int_equal(b->action, cases[i].action);
	}
}

static void keys_check_finds_clashes(void **state)
{
	static const struct binding console[] = {{1, "quit", {'q'}}, {2, "up", {'k', KEY_UP}}};
	static const struct binding sorts[] = {{1000, "sort", {'s'}}};
	static const struct binding signals[] = {{1000, "signal", {'s'}}};
	static const struct binding sorts_too[] = {{1007, "sort", {'s'}}};
	static const struct binding takes[] = {{1000, "kill", {'k'}}};
	static const struct binding twice[] = {{1000, "a", {'a'}}, {1001, "b", {'b', 'a'}}};
	static const struct binding named[] = {{1000, "quit", {'Q'}}};
	struct keys_table t[3] = {{"console", console, 2}, {"one", sorts, 1}, {"two", sorts_too, 1}};
	struct culprit_error error;

	(void)state;
	assert_int_equal(keys_check(t, 3, &error), 0);
	t[2].bindings = signals;
	assert_int_equal(keys_check(t, 3, &error), -EEXIST);
	assert_string_equal(error.sentence, "one: sort (s) and two: signal (s) clash");
	t[1].bindings = takes;
	assert_int_equal(keys_check(t, 2, &error), -EEXIST);
	t[1].bindings = twice;
	t[1].n = 2;
	assert_int_equal(keys_check(t, 2, &error), -EEXIST);
	t[1].bindings = named;
	t[1].n = 1;
	assert_int_equal(keys_check(t, 2, &error), -EEXIST);
}

static void keys_have_names(void **state)
{
	static const struct {
		uint32_t key;
		const char *name;
	} cases[] = {{'q', "q"}, {' ', "Space"}, {KEY_CTRL('l'), "^L"}, {KEY_F(9), "F9"}, {KEY_PAGE_UP, "PgUp"},
		     {'x' | KEY_ALT, "M-x"}, {KEY_ENTER, "Enter"}, {0xe9, "\xc3\xa9"}, {KEY_BACKTAB, "BackTab"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[16];
		uint32_t key;

		key_format(cases[i].key, name);
		assert_string_equal(name, cases[i].name);
		assert_true(key_parse(name, strlen(name), &key));
		assert_int_equal(key, cases[i].key);
	}
}

struct bytes_to_keys {
	const char *bytes;
	size_t n;
	uint32_t keys[6];
};
#define B(s) s, sizeof(s) - 1

static const struct bytes_to_keys sequences[] = {
	{B("aZ9"), {'a', 'Z', '9'}},
	{B("\x1b[A\x1b[B\x1b[C\x1b[D"), {KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT}},
	{B("\x1bOA\x1bOB\x1bOH\x1bOF"), {KEY_UP, KEY_DOWN, KEY_HOME, KEY_END}},
	{B("\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~"), {KEY_HOME, KEY_END, KEY_HOME, KEY_END, KEY_HOME, KEY_END}},
	{B("\x1b[5~\x1b[6~\x1b[2~\x1b[3~\x1b[Z"), {KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_INSERT, KEY_DELETE, KEY_BACKTAB}},
	{B("\x1bOP\x1bOS\x1b[15~\x1b[17~\x1b[24~\x1b[[A"), {KEY_F(1), KEY_F(4), KEY_F(5), KEY_F(6), KEY_F(12), KEY_F(1)}},
	{B("\x1b[20~\x1b[21~"), {KEY_F(9), KEY_F(10)}},
	{B("\r\n\x7f\x08\t"), {KEY_ENTER, KEY_ENTER, KEY_BACKSPACE, KEY_BACKSPACE, KEY_TAB}},
	{B("\x1b"), {KEY_ESC}},
	{B("\x1b\x1b"), {KEY_ESC, KEY_ESC}},
	{B("\x1bx"), {'x' | KEY_ALT}},
	{B("\x1b[1;3A\x1b[1;5C"), {KEY_UP | KEY_ALT, KEY_RIGHT}},
	{B("\xc3\xa9\xe6\x97\xa5"), {0xe9, 0x65e5}},
	/* not UTF-8, C1 as UTF-8: nothing was typed */
	{B("\xff" "a\xc2\x9b" "b\xe6\x97" "c"), {'a', 'b', 'c'}},
	/* late answers and unknown sequences are swallowed whole */
	{B("\x1b[?64;1;2;6;22c1"), {'1'}},
	{B("\x1b[24;80R2"), {'2'}},
	{B("\x1b]11;rgb:0000/0000/0000\x07" "3"), {'3'}},
	{B("\x1bP1$r0m\x1b\\4"), {'4'}},
	{B("\x1b[99~5"), {'5'}},
	{B("\x1b[200~6"), {'6'}},
};

static void input_knows_sequences(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		/* At once, and byte by byte. */
		for (int slow = 0; slow < 2; slow++) {
			struct input in;
			struct key key;
			size_t got = 0, expected = 0;

			while (expected < 6 && sequences[i].keys[expected])
				expected++;
			input_init(&in, true);
			for (size_t at = 0; at < sequences[i].n;) {
				size_t n = slow ? 1 : sequences[i].n;

				assert_int_equal(input_feed(&in, sequences[i].bytes + at, n), n);
				at += n;
				while (input_next(&in, false, &key)) {
					assert_true(got < expected);
					assert_int_equal(key.code, sequences[i].keys[got]);
					got++;
				}
			}
			while (input_next(&in, true, &key)) {
				assert_true(got < expected);
				assert_int_equal(key.code, sequences[i].keys[got]);
				got++;
			}
			if (got != expected)
				fail_msg("sequence %zu: %zu keys instead of %zu", i, got, expected);
			assert_false(input_waits(&in));
		}
	}
}

static void input_learns(void **state)
{
	struct input in;
	struct key key;

	(void)state;
	input_init(&in, true);
	input_learn(&in, "\x1b[[9", KEY_F(9));
	input_learn(&in, "q", KEY_F(2)); /* never takes a letter away */
	input_feed(&in, "\x1b[[9q", 5);
	assert_true(input_next(&in, false, &key));
	assert_int_equal(key.code, KEY_F(9));
	assert_true(input_next(&in, false, &key));
	assert_int_equal(key.code, 'q');
}

static void input_mouse(void **state)
{
	struct input in;
	struct key key;

	(void)state;
	input_init(&in, true);
	input_feed(&in, "\x1b[<0;10;5M\x1b[<0;10;5m\x1b[<65;1;2M", 30);
	assert_true(input_next(&in, false, &key));
	assert_int_equal(key.code, KEY_MOUSE);
	assert_int_equal(key.button, MOUSE_LEFT);
	assert_int_equal(key.x, 9);
	assert_int_equal(key.y, 4);
	assert_true(input_next(&in, false, &key));
	assert_int_equal(key.button, MOUSE_WHEEL_DOWN);
	assert_false(input_next(&in, false, &key));
}

/* An answer without end does not swallow what is typed later. */
static void input_string_without_end(void **state)
{
	struct input in;
	struct key key;
	char junk[600];

	(void)state;
	memset(junk, 'j', sizeof(junk));
	input_init(&in, true);
	input_feed(&in, "\x1b]52;", 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(input_feed(&in, junk, sizeof(junk)), sizeof(junk));
		assert_false(input_next(&in, false, &key));
	}
	assert_true(input_waits(&in));
	assert_false(input_next(&in, true, &key));
	input_feed(&in, "q", 1);
	assert_true(input_next(&in, false, &key));
	assert_int_equal(key.code, 'q');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_the_console_do_not_clash),
		cmocka_unit_test(keys_of_the_panels_do_not_clash), cmocka_unit_test(keys_are_where_they_belong),
		cmocka_unit_test(keys_check_finds_clashes),	    cmocka_unit_test(keys_have_names),
		cmocka_unit_test(input_knows_sequences),	    cmocka_unit_test(input_learns),
		cmocka_unit_test(input_mouse),			    cmocka_unit_test(input_string_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
