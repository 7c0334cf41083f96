/* Who uses most of what: one walk over all processes; and what they are called. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "findings_internal.h"
#include "interpreter.h"
#include "number.h"
#include "text.h"

/* A name that the process gave itself stays; what a runtime calls its first thread is none. */
size_t findings_process_name(struct query *q, size_t row, char *out, size_t cap)
{
	size_t n = strlen("MainThread"), len;
	int cmdline = query_column_find(q, "cmdline");
	char comm[40], name[64];
	struct value v;

	query_text(q, row, "comm", comm, sizeof(comm));
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
static const char *const names[] = {"cpu",	     "short_children_cpu", "rss",	    "read_rate", "write_rate", "fd_use", "state",
				    "time_stalled", "own_read_rate",	   "own_write_rate", "time_disk", "time_lock",  "time_net",   "time_other"};
enum { CPU, SHORT, RSS, READ, WRITE, FILES, STATE, STALLED, OF_ALL, OWN_READ = OF_ALL, OWN_WRITE, DISK, LOCK, NET, OTHER, NAMES };
_Static_assert(sizeof(names) / sizeof(names[0]) == NAMES, "each has its name");

#define YOUNG_NS 3000000000ull

#define STARTING_S 10.0 /* so long what the console itself takes is its beginning */

enum { STALLED_LEAST = 10 /* percent of one thread's time: of less no rule says anything */ };

/* stuck: its main thread is in state D; waits: for disks and other such things, percent of one thread's time. */
static void use_of(struct facts *f, struct query *q, size_t row, const int *at, double *use, bool *stuck, double *waits)
{
	struct value values[OF_ALL];
	double v[NAMES];
	bool own, stalls;

	query_values(q, row, at, OF_ALL, values);
	for (int k = 0; k < OF_ALL; k++)
		if (k == STATE || !value_number(&values[k], &v[k]))
			v[k] = NAN;
	*stuck = values[STATE].state == VALUE_OK && values[STATE].type == CULPRIT_TEXT && values[STATE].text.len == 1 &&
		 values[STATE].text.p[0] == 'D';
	/* Of what was recorded before there was their sum, each is asked. */
	stalls = at[STALLED] < 0 || v[STALLED] >= STALLED_LEAST;
	for (int k = OF_ALL; k < NAMES; k++)
		v[k] = k == OWN_READ || k == OWN_WRITE ? 0 : NAN;
	if (stalls) {
		v[LOCK] = query_number_at(q, row, at[LOCK]);
		v[NET] = query_number_at(q, row, at[NET]);
	}
	if (v[STALLED] >= STALLED_LEAST || v[LOCK] > number_max(v[CPU], 0))
		v[DISK] = query_number_at(q, row, at[DISK]);
	if (v[STALLED] >= STALLED_LEAST)
		v[OTHER] = query_number_at(q, row, at[OTHER]);
	*waits = number_max(v[DISK], 0) + number_max(v[OTHER], 0);
	if (v[READ] != 0)
		v[OWN_READ] = query_number_at(q, row, at[OWN_READ]);
	if (v[WRITE] != 0)
		v[OWN_WRITE] = query_number_at(q, row, at[OWN_WRITE]);
	f->waits_known |= !isnan(v[STALLED]) || !isnan(v[LOCK]);
	f->short_known |= !isnan(v[SHORT]);
	/* What its own threads did; where they aren't known, the process's figure, which jumps when a child ends. */
	own = !isnan(v[OWN_READ]) && !isnan(v[OWN_WRITE]);
	use[TOP_CPU] = number_max(v[CPU], 0) + number_max(v[SHORT], 0);
	use[TOP_MEMORY] = v[RSS];
	use[TOP_WRITTEN] = number_max(own ? v[OWN_WRITE] : v[WRITE], 0);
	use[TOP_DISK] = number_max(own ? v[OWN_READ] : v[READ], 0) + use[TOP_WRITTEN];
	use[TOP_FILES] = v[FILES];
	use[TOP_SHORT] = v[SHORT];
	use[TOP_LOCK] = v[LOCK] > number_max(v[CPU], 0) + number_max(v[DISK], 0) ? v[LOCK] : NAN;
	use[TOP_NET] = v[NET] > number_max(v[CPU], 0) + number_max(v[LOCK], 0) ? v[NET] : NAN;
}

static void note_stuck(struct facts *f, struct query *q, size_t row)
{
	struct query_row r;

	if (f->nstuck == sizeof(f->stuck) / sizeof(f->stuck[0]) || query_number(q, row, "kthread") > 0)
		return;
	if (!query_row(q, row, &r) || r.ended_ns || r.folds)
		return;
	f->stuck[f->nstuck].key = r.key;
	findings_process_name(q, row, f->stuck[f->nstuck].name, sizeof(f->stuck[0].name));
	f->nstuck++;
}

static void note_waiting(struct facts *f, struct query *q, size_t row)
{
	struct query_row r;

	if (f->nwaiting == sizeof(f->waiting) / sizeof(f->waiting[0]) || !(query_number(q, row, "threads") > 1))
		return;
	if (!query_row(q, row, &r) || r.ended_ns || r.folds)
		return;
	f->waiting[f->nwaiting].key = r.key;
	findings_process_name(q, row, f->waiting[f->nwaiting].name, sizeof(f->waiting[0].name));
	f->nwaiting++;
}

/* What a process has is told of its life, and of a window those that lived for a second are many: what each had counts for as much of the
 * window as it was there, else the sum is another one each second, and more than there is. Who has just begun counts by and by; who is
 * there counts in full, for that it is now. */
static double lived(struct query *q, size_t row, const struct query_info *info)
{
	uint64_t from = info->used_from_ns, to = info->used_to_ns, began;
	struct query_row r;

	if (to <= from || !query_row(q, row, &r))
		return 1;
	began = r.began && r.began_ns > from ? r.began_ns : from;
	if (r.ended_ns)
		return r.ended_ns <= began ? 0 : number_min((double)(r.ended_ns - began) / (double)(to - from), 1);
	if (r.began && to < r.began_ns + YOUNG_NS)
		return (double)(to > r.began_ns ? to - r.began_ns : 0) / (double)YOUNG_NS;
	return 1;
}

/* The kernel's own threads write what others have written, and ask nobody; who has ended holds nothing any more. */
static double counts(enum findings_top what, const struct process_top *t, struct query *q, size_t row, double use,
		     const struct query_info *info)
{
	struct query_row r;

	/* Who has run since a moment has all of a CPU since then, and another one a second later. */
	if ((what == TOP_CPU && use > t->second.value) || (what == TOP_SHORT && use > 0))
		return use * lived(q, row, info);
	if ((what == TOP_WRITTEN || what == TOP_DISK) && use > 0 && query_number(q, row, "kthread") > 0)
		return 0;
	if ((what == TOP_FILES || what == TOP_MEMORY) && use > t->second.value && query_row(q, row, &r) && r.ended_ns)
		return 0;
	return use;
}

bool findings_is_console(struct query *q, size_t row)
{
	char comm[FINDINGS_NAME_MAX];

	query_text(q, row, "comm", comm, sizeof(comm));
	return !strcmp(comm, "culprit");
}

/* Loading its programs and reading every process once is no trouble of the machine's; where it goes on, it is named as anybody is. */
static double without_start(struct facts *f, struct query *q, size_t row, double use, double span_s)
{
	if (!(span_s < STARTING_S) || !(use > f->top[TOP_CPU].second.value) || !findings_is_console(q, row))
		return use;
	f->own_start += use;
	return 0;
}

/* Row i uses so much: one of the two that use most? */
static void take_use(struct process_top *t, double use, size_t i, size_t *best, size_t *second)
{
	t->sum += number_max(use, 0);
	if (use > t->value) {
		*second = *best;
		t->second.value = t->value;
		*best = i;
		t->value = use;
	} else if (use > t->second.value) {
		*second = i;
		t->second.value = use;
	}
}

static void name_top(struct process_top *t, struct query *q, size_t best, size_t second)
{
	struct query_row r;

	if (query_row(q, best, &r)) {
		t->key = r.key;
		findings_process_name(q, best, t->name, sizeof(t->name));
	}
	if (query_row(q, second, &r)) {
		t->second.key = r.key;
		findings_process_name(q, second, t->second.name, sizeof(t->second.name));
	}
}

void findings_top_of(struct query *q, const char *column, struct process_top *t)
{
	size_t n = query_nrows(q), best = n, second = n;
	int at = query_column_find(q, column);

	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < n; i++)
		take_use(t, query_number_at(q, i, at), i, &best, &second);
	name_top(t, q, best, second);
}

