/* Who uses most of what: one walk over all processes; and what they are called. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_internal.h"
#include "interpreter.h"
#include "number.h"

/* A name that the process gave itself stays; what a runtime calls its first thread is none. */
size_t findings_process_name(struct query *q, size_t row, char *out, size_t cap)
{
	size_t n = strlen("MainThread"), len;
	int cmdline = query_column_find(q, "cmdline");
	char comm[40], name[64];
	struct value v;

	findings_text(q, row, "comm", comm, sizeof(comm));
	snprintf(out, cap, "%s", comm);
	if (cmdline < 0)
		return strlen(out);
	query_value(q, row, (size_t)cmdline, &v);
	if (v.state != VALUE_OK || v.type != CULPRIT_TEXT || !interpreter_main(v.text.p, v.text.len, name, sizeof(name)))
		return strlen(out);
	len = strlen(comm);
	if ((!strncmp(name, comm, len) && name[len] == ':') || (len >= n && !strcmp(comm + len - n, "MainThread")))
		snprintf(out, cap, "%s", name);
	return strlen(out);
}

void findings_name_of(struct query *q, uint64_t pid, char *out, size_t cap)
{
	struct query_row r;

	for (size_t i = 0; i < query_nrows(q); i++) {
		if (!query_row(q, i, &r) || !r.key.n || r.key.bits[0] != pid)
			continue;
		findings_process_name(q, i, out, cap);
		return;
	}
}

/* What is asked of all; then what is added up from threads, which costs most: only where it makes a difference. */
static const char *const names[] = {"cpu",  "short_children_cpu", "rss",	   "read_rate",	      "write_rate", "fd_use",
				    "time_lock", "time_net",	  "rss_growth", "own_read_rate", "own_write_rate", "time_disk"};
enum { CPU, SHORT, RSS, READ, WRITE, FILES, LOCK, NET, GROWTH, OF_ALL, OWN_READ = OF_ALL, OWN_WRITE, DISK, NAMES };
_Static_assert(sizeof(names) / sizeof(names[0]) == NAMES, "each has its name");

static void use_of(struct facts *f, struct query *q, size_t row, const int *at, double *use)
{
	struct value values[NAMES];
	double v[NAMES];
	bool own;

	query_values(q, row, at, OF_ALL, values);
	for (int k = 0; k < OF_ALL; k++)
		if (!value_number(&values[k], &v[k]))
			v[k] = NAN;
	f->waits_known |= !isnan(v[LOCK]);
	f->short_known |= !isnan(v[SHORT]);
	for (int k = OF_ALL; k < NAMES; k++) {
		v[k] = k == DISK ? NAN : 0;
		if (k == DISK ? !(v[LOCK] > number_max(v[CPU], 0)) : v[k - OWN_READ + READ] == 0)
			continue;
		query_values(q, row, &at[k], 1, &values[k]);
		if (!value_number(&values[k], &v[k]))
			v[k] = NAN;
	}
	/* What its own threads did; where they aren't known, the process's figure, which jumps when a child ends. */
	own = !isnan(v[OWN_READ]) && !isnan(v[OWN_WRITE]);
	use[TOP_CPU] = number_max(v[CPU], 0) + number_max(v[SHORT], 0);
	use[TOP_MEMORY] = v[RSS];
	use[TOP_WRITTEN] = number_max(own ? v[OWN_WRITE] : v[WRITE], 0);
	use[TOP_DISK] = number_max(own ? v[OWN_READ] : v[READ], 0) + use[TOP_WRITTEN];
	use[TOP_FILES] = v[FILES];
	use[TOP_SHORT] = v[SHORT];
	use[TOP_LOCK] = v[LOCK] > number_max(v[CPU], 0) + number_max(v[DISK], 0) ? v[LOCK] : NAN;
	use[TOP_GROWN] = number_max(v[GROWTH], 0);
	use[TOP_NET] = v[NET] > number_max(v[CPU], 0) + number_max(v[LOCK], 0) ? v[NET] : NAN;
}

static void note_stuck(struct facts *f, struct query *q, size_t row, int state, int kernel)
{
	struct value v;
	struct query_row r;

	if (state < 0 || f->nstuck == sizeof(f->stuck) / sizeof(f->stuck[0]))
		return;
	query_value(q, row, (size_t)state, &v);
	if (v.state != VALUE_OK || v.type != CULPRIT_TEXT || v.text.len != 1 || v.text.p[0] != 'D')
		return;
	if (kernel >= 0) {
		query_value(q, row, (size_t)kernel, &v);
		if (v.state == VALUE_OK && v.b)
			return;
	}
	if (!query_row(q, row, &r) || r.ended_ns || r.folds)
		return;
	f->stuck[f->nstuck].key = r.key;
	findings_process_name(q, row, f->stuck[f->nstuck].name, sizeof(f->stuck[0].name));
	f->nstuck++;
}

