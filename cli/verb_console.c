/* culprit: the live console, on a recorder's ring where one is there, else on samples of its own. Where standard output is no terminal, one Overview as text. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "act.h"
#include "attach.h"
#include "clock.h"
#include "console_data.h"
#include "error.h"
#include "inspect.h"
#include "loop.h"
#include "panels.h"
#include "recfile.h"
#include "remember.h"
#include "ring_marks.h"
#include "save.h"
#include "series.h"
#include "session.h"
#include "themes.h"
#include "units.h"
#include "verbs.h"

/* Looked at longer ago than this, it is the past that is meant. */
#define MARK_LATE_NS UINT64_C(5000000000)

struct live {
	struct session session;
	struct attach attach; /* to a recorder's ring; recorder is NULL where there is none */
	struct view *view;
	struct console_data data;
	struct console *console;
	struct remember *remember;
	const struct options *options;
};

static void live_now(void *self, struct console_now *now)
{
	struct live *l = self;
	struct culprit_error error;

	console_data_now(&l->data, now, &error);
	attach_now(&l->attach, now);
}

static int live_fd(void *self)
{
	return ((struct live *)self)->attach.poll_fd;
}

static void live_interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct live *l = self;

	/* It is said when something has been painted. */
	if (sampler_ticks(l->session.sampler))
		sampler_shown(l->session.sampler);
	if (l->attach.recorder)
		attach_interests(&l->attach, list, n);
	else
		sampler_set_interests(l->session.sampler, list, n);
}

static int live_save(void *self, const char *file, struct culprit_error *error)
{
	struct live *l = self;

	/* Its past is worth more than the moments sampled here. */
	if (l->attach.recorder && !l->attach.ended)
		return save_source(l->attach.recorder, file, error);
	return save_ring(l->session.ring, file, error);
}

static int live_print(void *self, const char *file, const struct surface *surface, const char *command,
		      struct culprit_error *error)
{
	(void)self;
	return save_screen(surface, file, command, error);
}

/* Where it is sampled: in the next frame, a recorder's as well. Here nobody else would see it. */
static int put_mark(struct live *l, const char *kind, const char *text, struct culprit_error *error)
{
	if (l->attach.recorder && !l->attach.ended)
		return ring_marks_put(l->attach.path, kind, text, error);
	sampler_mark(l->session.sampler, kind, text);
	return 0;
}

static int live_mark(void *self, uint64_t mono_ns, const char *text, struct culprit_error *error)
{
	uint64_t now = clock_real()->now_ns(clock_real(), CULPRIT_MONOTONIC);
	struct culprit_error why;
	int r = put_mark(self, "user", text, &why);

	if (r)
		return error_set(error, r, "not marked: %.120s; in a replay of what W saves any time can be marked", why.sentence);
	if (now > mono_ns && now - mono_ns > MARK_LATE_NS)
		return error_set(error, 0, "marked at the present time, not at the one shown; in a replay of what W saves any time can "
				 "be marked");
	return error_set(error, 0, "marked, with the next sample");
}

/* What was done stands on the timeline, to be seen beside what it changed. */
static int live_act(void *self, const struct console_action *action, struct culprit_error *error)
{
	struct culprit_error done, why;
	int r = act_do(action, error);

	if (r)
		return r;
	done = *error;
	if (put_mark(self, "action", done.sentence, &why))
		error_set(error, 0, "%.140s; not on the timeline: %.90s", done.sentence, why.sentence);
	return 0;
}

static int live_inspect(void *self, const struct console_action *of, char **ret_text, struct culprit_error *error)
{
	return inspect_process(((struct live *)self)->session.proc_fd, of->pid, of->start_ticks, ret_text, error);
}

/* What a recorder writes is its own; what is sampled here beside it keeps to it. */
static int live_interval(void *self, uint64_t interval_ns, struct culprit_error *error)
{
	struct live *l = self;
	char every[32], theirs[32];

	units_duration(every, sizeof(every), interval_ns);
	if (l->attach.recorder && !l->attach.ended)
		return error_set(error, -EPERM, "recorder %.40s takes a sample every %s, which is its own to say (culprit record --interval "
				 "%s); --no-attach samples here", l->attach.name,
				 units_duration(theirs, sizeof(theirs), series_tick_ns(l->view)), every);
	session_interval(&l->session, l->options, interval_ns);
	return error_set(error, 0, "a sample every %s from now on", every);
}

static void live_closing(void *self)
{
	struct live *l = self;
	struct culprit_error error = {""};

	/* The screen is given back: there it can be read. */
	if (remember_save(l->remember, l->console, &error))
		fprintf(stderr, "culprit: what was chosen is not remembered: %s\n", error.sentence);
}

static void live_close(struct live *l)
{
	/* The sampler first: nobody writes while readers go. */
	sampler_stop(l->session.sampler);
	console_destroy(l->console);
	console_data_finish(&l->data);
	attach_close(&l->attach);
	view_destroy(l->view);
	session_close(&l->session);
}

