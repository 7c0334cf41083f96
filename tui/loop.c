#include "loop.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

static const int loop_signals[] = {SIGWINCH, SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT};

enum { THEMES_MAX = 64 };

struct loop {
	const struct loop_options *options;
	struct screen *screen;
	struct surface *surface;
	struct theme theme;
	int signal_fd, timer_fd;
	uint64_t refresh_ns; /* draws at least this often */
	uint64_t every_ns; /* what the timer was set to */
	bool draw;  /* something changed since the last painting */
	bool fresh; /* ask for what is new before the next one */
	bool ended;
	bool notify_gone;
	int result;
};

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(loop_signals) / sizeof(loop_signals[0]); i++)
		sigaddset(set, loop_signals[i]);
}

void loop_block_signals(void)
{
	sigset_t set;

	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void end(struct loop *l, int result)
{
	l->ended = true;
	l->result = result;
}

/* Stops as the shell expects it, and goes on when it says so. */
static void stop(struct loop *l)
{
	sigset_t set, before;

	screen_suspend(l->screen);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	/* The default action stops all of the process; where nobody could ever wake it up (no shell), it does nothing. */
	raise(SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &set, &before);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* What woke it up has been seen: read later, it would give the terminal back and take it once more. */
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigtimedwait(&set, NULL, &(struct timespec){0, 0});
	if (screen_resume(l->screen))
		end(l, -EIO);
	l->draw = true;
}

static void read_signals(struct loop *l)
{
	struct signalfd_siginfo info[16];
	bool resize = false, stopped = false, resumed = false;
	ssize_t n;

	/* However many came: a resize is applied once. */
	while ((n = read(l->signal_fd, info, sizeof(info))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(info[0]); i++) {
			switch ((int)info[i].ssi_signo) {
			case SIGWINCH:
				resize = true;
				break;
			case SIGTSTP:
				stopped = true;
				break;
			case SIGCONT:
				resumed = true;
				break;
			default:
				end(l, (int)info[i].ssi_signo);
				return;
			}
		}
	}
	if (stopped) {
		stop(l);
	} else if (resumed) {
		/* After SIGSTOP, which nobody is told of: whoever had the terminal meanwhile may have changed it. */
		if (screen_resume(l->screen))
			end(l, -EIO);
		l->draw = true;
	}
	if (resize && screen_resize(l->screen))
		l->draw = true;
}

/* What came of something: a sentence in any case, or none. */
static void say(struct loop *l, int err, const struct culprit_error *error)
{
	if (error->sentence[0])
		(err ? console_error : console_say)(l->options->console, error->sentence);
}

static void save_or_print(struct loop *l, const struct console_effect *e, bool *ret_failed)
{
	const struct loop_options *o = l->options;
	struct culprit_error error = {""};
	int err = -ENOSYS;

	if (e->kind == EFFECT_SAVE && o->save) {
		err = o->save(o->self, e->argument, &error);
	} else if (e->kind == EFFECT_PRINT && o->print) {
		char line[2048];

		console_command_line(o->console, line, sizeof(line));
		err = o->print(o->self, e->argument, l->surface, line, &error);
	}
	if (err == -ENOSYS && !error.sentence[0])
		error_set(&error, err, "there is nothing to save here");
	say(l, err, &error);
	*ret_failed |= err != 0;
}

static void inspect(struct loop *l, const struct console_action *of)
{
	char *text = NULL, title[4 * sizeof(of->name) + 40], name[4 * sizeof(of->name) + 1];
	struct culprit_error error = {"there is nothing to read of it here"};

	text_sanitise(name, sizeof(name), of->name, strlen(of->name), TEXT_UTF8);
	snprintf(title, sizeof(title), "%s %llu", name, (unsigned long long)of->pid);
	if (l->options->inspect && !l->options->inspect(l->options->self, of, &text, &error))
		console_list(l->options->console, title, text);
	else
		say(l, -1, &error);
}

static void set_interval(struct loop *l, uint64_t interval_ns)
{
	struct culprit_error error = {"nothing is sampled here"};
	int err = l->options->interval ? l->options->interval(l->options->self, interval_ns, &error) : -ENOSYS;

	if (!err) {
		l->refresh_ns = interval_ns;
		console_interval_set(l->options->console, interval_ns);
	}
	say(l, err, &error);
}

static void apply_effects(struct loop *l)
{
	struct console_effect e;
	bool failed = false;

	while (console_effect(l->options->console, &e)) {
		struct culprit_error error = {""};
		int err = -ENOSYS;

		l->draw = true;
		switch (e.kind) {
		case EFFECT_QUIT:
			/* Not when what was to be saved first is not. */
			if (!failed)
				end(l, 0);
			break;
		case EFFECT_REDRAW:
			screen_redraw(l->screen);
			break;
		case EFFECT_DROP_INPUT:
			screen_drop_input(l->screen);
			break;
		case EFFECT_THEME:
			/* With a mistake in it: the default, and the sentence. */
			err = theme_load(&l->theme, e.argument, l->options->config_dir, &error);
			say(l, err, &error);
			if (!err)
				console_theme(l->options->console, e.argument);
			screen_set_theme(l->screen, &l->theme);
			break;
		case EFFECT_MOUSE:
			screen_set_mouse(l->screen, e.on);
			break;
		case EFFECT_COPY:
			say(l, screen_copy(l->screen, e.argument, strlen(e.argument), &error), &error);
			break;
		case EFFECT_MARK:
			error_set(&error, 0, "marks cannot be kept here");
			if (l->options->mark)
				err = l->options->mark(l->options->self, e.time_ns, e.argument, &error);
			say(l, err, &error);
			console_marked(l->options->console);
			break;
		case EFFECT_ACT:
			error_set(&error, 0, "nothing can be changed from here");
			if (l->options->act)
				err = l->options->act(l->options->self, &e.action, &error);
			say(l, err, &error);
			break;
		case EFFECT_INTERVAL:
			set_interval(l, e.time_ns);
			break;
		case EFFECT_INSPECT:
			inspect(l, &e.action);
			break;
		case EFFECT_SAVE:
		case EFFECT_PRINT:
			save_or_print(l, &e, &failed);
			break;
		default:
			break;
		}
	}
}

static void read_keys(struct loop *l, bool late)
{
	struct key key;

	while (!l->ended && screen_key(l->screen, late, &key)) {
		console_key(l->options->console, &key);
		apply_effects(l);
	}
	/* Also where a key did nothing: then nothing is written. */
	l->draw = true;
}

/* The timer ticks at the refresh interval, or sooner where what plays moves on sooner. */
static void arm(struct loop *l)
{
	uint64_t wait = console_wait_ns(l->options->console), every = wait < l->refresh_ns ? wait : l->refresh_ns;
	struct itimerspec spec = {
		.it_interval = {(time_t)(every / 1000000000), (long)(every % 1000000000)},
		.it_value = {(time_t)(every / 1000000000), (long)(every % 1000000000)},
	};

	if (every == l->every_ns)
		return;
	if (timerfd_settime(l->timer_fd, 0, &spec, NULL))
		end(l, -errno);
	l->every_ns = every;
}

static bool key_waits(void *of)
{
	const struct loop *l = of;
	struct pollfd in = {.fd = screen_in_fd(l->screen), .events = POLLIN};

	return poll(&in, 1, 0) > 0;
}

static void paint(struct loop *l)
{
	const struct loop_options *o = l->options;
	struct culprit_interest interests[32];
	int w, h, err;

	if (l->fresh && o->now) {
		struct console_now now = {.self_percent = NAN};

		o->now(o->self, &now);
		now.clock_ns = clock_real()->now_ns(clock_real(), CULPRIT_MONOTONIC);
		console_now(o->console, &now);
	}
	l->fresh = false;
	screen_size(l->screen, &w, &h);
	if ((w != surface_width(l->surface) || h != surface_height(l->surface)) && surface_resize(l->surface, w, h)) {
		end(l, -ENOMEM);
		return;
	}
	console_draw(o->console, l->surface);
	screen_partial(l->screen, !console_whole(o->console));
	err = screen_paint(l->screen, l->surface);
	if (err && err != -EAGAIN)
		end(l, err);
	l->draw = err == -EAGAIN;
	if (!l->ended && console_catch_up(o->console)) {
		l->draw = true;
		apply_effects(l);
	}
	arm(l);
	if (o->interests)
		o->interests(o->self, interests, console_interests(o->console, interests, 32));
}

static void step(struct loop *l)
{
	enum { KEYS, SIGNALS, TIMER, NOTIFY, DATA, OUT, COUNT };
	/* Once it is known that there is something, it isn't asked again before that was taken in: it would spin. */
	int data = l->options->data_fd && !l->fresh ? l->options->data_fd(l->options->self) : -1;
	struct pollfd fds[COUNT] = {
		[KEYS] = {.fd = screen_in_fd(l->screen), .events = POLLIN},
		[SIGNALS] = {.fd = l->signal_fd, .events = POLLIN},
		[TIMER] = {.fd = l->timer_fd, .events = POLLIN},
		[NOTIFY] = {.fd = l->notify_gone ? -1 : l->options->notify_fd, .events = POLLIN},
		[DATA] = {.fd = data, .events = POLLIN},
		[OUT] = {.fd = screen_pending(l->screen) ? screen_out_fd(l->screen) : -1, .events = POLLOUT},
	};
	char junk[4096];
	/* Keys come first, then the rest of the picture; also an Esc, which is one only once nothing has followed it. */
	int wait_ms = screen_wait_ms(l->screen);
	bool unfinished = console_unfinished(l->options->console) && !screen_pending(l->screen) && wait_ms < 0;
	int n = poll(fds, COUNT, unfinished ? 0 : wait_ms);

	if (n < 0 && errno != EINTR) {
		end(l, -errno);
		return;
	}
	if (unfinished)
		l->draw = true;
	if (n == 0 && !unfinished) {
		read_keys(l, true);
	} else if (n > 0) {
		if (fds[SIGNALS].revents)
			read_signals(l);
		if (!l->ended && fds[KEYS].revents) {
			int err = screen_read(l->screen);

			if (err)
				end(l, err);
			else
				read_keys(l, false);
		}
		if (fds[TIMER].revents && read(l->timer_fd, junk, sizeof(uint64_t)) > 0)
			l->draw = l->fresh = true;
		if (fds[NOTIFY].revents) {
			ssize_t got = read(l->options->notify_fd, junk, sizeof(junk));

			if (got > 0)
				l->draw = l->fresh = true;
			else if (got == 0 || (errno != EAGAIN && errno != EINTR))
				/* The sampler is gone, and its end shows in the data; to go on polling would spin. */
				l->notify_gone = true;
		}
		if (fds[DATA].revents)
			l->draw = l->fresh = true;
		if (!l->ended && fds[OUT].revents) {
			int err = screen_flush(l->screen);

			if (err && err != -EAGAIN)
				end(l, err);
		}
	}
	/* A terminal that is behind gets the newest picture later, not every one in between. */
	if (!l->ended && l->draw && !screen_pending(l->screen))
		paint(l);
}

int loop_run(const struct loop_options *options, struct culprit_error *error)
{
	char names[THEMES_MAX][THEME_NAME_MAX];
	struct loop l = {.options = options, .signal_fd = -1, .timer_fd = -1, .draw = true, .fresh = true};
	sigset_t set;
	int err, w, h;

	l.refresh_ns = options->refresh_ns ? options->refresh_ns : 1000000000;
	loop_block_signals();
	signal_set(&set);
	l.theme = options->theme;
	err = screen_open(&l.screen, &options->screen, &l.theme, error);
	if (err)
		return err;
	if (options->opened)
		options->opened(options->self);
	console_themes(options->console, names, theme_list(options->config_dir, names, THEMES_MAX));
	console_set_waiting(options->console, key_waits, &l);
	screen_size(l.screen, &w, &h);
	l.surface = surface_create(w, h, screen_form(l.screen));
	l.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	l.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!l.surface)
		end(&l, -ENOMEM);
	else if (l.signal_fd < 0 || l.timer_fd < 0)
		end(&l, -errno);
	else
		paint(&l);
	while (!l.ended)
		step(&l);
	console_set_waiting(options->console, NULL, NULL);
	screen_close(l.screen);
	if (options->closing)
		options->closing(options->self);
	surface_destroy(l.surface);
	if (l.signal_fd >= 0)
		close(l.signal_fd);
	if (l.timer_fd >= 0)
		close(l.timer_fd);
	if (l.result == -EIO)
		error_set(error, l.result, "the terminal is gone");
	else if (l.result < 0)
		error_set(error, l.result, "the console cannot go on: %s", strerror(-l.result));
	return l.result;
}
