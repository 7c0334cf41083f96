/* What the Flame panel asks: which tables have stacks, the tree of the lens, the baseline's, the reasons of waits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "flame_panel.h"

static struct flame_options options_of(const struct flame_panel *p)
{
	return (struct flame_options){.table = p->table[0] ? p->table : NULL,
				      .inverted = p->inverted,
				      .idle = p->reason[0] || strstr(p->lens.filter, "idle"),
				      .by_process = p->whose == WHOSE_PROCESS,
				      .by_thread = p->whose == WHOSE_THREAD};
}

const char *flame_panel_source_name(const struct flame_panel *p)
{
	return p->source.lens ? p->source.lens->name : p->source.table;
}

bool flame_panel_source(struct flame_panel *p, int step)
{
	size_t n = 0, here = 0;
	const char *name;

	if (!p->view)
		return false;
	while ((name = flame_source_at(p->view, n))) {
		if (!strcmp(name, flame_panel_source_name(p)))
			here = n;
		n++;
	}
	if (n < 2)
		return false;
	name = flame_source_at(p->view, (here + (step > 0 ? 1 : n - 1)) % n);
	snprintf(p->table, sizeof(p->table), "%s", name ? name : "");
	p->reason[0] = '\0';
	return true;
}

bool flame_panel_reason(struct flame_panel *p, int step)
{
	size_t n = p->nreasons + 1, here = 0; /* 0: all */

	if (!p->nreasons)
		return false;
	for (size_t i = 0; i < p->nreasons; i++) {
		if (!strcmp(p->reasons[i].name, p->reason))
			here = i + 1;
	}
	here = (here + (step > 0 ? 1 : n - 1)) % n;
	snprintf(p->reason, sizeof(p->reason), "%s", here ? p->reasons[here - 1].name : "");
	return true;
}

/* More must hold for rows of our table. What no longer fits would be wrong: then it counts alone. */
static void add_filter(const struct flame_panel *p, struct lens *l, const char *term)
{
	char filter[LENS_FILTER_MAX];
	bool ours = l->filter[0] && (!l->filter_table[0] || !strcmp(l->filter_table, p->source.table));

	if (!ours || snprintf(filter, sizeof(filter), "(%s) and %s", l->filter, term) >= (int)sizeof(filter))
		snprintf(filter, sizeof(filter), "%s", term);
	memcpy(l->filter, filter, sizeof(filter));
	snprintf(l->filter_table, sizeof(l->filter_table), "%s", p->source.table);
}

/* A thread where the table knows only whose process it is by itself. */
static void narrow_thread(const struct flame_panel *p, struct lens *l)
{
	const struct schema_table *t = view_table(p->view, p->source.table);
	char term[80];

	if (!l->scope.has_thread || !t || (t->parent && !strcmp(t->parent, "thread")) || schema_column(t, "tid") < 0)
		return;
	snprintf(term, sizeof(term), "tid=%llu", (unsigned long long)l->scope.tid);
	if (l->scope.thread_start_ticks && schema_column(t, "start") >= 0)
		snprintf(term, sizeof(term), "tid=%llu and start=%llu", (unsigned long long)l->scope.tid,
			 (unsigned long long)l->scope.thread_start_ticks);
	add_filter(p, l, term);
}

/* The lens narrowed to one reason. */
static void narrow(const struct flame_panel *p, struct lens *l)
{
	char term[96];

	if (!p->reason[0])
		return;
	snprintf(term, sizeof(term), "reason=\"%s\"", p->reason);
	add_filter(p, l, term);
}

static int by_weight(const void *a, const void *b)
{
	const struct flame_reason *x = a, *y = b;

	return x->weight != y->weight ? (x->weight < y->weight ? 1 : -1) : strcmp(x->name, y->name);
}

