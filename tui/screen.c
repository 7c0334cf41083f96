#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "caps.h"
#include "error.h"
#include "input.h"
#include "paint.h"
#include "restore.h"

enum {
	WAIT_MS = 500,      /* how long a terminal that takes nothing may keep us from leaving */
	SEQUENCE_MAX = 512,
};

enum { COPY_MAX = 8190 };

struct screen {
	int in_fd, out_fd;
	int tty_fd;   /* in_fd, or /dev/tty opened by us */
	int write_fd; /* the terminal opened anew, so that O_NONBLOCK is ours alone; or out_fd */
	struct caps caps;
	struct termios found, ours;
	struct paint paint;
	struct input input;
	enum text_form form;
	int w, h;
	bool mark, mouse, active;
	bool partial; /* see screen_partial() */
	bool no_clipboard, wrap; /* what copying has to know of the terminal */
	uint64_t paintings, taken, bytes;
	size_t sent; /* of paint.out */
};

static const uint32_t keys_of_caps[CAPS_KEYS] = {
	KEY_UP,	     KEY_DOWN,	 KEY_LEFT,    KEY_RIGHT, KEY_HOME, KEY_END,  KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_INSERT,
	KEY_DELETE,  KEY_BACKTAB, KEY_BACKSPACE, KEY_F(1), KEY_F(2), KEY_F(3), KEY_F(4),	  KEY_F(5),	 KEY_F(6),
	KEY_F(7),    KEY_F(8),	 KEY_F(9),    KEY_F(10), KEY_F(11), KEY_F(12), KEY_ENTER,
};

static const char mouse_on[] = "\033[?1000h\033[?1006h", mouse_off[] = "\033[?1006l\033[?1000l";

enum text_form screen_locale_form(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	/* By what it says, not by what setlocale() made of it: over ssh the locale often isn't installed here. */
	for (int i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8") ? TEXT_UTF8 : TEXT_ASCII;
	}
	return TEXT_ASCII;
}

static enum colour_depth find_depth(const struct caps *caps, bool none)
{
	const char *no_color = getenv("NO_COLOR"), *truecolor = getenv("COLORTERM");

	if (none || (no_color && *no_color) || caps->colors < 8 || !*caps->setaf || !*caps->setab)
		return DEPTH_MONO;
	if (caps->rgb)
		return DEPTH_RGB;
	if (caps->colors >= 256 && truecolor && (!strcmp(truecolor, "truecolor") || !strcmp(truecolor, "24bit")))
		return DEPTH_RGB;
	return caps->colors >= 256 ? DEPTH_256 : caps->colors >= 16 ? DEPTH_16 : DEPTH_8;
}

/* What would print such a sequence, and what must be told to hand it on. */
static void find_clipboard(struct screen *s, const char *term)
{
	static const char *const without[] = {"linux", "vt", "ansi", "cons", "sun", "dumb"};
	const char *window = getenv("STY"), *tmux = getenv("TMUX");

	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		s->no_clipboard |= term && !strncmp(term, without[i], strlen(without[i]));
	s->wrap = window && *window && !(tmux && *tmux);
}

/* Writes within WAIT_MS, or not at all. */
static void write_bounded(struct screen *s, const char *bytes, size_t n)
{
	for (int waited = 0; n && waited < WAIT_MS;) {
		struct pollfd p = {.fd = s->write_fd, .events = POLLOUT};
		ssize_t k;

		if (poll(&p, 1, 50) <= 0) {
			waited += 50;
			continue;
		}
		k = write(s->write_fd, bytes, n);
		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (k > 0) {
			bytes += k;
			n -= (size_t)k;
			s->bytes += (uint64_t)k;
		} else {
			waited++;
		}
	}
}

