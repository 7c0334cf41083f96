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

void stage_open(struct stage *s, const struct made_host_options *host, unsigned seconds, const char *panel, int w, int h,
		enum text_form form)
{
	memset(s, 0, sizeof(*s));
	s->host = made_host_create(host);
	made_host_run(s->host, seconds);
	s->view = view_create();
	assert_non_null(s->view);
	assert_int_equal(view_add_source(s->view, made_host_source(s->host)), 0);
	assert_int_equal(console_data_init(&s->data, s->view), 0);
	s->surface = surface_create(w, h, form);
	assert_non_null(s->surface);
	stage_again(s, panel);
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
	for (int i = 0; i < 2; i++) {
		stage_now(s);
		console_draw(s->console, s->surface);
	}
}

void stage_close(struct stage *s)
{
	surface_destroy(s->surface);
	console_destroy(s->console);
	console_data_finish(&s->data);
	view_destroy(s->view);
	made_host_destroy(s->host);
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
