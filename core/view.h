/* What a lens looks through: sources in order (own ring, attached ring, a file) and optionally a baseline view. It owns
 * the cursors: queries that ask for the same window share one pair, which moves forward with it. Also the only place
 * that converts between monotonic and wall time of what was recorded. One thread. Not here: what the rows mean (query.h). */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include "cursor.h"
#include "marks.h"
#include "schema.h"
#include "source.h"
#include "writer.h"

struct view;

struct view *view_create(void);     /* NULL: out of memory */
enum { VIEW_KEEP_MOST = 16384 }; /* what a console holds: about 20 MB of processes */
/* Of the rows that ended in a window, and of its events, at most so many of each table are held; of more, the newest. 0, the
 * default: all, whatever memory that takes. For who looks on for days; before the first query. */
void view_keep_most(struct view *, size_t most);
void view_destroy(struct view *);   /* NULL-safe; its sources too; not the baseline view */
/* The view owns the source from now on, also on failure. The first that holds a time answers for it, one that is live (struct
 * source_ops) also for what comes after its newest frame. -ENOSPC: 16 are the most. */
int view_add_source(struct view *, struct source *);
/* The same, in front of another one of its sources. */
int view_add_source_before(struct view *, struct source *, const struct source *before);
/* Takes one of its sources out, between two draws: nothing of it is answered any more, and what it holds is given back. The object
 * itself stays until the view goes: what was read of it may still be looked at. */
void view_remove_source(struct view *, struct source *);
/* From now on this source of the view answers for this table where it holds the time, whoever comes first: it has what the
 * others have not. All that a query of it needs beside (scope, roll-ups) is asked of the same. NULL: no more. -ENOSPC. */
int view_route(struct view *, const char *table, const struct source *);
/* To which source the table is routed; NULL: none in particular. */
const struct source *view_routed(const struct view *, const char *table);
void view_set_baseline(struct view *, struct view *); /* borrowed; NULL: none */
struct view *view_baseline(struct view *);
/* For how many refreshes nobody has asked for that table. */
uint64_t view_route_idle(const struct view *, const char *table);

/* Marks kept beside what it looks at. Borrowed; NULL: none. */
void view_set_marks(struct view *, struct marks *);
struct marks *view_marks(struct view *);

/* Looks what there is now. Until the next call "the newest frame" stays what it is, so that all that is drawn at once
 * agrees. 1: there is something new; 0: no change; -errno with a sentence where no source could be read. */
int view_refresh(struct view *, struct culprit_error *);
/* Damage met so far in what it reads, one sentence; "" where none. Borrowed until the next call of any. */
const char *view_damage(struct view *);
/* What else is to be known of its sources (struct source_ops, notice). */
const char *view_notice(struct view *);
/* For who finds no frame: -ENODATA, and why that is so as far as it is known. */
int view_nothing(struct view *, struct culprit_error *);
/* First and last frame of all sources as of the last refresh; false: there are none. */
bool view_extent(const struct view *, uint64_t *ret_from_ns, uint64_t *ret_to_ns);
/* Counts up with each refresh that found something new. */
uint64_t view_generation(const struct view *);

/* Wall clock, ns since 1970, of a monotonic time and back, by the pair that the nearest earlier segment carries. 0 where
 * there are no frames. */
int64_t view_wall_ns(const struct view *, uint64_t mono_ns);
uint64_t view_mono_ns(const struct view *, int64_t wall_ns);
/* Seconds east of UTC of the recorded host (from "+02:00" in its host block); 0 where not known. */
int view_zone_offset(struct view *);

/* Tables that were asked for at the newest time in one of the last refreshes, not routed, and are not collected where they were
 * looked for; NULL at the end. Borrowed until the next query. */
const char *view_missing(const struct view *, size_t i);

/* What the newest segment says; of several sources all their tables, the host is the first one's. NULL: no frames yet. Borrowed until the next refresh, query or series; as long as the
 * segments say the same, it is the same schema. */
const struct schema *view_schema(struct view *);
const struct host_info *view_host(struct view *);
/* A table of that schema; NULL: none. */
const struct schema_table *view_table(struct view *, const char *name);
/* Near names for a sentence: "; did you mean process?" or "", at most cap bytes. */
const char *view_suggest_table(struct view *, const char *name, char *buf, size_t cap);

/* Bytes held by remembered answers; bounded by view_set_memory (8 MiB by default). */
size_t view_memory(const struct view *);
void view_set_memory(struct view *, size_t bytes);

/* --- for queries and series only --- */

/* A pair of cursors over one source. */
struct place {
	struct source *source;
	struct cursor *start, *end;
	uint64_t from_ns, to_ns;   /* as asked */
	uint64_t generation;       /* changes whenever a cursor moved: row pointers got before are invalid */
	uint64_t first_ns;         /* first frame of the source */
};

/* While it is set (NULL: no more), places are moved for who will ask the same soon (query_ahead): view_place() ends with -EINTR when
 * it is over, and goes on when called again. Borrowed. Each time it is set, one who looks ahead begins: he keeps the places he got. */
void view_set_patience(struct view *, const struct patience *);
/* How much of such a place is there, 0 to 1. */
double view_gone(const struct view *);

/* The queries that follow will ask for these tables as well, of the same window (`tables`: up to a NULL, borrowed until then; NULL: no
 * more): a place that is opened for the first of them has them all, which costs as much as one. */
void view_expect(struct view *, const char *const *tables);
/* A place at this window that has these tables (`tables`: ntables names). `last`: the place used before and its
 * generation then, or NULL. */
int view_place(struct view *, uint64_t from_ns, uint64_t to_ns, const char *const *tables, size_t ntables,
	       struct place *last, uint64_t last_generation, struct place **ret, struct culprit_error *);
/* That this table had no sample in this source from `from_ns` on until `first_ns`, its first one, costs some looking: it is remembered
 * for all who ask. view_late(): that first one, where it lies within the window; 0: not known. first_ns 0: it was not so. */
void view_note_late(struct view *, const struct source *, const char *table, uint64_t from_ns, uint64_t first_ns);
uint64_t view_late(const struct view *, const struct source *, const char *table, uint64_t from_ns, uint64_t to_ns);
/* What a query asked of it before, for this table, is its answer now, too: it is in use. Of a place that stands (below). */
void view_place_used(struct view *, struct place *, const char *table);
/* Is it still there and where it was? */
bool view_place_stands(const struct view *, const struct place *, uint64_t generation);
/* The sources, in order; NULL behind the last. */
struct source *view_source(struct view *, size_t i);
/* The source that answers for this table at this time. NULL: none has frames. */
struct source *view_source_of(struct view *, const char *table, uint64_t mono_ns);
/* Who answers for this table when, within (from, to]: in order, without overlaps, gaps left out. Returns how many. */
struct view_piece {
	struct source *source;
	uint64_t from_ns, to_ns; /* (from, to] */
};
enum { VIEW_PIECES_MAX = 33 };
size_t view_pieces(struct view *, const char *table, uint64_t from_ns, uint64_t to_ns, struct view_piece *);
struct memo *view_memo(struct view *);
/* The source's segments as of its last refresh, copied: a cursor that moves refreshes it. The caller frees. */
struct segment_info *source_segments(struct source *, size_t *ret_n);

#endif