/* What gives the terminal back, in our modes. */
static size_t leaving(const struct screen *s, char out[SEQUENCE_MAX])
{
	const struct caps *c = &s->caps;
	char end[CAPS_STRING_MAX] = "";
	int n;

	/* Without a second screen our picture stays; the shell goes on below it. */
	if (!*c->rmcup)
		caps_expand(end, sizeof(end), c->cup, s->h - 1, 0);
	n = snprintf(out, SEQUENCE_MAX, "%s%s%s%s%s%s%s", s->mouse ? mouse_off : "", c->sgr0, end,
		     *end ? c->el : "", c->rmkx, c->rmcup, c->cnorm);
	return n < 0 || n >= SEQUENCE_MAX ? 0 : (size_t)n;
}

static int arm(struct screen *s)
{
	char out[SEQUENCE_MAX];

	restore_disarm();
	return restore_arm(s->write_fd, s->tty_fd, &s->found, out, leaving(s, out));
}

static int take(struct screen *s)
{
	char out[SEQUENCE_MAX];
	int err;

	/* Armed before the first change: at no moment would a death leave it changed. */
	err = arm(s);
	if (err)
		return err;
	while (tcsetattr(s->tty_fd, TCSANOW, &s->ours)) {
		if (errno != EINTR) {
			err = -errno;
			restore_disarm();
			return err;
		}
	}
	snprintf(out, sizeof(out), "%s%s%s", s->caps.smcup, s->caps.smkx, s->mouse ? mouse_on : "");
	write_bounded(s, out, strlen(out));
	s->active = true;
	screen_redraw(s);
	return 0;
}

static void give_back(struct screen *s)
{
	char out[SEQUENCE_MAX];
	size_t n;

	if (!s->active)
		return;
	/* What is not out yet is not needed any more; a sequence cut through by that is cancelled. */
	if (screen_pending(s))
		write_bounded(s, "\x18", 1);
	wbuf_clear(&s->paint.out);
	s->sent = 0;
	n = leaving(s, out);
	write_bounded(s, out, n);
	while (tcsetattr(s->tty_fd, TCSANOW, &s->found) && errno == EINTR)
		;
	restore_disarm();
	s->active = false;
}

static int open_again(int fd)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (again >= 0 && !isatty(again)) {
		close(again);
		again = -1;
	}
	return again;
}

static int fail_open(struct screen *s, int err)
{
	if (s->write_fd >= 0 && s->write_fd != s->out_fd)
		close(s->write_fd);
	if (s->tty_fd >= 0 && s->tty_fd != s->in_fd)
		close(s->tty_fd);
	free(s);
	return err;
}

int screen_open(struct screen **ret, const struct screen_options *options, const struct theme *theme,
		struct culprit_error *error)
{
	const char *term = options->term ? options->term : getenv("TERM");
	struct screen *s = calloc(1, sizeof(*s));
	enum colour_depth depth;
	int err;

	if (!s)
		return error_set(error, -ENOMEM, "out of memory: the console cannot start");
	s->in_fd = options->in_fd;
	s->out_fd = options->out_fd;
	s->tty_fd = s->write_fd = -1;
	if (!isatty(s->out_fd))
		return fail_open(s, error_set(error, -ENOTTY,
					      "the output is no terminal: use culprit dump, or culprit | cat for one picture"));
	err = caps_load(&s->caps, term, s->out_fd, error);
	find_clipboard(s, term);
	if (err)
		return fail_open(s, err);
	s->tty_fd = isatty(s->in_fd) ? s->in_fd : open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (s->tty_fd < 0 || tcgetattr(s->tty_fd, &s->found))
		return fail_open(s, error_set(error, -ENOTTY, "there is no terminal to read keys from: %s",
					      strerror(errno)));
	s->write_fd = open_again(s->out_fd);
	if (s->write_fd < 0)
		s->write_fd = s->out_fd; /* another user's terminal (su): then writing may block for a moment */
	s->ours = s->found;
	s->ours.c_lflag &= (tcflag_t)~(ICANON | ECHO | ECHONL | IEXTEN);
	s->ours.c_lflag |= ISIG;
	s->ours.c_iflag &= (tcflag_t)~(ICRNL | INLCR | IGNCR | ISTRIP);
	s->ours.c_cc[VMIN] = 1;
	s->ours.c_cc[VTIME] = 0;
	s->form = options->ascii ? TEXT_ASCII : screen_locale_form();
	s->mark = options->mark;
	input_init(&s->input, s->form == TEXT_UTF8);
	for (size_t i = 0; i < CAPS_KEYS; i++)
		input_learn(&s->input, s->caps.keys[i], keys_of_caps[i]);
	screen_resize(s);
	depth = find_depth(&s->caps, options->no_color);
	paint_init(&s->paint, &s->caps, depth, theme);
	err = take(s);
	if (err) {
		paint_finish(&s->paint);
		return fail_open(s, error_set(error, err, "the terminal cannot be set up: %s", strerror(-err)));
	}
	*ret = s;
	return 0;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	give_back(s);
	paint_finish(&s->paint);
	fail_open(s, 0);
}