void findings_take_processes(struct findings *fs, struct query *q)
{
	struct facts *f = &fs->facts;
	size_t n = query_nrows(q), best[TOPS], second[TOPS];
	struct query_info info;
	int at[NAMES];
	double span_s;

	memset(f->top, 0, sizeof(f->top));
	f->waits_known = f->short_known = false;
	f->nstuck = f->nwaiting = 0;
	query_info(q, &info);
	span_s = (double)(info.used_to_ns - info.used_from_ns) / 1e9;
	f->one_thread = f->one_waits = NAN;
	f->own_start = 0;
	for (int k = 0; k < NAMES; k++)
		at[k] = n ? query_column_find(q, names[k]) : -1;
	for (int k = 0; k < TOPS; k++)
		best[k] = second[k] = n;
	for (size_t i = 0; i < n; i++) {
		double use[TOPS];
		double waits;
		bool stuck;

		use_of(f, q, i, at, use, &stuck, &waits);
		use[TOP_CPU] = without_start(f, q, i, use[TOP_CPU], span_s);
		if (stuck)
			note_stuck(f, q, i);
		else if (waits * span_s >= FINDINGS_STUCK_LEAST)
			note_waiting(f, q, i);
		for (int k = 0; k < TOPS; k++)
			take_use(&f->top[k], counts((enum findings_top)k, &f->top[k], q, i, use[k], &info), i, &best[k], &second[k]);
	}
	for (int k = 0; k < TOPS; k++)
		name_top(&f->top[k], q, best[k], second[k]);
	/* A process of one thread says itself how busy that is. */
	if (best[TOP_CPU] < n && f->top[TOP_CPU].value >= FINDINGS_ONE_LEAST) {
		f->one_thread = query_number(q, best[TOP_CPU], "threads") == 1 ? query_number(q, best[TOP_CPU], "cpu") :
										   query_number(q, best[TOP_CPU], "busiest_thread");
		f->one_waits = query_number(q, best[TOP_CPU], "runq");
	}
	fs->sources[TAKEN_PROCESS].measured = n && (info.state == CULPRIT_FRESH || info.state == CULPRIT_RESTING);
	/* What rests, or could not be read, is in the window yet, and is not known now. */
	fs->sources[TAKEN_WAITS].why[0] = '\0';
	if (query_child_info(q, findings_table_name(TAKEN_WAITS), &info) && info.state != CULPRIT_FRESH && info.state != CULPRIT_RESTING) {
		f->waits_known = false;
		if (info.reason)
			text_sanitise(fs->sources[TAKEN_WAITS].why, sizeof(fs->sources[0].why), info.reason,
				      info.reason_len < sizeof(fs->sources[0].why) ? info.reason_len : sizeof(fs->sources[0].why) - 1, TEXT_ASCII);
	}
	/* Where nobody has begun a process there is no row of it, and that is known, too. */
	if (query_child_info(q, findings_table_name(TAKEN_SHORT), &info) && (info.state == CULPRIT_FRESH || info.state == CULPRIT_RESTING) &&
	    info.sample_ns && !info.empty)
		f->short_known = true;
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
	struct query_info info;

	query_info(q, &info);
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
		sum *= lived(q, i, &info);
		if (fs->facts.own_start > 0 && findings_is_console(q, i))
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
	if (n && by[best].n > 1 && (by[best].sum >= 0.5 * of || (x->share < 30 && by[best].sum >= 0.015 * x->share * of))) {
		memset(&x->cause, 0, sizeof(x->cause));
		memcpy(x->cause.name, by[best].name, sizeof(by[best].name));
		x->cause.several = by[best].n;
		x->other.name[0] = '\0';
		x->share = number_min(100 * by[best].sum / of, 100);
		x->other_share = NAN;
		/* They have the largest part, clearly more than any one process. */
		x->nobody = x->share < 50;
	} else {
		x->nobody = x->share < 30;
	}
	if (x->nobody)
		x->confidence = FINDING_CANNOT_TELL;
	else if (x->cause.several)
		x->confidence = FINDING_LIKELY;
}

