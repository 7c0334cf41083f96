/* What the rules share. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_rules.h"
#include "number.h"

const char *const finding_by_cpu[] = {"cpu", NULL};
const char *const finding_by_bytes[] = {"read_rate", "write_rate", NULL};
const char *const finding_by_writes[] = {"write_rate", NULL};

void finding_is(struct finding *x, enum finding_confidence confidence, double effect, const char *what, const char *state)
{
	x->confidence = confidence;
	x->effect = effect;
	snprintf(x->object, sizeof(x->object), "%s", what);
	snprintf(x->state, sizeof(x->state), "%s", state);
}

void finding_past(struct finding *x, const char *table, const char *column, const struct row_key *key)
{
	snprintf(x->table, sizeof(x->table), "%s", table);
	snprintf(x->column, sizeof(x->column), "%s", column);
	x->key = *key;
}

struct row_key finding_text_key(const char *text)
{
	return (struct row_key){.n = 1, .bits = {row_key_text(text, strlen(text))}};
}

double finding_stalled(const struct facts *f, int what)
{
	return number_max(f->stalled[what], f->stalled_now[what]);
}

double finding_share(double part, double of)
{
	return of > 0 && part >= 0 ? number_min(100 * part / of, 100) : NAN;
}

void finding_is_top(struct finding *x, const struct process_top *t, double of, const char *share_of)
{
	if (!(t->value > 0))
		return;
	snprintf(x->cause.name, sizeof(x->cause.name), "%s", t->name);
	x->cause.pid = t->key.bits[0];
	x->cause.key = t->key;
	x->share = finding_share(t->value, of);
	x->share_of = share_of;
	if (!(t->second.value > 0))
		return;
	snprintf(x->other.name, sizeof(x->other.name), "%s", t->second.name);
	x->other.pid = t->second.key.bits[0];
	x->other.key = t->second.key;
	x->other_share = finding_share(t->second.value, of);
}

void finding_swap(struct finding *x)
{
	struct finding_who who = x->cause;
	double share = x->share;

	x->cause = x->other;
	x->share = x->other_share;
	x->other = who;
	x->other_share = share;
}

void finding_doubt(struct finding *x)
{
	if (!x->other.name[0] || isnan(x->share) || isnan(x->other_share))
		return;
	if (x->confidence == FINDING_LIKELY && x->other_share > 0.6 * x->share)
		x->confidence = FINDING_CANNOT_TELL;
}
