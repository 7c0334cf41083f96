#include "thread_wakers.h"

#include <stdio.h>
#include <string.h>

#include "query.h"
#include "units.h"

void thread_wakers_finish(struct thread_wakers *w)
{
	query_destroy(w->query);
	w->query = NULL;
}

static double number(struct query *q, size_t row, int column, double none)
{
	struct value v;
	double x;

	if (column < 0)
		return none;
	query_value(q, row, (size_t)column, &v);
	return value_ok(&v) && value_number(&v, &x) ? x : none;
}

static void text(struct query *q, size_t row, int column, char *out, size_t cap)
{
	struct value v = {0};

	out[0] = '\0';
	if (column >= 0)
		query_value(q, row, (size_t)column, &v);
	if (value_ok(&v) && v.type == CULPRIT_TEXT)
		snprintf(out, cap, "%.*s", (int)(v.text.len < cap - 1 ? v.text.len : cap - 1), v.text.p);
}

static void keep(struct thread_wakers *w, double ns, const char *name, const char *reason)
{
	unsigned i = w->n < WAKERS_SHOWN ? w->n : WAKERS_SHOWN - 1;

	if (w->n == WAKERS_SHOWN && w->list[i].ns >= ns)
		return;
	for (; i && w->list[i - 1].ns < ns; i--)
		w->list[i] = w->list[i - 1];
	w->list[i].ns = ns;
	snprintf(w->list[i].name, sizeof(w->list[i].name), "%s", name);
	snprintf(w->list[i].reason, sizeof(w->list[i].reason), "%s", reason);
	w->n += w->n < WAKERS_SHOWN;
}

static void take(struct thread_wakers *w, struct query *q, size_t row, uint64_t to_ns)
{
	double share = number(q, row, query_column_find(q, "wait_pct"), 0), waker = number(q, row, query_column_find(q, "waker_tid"), 0);
	char comm[24], name[48], reason[16];
	struct query_row r;

	text(q, row, query_column_find(q, "reason"), reason, sizeof(reason));
	/* With nothing to do it waits for nobody. */
	if (share <= 0 || !strcmp(reason, "idle") || !query_row(q, row, &r) || to_ns <= r.covered_from_ns)
		return;
	text(q, row, query_column_find(q, "waker"), comm, sizeof(comm));
	if (waker > 0)
		snprintf(name, sizeof(name), "%s %.0f", comm, waker);
	else
		snprintf(name, sizeof(name), "an interrupt");
	keep(w, share / 100 * (double)(to_ns - r.covered_from_ns), name, reason);
}

void thread_wakers_update(struct thread_wakers *w, struct view *view, const struct lens *lens, uint64_t tid, uint64_t start)
{
	struct lens l = *lens;
	struct query_info info;
	struct query *q;

	if (w->query && w->view != view)
		thread_wakers_finish(w);
	w->view = view;
	w->n = 0;
	w->known = false;
	if (!view_table(view, "thread_waker") || (!w->query && !(w->query = query_create(view))))
		return;
	q = w->query;
	l.filter[0] = '\0';
	l.has_baseline = l.has_range = false;
	if (query_run(q, &l, "thread_waker", 0, NULL))
		return;
	query_info(q, &info);
	w->known = info.state != CULPRIT_MISSING && info.sample_ns;
	for (size_t i = 0; i < query_nrows(q); i++)
		if (number(q, i, query_column_find(q, "tid"), -1) == (double)tid &&
		    number(q, i, query_column_find(q, "start"), -1) == (double)start)
			take(w, q, i, info.used_to_ns);
}

void thread_wakers_draw(const struct thread_wakers *w, struct surface *s, int x, int y, int width)
{
	char time[24];
	int used;

	if (!w->known)
		return;
	used = surface_say(s, x, y, width, ROLE_MUTED, w->n ? "waits for" : "waits for nobody");
	for (unsigned i = 0; i < w->n; i++) {
		used += surface_say(s, x + used, y, width - used, ROLE_MUTED, i ? ", " : " ");
		used += surface_put(s, x + used, y, width - used, ROLE_TEXT, 0, w->list[i].name, strlen(w->list[i].name));
		used += surface_sayf(s, x + used, y, width - used, ROLE_MUTED, " %s %s", w->list[i].reason,
				     units_format_short(time, sizeof(time), w->list[i].ns, CULPRIT_NS));
	}
}