/* Which reasons there are, the heaviest first. A reason that would have to be quoted is none of ours. */
static void gather_reasons(struct flame_panel *p)
{
	int reason = query_column_find(p->query, "reason"), value = query_column_find(p->query, p->source.value);

	p->nreasons = 0;
	for (size_t row = 0; reason >= 0 && row < query_nrows(p->query); row++) {
		struct value v;
		double weight = 0;
		size_t i = 0;

		query_value(p->query, row, (size_t)reason, &v);
		if (!value_ok(&v) || v.type != CULPRIT_TEXT || !v.text.len || v.text.len >= sizeof(p->reasons[0].name) ||
		    memchr(v.text.p, '"', v.text.len) || memchr(v.text.p, '\\', v.text.len) || memchr(v.text.p, 0, v.text.len))
			continue;
		while (i < p->nreasons &&
		       (strlen(p->reasons[i].name) != v.text.len || memcmp(p->reasons[i].name, v.text.p, v.text.len)))
			i++;
		if (i == FLAME_REASONS)
			continue;
		if (i == p->nreasons) {
			p->nreasons++;
			memcpy(p->reasons[i].name, v.text.p, v.text.len);
			p->reasons[i].name[v.text.len] = '\0';
			p->reasons[i].weight = 0;
		}
		if (value >= 0) {
			query_value(p->query, row, (size_t)value, &v);
			if (value_ok(&v) && value_number(&v, &weight))
				p->reasons[i].weight += weight;
		}
	}
	qsort(p->reasons, p->nreasons, sizeof(p->reasons[0]), by_weight);
}

/* --- what would give generated code its names --- */

static bool module_is(const struct flame_frame *f, const char *name)
{
	size_t n = strlen(name), at = f->module_len;

	while (at && f->module[at - 1] != '/')
		at--;
	return f->module_len - at >= n && !memcmp(f->module + at, name, n);
}

static bool name_is(const struct flame_frame *f, const char *name)
{
	return f->name_len == strlen(name) && !memcmp(f->name, name, f->name_len);
}

static unsigned long jit_pid(const struct flame_frame *f)
{
	char digits[16];
	size_t n = f->module_len;

	if (n < 7 || n - 5 >= sizeof(digits) || memcmp(f->module, "[jit ", 5))
		return 0;
	memcpy(digits, f->module + 5, n - 5);
	digits[n - 5] = '\0';
	return strtoul(digits, NULL, 10);
}

/* Who made that code: what called it says so, or, upside down, what it called. */
static const char *language(const struct flame *f, uint32_t node, bool inverted)
{
	for (uint32_t at = node; at; at = inverted ? flame_heaviest(f, at) : flame_node(f, at)->parent) {
		const struct flame_frame *is = flame_frame(f, flame_node(f, at)->frame);

		if (module_is(is, "libjvm.so") || module_is(is, "java"))
			return "java";
		if (module_is(is, "node") || module_is(is, "libnode"))
			return "node";
		if (module_is(is, "python") || module_is(is, "libpython"))
			return "python";
	}
	return "";
}

/* The kernel's functions have names, or none of them has: then it shows nobody where they are. */
static void say_kernel(struct flame_panel *p)
{
	const struct flame *f = p->flame;
	double unnamed = 0;

	for (uint32_t i = 1; i < flame_nodes(f); i++) {
		const struct flame_node *n = flame_node(f, i);
		const struct flame_frame *is = flame_frame(f, n->frame), *above = flame_frame(f, flame_node(f, n->parent)->frame);

		if (!module_is(is, "[kernel]"))
			continue;
		if (is->named)
			return;
		if (!n->parent || !module_is(above, "[kernel]"))
			unnamed += n->total;
	}
	if (unnamed > 0.05 * p->summary.total)
		snprintf(p->help, sizeof(p->help), "%.0f%% in the kernel, which hides its names; a console that starts after this has "
			 "them: sysctl kernel.kptr_restrict=1", 100 * unnamed / p->summary.total);
}

