#include "resources.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bar.h"
#include "error.h"
#include "resources_rows.h"
#include "rows.h"
#include "text.h"
#include "units.h"

enum { GAP_MAX = 4 }; /* columns */
enum { DISKS_MAX = 3, FILESYSTEMS_MAX = 2, NETS_MAX = 2 };

/* Beyond these something is wrong or soon will be (the figures of common alerting rules). */
static const double cpu_full = 90, busy_pct = 50, memory_full = 95, disk_full = 95, filesystem_full = 90, line_full = 80;

void resources_finish(struct resources *r)
{
	query_destroy(r->query);
	memset(r, 0, sizeof(*r));
}

double resources_number(struct resources *r, size_t row, const char *column)
{
	return query_number(r->query, row, column);
}

void resources_text(struct resources *r, size_t row, const char *column, char *out, size_t cap)
{
	query_text(r->query, row, column, out, cap);
}

size_t resources_ask(struct resources *r, const struct lens *lens, const char *table, const char *sort)
{
	int err;

	query_sort(r->query, sort, true);
	err = query_run(r->query, lens, table, 0, NULL);
	if (r->findings)
		findings_take(r->findings, r->query, table, err);
	/* Of damage what can be read is there. */
	return err && err != -EBADMSG ? 0 : query_nrows(r->query);
}

struct resource *resources_add_known(struct resources *r, const struct row_key *key, const char *table, const char *column, double now,
				     unsigned unit, double top)
{
	struct resource *x;

	if (r->n == RESOURCES_MAX)
		return NULL;
	x = &r->list[r->n++];
	memset(x, 0, sizeof(*x));
	snprintf(x->table, sizeof(x->table), "%s", table);
	snprintf(x->column, sizeof(x->column), "%s", column);
	x->key = *key;
	x->now = now;
	x->before = NAN;
	x->top = top;
	x->unit = unit;
	if (isnan(x->now))
		snprintf(x->use, sizeof(x->use), "-");
	else
		x->unit == CULPRIT_PERCENT ? rows_percent(x->use, sizeof(x->use), x->now) :
					     units_format_short(x->use, sizeof(x->use), x->now, x->unit);
	return x;
}

struct resource *resources_add(struct resources *r, size_t row, const char *table, const char *column, double top)
{
	int c = query_column_find(r->query, column);
	struct resource *x;
	struct query_row q;
	double change;

	if (!query_row(r->query, row, &q))
		return NULL;
	x = resources_add_known(r, &q.key, table, column, resources_number(r, row, column),
				c >= 0 ? query_column(r->query, (size_t)c)->unit : CULPRIT_NONE, top);
	if (x && (c < 0 || query_change(r->query, row, (size_t)c, &change, &x->before) != QUERY_CHANGE_KNOWN))
		x->before = NAN;
	return x;
}

