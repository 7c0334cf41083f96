/* The program itself in a terminal: that it ends in every way one can end it, leaves the terminal as it was and no helper
 * behind; what it says where it cannot draw; and names that attack the terminal. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "screens/vt.h"


enum { HELPERS_MAX = 64 };

static const char *const plain[] = {VT_CULPRIT, NULL};

/* Started, and the first sample is there. */
static struct vt *start(int rows, int cols, const char *const *environment)
{
	struct vt *vt = vt_open(plain, rows, cols, environment);

	vt_sync(vt);
	return vt;
}

static struct vt *start_and_wait(int rows, int cols, const char *const *environment)
{
	struct vt *vt = start(rows, cols, environment);

	vt_wait_shows(vt, "1Over");
	vt_wait_shows(vt, "win");
	return vt;
}

/* --- helpers --- */

/* Parent and state of a process; 0: gone. */
static pid_t parent_of(pid_t pid, char *ret_state)
{
	char path[64], text[512], *p;
	int fd, ppid = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %c %d", ret_state, &ppid) != 2)
		return 0;
	return ppid;
}

/* All that descend from a process. */
static size_t descendants(pid_t pid, pid_t *list, size_t n)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	size_t before = n;

	assert_non_null(proc);
	while ((e = readdir(proc))) {
		pid_t child = (pid_t)atoi(e->d_name);
		char state;

		if (child > 0 && parent_of(child, &state) == pid && n < HELPERS_MAX)
			list[n++] = child;
	}
	closedir(proc);
	for (size_t i = before, last = n; i < last; i++)
		n = descendants(list[i], list, n);
	return n;
}

static void assert_gone(const pid_t *list, size_t n)
{
	struct timespec tick = {0, 20000000};

	for (size_t i = 0; i < n; i++) {
		char state = 0;
		int tries = VT_WAIT_MS / 20;

		/* Nobody may be there to reap it. */
		while (parent_of(list[i], &state) && state != 'Z' && tries--)
			nanosleep(&tick, NULL);
		if (tries < 0)
			fail_msg("helper %d lives on", (int)list[i]);
	}
}

/* Ends it as `how` does, and checks what is left. Returns the status. */
static int end_it(struct vt *vt, void (*how)(struct vt *))
{
	pid_t helpers[HELPERS_MAX];
	size_t n = descendants(vt->job, helpers, 0);
	int status;

	/* The zygote at least. */
	assert_true(n > 0);
	how(vt);
	status = vt_wait_end(vt);
	assert_gone(helpers, n);
	return status;
}

static void by_q(struct vt *vt)
{
	/* It offers once to save what it holds. */
	vt_send_only(vt, "q", 1);
	vt_wait_shows(vt, "Save it to a file");
	vt_send_only(vt, "n", 1);
}

static void by_two_q(struct vt *vt)
{
	vt_send_only(vt, "qq", 2);
}

static void by_interrupt(struct vt *vt)
{
	vt_send_only(vt, "\x03", 1);
}

static void by_term(struct vt *vt)
{
	vt_signal(vt, SIGTERM);
}

static void by_segv(struct vt *vt)
{
	vt_signal(vt, SIGSEGV);
}

static void by_abort(struct vt *vt)
{
	vt_signal(vt, SIGABRT);
}

static void by_kill(struct vt *vt)
{
	vt_signal(vt, SIGKILL);
}

static void program_ends(void **state)
{
	static void (*const hows[])(struct vt *) = {by_q, by_two_q, by_interrupt, by_term};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct vt *vt = start_and_wait(24, 80, NULL);

		assert_true(vt->altscreen);
		assert_int_equal(end_it(vt, hows[i]), 0);
		vt_assert_restored(vt);
		vt_close(vt);
	}
}

static void program_crashes(void **state)
{
	static void (*const hows[])(struct vt *) = {by_segv, by_abort};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vt *vt = start_and_wait(24, 80, NULL);
		int status = end_it(vt, hows[i]);

		/* It dies of it as it would have; a sanitizer turns that into an exit. */
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
		vt_assert_restored(vt);
		vt_close(vt);
	}
}

