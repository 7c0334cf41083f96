/* The terminal: opened, painted by changed cells, read, and left as it was found: at close, at stop, and when the program
 * dies. It asks the terminal nothing, and a terminal that is slow or stopped never blocks it. What terminals can do is in
 * caps.h, how surfaces become bytes in paint.h, how bytes become keys in input.h. */
#ifndef TUI_SCREEN_H
#define TUI_SCREEN_H

#include <culprit/types.h>

#include "keys.h"
#include "surface.h"
#include "theme.h"

struct screen;

struct screen_options {
	int in_fd, out_fd;   /* where in_fd is no terminal, /dev/tty is read instead */
	const char *term;    /* NULL: $TERM */
	bool no_color;       /* --no-color; $NO_COLOR says the same */
	bool ascii;          /* --ascii; else by $LC_ALL, $LC_CTYPE, $LANG */
	/* For tests ($CULPRIT_TEST_MARK=1): after each painting ESC ] 7777 ; paintings ; input bytes taken ; WxH BEL, with
	 * ; r before BEL where the rest follows (screen_partial) */
	bool mark;
};

/* Opens the terminal: saves its state, switches it to the alternate screen, and restores it should the program die of a
 * signal (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT). Only one may be open. -ENOTTY: not a terminal; -ENODEV:
 * TERM is unknown, or a terminal without a cursor ("dumb"); each with a sentence. Then nothing was written. */
int screen_open(struct screen **ret, const struct screen_options *, const struct theme *, struct culprit_error *);
void screen_close(struct screen *); /* NULL-safe */

/* UTF-8 where $LC_ALL, $LC_CTYPE or $LANG says so. */
enum text_form screen_locale_form(void);
void screen_size(const struct screen *, int *ret_w, int *ret_h);
enum text_form screen_form(const struct screen *);
enum colour_depth screen_depth(const struct screen *);
void screen_set_theme(struct screen *, const struct theme *); /* all is painted anew */
void screen_set_mouse(struct screen *, bool on);

/* Makes the terminal show the surface. 0; -EAGAIN: the former painting is not out yet, nothing done; -EIO: the terminal is
 * gone. */
int screen_paint(struct screen *, const struct surface *);
/* What is painted next is not all that was asked for: it says that it is being read. */
void screen_partial(struct screen *, bool);
/* Writes what could not be written at once. 0: all is out; -EAGAIN: poll screen_out_fd() for POLLOUT; -EIO. */
int screen_flush(struct screen *);
bool screen_pending(const struct screen *);
/* The next painting paints everything. */
void screen_redraw(struct screen *);

/* Reads what the terminal sent. 0, also where there was nothing; -EIO: the terminal is gone. */
int screen_read(struct screen *);
/* Next key of what was read. `late`: see input_next(). */
bool screen_key(struct screen *, bool late, struct key *ret);
/* How long to wait for more before calling screen_key() with `late`; -1: nothing waits. */
int screen_wait_ms(const struct screen *);
/* Throws away what was typed and not yet asked for. */
void screen_drop_input(struct screen *);

/* Hands text to the terminal's clipboard (OSC 52); whether it takes it no terminal says. -E2BIG, -ENOTSUP (a terminal that
 * would print it) with a sentence: nothing was written. */
int screen_copy(struct screen *, const void *bytes, size_t n, struct culprit_error *);

/* Asks the kernel for the size. True: it changed. */
bool screen_resize(struct screen *);
/* Gives the terminal back, and takes it again (all is painted anew). */
void screen_suspend(struct screen *);
int screen_resume(struct screen *);

int screen_in_fd(const struct screen *);
int screen_out_fd(const struct screen *);
uint64_t screen_bytes(const struct screen *); /* written so far */

#endif
