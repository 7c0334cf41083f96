#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/stage.h"

void stage_now(struct stage *s)
{
	struct culprit_error error = {""};
	struct console_now n;

	if (console_data_now(&s->data, &n, &error))
		fail_msg("%s", error.sentence);
	console_now(s->console, &n);
}

void stage_draw(struct stage *s)
{
	stage_now(s);
	console_draw(s->console, s->surface);
}

/* Over a source, which becomes the stage's. */
static void open_over(struct stage *s, struct source *source, const char *panel, int w, int h, enum text_form form)
{
	s->view = view_create();
	assert_non_null(s->view);
	assert_int_equal(view_add_source(s->view, source), 0);
	assert_int_equal(console_data_init(&s->data, s->view), 0);
	s->surface = surface_create(w, h, form);
	assert_non_null(s->surface);
	stage_again(s, panel);
}

void stage_open(struct stage *s, const struct made_host_options *host, unsigned seconds, const char *panel, int w, int h,
		enum text_form form)
{
	memset(s, 0, sizeof(*s));
	s->host = made_host_create(host);
	made_host_run(s->host, seconds);
	open_over(s, made_host_source(s->host), panel, w, h, form);
}

void stage_tell(struct stage *s, const char *format, ...)
{
	for (;;) {
		size_t room = s->cap - s->len;
		va_list args;
		int n;

		va_start(args, format);
		n = vsnprintf(s->text ? s->text + s->len : NULL, room, format, args);
		va_end(args);
		assert_true(n >= 0);
		if ((size_t)n < room) {
			s->len += (size_t)n;
			return;
		}
		s->cap = s->cap * 2 + (size_t)n + (1 << 16);
		s->text = realloc(s->text, s->cap);
		assert_non_null(s->text);
	}
}

void stage_open_text(struct stage *s, const char *text, const char *panel, int w, int h, enum text_form form)
{
	struct culprit_error error = {""};

	s->frames = textframes_create(text, &error);
	if (!s->frames)
		fail_msg("%s", error.sentence);
	s->len = 0;
	open_over(s, textframes_source(s->frames), panel, w, h, form);
}

void stage_tell_end(struct stage *s)
{
	struct culprit_error error = {""};

	if (textframes_add(s->frames, s->text, &error))
		fail_msg("%s", error.sentence);
	s->len = 0;
	view_refresh(s->view, NULL);
	stage_draw(s);
}

void stage_again(struct stage *s, const char *panel)
{
	struct console_options options = {.panels = console_panels,
					  .panel = panel,
					  .mode = s->mode,
					  .view = s->view,
					  .clock = s->clock,
					  .timeline = console_data_timeline,
					  .timeline_self = &s->data};

	console_destroy(s->console);
	assert_int_equal(console_create(&s->console, &options, NULL), 0);
	/* Twice: what there is room for is known after the first time. */
	for (int i = 0; i < 2; i++)
		stage_draw(s);
}

void stage_close(struct stage *s)
{
	surface_destroy(s->surface);
	console_destroy(s->console);
	console_data_finish(&s->data);
	view_destroy(s->view);
	textframes_destroy(s->frames);
	if (s->host)
		made_host_destroy(s->host);
	free(s->text);
}

void stage_press(struct stage *s, const char *keys)
{
	while (*keys) {
		size_t n = strcspn(keys, " ");
		struct key key = {0};
		struct console_effect effect;

		if (!key_parse(keys, n, &key.code))
			fail_msg("no key %.*s", (int)n, keys);
		console_key(s->console, &key);
		while (console_effect(s->console, &effect))
			;
		console_draw(s->console, s->surface);
		keys += n + (keys[n] == ' ');
	}
}

void stage_type(struct stage *s, const char *text)
{
	console_type(s->console, text);
	console_draw(s->console, s->surface);
}

void stage_check(struct stage *s, const char *name)
{
	console_draw(s->console, s->surface);
	golden_check(s->surface, name);
}

bool stage_shows(struct stage *s, const char *text)
{
	char *all = surface_text(s->surface);
	bool found;

	assert_non_null(all);
	found = strstr(all, text) != NULL;
	free(all);
	return found;
}
