/* What takes long is read in pieces: each draw after a key says so, keys in between do what they should, and in the end there is what
 * a console shows that asks for all at once. Here a key is always waiting, so that a piece is a frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "support/stage.h"

enum { DRAWS_MAX = 2000, SECONDS = 180, SEEDS = 4 };

static bool always(void *of)
{
	(void)of;
	return true;
}

struct pieces {
	struct stage hurried, patient; /* over machines that are the same */
	struct manual_clock clock;
};

static void pieces_open(struct pieces *p, const char *panel)
{
	manual_clock_init(&p->clock, 1, 1);
	stage_open(&p->patient, NULL, SECONDS, panel, 100, 30, TEXT_ASCII);
	stage_open(&p->hurried, NULL, SECONDS, panel, 100, 30, TEXT_ASCII);
	p->hurried.clock = &p->clock.clock;
	stage_again(&p->hurried, panel);
	console_set_waiting(p->hurried.console, always, NULL);
}

static void pieces_close(struct pieces *p)
{
	stage_close(&p->hurried);
	stage_close(&p->patient);
}

/* One draw, and what the loop does after it. */
static void draw(struct stage *s)
{
	console_draw(s->console, s->surface);
	console_catch_up(s->console);
}

/* How many draws it took. */
static int settle(struct stage *s)
{
	int n = 0;

	do
		draw(s);
	while (++n < DRAWS_MAX && console_unfinished(s->console));
	assert_in_range(n, 1, DRAWS_MAX - 1);
	draw(s);
	assert_true(console_whole(s->console));
	return n;
}

/* Both consoles get the keys, and show the same in the end. */
static void assert_same(struct pieces *p)
{
	char *a, *b;

	settle(&p->hurried);
	/* What there is room for a panel knows once it has drawn. */
	stage_now(&p->hurried);
	stage_now(&p->patient);
	draw(&p->hurried);
	draw(&p->patient);
	a = surface_text(p->hurried.surface);
	b = surface_text(p->patient.surface);
	if (strcmp(a, b) != 0)
		fprintf(stderr, "in pieces:\n%s\nat once:\n%s", a, b);
	assert_true(!strcmp(a, b));
	free(a);
	free(b);
}

static void press(struct pieces *p, const char *keys)
{
	stage_press(&p->hurried, keys);
	stage_press(&p->patient, keys);
}

static int percent(struct stage *s)
{
	char *text = surface_text(s->surface), *at = strstr(text, "reading ... ");
	int n = at ? atoi(at + strlen("reading ... ")) : -1;

	free(text);
	return n;
}

static void another_time(void **state)
{
	struct pieces p;
	int last = 0, now;

	(void)state;
	pieces_open(&p, "processes");
	press(&p, "{");
	assert_shows(&p.hurried, "reading ... ");
	assert_true(console_unfinished(p.hurried.console));
	for (int i = 0; i < 20; i++) {
		draw(&p.hurried);
		now = percent(&p.hurried);
		assert_in_range(now, last, 100);
		last = now;
	}
	assert_true(last > 0);
	assert_same(&p);
	/* There all is near by. */
	press(&p, "s");
	assert_same(&p);
	pieces_close(&p);
}

static void another_panel(void **state)
{
	static const char *const panels[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "e", "t"};
	struct pieces p;

	(void)state;
	pieces_open(&p, "overview");
	for (size_t i = 0; i < sizeof(panels) / sizeof(panels[0]); i++) {
		press(&p, panels[i]);
		assert_same(&p);
	}
	pieces_close(&p);
}

/* Keys that lead elsewhere, before anything is there. */
static void another_wish(void **state)
{
	struct pieces p;

	(void)state;
	pieces_open(&p, "processes");
	press(&p, "{");
	assert_shows(&p.hurried, "reading ... ");
	press(&p, "{");
	press(&p, "3");
	press(&p, "1");
	press(&p, "}");
	assert_same(&p);
	press(&p, "8");
	press(&p, "2");
	press(&p, "{");
	/* There and back: what it had does not stand any more. */
	press(&p, "}");
	assert_same(&p);
	pieces_close(&p);
}

