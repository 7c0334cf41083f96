/* Marks: a text at a time, typed after m, kept by whoever runs the console; and the list of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console_state.h"
#include "query.h"
#include "units.h"

enum { LISTED_MAX = 500, LINE_BYTES = 4 * 200 + 80 };

void console_mark_open(struct console *c)
{
	if (!c->now.to_ns) {
		console_say(c, "there is nothing to mark yet");
		return;
	}
	/* The frame that was shown when m was pressed, however long the text takes. */
	c->mark_ns = console_frame_shown(c);
	console_play_stop(c);
	console_prompt_open(c, PROMPT_MARK);
}

void console_mark_done(struct console *c, const char *text)
{
	text += strspn(text, " ");
	if (!c->now.to_ns || !*text) {
		console_say(c, "no mark without a text");
		return;
	}
	console_effect_push(c, EFFECT_MARK, false, text);
	c->effects[c->neffects - 1].time_ns = c->mark_ns;
}

void console_marked(struct console *c)
{
	c->timeline_to_ns = 0;
	c->stale = true;
}

static void line(struct console *c, char **at, char *end, int64_t wall, const char *kind, const char *bytes, size_t n)
{
	char when[64], shown[4 * 200 + 1];

	if (end - *at < LINE_BYTES)
		return;
	text_sanitise(shown, sizeof(shown), bytes, n < 200 ? n : 200, TEXT_UTF8);
	units_rfc3339(when, sizeof(when), wall / 1000000000 * 1000000000, c->now.zone_offset_s);
	*at += snprintf(*at, LINE_BYTES, "%s %.20s  %s\n", when, kind, shown);
}

/* Those kept beside the recording, then those in it. */
void console_mark_list(struct console *c)
{
	const struct marks *kept = c->options.view ? view_marks(c->options.view) : NULL;
	struct query *q = c->options.view ? query_create(c->options.view) : NULL;
	struct lens lens = lens_window(c->now.from_ns ? c->now.from_ns - 1 : 0, c->now.to_ns);
	size_t cap = (size_t)LISTED_MAX * LINE_BYTES;
	char *text = malloc(cap), *at = text, *end = text + cap;

	if (!text || !q) {
		query_destroy(q);
		free(text);
		console_say(c, "there are no marks");
		return;
	}
	for (size_t i = 0; i < marks_count(kept); i++) {
		const struct mark_note *note = marks_at(kept, i);

		line(c, &at, end, note->wall_ns, "yours", note->text, strlen(note->text));
	}
	query_run(q, &lens, "mark", 0, NULL);
	for (size_t i = 0; i < query_nrows(q); i++) {
		int when = query_column_find(q, "time"), what = query_column_find(q, "text");
		struct value t, v;

		if (when < 0 || what < 0)
			break;
		query_value(q, i, (size_t)when, &t);
		query_value(q, i, (size_t)what, &v);
		if (t.state == VALUE_OK && v.state == VALUE_OK && v.type == CULPRIT_TEXT)
			line(c, &at, end, (int64_t)t.u + c->now.wall_offset_ns, "recorded", v.text.p, v.text.len);
	}
	query_destroy(q);
	if (at == text) {
		free(text);
		console_say(c, "there are no marks: m sets one");
		return;
	}
	console_list(c, "marks", text);
}
