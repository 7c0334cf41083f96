/* culprit replay FILE|-: the console over a recording; with --keys, a scripted session without a terminal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "baseline.h"
#include "clock.h"
#include "confine.h"
#include "console_data.h"
#include "error.h"
#include "file_source.h"
#include "import.h"
#include "loop.h"
#include "panels.h"
#include "remember.h"
#include "save.h"
#include "script.h"
#include "themes.h"
#include "timeparse.h"
#include "verbs.h"

struct replay {
	const struct options *options;
	struct view *view, *baseline;
	struct marks *marks; /* beside the file; NULL: none can be kept */
	struct console_data data;
	struct console *console;
	struct remember *remember; /* on a terminal */
	struct source *source; /* the view's */
	uint64_t first_ns; /* newest frame when it was opened */
	char command[840];
};

/* A pipe's bytes are the recording: only its source may read them. */
static int replay_fd(void *self)
{
	struct source *source = ((struct replay *)self)->source;

	return source->ops->fd ? source->ops->fd(source) : -1;
}

static void replay_now(void *self, struct console_now *now)
{
	struct culprit_error error;
	struct replay *r = self;

	console_data_now(&r->data, now, &error);
	/* A file grows where it did since it was opened. */
	if (!r->first_ns)
		r->first_ns = now->to_ns;
	now->follows = replay_fd(r) >= 0 || now->to_ns > r->first_ns;
}

static int replay_print(void *self, const char *file, const struct surface *surface, const char *command,
			struct culprit_error *error)
{
	(void)self;
	return save_screen(surface, file, command, error);
}

static int replay_mark(void *self, uint64_t mono_ns, const char *text, struct culprit_error *error)
{
	struct replay *r = self;

	if (!r->marks)
		return error_set(error, -ENOSYS, "there is no file to keep marks beside: save the recording to one first");
	return marks_add(r->marks, view_wall_ns(r->view, mono_ns), text, error);
}

/* Without them it goes, too; what is wrong with them is said. */
static void replay_marks(struct replay *r, const char *file)
{
	struct culprit_error error = {""};

	if (!strcmp(file, "-") || r->options->import)
		return;
	r->marks = marks_open(file, &error);
	if (!r->marks)
		console_say(r->console, error.sentence);
	view_set_marks(r->view, r->marks);
}

static void replay_close(struct replay *r)
{
	console_destroy(r->console);
	console_data_finish(&r->data);
	view_destroy(r->view);
	view_destroy(r->baseline);
	marks_destroy(r->marks);
}

static bool only_damage(struct replay *r)
{
	bool pipe = r->source->ops->fd && r->source->ops->fd(r->source) >= 0;

	return !pipe && view_refresh(r->view, NULL) >= 0 && !view_schema(r->view) && view_damage(r->view)[0];
}

static int replay_compare(struct replay *r, const struct options *o, struct culprit_error *error)
{
	struct lens lens = *console_lens(r->console);
	const char *name = o->baseline ? strrchr(o->baseline, '/') : NULL;
	int e = baseline_open(r->view, o, &lens, &r->baseline, error);

	if (!e && lens.has_baseline)
		console_compare(r->console, &lens, name ? name + 1 : o->baseline ? o->baseline : "");
	return e;
}

static int replay_open(struct replay *r, const struct options *o, struct culprit_error *error)
{
	struct console_options options = {
		.panels = console_panels,
		.panel = o->panel,
		.mode = CONSOLE_REPLAY,
		.timeline = console_data_timeline,
		.timeline_self = &r->data,
		.clock = o->keys ? NULL : clock_real(),
	};
	const char *file = o->args[0];
	struct culprit_error notice = {""};
	int e;

	memset(r, 0, sizeof(*r));
	/* There is nothing else in it. */
	if (o->import && !o->panel)
		options.panel = "flame";
	r->options = o;
	snprintf(r->command, sizeof(r->command), "culprit replay%s %.400s%s%.400s", o->import ? " --import" : "", file, o->baseline ? " --baseline " : "",
		 o->baseline ? o->baseline : "");
	options.command = r->command;
	r->view = view_create();
	if (!r->view)
		return error_set(error, -ENOMEM, "out of memory");
	view_keep_most(r->view, VIEW_KEEP_MOST);
	r->source = o->import ? import_source(file, &notice, error) : file_source(file, o->history_bytes, error);
	e = r->source ? view_add_source(r->view, r->source) : -EIO;
	options.view = r->view;
	if (!e)
		e = console_data_init(&r->data, r->view);
	if (!e)
		e = console_create(&r->console, &options, error);
	/* What is damaged from its first frame on does not get better by waiting. A pipe has not come yet. */
	if (!e && only_damage(r))
		e = view_nothing(r->view, error);
	/* The window's times are told by what is recorded. */
	if (!e && (o->from || o->to || o->filter))
		e = view_refresh(r->view, error) < 0 ? -EIO : 0;
	if (!e)
		e = console_start(r->console, r->view, o, true, error);
	if (!e)
		e = replay_compare(r, o, error);
	if (!e)
		replay_marks(r, file);
	if (!e && notice.sentence[0])
		console_say(r->console, notice.sentence);
	/* What it lacks is not in any window. */
	if (!e && view_damage(r->view)[0])
		console_say_also(r->console, view_damage(r->view));
	if (!e)
		return 0;
	if (e == -ENOMEM)
		error_set(error, e, "out of memory");
	replay_close(r);
	return e;
}

