/* The Latency panel's insides, shared by panel_latency.c (keys), latency_draw.c (the map), latency_say.c (words around it),
 * latency_ask.c (what it asks the view), latency_who.c (who is in a rectangle) and latency_choose.c (lists of histograms and
 * rows). Nobody else's business. */
#ifndef TUI_LATENCY_H
#define TUI_LATENCY_H

#include "heat.h"
#include "hist_series.h"
#include "list.h"
#include "panel.h"
#include "query.h"

enum { LATENCY_NAME = 64, WHO_GROUPS = 64, WHO_SLOWEST = 16, WHO_NEWEST = 2000, STRIPS_MAX = 200, COLUMNS_MOST = 1000 };

enum latency_mode {
	LATENCY_MAP,     /* time x slots of a histogram */
	LATENCY_STRIPS,  /* time x rows of the table: p99 or maximum */
	LATENCY_SECONDS, /* seconds x parts of a second: events */
	LATENCY_MODES,
};

/* A place on the map that stays with its time and slot when the map moves. */
struct latency_corner {
	uint64_t at_ns; /* the middle of its column */
	uint32_t slot;  /* the first of its line; strips: the line; seconds: ms */
};

/* Who is in a rectangle, out of the events in the table's `_slow` table. */
struct latency_who {
	char table[LENS_NAME_MAX]; /* "": there is no such table */
	uint64_t named;            /* events in it */
	uint64_t lost;             /* events of the table lost in the window */
	struct {
		char name[LATENCY_NAME]; /* raw bytes */
		uint64_t n;
	} groups[WHO_GROUPS]; /* the largest first */
	size_t ngroups;
	uint64_t others; /* of more groups than that */
	struct latency_slow {
		double value;
		char name[LATENCY_NAME], detail[LATENCY_NAME]; /* raw bytes */
		uint64_t at_ns;
	} slowest[WHO_SLOWEST]; /* the slowest first */
	size_t nslowest;
	size_t left_out; /* older events that were not looked at */
};

/* Which events. */
struct latency_who_request {
	const char *table;  /* of events */
	const char *column; /* the histogram, or NULL: any value */
	uint64_t from_ns, to_ns; /* [from, to), by their own time */
	double lo, hi;           /* [lo, hi) */
	uint32_t part_from_ms, part_to_ms; /* [from, to) of the second; to 0: any */
	int64_t wall_offset_ns;
	const struct schema_table *parent; /* with `key`: only events of this row; NULL: of any */
	const struct row_key *key;
	size_t newest; /* looks at no more than so many, the newest ones; 0: at all */
};

struct latency_entry {
	char table[LENS_NAME_MAX], column[LENS_NAME_MAX];
	char name[LATENCY_NAME], help[160]; /* raw bytes */
	struct row_key key;                 /* rows: n 0 for all merged */
	bool events, unread;
	bool whole; /* counts the whole machine, although the lens is on a part of it */
	size_t rows;
	unsigned unit;
	struct histogram_stats stats;
};

struct latency {
	struct view *view;
	struct lens lens;
	struct panel_time time;
	bool asked;
	enum latency_mode mode;

	/* What is shown. */
	char table[LENS_NAME_MAX], column[LENS_NAME_MAX];
	bool first;        /* latency_first() has chosen it, nobody else */
	bool first_narrow; /* for a lens on a part of the machine */
	bool whole;        /* it counts the whole machine, although the lens is on a part of it */
	bool one_row;
	struct row_key key;
	char row[LATENCY_NAME]; /* raw bytes */
	bool by_max;            /* strips: the maximum instead of p99 */
	char events[LENS_NAME_MAX];

	/* Room when drawn last: of the map alone. */
	int columns, lines;
	bool list_below;

	/* The answer. */
	int err;
	struct query *query, *slow;
	char reason[256]; /* why there is nothing, or less; raw bytes */
	bool missing;     /* the reason is that the table cannot be had */
	unsigned unit;
	uint64_t tick_ns; /* of what is shown: samples are so far apart */
	int64_t wall_offset_ns;
	struct hist_series series;
	uint64_t *sum, *sum_before; /* SCHEMA_SLOTS_MAX: over the window, over the baseline's */
	uint64_t before_ns;         /* time that sum_before covers; 0: there is no baseline */
	/* What sum_before was asked for: a baseline stands still, and is asked for once. */
	struct lens before_lens;
	struct view *before_view;
	char before_of[2][LENS_NAME_MAX];
	struct row_key before_key;
	struct histogram_stats stats, stats_before;
	struct row_key *keys;
	size_t nkeys, keys_cap, nrows, nleft_out;
	uint64_t lost;
	struct {
		char name[LATENCY_NAME];
		struct row_key key;
	} strips[STRIPS_MAX];
	size_t nstrips;
	uint64_t *seconds; /* [line][column]: events */
	size_t seconds_cap;
	uint32_t part_ms;  /* one line of the seconds */

