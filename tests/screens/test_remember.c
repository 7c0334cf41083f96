/* The program in a terminal, twice: what was chosen the first time is there the second, in replay too, which has shut
 * itself in; a file that is wrong is set aside; nothing is read or written where that was asked for. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "screens/vt.h"

#define RECORDING "tests/fixtures/recordings/v1.0.culprit"

static const char *const live[] = {VT_CULPRIT, "--no-attach", NULL}, *const forgets[] = {VT_CULPRIT, "--no-attach", "--no-settings", NULL},
			 *const replay[] = {VT_CULPRIT, "replay", RECORDING, NULL};

struct home {
	char folder[32], variable[64], file[80];
	const char *environment[2];
};

static void home_open(struct home *h)
{
	memset(h, 0, sizeof(*h));
	snprintf(h->folder, sizeof(h->folder), "/tmp/home.XXXXXX");
	assert_non_null(mkdtemp(h->folder));
	snprintf(h->variable, sizeof(h->variable), "XDG_CONFIG_HOME=%s", h->folder);
	snprintf(h->file, sizeof(h->file), "%s/culprit/settings", h->folder);
	h->environment[0] = h->variable;
}

static void home_close(struct home *h)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", h->folder);
	assert_int_equal(system(command), 0);
}

/* Heap; NULL: there is none. */
static char *content(const char *file)
{
	FILE *f = fopen(file, "re");
	char *text = calloc(1, 8192);

	assert_non_null(text);
	if (!f) {
		free(text);
		return NULL;
	}
	(void)!fread(text, 1, 8191, f);
	fclose(f);
	return text;
}

static struct vt *start(const struct home *h, const char *const *argv)
{
	struct vt *vt = vt_open(argv, 24, 80, h->environment);

	vt_sync(vt);
	return vt;
}

static void end(struct vt *vt)
{
	vt_wait_end(vt);
	vt_assert_restored(vt);
	vt_close(vt);
}

static void quit(struct vt *vt)
{
	vt_send_only(vt, "q", 1);
	if (!vt->ended)
		vt_read(vt, 200);
	/* The question whether to save what is held. */
	vt_send_only(vt, "n", 1);
	end(vt);
}

static void what_was_chosen_is_there_again(void **state)
{
	struct home h;
	struct stat st;
	struct vt *vt;
	char *text;

	(void)state;
	home_open(&h);
	vt = start(&h, live);
	vt_wait_shows(vt, "win");
	vt_type(vt, "2f");
	vt_type(vt, ":sort rss\r");
	vt_type(vt, ":columns pid rss nice command\r");
	vt_type(vt, ":theme dark\r");
	vt_type(vt, ":interval 2s\r");
	vt_wait_shows(vt, "a sample every 2s from now on");
	/* Line 1 says so, once the segment has come that does. */
	vt_type(vt, "j");
	vt_wait_shows(vt, "every 2s win");
	quit(vt);
	assert_int_equal(stat(h.file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	text = content(h.file);
	assert_non_null(strstr(text, "culprit-settings 1\n"));
	assert_non_null(strstr(text, "\ninterval = 2s\npanel = processes\nprocesses.columns = pid rss nice command\n"
				     "processes.sort = -rss\nprocesses.tree = on\ntheme = dark\n"));
	free(text);
	/* Also where it is ended from outside. */
	vt = start(&h, live);
	vt_wait_shows(vt, "tree by rss");
	vt_wait_shows(vt, "nice");
	vt_type(vt, "f");
	vt_signal(vt, SIGTERM);
	end(vt);
	text = content(h.file);
	assert_null(strstr(text, "tree"));
	assert_non_null(strstr(text, "interval = 2s\n"));
	free(text);
	home_close(&h);
}

static void replay_remembers_too(void **state)
{
	struct home h;
	struct vt *vt;
	char *text;

	(void)state;
	home_open(&h);
	vt = start(&h, replay);
	vt_wait_shows(vt, "1Over");
	vt_type(vt, "2:sort age\r");
	quit(vt);
	text = content(h.file);
	assert_non_null(text);
	assert_non_null(strstr(text, "processes.sort = -age\n"));
	free(text);
	home_close(&h);
}

static void a_bad_file_is_set_aside(void **state)
{
	char aside[96];
	struct home h;
	struct vt *vt;
	char *text;
	FILE *f;

	(void)state;
	home_open(&h);
	snprintf(aside, sizeof(aside), "%s/culprit", h.folder);
	assert_int_equal(mkdir(aside, 0700), 0);
	f = fopen(h.file, "we");
	fputs("culprit-settings 1\ntheme = dark\n\x1b[2J rubbish\n", f);
	fclose(f);
	vt = start(&h, live);
	vt_wait_shows(vt, "settings:3: ");
	quit(vt);
	snprintf(aside, sizeof(aside), "%s.bad", h.file);
	text = content(aside);
	assert_non_null(text);
	free(text);
	/* A newer one is left alone, whatever is chosen. */
	f = fopen(h.file, "we");
	fputs("culprit-settings 9\nshape = round\n", f);
	fclose(f);
	vt = start(&h, live);
	vt_wait_shows(vt, "newer culprit");
	vt_type(vt, "2:theme dark\r");
	quit(vt);
	text = content(h.file);
	assert_string_equal(text, "culprit-settings 9\nshape = round\n");
	free(text);
	home_close(&h);
}

static void nothing_is_remembered_when_told_so(void **state)
{
	struct home h;
	struct vt *vt;

	(void)state;
	home_open(&h);
	vt = start(&h, forgets);
	vt_wait_shows(vt, "win");
	vt_type(vt, "2:theme dark\r");
	quit(vt);
	assert_null(content(h.file));
	/* Nor where nothing was chosen. */
	vt = start(&h, live);
	vt_wait_shows(vt, "win");
	quit(vt);
	assert_null(content(h.file));
	home_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_chosen_is_there_again),
		cmocka_unit_test(replay_remembers_too),
		cmocka_unit_test(a_bad_file_is_set_aside),
		cmocka_unit_test(nothing_is_remembered_when_told_so),
	};

	return cmocka_run_group_tests_name("remember", tests, NULL, NULL);
}
