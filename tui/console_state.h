/* The console's insides, shared by console.c (state and keys), console_draw.c (the lines) and console_command.c (what is
 * typed). Nobody else's business. */
#ifndef TUI_CONSOLE_STATE_H
#define TUI_CONSOLE_STATE_H

#include "chart.h"
#include "console.h"
#include "dialog.h"
#include "prompt.h"

enum { EFFECTS_MAX = 8, PANELS_MAX = 32, CRUMBS_MAX = LENS_DEPTH, HELD_MAX = 64 };

enum prompt_kind { PROMPT_NONE, PROMPT_FIND, PROMPT_FILTER, PROMPT_COMMAND, PROMPT_MARK };

/* One step of the way down, beside the lens of the same place. */
struct crumb {
	char label[PANEL_LABEL_MAX]; /* raw bytes */
	size_t panel;                /* shown before the step was made */
	bool window;                 /* the step was one in time: `before` has the window to come back to */
	struct lens before;
};

/* What is compared with. */
struct baseline {
	struct view *other; /* another recording; NULL: the same */
	char name[128];     /* of that; raw bytes */
	bool given;         /* at the start: from_ns, to_ns of it */
	uint64_t from_ns, to_ns;
};

/* Time as it passes while playing. */
struct player {
	bool playing;
	double speed;
	uint64_t head_ns;  /* where it is, between two frames */
	uint64_t shown_ns; /* the frame it showed: if the lens stands elsewhere, the user moved it */
	uint64_t clock_ns; /* when it moved last */
};

struct console {
	struct console_options options;
	size_t npanels, current;
	void *states[PANELS_MAX];
	struct console_now now;
	struct lens_stack stack;
	struct crumb crumbs[CRUMBS_MAX];
	struct player player;
	struct baseline baseline;
	uint64_t seen_generation; /* of the view, at the last console_now() */
	bool stale; /* the panel has not seen the newest time, lens, data */
	/* Where asking takes long, a key is answered first: with what the panel had, or, where that is of another panel or lens, by
	 * saying that it is read; asked is in the next draw. */
	bool keyed, deferred;            /* by a key it became stale; asking was put off */
	uint64_t update_ns[PANELS_MAX];  /* how long each one's last update took; 0: not known */
	/* What it asks is read in pieces before; what the panel had does not stand any more from the first one on. */
	bool ahead;
	double gone;                     /* of it is there */
	struct query *reader;            /* moves the cursors; NULL: nothing was read yet */
	uint64_t ahead_until_ns;
	bool (*waiting)(void *of);       /* is there a key? */
	void *waiting_of;
	struct key held[HELD_MAX];       /* keys for what is being read: it gets them when it is there */
	size_t nheld;
	bool held_typing;                /* one of them begins a line that is typed */
	size_t seen_panel;               /* who was asked last, + 1, and through which lens */
	struct lens seen_lens;

	char message[PANEL_MESSAGE_MAX]; /* our own or sanitised; until the next key */
	bool message_is_error;
	char trouble[256];               /* the panel's last update failed: why; sanitised */

	enum prompt_kind prompt_kind;
	struct prompt prompt;
	struct prompt_history histories[5];
	char found[PROMPT_MAX];          /* last text looked for */
	char filter_before[LENS_FILTER_MAX];

	bool asking;
	struct dialog dialog;
	bool asks_to_save; /* the question is the one before quitting; else the panel's */
	bool offered_save;
	bool asks_to_act; /* it is about `action` */
	struct console_action action;

	char (*themes)[THEME_NAME_MAX]; /* there are to choose from; NULL: those built in */
	size_t nthemes;
	char theme[256], interval[32]; /* chosen here, to be remembered; "": none was */
	char sandbox[256]; /* own text; "": none */

	bool helping;
	char *listing; /* shown in place of the help; NULL: the help */
	char listing_title[PANEL_LABEL_MAX * 4 + 40];
	uint64_t mark_ns; /* of the mark being typed */
	size_t help_top;

	bool mouse;
	struct rect panel_rect;
	int drawn_w, drawn_h;                     /* of the panel, last */
	bool room_changed;                        /* then */
	int tab_x[PANELS_MAX], tab_w[PANELS_MAX]; /* where line 2 has them; w 0: not there */
	int timeline_w;                           /* columns when drawn last */
	struct chart_time timeline_time;
	struct console_timeline timeline;
	struct console_timeline timeline_part;     /* what is asked for at once */
	uint64_t timeline_to_ns, timeline_from_ns, timeline_step_ns; /* what `timeline` was asked for, */
	size_t timeline_nmarks;                    /* and how many marks there were */
	int timeline_known;                        /* columns that stand as they were: the oldest ones */
	bool timeline_drawn;                       /* once, so that the first screen is out */
	int timeline_left;                         /* columns that are still to be asked for: the first, the oldest ones */

