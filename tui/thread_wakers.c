#include "thread_wakers.h"

#include <stdio.h>
#include <string.h>

#include "number.h"
#include "query.h"
#include "units.h"

/* A chain goes on with what whom one waits for did most, where that took at least this part of the time. */
static const double CHAIN_LEAST = 0.1;

void thread_wakers_finish(struct thread_wakers *w)
{
	query_destroy(w->query);
	query_destroy(w->disks);
	query_destroy(w->times);
	w->query = w->disks = w->times = NULL;
}

static double number(struct query *q, size_t row, const char *column, double none)
{
	int c = query_column_find(q, column);
	struct value v;
	double x;

	if (c < 0)
		return none;
	query_value(q, row, (size_t)c, &v);
	return value_ok(&v) && value_number(&v, &x) ? x : none;
}

static void text(struct query *q, size_t row, const char *column, char *out, size_t cap)
{
	int c = query_column_find(q, column);
	struct value v = {0};

	out[0] = '\0';
	if (c >= 0)
		query_value(q, row, (size_t)c, &v);
	if (value_ok(&v) && v.type == CULPRIT_TEXT)
		snprintf(out, cap, "%.*s", (int)(v.text.len < cap - 1 ? v.text.len : cap - 1), v.text.p);
}

/* One wait of a row: for whom, why, how long in the window. False: of nobody, as it had nothing to do. */
static bool wait_of(struct query *q, size_t row, uint64_t to_ns, struct waker *ret)
{
	double share = number(q, row, "wait_pct", 0);
	struct query_row r;
	char comm[24];

	text(q, row, "reason", ret->reason, sizeof(ret->reason));
	if (share <= 0 || !strcmp(ret->reason, "idle") || !query_row(q, row, &r) || to_ns <= r.covered_from_ns)
		return false;
	ret->ns = share / 100 * (double)(to_ns - r.covered_from_ns);
	ret->tid = number_u64(number(q, row, "waker_tid", 0));
	text(q, row, "waker", comm, sizeof(comm));
	if (ret->tid) {
		snprintf(ret->name, sizeof(ret->name), "%s %llu", comm, (unsigned long long)ret->tid);
		return true;
	}
	/* What interrupts when a disk or a packet was waited for is that. */
	if (!strcmp(ret->reason, "disk") || !strcmp(ret->reason, "network")) {
		snprintf(ret->name, sizeof(ret->name), "%s", ret->reason[0] == 'd' ? "a disk" : "the network");
		ret->reason[0] = '\0';
	} else {
		snprintf(ret->name, sizeof(ret->name), "an interrupt");
	}
	return true;
}

static void keep(struct thread_wakers *w, const struct waker *wait)
{
	unsigned i = w->n < WAKERS_SHOWN ? w->n : WAKERS_SHOWN - 1;

	if (w->n == WAKERS_SHOWN && w->list[i].ns >= wait->ns)
		return;
	for (; i && w->list[i - 1].ns < wait->ns; i--)
		w->list[i] = w->list[i - 1];
	w->list[i] = *wait;
	w->n += w->n < WAKERS_SHOWN;
}

/* "a disk" by its name, where the stacks of this thread say which one it asks most. */
static void name_disk(struct thread_wakers *w, const struct lens *lens, uint64_t tid, struct waker *of)
{
	struct lens l = *lens;
	double most = 0;

	if (of->tid || strcmp(of->name, "a disk") != 0 || !view_table(w->view, "blockio") || (!w->disks && !(w->disks = query_create(w->view))))
		return;
	snprintf(l.filter, sizeof(l.filter), "tid=%llu", (unsigned long long)tid);
	snprintf(l.filter_table, sizeof(l.filter_table), "blockio");
	if (query_run(w->disks, &l, "blockio", 0, NULL))
		return;
	for (size_t i = 0; i < query_nrows(w->disks); i++) {
		double asked = number(w->disks, i, "ask_rate", 0);

		if (asked > most) {
			most = asked;
			text(w->disks, i, "device", of->name, sizeof(of->name));
		}
	}
}

/* Who of the lens waits longest, without idle; of so many threads as fit. */
static bool longest(struct query *q, uint64_t to_ns, uint64_t *ret_tid, uint64_t *ret_start)
{
	struct {
		uint64_t tid, start;
		double ns;
	} who[64];
	size_t n = 0, best = 0;

	for (size_t row = 0; row < query_nrows(q); row++) {
		uint64_t tid = number_u64(number(q, row, "tid", 0));
		struct waker wait;
		size_t i = 0;

		if (!wait_of(q, row, to_ns, &wait) || !strcmp(wait.reason, "idle?"))
			continue;
		while (i < n && who[i].tid != tid)
			i++;
		if (i == sizeof(who) / sizeof(who[0]))
			continue;
		if (i == n) {
			who[n].tid = tid;
			who[n].start = number_u64(number(q, row, "start", 0));
			who[n++].ns = 0;
		}
		who[i].ns += wait.ns;
		best = who[i].ns > who[best].ns ? i : best;
	}
	if (!n)
		return false;
	*ret_tid = who[best].tid;
	*ret_start = who[best].start;
	return true;
}

/* Whom that thread waits for most, of those who are not in `seen` (they hand something to each other: that says nothing new);
 * `ns` 0: for nobody. */
