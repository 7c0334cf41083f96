/* What the time before tells of a finding: when it began, who changed then. One walk over the samples of what is asked, of which the view
 * remembers what is past. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_rules.h"
#include "number.h"
#include "series.h"

enum { COLUMNS = 120, CHANGES = 2, CANDIDATES = 2, LOW_RUN = 3, BEFORE_FEWEST = 5 };
#define FIRST_NS 10000000000ull
#define LATE_NS 5000000000ull /* so long it may take until all is measured */
#define SECOND_NS 1000000000ull

struct past {
	struct series_bucket buckets[CHANGES * CANDIDATES][COLUMNS];
	struct series out[CHANGES * CANDIDATES];
};

static void want(struct series_request *r, const char *table, const char *column, const struct row_key *key)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->table, sizeof(r->table), "%s", table);
	snprintf(r->column, sizeof(r->column), "%s", column);
	r->key = *key;
}

static double mean(const struct series *s, size_t from, size_t to)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = from; i < to && i < s->n; i++) {
		if (!s->buckets[i].data)
			continue;
		sum += s->buckets[i].mean;
		n++;
	}
	return n ? sum / (double)n : NAN;
}

/* The bucket with which it began: behind the last run of buckets that were less than half of what it is now. s->n: not known; 0: it was
 * so when what is held begins, which is bucket `held`. Who is first seen well after that was not there before, or did nothing. */
static size_t began_at(const struct series *s, size_t held)
{
	size_t first = s->n, begun, low = 0;
	double now = mean(s, s->n > 5 ? s->n - 5 : 0, s->n);

	for (size_t i = 0; i < s->n && first == s->n; i++)
		if (s->buckets[i].data)
			first = i;
	if (first == s->n || !(now > 0))
		return s->n;
	begun = s->n;
	for (size_t i = s->n; i-- > first;) {
		if (!s->buckets[i].data)
			continue;
		if (s->buckets[i].mean >= now / 2) {
			begun = i;
			low = 0;
		} else if (++low == LOW_RUN) {
			break;
		}
	}
	if (first > held + (LATE_NS + s->step_ns - 1) / s->step_ns)
		return begun;
	return begun == first || (low < LOW_RUN && begun <= first + low) ? 0 : begun;
}

/* By how much each changed when it began, by what they did in its first ten seconds: who was always so is no cause of what is new. So it
 * stays what it is once these have passed, and is remembered. false: nobody did. */
static bool who_changed(struct view *view, struct finding *x, uint64_t to_ns, size_t begun, size_t nchange, struct findings_changed *c)
{
	struct series_request requests[CHANGES * CANDIDATES];
	size_t n = 0, ncandidates = x->other.key.n ? 2 : 1;
	struct past p;
	size_t end = begun + (FIRST_NS + x->since_step_ns - 1) / x->since_step_ns;

	for (size_t i = 0; i < ncandidates; i++)
		for (size_t k = 0; k < nchange; k++, n++) {
			want(&requests[n], "process", x->rule->change[k], i ? &x->other.key : &x->cause.key);
			p.out[n] = (struct series){.buckets = p.buckets[n]};
		}
	if (series_run(view, requests, n, to_ns, x->since_step_ns, COLUMNS, p.out, NULL))
		return false;
	c->by[0] = c->by[1] = 0;
	for (size_t i = 0; i < n; i++) {
		double now = mean(&p.out[i], begun, end), before = mean(&p.out[i], 0, begun);

		c->by[i / nchange] += number_max(now, 0) - number_max(before, 0);
	}
	return true;
}