void screen_size(const struct screen *s, int *ret_w, int *ret_h)
{
	*ret_w = s->w;
	*ret_h = s->h;
}

enum text_form screen_form(const struct screen *s)
{
	return s->form;
}

enum colour_depth screen_depth(const struct screen *s)
{
	return s->paint.depth;
}

void screen_set_theme(struct screen *s, const struct theme *theme)
{
	paint_set_theme(&s->paint, theme);
}

void screen_set_mouse(struct screen *s, bool on)
{
	if (on == s->mouse || (on && !*s->caps.kmous))
		return;
	s->mouse = on;
	if (s->active) {
		arm(s);
		wbuf_bytes(&s->paint.out, on ? mouse_on : mouse_off, sizeof(mouse_on) - 1);
	}
}

bool screen_pending(const struct screen *s)
{
	return s->sent < s->paint.out.len;
}

int screen_flush(struct screen *s)
{
	while (screen_pending(s)) {
		size_t n = s->paint.out.len - s->sent;
		ssize_t k;

		if (s->write_fd == s->out_fd) {
			/* It may block; at least not for long. */
			struct pollfd p = {.fd = s->write_fd, .events = POLLOUT};

			if (poll(&p, 1, 0) == 0)
				return -EAGAIN;
			n = n > 256 ? 256 : n;
		}
		k = write(s->write_fd, s->paint.out.data + s->sent, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN) {
			restore_set_cut(1);
			return -EAGAIN;
		}
		if (k < 0)
			return -EIO;
		s->sent += (size_t)k;
		s->bytes += (uint64_t)k;
	}
	restore_set_cut(0);
	wbuf_clear(&s->paint.out);
	s->sent = 0;
	return 0;
}

void screen_partial(struct screen *s, bool partial)
{
	s->partial = partial;
}

int screen_paint(struct screen *s, const struct surface *surface)
{
	int err;

	if (screen_pending(s)) {
		err = screen_flush(s);
		if (err)
			return err;
	}
	err = paint_surface(&s->paint, surface);
	if (err)
		return err;
	s->paintings++;
	if (s->mark) {
		char mark[96];
		int n = snprintf(mark, sizeof(mark), "\033]7777;%llu;%llu;%dx%d%s\007",
				 (unsigned long long)s->paintings,
				 (unsigned long long)(s->taken - s->input.len), surface_width(surface),
				 surface_height(surface), s->partial ? ";r" : "");

		wbuf_bytes(&s->paint.out, mark, (size_t)n);
	}
	err = screen_flush(s);
	return err == -EAGAIN ? 0 : err;
}

void screen_redraw(struct screen *s)
{
	paint_forget(&s->paint);
}