static void next(struct query *q, uint64_t to_ns, uint64_t tid, const uint64_t *seen, unsigned nseen, struct waker *ret)
{
	struct waker wait;

	*ret = (struct waker){.ns = 0};
	for (size_t i = 0; i < query_nrows(q); i++) {
		bool again = false;

		if (number(q, i, "tid", -1) != (double)tid || !wait_of(q, i, to_ns, &wait) || wait.ns <= ret->ns ||
		    !strcmp(wait.reason, "idle?"))
			continue;
		for (unsigned k = 0; k < nseen; k++)
			again |= wait.tid && seen[k] == wait.tid;
		if (!again)
			*ret = wait;
	}
}

/* What it did besides waiting for somebody: it wanted a CPU, or ran. `ns` 0: not known. */
static void work_of(struct thread_wakers *w, const struct lens *lens, uint64_t tid, struct waker *ret)
{
	struct lens l = *lens;
	struct query_info info;

	*ret = (struct waker){.ns = 0};
	if (!view_table(w->view, "thread_time") || (!w->times && !(w->times = query_create(w->view))))
		return;
	snprintf(l.filter, sizeof(l.filter), "tid=%llu", (unsigned long long)tid);
	snprintf(l.filter_table, sizeof(l.filter_table), "thread_time");
	if (query_run(w->times, &l, "thread_time", 0, NULL))
		return;
	query_info(w->times, &info);
	for (size_t i = 0; i < query_nrows(w->times); i++) {
		double runs = number(w->times, i, "cpu_pct", 0), wants = number(w->times, i, "runq_pct", 0);
		struct query_row r;

		if (!query_row(w->times, i, &r) || info.used_to_ns <= r.covered_from_ns)
			continue;
		ret->ns = (runs > wants ? runs : wants) / 100 * (double)(info.used_to_ns - r.covered_from_ns);
		snprintf(ret->name, sizeof(ret->name), "%s", runs > wants ? "" : "a CPU");
	}
}

static void chain(struct thread_wakers *w, const struct lens *lens, uint64_t to_ns)
{
	uint64_t at = w->list[0].tid, seen[WAKERS_CHAIN + 2] = {w->tid};
	double ns = w->list[0].ns;

	while (at && w->nchain < WAKERS_CHAIN) {
		struct waker *link = &w->chain[w->nchain], work;

		seen[w->nchain + 1] = at;
		next(w->query, to_ns, at, seen, w->nchain + 2, link);
		work_of(w, lens, at, &work);
		if (work.ns > link->ns)
			*link = work;
		if (link->ns <= 0 || link->ns < ns * CHAIN_LEAST)
			return;
		name_disk(w, lens, at, link);
		w->nchain++;
		at = link->tid;
		ns = link->ns;
	}
}

void thread_wakers_update(struct thread_wakers *w, struct view *view, const struct lens *lens, uint64_t tid, uint64_t start)
{
	struct lens l = *lens;
	struct query_info info;
	struct query *q;

	if (w->query && w->view != view)
		thread_wakers_finish(w);
	w->view = view;
	w->n = w->nchain = 0;
	w->known = false;
	if (!view_table(view, "thread_waker") || (!w->query && !(w->query = query_create(view))))
		return;
	q = w->query;
	l.filter[0] = '\0';
	l.has_baseline = l.has_range = false;
	/* Whom others wait for, too. */
	l.scope.has_thread = false;
	if (query_run(q, &l, "thread_waker", 0, NULL))
		return;
	query_info(q, &info);
	w->known = info.state != CULPRIT_MISSING && info.sample_ns;
	if (!tid && !longest(q, info.used_to_ns, &tid, &start))
		return;
	w->tid = tid;
	for (size_t i = 0; i < query_nrows(q); i++) {
		struct waker wait;

		if (number(q, i, "tid", -1) != (double)tid || number(q, i, "start", -1) != (double)start)
			continue;
		text(q, i, "comm", w->comm, sizeof(w->comm));
		if (wait_of(q, i, info.used_to_ns, &wait))
			keep(w, &wait);
	}
	for (unsigned i = 0; i < w->n; i++)
		name_disk(w, &l, tid, &w->list[i]);
	if (w->n)
		chain(w, &l, info.used_to_ns);
}

static const char *link_words(const struct waker *w)
{
	return w->name[0] ? ", which waits for " : ", which ran";
}

static size_t say(char *out, size_t cap, size_t at, const char *before, const struct waker *w)
{
	char time[24];
	int n = at < cap ? snprintf(out + at, cap - at, "%s%s%s%s %s", before, w->name, w->reason[0] ? " " : "", w->reason,
				    units_format_short(time, sizeof(time), w->ns, CULPRIT_NS)) : 0;

	return at + (n > 0 ? (size_t)n : 0);
}

void thread_wakers_say(const struct thread_wakers *w, char *out, size_t cap)
{
	size_t at = 0;

	snprintf(out, cap, "%s", w->known && !w->n ? "waits for nobody" : "");
	for (unsigned i = 0; w->known && i < w->n; i++) {
		at = say(out, cap, at, i ? w->nchain ? "; " : ", " : "waits for ", &w->list[i]);
		for (unsigned k = 0; !i && k < w->nchain; k++)
			at = say(out, cap, at, link_words(&w->chain[k]), &w->chain[k]);
	}
}
