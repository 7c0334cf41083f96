#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "schema.h"
#include "units.h"

enum { KERNEL_LOG, LIFECYCLE, OOM_KILL, MARK, TABLES };

static const char *const tables[TABLES] = {"kernel_log", "lifecycle", "oom_kill", "mark"};

#define SECOND 1000000000ULL

void events_finish(struct events *e)
{
	for (int i = 0; i < TABLES; i++)
		query_destroy(e->queries[i]);
	free(e->list);
	free(e->texts);
	free(e->shown);
	memset(e, 0, sizeof(*e));
}

const struct event *events_at(const struct events *e, size_t i)
{
	return &e->list[e->shown[i]];
}

const char *events_text(const struct events *e, const struct event *x)
{
	return e->texts + x->at;
}

/* --- one event --------------------------------------------------------------------------------------------------- */

static struct event *add(struct events *e, enum event_kind kind, const char *word, uint64_t time)
{
	struct event *x;

	if (e->nlist == e->cap) {
		size_t cap = e->cap ? e->cap * 2 : 256;
		struct event *list = realloc(e->list, cap * sizeof(*list));

		if (!list)
			return NULL;
		e->list = list;
		e->cap = cap;
	}
	x = &e->list[e->nlist++];
	memset(x, 0, sizeof(*x));
	x->kind = (uint8_t)kind;
	x->time_ns = time;
	x->n = 1;
	snprintf(x->word, sizeof(x->word), "%s", word);
	x->at = (uint32_t)e->ntexts;
	return x;
}

/* More text of the event added last. */
static int put(struct events *e, const char *bytes, size_t n)
{
	struct event *x = &e->list[e->nlist - 1];

	if (n > EVENTS_TEXT_MAX - x->len)
		n = EVENTS_TEXT_MAX - x->len;
	if (e->ntexts + n > e->texts_cap) {
		size_t cap = (e->texts_cap ? e->texts_cap * 2 : 16384) + n;
		char *texts = realloc(e->texts, cap);

		if (!texts)
			return -ENOMEM;
		e->texts = texts;
		e->texts_cap = cap;
	}
	if (n)
		memcpy(e->texts + e->ntexts, bytes, n);
	e->ntexts += n;
	x->len += (uint32_t)n;
	return 0;
}

static int say(struct events *e, const char *text)
{
	return put(e, text, strlen(text));
}

