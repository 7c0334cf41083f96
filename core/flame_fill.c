/* The tree from a table: any table with a column of stacks will do; columns are found by their names and roles. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "error.h"
#include "flame.h"
#include "number.h"
#include "query.h"
#include "schema.h"
#include "units.h"

enum { FRAMES_MAX = 2 * FORMAT_STACK_MAX + 2 };

const struct flame_lens flame_lenses[] = {
	{.name = "oncpu", .table = "oncpu", .title = "on-CPU", .none = "nothing of this was found on a CPU"},
	{.name = "offcpu", .table = "offcpu", .title = "off-CPU", .waits = true,
	 .none = "no wait of this was seen to begin or to end: it runs, or waits since before"},
	/* Who has nothing to do and looks at it a thousand times a second is of interest here. */
	{.name = "switches", .table = "offcpu", .value = "waits", .title = "context switches", .each = "switches",
	 .none = "nothing of this left its CPU", .idle = true, .waits = true},
	{.name = "faults", .table = "faults", .title = "page faults", .each = "faults", .none = "nothing of this touched new memory"},
	{.name = "blockio", .table = "blockio", .title = "block I/O", .each = "requests",
	 .none = "nothing of this asked a disk for anything"},
	{.name = "kernel_lock", .table = "kernel_lock", .title = "kernel locks", .each = "waits",
	 .none = "nothing of this waited for a lock of the kernel"},
	{.name = "heap", .table = "heap", .value = "growth", .title = "memory growth", .each = "allocations",
	 .none = "nothing was allocated that is not freed, since it is looked at", .asked = true},
	{.name = "profile", .table = "profile", .title = "profile"},
	{.name = NULL},
};

const struct flame_lens *flame_lens_find(const char *name)
{
	for (const struct flame_lens *l = flame_lenses; l->name; l++) {
		if (!strcmp(l->name, name))
			return l;
	}
	return NULL;
}

static const struct schema_column *column_named(const struct schema_table *t, const char *const *names)
{
	for (; *names; names++) {
		for (uint32_t i = 0; i < t->ncolumns; i++) {
			if (!strcmp(t->columns[i].name, *names))
				return &t->columns[i];
		}
	}
	return NULL;
}

static void set(char to[32], const struct schema_column *c)
{
	snprintf(to, 32, "%s", c ? c->name : "");
}

static bool source_of(const struct schema_table *t, const struct flame_options *o, struct flame_source *s)
{
	static const char *const kernels[] = {"kernel_stack", "kstack", NULL}, *const users[] = {"user_stack", "ustack", NULL};
	static const char *const counts[] = {"samples", "count", "waits", NULL};
	static const char *const weights[] = {"time", "weight", "wait", "bytes", "ns", "samples", "count", NULL};
	static const char *const threads[] = {"thread", "thread_name", "comm", "tid", NULL};
	static const char *const processes[] = {"process", "process_name", "name", "comm", "pid", NULL};
	static const char *const cuts[] = {"truncated", "end", "cut", NULL};
	const struct schema_column *first = NULL, *second = NULL, *kernel = column_named(t, kernels),
				   *user = column_named(t, users), *value;

	memset(s, 0, sizeof(*s));
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		if (t->columns[i].type != CULPRIT_STACK)
			continue;
		if (!first)
			first = &t->columns[i];
		else if (!second)
			second = &t->columns[i];
	}
	if (!first)
		return false;
	if (kernel && user && kernel->type == CULPRIT_STACK && user->type == CULPRIT_STACK) {
		first = kernel;
		second = user;
	}
	snprintf(s->table, sizeof(s->table), "%s", t->name);
	s->lens = flame_lens_find(t->name);
	set(s->stacks[0], o->user_only && second ? second : first);
	set(s->stacks[1], o->user_only || o->kernel_only ? NULL : second);
	set(s->samples, column_named(t, counts));
	if (o->value) {
		const char *const asked[] = {o->value, NULL};

		value = column_named(t, asked);
	} else {
		value = column_named(t, weights);
	}
	for (uint32_t i = 0; i < t->ncolumns && !value && !o->value; i++) {
		if (t->columns[i].role == CULPRIT_COUNTER)
			value = &t->columns[i];
	}
	set(s->value, value);
	s->unit = value ? value->unit : CULPRIT_COUNT;
	set(s->thread, column_named(t, threads));
	set(s->process, column_named(t, processes));
	set(s->cut, column_named(t, cuts));
	return !o->value || value;
}