static void take_change(struct findings *f, struct view *view, struct finding *x, uint64_t to_ns, size_t begun)
{
	struct findings_changed *c = &f->changed;
	size_t nchange = 0;
	double by[CANDIDATES];
	bool same, turned;

	for (; x->rule->change && x->rule->change[nchange] && nchange < CHANGES; nchange++)
		;
	if (!nchange || !x->cause.pid || !x->cause.key.n || begun < BEFORE_FEWEST)
		return;
	/* Whichever of the two comes first now. */
	turned = row_key_equal(&c->cause, &x->other.key) && row_key_equal(&c->other, &x->cause.key) && x->other.key.n;
	same = c->rule == x->rule && row_key_equal(&c->object, &x->key) && c->since_ns == x->since_ns &&
	       (turned || (row_key_equal(&c->cause, &x->cause.key) && row_key_equal(&c->other, &x->other.key)));
	if (!same || !c->last) {
		turned = false;
		c->rule = NULL;
		if (!who_changed(view, x, to_ns, begun, nchange, c))
			return;
		c->rule = x->rule;
		c->object = x->key;
		c->cause = x->cause.key;
		c->other = x->other.key;
		c->since_ns = x->since_ns;
		c->last = to_ns >= x->since_ns + FIRST_NS + x->since_step_ns;
	}
	by[0] = c->by[turned];
	by[1] = c->by[!turned];
	if (!(by[0] > 0) && !(by[1] > 0))
		return;
	if (x->other.name[0] && x->other.key.n && by[1] > by[0]) {
		finding_swap(x);
		by[0] = by[1];
		by[1] = c->by[turned];
	}
	/* The one that changed is told from the other by that, whatever their shares. */
	x->added = by[0] > 3 * by[1];
	if (x->added && x->confidence == FINDING_CANNOT_TELL && !x->nobody)
		x->confidence = FINDING_LIKELY;
}

void findings_since(struct findings *f, struct view *view, uint64_t to_ns, struct finding *x)
{
	struct series_request request;
	struct series_bucket buckets[COLUMNS];
	struct series out = {.buckets = buckets};
	uint64_t first, last, tick = series_tick_ns(view), held;
	size_t begun;

	if (x->ended_ns || !x->table[0] || !view_extent(view, &first, &last) || first >= to_ns)
		return;
	held = to_ns - first < 600000000000u ? to_ns - first : 600000000000u;
	want(&request, x->table, x->column, &x->key);
	x->since_step_ns = series_step(to_ns - held, to_ns, COLUMNS - 1, tick);
	if (series_run(view, &request, 1, to_ns, x->since_step_ns, COLUMNS, &out, NULL))
		return;
	begun = began_at(&out, (int64_t)(first - out.from_ns) > 0 ? (size_t)((first - out.from_ns) / out.step_ns) : 0);
	if (begun == out.n)
		return;
	x->before = begun == 0;
	if (x->before)
		return;
	x->since_ns = out.from_ns + begun * x->since_step_ns;
	take_change(f, view, x, to_ns, begun);
}

/* --- is it over -------------------------------------------------------------------------------------------------- */

enum { ENDED_COLUMNS = 64, ENDED_LOW = 4 };

/* In the last samples it was less than half of what it was while it was, and no more than is well: after a worse beginning it goes on. */
void findings_ended(struct findings *f, struct view *view, uint64_t to_ns, struct finding *x)
{
	struct series_request request;
	struct series_bucket buckets[ENDED_COLUMNS];
	struct series out = {.buckets = buckets};
	/* A group that does nothing has no periods in which it could be stopped. */
	bool absent_is_low = !strcmp(x->column, "throttled_pct");
	uint64_t span = f->data_ns < f->window_ns ? f->data_ns : f->window_ns, step;
	size_t n, last, low = 0;
	double most = 0, low_below;

	/* What must go on to be said goes on. */
	if (!x->table[0] || x->rule->steady || x->since_ns || span > to_ns || span < 10 * SECOND_NS)
		return;
	want(&request, x->table, x->column, &x->key);
	step = series_step(to_ns - span, to_ns, ENDED_COLUMNS - 2, series_tick_ns(view));
	n = (size_t)(span / step) + 1;
	if (n > ENDED_COLUMNS || series_run(view, &request, 1, to_ns, step, n, &out, NULL))
		return;
	for (size_t i = 0; i < n; i++)
		if (buckets[i].data && buckets[i].mean > most)
			most = buckets[i].mean;
	low_below = x->still > 0 ? number_min(x->still, most / 2) : most / 2;
	for (last = n; last > 0 && !(buckets[last - 1].data && buckets[last - 1].mean >= low_below); last--)
		/* The newest may have no sample yet. */
		low += buckets[last - 1].data || (absent_is_low && last < n);
	if (most > 0 && last && low >= ENDED_LOW)
		x->ended_ns = out.from_ns + last * step;
	if (x->ended_ns)
		x->since_step_ns = step;
}