static void say(char *to, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(char *to, size_t cap, const char *format, ...)
{
	size_t n = strlen(to);
	va_list args;

	va_start(args, format);
	vsnprintf(to + n, cap - n, format, args);
	va_end(args);
}

void resources_say_number(char *to, size_t cap, const char *word, double value, unsigned unit)
{
	char buf[32], text[64];

	if (isnan(value) || value <= 0)
		return;
	snprintf(text, sizeof(text), "%s%s %s", to[0] ? " " : "", word,
		 unit == CULPRIT_PERCENT && value >= 0.1 ? rows_percent(buf, sizeof(buf), value) :
							  units_format_short(buf, sizeof(buf), value, unit));
	if (strlen(to) + strlen(text) < cap)
		say(to, cap, "%s", text);
}

struct pressure {
	double cpu, memory, io;
};

static struct pressure ask_pressure(struct resources *r, const struct lens *lens)
{
	struct pressure p = {NAN, NAN, NAN};
	size_t n = resources_ask(r, lens, "psi", NULL);

	for (size_t i = 0; i < n; i++) {
		char name[16];
		double v = resources_number(r, i, "some_share");

		resources_text(r, i, "resource", name, sizeof(name));
		if (!strcmp(name, "cpu"))
			p.cpu = v;
		else if (!strcmp(name, "memory"))
			p.memory = v;
		else if (!strcmp(name, "io"))
			p.io = v;
	}
	return p;
}

/* How long the slowest hundredth waits for a CPU, of all CPUs; NaN where it is not measured. */
static double ask_run_queue(struct resources *r, const struct lens *lens)
{
	size_t n = resources_ask(r, lens, "runq", NULL);

	for (size_t i = 0; i < n; i++)
		if (resources_number(r, i, "cpu") < 0)
			return resources_number(r, i, "wait_p99");
	return NAN;
}

/* "us61 sy6 io31 st0 si2": what a CPU's time went into, in percent, as much of it as there is room for, the most first. */
static void say_cpu_time(struct resources *r, struct resource *x, size_t row)
{
	static const struct {
		const char *name, *column;
	} kinds[] = {{"us", "user_pct"}, {"sy", "system_pct"}, {"io", "iowait_pct"}, {"st", "steal_pct"}, {"si", "softirq_pct"}};
	enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
	bool said[KINDS] = {false};

	for (size_t k = 0; k < KINDS; k++) {
		double most = -1, v;
		size_t best = KINDS, used = strlen(x->wait);
		char one[16];

		for (size_t i = 0; i < KINDS; i++) {
			v = resources_number(r, row, kinds[i].column);
			if (!said[i] && v > most) {
				most = v;
				best = i;
			}
		}
		if (best == KINDS)
			return;
		said[best] = true;
		snprintf(one, sizeof(one), "%s%s%.0f", used ? " " : "", kinds[best].name, most);
		if (used + strlen(one) < r->wait_cap)
			snprintf(x->wait + used, sizeof(x->wait) - used, "%s", one);
	}
}

static void ask_cpus(struct resources *r, const struct lens *lens, const struct pressure *p, const char *most)
{
	double hottest = -1, all = NAN, queue = ask_run_queue(r, lens);
	size_t n = resources_ask(r, lens, "cpu", "busy");
	struct resource *x;
	size_t hot = n;

	for (size_t i = 0; i < n; i++) {
		double busy = resources_number(r, i, "busy");

		if (resources_number(r, i, "cpu") < 0) {
			all = busy;
			x = resources_add(r, i, "cpu", "busy", 100);
			if (!x)
				return;
			snprintf(x->name, sizeof(x->name), "cpu");
			snprintf(x->most, sizeof(x->most), "%s", most);
			/* Where somebody else has the CPUs, that is the first thing to know. */
			if (resources_number(r, i, "steal_pct") >= 1)
				resources_say_number(x->wait, r->wait_cap, "steal", resources_number(r, i, "steal_pct"), CULPRIT_PERCENT);
			resources_say_number(x->wait, r->wait_cap, "runq p99", queue, CULPRIT_NS);
			resources_say_number(x->wait, r->wait_cap, "stalled", p->cpu, CULPRIT_PERCENT);
			x->warn = busy >= cpu_full || p->cpu >= FINDINGS_STALLED_MUCH || resources_number(r, i, "steal_pct") >= FINDINGS_STALLED_MUCH;
		} else if (busy > hottest) {
			hottest = busy;
			hot = i;
		}
	}
	/* The hottest CPU says something where it stands out; where all are busy, what it does says what all do. */
	if (hot == n || !((n > 2 && hottest > all + 10) || all >= busy_pct))
		return;
	x = resources_add(r, hot, "cpu", "busy", 100);
	if (!x)
		return;
	snprintf(x->name, sizeof(x->name), "  cpu%.0f", resources_number(r, hot, "cpu"));
	say_cpu_time(r, x, hot);
	x->warn = hottest >= cpu_full;
}

static void ask_memory(struct resources *r, const struct lens *lens, const struct pressure *p, const char *most)
{
	double oom = resources_ask(r, lens, "vmstat", NULL) ? resources_number(r, 0, "oom_kills") : NAN;
	double swap_rate = resources_number(r, 0, "swap_out_rate");
	struct resource *x;

	if (!resources_ask(r, lens, "memory", NULL))
		return;
	x = resources_add(r, 0, "memory", "used_pct", 100);
	if (!x)
		return;
	snprintf(x->name, sizeof(x->name), "memory");
	snprintf(x->most, sizeof(x->most), "%s", most);
	resources_say_number(x->wait, r->wait_cap, "stalled", p->memory, CULPRIT_PERCENT);
	resources_say_number(x->wait, r->wait_cap, "swap", resources_number(r, 0, "swap_used_pct"), CULPRIT_PERCENT);
	resources_say_number(x->error, r->error_cap, "oom", oom, CULPRIT_COUNT);
	x->warn = x->now >= memory_full || p->memory >= FINDINGS_STALLED_MUCH || oom > 0 || swap_rate > 0;
}

/* Who uses most of this disk. What the kernel writes of the page cache it writes for whoever wrote most into that. */
static void say_asker(struct resources *r, struct resource *x, size_t row, const char *disk, const struct disk_askers *askers, size_t n,
		      const struct resources_who *who, bool first)
{
	double cached = resources_number(r, row, "write_rate"), queue = resources_number(r, row, "queue");
	size_t k;

	for (k = 0; k < n && strcmp(askers[k].disk, disk) != 0; k++)
		;
	cached -= k < n ? askers[k].written : 0;
	queue -= k < n ? askers[k].all : 0;
	if (k < n && !(cached > 0 && queue > askers[k].first.in_flight)) {
		snprintf(x->most, sizeof(x->most), "%s", askers[k].first.comm);
		who->name(who->self, askers[k].first.pid, x->most, sizeof(x->most));
	} else if (first) {
		snprintf(x->most, sizeof(x->most), "%s", who->findings->facts.top[n && cached > 0 ? TOP_WRITTEN : TOP_DISK].name);
	}
}

static void ask_disks(struct resources *r, const struct lens *lens, const struct pressure *p, const struct resources_who *who)
{
	const struct facts *f = &who->findings->facts;
	size_t n, shown = 0;

	/* findings_take() keeps of these what is needed. */
	resources_ask(r, lens, "disk_latency", NULL);
	resources_ask(r, lens, "disk_user", NULL);
	n = resources_ask(r, lens, "disk", "busy");
	for (size_t i = 0; i < n && shown < DISKS_MAX; i++) {
		char name[20], kind[16], what[32];
		struct resource *x;

		resources_text(r, i, "kind", kind, sizeof(kind));
		resources_text(r, i, "name", name, sizeof(name));
		/* A partition's load is its disk's. */
		if (!strcmp(kind, "partition") || (shown && !(resources_number(r, i, "busy") > 0)))
			continue;
		x = resources_add(r, i, "disk", "busy", 100);
		if (!x)
			return;
		snprintf(x->name, sizeof(x->name), "disk %s", name);
		say_asker(r, x, i, name, f->askers, f->naskers, who, !shown);
		for (size_t k = 0; k < f->ntails; k++) {
			if (strcmp(f->tails[k].disk, name) != 0)
				continue;
			snprintf(what, sizeof(what), "%s p99", f->tails[k].operation);
			resources_say_number(x->wait, r->wait_cap, what, f->tails[k].p99, CULPRIT_NS);
		}
		if (!shown)
			resources_say_number(x->wait, r->wait_cap, "stalled", p->io, CULPRIT_PERCENT);
		resources_say_number(x->wait, r->wait_cap, "await", resources_number(r, i, "await"), CULPRIT_NS);
		x->warn = x->now >= disk_full || (!shown && p->io >= FINDINGS_STALLED_MUCH);
		shown++;
	}
}

static void ask_filesystems(struct resources *r, const struct lens *lens)
{
	size_t n = resources_ask(r, lens, "filesystem", "used_pct"), shown = 0;

	for (size_t i = 0; i < n && shown < FILESYSTEMS_MAX; i++) {
		char mount[20];
		struct resource *x;
		double inodes = resources_number(r, i, "inode_pct");

		/* The fullest, and others that fill up. */
		if (isnan(resources_number(r, i, "used_pct")) || (shown && resources_number(r, i, "used_pct") < 50))
			continue;
		x = resources_add(r, i, "filesystem", "used_pct", 100);
		if (!x)
			return;
		resources_text(r, i, "mount", mount, sizeof(mount));
		snprintf(x->name, sizeof(x->name), "fs %s", mount);
		if (inodes >= filesystem_full)
			resources_say_number(x->wait, r->wait_cap, "inodes", inodes, CULPRIT_PERCENT);
		if (resources_number(r, i, "read_only") > 0)
			say(x->error, r->error_cap, "ro");
		x->warn = x->now >= filesystem_full || inodes >= filesystem_full;
		shown++;
	}
}

static void say_line(struct resources *r, struct resource *x, double line)
{
	char buf[32];

	if (!isnan(line))
		say(x->wait, r->wait_cap, "line %s", units_format_short(buf, sizeof(buf), line, CULPRIT_PERCENT));
}

static void ask_nets(struct resources *r, const struct lens *lens)
{
	bool tcp = resources_ask(r, lens, "tcp", NULL) > 0;
	double retrans = tcp ? resources_number(r, 0, "retrans_pct") : NAN, rate_again = tcp ? resources_number(r, 0, "retrans_rate") : NAN;
	size_t n = resources_ask(r, lens, "net", "rx_rate"), shown = 0;

	for (size_t i = 0; i < n && shown < NETS_MAX; i++) {
		char name[20];
		struct resource *x;
		double rate = resources_number(r, i, "rx_rate") + resources_number(r, i, "tx_rate"), line = resources_number(r, i, "use_pct");

		resources_text(r, i, "name", name, sizeof(name));
		if (shown && !(rate > 0))
			continue;
		x = resources_add(r, i, "net", "rx_rate", 0);
		if (!x)
			return;
		snprintf(x->name, sizeof(x->name), "net %s", name);
		if (!isnan(rate))
			units_format_short(x->use, sizeof(x->use), rate, CULPRIT_BYTES_PER_S);
		/* There is room for one of the two: that which is wrong. */
		if (!(retrans >= FINDINGS_RETRANS_BAD) || line >= line_full)
			say_line(r, x, line);
		/* As a share of what was sent it may be above 100 %: answers to connections are not among that. */
		if (!shown && retrans > 100)
			resources_say_number(x->wait, r->wait_cap, "retrans", rate_again, CULPRIT_COUNT_PER_S);
		else if (!shown)
			resources_say_number(x->wait, r->wait_cap, "retrans", retrans, CULPRIT_PERCENT);
		resources_say_number(x->error, r->error_cap, "drop", resources_number(r, i, "drop_rate"), CULPRIT_COUNT_PER_S);
		resources_say_number(x->error, r->error_cap, "err", resources_number(r, i, "error_rate"), CULPRIT_COUNT_PER_S);
		x->warn = line >= line_full || (!shown && retrans >= FINDINGS_RETRANS_BAD) || resources_number(r, i, "error_rate") > 0;
		shown++;
	}
}

/* Against what the user chose to compare with, exactly, as in the table below. Else against what came before: that nobody asked
 * for, so only what is no noise. */
static void say_change(struct resource *x, double before, bool chosen)
{
	bool noise = fabs(x->now - before) <= 0.1 * fabs(before) + (x->top > 0 ? x->top / 100 : 0);

	if (isnan(before) || isnan(x->now))
		return;
	if (!chosen && noise)
		snprintf(x->changed, sizeof(x->changed), "=");
	else
		rows_change(x->changed, sizeof(x->changed), x->now - before, before, x->unit);
}

/* Levels of the sparkline; and the mean of what came before the window, NaN where nothing did. */
static double past(struct resource *x, const struct series *s, uint64_t window_from_ns, const struct series_bucket *buckets)
{
	double max = x->top, before = 0;
	size_t n = 0, gap = 0;

	for (size_t i = 0; x->top <= 0 && i < s->n; i++) {
		if (buckets[i].data && buckets[i].mean > max)
			max = buckets[i].mean;
	}
	x->nspark = s->n;
	for (size_t i = 0; i < s->n; i++) {
		x->spark[i] = (int8_t)spark_level(buckets[i].data ? buckets[i].mean : NAN, max);
		/* What is read every few ticks only stands as it was in between. */
		if (!buckets[i].data && i && x->spark[i - 1] >= 0 && gap < GAP_MAX) {
			x->spark[i] = x->spark[i - 1];
			gap++;
		} else {
			gap = 0;
		}
		if (!buckets[i].data || s->from_ns + (i + 1) * s->step_ns > window_from_ns)
			continue;
		before += buckets[i].mean;
		n++;
	}
	return n ? before / (double)n : NAN;
}

static int ask_past(struct resources *r, struct view *view, const struct lens *lens, const struct panel_time *time,
		    size_t columns)
{
	struct series_bucket buckets[RESOURCES_MAX][RESOURCE_SPARK];
	struct series_request requests[RESOURCES_MAX];
	struct series out[RESOURCES_MAX];
	struct resource *asked[RESOURCES_MAX];
	uint64_t from_ns, to_ns, step_ns, held;
	size_t n = 0;
	int err;

	lens_resolve(lens, time->newest_ns, &from_ns, &to_ns);
	held = to_ns > time->first_ns ? to_ns - time->first_ns : 0;
	if (held > 600000000000u)
		held = 600000000000u;
	step_ns = series_step(to_ns - held, to_ns, columns - 1, time->tick_ns ? time->tick_ns : 1000000000u);
	r->past_ns = step_ns * columns;
	for (size_t i = 0; i < r->n; i++) {
		struct resource *x = &r->list[i];

		if (x->momentary)
			continue;
		memset(&requests[n], 0, sizeof(requests[n]));
		memcpy(requests[n].table, x->table, sizeof(x->table));
		memcpy(requests[n].column, x->column, sizeof(x->column));
		requests[n].key = x->key;
		out[n] = (struct series){.buckets = buckets[n]};
		asked[n++] = x;
	}
	err = n ? series_run(view, requests, n, to_ns, step_ns, columns, out, NULL) : 0;
	for (size_t i = 0; !err && i < n; i++) {
		double before = past(asked[i], &out[i], from_ns, buckets[i]);

		/* What the user chose to compare with; else what came before. */
		say_change(asked[i], lens->has_baseline ? asked[i]->before : before, lens->has_baseline);
	}
	return err;
}

int resources_update(struct resources *r, struct view *view, const struct lens *lens, const struct panel_time *time,
		     const struct resource_widths *widths, const struct resources_who *who, struct culprit_error *error)
{
	size_t columns = widths->spark < RESOURCE_SPARK ? widths->spark : RESOURCE_SPARK;
	struct pressure p;
	struct lens whole = *lens;
	int err;

	/* The machine's resources are the whole machine's, whatever is looked at. */
	memset(&whole.scope, 0, sizeof(whole.scope));
	whole.filter[0] = '\0';
	if (r->view != view) {
		resources_finish(r);
		r->query = query_create(view);
		r->view = view;
	}
	if (!r->query)
		return error_set(error, -ENOMEM, "out of memory");
	r->n = 0;
	r->findings = who->findings;
	r->compared = lens->has_baseline;
	r->wait_cap = (size_t)widths->wait + 1 < sizeof(r->list[0].wait) ? (size_t)widths->wait + 1 : sizeof(r->list[0].wait);
	r->error_cap =
		(size_t)widths->error + 1 < sizeof(r->list[0].error) ? (size_t)widths->error + 1 : sizeof(r->list[0].error);
	p = ask_pressure(r, &whole);
	ask_cpus(r, &whole, &p, who->findings->facts.top[TOP_CPU].name);
	ask_memory(r, &whole, &p, who->findings->facts.top[TOP_MEMORY].name);
	ask_disks(r, &whole, &p, who);
	ask_filesystems(r, &whole);
	ask_nets(r, &whole);
	resources_limits(r, &whole, who);
	/* Of one row each, for the findings. */
	resources_ask(r, &whole, "host", NULL);
	resources_ask(r, &whole, "netstack", NULL);
	resources_ask(r, &whole, "nfs", NULL);
	err = columns > 1 ? ask_past(r, view, &whole, time, columns) : 0;
	return err == -ENODATA ? 0 : err;
}