void findings_take_processes(struct findings *fs, struct query *q)
{
	struct facts *f = &fs->facts;
	size_t n = query_nrows(q), best[TOPS], second[TOPS];
	int at[NAMES], state = n ? query_column_find(q, "state") : -1, kernel = n ? query_column_find(q, "kthread") : -1;
	struct query_info info;

	memset(f->top, 0, sizeof(f->top));
	f->waits_known = f->short_known = false;
	f->nstuck = 0;
	f->one_thread = NAN;
	for (int k = 0; k < NAMES; k++)
		at[k] = n ? query_column_find(q, names[k]) : -1;
	for (int k = 0; k < TOPS; k++)
		best[k] = second[k] = n;
	for (size_t i = 0; i < n; i++) {
		double use[TOPS];

		use_of(f, q, i, at, use);
		note_stuck(f, q, i, state, kernel);
		for (int k = 0; k < TOPS; k++) {
			struct process_top *t = &f->top[k];

			t->sum += number_max(use[k], 0);
			if (use[k] > t->value) {
				second[k] = best[k];
				t->second.value = t->value;
				best[k] = i;
				t->value = use[k];
			} else if (use[k] > t->second.value) {
				second[k] = i;
				t->second.value = use[k];
			}
		}
	}
	for (int k = 0; k < TOPS; k++) {
		struct process_top *t = &f->top[k];
		struct query_row r;

		if (best[k] < n && query_row(q, best[k], &r)) {
			t->key = r.key;
			findings_process_name(q, best[k], t->name, sizeof(t->name));
		}
		if (second[k] < n && query_row(q, second[k], &r)) {
			t->second.key = r.key;
			findings_process_name(q, second[k], t->second.name, sizeof(t->second.name));
		}
	}
	/* A process of one thread says itself how busy that is. */
	if (best[TOP_CPU] < n && f->top[TOP_CPU].value >= 90)
		f->one_thread = findings_number(q, best[TOP_CPU], "threads") == 1 ? findings_number(q, best[TOP_CPU], "cpu") :
										   findings_number(q, best[TOP_CPU], "busiest_thread");
	query_info(q, &info);
	fs->sources[TAKEN_PROCESS].measured = n && (info.state == CULPRIT_FRESH || info.state == CULPRIT_RESTING);
	fs->sources[TAKEN_WAITS].measured = f->waits_known;
	fs->sources[TAKEN_SHORT].measured = f->short_known;
}

enum { BY_NAMES = 48 };

void findings_by_name(struct findings *fs, struct finding *x, const char *const *columns, double of)
{
	struct {
		char name[FINDINGS_NAME_MAX];
		double sum;
		size_t n;
	} by[BY_NAMES];
	struct query *q = fs->processes;
	size_t n = 0, best = 0;
	int at[4], ncolumns = 0;

	if (!(of > 0) || !(x->share < 50))
		return;
	for (; columns[ncolumns] && ncolumns < 4; ncolumns++)
		at[ncolumns] = query_column_find(q, columns[ncolumns]);
	for (size_t i = 0; i < query_nrows(q); i++) {
		struct value values[4];
		double sum = 0, one;
		char name[FINDINGS_NAME_MAX];
		size_t k;

		query_values(q, i, at, (size_t)ncolumns, values);
		for (int c = 0; c < ncolumns; c++)
			sum += value_number(&values[c], &one) ? number_max(one, 0) : 0;
		/* Hundreds of small ones of one name add up, too. */
		if (!(sum > of / 2000))
			continue;
		findings_process_name(q, i, name, sizeof(name));
		for (k = 0; k < n && strcmp(by[k].name, name) != 0; k++)
			;
		if (k == BY_NAMES)
			continue;
		if (k == n) {
			memcpy(by[k].name, name, sizeof(name));
			by[k].sum = 0;
			by[k].n = 0;
			n++;
		}
		by[k].sum += sum;
		by[k].n++;
		if (by[k].sum > by[best].sum)
			best = k;
	}
	if (n && by[best].n > 1 && by[best].sum >= 0.5 * of) {
		memset(&x->cause, 0, sizeof(x->cause));
		memcpy(x->cause.name, by[best].name, sizeof(by[best].name));
		x->cause.several = by[best].n;
		x->other.name[0] = '\0';
		x->share = number_min(100 * by[best].sum / of, 100);
		x->other_share = NAN;
		x->confidence = FINDING_LIKELY;
	} else if (x->share < 30) {
		x->nobody = true;
		x->confidence = FINDING_CANNOT_TELL;
	}
}