int flame_source_find(struct view *view, const struct flame_options *o, struct flame_source *ret, struct culprit_error *error)
{
	static const char *const best[] = {"oncpu", "cpu_stack", "stack", "stacks", "profile", NULL};
	const struct schema *schema = view_schema(view);
	struct flame_options by = *o;
	char near[96];

	if (!schema)
		return view_nothing(view, error);
	if (o->table) {
		const struct schema_table *t = view_table(view, o->table);
		const struct flame_lens *l = flame_lens_find(o->table);

		if (!t && l)
			t = view_table(view, l->table);
		if (l && l->value && !o->value)
			by.value = l->value;
		o = &by;
		if (!t)
			return error_set(error, -ENOENT, "there is no table %.40s here%s", o->table,
					 view_suggest_table(view, o->table, near, sizeof(near)));
		if (source_of(t, o, ret)) {
			ret->lens = l;
			return 0;
		}
		return error_set(error, -ENOENT, o->value ? "table %.40s has no column %.40s to weigh its stacks by" :
				 "table %.40s has no stacks", o->table, o->value);
	}
	for (const char *const *name = best; *name; name++) {
		const struct schema_table *t = view_table(view, *name);

		if (t && source_of(t, o, ret))
			return 0;
	}
	for (uint32_t i = 0; i < schema->ntables; i++) {
		if (source_of(schema->tables[i], o, ret))
			return 0;
	}
	return error_set(error, -ENOENT, "no stacks are sampled by a build with BPF=0, which this is or the recorder was; replay --import opens perf script's");
}

static bool has_stacks(const struct schema_table *t)
{
	for (uint32_t k = 0; k < t->ncolumns && t->kind != CULPRIT_EVENT; k++) {
		if (t->columns[k].type == CULPRIT_STACK)
			return true;
	}
	return false;
}

const char *flame_source_at(struct view *view, size_t n)
{
	const struct schema *schema = view_schema(view);

	for (const struct flame_lens *l = flame_lenses; schema && l->name; l++) {
		const struct schema_table *t = view_table(view, l->table);

		if (t && has_stacks(t) && (!l->value || schema_column(t, l->value) >= 0) && !n--)
			return l->name;
	}
	for (uint32_t i = 0; schema && i < schema->ntables; i++) {
		const struct schema_table *t = schema->tables[i];

		if (has_stacks(t) && !flame_lens_find(t->name) && !n--)
			return t->name;
	}
	return NULL;
}

struct filling {
	struct flame_frame frames[FRAMES_MAX];
	struct segment_location locations[FORMAT_STACK_MAX];
	char names[FRAMES_MAX][DEMANGLE_MAX + 1];
};

static bool is_library(const char *module, size_t n)
{
	for (size_t i = 0; i + 3 <= n; i++) {
		if (!memcmp(module + i, ".so", 3) && (i + 3 == n || module[i + 3] == '.'))
			return true;
	}
	return false;
}

static void frame_of(const struct segment *segment, const struct segment_location *l, uint64_t pid, struct flame_frame *f,
		     char *name)
{
	const char *base = l->module;
	uint64_t at = l->offset;
	struct segment_name known;
	size_t len = l->module_len;

	*f = (struct flame_frame){.placed = l->module && l->kind == CULPRIT_MODULE_FILE, .offset = l->offset, .pid = pid,
				  .build_id = l->build_id, .build_id_len = l->build_id_len};
	f->module = l->module ? l->module : "";
	f->module_len = l->module ? l->module_len : 0;
	f->kind = l->kind == CULPRIT_MODULE_KERNEL || (len && base[0] == '[' && !l->kind) ? FLAME_KERNEL :
		  l->kind == CULPRIT_MODULE_GENERATED ? FLAME_JIT : !l->module ? FLAME_UNKNOWN :
		  l->kind == CULPRIT_MODULE_VDSO || is_library(base, len) ? FLAME_LIBRARY : FLAME_NATIVE;
	f->name = name;
	if (segment_symbol(segment, l, &known)) {
		f->named = known.len;
		at = known.start; /* of a function without a name all places are called by its begin */
	}
	if (f->named) {
		f->name_len = demangle(known.name, known.len, 1, name, DEMANGLE_MAX + 1);
		return;
	}
	for (size_t i = 0; i < l->module_len; i++) {
		if (l->module[i] == '/' && i + 1 < l->module_len) {
			base = l->module + i + 1;
			len = l->module_len - i - 1;
		}
	}
	f->name_len = (size_t)(l->module ? snprintf(name, DEMANGLE_MAX + 1, "%.*s+0x%llx", (int)(len < 500 ? len : 500), base,
						    (unsigned long long)at) :
			       snprintf(name, DEMANGLE_MAX + 1, "0x%llx", (unsigned long long)at));
}

