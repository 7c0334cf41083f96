/* Whose rows: the lens's scope applied to a table by its key (or its beginning), its parent, or its column `cgroup`. */
#include <errno.h>
#include <string.h>

#include "query_internal.h"

enum relation {
	NONE,
	BY_KEY,    /* its own key is the scope's */
	BY_PARENT, /* its parent's key is */
	BY_PATH,   /* its key, parent or column holds a cgroup path */
	BY_JOIN,   /* its process has a row in another table, which has a cgroup path */
};

struct relating {
	enum relation how;
	const uint16_t *columns;
	uint32_t n;
	uint16_t path; /* BY_PATH: column */
	enum { HOST, CGROUP, PROCESS, THREAD } level;
	const struct schema_table *other; /* BY_JOIN */
};

static bool is(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

/* Things of a thread, several of each (its stacks): their key begins with the thread's. */
static bool begins_with_thread(const struct schema_table *t)
{
	return t->nkeys > 2 && is(t->columns[t->keys[0]].name, "tid") && is(t->columns[t->keys[1]].name, "start");
}

static bool by_cells(struct relating *r, const struct schema_table *t, const char *key)
{
	if ((is(t->key, key) && t->nkeys == 2) || (is(key, "thread") && begins_with_thread(t))) {
		r->how = BY_KEY;
		r->columns = t->keys;
		r->n = 2;
	} else if (is(t->parent, key) && t->nparent == 2) {
		r->how = BY_PARENT;
		r->columns = t->parents;
		r->n = t->nparent;
	} else {
		return false;
	}
	return true;
}

static bool by_path(struct relating *r, const struct schema_table *t)
{
	int column = schema_column(t, "cgroup");

	if (is(t->key, "cgroup") && t->nkeys == 1)
		column = t->keys[0];
	else if (is(t->parent, "cgroup") && t->nparent == 1)
		column = t->parents[0];
	if (column < 0 || t->columns[column].type != CULPRIT_TEXT)
		return false;
	r->how = BY_PATH;
	r->path = (uint16_t)column;
	return true;
}

static struct relating relate(const struct schema *s, const struct lens_scope *scope, const struct schema_table *t)
{
	struct relating r = {.how = NONE, .level = HOST};

	if (scope->has_thread && by_cells(&r, t, "thread")) {
		r.level = THREAD;
		return r;
	}
	if (scope->has_process && by_cells(&r, t, "process")) {
		r.level = PROCESS;
		return r;
	}
	if (!scope->has_cgroup)
		return r;
	r.level = CGROUP;
	if (by_path(&r, t))
		return r;
	for (uint32_t i = 0; i < s->ntables; i++) {
		struct relating other = {.how = NONE};

		if (is(s->tables[i]->key, "process") && s->tables[i]->nkeys == 2 && s->tables[i] != t &&
		    by_path(&other, s->tables[i]) && by_cells(&r, t, "process")) {
			r.how = BY_JOIN;
			r.other = s->tables[i];
			return r;
		}
	}
	return (struct relating){.how = NONE, .level = HOST};
}

const char *query_scope_needs(struct query *q, const struct lens *lens, const struct schema_table *t)
{
	struct relating r = relate(view_schema(q->view), &lens->scope, t);

	return r.how == BY_JOIN ? r.other->name : NULL;
}

/* pid or tid, and start time, where the scope knows it. */
static bool cells_match(const struct relating *r, const struct row *row, uint64_t id, uint64_t start)
{
	return row->states[r->columns[0]] == FORMAT_CELL_OK && row_cell(row, r->columns[0]) == id &&
	       (!start || (row->states[r->columns[1]] == FORMAT_CELL_OK && row_cell(row, r->columns[1]) == start));
}

static bool matches(struct query *q, const struct relating *r, const struct row *row)
{
	const struct lens_scope *s = &q->lens.scope;
	struct row_key key;
	const char *path;
	size_t len;

	switch (r->how) {
	case BY_KEY:
	case BY_PARENT:
		return r->level == THREAD ? cells_match(r, row, s->tid, s->thread_start_ticks) :
					    cells_match(r, row, s->pid, s->start_ticks);
	case BY_PATH:
		if (row->states[r->path] != FORMAT_CELL_OK)
			return false;
		path = segment_text(row->segment, row_cell(row, r->path), &len);
		return path && lens_cgroup_holds(s->cgroup, strlen(s->cgroup), path, len);
	case BY_JOIN:
		query_row_key(q->schema, row, r->columns, r->n, &key);
		return query_find(q->scope, &key) >= 0;
	default:
		return true;
	}
}

int query_scope_apply(struct query *q, struct culprit_error *error)
{
	const struct lens_scope *s = &q->lens.scope;
	struct relating r;
	size_t kept = 0;

	if (!s->has_cgroup && !s->has_process && !s->has_thread)
		return 0;
	r = relate(q->schema_ref, s, q->schema);
	if (r.how == NONE) {
		q->host_wide = true;
		return 0;
	}
	if (r.how == BY_JOIN) {
		struct lens lens = lens_window(q->from_ns, q->to_ns);
		int err;

		lens.scope = *s;
		if (!query_helper(&q->scope, q->view))
			return -ENOMEM;
		q->scope->unsorted = true;
		err = query_run(q->scope, &lens, r.other->name, QUERY_RAW, error);
		if (err && err != -EBADMSG)
			return err;
		/* The helper shares our place, or took another: ours must not have moved. */
		if (!query_stands(q))
			return -ESTALE;
	}
	q->nended = 0;
	for (size_t i = 0; i < q->nrows; i++) {
		struct row memory;

		if (!matches(q, &r, query_row_end(q, query_at(q, i), &memory)))
			continue;
		q->nended += query_at(q, i)->ended && !query_at(q, i)->folded;
		query_row_keep(q, kept++, i);
	}
	q->nrows = kept;
	return 0;
}