static void help_and_quit(void **state)
{
	struct console_effect effect = {.kind = EFFECT_NONE};
	struct key key = {.code = 'q'};
	struct pieces p;

	(void)state;
	pieces_open(&p, "processes");
	press(&p, "{");
	press(&p, "?");
	assert_shows(&p.hurried, "in this panel");
	press(&p, "Esc");
	assert_shows(&p.hurried, "reading ... ");
	console_key(p.hurried.console, &key);
	assert_true(console_effect(p.hurried.console, &effect));
	assert_int_equal(effect.kind, EFFECT_QUIT);
	assert_same(&p);
	pieces_close(&p);
}

/* Keys for the panel wait until it is there; Esc gives them up. */
static void keys_for_it(void **state)
{
	struct pieces p;

	(void)state;
	pieces_open(&p, "processes");
	press(&p, "{");
	settle(&p.hurried);
	for (int escape = 0; escape < 2; escape++) {
		press(&p, "}");
		stage_press(&p.hurried, "G");
		assert_shows(&p.hurried, "; 1 key for it");
		stage_press(&p.hurried, "k k");
		assert_shows(&p.hurried, "; 3 keys for it");
		if (escape) {
			stage_press(&p.hurried, "Esc");
			assert_false(stage_shows(&p.hurried, "for it"));
		} else {
			stage_press(&p.patient, "G k k");
		}
		assert_same(&p);
		press(&p, "g");
		press(&p, "{");
		settle(&p.hurried);
	}
	/* A search, with all its letters. */
	press(&p, "}");
	stage_press(&p.hurried, "/ m y s q l d Enter j");
	stage_press(&p.patient, "/ m y s q l d Enter j");
	assert_same(&p);
	pieces_close(&p);
}

/* Samples that come meanwhile. */
static void time_goes_on(void **state)
{
	struct pieces p;

	(void)state;
	pieces_open(&p, "processes");
	press(&p, "+");
	for (int i = 0; i < 3; i++) {
		assert_shows(&p.hurried, "reading ... ");
		made_host_run(p.hurried.host, 1);
		made_host_run(p.patient.host, 1);
		stage_now(&p.hurried);
		stage_now(&p.patient);
		draw(&p.hurried);
		draw(&p.patient);
	}
	assert_same(&p);
	pieces_close(&p);
}

/* The other window of a comparison. */
static void compared(void **state)
{
	struct pieces p;

	(void)state;
	pieces_open(&p, "processes");
	press(&p, "b");
	press(&p, "3");
	press(&p, "2");
	assert_same(&p);
	pieces_close(&p);
}

/* Whatever is pressed, whenever; samples come in between. In the end there is a whole screen. */
static void any_keys(void **state)
{
	static const char keys[] = "1234567890et[]{}+-jkGg?/\\:sScCoOdrbfzFUTnmxy \r\r\033\033\177qpP,";
	struct console_effect effect;
	struct pieces p;

	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t random = seed;

		pieces_open(&p, "overview");
		for (int i = 0; i < 800; i++) {
			struct key key = {0};

			random = random * 1664525 + 1013904223;
			key.code = (unsigned char)keys[(random >> 8) % (sizeof(keys) - 1)];
			console_key(p.hurried.console, &key);
			while (console_effect(p.hurried.console, &effect))
				;
			if (random >> 28 < 12)
				draw(&p.hurried);
			if (random >> 28 == 13 && i % 4 == 0) {
				made_host_run(p.hurried.host, 1);
				stage_now(&p.hurried);
			}
		}
		stage_press(&p.hurried, "Esc Esc Esc");
		settle(&p.hurried);
		pieces_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_time), cmocka_unit_test(another_panel), cmocka_unit_test(another_wish),
		cmocka_unit_test(help_and_quit), cmocka_unit_test(keys_for_it), cmocka_unit_test(time_goes_on),
		cmocka_unit_test(compared),     cmocka_unit_test(any_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
