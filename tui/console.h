/* The console without its terminal: which panel is shown, how far one has gone down, the place in time, what is being
 * typed. Pure: keys, time and data are handed in, a surface and effects come out; so replay scripts it headless and tests
 * compare screens. The loop (loop.h) gives it a terminal and a clock. */
#ifndef TUI_CONSOLE_H
#define TUI_CONSOLE_H

#include "panel.h"
#include "theme.h"

enum { CONSOLE_DEPTH_MAX = 16, CONSOLE_TIMELINE_MAX = SURFACE_MAX };

struct console;
struct clock;

enum console_mode { CONSOLE_LIVE, CONSOLE_REPLAY };

/* What the lines around the panel show, and how far time reaches. Copied. */
struct console_now {
	uint64_t from_ns, to_ns;  /* history that is held: first and newest frame, CLOCK_MONOTONIC; both 0: none yet */
	uint64_t tick_ns;
	int64_t wall_offset_ns;   /* wall clock = monotonic + this */
	int zone_offset_s;        /* seconds east of UTC */
	char host[64];            /* raw bytes */
	char summary[64];         /* "8cpu load 34 31 12"; raw bytes */
	double self_percent;      /* of one CPU; NaN: unknown */
	bool has_recorder;        /* attached to one: what is shown was sampled by it, */
	double recorder_percent;  /* at this cost, of one CPU; NaN: unknown */
	char notice[256];         /* what is missing or was thinned, shown until it is ""; raw bytes */
	uint64_t clock_ns;        /* of who looks on, any beginning: how fast time passes while playing; 0: it stands */
	bool follows;             /* replay: more may come (a pipe, a file that grows) */
};

/* The line at the bottom. Columns are as series_run() has its buckets: the last one holds `to_ns`, their edges lie on wall
 * clock multiples of the step. Asked for when time or width changed. */
struct console_timeline {
	char label[48];                      /* "vda write p99" */
	double max;                          /* 0: of the values */
	double values[CONSOLE_TIMELINE_MAX]; /* NaN: unknown */
	bool marks[CONSOLE_TIMELINE_MAX];
};

enum console_effect_kind {
	EFFECT_NONE,
	EFFECT_QUIT,
	EFFECT_REDRAW,     /* paint everything anew */
	EFFECT_DROP_INPUT, /* a question opened: throw away what was typed ahead */
	EFFECT_THEME,      /* argument: its name */
	EFFECT_MOUSE,      /* on or off */
	EFFECT_INTERVAL,   /* samples time_ns apart from now on; done, console_interval_set() */
	EFFECT_SAVE,       /* the ring into a file; argument: its name, "" for one made up */
	EFFECT_COPY,       /* argument: the text */
	EFFECT_MARK,       /* argument: its text, of the time time_ns */
	EFFECT_ACT,        /* `action`, confirmed by the user */
	EFFECT_INSPECT,    /* `action` names the process; what is read goes to console_list() */
	EFFECT_PRINT,      /* the screen as text into a file; argument: its name, "" for one made up */
};

enum console_action_kind { ACT_SIGNAL, ACT_RENICE, ACT_IONICE };

/* What is to be done to a process, if it still is the one that began then. */
struct console_action {
	enum console_action_kind kind;
	uint64_t pid, start_ticks; /* USER_HZ since boot, as /proc/PID/stat has it */
	char name[64];		   /* raw bytes */
	const char *signal;	   /* ACT_SIGNAL: "TERM"; constant */
	const char *class;	   /* ACT_IONICE: "idle"; constant */
	int value;		   /* ACT_RENICE: the nice value; ACT_IONICE: 0 (first) to 7 (last) */
};

struct console_effect {
	enum console_effect_kind kind;
	bool on;
	uint64_t time_ns;
	struct console_action action;
	char argument[2048];
};

