/* The console in a real terminal: what is seen, and what is left behind. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop.h"
#include "screens/vt.h"
#include "support/fake_panel.h"

#define SECOND 1000000000ULL

enum { ENDED_BY_SIGNAL = 100, ENDED_BY_EIO = 90, NOT_OPENED = 91 };

struct job {
	const char *theme;
	bool no_color, ignore_hup, overflow;
	uint64_t refresh_ns;
};

static void now(void *self, struct console_now *n)
{
	(void)self;
	n->from_ns = 1000 * SECOND;
	n->to_ns = 1600 * SECOND;
	n->tick_ns = SECOND;
	n->wall_offset_ns = (int64_t)(1772373802ULL - 1600) * (int64_t)SECOND;
	n->self_percent = 1.2;
	snprintf(n->host, sizeof(n->host), "web\x1b[41m-03");
}

static int timeline(void *self, struct view *view, uint64_t to, uint64_t step, size_t columns, struct console_timeline *t)
{
	(void)self;
	(void)view;
	(void)to;
	(void)step;
	snprintf(t->label, sizeof(t->label), "cpu");
	for (size_t i = 0; i < columns; i++)
		t->values[i] = (double)((i * 7) % 11);
	return 0;
}

static const struct console_options console_options = {.panels = fake_panels, .panel = "processes", .timeline = timeline};

/* A stack that is used up leaves the handler nothing to run on but its own. */
static volatile int deep;

__attribute__((noinline)) static int overflow(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return deep ? overflow(n + 1) + frame[0] : 0;
}

static void overflow_now(void *self, struct console_now *n)
{
	static int calls;

	now(self, n);
	if (++calls == 3) {
		deep = 1;
		overflow(0);
	}
}

static int run(void *arg)
{
	const struct job *job = arg;
	struct culprit_error error = {""};
	const struct rlimit no_core = {0, 0};
	struct loop_options options = {
		.screen = {.in_fd = 0, .out_fd = 1, .no_color = job->no_color, .mark = getenv("CULPRIT_TEST_MARK") != NULL},
		.notify_fd = -1,
		.refresh_ns = job->refresh_ns ? job->refresh_ns : 3600 * SECOND,
		.now = now,
	};
	int result;

	setrlimit(RLIMIT_CORE, &no_core);
	if (job->overflow)
		options.now = overflow_now;
	if (job->ignore_hup)
		signal(SIGHUP, SIG_IGN);
	theme_builtin(&options.theme, job->theme ? job->theme : "default");
	if (console_create(&options.console, &console_options, NULL))
		return 1;
	result = loop_run(&options, &error);
	console_destroy(options.console);
	if (result == -EIO)
		return ENDED_BY_EIO;
	if (result < 0) {
		fprintf(stderr, "%s\n", error.sentence);
		return NOT_OPENED;
	}
	return result ? ENDED_BY_SIGNAL + result : 0;
}

static const struct job plain_job;

static struct vt *start(const struct job *job, int rows, int cols, const char *const *environment)
{
	struct vt_options o = {.rows = rows, .cols = cols, .environment = environment, .run = run,
			       .arg = (void *)(uintptr_t)job};
	struct vt *vt = calloc(1, sizeof(*vt));

	assert_non_null(vt);
	vt_start(vt, &o);
	return vt;
}

static void end(struct vt *vt)
{
	vt_finish(vt);
	free(vt);
}

/* Ends it with q and checks what is left. */
static void quit(struct vt *vt)
{
	vt_send_only(vt, "q", 1);
	assert_int_equal(vt_wait_end(vt), 0);
	vt_assert_restored(vt);
	end(vt);
}