/* --- the last ten seconds ---------------------------------------------------------------------------------------- */

enum { RECENT = 10 };

void findings_recent(struct findings *f, struct view *view, uint64_t to_ns)
{
	static const char *const columns[] = {"busiest_thread", "cpu", "runq"};
	const struct process_top *t = &f->facts.top[TOP_CPU];
	struct series_bucket buckets[4][RECENT];
	struct series_request requests[4];
	struct series out[4];
	uint64_t tick = series_tick_ns(view), step = tick >= SECOND_NS ? tick : SECOND_NS / tick * tick;

	f->facts.one_thread_now = f->facts.one_waits_now = f->facts.cpu_busy_now = NAN;
	if (!t->key.n || isnan(f->facts.one_thread) || f->data_ns <= RECENT * step)
		return;
	for (size_t i = 0; i < 4; i++) {
		if (i < 3)
			want(&requests[i], "process", columns[i], &t->key);
		else
			want(&requests[i], "cpu", "busy", &f->facts.cpu_all);
		out[i] = (struct series){.buckets = buckets[i]};
	}
	if (series_run(view, requests, 4, to_ns, step, RECENT, out, NULL))
		return;
	f->facts.cpu_busy_now = mean(&out[3], 0, RECENT);
	/* Of several threads one runs. */
	if (!(mean(&out[1], 0, RECENT) <= FINDINGS_ONE_MOST))
		return;
	f->facts.one_thread_now = mean(&out[0], 0, RECENT);
	f->facts.one_waits_now = mean(&out[2], 0, RECENT);
}

enum { STEADY_COLUMNS = 12, STEADY_FEWEST = 3, STEADY_LATE = 2 };
#define STEADY_STEP_NS 5000000000ull

bool findings_goes_on(struct view *view, uint64_t to_ns, const char *table, const char *column, const struct row_key *key, int sign)
{
	uint64_t tick = series_tick_ns(view);
	struct series_request request;
	struct series_bucket buckets[STEADY_COLUMNS];
	struct series out = {.buckets = buckets};
	size_t grew = 0, known = 0, late = 0;
	double all = 0, least;

	want(&request, table, column, key);
	if (series_run(view, &request, 1, to_ns, tick > STEADY_STEP_NS ? tick : STEADY_STEP_NS, STEADY_COLUMNS, &out, NULL))
		return false;
	for (size_t i = 0; i < out.n; i++) {
		if (!out.buckets[i].data)
			continue;
		known++;
		all += sign * out.buckets[i].mean;
	}
	/* A step and then a trickle is no way to an end: most of it must go on. */
	least = known && all > 0 ? all / (double)known / 4 : 0;
	known = 0;
	for (size_t i = out.n; i-- > 0;) {
		bool up;

		if (!out.buckets[i].data)
			continue;
		up = sign * out.buckets[i].mean > least;
		known++;
		grew += up;
		late += known <= STEADY_LATE && up;
	}
	return grew >= STEADY_FEWEST && 2 * grew >= known && late;
}

bool findings_steady(struct view *view, uint64_t to_ns, const struct finding *x)
{
	int sign = x->steady_sign < 0 ? -1 : 1;

	return findings_goes_on(view, to_ns, x->table, sign < 0 ? x->column : "growth", &x->key, sign);
}

