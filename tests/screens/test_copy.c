/* What leaves the screen: y, to the terminal's clipboard, as far as the terminal has one; P, into a file, with the command
 * that shows it again; and that this command does. */
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

#define RECORDING "tests/fixtures/recordings/v1.0.culprit"

static const char *const argv[] = {VT_CULPRIT, "replay", RECORDING, "--panel", "processes", NULL};

static struct vt *start(const char *const *environment)
{
	struct vt *vt = vt_open(argv, 24, 80, environment);

	vt_sync(vt);
	vt_wait_shows(vt, "2Proc");
	return vt;
}

static void end(struct vt *vt)
{
	vt_send_only(vt, "q", 1);
	vt_wait_end(vt);
	vt_assert_restored(vt);
	vt_close(vt);
}

static int value_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* What was handed over last, of all that the terminal got; wrapped for GNU screen or not. */
static bool copied(const struct vt *vt, char *out, size_t cap)
{
	static const char begin[] = "\033]52;c;";
	const char *at = NULL;
	uint32_t bits = 0;
	size_t n = 0;
	int have = 0;

	for (size_t i = 0; i + sizeof(begin) < vt->log_len; i++) {
		if (!memcmp(vt->log + i, begin, sizeof(begin) - 1))
			at = vt->log + i + sizeof(begin) - 1;
	}
	if (!at)
		return false;
	for (const char *last = vt->log + vt->log_len; at < last && *at != '\007'; at++) {
		int v = value_of(*at);

		/* Between two pieces: ESC \ ESC P */
		if (*at == '\033') {
			at += 3;
			continue;
		}
		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8 && n + 1 < cap) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	out[n] = '\0';
	return true;
}

static void y_copies(void **state)
{
	static const char *const in_screen[] = {"STY=1.pts", NULL}, *const console[] = {"TERM=linux", NULL};
	char text[4096];
	struct vt *vt = start(NULL);

	(void)state;
	/* Bytes that a terminal would act on don't come back to it by being pasted. */
	vt_type(vt, "\\comm~\"it's\"\r");
	vt_type(vt, "y");
	assert_true(copied(vt, text, sizeof(text)));
	assert_string_equal(text, "culprit replay " RECORDING " --panel processes --filter 'comm~\"it'\\''s\"'");
	assert_true(vt_shows(vt, "to the terminal's clipboard: culprit replay"));
	end(vt);
	vt = start(in_screen);
	vt_type(vt, "y");
	assert_true(copied(vt, text, sizeof(text)));
	assert_string_equal(text, "culprit replay " RECORDING " --panel processes");
	end(vt);
	/* A terminal that would print it. */
	vt = start(console);
	vt_type(vt, "y");
	assert_true(vt_shows(vt, "no clipboard"));
	assert_false(copied(vt, text, sizeof(text)));
	end(vt);
}

static void p_writes_the_screen_and_its_command(void **state)
{
	char folder[] = "/tmp/culprit-print-XXXXXX", file[64], typed[96], line[4096], screen[8192] = "", *command;
	struct vt *vt = start(NULL);
	FILE *f;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(folder));
	end(vt);
	snprintf(file, sizeof(file), "%s/screen.txt", folder);
	/* In a folder that replay may write to: its own. */
	snprintf(line, sizeof(line), "cp " RECORDING " %s/a.rec", folder);
	assert_int_equal(system(line), 0);
	{
		char recording[64];
		const char *const there[] = {VT_CULPRIT, "replay", recording, "--panel", "processes", NULL};
		struct vt_options o = {.rows = 24, .cols = 80, .argv = there};

		snprintf(recording, sizeof(recording), "%s/a.rec", folder);
		vt = calloc(1, sizeof(*vt));
		vt_start(vt, &o);
		vt_sync(vt);
		vt_wait_shows(vt, "2Proc");
		vt_type(vt, "[\\state=S\r");
		vt_type(vt, "f:sort rss\r");
		vt_type(vt, ":columns pid cpu age threads command\r");
		snprintf(typed, sizeof(typed), ":print %s\r", file);
		vt_type(vt, typed);
		vt_wait_shows(vt, "this screen is in");
		/* Nothing is written over. */
		vt_type(vt, typed);
		vt_wait_shows(vt, "File exists");
		end(vt);
	}
	f = fopen(file, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	n = fread(screen, 1, sizeof(screen) - 1, f);
	screen[n] = '\0';
	fclose(f);
	assert_int_equal(strncmp(line, "# culprit replay ", 17), 0);
	assert_non_null(strstr(line, " --panel processes --from "));
	assert_non_null(strstr(screen, "2Proc"));
	assert_non_null(strstr(line, "--set 'processes.columns=pid cpu age threads command' --set 'processes.sort=-rss' "
				     "--set 'processes.tree=on'"));
	/* The same place again, by that command. */
	line[strcspn(line, "\n")] = '\0';
	f = fopen("/tmp/culprit-print.keys", "we");
	assert_non_null(f);
	fputs("shot again\n", f);
	fclose(f);
	command = malloc(8192);
	assert_non_null(command);
	snprintf(command, 8192, VT_CULPRIT "%.4000s --keys /tmp/culprit-print.keys --shots %s >/dev/null && tail -n +5 %s/again.txt | head -17 "
				"> %s/a && tail -n +6 %s | head -17 > %s/b && cmp %s/a %s/b", line + strlen("# culprit"), folder, folder,
		 folder, file, folder, folder, folder);
	assert_int_equal(system(command), 0);
	snprintf(command, 8192, "rm -r %s /tmp/culprit-print.keys", folder);
	assert_int_equal(system(command), 0);
	free(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(y_copies),
		cmocka_unit_test(p_writes_the_screen_and_its_command),
	};

	return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