static int exit_code(struct vt *vt)
{
	int status = vt_wait_end(vt);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* What the terminal shows is what a console without one draws. */
static void assert_shows(struct vt *vt, struct console *console)
{
	struct surface *s = surface_create(vt->cols, vt->rows, TEXT_UTF8);
	char *text, *p;

	assert_non_null(s);
	console_draw(console, s);
	text = surface_text(s);
	p = text;
	for (int row = 0; row < vt->rows; row++) {
		size_t n = strcspn(p, "\n");
		const char *shown = vt_row(vt, row);

		if (strlen(shown) != n || memcmp(shown, p, n)) {
			fprintf(stderr, "expected\n%s\nshown\n", text);
			vt_dump(vt);
			fail_msg("row %d differs: \"%.*s\" and \"%s\"", row, (int)n, p, shown);
		}
		p += n + 1;
	}
	free(text);
	surface_destroy(s);
}

static struct console *same_console(void)
{
	struct console_now n = {0};
	struct console *c;

	assert_int_equal(console_create(&c, &console_options, NULL), 0);
	now(NULL, &n);
	console_now(c, &n);
	return c;
}

static bool log_has(const struct vt *vt, const char *bytes)
{
	return memmem(vt->log, vt->log_len, bytes, strlen(bytes)) != NULL;
}

static void terminal_shows_and_quits(void **state)
{
	struct vt *vt = start(&plain_job, 24, 80, NULL);
	struct console *c = same_console();

	(void)state;
	vt_sync(vt);
	assert_true(vt->altscreen);
	assert_false(vt->cursor);
	assert_shows(vt, c);
	/* Nothing is asked of the terminal, and the mouse is left to it. */
	assert_false(log_has(vt, "\033[c"));
	assert_false(log_has(vt, "\033[6n"));
	assert_false(log_has(vt, "\033[5n"));
	assert_false(log_has(vt, "?\033\\"));
	assert_false(log_has(vt, "?1000h"));
	console_destroy(c);
	quit(vt);
}

/* Painting only what changed gives the same as painting all, whatever is pressed. */
static void terminal_paints_changes(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t code;
	} keys[] = {
		{"j", 'j'},	   {"\033[B", KEY_DOWN}, {"\033OA", KEY_UP},	 {"G", 'G'},	   {"g", 'g'},
		{"\r", KEY_ENTER}, {"\x7f", KEY_BACKSPACE}, {"\x08", KEY_BACKSPACE}, {"?", '?'},	   {"\033[6~", KEY_PAGE_DOWN},
		{" ", ' '},	   {"1", '1'},		 {"2", '2'},		 {"[", '['},	   {"{", '{'},
		{"\t", KEY_TAB},   {"\033[Z", KEY_BACKTAB}, {"+", '+'},		 {"r", 'r'},	   {"/", '/'},
		{"s", 's'},	   {"\033[20~", KEY_F(9)}, {"l", 'l'},	 {"h", 'h'},	   {":", ':'},
	};
	const char *const environment[] = {"COLORTERM=truecolor", NULL};
	struct job job = {.theme = "dark"};
	struct vt *vt = start(&job, 24, 80, environment);
	struct console *c = same_console();
	uint32_t x = 7;

	(void)state;
	vt_sync(vt);
	for (int i = 0; i < 150; i++) {
		struct key key = {0};
		struct console_effect e;
		size_t k;

		x = x * 1664525 + 1013904223;
		k = (x >> 8) % (sizeof(keys) / sizeof(keys[0]));
		key.code = keys[k].code;
		/* Help would end at q; everything else never quits. */
		console_key(c, &key);
		while (console_effect(c, &e))
			;
		vt_type(vt, keys[k].bytes);
		assert_false(vt->ended);
		assert_shows(vt, c);
	}
	console_destroy(c);
	vt_signal(vt, SIGTERM);
	assert_int_equal(exit_code(vt), ENDED_BY_SIGNAL + SIGTERM);
	vt_assert_restored(vt);
	end(vt);
}

static void terminal_is_restored_after_signals(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct vt *vt = start(&plain_job, 24, 80, NULL);

		vt_sync(vt);
		vt_signal(vt, signals[i]);
		assert_int_equal(exit_code(vt), ENDED_BY_SIGNAL + signals[i]);
		vt_assert_restored(vt);
		end(vt);
	}
	{
		struct vt *vt = start(&plain_job, 24, 80, NULL);

		vt_sync(vt);
		vt_send_only(vt, "\x03", 1); /* ^C */
		assert_int_equal(exit_code(vt), ENDED_BY_SIGNAL + SIGINT);
		vt_assert_restored(vt);
		end(vt);
	}
}

static void terminal_is_restored_after_a_crash(void **state)
{
	static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGQUIT};

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct vt *vt = start(&plain_job, 24, 80, NULL);
		int status;

		vt_sync(vt);
		assert_true(vt->altscreen);
		vt_signal(vt, signals[i]);
		status = vt_wait_end(vt);
		/* It dies of it as it would have; a sanitizer turns that into an exit. */
		assert_true((WIFSIGNALED(status) && WTERMSIG(status) == signals[i]) ||
			    (WIFEXITED(status) && WEXITSTATUS(status) != 0));
		vt_assert_restored(vt);
		end(vt);
	}
}

