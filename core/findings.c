#include "findings.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "findings_internal.h"
#include "number.h"

void findings_finish(struct findings *f)
{
	query_destroy(f->query);
	memset(f, 0, sizeof(*f));
}

static struct finding *find_rule(struct findings *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->list[i].rule->name, name))
			return &f->list[i];
	return NULL;
}

/* A queue that is not emptied because its owner is stopped, waits or has no CPU is a sign of that. */
static bool of_the_same(const struct finding *x, const struct finding *of)
{
	if (strcmp(x->rule->name, "accept-queue") != 0 || x == of || !x->cause.pid || of->rule->weight < 2)
		return false;
	return of->cause.pid == x->cause.pid || of->victim.pid == x->cause.pid;
}

static bool explains(const struct finding *x)
{
	return x && !x->minor && !x->ended_ns;
}

static void absorb(struct findings *f)
{
	bool gone[FINDINGS_MAX] = {false};
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *x = &f->list[i];

		for (size_t k = 0; k < sizeof(x->rule->absorbed_by) / sizeof(x->rule->absorbed_by[0]) && x->rule->absorbed_by[k]; k++)
			gone[i] = gone[i] || explains(find_rule(f, x->rule->absorbed_by[k]));
		for (size_t k = 0; k < f->n; k++)
			gone[i] = gone[i] || of_the_same(x, &f->list[k]);
	}
	for (size_t i = 0; i < f->n; i++) {
		if (gone[i])
			f->absorbed++;
		else
			f->list[kept++] = f->list[i];
	}
	f->n = kept;
}

static double rank(const struct finding *x)
{
	/* What is over comes behind what is. */
	return (x->minor ? 1 : x->rule->weight) * 10 + x->effect - (x->ended_ns ? 100 : 0);
}

/* As the rules stand, unless one is clearly worse: of two that are about as bad each would be first every other second, and an instant that
 * is looked at again knows nothing of what stood there before. */
#define CLEARLY 0.15

static void order(struct findings *f)
{
	for (size_t i = 1; i < f->n; i++)
		for (size_t k = i; k && rank(&f->list[k]) > rank(&f->list[k - 1]) + CLEARLY; k--) {
			struct finding swap = f->list[k];

			f->list[k] = f->list[k - 1];
			f->list[k - 1] = swap;
		}
}

enum { VICTIM_LEAST = 5 /* percent of one thread's time */ };
#define VICTIM_LIVED_NS 5000000000ull

/* Of those that come and go each would be it for a second. */
static bool stays(const struct query_row *r, uint64_t now_ns)
{
	return !r->ended_ns && (!r->began || now_ns >= r->began_ns + VICTIM_LIVED_NS);
}

static bool is_cause(struct query *q, size_t row, const struct query_row *r, const struct finding *x)
{
	char name[64];

	if (x->cause.pid)
		return r->key.n && r->key.bits[0] == x->cause.pid;
	if (!x->cause.several)
		return false;
	findings_process_name(q, row, name, sizeof(name));
	return !strcmp(name, x->cause.name);
}

/* Who waits for it most; who causes it only where nobody else does. */
static void find_victim(struct query *q, struct finding *x)
{
	int column = x->rule->waits ? query_column_find(q, x->rule->waits) : -1;
	double most = VICTIM_LEAST, own = 0;
	size_t best = SIZE_MAX, self = SIZE_MAX;
	bool best_stays = false;
	struct query_info info;
	struct query_row r;
	struct value v;
	double wait;

	if (column < 0)
		return;
	query_info(q, &info);
	for (size_t i = 0; i < query_nrows(q); i++) {
		if (x->victim.pid && (!query_row(q, i, &r) || !row_key_equal(&r.key, &x->victim.key)))
			continue;
		query_value(q, i, (size_t)column, &v);
		if (!value_number(&v, &wait) || !(wait > most || (wait >= VICTIM_LEAST && (self == SIZE_MAX || !best_stays))))
			continue;
		if (!query_row(q, i, &r) || r.folds || (!x->victim.pid && (query_number(q, i, "kthread") > 0 || findings_is_console(q, i))))
			continue;
		if (is_cause(q, i, &r, x)) {
			own = wait;
			self = i;
		} else {
			bool one_stays = stays(&r, info.used_to_ns);

			if (one_stays == best_stays ? wait > most : one_stays) {
				most = wait;
				best = i;
				best_stays = one_stays;
			}
		}
	}
	/* What others wait may be nothing beside it. */
	if (best == SIZE_MAX || (self != SIZE_MAX && most < own / 10)) {
		if (self == SIZE_MAX)
			return;
		best = self;
		most = own;
	}
	if (!query_row(q, best, &r))
		return;
	x->waiting = most / 100;
	x->busy = number_max(query_number(q, best, "time_busy"), most) / 100;
	x->victim.key = r.key;
	x->victim.pid = r.key.bits[0];
	findings_process_name(q, best, x->victim.name, sizeof(x->victim.name));
}

/* What a process does to itself is over with it, also where the window still has it. When it ended; 0: it is there. */
static uint64_t ended_with(const struct findings *f, const struct finding *x)
{
	const struct finding_who *of = x->cause.pid ? &x->cause : &x->victim;
	ssize_t row = x->rule->alone && f->processes && of->pid ? query_find(f->processes, &of->key) : -1;
	struct query_row r;

	return row >= 0 && query_row(f->processes, (size_t)row, &r) ? r.ended_ns : 0;
}

