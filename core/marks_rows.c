#include "marks_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <culprit/collector.h>

#include "builder.h"
#include "error.h"
#include "memsource.h"
#include "query.h"
#include "self_tables.h"

struct row_of_mark {
	uint64_t frame_ns, time_ns;
	const char *kind, *text; /* borrowed */
	size_t kind_len, text_len;
};

struct list {
	struct row_of_mark *items;
	size_t n;
	uint64_t from_ns, to_ns;
};

static void add(struct list *l, uint64_t time_ns, const char *kind, size_t kind_len, const char *text, size_t text_len)
{
	/* A window does not have what stands at its first frame: that is what it counts from. */
	uint64_t first = l->from_ns < l->to_ns ? l->from_ns + 1 : l->from_ns;
	uint64_t at = time_ns < first ? first : time_ns > l->to_ns ? l->to_ns : time_ns;

	l->items[l->n++] = (struct row_of_mark){at, time_ns, kind, text, kind_len, text_len};
}

static void add_recorded(struct list *l, struct query *q)
{
	static const char *const names[] = {[MARK_TIME] = "time", [MARK_KIND] = "kind", [MARK_TEXT] = "text"};

	for (size_t i = 0; i < query_nrows(q); i++) {
		struct value v[3];
		bool whole = true;

		for (int k = 0; k < 3; k++) {
			int c = query_column_find(q, names[k]);

			if (c >= 0)
				query_value(q, i, (size_t)c, &v[k]);
			whole = whole && c >= 0 && v[k].state == VALUE_OK && (k == MARK_TIME || v[k].type == CULPRIT_TEXT);
		}
		if (whole)
			add(l, v[MARK_TIME].u, v[MARK_KIND].text.p, v[MARK_KIND].text.len, v[MARK_TEXT].text.p, v[MARK_TEXT].text.len);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct row_of_mark *x = a, *y = b;

	return x->frame_ns != y->frame_ns ? (x->frame_ns < y->frame_ns ? -1 : 1) : x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* A frame for each time at which something was marked, and one at either end. */
static int write_frames(const struct list *l, struct view *v, struct writer *w)
{
	struct builder *b = writer_builder(w);
	uint64_t at = l->from_ns;
	size_t i = 0;

	for (;;) {
		struct culprit_frame *f;
		int r;

		builder_begin(b, at, view_wall_ns(v, at));
		f = builder_frame(b, 0, 1);
		culprit_table(f, 0);
		for (; i < l->n && l->items[i].frame_ns == at; i++) {
			culprit_row(f);
			culprit_put_u64(f, MARK_TIME, l->items[i].time_ns);
			culprit_put_text(f, MARK_KIND, l->items[i].kind, l->items[i].kind_len);
			culprit_put_text(f, MARK_TEXT, l->items[i].text, l->items[i].text_len);
			culprit_end(f);
		}
		r = builder_frame_end(b, 0, NULL, 0, 1, NULL);
		if (!r)
			r = writer_commit(w);
		if (r || at == l->to_ns)
			return r ? r : writer_finish_segment(w);
		at = i < l->n ? l->items[i].frame_ns : l->to_ns;
	}
}

static int write_all(const struct list *l, struct view *v, struct memsource *mem)
{
	struct schema *schema = schema_create();
	const struct host_info *host = view_host(v);
	struct writer *w = NULL;
	int r = -ENOMEM;

	if (schema && host && schema_add(schema, &mark_table, NULL) >= 0)
		w = writer_create(schema, host);
	if (w && !writer_add_sink(w, memsource_sink(mem)))
		r = write_frames(l, v, w);
	writer_destroy(w);
	schema_unlock(schema);
	return r;
}

int marks_rows(struct view *v, const struct marks *marks, struct source **ret, struct culprit_error *error)
{
	struct memsource *mem = memsource_create();
	struct query *q = query_create(v);
	struct source *source = NULL;
	struct list l = {0};
	struct lens lens;
	int r, damage;

	if (!mem || !q) {
		r = error_set(error, -ENOMEM, "out of memory");
		goto out;
	}
	if (!view_extent(v, &l.from_ns, &l.to_ns)) {
		r = view_nothing(v, error);
		goto out;
	}
	lens = lens_window(l.from_ns ? l.from_ns - 1 : 0, l.to_ns);
	r = query_run(q, &lens, "mark", 0, error);
	damage = r == -EBADMSG ? r : 0;
	/* Of a recording that has no such table those beside it are all there are. */
	if (r && !damage && r != -ENOENT)
		goto out;
	l.items = calloc(query_nrows(q) + marks_count(marks) + 1, sizeof(*l.items));
	if (l.items) {
		add_recorded(&l, q);
		for (size_t i = 0; i < marks_count(marks); i++) {
			const struct mark_note *note = marks_at(marks, i);

			add(&l, view_mono_ns(v, note->wall_ns), "user", strlen("user"), note->text, strlen(note->text));
		}
		qsort(l.items, l.n, sizeof(*l.items), by_time);
	}
	if (l.items && !write_all(&l, v, mem))
		source = memsource_source(mem);
	r = source ? damage : error_set(error, -ENOMEM, "out of memory");
	*ret = source;
out:
	free(l.items);
	query_destroy(q);
	memsource_unlock(mem);
	return r;
}
