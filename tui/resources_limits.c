/* Limits of parts of the machine. All of it may have plenty left while a control group, a port or a process is at its own limit, so
 * these are looked for, and stand among the resources only while they hurt: one line each, of the one that is worst off. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "resources_rows.h"
#include "rows.h"

/* Beyond these a limit hurts (the figures of common alerting rules). */
static const double throttled = 25; /* percent of the periods in which a group ran */
static const double memory_full = 90; /* percent of a group's limit */
static const double thrash = 100; /* pages a second that are read again */
static const double files_near = 70, files_full = 90; /* percent of a process's limit: seen, and a warning */
static const double short_seen = 10; /* percent of one CPU that went into short lives */
static const double short_much = 10; /* percent of all CPUs */
static const double lock_seen = 200; /* percent of one thread's time: two that always wait */

/* What people call a group, else the end of its path. */
static void group_name(struct resources *r, size_t row, char *out, size_t cap)
{
	char path[256], *last;

	resources_text(r, row, "name", out, cap);
	if (out[0])
		return;
	resources_text(r, row, "path", path, sizeof(path));
	last = strrchr(path, '/');
	snprintf(out, cap, "%.*s", (int)cap - 1, last && last[1] ? last + 1 : path);
}

static double seconds(struct resources *r)
{
	struct query_info info;

	query_info(r->query, &info);
	return info.used_to_ns > info.used_from_ns ? (double)(info.used_to_ns - info.used_from_ns) / 1e9 : NAN;
}

/* Groups: stopped by their CPU limit; killed in, or reading again and again what does not fit into, their memory. */
static void ask_groups(struct resources *r, const struct lens *lens)
{
	size_t n = resources_ask(r, lens, "cgroup", NULL), stopped = n, full = n;
	double longest = 0, worst = 0, s = seconds(r);
	struct resource *x;

	for (size_t i = 0; i < n; i++) {
		double periods = resources_number(r, i, "throttled_pct"), rate = resources_number(r, i, "throttled_rate"),
		       share = resources_number(r, i, "memory_pct"), kills = resources_number(r, i, "oom_kills"),
		       again = number_max(resources_number(r, i, "refaults"), resources_number(r, i, "pgmajfault")) / s, bad = 0;

		if (periods >= throttled && rate > longest) {
			longest = rate;
			stopped = i;
		}
		/* A kill below counts above, too: only where the limit is. */
		if (isnan(share))
			continue;
		bad += kills > 0 ? 1e12 * kills : 0;
		bad += share >= memory_full && again >= thrash ? again : 0;
		if (bad > worst) {
			worst = bad;
			full = i;
		}
	}
	if (stopped < n && (x = resources_add(r, stopped, "cgroup", "throttled_pct", 100))) {
		snprintf(x->name, sizeof(x->name), "cpu limit");
		snprintf(x->use, sizeof(x->use), "-");
		if (!isnan(resources_number(r, stopped, "cpu_of_limit")))
			rows_percent(x->use, sizeof(x->use), resources_number(r, stopped, "cpu_of_limit"));
		resources_say_number(x->wait, r->wait_cap, "stopped", resources_number(r, stopped, "throttled_pct"), CULPRIT_PERCENT);
		group_name(r, stopped, x->most, sizeof(x->most));
		x->warn = true;
	}
	if (full < n && (x = resources_add(r, full, "cgroup", "memory_pct", 100))) {
		snprintf(x->name, sizeof(x->name), "mem limit");
		resources_say_number(x->wait, r->wait_cap, "reread",
				     number_max(resources_number(r, full, "refaults"), resources_number(r, full, "pgmajfault")) / s,
				     CULPRIT_COUNT_PER_S);
		resources_say_number(x->error, r->error_cap, "oom", resources_number(r, full, "oom_kills"), CULPRIT_COUNT);
		group_name(r, full, x->most, sizeof(x->most));
		x->warn = true;
	}
}