/* The terminal can't be restored then, but nothing stays behind. */
static void program_is_killed(void **state)
{
	struct vt *vt = start_and_wait(24, 80, NULL);
	int status = end_it(vt, by_kill);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	vt_close(vt);
}

static void program_loses_its_terminal(void **state)
{
	struct vt *vt = start_and_wait(24, 80, NULL);

	(void)state;
	end_it(vt, vt_close_terminal);
	vt_close(vt);
}

static void program_stops_and_goes_on(void **state)
{
	struct vt *vt = start_and_wait(24, 80, NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		vt_send_only(vt, "\x1a", 1); /* ^Z, which never comes as input */
		vt->sent--;
		vt_wait_stopped(vt);
		vt_assert_restored(vt);
		vt_continue(vt);
		vt_wait_shows(vt, "1Over");
		assert_true(vt->altscreen);
	}
	assert_int_equal(end_it(vt, by_two_q), 0);
	vt_assert_restored(vt);
	vt_close(vt);
}

static void program_in_a_storm_of_resizes(void **state)
{
	struct vt *vt = start_and_wait(24, 80, NULL);

	(void)state;
	for (int i = 0; i < 300; i++)
		vt_resize_only(vt, 1 + i % 40, 1 + (i * 7) % 150);
	vt_resize(vt, 1, 1);
	vt_resize(vt, 5, 20);
	vt_resize(vt, 30, 100);
	vt_type(vt, "2");
	vt_wait_shows(vt, "command");
	assert_int_equal(end_it(vt, by_two_q), 0);
	vt_assert_restored(vt);
	vt_close(vt);
}

static void program_on_tiny_terminals(void **state)
{
	static const int sizes[][2] = {{5, 20}, {1, 1}, {1, 80}, {24, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vt *vt = start(sizes[i][0], sizes[i][1], NULL);

		vt_type(vt, "2");
		vt_type(vt, "j");
		assert_int_equal(end_it(vt, by_two_q), 0);
		vt_assert_restored(vt);
		vt_close(vt);
	}
}

static void program_says_what_terminal_it_cannot_use(void **state)
{
	static const char *const terms[][2] = {{"TERM=dumb", NULL}, {"TERM=no-such-terminal", NULL}, {"TERM=", NULL}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct vt *vt = vt_open(plain, 24, 200, terms[i]);
		int status = vt_wait_end(vt);

		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		assert_non_null(memmem(vt->log, vt->log_len, "TERM is", 7));
		assert_null(memchr(vt->log, '\033', vt->log_len));
		vt_assert_restored(vt);
		vt_close(vt);
	}
}

static void program_without_utf8(void **state)
{
	static const char *const c[] = {"LC_ALL=C", NULL};
	static const char *const keys[] = {"2", "3", "t", "?", NULL};
	struct vt *vt = start_and_wait(24, 80, c);

	(void)state;
	for (size_t i = 0; keys[i]; i++)
		vt_type(vt, keys[i]);
	for (size_t k = 0; k < vt->log_len; k++)
		assert_true((unsigned char)vt->log[k] < 0x80);
	vt_type(vt, "\033");
	assert_int_equal(end_it(vt, by_two_q), 0);
	vt_close(vt);
}

/* Where standard output is no terminal, one Overview as text. */
static void program_into_a_pipe(void **state)
{
	static char text[65536];
	FILE *pipe = popen("LC_ALL=C " VT_CULPRIT " </dev/null 2>&1", "r");
	size_t n;
	int lines = 0;

	(void)state;
	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = 0;
	assert_int_equal(pclose(pipe), 0);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "1Over"));
	assert_non_null(strstr(text, "memory"));
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 24);
}

/* --- names --- */

#define HOSTILE "ev\x1b]0;owned\x07\xc2\x9b" "2J\x9b" "3J\xe2\x80\xae\n)\xff"