/* --- whose doing it is, where who does it ends at once ----------------------------------------------------------- */

enum { ANCESTORS = 24, CLIMB = 12 };
#define LIVED_NS 10000000000ull /* so long one must have been there to be named */

struct relative {
	uint64_t pid, ppid;
	size_t row;
	bool stays;
};

static struct relative *relative_at(struct relative *table, size_t size, uint64_t pid)
{
	size_t at = (size_t)(pid * 0x9e3779b97f4a7c15ull >> 20) & (size - 1);

	while (table[at].pid && table[at].pid != pid)
		at = (at + 1) & (size - 1);
	return &table[at];
}

/* All processes by pid. NULL: out of memory. */
static struct relative *relatives(struct query *q, size_t *ret_size)
{
	int columns[2] = {query_column_find(q, "pid"), query_column_find(q, "ppid")};
	size_t n = query_nrows(q), size = 64;
	struct relative *table;
	struct query_info info;

	query_info(q, &info);
	while (size < 2 * n)
		size *= 2;
	table = calloc(size, sizeof(*table));
	for (size_t i = 0; table && i < n; i++) {
		struct value v[2];
		struct relative *r;
		struct query_row row;
		double pid, ppid;

		query_values(q, i, columns, 2, v);
		if (!value_number(&v[0], &pid) || !(pid > 0) || !query_row(q, i, &row))
			continue;
		r = relative_at(table, size, (uint64_t)pid);
		/* Of several with that pid the one that is there now. */
		if (r->pid && row.ended_ns)
			continue;
		*r = (struct relative){.pid = (uint64_t)pid, .row = i};
		r->ppid = value_number(&v[1], &ppid) && ppid > 0 ? (uint64_t)ppid : 0;
		r->stays = !row.ended_ns && (!row.began_ns || info.used_to_ns >= row.began_ns + LIVED_NS);
	}
	*ret_size = size;
	return table;
}

