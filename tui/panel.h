/* What a panel is: a file that ends in one `const struct panel`. It asks the view through the lens in update(), keeps what
 * it needs in a state of its own, and draws. It knows no clock, no terminal, no other panel; what it wants of the console
 * (go deeper, say something) it puts into a request. */
#ifndef TUI_PANEL_H
#define TUI_PANEL_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "keys.h"
#include "surface.h"

struct view; /* core/query.h: what is looked through */

enum { SCOPE_KEYS = 4, SCOPE_LABEL_MAX = 64, FILTER_MAX = 512 };

/* One step of the way down: rows that belong to this row of this table. The first step is the host, without key. */
struct scope {
	char table[32];           /* "process", "" for the host */
	uint64_t key[SCOPE_KEYS]; /* numeric keys */
	uint32_t nkey;
	char text[256];           /* or a text key (cgroup, device), NUL-terminated raw bytes; nkey is 0 then */
	char label[SCOPE_LABEL_MAX]; /* for line 1: "java:api 1204", raw bytes */
};

/* Through what a panel looks, shared by all panels. Borrowed during the call. */
struct panel_lens {
	uint64_t from_ns, to_ns;     /* window, CLOCK_MONOTONIC */
	bool live;                   /* to_ns is the newest frame */
	uint64_t tick_ns;            /* sampling interval */
	int64_t wall_offset_ns;      /* wall clock = monotonic + this */
	const struct scope *scopes;  /* way down, host first */
	size_t nscopes;
	const char *filter;          /* expression; "" for none */
};

enum panel_want {
	WANT_NOTHING,
	WANT_DEEPER,  /* narrow by `scope`, show `panel` (NULL: stay in this one) */
	WANT_PANEL,   /* show `panel` without narrowing */
	WANT_TIME,    /* pause at time_ns */
	WANT_MESSAGE, /* say `message` */
	WANT_CONFIRM, /* ask, then call panel->confirmed() */
	WANT_COPY,    /* copy `message` to the clipboard */
};

struct panel_request {
	enum panel_want want;
	const char *panel;
	struct scope scope;
	uint64_t time_ns;
	char message[512];
	char expect[64]; /* WANT_CONFIRM: what must be typed */
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
	int (*update)(void *self, struct view *, const struct panel_lens *, struct culprit_error *);
	/* Only within the rect. It may keep what scrolling needs (page size). */
	void (*draw)(void *self, struct surface *, struct rect);
	/* An action: a move (ACTION_UP .. ACTION_LAST_FOR_PANEL), or one of its own table. */
	enum panel_result (*action)(void *self, int action, struct panel_request *);
	/* Optional: `:name argument` that neither console nor table knows. -ENOENT: unknown; -EINVAL with a sentence. */
	int (*command)(void *self, const char *name, const char *argument, struct panel_request *, struct culprit_error *);
	/* Optional: names for completion of a command's argument, or NULL at the end ("sort" gives columns). */
	const char *(*complete)(void *self, const char *command, size_t i);
	/* Optional: selects the next row that holds the text; false: none. direction: 1, -1, 0 (stay if it matches). */
	bool (*find)(void *self, const char *text, int direction);
	/* Optional: a click into the rect it was drawn in. */
	enum panel_result (*click)(void *self, struct rect, int x, int y, struct panel_request *);
	/* Optional: what must be sampled for it beyond the default. Returns how many, at most cap. */
	size_t (*interests)(const void *self, const struct panel_lens *, struct culprit_interest *, size_t cap);
	/* Optional: one sentence on what the cursor is on (why a cell is `?`); "" for nothing. */
	void (*status)(const void *self, char *out, size_t cap);
	/* Optional: the question asked by WANT_CONFIRM was answered with yes. */
	enum panel_result (*confirmed)(void *self, struct panel_request *);
};

#endif
