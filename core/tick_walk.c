#include "tick_walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"
#include "view.h"

enum { WALKS_MAX = 4, WALK_IDLE = 256 };

struct walk {
	struct source *source;
	char table[SCHEMA_NAME_MAX + 1];
	struct cursor *start, *end;
	uint64_t used;
};

struct tick_walks {
	struct walk walks[WALKS_MAX];
	size_t n;
	uint64_t runs;
};

static void walk_close(struct walk *w)
{
	cursor_destroy(w->start);
	cursor_destroy(w->end);
	memset(w, 0, sizeof(*w));
}

void tick_walks_destroy(struct tick_walks *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		walk_close(&s->walks[i]);
	free(s);
}

/* Cursors of large tables do not stay for questions that nobody asks any more. */
static void forget_idle(struct tick_walks *s)
{
	for (size_t i = s->n; i-- > 0;) {
		if (s->runs - s->walks[i].used <= WALK_IDLE)
			continue;
		walk_close(&s->walks[i]);
		s->walks[i] = s->walks[--s->n];
	}
}

static struct walk *walk_of(struct tick_walks *s, struct source *source, const char *table)
{
	const char *names[] = {table, NULL};
	struct walk *w = NULL;

	s->runs++;
	forget_idle(s);
	for (size_t i = 0; i < s->n; i++) {
		struct walk *at = &s->walks[i];

		if (at->source == source && !strcmp(at->table, table)) {
			at->used = s->runs;
			return at;
		}
		if (!w || at->used < w->used)
			w = at;
	}
	if (s->n < WALKS_MAX)
		w = &s->walks[s->n++];
	else
		walk_close(w);
	memset(w, 0, sizeof(*w));
	w->source = source;
	snprintf(w->table, sizeof(w->table), "%s", table);
	w->used = s->runs;
	w->start = cursor_create(source, names);
	w->end = cursor_create(source, names);
	if (w->start && w->end)
		return w;
	walk_close(w);
	*w = s->walks[--s->n];
	return NULL;
}

bool tick_row(struct tick *t, size_t i, size_t *ret_slot)
{
	struct derive *d = &t->derive;
	size_t slot = i;

	if (i < t->nrows) {
		d->end = cursor_row(d->end_cursor, t->schema, i, &t->end);
	} else {
		d->end = cursor_ended(d->end_cursor, t->schema, i - t->nrows, &slot);
		/* Kept from an earlier tick. */
		if (d->end && d->end->ended_ns <= t->from_ns)
			d->end = NULL;
	}
	if (!d->end)
		return false;
	d->start = NULL;
	if (d->start_schema)
		d->start = cursor_row_serial(d->start_cursor, d->start_schema, slot, d->end->serial, &t->start);
	*ret_slot = slot;
	return true;
}

/* Both cursors stand. */
static void look(struct walk *w, uint64_t *const counts[2], struct tick *t)
{
	struct segment *segment = cursor_segment(w->end), *start = cursor_segment(w->start);
	struct table_view now, before;

	memset(t, 0, sizeof(*t));
	t->frame_ns = cursor_mono_ns(w->end);
	if (!cursor_table(w->end, w->table, &now))
		return;
	t->state = now.state;
	t->schema = now.schema;
	if (!now.sample_ns)
		return;
	t->at_ns = now.sample_ns;
	t->derive = (struct derive){.schema = now.schema,
				    .end_cursor = w->end,
				    .start_cursor = w->start,
				    .sample_ns = now.sample_ns,
				    .host = &segment->host,
				    .wall_offset_ns = (int64_t)((uint64_t)cursor_wall_ns(w->end) - t->frame_ns),
				    .counts = {counts[0], counts[1]}};
	/* On the very first frame there is nothing before. */
	if (cursor_mono_ns(w->start) < t->frame_ns && cursor_table(w->start, w->table, &before)) {
		if (before.sample_ns >= now.sample_ns)
			return; /* not sampled in this tick */
		if (start->meta.writer == segment->meta.writer && query_same_form(now.schema, before.schema)) {
			t->derive.start_schema = before.schema;
			t->from_ns = before.sample_ns;
		}
	}
	t->sampled = true;
	t->nrows = now.nrows;
	t->nended = t->from_ns ? cursor_nended(w->end, now.schema) : 0;
}

int tick_walk(struct view *v, struct source *source, const struct segment_info *info, const char *table, size_t first,
	      uint64_t *const counts[2], tick_take *take, void *of, uint64_t *ret_frames)
{
	struct tick_walks **at = view_walks(v);
	struct segment *segment;
	struct walk *w;
	int err;

	*ret_frames = 0;
	if (!*at && !(*at = calloc(1, sizeof(**at))))
		return -ENOMEM;
	w = walk_of(*at, source, table);
	if (!w)
		return -ENOMEM;
	/* Where it stands in this segment already, it stays: going back would decode it again. */
	segment = cursor_segment(w->end);
	if (!segment || segment->meta.seq != info->seq || cursor_mono_ns(w->end) < info->from_ns) {
		cursor_keep_since(w->end, info->from_ns);
		err = cursor_seek(w->end, info->from_ns, NULL);
	} else {
		err = cursor_seek(w->end, cursor_mono_ns(w->end), NULL);
	}
	if (err && err != -EBADMSG)
		return err;
	segment = cursor_segment(w->end);
	if (!segment || segment->meta.seq != info->seq)
		return -ESTALE;
	segment_lock(segment);
	err = 0;
	for (size_t i = first; i < segment->nframes && !err; i++) {
		uint64_t now = segment->frames[i].mono_ns;
		uint64_t previous = i ? segment->frames[i - 1].mono_ns : now ? now - 1 : 0;
		struct tick t;

		/* Who ended in this frame, and nobody from before it. */
		cursor_keep_since(w->end, i ? previous + 1 : info->from_ns);
		err = cursor_seek(w->end, now, NULL);
		if (!err)
			err = cursor_seek(w->start, previous, NULL);
		if (err)
			break;
		look(w, counts, &t);
		err = take(of, &t);
	}
	*ret_frames = segment->nframes;
	segment_unlock(segment);
	return err == -EBADMSG ? 0 : err;
}