/* The scheduler's own functions, with which every wait ends, whatever it is for. */
static bool is_scheduler(const struct flame_frame *f)
{
	static const char *const begins[] = {"__schedule", "schedule", "preempt_schedule", "io_schedule"};

	for (size_t i = 0; f->kind == FLAME_KERNEL && f->named && i < sizeof(begins) / sizeof(begins[0]); i++) {
		size_t n = strlen(begins[i]);

		if (f->name_len >= n && !memcmp(f->name, begins[i], n))
			return true;
	}
	return false;
}

static void group_of(struct query *q, size_t row, int column, struct flame_frame *f, char *name)
{
	struct value v;
	size_t n = 0;

	query_value(q, row, (size_t)column, &v);
	*f = (struct flame_frame){.name = name, .module = "", .kind = FLAME_GROUP, .named = true};
	if (value_ok(&v) && v.type == CULPRIT_TEXT) {
		n = v.text.len < DEMANGLE_MAX ? v.text.len : DEMANGLE_MAX;
		memcpy(name, v.text.p, n);
	} else if (value_ok(&v) && v.type == CULPRIT_TASK) {
		n = (size_t)snprintf(name, DEMANGLE_MAX, "thread %llu", (unsigned long long)v.task.tid);
	} else if (value_ok(&v) && (v.type == CULPRIT_U64 || v.type == CULPRIT_I64)) {
		n = (size_t)snprintf(name, DEMANGLE_MAX, "%lld", (long long)v.i);
	} else {
		n = (size_t)snprintf(name, DEMANGLE_MAX, "?");
	}
	f->name_len = n;
}

static double number_of(struct query *q, size_t row, int column, double otherwise)
{
	struct value v;
	double n;

	if (column < 0)
		return otherwise;
	query_value(q, row, (size_t)column, &v);
	return value_ok(&v) && value_number(&v, &n) && n >= 0 ? n : 0;
}

static bool is_cut(struct query *q, size_t row, int column)
{
	struct value v;
	double n;

	if (column < 0)
		return false;
	query_value(q, row, (size_t)column, &v);
	if (!value_ok(&v))
		return false;
	return v.type == CULPRIT_TEXT ? v.text.len > 0 : value_number(&v, &n) && n != 0;
}

/* "idle", "idle?": it has nothing to do. */
static bool is_idle(struct query *q, size_t row, int column)
{
	struct value v;

	if (column < 0)
		return false;
	query_value(q, row, (size_t)column, &v);
	return value_ok(&v) && v.type == CULPRIT_TEXT && v.text.len >= 4 && !memcmp(v.text.p, "idle", 4);
}

const char *flame_rate_words(const struct flame_source *source, const struct flame_summary *s, char *out, size_t cap)
{
	out[0] = '\0';
	if (s->rate_high > 0 && s->rate_low < s->rate_high)
		snprintf(out, cap, "%.0f-%.0f Hz", s->rate_low, s->rate_high);
	else if (s->rate_high > 0)
		snprintf(out, cap, "%.0f Hz", s->rate_high);
	else if (!strcmp(source->table, "faults"))
		snprintf(out, cap, "one in 997 minor ones");
	return out;
}

static double first_number(struct query *q, const char *column)
{
	int c = query_column_find(q, column);

	return c < 0 ? 0 : number_of(q, 0, c, 0);
}

void flame_cost(struct query *q, const struct lens *lens, char *out, size_t cap, uint64_t *ret_looked_ns)
{
	struct lens l = *lens;
	struct value note;
	char number[2][24];
	double rate, pct;
	int c;

	out[0] = '\0';
	*ret_looked_ns = 0;
	l.filter[0] = '\0';
	l.has_baseline = l.has_range = false;
	if (query_run(q, &l, "heap_probe", 0, NULL) || !query_nrows(q))
		return;
	rate = first_number(q, "call_rate");
	pct = first_number(q, "cost_pct");
	*ret_looked_ns = (uint64_t)first_number(q, "looked");
	c = query_column_find(q, "note");
	if (c >= 0)
		query_value(q, 0, (size_t)c, &note);
	if (c >= 0 && value_ok(&note) && note.type == CULPRIT_TEXT && note.text.len)
		snprintf(out, cap, "%.*s", (int)(note.text.len < cap ? note.text.len : cap - 1), note.text.p);
	else if (rate < 1)
		snprintf(out, cap, "no calls of its allocator are seen: it may bring one of its own");
	else
		snprintf(out, cap, "looking costs the process %.1f%% of a CPU: %s calls/s, %s each", pct,
			 units_format_short(number[0], sizeof(number[0]), rate, CULPRIT_COUNT),
			 units_format_short(number[1], sizeof(number[1]), pct / 100 * 1e9 / rate, CULPRIT_NS));
}

