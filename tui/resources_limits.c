/* Limits of parts of the machine. All of it may have plenty left while a control group, a port or a process is at its own limit, so
 * these are looked for, and stand among the resources only while they hurt: one line each, of the one that is worst off. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "resources_rows.h"
#include "rows.h"

/* Beyond these a limit hurts (the figures of common alerting rules). */
static const double files_near = 70, files_full = 90; /* percent of a process's limit: seen, and a warning */
static const double short_seen = 10; /* percent of one CPU that went into short lives */
static const double short_much = 10; /* percent of all CPUs */
static const double lock_seen = 200; /* percent of one thread's time: two that always wait */

/* Groups: stopped by their CPU limit; killed in, or reading again and again what does not fit into, their memory. */
static void ask_groups(struct resources *r, const struct lens *lens, const struct facts *f)
{
	struct resource *x;

	if (!resources_ask(r, lens, "cgroup", NULL))
		return;
	if (f->stopped.row != SIZE_MAX && (x = resources_add(r, f->stopped.row, "cgroup", "throttled_pct", 100))) {
		snprintf(x->name, sizeof(x->name), "cpu limit");
		snprintf(x->use, sizeof(x->use), "-");
		if (!isnan(f->stopped.of_limit))
			rows_percent(x->use, sizeof(x->use), f->stopped.of_limit);
		resources_say_number(x->wait, r->wait_cap, "stopped", f->stopped.value, CULPRIT_PERCENT);
		snprintf(x->most, sizeof(x->most), "%.39s", f->stopped.name);
		x->warn = true;
	}
	if (f->full.row != SIZE_MAX && (x = resources_add(r, f->full.row, "cgroup", f->full.column, 100))) {
		snprintf(x->name, sizeof(x->name), "mem limit");
		if (f->full.slowed > f->full.again * f->data_s)
			resources_say_number(x->wait, r->wait_cap, "slowed", f->full.slowed, CULPRIT_COUNT);
		else
			resources_say_number(x->wait, r->wait_cap, "reread", f->full.again, CULPRIT_COUNT_PER_S);
		resources_say_number(x->error, r->error_cap, "oom", f->full.kills, CULPRIT_COUNT);
		snprintf(x->most, sizeof(x->most), "%.39s", f->full.name);
		x->warn = true;
	}
	if (findings_io_held(f) && (x = resources_add(r, f->io.row, "cgroup", f->io.column, 0))) {
		snprintf(x->name, sizeof(x->name), "i/o limit");
		rows_percent(x->use, sizeof(x->use), f->io.value);
		resources_say_number(x->wait, r->wait_cap, "stalled", f->stalled[2], CULPRIT_PERCENT);
		snprintf(x->most, sizeof(x->most), "%.39s", f->io.name);
		x->warn = true;
	}
}

/* The listening socket whose queue is full: what comes then is dropped. */
static void ask_listeners(struct resources *r, const struct lens *lens, const struct resources_who *who)
{
	const struct facts *f = &who->findings->facts;
	struct resource *x;

	resources_ask(r, lens, "tcp_listen", NULL);
	if (f->listener.row == SIZE_MAX || !(x = resources_add(r, f->listener.row, "tcp_listen", "queue_pct", 100)))
		return;
	snprintf(x->name, sizeof(x->name), "port %.0f", f->listener.port);
	resources_say_number(x->wait, r->wait_cap, "waited", f->listener.accept_p99, CULPRIT_NS);
	resources_say_number(x->error, r->error_cap, "drop", f->listener.drops, CULPRIT_COUNT);
	snprintf(x->most, sizeof(x->most), "%s", f->listener.comm);
	if (f->listener.pid > 0)
		who->name(who->self, (uint64_t)f->listener.pid, x->most, sizeof(x->most));
	x->warn = true;
}

_Static_assert(sizeof(((struct resource *)0)->most) == sizeof(((struct process_top *)0)->name), "a name fits");
static void most_by(struct resource *x, const struct process_top *top)
{
	memcpy(x->most, top->name, sizeof(x->most));
}

static void ask_files(struct resources *r, const struct resources_who *who)
{
	const struct process_top *top = &who->findings->facts.top[TOP_FILES];
	struct resource *x;

	if (!(top->value >= files_near))
		return;
	x = resources_add_known(r, &top->key, "process", "fd_use", top->value, CULPRIT_PERCENT, 100);
	if (!x)
		return;
	x->momentary = true;
	snprintf(x->name, sizeof(x->name), "open files");
	most_by(x, top);
	x->warn = top->value >= files_full;
}

/* Processes that live too short for any list: how many are begun, what they take, who begins most of them. */
static void ask_short(struct resources *r, const struct lens *lens, const struct resources_who *who)
{
	const struct process_top *top = &who->findings->facts.top[TOP_SHORT];
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
	const struct process_top *top = &who->findings->facts.top[TOP_LOCK];
	struct resource *x;

	if (!(top->value >= lock_seen))
		return;
	x = resources_add_known(r, &top->key, "process", "time_lock", top->value, CULPRIT_PERCENT, 0);
	if (!x)
		return;
	x->momentary = true;
	snprintf(x->name, sizeof(x->name), "locks");
	snprintf(x->use, sizeof(x->use), "%.1f", top->value / 100);
	snprintf(x->wait, sizeof(x->wait), "threads wait");
	most_by(x, top);
}

void resources_limits(struct resources *r, const struct lens *lens, const struct resources_who *who)
{
	ask_groups(r, lens, &who->findings->facts);
	ask_listeners(r, lens, who);
	ask_files(r, who);
	ask_locks(r, who);
	ask_short(r, lens, who);
}