struct console_options {
	const struct panel *const *panels; /* NULL-terminated; in the order of line 2 */
	const char *panel;                 /* shown at first; NULL: the first */
	enum console_mode mode;
	uint64_t window_ns;                /* 0: 60 s */
	struct view *view;                 /* borrowed */
	/* Optional: fills the timeline. */
	int (*timeline)(void *self, struct view *, uint64_t to_ns, uint64_t step_ns, size_t columns,
			struct console_timeline *);
	void *timeline_self;
	/* Optional, borrowed: a draw then takes no longer than a glance, and what it did not come to is console_unfinished(). */
	const struct clock *clock;
	bool readonly;   /* no signals, no renice: said where they are asked for */
	bool offer_save; /* quitting offers W once */
	const char *command; /* how it was started: "culprit" (NULL), "culprit replay box.rec" */
};

/* -EINVAL with a sentence: no such panel. */
int console_create(struct console **ret, const struct console_options *, struct culprit_error *);
void console_destroy(struct console *); /* NULL-safe */

/* What `:sandbox` says. Copied. */
void console_sandbox(struct console *, const char *sentence);
/* The marks changed: the timeline is to be asked for anew. */
void console_marked(struct console *);
/* What is remembered from one run to the next: panel, theme, interval, and what each panel keeps. */
void console_keep(const struct console *, struct settings *);
/* `panel`: which one was shown, too, where none was asked for. */
void console_restore(struct console *, const struct settings *, bool panel);
/* Names for completing :theme. Copied. */
void console_themes(struct console *, char (*names)[THEME_NAME_MAX], size_t n);
/* The user chose this interval, and it is so. */
void console_interval_set(struct console *, uint64_t interval_ns);
/* The user chose this theme. */
void console_theme(struct console *, const char *name);
/* Shows a text in place of the panel, until it is closed. The text is sanitised, on the heap; taken over. */
void console_list(struct console *, const char *title, char *text);
/* New data are there, or time went on. */
void console_now(struct console *, const struct console_now *);
/* So long, by clock_ns, until console_now() has something to do by itself (playing); UINT64_MAX: never. */
uint64_t console_wait_ns(struct console *);
/* A key. True: something changed, draw. */
bool console_key(struct console *, const struct key *);
/* Text as if typed. */
void console_type(struct console *, const char *text);
/* The next effect that a key had; false: none. */
bool console_effect(struct console *, struct console_effect *ret);
/* Draws all of it, asking the view before where it must. */
void console_draw(struct console *, struct surface *);
/* Something that takes long is not all there yet: drawing again goes on with it. */
bool console_unfinished(const struct console *);
/* How to know that a key is there: what takes long is then left for the next draw. `of` is borrowed. */
void console_set_waiting(struct console *, bool (*waiting)(void *of), void *of);
/* What was read is there: keys that waited for it. True: there were some; draw again. */
bool console_catch_up(struct console *);
/* Is what is shown of the panel whole, as far as it was asked for? */
bool console_whole(const struct console *);
/* One sentence for the status line, until the next key. Copied. */
void console_say(struct console *, const char *sentence);
/* The same of something that was not done. */
void console_error(struct console *, const char *sentence);
/* console_say(), behind what is said already. */
void console_say_also(struct console *, const char *sentence);
/* What is to be sampled for what is shown. */
size_t console_interests(struct console *, struct culprit_interest *, size_t cap);

/* Looks through this lens from now on, its window included; where it narrows the scope, Backspace comes back to the whole
 * host. `label`: for line 1, raw bytes. The filter is of the current panel's table. For what was said when the program was
 * started. */
void console_look(struct console *, const struct lens *, const char *label);
/* Compares with the baseline of this lens, of the view's baseline view where it has one: `name` says what that is ("before.rec").
 * What `b` comes back to. */
void console_compare(struct console *, const struct lens *, const char *name);
/* The window looked at: [from, to], CLOCK_MONOTONIC; live follows the newest frame. */
void console_window(const struct console *, uint64_t *ret_from_ns, uint64_t *ret_to_ns, bool *ret_live);
const struct lens *console_lens(const struct console *);
void console_goto(struct console *, uint64_t to_ns); /* pauses there */
const struct panel *console_panel(const struct console *);
void *console_panel_state(struct console *, const char *panel); /* for tests; NULL: none */
/* How this screen can be had again: "--panel threads --to 14:03:22Z --pid 1204". */
void console_command_line(const struct console *, char *out, size_t cap);

#endif
