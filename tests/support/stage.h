/* The program's panels over a made-up machine (made_host.h) or over frames that a test tells as text (textframes.h), driven by
 * keys, seen as screens. Each step draws, as the loop does. All of it fails the running test where it cannot. */
#ifndef SUPPORT_STAGE_H
#define SUPPORT_STAGE_H

#include <stdio.h>
#include <stdlib.h>

#include "console_data.h"
#include "panels.h"
#include "support/golden.h"
#include "support/made_host.h"
#include "textframes.h"

#define SECOND 1000000000ULL

struct stage {
	struct made_host *host; /* NULL: it is over what was told */
	struct textframes *frames; /* NULL: it is over a made-up machine */
	struct view *view;
	struct console_data data;
	struct console *console;
	struct surface *surface;
	enum console_mode mode; /* of the consoles that stage_again() makes */
	const struct clock *clock; /* likewise; NULL: they ask all at once */
	char *text; /* what was told and is not in the frames yet; len bytes before the '\0' */
	size_t len, cap;
};

/* After so many seconds of the machine; drawn twice. */
void stage_open(struct stage *, const struct made_host_options *, unsigned seconds, const char *panel, int w, int h, enum text_form);
/* Tells on, in the language of textframes.h: before stage_open_text() of a stage that is {0}, or before stage_tell_end(). */
void stage_tell(struct stage *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Over `text`, which may be what was told (s->text); drawn twice. But for what was told, the stage is {0} before. */
void stage_open_text(struct stage *, const char *text, const char *panel, int w, int h, enum text_form);
/* What was told since then happens, and is drawn. */
void stage_tell_end(struct stage *);
void stage_close(struct stage *);
/* A console as it begins, over the same machine. */
void stage_again(struct stage *, const char *panel);
/* What is new is taken in; not drawn. */
void stage_now(struct stage *);
/* Taken in and drawn. */
void stage_draw(struct stage *);
/* Keys by name, separated by blanks: "j j Enter". What they have as effects is thrown away. */
void stage_press(struct stage *, const char *keys);
void stage_type(struct stage *, const char *text);
/* Against the golden of that name. */
void stage_check(struct stage *, const char *name);
bool stage_shows(struct stage *, const char *text);

#define assert_shows(s, text)                                                                                          \
	do {                                                                                                           \
		if (!stage_shows(s, text)) {                                                                           \
			char *all_ = surface_text((s)->surface);                                                       \
			fprintf(stderr, "%s", all_);                                                                   \
			free(all_);                                                                                    \
			fail_msg("the screen does not show \"%s\"", text);                                             \
		}                                                                                                      \
	} while (0)

#endif