uint64_t flame_covered_ns(struct query *q)
{
	struct query_info info;
	uint64_t from;

	query_info(q, &info);
	from = info.used_from_ns;
	for (size_t i = 0; info.empty && i < query_nrows(q); i++) {
		struct query_row row;

		if (query_row(q, i, &row) && row.covered_from_ns && row.covered_from_ns < from)
			from = row.covered_from_ns;
	}
	return info.used_to_ns > from ? info.used_to_ns - from : 0;
}

static int find(const struct query *q, const char *name)
{
	return name[0] ? query_column_find(q, name) : -1;
}

int flame_fill(struct flame *f, struct query *q, const struct lens *lens, const struct flame_source *s,
	       const struct flame_options *o, bool base, struct culprit_error *error)
{
	struct filling *w = malloc(sizeof(*w));
	int r = w ? query_run(q, lens, s->table, 0, error) : error_set(error, -ENOMEM, "out of memory"), damage = 0;
	int stacks[2], value, samples, thread, process, cut, reason, pids, rate;

	if (r == -EBADMSG) {
		damage = r;
		r = 0;
	}
	if (r) {
		free(w);
		return r;
	}
	for (int i = 0; i < 2; i++)
		stacks[i] = find(q, s->stacks[i]);
	value = find(q, s->value);
	samples = find(q, s->samples);
	thread = o->by_thread ? find(q, s->thread) : -1;
	process = o->by_process ? find(q, s->process) : -1;
	cut = find(q, s->cut);
	pids = query_column_find(q, "pid");
	rate = query_column_find(q, "rate");
	reason = o->idle || (s->lens && s->lens->idle) ? -1 : query_column_find(q, "reason");
	for (size_t row = 0; row < query_nrows(q) && !r; row++) {
		double weight = number_of(q, row, value, 1), count = number_of(q, row, samples, weight);
		uint64_t pid = number_u64(number_of(q, row, pids, 0));
		bool truncated = is_cut(q, row, cut);
		size_t n = 0;

		if (!(weight > 0) || is_idle(q, row, reason))
			continue;
		/* Innermost first, as stacks are. */
		for (int part = 0; part < 2; part++) {
			struct value v;
			size_t have;

			if (stacks[part] < 0)
				continue;
			query_value(q, row, (size_t)stacks[part], &v);
			if (!value_ok(&v))
				continue;
			have = segment_stack(v.stack.segment, v.stack.id, w->locations, FORMAT_STACK_MAX);
			for (size_t i = 0; i < have && i < FORMAT_STACK_MAX; i++) {
				frame_of(v.stack.segment, &w->locations[i], pid, &w->frames[n], w->names[n]);
				if (n || !s->lens || !s->lens->waits || i + 1 == have || !is_scheduler(&w->frames[n]))
					n++;
			}
		}
		if (!base)
			flame_rate(f, number_of(q, row, rate, 0));
		if (truncated) {
			w->frames[n++] = (struct flame_frame){.name = "(cut)", .name_len = 5, .module = "", .kind = FLAME_CUT,
							      .named = true};
			if (!base)
				flame_truncated(f, count, weight);
		}
		if (!o->inverted) {
			for (size_t i = 0; i < n / 2; i++) {
				struct flame_frame swap = w->frames[i];

				w->frames[i] = w->frames[n - 1 - i];
				w->frames[n - 1 - i] = swap;
			}
		}
		for (int group = 0; group < 2 && n < FRAMES_MAX; group++) {
			int column = group ? process : thread;

			if (column < 0)
				continue;
			memmove(w->frames + 1, w->frames, n * sizeof(*w->frames));
			group_of(q, row, column, &w->frames[0], w->names[n]);
			n++;
		}
		if (n)
			r = flame_add(f, w->frames, n, weight, count, base);
		if (r == -E2BIG)
			r = 0;
	}
	free(w);
	if (r)
		return error_set(error, r, "out of memory for stacks");
	return damage;
}