/* A process whose name and arguments are as bad as they can be, in one of its threads too. */
static pid_t hostile_process(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "e\x1b]0;x\x07\x9b\xc2\x9b)\n");
		for (;;)
			pause();
	}
	return pid;
}

static pid_t hostile_command(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sleep", HOSTILE, "600", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void assert_log_is_clean(const struct vt *vt)
{
	static const char *const never[] = {"\033]0;", "\033]2;", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x80\xad"};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_null(memmem(vt->log, vt->log_len, never[i], strlen(never[i])));
	/* BEL ends the marks of the test, and nothing else; a byte beyond ASCII is part of a character. */
	for (size_t i = 0; i < vt->log_len; i++) {
		unsigned char b = (unsigned char)vt->log[i];
		size_t follow = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : b >= 0xc2 ? 1 : 0;

		assert_false(b >= 0x80 && !follow);
		for (; follow && i + 1 < vt->log_len; follow--, i++)
			assert_int_equal((unsigned char)vt->log[i + 1] & 0xc0, 0x80);
	}
}

static void program_shows_hostile_names(void **state)
{
	pid_t name = hostile_process(), command = hostile_command();
	struct vt *vt = start_and_wait(30, 160, NULL);
	char filter[64];

	(void)state;
	vt_type(vt, "2");
	snprintf(filter, sizeof(filter), "\\pid = %d or pid = %d\r", (int)name, (int)command);
	vt_type(vt, filter);
	vt_wait_shows(vt, "ev\\x1b]0;owned\\x07\\xc2\\x9b2J\\x9b3J\\xe2\\x80\\xae\\x0a)\\xff 600");
	/* In Threads by their names. */
	vt_type(vt, "/test_program\r");
	vt_type(vt, "\r");
	vt_wait_shows(vt, "e\\x1b]0;x\\x07");
	vt_wait_shows(vt, "\\x9b\\xc2\\x9b)\\x0a");
	vt_type(vt, "t");
	vt_type(vt, ":table process\r");
	vt_type(vt, "1");
	vt_type(vt, "?");
	assert_log_is_clean(vt);
	vt_type(vt, "?");
	assert_int_equal(end_it(vt, by_two_q), 0);
	vt_assert_restored(vt);
	vt_close(vt);
	kill(name, SIGKILL);
	kill(command, SIGKILL);
	waitpid(name, NULL, 0);
	waitpid(command, NULL, 0);
}

/* Find what burns the CPU, see its threads, go back a minute (or to the beginning), return: by what the screen says. */
static void program_leads_to_the_culprit(void **state)
{
	pid_t pid = fork();
	struct vt *vt;
	char text[64];

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "burner-of-cpu");
		alarm(60);
		for (volatile unsigned i = 0;; i++)
			;
	}
	vt = start_and_wait(24, 80, NULL);
	vt_wait_shows(vt, "burner-of-cpu");
	/* It is near the top at once; by name it is found for certain. */
	vt_type(vt, "/burner-of\r");
	vt_type(vt, "\r");
	snprintf(text, sizeof(text), "HOST > burner-of-cpu %d", (int)pid);
	vt_wait_shows(vt, text);
	vt_wait_shows(vt, "CCC");
	vt_wait_shows(vt, "u back");
	vt_wait_shows(vt, "{ } time");
	vt_type(vt, "{");
	vt_wait_shows(vt, "PAUSED");
	vt_wait_shows(vt, "Space live");
	vt_type(vt, " ");
	vt_wait_shows(vt, "LIVE");
	vt_type(vt, "u");
	vt_wait_shows(vt, "saturation");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(end_it(vt, by_two_q), 0);
	vt_close(vt);
}

