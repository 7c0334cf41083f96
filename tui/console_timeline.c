/* The line at the bottom: all of the time there is, with the window in it. Of a long recording it takes a second to know, and a
 * screen doesn't wait for that: the newest columns come first, the others from draw to draw. */
#include <math.h>
#include <string.h>

#include "bar.h"
#include "clock.h"
#include "console_state.h"
#include "marks.h"
#include "text.h"

#define SECOND 1000000000LL

enum {
	COLUMNS_FIRST = 2,            /* asked for at once; twice as many each time */
	COLUMNS_AGAIN = 2,            /* the newest ones may not have been whole when they were asked for */
	DRAW_NS = 30 * 1000 * 1000, /* so long a draw may ask, where there is a clock; */
	FIRST_NS = 2 * 1000 * 1000, /* the first one: what is in the panel is waited for */
};

static uint64_t now_ns(const struct console *c)
{
	return c->options.clock ? c->options.clock->now_ns(c->options.clock, CULPRIT_MONOTONIC) : 0;
}

/* Columns [first, last) of those that end with the window's. */
static void fetch_columns(struct console *c, int first, int last)
{
	struct console_timeline *part = &c->timeline_part;
	uint64_t step = c->timeline_step_ns, to = c->timeline_to_ns;
	int64_t over = console_wall(c, to) % (int64_t)step;
	uint64_t behind = (uint64_t)(c->timeline_w - last) * step;

	if (last < c->timeline_w) {
		to += over > 0 ? step - (uint64_t)over : 0;
		/* The middle of a column, not its edge: the wall clock may have been set since. Before the beginning is nothing. */
		if (to < behind + step || to - behind - step / 2 + step < c->now.from_ns)
			return;
		to -= behind + step / 2;
	}
	for (int i = 0; i < last - first; i++)
		part->values[i] = NAN;
	memset(part->marks, 0, (size_t)(last - first) * sizeof(part->marks[0]));
	part->max = 0;
	part->label[0] = 0;
	c->options.timeline(c->options.timeline_self, c->options.view, to, step, (size_t)(last - first), part);
	memcpy(c->timeline.values + first, part->values, (size_t)(last - first) * sizeof(part->values[0]));
	memcpy(c->timeline.marks + first, part->marks, (size_t)(last - first) * sizeof(part->marks[0]));
	c->timeline.max = part->max;
	memcpy(c->timeline.label, part->label, sizeof(part->label));
	c->timeline.label[sizeof(c->timeline.label) - 1] = 0;
}

/* What was known of these columns stays until it is known anew. Returns how many columns it moved by; -1: nothing was known. */
static int keep(struct console *c, uint64_t to, uint64_t step, int columns)
{
	int64_t moved = console_wall(c, to - 1) / (int64_t)step - console_wall(c, c->timeline_to_ns - 1) / (int64_t)step;
	bool kept = c->timeline_to_ns && c->timeline_step_ns == step && c->timeline_w == columns && moved >= 0 && moved < columns;

	for (int i = 0; i < CONSOLE_TIMELINE_MAX; i++) {
		int from = i + (int)(kept ? moved : 0);

		c->timeline.values[i] = kept && from < columns ? c->timeline.values[from] : NAN;
		c->timeline.marks[i] = kept && from < columns && c->timeline.marks[from];
	}
	return kept ? (int)moved : -1;
}

static size_t marks_known(const struct console *c)
{
	return c->options.view ? marks_count(view_marks(c->options.view)) : 0;
}

/* A moment more has passed, and nothing else: what is past stays as it was. */
static bool only_moved(const struct console *c, int moved)
{
	return moved >= 0 && !c->timeline_left && c->now.from_ns >= c->timeline_from_ns && c->timeline_nmarks == marks_known(c);
}

