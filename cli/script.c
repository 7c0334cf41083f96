#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"

enum { LINE_MAX_BYTES = 1024 };

struct script {
	struct console *console;
	struct console_data *data;
	const struct script_options *options;
	struct surface *surface;
	struct console_now now;
	unsigned line;
	bool quit;
};

static int write_text(const struct script *s, const char *name, const char *extension, char *text,
		      struct culprit_error *error)
{
	char path[4096];
	FILE *file;
	int r = 0;

	if (!text)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(path, sizeof(path), "%s/%s.%s", s->options->shots, name, extension);
	file = fopen(path, "we");
	if (!file || fputs(text, file) == EOF)
		r = error_set(error, -errno, "%.200s cannot be written: %s", path, strerror(errno));
	if (file && fclose(file) && !r)
		r = error_set(error, -errno, "%.200s cannot be written: %s", path, strerror(errno));
	free(text);
	return r;
}

static int step_shot(struct script *s, const char *name, struct culprit_error *error)
{
	int r;

	if (!s->options->shots)
		return error_set(error, -EINVAL, "line %u: shot needs --shots DIR", s->line);
	if (!*name || strchr(name, '/') || *name == '.')
		return error_set(error, -EINVAL, "line %u: a shot needs a plain file name", s->line);
	console_now(s->console, &s->now);
	console_draw(s->console, s->surface);
	r = write_text(s, name, "txt", surface_text(s->surface), error);
	return r ? r : write_text(s, name, "roles", surface_roles(s->surface), error);
}

static bool parse_seconds(const char *argument, double *ret)
{
	char *end;

	*ret = strtod(argument, &end);
	return end != argument && (!*end || !strcmp(end, "s")) && *ret >= 0 && *ret < 1e9;
}

/* In steps as the loop makes them: a second passes in as many draws as it would take. */
static int step_wait(struct script *s, const char *argument, struct culprit_error *error)
{
	double seconds;
	uint64_t left;

	if (!parse_seconds(argument, &seconds))
		return error_set(error, -EINVAL, "line %u: wait needs seconds: wait 2.5s", s->line);
	for (left = (uint64_t)(seconds * 1e9); left;) {
		uint64_t step = console_wait_ns(s->console);

		step = step < 1000000000 ? step : 1000000000;
		step = step < left ? step : left;
		left -= step;
		s->now.clock_ns += step;
		console_now(s->console, &s->now);
	}
	console_draw(s->console, s->surface);
	return 0;
}

static int step_at(struct script *s, const char *argument, struct culprit_error *error)
{
	double seconds;

	if (!parse_seconds(argument, &seconds))
		return error_set(error, -EINVAL, "line %u: at needs seconds after the first frame: at 12.5s", s->line);
	console_goto(s->console, s->now.from_ns + (uint64_t)(seconds * 1e9));
	return 0;
}

static int step_resize(struct script *s, const char *argument, struct culprit_error *error)
{
	int w, h;

	if (sscanf(argument, "%dx%d", &w, &h) != 2 || w < 1 || h < 1 || w > SURFACE_MAX || h > SURFACE_MAX)
		return error_set(error, -EINVAL, "line %u: resize needs columns and rows: resize 80x24", s->line);
	return surface_resize(s->surface, w, h);
}

static void effects(struct script *s)
{
	struct console_effect effect;
	struct culprit_error said = {""};

	while (console_effect(s->console, &effect)) {
		s->quit = s->quit || effect.kind == EFFECT_QUIT;
		if (effect.kind != EFFECT_MARK || !s->options->mark)
			continue;
		s->options->mark(s->options->self, effect.time_ns, effect.argument, &said);
		console_say(s->console, said.sentence);
		console_marked(s->console);
	}
}

static int step_key(struct script *s, const char *argument, struct culprit_error *error)
{
	struct key key = {0};

	if (!key_parse(argument, strlen(argument), &key.code))
		return error_set(error, -EINVAL, "line %u: there is no key %.40s", s->line, argument);
	console_key(s->console, &key);
	effects(s);
	/* What a key chose is asked before the next one works on it. */
	console_draw(s->console, s->surface);
	return 0;
}

static int step(struct script *s, char *line, struct culprit_error *error)
{
	char *argument;

	line[strcspn(line, "\r\n")] = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	argument = line + strcspn(line, " \t");
	if (*argument)
		*argument++ = '\0';
	argument += strspn(argument, " \t");
	if (!strcmp(line, "key"))
		return step_key(s, argument, error);
	if (!strcmp(line, "at"))
		return step_at(s, argument, error);
	if (!strcmp(line, "wait"))
		return step_wait(s, argument, error);
	if (!strcmp(line, "shot"))
		return step_shot(s, argument, error);
	if (!strcmp(line, "resize"))
		return step_resize(s, argument, error);
	if (!strcmp(line, "type")) {
		console_type(s->console, argument);
		return 0;
	}
	return error_set(error, -EINVAL, "line %u: %.40s is no step; there are key, type, resize, at, wait, shot", s->line, line);
}

int script_run(struct console *console, struct console_data *data, const struct script_options *options,
	       struct culprit_error *error)
{
	struct script s = {.console = console, .data = data, .options = options};
	char line[LINE_MAX_BYTES];
	FILE *file = fopen(options->file, "re");
	int r;

	if (!file)
		return error_set(error, -errno, "the steps in %.160s cannot be read: %s", options->file, strerror(errno));
	if (options->shots && mkdir(options->shots, 0777) && errno != EEXIST) {
		r = error_set(error, -errno, "the folder %.160s cannot be made: %s", options->shots, strerror(errno));
		fclose(file);
		return r;
	}
	s.surface = surface_create(options->width, options->height, options->form);
	r = s.surface ? console_data_now(data, &s.now, error) : -ENOMEM;
	if (!r) {
		s.now.clock_ns = 1;
		console_now(console, &s.now);
		console_draw(console, s.surface);
	}
	while (!r && !s.quit && fgets(line, sizeof(line), file)) {
		s.line++;
		r = step(&s, line, error);
	}
	surface_destroy(s.surface);
	fclose(file);
	return r;
}