static void say_how(struct flame_panel *p)
{
	const struct flame *f = p->flame;
	double unnamed = 0, most = 0, python = 0, all = p->summary.total;
	bool python_named = false;
	uint32_t best = 0;
	const char *what;
	unsigned long pid;
	char share[16];

	p->help[0] = '\0';
	for (uint32_t i = 1; i < flame_frames(f); i++) {
		const struct flame_frame *is = flame_frame(f, i);

		if (is->name_len > 4 && !memcmp(is->name, "py::", 4))
			python_named = true;
	}
	for (uint32_t i = 1; i < flame_nodes(f); i++) {
		const struct flame_node *n = flame_node(f, i);
		const struct flame_frame *is = flame_frame(f, n->frame);

		if (is->kind == FLAME_JIT && !is->named) {
			/* Frames below each other count once. */
			if (flame_frame(f, flame_node(f, n->parent)->frame)->kind != FLAME_JIT || !n->parent)
				unnamed += n->total;
			if (n->total > most) {
				most = n->total;
				best = i;
			}
		} else if (name_is(is, "_PyEval_EvalFrameDefault") && !python_named) {
			if (!name_is(flame_frame(f, flame_node(f, n->parent)->frame), "_PyEval_EvalFrameDefault"))
				python += n->self;
		}
	}
	if (best && unnamed > 0.05 * all) {
		what = language(f, best, p->inverted);
		pid = jit_pid(flame_frame(f, flame_node(f, best)->frame));
		snprintf(share, sizeof(share), "%.0f%%", 100 * unnamed / all);
		if (!strcmp(what, "java"))
			snprintf(p->help, sizeof(p->help), "%s in code without names; this names it: jcmd %lu Compiler.perfmap", share, pid);
		else if (!strcmp(what, "node"))
			snprintf(p->help, sizeof(p->help), "%s in code without names; named when started as node --perf-basic-prof", share);
		else if (!strcmp(what, "python"))
			snprintf(p->help, sizeof(p->help), "%s in code without names; named when started as python3 -X perf (from 3.12 on)", share);
		else
			snprintf(p->help, sizeof(p->help), "%s in generated code without names; /tmp/perf-%lu.map would name it", share,
				 pid);
	} else if (python > 0.05 * all) {
		snprintf(p->help, sizeof(p->help), "%.0f%% in Python's interpreter; its functions are named with python3 -X perf (3.12 on)",
			 100 * python / all);
	} else {
		say_kernel(p);
	}
}

/* What looking costs the process that is looked at; what was counted is since then, whatever the window. */
static void say_cost(struct flame_panel *p)
{
	char cost[160], before[sizeof(p->help)];
	uint64_t looked;

	if (!view_table(p->view, "heap_probe") || (!p->cost_query && !(p->cost_query = query_create(p->view))))
		return;
	flame_cost(p->cost_query, &p->lens, cost, sizeof(cost), &looked);
	memcpy(before, p->help, sizeof(before));
	if (cost[0])
		snprintf(p->help, sizeof(p->help), "%s%s%.200s", cost, before[0] ? "; " : "", before);
	if (looked)
		p->covered_ns = looked;
}

/* Of waits of a thread or a process: who ends them, and whom those wait for. */
static void say_for_whom(struct flame_panel *p)
{
	thread_wakers_update(&p->wakers, p->view, &p->lens, p->lens.scope.has_thread ? p->lens.scope.tid : 0,
			     p->lens.scope.has_thread ? p->lens.scope.thread_start_ticks : 0);
	if (p->wakers.n) {
		int n = snprintf(p->help, sizeof(p->help), "%s %llu ", p->wakers.comm, (unsigned long long)p->wakers.tid);

		thread_wakers_say(&p->wakers, p->help + n, sizeof(p->help) - (size_t)n);
	}
}

/* --- asking --- */

static int ask_baseline(struct flame_panel *p, const struct lens *lens, const struct flame_options *o, struct culprit_error *error)
{
	struct view *other = view_baseline(p->view), *of = other ? other : p->view;
	struct flame_source source;
	struct lens l = *lens;
	int r;

	p->base_covered_ns = 0;
	if (!lens->has_baseline)
		return 0;
	if (p->base_view != of) {
		query_destroy(p->base_query);
		p->base_query = query_create(of);
		p->base_view = of;
	}
	if (!p->base_query)
		return error_set(error, -ENOMEM, "out of memory");
	l.live = false;
	l.from_ns = lens->baseline_from_ns;
	l.to_ns = lens->baseline_to_ns;
	l.has_baseline = false;
	/* Processes of another recording have other numbers there. */
	if (other)
		memset(&l.scope, 0, sizeof(l.scope));
	r = flame_source_find(of, o, &source, error);
	if (!r)
		r = flame_fill(p->flame, p->base_query, &l, &source, o, true, error);
	/* Without it the rest stands. */
	if (r == -ENOMEM)
		return r;
	if (!r || r == -EBADMSG)
		p->base_covered_ns = flame_covered_ns(p->base_query);
	return 0;
}

static const char *window_words(const struct flame_panel *p, const struct query_info *info)
{
	return p->reason[0] || p->lens.filter[0] ? "in this window, with this filter" : info->empty && !info->filtered ? "so far" : "in this window";
}

