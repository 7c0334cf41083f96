/* What the time before tells of a finding: when it began, who changed then. One walk over the samples of what is asked, of which the view
 * remembers what is past. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_internal.h"
#include "number.h"
#include "series.h"

enum { COLUMNS = 120, CHANGES = 2, CANDIDATES = 2, LOW_RUN = 3, BEFORE_FEWEST = 5, REQUESTS = 1 + CHANGES * CANDIDATES };

struct past {
	struct series_bucket buckets[REQUESTS][COLUMNS];
	struct series out[REQUESTS];
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
 * so at their beginning. */
static size_t began_at(const struct series *s)
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
	return begun == first || (low < LOW_RUN && begun <= first + low) ? 0 : begun;
}

/* By how much each changed when it began: who was always so is no cause of what is new. */
static void who_changed(struct finding *x, const struct past *p, size_t begun, size_t nchange)
{
	double by[CANDIDATES] = {0, 0}, sum;

	for (size_t c = 0; c < CANDIDATES; c++) {
		for (size_t k = 0; k < nchange; k++) {
			const struct series *s = &p->out[1 + c * nchange + k];
			double now = mean(s, begun, s->n), before = mean(s, 0, begun);

			by[c] += number_max(now, 0) - number_max(before, 0);
		}
	}
	sum = number_max(by[0], 0) + number_max(by[1], 0);
	if (!(sum > 0))
		return;
	if (x->other.name[0] && by[1] > by[0]) {
		struct finding_who who = x->cause;
		double other = x->other_share;

		x->cause = x->other;
		x->other = who;
		x->other_share = x->share;
		x->share = other;
		other = by[0];
		by[0] = by[1];
		by[1] = other;
	}
	/* The one that changed is told from the other by that, whatever their shares. */
	if (by[0] > 3 * number_max(by[1], 0) && x->confidence == FINDING_CANNOT_TELL)
		x->confidence = FINDING_LIKELY;
	x->added = !(by[1] > 0.1 * by[0]) || by[0] > 3 * by[1];
}

void findings_since(struct findings *f, struct view *view, uint64_t to_ns, struct finding *x)
{
	struct series_request requests[REQUESTS];
	struct past p;
	uint64_t first, last, tick = series_tick_ns(view), held;
	size_t n = 1, nchange = 0, begun;

	(void)f;
	if (!x->table[0] || !view_extent(view, &first, &last) || first >= to_ns)
		return;
	held = to_ns - first < 600000000000u ? to_ns - first : 600000000000u;
	want(&requests[0], x->table, x->column, &x->key);
	for (; x->rule->change && x->rule->change[nchange] && nchange < CHANGES; nchange++)
		;
	for (size_t c = 0; c < CANDIDATES && nchange && x->cause.pid && x->cause.key.n; c++)
		for (size_t k = 0; k < nchange; k++, n++)
			want(&requests[n], "process", x->rule->change[k], c ? &x->other.key : &x->cause.key);
	for (size_t i = 0; i < n; i++)
		p.out[i] = (struct series){.buckets = p.buckets[i]};
	/* Keys that are none would ask for the sum over all. */
	if (n > 1 && !x->other.key.n)
		n = 1 + nchange;
	x->since_step_ns = series_step(to_ns - held, to_ns, COLUMNS - 1, tick);
	if (series_run(view, requests, n, to_ns, x->since_step_ns, COLUMNS, p.out, NULL))
		return;
	begun = began_at(&p.out[0]);
	if (begun == p.out[0].n)
		return;
	x->before = begun == 0;
	if (x->before)
		return;
	x->since_ns = p.out[0].from_ns + begun * x->since_step_ns;
	if (begun >= BEFORE_FEWEST && n == 1 + CANDIDATES * nchange && nchange && !isnan(mean(&p.out[0], 0, begun)))
		who_changed(x, &p, begun, nchange);
	else if (n == 1 + nchange && nchange && begun >= BEFORE_FEWEST)
		x->added = true;
}

/* --- who hangs --------------------------------------------------------------------------------------------------- */

enum { STUCK_COLUMNS = 60, STUCK_NS = 10, STUCK_ASKED = 3, STUCK_MOST = 4 };

/* Since when, in buckets from the end, it has been in state D in every sample and was not given a CPU meanwhile. */
static size_t stuck_for(const struct series *blocked, const struct series *switches, const struct series *cpu)
{
	size_t n = 0;

	for (size_t i = blocked->n; i-- > 0;) {
		/* The newest may have no sample yet. */
		if (!blocked->buckets[i].data) {
			if (i + 1 == blocked->n)
				continue;
			break;
		}
		if (blocked->buckets[i].min < 1 || (switches->buckets[i].data && switches->buckets[i].max > 0) ||
		    (cpu->buckets[i].data && cpu->buckets[i].max > 0))
			break;
		n++;
	}
	return n;
}

bool findings_stuck(struct findings *f, struct view *view, uint64_t to_ns, struct finding *x)
{
	struct series_request requests[STUCK_ASKED * STUCK_MOST];
	struct series_bucket buckets[STUCK_ASKED * STUCK_MOST][STUCK_COLUMNS];
	struct series out[STUCK_ASKED * STUCK_MOST];
	static const char *const columns[STUCK_ASKED] = {"blocked", "voluntary_rate", "cpu"};
	uint64_t tick = series_tick_ns(view), longest = 0;
	size_t n = f->facts.nstuck < STUCK_MOST ? f->facts.nstuck : STUCK_MOST, hang = 0;
	char place[48] = "";
	ssize_t row;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < STUCK_ASKED; k++) {
			want(&requests[i * STUCK_ASKED + k], "thread", columns[k], &f->facts.stuck[i].key);
			out[i * STUCK_ASKED + k] = (struct series){.buckets = buckets[i * STUCK_ASKED + k]};
		}
	if (series_run(view, requests, n * STUCK_ASKED, to_ns, tick, STUCK_COLUMNS, out, NULL))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t held = stuck_for(&out[i * STUCK_ASKED], &out[i * STUCK_ASKED + 1], &out[i * STUCK_ASKED + 2]) * tick;

		if (held < STUCK_NS * 1000000000ull)
			continue;
		hang++;
		if (held <= longest)
			continue;
		longest = held;
		snprintf(x->victim.name, sizeof(x->victim.name), "%s", f->facts.stuck[i].name);
		x->victim.key = f->facts.stuck[i].key;
		x->victim.pid = x->victim.key.bits[0];
		x->since_ns = to_ns > held ? to_ns - held : 0;
		x->since_step_ns = tick;
		x->before = held >= (STUCK_COLUMNS - 1) * tick;
	}
	if (!hang)
		return false;
	snprintf(x->object, sizeof(x->object), "%.39s %llu", x->victim.name, (unsigned long long)x->victim.pid);
	row = f->processes ? query_find(f->processes, &x->victim.key) : -1;
	if (row >= 0)
		findings_text(f->processes, (size_t)row, "wchan", place, sizeof(place));
	if (place[0])
		snprintf(x->evidence, sizeof(x->evidence), "in %s", place);
	if (hang > 1)
		snprintf(x->evidence, sizeof(x->evidence), "%s%zu processes for 10 s and more", f->facts.nstuck > STUCK_MOST - 1 ? "at least " : "", hang);
	return true;
}
