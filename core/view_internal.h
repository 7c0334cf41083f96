/* What view.c (sources, what is newest, what they say) and view_place.c (places: pairs of cursors) share. */
#ifndef CORE_VIEW_INTERNAL_H
#define CORE_VIEW_INTERNAL_H

#include "error.h"
#include "series_internal.h"
#include "tick_walk.h"
#include "view.h"

enum {
	SOURCES_MAX = 16,
	PLACES_MAX = 12,
	PLACES_OF_ONE = 2, /* that follow the same tables at different windows in one draw, before one of them is moved to and fro */
	PLACE_TABLES_MAX = 64,
	ROUTES_MAX = 64,
	MISSING_MAX = 32,
	LATE_MAX = 32,
	PLACE_ROWS_FEW = 1024, /* rows that nobody asked for may be moved on along with those that were */
	MISSING_KEPT = 4, /* refreshes for which one that was asked for is told */
	PLACE_IDLE = 16, /* turns after which an unused place gives its memory back; */
	PLACE_IDLE_LARGE = 3, /* one of many rows, which may be megabytes: who comes back to it has it read anew */
	PLACE_ROWS_MANY = 8192,
	STALE_TRIES = 4,
	MEMO_BYTES = 8 << 20,
};

struct holder {
	struct source *source;
	bool has;
	bool live; /* more will come: it answers for what is after its newest frame, too */
	uint64_t first_ns, last_ns, newest_seq, newest_size;
	/* As its newest segment says. */
	struct schema *schema;
	struct host_info host;
	bool known;
	uint64_t known_seq;
	uint64_t whole_ns; /* that segment is damaged, and this its last whole frame; 0: it is not */
};

/* A table that another source answers for than whose turn it would be. */
struct route {
	char table[SCHEMA_NAME_MAX + 1];
	const struct source *source;
	uint64_t refresh; /* in which it was asked for last */
};

struct own_place {
	struct place place; /* first: queries see only this */
	/* Those its cursors follow, then those that were asked for at the same window without being there (`nwished`): the next move
	 * takes them along. */
	char tables[PLACE_TABLES_MAX][SCHEMA_NAME_MAX + 1];
	uint64_t asked[PLACE_TABLES_MAX]; /* turn in which each was last asked for */
	size_t ntables, nwished, wished_rows;
	uint64_t turn; /* in which it was last used; see view_turn() */
	size_t keep_most;
	uint64_t shared; /* turn in which a query joined another one here */
	uint64_t ahead;  /* who looked ahead here last: view.aheads; until when */
	uint64_t ahead_to_ns;
	uint64_t stamp;
	int err; /* of the last move */
	struct culprit_error error;
};

struct view {
	struct holder holders[SOURCES_MAX];
	size_t nholders;
	struct source **removed; /* see view_remove_source() */
	size_t nremoved;
	struct view *baseline;
	struct marks *marks;
	struct own_place *places[PLACES_MAX];
	size_t nplaces;
	bool refreshed, has;
	uint64_t first_ns, last_ns, generation, refreshes, stamps, place_generations;
	size_t keep_most; /* see view_keep_most() */
	const struct patience *patience; /* of who looks ahead; NULL: nobody does */
	uint64_t aheads;
	uint64_t turns;
	bool asked; /* in this turn, by who doesn't look ahead */
	const char *const *expected; /* see view_expect() */
	struct route routes[ROUTES_MAX];
	size_t nroutes;
	struct {
		char table[SCHEMA_NAME_MAX + 1];
		uint64_t refresh; /* in which it was asked for last */
	} missing[MISSING_MAX];
	size_t nmissing;
	/* Tables that began late; see view_note_late(). */
	struct late {
		const struct source *source;
		char table[SCHEMA_NAME_MAX + 1];
		uint64_t from_ns, first_ns;
	} late[LATE_MAX];
	size_t late_next;
	struct schema *schema; /* of all sources; the same one as long as they say the same */
	const struct host_info *host;
	struct culprit_error damage; /* met on looking the schema up */
	uint64_t schema_generation; /* of the view when it was looked up */
	struct memo *memo;
	struct series_state *series;
	struct tick_walks *walks;
};

/* NULL: the table is not routed. */
struct route *view_route_of(const struct view *, const char *table);
/* Looks what there is, where nobody has yet. */
void view_refresh_once(struct view *);
/* Counts up when what is drawn is drawn anew: of new data, or because a key asked for something else. */
uint64_t view_turn(const struct view *);
/* NULL-safe; its cursors too. */
void view_place_destroy(struct own_place *);
/* After how many turns in which nobody asks it gives its memory back. */
uint64_t view_place_idle(const struct own_place *);

#endif
