#include "screens/vt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "text.h"

struct event {
	pid_t pid;
	int status;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the shell: runs the job in a group of its own, says what becomes of it, continues it when told --- */

static void run_job(const struct vt_options *o, int slave)
{
	static const char *const base[] = {"PATH=/usr/bin:/bin", "TERM=xterm-256color", "LANG=C.UTF-8", "CULPRIT_TEST_MARK=1"};
	static const char *const keep[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	char *kept[3];
	sigset_t none;

	for (int i = 0; i < 3; i++) {
		kept[i] = getenv(keep[i]);
		kept[i] = kept[i] ? strdup(kept[i]) : NULL;
	}
	clearenv();
	for (int i = 0; i < 3; i++)
		if (kept[i])
			setenv(keep[i], kept[i], 1);
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++)
		putenv(strdup(base[i]));
	for (size_t i = 0; o->environment && o->environment[i]; i++)
		putenv(strdup(o->environment[i]));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTTOU, SIG_DFL);
	signal(SIGTSTP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	dup2(slave, 0);
	dup2(slave, 1);
	dup2(slave, 2);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	if (o->argv) {
		execv(o->argv[0], (char *const *)(uintptr_t)o->argv);
		_exit(127);
	}
	_exit(o->run(o->arg));
}

static void shell(const struct vt_options *o, int slave, int events, int orders)
{
	pid_t job;
	sigset_t set;

	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	job = fork();
	if (!job) {
		setpgid(0, 0);
		tcsetpgrp(slave, getpid());
		run_job(o, slave);
	}
	setpgid(job, job);
	tcsetpgrp(slave, job);
	write(events, &(struct event){job, -1}, sizeof(struct event));
	for (;;) {
		struct pollfd p = {.fd = orders, .events = POLLIN};
		struct timespec tick = {0, 20000000};
		struct event e;
		char order;

		/* SIGCHLD ends the wait; an order does, too, but only at the next tick, which is soon. */
		sigtimedwait(&set, NULL, &tick);
		while ((e.pid = waitpid(job, &e.status, WNOHANG | WUNTRACED)) > 0) {
			if (WIFSTOPPED(e.status))
				tcsetpgrp(slave, getpgrp());
			write(events, &e, sizeof(e));
			if (!WIFSTOPPED(e.status))
				_exit(0);
		}
		if (poll(&p, 1, 0) > 0) {
			if (read(orders, &order, 1) != 1)
				_exit(0);
			tcsetpgrp(slave, job);
			kill(-job, SIGCONT);
		}
	}
}

/* --- reading --- */

static void keep_log(struct vt *vt, const char *bytes, size_t n)
{
	if (vt->log_len + n > vt->log_cap) {
		vt->log_cap = (vt->log_len + n) * 2;
		vt->log = realloc(vt->log, vt->log_cap);
		if (!vt->log)
			abort();
	}
	memcpy(vt->log + vt->log_len, bytes, n);
	vt->log_len += n;
}

/* Finds marks in the log from where the last one ended. */
static void find_marks(struct vt *vt, size_t from)
{
	static const char head[] = "\033]7777;";
	/* One may have begun in what came before. */
	const char *p = vt->log + (from > 64 ? from - 64 : 0), *end = vt->log + vt->log_len, *bel;

	while ((p = memmem(p, (size_t)(end - p), head, sizeof(head) - 1))) {
		unsigned long long paintings, taken;
		char text[96];
		int w, h;

		bel = memchr(p, '\a', (size_t)(end - p));
		if (!bel)
			return;
		snprintf(text, sizeof(text), "%.*s", (int)(bel - p - 7), p + 7);
		/* Where it says that it is reading, the answer is still to come. */
		if (sscanf(text, "%llu;%llu;%dx%d", &paintings, &taken, &w, &h) == 4 && !strstr(text, ";r")) {
			vt->paintings = paintings;
			vt->taken = taken;
			vt->mark_w = w;
			vt->mark_h = h;
		}
		p = bel;
	}
}

/* libvterm before 0.2 loses a two-byte character that comes in two pieces: its beginning waits here for its end. */
static void feed(struct vt *vt, const char *bytes, size_t n)
{
	char whole[8192];
	size_t keep = 0, len = vt->ntail + n;

	memcpy(whole, vt->tail, vt->ntail);
	memcpy(whole + vt->ntail, bytes, n);
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		unsigned char c = (unsigned char)whole[len - back];

		if (c >= 0xc0) {
			size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

			keep = want > back ? back : 0;
			break;
		}
		if (c < 0x80)
			break;
	}
	vterm_input_write(vt->vterm, whole, len - keep);
	memcpy(vt->tail, whole + len - keep, keep);
	vt->ntail = keep;
}