static void terminal_is_restored_after_a_stack_overflow(void **state)
{
	struct job job = {.overflow = true, .refresh_ns = 20000000};
	struct vt *vt = start(&job, 24, 80, NULL);
	int status;

	(void)state;
	status = vt_wait_end(vt);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	assert_true(log_has(vt, "java:api"));
	vt_assert_restored(vt);
	end(vt);
}

static void terminal_that_is_closed_ends_it(void **state)
{
	struct job job = {.ignore_hup = true};

	(void)state;
	{
		struct vt *vt = start(&plain_job, 24, 80, NULL);
		int code;

		vt_sync(vt);
		vt_close_terminal(vt);
		code = exit_code(vt);
		assert_true(code == ENDED_BY_SIGNAL + SIGHUP || code == ENDED_BY_EIO);
		end(vt);
	}
	{
		/* As under nohup: nobody says so, reading does. */
		struct vt *vt = start(&job, 24, 80, NULL);

		vt_sync(vt);
		vt_close_terminal(vt);
		assert_int_equal(exit_code(vt), ENDED_BY_EIO);
		end(vt);
	}
}

static void terminal_stops_and_goes_on(void **state)
{
	struct vt *vt = start(&plain_job, 24, 80, NULL);
	struct console *c = same_console();

	(void)state;
	vt_sync(vt);
	/* The key that is typed below says that these are the newest data. */
	console_type(c, "L");
	for (int i = 0; i < 2; i++) {
		vt_send_only(vt, "\x1a", 1); /* ^Z, which never comes as input */
		vt->sent--;
		vt_wait_stopped(vt);
		vt_assert_restored(vt);
		/* The shell writes what it likes meanwhile. */
		assert_int_equal(write(vt->slave, "$ something else\r\n", 18), 18);
		/* And the terminal may have become another size. */
		vt_resize_only(vt, 20 + i, 70);
		vt_continue(vt);
		vt_type(vt, "L");
		assert_true(vt->altscreen);
		assert_int_equal(vt->mark_w, 70);
		assert_shows(vt, c);
	}
	/* SIGSTOP is told to nobody. */
	vt_signal(vt, SIGSTOP);
	vt_wait_stopped(vt);
	assert_int_equal(write(vt->slave, "\033[2J\033[Hgarbage", 14), 14);
	vt_continue(vt);
	vt_type(vt, "L");
	assert_shows(vt, c);
	console_destroy(c);
	quit(vt);
}

static void terminal_resizes(void **state)
{
	static const int sizes[][2] = {{43, 132}, {5, 20}, {1, 1}, {2, 300}, {12, 40}, {24, 80}};
	struct vt *vt = start(&plain_job, 24, 80, NULL);
	struct console *c = same_console();

	(void)state;
	vt_sync(vt);
	/* The key that is typed below says that these are the newest data. */
	console_type(c, "L");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		vt_resize(vt, sizes[i][0], sizes[i][1]);
		vt_type(vt, "L");
		assert_shows(vt, c);
	}
	/* A storm: it need not paint each, but the last. */
	for (int i = 0; i < 300; i++)
		vt_resize_only(vt, 2 + i % 40, 10 + (i * 7) % 150);
	vt_resize(vt, 25, 81);
	vt_type(vt, "L");
	assert_shows(vt, c);
	console_destroy(c);
	quit(vt);
}

