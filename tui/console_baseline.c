/* What the console compares with: a window of its own past, or another recording. It holds for all the way down and back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "console_state.h"
#include "error.h"
#include "timeparse.h"
#include "units.h"

static void set_all(struct console *c, bool has, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < c->stack.n; i++) {
		struct lens *l = &c->stack.lens[i];

		l->has_baseline = has;
		l->baseline_from_ns = has ? from : 0;
		l->baseline_to_ns = has ? to : 0;
	}
	c->stale = true;
}

static void use(struct console *c, struct view *other, uint64_t from, uint64_t to)
{
	if (c->options.view)
		view_set_baseline(c->options.view, other);
	set_all(c, true, from, to);
}

void console_compare(struct console *c, const struct lens *lens, const char *name)
{
	struct baseline *b = &c->baseline;

	b->other = c->options.view ? view_baseline(c->options.view) : NULL;
	b->given = true;
	b->from_ns = lens->baseline_from_ns;
	b->to_ns = lens->baseline_to_ns;
	snprintf(b->name, sizeof(b->name), "%s", name);
	use(c, b->other, b->from_ns, b->to_ns);
}

bool console_baseline_here(const struct console *c, uint64_t *ret_from, uint64_t *ret_to)
{
	const struct lens *l = console_lens(c);

	if (!l->has_baseline || (c->options.view && view_baseline(c->options.view)))
		return false;
	*ret_from = l->baseline_from_ns;
	*ret_to = l->baseline_to_ns;
	return true;
}

/* What was given at the start, where something was; else none. */
static void end(struct console *c)
{
	const struct baseline *b = &c->baseline;
	char shown[200], text[PANEL_MESSAGE_MAX];

	if (b->given && b->other) {
		use(c, b->other, b->from_ns, b->to_ns);
		text_sanitise(shown, sizeof(shown), b->name, strlen(b->name), TEXT_UTF8);
		snprintf(text, sizeof(text), "compared with %s again", shown);
		console_say(c, text);
		return;
	}
	set_all(c, false, 0, 0);
	console_say(c, "no baseline any more");
}

void console_baseline_key(struct console *c)
{
	uint64_t from, to, base_from, base_to;
	char say[256];
	bool live;

	console_window(c, &from, &to, &live);
	if (!c->now.to_ns) {
		console_say(c, "there is nothing to compare with yet");
		return;
	}
	/* What lies before all that is held is no part of it. */
	if (from < c->now.from_ns)
		from = c->now.from_ns;
	if (console_baseline_here(c, &base_from, &base_to) && base_from == from && base_to == to) {
		end(c);
		return;
	}
	use(c, NULL, from, to);
	console_baseline_say(c, TEXT_ASCII, say, sizeof(say));
	snprintf(c->message, sizeof(c->message), "%s from now on; go elsewhere in time; d sorts by change", say);
	c->message_is_error = false;
}

int console_baseline_command(struct console *c, const char *argument, struct culprit_error *error)
{
	char from_text[64] = "", to_text[64] = "";
	uint64_t from, to;
	int err;

	if (!*argument) {
		console_baseline_key(c);
		return 0;
	}
	if (!strcmp(argument, "none")) {
		if (c->options.view)
			view_set_baseline(c->options.view, NULL);
		set_all(c, false, 0, 0);
		console_say(c, "no baseline any more");
		return 0;
	}
	if (sscanf(argument, "%63s %63s", from_text, to_text) != 2 || !c->options.view)
		return error_set(error, -EINVAL, "baseline takes none, or two times: baseline 14:00 14:05");
	err = timeparse(c->options.view, from_text, 0, &from, error);
	if (!err)
		err = timeparse(c->options.view, to_text, from, &to, error);
	if (err)
		return err;
	if (from >= to)
		return error_set(error, -EINVAL, "the baseline ends before it begins");
	use(c, NULL, from, to);
	return 0;
}

void console_baseline_say(const struct console *c, enum text_form form, char *out, size_t cap)
{
	const struct lens *l = console_lens(c);
	struct view *other = c->options.view ? view_baseline(c->options.view) : NULL;
	char from[32], to[32], length[32], name[4 * sizeof(c->baseline.name) + 1] = "";
	int64_t offset = c->now.wall_offset_ns;
	int zone = c->now.zone_offset_s;
	bool gone = !other && c->now.to_ns && l->baseline_to_ns <= c->now.from_ns;

	out[0] = '\0';
	if (!l->has_baseline)
		return;
	if (other) {
		offset = view_wall_ns(other, l->baseline_to_ns) - (int64_t)l->baseline_to_ns;
		zone = view_zone_offset(other);
		text_sanitise(name, sizeof(name), c->baseline.name, strlen(c->baseline.name), form);
	}
	snprintf(out, cap, "vs %s%s%s..%s (%s)%s", name, *name ? " " : "",
		 units_clock(from, sizeof(from), (int64_t)l->baseline_from_ns + offset, zone),
		 units_clock(to, sizeof(to), (int64_t)l->baseline_to_ns + offset, zone),
		 units_duration(length, sizeof(length), l->baseline_to_ns - l->baseline_from_ns),
		 gone ? ", no longer held" : "");
}