void vt_read(struct vt *vt, int ms)
{
	struct pollfd fds[2] = {{.fd = vt->master, .events = POLLIN}, {.fd = vt->ended ? -1 : vt->events, .events = POLLIN}};
	struct event e;
	char bytes[4096];

	if (poll(fds, 2, ms) <= 0)
		return;
	if (fds[0].revents & (POLLIN | POLLHUP)) {
		ssize_t n = read(vt->master, bytes, sizeof(bytes));

		if (n > 0) {
			size_t from = vt->log_len;

			keep_log(vt, bytes, (size_t)n);
			vt->bytes += (uint64_t)n;
			feed(vt, bytes, (size_t)n);
			find_marks(vt, from);
		}
	} else if ((fds[1].revents & POLLIN) && read(vt->events, &e, sizeof(e)) == sizeof(e)) {
		if (e.status == -1) {
			vt->job = e.pid;
		} else if (WIFSTOPPED(e.status)) {
			vt->stopped = true;
		} else {
			vt->ended = true;
			vt->status = e.status;
		}
	} else if (fds[1].revents & (POLLHUP | POLLERR)) {
		vt->ended = true;
		vt->status = -1;
	}
}

#define WAIT_FOR(vt, condition, what)                                                                                  \
	do {                                                                                                           \
		int64_t wait_end = now_ms() + VT_WAIT_MS;                                                              \
		while (!(condition) && now_ms() < wait_end)                                                            \
			vt_read(vt, 100);                                                                              \
		if (!(condition)) {                                                                                    \
			vt_dump(vt);                                                                                   \
			fail_msg("%s: waited for %s (status 0x%x)", __func__, what, (unsigned)(vt)->status);           \
		}                                                                                                      \
	} while (0)

static int on_property(VTermProp property, VTermValue *value, void *user)
{
	struct vt *vt = user;

	if (property == VTERM_PROP_ALTSCREEN)
		vt->altscreen = value->boolean;
	if (property == VTERM_PROP_CURSORVISIBLE)
		vt->cursor = value->boolean;
	return 1;
}

void vt_start(struct vt *vt, const struct vt_options *o)
{
	static const VTermScreenCallbacks callbacks = {.settermprop = on_property};
	struct winsize size = {.ws_row = (unsigned short)o->rows, .ws_col = (unsigned short)o->cols};
	int events[2], orders[2];

	memset(vt, 0, sizeof(*vt));
	vt->rows = o->rows;
	vt->cols = o->cols;
	vt->cursor = true;
	assert_int_equal(openpty(&vt->master, &vt->slave, NULL, NULL, &size), 0);
	assert_int_equal(pipe2(events, O_CLOEXEC), 0);
	assert_int_equal(pipe2(orders, O_CLOEXEC), 0);
	fcntl(vt->master, F_SETFD, FD_CLOEXEC);
	assert_int_equal(tcgetattr(vt->slave, &vt->before), 0);
	vt->vterm = vterm_new(o->rows, o->cols);
	vterm_set_utf8(vt->vterm, 1);
	vt->screen = vterm_obtain_screen(vt->vterm);
	vterm_screen_enable_altscreen(vt->screen, 1);
	vterm_screen_set_callbacks(vt->screen, &callbacks, vt);
	vterm_screen_reset(vt->screen, 1);
	fflush(NULL);
	vt->shell = fork();
	assert_true(vt->shell >= 0);
	if (!vt->shell) {
		close(vt->master);
		close(events[0]);
		close(orders[1]);
		shell(o, vt->slave, events[1], orders[0]);
	}
	close(events[1]);
	close(orders[0]);
	vt->events = events[0];
	vt->orders = orders[1];
	WAIT_FOR(vt, vt->job, "the job to start");
}

void vt_finish(struct vt *vt)
{
	if (!vt->ended && vt->job)
		kill(vt->job, SIGKILL);
	kill(vt->shell, SIGKILL);
	waitpid(vt->shell, NULL, 0);
	if (vt->master >= 0)
		close(vt->master);
	close(vt->slave);
	close(vt->events);
	close(vt->orders);
	vterm_free(vt->vterm);
	free(vt->log);
}

void vt_sync(struct vt *vt)
{
	WAIT_FOR(vt, vt->ended || (vt->taken >= vt->sent && vt->paintings), "a painting");
}

void vt_send_only(struct vt *vt, const char *bytes, size_t n)
{
	while (n) {
		ssize_t k = write(vt->master, bytes, n);

		assert_true(k > 0);
		bytes += k;
		n -= (size_t)k;
		vt->sent += (uint64_t)k;
	}
}

void vt_send(struct vt *vt, const char *bytes, size_t n)
{
	vt_send_only(vt, bytes, n);
	vt_sync(vt);
}

void vt_type(struct vt *vt, const char *text)
{
	vt_send(vt, text, strlen(text));
}

void vt_resize_only(struct vt *vt, int rows, int cols)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	vt->rows = rows;
	vt->cols = cols;
	vterm_set_size(vt->vterm, rows, cols);
	assert_int_equal(ioctl(vt->slave, TIOCSWINSZ, &size), 0);
}

