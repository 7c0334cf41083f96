#include "view_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"
#include "summary.h"

/* Frames of one segment on the wanted side of a time: the last at or before it, or the first after it. */
static bool frame_in(struct source *source, const struct segment_info *info, uint64_t at, bool after, uint64_t *ret)
{
	struct segment *s = segment_of(source, info->seq);
	bool found = false;

	if (!s)
		return false;
	/* Of a damaged one, what lies before the damage counts. */
	segment_update(s, source, info->seq, NULL);
	for (size_t i = 0; i < s->nframes; i++) {
		uint64_t mono = s->frames[i].mono_ns;

		if (after ? mono > at : mono <= at) {
			*ret = mono;
			found = true;
			if (after)
				break;
		}
	}
	segment_unlock(s);
	return found;
}

static bool frame_of(struct source *source, uint64_t at, bool after, uint64_t *ret)
{
	size_t n;
	struct segment_info *list = source_segments(source, &n);
	bool found = false;

	for (size_t k = 0; k < n && !found; k++) {
		const struct segment_info *info = &list[after ? k : n - 1 - k];

		if (after ? info->to_ns > at : info->from_ns <= at)
			found = frame_in(source, info, at, after, ret);
	}
	free(list);
	return found;
}

static bool frame(struct view *v, uint64_t at, bool after, uint64_t *ret)
{
	struct source *source;
	bool found = false;

	for (size_t i = 0; (source = view_source(v, i)); i++) {
		uint64_t ns;

		if (frame_of(source, at, after, &ns) && (!found || (after ? ns < *ret : ns > *ret))) {
			*ret = ns;
			found = true;
		}
	}
	return found;
}

bool view_frame_before(struct view *v, uint64_t at_ns, uint64_t *ret_ns)
{
	return frame(v, at_ns, false, ret_ns);
}

bool view_frame_after(struct view *v, uint64_t at_ns, uint64_t *ret_ns)
{
	return frame(v, at_ns, true, ret_ns);
}

/* Its summary says so, where it has one: then its frames need not be decoded. */
static bool has_no_events(struct source *source, const struct segment_info *info)
{
	struct segment *s;
	struct summary *summary = NULL;
	bool none = false;

	if (!info->complete)
		return false;
	s = segment_of(source, info->seq);
	if (s && !segment_update(s, source, info->seq, NULL))
		summary = summary_read(s, NULL);
	for (uint32_t i = 0; summary && i < summary->ntables; i++) {
		none = !summary->tables[i].nevents;
		if (!none)
			break;
	}
	summary_destroy(summary);
	segment_unlock(s);
	return none;
}

/* What the texts of the row say, one after the other. */
static void tell(struct query *q, size_t row, struct view_event *e)
{
	size_t used = 0;

	e->text[0] = '\0';
	for (size_t c = 0; c < query_ncolumns(q); c++) {
		const struct query_column *column = query_column(q, c);
		struct value v;

		query_value(q, row, c, &v);
		if (v.state != VALUE_OK)
			continue;
		if (column->role == CULPRIT_TIME && v.type == CULPRIT_U64)
			e->time_ns = v.u;
		if (v.type != CULPRIT_TEXT || used + 2 >= sizeof(e->text))
			continue;
		used += (size_t)snprintf(e->text + used, sizeof(e->text) - used, "%s%.*s", used ? " " : "",
					 (int)(v.text.len < 200 ? v.text.len : 200), v.text.p);
		used = used < sizeof(e->text) ? used : sizeof(e->text) - 1;
	}
}

/* Nearest row of one table in (from, to]; replaces *ret where it is nearer. Is there any? */
static bool look(struct query *q, const char *table, uint64_t from, uint64_t to, int direction, bool *found,
		 struct view_event *ret)
{
	struct lens lens = lens_window(from, to);
	struct query_row row;
	size_t best = 0;
	bool any = false;
	uint64_t at = 0;

	query_run(q, &lens, table, 0, NULL);
	for (size_t i = 0; i < query_nrows(q); i++) {
		if (!query_row(q, i, &row) || row.began_ns <= from || row.began_ns > to)
			continue;
		if (any && (direction > 0 ? row.began_ns >= at : row.began_ns <= at))
			continue;
		any = true;
		best = i;
		at = row.began_ns;
	}
	if (!any || (*found && (direction > 0 ? at >= ret->frame_ns : at <= ret->frame_ns)))
		return any;
	*found = true;
	ret->frame_ns = ret->time_ns = at;
	snprintf(ret->table, sizeof(ret->table), "%s", table);
	tell(q, best, ret);
	return true;
}

/* Tables that have many events a second on a busy box: stepping from one to the next would lead nowhere. */
static bool is_crowd(const char *table)
{
	size_t n = strlen(table);

	return !strcmp(table, "lifecycle") || (n > 5 && !strcmp(table + n - 5, "_slow"));
}

static bool look_all(struct view *v, struct query *q, uint64_t from, uint64_t to, int direction, bool *found,
		     struct view_event *ret)
{
	const struct schema *schema = view_schema(v);
	bool any = false;

	for (uint32_t i = 0; schema && i < schema->ntables; i++) {
		char name[32];

		if (schema->tables[i]->kind != CULPRIT_EVENT || is_crowd(schema->tables[i]->name))
			continue;
		snprintf(name, sizeof(name), "%s", schema->tables[i]->name);
		any |= look(q, name, from, to, direction, found, ret);
		schema = view_schema(v);
	}
	return any;
}

/* Those kept beside it stand at the first frame that is not before them. */
static void look_marks(struct view *v, uint64_t at, int direction, bool *found, struct view_event *ret)
{
	const struct marks *marks = view_marks(v);

	for (size_t i = 0; i < marks_count(marks); i++) {
		const struct mark_note *note = marks_at(marks, i);
		uint64_t time_ns = view_mono_ns(v, note->wall_ns), frame;

		if (!time_ns || !view_frame_after(v, time_ns - 1, &frame) || (direction > 0 ? frame <= at : frame >= at))
			continue;
		if (*found && (direction > 0 ? frame >= ret->frame_ns : frame <= ret->frame_ns))
			continue;
		*found = true;
		ret->frame_ns = frame;
		ret->time_ns = time_ns;
		snprintf(ret->table, sizeof(ret->table), "mark");
		snprintf(ret->text, sizeof(ret->text), "user %.190s", note->text);
	}
}

bool view_event_find(struct view *v, uint64_t at, int direction, struct view_event *ret)
{
	struct query *q = query_create(v);
	struct source *source;
	bool found = false;

	for (size_t i = 0; q && (source = view_source(v, i)); i++) {
		size_t n;
		struct segment_info *list = source_segments(source, &n);
		bool here = false;

		for (size_t k = 0; k < n && !here; k++) {
			const struct segment_info *info = &list[direction > 0 ? k : n - 1 - k];
			uint64_t from = info->from_ns ? info->from_ns - 1 : 0, to = info->to_ns;

			if (direction > 0 && from < at)
				from = at;
			if (direction < 0 && to >= at)
				to = at ? at - 1 : 0;
			if (from >= to || has_no_events(source, info))
				continue;
			here = look_all(v, q, from, to, direction, &found, ret);
		}
		free(list);
	}
	query_destroy(q);
	look_marks(v, at, direction, &found, ret);
	return found;
}