/* --- who hangs --------------------------------------------------------------------------------------------------- */

enum { STUCK_COLUMNS = 60, STUCK_NS = 10, STUCK_ASKED = 3, STUCK_MOST = 4, STUCK_GAP = 5 };

/* Since when, in buckets from the end, it has been in state D in every sample and was not given a CPU meanwhile. */
static size_t stuck_for(const struct series *blocked, const struct series *switches, const struct series *cpu)
{
	size_t n = 0, gap = 0;

	for (size_t i = blocked->n; i-- > 0 && gap <= STUCK_GAP;) {
		/* The newest may have no sample yet, and a busy box is sampled less often. */
		if (!blocked->buckets[i].data) {
			gap++;
			continue;
		}
		if (blocked->buckets[i].min < 1 || (switches->buckets[i].data && switches->buckets[i].max > 0) ||
		    (cpu->buckets[i].data && cpu->buckets[i].max > 0))
			break;
		n = blocked->n - i;
		gap = 0;
	}
	return n;
}

/* Of the window, could it have been blocked for so long in one go? Where the programs tell what its time goes into, most that are seen in state D
 * for a moment are left out by that, which costs less than a look at their samples. */
static bool may_be_stuck(const struct findings *f, const struct row_key *key)
{
	ssize_t row = query_find(f->processes, key);
	double blocked;

	if (row < 0)
		return false;
	blocked = query_number(f->processes, (size_t)row, "time_busy") - number_max(query_number(f->processes, (size_t)row, "time_cpu"), 0) -
		  number_max(query_number(f->processes, (size_t)row, "time_runq"), 0);
	return isnan(blocked) || blocked * f->facts.data_s >= 100.0 * STUCK_NS * 0.9;
}

/* A thread that may be stuck, and its process. */
struct candidate {
	struct row_key thread, process;
	const char *name;
};

static size_t main_threads(const struct findings *f, struct candidate *c)
{
	size_t n = 0;

	for (size_t i = 0; i < f->facts.nstuck && n < STUCK_MOST; i++)
		if (may_be_stuck(f, &f->facts.stuck[i].key))
			c[n++] = (struct candidate){f->facts.stuck[i].key, f->facts.stuck[i].key, f->facts.stuck[i].name};
	return n;
}

/* Of processes of several threads, those threads that wait uninterruptibly now and did so for long. */
static size_t other_threads(struct findings *f, const struct lens *whole, struct candidate *c, size_t n)
{
	for (size_t i = 0; i < f->facts.nwaiting && n < STUCK_MOST; i++) {
		const struct row_key *process = &f->facts.waiting[i].key;
		struct lens lens = *whole;

		lens_scope_process(&lens, process->bits[0], process->bits[1]);
		query_sort(f->query, NULL, false);
		if (query_run(f->query, &lens, "thread_time", QUERY_OWN, NULL))
			continue;
		for (size_t k = 0; k < query_nrows(f->query) && n < STUCK_MOST; k++) {
			double waits = number_max(query_number(f->query, k, "disk_pct"), 0) + number_max(query_number(f->query, k, "other_pct"), 0);
			struct query_row r;
			char now[16];

			query_text(f->query, k, "now", now, sizeof(now));
			if (!(waits * f->facts.data_s >= FINDINGS_STUCK_LEAST) || (strcmp(now, "disk") != 0 && strcmp(now, "other") != 0) ||
			    !query_row(f->query, k, &r) || r.ended_ns)
				continue;
			c[n++] = (struct candidate){r.key, *process, f->facts.waiting[i].name};
		}
	}
	return n;
}