static void fetch_timeline(struct console *c, int columns)
{
	uint64_t to = c->now.to_ns, span = to - c->now.from_ns, begin = now_ns(c);
	struct chart_time t = chart_time_fit(console_wall(c, to), (int64_t)span, (int64_t)c->now.tick_ns, columns);
	uint64_t limit = c->timeline_drawn ? DRAW_NS : FIRST_NS;
	int n = c->options.clock ? COLUMNS_FIRST : columns;

	c->timeline_time = t;
	if (columns > CONSOLE_TIMELINE_MAX)
		columns = CONSOLE_TIMELINE_MAX;
	if (c->timeline_to_ns != to || c->timeline_step_ns != (uint64_t)t.step_ns || c->timeline_w != columns) {
		int moved = keep(c, to, (uint64_t)t.step_ns, columns), known = only_moved(c, moved) ? columns - moved - COLUMNS_AGAIN : 0;

		c->timeline_to_ns = to;
		c->timeline_from_ns = c->now.from_ns;
		c->timeline_nmarks = marks_known(c);
		c->timeline_step_ns = (uint64_t)t.step_ns;
		c->timeline_w = columns;
		c->timeline_known = known > 0 ? known : 0;
		c->timeline_left = c->options.timeline ? columns : 0;
	}
	/* A few at once. */
	if (c->timeline_known && c->timeline_left == columns)
		n = columns - c->timeline_known;
	while (c->timeline_left) {
		int first = c->timeline_left > c->timeline_known + n ? c->timeline_left - n : c->timeline_known;

		fetch_columns(c, first, c->timeline_left);
		c->timeline_left = first > c->timeline_known ? first : 0;
		n *= 2;
		if (now_ns(c) - begin > limit)
			break;
	}
}

bool console_unfinished(const struct console *c)
{
	return c->timeline_left > 0 || c->deferred;
}

void console_draw_timeline(struct console *c, struct surface *s, int y, int w)
{
	char clock[16], label[4 * sizeof(c->timeline.label) + 1];
	int label_w, columns, x, first, last;
	double max = 0;
	int base_first = -1, base_last = -1;
	uint64_t from, to;
	bool live, compared;

	if (!c->now.to_ns || w < 20)
		return;
	/* The name of what is plotted is known after asking, its room before: it hardly ever changes. */
	text_sanitise(label, sizeof(label), c->timeline.label, strlen(c->timeline.label), surface_form(s));
	label_w = console_cells(s, label);
	label_w = label_w > w / 3 ? w / 3 : label_w;
	compared = console_baseline_here(c, &from, &to);
	columns = w - 6 - 2 - 1 - label_w - 2 * compared;
	fetch_timeline(c, columns);
	if (!*label && c->timeline.label[0]) {
		text_sanitise(label, sizeof(label), c->timeline.label, strlen(c->timeline.label), surface_form(s));
		label_w = console_cells(s, label);
		label_w = label_w > w / 3 ? w / 3 : label_w;
		columns = w - 6 - 2 - 1 - label_w - 2 * compared;
		fetch_timeline(c, columns);
	}
	c->timeline_drawn = true;
	if (compared) {
		base_first = chart_time_column(&c->timeline_time, console_wall(c, from) + 1);
		base_last = chart_time_column(&c->timeline_time, console_wall(c, to));
	}
	chart_clock_format(c->timeline_time.from_ns + c->now.zone_offset_s * SECOND, false, clock, sizeof(clock));
	surface_say(s, 0, y, 5, ROLE_AXIS, clock);
	console_window(c, &from, &to, &live);
	/* A window begins behind its `from`. */
	first = chart_time_column(&c->timeline_time, console_wall(c, from) + 1);
	last = chart_time_column(&c->timeline_time, console_wall(c, to));
	first = first < 0 ? 0 : first;
	last = last >= columns ? columns - 1 : last;
	max = c->timeline.max;
	for (int i = 0; i < columns && !(c->timeline.max > 0); i++)
		if (isfinite(c->timeline.values[i]) && c->timeline.values[i] > max)
			max = c->timeline.values[i];
	x = 6;
	for (int i = 0; i < columns; i++) {
		bool inside = i >= first && i <= last;
		enum role role = inside ? ROLE_CHART_WINDOW : ROLE_CHART;

		if (compared && (i == base_first || (!i && base_first < 0 && base_last >= 0)))
			surface_char(s, x++, y, ROLE_MARK, '(');
		if (i == first)
			surface_char(s, x++, y, ROLE_CHART_WINDOW, '[');
		if (c->timeline.marks[i])
			surface_char(s, x++, y, ROLE_MARK, 'x');
		else
			surface_spark(s, x++, y, role, spark_level(c->timeline.values[i], max));
		if (i == last)
			surface_char(s, x++, y, ROLE_CHART_WINDOW, ']');
		if (compared && i == base_last)
			surface_char(s, x++, y, ROLE_MARK, ')');
	}
	surface_say_right(s, w - label_w, y, label_w, ROLE_AXIS, label);
}