/* The process itself or its nearest ancestor that stays. */
static size_t who_stays(struct relative *table, size_t size, uint64_t pid)
{
	const struct relative *r = relative_at(table, size, pid), *up = r;

	for (int i = 0; i < CLIMB && up->pid && !up->stays && up->ppid > 1; i++)
		up = relative_at(table, size, up->ppid);
	return up->pid && up->stays ? up->row : r->row;
}

void findings_by_ancestor(struct query *q, const char *column, struct process_top *t)
{
	struct {
		size_t row;
		double sum;
	} by[ANCESTORS];
	size_t n = 0, size, best = SIZE_MAX, second = SIZE_MAX;
	struct relative *table = relatives(q, &size);
	int at = query_column_find(q, column), pid = query_column_find(q, "pid");
	struct query_info info;

	query_info(q, &info);
	memset(t, 0, sizeof(*t));
	for (size_t i = 0; table && i < query_nrows(q); i++) {
		double use = query_number_at(q, i, at);
		size_t row, k;

		if (!(use > 0))
			continue;
		use *= lived(q, i, &info);
		t->sum += use;
		row = who_stays(table, size, number_u64(query_number_at(q, i, pid)));
		for (k = 0; k < n && by[k].row != row; k++)
			;
		if (k == ANCESTORS)
			continue;
		if (k == n) {
			by[k].row = row;
			by[k].sum = 0;
			n++;
		}
		by[k].sum += use;
	}
	for (size_t k = 0; k < n; k++) {
		double sum = t->sum;

		take_use(t, by[k].sum, by[k].row, &best, &second);
		t->sum = sum;
	}
	name_top(t, q, best, second);
	free(table);
}