/* From here on no other file, no network, no program, whatever the recording holds. */
static void replay_confine(void *self)
{
	struct replay *r = self;
	struct sandbox_report report;

	confine(r->options, r->options->args[0], &report);
	console_sandbox(r->console, report.sentence);
	/* What is missing is said without being asked. */
	if (!report.landlock || !report.seccomp)
		console_say_also(r->console, report.sentence);
}

static void replay_closing(void *self)
{
	struct replay *r = self;
	struct culprit_error error = {""};

	if (remember_save(r->remember, r->console, &error))
		fprintf(stderr, "culprit: what was chosen is not remembered: %s\n", error.sentence);
}

static int replay_screen(struct replay *r, const struct options *o, struct culprit_error *error)
{
	char dir[4096];
	struct loop_options loop = {
		.console = r->console,
		.screen = {.in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, .no_color = o->no_color,
			   .mark = verb_test_mark()},
		.config_dir = theme_config_dir(dir, sizeof(dir)),
		.notify_fd = -1,
		.data_fd = replay_fd,
		.now = replay_now,
		.print = replay_print,
		.mark = replay_mark,
		.opened = replay_confine,
		.closing = replay_closing,
		.self = r,
	};

	remember_apply(r->remember, r->console);
	theme_of_options(o, loop.config_dir, &loop.theme, r->console);
	return loop_run(&loop, error);
}

int verb_replay(const struct options *given)
{
	struct remember remember = {0};
	const struct options *o = given;
	char dir[4096];
	struct culprit_error error = {""};
	struct sandbox_report report;
	struct replay replay;
	int r;

	if (o->nargs != 1) {
		error_set(&error, 0, "replay takes one file, or - for standard input; see culprit replay --help");
		return verb_fail(EXIT_USAGE, &error);
	}
	if (!o->keys && !isatty(STDOUT_FILENO)) {
		error_set(&error, 0, "replay needs a terminal; for text use culprit dump TABLE FILE, for screens --keys and --shots");
		return verb_fail(EXIT_COULD_NOT, &error);
	}
	if (!o->keys) {
		loop_block_signals();
		if (remember_open(&remember, given, SETTINGS_SYSTEM, theme_config_dir(dir, sizeof(dir)))) {
			error_set(&error, -ENOMEM, "out of memory");
			return verb_fail(EXIT_COULD_NOT, &error);
		}
		o = &remember.options;
	}
	r = replay_open(&replay, o, &error);
	replay.remember = &remember;
	if (r) {
		remember_close(&remember);
		return verb_fail(verb_status(r), &error);
	}
	if (o->keys) {
		struct script_options script = {
			.file = o->keys,
			.shots = o->shots,
			.width = o->width ? (int)o->width : 80,
			.height = o->height ? (int)o->height : 24,
			.form = screen_locale_form(),
			.mark = replay_mark,
			.self = &replay,
		};

		/* Made before it is shut off. */
		if (o->shots)
			(void)!mkdir(o->shots, 0777);
		confine(o, o->args[0], &report);
		console_sandbox(replay.console, report.sentence);
		r = script_run(replay.console, &replay.data, &script, &error);
	} else {
		r = replay_screen(&replay, o, &error);
	}
	replay_close(&replay);
	remember_close(&remember);
	if (r < 0 && r != -EIO)
		return verb_fail(verb_status(r), &error);
	return EXIT_DONE;
}