int screen_read(struct screen *s)
{
	char bytes[INPUT_BUFFER];

	for (;;) {
		struct pollfd p = {.fd = s->tty_fd, .events = POLLIN};
		size_t room = sizeof(s->input.buffer) - s->input.len;
		ssize_t k;

		if (!room || poll(&p, 1, 0) <= 0)
			return 0;
		if (!(p.revents & POLLIN))
			return p.revents & (POLLHUP | POLLERR | POLLNVAL) ? -EIO : 0;
		k = read(s->tty_fd, bytes, room);
		if (k < 0 && (errno == EINTR || errno == EAGAIN))
			return 0;
		if (k <= 0)
			return -EIO;
		input_feed(&s->input, bytes, (size_t)k);
		s->taken += (uint64_t)k;
	}
}

bool screen_key(struct screen *s, bool late, struct key *ret)
{
	return input_next(&s->input, late, ret);
}

int screen_wait_ms(const struct screen *s)
{
	return input_waits(&s->input) ? INPUT_ESC_MS : -1;
}

void screen_drop_input(struct screen *s)
{
	input_clear(&s->input);
	if (s->active)
		tcflush(s->tty_fd, TCIFLUSH);
}

/* GNU screen keeps such sequences for itself, unless they come wrapped, in pieces of at most 768 bytes; a piece may end
 * anywhere. */
static void copy_bytes(struct screen *s, const char *bytes, size_t n)
{
	enum { PIECE = 500 };

	for (size_t at = 0; at < n; at += PIECE) {
		if (s->wrap)
			wbuf_bytes(&s->paint.out, "\033P", 2);
		wbuf_bytes(&s->paint.out, bytes + at, n - at < PIECE ? n - at : PIECE);
		if (s->wrap)
			wbuf_bytes(&s->paint.out, "\033\\", 2);
	}
}

int screen_copy(struct screen *s, const void *bytes, size_t n, struct culprit_error *error)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[16 + COPY_MAX / 3 * 4 + 8];
	const uint8_t *p = bytes;
	size_t len = 0;

	if (n > COPY_MAX)
		return error_set(error, -E2BIG, "that is more than the %d bytes that terminals take at once: nothing was copied",
				 COPY_MAX);
	if (!s->active || s->no_clipboard)
		return error_set(error, -ENOTSUP, "this terminal has no clipboard that a program could fill: P writes it to a file");
	memcpy(text, "\033]52;c;", 7);
	len = 7;
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);

		text[len++] = digits[v >> 18];
		text[len++] = digits[v >> 12 & 63];
		text[len++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		text[len++] = i + 2 < n ? digits[v & 63] : '=';
	}
	text[len++] = '\007';
	copy_bytes(s, text, len);
	return 0;
}

bool screen_resize(struct screen *s)
{
	struct winsize size;
	int w = 0, h = 0;
	bool changed;

	if (!ioctl(s->out_fd, TIOCGWINSZ, &size)) {
		w = size.ws_col;
		h = size.ws_row;
	}
	/* A serial line doesn't know. */
	if (w <= 0)
		w = s->caps.width > 0 ? s->caps.width : 80;
	if (h <= 0)
		h = s->caps.height > 0 ? s->caps.height : 24;
	w = w > SURFACE_MAX ? SURFACE_MAX : w;
	h = h > SURFACE_MAX ? SURFACE_MAX : h;
	changed = w != s->w || h != s->h;
	s->w = w;
	s->h = h;
	if (changed && s->active)
		arm(s); /* where there is no second screen, leaving depends on the height */
	return changed;
}

void screen_suspend(struct screen *s)
{
	give_back(s);
}

int screen_resume(struct screen *s)
{
	struct termios now;

	give_back(s);
	/* What the shell has meanwhile is what is to be given back next time. */
	if (!tcgetattr(s->tty_fd, &now)) {
		s->found = now;
	}
	screen_resize(s);
	return take(s);
}

int screen_in_fd(const struct screen *s)
{
	return s->tty_fd;
}

int screen_out_fd(const struct screen *s)
{
	return s->write_fd;
}

uint64_t screen_bytes(const struct screen *s)
{
	return s->bytes;
}
