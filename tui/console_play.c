/* Time of the console: standing still, following, playing at a speed, and going to frames and events. What plays is the end
 * of the lens's window: it moves from frame to frame, so that a replayed screen is one that was there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console_state.h"
#include "error.h"
#include "units.h"
#include "view_find.h"

#define SECOND 1000000000ULL

#define SPEED_MIN 0.1
#define SPEED_MAX 1000.0
/* Whoever looks away (a laptop that sleeps) has not seen what would have passed meanwhile. */
#define PASSED_MAX (2 * SECOND)
/* Times at which nothing was recorded are passed over from this length on. */
#define GAP_TICKS 20
#define GAP_MIN (10 * SECOND)
/* Draws at most so often, whatever the speed. */
#define DRAW_MIN (100 * 1000000ULL)

static const double speeds[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
enum { NSPEEDS = sizeof(speeds) / sizeof(speeds[0]) };

static bool is_replay(const struct console *c)
{
	return c->options.mode == CONSOLE_REPLAY;
}

/* Does what is newest become older by itself? */
static bool follows(const struct console *c)
{
	return !is_replay(c) || c->now.follows;
}

static bool frame_before(struct console *c, uint64_t at, uint64_t *ret)
{
	if (c->options.view)
		return view_frame_before(c->options.view, at, ret);
	*ret = at - (at - c->now.from_ns) % c->now.tick_ns;
	return at >= c->now.from_ns;
}

static bool frame_after(struct console *c, uint64_t at, uint64_t *ret)
{
	if (c->options.view)
		return view_frame_after(c->options.view, at, ret);
	if (at < c->now.from_ns)
		*ret = c->now.from_ns;
	else
		*ret = at - (at - c->now.from_ns) % c->now.tick_ns + c->now.tick_ns;
	return *ret <= c->now.to_ns;
}

static uint64_t place(const struct console *c)
{
	uint64_t from, to;
	bool live;

	console_window(c, &from, &to, &live);
	return to;
}

uint64_t console_frame_shown(struct console *c)
{
	uint64_t at = place(c), frame;

	return frame_before(c, at, &frame) && frame >= c->now.from_ns ? frame : at;
}

void console_play_stop(struct console *c)
{
	c->player.playing = false;
}

static void play(struct console *c)
{
	uint64_t at = place(c);

	if (!c->now.to_ns)
		return;
	/* At its end it begins anew, as films do. */
	if (at >= c->now.to_ns) {
		console_goto(c, c->now.from_ns);
		at = place(c);
	}
	c->player.playing = true;
	c->player.head_ns = c->player.shown_ns = at;
	c->player.clock_ns = c->now.clock_ns;
	if (console_lens(c)->live)
		lens_pause(console_top(c), at, c->now.to_ns);
	c->stale = true;
}

static void stand(struct console *c)
{
	console_play_stop(c);
	if (c->now.to_ns && console_lens(c)->live)
		lens_pause(console_top(c), c->now.to_ns, c->now.to_ns);
	c->stale = true;
}

static void newest(struct console *c)
{
	console_play_stop(c);
	lens_resume(console_top(c), c->now.to_ns);
	c->stale = true;
}

/* Space: stands still what moves; else live follows again, and replay plays. */
static void toggle(struct console *c)
{
	bool live = console_lens(c)->live;

	if (c->player.playing || (live && follows(c)))
		stand(c);
	else if (is_replay(c))
		play(c);
	else
		newest(c);
}

static void say_gap(struct console *c, uint64_t gap)
{
	char length[32];

	snprintf(c->message, sizeof(c->message), "nothing was recorded for %s: passed over",
		 units_duration(length, sizeof(length), gap));
	c->message_is_error = false;
}

void console_play_tick(struct console *c)
{
	struct player *p = &c->player;
	uint64_t passed, frame, next, at, least;
	double ahead;

	if (!p->playing)
		return;
	at = place(c);
	if (console_lens(c)->live) {
		console_play_stop(c);
		return;
	}
	if (at != p->shown_ns)
		p->head_ns = p->shown_ns = at;
	passed = c->now.clock_ns > p->clock_ns ? c->now.clock_ns - p->clock_ns : 0;
	p->clock_ns = c->now.clock_ns;
	if (passed > PASSED_MAX)
		passed = PASSED_MAX;
	ahead = (double)passed * p->speed;
	p->head_ns = ahead < (double)(c->now.to_ns - at) ? p->head_ns + (uint64_t)ahead : c->now.to_ns;
	least = GAP_TICKS * c->now.tick_ns;
	least = least > GAP_MIN ? least : GAP_MIN;
	if (!frame_before(c, p->head_ns, &frame))
		frame = at;
	if (frame_after(c, frame, &next) && next > frame && next - frame > least && p->head_ns > frame) {
		say_gap(c, next - frame);
		p->head_ns = frame = next;
	}
	if (p->head_ns >= c->now.to_ns) {
		/* What more comes is followed; a recording that has ended stands at its end. */
		newest(c);
		return;
	}
	if (frame > at)
		lens_pause(console_top(c), frame, c->now.to_ns);
	p->shown_ns = place(c);
}

uint64_t console_wait_ns(struct console *c)
{
	const struct player *p = &c->player;
	uint64_t next;
	double wait;

	if (!p->playing)
		return UINT64_MAX;
	if (!frame_after(c, p->head_ns, &next))
		next = c->now.to_ns > p->head_ns ? c->now.to_ns : p->head_ns;
	wait = (double)(next - p->head_ns) / p->speed;
	return wait < (double)DRAW_MIN ? DRAW_MIN : wait > (double)SECOND ? SECOND : (uint64_t)wait;
}

static void set_speed(struct console *c, double speed)
{
	c->player.speed = speed;
	snprintf(c->message, sizeof(c->message), "%gx%s", speed,
		 c->player.playing ? "" : is_replay(c) ? "; Space plays" : "; p plays");
	c->message_is_error = false;
}

static void change_speed(struct console *c, int direction)
{
	for (int i = 0; i < NSPEEDS; i++) {
		double speed = speeds[direction > 0 ? i : NSPEEDS - 1 - i];

		if (direction > 0 ? speed > c->player.speed * 1.0001 : speed < c->player.speed * 0.9999) {
			set_speed(c, speed);
			return;
		}
	}
	console_say(c, direction > 0 ? "1000x is the fastest" : "0.1x is the slowest");
}

int console_play_speed(struct console *c, const char *text, struct culprit_error *error)
{
	char *end;
	double speed = strtod(text, &end);

	if (*end == 'x')
		end++;
	if (end == text || *end || !(speed >= SPEED_MIN && speed <= SPEED_MAX))
		return error_set(error, -EINVAL, "speed takes a number from 0.1 to 1000: speed 10");
	set_speed(c, speed);
	return 0;
}

static void step(struct console *c, int direction)
{
	uint64_t at = place(c), frame;
	bool found;

	console_play_stop(c);
	if (direction < 0) {
		/* From between two frames, the one before. */
		found = at && frame_before(c, at - 1, &frame) && frame > c->now.from_ns;
		if (!found)
			console_say(c, "this is the first frame");
	} else {
		found = frame_after(c, at, &frame);
		if (!found)
			console_say(c, "this is the newest frame");
	}
	if (found)
		console_goto(c, frame);
}

static void event(struct console *c, int direction)
{
	char clock[32], table[4 * 32 + 1], text[PANEL_MESSAGE_MAX / 2];
	struct view_event e;
	uint64_t at = place(c);
	bool found;

	console_play_stop(c);
	found = c->options.view && view_event_find(c->options.view, at, direction, &e);
	/* What happened before the recording stands at its begin, where one may be already. */
	if (!found || (direction < 0 && at <= c->now.from_ns + c->now.tick_ns)) {
		console_say(c, direction > 0 ? "no event or mark after this" : "no event or mark before this");
		return;
	}
	console_goto(c, e.frame_ns);
	text_sanitise(table, sizeof(table), e.table, strlen(e.table), TEXT_UTF8);
	text_sanitise(text, sizeof(text), e.text, strlen(e.text), TEXT_UTF8);
	units_clock(clock, sizeof(clock), (int64_t)e.time_ns + c->now.wall_offset_ns, c->now.zone_offset_s);
	snprintf(c->message, sizeof(c->message), "%s %s: %s", clock, table, text);
	c->message_is_error = false;
}

bool console_play_act(struct console *c, int action)
{
	switch (action) {
	case ACTION_PAUSE:
		toggle(c);
		return true;
	case ACTION_PLAY:
		if (c->player.playing)
			stand(c);
		else
			play(c);
		return true;
	case ACTION_LIVE:
		newest(c);
		return true;
	case ACTION_START:
		console_play_stop(c);
		console_goto(c, c->now.from_ns);
		return true;
	case ACTION_SLOWER:
	case ACTION_FASTER:
		change_speed(c, action == ACTION_FASTER ? 1 : -1);
		return true;
	case ACTION_FRAME_BACK:
	case ACTION_FRAME_ON:
		step(c, action == ACTION_FRAME_ON ? 1 : -1);
		return true;
	case ACTION_EVENT_NEXT:
	case ACTION_EVENT_PREVIOUS:
		event(c, action == ACTION_EVENT_NEXT ? 1 : -1);
		return true;
	default:
		return false;
	}
}

void console_play_say(const struct console *c, char *out, size_t cap, char *brief, size_t brief_cap)
{
	bool live = console_lens(c)->live;

	if (!is_replay(c)) {
		if (c->player.playing)
			snprintf(out, cap, "PLAYING %gx", c->player.speed);
		else
			snprintf(out, cap, "%s", live ? "LIVE" : "PAUSED");
		snprintf(brief, brief_cap, "%s", c->player.playing ? "PLAYING" : out);
		return;
	}
	if (live)
		snprintf(out, cap, "REPLAY %s", follows(c) ? "following" : "end");
	else
		snprintf(out, cap, "REPLAY %gx %s", c->player.speed, c->player.playing ? "playing" : "paused");
	snprintf(brief, brief_cap, "%s", c->player.playing ? "PLAY" : "REPLAY");
}