/* Nothing was found: why that is so. */
static void say_why(struct flame_panel *p)
{
	struct query_info info;

	query_info(p->query, &info);
	if (p->source.lens && p->source.lens->asked && !p->lens.scope.has_process)
		snprintf(p->why_not, sizeof(p->why_not), "allocations are looked at in one process, as that slows it: choose one (2, Enter), then 4");
	else if (info.reason && (info.state == CULPRIT_MISSING || info.state == CULPRIT_FAILED))
		snprintf(p->why_not, sizeof(p->why_not), "%.*s", (int)(info.reason_len < 250 ? info.reason_len : 250), info.reason);
	else if (p->source.lens && p->source.lens->waits && p->nreasons && !p->reason[0])
		snprintf(p->why_not, sizeof(p->why_not), "this waited for nothing but work (%s): ; shows where (idle)", window_words(p, &info));
	else if (p->source.lens && p->source.lens->none)
		snprintf(p->why_not, sizeof(p->why_not), "%s%s%s (%s)", p->source.lens->none, p->reason[0] ? ": " : "", p->reason,
			 window_words(p, &info));
	else
		snprintf(p->why_not, sizeof(p->why_not), "no stacks of %s here (%s)", p->source.table, window_words(p, &info));
}

static int ask(struct flame_panel *p, struct culprit_error *error)
{
	struct flame_options o = options_of(p);
	struct lens lens = p->lens;
	struct culprit_error none = {""};
	struct query_info info;
	int r, damage = 0;

	p->why_not[0] = '\0';
	p->nreasons = 0;
	flame_clear(p->flame);
	memset(&p->summary, 0, sizeof(p->summary));
	r = flame_source_find(p->view, &o, &p->source, &none);
	/* The table one looked at is not there in this part of the past. */
	if (r == -ENOENT && o.table) {
		o.table = NULL;
		r = flame_source_find(p->view, &o, &p->source, &none);
	}
	if (r) {
		memset(&p->source, 0, sizeof(p->source));
		snprintf(p->why_not, sizeof(p->why_not), "%s", none.sentence);
		return 0;
	}
	lens.has_baseline = false;
	narrow_thread(p, &lens);
	if (p->reason[0]) {
		/* Of all of them, for the list; then of the one. */
		if (!query_run(p->query, &lens, p->source.table, 0, NULL))
			gather_reasons(p);
		narrow(p, &lens);
	}
	r = flame_fill(p->flame, p->query, &lens, &p->source, &o, false, error);
	if (r == -EBADMSG) {
		damage = r;
		r = 0;
	}
	if (r)
		return r;
	if (!p->reason[0])
		gather_reasons(p);
	p->covered_ns = flame_covered_ns(p->query);
	lens.has_baseline = p->lens.has_baseline;
	r = ask_baseline(p, &lens, &o, error);
	if (r)
		return r;
	flame_summary(p->flame, &p->summary);
	if (!(p->summary.total > 0) && !(p->summary.base_total > 0))
		say_why(p);
	say_how(p);
	query_info(p->query, &info);
	if (info.reason && info.state == CULPRIT_FRESH)
		snprintf(p->help, sizeof(p->help), "%.*s", (int)(info.reason_len < sizeof(p->help) ? info.reason_len : sizeof(p->help) - 1), info.reason);
	if (p->source.lens && p->source.lens->asked && p->lens.scope.has_process)
		say_cost(p);
	p->wakers.known = false;
	if (!p->help[0] && p->lens.scope.has_process && !strcmp(flame_panel_source_name(p), "offcpu"))
		say_for_whom(p);
	return damage;
}

int flame_panel_ask(struct flame_panel *p, struct culprit_error *error)
{
	uint64_t generation = view_generation(p->view);
	int r;

	/* The past stands still, once it was read. */
	if (p->answered && lens_equal(&p->lens, &p->asked_lens) &&
	    (generation == p->generation || (!p->lens.live && p->lens.to_ns <= p->time.newest_ns && p->summary.unnamed <= 0 &&
					     p->summary.total > 0)))
		return 0;
	if (!p->query && !(p->query = query_create(p->view)))
		return error_set(error, -ENOMEM, "out of memory");
	if (!p->flame && !(p->flame = flame_create()))
		return error_set(error, -ENOMEM, "out of memory");
	r = ask(p, error);
	p->answered = !r;
	p->generation = generation;
	p->asked_lens = p->lens;
	p->answer++;
	return r;
}
