/* What a panel is: a file that ends in one `const struct panel`. It asks the view through the lens in update(), keeps what
 * it needs in a state of its own, and draws. It knows no clock, no terminal, no other panel; what it wants of the console
 * (go deeper, say something) it puts into a request. */
#ifndef TUI_PANEL_H
#define TUI_PANEL_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "lens.h"
#include "view.h"

#include "keys.h"
#include "settings.h"
#include "surface.h"

enum { PANEL_LABEL_MAX = 64, PANEL_MESSAGE_MAX = 512 };

/* Time, beside the lens. */
struct panel_time {
	uint64_t first_ns, newest_ns; /* what is held, CLOCK_MONOTONIC; both 0: nothing yet */
	uint64_t tick_ns;             /* sampling interval */
	int64_t wall_offset_ns;       /* wall clock = monotonic + this */
	int zone_offset_s;            /* of the recorded host, east of UTC */
	bool served;                  /* interests are: something samples here; not so in a replay */
	int width;                    /* cells it will be drawn in; 0: not known yet */
};

enum panel_want {
	WANT_NOTHING,
	WANT_DEEPER,  /* look through `lens` from now on (Backspace comes back), show `panel` (NULL: stay in this one) */
	WANT_PANEL,   /* show `panel` without narrowing */
	WANT_FILTER,  /* `message` is the filter from now on, for the panel's table; "": none */
	WANT_TIME,    /* pause at time_ns */
	WANT_MESSAGE, /* say `message` */
	WANT_CONFIRM, /* ask, then call panel->confirmed() */
	WANT_COPY,    /* copy `message` to the clipboard */
};

struct panel_request {
	enum panel_want want;
	const char *panel;
	struct lens lens;             /* WANT_DEEPER: a narrowed copy of what update() got */
	bool window;                  /* WANT_DEEPER: its window counts, too; Backspace brings back the one before */
	char label[PANEL_LABEL_MAX];  /* WANT_DEEPER: for line 1, "java:api 1204"; raw bytes */
	uint64_t time_ns;
	char message[PANEL_MESSAGE_MAX];
	char expect[64]; /* WANT_CONFIRM: what must be typed */
};

/* A process that a row stands for. */
struct panel_target {
	uint64_t pid, start_ticks;
	char name[64]; /* raw bytes, NUL-terminated */
};

/* A question that update() will ask of many rows. */
struct panel_read {
	struct lens lens;
	const char *table;
	bool own; /* nothing that rolls up into it (QUERY_OWN) */
	const char *const *also; /* tables of few rows that are asked for at the same window, up to a NULL; NULL: none */
};

/* What a key did. */
enum panel_result {
	PANEL_IGNORED,
	PANEL_DRAW,   /* looks different */
	PANEL_UPDATE, /* must ask the view again */
};

struct panel {
	const char *name;  /* as --panel and `:` name it: "processes" */
	const char *title; /* on line 2: "Proc" */
	uint32_t key;      /* '0'-'9' or a letter of the console's table; 0: by name only */
	const char *help;  /* a paragraph */
	const struct binding *keys;
	size_t nkeys;

	void *(*create)(void); /* NULL: out of memory */
	void (*destroy)(void *self);
	/* Asks the view; called before draw() when time, lens or its own state (PANEL_UPDATE) changed. `view` is NULL where
	 * there is none (tests). -errno with a sentence: the console shows it and draws what the panel last had. */
	int (*update)(void *self, struct view *, const struct lens *, const struct panel_time *,
		      struct culprit_error *);
	/* Optional: another panel is looked at from now on. Gives back what update() finds anew. */
	void (*rest)(void *self);
	/* Only within the rect. It may keep what scrolling needs (page size). */
	void (*draw)(void *self, struct surface *, struct rect);
	/* An action: a move (ACTION_UP .. ACTION_LAST_FOR_PANEL), or one of its own table. */
	enum panel_result (*action)(void *self, int action, struct panel_request *);
	/* Optional: the table its list shows: filters count for it. */
	const char *(*table)(const void *self);
	/* Optional: what of its questions takes long; without it: its table through the lens. It is read before update() is called, in
	 * pieces, with keys in between, so that update() itself finds it near by. Returns how many, at most cap. */
	size_t (*reads)(const void *self, const struct lens *, const struct panel_time *, struct panel_read *list, size_t cap);
	/* Optional: `:name argument` that neither console nor table knows. -ENOENT: unknown; -EINVAL with a sentence. */
	int (*command)(void *self, const char *name, const char *argument, struct panel_request *, struct culprit_error *);
	/* Optional: names for completion of a command's argument, or NULL at the end: "sort" and "filter" give columns,
	 * "filter=COLUMN" values of it that are there (raw bytes), "" commands of its own. Valid until the next call. */
	const char *(*complete)(void *self, const char *command, size_t i);
	/* Optional: selects the next row that holds the text; false: none. direction: 1, -1, 0 (stay if it matches). */
	bool (*find)(void *self, const char *text, int direction);
	/* Optional: remembers what is selected, or (`restore`) selects that again: a search that was given up. */
	void (*selection)(void *self, bool restore);
	/* Optional: a click into the rect it was drawn in. */
	enum panel_result (*click)(void *self, struct rect, int x, int y, struct panel_request *);
	/* Optional: what must be sampled for it beyond the default. Returns how many, at most cap. */
	size_t (*interests)(const void *self, const struct lens *, struct culprit_interest *, size_t cap);
	/* Optional: one sentence on what the cursor is on (why a cell is `?`); "" for nothing. */
	void (*status)(const void *self, char *out, size_t cap);
	/* Optional: the process that the cursor is on, for signals; false: on none. */
	bool (*target)(void *self, struct panel_target *);
	/* Optional: gives up what is begun (a selection, a list to choose from) before Esc and Backspace mean anything else;
	 * false: nothing is. */
	bool (*escape)(void *self);
	/* Optional: what is remembered of it from one run to the next, under "NAME.": how it is sorted, its columns. */
	void (*keep)(const void *self, const char *name, struct settings *);
	void (*restore)(void *self, const char *name, const struct settings *);
	/* Optional: the question asked by WANT_CONFIRM was answered with yes. */
	enum panel_result (*confirmed)(void *self, struct panel_request *);
};

#endif