/* F9 on a child of the test: only the number, typed, sends; what was typed ahead does not count. */
static void program_sends_signals(void **state)
{
	pid_t pid = fork();
	char filter[64], text[96], number[32];
	const char *argv[] = {VT_CULPRIT, "--no-attach", "--safe", "--panel", "processes", "--filter", filter, NULL, NULL};
	struct vt *vt;
	int status = 0;

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "target-of-test");
		alarm(120);
		for (;;)
			pause();
	}
	snprintf(filter, sizeof(filter), "pid=%d", (int)pid);
	snprintf(number, sizeof(number), "%d\r", (int)pid);
	/* Where nothing may be changed it says so. */
	argv[7] = "--readonly";
	vt = vt_open(argv, 24, 80, NULL);
	vt_wait_shows(vt, "1-1 of 1");
	vt_type(vt, "\033[20~");
	vt_wait_shows(vt, "read-only (--readonly");
	vt_type(vt, ":signal KILL\r");
	vt_wait_shows(vt, "read-only (--readonly");
	assert_int_equal(end_it(vt, by_two_q), 0);
	vt_close(vt);
	argv[7] = NULL;
	vt = vt_open(argv, 24, 80, NULL);
	vt_wait_shows(vt, "1-1 of 1");
	vt_type(vt, "\033[20~");
	vt_wait_shows(vt, ":signal TERM");
	vt_type(vt, "\r");
	snprintf(text, sizeof(text), "type %d, Enter:", (int)pid);
	vt_wait_shows(vt, text);
	vt_type(vt, "y\r");
	vt_wait_shows(vt, "nothing was done");
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	vt_type(vt, ":renice 12\r");
	vt_wait_shows(vt, "nice value of all threads");
	vt_type(vt, "y");
	vt_wait_shows(vt, "is 12 now (1 thread)");
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)pid), 12);
	vt_type(vt, "\033[20~");
	vt_wait_shows(vt, ":signal TERM");
	vt_type(vt, "\r");
	vt_wait_shows(vt, text);
	vt_type(vt, number);
	vt_wait_shows(vt, "sent TERM to target-of-test");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_int_equal(end_it(vt, by_two_q), 0);
	vt_close(vt);
}

/* A recording that comes through a pipe is followed live: its bytes are the recording, and nobody else may read them. */
static void program_replays_a_pipe(void **state)
{
	static const char *const argv[] = {
		"/bin/sh", "-c", VT_CULPRIT " record -o - --for 30 --interval 200ms 2>/dev/null | " VT_CULPRIT " replay -", NULL,
	};
	struct vt *vt = vt_open(argv, 24, 80, NULL);
	double seconds = 0;

	(void)state;
	vt_wait_shows(vt, "REPLAY");
	vt_wait_shows(vt, "saturation");
	/* It goes on: the window grows. */
	for (time_t end_s = time(NULL) + 2 * VT_WAIT_MS / 1000; seconds < 3 && time(NULL) < end_s;) {
		const char *at = strstr(vt_row(vt, 0), "win ");
		char *unit = NULL;

		seconds = at ? strtod(at + 4, &unit) : 0;
		if (unit && *unit != 's')
			seconds = 0; /* ms */
		vt_read(vt, 100);
	}
	assert_true(seconds >= 3);
	vt_send_only(vt, "q", 1);
	vt_read(vt, 200);
	vt_send_only(vt, "q", 1);
	vt_wait_end(vt);
	vt_close(vt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(program_ends),
		cmocka_unit_test(program_crashes),
		cmocka_unit_test(program_is_killed),
		cmocka_unit_test(program_loses_its_terminal),
		cmocka_unit_test(program_stops_and_goes_on),
		cmocka_unit_test(program_in_a_storm_of_resizes),
		cmocka_unit_test(program_on_tiny_terminals),
		cmocka_unit_test(program_says_what_terminal_it_cannot_use),
		cmocka_unit_test(program_without_utf8),
		cmocka_unit_test(program_into_a_pipe),
		cmocka_unit_test(program_shows_hostile_names),
		cmocka_unit_test(program_leads_to_the_culprit),
		cmocka_unit_test(program_sends_signals),
		cmocka_unit_test(program_replays_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