/* What stands before it is for the list, what follows for the detail. */
static void end_short(struct events *e)
{
	struct event *x = &e->list[e->nlist - 1];

	x->short_len = x->len;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

/* Columns of a table by name, found once a query. */
struct event_row {
	struct query *query;
	size_t row;
};

static bool value_of(const struct event_row *r, int column, struct value *v)
{
	if (column < 0)
		return false;
	query_value(r->query, r->row, (size_t)column, v);
	return v->state == VALUE_OK;
}

static uint64_t number_of(const struct event_row *r, int column)
{
	struct value v;
	double n;

	if (!value_of(r, column, &v))
		return 0;
	if (v.type == CULPRIT_U64)
		return v.u;
	return value_number(&v, &n) && n > 0 ? (uint64_t)n : 0;
}

/* Raw bytes; "" where there are none. */
static struct value text_of(const struct event_row *r, int column)
{
	struct value v = {0};

	if (!value_of(r, column, &v) || v.type != CULPRIT_TEXT)
		v = (struct value){.type = CULPRIT_TEXT, .text = {"", 0}};
	return v;
}

static bool is(const struct value *v, const char *text)
{
	return v->text.len == strlen(text) && !memcmp(v->text.p, text, v->text.len);
}

static void set_who(struct event *x, const struct value *v)
{
	snprintf(x->who, sizeof(x->who), "%.*s", (int)(v->text.len < sizeof(x->who) ? v->text.len : sizeof(x->who)), v->text.p);
}

static int add_kernel_log(struct events *e, struct query *q, size_t first, size_t n)
{
	int time = query_column_find(q, "time"), level = query_column_find(q, "level"), class = query_column_find(q, "class"),
	    text = query_column_find(q, "text"), facility = query_column_find(q, "facility");

	for (size_t i = first; i < n; i++) {
		struct event_row r = {q, i};
		struct value l = text_of(&r, level), c = text_of(&r, class), t = text_of(&r, text), f = text_of(&r, facility);
		bool plain = is(&c, "other") || !c.text.len;
		char word[12];
		struct event *x;

		snprintf(word, sizeof(word), "%.*s", (int)(c.text.len < 11 ? c.text.len : 11), c.text.p);
		x = add(e, EVENT_KERNEL, plain ? "kernel" : word, number_of(&r, time));
		if (!x)
			return -ENOMEM;
		x->serious = (!plain && !is(&c, "link")) || is(&l, "emerg") || is(&l, "alert") || is(&l, "crit");
		/* What is not from the kernel says from whom. */
		set_who(x, is(&f, "kern") ? &l : &f);
		if (put(e, t.text.p, t.text.len))
			return -ENOMEM;
		end_short(e);
		if (say(e, "  [") || put(e, f.text.p, f.text.len) || say(e, ".") || put(e, l.text.p, l.text.len) || say(e, "]"))
			return -ENOMEM;
	}
	return 0;
}

/* One that did the same within the same second, under the same parent. */
static struct event *fold_into(struct events *e, const char *word, uint64_t second, uint64_t ppid, const struct value *comm)
{
	uint64_t hash = row_key_text(comm->text.p, comm->text.len) ^ second * 0x9e3779b97f4a7c15ull ^
			ppid * 0xc2b2ae3d27d4eb4full ^ row_key_text(word, strlen(word));
	uint32_t *slot = &e->folds[hash >> 20 & (EVENTS_FOLD_SLOTS - 1)];
	struct event *x = *slot ? &e->list[*slot - 1] : NULL;

	if (x && x->time_ns / SECOND == second && x->ppid == ppid && !strcmp(x->word, word) &&
	    strlen(x->who) == comm->text.len && !memcmp(x->who, comm->text.p, comm->text.len))
		return x;
	*slot = (uint32_t)e->nlist + 1;
	return NULL;
}

static int say_end(struct events *e, const struct event_row *r, int code, int signal, int core, int lived, int cpu)
{
	struct value s = text_of(r, signal), v;
	char text[96], a[32], b[32];

	if (s.text.len) {
		if (say(e, "killed by ") || put(e, s.text.p, s.text.len) ||
		    say(e, value_of(r, core, &v) && v.b ? ", dumped core" : ""))
			return -ENOMEM;
	} else if (value_of(r, code, &v)) {
		snprintf(text, sizeof(text), "exit %llu", (unsigned long long)number_of(r, code));
		if (say(e, text))
			return -ENOMEM;
	}
	snprintf(text, sizeof(text), ", lived %s, cpu %s", units_format_short(a, sizeof(a), (double)number_of(r, lived), CULPRIT_NS),
		 units_format_short(b, sizeof(b), (double)number_of(r, cpu), CULPRIT_NS));
	return say(e, text);
}

static int add_lifecycle(struct events *e, struct query *q, size_t first, size_t n)
{
	int time = query_column_find(q, "time"), what = query_column_find(q, "event"), pid = query_column_find(q, "pid"),
	    comm = query_column_find(q, "comm"), command = query_column_find(q, "command"), ppid = query_column_find(q, "ppid"),
	    parent = query_column_find(q, "parent"), uid = query_column_find(q, "uid"), lived = query_column_find(q, "lived"),
	    cpu = query_column_find(q, "cpu_time"), code = query_column_find(q, "exit_code"),
	    signal = query_column_find(q, "signal"), core = query_column_find(q, "core");

	memset(e->folds, 0, sizeof(e->folds));
	for (size_t i = first; i < n; i++) {
		struct event_row r = {q, i};
		struct value w = text_of(&r, what), c = text_of(&r, comm), args = text_of(&r, command), p = text_of(&r, parent);
		bool ended = memmem(w.text.p, w.text.len, "exit", 4) != NULL;
		bool began = !ended || memmem(w.text.p, w.text.len, "fork", 4) != NULL;
		const char *word = ended && began ? "ran" : ended ? "end" : "start";
		uint64_t when = number_of(&r, time), of = number_of(&r, ppid);
		struct event *x;
		char text[64];

		c.text.len = strnlen(c.text.p, c.text.len < EVENTS_WHO_MAX - 1 ? c.text.len : EVENTS_WHO_MAX - 1);
		x = fold_into(e, word, when / SECOND, of, &c);
		if (x) {
			x->n++;
			if (when > x->time_ns)
				x->time_ns = when;
			continue;
		}
		x = add(e, ended && began ? EVENT_SHORT : ended ? EVENT_END : EVENT_START, word, when);
		if (!x)
			return -ENOMEM;
		set_who(x, &c);
		x->has_pid = true;
		x->pid = number_of(&r, pid);
		x->ppid = of;
		if (ended) {
			struct value s = text_of(&r, signal);

			x->serious = is(&s, "SEGV") || is(&s, "ABRT") || is(&s, "BUS") || is(&s, "ILL") || is(&s, "FPE");
			if (say_end(e, &r, code, signal, core, lived, cpu) || say(e, args.text.len ? ": " : ""))
				return -ENOMEM;
		}
		if (put(e, args.text.p, args.text.len < 300 ? args.text.len : 300))
			return -ENOMEM;
		snprintf(text, sizeof(text), " %llu", (unsigned long long)of);
		if (say(e, args.text.len || ended ? "  of " : "of ") || put(e, p.text.p, p.text.len) || say(e, text))
			return -ENOMEM;
		end_short(e);
		snprintf(text, sizeof(text), ", uid %llu", (unsigned long long)number_of(&r, uid));
		if (say(e, text))
			return -ENOMEM;
	}
	return 0;
}

static int add_oom_kills(struct events *e, struct query *q, size_t first, size_t n)
{
	int time = query_column_find(q, "time"), comm = query_column_find(q, "comm"), pid = query_column_find(q, "pid"),
	    why = query_column_find(q, "why"), cgroup = query_column_find(q, "cgroup"), rss = query_column_find(q, "rss"),
	    asked = query_column_find(q, "asked"), asked_pid = query_column_find(q, "asked_pid");

	for (size_t i = first; i < n; i++) {
		struct event_row r = {q, i};
		struct value c = text_of(&r, comm), w = text_of(&r, why), g = text_of(&r, cgroup), a = text_of(&r, asked);
		struct event *x = add(e, EVENT_OOM, "oom-kill", number_of(&r, time));
		char text[80], size[32];
		int err;

		if (!x)
			return -ENOMEM;
		x->serious = x->has_pid = true;
		x->pid = number_of(&r, pid);
		set_who(x, &c);
		snprintf(text, sizeof(text), "killed with %s in RAM: ",
			 units_format_short(size, sizeof(size), (double)number_of(&r, rss), CULPRIT_BYTES));
		err = say(e, text);
		if (is(&w, "cgroup"))
			err = err || say(e, "limit of cgroup ") || put(e, g.text.p, g.text.len < 160 ? g.text.len : 160);
		else
			err = err || say(e, is(&w, "machine") ? "the machine has no memory left" :
					    w.text.len	      ? "its NUMA nodes have no memory left" :
								"no memory left");
		snprintf(text, sizeof(text), " %llu", (unsigned long long)number_of(&r, asked_pid));
		if (err || say(e, "; asked for by ") || put(e, a.text.p, a.text.len) || say(e, text))
			return -ENOMEM;
		end_short(e);
	}
	return 0;
}

static int add_marks(struct events *e, struct query *q, size_t first, size_t n)
{
	int time = query_column_find(q, "time"), kind = query_column_find(q, "kind"), text = query_column_find(q, "text");

	for (size_t i = first; i < n; i++) {
		struct event_row r = {q, i};
		struct value k = text_of(&r, kind), t = text_of(&r, text);
		bool user = is(&k, "user");
		struct event *x = add(e, user ? EVENT_MARK : EVENT_CULPRIT, user ? "mark" : "culprit", number_of(&r, time));

		if (!x)
			return -ENOMEM;
		set_who(x, &k);
		if (put(e, t.text.p, t.text.len))
			return -ENOMEM;
		end_short(e);
	}
	return 0;
}

/* Those kept beside a recording. */
static int add_kept(struct events *e, struct view *view, uint64_t from, uint64_t to)
{
	const struct marks *kept = view_marks(view);

	for (size_t i = 0; i < marks_count(kept); i++) {
		const struct mark_note *note = marks_at(kept, i);
		uint64_t when = view_mono_ns(view, note->wall_ns);
		struct event *x;

		if (when <= from || when > to)
			continue;
		x = add(e, EVENT_MARK, "mark", when);
		if (!x)
			return -ENOMEM;
		snprintf(x->who, sizeof(x->who), "user");
		if (say(e, note->text))
			return -ENOMEM;
		end_short(e);
	}
	return 0;
}

/* "kernel_log: needs rights ..." of the tables that have nothing to tell for a reason. */
static void say_missing(struct events *e, const char *table, const struct query_info *info)
{
	size_t n = strlen(e->missing);
	char reason[160];

	if (!info->reason_len || info->state == CULPRIT_FRESH || info->state == CULPRIT_LATE)
		return;
	text_sanitise(reason, sizeof(reason), info->reason, info->reason_len < 120 ? info->reason_len : 120, TEXT_ASCII);
	snprintf(e->missing + n, sizeof(e->missing) - n, "%s%s: %s", n ? "; " : "not told: ", table, reason);
}

int events_gather(struct events *e, struct view *view, const struct lens *lens, const struct panel_time *time,
		  struct culprit_error *error)
{
	static int (*const adders[TABLES])(struct events *, struct query *, size_t, size_t) = {add_kernel_log, add_lifecycle,
											       add_oom_kills, add_marks};
	uint64_t from, to;
	int err = 0, answered = 0;

	if (e->view != view) {
		for (int i = 0; i < TABLES; i++) {
			query_destroy(e->queries[i]);
			e->queries[i] = NULL;
		}
		e->view = view;
	}
	e->nlist = e->ntexts = e->left_out = 0;
	e->lost = 0;
	e->missing[0] = '\0';
	for (int i = 0; i < TABLES; i++) {
		struct query_info info;
		size_t n, first;
		int r;

		if (!e->queries[i])
			e->queries[i] = query_create(view);
		if (!e->queries[i])
			return error_set(error, -ENOMEM, "out of memory");
		r = query_run(e->queries[i], lens, tables[i], 0, error);
		if (r == -ENOENT)
			continue; /* a recording from before there was this table, or with --without */
		if (r && r != -EBADMSG) {
			err = err ? err : r;
			continue;
		}
		answered++;
		query_info(e->queries[i], &info);
		say_missing(e, tables[i], &info);
		n = query_nrows(e->queries[i]);
		first = n > EVENTS_TABLE_MAX ? n - EVENTS_TABLE_MAX : 0;
		e->left_out += first + info.left_out;
		e->lost += info.lost;
		if (adders[i](e, e->queries[i], first, n))
			return error_set(error, -ENOMEM, "out of memory");
	}
	lens_resolve(lens, time->newest_ns, &from, &to);
	if (add_kept(e, view, from, to))
		return error_set(error, -ENOMEM, "out of memory");
	e->gathered = e->nlist;
	if (!answered && err)
		return err;
	return events_arrange(e, lens, error);
}

/* --- filter ------------------------------------------------------------------------------------------------------ */

enum { F_KIND, F_WHO, F_PID, F_PPID, F_COUNT, F_SERIOUS, F_TEXT, F_AGE, FILTER_COLUMNS };

static const struct {
	const char *name;
	uint8_t type, unit;
} filter_names[FILTER_COLUMNS] = {
	[F_KIND] = {"kind", CULPRIT_TEXT, CULPRIT_NONE}, [F_WHO] = {"who", CULPRIT_TEXT, CULPRIT_NONE},
	[F_PID] = {"pid", CULPRIT_U64, CULPRIT_NONE},	 [F_PPID] = {"ppid", CULPRIT_U64, CULPRIT_NONE},
	[F_COUNT] = {"count", CULPRIT_U64, CULPRIT_COUNT}, [F_SERIOUS] = {"serious", CULPRIT_BOOL, CULPRIT_NONE},
	[F_TEXT] = {"text", CULPRIT_TEXT, CULPRIT_NONE}, [F_AGE] = {"age", CULPRIT_U64, CULPRIT_NS},
};

const char *events_column(size_t i)
{
	return i < FILTER_COLUMNS ? filter_names[i].name : NULL;
}

static const char *filter_column(void *of, size_t i, uint8_t *ret_type, uint8_t *ret_unit)
{
	(void)of;
	*ret_type = filter_names[i].type;
	*ret_unit = filter_names[i].unit;
	return filter_names[i].name;
}

struct matched {
	const struct events *events;
	const struct event *event;
	uint64_t newest;
};

static void filter_value(void *of, size_t column, struct value *v)
{
	const struct matched *m = of;
	const struct event *x = m->event;

	*v = (struct value){.state = VALUE_OK, .type = filter_names[column].type, .unit = filter_names[column].unit};
	switch (column) {
	case F_KIND:
		v->text.p = x->word;
		v->text.len = strlen(x->word);
		break;
	case F_WHO:
		v->text.p = x->who;
		v->text.len = strlen(x->who);
		break;
	case F_PID:
		v->u = x->pid;
		v->state = x->has_pid ? VALUE_OK : VALUE_ABSENT;
		break;
	case F_PPID:
		v->u = x->ppid;
		v->state = x->ppid ? VALUE_OK : VALUE_ABSENT;
		break;
	case F_COUNT:
		v->u = x->n;
		break;
	case F_SERIOUS:
		v->b = x->serious;
		break;
	case F_AGE:
		v->u = m->newest > x->time_ns ? m->newest - x->time_ns : 0;
		break;
	default:
		v->text.p = events_text(m->events, x);
		v->text.len = x->len;
	}
}

/* --- order ------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b, void *arg)
{
	const struct events *e = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct event *x = &e->list[i], *y = &e->list[k];
	int c = 0;

	if (e->order == EVENTS_BY_KIND)
		c = strcmp(x->word, y->word);
	else if (e->order == EVENTS_BY_WHO)
		c = strcmp(x->who, y->who);
	else if (e->order == EVENTS_BY_PID)
		c = x->pid < y->pid ? -1 : x->pid > y->pid;
	else if (x->time_ns != y->time_ns)
		c = x->time_ns > y->time_ns ? -1 : 1;
	if (c)
		return e->reverse ? -c : c;
	/* Of the same the newest first. */
	if (x->time_ns != y->time_ns)
		return x->time_ns > y->time_ns ? -1 : 1;
	return i < k ? -1 : i > k;
}

