/* What happened, from several tables and the marks beside a recording, as one list: kernel log, processes that began and
 * ended, OOM kills, marks of the user, marks of the program. Filled from the view, sorted, filtered here; how it looks is the
 * panel's business (panel_events.c). */
#ifndef TUI_EVENTS_H
#define TUI_EVENTS_H

#include "filter.h"
#include "panel.h"
#include "query.h"

enum {
	EVENTS_TABLE_MAX = 10000, /* rows of one table looked at: the newest */
	EVENTS_TEXT_MAX = 640,
	EVENTS_WHO_MAX = 32,
	EVENTS_FOLD_SLOTS = 8192,
};

enum event_kind { EVENT_KERNEL, EVENT_OOM, EVENT_START, EVENT_END, EVENT_SHORT, EVENT_MARK, EVENT_CULPRIT, EVENT_KINDS };

struct event {
	uint64_t time_ns;
	uint8_t kind;
	bool serious;	     /* trouble, by itself */
	bool has_pid;
	uint32_t n;	     /* so many of the same, within a second; 1: one */
	uint32_t at;	     /* its text, at this place of events.texts */
	uint32_t len, short_len; /* bytes of it; those that a list shows, the rest is detail */
	uint64_t pid, ppid;
	char word[12];	     /* as it is called: "start", "io-error"; own text */
	char who[EVENTS_WHO_MAX]; /* raw bytes, NUL-terminated */
};

enum events_order { EVENTS_BY_TIME, EVENTS_BY_KIND, EVENTS_BY_WHO, EVENTS_BY_PID, EVENTS_ORDERS };
enum events_choice { EVENTS_ALL, EVENTS_NO_PROCESSES, EVENTS_SERIOUS, EVENTS_CHOICES };

struct events {
	enum events_order order;
	bool reverse; /* oldest first, names from z */
	enum events_choice choice;
	/* Sorted and filtered: n places of `list`. */
	uint32_t *shown;
	size_t n;
	size_t gathered;  /* before choice and filter */
	size_t left_out;  /* of tables with more than EVENTS_TABLE_MAX */
	uint64_t lost;	  /* never recorded, as the tables say */
	char missing[240]; /* what cannot be told here and why; own or sanitised. "": nothing */
	/* private */
	struct event *list;
	size_t nlist, cap;
	char *texts;
	size_t ntexts, texts_cap;
	struct query *queries[4];
	struct view *view;
	uint32_t folds[EVENTS_FOLD_SLOTS]; /* event + 1 */
};

void events_finish(struct events *);
/* Gathers what lies in the lens's window. -EINVAL with a sentence: the filter is wrong; -ENOMEM; other errors as
 * query_run(), where nothing at all could be had. */
int events_gather(struct events *, struct view *, const struct lens *, const struct panel_time *, struct culprit_error *);
/* Orders and chooses anew what was gathered. */
int events_arrange(struct events *, const struct lens *, struct culprit_error *);
const struct event *events_at(const struct events *, size_t i);
/* Its text; not NUL-terminated, raw bytes. */
const char *events_text(const struct events *, const struct event *);
/* Names of what a filter and `:sort` know; NULL after the last. */
const char *events_column(size_t i);

#endif