static int live_open(struct live *l, const struct options *o, struct source **ret_source, struct culprit_error *error)
{
	struct console_options options = {
		.panels = console_panels,
		.panel = o->panel,
		.mode = CONSOLE_LIVE,
		.timeline = console_data_timeline,
		.timeline_self = &l->data,
		.clock = clock_real(),
		.offer_save = true,
		.readonly = o->readonly,
	};
	struct source *source;
	int r, attached;

	memset(l, 0, sizeof(*l));
	l->options = o;
	l->view = view_create();
	if (!l->view)
		return error_set(error, -ENOMEM, "out of memory");
	view_keep_most(l->view, VIEW_KEEP_MOST);
	attached = attach_open(&l->attach, l->view, o, error);
	r = attached < 0 ? attached : session_open(&l->session, o, 0, attached ? "" : NULL, error);
	if (r) {
		attach_close(&l->attach);
		view_destroy(l->view);
		return r;
	}
	/* Numbers of another namespace must hit nobody here. */
	options.readonly = options.readonly || l->session.foreign;
	source = session_ring(&l->session, o, error);
	if (!source || view_add_source(l->view, source)) {
		r = error->sentence[0] ? -EIO : error_set(error, -ENOMEM, "out of memory");
		goto fail;
	}
	if (attached) {
		r = attach_local(&l->attach, &l->session, source, error);
		if (r)
			goto fail;
		/* What was recorded stays recorded. */
		options.offer_save = !l->attach.status.live;
	}
	*ret_source = source;
	options.view = l->view;
	r = console_data_init(&l->data, l->view);
	if (!r)
		r = console_create(&l->console, &options, error);
	if (!r)
		r = console_start(l->console, l->view, o, false, error);
	if (!r)
		return 0;
	if (r == -ENOMEM)
		error_set(error, r, "out of memory");
fail:
	live_close(l);
	return r;
}

/* `culprit | cat`: what the Overview shows after two ticks, once. */
static int print_once(struct live *l, const struct options *o, struct culprit_error *error)
{
	struct surface *s = surface_create(o->width ? (int)o->width : 80, o->height ? (int)o->height : 24,
					   screen_locale_form());
	bool recorded = l->attach.recorder && !l->attach.ended;
	struct console_now now;
	char *text;
	int r = s ? 0 : -ENOMEM;

	for (int i = 0; i < 2 && !r && !recorded; i++) {
		if (i)
			sampler_rest(l->session.sampler, 1000000000u, -1);
		r = sampler_tick(l->session.sampler, error);
	}
	if (!r)
		r = console_data_now(&l->data, &now, error);
	attach_now(&l->attach, &now);
	if (!r) {
		console_now(l->console, &now);
		console_draw(l->console, s);
		text = surface_text(s);
		/* A reader that has seen enough is no error. */
		if (!text)
			r = error_set(error, -ENOMEM, "out of memory");
		else if ((fputs(text, stdout) == EOF || fflush(stdout)) && errno != EPIPE)
			r = error_set(error, -EIO, "the overview could not be written: %s", strerror(errno));
		free(text);
	}
	surface_destroy(s);
	return r;
}

/* On a terminal: as it was left the last time. */
static int on_terminal(struct live *l, const struct options *o, struct source *source, struct culprit_error *error)
{
	struct loop_options loop = {0};
	char dir[4096];
	int r = 0;

	/* The console must not page out on the box it is meant to save. Where it isn't allowed it goes without. */
	(void)!mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	/* On a recorder that runs nothing is sampled here until something is missing there. */
	l->attach.running = !l->attach.recorder || l->attach.ended;
	sampler_await_shown(l->session.sampler);
	r = l->attach.running ? sampler_start(l->session.sampler, error) : 0;
	if (r)
		return r;
	loop.console = l->console;
	loop.screen = (struct screen_options){.in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, .no_color = o->no_color,
					      .mark = verb_test_mark()};
	loop.config_dir = theme_config_dir(dir, sizeof(dir));
	remember_apply(l->remember, l->console);
	theme_of_options(o, loop.config_dir, &loop.theme, l->console);
	loop.notify_fd = -1;
	loop.refresh_ns = o->interval_ns;
	if (l->attach.recorder && l->attach.poll_fd >= 0)
		loop.data_fd = live_fd;
	else
		loop.notify_fd = source->ops->fd ? source->ops->fd(source) : -1;
	if (l->attach.note[0])
		console_say(l->console, l->attach.note);
	loop.now = live_now;
	loop.interests = live_interests;
	loop.save = live_save;
	loop.print = live_print;
	loop.mark = live_mark;
	loop.act = live_act;
	loop.inspect = live_inspect;
	loop.interval = live_interval;
	loop.closing = live_closing;
	loop.self = l;
	return loop_run(&loop, error);
}

int verb_console(const struct options *given)
{
	struct culprit_error error = {""};
	struct source *source = NULL;
	struct live l;
	struct remember remember;
	const struct options *o = given;
	char dir[4096];
	int r;

	if (o->nargs) {
		error_set(&error, 0, "there is no verb %.40s; see culprit --help", o->args[0]);
		return verb_fail(EXIT_USAGE, &error);
	}
	if (o->from || o->to) {
		error_set(&error, 0, "--from and --to choose a window of a recording; the live console begins now: culprit replay FILE");
		return verb_fail(EXIT_USAGE, &error);
	}
	if (!isatty(STDOUT_FILENO)) {
		r = live_open(&l, o, &source, &error);
		if (r)
			return verb_fail(verb_status(r), &error);
		r = print_once(&l, o, &error);
		live_close(&l);
		return r ? verb_fail(EXIT_COULD_NOT, &error) : EXIT_DONE;
	}
	loop_block_signals();
	if (remember_open(&remember, given, SETTINGS_SYSTEM, theme_config_dir(dir, sizeof(dir)))) {
		error_set(&error, -ENOMEM, "out of memory");
		return verb_fail(EXIT_COULD_NOT, &error);
	}
	o = &remember.options;
	r = live_open(&l, o, &source, &error);
	if (r) {
		remember_close(&remember);
		return verb_fail(verb_status(r), &error);
	}
	l.remember = &remember;
	r = on_terminal(&l, o, source, &error);
	live_close(&l);
	remember_close(&remember);
	if (r < 0 && r != -EIO)
		return verb_fail(EXIT_COULD_NOT, &error);
	return EXIT_DONE;
}
