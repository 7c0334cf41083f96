/* Themes: what each role looks like in each of them, as far as a terminal has colours; and that the program shows the one it
 * is told. */
/* alone: it measures time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "screens/vt.h"
#include "support/golden.h"
#include "surface.h"
#include "theme.h"

#define PROGRAM TEST_BUILD "/culprit"
#define RECORDING "tests/fixtures/recordings/v1.0.culprit"

static void styles_by_depth(void **state)
{
	static const enum colour_depth depths[] = {DEPTH_RGB, DEPTH_256, DEPTH_16, DEPTH_8};
	static const char *const titles[] = {"24-bit", "256", "16", "8"};
	const char *name;

	(void)state;
	for (size_t t = 0; (name = theme_builtin_name(t)); t++) {
		struct surface *s = surface_create(132, ROLE_COUNT + 1, TEXT_ASCII);
		struct theme theme;
		char golden[64];

		assert_non_null(s);
		assert_true(theme_builtin(&theme, name));
		assert_string_equal(theme.name, name);
		surface_say(s, 0, 0, 16, ROLE_HEADER, name);
		for (int d = 0; d < 4; d++) {
			surface_say(s, 18 + d * 29, 0, 28, ROLE_HEADER, titles[d]);
			for (unsigned i = 0; i < ROLE_COUNT; i++) {
				struct style style = style_reduce(theme.styles[i], depths[d]);
				char text[64];

				style_format(&style, text, sizeof(text));
				surface_say(s, 0, (int)i + 1, 17, (enum role)i, role_name(i));
				surface_say(s, 18 + d * 29, (int)i + 1, 28, ROLE_TEXT, text);
			}
		}
		snprintf(golden, sizeof(golden), "theme-%s", name);
		golden_check(s, golden);
		surface_destroy(s);
	}
}

static struct vt *start(const char *const *argv, const char *const *environment)
{
	struct vt_options o = {.rows = 24, .cols = 80, .environment = environment, .argv = argv};
	struct vt *vt = calloc(1, sizeof(*vt));
	struct timespec from, now;

	assert_non_null(vt);
	vt_start(vt, &o);
	vt_sync(vt);
	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		vt_read(vt, 50);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!vt_shows(vt, "1Over") && (now.tv_sec - from.tv_sec) * 1000 < VT_WAIT_MS);
	return vt;
}

static void end(struct vt *vt)
{
	vt_send_only(vt, "q", 1);
	vt_wait_end(vt);
	vt_assert_restored(vt);
	vt_finish(vt);
	free(vt);
}

static bool ground_is(struct vt *vt, int row, int col, uint8_t r, uint8_t g, uint8_t b)
{
	VTermScreenCell cell = vt_cell(vt, row, col);

	return VTERM_COLOR_IS_RGB(&cell.bg) && !VTERM_COLOR_IS_DEFAULT_BG(&cell.bg) && cell.bg.rgb.red == r &&
	       cell.bg.rgb.green == g && cell.bg.rgb.blue == b;
}

static void the_program_shows_it(void **state)
{
	static const char *const light[] = {PROGRAM, "replay", RECORDING, "--theme", "light", NULL};
	static const char *const truecolour[] = {"COLORTERM=truecolor", NULL}, *const none[] = {"COLORTERM=truecolor", "NO_COLOR=1", NULL};
	VTermScreenCell cell;
	struct vt *vt = start(light, truecolour);

	(void)state;
	/* The first tab is where one is. */
	assert_true(ground_is(vt, 1, 0, 0x1f, 0x4e, 0x79));
	assert_true(ground_is(vt, 4, 79, 0xfa, 0xfa, 0xf7));
	/* Another one at once; then one there is not, which says so and is the default. */
	vt_type(vt, ":theme dark\r");
	assert_true(ground_is(vt, 4, 79, 0x16, 0x18, 0x1d));
	vt_type(vt, ":theme li\t");
	assert_true(vt_shows(vt, ":theme light"));
	vt_type(vt, "\x15theme \t");
	assert_true(vt_shows(vt, "colour-blind"));
	vt_type(vt, "\x15theme nosuch\r");
	assert_true(vt_shows(vt, "there is no theme \"nosuch\""));
	cell = vt_cell(vt, 4, 79);
	assert_true(VTERM_COLOR_IS_DEFAULT_BG(&cell.bg));
	end(vt);
	/* NO_COLOR is stronger than any of them. */
	vt = start(light, none);
	for (int row = 0; row < 24; row++) {
		for (int col = 0; col < 80; col++) {
			cell = vt_cell(vt, row, col);
			assert_true(VTERM_COLOR_IS_DEFAULT_BG(&cell.bg) && VTERM_COLOR_IS_DEFAULT_FG(&cell.fg));
		}
	}
	end(vt);
}

static void a_broken_theme_is_named(void **state)
{
	char file[] = "/tmp/culprit-theme-XXXXXX";
	const char *const argv[] = {PROGRAM, "replay", RECORDING, "--theme", file, NULL};
	int fd = mkstemp(file);
	struct vt *vt;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text = red\nwarn = purpel\n", 25), 25);
	close(fd);
	vt = start(argv, NULL);
	assert_true(vt_shows(vt, ":2: \"purpel\" is no colour"));
	end(vt);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(styles_by_depth),
		cmocka_unit_test(the_program_shows_it),
		cmocka_unit_test(a_broken_theme_is_named),
	};

	return cmocka_run_group_tests_name("themes", tests, NULL, NULL);
}