enum { EARLY_MS = 2500 };

/* Of the first seconds, beginning to watch is a part, and the programs in the kernel are not loaded yet. */
bool findings_too_early(const struct findings *f)
{
	return f->data_ns < EARLY_MS * 1000000ull && f->window_ns >= 2 * EARLY_MS * 1000000ull;
}

static bool add(struct findings *f, const struct finding_rule *rule, const struct lens *whole, uint64_t to_ns)
{
	struct finding *x = &f->list[f->n];

	memset(x, 0, sizeof(*x));
	x->rule = rule;
	x->share = x->other_share = NAN;
	if (!rule->holds(&f->facts, x))
		return false;
	if (rule->stuck && !findings_stuck(f, f->view, whole, to_ns, x))
		return false;
	if (rule->steady && !findings_steady(f->view, to_ns, x))
		return false;
	findings_ended(f, f->view, to_ns, x);
	if (x->was && !x->ended_ns)
		return false;
	if (rule->who)
		rule->who(f, whole, x);
	if (!x->ended_ns)
		x->ended_ns = ended_with(f, x);
	f->ill[rule->layer] = true;
	f->n++;
	return true;
}

void findings_judge(struct findings *f, struct view *view, const struct lens *lens, uint64_t newest_ns, struct query *processes)
{
	struct lens whole = *lens;
	uint64_t from_ns, to_ns;

	memset(&whole.scope, 0, sizeof(whole.scope));
	whole.filter[0] = '\0';
	whole.has_range = whole.has_baseline = false;
	lens_resolve(&whole, newest_ns, &from_ns, &to_ns);
	if (f->view != view) {
		query_destroy(f->query);
		f->query = query_create(view);
		f->view = view;
		f->changed.rule = NULL;
	}
	f->processes = processes;
	f->n = f->absorbed = 0;
	memset(f->ill, 0, sizeof(f->ill));
	f->facts.data_s = (double)f->data_ns / 1e9;
	f->zone_offset_s = view_zone_offset(view);
	if (isnan(f->facts.cpus) || !(f->facts.cpus > 0)) {
		const struct host_info *host = view_host(view);

		f->facts.cpus = host && host->cpus ? (double)host->cpus : 1;
	}
	/* The scheduler's tables are of one collector: what it says of one it says of the other. */
	if (!f->sources[TAKEN_WAITS].measured && !f->sources[TAKEN_WAITS].why[0])
		memcpy(f->sources[TAKEN_WAITS].why, f->sources[TAKEN_RUNQ].why, sizeof(f->sources[0].why));
	if (!f->sources[TAKEN_SHORT].measured)
		memcpy(f->sources[TAKEN_SHORT].why, f->sources[TAKEN_RUNQ].why, sizeof(f->sources[0].why));
	if (!f->sources[TAKEN_CGROUP].measured)
		f->facts.stopped.row = f->facts.full.row = f->facts.pids.row = f->facts.io.row = SIZE_MAX;
	if (!f->sources[TAKEN_LISTEN].measured)
		f->facts.listener.row = SIZE_MAX;
	if (!f->query || !f->data_ns || findings_too_early(f))
		return;
	findings_recent(f, view, to_ns);
	for (size_t i = 0; i < nfinding_rules_machine && f->n < FINDINGS_MAX; i++)
		add(f, &finding_rules_machine[i], &whole, to_ns);
	for (size_t i = 0; i < nfinding_rules_waits && f->n < FINDINGS_MAX; i++)
		add(f, &finding_rules_waits[i], &whole, to_ns);
	absorb(f);
	order(f);
	if (!f->n)
		return;
	find_victim(processes, &f->list[0]);
	if (!f->list[0].since_ns)
		findings_since(f, view, to_ns, &f->list[0]);
}

int findings_ask(struct findings *f, struct view *view, const struct lens *lens, uint64_t newest_ns, struct culprit_error *error)
{
	struct lens whole = *lens;
	struct query *q = query_create(view), *p = query_create(view);
	uint64_t from_ns, to_ns;
	int err = q && p ? 0 : error_set(error, -ENOMEM, "out of memory");

	memset(&whole.scope, 0, sizeof(whole.scope));
	whole.filter[0] = '\0';
	whole.has_range = whole.has_baseline = false;
	for (size_t t = 0; !err && t < TAKEN_PROCESS; t++) {
		int one;

		/* Of many disks those are taken that come first. */
		query_sort(q, t == TAKEN_DISK ? "busy" : NULL, true);
		one = query_run(q, &whole, findings_table_name(t), QUERY_OWN, NULL);

		findings_take(f, q, findings_table_name(t), one);
	}
	if (!err)
		err = query_run(p, &whole, "process", 0, error);
	if (!err || err == -EBADMSG || err == -ENOENT) {
		findings_take_processes(f, p);
		findings_judge(f, view, lens, newest_ns, p);
		lens_resolve(&whole, newest_ns, &from_ns, &to_ns);
		for (size_t i = 1; i < f->n; i++) {
			find_victim(p, &f->list[i]);
			if (!f->list[i].since_ns)
				findings_since(f, view, to_ns, &f->list[i]);
		}
		err = 0;
	}
	f->processes = NULL;
	query_destroy(q);
	query_destroy(p);
	return err;
}
