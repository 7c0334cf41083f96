/* Who is in a rectangle of the map: events that a collector kept by themselves because they were slow. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "latency.h"
#include "schema.h"
#include "top.h"

static bool is_event_table(struct view *v, const char *name)
{
	const struct schema_table *t = view_table(v, name);

	return t && t->kind == CULPRIT_EVENT && t->time_column >= 0;
}

bool latency_slow_table(struct view *v, const char *table, char *out, size_t cap)
{
	const char *last = strrchr(table, '_');

	snprintf(out, cap, "%s_slow", table);
	if (is_event_table(v, out))
		return true;
	if (last) {
		snprintf(out, cap, "%.*s_slow", (int)(last - table), table);
		if (is_event_table(v, out))
			return true;
	}
	out[0] = '\0';
	return false;
}

/* A cell as row keys have it. */
static uint64_t key_bits(const struct value *v)
{
	uint64_t words[2], bits = 0;

	switch (v->type) {
	case CULPRIT_TEXT:
		return row_key_text(v->text.p, v->text.len);
	case CULPRIT_TASK:
		words[0] = v->task.tid;
		words[1] = v->task.start_ticks;
		return row_key_text(words, sizeof(words));
	case CULPRIT_F64:
		memcpy(&bits, &v->f, sizeof(bits));
		return bits;
	case CULPRIT_BOOL:
		return v->b;
	default:
		return v->u;
	}
}

/* Columns of the event table, -1 where it has none. */
struct columns {
	int time, value, comm, pid, tid, task, behind;
	int keys[SCHEMA_KEYS_MAX];
	int text; /* any text, for tables that follow no convention */
};

static void find_columns(const struct query *q, const struct latency_who_request *ask, struct columns *c)
{
	const struct schema_table *t = query_table(q);

	c->time = t->time_column;
	c->value = ask->column ? query_column_find(q, ask->column) : -1;
	if (c->value < 0)
		c->value = query_column_find(q, "latency");
	c->comm = query_column_find(q, "comm");
	c->pid = query_column_find(q, "pid");
	c->tid = query_column_find(q, "tid");
	c->behind = query_column_find(q, "behind");
	c->task = c->text = -1;
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		if (t->columns[i].type == CULPRIT_TASK && c->task < 0)
			c->task = query_column_find(q, t->columns[i].name);
		if (t->columns[i].type == CULPRIT_TEXT && c->text < 0)
			c->text = query_column_find(q, t->columns[i].name);
	}
	for (uint32_t i = 0; i < SCHEMA_KEYS_MAX; i++)
		c->keys[i] = ask->parent && i < ask->parent->nkeys ?
				     query_column_find(q, ask->parent->columns[ask->parent->keys[i]].name) :
				     -1;
}

static bool number_at(struct query *q, size_t row, int column, double *ret)
{
	struct value v;

	if (column < 0)
		return false;
	query_value(q, row, (size_t)column, &v);
	return value_ok(&v) && value_number(&v, ret);
}

/* "restic 9911", or what there is of it. */
static void name_of(struct query *q, size_t row, const struct columns *c, char *out, size_t cap)
{
	struct value v = {0};
	double pid = 0;
	size_t n = 0;

	out[0] = '\0';
	if (c->comm >= 0)
		query_value(q, row, (size_t)c->comm, &v);
	if (value_ok(&v) && v.type == CULPRIT_TEXT && v.text.len)
		n = (size_t)snprintf(out, cap, "%.*s", (int)(v.text.len < cap - 1 ? v.text.len : cap - 1), v.text.p);
	if (number_at(q, row, c->pid, &pid) || number_at(q, row, c->tid, &pid)) {
		if (n < cap - 1)
			snprintf(out + n, cap - n, n ? " %.0f" : "pid %.0f", pid);
		return;
	}
	if (!n && c->task >= 0) {
		query_value(q, row, (size_t)c->task, &v);
		if (value_ok(&v) && v.type == CULPRIT_TASK) {
			snprintf(out, cap, "tid %llu", (unsigned long long)v.task.tid);
			return;
		}
	}
	if (!n && c->text >= 0) {
		query_value(q, row, (size_t)c->text, &v);
		if (value_ok(&v) && v.type == CULPRIT_TEXT)
			n = (size_t)snprintf(out, cap, "%.*s", (int)(v.text.len < cap - 1 ? v.text.len : cap - 1), v.text.p);
	}
	if (!out[0])
		snprintf(out, cap, "?");
}

/* Which CPU, device, operation: its keys of the parent table; and whom it waited behind, where the table says. */
static void detail_of(struct query *q, size_t row, const struct columns *c, char *out, size_t cap)
{
	struct value v;
	size_t n = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < SCHEMA_KEYS_MAX && n < cap - 1; i++) {
		double x;

		if (c->keys[i] < 0)
			continue;
		query_value(q, row, (size_t)c->keys[i], &v);
		if (value_ok(&v) && v.type == CULPRIT_TEXT)
			n += (size_t)snprintf(out + n, cap - n, "%s%.*s", n ? " " : "", (int)(v.text.len < 40 ? v.text.len : 40),
					      v.text.p);
		else if (value_ok(&v) && value_number(&v, &x))
			n += (size_t)snprintf(out + n, cap - n, "%s%s %.0f", n ? " " : "",
					      query_column(q, (size_t)c->keys[i])->name, x);
	}
	if (c->behind < 0 || n >= cap - 1)
		return;
	query_value(q, row, (size_t)c->behind, &v);
	if (value_ok(&v) && v.type == CULPRIT_TEXT)
		snprintf(out + n, cap - n, "%sbehind %.*s", n ? ", " : "", (int)(v.text.len < 40 ? v.text.len : 40), v.text.p);
}

