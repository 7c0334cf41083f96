/* Each key of the help, one by one, in each panel, over a machine on which much is going on, over one of which nothing is measured, and
 * in the first second: it does something, or one sentence says why not. What it does is tested where that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/stage.h"

static char *screen(struct stage *s)
{
	char *text = surface_text(s->surface), *roles = surface_roles(s->surface), *all = NULL;

	assert_non_null(text);
	assert_non_null(roles);
	assert_true(asprintf(&all, "%s%s", text, roles) > 0);
	free(text);
	free(roles);
	return all;
}

/* The lines of a screen that are not as they were, for eyes (KEYS_SHOW=1). */
static void show(const char *before, const char *after)
{
	for (int y = 0; y < 24 && *before && *after; y++) {
		size_t a = strcspn(before, "\n"), b = strcspn(after, "\n");

		if (a != b || memcmp(before, after, a))
			printf("        %.*s\n", (int)b, after);
		before += a + 1;
		after += b + 1;
	}
}

static const char *last_line(const char *all)
{
	for (int y = 0; y < 23; y++)
		all += strcspn(all, "\n") + 1;
	return all;
}

/* Presses the key in a new console of the panel, after others; false: nothing came of it. */
static bool press(struct stage *s, const struct panel *p, const char *first, uint32_t code)
{
	struct key key = {.code = code};
	struct console_effect effect;
	char *before, *after;
	bool did = false;

	stage_again(s, p->name);
	stage_press(s, first);
	before = screen(s);
	console_key(s->console, &key);
	while (console_effect(s->console, &effect))
		did = true;
	console_draw(s->console, s->surface);
	after = screen(s);
	if (getenv("KEYS_SHOW"))
		show(before, after);
	/* The same sentence again is one, too: hints do not begin the last line then. */
	did = did || strcmp(before, after) != 0 || strncmp(last_line(after), "Enter", 5) != 0;
	free(before);
	free(after);
	return did;
}

static unsigned walk(struct stage *s, const struct panel *p, const char *first, const struct binding *bindings, size_t n)
{
	unsigned failed = 0;

	for (size_t i = 0; i < n; i++) {
		for (int k = 0; k < BINDING_KEYS && bindings[i].keys[k]; k++) {
			char name[16];

			key_format(bindings[i].keys[k], name);
			if (getenv("KEYS_SHOW"))
				printf("%s: %s %s: %s\n", p->name, first, name, bindings[i].help ? bindings[i].help : bindings[i].name);
			if (press(s, p, first, bindings[i].keys[k]))
				continue;
			fprintf(stderr, "%s: after \"%s\" the key %s (%s) did nothing and said nothing\n", p->name, first, name,
				bindings[i].help ? bindings[i].help : bindings[i].name);
			failed++;
		}
	}
	return failed;
}

/* "": as the panel is at first; then with something selected, in another form, below a process. */
static void walk_all(const struct made_host_options *options, unsigned seconds, enum console_mode mode, const char *const *firsts)
{
	unsigned failed = 0;
	struct stage s;

	stage_open(&s, options, seconds, "overview", 80, 24, TEXT_ASCII);
	s.mode = mode;
	for (const struct panel *const *p = console_panels; *p; p++)
		for (const char *const *first = firsts; *first; first++) {
			failed += walk(&s, *p, *first, (*p)->keys, (*p)->nkeys);
			failed += walk(&s, *p, *first, console_keys, console_nkeys);
		}
	stage_close(&s);
	assert_int_equal(failed, 0);
}

static void keys_of_a_busy_machine(void **state)
{
	static const struct made_host_options busy = {
		.nfs = true, .sockets = true, .pods = true, .family = true, .latencies = true, .thrashing = true};
	static const char *const firsts[] = {"", "j Enter", "Space { {", NULL};

	(void)state;
	walk_all(&busy, 180, CONSOLE_LIVE, firsts);
	walk_all(&busy, 180, CONSOLE_REPLAY, firsts + 2);
}

static void keys_where_little_is_measured(void **state)
{
	static const struct made_host_options blind = {.calm = true, .no_psi = true, .no_programs = true};
	static const char *const firsts[] = {"", NULL};

	(void)state;
	walk_all(&blind, 1, CONSOLE_LIVE, firsts);
}

/* What nothing is bound to says what does what one may have meant. */
static void keys_of_other_monitors(void **state)
{
	static const struct {
		const char *key, *said;
	} habits[] = {
		{"H", "3, or Enter on a process"}, {"T", ":sort cpu_time"},	 {"F7", ":renice -5"},
		{"F8", ":renice 10"},		   {"k", "F9 sends a signal"},	 {"v", "v is a key of latency"},
		{"M", "s sorts"},
		{"F12", "? shows the keys"},	   {"M-x", "? shows the keys"},
	};
	static const char others[] = "aABcCDEghHiJKlmnoQvVwYZ!@#%&*_;'\"|~`,.0";
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 80, 24, TEXT_ASCII);
	for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++) {
		stage_press(&s, habits[i].key);
		assert_shows(&s, habits[i].said);
	}
	for (const char *c = others; *c; c++)
		if (!press(&s, console_panels[1], "", (uint32_t)*c))
			fail_msg("%c does nothing in processes and says nothing", *c);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_a_busy_machine),
		cmocka_unit_test(keys_where_little_is_measured),
		cmocka_unit_test(keys_of_other_monitors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