static void terminal_of_any_size_at_start(void **state)
{
	static const int sizes[][2] = {{5, 20}, {1, 1}, {1, 80}, {24, 1}, {3, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vt *vt = start(&plain_job, sizes[i][0], sizes[i][1], NULL);
		struct console *c = same_console();

		vt_sync(vt);
		assert_shows(vt, c);
		console_destroy(c);
		quit(vt);
	}
}

static void terminal_unknown_is_a_sentence(void **state)
{
	static const char *const terms[][2] = {{"TERM=dumb", NULL}, {"TERM=no-such\x1b[2Jterm", NULL}, {"TERM=", NULL}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct vt *vt = start(&plain_job, 24, 200, terms[i]);

		assert_int_equal(exit_code(vt), NOT_OPENED);
		assert_true(log_has(vt, "TERM is"));
		assert_null(memchr(vt->log, '\033', vt->log_len));
		vt_assert_restored(vt);
		end(vt);
	}
}

static void terminal_without_utf8_gets_ascii(void **state)
{
	static const char *const environments[][3] = {{"LC_ALL=C", NULL}, {"LC_ALL=", "LANG=", NULL}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vt *vt = start(&plain_job, 24, 80, environments[i]);

		vt_sync(vt);
		for (size_t k = 0; k < vt->log_len; k++)
			assert_true((unsigned char)vt->log[k] < 0x80);
		assert_true(vt_shows(vt, "caf\\xc3\\xa9"));
		quit(vt);
	}
}

/* Names with escape sequences, bidi controls, newlines: seen, and without effect. */
static void terminal_shows_hostile_names(void **state)
{
	struct vt *vt = start(&plain_job, 24, 140, NULL);

	(void)state;
	vt_sync(vt);
	assert_true(vt_shows(vt, "evil\\x1b[2J\\x07\\xc2\\x9b6n"));
	assert_true(vt_shows(vt, "web\\x1b[41m-03"));
	assert_false(log_has(vt, "\xc2\x9b"));
	assert_false(log_has(vt, "\xe2\x80\xae"));
	assert_false(log_has(vt, "\033[41m"));
	quit(vt);
}

static void terminal_has_wide_characters(void **state)
{
	struct vt *vt = start(&plain_job, 24, 132, NULL);
	bool found = false;

	(void)state;
	vt_sync(vt);
	for (int row = 0; row < 24; row++) {
		for (int col = 0; col < 131; col++) {
			VTermScreenCell cell = vt_cell(vt, row, col);

			if (cell.chars[0] != 0x65e5)
				continue;
			found = true;
			assert_int_equal(cell.width, 2);
			assert_int_equal(vt_cell(vt, row, col + 2).chars[0], 0x672c);
		}
	}
	assert_true(found);
	quit(vt);
}

struct colour_case {
	const char *const *environment;
	struct job job;
	int indexed; /* colours of the "!!" cell: -1 default, else: below this; 1 << 24: RGB */
};

/* The cell that says 99%!!: role crit. */
static VTermScreenCell critical_cell(struct vt *vt)
{
	for (int row = 0; row < vt->rows; row++) {
		const char *at = strstr(vt_row(vt, row), "99%!!");

		/* Its row holds only ASCII before. */
		if (at && strstr(vt_row(vt, row), "evil"))
			for (int col = 0; col < vt->cols; col++)
				if (vt_cell(vt, row, col).chars[0] == '!')
					return vt_cell(vt, row, col);
	}
	fail_msg("there is no critical cell");
	return (VTermScreenCell){0};
}

static void terminal_has_colours(void **state)
{
	static const char *const truecolor[] = {"COLORTERM=truecolor", NULL};
	static const char *const many[] = {"TERM=xterm-256color", NULL};
	static const char *const eight[] = {"TERM=xterm", NULL};
	static const char *const vt100[] = {"TERM=vt100", NULL};
	static const char *const asked[] = {"NO_COLOR=1", "COLORTERM=truecolor", NULL};
	static const struct colour_case cases[] = {
		{truecolor, {.theme = "dark"}, 1 << 24}, {many, {.theme = "dark"}, 256}, {eight, {.theme = "dark"}, 16},
		{vt100, {.theme = "dark"}, -1},		 {asked, {.theme = "dark"}, -1}, {truecolor, {.no_color = true}, -1},
		{many, {.theme = "default"}, 16},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vt *vt = start(&cases[i].job, 24, 80, cases[i].environment);
		VTermScreenCell cell;

		vt_sync(vt);
		cell = critical_cell(vt);
		assert_true(cell.attrs.bold);
		if (cases[i].indexed < 0) {
			assert_true(VTERM_COLOR_IS_DEFAULT_FG(&cell.fg));
			assert_false(log_has(vt, "38;"));
		} else if (cases[i].indexed == 1 << 24) {
			assert_true(VTERM_COLOR_IS_RGB(&cell.fg));
			assert_int_equal(cell.fg.rgb.red, 0xff);
			assert_int_equal(cell.fg.rgb.green, 0x7a);
			assert_int_equal(cell.fg.rgb.blue, 0x70);
			assert_int_equal(cell.bg.rgb.red, 0x16);
		} else {
			assert_true(VTERM_COLOR_IS_INDEXED(&cell.fg));
			assert_true(cell.fg.indexed.idx < cases[i].indexed);
			if (cases[i].indexed == 256)
				assert_true(cell.fg.indexed.idx >= 16);
		}
		/* The terminal's own background is kept by the default theme. */
		if (cases[i].job.theme && !strcmp(cases[i].job.theme, "default"))
			assert_true(VTERM_COLOR_IS_DEFAULT_BG(&cell.bg));
		quit(vt);
	}
}

static void terminal_mouse_is_off_until_asked_for(void **state)
{
	struct vt *vt = start(&plain_job, 24, 80, NULL);

	(void)state;
	vt_sync(vt);
	vt_type(vt, "M");
	assert_true(log_has(vt, "?1000h"));
	/* A click on "1Blank" on line 2. */
	vt_type(vt, "\033[<0;3;2M\033[<0;3;2m");
	assert_true(vt_shows(vt, "blank****"));
	quit(vt);
}

/* Esc alone is Esc after a moment; what the terminal says late is not typed. */
static void terminal_input_is_understood(void **state)
{
	struct vt *vt = start(&plain_job, 24, 80, NULL);

	(void)state;
	vt_sync(vt);
	vt_type(vt, "/abc");
	assert_true(vt_shows(vt, "find: abc"));
	assert_true(vt->cursor);
	vt_type(vt, "\033");
	assert_false(vt_shows(vt, "find: "));
	assert_false(vt->cursor);
	/* The q behind the answer is a q. */
	vt_send_only(vt, "\033[?62;1;6;22cq", 14);
	assert_int_equal(vt_wait_end(vt), 0);
	vt_assert_restored(vt);
	end(vt);

	vt = start(&plain_job, 24, 80, NULL);
	vt_sync(vt);
	vt_type(vt, "\033[24;80R\033]11;rgb:1111/2222/3333\033\\\033P1+r5463\033\\");
	assert_false(vt->ended);
	assert_true(vt_shows(vt, "java:api"));
	assert_false(vt_shows(vt, "blank"));
	quit(vt);
}

static void terminal_quiet_costs_nothing(void **state)
{
	struct job job = {.refresh_ns = 20000000};
	struct vt *vt = start(&job, 40, 120, NULL);
	uint64_t paintings, bytes;

	(void)state;
	vt_sync(vt);
	vt_type(vt, "L");
	paintings = vt->paintings;
	bytes = vt->bytes;
	while (vt->paintings < paintings + 10 && !vt->ended)
		vt_read(vt, 100);
	/* Ten refreshes: nothing but their marks, of at most 40 bytes each. */
	assert_true(vt->bytes - bytes <= (vt->paintings - paintings + 1) * 40);
	/* A move of the selection: two rows and the cursor of it, not a screen. */
	bytes = vt->bytes;
	paintings = vt->paintings;
	vt_type(vt, "j");
	assert_true(vt->bytes - bytes <= 700 + (vt->paintings - paintings) * 40);
	quit(vt);
}

/* A terminal that takes nothing (^S, a dead line): keys and signals still count, and the end is soon. */
static void terminal_that_stands_still_blocks_nothing(void **state)
{
	struct vt *vt = start(&plain_job, 50, 200, NULL);
	struct pollfd p;

	(void)state;
	vt_sync(vt);
	for (int i = 0; i < 200; i++)
		vt_send_only(vt, "\x0c", 1); /* each paints all of it anew */
	p = (struct pollfd){.fd = vt->events, .events = POLLIN};
	poll(&p, 1, 300);
	vt_signal(vt, SIGTERM);
	/* Nothing is read of the terminal; the shell tells of the end nevertheless. */
	assert_int_equal(poll(&p, 1, VT_WAIT_MS), 1);
	assert_int_equal(exit_code(vt), ENDED_BY_SIGNAL + SIGTERM);
	end(vt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_shows_and_quits),
		cmocka_unit_test(terminal_paints_changes),
		cmocka_unit_test(terminal_is_restored_after_signals),
		cmocka_unit_test(terminal_is_restored_after_a_crash),
		cmocka_unit_test(terminal_is_restored_after_a_stack_overflow),
		cmocka_unit_test(terminal_that_is_closed_ends_it),
		cmocka_unit_test(terminal_stops_and_goes_on),
		cmocka_unit_test(terminal_resizes),
		cmocka_unit_test(terminal_of_any_size_at_start),
		cmocka_unit_test(terminal_unknown_is_a_sentence),
		cmocka_unit_test(terminal_without_utf8_gets_ascii),
		cmocka_unit_test(terminal_shows_hostile_names),
		cmocka_unit_test(terminal_has_wide_characters),
		cmocka_unit_test(terminal_has_colours),
		cmocka_unit_test(terminal_mouse_is_off_until_asked_for),
		cmocka_unit_test(terminal_input_is_understood),
		cmocka_unit_test(terminal_quiet_costs_nothing),
		cmocka_unit_test(terminal_that_stands_still_blocks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
