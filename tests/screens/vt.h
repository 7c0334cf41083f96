/* A program in a pseudo terminal, read through libvterm: what a user would see. In step by the mark that the screen sends
 * after each painting (OSC 7777 ; paintings ; input bytes taken ; WxH): no sleeps. The program runs as a job of a small
 * shell, so that stopping and continuing it is as real as the rest. */
#ifndef SCREENS_VT_H
#define SCREENS_VT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>
#include <vterm.h>

enum { VT_WAIT_MS = 20000 }; /* sanitizers on a busy machine */

struct vt {
	VTerm *vterm;
	VTermScreen *screen;
	int rows, cols;
	int master, slave;
	int events, orders; /* from and to the shell */
	pid_t shell, job;
	uint64_t paintings, taken, sent, bytes;
	int mark_w, mark_h;
	bool altscreen, cursor, stopped, ended;
	int status; /* of the job, once it has ended */
	struct termios before;
	char tail[4];  /* the beginning of a character whose end has not come */
	size_t ntail;
	char *log;     /* all bytes that came */
	size_t log_len, log_cap;
};

struct vt_options {
	int rows, cols;
	const char *const *environment; /* "TERM=xterm-256color", ..., NULL; on top of a bare one with the mark on */
	int (*run)(void *arg);          /* what runs there; its result is the exit status */
	void *arg;
	const char *const *argv;        /* or a program */
};

/* Fails the running test when something does not come within VT_WAIT_MS. */
void vt_start(struct vt *, const struct vt_options *);
void vt_finish(struct vt *); /* kills what still runs */

/* The program, as tests run it. */
#define VT_CULPRIT TEST_BUILD "/culprit"
/* A program in a terminal of its own, to be given to vt_close(). */
struct vt *vt_open(const char *const *argv, int rows, int cols, const char *const *environment);
void vt_close(struct vt *); /* finishes and frees */
/* Reads until the screen shows the text somewhere. */
void vt_wait_shows(struct vt *, const char *text);

/* Until the program has painted at least once more since all that was sent was taken. */
void vt_sync(struct vt *);
void vt_send(struct vt *, const char *bytes, size_t n); /* and sync */
void vt_type(struct vt *, const char *text);
void vt_send_only(struct vt *, const char *bytes, size_t n);
void vt_resize(struct vt *, int rows, int cols); /* and waits for a painting of that size */
void vt_resize_only(struct vt *, int rows, int cols);
void vt_signal(struct vt *, int signal_number);
void vt_wait_stopped(struct vt *);
void vt_continue(struct vt *); /* as fg does */
int vt_wait_end(struct vt *); /* status as of waitpid() */
void vt_close_terminal(struct vt *); /* hangs up */
/* Reads what has come within `ms`. */
void vt_read(struct vt *, int ms);

/* Row as UTF-8 without blanks at its end; static buffer. */
const char *vt_row(struct vt *, int row);
bool vt_shows(struct vt *, const char *text);
VTermScreenCell vt_cell(struct vt *, int row, int col);
/* The screen's text, for messages. */
void vt_dump(struct vt *);
/* The terminal is as it was before: modes, first screen, cursor, plain letters. */
void vt_assert_restored(struct vt *);

#endif