/* The listening socket whose queue is full: what comes then is dropped. */
static void ask_listeners(struct resources *r, const struct lens *lens, const struct resources_who *who)
{
	size_t n = resources_ask(r, lens, "tcp_listen", NULL), worst = n;
	struct resource *x;
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		double drops = resources_number(r, i, "drops_window"), full = resources_number(r, i, "queue_pct");
		double bad = (drops > 0 ? 1e6 * drops : 0) + (full >= 100 ? full : 0);

		if (bad > most) {
			most = bad;
			worst = i;
		}
	}
	if (worst == n || !(x = resources_add(r, worst, "tcp_listen", "queue_pct", 100)))
		return;
	snprintf(x->name, sizeof(x->name), "port %.0f", resources_number(r, worst, "port"));
	resources_say_number(x->wait, r->wait_cap, "waited", resources_number(r, worst, "accept_wait_p99"), CULPRIT_NS);
	resources_say_number(x->error, r->error_cap, "drop", resources_number(r, worst, "drops_window"), CULPRIT_COUNT);
	resources_text(r, worst, "comm", x->most, sizeof(x->most));
	if (resources_number(r, worst, "pid") > 0)
		who->name(who->self, (uint64_t)resources_number(r, worst, "pid"), x->most, sizeof(x->most));
	x->warn = true;
}

_Static_assert(sizeof(((struct resource *)0)->most) == sizeof(((struct resource_top *)0)->name), "a name fits");
static void most_by(struct resource *x, const struct resource_top *top)
{
	memcpy(x->most, top->name, sizeof(x->most));
}

static void ask_files(struct resources *r, const struct resources_who *who)
{
	const struct resource_top *top = &who->top[TOP_FILES];
	struct resource *x;

	if (!(top->value >= files_near))
		return;
	x = resources_add_known(r, &top->key, "process", "fd_use", top->value, CULPRIT_PERCENT, 100);
	if (!x)
		return;
	snprintf(x->name, sizeof(x->name), "open files");
	most_by(x, top);
	x->warn = top->value >= files_full;
}

/* Processes that live too short for any list: how many are begun, what they take, who begins most of them. */
static void ask_short(struct resources *r, const struct lens *lens, const struct resources_who *who)
{
	const struct resource_top *top = &who->top[TOP_SHORT];
	struct resource *x;
	double cpus;

	if (!(top->sum >= short_seen) || !resources_ask(r, lens, "host", NULL))
		return;
	x = resources_add(r, 0, "host", "fork_rate", 0);
	if (!x)
		return;
	cpus = resources_number(r, 0, "cpus");
	snprintf(x->name, sizeof(x->name), "forks");
	resources_say_number(x->wait, r->wait_cap, "took cpu1", top->sum, CULPRIT_PERCENT);
	most_by(x, top);
	x->warn = top->sum >= short_much * (cpus > 0 ? cpus : 1);
}

/* Threads that wait for locks more than they do anything else: nobody's limit, but nothing else would show it. */
static void ask_locks(struct resources *r, const struct resources_who *who)
{
	const struct resource_top *top = &who->top[TOP_LOCK];
	struct resource *x;

	if (!(top->value >= lock_seen))
		return;
	x = resources_add_known(r, &top->key, "process", "time_lock", top->value, CULPRIT_PERCENT, 0);
	if (!x)
		return;
	snprintf(x->name, sizeof(x->name), "locks");
	snprintf(x->use, sizeof(x->use), "%.1f", top->value / 100);
	snprintf(x->wait, sizeof(x->wait), "threads wait");
	most_by(x, top);
}

void resources_limits(struct resources *r, const struct lens *lens, const struct resources_who *who)
{
	ask_groups(r, lens);
	ask_listeners(r, lens, who);
	ask_files(r, who);
	ask_locks(r, who);
	ask_short(r, lens, who);
}