	struct console_effect effects[EFFECTS_MAX];
	size_t neffects;
};

const struct panel *console_panel_at(const struct console *, size_t i);
struct panel_time console_time(const struct console *);
struct lens *console_top(struct console *);
/* Wall clock ns of a time. */
int64_t console_wall(const struct console *, uint64_t mono_ns);
/* Cells that a text takes that is drawn as it is. */
int console_cells(const struct surface *, const char *text);
void console_draw_timeline(struct console *, struct surface *, int y, int w);

void console_effect_push(struct console *, enum console_effect_kind, bool on, const char *argument);
bool console_show_panel(struct console *, size_t panel);
/* Does what an action of the console's own table says. */
bool console_act(struct console *, int action);
/* What a panel wants; `result` is what its action gave back. */
bool console_grant(struct console *, enum panel_result result, const struct panel_request *);
/* The panel by name or title; npanels: none. */
size_t console_find_panel(const struct console *, const char *name, size_t len);
bool console_back(struct console *);
void console_quit(struct console *);
void console_save(struct console *, const char *file); /* NULL or "": a name is made */
void console_set_filter(struct console *, const char *expression);
void console_set_window(struct console *, uint64_t length_ns);

/* console_play.c: standing, playing, going to places in time. */
bool console_play_act(struct console *, int action); /* false: none of its actions */
uint64_t console_frame_shown(struct console *);       /* the newest frame of the window: its end may lie between two */
void console_play_tick(struct console *);            /* time went on */
void console_play_stop(struct console *);
int console_play_speed(struct console *, const char *text, struct culprit_error *);
/* "REPLAY 2x playing", and shorter. */
void console_play_say(const struct console *, char *out, size_t cap, char *brief, size_t brief_cap);

/* console_mark.c */
void console_mark_open(struct console *);
void console_mark_done(struct console *, const char *text);
void console_mark_list(struct console *);
/* console_verdict.c: all findings of the machine in the window, in place of the help. */
void console_verdict(struct console *);

/* console_act.c */
void console_act_open(struct console *);
/* signal, renice, ionice; false: another command. */
bool console_act_command(struct console *, const char *name, const char *argument);
void console_act_answered(struct console *, bool yes);
void console_inspect(struct console *);
const char *console_act_argument(const char *command, size_t i); /* for completion */

/* console_baseline.c */
void console_baseline_key(struct console *);
/* `:baseline`: "", "none", "FROM TO". */
int console_baseline_command(struct console *, const char *argument, struct culprit_error *);
/* "vs 14:01:00Z..14:02:00Z (1m)"; "" where there is none. Sanitised. */
void console_baseline_say(const struct console *, enum text_form, char *out, size_t cap);
/* The baseline in this view, for who marks it; false: none, or elsewhere. */
bool console_baseline_here(const struct console *, uint64_t *ret_from_ns, uint64_t *ret_to_ns);

/* console_ahead.c: reads what the panel will ask for so long. False: not all of it is there, go on with it in the next draw. */
bool console_ahead(struct console *, uint64_t ns);
/* Asks the panel. False: that was put off, and what it has is not what is looked at now. */
bool console_update(struct console *);
/* "reading ... 40%; 2 keys for it" */
void console_ahead_say(const struct console *, char *out, size_t cap);
/* Actions that choose another panel or window, whatever is on the screen. */
bool console_leads_somewhere(int action);
/* Has to wait until it is read: keeps the key for console_catch_up(). */
bool console_hold(struct console *, const struct key *, const struct binding *);

/* console_unused.c: of a key that did nothing, in a sentence; `b` is what it is bound to here, NULL: to nothing. */
void console_say_unused(struct console *, const struct binding *b, uint32_t key);

/* console_keep.c */
void console_interval(struct console *, const char *text);

/* console_complete.c */
void console_complete(struct console *);

/* console_command.c */
void console_prompt_open(struct console *, enum prompt_kind);
bool console_prompt_key(struct console *, const struct key *);
void console_run_command(struct console *, const char *line);
const char *console_prompt_label(const struct console *);

/* console_draw.c */
struct keys_table console_panel_keys(const struct console *);
struct keys_table console_own_keys(const struct console *);
struct rect console_rect_of_panel(int w, int h);

#endif