/* Of more threads than are read, none has a row. A process of one thread that is in state D now and had no CPU since stood there all the time. */
static uint64_t still_for(struct findings *f, struct view *view, uint64_t to_ns, uint64_t tick, const struct candidate *c)
{
	struct series_bucket buckets[STUCK_COLUMNS];
	struct series out = {.buckets = buckets};
	struct series_request request;
	ssize_t row = f->processes ? query_find(f->processes, &c->process) : -1;
	uint64_t n = 0;
	size_t gap = 0;

	want(&request, "process", "cpu", &c->process);
	if (row < 0 || c->thread.bits[0] != c->process.bits[0] || query_number(f->processes, (size_t)row, "threads") != 1 ||
	    series_run(view, &request, 1, to_ns, tick, STUCK_COLUMNS, &out, NULL))
		return 0;
	for (size_t i = out.n; i-- > 0 && gap <= STUCK_GAP;) {
		if (!out.buckets[i].data) {
			gap++;
			continue;
		}
		if (out.buckets[i].max > 0)
			break;
		n = out.n - i;
		gap = 0;
	}
	return n * tick;
}

static bool any_data(const struct series *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->buckets[i].data)
			return true;
	return false;
}

bool findings_stuck(struct findings *f, struct view *view, const struct lens *whole, uint64_t to_ns, struct finding *x)
{
	struct series_request requests[STUCK_ASKED * STUCK_MOST];
	struct series_bucket buckets[STUCK_ASKED * STUCK_MOST][STUCK_COLUMNS];
	struct series out[STUCK_ASKED * STUCK_MOST];
	static const char *const columns[STUCK_ASKED] = {"blocked", "voluntary_rate", "cpu"};
	uint64_t tick = series_tick_ns(view), longest = 0;
	struct candidate c[STUCK_MOST], *worst = NULL;
	size_t n = other_threads(f, whole, c, main_threads(f, c)), hang = 0;
	char place[48] = "";
	ssize_t row;

	for (size_t i = 0; i < n * STUCK_ASKED; i++) {
		want(&requests[i], "thread", columns[i % STUCK_ASKED], &c[i / STUCK_ASKED].thread);
		out[i] = (struct series){.buckets = buckets[i]};
	}
	if (!n)
		return false;
	if (series_run(view, requests, n * STUCK_ASKED, to_ns, tick, STUCK_COLUMNS, out, NULL))
		for (size_t i = 0; i < n * STUCK_ASKED; i++)
			out[i].n = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t held = any_data(&out[i * STUCK_ASKED])
					? stuck_for(&out[i * STUCK_ASKED], &out[i * STUCK_ASKED + 1], &out[i * STUCK_ASKED + 2]) * tick
					: still_for(f, view, to_ns, tick, &c[i]);

		if (held < STUCK_NS * 1000000000ull)
			continue;
		hang++;
		if (held <= longest)
			continue;
		longest = held;
		worst = &c[i];
	}
	if (!worst)
		return false;
	snprintf(x->victim.name, sizeof(x->victim.name), "%.*s", FINDINGS_NAME_MAX - 1, worst->name);
	x->victim.key = worst->process;
	x->victim.pid = worst->process.bits[0];
	x->since_ns = to_ns > longest ? to_ns - longest : 0;
	x->since_step_ns = tick;
	x->before = longest >= (STUCK_COLUMNS - 1) * tick;
	snprintf(x->object, sizeof(x->object), "%.39s %llu", x->victim.name, (unsigned long long)x->victim.pid);
	if (worst->thread.bits[0] != x->victim.pid) {
		snprintf(x->evidence, sizeof(x->evidence), "its thread %llu", (unsigned long long)worst->thread.bits[0]);
	} else {
		row = f->processes ? query_find(f->processes, &x->victim.key) : -1;
		if (row >= 0)
			query_text(f->processes, (size_t)row, "wchan", place, sizeof(place));
		if (place[0])
			snprintf(x->evidence, sizeof(x->evidence), "in %s", place);
	}
	if (hang > 1)
		snprintf(x->evidence, sizeof(x->evidence), "%s%zu threads for 10 s and more", hang == STUCK_MOST ? "at least " : "", hang);
	return true;
}