static bool matches(struct query *q, size_t row, const struct columns *c, const struct latency_who_request *ask,
		    uint64_t *ret_at, double *ret_value)
{
	struct value v;

	query_value(q, row, (size_t)c->time, &v);
	if (!value_ok(&v) || v.type != CULPRIT_U64 || v.u < ask->from_ns || v.u >= ask->to_ns)
		return false;
	*ret_at = v.u;
	if (ask->part_to_ms) {
		int64_t wall = (int64_t)(v.u + (uint64_t)ask->wall_offset_ns);
		uint32_t ms = (uint32_t)(((wall % 1000000000) + 1000000000) % 1000000000 / 1000000);

		if (ms < ask->part_from_ms || ms >= ask->part_to_ms)
			return false;
	}
	*ret_value = 0;
	if (!number_at(q, row, c->value, ret_value)) {
		if (ask->column)
			return false;
	} else if (ask->column && !(*ret_value >= ask->lo && *ret_value < ask->hi)) {
		return false;
	}
	for (uint32_t i = 0; ask->key && i < ask->key->n; i++) {
		if (c->keys[i] < 0)
			continue; /* it does not say */
		/* The row of all together, as of CPU -1. */
		if (query_column(q, (size_t)c->keys[i])->type == CULPRIT_I64 && ask->key->bits[i] == UINT64_MAX)
			continue;
		query_value(q, row, (size_t)c->keys[i], &v);
		if (!value_ok(&v) || key_bits(&v) != ask->key->bits[i])
			return false;
	}
	return true;
}

static void count(struct latency_who *w, const char *name)
{
	w->named++;
	for (size_t i = 0; i < w->ngroups; i++) {
		if (!strcmp(w->groups[i].name, name)) {
			w->groups[i].n++;
			return;
		}
	}
	if (w->ngroups == WHO_GROUPS) {
		w->others++;
		return;
	}
	snprintf(w->groups[w->ngroups].name, LATENCY_NAME, "%s", name);
	w->groups[w->ngroups++].n = 1;
}

static void keep_slowest(struct latency_who *w, struct query *q, size_t row, const struct columns *c, const char *name,
			 uint64_t at, double value)
{
	struct latency_slow *one = top_insert(w->slowest, sizeof(w->slowest[0]), &w->nslowest, WHO_SLOWEST, value);

	if (!one)
		return;
	one->at_ns = at;
	snprintf(one->name, LATENCY_NAME, "%s", name);
	detail_of(q, row, c, one->detail, LATENCY_NAME);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = (const uint64_t *)((const char *)a + LATENCY_NAME), *y = (const uint64_t *)((const char *)b + LATENCY_NAME);

	return *x != *y ? (*x < *y ? 1 : -1) : strcmp(a, b);
}

int latency_who_ask(struct query *q, const struct lens *lens, const struct latency_who_request *ask, uint64_t tick_ns,
		    struct latency_who *w, struct culprit_error *error)
{
	struct lens l = *lens;
	struct columns c;
	struct query_info info;
	size_t n;
	int err;

	memset(w, 0, sizeof(*w));
	if (!ask->table[0])
		return 0;
	snprintf(w->table, sizeof(w->table), "%s", ask->table);
	/* An event is told in a frame behind it. */
	l.live = false;
	l.from_ns = ask->from_ns > tick_ns ? ask->from_ns - tick_ns : 0;
	l.to_ns = ask->to_ns + 2 * tick_ns;
	l.has_range = l.has_baseline = false;
	if (strcmp(l.filter_table, ask->table) != 0)
		l.filter[0] = '\0';
	err = query_run(q, &l, ask->table, 0, error);
	if (err && err != -EBADMSG)
		return err;
	if (!query_table(q) || query_table(q)->time_column < 0)
		return 0;
	find_columns(q, ask, &c);
	query_info(q, &info);
	w->lost = info.lost;
	/* They are in the order of their time: of equals the newest first. */
	n = query_nrows(q);
	w->left_out = ask->newest && n > ask->newest ? n - ask->newest : 0;
	for (size_t i = n; i-- > w->left_out;) {
		char name[LATENCY_NAME];
		double value;
		uint64_t at;

		if (!matches(q, i, &c, ask, &at, &value))
			continue;
		name_of(q, i, &c, name, sizeof(name));
		count(w, name);
		keep_slowest(w, q, i, &c, name, at, value);
	}
	qsort(w->groups, w->ngroups, sizeof(w->groups[0]), by_number);
	return 0;
}