static bool chosen(const struct events *e, const struct event *x)
{
	bool process = x->kind == EVENT_START || x->kind == EVENT_END || x->kind == EVENT_SHORT;

	return e->choice == EVENTS_ALL || x->kind == EVENT_MARK || x->serious || (e->choice == EVENTS_NO_PROCESSES && !process);
}

int events_arrange(struct events *e, const struct lens *lens, struct culprit_error *error)
{
	struct filter_columns columns = {.table = "events", .n = FILTER_COLUMNS, .column = filter_column};
	struct matched match = {.events = e};
	struct filter_row row = {&match, filter_value};
	struct filter *filter = NULL;
	uint32_t *shown;

	e->n = 0;
	shown = realloc(e->shown, (e->nlist ? e->nlist : 1) * sizeof(*shown));
	if (!shown)
		return error_set(error, -ENOMEM, "out of memory");
	e->shown = shown;
	if (lens->filter[0] && (!lens->filter_table[0] || !strcmp(lens->filter_table, "events"))) {
		filter = filter_create(lens->filter, &columns, error);
		if (!filter)
			return -EINVAL;
	}
	for (size_t i = 0; i < e->nlist; i++)
		if (e->list[i].time_ns > match.newest)
			match.newest = e->list[i].time_ns;
	for (size_t i = 0; i < e->nlist; i++) {
		match.event = &e->list[i];
		if (chosen(e, match.event) && (!filter || filter_match(filter, &row)))
			e->shown[e->n++] = (uint32_t)i;
	}
	filter_destroy(filter);
	qsort_r(e->shown, e->n, sizeof(*e->shown), compare, e);
	return 0;
}
