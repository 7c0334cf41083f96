/* The live loop: one poll() over the keyboard, a timer, signals, and the sampler's notice that a frame is sealed. It owns
 * the screen; it samples nothing. */
#ifndef TUI_LOOP_H
#define TUI_LOOP_H

#include "console.h"
#include "screen.h"

struct loop_options {
	struct console *console;
	struct screen_options screen;
	struct theme theme;
	const char *config_dir; /* where themes are looked for; may be NULL */
	int notify_fd;          /* eventfd or pipe: readable when there is something new; read here; -1: none */
	/* Optional: what the data themselves come through (a pipe): polled, never read here, now() takes it in. -1: nothing
	 * more will come. Asked each time. */
	int (*data_fd)(void *self);
	uint64_t refresh_ns;    /* draws at least this often (age counts up); 0: 1 s */
	/* Called before each draw: fills what the console shows of now. */
	void (*now)(void *self, struct console_now *);
	/* Optional: after each draw, with what is wanted; after save and print: does it, sentence in `error` either way. */
	void (*interests)(void *self, const struct culprit_interest *, size_t n);
	int (*save)(void *self, const char *file, struct culprit_error *);
	int (*print)(void *self, const char *file, const struct surface *, const char *command_line,
		     struct culprit_error *);
	/* Optional: keeps a mark of that time. */
	int (*mark)(void *self, uint64_t mono_ns, const char *text, struct culprit_error *);
	/* Optional: does what was confirmed, and says in `error` what was done or why not. */
	int (*act)(void *self, const struct console_action *, struct culprit_error *);
	/* Optional: what is only read when asked for: text for console_list(), the loop's to hand on. */
	int (*inspect)(void *self, const struct console_action *, char **ret_text, struct culprit_error *);
	/* Optional: samples so far apart from now on; a sentence either way. Done, it draws as often. */
	int (*interval)(void *self, uint64_t interval_ns, struct culprit_error *);
	/* Optional: the terminal is there, with all that is known of it; nothing was drawn yet. */
	void (*opened)(void *self);
	/* Optional: it ends by itself, with what is to be remembered still there. */
	void (*closing)(void *self);
	void *self;
};

/* Blocks the signals the loop reads (SIGWINCH, SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT). To be called before any thread
 * or helper process is made; helpers put their own mask back. */
void loop_block_signals(void);

/* Runs until the user quits. 0; the number of the signal that ended it (SIGTERM, SIGINT, SIGHUP); -EIO: the terminal is
 * gone; -errno with a sentence: the screen could not be opened. The terminal is as it was found in each case. */
int loop_run(const struct loop_options *, struct culprit_error *);

#endif