void vt_resize(struct vt *vt, int rows, int cols)
{
	vt_resize_only(vt, rows, cols);
	WAIT_FOR(vt, vt->mark_w == cols && vt->mark_h == rows, "a painting of the new size");
}

void vt_signal(struct vt *vt, int signal_number)
{
	assert_int_equal(kill(vt->job, signal_number), 0);
}

void vt_wait_stopped(struct vt *vt)
{
	WAIT_FOR(vt, vt->stopped || vt->ended, "the job to stop");
	assert_false(vt->ended);
	while (vt->stopped && poll(&(struct pollfd){.fd = vt->master, .events = POLLIN}, 1, 0) > 0)
		vt_read(vt, 0);
}

void vt_continue(struct vt *vt)
{
	uint64_t paintings = vt->paintings;

	vt->stopped = false;
	assert_int_equal(write(vt->orders, "c", 1), 1);
	WAIT_FOR(vt, vt->paintings > paintings, "a painting after continuing");
}

int vt_wait_end(struct vt *vt)
{
	WAIT_FOR(vt, vt->ended, "the job to end");
	while (vt->master >= 0 && poll(&(struct pollfd){.fd = vt->master, .events = POLLIN}, 1, 0) > 0)
		vt_read(vt, 0);
	return vt->status;
}

void vt_close_terminal(struct vt *vt)
{
	close(vt->master);
	vt->master = -1;
}

const char *vt_row(struct vt *vt, int row)
{
	static char out[4096];
	size_t n = 0, end = 0;

	for (int col = 0; col < vt->cols && n + 32 < sizeof(out);) {
		VTermScreenCell cell = vt_cell(vt, row, col);

		if (!cell.chars[0]) {
			out[n++] = ' ';
		} else {
			for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i]; i++)
				n += text_encode(cell.chars[i], out + n);
			if (cell.chars[0] != ' ')
				end = n;
		}
		col += cell.width > 0 ? cell.width : 1;
	}
	out[end] = 0;
	return out;
}

bool vt_shows(struct vt *vt, const char *text)
{
	for (int row = 0; row < vt->rows; row++)
		if (strstr(vt_row(vt, row), text))
			return true;
	return false;
}

VTermScreenCell vt_cell(struct vt *vt, int row, int col)
{
	VTermScreenCell cell;

	memset(&cell, 0, sizeof(cell));
	vterm_screen_get_cell(vt->screen, (VTermPos){row, col}, &cell);
	return cell;
}

void vt_dump(struct vt *vt)
{
	for (int row = 0; row < vt->rows; row++)
		fprintf(stderr, "|%s\n", vt_row(vt, row));
	fprintf(stderr, "paintings %llu taken %llu sent %llu mark %dx%d\n", (unsigned long long)vt->paintings,
		(unsigned long long)vt->taken, (unsigned long long)vt->sent, vt->mark_w, vt->mark_h);
}

void vt_assert_restored(struct vt *vt)
{
	struct termios now;
	VTermState *state = vterm_obtain_state(vt->vterm);
	VTermValue value;

	assert_int_equal(tcgetattr(vt->slave, &now), 0);
	assert_int_equal(now.c_lflag, vt->before.c_lflag);
	assert_int_equal(now.c_iflag, vt->before.c_iflag);
	assert_int_equal(now.c_oflag, vt->before.c_oflag);
	assert_memory_equal(now.c_cc, vt->before.c_cc, sizeof(now.c_cc));
	assert_false(vt->altscreen);
	assert_true(vt->cursor);
	vterm_state_get_penattr(state, VTERM_ATTR_BOLD, &value);
	assert_false(value.boolean);
	vterm_state_get_penattr(state, VTERM_ATTR_REVERSE, &value);
	assert_false(value.boolean);
	vterm_state_get_penattr(state, VTERM_ATTR_UNDERLINE, &value);
	assert_int_equal(value.number, 0);
	vterm_state_get_penattr(state, VTERM_ATTR_FOREGROUND, &value);
	assert_true(VTERM_COLOR_IS_DEFAULT_FG(&value.color));
	vterm_state_get_penattr(state, VTERM_ATTR_BACKGROUND, &value);
	assert_true(VTERM_COLOR_IS_DEFAULT_BG(&value.color));
}

struct vt *vt_open(const char *const *argv, int rows, int cols, const char *const *environment)
{
	struct vt_options o = {.rows = rows, .cols = cols, .environment = environment, .argv = argv};
	struct vt *vt = calloc(1, sizeof(*vt));

	assert_non_null(vt);
	vt_start(vt, &o);
	return vt;
}

void vt_close(struct vt *vt)
{
	vt_finish(vt);
	free(vt);
}

void vt_wait_shows(struct vt *vt, const char *text)
{
	struct timespec from, now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		if (vt_shows(vt, text))
			return;
		vt_read(vt, 100);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000 < VT_WAIT_MS && !vt->ended);
	vt_dump(vt);
	fail_msg("the screen never showed \"%s\"", text);
}