	/* As drawn: the grid. */
	uint64_t from_ns, step_ns; /* of the columns */
	uint64_t edge_ns;          /* right edge */
	struct heat_rows rows;
	struct heat_scale scale;
	int8_t *levels;
	uint8_t *column_states;
	size_t levels_cap;
	int nlines, ncolumns;
	bool stale; /* something else was chosen since: keys typed ahead must not be taken on what is drawn */

	/* The rectangle. */
	bool pointing, boxed;
	struct latency_corner corner, anchor;
	uint64_t box_n;
	struct latency_who who;

	/* Lists to choose from. */
	enum { CHOOSE_NOTHING, CHOOSE_HISTOGRAM, CHOOSE_ROW } choosing;
	struct latency_entry *entries;
	size_t nentries;
	struct list list;
	struct list_source source;
};

/* --- latency_ask.c --- */

/* Shows this histogram, of all rows. */
void latency_show(struct latency *, const char *table, const char *column);
/* Asks the view for what is shown, in the room there is. */
int latency_ask(struct latency *, struct culprit_error *);
/* The rectangle in columns and lines as they are now; false: none. */
struct latency_box {
	int left, right, low, high;
};
bool latency_box(const struct latency *, struct latency_box *);
/* Times of its edges, [from, to), and values, [lo, hi). */
void latency_box_edges(const struct latency *, const struct latency_box *, uint64_t *ret_from_ns, uint64_t *ret_to_ns,
		       double *ret_lo, double *ret_hi);
/* The corner of a column and a line. */
struct latency_corner latency_corner_at(const struct latency *, int column, int line);
void latency_corner_place(const struct latency *, const struct latency_corner *, int *ret_column, int *ret_line);
/* Is the lens on a part of the machine? */
bool latency_narrow(const struct lens *);
/* Is it the row of all others together: -1 where the others are numbered? */
bool latency_is_total(const struct schema_table *, const struct row_key *);
/* A name for a row of the query, out of its keys; raw bytes. */
void latency_row_name(struct query *, size_t row, char *out, size_t cap);

/* --- latency_who.c --- */

/* The event table that belongs to a table, see docs/COLLECTORS.md; false: there is none. */
bool latency_slow_table(struct view *, const char *table, char *out, size_t cap);
int latency_who_ask(struct query *, const struct lens *, const struct latency_who_request *, uint64_t tick_ns,
		    struct latency_who *, struct culprit_error *);

/* --- latency_choose.c --- */

/* The first choice: a histogram that counted something, of the lens's part of the machine where there is one; else any. false:
 * there is none. */
bool latency_first(struct latency *);
int latency_choose_update(struct latency *, struct culprit_error *);
void latency_choose_open(struct latency *, bool rows);
/* Takes the selected one. */
bool latency_choose_take(struct latency *);
/* One row on, `step` 1 or -1, "all rows" among them. */
bool latency_row_step(struct latency *, int step, struct culprit_error *);

/* --- latency_draw.c --- */

/* As struct panel's; asks anew where there is room for another number of columns or lines than before. */
void latency_draw(void *self, struct surface *, struct rect);
/* Column and line of the map at a place of the screen; false: there is none. */
bool latency_cell_at(const struct latency *, struct rect, int x, int y, int *ret_column, int *ret_line);

/* --- latency_say.c --- */

/* "16.8ms-268ms", ">= 16.8ms", "< 268ms", "all". */
void latency_range_text(double lo, double hi, unsigned unit, char *out, size_t cap);
/* The time of day, of the host. */
void latency_clock_text(const struct latency *, uint64_t ns, char *out, size_t cap);
/* Is the lens a part of this histogram? */
bool latency_seen_in_part(const struct latency *);
/* Lines of the panel's rect, at y. */
void latency_say_title(const struct latency *, struct surface *, struct rect, int y);
void latency_say_legend(const struct latency *, struct surface *, struct rect, int y);
void latency_say_stats(const struct latency *, struct surface *, struct rect, int y);
void latency_say_box(const struct latency *, const struct latency_box *, struct surface *, struct rect, int y);
void latency_say_remarks(const struct latency *, struct surface *, struct rect, int y);
/* The slowest events that are named, in the rect. */
void latency_say_slowest(const struct latency *, struct surface *, struct rect);

#endif
